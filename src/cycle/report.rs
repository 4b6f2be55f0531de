//! What a cycle says of itself. In: a cleared plan and its outcome. Out: the numbers and lines that people and scripts read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::budget::Lately;
use crate::apply::{ApplyOutcome, OpResult, RunStop};
use crate::config::forms::Limit;
use crate::guard::Cleared;
use crate::model::{
    Access, AddressMark, ContentMark, HoldCode, HoldReason, ObjectRef, Obstacle, Op, OpOutcome, RunId, RunStatus,
    SnapshotCounts, StatusSign, TenantName,
};
use crate::plan::{Blocked, Operation};
use crate::scim::CallStats;
use crate::store::{
    Approvals, Decision, FirstSync, HELD_LISTED, HeldOperation, HeldPlan, RunSummary, SettingsMark, StateView,
    StoreError,
};

/// A cycle, for people and scripts. `planned = done + held + failed` holds for a run (I11).
#[derive(Debug)]
pub struct CycleReport {
    /// The tenant.
    pub tenant: TenantName,
    /// The run.
    pub run: RunId,
    /// What the directory held.
    pub snapshot: SnapshotCounts,
    /// The plan with the guard's word; `None` when everything was held before there was one.
    pub cleared: Option<Cleared>,
    /// For each operation; empty for a preview.
    pub results: Vec<OpResult>,
    /// Objects that failed before and whose next try is still to come: nothing was tried for them.
    pub set_aside: u64,
    /// Everything that was held, and why.
    pub holds: Vec<HoldReason>,
    /// Why it ended early.
    pub stop: Option<RunStop>,
    /// Interrupted calls of an earlier run whose outcome was found out.
    pub recovered: usize,
    /// Calls of an earlier run of which nobody knows yet what became of them: the app does not say.
    pub unresolved: usize,
    /// What they were about.
    pub open: Vec<(Op, ObjectRef)>,
    /// Calls made to the app.
    pub calls: CallStats,
    /// Whether it was only a preview.
    pub dry_run: bool,
    /// Whether the reading counts as accepted: the next one is measured by it.
    pub counts_accepted: bool,
    /// Whether the tenant file counts as accepted: the next edit is measured by it.
    pub settings_accepted: bool,
    /// The addresses of both sides, if they count as accepted: those of the next run are compared with them.
    pub addresses: Option<AddressMark>,
    /// The mark of the directory's content, if nothing was left to do or to ask for it.
    pub quiet_at: Option<ContentMark>,
    /// Names of users and groups that changes of the plan give by id, by that id.
    pub names: BTreeMap<String, String>,
    /// Somebody said no to what is held.
    pub rejected: Option<Decision>,
    /// How far approvals are, where more than one person has to approve.
    pub approvals: Option<Approvals>,
    /// How much of the day's removals is used up, after a run that did something; `None` where there is no limit.
    pub budget: Option<Budget>,
    /// When it began.
    pub started: Timestamp,
    /// When the directory was read; a run that had nothing to look at has nothing more to say.
    pub read: Option<Timestamp>,
    /// How long that took.
    pub reading: Option<Duration>,
    /// The signs of suspension to keep on record, where they are not those that are.
    pub signs: Option<BTreeSet<StatusSign>>,
    /// Whether the tenant's first sync still waits; `None` if it was done before.
    pub first_sync: Option<FirstSync>,
    /// Names of members that lead nowhere.
    pub dangling: DanglingNames,
    /// Their number, to keep on record where it is not the one that is.
    pub dangling_accepted: Option<u64>,
    /// When it was clear what may be done.
    pub judged: Option<Timestamp>,
    /// When it ended.
    pub ended: Timestamp,
}

/// Names by which groups have members and that lead to no user and no group of the reading.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DanglingNames {
    /// How many there are.
    pub count: u64,
    /// The first few, each with the group that has it and, in a file, the line.
    pub examples: Vec<String>,
}

/// The removals of the last 24 hours and how many the tenant's limit allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// How many people may lose access in 24 hours.
    pub allowed: u64,
    /// When somebody did, once for each person, the oldest first.
    pub lost: Vec<Timestamp>,
}

impl Budget {
    pub(super) fn of(state: &dyn StateView, limit: Limit, now: Timestamp) -> Result<Option<Self>, StoreError> {
        let lately = Lately::of(state, now)?;
        let absent = (lately.lost.len() as u64).saturating_sub(lately.lost_but_active);
        let mut lost: Vec<Timestamp> = lately.lost.into_values().collect();
        lost.sort_unstable();
        // As the guard counts: who lost access today was managed this morning.
        let managed = state.counts()?.active.saturating_add(absent);
        Ok(limit.allowed(managed).map(|allowed| Self { allowed, lost }))
    }
}

