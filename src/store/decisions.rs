//! What people decide about held plans. In: a plan's id. Out: approve or reject, by whom, until when.
//!
//! The process that runs a tenant holds its state; whoever decides is another one. So a decision is a small file of its own in
//! `decisions/`, written whole or not at all, and the next run takes notice: it writes the decision into the journal and, if it
//! is an approval, takes the file away before the first call. An approval is good for one run of one plan.
//!
//! A file is believed only as far as it can be: who owns it, who may write it, how long it counts. Whose decision it is, is what the
//! file itself says only where this process sealed it, the journal has it, or the file belongs to that account; otherwise it is the
//! decision of the file's owner, and what it says is kept as a claim.

use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use hmac::{Hmac, Mac as _};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::disk;
use super::error::StoreError;
use crate::files;
use crate::identity::{Identity, ROOT};

/// No decision counts for longer than a week.
pub const LONGEST_DECISION: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How far ahead another process's clock may be.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// A decision is a few lines.
const LARGEST: u64 = 64 << 10;
/// A reason is a sentence or two, in characters.
pub const LONGEST_REASON: usize = 1000;

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The next run carries the plan out, if it is still exactly this one.
    Approve,
    /// It stays held; somebody has seen it.
    Reject,
}

/// What somebody decided about a held plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Decision {
    /// The plan's id.
    pub plan: String,
    /// Yes or no.
    pub verdict: Verdict,
    /// Who: the account's name.
    pub by: String,
    /// What is known of who that is; `None` in records of the first versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Until when it counts.
    pub expires: Timestamp,
}

/// A decision as it is written in a record or a file, of this version or the first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    plan: String,
    verdict: Verdict,
    by: String,
    #[serde(default)]
    identity: Option<Identity>,
    reason: String,
    at: Timestamp,
    expires: Timestamp,
    /// Of the first version: whether the journal has it. The journal is asked instead.
    #[serde(default, rename = "noted")]
    _noted: Option<bool>,
    /// Proves, within one process, that it was written by that process.
    #[serde(default)]
    seal: Option<String>,
    /// Whether it is about the plan of an undo, which no sync holds.
    #[serde(default)]
    undo: bool,
}

impl From<Written> for Decision {
    fn from(written: Written) -> Self {
        let Written { plan, verdict, by, identity, reason, at, expires, .. } = written;
        Self { plan, verdict, by, identity, reason, at, expires }
    }
}

impl Decision {
    /// Who, with all that is known of that.
    pub fn who(&self) -> String {
        self.identity.as_ref().map_or_else(|| self.by.clone(), ToString::to_string)
    }

    fn still_counts(&self, now: Timestamp) -> bool {
        self.expires > now
    }
}

/// A decision that a run took notice of, as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// What was decided.
    pub decision: Decision,
    /// Whether it waits for another person's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
}

impl Noted {
    /// Whether it is the same decision.
    fn is(&self, decision: &Decision) -> bool {
        let Decision { plan, verdict, at, .. } = &self.decision;
        (plan, verdict, at) == (&decision.plan, &decision.verdict, &decision.at)
            && (self.decision.identity == decision.identity || decision.identity.is_none())
    }
}

/// A file in `decisions/` that decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedDecision {
    /// The file.
    pub file: PathBuf,
    /// Why it was not believed.
    pub why: String,
}

impl std::fmt::Display for RefusedDecision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} decides nothing: {}", self.file.display(), self.why)
    }
}

/// What is in `decisions/`.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) decisions: Vec<Filed>,
    pub(super) refused: Vec<RefusedDecision>,
}

/// A decision and its file.
#[derive(Debug)]
pub(super) struct Filed {
    pub(super) decision: Decision,
    file: PathBuf,
    undo: bool,
}

/// Puts a decision where the next run finds it, in place of an earlier one of the same account about the same plan.
///
/// # Errors
/// When it could not be written: then nothing was decided.
pub fn decide(folder: &Path, decision: &Decision) -> Result<(), StoreError> {
    put(folder, decision, false)
}

/// The same about the plan of an undo: it is kept until it expires, since no sync comes to that plan.
///
/// # Errors
/// See [`decide`].
pub fn decide_on_undo(folder: &Path, decision: &Decision) -> Result<(), StoreError> {
    put(folder, decision, true)
}

