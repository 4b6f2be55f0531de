//! A log in a folder of this machine: files of lines. What comes in is lines; what goes out are files, and the lines in them.
//!
//! `journal/00000001.log` begins with record 1, and every file is named after its first record. This module knows no record.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fail;
use crate::files;
use crate::store::backend::{Lease, Log, LogEnd, LogSegment};
use crate::store::disk;
use crate::store::error::StoreError;
use crate::store::rows::{RowSpace, SledRowSpace};

/// A file that grows at its end.
pub(in crate::store) trait LogFile: Send {
    /// Appends all bytes, or fails after some.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything appended is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// Where files of logs and rows come from. A test puts a disk here that fills up or breaks.
pub(in crate::store) trait Disk: Send + Sync {
    /// Makes a file that holds `first` and is on the disk, name and all.
    fn create(&self, path: &Path, first: &[u8]) -> io::Result<Box<dyn LogFile>>;
    /// Opens a file to go on at its end.
    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    /// Where rows lie that belong into this folder; what is set aside of them goes into the other one.
    fn rows(&self, folder: PathBuf, aside: PathBuf) -> Box<dyn RowSpace> {
        Box::new(SledRowSpace::new(folder, aside))
    }
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

/// The log in a folder.
pub(super) struct LogFolder {
    pub(super) folder: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    /// A file is closed and the next one begun when it has grown this long.
    pub(super) segment_bytes: u64,
}

/// The file that begins with record `first`.
fn path_of(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:08}.log"))
}

impl LogFolder {
    fn segment_file(&self, file: Box<dyn LogFile>, len: u64) -> Box<dyn LogEnd> {
        let (disk, folder) = (Arc::clone(&self.disk), self.folder.clone());
        Box::new(SegmentFile { disk, folder, file, len, longest: self.segment_bytes })
    }
}

impl Log for LogFolder {
    /// Other files of the folder are left alone.
    fn segments(&self) -> Result<Vec<LogSegment>, StoreError> {
        let failed = |source| StoreError::io("read", &self.folder, source);
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let place = entry.map_err(failed)?.path();
            let name = place.file_name().and_then(|name| name.to_str());
            if let Some(first) = name.and_then(|name| name.strip_suffix(".log")).and_then(|first| first.parse().ok()) {
                all.push(LogSegment { first, place });
            }
        }
        all.sort_unstable_by_key(|segment| segment.first);
        Ok(all)
    }

    fn open(&self, segment: &LogSegment) -> Result<Box<dyn BufRead + Send>, StoreError> {
        let file = files::open_regular(&segment.place);
        let file = file.map_err(|source| StoreError::io("open", &segment.place, source))?;
        Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
    }

    fn end(&self, segment: &LogSegment, most: u64) -> Result<Vec<u8>, StoreError> {
        let read = || {
            let mut file = files::open_regular(&segment.place)?;
            let whole = file.seek(SeekFrom::End(0))?;
            file.seek(SeekFrom::Start(whole.saturating_sub(most)))?;
            let mut end = Vec::new();
            file.take(most).read_to_end(&mut end)?;
            Ok(end)
        };
        read().map_err(|source| StoreError::io("read", &segment.place, source))
    }

    fn begin(&self, lease: &Lease, line: &[u8]) -> Result<Box<dyn LogEnd>, StoreError> {
        lease.still_held()?;
        disk::private_folder(&self.folder).map_err(|source| StoreError::io("make", &self.folder, source))?;
        let path = path_of(&self.folder, 1);
        let file = self.disk.create(&path, line).map_err(|source| StoreError::io("create", &path, source))?;
        Ok(self.segment_file(file, line.len() as u64))
    }

    fn resume(&self, lease: &Lease, last: &LogSegment) -> Result<Box<dyn LogEnd>, StoreError> {
        lease.still_held()?;
        let failed = |source| StoreError::io("open", &last.place, source);
        let len = fs::metadata(&last.place).map_err(failed)?.len();
        Ok(self.segment_file(self.disk.open(&last.place).map_err(failed)?, len))
    }

    /// What is cut off is kept beside the files.
    fn cut(&self, lease: &Lease, last: &LogSegment, whole: u64, after: u64) -> Result<(PathBuf, u64), StoreError> {
        lease.still_held()?;
        let cut = || {
            let bytes = files::read_whole(&last.place)?.split_off(usize::try_from(whole).unwrap_or(usize::MAX));
            let kept = disk::free_name(&self.folder, &format!("torn-after-{after}"));
            disk::replace(&kept, &mut |out| out.write_all(&bytes))?;
            let file = disk::private().write(true).open(&last.place)?;
            file.set_len(whole)?;
            file.sync_all()?;
            Ok((kept, bytes.len() as u64))
        };
        cut().map_err(|source| StoreError::io("repair", &last.place, source))
    }
}

/// The last file of a log.
struct SegmentFile {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    file: Box<dyn LogFile>,
    len: u64,
    longest: u64,
}

impl SegmentFile {
    fn failed(&self, what: &str, source: io::Error) -> StoreError {
        StoreError::io(what, &self.folder, source)
    }
}

impl LogEnd for SegmentFile {
    fn append(&mut self, _: u64, lines: &[u8]) -> Result<(), StoreError> {
        let appended = fail::point("journal.append").and_then(|()| self.file.append(lines));
        appended.map_err(|source| self.failed("append to", source))?;
        self.len += lines.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let synced = fail::point("journal.sync").and_then(|()| self.file.sync());
        synced.and_then(|()| fail::point("journal.synced")).map_err(|source| self.failed("sync", source))
    }

    fn is_full(&self) -> bool {
        self.len >= self.longest
    }

    fn next_segment(&mut self, first: u64, line: &[u8]) -> Result<(), StoreError> {
        self.sync()?;
        let path = path_of(&self.folder, first);
        self.file = self.disk.create(&path, line).map_err(|source| StoreError::io("create", &path, source))?;
        self.len = line.len() as u64;
        Ok(())
    }
}
