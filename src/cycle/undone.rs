//! What an undo put back. It takes the state's notes and what the directory says now; it gives what is still to be held, keeps it apart
//! from other members of the same groups, and forgets it as soon as nothing is to be done or the record is another one.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use super::CycleJob;
use crate::desired::Desired;
use crate::guard;
use crate::model::{ObjectRef, Reason, RunId, SourceId};
use crate::plan::{Action, Member, Operation, Plan, Survey, user_fingerprint};
use crate::store::{Effect, State, StateView, StoreError, TakenBack, UndoneEffect};

/// So many are named in one effect.
const TOGETHER: usize = 100;

/// A note of the state beside the fingerprint of what the directory says now.
struct Note {
    taken_back: TakenBack,
    record: u64,
}

impl Note {
    /// Whether the directory says what it said when a run saw it first after the undo.
    fn is_in_force(&self) -> bool {
        self.taken_back.record.is_none_or(|record| record == self.record)
    }
}

/// Everything that an undo put back.
#[derive(Default)]
pub(super) struct UndoNotes(Vec<Note>);

impl UndoNotes {
    /// Reads what the state knows. Without any undo the rows are left alone.
    pub(super) fn of(state: &dyn StateView, desired: &Desired<'_>) -> Result<Self, StoreError> {
        if !state.is_any_taken_back() {
            return Ok(Self::default());
        }
        let note = |taken_back: TakenBack| Note { record: record_of(desired, &taken_back.what), taken_back };
        Ok(Self(state.taken_back()?.into_iter().map(note).collect()))
    }

    /// What the guard holds of it.
    pub(super) fn in_force(&self) -> guard::UndoneRecord {
        let mut undone = guard::UndoneRecord::default();
        for Note { taken_back, .. } in self.0.iter().filter(|note| note.is_in_force()) {
            undone.runs.insert(taken_back.run.to_string());
            match &taken_back.what {
                UndoneEffect::Object(object) => drop(undone.objects.insert(object.clone())),
                UndoneEffect::Member { group, user } => drop(undone.members.insert((group.clone(), user.clone()))),
            }
        }
        undone
    }

    /// Cuts changes of memberships in two where an undo put back only some of them.
    pub(super) fn set_apart(&self, plan: Plan) -> Plan {
        let undone = self.in_force();
        if undone.members.is_empty() {
            return plan;
        }
        let operations = plan.operations.into_iter().flat_map(|operation| cut(operation, &undone)).collect();
        let (missed, unsettled) = (plan.missed, plan.unsettled);
        let (finished, duplicates) = (plan.finished, plan.duplicates);
        Plan { missed, unsettled, finished, duplicates, ..Plan::of(operations) }
    }

    /// Writes down what the directory said when it was looked at first, and forgets what is over.
    pub(super) async fn settle(
        &self,
        job: &CycleJob<'_>,
        ledger: &dyn State,
        run: &RunId,
        plan: &Plan,
        survey: &Survey,
    ) -> Result<(), StoreError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let undecided = undecided(plan, survey);
        let (mut seen, mut over) = (Vec::new(), Vec::new());
        for note in &self.0 {
            let what = &note.taken_back.what;
            let is_member = matches!(what, UndoneEffect::Member { .. });
            let waits =
                what.ids().into_iter().any(|id| undecided.contains(id)) || (is_member && !job.rules.groups_on());
            let is_due = plan.operations.iter().any(|operation| is_about(operation, what));
            match () {
                () if !note.is_in_force() => over.push(what.clone()),
                () if is_due && note.taken_back.record.is_none() => {
                    seen.push(Effect::TakenBackSeen { what: what.clone(), record: note.record });
                }
                () if is_due || waits => {}
                () => over.push(what.clone()),
            }
        }
        let mut effects = seen;
        let left = (self.0.len() - over.len()) as u64;
        let ended = over.chunks(TOGETHER).map(|what| Effect::TakenBackOver { what: what.to_vec(), left });
        effects.extend(ended);
        match effects.is_empty() {
            true => Ok(()),
            false => ledger.noted(run, Reason::TakenBack, effects).await,
        }
    }
}

