//! The cache: rows that follow the journal. In: records, in order. Out: rows, opened only when somebody asks.
//!
//! Whatever is wrong with it, it is moved aside and folded anew: the journal is the truth.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::backend::{BROKEN_MARK, Log};
use super::error::{Notice, StoreError};
use super::fold::{Fold, Meta};
use super::journal::{Entry, ReadError, Reader};
use super::notes::Leased;
use super::record::JournalEvent;
use super::rows::{MemoryRowSpace, RowSpace, Rows, RowsError};
use super::tail::Tail;

pub(super) struct Cache {
    space: Box<dyn RowSpace>,
    log: Arc<dyn Log>,
    /// Of the process that writes, which says what it finds broken.
    leased: Option<Leased>,
    /// Up to here the journal can be read.
    written: AtomicU64,
    /// Whether the journal had effects when it was opened: then a cache that is not there was lost.
    expected: bool,
    open: Mutex<CacheSlot>,
    notices: Mutex<Vec<Notice>>,
}

enum CacheSlot {
    /// Nobody asked yet.
    Closed,
    /// Rows that follow the journal.
    Open(Box<OpenCache>),
    /// They could not follow. The next reader tries again and is told why not; appending does not.
    Stuck,
}

struct OpenCache {
    rows: Arc<dyn Rows>,
    fold: Fold,
}

/// What catching up took.
struct Folded {
    /// The last record that was folded before.
    from: u64,
    /// How many were folded now.
    records: u64,
}

/// Why rows can't be had.
enum OpenError {
    /// Move it aside and fold anew.
    Cache(String),
    /// An earlier version wrote it: it is folded anew, and nothing is wrong.
    OfBefore,
    /// It would not help.
    Other(StoreError),
}

impl From<RowsError> for OpenError {
    fn from(error: RowsError) -> Self {
        match error {
            RowsError::Damaged(why) => Self::Cache(why),
            error @ (RowsError::Io(_) | RowsError::Place(_)) => Self::Other(error.into()),
        }
    }
}

impl Cache {
    /// The rows of a tenant's holder, for a journal that adds up to this.
    pub(super) fn held(space: Box<dyn RowSpace>, log: Arc<dyn Log>, leased: Leased, tail: &Tail) -> Self {
        let expected = space.is_lasting() && tail.last_effects() > 0;
        Self::of(space, log, Some(leased), tail.seq, expected)
    }

    /// Rows in memory for a reader, folded from the records of a journal up to this one.
    pub(super) fn beside(log: Arc<dyn Log>, written: u64) -> Self {
        Self::of(Box::new(MemoryRowSpace), log, None, written, false)
    }

    fn of(space: Box<dyn RowSpace>, log: Arc<dyn Log>, leased: Option<Leased>, written: u64, expected: bool) -> Self {
        let (open, notices) = (Mutex::new(CacheSlot::Closed), Mutex::default());
        Self { space, log, leased, written: AtomicU64::new(written), expected, open, notices }
    }

    /// Takes in records that were just appended. Stays closed as long as none of them says anything about the app.
    ///
    /// Does not fail: the journal has the records. Rows that can't follow are closed, and the next reader opens them anew or
    /// is told why not.
    pub(super) fn follow(&self, entries: &[Entry]) {
        let Some(last) = entries.last() else { return };
        let mut guard = self.lock();
        self.written.store(last.record.seq, Ordering::Release);
        let followed = match &mut *guard {
            CacheSlot::Open(open) => open.follow(entries).map_err(OpenError::from),
            CacheSlot::Closed if entries.iter().any(|entry| has_effects(&entry.record.event)) => {
                self.open_rows().map(|open| *guard = CacheSlot::Open(Box::new(open))).map_err(OpenError::Other)
            }
            CacheSlot::Closed | CacheSlot::Stuck => Ok(()),
        };
        let Err(error) = followed else { return };
        *guard = CacheSlot::Stuck;
        let why = match error {
            OpenError::Other(error) => error.to_string(),
            OpenError::OfBefore => "an earlier version wrote it".to_owned(),
            OpenError::Cache(why) => match self.space.set_aside() {
                Ok(()) => why,
                Err(error) => format!("{why}; {error}"),
            },
        };
        self.notify(Notice::CacheBehind { why });
    }

    /// Reads rows; damaged ones are folded anew once and read again.
    pub(super) fn read<T>(&self, read: impl Fn(&dyn Rows) -> Result<T, RowsError>) -> Result<T, StoreError> {
        let rows = self.rows()?;
        match read(&*rows) {
            Err(RowsError::Damaged(why)) => {
                self.give_up(&rows, &why)?;
                Ok(read(&*self.rows()?)?)
            }
            done => Ok(done?),
        }
    }

    /// Returns when everything followed is on the disk. Nothing to do while closed.
    pub(super) fn flush(&self) {
        let guard = self.lock();
        if let CacheSlot::Open(open) = &*guard
            && let Err(error) = open.rows.flush()
        {
            self.notify(Notice::CacheBehind { why: StoreError::from(error).to_string() });
        }
    }

    /// Whether rows are open: a quiet cycle leaves them closed.
    pub(super) fn is_open(&self) -> bool {
        matches!(&*self.lock(), CacheSlot::Open(_))
    }

    /// Moves the cache aside and folds it anew.
    pub(super) fn rebuild(&self, why: &str) -> Result<(), StoreError> {
        self.replace(&mut self.lock(), why)
    }

