//! Logs of the real daemon: one line an event, with tenant and run, and nobody's name.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Desk, person};
use crate::support::proxy::{Fault, Rule};

/// Twelve people whose names, addresses and user names can be found anywhere.
fn company(people: u32) -> Value {
    let users: Vec<Value> = (0..people).map(|n| person(&format!("id-{n:02}"), &format!("canary{n:02}"))).collect();
    let members: Vec<String> = (0..people).map(|n| format!("id-{n:02}")).collect();
    json!({ "users": users, "groups": [{ "id": "g1", "name": "Canaries", "members": members }] })
}

/// Lets the daemon live through a first sync, a refused person, a hold and a failing run. Gives what it logged.
fn a_life(format: &str, variables: &[(&str, &str)]) -> String {
    let desk = Desk::new();
    desk.rosterd.file("rosterd.toml", &format!("state_dir = \"state\"\n[log]\nformat = \"{format}\"\n"));
    desk.directory(&company(12));
    desk.head("schedule = \"every 1s\"\n");
    desk.proxy.inject(
        Rule::on("POST", "/Users").times(1),
        Fault::body(400, r#"{"status":"400","detail":"canary00 is not welcome"}"#),
    );
    let daemon = desk.rosterd.spawn_with(&["run"], variables);
    let until = |what: &str, is: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is() {
            assert!(Instant::now() < deadline, "never: {what}\n{}", daemon.stderr());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let standing = || desk.rosterd.run(&["status", "acme", "--format", "json"]).json()[0]["daemon"]["standing"].clone();
    until("the first sync", &|| desk.user_names().len() >= 11);
    desk.directory(&company(3));
    until("a hold", &|| standing() == "held");
    desk.rosterd.file("people.json", "{");
    until("a failure", &|| standing() == "failing");
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(60)).expect_code(0).stderr.clone()
}

#[test]
fn i6_the_log_has_a_line_an_event_with_tenant_and_run_and_names_nobody() {
    let log = a_life("json", &[]);
    let lower = log.to_lowercase();
    assert!(!lower.contains("canar"), "{log}");
    assert!(!log.contains("@acme"), "{log}");
    let events: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let named = |name: &str| events.iter().filter(|event| event["fields"]["message"] == name).collect::<Vec<_>>();
    for stage in ["directory read", "plan made", "run ended"] {
        let found = named(stage);
        let of_a_run = found.iter().find(|event| event["span"]["run"].is_string());
        assert_eq!(of_a_run.unwrap_or_else(|| panic!("{stage}: {log}"))["span"]["tenant"], "acme");
    }
    assert!(!named("changes held").is_empty() && !named("tenant is failing").is_empty(), "{log}");
    let failed = named("run failed before planning");
    assert!(!failed.is_empty() && failed.iter().all(|event| event["fields"]["cause"] == "directory"), "{log}");
    assert!(named("request failed").iter().all(|event| event["fields"]["object"].is_string()), "{log}");
}

#[test]
fn under_systemd_each_line_has_its_priority_and_no_time_of_its_own() {
    let log = a_life("text", &[("JOURNAL_STREAM", "8:1")]);
    assert!(log.lines().all(|line| ["<3>", "<4>", "<6>"].iter().any(|start| line.starts_with(start))), "{log}");
    assert!(log.lines().any(|line| line.starts_with("<4>") && line.contains("failing")), "{log}");
    assert!(!log.contains("canary"), "i6: {log}");
}
