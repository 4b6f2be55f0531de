//! States in memory, as a database keeps them: a lease has the highest epoch of its area, and what comes with another one is
//! refused. For tests: nothing of it outlives the last of its handles.
//!
//! It shows what a backend needs, and that none of it is a folder.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, Cursor};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::backend::{
    Archive, Area, Backend, Before, DECISIONS, Documents, HELD, Hold, Lease, Lines, Log, LogEnd, LogSegment,
    OF_THE_LOG, Signed,
};
use super::super::error::StoreError;
use super::super::rows::{MemoryRowSpace, MemoryRows, RowSpace, Rows, RowsError};
use super::super::surroundings::Surroundings;
use crate::model::TenantName;

/// A segment of a log is full when it has so many bytes: few, so that many logs have several.
const SEGMENT_BYTES: usize = 20_000;

/// States in memory.
#[derive(Clone, Default)]
pub(super) struct InMemory(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    epoch: u64,
    held: BTreeMap<Area, (u64, String)>,
    documents: BTreeMap<(Area, String), Vec<u8>>,
    /// The segments of logs by the numbers of their first records.
    logs: BTreeMap<Place, BTreeMap<u64, Vec<u8>>>,
    rows: BTreeMap<Place, Arc<MemoryRows>>,
}

/// A tenant, and a name for a log or rows of it.
type Place = (TenantName, String);

/// The names of what is in use, of a log on its way, and of rows that were broken.
const IN_USE: &str = "in use";
const DRAFT: &str = "draft";
const BROKEN: &str = "broken";

impl InMemory {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of a lease is over, whatever its holder thinks.
    pub(super) fn expire(&self, area: &Area) {
        self.kept().held.remove(area);
    }

    /// What there is, if the lease is still the area's: looked at and changed in one step, as in a transaction.
    fn fenced(&self, area: &Area, epoch: u64) -> Result<MutexGuard<'_, Kept>, StoreError> {
        let kept = self.kept();
        match kept.held.get(area) {
            Some((now, _)) if *now == epoch => Ok(kept),
            _ => Err(StoreError::LockLost { file: "memory".into() }),
        }
    }

    fn of_tenant(&self, lease: &Lease) -> Result<(MutexGuard<'_, Kept>, TenantName), StoreError> {
        let Area::Tenant(tenant) = &lease.area else {
            return Err(StoreError::Refused("only a tenant has a state".to_owned()));
        };
        Ok((self.fenced(&lease.area, lease.epoch)?, tenant.clone()))
    }
}

impl fmt::Display for InMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}

struct Held(InMemory, Area, u64);

impl Hold for Held {
    fn still_held(&self, epoch: u64) -> Result<(), StoreError> {
        self.0.fenced(&self.1, epoch).map(drop)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Ok(mut kept) = self.0.fenced(&self.1, self.2) {
            kept.held.remove(&self.1);
        }
    }
}

impl Backend for InMemory {
    fn tenants(&self) -> Result<Vec<TenantName>, StoreError> {
        let kept = self.kept();
        let in_use = kept.logs.keys().filter(|(_, name)| name == IN_USE);
        Ok(in_use.map(|(tenant, _)| tenant.clone()).collect())
    }

    fn lease(&self, area: &Area, who: &str) -> Result<Lease, StoreError> {
        let mut kept = self.kept();
        if let Some((_, holder)) = kept.held.get(area) {
            return Err(StoreError::Busy { folder: "memory".into(), holder: holder.clone() });
        }
        kept.epoch += 1;
        let epoch = kept.epoch;
        kept.held.insert(area.clone(), (epoch, who.to_owned()));
        drop(kept);
        Ok(Lease { area: area.clone(), epoch, hold: Box::new(Held(self.clone(), area.clone(), epoch)) })
    }

    fn holder(&self, area: &Area) -> Option<String> {
        self.kept().held.get(area).map(|(_, holder)| holder.clone())
    }

    fn documents(&self) -> &dyn Documents {
        self
    }

    fn log(&self, tenant: &TenantName) -> Arc<dyn Log> {
        Arc::new(MemoryLog(self.clone(), (tenant.clone(), IN_USE.to_owned())))
    }

    fn rows(&self, lease: &Lease) -> Box<dyn RowSpace> {
        match &lease.area {
            Area::Tenant(tenant) => Box::new(KeptRows(self.clone(), tenant.clone())),
            Area::Imports(_) | Area::Daemon => Box::new(MemoryRowSpace),
        }
    }

    fn archive(&self) -> &dyn Archive {
        self
    }

    fn link_alone(&self) -> Result<Box<dyn Any + Send + Sync>, StoreError> {
        Ok(Box::new(()))
    }

    fn surroundings(&self, _: Option<&TenantName>) -> Surroundings {
        let (unwritable, network, free, holder) = Default::default();
        Surroundings { place: "memory".into(), exists: true, unwritable, network, free, holder }
    }

    fn place(&self, area: &Area, name: &str) -> String {
        format!("{area:?} {name}")
    }

    fn socket(&self) -> PathBuf {
        PathBuf::new()
    }

