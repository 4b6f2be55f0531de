//! Names that are passed on from one object to another. It takes a plan's operations and what became of them so far, and keeps a change
//! from being sent whose name is not free, and a third name from staying.

use super::{OpResult, Worker};
use crate::model::{ObjectRef, Path};
use crate::plan::{Action, NameOrder, Operation, name_before};
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

    /// Objects that go by a third name and did not get their new one: they get their old one back, so that the third one does not stay.
    pub(super) async fn give_names_back(
        &self,
        operations: &[Operation],
        results: &mut [OpResult],
    ) -> Result<(), StoreError> {
        for (at, operation) in operations.iter().enumerate() {
            let Some(OpResult::Failed(why)) = results.get(at).cloned() else { continue };
            let Some(back) = self.way_back(operations, results, operation)? else { continue };
            let more = match self.operation(&back).await {
                OpResult::Done => "it has its old name again".to_owned(),
                OpResult::Failed(why) => format!("and it could not get its old name back: {why}"),
                OpResult::Held => continue,
            };
            if let Some(slot) = results.get_mut(at) {
                *slot = OpResult::Failed(format!("{why}; {more}"));
            }
        }
        let broken = self.broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        broken.map_or(Ok(()), Err)
    }

    /// The change that undoes a third name, if the object has one now.
    fn way_back(
        &self,
        operations: &[Operation],
        results: &[OpResult],
        operation: &Operation,
    ) -> Result<Option<Operation>, StoreError> {
        let object = &operation.object;
        let now = match (&operation.action, object) {
            (Action::UpdateUser { set, .. }, ObjectRef::User(id)) if set.get(&Path::user_name()).is_some() => {
                self.run.state.user(id)?.and_then(|row| row.sent.text(&Path::user_name()).map(str::to_owned))
            }
            (Action::RenameGroup { .. }, ObjectRef::Group(id)) => self.run.state.group(id)?.map(|row| row.name),
            _ => return Ok(None),
        };
        let Some(now) = now else { return Ok(None) };
        // A call whose answer was lost is looked at by the next run.
        if self.run.state.open_intents().iter().any(|open| open.intent.object == *object) {
            return Ok(None);
        }
        let freed = operations.iter().zip(results).find_map(|(other, result)| match &other.action {
            Action::FreeName { from, through } if other.object == *object && *result == OpResult::Done => {
                (*through == now).then(|| from.clone())
            }
            _ => None,
        });
        let Some(before) = freed.or_else(|| name_before(object, &now)) else { return Ok(None) };
        let reason = "the new name could not be given: no third name stays".to_owned();
        let action = Action::FreeName { from: now, through: before };
        Ok(Some(Operation { action, reason, blocked: None, ..operation.clone() }))
    }
}
