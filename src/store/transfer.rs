//! A tenant's state as one file, to keep or to carry elsewhere. In: a journal, also one that a process writes to. Out: lines of
//! JSON with a checksum; and the way back.
//!
//! The file is the journal's records, text by text, so that its chain holds there too, and the words that stop a tenant (`paused`,
//! `retired`): a copy must not send what the original would not. Approvals stay behind: used up once, they must not come back. What
//! comes back in is believed to be old: the first run compares everything with the app, adopts and adds. Who lost access lately is taken over
//! from the state that was there, or else counts as unknown.

use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::backend::Lease;
use super::baseline::{AccessLoss, Activated, Baseline as _};
use super::error::StoreError;
use super::handle::TenantStore;
use super::journal::{Copy, Look, ReadError, Reader, look};
use super::mark::Sign;
use super::record::{Effect, FirstSync, JournalEvent, RunSummary};
use super::state::ReadStore;
use super::{FORMAT, chunks, disk, hex};
use crate::model::{Reason, RunId, TenantName};

/// Counts up when the file's own lines change.
const LAYOUT: u32 = 1;

/// No line of a state file is longer: a record, and a little around it.
const LONGEST: u64 = (32 << 20) + 1024;

/// A file that was exported so short a time ago is of today: nothing can have happened since that it does not know.
const SAME_MOMENT: SignedDuration = SignedDuration::from_mins(10);

/// The rolling limits look back a day; an activation looks for what was taken within a week before.
const DAY: SignedDuration = SignedDuration::from_hours(24);
const KEPT: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Files beside the journal that go with it.
const NOTES: [&str; 3] = ["paused", "retired", "probe.json"];

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFileHeader {
    /// The layout of this file.
    pub layout: u32,
    /// The format of the records.
    pub format: u32,
    /// Whose state it is.
    pub tenant: String,
    /// Which rosterd wrote it.
    pub version: String,
    /// When.
    pub at: Timestamp,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// How many records there are.
    pub records: u64,
    /// The hash of the last one: the head of the journal's chain.
    pub head: String,
    /// SHA-256 of everything before this line, hex.
    pub sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateFileLine<'a> {
    RosterdState(StateFileHeader),
    Note {
        name: String,
        text: String,
    },
    #[serde(borrow)]
    Record(&'a serde_json::value::RawValue),
    End(Sum),
}

/// What a state file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateFileContents {
    /// Where it came from.
    pub origin: StateFileHeader,
    /// What it adds up to.
    pub sum: Sum,
}

/// A state that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// What was taken in.
    pub contents: StateFileContents,
    /// Where the state is that was there before.
    pub aside: Option<PathBuf>,
}

impl TenantStore {
    /// Writes the state as it is at this moment. Needs no lock: what is written meanwhile comes after it.
    ///
    /// # Errors
    /// When there is no state, it is damaged or newer, or can't be written.
    pub fn export(&self, at: Timestamp, out: &mut dyn Write) -> Result<StateFileContents, StoreError> {
        let (tenant, (log, segments)) = (&self.name, self.readable_log()?);
        if segments.is_empty() {
            return Err(self.is_empty());
        }
        let mut out = Summing { out, sum: Sha256::new() };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let origin = StateFileHeader { layout: LAYOUT, format: FORMAT, tenant: tenant.to_string(), version, at };
        out.line(&StateFileLine::RosterdState(origin.clone()))?;
        for name in NOTES {
            let Some(text) = self.notes.read(name)? else { continue };
            let text = String::from_utf8(text);
            let text =
                text.map_err(|error| self.notes.unreadable(name, io::Error::new(io::ErrorKind::InvalidData, error)))?;
            out.line(&StateFileLine::Note { name: name.to_owned(), text })?;
        }
        let (mut records, mut head) = (0, String::new());
        let mut reader = Reader::from_first(log, segments);
        while let Some(entry) = reader.next() {
            match entry {
                Ok(entry) => {
                    if let JournalEvent::Opened { tenant: found, .. } = &entry.record.event
                        && found != tenant.as_str()
                    {
                        return Err(StoreError::Damaged(format!("it is the journal of tenant {found}")));
                    }
                    (records, head) = (entry.record.seq, entry.hash);
                    let text = std::str::from_utf8(reader.text()).unwrap_or_default();
                    let raw = serde_json::from_str(text).map_err(|error| StoreError::Damaged(error.to_string()))?;
                    out.line(&StateFileLine::Record(raw))?;
                }
                Err(ReadError::Disk(error)) => return Err(error),
                // What comes after was never acknowledged, or is being written.
                Err(ReadError::Broken(broken)) if broken.torn.is_some() => break,
                Err(ReadError::Broken(broken)) => return Err(StoreError::Damaged(broken.describe())),
            }
        }
        let sum = Sum { records, head, sha256: out.hex() };
        out.line(&StateFileLine::End(sum.clone()))?;
        out.out.flush().map_err(unwritten)?;
        Ok(StateFileContents { origin, sum })
    }

