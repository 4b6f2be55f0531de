//! Commands that the daemon carries out for other processes, which lack its secrets or its account. In: a command line, a connection. Out:
//! the command's output, its questions and its end, over the same connection.
//!
//! A command has a thread of its own and writes to the connection itself: a slow reader delays that thread alone, and nothing piles up in
//! memory. A connection that breaks cancels its command as Ctrl-C does. What a command is, the command line knows (`CommandRunner`).

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::words::{
    CommandEnd, CommandEvent, CommandInput, CommandLine, ControlMessage, ControlRefusal, ControlReply, Going,
    ImportToOrder, OutputStream,
};
use super::{ALIVE_EVERY, TELL_EVERY, WRITE_LIMIT};
use crate::daemon::ending::DRAIN_LIMIT;
use crate::identity::Identity;
use crate::progress::Progress;

/// So many commands are carried out at a time.
const AT_ONCE: usize = 4;
/// A person gets this long to confirm.
const CONFIRM_LIMIT: Duration = Duration::from_secs(600);
/// A line of the process is no longer than this.
const LONGEST_INPUT: u64 = 64 << 10;
/// Output and files are sent in pieces of about this size.
const PIECE: usize = 64 << 10;
/// The stack of a command's thread, as a process has it.
const STACK: usize = 8 << 20;

/// Exit codes of the command line's contract.
const FAILED: u8 = 1;
const BUSY: u8 = 75;

/// Knows what a command line means.
pub trait CommandRunner: Send + Sync {
    /// Carries a command out to its end, on a thread that may block; `runtime` drives its connections.
    fn perform(&self, line: &CommandLine, link: &Arc<CommandLink>, runtime: &Handle) -> CommandEnd;
}

/// A command that an account asks for.
pub(super) struct PerformOrder {
    pub(super) line: CommandLine,
    pub(super) from: Identity,
    /// Whether the account may approve, or why not.
    pub(super) may_approve: Result<(), String>,
}

/// The commands under way.
#[derive(Clone)]
pub(in crate::daemon) struct Commands {
    runner: Arc<dyn CommandRunner>,
    halt: CancellationToken,
    places: Arc<Semaphore>,
    running: TaskTracker,
}

impl Commands {
    /// None yet; `halt` ends them in good order.
    pub(in crate::daemon) fn new(runner: Arc<dyn CommandRunner>, halt: &CancellationToken) -> Self {
        let running = TaskTracker::new();
        Self { runner, halt: halt.clone(), places: Arc::new(Semaphore::new(AT_ONCE)), running }
    }

    /// Waits until they have ended, within the limit that runs have too.
    pub(in crate::daemon) async fn end(&self) {
        self.running.close();
        if tokio::time::timeout(DRAIN_LIMIT, self.running.wait()).await.is_err() {
            tracing::warn!("a command that the daemon carries out does not stop; the process ends anyway");
        }
    }

    /// Carries a command out. Returns when it has ended and its end was sent.
    pub(super) async fn perform(&self, order: PerformOrder, stream: tokio::net::UnixStream) -> io::Result<()> {
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(WRITE_LIMIT))?;
        let link = Arc::new(CommandLink::new(stream, &order, self.halt.child_token()));
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let message = format!("busy: the daemon carries out {AT_ONCE} commands already; nothing was done");
            return link.end(refused(BUSY, message));
        };
        if self.halt.is_cancelled() {
            return link.end(refused(BUSY, "the daemon is stopping; nothing was done".to_owned()));
        }
        let _running = self.running.token();
        let (tell, ended) = oneshot::channel();
        let (runner, runtime, carried) = (Arc::clone(&self.runner), Handle::current(), Arc::clone(&link));
        let thread = std::thread::Builder::new().name("command".to_owned()).stack_size(STACK);
        thread.spawn(move || {
            let end = carried.carry(|| runner.perform(&order.line, &carried, &runtime));
            // The receiver is gone when the daemon has ended.
            let _gone = tell.send(end);
        })?;
        let end = ended.await.map_err(|_| ());
        drop(place);
        match end {
            Ok(sent) => sent,
            // Its thread panicked.
            Err(()) => link.end(refused(
                FAILED,
                "the command failed inside the daemon, whose log says why; requests that it sent are in the journal"
                    .to_owned(),
            )),
        }
    }
}

fn refused(code: u8, message: String) -> ControlReply {
    ControlReply::Refused(ControlRefusal { code, message, hint: None })
}

/// The way from a command to the process that asked for it.
pub struct CommandLink {
    stream: Mutex<UnixStream>,
    going: Mutex<Going>,
    inputs: Mutex<Option<mpsc::Receiver<CommandInput>>>,
    cancel: CancellationToken,
    from: Identity,
    may_approve: Result<(), String>,
    can_ask: bool,
    import: Mutex<Option<ImportToOrder>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CommandLink {
    fn new(stream: UnixStream, order: &PerformOrder, cancel: CancellationToken) -> Self {
        Self {
            stream: Mutex::new(stream),
            going: Mutex::default(),
            inputs: Mutex::default(),
            cancel,
            from: order.from.clone(),
            may_approve: order.may_approve.clone(),
            can_ask: order.line.can_ask,
            import: Mutex::default(),
        }
    }

    /// The account that asks, by what the kernel says.
    pub fn from(&self) -> &Identity {
        &self.from
    }

    /// Whether that account may approve.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_approve(&self) -> Result<(), String> {
        self.may_approve.clone()
    }

    /// Whether a person can confirm.
    pub fn can_ask(&self) -> bool {
        self.can_ask
    }

