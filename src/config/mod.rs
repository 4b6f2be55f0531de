//! What the operator wrote. In: `rosterd.toml`, tenant files, profiles. Out: values that can't be invalid, or every mistake at once.
//!
//! Knows no network and no state. The types here are the single description of the files: the loader, the editor schema
//! (`rosterd schema`) and the documentation of every key come from them.

pub mod addresses;
pub mod attributes;
mod blot;
pub mod ca;
pub mod canonical;
mod check;
pub mod diagnostic;
pub mod directory;
pub mod document;
pub mod drift;
mod encrypted;
mod excerpt;
pub mod expiry;
pub mod forms;
pub mod global;
mod literal;
pub mod load;
pub mod login;
pub mod network;
pub mod notify;
pub mod notify_template;
pub mod old_keys;
pub mod profile;
pub mod profiles;
pub mod reference;
pub mod schema;
pub mod secret;
pub mod secret_ref;
mod shape;
pub mod target_login;
pub mod tenant;
pub(crate) mod words;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
