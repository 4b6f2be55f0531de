//! Groups that are linked and no longer in scope: who loses access, and what becomes of the group. In: the survey and what the directory
//! answered. Out: operations.

use super::super::operation::{Action, Blocked, Member, Operation};
use super::super::person::row_name;
use super::super::{Answers, GroupStage, Survey};
use super::group_operation;
use crate::config::profile::GroupRename;
use crate::config::tenant::GroupFate;
use crate::desired::DesiredGroup;
use crate::model::{Lane, ObjectRef, Obstacle, Reason, SourceId, fold};
use crate::source::Presence;
use crate::store::{GroupRow, StoreError};

impl GroupStage<'_> {
    /// Linked groups that are no longer in scope: still there (J12) or gone (J13).
    pub(in crate::plan) fn lost_groups(&mut self, survey: &Survey, answers: &Answers) -> Result<(), StoreError> {
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
    pub(super) fn is_made_again(&self, group: &DesiredGroup, link: &GroupRow) -> bool {
        let rules = self.ground.rules;
        rules.groups_full()
            && rules.profile.groups.rename == GroupRename::Recreate
            && group.problem.is_none()
            && group.unread.is_none()
            && fold(&link.name) != fold(&group.name)
    }

    /// Deletes a group that can't have its new name. It counts as a removal like any other; the next run creates it under that name.
    pub(super) fn delete_for_another_name(
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
}
