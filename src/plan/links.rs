//! Who is linked, at a glance. In: the state's index, or its rows. Out: number and fingerprint by id hash.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use crate::model::{Bits, UserNumber};
use crate::source::id_hash;
use crate::store::{Baseline, IndexEntry, StoreError, SyncIndex};

/// A link, as the survey needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkedUser {
    /// The person's number in membership sets.
    pub number: UserNumber,
    seen: Option<LastRecord>,
}

/// A group's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkedGroup {
    seen: Option<LastRecord>,
}

/// What the directory said when it was last looked at closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LastRecord {
    fingerprint: u64,
    in_step: bool,
}

impl LinkedUser {
    /// Whether nothing is left to do as long as the directory says the same.
    pub fn is_settled_at(&self, fingerprint: u64) -> bool {
        self.seen.is_some_and(|seen| seen.in_step && seen.fingerprint == fingerprint)
    }

    /// Whether the directory still says what it said when the person was last looked at, well or not.
    pub fn is_unchanged_at(&self, fingerprint: u64) -> bool {
        self.seen.is_none_or(|seen| seen.fingerprint == fingerprint)
    }
}

impl LinkedGroup {
    /// As [`LinkedUser::is_settled_at`].
    pub fn is_settled_at(&self, fingerprint: u64) -> bool {
        self.seen.is_some_and(|seen| seen.in_step && seen.fingerprint == fingerprint)
    }

    /// As [`LinkedUser::is_unchanged_at`].
    pub fn is_unchanged_at(&self, fingerprint: u64) -> bool {
        self.seen.is_none_or(|seen| seen.fingerprint == fingerprint)
    }
}

/// The mark of an index entry that was in step when the index was written. Others are linked but have to be looked at.
pub const IN_STEP: u8 = 1;

/// The mark of an index entry of somebody who is absent and whose account is as it shall stay.
pub const FINISHED: u8 = 2;

/// The mark of an index entry of a group that is not linked: the app was asked for it.
pub const LOOKED_UP: u8 = 4;

/// All links of a tenant.
pub enum TenantLinks {
    /// From the last cycle: nothing else has to be read.
    Index(SyncIndex),
    /// From the rows: every object is looked at closely.
    Rows {
        /// People by id hash.
        users: HashMap<u64, UserNumber>,
        /// Every number, also of people who share a hash.
        numbers: Vec<UserNumber>,
        /// Groups by id hash.
        groups: HashSet<u64>,
    },
}

impl TenantLinks {
    /// Reads the rows.
    ///
    /// # Errors
    /// When the state can't be read.
    pub fn from_rows(baseline: &dyn Baseline) -> Result<Self, StoreError> {
        let mut users = HashMap::new();
        let mut numbers = Vec::new();
        baseline.linked_users(&mut |id, row| {
            users.insert(id_hash(id.as_str()), row.number);
            numbers.push(row.number);
            ControlFlow::Continue(())
        })?;
        let groups = baseline.groups()?.into_iter().map(|(id, _)| id_hash(id.as_str())).collect();
        Ok(Self::Rows { users, numbers, groups })
    }

    /// The link of the person with this id hash.
    pub fn user(&self, hash: u64) -> Option<LinkedUser> {
        match self {
            Self::Index(index) => index
                .user(hash)
                .map(|(_, entry)| LinkedUser { number: UserNumber(entry.number), seen: Some(seen(entry)) }),
            Self::Rows { users, .. } => users.get(&hash).map(|&number| LinkedUser { number, seen: None }),
        }
    }

    /// Says which people are asked for next: many together are found faster.
    pub(super) fn approach(&self, hashes: &[u64]) {
        if let Self::Index(index) = self {
            index.users.approach(hashes);
        }
    }

    /// The link of the group with this id hash.
    pub fn group(&self, hash: u64) -> Option<LinkedGroup> {
        match self {
            Self::Index(index) => {
                let entry = index.group(hash).map(|(_, entry)| entry).filter(|entry| entry.flags & LOOKED_UP == 0);
                entry.map(|entry| LinkedGroup { seen: Some(seen(entry)) })
            }
            Self::Rows { groups, .. } => groups.contains(&hash).then_some(LinkedGroup { seen: None }),
        }
    }

    /// Whether the app was asked for a group that is not linked. If it would get no member, nothing is to be done as long as it is unchanged.
    pub fn was_looked_up(&self, hash: u64, fingerprint: u64) -> bool {
        match self {
            Self::Index(index) => index
                .group(hash)
                .is_some_and(|(_, entry)| entry.flags & LOOKED_UP != 0 && entry.fingerprint == fingerprint),
            Self::Rows { .. } => false,
        }
    }

    /// How many groups are linked.
    pub fn group_count(&self) -> usize {
        match self {
            Self::Index(index) => index.groups.iter().filter(|entry| entry.flags & LOOKED_UP == 0).count(),
            Self::Rows { groups, .. } => groups.len(),
        }
    }

    pub(super) fn user_numbers(&self) -> Box<dyn Iterator<Item = UserNumber> + '_> {
        match self {
            Self::Index(index) => Box::new(index.users.iter().map(|entry| UserNumber(entry.number))),
            Self::Rows { numbers, .. } => Box::new(numbers.iter().copied()),
        }
    }

    /// Hash, number and marks of linked people whose numbers are not in `seen`.
    pub fn unseen<'a>(&'a self, seen: &'a Bits) -> Box<dyn Iterator<Item = (u64, UserNumber, u8)> + 'a> {
        match self {
            Self::Index(index) => {
                let all = index.users.iter().map(|entry| (entry.id_hash, UserNumber(entry.number), entry.flags));
                Box::new(all.filter(|(_, number, _)| !seen.contains(number.0 as usize)))
            }
            Self::Rows { users, .. } => {
                let all = users.iter().map(|(&hash, &number)| (hash, number, 0));
                Box::new(all.filter(|(_, number, _)| !seen.contains(number.0 as usize)))
            }
        }
    }

    /// The numbers of people who are not marked [`FINISHED`].
    pub(super) fn unfinished(&self) -> Box<dyn Iterator<Item = UserNumber> + '_> {
        match self {
            Self::Index(index) => Box::new(
                index.users.iter().filter(|entry| entry.flags & FINISHED == 0).map(|entry| UserNumber(entry.number)),
            ),
            Self::Rows { numbers, .. } => Box::new(numbers.iter().copied()),
        }
    }

    /// One more than the highest number.
    pub fn number_range(&self) -> usize {
        self.user_numbers().map(|number| number.0 as usize + 1).max().unwrap_or(0)
    }
}

fn seen(entry: &IndexEntry) -> LastRecord {
    LastRecord { fingerprint: entry.fingerprint, in_step: entry.flags & IN_STEP != 0 }
}
