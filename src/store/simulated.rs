//! A disk for simulated worlds: the machine's own, except that it knows which of the journal's bytes were never synced, and loses
//! them when the power goes. In: what the journal writes. Out: what a power cut leaves of it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::{Notice, StoreError};
use super::handle::Stores;
use super::on_disk::{Disk, LogFile, OnDisk, RealDisk};
use super::rows::{MemoryRowSpace, RowSpace};
use super::state::Store;
use super::writer::JournalWriter;
use crate::clock::Clock;
use crate::model::TenantName;

type Synced = Arc<Mutex<BTreeMap<PathBuf, u64>>>;

/// The disk of one simulated machine.
#[derive(Clone, Default)]
pub(crate) struct SimDisk(Synced);

struct SimFile {
    path: PathBuf,
    file: Box<dyn LogFile>,
    synced: Synced,
}

impl SimDisk {
    /// The power goes: of what was never synced a beginning stays, or nothing, or zeros. `roll(n)` is a chance number below n.
    pub(crate) fn lose_power(&self, mut roll: impl FnMut(u64) -> u64) -> io::Result<()> {
        let synced = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (path, safe) in synced {
            let mut file = match OpenOptions::new().write(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            let len = file.metadata()?.len();
            let kept = safe + roll(len.saturating_sub(safe) + 1);
            file.set_len(kept)?;
            if roll(3) == 0 {
                let zeros = roll(kept - safe + 1);
                file.seek(SeekFrom::Start(kept - zeros))?;
                file.write_all(&vec![0; usize::try_from(zeros).unwrap_or_default()])?;
            }
        }
        Ok(())
    }

    fn file(&self, path: &Path, file: Box<dyn LogFile>) -> io::Result<Box<dyn LogFile>> {
        let mut file = SimFile { path: path.to_owned(), file, synced: Arc::clone(&self.0) };
        file.note()?;
        Ok(Box::new(file))
    }
}

impl SimFile {
    fn note(&mut self) -> io::Result<()> {
        let len = std::fs::metadata(&self.path)?.len();
        self.synced.lock().unwrap_or_else(PoisonError::into_inner).insert(self.path.clone(), len);
        Ok(())
    }
}

impl LogFile for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.note()
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path, first: &[u8]) -> io::Result<Box<dyn LogFile>> {
        self.file(path, RealDisk.create(path, first)?)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        self.file(path, RealDisk.open(path)?)
    }

    fn rows(&self, _: PathBuf, _: PathBuf) -> Box<dyn RowSpace> {
        Box::new(MemoryRowSpace)
    }
}

impl Stores {
    /// States in a folder of a simulated machine.
    pub(super) fn on_simulated_disk(folder: &Path, disk: &SimDisk, segment_bytes: u64) -> Self {
        Self::of(Arc::new(OnDisk { folder: folder.to_owned(), disk: Arc::new(disk.clone()), segment_bytes }))
    }
}

impl Store {
    /// Opens the state of a tenant as [`TenantStore::open`](super::TenantStore::open) does, on a simulated disk, with rows in
    /// memory and without a thread.
    pub(crate) fn open_simulated(
        disk: &SimDisk,
        segment_bytes: u64,
        folder: &Path,
        tenant: &TenantName,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Vec<Notice>), StoreError> {
        let state = Stores::on_simulated_disk(folder, disk, segment_bytes).tenant(tenant);
        state.open_with(|work| Ok(JournalWriter::inline(work)), "a simulated world", clock)
    }
}