fn put(folder: &Path, decision: &Decision, undo: bool) -> Result<(), StoreError> {
    let place = folder.join(PLACE);
    disk::private_folder(&place).map_err(|source| StoreError::io("make", &place, source))?;
    let path = decision_path(folder, decision);
    let failed = |error: serde_json::Error| StoreError::io("write", &path, error.into());
    let undo = undo || is_plan_of_undo(folder, &decision.plan)?;
    let mut value = serde_json::to_value(decision).map_err(failed)?;
    if let Some(fields) = value.as_object_mut() {
        fields.extend(seal_of(decision).map(|seal| ("seal".to_owned(), seal.into())));
        if undo {
            fields.insert("undo".to_owned(), true.into());
        }
    }
    write(&path, &value)
}

/// Whether a plan was decided about as that of an undo.
///
/// # Errors
/// When the folder can't be read.
pub fn is_plan_of_undo(folder: &Path, plan: &str) -> Result<bool, StoreError> {
    Ok(all(folder)?.iter().any(|path| is_about_undo(path, plan)))
}

/// Approvals of an undo that the journal does not have yet: the process that carries it out believes only the journal.
pub(super) fn unknown_of_undo(found: Found, known: &[Noted], now: Timestamp) -> Vec<Decision> {
    let undo = found.decisions.into_iter().filter(|filed| filed.undo).map(|filed| filed.decision);
    undo.filter(|one| one.still_counts(now) && !known.iter().any(|noted| noted.is(one))).collect()
}

fn is_about_undo(path: &Path, plan: &str) -> bool {
    let written: Option<Written> = read(path).ok().flatten();
    written.is_some_and(|written| written.undo && written.plan == plan)
}

/// Everything in `decisions/`, with what may not be believed apart. `known` is what the journal has.
pub(super) fn look(folder: &Path, known: &[Noted], now: Timestamp) -> Result<Found, StoreError> {
    let mut found = Found::default();
    let paths = all(folder)?;
    let Some(owner) = std::fs::metadata(folder).ok().map(|folder| folder.uid()).filter(|_| !paths.is_empty()) else {
        return Ok(found);
    };
    let place = place_is_sound(&folder.join(PLACE), owner);
    for file in paths {
        let believed = place.clone().and_then(|()| believe(&file, owner, known, now));
        match believed {
            Ok(Some(filed)) => found.decisions.push(filed),
            Ok(None) => {}
            Err(why) => found.refused.push(RefusedDecision { file, why }),
        }
    }
    found.decisions.sort_by_key(|filed| filed.decision.at);
    Ok(found)
}

/// Files in `decisions/` that decide nothing, for people to see.
///
/// # Errors
/// When the folder can't be read.
pub fn refused_decisions(folder: &Path, now: Timestamp) -> Result<Vec<RefusedDecision>, StoreError> {
    look(folder, &[], now).map(|found| found.refused)
}

fn place_is_sound(place: &Path, owner: u32) -> Result<(), String> {
    let found = std::fs::symlink_metadata(place).map_err(|error| format!("its folder can't be looked at: {error}"))?;
    match () {
        () if !found.is_dir() => Err("its folder is a link".to_owned()),
        () => belongs("its folder", &found, owner),
    }
}

/// What only the state's owner or root can have written.
fn belongs(what: &str, found: &std::fs::Metadata, owner: u32) -> Result<(), String> {
    if found.uid() != owner && found.uid() != ROOT {
        let (theirs, ours) = (Identity::of_uid(found.uid()), Identity::of_uid(owner));
        return Err(format!("{what} belongs to {theirs}, the state to {ours}"));
    }
    match found.mode() & 0o022 {
        0 => Ok(()),
        _ => Err(format!("{what} can be written by others (mode {:04o})", found.mode() & 0o7777)),
    }
}

