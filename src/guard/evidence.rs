//! Checks of what a reading does not show: a sign of suspension that it had before, and names in groups that lead nowhere. Silence is no
//! evidence; each holds what would follow from it, and names what speaks against it.

use std::collections::{BTreeSet, HashSet};

use super::{Cleared, Facts};
use crate::model::{HoldReason, NamedUsers, ObjectRef, Op, Reason, SourceId, StatusSign};
use crate::plan::{Action, Operation};
use crate::source::id_hash;
use crate::store::Sightings;

/// Signs of suspension that the last accepted reading showed and this one shows nowhere.
#[derive(Debug, Clone, Default)]
pub struct LostSigns {
    /// Their names; none, if there is nothing to doubt.
    pub signs: BTreeSet<StatusSign>,
    /// What was last seen of users; `None` where that is lost, so that anybody may have been suspended.
    pub seen: Option<Sightings>,
}

impl LostSigns {
    /// Whether the operation takes the silence for "active".
    pub fn doubts(&self, operation: &Operation) -> bool {
        let was_suspended =
            || self.seen.as_ref().is_none_or(|seen| seen.was_suspended(id_hash(operation.object.id().as_str())));
        !self.signs.is_empty()
            && match operation.op() {
                Op::ActivateUser => true,
                Op::CreateUser | Op::AdoptUser => was_suspended(),
                _ => false,
            }
    }
}

/// Names of members that lead nowhere, and what would be removed although they may explain it.
#[derive(Debug, Clone, Default)]
pub struct Dangling {
    /// How many there are in groups in scope.
    pub count: u64,
    /// How many there were in the last accepted reading.
    pub before: Option<u64>,
    /// Users of the plan whom a group still names.
    pub named: HashSet<SourceId>,
    /// Groups with names of which nobody knows whose they are, where there are more than before.
    pub strange: HashSet<SourceId>,
    /// Members that such groups have in the app.
    pub members_of_strange: HashSet<SourceId>,
    /// The first names, as they are shown.
    pub examples: Vec<String>,
}

impl Dangling {
    /// Whether the operation removes what a group's list may still hold.
    pub fn doubts(&self, operation: &Operation) -> bool {
        let id = operation.object.id();
        match &operation.action {
            Action::DeactivateUser | Action::DeleteUser { .. } if rests_on_absence(&operation.reason) => {
                self.named.contains(id) || self.members_of_strange.contains(id)
            }
            Action::RemoveMembers { .. } => match operation.reason {
                Reason::StillNamed => true,
                Reason::NoLongerMembers => self.strange.contains(id),
                _ => false,
            },
            _ => false,
        }
    }
}

/// Whether access would end because the reading does not show a user, or a membership, and for nothing that it does show.
pub fn rests_on_absence(reason: &Reason) -> bool {
    matches!(reason, Reason::Unassigned | Reason::MissingTwice | Reason::Deleted)
}

impl Cleared {
    /// A sign that was lost turns nobody on.
    pub(super) fn check_signs(&mut self, facts: &Facts) {
        let lost = &facts.lost_signs;
        let doubted: Vec<&Operation> = self.going().filter(|operation| lost.doubts(operation)).collect();
        if doubted.is_empty() {
            return;
        }
        let activations = doubted.iter().filter(|operation| operation.op() == Op::ActivateUser).count() as u64;
        let hold = HoldReason::SourceEvidence {
            signs: lost.signs.clone(),
            activations,
            creations: doubted.len() as u64 - activations,
            who: NamedUsers::of(doubted.iter().map(|operation| operation.name.as_str())),
        };
        let objects: HashSet<ObjectRef> = doubted.iter().map(|operation| operation.object.clone()).collect();
        // What needs the account that waits, waits with it.
        self.hold(hold, |operation| lost.doubts(operation) || objects.contains(&operation.object));
    }

    /// A name that leads nowhere is evidence: what its owner would lose waits.
    pub(super) fn check_dangling(&mut self, facts: &Facts) {
        let dangling = &facts.dangling;
        let doubted: Vec<&Operation> = self.going().filter(|operation| dangling.doubts(operation)).collect();
        if doubted.is_empty() {
            return;
        }
        let mut who: BTreeSet<&str> = BTreeSet::new();
        for operation in &doubted {
            match &operation.action {
                Action::RemoveMembers { users, .. } => who.extend(users.iter().map(|user| user.name.as_str())),
                _ => drop(who.insert(&operation.name)),
            }
        }
        let hold = HoldReason::DanglingMember {
            count: dangling.count,
            before: dangling.before,
            names: dangling.examples.clone(),
            who: NamedUsers::of(who),
        };
        self.hold(hold, |operation| dangling.doubts(operation));
    }
}
