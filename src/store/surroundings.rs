//! What a tenant's state stands on: the folder, the disk, who works on it. In: paths. Out: facts for `doctor`. Writes nothing and
//! takes no lock, so that nobody is kept from working.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, major, minor, statvfs};

use crate::files::{self, network};

/// The folder as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The folder, or the nearest one above it that exists: there it will be made.
    pub place: PathBuf,
    /// Whether the tenant has a folder.
    pub exists: bool,
    /// Why it can't be written to, if so.
    pub unwritable: Option<String>,
    /// The network file system that it is on, if so: a lock may say nothing to another machine there.
    pub network: Option<&'static str>,
    /// Bytes that are free for us on its disk; `None` where that can't be told.
    pub free: Option<u64>,
    /// Who works on it now.
    pub holder: Option<String>,
}

impl Surroundings {
    /// Looks at a tenant's state folder.
    pub(super) fn of(folder: &Path) -> Self {
        let place = folder.ancestors().find(|place| place.exists()).unwrap_or(Path::new("/")).to_owned();
        let wanted = Access::WRITE_OK | Access::EXEC_OK | Access::READ_OK;
        let unwritable = match access(&place, wanted) {
            Ok(()) if place.is_dir() => None,
            Ok(()) => Some("it is no folder".to_owned()),
            Err(error) => Some(io::Error::from(error).to_string()),
        };
        let free = statvfs(&place).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        let network = network::file_system(&place).unwrap_or(None);
        Self { exists: place == folder, unwritable, network, free, holder: lock_holder(folder), place }
    }
}

/// Who holds a folder's lock, by the system's list of locks: trying to take it, even for a moment, could keep somebody else out.
pub(super) fn lock_holder(folder: &Path) -> Option<String> {
    let lock = &folder.join("lock");
    let found = std::fs::metadata(lock).ok()?;
    let this = format!("{:02x}:{:02x}:{}", major(found.dev()), minor(found.dev()), found.ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    if !locks.lines().any(|line| line.split_whitespace().any(|word| word == this)) {
        return None;
    }
    let who = files::read_to_string(lock, files::SMALL).unwrap_or_default();
    Some(if who.trim().is_empty() { "another process".to_owned() } else { who.trim().to_owned() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn i5_who_holds_a_tenant_is_seen_without_touching_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("acme");
        let before = Surroundings::of(&folder);
        assert_eq!((before.exists, before.place.as_path(), before.holder), (false, dir.path(), None));
        std::fs::create_dir(&folder).unwrap();
        let lock = super::super::lock::Lock::take(&folder, "rosterd sync").unwrap();
        let held = Surroundings::of(&folder);
        assert!(held.holder.unwrap().starts_with("rosterd sync (process "));
        assert!(held.exists && held.free.unwrap() > 0 && held.unwritable.is_none());
        drop(lock);
        assert_eq!(Surroundings::of(&folder).holder, None);
        std::fs::write(folder.join("lock"), "rosterd sync (process 1)\n").unwrap();
        assert_eq!(Surroundings::of(&folder).holder, None, "a process that died holds nothing");
    }

    #[test]
    fn a_place_that_can_not_be_written_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(Surroundings::of(&file.join("acme")).unwritable.as_deref(), Some("it is no folder"));
    }
}
