//! Imports that go on in the daemon (J16), with JumpCloud's stand-in as the directory: interruptions, pauses, runs in between, its end.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::scene::{Wording, company, tenant};
use crate::cli::{Desk, TOKEN};
use crate::daemon::until;
use crate::notify::{Receiver, with_receiver};
use crate::support::directory::uid;
use crate::support::jumpcloud::{API_KEY, JumpCloud, Rights};
use crate::support::proxy::{Fault, Rule};
use crate::support::rosterd::Running;

const LIMIT: Duration = Duration::from_secs(60);

/// Accounts that were created in the app by hand.
const NEW: usize = 150;

struct Long {
    cloud: JumpCloud,
    desk: Desk,
    receiver: Receiver,
    text: String,
}

impl Long {
    /// A company in sync, 150 accounts that the directory does not know, and a daemon to come; every create takes a while.
    fn new(schedule: &str, each: Duration) -> Self {
        let cloud = JumpCloud::start(&company());
        cloud.change(|org| org.bind("Heap", &["sales", "eng"]));
        let (desk, receiver) = (Desk::new(), Receiver::start(200));
        with_receiver(&desk, &receiver);
        let text = tenant(&desk.rosterd, &cloud, &cloud.base_url(), (&desk.proxy.base_url, TOKEN), Wording::default());
        let text = format!("schedule = \"{schedule}\"\n{text}");
        desk.rosterd.tenant("acme", &text);
        desk.sync(0);
        for number in 0..NEW {
            let email = format!("canary{number:03}@new.test");
            desk.hand_made(
                &format!("canary{number:03}"),
                &json!({"name": {"givenName": "New", "familyName": "Canary"}, "emails": [{"value": email, "type": "work"}]}),
            );
        }
        desk.proxy.forget();
        cloud.inject(Rule::on("POST", "/api/systemusers").times(usize::MAX), Fault::Delay(each));
        Self { cloud, desk, receiver, text }
    }

    fn daemon(&self) -> Running {
        let daemon = self.desk.rosterd.spawn(&["run", "-v"]);
        until("it listens", || self.desk.rosterd.run(&["reload"]).code == Some(0));
        daemon
    }

    fn import(&self) -> Value {
        self.desk.rosterd.run(&["status", "acme", "--format", "json"]).expect_code(0).json()[0]["import"].clone()
    }

    fn done(&self) -> u64 {
        self.import()["done"].as_u64().unwrap_or_default()
    }

    fn is(&self, state: &str) -> bool {
        self.import()["state"] == state
    }

    fn begin(&self) {
        let run = self.desk.rosterd.run(&["import", "acme", "--create-all", "--background"]);
        assert!(run.expect_code(0).stdout.contains("runs in the background"), "{}", run.stdout);
    }

    /// The user names of those who were created, one entry a user.
    fn created(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.cloud.change(|org| {
            let people = org.people.values().filter(|person| text(&person["email"]).ends_with("@new.test"));
            people.map(|person| text(&person["username"])).collect()
        })
    }

    fn report(&self) -> (Value, u32) {
        let path = PathBuf::from(self.import()["report"].as_str().expect("a report"));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        (serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap(), mode)
    }

    /// The messages about ends of imports.
    fn told(&self) -> Vec<Value> {
        self.receiver.bodies().into_iter().filter(|body| body["type"] == "import_finished").collect()
    }
}

fn end(daemon: Running) {
    daemon.signal("TERM");
    daemon.wait(LIMIT).expect_code(0);
}

