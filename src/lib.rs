//! rosterd keeps an application's people and groups in step with a company's directory, over SCIM 2.0.
//!
//! The crate is laid out in the order the data flows; `ARCHITECTURE.md` has the picture. Lower rooms never import higher ones:
//!
//! | room | what it is |
//! |---|---|
//! | [`model`] | users, groups, ids, paths: the words as types |
//! | [`clock`], [`progress`] | time and progress as parameters |
//! | [`config`] | the files' types, profiles, secrets, diagnostics |
//! | [`mapping`] | the operator's rules: directory attributes to SCIM attributes |
//! | [`source`] | directories, read into a proven-complete snapshot |
//! | [`tenancy`] | a tenant file made ready: checked, compiled, every mistake in its place |
//! | [`sandbox`] | the embedded app of `demo` and `sandbox` |
#![forbid(unsafe_code)]

pub mod apply;
pub mod clock;
pub mod config;
pub mod cycle;
pub mod desired;
pub mod guard;
pub mod mapping;
pub mod model;
pub mod plan;
pub mod progress;
pub mod sandbox;
pub mod scim;
pub mod source;
pub mod store;
pub mod tenancy;
