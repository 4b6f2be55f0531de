//! How many members go into one call. It takes how calls about members end, and says how large the next one may be and what is worth keeping.
//!
//! A refusal (400) can mean that a call was too large or that one member in it is bad. So the same members are sent again in a smaller call, and
//! a smaller size is kept only when all of them went through in smaller calls. 413 needs no such proof. It must not depend on how calls are made.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Mutex as Gate, MutexGuard};

use crate::http::failure::{AfterFailure, CallKind, after_failure};
use crate::model::SourceId;
use crate::scim::{CallError, FailureClass};

/// A call with more members than this that gets no answer may have been too much for the app.
const SURELY_ENOUGH: usize = 50;

/// A smaller size is not taken for the app's limit before that is proven.
const LEAST_LIKELY: usize = 10;

/// Whether a smaller call may do: one bad member fails the whole (T14), or the call was too large. A 5xx that stays may hide either, and of a
/// large call that was not answered in time a part may be.
pub(super) fn can_be_cut(error: &CallError, members: usize) -> bool {
    members > 1
        && (after_failure(error.class, CallKind::Members) == AfterFailure::SplitBatch
            || error.class == FailureClass::Server
            || (members > SURELY_ENOUGH && error.maybe_done))
}

/// Whether twice as many members would be about as many as were refused.
fn is_close(size: usize, refused: usize) -> bool {
    size.saturating_mul(2) >= refused - refused / 8
}

/// The sizes of one membership change's calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunks {
    /// The most members that a call may have at all.
    most: usize,
    /// How many the next one has.
    size: usize,
    /// The smallest call that was refused and whose refusal no bad member explains.
    refused: Option<usize>,
    /// Members of refused calls that have not gone through yet.
    to_prove: usize,
    /// The largest call that went through after a refusal.
    best: usize,
    /// The smallest call that the app said is too large (413).
    too_large: Option<usize>,
    /// Whether a member was refused alone, or a call failed in a way that tells nothing of sizes.
    spoilt: bool,
    /// Whether a large call was not answered.
    unanswered: bool,
}

impl Chunks {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            most,
            size: most,
            refused: None,
            to_prove: 0,
            best: 0,
            too_large: None,
            spoilt: false,
            unanswered: false,
        }
    }

    /// How many members the next call has.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Whether a refusal is not explained yet.
    pub(super) fn is_searching(&self) -> bool {
        self.refused.is_some() && self.learned().is_none()
    }

    /// Another call found out that less is taken.
    pub(super) fn at_most(&mut self, most: usize) {
        self.most = self.most.min(most.max(1));
        self.size = self.size.min(self.most);
    }

    /// A call of several members failed in a way that a smaller one may not.
    pub(super) fn cut(&mut self, members: usize, error: &CallError) {
        match error.class {
            FailureClass::TooLarge => self.too_large = Some(self.too_large.map_or(members, |least| least.min(members))),
            FailureClass::Invalid => {}
            // Given up in time, at a gateway or here: then it is probably large.
            _ if members > SURELY_ENOUGH && error.maybe_done && error.status != Some(500) => self.unanswered = true,
            _ => self.spoilt = true,
        }
        if self.to_prove == 0 {
            self.to_prove = members;
        }
        self.refused = Some(self.refused.map_or(members, |refused| refused.min(members)));
        let half = members / 2;
        let stays_large = self.unanswered && members > SURELY_ENOUGH;
        self.size = if stays_large { half.max(SURELY_ENOUGH) } else { half }.max(1);
    }

    /// A call of so many members went through.
    pub(super) fn took(&mut self, members: usize) {
        if self.refused.is_some() {
            self.best = self.best.max(members);
        }
        self.to_prove = self.to_prove.saturating_sub(members);
        if self.refused.is_none_or(|refused| !is_close(self.size, refused)) {
            self.size = self.size.saturating_mul(2).min(self.most);
        }
    }

    /// A member was refused alone: that explains the refusals before, unless the app said what they were.
    pub(super) fn alone(&mut self) {
        self.to_prove = self.to_prove.saturating_sub(1);
        self.spoilt = true;
        self.size = 1;
        self.refused = self.too_large;
    }

    /// A call failed whole, for other reasons.
    pub(super) fn failed(&mut self, members: usize) {
        self.to_prove = self.to_prove.saturating_sub(members);
        self.spoilt = true;
    }

    /// The size that the app probably takes at most, after a refusal that no bad member explains yet. A very small one is rather a sign of a
    /// bad member.
    pub(super) fn likely(&self) -> Option<usize> {
        (self.refused.is_some() && self.best >= LEAST_LIKELY && !self.spoilt).then_some(self.best)
    }

    /// The size to keep, where it is known that the app takes no more.
    pub(super) fn learned(&self) -> Option<usize> {
        let refused = self.refused.filter(|_| self.best > 0)?;
        let said = self.too_large == Some(refused) && is_close(self.best, refused);
        let proven = said || (!self.spoilt && self.to_prove == 0);
        proven.then(|| self.best.min(refused - 1).max(1))
    }
}

/// What the calls of a run found out together.
#[derive(Debug)]
pub(super) struct Sizes {
    /// The most members of a call, as far as is known.
    most: AtomicUsize,
    /// The same, as far as it is proven.
    proven_limit: AtomicUsize,
    /// The largest call of this run that went through.
    proven: AtomicUsize,
    /// Only one call at a time is larger than any that went through: what it finds out need not be found out twice.
    gate: Gate<()>,
    /// What the create of a group found out, for the memberships that follow.
    of_groups: Mutex<HashMap<SourceId, Chunks>>,
}

