//! States of a folder as wholes: set aside, or replaced by another one. What comes in is a lease and a name; what goes out is
//! where the old state lies.
//!
//! The exchange of two logs is one step of the file system: a crash leaves the old one or the new one. What is folded from a log
//! goes before that, since it can be folded again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::OnDisk;
use super::log::LogFolder;
use crate::model::TenantName;
use crate::store::backend::{Archive, Area, DECISIONS, HELD, Lease, Log, OF_THE_LOG};
use crate::store::disk;
use crate::store::error::StoreError;

/// The folder of the log.
pub(super) const LOG: &str = "journal";
/// The folder of the rows, and where they are kept once they were found broken.
pub(super) const ROWS: &str = "cache";
pub(super) const BROKEN_ROWS: &str = "cache-broken";

/// Where a log is made ready.
const DRAFT: &str = "incoming";

/// What names of folders begin with in which states were set aside.
const ASIDE: [&str; 4] = ["damaged-", "replaced-", "left-over", "forgotten"];

/// What was made of a log and is there.
fn leftovers(folder: &Path) -> impl Iterator<Item = &'static str> {
    [ROWS, BROKEN_ROWS].into_iter().chain(OF_THE_LOG).filter(|name| is_there(folder, name))
}

fn is_there(folder: &Path, name: &str) -> bool {
    fs::symlink_metadata(folder.join(name)).is_ok()
}

impl Archive for OnDisk {
    fn has_leftovers(&self, tenant: &TenantName) -> bool {
        leftovers(&self.area(&Area::Tenant(tenant.clone()))).next().is_some()
    }

    fn set_aside(&self, lease: &Lease, name: &str) -> Result<PathBuf, StoreError> {
        lease.still_held()?;
        let folder = self.area(&lease.area);
        let moved = || {
            let aside = disk::free_name(&folder, name);
            disk::private_folder(&aside)?;
            // The log first: a crash after that leaves leftovers.
            for name in Some(LOG).filter(|log| is_there(&folder, log)).into_iter().chain(leftovers(&folder)) {
                fs::rename(folder.join(name), aside.join(name))?;
                disk::sync_folder(&folder)?;
            }
            disk::sync_folder(&aside)?;
            Ok(aside)
        };
        moved().map_err(|source| StoreError::io("move the damaged state away in", &folder, source))
    }

    fn draft(&self, lease: &Lease) -> Result<Arc<dyn Log>, StoreError> {
        lease.still_held()?;
        let folder = self.area(&lease.area);
        let draft = folder.join(DRAFT);
        let failed = |source| StoreError::io("make room in", &folder, source);
        if is_there(&folder, DRAFT) {
            fs::rename(&draft, disk::free_name(&folder, "left-over")).map_err(failed)?;
        }
        disk::private_folder(&draft).map_err(failed)?;
        let (disk, segment_bytes) = (Arc::clone(&self.disk), self.segment_bytes);
        Ok(Arc::new(LogFolder { folder: draft.join(LOG), disk, segment_bytes }))
    }

    fn discard(&self, lease: &Lease) {
        if let Err(error) = fs::remove_dir_all(self.area(&lease.area).join(DRAFT)) {
            tracing::debug!(%error, "could not remove prepared files; the next attempt moves them away");
        }
    }

    fn replace(&self, lease: &Lease, name: &str) -> Result<PathBuf, StoreError> {
        lease.still_held()?;
        let folder = self.area(&lease.area);
        swap(&folder, name).map_err(|source| StoreError::io("swap the state in", &folder, source))
    }

    fn erase(&self, lease: &Lease, aside: &Path) -> Result<(), StoreError> {
        lease.still_held()?;
        fs::remove_dir_all(aside).map_err(|source| StoreError::io("erase", aside, source))
    }

    fn set_aside_earlier(&self, tenant: &TenantName) -> Result<Vec<PathBuf>, StoreError> {
        let folder = self.area(&Area::Tenant(tenant.clone()));
        let failed = |source| StoreError::io("read", &folder, source);
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if ASIDE.iter().any(|kind| name.starts_with(kind)) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }
}

fn swap(folder: &Path, aside: &str) -> io::Result<PathBuf> {
    let (draft, log) = (folder.join(DRAFT).join(LOG), folder.join(LOG));
    let aside = disk::free_name(folder, aside);
    disk::private_folder(&aside)?;
    for name in leftovers(folder).chain([HELD, DECISIONS].into_iter().filter(|name| is_there(folder, name))) {
        fs::rename(folder.join(name), aside.join(name))?;
    }
    disk::sync_folder(folder)?;
    if log.exists() {
        match renameat_with(CWD, &draft, CWD, &log, RenameFlags::EXCHANGE) {
            Ok(()) => {
                disk::sync_folder(folder)?;
                fs::rename(&draft, aside.join(LOG))?;
            }
            // A file system that can't: for a moment there is no log, which leads to an adopt-only one, never to a wrong one.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
                fs::rename(&log, aside.join(LOG))?;
                fs::rename(&draft, &log)?;
            }
            Err(error) => return Err(error.into()),
        }
    } else {
        fs::rename(&draft, &log)?;
    }
    disk::sync_folder(&aside)?;
    // Where nothing was there to be kept, there is no such folder; one that is not empty stays.
    let _empty = fs::remove_dir(&aside);
    fs::remove_dir_all(folder.join(DRAFT))?;
    disk::sync_folder(folder)?;
    Ok(aside)
}
