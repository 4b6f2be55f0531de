//! One writer for a tenant (promise I5), one daemon for a state folder: a lock on a file that says who holds it.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::disk;
use super::error::StoreError;

/// Holds the tenant's lock until dropped; the system lets go of it when the process dies.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes the lock of a state folder at once, or says who has it. `who` is the command, for the next one to read.
    ///
    /// # Errors
    /// When another process has it, or the disk says no.
    pub fn take(folder: &Path, who: &str) -> Result<Self, StoreError> {
        let path = folder.join("lock");
        let failed = |source| StoreError::io("lock", &path, source);
        disk::private_folder(folder).map_err(failed)?;
        let mut options = disk::private();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Busy { folder: folder.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{who} (process {})", std::process::id()).map_err(failed)?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only a courtesy to whoever reads the file.
        let _ = self.0.set_len(0);
        // The lock ends with the last handle at the latest. A child process that is just being started has one too for a moment,
        // and nobody shall wait for that.
        let _ = self.0.unlock();
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(200).read_to_string(&mut text));
    match read {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}
