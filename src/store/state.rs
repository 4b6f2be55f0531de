//! The state of one tenant on disk: what [`Store`] and [`ReadStore`] do once they are open.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::backend::{INDEX, SIGHTINGS};
use super::baseline::Baseline;
use super::cache::Cache;
use super::decisions::{self, Decision, DecisionFiles, DecisionVerdict, Noted};
use super::error::{Notice, StoreError};
use super::held::HeldPlan;
use super::index::{self, IndexDraft, SyncIndex};
use super::ledger::{Health, Ledger, OpenIntent, State, StateView};
use super::mark::{Sign, TenantMark};
use super::notes::{Leased, Notes};
use super::record::{
    CallIntent, Effect, GuardSettings, JournalEvent, OutcomeResult, RunSummary, SettingsMark, Trigger,
};
use super::rows::{Rows, RowsError};
use super::sightings::Sightings;
use super::status::{FAILURES_LISTED, Status};
use super::tail::Tail;
use super::view::HasRows;
use super::writer::{JournalWriter, Until};
use super::{FORMAT, chunks};
use crate::clock::{Clock, SystemClock};
use crate::model::{ContentMark, Reason, RunId, RunStatus, SnapshotCounts};

/// The state of a tenant, open for writing. One process has it at a time; dropping it waits for the disk.
pub struct Store {
    // The order matters when it is dropped: the thread ends, the cache closes, and only then another process may come.
    pub(super) writer: JournalWriter,
    pub(super) cache: Arc<Cache>,
    pub(super) tail: Arc<Mutex<Tail>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tenant: String,
    pub(super) last_ok: Mutex<Option<Timestamp>>,
    pub(super) leased: Leased,
}

/// The state of a tenant as it was at one moment, read beside the process that writes it.
pub struct ReadStore {
    pub(super) cache: Cache,
    pub(super) tail: Tail,
    pub(super) notes: Notes,
}

impl Store {
    /// Returns when journal and cache are on the disk.
    ///
    /// # Errors
    /// When the journal could not be synced.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.writer.sync().await?;
        self.cache.flush();
        Ok(())
    }

    /// Folds the cache anew from the journal. The old one is kept as `cache-broken`.
    ///
    /// # Errors
    /// When the journal is damaged, or the disk says no.
    pub fn rebuild(&self) -> Result<(), StoreError> {
        self.forget_index()?;
        self.cache.rebuild("asked for")
    }

    /// Closes everything; when this returns it is on the disk, and nobody else may write yet.
    pub(super) fn into_lease(self) -> Leased {
        let Self { writer, cache, leased, .. } = self;
        drop(writer);
        drop(cache);
        leased
    }

    /// Notes beside the state.
    pub fn notes(&self) -> &Leased {
        &self.leased
    }

    #[cfg(test)]
    pub(crate) fn records_written(&self) -> u64 {
        self.tail().seq
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts approvals of an undo into the journal that wait for another person's.
    ///
    /// # Errors
    /// When they can't be read, or the journal can't be written.
    pub async fn note_approvals_of_undo(&self, run: &RunId) -> Result<(), StoreError> {
        let (found, known, now) = self.filed()?;
        for decision in decisions::unknown_of_undo(found, &known, now) {
            self.decided(run, &decision, true).await?;
        }
        Ok(())
    }

    fn forget_index(&self) -> Result<(), StoreError> {
        self.leased.put_file(INDEX, None)
    }

    /// Nothing is appended, and so no call is made, once another process could hold the lock.
    async fn append(&self, event: JournalEvent, until: Until) -> Result<u64, StoreError> {
        self.leased.still_held()?;
        self.writer.append(self.clock.now(), event, until).await
    }

    /// What `status` shows without opening anything.
    fn write_status(&self, summary: RunSummary) -> Result<(), StoreError> {
        let before = self.leased.status()?;
        let (linked, failures, failed) = match before {
            // Nothing about the app was learned since, and a quiet cycle leaves the cache closed.
            Some(before) if before.seq >= self.tail().last_effects() && !self.cache.is_open() => {
                (before.linked, before.failures, before.failed)
            }
            _ => {
                let mut failed = self.failures()?;
                let failures = failed.len() as u64;
                failed.truncate(FAILURES_LISTED);
                (self.counts()?, failures, failed)
            }
        };
        let mut last_ok = self.last_ok.lock().unwrap_or_else(PoisonError::into_inner);
        if summary.status == RunStatus::Ok {
            *last_ok = Some(summary.ended);
        }
        let tail = self.tail();
        let (seq, adopt_only, open_intents) = (tail.seq, tail.adopt_only.clone(), tail.open.len() as u64);
        drop(tail);
        let (tenant, last_ok) = (self.tenant.clone(), *last_ok);
        let status = Status {
            format: FORMAT,
            tenant,
            seq,
            adopt_only,
            last_run: summary,
            last_ok,
            linked,
            failures,
            failed,
            open_intents,
        };
        self.leased.put_status(&status)
    }
}

