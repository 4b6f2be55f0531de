//! What the operator wrote. In: `rosterd.toml`, tenant files, profiles. Out: values that can't be invalid, or every mistake at once.
//!
//! Knows no network and no state. The types here are the single description of the files: the loader, the editor schema
//! (`rosterd schema`) and the documentation of every key come from them.

pub mod forms;
pub mod profile;
pub mod tenant;
