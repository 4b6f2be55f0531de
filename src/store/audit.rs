//! The journal for people: all records in order, and the proof that none is missing or changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::FORMAT;
use super::error::StoreError;
use super::handle::TenantStore;
use super::journal::{Entry, ReadError, Reader, Segment, format_of, line_hash, segments};
use super::record::{JournalEvent, Record};

/// What a full check of a journal found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
        let (journal, files) = readable_files(&self.folder())?;
        let failed = |source| StoreError::io("read", &journal, source);
        let mut report = VerifyReport {
            records: 0,
            files: files.len() as u64,
            head: String::new(),
            broken: None,
            forgotten: 0,
            unfinished: 0,
        };
        let (mut changed, mut vouched) = (BTreeMap::new(), BTreeMap::new());
        let mut reader = Reader::from_first(files.clone());
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
                Err(ReadError::Broken(broken)) if broken.is_torn_end(&files).map_err(failed)? => {
                    let len = std::fs::metadata(&broken.path).map_err(failed)?.len();
                    report.unfinished = len.saturating_sub(broken.offset);
                }
                Err(ReadError::Broken(broken)) => {
                    let (seq, file, offset, why) = (broken.seq, broken.path, broken.offset, broken.why);
                    report.broken = Some(BrokenRecord { seq, file, offset, why });
                }
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
        let (journal, files) = readable_files(&self.folder())?;
        Ok(Reader::around(files.clone(), from).filter_map(move |entry| match entry {
            Ok(Entry { record, .. }) => (record.seq >= from).then_some(Ok(record)),
            Err(ReadError::Disk(error)) => Some(Err(error)),
            Err(ReadError::Broken(broken)) => match broken.is_torn_end(&files) {
                Ok(true) => None,
                Ok(false) => Some(Err(StoreError::Damaged(broken.describe()))),
                Err(source) => Some(Err(StoreError::io("read", &journal, source))),
            },
        }))
    }
}

/// The journal's folder and files, unless a newer rosterd wrote them.
pub(super) fn readable_files(folder: &Path) -> Result<(PathBuf, Vec<Segment>), StoreError> {
    let journal = folder.join("journal");
    let failed = |source| StoreError::io("read", &journal, source);
    let files = segments(&journal).map_err(failed)?;
    let newest = files.last().map(|last| format_of(&last.path)).transpose().map_err(failed)?.flatten();
    match newest {
        Some(found) if found > FORMAT => Err(StoreError::Newer { folder: folder.to_owned(), found, known: FORMAT }),
        _ => Ok((journal, files)),
    }
}
