//! A person taken out of a tenant's state. In: a name or id. Out: a journal that says nothing of them and whose chain still holds.
//!
//! Each record about them is written anew without what it said, and keeps the hash it had (`was`), which the next record names. A
//! last record, [`Event::Forgot`], vouches for the texts as they are now; [`verify`](super::verify) holds them to it. What is folded from the
//! journal is thrown away. The app is not touched, and knows no more than before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::backend::{Lease, Log};
use super::baseline::Baseline;
use super::error::StoreError;
use super::handle::TenantStore;
use super::journal::{Copy, ReadError, Reader, line_hash};
use super::ledger::StateView as _;
use super::record::{Effect, JournalEvent, Record};
use super::redact::Somebody;
use super::state::Store;
use super::status::Status;
use crate::clock::Clock;
use crate::model::{AppId, ObjectRef, Reason, RunId, SourceId, TenantName, fold};

/// What forgetting somebody came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// The ids that stand for them now.
    pub now: Vec<SourceId>,
    /// How many records said something of them.
    pub records: u64,
    /// Whether they were linked to an account, which is nobody's now.
    pub was_linked: bool,
    /// Older states in the tenant's folder that still know them.
    pub copies: Vec<PathBuf>,
}

impl TenantStore {
    /// Forgets a person, by directory id, user name, e-mail address or app id. `force` also one who has an account that is active.
    ///
    /// # Errors
    /// When there is no such person or several, they still have an account, a call about them has no answer yet, or the state can't
    /// be written. Nothing was changed then.
    pub fn forget(&self, person: &str, by: &str, force: bool, clock: Arc<dyn Clock>) -> Result<Forgotten, StoreError> {
        let (tenant, log, archive) = (&self.name, self.log(), self.notes.backend.archive());
        if !self.has_state()? {
            return Err(self.is_empty());
        }
        let (store, _) = self.open("rosterd state forget", Arc::clone(&clock))?;
        // An import writes down whom it created.
        let imports = self.lease_imports("rosterd state forget")?;
        let ids = find(&log, person)?;
        let linked = still_linked(&store, tenant, person, &ids, force)?;
        // Closed, and nobody can come in between.
        let leased = store.into_lease();
        let now: Vec<SourceId> = ids.iter().map(|_| SourceId::new(format!("forgotten-{}", Uuid::now_v7()))).collect();
        let users: Vec<SourceId> = ids.iter().cloned().collect();
        let mut somebody = Somebody::new(ids.into_iter().zip(now.iter().cloned()).collect());
        for record in records(&log)? {
            somebody.learn(&record?.0);
        }
        let rewritten = rewrite(self, &leased.lease, &somebody, by, clock.now());
        let (changed, last) = rewritten.inspect_err(|_| archive.discard(&leased.lease))?;
        let status = self.status()?.map(|status| redact_status(status, &somebody, last, linked));
        let aside = archive.replace(&leased.lease, "forgotten")?;
        archive.erase(&leased.lease, &aside)?;
        self.forget_imported(&users)?;
        self.forget_imports(&imports, &users)?;
        if let Some(status) = status {
            leased.put_status(&status)?;
        }
        drop((imports, leased));
        let (records, was_linked) = (changed as u64, linked != Linked::default());
        Ok(Forgotten { now, records, was_linked, copies: archive.set_aside_earlier(tenant)? })
    }
}

/// Accounts that are nobody's afterwards.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Linked {
    all: u64,
    active: u64,
}

type ReadResult = Result<(Record, Vec<u8>), StoreError>;

/// All records with their texts.
fn records(log: &Arc<dyn Log>) -> Result<impl Iterator<Item = ReadResult> + use<>, StoreError> {
    let mut reader = Reader::from_first(Arc::clone(log), log.segments()?);
    Ok(std::iter::from_fn(move || {
        let entry = reader.next()?;
        Some(match entry {
            Ok(entry) => Ok((entry.record, reader.text().to_vec())),
            Err(ReadError::Disk(error)) => Err(error),
            Err(ReadError::Broken(broken)) => Err(StoreError::Damaged(broken.describe())),
        })
    }))
}

