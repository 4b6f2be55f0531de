//! Memberships of users whose accounts are activated. In: a cleared plan. Out: memberships that are believed again, or sent again.
//!
//! Some apps take an account out of its groups when it is deactivated. So these memberships are in doubt before the first activation; after
//! the last one, a group is read, or all of them are sent again: one call for each group at most, and one to look.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::members::keys_of;
use super::reply::shows_members;
use super::{OpResult, RunWorker};
use crate::guard::Cleared;
use crate::model::{AppId, Lane, ObjectRef, Reason, SourceId, UserNumber};
use crate::plan::{Action, Member, Operation};
use crate::store::{Effect, StoreError};

/// Who of the users that this run activates is in which group, as far as is believed.
type InGroups = BTreeMap<SourceId, Vec<Member>>;

impl RunWorker<'_> {
    /// Puts the memberships of all users in doubt whom this run activates. A run that is killed leaves them in doubt, and the next one sends
    /// them again.
    pub(super) async fn doubt_memberships(&self, cleared: &Cleared) -> Result<InGroups, StoreError> {
        let in_groups = self.believed_memberships(cleared)?;
        let doubts = in_groups.iter().map(|(group, members)| Effect::MembersDoubted {
            group: group.clone(),
            users: members.iter().map(|member| member.id.clone()).collect(),
        });
        let doubts: Vec<Effect> = doubts.collect();
        if !doubts.is_empty() {
            self.run.state.noted(&self.run.id, Reason::MayHaveLeftGroups, doubts).await?;
        }
        Ok(in_groups)
    }

    /// Effects, and who of the members that they add has an inactive account.
    pub(super) fn with_joined_inactive(&self, mut effects: Vec<Effect>) -> Result<Vec<Effect>, StoreError> {
        let mut inactive = Vec::new();
        for effect in &effects {
            let Effect::MembersAdded { group, users } = effect else { continue };
            let mut joined = Vec::new();
            for user in users {
                if self.run.state.user(user)?.is_some_and(|row| row.active == Some(false)) {
                    joined.push(user.clone());
                }
            }
            if !joined.is_empty() {
                inactive.push(Effect::JoinedInactive { group: group.clone(), users: joined });
            }
        }
        effects.extend(inactive);
        Ok(effects)
    }

    fn believed_memberships(&self, cleared: &Cleared) -> Result<InGroups, StoreError> {
        let mut returning: HashMap<UserNumber, Member> = HashMap::new();
        for (at, operation) in cleared.plan().operations.iter().enumerate() {
            if !matches!(operation.action, Action::ActivateUser) || !cleared.allows(at) {
                continue;
            }
            let (id, name) = (operation.object.id().clone(), operation.name.clone());
            returning.extend(self.run.state.number_of(&id)?.map(|number| (number, Member { id, name })));
        }
        let mut in_groups = InGroups::new();
        if returning.is_empty() {
            return Ok(in_groups);
        }
        for (group, _) in self.run.state.groups()? {
            let members = self.run.state.members(&group)?;
            let inside: Vec<Member> = members.iter().filter_map(|number| returning.get(number)).cloned().collect();
            if !inside.is_empty() {
                in_groups.insert(group, inside);
            }
        }
        Ok(in_groups)
    }

    /// Finds out whether the app kept these memberships, or sends them again. A failure is that of the activations concerned.
    pub(super) async fn settle_memberships(
        &self,
        cleared: &Cleared,
        in_groups: &InGroups,
        results: &mut [OpResult],
    ) -> Result<(), StoreError> {
        let doubted = self.still_doubted(cleared, in_groups, results)?;
        if doubted.is_empty() {
            return Ok(());
        }
        if self.is_stopped() {
            self.found.note_links_differ();
            return Ok(());
        }
        let loses = match self.witness(&doubted)? {
            Some((group, members)) => self.loses_memberships(group, &members).await?,
            // All of them joined while inactive: no deactivation has ended anything.
            None => false,
        };
        if !loses {
            let kept = doubted.into_iter().map(|(group, _, members)| Effect::MembersAdded {
                group,
                users: members.into_iter().map(|member| member.id).collect(),
            });
            return self.run.state.noted(&self.run.id, Reason::Memberships, kept.collect()).await;
        }
        tracing::info!(groups = doubted.len(), "the memberships of activated users are sent again");
        for (group, app_id, members) in doubted {
            let operation = sent_again(&group, app_id, &members);
            let Err(why) = Box::pin(self.members(&operation, &members, true)).await else { continue };
            self.found.note_links_differ();
            let ids: HashSet<&SourceId> = members.iter().map(|member| &member.id).collect();
            for (at, planned) in cleared.plan().operations.iter().enumerate() {
                let concerns = matches!(planned.action, Action::ActivateUser) && ids.contains(planned.object.id());
                if let Some(result) = results.get_mut(at).filter(|result| concerns && result.is_ok()) {
                    *result = Err(why.clone());
                }
            }
        }
        match self.ending.take_broken() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// A group whose members tell whether deactivations end memberships: some were in it before they were deactivated.
    fn witness<'d>(
        &self,
        doubted: &'d [(SourceId, AppId, Vec<Member>)],
    ) -> Result<Option<(&'d SourceId, Vec<Member>)>, StoreError> {
        for (group, _, members) in doubted {
            let joined = self.run.state.group(group)?.map(|row| row.joined_inactive).unwrap_or_default();
            let before: Vec<Member> = members.iter().filter(|member| !joined.contains(&member.id)).cloned().collect();
            if !before.is_empty() {
                return Ok(Some((group, before)));
            }
        }
        Ok(None)
    }

    /// The memberships of users who are active by now, without those that this plan ends.
    fn still_doubted(
        &self,
        cleared: &Cleared,
        in_groups: &InGroups,
        results: &[OpResult],
    ) -> Result<Vec<(SourceId, AppId, Vec<Member>)>, StoreError> {
        let operations = &cleared.plan().operations;
        let activated: HashSet<&SourceId> = operations
            .iter()
            .zip(results)
            .filter(|(operation, result)| matches!(operation.action, Action::ActivateUser) && result.is_ok())
            .map(|(operation, _)| operation.object.id())
            .collect();
        let mut doubted = Vec::new();
        for (group, members) in in_groups {
            let Some(row) = self.run.state.group(group)? else { continue };
            let mut stay: Vec<Member> = members.clone();
            for operation in operations.iter().filter(|operation| operation.object == ObjectRef::Group(group.clone())) {
                match &operation.action {
                    Action::RemoveMembers { users, .. } => {
                        stay.retain(|member| !users.iter().any(|user| user.id == member.id))
                    }
                    Action::DeleteGroup { .. } | Action::ReleaseGroup => stay.clear(),
                    _ => {}
                }
            }
            stay.retain(|member| activated.contains(&member.id) && row.doubted.contains(&member.id));
            if !stay.is_empty() {
                doubted.push((group.clone(), row.app_id, stay));
            }
        }
        Ok(doubted)
    }

    /// Whether the app takes accounts out of their groups when they are deactivated: by its profile, or by what one group shows.
    async fn loses_memberships(&self, group: &SourceId, members: &[Member]) -> Result<bool, StoreError> {
        if self.run.profile.users.inactive_leave_groups || !shows_members(self.run.profile) {
            return Ok(true);
        }
        let Some(row) = self.run.state.group(group)? else { return Ok(true) };
        self.until_shown().await;
        // What cannot be seen is sent again: that does no harm.
        let Ok(Some(found)) = self.run.app.get_group(&row.app_id).await else { return Ok(true) };
        let Some(shown) = found.members else { return Ok(true) };
        for member in members {
            let keys = self.run.state.user(&member.id)?.map(keys_of);
            if keys.is_none_or(|keys| !shown.iter().any(|value| keys.is_meant_by(value))) {
                tracing::warn!(
                    "the app took a user out of a group by deactivating them; `users.inactive_leave_groups = true` in its profile says so \
                     from the start"
                );
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn sent_again(group: &SourceId, app_id: AppId, members: &[Member]) -> Operation {
    Operation {
        lane: Lane::Additions,
        object: ObjectRef::Group(group.clone()),
        app_id: Some(app_id),
        name: String::new(),
        action: Action::AddMembers { users: members.to_vec() },
        reason: Reason::MayHaveLeftGroups,
        blocked: None,
    }
}
