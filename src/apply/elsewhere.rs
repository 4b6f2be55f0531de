//! Objects that the app does not know under the id on record. It takes the object and the id that was answered with 404, and returns
//! whether the object is gone, or what the app shows by the values that the tenant matches by.
//!
//! A 404 alone proves nothing: a wrong address answers so for everybody (T6), and an app may have given the account another id, or a
//! person may have made it again by hand. Then the user still has access.

use super::RunWorker;
use super::created::agrees;
use super::reply::{Accepted, CallReply, CallTarget};
use crate::model::{AppId, Attributes, ObjectRef, Obstacle, Op, OpOutcome, Path, SourceId, StillShown, Unlinked};
use crate::plan::{Action, Operation};
use crate::scim::{AppUser, CallError, FailureClass, GroupKeys, Match, UserKeys};
use crate::store::{Effect, GroupRow, OutcomeResult, StoreError, UserRow};

/// What the app shows of an object whose id it does not know.
pub(super) enum Sought {
    /// Nothing that matches it.
    Gone,
    /// The object itself: the 404 was not true.
    Shown,
    /// The same object under another id: with the effects that link it.
    Moved(AppId, Vec<Effect>),
    /// Something that matches it and may not be taken over without a decision.
    Foreign(UnlinkedMatch),
    /// The app could not be asked.
    Unknown,
}

/// An object that matches and was not linked.
pub(super) struct UnlinkedMatch {
    account: Option<AppId>,
    /// Whether exactly one object matches: several, or one of another record, prove nothing of the one that is linked.
    is_one: bool,
    active: bool,
    unlinked: Unlinked,
}

impl Sought {
    /// Whether the link leads nowhere, and the next run may look for the object as for a new one.
    pub(super) fn ends_link(&self) -> bool {
        matches!(self, Self::Gone) || matches!(self, Self::Foreign(found) if found.is_one)
    }
}

