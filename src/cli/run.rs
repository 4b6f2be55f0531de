//! `rosterd run`: the daemon. In: the configuration, signals. Out: runs, until it is asked to end.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::args::{Global, RunArgs};
use super::failure::{CommandFailure, code};
use super::screen::Screen;
use super::{beside, check};
use crate::clock::{Clock, SystemClock};
use crate::daemon::{DaemonError, DaemonSignals, EngineRunner, Settings};
use crate::telemetry::Telemetry;

pub(super) async fn run(screen: &Screen, global: &Global, args: &RunArgs) -> Result<(), CommandFailure> {
    let stores = check::stores(screen, global)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let telemetry = Arc::new(Telemetry::new(stores.clone(), clock.now()));
    let settings = Settings {
        config: global.config.clone(),
        stores: stores.clone(),
        workers: args.workers.into(),
        clock: Arc::clone(&clock),
        telemetry: Arc::clone(&telemetry),
        commands: Arc::new(beside::Carrier::new(global)),
    };
    let signals = signals()?;
    let runner = Arc::new(EngineRunner::new(stores, clock, |error| CommandFailure::from(error).into(), telemetry));
    match crate::daemon::run(settings, runner, signals).await {
        Ok(()) => Ok(()),
        Err(DaemonError::Config(found)) => Err(check::shown(screen, &found)),
        Err(DaemonError::State(error)) => Err(error.into()),
        Err(error @ DaemonError::Ticker(_)) => Err(CommandFailure::failed(error.to_string())),
    }
}

/// The longest that an end may take. The daemon ends well before; this is for one that hangs.
const END_LIMIT: Duration = Duration::from_millis(9500);

/// SIGHUP reads the files again; SIGTERM and SIGINT end it in good order. They are heard on a thread of their own, so that nothing that
/// hangs elsewhere keeps the process from ending.
fn signals() -> Result<DaemonSignals, CommandFailure> {
    let failed = |error: std::io::Error| CommandFailure::failed(format!("signals can't be received: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let entered = runtime.enter();
    let heard = SignalReceived {
        hang_up: signal(SignalKind::hangup()).map_err(failed)?,
        terminate: signal(SignalKind::terminate()).map_err(failed)?,
        interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
    };
    drop(entered);
    let (tell, reload) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let signals = DaemonSignals { reload, stop: stop.clone() };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || runtime.block_on(heard.listen(tell, stop))).map_err(failed)?;
    Ok(signals)
}

struct SignalReceived {
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl SignalReceived {
    async fn listen(mut self, reload: mpsc::Sender<()>, stop: CancellationToken) {
        loop {
            tokio::select! {
                Some(()) = self.hang_up.recv() => {
                    // Full means that a reload is due already.
                    let _due = reload.try_send(());
                }
                Some(()) = self.terminate.recv() => break,
                Some(()) = self.interrupt.recv() => break,
                else => return,
            }
        }
        stop.cancel();
        tokio::time::sleep(END_LIMIT).await;
        tracing::error!(
            "the daemon did not end by itself; the next start looks up the outcome of the calls in progress"
        );
        std::process::exit(code::FAILED.into());
    }
}
