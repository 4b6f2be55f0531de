//! Looking at a journal before it is used: the last file is read whole, the ones before only where they join.

use std::io::{BufRead as _, Read as _};
use std::sync::Arc;

use serde_json::Value;

use super::read::{Entry, ReadError, Reader};
use super::{MAX_LINE, line};
use crate::store::FORMAT;
use crate::store::backend::{Log, LogSegment};
use crate::store::error::StoreError;
use crate::store::ledger::OpenIntent;
use crate::store::record::{JournalEvent, Record};
use crate::store::tail::Tail;

/// How much of a segment's end is read for its last line: most are short.
const ENDS: [u64; 3] = [1 << 16, 1 << 20, MAX_LINE + 1];

/// What was found.
#[derive(Debug)]
pub(in crate::store) enum Look {
    /// There is no journal.
    Nothing,
    /// A journal that can be gone on with, in this segment, of which so many bytes are whole if there is an unfinished end to cut
    /// off.
    Whole { tail: Box<Tail>, last: LogSegment, cut: Option<u64> },
    /// A newer rosterd wrote it.
    Newer(u32),
    /// It can't be believed.
    Damaged(String),
}

/// Looks at the journal of a tenant. Reads only.
pub(in crate::store) fn look(log: &Arc<dyn Log>, tenant: &str) -> Result<Look, StoreError> {
    let segments = log.segments()?;
    let Some(last) = segments.last().cloned() else { return Ok(Look::Nothing) };
    if let Some(found) = newer_format(&**log, &last)? {
        return Ok(Look::Newer(found));
    }
    let before = match segments.len().checked_sub(2).and_then(|at| segments.get(at)) {
        None if last.first == 1 => String::new(),
        None => return Ok(Look::Damaged(format!("the files before record {} are missing", last.first))),
        Some(before) => match joint(&**log, before)? {
            Some((seq, hash)) if seq + 1 == last.first => hash,
            _ => {
                let (before, first) = (before.place.display(), last.first);
                return Ok(Look::Damaged(format!("{before} does not end before record {first}")));
            }
        },
    };
    let mut tail = Tail::default();
    let mut end = None;
    let mut found_tenant = None;
    for entry in Reader::new(Arc::clone(log), vec![last.clone()]).following(before) {
        match entry {
            Ok(entry) => {
                found_tenant = found_tenant.or_else(|| tenant_of(&entry.record));
                tail.record(&entry.record, &entry.hash);
            }
            Err(ReadError::Broken(broken)) => end = Some(broken),
            Err(ReadError::Disk(error)) => return Err(error),
        }
    }
    let cut = match end {
        None => None,
        Some(broken) if broken.torn.is_some() => Some(broken.offset),
        Some(broken) => return Ok(Look::Damaged(broken.describe())),
    };
    match found_tenant {
        Some(found) if found == tenant => {}
        Some(found) => return Ok(Look::Damaged(format!("it is the journal of tenant {found}"))),
        None => return Ok(Look::Damaged(format!("{} does not begin as a journal does", last.place.display()))),
    }
    if let Some(why) = fetch_open(log, &segments, &mut tail)? {
        return Ok(Look::Damaged(why));
    }
    Ok(Look::Whole { tail: Box::new(tail), last, cut })
}

/// The tenant that the first record of a file names.
fn tenant_of(record: &Record) -> Option<String> {
    match &record.event {
        JournalEvent::Opened { tenant, .. } => Some(tenant.clone()),
        JournalEvent::Continued(before) => Some(before.tenant.clone()),
        _ => None,
    }
}

/// The format that the first line of a segment names, read without knowing the format, if this program does not know it.
pub(in crate::store) fn newer_format(log: &dyn Log, segment: &LogSegment) -> Result<Option<u32>, StoreError> {
    let mut text = Vec::new();
    let read = log.open(segment)?.take(MAX_LINE).read_until(b'\n', &mut text);
    read.map_err(|source| StoreError::io("read", &segment.place, source))?;
    let json = text.strip_suffix(b"\n").and_then(line::check);
    let head: Option<Value> = json.and_then(|json| serde_json::from_slice(json).ok());
    let event = head.as_ref().and_then(|head| head.get("event"));
    let opening = event.and_then(|event| event.get("opened").or_else(|| event.get("continued")));
    let format = opening.and_then(|opening| opening.get("format")).and_then(Value::as_u64);
    let format = format.map(|format| u32::try_from(format).unwrap_or(u32::MAX));
    Ok(format.filter(|found| *found > FORMAT))
}

/// Number and hash of a segment's last record.
fn joint(log: &dyn Log, segment: &LogSegment) -> Result<Option<(u64, String)>, StoreError> {
    let Some(text) = last_line(log, segment)? else { return Ok(None) };
    let Some(json) = line::check(&text) else { return Ok(None) };
    Ok(serde_json::from_slice::<Record>(json).ok().map(|record| (record.seq, line::hash_of(&record, json))))
}

/// The last whole line of a segment, without its line feed; `None` if the segment does not end in one.
fn last_line(log: &dyn Log, segment: &LogSegment) -> Result<Option<Vec<u8>>, StoreError> {
    for most in ENDS {
        let mut end = log.end(segment, most)?;
        let is_all = (end.len() as u64) < most;
        if end.pop() != Some(b'\n') {
            return Ok(None);
        }
        match end.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => return Ok(Some(end.split_off(at + 1))),
            None if is_all => return Ok((!end.is_empty()).then_some(end)),
            None => {}
        }
    }
    Ok(None)
}

/// Fetches what earlier files say of intents that are still open. Says what is wrong if they don't.
fn fetch_open(log: &Arc<dyn Log>, segments: &[LogSegment], tail: &mut Tail) -> Result<Option<String>, StoreError> {
    for (seq, open) in tail.open.iter_mut().filter(|(_, open)| open.is_none()) {
        let mut entries = Reader::around(Arc::clone(log), segments.to_vec(), *seq);
        let found = entries.find(|entry| entry.as_ref().map_or(true, |entry| entry.record.seq >= *seq));
        match found.transpose() {
            Ok(Some(Entry { record: Record { at, event: JournalEvent::Intent(intent), .. }, .. })) => {
                *open = Some(OpenIntent { seq: *seq, at, intent: *intent });
            }
            Ok(_) => return Ok(Some(format!("intent {seq} is missing"))),
            Err(ReadError::Broken(broken)) => return Ok(Some(broken.describe())),
            Err(ReadError::Disk(error)) => return Err(error),
        }
    }
    Ok(None)
}
