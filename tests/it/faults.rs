//! Faults of `docs/reliability.md` that only a real process against a real socket can meet: answers that never end, bodies without
//! measure, disks that say no, another app at the address, values made to break out.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Desk, TOKEN, company, person};
use crate::support::proxy::{Fault, Rule};

/// An app that answers each request by `answer`, on a thread that ends with the test process.
pub(crate) fn rude_app(mut answer: impl FnMut(&str, &mut TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/scim/v2", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut head = Vec::new();
            let mut part = [0; 4096];
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match connection.read(&mut part) {
                    Ok(0) | Err(_) => break,
                    Ok(n) => head.extend_from_slice(&part[..n]),
                }
            }
            answer(&String::from_utf8_lossy(&head), &mut connection);
        }
    });
    url
}

/// A tenant whose app is at this address, with short patience.
pub(crate) fn tenant_at(desk: &Desk, url: &str, extra: &str) {
    desk.rosterd.tenant(
        "acme",
        &format!(
            "[source.file]\npath = \"../people.json\"\n[target]\nbase_url = \"{url}\"\ntoken = {{ file = \"../app.token\" }}\n\
             allow_http_loopback = true\n[target.override_profile]\ntransport.timeout_secs = 2\n\
             transport.max_response_bytes = 65536\ntransport.discovery = false\npace.attempts = 1\npace.backoff_base_ms = 1\n{extra}"
        ),
    );
}

pub(crate) fn ok(connection: &mut TcpStream, headers: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/scim+json\r\n{headers}connection: close\r\n\r\n");
    // Whoever hangs up early has seen enough.
    let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(body));
}

#[test]
fn t8_an_app_that_drips_or_says_nothing_is_given_up_in_time() {
    for drips in [true, false] {
        let desk = Desk::new();
        let url = rude_app(move |_, connection| {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(20) {
                if drips && connection.write_all(b"H").is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        tenant_at(&desk, &url, "");
        let begun = Instant::now();
        let run = desk.rosterd.run(&["sync", "acme"]);
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    }
}

#[test]
fn t9_bodies_without_measure_are_cut_and_named() {
    let deep = || "[".repeat(30_000) + &"]".repeat(30_000);
    let list = |inside: &str| format!("{{\"totalResults\":1,\"Resources\":[{inside}]}}").into_bytes();
    // A few bytes that would be a gigabyte: no encoding was offered, so nothing is unpacked.
    let bomb = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3].repeat(500);
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("", vec![b' '; 4 << 20], "max_response_bytes"),
        ("", deep().into_bytes(), "not JSON"),
        ("content-encoding: gzip\r\n", bomb, "JSON"),
        ("", list(&format!("{{\"id\":\"a\",\"userName\":\"{}\"}}", "x".repeat(60_000))), ""),
    ];
    for (headers, body, named) in cases {
        let desk = Desk::new();
        let (shown, headers) = (body.len(), headers.to_owned());
        let url = rude_app(move |_, connection| ok(connection, &headers, &body));
        tenant_at(&desk, &url, "");
        let run = desk.rosterd.run(&["sync", "acme"]);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(matches!(run.code, Some(1 | 4)), "{shown} bytes: {:?} {said}", run.code);
        assert!(said.contains(named) && !said.contains("panicked"), "{shown} bytes: {said}");
        assert!(said.len() < 20_000, "i7: what is said stays small: {}", said.len());
    }
}

#[test]
fn t10_a_change_whose_answer_is_lost_is_found_out_and_not_counted_twice() {
    let desk = Desk::new();
    desk.sync(0);
    let mut document = company();
    document["users"][0]["displayName"] = json!("Ann the Second");
    document["users"][1]["active"] = json!(false);
    desk.directory(&document);
    desk.proxy.inject(Rule::on("PATCH", "/Users").times(2), Fault::DropAfter);
    desk.sync(0);
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.calls().is_empty());
    let users = desk.app("/Users");
    let of = |name: &str| {
        users["Resources"].as_array().unwrap().iter().find(|user| user["userName"] == name).unwrap().clone()
    };
    assert_eq!((&of("ann")["displayName"], &of("bob")["active"]), (&json!("Ann the Second"), &json!(false)));
}

