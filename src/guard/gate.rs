//! The last look before a call. In: an operation and what is known of the account. Out: yes, or why not.
//!
//! Everything it refuses was already kept out of the plan, or held. It stands here so that a mistake above it costs nobody
//! their access.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::{AppId, Attributes, Obstacle};
use crate::plan::{Operation, Protected};

/// Counts what takes access while it is sent, and knows who may never lose it.
#[derive(Debug)]
pub struct Gate {
    left: AtomicU64,
    protected: Protected,
    own_account: Option<AppId>,
}

impl Gate {
    pub(super) fn new(left: u64, protected: Protected, own_account: Option<AppId>) -> Self {
        Self { left: AtomicU64::new(left), protected, own_account }
    }

    /// Whether the operation may be sent now. `app_id` and `known` are what the state says of the account at this moment.
    ///
    /// # Errors
    /// What stands in the way, if it may not.
    pub fn admit(&self, operation: &Operation, app_id: Option<&AppId>, known: &[&Attributes]) -> Result<(), Obstacle> {
        if !operation.op().takes_access() {
            return Ok(());
        }
        if self.protected.covers(operation.object.id().as_str(), known) {
            return Err(Obstacle::Protected { name: operation.name.clone() });
        }
        if app_id.is_some() && app_id == self.own_account.as_ref() {
            return Err(Obstacle::OwnAccount { name: operation.name.clone() });
        }
        let took = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        took.map(drop).map_err(|_| Obstacle::MoreThanCleared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Lane, ObjectRef, SourceId};
    use crate::plan::Action;

    fn deactivate(id: &str) -> Operation {
        Operation {
            lane: Lane::Leavers,
            object: ObjectRef::User(SourceId::new(id)),
            app_id: Some(AppId::new("a1")),
            name: id.to_owned(),
            action: Action::DeactivateUser,
            reason: "".into(),
            blocked: None,
        }
    }

    #[test]
    fn i2_the_last_look_lets_no_more_pass_than_was_cleared() {
        let gate = Gate::new(1, Protected::default(), None);
        assert!(gate.admit(&deactivate("ann"), None, &[]).is_ok());
        assert!(gate.admit(&deactivate("bo"), None, &[]).is_err());
        let activate = Operation { action: Action::ActivateUser, ..deactivate("cy") };
        assert!(gate.admit(&activate, None, &[]).is_ok(), "what gives access is not counted");
    }

    #[test]
    fn i2_the_last_look_knows_the_protected_and_the_account_of_the_token() {
        let gate = Gate::new(9, Protected::new(["ann"]), Some(AppId::new("a7")));
        assert!(gate.admit(&deactivate("ann"), None, &[]).is_err());
        assert!(gate.admit(&deactivate("bo"), Some(&AppId::new("a7")), &[]).is_err());
        assert!(gate.admit(&deactivate("bo"), Some(&AppId::new("a8")), &[]).is_ok());
    }
}
