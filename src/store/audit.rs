//! The journal for people: all records in order, and the proof that none is missing or changed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::backend::{Log, LogSegment};
use super::error::StoreError;
use super::handle::TenantStore;
use super::journal::{Entry, ReadError, Reader, line_hash, newer_format};
use super::record::{JournalEvent, Record};

/// What a full check of a journal found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Good records, from the first on.
    pub records: u64,
    /// Files.
    pub files: u64,
    /// The hash of the last good record: note it elsewhere, and nobody can rewrite what came before.
    pub head: String,
    /// The first record that is not as it was written.
    pub broken: Option<BrokenRecord>,
    /// Records that were changed to forget somebody, each as the journal itself vouches for.
    pub forgotten: u64,
    /// Bytes of an unfinished record at the end, as a crash leaves it (or as another process is just writing it).
    pub unfinished: u64,
}

/// The first place where a journal stops being one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenRecord {
    /// The record that should stand there.
    pub seq: u64,
    /// The file.
    pub file: PathBuf,
    /// Where the line begins, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub why: String,
}

impl TenantStore {
    /// Checks every record of the journal: checksum, number, chain. Needs no lock and changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Newer`], or when a file can't be read.
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        let (log, segments) = self.readable_log()?;
        let mut report = VerifyReport { files: segments.len() as u64, ..VerifyReport::default() };
        let (mut changed, mut vouched) = (BTreeMap::new(), BTreeMap::new());
        let mut reader = Reader::from_first(log, segments);
        while let Some(entry) = reader.next() {
            match entry {
                Ok(Entry { record, hash }) => {
                    (report.records, report.head) = (record.seq, hash);
                    if record.was.is_some() {
                        changed.insert(record.seq, (line_hash(reader.text()), reader.place()));
                    }
                    if let JournalEvent::Forgot { texts, .. } = record.event {
                        vouched.extend(texts);
                    }
                }
                Err(ReadError::Disk(error)) => return Err(error),
                Err(ReadError::Broken(broken)) => match broken.torn {
                    Some(bytes) => report.unfinished = bytes,
                    None => {
                        let (seq, file, offset, why) = (broken.seq, broken.place, broken.offset, broken.why);
                        report.broken = Some(BrokenRecord { seq, file, offset, why });
                    }
                },
            }
        }
        // Only what the journal says of itself later may differ from what was written first.
        for (seq, (text, (file, offset))) in changed {
            report.forgotten += 1;
            if vouched.get(&seq) != Some(&text) && report.broken.as_ref().is_none_or(|broken| broken.seq > seq) {
                let why = "its text was changed, and no later record vouches for that".to_owned();
                report.broken = Some(BrokenRecord { seq, file, offset, why });
            }
        }
        Ok(report)
    }

    /// All records from number `from` on, in order. Needs no lock. Ends before an unfinished last record; breaks off with an
    /// error where the journal is damaged.
    ///
    /// # Errors
    /// [`StoreError::Newer`], or when the folder can't be read.
    pub fn records(&self, from: u64) -> Result<impl Iterator<Item = Result<Record, StoreError>> + use<>, StoreError> {
        let (log, segments) = self.readable_log()?;
        Ok(Reader::around(log, segments, from).filter_map(move |entry| match entry {
            Ok(Entry { record, .. }) => (record.seq >= from).then_some(Ok(record)),
            Err(ReadError::Disk(error)) => Some(Err(error)),
            Err(ReadError::Broken(broken)) => {
                broken.torn.is_none().then(|| Err(StoreError::Damaged(broken.describe())))
            }
        }))
    }

    /// The journal's log and segments, unless a newer rosterd wrote them.
    pub(super) fn readable_log(&self) -> Result<(Arc<dyn Log>, Vec<LogSegment>), StoreError> {
        let log = self.log();
        let segments = log.segments()?;
        let newer = segments.last().map(|last| newer_format(&*log, last)).transpose()?.flatten();
        match newer {
            Some(found) => Err(self.newer(found)),
            None => Ok((log, segments)),
        }
    }
}
