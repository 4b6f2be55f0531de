//! `rosterd run`: the real daemon over the embedded app, with signals, edits and kills.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rosterd::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::cli::{Desk, TOKEN, person};
use crate::support::proxy::{Fault, Rule};
use crate::support::rig;

pub(crate) fn company(people: &[&str]) -> Value {
    let users: Vec<Value> = people.iter().map(|name| person(&format!("id-{name}"), name)).collect();
    let ids: Vec<String> = people.iter().map(|name| format!("id-{name}")).collect();
    json!({ "users": users, "groups": [{ "id": "g1", "name": "Staff", "members": ids }] })
}

/// User names of active accounts, sorted.
pub(crate) fn active(desk: &Desk) -> Vec<String> {
    let resources = desk.app("/Users?count=100")["Resources"].as_array().cloned().unwrap_or_default();
    let named = resources.iter().filter(|user| user["active"] != json!(false));
    let mut names: Vec<String> = named.filter_map(|user| user["userName"].as_str().map(str::to_owned)).collect();
    names.sort();
    names
}

/// Looks again and again until it has come about.
#[track_caller]
pub(crate) fn until(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_active(desk: &Desk, names: &[&str]) -> bool {
    active(desk) == names
}

#[test]
fn j1_the_daemon_keeps_the_app_in_step_through_edits_reloads_and_restarts() {
    let desk = Desk::new();
    desk.directory(&company(&["ann", "bo"]));
    desk.head("schedule = \"every 1s\"\n");
    let daemon = desk.rosterd.spawn(&["run", "-v"]);
    until("the first sync", || is_active(&desk, &["ann", "bo"]));
    desk.directory(&company(&["ann", "bo", "cy"]));
    until("a newcomer", || is_active(&desk, &["ann", "bo", "cy"]));

    let status = desk.rosterd.run(&["status", "acme"]);
    let shown = status.expect_code(0).stdout.clone();
    assert!(shown.contains("next run") || shown.contains("running since"), "{shown}");
    let second = desk.rosterd.run(&["run"]);
    assert!(second.expect_code(75).stderr.contains("rosterd run (process"), "i5: {}", second.stderr);

    desk.head("schedule = \"often\"\n");
    daemon.signal("HUP");
    until("the mistake is shown", || {
        desk.rosterd.run(&["status", "acme"]).stdout.contains("mistake in the file, not in force")
    });
    desk.directory(&company(&["ann", "bo", "cy", "di"]));
    until("the tenant goes on as it was", || is_active(&desk, &["ann", "bo", "cy", "di"]));
    desk.head("schedule = \"every 1s\"\n");
    daemon.signal("HUP");
    until("the mistake is gone", || !desk.rosterd.run(&["status", "acme"]).stdout.contains("mistake in the file"));

    daemon.signal("TERM");
    let ended = daemon.wait(Duration::from_secs(60));
    ended.expect_code(0);
    assert!(!desk.rosterd.run(&["status", "acme"]).stdout.contains("next run"), "nobody runs it any more");

    let killed = desk.rosterd.spawn(&["run"]);
    desk.directory(&company(&["ann", "bo", "cy", "di", "eve"]));
    until("it goes on after a restart", || active(&desk).len() == 5);
    killed.signal("KILL");
    let _killed = killed.wait(Duration::from_secs(60));
    desk.directory(&company(&["ann", "bo", "cy", "di", "eve", "flo"]));
    let again = desk.rosterd.spawn(&["run"]);
    until("and after a kill", || active(&desk).len() == 6);
    again.signal("INT");
    again.wait(Duration::from_secs(60)).expect_code(0);
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
}

#[test]
fn j5_the_app_is_compared_on_its_own_schedule_and_only_what_may_be_is_repaired() {
    let desk = Desk::new();
    desk.directory(&company(&["ann", "bo", "cy"]));
    let drift = "[drift]\nschedule = \"every 2s\"\naccounts = \"repair\"\nrate_share_percent = 50\n";
    desk.head_and_tables("schedule = \"every 1s\"\n", drift);
    let daemon = desk.rosterd.spawn(&["run", "-v"]);
    let found = |desk: &Desk| desk.rosterd.run(&["status", "acme", "--format", "json"]).json()[0]["drift"].clone();
    until("a first comparison", || found(&desk)["accounts"] == 3 && found(&desk)["found"] == json!({}));
    let id = |name: &str| {
        let shown = desk.app("/Users?count=100");
        let user = shown["Resources"].as_array().unwrap().iter().find(|user| user["userName"] == name).unwrap().clone();
        user["id"].as_str().unwrap().to_owned()
    };
    let replace = |path: &str, value: Value| {
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
               "Operations": [{"op": "replace", "path": path, "value": value}]})
    };
    // By hand: bo is switched off, cy gets another name.
    desk.by_hand("PATCH", &format!("/Users/{}", id("cy")), &replace("displayName", json!("Sidney")));
    desk.by_hand("PATCH", &format!("/Users/{}", id("bo")), &replace("active", json!(false)));
    until("bo is let in again", || is_active(&desk, &["ann", "bo", "cy"]));
    until("what is not to be repaired is told", || found(&desk)["found"] == json!({"attributes_changed": 1}));
    let text = desk.rosterd.run(&["status", "acme"]).stdout.clone();
    assert!(text.contains("changed in the app by hand") && text.contains("1 attributes changed"), "{text}");
    let cy = desk.app(&format!("/Users/{}", id("cy")));
    assert_eq!(cy["displayName"], "Sidney", "and left alone");
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(60)).expect_code(0);
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
}

