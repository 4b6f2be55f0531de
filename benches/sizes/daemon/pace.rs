//! How well a rate is used and kept. In: an app that writes down when each call arrived. Out: the share of the rate that was used, the most
//! calls in any one second.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use rosterd::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::process::command;
use super::site::{Site, company_of};
use crate::meter::{Figures, figures};
use crate::tenant::runtime;

/// Calls a second.
pub(super) const RATE: usize = 50;
const MINUTE: Duration = Duration::from_secs(60);
/// The app refuses every so many calls where it is asked to.
const REFUSES_EVERY: usize = 100;

#[derive(Default)]
pub(super) struct Ledger {
    arrived: Vec<Instant>,
    /// Accounts and groups that were made.
    pub(super) made: usize,
    refuses: bool,
    /// When a change to somebody's account arrived first.
    pub(super) patched: Option<Timestamp>,
    /// How many calls had arrived before it since the last [`Ledger::begin`].
    pub(super) before: usize,
    begun: usize,
}

impl Ledger {
    /// Forgets what was changed, before another run.
    pub(super) fn begin(&mut self) {
        (self.patched, self.before, self.begun) = (None, 0, self.arrived.len());
    }
}

pub(super) struct Counter {
    pub(super) base_url: String,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    _runtime: tokio::runtime::Runtime,
}

impl Counter {
    pub(super) fn open() -> Self {
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
            if uri.path().contains("/Users/") && ledger.patched.is_none() {
                (ledger.patched, ledger.before) = (Some(SystemClock.now()), ledger.arrived.len() - ledger.begun - 1);
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
