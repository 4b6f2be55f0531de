//! What `rosterd drift` says of apps that do not show everything, or do not do what they answer (MA11, MB4). With the real binary and the
//! embedded app.

use serde_json::{Value, json};

use crate::cli::{Desk, company};
use crate::story::Scene;
use crate::support::directory::{Directory, person_dn, uid};
use crate::support::rig::require_all;
use crate::support::servers::Kind;

fn drift(desk: &Desk, arguments: &[&str]) -> Value {
    let command = [&["drift", "acme", "--format", "json"], arguments].concat();
    desk.rosterd.run(&command).expect_code(0).json()
}

fn kinds(drift: &Value) -> Vec<String> {
    let all = drift["drift"].as_array().unwrap();
    all.iter().map(|one| format!("{} {}", one["kind"].as_str().unwrap(), one["name"].as_str().unwrap())).collect()
}

fn without(name: &str) -> Value {
    let mut company = company();
    company["users"].as_array_mut().unwrap().retain(|user| user["userName"] != name);
    for group in company["groups"].as_array_mut().unwrap() {
        let left: Vec<Value> = company_members(group).into_iter().filter(|member| member != "p1").collect();
        group["members"] = left.into();
    }
    company
}

fn company_members(group: &Value) -> Vec<Value> {
    group["members"].as_array().unwrap().clone()
}

fn suspend(name: &str) -> Value {
    let mut company = company();
    for user in company["users"].as_array_mut().unwrap() {
        if user["userName"] == name {
            user["active"] = json!(false);
        }
    }
    company
}

fn ann() -> String {
    company()["users"][0]["userName"].as_str().unwrap().to_owned()
}

#[test]
fn ma11_members_that_no_group_shows_are_a_setting_to_propose_and_no_change_by_hand() {
    let desk = Desk::with_app(&["--misbehave", "hidden-members"]);
    desk.rosterd.run(&["sync", "acme"]);
    let seen = drift(&desk, &[]);
    assert_eq!(kinds(&seen), [""; 0], "{seen:#}");
    let hint = &seen["hints"][0];
    assert_eq!(
        (&hint["code"], &hint["key"], &hint["value"], &hint["members"]),
        (&json!("members_not_shown"), &json!("read.members_readable"), &json!("false"), &json!(3)),
        "{seen:#}"
    );
    let noted = drift(&desk, &["--note"]);
    assert_eq!(noted["noted"], false, "{noted:#}");
    let text = desk.rosterd.run(&["drift", "acme"]).expect_code(0).stdout.clone();
    assert!(text.contains("`read.members_readable = false`") && !text.contains("by hand:"), "{text}");
    // The setting that is proposed is one that the file takes, and explains it.
    desk.tenant("[target.override_profile.read]\nmembers_readable = false\n");
    let seen = drift(&desk, &[]);
    assert_eq!((kinds(&seen), &seen["hints"]), (Vec::new(), &json!([])), "{seen:#}");
}

#[test]
fn ma11_groups_that_were_emptied_by_hand_come_back_when_the_operator_says_so() {
    let desk = Desk::new();
    desk.sync(0);
    let group = desk.app("/Groups")["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|group| group["displayName"] == "Staff")
        .unwrap()["id"]
        .clone();
    desk.by_hand("PATCH", &format!("/Groups/{}", group.as_str().unwrap()), &json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "remove", "path": "members"}]
    }));
    let seen = drift(&desk, &["--note"]);
    assert_eq!((&seen["hints"][0]["code"], &seen["noted"]), (&json!("members_not_shown"), &json!(false)), "{seen:#}");
    let seen = drift(&desk, &["--note", "--trust-empty-groups"]);
    assert_eq!(kinds(&seen), ["members_removed Staff"], "{seen:#}");
    assert_eq!(desk.sync(0)["summary"], json!({"add_members": 1}));
}

#[test]
fn ma11_an_account_that_outlived_its_deletion_is_named_and_deleted_again() {
    let desk = Desk::with_app(&["--misbehave", "keeps-deleted"]);
    desk.tenant("[users]\non_deleted = \"delete\"\n");
    desk.sync(0);
    let ann = ann();
    desk.directory(&without(&ann));
    desk.rosterd.run(&["sync", "acme"]);
    assert_eq!(desk.account(&ann)["active"], true, "the app did nothing");
    let seen = drift(&desk, &[]);
    if kinds(&seen).is_empty() {
        // The run itself noticed, and the account is still linked.
        assert_eq!(desk.rosterd.run(&["sync", "acme", "--format", "json"]).json()["failed"], 1);
        return;
    }
    assert_eq!(kinds(&seen), [format!("account_kept {ann}")], "{seen:#}");
    assert_eq!(seen["drift"][0]["active"], true);
    let text = desk.rosterd.run(&["drift", "acme"]).expect_code(0).stdout.clone();
    assert!(text.contains("rosterd deleted this account on ") && text.contains("still shows it as active"), "{text}");
    assert_eq!(drift(&desk, &["--note"])["noted"], true);
    let report = desk.rosterd.run(&["sync", "acme", "--format", "json"]).json();
    assert_eq!(report["operations"][0]["op"], "delete_user", "{report:#}");
}

