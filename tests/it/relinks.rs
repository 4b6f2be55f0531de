//! Records that the directory makes again, accounts that the app has under another id, and names that two users have, with the real binary
//! against the sandbox.

use serde_json::{Value, json};

use crate::cli::{Desk, company, person};

fn codes(report: &Value) -> Vec<&str> {
    report["holds"].as_array().unwrap().iter().map(|hold| hold["reason"].as_str().unwrap()).collect()
}

/// Approves what is held now, as the runbook says.
fn approve(desk: &Desk) {
    let status = desk.rosterd.run(&["status", "acme", "--format", "json"]).expect_code(0).json();
    let plan = status[0]["held_plan"]["plan"].as_str().unwrap().to_owned();
    desk.rosterd.run(&["approve", "acme", &plan[..8], "--reason", "the ids changed"]).expect_code(0);
}

fn member_ids(desk: &Desk, group: &str) -> Vec<String> {
    let all = desk.app("/Groups");
    let found = all["Resources"].as_array().unwrap().iter().find(|one| one["displayName"] == group).cloned();
    let members = found.unwrap()["members"].as_array().cloned().unwrap_or_default();
    members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn mp1_a_user_and_a_group_made_again_keep_access_while_the_relink_waits_and_after_it() {
    let desk = Desk::new();
    desk.sync(0);
    let before = desk.account("ann");
    let inside = member_ids(&desk, "Staff");
    let mut document = company();
    document["users"][0]["id"] = json!("p1-new");
    document["groups"][0] = json!({"id": "g1-new", "name": "Staff", "members": ["p1-new", "p2", "p3"]});
    desk.directory(&document);
    desk.proxy.forget();
    for _ in 0..2 {
        let report = desk.sync(3);
        assert_eq!(codes(&report), ["relink"], "{report:#}");
        assert!(desk.proxy.writes().is_empty(), "nothing is taken meanwhile: {report:#}");
        assert_eq!(desk.account("ann"), before);
    }
    approve(&desk);
    desk.sync(0);
    let after = desk.account("ann");
    assert_eq!((&after["id"], &after["active"]), (&before["id"], &json!(true)));
    assert_eq!(after["externalId"], "p1-new");
    assert_eq!(member_ids(&desk, "Staff"), inside, "the same group with the same members");
    desk.sync(0);
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.calls().is_empty(), "a quiet run asks nothing");
}

/// Twenty users in one group, with these ids.
fn crowd(prefix: &str, group: &str) -> Value {
    let users: Vec<Value> = (0..20).map(|at| person(&format!("{prefix}{at}"), &format!("user{at}"))).collect();
    let members: Vec<String> = (0..20).map(|at| format!("{prefix}{at}")).collect();
    json!({"users": users, "groups": [{"id": group, "name": "Staff", "members": members}]})
}

fn active(desk: &Desk) -> usize {
    let all = desk.app("/Users?count=200");
    all["Resources"].as_array().unwrap().iter().filter(|user| user["active"] == true).count()
}

#[test]
fn mp1_an_approved_rekey_leaves_everybody_active_and_undo_last_is_the_last_change() {
    let desk = Desk::new();
    desk.directory(&crowd("a", "g"));
    desk.sync(0);
    desk.directory(&crowd("b", "h"));
    let report = desk.sync(3);
    assert_eq!(codes(&report), ["rekey"], "{report:#}");
    let detail = report["holds"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("20 active now, 20 after"), "{detail}");
    assert_eq!(active(&desk), 20);
    approve(&desk);
    let changed = desk.sync(0);
    assert_eq!(active(&desk), 20);
    assert_eq!(member_ids(&desk, "Staff").len(), 20);
    // Runs that change nothing, and one that fails, are not the last change.
    desk.sync(0);
    let last = desk.rosterd.run(&["undo", "acme", "last", "--dry-run", "--format", "json"]).json();
    assert_eq!(last["undoes"], changed["run"], "{last:#}");
}

#[test]
fn mp2_a_leaver_whose_account_was_made_again_by_hand_is_named_in_every_run() {
    let desk = Desk::new();
    desk.sync(0);
    let old = desk.account("ann")["id"].as_str().unwrap().to_owned();
    desk.by_hand("DELETE", &format!("/Users/{old}"), &json!({}));
    let new = desk.hand_made("ann", &json!({}));
    let mut document = company();
    document["users"][0]["active"] = json!(false);
    desk.directory(&document);
    for _ in 0..3 {
        let report = desk.sync(4);
        let text = report.to_string();
        assert!(text.contains(&new) && text.contains("externalId"), "{report:#}");
        let status = desk.rosterd.run(&["status", "acme"]);
        assert!(status.expect_code(0).stdout.contains("ann"), "{}", status.stdout);
        assert_eq!(desk.account("ann")["active"], true, "what nobody proved to be hers is not touched");
    }
    let patch = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "externalId", "value": "p1"}],
    });
    desk.by_hand("PATCH", &format!("/Users/{new}"), &patch);
    desk.sync(0);
    assert_eq!(desk.account("ann")["active"], false);
}

#[test]
fn mp2_a_deletion_that_is_answered_with_404_deletes_the_account_that_has_another_id() {
    let desk = Desk::new();
    desk.tenant("[users]\non_deleted = \"delete\"\n");
    desk.sync(0);
    let old = desk.account("ann")["id"].as_str().unwrap().to_owned();
    desk.by_hand("DELETE", &format!("/Users/{old}"), &json!({}));
    desk.hand_made("ann", &json!({"externalId": "p1"}));
    let mut document = company();
    document["users"].as_array_mut().unwrap().remove(0);
    document["groups"][0]["members"] = json!(["p2", "p3"]);
    desk.directory(&document);
    desk.sync(0);
    assert_eq!(desk.user_names(), ["bob", "cid"]);
}

#[test]
fn mb6_a_freed_name_goes_to_the_user_who_needs_it() {
    let desk = Desk::new();
    desk.sync(0);
    let mut document = company();
    document["users"][0]["active"] = json!(false);
    document["users"][0]["userName"] = json!("ann.old");
    document["users"][1]["userName"] = json!("ann");
    desk.directory(&document);
    desk.sync(0);
    assert_eq!(desk.account("ann")["externalId"], "p2");
    assert_eq!(desk.account("ann.old")["active"], false);
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.writes().is_empty());
}

#[test]
fn mp11_two_present_users_of_one_name_are_named_and_left_as_they_are() {
    let desk = Desk::new();
    desk.sync(0);
    let mut document = company();
    document["users"][1]["userName"] = json!("Ann");
    desk.directory(&document);
    desk.proxy.forget();
    let report = desk.sync(4);
    assert!(desk.proxy.writes().is_empty(), "{report:#}");
    let text = report.to_string();
    assert!(text.contains("neither of the two accounts was changed"), "{report:#}");
    let status = desk.rosterd.run(&["status", "acme"]).stdout;
    assert!(status.contains("p1") && status.contains("p2"), "{status}");
}

#[test]
fn mb3_a_group_that_is_empty_in_the_directory_is_emptied_in_the_app() {
    let desk = Desk::new();
    desk.sync(0);
    let ann = desk.account("ann")["id"].clone();
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Admins",
        "members": [{"value": ann}],
    });
    desk.by_hand("POST", "/Groups", &group);
    let mut document = company();
    document["groups"].as_array_mut().unwrap().push(json!({"id": "g9", "name": "Admins", "members": []}));
    desk.directory(&document);
    desk.sync(0);
    desk.sync(0);
    assert_eq!(member_ids(&desk, "Admins"), [""; 0]);
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.calls().is_empty(), "a quiet run asks nothing");
}
