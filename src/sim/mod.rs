//! A simulated world for tests: a directory, an app and a clock in memory, and one tenant between them.
//!
//! In: edits of the directory, faults to script. Out: what the real cycle made of them: reports, calls, the app's end state.
//! The engine runs unchanged; only the edges are replaced. Everything here is deterministic: time moves when a test moves it,
//! and chance comes from seeds.

mod app;
mod conformance;
mod dice;
mod directory;
mod fuzz;
mod scenarios;
mod seeded;
mod tenant;

pub(crate) use app::{Account, Call, Fault, Group, Holdings, Reach, SimApp};
pub(crate) use directory::{DirGroup, DirUser, Directory, Quirk, SimSource};
pub(crate) use tenant::{Tenant, limits};

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::apply::Repeat;
use crate::clock::{Clock, Steady};
use crate::cycle::{Ask, CycleError, CycleJob, CycleReport, RunWriter, Witness, cycle, preview};
use crate::errand::Errand;
use crate::guard::GuardLimits;
use crate::http::retry::Backoff;
use crate::model::TenantName;
use crate::progress::Silent;
use crate::store::{Alone, Baseline, Decision, DecisionVerdict, MemoryStore, Trigger};
use crate::time_limit::TimeLimit;

/// A clock that moves only when told to, or also while somebody waits.
#[derive(Debug)]
pub(crate) struct SimClock {
    seconds: AtomicI64,
    /// How far the wall clock is ahead of the time that passed.
    ahead: AtomicI64,
    /// Which start of the machine it is; 0 where it does not tell.
    boot: AtomicI64,
    /// When it began to move by itself.
    flows_since: Option<tokio::time::Instant>,
}

impl Default for SimClock {
    fn default() -> Self {
        Self {
            seconds: AtomicI64::new(1_700_000_000),
            ahead: AtomicI64::new(0),
            boot: AtomicI64::new(1),
            flows_since: None,
        }
    }
}

impl SimClock {
    /// One that moves with the runtime's paused time, too.
    pub(crate) fn flowing() -> Self {
        Self { flows_since: Some(tokio::time::Instant::now()), ..Self::default() }
    }

    /// Sets the wall clock, forwards or backwards.
    pub(crate) fn set_ahead(&self, time: SignedDuration) {
        self.ahead.store(time.as_secs(), Ordering::Relaxed);
    }

    /// The machine is started again.
    pub(crate) fn reboot(&self) {
        self.boot.fetch_add(1, Ordering::Relaxed);
    }

    /// What a clock shows that was never set.
    pub(crate) fn true_time(&self) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed));
        self.now().checked_sub(ahead).unwrap()
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: SignedDuration) {
        self.seconds.fetch_add(time.as_secs(), Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let waited = self.flows_since.map_or(0, |since| since.elapsed().as_secs() as i64);
        let ahead = self.ahead.load(Ordering::Relaxed);
        Timestamp::from_second(self.seconds.load(Ordering::Relaxed) + waited + ahead).unwrap()
    }

    fn steady(&self) -> Option<Steady> {
        let boot = format!("boot {}", self.boot.load(Ordering::Relaxed));
        Some(Steady { boot, seconds: self.true_time().as_second() as u64 })
    }
}

/// One tenant with both its sides.
pub(crate) struct World {
    pub(crate) source: SimSource,
    pub(crate) app: SimApp,
    pub(crate) store: MemoryStore,
    pub(crate) tenant: Tenant,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) stop: CancellationToken,
    name: TenantName,
}

impl World {
    /// A new tenant: an empty app, no state.
    pub(crate) fn new(directory: Directory) -> Self {
        let clock = Arc::new(SimClock::default());
        let name = TenantName::parse("acme").unwrap();
        Self {
            source: SimSource::new(directory),
            app: SimApp::default(),
            store: MemoryStore::new(&name, Arc::clone(&clock) as Arc<dyn Clock>).unwrap(),
            tenant: Tenant::default(),
            clock,
            stop: CancellationToken::new(),
            name,
        }
    }

