//! States in a folder of this machine: what comes in is what a [`Backend`] is asked for, what goes out are files. A tenant has a
//! folder of its name, its imports one below, and the daemon `.daemon`.
//!
//! Of all modules only this one, those inside of it and `surroundings` know how files are called there.

mod archive;
mod log;

use std::any::Any;
use std::fmt;
use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::archive::{BROKEN_ROWS, LOG, ROWS};
#[cfg(test)]
pub(super) use self::log::LogFile;
use self::log::LogFolder;
pub(super) use self::log::{Disk, RealDisk};
use super::backend::{Archive, Area, Backend, Before, DECISIONS, Documents, HELD, Lease, Lines, Log, Signed};
use super::disk;
use super::error::StoreError;
use super::lock::Lock;
use super::rows::RowSpace;
use super::surroundings::{Surroundings, lock_holder};
use crate::fail;
use crate::files;
use crate::identity::{Identity, ROOT};
use crate::model::TenantName;

/// The folder of a tenant's imports, in the tenant's.
const IMPORTS: &str = "imports";

/// The file by which tenants of one app lay claim to accounts one at a time.
const LINKING: &str = ".linking.lock";

/// The longest wait for another process that changes a document.
const LOCK_LIMIT: Duration = Duration::from_secs(1);

/// What the names of documents begin with that people decide on.
const DECIDING: [&str; 2] = [HELD, DECISIONS];

/// A file of a log is closed and the next one begun when it has grown this long: what is read whole at every start.
const SEGMENT_BYTES: u64 = 16 << 20;

/// A state folder.
pub(super) struct OnDisk {
    pub(super) folder: PathBuf,
    /// Where files of logs and rows come from.
    pub(super) disk: Arc<dyn Disk>,
    /// How long a file of a log grows.
    pub(super) segment_bytes: u64,
}

impl OnDisk {
    /// A folder on the disk of this machine.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, disk: Arc::new(RealDisk), segment_bytes: SEGMENT_BYTES }
    }

    fn area(&self, area: &Area) -> PathBuf {
        match area {
            Area::Tenant(tenant) => self.folder.join(tenant.as_str()),
            Area::Imports(tenant) => self.folder.join(tenant.as_str()).join(IMPORTS),
            Area::Daemon => self.folder.join(disk::PASSABLE),
        }
    }

    fn file(&self, area: &Area, name: &str) -> PathBuf {
        self.area(area).join(name)
    }
}

impl fmt::Display for OnDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.folder.display().fmt(f)
    }
}

impl Backend for OnDisk {
    fn tenants(&self) -> Result<Vec<TenantName>, StoreError> {
        let failed = |source| StoreError::io("read", &self.folder, source);
        let mut names = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).and_then(TenantName::parse);
            names.extend(name.filter(|_| path.join(LOG).is_dir()));
        }
        names.sort();
        Ok(names)
    }

    fn lease(&self, area: &Area, who: &str) -> Result<Lease, StoreError> {
        let folder = self.area(area);
        if let Area::Tenant(tenant) | Area::Imports(tenant) = area {
            make_private(&self.folder.join(tenant.as_str()))?;
        }
        let lock = Lock::take(&folder, who)?;
        if let Area::Tenant(_) = area {
            tidy(&folder);
        }
        Ok(Lease { area: area.clone(), epoch: lock.number()?, hold: Box::new(lock) })
    }

    fn holder(&self, area: &Area) -> Option<String> {
        lock_holder(&self.area(area))
    }

    fn documents(&self) -> &dyn Documents {
        self
    }

    fn log(&self, tenant: &TenantName) -> Arc<dyn Log> {
        let folder = self.area(&Area::Tenant(tenant.clone())).join(LOG);
        Arc::new(LogFolder { folder, disk: Arc::clone(&self.disk), segment_bytes: self.segment_bytes })
    }

    fn rows(&self, lease: &Lease) -> Box<dyn RowSpace> {
        let folder = self.area(&lease.area);
        self.disk.rows(folder.join(ROWS), folder.join(BROKEN_ROWS))
    }

    fn archive(&self) -> &dyn Archive {
        self
    }

    /// The kernel lets go of it when the process ends.
    fn link_alone(&self) -> Result<Box<dyn Any + Send + Sync>, StoreError> {
        let path = self.folder.join(LINKING);
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
        match file.and_then(|file| file.lock().map(|()| file)) {
            Ok(locked) => Ok(Box::new(locked)),
            Err(source) => Err(StoreError::io("lock", &path, source)),
        }
    }

    fn surroundings(&self, tenant: Option<&TenantName>) -> Surroundings {
        match tenant {
            Some(tenant) => Surroundings::of(&self.area(&Area::Tenant(tenant.clone()))),
            None => Surroundings::of(&self.folder),
        }
    }

    fn place(&self, area: &Area, name: &str) -> String {
        match name {
            "" => self.area(area),
            name => self.file(area, name),
        }
        .display()
        .to_string()
    }

    fn socket(&self) -> PathBuf {
        self.area(&Area::Daemon).join("control.sock")
    }

    fn owner(&self) -> Option<u32> {
        fs::metadata(&self.folder).map(|found| found.uid()).ok()
    }
}

