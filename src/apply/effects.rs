//! What is known after a call, or without one. It takes an operation and what the app answered, and returns effects for the journal.

use super::Worker;
use super::calls::{Reply, Target, ids_of};
use super::losses::note_losses;
use super::new_groups::created_group;
use crate::config::profile::{DeleteEffect, InactiveEffect};
use crate::model::{AppId, Attributes, ObjectRef, Path, Provenance, Reason, SourceId};
use crate::plan::{Action, Operation};
use crate::scim::{AppUser, Created};
use crate::store::{Effect, StoreError};

impl Worker<'_> {
    /// What is known after a call that went well.
    pub(super) fn effects(&self, operation: &Operation, target: &Target, reply: Reply) -> Vec<Effect> {
        let mut effects = self.effects_of(operation, target, reply);
        if matches!(operation.action, Action::DeactivateUser) && self.is_replaced(operation.object.id()) {
            effects.push(Effect::UserUnlinked { id: operation.object.id().clone() });
        }
        if matches!(operation.action, Action::UpdateUser { .. }) {
            effects.extend(self.reduced(operation));
        }
        effects
    }

    /// Whether an account was put aside for another one: once it is off, and in no group, nothing is left to know of it.
    fn is_replaced(&self, id: &SourceId) -> bool {
        let still_inside = self.found.is_still_inside(id);
        !still_inside && matches!(self.run.state.user(id), Ok(Some(row)) if row.replaced.is_some())
    }

    pub(super) async fn note_losses(&self, operation: &Operation, why: Reason) -> Result<(), StoreError> {
        note_losses(self.run.state, &self.run.id, why, self.losing(operation), self.run.clock.now()).await
    }

    fn losing(&self, operation: &Operation) -> Vec<SourceId> {
        operation.loses_access(&self.known.access).into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// Whoever keeps the account and lost a group or a role by this: it counts against the budget.
    pub(super) fn reduced(&self, operation: &Operation) -> Option<Effect> {
        let users = self.losing(operation);
        (!users.is_empty()).then(|| Effect::AccessReduced { users, at: self.run.clock.now() })
    }

    fn effects_of(&self, operation: &Operation, target: &Target, reply: Reply) -> Vec<Effect> {
        let id = operation.object.id().clone();
        let now = self.run.clock.now();
        let active = |active| Effect::UserSent {
            id: id.clone(),
            set: Attributes::new(),
            clear: Vec::new(),
            active: Some(active),
            echo: Attributes::new(),
        };
        let wire = &self.run.profile.users;
        let lost = Effect::AccessLost { user: id.clone(), at: now };
        match (&operation.action, reply) {
            (Action::CreateUser { attributes }, Reply::Created(Created { id, echo, .. })) => {
                self.created(operation, attributes, id, echo)
            }
            (Action::CreateUser { attributes }, Reply::Found(id)) => {
                self.created(operation, attributes, id, Attributes::new())
            }
            (Action::UpdateUser { set, clear, .. }, reply) => {
                let mut set = set.clone();
                if let Some(manager) = &target.manager {
                    set.set(Path::manager(), manager.as_str().into());
                }
                let echo = if let Reply::Echo(echo) = reply { echo } else { Attributes::new() };
                let seen = self.source_seen(&id, &set, clear, operation);
                let mut effects = vec![sent(&id, set, clear.clone(), None, echo)];
                effects.extend(seen);
                effects
            }
            (Action::ReplaceUser { aside, .. }, _) => vec![Effect::UserReplaced { from: id, to: aside.clone() }],
            (Action::ActivateUser, _) => vec![active(true)],
            (Action::DeactivateUser, _) if wire.inactive_effect == InactiveEffect::DeletesResource => {
                vec![lost, Effect::UserUnlinked { id }]
            }
            (Action::DeleteUser { .. }, _) if wire.delete_effect != DeleteEffect::Deactivates => {
                vec![lost, Effect::UserUnlinked { id }]
            }
            (Action::DeactivateUser | Action::DeleteUser { .. }, _) => vec![active(false), lost],
            (Action::CreateGroup { display_name, first }, Reply::Created(created)) => {
                created_group(&id, display_name, created, first, target)
            }
            // Whom the app took in with it is not known: adding somebody twice does no harm.
            (Action::CreateGroup { display_name, first }, Reply::Found(app_id)) => {
                let doubted = Effect::MembersDoubted { group: id.clone(), users: ids_of(first) };
                [new_group(id, app_id, display_name)]
                    .into_iter()
                    .chain((!first.is_empty()).then_some(doubted))
                    .collect()
            }
            (Action::FreeName { through, .. }, reply) => match operation.object {
                ObjectRef::User(_) => {
                    let name = [(Path::user_name(), through.as_str().into())].into_iter().collect();
                    let echo = if let Reply::Echo(echo) = reply { echo } else { Attributes::new() };
                    vec![sent(&id, name, Vec::new(), None, echo)]
                }
                ObjectRef::Group(_) => renamed(id, through, reply),
            },
            (Action::RenameGroup { to, .. }, reply) => renamed(id, to, reply),
            (Action::DeleteGroup { .. }, _) => vec![Effect::GroupUnlinked { id }],
            _ => Vec::new(),
        }
    }

    /// What is known after an account was made.
    fn created(&self, operation: &Operation, attributes: &Attributes, app_id: AppId, echo: Attributes) -> Vec<Effect> {
        let id = operation.object.id();
        let mut effects = vec![
            Effect::UserLinked { id: id.clone(), app_id, provenance: Provenance::Created },
            sent(id, attributes.clone(), Vec::new(), Some(true), echo),
        ];
        effects.extend(self.source_seen(id, attributes, &[], operation));
        effects
    }

    /// The directory's values at which attributes that follow it only on change were pushed.
    fn source_seen(&self, id: &SourceId, set: &Attributes, clear: &[Path], operation: &Operation) -> Option<Effect> {
        let watched = self.run.on_source_change;
        let value = |path: &Path| match &operation.action {
            // The app was given the manager's account; the directory said their id.
            Action::UpdateUser { manager: Some(manager), .. } if *path == Path::manager() => {
                Some(manager.as_str().into())
            }
            _ => set.get(path).cloned(),
        };
        let seen: Attributes = watched.iter().filter_map(|path| Some((path.clone(), value(path)?))).collect();
        let gone: Vec<Path> = watched.iter().filter(|path| clear.contains(path)).cloned().collect();
        (!seen.is_empty() || !gone.is_empty()).then(|| Effect::UserSource { id: id.clone(), seen, gone })
    }
}

