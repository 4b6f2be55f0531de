//! Opens and reads files that someone else may have put in place. In: a path. Out: an open regular file, its bytes or its text; or an
//! error that says what is there instead.
//!
//! A FIFO blocks whoever opens it until another process writes to it, and a device may never end. So every file that rosterd reads is
//! opened here: without blocking, and refused unless the open descriptor is a regular file. A hanging network share can still block a
//! read: what belongs to a tenant is therefore read on a thread with a time limit (`engine`, `tenancy`).
//!
//! Beside it: [`replace`] puts whole files in place, [`trust`] says whether another user could have changed a file that steers rosterd,
//! [`modes`] keeps new files to their owner, [`network`] names file systems that other machines write to.
//!
//! It must not depend on any other room but `fail`.

pub mod modes;
pub mod network;
pub mod replace;
pub mod trust;

use std::fs::{File, FileType, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use crate::fail;

/// The most that a configuration, a certificate bundle or another small file may have, in bytes.
pub const SMALL: u64 = 16 << 20;

/// Another program's lease on a file (as a file server holds it) is given this many chances to end, this far apart.
const LEASE_TRIES: u32 = 10;
const LEASE_PAUSE: Duration = Duration::from_millis(50);

/// Opens a regular file for reading, without blocking.
///
/// # Errors
/// When it can't be opened, or is something else: the error says what. It does not name the path; the caller does.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_with_metadata(path).map(|(file, _)| file)
}

/// Opens a regular file for reading, without blocking, together with the metadata of the open descriptor.
///
/// # Errors
/// As for [`open_regular`].
pub fn open_with_metadata(path: &Path) -> io::Result<(File, Metadata)> {
    let file = open_without_blocking(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata)),
        false => Err(not_regular(metadata.file_type())),
    }
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// As for [`open_regular`], and when the file is larger.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, metadata) = open_with_metadata(path)?;
    if metadata.len() > most {
        return Err(too_large(most));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0).saturating_add(1));
    // It may grow while it is read.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()).is_ok_and(|len| len <= most) {
        true => Ok(bytes),
        false => Err(too_large(most)),
    }
}

/// Reads a regular file of at most `most` bytes as UTF-8 text.
///
/// # Errors
/// As for [`read`], and when it is not UTF-8.
pub fn read_to_string(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Reads a regular file of any size: one that rosterd itself writes, whose size follows the number of users.
///
/// # Errors
/// As for [`open_regular`].
pub fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    read(path, u64::MAX)
}

fn open_without_blocking(path: &Path) -> io::Result<File> {
    fail::hang(path);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let mut tries = 1;
    loop {
        let opened = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()));
        match opened {
            Ok(file) => return Ok(File::from(file)),
            // The request to give the lease up has been sent by this very call.
            Err(rustix::io::Errno::WOULDBLOCK) if tries < LEASE_TRIES => {
                tries += 1;
                std::thread::sleep(LEASE_PAUSE);
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, "another program holds a lease on it"));
            }
            // A socket can't be opened at all, and the system's words for that say nothing of one.
            Err(errno) => {
                return Err(match std::fs::metadata(path) {
                    Ok(found) if errno == rustix::io::Errno::NXIO && !found.is_file() => not_regular(found.file_type()),
                    _ => errno.into(),
                });
            }
        }
    }
}

fn not_regular(found: FileType) -> io::Error {
    let what = if found.is_dir() {
        "a directory"
    } else if found.is_fifo() {
        "a named pipe (FIFO)"
    } else if found.is_socket() {
        "a socket"
    } else if found.is_char_device() || found.is_block_device() {
        "a device"
    } else {
        "something else"
    };
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is not a regular file but {what}"))
}

fn too_large(most: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {most} bytes"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::sync::mpsc;

    use super::*;

    /// Makes a FIFO that nobody writes to.
    fn fifo(path: &Path) {
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    }

    /// What an opening says, which has to come back at once.
    fn refusal(path: &Path) -> String {
        let (tell, told) = mpsc::channel();
        let path = path.to_owned();
        std::thread::spawn(move || tell.send(open_regular(&path).map(drop)));
        told.recv_timeout(Duration::from_secs(10)).expect("it does not block").unwrap_err().to_string()
    }

    #[test]
    fn p6_what_is_no_regular_file_is_refused_at_once_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, socket) = (folder.path().join("pipe"), folder.path().join("socket"));
        fifo(&pipe);
        let _listener = UnixListener::bind(&socket).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for (path, what) in [
            (pipe.as_path(), "FIFO"),
            (link.as_path(), "FIFO"),
            (socket.as_path(), "a socket"),
            (folder.path(), "a directory"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let why = refusal(path);
            assert!(why.contains(what), "{}: {why}", path.display());
        }
    }

    #[test]
    fn p6_a_file_that_is_too_large_is_refused_without_being_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read_to_string(&path, 5).unwrap(), "12345");
        assert!(read(&path, 4).unwrap_err().to_string().contains("larger than 4 bytes"));
        assert_eq!(read_whole(&path).unwrap(), b"12345");
    }

    #[test]
    fn a_file_that_is_missing_says_so_and_text_has_to_be_text() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(open_regular(&folder.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        let path = folder.path().join("file");
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_to_string(&path, 5).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
