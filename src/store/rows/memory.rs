//! Rows in memory: for readers while another process holds the disk, and for tests and simulations.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Batch, KeyValue, RowSpace, Rows, RowsError};
use crate::store::error::StoreError;

/// An ordered map in memory.
#[derive(Debug, Default)]
pub(in crate::store) struct MemoryRows(RwLock<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Rows for MemoryRows {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn page(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<KeyValue>, RowsError> {
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let range = rows.range::<[u8], _>((start, Bound::Unbounded));
        let wanted = range.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(wanted.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn apply(&self, batch: Batch) -> Result<(), RowsError> {
        let mut rows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in batch {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), RowsError> {
        Ok(())
    }
}

/// Rows that are in no other process, and gone with this one.
pub(in crate::store) struct MemoryRowSpace;

impl RowSpace for MemoryRowSpace {
    fn is_lasting(&self) -> bool {
        false
    }

    fn exists(&self) -> bool {
        false
    }

    fn open(&self) -> Result<Arc<dyn Rows>, RowsError> {
        Ok(Arc::new(MemoryRows::default()))
    }

    fn remove(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn set_aside(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
