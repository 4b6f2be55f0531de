//! `status.json`: how a tenant stands, for whoever asks without the lock. Written whole at the end of every run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::FORMAT;
use super::backend::STATUS;
use super::baseline::LinkCounts;
use super::error::StoreError;
use super::handle::TenantStore;
use super::notes::{Leased, Notes};
use super::record::{FailureNote, RunSummary};
use crate::model::ObjectRef;

/// Failures listed; more are only counted.
pub(super) const FAILURES_LISTED: usize = 100;

/// How a tenant stood at the end of its last run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The state format's version.
    pub format: u32,
    /// The tenant.
    pub tenant: String,
    /// The journal's last record then. A journal that ends earlier was restored, or lost its end.
    pub seq: u64,
    /// Why the state was adopt-only, if it was.
    pub adopt_only: Option<String>,
    /// The last run.
    pub last_run: RunSummary,
    /// When a run last ended well.
    pub last_ok: Option<Timestamp>,
    /// How much was linked.
    pub linked: LinkCounts,
    /// How many objects are set aside.
    pub failures: u64,
    /// The first hundred of them.
    pub failed: Vec<(ObjectRef, FailureNote)>,
    /// Intents without an outcome.
    pub open_intents: u64,
}

impl TenantStore {
    /// The status of the tenant; `None` if no run has ended yet, or it is from another version.
    ///
    /// # Errors
    /// When it is there and can't be read.
    pub fn status(&self) -> Result<Option<Status>, StoreError> {
        self.notes.status()
    }
}

impl Notes {
    pub(super) fn status(&self) -> Result<Option<Status>, StoreError> {
        let status = self.read(STATUS)?;
        // It is a report, not the truth: one that can't be read is as good as none.
        let status = status.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(status.filter(|status: &Status| status.format <= FORMAT))
    }
}

impl Leased {
    pub(super) fn put_status(&self, status: &Status) -> Result<(), StoreError> {
        self.put_pretty(STATUS, status)
    }

    pub(super) fn forget_status(&self) -> Result<(), StoreError> {
        self.put_file(STATUS, None)
    }
}
