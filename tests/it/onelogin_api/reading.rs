//! How people and roles are read: the fewest calls, lists that move, answers that show less, and the vendor's own description.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Scene, active, names, operations};
use crate::support::directory::{Directory, Person, uid};
use crate::support::onelogin::Account;
use crate::support::prism::Prism;
use crate::support::proxy::{Fault, Rule};
use crate::support::rig::{self, require, require_all};

/// 2,100 people; 1,500 of them have the app by three roles.
fn large() -> Account {
    let mut account = Account::of(&Directory::generate(2_100, 12, 6_000), "Heap", &[]);
    let (app, everybody) = (account.app("Heap"), account.users.keys().copied().collect::<Vec<_>>());
    for (number, people) in everybody.chunks(500).take(3).enumerate() {
        let role = account.create_role(&format!("heap-{number}"), people.iter().copied().collect());
        account.bind(app, role);
    }
    account
}

fn created(report: &Value) -> u64 {
    report["summary"]["create_user"].as_u64().unwrap_or(0)
}

#[test]
fn two_thousand_people_are_read_with_the_fewest_calls() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::of(&rig, large());
    let run = scene.run(&["plan", "acme", "--format", "json"]);
    run.expect_code(0);
    assert_eq!(run.json()["snapshot"], json!({ "users": 2_100, "groups": 15, "memberships": 1_500 }));
    assert_eq!(created(&run.json()), 1_500);
    let calls: Vec<(String, usize)> = scene.onelogin.counts().into_iter().collect();
    let expected = [
        ("GET /api/2/apps", 1),
        ("GET /api/2/apps/{id}", 1),
        ("GET /api/2/apps/{id}/users", 15),
        ("GET /api/2/roles", 1),
        ("GET /api/2/users", 42),
        ("POST /auth/oauth2/v2/token", 1),
    ];
    assert_eq!(calls, expected.map(|(call, times)| (call.to_owned(), times)));
    // After the first page a cursor, with the same fields and never together with a limit.
    for call in scene.onelogin.calls().iter().filter(|call| call.path == "/api/2/users").skip(1) {
        assert!(call.query.contains("cursor=") && call.query.contains("fields=") && !call.query.contains("limit="));
    }
}

#[test]
fn a_scope_that_names_groups_asks_nobody_who_has_the_application_directly() {
    let Some(rig) = require("scim2-server") else { return };
    let listing = |scene: &Scene| scene.onelogin.counts().get("GET /api/2/apps/{id}/users").copied();
    let scene = Scene::new(&rig);
    scene.run(&["plan", "acme"]).expect_code(0);
    assert_eq!(listing(&scene), Some(1), "without a scope those count who have it by name");
    scene.configure("application = \"Heap\"", "[scope]\ngroups = [{ name = \"heap *\" }, { name = \"heap-sales\" }]\n");
    let report = scene.run(&["plan", "acme", "--format", "json"]).expect_code(0).json();
    assert_eq!(created(&report), 7, "{}", report["summary"]);
    assert_eq!(listing(&scene), None, "{:?}", scene.onelogin.counts());
}

#[test]
fn nobody_is_lost_or_doubled_when_rows_go_and_come_while_the_list_is_read() {
    let Some(rig) = require("scim2-server") else { return };
    let newcomer = |account: &mut Account, number: usize| {
        let id = account.join(&Person::generate(number));
        account.roles.values_mut().find(|role| role.name == "heap-0").expect("a role").users.insert(id);
    };
    // One goes: without a second look the one at the seam would be lost.
    let scene = Scene::of(&rig, large());
    scene.onelogin.interrupt("/api/2/users", 3, |account| account.delete_user(&uid(7)));
    let report = scene.run(&["plan", "acme", "--format", "json"]).json();
    assert_eq!(created(&report), 1_499, "{}", report["summary"]);
    assert_eq!(report["snapshot"]["users"], 2_099);

    // One goes and another comes: the total stays the same, and is no proof.
    let scene = Scene::of(&rig, large());
    scene.onelogin.interrupt("/api/2/users", 3, move |account| {
        account.delete_user(&uid(7));
        newcomer(account, 5_000);
    });
    let report = scene.run(&["plan", "acme", "--format", "json"]).json();
    assert_eq!(created(&report), 1_500);
    let planned: BTreeSet<String> =
        operations(&report).into_iter().filter(|(op, _)| op == "create_user").map(|(_, name)| name).collect();
    assert_eq!(planned, names((0..1_500).filter(|number| *number != 7).chain([5_000])));

    // The same among those who have the app, two of them by name.
    let mut account = large();
    let heap = account.app("Heap");
    account.assign_directly(&uid(1_700), heap);
    account.assign_directly(&uid(1_701), heap);
    let scene = Scene::of(&rig, account);
    scene.onelogin.interrupt(&format!("/api/2/apps/{heap}/users"), 5, move |account| {
        account.revoke(&uid(3), "heap-0");
        account.assign_directly(&uid(1_702), heap);
    });
    let report = scene.run(&["plan", "acme", "--format", "json"]).json();
    let planned: BTreeSet<String> =
        operations(&report).into_iter().filter(|(op, _)| op == "create_user").map(|(_, name)| name).collect();
    assert!([1_700, 1_701, 1_702].iter().all(|number| planned.contains(&uid(*number))), "{}", report["summary"]);
    assert_eq!(scene.onelogin.counts()["GET /api/2/apps/{id}/users"], 48, "read until two readings agree");
}

#[test]
fn a_list_that_never_stands_still_is_no_reading() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::of(&rig, large());
    for reading in 0..5 {
        scene.onelogin.interrupt("/api/2/users", reading * 42 + 20, move |account| account.delete_user(&uid(reading)));
    }
    let told = scene.refused();
    assert!(told.contains("the reading is incomplete: the list of users"), "{told}");
}

