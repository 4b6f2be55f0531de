//! Everybody in the app held against directory and state, with a real app: what `import` lists and what `drift` shows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineError};
use crate::cycle::{CycleError, RunWriter};
use crate::desired::{self, Desired};
use crate::errand::note_seen;
use crate::model::{AppId, Attributes, Path, Reason};
use crate::plan::{PlannedUser, map_person};
use crate::progress::Progress;
use crate::roll::{
    Drift, DriftHint, Drifted, ExpectedState, ListedAccount, ListingSources, WayBack, deletions, drift, listing,
};
use crate::scim::{App, AppRead as _, AppUser, CallError, UserKeys};
use crate::source::{Snapshot, take_snapshot_within};
use crate::store::{Effect, StateView, StoreError};

/// What of an account is read for a person to recognise somebody by, whatever is mapped.
const NAMES: [&str; 5] = ["displayName", "name.givenName", "name.familyName", "emails.work", "emails"];

/// The app's people, as the directory knows them.
#[derive(Debug)]
pub struct AppListing {
    /// One entry an account, in the app's order.
    pub entries: Vec<ListedAccount>,
    /// What each account holds, in the same order.
    pub attributes: Vec<Attributes>,
    /// How many people the directory has.
    pub directory: u64,
    /// People of the directory whom the mapping can't make: they are matched by their immutable ids only.
    pub unmapped: u64,
}

/// What was changed in the app by hand.
#[derive(Debug)]
pub struct Drifts {
    /// The differences.
    pub found: Vec<Drift>,
    /// How many accounts the app has.
    pub accounts: u64,
    /// How many of them are linked.
    pub linked: u64,
    /// How many groups were compared.
    pub groups: u64,
    /// What settings of the profile would explain.
    pub hints: Vec<DriftHint>,
    /// How many calls to the app it took.
    pub calls: u64,
    /// Whether the state was told, so that the next sync brings the app back.
    pub noted: bool,
}

impl Engine {
    /// Lists everybody in the app, each as the directory knows them. Reads only.
    ///
    /// # Errors
    /// When one of the two sides could not be read completely, or the state not at all.
    pub async fn list_app(&self, progress: &dyn Progress) -> Result<AppListing, EngineError> {
        self.must_know_addresses()?;
        let (source, app) = (self.source().await?, self.app().await?);
        let state = self.view()?;
        self.expect(&app, state.as_ref());
        let sentinels = &self.tenant.file.scope.sentinels;
        let limit = self.time_limit(state.as_ref());
        let snapshot = take_snapshot_within(limit, source.as_ref(), sentinels, progress).await?;
        let (people, unmapped) = self.people(&snapshot);
        let keys: Vec<UserKeys> = people.iter().map(PlannedUser::keys).collect();
        let census = app.census(&keys, &self.paths_of_names(), progress).await.map_err(CycleError::from)?;
        drop(keys);
        let own = self.own_account(&app, state.as_ref()).await?;
        let rules = self.rules();
        let entries = listing(&ListingSources {
            census: &census,
            people: &people,
            desired: &self.derived(&snapshot),
            baseline: state.as_ref(),
            protected: &rules.protected,
            profile: rules.profile,
            own: own.as_ref(),
        })?;
        let attributes = census.users.into_iter().map(|user| user.attributes).collect();
        Ok(AppListing { entries, attributes, directory: snapshot.counts().users, unmapped })
    }

    /// How the directory keeps what the app calls by other names.
    pub fn way_back(&self) -> WayBack {
        WayBack::new(&self.tenant.mapping, self.tenant.directory)
    }

    fn paths_of_names(&self) -> Vec<Path> {
        let names = NAMES.iter().filter_map(|name| Path::parse(name).ok());
        let mut paths: Vec<Path> = self.rules().read_paths().into_iter().chain(names).collect();
        paths.extend(self.way_back().paths().cloned());
        paths.sort();
        paths.dedup();
        paths
    }

    /// Everybody in the directory with what they are looked up by; and how many the mapping can't make.
    fn people(&self, snapshot: &Snapshot) -> (Vec<PlannedUser>, u64) {
        let (rules, mut unmapped) = (self.rules(), 0);
        let people = snapshot.users().map(|ix| {
            map_person(snapshot, ix, &rules).unwrap_or_else(|_why| {
                unmapped += 1;
                PlannedUser::by_id_only(snapshot, ix)
            })
        });
        let people = people.collect();
        (people, unmapped)
    }

