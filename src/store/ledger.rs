//! The write side: what `apply` and `cycle` tell the journal. Intent before a call, outcome after it.

use async_trait::async_trait;
use jiff::Timestamp;

use super::baseline::Baseline;
use super::decisions::Decision;
use super::error::{Notice, StoreError};
use super::held::HeldPlan;
use super::index::{IndexDraft, SyncIndex};
use super::mark::TenantMark;
use super::record::{CallIntent, Effect, GuardSettings, OutcomeResult, RunSummary, SettingsMark, Trigger};
use super::sightings::Sightings;
use crate::model::{ContentMark, Reason, RunId, SnapshotCounts};

/// Whether the state may be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The state knows the app.
    Trusted,
    /// New, restored or damaged state: nothing is created without a look-up and nothing is removed, until a run that looked
    /// through the app calls [`Ledger::trusted`].
    AdoptOnly {
        /// Why.
        reason: String,
    },
}

/// An intent whose outcome nobody wrote: the object is looked up before anything is repeated.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenIntent {
    /// Its number; the look-up's result is written as the [`Ledger::outcome`] of it.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What was about to be done.
    pub intent: CallIntent,
}

/// The write side of the state. Records lie in the journal in the order of the calls.
///
/// When one write fails, every later one fails too ([`StoreError::Stopped`]) until the state is opened anew: a call whose
/// intent is not on the disk must not be made.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// A run begins; `guard` is what it is judged by.
    ///
    /// # Errors
    /// Every method fails with [`StoreError`] when the record could not be written.
    async fn run_started(
        &self,
        run: &RunId,
        trigger: Trigger,
        plan: &str,
        guard: Option<&GuardSettings>,
    ) -> Result<(), StoreError>;

    /// A call is about to be made. Returns the intent's number once it is on the disk (`fdatasync`, shared by all intents that
    /// wait at that moment).
    async fn intent(&self, intent: CallIntent) -> Result<u64, StoreError>;

    /// What became of an intent. Written in order and visible to every later read; on the disk with the next intent, at the
    /// latest by [`Ledger::run_ended`]. One that a crash swallows leaves its intent open, and open intents are looked up.
    async fn outcome(&self, intent: u64, result: OutcomeResult, effects: Vec<Effect>) -> Result<(), StoreError>;

    /// Something became known without a call that changes the app. Any number of effects.
    async fn noted(&self, run: &RunId, reason: Reason, effects: Vec<Effect>) -> Result<(), StoreError>;

    /// The app was looked through: adopt-only ends. On the disk when it returns.
    async fn trusted(&self, run: &RunId, reason: Reason) -> Result<(), StoreError>;

    /// Takes notice of a decision about a held plan: the journal gets it, unless it has it, and an approval is used up by
    /// this, unless it waits for another person's. Both are on the disk when it returns.
    async fn decided(&self, run: &RunId, decision: &Decision, waits: bool) -> Result<(), StoreError>;

    /// A run ended. Journal and cache are on the disk when it returns.
    async fn run_ended(&self, summary: RunSummary) -> Result<(), StoreError>;
}

/// The state of one tenant for somebody who only looks: a preview can't write because it holds nothing that could.
pub trait StateView: Baseline {
    /// Whether it may be believed.
    fn health(&self) -> Health;

    /// Who asked that nothing be sent, if somebody did. Looked up anew each time: another process may say it during a run.
    fn paused(&self) -> Option<TenantMark>;

    /// Intents without an outcome, oldest first.
    fn open_intents(&self) -> Vec<OpenIntent>;

    /// Whether there is an approval that still counts, for whatever plan.
    ///
    /// # Errors
    /// When it could not be read.
    fn is_approval_waiting(&self) -> Result<bool, StoreError>;

    /// What was decided about a held plan, as far as it still counts, oldest first.
    ///
    /// # Errors
    /// When it could not be read.
    fn decisions(&self, plan: &str) -> Result<Vec<Decision>, StoreError>;

    /// The directory's content, and how much it was, for which the last run found nothing to do or to ask; `None` as soon as
    /// anything happened since, or the tenant file says something else.
    fn quiet_at(&self, settings: SettingsMark) -> Option<(ContentMark, SnapshotCounts)>;

    /// The index of the last cycle, if the state is still exactly what it was then, trusted, and without open intents;
    /// `None` means "compare everything with the rows".
    fn load_index(&self, settings_hash: u64) -> Option<SyncIndex>;

    /// What the last accepted reading showed of users beside their records; `None` if that was never kept, or is lost.
    fn sightings(&self) -> Option<Sightings>;
}

/// The whole state of one tenant, as a cycle that applies uses it.
pub trait State: StateView + Ledger {
    /// Keeps an index for the next quiet cycle. Says `false` when two ids share a hash: then there is no index.
    ///
    /// # Errors
    /// When it could not be written. The state is whole without it.
    fn write_index(&self, draft: IndexDraft) -> Result<bool, StoreError>;

    /// Keeps what an accepted reading showed of users beside their records.
    ///
    /// # Errors
    /// When it could not be written.
    fn write_sightings(&self, seen: &Sightings) -> Result<(), StoreError>;

    /// Shows what waits for a decision, or that nothing does. Decisions about anything else are forgotten, if they were made
    /// before the run started.
    ///
    /// # Errors
    /// When it could not be written.
    fn write_held(&self, held: Option<&HeldPlan>, started: Timestamp) -> Result<(), StoreError>;

    /// What was found and mended since the last call.
    fn take_notices(&self) -> Vec<Notice>;
}
