//! Held plans and what people decide about them. In: a plan's id. Out: approve or reject, by whom, until when.
//!
//! The process that runs a tenant holds its state; whoever decides is another one. So a decision is a small file of its own in
//! `decisions/`, written whole or not at all, and the next run takes notice: it writes the decision into the journal and, if it
//! is an approval, takes the file away before the first call. An approval is good for one run of one plan.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::disk;
use super::error::StoreError;
use crate::model::{HoldReason, ObjectRef, Op, Reason, RunId};

/// Held operations listed by name; more are only counted.
pub const HELD_LISTED: usize = 1000;

/// A plan, or the part of one, that waits for somebody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldPlan {
    /// Its id: what is approved is exactly this.
    pub plan: String,
    /// The hash of the whole plan it is a part of, by which reports name that run's plan.
    pub of: String,
    /// The run that held it last.
    pub run: RunId,
    /// When that was.
    pub at: Timestamp,
    /// Why. In the file each is `[code, sentence, payload]`; earlier versions wrote no payload.
    #[serde(rename = "reasons", serialize_with = "HoldReason::serialize_listed")]
    pub holds: Vec<HoldReason>,
    /// How many operations.
    pub count: u64,
    /// The first thousand of them.
    pub operations: Vec<HeldOperation>,
    /// Somebody said no to it.
    pub rejected: Option<Decision>,
}

/// One held operation, as people read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "WrittenOperation", into = "WrittenOperation")]
pub struct HeldOperation {
    /// What would be done.
    pub op: Op,
    /// To whom.
    pub object: ObjectRef,
    /// The user name or group name.
    pub name: String,
    /// Why.
    pub reason: Reason,
}

/// A held operation as it is written: the sentence for people, and its code. Earlier versions wrote the sentence only.
#[derive(Serialize, Deserialize)]
struct WrittenOperation {
    op: Op,
    object: ObjectRef,
    name: String,
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<Reason>,
}

impl From<WrittenOperation> for HeldOperation {
    fn from(WrittenOperation { op, object, name, reason, code }: WrittenOperation) -> Self {
        Self { op, object, name, reason: code.unwrap_or_else(|| Reason::decode(&reason)) }
    }
}

impl From<HeldOperation> for WrittenOperation {
    fn from(HeldOperation { op, object, name, reason }: HeldOperation) -> Self {
        Self { op, object, name, reason: reason.to_string(), code: Some(reason) }
    }
}

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
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The plan's id.
    pub plan: String,
    /// Yes or no.
    pub verdict: Verdict,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Until when it counts.
    pub expires: Timestamp,
    /// Whether the journal knows it.
    #[serde(default)]
    pub noted: bool,
}

/// What waits for a decision; `None` if nothing does, or if the file makes no sense: the next run writes it anew.
///
/// # Errors
/// When the disk says no.
pub fn read_held(folder: &Path) -> Result<Option<HeldPlan>, StoreError> {
    read(&held_path(folder))
}

pub(super) fn write_held(folder: &Path, held: Option<&HeldPlan>) -> Result<(), StoreError> {
    let path = held_path(folder);
    match held {
        Some(held) => write(&path, held),
        None => disk::remove(&path).map_err(|source| StoreError::io("remove", &path, source)),
    }
}

/// Puts a decision where the next run finds it. One that was there before is replaced.
///
/// # Errors
/// When it could not be written: then nothing was decided.
pub fn decide(folder: &Path, decision: &Decision) -> Result<(), StoreError> {
    let place = folder.join(PLACE);
    disk::private_folder(&place).map_err(|source| StoreError::io("make", &place, source))?;
    write(&decision_path(folder, &decision.plan), decision)
}

/// The decision about a plan, if it still counts at `now`.
pub(super) fn decision(folder: &Path, plan: &str, now: Timestamp) -> Result<Option<Decision>, StoreError> {
    let found: Option<Decision> = read(&decision_path(folder, plan))?;
    Ok(found.filter(|decision| decision.plan == plan && decision.expires > now))
}

