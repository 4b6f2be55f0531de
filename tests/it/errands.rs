//! What an operator asks for beside the cycle, with the real binary: pause, undo, retire, why.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::Desk;
use crate::support::proxy::{Fault, Rule};

/// Waits until so many writes have come to the app.
fn wait_for_writes(desk: &Desk, n: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while desk.proxy.writes().len() < n {
        assert!(Instant::now() < deadline, "{} of {n} writes came", desk.proxy.writes().len());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_pause_is_honoured_before_the_next_call_by_a_run_in_another_process() {
    let desk = Desk::new();
    desk.tenant("in_flight = 1\n");
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::Delay(Duration::from_secs(2)));
    let under_way = desk.rosterd.spawn(&["sync", "acme", "--format", "json"]);
    wait_for_writes(&desk, 1);
    desk.rosterd.run_with(&["pause", "acme", "--reason", "the app moves"], &[("USER", "ann")]).expect_code(0);
    let report = under_way.wait(Duration::from_secs(30)).expect_code(4).json();
    assert_eq!(report["done"], 1, "the call under way was finished: {report:#}");
    assert!(report["stopped"].as_str().unwrap().contains("by ann (the app moves)"), "{report:#}");
    assert_eq!(desk.proxy.writes().len(), 1, "and no other began");

    desk.proxy.forget();
    let refused = desk.rosterd.run(&["sync", "acme", "--format", "json"]);
    assert_eq!(refused.expect_code(3).json()["status"], "held");
    assert!(refused.json()["holds"][0]["detail"].as_str().unwrap().contains("the app moves"));
    let refused = desk.rosterd.run(&["sync", "acme"]);
    assert!(refused.expect_code(3).stderr.contains("rosterd resume acme"), "{}", refused.stderr);
    assert!(desk.proxy.calls().is_empty(), "not a byte");

    let plan = desk.rosterd.run(&["plan", "acme", "--format", "json"]);
    assert!(plan.expect_code(0).json()["planned"].as_u64().unwrap() > 0);
    assert!(plan.stderr.contains("paused"), "{}", plan.stderr);
    let status = desk.rosterd.run(&["status", "acme", "--format", "json"]).expect_code(0).json();
    assert_eq!((&status[0]["paused"]["by"], &status[0]["paused"]["reason"]), (&json!("ann"), &json!("the app moves")));

    let resumed = desk.rosterd.run(&["resume", "acme", "--format", "json"]).expect_code(0).json();
    assert_eq!(resumed[0]["was"]["by"], "ann");
    desk.sync(0);
    assert_eq!(desk.user_names().len(), 3, "i3: nobody twice");
}

#[test]
fn a_paused_tenant_keeps_no_other_from_its_turn_and_nobody_pauses_everything_by_a_slip() {
    let desk = Desk::new();
    let file = std::fs::read_to_string(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    desk.rosterd.tenant("other", &file);
    desk.rosterd.run(&["pause"]).expect_code(78);
    desk.rosterd.run(&["pause", "nobody"]).expect_code(78);
    desk.rosterd.run(&["pause", "acme"]).expect_code(0);
    let run = desk.rosterd.run(&["sync", "--all", "--format", "json"]);
    let reports = run.expect_code(3).json();
    let status = |name: &str| -> Value {
        reports.as_array().unwrap().iter().find(|one| one["tenant"] == name).unwrap()["status"].clone()
    };
    assert_eq!((status("acme"), status("other")), (json!("held"), json!("ok")));
    assert_eq!(desk.user_names(), ["ann", "bob", "cid"]);
    desk.rosterd.run(&["pause", "--all"]).expect_code(0);
    desk.rosterd.run(&["sync", "other"]).expect_code(3);
    desk.rosterd.run(&["resume", "--all"]).expect_code(0);
    desk.sync(0);
    let again = desk.rosterd.run(&["resume", "acme"]);
    assert!(again.expect_code(0).stdout.contains("was not paused"), "{}", again.stdout);
}
