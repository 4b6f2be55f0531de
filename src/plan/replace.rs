//! Another account in place of one that can't follow the directory (`on_immutable_change = "recreate"`). In: what changed and
//! what the app answered about the new values. Out: the account put aside, a new one, and the end of the old one.
//!
//! The old account keeps all that is known of it, under an id of its own (`Effect::UserReplaced`), until it is switched off.
//! So it is never forgotten, whatever comes between, and the person is a newcomer like any other meanwhile.

use super::differences::{AccountBefore, diff};
use super::operation::{Action, Operation, user_operation};
use super::person::{PlannedUser, row_name};
use super::stages::PutAside;
use super::survey::Aside;
use super::{Account, Survey, Users};
use crate::config::tenant::OnImmutableChange;
use crate::model::{AppId, Immutable, Lane, LifecycleStatus, ObjectRef, Path, Reason, SourceId, fold};
use crate::scim::Match;
use crate::source::{Presence, UserIx};
use crate::store::{StoreError, UserRow};

/// The id under which a replaced account is kept: there is one for each account, whatever happens how often.
fn aside_id(person: &SourceId, account: &AppId) -> SourceId {
    SourceId::new(format!("{person}~{account}"))
}

impl Users<'_> {
    /// Plans another account for somebody, if what changed can't be changed and nothing stands in the way.
    pub(super) fn replace(&mut self, person: &PlannedUser, row: &UserRow) -> bool {
        if self.ground.rules.on_immutable_change != OnImmutableChange::Recreate {
            return false;
        }
        let before = AccountBefore {
            attributes: &row.sent,
            source_seen: &row.source_seen,
            app_id: &row.app_id,
            by_hand: &row.by_hand,
        };
        let paths = diff(self.ground.rules, &self.ground.compared, person, &before).immutable;
        if paths.is_empty() || self.why_not_replaced(person, &before).is_some() {
            return false;
        }
        let names = paths.iter().map(Path::as_str).collect::<Vec<_>>().join(", ");
        let aside = aside_id(&person.id, &row.app_id);
        let action =
            Action::ReplaceUser { aside: aside.clone(), relabel: self.ground.rules.profile.users.send_external_id };
        let reason = Reason::Replaced { paths: names, app_id: row.app_id.clone() };
        self.push(user_operation(Lane::Additions, person, Some(&row.app_id), action, reason));
        self.create(person);
        self.decided.put_aside.insert(person.ix, PutAside { id: aside, of: person.id.clone(), row: row.clone() });
        true
    }

    /// What keeps somebody from getting another account.
    pub(super) fn why_not_replaced(&self, person: &PlannedUser, before: &AccountBefore<'_>) -> Option<Immutable> {
        let name = |of: Option<&str>| fold(of.unwrap_or_default());
        let path = Path::user_name();
        let external_id = Path::external_id();
        if name(person.attributes.text(&path)) == name(before.attributes.text(&path)) {
            return Some(Immutable::SameUserName);
        }
        let settings = &self.ground.rules.profile.attributes;
        let fixed = settings.is_immutable(&external_id) || settings.is_sent_once(&external_id);
        if self.ground.rules.profile.users.send_external_id && fixed {
            return Some(Immutable::FixedExternalId);
        }
        match self.heard.stuck.get(&person.id) {
            Some(Match::Nobody) => None,
            Some(Match::One { found, by }) => Some(Immutable::Taken { by: by.clone(), account: found.id.clone() }),
            Some(Match::Conflict(conflict)) => Some(Immutable::Conflicting(Box::new(conflict.clone()))),
            None => Some(Immutable::NotAsked),
        }
    }

    /// The old accounts of those who get another one by this plan.
    pub(super) fn end_of_the_replaced(&mut self) {
        let ends: Vec<Operation> = self
            .decided
            .put_aside
            .values()
            .map(|old| {
                let reason = Reason::GetsAnotherAccount { of: old.of.clone() };
                ending(&old.id, &old.row, Lane::Removals, reason)
            })
            .collect();
        ends.into_iter().for_each(|operation| self.push(operation));
    }

    /// Accounts that an earlier run put aside: they end as soon as their person has another one, or belongs no more.
    pub(super) fn asides(&mut self, survey: &Survey) -> Result<(), StoreError> {
        for Aside { id, of } in &survey.asides {
            let Some(row) = self.ground.baseline.user(id)? else { continue };
            if self.is_protected(of, &row) {
                continue;
            }
            match self.ground.in_snapshot(of) {
                Some(user) => self.aside_of_present(id, of, user, &row)?,
                None => self.end(id, &row, Lane::Removals, Reason::HasAnotherAccount { of: of.clone() }),
            }
        }
        Ok(())
    }

    fn aside_of_present(
        &mut self,
        id: &SourceId,
        of: &SourceId,
        user: UserIx,
        row: &UserRow,
    ) -> Result<(), StoreError> {
        let desired = self.ground.desired;
        let undecided = desired.frozen(user).is_some() || desired.unread().next().is_some();
        match desired.snapshot.standing(user) {
            LifecycleStatus::Suspended => {
                self.end(id, row, Lane::Leavers, Reason::OldOfSuspended { of: of.clone() });
            }
            LifecycleStatus::Active if desired.is_assigned(user) => match self.account_of(of)? {
                // They go on with the old one until they have another.
                Account::None => {
                    self.decided.unconfirmed.insert(row.number);
                    self.out.unsettled.insert(ObjectRef::User(of.clone()));
                }
                Account::Coming | Account::Known(_) => {
                    self.end(id, row, Lane::Removals, Reason::HasAnotherAccount { of: of.clone() });
                }
            },
            LifecycleStatus::Active if !undecided => {
                self.end(id, row, Lane::Leavers, Reason::OldOfUnassigned { of: of.clone() });
            }
            LifecycleStatus::Active | LifecycleStatus::Staged => {
                self.decided.unconfirmed.insert(row.number);
                self.out.unsettled.insert(ObjectRef::User(of.clone()));
            }
        }
        Ok(())
    }

    /// An account that was put aside, and whose person is not in the reading and has no other one.
    pub(super) fn absent_aside(&mut self, id: &SourceId, of: &SourceId, row: &UserRow, answer: Presence) {
        if self.is_protected(of, row) {
            return;
        }
        match answer {
            Presence::Gone => self.end(id, row, Lane::Leavers, Reason::OldIsGone { of: of.clone() }),
            Presence::Suspended => self.end(id, row, Lane::Leavers, Reason::OldIsSuspended { of: of.clone() }),
            Presence::Present | Presence::Unknown => drop(self.decided.unconfirmed.insert(row.number)),
        }
    }

    fn is_protected(&self, of: &SourceId, row: &UserRow) -> bool {
        self.ground.rules.protected.covers(of.as_str(), &[&row.sent, &row.echo])
    }

    /// Switches an old account off; one that is off already is let go of.
    fn end(&mut self, id: &SourceId, row: &UserRow, lane: Lane, reason: Reason) {
        let mut operation = ending(id, row, lane, reason);
        if row.active == Some(false) {
            operation.action = Action::ReleaseUser;
        }
        self.push(operation);
    }
}

fn ending(id: &SourceId, row: &UserRow, lane: Lane, reason: Reason) -> Operation {
    Operation {
        lane,
        object: ObjectRef::User(id.clone()),
        app_id: Some(row.app_id.clone()),
        name: row_name(row, id),
        action: Action::DeactivateUser,
        reason,
        blocked: None,
    }
}
