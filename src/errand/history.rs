//! What one run did, and who touched the same things since. In: the journal's records, oldest first. Out: a [`History`].
//!
//! Only what was carried out counts. Of each thing the *first* value before the run is kept: what it was after the run, the
//! state knows. Memory grows with what the run did, not with the journal.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use jiff::Timestamp;
use serde_json::Value;

use crate::model::{AppId, ObjectRef, Op, Path, Provenance, Reason, RunId, SourceId};
use crate::store::{Baseline, CallIntent, Effect, JournalEvent, OutcomeResult, Record, StoreError};

/// One thing that can be put back by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Facet {
    /// Whether an account is active.
    Active(SourceId),
    /// One attribute of an account.
    Attribute(SourceId, Path),
    /// Whether somebody is a member: group, person.
    Member(SourceId, SourceId),
    /// A group's name.
    Name(SourceId),
    /// Whether an object is linked.
    Link(ObjectRef),
}

/// What a run did.
#[derive(Debug, Default)]
pub struct History {
    /// When it began; `None` if the journal has no such run.
    pub started: Option<Timestamp>,
    /// Accounts it made.
    pub created: BTreeMap<SourceId, AppId>,
    /// Accounts that were there and that it linked.
    pub adopted: BTreeSet<SourceId>,
    /// Whether these accounts were active before.
    pub active: BTreeMap<SourceId, bool>,
    /// What these accounts held before; `None` for nothing.
    pub attributes: BTreeMap<SourceId, BTreeMap<Path, Option<Value>>>,
    /// Who was a member of which group before.
    pub members: BTreeMap<SourceId, BTreeMap<SourceId, bool>>,
    /// What these groups were called before.
    pub names: BTreeMap<SourceId, String>,
    /// Groups it made.
    pub created_groups: BTreeSet<SourceId>,
    /// Groups that were there and that it linked.
    pub adopted_groups: BTreeSet<SourceId>,
    /// People it gave another account, and the ids under which the old ones were kept.
    pub replaced: BTreeSet<SourceId>,
    /// Accounts and groups it deleted.
    pub deleted: BTreeSet<ObjectRef>,
    /// Links it ended without a call: released, or found to be gone from the app.
    pub released: BTreeSet<ObjectRef>,
    /// Things it may have changed: the call was never answered, and nobody has looked since.
    pub doubtful: HashSet<Facet>,
    /// Accounts and groups it may have made or deleted, unanswered too; with their names.
    pub unanswered: BTreeMap<ObjectRef, String>,
    /// Memberships it may have changed, unanswered too, of which an earlier version wrote down no ids: group, user name, whether
    /// they were a member before.
    pub(super) unanswered_members: Vec<(SourceId, String, bool)>,
    /// What each thing was touched by since.
    pub since: HashMap<Facet, RunId>,
    /// Names of what was deleted or released, as far as the journal has them.
    pub called: HashMap<ObjectRef, String>,
}

impl History {
    /// Reads what a run did.
    ///
    /// # Errors
    /// When the journal can't be read to its end.
    pub fn read(records: impl Iterator<Item = Result<Record, StoreError>>, run: &RunId) -> Result<Self, StoreError> {
        let mut history = Self::default();
        let mut open: HashMap<u64, CallIntent> = HashMap::new();
        for record in records {
            let record = record?;
            match record.event {
                JournalEvent::RunStarted { run: of, .. } if of == *run => {
                    history.started = history.started.or(Some(record.at));
                }
                JournalEvent::Intent(intent) => drop(open.insert(record.seq, *intent)),
                JournalEvent::Outcome { intent, result, effects } => match open.remove(&intent) {
                    Some(intent) if intent.run == *run => match result {
                        OutcomeResult::Failed { .. } => {}
                        OutcomeResult::Done { .. } => history.deed(&intent, &effects),
                        OutcomeResult::Unknown { .. } => {
                            history.deed(&intent, &effects);
                            history.doubt(&intent, &effects);
                        }
                    },
                    // What an earlier undo of this run has put back already is no change of its own.
                    Some(intent) if is_revert_of(&intent.reason, run) => {}
                    Some(intent) => history.later(&intent.run, &effects),
                    None => {}
                },
                JournalEvent::Noted { run: of, reason, effects } if of == *run => history.note(&reason, &effects),
                JournalEvent::Noted { run: of, effects, .. } => history.later(&of, &effects),
                _ => {}
            }
        }
        Ok(history)
    }

