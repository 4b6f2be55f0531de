//! When to stop trying. It takes how calls end, object by object, and says which kinds of change are not to be tried any more in this run.
//!
//! Failures count per object and per kind of change: an account that the app answers with 500 for ever stops no other, and an app that
//! cannot create accounts (licences used up, say) still carries out removals. It must not depend on how calls are made or repeated.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::model::{ObjectRef, Op};
use crate::scim::Class;

/// After so many objects in a row for which every try failed, the next ones of this kind are tried once each.
const ONCE_AFTER: usize = 3;

/// What a failure leads to, beside what it means for its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
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
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Objects for which the app failed, in a row, by kind of change.
    failing: BTreeMap<Op, HashSet<ObjectRef>>,
    /// Kinds of change that are not tried any more.
    closed: BTreeMap<Op, usize>,
    /// Tries in a row that got no answer, over all objects.
    unanswered: usize,
    /// Whether any call of this run went well.
    any_well: bool,
}

impl Breaker {
    /// `limit` is how many objects in a row close a kind of change, and how many tries in a row without an answer end the run.
    pub(super) fn new(limit: u32) -> Self {
        Self { limit: limit.max(1) as usize, inner: Mutex::default() }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call went well: the streak of its kind ends.
    pub(super) fn well(&self, op: Op) {
        let mut inner = self.inner();
        inner.failing.remove(&op);
        inner.unanswered = 0;
        inner.any_well = true;
    }

    /// A try failed. Only failures of the app itself count, not its refusals.
    pub(super) fn failed(&self, op: Op, object: &ObjectRef, class: Class) -> Verdict {
        let mut inner = self.inner();
        match class {
            Class::Unreachable => {
                inner.unanswered += 1;
                return if inner.unanswered >= self.limit { Verdict::Unreachable } else { Verdict::GoOn };
            }
            Class::Server | Class::Unknown | Class::NotScim => inner.unanswered = 0,
            _ => {
                // A refusal is an answer.
                inner.unanswered = 0;
                return Verdict::GoOn;
            }
        }
        let failing = inner.failing.entry(op).or_default();
        failing.insert(object.clone());
        let count = failing.len();
        if count < self.limit {
            return Verdict::GoOn;
        }
        if inner.closed.contains_key(&op) {
            return Verdict::GoOn;
        }
        inner.closed.insert(op, count);
        Verdict::KindClosed
    }

    /// How many objects in a row failed, if the app is not asked for this kind of change any more.
    pub(super) fn closed(&self, op: Op) -> Option<usize> {
        self.inner().closed.get(&op).copied()
    }

    /// Whether an object of this kind gets a single try: those before it failed alike.
    pub(super) fn only_once(&self, op: Op) -> bool {
        self.inner().failing.get(&op).is_some_and(|failing| failing.len() > ONCE_AFTER)
    }

    /// The kinds that were closed, if nothing at all went well: then the app is what fails, not what was asked of it.
    pub(super) fn nothing_went_well(&self) -> Option<Vec<Op>> {
        let inner = self.inner();
        (!inner.any_well && !inner.closed.is_empty()).then(|| inner.closed.keys().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SourceId;

    fn user(id: usize) -> ObjectRef {
        ObjectRef::User(SourceId::new(format!("u{id}")))
    }

    #[test]
    fn ma5_one_object_that_fails_for_ever_closes_nothing() {
        let breaker = Breaker::new(3);
        for _ in 0..100 {
            assert_eq!(breaker.failed(Op::UpdateUser, &user(1), Class::Server), Verdict::GoOn);
        }
        assert_eq!(breaker.closed(Op::UpdateUser), None);
    }

    #[test]
    fn o4_a_kind_that_fails_for_many_objects_is_closed_and_no_other() {
        let breaker = Breaker::new(3);
        breaker.failed(Op::CreateUser, &user(1), Class::Server);
        breaker.well(Op::CreateUser);
        let verdicts: Vec<Verdict> =
            (1..=4).map(|id| breaker.failed(Op::CreateUser, &user(id), Class::Server)).collect();
        assert_eq!(verdicts, [Verdict::GoOn, Verdict::GoOn, Verdict::KindClosed, Verdict::GoOn]);
        assert_eq!((breaker.closed(Op::CreateUser), breaker.closed(Op::DeactivateUser)), (Some(3), None));
        assert_eq!(breaker.nothing_went_well(), None, "one went well before");
    }

    #[test]
    fn refusals_are_answers() {
        let breaker = Breaker::new(2);
        for id in 0..50 {
            assert_eq!(breaker.failed(Op::UpdateUser, &user(id), Class::Invalid), Verdict::GoOn);
        }
    }

    #[test]
    fn t4_an_app_that_does_not_answer_ends_the_run() {
        let breaker = Breaker::new(3);
        breaker.failed(Op::CreateUser, &user(1), Class::Unreachable);
        breaker.failed(Op::CreateUser, &user(1), Class::Server);
        let verdicts: Vec<Verdict> =
            (0..3).map(|_| breaker.failed(Op::CreateUser, &user(1), Class::Unreachable)).collect();
        assert_eq!(verdicts, [Verdict::GoOn, Verdict::GoOn, Verdict::Unreachable]);
    }

    #[test]
    fn those_behind_many_failures_are_tried_once() {
        let breaker = Breaker::new(20);
        for id in 0..4 {
            assert!(!breaker.only_once(Op::CreateUser), "{id}");
            breaker.failed(Op::CreateUser, &user(id), Class::Server);
        }
        assert!(breaker.only_once(Op::CreateUser));
        breaker.well(Op::CreateUser);
        assert!(!breaker.only_once(Op::CreateUser));
    }
}
