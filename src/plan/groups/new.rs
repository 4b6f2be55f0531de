//! Groups in scope that have no link yet: found in the app, taken over, or created. In: the directory's groups and what the app answered.
//! Out: operations.

use std::collections::{HashMap, HashSet};

use super::super::operation::{Action, Blocked, Member};
use super::super::{Account, Answers, GroupStage};
use crate::config::profile::MemberValue;
use crate::config::tenant::AdoptGroups;
use crate::desired::DesiredGroup;
use crate::model::{AppId, ObjectRef, Obstacle, Path, Reason, SourceId, fold};
use crate::scim::{AppGroup, Match};
use crate::source::{GroupIx, Presence};
use crate::store::{GroupRow, StoreError};

impl GroupStage<'_> {
    /// Groups in scope that have no link yet.
    pub(in crate::plan) fn new_groups(
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
