//! State that version b3d9922 wrote, opened by this one, with the real binary: nothing is sent, nothing held, for the upgrade's sake.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::state_files::copy;
use crate::support::rosterd::Rosterd;

const TOKEN: &str = "a-token-of-sixteen-and-more";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state-b3d9922")
}

/// An installation with one tenant of the fixture. Nothing listens at its app's address: a run that calls the app fails.
fn installed(tenant: &str, rule: &str) -> Rosterd {
    let rosterd = Rosterd::new();
    copy(&fixture().join(tenant), &rosterd.path().join("state").join(tenant));
    std::fs::copy(fixture().join(format!("{tenant}.json")), rosterd.path().join(format!("{tenant}.json"))).unwrap();
    rosterd.secret("app.token", TOKEN);
    let file = format!(
        "[source.file]\npath = \"../{tenant}.json\"\n[target]\nprofile = \"scim\"\n\
         base_url = \"http://127.0.0.1:18431/scim/v2\"\nallow_http_loopback = true\ntoken = {{ file = \"../app.token\" }}\n\
         [users.attributes]\nuserName = \"userName\"\ndisplayName = \"displayName\"\n{rule}"
    );
    rosterd.tenant(tenant, &file);
    rosterd
}

fn sync(rosterd: &Rosterd, tenant: &str, code: i32) -> Value {
    rosterd.run(&["sync", tenant, "--format", "json"]).expect_code(code).json()
}

fn verified(rosterd: &Rosterd, tenant: &str) {
    rosterd.run(&["journal", "verify", tenant]).expect_code(0);
}

#[test]
fn c9_a_state_with_an_approved_run_an_undone_one_and_a_noted_drift_opens_quiet() {
    let rosterd = installed("quiet", "");
    verified(&rosterd, "quiet");
    for _ in 0..2 {
        let run = sync(&rosterd, "quiet", 0);
        assert_eq!(
            (&run["status"], &run["calls"]["total"], &run["holds"]),
            (&json!("ok"), &json!(0), &json!([])),
            "{run:#}"
        );
    }
    verified(&rosterd, "quiet");
    let journal = rosterd.run(&["journal", "show", "quiet"]).expect_code(0).stdout.clone();
    assert!(journal.contains("reorganisation"), "{journal}");
    rosterd.run(&["state", "rebuild", "quiet"]).expect_code(0);
    assert_eq!(sync(&rosterd, "quiet", 0)["calls"]["total"], json!(0), "from the journal alone, too");
}

#[test]
fn c9_an_old_run_can_still_be_reverted() {
    let rosterd = installed("quiet", "");
    let runs = rosterd.run(&["journal", "show", "quiet", "--format", "json"]).expect_code(0).stdout.clone();
    let records: Vec<Value> = runs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let taken = records
        .iter()
        .filter_map(|record| record["event"]["intent"].as_object())
        .find(|intent| intent["op"] == "deactivate_user")
        .expect("a run that switched accounts off");
    let run = taken["run"].as_str().unwrap();
    // Those people are active again by a later run: reverting shows that, and what is left to do.
    let shown = rosterd.run(&["undo", "quiet", run]);
    assert!(matches!(shown.code, Some(0 | 1 | 3)), "{shown:?}");
    assert!(!shown.stderr.contains("panicked"), "{}", shown.stderr);
    assert!(shown.stdout.contains("flo@quiet.test") || shown.stdout.contains("in sync"), "{}", shown.stdout);
}

#[test]
fn c9_what_was_held_and_rejected_stays_held_and_is_asked_about_once_more() {
    let before: Value = serde_json::from_slice(&std::fs::read(fixture().join("held/held.json")).unwrap()).unwrap();
    let rosterd = installed("held", "");
    let run = sync(&rosterd, "held", 3);
    assert_eq!((&run["status"], &run["calls"]["total"]), (&json!("held"), &json!(0)), "{run:#}");
    let codes: Vec<&str> = run["holds"].as_array().unwrap().iter().filter_map(|hold| hold["reason"].as_str()).collect();
    assert_eq!(codes, ["group_removals", "removals_per_day"], "{run:#}");
    let status = rosterd.run(&["status", "held", "--format", "json"]).expect_code(0).json()[0].clone();
    assert_eq!(status["held_plan"]["count"], json!(before["operations"].as_array().unwrap().len()), "{status:#}");
    verified(&rosterd, "held");
}

/// The one thing that the upgrade changes by itself is shown once (row O6), and named.
#[test]
fn o6_a_role_that_was_cleared_before_the_upgrade_is_held_once_and_named() {
    let rosterd = installed("roles", "roles = { from = \"role\", push = \"on_source_change\" }\n");
    let run = sync(&rosterd, "roles", 3);
    let holds = run["holds"].as_array().unwrap();
    assert_eq!((holds.len(), &holds[0]["reason"]), (1, &json!("upgrade")), "{run:#}");
    assert!(holds[0]["detail"].as_str().unwrap().contains("ann@roles.test"), "{run:#}");
    assert_eq!((&run["planned"], &run["calls"]["total"]), (&json!(1), &json!(0)));
}
