//! What a failed call means and what follows from it, for directories, apps and web hooks alike. It takes an HTTP status, or the lack of an
//! answer, and the kind of call, and returns the class of the failure and the next step.
//!
//! There is no other judgement of HTTP statuses and no other table of steps. How often and after which pause a call is repeated is said by
//! [`retry`](super::retry). This module must not depend on SCIM or on a product.

use serde::{Deserialize, Serialize};

/// What kind of failure a call met (RFC 9110 §15, RFC 7644 §3.12, and what servers really do). It decides what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// 401: the credential is dead. Stops the tenant.
    Unauthorized,
    /// 403: this call is not allowed.
    Forbidden,
    /// 404 (or 410): the object is not there.
    NotFound,
    /// 409, or an app's own way of saying "already exists".
    Conflict,
    /// 412: the object changed meanwhile.
    Changed,
    /// 413: the body is too large.
    TooLarge,
    /// 429.
    Throttled,
    /// 400, 422: this payload will never do.
    Invalid,
    /// 400 with `scimType` `mutability`: the attribute can't be changed.
    Immutable,
    /// 405, 501: the app does not offer this operation.
    Unsupported,
    /// 5xx, 408, 423, 425: the server can't do it now.
    Server,
    /// 3xx: redirects are not followed; a token stays with its origin.
    Redirect,
    /// An answer that is not SCIM: HTML, truncated JSON, too large, too deep.
    NotScim,
    /// No connection could be made: nothing was sent.
    Unreachable,
    /// The server's certificate is not accepted, or it speaks no TLS that is: nothing was sent.
    Untrusted,
    /// A token server refused the credentials, so there is no token: nothing was sent.
    LoginRefused,
    /// A token server gave no token for another reason: nothing was sent.
    LoginFailed,
    /// The request went out and no answer came back: it may have been carried out.
    Unknown,
    /// The run ended while the call waited for its turn: nothing was sent.
    Closed,
}

impl FailureClass {
    /// The class of a status, whatever the body says.
    pub(crate) fn of(status: u16) -> Self {
        match status {
            401 => Self::Unauthorized,
            // 402: no seat left to pay for; as final as a ban.
            402 | 403 => Self::Forbidden,
            404 | 410 => Self::NotFound,
            409 => Self::Conflict,
            412 => Self::Changed,
            413 => Self::TooLarge,
            429 => Self::Throttled,
            405 | 501 => Self::Unsupported,
            // 408, 425: the server gave up on the request, or wants it once more; it may have begun. 423: something else changes the object.
            408 | 423 | 425 | 500..=599 => Self::Server,
            300..=399 => Self::Redirect,
            400..=499 => Self::Invalid,
            _ => Self::NotScim,
        }
    }

    /// In a word, as it is counted and written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Changed => "changed",
            Self::TooLarge => "too_large",
            Self::Throttled => "throttled",
            Self::Invalid => "invalid",
            Self::Immutable => "immutable",
            Self::Unsupported => "unsupported",
            Self::Server => "server",
            Self::Redirect => "redirect",
            Self::NotScim => "not_scim",
            Self::Unreachable => "unreachable",
            Self::Untrusted => "untrusted",
            Self::LoginRefused => "login_refused",
            Self::LoginFailed => "login_failed",
            Self::Unknown => "unknown",
            Self::Closed => "closed",
        }
    }
}

/// What kind of call failed: that decides what a repetition could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// GET: repeating it changes nothing.
    Read,
    /// POST: repeating it may make a second object.
    Create,
    /// PATCH, PUT or DELETE with absolute values: done twice is done once.
    Change,
    /// As [`CallKind::Change`], with several members in one request: it can be split.
    Members,
}

