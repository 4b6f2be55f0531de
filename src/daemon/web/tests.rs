//! The page over a real socket: who is answered, what hangs, what a directory may call people.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use jiff::Timestamp;

use super::*;
use crate::clock::SystemClock;
use crate::daemon::board::{Board, BoardRow};
use crate::model::{HoldCode, HoldReason, ObjectRef, Op, Reason, RunId, SourceId, TenantName, TenantState as Standing};
use crate::store::{HeldOperation, HeldPlan, Stores, TenantStore};

struct Site {
    folder: tempfile::TempDir,
    pane: Arc<Pane>,
    web: StatusServer,
}

impl Site {
    fn new() -> Self {
        Self::with(Pane::new())
    }

    fn with(pane: Pane) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (pane, clock) = (Arc::new(pane), Arc::new(SystemClock));
        let stores = Stores::on_disk(folder.path());
        let telemetry = Arc::new(Telemetry::new(stores.clone(), clock.now()));
        let config = folder.path().join("rosterd.toml");
        let view = PageView { pane: Arc::clone(&pane), telemetry, stores, config, clock };
        let mut web = StatusServer::new(view);
        web.serve(Some("127.0.0.1:0".parse().unwrap()));
        Self { folder, pane, web }
    }

    fn state(&self) -> TenantStore {
        Stores::on_disk(self.folder.path()).tenant(&TenantName::parse("acme").unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.web.open.as_ref().unwrap().address
    }

    fn show(&self, lines: Vec<BoardRow>) {
        let now = Timestamp::UNIX_EPOCH;
        let (mistake, page, deaf) = (None, None, None);
        let board = Board {
            process: 1,
            version: "0".to_owned(),
            started: now,
            at: now,
            mistake,
            page,
            deaf,
            without_file: Vec::new(),
            tenants: lines,
        };
        self.pane.show(board);
    }

    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn get(&self, path: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    fn code(&self, path: &str) -> u16 {
        code(&self.get(path))
    }
}

fn code(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn line(tenant: &str, standing: Option<Standing>) -> BoardRow {
    let (note, mistake, expiries) = (String::new(), None, Vec::new());
    BoardRow {
        tenant: tenant.to_owned(),
        standing,
        note,
        running_since: None,
        due: None,
        failures: 0,
        failing_since: None,
        cause: None,
        expiries,
        mistake,
    }
}

#[test]
fn livez_goes_red_when_the_loop_hangs_and_green_when_it_goes_round_again() {
    let site = Site::with(Pane::with_limit(Duration::from_millis(300)));
    site.show(Vec::new());
    site.pane.beat();
    assert_eq!((site.code("/livez"), site.code("/readyz")), (200, 200));
    std::thread::sleep(Duration::from_millis(400));
    let red = site.get("/livez");
    assert!(code(&red) == 503 && red.contains("has been stuck"), "{red}");
    assert_eq!(site.code("/readyz"), 503);
    assert!(site.get("/").contains("main loop has been stuck"));
    site.pane.beat();
    assert_eq!(site.code("/livez"), 200);
}

#[test]
fn what_was_changed_by_hand_is_shown_by_kind() {
    let site = Site::new();
    site.show(vec![line("acme", Some(Standing::Ok))]);
    let found = [("attributes_changed".to_owned(), 2), ("members_removed".to_owned(), 1)].into();
    let at = Timestamp::UNIX_EPOCH;
    let compared =
        crate::daemon::LastComparison { at, accounts: 9, groups: 1, calls: 3, found, repaired: 1, failed: None };
    site.state().notes().set("drift", &compared).unwrap();
    let page = site.get("/tenants/acme");
    assert!(page.contains("2 attributes changed, 1 members removed, 1 repaired, as of"), "{page}");
    assert!(site.get("/status").replace(": ", ":").contains("\"members_removed\":1"));
}

#[test]
fn readyz_is_for_the_time_between_the_files_and_the_end() {
    let site = Site::new();
    assert!(site.get("/readyz").contains("503") && site.code("/") == 200, "the files are being read");
    site.show(vec![line("acme", Some(Standing::Failing))]);
    assert_eq!(site.code("/readyz"), 200, "one tenant's trouble is no reason to say no");
    site.pane.stopping();
    assert_eq!((site.code("/readyz"), site.code("/livez")), (503, 200));
}

#[test]
fn only_this_machine_is_answered_and_nothing_can_be_changed() {
    let site = Site::new();
    site.show(Vec::new());
    for host in ["localhost", "LOCALHOST:9464", "127.0.0.1", "127.0.0.1:9000", "[::1]:9464", "[::1]"] {
        assert_eq!(code(&site.raw(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))), 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "localhost:80:80"]
    {
        let answer = site.raw(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert!([400, 421].contains(&code(&answer)), "{host}: {answer}");
    }
    let none = site.raw("GET / HTTP/1.1\r\n\r\n");
    assert!([400, 421].contains(&code(&none)), "{none}");
    let two = site.raw("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n");
    assert!([400, 421].contains(&code(&two)), "{two}");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let answer = site.raw(&format!("{method} /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(code(&answer), 405, "{answer}");
    }
    let head = site.raw("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(code(&head) == 200 && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn every_answer_carries_the_headers_that_shut_a_browser_off() {
    let site = Site::new();
    site.show(vec![line("acme", Some(Standing::Ok))]);
    let paths = [
        "/",
        "/tenants/acme",
        "/tenants/nobody",
        "/status",
        "/metrics",
        "/livez",
        "/style.css",
        "/icon.svg",
        "/nowhere",
    ];
    for path in paths {
        let answer = site.get(path);
        for header in ["default-src 'none'", "frame-ancestors 'none'", "nosniff", "no-referrer", "no-store"] {
            assert!(answer.contains(header), "{path}: {answer}");
        }
        assert!(!answer.contains("unsafe-inline") && !answer.contains("set-cookie"), "{path}");
    }
    assert!(site.get("/metrics").contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
}

#[test]
fn a_tenants_name_in_the_address_leads_to_no_file() {
    let site = Site::new();
    site.show(vec![line("acme", Some(Standing::Ok))]);
    for path in ["/tenants/..", "/tenants/..%2f..%2fetc", "/tenants/%00", "/tenants/acme%2f..", "/tenants/<script>"] {
        let answer = site.get(path);
        assert!([400, 404].contains(&code(&answer)) && !answer.contains("<script"), "{path}: {answer}");
    }
}

#[test]
fn a_directory_may_call_people_what_it_likes() {
    let site = Site::new();
    let long = "x".repeat(1 << 20);
    let names = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(2)>",
        "\u{202e}gnirts\u{2066}",
        "a\u{0}b",
        &long,
        "</bdi></td>",
    ];
    let operation = |(at, name): (usize, &&str)| HeldOperation {
        op: Op::DeactivateUser,
        object: ObjectRef::User(SourceId::new(format!("u{at}"))),
        name: (*name).to_owned(),
        reason: Reason::Text(format!("because of {name}")),
        digest: String::new(),
    };
    let held = HeldPlan {
        plan: "0123456789abcdef".to_owned(),
        of: String::new(),
        run: RunId::new("r".to_owned()),
        at: Timestamp::UNIX_EPOCH,
        holds: vec![HoldReason::Recorded {
            code: HoldCode::RemovalsPerDay,
            detail: format!("they are {}", names.join(", ")),
        }],
        access: None,
        count: 6,
        operations: names.iter().enumerate().map(operation).collect(),
        rest: None,
        guard_change: None,
        reasons_digest: String::new(),
        approvals: None,
        rejected: None,
    };
    site.state().notes().set("held", &held).unwrap();
    let mut acme = line("acme", Some(Standing::Held));
    acme.note = format!("held: {}", names.join(" "));
    site.show(vec![acme]);
    for path in ["/", "/tenants/acme"] {
        let page = site.get(path);
        for raw in ["<script", "<img src=x", "\u{202e}", "\u{2066}", "\u{0}", "</bdi></td></bdi>"] {
            assert!(!page.contains(raw), "{path} has {raw:?}");
        }
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{path}: {page}");
        assert!(page.len() < 40_000, "{path}: {}", page.len());
    }
    let page = site.get("/tenants/acme");
    let config = site.folder.path().join("rosterd.toml");
    assert!(page.contains(&format!("rosterd --config {} approve acme 01234567<", config.display())), "{page}");
    assert!(page.contains("\\u{202e}gnirts"), "what is hidden is spelt out");
    assert!(page.contains("The list does not match the held plan"), "s16: its id is that of other changes");
}

/// More silent clients than there are places: they are let go, and whoever asks is answered.
#[test]
fn i7_clients_that_say_nothing_are_let_go() {
    let site = Site::new();
    site.show(Vec::new());
    let silent: Vec<TcpStream> = (0..CONNECTIONS + 8).map(|_| TcpStream::connect(site.address()).unwrap()).collect();
    let begun = Instant::now();
    assert_eq!(site.code("/livez"), 200);
    assert!(begun.elapsed() < REQUEST_LIMIT * 3, "{:?}", begun.elapsed());
    drop(silent);
    let flood = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(REQUEST_BYTES));
    let mut stream = TcpStream::connect(site.address()).unwrap();
    // It may be cut off while it still talks.
    let _sent = stream.write_all(flood.as_bytes());
    let mut answer = Vec::new();
    let _read = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || [414, 431].contains(&code(&String::from_utf8_lossy(&answer))));
}

/// Asks for all that supervisors ask for; says how long the slowest answer took.
fn slowest(site: &Site) -> Duration {
    let ask = |path: &&str| {
        let begun = Instant::now();
        assert_eq!(site.code(path), 200, "{path}");
        begun.elapsed()
    };
    ["/livez", "/readyz", "/metrics"].iter().map(ask).max().unwrap()
}

#[test]
fn sec22_half_sent_requests_delay_no_question_about_health() {
    let site = Site::new();
    site.show(Vec::new());
    let half = |n: usize| {
        let mut stream = TcpStream::connect(site.address()).unwrap();
        stream.write_all(&b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "[..n]).unwrap();
        stream
    };
    let mut slow: Vec<TcpStream> = (0..200).map(|n| half(n % 40)).collect();
    for _ in 0..3 {
        let took = slowest(&site);
        assert!(took < Duration::from_millis(1500), "{took:?}");
        // They go on dripping, and new ones come.
        slow.iter_mut().for_each(|stream| drop(stream.write_all(b"x")));
        slow.extend((0..50).map(|n| half(n % 40)));
    }
}

#[test]
fn sec22_clients_that_ask_and_never_read_delay_no_question_about_health() {
    let site = Site::new();
    let note = "x".repeat(1 << 10);
    let lines = (0..500).map(|n| BoardRow { note: note.clone(), ..line(&format!("t{n}"), Some(Standing::Failing)) });
    site.show(lines.collect());
    let ask = |_| {
        let mut stream = TcpStream::connect(site.address()).unwrap();
        stream.write_all(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        stream
    };
    let unread: Vec<TcpStream> = (0..200).map(ask).collect();
    for _ in 0..3 {
        let took = slowest(&site);
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
    drop(unread);
}

#[test]
fn a_taken_port_is_told_and_tried_again_and_another_is_moved_to() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let mut site = Site::new();
    let before = site.address();
    site.web.serve(Some(listen));
    let why = site.web.trouble().unwrap();
    assert!(why.contains(&listen.to_string()) && why.contains("runs continue"), "{why}");
    assert!(!site.web.again(), "not at once");
    drop(taken);
    if let Some(refused) = &mut site.web.refused {
        refused.at = refused.at.checked_sub(AGAIN).unwrap();
    }
    assert!(site.web.again() && site.web.trouble().is_none());
    assert_eq!((site.address(), site.code("/livez")), (listen, 200));
    until_closed(before);
    site.web.serve(None);
    until_closed(listen);
}

fn until_closed(address: SocketAddr) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < deadline, "{address} is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn i6_an_address_beyond_this_machine_is_not_listened_on() {
    let mut site = Site::new();
    site.web.serve(Some("0.0.0.0:0".parse().unwrap()));
    assert!(site.web.trouble().unwrap().contains("loopback only"));
}
