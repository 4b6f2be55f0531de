//! Names of what a plan's changes give by id. It takes a plan, the state and, where one was read, the directory's reading; it returns a name
//! for each id. Reports show them beside the ids; nothing is decided by them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::{AppId, Path, SourceId};
use crate::plan::{self, Action, Plan};
use crate::source::Snapshot;
use crate::store::{StateView, StoreError};

/// The names of managers, and of records that are gone, by the directory's or the app's id.
///
/// # Errors
/// When the state can't be read.
pub(crate) fn names_in(
    plan: &Plan,
    state: &dyn StateView,
    snapshot: Option<&Snapshot>,
) -> Result<BTreeMap<String, String>, StoreError> {
    let names = DisplayNames { state, snapshot };
    let mut all = BTreeMap::new();
    let path = Path::manager();
    for operation in &plan.operations {
        match &operation.action {
            Action::UpdateUser { before, set, manager, .. } => {
                if let Some(id) = manager {
                    all.extend(names.user(id)?.map(|name| (id.to_string(), name)));
                }
                for account in [before.get(&path), set.get(&path)].into_iter().flatten().filter_map(Value::as_str) {
                    all.extend(names.account(account)?.map(|name| (account.to_owned(), name)));
                }
            }
            Action::RelinkUser { from } => all.extend(names.user(from)?.map(|name| (from.to_string(), name))),
            Action::RelinkGroup { from, display_name, .. } => {
                all.insert(from.to_string(), display_name.clone());
            }
            _ => {}
        }
    }
    Ok(all)
}

struct DisplayNames<'a> {
    state: &'a dyn StateView,
    snapshot: Option<&'a Snapshot>,
}

impl DisplayNames<'_> {
    /// A user's name: the one last sent, or else the directory's.
    fn user(&self, id: &SourceId) -> Result<Option<String>, StoreError> {
        let sent = self.state.user(id)?.and_then(|row| row.sent.text(&Path::user_name()).map(str::to_owned));
        let listed = || {
            let snapshot = self.snapshot?;
            snapshot.find_user(id.as_str()).map(|user| plan::label(snapshot, user))
        };
        Ok(sent.or_else(listed).filter(|name| name != id.as_str()))
    }

    fn account(&self, id: &str) -> Result<Option<String>, StoreError> {
        match self.state.user_by_app_id(&AppId::from(id))? {
            Some(owner) => self.user(&owner),
            None => Ok(None),
        }
    }
}
