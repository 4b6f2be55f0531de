//! Who goes first where a run and an import work for one tenant: the run. In: runs that begin and end. Out: when the import may make its
//! next call.
//!
//! A directory that is changed while it is read may not prove complete. So an import makes no call while a run of its tenant is under
//! way, and a run waits for no more than the call that the import is making. So that an import comes to its end beside a tenant that
//! runs without a break, it gets a slice of time after a while all the same.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::{Instant, timeout, timeout_at};

/// A run waits for a call of the import for no longer than this.
const RUN_WAITS: Duration = Duration::from_secs(5);

/// An import that has waited for this long gets a slice.
const IMPORT_WAITS: Duration = Duration::from_secs(60);

/// How long a slice is.
const SLICE: Duration = Duration::from_secs(5);

/// What a run and an import of one tenant share.
#[derive(Debug)]
pub struct Turn {
    /// How many runs are under way.
    runs: watch::Sender<usize>,
    /// Held while the import makes a call.
    call: Mutex<()>,
    /// Until when the import may go on beside a run.
    slice: std::sync::Mutex<Option<Instant>>,
}

impl Default for Turn {
    fn default() -> Self {
        Self { runs: watch::Sender::new(0), call: Mutex::new(()), slice: std::sync::Mutex::new(None) }
    }
}

/// A run under way, until it is dropped.
#[derive(Debug)]
pub struct RunTurn<'t>(&'t Turn);

impl Drop for RunTurn<'_> {
    fn drop(&mut self) {
        self.0.runs.send_modify(|runs| *runs = runs.saturating_sub(1));
    }
}

impl Turn {
    /// Begins a run: the import makes no further call before it ends.
    pub async fn run(&self) -> RunTurn<'_> {
        self.runs.send_modify(|runs| *runs += 1);
        let turn = RunTurn(self);
        if timeout(RUN_WAITS, self.call.lock()).await.is_err() {
            tracing::debug!("a call of the import is still in progress; the run does not wait for it");
        }
        turn
    }

    /// Whether the import has to wait now.
    pub fn is_taken(&self) -> bool {
        *self.runs.borrow() > 0 && !self.has_slice()
    }

    /// Waits until the import may make a call.
    pub async fn call(&self) -> MutexGuard<'_, ()> {
        let mut runs = self.runs.subscribe();
        let patience = Instant::now() + IMPORT_WAITS;
        loop {
            let call = self.call.lock().await;
            if !self.is_taken() {
                return call;
            }
            drop(call);
            // The sender is this turn's own.
            if timeout_at(patience, runs.wait_for(|runs| *runs == 0)).await.is_err() {
                *self.slice() = Some(Instant::now() + SLICE);
            }
        }
    }

    fn has_slice(&self) -> bool {
        self.slice().is_some_and(|until| Instant::now() < until)
    }

    fn slice(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.slice.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn j16_a_run_waits_for_one_call_and_the_import_for_the_run() {
        let turn = Arc::new(Turn::default());
        let begun = Instant::now();
        let call = turn.call().await;
        let run = {
            let turn = Arc::clone(&turn);
            tokio::spawn(async move {
                let run = turn.run().await;
                let waited = begun.elapsed();
                tokio::time::sleep(Duration::from_secs(10)).await;
                drop(run);
                waited
            })
        };
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(call);
        // The next call comes after the run.
        drop(turn.call().await);
        assert_eq!(begun.elapsed().as_secs(), 12);
        assert_eq!(run.await.unwrap().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn j16_a_call_without_an_answer_does_not_keep_a_run_and_a_run_without_an_end_leaves_slices() {
        let turn = Turn::default();
        let begun = Instant::now();
        let call = turn.call().await;
        let run = turn.run().await;
        assert_eq!(begun.elapsed().as_secs(), 5);
        drop(call);
        drop(turn.call().await);
        assert_eq!(begun.elapsed().as_secs(), 65);
        // Within the slice without waiting, after it not.
        drop(turn.call().await);
        assert_eq!(begun.elapsed().as_secs(), 65);
        tokio::time::sleep(SLICE).await;
        assert!(turn.is_taken());
        drop(run);
        drop(turn.call().await);
        assert_eq!(begun.elapsed().as_secs(), 70);
    }
}
