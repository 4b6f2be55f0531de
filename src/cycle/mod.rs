//! One tenant, once: the picture of the design as code. It takes a source, an app, a state and the operator's decisions, and
//! returns a [`CycleReport`].
//!
//! A preview ([`preview`]) takes the same path as a run ([`cycle`]) and stops before `apply`. What can write is a value of its own, the
//! [`RunWriter`]: a preview is never handed one, so it cannot write even by mistake.

mod budget;
mod evidence;
mod facts;
mod failure;
mod index;
mod job;
mod meanwhile;
mod names;
mod observe;
mod report;
mod restored;
mod stages;
mod switches;
mod telling;
mod time;
mod undone;

pub(crate) use facts::{address_changes, facts_of_state};
pub use failure::CycleError;
pub use job::{Ask, CycleJob, RunWriter, Sight, Witness};
pub(crate) use names::names_in;
pub(crate) use observe::search;
pub use report::{Budget, CycleReport, DanglingNames, Tally};
pub use telling::{CallTotals, OperationReport, Telling, Unresolved};
pub(crate) use time::refilled_until;
pub(crate) use undone::put_back;

use std::collections::HashSet;
use std::future::Future;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::apply::{self, ApplyOutcome, Turns};
use crate::desired::{self, Desired};
use crate::guard::{self, Cleared, Facts};
use crate::model::{ObjectRef, OpOutcome, Path, Reason, RunId, RunStatus, SnapshotCounts, SourceId};
use crate::plan::{self, Operation, Plan, StillNamed, Survey, SurveyOptions, TenantLinks};
use crate::source::take_snapshot_within;
use crate::store::{
    Approvals, Decision, Effect, FirstSync, Health, IndexDraft, RunSummary, State, StoreError, Trigger, Weighed,
};

/// Runs one cycle.
///
/// # Errors
/// When it could not come to a plan: the directory was not read completely, app or state could not be asked, or somebody asked for
/// the end before. Nothing was sent then.
pub async fn cycle(job: &CycleJob<'_>, writer: RunWriter<'_>, ask: &Ask<'_>) -> Result<CycleReport, CycleError> {
    observed(job, Some(writer), ask).await
}

/// Shows what [`cycle`] would do now. It reads both sides and changes nothing.
///
/// # Errors
/// As [`cycle`].
pub async fn preview(job: &CycleJob<'_>, ask: &Ask<'_>) -> Result<CycleReport, CycleError> {
    observed(job, None, ask).await
}

async fn observed(job: &CycleJob<'_>, writer: Option<RunWriter<'_>>, ask: &Ask<'_>) -> Result<CycleReport, CycleError> {
    let run = RunId::new(Uuid::now_v7().to_string());
    let span = tracing::error_span!("run", tenant = %job.tenant, %run);
    async {
        let ended = stations(job, writer, ask, run).await;
        match &ended {
            Ok(report) => report.tell(),
            // The whole message may name users: it goes to the caller alone.
            Err(error) => tracing::info!(cause = error.kind(), "run failed before planning"),
        }
        ended
    }
    .instrument(span)
    .await
}

