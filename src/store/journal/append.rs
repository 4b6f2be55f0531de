//! Appending: the only place that makes lines of events. What comes in is events; what goes out are records, numbered and
//! chained, and their lines at the end of a log.

use jiff::Timestamp;

use super::{Entry, MAX_LINE, line};
use crate::store::FORMAT;
use crate::store::backend::{Lease, Log, LogEnd, LogSegment};
use crate::store::error::StoreError;
use crate::store::record::{JournalEvent, Record};
use crate::store::tail::Tail;

/// Appends records to the last segment and begins new ones. After an error it must not be used again.
pub(in crate::store) struct Appender {
    end: Box<dyn LogEnd>,
    tenant: String,
    seq: u64,
    hash: String,
}

impl Appender {
    /// Begins a journal with its first record.
    pub(in crate::store) fn begin(
        log: &dyn Log,
        lease: &Lease,
        tenant: &str,
        (why, replaces): (&str, bool),
        at: Timestamp,
    ) -> Result<(Self, Entry), StoreError> {
        let event = JournalEvent::Opened { tenant: tenant.to_owned(), format: FORMAT, why: why.to_owned(), replaces };
        let record = Record { seq: 1, prev: String::new(), at, event, was: None };
        let (text, hash) = encode_one(&record)?;
        let (end, entry) = (log.begin(lease, &text)?, Entry { record, hash: hash.clone() });
        Ok((Self { end, tenant: tenant.to_owned(), seq: 1, hash }, entry))
    }

    /// Goes on after the last record.
    pub(in crate::store) fn resume(
        log: &dyn Log,
        lease: &Lease,
        last: &LogSegment,
        tenant: &str,
        tail: &Tail,
    ) -> Result<Self, StoreError> {
        let end = log.resume(lease, last)?;
        Ok(Self { end, tenant: tenant.to_owned(), seq: tail.seq, hash: tail.hash.clone() })
    }

    /// Appends events in order with one write. They are on the disk after [`Appender::sync`].
    ///
    /// An event that can't be a record is refused by itself; the outer error is the disk's.
    pub(in crate::store) fn append(
        &mut self,
        events: Vec<(Timestamp, JournalEvent)>,
    ) -> Result<Vec<Result<Entry, StoreError>>, StoreError> {
        let (mut text, first) = (Vec::new(), self.seq + 1);
        let entries = events.into_iter().map(|(at, event)| self.encode(at, event, &mut text)).collect();
        self.end.append(first, &text)?;
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
        self.end.sync()
    }

    /// Whether the segment is long enough for the next one to begin.
    pub(in crate::store) fn is_full(&self) -> bool {
        self.end.is_full()
    }

    /// Begins the next segment. What came before is on the disk first: a journal has no holes.
    pub(in crate::store) fn rotate(&mut self, tail: &Tail, at: Timestamp) -> Result<Entry, StoreError> {
        let event = JournalEvent::Continued(Box::new(tail.to_continued(&self.tenant, FORMAT)));
        let record = Record { seq: self.seq + 1, prev: self.hash.clone(), at, event, was: None };
        let (text, hash) = encode_one(&record)?;
        self.end.next_segment(record.seq, &text)?;
        self.seq = record.seq;
        self.hash.clone_from(&hash);
        Ok(Entry { record, hash })
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
