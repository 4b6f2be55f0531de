//! Commands beside a daemon that alone has the secrets, as with `LoadCredential=`: the daemon carries them out, with the same result.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::{Desk, TOKEN, company, person};
use crate::daemon::{active, until};
use crate::support::proxy::{Fault, Rule};
use crate::support::rosterd::{Run, Running};

const LIMIT: Duration = Duration::from_secs(60);

/// An installation whose token is a systemd credential.
struct Service {
    desk: Desk,
    credentials: String,
}

impl Service {
    fn new(more: &str) -> Self {
        let desk = Desk::new();
        desk.head_and_tables("schedule = \"every 1d\"\n", more);
        let file = desk.rosterd.path().join("tenants/acme.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("{ file = \"../app.token\" }", "{ credential = \"app\" }")).unwrap();
        let secret = desk.rosterd.secret("credentials/app", TOKEN);
        let credentials = secret.parent().unwrap().display().to_string();
        Self { desk, credentials }
    }

    fn start(&self) -> Running {
        let daemon = self.desk.rosterd.spawn_with(&["run", "-v"], &[("CREDENTIALS_DIRECTORY", &self.credentials)]);
        until("it listens", || self.desk.rosterd.run(&["reload"]).code == Some(0));
        daemon
    }

    /// With the service's secrets, as `systemd-run -p LoadCredential=` runs it.
    fn here(&self, args: &[&str]) -> Run {
        self.desk.rosterd.run_with(args, &[("CREDENTIALS_DIRECTORY", &self.credentials)])
    }

    /// Without them.
    fn beside(&self, args: &[&str]) -> Run {
        self.desk.rosterd.run(args)
    }

