//! OneLogin to an app that others wrote, by the real binary: what the customer's guide demands (O1 to O8), how people and roles
//! are read, and what is said when something is wrong.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::directory::{Directory, Person, uid};
use crate::support::onelogin::{Account, OneLogin, Scope};
use crate::support::prism::Prism;
use crate::support::proxy::{Fault, Proxy, Rule};
use crate::support::rig::{self, Rig, require, require_all};
use crate::support::rosterd::{Rosterd, Run};
use crate::support::servers::ScimServer;

/// The mapping of the guide: who, and which role.
const ATTRIBUTES: &str = r#"
[users.attributes]
userName = "username | default(email)"
"name.givenName" = "firstname"
"name.familyName" = "lastname"
"emails.work" = "email"
role = { from = "custom_attributes.heap_role", push = "on_source_change" }
"#;

/// OneLogin, rosterd and an app, with a proxy before the app.
struct Scene {
    onelogin: OneLogin,
    server: ScimServer,
    app: Proxy,
    rosterd: Rosterd,
}

/// 60 people; `heap-base` holds the first 40, `heap-sales` 38 to 44, `other` the rest.
fn account() -> Account {
    let mut account = Account::of(&Directory::generate(60, 1, 1), "Heap", &[]);
    account.delete_role("group-0000");
    for (name, people) in [("heap-base", 0..40), ("heap-sales", 38..45), ("other", 45..60)] {
        let users = people.map(|number| account.user(&uid(number))).collect();
        account.create_role(name, users);
    }
    let app = account.app("Heap");
    for role in ["heap-base", "heap-sales"] {
        account.bind(app, account.role(role));
    }
    account
}

impl Scene {
    /// With the usual account.
    fn new(rig: &Rig) -> Self {
        Self::of(rig, account())
    }

    fn of(rig: &Rig, account: Account) -> Self {
        let server = rig.scim2_server();
        let app = Proxy::before(&server.base_url);
        let scene = Self { onelogin: OneLogin::start(account), server, app, rosterd: Rosterd::new() };
        scene.configure("application = \"Heap\"", "");
        scene
    }

    /// Writes (again) the tenant's file.
    fn configure(&self, source: &str, extra: &str) {
        self.configure_at(&self.onelogin.base_url, source, extra);
    }

    fn configure_at(&self, base_url: &str, source: &str, extra: &str) {
        let secret = self.rosterd.secret("onelogin.secret", &self.onelogin.client_secret);
        let token = self.rosterd.secret("app.secret", &self.server.token);
        let on_deleted = if extra.contains("on_deleted") { "" } else { "on_deleted = \"delete\"" };
        let tenant = format!(
            r#"[source.onelogin]
base_url = "{base_url}"
client_id = "{client_id}"
client_secret = {{ file = "{secret}" }}
allow_http_loopback = true
rate = "5000/s"
attempts = 3
backoff_cap_ms = 50
{source}

[target]
base_url = "{app}"
token = {{ file = "{token}" }}
rate = "2000/s"
allow_http_loopback = true

[target.override_profile.users]
deleted_leave_groups = false

[users]
{on_deleted}
{extra}
{ATTRIBUTES}"#,
            client_id = self.onelogin.client_id,
            secret = secret.display(),
            app = self.app.base_url,
            token = token.display(),
        );
        self.rosterd.tenant("acme", &tenant);
    }

    fn run(&self, command: &[&str]) -> Run {
        self.app.forget();
        self.onelogin.forget();
        self.rosterd.run(command)
    }

    #[track_caller]
    fn sync_with(&self, code: i32) -> Value {
        let run = self.run(&["sync", "acme", "--format", "json"]);
        run.expect_code(code);
        run.json()
    }

    #[track_caller]
    fn sync(&self) -> Value {
        self.sync_with(0)
    }

    /// What a sync that fails before any plan says.
    #[track_caller]
    fn refused(&self) -> String {
        let run = self.run(&["sync", "acme"]);
        run.expect_code(1);
        assert_eq!(self.app.writes().len(), 0, "nothing was changed");
        assert!(!run.stderr.contains(&self.onelogin.client_secret), "{}", run.stderr);
        run.stderr
    }

    #[track_caller]
    fn is_quiet(&self) {
        let report = self.sync();
        assert_eq!(report["planned"], 0, "{report:#}");
        assert_eq!(self.app.calls().len(), 0, "a quiet run makes no request");
    }

    /// Who is in the app, and whether they are active.
    fn people(&self) -> BTreeMap<String, bool> {
        let app = self.server.read();
        app.users.into_iter().map(|(name, user)| (name, user.active.unwrap_or(true))).collect()
    }

    /// The roles of somebody in the app.
    fn role_of(&self, name: &str) -> Vec<String> {
        let app = self.server.read();
        let roles = app.users[name].raw["roles"].as_array().cloned().unwrap_or_default();
        roles.iter().filter_map(|role| role["value"].as_str().map(str::to_owned)).collect()
    }
}

fn names(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    numbers.into_iter().map(uid).collect()
}

fn active(people: &BTreeMap<String, bool>) -> BTreeSet<String> {
    people.iter().filter(|(_, active)| **active).map(|(name, _)| name.clone()).collect()
}

fn operations(report: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    report["operations"].as_array().unwrap().iter().map(|op| (text(&op["op"]), text(&op["name"]))).collect()
}

fn ops(expected: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    expected.iter().map(|(op, name)| ((*op).to_owned(), (*name).to_owned())).collect()
}

// ---- O1 to O8 ----------------------------------------------------------------------------------------------------------

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
    let report = scene.sync();
    assert_eq!(report["summary"]["adopt_user"], 1, "{report:#}");
    assert_eq!(scene.people().len(), 46, "nobody is doubled");
    scene.onelogin.change(|account| account.revoke(&uid(55), "heap-base"));
    scene.sync();
    assert_eq!(active(&scene.people()), names(0..45));
}