#[test]
fn p5_a_comparison_under_way_does_not_hold_up_the_end() {
    let desk = Desk::new();
    desk.directory(&company(&["ann", "bo"]));
    desk.head("schedule = \"every 1s\"\n");
    desk.sync(0);
    desk.proxy.forget();
    desk.proxy.inject(Rule::on("GET", "/Users").times(9), Fault::Delay(Duration::from_secs(50)));
    desk.head_and_tables("schedule = \"every 1s\"\n", "[drift]\nschedule = \"every 1h\"\n");
    let daemon = desk.rosterd.spawn(&["run"]);
    until("the app is being read", || !desk.proxy.calls().is_empty());
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(20)).expect_code(0);
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
}

#[test]
fn pausing_and_holding_are_seen_by_a_running_daemon() {
    let desk = Desk::new();
    let people: Vec<String> = (0..12).map(|n| format!("p{n:02}")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    desk.directory(&company(&people));
    desk.head("schedule = \"every 1s\"\n");
    let daemon = desk.rosterd.spawn(&["run"]);
    until("the first sync", || active(&desk).len() == 12);
    desk.rosterd.run(&["pause", "acme", "--reason", "maintenance"]).expect_code(0);
    desk.directory(&company(&people[..11]));
    let line = |desk: &Desk| desk.rosterd.run(&["status", "acme", "--format", "json"]).json()[0]["daemon"].clone();
    until("the pause is on the board", || line(&desk)["standing"] == "paused");
    assert_eq!(active(&desk).len(), 12, "nothing is sent");
    desk.rosterd.run(&["resume", "acme"]).expect_code(0);
    until("it goes on", || active(&desk).len() == 11);
    desk.directory(&company(&people[..5]));
    until("a mass loss is held", || line(&desk)["standing"] == "held");
    assert_eq!(active(&desk).len(), 11);
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(60)).expect_code(0);
}

#[test]
fn a_token_that_dies_is_not_hammered_and_a_new_one_in_its_file_is_taken_without_a_restart() {
    let desk = Desk::new();
    desk.directory(&company(&["ann"]));
    desk.head("schedule = \"every 1s\"\n");
    let daemon = desk.rosterd.spawn(&["run"]);
    until("the first sync", || is_active(&desk, &["ann"]));
    let line = |desk: &Desk| desk.rosterd.run(&["status", "acme", "--format", "json"]).json()[0]["daemon"].clone();

    desk.rosterd.secret("app.token", "revoked");
    desk.directory(&company(&["ann", "bo"]));
    until("the refusal is on the board", || line(&desk)["cause"] == "credential");
    assert_eq!(line(&desk)["standing"], "failing");
    let shown = desk.rosterd.run(&["status", "acme"]).stdout;
    assert!(shown.contains("failing 1 time in a row") && shown.contains("until the secret changes"), "{shown}");
    let (due, asked) = (line(&desk)["due"].as_str().unwrap().parse::<Timestamp>().unwrap(), desk.proxy.calls().len());
    assert!(due > SystemClock.now() + SignedDuration::from_mins(10), "{due}");
    // Another token that does not count: one more try, and no more than that.
    desk.rosterd.secret("app.token", "guessed");
    until("it is tried", || line(&desk)["failures"] == 2);
    assert!(desk.proxy.calls().len() <= 2 * asked.max(1), "{} calls, {asked} before", desk.proxy.calls().len());

    desk.rosterd.secret("app.token", TOKEN);
    until("what waited is done", || is_active(&desk, &["ann", "bo"]));
    until("it is well", || line(&desk)["standing"] == "ok" && line(&desk)["cause"].is_null());
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(60)).expect_code(0);
}