/// Reads a decision as far as it can be believed; `None` if the file is gone by now.
fn believe(path: &Path, owner: u32, known: &[Noted], now: Timestamp) -> Result<Option<Filed>, String> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).map_err(|_| "it can't be opened safely here".to_owned())?;
    let file = match std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::LOOP) => {
            return Err("it is a link".to_owned());
        }
        file => file.map_err(|error| format!("it can't be opened: {error}"))?,
    };
    let meta = file.metadata().map_err(|error| format!("it can't be looked at: {error}"))?;
    if !meta.is_file() {
        return Err("it is no regular file".to_owned());
    }
    belongs("it", &meta, owner)?;
    if meta.len() > LARGEST {
        return Err(format!("it is larger than {LARGEST} bytes"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).map_err(|error| format!("it can't be read: {error}"))?;
    let written: Written = serde_json::from_slice(&bytes).map_err(|error| format!("it is no decision ({error})"))?;
    let (seal, undo) = (written.seal.clone(), written.undo);
    let decision: Decision = written.into();
    counts(&decision, now)?;
    let decision = with_its_author(decision, seal.as_deref(), meta.uid(), known);
    Ok(Some(Filed { decision, file: path.to_owned(), undo }))
}

/// Whether its times make sense on this machine's clock.
fn counts(decision: &Decision, now: Timestamp) -> Result<(), String> {
    if decision.at > now.saturating_add(SKEW).unwrap_or(Timestamp::MAX) {
        return Err(format!("it says that it was made at {}, and it is {now}", decision.at));
    }
    let lasts = decision.expires.duration_since(decision.at);
    match lasts > LONGEST_DECISION {
        true => Err(format!("it would count from {} to {}; 7 days is the most", decision.at, decision.expires)),
        false if decision.reason.chars().count() > LONGEST_REASON => {
            Err(format!("its reason is longer than {LONGEST_REASON} characters"))
        }
        false => Ok(()),
    }
}

/// The decision with the person it can be proven to be from.
fn with_its_author(decision: Decision, seal: Option<&str>, owner: u32, known: &[Noted]) -> Decision {
    let sealed = || seal.is_some() && seal_of(&decision).as_deref() == seal;
    let own = |identity: &Identity| identity.uid == owner;
    let identity = match &decision.identity {
        Some(identity) if own(identity) || sealed() || known.iter().any(|noted| noted.is(&decision)) => {
            let fresh = Identity::of_uid(identity.uid);
            Identity { user: fresh.user, ..identity.clone() }
        }
        _ => Identity::of_uid(owner).claiming(Some(&decision.by)),
    };
    Decision { by: identity.name(), identity: Some(identity), ..decision }
}

/// What only this process can have written of a decision; `None` where the system gives no random key.
fn seal_of(decision: &Decision) -> Option<String> {
    static KEY: OnceLock<Option<[u8; 32]>> = OnceLock::new();
    let random = || {
        let mut key = [0; 32];
        std::fs::File::open("/dev/urandom").and_then(|mut from| from.read_exact(&mut key)).ok().map(|()| key)
    };
    let key = KEY.get_or_init(random).as_ref()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(&serde_json::to_vec(decision).ok()?);
    Some(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Who has to approve.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalRule {
    /// How many people; none is as good as one.
    pub people: u32,
    /// Whether an approval without a reason does not count.
    pub needs_reason: bool,
    /// Whose approval does not count where more than one person has to approve: they own or last edited the tenant file.
    pub editors: Vec<Identity>,
}

/// What decisions about one plan come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weighed {
    /// No decision counts.
    Undecided,
    /// Enough people have approved: these.
    Approved(Vec<Decision>),
    /// These have approved; another person has to as well.
    Waiting(Vec<Decision>),
    /// The last word was no.
    Rejected(Decision),
}

impl ApprovalRule {
    /// How many people have to approve.
    pub fn people(&self) -> u32 {
        self.people.max(1)
    }

    /// What decisions about one plan, oldest first, come to.
    pub fn weigh(&self, decisions: &[Decision]) -> Weighed {
        let Some(last) = decisions.last() else { return Weighed::Undecided };
        if last.verdict == Verdict::Reject {
            return Weighed::Rejected(last.clone());
        }
        let since = decisions.iter().rposition(|one| one.verdict == Verdict::Reject).map_or(0, |at| at + 1);
        let mut approvals = decisions.iter().skip(since).filter(|one| self.why_not(one).is_none());
        if self.people() == 1 {
            return approvals.next_back().map_or(Weighed::Undecided, |one| Weighed::Approved(vec![one.clone()]));
        }
        let mut counted: Vec<Decision> = Vec::new();
        for approval in approvals {
            let is_new = counted.iter().all(|other| are_different(&other.identity, &approval.identity));
            if is_new && counted.len() < self.people() as usize {
                counted.push(approval.clone());
            }
        }
        match counted.len() >= self.people() as usize {
            true => Weighed::Approved(counted),
            false if counted.is_empty() => Weighed::Undecided,
            false => Weighed::Waiting(counted),
        }
    }

    /// Why an approval does not count, by itself.
    pub fn why_not(&self, approval: &Decision) -> Option<String> {
        if self.needs_reason && approval.reason.trim().is_empty() {
            return Some("an approval of this tenant needs a reason".to_owned());
        }
        if self.people() == 1 {
            return None;
        }
        let Some(identity) = &approval.identity else { return Some("it is not known who it is from".to_owned()) };
        let editor = self.editors.iter().find(|editor| !identity.is_another_person(editor))?;
        Some(format!("{identity} can't be told from {editor}, who owns or last edited the tenant file"))
    }
}

fn are_different(one: &Option<Identity>, other: &Option<Identity>) -> bool {
    one.as_ref().zip(other.as_ref()).is_some_and(|(one, other)| one.is_another_person(other))
}

/// The decisions about a plan that count at `now`, oldest first. One that the journal says was used does not.
pub(super) fn about(found: Found, plan: &str, known: &[Noted], now: Timestamp) -> Vec<Decision> {
    let decisions = found.decisions.into_iter().map(|filed| filed.decision);
    decisions.filter(|one| one.plan == plan && one.still_counts(now) && !is_used(one, known)).collect()
}

/// Whether there is an approval that counts at `now`.
pub(super) fn is_approval_waiting(found: &Found, known: &[Noted], now: Timestamp) -> bool {
    // No sync comes to the plan of an undo.
    let mut decisions = found.decisions.iter().filter(|filed| !filed.undo).map(|filed| &filed.decision);
    decisions.any(|one| one.verdict == Verdict::Approve && one.still_counts(now) && !is_used(one, known))
}

/// Whether a run has used an approval already: then it is good for no other.
fn is_used(decision: &Decision, known: &[Noted]) -> bool {
    decision.verdict == Verdict::Approve && known.iter().any(|noted| !noted.waits && noted.is(decision))
}

/// Whether the journal has it as it is.
pub(super) fn is_known(decision: &Decision, waits: bool, known: &[Noted]) -> bool {
    known.iter().any(|noted| noted.waits == waits && noted.is(decision))
}

/// After this the approvals of a plan can't be used again, crash or not.
pub(super) fn use_up(folder: &Path, plan: &str) -> Result<(), StoreError> {
    let mut gone = false;
    for path in all(folder)? {
        let written: Option<Written> = read(&path)?;
        if written.is_some_and(|written| written.plan == plan) {
            disk::remove(&path).map_err(|source| StoreError::io("remove", &path, source))?;
            gone = true;
        }
    }
    let place = folder.join(PLACE);
    match gone {
        true => disk::sync_folder(&place).map_err(|source| StoreError::io("sync", &place, source)),
        // Given to the run itself.
        false => Ok(()),
    }
}

/// Takes away decisions about plans that are no longer there to be decided on. One made after `since` was made while a run was
/// under way that could not know it: it is left for the next. One about an undo is left until it expires, and what was refused until
/// a person has looked at it.
pub(super) fn forget_others(
    folder: &Path,
    plan: Option<&str>,
    since: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let found = look(folder, &[], now)?;
    let over = |filed: &Filed| {
        let decision = &filed.decision;
        let stays = Some(decision.plan.as_str()) == plan || decision.at > since || filed.undo;
        !stays || !decision.still_counts(now)
    };
    for path in found.decisions.iter().filter(|filed| over(filed)).map(|filed| &filed.file) {
        disk::remove(path).map_err(|source| StoreError::io("remove", path, source))?;
    }
    Ok(())
}

fn all(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let place = folder.join(PLACE);
    let entries = match std::fs::read_dir(&place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| StoreError::io("read", &place, source))?,
    };
    let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|source| StoreError::io("read", &place, source))?;
    // What a writer has not finished yet has another ending.
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    Ok(paths)
}

