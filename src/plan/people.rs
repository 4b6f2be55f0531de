//! What happens to people. In: the survey and what app and directory answered. Out: operations, each with its reason.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::SignedDuration;
use xxhash_rust::xxh3::xxh3_64;

use super::adopt::is_privileged;
use super::differences::AccountBefore;
use super::operation::{Acquaintance, Action, Blocked, Operation, user_operation};
use super::person::{PlannedUser, label, row_name};
use super::several::linked_person;
use super::{Account, Answers, Users};
use crate::config::profile::{DeleteEffect, InactiveEffect};
use crate::config::tenant::{Adopted, DeprovisioningAction, Push};
use crate::desired::Desired;
use crate::model::{
    Another, AppId, Attributes, Lane, LifecycleStatus, MembershipCause, ObjectRef, Obstacle, Path, Provenance, Reason,
    SourceId, digest, fold,
};
use crate::scim::{AppUser, Match};
use crate::source::{Presence, UserIx};
use crate::store::{StoreError, UserRow};

/// How long a person must have been missing before a second complete snapshot counts as confirmation.
const SECOND_LOOK: SignedDuration = SignedDuration::from_mins(10);

/// What stands between a person and their account.
enum Leaving {
    Suspended,
    Unassigned(Reason),
    Deleted,
}

