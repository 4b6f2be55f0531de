//! What a failed call leads to, as a table. In: the kind of failure and the kind of call. Out: the next step.
//!
//! `apply` reads it for writes, this room for its own reads. The pauses come from [`crate::http::retry::Backoff`].

use super::Class;

/// What kind of call failed: that decides what a repetition could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// GET: repeating it changes nothing.
    Read,
    /// POST: repeating it may make a second object.
    Create,
    /// PATCH, PUT or DELETE with absolute values: done twice is done once.
    Change,
    /// As [`Kind::Change`], with several members in one request: it can be split.
    Members,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Set the object aside with the reason; nothing else would help.
    GiveUp,
    /// Wait, then send the same again.
    WaitAndRepeat,
    /// Look the object up first: it may be there, gone, or different from what we knew. Then decide again.
    LookUpFirst,
    /// Send the members in two halves, to get the good ones through and find the bad one.
    Halve,
    /// Stop everything for this app: the next call would fail alike, or do harm.
    StopTarget,
}

/// The table (RFC 7644 §3.12, and what apps really do).
pub fn next_step(class: Class, kind: Kind) -> Step {
    use Step::{GiveUp, Halve, LookUpFirst, StopTarget, WaitAndRepeat};
    //                                read           create       change         members
    let row = match class {
        Class::Unauthorized => [StopTarget, StopTarget, StopTarget, StopTarget],
        Class::Forbidden => [GiveUp, GiveUp, GiveUp, GiveUp],
        // A collection that is not there is a wrong base URL; an object that is not there is news about the object.
        Class::NotFound => [GiveUp, StopTarget, LookUpFirst, LookUpFirst],
        Class::Conflict => [GiveUp, LookUpFirst, LookUpFirst, LookUpFirst],
        Class::Changed => [WaitAndRepeat, LookUpFirst, LookUpFirst, LookUpFirst],
        Class::TooLarge => [GiveUp, GiveUp, GiveUp, Halve],
        Class::Throttled => [WaitAndRepeat, WaitAndRepeat, WaitAndRepeat, WaitAndRepeat],
        Class::Invalid => [GiveUp, GiveUp, GiveUp, Halve],
        Class::Immutable => [GiveUp, GiveUp, GiveUp, GiveUp],
        Class::Unsupported => [GiveUp, GiveUp, GiveUp, GiveUp],
        Class::Server => [WaitAndRepeat, LookUpFirst, WaitAndRepeat, WaitAndRepeat],
        // The origin has moved, or somebody stands between: no further token goes there.
        Class::Redirect => [StopTarget, StopTarget, StopTarget, StopTarget],
        Class::NotScim => [GiveUp, LookUpFirst, LookUpFirst, LookUpFirst],
        Class::Unreachable => [WaitAndRepeat, WaitAndRepeat, WaitAndRepeat, WaitAndRepeat],
        Class::Unknown => [WaitAndRepeat, LookUpFirst, WaitAndRepeat, WaitAndRepeat],
    };
    match kind {
        Kind::Read => row[0],
        Kind::Create => row[1],
        Kind::Change => row[2],
        Kind::Members => row[3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [Class; 15] = [
        Class::Unauthorized,
        Class::Forbidden,
        Class::NotFound,
        Class::Conflict,
        Class::Changed,
        Class::TooLarge,
        Class::Throttled,
        Class::Invalid,
        Class::Immutable,
        Class::Unsupported,
        Class::Server,
        Class::Redirect,
        Class::NotScim,
        Class::Unreachable,
        Class::Unknown,
    ];

    #[test]
    fn i3_a_create_is_repeated_only_where_the_first_was_surely_not_carried_out() {
        let repeated: Vec<_> =
            CLASSES.into_iter().filter(|&class| next_step(class, Kind::Create) == Step::WaitAndRepeat).collect();
        assert_eq!(repeated, [Class::Throttled, Class::Unreachable]);
    }

    #[test]
    fn t13_a_dead_credential_and_a_moved_origin_stop_everything() {
        for kind in [Kind::Read, Kind::Create, Kind::Change, Kind::Members] {
            assert_eq!(next_step(Class::Unauthorized, kind), Step::StopTarget);
            assert_eq!(next_step(Class::Redirect, kind), Step::StopTarget);
        }
    }

    #[test]
    fn t14_only_requests_with_several_members_are_split() {
        for class in CLASSES {
            for kind in [Kind::Read, Kind::Create, Kind::Change] {
                assert_ne!(next_step(class, kind), Step::Halve);
            }
        }
        assert_eq!(next_step(Class::Invalid, Kind::Members), Step::Halve);
        assert_eq!(next_step(Class::TooLarge, Kind::Members), Step::Halve);
    }
}
