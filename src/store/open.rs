//! Opening a tenant's state: the lease, a look at the journal, and what to do when it can't be believed. What comes in is a
//! tenant's store; what goes out is its state, open, with what was found and mended.
//!
//! Where the state lies is the backend's business.

use std::io;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::FORMAT;
use super::backend::{BROKEN_MARK, INDEX, Log, LogSegment};
use super::baseline::Baseline;
use super::cache::Cache;
use super::error::{Notice, StoreError};
use super::handle::TenantStore;
use super::journal::{Appender, Look, look};
use super::notes::Leased;
use super::record::{JournalEvent, Record};
use super::state::{ReadStore, Store};
use super::tail::Tail;
use super::writer::{JournalWriter, WriterWork};
use crate::clock::{Clock, SystemClock};

impl TenantStore {
    /// Opens the state for writing; makes it if there is none. `who` is the command, shown to whoever finds the tenant busy.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another process has it, [`StoreError::Newer`] when a newer rosterd wrote it, or the disk's
    /// error. Damage is no error: it is moved aside, and [`StateView::health`](super::StateView::health) says adopt-only.
    pub fn open(&self, who: &str, clock: Arc<dyn Clock>) -> Result<(Store, Vec<Notice>), StoreError> {
        self.open_with(JournalWriter::start, who, clock)
    }

    /// The same with a way to begin writing.
    pub(super) fn open_with(
        &self,
        start: impl FnOnce(WriterWork) -> io::Result<JournalWriter>,
        who: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<(Store, Vec<Notice>), StoreError> {
        let leased = self.notes.lease(who)?;
        let (log, tenant) = (self.log(), self.name.to_string());
        let opening = Opening { state: self, log: &log, leased: &leased, now: clock.now(), notices: Vec::new() };
        let (OpenedJournal { appender, tail }, notices) = opening.open()?;
        let rows = leased.backend.rows(&leased.lease);
        let cache = Arc::new(Cache::held(rows, log, leased.clone(), &tail));
        let tail = Arc::new(Mutex::new(tail));
        let work = WriterWork { appender, tail: Arc::clone(&tail), cache: Arc::clone(&cache) };
        let failed =
            |source| StoreError::Io { what: format!("start the journal's thread for {}", leased.place("")), source };
        let writer = start(work).map_err(failed)?;
        let last_ok = Mutex::new(leased.status()?.and_then(|status| status.last_ok));
        Ok((Store { writer, cache, tail, clock, tenant, last_ok, leased }, notices))
    }

    /// Opens the state for reading, beside a process that writes. Nothing on the disk is touched; rows are folded into memory
    /// when somebody asks for them. The view is that of this moment. `None` if there is no state.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Damaged`] or the disk's error.
    pub fn read(&self) -> Result<Option<ReadStore>, StoreError> {
        let log = self.log();
        match look(&log, self.name.as_str())? {
            Look::Nothing => Ok(None),
            Look::Newer(found) => Err(self.newer(found)),
            Look::Damaged(why) => Err(StoreError::Damaged(why)),
            Look::Whole { tail, .. } => {
                let (cache, notes) = (Cache::beside(log, tail.seq), self.notes.clone());
                Ok(Some(ReadStore { cache, tail: *tail, notes }))
            }
        }
    }

    /// The state for reading; where there is none, that of a new tenant, in which nothing is known of the app.
    ///
    /// # Errors
    /// As [`TenantStore::read`].
    pub fn read_or_new(&self) -> Result<ReadStore, StoreError> {
        if let Some(state) = self.read()? {
            return Ok(state);
        }
        let event = JournalEvent::Opened {
            tenant: self.name.to_string(),
            format: FORMAT,
            why: "new tenant".to_owned(),
            replaces: false,
        };
        let record = Record { seq: 1, prev: String::new(), at: SystemClock.now(), event, was: None };
        let mut tail = Tail::default();
        tail.record(&record, "");
        Ok(ReadStore { cache: Cache::beside(self.log(), 0), tail, notes: self.notes.clone() })
    }

    /// Whether the tenant's first sync is still to come. A state that can't be read is one of a tenant that was synced: what is wrong with it is
    /// reported where it is opened.
    pub fn awaits_first_sync(&self) -> bool {
        match self.read() {
            Ok(Some(state)) => Baseline::first_sync_waits(&state),
            Ok(None) => true,
            Err(_) => false,
        }
    }
}

/// A journal that can be gone on with.
struct OpenedJournal {
    appender: Appender,
    tail: Tail,
}

struct Opening<'a> {
    state: &'a TenantStore,
    log: &'a Arc<dyn Log>,
    leased: &'a Leased,
    now: Timestamp,
    notices: Vec<Notice>,
}

