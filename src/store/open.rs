//! Opening a tenant's state folder: the lock, a look at the journal, and what to do when it can't be believed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::cache::{BROKEN_MARK, Cache, RowSpace};
use super::error::{Notice, StoreError};
use super::handle::TenantStore;
use super::journal::{Appender, Cut, Disk, Look, RealDisk, SEGMENT_BYTES, Segment, cut_off, look};
use super::notes::Leased;
use super::record::{JournalEvent, Record};
use super::state::{INDEX, ReadStore, Store};
use super::tail::Tail;
use super::writer::{JournalWriter, WriterWork};
use super::{FORMAT, disk};
use crate::clock::{Clock, SystemClock};
use crate::files;

/// Everything in a state folder that is moved aside together when the journal is damaged.
pub(super) const STATE: [&str; 7] =
    ["journal", "cache", "cache-broken", "index", "sightings", "status.json", BROKEN_MARK];

/// What a test may change about the machine.
pub(super) struct Machine {
    pub(super) disk: Box<dyn Disk>,
    pub(super) segment_bytes: u64,
    /// Rows in memory, and no thread: a world that a seed replays.
    #[cfg(test)]
    pub(super) simulated: bool,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            disk: Box::new(RealDisk),
            segment_bytes: SEGMENT_BYTES,
            #[cfg(test)]
            simulated: false,
        }
    }
}

impl Store {
    /// See [`TenantStore::open`].
    pub(super) fn open_on(
        machine: Machine,
        state: &TenantStore,
        who: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Vec<Notice>), StoreError> {
        let (folder, tenant) = (state.folder(), state.name.to_string());
        let leased = state.notes.lease(who)?;
        disk::sweep(&[&folder, &folder.join("journal"), &folder.join("decisions")]);
        let cache = folder.join("cache");
        if let Err(error) = disk::narrow_all(&cache) {
            // The folder above is closed to others all the same.
            tracing::warn!(%error, "files in {} may be open to other users", cache.display());
        }
        let opening =
            Opening { folder: &folder, leased: &leased, tenant: &tenant, now: clock.now(), notices: Vec::new() };
        let place = RowSpace::Folder(cache);
        #[cfg(test)]
        let (place, simulated) = if machine.simulated { (RowSpace::Memory, true) } else { (place, false) };
        let (found, notices) = opening.open(machine)?;
        let OpenedJournal { appender, tail } = found;
        let expected = tail.last_effects() > 0;
        let cache = Arc::new(Cache::new(place, &folder, tail.seq, expected));
        let tail = Arc::new(Mutex::new(tail));
        let work = WriterWork { appender, tail: Arc::clone(&tail), cache: Arc::clone(&cache) };
        let start = JournalWriter::start;
        #[cfg(test)]
        let start = if simulated { |work| Ok(JournalWriter::inline(work)) } else { start };
        let writer = start(work).map_err(|source| StoreError::io("start the journal's thread for", &folder, source))?;
        let last_ok = leased.status()?.and_then(|status| status.last_ok);
        Ok((Self::new(writer, cache, tail, clock, tenant, last_ok, leased), notices))
    }
}

impl TenantStore {
    /// The state for reading; where there is none, that of a new tenant, in which nothing is known of the app.
    ///
    /// # Errors
    /// As [`TenantStore::read`].
    pub fn read_or_new(&self) -> Result<ReadStore, StoreError> {
        if let Some(state) = self.read()? {
            return Ok(state);
        }
        let event =
            JournalEvent::Opened { tenant: self.name.to_string(), format: FORMAT, why: "new tenant".to_owned() };
        let record = Record { seq: 1, prev: String::new(), at: SystemClock.now(), event, was: None };
        let mut tail = Tail::default();
        tail.record(&record, "");
        Ok(ReadStore::new(Cache::new(RowSpace::Memory, &self.folder(), 0, false), tail, self.notes.clone()))
    }
}

