//! Names that are passed on from one object to another. It takes a plan's operations and what became of them so far, and keeps a change
//! from being sent whose name is not free, and a third name from staying.

use super::{OpResult, Worker};
use crate::model::{ObjectRef, Path};
use crate::plan::{Action, NameOrder, Operation, is_third_name, name_before};
use crate::store::StoreError;

impl Worker<'_> {
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
            let holder = before.filter(|before| results.get(*before) != Some(&OpResult::Done));
            match holder.and_then(|holder| operations.get(holder)) {
                Some(holder) => {
                    let why =
                        format!("not tried: the name is that of {} still, whose change was not made", holder.name);
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
            let Some(OpResult::Failed(why)) = results.get(at).cloned() else { continue };
            let Some((now, before)) = self.third_name_of(operations, results, operation)? else { continue };
            let is_free = order.after(at).is_none_or(|holder| results.get(holder) == Some(&OpResult::Done));
            let new = name_to_give(operation).filter(|_| is_free).map(|name| (name, "the name alone was given"));
            let old = before.map(|name| (name, "it has its old name again"));
            let mut end = "it goes by the third name until the next run".to_owned();
            for (name, words) in new.into_iter().chain(old) {
                let action = Action::FreeName { from: now.clone(), through: name };
                let reason = "the change to the new name went wrong: no third name shall stay".to_owned();
                let step = Operation { action, reason, blocked: None, ..operation.clone() };
                if self.operation(&step).await == OpResult::Done {
                    words.clone_into(&mut end);
                    break;
                }
            }
            if let Some(slot) = results.get_mut(at) {
                *slot = OpResult::Failed(format!("{why}; {end}"));
            }
        }
        let broken = self.broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        broken.map_or(Ok(()), Err)
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
            Action::FreeName { from, through } if other.object == *object && *result == OpResult::Done => {
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
