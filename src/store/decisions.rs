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
use std::sync::OnceLock;

use hmac::{Hmac, Mac as _};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::backend::{Before, DECISIONS, Signed};
use super::error::{RefusedDecision, StoreError};
use super::handle::TenantStore;
use super::notes::Notes;
use crate::identity::Identity;

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
pub enum DecisionVerdict {
    /// The next run carries the plan out, if it is still exactly this one.
    Approve,
    /// It stays held; somebody has seen it.
    Reject,
}

/// What somebody decided about a held plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenDecision")]
pub struct Decision {
    /// The plan's id.
    pub plan: String,
    /// Yes or no.
    pub verdict: DecisionVerdict,
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
struct WrittenDecision {
    plan: String,
    verdict: DecisionVerdict,
    by: String,
    identity: Option<Identity>,
    reason: String,
    at: Timestamp,
    expires: Timestamp,
    /// Of the first version: whether the journal has it. The journal is asked instead.
    #[serde(default, rename = "noted")]
    _noted: Option<bool>,
    /// Proves, within one process, that it was written by that process.
    seal: Option<String>,
    /// Whether it is about the plan of an undo, which no sync holds.
    #[serde(default)]
    undo: bool,
}

impl From<WrittenDecision> for Decision {
    fn from(written: WrittenDecision) -> Self {
        let WrittenDecision { plan, verdict, by, identity, reason, at, expires, .. } = written;
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

/// What is in `decisions/`.
#[derive(Debug, Default)]
pub(super) struct DecisionFiles {
    pub(super) decisions: Vec<Filed>,
    pub(super) refused: Vec<RefusedDecision>,
}

/// A decision and its file.
#[derive(Debug)]
pub(super) struct Filed {
    pub(super) decision: Decision,
    /// Its name.
    file: String,
    /// What it says.
    text: Vec<u8>,
    undo: bool,
}

impl TenantStore {
    /// Puts a decision where the next run finds it, in place of an earlier one of the same account about the same plan.
    ///
    /// # Errors
    /// When it could not be written: then nothing was decided.
    pub fn decide(&self, decision: &Decision) -> Result<(), StoreError> {
        self.put(decision, false)
    }

    /// The same about the plan of an undo: it is kept until it expires, since no sync comes to that plan.
    ///
    /// # Errors
    /// See [`TenantStore::decide`].
    pub fn decide_on_undo(&self, decision: &Decision) -> Result<(), StoreError> {
        self.put(decision, true)
    }

    /// Whether a plan was decided about as that of an undo.
    ///
    /// # Errors
    /// When the decisions can't be read.
    pub fn is_plan_of_undo(&self, plan: &str) -> Result<bool, StoreError> {
        let is = |file: &String| {
            let found: Option<WrittenDecision> = understood(&self.notes, file).ok().flatten();
            found.is_some_and(|one| one.undo && one.plan == plan)
        };
        Ok(all(&self.notes)?.iter().any(is))
    }

    fn put(&self, decision: &Decision, undo: bool) -> Result<(), StoreError> {
        let file = file_of(decision);
        let failed = |error| self.notes.unwritable(&file, error);
        let undo = undo || self.is_plan_of_undo(&decision.plan)?;
        let mut value = serde_json::to_value(decision).map_err(failed)?;
        if let Some(fields) = value.as_object_mut() {
            fields.extend(seal_of(decision).map(|seal| ("seal".to_owned(), seal.into())));
            if undo {
                fields.insert("undo".to_owned(), true.into());
            }
        }
        let text = serde_json::to_vec_pretty(&value).map_err(failed)?;
        self.notes.swap(&file, Before::Anything, Some(&text)).map(drop)
    }

    /// Decisions that decide nothing, for people to see.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn refused_decisions(&self, now: Timestamp) -> Result<Vec<RefusedDecision>, StoreError> {
        look(&self.notes, &[], now).map(|found| found.refused)
    }
}

/// Approvals of an undo that the journal does not have yet: the process that carries it out believes only the journal.
pub(super) fn unknown_of_undo(found: DecisionFiles, known: &[Noted], now: Timestamp) -> Vec<Decision> {
    let undo = found.decisions.into_iter().filter(|filed| filed.undo).map(|filed| filed.decision);
    undo.filter(|one| one.still_counts(now) && !known.iter().any(|noted| noted.is(one))).collect()
}

/// Everything in `decisions/`, with what may not be believed apart. `known` is what the journal has.
pub(super) fn look(notes: &Notes, known: &[Noted], now: Timestamp) -> Result<DecisionFiles, StoreError> {
    let mut found = DecisionFiles::default();
    for Signed { name, found: signed } in notes.documents().signed(&notes.area, DECISIONS, LARGEST)? {
        match signed.and_then(|(text, uid)| believe(name.clone(), text, uid, known, now)) {
            Ok(filed) => found.decisions.push(filed),
            Err(why) => found.refused.push(RefusedDecision { file: notes.place(&name), why }),
        }
    }
    found.decisions.sort_by_key(|filed| filed.decision.at);
    Ok(found)
}

/// Reads a decision, written by the account `uid`, as far as it can be believed.
fn believe(file: String, text: Vec<u8>, uid: u32, known: &[Noted], now: Timestamp) -> Result<Filed, String> {
    let written: WrittenDecision =
        serde_json::from_slice(&text).map_err(|error| format!("it is no decision ({error})"))?;
    let (seal, undo) = (written.seal.clone(), written.undo);
    let decision: Decision = written.into();
    counts(&decision, now)?;
    let decision = with_its_author(decision, seal.as_deref(), uid, known);
    Ok(Filed { decision, file, text, undo })
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
        if last.verdict == DecisionVerdict::Reject {
            return Weighed::Rejected(last.clone());
        }
        let since = decisions.iter().rposition(|one| one.verdict == DecisionVerdict::Reject).map_or(0, |at| at + 1);
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
        Some(format!("{identity} can't be distinguished from {editor}, who owns or last edited the tenant file"))
    }
}

fn are_different(one: &Option<Identity>, other: &Option<Identity>) -> bool {
    one.as_ref().zip(other.as_ref()).is_some_and(|(one, other)| one.is_another_person(other))
}

/// The decisions about a plan that count at `now`, oldest first. One that the journal says was used does not.
pub(super) fn about(found: DecisionFiles, plan: &str, known: &[Noted], now: Timestamp) -> Vec<Decision> {
    let decisions = found.decisions.into_iter().map(|filed| filed.decision);
    decisions.filter(|one| one.plan == plan && one.still_counts(now) && !is_used(one, known)).collect()
}

/// Whether there is an approval that counts at `now`.
pub(super) fn is_approval_waiting(found: &DecisionFiles, known: &[Noted], now: Timestamp) -> bool {
    // No sync comes to the plan of an undo.
    let mut decisions = found.decisions.iter().filter(|filed| !filed.undo).map(|filed| &filed.decision);
    decisions.any(|one| one.verdict == DecisionVerdict::Approve && one.still_counts(now) && !is_used(one, known))
}

/// Whether a run has used an approval already: then it is good for no other.
fn is_used(decision: &Decision, known: &[Noted]) -> bool {
    decision.verdict == DecisionVerdict::Approve && known.iter().any(|noted| !noted.waits && noted.is(decision))
}

/// Whether the journal has it as it is.
pub(super) fn is_known(decision: &Decision, waits: bool, known: &[Noted]) -> bool {
    known.iter().any(|noted| noted.waits == waits && noted.is(decision))
}

/// After this the approvals of a plan can't be used again, crash or not.
pub(super) fn use_up(notes: &Notes, plan: &str) -> Result<(), StoreError> {
    for file in all(notes)? {
        let written: Option<WrittenDecision> = understood(notes, &file)?;
        if written.is_some_and(|written| written.plan == plan) {
            notes.swap(&file, Before::Anything, None)?;
        }
    }
    Ok(())
}

/// Takes away decisions about plans that are no longer there to be decided on. One made after `since` was made while a run was
/// under way that could not know it: it is left for the next. One about an undo is left until it expires, and what was refused until
/// a person has looked at it.
pub(super) fn forget_others(
    notes: &Notes,
    plan: Option<&str>,
    since: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    for Filed { decision, file, text, undo } in look(notes, &[], now)?.decisions {
        let stays = Some(decision.plan.as_str()) == plan || decision.at > since || undo;
        if !stays || !decision.still_counts(now) {
            // One that was put in its place in this moment is another one.
            notes.swap(&file, Before::Is(Some(&text)), None)?;
        }
    }
    Ok(())
}

fn all(notes: &Notes) -> Result<Vec<String>, StoreError> {
    Ok(notes.names(DECISIONS)?.iter().map(|name| format!("{DECISIONS}/{name}.json")).collect())
}

/// A plan's id is hex digits; whatever else somebody typed is no file of ours.
fn file_of(decision: &Decision) -> String {
    let name: String = decision.plan.chars().filter(char::is_ascii_alphanumeric).collect();
    let whose = decision.identity.as_ref().map(|identity| format!("-{}", identity.uid)).unwrap_or_default();
    format!("{DECISIONS}/{name}{whose}.json")
}

/// A document of ours. They are written whole or not at all: another one says nothing, and must not keep a tenant from running.
pub(super) fn understood<T: DeserializeOwned>(notes: &Notes, file: &str) -> Result<Option<T>, StoreError> {
    let bytes = match notes.read(file) {
        // A named pipe, say.
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::InvalidInput => {
            tracing::warn!(path = notes.place(file), error = %source, "not a file of ours; it decides nothing");
            return Ok(None);
        }
        read => read?,
    };
    Ok(bytes.and_then(|bytes| match serde_json::from_slice(&bytes) {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::warn!(path = notes.place(file), %error, "not a file of ours; it decides nothing");
            None
        }
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
