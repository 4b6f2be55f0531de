//! The relay between the server and the LDAP library. In come a connection to the server, already under TLS if there is any,
//! and one end of a socket pair, whose other end the library has; out comes the reason why the relay ended.
//!
//! The library never reads from the server's socket. What it gets has passed the [`Inspector`]: every header was checked, no
//! message is larger than its limit, and every message answers the one request that is open. Other messages end here. The
//! library queues what it has decoded without a limit, so no further message passes while the one who asked has much untaken.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Notify;

use super::ber::{BerEvent, BerLimits, Breach, Walker};
use super::envelope::{self, EnvelopeProgress, Inspector, MessageHeader, RefusedMessage};

/// The largest message before the bind has succeeded. The answers to StartTLS and bind have some hundred bytes.
pub(super) const BEFORE_BIND: u64 = 1 << 20;

/// How many bytes of messages may wait to be taken before the next one passes. One message may always pass.
const UNTAKEN_BYTES: u64 = 1 << 20;

/// Bytes read at a time.
const CHUNK: usize = 16 << 10;

/// Requests and answers in both directions.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// The request that waits for answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PendingRequest {
    id: u32,
    /// The tag of the request.
    operation: u8,
}

impl PendingRequest {
    /// Whether a message of this operation can be its answer.
    fn is_answered_by(self, operation: u8) -> bool {
        match self.operation {
            envelope::BIND_REQUEST => operation == envelope::BIND_RESPONSE,
            envelope::SEARCH_REQUEST => matches!(
                operation,
                envelope::SEARCH_ENTRY
                    | envelope::SEARCH_DONE
                    | envelope::SEARCH_REFERENCE
                    | envelope::INTERMEDIATE_RESPONSE
            ),
            _ => false,
        }
    }

