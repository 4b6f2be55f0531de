//! A complete, accepted reading of a directory. In: a finished [`Reading`](super::Reading). Out: people and groups by number.
//!
//! Made for a million people: ids and records lie in a few large blocks, people are numbered, members are numbers.
//! Records stay JSON text and are parsed only for the people whose record changed.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::entry::UserEntry;
use super::ids::{IdTable, NotNew};
use crate::model::{ContentMark, LifecycleStatus, SnapshotCounts, SourceId, StatusSign, Unbound, bounds, fold};

/// A person's number within one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserIx(pub u32);

/// A group's number within one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupIx(pub u32);

/// The hash by which ids are found. Stable: the state's index on disk uses it too.
pub fn id_hash(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}

/// How many dangling names are kept for messages.
const EXAMPLES: usize = 5;

/// Bytes of one block of records. Big enough that a million people make few allocations, small enough not to waste memory.
const BLOCK_BYTES: usize = 4 << 20;

#[derive(Debug, Clone, Copy)]
struct SnapshotUser {
    fingerprint: u64,
    /// Where the record lies.
    block: u32,
    start: u32,
    len: u32,
    standing: LifecycleStatus,
    direct: bool,
}

/// A name by which a group has a member, and that leads to no user and no group of the reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DanglingMember {
    /// The group.
    pub group: GroupIx,
    /// The name as the directory writes it.
    pub name: Box<str>,
    /// The hash of the name in the form in which names are compared ([`id_hash`]).
    pub hash: u64,
    /// Where it is written, in a directory that is a file: `members.csv:7`.
    pub place: Option<Box<str>>,
}

/// One group with its direct members.
#[derive(Debug, Clone)]
pub struct SnapshotGroup {
    /// The immutable id.
    pub id: SourceId,
    /// The name people know it by.
    pub name: Box<str>,
    /// The directory's record as JSON.
    pub record: Box<str>,
    /// Whether the directory binds the group to the app.
    pub assigned: bool,
    /// Why the members could not be read; such a group still holds whom it held.
    pub unread: Option<Box<str>>,
    /// People who are direct members. May hold repetitions.
    pub members: Vec<UserIx>,
    /// Groups that are direct members.
    pub subgroups: Vec<GroupIx>,
}

/// The growing contents of a reading.
#[derive(Debug, Default)]
pub(super) struct SnapshotBuilder {
    /// The records' texts, many to a block. A block is never moved once it is begun.
    blocks: Vec<String>,
    pub(super) user_ids: IdTable,
    users: Vec<SnapshotUser>,
    pub(super) group_ids: IdTable,
    pub(super) groups: Vec<SnapshotGroup>,
    /// Names of users that are not their ids, by their hashes.
    pub(super) names: Vec<(UserIx, u64)>,
}

impl SnapshotBuilder {
    /// Takes a new person in. After [`NotNew::Full`] the reading is lost.
    pub(super) fn add_user(&mut self, entry: UserEntry<'_>) -> Result<UserIx, NotNew> {
        let ix = self.user_ids.insert(entry.id)?;
        let (block, start, len) = self.write(entry.record).ok_or(NotNew::Full)?;
        let fingerprint = xxh3_64(entry.record.as_bytes());
        self.users.push(SnapshotUser {
            fingerprint,
            block,
            start,
            len,
            standing: entry.standing,
            direct: entry.direct,
        });
        Ok(UserIx(ix))
    }

    fn write(&mut self, record: &str) -> Option<(u32, u32, u32)> {
        let fits = |block: &String| block.len() + record.len() <= block.capacity();
        if !self.blocks.last().is_some_and(fits) {
            self.blocks.push(String::with_capacity(record.len().max(BLOCK_BYTES)));
        }
        let block = u32::try_from(self.blocks.len() - 1).ok()?;
        let text = self.blocks.last_mut()?;
        let start = u32::try_from(text.len()).ok()?;
        text.push_str(record);
        Some((block, start, u32::try_from(record.len()).ok()?))
    }