    /// Whether there is anything to put back, or to say.
    pub fn is_empty(&self) -> bool {
        self.created.is_empty()
            && self.adopted.is_empty()
            && self.active.is_empty()
            && self.attributes.is_empty()
            && self.members.is_empty()
            && self.names.is_empty()
            && self.created_groups.is_empty()
            && self.adopted_groups.is_empty()
            && self.replaced.is_empty()
            && self.deleted.is_empty()
            && self.released.is_empty()
            && self.unanswered.is_empty()
            && self.unanswered_members.is_empty()
    }

    /// Everybody whose account the run touched.
    pub fn people(&self) -> BTreeSet<&SourceId> {
        let all = self
            .replaced
            .iter()
            .chain(self.created.keys())
            .chain(&self.adopted)
            .chain(self.active.keys())
            .chain(self.attributes.keys());
        all.collect()
    }

    /// Every group the run touched.
    pub fn groups(&self) -> BTreeSet<&SourceId> {
        let all = self.members.keys().chain(self.names.keys()).chain(&self.created_groups).chain(&self.adopted_groups);
        all.collect()
    }

    /// Looks up what deleted and released objects were called.
    ///
    /// # Errors
    /// When the journal can't be read to its end.
    pub fn name_the_gone(
        &mut self,
        records: impl Iterator<Item = Result<Record, StoreError>>,
    ) -> Result<(), StoreError> {
        for record in records {
            let (JournalEvent::Outcome { effects, .. } | JournalEvent::Noted { effects, .. }) = record?.event else {
                continue;
            };
            for effect in effects {
                let (object, name) = match effect {
                    Effect::UserSent { id, set, .. } => {
                        let Some(name) = set.text(&Path::user_name()) else { continue };
                        (ObjectRef::User(id), name.to_owned())
                    }
                    Effect::GroupLinked { id, name, .. } | Effect::GroupRenamed { id, name } => {
                        (ObjectRef::Group(id), name)
                    }
                    _ => continue,
                };
                if self.deleted.contains(&object) || self.released.contains(&object) {
                    self.called.insert(object, name);
                }
            }
        }
        Ok(())
    }