    /// Writes it to a file, whole or not at all, for the owner only.
    ///
    /// # Errors
    /// As [`TenantStore::export`].
    pub fn export_to(&self, at: Timestamp, path: &Path) -> Result<StateFileContents, StoreError> {
        let mut result = None;
        let written = disk::replace(path, &mut |out| {
            let mut out = io::BufWriter::new(out);
            let exported = self.export(at, &mut out);
            let failed = exported.is_err();
            result = Some(exported);
            if failed { Err(io::Error::other("it was not exported")) } else { out.flush() }
        });
        match (result, written) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(contents)), Ok(_)) => Ok(contents),
            (_, Err(source)) => Err(StoreError::io("write", path, source)),
            (None, Ok(_)) => Err(StoreError::Refused("nothing was exported".to_owned())),
        }
    }

    /// Takes a state file in as the state of the tenant. What was there is set aside, if `replace` says so. The first run after it
    /// only adopts and adds.
    ///
    /// # Errors
    /// When the file is not whole, is newer or is another tenant's, there is state already, or another process has it. Nothing was
    /// changed.
    pub fn import(&self, file: &mut dyn BufRead, replace: bool, now: Timestamp) -> Result<Imported, StoreError> {
        let (leased, archive) = (self.notes.lease("rosterd state import")?, self.notes.backend.archive());
        let had = self.has_state()?;
        if had && !replace {
            return Err(StoreError::Occupied(self.notes.place("").into()));
        }
        let replaced = replaced(self).filter(|_| had);
        let imported = make_ready(self, &leased.lease, file, replaced.as_ref(), now);
        let (contents, notes) = imported.inspect_err(|_| archive.discard(&leased.lease))?;
        // First what keeps things from being sent.
        for (name, text) in notes {
            leased.put_file(&name, Some(text.as_bytes()))?;
        }
        let aside = archive.replace(&leased.lease, &format!("replaced-{}", now.strftime("%Y%m%dT%H%M%SZ")))?;
        Ok(Imported { contents, aside: had.then_some(aside) })
    }
}

/// Reads a state file to its end and proves it: checksum, numbers, chain. Writes nothing.
///
/// # Errors
/// What is wrong with it.
pub fn check_export(file: &mut dyn BufRead) -> Result<StateFileContents, StoreError> {
    let (mut seq, mut head) = (0, String::new());
    read_export(file, None, &mut |line| {
        if let StateFilePart::Record(json) = line {
            let (record, hash) = super::journal::prove(json, seq + 1, &head)?;
            (seq, head) = (record.seq, hash);
        }
        Ok((seq, head.clone()))
    })
}

type StateNotes = Vec<(String, String)>;