#[test]
fn i1_who_was_made_without_an_answer_and_left_since_does_not_stay() {
    let desk = Desk::with_app(&["--misbehave", "duplicates"]);
    desk.sync(0);
    let mut document = company();
    document["users"].as_array_mut().unwrap().push(person("p9", "zoe"));
    document["groups"][0]["members"].as_array_mut().unwrap().push(json!("p9"));
    desk.directory(&document);
    desk.tenant("[target.override_profile]\npace.attempts = 1\npace.backoff_base_ms = 1\n");
    // The account is made, the answer is lost, and the app can't be asked about it either.
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::DropAfter);
    desk.proxy.inject(Rule::on("GET", "/Users").skip(2).times(20), Fault::status(503));
    desk.rosterd.run(&["sync", "acme"]);
    assert!(desk.user_names().contains(&"zoe".to_owned()));
    desk.directory(&company());
    for _ in 0..30 {
        // Until the app answers again.
        if desk.rosterd.run(&["sync", "acme"]).code == Some(0) {
            break;
        }
    }
    let users = desk.app("/Users");
    let zoe = users["Resources"].as_array().unwrap().iter().find(|user| user["userName"] == "zoe").unwrap().clone();
    assert_eq!(zoe["active"], false, "who is gone from the directory does not get in: {zoe:#}");
}

#[test]
fn t15_a_group_of_thousands_goes_in_pieces_and_goes_on_after_a_kill() {
    let desk = Desk::new();
    desk.tenant("[target.override_profile]\ngroups.max_members_per_patch = 50\n");
    let people: Vec<Value> = (0..600).map(|at| person(&format!("p{at}"), &format!("u{at:04}"))).collect();
    let ids: Vec<String> = (0..600).map(|at| format!("p{at}")).collect();
    desk.directory(&json!({"users": people, "groups": [{"id": "g1", "name": "Everybody", "members": ids}]}));
    desk.proxy.inject(Rule::on("PATCH", "/Groups").skip(4).times(1), Fault::Delay(Duration::from_secs(60)));
    let first = desk.rosterd.spawn(&["sync", "acme"]);
    let deadline = Instant::now() + Duration::from_secs(120);
    while desk.proxy.calls().iter().filter(|call| call.method == "PATCH").count() < 5 {
        assert!(Instant::now() < deadline, "{}", first.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
    first.signal("KILL");
    drop(first);
    desk.proxy.forget();
    desk.sync(0);
    let sent = desk.proxy.writes();
    assert!(sent.iter().all(|call| !call.body.contains("replace")), "never the whole list");
    assert!(sent.len() <= 9, "only what was missing: {}", sent.len());
    let group = desk.app("/Groups")["Resources"][0].clone();
    assert_eq!(group["members"].as_array().unwrap().len(), 600);
}

#[test]
fn c3_a_tenant_that_is_pointed_at_another_app_sends_nothing() {
    let desk = Desk::new();
    desk.sync(0);
    // Nobody answers there; nobody is asked either.
    let moved = "[source.file]\npath = \"../people.json\"\n[target]\nbase_url = \"https://other.invalid/scim/v2\"\n\
                 token = { file = \"../app.token\" }\n";
    desk.rosterd.tenant("acme", moved);
    let mut document = company();
    document["users"][1]["active"] = json!(false);
    desk.directory(&document);
    let report = desk.sync(3);
    assert_eq!(report["holds"][0]["reason"], "target_change", "{report:#}");
    assert_eq!(report["calls"]["total"], 0);
}

#[test]
fn c2_another_way_to_match_is_held_before_the_first_call() {
    let desk = Desk::new();
    desk.sync(0);
    desk.proxy.forget();
    desk.tenant("[users]\nmatch = [\"emails.work\"]\n");
    let mut document = company();
    document["users"][0]["displayName"] = json!("Another Ann");
    desk.directory(&document);
    let report = desk.sync(3);
    assert_eq!(report["holds"][0]["reason"], "matching_change", "{report:#}");
    assert!(desk.proxy.writes().is_empty());
    assert_eq!(desk.user_names(), ["ann", "bob", "cid"]);
}

#[test]
fn c9_a_state_of_a_newer_rosterd_is_refused_and_left_as_it_is() {
    let desk = Desk::new();
    desk.sync(0);
    let journal = desk.rosterd.path().join("state/acme/journal");
    let file = std::fs::read_dir(&journal).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap();
    let (head, rest) = text.split_once('\n').unwrap();
    let json = head[9..].replace("\"format\":1", "\"format\":2");
    let newer = format!("{:08x} {json}\n{rest}", crc32fast::hash(json.as_bytes()));
    std::fs::write(&file, &newer).unwrap();
    desk.proxy.forget();
    for command in [&["sync", "acme"][..], &["status", "acme"], &["journal", "verify", "acme"]] {
        let run = desk.rosterd.run(command);
        assert!(run.code != Some(0) || command[0] == "status", "{command:?}: {}", run.stdout);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), newer, "{command:?}");
    }
    desk.rosterd.run(&["sync", "acme"]).expect_code(78);
    assert!(desk.proxy.calls().is_empty());
}

