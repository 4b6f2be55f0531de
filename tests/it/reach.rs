//! The real binary against apps that fail at one object, at every filter or at a whole kind of change: who is reached all the same.

use serde_json::{Value, json};

use crate::cli::{Desk, company, person};
use crate::support::proxy::{Call, Fault, Rule};

/// The company without these users, and with one whom the app can't change.
fn directory(desk: &Desk, change: impl FnOnce(&mut Vec<Value>)) {
    let mut document = company();
    let users = document["users"].as_array_mut().unwrap();
    users.extend([person("p7", "eve7"), person("p8", "fay")]);
    change(users);
    document["groups"][0]["members"] = users.iter().map(|user| user["id"].clone()).collect::<Vec<_>>().into();
    desk.directory(&document);
}

#[test]
fn ma5_an_account_that_can_not_be_changed_keeps_no_leaver_inside() {
    let desk = Desk::with_app(&["--misbehave", "stuck-objects"]);
    directory(&desk, |_| {});
    desk.sync(0);
    directory(&desk, |users| {
        for user in users {
            match user["id"] == "p8" {
                true => user["active"] = false.into(),
                false => user["displayName"] = "Renamed".into(),
            }
        }
    });
    let report = desk.sync(4);
    assert_eq!(report["failed"], 1, "{report:#}");
    assert_eq!(desk.account("fay")["active"], false, "{report:#}");
    assert_eq!(desk.account("ann")["displayName"], "Renamed");
}

#[test]
fn ma5_an_app_whose_filters_fail_is_read_by_its_list_and_doctor_says_so() {
    for habit in ["broken-filters", "no-match-404"] {
        let desk = Desk::with_app(&["--misbehave", habit]);
        let report = desk.sync(0);
        assert_eq!(report["failed"], 0, "{habit}: {report:#}");
        assert_eq!(desk.user_names(), ["ann", "bob", "cid"]);
        let doctor = desk.rosterd.run(&["doctor", "acme"]);
        let text = &doctor.expect_code(0).stdout;
        assert!(text.contains("filters") && text.contains("a filter that matches no account"), "{habit}: {text}");
        let key = if habit == "no-match-404" { "read.no_match_404 = true" } else { "read.look_up = \"list\"" };
        assert!(text.contains(key), "{habit}: {text}");
        desk.proxy.forget();
        desk.sync(0);
        assert!(desk.proxy.calls().is_empty(), "a quiet run makes no call");
    }
}

#[test]
fn ma5_a_token_that_may_read_only_is_told_after_few_calls() {
    let desk = Desk::with_app(&["--misbehave", "read-only"]);
    let users: Vec<Value> = (10..80).map(|id| person(&format!("p{id}"), &format!("user{id}"))).collect();
    let members: Vec<Value> = users.iter().map(|user| user["id"].clone()).collect();
    desk.directory(&json!({ "users": users, "groups": [{ "id": "g1", "name": "Staff", "members": members }] }));
    let report = desk.sync(1);
    assert!(desk.proxy.writes().len() <= 40, "{}", desk.proxy.writes().len());
    assert!(report.to_string().contains("403"), "the app's words are shown: {report:#}");
}

#[test]
fn t14_a_group_that_is_locked_is_tried_again_and_not_halved() {
    let desk = Desk::new();
    desk.proxy.inject(Rule::on("PATCH", "/Groups").times(2), Fault::status(423));
    desk.tenant("[target.override_profile.groups]\nmembers_on_create = false\n[target.override_profile.pace]\nbackoff_base_ms = 1\n");
    let report = desk.sync(0);
    let sizes: Vec<usize> = desk.proxy.writes().iter().filter(|call| call.method == "PATCH").map(members_of).collect();
    assert_eq!(sizes, [3, 3, 3], "the same call each time: {report:#}");
}

fn members_of(call: &Call) -> usize {
    call.json()["Operations"][0]["value"].as_array().map_or(0, Vec::len)
}

#[test]
fn ma6_groups_go_by_put_where_users_do() {
    let desk = Desk::with_app(&["--misbehave", "no-group-patch"]);
    desk.tenant("[target.override_profile.users]\nupdate_method = \"put_merge\"\n");
    let night = |members: &[&str]| {
        let mut document = company();
        document["groups"][1] = json!({ "id": "g2", "name": "Night", "members": members });
        desk.directory(&document);
    };
    night(&["p1", "p2"]);
    desk.sync(0);
    night(&["p2", "p3"]);
    let report = desk.sync(0);
    assert_eq!(report["failed"], 0, "{report:#}");
    let groups = desk.app("/Groups");
    let group = groups["Resources"].as_array().unwrap().iter().find(|group| group["displayName"] == "Night").unwrap();
    let mut members: Vec<&str> =
        group["members"].as_array().unwrap().iter().map(|member| member["value"].as_str().unwrap()).collect();
    members.sort_unstable();
    let (bob, cid) = (desk.account("bob"), desk.account("cid"));
    let mut right = [bob["id"].as_str().unwrap(), cid["id"].as_str().unwrap()];
    right.sort_unstable();
    assert_eq!(members, right);
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.calls().is_empty());
}

#[test]
fn ma6_a_byte_order_mark_before_every_answer_changes_nothing() {
    let desk = Desk::with_app(&["--misbehave", "byte-mark"]);
    let report = desk.sync(0);
    assert_eq!((&report["failed"], &report["status"]), (&json!(0), &json!("ok")), "{report:#}");
    desk.rosterd.run(&["doctor", "acme"]).expect_code(0);
}

#[test]
fn ma6_a_setting_that_would_be_ignored_is_refused() {
    let desk = Desk::new();
    for (name, text) in
        [("active", "`supported` of `active`"), ("userName", "`userName` can't have `supported = false`")]
    {
        desk.tenant(&format!("[target.override_profile.attributes.{name}]\nsupported = false\n"));
        let check = desk.rosterd.run(&["check", "acme"]);
        let said = format!("{}{}", check.stdout, check.stderr);
        check.expect_code(78);
        assert!(said.contains(text), "{said}");
    }
}

#[test]
fn ma12_a_groups_name_that_can_not_be_changed_may_be_ignored() {
    let desk = Desk::new();
    desk.tenant("[target.override_profile.groups]\nrename = \"ignore\"\n");
    desk.sync(0);
    let mut document = company();
    document["groups"][0]["name"] = "All staff".into();
    desk.directory(&document);
    desk.sync(0);
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.calls().is_empty());
}
