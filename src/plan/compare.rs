//! Groups that are compared with the app before anything is decided about them, since their management was off (J14). It takes each group
//! as the app shows it and returns what is believed from now on; the changes follow from that as from any other state.

use std::collections::HashSet;

use super::operation::{Action, Blocked, Member, Operation};
use super::person::row_name;
use super::stages::Seen;
use super::{Answers, GroupStage, Survey};
use crate::config::profile::MemberValue;
use crate::model::{AppId, Lane, ObjectRef, Obstacle, Reason, SourceId, UserNumber};
use crate::scim::AppGroup;
use crate::store::{GroupRow, StoreError};

/// How the app shows a group that is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupComparison {
    /// With its members, where the app shows them.
    Shown(AppGroup),
    /// It is no longer there.
    Gone,
    /// The app did not say; in words.
    Failed(String),
}

impl GroupStage<'_> {
    /// Groups whose management was off: what the app shows of them, or why nothing can be done for them.
    pub(super) fn compare_groups(&mut self, survey: &Survey, answers: &Answers) -> Result<(), StoreError> {
        for ((id, link), answer) in survey.compared.iter().zip(&answers.compared) {
            let seen = match answer {
                GroupComparison::Shown(found) => Some(self.compare_group(id, link, found)?),
                GroupComparison::Gone => {
                    self.push(compared(id, link, nothing_known(link, true), Reason::GroupsWereOffAndGone));
                    self.out.unsettled.insert(ObjectRef::Group(id.clone()));
                    None
                }
                GroupComparison::Failed(why) => {
                    let mut operation = compared(id, link, nothing_known(link, false), Reason::GroupsWereOff);
                    operation.blocked = Some(Blocked::Failed(Obstacle::GroupUnreadable { why: why.clone() }));
                    self.push(operation);
                    None
                }
            };
            self.compared.insert(id.clone(), seen);
        }
        Ok(())
    }

    fn compare_group(&mut self, id: &SourceId, link: &GroupRow, found: &AppGroup) -> Result<Seen, StoreError> {
        let believed = self.ground.baseline.members(id)?;
        let name = link.name_of(&found.display_name).to_owned();
        let shown = found.members.as_ref().filter(|_| self.ground.rules.profile.groups.member_value == MemberValue::Id);
        let Some(shown) = shown else {
            let joined = self.called(&believed)?;
            let reason = Reason::GroupsWereOffAndShowNoMembers;
            let (display_name, left) = (name.clone(), Vec::new());
            let action = Action::CompareGroup { display_name, joined, left, unknown: true, gone: false };
            self.push(compared(id, link, action, reason));
            return Ok(Seen { name, held: believed, joined: HashSet::new(), unknown: true });
        };
        let mut held: Vec<UserNumber> = Vec::with_capacity(shown.len());
        for value in shown {
            let Some(owner) = self.ground.baseline.user_by_app_id(&AppId::new(value.as_str()))? else { continue };
            held.extend(self.ground.baseline.number_of(&owner)?);
        }
        held.sort_unstable();
        held.dedup();
        let is_in = |all: &[UserNumber], one: &UserNumber| all.binary_search(one).is_ok();
        let joined: Vec<UserNumber> = held.iter().copied().filter(|one| !is_in(&believed, one)).collect();
        let left: Vec<UserNumber> = believed.iter().copied().filter(|one| !is_in(&held, one)).collect();
        let action = Action::CompareGroup {
            display_name: name.clone(),
            joined: self.called(&joined)?,
            left: self.called(&left)?,
            unknown: false,
            gone: false,
        };
        let reason = match (joined.len(), left.len()) {
            (0, 0) => Reason::GroupsWereOff,
            (joined, left) => Reason::GroupsWereOffAndChanged { joined: joined as u64, left: left as u64 },
        };
        self.push(compared(id, link, action, reason));
        Ok(Seen { name, held, joined: joined.into_iter().collect(), unknown: false })
    }

    /// People by id and name.
    fn called(&self, numbers: &[UserNumber]) -> Result<Vec<Member>, StoreError> {
        let mut all = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Some(id) = self.ground.baseline.user_by_number(*number)? else { continue };
            let Some(row) = self.ground.baseline.user(&id)? else { continue };
            let name = row_name(&row, &id);
            all.push(Member { id, name });
        }
        Ok(all)
    }

    /// A link with what the app shows; `None` for one about which nothing can be decided now.
    pub(super) fn as_compared(&self, id: &SourceId, mut link: GroupRow) -> Option<GroupRow> {
        let Some(seen) = self.compared.get(id) else { return Some(link) };
        let seen = seen.as_ref()?;
        link.name.clone_from(&seen.name);
        if seen.unknown {
            let members =
                seen.held.iter().filter_map(|number| self.ground.baseline.user_by_number(*number).ok().flatten());
            link.doubted.extend(members);
        }
        Some(link)
    }

    /// The members of ours that a group has, as far as is known.
    pub(super) fn members_as_compared(&self, id: &SourceId) -> Result<Vec<UserNumber>, StoreError> {
        match self.compared.get(id) {
            Some(Some(seen)) => Ok(seen.held.clone()),
            _ => self.ground.baseline.members(id),
        }
    }

    /// Whether a member who was just found in a group has to be asked for before anything is taken: somebody who is not in the reading.
    pub(super) fn is_asked_first(&self, group: &SourceId, number: UserNumber) -> Result<bool, StoreError> {
        let Some(Some(seen)) = self.compared.get(group) else { return Ok(false) };
        if !seen.joined.contains(&number) {
            return Ok(false);
        }
        let id = self.ground.baseline.user_by_number(number)?;
        Ok(id.is_some_and(|id| self.ground.in_snapshot(&id).is_none()))
    }
}

fn nothing_known(link: &GroupRow, gone: bool) -> Action {
    let (joined, left) = (Vec::new(), Vec::new());
    Action::CompareGroup { display_name: link.name.clone(), joined, left, unknown: false, gone }
}

fn compared(id: &SourceId, link: &GroupRow, action: Action, reason: Reason) -> Operation {
    Operation {
        lane: Lane::Additions,
        object: ObjectRef::Group(id.clone()),
        app_id: Some(link.app_id.clone()),
        name: link.name.clone(),
        action,
        reason,
        blocked: None,
    }
}
