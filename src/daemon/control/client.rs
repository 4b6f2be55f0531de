//! A command's end of the socket. In: where the states lie, a request. Out: the daemon's answer, or why there is none.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::Short;
use super::words::{
    Asking, CommandEnd, CommandEvent, CommandInput, CommandLine, ControlMessage, ControlReply, ControlRequest, Going,
    Hello, PROTOCOL,
};
use crate::progress::Progress;
use crate::store::Stores;

/// A daemon greets within so long.
const GREETING: Duration = Duration::from_secs(5);
/// And is no longer than this.
const GREETING_BYTES: u64 = 4096;
/// A daemon that works says so every few seconds; one that says nothing for so long hangs.
const SILENCE: Duration = Duration::from_secs(30);

/// Why a daemon did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket can't be used.
    #[error("the daemon's socket {} can't be used: {source}; nothing was asked of it", socket.display())]
    Closed {
        /// Where.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody listens and says nothing.
    #[error("the daemon at {} does not answer; nothing was asked of it", socket.display())]
    Hangs {
        /// Where.
        socket: PathBuf,
    },
    /// Somebody listens who is no daemon of rosterd's.
    #[error("the process that listens at {} is not rosterd; nothing was asked of it", socket.display())]
    Stranger {
        /// Where.
        socket: PathBuf,
    },
    /// The daemon speaks another protocol.
    #[error(
        "the daemon (process {}) is rosterd {} and speaks protocol {}, this is rosterd {} with protocol {PROTOCOL}; nothing was asked of it",
        theirs.process, theirs.version, theirs.protocol, env!("CARGO_PKG_VERSION")
    )]
    OtherProtocol {
        /// What it said of itself.
        theirs: Hello,
    },
    /// The daemon is of another version, and its commands may differ.
    #[error(
        "the daemon (process {}) is rosterd {}, this is rosterd {}: it does not carry out commands of another version; nothing was \
         asked of it",
        theirs.process, theirs.version, env!("CARGO_PKG_VERSION")
    )]
    OtherVersion {
        /// What it said of itself.
        theirs: Hello,
    },
    /// It was asked, and then there was no answer.
    #[error("the daemon (process {process}) got the request, and then {what}")]
    Lost {
        /// Its process.
        process: u32,
        /// What was seen.
        what: String,
    },
}

/// A connection to a daemon that has said who it is.
#[derive(Debug)]
pub struct Talk {
    stream: BufReader<UnixStream>,
    hello: Hello,
}

/// Reaches the daemon of these states; `None` if there is none.
///
/// # Errors
/// When there is something that can't be talked to.
pub async fn reach(stores: &Stores) -> Result<Option<Talk>, ControlError> {
    let socket = stores.socket();
    let connected = match Short::of(&socket) {
        Ok(short) => UnixStream::connect(&short.path).await,
        Err(error) => Err(error),
    };
    let stream = match connected {
        Ok(stream) => stream,
        // No socket, or one that a killed daemon left behind.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        // Nobody has taken up a long row of connections.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(ControlError::Hangs { socket }),
        Err(source) => return Err(ControlError::Closed { socket, source }),
    };
    let mut stream = BufReader::new(stream);
    match timeout(GREETING, line(&mut stream, GREETING_BYTES)).await {
        Err(_) => Err(ControlError::Hangs { socket }),
        Ok(Ok(Some(ControlMessage::Hello(hello)))) if hello.protocol == PROTOCOL => Ok(Some(Talk { stream, hello })),
        Ok(Ok(Some(ControlMessage::Hello(theirs)))) => Err(ControlError::OtherProtocol { theirs }),
        // It ended in this moment.
        Ok(Ok(None)) => Ok(None),
        Ok(Err(source)) if source.kind() != io::ErrorKind::InvalidData => Err(ControlError::Closed { socket, source }),
        Ok(_) => Err(ControlError::Stranger { socket }),
    }
}

impl Talk {
    /// What it said of itself.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Asks, shows how it goes, and waits for the answer. `behind` is told once if another run has to end first. Dropping
    /// the future ends only the waiting: the daemon does what it was asked.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn ask(
        mut self,
        request: ControlRequest,
        progress: &dyn Progress,
        mut behind: impl FnMut(Timestamp),
    ) -> Result<ControlReply, ControlError> {
        let process = self.hello.process;
        let lost = |what: String| ControlError::Lost { process, what };
        let asking = Asking { protocol: PROTOCOL, request };
        write(&mut self.stream, &asking).await.map_err(|error| lost(error.to_string()))?;
        let mut seen = Going::default();
        loop {
            match timeout(SILENCE, line(&mut self.stream, u64::MAX)).await {
                Err(_) => return Err(lost(format!("sent nothing for {} seconds", SILENCE.as_secs()))),
                Ok(Err(error)) => return Err(lost(error.to_string())),
                Ok(Ok(None)) => return Err(lost("closed the connection".to_owned())),
                Ok(Ok(Some(ControlMessage::Hello(_) | ControlMessage::Event(_)))) => {
                    return Err(lost("sent something that was not asked of it".to_owned()));
                }
                Ok(Ok(Some(ControlMessage::Ended(answer)))) => return Ok(*answer),
                Ok(Ok(Some(ControlMessage::Going(now)))) => {
                    if let Some(since) = now.behind.filter(|_| seen.behind.is_none()) {
                        behind(since);
                    }
                    step(&seen, &now, progress);
                    seen = now;
                }
            }
        }
    }
}

