//! What a person asks for beside the cycle: taking a run back, ending a connection. In: a plan that no directory asked for.
//! Out: a [`CycleReport`].
//!
//! The same operations, the same guard and the same hands as in a cycle; only the plan comes from elsewhere. Knows no directory,
//! no files and no terminal.

pub mod history;
pub mod retire;
pub mod undo;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod undone_tests;

use std::collections::HashSet;

use async_trait::async_trait;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::apply::{self, ApplyOutcome, Recheck, Repeat};
use crate::clock::Clock;
use crate::config::forms::Limit;
use crate::cycle::{CycleError, CycleReport, RunWriter, facts_of_state, names_in, put_back, refilled_until};
use crate::guard::{self, Cleared, Facts, GuardLimits, Policy};
use crate::model::{Lane, ObjectRef, Obstacle, OpOutcome, Reason, RunId, SnapshotCounts, TenantName};
use crate::plan::{Action, Operation, Plan, TenantRules};
use crate::progress::Progress;
use crate::scim::AppRead;
use crate::store::{
    Alone, Decision, Effect, GuardSettings, Neighbours, RunSummary, State, StateView, StoreError, Trigger, UndoneEffect,
};

/// So many are named in one effect.
const PUT_BACK_TOGETHER: usize = 100;

/// Everything an errand works with.
pub struct Errand<'a> {
    /// The tenant.
    pub tenant: &'a TenantName,
    /// The app, for reading.
    pub reader: &'a dyn AppRead,
    /// What the operator decided; only who is protected and what the app is like count here.
    pub rules: TenantRules<'a>,
    /// When to stop and ask.
    pub limits: GuardLimits,
    /// Who has to approve, and by what guard this is judged.
    pub policy: Policy,
    /// Calls at once.
    pub in_flight: usize,
    /// How failures are repeated.
    pub repeat: Repeat,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Set when no further call may begin.
    pub stop: &'a CancellationToken,
}

/// Somebody or something that an errand leaves as it is, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftAlone {
    /// Whom or what.
    pub object: ObjectRef,
    /// The user name or group name, for people.
    pub name: String,
    /// Why.
    pub why: String,
}

/// A plan with what the journal is told of it.
pub struct Task {
    /// The operations. Those of the last lane are carried out only where everything else of their object went well.
    pub plan: Plan,
    /// Who asks.
    pub trigger: Trigger,
    /// One line for the run's summary.
    pub note: String,
    /// Whose word lets pass what the guard holds.
    pub approval: Approval,
}

/// Somebody's word on a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// Nobody's.
    None,
    /// Somebody has typed that exactly this is meant: then no budget holds it.
    Typed,
    /// Decisions on what is held, by its id: enough people have approved.
    Given(Vec<Decision>),
}

impl Approval {
    /// The id that it names: of what is held, or of the whole plan.
    fn names<'a>(&'a self, whole: &'a str) -> Option<&'a str> {
        match self {
            Self::None => None,
            Self::Typed => Some(whole),
            Self::Given(decisions) => decisions.first().map(|decision| decision.plan.as_str()),
        }
    }
}

