//! The real binary against directories and apps that know no measure: lists without end, answers that are larger than what was asked
//! for, names of any length.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Desk, company, person};
use crate::daemon::until;
use crate::faults::{ok, rude_app, tenant_at};
use crate::support::scripted_ldap::{Request, Say, entry, serve};

/// The requests that an app got, each by its first line.
type Heard = Arc<Mutex<Vec<String>>>;

/// An app that answers by the first line of a request.
fn app(answer: impl Fn(&str, usize) -> Value + Send + 'static) -> (String, Heard) {
    let heard = Heard::default();
    let log = Arc::clone(&heard);
    let url = rude_app(move |head, connection| {
        let line = head.lines().next().unwrap_or_default().to_owned();
        let number = {
            let mut log = log.lock().unwrap();
            log.push(line.clone());
            log.len()
        };
        let body = answer(&line, number).to_string();
        match line.starts_with("POST") {
            true => created(connection, body.as_bytes()),
            false => ok(connection, DATE, body.as_bytes()),
        }
    });
    (url, heard)
}

/// The app's clock, which stands still.
const DATE: &str = "date: Tue, 01 Dec 2026 08:00:00 GMT\r\n";

/// What `POST` is answered with when something was made.
fn created(connection: &mut TcpStream, body: &[u8]) {
    let head =
        format!("HTTP/1.1 201 Created\r\ncontent-type: application/scim+json\r\n{DATE}connection: close\r\n\r\n");
    // Whoever hangs up early has seen enough.
    let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(body));
}

fn count(heard: &Heard, part: &str) -> usize {
    heard.lock().unwrap().iter().filter(|line| line.contains(part)).count()
}

/// An app without anybody that makes whoever it is told to.
fn obliging(line: &str, number: usize) -> Value {
    match line.starts_with("GET") {
        true => json!({ "totalResults": 0, "Resources": [] }),
        false => json!({ "id": patched(line).unwrap_or_else(|| format!("n{number}")) }),
    }
}

/// The id that a change is about.
fn patched(line: &str) -> Option<String> {
    let path = line.strip_prefix("PATCH ")?.split(' ').next()?;
    path.rsplit('/').next().map(str::to_owned)
}

/// An app whose list has somebody new on every page, and no last page.
fn endless(line: &str, number: usize) -> Value {
    match line.contains("filter=") {
        true => json!({ "totalResults": 0, "Resources": [] }),
        false => json!({
            "Resources": [{ "id": format!("x{number}"), "userName": format!("x{number}") }], "nextCursor": format!("c{number}"),
        }),
    }
}

const LISTED: &str = "read.look_up = \"list\"\nread.time_limit = \"2s\"\n";

