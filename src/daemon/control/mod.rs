//! The way to a running daemon: a unix socket. In: one request of a command. Out: how it goes, and one answer.
//!
//! The socket is `<state_dir>/.daemon/control.sock`, wherever the state is. The daemon knows by the socket's credentials which account
//! asks, and `[control]` says what it may: without that table, only the daemon's own user and root can reach the socket at all.
//! Each connection carries one request. Every line is one JSON value; the daemon speaks first and says which protocol it knows, so
//! that a command of another version finds out before it asks. A command that the daemon carries out for another process sends its output
//! and its questions over the same connection (`command`).

mod client;
mod command;
mod rights;
mod serve;
mod words;

pub use client::{CommandNews, ControlError, Performing, Talk, reach};
pub(super) use command::Commands;
pub use command::{CommandLink, CommandRunner};
pub(super) use rights::Rights;
pub(super) use serve::{Asked, Control, answered_by};
pub use serve::{ReplyHandle, RunOrder};
pub use words::{
    BrokenTenant, CommandEnd, CommandEvent, CommandInput, CommandLine, ControlRefusal, ControlReply, ControlRequest,
    ControlRight, Deciding, Going, Hello, ImportToOrder, Importing, OutputStream, PROTOCOL, RecordedDecision, Reloaded,
    RunOptions,
};

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A client that does not take an answer within so long does not get it.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// How often progress is sent, and how often that there is none.
const TELL_EVERY: Duration = Duration::from_millis(200);
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// What `sockaddr_un` has room for on Linux, without the closing zero.
const LONGEST: usize = 107;

/// The same place by a name that fits into a socket's address: a long one goes through the open folder.
struct Short {
    path: PathBuf,
    /// The name holds as long as this is open.
    _folder: Option<File>,
}

impl Short {
    fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= LONGEST {
            return Ok(Self { path: path.to_owned(), _folder: None });
        }
        let folder = File::open(path.parent().unwrap_or(Path::new("/")))?;
        let name = path.file_name().unwrap_or_default().display();
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()));
        Ok(Self { path, _folder: Some(folder) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests;
