//! The whole state in memory: for simulations and for tests of the rooms above. Nothing of it outlives the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::decisions::{Decision, DecisionVerdict, is_known};
use super::error::{Notice, StoreError};
use super::fold::Fold;
use super::held::HeldPlan;
use super::index::{IndexDraft, JournalPosition, SyncIndex};
use super::ledger::{Health, Ledger, OpenIntent, State, StateView};
use super::mark;
use super::record::{
    CallIntent, Effect, GuardSettings, JournalEvent, OutcomeResult, Record, RunSummary, SettingsMark, Trigger,
};
use super::rows::{MemoryRows, Rows, RowsError};
use super::sightings::Sightings;
use super::tail::Tail;
use super::view::HasRows;
use super::{FORMAT, chunks};
use crate::clock::Clock;
use crate::model::{ContentMark, Reason, RunId, SnapshotCounts, TenantName};

/// A [`State`] in memory, with the records it was told.
pub(crate) struct MemoryStore {
    rows: MemoryRows,
    clock: Arc<dyn Clock>,
    inner: Mutex<MemoryState>,
}

struct MemoryState {
    fold: Fold,
    tail: Tail,
    records: Vec<Record>,
    index: Option<(JournalPosition, u64, SyncIndex)>,
    sightings: Option<Sightings>,
    held: Option<HeldPlan>,
    decisions: Vec<Decision>,
    paused: Pause,
}

/// Whether somebody paused the tenant: what is a file on disk.
pub(crate) type Pause = Arc<Mutex<Option<mark::TenantMark>>>;

impl MemoryStore {
    /// A new tenant's state: adopt-only, as on disk.
    ///
    /// # Errors
    /// None in practice; the signature is that of a store on disk.
    pub(crate) fn new(tenant: &TenantName, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let rows = MemoryRows::default();
        let fold = Fold::resume(&rows)?;
        let inner = Mutex::new(MemoryState {
            fold,
            tail: Tail::default(),
            records: Vec::new(),
            index: None,
            sightings: None,
            held: None,
            decisions: Vec::new(),
            paused: Pause::default(),
        });
        let store = Self { rows, clock, inner };
        store.append(JournalEvent::Opened {
            tenant: tenant.to_string(),
            format: FORMAT,
            why: "new tenant".to_owned(),
            replaces: false,
        })?;
        Ok(store)
    }

    /// Everything that was written, oldest first.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.inner().records.clone()
    }

    /// The state as it was at the record of this number, as a backup brings it back. Whether it is known who lost access since.
    ///
    /// # Errors
    /// None in practice; the signature is that of a store on disk.
    #[cfg(test)]
    pub(crate) fn restored(&self, upto: u64, losses_unknown: bool) -> Result<Self, StoreError> {
        let rows = MemoryRows::default();
        let fold = Fold::resume(&rows)?;
        let paused = Pause::default();
        let (tail, records, index, held, decisions) = Default::default();
        let inner = Mutex::new(MemoryState { fold, tail, records, index, held, decisions, paused, sightings: None });
        let store = Self { rows, clock: Arc::clone(&self.clock), inner };
        for record in self.records().into_iter().filter(|record| record.seq <= upto) {
            let mut guard = store.inner();
            let inner = &mut *guard;
            let hash = record.seq.to_string();
            inner.tail.record(&record, &hash);
            inner.fold.record(&store.rows, &record, &hash)?;
            inner.fold.commit(&store.rows)?;
            inner.records.push(record);
        }
        store.append(JournalEvent::Doubted { why: "the state was imported".to_owned(), losses_unknown })?;
        Ok(store)
    }

    /// What waits for a decision.
    pub(crate) fn held(&self) -> Option<HeldPlan> {
        self.inner().held.clone()
    }

    /// Takes a decision. An earlier one of the same account is replaced.
    pub(crate) fn decide(&self, decision: Decision) {
        let mut inner = self.inner();
        let whose = |one: &Decision| one.identity.as_ref().map(|identity| identity.uid);
        inner.decisions.retain(|one| whose(one) != whose(&decision));
        inner.decisions.push(decision);
    }

    /// Where the tenant is paused and resumed.
    pub(crate) fn pause(&self) -> Pause {
        Arc::clone(&self.inner().paused)
    }

    fn inner(&self) -> MutexGuard<'_, MemoryState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, event: JournalEvent) -> Result<u64, StoreError> {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let record =
            Record { seq: inner.tail.seq + 1, prev: inner.tail.hash.clone(), at: self.clock.now(), event, was: None };
        // Nothing is ever read back from a disk here, so a number is as good as a hash.
        let hash = record.seq.to_string();
        inner.tail.record(&record, &hash);
        inner.fold.record(&self.rows, &record, &hash)?;
        inner.fold.commit(&self.rows)?;
        inner.records.push(record);
        Ok(inner.tail.seq)
    }
}

