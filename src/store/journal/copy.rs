//! A journal written anew from records that exist. In: their texts, in order. Out: a log as the first writer would have made it.
//!
//! Nothing is believed: every record has to follow the one before it. The log is a draft until somebody puts it in its place.

use std::sync::Arc;

use jiff::Timestamp;

use super::{MAX_LINE, line};
use crate::store::backend::{Lease, Log, LogEnd};
use crate::store::error::StoreError;
use crate::store::record::{JournalEvent, Record};

/// Lines that are appended together, in bytes.
const TOGETHER: usize = 1 << 16;

/// Reads a record that has to be number `seq` and follow the record with hash `prev`. Gives its own hash with it.
///
/// # Errors
/// [`StoreError::Refused`] if it is another one.
pub(in crate::store) fn prove(json: &[u8], seq: u64, prev: &str) -> Result<(Record, String), StoreError> {
    let refused = |why: String| Err(StoreError::Refused(format!("record {seq}: {why}")));
    let record: Record = match serde_json::from_slice(json) {
        Ok(record) => record,
        Err(error) => return refused(format!("it can't be read: {error}")),
    };
    if json.contains(&b'\n') || json.len() as u64 + 10 > MAX_LINE {
        return refused("it is no line of a journal".to_owned());
    }
    if record.seq != seq {
        return refused(format!("it calls itself {}", record.seq));
    }
    if record.prev != prev {
        return refused("the chain is broken: it does not follow the record before it".to_owned());
    }
    let hash = line::hash_of(&record, json);
    Ok((record, hash))
}

/// A journal that grows in a log of its own.
pub(in crate::store) struct Copy<'a> {
    log: Arc<dyn Log>,
    lease: &'a Lease,
    end: Option<Box<dyn LogEnd>>,
    /// Lines that are not appended yet.
    waiting: Vec<u8>,
    /// The number of the first of them.
    first: u64,
    seq: u64,
    hash: String,
}

impl<'a> Copy<'a> {
    /// Begins in a log that is empty.
    pub(in crate::store) fn begin(log: Arc<dyn Log>, lease: &'a Lease) -> Self {
        Self { log, lease, end: None, waiting: Vec::new(), first: 1, seq: 0, hash: String::new() }
    }

    /// The last record's number, and its hash.
    pub(in crate::store) fn head(&self) -> (u64, &str) {
        (self.seq, &self.hash)
    }

    /// Takes the next record by its text.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if it does not follow, or the disk's error.
    pub(in crate::store) fn take(&mut self, json: &[u8]) -> Result<Record, StoreError> {
        let (record, hash) = prove(json, self.seq + 1, &self.hash)?;
        self.put(&record, json, hash)?;
        Ok(record)
    }

    /// Appends something that happens now.
    pub(in crate::store) fn append(&mut self, at: Timestamp, event: JournalEvent) -> Result<(), StoreError> {
        let record = Record { seq: self.seq + 1, prev: self.hash.clone(), at, event, was: None };
        let json = serde_json::to_vec(&record).map_err(|error| StoreError::Refused(error.to_string()))?;
        let hash = line::hash(&json);
        self.put(&record, &json, hash)
    }

    fn put(&mut self, record: &Record, json: &[u8], hash: String) -> Result<(), StoreError> {
        // Each segment but the first begins with what came before it.
        let begins = self.seq == 0 || matches!(record.event, JournalEvent::Continued(_));
        if begins || self.waiting.len() >= TOGETHER {
            self.append_waiting()?;
            self.first = record.seq;
        }
        line::put(json, &mut self.waiting);
        (self.seq, self.hash) = (record.seq, hash);
        if begins {
            let line = std::mem::take(&mut self.waiting);
            match &mut self.end {
                Some(end) => end.next_segment(record.seq, &line)?,
                None => self.end = Some(self.log.begin(self.lease, &line)?),
            }
            self.first = record.seq + 1;
        }
        Ok(())
    }

    fn append_waiting(&mut self) -> Result<(), StoreError> {
        match &mut self.end {
            Some(end) if !self.waiting.is_empty() => end.append(self.first, &std::mem::take(&mut self.waiting)),
            _ => Ok(()),
        }
    }

    /// Returns the log when everything is on the disk.
    pub(in crate::store) fn finish(mut self) -> Result<Arc<dyn Log>, StoreError> {
        self.append_waiting()?;
        self.end.as_mut().map_or(Ok(()), |end| end.sync())?;
        Ok(self.log)
    }
}
