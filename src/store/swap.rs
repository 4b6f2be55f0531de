//! A journal put in the place of another, whole. In: a journal that lies ready. Out: the old state, set aside.
//!
//! The exchange of the two journals is one step of the file system: a crash leaves the old one or the new one. What is folded from
//! a journal goes before that, since it can be folded again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::disk;
use super::error::StoreError;
use super::open::STATE;

/// Where a journal is made ready.
pub(super) const READY: &str = "incoming";

/// What is about a journal beside the state itself.
const ABOUT: [&str; 2] = ["held.json", "decisions"];

/// Makes room for a journal to come. What an interrupted attempt left is kept under another name: it may be somebody's old state.
pub(super) fn make_room(folder: &Path) -> Result<PathBuf, StoreError> {
    let ready = folder.join(READY);
    let failed = |source| StoreError::io("make room in", folder, source);
    if fs::symlink_metadata(&ready).is_ok() {
        fs::rename(&ready, disk::free_name(folder, "left-over")).map_err(failed)?;
    }
    disk::private_folder(&ready).map_err(failed)?;
    Ok(ready.join("journal"))
}

/// Takes away what was made ready and is not wanted.
pub(super) fn clear_room(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder.join(READY)) {
        tracing::debug!(%error, "could not remove prepared files; the next attempt moves them away");
    }
}

/// Whether there is any state.
pub(super) fn is_empty(folder: &Path) -> bool {
    STATE.iter().all(|name| fs::symlink_metadata(folder.join(name)).is_err())
}

/// Puts the journal that lies ready in its place, and the state that was there into a folder of that name; says where.
pub(super) fn swap_in(folder: &Path, aside: &str) -> Result<PathBuf, StoreError> {
    swap(folder, aside).map_err(|source| StoreError::io("swap the state in", folder, source))
}

fn swap(folder: &Path, aside: &str) -> io::Result<PathBuf> {
    let (ready, journal) = (folder.join(READY).join("journal"), folder.join("journal"));
    let aside = disk::free_name(folder, aside);
    disk::private_folder(&aside)?;
    for name in STATE.iter().chain(&ABOUT).filter(|name| **name != "journal") {
        let from = folder.join(name);
        if fs::symlink_metadata(&from).is_ok() {
            fs::rename(from, aside.join(name))?;
        }
    }
    disk::sync_folder(folder)?;
    if journal.exists() {
        match renameat_with(CWD, &ready, CWD, &journal, RenameFlags::EXCHANGE) {
            Ok(()) => {
                disk::sync_folder(folder)?;
                fs::rename(&ready, aside.join("journal"))?;
            }
            // A file system that can't: for a moment there is no journal, which leads to an adopt-only one, never to a wrong one.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
                fs::rename(&journal, aside.join("journal"))?;
                fs::rename(&ready, &journal)?;
            }
            Err(error) => return Err(error.into()),
        }
    } else {
        fs::rename(&ready, &journal)?;
    }
    disk::sync_folder(&aside)?;
    fs::remove_dir_all(folder.join(READY))?;
    disk::sync_folder(folder)?;
    Ok(aside)
}
