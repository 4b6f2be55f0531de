//! What is counted of one tenant. In: calls as they end, runs as they end, what the disk says. Out: plain numbers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use prometheus_client::metrics::histogram::Histogram;

use crate::cycle::{Budget, CycleError, CycleReport};
use crate::engine::EngineError;
use crate::http::{Method, Observer};
use crate::model::{HoldCode, OpOutcome, TenantState};
use crate::source::SourceError;
use crate::store::{HeldPlan, Status, StoreError, TenantStore};

/// Upper ends in seconds: from an app next door to one that is about to time out.
const REQUEST_BUCKETS: [f64; 9] = [0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// From a quiet cycle to a first sync of a large company.
const PHASE_BUCKETS: [f64; 10] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0];

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PeerSide {
    App,
    Directory,
}

impl PeerSide {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Directory => "directory",
        }
    }
}

/// The calls to one peer.
#[derive(Debug)]
pub(super) struct PeerCalls {
    /// By method and status; 0 where no answer came.
    pub(super) by_answer: BTreeMap<(&'static str, u16), u64>,
    pub(super) seconds: Histogram,
    pub(super) waited: Duration,
    pub(super) repeated: BTreeMap<&'static str, u64>,
}

impl Default for PeerCalls {
    fn default() -> Self {
        let (by_answer, repeated) = (BTreeMap::new(), BTreeMap::new());
        Self { by_answer, seconds: Histogram::new(REQUEST_BUCKETS), waited: Duration::ZERO, repeated }
    }
}

/// How a tenant stands on the daemon's board, or at the end of a single run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stands {
    /// How the last run ended.
    pub state: TenantState,
    /// How often in a row it came to nothing.
    pub failures: u32,
    /// When it is due next.
    pub due: Option<Timestamp>,
    /// Whether a run is under way.
    pub running: bool,
    /// Whether its file has mistakes as it is now.
    pub mistake: bool,
    /// When its secrets expire, as far as that is known, by the key that names them.
    pub expiries: Vec<(String, Timestamp)>,
}

/// A run that is under way, for people to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunProgress {
    /// What it is doing.
    pub stage: String,
    /// Steps done of that.
    pub done: u64,
    /// How many there are, if that is known.
    pub total: Option<u64>,
    /// Calls to the app so far.
    pub calls: u64,
    /// How long it has been running.
    pub running: Duration,
}

#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) since: Instant,
    pub(super) stage: String,
    pub(super) total: Option<u64>,
    pub(super) done: u64,
    pub(super) calls: u64,
}

#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) stands: Option<Stands>,
    pub(super) live: Option<Live>,
    pub(super) calls: BTreeMap<PeerSide, PeerCalls>,
    pub(super) phases: BTreeMap<&'static str, Histogram>,
    pub(super) runs: BTreeMap<&'static str, u64>,
    pub(super) operations: BTreeMap<(&'static str, &'static str), u64>,
    pub(super) pending: BTreeMap<&'static str, u64>,
    pub(super) rejected: BTreeMap<&'static str, u64>,
    pub(super) budget: Option<Budget>,
    pub(super) snapshot: Option<Timestamp>,
    pub(super) status: Option<Status>,
    pub(super) held: u64,
    pub(super) holds: BTreeMap<HoldCode, u64>,
}

/// The numbers of one tenant, shared with the runs that feed them.
#[derive(Debug, Default)]
pub(super) struct TenantCounters(Mutex<Numbers>);

impl TenantCounters {
    pub(super) fn numbers(&self) -> MutexGuard<'_, Numbers> {
        // Numbers only: a panic elsewhere leaves none of them half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what the last run left on the disk: what `rosterd status` shows is what is counted (I11).
    ///
    /// # Errors
    /// When it is there and can't be read; the numbers are as before then.
    pub(super) fn look(&self, state: &TenantStore) -> Result<(), StoreError> {
        let (status, held) = (state.status()?, state.held()?);
        let mut numbers = self.numbers();
        if let Some(run) = status.as_ref().map(|status| &status.last_run).filter(|run| run.counts.is_some()) {
            numbers.snapshot = numbers.snapshot.max(Some(run.started));
        }
        numbers.status = status.map(|status| Status { failed: Vec::new(), ..status });
        let HeldPlan { count, holds, .. } = match held {
            Some(held) => held,
            None => {
                (numbers.held, numbers.holds) = (0, BTreeMap::new());
                return Ok(());
            }
        };
        numbers.held = count;
        numbers.holds = BTreeMap::new();
        for hold in holds {
            *numbers.holds.entry(hold.code()).or_default() += 1;
        }
        Ok(())
    }

