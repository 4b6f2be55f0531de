//! Where credentials go and where they do not, and names that would forge lines: the real binary against an app that repeats what it is
//! sent, an address that was mistyped, a directory with odd names.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::cli::{Desk, TOKEN, company, person};
use crate::support::directory::Directory;
use crate::support::jumpcloud::{API_KEY, JumpCloud};
use crate::support::proxy::{Fault, Proxy, Rule};

/// Somebody who listens where nobody should call, and counts.
struct Elsewhere {
    port: u16,
    calls: Arc<AtomicUsize>,
}

impl Elsewhere {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, calls) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&calls);
        std::thread::spawn(move || {
            for caller in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                drop(caller);
            }
        });
        Self { port, calls }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// The tenant file with another address of the app.
fn tenant(desk: &Desk, base_url: &str, more: &str) {
    let file = format!(
        "[source.file]\npath = \"../people.json\"\n\n[target]\nbase_url = \"{base_url}\"\ntoken = {{ file = \"../app.token\" }}\n\
         rate = \"1000/s\"\nallow_http_loopback = true\n{more}"
    );
    desk.rosterd.tenant("acme", &file);
}

/// Somebody new, who would be looked up first.
fn with_a_newcomer(desk: &Desk) {
    let mut document = company();
    document["users"].as_array_mut().unwrap().push(person("p9", "new"));
    document["groups"][0]["members"] = json!(["p1", "p2", "p3", "p9"]);
    desk.directory(&document);
}

#[test]
fn sec9_a_changed_address_hears_nothing_from_any_command_before_it_is_approved() {
    let desk = Desk::new();
    desk.sync(0);
    with_a_newcomer(&desk);
    let elsewhere = Elsewhere::start();
    tenant(&desk, &format!("http://127.0.0.1:{}/scim/v2", elsewhere.port), "");
    let report = desk.sync(3);
    assert_eq!(report["holds"][0]["reason"], "target_change", "{report:#}");
    let detail = report["holds"][0]["detail"].as_str().unwrap();
    assert!(
        detail.contains(&format!("127.0.0.1:{}", elsewhere.port)) && detail.contains("no credential was sent"),
        "{detail}"
    );
    assert_eq!(report["calls"]["total"], 0);
    for command in [
        &["plan", "acme"][..],
        &["sync", "acme", "--dry-run"],
        &["sync", "acme", "--only", "new"],
        &["sync", "--all"],
        &["why", "acme", "ann"],
        &["drift", "acme"],
        &["drift", "acme", "--note"],
        &["import", "acme"],
        &["undo", "acme", "last", "--yes"],
        &["retire", "acme", "--deactivate", "--yes-i-mean", "acme"],
        &["doctor", "acme"],
        &["check", "acme"],
        &["status", "acme"],
    ] {
        let run = desk.rosterd.run(command);
        assert_eq!(elsewhere.calls(), 0, "{command:?}: {}{}", run.stdout, run.stderr);
    }
    let doctor = desk.rosterd.run(&["doctor", "acme"]);
    assert!(doctor.expect_code(1).stdout.contains("--new-address"), "{}", doctor.stdout);
    let asked = desk.rosterd.run(&["doctor", "acme", "--new-address"]);
    assert!(elsewhere.calls() > 0, "{}", asked.stdout);
    assert!(asked.stdout.contains("the credential was sent there"), "{}", asked.stdout);
}

