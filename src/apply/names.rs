//! Names that are passed on from one object to another. It takes a plan's operations and what became of them so far, and keeps a change
//! from being sent whose name is not free, and a third name from staying.

use super::{OpResult, RunWorker};
use crate::model::{NameEnd, ObjectRef, Obstacle, OpOutcome, Path, Reason};
use crate::plan::{Action, NameOrder, Operation, is_third_name, name_before};
use crate::store::StoreError;

impl RunWorker<'_> {
    /// Without those that need a name which was not set free: the app would refuse it.
    pub(super) fn whose_name_is_free(
        &self,
        operations: &[Operation],
        order: &NameOrder,
        due: Vec<usize>,
        results: &mut [OpResult],
    ) -> Vec<usize> {
        let mut free = Vec::with_capacity(due.len());
        for at in due {
            let before = order.after(at).filter(|before| order.place(*before) < order.place(at));
            let holder = before.filter(|before| results.get(*before) != Some(&Ok(OpOutcome::Done)));
            match holder.and_then(|holder| operations.get(holder)) {
                Some(holder) => {
                    let why = Obstacle::NameNotFree { holder: holder.name.clone() };
                    self.mark(&[at], results, &why);
                }
                None => free.push(at),
            }
        }
        free
    }

    /// Objects that go by a third name and did not get their new one: they get the new name alone, without what came with it, or else their
    /// old one back. A third name stays only where the app refuses both, until the next run.
    pub(super) async fn give_names_back(
        &self,
        operations: &[Operation],
        order: &NameOrder,
        results: &mut [OpResult],
    ) -> Result<(), StoreError> {
        for (at, operation) in operations.iter().enumerate() {
            let Some(Err(why)) = results.get(at).cloned() else { continue };
            let Some((now, before)) = self.third_name_of(operations, results, operation)? else { continue };
            let is_free = order.after(at).is_none_or(|holder| results.get(holder) == Some(&Ok(OpOutcome::Done)));
            let new = name_to_give(operation).filter(|_| is_free).map(|name| (name, NameEnd::New));
            let old = before.map(|name| (name, NameEnd::Old));
            let mut end = NameEnd::Third;
            for (name, given) in new.into_iter().chain(old) {
                let action = Action::FreeName { from: now.clone(), through: name };
                let reason = match &operation.reason {
                    undo @ Reason::Reverts { .. } => undo.clone(),
                    _ => Reason::NoThirdNameStays,
                };
                let step = Operation { action, reason, blocked: None, ..operation.clone() };
                if self.operation(&step).await == Ok(OpOutcome::Done) {
                    end = given;
                    break;
                }
            }
            if let Some(slot) = results.get_mut(at) {
                *slot = Err(Obstacle::AfterThirdName { why: Box::new(why), end });
            }
        }
        self.ending.take_broken().map_or(Ok(()), Err)
    }

    /// The third name by which an object goes now, and the one it had before, if that is known.
    fn third_name_of(
        &self,
        operations: &[Operation],
        results: &[OpResult],
        operation: &Operation,
    ) -> Result<Option<(String, Option<String>)>, StoreError> {
        let object = &operation.object;
        if name_to_give(operation).is_none() {
            return Ok(None);
        }
        let now = match object {
            ObjectRef::User(id) => {
                self.run.state.user(id)?.and_then(|row| row.sent.text(&Path::user_name()).map(str::to_owned))
            }
            ObjectRef::Group(id) => self.run.state.group(id)?.map(|row| row.name),
        };
        // A call whose answer was lost is looked at by the next run.
        let is_open = || self.run.state.open_intents().iter().any(|open| open.intent.object == *object);
        let Some(now) = now.filter(|_| !is_open()) else { return Ok(None) };
        let freed = operations.iter().zip(results).find_map(|(other, result)| match &other.action {
            Action::FreeName { from, through } if other.object == *object && *result == Ok(OpOutcome::Done) => {
                (*through == now).then(|| from.clone())
            }
            _ => None,
        });
        let before = freed.or_else(|| name_before(object, &now));
        Ok((before.is_some() || is_third_name(object, &now)).then_some((now, before)))
    }
}

/// The name that an operation gives to an object that has one.
fn name_to_give(operation: &Operation) -> Option<String> {
    match &operation.action {
        Action::UpdateUser { set, .. } => set.text(&Path::user_name()).map(str::to_owned),
        Action::RenameGroup { to, .. } => Some(to.clone()),
        _ => None,
    }
}
