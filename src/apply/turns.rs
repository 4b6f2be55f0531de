//! Whose turn it is to call the app: the calls of a run's plan, or the leavers who are found while it goes on.
//!
//! Every call of a plan takes part in a turn. Leavers wait for the calls under way, go alone, and let the plan go on; for them the plan then
//! makes no account, switches none on, and adds no membership.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::model::SourceId;

/// The turns of one run.
#[derive(Default)]
pub struct Turns {
    calls: RwLock<()>,
    left: Mutex<HashSet<SourceId>>,
}

impl Turns {
    /// The turn of one call of the plan.
    pub(super) async fn call(&self) -> RwLockReadGuard<'_, ()> {
        self.calls.read().await
    }

    /// Waits for the calls under way; none begins until the guard is dropped.
    pub async fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.calls.write().await
    }

    /// From now on the plan gives these users nothing.
    pub fn leave(&self, users: impl IntoIterator<Item = SourceId>) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).extend(users);
    }

    /// Whether a user was found to have left while the run went on.
    pub(super) fn has_left(&self, user: &SourceId) -> bool {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).contains(user)
    }
}