    /// Whether the answer ends the request.
    fn is_ended_by(operation: u8) -> bool {
        matches!(operation, envelope::BIND_RESPONSE | envelope::SEARCH_DONE)
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MessageVerdict {
    Pass,
    /// It answers no request that is open: a request given up, or a notice of the server's own.
    Swallow,
    /// Not before something is taken.
    Wait,
}

#[derive(Debug)]
struct RelayState {
    max_message: u64,
    bound: bool,
    asked: Option<PendingRequest>,
    /// The sizes of the messages that passed and were not taken, the oldest first.
    untaken: VecDeque<u64>,
    untaken_bytes: u64,
    last_entry: Option<String>,
    refusal: Option<RefusedMessage>,
}

/// What the relay and the one who asks know of each other.
#[derive(Debug)]
pub(super) struct RelayWatch {
    state: Mutex<RelayState>,
    changed: Notify,
}

impl RelayWatch {
    pub(super) fn new(max_message: u64) -> Self {
        let state = RelayState {
            max_message,
            bound: false,
            asked: None,
            untaken: VecDeque::new(),
            untaken_bytes: 0,
            last_entry: None,
            refusal: None,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, RelayState> {
        // No change of it can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bind has succeeded: from now on messages may be as large as the operator says.
    pub(super) fn bound(&self) {
        self.state().bound = true;
    }

    /// One message was taken: its size.
    pub(super) fn take(&self) -> u64 {
        let mut state = self.state();
        let size = state.untaken.pop_front().unwrap_or(0);
        state.untaken_bytes = state.untaken_bytes.saturating_sub(size);
        drop(state);
        self.changed.notify_one();
        size
    }

    /// Why the relay refused a message, if it did.
    pub(super) fn refusal(&self) -> Option<RefusedMessage> {
        self.state().refusal.clone()
    }

    /// How large the next message may be.
    fn limits(&self) -> BerLimits {
        let state = self.state();
        BerLimits::of_bytes(if state.bound { state.max_message } else { state.max_message.min(BEFORE_BIND) })
    }

    /// A request goes out. One is open at a time: what was left of the answers to the one before is no longer waited for.
    fn asks(&self, asked: PendingRequest) {
        let mut state = self.state();
        state.asked = Some(asked);
        state.untaken.clear();
        state.untaken_bytes = 0;
        state.last_entry = None;
        drop(state);
        self.changed.notify_one();
    }

    fn judge(&self, MessageHeader { id, operation, size }: MessageHeader) -> Result<MessageVerdict, Breach> {
        let mut state = self.state();
        let Some(asked) = state.asked.filter(|asked| asked.id == id) else { return Ok(MessageVerdict::Swallow) };
        if !asked.is_answered_by(operation) {
            return Err(Breach::Misfit { operation });
        }
        if state.untaken_bytes > 0 && state.untaken_bytes.saturating_add(size) > UNTAKEN_BYTES {
            return Ok(MessageVerdict::Wait);
        }
        state.untaken.push_back(size);
        state.untaken_bytes = state.untaken_bytes.saturating_add(size);
        if PendingRequest::is_ended_by(operation) {
            state.asked = None;
        }
        Ok(MessageVerdict::Pass)
    }

    fn entry_came(&self, name: Option<String>) {
        if name.is_some() {
            self.state().last_entry = name;
        }
    }

    /// Writes down why no further message passes. It is known before the library sees the end of its connection.
    fn refuse(&self, breach: Breach, entry: Option<String>) {
        let mut state = self.state();
        let (after, bound) = (state.last_entry.clone(), state.bound);
        state.refusal = Some(RefusedMessage { breach, entry, after, bound });
    }
}

/// Carries requests and answers until one side hangs up, or a message is refused; that is in the `watch`.
///
/// # Errors
/// What the server's side of the connection says.
pub(super) async fn run(server: Box<dyn Duplex>, library: UnixStream, watch: Arc<RelayWatch>) -> io::Result<()> {
    let (from_server, to_server) = tokio::io::split(server);
    let (from_library, to_library) = library.into_split();
    tokio::select! {
        ended = answers(from_server, to_library, &watch) => ended,
        ended = requests(from_library, to_server, &watch) => ended,
    }
}

/// The server's answers, inspected.
async fn answers(
    mut server: impl AsyncRead + Unpin,
    mut library: impl AsyncWrite + Unpin,
    watch: &RelayWatch,
) -> io::Result<()> {
    let mut inspector = Inspector::new();
    let mut chunk = vec![0; CHUNK];
    let mut out = Vec::with_capacity(CHUNK);
    loop {
        let length = server.read(&mut chunk).await?;
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        if let Err(breach) = inspect(bytes, &mut inspector, &mut out, &mut library, watch).await {
            watch.refuse(breach, inspector.entry());
            return Ok(());
        }
        if let Some(breach) = inspector.doomed() {
            // Should the rest never come, the one who asks gives up in time and still hears why.
            watch.refuse(breach, None);
        }
        if !hand_over(&mut out, &mut library).await {
            return Ok(());
        }
    }
}

async fn inspect(
    bytes: &[u8],
    inspector: &mut Inspector,
    out: &mut Vec<u8>,
    library: &mut (impl AsyncWrite + Unpin),
    watch: &RelayWatch,
) -> Result<(), Breach> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (taken, event) = inspector.scan(rest, watch.limits(), out)?;
        rest = rest.get(taken..).unwrap_or_default();
        if let EnvelopeProgress::Addressed(envelope) = event {
            loop {
                match watch.judge(envelope)? {
                    MessageVerdict::Pass => break inspector.pass(out),
                    MessageVerdict::Swallow => break inspector.swallow(),
                    // A library that has hung up is noticed when the whole chunk is handed over.
                    MessageVerdict::Wait => drop(hand_over(out, library).await),
                }
                watch.changed.notified().await;
            }
        }
        if event != EnvelopeProgress::Hungry && inspector.is_whole() {
            watch.entry_came(inspector.entry());
        }
    }
    Ok(())
}

/// Writes what has passed to the library; whether it is still there.
async fn hand_over(out: &mut Vec<u8>, library: &mut (impl AsyncWrite + Unpin)) -> bool {
    let written = library.write_all(out).await;
    out.clear();
    written.is_ok()
}

/// The library's requests. They are its own and pass as they are; what they ask for decides which answers pass.
async fn requests(
    mut library: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    watch: &RelayWatch,
) -> io::Result<()> {
    let mut outline = Outline::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        // A library that is gone has said everything.
        let length = library.read(&mut chunk).await.unwrap_or(0);
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else { return server.shutdown().await };
        for asked in outline.read(bytes) {
            watch.asks(asked);
        }
        server.write_all(bytes).await?;
        server.flush().await?;
    }
}

/// Follows the library's requests.
#[derive(Debug)]
struct Outline {
    walker: Walker,
    id: u32,
    is_id: bool,
}

impl Outline {
    fn new() -> Self {
        Self { walker: Walker::outline(), id: 0, is_id: false }
    }

    /// The binds and searches that begin in these bytes.
    fn read(&mut self, bytes: &[u8]) -> Vec<PendingRequest> {
        let (mut rest, mut found) = (bytes, Vec::new());
        while !rest.is_empty() {
            if self.walker.is_whole() {
                *self = Self::new();
            }
            // What the library writes is BER; were it not, no answer would pass.
            let Ok((taken, seen)) = self.walker.step(rest) else { return found };
            let (piece, after) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
            rest = after;
            match seen {
                BerEvent::Header(header) => {
                    self.is_id = header.level == 2 && header.tag == 0x02;
                    if header.level == 2 && matches!(header.tag, envelope::BIND_REQUEST | envelope::SEARCH_REQUEST) {
                        found.push(PendingRequest { id: self.id, operation: header.tag });
                    }
                }
                BerEvent::Contents if self.is_id => {
                    self.id = piece.iter().fold(self.id, |id, byte| id << 8 | u32::from(*byte));
                }
                BerEvent::Contents | BerEvent::Hungry => {}
            }
        }
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
