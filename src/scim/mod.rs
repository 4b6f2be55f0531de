//! The app, over SCIM 2.0 (RFC 7643, RFC 7644). In: attributes to write, keys to look up. Out: app ids, echoes, matches.
//!
//! This room turns our words into requests by the [`Profile`](crate::config::profile::Profile) and answers into words again.
//! It knows no directory, no state and no plan: it does not decide *what* is sent, and it never repeats a call that changes
//! something. Only `apply`, which has journaled the intent, may do that.

mod wire;

pub use wire::{
    AppGroup, AppRead, AppUser, AppWrite, CallError, CallStats, Class, Created, GroupKeys, Match, UserKeys,
};
