//! The fold: journal records in, rows out. The same records always give the same rows.
//!
//! Rows are written in batches of about a hundred, a record's rows never split over two, and each batch says how far the
//! journal is folded. So a crash leaves the rows of some earlier moment, and folding goes on from there. Only a fold from the
//! first record on says so at the end; one that a crash cut short is begun again.
//!
//! `step` says what an effect changes, `row` how a row is written.

mod row;
mod step;

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub(super) use self::row::{damaged, decode_number, decode_user, get_block, get_json};
use self::row::{encode_user, unwritable};
use self::step::FoldStep;
use super::baseline::{LinkCounts, UserRow};
use super::keys;
use super::record::{JournalEvent, Record, RunSummary};
use super::rows::{Batch, Rows, RowsError};
use crate::model::{Reason, SourceId, UserNumber};

/// sled keeps a batch in memory several times over; a hundred rows keep it flat.
const BATCH_ROWS: usize = 100;
/// Rows that a fold from the first record on gathers and sorts: neighbours are written together, which sled rewards.
const BULK_ROWS: usize = 20_000;
/// After so many rows they are sent to the disk: sled's memory grows with what it has not flushed.
const FLUSH_ROWS: usize = 2000;
/// The same for a fold from the first record on, which has everything to gain from fewer waits for the disk.
const BULK_FLUSH_ROWS: usize = 10_000;
/// How many runs are kept.
const RUNS_KEPT: usize = 200;
/// The longest budget window is a week; a day more for clocks that were wrong.
const LOST_KEPT: SignedDuration = SignedDuration::from_hours(8 * 24);

/// The form of the rows. Rows of another form are folded from the journal again: 1 knows the groups that were released.
pub(super) const FORM: u32 = 1;

/// How far the rows are, and what is counted along.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// The last folded record.
    pub(super) seq: u64,
    /// Its hash: rows that belong to another journal are noticed.
    pub(super) hash: String,
    /// The number the next linked person gets.
    next_number: u32,
    users: u64,
    inactive: u64,
    groups: u64,
    /// See [`FORM`]. Rows of before have none.
    #[serde(default)]
    form: u32,
}

impl Meta {
    pub(super) fn read(rows: &dyn Rows) -> Result<Self, RowsError> {
        Ok(get_json(rows.get(keys::META)?.as_deref(), keys::META)?.unwrap_or_default())
    }

    /// Whether the rows were written by a version whose rows say less.
    pub(super) fn is_of_before(&self) -> bool {
        self.seq > 0 && self.form < FORM
    }

    pub(super) fn counts(&self) -> LinkCounts {
        LinkCounts { users: self.users, active: self.users.saturating_sub(self.inactive), groups: self.groups }
    }
}

/// A fold under way. After an error it must be dropped: what is pending may be half a record.
#[derive(Debug)]
pub(super) struct Fold {
    meta: Meta,
    stored: Meta,
    pending: Batch,
    /// People's rows among what is pending, not encoded yet: several effects in a row change the same one.
    people: HashMap<SourceId, UserRow>,
    /// Everybody's number, in a fold from the first record on: memberships ask for them millions of times.
    numbers: HashMap<SourceId, UserNumber>,
    unflushed: usize,
    /// From the first record on, rows are written in any order, and that they are whole only at the end.
    bulk: bool,
}

impl Fold {
    /// Goes on where the rows are. Rows that do not say how far they are were never finished.
    pub(super) fn resume(rows: &dyn Rows) -> Result<Self, RowsError> {
        let meta = Meta { form: FORM, ..Meta::read(rows)? };
        let bulk = meta.seq == 0;
        if bulk && !rows.page(b"", None, 1)?.is_empty() {
            return Err(RowsError::Damaged("it was not folded to the end".to_owned()));
        }
        Ok(Self {
            stored: meta.clone(),
            meta,
            pending: Batch::new(),
            people: HashMap::new(),
            numbers: HashMap::new(),
            unflushed: 0,
            bulk,
        })
    }

