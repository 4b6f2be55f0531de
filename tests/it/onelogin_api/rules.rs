//! What the customer's guide demands of the directory's side, line by line: O1 to O8.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Scene, active, names, operations, ops};
use crate::support::directory::uid;
use crate::support::rig::require;

#[test]
fn o1_a_preview_proves_both_sides_and_changes_nothing() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    scene.run(&["check", "acme"]).expect_code(0);
    let run = scene.run(&["plan", "acme", "--format", "json"]);
    run.expect_code(0);
    assert_eq!(run.json()["summary"]["create_user"], 45);
    assert_eq!(scene.app.writes().len(), 0);
    assert!(scene.onelogin.calls().iter().all(|call| call.method == "GET" || call.path == "/auth/oauth2/v2/token"));
    assert!(scene.people().is_empty());
    // Neither the secret nor a token is anywhere but in its own file.
    let kept = scene.rosterd.files_holding(&scene.onelogin.client_secret);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(scene.rosterd.files_holding(&scene.onelogin.token()).is_empty());
}

#[test]
fn o2_assigning_a_user_creates_the_account_and_revoking_access_removes_it() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    scene.sync();
    assert_eq!(active(&scene.people()), names(0..45));
    let app = scene.server.read();
    assert_eq!(app.groups.keys().map(String::as_str).collect::<Vec<_>>(), ["heap-base", "heap-sales"]);
    assert_eq!((&app.groups["heap-base"], &app.groups["heap-sales"]), (&names(0..40), &names(38..45)));
    scene.is_quiet();

    // By a role, and by name.
    scene.onelogin.change(|account| {
        account.assign(&uid(50), "heap-sales");
        let heap = account.app("Heap");
        account.assign_directly(&uid(51), heap);
    });
    let report = scene.sync();
    let (fifty, fifty_one) = (uid(50), uid(51));
    let expected = [("create_user", fifty.as_str()), ("create_user", &fifty_one), ("add_members", "heap-sales")];
    assert_eq!(operations(&report), ops(&expected), "{report:#}");
    assert_eq!(active(&scene.people()), names((0..45).chain([50, 51])));
    scene.is_quiet();

    // Who still has another way in keeps the account.
    scene.onelogin.change(|account| {
        account.revoke(&uid(50), "heap-sales");
        account.revoke(&uid(38), "heap-sales");
        account.apps.values_mut().for_each(|app| app.direct.clear());
    });
    let report = scene.sync();
    let expected =
        [("remove_members", "heap-sales"), ("deactivate_user", fifty.as_str()), ("deactivate_user", &fifty_one)];
    assert_eq!(operations(&report), ops(&expected), "{report:#}");
    assert_eq!(active(&scene.people()), names(0..45));
    scene.is_quiet();
}

#[test]
fn o2_revoking_deletes_the_account_where_the_key_follows_the_vendors_guide() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    scene.configure("application = \"Heap\"", "on_unassigned = \"delete\"");
    scene.sync();
    scene.onelogin.change(|account| account.revoke(&uid(44), "heap-sales"));
    let report = scene.sync();
    assert_eq!(report["summary"]["delete_user"], 1, "{report:#}");
    assert_eq!(scene.people().get(&uid(44)), None);
    scene.is_quiet();
}

#[test]
fn o2_an_application_taken_from_a_role_takes_the_accounts_and_leaves_the_group() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    let guard = "[guard]\nremovals_per_day = \"20%\"";
    scene.configure("application = \"Heap\"", guard);
    scene.sync();
    scene.onelogin.change(|account| account.unbind(account.app("Heap"), account.role("heap-sales")));
    let report = scene.sync();
    assert_eq!(report["summary"], json!({ "deactivate_user": 5, "release_group": 1 }), "{report:#}");
    assert_eq!(active(&scene.people()), names(0..40));
    assert_eq!(scene.server.read().groups["heap-sales"], names(38..45), "it stays as it is");
    scene.is_quiet();
}

#[test]
fn o3_what_a_deleted_user_becomes_is_a_choice() {
    let Some(rig) = require("scim2-server") else { return };
    for (choice, stays) in [("delete", None), ("deactivate", Some(false)), ("nothing", Some(true))] {
        let scene = Scene::new(&rig);
        scene.configure("application = \"Heap\"", &format!("on_deleted = \"{choice}\""));
        scene.sync();
        scene.onelogin.change(|account| account.delete_user(&uid(3)));
        scene.sync();
        assert_eq!(scene.people().get(&uid(3)).copied(), stays, "{choice}");
        let asked = scene.onelogin.counts();
        assert!(asked.get("GET /api/2/users/{id}").is_some_and(|times| *times > 0), "the id was asked for: {asked:?}");
    }
}