async fn stations(
    job: &CycleJob<'_>,
    writer: Option<RunWriter<'_>>,
    ask: &Ask<'_>,
    run: RunId,
) -> Result<CycleReport, CycleError> {
    let started = job.clock.now();
    if let Some(report) = job.held_for_an_address(writer, &run, started).await? {
        return job.close(writer, report, ask, None).await;
    }
    if let Some(report) = job.unchanged(ask, &run, started).await {
        return job.close(writer, report, ask, None).await;
    }
    let reading = Instant::now();
    let snapshot =
        job.unless_stopped(take_snapshot_within(job.time_limit, job.source, job.sentinels, job.progress)).await?;
    let SnapshotCounts { users, groups, memberships } = snapshot.counts();
    tracing::info!(users, groups, memberships, "directory read");
    let mut report = job.report(run, snapshot.counts(), started);
    report.read = Some(job.clock.now());
    report.reading = Some(reading.elapsed());
    if let Some(RunWriter { app, ledger }) = writer {
        let mapped = job.mapped();
        let recovery = apply::recover(app, ledger, &mapped, job.rules.profile, job.clock, job.neighbours);
        report.recovered = job.unless_stopped(recovery).await?;
        let open = ledger.open_intents().into_iter().map(|open| (open.intent.op, open.intent.object));
        report.open = open.collect();
        report.unresolved = report.open.len();
        job.unless_stopped(restored::compare(job, RunWriter { app, ledger }, &report.run)).await?;
        job.unless_stopped(restored::wait_with_a_new_state(job)).await?;
        switches::note_group_management(job, ledger, &report.run).await?;
    }
    let desired = desired::derive(&snapshot, &job.scope);
    let links = job.links()?;
    let survey = job.survey(&desired, &links, ask)?;
    report.dangling = evidence::names(&desired);
    match Box::pin(job.stages(writer, &desired, &links, &survey, ask, &mut report)).await {
        Ok(index) => job.close(writer, report, ask, index).await,
        Err(error) if !report.results.is_empty() => {
            report.stop = Some(error.into_stop());
            job.close(writer, report, ask, None).await
        }
        Err(error) => Err(error),
    }
}

