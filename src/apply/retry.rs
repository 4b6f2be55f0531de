//! How often a failed call is repeated, and after which pause. In: the failure, and how often it was tried. Out: the next step.
//!
//! What a failure means stands in one table ([`failure`](crate::http::failure)), how pauses grow in [`Backoff`]; here both are
//! bounded.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::config::profile::Profile;
use crate::http::failure::{AfterFailure, CallKind, after_try};
use crate::http::retry::{Backoff, Jitter};
use crate::scim::CallError;

/// How failures are repeated; from the profile.
#[derive(Debug, Clone, Copy)]
pub struct Repeat {
    /// How often a call is tried in all.
    pub attempts: u32,
    /// The pauses.
    pub backoff: Backoff,
    /// Objects in a row at which the app fails that close their kind of change; and tries in a row without an answer that end
    /// the run.
    pub breaker_failures: u32,
    /// How long the app may not show what it just made: nobody looks for it earlier.
    pub settles_after: Duration,
}

impl From<&Profile> for Repeat {
    fn from(profile: &Profile) -> Self {
        let pace = &profile.pace;
        Self {
            attempts: pace.attempts.max(1),
            backoff: Backoff::from(pace),
            breaker_failures: pace.breaker_failures.max(1),
            settles_after: Duration::from_secs(profile.read.settles_after_s.into()),
        }
    }
}

impl Repeat {
    /// The step after failure number `attempt` (from 1).
    pub(super) fn next(&self, error: &CallError, kind: CallKind, attempt: u32) -> AfterFailure {
        after_try(error.class, kind, attempt, self.attempts)
    }

    /// The pause before a step: whoever looks for what may just have been made looks when it would be shown.
    pub(super) fn pause_before(&self, step: AfterFailure, error: &CallError, attempt: u32) -> Duration {
        let pause = self.pause(error, attempt);
        match step {
            AfterFailure::LookUpThenRetry | AfterFailure::LookUpOnly => pause.max(self.settles_after),
            _ => pause,
        }
    }

    /// The pause between two tries. It differs from object to object and try to try, and needs no randomness.
    pub(super) fn pause(&self, error: &CallError, attempt: u32) -> Duration {
        let seed = xxh3_64_with_seed(error.path.as_bytes(), u64::from(attempt));
        self.backoff.pause(attempt, error.retry_after, &mut Jitter::new(seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::FailureClass;

    fn error(class: FailureClass) -> CallError {
        CallError {
            class,
            status: None,
            scim_type: None,
            message: String::new(),
            method: "POST",
            path: "/Users".to_owned(),
            retry_after: None,
            maybe_done: true,
        }
    }

    fn repeat() -> Repeat {
        Repeat::from(&Profile::default())
    }

    #[test]
    fn i3_a_create_that_may_have_been_done_is_looked_up_before_it_is_repeated_and_after_the_last_try() {
        for class in [FailureClass::Server, FailureClass::NotScim] {
            assert_eq!(repeat().next(&error(class), CallKind::Create, 1), AfterFailure::LookUpThenRetry, "{class:?}");
            assert_eq!(repeat().next(&error(class), CallKind::Create, 5), AfterFailure::LookUpOnly, "{class:?}");
        }
    }

    #[test]
    fn i7_no_call_is_tried_for_ever() {
        for class in [
            FailureClass::Server,
            FailureClass::Unknown,
            FailureClass::Throttled,
            FailureClass::Unreachable,
            FailureClass::Changed,
        ] {
            for kind in [CallKind::Change, CallKind::Members] {
                assert_eq!(repeat().next(&error(class), kind, 4), AfterFailure::Retry, "{class:?}");
                assert_eq!(repeat().next(&error(class), kind, 5), AfterFailure::Fail, "{class:?}");
            }
        }
        assert_eq!(repeat().next(&error(FailureClass::Throttled), CallKind::Create, 5), AfterFailure::Fail);
    }

    #[test]
    fn t3_what_the_app_asks_for_is_waited_for_up_to_the_cap() {
        let mut throttled = error(FailureClass::Throttled);
        for (asked, waited) in [(0, 500), (7_000, 7_000), (10_000_000, 300_000)] {
            throttled.retry_after = Some(Duration::from_millis(asked));
            assert_eq!(repeat().pause(&throttled, 1), Duration::from_millis(waited));
        }
    }

    #[test]
    fn t4_objects_that_failed_together_do_not_come_back_together() {
        let pause = |path: &str| repeat().pause(&CallError { path: path.to_owned(), ..error(FailureClass::Server) }, 5);
        assert_ne!(pause("/Users/1"), pause("/Users/2"));
        assert_eq!(pause("/Users/1"), pause("/Users/1"));
    }
}
