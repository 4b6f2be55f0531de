//! What the guides of Heap, JumpCloud and OneLogin demand of the app's side (J4, J5, J6, O5, O6, O7), with the real binary against an app
//! that behaves as Heap is known to.

use serde_json::{Value, json};

use crate::cli::Desk;

/// Somebody with the user name and e-mail address that Heap wants, and a role if one is given.
fn member(id: &str, name: &str, role: Option<&str>) -> Value {
    let email = format!("{name}@acme.test");
    json!({"id": id, "email": email, "givenName": name, "familyName": "Test", "heapRole": role})
}

fn company(users: &[Value]) -> Value {
    let ids: Vec<&Value> = users.iter().map(|user| &user["id"]).collect();
    json!({"users": users, "groups": [{"id": "g1", "name": "Heap Staff", "members": ids}]})
}

/// An app like Heap, and a tenant file like the one `init --app heap` writes.
fn heap(users: &[Value], options: &[&str], more: &str) -> Desk {
    let desk = Desk::with_app(&[&["--profile", "heap"], options].concat());
    desk.directory(&company(users));
    tenant(&desk, more);
    desk
}

fn tenant(desk: &Desk, more: &str) {
    desk.tenant(&format!(
        "profile = \"heap\"\n[users]\n{more}\n[users.attributes]\nuserName = \"email\"\n\"emails.work\" = \"email\"\n\
         \"name.givenName\" = \"givenName\"\n\"name.familyName\" = \"familyName\"\nrole = {{ from = \"heapRole\", push = \"on_source_change\" }}\n"
    ));
}

fn role(desk: &Desk, name: &str) -> Value {
    desk.account(&format!("{name}@acme.test"))["roles"][0]["value"].clone()
}

/// The operation about somebody.
#[track_caller]
fn about<'a>(report: &'a Value, name: &str) -> &'a Value {
    let all = report["operations"].as_array().unwrap();
    all.iter().find(|one| one["name"].as_str().unwrap().starts_with(name)).unwrap_or_else(|| panic!("{report:#}"))
}

#[test]
fn j4_an_account_outside_of_the_organisation_is_told_exactly_and_everybody_else_goes_on() {
    let people = [member("p1", "ann", None), member("p2", "eve", None), member("p3", "cid", None)];
    let desk = heap(&people, &["--foreign", "eve@acme.test"], "");
    let report = desk.sync(4);
    assert_eq!(desk.user_names(), ["ann@acme.test", "cid@acme.test"], "{report:#}");
    let said = about(&report, "eve")["detail"].to_string();
    assert!(said.contains("outside of your organisation; its owner has to delete it there first"), "{report:#}");
    assert_eq!(about(&report, "eve")["result"], "failed");
    let text = desk.rosterd.run(&["sync", "acme"]).expect_code(4).stdout.clone();
    assert!(text.contains("its owner has to delete it there first"), "{text}");
    let status = desk.rosterd.run(&["status", "acme"]).expect_code(0).stdout.clone();
    assert!(status.contains("its owner has to delete it there first"), "{status}");
}

