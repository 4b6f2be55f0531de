//! The daemon's end. In: runs under way. Out: as many of them as possible ended in good order, and in any case an end.
//!
//! A run that is asked to end stops reading at once and finishes the calls it made. One that does not within the limit (an app that never
//! answers, a share that hangs) is abandoned: every call's intent is on the disk before it is made, so the next start looks up what became of
//! it, as after a crash.

use std::time::Duration;

use tokio::time::Instant;

use super::board::{self, Board};
use super::{Daemon, systemd};

/// So long the calls under way may take at the end.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_secs(6);

/// And so long an abandoned run may take to close its state.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// The page and systemd hear this often that it still ends.
const TELL_EVERY: Duration = Duration::from_secs(1);

impl Daemon {
    /// Lets the runs under way finish their calls, within the limit.
    pub(super) async fn drain(&mut self) {
        self.halt.cancel();
        self.refuse_orders();
        self.loading.end();
        // They only read.
        self.hints.abort_all();
        self.secrets.abort_all();
        self.pane.stopping();
        systemd::stopping(&format!("stopping; {}", self.book.line()));
        tracing::info!(running = self.book.running(), "daemon stopping");
        let end = Instant::now() + DRAIN_LIMIT;
        while (self.book.running() > 0 || !self.imports.is_idle()) && Instant::now() < end {
            self.pane.beat();
            tokio::select! {
                Some(ended) = self.runs.join_next_with_id() => self.ended(ended),
                Some(imported) = self.imports.tasks.join_next() => self.imported(imported),
                () = tokio::time::sleep(TELL_EVERY.min(end.saturating_duration_since(Instant::now()))) => {
                    systemd::draining(&format!("finishing the calls in progress; {}", self.book.line()));
                }
            }
        }
        self.abandon().await;
        tracing::info!("daemon stopped");
    }

    /// Leaves the board for the next daemon. Not after the lock was lost: there may be one already.
    pub(super) fn clear_board(&self) {
        let board = Board::of(&self.book, self.mistake.as_ref(), self.started, self.settings.clock.now());
        board::clear(&self.leased, &board);
    }

    /// Gives up the runs that did not end.
    async fn abandon(&mut self) {
        // The next daemon goes on with them, and looks up what became of a call.
        self.imports.tasks.abort_all();
        let left: Vec<String> = self.names.values().map(|(name, _)| name.to_string()).collect();
        if left.is_empty() {
            return;
        }
        tracing::warn!(
            tenants = left.join(", "),
            "calls in progress were not answered within {} s and are not waited for; the next run looks up their outcome",
            DRAIN_LIMIT.as_secs()
        );
        self.runs.abort_all();
        let closed = async { while self.runs.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSE_LIMIT, closed).await.is_err() {
            tracing::warn!("a run does not stop; the process ends anyway");
        }
    }
}
