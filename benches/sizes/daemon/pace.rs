//! How well a rate is used and kept. In: an app that writes down when each call arrived. Out: the share of the rate that was used, the most
//! calls in any one second; and how long a leaver waits behind a backlog.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use rosterd::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::process::{command, is_debug_build};
use super::site::{Site, company_of};
use crate::meter::{Figures, figures};
use crate::tenant::runtime;

/// Calls a second.
const RATE: usize = 50;
const MINUTE: Duration = Duration::from_secs(60);
/// The app refuses every so many calls where it is asked to.
const REFUSES_EVERY: usize = 100;
const BACKLOG: usize = 100_000;

#[derive(Default)]
struct Ledger {
    arrived: Vec<Instant>,
    made: usize,
    refuses: bool,
    /// When a change to somebody's account arrived first.
    patched: Option<Timestamp>,
}

struct Counter {
    base_url: String,
    ledger: Arc<Mutex<Ledger>>,
    _runtime: tokio::runtime::Runtime,
}

impl Counter {
    fn open() -> Self {
        let (runtime, ledger) = (runtime(), Arc::new(Mutex::new(Ledger::default())));
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).expect("a loopback port");
        let base_url = format!("http://{}/scim/v2", listener.local_addr().expect("its address"));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&ledger));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { base_url, ledger, _runtime: runtime }
    }
}

async fn answer(State(ledger): State<Arc<Mutex<Ledger>>>, method: Method, uri: Uri, body: String) -> Response {
    let mut ledger = ledger.lock().expect("no writer panicked");
    ledger.arrived.push(Instant::now());
    if ledger.refuses && ledger.arrived.len().is_multiple_of(REFUSES_EVERY) {
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")]).into_response();
    }
    let (status, resource) = match method {
        Method::POST => {
            let mut resource: Value = serde_json::from_str(&body).expect("JSON");
            ledger.made += 1;
            resource["id"] = json!(ledger.made.to_string());
            (StatusCode::CREATED, resource)
        }
        Method::PATCH => {
            if uri.path().contains("/Users/") {
                ledger.patched.get_or_insert_with(|| SystemClock.now());
            }
            (StatusCode::OK, json!({"id": uri.path().rsplit('/').next(), "active": false}))
        }
        _ => {
            let schemas = ["urn:ietf:params:scim:api:messages:2.0:ListResponse"];
            (StatusCode::OK, json!({ "schemas": schemas, "totalResults": 0, "Resources": [] }))
        }
    };
    (status, [(header::CONTENT_TYPE, "application/scim+json")], resource.to_string()).into_response()
}

pub(crate) fn measure() -> Figures {
    let (used, most) = minute(false);
    let (used_with_429, most_with_429) = minute(true);
    figures([
        ("rate", RATE as f64),
        ("used", used),
        ("most_in_a_second", most),
        ("used_with_429", used_with_429),
        ("most_in_a_second_with_429", most_with_429),
    ])
}

/// A minute in the middle of a first sync: the share of the rate that was used, and the most calls in any second.
fn minute(refuses: bool) -> (f64, f64) {
    let (site, app) = (Site::new(), Counter::open());
    app.ledger.lock().expect("no writer panicked").refuses = refuses;
    site.tenant("acme", &app.base_url, "", &format!("rate = \"{RATE}/s\"\nin_flight = 8\n"));
    site.company("acme", &company_of(RATE * 90));
    let mut child = command(site.path(), &["sync", "acme", "-q"]).spawn().expect("rosterd");
    while app.ledger.lock().expect("no writer panicked").arrived.len() < RATE {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(MINUTE + Duration::from_secs(2));
    child.kill().expect("rosterd");
    child.wait().expect("rosterd");
    let arrived = app.ledger.lock().expect("no writer panicked").arrived.clone();
    let begin = *arrived.get(RATE).expect("a second's calls");
    let within: Vec<Instant> = arrived.into_iter().filter(|at| *at >= begin && *at < begin + MINUTE).collect();
    let second = Duration::from_secs(1);
    let most = within
        .iter()
        .enumerate()
        .map(|(at, from)| within.iter().skip(at).take_while(|to| to.duration_since(*from) < second).count());
    (within.len() as f64 / (RATE * 60) as f64, most.max().unwrap_or_default() as f64)
}

/// Somebody leaves while 100,000 others come: the time from the end of the reading until the app hears of it.
pub(crate) fn leaver() -> Figures {
    let (site, app) = (Site::new(), Counter::open());
    site.tenant("acme", &app.base_url, "", &format!("rate = \"{RATE}/s\"\nin_flight = 4\n"));
    // Some stay: a plan that leaves nobody is held.
    let mut company = company_of(20);
    company.people.insert("leaver".to_owned(), ("A Leaver".to_owned(), true));
    company.groups.entry("all".to_owned()).or_default().push("leaver".to_owned());
    site.company("acme", &company);
    assert!(command(site.path(), &["sync", "acme"]).status().expect("rosterd").success());
    let newcomers = company_of(BACKLOG);
    company.people.extend(newcomers.people);
    company.groups.extend(newcomers.groups);
    company.people.get_mut("leaver").expect("the leaver").1 = false;
    site.company("acme", &company);
    let log = site.path().join("sync.log");
    let out = std::fs::File::create(&log).expect("a log");
    let mut command = command(site.path(), &["sync", "acme", "-v", "--format", "json"]);
    let mut child = command.stderr(out).spawn().expect("rosterd");
    let deadline = Instant::now() + Duration::from_secs(120);
    let patched = loop {
        assert!(Instant::now() < deadline, "the leaver never left");
        if let Some(at) = app.ledger.lock().expect("no writer panicked").patched {
            break at;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    child.kill().expect("rosterd");
    child.wait().expect("rosterd");
    let text = std::fs::read_to_string(&log).expect("the log");
    let line = text.lines().find(|line| line.contains("directory read")).expect("the end of the reading is logged");
    let event: Value = serde_json::from_str(line).expect("JSON lines");
    let read: Timestamp = event["timestamp"].as_str().expect("a time").parse().expect("a time");
    let waited = patched.duration_since(read).as_secs_f64();
    figures([
        ("backlog", BACKLOG as f64),
        ("rate", RATE as f64),
        ("waited", waited),
        ("debug", f64::from(is_debug_build())),
    ])
}
