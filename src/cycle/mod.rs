//! One tenant, once: the picture of the design as code. In: a source, an app, a state and the operator's decisions. Out: a
//! [`Report`].
//!
//! `plan` and `sync --dry-run` are this same function stopped before `apply`; there is no second path.

mod failure;
mod index;
mod observe;
mod report;

pub use failure::CycleError;
pub use report::{Report, Shown, Status, Tally};

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::apply::{self, OpResult, Outcome, Repeat};
use crate::clock::Clock;
use crate::config::tenant::Push;
use crate::desired::{self, Desired, Scope};
use crate::guard::{self, Cleared, Facts, Limits};
use crate::model::{Path, RunId, TenantName};
use crate::plan::{self, Links, Operation, Plan, Rules, Survey};
use crate::progress::Progress;
use crate::scim::AppWrite;
use crate::source::{Snapshot, Source, take_snapshot};
use crate::store::{Effect, Health, State, StoreError, Trigger, View};

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
    /// A hash of everything above that decides over people: another one compares everybody anew.
    pub settings_hash: u64,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Set when no further call may begin.
    pub stop: &'a CancellationToken,
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
/// When it could not come to a plan: the directory was not read completely, app or state could not be asked. Nothing was sent then.
pub async fn cycle(job: &Job<'_>, ask: &Ask<'_>) -> Result<Report, CycleError> {
    let started = job.clock.now();
    let run = RunId::new(Uuid::now_v7().to_string());
    let snapshot = take_snapshot(job.source, job.sentinels, job.progress).await?;
    let mut report = Report::new(job.tenant, run.clone(), snapshot.counts(), started);
    if let Some(hold) = guard::check_reading(&job.reading_facts(&snapshot), &job.limits) {
        report.hold_everything(hold);
        return job.close(report, ask, None).await;
    }
    if let Some(ledger) = job.ledger {
        report.recovered = apply::recover(job.app, ledger, &job.mapped(), job.clock).await?;
    }
    let desired = desired::derive(&snapshot, &job.scope);
    let (links, survey) = job.survey(&desired, ask)?;
    let answers = observe::observe(job, &desired, &survey).await?;
    let plan = plan::plan(&desired, &survey, &answers, &links, job.state, &job.rules, started)?;
    let plan = ask.only.map_or(plan.clone(), |person| plan.only(person));
    if let Some(expected) = ask.expected_plan.filter(|expected| *expected != plan.hash) {
        return Err(CycleError::OtherPlan { expected: expected.to_owned(), now: plan.hash });
    }
    let facts = job.facts(&snapshot, &plan)?;
    let cleared = guard::check(plan, &facts, &job.limits);
    let Some(ledger) = job.ledger else {
        report.preview(cleared, job.app.stats(), job.clock.now());
        return Ok(report);
    };
    let again = observe::Again::new(job.source, &survey, &answers);
    let outcome = job.apply(ledger, &cleared, &run, ask.trigger, &again).await?;
    let settled = ask.only.is_none().then(|| index::draft(job, &desired, &links, &survey, &cleared, &outcome));
    report.applied(cleared, outcome);
    job.close(report, ask, settled.transpose()?.flatten()).await
}

