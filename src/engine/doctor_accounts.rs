//! The app's accounts as far as `doctor` looks at them: those with roles that no user is linked to, and those that two users share. In:
//! the app, the state. Out: findings.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::doctor::{counted, state_error};
use super::{Engine, EngineError};
use crate::model::{AppId, Finding, Path};
use crate::plan::is_privileged;
use crate::scim::{App, AppUser, PrivilegedAccounts};

/// So many accounts of the app are looked at: a page or two in most, and never minutes.
const LOOKED_AT: u64 = 2000;
/// So many accounts are named.
const NAMED: usize = 10;

impl Engine {
    /// Accounts that a directory user of their name could take over, and accounts that two users have.
    pub(super) async fn look_at_accounts(&self, app: &App) -> Vec<Finding> {
        let mut found = Vec::new();
        match self.shared_accounts() {
            Ok(shared) => found.extend(shared),
            Err(error) => {
                found.push(Finding::wrong("links", error.to_string(), "`rosterd journal verify` looks closer"))
            }
        }
        match app.with_roles(LOOKED_AT).await {
            Ok(seen) => match self.unmanaged(seen) {
                Ok(finding) => found.push(finding),
                Err(EngineError::Cycle(crate::cycle::CycleError::Store(error))) => {
                    found.push(state_error("roles", &error))
                }
                Err(error) => {
                    found.push(Finding::wrong("roles", error.to_string(), "`rosterd journal verify` looks closer"))
                }
            },
            Err(error) => found.push(Finding::warning(
                "roles",
                format!("which accounts have roles can't be seen: the app's list can't be read ({error})"),
                "list the app's own administrators in scope.protect",
            )),
        }
        found
    }

    fn unmanaged(&self, seen: PrivilegedAccounts) -> Result<Finding, EngineError> {
        let (state, rules) = (self.view()?, self.rules());
        let own = state.own_account()?.flatten();
        let mut unmanaged: Vec<(bool, AppUser)> = Vec::new();
        for account in seen.accounts {
            let is_ours = state.user_by_app_id(&account.id)?.is_some() || own.as_ref() == Some(&account.id);
            if !is_ours && !rules.protected.covers(account.id.as_str(), &[&account.attributes]) {
                unmanaged.push((is_privileged(rules.profile, &account.roles), account));
            }
        }
        unmanaged.sort_by_key(|(privileged, _)| !privileged);
        let among = match seen.all {
            true => format!("{} looked at", counted(seen.looked_at, "account", "accounts")),
            false => format!("only the first {} looked at", counted(seen.looked_at, "account", "accounts")),
        };
        if unmanaged.is_empty() {
            return Ok(Finding::ok("roles", format!("every account with a role is linked or protected ({among})")));
        }
        let name =
            |account: &AppUser| account.attributes.text(&Path::user_name()).unwrap_or(account.id.as_str()).to_owned();
        let shown: Vec<String> = unmanaged
            .iter()
            .take(NAMED)
            .map(|(_, account)| format!("{} ({})", name(account), account.roles.join(", ")))
            .collect();
        let more = match unmanaged.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let protect: Vec<String> =
            unmanaged.iter().take(NAMED).map(|(_, account)| format!("{:?}", name(account))).collect();
        Ok(Finding::warning(
            "roles",
            format!(
                "{} with roles {} linked to no user of the directory: {}{more} ({among})",
                counted(unmanaged.len() as u64, "account", "accounts"),
                if unmanaged.len() == 1 { "is" } else { "are" },
                shown.join("; ")
            ),
            format!("if no directory user should ever get them, write in [scope]: protect = [{}]", protect.join(", ")),
        ))
    }

    /// Accounts that are linked to two users: suspending one would switch the other off.
    fn shared_accounts(&self) -> Result<Option<Finding>, EngineError> {
        let state = self.view()?;
        let mut owners: HashMap<AppId, String> = HashMap::new();
        let mut shared: Vec<String> = Vec::new();
        state.linked_users(&mut |id, row| {
            let name = row.sent.text(&Path::user_name());
            let id = name.map_or_else(|| id.to_string(), |name| format!("{name}, id {id}"));
            if let Some(other) = owners.insert(row.app_id.clone(), id.clone()) {
                shared.push(format!("{} ({other} and {id})", row.app_id));
            }
            ControlFlow::Continue(())
        })?;
        let count = shared.len() as u64;
        shared.truncate(NAMED);
        Ok((count > 0).then(|| {
            Finding::wrong(
                "links",
                format!(
                    "{} linked to two users of the directory: {}",
                    counted(count, "account is", "accounts are"),
                    shared.join("; ")
                ),
                "give each user an account of their own in the app; then `rosterd state forget` the user who does not have it",
            )
        }))
    }
}