/// What follows a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Set the object aside with the reason; nothing else would help.
    Fail,
    /// Set the object aside, and look what the app has: the answer is news about it. It may be gone, or have been there all
    /// along.
    FailAndLookUp,
    /// Wait, then send the same again.
    Retry,
    /// Wait, see whether it was carried out after all, and send it again only if not.
    LookUpThenRetry,
    /// Wait, see whether it was carried out after all, and leave it for the next run if not: it may still be under way.
    LookUpOnly,
    /// Send the members in two halves, to get the good ones through and find the bad one.
    SplitBatch,
    /// Stop everything for this app: the next call would fail alike, or do harm.
    StopTenant,
}

impl AfterFailure {
    /// Whether the call may be sent once more, or was perhaps carried out: something is still to be done for it.
    pub fn goes_on(self) -> bool {
        matches!(self, Self::Retry | Self::LookUpThenRetry | Self::LookUpOnly)
    }
}

/// The table (RFC 7644 §3.12, and what apps really do).
pub fn after_failure(class: FailureClass, kind: CallKind) -> AfterFailure {
    use AfterFailure::{Fail, FailAndLookUp, LookUpOnly, LookUpThenRetry, Retry, SplitBatch, StopTenant};
    //                                read           create         change         members
    let row = match class {
        FailureClass::Unauthorized => [StopTenant, StopTenant, StopTenant, StopTenant],
        FailureClass::Forbidden => [Fail, Fail, Fail, Fail],
        // Of a person or group: the link may lead nowhere. Of a membership: the group may be gone, or one of the members.
        FailureClass::NotFound => [Fail, Fail, FailAndLookUp, SplitBatch],
        // Somebody has that name already: to a create that may be the very account which was looked for and not shown.
        FailureClass::Conflict => [Fail, FailAndLookUp, Fail, SplitBatch],
        // A change reads what it replaces anew each time (RFC 7644 §3.14).
        FailureClass::Changed => [Retry, LookUpThenRetry, Retry, Retry],
        FailureClass::TooLarge => [Fail, Fail, Fail, SplitBatch],
        FailureClass::Throttled => [Retry, Retry, Retry, Retry],
        FailureClass::Invalid => [Fail, Fail, Fail, SplitBatch],
        FailureClass::Immutable => [Fail, Fail, Fail, Fail],
        FailureClass::Unsupported => [Fail, Fail, Fail, Fail],
        FailureClass::Server => [Retry, LookUpThenRetry, Retry, Retry],
        // The origin has moved, or somebody stands between: no further token goes there.
        FailureClass::Redirect => [StopTenant, StopTenant, StopTenant, StopTenant],
        // Somebody else answered, or the app in a way that repeats itself.
        FailureClass::NotScim => [Fail, LookUpThenRetry, Fail, Fail],
        FailureClass::Unreachable => [Retry, Retry, Retry, Retry],
        // Repeating it changes no certificate.
        FailureClass::Untrusted => [StopTenant, StopTenant, StopTenant, StopTenant],
        // The token server was asked several times already; every further call would ask it again.
        FailureClass::LoginRefused | FailureClass::LoginFailed => [StopTenant, StopTenant, StopTenant, StopTenant],
        FailureClass::Unknown => [Retry, LookUpOnly, Retry, Retry],
        FailureClass::Closed => [Fail, Fail, Fail, Fail],
    };
    match kind {
        CallKind::Read => row[0],
        CallKind::Create => row[1],
        CallKind::Change => row[2],
        CallKind::Members => row[3],
    }
}

/// Every class.
#[cfg(test)]
pub(crate) const CLASSES: [FailureClass; 19] = [
    FailureClass::Unauthorized,
    FailureClass::Forbidden,
    FailureClass::NotFound,
    FailureClass::Conflict,
    FailureClass::Changed,
    FailureClass::TooLarge,
    FailureClass::Throttled,
    FailureClass::Invalid,
    FailureClass::Immutable,
    FailureClass::Unsupported,
    FailureClass::Server,
    FailureClass::Redirect,
    FailureClass::NotScim,
    FailureClass::Unreachable,
    FailureClass::Untrusted,
    FailureClass::LoginRefused,
    FailureClass::LoginFailed,
    FailureClass::Unknown,
    FailureClass::Closed,
];

