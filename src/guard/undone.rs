//! The check on what an undo put back. It takes what the directory still says of it; it holds exactly these changes.

use std::collections::HashSet;

use super::{Cleared, Facts, UndoneRecord};
use crate::model::{HoldReason, NamedUsers, ObjectRef, Op};
use crate::plan::{Action, Operation};

impl Cleared {
    /// What was taken back is not done again by the next run: a directory that was wrong is wrong still.
    pub(super) fn check_undone(&mut self, facts: &Facts) {
        let undone = &facts.undone;
        let mut held = Vec::new();
        let mut without_link: HashSet<ObjectRef> = HashSet::new();
        for (at, operation) in self.plan.operations.iter().enumerate().filter(|(at, _)| self.allows(*at)) {
            if undone.covers(operation) {
                held.push(at);
                if matches!(operation.op(), Op::CreateUser | Op::AdoptUser | Op::CreateGroup | Op::AdoptGroup) {
                    without_link.insert(operation.object.clone());
                }
            }
        }
        if held.is_empty() {
            return;
        }
        let operations = || held.iter().filter_map(|at| self.plan.operations.get(*at));
        let names: Vec<String> = operations().flat_map(names_of).collect();
        let (runs, count) = (undone.runs.clone(), held.len() as u64);
        let who = NamedUsers::of(names.iter().map(String::as_str));
        // What needs the link that is not made waits with it.
        self.hold(HoldReason::Undone { runs, count, who }, |operation| {
            undone.covers(operation) || without_link.contains(&operation.object)
        });
    }
}

fn names_of(operation: &Operation) -> Vec<String> {
    match &operation.action {
        Action::AddMembers { users } | Action::RemoveMembers { users, .. } => {
            users.iter().map(|user| format!("{} in {}", user.name, operation.name)).collect()
        }
        _ => vec![operation.name.clone()],
    }
}

impl UndoneRecord {
    /// Whether an operation does nothing but what was taken back.
    pub fn covers(&self, operation: &Operation) -> bool {
        match (&operation.object, &operation.action) {
            (_, Action::CompareGroup { .. }) => false,
            (ObjectRef::Group(group), Action::AddMembers { users } | Action::RemoveMembers { users, .. }) => {
                !users.is_empty() && users.iter().all(|user| self.has_member(group, &user.id))
            }
            (object, _) => self.objects.contains(object),
        }
    }

    /// Whether a membership was taken back.
    pub fn has_member(&self, group: &crate::model::SourceId, user: &crate::model::SourceId) -> bool {
        !self.members.is_empty() && self.members.contains(&(group.clone(), user.clone()))
    }
}