    fn replace(&self, slot: &mut CacheSlot, why: &str) -> Result<(), StoreError> {
        // Closed before it is moved.
        *slot = CacheSlot::Stuck;
        self.space.set_aside()?;
        *slot = CacheSlot::Open(Box::new(self.fold_anew(why)?));
        Ok(())
    }

    pub(super) fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock(&self) -> MutexGuard<'_, CacheSlot> {
        // A panic while folding leaves pending rows behind: they are dropped, the stored ones are whole.
        self.open.lock().unwrap_or_else(|poisoned| {
            let mut guard = poisoned.into_inner();
            *guard = CacheSlot::Stuck;
            self.open.clear_poison();
            guard
        })
    }

    fn notify(&self, notice: Notice) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
    }

    fn rows(&self) -> Result<Arc<dyn Rows>, StoreError> {
        let mut guard = self.lock();
        if let CacheSlot::Open(open) = &*guard {
            return Ok(Arc::clone(&open.rows));
        }
        let open = self.open_rows()?;
        let rows = Arc::clone(&open.rows);
        *guard = CacheSlot::Open(Box::new(open));
        Ok(rows)
    }

    /// Closes and moves aside rows that a reader found damaged, unless somebody else did so already.
    fn give_up(&self, found: &Arc<dyn Rows>, why: &str) -> Result<(), StoreError> {
        let mut guard = self.lock();
        if matches!(&*guard, CacheSlot::Open(open) if !Arc::ptr_eq(&open.rows, found)) {
            return Ok(());
        }
        self.replace(&mut guard, why)
    }

    /// Opens what is there and lets it catch up; folds anew if it can't be believed.
    fn open_rows(&self) -> Result<OpenCache, StoreError> {
        if !self.space.exists() {
            return self.fold_anew(if self.expected { "it was missing" } else { "" });
        }
        match self.catch_up() {
            Err(OpenError::OfBefore) => {
                self.space.remove()?;
                self.fold_anew("")
            }
            Ok((open, folded)) => {
                // sled presents some damage as an empty database; so does a crash before its first flush.
                if self.expected && folded.from == 0 {
                    self.notify(Notice::CacheRebuilt { why: "it was empty".to_owned(), records: folded.records });
                }
                Ok(open)
            }
            Err(OpenError::Other(error)) => Err(error),
            Err(OpenError::Cache(why)) => {
                self.space.set_aside()?;
                self.fold_anew(&why)
            }
        }
    }

    /// Folds the whole journal into new rows. `why` is told to the operator, if there is anything to tell.
    fn fold_anew(&self, why: &str) -> Result<OpenCache, StoreError> {
        match self.catch_up() {
            Ok((open, folded)) => {
                if !why.is_empty() {
                    self.notify(Notice::CacheRebuilt { why: why.to_owned(), records: folded.records });
                }
                Ok(open)
            }
            Err(OpenError::Other(error)) => Err(error),
            Err(OpenError::Cache(why)) => Err(StoreError::Cache(why)),
            Err(OpenError::OfBefore) => Err(StoreError::Cache("an earlier version wrote it".to_owned())),
        }
    }

    /// Opens the rows and folds what the journal has and they do not.
    fn catch_up(&self) -> Result<(OpenCache, Folded), OpenError> {
        let rows = self.space.open()?;
        if Meta::read(&*rows)?.is_of_before() {
            return Err(OpenError::OfBefore);
        }
        let mut fold = Fold::resume(&*rows)?;
        let segments = self.log.segments().map_err(OpenError::Other)?;
        let written = self.written.load(Ordering::Acquire);
        let from = fold.meta().seq;
        if from > written {
            return Err(OpenError::Cache(format!("it knows of record {from}, the journal ends at {written}")));
        }
        for entry in Reader::around(Arc::clone(&self.log), segments, from.max(1)) {
            let entry = entry.map_err(|error| match error {
                ReadError::Broken(broken) => OpenError::Other(self.mark_broken(&broken.describe())),
                ReadError::Disk(error) => OpenError::Other(error),
            })?;
            let seq = entry.record.seq;
            if seq == from && entry.hash != fold.meta().hash {
                return Err(OpenError::Cache(format!("it belongs to a journal with another record {seq}")));
            }
            if seq > from {
                fold.record(&*rows, &entry.record, &entry.hash)?;
            }
            if seq >= written {
                // What comes after may be half written.
                break;
            }
        }
        let reached = fold.meta().seq;
        if reached < written {
            let why = format!("it ends at record {reached}, {written} were written");
            return Err(OpenError::Other(self.mark_broken(&why)));
        }
        fold.commit(&*rows)?;
        Ok((OpenCache { rows, fold }, Folded { from, records: written - from }))
    }

    /// Leaves word that the journal is broken where nobody had looked yet.
    fn mark_broken(&self, why: &str) -> StoreError {
        let marked = self.leased.as_ref().map(|leased| leased.put_file(BROKEN_MARK, Some(why.as_bytes())));
        match marked {
            Some(Err(error)) => error,
            Some(Ok(())) | None => StoreError::Damaged(why.to_owned()),
        }
    }
}

impl OpenCache {
    fn follow(&mut self, entries: &[Entry]) -> Result<(), RowsError> {
        for Entry { record, hash } in entries {
            // Rows that were opened after these records were written have them already.
            if record.seq > self.fold.meta().seq {
                self.fold.record(&*self.rows, record, hash)?;
            }
        }
        self.fold.commit(&*self.rows)
    }
}

fn has_effects(event: &JournalEvent) -> bool {
    match event {
        JournalEvent::Outcome { effects, .. } | JournalEvent::Noted { effects, .. } => !effects.is_empty(),
        _ => false,
    }
}
