//! A note beside the state: something that is under way outside of the journal, and must not be forgotten if it breaks off. In: a name, a
//! value. Out: a small file, written whole or not at all.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::disk;
use super::error::StoreError;
use crate::files;

fn path_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

/// Makes a folder that only its owner can enter, and its parents.
///
/// # Errors
/// When it could not be made.
pub fn private_folder(folder: &Path) -> Result<(), StoreError> {
    disk::private_folder(folder).map_err(|source| StoreError::io("make", folder, source))
}

/// Leaves a note. It is on the disk when this returns.
///
/// # Errors
/// When it could not be written.
pub fn put_note(folder: &Path, name: &str, note: &impl Serialize) -> Result<(), StoreError> {
    let path = path_of(folder, name);
    let text = serde_json::to_vec(note).map_err(|error| StoreError::io("write", &path, error.into()))?;
    disk::replace(&path, &mut |out| out.write_all(&text)).map_err(|source| StoreError::io("write", &path, source))?;
    Ok(())
}

/// The note, if there is one.
///
/// # Errors
/// When it is there and can't be read.
pub fn read_note<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>, StoreError> {
    let path = path_of(folder, name);
    let failed = |source| StoreError::io("read", &path, source);
    match files::read_whole(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| failed(error.into())),
    }
}

/// Takes a note away.
///
/// # Errors
/// When it could not be taken away.
pub fn drop_note(folder: &Path, name: &str) -> Result<(), StoreError> {
    let path = path_of(folder, name);
    let removed = disk::remove(&path).and_then(|()| disk::sync_folder(folder));
    removed.map_err(|source| StoreError::io("remove", &path, source))
}