impl Users<'_> {
    /// People who belong and have no link yet.
    pub(super) fn newcomers(&mut self, newcomers: &[PlannedUser], answers: &Answers) -> Result<(), StoreError> {
        let snapshot = self.ground.desired.snapshot;
        let (active, suspended): (Vec<_>, Vec<_>) = newcomers
            .iter()
            .zip(&answers.users)
            .partition(|(person, _)| snapshot.standing(person.ix) != LifecycleStatus::Suspended);
        let owners = owners(&active);
        for (person, answer) in &active {
            self.claim_name(person);
            match answer {
                Match::Nobody => self.create(person),
                Match::Conflict(conflict) => {
                    let owner = match conflict.another() {
                        Some(another) => self.owner(person, &another.id, &owners)?.map(|owner| (owner, another)),
                        None => None,
                    };
                    match owner {
                        Some((owner, another)) => self.of_another(person, &owner, another)?,
                        None => self
                            .blocked_create(person, Blocked::Failed(Obstacle::Conflicting(Box::new(conflict.clone())))),
                    }
                }
                Match::One { found, by } => match self.owner(person, &found.id, &owners)? {
                    Some(owner) => {
                        let another = Another { id: found.id.clone(), by: by.clone(), active: found.active };
                        self.of_another(person, &owner, &another)?;
                    }
                    None => self.adopt_unless_contradicted(person, found, by, answers)?,
                },
            }
        }
        self.suspended_newcomers(&suspended, &owners, answers)
    }

    /// Decides on a user whose account was found and belongs, or may belong, to another record.
    fn of_another(&mut self, person: &PlannedUser, owner: &SourceId, another: &Another) -> Result<(), StoreError> {
        if self.gives_up_user_name(owner, &another.by) || self.sets_name_free(owner, &another.by, person)? {
            self.create(person);
        } else if self.can_relink(owner, &another.id)? {
            self.relink(person, owner, another)?;
        } else {
            let (account, by, name) = (another.id.clone(), another.by.clone(), self.name_of(owner)?);
            let why = Obstacle::AccountOfAnother { account, by, of: owner.clone(), name };
            self.blocked_create(person, Blocked::Held(why));
        }
        Ok(())
    }

    /// Accounts of suspended people, from before the state was lost. With the link the next run can end their access.
    fn suspended_newcomers(
        &mut self,
        suspended: &[(&PlannedUser, &Match<AppUser>)],
        owners: &HashMap<&AppId, Suitors<'_>>,
        answers: &Answers,
    ) -> Result<(), StoreError> {
        let mut taken: HashSet<&AppId> = HashSet::new();
        for (person, answer) in suspended {
            let Match::One { found, by } = answer else { continue };
            let of_somebody =
                owners.contains_key(&found.id) || self.ground.baseline.user_by_app_id(&found.id)?.is_some();
            let known = self.acquaintance(person, found, answers)?;
            let is_theirs = self.contradiction(person, found, by, known, answers).is_none();
            if !of_somebody && is_theirs && taken.insert(&found.id) {
                self.adopt_only(person, found, by, known);
                self.out.unsettled.insert(ObjectRef::User(person.id.clone()));
            }
        }
        Ok(())
    }

    /// Somebody else to whom the account that was found belongs, or may belong.
    fn owner(
        &self,
        person: &PlannedUser,
        account: &AppId,
        owners: &HashMap<&AppId, Suitors<'_>>,
    ) -> Result<Option<SourceId>, StoreError> {
        let rival = owners.get(account).and_then(|suitors| suitors.rival_of(&person.id));
        match rival {
            Some(rival) => Ok(Some(rival.clone())),
            None => Ok(self.ground.baseline.user_by_app_id(account)?.filter(|owner| *owner != person.id)),
        }
    }

    /// What another user is called; empty where no name is known.
    fn name_of(&self, id: &SourceId) -> Result<String, StoreError> {
        let snapshot = self.ground.desired.snapshot;
        let name = match snapshot.find_user(id.as_str()) {
            Some(ix) => Some(label(snapshot, ix)),
            None => self.ground.baseline.user(id)?.map(|row| row_name(&row, id)),
        };
        Ok(name.unwrap_or_default())
    }

    /// Notes whose user name this shall be: two people never get one, whichever comes first (I3).
    fn claim_name(&mut self, person: &PlannedUser) {
        let Some(name) = person.attributes.text(&Path::user_name()) else { return };
        let first = *self.names.claims.entry(xxh3_64(fold(name).as_bytes())).or_insert(person.ix);
        if first != person.ix {
            let first = SourceId::new(self.ground.desired.snapshot.id(first));
            self.names.rivals.entry(first.clone()).or_insert_with(|| person.id.clone());
            self.names.rivals.insert(person.id.clone(), first);
        }
    }

    /// People who would share a user name are told and left as they are.
    pub(super) fn set_rivals_aside(&mut self) {
        for operation in self.out.operations.iter_mut().filter(|operation| operation.blocked.is_none()) {
            let Some(other) = self.names.rivals.get(operation.object.id()) else { continue };
            let names = match &operation.action {
                Action::CreateUser { .. } => true,
                Action::UpdateUser { set, .. } => set.get(&Path::user_name()).is_some(),
                Action::ReplaceUser { .. } => true,
                _ => false,
            };
            if names && matches!(operation.object, ObjectRef::User(_)) {
                let snapshot = self.ground.desired.snapshot;
                let by_name = snapshot.find_user(other.as_str()).map(|ix| label(snapshot, ix)).unwrap_or_default();
                let why = Obstacle::NameTaken { name: operation.name.clone(), by: other.clone(), by_name };
                operation.blocked = Some(Blocked::Failed(why));
                if matches!(operation.action, Action::CreateUser { .. }) {
                    self.decided.accounts.remove(operation.object.id());
                    self.decided.put_aside.retain(|_, old| old.of != *operation.object.id());
                }
            }
        }
    }

    pub(super) fn create(&mut self, person: &PlannedUser) {
        self.decided.accounts.insert(person.id.clone(), Account::Coming);
        let action = Action::CreateUser { attributes: person.attributes.clone() };
        let reason = Reason::Belongs(self.ground.desired.because(person.ix));
        self.push(user_operation(Lane::Additions, person, None, action, reason));
        self.first_manager(person);
    }

    fn blocked_create(&mut self, person: &PlannedUser, blocked: Blocked) {
        let action = Action::CreateUser { attributes: person.attributes.clone() };
        let reason = Reason::Belongs(self.ground.desired.because(person.ix));
        let mut operation = user_operation(Lane::Additions, person, None, action, reason);
        operation.blocked = Some(blocked);
        self.push(operation);
    }

    pub(super) fn adopt(&mut self, person: &PlannedUser, found: &AppUser, by: &str, known: Option<Acquaintance>) {
        self.adopt_only(person, found, by, known);
        if !found.active {
            self.activate(person, &found.id, Reason::Belongs(self.ground.desired.because(person.ix)));
        }
        let nothing = Attributes::new();
        let before = AccountBefore {
            attributes: &found.attributes,
            source_seen: &nothing,
            app_id: &found.id,
            by_hand: &BTreeSet::new(),
        };
        self.update(person, &before, Reason::AdoptedDiffers);
    }

    /// Whether the account's owner is a record that is gone, so that this person may be the same one, made anew.
    fn can_relink(&self, owner: &SourceId, account: &AppId) -> Result<bool, StoreError> {
        let gone = self.ground.in_snapshot(owner).is_none()
            && !self.decided.replaced.contains(owner)
            && !self.heard.still_there.contains(owner);
        Ok(gone
            && self.ground.baseline.user(owner)?.is_some_and(|row| row.app_id == *account && row.replaced.is_none()))
    }

    /// Proposes that the account goes over to the new record; nothing is taken from anybody for it.
    fn relink(&mut self, person: &PlannedUser, owner: &SourceId, found: &Another) -> Result<(), StoreError> {
        let Some(row) = self.ground.baseline.user(owner)? else { return Ok(()) };
        if self.ground.rules.protected.covers(owner.as_str(), &[&row.sent, &row.echo]) {
            return Ok(());
        }
        self.decided.replaced.insert(owner.clone());
        self.decided.relinked.insert(person.ix, (owner.clone(), row.number));
        self.decided.accounts.insert(person.id.clone(), Account::Known(found.id.clone()));
        let action = Action::RelinkUser { from: owner.clone() };
        let because = self.ground.desired.because(person.ix);
        let reason = Reason::Relinked { because: because.clone(), from: owner.clone() };
        self.push(user_operation(Lane::Additions, person, Some(&found.id), action, reason));
        if !found.active {
            self.activate(person, &found.id, Reason::Belongs(because));
        }
        let before = AccountBefore {
            attributes: &row.sent,
            source_seen: &row.source_seen,
            app_id: &found.id,
            by_hand: &row.by_hand,
        };
        self.update(person, &before, Reason::RelinkedDiffers);
        Ok(())
    }

    fn adopt_only(&mut self, person: &PlannedUser, found: &AppUser, by: &str, known: Option<Acquaintance>) {
        self.decided.accounts.insert(person.id.clone(), Account::Known(found.id.clone()));
        let mapping = self.ground.rules.mapping;
        // Where the app differs, the value counts as seen only when it has been pushed.
        let seen = person.attributes.iter().filter(|(path, value)| {
            mapping.push(path) == Push::OnSourceChange && digest::same(found.attributes.get(path), Some(*value))
        });
        let source = seen.map(|(path, value)| (path.clone(), value.clone())).collect();
        let privileged = is_privileged(self.ground.rules.profile, &found.roles);
        let action = Action::AdoptUser { found: found.clone(), by: by.to_owned(), source, known, privileged };
        let because: MembershipCause = self.ground.desired.because(person.ix);
        let reason = Reason::Adopted { because, by: by.to_owned(), roles: found.roles.clone() };
        self.push(user_operation(Lane::Additions, person, Some(&found.id), action, reason));
    }

    fn activate(&mut self, person: &PlannedUser, app_id: &AppId, reason: Reason) {
        self.push(user_operation(Lane::Additions, person, Some(app_id), Action::ActivateUser, reason));
    }

    /// A linked person whose record, standing or assignment may have changed.
    pub(super) fn linked(&mut self, user: UserIx) -> Result<(), StoreError> {
        let desired: &Desired<'_> = self.ground.desired;
        let snapshot = desired.snapshot;
        let id = SourceId::new(snapshot.id(user));
        let Some(row) = self.ground.baseline.user(&id)? else { return Ok(()) };
        if row.missed_since.is_some() {
            self.out.missed.push((id.clone(), None));
        }
        let mapped = match desired.frozen(user) {
            Some(why) => Err(why.to_owned()),
            None => linked_person(snapshot, user, self.ground.rules, &row),
        };
        let nothing = Attributes::new();
        let fresh = mapped.as_ref().map_or(&nothing, |person| &person.attributes);
        if self.ground.rules.protected.covers(id.as_str(), &[&row.sent, &row.echo, fresh]) {
            return Ok(());
        }
        match snapshot.standing(user) {
            LifecycleStatus::Staged => {}
            LifecycleStatus::Suspended => drop(self.leave(&id, &row, &Leaving::Suspended)),
            LifecycleStatus::Active if desired.frozen(user).is_none() && !desired.is_assigned(user) => {
                if desired.unread().next().is_some() {
                    self.out.unsettled.insert(ObjectRef::User(id));
                } else {
                    self.leave(&id, &row, &Leaving::Unassigned(Reason::Unassigned));
                }
            }
            LifecycleStatus::Active => match mapped {
                Ok(person) => {
                    self.claim_name(&person);
                    if self.replace(&person, &row) {
                        return Ok(());
                    }
                    if row.active == Some(false) {
                        self.activate(&person, &row.app_id, Reason::BelongsAgain(desired.because(user)));
                    }
                    let before = AccountBefore {
                        attributes: &row.sent,
                        source_seen: &row.source_seen,
                        app_id: &row.app_id,
                        by_hand: &row.by_hand,
                    };
                    self.update(&person, &before, Reason::RecordChanged);
                }
                Err(why) => self.problem(&id, &label(snapshot, user), Some(&row.app_id), why),
            },
        }
        Ok(())
    }

    /// Somebody who had their turn in this run already, in vain.
    pub(super) fn left_for_later(&mut self, id: SourceId) {
        if !self.decided.replaced.contains(&id) {
            self.out.unsettled.insert(ObjectRef::User(id));
        }
    }

    /// A linked person who is not in the snapshot, and whose account went to no other record.
    pub(super) fn absent(&mut self, id: &SourceId, answer: Presence) -> Result<(), StoreError> {
        if self.decided.replaced.contains(id) {
            return Ok(());
        }
        let Some(row) = self.ground.baseline.user(id)? else { return Ok(()) };
        if let Some(of) = &row.replaced {
            self.absent_aside(id, of, &row, answer);
            return Ok(());
        }
        if self.heard.namesakes.are_those_of(&row) {
            // The same user may be there under another id: nothing is taken before that is decided.
            self.decided.unconfirmed.insert(row.number);
            self.out.unsettled.insert(ObjectRef::User(id.clone()));
            return Ok(());
        }
        if self.ground.rules.protected.covers(id.as_str(), &[&row.sent, &row.echo]) {
            return Ok(());
        }
        match answer {
            Presence::Gone => {
                if self.leave(id, &row, &Leaving::Deleted) == LeaverState::Nothing {
                    self.out.finished.push(id.clone());
                }
            }
            Presence::Suspended => drop(self.leave(id, &row, &Leaving::Suspended)),
            Presence::Present | Presence::Unknown => {
                let long_enough =
                    row.missed_since.is_some_and(|since| self.ground.now.duration_since(since) >= SECOND_LOOK);
                if long_enough && self.ground.desired.unread().next().is_none() {
                    self.leave(id, &row, &Leaving::Unassigned(Reason::MissingTwice));
                } else {
                    self.decided.unconfirmed.insert(row.number);
                    self.out.missed.push((id.clone(), row.missed_since.or(Some(self.ground.now))));
                }
            }
        }
        Ok(())
    }

    /// Ends a person's access as the operator said, and tells what is left to do.
    fn leave(&mut self, id: &SourceId, row: &UserRow, why: &Leaving) -> LeaverState {
        let (fate, reason) = match why {
            Leaving::Suspended => (self.ground.rules.on_suspended, Reason::Suspended),
            Leaving::Unassigned(why) => (self.ground.rules.on_unassigned, why.clone()),
            Leaving::Deleted => (self.ground.rules.on_deleted, Reason::Deleted),
        };
        let unassigned = matches!(why, Leaving::Unassigned(_));
        if unassigned && row.provenance == Provenance::Adopted && self.ground.rules.adopted == Adopted::Keep {
            return LeaverState::Nothing;
        }
        let active = row.active != Some(false);
        let effect = self.ground.rules.profile.users.delete_effect;
        let deletes = fate == DeprovisioningAction::Delete
            && match effect {
                DeleteEffect::Unsupported => false,
                DeleteEffect::Deactivates => active,
                DeleteEffect::Hard | DeleteEffect::Irreversible => true,
            };
        let ripe = match (self.ground.rules.delete_after, row.inactive_since) {
            (None, _) => true,
            (Some(after), since) => since.is_some_and(|since| self.ground.now.duration_since(since) >= after),
        };
        if deletes && !ripe {
            self.out.unsettled.insert(ObjectRef::User(id.clone()));
        }
        // Where the app keeps the memberships of a deleted account, they go first: access ends at once, and the account last.
        let keeps_memberships = effect == DeleteEffect::Hard && !self.ground.rules.profile.users.deleted_leave_groups;
        let operation = |lane, action| Operation {
            lane,
            object: ObjectRef::User(id.clone()),
            app_id: Some(row.app_id.clone()),
            name: row_name(row, id),
            action,
            reason: reason.clone(),
            blocked: None,
        };
        // Where a deletion is for ever it waits for somebody; access ends before that.
        if deletes && ripe && effect != DeleteEffect::Irreversible {
            self.leaves_groups(row, effect != DeleteEffect::Deactivates);
            if keeps_memberships {
                if active {
                    self.push(operation(Lane::Leavers, Action::DeactivateUser));
                }
                self.push(operation(Lane::Absences, Action::DeleteUser { active: false }));
            } else {
                self.push(operation(Lane::Leavers, Action::DeleteUser { active }));
            }
            return LeaverState::Something;
        }
        if active && fate != DeprovisioningAction::Nothing {
            let gone = self.ground.rules.profile.users.inactive_effect == InactiveEffect::DeletesResource;
            self.leaves_groups(row, gone);
            self.push(operation(Lane::Leavers, Action::DeactivateUser));
        }
        if deletes && ripe {
            self.push(operation(Lane::Leavers, Action::DeleteUser { active: false }));
        }
        match deletes || (active && fate != DeprovisioningAction::Nothing) {
            true => LeaverState::Something,
            false => LeaverState::Nothing,
        }
    }

    /// Somebody whose account goes leaves the app's groups by that, if the app is like that.
    fn leaves_groups(&mut self, row: &UserRow, account_goes: bool) {
        if account_goes && self.ground.rules.profile.users.deleted_leave_groups {
            self.decided.leaving_groups.insert(row.number);
        }
    }

    fn problem(&mut self, id: &SourceId, name: &str, app_id: Option<&AppId>, why: String) {
        let nothing = Attributes::new;
        let action = match app_id {
            Some(_) => Action::UpdateUser { before: nothing(), set: nothing(), clear: Vec::new(), manager: None },
            None => Action::CreateUser { attributes: nothing() },
        };
        self.push(Operation {
            lane: Lane::Additions,
            object: ObjectRef::User(id.clone()),
            app_id: app_id.cloned(),
            name: name.to_owned(),
            action,
            reason: Reason::Record,
            blocked: Some(Blocked::Failed(Obstacle::Unmapped { why })),
        });
    }

    /// People who could not be mapped at all.
    pub(super) fn problems(&mut self, problems: &[(SourceId, String, String)]) {
        for (id, name, why) in problems {
            self.problem(id, name, None, why.clone());
        }
    }
}

