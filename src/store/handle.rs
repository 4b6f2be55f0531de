//! The door to the state: where the states of all tenants lie, and the state of one. What comes in is the configuration and a name; what
//! goes out is an open state, or what can be said of one without opening it.
//!
//! Rooms above hold a [`Stores`] or a [`TenantStore`] and know no file.

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::backend::{Area, Backend};
use super::error::{Notice, StoreError};
use super::imports::ImportLease;
use super::notes::Notes;
use super::on_disk::OnDisk;
use super::open::Machine;
use super::surroundings::Surroundings;
use super::{ReadStore, Store};
use crate::clock::Clock;
use crate::model::TenantName;

/// Where the states of all tenants lie.
#[derive(Clone)]
pub struct Stores {
    pub(super) disk: Arc<OnDisk>,
}

impl fmt::Display for Stores {
    /// The place, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.disk.folder.display().fmt(f)
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "states in {self}")
    }
}

impl Stores {
    /// States in a folder of this machine.
    pub fn on_disk(folder: impl Into<PathBuf>) -> Self {
        Self { disk: Arc::new(OnDisk { folder: folder.into() }) }
    }

    /// The state of one tenant, which need not have any yet.
    pub fn tenant(&self, name: &TenantName) -> TenantStore {
        let backend: Arc<dyn Backend> = Arc::clone(&self.disk) as _;
        TenantStore {
            disk: Arc::clone(&self.disk),
            notes: Notes { backend, area: Area::Tenant(name.clone()) },
            name: name.clone(),
        }
    }

    /// Every tenant that has a journal, with or without a tenant file.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn tenants(&self) -> Result<Vec<TenantName>, StoreError> {
        self.disk.tenants()
    }

    /// What the daemon keeps of all tenants.
    pub fn daemon(&self) -> Notes {
        Notes { backend: Arc::clone(&self.disk) as _, area: Area::Daemon }
    }

    /// Waits until this process alone links accounts of an app that several tenants share; so it is until the result is dropped.
    pub(super) fn link_alone(&self) -> Result<std::fs::File, StoreError> {
        self.disk.link_alone()
    }

    /// Where the daemon of these states listens.
    pub fn socket(&self) -> PathBuf {
        self.disk.area(&Area::Daemon).join("control.sock")
    }

    /// The user number of the account that the states belong to; `None` if there are none yet.
    pub fn owner(&self) -> Option<u32> {
        std::fs::metadata(&self.disk.folder).map(|found| found.uid()).ok()
    }

    /// Whether this process may not look into the folder.
    pub fn is_closed_to_this_process(&self) -> bool {
        let looked = std::fs::read_dir(&self.disk.folder);
        looked.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
    }

    /// What they stand on.
    pub fn surroundings(&self) -> Surroundings {
        self.disk.surroundings(None)
    }
}

/// The state of one tenant.
#[derive(Clone)]
pub struct TenantStore {
    pub(super) disk: Arc<OnDisk>,
    pub(super) notes: Notes,
    pub(super) name: TenantName,
}

impl TenantStore {
    /// Opens the state for writing; makes it if there is none. `who` is the command, shown to whoever finds the tenant busy.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another process has it, [`StoreError::Newer`] when a newer rosterd wrote it, or the disk's
    /// error. Damage is no error: it is moved aside, and [`View::health`](super::View::health) says adopt-only.
    pub fn open(&self, who: &str, clock: Arc<dyn Clock>) -> Result<(Store, Vec<Notice>), StoreError> {
        Store::open_on(Machine::default(), self, who, clock)
    }

    /// Opens the state for reading, beside a process that writes. Nothing on the disk is touched; rows are folded into memory
    /// when somebody asks for them. The view is that of this moment. `None` if there is no state.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Damaged`] or the disk's error.
    pub fn read(&self) -> Result<Option<ReadStore>, StoreError> {
        ReadStore::open(self)
    }

    /// Notes beside the state: something that is under way outside of the journal, and must not be forgotten if it breaks off.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Whether anything was ever kept of the tenant.
    pub fn exists(&self) -> bool {
        self.surroundings().exists
    }

    /// What the state stands on.
    pub fn surroundings(&self) -> Surroundings {
        self.disk.surroundings(Some(&self.name))
    }

    /// Takes the tenant's import for this process alone.
    ///
    /// # Errors
    /// When another import has it, or the disk says no.
    pub fn lease_imports(&self, who: &str) -> Result<ImportLease, StoreError> {
        self.imports().lease(who).map(ImportLease)
    }

    pub(super) fn imports(&self) -> Notes {
        Notes { backend: Arc::clone(&self.notes.backend), area: Area::Imports(self.name.clone()) }
    }

    /// There is nothing of which was asked.
    pub(super) fn is_empty(&self) -> StoreError {
        StoreError::Refused(format!("there is no state of {} in {}", self.name, self.disk.folder.display()))
    }

    /// The folder of journal and cache.
    pub(super) fn folder(&self) -> PathBuf {
        self.disk.area(&self.notes.area)
    }
}