#[test]
fn p2_a_damaged_journal_is_moved_aside_and_the_first_run_only_adopts() {
    for how in ["flipped", "zeroed", "missing"] {
        let desk = Desk::new();
        desk.sync(0);
        let folder = desk.rosterd.path().join("state/acme");
        let file = std::fs::read_dir(folder.join("journal")).unwrap().next().unwrap().unwrap().path();
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        match how {
            "flipped" => bytes[middle] ^= 4,
            "zeroed" => bytes[middle - 200..middle].fill(0),
            _ => {}
        }
        match how {
            "missing" => std::fs::remove_file(&file).unwrap(),
            _ => std::fs::write(&file, &bytes).unwrap(),
        }
        let mut document = company();
        document["users"][1]["active"] = json!(false);
        desk.directory(&document);
        desk.proxy.forget();
        let run = desk.rosterd.run(&["sync", "acme"]);
        assert!(run.code == Some(0) || run.code == Some(3), "{how}: {}", run.stderr);
        assert!(desk.proxy.writes().is_empty(), "{how}: nothing is made twice and nobody loses anything");
        let kept =
            std::fs::read_dir(&folder).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        assert!(kept.into_iter().any(|name| name.starts_with("damaged-")), "{how}: the old state is kept");
        desk.sync(0);
        assert_eq!(desk.user_names(), ["ann", "bob", "cid"], "{how}");
    }
}

#[test]
fn p3_a_disk_that_takes_no_more_stops_the_run_before_the_next_call() {
    let desk = Desk::new();
    let mut synced = false;
    for kilobytes in [0, 1, 2, 3, 4, 6, 8, 12, 16] {
        desk.proxy.forget();
        // Every write of the process beyond this size of a file fails, wherever it is.
        let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" \"$@\"");
        let output = Command::new("bash")
            .args(["-c", &script, env!("CARGO_BIN_EXE_rosterd"), "--config"])
            .arg(desk.rosterd.path().join("rosterd.toml"))
            .args(["sync", "acme", "--quiet"])
            .env_clear()
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{kilobytes} KiB: {said}");
        synced |= output.status.success();
        let names = desk.user_names();
        let mut once = names.clone();
        once.dedup();
        assert_eq!(names, once, "{kilobytes} KiB");
    }
    let run = desk.rosterd.run(&["sync", "acme"]);
    assert_eq!(run.code, Some(0), "with room again: {}{}", run.stdout, run.stderr);
    assert_eq!(desk.user_names(), ["ann", "bob", "cid"], "{synced}");
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
}