impl Opening<'_> {
    fn open(mut self) -> Result<(OpenedJournal, Vec<Notice>), StoreError> {
        let found = look(self.log, self.state.name.as_str())?;
        let marked = self.leased.read(BROKEN_MARK)?.map(|why| String::from_utf8_lossy(&why).into_owned());
        let found = match (found, marked) {
            (Look::Newer(found), _) => return Err(self.state.newer(found)),
            (Look::Whole { .. } | Look::Nothing, Some(why)) | (Look::Damaged(why), _) => self.start_over(why)?,
            (Look::Whole { tail, last, cut }, None) => self.go_on(*tail, &last, cut)?,
            (Look::Nothing, None) if self.leased.backend.archive().has_leftovers(&self.state.name) => {
                self.start_over("the journal is missing, other state is there".to_owned())?
            }
            (Look::Nothing, None) => {
                self.notices.push(Notice::New);
                self.begin("there was no state: a new tenant, or its state was lost", false)?
            }
        };
        Ok((found, self.notices))
    }

    fn begin(&self, why: &str, replaces: bool) -> Result<OpenedJournal, StoreError> {
        let name = self.state.name.as_str();
        let (appender, first) = Appender::begin(&**self.log, &self.leased.lease, name, (why, replaces), self.now)?;
        let mut tail = Tail::default();
        tail.record(&first.record, &first.hash);
        Ok(OpenedJournal { appender, tail })
    }

    /// Goes on with a journal, after cutting off what a crash left behind.
    fn go_on(&mut self, mut tail: Tail, last: &LogSegment, cut: Option<u64>) -> Result<OpenedJournal, StoreError> {
        let lease = &self.leased.lease;
        if let Some(whole) = cut {
            let (kept, bytes) = self.log.cut(lease, last, whole, tail.seq)?;
            self.notices.push(Notice::TornTail { after: tail.seq, bytes, kept });
        }
        let mut appender = Appender::resume(&**self.log, lease, last, self.state.name.as_str(), &tail)?;
        let known = self.leased.status()?.map_or(0, |status| status.seq);
        if known > tail.seq {
            let why = format!("the journal ends at record {}, the last run had written {known}", tail.seq);
            self.notices.push(Notice::Behind { why: why.clone() });
            for entry in appender.append(vec![(self.now, JournalEvent::Doubted { why, losses_unknown: true })])? {
                let entry = entry?;
                tail.record(&entry.record, &entry.hash);
            }
            appender.sync()?;
            // Its number has been used up by another history.
            self.leased.forget_status()?;
            self.leased.put_file(INDEX, None)?;
        }
        Ok(OpenedJournal { appender, tail })
    }

    /// Moves all state aside and begins a new journal, in which nothing is trusted yet.
    fn start_over(&mut self, why: String) -> Result<OpenedJournal, StoreError> {
        let name = format!("damaged-{}", self.now.strftime("%Y%m%dT%H%M%SZ"));
        let to = self.leased.backend.archive().set_aside(&self.leased.lease, &name)?;
        let found = self.begin(&format!("the state was damaged: {why}"), true)?;
        self.notices.push(Notice::MovedAside { why, to });
        Ok(found)
    }
}