impl RunWorker<'_> {
    /// Looks for an object by the values that the tenant matches by.
    pub(super) async fn sought(&self, object: &ObjectRef, app_id: &AppId) -> Sought {
        match object {
            ObjectRef::User(id) => match self.run.state.user(id) {
                Ok(Some(row)) => self.user_sought(id, &row, app_id).await,
                _ => Sought::Unknown,
            },
            ObjectRef::Group(id) => match self.run.state.group(id) {
                Ok(Some(row)) => self.group_sought(id, &row, app_id).await,
                _ => Sought::Unknown,
            },
        }
    }

    async fn user_sought(&self, id: &SourceId, row: &UserRow, app_id: &AppId) -> Sought {
        let mapped: Vec<Path> = row.sent.iter().map(|(path, _)| path.clone()).collect();
        let keys = UserKeys { source_id: id.clone(), attributes: row.sent.clone(), except: None };
        let Ok(answers) = self.run.app.look_up_users(&[keys], &mapped).await else { return Sought::Unknown };
        match answers.into_iter().next() {
            Some(Match::Nobody) | None => Sought::Gone,
            Some(Match::One { found, .. }) if found.id == *app_id => Sought::Shown,
            Some(Match::One { found, .. }) if self.is_anothers_user(id, &found.id) => Sought::Gone,
            Some(Match::Conflict(conflict))
                if conflict.another().is_some_and(|another| self.is_anothers_user(id, &another.id)) =>
            {
                Sought::Gone
            }
            Some(Match::One { found, by }) => match self.is_theirs(id, row, &found) {
                Ok(true) => match self.memberships_in_doubt(id, row) {
                    Ok(doubts) => {
                        let effects = moved_user(id, row, &found).into_iter().chain(doubts).collect();
                        Sought::Moved(found.id, effects)
                    }
                    Err(_) => Sought::Unknown,
                },
                _ => {
                    let unlinked = Unlinked::MatchesBy(by);
                    Sought::Foreign(UnlinkedMatch {
                        account: Some(found.id),
                        is_one: true,
                        active: found.active,
                        unlinked,
                    })
                }
            },
            Some(Match::Conflict(conflict)) => Sought::Foreign(UnlinkedMatch {
                is_one: false,
                active: conflict.another().is_none_or(|another| another.active),
                account: conflict.another().map(|another| another.id.clone()),
                unlinked: Unlinked::Conflict(conflict),
            }),
        }
    }

    /// The memberships of an account that has another id by now: it may have kept them, so they count until they are ended there, and
    /// are sent again where they belong.
    fn memberships_in_doubt(&self, id: &SourceId, row: &UserRow) -> Result<Vec<Effect>, StoreError> {
        let mut doubts = Vec::new();
        for (group, _) in self.run.state.groups()? {
            if self.run.state.members(&group)?.contains(&row.number) {
                doubts.push(Effect::MembersDoubted { group, users: vec![id.clone()] });
            }
        }
        Ok(doubts)
    }

    /// Whether an account is linked to another user: then it is not what is left of this one's.
    fn is_anothers_user(&self, id: &SourceId, account: &AppId) -> bool {
        matches!(self.run.state.user_by_app_id(account), Ok(Some(owner)) if owner != *id)
    }

    fn is_anothers_group(&self, id: &SourceId, group: &AppId) -> bool {
        matches!(self.run.state.group_by_app_id(group), Ok(Some(owner)) if owner != *id)
    }

    /// Whether an account under another id is the user's: by the rule for adoptions, and where it carries the directory's id.
    fn is_theirs(&self, id: &SourceId, row: &UserRow, found: &AppUser) -> Result<bool, StoreError> {
        let is_own = self.run.state.own_account()?.flatten().is_some_and(|own| own == found.id);
        // An earlier operation of this run may have linked it.
        let owner = self.run.state.user_by_app_id(&found.id)?;
        let is_free =
            owner.is_none_or(|owner| owner == *id) && matches!(self.run.neighbours.linked_by(&found.id), Ok(None));
        Ok(!is_own && is_free && agrees(&row.sent, found) && self.may_take(&row.sent, found))
    }

    async fn group_sought(&self, id: &SourceId, row: &GroupRow, app_id: &AppId) -> Sought {
        let keys = GroupKeys { source_id: id.clone(), display_name: row.name.clone(), released: Vec::new() };
        let Ok(answers) = self.run.app.look_up_groups(&[keys]).await else { return Sought::Unknown };
        match answers.into_iter().next() {
            Some(Match::Nobody) | None => Sought::Gone,
            Some(Match::One { found, .. }) if found.id == *app_id => Sought::Shown,
            Some(Match::One { found, .. }) if self.is_anothers_group(id, &found.id) => Sought::Gone,
            Some(Match::Conflict(conflict))
                if conflict.another().is_some_and(|another| self.is_anothers_group(id, &another.id)) =>
            {
                Sought::Gone
            }
            Some(Match::One { found, by }) => {
                let owner = self.run.state.group_by_app_id(&found.id);
                let is_ours = matches!(owner, Ok(None)) || matches!(owner, Ok(Some(owner)) if owner == *id);
                let is_free = is_ours && matches!(self.run.neighbours.group_linked_by(&found.id), Ok(None));
                match is_free && found.external_id.as_deref() == Some(id.as_str()) {
                    true => match self.moved_group(id, row, &found.id, &found.display_name) {
                        Ok(effects) => Sought::Moved(found.id, effects),
                        Err(_) => Sought::Unknown,
                    },
                    false => {
                        let unlinked = Unlinked::MatchesBy(by);
                        Sought::Foreign(UnlinkedMatch { account: Some(found.id), is_one: true, active: true, unlinked })
                    }
                }
            }
            Some(Match::Conflict(conflict)) => {
                let account = conflict.another().map(|another| another.id.clone());
                Sought::Foreign(UnlinkedMatch {
                    account,
                    is_one: false,
                    active: true,
                    unlinked: Unlinked::Conflict(conflict),
                })
            }
        }
    }

    /// A group under another id keeps its members: who is in it is taken out of it there.
    fn moved_group(
        &self,
        id: &SourceId,
        row: &GroupRow,
        app_id: &AppId,
        name: &str,
    ) -> Result<Vec<Effect>, StoreError> {
        let mut users = Vec::new();
        for number in self.run.state.members(id)? {
            users.extend(self.run.state.user_by_number(number)?);
        }
        let (app_id, provenance, name) = (app_id.clone(), row.provenance, name.to_owned());
        Ok(vec![
            Effect::GroupUnlinked { id: id.clone() },
            Effect::GroupLinked { id: id.clone(), app_id, provenance, name },
            Effect::MembersAdded { group: id.clone(), users },
        ])
    }

    /// What becomes of an operation on one object whose id the app does not know, where that is more than a failure.
    pub(super) async fn under_another_id(
        &self,
        operation: &Operation,
        target: &CallTarget,
        error: &CallError,
    ) -> Option<Accepted> {
        let app_id = target.app_id.as_ref().filter(|_| error.class == FailureClass::NotFound)?;
        let removes = matches!(operation.op(), Op::DeactivateUser | Op::DeleteUser | Op::DeleteGroup);
        if !removes && self.is_hidden(operation) {
            return None;
        }
        let refused = OutcomeResult::Failed { status: error.status, detail: error.to_string() };
        match self.sought(&operation.object, app_id).await {
            Sought::Moved(account, effects) => {
                self.found.note_links_differ();
                let why = Obstacle::HasAnotherId { answer: error.to_string(), account };
                Some((refused, effects, Err(why)))
            }
            Sought::Foreign(found) if removes => Some(self.not_removed(operation, app_id, &found)),
            Sought::Gone if matches!(operation.action, Action::DeleteUser { .. } | Action::DeleteGroup { .. }) => {
                let effects = self.effects(operation, target, CallReply::Nothing);
                Some((OutcomeResult::Done { status: error.status }, effects, Ok(OpOutcome::Done)))
            }
            // Whether the app hides the account, or has it under another id, could not be asked: access may not have ended.
            Sought::Unknown if removes => {
                let why = Obstacle::NotCarriedOut { shows: vec![StillShown::Unread] };
                let effects = if self.blames_object() { vec![self.failed(operation, &why)] } else { Vec::new() };
                Some((refused, effects, Err(why)))
            }
            Sought::Gone | Sought::Shown | Sought::Foreign(_) | Sought::Unknown => None,
        }
    }

    /// Access did not end, or it is not known whose it is: the object stays linked, so that every run tries again and says so.
    fn not_removed(&self, operation: &Operation, app_id: &AppId, found: &UnlinkedMatch) -> Accepted {
        if operation.op() == Op::DeactivateUser && !found.active && found.account.is_some() {
            self.found.note_links_differ();
            let lost = Effect::AccessLost { user: operation.object.id().clone(), at: self.run.clock.now() };
            let done = OutcomeResult::Done { status: Some(404) };
            return (done, vec![self.unlinked(&operation.object), lost], Ok(OpOutcome::Done));
        }
        let why = self.why_not_removed(&operation.object, &operation.name, app_id, found);
        let mut effects = Vec::new();
        if self.blames_object() {
            effects.push(self.failed_for(operation, &why, found.account.clone()));
        }
        (OutcomeResult::Failed { status: Some(404), detail: why.to_string() }, effects, Err(why))
    }

    /// What is said of a removal that was not made, since the app shows a matching object under another id.
    pub(super) fn why_not_removed(
        &self,
        object: &ObjectRef,
        name: &str,
        app_id: &AppId,
        found: &UnlinkedMatch,
    ) -> Obstacle {
        Obstacle::NotUnderItsId {
            object: object.clone(),
            name: name.to_owned(),
            app_id: app_id.clone(),
            account: found.account.clone(),
            unlinked: Box::new(found.unlinked.clone()),
        }
    }
}

/// The link of a user whose account has another id by now. It keeps where it came from.
fn moved_user(id: &SourceId, row: &UserRow, found: &AppUser) -> Vec<Effect> {
    vec![
        Effect::UserLinked { id: id.clone(), app_id: found.id.clone(), provenance: row.provenance },
        Effect::UserSent {
            id: id.clone(),
            set: found.attributes.clone(),
            clear: Vec::new(),
            active: Some(found.active),
            echo: Attributes::new(),
        },
    ]
}