#[test]
fn ma7_an_app_whose_list_never_ends_is_given_up_and_the_key_is_named() {
    let desk = Desk::new();
    let (url, heard) = app(endless);
    tenant_at(&desk, &url, LISTED);
    let begun = Instant::now();
    let run = desk.rosterd.run(&["sync", "acme"]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    for part in ["time limit of 2s", "rows had come", "no account is taken for absent", "read.time_limit = \"1m\""] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert_eq!(count(&heard, "POST") + count(&heard, "PATCH") + count(&heard, "DELETE"), 0);
    let drift = desk.rosterd.run(&["drift", "acme"]);
    assert!(drift.code == Some(1) && drift.stderr.contains("time limit of 2s"), "{:?} {}", drift.code, drift.stderr);
}

#[test]
fn ma7_a_directory_whose_pages_never_end_is_given_up_and_the_key_is_named() {
    let desk = Desk::new();
    let mut next = 0;
    let url = serve(move |request| match request {
        Request::Bind => vec![Say::Bound(0)],
        Request::Search(_) => {
            let people = (next..next + 5).map(|number| {
                let (dn, id) = (format!("uid=u{number},dc=x"), format!("id-{number}"));
                entry(&dn, &[("entryUUID", &id), ("uid", &format!("u{number}"))])
            });
            let page: Vec<Say> = people.chain([Say::Done(0, Some(format!("c{next}").into()))]).collect();
            next += 5;
            std::thread::sleep(Duration::from_millis(20));
            page
        }
    });
    desk.rosterd.secret("ldap.password", "reader");
    let (app_url, heard) = app(obliging);
    desk.rosterd.tenant(
        "acme",
        &format!(
            "[source.ldap]\nurl = \"{url}\"\nallow_plain_loopback = true\nloopback_port_may_change = true\npreset = \"openldap\"\nbind_dn = \"cn=reader\"\n\
             password = {{ file = \"../ldap.password\" }}\nbase = \"dc=x\"\n[scope]\nusers = \"true\"\nall_users = true\n[target]\nbase_url = \"{app_url}\"\n\
             token = {{ file = \"../app.token\" }}\nallow_http_loopback = true\nloopback_port_may_change = true\n[target.override_profile]\n{LISTED}"
        ),
    );
    let begun = Instant::now();
    let run = desk.rosterd.run(&["sync", "acme"]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    for part in
        ["reading the directory", "time limit of 2s", "entries had come", "nothing was planned", "read.time_limit"]
    {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert!(heard.lock().unwrap().is_empty(), "the app is not asked about anybody");
}

#[test]
fn ma7_a_tenant_whose_app_never_ends_its_list_does_not_starve_the_others() {
    let desk = Desk::new();
    let (url, heard) = app(endless);
    desk.head("schedule = \"every 1s\"\n");
    desk.rosterd.tenant(
        "aaa",
        &format!(
            "schedule = \"every 1s\"\n[source.file]\npath = \"../people.json\"\n[target]\nbase_url = \"{url}\"\n\
             token = {{ file = \"../app.token\" }}\nallow_http_loopback = true\nloopback_port_may_change = true\n[target.override_profile]\n\
             transport.discovery = false\n{LISTED}"
        ),
    );
    let daemon = desk.rosterd.spawn(&["run", "--workers", "1"]);
    until("the other tenant's people have accounts", || desk.user_names() == ["ann", "bob", "cid"]);
    until("the tenant says why it fails", || {
        let status = desk.rosterd.run(&["status", "aaa"]).stdout;
        status.contains("failing") && status.contains("time limit of 2s")
    });
    assert!(count(&heard, "GET") > 0 && count(&heard, "POST") == 0);
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(60)).expect_code(0);
}

#[test]
fn ma7_no_account_is_created_for_a_user_behind_an_empty_page() {
    let desk = Desk::new();
    let (url, heard) = app(|line, number| {
        let of_ann = line.contains("userName") && line.contains("ann");
        match line.contains("cursor=behind") {
            true => json!({ "Resources": [{ "id": "ann-1", "userName": "ann", "active": true }] }),
            false if of_ann => json!({ "Resources": [], "nextCursor": "behind" }),
            false => obliging(line, number),
        }
    });
    tenant_at(&desk, &url, "read.look_up = \"filter\"\n");
    let run = desk.rosterd.run(&["sync", "acme", "--format", "json"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let report = run.json();
    assert_eq!(
        (&report["summary"]["adopt_user"], &report["summary"]["create_user"]),
        (&json!(1), &json!(2)),
        "{report:#}"
    );
    assert_eq!(count(&heard, "POST /scim/v2/Users"), 2);
}

/// How many bytes a tenant's state has, without the cache.
fn written(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let size = |entry: std::fs::DirEntry| match entry.metadata().unwrap() {
        about if about.is_dir() && entry.file_name() == "cache" => 0,
        about if about.is_dir() => written(&entry.path()),
        about => about.len(),
    };
    entries.map(size).sum()
}

#[test]
fn i7_what_an_app_makes_of_values_does_not_fill_the_state_and_is_compared_all_the_same() {
    let desk = Desk::new();
    let letter = Arc::new(Mutex::new("x"));
    let accounts: Arc<Mutex<Vec<Value>>> = Arc::default();
    let (writes, shown) = (Arc::clone(&accounts), Arc::clone(&letter));
    let names = ["ann", "bob", "cid"];
    let (url, _heard) = app(move |line, number| {
        let fat = shown.lock().unwrap().repeat(200 << 10);
        let mut accounts = writes.lock().unwrap();
        if line.starts_with("POST /scim/v2/Users") {
            let name = names[accounts.len()];
            let user = json!({ "id": format!("id-{name}"), "userName": name, "active": true });
            accounts.push(user.clone());
            let mut answer = user;
            answer["displayName"] = fat.into();
            // Other values than were sent: only the date shows that the account is new.
            answer["meta"] = json!({ "created": "2026-12-01T08:00:00Z" });
            return answer;
        }
        if line.contains("/Users?") && !line.contains("filter=") {
            let users = accounts.iter().map(|user| {
                let mut user = user.clone();
                user["displayName"] = fat.clone().into();
                user
            });
            return json!({ "totalResults": accounts.len(), "Resources": users.collect::<Vec<_>>() });
        }
        obliging(line, number)
    });
    let profile = "transport.max_response_bytes = 8388608\npace.in_flight = 1\ngroups.support = \"off\"\nusers.send_external_id = false\n";
    let extra = |text: &str| text.replace("transport.max_response_bytes = 65536\n", "");
    desk.rosterd.tenant(
        "acme",
        &extra(&format!(
            "[source.file]\npath = \"../people.json\"\n[target]\nbase_url = \"{url}\"\ntoken = {{ file = \"../app.token\" }}\n\
             allow_http_loopback = true\nloopback_port_may_change = true\n[users.attributes]\nuserName = \"userName\"\ndisplayName = \"displayName\"\n\
             [target.override_profile]\ntransport.discovery = false\n{profile}"
        )),
    );
    let run = desk.rosterd.run(&["sync", "acme"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let state = desk.rosterd.path().join("state/acme");
    assert!(written(&state) < 100 << 10, "600 KiB were answered, {} bytes were written", written(&state));
    let again = desk.rosterd.run(&["sync", "acme"]);
    assert!(again.code == Some(0) && again.stdout.contains("0 calls to the app"), "{}{}", again.stdout, again.stderr);
    let drift = desk.rosterd.run(&["drift", "acme"]);
    assert_eq!(drift.code, Some(0), "{}{}", drift.stdout, drift.stderr);
    assert!(
        drift.stdout.contains("nothing was changed by hand"),
        "{}",
        drift.stdout.get(..2000).unwrap_or(&drift.stdout)
    );
    *letter.lock().unwrap() = "y";
    let drift = desk.rosterd.run(&["drift", "acme"]);
    assert!(drift.stdout.contains("displayName") && drift.stdout.contains("ann"), "{} {}", drift.stdout, drift.stderr);
    assert!(drift.stdout.len() < 10_000, "what is said stays small: {}", drift.stdout.len());
    assert!(written(&state) < 100 << 10, "{}", written(&state));
}

#[test]
fn sec31_a_name_of_absurd_length_keeps_its_record_back_and_is_never_sent() {
    let desk = Desk::new();
    let mut document = company();
    document["users"][0]["userName"] = "a".repeat(5000).into();
    desk.directory(&document);
    let report = desk.sync(4);
    assert_eq!(report["failed"], 1, "{report:#}");
    let failed = report["operations"].as_array().unwrap().iter().find(|one| one["result"] != "done").unwrap();
    assert!(failed.to_string().contains("at most 4096 are sent") && failed.to_string().len() < 2000, "{failed:#}");
    assert_eq!(desk.user_names(), ["bob", "cid"]);
    let state = desk.rosterd.path().join("state/acme");
    assert!(written(&state) < 100 << 10, "{}", written(&state));
}

#[test]
fn sec30_a_file_in_which_a_key_appears_twice_changes_nothing() {
    let desk = Desk::new();
    desk.sync(0);
    desk.proxy.forget();
    let ann = person("p1", "ann").to_string();
    let twice = ann.replacen('{', "{\"userName\":\"eve\",", 1);
    let text = company().to_string().replace(&ann, &twice);
    assert_ne!(text, company().to_string());
    desk.rosterd.file("people.json", &text);
    let run = desk.rosterd.run(&["sync", "acme"]);
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    assert!(
        run.stderr.contains("people.json:1:") && run.stderr.contains("\"userName\" appears twice"),
        "{}",
        run.stderr
    );
    assert!(desk.proxy.calls().is_empty());
}

#[test]
fn sec31_a_reason_longer_than_a_page_is_refused_at_the_command_line() {
    let desk = Desk::new();
    let (fits, too_long) = ("ä".repeat(1000), "ä".repeat(1001));
    let refused = desk.rosterd.run(&["pause", "acme", "--reason", &too_long]);
    assert_eq!(refused.code, Some(78), "{}", refused.stderr);
    assert!(refused.stderr.contains("1001 characters, and at most 1000 are kept"), "{}", refused.stderr);
    desk.rosterd.run(&["approve", "acme", &"a".repeat(32), "--reason", &too_long]).expect_code(78);
    desk.rosterd.run(&["pause", "acme", "--reason", &fits]).expect_code(0);
}
