//! Integration tests: the real binary against real directories and real SCIM servers, all on loopback.
//!
//! `./test` installs the servers. Without them a test says SKIPPED and passes, unless ROSTERD_TEST_REQUIRE=1.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends at the first surprise")]
#![allow(clippy::print_stderr, reason = "what a test prints is shown when it fails")]

mod support;

mod answered;
mod answers;
mod approvals;
mod beside;
mod book;
mod borders;
mod bounds;
mod browse;
mod cli;
mod conformance;
mod control;
mod crash;
mod daemon;
mod docs;
mod doctor;
mod drift;
mod drills;
mod errands;
mod evidence;
mod faults;
mod files;
mod first_sync;
mod guards;
mod guides;
mod heap;
mod hostile;
mod import;
mod jumpcloud;
mod jumpcloud_api;
mod ldap;
mod ldap_faults;
mod ldap_holes;
mod ldap_limits;
mod leavers;
mod log;
mod logins;
mod names;
mod notify;
mod onelogin_api;
mod onelogin_parts;
mod onelogin_stand_in;
mod output;
mod package;
mod pages;
mod pictures;
mod probe;
mod probe_group;
mod prose;
mod reach;
mod real_rows;
mod relinks;
mod rig;
mod second_accounts;
mod secrets;
mod setup;
mod state_files;
mod story;
mod takeover;
mod unseen;
mod upgrade;
mod watch;
mod wording;
