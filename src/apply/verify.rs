//! Whether the app kept the accounts that it answered as created. In: the results of a tenant's first run so far, and what earlier runs created
//! that did not end. Out: the ones that the app does not show count as failed, and their links end, so that the next run looks for them and
//! creates them again.
//!
//! One listing, if it costs little beside the creates; what it lacks is asked for by its id. Only both together are proof.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use super::{OpResult, RunWorker};
use crate::model::{AppId, ObjectRef, Obstacle, OpOutcome, Path, Provenance, Reason, StillShown};
use crate::plan::{Action, Operation};
use crate::store::StoreError;

/// One request of the listing for so many created accounts; two requests in any case.
const CREATES_PER_REQUEST: u64 = 50;

/// A list that lacks so many accounts which the app shows one by one is not looked through further: it does not show every account.
const LOOKS: usize = 20;

/// An account that the app said it created.
struct New {
    object: ObjectRef,
    name: String,
    /// The operation of this run that created it.
    at: Option<usize>,
}

impl RunWorker<'_> {
    /// Looks whether the app kept what it answered as created, in a tenant's first run.
    pub(super) async fn verify_creates(
        &self,
        operations: &[Operation],
        results: &mut [OpResult],
    ) -> Result<(), StoreError> {
        let is_first = self.run.state.last_counts().is_none();
        if !is_first || !self.run.profile.read.verify_first_sync || self.is_stopped() {
            return Ok(());
        }
        let created = self.accounts_created(operations, results)?;
        if created.is_empty() {
            return Ok(());
        }
        self.until_shown().await;
        let accounts: HashSet<AppId> = created.keys().cloned().collect();
        let most = (created.len() as u64).div_ceil(CREATES_PER_REQUEST).max(2);
        let unlisted = match self.run.app.not_listed(&accounts, most).await {
            Ok(Some(unlisted)) => unlisted,
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::warn!(%error, "could not read the app's list of users: whether it kept every new account is unknown");
                return Ok(());
            }
        };
        let mut effects = Vec::new();
        for lost in self.lost(&unlisted, &created).await {
            let why = Obstacle::NotCarriedOut { shows: vec![StillShown::NoAccount] };
            effects.push(self.unlinked(&lost.object));
            effects.push(self.failed_object((&lost.object, &lost.name), &why, None));
            if let Some(slot) = lost.at.and_then(|at| results.get_mut(at)) {
                *slot = Err(why);
            }
        }
        match effects.is_empty() {
            true => Ok(()),
            false => self.run.state.noted(&self.run.id, Reason::NotKept, effects).await,
        }
    }

    /// The accounts that were created in the first run: by this process, or by one that was killed in it.
    fn accounts_created(
        &self,
        operations: &[Operation],
        results: &[OpResult],
    ) -> Result<HashMap<AppId, New>, StoreError> {
        let mut created = HashMap::new();
        self.run.state.linked_users(&mut |id, row| {
            if row.provenance == Provenance::Created && row.active == Some(true) {
                let name = row.sent.text(&Path::user_name()).unwrap_or_default().to_owned();
                created.insert(row.app_id, New { object: ObjectRef::User(id), name, at: None });
            }
            ControlFlow::Continue(())
        })?;
        for (at, (operation, result)) in operations.iter().zip(results).enumerate() {
            let ObjectRef::User(id) = &operation.object else { continue };
            let is_create = matches!(operation.action, Action::CreateUser { .. });
            if !is_create || !matches!(result, Ok(OpOutcome::Done)) {
                continue;
            }
            if let Some(row) = self.run.state.user(id)? {
                let new = New { object: operation.object.clone(), name: operation.name.clone(), at: Some(at) };
                created.insert(row.app_id, new);
            }
        }
        Ok(created)
    }

    /// Of the accounts that the list lacks, those that the app does not show by their id either.
    async fn lost<'n>(&self, unlisted: &[AppId], created: &'n HashMap<AppId, New>) -> Vec<&'n New> {
        let mut lost = Vec::new();
        for (looks, account) in unlisted.iter().enumerate() {
            if (looks >= LOOKS && lost.is_empty()) || self.is_stopped() {
                break;
            }
            if let (Ok(None), Some(new)) = (self.run.app.get_user(account, &[]).await, created.get(account)) {
                lost.push(new);
            }
        }
        lost
    }
}