/// Writes the journal of a state file beside the one in use, and proves it as an opening would.
fn make_ready(
    state: &TenantStore,
    lease: &Lease,
    file: &mut dyn BufRead,
    replaced: Option<&ReadStore>,
    now: Timestamp,
) -> Result<(StateFileContents, StateNotes), StoreError> {
    let tenant = &state.name;
    let draft = state.notes.backend.archive().draft(lease)?;
    let is_paused = state.mark(Sign::Paused).is_some();
    let mut copy = Copy::begin(draft, lease);
    let mut notes = StateNotes::new();
    let contents = read_export(file, Some(tenant), &mut |part| {
        match part {
            StateFilePart::Record(json) => copy.take(json).map(drop)?,
            // A pause that is there stays: nobody has ended it.
            StateFilePart::Note(name, _) if name == Sign::Paused.file() && is_paused => {}
            StateFilePart::Note(name, text) => notes.push((name.to_owned(), text.to_owned())),
        }
        let (seq, head) = copy.head();
        Ok((seq, head.to_owned()))
    })?;
    let exported = contents.origin.at;
    let carried = replaced.map(|state| carry_over(state, exported, now)).transpose();
    let carried = carried.unwrap_or_else(|error| {
        tracing::warn!(%error, "could not read from the replaced state which users recently lost access");
        None
    });
    let just_now = now.duration_since(exported).abs() <= SAME_MOMENT;
    let losses_unknown = carried.is_none() && !just_now;
    for event in carried.unwrap_or_default() {
        copy.append(now, event)?;
    }
    let why = format!("the state was imported; it was exported at {exported}");
    copy.append(now, JournalEvent::Doubted { why, losses_unknown })?;
    match look(&copy.finish()?, tenant.as_str())? {
        Look::Whole { cut: None, .. } => Ok((contents, notes)),
        Look::Damaged(why) => Err(bad(why)),
        _ => Err(bad("its records are no journal".to_owned())),
    }
}

/// The state that is to be replaced, if it can be read.
fn replaced(state: &TenantStore) -> Option<ReadStore> {
    state.read().unwrap_or_else(|error| {
        tracing::warn!(%error, "the state that is replaced can't be read");
        None
    })
}

/// What the rolling limits count of the state that is replaced, as records of the one that takes its place: a restored backup
/// begins no new day's budget.
fn carry_over(state: &ReadStore, exported: Timestamp, now: Timestamp) -> Result<Vec<JournalEvent>, StoreError> {
    let since = now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
    let mut effects = Vec::new();
    for AccessLoss { at, user } in state.lost_since(since)? {
        effects.push(Effect::AccessReduced { users: vec![user], at });
    }
    for Activated { at, user } in state.activated_since(since)? {
        effects.push(Effect::AccessRegained { users: vec![user], at });
    }
    // What the file knows itself must not count twice.
    let day_ago = now.saturating_sub(DAY).unwrap_or(Timestamp::MIN);
    for (group, members) in state.reduced_since(exported.max(day_ago))? {
        effects.push(Effect::GroupReduced { group, members, at: now });
    }
    let run = RunId::new(Uuid::now_v7().to_string());
    let noted = |effects| JournalEvent::Noted { run: run.clone(), reason: Reason::CarriedOver, effects };
    let mut events: Vec<JournalEvent> = chunks(effects).map(noted).collect();
    let later = |run: &RunSummary| run.created > 0 && run.ended > exported && run.ended >= day_ago;
    for run in state.runs(usize::MAX)?.into_iter().filter(later) {
        // Only what it created counts: what it saw of directory and file is not what this state knows.
        let (counts, settings, reading_s, addresses, quiet_at) = Default::default();
        let run = RunSummary {
            counts,
            settings,
            reading_s,
            addresses,
            quiet_at,
            clock: None,
            first_sync: Some(FirstSync::Waits),
            ..run
        };
        events.push(JournalEvent::RunEnded(Box::new(run)));
    }
    Ok(events)
}

/// Number and hash of the last record.
type Reached = (u64, String);

/// A line of a state file between the first and the last.
enum StateFilePart<'a> {
    Note(&'a str, &'a str),
    Record(&'a [u8]),
}