impl Sizes {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: AtomicUsize::new(most.max(1)),
            proven_limit: AtomicUsize::new(most.max(1)),
            proven: AtomicUsize::new(1),
            gate: Gate::new(()),
            of_groups: Mutex::default(),
        }
    }

    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// The sizes that a change of a group's members begins with.
    pub(super) fn of(&self, group: &SourceId) -> Chunks {
        let known = self.of_groups.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
        known.unwrap_or_else(|| Chunks::new(self.most()))
    }

    /// Keeps what the create of a group found out.
    pub(super) fn keep(&self, group: &SourceId, chunks: Chunks) {
        self.of_groups.lock().unwrap_or_else(PoisonError::into_inner).insert(group.clone(), chunks);
    }

    /// Waits for its turn before a call that is larger than any that went through; `None` where it need not.
    pub(super) async fn turn(&self, members: usize) -> Option<MutexGuard<'_, ()>> {
        match self.is_proven(members) {
            true => None,
            false => Some(self.gate.lock().await),
        }
    }

    pub(super) fn is_proven(&self, members: usize) -> bool {
        members <= self.proven.load(Ordering::Relaxed)
    }

    pub(super) fn took(&self, members: usize) {
        self.proven.fetch_max(members, Ordering::Relaxed);
    }

    /// No call of this run has more members from now on.
    pub(super) fn learn(&self, most: usize) {
        self.proven_limit.fetch_min(most.max(1), Ordering::Relaxed);
        self.suppose(most);
    }

    /// No call has more members until a bad member turns out to be what was refused.
    pub(super) fn suppose(&self, most: usize) {
        self.most.fetch_min(most.max(1), Ordering::Relaxed);
    }

    /// A bad member was what was refused.
    pub(super) fn suppose_no_more(&self) {
        self.most.store(self.proven_limit.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn error(class: FailureClass, status: u16) -> CallError {
        CallError { class, status: Some(status), ..CallError::closed() }
    }

    /// Sends so many members to an app that answers by `take`; gives how many calls were refused, how many went through, and what was learned.
    fn sent(
        members: usize,
        most: usize,
        take: impl Fn(usize, usize) -> Result<(), CallError>,
    ) -> (usize, usize, Option<usize>) {
        let (mut at, mut refused, mut well, mut chunks) = (0, 0, 0, Chunks::new(most));
        while at < members {
            let n = chunks.size().min(members - at);
            match take(at, n) {
                Ok(()) => {
                    (at, well) = (at + n, well + 1);
                    chunks.took(n);
                }
                Err(error) if can_be_cut(&error, n) => {
                    refused += 1;
                    chunks.cut(n, &error);
                }
                Err(_) => {
                    (at, refused) = (at + n, refused + 1);
                    chunks.alone();
                }
            }
        }
        (refused, well, chunks.learned())
    }

    #[test]
    fn j8_a_limit_is_found_by_halves_and_kept() {
        for (class, status) in [(FailureClass::Invalid, 400), (FailureClass::TooLarge, 413)] {
            for limit in [1, 2, 7, 10, 99, 100, 250, 499] {
                let take = |_, n| if n > limit { Err(error(class, status)) } else { Ok(()) };
                let (refused, well, learned) = sent(2000, 500, take);
                let learned = learned.unwrap();
                assert!(learned <= limit && learned * 2 >= limit, "{limit}: {learned}");
                assert!(refused <= 10, "{limit}: {refused} refused");
                assert!(well <= 2000 / learned + 2, "{limit}: {well}");
            }
        }
    }

    #[test]
    fn j8_a_bad_member_is_found_and_no_size_is_learned_from_it() {
        for bad in [0, 1, 2, 62, 249, 250, 498, 499, 700] {
            let take =
                |at, n| if (at..at + n).contains(&bad) { Err(error(FailureClass::Invalid, 400)) } else { Ok(()) };
            let (refused, well, learned) = sent(1000, 500, take);
            assert_eq!(learned, None, "{bad}");
            assert!(refused <= 20 && well <= 30, "{bad}: {refused} {well}");
        }
    }

    #[test]
    fn j8_an_app_that_refuses_everybody_is_asked_once_for_each() {
        let (refused, well, learned) = sent(100, 50, |_, _| Err(error(FailureClass::Invalid, 400)));
        assert!(refused <= 110, "{refused}");
        assert_eq!((well, learned), (0, None));
    }

    #[test]
    fn j8_a_413_is_believed_though_a_member_is_bad_too() {
        let take = |at, n| match (at, n) {
            (_, 101..) => Err(error(FailureClass::TooLarge, 413)),
            (at, n) if (at..at + n).contains(&70) => Err(error(FailureClass::Invalid, 400)),
            _ => Ok(()),
        };
        let (_, _, learned) = sent(1000, 500, take);
        assert!(learned.is_some_and(|size| (50..=100).contains(&size)), "{learned:?}");
    }

    #[test]
    fn a_large_call_without_an_answer_is_sent_in_parts_of_a_safe_size() {
        let take = |_, n| match n {
            n if n > 60 => Err(CallError { class: FailureClass::Unknown, maybe_done: true, ..CallError::closed() }),
            _ => Ok(()),
        };
        let (refused, _, learned) = sent(500, 500, take);
        assert!(refused <= 5, "{refused}");
        assert!(learned.is_some_and(|size| size >= 50), "{learned:?}");
    }
}