    fn owner(&self) -> Option<u32> {
        None
    }
}

impl Documents for InMemory {
    fn read(&self, area: &Area, name: &str, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.kept().documents.get(&(area.clone(), name.to_owned())).cloned();
        match found {
            Some(found) if found.len() as u64 > most => Err(StoreError::Refused("too long".to_owned())),
            found => Ok(found),
        }
    }

    fn put(&self, lease: &Lease, name: &str, document: Option<&[u8]>) -> Result<(), StoreError> {
        self.fenced(&lease.area, lease.epoch)?.put(&lease.area, name, document);
        Ok(())
    }

    fn swap(&self, area: &Area, name: &str, before: Before<'_>, after: Option<&[u8]>) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        if let Before::Is(before) = before
            && kept.documents.get(&(area.clone(), name.to_owned())).map(Vec::as_slice) != before
        {
            return Ok(false);
        }
        kept.put(area, name, after);
        Ok(true)
    }

    fn names(&self, area: &Area, folder: &str) -> Result<Vec<String>, StoreError> {
        let below = format!("{folder}/");
        let kept = self.kept();
        let own = kept.documents.keys().filter(|(of, _)| of == area);
        Ok(own.filter_map(|(_, name)| name.strip_prefix(&below)).map(str::to_owned).collect())
    }

    fn signed(&self, area: &Area, folder: &str, most: u64) -> Result<Vec<Signed>, StoreError> {
        let read = |name: String| {
            let name = format!("{folder}/{name}");
            let found = self.read(area, &name, most).map_err(|error| error.to_string());
            Signed { name, found: found.map(|text| (text.unwrap_or_default(), 0)) }
        };
        Ok(self.names(area, folder)?.into_iter().map(read).collect())
    }

    fn lines(&self, lease: &Lease, name: &str, whole: u64) -> Result<Box<dyn Lines>, StoreError> {
        let mut text = self.read(&lease.area, name, u64::MAX)?.unwrap_or_default();
        text.truncate(whole as usize);
        self.put(lease, name, Some(&text))?;
        Ok(Box::new(Growing(self.clone(), (lease.area.clone(), name.to_owned()), lease.epoch)))
    }
}

impl Kept {
    fn put(&mut self, area: &Area, name: &str, document: Option<&[u8]>) {
        let key = (area.clone(), name.to_owned());
        match document {
            Some(document) => drop(self.documents.insert(key, document.to_vec())),
            None => drop(self.documents.remove(&key)),
        }
    }

    /// Takes away what was made of a log, and with `about` what was planned by it, too.
    fn forget_leftovers(&mut self, tenant: &TenantName, about: bool) {
        self.rows.retain(|(of, _), _| of != tenant);
        let area = Area::Tenant(tenant.clone());
        self.documents.retain(|(of, name), _| {
            let is_about = name == HELD || name.starts_with(DECISIONS);
            *of != area || !(OF_THE_LOG.contains(&name.as_str()) || (about && is_about))
        });
    }

    /// Gives what is in use, if there is anything, a name of its own.
    fn rename(&mut self, tenant: &TenantName, from: &str, to: &str) {
        if let Some(log) = self.logs.remove(&(tenant.clone(), from.to_owned())) {
            self.logs.insert((tenant.clone(), to.to_owned()), log);
        }
    }
}

struct Growing(InMemory, (Area, String), u64);

impl fmt::Debug for Growing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.1)
    }
}

impl Lines for Growing {
    fn append(&mut self, line: &[u8]) -> Result<(), StoreError> {
        let mut kept = self.0.fenced(&self.1.0, self.2)?;
        kept.documents.entry(self.1.clone()).or_default().extend_from_slice(line);
        Ok(())
    }
}

struct MemoryLog(InMemory, Place);

impl MemoryLog {
    fn segment(&self, first: u64) -> Vec<u8> {
        let kept = self.0.kept();
        kept.logs.get(&self.1).and_then(|log| log.get(&first)).cloned().unwrap_or_default()
    }

    fn log_end(&self, lease: &Lease, first: u64) -> Box<dyn LogEnd> {
        Box::new(MemoryLogEnd { log: Self(self.0.clone(), self.1.clone()), epoch: lease.epoch, first })
    }

    fn change(&self, epoch: u64, change: impl FnOnce(&mut BTreeMap<u64, Vec<u8>>)) -> Result<(), StoreError> {
        let mut kept = self.0.fenced(&Area::Tenant(self.1.0.clone()), epoch)?;
        change(kept.logs.entry(self.1.clone()).or_default());
        Ok(())
    }
}

impl Log for MemoryLog {
    fn segments(&self) -> Result<Vec<LogSegment>, StoreError> {
        let kept = self.0.kept();
        let log = kept.logs.get(&self.1).into_iter().flatten();
        Ok(log.map(|(first, _)| LogSegment { first: *first, place: format!("memory {first}").into() }).collect())
    }

    fn open(&self, segment: &LogSegment) -> Result<Box<dyn BufRead + Send>, StoreError> {
        Ok(Box::new(Cursor::new(self.segment(segment.first))))
    }

