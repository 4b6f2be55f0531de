//! What an app's answers to creates are worth, and names that look alike. With the real binary, against the sandbox with such habits.

use serde_json::{Value, json};

use crate::cli::{Desk, company, person};

fn with_habit(habit: &str) -> Desk {
    Desk::with_app(&["--misbehave", habit])
}

#[test]
fn mp9_an_app_that_dates_nothing_and_rewrites_names_has_no_failures() {
    let desk = with_habit("tidies");
    let mut document = company();
    for user in document["users"].as_array_mut().unwrap() {
        user["displayName"] = format!("{} Test", user["displayName"].as_str().unwrap()).into();
    }
    document["groups"][0]["name"] = json!("Sales & Ops");
    desk.directory(&document);
    let report = desk.sync(0);
    assert_eq!(report["summary"]["create_user"], 3, "{report:#}");
    assert_eq!(desk.account("ann")["displayName"], "test-ann", "the app writes it so");
    // After links that were not planned the next run compares everything, and asks for the empty group once more.
    assert_eq!(desk.sync(0)["planned"], 0);
    assert_eq!(desk.sync(0)["calls"]["total"], 0);
    document["users"][0]["active"] = json!(false);
    desk.directory(&document);
    desk.sync(0);
    assert_eq!(desk.account("ann")["active"], false);
}

#[test]
fn mp8_an_account_that_a_create_is_answered_with_is_not_shared() {
    let desk = with_habit("mixes-up");
    desk.sync(0);
    let before = desk.account("ann");
    let mut document = company();
    for (id, name) in [("p5", "eve"), ("p6", "fay"), ("p7", "gil")] {
        document["users"].as_array_mut().unwrap().push(person(id, name));
        document["groups"][0]["members"].as_array_mut().unwrap().push(json!(id));
    }
    desk.directory(&document);
    let report = desk.sync(4);
    let failed: Vec<&Value> =
        report["operations"].as_array().unwrap().iter().filter(|one| one["result"] == "failed").collect();
    let said = json!(failed).to_string();
    assert!(said.contains("conflict: ") && said.contains("directory's user p"), "both are named: {report:#}");
    let now = desk.account("ann");
    assert_eq!((&now["externalId"], &now["active"]), (&before["externalId"], &json!(true)), "{now:#}");
    // The next tries are answered well.
    desk.sync(0);
    let mut ids: Vec<Value> =
        ["ann", "bob", "cid", "eve", "fay", "gil"].map(|name| desk.account(name)["id"].clone()).into();
    ids.sort_by_key(Value::to_string);
    ids.dedup();
    assert_eq!(ids.len(), 6);
    assert_eq!(desk.sync(0)["calls"]["total"], 0);
}

#[test]
fn ma9_an_answer_without_an_id_makes_nobody_twice() {
    let desk = with_habit("no-id");
    desk.sync(0);
    assert_eq!(desk.user_names().len(), 3);
    assert_eq!(desk.sync(0)["calls"]["total"], 0);
    let mut document = company();
    document["users"][0]["active"] = json!(false);
    desk.directory(&document);
    desk.sync(0);
    assert_eq!(desk.account("ann")["active"], false, "the right account is linked");
}

#[test]
fn mp7_two_tenants_of_one_app_never_share_a_group() {
    let desk = Desk::new();
    let tenant = std::fs::read_to_string(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    desk.rosterd.tenant("other", &tenant.replace("people.json", "others.json"));
    // Two directories that count from one: the group g1 is another one there, even if it has the same name.
    for name in ["Others", "Staff"] {
        let others = json!({"users": [person("x1", "zoe")], "groups": [{"id": "g1", "name": name, "members": ["x1"]}]});
        desk.rosterd.file("others.json", &others.to_string());
        desk.sync(0);
        let before = desk.app("/Groups")["Resources"][0].clone();
        let run = desk.rosterd.run(&["sync", "other", "--format", "json"]);
        let report = run.expect_code(3).json();
        let holds = report["holds"].to_string();
        assert!(holds.contains("tenant acme") && holds.contains("conflict"), "{holds}");
        assert_eq!(desk.app("/Groups")["Resources"][0], before, "{name}: it was not touched");
        assert_eq!(desk.account("zoe")["active"], true, "who has nothing to do with it goes on");
    }
}

#[test]
fn mm2_a_group_with_an_unseen_character_is_named_and_left_alone() {
    let desk = Desk::new();
    desk.sync(0);
    let mut document = company();
    document["groups"].as_array_mut().unwrap().push(json!({"id": "g3", "name": "Sta\u{200b}ff", "members": ["p1"]}));
    desk.directory(&document);
    let run = desk.rosterd.run(&["sync", "acme"]);
    let said = format!("{}{}", run.expect_code(4).stdout, run.stderr);
    assert!(said.contains("\\u{200b}") && said.contains("invisible"), "{said}");
    assert_eq!(desk.app("/Groups")["totalResults"], 1);
}