    /// A call of the run that was carried out, or may have been: what it left is in the state, what was before is in here.
    fn deed(&mut self, intent: &CallIntent, effects: &[Effect]) {
        let ended =
            effects.iter().any(|effect| matches!(effect, Effect::UserUnlinked { .. } | Effect::GroupUnlinked { .. }));
        match (&intent.object, intent.op) {
            (ObjectRef::User(id), Op::CreateUser) => {
                for effect in effects {
                    match effect {
                        // The app gave an account back that was there before.
                        Effect::UserLinked { provenance: Provenance::Adopted, .. } => {
                            self.adopted.insert(id.clone());
                        }
                        Effect::UserLinked { app_id, .. } => drop(self.created.insert(id.clone(), app_id.clone())),
                        _ => {}
                    }
                }
            }
            (ObjectRef::User(id), Op::ReplaceUser) => drop(self.replaced.insert(id.clone())),
            // It was replaced by another one: that is why nothing more is known of it.
            (ObjectRef::User(id), Op::DeactivateUser) if ended && effects.iter().any(switches_off) => {
                self.replaced.insert(id.clone());
            }
            (ObjectRef::User(_), Op::DeactivateUser | Op::DeleteUser) if ended => {
                self.deleted.insert(intent.object.clone());
            }
            (ObjectRef::User(id), Op::DeactivateUser | Op::DeleteUser | Op::ActivateUser) => {
                self.active.entry(id.clone()).or_insert(intent.op != Op::ActivateUser);
            }
            (ObjectRef::User(id), Op::UpdateUser | Op::FreeName) => {
                let before = self.attributes.entry(id.clone()).or_default();
                for change in &intent.changes {
                    if let Ok(path) = Path::parse(&change.attribute) {
                        before.entry(path).or_insert_with(|| Some(change.from.clone()).filter(|from| !from.is_null()));
                    }
                }
            }
            (ObjectRef::Group(id), Op::CreateGroup) => {
                let was_there =
                    |effect: &Effect| matches!(effect, Effect::GroupLinked { provenance: Provenance::Adopted, .. });
                match effects.iter().any(was_there) {
                    true => self.adopted_groups.insert(id.clone()),
                    false => self.created_groups.insert(id.clone()),
                };
                // Some apps are given the first members with the group.
                for effect in effects {
                    if let Effect::MembersAdded { users, .. } = effect {
                        self.member(id, users, false);
                    }
                }
            }
            (ObjectRef::Group(id), Op::RenameGroup | Op::FreeName) => {
                if let Some(from) = intent.changes.first().and_then(|change| change.from.as_str()) {
                    self.names.entry(id.clone()).or_insert_with(|| from.to_owned());
                }
            }
            (ObjectRef::Group(_), Op::DeleteGroup) if ended => drop(self.deleted.insert(intent.object.clone())),
            (ObjectRef::Group(id), Op::AddMembers | Op::RemoveMembers) => {
                for effect in effects {
                    match effect {
                        Effect::MembersAdded { users, .. } if intent.op == Op::AddMembers => {
                            self.member(id, users, false);
                        }
                        Effect::MembersRemoved { users, .. } if intent.op == Op::RemoveMembers => {
                            self.member(id, users, true);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    /// A call that was never answered. Where somebody has looked since, the effects say what came of it.
    fn doubt(&mut self, intent: &CallIntent, effects: &[Effect]) {
        use Effect::{AccessLost, Failed, GroupUnlinked, MembersAdded, MembersDoubted, MembersRemoved, Settled};
        let is_of_members = matches!(intent.op, Op::AddMembers | Op::RemoveMembers);
        let is_word = |effect: &Effect| match effect {
            // A failure, a doubt and a loss that may have been say nothing of what the app holds.
            Failed { .. } | Settled { .. } | MembersDoubted { .. } | AccessLost { .. } => false,
            // That the group was seen says nothing of members whom the app does not show.
            effect if is_of_members => {
                matches!(effect, MembersAdded { .. } | MembersRemoved { .. } | GroupUnlinked { .. })
            }
            _ => true,
        };
        if effects.iter().any(is_word) {
            return;
        }
        match (&intent.object, intent.op) {
            (ObjectRef::User(id), Op::ActivateUser | Op::DeactivateUser | Op::DeleteUser) => {
                self.doubtful.insert(Facet::Active(id.clone()));
            }
            (ObjectRef::User(id), Op::UpdateUser | Op::FreeName) => {
                let paths = intent.changes.iter().filter_map(|change| Path::parse(&change.attribute).ok());
                self.doubtful.extend(paths.map(|path| Facet::Attribute(id.clone(), path)));
            }
            (ObjectRef::Group(id), Op::RenameGroup | Op::FreeName) => {
                self.doubtful.insert(Facet::Name(id.clone()));
            }
            (ObjectRef::Group(id), Op::AddMembers | Op::RemoveMembers) => {
                let before = intent.op == Op::RemoveMembers;
                if !intent.members.is_empty() {
                    self.doubtful.extend(intent.members.iter().map(|user| Facet::Member(id.clone(), user.clone())));
                    self.member(id, &intent.members, before);
                    return;
                }
                // Earlier versions wrote the user names only.
                let lists = intent.changes.iter().filter_map(|change| change.from.as_array().or(change.to.as_array()));
                let names = lists.flatten().filter_map(Value::as_str);
                self.unanswered_members.extend(names.map(|name| (id.clone(), name.to_owned(), before)));
            }
            (object, _) => {
                let names = ["userName", "displayName"];
                let named = intent.changes.iter().find(|change| names.contains(&change.attribute.as_str()));
                let name = named.and_then(|change| change.to.as_str()).unwrap_or(object.id().as_str());
                self.unanswered.insert(object.clone(), name.to_owned());
            }
        }
    }

    /// Finds out who the people of unanswered membership calls are, of whom an earlier version wrote only the user names. Those who
    /// go by another name now stay in `unanswered_members`.
    ///
    /// # Errors
    /// When the state can't be read.
    pub(super) fn resolve(&mut self, state: &dyn Baseline) -> Result<(), StoreError> {
        if self.unanswered_members.is_empty() {
            return Ok(());
        }
        let mut ids: HashMap<String, SourceId> = HashMap::new();
        let wanted: HashSet<&str> = self.unanswered_members.iter().map(|(_, name, _)| name.as_str()).collect();
        state.linked_users(&mut |id, row| {
            let name = row.sent.text(&Path::user_name()).unwrap_or(id.as_str()).to_owned();
            if wanted.contains(name.as_str()) {
                ids.insert(name, id);
            }
            ControlFlow::Continue(())
        })?;
        for (group, name, before) in std::mem::take(&mut self.unanswered_members) {
            match ids.get(&name) {
                Some(user) => {
                    self.doubtful.insert(Facet::Member(group.clone(), user.clone()));
                    self.members.entry(group).or_default().entry(user.clone()).or_insert(before);
                }
                None => self.unanswered_members.push((group, name, before)),
            }
        }
        Ok(())
    }

    fn member(&mut self, group: &SourceId, users: &[SourceId], before: bool) {
        let members = self.members.entry(group.clone()).or_default();
        for user in users {
            members.entry(user.clone()).or_insert(before);
        }
    }

    /// What the run learned or decided without a call.
    fn note(&mut self, reason: &Reason, effects: &[Effect]) {
        for effect in effects {
            match effect {
                // Members of before, who are put in again because the app shows nobody: by that they are no new ones.
                Effect::MembersDoubted { group, users } if *reason == Reason::LinkedOrReleased => {
                    self.member(group, users, true);
                }
                Effect::UserLinked { id, provenance: Provenance::Adopted, .. } => {
                    self.adopted.insert(id.clone());
                }
                Effect::GroupLinked { id, provenance: Provenance::Adopted, .. } => {
                    self.adopted_groups.insert(id.clone());
                }
                Effect::UserUnlinked { id } => drop(self.released.insert(ObjectRef::User(id.clone()))),
                Effect::GroupUnlinked { id } => drop(self.released.insert(ObjectRef::Group(id.clone()))),
                _ => {}
            }
        }
    }

    /// What another run did afterwards. Before this run there is nothing yet that it could have touched.
    fn later(&mut self, run: &RunId, effects: &[Effect]) {
        let mut touched = Vec::new();
        for effect in effects {
            match effect {
                Effect::UserSent { id, set, clear, active, .. } => {
                    if active.is_some() && (self.active.contains_key(id) || self.created.contains_key(id)) {
                        touched.push(Facet::Active(id.clone()));
                    }
                    if let Some(ours) = self.attributes.get(id) {
                        let paths =
                            set.iter().map(|(path, _)| path).chain(clear).filter(|path| ours.contains_key(*path));
                        touched.extend(paths.map(|path| Facet::Attribute(id.clone(), path.clone())));
                    }
                    if self.adopted.contains(id) {
                        touched.push(Facet::Link(ObjectRef::User(id.clone())));
                    }
                }
                Effect::UserLinked { id, .. } | Effect::UserUnlinked { id } => {
                    touched.push(Facet::Link(ObjectRef::User(id.clone())));
                }
                Effect::GroupRenamed { id, .. } if self.names.contains_key(id) => touched.push(Facet::Name(id.clone())),
                Effect::GroupLinked { id, .. } | Effect::GroupUnlinked { id } => {
                    touched.push(Facet::Link(ObjectRef::Group(id.clone())));
                }
                Effect::MembersAdded { group, users }
                | Effect::MembersRemoved { group, users }
                | Effect::MembersDoubted { group, users } => {
                    let ours = self.members.get(group);
                    // Who the people of an unanswered call are is found out later.
                    let all = self.unanswered_members.iter().any(|(of, ..)| of == group);
                    let pairs = users.iter().filter(|user| all || ours.is_some_and(|ours| ours.contains_key(*user)));
                    touched.extend(pairs.map(|user| Facet::Member(group.clone(), user.clone())));
                    if self.adopted_groups.contains(group) {
                        touched.push(Facet::Link(ObjectRef::Group(group.clone())));
                    }
                }
                _ => {}
            }
        }
        let people_and_groups_of_ours = |facet: &Facet| match facet {
            Facet::Link(ObjectRef::User(id)) => {
                self.created.contains_key(id)
                    || self.adopted.contains(id)
                    || self.active.contains_key(id)
                    || self.attributes.contains_key(id)
            }
            Facet::Link(ObjectRef::Group(id)) => {
                self.members.contains_key(id) || self.names.contains_key(id) || self.adopted_groups.contains(id)
            }
            _ => true,
        };
        touched.retain(people_and_groups_of_ours);
        self.since.extend(touched.into_iter().map(|facet| (facet, run.clone())));
    }
}

/// Whether a call was made to put back what a run did.
fn is_revert_of(reason: &Reason, run: &RunId) -> bool {
    matches!(reason, Reason::Reverts { run: of } if of == run)
}

fn switches_off(effect: &Effect) -> bool {
    matches!(effect, Effect::UserSent { active: Some(false), .. })
}