    fn end(&self, segment: &LogSegment, most: u64) -> Result<Vec<u8>, StoreError> {
        let mut lines = self.segment(segment.first);
        let end = lines.len().saturating_sub(most as usize);
        Ok(lines.split_off(end))
    }

    fn begin(&self, lease: &Lease, line: &[u8]) -> Result<Box<dyn LogEnd>, StoreError> {
        self.change(lease.epoch, |log| *log = BTreeMap::from([(1, line.to_vec())]))?;
        Ok(self.log_end(lease, 1))
    }

    fn resume(&self, lease: &Lease, last: &LogSegment) -> Result<Box<dyn LogEnd>, StoreError> {
        Ok(self.log_end(lease, last.first))
    }

    /// A batch is written whole or not at all here.
    fn cut(&self, _: &Lease, _: &LogSegment, _: u64, _: u64) -> Result<(PathBuf, u64), StoreError> {
        Err(StoreError::Refused("nothing can be unfinished".to_owned()))
    }
}

struct MemoryLogEnd {
    log: MemoryLog,
    epoch: u64,
    /// The segment.
    first: u64,
}

impl LogEnd for MemoryLogEnd {
    fn append(&mut self, _: u64, lines: &[u8]) -> Result<(), StoreError> {
        self.log.change(self.epoch, |log| log.entry(self.first).or_default().extend_from_slice(lines))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.log.change(self.epoch, |_| {})
    }

    fn is_full(&self) -> bool {
        self.log.segment(self.first).len() >= SEGMENT_BYTES
    }

    fn next_segment(&mut self, first: u64, line: &[u8]) -> Result<(), StoreError> {
        self.first = first;
        self.log.change(self.epoch, |log| drop(log.insert(first, line.to_vec())))
    }
}

struct KeptRows(InMemory, TenantName);

impl KeptRows {
    fn place(&self, name: &str) -> Place {
        (self.1.clone(), name.to_owned())
    }
}

impl RowSpace for KeptRows {
    fn is_lasting(&self) -> bool {
        true
    }

    fn exists(&self) -> bool {
        self.0.kept().rows.contains_key(&self.place(IN_USE))
    }

    fn open(&self) -> Result<Arc<dyn Rows>, RowsError> {
        let rows = Arc::clone(self.0.kept().rows.entry(self.place(IN_USE)).or_default());
        Ok(rows)
    }

    fn remove(&self) -> Result<(), StoreError> {
        self.0.kept().rows.remove(&self.place(IN_USE));
        Ok(())
    }

    fn set_aside(&self) -> Result<(), StoreError> {
        let mut kept = self.0.kept();
        if let Some(rows) = kept.rows.remove(&self.place(IN_USE)) {
            kept.rows.insert(self.place(BROKEN), rows);
        }
        Ok(())
    }
}

impl Archive for InMemory {
    fn has_leftovers(&self, tenant: &TenantName) -> bool {
        let (kept, area) = (self.kept(), Area::Tenant(tenant.clone()));
        let is_made = |name: &&str| kept.documents.contains_key(&(area.clone(), (**name).to_owned()));
        kept.rows.keys().any(|(of, _)| of == tenant) || OF_THE_LOG.iter().any(is_made)
    }

    fn set_aside(&self, lease: &Lease, name: &str) -> Result<PathBuf, StoreError> {
        let (mut kept, tenant) = self.of_tenant(lease)?;
        kept.rename(&tenant, IN_USE, name);
        kept.forget_leftovers(&tenant, false);
        Ok(name.into())
    }

    fn draft(&self, lease: &Lease) -> Result<Arc<dyn Log>, StoreError> {
        let (mut kept, tenant) = self.of_tenant(lease)?;
        kept.rename(&tenant, DRAFT, "left-over");
        Ok(Arc::new(MemoryLog(self.clone(), (tenant, DRAFT.to_owned()))))
    }

    fn discard(&self, lease: &Lease) {
        if let Ok((mut kept, tenant)) = self.of_tenant(lease) {
            kept.logs.remove(&(tenant, DRAFT.to_owned()));
        }
    }

    fn replace(&self, lease: &Lease, name: &str) -> Result<PathBuf, StoreError> {
        let (mut kept, tenant) = self.of_tenant(lease)?;
        kept.rename(&tenant, IN_USE, name);
        kept.rename(&tenant, DRAFT, IN_USE);
        kept.forget_leftovers(&tenant, true);
        Ok(name.into())
    }

    fn erase(&self, lease: &Lease, aside: &Path) -> Result<(), StoreError> {
        let (mut kept, tenant) = self.of_tenant(lease)?;
        kept.logs.remove(&(tenant, aside.display().to_string()));
        Ok(())
    }

    fn set_aside_earlier(&self, tenant: &TenantName) -> Result<Vec<PathBuf>, StoreError> {
        let kept = self.kept();
        let own = kept.logs.keys().filter(|(of, name)| of == tenant && name != IN_USE && name != DRAFT);
        Ok(own.map(|(_, name)| name.into()).collect())
    }
}