    /// Takes a new group in.
    pub(super) fn add_group(&mut self, row: SnapshotGroup) -> Result<GroupIx, NotNew> {
        let ix = self.group_ids.insert(row.id.as_str())?;
        self.groups.push(row);
        Ok(GroupIx(ix))
    }

    pub(super) fn find_user(&self, id: &str) -> Option<UserIx> {
        self.user_ids.find(id).map(UserIx)
    }

    pub(super) fn find_group(&self, id: &str) -> Option<GroupIx> {
        self.group_ids.find(id).map(GroupIx)
    }

    pub(super) fn user_count(&self) -> usize {
        self.users.len()
    }

    pub(super) fn standing(&self, ix: UserIx) -> LifecycleStatus {
        self.users.get(ix.0 as usize).map_or(LifecycleStatus::Staged, |row| row.standing)
    }

    pub(super) fn record(&self, ix: UserIx) -> &str {
        let text = self.users.get(ix.0 as usize).and_then(|row| {
            let (start, len) = (row.start as usize, row.len as usize);
            self.blocks.get(row.block as usize)?.get(start..start + len)
        });
        text.unwrap_or("{}")
    }
}

/// A complete, accepted reading. There is no way to make one but [`Reading::finish`](super::Reading::finish).
#[derive(Debug)]
pub struct Snapshot {
    store: SnapshotBuilder,
    counts: SnapshotCounts,
    dangling: Vec<DanglingMember>,
    dangling_examples: Vec<Box<str>>,
    mark: Option<ContentMark>,
    application: Option<String>,
    signs: BTreeSet<StatusSign>,
    kept_signs: BTreeSet<StatusSign>,
    odd: Vec<(UserIx, Box<str>)>,
}

impl Snapshot {
    pub(super) fn new(store: SnapshotBuilder, dangling: Vec<DanglingMember>, mark: Option<ContentMark>) -> Self {
        let examples = dangling.iter().take(EXAMPLES);
        let dangling_examples = examples.map(|one| bounds::shown(&one.name).into_boxed_str()).collect();
        let counts = SnapshotCounts {
            users: store.users.len() as u64,
            groups: store.groups.len() as u64,
            memberships: store.groups.iter().map(|group| group.members.len() as u64).sum(),
        };
        Self {
            store,
            counts,
            dangling,
            dangling_examples,
            mark,
            application: None,
            signs: BTreeSet::new(),
            kept_signs: BTreeSet::new(),
            odd: Vec::new(),
        }
    }

    /// The same, of a directory in which this application's bindings say who belongs.
    pub(super) fn of_application(self, application: Option<String>) -> Self {
        Self { application, ..self }
    }

    /// The same, with the signs of suspension that were seen, and users whose entries do not say what they have to.
    pub(super) fn with_signs(
        self,
        signs: BTreeSet<StatusSign>,
        kept_signs: BTreeSet<StatusSign>,
        odd: Vec<(UserIx, Box<str>)>,
    ) -> Self {
        Self { signs, kept_signs, odd, ..self }
    }

    /// Users whose entries do not say what the directory has to say of a user, and why.
    pub fn odd(&self) -> &[(UserIx, Box<str>)] {
        &self.odd
    }

    /// The signs by which users count as active or suspended that were seen on any record.
    pub fn signs(&self) -> &BTreeSet<StatusSign> {
        &self.signs
    }

    /// The signs that were seen on suspended users alone, where users without them are active. One that was known before is not lost.
    pub fn kept_signs(&self) -> &BTreeSet<StatusSign> {
        &self.kept_signs
    }

    /// The evidence that the directory binds no group and no user to the app: `None` if it binds any. A directory without groups and
    /// without an application of its own has nothing to bind.
    pub fn unbound(&self) -> Option<Unbound> {
        let has_bindings = self.application.is_some() || self.counts.groups > 0;
        let is_bound =
            self.store.groups.iter().any(|group| group.assigned) || self.store.users.iter().any(|row| row.direct);
        (has_bindings && !is_bound).then(|| Unbound { application: self.application.clone() })
    }