#[test]
fn j16_150_users_are_created_once_in_the_background_through_a_stop_and_a_kill() {
    let long = Long::new("every 1d", Duration::from_millis(60));
    let desk = &long.desk;
    let daemon = long.daemon();
    // More than 100 beside a daemon need no flag.
    let first = desk.rosterd.run(&["import", "acme", "--create-all"]);
    assert!(first.expect_code(0).stdout.contains("the import of 150 users runs in the background"), "{}", first.stdout);
    let second = desk.rosterd.run(&["import", "acme", "--create-all", "--background"]);
    assert!(
        second.expect_code(75).stderr.contains("the daemon is already importing users for acme"),
        "{}",
        second.stderr
    );
    until("some are created", || long.done() >= 15);
    let shown = desk.rosterd.run(&["status", "acme"]).stdout.clone();
    assert!(shown.contains("of 150 users: ") && shown.contains(" a minute") && shown.contains(" left"), "{shown}");
    let now = long.import();
    assert_eq!((&now["state"], &now["total"]), (&json!("creating"), &json!(NEW)), "{now:#}");
    assert!(now["per_minute"].as_f64().unwrap() > 0.0 && now["seconds_left"].is_u64(), "{now:#}");

    end(daemon);
    let interrupted = long.import();
    assert_eq!(interrupted["state"], "interrupted", "{interrupted:#}");
    assert!(long.done() < NEW as u64);
    let shown = desk.rosterd.run(&["status", "acme"]).stdout.clone();
    assert!(shown.contains("it goes on when the daemon starts"), "{shown}");

    let (daemon, before) = (long.daemon(), long.created().len() as u64);
    until("it goes on", || long.done() > before + 10);
    daemon.signal("KILL");
    let _killed = daemon.wait(LIMIT);
    assert!(long.is("interrupted"), "{:#}", long.import());
    assert!(long.told().is_empty());

    let daemon = long.daemon();
    until("the end", || long.is("finished"));
    let ended = long.import();
    for (key, expected) in
        [("done", NEW), ("created", NEW), ("found", 0), ("failed", 0), ("not_tried", 0), ("resumed", 2)]
    {
        assert_eq!(ended[key], json!(expected), "{key}: {ended:#}");
    }
    let names = long.created();
    assert_eq!((names.len(), names.iter().collect::<BTreeSet<_>>().len()), (NEW, NEW), "i3: each once");
    assert!(desk.proxy.writes().is_empty(), "nothing is written to the app");
    let (report, mode) = long.report();
    assert_eq!(mode, 0o600);
    assert_eq!(report["results"].as_array().unwrap().len(), NEW);
    assert!(report["results"].as_array().unwrap().iter().all(|one| one["result"] == "created"), "{report:#}");
    until("the message", || long.told().len() == 1);
    let told = long.told().remove(0);
    assert_eq!((&told["facts"]["created"], &told["severity"]), (&json!(NEW), &json!("info")), "{told:#}");
    assert_eq!(told["facts"]["report"], ended["report"]);
    assert!(!told.to_string().contains("canary"), "i6: {told:#}");

    // Nobody is left, and a restart tells nothing again.
    end(daemon);
    let daemon = long.daemon();
    desk.rosterd.run(&["import", "acme", "--create-all", "--background"]).expect_code(0);
    until("the end of an import of nobody", || long.is("finished") && long.import()["total"] == 0);
    until("its message", || long.told().len() == 2);
    assert_eq!(long.created().len(), NEW);
    let ended = daemon_log(daemon);
    assert!(!ended.contains("canary"), "i6: no names in the log\n{ended}");
}

fn daemon_log(daemon: Running) -> String {
    daemon.signal("TERM");
    daemon.wait(LIMIT).expect_code(0).stderr.clone()
}

