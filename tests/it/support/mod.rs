//! What the integration tests stand on: real servers started and stopped, a counting proxy between rosterd and an
//! app, a reader that shares no code with rosterd, and a runner for the binary.
//!
//! Everything here blocks, so a test is a plain `#[test]` function; what needs to be asynchronous runs on threads of
//! its own. No test sees another's servers: each starts what it needs, on ports and in folders nobody else has.
#![allow(dead_code, reason = "the rig offers more than the tests of the day use")]

pub(crate) mod browser;
pub(crate) mod directory;
pub(crate) mod http;
pub(crate) mod jumpcloud;
pub(crate) mod machine;
pub(crate) mod mtls;
pub(crate) mod onelogin;
pub(crate) mod prism;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod reader;
pub(crate) mod rig;
pub(crate) mod rosterd;
pub(crate) mod scripted_ldap;
pub(crate) mod servers;
pub(crate) mod slapd;
pub(crate) mod terminal;
pub(crate) mod testers;
pub(crate) mod tls;