impl Errand<'_> {
    /// What would be done, with the guard's word on it. Makes no call.
    ///
    /// # Errors
    /// When the state can't be read.
    pub fn preview(&self, state: &dyn StateView, task: Task) -> Result<CycleReport, StoreError> {
        let mut report = blank(self.tenant, self.clock);
        report.names = names_in(&task.plan, state, None)?;
        let mut cleared = self.judge(task.plan, &self.facts(state)?, &task.approval);
        let held = involved(&cleared, |at| !cleared.allows(at));
        cleared.restrict(|operation| operation.lane != Lane::Absences || !held.contains(&operation.object));
        report.preview(cleared, self.reader.stats(), self.clock.now());
        Ok(report)
    }

    /// Finds out what became of calls that an earlier run left without an answer.
    ///
    /// # Errors
    /// When the app can't be asked or the state can't be written.
    pub async fn recover(&self, writer: RunWriter<'_>, neighbours: &dyn Neighbours) -> Result<usize, CycleError> {
        let mapped = self.rules.read_paths();
        let profile = self.rules.profile;
        Ok(apply::recover(writer.app, writer.ledger, &mapped, profile, self.clock, neighbours).await?)
    }

    /// Does it, as a run of its own.
    ///
    /// # Errors
    /// When the state can't be written: no call is made whose intent is not on the disk.
    pub async fn run(&self, writer: RunWriter<'_>, task: Task) -> Result<CycleReport, StoreError> {
        let ledger = writer.ledger;
        let Task { plan, trigger, note, approval } = task;
        let mut report = blank(self.tenant, self.clock);
        report.names = names_in(&plan, ledger, None)?;
        let facts = self.facts(ledger)?;
        ledger.run_started(&report.run, trigger, &plan.hash, self.policy.recorded(false)).await?;
        self.note_put_back(ledger, &report.run, trigger, &plan).await?;
        let cleared = self.judge(plan, &facts, &Approval::None);
        if let Approval::Given(decisions) = &approval {
            for decision in decisions.iter().filter(|decision| cleared.is_about(&decision.plan)) {
                // Before the first call: what was let pass by whom is in the journal.
                ledger.decided(&report.run, decision, false).await?;
            }
        }
        let cleared = approved(cleared, &approval);
        let outcome = match cleared.plan().operations.iter().any(|operation| operation.lane == Lane::Absences) {
            true => self.in_two_goes(writer, &cleared, &facts, &report.run).await?,
            false => self.apply(writer, &cleared, &facts, &report.run).await?,
        };
        report.applied(cleared, outcome);
        report.calls = self.reader.stats();
        report.ended = self.clock.now();
        let mut summary = report.to_summary(None);
        summary.note = match summary.note.is_empty() {
            true => note,
            false => format!("{note}; {}", summary.note),
        };
        ledger.run_ended(summary).await?;
        Ok(report)
    }

    /// What an undo puts back is not done again by the next run. Written before the first call: a kill in between leaves a note of
    /// something that was not put back, and nothing is held for that.
    async fn note_put_back(
        &self,
        ledger: &dyn State,
        run: &RunId,
        trigger: Trigger,
        plan: &Plan,
    ) -> Result<(), StoreError> {
        let reverts = plan.operations.iter().find_map(|operation| match &operation.reason {
            Reason::Reverts { run } => Some(run.clone()),
            _ => None,
        });
        let Some(reverted) = reverts.filter(|_| trigger == Trigger::Undo) else { return Ok(()) };
        let taken_back = |what: &[UndoneEffect]| Effect::TakenBack { run: reverted.clone(), what: what.to_vec() };
        let effects = put_back(plan).chunks(PUT_BACK_TOGETHER).map(taken_back).collect();
        ledger.noted(run, Reason::TakenBack, effects).await
    }

    /// First everything but the last lane, then that, where everything else of an object went well.
    async fn in_two_goes(
        &self,
        writer: RunWriter<'_>,
        cleared: &Cleared,
        facts: &Facts,
        run: &RunId,
    ) -> Result<ApplyOutcome, StoreError> {
        let mut first = cleared.clone();
        first.restrict(|operation| operation.lane != Lane::Absences);
        let outcome = self.apply(writer, &first, facts, run).await?;
        let undone = involved(&first, |at| outcome.results.get(at) != Some(&Ok(OpOutcome::Done)));
        let mut last = cleared.clone();
        last.restrict(|operation| operation.lane == Lane::Absences && !undone.contains(&operation.object));
        let rest = match &outcome.stop {
            Some(_) => not_tried(&last),
            None => self.apply(writer, &last, facts, run).await?,
        };
        Ok(joined(outcome, &last, rest))
    }

    /// Attributes that disappear, or change for many, say something of a directory's reading; here nothing was read.
    fn limits(&self) -> GuardLimits {
        let (attribute_loss, value_changes, identifier_changes) = (Limit::NONE, Limit::NONE, Limit::NONE);
        GuardLimits { attribute_loss, value_changes, identifier_changes, ..self.limits.clone() }
    }

    fn facts(&self, state: &dyn StateView) -> Result<Facts, StoreError> {
        let now = refilled_until(self.clock, self.reader, state);
        facts_of_state(state, self.rules.profile, now)
    }

    /// The guard's word, or that of somebody who typed that exactly this is meant.
    fn judge(&self, plan: Plan, facts: &Facts, approval: &Approval) -> Cleared {
        approved(guard::check(plan, facts, &self.limits()), approval)
    }

    async fn apply(
        &self,
        writer: RunWriter<'_>,
        cleared: &Cleared,
        facts: &Facts,
        run: &RunId,
    ) -> Result<ApplyOutcome, StoreError> {
        let gate = cleared.gate(&self.rules.protected, facts.own_account.clone());
        let on_source_change = self.rules.pushed_on_change();
        let hands = apply::Run {
            id: run.clone(),
            app: writer.app,
            state: writer.ledger,
            clock: self.clock,
            recheck: &Sure,
            gate: &gate,
            on_source_change: &on_source_change,
            profile: self.rules.profile,
            create_empty: self.rules.create_empty,
            in_flight: self.in_flight,
            repeat: self.repeat,
            stop: self.stop,
            // Whoever pauses a tenant and then takes a run back means both; to stop this too, pause again.
            known_pause: writer.ledger.paused(),
            turns: &apply::Turns::default(),
            progress: self.progress,
            // An errand creates nothing and adopts nothing.
            neighbours: &Alone,
            adoptions: cleared.adoptions(),
        };
        apply::apply(cleared, &hands).await
    }
}

