//! The cache: rows that follow the journal. In: records, in order. Out: rows, opened only when somebody asks.
//!
//! Whatever is wrong with it, it is moved aside and folded anew: the journal is the truth.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk;
use super::error::{Notice, StoreError};
use super::fold::{Fold, Meta};
use super::journal::{Entry, ReadError, Reader, segments};
use super::record::JournalEvent;
use super::rows::{LateRows, MemoryRows, Rows, RowsError, SledRows};

/// Written beside the journal when it was found broken while being read: the next opening moves everything aside.
pub(super) const BROKEN_MARK: &str = "journal-broken";

/// Where rows lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowSpace {
    /// In this folder, and in no other process.
    Folder(PathBuf),
    /// In memory, by a reader beside the process that writes.
    Memory,
}

pub(super) struct Cache {
    place: RowSpace,
    /// The tenant's state folder.
    folder: PathBuf,
    /// Up to here the journal's files can be read.
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
            error @ RowsError::Io(_) => Self::Other(error.into()),
        }
    }
}

impl Cache {
    pub(super) fn new(place: RowSpace, folder: &Path, written: u64, expected: bool) -> Self {
        Self {
            place,
            folder: folder.to_owned(),
            written: AtomicU64::new(written),
            expected,
            open: Mutex::new(CacheSlot::Closed),
            notices: Mutex::new(Vec::new()),
        }
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
            OpenError::Cache(why) => match self.set_aside() {
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
        let mut guard = self.lock();
        // Closed before it is moved.
        *guard = CacheSlot::Stuck;
        self.set_aside()?;
        *guard = CacheSlot::Open(Box::new(self.fold_anew(why)?));
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
        // Closed before it is moved.
        *guard = CacheSlot::Stuck;
        self.set_aside()?;
        *guard = CacheSlot::Open(Box::new(self.fold_anew(why)?));
        Ok(())
    }

    /// Opens what is there and lets it catch up; folds anew if it can't be believed.
    fn open_rows(&self) -> Result<OpenCache, StoreError> {
        let RowSpace::Folder(path) = &self.place else { return self.fold_anew("") };
        if !path.exists() {
            return self.fold_anew(if self.expected { "it was missing" } else { "" });
        }
        match self.open_place().and_then(|rows| self.catch_up(rows)) {
            Err(OpenError::OfBefore) => {
                match fs::remove_dir_all(path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(StoreError::io("remove", path, error));
                    }
                    _ => {}
                }
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
                self.set_aside()?;
                self.fold_anew(&why)
            }
        }
    }

    /// Folds the whole journal into new rows. `why` is told to the operator, if there is anything to tell.
    fn fold_anew(&self, why: &str) -> Result<OpenCache, StoreError> {
        match self.open_place().and_then(|rows| self.catch_up(rows)) {
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

    fn open_place(&self) -> Result<Arc<dyn Rows>, OpenError> {
        match &self.place {
            RowSpace::Memory => Ok(Arc::new(MemoryRows::default())),
            RowSpace::Folder(path) => {
                disk::private_folder(path).map_err(|error| OpenError::Other(StoreError::io("make", path, error)))?;
                Ok(Arc::new(LateRows::before(SledRows::open(path)?)))
            }
        }
    }

    /// Folds what the journal has and the rows do not.
    fn catch_up(&self, rows: Arc<dyn Rows>) -> Result<(OpenCache, Folded), OpenError> {
        if Meta::read(&*rows)?.is_of_before() {
            return Err(OpenError::OfBefore);
        }
        let mut fold = Fold::resume(&*rows)?;
        let journal = self.folder.join("journal");
        let files = segments(&journal).map_err(|error| OpenError::Other(StoreError::io("read", &journal, error)))?;
        let written = self.written.load(Ordering::Acquire);
        let from = fold.meta().seq;
        if from > written {
            return Err(OpenError::Cache(format!("it knows of record {from}, the journal ends at {written}")));
        }
        for entry in Reader::around(files, from.max(1)) {
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
        if self.place != RowSpace::Memory {
            let path = self.folder.join(BROKEN_MARK);
            if let Err(source) = disk::replace(&path, &mut |out| out.write_all(why.as_bytes())) {
                return StoreError::io("write", &path, source);
            }
        }
        StoreError::Damaged(why.to_owned())
    }

    /// Moves the folder aside, for whoever wants to know why; only the last one is kept.
    fn set_aside(&self) -> Result<(), StoreError> {
        let RowSpace::Folder(path) = &self.place else { return Ok(()) };
        let aside = self.folder.join("cache-broken");
        let failed = |source| StoreError::io("move away", path, source);
        match fs::remove_dir_all(&aside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        match fs::rename(path, &aside) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            moved => moved.and_then(|()| disk::sync_folder(&self.folder)).map_err(failed),
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