impl Talk {
    /// Has a command carried out. Only by a daemon of the same version: the command line means the same to both.
    ///
    /// # Errors
    /// When the daemon is of another version, or went away.
    pub async fn perform(mut self, line: CommandLine) -> Result<Performing, ControlError> {
        if self.hello.version != env!("CARGO_PKG_VERSION") {
            return Err(ControlError::OtherVersion { theirs: self.hello });
        }
        let process = self.hello.process;
        let asking = Asking { protocol: PROTOCOL, request: ControlRequest::Perform(line) };
        let written = write(&mut self.stream, &asking).await;
        written.map_err(|error| ControlError::Lost { process, what: error.to_string() })?;
        Ok(Performing { talk: self, part: Vec::new(), seen: Going::default() })
    }
}

/// A command that the daemon carries out.
#[derive(Debug)]
pub struct Performing {
    talk: Talk,
    /// What has come of the next line.
    part: Vec<u8>,
    seen: Going,
}

/// What comes next of a command that the daemon carries out.
#[derive(Debug)]
pub enum CommandNews {
    /// It wants something.
    Event(CommandEvent),
    /// It has ended.
    Ended(CommandEnd),
    /// It was not begun.
    Refused(ControlReply),
}

impl Performing {
    /// The daemon's process.
    pub fn process(&self) -> u32 {
        self.talk.hello.process
    }

    fn lost(&self, what: impl Into<String>) -> ControlError {
        ControlError::Lost { process: self.talk.hello.process, what: what.into() }
    }

    /// Waits for what comes next, and shows how it goes until then. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// When the daemon went away.
    pub async fn next(&mut self, progress: &dyn Progress) -> Result<CommandNews, ControlError> {
        loop {
            let read = match timeout(SILENCE, self.talk.stream.read_until(b'\n', &mut self.part)).await {
                Err(_) => return Err(self.lost(format!("sent nothing for {} seconds", SILENCE.as_secs()))),
                Ok(read) => read.map_err(|error| self.lost(error.to_string()))?,
            };
            if read == 0 || self.part.last() != Some(&b'\n') {
                return Err(self.lost("closed the connection"));
            }
            let message = serde_json::from_slice(&self.part).map_err(|error| self.lost(error.to_string()))?;
            self.part.clear();
            match message {
                ControlMessage::Going(now) => {
                    step(&self.seen, &now, progress);
                    self.seen = now;
                }
                ControlMessage::Event(event) => return Ok(CommandNews::Event(event)),
                ControlMessage::Ended(reply) => {
                    return Ok(match *reply {
                        ControlReply::Performed(end) => CommandNews::Ended(*end),
                        other => CommandNews::Refused(other),
                    });
                }
                ControlMessage::Hello(_) => return Err(self.lost("sent a second greeting")),
            }
        }
    }

    /// Sends an answer.
    ///
    /// # Errors
    /// When the daemon went away.
    pub async fn send(&mut self, input: CommandInput) -> Result<(), ControlError> {
        write(&mut self.talk.stream, &input).await.map_err(|error| self.lost(error.to_string()))
    }
}

async fn write(stream: &mut BufReader<UnixStream>, value: &impl serde::Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    stream.get_mut().write_all(&text).await
}

/// Shows the way from one moment to the next.
fn step(seen: &Going, now: &Going, progress: &dyn Progress) {
    let Some(stage) = &now.stage else { return };
    let same = seen.stage.as_ref() == Some(stage) && seen.total == now.total && now.at >= seen.at;
    if !same {
        progress.stage(stage, now.total);
    }
    progress.advance(now.at - if same { seen.at } else { 0 });
}

/// The next line; `None` if there is none. One that is no word of ours is `InvalidData`.
async fn line(stream: &mut BufReader<UnixStream>, longest: u64) -> io::Result<Option<ControlMessage>> {
    let mut text = Vec::new();
    match stream.take(longest).read_until(b'\n', &mut text).await? {
        0 => Ok(None),
        _ => serde_json::from_slice(&text).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}
