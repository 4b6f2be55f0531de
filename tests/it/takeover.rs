//! Accounts that others made in the app: nobody gets one by a name or an id alone. With the real binary, against the sandbox and
//! against servers that others wrote.

use serde_json::{Value, json};

use crate::cli::{Desk, TOKEN, company, person};
use crate::support::http;
use crate::support::rig;
use crate::support::rosterd::Rosterd;
use crate::support::servers::{Kind, ScimServer};

fn with_person(id: &str, name: &str) -> Value {
    let mut document = company();
    document["users"].as_array_mut().unwrap().push(person(id, name));
    document["groups"][0]["members"].as_array_mut().unwrap().push(json!(id));
    document
}

fn codes(report: &Value) -> Vec<&str> {
    report["holds"].as_array().unwrap().iter().map(|hold| hold["reason"].as_str().unwrap()).collect()
}

fn held_plan(desk: &Desk) -> Value {
    let run = desk.rosterd.run(&["status", "acme", "--format", "json"]);
    run.expect_code(0).json()[0]["held_plan"].clone()
}

#[test]
fn sec8_an_emergency_account_is_taken_over_by_nobody_before_it_is_approved() {
    let desk = Desk::new();
    desk.sync(0);
    desk.hand_made("breakglass", &json!({"displayName": "Emergency", "roles": [{"value": "admin"}]}));
    let before = desk.account("breakglass");
    desk.directory(&with_person("p9", "breakglass"));
    desk.proxy.forget();

    let plan = desk.rosterd.run(&["plan", "acme"]);
    assert!(plan.expect_code(0).stdout.contains("roles: admin"), "{}", plan.stdout);
    for _ in 0..2 {
        let report = desk.sync(3);
        assert_eq!(codes(&report), ["adoption"], "{report:#}");
        assert!(desk.proxy.writes().is_empty(), "{report:#}");
        assert_eq!(desk.account("breakglass"), before, "not a letter of it changed");
    }
    let status = desk.rosterd.run(&["status", "acme"]);
    for part in ["adoption", "breakglass", "roles: admin", "rosterd approve acme"] {
        assert!(status.expect_code(0).stdout.contains(part), "{part}: {}", status.stdout);
    }
    // Suspended meanwhile: the account is nobody's, and stays on.
    let mut suspended = with_person("p9", "breakglass");
    suspended["users"][4]["active"] = json!(false);
    desk.directory(&suspended);
    desk.sync(0);
    assert_eq!(desk.account("breakglass"), before);

    desk.directory(&with_person("p9", "breakglass"));
    desk.sync(3);
    let plan = held_plan(&desk)["plan"].as_str().unwrap().to_owned();
    desk.rosterd.run(&["approve", "acme", &plan[..8], "--reason", "it is hers"]).expect_code(0);
    let report = desk.sync(0);
    assert_eq!(report["summary"]["adopt_user"], 1, "{report:#}");
    assert_eq!(desk.account("breakglass")["displayName"], "breakglass");
    assert_eq!(desk.sync(0)["calls"]["total"], 0);
}

#[test]
fn mp7_the_first_run_asks_for_a_privileged_account_and_adopts_the_others() {
    let desk = Desk::new();
    desk.hand_made("ann", &json!({"entitlements": [{"value": "Workspace OWNER"}]}));
    desk.hand_made("bob", &json!({"roles": [{"value": "viewer"}]}));
    let report = desk.sync(3);
    assert_eq!(codes(&report), ["adoption"], "{report:#}");
    assert!(report["holds"][0]["detail"].as_str().unwrap().contains("Workspace OWNER"), "{report:#}");
    assert_eq!(desk.account("bob")["externalId"], "p2");
    assert_eq!(desk.account("ann")["externalId"], Value::Null);

    let other = Desk::new();
    other.tenant("[target.override_profile.users]\nprivileged = [\"view\"]\n");
    other.hand_made("ann", &json!({"roles": [{"value": "admin"}]}));
    other.hand_made("bob", &json!({"roles": [{"value": "viewer"}]}));
    let report = other.sync(3);
    assert!(report["holds"][0]["detail"].as_str().unwrap().contains("bob"), "{report:#}");
    assert_eq!(other.account("ann")["externalId"], "p1");

    let free = Desk::new();
    free.tenant("[approval]\nadopt = \"never\"\n");
    free.hand_made("ann", &json!({"roles": [{"value": "admin"}]}));
    free.sync(0);
    assert_eq!(free.account("ann")["externalId"], "p1");
}