/// Users and groups about which this run could decide nothing: not looked at, or waiting for another reading.
fn undecided<'a>(plan: &'a Plan, survey: &'a Survey) -> HashSet<&'a SourceId> {
    let missed = plan.missed.iter().filter(|(_, since)| since.is_some()).map(|(id, _)| id);
    let waiting = survey.waiting.iter().chain(&plan.unsettled).map(ObjectRef::id);
    missed.chain(waiting).collect()
}

/// Whether an operation changes what was taken back.
fn is_about(operation: &Operation, what: &UndoneEffect) -> bool {
    let among = |users: &[Member], user: &SourceId| users.iter().any(|one| one.id == *user);
    match (what, &operation.action) {
        (_, Action::CompareGroup { .. }) => false,
        (UndoneEffect::Member { group, user }, Action::AddMembers { users } | Action::RemoveMembers { users, .. }) => {
            operation.object.id() == group && among(users, user)
        }
        (UndoneEffect::Member { .. }, _)
        | (UndoneEffect::Object(_), Action::AddMembers { .. } | Action::RemoveMembers { .. }) => false,
        (UndoneEffect::Object(object), _) => operation.object == *object,
    }
}

fn cut(operation: Operation, undone: &guard::UndoneRecord) -> Vec<Operation> {
    let group = operation.object.id().clone();
    let is_undone = |user: &Member| undone.has_member(&group, &user.id);
    let (rest, part) = match &operation.action {
        Action::AddMembers { users } => {
            let (part, rest): (Vec<Member>, Vec<Member>) = users.iter().cloned().partition(is_undone);
            if part.is_empty() || rest.is_empty() {
                return vec![operation];
            }
            (Action::AddMembers { users: rest }, Action::AddMembers { users: part })
        }
        Action::RemoveMembers { users, of, last } => {
            let (part, rest): (Vec<Member>, Vec<Member>) = users.iter().cloned().partition(is_undone);
            if part.is_empty() || rest.is_empty() {
                return vec![operation];
            }
            let last_of = |users: &[Member]| {
                last.iter().filter(|id| users.iter().any(|user| user.id == **id)).cloned().collect::<Vec<SourceId>>()
            };
            let (last_rest, last_part) = (last_of(&rest), last_of(&part));
            (
                Action::RemoveMembers { users: rest, of: *of, last: last_rest },
                Action::RemoveMembers { users: part, of: *of, last: last_part },
            )
        }
        _ => return vec![operation],
    };
    vec![Operation { action: rest, ..operation.clone() }, Operation { action: part, ..operation }]
}

/// The fingerprint of what the directory says.
fn record_of(desired: &Desired<'_>, what: &UndoneEffect) -> u64 {
    let snapshot = desired.snapshot;
    match what {
        UndoneEffect::Object(ObjectRef::User(id)) => {
            snapshot.find_user(id.as_str()).map_or(0, |user| user_fingerprint(desired, user))
        }
        UndoneEffect::Object(ObjectRef::Group(id)) => {
            let group = snapshot.find_group(id.as_str()).and_then(|ix| desired.group(ix));
            group.map_or(0, |group| xxh3_64(group.name.as_bytes()))
        }
        UndoneEffect::Member { group, user } => {
            let group = snapshot.find_group(group.as_str()).and_then(|ix| desired.group(ix));
            let user = snapshot.find_user(user.as_str());
            let is_member = group.zip(user).is_some_and(|(group, user)| desired.members(group).contains(&user));
            u64::from(is_member)
        }
    }
}

/// What an undo's plan puts back.
pub(crate) fn put_back(plan: &Plan) -> Vec<UndoneEffect> {
    let mut all = Vec::new();
    for operation in &plan.operations {
        match (&operation.object, &operation.action) {
            (ObjectRef::Group(group), Action::AddMembers { users } | Action::RemoveMembers { users, .. }) => {
                let member = |user: &Member| UndoneEffect::Member { group: group.clone(), user: user.id.clone() };
                all.extend(users.iter().map(member));
            }
            (object, _) => all.push(UndoneEffect::Object(object.clone())),
        }
    }
    all.sort();
    all.dedup();
    all
}
