//! `rosterd import` (J16) with the real binary: the app's people as the directory knows them, and new ones made there.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::Desk;
use crate::daemon::until;
use crate::support::process::free_port;

/// A page of the status server.
fn page_of(port: u16, path: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("http://127.0.0.1:{port}{path}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() })
}

/// A company in step, and six accounts that somebody made by hand.
fn with_strangers() -> Desk {
    let desk = Desk::new();
    desk.sync(0);
    let name = |given: &str, family: &str| json!({"name": {"givenName": given, "familyName": family}, "emails": [{"value": format!("{given}@acme.test"), "type": "work"}]});
    desk.hand_made("eve", &name("Eve", "Lee"));
    desk.hand_made("fay", &name("Fay", "Roy"));
    desk.hand_made("gil", &json!({"active": false}));
    // In the directory, in no group.
    desk.hand_made("DEE", &json!({}));
    // The directory knows a `cid`, who has an account already; and this is somebody else's by its externalId.
    desk.hand_made("hal", &json!({"externalId": "p4"}));
    desk
}

fn list(desk: &Desk, more: &[&str]) -> Value {
    let run = desk.rosterd.run(&[&["import", "acme", "--format", "json"], more].concat());
    run.expect_code(0).json()
}

/// User name and status of what is listed.
fn statuses(listing: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    listing["users"].as_array().unwrap().iter().map(|one| (text(&one["user_name"]), text(&one["status"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

#[test]
fn j16_the_apps_people_are_listed_as_new_conflicting_imported_or_linked() {
    let desk = with_strangers();
    desk.proxy.forget();
    let listing = list(&desk, &[]);
    // dee matches the account DEE by name and hal by id: the account of the id is dee's, the other one stands in the way.
    let expected = [
        ("eve", "new"),
        ("fay", "new"),
        ("gil", "new"),
        ("DEE", "conflicting"),
        ("hal", "conflicting"),
        ("ann", "linked"),
        ("bob", "linked"),
        ("cid", "linked"),
    ];
    assert_eq!(statuses(&listing), pairs(&expected), "{listing:#}");
    assert_eq!(listing["summary"], json!({"new": 3, "conflicting": 2, "imported": 0, "linked": 3}));
    let of =
        |name: &str| listing["users"].as_array().unwrap().iter().find(|one| one["user_name"] == name).unwrap().clone();
    // An id alone proves nothing: the account is called hal, and p4 dee.
    assert_eq!(&of("hal")["person"], &json!("p4"));
    assert!(of("hal")["detail"].as_str().unwrap().contains("its userName is \"hal\", not \"dee\""), "{listing:#}");
    assert_eq!((&of("ann")["person"], &of("ann")["belongs"]), (&json!("p1"), &json!(true)));
    assert_eq!((&of("eve")["name"], &of("eve")["email"]), (&json!("Eve Lee"), &json!("Eve@acme.test")));
    assert!(desk.proxy.writes().is_empty(), "nothing is written to the app");

    assert_eq!(
        statuses(&list(&desk, &["--new-only", "--sort", "email"])),
        pairs(&[("gil", "new"), ("eve", "new"), ("fay", "new")])
    );
    assert_eq!(statuses(&list(&desk, &["--search", "ROY"])), pairs(&[("fay", "new")]));
    let text = desk.rosterd.run(&["import", "acme"]).expect_code(0).stdout.clone();
    assert!(text.contains("8 accounts in the app: 3 new, 2 conflicting, 0 imported, 3 linked"), "{text}");
}

#[test]
fn j16_chosen_people_are_made_in_the_directory_and_managed_only_once_a_group_holds_them() {
    let desk = with_strangers();
    desk.proxy.forget();
    let made = list(&desk, &["--create", "eve", "Fay@acme.test"]);
    assert_eq!((&made["created"], &made["failed"]), (&json!(2), &json!(0)), "{made:#}");
    assert!(desk.proxy.writes().is_empty(), "import writes nothing to the app, ever");
    let document: Value =
        serde_json::from_str(&std::fs::read_to_string(desk.rosterd.path().join("people.json")).unwrap()).unwrap();
    let eve = document["users"].as_array().unwrap().iter().find(|one| one["userName"] == "eve").unwrap().clone();
    assert_eq!(
        (&eve["givenName"], &eve["familyName"], &eve["email"]),
        (&json!("Eve"), &json!("Lee"), &json!("Eve@acme.test")),
        "{eve:#}"
    );
    let id = eve["id"].as_str().unwrap().to_owned();

    // Known now, in no group: the app's account is not touched.
    let before = desk.account("eve");
    assert_eq!(desk.sync(0)["calls"]["total"], 0);
    assert_eq!(desk.account("eve"), before);
    assert_eq!(statuses(&list(&desk, &["--search", "eve"])), pairs(&[("eve", "imported")]));

    // Twice is once.
    let again = list(&desk, &["--create", "eve", "fay"]);
    assert_eq!((&again["created"], &again["found"]), (&json!(0), &json!(2)), "{again:#}");
    assert_eq!(document["users"].as_array().unwrap().len(), 6);

    // A group bound to the app holds them: from now on they are managed.
    let mut document = document;
    document["groups"][0]["members"].as_array_mut().unwrap().push(json!(id));
    desk.directory(&document);
    let report = desk.sync(0);
    assert_eq!(report["summary"]["adopt_user"], 1, "{report:#}");
    assert_eq!(report["summary"].get("create_user"), None);
    assert_eq!(desk.account("eve")["externalId"], json!(id));
    assert_eq!(statuses(&list(&desk, &["--search", "eve"])), pairs(&[("eve", "linked")]));
}

#[test]
fn j16_all_new_people_are_made_but_for_those_who_are_switched_off() {
    let desk = with_strangers();
    let run = desk.rosterd.run(&["import", "acme", "--create-all"]);
    assert!(run.expect_code(0).stdout.contains("2 created, 0 found, 0 failed"), "{}", run.stdout);
    assert!(run.stderr.contains("1 account that is inactive"), "{}", run.stderr);
    assert_eq!(statuses(&list(&desk, &["--new-only"])), pairs(&[("gil", "new")]));
    let made = list(&desk, &["--create", "gil"]);
    assert_eq!(made["created"], 1, "{made:#}");
    assert_eq!(statuses(&list(&desk, &["--new-only"])), pairs(&[]));
}

#[test]
fn who_is_nobody_or_in_doubt_stops_everything_before_anybody_is_made() {
    let desk = with_strangers();
    let before = std::fs::read_to_string(desk.rosterd.path().join("people.json")).unwrap();
    let nobody = desk.rosterd.run(&["import", "acme", "--create", "eve", "zoe"]);
    assert!(
        nobody.expect_code(1).stderr.contains("no account in the app matches \"zoe\"; no user was created"),
        "{}",
        nobody.stderr
    );
    let doubt = desk.rosterd.run(&["import", "acme", "--create", "eve", "DEE"]);
    assert!(doubt.expect_code(1).stderr.contains("conflicts"), "{}", doubt.stderr);
    assert_eq!(std::fs::read_to_string(desk.rosterd.path().join("people.json")).unwrap(), before);
}

#[test]
fn j16_more_than_a_hundred_end_in_a_report() {
    let desk = Desk::new();
    for at in 0..120 {
        desk.hand_made(&format!("new{at:03}"), &json!({}));
    }
    let run = desk.rosterd.run(&["import", "acme", "--create-all"]);
    let text = &run.expect_code(0).stdout;
    assert!(text.contains("120 created, 0 found, 0 failed") && text.lines().count() < 10, "{text}");
    let reports: Vec<PathBuf> = std::fs::read_dir(desk.rosterd.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("rosterd-import-acme-"))
        .collect();
    let report: Value = serde_json::from_str(&std::fs::read_to_string(&reports[0]).unwrap()).unwrap();
    assert_eq!(report["results"].as_array().unwrap().len(), 120);
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&reports[0]).unwrap().permissions().mode() & 0o777, 0o600);
    let again = desk.rosterd.run(&["import", "acme", "--create-all", "--report", "again.json"]);
    assert!(again.expect_code(0).stdout.contains("0 created, 0 found"), "nobody is new any more: {}", again.stdout);
    assert_eq!(desk.sync(0)["summary"]["create_user"], 3, "and none of them is managed");
}

#[test]
fn j16_a_list_for_directories_that_are_not_written_to() {
    let desk = with_strangers();
    desk.rosterd.run(&["import", "acme", "--new-only", "--list", "new.csv"]).expect_code(0);
    let text = std::fs::read_to_string(desk.rosterd.path().join("new.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("status,app_id,active,directory_id,detail,email,familyName,givenName,userName"));
    assert!(lines.next().unwrap().ends_with(",Eve@acme.test,Lee,Eve,eve"), "{text}");
    assert_eq!(lines.count(), 2);
    desk.rosterd.run(&["import", "acme", "--list", "all.json"]).expect_code(0);
    let all: Value =
        serde_json::from_str(&std::fs::read_to_string(desk.rosterd.path().join("all.json")).unwrap()).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 8);
    assert_eq!(all[0]["record"]["givenName"], "Eve");
}

#[test]
fn j16_rules_are_read_backwards_and_what_computes_is_told() {
    let desk = Desk::new();
    desk.tenant(
        "[users.attributes]\nuserName = \"login\"\n\"emails.work\" = \"mail | one\"\ndisplayName = 'givenName ~ \" \" ~ familyName'\n",
    );
    desk.directory(
        &json!({"users": [{"id": "p1", "login": "ann", "givenName": "Ann", "familyName": "Lee"}], "groups": []}),
    );
    desk.hand_made("eve", &json!({"displayName": "Eve Lee", "emails": [{"value": "eve@acme.test", "type": "work"}], "name": {"givenName": "Eve"}}));
    let run = desk.rosterd.run(&["import", "acme", "--create", "eve"]);
    run.expect_code(0);
    assert!(run.stderr.contains("displayName = givenName ~ \" \" ~ familyName can't be inverted"), "{}", run.stderr);
    let document: Value =
        serde_json::from_str(&std::fs::read_to_string(desk.rosterd.path().join("people.json")).unwrap()).unwrap();
    let eve = &document["users"][1];
    assert_eq!(
        (&eve["login"], &eve["mail"], &eve["givenName"]),
        (&json!("eve"), &json!("eve@acme.test"), &json!("Eve")),
        "{eve:#}"
    );
}

#[test]
fn protected_people_are_never_made_along_with_all_others() {
    let desk = Desk::new();
    desk.tenant("[scope]\nprotect = [\"breakglass@acme.test\"]\n");
    desk.hand_made("breakglass@acme.test", &json!({}));
    desk.hand_made("eve", &json!({}));
    let run = desk.rosterd.run(&["import", "acme", "--create-all"]);
    assert!(run.expect_code(0).stdout.contains("1 created"), "{}", run.stdout);
    assert!(run.stderr.contains("left out: breakglass@acme.test, protected by scope.protect"), "{}", run.stderr);
}

#[test]
fn j16_nothing_goes_on_in_the_background_without_a_daemon() {
    let desk = with_strangers();
    let before = std::fs::read_to_string(desk.rosterd.path().join("people.json")).unwrap();
    let alone = desk.rosterd.run(&["import", "acme", "--create-all", "--background"]);
    for part in ["no daemon runs on", "no user was created", "rosterd run", "leave out --background"] {
        assert!(alone.expect_code(1).stderr.contains(part), "{part}: {}", alone.stderr);
    }
    let nobody = desk.rosterd.run(&["import", "acme", "--background"]);
    assert!(nobody.expect_code(78).stderr.contains("none is named"), "{}", nobody.stderr);
    let stop = desk.rosterd.run(&["import", "acme", "--stop"]);
    assert!(stop.expect_code(1).stderr.contains("no import is running"), "{}", stop.stderr);
    assert_eq!(std::fs::read_to_string(desk.rosterd.path().join("people.json")).unwrap(), before);
}

#[test]
fn j16_a_few_in_the_background_are_created_and_a_wrong_name_stops_all_of_them() {
    let desk = with_strangers();
    let port = free_port();
    desk.rosterd.file("rosterd.toml", &format!("state_dir = \"state\"\n[status]\nlisten = \"127.0.0.1:{port}\"\n"));
    desk.head("schedule = \"every 1d\"\n");
    let daemon = desk.rosterd.spawn(&["run", "-v"]);
    until("it listens", || desk.rosterd.run(&["reload"]).code == Some(0));
    let import =
        || desk.rosterd.run(&["status", "acme", "--format", "json"]).expect_code(0).json()[0]["import"].clone();
    let begin = |who: &[&str]| {
        let command = [&["import", "acme", "--format", "json", "--background", "--create"], who].concat();
        desk.rosterd.run(&command).expect_code(0).json()["import"].clone()
    };
    desk.proxy.forget();
    let id = begin(&["eve", "zoe"]);
    until("the end", || import()["id"] == id && import()["state"] == "stopped");
    let stopped = import();
    assert_eq!((&stopped["reason"], &stopped["created"]), (&json!("choice"), &json!(0)), "{stopped:#}");
    assert!(stopped["error"].as_str().unwrap().contains("no account in the app matches \"zoe\""), "{stopped:#}");
    let id = begin(&["eve", "Fay@acme.test"]);
    until("the end", || import()["id"] == id && import()["state"] == "finished");
    assert_eq!(import()["created"], 2, "{:#}", import());
    assert!(desk.proxy.writes().is_empty(), "nothing is written to the app");
    let page = page_of(port, "/tenants/acme");
    assert!(page.contains("Last import") && page.contains("2 of 2 users"), "{page}");
    let status: Value = serde_json::from_str(&page_of(port, "/status")).unwrap();
    assert_eq!(status["tenants"][0]["import"]["created"], 2, "{status:#}");
    let report = PathBuf::from(import()["report"].as_str().unwrap());
    assert!(std::fs::read_to_string(&report).unwrap().contains("\"eve\""));
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(60)).expect_code(0);
}
