//! Ctrl-C and SIGTERM while a command works. In: signals. Out: with the first one a word that no further call may begin; the second
//! one ends the process.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::failure::code;
use super::screen::Screen;

/// What is said at the first signal, and at the second one.
pub(super) const STOPPING: &str =
    "stopping: requests in progress are finished and no new one begins; interrupt again to end at once";
pub(super) const ENDED: &str = "ended: the next run looks up the outcome of the requests in progress";

/// Listens until it is dropped.
pub(super) struct SignalListener(JoinHandle<()>);

impl SignalListener {
    /// Sets `stop` at the first signal: calls under way are finished, reading ends at once, nothing new begins.
    pub(super) fn watch(stop: &CancellationToken, screen: &Screen) -> Self {
        let (stop, screen) = (stop.clone(), screen.clone());
        if let Some(caller) = &screen.caller {
            // The signals are the other process's, which says so.
            let cancelled = caller.cancelled();
            return Self(tokio::spawn(async move {
                cancelled.cancelled().await;
                stop.cancel();
            }));
        }
        Self(tokio::spawn(async move {
            let mut signals = TerminationSignals::listen();
            signals.next().await;
            screen.note(STOPPING);
            stop.cancel();
            signals.next().await;
            screen.note(ENDED);
            std::process::exit(code::FAILED.into());
        }))
    }
}

impl Drop for SignalListener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Returns at the next Ctrl-C or SIGTERM.
pub(super) async fn interrupted() {
    TerminationSignals::listen().next().await;
}

/// Returns at the next Ctrl-C or SIGTERM, or when the terminal is closed.
pub(super) async fn hung_up_or_interrupted() {
    let mut hung_up = signal(SignalKind::hangup()).ok();
    tokio::select! {
        () = interrupted() => {}
        () = heard(&mut hung_up) => {}
    }
}

/// What can be listened to; a signal that can't, ends the process as it always did.
struct TerminationSignals([Option<Signal>; 2]);

impl TerminationSignals {
    fn listen() -> Self {
        Self([SignalKind::interrupt(), SignalKind::terminate()].map(|kind| signal(kind).ok()))
    }

    async fn next(&mut self) {
        let [interrupt, terminate] = &mut self.0;
        tokio::select! {
            () = heard(interrupt) => {}
            () = heard(terminate) => {}
        }
    }
}

async fn heard(signal: &mut Option<Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}