impl ReadStore {
    /// See [`TenantStore::read`].
    pub(super) fn open(state: &TenantStore) -> Result<Option<Self>, StoreError> {
        let folder = state.folder();
        match look(&folder.join("journal"), state.name.as_str())? {
            Look::Nothing => Ok(None),
            Look::Newer(found) => Err(StoreError::Newer { folder, found, known: FORMAT }),
            Look::Damaged(why) => Err(StoreError::Damaged(why)),
            Look::Whole { tail, .. } => {
                let cache = Cache::new(RowSpace::Memory, &folder, tail.seq, tail.last_effects() > 0);
                Ok(Some(Self::new(cache, *tail, state.notes.clone())))
            }
        }
    }
}

/// A journal that can be gone on with.
struct OpenedJournal {
    appender: Appender,
    tail: Tail,
}

struct Opening<'a> {
    folder: &'a Path,
    leased: &'a Leased,
    tenant: &'a str,
    now: Timestamp,
    notices: Vec<Notice>,
}

impl Opening<'_> {
    fn open(mut self, machine: Machine) -> Result<(OpenedJournal, Vec<Notice>), StoreError> {
        let journal = self.folder.join("journal");
        let found = look(&journal, self.tenant)?;
        let marked = files::read_to_string(&self.folder.join(BROKEN_MARK), files::SMALL).ok();
        let found = match (found, marked) {
            (Look::Newer(found), _) => {
                return Err(StoreError::Newer { folder: self.folder.to_owned(), found, known: FORMAT });
            }
            (Look::Whole { .. } | Look::Nothing, Some(why)) | (Look::Damaged(why), _) => {
                self.start_over(machine, why)?
            }
            (Look::Whole { tail, last, cut }, None) => self.go_on(machine, *tail, &last, cut)?,
            (Look::Nothing, None) if self.has_leftovers() => {
                self.start_over(machine, "the journal is missing, other state is there".to_owned())?
            }
            (Look::Nothing, None) => {
                self.notices.push(Notice::New);
                self.begin(machine, "there was no state: a new tenant, or its state was lost")?
            }
        };
        Ok((found, self.notices))
    }

    fn has_leftovers(&self) -> bool {
        STATE.iter().any(|name| *name != "journal" && self.folder.join(name).exists())
    }

    fn begin(&self, machine: Machine, why: &str) -> Result<OpenedJournal, StoreError> {
        let journal = self.folder.join("journal");
        disk::private_folder(&journal).map_err(|source| StoreError::io("make", &journal, source))?;
        let Machine { disk, segment_bytes, .. } = machine;
        let (appender, first) = Appender::begin(disk, &journal, self.tenant, why, self.now, segment_bytes)?;
        let mut tail = Tail::default();
        tail.record(&first.record, &first.hash);
        Ok(OpenedJournal { appender, tail })
    }

    /// Goes on with a journal, after cutting off what a crash left behind.
    fn go_on(
        &mut self,
        machine: Machine,
        mut tail: Tail,
        last: &Segment,
        cut: Option<Cut>,
    ) -> Result<OpenedJournal, StoreError> {
        if let Some(cut) = cut {
            let journal = self.folder.join("journal");
            let (kept, bytes) =
                cut_off(&journal, &cut, tail.seq).map_err(|source| StoreError::io("repair", &cut.path, source))?;
            self.notices.push(Notice::TornTail { after: tail.seq, bytes, kept });
        }
        let mut appender = Appender::resume(machine.disk, last, self.tenant, &tail, machine.segment_bytes)?;
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
    fn start_over(&mut self, machine: Machine, why: String) -> Result<OpenedJournal, StoreError> {
        let to = self
            .move_aside()
            .map_err(|source| StoreError::io("move the damaged state away in", self.folder, source))?;
        let found = self.begin(machine, &format!("the state was damaged: {why}"))?;
        self.notices.push(Notice::MovedAside { why, to });
        Ok(found)
    }

    /// The journal goes first and the mark last: a crash in between leaves what the next opening moves aside as well.
    fn move_aside(&self) -> std::io::Result<PathBuf> {
        let to = disk::free_name(self.folder, &format!("damaged-{}", self.now.strftime("%Y%m%dT%H%M%SZ")));
        disk::private_folder(&to)?;
        for name in STATE {
            let from = self.folder.join(name);
            if fs::symlink_metadata(&from).is_ok() {
                fs::rename(from, to.join(name))?;
                disk::sync_folder(self.folder)?;
            }
        }
        disk::sync_folder(&to)?;
        Ok(to)
    }
}
