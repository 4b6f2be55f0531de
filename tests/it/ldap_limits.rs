//! LDAP answers just above the limits, at StartTLS, bind and search: the real binary and the engine against a server that commits
//! the fault. Nothing here is more than one level or one byte above a limit, or a few entries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rosterd::clock::SystemClock;
use rosterd::config::directory::ldap::LdapTable;
use rosterd::progress::Silent;
use rosterd::source::ldap::LdapSource;
use rosterd::source::{Snapshot, SourceError, take_snapshot};

use crate::cli::{Desk, company, person};
use crate::support::scripted_ldap::{
    Request, Say, Search, done, entry, first_answer, nested, serve, serve_answers, serve_bytes, size_of, value,
};

const PASSWORD: &str = "ldap-password-of-the-test";

/// The largest answer before the bind.
const BEFORE_BIND: usize = 1 << 20;

/// The smallest `max_message_bytes`.
const SMALLEST: usize = 65_536;

const BIND_RESPONSE: u8 = 0x61;
const SEARCH_ENTRY: u8 = 0x64;
const EXTENDED_RESPONSE: u8 = 0x78;

/// Levels of contents that make a message of 33 levels.
const TOO_DEEP: usize = 31;

fn read(url: &str, more: &str) -> Result<Snapshot, SourceError> {
    let text = format!(
        "url = '{url}'\nallow_plain_loopback = true\nbind_dn = 'cn=reader'\npassword = {{ env = 'UNUSED' }}\nbase = 'dc=x'\n\
         page_size = 10\n{more}"
    );
    let table: LdapTable = toml::from_str(&text).unwrap();
    let source = LdapSource::from_table(&table, PASSWORD.to_owned().into(), &[], Arc::new(SystemClock)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(take_snapshot(&source, &[], &Silent))
}

/// A server that binds everybody.
fn searched(mut answer: impl FnMut(&Search) -> Vec<Say> + Send + 'static) -> String {
    serve(move |request| match request {
        Request::Bind => vec![Say::Bound(0)],
        Request::Search(search) => answer(search),
    })
}

fn ann() -> Say {
    entry("uid=ann,dc=x", &[("entryUUID", "id-ann"), ("uid", "ann"), ("cn", "Ann")])
}

/// An entry that is a message of so many bytes.
fn entry_of(dn: &str, bytes: usize) -> Say {
    let of = |value: usize| {
        let text = |text: &str| vec![text.as_bytes().to_vec()];
        let attributes = vec![
            ("entryUUID".to_owned(), text(dn)),
            ("uid".to_owned(), text(dn)),
            ("cn".to_owned(), vec![vec![b'x'; value]]),
        ];
        Say::Entry(dn.to_owned(), attributes)
    };
    let entry = of(bytes - size_of(of(0)));
    assert_eq!(size_of(entry.clone()), bytes);
    entry
}

/// A desk whose second tenant, `corp`, reads from an LDAP server. `head` comes before its first table.
fn desk(head: &str, url: &str, more: &str) -> Desk {
    let desk = Desk::new();
    desk.rosterd.secret("ldap.secret", PASSWORD);
    desk.rosterd.tenant(
        "corp",
        &format!(
            "{head}[source.ldap]\nurl = \"{url}\"\nallow_plain_loopback = true\nbind_dn = \"cn=reader\"\n\
             password = {{ file = \"../ldap.secret\" }}\nbase = \"dc=x\"\ntimeout_secs = 20\n{more}\n\
             [scope]\ngroups = [{{ name = \"*\" }}]\n[target]\nbase_url = \"{}\"\ntoken = {{ file = \"../app.token\" }}\nallow_http_loopback = true\n\
             [users.attributes]\nuserName = \"uid\"\n",
            desk.base_url
        ),
    );
    desk
}

/// What `plan corp` says when it fails as it should: by itself, in words.
fn plan_fails(url: &str, more: &str) -> String {
    let run = desk("", url, more).rosterd.run(&["plan", "corp"]);
    run.expect_code(1);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    format!("{}{}", run.stdout, run.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn l1_an_answer_of_33_levels_is_refused_at_start_tls_bind_and_search() {
    let (url, heard) = serve_bytes(first_answer(EXTENDED_RESPONSE, &nested(TOO_DEEP)));
    let said = plan_fails(&url, "start_tls = true");
    assert!(said.contains("the answer to StartTLS is nested more than 32 levels deep"), "{said}");
    let heard = heard.lock().unwrap();
    assert!(!heard.is_empty() && !heard.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()), "i6");

    let (url, _) = serve_bytes(first_answer(BIND_RESPONSE, &nested(TOO_DEEP)));
    let said = plan_fails(&url, "");
    assert!(said.contains("the answer to the bind is nested more than 32 levels deep"), "{said}");

    let url = searched(|_| vec![ann(), Say::Broken(SEARCH_ENTRY, [value(3), nested(TOO_DEEP)].concat()), done()]);
    let said = plan_fails(&url, "");
    let names = ["search for users", "\"dc=x\"", "the entry \"xxx\"", "32 levels", "not decoded", "`url`"];
    assert!(names.iter().all(|name| said.contains(name)), "{said}");
}

#[test]
fn i6_start_tls_that_is_followed_by_plain_text_gets_no_password() {
    let (yes, bound) = (first_answer(EXTENDED_RESPONSE, &[]), first_answer(BIND_RESPONSE, &[]));
    for answers in [vec![yes.clone(), bound.clone()], vec![[yes, bound].concat()]] {
        let (url, heard) = serve_answers(answers);
        let error = read(&url, "start_tls = true").unwrap_err();
        assert!(
            matches!(error, SourceError::Untrusted(_) | SourceError::Unreachable(_) | SourceError::Malformed(_)),
            "{error:?}"
        );
        let heard = heard.lock().unwrap();
        assert!(!heard.is_empty() && !heard.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()), "{error}");
    }
}

#[test]
fn l1_an_answer_of_32_levels_is_not_too_deep() {
    let url = searched(|_| vec![Say::Broken(SEARCH_ENTRY, nested(TOO_DEEP - 1)), done()]);
    let error = read(&url, "").unwrap_err();
    assert!(matches!(&error, SourceError::Malformed(why) if why.contains("an entry among the users")), "{error}");
}

#[test]
fn l1_the_other_tenant_of_a_daemon_goes_on() {
    let url = searched(|_| vec![Say::Broken(SEARCH_ENTRY, nested(TOO_DEEP)), done()]);
    let desk = desk("schedule = \"every 1s\"\n", &url, "");
    desk.head("schedule = \"every 1s\"\n");
    let daemon = desk.rosterd.spawn(&["run"]);
    let until = |what: &str, is: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is() {
            assert!(Instant::now() < deadline, "never: {what}\n{}", daemon.stderr());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let status = || desk.rosterd.run(&["status", "corp", "--format", "json"]).json()[0].clone();
    until("corp fails", &|| status()["daemon"]["standing"] == "failing");
    assert!(status().to_string().contains("nested more than 32 levels"), "{:#}", status());
    let mut people = company();
    people["users"].as_array_mut().unwrap().push(person("p5", "eve"));
    people["groups"][0]["members"].as_array_mut().unwrap().push("p5".into());
    desk.directory(&people);
    until("the other tenant's newcomer", &|| desk.user_names().contains(&"eve".to_owned()));
    daemon.signal("TERM");
    let run = daemon.wait(Duration::from_secs(60));
    run.expect_code(0);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn l2_before_the_bind_one_mebibyte_and_one_byte_is_too_large() {
    let over = |tag: u8| {
        let around = first_answer(tag, &value(0)).len();
        let answer = first_answer(tag, &value(BEFORE_BIND + 1 - around));
        assert_eq!(answer.len(), BEFORE_BIND + 1);
        answer
    };
    let (url, heard) = serve_bytes(over(EXTENDED_RESPONSE));
    let said = plan_fails(&url, "start_tls = true\nmax_message_bytes = 100000000");
    let names = ["the answer to StartTLS", "1048577 bytes", "1048576 bytes", "`max_message_bytes`", "not sent"];
    assert!(names.iter().all(|name| said.contains(name)), "{said}");
    assert!(!heard.lock().unwrap().windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()), "i6");

    let (url, _) = serve_bytes(over(BIND_RESPONSE));
    let said = plan_fails(&url, "");
    let names = ["the answer to the bind", "1048577 bytes", "1048576 bytes", "`max_message_bytes`"];
    assert!(names.iter().all(|name| said.contains(name)), "{said}");
    let doctor = desk("", &url, "").rosterd.run(&["doctor", "corp"]);
    assert!(doctor.code.is_some_and(|code| code != 0) && doctor.stdout.contains("1048577"), "{doctor:?}");
}

#[test]
fn l2_an_entry_above_max_message_bytes_is_refused_with_its_name_and_the_key() {
    let limit = format!("max_message_bytes = {SMALLEST}");
    let url = searched(|_| vec![ann(), entry_of("uid=large,dc=x", SMALLEST + 1), done()]);
    let said = plan_fails(&url, &limit);
    let names =
        ["search for users", "\"uid=large,dc=x\"", "65537 bytes", "65536 bytes", "`max_message_bytes`", "not decoded"];
    assert!(names.iter().all(|name| said.contains(name)), "{said}");

    let groups = |search: &Search| !search.asks("givenName");
    let url = searched(move |search| match groups(search) {
        true => vec![entry_of("cn=large,dc=x", SMALLEST + 1), done()],
        false => vec![ann(), done()],
    });
    let error = read(&url, &limit).unwrap_err().to_string();
    assert!(error.contains("search for groups") && error.contains("\"cn=large,dc=x\""), "{error}");

    let url = searched(move |search| match groups(search) {
        true => vec![done()],
        false => vec![ann(), entry_of("uid=fits,dc=x", SMALLEST), done()],
    });
    assert_eq!(read(&url, &limit).unwrap().counts().users, 2, "the limit itself is no breach");
}

#[test]
fn l2_after_the_bind_more_than_a_mebibyte_is_read() {
    let url = searched(|search| match search.asks("givenName") {
        true => vec![entry_of("uid=large,dc=x", BEFORE_BIND + 1), done()],
        false => vec![done()],
    });
    assert_eq!(read(&url, "").unwrap().counts().users, 1);
}

#[test]
fn l2_an_answer_that_announces_too_much_and_never_comes_still_says_why() {
    let url = searched(|_| vec![ann(), Say::Bytes(vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]), Say::Hold]);
    let error = read(&url, "timeout_secs = 1").map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("2147483653 bytes") && error.contains("after the entry \"uid=ann,dc=x\""), "{error}");
}