impl Documents for OnDisk {
    fn read(&self, area: &Area, name: &str, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.file(area, name);
        let is_other = || fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file());
        // What people decide on is no link to what somebody else may change.
        if DECIDING.iter().any(|deciding| name.starts_with(deciding)) && is_other() {
            return Err(StoreError::io("read", &path, io::Error::new(io::ErrorKind::InvalidInput, "no regular file")));
        }
        match files::read(&path, most) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(|source| StoreError::io("read", &path, source)),
        }
    }

    fn put(&self, lease: &Lease, name: &str, document: Option<&[u8]>) -> Result<(), StoreError> {
        put(&self.file(&lease.area, name), document)
    }

    fn swap(&self, area: &Area, name: &str, before: Before<'_>, after: Option<&[u8]>) -> Result<bool, StoreError> {
        let path = self.file(area, name);
        let folder = path.parent().unwrap_or(&path);
        if after.is_none() && !folder.exists() {
            return Ok(!matches!(before, Before::Is(Some(_))));
        }
        make_private(folder)?;
        // Between the look and the change nobody else looks.
        let alone = File::open(folder).and_then(lock_in_time);
        let _alone = alone.map_err(|source| StoreError::io("lock", folder, source))?;
        if let Before::Is(before) = before
            && self.read(area, name, u64::MAX)?.as_deref() != before
        {
            return Ok(false);
        }
        put(&path, after).map(|()| true)
    }

    fn names(&self, area: &Area, folder: &str) -> Result<Vec<String>, StoreError> {
        let place = self.file(area, folder);
        let failed = |source| StoreError::io("read", &place, source);
        let entries = match fs::read_dir(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let names: io::Result<Vec<String>> =
            entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned())).collect();
        let mut names = names.map_err(failed)?;
        names.sort();
        Ok(names)
    }

    fn signed(&self, area: &Area, folder: &str, most: u64) -> Result<Vec<Signed>, StoreError> {
        let mut names = self.names(area, folder)?;
        names.retain(|name| name.ends_with(".json"));
        let Some(owner) = fs::metadata(self.area(area)).ok().map(|found| found.uid()).filter(|_| !names.is_empty())
        else {
            return Ok(Vec::new());
        };
        let place = place_is_sound(&self.file(area, folder), owner);
        let read = |name: String| {
            let name = format!("{folder}/{name}");
            let found = place.clone().and_then(|()| believe(&self.file(area, &name), owner, most)).transpose()?;
            Some(Signed { name, found })
        };
        Ok(names.into_iter().filter_map(read).collect())
    }

    fn lines(&self, lease: &Lease, name: &str, whole: u64) -> Result<Box<dyn Lines>, StoreError> {
        let path = self.file(&lease.area, name);
        let opened = disk::private().create(true).append(true).open(&path).and_then(|file| {
            file.set_len(whole)?;
            Ok(file)
        });
        match opened {
            Ok(file) => Ok(Box::new(Growing { file, path, whole })),
            Err(source) => Err(StoreError::io("open", &path, source)),
        }
    }
}