/// The note of values sent: of the echo only what differs is worth keeping.
fn sent(id: &SourceId, set: Attributes, clear: Vec<Path>, active: Option<bool>, echo: Attributes) -> Effect {
    let echo = echo.into_iter().filter(|(path, value)| set.get(path) != Some(value)).collect();
    Effect::UserSent { id: id.clone(), set, clear, active, echo }
}

/// A group has another name, and how the app shows it.
fn renamed(id: SourceId, name: &str, reply: Reply) -> Vec<Effect> {
    let echo = if let Reply::Echo(echo) = reply { echo } else { Attributes::new() };
    let shown = name_shown(&id, name, &echo);
    [Effect::GroupRenamed { id, name: name.to_owned() }].into_iter().chain(shown).collect()
}

/// The app's own way of writing a group's name, if the answer shows one.
pub(super) fn name_shown(id: &SourceId, sent: &str, echo: &Attributes) -> Option<Effect> {
    let shown = echo.text(&Path::display_name()).filter(|shown| *shown != sent && !shown.is_empty())?;
    Some(Effect::GroupNameShown { id: id.clone(), shown: shown.to_owned() })
}

pub(super) fn new_group(id: SourceId, app_id: AppId, name: &str) -> Effect {
    Effect::GroupLinked { id, app_id, provenance: Provenance::Created, name: name.to_owned() }
}

/// A link to an account that others made, with the values it shows.
pub(super) fn adopted(id: &SourceId, found: &AppUser) -> Vec<Effect> {
    vec![
        Effect::UserLinked { id: id.clone(), app_id: found.id.clone(), provenance: Provenance::Adopted },
        Effect::UserSent {
            id: id.clone(),
            set: found.attributes.clone(),
            clear: Vec::new(),
            active: Some(found.active),
            echo: Attributes::new(),
        },
    ]
}