    /// Counts a run that has ended.
    pub(super) fn ended(&self, ended: Result<&CycleReport, &EngineError>) {
        let mut numbers = self.numbers();
        numbers.live = None;
        match ended {
            Ok(report) => numbers.reported(report),
            Err(error) => {
                let is_run = !matches!(error, EngineError::Paused { .. } | EngineError::Retired { .. });
                if is_run && !error.is_busy() {
                    *numbers.runs.entry("no_plan").or_default() += 1;
                }
                if let Some(reason) = rejection(error) {
                    *numbers.rejected.entry(reason).or_default() += 1;
                }
            }
        }
    }
}

impl Numbers {
    fn reported(&mut self, report: &CycleReport) {
        *self.runs.entry(report.status().name()).or_default() += 1;
        for (phase, took) in report.phases() {
            let histogram = self.phases.entry(phase).or_insert_with(|| Histogram::new(PHASE_BUCKETS));
            // A clock that was set back during a run.
            histogram.observe(took.as_secs_f64().max(0.0));
        }
        self.pending.clear();
        for (at, operation) in report.operations().iter().enumerate() {
            let (op, result) = (operation.op().name(), report.result(at));
            if result == OpOutcome::Planned {
                continue;
            }
            *self.operations.entry((op, result.name())).or_default() += 1;
            // An operation that went well once is told as zero, not as gone.
            *self.pending.entry(op).or_default() += u64::from(result != OpOutcome::Done);
        }
        if !report.counts_accepted {
            *self.rejected.entry("shrink").or_default() += 1;
        }
        self.snapshot = self.snapshot.max(Some(report.read.unwrap_or(report.started)));
        if report.budget.is_some() {
            self.budget.clone_from(&report.budget);
        }
    }
}

/// Why a reading was thrown away, if it was.
fn rejection(error: &EngineError) -> Option<&'static str> {
    let error = match error {
        EngineError::Cycle(CycleError::Source(error)) | EngineError::Source(error) => error,
        _ => return None,
    };
    Some(match error {
        SourceError::Refused(_) | SourceError::NoOrganisation(_) | SourceError::NotGranted(_) => "refused",
        SourceError::Forbidden(_) => "forbidden",
        SourceError::Unreachable(_) | SourceError::Untrusted(_) | SourceError::Unavailable(_) => "unreachable",
        SourceError::Throttled(_) => "throttled",
        SourceError::Malformed(_) => "malformed",
        SourceError::Settings(_) => "settings",
        SourceError::TimeLimit { .. } => "time_limit",
        SourceError::Incomplete(_) => "incomplete",
    })
}

/// Hears of the calls to one peer of one tenant.
pub(super) struct Ear {
    pub(super) counted: Arc<TenantCounters>,
    pub(super) peer: PeerSide,
}

impl Observer for Ear {
    fn waited(&self, wait: Duration) {
        let mut numbers = self.counted.numbers();
        numbers.calls.entry(self.peer).or_default().waited += wait;
    }

    fn called(&self, method: Method, status: Option<u16>, took: Duration) {
        let mut numbers = self.counted.numbers();
        if let Some(live) = numbers.live.as_mut().filter(|_| self.peer == PeerSide::App) {
            live.calls += 1;
        }
        let calls = numbers.calls.entry(self.peer).or_default();
        // A status that HTTP does not know can't make a number without end of labels.
        let status = status.map_or(0, |status| if (100..600).contains(&status) { status } else { 599 });
        *calls.by_answer.entry((method.as_str(), status)).or_default() += 1;
        calls.seconds.observe(took.as_secs_f64());
    }

    fn repeated(&self, why: &'static str) {
        let mut numbers = self.counted.numbers();
        *numbers.calls.entry(self.peer).or_default().repeated.entry(why).or_default() += 1;
    }
}