    /// Edits the directory.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Directory)) {
        self.source.edit(edit);
    }

    /// Changes the tenant's file; whoever was in step is compared anew.
    pub(crate) fn reconfigure(&mut self, change: impl FnOnce(&mut Tenant)) {
        change(&mut self.tenant);
        self.tenant.settings.all += 1;
    }

    /// Changes the guard's limits, which decide over no person: whoever is in step stays so.
    pub(crate) fn reconfigure_limits(&self, change: impl FnOnce(&mut GuardLimits)) {
        change(&mut self.tenant.limits.lock().unwrap());
    }

    /// Who is set aside, as `user ann`.
    pub(crate) fn set_aside(&self) -> Vec<String> {
        self.store.failures().unwrap().into_iter().map(|(object, _)| object.to_string()).collect()
    }

    /// How many people are linked.
    pub(crate) fn linked_count(&self) -> u64 {
        self.store.counts().unwrap().users
    }

    /// Who counts against the rolling budget.
    pub(crate) fn spent_budget(&self) -> BTreeSet<String> {
        self.store.lost_since(Timestamp::UNIX_EPOCH).unwrap().into_iter().map(|lost| lost.user.to_string()).collect()
    }

    /// Somebody approves what is held now.
    pub(crate) fn approve(&self) {
        self.decide(DecisionVerdict::Approve);
    }

    /// Somebody approves what is held now, if anything is.
    pub(crate) fn approve_if_held(&self) {
        if self.store.held().is_some() {
            self.approve();
        }
    }

    /// Somebody decides on what is held now; the word counts for a day.
    pub(crate) fn decide(&self, verdict: DecisionVerdict) {
        let plan = self.store.held().unwrap().plan;
        let (at, by) = (self.clock.now(), "ann".to_owned());
        let expires = at.checked_add(SignedDuration::from_hours(24)).unwrap();
        let reason = "as discussed".to_owned();
        self.store.decide(Decision { plan, verdict, by, identity: None, reason, at, expires });
    }

    /// Forgets everything, as when the state folder is lost.
    pub(crate) fn lose_state(&mut self) {
        self.store = MemoryStore::new(&self.name, Arc::clone(&self.clock) as Arc<dyn Clock>).unwrap();
    }

    /// Runs a cycle as `ask` says; a preview, unless it may write.
    pub(crate) async fn ask(&self, ask: &Ask<'_>, may_write: bool) -> Result<CycleReport, CycleError> {
        self.ask_watched(ask, may_write, None).await
    }

    /// As [`World::ask`], with somebody who looks on.
    pub(crate) async fn ask_watched(
        &self,
        ask: &Ask<'_>,
        may_write: bool,
        witness: Option<&dyn Witness>,
    ) -> Result<CycleReport, CycleError> {
        let progress = Silent;
        self.app.is_asked_by(&self.tenant.profile);
        let job = CycleJob {
            tenant: &self.name,
            source: &self.source,
            reader: &self.app,
            state: &self.store,
            scope: self.tenant.scope(),
            rules: self.tenant.rules(),
            limits: self.tenant.limits.lock().unwrap().clone(),
            policy: self.tenant.policy.clone(),
            sentinels: &self.tenant.sentinels,
            time_limit: self.time_limit(),
            in_flight: 4,
            repeat: self.repeat(),
            settings: self.tenant.settings,
            addresses: &self.tenant.addresses,
            clock: &*self.clock,
            progress: &progress,
            stop: &self.stop,
            neighbours: &Alone,
            witness,
        };
        match may_write {
            true => cycle(&job, self.writer(), ask).await,
            false => preview(&job, ask).await,
        }
    }

    /// Runs a cycle, as a person who types `rosterd sync`, and lets ten minutes pass.
    pub(crate) async fn try_sync(&self) -> Result<CycleReport, CycleError> {
        self.app.forget_calls();
        let report = self.ask(&command(), true).await;
        self.clock.pass(SignedDuration::from_mins(10));
        report
    }

    /// As [`World::try_sync`], for a cycle that comes to a plan.
    pub(crate) async fn sync(&self) -> CycleReport {
        let report = self.try_sync().await.unwrap();
        let tally = report.tally();
        assert_eq!(tally.planned, tally.done + tally.held + tally.failed, "I11: {report:?}");
        report
    }

    /// A cycle of the daemon's schedule.
    pub(crate) async fn scheduled(&self) -> CycleReport {
        self.app.forget_calls();
        let report = self.ask(&Ask { trigger: Trigger::Schedule, ..command() }, true).await.unwrap();
        self.clock.pass(SignedDuration::from_mins(10));
        report
    }

    /// What a person asks for beside the cycle.
    pub(crate) fn errand(&self) -> Errand<'_> {
        self.app.is_asked_by(&self.tenant.profile);
        Errand {
            tenant: &self.name,
            reader: &self.app,
            rules: self.tenant.rules(),
            limits: self.tenant.limits.lock().unwrap().clone(),
            policy: self.tenant.policy.clone(),
            in_flight: 4,
            repeat: self.repeat(),
            clock: &*self.clock,
            progress: &Silent,
            stop: &self.stop,
        }
    }

    /// What a run may write with.
    pub(crate) fn writer(&self) -> RunWriter<'_> {
        RunWriter { app: &self.app, ledger: &self.store }
    }

    fn time_limit(&self) -> TimeLimit {
        let configured = self.tenant.profile.read.time_limit.map(|limit| limit.duration());
        TimeLimit::new(configured, self.store.last_reading())
    }

    fn repeat(&self) -> Repeat {
        Repeat {
            attempts: 3,
            backoff: Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(60) },
            breaker_failures: self.tenant.breaker_failures,
            settles_after: Duration::from_secs(self.tenant.profile.read.settles_after_s.into()),
        }
    }

    /// A preview.
    pub(crate) async fn plan(&self) -> CycleReport {
        self.app.forget_calls();
        self.ask(&command(), false).await.unwrap()
    }

    /// Asserts that a cycle now makes no call of any kind.
    pub(crate) async fn assert_quiet(&self) {
        let report = self.sync().await;
        assert_eq!(self.app.calls(), Vec::<Call>::new(), "I12: a quiet cycle makes no call");
        assert_eq!(report.operations(), [], "I12");
    }
}

/// What a person asks for who types `rosterd sync`.
pub(crate) fn command<'a>() -> Ask<'a> {
    Ask { trigger: Trigger::Command, expected_plan: None, only: None }
}
