//! rosterd keeps an application's people and groups in step with a company's directory, over SCIM 2.0.
//!
//! The crate is laid out in the order the data flows; `ARCHITECTURE.md` has the picture. Lower rooms never import higher ones.
#![forbid(unsafe_code)]

pub mod sandbox;
