//! `rosterd run`: the daemon. In: the configuration, signals. Out: runs, until it is asked to end.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::args::{Global, RunArgs};
use super::check;
use super::failure::Failure;
use super::screen::Screen;
use crate::clock::{Clock, SystemClock};
use crate::daemon::{DaemonError, EngineRunner, Settings, Signals};
use crate::telemetry::Telemetry;

pub(super) async fn run(screen: &Screen, global: &Global, args: &RunArgs) -> Result<(), Failure> {
    let state_dir = check::state_dir(screen, global)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let telemetry = Arc::new(Telemetry::new(state_dir.clone(), clock.now()));
    let settings = Settings {
        config: global.config.clone(),
        state_dir: state_dir.clone(),
        workers: args.workers.into(),
        clock: Arc::clone(&clock),
        telemetry: Arc::clone(&telemetry),
    };
    let signals = signals()?;
    let runner = Arc::new(EngineRunner::new(state_dir, clock, |error| Failure::from(error).into(), telemetry));
    match crate::daemon::run(settings, runner, signals).await {
        Ok(()) => Ok(()),
        Err(DaemonError::Config(found)) => Err(check::shown(screen, &found)),
        Err(DaemonError::State(error)) => Err(error.into()),
        Err(error @ DaemonError::Ticker(_)) => Err(Failure::failed(error.to_string())),
    }
}

/// SIGHUP reads the files again; SIGTERM and SIGINT end it in good order.
fn signals() -> Result<Signals, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::failed(format!("signals can't be heard: {error}")));
    let (mut hang_up, terminate, interrupt) =
        (listen(SignalKind::hangup())?, listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let (tell, reload) = mpsc::channel(1);
    tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            // Full means that a reload is due already.
            let _due = tell.try_send(());
        }
    });
    let stop = CancellationToken::new();
    for signal in [terminate, interrupt] {
        tokio::spawn(ends(signal, stop.clone()));
    }
    Ok(Signals { reload, stop })
}

async fn ends(mut signal: Signal, stop: CancellationToken) {
    if signal.recv().await.is_some() {
        stop.cancel();
    }
}