impl HasRows for Store {
    fn with_rows<T>(&self, read: impl Fn(&dyn Rows) -> Result<T, RowsError>) -> Result<T, StoreError> {
        self.cache.read(read)
    }

    fn with_tail<T>(&self, read: impl Fn(&Tail) -> T) -> T {
        read(&self.tail())
    }
}

#[async_trait]
impl Ledger for Store {
    async fn run_started(
        &self,
        run: &RunId,
        trigger: Trigger,
        plan: &str,
        guard: Option<&GuardSettings>,
    ) -> Result<(), StoreError> {
        let guard = guard.cloned().map(Box::new);
        let event = JournalEvent::RunStarted { run: run.clone(), trigger, plan: plan.to_owned(), guard };
        self.append(event, Until::Written).await.map(drop)
    }

    async fn intent(&self, intent: CallIntent) -> Result<u64, StoreError> {
        self.append(JournalEvent::Intent(Box::new(intent)), Until::OnDisk).await
    }

    async fn outcome(&self, intent: u64, result: OutcomeResult, effects: Vec<Effect>) -> Result<(), StoreError> {
        self.append(JournalEvent::Outcome { intent, result, effects }, Until::Written).await.map(drop)
    }

    async fn noted(&self, run: &RunId, reason: Reason, effects: Vec<Effect>) -> Result<(), StoreError> {
        for effects in chunks(effects) {
            let event = JournalEvent::Noted { run: run.clone(), reason: reason.clone(), effects };
            self.append(event, Until::Written).await?;
        }
        Ok(())
    }

    async fn trusted(&self, run: &RunId, reason: Reason) -> Result<(), StoreError> {
        let event = JournalEvent::Trusted { run: run.clone(), reason };
        self.append(event, Until::OnDisk).await.map(drop)
    }

    async fn decided(&self, run: &RunId, decision: &Decision, waits: bool) -> Result<(), StoreError> {
        if !decisions::is_known(decision, waits, &self.tail().decided) {
            let event = JournalEvent::Decided { run: run.clone(), decision: Box::new(decision.clone()), waits };
            self.append(event, Until::OnDisk).await?;
        }
        match decision.verdict {
            DecisionVerdict::Approve if !waits => decisions::use_up(&self.leased, &decision.plan),
            // It stays where it is as long as the plan is held.
            DecisionVerdict::Approve | DecisionVerdict::Reject => Ok(()),
        }
    }

    async fn run_ended(&self, summary: RunSummary) -> Result<(), StoreError> {
        self.append(JournalEvent::RunEnded(Box::new(summary.clone())), Until::OnDisk).await?;
        self.cache.flush();
        self.write_status(summary)
    }
}

