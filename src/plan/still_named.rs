//! Users whom groups in scope still name although the reading does not show them, or shows them under another name. It takes the names that
//! lead nowhere and what the state last saw, and returns whose they are.
//!
//! A rule that hides users from the reader, a user renamed without the groups that name them, a blank or a letter too many in a file: each
//! looks like a user who is gone, or who left a group. The group's own list says otherwise.

use std::collections::{HashMap, HashSet};

use crate::desired::Desired;
use crate::model::SourceId;
use crate::source::id_hash;
use crate::store::Sightings;

/// Whose the names are that lead nowhere, by the hashes of ids.
#[derive(Debug, Default)]
pub struct StillNamed {
    /// Per group in scope.
    by_group: HashMap<SourceId, HashSet<u64>>,
    users: HashSet<u64>,
}

impl StillNamed {
    /// Looks up whose the names are. A name may be an id itself, or one under which a member was found in an earlier reading.
    pub fn of(desired: &Desired<'_>, seen: impl FnOnce() -> Option<Sightings>) -> Self {
        let names = desired.dangling();
        let mut named = Self::default();
        if names.is_empty() {
            return named;
        }
        let seen = seen().unwrap_or_default();
        for (group, one) in names {
            let Some(row) = desired.snapshot.group(group.ix) else { continue };
            let whose = named.by_group.entry(row.id.clone()).or_default();
            for user in std::iter::once(one.hash).chain(seen.owners(one.hash)) {
                whose.insert(user);
                named.users.insert(user);
            }
        }
        named
    }

    /// Whether no name leads nowhere.
    pub fn is_empty(&self) -> bool {
        self.by_group.is_empty()
    }

    /// Whether a group in scope still names the user.
    pub fn names(&self, user: &SourceId) -> bool {
        !self.users.is_empty() && self.users.contains(&id_hash(user.as_str()))
    }

    /// Whether this group still names the user as a member.
    pub fn is_member(&self, group: &SourceId, user: &SourceId) -> bool {
        self.by_group.get(group).is_some_and(|users| users.contains(&id_hash(user.as_str())))
    }

    /// Groups in scope with names that lead nowhere.
    pub fn groups(&self) -> impl Iterator<Item = &SourceId> {
        self.by_group.keys()
    }
}
