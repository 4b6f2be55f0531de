//! Taking a run back. In: what the run did, what the state holds now. Out: a plan of the opposite, and what stays as it is.
//!
//! Memberships, active flags, attributes and group names go back to what they were; accounts that the run made are switched
//! off; accounts and groups that it took over are let go. What somebody touched since is left alone and said, and so is what
//! can't be brought back.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::history::{Facet, History};
use super::{Approval, LeftAlone, Task, operation};
use crate::config::profile::{ClearStyle, InactiveEffect};
use crate::model::{Attributes, Lane, ObjectRef, Path, Reason, RunId, SourceId, digest};
use crate::plan::{Action, Member, Operation, Plan, TenantRules, pass_names_on};
use crate::store::{Baseline, Effect, GroupRow, OutcomeResult, Record, StoreError, Trigger, UserRow};

/// What taking a run back comes to.
#[derive(Debug)]
pub struct Reversal {
    /// The run that is taken back.
    pub run: RunId,
    /// The opposite of what it did, as far as that can be.
    pub plan: Plan,
    /// What can't be brought back.
    pub cannot: Vec<LeftAlone>,
    /// What somebody touched since, and who is protected.
    pub skipped: Vec<LeftAlone>,
    /// What stays although it was part of the run: said, but nothing to worry about.
    pub stays: Vec<LeftAlone>,
}

impl Reversal {
    /// What the hands and the journal need of it.
    pub fn task(&self) -> Task {
        let (plan, note) = (self.plan.clone(), Reason::Reverts { run: self.run.clone() }.to_string());
        Task { plan, trigger: Trigger::Undo, note, approval: Approval::None }
    }
}

/// Why no run was found.
#[derive(Debug, thiserror::Error)]
pub enum NoSuchRun {
    /// Nothing by this name.
    #[error("the journal has no run {0:?} that changed anything")]
    Unknown(String),
    /// Several begin like this.
    #[error("{name:?} may be several runs: {}", candidates.join(", "))]
    Ambiguous {
        /// What was typed.
        name: String,
        /// Some of the runs.
        candidates: Vec<String>,
    },
    /// The journal can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The run that somebody means: its id, the beginning of it, or `last` for the last run that changed anything.
///
/// # Errors
/// When there is none, or more than one.
pub fn find_run(records: impl Iterator<Item = Result<Record, StoreError>>, name: &str) -> Result<RunId, NoSuchRun> {
    use crate::store::JournalEvent;
    // The last record by which something changed, and its run.
    let mut last: Option<(u64, RunId)> = None;
    let mut intents: HashMap<u64, RunId> = HashMap::new();
    let mut found: Vec<RunId> = Vec::new();
    for record in records {
        let Record { seq, event, .. } = record?;
        let run = match event {
            JournalEvent::Intent(intent) => {
                intents.insert(seq, intent.run.clone());
                intent.run
            }
            JournalEvent::Outcome { intent, result, .. } => {
                // Nobody knows that a call without an answer changed nothing.
                let run = intents.remove(&intent).filter(|_| !matches!(result, OutcomeResult::Failed { .. }));
                last = last.max(run.map(|run| (intent, run)));
                continue;
            }
            // What was found when a state was restored, or noted of an undo, is nothing that a run did.
            JournalEvent::Noted {
                reason: Reason::CarriedOver | Reason::ComparedAfterRestore | Reason::TakenBack,
                ..
            } => {
                continue;
            }
            JournalEvent::Noted { run, effects, .. } if !effects.is_empty() => {
                if effects.iter().any(Effect::is_a_change) {
                    last = last.max(Some((seq, run.clone())));
                }
                run
            }
            _ => continue,
        };
        if run.as_str().starts_with(name) && !name.is_empty() && found.last() != Some(&run) && !found.contains(&run) {
            found.push(run);
        }
    }
    if name == "last" {
        // Nor is it known what became of a call that has no outcome yet.
        let last = intents.into_iter().chain(last).max().map(|(_, run)| run);
        return last.ok_or_else(|| NoSuchRun::Unknown(name.to_owned()));
    }
    if let Some(exact) = found.iter().find(|run| run.as_str() == name) {
        return Ok(exact.clone());
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(NoSuchRun::Unknown(name.to_owned())),
        many => {
            let candidates = many.iter().rev().take(5).map(ToString::to_string).collect();
            Err(NoSuchRun::Ambiguous { name: name.to_owned(), candidates })
        }
    }
}

/// The opposite of a run, against what the state holds now.
///
/// # Errors
/// When the state can't be read.
pub fn reverse(
    history: &mut History,
    run: &RunId,
    state: &dyn Baseline,
    rules: &TenantRules<'_>,
) -> Result<Reversal, StoreError> {
    history.resolve(state)?;
    let mut draft = UndoDraft {
        history,
        state,
        rules,
        reason: Reason::Reverts { run: run.clone() },
        operations: Vec::new(),
        cannot: Vec::new(),
        skipped: Vec::new(),
        stays: Vec::new(),
    };
    for object in history.deleted.iter().chain(&history.released) {
        draft.gone(object);
    }
    for (object, name) in &history.unanswered {
        let why = "the app never answered a call of that run: check the app; the next sync checks it too".to_owned();
        draft.skipped.push(UndoDraft::left(object.clone(), name, why));
    }
    for (group, name, _) in &history.unanswered_members {
        let why = "the app never confirmed a change of their memberships: check the app";
        draft.skipped.push(UndoDraft::left(ObjectRef::Group(group.clone()), name, why.to_owned()));
    }
    for id in history.people() {
        draft.person(id)?;
    }
    for id in history.groups() {
        draft.group(id)?;
    }
    draft.note_last_groups()?;
    let UndoDraft { operations, cannot, skipped, stays, .. } = draft;
    let mut operations = operations;
    pass_names_on(&mut operations);
    Ok(Reversal { run: run.clone(), plan: Plan::of(operations), cannot, skipped, stays })
}

struct UndoDraft<'a> {
    history: &'a History,
    state: &'a dyn Baseline,
    rules: &'a TenantRules<'a>,
    reason: Reason,
    operations: Vec<Operation>,
    cannot: Vec<LeftAlone>,
    skipped: Vec<LeftAlone>,
    stays: Vec<LeftAlone>,
}