#[test]
fn sec9_an_approved_address_is_used_from_the_next_run_on() {
    let desk = Desk::new();
    desk.sync(0);
    with_a_newcomer(&desk);
    // The same app at another port and path.
    let other = Proxy::before(&desk.base_url);
    tenant(&desk, &other.base_url, "");
    let held = desk.rosterd.run(&["sync", "acme"]);
    assert!(held.expect_code(3).stdout.contains("target_change"), "{}", held.stdout);
    let id = desk.rosterd.run(&["status", "acme", "--format", "json"]).json()[0]["held_plan"]["plan"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(desk.sync(3)["plan"], id.as_str(), "the id is the same each time, and the one that is shown");
    assert!(other.calls().is_empty());
    desk.rosterd.run(&["approve", "acme", &id, "--reason", "moved"]).expect_code(0);
    let report = desk.sync(0);
    assert_eq!(report["summary"], json!({"create_user": 1, "add_members": 1}), "{report:#}");
    assert!(!other.calls().is_empty());
    assert_eq!(desk.sync(0)["planned"], 0, "and is on record");
    tenant(&desk, &desk.proxy.base_url, "");
    assert_eq!(desk.sync(3)["holds"][0]["reason"], "target_change", "the way back is a change as well");
}

#[test]
fn sec9_a_sandbox_may_be_at_another_port_where_the_file_says_so() {
    let desk = Desk::new();
    desk.sync(0);
    with_a_newcomer(&desk);
    let other = Proxy::before(&desk.base_url);
    tenant(&desk, &other.base_url, "loopback_port_may_change = true\n");
    assert_eq!(desk.sync(0)["summary"]["create_user"], 1);
}

#[test]
fn sec9_a_changed_directory_hears_nothing_before_it_is_approved() {
    let desk = Desk::new();
    let cloud = JumpCloud::start(&Directory::generate(5, 1, 4));
    cloud.change(|org| org.bind("Heap", &["group-0000"]));
    desk.rosterd.secret("cloud.key", API_KEY);
    let table = |url: &str| {
        let file = format!(
            "[source.jumpcloud]\nbase_url = \"{url}\"\napi_key = {{ file = \"../cloud.key\" }}\napplication = \"Heap\"\nrate = \"5000/s\"\nattempts = 2\nbackoff_cap_ms = 50\n\
             allow_http_loopback = true\n[target]\nbase_url = \"{}\"\ntoken = {{ file = \"../app.token\" }}\nrate = \"1000/s\"\n\
             allow_http_loopback = true\n",
            desk.proxy.base_url
        );
        desk.rosterd.tenant("acme", &file);
    };
    table(&cloud.base_url());
    desk.sync(0);
    let other = Elsewhere::start();
    table(&format!("http://127.0.0.1:{}/api", other.port));
    let report = desk.sync(3);
    assert_eq!(report["holds"][0]["reason"], "source_change", "{report:#}");
    for command in
        [&["plan", "acme"][..], &["why", "acme", "ann"], &["import", "acme"], &["doctor", "acme"], &["sync", "--all"]]
    {
        let run = desk.rosterd.run(command);
        assert_eq!(other.calls(), 0, "{command:?}: {}{}", run.stdout, run.stderr);
    }
    let id = report["plan"].as_str().unwrap();
    desk.rosterd.run(&["approve", "acme", id, "--reason", "moved"]).expect_code(0);
    desk.rosterd.run(&["sync", "acme"]).expect_code(1);
    assert!(other.calls() > 0, "approved, it is asked; that it does not answer is another matter");
    table(&cloud.base_url());
    desk.sync(0);
}

#[test]
fn sec24_an_answer_that_repeats_the_token_is_refused_and_nothing_of_it_is_kept() {
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let escaped: String = TOKEN.chars().map(|c| format!("\\u{:04x}", c as u32)).collect();
    for spelt in [TOKEN.to_owned(), base64(TOKEN), base64(&format!("x{TOKEN}")), escaped, TOKEN.replace('-', "%2D")] {
        let desk = Desk::new();
        let body = format!(r#"{{"id":"a1","userName":"ann","displayName":"{spelt}","externalId":"p1"}}"#);
        desk.proxy.inject(Rule::on("POST", "/Users").times(usize::MAX), Fault::body(201, &body));
        let report = desk.rosterd.run(&["sync", "acme", "--format", "json"]);
        assert!(report.code == Some(4) || report.code == Some(1), "{:?} {}", report.code, report.stderr);
        let told = format!("{}{}", report.stdout, report.stderr);
        assert!(told.contains("repeats the credential"), "{spelt}: {told}");
        for form in [TOKEN, base64(TOKEN).trim_end_matches('=')] {
            assert!(!told.contains(form), "{told}");
            let holding = desk.rosterd.files_holding(form);
            assert!(holding.iter().all(|path| path.ends_with("app.token")), "{form}: {holding:?}");
        }
    }
}

#[test]
fn sec24_a_refusal_that_quotes_the_token_is_kept_without_it() {
    let login = base64::engine::general_purpose::STANDARD.encode(format!("svc:{TOKEN}"));
    let spellings = [TOKEN.to_owned(), login, TOKEN.replace('-', "%2d"), TOKEN.replace('-', "\\u002d")];
    let desk = Desk::new();
    for spelt in &spellings {
        let body = format!(r#"{{"status":"400","detail":"not welcome: {spelt}."}}"#);
        desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::body(400, &body));
    }
    let run = desk.rosterd.run(&["sync", "acme", "-vv", "--format", "json"]);
    assert!(run.stdout.contains("not welcome: [token]."), "{}", run.stdout);
    let status = desk.rosterd.run(&["status", "acme"]);
    let journal = desk.rosterd.run(&["journal", "show", "acme"]);
    for spelt in &spellings {
        for told in [&run.stdout, &run.stderr, &status.stdout, &journal.stdout] {
            assert!(!told.contains(spelt.as_str()), "{spelt}: {told}");
        }
        let holding = desk.rosterd.files_holding(spelt.trim_end_matches('='));
        assert!(holding.iter().all(|path| path.ends_with("app.token")), "{spelt}: {holding:?}");
    }
}

#[test]
fn sec24_doctor_warns_of_a_short_token() {
    let desk = Desk::new();
    let fine = desk.rosterd.run(&["doctor", "acme"]);
    assert!(!fine.stdout.contains("fewer than 16"), "{}", fine.stdout);
    desk.rosterd.secret("app.token", "s3cret");
    let short = desk.rosterd.run(&["doctor", "acme"]);
    assert!(short.stdout.contains("target.token has fewer than 16 characters"), "{}", short.stdout);
}

/// An id that would begin a line of its own, with a priority of the system log, a title and a turned reading direction.
const FORGED: &str = "u1\n<0>kernel: gone\r\u{2028}\u{1b}]0;title\u{7}\u{202e}x";

#[test]
fn sec10_no_id_forges_a_line_in_log_terminal_or_journal_view() {
    let desk = Desk::new();
    let mut document = company();
    document["users"].as_array_mut().unwrap().push(person(FORGED, "odd"));
    document["groups"][0]["members"] = json!(["p1", "p2", "p3", FORGED]);
    desk.directory(&document);
    // The app's own words and ids are no better.
    let words = json!({"status": "400", "detail": format!("no: {FORGED}")}).to_string();
    desk.proxy.inject(Rule::on("POST", "/Users").times(1), Fault::body(400, &words));
    let mut all = Vec::new();
    for (arguments, variables) in [
        (&["sync", "acme", "-vv", "--color", "always"][..], &[("JOURNAL_STREAM", "8:1")][..]),
        (&["sync", "acme", "-vv", "--color", "always"], &[]),
        (&["plan", "acme", "-vv", "--color", "always"], &[]),
        (&["status", "acme", "--color", "always"], &[]),
        (&["journal", "show", "acme", "--color", "always"], &[]),
        (&["why", "acme", "odd", "--color", "always"], &[]),
    ] {
        let run = desk.rosterd.run_with(arguments, variables);
        all.push((arguments, run.stdout.clone()));
        all.push((arguments, run.stderr.clone()));
    }
    for (arguments, text) in &all {
        for line in text.lines() {
            assert!(!line.starts_with("<0>") && !line.starts_with("kernel"), "{arguments:?}: {text}");
        }
        let styles = text.replace("\u{1b}[", "");
        assert!(!styles.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{2028}', '\r']), "{arguments:?}: {text:?}");
    }
    let (_, synced) = &all[0];
    assert!(synced.contains("with a control character") && synced.contains("\\u{a}<0>kernel"), "{synced}");
    assert!(!desk.user_names().contains(&"odd".to_owned()), "such a record waits");
}

#[test]
fn sec11_names_that_look_alike_are_marked_and_hidden_characters_wait() {
    let desk = Desk::new();
    let mut document = company();
    let mut add = |id: &str, user: &str, shown: &str| {
        let mut one = person(id, user);
        one["displayName"] = json!(shown);
        document["users"].as_array_mut().unwrap().push(one);
        document["groups"][0]["members"].as_array_mut().unwrap().push(json!(id));
    };
    add("q1", "adm\u{200b}in", "Admin");
    add("q2", "\u{430}dmin", "Cyrillic");
    add("q3", "  bo  ", "Blanks");
    add("q4", "gr\u{fc}n", "Plain");
    add("q5", "fill\u{3164}er", "Filler");
    desk.directory(&document);
    let plan = desk.rosterd.run(&["plan", "acme"]);
    assert!(plan.stdout.contains("adm\\u{200b}in (contains invisible characters)"), "{}", plan.stdout);
    assert!(plan.stdout.contains("fill\\u{3164}er (contains invisible characters)"), "{}", plan.stdout);
    assert!(plan.stdout.contains("\u{430}dmin (mixed scripts)"), "{}", plan.stdout);
    assert!(
        plan.stdout.contains("leading or trailing spaces") && !plan.stdout.contains("gr\u{fc}n ("),
        "{}",
        plan.stdout
    );
    desk.rosterd.run(&["sync", "acme"]).expect_code(4);
    let names = desk.user_names();
    assert!(names.contains(&"bo".to_owned()) && names.contains(&"gr\u{fc}n".to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| name.contains(['\u{200b}', '\u{3164}'])), "{names:?}");
    for command in [&["import", "acme"][..], &["why", "acme", "q2"]] {
        let run = desk.rosterd.run(command);
        assert!(run.stdout.contains("\u{430}dmin (mixed scripts)"), "{command:?}: {}", run.stdout);
    }
}

#[test]
fn mm2_a_name_with_blanks_finds_the_account_of_the_same_name() {
    let desk = Desk::new();
    desk.hand_made("bo@acme.test", &json!({}));
    let mut document = company();
    document["users"].as_array_mut().unwrap().push(person("q1", "Bo@acme.test "));
    document["groups"][0]["members"] = json!(["p1", "q1"]);
    desk.directory(&document);
    desk.rosterd.run(&["sync", "acme"]).expect_code(0);
    let names: Vec<String> = desk.user_names().into_iter().filter(|name| name.to_lowercase().contains("bo@")).collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn sec12_no_message_shows_what_stands_in_an_address_or_a_misspelt_key() {
    let desk = Desk::new();
    let good = std::fs::read_to_string(desk.rosterd.path().join("tenants/acme.toml")).unwrap();
    let address = good.lines().find(|line| line.starts_with("base_url")).unwrap();
    let token = good.lines().find(|line| line.starts_with("token")).unwrap();
    for (line, bad) in [
        (address, "base_url = \"https://svc:S3CRETword@app.example.com/scim\""),
        (address, "base_url = \"https://app.example.com/scim?access_token=S3CRETword\""),
        (address, "base_url = \"https://app.example.com/scim#S3CRETword\""),
        (address, "base_url = \"svc:S3CRETword@app.example.com\""),
        (address, "base_ulr = \"https://svc:S3CRETword@app.example.com/scim\""),
        (address, "base_url = [\"https://svc:S3CRETword@app.example.com/scim\"]"),
        (token, "tokem = \"S3CRETword\""),
        (token, "tokn = { file = \"S3CRETword\" }"),
        (token, "token = { file = \"S3CRETword\" }"),
        (token, "token = { flie = \"S3CRETword\" }"),
        (token, "token = { file = \"eyJS3CRETword0123456789\" }"),
        (token, "token = S3CRETword"),
        (token, "profile = \"https://svc:S3CRETword@app.example.com\""),
    ] {
        desk.rosterd.tenant("acme", &good.replace(line, bad));
        for command in [
            &["check", "acme"][..],
            &["check", "acme", "--format", "json"],
            &["doctor", "acme"],
            &["sync", "acme", "-vv"],
        ] {
            let run = desk.rosterd.run(command);
            let told = format!("{}{}", run.stdout, run.stderr);
            assert!(run.code != Some(0) && !told.contains("S3CRETword"), "{bad} {command:?}: {told}");
        }
    }
}

#[test]
fn sec19_a_rule_that_would_grow_without_bound_ends_at_once() {
    let desk = Desk::new();
    let grow = "userName | split('') | join('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')";
    let three = format!(
        "(({grow}) | split('') | join(userName ~ '{0}') | split('') | join(userName ~ '{0}'))",
        "y".repeat(400)
    );
    desk.tenant(&format!("[users.attributes]\nuserName = \"userName\"\ndisplayName = \"\"\"{three}\"\"\"\n"));
    let began = std::time::Instant::now();
    let check = desk.rosterd.run(&["check", "acme"]);
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    let told = format!("{}{}", check.stdout, check.stderr);
    assert!(told.contains("65536 bytes"), "{told}");
}

#[test]
fn mm5_a_text_is_no_number_and_a_boolean_is_written_small() {
    let desk = Desk::new();
    let mut document = company();
    for (at, level) in [json!(5), json!("2"), json!(1)].into_iter().enumerate() {
        document["users"][at]["level"] = level;
        document["users"][at]["lead"] = Value::from(at == 0);
    }
    desk.directory(&document);
    desk.tenant(
        "[scope]\nusers = \"level > 3\"\n[users.attributes]\nuserName = \"userName\"\ndisplayName = \"userName ~ ' ' ~ lead\"\n",
    );
    let run = desk.rosterd.run(&["sync", "acme", "--format", "json"]);
    assert!(
        run.stdout.contains("can't be compared with the number")
            || run.stderr.contains("can't be compared with the number"),
        "{}{}",
        run.stdout,
        run.stderr
    );
    assert_eq!(desk.user_names(), ["ann"], "{}", run.stdout);
    assert_eq!(desk.account("ann")["displayName"], "ann true");
}

#[test]
fn sec38_a_short_spelling_of_an_address_is_accepted_and_its_normal_form_shown() {
    let desk = Desk::new();
    let short = desk.proxy.base_url.replace("127.0.0.1", "127.1");
    tenant(&desk, &short, "");
    let check = desk.rosterd.run(&["check", "acme"]);
    let told = format!("{}{}", check.expect_code(0).stdout, check.stderr);
    assert!(told.contains(&format!("is read as {}", desk.proxy.base_url)), "{told}");
    let doctor = desk.rosterd.run(&["doctor", "acme"]);
    assert!(doctor.expect_code(0).stdout.contains(&desk.proxy.base_url), "{}", doctor.stdout);
    desk.sync(0);
    tenant(&desk, &desk.proxy.base_url, "");
    desk.sync(0);
}