impl State for Store {
    fn write_index(&self, draft: IndexDraft) -> Result<bool, StoreError> {
        let settings_hash = draft.settings_hash;
        let mark = self.tail().mark();
        let Some((mark, index)) = mark.zip(draft.into_index()) else {
            self.forget_index()?;
            return Ok(false);
        };
        let mut bytes = Vec::new();
        index::write(&index, settings_hash, mark, &mut bytes).map_err(|error| self.leased.unwritable(INDEX, error))?;
        self.leased.put_file(INDEX, Some(&bytes)).map(|()| true)
    }

    fn write_sightings(&self, seen: &Sightings) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        seen.write(&mut bytes).map_err(|error| self.leased.unwritable(SIGHTINGS, error))?;
        self.leased.put_file(SIGHTINGS, Some(&bytes))
    }

    fn write_held(&self, held: Option<&HeldPlan>, started: Timestamp) -> Result<(), StoreError> {
        self.leased.put_held(held)?;
        decisions::forget_others(&self.leased, held.map(|held| held.plan.as_str()), started, self.clock.now())
    }

    fn take_notices(&self) -> Vec<Notice> {
        let mut notices = self.cache.take_notices();
        // What can't be read was told where it was asked for.
        let found = decisions::look(&self.leased, &[], self.clock.now()).unwrap_or_default();
        notices.extend(found.refused.into_iter().map(Notice::DecisionRefused));
        notices
    }
}

impl HasRows for ReadStore {
    fn with_rows<T>(&self, read: impl Fn(&dyn Rows) -> Result<T, RowsError>) -> Result<T, StoreError> {
        self.cache.read(read)
    }

    fn with_tail<T>(&self, read: impl Fn(&Tail) -> T) -> T {
        read(&self.tail)
    }
}

/// A state with its notes beside it. Whatever has this is a [`StateView`].
trait HasNotes: HasRows {
    fn notes(&self) -> &Notes;
    fn now(&self) -> Timestamp;

    /// What people decided and still counts, with what the journal has of it.
    fn filed(&self) -> Result<(DecisionFiles, Vec<Noted>, Timestamp), StoreError> {
        let (known, now) = (self.with_tail(|tail| tail.decided.clone()), self.now());
        Ok((decisions::look(self.notes(), &known, now)?, known, now))
    }
}

impl HasNotes for Store {
    fn notes(&self) -> &Notes {
        &self.leased
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl HasNotes for ReadStore {
    fn notes(&self) -> &Notes {
        &self.notes
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}

impl<S: HasNotes> StateView for S {
    fn health(&self) -> Health {
        self.with_tail(Tail::health)
    }

    fn paused(&self) -> Option<TenantMark> {
        self.notes().mark(Sign::Paused)
    }

    /// Beside a writer, those of a run that is under way are among them.
    fn open_intents(&self) -> Vec<OpenIntent> {
        self.with_tail(Tail::open_intents)
    }

    fn is_approval_waiting(&self) -> Result<bool, StoreError> {
        let (found, known, now) = self.filed()?;
        Ok(decisions::is_approval_waiting(&found, &known, now))
    }

    fn decisions(&self, plan: &str) -> Result<Vec<Decision>, StoreError> {
        let (found, known, now) = self.filed()?;
        Ok(decisions::about(found, plan, &known, now))
    }

    fn quiet_at(&self, settings: SettingsMark) -> Option<(ContentMark, SnapshotCounts)> {
        self.with_tail(|tail| tail.quiet_at(settings))
    }

    /// Every reason why there is no index is the same to the caller: everything is compared.
    fn load_index(&self, settings_hash: u64) -> Option<SyncIndex> {
        let mark = self.with_tail(Tail::mark)?;
        let bytes = self.notes().read(INDEX).ok()??;
        index::read(bytes.as_slice(), settings_hash, mark).ok().flatten()
    }

    /// Every reason why there are none is the same to the caller: what they would say is in doubt.
    fn sightings(&self) -> Option<Sightings> {
        let bytes = self.notes().read(SIGHTINGS).ok()??;
        Sightings::read(bytes.as_slice()).ok().flatten()
    }
}