    pub(super) fn derived<'s>(&self, snapshot: &'s Snapshot) -> Desired<'s> {
        let (accepts, group_name) = (self.acceptance(), self.group_naming());
        desired::derive(snapshot, &self.scope(&accepts, &group_name))
    }

    /// The state as of now; of a tenant that never ran, one with nothing in it.
    pub(super) fn view(&self) -> Result<Box<dyn StateView>, EngineError> {
        Ok(Box::new(self.state().read_or_new()?))
    }

    async fn own_account(&self, app: &App, state: &dyn StateView) -> Result<Option<AppId>, EngineError> {
        match state.own_account()? {
            Some(known) => Ok(known),
            None if !self.tenant.profile.read.own_account => Ok(None),
            None => Ok(app.own_account().await.map_err(CycleError::from)?),
        }
    }

    /// Compares the app with what we last knew it to hold (J5). With `repair` the state is told of what it picks, under the
    /// tenant's lock.
    ///
    /// # Errors
    /// When the app could not be read completely, or the state not at all.
    pub async fn drift(
        &self,
        repair: Option<&(dyn Fn(&Drifted) -> bool + Sync)>,
        trusts_empty_groups: bool,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Drifts, EngineError> {
        self.must_know_addresses()?;
        let app = self.app().await?;
        let Some(wanted) = repair else {
            return self.compare(&app, self.view()?.as_ref(), trusts_empty_groups, progress, stop).await;
        };
        self.may_send()?;
        let (state, _notices) = self.state().open("rosterd drift", Arc::clone(&self.clock))?;
        // Calls of an interrupted run first: what became of them is no drift.
        let errand = self.errand(&app, &state, progress, stop);
        errand.recover(RunWriter { app: &app, ledger: &state }, &self.neighbours()).await?;
        let mut drifts = self.compare(&app, &state, trusts_empty_groups, progress, stop).await?;
        let effects: Vec<Effect> =
            drifts.found.iter().filter(|one| wanted(&one.what)).flat_map(|one| one.effects.iter().cloned()).collect();
        if !effects.is_empty() {
            let guard = errand.policy.recorded(false);
            note_seen(&state, &self.tenant.name, Reason::ChangedByHand, effects, guard, self.clock.as_ref()).await?;
            drifts.noted = true;
        }
        Ok(drifts)
    }

    async fn compare(
        &self,
        app: &App,
        state: &dyn StateView,
        trusts_empty_groups: bool,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Drifts, EngineError> {
        self.expect(app, state);
        let census = app.census(&[], &self.paths_of_names(), progress).await.map_err(CycleError::from)?;
        let own = self.own_account(app, state).await?;
        let linked_groups = match self.rules().groups_on() {
            true => state.groups()?,
            false => Vec::new(),
        };
        progress.stage("reading our groups in the app", Some(linked_groups.len() as u64));
        let mut groups = Vec::with_capacity(linked_groups.len());
        let reading = linked_groups.into_iter().map(|(id, row)| async move {
            let shown = app.get_group(&row.app_id).await;
            (id, row, shown)
        });
        let mut reading = stream::iter(reading).buffered(self.in_flight() as usize);
        while let Some((id, row, shown)) = reading.next().await {
            if stop.is_cancelled() {
                return Err(EngineError::Interrupted);
            }
            groups.push((id, row, shown.map_err(CycleError::from)?));
            progress.advance(1);
        }
        drop(reading);
        let (mut found, hints) = drift(&ExpectedState {
            baseline: state,
            rules: &self.rules(),
            users: &census.users,
            groups: &groups,
            own: own.as_ref(),
            deleted: &self.deleted_among(&census.users, state)?,
            trusts_empty_groups,
        })?;
        self.confirm_gone(app, &mut found).await.map_err(CycleError::from)?;
        let counts = state.counts()?;
        let (accounts, groups) = (census.users.len() as u64, groups.len() as u64);
        Ok(Drifts { found, accounts, linked: counts.users, groups, hints, calls: app.stats().total, noted: false })
    }

    /// When rosterd deleted accounts that the app still lists. The journal is read only if any of them was linked before.
    fn deleted_among(&self, users: &[AppUser], state: &dyn StateView) -> Result<HashMap<AppId, Timestamp>, StoreError> {
        let mut before = HashSet::new();
        for user in users {
            if state.linked_before(&user.id)?.is_some() && state.user_by_app_id(&user.id)?.is_none() {
                before.insert(user.id.clone());
            }
        }
        if before.is_empty() {
            return Ok(HashMap::new());
        }
        deletions(self.state().records(1)?, &before)
    }

    /// A list may miss somebody (RFC 7644 §3.4.2.4): who is not on it is asked for by id before they count as gone.
    async fn confirm_gone(&self, app: &App, found: &mut Vec<Drift>) -> Result<(), CallError> {
        let missing: Vec<AppId> =
            found.iter().filter(|one| one.what == Drifted::AccountRemoved).map(|one| one.app_id.clone()).collect();
        let mut there = HashSet::new();
        for id in missing {
            if app.get_user(&id, &[]).await?.is_some() {
                there.insert(id);
            }
        }
        found.retain(|one| one.what != Drifted::AccountRemoved || !there.contains(&one.app_id));
        Ok(())
    }
}