#[test]
fn x1_hostile_values_arrive_as_they_are_and_break_out_of_nothing() {
    let desk = Desk::new();
    let hostile = [
        "\" or userName pr or \"",
        "back\\slash",
        "*)(uid=*",
        "line\nfeed\rreturn",
        "\u{1b}[31mred\u{1b}[0m",
        "\u{202e}gpj.exe",
        "=HYPERLINK(\"http://x\")",
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "a%2fb?c#d&e=f+g",
        "tab\there",
        "{{ 7 * 7 }}",
    ];
    let users: Vec<Value> = hostile
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let mut user = person(&format!("h{at}"), &format!("{name}{at}"));
            (user["displayName"], user["email"]) = (json!(name), json!(format!("h{at}@x.test")));
            user
        })
        .chain([person("calm", "calm")])
        .collect();
    let ids: Vec<&str> = users.iter().map(|user| user["id"].as_str().unwrap()).collect();
    desk.directory(&json!({"users": users, "groups": [{"id": "../g", "name": "\"] or [\"", "members": ids}]}));
    let run = desk.rosterd.run(&["sync", "acme", "-vv"]);
    assert!(!run.stdout.contains('\u{1b}') || !run.stdout.contains("\u{1b}[31mred"), "no terminal is driven");
    assert!(!run.stderr.contains("\u{1b}[31mred") && !run.stderr.contains('\u{202e}'), "{}", run.stderr);
    assert!(!run.stdout.contains('\u{202e}'));
    let mut names = desk.user_names();
    names.retain(|name| name != "calm");
    for name in &names {
        assert!(hostile.iter().any(|given| name.starts_with(given)), "{name:?} is nobody's name");
    }
    assert!(desk.user_names().contains(&"calm".to_owned()), "whatever becomes of them, the others go on");
    desk.proxy.forget();
    let again = desk.rosterd.run(&["sync", "acme"]);
    assert!(matches!(again.code, Some(0 | 4)), "{}", again.stderr);
    let mut after = desk.user_names();
    after.retain(|name| name != "calm");
    assert_eq!(after, names, "i3: nobody was made twice");
    for entry in std::fs::read_dir(desk.rosterd.path()).unwrap() {
        assert!(entry.unwrap().file_name() != "etc", "no path was left");
    }
}

#[test]
fn x2_a_running_process_shows_its_token_nowhere() {
    let desk = Desk::new();
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::Delay(Duration::from_secs(20)));
    let running = desk.rosterd.spawn(&["sync", "acme", "-vv"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while desk.proxy.writes().is_empty() {
        assert!(Instant::now() < deadline, "{}", running.stderr());
        std::thread::sleep(Duration::from_millis(10));
    }
    let id = running.id();
    for file in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{id}/{file}")).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(TOKEN), "{file}");
    }
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "a core would hold the token: {core}");
    running.signal("ABRT");
    let run = running.wait(Duration::from_secs(20));
    assert!(!run.stdout.contains(TOKEN) && !run.stderr.contains(TOKEN));
    assert_eq!(desk.rosterd.files_holding(TOKEN), [desk.rosterd.path().join("app.token")], "no core, no state, no log");
}

/// A debug build panics at this fail point, counted from 1; see `src/fail.rs`.
const PANIC_AT: &str = "ROSTERD_PANIC_AT_FAIL_POINT";

#[test]
fn x2_a_panic_tells_no_token_and_leaves_what_the_next_run_needs() {
    let desk = Desk::new();
    let mut panicked = 0;
    for point in 1..60 {
        let env = [(PANIC_AT, point.to_string()), ("RUST_BACKTRACE", "full".to_owned())];
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let run = desk.rosterd.run_with(&["sync", "acme", "-vv"], &env);
        assert!(!run.stdout.contains(TOKEN) && !run.stderr.contains(TOKEN), "at point {point}");
        if run.stderr.contains("fail point: ") {
            panicked += 1;
            assert_ne!(run.code, Some(0), "{}", run.stderr);
        }
    }
    assert!(panicked > 10, "{panicked}");
    assert_eq!(desk.rosterd.files_holding(TOKEN), [desk.rosterd.path().join("app.token")]);
    desk.sync(0);
    desk.proxy.forget();
    desk.sync(0);
    assert!(desk.proxy.calls().is_empty(), "i12: then it is quiet");
    desk.rosterd.run(&["journal", "verify", "acme"]).expect_code(0);
}

#[test]
fn x3_secrets_that_others_can_read_or_that_lead_elsewhere_are_refused() {
    let desk = Desk::new();
    let token = desk.rosterd.path().join("app.token");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o640)).unwrap();
    let run = desk.rosterd.run(&["sync", "acme"]);
    assert!(run.expect_code(78).stderr.contains("chmod 600"), "{}", run.stderr);
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let real = desk.rosterd.secret("real.token", TOKEN);
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::remove_file(&token).unwrap();
    std::os::unix::fs::symlink(&real, &token).unwrap();
    let run = desk.rosterd.run(&["sync", "acme"]);
    assert_eq!(run.code, Some(78), "a link does not hide who can read it: {}", run.stderr);
    assert!(desk.proxy.calls().is_empty());
}
