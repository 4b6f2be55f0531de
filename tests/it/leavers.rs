//! Whoever ends with no access, by the real binary, from stand-ins of both directories to an app on the wire: every cause, first of all calls,
//! beside creates that fail for ever, and while a run goes on. And what is said of it: names, groups, applications.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::Desk;
use crate::support::directory::{Directory, Group, Kind, Member, uid};
use crate::support::jumpcloud::{API_KEY, JumpCloud, person_id};
use crate::support::onelogin::{Account, OneLogin};
use crate::support::proxy::{Call, Fault, Rule};

/// The user who leaves.
const LEAVER: usize = 20;

/// Why access ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cause {
    Suspended,
    Deleted,
    Revoked,
    DirectBindingRemoved,
    GroupDisassociated,
    GroupDeleted,
}

const CAUSES: [Cause; 6] = [
    Cause::Suspended,
    Cause::Deleted,
    Cause::Revoked,
    Cause::DirectBindingRemoved,
    Cause::GroupDisassociated,
    Cause::GroupDeleted,
];

/// A company in one of the two directories: `base` holds 0 to 19, `own` the leaver and 0, `come` 120 newcomers.
enum Cloud {
    Jump(JumpCloud),
    One(OneLogin),
}

fn company() -> Directory {
    let mut directory = Directory::generate(150, 1, 1);
    let group = |name: &str, people: Vec<usize>| Group {
        cn: name.to_owned(),
        kind: Kind::GroupOfNames,
        members: people.into_iter().map(|number| Member::Person(uid(number))).collect(),
    };
    directory.groups =
        vec![group("base", (0..20).collect()), group("own", vec![0, LEAVER]), group("come", (30..150).collect())];
    directory
}

impl Cloud {
    fn jumpcloud() -> Self {
        let cloud = JumpCloud::start(&company());
        cloud.change(|org| org.bind("Heap", &["base", "own"]));
        Self::Jump(cloud)
    }

    fn onelogin() -> Self {
        Self::One(OneLogin::start(Account::of(&company(), "Heap", &["base", "own"])))
    }

    /// The tenant's file, with the embedded app as its app.
    fn tenant(&self, desk: &Desk, target: &str, tables: &str) {
        let (source, attributes) = match self {
            Self::Jump(cloud) => {
                desk.rosterd.secret("source.secret", API_KEY);
                let source = format!(
                    "[source.jumpcloud]\nbase_url = \"{}\"\ninsights_url = \"{}\"\n\
                     api_key = {{ file = \"../source.secret\" }}\nbackoff_cap_ms = 50\n",
                    cloud.base_url(),
                    cloud.insights_url()
                );
                (source, "role = { from = \"attributes.heapRole\", push = \"on_source_change\" }")
            }
            Self::One(cloud) => {
                desk.rosterd.secret("source.secret", &cloud.client_secret);
                let source = format!(
                    "[source.onelogin]\nbase_url = \"{}\"\nclient_id = \"{}\"\n\
                     client_secret = {{ file = \"../source.secret\" }}\nbackoff_cap_ms = 50\n",
                    cloud.base_url, cloud.client_id
                );
                (source, "role = { from = \"custom_attributes.heap_role\", push = \"on_source_change\" }")
            }
        };
        desk.rosterd.tenant(
            "acme",
            &format!(
                "{source}application = \"Heap\"\nallow_http_loopback = true\nrate = \"2000/s\"\n\n[target]\nbase_url = \"{}\"\n\
                 token = {{ file = \"../app.token\" }}\nallow_http_loopback = true\n{target}\n\n[users.attributes]\n\
                 userName = \"username\"\n{attributes}\n{tables}",
                desk.proxy.base_url
            ),
        );
    }

    /// Gives the leaver what the cause takes away, and nothing else.
    fn prepare(&self, cause: Cause) {
        if cause != Cause::DirectBindingRemoved {
            return;
        }
        match self {
            Self::Jump(cloud) => cloud.change(|org| {
                org.remove_member("own", &person_id(LEAVER));
                org.bind_person("Heap", LEAVER);
            }),
            Self::One(cloud) => cloud.change(|account| {
                account.revoke(&uid(LEAVER), "own");
                let heap = account.app("Heap");
                account.assign_directly(&uid(LEAVER), heap);
            }),
        }
    }

