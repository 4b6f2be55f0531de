//! How a run ends before its plan. The first reason counts; from then on nothing sleeps on, and no call goes out.

use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::RunStop;
use crate::scim::AppWrite;
use crate::store::StoreError;

/// Whether, and why, a run is over.
pub(super) struct RunEnding<'a> {
    app: &'a dyn AppWrite,
    why: Mutex<Why>,
    /// Cancelled at the end, whatever its reason.
    pub(super) halt: CancellationToken,
}

#[derive(Default)]
struct Why {
    stopped: Option<RunStop>,
    /// The first failure of the state itself.
    broken: Option<StoreError>,
}

impl<'a> RunEnding<'a> {
    pub(super) fn new(app: &'a dyn AppWrite, halt: CancellationToken) -> Self {
        Self { app, why: Mutex::default(), halt }
    }

    fn why(&self) -> std::sync::MutexGuard<'_, Why> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the run.
    pub(super) fn stop(&self, stop: RunStop) {
        self.why().stopped.get_or_insert(stop);
        self.halt();
    }

    /// Ends the run because the state cannot be written.
    pub(super) fn broke(&self, error: StoreError) {
        self.why().broken.get_or_insert(error);
        self.halt();
    }

    /// Nothing sleeps on, and no call that waits for the rate limit goes out any more.
    fn halt(&self) {
        self.halt.cancel();
        self.app.close();
    }

    /// Whether no further call may begin.
    pub(super) fn is_over(&self) -> bool {
        let why = self.why();
        why.stopped.is_some() || why.broken.is_some()
    }

    /// Whether the run goes on, or ended only because the app failed too often.
    pub(super) fn is_the_apps(&self) -> bool {
        matches!(self.why().stopped, None | Some(RunStop::Breaker(_)))
    }

    /// The failure of the state, if that was it.
    pub(super) fn take_broken(&self) -> Option<StoreError> {
        self.why().broken.take()
    }

    /// Why the run ended early.
    pub(super) fn into_stop(self) -> Option<RunStop> {
        self.why.into_inner().unwrap_or_else(PoisonError::into_inner).stopped
    }
}
