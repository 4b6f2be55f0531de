//! A complete, accepted reading of a directory. In: a finished [`Reading`](super::Reading). Out: people and groups by number.
//!
//! Made for a million people: ids and records lie in a few large blocks, people are numbered, members are numbers.
//! Records stay JSON text and are parsed only for the people whose record changed.

use std::sync::Arc;

use hashbrown::HashTable;
use serde_json::{Map, Value};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::model::{Counts, SourceId, Standing, fold};

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

/// Where a record's text lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) block: u32,
    pub(super) start: u32,
    pub(super) len: u32,
}

#[derive(Debug, Clone, Copy)]
struct UserRow {
    id_hash: u64,
    fingerprint: u64,
    id_end: u32,
    record: Span,
    standing: Standing,
    direct: bool,
}

/// One group with its direct members.
#[derive(Debug, Clone)]
pub struct GroupRow {
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
pub(super) struct Store {
    blocks: Vec<Arc<Vec<u8>>>,
    open: Vec<u8>,
    ids: String,
    users: Vec<UserRow>,
    by_id: HashTable<u32>,
    pub(super) groups: Vec<GroupRow>,
    group_by_id: HashTable<u32>,
}

impl Store {
    pub(super) fn keep(&mut self, bytes: Arc<Vec<u8>>) -> Option<u32> {
        self.seal();
        self.blocks.push(bytes);
        u32::try_from(self.blocks.len() - 1).ok()
    }

    fn seal(&mut self) {
        if !self.open.is_empty() {
            self.blocks.push(Arc::new(std::mem::take(&mut self.open)));
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8], block_bytes: usize) -> Option<Span> {
        if self.open.len() + bytes.len() > block_bytes {
            self.seal();
        }
        if self.open.capacity() == 0 {
            self.open.reserve(block_bytes.max(bytes.len()));
        }
        let start = u32::try_from(self.open.len()).ok()?;
        self.open.extend_from_slice(bytes);
        Some(Span { block: u32::try_from(self.blocks.len()).ok()?, start, len: u32::try_from(bytes.len()).ok()? })
    }

    pub(super) fn add_user(
        &mut self,
        id: &str,
        record: Span,
        text: &str,
        standing: Standing,
        direct: bool,
    ) -> Option<UserIx> {
        let ix = u32::try_from(self.users.len()).ok()?;
        self.ids.push_str(id);
        let hash = id_hash(id);
        self.users.push(UserRow {
            id_hash: hash,
            fingerprint: xxh3_64(text.as_bytes()),
            id_end: u32::try_from(self.ids.len()).ok()?,
            record,
            standing,
            direct,
        });
        self.by_id.insert_unique(hash, ix, |&at| self.users.get(at as usize).map_or(0, |row| row.id_hash));
        Some(UserIx(ix))
    }

    pub(super) fn add_group(&mut self, row: GroupRow) -> GroupIx {
        let ix = self.groups.len() as u32;
        let hash = id_hash(row.id.as_str());
        self.groups.push(row);
        self.group_by_id
            .insert_unique(hash, ix, |&at| self.groups.get(at as usize).map_or(0, |row| id_hash(row.id.as_str())));
        GroupIx(ix)
    }

    fn id(&self, ix: u32) -> &str {
        let at = ix as usize;
        let start = at.checked_sub(1).and_then(|before| self.users.get(before)).map_or(0, |row| row.id_end);
        let end = self.users.get(at).map_or(0, |row| row.id_end);
        self.ids.get(start as usize..end as usize).unwrap_or_default()
    }

    pub(super) fn find_user(&self, id: &str) -> Option<UserIx> {
        self.by_id.find(id_hash(id), |&at| self.id(at) == id).map(|&at| UserIx(at))
    }

    pub(super) fn find_group(&self, id: &str) -> Option<GroupIx> {
        self.group_by_id
            .find(id_hash(id), |&at| self.groups.get(at as usize).is_some_and(|row| row.id.as_str() == id))
            .map(|&at| GroupIx(at))
    }

    pub(super) fn user_count(&self) -> usize {
        self.users.len()
    }

    pub(super) fn standing(&self, ix: UserIx) -> Standing {
        self.users.get(ix.0 as usize).map_or(Standing::Staged, |row| row.standing)
    }

    pub(super) fn record(&self, ix: UserIx) -> &str {
        let Some(row) = self.users.get(ix.0 as usize) else { return "{}" };
        let block = match self.blocks.get(row.record.block as usize) {
            Some(block) => block.as_slice(),
            None => &self.open,
        };
        let (start, len) = (row.record.start as usize, row.record.len as usize);
        block.get(start..start + len).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("{}")
    }
}

/// A complete, accepted reading. There is no way to make one but [`Reading::finish`](super::Reading::finish).
#[derive(Debug)]
pub struct Snapshot {
    store: Store,
    counts: Counts,
    dangling: u64,
    dangling_examples: Vec<Box<str>>,
}

impl Snapshot {
    pub(super) fn new(mut store: Store, dangling: u64, dangling_examples: Vec<Box<str>>) -> Self {
        store.seal();
        let counts = Counts {
            users: store.users.len() as u64,
            groups: store.groups.len() as u64,
            memberships: store.groups.iter().map(|group| group.members.len() as u64).sum(),
        };
        Self { store, counts, dangling, dangling_examples }
    }

    /// How much there is.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Members that are neither a person nor a group of this snapshot, and some of their ids.
    pub fn dangling(&self) -> (u64, &[Box<str>]) {
        (self.dangling, &self.dangling_examples)
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
        self.store.id(user.0)
    }

    /// The hash of a person's id (see [`id_hash`]), kept because everything compares by it.
    pub fn id_hash(&self, user: UserIx) -> u64 {
        self.store.users.get(user.0 as usize).map_or(0, |row| row.id_hash)
    }

    /// A number that changes when the person's record changes.
    pub fn fingerprint(&self, user: UserIx) -> u64 {
        self.store
            .users
            .get(user.0 as usize)
            .map_or(0, |row| xxh3_64_with_seed(&row.fingerprint.to_le_bytes(), row.standing as u64))
    }

    /// What the directory says of the person's account.
    pub fn standing(&self, user: UserIx) -> Standing {
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
    pub fn group(&self, group: GroupIx) -> Option<&GroupRow> {
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
