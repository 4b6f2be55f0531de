//! `rosterd doctor` with the real binary: what it says of a connection that works, and of each way in which one does not.

use serde_json::{Value, json};

use crate::cli::{Desk, TOKEN, company};
use crate::story::Scene;
use crate::support::directory::Directory;
use crate::support::proxy::{Fault, Rule};
use crate::support::rig::require_all;
use crate::support::servers::Kind;

/// The findings of one tenant.
fn findings(desk: &Desk, code: i32) -> (Value, Vec<Value>) {
    let run = desk.rosterd.run(&["doctor", "acme", "--format", "json"]);
    let all = run.expect_code(code).json();
    let one = all[0].clone();
    assert_eq!(one["tenant"], "acme", "{all:#}");
    let found = one["findings"].as_array().unwrap().clone();
    (one, found)
}

/// What was found at one spot, which has to be of this verdict.
#[track_caller]
fn at(found: &[Value], check: &str, verdict: &str) -> Value {
    let all: Vec<&Value> = found.iter().filter(|one| one["check"] == check && one["verdict"] == verdict).collect();
    assert_eq!(all.len(), 1, "{check} {verdict}: {found:#?}");
    if verdict != "ok" {
        assert!(!all[0]["remedy"].as_str().unwrap().is_empty(), "each has its remedy: {found:#?}");
    }
    all[0].clone()
}

#[test]
fn j2_both_sides_are_proved_in_one_clear_line_and_nothing_is_written() {
    let desk = Desk::new();
    let run = desk.rosterd.run(&["doctor", "acme"]);
    let text = &run.expect_code(0).stdout;
    let line = text.lines().last().unwrap();
    assert!(line.contains("both sides work") && line.contains("4 users and 2 groups"), "{text}");
    assert!(line.contains("accepts the token"), "{text}");
    assert!(desk.proxy.writes().is_empty(), "nothing is written to the app");
    assert!(!desk.rosterd.path().join("state").exists(), "nor here");
    assert!(!text.contains(TOKEN), "i6");

    let (one, found) = findings(&desk, 0);
    assert_eq!(one["verdict"], "ok", "{one:#}");
    for check in [
        "configuration",
        "directory file",
        "reading",
        "scope",
        "app token",
        "clock",
        "ServiceProviderConfig",
        "ResourceTypes",
        "Schemas",
        "people",
        "own account",
        "state folder",
        "disk",
        "journal",
    ] {
        at(&found, check, "ok");
    }
    assert_eq!(at(&found, "app token", "ok")["side"], "app");

    desk.sync(0);
    let (_, found) = findings(&desk, 0);
    assert!(at(&found, "journal", "ok")["detail"].as_str().unwrap().contains("none missing or altered"), "{found:#?}");
}

#[test]
fn j2_a_token_that_does_not_count_is_told_with_its_remedy() {
    let desk = Desk::new();
    desk.rosterd.secret("app.token", "another");
    let (one, found) = findings(&desk, 1);
    assert_eq!(one["app"], Value::Null);
    let detail = at(&found, "app token", "wrong")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("does not accept the token") && !detail.contains("another"), "{detail}");
    at(&found, "reading", "ok");
    let run = desk.rosterd.run(&["doctor", "acme"]);
    let line = run.expect_code(1).stdout.lines().last().unwrap().to_owned();
    assert!(line.contains("not connected") && line.contains("the directory answers, the app does not"), "{line}");
}