#[test]
fn where_the_list_shows_neither_roles_nor_custom_attributes_they_are_read_one_by_one() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    scene.onelogin.change(|account| account.set_heap_role(&uid(1), Some("Admin")));
    scene.onelogin.behave(|habits| habits.withheld_fields = vec!["role_ids"]);
    scene.sync();
    assert_eq!(active(&scene.people()), names(0..45));
    let calls = scene.onelogin.counts();
    assert_eq!(
        (calls["GET /api/2/roles/{id}/users"], calls.get("GET /api/2/users/{id}")),
        (2, None),
        "only bound roles"
    );
    assert!(scene.onelogin.calls().iter().all(|call| !call.query.contains("include_unassigned")));

    scene.onelogin.behave(|habits| habits.withheld_fields = vec!["custom_attributes"]);
    scene.is_quiet();
    assert_eq!(scene.onelogin.counts()["GET /api/2/users/{id}"], 60);

    // Where members may not be read, nothing is believed.
    scene.onelogin.behave(|habits| {
        habits.withheld_fields = vec!["role_ids"];
        habits.role_users_need_manage_all = true;
    });
    let told = scene.refused();
    assert!(told.contains("Manage All"), "{told}");
    // Unless the list of users knows it too: to ask role by role was a wish, not a need.
    scene.onelogin.behave(|habits| habits.withheld_fields.clear());
    scene.configure("application = \"Heap\"\nmembers = \"roles\"", "");
    scene.is_quiet();
    assert!(scene.onelogin.counts().contains_key("GET /api/2/roles/{id}/users"), "it was tried");
}

#[test]
fn roles_that_lag_behind_come_with_the_next_reading() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    scene.sync();
    scene.onelogin.change(|account| {
        account.join(&Person::generate(70));
        account.assign_later(&uid(70), "heap-base");
    });
    scene.is_quiet();
    scene.onelogin.change(Account::settle);
    let report = scene.sync();
    assert_eq!(report["summary"], json!({ "create_user": 1, "add_members": 1 }), "{report:#}");
}

#[test]
fn without_an_application_the_scope_says_which_roles_or_groups_belong() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    scene.configure("", "[scope]\ngroups = [{ name = \"OTHER\" }]");
    scene.sync();
    assert_eq!(active(&scene.people()), names(45..60));
    let calls = scene.onelogin.counts();
    assert!(calls.keys().all(|call| !call.contains("apps")), "{calls:?}");
    scene.onelogin.change(|account| {
        account.groups.insert(77, "Paris".to_owned());
        account.edit(&uid(50), |user| user.group_id = Some(77));
    });
    scene.configure("groups = \"groups\"", "[scope]\ngroups = [{ name = \"Paris\" }]");
    let report = scene.run(&["plan", "acme", "--format", "json"]).json();
    assert_eq!(report["snapshot"], json!({ "users": 60, "groups": 1, "memberships": 1 }), "{report:#}");
}

#[test]
fn a_token_that_ends_while_reading_is_renewed_once_and_wrapped_answers_are_understood() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::of(&rig, large());
    scene.onelogin.behave(|habits| habits.wrapped_token = true);
    scene.onelogin.inject(
        Rule::on("GET", "/api/2/users").skip(4),
        Fault::body(401, r#"{"message":"Unauthorized","statusCode":401,"name":"UnauthorizedError"}"#),
    );
    scene.run(&["plan", "acme"]).expect_code(0);
    let calls = scene.onelogin.counts();
    assert_eq!((calls["POST /auth/oauth2/v2/token"], calls["GET /api/2/users"]), (2, 43));
}

#[test]
fn throttling_and_failing_answers_are_waited_out() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    let inject = |path: &str, fault: Fault| scene.onelogin.inject(Rule::on("GET", path), fault);
    inject("/api/2/users", Fault::too_many_requests("0"));
    inject("/api/2/users", Fault::html(502));
    inject("/api/2/roles", Fault::Truncate);
    inject("/api/2/apps", Fault::DropBefore);
    scene.sync();
    assert_eq!(active(&scene.people()), names(0..45));
    // A quota that is used up, with seconds until there is more.
    scene.onelogin.behave(|habits| {
        habits.quota = Some(2);
        habits.quota_covers_v2 = true;
        habits.quota_reset = 1;
    });
    let told = scene.refused();
    assert!(told.contains("keeps asking to slow down") && told.contains("Rate limit exceeded"), "{told}");
}

#[test]
fn what_rosterd_asks_fits_the_vendors_description() {
    let Some(rig) = require_all(&["prism", "scim2-server"]) else { return };
    let scene = Scene::new(&rig);
    let prism = Prism::before(&rig, &rig::glue().join("specs/onelogin/openapi.json"), &scene.onelogin.base_url);
    scene.onelogin.change(|account| {
        account.edit(&uid(4), |user| user.username = None);
        let heap = account.app("Heap");
        account.assign_directly(&uid(51), heap);
    });
    scene.configure_at(&prism.base_url, "application = \"Heap\"", "");
    scene.sync();
    let expected: BTreeSet<String> = names((0..45).chain([51]))
        .into_iter()
        .map(|name| if name == uid(4) { format!("{name}@example.org") } else { name })
        .collect();
    assert_eq!(active(&scene.people()), expected, "without a user name the e-mail address serves");
    // Those who are gone are asked for, one by one.
    scene.onelogin.change(|account| account.delete_user(&uid(3)));
    scene.sync();
    assert!(!scene.people().contains_key(&uid(3)));
    scene.configure_at(&prism.base_url, "application = \"Heap\"\nmembers = \"roles\"", "");
    scene.is_quiet();
}
