//! What a run knows before its first call. It takes the cleared plan and the state, and never changes afterwards.

use std::collections::{HashMap, HashSet};

use super::{Run, access};
use crate::guard::Cleared;
use crate::model::{AppId, ObjectRef, Op, Path, SourceId};
use crate::plan::{Action, Blocked};
use crate::store::{FailureNote, StoreError};

/// What is known before the first call.
pub(super) struct PriorKnowledge {
    /// What earlier runs failed at.
    pub(super) failures: HashMap<ObjectRef, FailureNote>,
    /// Users whose accounts are planned and held: groups wait for them without having failed.
    pub(super) waiting_for_accounts: HashSet<SourceId>,
    /// Users for whom this run creates an account.
    pub(super) coming: HashSet<SourceId>,
    /// Accounts that this run puts aside.
    pub(super) put_aside: HashSet<AppId>,
    /// What earlier runs sent and whose outcome is still unknown.
    pub(super) unresolved: HashSet<ObjectRef>,
    /// Attributes that give access.
    pub(super) access: Vec<Path>,
}

impl PriorKnowledge {
    /// # Errors
    /// When the state cannot be read.
    pub(super) fn of(cleared: &Cleared, run: &Run<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            failures: run.state.failures()?.into_iter().collect(),
            waiting_for_accounts: users_held_back(cleared),
            coming: newcomers(cleared),
            put_aside: replaced(cleared),
            unresolved: run.state.open_intents().into_iter().map(|open| open.intent.object).collect(),
            access: access(run.profile),
        })
    }
}

fn users_held_back(cleared: &Cleared) -> HashSet<SourceId> {
    let operations = cleared.plan().operations.iter().enumerate();
    let held = operations.filter(|(at, operation)| {
        let failed = matches!(operation.blocked, Some(Blocked::Failed(_)));
        let gives_account = matches!(operation.action, Action::CreateUser { .. } | Action::AdoptUser { .. });
        gives_account && !failed && !cleared.allows(*at)
    });
    held.map(|(_, operation)| operation.object.id().clone()).collect()
}

fn newcomers(cleared: &Cleared) -> HashSet<SourceId> {
    let operations = cleared.plan().operations.iter().enumerate();
    let made = operations.filter(|(at, operation)| operation.op() == Op::CreateUser && cleared.allows(*at));
    made.map(|(_, operation)| operation.object.id().clone()).collect()
}

fn replaced(cleared: &Cleared) -> HashSet<AppId> {
    let operations = cleared.plan().operations.iter().enumerate();
    let aside = operations.filter(|(at, operation)| operation.op() == Op::ReplaceUser && cleared.allows(*at));
    aside.filter_map(|(_, operation)| operation.app_id.clone()).collect()
}
