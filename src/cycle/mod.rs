//! One tenant, once: the picture of the design as code. In: a source, an app, a state and the operator's decisions. Out: a
//! [`Report`].
//!
//! `plan` and `sync --dry-run` are this same function stopped before `apply`; there is no second path.

mod failure;
mod index;
mod observe;
mod report;
mod telling;

pub use failure::CycleError;
pub use report::{Budget, Report, Tally};
pub use telling::{Calls, Telling, Told};

use std::collections::HashSet;
use std::future::Future;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::apply::{self, Outcome, Repeat};
use crate::clock::Clock;
use crate::config::profile::{DeleteEffect, Profile};
use crate::desired::{self, Desired, Scope};
use crate::guard::{self, Cleared, Edited, Facts, Limits};
use crate::model::{Counts, ObjectRef, OpOutcome, Path, Reason, RunId, RunStatus, SourceId, TenantName};
use crate::plan::{self, Answers, Links, Manner, Operation, Plan, Rules, Survey};
use crate::progress::Progress;
use crate::scim::AppWrite;
use crate::source::{Source, take_snapshot};
use crate::store::{Effect, Health, IndexDraft, SettingsMark, State, StoreError, Trigger, Verdict, View};

/// Everything one cycle works with.
pub struct Job<'a> {
    /// The tenant.
    pub tenant: &'a TenantName,
    /// The directory.
    pub source: &'a dyn Source,
    /// The app.
    pub app: &'a dyn AppWrite,
    /// What we know of it.
    pub state: &'a dyn View,
    /// The same state for writing; `None` for a preview, which can't write because it holds nothing to write with.
    pub ledger: Option<&'a dyn State>,
    /// Who belongs.
    pub scope: Scope<'a>,
    /// What follows.
    pub rules: Rules<'a>,
    /// When to stop and ask.
    pub limits: Limits,
    /// Who must be visible in every reading.
    pub sentinels: &'a [String],
    /// Calls at once.
    pub in_flight: usize,
    /// How failures are repeated.
    pub repeat: Repeat,
    /// Fingerprints of everything above that decides over people: with another one everybody is compared anew.
    pub settings: SettingsMark,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Set when no further call may begin.
    pub stop: &'a CancellationToken,
    /// Who wants to see what a plan is made of.
    pub witness: Option<&'a dyn Witness>,
}

/// What a plan is made of.
pub struct Sight<'a> {
    /// Who belongs.
    pub desired: &'a Desired<'a>,
    /// What was asked and answered; `None` when everything is held before anybody is asked.
    pub questions: Option<(&'a Survey, &'a Answers)>,
}

/// Somebody who looks on, to explain a plan.
pub trait Witness: Sync {
    /// Sees what the plan of this cycle is made of.
    fn see(&self, sight: &Sight<'_>);
}

/// What a cycle is asked to do.
pub struct Ask<'a> {
    /// Who asks.
    pub trigger: Trigger,
    /// Only this plan may be carried out.
    pub expected_plan: Option<&'a str>,
    /// Only this person, by directory id or user name.
    pub only: Option<&'a str>,
}

/// Runs one cycle.
///
/// # Errors
/// When it could not come to a plan: the directory was not read completely, app or state could not be asked, or somebody asked for
/// the end before. Nothing was sent then.
pub async fn cycle(job: &Job<'_>, ask: &Ask<'_>) -> Result<Report, CycleError> {
    let run = RunId::new(Uuid::now_v7().to_string());
    let span = tracing::error_span!("run", tenant = %job.tenant, %run);
    async {
        let ended = stations(job, ask, run).await;
        match &ended {
            Ok(report) => report.tell(),
            // What it said may name people: it is for whoever asked.
            Err(_) => tracing::warn!("came to no plan"),
        }
        ended
    }
    .instrument(span)
    .await
}