#[test]
fn l2_entries_without_a_pages_end_are_refused() {
    let people =
        |count: usize| (0..count).map(|n| entry(&format!("uid=u{n},dc=x"), &[("entryUUID", &format!("id-{n}"))]));
    let url = searched(move |_| people(101).chain([Say::Hold]).collect());
    let error = read(&url, "").unwrap_err().to_string();
    let names = ["search for users", "\"uid=u100,dc=x\"", "more than 100 entries, where 10 were asked for"];
    assert!(names.iter().all(|name| error.contains(name)), "{error}");
    let url = searched(move |search| match search.asks("givenName") {
        true => people(100).chain([done()]).collect(),
        false => vec![done()],
    });
    assert_eq!(read(&url, "").unwrap().counts().users, 100, "a server may round up");
}

#[test]
fn l1_what_ldap_does_not_have_is_refused_in_words_and_without_a_panic() {
    for (bytes, says) in [
        (&[0x30, 0x80, 0x02, 0x01, 0x01, 0x61, 0x80, 0x00, 0x00, 0x00, 0x00][..], "indefinite length"),
        (&[0x30, 0x85, 0, 0, 0, 0, 5], "more than four bytes"),
        (&[0x30, 0x05, 0x02, 0x01, 0x01, 0x7f, 0x81], "a tag of more than one byte"),
        (&[0x30, 0x05, 0x02, 0x01, 0x01, 0x61, 0x7f], "longer than the element around it"),
        (&[0x30, 0x00], "no LDAP message"),
        (&[0x30, 0x05, 0x02, 0x01, 0x01, 0x64, 0x00], "does not fit the question"),
    ] {
        let (url, _) = serve_bytes(bytes.to_vec());
        let said = plan_fails(&url, "");
        assert!(said.contains("the answer to the bind") && said.contains(says), "{says}: {said}");
    }
}

#[test]
fn l1_a_panic_of_the_library_is_one_event_of_the_log() {
    // A name that is no text: the library's decoder of results panics on it, and quotes it.
    let result = [0x0a, 0x01, 0x00, 0x04, 0x02, 0xff, 0xfe, 0x04, 0x00];
    let answer = [&[0x30, 0x0e, 0x02, 0x01, 0x01, 0x61, 0x09][..], &result].concat();
    let (url, _) = serve_bytes(answer);
    let run = desk("", &url, "").rosterd.run(&["plan", "corp", "--format", "json"]);
    run.expect_code(1);
    let events: Vec<serde_json::Value> = run
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{}", run.stderr)))
        .collect();
    let panics: Vec<_> = events
        .iter()
        .filter(|event| event["fields"]["message"].as_str().is_some_and(|message| message.contains("panicked")))
        .collect();
    assert_eq!(panics.len(), 1, "{}", run.stderr);
    let fields = &panics[0]["fields"];
    assert!(fields["at"].as_str().unwrap().starts_with("ldap3-") && fields["said"] == "(left out)", "{fields}");
    assert!(!run.stderr.contains("255"), "nothing of the answer: {}", run.stderr);
}
