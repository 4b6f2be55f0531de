//! The check on accounts that are activated again. It takes what was activated within 24 hours; it holds every activation that gives back
//! nothing which a run took lately.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Cleared, Facts, GuardLimits};
use crate::model::{HoldReason, NamedUsers, ObjectRef, Op, SourceId};
use crate::plan::{Action, Operation};

impl Cleared {
    /// A sign of suspension that can't be read looks like many users who are active again.
    pub(super) fn check_activations(&mut self, facts: &Facts, limits: &GuardLimits) {
        // Under its new record a user is the one who lost access under the old.
        let records: HashMap<&SourceId, &SourceId> = self.plan.operations.iter().filter_map(relinked).collect();
        let gives_back = |id: &SourceId| {
            let before = records.get(id).copied().unwrap_or(id);
            facts.lost_lately.contains(id) || facts.lost_lately.contains(before)
        };
        let activates = self.going().filter(|operation| operation.op() == Op::ActivateUser);
        let fresh: BTreeMap<&SourceId, &str> = activates
            .map(|operation| (operation.object.id(), operation.name.as_str()))
            .filter(|(id, _)| !gives_back(id) && !facts.activated.contains(*id))
            .collect();
        let adopted = self
            .going()
            .filter(|operation| matches!(&operation.action, Action::AdoptUser { found, .. } if found.active));
        let (now, before) = (fresh.len() as u64, facts.activated.len() as u64);
        // A user who was activated today had no access this morning.
        let managed = facts.managed.saturating_sub(before) + adopted.count() as u64;
        if now == 0 || limits.activations_per_day.allowed(managed).is_none_or(|allowed| now + before <= allowed) {
            return;
        }
        let who = NamedUsers::of(fresh.values().copied());
        let users: HashSet<ObjectRef> = fresh.into_keys().map(|id| ObjectRef::User(id.clone())).collect();
        let limit = limits.activations_per_day.to_string();
        let hold = HoldReason::ActivationsPerDay { now, activated: before, managed, limit, who };
        // What changes in such an account waits with it: some apps show nothing of it before.
        self.hold(hold, |operation| users.contains(&operation.object));
    }
}

fn relinked(operation: &Operation) -> Option<(&SourceId, &SourceId)> {
    match &operation.action {
        Action::RelinkUser { from } => Some((operation.object.id(), from)),
        _ => None,
    }
}