    /// On a terminal where a person types this.
    fn typed(&self, args: &[&str], typed: &str) -> Output {
        let config = self.desk.rosterd.path().join("rosterd.toml").display().to_string();
        let line = [&[env!("CARGO_BIN_EXE_rosterd"), "--config", &config], args].concat().join(" ");
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(self.desk.rosterd.path());
        script.env_remove("CREDENTIALS_DIRECTORY").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = script.spawn().unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), typed.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

fn end(daemon: Running) -> String {
    daemon.signal("TERM");
    let ended = daemon.wait(LIMIT);
    ended.expect_code(0).stderr.clone()
}

/// What differs between two runs of one command is left out: which run it was, and when.
fn settled(text: &str) -> String {
    const KEYS: [&str; 5] = ["\"run\":", "\"started\":", "\"ended\":", "\"taken\":", "\"seconds\":"];
    let stays = |line: &&str| !KEYS.iter().any(|key| line.trim_start().starts_with(key));
    text.lines().filter(stays).collect::<Vec<_>>().join("\n")
}

/// A run that has something to undo: the one in which two users came.
fn two_newcomers(service: &Service) {
    let mut document = company();
    service.desk.sync(0);
    for (id, name) in [("p5", "eli"), ("p6", "fay")] {
        document["users"].as_array_mut().unwrap().push(person(id, name));
        document["groups"][0]["members"].as_array_mut().unwrap().push(json!(id));
    }
    service.desk.directory(&document);
    service.desk.sync(0);
    assert_eq!(active(&service.desk).len(), 5);
}

#[test]
fn every_command_gives_the_same_result_when_the_daemon_carries_it_out() {
    let service = Service::new("");
    let daemon = service.start();
    service.desk.sync(0);
    service.desk.hand_made("eve", &json!({}));
    let mut document = company();
    document["users"][0] = person("p1", "anna");
    service.desk.directory(&document);
    let commands: [&[&str]; 12] = [
        &["plan", "acme"],
        &["plan", "acme", "--detailed-exitcode"],
        &["plan", "acme", "--quiet"],
        &["sync", "acme", "--dry-run"],
        &["why", "acme", "bob"],
        &["why", "acme", "zoe"],
        &["drift", "acme", "--detailed-exitcode"],
        &["import", "acme"],
        &["doctor", "acme"],
        &["undo", "acme", "last", "--dry-run"],
        &["undo", "acme", "last"],
        &["retire", "acme", "--deactivate"],
    ];
    for command in commands {
        for format in ["human", "json"] {
            let args = [command, &["--format", format]].concat();
            let (here, beside) = (service.here(&args), service.beside(&args));
            assert_eq!(
                (beside.code, settled(&beside.stdout), settled(&beside.stderr)),
                (here.code, settled(&here.stdout), settled(&here.stderr)),
                "{args:?}"
            );
        }
    }
    let log = end(daemon);
    let carried = log.matches("carrying out a command").count();
    assert_eq!(carried, 24, "each of them, in each format, without the secrets: {log}");
    assert!(!log.contains(TOKEN), "i6");
}

#[test]
fn a_file_that_the_command_line_names_is_written_by_the_command() {
    let service = Service::new("");
    let daemon = service.start();
    service.desk.sync(0);
    service.desk.directory(&json!({"users": [person("p1", "ann")], "groups": []}));
    service.here(&["plan", "acme", "--out", "here.plan"]).expect_code(0);
    service.beside(&["plan", "acme", "--out", "beside.plan"]).expect_code(0);
    service.here(&["import", "acme", "--list", "here.csv"]).expect_code(0);
    service.beside(&["import", "acme", "--list", "beside.csv"]).expect_code(0);
    for (here, beside) in [("here.plan", "beside.plan"), ("here.csv", "beside.csv")] {
        let [here, beside] = [here, beside].map(|name| service.desk.rosterd.path().join(name));
        assert_eq!(std::fs::read(here).unwrap(), std::fs::read(&beside).unwrap());
        assert_eq!(
            std::fs::metadata(beside).unwrap().permissions().mode() & 0o777,
            0o600,
            "i6: only its owner reads it"
        );
    }
    let refused = service.beside(&["plan", "acme", "--out", "no/such/folder/plan"]);
    assert!(refused.expect_code(1).stderr.contains("saving no/such/folder/plan"), "{}", refused.stderr);
    end(daemon);
}

#[test]
fn undo_and_retire_are_shown_confirmed_and_then_done_by_the_daemon() {
    let service = Service::new("");
    let daemon = service.start();
    two_newcomers(&service);
    let refused = service.typed(&["undo", "acme", "last"], "no\n");
    let shown = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(shown.contains("to go on") && shown.contains("not confirmed; nothing was sent"), "{shown}");
    assert_eq!((refused.status.code(), active(&service.desk).len()), (Some(1), 5), "{shown}");
    let done = service.typed(&["undo", "acme", "last"], "acme\n");
    let shown = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(shown.contains("to go on") && shown.contains("deactivate"), "{shown}");
    assert_eq!(active(&service.desk).len(), 3, "{shown}");
    let refused = service.typed(&["retire", "acme"], "bolt\n");
    assert_eq!(refused.status.code(), Some(1));
    let mistyped = service.beside(&["retire", "acme", "--deactivate", "--yes-i-mean", "bolt"]);
    assert!(mistyped.expect_code(78).stderr.contains("nothing was done"), "{}", mistyped.stderr);
    let retired = service.beside(&["retire", "acme", "--deactivate", "--yes-i-mean", "acme", "--format", "json"]);
    let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap());
    assert_eq!(retired.expect_code(0).json()["retired"]["identity"]["uid"], own, "{}", retired.stdout);
    let after = service.beside(&["undo", "acme", "last"]);
    assert!(after.expect_code(1).stderr.contains("retired"), "{}", after.stderr);
    end(daemon);
}

#[test]
fn a_command_that_needs_the_lock_waits_for_the_run_of_the_daemon() {
    let service = Service::new("");
    service.desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::Delay(Duration::from_secs(3)));
    let daemon = service.start();
    let running = service.desk.rosterd.spawn(&["sync", "acme"]);
    until("the run is under way", || !service.desk.proxy.writes().is_empty());
    let retired = service.here(&["retire", "acme", "--leave", "--yes-i-mean", "acme"]);
    assert!(retired.expect_code(0).stderr.contains("waiting until it has ended"), "{}", retired.stderr);
    running.wait(LIMIT).expect_code(0);
    assert_eq!(active(&service.desk).len(), 3, "the run was whole");
    end(daemon);
}