/// The step after try number `tried` (from 1), when a call is tried `attempts` times in all.
pub fn after_try(class: FailureClass, kind: CallKind, tried: u32, attempts: u32) -> AfterFailure {
    let is_last = tried >= attempts;
    match after_failure(class, kind) {
        AfterFailure::Retry if is_last => AfterFailure::Fail,
        AfterFailure::LookUpThenRetry if is_last => AfterFailure::LookUpOnly,
        step => step,
    }
}

/// What a status says that comes without words.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        400 => "bad request",
        401 => "the token is not accepted",
        402 => "payment required",
        403 => "not allowed",
        404 => "not found",
        405 => "this method is not offered",
        408 => "the server gave up waiting for the request",
        409 => "conflict",
        410 => "gone",
        412 => "changed meanwhile",
        413 => "the request is too large",
        415 => "this content type is not accepted",
        422 => "the content is not accepted",
        423 => "locked: something else changes the resource, or an administrator locked it",
        425 => "too early",
        429 => "too many requests",
        500 => "internal server error",
        501 => "not implemented",
        502..=504 => "the server is not available",
        _ => "without explanation",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i3_a_create_is_repeated_only_where_the_first_was_surely_not_carried_out() {
        let repeated: Vec<_> = CLASSES
            .into_iter()
            .filter(|&class| after_failure(class, CallKind::Create) == AfterFailure::Retry)
            .collect();
        assert_eq!(repeated, [FailureClass::Throttled, FailureClass::Unreachable]);
    }

    #[test]
    fn i3_a_create_that_may_be_under_way_is_never_sent_again() {
        assert_eq!(after_failure(FailureClass::Unknown, CallKind::Create), AfterFailure::LookUpOnly);
        for kind in [CallKind::Read, CallKind::Change, CallKind::Members] {
            assert_eq!(after_failure(FailureClass::Unknown, kind), AfterFailure::Retry, "done twice is done once");
        }
    }

    #[test]
    fn t13_a_dead_credential_and_a_moved_origin_stop_everything() {
        for kind in [CallKind::Read, CallKind::Create, CallKind::Change, CallKind::Members] {
            assert_eq!(after_failure(FailureClass::Unauthorized, kind), AfterFailure::StopTenant);
            assert_eq!(after_failure(FailureClass::Redirect, kind), AfterFailure::StopTenant);
            assert_eq!(after_failure(FailureClass::Untrusted, kind), AfterFailure::StopTenant);
        }
    }

    #[test]
    fn t14_a_locked_group_is_tried_again_like_one_that_is_not_available_and_never_split() {
        for status in [423, 425, 503] {
            assert_eq!(after_failure(FailureClass::of(status), CallKind::Members), AfterFailure::Retry, "{status}");
            assert_eq!(
                after_failure(FailureClass::of(status), CallKind::Create),
                AfterFailure::LookUpThenRetry,
                "{status}"
            );
        }
    }

    #[test]
    fn i7_the_last_try_is_the_last() {
        for class in CLASSES {
            for kind in [CallKind::Read, CallKind::Create, CallKind::Change, CallKind::Members] {
                let last = after_try(class, kind, 3, 3);
                assert!(!matches!(last, AfterFailure::Retry | AfterFailure::LookUpThenRetry), "{class:?} {kind:?}");
            }
        }
        assert_eq!(after_try(FailureClass::Server, CallKind::Read, 2, 3), AfterFailure::Retry);
    }

    #[test]
    fn t14_only_requests_with_several_members_are_split() {
        for class in CLASSES {
            for kind in [CallKind::Read, CallKind::Create, CallKind::Change] {
                assert_ne!(after_failure(class, kind), AfterFailure::SplitBatch);
            }
        }
        assert_eq!(after_failure(FailureClass::Invalid, CallKind::Members), AfterFailure::SplitBatch);
        assert_eq!(after_failure(FailureClass::TooLarge, CallKind::Members), AfterFailure::SplitBatch);
    }
}