impl CycleJob<'_> {
    /// Waits for something that changes nothing in the app, unless somebody asks for the end.
    async fn unless_stopped<T, E>(&self, reading: impl Future<Output = Result<T, E>>) -> Result<T, CycleError>
    where
        CycleError: From<E>,
    {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(CycleError::Stopped),
            read = reading => Ok(read?),
        }
    }

    /// The report of a run whose addresses are those on record, or were approved.
    fn report(&self, run: RunId, counts: SnapshotCounts, started: Timestamp) -> CycleReport {
        let addresses = Some(self.addresses.mark.clone());
        CycleReport { addresses, ..CycleReport::new(self.tenant, run, counts, started) }
    }

    /// The report of a run that would send a credential to an address other than the last run's, unless that was approved. Decided
    /// before the first request of any kind, without the network (S-9).
    async fn held_for_an_address(
        &self,
        writer: Option<RunWriter<'_>>,
        run: &RunId,
        started: Timestamp,
    ) -> Result<Option<CycleReport>, StoreError> {
        let changes = address_changes(self.addresses, self.settings, self.state);
        let cleared = guard::check_addresses(&changes);
        let Some(held) = cleared.held_plan().filter(|held| self.state.last_approved().as_ref() != Some(held)) else {
            return Ok(None);
        };
        tracing::warn!(plan = held, "an address changed since the last run: nothing is sent");
        let mut report =
            CycleReport::new(self.tenant, run.clone(), self.state.last_counts().unwrap_or_default(), started);
        let cleared = self.decide(writer, cleared, &mut report).await?;
        if !cleared.is_all_held() {
            return Ok(None);
        }
        match writer {
            Some(_) => report.applied(cleared, ApplyOutcome { results: Vec::new(), stop: None, links_differ: false }),
            None => report.preview(cleared, self.reader.stats(), self.clock.now()),
        }
        Ok(Some(report))
    }

    /// The report of a run that has nothing to look at: the directory's content is the one for which the last run found
    /// nothing to do or to ask, and neither the tenant file nor the state has changed since.
    async fn unchanged(&self, ask: &Ask<'_>, run: &RunId, started: Timestamp) -> Option<CycleReport> {
        let wants_to_see = ask.only.is_some() || ask.expected_plan.is_some() || self.witness.is_some();
        let is_noted = self.rules.groups_on() != self.state.groups_were_off();
        let is_quiet = is_noted && !wants_to_see && self.policy.is_as_before(self.state.last_guard().as_ref());
        let (mark, counts) = self.state.quiet_at(self.settings).filter(|_| is_quiet)?;
        let mark = self.source.still(&mark).await?;
        tracing::info!("directory unchanged since the last clean run");
        let mut report = self.report(run.clone(), counts, started);
        let nothing = guard::check(Plan::of(Vec::new()), &Facts::default(), &self.limits);
        report.applied(nothing, ApplyOutcome { results: Vec::new(), stop: None, links_differ: false });
        report.quiet_at = Some(mark);
        report.dangling.count = self.state.last_dangling().unwrap_or_default();
        Some(report)
    }

    /// The paths whose values are compared with the app's.
    fn mapped(&self) -> Vec<Path> {
        self.rules.read_paths()
    }

    fn links(&self) -> Result<TenantLinks, StoreError> {
        match self.state.load_index(self.settings.all) {
            Some(index) => Ok(TenantLinks::Index(index)),
            None => TenantLinks::from_rows(self.state),
        }
    }

    fn survey(&self, desired: &Desired<'_>, links: &TenantLinks, ask: &Ask<'_>) -> Result<Survey, StoreError> {
        // Somebody who types a command wants to see it tried now; the schedule waits as long as it promised.
        let retry_before = (ask.trigger == Trigger::Schedule).then(|| self.clock.now());
        let adopt_only = matches!(self.state.health(), Health::AdoptOnly { .. });
        let survey = plan::survey(desired, links, self.state, &self.rules, SurveyOptions { retry_before, adopt_only })?;
        Ok(Survey { named: StillNamed::of(desired, || self.state.sightings()), ..survey })
    }

    /// Asks once to whom the token belongs, in a run that asks the app about people anyway.
    async fn ask_own_account(&self, writer: Option<RunWriter<'_>>, run: &RunId) -> Result<(), StoreError> {
        let Some(RunWriter { ledger, .. }) = writer.filter(|_| self.rules.profile.read.own_account) else {
            return Ok(());
        };
        if self.state.own_account()?.is_some() {
            return Ok(());
        }
        match self.reader.own_account().await {
            Ok(app_id) => ledger.noted(run, Reason::OwnAccount, vec![Effect::OwnAccount { app_id }]).await,
            // Not remembered: the next run that looks people up asks again.
            Err(error) => {
                tracing::warn!(class = ?error.class, status = error.status, "the app did not say which account owns the token");
                Ok(())
            }
        }
    }

    /// The guard's word on a plan, and somebody's decision if it holds.
    async fn judge(
        &self,
        writer: Option<RunWriter<'_>>,
        plan: Plan,
        facts: &Facts,
        report: &mut CycleReport,
    ) -> Result<Cleared, StoreError> {
        self.decide(writer, guard::check(plan, facts, &self.limits), report).await
    }

    /// The decision on what the guard holds.
    async fn decide(
        &self,
        writer: Option<RunWriter<'_>>,
        cleared: Cleared,
        report: &mut CycleReport,
    ) -> Result<Cleared, StoreError> {
        let Some(held) = cleared.held_plan() else { return Ok(cleared) };
        let rule = &self.policy.rule;
        let so_far = |given: &[Decision]| {
            let given = given.iter().map(Decision::who).collect();
            (rule.people() > 1).then(|| Approvals { people: rule.people(), given })
        };
        report.approvals = so_far(&[]);
        let mut decisions = self.state.decisions(&held)?;
        // Who approves a preview approves the whole of it.
        if decisions.is_empty() && cleared.is_about(&cleared.plan().hash) {
            decisions = self.state.decisions(&cleared.plan().hash)?;
        }
        match rule.weigh(&decisions) {
            Weighed::Undecided => Ok(cleared),
            Weighed::Approved(given) => {
                // Before the first call: what was let pass by whom is in the journal.
                note_decisions(writer, &given, false, report).await?;
                report.approvals = None;
                Ok(given.into_iter().fold(cleared, |cleared, decision| cleared.approve(&decision.plan)))
            }
            Weighed::Waiting(given) => {
                note_decisions(writer, &given, true, report).await?;
                report.approvals = so_far(&given);
                Ok(cleared)
            }
            Weighed::Rejected(decision) => {
                note_decisions(writer, std::slice::from_ref(&decision), false, report).await?;
                report.rejected = Some(decision);
                Ok(cleared)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each is named once more in Run")]
    async fn apply(
        &self,
        writer: RunWriter<'_>,
        cleared: &Cleared,
        facts: &Facts,
        run: &RunId,
        trigger: Trigger,
        recheck: &observe::Again<'_>,
        turns: &Turns,
    ) -> Result<ApplyOutcome, StoreError> {
        let RunWriter { app, ledger } = writer;
        let plan: &Plan = cleared.plan();
        // The leavers' part does not look at a loosened guard: it is judged by what was in force.
        let accepted = facts.loosened.is_some() && !cleared.holds_guard();
        let guard = self.policy.recorded(accepted);
        let is_recorded = guard.is_none() || guard == self.state.last_guard().as_ref();
        let nothing = plan.operations.is_empty() && plan.missed.is_empty();
        if nothing && is_recorded {
            return Ok(ApplyOutcome { results: Vec::new(), stop: None, links_differ: false });
        }
        ledger.run_started(run, trigger, &plan.hash, guard).await?;
        if nothing {
            return Ok(ApplyOutcome { results: Vec::new(), stop: None, links_differ: false });
        }
        if !cleared.is_all_held() {
            self.note_missed(ledger, plan, run).await?;
        }
        let on_source_change = self.rules.pushed_on_change();
        let gate = cleared.gate(&self.rules.protected, facts.own_account.clone());
        let hands = apply::Run {
            id: run.clone(),
            app,
            state: ledger,
            clock: self.clock,
            recheck,
            gate: &gate,
            on_source_change: &on_source_change,
            profile: self.rules.profile,
            create_empty: self.rules.create_empty,
            in_flight: self.in_flight,
            repeat: self.repeat,
            stop: self.stop,
            known_pause: None,
            turns,
            progress: self.progress,
            neighbours: self.neighbours,
            adoptions: cleared.adoptions(),
        };
        Box::pin(apply::apply(cleared, &hands)).await
    }

    /// First sightings of an absence are remembered, for the second look; and that somebody is there again.
    async fn note_missed(&self, ledger: &dyn State, plan: &Plan, run: &RunId) -> Result<(), StoreError> {
        let mut effects = Vec::new();
        for (id, since) in &plan.missed {
            let known = self.state.user(id)?.and_then(|row| row.missed_since);
            if known != *since {
                effects.push(Effect::Missed { object: ObjectRef::User(id.clone()), since: *since });
            }
        }
        match effects.is_empty() {
            true => Ok(()),
            false => ledger.noted(run, Reason::SeenOrMissed, effects).await,
        }
    }

    /// Forgets failures of objects that were looked at and need nothing any more.
    async fn settle(
        &self,
        ledger: &dyn State,
        run: &RunId,
        survey: &Survey,
        cleared: &Cleared,
        outcome: &ApplyOutcome,
        early: &Early,
    ) -> Result<(), StoreError> {
        let notes = self.state.failures()?;
        if notes.is_empty() || outcome.stop.is_some() || cleared.is_all_held() {
            return Ok(());
        }
        let operations = cleared.plan().operations.iter().enumerate();
        let undone = operations.filter(|(at, _)| !is_done(outcome, *at)).map(|(_, operation)| &operation.object);
        let open: HashSet<&ObjectRef> = undone.chain(&survey.waiting).collect();
        let over = notes
            .iter()
            .map(|(object, _)| object)
            .filter(|object| !open.contains(object) && !early.failed.contains(object.id()));
        let effects: Vec<Effect> = over.map(|object| Effect::Settled { object: object.clone() }).collect();
        match effects.is_empty() {
            true => Ok(()),
            false => ledger.noted(run, Reason::NothingLeft, effects).await,
        }
    }

    /// Whether everything is held because this is the tenant's first sync and nobody typed it.
    fn holds_first_sync(&self, ask: &Ask<'_>) -> bool {
        self.limits.first_sync && !ask.trigger.is_typed() && self.state.first_sync_waits()
    }

    /// Writes into the report whether the tenant's first sync still waits. It is done once it was approved, or a run that somebody typed has
    /// completed for everybody.
    fn settle_first_sync(&self, ask: &Ask<'_>, whole: bool, report: &mut CycleReport) {
        if report.first_sync.is_some() || !self.state.first_sync_waits() {
            return;
        }
        let completed = whole && matches!(report.status(), RunStatus::Ok | RunStatus::Partial);
        let counts = ask.trigger.is_typed() || !self.limits.first_sync;
        report.first_sync = Some(if completed && counts { FirstSync::Done } else { FirstSync::Waits });
    }

    /// The run's last words: the summary, the end of adopt-only, the index of the next quiet cycle.
    async fn close(
        &self,
        writer: Option<RunWriter<'_>>,
        mut report: CycleReport,
        ask: &Ask<'_>,
        index: Option<IndexDraft>,
    ) -> Result<CycleReport, CycleError> {
        report.calls = self.reader.stats();
        report.ended = self.clock.now();
        let Some(RunWriter { ledger, .. }) = writer else {
            report.dry_run = true;
            return Ok(report);
        };
        // Where nothing was done the rows are left alone (I12).
        if !report.results.is_empty() {
            report.budget = Budget::of(self.state, self.limits.removals_per_day, report.ended)?;
        }
        let whole = report.stop.is_none() && ask.only.is_none() && report.status() != RunStatus::Failed;
        if whole && report.counts_accepted && matches!(self.state.health(), Health::AdoptOnly { .. }) {
            ledger.trusted(&report.run, Reason::LookedThrough).await?;
        }
        self.settle_first_sync(ask, whole, &mut report);
        let (clock, clock_doubted) = time::mark(self, self.state.last_approved().is_some());
        let summary = RunSummary { clock, clock_doubted, ..report.to_summary(Some(self.settings)) };
        ledger.run_ended(summary).await?;
        // What was held for an address is held for everybody.
        if ask.only.is_none() || report.addresses.is_none() {
            ledger.write_held(report.held_plan().as_ref(), report.started)?;
        }
        if let Some(index) = index.filter(|_| whole) {
            ledger.write_index(index)?;
        }
        Ok(report)
    }
}

/// Puts decisions into the journal, unless it is a preview that meets them.
async fn note_decisions(
    writer: Option<RunWriter<'_>>,
    given: &[Decision],
    waits: bool,
    report: &CycleReport,
) -> Result<(), StoreError> {
    let Some(RunWriter { ledger, .. }) = writer else { return Ok(()) };
    for decision in given {
        ledger.decided(&report.run, decision, waits).await?;
    }
    Ok(())
}

/// Users whom the state knows and who are not in the reading.
fn missing(survey: &Survey) -> u64 {
    survey.absent.len() as u64
}

/// What became of the leavers who were not kept waiting for the rest.
#[derive(Default)]
struct Early {
    /// Those whose access could not be ended: they had their turn in this run.
    failed: HashSet<SourceId>,
    /// Whether everybody must be compared next time.
    compare_again: bool,
}

/// Whether an operation was carried out.
fn is_done(outcome: &ApplyOutcome, at: usize) -> bool {
    outcome.results.get(at) == Some(&Ok(OpOutcome::Done))
}

/// The operations of a plan that were carried out.
fn done<'a>(cleared: &'a Cleared, outcome: &'a ApplyOutcome) -> impl Iterator<Item = &'a Operation> {
    cleared.plan().operations.iter().enumerate().filter(|(at, _)| is_done(outcome, *at)).map(|(_, operation)| operation)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests;
