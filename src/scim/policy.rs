//! What a failed call leads to, as a table. In: the kind of failure and the kind of call. Out: the next step.
//!
//! `apply` reads it for writes, this room for its own reads: there is no other opinion. How often and after which pause a call is
//! repeated is not said here ([`crate::http::retry::Backoff`] and the profile's `pace` do).

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
    /// Set the object aside, and look what the app has: the answer is news about it. It may be gone, or have been there all
    /// along.
    GiveUpAndLook,
    /// Wait, then send the same again.
    WaitAndRepeat,
    /// Wait, see whether it was carried out after all, and send it again only if not.
    LookUpFirst,
    /// Wait, see whether it was carried out after all, and leave it for the next run if not: it may still be under way.
    LookUpOnly,
    /// Send the members in two halves, to get the good ones through and find the bad one.
    Halve,
    /// Stop everything for this app: the next call would fail alike, or do harm.
    StopTarget,
}

/// The table (RFC 7644 §3.12, and what apps really do).
pub fn next_step(class: Class, kind: Kind) -> Step {
    use Step::{GiveUp, GiveUpAndLook, Halve, LookUpFirst, LookUpOnly, StopTarget, WaitAndRepeat};
    //                                read           create         change         members
    let row = match class {
        Class::Unauthorized => [StopTarget, StopTarget, StopTarget, StopTarget],
        Class::Forbidden => [GiveUp, GiveUp, GiveUp, GiveUp],
        // Of a person or group: the link may lead nowhere. Of a membership: the group may be gone, or one of the members.
        Class::NotFound => [GiveUp, GiveUp, GiveUpAndLook, Halve],
        // Somebody has that name already: to a create that may be the very account which was looked for and not shown.
        Class::Conflict => [GiveUp, GiveUpAndLook, GiveUp, Halve],
        // A change reads what it replaces anew each time (RFC 7644 §3.14).
        Class::Changed => [WaitAndRepeat, LookUpFirst, WaitAndRepeat, WaitAndRepeat],
        Class::TooLarge => [GiveUp, GiveUp, GiveUp, Halve],
        Class::Throttled => [WaitAndRepeat, WaitAndRepeat, WaitAndRepeat, WaitAndRepeat],
        Class::Invalid => [GiveUp, GiveUp, GiveUp, Halve],
        Class::Immutable => [GiveUp, GiveUp, GiveUp, GiveUp],
        Class::Unsupported => [GiveUp, GiveUp, GiveUp, GiveUp],
        Class::Server => [WaitAndRepeat, LookUpFirst, WaitAndRepeat, WaitAndRepeat],
        // The origin has moved, or somebody stands between: no further token goes there.
        Class::Redirect => [StopTarget, StopTarget, StopTarget, StopTarget],
        // Somebody else answered, or the app in a way that repeats itself.
        Class::NotScim => [GiveUp, LookUpFirst, GiveUp, GiveUp],
        Class::Unreachable => [WaitAndRepeat, WaitAndRepeat, WaitAndRepeat, WaitAndRepeat],
        Class::Unknown => [WaitAndRepeat, LookUpOnly, WaitAndRepeat, WaitAndRepeat],
        Class::Closed => [GiveUp, GiveUp, GiveUp, GiveUp],
    };
    match kind {
        Kind::Read => row[0],
        Kind::Create => row[1],
        Kind::Change => row[2],
        Kind::Members => row[3],
    }
}

/// Every class.
#[cfg(test)]
pub(crate) const CLASSES: [Class; 16] = [
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
    Class::Closed,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i3_a_create_is_repeated_only_where_the_first_was_surely_not_carried_out() {
        let repeated: Vec<_> =
            CLASSES.into_iter().filter(|&class| next_step(class, Kind::Create) == Step::WaitAndRepeat).collect();
        assert_eq!(repeated, [Class::Throttled, Class::Unreachable]);
    }

    #[test]
    fn i3_a_create_that_may_be_under_way_is_never_sent_again() {
        assert_eq!(next_step(Class::Unknown, Kind::Create), Step::LookUpOnly);
        for kind in [Kind::Read, Kind::Change, Kind::Members] {
            assert_eq!(next_step(Class::Unknown, kind), Step::WaitAndRepeat, "done twice is done once");
        }
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