/// Reads a state file; `each` takes its parts and tells the number and hash of the last record.
fn read_export(
    file: &mut dyn BufRead,
    tenant: Option<&TenantName>,
    each: &mut dyn FnMut(StateFilePart<'_>) -> Result<Reached, StoreError>,
) -> Result<StateFileContents, StoreError> {
    let mut sum = Sha256::new();
    let mut origin: Option<StateFileHeader> = None;
    let mut reached = (0, String::new());
    let mut text = Vec::new();
    for number in 1_u64.. {
        text.clear();
        let read = file.take(LONGEST).read_until(b'\n', &mut text);
        if read.map_err(|error| bad(format!("line {number}: {error}")))? == 0 {
            return Err(bad("it ends in the middle".to_owned()));
        }
        let whole = text.ends_with(b"\n");
        if number == 1 {
            // Before anything else is expected of it.
            check_layout(&text)?;
        }
        let line: StateFileLine<'_> = serde_json::from_slice(&text).map_err(|error| {
            bad(format!(
                "line {number}: {}",
                if whole { error.to_string() } else { "it ends in the middle".to_owned() }
            ))
        })?;
        match (line, &origin) {
            (StateFileLine::RosterdState(found), None) => {
                if let Some(tenant) = tenant.filter(|tenant| tenant.as_str() != found.tenant) {
                    return Err(bad(format!("it is the state of tenant {}, not of {tenant}", found.tenant)));
                }
                origin = Some(found);
            }
            (_, None) | (StateFileLine::RosterdState(_), Some(_)) => {
                return Err(bad("it does not begin as a state file does".to_owned()));
            }
            (StateFileLine::Note { name, text }, Some(_)) if NOTES.contains(&name.as_str()) => {
                reached = each(StateFilePart::Note(&name, &text))?;
            }
            (StateFileLine::Note { name, .. }, Some(_)) => {
                return Err(bad(format!("line {number}: there is no note {name:?}")));
            }
            (StateFileLine::Record(raw), Some(_)) => reached = each(StateFilePart::Record(raw.get().as_bytes()))?,
            (StateFileLine::End(end), Some(origin)) => {
                let found = Sum { records: reached.0, head: reached.1, sha256: hex(&sum.finalize()) };
                let rest = file.fill_buf().map_err(|error| bad(error.to_string()))?;
                return match found == end && rest.is_empty() {
                    true => Ok(StateFileContents { origin: origin.clone(), sum: end }),
                    false => Err(bad("its checksum does not fit: it is not as it was written".to_owned())),
                };
            }
        }
        sum.update(&text);
    }
    Err(bad("it has no end".to_owned()))
}

/// Whether this program knows the file's layout and format, read without knowing either.
fn check_layout(first: &[u8]) -> Result<(), StoreError> {
    let value: serde_json::Value = serde_json::from_slice(first).unwrap_or_default();
    let number = |key: &str| value.pointer(&format!("/rosterd_state/{key}")).and_then(serde_json::Value::as_u64);
    let (Some(layout), Some(format)) = (number("layout"), number("format")) else {
        return Err(bad("it does not begin as a state file does".to_owned()));
    };
    if layout > LAYOUT.into() || format > FORMAT.into() {
        return Err(StoreError::NewerFile { layout, found: format, known: FORMAT });
    }
    Ok(())
}

fn bad(why: String) -> StoreError {
    StoreError::Refused(format!("the state file can't be used: {why}"))
}

fn unwritten(source: io::Error) -> StoreError {
    StoreError::Io { what: "write the state file".to_owned(), source }
}

/// Writes lines and adds them up.
struct Summing<'a> {
    out: &'a mut dyn Write,
    sum: Sha256,
}

impl Summing<'_> {
    fn line(&mut self, line: &StateFileLine<'_>) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec(line).map_err(|error| unwritten(error.into()))?;
        text.push(b'\n');
        self.sum.update(&text);
        self.out.write_all(&text).map_err(unwritten)
    }

    fn hex(&self) -> String {
        hex(&self.sum.clone().finalize())
    }
}
