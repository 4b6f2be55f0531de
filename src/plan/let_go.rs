//! Groups of the app that were released, or whose names become free, and that a group of the directory may have. It takes what the state
//! knows of them and returns whether a group that was found may be taken over.
//!
//! A name alone proves nothing (J9); here the app's id is known, too: rosterd had this very group, and left it as it is (J12).

use super::operation::{Action, Blocked};
use super::{GroupStage, Users};
use crate::config::tenant::GroupFate;
use crate::desired::DesiredGroup;
use crate::model::{Another, AppId, Conflict, ObjectRef, Obstacle, Path, SourceId, fold};
use crate::scim::AppGroup;
use crate::source::GroupIx;
use crate::store::{Baseline, GroupRow, StoreError};

/// A linked group that is not in scope, with its number if the reading shows it.
type OutOfScopeGroup = (SourceId, GroupRow, Option<GroupIx>);

impl GroupStage<'_> {
    /// Whether a group of the app is one that rosterd released, under the name that it has now.
    pub(super) fn was_ours(&self, found: &AppGroup) -> Result<bool, StoreError> {
        let let_go = self.ground.baseline.group_let_go(&found.id)?;
        Ok(let_go.is_some_and(|let_go| fold(&let_go.name) == fold(&found.display_name)))
    }

    /// Whether a group that was found by the record's id is another's by now: rosterd released it from this very record, and another one
    /// took it over. The id in it is left from before then.
    pub(super) fn is_what_it_had(
        &self,
        id: &SourceId,
        found: &AppGroup,
        by: &str,
        lost: &[OutOfScopeGroup],
    ) -> Result<bool, StoreError> {
        if by != Path::external_id().as_str() {
            return Ok(false);
        }
        let Some(holder) = self.ground.baseline.group_by_app_id(&found.id)? else { return Ok(false) };
        if holder == *id || self.is_released_now(&holder, lost) {
            return Ok(false);
        }
        Ok(self.ground.baseline.last_release(&found.id)?.is_some_and(|release| release.id == *id))
    }

    /// Whether this plan releases a linked group: then its group in the app is free.
    pub(super) fn is_released_now(&self, id: &SourceId, lost: &[OutOfScopeGroup]) -> bool {
        let stays = self.ground.rules.on_group_unassigned == GroupFate::Leave || !self.ground.rules.groups_full();
        stays && lost.iter().any(|(lost, _, ix)| lost == id && ix.is_some())
    }

    /// Whether a group of the app is linked to one that this plan releases.
    pub(super) fn is_lost(&self, found: &AppGroup, lost: &[OutOfScopeGroup]) -> bool {
        lost.iter().any(|(id, link, _)| link.app_id == found.id && self.is_released_now(id, lost))
    }

    /// What is said of a name that several groups of the app have: where rosterd released one of them, somebody has to say which.
    pub(super) fn several_of_a_released_name(
        &self,
        group: &DesiredGroup,
        conflict: &Conflict,
    ) -> Result<Blocked, StoreError> {
        let mut released = self.ground.baseline.groups_let_go()?.into_iter();
        Ok(match released.find(|(_, let_go)| fold(&let_go.name) == fold(&group.name)) {
            Some((group, _)) => {
                Blocked::Held(Obstacle::SeveralOfReleasedName { conflict: Box::new(conflict.clone()), group })
            }
            None => Blocked::Failed(Obstacle::Conflicting(Box::new(conflict.clone()))),
        })
    }

    /// Whether the group that has the name of a new one gets another name by this plan.
    pub(super) fn gives_up_group_name(&self, found: &AppGroup, by: &str) -> Result<bool, StoreError> {
        if by != Path::display_name().as_str() {
            return Ok(false);
        }
        let Some(other) = self.ground.baseline.group_by_app_id(&found.id)? else { return Ok(false) };
        Ok(self.out.operations.iter().any(|operation| {
            let renames = matches!(&operation.action, Action::RenameGroup { from, .. } if fold(from) == fold(&found.display_name));
            renames && operation.blocked.is_none() && matches!(&operation.object, ObjectRef::Group(id) if *id == other)
        }))
    }
}

impl GroupStage<'_> {
    /// Whether the group that carries another record's id is one whose name this plan changes.
    pub(super) fn is_given_up(&self, another: Option<&Another>) -> Result<bool, StoreError> {
        let Some(Another { id, by, .. }) = another.filter(|another| another.by == Path::display_name().as_str()) else {
            return Ok(false);
        };
        let Some(other) = self.ground.baseline.group_by_app_id(id)? else { return Ok(false) };
        let row = self.ground.baseline.group(&other)?;
        let found = AppGroup {
            id: id.clone(),
            display_name: row.map(|row| row.name).unwrap_or_default(),
            members: None,
            external_id: None,
        };
        self.gives_up_group_name(&found, by)
    }
}

impl Users<'_> {
    /// Whether the user whose account was found by a value gets another value by this plan: then the account is not the newcomer's, and
    /// the name is free before theirs is made.
    pub(super) fn gives_up_user_name(&self, owner: &SourceId, by: &str) -> bool {
        let Ok(path) = Path::parse(by) else { return false };
        self.out.operations.iter().any(|operation| {
            let changes = matches!(&operation.action, Action::UpdateUser { set, .. } if set.get(&path).is_some());
            changes && operation.blocked.is_none() && matches!(&operation.object, ObjectRef::User(id) if id == owner)
        })
    }
}

/// The app's groups that may be taken over under a name, although they carry the id of another record: those that were released, and
/// those whose record left the scope.
///
/// # Errors
/// When the state can't be read.
pub fn released_under(baseline: &dyn Baseline, lost: &[OutOfScopeGroup], name: &str) -> Result<Vec<AppId>, StoreError> {
    let name = fold(name);
    let before = baseline.groups_let_go()?.into_iter().filter(|(_, let_go)| fold(&let_go.name) == name);
    let now = lost.iter().filter(|(_, link, ix)| ix.is_some() && fold(&link.name) == name);
    Ok(before.map(|(app_id, _)| app_id).chain(now.map(|(_, link, _)| link.app_id.clone())).collect())
}
