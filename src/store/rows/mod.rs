//! Rows: the cache seen as ordered keys and values. In: batches that are applied whole or not at all. Out: rows.
//!
//! Knows nothing of people and groups. Two implementations run the same tests: memory, and sled with
//! newer rows kept before it. A [`RowSpace`] is where a backend keeps the rows of one tenant.

mod late;
mod memory;
mod sled;

pub(super) use self::memory::MemoryRowSpace;
#[cfg(test)]
pub(super) use self::memory::MemoryRows;
pub(super) use self::sled::SledRowSpace;
#[cfg(test)]
pub(super) use self::sled::SledRows;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::error::StoreError;

/// Changes of rows by key; `None` takes the row away.
pub(super) type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A key and its value.
pub(super) type KeyValue = (Vec<u8>, Vec<u8>);

/// Why rows can't be read or written.
#[derive(Debug)]
pub(super) enum RowsError {
    /// What is there is not what was written: fold it anew from the journal.
    Damaged(String),
    /// The disk said no (full, not permitted): folding anew would not help.
    Io(io::Error),
    /// The place where they lie can't be had: folding anew would not help.
    Place(StoreError),
}

impl From<RowsError> for StoreError {
    fn from(error: RowsError) -> Self {
        match error {
            RowsError::Damaged(what) => Self::Cache(what),
            RowsError::Io(error) => Self::Cache(error.to_string()),
            RowsError::Place(error) => error,
        }
    }
}

/// An ordered map on disk or in memory.
pub(super) trait Rows: Send + Sync {
    /// The value at a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError>;

    /// Up to `limit` rows whose key begins with `prefix`, in order, after the key `after` if given.
    fn page(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<KeyValue>, RowsError>;

    /// Applies all changes or none.
    fn apply(&self, batch: Batch) -> Result<(), RowsError>;

    /// Returns when everything applied is on the disk.
    fn flush(&self) -> Result<(), RowsError>;
}

/// Where the rows of a tenant lie, for the one process that has it.
pub(super) trait RowSpace: Send + Sync {
    /// Whether rows are still there when the next process opens them. Then some that are missing were lost.
    fn is_lasting(&self) -> bool;

    /// Whether there are any.
    fn exists(&self) -> bool;

    /// Opens the rows, or makes them. Nobody else has them open.
    fn open(&self) -> Result<Arc<dyn Rows>, RowsError>;

    /// Takes the rows away, if there are any. Nobody has them open.
    fn remove(&self) -> Result<(), StoreError>;

    /// The same, and keeps them for whoever wants to know what was wrong. Only the last ones are kept.
    fn set_aside(&self) -> Result<(), StoreError>;
}
