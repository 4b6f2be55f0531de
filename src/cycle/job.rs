//! What a cycle is given: a [`CycleJob`] to read and decide by, and for a run a [`RunWriter`] beside it.

use tokio_util::sync::CancellationToken;

use crate::apply::Repeat;
use crate::clock::Clock;
use crate::config::addresses::Addresses;
use crate::desired::{Desired, Scope};
use crate::guard::{GuardLimits, Policy};
use crate::model::TenantName;
use crate::plan::{Answers, Survey, TenantRules};
use crate::progress::Progress;
use crate::scim::{AppRead, AppWrite};
use crate::source::Source;
use crate::store::{Neighbours, SettingsMark, State, StateView, Trigger};
use crate::time_limit::TimeLimit;

/// Everything a cycle reads and decides by. Nothing in it can write: neither to the app nor to the state.
///
/// ```compile_fail
/// # use rosterd::cycle::CycleJob;
/// # use rosterd::model::AppId;
/// async fn reading_only(job: &CycleJob<'_>, id: &AppId) {
///     job.reader.delete_user(id).await; // no method of `AppRead`
/// }
/// ```
///
/// ```compile_fail
/// # use rosterd::cycle::{Ask, CycleJob, RunWriter, preview};
/// async fn a_preview_that_writes(job: &CycleJob<'_>, writer: RunWriter<'_>, ask: &Ask<'_>) {
///     preview(job, writer, ask).await; // `preview` takes no writer
/// }
/// ```
///
/// The same, without what does not compile:
///
/// ```
/// # use rosterd::cycle::{Ask, CycleJob, RunWriter, cycle, preview};
/// async fn a_preview_and_a_run(job: &CycleJob<'_>, writer: RunWriter<'_>, ask: &Ask<'_>) {
///     let _ = preview(job, ask).await;
///     let _ = cycle(job, writer, ask).await;
/// }
/// ```
pub struct CycleJob<'a> {
    /// The tenant.
    pub tenant: &'a TenantName,
    /// The directory.
    pub source: &'a dyn Source,
    /// The app, for reading.
    pub reader: &'a dyn AppRead,
    /// What we know of it.
    pub state: &'a dyn StateView,
    /// Who belongs.
    pub scope: Scope<'a>,
    /// What follows.
    pub rules: TenantRules<'a>,
    /// When to stop and ask.
    pub limits: GuardLimits,
    /// Who has to approve, and what became looser since the last run.
    pub policy: Policy,
    /// Who must be visible in every reading.
    pub sentinels: &'a [String],
    /// How long the reading of the directory may take.
    pub time_limit: TimeLimit,
    /// Calls at once.
    pub in_flight: usize,
    /// How failures are repeated.
    pub repeat: Repeat,
    /// Fingerprints of everything above that decides over people: with another one all users are compared again.
    pub settings: SettingsMark,
    /// Where the credentials of both sides go.
    pub addresses: &'a Addresses,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Set when no further call may begin.
    pub stop: &'a CancellationToken,
    /// What this machine knows of the app's accounts beside the state.
    pub neighbours: &'a dyn Neighbours,
    /// Who wants to see what a plan is made of.
    pub witness: Option<&'a dyn Witness>,
}

/// What a run holds beside its [`CycleJob`], and a preview does not: the app and the state, for writing.
#[derive(Clone, Copy)]
pub struct RunWriter<'a> {
    /// The app whose reader the job has.
    pub app: &'a dyn AppWrite,
    /// The state that the job reads.
    pub ledger: &'a dyn State,
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