#[test]
fn a_wrong_base_url_a_moved_app_and_an_app_that_is_down_are_told_apart() {
    let desk = Desk::new();
    let wrong = |found: &[Value]| at(found, "app token", "wrong");
    desk.rosterd.tenant("acme", &tenant(&desk, &desk.proxy.base_url.replace("/scim/v2", "/scim/v3"), ""));
    let found = findings(&desk, 1).1;
    assert!(wrong(&found)["remedy"].as_str().unwrap().contains("right before /Users"), "{found:#?}");
    desk.rosterd.tenant("acme", &tenant(&desk, "http://127.0.0.1:1/scim/v2", ""));
    let found = findings(&desk, 1).1;
    assert!(wrong(&found)["detail"].as_str().unwrap().contains("127.0.0.1:1"), "{found:#?}");
    desk.tenant("");
    desk.proxy.inject(Rule::on("GET", "/Users"), Fault::status(403));
    let found = findings(&desk, 1).1;
    assert!(wrong(&found)["remedy"].as_str().unwrap().contains("right to manage users"), "{found:#?}");
}

fn tenant(desk: &Desk, base_url: &str, extra: &str) -> String {
    let _ = desk;
    format!(
        "[source.file]\npath = \"../people.json\"\n\n[target]\nbase_url = \"{base_url}\"\ntoken = {{ file = \"../app.token\" }}\n\
         rate = \"1000/s\"\nallow_http_loopback = true\n{extra}"
    )
}

#[test]
fn a_directory_that_shows_less_than_it_should_is_wrong() {
    let desk = Desk::new();
    desk.tenant("[scope]\nsentinels = [\"it-admins\"]\n");
    let found = findings(&desk, 1).1;
    assert!(at(&found, "reading", "wrong")["detail"].as_str().unwrap().contains("it-admins"), "{found:#?}");
    at(&found, "app token", "ok");

    desk.tenant("[scope]\nsentinels = [\"Staff\"]\ngroups = [{ name = \"Staf\" }, { name = \"Staff\" }]\n");
    let found = findings(&desk, 0).1;
    at(&found, "sentinels", "ok");
    let scope = at(&found, "scope", "warning");
    assert!(scope["remedy"].as_str().unwrap().contains("\"Staff\""), "the nearest name is shown: {found:#?}");

    desk.directory(&json!({"users": company()["users"], "groups": []}));
    desk.tenant("");
    assert!(at(&findings(&desk, 0).1, "scope", "warning")["detail"].as_str().unwrap().contains("no user belongs"));

    std::fs::write(desk.rosterd.path().join("people.json"), "{\"users\": [").unwrap();
    let found = findings(&desk, 1).1;
    assert!(at(&found, "reading", "wrong")["detail"].as_str().unwrap().contains("people.json:1:"), "{found:#?}");
    std::fs::remove_file(desk.rosterd.path().join("people.json")).unwrap();
    at(&findings(&desk, 1).1, "directory file", "wrong");
}

#[test]
fn what_the_app_says_it_can_not_do_and_the_profile_uses_is_a_warning() {
    let desk = Desk::new();
    desk.tenant("[users.attributes]\nuserName = \"userName\"\nbadge = \"badge\"\n");
    let found = findings(&desk, 0).1;
    assert!(at(&found, "Schemas", "warning")["detail"].as_str().unwrap().contains("does not list badge"), "{found:#?}");
    desk.tenant("");
    desk.proxy.inject(Rule::on("GET", "/ServiceProviderConfig"), Fault::status(404));
    desk.proxy.inject(Rule::on("GET", "/Schemas"), Fault::status(500));
    let found = findings(&desk, 0).1;
    assert!(at(&found, "ServiceProviderConfig", "ok")["detail"].as_str().unwrap().contains("the profile decides"));
    at(&found, "Schemas", "warning");
}

#[test]
fn mistakes_in_files_end_with_78_and_the_other_side_is_looked_at_all_the_same() {
    let desk = Desk::new();
    desk.tenant("colour = \"red\"\n");
    let (_, found) = findings(&desk, 78);
    assert!(at(&found, "configuration", "wrong")["detail"].as_str().unwrap().contains("acme.toml:"), "{found:#?}");
    desk.tenant("");
    std::fs::remove_file(desk.rosterd.path().join("app.token")).unwrap();
    let (_, found) = findings(&desk, 78);
    at(&found, "configuration", "wrong");
    at(&found, "reading", "ok");
    desk.rosterd.run(&["doctor", "acmee"]).expect_code(78);
}