impl Job<'_> {
    /// The paths whose values are compared with the app's.
    fn mapped(&self) -> Vec<Path> {
        let mut paths: Vec<Path> = self.rules.mapping.paths().cloned().collect();
        paths.extend([Path::user_name(), Path::external_id()]);
        paths.sort();
        paths.dedup();
        paths
    }

    fn survey(&self, desired: &Desired<'_>, ask: &Ask<'_>) -> Result<(Links, Survey), StoreError> {
        let links = match self.state.load_index(self.settings_hash) {
            Some(index) => Links::Index(index),
            None => Links::from_rows(self.state)?,
        };
        // Somebody who types a command wants to see it tried now; the schedule waits as long as it promised.
        let wait_until = (ask.trigger == Trigger::Schedule).then(|| self.clock.now());
        let survey = plan::survey(desired, &links, self.state, &self.rules, wait_until)?;
        Ok((links, survey))
    }

    /// What can be judged before anything else is read.
    fn reading_facts(&self, snapshot: &Snapshot) -> Facts {
        Facts { before: self.state.last_counts(), now: snapshot.counts(), ..Facts::default() }
    }

    /// What a plan is judged by. Where nothing is planned the rows are left alone: a quiet cycle does not open them (I12).
    fn facts(&self, snapshot: &Snapshot, plan: &Plan) -> Result<Facts, StoreError> {
        if plan.operations.is_empty() {
            return Ok(self.reading_facts(snapshot));
        }
        let day_ago = self.clock.now().saturating_sub(SignedDuration::from_hours(24)).unwrap_or_default();
        let counts = self.state.counts()?;
        let recent = self.state.runs(200)?.into_iter().filter(|run| run.ended >= day_ago);
        Ok(Facts {
            managed: counts.active,
            lost: self.state.lost_since(day_ago)?.into_iter().map(|lost| lost.user).collect(),
            created: recent.map(|run| run.created).sum(),
            adopt_only: match self.state.health() {
                Health::Trusted => None,
                Health::AdoptOnly { reason } => Some(reason),
            },
            ..self.reading_facts(snapshot)
        })
    }

    async fn apply(
        &self,
        ledger: &dyn State,
        cleared: &Cleared,
        run: &RunId,
        trigger: Trigger,
        recheck: &observe::Again<'_>,
    ) -> Result<Outcome, StoreError> {
        let plan: &Plan = cleared.plan();
        if plan.operations.is_empty() && plan.missed.is_empty() {
            return Ok(Outcome { results: Vec::new(), stop: None });
        }
        ledger.run_started(run, trigger, &plan.hash).await?;
        self.note_missed(ledger, plan, run).await?;
        let on_source_change: Vec<Path> = self
            .rules
            .mapping
            .paths()
            .filter(|path| self.rules.mapping.push(path) == Push::OnSourceChange)
            .cloned()
            .collect();
        let hands = apply::Run {
            id: run.clone(),
            app: self.app,
            state: ledger,
            clock: self.clock,
            recheck,
            on_source_change: &on_source_change,
            wire: &self.rules.profile.users,
            in_flight: self.in_flight,
            repeat: self.repeat,
            stop: self.stop,
            progress: self.progress,
        };
        apply::apply(cleared, &hands).await
    }

    /// First sightings of an absence are remembered: the second look counts from them.
    async fn note_missed(&self, ledger: &dyn State, plan: &Plan, run: &RunId) -> Result<(), StoreError> {
        let mut effects = Vec::new();
        for (object, since) in &plan.missed {
            let known = self.state.user(object.id())?.and_then(|row| row.missed_since);
            if known != Some(*since) {
                effects.push(Effect::Missed { object: object.clone(), since: Some(*since) });
            }
        }
        match effects.is_empty() {
            true => Ok(()),
            false => ledger.noted(run, "missing from a complete reading, not confirmed", effects).await,
        }
    }

    /// The run's last words: the summary, the end of adopt-only, the index of the next quiet cycle.
    async fn close(
        &self,
        mut report: Report,
        ask: &Ask<'_>,
        index: Option<crate::store::IndexDraft>,
    ) -> Result<Report, CycleError> {
        report.calls = self.app.stats();
        report.ended = self.clock.now();
        let Some(ledger) = self.ledger else {
            report.dry_run = true;
            return Ok(report);
        };
        let whole = report.stop.is_none() && ask.only.is_none() && report.status() != Status::Failed;
        if whole && report.counts_accepted && matches!(self.state.health(), Health::AdoptOnly { .. }) {
            ledger.trusted(&report.run, "everybody in scope was looked up in the app").await?;
        }
        ledger.run_ended(report.to_summary()).await?;
        if let Some(index) = index.filter(|_| whole) {
            ledger.write_index(index)?;
        }
        Ok(report)
    }
}

/// Whether an operation was carried out.
fn is_done(outcome: &Outcome, at: usize) -> bool {
    outcome.results.get(at) == Some(&OpResult::Done)
}

/// The operations of a plan that were carried out.
fn done<'a>(cleared: &'a Cleared, outcome: &'a Outcome) -> impl Iterator<Item = &'a Operation> {
    cleared.plan().operations.iter().enumerate().filter(|(at, _)| is_done(outcome, *at)).map(|(_, operation)| operation)
}
