//! What follows a failed call. In: the failure, how often it was tried, whether repeating is harmless. Out: the next step.

use std::time::Duration;

use crate::scim::{CallError, Class};

/// How failures are repeated; from the profile.
#[derive(Debug, Clone, Copy)]
pub struct Repeat {
    /// How often a call is tried in all.
    pub attempts: u32,
    /// The first pause; doubled each time.
    pub base: Duration,
    /// The longest pause.
    pub cap: Duration,
    /// Server errors in a row, over all objects, that end the run.
    pub breaker_failures: u32,
}

/// What a call does when it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It makes something new: a second one may make a second account.
    Create,
    /// It sets what is set already: harmless.
    Absolute,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait, then the same call again.
    Again(Duration),
    /// Wait, then see whether it was carried out after all, and repeat it only if not.
    LookFirst(Duration),
    /// Wait, see whether it was carried out after all, and leave it for the next run if not: it may still be under way.
    LookOnly(Duration),
    /// The tenant's target is unusable: nothing else is tried.
    StopRun,
    /// This object is set aside.
    GiveUp,
}

impl Repeat {
    /// The step after failure number `attempt` (from 1). `chance` is in 0..1 and spreads the pauses (full jitter).
    pub(super) fn next(&self, error: &CallError, kind: Kind, attempt: u32, chance: f64) -> Next {
        use Class as C;
        let pause = self.pause(error, attempt, chance);
        match error.class {
            C::Unauthorized | C::Redirect => Next::StopRun,
            C::Unknown if kind == Kind::Create => Next::LookOnly(pause),
            _ if attempt >= self.attempts => match (kind, error.maybe_done) {
                (Kind::Create, true) => Next::LookOnly(pause),
                _ => Next::GiveUp,
            },
            C::Throttled | C::Unreachable => Next::Again(pause),
            C::Changed => Next::Again(pause),
            C::Server | C::Unknown | C::NotScim => match (kind, error.maybe_done) {
                (Kind::Create, true) => Next::LookFirst(pause),
                (Kind::Absolute, true) | (_, false) if error.class != C::NotScim => Next::Again(pause),
                _ => Next::GiveUp,
            },
            C::Forbidden | C::NotFound | C::Conflict | C::TooLarge | C::Invalid | C::Immutable | C::Unsupported => {
                Next::GiveUp
            }
        }
    }

    /// Exponential with full jitter, never shorter than the app asked for, never longer than the cap.
    fn pause(&self, error: &CallError, attempt: u32, chance: f64) -> Duration {
        let ceiling = self.base.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1).min(16))).min(self.cap);
        let jittered = ceiling.mul_f64(chance.clamp(0.0, 1.0));
        jittered.max(error.retry_after.unwrap_or_default()).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: Class, maybe_done: bool) -> CallError {
        CallError {
            class,
            status: None,
            scim_type: None,
            message: String::new(),
            method: "POST",
            path: "/Users".to_owned(),
            retry_after: None,
            maybe_done,
        }
    }

    const REPEAT: Repeat =
        Repeat { attempts: 5, base: Duration::from_millis(500), cap: Duration::from_secs(300), breaker_failures: 20 };

    #[test]
    fn i3_a_create_that_may_have_been_done_is_looked_up_before_it_is_repeated() {
        let pause = Duration::from_millis(500);
        for class in [Class::Server, Class::NotScim] {
            let next = REPEAT.next(&error(class, true), Kind::Create, 1, 1.0);
            assert_eq!(next, Next::LookFirst(pause), "{class:?}");
        }
        let unanswered = REPEAT.next(&error(Class::Unknown, true), Kind::Create, 1, 1.0);
        assert_eq!(unanswered, Next::LookOnly(pause), "it may still be under way");
        let last = REPEAT.next(&error(Class::Server, true), Kind::Create, 5, 0.0);
        assert_eq!(last, Next::LookOnly(Duration::ZERO));
        assert_eq!(REPEAT.next(&error(Class::Server, false), Kind::Create, 5, 1.0), Next::GiveUp);
    }

    #[test]
    fn a_dead_credential_stops_the_run_and_a_bad_payload_only_its_object() {
        assert_eq!(REPEAT.next(&error(Class::Unauthorized, false), Kind::Absolute, 1, 0.5), Next::StopRun);
        assert_eq!(REPEAT.next(&error(Class::Redirect, false), Kind::Absolute, 1, 0.5), Next::StopRun);
        for class in [Class::Invalid, Class::Forbidden, Class::Conflict, Class::Unsupported] {
            assert_eq!(REPEAT.next(&error(class, false), Kind::Absolute, 1, 0.5), Next::GiveUp, "{class:?}");
        }
    }

    #[test]
    fn t3_retry_after_is_kept_and_capped() {
        let mut throttled = error(Class::Throttled, false);
        for (asked, waited) in [(0, 500), (7_000, 7_000), (10_000_000, 300_000)] {
            throttled.retry_after = Some(Duration::from_millis(asked));
            let next = REPEAT.next(&throttled, Kind::Create, 1, 1.0);
            assert_eq!(next, Next::Again(Duration::from_millis(waited)));
        }
    }
}