/// Whether a leaver's account is as it shall stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeaverState {
    Nothing,
    Something,
}

/// The newcomers whom one account matches.
#[derive(Default)]
struct Suitors<'a>(Vec<(&'a SourceId, bool)>);

impl Suitors<'_> {
    /// Somebody who may have the account rather than `id`: a match by immutable id comes before all others, and of equals
    /// nobody comes first.
    fn rival_of(&self, id: &SourceId) -> Option<&SourceId> {
        let by_id = self.0.iter().any(|(suitor, by_id)| *by_id && *suitor == id);
        self.0.iter().find(|(suitor, rival_by_id)| *suitor != id && (*rival_by_id || !by_id)).map(|(rival, _)| *rival)
    }
}

fn owners<'a>(newcomers: &[(&'a PlannedUser, &'a Match<AppUser>)]) -> HashMap<&'a AppId, Suitors<'a>> {
    let mut suitors: HashMap<&AppId, Suitors<'_>> = HashMap::new();
    for (person, answer) in newcomers {
        let (account, by) = match answer {
            Match::One { found, by } => (&found.id, by),
            Match::Conflict(conflict) => match conflict.another() {
                Some(another) => (&another.id, &another.by),
                None => continue,
            },
            Match::Nobody => continue,
        };
        suitors.entry(account).or_default().0.push((&person.id, by == Path::external_id().as_str()));
    }
    suitors
}
