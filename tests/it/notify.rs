//! Notifications of the real daemon, with a receiver on loopback.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::cli::{Desk, person};

pub(crate) struct Receiver {
    runtime: Runtime,
    server: MockServer,
}

impl Receiver {
    pub(crate) fn start(status: u16) -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(MockServer::start());
        let receiver = Self { runtime, server };
        receiver.answers(status);
        receiver
    }

    fn answers(&self, status: u16) {
        self.runtime.block_on(async {
            self.server.reset().await;
            Mock::given(method("POST")).respond_with(ResponseTemplate::new(status)).mount(&self.server).await;
        });
    }

    /// The port on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.server.address().port()
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        let requests = self.runtime.block_on(self.server.received_requests()).unwrap();
        requests.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
    }

    fn types(&self) -> Vec<String> {
        self.bodies().iter().map(|body| body["type"].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn until(&self, types: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.types() != types {
            assert!(Instant::now() < deadline, "{:?} instead of {types:?}", self.types());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

pub(crate) fn with_receiver(desk: &Desk, receiver: &Receiver) {
    desk.rosterd.secret("hook.key", "whsec_c2lnbmVkIHdpdGggdGhpcyBrZXksIHllcw==");
    let table = format!(
        "state_dir = \"state\"\n[notify.ops]\nurl = \"{}/hook\"\nsecret = {{ file = \"hook.key\" }}\nallow_http_loopback = true\n",
        receiver.server.uri()
    );
    desk.rosterd.file("rosterd.toml", &table);
}

fn company(people: std::ops::Range<u32>) -> Value {
    let names: Vec<String> = people.map(|n| format!("canary{n:02}")).collect();
    let users: Vec<Value> = names.iter().map(|name| person(&format!("id-{name}"), name)).collect();
    let members: Vec<String> = names.iter().map(|name| format!("id-{name}")).collect();
    json!({ "users": users, "groups": [{ "id": "g1", "name": "Staff", "members": members }] })
}

#[test]
fn a_hold_is_told_once_and_its_end_once_and_names_nobody() {
    let (desk, receiver) = (Desk::new(), Receiver::start(200));
    with_receiver(&desk, &receiver);
    desk.directory(&company(0..12));
    desk.head("schedule = \"every 1s\"\n");
    let daemon = desk.rosterd.spawn(&["run", "-v"]);
    let runs = || {
        let status = desk.rosterd.run(&["status", "acme", "--format", "json"]).json();
        status[0]["last_run"]["run"].as_str().unwrap_or_default().to_owned()
    };
    let until_runs = |times: u32| {
        for _ in 0..times {
            let (before, deadline) = (runs(), Instant::now() + Duration::from_secs(60));
            while runs() == before {
                assert!(Instant::now() < deadline, "it runs no more");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    };
    until_runs(1);
    desk.directory(&company(0..5));
    receiver.until(&["hold"]);
    until_runs(2);
    receiver.until(&["hold"]);
    let hold = receiver.bodies().remove(0);
    assert_eq!((&hold["tenant"], &hold["severity"]), (&json!("acme"), &json!("action")));
    assert!(!hold.to_string().contains("canary"), "i6: {hold:#}");

    // A restart tells nothing again.
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(60)).expect_code(0);
    let daemon = desk.rosterd.spawn(&["run", "-v"]);
    until_runs(2);
    receiver.until(&["hold"]);
    desk.directory(&company(0..12));
    receiver.until(&["hold", "hold_resolved"]);

    desk.head("schedule = \"often\"\n");
    daemon.signal("HUP");
    receiver.until(&["hold", "hold_resolved", "file_mistake"]);
    let place = receiver.bodies().remove(2)["facts"]["place"].as_str().unwrap().to_owned();
    assert!(place.ends_with("acme.toml:1:12"), "{place}");
    desk.head("schedule = \"every 1s\"\n");
    daemon.signal("HUP");
    receiver.until(&["hold", "hold_resolved", "file_mistake", "file_mended"]);
    desk.rosterd.secret("app.token", "revoked");
    // The index answers a run in which nothing changed: only one with something to send needs the token.
    desk.directory(&company(0..13));
    receiver.until(&["hold", "hold_resolved", "file_mistake", "file_mended", "credential_refused"]);
    daemon.signal("TERM");
    let ended = daemon.wait(Duration::from_secs(60));
    assert!(!ended.expect_code(0).stderr.contains("canary"), "i6: no names in the log\n{}", ended.stderr);
    assert!(ended.stderr.contains("event=\"credential_refused\""), "{}", ended.stderr);
}

#[test]
fn what_a_receiver_does_not_take_is_shown_and_a_test_message_tells_why() {
    let (desk, receiver) = (Desk::new(), Receiver::start(200));
    let none = desk.rosterd.run(&["notify", "--test"]);
    assert!(none.expect_code(78).stderr.contains("[notify.ops]"), "{}", none.stderr);
    with_receiver(&desk, &receiver);
    let taken = desk.rosterd.run(&["notify", "--test"]);
    assert!(taken.expect_code(0).stdout.contains("delivered ops: the receiver answered 200"), "{}", taken.stdout);
    assert_eq!(receiver.types(), ["test"]);
    receiver.answers(500);
    let refused = desk.rosterd.run(&["notify", "ops", "--test", "--format", "json"]);
    assert_eq!(refused.expect_code(1).json()[0]["taken"], false);
    desk.rosterd.run(&["notify", "nobody"]).expect_code(78);
    desk.rosterd.file("hook.key", "");
    std::fs::remove_file(desk.rosterd.path().join("hook.key")).unwrap();
    let keyless = desk.rosterd.run(&["notify", "--test"]);
    assert!(keyless.expect_code(1).stdout.contains("hook.key does not exist"), "{}", keyless.stdout);

    with_receiver(&desk, &receiver);
    desk.rosterd.tenant("bolt", "schedule = \"often\"\n");
    let daemon = desk.rosterd.spawn(&["run"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    let shown = || desk.rosterd.run(&["notify"]).expect_code(0).stdout.clone();
    while !(shown().contains("1 message queued") && shown().contains("answered 500")) {
        assert!(Instant::now() < deadline, "{}", shown());
        std::thread::sleep(Duration::from_millis(50));
    }
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(60)).expect_code(0);

    for (table, told) in [
        ("[notify.Ops]\nurl = \"https://a.example\"\nsecret = { env = \"K\" }\n", "can't be a receiver's name"),
        ("[notify.ops]\nurl = \"http://a.example\"\nsecret = { env = \"K\" }\n", "in the clear"),
        ("[notify.ops]\nurl = \"https://a.example\"\nsecret = \"s3cr3t\"\n", "never written in this file"),
        (
            "[notify.ops]\nurl = \"https://a.example\"\nsecret = { env = \"K\" }\nevents = [\"holds\"]\n",
            "did you mean `hold`",
        ),
    ] {
        desk.rosterd.file("rosterd.toml", table);
        let check = desk.rosterd.run(&["check", "acme"]);
        assert!(check.expect_code(78).stderr.contains(told), "{table}\n{}", check.stderr);
        assert!(!check.stderr.contains("s3cr3t"), "i6: {}", check.stderr);
    }
}

#[test]
fn a_test_message_has_the_form_of_its_receiver() {
    let (desk, receiver) = (Desk::new(), Receiver::start(200));
    desk.rosterd.secret("hook.key", "T0/B0/xyz");
    desk.rosterd.file("own.toml", "path = \"{secret}\"\nbody = '{ \"note\": \"{subject} for {team}\" }'\n");
    let table = |name: &str, more: &str| {
        format!(
            "[notify.{name}]\nurl = \"{}/services\"\nsecret = {{ file = \"hook.key\" }}\nallow_http_loopback = true\n{more}\n",
            receiver.server.uri()
        )
    };
    let (slack, own) =
        (table("slack", "format = \"slack\""), table("own", "template = \"own.toml\"\nvalues = { team = \"IT\" }"));
    desk.rosterd.file("rosterd.toml", &format!("state_dir = \"state\"\n{slack}{own}"));
    let sent = desk.rosterd.run(&["notify", "--test"]);
    let shown = sent.expect_code(0).stdout.clone();
    assert!(shown.contains("delivered slack") && shown.contains("delivered own") && !shown.contains("xyz"), "{shown}");
    assert_eq!(receiver.bodies()[0], json!({"note": "rosterd: this is a test for IT"}));
    assert_eq!(receiver.bodies()[1], json!({"text": "*rosterd: this is a test*\nMessages from rosterd arrive here."}));
    let paths = receiver.runtime.block_on(receiver.server.received_requests()).unwrap();
    assert!(paths.iter().all(|request| request.url.path() == "/services/T0/B0/xyz"), "{paths:?}");
    assert!(paths.iter().all(|request| !request.headers.contains_key("webhook-signature")), "{paths:?}");
    desk.rosterd.file("own.toml", "body = '{'\n");
    let check = desk.rosterd.run(&["check"]);
    assert!(check.expect_code(78).stderr.contains("`body` is not JSON"), "{}", check.stderr);
}
