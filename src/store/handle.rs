//! The door to the state: where the states of all tenants lie, and the state of one. What comes in is the configuration and a
//! name; what goes out is an open state, or what can be said of one without opening it.
//!
//! Rooms above hold a [`Stores`] or a [`TenantStore`] and know no file.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::FORMAT;
use super::backend::{Area, Backend, Log};
use super::error::StoreError;
use super::notes::{Leased, Notes};
use super::on_disk::OnDisk;
use super::surroundings::Surroundings;
use crate::model::TenantName;

/// Where the states of all tenants lie.
#[derive(Clone)]
pub struct Stores {
    pub(super) backend: Arc<dyn Backend>,
}

impl fmt::Display for Stores {
    /// The place, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.backend.fmt(f)
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
        Self::of(Arc::new(OnDisk::new(folder.into())))
    }

    /// States in this backend.
    pub(super) fn of(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// The state of one tenant, which need not have any yet.
    pub fn tenant(&self, name: &TenantName) -> TenantStore {
        let notes = Notes { backend: Arc::clone(&self.backend), area: Area::Tenant(name.clone()) };
        TenantStore { notes, name: name.clone() }
    }

    /// Every tenant that has a journal, with or without a tenant file.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn tenants(&self) -> Result<Vec<TenantName>, StoreError> {
        self.backend.tenants()
    }

    /// What the daemon keeps of all tenants.
    pub fn daemon(&self) -> Notes {
        Notes { backend: Arc::clone(&self.backend), area: Area::Daemon }
    }

    /// Where the daemon of these states listens.
    pub fn socket(&self) -> PathBuf {
        self.backend.socket()
    }

    /// The user number of the account that the states belong to; `None` if there are none yet.
    pub fn owner(&self) -> Option<u32> {
        self.backend.owner()
    }

    /// Whether this process may not look into the folder.
    pub fn is_closed_to_this_process(&self) -> bool {
        let is_denied = |source: &std::io::Error| source.kind() == std::io::ErrorKind::PermissionDenied;
        matches!(self.tenants(), Err(StoreError::Io { source, .. }) if is_denied(&source))
    }

    /// What they stand on.
    pub fn surroundings(&self) -> Surroundings {
        self.backend.surroundings(None)
    }
}

/// The state of one tenant.
#[derive(Clone)]
pub struct TenantStore {
    pub(super) notes: Notes,
    pub(super) name: TenantName,
}

impl TenantStore {
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
        self.notes.backend.surroundings(Some(&self.name))
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
        StoreError::Refused(format!("there is no state of {} in {}", self.name, self.notes.backend))
    }

    /// A newer rosterd wrote the state.
    pub(super) fn newer(&self, found: u32) -> StoreError {
        StoreError::Newer { folder: self.notes.place("").into(), found, known: FORMAT }
    }

    /// The log of the journal.
    pub(super) fn log(&self) -> Arc<dyn Log> {
        self.notes.backend.log(&self.name)
    }

    /// Whether there is any state: a log, or what was made of one.
    pub(super) fn has_state(&self) -> Result<bool, StoreError> {
        Ok(self.notes.backend.archive().has_leftovers(&self.name) || !self.log().segments()?.is_empty())
    }
}

/// The import of a tenant, held by this process alone.
#[derive(Clone)]
pub struct ImportLease(pub(super) Leased);
