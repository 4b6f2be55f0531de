//! Approvals as evidence: who gave them, when, for what, and no way round that. With the real binary, its socket and its files.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::SignedDuration;
use rosterd::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::cli::Desk;
use crate::daemon::{active, company, until};
use crate::support::rosterd::Running;

const LIMIT: Duration = Duration::from_secs(60);
/// Accounts that have no name on any machine.
const ANN: u32 = 61_001;
const BOB: u32 = 61_002;

fn staff(count: usize) -> Value {
    let names: Vec<String> = (0..count).map(|n| format!("p{n:02}")).collect();
    company(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A tenant of twelve of whom eight are to go, held, with these tables in its file.
fn held(tables: &str) -> (Desk, String) {
    let desk = Desk::new();
    desk.head_and_tables("schedule = \"every 1d\"\n", tables);
    desk.directory(&staff(12));
    desk.sync(0);
    desk.directory(&staff(4));
    desk.proxy.forget();
    let plan = desk.sync(3)["held_plan"].as_str().unwrap().to_owned();
    assert!(desk.proxy.writes().is_empty());
    (desk, plan)
}

fn daemon(desk: &Desk) -> Running {
    let daemon = desk.rosterd.spawn(&["run", "-v"]);
    until("it listens", || desk.rosterd.run(&["reload"]).code == Some(0));
    daemon
}

fn end(daemon: Running) {
    daemon.signal("TERM");
    daemon.wait(LIMIT).expect_code(0);
}

fn own_uid() -> u32 {
    std::fs::metadata("/proc/self").unwrap().uid()
}

/// Only root can act as other accounts; others see here that it was left out.
fn is_root() -> bool {
    let is = own_uid() == 0 && Path::new("/usr/bin/setpriv").exists();
    if !is {
        eprintln!("skipped: needs root and setpriv, to act as two accounts");
    }
    is
}

/// The daemon's answer to one line.
fn ask(desk: &Desk, request: &Value) -> Value {
    let stream = UnixStream::connect(desk.rosterd.path().join("state/.daemon/control.sock")).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let hello: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let asking = json!({"protocol": hello["hello"]["protocol"], "request": request});
    (&stream).write_all(format!("{asking}\n").as_bytes()).unwrap();
    loop {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        if !line["ended"].is_null() {
            return line["ended"].clone();
        }
    }
}

fn decide(plan: &str) -> Value {
    json!({"decide": {"tenant": "acme", "plan": plan, "verdict": "approve", "reason": "agreed", "lasts_secs": 3600, "says": null}})
}

fn records(desk: &Desk, event: &str) -> Vec<Value> {
    let shown = desk.rosterd.run(&["journal", "show", "acme", "--format", "json"]);
    let lines = shown.expect_code(0).stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|record| !record["event"][event].is_null()).map(|record| record["event"][event].clone()).collect()
}

/// What a command says that another account types; it sees no environment but this.
fn typed_as(uid: u32, desk: &Desk, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new("/usr/bin/setpriv")
        .args([&format!("--reuid={uid}"), &format!("--regid={uid}"), "--clear-groups", env!("CARGO_BIN_EXE_rosterd")])
        .args(["--config", desk.rosterd.path().join("rosterd.toml").to_str().unwrap()])
        .args(["--state-dir", desk.rosterd.path().join("state").to_str().unwrap()])
        .args(arguments)
        .env_clear()
        .env("USER", "the-ciso")
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// Lets other accounts come to the state folder and the binary, not to the files of the configuration.
fn passable(desk: &Desk) -> bool {
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(desk.rosterd.path(), 0o711);
    mode(&desk.rosterd.path().join("rosterd.toml"), 0o600);
    let (code, said) = typed_as(ANN, desk, &["--version"]);
    if code != Some(0) {
        eprintln!("skipped: another account can't start the binary: {code:?} {said}");
    }
    code == Some(0)
}

fn control(desk: &Desk) {
    let toml = format!(
        "state_dir = \"state\"\n[control]\napprove = [\"user:{ANN}\", \"group:{BOB}\"]\nread = [\"group:61009\"]\n"
    );
    desk.rosterd.file("rosterd.toml", &toml);
}

#[test]
fn sec5_a_request_says_neither_who_nor_when_and_what_it_adds_is_refused() {
    let (desk, plan) = held("");
    let daemon = daemon(&desk);
    let whole = json!({"plan": plan, "verdict": "approve", "by": "Board of Directors", "reason": "", "at": "1999-01-01T00:00:00Z",
                       "expires": "9999-01-01T00:00:00Z", "noted": true});
    let mut forged = vec![json!({"decide": {"tenant": "acme", "decision": whole}})];
    for (field, value) in [
        ("by", json!("Board of Directors")),
        ("at", json!("1999-01-01T00:00:00Z")),
        ("noted", json!(true)),
        ("expires", json!("9999-01-01T00:00:00Z")),
        ("identity", json!({"uid": 0})),
        ("more", json!(1)),
    ] {
        let mut request = decide(&plan);
        request["decide"][field] = value;
        forged.push(request);
    }
    forged.push(json!({"sync": {"tenant": "acme", "wish": {"dry_run": false, "only": null, "expected_plan": null, "trigger": "schedule"}, "file": 1, "listed": null}}));
    forged.push(json!({"pause": {"tenant": "acme", "mark": {"at": null, "by": "root", "reason": ""}}}));
    for request in forged {
        let answer = ask(&desk, &request);
        let message = answer["refused"]["message"].as_str().unwrap_or_else(|| panic!("{request}: {answer}"));
        assert!(
            message.contains("this is not a request") && message.contains("nothing was done"),
            "{request}: {message}"
        );
    }
    for (change, why) in
        [("lasts_secs", "7 days at most"), ("plan", "not a plan's id"), ("reason", "longer than 1000 characters")]
    {
        let mut request = decide(&plan);
        request["decide"][change] = match change {
            "lasts_secs" => json!(7 * 24 * 3600 + 1),
            "plan" => json!("../../etc/passwd"),
            _ => json!("x".repeat(1001)),
        };
        let message = ask(&desk, &request)["refused"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(why) && message.contains("nothing was decided"), "{change}: {message}");
    }
    assert_eq!(active(&desk).len(), 12);
    assert!(records(&desk, "decided").is_empty());
    assert!(ask(&desk, &decide(&plan))["decided"].is_object());
    until("the eight are switched off", || active(&desk).len() == 4);
    let decided = records(&desk, "decided").remove(0)["decision"].clone();
    assert_eq!((&decided["identity"]["uid"], &decided["reason"]), (&json!(own_uid()), &json!("agreed")), "{decided}");
    end(daemon);
}

#[test]
fn sec5_the_journal_has_the_approval_before_the_first_call_whatever_the_file_says_of_that() {
    let (desk, plan) = held("");
    let now = SystemClock.now();
    let time = |ahead: i64| (now + SignedDuration::from_secs(ahead)).to_string();
    let file = json!({"plan": plan, "verdict": "approve", "by": "Board of Directors", "reason": "", "at": time(0),
                      "expires": time(3600), "noted": true});
    desk.rosterd.secret(&format!("state/acme/decisions/{plan}.json"), &file.to_string());
    desk.sync(0);
    assert_eq!(active(&desk).len(), 4);
    let shown = desk.rosterd.run(&["journal", "show", "acme", "--format", "json"]).stdout;
    let place = |what: &str| shown.lines().position(|line| line.contains(what));
    let (decided, call) = (place("\"decided\""), place("\"deactivate_user\""));
    assert!(decided.is_some() && decided < call, "{shown}");
    let decision = records(&desk, "decided").remove(0)["decision"].clone();
    assert_eq!(
        (&decision["identity"]["uid"], &decision["identity"]["says"]),
        (&json!(own_uid()), &json!("Board of Directors"))
    );
    assert_ne!(decision["by"], "Board of Directors");
    // Put back, it is good for no other run.
    desk.directory(&staff(12));
    desk.sync(0);
    desk.rosterd.secret(&format!("state/acme/decisions/{plan}.json"), &file.to_string());
    desk.directory(&staff(4));
    assert_eq!(desk.rosterd.run(&["sync", "acme"]).code, Some(3));
    assert_eq!(active(&desk).len(), 12);
}

#[test]
fn sec5_a_file_that_is_not_the_states_owners_decides_nothing_and_is_named() {
    let (desk, plan) = held("");
    desk.rosterd.run(&["approve", "acme", &plan[..8]]).expect_code(0);
    let folder = desk.rosterd.path().join("state/acme/decisions");
    let file: PathBuf = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let told = |why: &str| {
        let run = desk.rosterd.run(&["sync", "acme"]);
        assert!(run.expect_code(3).stderr.contains(why), "{why}: {}", run.stderr);
        let status = desk.rosterd.run(&["status", "acme"]).stdout;
        assert!(status.contains("ignored decision:") && status.contains(why), "{why}: {status}");
        let json = desk.rosterd.run(&["status", "acme", "--format", "json"]).json();
        assert!(json[0]["refused_decisions"][0].as_str().unwrap().contains(why), "{json:#}");
    };
    told("can be written by others (mode 0666)");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    if own_uid() == 0 {
        std::os::unix::fs::chown(&file, Some(ANN), None).unwrap();
        told("belongs to uid 61001");
        std::os::unix::fs::chown(&file, Some(0), None).unwrap();
    }
    std::fs::rename(&file, desk.rosterd.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(desk.rosterd.path().join("elsewhere"), &file).unwrap();
    told("it is a link");
    assert!(desk.proxy.writes().is_empty());
    std::fs::remove_file(&file).unwrap();
    std::fs::rename(desk.rosterd.path().join("elsewhere"), &file).unwrap();
    desk.sync(0);
    assert_eq!(active(&desk).len(), 4);
}

#[test]
fn sec6_the_name_under_a_decision_is_the_accounts_and_not_what_the_environment_claims() {
    let (desk, plan) = held("");
    let claims = [("USER", "the-ciso"), ("SUDO_USER", "the-ciso"), ("LOGNAME", "the-ciso")];
    let typed = desk.rosterd.run_with(&["reject", "acme", &plan[..8], "--format", "json"], &claims);
    let check = |decision: &Value| {
        assert_eq!(
            (&decision["identity"]["uid"], &decision["identity"]["says"]),
            (&json!(own_uid()), &json!("the-ciso")),
            "{decision}"
        );
        assert_ne!(decision["by"], "the-ciso");
    };
    check(&typed.expect_code(0).json());
    let daemon = daemon(&desk);
    check(&desk.rosterd.run_with(&["approve", "acme", &plan[..8], "--format", "json"], &claims).expect_code(0).json());
    until("the eight are switched off", || active(&desk).len() == 4);
    records(&desk, "decided").iter().for_each(|decided| check(&decided["decision"]));
    desk.rosterd.run_with(&["pause", "acme", "--reason", "the app is moved"], &claims).expect_code(0);
    let paused = desk.rosterd.run(&["status", "acme", "--format", "json"]).json()[0]["paused"].clone();
    check(&paused);
    end(daemon);
    desk.rosterd.run(&["resume", "acme"]).expect_code(0);
    desk.rosterd.run_with(&["pause", "acme"], &claims).expect_code(0);
    check(&desk.rosterd.run(&["status", "acme", "--format", "json"]).json()[0]["paused"]);
}

#[test]
fn sec37_an_approval_counts_for_a_week_at_most() {
    let (desk, plan) = held("");
    for expires in ["3650d", "8d", "169h"] {
        let long = desk.rosterd.run(&["approve", "acme", &plan[..8], "--expires", expires]);
        assert!(
            long.expect_code(78).stderr.contains("7 days at most; nothing was decided"),
            "{expires}: {}",
            long.stderr
        );
    }
    desk.sync(3);
    desk.rosterd.run(&["approve", "acme", &plan[..8], "--expires", "7d"]).expect_code(0);
    desk.sync(0);
}

#[test]
fn sec16_what_is_shown_has_to_be_what_is_held() {
    let (desk, plan) = held("");
    let file = desk.rosterd.path().join("state/acme/held.json");
    let genuine = std::fs::read_to_string(&file).unwrap();
    let edits: [fn(&mut Value); 3] = [
        |held| {
            held["operations"].as_array_mut().unwrap().truncate(1);
            held["count"] = json!(1);
        },
        |held| held["operations"][0]["name"] = json!("somebody-harmless"),
        |held| held["count"] = json!(2),
    ];
    for edit in edits {
        let mut held: Value = serde_json::from_str(&genuine).unwrap();
        edit(&mut held);
        std::fs::write(&file, held.to_string()).unwrap();
        let approve = desk.rosterd.run(&["approve", "acme", &plan[..8]]);
        assert!(approve.expect_code(1).stderr.contains("the list does not match the held plan"), "{}", approve.stderr);
        let status = desk.rosterd.run(&["status", "acme"]).stdout;
        assert!(status.contains("the list does not match the held plan"), "{status}");
        assert_eq!(desk.rosterd.run(&["status", "acme", "--format", "json"]).json()[0]["held_plan_genuine"], false);
    }
    assert_eq!(desk.sync(3)["held_plan"], plan.as_str(), "the next run writes it again");
    assert_eq!(desk.rosterd.run(&["status", "acme", "--format", "json"]).json()[0]["held_plan_genuine"], true);
    desk.rosterd.run(&["approve", "acme", &plan[..8]]).expect_code(0);
    desk.sync(0);
}

#[test]
fn sec16_more_than_a_thousand_held_changes_are_bound_by_the_id_and_the_list_says_where_it_was_cut() {
    let desk = Desk::new();
    desk.directory(&staff(1010));
    desk.sync(0);
    desk.directory(&staff(5));
    let plan = desk.sync(3)["held_plan"].as_str().unwrap().to_owned();
    let status = desk.rosterd.run(&["status", "acme", "--format", "json"]).json();
    assert_eq!(status[0]["held_plan"]["operations"].as_array().unwrap().len(), 1000);
    assert_eq!(status[0]["held_plan_genuine"], true, "{}", status[0]["held_plan"]["rest"]);
    let file = desk.rosterd.path().join("state/acme/held.json");
    let genuine = std::fs::read_to_string(&file).unwrap();
    let mut held: Value = serde_json::from_str(&genuine).unwrap();
    held["count"] = json!(1000);
    held.as_object_mut().unwrap().remove("rest");
    std::fs::write(&file, held.to_string()).unwrap();
    desk.rosterd.run(&["approve", "acme", &plan[..8]]).expect_code(1);
    std::fs::write(&file, genuine).unwrap();
    let approve = desk.rosterd.run(&["approve", "acme", &plan[..8]]);
    assert!(approve.expect_code(0).stdout.contains("are part of the id and are not listed"), "{}", approve.stdout);
}

#[test]
fn sec7_a_loosened_guard_is_held_once_and_the_journal_says_what_each_run_was_judged_by() {
    let desk = Desk::new();
    desk.directory(&staff(60));
    desk.sync(0);
    let recorded = |at: usize| records(&desk, "run_started")[at]["guard"].clone();
    let usual = json!("10%, at least 3, at most 200");
    assert_eq!(recorded(0)["guard"]["removals_per_day"], usual, "{}", recorded(0));
    assert_eq!(recorded(0)["approval"]["people"], 1);
    let loose = "[guard]\nremovals_per_day = \"100%\"\ngroup_removals = \"100%\"\nsource_shrink = \"100%\"\nattribute_loss = \"100%\"\nsettings_change = \"100%\"\n";
    desk.tenant(loose);
    desk.directory(&staff(3));
    desk.proxy.forget();
    let report = desk.sync(3);
    let hold =
        report["holds"].as_array().unwrap().iter().find(|hold| hold["reason"] == "guard_change").unwrap().clone();
    let detail = hold["detail"].as_str().unwrap();
    assert!(detail.contains("removals_per_day: 10%, at least 3, at most 200 → 100%"), "{detail}");
    assert!(detail.contains("source_shrink: 20% → 100%"), "{detail}");
    assert!(desk.proxy.writes().is_empty(), "the old limits are in force: {report:#}");
    assert_eq!(records(&desk, "run_started").last().unwrap()["guard"]["guard"]["removals_per_day"], usual);
    desk.directory(&staff(60));
    let only_the_guard = desk.sync(3);
    assert_eq!(
        (&only_the_guard["planned"], &only_the_guard["holds"][0]["reason"]),
        (&json!(0), &json!("guard_change"))
    );
    let plan = only_the_guard["held_plan"].as_str().unwrap();
    desk.rosterd.run(&["approve", "acme", plan, "--reason", "a merger"]).expect_code(0);
    desk.sync(0);
    assert_eq!(records(&desk, "run_started").last().unwrap()["guard"]["guard"]["removals_per_day"], "100%");
    desk.sync(0);
    // Stricter again, which needs no approval, and is what the next edit is measured by, although nothing else happened.
    desk.tenant("");
    desk.sync(0);
    desk.tenant(loose);
    assert_eq!(desk.sync(3)["holds"][0]["reason"], "guard_change");
    desk.tenant("");
    desk.sync(0);
    let verify = desk.rosterd.run(&["journal", "verify", "acme"]);
    verify.expect_code(0);
}

#[test]
fn sec7_an_approval_from_before_the_guard_was_loosened_does_not_loosen_it() {
    let (desk, plan) = held("");
    desk.rosterd.run(&["approve", "acme", &plan]).expect_code(0);
    desk.head_and_tables("schedule = \"every 1d\"\n", "[guard]\nremovals_per_day = \"none\"\n");
    let report = desk.sync(3);
    assert_ne!(report["held_plan"], plan.as_str());
    assert!(desk.proxy.writes().is_empty(), "{report:#}");
}

#[test]
fn sec7_a_tenant_file_is_no_looser_than_the_floor() {
    let desk = Desk::new();
    let floor = "state_dir = \"state\"\n[floor.guard]\nremovals_per_day = \"5%, at least 2\"\ncreates_per_day = \"500\"\n[floor.approval]\npeople = 2\n";
    desk.rosterd.file("rosterd.toml", floor);
    desk.directory(&staff(4));
    desk.sync(0);
    let recorded = records(&desk, "run_started").remove(0)["guard"].clone();
    assert_eq!(
        recorded["guard"]["removals_per_day"], "5%, at least 2, at most 200",
        "of a key that is left out, the stricter"
    );
    assert_eq!((&recorded["guard"]["creates_per_day"], &recorded["approval"]["people"]), (&json!("500"), &json!(2)));
    desk.tenant("[guard]\nremovals_per_day = \"1%\"\n[approval]\npeople = 3\n");
    desk.rosterd.run(&["check"]).expect_code(0);
    desk.tenant("[guard]\nremovals_per_day = \"10%\"\ncreates_per_day = 501\n[approval]\npeople = 1\n");
    let check = desk.rosterd.run(&["check"]);
    check.expect_code(78);
    for part in [
        "acme.toml:10:20",
        "`removals_per_day = 10%` is looser than the floor `5%, at least 2`",
        "rosterd.toml:3:20",
        "acme.toml:11:19",
        "acme.toml:14:10",
        "`people = 1` is looser than the floor `2`",
        "rosterd.toml:6:10",
    ] {
        assert!(check.stderr.contains(part), "{part}: {}", check.stderr);
    }
    desk.rosterd.run(&["sync", "acme"]).expect_code(78);
}

#[test]
fn sec5_where_a_reason_is_required_an_approval_without_one_is_refused() {
    let (desk, plan) = held("[approval]\nreason = \"required\"\n");
    let refused = desk.rosterd.run(&["approve", "acme", &plan[..8]]);
    assert!(refused.expect_code(1).stderr.contains("needs a reason; nothing was decided"), "{}", refused.stderr);
    let daemon = daemon(&desk);
    let mut request = decide(&plan);
    request["decide"]["reason"] = json!("  ");
    assert!(ask(&desk, &request)["refused"]["message"].as_str().unwrap().contains("needs a reason"));
    desk.rosterd.run(&["approve", "acme", &plan[..8], "--reason", "the office closed"]).expect_code(0);
    until("the eight are switched off", || active(&desk).len() == 4);
    end(daemon);
}

#[test]
fn sec7_two_people_are_two_accounts_and_the_second_one_lets_it_pass() {
    if !is_root() {
        return;
    }
    let (desk, plan) = held("[approval]\npeople = 2\n");
    control(&desk);
    let daemon = daemon(&desk);
    if !passable(&desk) {
        return end(daemon);
    }
    let (code, said) = typed_as(ANN, &desk, &["approve", "acme", &plan[..8], "--reason", "agreed"]);
    assert!(
        code == Some(0) && said.contains("1 of 2 approvals") && said.contains("waiting for another person"),
        "{said}"
    );
    until("a run took notice", || !records(&desk, "decided").is_empty());
    let (code, said) = typed_as(ANN, &desk, &["approve", "acme", &plan[..8], "--reason", "once more"]);
    assert!(code == Some(0) && said.contains("1 of 2 approvals"), "one account is one person: {said}");
    assert_eq!(desk.rosterd.run(&["sync", "acme"]).code, Some(3));
    assert_eq!(active(&desk).len(), 12);
    let status = desk.rosterd.run(&["status", "acme"]).stdout;
    assert!(status.contains("1 of 2 approvals") && status.contains("uid 61001"), "{status}");
    // What is forged by the state's owner is from the state's owner.
    let (code, said) = typed_as(BOB, &desk, &["approve", "acme", &plan[..8], "--reason", "seen"]);
    assert!(code == Some(0), "{said}");
    until("the eight are switched off", || active(&desk).len() == 4);
    let used: Vec<Value> = records(&desk, "decided").into_iter().filter(|decided| decided["waits"] != true).collect();
    let mut uids: Vec<&Value> = used.iter().map(|decided| &decided["decision"]["identity"]["uid"]).collect();
    uids.sort_by_key(|uid| uid.as_u64());
    assert_eq!(uids, [&json!(ANN), &json!(BOB)]);
    assert!(used.iter().all(|decided| decided["decision"]["identity"]["says"] == "the-ciso"), "{used:?}");
    end(daemon);
}

#[test]
fn sec7_who_owns_or_last_edited_the_tenant_file_is_no_second_person() {
    if !is_root() {
        return;
    }
    let (desk, plan) = held("[approval]\npeople = 2\n");
    control(&desk);
    let file = desk.rosterd.path().join("tenants/acme.toml");
    // A file that another account owns is not even read.
    std::os::unix::fs::chown(&file, Some(ANN), None).unwrap();
    let refused = desk.rosterd.run(&["check"]);
    assert!(refused.expect_code(78).stderr.contains("belongs to user"), "{}", refused.stderr);
    std::os::unix::fs::chown(&file, Some(0), None).unwrap();
    let daemon = daemon(&desk);
    if !passable(&desk) {
        return end(daemon);
    }
    // An edit that changes nothing, which root has the daemon take over.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + "# seen\n").unwrap();
    desk.rosterd.run(&["reload"]).expect_code(0);
    let refused = ask(&desk, &decide(&plan));
    assert!(refused["refused"]["message"].as_str().unwrap().contains("last edited"), "{refused}");
    let (code, said) = typed_as(ANN, &desk, &["approve", "acme", &plan[..8], "--reason", "not mine any more"]);
    assert!(code == Some(0) && said.contains("1 of 2 approvals"), "{said}");
    assert_eq!(active(&desk).len(), 12);
    end(daemon);
}

#[test]
fn sec7_an_undo_needs_two_people_as_well() {
    if !is_root() {
        return;
    }
    let (desk, plan) = held("");
    desk.rosterd.run(&["approve", "acme", &plan]).expect_code(0);
    desk.sync(0);
    desk.head_and_tables("schedule = \"every 1d\"\n", "[approval]\npeople = 2\nactivate = true\nmemberships = true\n");
    control(&desk);
    let shown = desk.rosterd.run(&["undo", "acme", "last", "--dry-run", "--format", "json"]).json();
    let held = shown["held_plan"].as_str().unwrap_or_else(|| panic!("{shown:#}")).to_owned();
    let alone = desk.rosterd.run(&["undo", "acme", "last", "--approve", &held, "--yes", "--reason", "a slip"]);
    assert!(alone.expect_code(3).stderr.contains("1 of 2 approvals"), "{}", alone.stderr);
    assert_eq!(active(&desk).len(), 4);
    let daemon = daemon(&desk);
    if !passable(&desk) {
        return end(daemon);
    }
    let (code, said) = typed_as(BOB, &desk, &["approve", "acme", &held, "--reason", "a slip indeed"]);
    assert_eq!(code, Some(0), "{said}");
    until("it is in the journal", || {
        records(&desk, "decided").iter().any(|decided| decided["decision"]["plan"] == held.as_str())
    });
    // A sync comes to another plan, and takes nothing of it away.
    desk.rosterd.run(&["pause", "acme"]).expect_code(0);
    end(daemon);
    let both = desk.rosterd.run(&["undo", "acme", "last", "--approve", &held, "--yes", "--reason", "a slip"]);
    assert!(both.code == Some(0) || both.code == Some(4), "{}{}", both.stdout, both.stderr);
    assert_eq!(active(&desk).len(), 12);
}

#[test]
fn sec7_rights_on_the_socket_are_given_by_account_and_group() {
    if !is_root() {
        return;
    }
    let (desk, plan) = held("");
    control(&desk);
    let daemon = daemon(&desk);
    if !passable(&desk) {
        return end(daemon);
    }
    let stranger = 61_005;
    let reader = 61_009;
    for arguments in [&["status"][..], &["approve", "acme", &plan[..8]], &["reject", "acme", &plan]] {
        let (code, said) = typed_as(stranger, &desk, arguments);
        assert!(
            code == Some(1) && said.contains("uid 61005") && said.contains("may not do this"),
            "{arguments:?}: {said}"
        );
    }
    let (code, said) = typed_as(reader, &desk, &["status", "acme"]);
    assert!(code == Some(0) && said.contains(&plan) && said.contains("p05"), "{said}");
    let (code, said) = typed_as(reader, &desk, &["approve", "acme", &plan[..8]]);
    assert!(code == Some(1) && said.contains("`[control] approve`"), "{said}");
    let mut line = String::new();
    let sync = json!({"protocol": 3, "request": "reload"});
    let script = format!(
        "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\nf=s.makefile('rw')\nf.readline()\nf.write({:?}+chr(10))\nf.flush()\nprint(f.readline())",
        sync.to_string()
    );
    if Path::new("/usr/bin/python3").exists() {
        let output = Command::new("/usr/bin/setpriv")
            .args([
                &format!("--reuid={ANN}"),
                &format!("--regid={ANN}"),
                "--clear-groups",
                "/usr/bin/python3",
                "-c",
                &script,
            ])
            .arg(desk.rosterd.path().join("state/.daemon/control.sock"))
            .output()
            .unwrap();
        line = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(line.contains("`[control] operate`"), "who may approve may not operate: {line}");
    }
    let entries = std::fs::read_dir(desk.rosterd.path().join("state")).unwrap();
    for path in entries.map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with(".daemon")) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is nobody else's: {line}", path.display());
    }
    assert_eq!(active(&desk).len(), 12);
    end(daemon);
}
