//! Reading records in order. Every record is proven: its checksum, its number, and the hash of the one before it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::{MAX_LINE, Segment, line};
use crate::files;
use crate::store::error::StoreError;
use crate::store::record::Record;

/// A record with the hash of its text.
#[derive(Debug, Clone)]
pub(in crate::store) struct Entry {
    pub(in crate::store) record: Record,
    pub(in crate::store) hash: String,
}

/// The place where a journal stops being one.
#[derive(Debug)]
pub(in crate::store) struct Broken {
    /// The record that should stand there.
    pub(in crate::store) seq: u64,
    /// The file.
    pub(in crate::store) path: PathBuf,
    /// Where the line begins, in bytes.
    pub(in crate::store) offset: u64,
    /// What is wrong.
    pub(in crate::store) why: String,
    /// The file ends in the middle of the line: it is being written, or a crash interrupted that.
    unfinished: bool,
}

/// Why reading ended early.
#[derive(Debug)]
pub(in crate::store) enum ReadError {
    /// The journal is not as it was written.
    Broken(Broken),
    /// A file can't be read at this moment. That says nothing about what is in it.
    Disk(StoreError),
}

impl Broken {
    /// In words, for messages.
    pub(in crate::store) fn describe(&self) -> String {
        format!("record {} at byte {} of {}: {}", self.seq, self.offset, self.path.display(), self.why)
    }

    /// Whether this is what a crash leaves at the end of the last file, of writes that nobody was told of: an unfinished
    /// line, or blocks that never reached the disk and read as zeros. A finished line that is wrong is damage.
    pub(in crate::store) fn is_torn_end(&self, files: &[Segment]) -> io::Result<bool> {
        if files.last().is_none_or(|last| last.path != self.path) || self.offset == 0 {
            // A file gets its name when its first record is on the disk: what is wrong there is no crash.
            return Ok(false);
        }
        if self.unfinished {
            return Ok(true);
        }
        let mut file = files::open_regular(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut rest = Vec::new();
        file.read_to_end(&mut rest)?;
        let good_line = rest.split(|byte| *byte == b'\n').any(|line| line::check(line).is_some());
        Ok(rest.contains(&0) && !good_line)
    }
}

/// Reads records in order, file after file. Ends after the last line or the first [`ReadError`].
pub(in crate::store) struct Reader {
    files: std::vec::IntoIter<Segment>,
    current: Option<OpenSegment>,
    /// The next record's number.
    next: u64,
    /// What it must name as its predecessor; `None` where the predecessor was not read.
    prev: Option<String>,
    line: Vec<u8>,
}

struct OpenSegment {
    path: PathBuf,
    input: BufReader<File>,
    offset: u64,
}

impl Reader {
    /// Reads these files from the first record of the first one on.
    pub(in crate::store) fn new(files: Vec<Segment>) -> Self {
        let next = files.first().map_or(1, |file| file.first);
        let prev = (next == 1).then(String::new);
        Self { files: files.into_iter(), current: None, next, prev, line: Vec::new() }
    }

    /// Reads everything; files that do not begin with record 1 are broken.
    pub(in crate::store) fn from_first(files: Vec<Segment>) -> Self {
        Self { next: 1, prev: Some(String::new()), ..Self::new(files) }
    }

    /// Reads from the beginning of the file that holds record `seq` (or would); earlier records of that file come along.
    pub(in crate::store) fn around(mut files: Vec<Segment>, seq: u64) -> Self {
        let at = files.partition_point(|file| file.first <= seq).saturating_sub(1);
        let reader = Self::new(files.split_off(at));
        // A first file that begins later than asked for shows as broken, not as a journal that begins there.
        Self { next: reader.next.min(seq), ..reader }
    }

    /// What the first record must name as its predecessor.
    pub(super) fn following(mut self, hash: String) -> Self {
        self.prev = Some(hash);
        self
    }

    /// The text of the record that was read last, as it stands in the file.
    pub(in crate::store) fn text(&self) -> &[u8] {
        self.line.strip_suffix(b"\n").and_then(line::check).unwrap_or_default()
    }

    /// Where the record that was read last stands.
    pub(in crate::store) fn place(&self) -> (PathBuf, u64) {
        let place = |open: &OpenSegment| (open.path.clone(), open.offset.saturating_sub(self.line.len() as u64));
        self.current.as_ref().map(place).unwrap_or_default()
    }

    fn broken(&self, why: impl Into<String>) -> Broken {
        let (path, offset) =
            self.current.as_ref().map_or_else(Default::default, |open| (open.path.clone(), open.offset));
        Broken { seq: self.next, path, offset, why: why.into(), unfinished: false }
    }

    /// Makes `line` the next line, opening the next file where one ends. `false` at the end of the last one.
    fn next_line(&mut self) -> Result<bool, ReadError> {
        loop {
            if let Some(open) = &mut self.current {
                self.line.clear();
                match open.input.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.line) {
                    Ok(0) => self.current = None,
                    Ok(_) => return Ok(true),
                    Err(source) => return Err(ReadError::Disk(StoreError::io("read", &open.path, source))),
                }
            }
            let Some(Segment { first, path }) = self.files.next() else { return Ok(false) };
            let file =
                files::open_regular(&path).map_err(|source| ReadError::Disk(StoreError::io("open", &path, source)))?;
            if first != self.next {
                let why = format!("the file begins with record {first}");
                return Err(ReadError::Broken(Broken { seq: self.next, path, offset: 0, why, unfinished: false }));
            }
            let input = BufReader::with_capacity(1 << 16, file);
            self.current = Some(OpenSegment { path, input, offset: 0 });
        }
    }

    fn entry(&mut self) -> Result<Entry, Broken> {
        let Some(text) = self.line.strip_suffix(b"\n") else {
            let unfinished = (self.line.len() as u64) < MAX_LINE;
            let why = if unfinished { "the line is unfinished" } else { "the line is longer than any record" };
            return Err(Broken { unfinished, ..self.broken(why) });
        };
        let Some(json) = line::check(text) else { return Err(self.broken("the checksum does not fit")) };
        let record: Record =
            serde_json::from_slice(json).map_err(|error| self.broken(format!("the record can't be read: {error}")))?;
        if record.seq != self.next {
            return Err(self.broken(format!("the record calls itself {}", record.seq)));
        }
        if self.prev.as_ref().is_some_and(|prev| *prev != record.prev) {
            return Err(self.broken("the chain is broken: the record before it is not the one it follows"));
        }
        let hash = line::hash_of(&record, json);
        self.next += 1;
        self.prev = Some(hash.clone());
        if let Some(open) = &mut self.current {
            open.offset += self.line.len() as u64;
        }
        Ok(Entry { record, hash })
    }
}

impl Iterator for Reader {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match self.next_line() {
            Ok(true) => self.entry().map_err(ReadError::Broken),
            Ok(false) => return None,
            Err(error) => Err(error),
        };
        if next.is_err() {
            self.files = Vec::new().into_iter();
            self.current = None;
        }
        Some(next)
    }
}
