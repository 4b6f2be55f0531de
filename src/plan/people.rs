//! What happens to people. In: the survey and what app and directory answered. Out: operations, each with its reason.

use std::collections::HashMap;

use jiff::Timestamp;

use super::operation::{Action, Blocked, Operation};
use super::person::{Person, person};
use super::survey::label;
use super::{Account, Answers, Draft};
use crate::config::profile::{DeleteEffect, InactiveEffect};
use crate::config::tenant::{Fate, OnImmutableChange, Push};
use crate::desired::Desired;
use crate::model::{AppId, Attributes, Lane, ObjectRef, Path, SourceId, Standing};
use crate::scim::{AppUser, Match};
use crate::source::{Presence, UserIx};
use crate::store::{StoreError, UserRow};

/// How long a person must have been missing before a second complete snapshot counts as confirmation.
const SECOND_LOOK_MINUTES: i64 = 10;

/// What stands between a person and their account.
enum Leaving {
    Suspended,
    Unassigned(String),
    Deleted,
}

impl Draft<'_> {
    /// People who belong and have no link yet.
    pub(super) fn newcomers(&mut self, newcomers: &[Person], answers: &Answers) -> Result<(), StoreError> {
        let mut claimed: HashMap<AppId, SourceId> = HashMap::new();
        for (person, answer) in newcomers.iter().zip(&answers.users) {
            let because = self.desired.because(person.ix);
            match answer {
                Match::Nobody => self.create(person, &because),
                Match::Conflict { detail } => self.blocked_create(person, Blocked::Failed(detail.clone())),
                Match::One { found, by } => {
                    let owner = match claimed.get(&found.id) {
                        Some(other) => Some(other.clone()),
                        None => self.baseline.user_by_app_id(&found.id)?,
                    };
                    match owner.filter(|owner| *owner != person.id) {
                        Some(other) => self.blocked_create(
                            person,
                            Blocked::Held(format!(
                                "the account {} that matches by {by} belongs to the directory's {other}",
                                found.id
                            )),
                        ),
                        None => {
                            claimed.insert(found.id.clone(), person.id.clone());
                            self.adopt(person, found, by, &because);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn create(&mut self, person: &Person, because: &str) {
        self.accounts.insert(person.id.clone(), Account::Coming);
        let action = Action::CreateUser { attributes: person.attributes.clone() };
        self.push(user_operation(Lane::Additions, person, None, action, because.to_owned()));
        self.note_manager(person, None, &Attributes::new());
    }

    fn blocked_create(&mut self, person: &Person, blocked: Blocked) {
        let action = Action::CreateUser { attributes: person.attributes.clone() };
        let because = self.desired.because(person.ix);
        let mut operation = user_operation(Lane::Additions, person, None, action, because);
        operation.blocked = Some(blocked);
        self.push(operation);
    }

    fn adopt(&mut self, person: &Person, found: &AppUser, by: &str, because: &str) {
        self.accounts.insert(person.id.clone(), Account::Known(found.id.clone()));
        let mapping = self.rules.mapping;
        let source = person.attributes.iter().filter(|(path, _)| mapping.push(path) == Push::OnSourceChange);
        let source = source.map(|(path, value)| (path.clone(), value.clone())).collect();
        let action = Action::AdoptUser { found: found.clone(), by: by.to_owned(), source };
        let reason = format!("{because}; the app has this account already, matched by {by}");
        self.push(user_operation(Lane::Additions, person, Some(&found.id), action, reason));
        if !found.active {
            self.activate(person, &found.id, because);
        }
        let row = Before { attributes: &found.attributes, source_seen: None, app_id: &found.id };
        self.update(person, &row, "the adopted account differs from the directory");
    }

    fn activate(&mut self, person: &Person, app_id: &AppId, because: &str) {
        self.push(user_operation(Lane::Additions, person, Some(app_id), Action::ActivateUser, because.to_owned()));
    }

    /// A linked person whose record, standing or assignment may have changed.
    pub(super) fn linked(&mut self, user: UserIx) -> Result<(), StoreError> {
        let desired: &Desired<'_> = self.desired;
        let snapshot = desired.snapshot;
        let id = SourceId::new(snapshot.id(user));
        let Some(row) = self.baseline.user(&id)? else { return Ok(()) };
        let mapped = match desired.frozen(user) {
            Some(why) => Err(why.to_owned()),
            None => person(snapshot, user, self.rules),
        };
        let fresh = mapped.as_ref().map(|person| &person.attributes);
        if self.rules.protected.covers(id.as_str(), &[&row.sent, &row.echo, fresh.unwrap_or(&Attributes::new())]) {
            return Ok(());
        }
        match snapshot.standing(user) {
            Standing::Suspended => {
                let name = row_name(&row, &id);
                self.leave(&id, &name, &row, Leaving::Suspended, Lane::Leavers);
            }
            Standing::Staged => {}
            Standing::Active if desired.frozen(user).is_none() && !desired.is_assigned(user) => {
                if self.held_by_unread_group(&row)? {
                    self.unsettled.insert(id);
                } else {
                    let name = row_name(&row, &id);
                    let why = "no group in scope holds this person".to_owned();
                    self.leave(&id, &name, &row, Leaving::Unassigned(why), Lane::Absences);
                }
            }
            Standing::Active => match mapped {
                Ok(person) => {
                    if row.active == Some(false) {
                        let because = desired.because(user);
                        self.activate(&person, &row.app_id, &format!("{because} (again)"));
                    }
                    let before =
                        Before { attributes: &row.sent, source_seen: Some(&row.source_seen), app_id: &row.app_id };
                    self.update(&person, &before, "the directory's record changed");
                }
                Err(why) => self.problem(&id, &label(snapshot, user), Some(&row.app_id), why),
            },
        }
        Ok(())
    }

    /// A linked person who is not in the snapshot.
    pub(super) fn absent(&mut self, id: &SourceId, answer: Presence, now: Timestamp) -> Result<(), StoreError> {
        let Some(row) = self.baseline.user(id)? else { return Ok(()) };
        if self.rules.protected.covers(id.as_str(), &[&row.sent, &row.echo]) {
            return Ok(());
        }
        let name = row_name(&row, id);
        match answer {
            Presence::Gone => self.leave(id, &name, &row, Leaving::Deleted, Lane::Absences),
            Presence::Suspended => self.leave(id, &name, &row, Leaving::Suspended, Lane::Leavers),
            Presence::Present | Presence::Unknown => {
                let long_enough = row.missed_since.is_some_and(|since| {
                    now.duration_since(since) >= jiff::SignedDuration::from_mins(SECOND_LOOK_MINUTES)
                });
                if !long_enough || self.held_by_unread_group(&row)? {
                    self.unconfirmed.insert(row.number);
                    self.missed.push((ObjectRef::User(id.clone()), row.missed_since.unwrap_or(now)));
                } else {
                    let why = "missing from two complete readings, and the directory did not say deleted".to_owned();
                    self.leave(id, &name, &row, Leaving::Unassigned(why), Lane::Absences);
                }
            }
        }
        Ok(())
    }

    fn leave(&mut self, id: &SourceId, name: &str, row: &UserRow, why: Leaving, lane: Lane) {
        let (fate, reason) = match why {
            Leaving::Suspended => (self.rules.on_suspended, "the directory suspended this person".to_owned()),
            Leaving::Unassigned(why) => (self.rules.on_unassigned, why),
            Leaving::Deleted => (self.rules.on_deleted, "the directory says this person is gone".to_owned()),
        };
        let wire = &self.rules.profile.users;
        let deletable = wire.delete_effect != DeleteEffect::Unsupported;
        let ripe = match (self.rules.delete_after, row.inactive_since) {
            (None, _) => true,
            (Some(after), Some(since)) => self.now.duration_since(since) >= after,
            (Some(_), None) => false,
        };
        let active = row.active != Some(false);
        if fate == Fate::Delete && deletable && !ripe {
            self.unsettled.insert(id.clone());
        }
        let action = match fate {
            Fate::Nothing => None,
            Fate::Delete if deletable && ripe => {
                let only_deactivates = wire.delete_effect == DeleteEffect::Deactivates;
                (active || !only_deactivates).then_some(Action::DeleteUser)
            }
            Fate::Delete | Fate::Deactivate => active.then_some(Action::DeactivateUser),
        };
        let Some(action) = action else { return };
        let gone = action == Action::DeleteUser
            || (action == Action::DeactivateUser && wire.inactive_effect == InactiveEffect::DeletesResource);
        if gone && wire.deleted_leave_groups {
            self.leaving_groups.insert(row.number);
        }
        self.push(Operation {
            lane,
            object: ObjectRef::User(id.clone()),
            app_id: Some(row.app_id.clone()),
            name: name.to_owned(),
            action,
            reason,
            blocked: None,
        });
    }

    /// Changes of attributes: what the directory says now against what the app was last given.
    fn update(&mut self, person: &Person, before: &Before<'_>, reason: &str) {
        let mut changes = Diff::default();
        let mut paths: Vec<Path> = self.rules.mapping.paths().cloned().collect();
        if !paths.contains(&Path::external_id()) {
            paths.push(Path::external_id());
        }
        for path in &paths {
            if *path == Path::manager() || person.leave.contains(path) || self.rules.unsupported(path) {
                continue;
            }
            self.compare(path, person, before, &mut changes);
        }
        let plain = !changes.set.is_empty() || !changes.clear.is_empty();
        if plain {
            let action =
                Action::UpdateUser { before: changes.was, set: changes.set, clear: changes.clear, manager: None };
            self.push(user_operation(Lane::Additions, person, Some(before.app_id), action, reason.to_owned()));
        }
        if !changes.immutable.is_empty() {
            self.immutable_change(person, before, changes.immutable);
        }
        if person.manager.is_some() {
            self.note_manager(person, Some(before.app_id), before.attributes);
        } else if before.attributes.get(&Path::manager()).is_some() && self.rules.maps_manager() {
            let was = before.attributes.iter().filter(|(path, _)| **path == Path::manager());
            let action = Action::UpdateUser {
                before: was.map(|(path, value)| (path.clone(), value.clone())).collect(),
                set: Attributes::new(),
                clear: vec![Path::manager()],
                manager: None,
            };
            self.push(user_operation(Lane::Additions, person, Some(before.app_id), action, reason.to_owned()));
        }
    }

    fn compare(&self, path: &Path, person: &Person, before: &Before<'_>, changes: &mut Diff) {
        let (now, was) = (person.attributes.get(path), before.attributes.get(path));
        let due = match self.rules.push(path) {
            Push::Always => now != was,
            Push::OnCreate => false,
            Push::OnSourceChange => match before.source_seen {
                Some(seen) => now != seen.get(path),
                None => now.is_some() && now != was,
            },
        };
        if !due || self.rules.never_updated(path) {
            return;
        }
        if let Some(was) = was {
            changes.was.set(path.clone(), was.clone());
        }
        match now {
            _ if self.rules.is_immutable(path) && was.is_some() => changes.immutable.push(path.clone()),
            Some(now) => changes.set.set(path.clone(), now.clone()),
            // Without a value in the directory an attribute pushed on change stays as the app has it (O6).
            None if self.rules.push(path) == Push::OnSourceChange || !self.rules.can_clear() => {}
            None => changes.clear.push(path.clone()),
        }
    }

    fn immutable_change(&mut self, person: &Person, before: &Before<'_>, paths: Vec<Path>) {
        if self.rules.on_immutable_change == OnImmutableChange::Ignore {
            return;
        }
        let pick = |from: &Attributes| -> Attributes {
            paths.iter().filter_map(|path| from.get(path).map(|value| (path.clone(), value.clone()))).collect()
        };
        let names = paths.iter().map(Path::as_str).collect::<Vec<_>>().join(", ");
        let action = Action::UpdateUser {
            before: pick(before.attributes),
            set: pick(&person.attributes),
            clear: Vec::new(),
            manager: None,
        };
        let mut operation = user_operation(
            Lane::Additions,
            person,
            Some(before.app_id),
            action,
            "the directory's record changed".into(),
        );
        operation.blocked =
            Some(Blocked::Held(format!("this app can't change {names}: trying would make a second account")));
        self.push(operation);
    }

    /// Managers are looked at when it is known who will have an account.
    fn note_manager(&mut self, person: &Person, app_id: Option<&AppId>, before: &Attributes) {
        let Some(manager) = person.manager.clone() else { return };
        let holds = before.text(&Path::manager()).map(str::to_owned);
        let reason = "the manager in the directory".to_owned();
        let was = before.get(&Path::manager()).map(|value| (Path::manager(), value.clone()));
        let action = Action::UpdateUser {
            before: was.into_iter().collect(),
            set: Attributes::new(),
            clear: Vec::new(),
            manager: Some(manager.clone()),
        };
        let operation = user_operation(Lane::Additions, person, app_id, action, reason);
        self.managers.push((manager, holds, operation));
    }

    /// Second pass: a manager is set once they have, or are about to have, an account; until then what the app holds stays.
    pub(super) fn managers(&mut self) -> Result<(), StoreError> {
        for (manager, holds, operation) in std::mem::take(&mut self.managers) {
            match self.account_of(&manager)? {
                Account::None => {
                    if let ObjectRef::User(id) = &operation.object {
                        self.unsettled.insert(id.clone());
                    }
                }
                Account::Known(account) if holds.as_deref() == Some(account.as_str()) => {}
                Account::Known(_) | Account::Coming => self.push(operation),
            }
        }
        Ok(())
    }

    fn problem(&mut self, id: &SourceId, name: &str, app_id: Option<&AppId>, why: String) {
        self.push(Operation {
            lane: Lane::Additions,
            object: ObjectRef::User(id.clone()),
            app_id: app_id.cloned(),
            name: name.to_owned(),
            action: match app_id {
                Some(_) => Action::UpdateUser {
                    before: Attributes::new(),
                    set: Attributes::new(),
                    clear: Vec::new(),
                    manager: None,
                },
                None => Action::CreateUser { attributes: Attributes::new() },
            },
            reason: "the directory's record".to_owned(),
            blocked: Some(Blocked::Failed(why)),
        });
    }

    /// People who could not be mapped at all.
    pub(super) fn problems(&mut self, problems: &[(SourceId, String, String)]) {
        for (id, name, why) in problems {
            self.problem(id, name, None, why.clone());
        }
    }
}

/// What is known of the account before the update.
struct Before<'a> {
    attributes: &'a Attributes,
    /// `None` for an account that is just being adopted.
    source_seen: Option<&'a Attributes>,
    app_id: &'a AppId,
}

#[derive(Default)]
struct Diff {
    was: Attributes,
    set: Attributes,
    clear: Vec<Path>,
    immutable: Vec<Path>,
}

fn user_operation(lane: Lane, person: &Person, app_id: Option<&AppId>, action: Action, reason: String) -> Operation {
    Operation {
        lane,
        object: ObjectRef::User(person.id.clone()),
        app_id: app_id.cloned(),
        name: person.name.clone(),
        action,
        reason,
        blocked: None,
    }
}

pub(super) fn row_name(row: &UserRow, id: &SourceId) -> String {
    row.sent.text(&Path::user_name()).unwrap_or(id.as_str()).to_owned()
}
