//! `status.json`: how a tenant stands, for whoever asks without the lock. Written whole at the end of every run.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::baseline::LinkCounts;
use super::error::StoreError;
use super::record::{FailureNote, RunSummary};
use super::{FORMAT, disk};
use crate::files;
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

/// Reads the status of a tenant; `None` if no run has ended yet, or the file is from another version.
///
/// # Errors
/// When it is there and can't be read.
pub fn read_status(folder: &Path) -> Result<Option<Status>, StoreError> {
    let path = folder.join("status.json");
    match files::read_whole(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::io("read", &path, source)),
        // It is a report, not the truth: one that can't be read is as good as none.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok().filter(|status: &Status| status.format <= FORMAT)),
    }
}

pub(super) fn write_status(folder: &Path, status: &Status) -> Result<(), StoreError> {
    let path = folder.join("status.json");
    let text = serde_json::to_vec_pretty(status).map_err(|error| StoreError::io("write", &path, error.into()))?;
    disk::replace(&path, &mut |out| out.write_all(&text)).map_err(|source| StoreError::io("write", &path, source))?;
    Ok(())
}