    /// Ends when the process cancels the command, or has gone away, or the daemon stops.
    pub fn cancelled(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Sends a piece of output.
    ///
    /// # Errors
    /// When the process does not take it; the command is cancelled.
    pub fn output(&self, stream: OutputStream, text: &str) -> io::Result<()> {
        pieces(text).try_for_each(|text| {
            self.send(&ControlMessage::Event(CommandEvent::Output { stream, text: text.to_owned() }))
        })
    }

    /// Has a person confirm. No answer, or none in time, means no.
    ///
    /// # Errors
    /// When the question can't be sent.
    pub fn confirm(&self, word: &str, what: &str) -> io::Result<bool> {
        let (word, what) = (word.to_owned(), what.to_owned());
        self.send(&ControlMessage::Event(CommandEvent::Confirm { word, what }))?;
        Ok(matches!(self.input(CONFIRM_LIMIT), Some(CommandInput::Confirmed(true))) && !self.cancel.is_cancelled())
    }

    /// Has the process write a file that it named.
    ///
    /// # Errors
    /// When it is not written.
    pub fn save(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        let text = std::str::from_utf8(text).map_err(io::Error::other)?;
        for piece in pieces(text) {
            let event = CommandEvent::File { path: path.to_owned(), text: piece.to_owned(), last: false };
            self.send(&ControlMessage::Event(event))?;
        }
        let event = CommandEvent::File { path: path.to_owned(), text: String::new(), last: true };
        self.send(&ControlMessage::Event(event))?;
        match self.input(WRITE_LIMIT) {
            Some(CommandInput::Saved(None)) => Ok(()),
            Some(CommandInput::Saved(Some(why))) => Err(io::Error::other(why)),
            _ => Err(io::Error::other("the process that asked for it did not answer")),
        }
    }

    /// Leaves an import for the process to order: by its own account, which is on record then.
    pub fn leave_import(&self, import: ImportToOrder) {
        *locked(&self.import) = Some(import);
    }

    fn input(&self, limit: Duration) -> Option<CommandInput> {
        let (inputs, until) = (locked(&self.inputs), Instant::now() + limit);
        loop {
            match inputs.as_ref()?.recv_timeout(TELL_EVERY) {
                Ok(input) => return Some(input),
                Err(mpsc::RecvTimeoutError::Timeout) if Instant::now() < until && !self.cancel.is_cancelled() => {}
                Err(_) => return None,
            }
        }
    }

    fn send(&self, message: &ControlMessage) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        // A line that was sent in part leaves a connection that is of no more use.
        locked(&self.stream).write_all(&line).inspect_err(|_| self.cancel.cancel())
    }

    fn end(&self, reply: ControlReply) -> io::Result<()> {
        self.send(&ControlMessage::Ended(Box::new(reply)))
    }

    /// Carries a command out, with a thread that hears the process and one that reports progress to it.
    fn carry(&self, perform: impl FnOnce() -> CommandEnd) -> io::Result<()> {
        let (input, inputs) = mpsc::sync_channel(1);
        let heard = locked(&self.stream).try_clone()?;
        *locked(&self.inputs) = Some(inputs);
        let (done, is_done) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || self.listen(heard, input));
            scope.spawn(move || self.tell(&is_done));
            // Dropped in any case, also if the command panics: it ends both.
            let _done = Done { done: Some(done), link: self };
            let mut end = perform();
            end.import = locked(&self.import).take();
            self.end(ControlReply::Performed(Box::new(end)))
        })
    }

    fn listen(&self, stream: UnixStream, input: mpsc::SyncSender<CommandInput>) {
        let mut lines = io::BufReader::new(stream);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = lines.by_ref().take(LONGEST_INPUT).read_until(b'\n', &mut line);
            if !matches!(read, Ok(read) if read > 0) {
                return self.cancel.cancel();
            }
            match serde_json::from_slice(&line) {
                Ok(CommandInput::Cancel) => self.cancel.cancel(),
                // More answers than questions are no answers.
                Ok(other) => {
                    if input.try_send(other).is_err() {
                        return self.cancel.cancel();
                    }
                }
                Err(_) => return self.cancel.cancel(),
            }
        }
    }

    fn tell(&self, is_done: &mpsc::Receiver<()>) {
        let (mut told, mut at) = (Going::default(), Instant::now());
        while matches!(is_done.recv_timeout(TELL_EVERY), Err(mpsc::RecvTimeoutError::Timeout)) {
            let now = locked(&self.going).clone();
            if now == told && at.elapsed() < ALIVE_EVERY {
                continue;
            }
            if self.send(&ControlMessage::Going(now.clone())).is_err() {
                return;
            }
            (told, at) = (now, Instant::now());
        }
    }
}

/// Ends the threads beside a command.
struct Done<'l> {
    done: Option<mpsc::Sender<()>>,
    link: &'l CommandLink,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.done.take();
        if let Err(error) = locked(&self.link.stream).shutdown(Shutdown::Read) {
            tracing::debug!(%error, "a client closed its connection before the end of its command");
        }
    }
}

impl Progress for CommandLink {
    fn stage(&self, what: &str, total: Option<u64>) {
        *locked(&self.going) = Going { behind: None, stage: Some(what.to_owned()), total, at: 0 };
    }

    fn advance(&self, n: u64) {
        locked(&self.going).at += n;
    }
}

/// A text in pieces that are whole characters.
fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, rest) = text.split_at_checked(text.floor_char_boundary(PIECE.min(text.len())))?;
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}