    fn happens(&self, cause: Cause) {
        match self {
            Self::Jump(cloud) => cloud.change(|org| match cause {
                Cause::Suspended => org.suspend(LEAVER),
                Cause::Deleted => org.delete_person(&person_id(LEAVER)),
                Cause::Revoked => org.remove_member("own", &person_id(LEAVER)),
                Cause::DirectBindingRemoved => org.app("Heap").users.clear(),
                Cause::GroupDisassociated => org.unbind("Heap", "own"),
                Cause::GroupDeleted => org.delete_group("own"),
            }),
            Self::One(cloud) => cloud.change(|account| match cause {
                Cause::Suspended => account.edit(&uid(LEAVER), |user| user.status = 2),
                Cause::Deleted => account.delete_user(&uid(LEAVER)),
                Cause::Revoked => account.revoke(&uid(LEAVER), "own"),
                Cause::DirectBindingRemoved => account.apps.values_mut().for_each(|app| app.direct.clear()),
                Cause::GroupDisassociated => account.unbind(account.app("Heap"), account.role("own")),
                Cause::GroupDeleted => account.delete_role("own"),
            }),
        }
    }

    fn newcomers(&self) {
        match self {
            Self::Jump(cloud) => cloud.change(|org| org.bind("Heap", &["come"])),
            Self::One(cloud) => cloud.change(|account| account.bind(account.app("Heap"), account.role("come"))),
        }
    }
}

const FAST: &str =
    "rate = \"1000/s\"\n[target.override_profile.pace]\nattempts = 2\nbackoff_base_ms = 5\nbackoff_cap_ms = 50";

/// Where the call that ends the leaver's access is among all calls.
fn place_of(calls: &[Call], account: &str) -> Option<usize> {
    let path = format!("/Users/{account}");
    calls.iter().position(|call| call.method == "PATCH" && call.path == path && call.body.contains("active"))
}

fn account_of(desk: &Desk, number: usize) -> String {
    desk.account(&uid(number))["id"].as_str().unwrap_or_else(|| panic!("{} has an account", uid(number))).to_owned()
}

/// The first stage waits for no look-up and no creation, whatever the cause; and creates that fail for ever stop no removal.
fn each_cause_is_first(cloud: fn() -> Cloud, creates_fail: bool) {
    for cause in CAUSES {
        let (desk, cloud) = (Desk::new(), cloud());
        cloud.prepare(cause);
        cloud.tenant(&desk, FAST, "");
        desk.sync(0);
        let account = account_of(&desk, LEAVER);
        cloud.happens(cause);
        cloud.newcomers();
        desk.proxy.forget();
        if creates_fail {
            desk.proxy.inject(Rule::on("POST", "/Users").times(usize::MAX), Fault::status(500));
        }
        let report = desk.sync(if creates_fail { 4 } else { 0 });
        let calls = desk.proxy.calls();
        let lines: Vec<String> =
            calls.iter().map(|call| format!("{} {} {}", call.method, call.path, call.query)).collect();
        let case = format!("{cause:?}: {lines:#?}\n{report:#}");
        let off = place_of(&calls, &account).unwrap_or_else(|| panic!("never sent: {case}"));
        let others = |call: &Call| call.method == "POST" || (call.method == "GET" && call.path == "/Users");
        let first_other = calls.iter().position(others).unwrap_or_else(|| panic!("nobody comes: {case}"));
        assert!(off < first_other, "first of all: {case}");
        assert_eq!(desk.app(&format!("/Users/{account}"))["active"], false, "{case}");
        let stage = report["operations"].as_array().unwrap().iter().find(|one| one["name"] == uid(LEAVER).as_str());
        assert_eq!(stage.unwrap()["lane"], "leavers", "{case}");
        let made = desk.user_names().len();
        assert_eq!(made, if creates_fail { 21 } else { 141 }, "{cause:?}");
    }
}

#[test]
fn o4_each_cause_is_the_first_call_from_jumpcloud() {
    each_cause_is_first(Cloud::jumpcloud, false);
}

#[test]
fn o4_each_cause_is_the_first_call_from_onelogin() {
    each_cause_is_first(Cloud::onelogin, false);
}

#[test]
fn o4_creates_that_fail_for_ever_stop_no_removal_from_jumpcloud() {
    each_cause_is_first(Cloud::jumpcloud, true);
}

#[test]
fn o4_creates_that_fail_for_ever_stop_no_removal_from_onelogin() {
    each_cause_is_first(Cloud::onelogin, true);
}

