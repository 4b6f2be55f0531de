//! All states of a folder, copied while others work on them. In: a state folder, an empty place. Out: one state file a tenant, each
//! read back, and a list of what there is.
//!
//! Holds no secret: what is copied is state, and of the configuration only how it hashes.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::disk;
use super::error::StoreError;
use super::handle::{Stores, TenantStore};
use super::transfer::{Sum, check_export};
use crate::files;
use crate::model::TenantName;

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// The version of this list.
    pub rosterd_backup: u32,
    /// Which rosterd made it.
    pub version: String,
    /// When.
    pub at: Timestamp,
    /// The operator's files, each with its SHA-256: a restored state belongs to these.
    pub config: Vec<(PathBuf, String)>,
    /// What was copied.
    pub tenants: Vec<BackedUpTenant>,
    /// What could not be copied, and why.
    pub failed: Vec<(TenantName, String)>,
}

/// One tenant's state in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackedUpTenant {
    /// The tenant.
    pub tenant: TenantName,
    /// Its file in the backup.
    pub file: String,
    /// What it adds up to.
    #[serde(flatten)]
    pub sum: Sum,
}

impl Stores {
    /// Copies every tenant's state into a new folder in `place`, named after the time. The folder has its name when everything in
    /// it is on the disk and was read back.
    ///
    /// # Errors
    /// When nothing could be copied. A tenant whose state is damaged is listed, and does not keep the others from their turn.
    pub fn backup(
        &self,
        place: &Path,
        at: Timestamp,
        config: Vec<(PathBuf, String)>,
    ) -> Result<(PathBuf, Backup), StoreError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::io("write", &path, source)
        };
        if !place.exists() {
            disk::private_folder(place).map_err(failed(place))?;
        }
        let name = at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let partial = disk::free_name(place, &format!(".{name}.partial"));
        disk::new_folder(&partial).map_err(failed(&partial))?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let mut backup = Backup { rosterd_backup: 1, version, at, config, tenants: Vec::new(), failed: Vec::new() };
        for tenant in self.tenants()? {
            let file = format!("{tenant}.state");
            match copy(&self.tenant(&tenant), at, &partial.join(&file)) {
                Ok(sum) => backup.tenants.push(BackedUpTenant { tenant, file, sum }),
                Err(error) => backup.failed.push((tenant, error.to_string())),
            }
        }
        let list = partial.join("backup.json");
        let text = serde_json::to_vec(&backup).map_err(|error| StoreError::io("write", &list, error.into()))?;
        disk::replace(&list, &mut |out| out.write_all(&text)).map_err(failed(&list))?;
        let whole = disk::free_name(place, &name);
        fs::rename(&partial, &whole).and_then(|()| disk::sync_folder(place)).map_err(failed(&whole))?;
        Ok((whole, backup))
    }
}

fn copy(state: &TenantStore, at: Timestamp, path: &Path) -> Result<Sum, StoreError> {
    let written = state.export_to(at, path)?;
    let file = files::open_regular(path).map_err(|source| StoreError::io("read back", path, source))?;
    match check_export(&mut BufReader::new(file))? {
        read if read == written => Ok(read.sum),
        _ => Err(StoreError::Damaged(format!("{} differs from what was written", path.display()))),
    }
}
