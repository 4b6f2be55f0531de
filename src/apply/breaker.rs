//! When to stop trying. It takes how calls end, object by object, and says which kinds of change are not to be tried any more in this run.
//!
//! Failures count per object and per kind of change: an account that the app answers with 500 for ever stops no other, and an app that
//! cannot create accounts (licences used up, say) still carries out removals. A kind that takes access goes on as long as the app carries
//! out anything at all. It must not depend on how calls are made or repeated.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::model::{ObjectRef, Op};
use crate::scim::{CallError, FailureClass};

/// After so many objects in a row for which every try failed, the next ones of this kind are tried once each. An app that answered
/// nothing to one kind of change is given so many objects of another before the run ends.
const ONCE_AFTER: usize = 3;

/// What a failure leads to, beside what it means for its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FailureVerdict {
    /// Go on.
    GoOn,
    /// No object of this kind of change is to be tried any more in this run.
    KindClosed,
    /// Nothing at all answers: the run ends.
    Unreachable,
}

/// How the calls of a run go.
pub(super) struct Breaker {
    limit: usize,
    inner: Mutex<BreakerState>,
}

#[derive(Default)]
struct BreakerState {
    /// Objects for which the app failed, in a row, by kind of change.
    failing: BTreeMap<Op, HashSet<ObjectRef>>,
    /// Objects of which a call about several members failed, in a row: its parts will tell.
    in_parts: BTreeMap<Op, HashSet<ObjectRef>>,
    /// Objects for which the app refused a kind of change, all in the same way.
    refused: BTreeMap<Op, (FailureClass, Option<u16>, HashSet<ObjectRef>)>,
    /// Kinds of change that are not tried any more.
    closed: BTreeMap<Op, usize>,
    /// Objects of each kind that got no answer, in a row over all kinds.
    unanswered: BTreeMap<Op, HashSet<ObjectRef>>,
    /// Kinds of which a call of this run went well.
    went_well: BTreeSet<Op>,
    /// What the app said last when a kind was closed.
    said: Option<String>,
}

impl Breaker {
    /// `limit` is how many objects in a row close a kind of change.
    pub(super) fn new(limit: u32) -> Self {
        Self { limit: limit.max(1) as usize, inner: Mutex::default() }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, BreakerState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call went well: the streak of its kind ends.
    pub(super) fn well(&self, op: Op) {
        let mut inner = self.inner();
        inner.failing.remove(&op);
        inner.in_parts.remove(&op);
        inner.refused.remove(&op);
        inner.unanswered.clear();
        inner.went_well.insert(op);
    }

    /// A call about several members failed, and will be sent again in parts.
    pub(super) fn failed_in_parts(&self, op: Op, object: &ObjectRef) {
        self.inner().in_parts.entry(op).or_default().insert(object.clone());
    }

    /// A try failed. Failures of the app itself count, and refusals that say nothing of the object.
    pub(super) fn failed(&self, op: Op, object: &ObjectRef, error: &CallError) -> FailureVerdict {
        let mut inner = self.inner();
        if error.class != FailureClass::Unreachable {
            inner.unanswered.clear();
        }
        let count = match error.class {
            FailureClass::Server | FailureClass::Unknown | FailureClass::NotScim | FailureClass::Unreachable => {
                inner.refused.remove(&op);
                let failing = inner.failing.entry(op).or_default();
                failing.insert(object.clone());
                failing.len()
            }
            class if is_about_the_kind(op, class) => inner.refuse(op, object, error),
            // A refusal is an answer.
            _ => 0,
        };
        if error.class == FailureClass::Unreachable && inner.is_silent(op, object, self.limit) {
            return FailureVerdict::Unreachable;
        }
        let is_closed = count >= self.limit && !inner.closed.contains_key(&op) && inner.may_close(op);
        if !is_closed {
            return FailureVerdict::GoOn;
        }
        inner.closed.insert(op, count);
        inner.said = Some(error.to_string());
        FailureVerdict::KindClosed
    }

    /// How many objects in a row failed, if the app is not asked for this kind of change any more.
    pub(super) fn closed(&self, op: Op) -> Option<usize> {
        self.inner().closed.get(&op).copied()
    }

    /// Whether an object of this kind gets a single try: those before it failed alike.
    pub(super) fn only_once(&self, op: Op) -> bool {
        let inner = self.inner();
        let count = |of: &BTreeMap<Op, HashSet<ObjectRef>>| of.get(&op).map_or(0, HashSet::len);
        count(&inner.failing) + count(&inner.in_parts) > ONCE_AFTER
            || inner.unanswered.values().any(|objects| objects.len() >= self.limit)
    }

    /// The kinds that were closed, and what the app said last, if nothing at all went well: then the app is what fails, not what was
    /// asked of it.
    pub(super) fn nothing_went_well(&self) -> Option<(Vec<Op>, String)> {
        let inner = self.inner();
        let failed = inner.went_well.is_empty() && !inner.closed.is_empty();
        failed.then(|| (inner.closed.keys().copied().collect(), inner.said.clone().unwrap_or_default()))
    }
}

impl BreakerState {
    /// Notes a refusal; gives how many objects were refused in the same way, where no call of this kind ever went well in this run.
    fn refuse(&mut self, op: Op, object: &ObjectRef, error: &CallError) -> usize {
        if self.went_well.contains(&op) {
            return 0;
        }
        let (class, status, objects) =
            self.refused.entry(op).or_insert_with(|| (error.class, error.status, HashSet::new()));
        if (*class, *status) != (error.class, error.status) {
            (*class, *status) = (error.class, error.status);
            objects.clear();
        }
        objects.insert(object.clone());
        objects.len()
    }

