//! Leavers who are found while a long run goes on. It takes the run's plan under way and reads the directory again every minute; it returns
//! what became of the plan, and of each plan of leavers that was made meanwhile.
//!
//! Such a plan has its own hash, passes the same guard and uses the same day's budget. The directory's newer reading is believed for this alone:
//! what else it says is left to the next run.

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Ask, CycleError, CycleJob, RunWriter, evidence, missing, observe};
use crate::apply::{ApplyOutcome, Turns};
use crate::desired::{self, Desired};
use crate::guard::{Cleared, Facts};
use crate::model::{LifecycleStatus, RunId, SourceId};
use crate::plan::{self, Answers, StillNamed, Survey, SurveyOptions, TenantLinks};
use crate::progress::Silent;
use crate::source::{FeedHint, take_snapshot_within};
use crate::store::StoreError;

/// How often the directory is read again. A run that ends earlier looks for nobody.
const EVERY: Duration = Duration::from_secs(60);

/// How often a directory's change feed is asked, where there is one.
const FEED_EVERY: Duration = Duration::from_secs(20);

/// A plan of leavers, and what became of it.
type LeaversRun = (Cleared, ApplyOutcome);

/// Waits for `applying`, and looks for leavers as long as it takes.
pub(super) async fn look_for_leavers(
    job: &CycleJob<'_>,
    writer: RunWriter<'_>,
    planned: &Survey,
    ask: &Ask<'_>,
    run: &RunId,
    turns: &Turns,
    applying: impl Future<Output = Result<ApplyOutcome, StoreError>>,
) -> Result<(ApplyOutcome, Vec<LeaversRun>), StoreError> {
    let over = CancellationToken::new();
    let applying = async {
        let outcome = applying.await;
        over.cancel();
        outcome
    };
    let looking = async {
        let mut all: Vec<LeaversRun> = Vec::new();
        let mut look = FeedLook { job, planned, turns, feed: FeedWatch::Unknown };
        loop {
            let found = tokio::select! {
                biased;
                () = over.cancelled() => return Ok(all),
                found = look.next() => found,
            };
            // From here to the end of their calls nothing is dropped half done, not even by the end of the plan.
            let Some((cleared, facts)) = found else { continue };
            let _turn = turns.alone().await;
            let (again, own) = (observe::Again::nobody(job.source), Turns::default());
            let outcome = job.apply(writer, &cleared, &facts, run, ask.trigger, &again, &own).await?;
            tracing::info!(plan = cleared.plan().hash, done = outcome.results.len(), "leavers found during the run");
            all.push((cleared, outcome));
        }
    };
    let (outcome, all): (_, Result<_, StoreError>) = tokio::join!(applying, looking);
    Ok((outcome?, all?))
}

/// What is known of the directory's change feed.
#[derive(Clone, Copy)]
enum FeedWatch {
    Unknown,
    None,
    Since(Timestamp),
}

struct FeedLook<'a> {
    job: &'a CycleJob<'a>,
    planned: &'a Survey,
    turns: &'a Turns,
    feed: FeedWatch,
}

impl FeedLook<'_> {
    /// Waits for its time and looks once. An error is no end: the run goes on, and the next run reads the directory anyway.
    async fn next(&mut self) -> Option<(Cleared, Facts)> {
        self.wait().await;
        match self.leavers().await {
            Ok(found) => found,
            Err(error) => {
                // What it says may name users: that is for the report of a run.
                let kind = error.kind();
                tracing::warn!(
                    kind,
                    "the directory could not be read again during the run: its leavers wait for the next run"
                );
                None
            }
        }
    }

    /// Waits until the directory may say something else than before.
    async fn wait(&mut self) {
        loop {
            match self.feed {
                FeedWatch::Unknown => {
                    let now = self.job.clock.now();
                    self.feed = match self.job.source.hint(now).await {
                        Ok(FeedHint::NotOffered) => FeedWatch::None,
                        Ok(FeedHint::Quiet { seen } | FeedHint::Changed { seen, .. }) => FeedWatch::Since(seen),
                        Err(_) => FeedWatch::None,
                    };
                }
                FeedWatch::None => return tokio::time::sleep(EVERY).await,
                FeedWatch::Since(since) => {
                    tokio::time::sleep(FEED_EVERY).await;
                    match self.job.source.hint(since).await {
                        Ok(FeedHint::Quiet { seen }) => self.feed = FeedWatch::Since(seen),
                        Ok(FeedHint::Changed { seen, .. }) => {
                            self.feed = FeedWatch::Since(seen);
                            return;
                        }
                        Ok(FeedHint::NotOffered) | Err(_) => self.feed = FeedWatch::None,
                    }
                }
            }
        }
    }

    /// Who has left by what the directory says now, as far as the guard clears it.
    async fn leavers(&self) -> Result<Option<(Cleared, Facts)>, CycleError> {
        let job = self.job;
        let snapshot = take_snapshot_within(job.time_limit, job.source, job.sentinels, &Silent).await?;
        let desired = desired::derive(&snapshot, &job.scope);
        self.give_nothing_more(&desired);
        let links = TenantLinks::from_rows(job.state)?;
        let survey = plan::survey(&desired, &links, job.state, &job.rules, SurveyOptions::default())?;
        let named = StillNamed::of(&desired, || job.state.sightings());
        let mut answers = Answers::default();
        observe::ask_directory(job, &survey, &mut answers).await?;
        let now = job.clock.now();
        let plan = plan::newly_left(&desired, &survey, &answers.absent, job.state, &job.rules, now)?;
        if plan.operations.is_empty() {
            return Ok(None);
        }
        // Those who wait for their accounts were new in the run's own reading.
        let waiting: HashSet<&SourceId> = self.planned.newcomers.iter().map(|person| &person.id).collect();
        let strangers = survey.newcomers.iter().filter(|person| !waiting.contains(&person.id)).count() as u64;
        let proven = evidence::proven_gone(job, &survey.absent, &answers.absent);
        let dangling = evidence::dangling(job, &desired, &named, &proven, &plan)?;
        let facts = Facts { strangers, missing: missing(&survey), dangling, ..job.facts(&desired, &plan)? };
        let Some(cleared) = job.cleared_leavers(plan, &facts) else { return Ok(None) };
        self.turns.leave(cleared.plan().operations.iter().map(|operation| operation.object.id().clone()));
        Ok(Some((cleared, facts)))
    }

    /// Users who still wait for an account and belong no more get none in this run.
    fn give_nothing_more(&self, desired: &Desired<'_>) {
        if desired.unread().next().is_some() {
            // Nobody can be said to belong no more.
            return;
        }
        let belongs = |id: &SourceId| {
            let user = desired.snapshot.find_user(id.as_str());
            user.is_some_and(|user| {
                desired.snapshot.standing(user) == LifecycleStatus::Active && desired.is_assigned(user)
            })
        };
        let waiting = self.planned.newcomers.iter().map(|person| &person.id);
        self.turns.leave(waiting.filter(|id| !belongs(id)).cloned());
    }
}