const PLACE: &str = "decisions";

/// A plan's id is hex digits; whatever else somebody typed is no file of ours.
fn decision_path(folder: &Path, decision: &Decision) -> PathBuf {
    let name: String = decision.plan.chars().filter(char::is_ascii_alphanumeric).collect();
    let whose = decision.identity.as_ref().map(|identity| format!("-{}", identity.uid)).unwrap_or_default();
    folder.join(PLACE).join(format!("{name}{whose}.json"))
}

pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::io("read", path, source)),
        Ok(found) if !found.is_file() => {
            tracing::warn!(path = %path.display(), "no regular file; it decides nothing");
            return Ok(None);
        }
        Ok(_) => {}
    }
    match files::read_whole(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // A named pipe, say.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            tracing::warn!(path = %path.display(), %error, "not a file of ours; it decides nothing");
            Ok(None)
        }
        Err(source) => Err(StoreError::io("read", path, source)),
        // Ours are written whole or not at all. Another one says nothing, and must not keep a tenant from running.
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "not a file of ours; it decides nothing");
                Ok(None)
            }
        },
    }
}

pub(super) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    let text = serde_json::to_vec_pretty(value).map_err(|error| StoreError::io("write", path, error.into()))?;
    disk::replace(path, &mut |out| out.write_all(&text)).map_err(|source| StoreError::io("write", path, source))?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