#[test]
fn mp7_users_made_by_an_import_are_adopted_without_asking() {
    let desk = Desk::new();
    desk.sync(0);
    desk.hand_made("eve", &json!({"displayName": "Eve", "roles": [{"value": "admin"}], "name": {"givenName": "Eve"}}));
    let made = desk.rosterd.run(&["import", "acme", "--create", "eve", "--format", "json"]);
    assert_eq!(made.expect_code(0).json()["created"], 1, "{}", made.stdout);
    let path = desk.rosterd.path().join("people.json");
    let mut document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let eve = document["users"].as_array().unwrap().iter().find(|one| one["userName"] == "eve").unwrap()["id"].clone();
    document["groups"][0]["members"].as_array_mut().unwrap().push(eve.clone());
    desk.directory(&document);
    let report = desk.sync(0);
    assert_eq!(report["summary"]["adopt_user"], 1, "{report:#}");
    assert_eq!(desk.account("eve")["externalId"], eve);
}

#[test]
fn mp7_two_tenants_of_one_app_never_share_an_account() {
    let desk = Desk::new();
    let tenant = std::fs::read_to_string(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    desk.rosterd.tenant("other", &tenant.replace("people.json", "others.json"));
    // Two directories that count from one: p1 is ann here, and somebody else there; `bob` is in both.
    let others = json!({
        "users": [person("p1", "zoe"), person("x2", "bob"), person("x3", "yan")],
        "groups": [{"id": "g9", "name": "Others", "members": ["p1", "x2", "x3"]}],
    });
    desk.rosterd.file("others.json", &others.to_string());
    let check = desk.rosterd.run(&["check"]);
    let said = format!("{}{}", check.stdout, check.stderr);
    assert!(
        said.contains("`other` has this `base_url` too") && said.contains("`acme` has this `base_url` too"),
        "{said}"
    );

    desk.sync(0);
    let (ann, bob) = (desk.account("ann"), desk.account("bob"));
    let run = desk.rosterd.run(&["sync", "other", "--format", "json"]);
    let report = run.expect_code(3).json();
    assert_eq!(codes(&report), ["conflict"], "{report:#}");
    let holds = report["holds"].to_string();
    assert!(holds.contains("tenant acme") && holds.contains("zoe"), "{holds}");
    // The account of that name carries the id of the other directory's bob.
    let bobs = report["operations"].as_array().unwrap().iter().find(|operation| operation["name"] == "bob").unwrap();
    assert_eq!((&bobs["result"], &bobs["op"]), (&json!("failed"), &json!("create_user")), "{report:#}");
    assert_eq!((desk.account("ann"), desk.account("bob")), (ann, bob), "whose they are they stay");
    assert_eq!(desk.account("yan")["active"], true, "who has nothing to do with it goes on");
    // Suspended there: nobody here is switched off.
    let mut suspended = others;
    (0..2).for_each(|at| suspended["users"][at]["active"] = json!(false));
    desk.rosterd.file("others.json", &suspended.to_string());
    desk.rosterd.run(&["sync", "other"]).expect_code(0);
    assert_eq!(desk.account("bob")["active"], true);
    assert_eq!(desk.sync(0)["calls"]["total"], 0);
}

#[test]
fn sec8_doctor_lists_accounts_with_roles_that_nobody_manages() {
    let desk = Desk::new();
    desk.sync(0);
    desk.hand_made("breakglass", &json!({"roles": [{"value": "admin"}]}));
    let doctor = desk.rosterd.run(&["doctor", "acme"]);
    let said = &doctor.expect_code(0).stdout;
    assert!(said.contains("breakglass (admin)") && said.contains("protect = [\"breakglass\"]"), "{said}");
    let tenant = std::fs::read_to_string(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    desk.rosterd.tenant("acme", &format!("{tenant}\n[scope]\nprotect = [\"breakglass\"]\n"));
    let said = desk.rosterd.run(&["doctor", "acme"]).expect_code(0).stdout.clone();
    assert!(!said.contains("breakglass (admin)"), "{said}");
}

/// A file directory and a real server.
struct Real {
    server: ScimServer,
    rosterd: Rosterd,
}

impl Real {
    fn new(rig: &rig::Rig, kind: Kind, extra: &str) -> Self {
        let (server, rosterd) = (ScimServer::start(rig, kind), Rosterd::new());
        rosterd.secret("app.token", &server.token);
        rosterd.tenant(
            "acme",
            &format!(
                "[source.file]\npath = \"../people.json\"\n\n[target]\nbase_url = \"{}\"\ntoken = {{ file = \"../app.token\" }}\n\
                 rate = \"1000/s\"\nin_flight = 1\nallow_http_loopback = true\n\n[users.attributes]\nuserName = \"userName\"\n\
                 \"name.givenName\" = \"givenName\"\n\"name.familyName\" = \"familyName\"\n\"emails.work\" = \"email\"\n{extra}",
                server.base_url
            ),
        );
        let real = Self { server, rosterd };
        real.directory(&Self::people(&[]));
        real
    }

    fn people(more: &[Value]) -> Value {
        let named = |id: &str, name: &str| {
            json!({"id": id, "userName": format!("{name}@example.org"), "email": format!("{name}@example.org"),
                   "givenName": name, "familyName": "Test"})
        };
        let mut users = vec![named("u00002", "ann"), named("u00003", "bob")];
        users.extend(more.iter().map(|one| named(one["id"].as_str().unwrap(), one["name"].as_str().unwrap())));
        let ids: Vec<Value> = users.iter().map(|user| user["id"].clone()).collect();
        json!({"users": users, "groups": [{"id": "g1", "name": "Staff", "members": ids}]})
    }

    fn directory(&self, document: &Value) {
        self.rosterd.file("people.json", &document.to_string());
    }

    fn sync(&self, code: i32) -> Value {
        let run = self.rosterd.run(&["sync", "acme", "--format", "json"]);
        run.expect_code(code).json()
    }

    /// An account that somebody made in the app.
    fn local_account(&self, name: &str, external_id: Option<&str>) -> String {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": format!("{name}@example.org"), "active": true,
            "name": {"givenName": "Local", "familyName": "Account", "formatted": "Local Account"},
            "emails": [{"value": format!("{name}@example.org"), "type": "work", "primary": true}],
        });
        if let Some(id) = external_id {
            body["externalId"] = json!(id);
        }
        let made = self.server.send("POST", "/Users", Some(&body));
        assert_eq!(made.status, 201, "{}", made.body);
        made.json()["id"].as_str().unwrap().to_owned()
    }

    fn account(&self, id: &str) -> Value {
        let shown = http::send("GET", &format!("{}/Users/{id}", self.server.base_url), &self.server.token, None);
        assert_eq!(shown.status, 200, "{}", shown.body);
        let shown = shown.json();
        json!({"userName": shown["userName"], "externalId": shown["externalId"], "name": shown["name"]["givenName"], "active": shown["active"]})
    }
}

