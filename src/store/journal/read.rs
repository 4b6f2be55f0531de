//! Reading records in order. Every record is proven: its checksum, its number, and the hash of the one before it.

use std::io::{BufRead, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::{MAX_LINE, line};
use crate::store::backend::{Log, LogSegment};
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
    /// The segment.
    pub(in crate::store) place: PathBuf,
    /// Where the line begins, in bytes.
    pub(in crate::store) offset: u64,
    /// What is wrong.
    pub(in crate::store) why: String,
    /// How many bytes there are from here on, if they are what a crash leaves at the end of the last segment, of writes that
    /// nobody was told of: an unfinished line, which may also be one that is being written, or blocks that never reached the disk
    /// and read as zeros. A finished line that is wrong is damage.
    pub(in crate::store) torn: Option<u64>,
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
        format!("record {} at byte {} of {}: {}", self.seq, self.offset, self.place.display(), self.why)
    }
}

/// Reads records in order, segment after segment. Ends after the last line or the first [`ReadError`].
pub(in crate::store) struct Reader {
    log: Arc<dyn Log>,
    segments: std::vec::IntoIter<LogSegment>,
    current: Option<OpenSegment>,
    /// The next record's number.
    next: u64,
    /// What it must name as its predecessor; `None` where the predecessor was not read.
    prev: Option<String>,
    line: Vec<u8>,
}

struct OpenSegment {
    place: PathBuf,
    input: Box<dyn BufRead + Send>,
    offset: u64,
}

impl Reader {
    /// Reads these segments from the first record of the first one on.
    pub(super) fn new(log: Arc<dyn Log>, segments: Vec<LogSegment>) -> Self {
        let next = segments.first().map_or(1, |segment| segment.first);
        let prev = (next == 1).then(String::new);
        Self { log, segments: segments.into_iter(), current: None, next, prev, line: Vec::new() }
    }

    /// Reads everything; segments that do not begin with record 1 are broken.
    pub(in crate::store) fn from_first(log: Arc<dyn Log>, segments: Vec<LogSegment>) -> Self {
        Self { next: 1, prev: Some(String::new()), ..Self::new(log, segments) }
    }

    /// Reads from the beginning of the segment that holds record `seq` (or would); earlier records of that segment come along.
    pub(in crate::store) fn around(log: Arc<dyn Log>, mut segments: Vec<LogSegment>, seq: u64) -> Self {
        let at = segments.partition_point(|segment| segment.first <= seq).saturating_sub(1);
        let reader = Self::new(log, segments.split_off(at));
        // A first segment that begins later than asked for shows as broken, not as a journal that begins there.
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
        let place = |open: &OpenSegment| (open.place.clone(), open.offset.saturating_sub(self.line.len() as u64));
        self.current.as_ref().map(place).unwrap_or_default()
    }

    fn broken(&self, why: impl Into<String>) -> Broken {
        let (place, offset) =
            self.current.as_ref().map_or_else(Default::default, |open| (open.place.clone(), open.offset));
        Broken { seq: self.next, place, offset, why: why.into(), torn: None }
    }

    /// Makes `line` the next line of the segment. `false` at its end.
    fn next_in_segment(&mut self) -> Result<bool, ReadError> {
        let Some(open) = &mut self.current else { return Ok(false) };
        self.line.clear();
        match open.input.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.line) {
            Ok(read) => Ok(read > 0),
            Err(source) => Err(ReadError::Disk(StoreError::io("read", &open.place, source))),
        }
    }

    /// Makes `line` the next line, opening the next segment where one ends. `false` at the end of the last one.
    fn next_line(&mut self) -> Result<bool, ReadError> {
        while !self.next_in_segment()? {
            let Some(segment) = self.segments.next() else { return Ok(false) };
            let input = self.log.open(&segment).map_err(ReadError::Disk)?;
            let LogSegment { first, place } = segment;
            if first != self.next {
                let why = format!("the file begins with record {first}");
                return Err(ReadError::Broken(Broken { seq: self.next, place, offset: 0, why, torn: None }));
            }
            self.current = Some(OpenSegment { place, input, offset: 0 });
        }
        Ok(true)
    }

    /// What is wrong with the line that was read last, and whether a crash left it so.
    fn judged(&mut self, broken: Broken) -> ReadError {
        // A segment is there when its first record is: what is wrong with that is no crash.
        if !self.segments.as_slice().is_empty() || broken.offset == 0 {
            return ReadError::Broken(broken);
        }
        let unfinished = !self.line.ends_with(b"\n") && (self.line.len() as u64) < MAX_LINE;
        let (mut bytes, mut has_zeros, mut has_good_line) = (0, false, false);
        loop {
            bytes += self.line.len() as u64;
            has_zeros |= self.line.contains(&0);
            has_good_line |= line::check(self.line.strip_suffix(b"\n").unwrap_or(&self.line)).is_some();
            match self.next_in_segment() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return error,
            }
        }
        let torn = (unfinished || (has_zeros && !has_good_line)).then_some(bytes);
        ReadError::Broken(Broken { torn, ..broken })
    }

    fn entry(&mut self) -> Result<Entry, Broken> {
        let Some(text) = self.line.strip_suffix(b"\n") else {
            let is_short = (self.line.len() as u64) < MAX_LINE;
            return Err(self.broken(if is_short {
                "the line is unfinished"
            } else {
                "the line is longer than any record"
            }));
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
            Ok(true) => self.entry().map_err(|broken| self.judged(broken)),
            Ok(false) => return None,
            Err(error) => Err(error),
        };
        if next.is_err() {
            self.segments = Vec::new().into_iter();
            self.current = None;
        }
        Some(next)
    }
}