#[test]
fn a_token_that_expires_soon_is_told_by_check_doctor_and_status() {
    let desk = Desk::new();
    let soon = (SystemClock.now() + SignedDuration::from_hours(5 * 24)).strftime("%F").to_string();
    let file = std::fs::read_to_string(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    let with = file.replace("app.token\" }", &format!("app.token\", expires = \"{soon}\" }}"));
    desk.rosterd.tenant("acme", &with);
    let told = format!("target.token expires in 4 days ({soon} 00:00 UTC)");
    let check = desk.rosterd.run(&["check", "acme"]);
    assert!(
        check.expect_code(0).stderr.contains(&told) || check.stdout.contains(&told),
        "{}{}",
        check.stdout,
        check.stderr
    );
    let doctor = desk.rosterd.run(&["doctor", "acme"]);
    assert!(doctor.stdout.contains(&told), "{}", doctor.stdout);
    let daemon = desk.rosterd.spawn(&["run"]);
    until("it is in the status", || desk.rosterd.run(&["status", "acme"]).stdout.contains(&told));
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(60)).expect_code(0);

    desk.rosterd.tenant("acme", &with.replace(&soon, "2026-13-40"));
    assert!(desk.rosterd.run(&["check", "acme"]).expect_code(78).stderr.contains("\"2026-13-40\" is not a day"));
    desk.rosterd.tenant("acme", &file.replace("{ file = \"../app.token\" }", "{ expires = \"2030-01-01\" }"));
    let nowhere = desk.rosterd.run(&["check", "acme"]);
    assert!(nowhere.expect_code(78).stderr.contains("does not say where it is"), "{}", nowhere.stderr);
}

#[test]
fn a_wrong_configuration_starts_nothing_and_says_where() {
    let desk = Desk::new();
    desk.rosterd.file("rosterd.toml", "state_dri = \"state\"\n");
    let run = desk.rosterd.run(&["run"]);
    assert!(run.expect_code(78).stderr.contains("rosterd.toml:1:1"), "{}", run.stderr);
}

/// The units are what systemd takes for units, and shut the service off from what it does not need.
#[test]
fn the_units_are_sound_and_hardened() {
    let units = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd");
    if rig::require("systemd-analyze").is_none() {
        return;
    }
    let analyze = |arguments: &[&str]| std::process::Command::new("systemd-analyze").args(arguments).output().unwrap();
    let names = ["rosterd.service", "rosterd-sync.service", "rosterd-sync.timer"];
    // What a unit starts has to be there: here it is this binary.
    let folder = tempfile::tempdir().unwrap();
    let copies = names.map(|name| {
        let text = std::fs::read_to_string(format!("{units}/{name}")).unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text.replace("=/usr/bin/rosterd", concat!("=", env!("CARGO_BIN_EXE_rosterd")))).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let verified = analyze(&["verify", "--man=no", &copies[0], &copies[1], &copies[2]]);
    let told = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !told.contains("rosterd"), "{told}");
}

/// As they are shipped, and with the example that names the hosts to be reached. systemd counts in tenths.
#[test]
fn s39_the_units_are_as_narrow_as_the_page_says() {
    let units = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/systemd"));
    if rig::require("systemd-analyze").is_none() {
        return;
    }
    for unit in ["rosterd.service", "rosterd-sync.service"] {
        let text = std::fs::read_to_string(units.join(unit)).unwrap();
        for limit in ["MemoryHigh=70%", "MemoryMax=85%", "MemorySwapMax=0"] {
            assert!(text.lines().any(|line| line == limit), "{unit}: {limit}");
        }
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join(unit);
        std::fs::write(&copy, text).unwrap();
        let at_most = |tenths: &str| {
            let mut analyze = std::process::Command::new("systemd-analyze");
            let limit = format!("--threshold={tenths}");
            let security = analyze.args(["security", "--offline=true", &limit]).arg(&copy).output().unwrap();
            let shown = String::from_utf8_lossy(&security.stdout).into_owned();
            assert!(security.status.success(), "{unit}: {shown}{}", String::from_utf8_lossy(&security.stderr));
        };
        at_most("11");
        let drop_ins = folder.path().join(format!("{unit}.d"));
        std::fs::create_dir(&drop_ins).unwrap();
        std::fs::copy(units.join("ip-allow.conf"), drop_ins.join("ip-allow.conf")).unwrap();
        at_most("10");
    }
}