// ---- how it is read ----------------------------------------------------------------------------------------------------

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

// ---- what is wrong is said ---------------------------------------------------------------------------------------------

#[test]
fn each_bad_setting_has_one_clear_error_and_changes_nothing() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    let heap = "application = \"Heap\"";

    scene.configure("application = \"Haep\"", "");
    let told = scene.refused();
    assert!(told.contains("no application named \"Haep\"") && told.contains("\"Heap\" (775664)"), "{told}");

    let second = scene.onelogin.change(|account| account.create_app("Heap"));
    scene.configure(heap, "");
    let told = scene.refused();
    assert!(told.contains(&format!("2 applications named \"Heap\": 775664 and {second}")), "{told}");
    // By its id it is told apart.
    scene.configure("application = \"775664\"", "");
    scene.run(&["plan", "acme"]).expect_code(0);
    scene.onelogin.change(|account| account.apps.remove(&second));
    scene.configure(heap, "");

    for status in [401, 403] {
        scene.onelogin.behave(|habits| (habits.scope, habits.scope_refusal) = (Scope::ReadUsers, status));
        let told = scene.refused();
        assert!(told.contains("does not let this credential read: ") && told.contains("Read All"), "{status}: {told}");
    }
    scene.onelogin.behave(|habits| habits.scope = Scope::ReadAll);

    scene.onelogin.behave(|habits| habits.admin_gone = true);
    let told = scene.refused();
    assert!(told.contains("refused the credential") && told.contains("administrator who made these"), "{told}");
    scene.onelogin.behave(|habits| habits.admin_gone = false);

    scene.rosterd.secret("onelogin.secret", "revoked-long-ago");
    let told = scene.refused();
    assert!(told.contains("refused the credential") && told.contains("check client_id and client_secret"), "{told}");

    // Somebody else's server: no OneLogin at that address.
    scene.configure_at(&scene.server.base_url, heap, "");
    let told = scene.refused();
    assert!(told.contains("is the address right?"), "{told}");
    scene.configure(heap, "");
    scene.run(&["plan", "acme"]).expect_code(0);
}

#[test]
fn a_role_that_the_app_refuses_fails_that_person_alone() {
    let Some(rig) = require("scim2-server") else { return };
    let scene = Scene::new(&rig);
    scene.sync();
    let id = scene.server.read().users[&uid(1)].id.clone();
    let refusal = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "400", "scimType": "invalidValue", "detail": "there is no role named Wizard",
    });
    scene
        .app
        .inject(Rule::on("PATCH", &format!("/Users/{id}")).times(usize::MAX), Fault::body(400, &refusal.to_string()));
    scene.onelogin.change(|account| {
        account.set_heap_role(&uid(1), Some("Wizard"));
        account.set_heap_role(&uid(2), Some("Admin"));
    });
    let report = scene.sync_with(4);
    assert_eq!((&report["status"], &report["done"], &report["failed"]), (&json!("partial"), &json!(1), &json!(1)));
    let failed = report["operations"].as_array().unwrap().iter().find(|op| op["name"] == json!(uid(1))).unwrap();
    assert!(failed["detail"].to_string().contains("there is no role named Wizard"), "{failed:#}");
    assert_eq!(scene.role_of(&uid(2)), ["Admin"]);
}

#[test]
fn a_tenant_file_is_judged_before_anything_is_asked() {
    let rosterd = Rosterd::new();
    let said = |source: &str, extra: &str| {
        let secret = rosterd.secret("secret", "s3cr3t");
        rosterd.tenant("acme", &format!(
            "[source.onelogin]\nclient_id = \"x\"\nclient_secret = {{ file = \"{}\" }}\n{source}\n[target]\nbase_url = \
             \"https://app.example.com/scim\"\ntoken = {{ file = \"{}\" }}\n{extra}",
            secret.display(), secret.display()
        ));
        rosterd.run(&["check", "acme"])
    };
    said("subdomain = \"acme\"\napplication = \"Heap\"", "").expect_code(0);
    for (source, extra, place, told) in [
        ("application = \"Heap\"", "", "acme.toml:1:", "nothing says which account is meant"),
        (
            "subdomain = \"acme\"\nbase_url = \"https://acme.onelogin.com\"\napplication = \"Heap\"",
            "",
            "acme.toml:4:13",
            "both say",
        ),
        ("subdomain = \"acme.onelogin.com\"\napplication = \"Heap\"", "", "acme.toml:4:13", "is no subdomain"),
        ("base_url = \"http://acme.onelogin.com\"\napplication = \"Heap\"", "", "acme.toml:4:12", "in the clear"),
        ("subdomain = \"acme\"", "", "acme.toml:1:", "nothing says who belongs"),
        (
            "subdomain = \"acme\"\ngroups = \"groups\"\napplication = \"Heap\"",
            "",
            "acme.toml:5:10",
            "never to security-policy groups",
        ),
        (
            "subdomain = \"acme\"\naplication = \"Heap\"",
            "[scope]\ngroups = [{ name = \"x\" }]",
            "acme.toml:5:1",
            "did you mean `application`?",
        ),
        (
            "subdomain = \"acme\"\napplication = \"Heap\"\nlocked = \"activ\"",
            "",
            "acme.toml:6:10",
            "did you mean `active`?",
        ),
    ] {
        let run = said(source, extra);
        run.expect_code(78);
        let shown = format!("{}{}", run.stdout, run.stderr);
        assert!(shown.contains(place) && shown.contains(told), "{source}\n{shown}");
    }
}

// ---- against the vendor's description ----------------------------------------------------------------------------------

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