impl UndoDraft<'_> {
    fn push(&mut self, lane: Lane, object: ObjectRef, row: &UndoRow<'_>, action: Action) {
        let mut operation = operation(lane, object, row.name, action, self.reason.clone());
        operation.app_id = Some(row.app_id.clone());
        self.operations.push(operation);
    }

    fn left(object: ObjectRef, name: &str, why: String) -> LeftAlone {
        LeftAlone { object, name: name.to_owned(), why }
    }

    fn touched(&self, facet: &Facet) -> Option<String> {
        self.history.since.get(facet).map(|run| format!("changed since by run {run}"))
    }

    /// Whether the state may be wrong about something: the run's call was never answered, and nobody wrote it since.
    fn is_doubtful(&self, facet: &Facet) -> bool {
        self.history.doubtful.contains(facet) && !self.history.since.contains_key(facet)
    }

    /// What the run deleted, and what it let go of.
    fn gone(&mut self, object: &ObjectRef) {
        let name = self.history.called.get(object).map_or_else(|| object.id().to_string(), Clone::clone);
        if self.history.deleted.contains(object) {
            let why = match object {
                ObjectRef::User(_) => {
                    "the account was deleted in the app: the next sync creates a new one if they belong"
                }
                ObjectRef::Group(_) => "the group was deleted in the app, and its memberships with it",
            };
            self.cannot.push(Self::left(object.clone(), &name, why.to_owned()));
        } else {
            let why = "the run released it, which changed nothing in the app; the next sync adopts it if it belongs";
            self.stays.push(Self::left(object.clone(), &name, why.to_owned()));
        }
    }

    fn person(&mut self, id: &SourceId) -> Result<(), StoreError> {
        let object = ObjectRef::User(id.clone());
        if self.history.replaced.contains(id) {
            let row = self.state.user(id)?;
            let name = row.as_ref().map_or(id.as_str(), |row| user_name(row, id)).to_owned();
            let why = "the account was replaced by another one: the new one stays, the old one stays inactive";
            self.cannot.push(Self::left(object, &name, why.to_owned()));
            return Ok(());
        }
        let Some(row) = self.state.user(id)? else {
            if !self.history.deleted.contains(&object) && !self.history.released.contains(&object) {
                let why = "is no longer linked to an account".to_owned();
                self.skipped.push(Self::left(object, id.as_str(), why));
            }
            return Ok(());
        };
        let name = user_name(&row, id).to_owned();
        if self.rules.protected.covers(id.as_str(), &[&row.sent, &row.echo]) {
            self.skipped.push(Self::left(object, &name, "is protected: never touched".to_owned()));
            return Ok(());
        }
        if let Some(why) = self.touched(&Facet::Link(object.clone())).filter(|_| !self.history.adopted.contains(id)) {
            self.skipped.push(Self::left(object, &name, format!("has another account: {why}")));
            return Ok(());
        }
        let known = UndoRow { name: &name, app_id: &row.app_id };
        let was_active = match self.history.created.get(id) {
            Some(_) => Some(false),
            None => {
                self.attributes(id, &row, &known);
                self.history.active.get(id).copied()
            }
        };
        let doubtful = self.is_doubtful(&Facet::Active(id.clone()));
        if let Some(was_active) = was_active.filter(|was| doubtful || row.active.unwrap_or(true) != *was) {
            self.active(id, &known, was_active);
        }
        if self.history.adopted.contains(id) {
            match self.touched(&Facet::Link(object.clone())) {
                Some(why) => self.skipped.push(Self::left(object, &name, format!("stays linked: {why}"))),
                None => self.push(Lane::Absences, object, &known, Action::ReleaseUser),
            }
        }
        Ok(())
    }

    fn active(&mut self, id: &SourceId, row: &UndoRow<'_>, was: bool) {
        let object = ObjectRef::User(id.clone());
        if let Some(why) = self.touched(&Facet::Active(id.clone())) {
            self.skipped.push(Self::left(object, row.name, format!("stays {}: {why}", active_word(!was))));
            return;
        }
        let (lane, action) = match was {
            true => (Lane::Additions, Action::ActivateUser),
            false => (Lane::Removals, Action::DeactivateUser),
        };
        if !was && self.rules.profile.users.inactive_effect == InactiveEffect::DeletesResource {
            let why = "this app deletes an account that is deactivated".to_owned();
            self.stays.push(Self::left(object.clone(), row.name, why));
        }
        self.push(lane, object, row, action);
    }

    fn attributes(&mut self, id: &SourceId, row: &UserRow, known: &UndoRow<'_>) {
        let Some(before) = self.history.attributes.get(id) else { return };
        let object = ObjectRef::User(id.clone());
        let can_clear = self.rules.profile.users.clear != ClearStyle::Never;
        let (mut was, mut set, mut clear) = (Attributes::new(), Attributes::new(), Vec::new());
        for (path, before) in before {
            let now = row.sent.get(path);
            if now == before.as_ref() && !self.is_doubtful(&Facet::Attribute(id.clone(), path.clone())) {
                continue;
            }
            if let Some(why) = self.touched(&Facet::Attribute(id.clone(), path.clone())) {
                self.skipped.push(Self::left(object.clone(), known.name, format!("{path} stays: {why}")));
                continue;
            }
            match before {
                Some(before) if digest::is_digest(before) => {
                    let why = format!("{path} had a value in the app that was too large to be kept");
                    self.cannot.push(Self::left(object.clone(), known.name, why));
                    continue;
                }
                Some(before) => set.set(path.clone(), before.clone()),
                None if can_clear => clear.push(path.clone()),
                None => {
                    let why = format!("{path} had no value before, and this app can't clear it");
                    self.cannot.push(Self::left(object.clone(), known.name, why));
                    continue;
                }
            }
            was.set(path.clone(), now.cloned().unwrap_or(Value::Null));
        }
        if !set.is_empty() || !clear.is_empty() {
            let action = Action::UpdateUser { before: was, set, clear, manager: None };
            self.push(Lane::Additions, object, known, action);
        }
    }

    fn group(&mut self, id: &SourceId) -> Result<(), StoreError> {
        let object = ObjectRef::Group(id.clone());
        let Some(row) = self.state.group(id)? else {
            if !self.history.deleted.contains(&object) && !self.history.released.contains(&object) {
                let why = "the group is no longer linked".to_owned();
                self.skipped.push(Self::left(object, id.as_str(), why));
            }
            return Ok(());
        };
        let known = UndoRow { name: &row.name, app_id: &row.app_id };
        let relinked = self.touched(&Facet::Link(object.clone()));
        if let Some(why) = relinked.as_ref().filter(|_| !self.history.adopted_groups.contains(id)) {
            self.skipped.push(Self::left(object, &row.name, format!("is another group in the app: {why}")));
            return Ok(());
        }
        self.name(id, &row, &known);
        self.members(id, &known)?;
        if self.history.created_groups.contains(id) {
            let why = "the run created this group: it stays, without the members that were added".to_owned();
            self.stays.push(Self::left(object, &row.name, why));
        } else if self.history.adopted_groups.contains(id) {
            match relinked {
                Some(why) => self.skipped.push(Self::left(object, &row.name, format!("stays linked: {why}"))),
                None => self.push(Lane::Absences, object, &known, Action::ReleaseGroup),
            }
        }
        Ok(())
    }

    /// Whoever is in no group afterwards counts against the removal budget, as in a cycle.
    fn note_last_groups(&mut self) -> Result<(), StoreError> {
        let mut groups_left: HashMap<SourceId, i64> = HashMap::new();
        for operation in &self.operations {
            if let Action::RemoveMembers { users, .. } = &operation.action {
                groups_left.extend(users.iter().map(|user| (user.id.clone(), 0)));
            }
        }
        if groups_left.is_empty() {
            return Ok(());
        }
        for (group, _) in self.state.groups()? {
            for number in self.state.members(&group)? {
                let id = self.state.user_by_number(number)?;
                if let Some(count) = id.and_then(|id| groups_left.get_mut(&id)) {
                    *count += 1;
                }
            }
        }
        for operation in &self.operations {
            let (users, change) = match &operation.action {
                Action::AddMembers { users } => (users, 1),
                Action::RemoveMembers { users, .. } => (users, -1),
                _ => continue,
            };
            for user in users {
                if let Some(count) = groups_left.get_mut(&user.id) {
                    *count += change;
                }
            }
        }
        for operation in &mut self.operations {
            if let Action::RemoveMembers { users, last, .. } = &mut operation.action {
                let none_left = users.iter().filter(|user| groups_left.get(&user.id).is_some_and(|count| *count <= 0));
                *last = none_left.map(|user| user.id.clone()).collect();
            }
        }
        Ok(())
    }

    fn name(&mut self, id: &SourceId, row: &GroupRow, known: &UndoRow<'_>) {
        let doubtful = self.is_doubtful(&Facet::Name(id.clone()));
        let before = self.history.names.get(id).filter(|before| doubtful || **before != row.name);
        let Some(before) = before else { return };
        let object = ObjectRef::Group(id.clone());
        if let Some(why) = self.touched(&Facet::Name(id.clone())) {
            self.skipped.push(Self::left(object, &row.name, format!("the name stays: {why}")));
            return;
        }
        let action = Action::RenameGroup { from: row.name.clone(), to: before.clone() };
        self.push(Lane::Additions, object, known, action);
    }

    fn members(&mut self, id: &SourceId, known: &UndoRow<'_>) -> Result<(), StoreError> {
        let nobody = BTreeMap::new();
        let before = self.history.members.get(id).unwrap_or(&nobody);
        let held = self.state.members(id)?;
        let object = ObjectRef::Group(id.clone());
        let (mut join, mut part) = (Vec::new(), Vec::new());
        for (user, &was_member) in before.iter().filter(|(user, _)| !self.history.replaced.contains(*user)) {
            let Some(row) = self.state.user(user)? else {
                // Without an account there is no membership either.
                if was_member {
                    let why = format!("can't be a member of {} again: there is no account", known.name);
                    self.cannot.push(Self::left(ObjectRef::User(user.clone()), user.as_str(), why));
                }
                continue;
            };
            let is_member = held.binary_search(&row.number).is_ok();
            if is_member == was_member && !self.is_doubtful(&Facet::Member(id.clone(), user.clone())) {
                continue;
            }
            let name = user_name(&row, user).to_owned();
            let stays = match self.touched(&Facet::Member(id.clone(), user.clone())) {
                _ if self.rules.protected.covers(user.as_str(), &[&row.sent, &row.echo]) => {
                    Some("protected".to_owned())
                }
                touched => touched,
            };
            // A group that was taken over may have had them before; an app that shows no members can't tell.
            let unknown =
                !was_member && self.history.adopted_groups.contains(id) && !self.rules.profile.read.members_readable;
            let may_be = || "the app does not show whether they were a member before the run".to_owned();
            if let Some(why) = stays.or_else(|| unknown.then(may_be)) {
                let why = format!("their membership in {} stays: {why}", known.name);
                self.skipped.push(Self::left(ObjectRef::User(user.clone()), &name, why));
                continue;
            }
            let list = if was_member { &mut join } else { &mut part };
            list.push(Member { id: user.clone(), name });
        }
        if !join.is_empty() {
            self.push(Lane::Additions, object.clone(), known, Action::AddMembers { users: join });
        }
        if !part.is_empty() {
            let of = held.len() as u64;
            self.push(Lane::Removals, object, known, Action::RemoveMembers { users: part, of, last: Vec::new() });
        }
        Ok(())
    }
}

/// What of a row every operation carries.
struct UndoRow<'a> {
    name: &'a str,
    app_id: &'a crate::model::AppId,
}

fn user_name<'a>(row: &'a UserRow, id: &'a SourceId) -> &'a str {
    row.sent.text(&Path::user_name()).unwrap_or(id.as_str())
}

fn active_word(active: bool) -> &'static str {
    if active { "active" } else { "inactive" }
}