#[test]
fn pauses_the_end_of_a_connection_and_damage_are_told() {
    let desk = Desk::new();
    desk.sync(0);
    desk.rosterd.run(&["pause", "acme", "--reason", "moving"]).expect_code(0);
    let found = findings(&desk, 0).1;
    assert!(at(&found, "paused", "warning")["detail"].as_str().unwrap().contains("moving"), "{found:#?}");
    desk.rosterd.run(&["retire", "acme", "--yes-i-mean", "acme"]).expect_code(0);
    at(&findings(&desk, 1).1, "retired", "wrong");
    let journal = desk.rosterd.path().join("state/acme/journal");
    let file = std::fs::read_dir(&journal).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap().replacen("ann", "eve", 1);
    std::fs::write(&file, text).unwrap();
    let found = findings(&desk, 1).1;
    assert!(
        at(&found, "journal", "wrong")["detail"].as_str().unwrap().contains("is not as it was written"),
        "{found:#?}"
    );
}

/// An LDAP directory in front of an app that others wrote, before any sync.
fn before_the_first_sync(kind: Kind) -> Option<Scene> {
    let rig = require_all(&["slapd", kind.name()])?;
    Some(Scene::new(&rig, kind, &Directory::generate(12, 2, 12), ""))
}

#[test]
fn j2_a_real_directory_and_a_real_app_are_proved_and_probed_without_a_trace() {
    for kind in [Kind::Scim2Server, Kind::BetterAuth, Kind::Scimmy] {
        let Some(scene) = before_the_first_sync(kind) else { return };
        let (all, calls) = scene.run(&["doctor", "acme"], 0);
        let found = all[0]["findings"].as_array().unwrap().clone();
        at(&found, "bind", "ok");
        at(&found, "app token", "ok");
        assert!(all[0]["directory"].as_str().unwrap().contains("12 users and 2 groups"), "{kind:?}: {all:#}");
        assert!(calls.keys().all(|call| call.starts_with("GET ")), "{kind:?}: it only reads: {calls:?}");

        let before = scene.server.read();
        let (all, _) = scene.run(&["doctor", "acme", "--probe", "--yes-i-mean", "acme"], 0);
        let probe = &all[0]["probe"];
        assert_eq!(probe["knobs"], json!([]), "{kind:?}: {probe:#}");
        let after = scene.server.read();
        assert_eq!(
            after.users.keys().collect::<Vec<_>>(),
            before.users.keys().collect::<Vec<_>>(),
            "{kind:?}: {probe:#}"
        );
        // A sync after it goes as if it had never been.
        scene.sync();
        scene.is_quiet();
        let (listing, _) = scene.run(&["import", "acme"], 0);
        assert_eq!(listing["summary"]["new"], 0, "{kind:?}: {listing:#}");
        let (drift, calls) = scene.run(&["drift", "acme"], 0);
        assert_eq!(drift["drift"], json!([]), "{kind:?}: what rosterd put there is no drift: {drift:#}");
        assert!(calls.keys().all(|call| call.starts_with("GET ")), "{kind:?}: {calls:?}");
        let refused = scene.refused(&["import", "acme", "--create-all"]);
        assert!(
            refused.contains("does not write to this directory") && refused.contains("--list people.csv"),
            "{refused}"
        );
    }
}

#[test]
fn a_password_that_the_directory_refuses_is_told_and_the_app_is_looked_at_all_the_same() {
    let Some(scene) = before_the_first_sync(Kind::Scim2Server) else { return };
    scene.secret("ldap.secret", "wrong");
    let (all, _) = scene.run(&["doctor", "acme"], 1);
    let found = all[0]["findings"].as_array().unwrap().clone();
    assert!(at(&found, "bind", "wrong")["remedy"].as_str().unwrap().contains("bind_dn"), "{found:#?}");
    at(&found, "app token", "ok");
}
