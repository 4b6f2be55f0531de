//! A journal written anew from records that exist. In: their texts, in order. Out: files as the first writer would have made them.
//!
//! Nothing is believed: every record has to follow the one before it. The files lie in a folder of their own until somebody swaps
//! them in.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{MAX_LINE, line, segment};
use crate::store::disk;
use crate::store::error::StoreError;
use crate::store::record::{JournalEvent, Record};

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

/// A journal that grows in a folder of its own.
pub(in crate::store) struct Copy {
    folder: PathBuf,
    file: Option<(PathBuf, BufWriter<File>)>,
    seq: u64,
    hash: String,
}

impl Copy {
    /// Begins in a folder that is made for it.
    pub(in crate::store) fn begin(folder: &Path) -> Result<Self, StoreError> {
        disk::private_folder(folder).map_err(|source| StoreError::io("make", folder, source))?;
        Ok(Self { folder: folder.to_owned(), file: None, seq: 0, hash: String::new() })
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
        // Each file but the first begins with what came before it.
        if self.seq == 0 || matches!(record.event, JournalEvent::Continued(_)) {
            self.next_file(record.seq)?;
        }
        let Some((path, out)) = &mut self.file else { return Err(StoreError::Refused("no file is open".to_owned())) };
        let written = write!(out, "{:08x} ", crc32fast::hash(json)).and_then(|()| out.write_all(json));
        written.and_then(|()| out.write_all(b"\n")).map_err(|source| StoreError::io("write", path, source))?;
        (self.seq, self.hash) = (record.seq, hash);
        Ok(())
    }

    fn next_file(&mut self, first: u64) -> Result<(), StoreError> {
        self.close()?;
        let path = segment::path(&self.folder, first);
        let file = disk::private().write(true).create_new(true).open(&path);
        let file = file.map_err(|source| StoreError::io("create", &path, source))?;
        self.file = Some((path, BufWriter::new(file)));
        Ok(())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        let Some((path, out)) = self.file.take() else { return Ok(()) };
        let synced = out.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
        synced.map_err(|source| StoreError::io("sync", &path, source))
    }

    /// Returns when everything is on the disk.
    pub(in crate::store) fn finish(mut self) -> Result<(), StoreError> {
        self.close()?;
        disk::sync_folder(&self.folder).map_err(|source| StoreError::io("sync", &self.folder, source))
    }
}
