//! What the loop lets others see while it runs. In: the board each time it changes, a beat each time the loop goes round. Out: both,
//! for the status page, which runs on a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::board::Board;

/// The loop goes round at least every few seconds ([`SILENCE`](super::SILENCE)). One that has not for so long hangs.
const HANGS: Duration = Duration::from_secs(30);

/// Shared by the loop and whoever looks.
pub(super) struct Pane {
    board: Mutex<Option<Arc<Board>>>,
    beat: Mutex<Instant>,
    stopping: AtomicBool,
    hangs: Duration,
}

impl Pane {
    pub(super) fn new() -> Self {
        Self::with_limit(HANGS)
    }

    pub(super) fn with_limit(hangs: Duration) -> Self {
        Self { board: Mutex::default(), beat: Mutex::new(Instant::now()), stopping: AtomicBool::new(false), hangs }
    }

    pub(super) fn show(&self, board: Board) {
        *self.board.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(board));
    }

    /// The loop went round.
    pub(super) fn beat(&self) {
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(super) fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The board as it was shown last; `None` before the first time.
    pub(super) fn board(&self) -> Option<Arc<Board>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For how long the loop has not gone round, if that is too long.
    pub(super) fn hanging(&self) -> Option<Duration> {
        let silent = self.beat.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        (silent > self.hangs).then_some(silent)
    }

    /// Whether the daemon is about to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
