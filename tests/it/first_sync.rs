//! The first half hour with the real binary: a first sync that nobody typed waits, and commands say what they can't see or reach.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::{Desk, TOKEN};
use crate::daemon::{active, company, until};

/// A tenant file as somebody writes it who knows nothing of `[approval]`.
fn plain(desk: &Desk) {
    let text = format!(
        "schedule = \"every 1s\"\n[source.file]\npath = \"../people.json\"\n[target]\nbase_url = \"{}\"\n\
         token = {{ file = \"../app.token\" }}\nrate = \"1000/s\"\nallow_http_loopback = true\n",
        desk.base_url
    );
    desk.rosterd.file("tenants/acme.toml", &text);
}

fn new_company() -> Desk {
    let desk = Desk::new();
    desk.directory(&company(&["ann", "bo", "cy"]));
    plain(&desk);
    desk
}

fn status(desk: &Desk) -> Value {
    desk.rosterd.run(&["status", "acme", "--format", "json"]).expect_code(0).json()[0].clone()
}

#[test]
fn sec7_the_daemon_holds_a_first_sync_until_it_is_approved() {
    let desk = new_company();
    let daemon = desk.rosterd.spawn(&["run"]);
    until("it is held", || status(&desk)["held_plan"].is_object());
    assert_eq!(active(&desk), [""; 0], "nobody has an account yet");
    let held = status(&desk)["held_plan"].clone();
    assert!(held.to_string().contains("\"first_sync\""), "{held:#}");
    let shown = desk.rosterd.run(&["status", "acme"]).expect_code(0).stdout.clone();
    assert!(shown.contains("first_sync") && shown.contains("3 new accounts"), "{shown}");
    let plan = held["plan"].as_str().unwrap();
    desk.rosterd.run(&["approve", "acme", plan]).expect_code(0);
    until("the approved sync", || active(&desk) == ["ann", "bo", "cy"]);
    desk.directory(&company(&["ann", "bo", "cy", "di"]));
    until("the next one needs nobody", || active(&desk) == ["ann", "bo", "cy", "di"]);
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(60)).expect_code(0);
}

#[test]
fn sec7_a_typed_sync_beside_the_daemon_is_the_first_one() {
    let desk = new_company();
    let daemon = desk.rosterd.spawn(&["run"]);
    until("it is held", || status(&desk)["held_plan"].is_object());
    desk.rosterd.run(&["sync", "acme"]).expect_code(0);
    assert_eq!(active(&desk), ["ann", "bo", "cy"]);
    desk.directory(&company(&["ann", "bo", "cy", "di"]));
    until("the schedule goes on", || active(&desk) == ["ann", "bo", "cy", "di"]);
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(60)).expect_code(0);
}

#[test]
fn sec7_a_timer_waits_like_the_daemon_unless_it_was_told_yes() {
    let desk = new_company();
    let run = desk.rosterd.run(&["sync", "--all", "--format", "json"]);
    let report = run.expect_code(3).json()[0].clone();
    assert_eq!(report["holds"][0]["reason"], "first_sync", "{report:#}");
    assert_eq!((&report["done"], active(&desk).len()), (&json!(0), 0));
    assert_eq!(
        desk.rosterd.run(&["plan", "acme", "--format", "json"]).expect_code(0).json()["held"],
        0,
        "a preview is typed"
    );
    desk.rosterd.run(&["sync", "--all", "--yes"]).expect_code(0);
    assert_eq!(active(&desk), ["ann", "bo", "cy"]);
    desk.rosterd.run(&["sync", "--all"]).expect_code(0);
}

#[test]
fn a_missing_secret_is_explained_once_and_the_log_repeats_no_error() {
    let desk = Desk::new();
    std::fs::remove_file(desk.rosterd.path().join("app.token")).unwrap();
    let doctor = desk.rosterd.run(&["doctor", "acme"]);
    let said = format!("{}{}", doctor.stdout, doctor.stderr);
    assert_eq!(said.matches("does not exist").count(), 1, "{said}");
    desk.rosterd.secret("app.token", TOKEN);
    desk.directory(&json!({"users": [], "groups": []}));
    let run = desk.rosterd.run(&["sync", "acme"]);
    assert!(run.expect_code(1).stderr.contains("no users at all") && !run.stderr.contains("WARN"), "{}", run.stderr);
}

#[test]
fn a_credential_of_the_service_comes_with_the_command_that_has_it() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    desk.rosterd.file("tenants/acme.toml", &text.replace("{ file = \"../app.token\" }", "{ credential = \"acme\" }"));
    for command in [&["plan", "acme"][..], &["why", "acme", "ann"], &["drift", "acme"], &["import", "acme"]] {
        let run = desk.rosterd.run(command);
        let line = "systemd-run --pipe --wait --quiet --uid=rosterd -p LoadCredential=acme:/etc/rosterd/credentials/acme rosterd";
        assert!(run.expect_code(78).stderr.contains(line), "{command:?}: {}", run.stderr);
    }
}

#[test]
fn another_user_is_told_in_one_line_that_the_state_is_closed() {
    if !rustix::process::geteuid().is_root() {
        return crate::support::rig::skip("only root can run a command as another user");
    }
    let desk = Desk::new();
    desk.sync(0);
    // As the service has it: the configuration can be read, the state can't.
    for (path, mode) in
        [("", 0o755), ("tenants", 0o755), ("rosterd.toml", 0o644), ("tenants/acme.toml", 0o644), ("state", 0o700)]
    {
        std::fs::set_permissions(desk.rosterd.path().join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let binary = desk.rosterd.path().join("rosterd-copy");
    std::fs::copy(env!("CARGO_BIN_EXE_rosterd"), &binary).unwrap();
    for command in [&["doctor", "acme"][..], &["plan", "acme"], &["why", "acme", "ann"]] {
        let mut other = Command::new(&binary);
        other.arg("--config").arg(desk.rosterd.path().join("rosterd.toml")).args(command).env_clear();
        let output = other.current_dir(desk.rosterd.path()).uid(65_534).gid(65_534).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(78), "{command:?}: {said}");
        assert!(said.contains("user 65534 can't look into it") && !said.contains("retired"), "{said}");
    }
}