/// A run of a minute and more: who is suspended while it goes on does not wait for its end, since the change feed is asked meanwhile.
fn suspended_during_a_run(cloud: Cloud) {
    let desk = Desk::new();
    cloud.tenant(&desk, "rate = \"1000/s\"", "");
    desk.sync(0);
    let account = account_of(&desk, LEAVER);
    cloud.newcomers();
    // A hundred and twenty accounts, looked up and created: most of a minute.
    cloud.tenant(&desk, "rate = \"3/s\"\nin_flight = 1", "");
    desk.proxy.forget();
    let running = desk.rosterd.spawn(&["sync", "acme", "--format", "json"]);
    let creates = || desk.proxy.calls().iter().filter(|call| call.method == "POST").count();
    let deadline = Instant::now() + Duration::from_secs(120);
    while creates() < 2 {
        assert!(Instant::now() < deadline, "{}", running.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    cloud.happens(Cause::Suspended);
    let left = Instant::now();
    while place_of(&desk.proxy.calls(), &account).is_none() {
        assert!(left.elapsed() < Duration::from_secs(60), "within a minute: {}", running.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(creates() < 120, "while accounts were still to be made: {}", creates());
    running.signal("INT");
    let report = running.wait(Duration::from_secs(60)).json();
    let off = report["operations"].as_array().unwrap().iter().find(|one| one["op"] == "deactivate_user").unwrap();
    assert_eq!((&off["name"], &off["result"]), (&json!(uid(LEAVER)), &json!("done")), "listed in the report: {off:#}");
}

#[test]
fn o4_who_is_suspended_during_a_long_run_is_out_within_a_minute_from_jumpcloud() {
    suspended_during_a_run(Cloud::jumpcloud());
}

#[test]
fn o4_who_is_suspended_during_a_long_run_is_out_within_a_minute_from_onelogin() {
    suspended_during_a_run(Cloud::onelogin());
}

/// One group that the directory can't show, whatever it answers: it is named, it keeps its members, and nobody else waits for it.
#[test]
fn o4_one_group_that_cannot_be_read_makes_nobody_wait_and_is_named() {
    for status in [500, 400, 403] {
        let (desk, cloud) = (Desk::new(), Cloud::jumpcloud());
        cloud.tenant(&desk, FAST, "");
        desk.sync(0);
        let Cloud::Jump(org) = &cloud else { unreachable!() };
        let base = org.change(|org| org.group("base").record["id"].as_str().unwrap().to_owned());
        let members = format!("/api/v2/usergroups/{base}/members");
        org.inject(Rule::on("GET", &members).times(usize::MAX), Fault::status(status));
        cloud.happens(Cause::Suspended);
        let report = desk.sync(3);
        assert_eq!(desk.app(&format!("/Users/{}", account_of(&desk, LEAVER)))["active"], false, "{status}: {report:#}");
        let hold = report["holds"].as_array().unwrap().iter().find(|hold| hold["reason"] == "unread_group");
        let detail = hold.unwrap_or_else(|| panic!("{status}: {report:#}"))["detail"].to_string();
        assert!(detail.contains("group base could not be read"), "{status}: {detail}");
    }
}

/// O6, O7: a value that was cleared, or set to blank, is removed once; who never had one gets no call.
fn a_cleared_role_is_removed(cloud: Cloud, blank: bool) {
    let desk = Desk::new();
    cloud.tenant(&desk, FAST, "");
    let set = |value: Option<&str>| match &cloud {
        Cloud::Jump(cloud) => cloud.change(|org| match value {
            Some(value) => org.set_custom(5, "heapRole", value),
            None => org.set(5, "attributes", json!([])),
        }),
        Cloud::One(cloud) => cloud.change(|account| account.set_heap_role(&uid(5), value)),
    };
    set(Some("Admin"));
    desk.sync(0);
    assert_eq!(desk.account(&uid(5))["roles"][0]["value"], "Admin");
    desk.proxy.forget();
    set(if blank { Some("") } else { None });
    let plan = desk.rosterd.run(&["plan", "acme", "--format", "json"]).expect_code(0).json();
    assert_eq!(plan["summary"], json!({"update_user": 1}), "it is shown: {plan:#}");
    desk.sync(0);
    assert_eq!(desk.proxy.writes().len(), 1, "{:?}", desk.proxy.writes());
    assert_eq!(desk.account(&uid(5))["roles"].as_array().map_or(0, Vec::len), 0, "the app's default counts");
    desk.proxy.forget();
    assert_eq!(desk.sync(0)["planned"], 0, "once");
    assert!(desk.proxy.writes().is_empty());
}

#[test]
fn o6_o7_a_role_that_is_cleared_or_blank_in_jumpcloud_is_removed_once() {
    a_cleared_role_is_removed(Cloud::jumpcloud(), false);
    a_cleared_role_is_removed(Cloud::jumpcloud(), true);
}

#[test]
fn o6_o7_a_role_that_is_cleared_or_blank_in_onelogin_is_removed_once() {
    a_cleared_role_is_removed(Cloud::onelogin(), false);
    a_cleared_role_is_removed(Cloud::onelogin(), true);
}

/// J15: the file that `init` writes maps what the guide maps, so that accounts which JumpCloud itself made are found and nobody comes twice.
#[test]
fn j15_the_file_of_init_finds_the_accounts_that_jumpcloud_made() {
    let (desk, cloud) = (Desk::with_app(&["--profile", "heap"]), Cloud::jumpcloud());
    for number in 0..9 {
        let mail = format!("{}@example.org", uid(number));
        desk.hand_made(&uid(number), &json!({"emails": [{"type": "work", "value": mail}]}));
    }
    std::fs::remove_file(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    desk.rosterd.run(&["init", "acme", "--source", "jumpcloud", "--app", "heap"]).expect_code(0);
    let written = std::fs::read_to_string(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    for line in [
        "userName = \"username\"",
        "\"name.givenName\" = \"firstname\"",
        "\"name.familyName\" = \"lastname\"",
        "role = { from = \"attributes.heapRole\", push = \"on_source_change\" }",
    ] {
        assert!(written.lines().any(|one| one.starts_with(line)), "{line}: {written}");
    }
    // The same mapping against the stand-ins.
    let mapping = &written[written.find("[users.attributes]").unwrap()..];
    let mapping = &mapping[..mapping.find("\n[").unwrap()];
    let Cloud::Jump(org) = &cloud else { unreachable!() };
    desk.rosterd.secret("source.secret", API_KEY);
    desk.rosterd.tenant(
        "acme",
        &format!(
            "[source.jumpcloud]\nbase_url = \"{}\"\napi_key = {{ file = \"../source.secret\" }}\napplication = \"Heap\"\n\
             allow_http_loopback = true\nrate = \"2000/s\"\n[target]\nprofile = \"heap\"\nbase_url = \"{}\"\n\
             token = {{ file = \"../app.token\" }}\nallow_http_loopback = true\nrate = \"1000/s\"\n{mapping}\n",
            org.base_url(),
            desk.proxy.base_url
        ),
    );
    let report = desk.sync(0);
    assert_eq!(
        (&report["summary"]["adopt_user"], &report["summary"]["create_user"]),
        (&json!(9), &json!(12)),
        "{report:#}"
    );
    assert_eq!(desk.user_names().len(), 21, "nobody twice");
}

/// J12: an application that is bound to nothing is said to be that, not only a directory that shrank.
fn unbound_from_everything(cloud: Cloud) {
    let desk = Desk::new();
    cloud.tenant(&desk, FAST, "");
    desk.sync(0);
    match &cloud {
        Cloud::Jump(cloud) => cloud.change(|org| ["base", "own"].map(|group| org.unbind("Heap", group))),
        Cloud::One(cloud) => {
            cloud.change(|account| ["base", "own"].map(|role| account.unbind(account.app("Heap"), account.role(role))))
        }
    };
    let report = desk.sync(3);
    let holds = report["holds"].as_array().unwrap();
    let said = holds.iter().find(|hold| hold["unbound"].is_object()).unwrap_or_else(|| panic!("{report:#}"));
    assert!(said["unbound"]["application"].as_str().unwrap().contains("\"Heap\""), "{said:#}");
    assert!(said["detail"].as_str().unwrap().contains("is bound to no group and no user"), "{said:#}");
    let why = desk.rosterd.run(&["why", "acme", &uid(LEAVER)]).expect_code(0).stdout.clone();
    assert!(why.contains("is bound to no group and no user"), "{why}");
    assert_eq!(desk.user_names().len(), 21);
}

#[test]
fn j12_an_application_of_jumpcloud_that_is_bound_to_nothing_is_said_to_be() {
    unbound_from_everything(Cloud::jumpcloud());
}

#[test]
fn j12_an_application_of_onelogin_that_is_given_to_nobody_is_said_to_be() {
    unbound_from_everything(Cloud::onelogin());
}

/// `why` shows a group that was let go by its name: the journal remembers it.
#[test]
fn j12_why_names_a_group_that_was_unbound() {
    let (desk, cloud) = (Desk::new(), Cloud::jumpcloud());
    cloud.tenant(&desk, FAST, "");
    desk.sync(0);
    let Cloud::Jump(org) = &cloud else { unreachable!() };
    let id = org.change(|org| org.group("own").record["id"].as_str().unwrap().to_owned());
    cloud.happens(Cause::GroupDisassociated);
    desk.sync(0);
    for person in [uid(LEAVER), uid(0)] {
        let why = desk.rosterd.run(&["why", "acme", &person]).expect_code(0).stdout.clone();
        assert!(why.contains("add members own"), "{why}");
        assert!(!why.contains(&format!("members {id}")), "{why}");
        // Gone from the directory, too: the journal alone knows.
        let offline = desk.rosterd.run(&["why", "acme", &person, "--offline"]).expect_code(0).stdout.clone();
        assert!(offline.contains("add members own"), "{offline}");
    }
    let journal = desk.rosterd.run(&["journal", "show", "acme"]).expect_code(0).stdout.clone();
    assert!(journal.contains(&format!("user {} ({})", uid(LEAVER), person_id(LEAVER))), "{journal}");
    assert!(journal.contains(&format!("group own ({id})")), "{journal}");
}

/// Plans, statuses and conflicts show people by name, in the order of names; JSON has the ids, and the names beside.
#[test]
fn plans_and_statuses_show_people_by_name() {
    let desk = Desk::new();
    desk.tenant(
        "[users.attributes]\nuserName = \"userName\"\n\
         \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager\" = \"boss\"\n",
    );
    // The order of the ids is not that of the names.
    let user = |id: &str, name: &str, boss: Value| json!({"id": id, "userName": name, "boss": boss});
    let people = [user("9f", "ann", Value::Null), user("5a", "bob", json!("9f")), user("1c", "zoe", json!("9f"))];
    desk.directory(&json!({"users": people, "groups": [{"id": "a7", "name": "Staff", "members": ["9f", "5a", "1c"]}]}));
    let plan = desk.rosterd.run(&["plan", "acme"]).expect_code(0).stdout.clone();
    let at = |text: &str| plan.find(text).unwrap_or_else(|| panic!("{text}: {plan}"));
    assert!(at("+ ann") < at("+ bob") && at("+ bob") < at("+ zoe"), "{plan}");
    assert!(plan.contains("ann (\"9f\")"), "the manager by name: {plan}");
    let json = desk.rosterd.run(&["plan", "acme", "--format", "json"]).expect_code(0).json();
    let managed = json["operations"].as_array().unwrap().iter().find(|one| one["names"].is_object()).unwrap();
    assert_eq!((&managed["names"]["9f"], &managed["changes"][0]["to"]), (&json!("ann"), &json!("9f")), "{managed:#}");

    // What is set aside, and two users who would share a name.
    let twins = [user("9f", "ann", Value::Null), user("77", "cid", Value::Null), user("88", "CID", Value::Null)];
    desk.directory(&json!({"users": twins, "groups": [{"id": "a7", "name": "Staff", "members": ["9f", "77", "88"]}]}));
    let text = desk.rosterd.run(&["sync", "acme"]).expect_code(4).stdout.clone();
    assert!(text.contains("several directory records claim the userName \"cid\""), "{text}");
    let status = desk.rosterd.run(&["status", "acme"]).expect_code(0).stdout.clone();
    assert!(status.contains("failed user cid: ") && status.contains("77, 88"), "{status}");
    let status = desk.rosterd.run(&["status", "acme", "--format", "json"]).expect_code(0).json();
    assert!(status[0].to_string().contains("\"name\":\"cid\""), "{status:#}");
}

/// J16: a role that was given by hand in the app is not written into the directory, where it would later come back over a newer one.
#[test]
fn j16_a_role_is_not_written_backwards() {
    let desk = Desk::with_app(&["--profile", "heap"]);
    desk.tenant(
        "profile = \"heap\"\n[users.attributes]\nuserName = \"email\"\n\
         role = { from = \"heapRole\", push = \"on_source_change\" }\ntitle = { from = \"title\", push = \"on_create\" }\n\
         displayName = \"displayName\"\n",
    );
    desk.directory(&json!({"users": [{"id": "p1", "email": "ann@acme.test"}], "groups": []}));
    desk.hand_made("eve@acme.test", &json!({"displayName": "Eve", "title": "Owner", "roles": [{"value": "admin"}]}));
    desk.rosterd.run(&["import", "acme", "--create", "eve@acme.test"]).expect_code(0);
    let text = std::fs::read_to_string(desk.rosterd.path().join("people.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let eve = document["users"].as_array().unwrap().iter().find(|user| user["email"] == "eve@acme.test").unwrap();
    assert_eq!(eve["displayName"], "Eve", "what is kept equal is written: {eve:#}");
    assert_eq!((eve.get("heapRole"), eve.get("title")), (None, None), "{eve:#}");
}
