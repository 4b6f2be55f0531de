//! A stand-in for JumpCloud: an organisation with people, groups and applications behind the vendor's API v1, v2, Directory
//! Insights and token endpoint. In: a company, and changes to it. Out: answers shaped as the vendor's specs say (a test holds
//! it against them), and a record of every call.
//!
//! It pages, counts, sorts and refuses as the real one does, keeps its lists behind on demand, throttles, and spoils the calls
//! it is told to. What no document says of the real one is marked *assumed*.

mod events;
mod lists;
mod org;
mod serve;

pub(crate) use self::org::{App, Org, Rights, group_id, person_id};

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use axum::Router;

use super::directory::Directory;
use super::http;
use super::proxy::{Call, Fault, Rule};

/// The path before everything, as a gateway puts one there.
pub(crate) const PREFIX: &str = "/gateway";

/// The right API key of a stand-in that was just started.
pub(crate) const API_KEY: &str = "jca-canary-3b1f7d90c2";
/// The service account of a stand-in that was just started.
pub(crate) const CLIENT_ID: &str = "service-account-1";
/// Its secret.
pub(crate) const CLIENT_SECRET: &str = "jcs-canary-77aa01";

/// A running stand-in. Dropping it closes its port.
#[derive(Debug)]
pub(crate) struct JumpCloud {
    port: u16,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

/// What happens to the organisation right after a call has been answered.
type Hook = Box<dyn FnMut(&mut Org) + Send>;

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
}

struct State {
    org: Org,
    calls: Vec<Call>,
    faults: Vec<(Rule, Fault)>,
    hooks: Vec<(Rule, Hook)>,
    in_flight: usize,
    in_flight_peak: usize,
    /// The calls of the running second, where there is a limit.
    window: (Instant, u32),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("org", &self.org).field("calls", &self.calls.len()).finish_non_exhaustive()
    }
}

impl JumpCloud {
    /// The company as an organisation, with an application "Heap" that nothing is bound to yet.
    pub(crate) fn start(company: &Directory) -> Self {
        let state = State {
            org: Org::of(company),
            calls: Vec::new(),
            faults: Vec::new(),
            hooks: Vec::new(),
            in_flight: 0,
            in_flight_peak: 0,
            window: (Instant::now(), 0),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        let router = Router::new().fallback(serve::handle).with_state(Arc::clone(&shared));
        let listener = http::block_on(tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        let listener = listener.expect("a loopback port");
        let port = listener.local_addr().expect("its number").port();
        let server = http::runtime().spawn(async move {
            axum::serve(listener, router).await.expect("axum::serve never ends");
        });
        Self { port, shared, server }
    }

    /// Scheme, host, port and prefix.
    pub(crate) fn root(&self) -> String {
        format!("http://127.0.0.1:{}{PREFIX}", self.port)
    }

    /// Where API v1 is; v2 is below it.
    pub(crate) fn base_url(&self) -> String {
        format!("{}/api", self.root())
    }

    pub(crate) fn insights_url(&self) -> String {
        format!("{}/insights/directory/v1", self.root())
    }

    pub(crate) fn token_url(&self) -> String {
        format!("{}/oauth2/token", self.root())
    }

    /// Changes the organisation, as an administrator in the console would.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Org) -> T) -> T {
        change(&mut self.shared.state().org)
    }

    /// Spoils the calls that a rule meets; paths are below [`JumpCloud::root`]: `/api/systemusers`.
    pub(crate) fn inject(&self, rule: Rule, fault: Fault) {
        self.shared.state().faults.push((rule, fault));
    }

    /// Changes the organisation right after each call that a rule meets was answered.
    pub(crate) fn after(&self, rule: Rule, change: impl FnMut(&mut Org) + Send + 'static) {
        self.shared.state().hooks.push((rule, Box::new(change)));
    }

    /// Every call since the start or the last [`JumpCloud::forget`].
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// How many calls of each shape: `{"GET /api/systemusers": 2, "GET /api/v2/usergroups/{id}/members": 5}`.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.calls() {
            *counts.entry(shape(&call)).or_default() += 1;
        }
        counts
    }

    /// The most calls that were being answered at one time.
    pub(crate) fn in_flight_peak(&self) -> usize {
        self.shared.state().in_flight_peak
    }

    /// Starts counting from nothing; rules stay.
    pub(crate) fn forget(&self) {
        let mut state = self.shared.state();
        state.calls.clear();
        state.in_flight_peak = state.in_flight;
    }
}

impl Drop for JumpCloud {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics holding the organisation")
    }
}

/// Method and path with ids left out.
fn shape(call: &Call) -> String {
    let path: Vec<&str> = call.path.split('/').map(|part| if org::is_id(part) { "{id}" } else { part }).collect();
    format!("{} {}", call.method, path.join("/"))
}
