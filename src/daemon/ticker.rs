//! A tick each second. In: nothing. Out: a word that time has passed.
//!
//! tokio-cron-scheduler only ticks (design decision 16): zones, overlap, catch-up and the end are the daemon's own. A tick that
//! finds the last one unread is dropped, and a ticker that falls silent is noticed by whoever listens.

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Keeps ticking until it is stopped.
pub(super) struct Ticker {
    scheduler: JobScheduler,
    ticks: mpsc::Receiver<()>,
}

impl Ticker {
    /// Starts ticking.
    ///
    /// # Errors
    /// When the scheduler does not start.
    pub(super) async fn start() -> Result<Self, JobSchedulerError> {
        let (tell, ticks) = mpsc::channel(1);
        let scheduler = JobScheduler::new().await?;
        let tick = Job::new("* * * * * *", move |_, _| {
            // Full means that the last tick is still unread: one is as good as two.
            let _unread = tell.try_send(());
        })?;
        scheduler.add(tick).await?;
        scheduler.start().await?;
        Ok(Self { scheduler, ticks })
    }

    /// The next tick; `None` if there will be none.
    pub(super) async fn tick(&mut self) -> Option<()> {
        self.ticks.recv().await
    }

    /// Stops ticking.
    pub(super) async fn stop(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::debug!(%error, "the ticker did not stop");
        }
    }
}