#[test]
fn j16_a_leaver_of_the_same_tenant_does_not_wait_for_a_long_import() {
    let long = Long::new("every 1s", Duration::from_millis(300));
    let daemon = long.daemon();
    long.begin();
    until("some are created", || long.done() >= 5);
    assert_eq!(long.desk.account(&uid(63))["active"], true);
    long.cloud.change(|org| org.suspend(63));
    until("the leaver is out", || long.desk.account(&uid(63))["active"] == false);
    let import = long.import();
    assert!(import["state"] == "creating" && long.done() < NEW as u64, "{import:#}");
    // The import goes on between the runs.
    let before = long.done();
    until("it goes on", || long.done() > before);
    let stopped = long.desk.rosterd.run(&["import", "acme", "--stop"]);
    assert!(stopped.expect_code(0).stdout.contains("ends after the user"), "{}", stopped.stdout);
    until("it is stopped", || long.is("stopped"));
    let import = long.import();
    assert_eq!(import["reason"], "operator", "{import:#}");
    assert_eq!(import["not_tried"].as_u64().unwrap() + import["done"].as_u64().unwrap(), NEW as u64, "{import:#}");
    let again = long.desk.rosterd.run(&["import", "acme", "--stop"]);
    assert!(again.expect_code(1).stderr.contains("the daemon is not importing users for acme"), "{}", again.stderr);
    end(daemon);
}

#[test]
fn j16_an_import_waits_for_a_pause_and_stops_at_a_refused_key_or_another_file() {
    let long = Long::new("every 1d", Duration::from_millis(60));
    let desk = &long.desk;
    let daemon = long.daemon();
    long.begin();
    until("some are created", || long.done() >= 5);
    desk.rosterd.run(&["pause", "acme", "--reason", "a test"]).expect_code(0);
    until("it waits", || long.import()["waits_for"] == "pause");
    let (before, posts) = (long.done(), long.created().len());
    let shown = desk.rosterd.run(&["status", "acme"]).stdout.clone();
    assert!(shown.contains("the end of the pause"), "{shown}");
    desk.rosterd.run(&["resume", "acme"]).expect_code(0);
    until("it goes on", || long.done() > before);
    assert!(long.created().len() > posts);

    long.cloud.change(|org| org.keys.clear());
    until("it stops", || long.is("stopped"));
    let stopped = long.import();
    assert_eq!((&stopped["reason"], &stopped["failed"]), (&json!("credential"), &json!(1)), "{stopped:#}");
    assert!(stopped["not_tried"].as_u64().unwrap() > 0, "{stopped:#}");
    until("the message", || long.told().len() == 1);
    let told = long.told().remove(0);
    assert_eq!((&told["severity"], &told["facts"]["reason"]), (&json!("action"), &json!("credential")), "{told:#}");
    let (report, mode) = long.report();
    assert_eq!((mode, report["results"].as_array().unwrap().len()), (0o600, NEW));
    let shown = desk.rosterd.run(&["status", "acme"]).stdout.clone();
    assert!(shown.contains("import stopped") && shown.contains("refused the credential"), "{shown}");

    long.cloud.change(|org| {
        org.keys.insert(API_KEY.to_owned(), Rights::all());
    });
    let created = long.created().len();
    long.begin();
    until("it goes on with the rest", || long.created().len() > created + 5);
    assert_eq!(long.import()["total"], json!(NEW - created), "only those who are not there yet");
    desk.rosterd.tenant("acme", &long.text.replace("in_flight = 8", "in_flight = 7"));
    desk.rosterd.run(&["reload"]).expect_code(0);
    until("it stops", || long.is("stopped"));
    assert_eq!(long.import()["reason"], "file_edited", "{:#}", long.import());

    let chosen: Vec<String> = (0..NEW).map(|number| format!("canary{number:03}")).collect();
    let mut command = vec!["import", "acme", "--format", "json", "--create"];
    command.extend(chosen.iter().map(String::as_str));
    let handed = desk.rosterd.run(&command).expect_code(0).json();
    assert_eq!((&handed["background"], &handed["planned"]), (&json!(true), &json!(NEW)), "{handed:#}");
    until("the end", || long.is("finished"));
    let ended = long.import();
    assert_eq!(ended["created"].as_u64().unwrap() + ended["found"].as_u64().unwrap(), NEW as u64, "{ended:#}");
    assert_eq!(long.created().iter().collect::<BTreeSet<_>>().len(), NEW);
    assert_eq!(long.created().len(), NEW, "i3: each once");
    end(daemon);
}
