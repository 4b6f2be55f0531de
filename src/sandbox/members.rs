//! Who is a member of what, read in both directions, and changes to it that cost what they change.
//!
//! In: edits of one group's members. Out: the members of a group, the groups of a member. It knows ids and nothing else: that a
//! member exists is seen to by `admit`.

use std::collections::{BTreeSet, HashMap};

use super::id::Id;

/// A change of one group's members, kept apart from the members themselves: a group may have a hundred thousand of them, and a
/// PATCH of fifty should not copy them all to be atomic.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct MemberEdit {
    /// Whether the members from before go.
    cleared: bool,
    added: BTreeSet<Id>,
    /// Never overlaps `added`.
    removed: BTreeSet<Id>,
}

impl MemberEdit {
    /// The edit after which a group has just these members.
    pub(super) fn exactly(ids: BTreeSet<Id>) -> Self {
        Self { cleared: true, added: ids, removed: BTreeSet::new() }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::exactly(BTreeSet::new());
    }

    pub(super) fn add(&mut self, id: Id) {
        self.removed.remove(&id);
        self.added.insert(id);
    }

    pub(super) fn remove(&mut self, id: Id) {
        self.added.remove(&id);
        self.removed.insert(id);
    }

    /// Whether the group gets this member, or is said to have it.
    pub(super) fn adds(&self, id: Id) -> bool {
        self.added.contains(&id)
    }

    /// The members a group has after the edit that had `before`.
    pub(super) fn after<'a>(&'a self, before: &'a BTreeSet<Id>) -> impl Iterator<Item = Id> + 'a {
        let kept = before.iter().filter(|id| !self.cleared && !self.removed.contains(id) && !self.added.contains(id));
        kept.chain(&self.added).copied()
    }

    /// What really changes for a group that had `before`: who goes, who comes.
    fn effect(&self, before: &BTreeSet<Id>) -> (Vec<Id>, Vec<Id>) {
        let gone = match self.cleared {
            true => before.difference(&self.added).copied().collect(),
            false => self.removed.iter().filter(|id| before.contains(id)).copied().collect(),
        };
        (gone, self.added.iter().filter(|id| !before.contains(id)).copied().collect())
    }
}

/// All memberships, in both directions.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Memberships {
    members: HashMap<Id, BTreeSet<Id>>,
    groups: HashMap<Id, BTreeSet<Id>>,
}

static NONE: BTreeSet<Id> = BTreeSet::new();

impl Memberships {
    /// The direct members of a group.
    pub(super) fn of(&self, group: Id) -> &BTreeSet<Id> {
        self.members.get(&group).unwrap_or(&NONE)
    }

    /// The groups something is a direct member of.
    pub(super) fn groups_of(&self, member: Id) -> &BTreeSet<Id> {
        self.groups.get(&member).unwrap_or(&NONE)
    }

    /// Whether an edit of this group would change anything.
    pub(super) fn changes(&self, group: Id, edit: &MemberEdit) -> bool {
        let (gone, come) = edit.effect(self.of(group));
        !gone.is_empty() || !come.is_empty()
    }

    pub(super) fn apply(&mut self, group: Id, edit: &MemberEdit) {
        let (gone, come) = edit.effect(self.of(group));
        for member in gone {
            take(&mut self.members, group, member);
            take(&mut self.groups, member, group);
        }
        for member in come {
            self.members.entry(group).or_default().insert(member);
            self.groups.entry(member).or_default().insert(group);
        }
    }

    /// Takes something out of every group, and every member out of it. Answers the groups that lost it.
    pub(super) fn forget(&mut self, id: Id) -> BTreeSet<Id> {
        for member in self.members.remove(&id).unwrap_or_default() {
            take(&mut self.groups, member, id);
        }
        let groups = self.groups.remove(&id).unwrap_or_default();
        for group in &groups {
            take(&mut self.members, *group, id);
        }
        groups
    }

    /// Every pair of a group and its member.
    #[cfg(test)]
    pub(super) fn pairs(&self) -> BTreeSet<(Id, Id)> {
        let forth = self.members.iter().flat_map(|(group, members)| members.iter().map(|member| (*group, *member)));
        let back = self.groups.iter().flat_map(|(member, groups)| groups.iter().map(|group| (*group, *member)));
        let forth: BTreeSet<(Id, Id)> = forth.collect();
        assert_eq!(forth, back.collect(), "both directions say the same");
        assert!(self.members.values().chain(self.groups.values()).all(|set| !set.is_empty()), "no empty sets are kept");
        forth
    }
}

fn take(sets: &mut HashMap<Id, BTreeSet<Id>>, from: Id, id: Id) {
    if let Some(set) = sets.get_mut(&from) {
        set.remove(&id);
        if set.is_empty() {
            sets.remove(&from);
        }
    }
}