async fn stations(job: &Job<'_>, ask: &Ask<'_>, run: RunId) -> Result<Report, CycleError> {
    let started = job.clock.now();
    if let Some(report) = job.unchanged(ask, &run, started).await {
        return job.close(report, ask, None).await;
    }
    let snapshot = job.unless_stopped(take_snapshot(job.source, job.sentinels, job.progress)).await?;
    let Counts { users, groups, memberships } = snapshot.counts();
    tracing::info!(users, groups, memberships, "directory read");
    let mut report = Report::new(job.tenant, run, snapshot.counts(), started);
    report.read = Some(job.clock.now());
    if let Some(ledger) = job.ledger {
        let mapped = job.mapped();
        let recovery = apply::recover(job.app, ledger, &mapped, job.rules.profile, job.clock);
        report.recovered = job.unless_stopped(recovery).await?;
        report.unresolved = ledger.open_intents().len();
    }
    let desired = desired::derive(&snapshot, &job.scope);
    let links = job.links()?;
    let early = job.leavers_first(&desired, &links, ask, &mut report).await?;
    if report.stop.is_some() {
        return job.close(report, ask, None).await;
    }
    let something_was_sent = !report.results.is_empty();
    match job.the_whole_plan(&desired, &links, ask, &early, &mut report).await {
        Ok(index) => job.close(report, ask, index).await,
        Err(error) if something_was_sent => {
            report.stop = Some(error.into_stop());
            job.close(report, ask, None).await
        }
        Err(error) => Err(error),
    }
}

