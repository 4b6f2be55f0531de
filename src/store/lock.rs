//! One writer for a tenant (promise I5), one daemon for a state folder: a lock on a file that says who holds it.
//!
//! The lock is on a file, and the promise is about a name. So whoever has locked the file looks whether it still has that name: a lock
//! file that was deleted or exchanged protects nothing, because the next process makes another one.

use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};

use super::backend::Hold;
use super::disk;
use super::error::StoreError;
use crate::files::network;
use crate::files::trust::FileTrust;

/// How often a lock is taken of a file that then has another name.
const TRIES: u32 = 16;

/// Holds the tenant's lock until dropped; the system lets go of it when the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock of a state folder at once, or says who has it. `who` is the command, for the next one to read.
    ///
    /// # Errors
    /// When another process has it, the folder is on a network file system or another user's, or the disk says no.
    pub(super) fn take(folder: &Path, who: &str) -> Result<Self, StoreError> {
        let path = folder.join("lock");
        let failed = |source| StoreError::io("lock", &path, source);
        disk::private_folder(folder).map_err(failed)?;
        if let Some(name) = network::file_system(folder).map_err(failed)? {
            return Err(StoreError::Network { folder: folder.to_owned(), name });
        }
        for _ in 0..TRIES {
            let mut file = open(&path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Busy { folder: folder.to_owned(), holder: holder(&mut file) });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
            let lock = Self { file, path: path.clone() };
            if lock.has_its_name().map_err(failed)? {
                return lock.sign(who).map_err(failed);
            }
        }
        Err(failed(io::Error::other("another program exchanges the file again and again")))
    }

    /// The number of the lock file: no other that is held has it.
    pub(super) fn number(&self) -> Result<u64, StoreError> {
        self.file.metadata().map(|own| own.ino()).map_err(|source| StoreError::io("look at", &self.path, source))
    }

    fn has_its_name(&self) -> io::Result<bool> {
        let own = self.file.metadata()?;
        match std::fs::symlink_metadata(&self.path) {
            Ok(named) => Ok((named.dev(), named.ino()) == (own.dev(), own.ino())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn sign(mut self, who: &str) -> io::Result<Self> {
        self.file.set_len(0)?;
        writeln!(self.file, "{who} (process {})", std::process::id())?;
        Ok(self)
    }
}

impl Hold for Lock {
    /// The lock file has to have its name.
    fn still_held(&self, epoch: u64) -> Result<(), StoreError> {
        match self.has_its_name() {
            Ok(held) if held && self.number()? == epoch => Ok(()),
            Ok(_) => Err(StoreError::LockLost { file: self.path.clone() }),
            Err(source) => Err(StoreError::io("look at", &self.path, source)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only a courtesy to whoever reads the file.
        let _ = self.file.set_len(0);
        // The lock ends with the last handle at the latest. A child process that is just being started has one too for a moment,
        // and nobody shall wait for that.
        let _ = self.file.unlock();
    }
}

/// Opens the lock file, or makes it. Nothing is written before it is known to be a file of our own with this one name.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(CWD, path, flags, Mode::from_raw_mode(0o600)) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP) => return Err(refused("it is a link; delete it")),
        Err(error) => return Err(error.into()),
    };
    let found = file.metadata()?;
    fit(&found)?;
    if found.mode() & 0o077 != 0 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

fn fit(found: &Metadata) -> io::Result<()> {
    if !found.is_file() {
        return Err(refused("it is not a regular file; delete it"));
    }
    if !FileTrust::of_this_process().accepts_owner(found.uid()) {
        return Err(refused(&format!("it belongs to user {}; find out who made it, then delete it", found.uid())));
    }
    // None: it was deleted a moment ago, and is opened again.
    if found.nlink() > 1 {
        return Err(refused("it is a hard link: it has another name elsewhere; delete it"));
    }
    Ok(())
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("refused: {why}. Nothing was changed"))
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(200).read_to_string(&mut text));
    match read {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::files::trust::testing::{ANOTHER, give};

    fn held(lock: &Lock) -> Result<(), StoreError> {
        lock.still_held(lock.number().unwrap())
    }

    #[test]
    fn sec4_a_lock_file_that_is_a_link_or_another_users_is_refused_and_nothing_is_truncated() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, victim) = (dir.path().join("acme"), dir.path().join("victim"));
        fs::create_dir(&folder).unwrap();
        fs::write(&victim, "precious").unwrap();
        let lock = folder.join("lock");
        let refusal = || Lock::take(&folder, "test").unwrap_err().to_string();
        symlink(&victim, &lock).unwrap();
        assert!(refusal().contains("it is a link"), "{}", refusal());
        fs::remove_file(&lock).unwrap();
        fs::hard_link(&victim, &lock).unwrap();
        assert!(refusal().contains("hard link"), "{}", refusal());
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        assert!(Lock::take(&folder, "test").is_err());
        fs::remove_dir(&lock).unwrap();
        rustix::fs::mknodat(CWD, &lock, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(refusal().contains("not a regular file"), "{}", refusal());
        fs::remove_file(&lock).unwrap();
        fs::write(&lock, "theirs").unwrap();
        if give(&lock, ANOTHER) {
            assert!(refusal().contains("belongs to user 65534"), "{}", refusal());
            assert_eq!(fs::read(&lock).unwrap(), b"theirs");
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }

    #[test]
    fn sec17_a_lock_whose_file_was_deleted_or_exchanged_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path(), "first").unwrap();
        held(&lock).unwrap();
        fs::remove_file(dir.path().join("lock")).unwrap();
        let lost = held(&lock).unwrap_err();
        assert!(matches!(lost, StoreError::LockLost { .. }), "{lost}");
        let second = Lock::take(dir.path(), "second").unwrap();
        held(&second).unwrap();
        assert!(held(&lock).is_err(), "another file of that name is not this one's");
        drop(lock);
        assert!(Lock::take(dir.path(), "third").unwrap_err().to_string().contains("second"));
    }

    #[test]
    fn sec17_a_folder_that_was_exchanged_takes_the_lock_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("acme");
        let lock = Lock::take(&folder, "first").unwrap();
        fs::rename(&folder, dir.path().join("away")).unwrap();
        assert!(held(&lock).is_err());
        fs::write(&folder, "a file").unwrap();
        assert!(held(&lock).is_err());
    }
}
