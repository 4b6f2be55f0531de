//! rosterd keeps an application's people and groups in step with a company's directory, over SCIM 2.0.
//!
//! The crate is laid out in the order the data flows; `ARCHITECTURE.md` has the picture. Lower rooms never import higher ones:
//!
//! | room | what it is |
//! |---|---|
//! | [`schema`] | SCIM's attributes, as RFC 7643 defines them |
//! | [`model`] | users, groups, ids, paths: the words as types |
//! | [`clock`], [`progress`], [`time_limit`] | time, progress and patience as parameters |
//! | [`identity`] | accounts of this machine: who asked for something |
//! | [`files`], [`bounded`] | files: opened without blocking, put in place whole, looked at for other users' hands; work that may hang |
//! | [`config`] | the files' types, profiles, secrets, diagnostics |
//! | [`mapping`] | the operator's rules: directory attributes to SCIM attributes |
//! | [`http`] | one policy for both networks: origin, limits, pace, pauses |
//! | [`source`] | directories, read into a proven-complete snapshot |
//! | [`scim`] | the app, by its profile |
//! | [`store`] | the disk: the journal and its fold |
//! | [`desired`], [`plan`], [`guard`] | the pure middle: who belongs, what to do, when to stop and ask |
//! | [`apply`] | doing it: intent, call, outcome |
//! | [`cycle`] | one tenant, once: all of the above in a row |
//! | [`errand`] | what a person asks for beside the cycle: undo, retire |
//! | [`roll`] | the app's people held against directory and state: import, drift |
//! | [`explain`] | why somebody is, or is not, in the app |
//! | [`tenancy`], [`engine`] | a tenant's files made ready, connected and run |
//! | [`notify`] | messages to people: something waits for them |
//! | [`telemetry`] | what is measured, as text for Prometheus |
//! | [`daemon`] | many tenants on their schedules, for months |
//! | [`sandbox`] | the embedded app of `demo` and `sandbox` |
//! | [`cli`] | what a person types |
#![forbid(unsafe_code)]

#[macro_use]
mod directories;

pub mod apply;
pub mod bounded;
pub mod cli;
pub mod clock;
pub mod config;
pub mod cycle;
pub mod daemon;
pub mod desired;
pub mod engine;
pub mod errand;
pub mod explain;
mod fail;
pub mod files;
pub mod guard;
pub mod http;
pub mod identity;
pub mod mapping;
pub mod model;
pub mod notify;
pub mod plan;
pub mod progress;
pub mod roll;
pub mod sandbox;
pub mod schema;
pub mod scim;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]
mod sim;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod tenancy;
pub mod time_limit;
