//! What happens to groups and memberships. In: the survey and what app and directory answered. Out: operations.
//!
//! Judged on the end state: a person stays a member's member until the directory says otherwise in a group that was read.

mod lost;
mod new;

use std::collections::HashSet;
use std::collections::hash_map::Entry;

use super::links::TenantLinks;
use super::operation::{Action, Blocked, Member, Operation};
use super::person::row_name;
use super::{Account, GroupStage};
use crate::config::profile::GroupRename;
use crate::desired::DesiredGroup;
use crate::model::{AppId, Bits, Lane, LifecycleStatus, ObjectRef, Obstacle, Reason, SourceId, UserNumber, fold};
use crate::source::{GroupIx, UserIx};
use crate::store::{GroupRow, StoreError};

impl GroupStage<'_> {
    /// Linked groups in scope whose name or members may have changed.
    pub(super) fn changed_groups(&mut self, groups: &[GroupIx], links: &TenantLinks) -> Result<(), StoreError> {
        for ix in groups {
            let (Some(group), Some(row)) = (self.ground.desired.group(*ix), self.ground.desired.snapshot.group(*ix))
            else {
                continue;
            };
            let Some(link) = self.ground.baseline.group(&row.id)?.and_then(|link| self.as_compared(&row.id, link))
            else {
                continue;
            };
            let object = ObjectRef::Group(row.id.clone());
            if self.is_made_again(group, &link) {
                self.delete_for_another_name(&object, group, &link)?;
                continue;
            }
            self.rename(&object, &link.app_id, group, &link.name);
            self.compare_members(&object, &link, group, links)?;
        }
        Ok(())
    }

    fn compare_members(
        &mut self,
        object: &ObjectRef,
        link: &GroupRow,
        group: &DesiredGroup,
        links: &TenantLinks,
    ) -> Result<(), StoreError> {
        let held = self.members_as_compared(object.id())?;
        let members = self.ground.desired.members(group);
        let mut desired: HashSet<UserNumber> = HashSet::with_capacity(members.len());
        let mut missing = Vec::new();
        let held_set: HashSet<UserNumber> = held.iter().copied().collect();
        let mut doubted = HashSet::new();
        for id in &link.doubted {
            doubted.extend(self.ground.baseline.number_of(id)?);
        }
        for user in members {
            let number = match self.users.relinked.get(&user) {
                Some((_, number)) => Some(*number),
                // The memberships of an account that is put aside are not those of the new one.
                None if self.users.put_aside.contains_key(&user) => None,
                None => self.linked_number(user, links)?,
            };
            match number {
                Some(number) if held_set.contains(&number) => {
                    desired.insert(number);
                    if doubted.contains(&number) {
                        missing.extend(self.member(object.id(), user)?);
                    }
                }
                _ => missing.extend(self.member(object.id(), user)?),
            }
        }
        self.add(object, Some(&link.app_id), group, missing);
        if group.unread.is_some() {
            // Whoever is not among the members that could be read may be one all the same.
            self.out.unsettled.insert(object.clone());
            return Ok(());
        }
        let (mut gone, mut put_aside, mut still_named) = (Vec::new(), Vec::new(), Vec::new());
        for number in held.iter().filter(|number| !desired.contains(number)) {
            if self.is_asked_first(object.id(), *number)? {
                self.out.unsettled.insert(object.clone());
                continue;
            }
            if self.users.leaving_groups.contains(number) {
                // The end of the account takes them out of it, if that comes: it may be held, or fail.
                self.out.unsettled.insert(object.clone());
                continue;
            }
            if let Some(old) = self.users.put_aside.values().find(|old| old.row.number == *number) {
                put_aside.push(Member { id: old.id.clone(), name: row_name(&old.row, &old.of) });
                continue;
            }
            match self.removable(*number)? {
                Removal::Due(member) if self.is_still_named(object.id(), &member.id) => still_named.push(member),
                Removal::Due(member) => gone.push(member),
                Removal::Never => {}
                // The group is looked at again until it is known.
                Removal::Undecided => drop(self.out.unsettled.insert(object.clone())),
            }
        }
        for (users, reason) in [(gone, Reason::NoLongerMembers), (still_named, Reason::StillNamed)] {
            if users.is_empty() {
                continue;
            }
            let last = self.loses_last_group(&users);
            let action = Action::RemoveMembers { users, of: held.len() as u64, last };
            self.push(group_operation(Lane::Removals, object, Some(&link.app_id), group, action, reason));
        }
        if !put_aside.is_empty() {
            let action = Action::RemoveMembers { users: put_aside, of: held.len() as u64, last: Vec::new() };
            let reason = Reason::NewAccountsAreMembers;
            self.push(group_operation(Lane::Removals, object, Some(&link.app_id), group, action, reason));
        }
        Ok(())
    }

    /// Whether the group's list has a name that may be this user's.
    fn is_still_named(&self, group: &SourceId, user: &SourceId) -> bool {
        self.ground.named.is_member(group, user) && !self.users.proven_gone.contains(user)
    }

    /// Of people who leave a group, the ones who keep their account and are in no group in scope any more.
    fn loses_last_group(&mut self, gone: &[Member]) -> Vec<SourceId> {
        let desired = self.ground.desired;
        let in_groups = self.in_groups.get_or_insert_with(|| {
            let mut all = Bits::new(desired.snapshot.user_count());
            for user in desired.groups.iter().flat_map(|group| desired.members(group)) {
                all.insert(user.0 as usize);
            }
            all
        });
        let loses = |id: &SourceId| {
            let user = desired.snapshot.find_user(id.as_str());
            user.is_some_and(|user| desired.is_assigned(user) && !in_groups.contains(user.0 as usize))
        };
        gone.iter().map(|member| &member.id).filter(|id| loses(id)).cloned().collect()
    }

    /// Whether the person behind a number may be taken out of a group that the directory no longer has them in.
    fn removable(&self, number: UserNumber) -> Result<Removal, StoreError> {
        let Some(id) = self.ground.baseline.user_by_number(number)? else { return Ok(Removal::Never) };
        let Some(row) = self.ground.baseline.user(&id)? else { return Ok(Removal::Never) };
        if self.ground.rules.protected.covers(id.as_str(), &[&row.sent, &row.echo]) {
            return Ok(Removal::Never);
        }
        let frozen = self.ground.in_snapshot(&id).is_some_and(|user| self.ground.desired.frozen(user).is_some());
        // The account of a record that is gone goes over to a new one first.
        if frozen || self.users.unconfirmed.contains(&number) || self.users.replaced.contains(&id) {
            return Ok(Removal::Undecided);
        }
        let name = row_name(&row, &id);
        Ok(Removal::Due(Member { id, name }))
    }

    /// Brings the name in step, where it differs and can be.
    fn rename(&mut self, object: &ObjectRef, app_id: &AppId, group: &DesiredGroup, from: &str) {
        let rename = self.ground.rules.profile.groups.rename;
        let possible = self.ground.rules.groups_full() && rename == GroupRename::Change;
        // An app without renames may keep its own spelling of the name.
        let same = if possible { from == group.name } else { fold(from) == fold(&group.name) };
        if same || (!possible && rename == GroupRename::Ignore) {
            return;
        }
        let action = Action::RenameGroup { from: from.to_owned(), to: group.name.clone() };
        let mut operation = group_operation(Lane::Additions, object, Some(app_id), group, action, Reason::GroupRenamed);
        operation.blocked = match &group.problem {
            Some(why) => Some(Blocked::Failed(why.clone().into())),
            None if !possible => Some(Blocked::Held(Obstacle::GroupNotRenamed)),
            None => None,
        };
        self.push(operation);
    }

    fn add(
        &mut self,
        object: &ObjectRef,
        app_id: Option<&AppId>,
        group: &DesiredGroup,
        members: Vec<(Member, Account)>,
    ) {
        let users: Vec<Member> = members.into_iter().map(|(member, _)| member).collect();
        if !users.is_empty() {
            let action = Action::AddMembers { users };
            self.group(object, app_id, group, action, Reason::Members);
        }
    }

    fn group(
        &mut self,
        object: &ObjectRef,
        app_id: Option<&AppId>,
        group: &DesiredGroup,
        action: Action,
        reason: Reason,
    ) {
        self.push(group_operation(Lane::Additions, object, app_id, group, action, reason));
    }

    fn blocked_group(&mut self, object: &ObjectRef, group: &DesiredGroup, blocked: Blocked) {
        let action = Action::CreateGroup { display_name: group.name.clone(), first: Vec::new() };
        let mut operation = group_operation(Lane::Additions, object, None, group, action, Reason::GroupInScope);
        operation.blocked = Some(blocked);
        self.push(operation);
    }

    fn accounts_of(&mut self, id: &SourceId, group: &DesiredGroup) -> Result<Vec<(Member, Account)>, StoreError> {
        let members = self.ground.desired.members(group);
        let mut all = Vec::with_capacity(members.len());
        for user in members {
            all.extend(self.member(id, user)?);
        }
        Ok(all)
    }

    fn linked_number(&mut self, user: UserIx, links: &TenantLinks) -> Result<Option<UserNumber>, StoreError> {
        let snapshot = self.ground.desired.snapshot;
        match links.user(snapshot.id_hash(user)) {
            // An index is only written when all hashes differ; rows may share one, so they are asked, once for each person.
            Some(link) if matches!(links, TenantLinks::Index(_)) => Ok(Some(link.number)),
            Some(_) => match self.numbers.entry(user) {
                Entry::Occupied(known) => Ok(*known.get()),
                Entry::Vacant(unknown) => {
                    Ok(*unknown.insert(self.ground.baseline.number_of(&SourceId::new(snapshot.id(user)))?))
                }
            },
            None => Ok(None),
        }
    }

    /// A person as a member, if they have or will have an account.
    fn member(&mut self, group: &SourceId, user: UserIx) -> Result<Option<(Member, Account)>, StoreError> {
        let id = SourceId::new(self.ground.desired.snapshot.id(user));
        if let Some(account) = self.users.accounts.get(&id) {
            let name = self.users.names.get(&id).cloned().unwrap_or_else(|| id.to_string());
            return Ok(Some((Member { id, name }, account.clone())));
        }
        let Some(row) = self.ground.baseline.user(&id)? else {
            // The group is looked at again until this member has an account, if they are ever to have one.
            if self.ground.desired.snapshot.standing(user) == LifecycleStatus::Active
                && !self.users.untouched.contains(&user)
            {
                self.out.unsettled.insert(ObjectRef::Group(group.clone()));
            }
            return Ok(None);
        };
        if self.ground.rules.protected.covers(id.as_str(), &[&row.sent, &row.echo]) {
            return Ok(None);
        }
        let name = self.users.names.get(&id).cloned().unwrap_or_else(|| row_name(&row, &id));
        Ok(Some((Member { id, name }, Account::Known(row.app_id))))
    }
}

/// Whether somebody leaves a group.
enum Removal {
    Due(Member),
    /// Protected, or no longer linked.
    Never,
    /// Nobody has confirmed that they are gone, or nothing can be decided about them.
    Undecided,
}

fn group_operation(
    lane: Lane,
    object: &ObjectRef,
    app_id: Option<&AppId>,
    group: &DesiredGroup,
    action: Action,
    reason: Reason,
) -> Operation {
    let names = matches!(action, Action::CreateGroup { .. } | Action::RenameGroup { .. });
    let reason = match group.remark.filter(|_| names) {
        Some(remark) => Reason::Remarked { why: Box::new(reason), remark },
        None => reason,
    };
    Operation {
        lane,
        object: object.clone(),
        app_id: app_id.cloned(),
        name: group.name.clone(),
        action,
        reason,
        blocked: None,
    }
}
