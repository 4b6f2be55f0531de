//! Held plans and people's word on them, with the real binary.

use serde_json::{Value, json};

use crate::cli::{Desk, company, person};

/// The company, with twelve people in Staff.
fn twelve() -> Value {
    let names: Vec<String> = (1..=12).map(|n| format!("p{n}")).collect();
    let users: Vec<Value> = names.iter().map(|name| person(name, &format!("user-{name}"))).collect();
    json!({"users": users, "groups": [{"id": "g1", "name": "Staff", "members": names}]})
}

/// The company after eight people left the group.
fn four_left() -> Value {
    let mut document = twelve();
    document["groups"][0]["members"] = json!(["p1", "p2", "p3", "p4"]);
    document
}

fn held() -> Desk {
    let desk = Desk::new();
    desk.directory(&twelve());
    desk.sync(0);
    desk.directory(&four_left());
    desk.proxy.forget();
    let report = desk.sync(3);
    assert_eq!(report["status"], "held");
    assert!(desk.proxy.writes().is_empty());
    desk
}

#[test]
fn i2_what_is_held_is_shown_by_name_and_passes_once_it_is_approved() {
    let desk = held();
    let status = desk.rosterd.run(&["status", "acme"]);
    for part in ["removals_per_day", "user-p5", "rosterd approve acme"] {
        assert!(status.expect_code(0).stdout.contains(part), "{part}: {}", status.stdout);
    }
    let json: Value = serde_json::from_str(&desk.rosterd.run(&["status", "acme", "--format", "json"]).stdout).unwrap();
    let plan = json[0]["held_plan"]["plan"].as_str().unwrap().to_owned();
    let approve = desk.rosterd.run(&["approve", "acme", &plan[..8], "--reason", "the office closed"]);
    assert!(approve.expect_code(0).stdout.contains("approved"), "{}", approve.stdout);
    assert!(desk.proxy.writes().is_empty(), "the word alone sends nothing");
    let report = desk.sync(0);
    assert_eq!(report["summary"]["deactivate_user"], 8);
    assert!(desk.sync(0)["holds"].as_array().unwrap().is_empty());
    let journal = desk.rosterd.run(&["journal", "show", "acme"]);
    assert!(journal.expect_code(0).stdout.contains("the office closed"), "i8: {}", journal.stdout);
}

#[test]
fn i10_the_plan_of_a_report_names_what_it_held_and_a_changed_world_voids_the_word() {
    let desk = held();
    let plan = desk.sync(3)["plan"].as_str().unwrap().to_owned();
    desk.rosterd.run(&["approve", "acme", &plan]).expect_code(0);
    let mut document = four_left();
    document["groups"][0]["members"] = json!(["p1", "p2", "p3"]);
    desk.directory(&document);
    desk.sync(3);
    assert!(desk.proxy.writes().is_empty(), "one person more is another plan");
    let wrong = desk.rosterd.run(&["approve", "acme", "00000000"]);
    assert!(wrong.expect_code(1).stderr.contains("nothing was decided"), "{}", wrong.stderr);
}

#[test]
fn i8_a_rejected_plan_stays_held_and_says_who_and_why() {
    let desk = held();
    let held = desk.sync(3)["held_plan"].as_str().unwrap().to_owned();
    desk.rosterd.run(&["reject", "acme", &held, "--reason", "the export was broken"]).expect_code(0);
    desk.sync(3);
    let status = desk.rosterd.run(&["status", "acme"]);
    assert!(status.expect_code(0).stdout.contains("the export was broken"), "{}", status.stdout);
    desk.directory(&twelve());
    desk.sync(0);
    assert!(!desk.rosterd.run(&["status", "acme"]).stdout.contains("rejected"), "well again, nothing waits");
}

#[test]
fn i2_nothing_can_be_approved_that_is_not_held() {
    let desk = Desk::new();
    desk.directory(&company());
    desk.sync(0);
    let run = desk.rosterd.run(&["approve", "acme", "0123abcd"]);
    assert!(run.expect_code(1).stderr.contains("nothing is held"), "{}", run.stderr);
}
