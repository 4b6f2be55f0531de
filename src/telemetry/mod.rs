//! What is measured. In: calls and runs as they end, and what runs leave on the disk. Out: the text that Prometheus reads, and what
//! a run under way is doing.
//!
//! A run feeds it through traits of lower rooms ([`Observer`](crate::http::Observer), [`Progress`]) and does not know it. It knows no
//! terminal, no web and no person: labels are tenants and words of a short list. The numbers of a tenant that was taken away go
//! with it.

pub mod catalog;
mod expose;
mod tenant;

pub use expose::CONTENT_TYPE;
pub use tenant::{RunProgress, Stands};

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use self::expose::{House, Moment};
use self::tenant::{Ear, Live, PeerSide, TenantCounters};
use crate::cycle::CycleReport;
use crate::engine::{EngineError, Observers};
use crate::model::TenantName;
use crate::progress::Progress;
use crate::store::Stores;

/// The collector runs as another user.
const PUBLIC: u32 = 0o644;

/// All numbers of this process.
pub struct Telemetry {
    stores: Stores,
    tenants: Mutex<BTreeMap<String, Arc<TenantCounters>>>,
    started: Timestamp,
    config_valid: AtomicBool,
}

impl Telemetry {
    /// Nothing is counted yet. `started` is when the daemon did.
    pub fn new(stores: Stores, started: Timestamp) -> Self {
        Self { stores, tenants: Mutex::default(), started, config_valid: AtomicBool::new(true) }
    }

    fn tenants(&self) -> MutexGuard<'_, BTreeMap<String, Arc<TenantCounters>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenant's numbers; those of a tenant seen for the first time begin with what its last run left on the disk.
    fn counted(&self, tenant: &str) -> Arc<TenantCounters> {
        if let Some(counted) = self.tenants().get(tenant) {
            return Arc::clone(counted);
        }
        let counted = Arc::new(TenantCounters::default());
        self.look(&counted, tenant);
        Arc::clone(self.tenants().entry(tenant.to_owned()).or_insert(counted))
    }

    fn look(&self, counted: &TenantCounters, tenant: &str) {
        let Some(name) = TenantName::parse(tenant) else { return };
        if let Err(error) = counted.look(&self.stores.tenant(&name)) {
            tracing::warn!(tenant, %error, "what the last run left could not be read; the numbers are those from before");
        }
    }

    /// Somebody who counts a run that is about to begin.
    pub fn run(self: &Arc<Self>, tenant: &str) -> RunMetrics {
        let counted = self.counted(tenant);
        let (stage, total) = ("starting".to_owned(), None);
        counted.numbers().live = Some(Live { since: Instant::now(), stage, total, done: 0, calls: 0 });
        RunMetrics { telemetry: Arc::clone(self), counted, tenant: tenant.to_owned() }
    }

    /// Who hears of a tenant's calls, in a run or beside it.
    pub fn observers(&self, tenant: &str) -> Observers {
        observers(&self.counted(tenant))
    }

    /// How everybody stands. Tenants that are not among them are gone, and their numbers with them.
    pub fn stand(&self, all: Vec<(String, Stands)>) {
        let named: BTreeSet<String> = all.iter().map(|(tenant, _)| tenant.clone()).collect();
        for (tenant, stands) in all {
            self.counted(&tenant).numbers().stands = Some(stands);
        }
        self.tenants().retain(|tenant, _| named.contains(tenant));
    }

    /// Whether `rosterd.toml` was right when it was read last.
    pub fn config_is_valid(&self, valid: bool) {
        self.config_valid.store(valid, Ordering::Relaxed);
    }

    /// What a run of this tenant is doing, if one is under way.
    pub fn under_way(&self, tenant: &str) -> Option<RunProgress> {
        let counted = Arc::clone(self.tenants().get(tenant)?);
        let live = counted.numbers().live.clone()?;
        let Live { since, stage, total, done, calls } = live;
        Some(RunProgress { stage, done, total, calls, running: since.elapsed() })
    }

    /// How many people lost access in the last 24 hours, and how many may; `None` while that is not known, or unlimited.
    pub fn budget(&self, tenant: &str, now: Timestamp) -> Option<(u64, u64)> {
        let counted = Arc::clone(self.tenants().get(tenant)?);
        let numbers = counted.numbers();
        numbers.budget.as_ref().map(|budget| (expose::lost(budget, now), budget.allowed))
    }

    /// What the daemon shows: everything.
    ///
    /// # Errors
    /// When the text could not be put together.
    pub fn text(&self, now: Timestamp) -> Result<String, std::fmt::Error> {
        let house = House { started: self.started, config_valid: self.config_valid.load(Ordering::Relaxed) };
        expose::write(&self.moment(now, Some(house)))
    }

    /// What is left behind for the textfile collector when a command ends: what is, and nothing that grows, since a counter that
    /// begins anew with every command says nothing.
    ///
    /// # Errors
    /// As [`Telemetry::text`].
    pub fn text_of_one_shot(&self, now: Timestamp) -> Result<String, std::fmt::Error> {
        expose::write(&self.moment(now, None))
    }

    fn moment(&self, now: Timestamp, daemon: Option<House>) -> Moment {
        let tenants = self.tenants().iter().map(|(name, counted)| (name.clone(), Arc::clone(counted))).collect();
        Moment { tenants, now, daemon, free: self.stores.surroundings().free }
    }
}

/// Counts one run.
pub struct RunMetrics {
    telemetry: Arc<Telemetry>,
    counted: Arc<TenantCounters>,
    tenant: String,
}

impl RunMetrics {
    /// Who hears of the run's calls.
    pub fn observers(&self) -> Observers {
        observers(&self.counted)
    }

    /// Hears of the run's progress, and tells somebody else, too.
    pub fn beside<'a>(&'a self, other: &'a dyn Progress) -> Beside<'a> {
        Beside { watch: self, other }
    }

    /// The run has ended.
    pub fn ended(&self, ended: Result<&CycleReport, &EngineError>) {
        self.counted.ended(ended);
        self.telemetry.look(&self.counted, &self.tenant);
    }
}

fn observers(counted: &Arc<TenantCounters>) -> Observers {
    let ear = |peer| Arc::new(Ear { counted: Arc::clone(counted), peer });
    Observers { directory: ear(PeerSide::Directory), app: ear(PeerSide::App) }
}

impl Drop for RunMetrics {
    fn drop(&mut self) {
        // A run that panicked has ended too.
        self.counted.numbers().live = None;
    }
}

/// The progress of a run, told to two.
pub struct Beside<'a> {
    watch: &'a RunMetrics,
    other: &'a dyn Progress,
}

impl Progress for Beside<'_> {
    fn stage(&self, what: &str, total: Option<u64>) {
        self.watch.stage(what, total);
        self.other.stage(what, total);
    }

    fn advance(&self, n: u64) {
        self.watch.advance(n);
        self.other.advance(n);
    }
}

impl Progress for RunMetrics {
    fn stage(&self, what: &str, total: Option<u64>) {
        if let Some(live) = &mut self.counted.numbers().live {
            (live.stage, live.total, live.done) = (what.to_owned(), total, 0);
        }
    }

    fn advance(&self, n: u64) {
        if let Some(live) = &mut self.counted.numbers().live {
            live.done = live.done.saturating_add(n);
        }
    }
}

/// Writes a text where another process reads it, whole or not at all. Everybody may read it: it names nobody.
///
/// # Errors
/// When it could not be written; what was there before is still there.
pub fn publish(path: &Path, text: &str) -> std::io::Result<()> {
    crate::files::replace::replace(path, PUBLIC, text.as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
