//! Changes that an app accepts and does not carry out, with the real binary against the sandbox.

use serde_json::{Value, json};

use crate::cli::{Desk, company};
use crate::support::proxy::{Fault, Rule};

/// Everybody is in a second group, so that nobody leaves who leaves Staff.
fn everybody() -> Value {
    let mut document = company();
    document["groups"].as_array_mut().unwrap().push(json!({
        "id": "g3", "name": "Everybody", "members": ["p1", "p2", "p3", "p4"]
    }));
    document
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut document = everybody();
    change(&mut document);
    document
}

fn desk(habits: &[&str]) -> Desk {
    let options: Vec<&str> = habits.iter().flat_map(|habit| ["--misbehave", *habit]).collect();
    let desk = Desk::with_app(&options);
    desk.directory(&everybody());
    desk.sync(0);
    desk
}

fn members(desk: &Desk, group: &str) -> usize {
    let groups = desk.app("/Groups");
    let mut groups = groups["Resources"].as_array().unwrap().iter();
    let found = groups.find(|found| found["displayName"] == group).unwrap();
    found["members"].as_array().map_or(0, Vec::len)
}

#[test]
fn ma1_a_removal_that_the_app_accepts_and_does_not_make_is_a_failure_in_every_run() {
    for habits in [&["sticky-members"][..], &["sticky-members", "no-content"], &["sticky-members", "ref-members"]] {
        let desk = desk(habits);
        desk.directory(&with(|document| document["groups"][0]["members"] = json!(["p1", "p2"])));
        for _ in 0..2 {
            let report = desk.sync(4).to_string();
            assert!(report.contains("accepted, but the app still shows cid as a member"), "{habits:?}: {report}");
            assert_eq!(members(&desk, "Staff"), 3, "{habits:?}");
        }
        let status = desk.rosterd.run(&["status", "acme"]);
        assert!(status.stdout.contains("Staff"), "{}", status.stdout);
    }
}

#[test]
fn ma1_a_put_that_keeps_a_member_and_members_by_ref_alone_are_seen() {
    let desk = desk(&["ref-members"]);
    desk.tenant("[target.override_profile.groups]\nmember_remove = \"put_remaining\"\n");
    desk.directory(&with(|document| document["groups"][0]["members"] = json!(["p1", "p2"])));
    desk.sync(0);
    assert_eq!(members(&desk, "Staff"), 2, "who is shown by $ref alone is left out of the PUT");
}

#[test]
fn ma1_a_deactivation_that_the_app_accepts_and_does_not_make_is_a_failure_in_every_run() {
    for habits in [&["keeps-active"][..], &["keeps-active", "no-content"]] {
        let desk = desk(habits);
        desk.directory(&with(|document| document["users"][1]["active"] = json!(false)));
        for _ in 0..2 {
            let report = desk.sync(4).to_string();
            assert!(report.contains("still shows the account as active"), "{habits:?}: {report}");
            assert_eq!(desk.account("bob")["active"], true);
        }
    }
}

#[test]
fn ma2_a_change_that_the_app_ignores_is_a_failure_and_a_stale_answer_is_none() {
    for (habit, code) in [("ignores-changes", 4), ("stale-answers", 0)] {
        let desk = desk(&[habit]);
        desk.directory(&with(|document| document["users"][0]["displayName"] = json!("Quite Another")));
        let before = desk.account("ann")["displayName"].clone();
        let report = desk.sync(code).to_string();
        assert_eq!(report.contains("still shows displayName"), code == 4, "{habit}: {report}");
        let now = desk.account("ann")["displayName"].clone();
        assert_eq!(now == before, code == 4, "{habit}");
        desk.sync(code);
    }
}

#[test]
fn ma4_an_account_that_the_app_does_not_keep_is_named_in_the_first_run_and_created_again() {
    let desk = Desk::with_app(&["--misbehave", "forgets-creates"]);
    let users: Vec<Value> =
        (0..12).map(|at| json!({ "id": format!("p{at}"), "userName": format!("user{at}") })).collect();
    let ids: Vec<String> = (0..12).map(|at| format!("p{at}")).collect();
    desk.directory(&json!({ "users": users, "groups": [{ "id": "g1", "name": "Staff", "members": ids }] }));
    let report = desk.sync(4).to_string();
    assert!(report.contains("neither in its list nor by its id"), "{report}");
    assert_eq!(desk.user_names().len(), 11);
    let status = desk.rosterd.run(&["status", "acme"]).stdout;
    assert!(status.contains("failed user user"), "{status}");
    desk.sync(0);
    assert_eq!((desk.user_names().len(), members(&desk, "Staff")), (12, 12));
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.calls().is_empty());
}

#[test]
fn ma3_memberships_that_a_deactivation_ended_come_back_with_the_activation() {
    let desk = desk(&["inactive-leaves"]);
    desk.directory(&with(|document| document["users"][1]["active"] = json!(false)));
    desk.sync(0);
    assert_eq!((members(&desk, "Staff"), members(&desk, "Everybody")), (2, 3));
    desk.directory(&everybody());
    desk.sync(0);
    assert_eq!((members(&desk, "Staff"), members(&desk, "Everybody")), (3, 4));
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.calls().is_empty());
}

#[test]
fn mb5_a_value_that_an_unanswered_call_took_away_is_sent_again_when_it_comes_back() {
    let desk = Desk::new();
    let lead = with(|document| document["users"][0]["title"] = json!("Lead"));
    let mapped = "\n[users.attributes]\nuserName = \"userName\"\ntitle = \"title\"\n";
    desk.tenant(mapped);
    desk.directory(&lead);
    desk.rosterd.run(&["sync", "acme"]);
    assert_eq!(desk.account("ann")["title"], "Lead");
    desk.tenant(&format!("[target.override_profile]\npace.attempts = 1\n{mapped}"));
    desk.directory(&everybody());
    desk.proxy.inject(Rule::on("PATCH", "/Users").times(1), Fault::DropAfter);
    desk.rosterd.run(&["sync", "acme"]);
    assert_eq!(desk.account("ann")["title"], Value::Null, "the app did it");
    desk.directory(&lead);
    desk.rosterd.run(&["sync", "acme"]);
    desk.sync(0);
    assert_eq!(desk.account("ann")["title"], "Lead");
}

#[test]
fn ma13_a_display_name_that_the_app_composes_at_creation_is_brought_in_line() {
    let desk = Desk::with_app(&["--misbehave", "composes-names"]);
    let mut document = everybody();
    document["users"][0]["displayName"] = json!("Ann the First");
    desk.directory(&document);
    desk.sync(0);
    assert_eq!(desk.account("ann")["displayName"], "Ann the First");
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.calls().is_empty());
}

#[test]
fn ma10_a_refused_attribute_does_not_cost_a_new_user_the_account() {
    let desk = Desk::with_app(&["--misbehave", "no-title"]);
    desk.tenant("[users.attributes]\nuserName = \"userName\"\ntitle = \"title\"\n");
    let mut document = everybody();
    document["users"][0]["title"] = json!("Lead");
    desk.directory(&document);
    let report = desk.sync(4).to_string();
    assert!(report.contains("refused: title"), "{report}");
    assert_eq!((desk.user_names().len(), members(&desk, "Staff")), (4, 3));
}
