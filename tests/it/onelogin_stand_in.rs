//! The stand-in for OneLogin, held against what the vendor published: the description of the API, with a validating proxy
//! between, and the vendor's own client libraries. So the connector is not tested against our own reading alone.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::directory::{Directory, uid};
use crate::support::http;
use crate::support::onelogin::{Account, OneLogin, Scope};
use crate::support::prism::Prism;
use crate::support::rig::{self, Rig, require, require_all};

/// People who do not fit on two pages, one without a user name, one with a manager.
fn stand_in() -> OneLogin {
    let company = Directory::generate(120, 6, 200);
    let mut account = Account::of(&company, "Heap", &["group-0000", "group-0001"]);
    account.create_app("Wiki");
    let boss = account.user(&uid(0));
    account.edit(&uid(7), |user| user.manager_user_id = Some(boss));
    account.edit(&uid(8), |user| user.username = None);
    let heap = account.app("Heap");
    account.assign_directly(&uid(100), heap);
    account.apps.get_mut(&heap).unwrap().rules.push(json!({
        "id": 196_670,
        "name": "Admins",
        "match": "all",
        "enabled": true,
        "position": 1,
        "conditions": [{ "source": "has_role", "operator": "ri", "value": "190000" }],
        "actions": [{ "action": "set_heap_role", "value": ["Admin"] }],
    }));
    OneLogin::start(account)
}

fn get(base: &str, path: &str, token: &str) -> (u16, Value) {
    let answer = http::send("GET", &format!("{base}{path}"), token, None);
    (answer.status, answer.json())
}

#[test]
fn the_stand_in_says_nothing_that_the_vendors_description_forbids() {
    let Some(rig) = require("prism") else { return };
    let onelogin = stand_in();
    let prism = Prism::before(&rig, &rig::glue().join("specs/onelogin/openapi.json"), &onelogin.base_url);
    onelogin.behave(|habits| habits.scope = Scope::ManageAll);
    let token = onelogin.token();
    let (app, role, user) =
        onelogin.change(|account| (account.app("Heap"), account.role("group-0000"), account.user(&uid(7))));
    let fields = "id,username,email,role_ids,custom_attributes,manager_user_id,member_of";
    let plain = [
        "/api/2/users?limit=50".to_owned(),
        format!("/api/2/users?limit=50&page=2&fields={fields}"),
        format!("/api/2/users/{user}"),
        "/api/2/roles?limit=650&name=group*".to_owned(),
        format!("/api/2/roles/{role}"),
        format!("/api/2/roles/{role}/users?limit=100"),
        "/api/2/apps?limit=100".to_owned(),
        format!("/api/2/apps/{app}"),
        format!("/api/2/apps/{app}/users?limit=100"),
        format!("/api/2/apps/{app}/rules"),
        "/api/1/events?since=2026-01-01T00:00:00.000Z&limit=50".to_owned(),
        "/api/1/events/types".to_owned(),
        "/auth/rate_limit".to_owned(),
    ];
    for path in &plain {
        let (status, body) = get(&prism.base_url, path, &token);
        assert_eq!(status, 200, "{path}: {body:#}");
    }
    for (path, status) in [
        ("/api/2/users?limit=50&cursor=bGltaXQ9NTA=", 400),
        ("/api/2/users/1", 404),
        ("/api/2/apps/1", 404),
        ("/api/2/roles/1", 404),
    ] {
        let (found, body) = get(&prism.base_url, path, &token);
        assert_eq!((found, prism.is_its_own(&body)), (status, false), "{path}: {body:#}");
    }
    let (status, body) = get(&prism.base_url, "/api/2/users", "no-token-of-ours");
    assert_eq!((status, prism.is_its_own(&body)), (401, false), "{body:#}");
    // And it would have noticed.
    let (status, body) = get(&prism.base_url, "/api/2/users?limit=many", &token);
    assert_eq!((status, prism.is_its_own(&body)), (422, true), "{body:#}");
}

fn client(rig: &Rig, onelogin: &OneLogin, mut command: Command) -> Value {
    command.env_clear().env("PATH", std::env::var_os("PATH").expect("PATH is set"));
    command.env("RIG_CLIENT_ID", &onelogin.client_id).env("RIG_CLIENT_SECRET", &onelogin.client_secret);
    command.env("NODE_PATH", rig.node_modules("onelogin-node"));
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the client prints JSON")
}

#[test]
fn the_vendors_python_client_reads_the_stand_in_whole() {
    let Some(rig) = require("onelogin-python") else { return };
    let onelogin = stand_in();
    let (app, account) = onelogin.change(|account| (account.app("Heap"), account.clone()));
    let mut command = Command::new(rig.python_program("onelogin-python", "python"));
    command.arg("-B").arg(rig::glue().join("onelogin/read.py")).arg(&onelogin.base_url).arg(app.to_string());
    let seen = client(&rig, &onelogin, command);
    assert_eq!(seen["pages"], 3, "120 people, 50 a page");
    let mut shown = BTreeMap::new();
    for user in seen["users"].as_array().unwrap() {
        let roles: BTreeSet<u64> = serde_json::from_value(user["role_ids"].clone()).unwrap();
        shown.insert(user["id"].as_u64().unwrap(), (user["email"].clone(), roles, user["custom_attributes"].clone()));
    }
    let held = account.users.values().map(|user| {
        let roles = account.roles_of(user.id).into_iter().collect();
        (user.id, (json!(user.email), roles, json!(user.custom_attributes)))
    });
    assert_eq!(shown, held.collect());
    assert_eq!(seen["users"][7]["manager_user_id"], json!(account.user(&uid(0)).to_string()));
    let roles: BTreeMap<String, BTreeSet<u64>> = serde_json::from_value(seen["roles"].clone()).unwrap();
    assert_eq!(roles, account.roles.values().map(|role| (role.name.clone(), role.users.clone())).collect());
    assert_eq!(seen["apps"], json!(["Heap", "Wiki"]));
    assert_eq!(seen["app_roles"], json!(account.apps[&app].role_ids));
    assert_eq!(seen["app_users"], json!(account.users_of_app(&account.apps[&app])));
    assert!(seen["event_types"].as_array().unwrap().contains(&json!("USER_ASSIGNED_ROLE")), "{}", seen["event_types"]);
    assert_eq!(seen["one"]["username"], json!(uid(0)));
}

#[test]
fn the_vendors_javascript_client_reads_the_apps() {
    let Some(rig) = require_all(&["onelogin-node"]) else { return };
    let onelogin = stand_in();
    let app = onelogin.change(|account| account.app("Heap"));
    let mut command = Command::new("node");
    command.arg(rig::glue().join("onelogin/read.cjs")).arg(&onelogin.base_url).arg(app.to_string());
    let seen = client(&rig, &onelogin, command);
    assert_eq!(seen["apps"], json!(["Heap", "Wiki"]));
    assert_eq!((&seen["app"]["id"], &seen["app"]["name"]), (&json!(app), &json!("Heap")));
    assert_eq!(seen["app"]["role_ids"].as_array().map(Vec::len), Some(2));
}