/// The servers, with what differs from the plain profile.
const SERVERS: [(Kind, &str); 4] = [
    (Kind::Scim2Server, ""),
    (Kind::BetterAuth, ""),
    (Kind::Scimmy, ""),
    (
        Kind::DjangoScim2,
        "[target.override_profile.read]\nuser_match = [\"userName\"]\n[target.override_profile.groups]\nupdate_method = \"patch\"\nmember_remove = \"value_list\"\nrename = false\n[target.override_profile.users]\nupdate_method = \"put_merge\"\n",
    ),
];

#[test]
fn sec8_on_real_servers_a_local_account_waits_for_approval() {
    for (kind, extra) in SERVERS {
        let Some(rig) = rig::require(kind.name()) else { return };
        let real = Real::new(&rig, kind, extra);
        real.sync(0);
        let local = real.local_account("breakglass", None);
        let before = real.account(&local);
        real.directory(&Real::people(&[json!({"id": "u00009", "name": "breakglass"})]));
        for _ in 0..2 {
            let report = real.sync(3);
            assert_eq!(codes(&report), ["adoption"], "{kind:?}: {report:#}");
            assert_eq!(real.account(&local), before, "{kind:?}");
        }
        assert_eq!(real.server.read().users.len(), 3, "{kind:?}: no second account");
        let status = real.rosterd.run(&["status", "acme", "--format", "json"]).json();
        let plan = status[0]["held_plan"]["plan"].as_str().unwrap().to_owned();
        real.rosterd.run(&["approve", "acme", &plan]).expect_code(0);
        real.sync(0);
        assert_eq!(real.account(&local)["name"], "breakglass", "{kind:?}");
        assert!(real.server.read().groups["Staff"].contains("breakglass@example.org"), "{kind:?}");
    }
}

#[test]
fn mp7_on_real_servers_the_cfos_account_is_not_given_away_for_its_external_id() {
    for (kind, extra) in SERVERS {
        let Some(rig) = rig::require(kind.name()) else { return };
        let real = Real::new(&rig, kind, extra);
        let cfo = real.local_account("cfo", Some("u00001"));
        let before = real.account(&cfo);
        real.directory(&Real::people(&[json!({"id": "u00001", "name": "somebody"})]));
        let run = real.rosterd.run(&["sync", "acme", "--format", "json"]);
        let report = run.json();
        assert_eq!(real.account(&cfo), before, "{kind:?}: {report:#}");
        // Where the app finds nobody by externalId, the account of that id is simply not seen.
        let found_by_id = kind != Kind::DjangoScim2;
        assert_eq!(codes(&report).contains(&"conflict"), found_by_id, "{kind:?}: {report:#}");
        if found_by_id {
            assert_eq!(run.code, Some(3), "{kind:?}");
            assert!(report["holds"].to_string().contains("cfo@example.org"), "{report:#}");
            assert_eq!(real.server.read().users.len(), 3, "{kind:?}: ann, bob, and the cfo");
        }
    }
}

/// The token of the sandbox is in no message.
#[test]
fn i6_no_message_of_an_adoption_holds_the_token() {
    let desk = Desk::new();
    desk.sync(0);
    desk.hand_made("eve", &json!({"roles": [{"value": "admin"}]}));
    desk.directory(&with_person("p9", "eve"));
    let run = desk.rosterd.run(&["sync", "acme"]);
    assert!(!format!("{}{}", run.expect_code(3).stdout, run.stderr).contains(TOKEN));
}
