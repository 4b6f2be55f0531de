//! What is known after a call, or without one. It takes an operation and what the app answered, and returns effects for the journal.

use std::collections::HashSet;

use super::RunWorker;
use super::losses::note_losses;
use super::reply::{CallReply, CallTarget};
use crate::config::profile::{DeleteEffect, InactiveEffect};
use crate::model::{AppId, Attributes, Lane, ObjectRef, Path, Provenance, Reason, SourceId, fold};
use crate::plan::{Action, Member, Operation};
use crate::scim::{AppUser, Created, MemberKeys};
use crate::store::{Effect, StoreError};

impl RunWorker<'_> {
    /// What is known after a call that went well.
    pub(super) fn effects(&self, operation: &Operation, target: &CallTarget, reply: CallReply) -> Vec<Effect> {
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

    fn effects_of(&self, operation: &Operation, target: &CallTarget, reply: CallReply) -> Vec<Effect> {
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
            (Action::CreateUser { attributes }, CallReply::Created(Created { id, echo, .. })) => {
                self.created(operation, attributes, id, echo)
            }
            (Action::CreateUser { attributes }, CallReply::Found(id)) => {
                self.created(operation, attributes, id, Attributes::new())
            }
            (Action::UpdateUser { set, clear, .. }, reply) => {
                let mut set = set.clone();
                if let Some(manager) = &target.manager {
                    set.set(Path::manager(), manager.as_str().into());
                }
                let echo = if let CallReply::Echo(echo) = reply { echo } else { Attributes::new() };
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
            (Action::CreateGroup { display_name, first }, CallReply::Created(created)) => {
                created_group(&id, display_name, created, first, target)
            }
            // Whom the app took in with it is not known: adding somebody twice does no harm.
            (Action::CreateGroup { display_name, first }, CallReply::Found(app_id)) => {
                let doubted = Effect::MembersDoubted { group: id.clone(), users: ids_of(first) };
                [new_group(id, app_id, display_name)]
                    .into_iter()
                    .chain((!first.is_empty()).then_some(doubted))
                    .collect()
            }
            (Action::FreeName { through, .. }, reply) => match operation.object {
                ObjectRef::User(_) => {
                    let name = [(Path::user_name(), through.as_str().into())].into_iter().collect();
                    let echo = if let CallReply::Echo(echo) = reply { echo } else { Attributes::new() };
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
fn renamed(id: SourceId, name: &str, reply: CallReply) -> Vec<Effect> {
    let echo = if let CallReply::Echo(echo) = reply { echo } else { Attributes::new() };
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

/// Adoptions and releases: known without a call.
pub(super) fn effects_without_call(operation: &Operation) -> Vec<Effect> {
    let id = operation.object.id().clone();
    match (&operation.action, &operation.app_id) {
        (Action::AdoptUser { found, source, .. }, _) => {
            let mut effects = adopted(&id, found);
            if !source.is_empty() {
                effects.push(Effect::UserSource { id, seen: source.clone(), gone: Vec::new() });
            }
            effects
        }
        (Action::AdoptGroup { display_name, present, .. }, Some(app_id)) => {
            let mut effects = vec![Effect::GroupLinked {
                id: id.clone(),
                app_id: app_id.clone(),
                provenance: Provenance::Adopted,
                name: display_name.clone(),
            }];
            if !present.is_empty() {
                effects.push(Effect::MembersAdded { group: id, users: present.clone() });
            }
            effects
        }
        (Action::RelinkUser { from }, _) => vec![Effect::UserRelinked { from: from.clone(), to: id }],
        (Action::RelinkGroup { from, display_name, provenance, present }, Some(app_id)) => vec![
            Effect::GroupUnlinked { id: from.clone() },
            Effect::GroupLinked {
                id: id.clone(),
                app_id: app_id.clone(),
                provenance: *provenance,
                name: display_name.clone(),
            },
            Effect::MembersAdded { group: id, users: present.clone() },
        ],
        (Action::CompareGroup { gone: true, .. }, _) => vec![Effect::GroupUnlinked { id }],
        (Action::CompareGroup { display_name, joined, left, unknown, gone: false }, _) => {
            let mut effects = vec![Effect::GroupRenamed { id: id.clone(), name: display_name.clone() }];
            let (joined, left) = (ids_of(joined), ids_of(left));
            if !joined.is_empty() {
                let group = id.clone();
                effects.push(match unknown {
                    true => Effect::MembersDoubted { group, users: joined },
                    false => Effect::MembersAdded { group, users: joined },
                });
            }
            if !left.is_empty() {
                effects.push(Effect::MembersRemoved { group: id.clone(), users: left });
            }
            effects.push(Effect::GroupCompared { id });
            effects
        }
        // What an undo releases was taken over by mistake: nothing may take it over for that.
        (Action::ReleaseGroup, Some(app_id)) if operation.lane == Lane::Additions => {
            let let_go = Effect::GroupLetGo { id: id.clone(), app_id: app_id.clone(), name: operation.name.clone() };
            vec![Effect::GroupUnlinked { id }, let_go]
        }
        (Action::ReleaseGroup, _) => vec![Effect::GroupUnlinked { id }],
        (Action::ReleaseUser, _) => vec![Effect::UserUnlinked { id }],
        _ => Vec::new(),
    }
}

/// The directory's ids of members.
pub(super) fn ids_of(members: &[Member]) -> Vec<SourceId> {
    members.iter().map(|member| member.id.clone()).collect()
}

/// What is known of a group that was created.
pub(super) fn created_group(
    group: &SourceId,
    name: &str,
    created: Created,
    first: &[Member],
    target: &CallTarget,
) -> Vec<Effect> {
    let mut effects = vec![new_group(group.clone(), created.id, name)];
    effects.extend(name_shown(group, name, &created.echo));
    let group = group.clone();
    match created.members {
        _ if first.is_empty() => {}
        // Adding a member twice does no harm, and the memberships follow in this run.
        None => effects.push(Effect::MembersDoubted { group, users: ids_of(first) }),
        Some(shown) => match taken(first, &target.members, &shown) {
            users if users.is_empty() => {}
            users => effects.push(Effect::MembersAdded { group, users }),
        },
    }
    effects
}

/// Of the members that a group was created with, those whom the app shows in it.
pub(super) fn taken(first: &[Member], keys: &[MemberKeys], shown: &[String]) -> Vec<SourceId> {
    let exact: HashSet<&str> = shown.iter().map(String::as_str).collect();
    let folded: HashSet<String> = shown.iter().map(|value| fold(value)).collect();
    let is_in = |keys: &MemberKeys| exact.contains(keys.id.as_str()) || folded.contains(&fold(&keys.user_name));
    first.iter().zip(keys).filter(|(_, keys)| is_in(keys)).map(|(member, _)| member.id.clone()).collect()
}
