//! The app, over SCIM 2.0 (RFC 7643, RFC 7644). In: attributes to write, keys to look up. Out: app ids, echoes, matches.
//!
//! This room turns our words into requests by the [`Profile`](crate::config::profile::Profile) and answers into words again.
//! It knows no directory, no state and no plan: it does not decide *what* is sent, and it never repeats a call that changes
//! something. Only `apply`, which has journaled the intent, may do that.
//!
//! `client` makes the requests; `read`, `lookup` and `list` are built on it for reading, `write` for writing. `matching` has the keys of a look-up. `resource`, `patch`
//! and `filter` are the wire format, `error` is what comes back instead of success; what follows from it is said by [`failure`](crate::http::failure).

mod alike;
mod body;
mod census;
mod client;
pub mod conformance;
mod created;
mod discovery;
mod error;
mod examine;
mod examine_filters;
mod filter;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod fuzzing;
mod json;
mod judge;
mod list;
mod lookalike;
mod lookup;
mod matching;
mod patch;
mod probe;
mod read;
mod resource;
mod shown;
mod unanswered;
mod wire;
mod write;

pub use crate::http::failure::FailureClass;
pub use census::{Census, PrivilegedAccounts};
pub use client::{App, AppSettings};
pub use examine::Use;
pub use probe::{AppFactory, Knob, Leftover, ProbeNames, Probed, as_toml, clean_up_after, probe};
pub use wire::{
    AppGroup, AppRead, AppUser, AppWrite, CallError, CallStats, Created, GroupKeys, Lookalike, LookalikeScope, Match,
    MemberKeys, ResponseOrigin, Shown, ShownMembers, UserKeys,
};

#[cfg(test)]
pub(crate) use {
    fuzzing::read_anything,
    judge::{groups_among, users_among},
    resource::plain_user,
};

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