#[test]
fn mb4_accounts_that_rosterd_deactivated_and_the_app_hides_stay_linked_and_come_back_as_themselves() {
    let desk = Desk::with_app(&["--misbehave", "hides-inactive"]);
    desk.sync(0);
    let ann = ann();
    let id = desk.account(&ann)["id"].clone();
    desk.directory(&suspend(&ann));
    desk.sync(0);
    let seen = drift(&desk, &["--note"]);
    assert_eq!(kinds(&seen), [format!("account_not_shown {ann}")], "{seen:#}");
    assert_eq!(
        (&seen["noted"], &seen["hints"][0]["key"]),
        (&json!(false), &json!("users.inactive_effect")),
        "{seen:#}"
    );
    desk.directory(&company());
    let report = desk.sync(0);
    assert_eq!(report["summary"]["create_user"], Value::Null, "{report:#}");
    assert_eq!((&desk.account(&ann)["id"], desk.user_names().len()), (&id, 3), "no second account");
    // With the setting that is proposed it is as expected, and says nothing.
    desk.tenant("[target.override_profile.users]\ninactive_effect = \"hides_resource\"\n");
    desk.directory(&suspend(&ann));
    desk.sync(0);
    let seen = drift(&desk, &[]);
    assert_eq!((kinds(&seen), &seen["hints"]), (Vec::new(), &json!([])), "{seen:#}");
    desk.directory(&company());
    desk.sync(0);
    assert_eq!(desk.account(&ann)["id"], id);
}

#[test]
fn ma11_what_drift_noted_is_the_reason_that_the_plan_gives() {
    let desk = Desk::new();
    desk.sync(0);
    let ann = ann();
    let id = desk.account(&ann)["id"].as_str().unwrap().to_owned();
    desk.by_hand(
        "PATCH",
        &format!("/Users/{id}"),
        &json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "displayName", "value": "Changed"}]
        }),
    );
    assert_eq!(drift(&desk, &["--note"])["noted"], true);
    let plan = desk.rosterd.run(&["plan", "acme", "--format", "json"]).json();
    assert_eq!(plan["operations"][0]["reason_code"], "changed_in_app", "{plan:#}");
    let text = desk.rosterd.run(&["plan", "acme"]).stdout.clone();
    assert!(text.contains("changed in the app by hand") && !text.contains("record changed"), "{text}");
    desk.sync(0);
    // What the directory changes later is the directory's change.
    let mut changed = company();
    changed["users"][0]["displayName"] = json!("Ann Two");
    desk.directory(&changed);
    let plan = desk.rosterd.run(&["plan", "acme", "--format", "json"]).json();
    assert_eq!(plan["operations"][0]["reason_code"], "record_changed", "{plan:#}");
}

#[test]
fn ma11_a_released_account_is_the_apps_and_no_account_that_somebody_added() {
    let desk = Desk::new();
    desk.tenant("[users]\non_unassigned = \"nothing\"\n");
    desk.sync(0);
    let mut company = company();
    company["groups"][0]["members"] = json!(["p2", "p3"]);
    desk.directory(&company);
    desk.rosterd.run(&["sync", "acme"]);
    let seen = drift(&desk, &[]);
    assert_eq!(kinds(&seen), [""; 0], "{seen:#}");
}

#[test]
fn ma11_deleted_accounts_that_a_real_server_keeps_in_its_groups_are_nobodys_change() {
    let Some(rig) = require_all(&["slapd", Kind::Scim2Server.name()]) else { return };
    let directory = Directory::generate(12, 2, 12);
    // This server leaves deleted users in its groups.
    let profile = "[target.override_profile.users]\ndeleted_leave_groups = false";
    let scene = Scene::new(&rig, Kind::Scim2Server, &directory, profile);
    scene.sync();
    scene.slapd.delete(&person_dn(&uid(3)));
    scene.sync();
    let (seen, calls) = scene.run(&["drift", "acme"], 0);
    assert_eq!(kinds(&seen), [""; 0], "{seen:#}");
    assert_eq!(seen["calls"], calls.values().sum::<usize>(), "what it says it took is what it took");
}

/// The company with its first group under another name.
fn group_called(name: &str) -> Value {
    let mut company = company();
    company["groups"][0]["name"] = json!(name);
    company
}

#[test]
fn ma6_a_group_name_that_the_app_rewrites_wholly_is_no_drift() {
    let desk = Desk::with_app(&["--misbehave", "tidies"]);
    for name in ["Sales West", "Sales, East"] {
        desk.directory(&group_called(name));
        desk.sync(0);
        desk.sync(0);
        assert_eq!(kinds(&drift(&desk, &[])), [""; 0], "{name}: the app writes it in its own way");
        assert_eq!(desk.sync(0)["calls"]["total"], 0, "{name}");
    }
    assert_eq!(desk.app("/Groups")["Resources"][0]["displayName"], "east-sales", "rewritten wholly");
}

#[test]
fn ma6_a_name_that_the_app_rewrites_without_a_word_is_noted_once() {
    let desk = Desk::with_app(&["--misbehave", "tidies", "--misbehave", "no-content"]);
    desk.sync(0);
    desk.directory(&group_called("Sales!"));
    desk.sync(0);
    assert_eq!(kinds(&drift(&desk, &["--note"])), ["group_renamed Sales!"]);
    let run = desk.sync(0);
    assert_eq!(run["operations"], json!([]), "noted as the app's way of writing, and not changed back: {run:#}");
    assert_eq!(kinds(&drift(&desk, &[])), [""; 0]);
}
