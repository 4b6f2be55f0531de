//! What happens to groups and memberships. In: the survey and what app and directory answered. Out: operations.
//!
//! Judged on the end state: a person stays a member's member until the directory says otherwise in a group that was read.

use std::collections::HashSet;

use super::links::Links;
use super::operation::{Action, Blocked, Member, Operation};
use super::people::row_name;
use super::{Account, Answers, Draft};
use crate::config::profile::MemberValue;
use crate::config::tenant::{AdoptGroups, GroupFate};
use crate::desired::DesiredGroup;
use crate::model::{AppId, Lane, ObjectRef, Path, SourceId, UserNumber, fold};
use crate::scim::{AppGroup, Match};
use crate::source::{GroupIx, Presence, UserIx};
use crate::store::{GroupRow, StoreError};

impl Draft<'_> {
    /// Groups in scope that have no link yet.
    pub(super) fn new_groups(&mut self, groups: &[GroupIx], answers: &Answers) -> Result<(), StoreError> {
        for (ix, answer) in groups.iter().zip(&answers.groups) {
            let (Some(group), Some(row)) = (self.desired.group(*ix), self.desired.snapshot.group(*ix)) else {
                continue;
            };
            let object = ObjectRef::Group(row.id.clone());
            if let Some(why) = &group.problem {
                self.blocked_group(&object, group, Blocked::Failed(why.clone()));
                continue;
            }
            let members = self.accounts_of(&row.id, group)?;
            match answer {
                None => {}
                Some(Match::Conflict { detail }) => self.blocked_group(&object, group, Blocked::Failed(detail.clone())),
                Some(Match::Nobody) if !self.rules.groups_full() => {
                    let why = "this app's groups have to be made in the app first".to_owned();
                    self.blocked_group(&object, group, Blocked::Failed(why));
                }
                Some(Match::Nobody) if members.is_empty() && !self.rules.create_empty => {}
                Some(Match::Nobody) => {
                    let action = Action::CreateGroup { display_name: group.name.clone() };
                    self.group(&object, None, group, action, "the directory's group is in scope");
                    self.add(&object, None, group, members);
                }
                Some(Match::One { found, by }) => self.take_over(&object, group, found, by, members)?,
            }
        }
        Ok(())
    }

    fn take_over(
        &mut self,
        object: &ObjectRef,
        group: &DesiredGroup,
        found: &AppGroup,
        by: &str,
        members: Vec<(Member, Account)>,
    ) -> Result<(), StoreError> {
        if let Some(other) = self.baseline.group_by_app_id(&found.id)?.filter(|other| other != object.id()) {
            let why = format!("the app's group {} is linked to the directory's group {other} already", found.id);
            self.blocked_group(object, group, Blocked::Failed(why));
            return Ok(());
        }
        if self.rules.adopt_groups == AdoptGroups::Never && by != "externalId" {
            let why = format!("the app has a group named {:?} and groups.adopt is \"never\"", found.display_name);
            self.blocked_group(object, group, Blocked::Held(why));
            return Ok(());
        }
        let inside: HashSet<&str> = found.members.iter().flatten().map(String::as_str).collect();
        let (present, missing): (Vec<_>, Vec<_>) = members.into_iter().partition(|(member, account)| {
            match (self.rules.profile.groups.member_value, account) {
                (MemberValue::Id, Account::Known(id)) => {
                    inside.contains(id.as_str()) || inside.contains(member.name.as_str())
                }
                (MemberValue::UserName, Account::Known(_)) => inside.contains(member.name.as_str()),
                (_, Account::Coming | Account::None) => false,
            }
        });
        let action = Action::AdoptGroup {
            display_name: found.display_name.clone(),
            present: present.into_iter().map(|(member, _)| member.id).collect(),
            by: by.to_owned(),
        };
        let reason = format!("the app has this group already, matched by {by}");
        self.group(object, Some(&found.id), group, action, &reason);
        if fold(&found.display_name) != fold(&group.name) {
            self.rename(object, &found.id, group, &found.display_name);
        }
        self.add(object, Some(&found.id), group, missing);
        Ok(())
    }

    /// Linked groups in scope whose name or members may have changed.
    pub(super) fn changed_groups(&mut self, groups: &[GroupIx], links: &Links) -> Result<(), StoreError> {
        for ix in groups {
            let (Some(group), Some(row)) = (self.desired.group(*ix), self.desired.snapshot.group(*ix)) else {
                continue;
            };
            let Some(link) = self.baseline.group(&row.id)? else { continue };
            let object = ObjectRef::Group(row.id.clone());
            if let Some(why) = &group.problem {
                self.blocked_group(&object, group, Blocked::Failed(why.clone()));
                continue;
            }
            if link.name != group.name {
                self.rename(&object, &link.app_id, group, &link.name);
            }
            self.compare_members(&object, &link, group, links, row.unread.as_deref())?;
        }
        Ok(())
    }

    fn compare_members(
        &mut self,
        object: &ObjectRef,
        link: &GroupRow,
        group: &DesiredGroup,
        links: &Links,
        unread: Option<&str>,
    ) -> Result<(), StoreError> {
        let held = self.baseline.members(object.id())?;
        let mut desired: HashSet<UserNumber> = HashSet::with_capacity(group.members.len());
        let mut missing = Vec::new();
        let held_set: HashSet<UserNumber> = held.iter().copied().collect();
        for &user in &group.members {
            match self.linked_number(user, links)? {
                Some(number) if held_set.contains(&number) => {
                    desired.insert(number);
                }
                _ => missing.extend(self.member(object.id(), user)?),
            }
        }
        self.add(object, Some(&link.app_id), group, missing);
        let mut gone = Vec::new();
        for number in held.iter().filter(|number| !desired.contains(number)) {
            if unread.is_some() || self.unconfirmed.contains(number) || self.leaving_groups.contains(number) {
                continue;
            }
            gone.extend(self.removable(*number)?);
        }
        if unread.is_some() {
            self.unsettled.insert(object.id().clone());
        }
        if !gone.is_empty() {
            let action = Action::RemoveMembers { users: gone, of: held.len() as u64 };
            let reason = "no longer members in the directory";
            let mut operation = group_operation(Lane::Removals, object, Some(&link.app_id), group, action, reason);
            operation.name = group.name.clone();
            self.push(operation);
        }
        Ok(())
    }

    /// The person behind a number, unless they are protected, unlinked or nobody can decide about them.
    fn removable(&self, number: UserNumber) -> Result<Option<Member>, StoreError> {
        let Some(id) = self.baseline.user_by_number(number)? else { return Ok(None) };
        let Some(row) = self.baseline.user(&id)? else { return Ok(None) };
        let frozen =
            self.desired.snapshot.find_user(id.as_str()).is_some_and(|user| self.desired.frozen(user).is_some());
        if frozen || self.rules.protected.covers(id.as_str(), &[&row.sent, &row.echo]) {
            return Ok(None);
        }
        let name = row_name(&row, &id);
        Ok(Some(Member { id, name }))
    }

    /// Linked groups that are no longer in scope: still there (J12) or gone (J13).
    pub(super) fn lost_groups(
        &mut self,
        lost: &[(SourceId, GroupRow, Option<GroupIx>)],
        answers: &Answers,
    ) -> Result<(), StoreError> {
        for ((id, link, ix), answer) in lost.iter().zip(&answers.lost_groups) {
            let object = ObjectRef::Group(id.clone());
            let gone = ix.is_none() && *answer == Presence::Gone;
            let (fate, reason) = match gone {
                true => (self.rules.on_group_deleted, "the directory says this group is gone"),
                false => (self.rules.on_group_unassigned, "the group left the scope; it stays in the app as it is"),
            };
            let delete = fate == GroupFate::Delete && self.rules.groups_full();
            let (lane, action, reason) = if delete {
                let of = self.baseline.members(id)?.len() as u64;
                let reason = if gone { reason } else { "the group left the scope" };
                (Lane::Absences, Action::DeleteGroup { of }, reason)
            } else {
                (
                    Lane::Additions,
                    Action::ReleaseGroup,
                    if gone { "gone from the directory; left as it is" } else { reason },
                )
            };
            self.push(Operation {
                lane,
                object,
                app_id: Some(link.app_id.clone()),
                name: link.name.clone(),
                action,
                reason: reason.to_owned(),
                blocked: None,
            });
        }
        Ok(())
    }

    fn rename(&mut self, object: &ObjectRef, app_id: &AppId, group: &DesiredGroup, from: &str) {
        let action = Action::RenameGroup { from: from.to_owned(), to: group.name.clone() };
        let mut operation =
            group_operation(Lane::Additions, object, Some(app_id), group, action, "the directory's group was renamed");
        if !self.rules.groups_full() || !self.rules.profile.groups.rename {
            operation.blocked = Some(Blocked::Held("this app's groups can't be renamed".to_owned()));
        }
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
            self.group(object, app_id, group, action, "members in the directory");
        }
    }

    fn group(
        &mut self,
        object: &ObjectRef,
        app_id: Option<&AppId>,
        group: &DesiredGroup,
        action: Action,
        reason: &str,
    ) {
        self.push(group_operation(Lane::Additions, object, app_id, group, action, reason));
    }

    fn blocked_group(&mut self, object: &ObjectRef, group: &DesiredGroup, blocked: Blocked) {
        let action = Action::CreateGroup { display_name: group.name.clone() };
        let mut operation =
            group_operation(Lane::Additions, object, None, group, action, "the directory's group is in scope");
        operation.blocked = Some(blocked);
        self.push(operation);
    }

    fn accounts_of(&mut self, id: &SourceId, group: &DesiredGroup) -> Result<Vec<(Member, Account)>, StoreError> {
        let mut all = Vec::with_capacity(group.members.len());
        for &user in &group.members {
            all.extend(self.member(id, user)?);
        }
        Ok(all)
    }

    fn linked_number(&self, user: UserIx, links: &Links) -> Result<Option<UserNumber>, StoreError> {
        let hash = self.desired.snapshot.id_hash(user);
        match links.user(hash) {
            // An index is only written when all hashes differ; rows may share one, so they are asked.
            Some(link) if matches!(links, Links::Index(_)) => Ok(Some(link.number)),
            Some(_) => self.baseline.number_of(&SourceId::new(self.desired.snapshot.id(user))),
            None => Ok(None),
        }
    }

    /// A person as a member, if they have or will have an account.
    fn member(&mut self, group: &SourceId, user: UserIx) -> Result<Option<(Member, Account)>, StoreError> {
        let id = SourceId::new(self.desired.snapshot.id(user));
        let account = self.account_of(&id)?;
        let name = match &account {
            Account::None => {
                // The group is looked at again until this member has an account.
                self.unsettled.insert(group.clone());
                return Ok(None);
            }
            Account::Coming | Account::Known(_) => self.name_of(&id)?,
        };
        Ok(Some((Member { id, name }, account)))
    }

    fn name_of(&self, id: &SourceId) -> Result<String, StoreError> {
        if let Some(name) = self.names.get(id) {
            return Ok(name.clone());
        }
        let row = self.baseline.user(id)?;
        Ok(row.and_then(|row| row.sent.text(&Path::user_name()).map(str::to_owned)).unwrap_or_else(|| id.to_string()))
    }
}

fn group_operation(
    lane: Lane,
    object: &ObjectRef,
    app_id: Option<&AppId>,
    group: &DesiredGroup,
    action: Action,
    reason: &str,
) -> Operation {
    Operation {
        lane,
        object: object.clone(),
        app_id: app_id.cloned(),
        name: group.name.clone(),
        action,
        reason: reason.to_owned(),
        blocked: None,
    }
}