/// An undo that has sent its first request and waits for the answer.
fn undo_under_way(service: &Service) -> Running {
    two_newcomers(service);
    service.desk.proxy.forget();
    service.desk.proxy.inject(Rule::on("PATCH", "/Users/").times(1), Fault::Delay(Duration::from_secs(3)));
    let undo = service.desk.rosterd.spawn(&["undo", "acme", "last", "--yes", "--format", "json"]);
    until("a request is under way", || service.desk.proxy.writes().iter().any(|call| call.path.contains("/Users/")));
    undo
}

#[test]
fn a_command_is_told_what_is_known_when_the_daemon_is_killed() {
    let service = Service::new("in_flight = 1\n");
    let daemon = service.start();
    let undo = undo_under_way(&service);
    daemon.signal("KILL");
    let lost = undo.wait(LIMIT);
    assert_eq!(lost.expect_code(1).stdout, "", "no half document");
    let error: Value = serde_json::from_str(lost.stderr.lines().last().unwrap()).unwrap();
    let (what, next) = (error["error"].as_str().unwrap(), error["hint"].as_str().unwrap());
    assert!(what.contains("closed the connection") && what.contains("the rest was not done"), "{what}");
    assert!(next.contains("rosterd journal show acme"), "{next}");
    drop(daemon);
    // And once more for a command that only reads.
    service.desk.proxy.heal();
    service.desk.proxy.inject(Rule::on("GET", "/Users"), Fault::Delay(Duration::from_secs(5)));
    let daemon = service.start();
    let listing = service.desk.rosterd.spawn(&["import", "acme"]);
    until("the daemon carries it out", || daemon.stderr().contains("carrying out a command"));
    daemon.signal("KILL");
    let lost = listing.wait(LIMIT);
    assert!(lost.expect_code(1).stderr.contains("`import` only reads: nothing was changed"), "{}", lost.stderr);
}

#[test]
fn an_interrupt_finishes_the_request_under_way_and_sends_no_other() {
    let service = Service::new("in_flight = 1\n");
    let daemon = service.start();
    let undo = undo_under_way(&service);
    let before = service.desk.proxy.writes().len();
    undo.signal("INT");
    let ended = undo.wait(LIMIT);
    assert!(ended.expect_code(4).stderr.contains("requests in progress are finished"), "{}", ended.stderr);
    assert_eq!(service.desk.proxy.writes().len(), before, "{}", ended.stdout);
    end(daemon);
}

#[test]
fn without_a_daemon_the_message_gives_the_line_to_paste() {
    let service = Service::new("");
    for command in [&["plan", "acme"][..], &["drift", "acme"], &["import", "acme"], &["undo", "acme", "last"]] {
        let refused = service.beside(command);
        let text = format!("{}{}", refused.stdout, refused.stderr);
        assert!(refused.code != Some(0) && text.contains("LoadCredential=app"), "{command:?}: {text}");
    }
}

#[test]
fn a_daemon_of_another_configuration_does_nothing() {
    let service = Service::new("");
    let daemon = service.start();
    let path = service.desk.rosterd.path();
    std::fs::create_dir(path.join("other")).unwrap();
    std::fs::create_dir(path.join("other/tenants")).unwrap();
    let text = std::fs::read_to_string(path.join("tenants/acme.toml")).unwrap();
    service.desk.rosterd.file("other/tenants/acme.toml", &text);
    let other = service.desk.rosterd.file("other/rosterd.toml", "state_dir = \"../state\"\n").display().to_string();
    let refused = service.beside(&["plan", "acme", "--config", &other]);
    assert!(refused.expect_code(78).stderr.contains("the daemon works with"), "{}", refused.stderr);
    end(daemon);
}
