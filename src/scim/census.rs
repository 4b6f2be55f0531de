//! Everybody in the app at once, and who of the directory each is. In: keys, as for a look-up. Out: all accounts, and what a
//! look-up would say of each key. One walk through the list; what is matched is judged as in `lookup`.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;

use super::client::{App, Endpoint};
use super::error::is_shaken;
use super::json;
use super::judge::judge;
use super::list::ListWalk;
use super::matching::{LookupIndex, LookupKeys, LookupResult};
use super::read::turned;
use super::{AppUser, CallError, Match, UserKeys};
use crate::model::{AppId, Path};
use crate::progress::Progress;

/// Everybody in the app.
#[derive(Debug, Default)]
pub struct Census {
    /// All accounts, in the app's order.
    pub users: Vec<AppUser>,
    /// For each key what looking it up would say.
    pub matches: Vec<Match<AppUser>>,
    /// For each key every account that one of the attributes finds, by place in `users`.
    pub hits: Vec<Vec<usize>>,
}

/// Accounts with roles or entitlements.
#[derive(Debug, Default)]
pub struct PrivilegedAccounts {
    /// The accounts, in the app's order.
    pub accounts: Vec<AppUser>,
    /// How many accounts were looked at.
    pub looked_at: u64,
    /// Whether these were all.
    pub all: bool,
}

impl App {
    /// The accounts with roles or entitlements among the first `most` of the app's list, to the page.
    ///
    /// # Errors
    /// When the list can't be read.
    pub async fn with_roles(&self, most: u64) -> Result<PrivilegedAccounts, CallError> {
        let mut found = PrivilegedAccounts::default();
        let mut walk = ListWalk::new(self, Endpoint::Users, Vec::new()).await;
        while found.looked_at < most {
            let Some(resources) = walk.next().await? else {
                found.all = true;
                break;
            };
            found.looked_at += resources.len() as u64;
            for resource in &resources {
                let user = self.user(resource, &[])?;
                if !user.roles.is_empty() {
                    found.accounts.push(user);
                }
            }
        }
        Ok(found)
    }

    /// Of these accounts, those that the list does not show; `None` where reading it would take more than `most` requests.
    pub(super) async fn missing_in_list(
        &self,
        accounts: &HashSet<AppId>,
        most: u64,
    ) -> Result<Option<Vec<AppId>>, CallError> {
        let mut missing = accounts.clone();
        let mut walk = ListWalk::new(self, Endpoint::Users, Vec::new()).await;
        let mut requests = 0;
        while let Some(resources) = walk.next().await? {
            requests += 1;
            for id in resources.iter().filter_map(|resource| json::text(resource, "id")) {
                missing.remove(&AppId::new(id.as_str()));
            }
            let left = walk.requests_left();
            if requests + left.unwrap_or(0) > most && left != Some(0) {
                return Ok(None);
            }
        }
        walk.verdict()?;
        Ok(Some(missing.into_iter().collect()))
    }

    /// Lists everybody. `mapped` are the paths whose values the caller wants to see.
    ///
    /// # Errors
    /// When the list could not be read, or does not prove complete.
    pub async fn census(
        &self,
        keys: &[UserKeys],
        mapped: &[Path],
        progress: &dyn Progress,
    ) -> Result<Census, CallError> {
        let wanted = self.wanted_users(keys);
        let index = LookupIndex::new(&wanted);
        let begun = Instant::now();
        match self.count(begun, &wanted, &index, mapped, progress).await {
            // Something changed while we read: once more.
            Err(error) if is_shaken(&error) => self.count(begun, &wanted, &index, mapped, progress).await,
            done => done,
        }
    }

    async fn count(
        &self,
        begun: Instant,
        wanted: &LookupKeys,
        index: &LookupIndex,
        mapped: &[Path],
        progress: &dyn Progress,
    ) -> Result<Census, CallError> {
        progress.stage("listing the users in the app", None);
        let mut users = Vec::new();
        let mut found = LookupResult::new(wanted.values.len());
        let mut walk = ListWalk::since(begun, self, Endpoint::Users, Vec::new()).await;
        while let Some(resources) = walk.next().await? {
            index.match_all(wanted, &resources, &mut found);
            progress.advance(resources.len() as u64);
            for resource in &resources {
                users.push(self.user(resource, mapped)?);
            }
        }
        walk.verdict()?;
        let place: HashMap<&AppId, usize> = users.iter().enumerate().map(|(at, user)| (&user.id, at)).collect();
        let at: Vec<Option<usize>> =
            found.resources.iter().map(|resource| place.get(&self.user(resource, &[]).ok()?.id).copied()).collect();
        let hits = found.hits.iter().map(|hits| {
            let mut hits: Vec<usize> =
                hits.iter().filter_map(|(_, resource)| at.get(*resource).copied().flatten()).collect();
            hits.sort_unstable();
            hits.dedup();
            hits
        });
        let hits = hits.collect();
        let mut matches = judge(wanted, found, self.profile.read.adopt);
        self.set_unaddressable_aside(&mut matches);
        let matches = matches
            .into_iter()
            .map(|found| turned(found, |resource| self.user(&resource, mapped)))
            .collect::<Result<Vec<_>, CallError>>()?;
        Ok(Census { users, matches, hits })
    }
}