/// Waits for the lock of a folder as long as one change may take. A process that was stopped while it holds the lock must not
/// hold up a daemon that serves other tenants.
fn lock_in_time(folder: File) -> io::Result<File> {
    let end = Instant::now() + LOCK_LIMIT;
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(folder),
            Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(Duration::from_millis(2)),
            Err(TryLockError::WouldBlock) => {
                let why = "another process has been changing it for a second; nothing was changed, try again";
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Sets right what earlier processes left in a tenant's folder.
fn tidy(folder: &Path) {
    disk::sweep(&[folder, &folder.join(LOG), &folder.join(DECISIONS)]);
    let rows = folder.join(ROWS);
    if let Err(error) = disk::narrow_all(&rows) {
        // The folder above is closed to others all the same.
        tracing::warn!(%error, "files in {} may be open to other users", rows.display());
    }
}

fn make_private(folder: &Path) -> Result<(), StoreError> {
    disk::private_folder(folder).map_err(|source| StoreError::io("make", folder, source))
}

fn put(path: &Path, document: Option<&[u8]>) -> Result<(), StoreError> {
    match document {
        Some(bytes) => disk::replace(path, &mut |out| out.write_all(bytes))
            .map(drop)
            .map_err(|source| StoreError::io("write", path, source)),
        None => {
            let removed = disk::remove(path).and_then(|was_there| match was_there {
                true => disk::sync_folder(path.parent().unwrap_or(path)),
                false => Ok(()),
            });
            removed.map_err(|source| StoreError::io("remove", path, source))
        }
    }
}

/// A file that grows.
#[derive(Debug)]
struct Growing {
    file: File,
    path: PathBuf,
    /// How many bytes are whole lines.
    whole: u64,
}

impl Lines for Growing {
    fn append(&mut self, line: &[u8]) -> Result<(), StoreError> {
        let written =
            fail::point("import.log").and_then(|()| self.file.write_all(line)).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.whole += line.len() as u64;
                Ok(())
            }
            Err(source) => {
                // The next line must not be joined to what there is of this one.
                let source = match self.file.set_len(self.whole) {
                    Ok(()) => source,
                    Err(cut) => io::Error::new(cut.kind(), format!("{source}; then {cut}")),
                };
                Err(StoreError::io("write", &self.path, source))
            }
        }
    }
}

fn place_is_sound(place: &Path, owner: u32) -> Result<(), String> {
    let found = fs::symlink_metadata(place).map_err(|error| format!("its folder can't be looked at: {error}"))?;
    match () {
        () if !found.is_dir() => Err("its folder is a link".to_owned()),
        () => belongs("its folder", &found, owner),
    }
}

/// What only the state's owner or root can have written.
fn belongs(what: &str, found: &Metadata, owner: u32) -> Result<(), String> {
    if found.uid() != owner && found.uid() != ROOT {
        let (theirs, ours) = (Identity::of_uid(found.uid()), Identity::of_uid(owner));
        return Err(format!("{what} belongs to {theirs}, the state to {ours}"));
    }
    match found.mode() & 0o022 {
        0 => Ok(()),
        _ => Err(format!("{what} can be written by others (mode {:04o})", found.mode() & 0o7777)),
    }
}

/// Reads a file as far as it can be believed, with its owner; `None` if it is gone by now.
fn believe(path: &Path, owner: u32, most: u64) -> Result<Option<(Vec<u8>, u32)>, String> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).map_err(|_| "it can't be opened safely here".to_owned())?;
    let file = match fs::OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::LOOP) => {
            return Err("it is a link".to_owned());
        }
        file => file.map_err(|error| format!("it can't be opened: {error}"))?,
    };
    let meta = file.metadata().map_err(|error| format!("it can't be looked at: {error}"))?;
    if !meta.is_file() {
        return Err("it is no regular file".to_owned());
    }
    belongs("it", &meta, owner)?;
    if meta.len() > most {
        return Err(format!("it is larger than {most} bytes"));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|error| format!("it can't be read: {error}"))?;
    Ok(Some((bytes, meta.uid())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn i7_a_process_that_keeps_a_document_to_itself_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let states = OnDisk::new(folder.path().to_owned());
        let area = Area::Tenant(TenantName::parse("acme").unwrap());
        assert!(states.swap(&area, "paused", Before::Is(None), Some(b"first")).unwrap());
        let held = File::open(states.area(&area)).unwrap();
        held.lock().unwrap();
        let refused = states.swap(&area, "paused", Before::Is(Some(b"first")), Some(b"second")).unwrap_err();
        assert!(refused.to_string().contains("nothing was changed"), "{refused}");
        assert_eq!(states.read(&area, "paused", u64::MAX).unwrap().as_deref(), Some(&b"first"[..]));
        drop(held);
        assert!(states.swap(&area, "paused", Before::Is(Some(b"first")), Some(b"second")).unwrap());
    }
}