#[test]
fn j5_people_added_or_removed_by_hand_show_up_as_drift_and_the_directory_decides() {
    let people =
        [member("p1", "ann", None), member("p2", "bob", None), member("p3", "cid", None), member("p4", "dee", None)];
    let desk = heap(&people, &[], "");
    desk.sync(0);
    let clean = desk.rosterd.run(&["drift", "acme", "--detailed-exitcode"]);
    assert!(clean.expect_code(0).stdout.contains("nothing was changed by hand"), "{}", clean.stdout);

    // In Heap, somebody adds zoe, removes ann, switches bob off, renames cid, takes dee out of the group and puts zoe in.
    let zoe = desk.hand_made("zoe@acme.test", &json!({}));
    let id = |name: &str| desk.account(&format!("{name}@acme.test"))["id"].as_str().unwrap().to_owned();
    let (ann, bob, cid, dee) = (id("ann"), id("bob"), id("cid"), id("dee"));
    let group = desk.app("/Groups")["Resources"][0]["id"].as_str().unwrap().to_owned();
    let patch = |operations: Value| json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    desk.by_hand("DELETE", &format!("/Users/{ann}"), &Value::Null);
    desk.by_hand(
        "PATCH",
        &format!("/Users/{bob}"),
        &patch(json!([{"op": "replace", "path": "active", "value": false}])),
    );
    desk.by_hand(
        "PATCH",
        &format!("/Users/{cid}"),
        &patch(json!([{"op": "replace", "path": "name.givenName", "value": "Sid"}])),
    );
    desk.by_hand("PATCH", &format!("/Groups/{group}"), &patch(json!([
        {"op": "remove", "path": format!("members[value eq \"{dee}\"]")}, {"op": "add", "path": "members", "value": [{"value": zoe}]},
    ])));

    assert_eq!(desk.sync(0)["calls"]["total"], 0, "i12: a quiet run does not read the app");
    desk.proxy.forget();
    let drift = desk.rosterd.run(&["drift", "acme", "--format", "json", "--detailed-exitcode"]).expect_code(2).json();
    let kinds: Vec<(&str, &str)> = drift["drift"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["kind"].as_str().unwrap(), one["name"].as_str().unwrap()))
        .collect();
    let expected = [
        ("account_removed", "ann@acme.test"),
        ("active_changed", "bob@acme.test"),
        ("attributes_changed", "cid@acme.test"),
        ("account_added", "zoe@acme.test"),
        ("members_added", "Heap Staff"),
        ("members_removed", "Heap Staff"),
    ];
    assert_eq!(kinds, expected, "{drift:#}");
    assert!(desk.proxy.writes().is_empty(), "it only looks");
    let text = desk.rosterd.run(&["drift", "acme"]).expect_code(0).stdout.clone();
    for part in [
        "ann@acme.test",
        "was deactivated",
        "\"Sid\"",
        "added by hand: zoe@acme.test",
        "lost members by hand: ",
        "dee@acme.test",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    // The directory's decision alone: noted, and the next sync makes it so. What is nobody's stays.
    desk.rosterd.run(&["drift", "acme", "--note"]).expect_code(0);
    let report = desk.sync(0);
    assert_eq!(
        report["summary"],
        json!({"create_user": 1, "activate_user": 1, "update_user": 1, "add_members": 1}),
        "{report:#}"
    );
    assert_eq!(desk.account("cid@acme.test")["name"]["givenName"], "cid");
    assert_eq!(desk.account("bob@acme.test")["active"], true);
    let left = desk.rosterd.run(&["drift", "acme", "--format", "json"]).expect_code(0).json();
    let kinds: Vec<&str> = left["drift"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["account_added", "members_added"], "i4: zoe is nobody's, and stays: {left:#}");
}

#[test]
fn j6_a_new_address_never_makes_a_second_account_by_accident() {
    let ann = |email: &str| {
        let mut ann = member("p1", "ann", None);
        ann["email"] = json!(email);
        ann
    };
    let desk = heap(&[ann("ann@acme.test"), member("p2", "bob", None)], &[], "");
    desk.sync(0);
    desk.directory(&company(&[ann("anna@acme.test"), member("p2", "bob", None)]));
    // `hold` is the profile's choice.
    desk.proxy.forget();
    let report = desk.sync(3);
    assert!(report.to_string().contains("trying would create a second account"), "{report:#}");
    assert!(desk.proxy.writes().is_empty());
    assert_eq!(desk.user_names(), ["ann@acme.test", "bob@acme.test"]);
    // `ignore`: the account keeps the old address, and nobody is asked.
    tenant(&desk, "on_immutable_change = \"ignore\"");
    let report = desk.sync(0);
    assert_eq!(report["held"], 0, "{report:#}");
    assert_eq!(desk.user_names(), ["ann@acme.test", "bob@acme.test"]);
    // Everything else of the person goes on being kept.
    let mut moved = ann("anna@acme.test");
    moved["givenName"] = json!("Anna");
    desk.directory(&company(&[moved, member("p2", "bob", None)]));
    desk.sync(0);
    assert_eq!(desk.account("ann@acme.test")["name"]["givenName"], "Anna");
    assert_eq!(desk.user_names(), ["ann@acme.test", "bob@acme.test"]);
    // `recreate`: the second account is wanted, and the first one is switched off.
    tenant(&desk, "on_immutable_change = \"recreate\"");
    desk.sync(0);
    assert_eq!(desk.user_names(), ["ann@acme.test", "anna@acme.test", "bob@acme.test"]);
    assert_eq!(
        (&desk.account("ann@acme.test")["active"], &desk.account("anna@acme.test")["active"]),
        (&json!(false), &json!(true))
    );
}