impl Job<'_> {
    /// Asks what is not known yet, plans, and carries the plan out. Gives the index for the next quiet cycle.
    async fn the_whole_plan(
        &self,
        desired: &Desired<'_>,
        links: &Links,
        ask: &Ask<'_>,
        early: &Early,
        report: &mut Report,
    ) -> Result<Option<IndexDraft>, CycleError> {
        let survey = self.survey(desired, links, ask)?;
        let answers = self.unless_stopped(observe::observe(self, desired, &survey)).await?;
        if !survey.newcomers.is_empty() {
            self.unless_stopped(self.ask_own_account(&report.run)).await?;
        }
        if let Some(witness) = self.witness {
            witness.see(&Sight { desired, questions: Some((&survey, &answers)) });
        }
        let (state, rules) = (self.state, &self.rules);
        let plan = plan::plan(desired, &survey, &answers, links, state, rules, &early.failed, report.started)?;
        let plan = match ask.only {
            Some(person) => plan.only(person),
            None => plan,
        };
        if let Some(expected) = ask.expected_plan.filter(|expected| !plan.answers_to(expected)) {
            return Err(CycleError::OtherPlan { expected: expected.to_owned(), now: plan.hash });
        }
        tracing::info!(plan = plan.hash, planned = plan.operations.len(), "planned");
        let facts = Facts {
            strangers: survey.newcomers.len() as u64,
            missing: survey.absent.len() as u64,
            ..self.facts(desired, &plan)?
        };
        let cleared = self.judge(plan, &facts, report).await?;
        report.judged = Some(self.clock.now());
        report.set_aside = survey.waiting.len() as u64;
        let Some(ledger) = self.ledger else {
            report.preview(cleared, self.app.stats(), self.clock.now());
            return Ok(None);
        };
        let again = observe::Again::new(self.source, &survey, &answers);
        let outcome = self.apply(ledger, &cleared, &facts, &report.run, ask.trigger, &again).await?;
        let mut index = None;
        if index::nothing_is_left(self, desired, &survey, links, &cleared)? {
            report.quiet_at = desired.snapshot.mark().cloned();
        }
        if ask.only.is_none() {
            self.settle(ledger, &report.run, &survey, &cleared, &outcome, early).await?;
            if !early.compare_again {
                index = index::draft(self, desired, links, &survey, &cleared, &outcome)?;
            }
        }
        report.applied(cleared, outcome);
        Ok(index)
    }

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

    /// The report of a run that has nothing to look at: the directory's content is the one for which the last run found
    /// nothing to do or to ask, and neither the tenant file nor the state has changed since.
    async fn unchanged(&self, ask: &Ask<'_>, run: &RunId, started: Timestamp) -> Option<Report> {
        let wants_to_see = ask.only.is_some() || ask.expected_plan.is_some() || self.witness.is_some();
        let (mark, counts) = self.state.quiet_at(self.settings).filter(|_| !wants_to_see)?;
        let mark = self.source.still(&mark).await?;
        tracing::info!("the directory is the one for which nothing was left to do");
        let mut report = Report::new(self.tenant, run.clone(), counts, started);
        let nothing = guard::check(Plan::of(Vec::new()), &Facts::default(), &self.limits);
        report.applied(nothing, Outcome { results: Vec::new(), stop: None, links_differ: false });
        report.quiet_at = Some(mark);
        Some(report)
    }

    /// The paths whose values are compared with the app's.
    fn mapped(&self) -> Vec<Path> {
        self.rules.read_paths()
    }

    fn links(&self) -> Result<Links, StoreError> {
        match self.state.load_index(self.settings.all) {
            Some(index) => Ok(Links::Index(index)),
            None => Links::from_rows(self.state),
        }
    }

    fn survey(&self, desired: &Desired<'_>, links: &Links, ask: &Ask<'_>) -> Result<Survey, StoreError> {
        // Somebody who types a command wants to see it tried now; the schedule waits as long as it promised.
        let retry_before = (ask.trigger == Trigger::Schedule).then(|| self.clock.now());
        let adopt_only = matches!(self.state.health(), Health::AdoptOnly { .. });
        plan::survey(desired, links, self.state, &self.rules, Manner { retry_before, adopt_only })
    }

    /// Whoever the directory names as suspended loses access before anybody is looked up: a backlog of newcomers must not
    /// keep a leaver's account open. What the guard holds of it is left to the whole plan.
    async fn leavers_first(
        &self,
        desired: &Desired<'_>,
        links: &Links,
        ask: &Ask<'_>,
        report: &mut Report,
    ) -> Result<Early, CycleError> {
        // A plan that somebody has seen runs as one.
        let in_parts = ask.only.is_none() && ask.expected_plan.is_none() && !self.state.is_approval_waiting()?;
        let Some(ledger) = self.ledger.filter(|_| in_parts) else { return Ok(Early::default()) };
        let plan = plan::leavers(desired, links, self.state, &self.rules, report.started)?;
        if plan.operations.is_empty() {
            return Ok(Early::default());
        }
        let facts = self.facts(desired, &plan)?;
        let plan = guard::check(plan, &facts, &self.limits).into_allowed();
        // Judged once more as a plan of its own: only what the guard has cleared can be applied.
        let cleared = guard::check(plan, &facts, &self.limits);
        let nobody_is_absent = observe::Again::nobody(self.source);
        let outcome = self.apply(ledger, &cleared, &facts, &report.run, ask.trigger, &nobody_is_absent).await?;
        let operations = cleared.plan().operations.iter().enumerate();
        let failed = operations.filter(|(at, _)| !is_done(&outcome, *at));
        let early = Early {
            failed: failed.map(|(_, operation)| operation.object.id().clone()).collect(),
            compare_again: index::must_compare_again(self, &cleared, &outcome),
        };
        report.applied(cleared, outcome);
        Ok(early)
    }

    /// What a plan is judged by. Where nothing is planned the rows are left alone: a quiet cycle does not open them (I12).
    fn facts(&self, desired: &Desired<'_>, plan: &Plan) -> Result<Facts, StoreError> {
        let reading = Facts {
            before: self.state.last_counts(),
            now: desired.snapshot.counts(),
            edited: self.edited(),
            unread: desired.unread().map(|(group, why)| (group.name.clone(), why.to_owned())).collect(),
            ..Facts::default()
        };
        if plan.operations.is_empty() {
            return Ok(reading);
        }
        let Facts { unread, before, now, edited, .. } = reading;
        let profile = self.rules.profile;
        Ok(Facts { unread, before, now, edited, ..facts_of_state(self.state, profile, self.clock.now())? })
    }

    /// What the operator changed since the last run that was not held for it.
    fn edited(&self) -> Edited {
        let now = self.settings;
        match self.state.last_settings() {
            Some(before) if before.target != now.target => Edited::Target,
            Some(before) if before.matching != now.matching => Edited::Matching,
            Some(before) if before.all != now.all => Edited::Settings,
            _ => Edited::Nothing,
        }
    }

    /// Asks once to whom the token belongs, in a run that asks the app about people anyway.
    async fn ask_own_account(&self, run: &RunId) -> Result<(), StoreError> {
        let Some(ledger) = self.ledger.filter(|_| self.rules.profile.read.own_account) else { return Ok(()) };
        if self.state.own_account()?.is_some() {
            return Ok(());
        }
        match self.app.own_account().await {
            Ok(app_id) => ledger.noted(run, Reason::OwnAccount, vec![Effect::OwnAccount { app_id }]).await,
            // Not remembered: the next run that looks people up asks again.
            Err(error) => {
                tracing::warn!(class = ?error.class, status = error.status, "the app did not say whose token this is");
                Ok(())
            }
        }
    }

    /// The guard's word on a plan, and somebody's decision if it holds.
    async fn judge(&self, plan: Plan, facts: &Facts, report: &mut Report) -> Result<Cleared, StoreError> {
        let cleared = guard::check(plan, facts, &self.limits);
        if cleared.held_plan().is_none() {
            return Ok(cleared);
        }
        // Who approves a preview approves the whole of it.
        let mut decision = None;
        for id in cleared.ids() {
            if decision.is_none() {
                decision = self.state.decision(&id)?;
            }
        }
        let Some(decision) = decision else { return Ok(cleared) };
        if let Some(ledger) = self.ledger.filter(|_| !decision.noted) {
            ledger.decided(&report.run, &decision).await?;
        }
        Ok(match decision.verdict {
            Verdict::Approve => cleared.approve(&decision.plan),
            Verdict::Reject => {
                report.rejected = Some(decision);
                cleared
            }
        })
    }

    async fn apply(
        &self,
        ledger: &dyn State,
        cleared: &Cleared,
        facts: &Facts,
        run: &RunId,
        trigger: Trigger,
        recheck: &observe::Again<'_>,
    ) -> Result<Outcome, StoreError> {
        let plan: &Plan = cleared.plan();
        if plan.operations.is_empty() && plan.missed.is_empty() {
            return Ok(Outcome { results: Vec::new(), stop: None, links_differ: false });
        }
        ledger.run_started(run, trigger, &plan.hash).await?;
        if !cleared.is_all_held() {
            self.note_missed(ledger, plan, run).await?;
        }
        let on_source_change = self.rules.pushed_on_change();
        let gate = cleared.gate(&self.rules.protected, facts.own_account.clone());
        let hands = apply::Run {
            id: run.clone(),
            app: self.app,
            state: ledger,
            clock: self.clock,
            recheck,
            gate: &gate,
            on_source_change: &on_source_change,
            profile: self.rules.profile,
            in_flight: self.in_flight,
            repeat: self.repeat,
            stop: self.stop,
            known_pause: None,
            progress: self.progress,
        };
        apply::apply(cleared, &hands).await
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
        outcome: &Outcome,
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

    /// The run's last words: the summary, the end of adopt-only, the index of the next quiet cycle.
    async fn close(&self, mut report: Report, ask: &Ask<'_>, index: Option<IndexDraft>) -> Result<Report, CycleError> {
        report.calls = self.app.stats();
        report.ended = self.clock.now();
        let Some(ledger) = self.ledger else {
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
        ledger.run_ended(report.to_summary(Some(self.settings))).await?;
        if ask.only.is_none() {
            ledger.write_held(report.held_plan().as_ref(), report.started)?;
        }
        if let Some(index) = index.filter(|_| whole) {
            ledger.write_index(index)?;
        }
        Ok(report)
    }
}

/// What the guard has to know that is in the state: of any plan, wherever it comes from.
pub(crate) fn facts_of_state(state: &dyn View, profile: &Profile, now: Timestamp) -> Result<Facts, StoreError> {
    let day_ago = now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or_default();
    let counts = state.counts()?;
    let recent = state.runs(200)?.into_iter().filter(|run| run.ended >= day_ago);
    Ok(Facts {
        managed: counts.active,
        lost: state.lost_since(day_ago)?.into_iter().map(|lost| lost.user).collect(),
        reduced: state.reduced_since(day_ago)?,
        own_account: state.own_account()?.flatten(),
        access: apply::access(profile),
        delete_is_final: profile.users.delete_effect == DeleteEffect::Irreversible,
        created: recent.map(|run| run.created).sum(),
        adopt_only: match state.health() {
            Health::Trusted => None,
            Health::AdoptOnly { reason } => Some(reason),
        },
        failing: state.failures()?.into_iter().map(|(object, _)| object.id().clone()).collect(),
        ..Facts::default()
    })
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
fn is_done(outcome: &Outcome, at: usize) -> bool {
    outcome.results.get(at) == Some(&Ok(OpOutcome::Done))
}

/// The operations of a plan that were carried out.
fn done<'a>(cleared: &'a Cleared, outcome: &'a Outcome) -> impl Iterator<Item = &'a Operation> {
    cleared.plan().operations.iter().enumerate().filter(|(at, _)| is_done(outcome, *at)).map(|(_, operation)| operation)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests;
