//! What failures leave behind: a note of each object with the time of its next try, and the breaker's count.

use jiff::{SignedDuration, Timestamp};

use super::breaker::FailureVerdict;
use super::stop::RunStop;
use super::{RunWorker, chunks};
use crate::model::{AppId, ObjectRef, Obstacle, Reason};
use crate::plan::{Action, Blocked, Operation};
use crate::scim::CallError;
use crate::store::{Effect, FailureNote, StoreError};

impl RunWorker<'_> {
    /// Conflicts found while planning are failures of their objects, with a next try. A user who waits for a decision before
    /// they have an account is looked up less and less often, too.
    pub(super) async fn note_blocked(&self, operations: &[Operation]) -> Result<(), StoreError> {
        let now = self.run.clock.now();
        let effects: Vec<Effect> = operations
            .iter()
            .filter_map(|operation| match &operation.blocked {
                Some(Blocked::Failed(why)) => Some((operation, why)),
                Some(Blocked::Conflict(why)) => Some((operation, why)),
                Some(Blocked::Held(why)) if operation.app_id.is_none() => Some((operation, why)),
                _ => None,
            })
            // The same again before their time would only lengthen the journal.
            .filter(|(operation, why)| {
                let note = self.known.failures.get(&operation.object);
                note.is_none_or(|note| note.reason != **why || note.next_try <= now)
            })
            .map(|(operation, why)| self.failed(operation, why))
            .collect();
        match effects.is_empty() {
            true => Ok(()),
            false => self.run.state.noted(&self.run.id, Reason::SetAside, effects).await,
        }
    }

    /// An object is in sync again: its note goes.
    pub(super) fn settle(&self, object: &ObjectRef, effects: &mut Vec<Effect>) {
        if self.known.failures.contains_key(object) && !self.found.has_failed(object) {
            effects.push(Effect::Settled { object: object.clone() });
        }
    }

    /// The note of a failure: 5 minutes after the first, twice as long each time, a day at most.
    pub(super) fn failed(&self, operation: &Operation, reason: &Obstacle) -> Effect {
        self.failed_for(operation, reason, None)
    }

    /// As [`Worker::failed`], where an account of the app stands in the way.
    pub(super) fn failed_for(&self, operation: &Operation, reason: &Obstacle, found: Option<AppId>) -> Effect {
        self.failed_object((&operation.object, &operation.name), reason, found)
    }

    /// The same of an object and its name, for which this run has no operation.
    pub(super) fn failed_object(
        &self,
        (object, name): (&ObjectRef, &str),
        reason: &Obstacle,
        found: Option<AppId>,
    ) -> Effect {
        self.found.note_failed(object);
        let attempts = self.known.failures.get(object).map_or(0, |note| note.attempts).saturating_add(1);
        let minutes = 5_i64.saturating_mul(1 << (attempts - 1).min(9)).min(24 * 60);
        let now = self.run.clock.now();
        let next_try = now.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(Timestamp::MAX);
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        let note = FailureNote { reason: reason.clone(), attempts, next_try, found, name };
        Effect::Failed { object: object.clone(), note }
    }

    /// Notes that a call failed, and heeds what many failures mean.
    pub(super) fn note_failure(&self, operation: &Operation, error: &CallError) {
        let verdict = match &operation.action {
            Action::AddMembers { users } | Action::RemoveMembers { users, .. } => match users.as_slice() {
                // One member is the object: the same one may fail in many groups.
                [one] => self.breaker.failed(operation.op(), &ObjectRef::User(one.id.clone()), error),
                several if chunks::can_be_cut(error, several.len()) => {
                    self.breaker.failed_in_parts(operation.op(), &operation.object);
                    FailureVerdict::GoOn
                }
                _ => self.breaker.failed(operation.op(), &operation.object, error),
            },
            _ => self.breaker.failed(operation.op(), &operation.object, error),
        };
        match verdict {
            FailureVerdict::GoOn => {}
            FailureVerdict::KindClosed => {
                let (op, failures) = (operation.op().name(), self.run.repeat.breaker_failures);
                tracing::warn!(
                    op,
                    failures,
                    "the app fails at this kind of change; the rest of it waits for the next run"
                );
            }
            FailureVerdict::Unreachable => self.ending.stop(RunStop::Breaker(format!(
                "the app did not answer to calls about {} objects in a row, of more than one kind; the rest waits for the next run",
                self.run.repeat.breaker_failures
            ))),
        }
    }
}
