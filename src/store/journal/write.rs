//! Appending: the only place that writes journal files.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Cut, Entry, MAX_LINE, Segment, line, segment};
use crate::fail;
use crate::files;
use crate::store::error::StoreError;
use crate::store::record::{JournalEvent, Record};
use crate::store::tail::Tail;
use crate::store::{FORMAT, disk};

/// A file that grows at its end.
pub(in crate::store) trait LogFile: Send {
    /// Appends all bytes, or fails after some.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything appended is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// Where journal files come from. A test puts a disk here that fills up or breaks.
pub(in crate::store) trait Disk: Send {
    /// Makes a file that holds `first` and is on the disk, name and all.
    fn create(&self, path: &Path, first: &[u8]) -> io::Result<Box<dyn LogFile>>;
    /// Opens a file to go on at its end.
    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
}

/// The machine's disk.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct RealDisk;

impl LogFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Disk for RealDisk {
    fn create(&self, path: &Path, first: &[u8]) -> io::Result<Box<dyn LogFile>> {
        let file = disk::replace(path, &mut |out| out.write_all(first))?;
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(disk::private().append(true).open(path)?))
    }
}

/// Cuts an unfinished end off, after saving it beside the journal. Returns where it is kept, and its length.
pub(in crate::store) fn cut_off(folder: &Path, cut: &Cut, after: u64) -> io::Result<(PathBuf, u64)> {
    let bytes = files::read_whole(&cut.path)?.split_off(usize::try_from(cut.len).unwrap_or(usize::MAX));
    let kept = disk::free_name(folder, &format!("torn-after-{after}"));
    disk::replace(&kept, &mut |out| out.write_all(&bytes))?;
    let file = disk::private().write(true).open(&cut.path)?;
    file.set_len(cut.len)?;
    file.sync_all()?;
    Ok((kept, bytes.len() as u64))
}

/// Appends records to the last file and begins new files. After an error it must not be used again.
pub(in crate::store) struct Appender {
    disk: Box<dyn Disk>,
    folder: PathBuf,
    tenant: String,
    file: Box<dyn LogFile>,
    len: u64,
    segment_bytes: u64,
    seq: u64,
    hash: String,
}

impl Appender {
    /// Begins a journal with its first record: why it is new, and whether it takes the place of one that was damaged or lost.
    pub(in crate::store) fn begin(
        disk: Box<dyn Disk>,
        folder: &Path,
        tenant: &str,
        (why, replaces): (&str, bool),
        at: Timestamp,
        segment_bytes: u64,
    ) -> Result<(Self, Entry), StoreError> {
        let event = JournalEvent::Opened { tenant: tenant.to_owned(), format: FORMAT, why: why.to_owned(), replaces };
        let record = Record { seq: 1, prev: String::new(), at, event, was: None };
        let (text, hash) = encode_one(&record)?;
        let path = segment::path(folder, 1);
        let file = disk.create(&path, &text).map_err(|source| StoreError::io("create", &path, source))?;
        let (len, seq) = (text.len() as u64, 1);
        let tenant = tenant.to_owned();
        let (folder, entry) = (folder.to_owned(), Entry { record, hash: hash.clone() });
        Ok((Self { disk, folder, tenant, file, len, segment_bytes, seq, hash }, entry))
    }

    /// Goes on after the last record.
    pub(in crate::store) fn resume(
        disk: Box<dyn Disk>,
        last: &Segment,
        tenant: &str,
        tail: &Tail,
        segment_bytes: u64,
    ) -> Result<Self, StoreError> {
        let failed = |source| StoreError::io("open", &last.path, source);
        let len = std::fs::metadata(&last.path).map_err(failed)?.len();
        let file = disk.open(&last.path).map_err(failed)?;
        let folder = last.path.parent().map(Path::to_owned).unwrap_or_default();
        let (tenant, seq, hash) = (tenant.to_owned(), tail.seq, tail.hash.clone());
        Ok(Self { disk, folder, tenant, file, len, segment_bytes, seq, hash })
    }

    /// Appends events in order with one write. They are on the disk after [`Appender::sync`].
    ///
    /// An event that can't be a record is refused by itself; the outer error is the disk's.
    pub(in crate::store) fn append(
        &mut self,
        events: Vec<(Timestamp, JournalEvent)>,
    ) -> Result<Vec<Result<Entry, StoreError>>, StoreError> {
        let mut text = Vec::new();
        let entries = events.into_iter().map(|(at, event)| self.encode(at, event, &mut text)).collect();
        fail::point("journal.append")
            .and_then(|()| self.file.append(&text))
            .map_err(|source| self.failed("append to", source))?;
        self.len += text.len() as u64;
        Ok(entries)
    }

    fn encode(&mut self, at: Timestamp, event: JournalEvent, text: &mut Vec<u8>) -> Result<Entry, StoreError> {
        let start = text.len();
        let record = Record { seq: self.seq + 1, prev: self.hash.clone(), at, event, was: None };
        let encoded = line::encode(&record, text).map_err(unwritable).and_then(|hash| {
            let fits = (text.len() - start) as u64 <= MAX_LINE;
            if fits { Ok(hash) } else { Err(StoreError::Refused(format!("a record longer than {MAX_LINE} bytes"))) }
        });
        match encoded {
            Ok(hash) => {
                self.seq = record.seq;
                self.hash.clone_from(&hash);
                Ok(Entry { record, hash })
            }
            Err(error) => {
                text.truncate(start);
                Err(error)
            }
        }
    }

    /// Returns when everything appended is on the disk.
    pub(in crate::store) fn sync(&mut self) -> Result<(), StoreError> {
        let synced = fail::point("journal.sync").and_then(|()| self.file.sync());
        synced.and_then(|()| fail::point("journal.synced")).map_err(|source| self.failed("sync", source))
    }

    /// Whether the file is long enough for the next one to begin.
    pub(in crate::store) fn is_full(&self) -> bool {
        self.len >= self.segment_bytes
    }

    /// Begins the next file. What came before is on the disk first: a journal has no holes.
    pub(in crate::store) fn rotate(&mut self, tail: &Tail, at: Timestamp) -> Result<Entry, StoreError> {
        self.sync()?;
        let event = JournalEvent::Continued(Box::new(tail.to_continued(&self.tenant, FORMAT)));
        let record = Record { seq: self.seq + 1, prev: self.hash.clone(), at, event, was: None };
        let (text, hash) = encode_one(&record)?;
        let path = segment::path(&self.folder, record.seq);
        self.file = self.disk.create(&path, &text).map_err(|source| StoreError::io("create", &path, source))?;
        (self.len, self.seq) = (text.len() as u64, record.seq);
        self.hash.clone_from(&hash);
        Ok(Entry { record, hash })
    }

    fn failed(&self, what: &str, source: io::Error) -> StoreError {
        StoreError::io(what, &self.folder, source)
    }
}

fn encode_one(record: &Record) -> Result<(Vec<u8>, String), StoreError> {
    let mut text = Vec::new();
    let hash = line::encode(record, &mut text).map_err(unwritable)?;
    Ok((text, hash))
}

fn unwritable(error: serde_json::Error) -> StoreError {
    StoreError::Refused(error.to_string())
}