impl CycleReport {
    pub(crate) fn new(tenant: &TenantName, run: RunId, snapshot: SnapshotCounts, started: Timestamp) -> Self {
        Self {
            tenant: tenant.clone(),
            run,
            snapshot,
            cleared: None,
            results: Vec::new(),
            set_aside: 0,
            holds: Vec::new(),
            stop: None,
            recovered: 0,
            unresolved: 0,
            open: Vec::new(),
            calls: CallStats::default(),
            dry_run: false,
            counts_accepted: true,
            settings_accepted: true,
            addresses: None,
            quiet_at: None,
            names: BTreeMap::new(),
            rejected: None,
            approvals: None,
            budget: None,
            started,
            read: None,
            reading: None,
            signs: None,
            first_sync: None,
            dangling: DanglingNames::default(),
            dangling_accepted: None,
            judged: None,
            ended: started,
        }
    }

    pub(crate) fn preview(&mut self, cleared: Cleared, calls: CallStats, now: Timestamp) {
        self.take_holds(&cleared);
        self.cleared = Some(cleared);
        self.calls = calls;
        self.dry_run = true;
        self.ended = now;
    }

    /// Takes in what was carried out; a run may do it in two parts.
    pub(crate) fn applied(&mut self, cleared: Cleared, outcome: ApplyOutcome) {
        self.take_holds(&cleared);
        // Each part has a breaker of its own. Where an earlier part was carried out, the app does answer: one kind of change fails.
        let went_well = self.results.contains(&Ok(OpOutcome::Done));
        let stop = outcome.stop.filter(|stop| !(went_well && matches!(stop, RunStop::Failing(_))));
        self.results.extend(outcome.results);
        self.stop = self.stop.take().or(stop);
        self.cleared = Some(match self.cleared.take() {
            Some(earlier) => earlier.followed_by(cleared),
            None => cleared,
        });
    }

    fn take_holds(&mut self, cleared: &Cleared) {
        self.holds.extend_from_slice(cleared.holds());
        let held_for = |codes: &[HoldCode]| self.holds.iter().any(|hold| codes.contains(&hold.code()));
        // A run that was held for an address has read nothing.
        let moved = held_for(&[
            HoldCode::TargetChange,
            HoldCode::SourceChange,
            HoldCode::TokenServerChange,
            HoldCode::ProxyChange,
        ]);
        // What nobody has looked at yet is no reading that later ones are measured by.
        let unseen = held_for(&[HoldCode::FirstSync]);
        self.counts_accepted = !moved && !unseen && !held_for(&[HoldCode::SourceShrink]);
        let settings = [HoldCode::SettingsChange, HoldCode::MatchingChange, HoldCode::Upgrade];
        self.settings_accepted = !moved && !unseen && !held_for(&settings);
    }

    /// What waits for a decision, as `status` shows it and `approve` takes it; `None` if nothing does.
    pub fn held_plan(&self) -> Option<HeldPlan> {
        let cleared = self.cleared.as_ref()?;
        let plan = cleared.held_plan()?;
        let show = |operation: &Operation| HeldOperation {
            op: operation.op(),
            object: operation.object.clone(),
            name: operation.name.clone(),
            reason: operation.reason.clone(),
            digest: operation.digest(),
        };
        Some(HeldPlan {
            of: cleared.plan().hash.clone(),
            run: self.run.clone(),
            at: self.ended,
            holds: self.holds.clone(),
            access: self.access(),
            count: cleared.held().count() as u64,
            operations: cleared.held().take(HELD_LISTED).map(show).collect(),
            rest: cleared.held().nth(HELD_LISTED).and_then(|_| crate::plan::id_of(cleared.held()).rest()),
            guard_change: HeldPlan::told_of_guard(&self.holds),
            reasons_digest: HeldPlan::digest_of_reasons(&plan, &self.holds),
            approvals: self.approvals.clone(),
            rejected: self.rejected.clone().filter(|decision| cleared.is_about(&decision.plan)),
            plan,
        })
    }

    /// Who has access now and afterwards, if something waits for a decision.
    pub fn access(&self) -> Option<Access> {
        let held = |cleared: &&Cleared| cleared.held().next().is_some();
        self.cleared.as_ref().filter(held)?.access()
    }

    /// The planned operations.
    pub fn operations(&self) -> &[Operation] {
        self.cleared.as_ref().map_or(&[], |cleared| &cleared.plan().operations)
    }

    /// The plan's hash; empty when there was no plan.
    pub fn plan_hash(&self) -> &str {
        self.cleared.as_ref().map_or("", |cleared| &cleared.plan().hash)
    }