#[test]
fn o5_and_o6_a_role_by_its_name_and_without_one_the_apps_default() {
    let desk = heap(&[member("p1", "ann", Some("admin")), member("p2", "bob", None)], &[], "");
    desk.sync(0);
    assert_eq!((role(&desk, "ann"), role(&desk, "bob")), (json!("admin"), json!("consumer")));
    // The value goes: it is removed once, and what the app makes of that is its own; who never had one gets no call.
    desk.directory(&company(&[member("p1", "ann", None), member("p2", "bob", None)]));
    desk.proxy.forget();
    desk.sync(0);
    assert_eq!(desk.proxy.writes().len(), 1, "{:?}", desk.proxy.writes());
    assert_eq!(role(&desk, "ann"), Value::Null);
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.writes().is_empty(), "once");
    // The parameter is switched off altogether: new people get the default.
    desk.tenant("profile = \"heap\"\n[users.attributes]\nuserName = \"email\"\n\"emails.work\" = \"email\"\n");
    desk.directory(&company(&[
        member("p1", "ann", Some("analyst")),
        member("p2", "bob", None),
        member("p3", "cid", Some("admin")),
    ]));
    desk.sync(0);
    assert_eq!((role(&desk, "ann"), role(&desk, "cid")), (Value::Null, json!("consumer")));
}

#[test]
fn o6_a_role_that_the_app_does_not_have_is_told_in_its_own_words_and_nothing_is_lost() {
    let desk = heap(&[member("p1", "ann", Some("boss")), member("p2", "bob", Some("analyst"))], &[], "");
    let report = desk.sync(4);
    assert!(about(&report, "ann")["detail"].to_string().contains("there is no role"), "{report:#}");
    assert!(
        report.to_string().contains("admin, architect, analyst, consumer"),
        "the nearest names are shown: {report:#}"
    );
    assert_eq!(desk.user_names(), ["bob@acme.test"]);
    desk.directory(&company(&[member("p1", "ann", Some("architect")), member("p2", "bob", Some("boss"))]));
    desk.sync(4);
    assert_eq!(
        (role(&desk, "ann"), role(&desk, "bob")),
        (json!("architect"), json!("analyst")),
        "a refused change changes nothing"
    );
}

#[test]
fn o7_a_role_changed_by_hand_survives_until_the_directorys_value_changes() {
    let desk = heap(&[member("p1", "ann", Some("analyst")), member("p2", "bob", None)], &[], "");
    desk.sync(0);
    let by_hand = |name: &str, role: &str| {
        let id = desk.account(&format!("{name}@acme.test"))["id"].as_str().unwrap().to_owned();
        let operations = json!([{"op": "replace", "path": "roles", "value": [{"value": role}]}]);
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
        desk.by_hand("PATCH", &format!("/Users/{id}"), &body);
    };
    by_hand("ann", "admin");
    by_hand("bob", "architect");
    desk.sync(0);
    // Another attribute changes: the role is not touched by that.
    let mut ann = member("p1", "ann", Some("analyst"));
    ann["givenName"] = json!("Anna");
    desk.directory(&company(&[ann, member("p2", "bob", None)]));
    desk.sync(0);
    assert_eq!(desk.account("ann@acme.test")["name"]["givenName"], "Anna");
    assert_eq!((role(&desk, "ann"), role(&desk, "bob")), (json!("admin"), json!("architect")), "not overwritten");
    let drift = desk.rosterd.run(&["drift", "acme", "--format", "json"]).expect_code(0).json();
    assert_eq!(drift["drift"], json!([]), "and not reported back");
    // The directory's value changes: now it counts.
    desk.directory(&company(&[member("p1", "ann", Some("consumer")), member("p2", "bob", Some("analyst"))]));
    desk.sync(0);
    assert_eq!((role(&desk, "ann"), role(&desk, "bob")), (json!("consumer"), json!("analyst")));
}