/// Whether there is an approval that counts at `now`.
pub(super) fn is_approval_waiting(folder: &Path, now: Timestamp) -> Result<bool, StoreError> {
    for path in all(folder)? {
        let found: Option<Decision> = read(&path)?;
        if found.is_some_and(|decision| decision.verdict == Verdict::Approve && decision.expires > now) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// After this the approval can't be used again, crash or not.
pub(super) fn use_up(folder: &Path, plan: &str) -> Result<(), StoreError> {
    let path = decision_path(folder, plan);
    if !path.exists() {
        // Given to the run itself.
        return Ok(());
    }
    let gone = disk::remove(&path).and_then(|()| disk::sync_folder(&folder.join(PLACE)));
    gone.map_err(|source| StoreError::io("remove", &path, source))
}

/// Takes away decisions about plans that are no longer there to be decided on. One made after `since` was made while a run was
/// under way that could not know it: it is left for the next.
pub(super) fn forget_others(folder: &Path, plan: Option<&str>, since: Timestamp) -> Result<(), StoreError> {
    let keep = plan.map(|plan| decision_path(folder, plan));
    for path in all(folder)?.into_iter().filter(|path| keep.as_ref() != Some(path)) {
        let found: Option<Decision> = read(&path)?;
        if found.is_none_or(|decision| decision.at <= since) {
            disk::remove(&path).map_err(|source| StoreError::io("remove", &path, source))?;
        }
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
    Ok(paths)
}

const PLACE: &str = "decisions";

fn held_path(folder: &Path) -> PathBuf {
    folder.join("held.json")
}

/// A plan's id is hex digits; whatever else somebody typed is no file of ours.
fn decision_path(folder: &Path, plan: &str) -> PathBuf {
    let name: String = plan.chars().filter(char::is_ascii_alphanumeric).collect();
    folder.join(PLACE).join(format!("{name}.json"))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
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

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    let text = serde_json::to_vec_pretty(value).map_err(|error| StoreError::io("write", path, error.into()))?;
    disk::replace(path, &mut |out| out.write_all(&text)).map_err(|source| StoreError::io("write", path, source))?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn approval(plan: &str) -> Decision {
        let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let expires = "2026-01-02T00:00:00Z".parse().unwrap();
        Decision {
            plan: plan.to_owned(),
            verdict: Verdict::Approve,
            by: "ann".to_owned(),
            reason: "quarter's end".to_owned(),
            at,
            expires,
            noted: false,
        }
    }

    #[test]
    fn i2_an_approval_is_for_one_plan_until_it_expires_and_is_used_up_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        let during: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let after: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        assert_eq!(decision(folder, "abc", during).unwrap(), None);
        decide(folder, &approval("abc")).unwrap();
        assert_eq!(decision(folder, "abc", during).unwrap(), Some(approval("abc")));
        assert_eq!(decision(folder, "abd", during).unwrap(), None);
        assert_eq!(decision(folder, "abc", after).unwrap(), None);
        use_up(folder, "abc").unwrap();
        assert_eq!(decision(folder, "abc", during).unwrap(), None);
    }

    #[test]
    fn decisions_about_other_plans_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let during: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        decide(dir.path(), &approval("abc")).unwrap();
        decide(dir.path(), &approval("def")).unwrap();
        forget_others(dir.path(), Some("def"), during).unwrap();
        assert_eq!(decision(dir.path(), "abc", during).unwrap(), None);
        assert!(decision(dir.path(), "def", during).unwrap().is_some());
        forget_others(dir.path(), None, during).unwrap();
        assert_eq!(decision(dir.path(), "def", during).unwrap(), None);
    }

    #[test]
    fn a_word_given_while_a_run_was_under_way_is_left_for_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let before: Timestamp = "2025-12-31T23:59:00Z".parse().unwrap();
        decide(dir.path(), &approval("abc")).unwrap();
        forget_others(dir.path(), None, before).unwrap();
        assert_eq!(decision(dir.path(), "abc", before).unwrap(), Some(approval("abc")));
    }

    #[test]
    fn i7_a_file_that_makes_no_sense_decides_nothing_and_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let during: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        decide(dir.path(), &approval("abc")).unwrap();
        std::fs::write(decision_path(dir.path(), "abc"), "{").unwrap();
        std::fs::write(held_path(dir.path()), "").unwrap();
        assert_eq!(decision(dir.path(), "abc", during).unwrap(), None);
        assert!(!is_approval_waiting(dir.path(), during).unwrap());
        assert_eq!(read_held(dir.path()).unwrap(), None);
        forget_others(dir.path(), None, during).unwrap();
        assert!(all(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn i6_a_plan_id_leads_to_no_other_folder() {
        assert_eq!(decision_path(Path::new("/s"), "../../etc/x"), Path::new("/s/decisions/etcx.json"));
    }
}
