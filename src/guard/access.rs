//! Who has access, in numbers. It takes a cleared plan. It gives how many users have access now, after what may be sent, and after what is
//! held as well.

use std::collections::HashSet;

use super::Cleared;
use crate::model::{Access, ObjectRef, SourceId};
use crate::plan::{Action, Operation};

impl Cleared {
    /// Who has access now and afterwards; `None` where nothing is planned.
    pub fn access(&self) -> Option<Access> {
        let now = self.managed?;
        let held: HashSet<&SourceId> = self.held().flat_map(users_of).collect();
        Some(Access {
            now,
            after: after(now, self.going()),
            after_approval: after(now, self.going().chain(self.held())),
            held_users: held.len() as u64,
        })
    }
}

/// Whose account or membership an operation is about.
fn users_of(operation: &Operation) -> Vec<&SourceId> {
    match (&operation.action, &operation.object) {
        (
            Action::AddMembers { users } | Action::RemoveMembers { users, .. } | Action::DeleteGroup { users },
            ObjectRef::Group(_),
        ) => users.iter().map(|user| &user.id).collect(),
        (_, ObjectRef::User(id)) => vec![id],
        (_, ObjectRef::Group(_)) => Vec::new(),
    }
}

fn after<'a>(now: u64, operations: impl Iterator<Item = &'a Operation>) -> u64 {
    let (mut come, mut gone) = (HashSet::new(), HashSet::new());
    for operation in operations {
        match &operation.action {
            Action::CreateUser { .. } | Action::ActivateUser => drop(come.insert(operation.object.id())),
            Action::AdoptUser { found, .. } if found.active => drop(come.insert(operation.object.id())),
            Action::DeactivateUser | Action::DeleteUser { active: true } => drop(gone.insert(operation.object.id())),
            _ => {}
        }
    }
    (now + come.len() as u64).saturating_sub(gone.len() as u64)
}