/// Everybody whom the journal knows by that name, with the ids they had before and after.
fn find(log: &Arc<dyn Log>, person: &str) -> Result<BTreeSet<SourceId>, StoreError> {
    let name = fold(person);
    let (mut exact, mut named) = (BTreeSet::new(), BTreeSet::new());
    let mut same: Vec<(SourceId, SourceId)> = Vec::new();
    for record in records(log)? {
        let (record, _) = record?;
        let mut see =
            |id: &SourceId, account: Option<&AppId>, mut values: Box<dyn Iterator<Item = &serde_json::Value> + '_>| {
                if id.as_str() == person {
                    exact.insert(id.clone());
                }
                let is = |value: &serde_json::Value| value.as_str().is_some_and(|text| fold(text) == name);
                if account.is_some_and(|account| account.as_str() == person) || values.any(is) {
                    named.insert(id.clone());
                }
            };
        match &record.event {
            JournalEvent::Intent(intent) => {
                if let ObjectRef::User(id) = &intent.object {
                    see(
                        id,
                        intent.app_id.as_ref(),
                        Box::new(intent.changes.iter().flat_map(|change| [&change.from, &change.to])),
                    );
                }
            }
            JournalEvent::Outcome { effects, .. } | JournalEvent::Noted { effects, .. } => {
                for effect in effects {
                    match effect {
                        Effect::UserLinked { id, app_id, .. } => see(id, Some(app_id), Box::new(std::iter::empty())),
                        Effect::UserSent { id, set, .. } => see(id, None, Box::new(set.iter().map(|(_, value)| value))),
                        Effect::UserRelinked { from, to } | Effect::UserReplaced { from, to } => {
                            see(from, None, Box::new(std::iter::empty()));
                            see(to, None, Box::new(std::iter::empty()));
                            same.push((from.clone(), to.clone()));
                        }
                        Effect::Failed { object: ObjectRef::User(id), .. } => {
                            see(id, None, Box::new(std::iter::empty()))
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    one_person(person, if exact.is_empty() { named } else { exact }, &same)
}

/// One person with all their ids; more than one is a question.
fn one_person(
    person: &str,
    found: BTreeSet<SourceId>,
    same: &[(SourceId, SourceId)],
) -> Result<BTreeSet<SourceId>, StoreError> {
    let Some(first) = found.first() else {
        return Err(StoreError::Refused(format!("{person:?} matches no user in this state; nothing was erased")));
    };
    let mut all = BTreeSet::from([first.clone()]);
    loop {
        let before = all.len();
        for (from, to) in same {
            if all.contains(from) || all.contains(to) {
                all.extend([from.clone(), to.clone()]);
            }
        }
        if all.len() == before {
            break;
        }
    }
    let others: Vec<&str> = found.difference(&all).map(SourceId::as_str).collect();
    if others.is_empty() {
        return Ok(all);
    }
    Err(StoreError::Refused(format!(
        "{person:?} matches several users: {first}, {}; nothing was erased. Name one by the directory's id",
        others.join(", ")
    )))
}

/// Whether they may be forgotten, and what is linked.
fn still_linked(
    store: &Store,
    tenant: &TenantName,
    person: &str,
    ids: &BTreeSet<SourceId>,
    force: bool,
) -> Result<Linked, StoreError> {
    let open = store.open_intents();
    if open.iter().any(|open| matches!(&open.intent.object, ObjectRef::User(id) if ids.contains(id))) {
        return Err(StoreError::Refused(format!(
            "a call about {person:?} has no answer yet; nothing was erased. `rosterd sync {tenant}` finds out first"
        )));
    }
    let mut linked = Linked::default();
    for id in ids {
        let Some(row) = store.user(id)? else { continue };
        linked.all += 1;
        if row.active != Some(false) {
            linked.active += 1;
            if !force {
                return Err(StoreError::Refused(format!(
                    "{person:?} still has an active account ({}) that rosterd manages; nothing was erased. End that in the \
                     directory and sync, or say --force",
                    row.app_id
                )));
            }
        }
    }
    Ok(linked)
}

/// Writes the journal anew beside the one in use. Says how many records changed, and the number of the last one.
fn rewrite(
    state: &TenantStore,
    lease: &Lease,
    somebody: &Somebody,
    by: &str,
    now: jiff::Timestamp,
) -> Result<(usize, u64), StoreError> {
    let mut copy = Copy::begin(state.notes.backend.archive().draft(lease)?, lease);
    let mut texts: BTreeMap<u64, String> = BTreeMap::new();
    for record in records(&state.log())? {
        let (record, text) = record?;
        match somebody.redact(&record) {
            None => drop(copy.take(&text)?),
            Some(mut changed) => {
                changed.was = Some(record.was.unwrap_or_else(|| line_hash(&text)));
                let text = serde_json::to_vec(&changed).map_err(|error| StoreError::Refused(error.to_string()))?;
                copy.take(&text)?;
                texts.insert(record.seq, line_hash(&text));
            }
        }
    }
    let changed = texts.len();
    let effects = somebody.stand_ins().flat_map(|id| {
        [Effect::Settled { object: ObjectRef::User(id.clone()) }, Effect::UserUnlinked { id: id.clone() }]
    });
    let run = RunId::new(Uuid::now_v7().to_string());
    copy.append(now, JournalEvent::Noted { run, reason: Reason::Forgotten, effects: effects.collect() })?;
    let stand_ins = somebody.stand_ins().cloned().collect();
    copy.append(now, JournalEvent::Forgot { by: by.to_owned(), now: stand_ins, texts: texts.into_iter().collect() })?;
    let (last, _) = copy.head();
    copy.finish()?;
    Ok((changed, last))
}

fn redact_status(mut status: Status, somebody: &Somebody, last: u64, linked: Linked) -> Status {
    somebody.text(&mut status.last_run.note);
    for (object, note) in &mut status.failed {
        somebody.failure(object, note);
    }
    status.seq = last;
    status.linked.users = status.linked.users.saturating_sub(linked.all);
    status.linked.active = status.linked.active.saturating_sub(linked.active);
    status
}
