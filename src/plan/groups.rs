//! What happens to groups and memberships. In: the survey and what app and directory answered. Out: operations.
//!
//! Judged on the end state: a person stays a member's member until the directory says otherwise in a group that was read.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::links::TenantLinks;
use super::operation::{Action, Blocked, Member, Operation};
use super::person::row_name;
use super::{Account, Answers, GroupStage, Survey};
use crate::config::profile::{GroupRename, MemberValue};
use crate::config::tenant::{AdoptGroups, GroupFate};
use crate::desired::DesiredGroup;
use crate::model::{AppId, Bits, Lane, LifecycleStatus, ObjectRef, Obstacle, Path, Reason, SourceId, UserNumber, fold};
use crate::scim::{AppGroup, Match};
use crate::source::{GroupIx, Presence, UserIx};
use crate::store::{GroupRow, StoreError};

impl GroupStage<'_> {
    /// Groups in scope that have no link yet.
    pub(super) fn new_groups(
        &mut self,
        groups: &[GroupIx],
        lost: &[(SourceId, GroupRow, Option<GroupIx>)],
        answers: &Answers,
    ) -> Result<(), StoreError> {
        let by_id = self.groups_matched_by_id(groups, answers);
        let adopted = self.accounts_adopted_now();
        for (ix, answer) in groups.iter().zip(&answers.groups) {
            let (Some(group), Some(row)) = (self.ground.desired.group(*ix), self.ground.desired.snapshot.group(*ix))
            else {
                continue;
            };
            let object = ObjectRef::Group(row.id.clone());
            if let Some(why) = &group.problem {
                self.blocked_group(&object, group, Blocked::Failed(why.clone().into()));
                continue;
            }
            let members = self.accounts_of(&row.id, group)?;
            let relinked = match answer {
                Some(Match::Conflict(conflict)) => {
                    conflict.another().and_then(|another| replaced(lost, answers, &another.id))
                }
                _ => None,
            };
            let is_empty = members.is_empty() && !self.ground.rules.create_empty && group.unread.is_none();
            if let Some((from, link)) = relinked.filter(|(from, _)| !self.replaced.contains(*from)) {
                self.relink_group(&object, group, from, link, members)?;
                continue;
            }
            match answer {
                None => {}
                Some(Match::Conflict(conflict))
                    if self.is_given_up(conflict.another())?
                        && self.ground.rules.groups_full()
                        && (self.ground.rules.create_empty || !members.is_empty()) =>
                {
                    self.create_group(&object, group, members);
                }
                Some(Match::Conflict(conflict)) => {
                    let another = conflict.another();
                    self.in_doubt.insert(fold(&group.name));
                    let of_another = match another {
                        Some(another) => self.group_of_another(&row.id, &another.id, &by_id, lost)?,
                        None => None,
                    };
                    if is_empty && another.is_some() {
                        // Nothing would be done for the group if the app had none of its name.
                        continue;
                    }
                    if let Some(why) = of_another {
                        self.blocked_group(&object, group, Blocked::Held(why));
                        continue;
                    }
                    let blocked = self.several_of_a_released_name(group, conflict)?;
                    self.blocked_group(&object, group, blocked);
                }
                Some(Match::Nobody) if members.is_empty() && !self.ground.rules.create_empty => {}
                Some(Match::Nobody) if !self.ground.rules.groups_full() => {
                    self.blocked_group(&object, group, Blocked::Failed(Obstacle::GroupsAreMadeInApp));
                }
                Some(Match::One { found, by })
                    if self.gives_up_group_name(found, by)?
                        && (self.ground.rules.groups_full()
                            && (self.ground.rules.create_empty || !members.is_empty())) =>
                {
                    self.create_group(&object, group, members);
                }
                Some(Match::Nobody) => self.create_group(&object, group, members),
                Some(Match::One { found, by })
                    if !is_empty
                        && self.ground.rules.groups_full()
                        && self.is_what_it_had(&row.id, found, by, lost)? =>
                {
                    self.create_group(&object, group, members);
                }
                Some(Match::One { found, by }) => match self.why_not_ours(&row.id, found, by, &by_id, lost)? {
                    Some(why) => match replaced(lost, answers, &found.id) {
                        Some((from, link)) => self.relink_group(&object, group, from, link, members)?,
                        None if is_empty => {}
                        None => self.blocked_group(&object, group, Blocked::Held(why)),
                    },
                    None => match self.group_contradiction(&row.id, group, found, by, answers)? {
                        Some(why) => self.blocked_group(&object, group, Blocked::Conflict(why)),
                        None => self.take_over(&object, group, found, by, members, &adopted)?,
                    },
                },
            }
        }
        Ok(())
    }

    /// Who of the members it is made with is seen when their accounts exist.
    fn create_group(&mut self, object: &ObjectRef, group: &DesiredGroup, members: Vec<(Member, Account)>) {
        let action = Action::CreateGroup { display_name: group.name.clone(), first: Vec::new() };
        self.group(object, None, group, action, Reason::GroupInScope);
        self.add(object, None, group, members);
    }

    /// Which group has each of the app's groups by its immutable id: a mere name yields to that.
    fn groups_matched_by_id(&self, groups: &[GroupIx], answers: &Answers) -> HashMap<AppId, SourceId> {
        let matched = groups.iter().zip(&answers.groups).filter_map(|(ix, answer)| match answer {
            Some(Match::One { found, by }) if by == Path::external_id().as_str() => {
                Some((found.id.clone(), self.ground.desired.snapshot.group(*ix)?.id.clone()))
            }
            _ => None,
        });
        matched.collect()
    }

    /// Why a group that was found in the app must not be taken over.
    fn why_not_ours(
        &mut self,
        id: &SourceId,
        found: &AppGroup,
        by: &str,
        by_id: &HashMap<AppId, SourceId>,
        lost: &[(SourceId, GroupRow, Option<GroupIx>)],
    ) -> Result<Option<Obstacle>, StoreError> {
        if let Some(why) = self.group_of_another(id, &found.id, by_id, lost)? {
            return Ok(Some(why));
        }
        let may_take = by == Path::external_id().as_str() || self.was_ours(found)? || self.is_lost(found, lost);
        let is_named_only = self.ground.rules.adopt_groups == AdoptGroups::Never && !may_take;
        Ok(is_named_only.then(|| Obstacle::GroupNotAdopted { name: found.display_name.clone() }))
    }

    /// What is said of a group of the app that is linked to another record, or matches another one by its id.
    fn group_of_another(
        &mut self,
        id: &SourceId,
        found: &AppId,
        by_id: &HashMap<AppId, SourceId>,
        lost: &[(SourceId, GroupRow, Option<GroupIx>)],
    ) -> Result<Option<Obstacle>, StoreError> {
        let linked = self.ground.baseline.group_by_app_id(found)?.filter(|other| other != id);
        // One that is released by this plan is free.
        let linked = linked.filter(|other| !self.is_released_now(other, lost));
        let Some(other) = linked.as_ref().or(by_id.get(found).filter(|other| *other != id)) else { return Ok(None) };
        self.contested.insert(found.clone());
        let name = self.ground.baseline.group(other)?.map(|row| row.name).unwrap_or_default();
        Ok(Some(Obstacle::GroupOfAnother { group: found.clone(), of: other.clone(), name }))
    }

    /// Proposes that the app's group goes over to the directory's new one.
    fn relink_group(
        &mut self,
        object: &ObjectRef,
        group: &DesiredGroup,
        from: &SourceId,
        link: &GroupRow,
        members: Vec<(Member, Account)>,
    ) -> Result<(), StoreError> {
        self.replaced.insert(from.clone());
        let mut present = Vec::new();
        for number in self.ground.baseline.members(from)? {
            let Some(id) = self.ground.baseline.user_by_number(number)? else { continue };
            let made_anew = self.users.relinked.iter().find(|(_, (from, _))| *from == id);
            present.push(made_anew.map_or(id, |(user, _)| SourceId::new(self.ground.desired.snapshot.id(*user))));
        }
        let inside: HashSet<&SourceId> = present.iter().collect();
        let missing = members.into_iter().filter(|(member, _)| !inside.contains(&member.id)).collect();
        let action = Action::RelinkGroup {
            from: from.clone(),
            display_name: link.name.clone(),
            provenance: link.provenance,
            present: present.clone(),
        };
        self.group(object, Some(&link.app_id), group, action, Reason::GroupRelinked { from: from.clone() });
        self.rename(object, &link.app_id, group, &link.name);
        self.add(object, Some(&link.app_id), group, missing);
        // Who is in the app's group and not in the directory's leaves it in the next run, when it is linked.
        self.out.unsettled.insert(object.clone());
        Ok(())
    }

    /// Whose each account is that this plan adopts.
    fn accounts_adopted_now(&self) -> HashMap<AppId, SourceId> {
        let known = self.users.accounts.iter().filter_map(|(id, account)| match account {
            Account::Known(app_id) => Some((app_id.clone(), id.clone())),
            Account::Coming | Account::None => None,
        });
        known.collect()
    }

    fn take_over(
        &mut self,
        object: &ObjectRef,
        group: &DesiredGroup,
        found: &AppGroup,
        by: &str,
        members: Vec<(Member, Account)>,
        adopted: &HashMap<AppId, SourceId>,
    ) -> Result<(), StoreError> {
        let inside: HashSet<&str> = found.members.iter().flatten().map(String::as_str).collect();
        let (present, missing): (Vec<_>, Vec<_>) = members.into_iter().partition(|(member, account)| {
            match (self.ground.rules.profile.groups.member_value, account) {
                (MemberValue::Id, Account::Known(id)) => inside.contains(id.as_str()),
                (MemberValue::UserName, Account::Known(_)) => inside.contains(member.name.as_str()),
                (_, Account::Coming | Account::None) => false,
            }
        });
        let mut present: Vec<SourceId> = present.into_iter().map(|(member, _)| member.id).collect();
        let others = self.other_people_of_ours(found, &present, adopted)?;
        let released = self.was_ours(found)?;
        let reason = Reason::GroupAdopted { by: by.to_owned(), others: others.len() as u64, released };
        if !others.is_empty() {
            // Taking over takes nothing away: the next run does, by what the directory says then.
            self.out.unsettled.insert(object.clone());
            present.extend(others);
        }
        let action = Action::AdoptGroup { display_name: found.display_name.clone(), present, by: by.to_owned() };
        self.group(object, Some(&found.id), group, action, reason);
        self.rename(object, &found.id, group, &found.display_name);
        self.add(object, Some(&found.id), group, missing);
        Ok(())
    }

    /// People with a link who are in a group of the app besides those who belong there. Who has no link is a foreign member.
    fn other_people_of_ours(
        &self,
        found: &AppGroup,
        belong: &[SourceId],
        adopted: &HashMap<AppId, SourceId>,
    ) -> Result<Vec<SourceId>, StoreError> {
        let belong: HashSet<&SourceId> = belong.iter().collect();
        let mut others = Vec::new();
        if found.members.is_none() {
            // The app does not show who is in it. Those whom rosterd had added are on record: of another record's group, which this
            // plan gives up, or of one that was released earlier.
            let on_record = match self.ground.baseline.group_by_app_id(&found.id)? {
                Some(linked) => self.ground.baseline.members(&linked)?,
                None => self.ground.baseline.members_when_released(&found.id)?,
            };
            for number in on_record {
                others.extend(self.ground.baseline.user_by_number(number)?.filter(|id| !belong.contains(id)));
            }
            return Ok(others);
        }
        if self.ground.rules.profile.groups.member_value != MemberValue::Id {
            return Ok(Vec::new());
        }
        for value in found.members.iter().flatten() {
            let app_id = AppId::new(value.as_str());
            let owner = match adopted.get(&app_id) {
                Some(id) => Some(id.clone()),
                None => self.ground.baseline.user_by_app_id(&app_id)?,
            };
            others.extend(owner.filter(|id| !belong.contains(id)));
        }
        others.sort();
        others.dedup();
        Ok(others)
    }

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

    /// Linked groups that are no longer in scope: still there (J12) or gone (J13).
    pub(super) fn lost_groups(&mut self, survey: &Survey, answers: &Answers) -> Result<(), StoreError> {
        let waiting = survey.waiting.iter().filter_map(|object| match object {
            ObjectRef::Group(id) => self.ground.desired.group(self.ground.desired.snapshot.find_group(id.as_str())?),
            ObjectRef::User(_) => None,
        });
        let waiting: Vec<String> = waiting.map(|group| fold(&group.name)).collect();
        self.in_doubt.extend(waiting);
        for ((id, link, ix), answer) in survey.lost_groups.iter().zip(&answers.lost_groups) {
            if self.replaced.contains(id) {
                continue;
            }
            let gone = ix.is_none() && *answer == Presence::Gone;
            let fate = if gone { self.ground.rules.on_group_deleted } else { self.ground.rules.on_group_unassigned };
            let delete = fate == GroupFate::Delete && self.ground.rules.groups_full();
            let mut operation = Operation {
                lane: Lane::Additions,
                object: ObjectRef::Group(id.clone()),
                app_id: Some(link.app_id.clone()),
                name: link.name.clone(),
                action: Action::ReleaseGroup,
                reason: match gone {
                    true => Reason::GroupGone { stays: !delete },
                    false => Reason::GroupLeftScope { stays: !delete },
                },
                blocked: None,
            };
            if delete {
                operation.lane = Lane::Absences;
                let (users, protected) = self.who_loses(id)?;
                operation.action = Action::DeleteGroup { users };
                operation.blocked = self.why_not_deleted(link, protected).map(Blocked::Held);
            }
            self.push(operation);
        }
        Ok(())
    }

    /// The members of ours who lose a group, and the first protected one among them.
    fn who_loses(&self, group: &SourceId) -> Result<(Vec<Member>, Option<String>), StoreError> {
        let mut users = Vec::new();
        let mut protected = None;
        for number in self.ground.baseline.members(group)? {
            let Some(id) = self.ground.baseline.user_by_number(number)? else { continue };
            let Some(row) = self.ground.baseline.user(&id)? else { continue };
            let name = row_name(&row, &id);
            if protected.is_none() && self.ground.rules.protected.covers(id.as_str(), &[&row.sent, &row.echo]) {
                protected = Some(name.clone());
            }
            users.push(Member { id, name });
        }
        Ok((users, protected))
    }

    fn why_not_deleted(&self, link: &GroupRow, protected: Option<String>) -> Option<Obstacle> {
        match protected {
            Some(name) => Some(Obstacle::ProtectedMember { name }),
            None if self.contested.contains(&link.app_id) || self.in_doubt.contains(&fold(&link.name)) => {
                Some(Obstacle::GroupContested)
            }
            None => None,
        }
    }

    /// Whether a group has to be deleted to get its name (`groups.rename = "recreate"`).
    fn is_made_again(&self, group: &DesiredGroup, link: &GroupRow) -> bool {
        let rules = self.ground.rules;
        rules.groups_full()
            && rules.profile.groups.rename == GroupRename::Recreate
            && group.problem.is_none()
            && group.unread.is_none()
            && fold(&link.name) != fold(&group.name)
    }

    /// Deletes a group that can't have its new name. It counts as a removal like any other; the next run creates it under that name.
    fn delete_for_another_name(
        &mut self,
        object: &ObjectRef,
        group: &DesiredGroup,
        link: &GroupRow,
    ) -> Result<(), StoreError> {
        let (users, protected) = self.who_loses(object.id())?;
        let action = Action::DeleteGroup { users };
        let reason = Reason::GroupRenamed;
        let mut operation = group_operation(Lane::Absences, object, Some(&link.app_id), group, action, reason);
        operation.name.clone_from(&link.name);
        operation.blocked = self.why_not_deleted(link, protected).map(Blocked::Held);
        self.out.unsettled.insert(object.clone());
        self.push(operation);
        Ok(())
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

/// The directory's group that is gone and whose group in the app was found for another.
fn replaced<'a>(
    lost: &'a [(SourceId, GroupRow, Option<GroupIx>)],
    answers: &Answers,
    found: &AppId,
) -> Option<(&'a SourceId, &'a GroupRow)> {
    let mut gone = lost.iter().zip(&answers.lost_groups).filter(|((_, link, ix), answer)| {
        ix.is_none() && link.app_id == *found && matches!(answer, Presence::Gone | Presence::Unknown)
    });
    gone.next().map(|((id, link, _), _)| (id, link))
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
