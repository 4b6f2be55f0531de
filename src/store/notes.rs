//! Documents of one area as values. What comes in and goes out is whatever can be written as JSON; what it lies in is the
//! [`Backend`]'s business.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::backend::{Area, Backend, Before, Documents, Lease};
use super::error::StoreError;

/// The documents of one area, for somebody who does not hold it: each change counts by itself.
#[derive(Clone)]
pub struct Notes {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) area: Area,
}

impl Notes {
    /// The note of this name, if there is one.
    ///
    /// # Errors
    /// When it is there and can't be read.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let file = file_of(name);
        self.read(&file)?.map(|text| self.parse(&file, &text)).transpose()
    }

    /// Leaves a note, in place of an older one. It is durable when this returns.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn set<T: Serialize + ?Sized>(&self, name: &str, note: &T) -> Result<(), StoreError> {
        let file = file_of(name);
        let text = serde_json::to_vec(note).map_err(|error| self.unwritable(&file, error))?;
        self.swap(&file, Before::Anything, Some(&text)).map(drop)
    }

    /// Changes a note as it is at this moment; `None` leaves it as it is. The closure may be run again, if somebody else changed the
    /// note in between.
    ///
    /// # Errors
    /// When it can't be read or written.
    pub fn amend<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        change: impl Fn(Option<T>) -> Option<T>,
    ) -> Result<(), StoreError> {
        let file = file_of(name);
        loop {
            let before = self.read(&file)?;
            let note = before.as_deref().map(|text| self.parse(&file, text)).transpose()?;
            let Some(after) = change(note) else { return Ok(()) };
            let after = serde_json::to_vec(&after).map_err(|error| self.unwritable(&file, error))?;
            if self.swap(&file, Before::Is(before.as_deref()), Some(&after))? {
                return Ok(());
            }
        }
    }

    /// Takes a note away.
    ///
    /// # Errors
    /// When it could not be taken away.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.swap(&file_of(name), Before::Anything, None).map(drop)
    }

    /// The notes of a folder, in order.
    ///
    /// # Errors
    /// When they can't be listed.
    pub fn names(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let names = self.documents().names(&self.area, folder)?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".json")).map(str::to_owned).collect())
    }

    /// Who holds the area now.
    pub fn holder(&self) -> Option<String> {
        self.backend.holder(&self.area)
    }

    /// Takes the area for this process alone. `who` is the command, for whoever finds it taken.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another process has it, or the disk's error.
    pub fn lease(&self, who: &str) -> Result<Leased, StoreError> {
        let lease = Arc::new(self.backend.lease(&self.area, who)?);
        Ok(Leased { notes: self.clone(), lease })
    }

    /// What to say when somebody else has the area, whatever its lease says.
    pub fn taken_by(&self, holder: String) -> StoreError {
        StoreError::Busy { folder: self.place("").into(), holder }
    }

    /// Where a document lies, for people.
    pub(super) fn place(&self, file: &str) -> String {
        self.backend.place(&self.area, file)
    }

    pub(super) fn documents(&self) -> &dyn Documents {
        self.backend.documents()
    }

    pub(super) fn read(&self, file: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.documents().read(&self.area, file, u64::MAX)
    }

    pub(super) fn swap(&self, file: &str, before: Before<'_>, after: Option<&[u8]>) -> Result<bool, StoreError> {
        self.documents().swap(&self.area, file, before, after)
    }

    pub(super) fn unwritable(&self, file: &str, error: impl Into<std::io::Error>) -> StoreError {
        StoreError::Io { what: format!("write {}", self.place(file)), source: error.into() }
    }

    pub(super) fn unreadable(&self, file: &str, error: impl Into<std::io::Error>) -> StoreError {
        StoreError::Io { what: format!("read {}", self.place(file)), source: error.into() }
    }

    fn parse<T: DeserializeOwned>(&self, file: &str, text: &[u8]) -> Result<T, StoreError> {
        serde_json::from_slice(text).map_err(|error| self.unreadable(file, error))
    }
}

/// An area that this process holds, with its documents. It is let go of when the last of these is dropped.
#[derive(Clone)]
pub struct Leased {
    pub(super) notes: Notes,
    pub(super) lease: Arc<Lease>,
}

impl std::ops::Deref for Leased {
    type Target = Notes;

    fn deref(&self) -> &Notes {
        &self.notes
    }
}

impl Leased {
    /// Whether this process is still the only one that has it.
    ///
    /// # Errors
    /// [`StoreError::LockLost`] when another may have it, or the disk's error.
    pub fn still_held(&self) -> Result<(), StoreError> {
        self.lease.still_held()
    }

    /// Leaves a note as the holder. It is durable when this returns.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn put<T: Serialize + ?Sized>(&self, name: &str, note: &T) -> Result<(), StoreError> {
        let file = file_of(name);
        let text = serde_json::to_vec(note).map_err(|error| self.unwritable(&file, error))?;
        self.put_file(&file, Some(&text))
    }

    /// Takes a note away as the holder.
    ///
    /// # Errors
    /// When it could not be taken away.
    pub fn take(&self, name: &str) -> Result<(), StoreError> {
        self.put_file(&file_of(name), None)
    }

    /// A document that people read, too.
    pub(super) fn put_pretty<T: Serialize>(&self, file: &str, value: &T) -> Result<(), StoreError> {
        let text = serde_json::to_vec_pretty(value).map_err(|error| self.unwritable(file, error))?;
        self.put_file(file, Some(&text))
    }

    pub(super) fn put_file(&self, file: &str, bytes: Option<&[u8]>) -> Result<(), StoreError> {
        self.documents().put(&self.lease, file, bytes)
    }
}

fn file_of(name: &str) -> String {
    format!("{name}.json")
}
