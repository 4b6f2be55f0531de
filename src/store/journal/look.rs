//! Looking at a journal before it is used: the last file is read whole, the ones before only where they join.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::read::{Entry, ReadError, Reader};
use super::segment::{Segment, last_line, segments};
use super::{MAX_LINE, line};
use crate::files;
use crate::store::FORMAT;
use crate::store::error::StoreError;
use crate::store::ledger::OpenIntent;
use crate::store::record::{JournalEvent, Record};
use crate::store::tail::Tail;

/// An unfinished end that is to be cut off before anything is appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Cut {
    /// The last file.
    pub(in crate::store) path: PathBuf,
    /// Its good length.
    pub(in crate::store) len: u64,
}

/// What was found.
#[derive(Debug)]
pub(in crate::store) enum Look {
    /// There is no journal.
    Nothing,
    /// A journal that can be gone on with, in this file, after cutting off an unfinished end.
    Whole { tail: Box<Tail>, last: Segment, cut: Option<Cut> },
    /// A newer rosterd wrote it.
    Newer(u32),
    /// It can't be believed.
    Damaged(String),
}

/// Looks at the journal of a tenant. Reads only.
pub(in crate::store) fn look(folder: &Path, tenant: &str) -> Result<Look, StoreError> {
    let failed = |source| StoreError::io("read", folder, source);
    let files = segments(folder).map_err(failed)?;
    let Some(last) = files.last().cloned() else { return Ok(Look::Nothing) };
    if let Some(found) = format_of(&last.path).map_err(failed)?.filter(|found| *found > FORMAT) {
        return Ok(Look::Newer(found));
    }
    let before = match files.len().checked_sub(2).and_then(|at| files.get(at)) {
        None if last.first == 1 => String::new(),
        None => return Ok(Look::Damaged(format!("the files before record {} are missing", last.first))),
        Some(before) => match joint(before).map_err(failed)? {
            Some((seq, hash)) if seq + 1 == last.first => hash,
            _ => {
                return Ok(Look::Damaged(format!(
                    "{} does not end before record {}",
                    before.path.display(),
                    last.first
                )));
            }
        },
    };
    let mut tail = Tail::default();
    let mut end = None;
    let mut found_tenant = None;
    for entry in Reader::new(vec![last.clone()]).following(before) {
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
        Some(broken) if broken.is_torn_end(&files).map_err(failed)? => {
            Some(Cut { path: broken.path, len: broken.offset })
        }
        Some(broken) => return Ok(Look::Damaged(broken.describe())),
    };
    match found_tenant {
        Some(found) if found == tenant => {}
        Some(found) => return Ok(Look::Damaged(format!("it is the journal of tenant {found}"))),
        None => return Ok(Look::Damaged(format!("{} does not begin as a journal does", last.path.display()))),
    }
    if let Some(why) = fetch_open(&files, &mut tail)? {
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

/// The format that a file's first line names, read without knowing the format.
pub(in crate::store) fn format_of(path: &Path) -> io::Result<Option<u32>> {
    let mut text = Vec::new();
    BufReader::new(files::open_regular(path)?).take(MAX_LINE).read_until(b'\n', &mut text)?;
    let json = text.strip_suffix(b"\n").and_then(line::check);
    let head: Option<Value> = json.and_then(|json| serde_json::from_slice(json).ok());
    let event = head.as_ref().and_then(|head| head.get("event"));
    let opening = event.and_then(|event| event.get("opened").or_else(|| event.get("continued")));
    let format = opening.and_then(|opening| opening.get("format")).and_then(Value::as_u64);
    Ok(format.map(|format| u32::try_from(format).unwrap_or(u32::MAX)))
}

/// Number and hash of a file's last record.
fn joint(file: &Segment) -> io::Result<Option<(u64, String)>> {
    let Some(text) = last_line(&file.path)? else { return Ok(None) };
    let Some(json) = line::check(&text) else { return Ok(None) };
    Ok(serde_json::from_slice::<Record>(json).ok().map(|record| (record.seq, line::hash_of(&record, json))))
}

/// Fetches what earlier files say of intents that are still open. Says what is wrong if they don't.
fn fetch_open(files: &[Segment], tail: &mut Tail) -> Result<Option<String>, StoreError> {
    for (seq, open) in tail.open.iter_mut().filter(|(_, open)| open.is_none()) {
        let mut entries = Reader::around(files.to_vec(), *seq);
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
