//! Commands beside a running daemon: what it does for them, and what they say when it can't.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::Desk;
use crate::daemon::{active, company, until};
use crate::support::proxy::{Fault, Rule};
use crate::support::rosterd::Running;

const LIMIT: Duration = Duration::from_secs(60);

fn socket(desk: &Desk) -> PathBuf {
    desk.rosterd.path().join("state/.daemon/control.sock")
}

/// A daemon that runs nobody by itself while a test lasts, once it has been asked for a run.
fn daemon(desk: &Desk) -> Running {
    desk.head("schedule = \"every 1d\"\n");
    started(desk)
}

fn started(desk: &Desk) -> Running {
    let daemon = desk.rosterd.spawn(&["run", "-v"]);
    until("it listens", || desk.rosterd.run(&["reload"]).code == Some(0));
    daemon
}

fn end(daemon: Running) {
    daemon.signal("TERM");
    daemon.wait(LIMIT).expect_code(0);
}

fn staff(count: usize) -> Value {
    let names: Vec<String> = (0..count).map(|n| format!("p{n:02}")).collect();
    company(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_reload_waits_and_tells_what_came_of_it() {
    let desk = Desk::new();
    let nobody = desk.rosterd.run(&["reload"]);
    assert!(nobody.expect_code(1).stderr.contains("no daemon runs on"), "{}", nobody.stderr);
    let daemon = daemon(&desk);
    let tenant = std::fs::read_to_string(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    desk.rosterd.tenant("bolt", &tenant);
    let added = desk.rosterd.run(&["reload"]);
    assert!(added.expect_code(0).stdout.contains("added bolt"), "{}", added.stdout);
    desk.rosterd.tenant("bolt", &tenant.replace("every 1d", "often"));
    let broken = desk.rosterd.run(&["reload"]);
    broken.expect_code(78);
    assert!(broken.stderr.contains("bolt.toml:1:12") && broken.stderr.contains("stays in force"), "{}", broken.stderr);
    let broken = desk.rosterd.run(&["reload", "--format", "json"]);
    let found = broken.expect_code(78).json()["reloaded"].clone();
    assert_eq!((&found["broken"][0]["tenant"], &found["broken"][0]["in_force"]), (&json!("bolt"), &json!(true)));
    assert_eq!(found["unchanged"], 1);
    desk.rosterd.tenant("bolt", &tenant.replace("1000/s", "900/s"));
    let changed = desk.rosterd.run(&["reload"]);
    assert!(changed.expect_code(0).stdout.contains("changed bolt"), "{}", changed.stdout);
    assert!(
        changed.stdout.contains("fixed bolt") && changed.stdout.contains("1 changed, 1 fixed, 1 unchanged"),
        "{}",
        changed.stdout
    );
    std::fs::remove_file(desk.rosterd.path().join("tenants/bolt.toml")).unwrap();
    let removed = desk.rosterd.run(&["reload"]);
    assert!(removed.expect_code(0).stdout.contains("removed bolt"), "j17: {}", removed.stdout);
    assert!(removed.stdout.contains("reloaded: 1 removed, 1 unchanged"), "{}", removed.stdout);
    let state = desk.rosterd.path().join("state").display().to_string();
    desk.rosterd.file("rosterd.toml", "state_dri = \"state\"\n");
    let wrong = desk.rosterd.run(&["reload", "--state-dir", &state]);
    assert!(wrong.expect_code(78).stderr.contains("rosterd.toml:1:1"), "{}", wrong.stderr);
    end(daemon);
}

#[test]
fn i5_a_sync_beside_the_daemon_is_done_by_it_with_the_same_words_and_codes() {
    let desk = Desk::new();
    desk.directory(&staff(12));
    let daemon = daemon(&desk);
    let report = desk.sync(0);
    for key in ["tenant", "run", "plan", "status", "snapshot", "operations", "summary", "calls", "holds", "planned"] {
        assert!(!report[key].is_null(), "{key} is missing: {report:#}");
    }
    assert_eq!((&report["summary"]["create_user"], &report["done"]), (&json!(12), &report["planned"]));
    assert_eq!(active(&desk).len(), 12);
    let quiet = desk.rosterd.run(&["sync", "acme"]);
    assert!(quiet.expect_code(0).stdout.contains("in sync: no changes"), "{}", quiet.stdout);
    desk.directory(&staff(11));
    let named = desk.rosterd.run(&["sync", "acme", "--only", "p11", "--format", "json"]);
    assert_eq!(
        named.expect_code(0).json()["summary"],
        json!({"deactivate_user": 1, "remove_members": 1}),
        "{}",
        named.stdout
    );
    desk.directory(&staff(4));
    let held = desk.rosterd.run(&["sync", "--all"]);
    assert!(held.expect_code(3).stdout.contains("held source_shrink"), "{}", held.stdout);
    assert!(desk.rosterd.run(&["sync", "acme", "--dry-run", "--detailed-exitcode"]).code == Some(3));
    desk.rosterd.run(&["pause", "acme"]).expect_code(0);
    let paused = desk.rosterd.run(&["sync", "acme", "--format", "json"]);
    assert_eq!(paused.expect_code(3).json()["holds"][0]["reason"], "paused", "{}", paused.stderr);
    let journal = desk.rosterd.run(&["journal", "show", "acme", "--format", "json"]).stdout;
    assert!(journal.contains("\"trigger\":\"command\""), "i8: a person asked: {journal}");
    let log = daemon.stderr();
    end(daemon);
    assert!(log.contains("\"acme\"") || log.contains("tenant=acme"), "the daemon ran it: {log}");
}

#[test]
fn a_file_that_was_edited_since_is_read_first() {
    let desk = Desk::new();
    let daemon = daemon(&desk);
    desk.sync(0);
    desk.head("schedule = \"every 2d\"\n");
    let edited = desk.rosterd.run(&["sync", "acme"]);
    assert!(edited.expect_code(78).stderr.contains("`rosterd reload`"), "{}", edited.stderr);
    desk.rosterd.run(&["reload"]).expect_code(0);
    desk.sync(0);
    end(daemon);
}

#[test]
fn i2_an_approval_is_carried_out_by_the_daemon_at_once() {
    let desk = Desk::new();
    desk.directory(&staff(12));
    let daemon = daemon(&desk);
    desk.sync(0);
    desk.directory(&staff(4));
    let plan = desk.sync(3)["held_plan"].as_str().unwrap().to_owned();
    desk.rosterd.run(&["reject", "acme", &plan[..8], "--reason", "not yet"]).expect_code(0);
    let approve = desk.rosterd.run(&["approve", "acme", &plan[..8], "--reason", "the office closed"]);
    assert!(approve.expect_code(0).stdout.contains("the daemon starts a run now"), "{}", approve.stdout);
    until("the eight are switched off", || active(&desk).len() == 4);
    end(daemon);
}

#[test]
fn a_tenant_that_is_resumed_runs_at_once() {
    let desk = Desk::new();
    desk.directory(&staff(3));
    let daemon = daemon(&desk);
    desk.sync(0);
    desk.rosterd.run(&["pause", "acme", "--reason", "the app is moved"]).expect_code(0);
    until("the board shows it", || {
        desk.rosterd.run(&["status", "acme", "--format", "json"]).json()[0]["daemon"]["standing"] == "paused"
    });
    desk.directory(&staff(5));
    let resumed = desk.rosterd.run(&["resume", "acme"]);
    assert!(resumed.expect_code(0).stdout.contains("the app is moved"), "{}", resumed.stdout);
    until("the newcomers are there", || active(&desk).len() == 5);
    end(daemon);
}

#[test]
fn who_stops_waiting_does_not_stop_the_run() {
    let desk = Desk::new();
    desk.directory(&staff(3));
    let daemon = daemon(&desk);
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::Delay(Duration::from_secs(5)));
    let first = desk.rosterd.spawn(&["sync", "acme"]);
    until("the run is under way", || !desk.proxy.calls().is_empty());
    let second = desk.rosterd.spawn(&["sync", "acme", "--format", "json"]);
    until("the second one waits", || second.stderr().contains("has been in progress since"));
    first.signal("INT");
    let first = first.wait(LIMIT);
    assert!(first.expect_code(75).stderr.contains("continues the run of acme"), "{}", first.stderr);
    let second = second.wait(LIMIT);
    assert_eq!(second.expect_code(0).json()["planned"], 0, "i3: the first one had done it all: {}", second.stdout);
    assert_eq!(active(&desk).len(), 3);
    end(daemon);
}

#[test]
fn a_sync_that_the_daemons_end_cuts_short_says_how_far_it_came() {
    let desk = Desk::new();
    desk.directory(&staff(3));
    let daemon = daemon(&desk);
    desk.proxy.inject(Rule::on("POST", "/Users").times(3), Fault::Delay(Duration::from_secs(3)));
    let sync = desk.rosterd.spawn(&["sync", "acme", "--format", "json"]);
    until("a change is under way", || !desk.proxy.writes().is_empty());
    end(daemon);
    let report = sync.wait(LIMIT);
    assert_eq!(report.expect_code(4).json()["status"], "partial", "i11: {}", report.stdout);
    assert!(!socket(&desk).exists());
    desk.sync(0);
    assert_eq!(active(&desk).len(), 3, "i1: without a daemon the command goes on by itself");
}

#[test]
fn the_socket_of_a_killed_daemon_misleads_nobody() {
    let desk = Desk::new();
    let killed = daemon(&desk);
    killed.signal("KILL");
    let _killed = killed.wait(LIMIT);
    assert!(socket(&desk).exists());
    desk.sync(0);
    desk.rosterd.run(&["reload"]).expect_code(1);
    let again = started(&desk);
    desk.sync(0);
    end(again);
}

#[test]
fn i7_a_daemon_that_hangs_is_named_and_nothing_is_done_behind_its_back() {
    let desk = Desk::new();
    let daemon = daemon(&desk);
    daemon.signal("STOP");
    let hangs = desk.rosterd.run(&["sync", "acme"]);
    assert!(hangs.expect_code(1).stderr.contains("does not answer; nothing was asked of it"), "{}", hangs.stderr);
    assert!(desk.proxy.writes().is_empty());
    daemon.signal("CONT");
    desk.sync(0);
    end(daemon);
}

#[test]
fn a_taken_socket_is_told_and_the_rest_keeps_running() {
    let desk = Desk::new();
    desk.rosterd.file("state/.daemon/control.sock", "mine");
    desk.directory(&company(&["ann"]));
    desk.head("schedule = \"every 1s\"\n");
    let daemon = desk.rosterd.spawn(&["run"]);
    until("it runs all the same", || active(&desk) == ["ann"]);
    let status = desk.rosterd.run(&["status", "acme"]);
    assert!(status.expect_code(0).stderr.contains("is no socket; move it away"), "{}", status.stderr);
    let reload = desk.rosterd.run(&["reload"]);
    assert!(reload.expect_code(1).stderr.contains("is no socket"), "{}", reload.stderr);
    std::fs::remove_file(socket(&desk)).unwrap();
    daemon.signal("HUP");
    until("a reload tries again", || desk.rosterd.run(&["reload"]).code == Some(0));
    end(daemon);
}

#[test]
fn i2_an_edit_that_changes_who_belongs_is_held_by_the_daemon_and_harms_nobody() {
    let desk = Desk::new();
    desk.directory(&staff(12));
    let daemon = daemon(&desk);
    desk.sync(0);
    desk.proxy.forget();
    // An operator's slip: only one of twelve is left in scope.
    desk.tenant("\n[scope]\nusers = 'userName == \"p00\"'\n");
    desk.rosterd.run(&["reload"]).expect_code(0);
    let held = desk.sync(3);
    assert!(desk.proxy.writes().is_empty(), "{held:#}");
    assert_eq!(active(&desk).len(), 12);
    desk.head("schedule = \"every 1d\"\n");
    desk.rosterd.run(&["reload"]).expect_code(0);
    desk.sync(0);
    assert_eq!(active(&desk).len(), 12, "the edit is taken back: nothing happened");
    end(daemon);
}

#[test]
fn j17_a_watched_folder_takes_up_what_has_settled_and_takes_nobody_away_by_a_rename() {
    let desk = Desk::new();
    desk.directory(&staff(3));
    desk.rosterd.file("rosterd.toml", "state_dir = \"state\"\n[run]\nwatch = true\n");
    let daemon = daemon(&desk);
    desk.sync(0);
    let (file, tenant) = (desk.rosterd.path().join("tenants/acme.toml"), "[scope]\nprotect = [\"p00\"]\n");
    let whole = std::fs::read_to_string(&file).unwrap() + tenant;
    // As an editor saves: away for a moment, half there, whole.
    std::fs::rename(&file, file.with_extension("toml~")).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    std::fs::write(&file, &whole).unwrap();
    until("the edit is taken up", || desk.rosterd.run(&["sync", "acme"]).code == Some(0));
    let log = daemon.stderr();
    assert!(!log.contains("removed") && !log.contains("mistakes"), "{log}");
    std::fs::rename(&file, file.with_extension("gone")).unwrap();
    let status = || desk.rosterd.run(&["status"]).stdout;
    until("it is told that its file is gone", || status().contains("its tenant file is gone"));
    until("the daemon lets it go", || daemon.stderr().contains("tenant removed; its app is left as it is"));
    desk.directory(&staff(1));
    assert_eq!(active(&desk).len(), 3, "The app is left as it is");
    std::fs::rename(file.with_extension("gone"), &file).unwrap();
    desk.directory(&staff(3));
    until("it goes on where it was", || desk.rosterd.run(&["sync", "acme"]).code == Some(0));
    assert!(!status().contains("its tenant file is gone"));
    end(daemon);
}