impl HasRows for MemoryStore {
    fn with_rows<T>(&self, read: impl Fn(&dyn Rows) -> Result<T, RowsError>) -> Result<T, StoreError> {
        Ok(read(&self.rows)?)
    }

    fn with_tail<T>(&self, read: impl Fn(&Tail) -> T) -> T {
        read(&self.inner().tail)
    }
}

#[async_trait]
impl Ledger for MemoryStore {
    async fn run_started(
        &self,
        run: &RunId,
        trigger: Trigger,
        plan: &str,
        guard: Option<&GuardSettings>,
    ) -> Result<(), StoreError> {
        let guard = guard.cloned().map(Box::new);
        self.append(JournalEvent::RunStarted { run: run.clone(), trigger, plan: plan.to_owned(), guard }).map(drop)
    }

    async fn intent(&self, intent: CallIntent) -> Result<u64, StoreError> {
        self.append(JournalEvent::Intent(Box::new(intent)))
    }

    async fn outcome(&self, intent: u64, result: OutcomeResult, effects: Vec<Effect>) -> Result<(), StoreError> {
        self.append(JournalEvent::Outcome { intent, result, effects }).map(drop)
    }

    async fn noted(&self, run: &RunId, reason: Reason, effects: Vec<Effect>) -> Result<(), StoreError> {
        for effects in chunks(effects) {
            self.append(JournalEvent::Noted { run: run.clone(), reason: reason.clone(), effects })?;
        }
        Ok(())
    }

    async fn trusted(&self, run: &RunId, reason: Reason) -> Result<(), StoreError> {
        self.append(JournalEvent::Trusted { run: run.clone(), reason }).map(drop)
    }

    async fn decided(&self, run: &RunId, decision: &Decision, waits: bool) -> Result<(), StoreError> {
        let known = is_known(decision, waits, &self.inner().tail.decided);
        if !known {
            self.append(JournalEvent::Decided { run: run.clone(), decision: Box::new(decision.clone()), waits })?;
        }
        if decision.verdict == DecisionVerdict::Approve && !waits {
            self.inner().decisions.retain(|one| one.plan != decision.plan);
        }
        Ok(())
    }

    async fn run_ended(&self, summary: RunSummary) -> Result<(), StoreError> {
        self.append(JournalEvent::RunEnded(Box::new(summary))).map(drop)
    }
}

impl StateView for MemoryStore {
    fn health(&self) -> Health {
        self.inner().tail.health()
    }

    fn paused(&self) -> Option<mark::TenantMark> {
        self.pause().lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn open_intents(&self) -> Vec<OpenIntent> {
        self.inner().tail.open_intents()
    }

    fn is_approval_waiting(&self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let inner = self.inner();
        let mut decisions = inner.decisions.iter();
        Ok(decisions.any(|decision| decision.verdict == DecisionVerdict::Approve && decision.expires > now))
    }

    fn quiet_at(&self, settings: SettingsMark) -> Option<(ContentMark, SnapshotCounts)> {
        self.inner().tail.quiet_at(settings)
    }

    fn decisions(&self, plan: &str) -> Result<Vec<Decision>, StoreError> {
        let now = self.clock.now();
        let mut found = self.inner().decisions.clone();
        found.retain(|decision| decision.plan == plan && decision.expires > now);
        found.sort_by_key(|decision| decision.at);
        Ok(found)
    }

    fn load_index(&self, settings_hash: u64) -> Option<SyncIndex> {
        let inner = self.inner();
        let now = inner.tail.mark()?;
        inner
            .index
            .as_ref()
            .filter(|(mark, hash, _)| *mark == now && *hash == settings_hash)
            .map(|(_, _, index)| index.clone())
    }

    fn sightings(&self) -> Option<Sightings> {
        self.inner().sightings.clone()
    }
}

impl State for MemoryStore {
    fn write_index(&self, draft: IndexDraft) -> Result<bool, StoreError> {
        let settings_hash = draft.settings_hash;
        let mut inner = self.inner();
        let mark = inner.tail.mark();
        inner.index = mark.zip(draft.into_index()).map(|(mark, index)| (mark, settings_hash, index));
        Ok(inner.index.is_some())
    }

    fn write_sightings(&self, seen: &Sightings) -> Result<(), StoreError> {
        self.inner().sightings = Some(seen.clone());
        Ok(())
    }

    fn write_held(&self, held: Option<&HeldPlan>, started: Timestamp) -> Result<(), StoreError> {
        let mut inner = self.inner();
        let plan = held.map(|held| &held.plan);
        inner.decisions.retain(|decision| Some(&decision.plan) == plan || decision.at > started);
        inner.held = held.cloned();
        Ok(())
    }

    fn take_notices(&self) -> Vec<Notice> {
        Vec::new()
    }
}