    /// The mark of its content, where the directory has such a thing.
    pub fn mark(&self) -> Option<&ContentMark> {
        self.mark.as_ref()
    }

    /// How much there is.
    pub fn counts(&self) -> SnapshotCounts {
        self.counts
    }

    /// Members that are neither a person nor a group of this snapshot, and some of their ids.
    pub fn dangling(&self) -> (u64, &[Box<str>]) {
        (self.dangling.len() as u64, &self.dangling_examples)
    }

    /// All of these, with the groups that have them.
    pub fn dangling_members(&self) -> &[DanglingMember] {
        &self.dangling
    }

    /// Names of users that are not their ids, by their hashes; one user may have several.
    pub fn names(&self) -> &[(UserIx, u64)] {
        &self.store.names
    }

    /// How many people there are; their numbers are `0..user_count`.
    pub fn user_count(&self) -> usize {
        self.store.users.len()
    }

    /// Every person's number.
    pub fn users(&self) -> impl Iterator<Item = UserIx> + use<> {
        (0..self.store.users.len() as u32).map(UserIx)
    }

    /// A person's id.
    pub fn id(&self, user: UserIx) -> &str {
        self.store.user_ids.text(user.0)
    }

    /// The hash of a person's id (see [`id_hash`]).
    pub fn id_hash(&self, user: UserIx) -> u64 {
        id_hash(self.id(user))
    }

    /// A number that changes when the person's record changes.
    pub fn fingerprint(&self, user: UserIx) -> u64 {
        self.store
            .users
            .get(user.0 as usize)
            .map_or(0, |row| xxh3_64_with_seed(&row.fingerprint.to_le_bytes(), row.standing as u64))
    }

    /// What the directory says of the person's account.
    pub fn standing(&self, user: UserIx) -> LifecycleStatus {
        self.store.standing(user)
    }

    /// Whether the directory assigns the person to the app directly.
    pub fn direct(&self, user: UserIx) -> bool {
        self.store.users.get(user.0 as usize).is_some_and(|row| row.direct)
    }

    /// The person's record as JSON text.
    pub fn record_text(&self, user: UserIx) -> &str {
        self.store.record(user)
    }

    /// The person's record, parsed. A record that is no object reads as empty: sources hand over objects only.
    pub fn record(&self, user: UserIx) -> Map<String, Value> {
        serde_json::from_str(self.record_text(user)).unwrap_or_default()
    }

    /// The person with this id.
    pub fn find_user(&self, id: &str) -> Option<UserIx> {
        self.store.find_user(id)
    }

    /// Every group's number.
    pub fn groups(&self) -> impl Iterator<Item = GroupIx> + use<> {
        (0..self.store.groups.len() as u32).map(GroupIx)
    }

    /// A group with its direct members.
    pub fn group(&self, group: GroupIx) -> Option<&SnapshotGroup> {
        self.store.groups.get(group.0 as usize)
    }

    /// The group with this id.
    pub fn find_group(&self, id: &str) -> Option<GroupIx> {
        self.store.find_group(id)
    }

    /// Whether a sentinel is visible: a group by id or name, or a person by id, user name or e-mail.
    pub fn shows(&self, sentinel: &str) -> bool {
        let folded = fold(sentinel);
        self.find_group(sentinel).is_some()
            || self.find_user(sentinel).is_some()
            || self.store.groups.iter().any(|group| fold(&group.name) == folded)
            || self.users().any(|user| self.answers_to(user, &folded))
    }

    /// Whether a person goes by this (folded) name: id, or any of the attributes that directories use for logins and mail.
    pub fn answers_to(&self, user: UserIx, folded: &str) -> bool {
        const NAMES: [&str; 9] =
            ["userName", "username", "uid", "login", "email", "mail", "userPrincipalName", "sAMAccountName", "cn"];
        if self.id(user) == folded {
            return true;
        }
        let record = self.record(user);
        NAMES.iter().any(|name| match record.get(*name) {
            Some(Value::String(text)) => fold(text) == folded,
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).any(|text| fold(text) == folded),
            _ => false,
        })
    }
}