    /// The last folded record, pending rows included.
    pub(super) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Folds one record; `hash` is the hash of its text. Its rows may stay pending until [`Fold::commit`].
    pub(super) fn record(&mut self, rows: &dyn Rows, record: &Record, hash: &str) -> Result<(), RowsError> {
        match &record.event {
            JournalEvent::Outcome { effects, .. } | JournalEvent::Noted { effects, .. } => {
                let releases = matches!(&record.event, JournalEvent::Noted { reason: Reason::AdoptedOrReleased, .. });
                let by_hand = matches!(&record.event, JournalEvent::Noted { reason: Reason::ChangedByHand, .. });
                let calls = matches!(&record.event, JournalEvent::Outcome { .. });
                for effect in effects {
                    FoldStep { fold: self, rows, at: record.at, effects, releases, by_hand, calls }.effect(effect)?;
                }
            }
            JournalEvent::RunEnded(summary) => {
                // Forgetting old rows looks at what is stored, so everything before must be.
                self.write_pending(rows)?;
                self.run_ended(rows, summary)?;
            }
            _ => {}
        }
        self.meta.seq = record.seq;
        hash.clone_into(&mut self.meta.hash);
        if self.pending.len() + self.people.len() >= if self.bulk { BULK_ROWS } else { BATCH_ROWS } {
            self.write_pending(rows)?;
        }
        Ok(())
    }

    /// Makes everything folded visible to readers.
    pub(super) fn commit(&mut self, rows: &dyn Rows) -> Result<(), RowsError> {
        if self.bulk {
            self.write_pending(rows)?;
            (self.bulk, self.numbers) = (false, HashMap::new());
        }
        self.write_pending(rows)
    }

    /// Writes what is pending: in one batch that says how far the rows are, or in many that don't.
    fn write_pending(&mut self, rows: &dyn Rows) -> Result<(), RowsError> {
        for (id, row) in self.people.drain() {
            self.pending.insert(keys::user(&id), Some(encode_user(&row)?));
        }
        if self.bulk {
            let mut pending = std::mem::take(&mut self.pending).into_iter();
            while pending.len() > 0 {
                self.apply(rows, pending.by_ref().take(BATCH_ROWS).collect())?;
            }
        } else if self.meta != self.stored {
            self.pending.insert(keys::META.to_vec(), Some(serde_json::to_vec(&self.meta).map_err(unwritable)?));
            let batch = std::mem::take(&mut self.pending);
            self.apply(rows, batch)?;
            self.stored = self.meta.clone();
        }
        Ok(())
    }

    fn apply(&mut self, rows: &dyn Rows, batch: Batch) -> Result<(), RowsError> {
        self.unflushed += batch.len();
        rows.apply(batch)?;
        if self.unflushed >= if self.bulk { BULK_FLUSH_ROWS } else { FLUSH_ROWS } {
            self.unflushed = 0;
            rows.flush()?;
        }
        Ok(())
    }

    fn run_ended(&mut self, rows: &dyn Rows, summary: &RunSummary) -> Result<(), RowsError> {
        if !summary.clock_doubted {
            let old = summary.ended.saturating_sub(LOST_KEPT).unwrap_or(Timestamp::MIN);
            self.forget_before(rows, keys::LOST, &keys::lost_from(old))?;
            self.forget_before(rows, keys::REDUCED, &keys::reduced_from(old))?;
            self.forget_before(rows, keys::ACTIVATED, &keys::activated_from(old))?;
        }
        let runs = rows.page(keys::RUNS, None, RUNS_KEPT + 50)?;
        for (key, _) in runs.iter().take(runs.len().saturating_sub(RUNS_KEPT - 1)) {
            self.pending.insert(key.clone(), None);
        }
        self.pending.insert(keys::run(&summary.run), Some(serde_json::to_vec(summary).map_err(unwritable)?));
        Ok(())
    }

    fn forget_before(&mut self, rows: &dyn Rows, prefix: &[u8], before: &[u8]) -> Result<(), RowsError> {
        let mut after: Option<Vec<u8>> = None;
        while let Some((key, _)) =
            rows.page(prefix, after.as_deref(), 1)?.pop().filter(|(key, _)| key.as_slice() < before)
        {
            self.pending.insert(key.clone(), None);
            after = Some(key);
        }
        Ok(())
    }
}
