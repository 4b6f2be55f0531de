//! What this machine knows of an app's accounts beside the tenant's own state. In: the state folder, the other tenants that are
//! connected to the same app. Out: which of them has an account or a group linked, and from which account `import` created a user.
//!
//! Reads only. The other tenants' states are read beside whoever writes them, as they are at the first question.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use super::baseline::Baseline as _;
use super::error::StoreError;
use super::handle::{Stores, TenantStore};
use super::mark::Sign;
use super::notes::Notes;
use crate::model::{AppId, SourceId, TenantName};

/// The note with the users that `import` created in the directory.
const IMPORTED: &str = "imported";

/// What is known of an app's accounts beside the tenant's own state.
pub trait Neighbours: Send + Sync {
    /// The tenant that has this account linked, and by which of its users; `None` if no other tenant of the app has.
    ///
    /// # Errors
    /// When the state of a tenant that is connected to the same app can't be read.
    fn linked_by(&self, account: &AppId) -> Result<Option<(TenantName, SourceId)>, StoreError>;

    /// The same for a group of the app.
    ///
    /// # Errors
    /// When the state of a tenant that is connected to the same app can't be read.
    fn group_linked_by(&self, group: &AppId) -> Result<Option<(TenantName, SourceId)>, StoreError>;

    /// Lays claim to accounts and groups that are about to be linked: until the claim is dropped, no other tenant of the app links
    /// any. Two tenants that run at the same time have both seen them without a link.
    ///
    /// # Errors
    /// When the states of the other tenants can't be read.
    fn claim(&self, accounts: &[AppId], groups: &[AppId]) -> Result<Claim, StoreError>;

    /// The user of the directory whom `import --create` created from this account.
    ///
    /// # Errors
    /// When the note of it can't be read.
    fn imported_as(&self, account: &AppId) -> Result<Option<SourceId>, StoreError>;
}

/// A claim to accounts and groups that are about to be linked.
#[derive(Debug, Default)]
pub struct Claim {
    /// The accounts that another tenant has linked: the tenant and its user.
    pub taken: HashMap<AppId, (TenantName, SourceId)>,
    /// The groups that another tenant has linked: the tenant and its group.
    pub taken_groups: HashMap<AppId, (TenantName, SourceId)>,
    /// Held until the links are in the journal.
    _alone: Option<Box<dyn Any + Send + Sync>>,
}

/// No other tenant, and nobody imported.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Neighbours for Alone {
    fn linked_by(&self, _: &AppId) -> Result<Option<(TenantName, SourceId)>, StoreError> {
        Ok(None)
    }

    fn group_linked_by(&self, _: &AppId) -> Result<Option<(TenantName, SourceId)>, StoreError> {
        Ok(None)
    }

    fn claim(&self, _: &[AppId], _: &[AppId]) -> Result<Claim, StoreError> {
        Ok(Claim::default())
    }

    fn imported_as(&self, _: &AppId) -> Result<Option<SourceId>, StoreError> {
        Ok(None)
    }
}

/// The links of the other tenants: what is linked, the tenant, and its user or group.
#[derive(Debug, Default)]
struct NeighbourLinks {
    users: HashMap<AppId, (TenantName, SourceId)>,
    groups: HashMap<AppId, (TenantName, SourceId)>,
}

/// What lies beside the tenant's own state.
pub struct OnThisMachine {
    stores: Stores,
    tenant: TenantName,
    others: Vec<TenantName>,
    /// Read at the first question.
    links: Mutex<Option<NeighbourLinks>>,
    /// Read at the first question.
    imported: Mutex<Option<BTreeMap<String, SourceId>>>,
}

impl OnThisMachine {
    /// For a tenant. `others` are the tenants that are connected to the same app.
    pub fn new(stores: Stores, tenant: TenantName, others: Vec<TenantName>) -> Self {
        Self { stores, tenant, others, links: Mutex::default(), imported: Mutex::default() }
    }

    /// Asks the links as they were at the first question.
    fn known<T>(&self, ask: impl FnOnce(&NeighbourLinks) -> Option<T>) -> Result<Option<T>, StoreError> {
        if self.others.is_empty() {
            return Ok(None);
        }
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let links = match links.take() {
            Some(known) => links.insert(known),
            None => links.insert(self.read()?),
        };
        Ok(ask(links))
    }

    fn read(&self) -> Result<NeighbourLinks, StoreError> {
        let mut links = NeighbourLinks::default();
        for other in self.others.iter().filter(|other| **other != self.tenant) {
            let store = self.stores.tenant(other);
            // A connection that has ended lays claim to no account.
            if store.mark(Sign::Retired).is_some() {
                continue;
            }
            let Some(state) = store.read()? else { continue };
            state.linked_users(&mut |id, row| {
                links.users.insert(row.app_id, (other.clone(), id));
                ControlFlow::Continue(())
            })?;
            links.groups.extend(state.groups()?.into_iter().map(|(id, row)| (row.app_id, (other.clone(), id))));
        }
        Ok(links)
    }
}

impl Neighbours for OnThisMachine {
    fn linked_by(&self, account: &AppId) -> Result<Option<(TenantName, SourceId)>, StoreError> {
        self.known(|links| links.users.get(account).cloned())
    }

    fn group_linked_by(&self, group: &AppId) -> Result<Option<(TenantName, SourceId)>, StoreError> {
        self.known(|links| links.groups.get(group).cloned())
    }

    fn claim(&self, accounts: &[AppId], groups: &[AppId]) -> Result<Claim, StoreError> {
        if self.others.is_empty() || (accounts.is_empty() && groups.is_empty()) {
            return Ok(Claim::default());
        }
        let alone = self.stores.backend.link_alone()?;
        let links = self.read()?;
        let of = |ids: &[AppId], known: &HashMap<AppId, (TenantName, SourceId)>| {
            ids.iter().filter_map(|id| Some((id.clone(), known.get(id)?.clone()))).collect()
        };
        let (taken, taken_groups) = (of(accounts, &links.users), of(groups, &links.groups));
        Ok(Claim { taken, taken_groups, _alone: Some(alone) })
    }

    fn imported_as(&self, account: &AppId) -> Result<Option<SourceId>, StoreError> {
        let mut known = self.imported.lock().unwrap_or_else(PoisonError::into_inner);
        let all = match known.take() {
            Some(all) => known.insert(all),
            None => known.insert(imported(self.stores.tenant(&self.tenant).notes())?),
        };
        Ok(all.get(account.as_str()).cloned())
    }
}

fn imported(notes: &Notes) -> Result<BTreeMap<String, SourceId>, StoreError> {
    Ok(notes.get(IMPORTED)?.unwrap_or_default())
}

impl TenantStore {
    /// Keeps on record that `import` created a user of the directory from an account of the app.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn note_imported(&self, account: &AppId, user: &SourceId) -> Result<(), StoreError> {
        self.notes.amend(IMPORTED, |all: Option<BTreeMap<String, SourceId>>| {
            let mut all = all.unwrap_or_default();
            all.insert(account.as_str().to_owned(), user.clone());
            Some(all)
        })
    }

    /// Forgets users that `import` created.
    ///
    /// # Errors
    /// When it could not be written.
    pub(super) fn forget_imported(&self, users: &[SourceId]) -> Result<(), StoreError> {
        self.notes.amend(IMPORTED, |all: Option<BTreeMap<String, SourceId>>| {
            let mut all = all?;
            let before = all.len();
            all.retain(|_, user| !users.contains(user));
            (all.len() != before).then_some(all)
        })
    }
}
