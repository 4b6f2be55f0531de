//! The checks on new accounts that may be a user's second one. They take what the plan found alike; they hold those users' creates, or all.

use std::collections::HashSet;

use super::{Cleared, GuardLimits};
use crate::model::{Duplicate, Duplicates, HoldReason, Op, SourceId};
use crate::plan::{Action, Operation};

impl Cleared {
    /// A user who has a name of an account that no user matches waits alone; where many only look alike, every new account waits.
    pub(super) fn check_duplicates(&mut self, limits: &GuardLimits) {
        if limits.duplicate_names.is_none() || self.plan.duplicates.is_empty() {
            return;
        }
        // What is held already for another reason counts all the same: one approval lets both pass.
        let creates: HashSet<SourceId> = self
            .plan
            .operations
            .iter()
            .filter(|operation| operation.op() == Op::CreateUser && operation.blocked.is_none())
            .map(|operation| operation.object.id().clone())
            .collect();
        let duplicates = self.plan.duplicates.iter().filter(|one| creates.contains(&one.user));
        let (same, alike): (Vec<&Duplicate>, Vec<&Duplicate>) = duplicates.partition(|one| one.shared.is_some());
        let mut holds = Vec::new();
        if !same.is_empty() {
            let who = HoldReason::DuplicateAccounts { count: same.len() as u64, who: Duplicates::of(&same) };
            holds.push((who, same.iter().map(|one| one.user.clone()).collect()));
        }
        let (count, whole) = (alike.len() as u64, creates.len() as u64);
        if limits.duplicate_names.allowed(whole).is_some_and(|allowed| count > allowed) {
            let limit = limits.duplicate_names.to_string();
            let who = Duplicates::of(&alike);
            holds.push((HoldReason::DuplicateNames { count, creates: whole, limit, who }, creates));
        }
        for (hold, users) in holds {
            self.hold(hold, |operation| needs(operation, &users));
        }
    }
}

/// Whether an operation needs the account of one of these users.
fn needs(operation: &Operation, users: &HashSet<SourceId>) -> bool {
    match &operation.action {
        Action::CreateUser { .. } => users.contains(operation.object.id()),
        Action::UpdateUser { manager: Some(manager), .. } => {
            users.contains(manager) || users.contains(operation.object.id())
        }
        _ => false,
    }
}
