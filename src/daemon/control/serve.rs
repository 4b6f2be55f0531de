//! The daemon's end of the socket. In: connections. Out: requests for the daemon's loop, each with a way to answer.
//!
//! A connection is a task of its own and holds nothing of the daemon's: one that stops reading, or goes away, delays nobody,
//! and what was asked for is done all the same.

use std::io::{self, BufRead as _, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net as blocking;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::command::{Commands, PerformOrder};
use super::rights::Rights;
use super::words::{
    Asking, ControlMessage, ControlRefusal, ControlReply, ControlRequest, ControlRight, Going, Hello, PROTOCOL,
};
use super::{ALIVE_EVERY, Short, TELL_EVERY, WRITE_LIMIT};
use crate::engine::Wish;
use crate::identity::{Identity, PeerProcess};
use crate::progress::Progress;
use crate::store::Stores;

/// So many connections at a time; the next one waits.
const CONNECTIONS: usize = 64;
/// So many of accounts that may ask for nothing, which are told so; the next one is closed.
const STRANGERS: usize = 8;
/// A request is no longer than this, and is there within so long.
const LONGEST_REQUEST: u64 = 1 << 20;
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// A daemon that was found at the socket gets this long to say its process number.
const GREETING_LIMIT: Duration = Duration::from_secs(2);
/// At the end, answers under way get this long.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A request, who it is from, and the way to answer it.
pub(in crate::daemon) struct Asked {
    pub(in crate::daemon) request: ControlRequest,
    pub(in crate::daemon) from: Identity,
    pub(in crate::daemon) caller: ReplyHandle,
}

/// Whoever waits for an answer. Dropping it without one tells them that there will be none.
#[derive(Debug)]
pub struct ReplyHandle {
    going: Arc<Mutex<Going>>,
    answer: oneshot::Sender<ControlReply>,
}

/// A run that somebody asked for.
#[derive(Debug)]
pub struct RunOrder {
    /// What is wanted of it.
    pub wish: Wish,
    /// How many operations of each kind are told.
    pub listed: usize,
    /// Who waits.
    pub caller: ReplyHandle,
}

impl ReplyHandle {
    /// Gives the answer. Who has gone away meanwhile does not get it.
    pub fn answer(self, answer: ControlReply) {
        let _gone = self.answer.send(answer);
    }

    /// Says no.
    pub(in crate::daemon) fn refuse(self, code: u8, message: String, hint: Option<String>) {
        self.answer(ControlReply::Refused(ControlRefusal { code, message, hint }));
    }

    /// Says that it waits for a run that began then.
    pub(in crate::daemon) fn waits(&self, behind: Timestamp) {
        self.change(|going| going.behind = Some(behind));
    }

    fn change(&self, change: impl FnOnce(&mut Going)) {
        change(&mut self.going.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Progress for ReplyHandle {
    fn stage(&self, what: &str, total: Option<u64>) {
        self.change(|going| *going = Going { behind: None, stage: Some(what.to_owned()), total, at: 0 });
    }

    fn advance(&self, n: u64) {
        self.change(|going| going.at += n);
    }
}

/// The socket, as the daemon's loop sees it.
pub(in crate::daemon) struct Control {
    socket: PathBuf,
    asked: mpsc::Receiver<Asked>,
    tell: mpsc::Sender<Asked>,
    listening: Option<JoinHandle<()>>,
    /// Device and number of the socket's file: another daemon's of the same name is left alone.
    own: Option<(u64, u64)>,
    talks: TaskTracker,
    rights: Rights,
    commands: Commands,
}

impl Control {
    /// Listens, if that is possible.
    pub(in crate::daemon) fn new(stores: &Stores, rights: Rights, commands: Commands) -> Self {
        let (tell, asked) = mpsc::channel(CONNECTIONS);
        let talks = TaskTracker::new();
        Self { socket: stores.socket(), asked, tell, listening: None, own: None, talks, rights, commands }
    }

    /// Listens, unless it does. The caller holds the daemon's lock: a socket that nobody answers was left over.
    ///
    /// # Errors
    /// When it can't: the daemon does its work without, and tries again at the next reload.
    pub(in crate::daemon) fn listen(&mut self) -> Result<(), String> {
        if self.listening.as_ref().is_some_and(|task| !task.is_finished()) {
            self.open_the_way();
            return Ok(());
        }
        let listener = bind(&self.socket).map_err(|why| {
            format!(
                "the control socket is not available: {why}. Schedules and signals work; the next reload tries again"
            )
        })?;
        self.open_the_way();
        let doors = Doors { tell: self.tell.clone(), rights: self.rights.clone(), commands: self.commands.clone() };
        let accepting = accept(listener, self.talks.clone(), doors);
        self.own = file_of(&self.socket);
        self.listening = Some(tokio::spawn(accepting));
        Ok(())
    }

    /// Lets those who are named come as far as the socket, after a reload too. Its own user reaches it in any case.
    pub(in crate::daemon) fn open_the_way(&self) {
        if let Err(error) = self.rights.open_the_way(&self.socket) {
            tracing::warn!(%error, "could not set the permissions of the control socket's folder");
        }
    }

    /// The next request.
    pub(in crate::daemon) async fn next(&mut self) -> Option<Asked> {
        self.asked.recv().await
    }

    /// Takes no further request, and lets answers under way arrive.
    pub(in crate::daemon) async fn close(mut self) {
        let Some(listening) = self.listening.take() else { return };
        listening.abort();
        if self.own.is_some()
            && self.own == file_of(&self.socket)
            && let Err(error) = std::fs::remove_file(&self.socket)
        {
            tracing::debug!(%error, "could not remove the control socket; the next daemon replaces it");
        }
        self.asked.close();
        while let Ok(asked) = self.asked.try_recv() {
            drop(asked.caller);
        }
        self.talks.close();
        if timeout(LAST_WORDS, self.talks.wait()).await.is_err() {
            tracing::debug!("a client did not read its response");
        }
    }
}

fn file_of(socket: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(socket).ok().map(|found| (found.dev(), found.ino()))
}

/// The daemon that answers at the socket of these states, named by its process; `None` if nobody does.
pub(in crate::daemon) fn answered_by(stores: &Stores) -> Option<String> {
    let socket = stores.socket();
    std::fs::symlink_metadata(&socket).ok().filter(|found| found.file_type().is_socket())?;
    let stream = blocking::UnixStream::connect(&Short::of(&socket).ok()?.path).ok()?;
    // It is there, whether it finds the time to greet or not.
    let unnamed = Some("an unknown process".to_owned());
    if stream.set_read_timeout(Some(GREETING_LIMIT)).is_err() {
        return unnamed;
    }
    let mut line = String::new();
    let read = io::BufReader::new(stream.take(LONGEST_REQUEST)).read_line(&mut line);
    match read.ok().and_then(|_| serde_json::from_str::<ControlMessage>(&line).ok()) {
        Some(ControlMessage::Hello(hello)) => Some(format!("process {}", hello.process)),
        _ => unnamed,
    }
}

fn bind(socket: &Path) -> Result<UnixListener, String> {
    let failed = |error: io::Error| format!("{}: {error}", socket.display());
    let short = Short::of(socket).map_err(failed)?;
    match std::fs::symlink_metadata(socket) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(format!("{} is there already and is no socket; move it away", socket.display()));
        }
        Ok(_) => match blocking::UnixStream::connect(&short.path) {
            Ok(_) => return Err(format!("another process listens at {}; end it", socket.display())),
            // As kill -9 leaves it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(socket).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        },
    }
    let listener = blocking::UnixListener::bind(&short.path).map_err(failed)?;
    // Nobody else can enter the folder; this holds as well where somebody opens that.
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    UnixListener::from_std(listener).map_err(failed)
}

/// Where a request can go, and who may make it.
#[derive(Clone)]
struct Doors {
    tell: mpsc::Sender<Asked>,
    rights: Rights,
    commands: Commands,
}

async fn accept(listener: UnixListener, talks: TaskTracker, doors: Doors) {
    let (places, strangers) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(Semaphore::new(STRANGERS)));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Who may not ask for anything takes no place of those who may.
                let (peer, known) = match peer_of(&stream) {
                    Ok(peer) => (Some(peer.clone()), doors.rights.admits(&peer)),
                    Err(error) => {
                        tracing::warn!(%error, "a connection to the control socket does not identify its peer");
                        (None, false)
                    }
                };
                let place = match (known, Arc::clone(&strangers).try_acquire_owned()) {
                    (true, _) => Arc::clone(&places).acquire_owned().await.ok(),
                    (false, place) => place.ok(),
                };
                let (Some(peer), Some(place)) = (peer, place) else { continue };
                let doors = doors.clone();
                talks.spawn(async move {
                    if let Err(error) = talk(stream, peer, &doors).await {
                        tracing::debug!(%error, "a client closed its connection to the control socket");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the control socket failed");
                // Out of file handles, say: some get free.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Which account is at the other end, by what the kernel says.
fn peer_of(stream: &UnixStream) -> io::Result<PeerProcess> {
    let credentials = stream.peer_cred()?;
    Ok(PeerProcess::new(credentials.uid(), credentials.gid(), credentials.pid()))
}

async fn talk(stream: UnixStream, peer: PeerProcess, Doors { tell, rights, commands }: &Doors) -> io::Result<()> {
    let (input, mut output) = stream.into_split();
    let hello =
        Hello { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned(), process: std::process::id() };
    say(&mut output, &ControlMessage::Hello(hello)).await?;
    let mut line = String::new();
    let mut input = BufReader::new(input.take(LONGEST_REQUEST));
    let read = timeout(REQUEST_LIMIT, input.read_line(&mut line)).await??;
    if read == 0 {
        // Somebody only looked whether there is a daemon.
        return Ok(());
    }
    let request = match serde_json::from_str::<Asking>(&line) {
        Ok(asking) if asking.protocol == PROTOCOL => asking.request,
        Ok(asking) => {
            return refuse(&mut output, format!("this daemon speaks protocol {PROTOCOL}, not {}", asking.protocol))
                .await;
        }
        Err(error) => return refuse(&mut output, format!("this is not a request: {error}; nothing was done")).await,
    };
    if let Err(why) = rights.check(&peer, request.needs()) {
        tracing::warn!(
            uid = peer.identity.uid,
            login_uid = peer.identity.login_uid,
            right = request.needs().key(),
            "request refused at the control socket"
        );
        return refuse(&mut output, why).await;
    }
    let request = match request {
        ControlRequest::Perform(line) => {
            let may_approve = rights.check(&peer, ControlRight::Approve);
            let order = PerformOrder { line, from: peer.identity, may_approve };
            let stream = input.into_inner().into_inner().reunite(output).map_err(io::Error::other)?;
            return commands.perform(order, stream).await;
        }
        request => request,
    };
    let going = Arc::new(Mutex::new(Going::default()));
    let (answer, answered) = oneshot::channel();
    let asked = Asked { request, from: peer.identity, caller: ReplyHandle { going: Arc::clone(&going), answer } };
    if tell.send(asked).await.is_err() {
        return refuse(&mut output, "the daemon is stopping; nothing was done".to_owned()).await;
    }
    let answer = follow(&mut output, &going, answered).await?;
    say(&mut output, &ControlMessage::Ended(Box::new(answer))).await
}

/// Tells how it goes until there is an answer.
async fn follow(
    output: &mut (impl tokio::io::AsyncWrite + Unpin),
    going: &Mutex<Going>,
    mut answered: oneshot::Receiver<ControlReply>,
) -> io::Result<ControlReply> {
    let (mut told, mut at) = (Going::default(), Instant::now());
    loop {
        tokio::select! {
            biased;
            answer = &mut answered => {
                let message = "the daemon stopped, or the run ended early, before there was a response; what was started is in the \
                    journal";
                return Ok(answer.unwrap_or_else(|_| {
                    ControlReply::Refused(ControlRefusal { code: 75, message: message.to_owned(), hint: None })
                }));
            }
            () = tokio::time::sleep(TELL_EVERY) => {}
        }
        let now = going.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if now != told || at.elapsed() >= ALIVE_EVERY {
            say(output, &ControlMessage::Going(now.clone())).await?;
            (told, at) = (now, Instant::now());
        }
    }
}

async fn refuse(output: &mut (impl tokio::io::AsyncWrite + Unpin), message: String) -> io::Result<()> {
    say(
        output,
        &ControlMessage::Ended(Box::new(ControlReply::Refused(ControlRefusal { code: 1, message, hint: None }))),
    )
    .await
}

async fn say(output: &mut (impl tokio::io::AsyncWrite + Unpin), word: &ControlMessage) -> io::Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    timeout(WRITE_LIMIT, output.write_all(&line)).await?
}