    /// Whether a kind may be left for the next run. One that takes access goes on as long as the app carries out anything.
    fn may_close(&self, op: Op) -> bool {
        !op.takes_access() || self.went_well.is_empty()
    }

    /// Notes an object that got no answer. The app is not there when one kind of change met that for `limit` objects, and another for a
    /// few: an address that refuses one kind of call alone must not keep leavers inside.
    fn is_silent(&mut self, op: Op, object: &ObjectRef, limit: usize) -> bool {
        self.unanswered.entry(op).or_default().insert(object.clone());
        let whole = self.unanswered.values().any(|objects| objects.len() >= limit);
        let few = |(kind, objects): (&Op, &HashSet<ObjectRef>)| *kind == op && objects.len() >= ONCE_AFTER.min(limit);
        whole && self.unanswered.len() > 1 && self.unanswered.iter().any(few)
    }
}

/// Whether a refusal says something of a kind of change, and not of its object: no right to it, or no such call.
fn is_about_the_kind(op: Op, class: FailureClass) -> bool {
    match class {
        FailureClass::Forbidden | FailureClass::Unsupported => true,
        // Nothing is missing that a new object needs but the address.
        FailureClass::NotFound => matches!(op, Op::CreateUser | Op::CreateGroup),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SourceId;

    fn user(id: usize) -> ObjectRef {
        ObjectRef::User(SourceId::new(format!("u{id}")))
    }

    fn error(class: FailureClass) -> CallError {
        CallError { class, ..CallError::closed() }
    }

    fn verdicts(
        breaker: &Breaker,
        op: Op,
        ids: std::ops::RangeInclusive<usize>,
        class: FailureClass,
    ) -> Vec<FailureVerdict> {
        ids.map(|id| breaker.failed(op, &user(id), &error(class))).collect()
    }

    #[test]
    fn ma5_one_object_that_fails_for_ever_closes_nothing() {
        for class in [
            FailureClass::Server,
            FailureClass::Unknown,
            FailureClass::NotScim,
            FailureClass::Unreachable,
            FailureClass::Forbidden,
        ] {
            let breaker = Breaker::new(3);
            for _ in 0..100 {
                assert_eq!(breaker.failed(Op::UpdateUser, &user(1), &error(class)), FailureVerdict::GoOn, "{class:?}");
            }
            assert_eq!(breaker.closed(Op::UpdateUser), None);
        }
    }

    #[test]
    fn o4_a_kind_that_fails_for_many_objects_is_closed_and_no_other() {
        let breaker = Breaker::new(3);
        breaker.failed(Op::CreateUser, &user(1), &error(FailureClass::Server));
        breaker.well(Op::CreateUser);
        let verdicts = verdicts(&breaker, Op::CreateUser, 1..=4, FailureClass::Server);
        assert_eq!(
            verdicts,
            [FailureVerdict::GoOn, FailureVerdict::GoOn, FailureVerdict::KindClosed, FailureVerdict::GoOn]
        );
        assert_eq!((breaker.closed(Op::CreateUser), breaker.closed(Op::DeactivateUser)), (Some(3), None));
        assert_eq!(breaker.nothing_went_well(), None, "one went well before");
    }

    #[test]
    fn ma5_a_kind_that_takes_access_goes_on_as_long_as_anything_goes_well() {
        let breaker = Breaker::new(3);
        breaker.well(Op::CreateUser);
        for class in [FailureClass::Server, FailureClass::Forbidden] {
            assert_eq!(verdicts(&breaker, Op::DeactivateUser, 1..=9, class), vec![FailureVerdict::GoOn; 9]);
        }
        let breaker = Breaker::new(3);
        let verdicts = verdicts(&breaker, Op::DeactivateUser, 1..=3, FailureClass::Server);
        assert_eq!(verdicts.last(), Some(&FailureVerdict::KindClosed), "nothing else went well");
    }

    #[test]
    fn refusals_of_objects_are_answers() {
        let breaker = Breaker::new(2);
        for class in [
            FailureClass::Invalid,
            FailureClass::Conflict,
            FailureClass::Immutable,
            FailureClass::TooLarge,
            FailureClass::NotFound,
        ] {
            assert_eq!(verdicts(&breaker, Op::UpdateUser, 1..=50, class), vec![FailureVerdict::GoOn; 50], "{class:?}");
        }
    }

    #[test]
    fn ma5_the_same_refusal_for_every_object_ends_its_kind() {
        for class in [FailureClass::Forbidden, FailureClass::Unsupported, FailureClass::NotFound] {
            let breaker = Breaker::new(3);
            let verdicts = verdicts(&breaker, Op::CreateUser, 1..=3, class);
            assert_eq!(verdicts, [FailureVerdict::GoOn, FailureVerdict::GoOn, FailureVerdict::KindClosed], "{class:?}");
            assert_eq!(breaker.nothing_went_well().map(|(kinds, _)| kinds), Some(vec![Op::CreateUser]));
        }
        let breaker = Breaker::new(3);
        breaker.well(Op::CreateUser);
        assert_eq!(
            verdicts(&breaker, Op::CreateUser, 1..=9, FailureClass::Forbidden),
            vec![FailureVerdict::GoOn; 9],
            "not every one"
        );
    }

    #[test]
    fn t4_an_app_that_answers_no_kind_of_change_ends_the_run() {
        let breaker = Breaker::new(4);
        let first = verdicts(&breaker, Op::CreateUser, 1..=4, FailureClass::Unreachable);
        assert_eq!(first.last(), Some(&FailureVerdict::KindClosed), "another kind may be answered");
        assert!(breaker.only_once(Op::DeactivateUser));
        let second = verdicts(&breaker, Op::DeactivateUser, 1..=3, FailureClass::Unreachable);
        assert_eq!(second, [FailureVerdict::GoOn, FailureVerdict::GoOn, FailureVerdict::Unreachable]);
    }

    #[test]
    fn ma5_an_address_that_refuses_one_kind_of_call_stops_no_removal() {
        let breaker = Breaker::new(4);
        verdicts(&breaker, Op::CreateUser, 1..=4, FailureClass::Unreachable);
        breaker.well(Op::DeactivateUser);
        assert_eq!(
            breaker.failed(Op::DeactivateUser, &user(1), &error(FailureClass::Unreachable)),
            FailureVerdict::GoOn
        );
        assert!(!breaker.only_once(Op::DeactivateUser));
    }

    #[test]
    fn those_behind_many_failures_are_tried_once() {
        let breaker = Breaker::new(20);
        for id in 0..4 {
            assert!(!breaker.only_once(Op::CreateUser), "{id}");
            breaker.failed(Op::CreateUser, &user(id), &error(FailureClass::Server));
        }
        assert!(breaker.only_once(Op::CreateUser));
        breaker.well(Op::CreateUser);
        assert!(!breaker.only_once(Op::CreateUser));
        for id in 0..4 {
            assert!(!breaker.only_once(Op::AddMembers), "{id}");
            breaker.failed_in_parts(Op::AddMembers, &user(id));
        }
        assert!(breaker.only_once(Op::AddMembers));
        assert_eq!(breaker.closed(Op::AddMembers), None);
    }
}
