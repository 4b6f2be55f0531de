//! The suite for leases and documents on every backend: a folder, and memory, which shows that nothing of it needs a folder.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::super::backend::{Area, Backend, Before, Documents, Hold, Lease, Lines, Signed};
use super::super::on_disk::OnDisk;
use super::*;

/// Leases and documents as a database keeps them: a lease has the highest epoch of its area, and what comes with another one is
/// refused.
#[derive(Clone, Default)]
struct InMemory(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    epoch: u64,
    held: BTreeMap<Area, (u64, String)>,
    documents: BTreeMap<(Area, String), Vec<u8>>,
}

impl InMemory {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap()
    }

    /// The time of a lease is over, whatever its holder thinks.
    fn expire(&self, area: &Area) {
        self.kept().held.remove(area);
    }
}

struct Held(InMemory, Area, u64);

impl Hold for Held {
    fn still_held(&self, epoch: u64) -> Result<(), StoreError> {
        match self.0.kept().held.get(&self.1) {
            Some((now, _)) if *now == epoch => Ok(()),
            _ => Err(StoreError::LockLost { file: "memory".into() }),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut kept = self.0.kept();
        if kept.held.get(&self.1).is_some_and(|(epoch, _)| *epoch == self.2) {
            kept.held.remove(&self.1);
        }
    }
}

impl Backend for InMemory {
    fn tenants(&self) -> Result<Vec<TenantName>, StoreError> {
        Ok(Vec::new())
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

    fn surroundings(&self, _: Option<&TenantName>) -> Surroundings {
        let (unwritable, network, free, holder) = Default::default();
        Surroundings { place: "memory".into(), exists: true, unwritable, network, free, holder }
    }

    fn place(&self, area: &Area, name: &str) -> String {
        format!("{area:?} {name}")
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
        lease.still_held()?;
        self.swap(&lease.area, name, Before::Anything, document).map(drop)
    }

    fn swap(&self, area: &Area, name: &str, before: Before<'_>, after: Option<&[u8]>) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        let key = (area.clone(), name.to_owned());
        if let Before::Is(before) = before
            && kept.documents.get(&key).map(Vec::as_slice) != before
        {
            return Ok(false);
        }
        match after {
            Some(after) => drop(kept.documents.insert(key, after.to_vec())),
            None => drop(kept.documents.remove(&key)),
        }
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
        Ok(Box::new(Growing(self.clone(), (lease.area.clone(), name.to_owned()))))
    }
}

struct Growing(InMemory, (Area, String));

impl std::fmt::Debug for Growing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.1)
    }
}

impl Lines for Growing {
    fn append(&mut self, line: &[u8]) -> Result<(), StoreError> {
        self.0.kept().documents.entry(self.1.clone()).or_default().extend_from_slice(line);
        Ok(())
    }
}

#[test]
fn a_folder_keeps_leases_and_documents_as_every_backend_must() {
    let dir = tempfile::tempdir().unwrap();
    let made = std::cell::Cell::new(0);
    check_backend(&|| {
        made.set(made.get() + 1);
        Box::new(OnDisk { folder: dir.path().join(made.get().to_string()) })
    });
}

#[test]
fn memory_keeps_leases_and_documents_as_every_backend_must() {
    check_backend(&|| Box::new(InMemory::default()));
}

#[test]
fn i5_what_comes_with_an_earlier_epoch_is_refused() {
    let (memory, area) = (InMemory::default(), Area::Tenant(tenant()));
    let first = memory.lease(&area, "first").unwrap();
    memory.put(&first, "held.json", Some(b"of the first")).unwrap();
    memory.expire(&area);
    let second = memory.lease(&area, "second").unwrap();
    assert!(second.epoch > first.epoch);
    assert!(matches!(memory.put(&first, "held.json", None), Err(StoreError::LockLost { .. })));
    assert!(memory.lines(&first, "log", 0).is_err());
    assert_eq!(memory.read(&area, "held.json", 100).unwrap().as_deref(), Some(&b"of the first"[..]));
    drop(first);
    second.still_held().unwrap();
}