fn approved(cleared: Cleared, approval: &Approval) -> Cleared {
    let whole = cleared.plan().hash.clone();
    match approval.names(&whole) {
        Some(named) => cleared.approve(named),
        None => cleared,
    }
}

/// Nobody has to be asked again: these plans do not come from somebody's absence.
struct Sure;

#[async_trait]
impl Recheck for Sure {
    async fn still_absent(&self, objects: &[ObjectRef]) -> Vec<bool> {
        vec![true; objects.len()]
    }
}

/// The objects and members of the operations at these places, but for those of the last lane.
fn involved(cleared: &Cleared, which: impl Fn(usize) -> bool) -> HashSet<ObjectRef> {
    let mut all = HashSet::new();
    let operations = cleared.plan().operations.iter().enumerate();
    for (_, operation) in operations.filter(|(at, operation)| operation.lane != Lane::Absences && which(*at)) {
        all.insert(operation.object.clone());
        if let Action::AddMembers { users } | Action::RemoveMembers { users, .. } = &operation.action {
            all.extend(users.iter().map(|user| ObjectRef::User(user.id.clone())));
        }
    }
    all
}

/// The results of two goes at one plan: what the second was to do is as the second says.
fn joined(first: ApplyOutcome, last: &Cleared, rest: ApplyOutcome) -> ApplyOutcome {
    let second = |at: usize| last.plan().operations.get(at).is_some_and(|operation| operation.lane == Lane::Absences);
    let pairs = first.results.into_iter().zip(rest.results).enumerate();
    let results = pairs.map(|(at, (first, rest))| if second(at) { rest } else { first }).collect();
    ApplyOutcome { results, stop: first.stop.or(rest.stop), links_differ: first.links_differ || rest.links_differ }
}

fn not_tried(cleared: &Cleared) -> ApplyOutcome {
    let failed = |at| match cleared.allows(at) {
        true => Err(Obstacle::Stopped),
        false => Ok(OpOutcome::Held),
    };
    let results = (0..cleared.plan().operations.len()).map(failed).collect();
    ApplyOutcome { results, stop: None, links_differ: false }
}

/// Puts a decision on record that sends nothing.
///
/// # Errors
/// When the state can't be written.
pub async fn put_on_record(
    ledger: &dyn State,
    tenant: &TenantName,
    trigger: Trigger,
    note: String,
    guard: Option<&GuardSettings>,
    clock: &dyn Clock,
) -> Result<(), StoreError> {
    let report = blank(tenant, clock);
    ledger.run_started(&report.run, trigger, "", guard).await?;
    ledger.run_ended(RunSummary { note, ..report.to_summary(None) }).await
}

/// Puts on record what was seen in the app, as a run that sends nothing.
///
/// # Errors
/// When the state can't be written.
pub async fn note_seen(
    ledger: &dyn State,
    tenant: &TenantName,
    reason: Reason,
    effects: Vec<Effect>,
    guard: Option<&GuardSettings>,
    clock: &dyn Clock,
) -> Result<(), StoreError> {
    let report = blank(tenant, clock);
    ledger.run_started(&report.run, Trigger::Command, "", guard).await?;
    let note = reason.to_string();
    ledger.noted(&report.run, reason, effects).await?;
    ledger.run_ended(RunSummary { note, ..report.to_summary(None) }).await
}

fn blank(tenant: &TenantName, clock: &dyn Clock) -> CycleReport {
    let mut report =
        CycleReport::new(tenant, RunId::new(Uuid::now_v7().to_string()), SnapshotCounts::default(), clock.now());
    // No directory was read: the next reading is measured by the last one that was.
    report.counts_accepted = false;
    report
}

/// An operation of an errand: nothing in it can be blocked.
fn operation(lane: Lane, object: ObjectRef, name: &str, action: Action, reason: Reason) -> Operation {
    Operation { lane, object, app_id: None, name: name.to_owned(), action, reason, blocked: None }
}