#[test]
fn o4_a_departed_member_is_blocked_before_everything_else() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    scene.sync();
    scene.onelogin.change(|account| {
        account.edit(&uid(5), |user| user.status = 2);
        account.edit(&uid(6), |user| user.state = 3);
        // Locked for wrong passwords only, and not activated yet: neither leaves.
        account.edit(&uid(7), |user| user.status = 3);
        account.edit(&uid(8), |user| user.status = 0);
        account.edit(&uid(9), |user| user.lastname = Some("Newname".to_owned()));
        account.assign(&uid(52), "heap-base");
    });
    let report = scene.sync();
    let first: Vec<_> = report["operations"].as_array().unwrap().iter().take(2).collect();
    assert!(first.iter().all(|op| op["op"] == "deactivate_user" && op["lane"] == "leavers"), "{report:#}");
    let writes = scene.app.writes();
    assert!(writes.iter().take(2).all(|call| call.body.contains("active")), "they are sent first");
    let gone: BTreeSet<String> =
        scene.people().into_iter().filter(|(_, active)| !active).map(|(name, _)| name).collect();
    assert_eq!(gone, names([5, 6]));
    scene.is_quiet();
}

#[test]
fn o5_and_o6_a_role_is_sent_exactly_where_there_is_a_value() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    scene.onelogin.change(|account| account.set_heap_role(&uid(1), Some("Admin")));
    scene.sync();
    assert_eq!((scene.role_of(&uid(1)), scene.role_of(&uid(2))), (vec!["Admin".to_owned()], Vec::new()));
    let creates: Vec<Value> =
        scene.app.writes().iter().filter(|call| call.path == "/Users").map(|call| call.json()).collect();
    assert_eq!(creates.len(), 45);
    for created in creates {
        let has_role = created.get("roles").is_some();
        assert_eq!(
            has_role,
            created["userName"] == json!(uid(1)),
            "the app's default stands for all others: {created}"
        );
    }
    scene.is_quiet();

    // The parameter switched off: the attribute is gone for everybody, and for new people nothing is sent.
    scene.onelogin.change(|account| {
        for user in account.users.values_mut() {
            user.custom_attributes.remove("heap_role");
        }
        account.assign(&uid(50), "heap-base");
    });
    scene.sync_with(0);
    let created = scene.app.writes().into_iter().find(|call| call.path == "/Users").expect("a new account").json();
    assert!(created.get("roles").is_none(), "{created}");
}

#[test]
fn o7_a_role_follows_the_directory_and_a_hand_changed_one_stays_until_the_directory_changes_again() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    scene.onelogin.change(|account| {
        account.set_heap_role(&uid(1), Some("Analyst"));
        account.set_heap_role(&uid(2), Some("Analyst"));
    });
    scene.sync();

    // In the directory.
    scene.onelogin.change(|account| account.set_heap_role(&uid(1), Some("Admin")));
    let report = scene.sync();
    assert_eq!(operations(&report), ops(&[("update_user", &uid(1))]), "{report:#}");
    assert_eq!(scene.role_of(&uid(1)), ["Admin"]);

    // By hand in the app: neither reported back nor overwritten, not even when something else of the person changes.
    let id = scene.server.read().users[&uid(2)].id.clone();
    let patch = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "replace", "path": "roles", "value": [{ "value": "Owner" }] }],
    });
    assert!(scene.server.send("PATCH", &format!("/Users/{id}"), Some(&patch)).status < 300);
    assert_eq!(scene.role_of(&uid(2)), ["Owner"]);
    scene.is_quiet();
    scene.onelogin.change(|account| account.edit(&uid(2), |user| user.lastname = Some("Newname".to_owned())));
    scene.sync();
    let app = scene.server.read();
    assert_eq!(app.users[&uid(2)].family_name.as_deref(), Some("Newname"));
    assert_eq!(scene.role_of(&uid(2)), ["Owner"]);
    let role =
        scene.onelogin.change(|account| account.users[&account.user(&uid(2))].custom_attributes["heap_role"].clone());
    assert_eq!(role, json!("Analyst"), "nothing is reported back");

    // Until the directory's value changes.
    scene.onelogin.change(|account| account.set_heap_role(&uid(2), Some("Admin")));
    scene.sync();
    assert_eq!(scene.role_of(&uid(2)), ["Admin"]);
    scene.is_quiet();
}

#[test]
fn o8_who_belongs_is_decided_in_onelogin_alone() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    let by_hand = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": uid(55), "active": true,
    });
    assert_eq!(scene.server.send("POST", "/Users", Some(&by_hand)).status, 201);
    scene.sync();
    assert_eq!(active(&scene.people()), names((0..45).chain([55])), "who is nobody's business stays");

    // Given the application there, the account is taken over; without it, it ends.
    scene.onelogin.change(|account| account.assign(&uid(55), "heap-base"));
    // An account that rosterd did not make is given to a user of its name only after an approval, once a first run has completed.
    let held = scene.rosterd.run(&["sync", "acme", "--format", "json"]).expect_code(3).json();
    assert_eq!(held["holds"][0]["reason"], "adoption", "{held:#}");
    let status = scene.rosterd.run(&["status", "acme", "--format", "json"]).expect_code(0).json();
    let plan = status[0]["held_plan"]["plan"].as_str().unwrap().to_owned();
    scene.rosterd.run(&["approve", "acme", &plan, "--reason", "the same person"]).expect_code(0);
    let report = scene.sync();
    assert_eq!(report["summary"]["adopt_user"], 1, "{report:#}");
    assert_eq!(scene.people().len(), 46, "nobody is doubled");
    scene.onelogin.change(|account| account.revoke(&uid(55), "heap-base"));
    scene.sync();
    assert_eq!(active(&scene.people()), names(0..45));
}