    /// How one operation went, or, in a preview, what would become of it.
    pub fn result(&self, at: usize) -> OpOutcome {
        match self.results.get(at) {
            Some(Ok(outcome)) => *outcome,
            Some(Err(_)) => OpOutcome::Failed,
            None => match self.operations().get(at).and_then(|operation| operation.blocked.as_ref()) {
                Some(Blocked::Failed(_)) => OpOutcome::Failed,
                Some(Blocked::Held(_) | Blocked::Conflict(_)) => OpOutcome::Held,
                None if self.cleared.as_ref().is_some_and(|cleared| cleared.allows(at)) => OpOutcome::Planned,
                None => OpOutcome::Held,
            },
        }
    }

    /// Why one operation failed, or what stands in its way.
    pub fn obstacle(&self, at: usize) -> Option<&Obstacle> {
        match self.results.get(at) {
            Some(Err(why)) => Some(why),
            _ => match self.operations().get(at)?.blocked.as_ref()? {
                Blocked::Held(why) | Blocked::Conflict(why) | Blocked::Failed(why) => Some(why),
            },
        }
    }

    /// Planned, done, held, failed. In a preview nothing is done.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally { planned: self.operations().len() as u64, ..Tally::default() };
        for at in 0..self.operations().len() {
            match self.result(at) {
                OpOutcome::Done => tally.done += 1,
                OpOutcome::Held => tally.held += 1,
                OpOutcome::Failed => tally.failed += 1,
                _ => {}
            }
        }
        tally
    }

    /// How it ended.
    pub fn status(&self) -> RunStatus {
        match self.stop {
            Some(RunStop::Target(_) | RunStop::Breaker(_) | RunStop::Failing(_) | RunStop::Cut(_)) => {
                return RunStatus::Failed;
            }
            Some(RunStop::Asked | RunStop::Paused(_)) => return RunStatus::Partial,
            None => {}
        }
        let tally = self.tally();
        if !self.holds.is_empty() || tally.held > 0 {
            RunStatus::Held
        } else if tally.failed > 0 || self.set_aside > 0 || self.unresolved > 0 {
            RunStatus::Partial
        } else {
            RunStatus::Ok
        }
    }

    /// How long each part of it took: reading, deciding (with all that the app was asked, and the leavers who were not kept
    /// waiting), carrying out. Parts it did not come to are left out.
    pub fn phases(&self) -> Vec<(&'static str, SignedDuration)> {
        let read = self.read.unwrap_or(self.ended);
        let ends = [("read", Some(read)), ("decide", self.judged), ("apply", self.judged.map(|_| self.ended))];
        let mut begun = self.started;
        let mut all = Vec::new();
        for (phase, end) in ends {
            let Some(end) = end else { break };
            all.push((phase, end.duration_since(begun)));
            begun = end;
        }
        all
    }

    /// The run's last line in the log.
    pub(super) fn tell(&self) {
        let Tally { planned, done, held, failed } = self.tally();
        let (status, dry_run, calls) = (self.status().name(), self.dry_run, self.calls.total);
        let seconds = self.ended.duration_since(self.started).as_secs_f64();
        for hold in &self.holds {
            tracing::info!(reason = hold.code().name(), "changes held");
        }
        tracing::info!(status, dry_run, planned, done, held, failed, calls, seconds, "run ended");
    }

    pub(crate) fn to_summary(&self, settings: Option<SettingsMark>) -> RunSummary {
        let tally = self.tally();
        let created = (0..self.results.len())
            .filter(|&at| self.operations().get(at).is_some_and(|op| op.op() == Op::CreateUser))
            .filter(|&at| self.result(at) == OpOutcome::Done)
            .count();
        let note = match (&self.stop, self.holds.first()) {
            (Some(stop), _) => stop.to_string(),
            (None, Some(hold)) => format!("{}: {hold}", hold.code()),
            (None, None) => String::new(),
        };
        RunSummary {
            run: self.run.clone(),
            plan: self.plan_hash().to_owned(),
            status: self.status(),
            planned: tally.planned,
            done: tally.done,
            held: tally.held,
            failed: tally.failed,
            created: created as u64,
            calls: self.calls.total,
            note,
            counts: self.counts_accepted.then_some(self.snapshot),
            settings: settings.filter(|_| self.settings_accepted),
            reading_s: self.reading.filter(|_| self.counts_accepted).map(|time| time.as_secs()),
            signs: self.signs.clone().filter(|_| self.counts_accepted),
            dangling: self.dangling_accepted.filter(|_| self.counts_accepted),
            addresses: self.addresses.clone(),
            quiet_at: self.quiet_at.clone(),
            clock: None,
            first_sync: self.first_sync,
            clock_doubted: false,
            started: self.started,
            ended: self.ended,
        }
    }
}

/// The numbers of a cycle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Operations in the plan.
    pub planned: u64,
    /// Carried out.
    pub done: u64,
    /// Waiting.
    pub held: u64,
    /// Failed.
    pub failed: u64,
}
