//! A stand-in for the OneLogin API, since no real account can be reached from a test: stateful, on loopback, faithful to what the
//! vendor's documentation, client libraries and issues tell. A proxy before it counts every request and spoils the ones it is
//! told to; `habits` hold what is not documented or differs between accounts.

mod account;
mod api;
mod pages;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;

use rosterd::clock::{Clock as _, SystemClock};

use super::http;
use super::proxy::{Call, Fault, Proxy, Rule};

pub(crate) use account::{Account, App};

/// What a pair of API credentials may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    AuthenticationOnly,
    /// Users, roles and groups, no apps.
    ReadUsers,
    ManageUsers,
    ReadAll,
    ManageAll,
}

/// What is not documented, contradictory, or made so for a test.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub(crate) scope: Scope,
    /// How a missing right is told: 401 or 403.
    pub(crate) scope_refusal: u16,
    pub(crate) role_users_need_manage_all: bool,
    /// As the vendor's description has it.
    pub(crate) app_rules_need_manage_all: bool,
    /// The administrator who made the credentials was deleted.
    pub(crate) admin_gone: bool,
    pub(crate) wrapped_token: bool,
    /// Seconds.
    pub(crate) token_lifetime: i64,
    /// The largest pages.
    pub(crate) users_page: usize,
    pub(crate) roles_page: usize,
    pub(crate) sub_page: usize,
    pub(crate) apps_page: usize,
    /// Fields that the users' list does not show, asked for or not.
    pub(crate) withheld_fields: Vec<&'static str>,
    /// How many calls are left in this hour; `None` for enough.
    pub(crate) quota: Option<u64>,
    /// Seconds until there are more.
    pub(crate) quota_reset: u64,
    pub(crate) quota_covers_v2: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            scope: Scope::ReadAll,
            scope_refusal: 403,
            role_users_need_manage_all: false,
            app_rules_need_manage_all: true,
            admin_gone: false,
            wrapped_token: false,
            token_lifetime: 36_000,
            users_page: 50,
            roles_page: 650,
            sub_page: 100,
            apps_page: 1_000,
            withheld_fields: Vec::new(),
            quota: None,
            quota_reset: 832,
            quota_covers_v2: false,
        }
    }
}

/// A running stand-in. Dropping it closes its ports.
#[derive(Debug)]
pub(crate) struct OneLogin {
    /// What rosterd is given; no slash at the end.
    pub(crate) base_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    proxy: Proxy,
    shared: Arc<Mutex<Desk>>,
    server: tokio::task::JoinHandle<()>,
}

/// Something to be done to the account when a request arrives, before it is answered.
type Interruption = Box<dyn FnOnce(&mut Account) + Send>;

/// Everything behind the counter.
struct Desk {
    account: Account,
    habits: Habits,
    client_id: String,
    client_secret: String,
    origin: String,
    token: Option<(String, jiff::Timestamp)>,
    /// By the path, how many requests still go through before it happens.
    interruptions: Vec<(String, usize, Interruption)>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("habits", &self.habits).finish_non_exhaustive()
    }
}

impl OneLogin {
    /// An account behind an API on a free loopback port.
    pub(crate) fn start(account: Account) -> Self {
        let listener = http::block_on(tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        let listener = listener.expect("a loopback port");
        let origin = format!("http://{}", listener.local_addr().expect("its number"));
        // Never seen before, so that a secret that leaks is found.
        let secret = format!("secret-of-onelogin-{}", uuid::Uuid::now_v7().simple());
        let desk = Desk {
            account,
            habits: Habits::default(),
            client_id: format!("client-{}", uuid::Uuid::now_v7().simple()),
            client_secret: secret,
            origin: origin.clone(),
            token: None,
            interruptions: Vec::new(),
        };
        let (client_id, client_secret) = (desk.client_id.clone(), desk.client_secret.clone());
        let shared = Arc::new(Mutex::new(desk));
        let router = Router::new().fallback(handle).with_state(Arc::clone(&shared));
        let server = http::runtime().spawn(async move {
            axum::serve(listener, router).await.expect("axum::serve never ends");
        });
        let proxy = Proxy::before(&origin);
        Self { base_url: proxy.base_url.clone(), client_id, client_secret, proxy, shared, server }
    }

    /// Changes what the account holds.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Account) -> T) -> T {
        change(&mut self.desk().account)
    }

    /// Changes how the API behaves.
    pub(crate) fn behave(&self, change: impl FnOnce(&mut Habits)) {
        change(&mut self.desk().habits);
    }

    /// Does something to the account when a request to this path arrives, after `skip` others.
    pub(crate) fn interrupt(&self, path: &str, skip: usize, change: impl FnOnce(&mut Account) + Send + 'static) {
        self.desk().interruptions.push((path.to_owned(), skip, Box::new(change)));
    }

    /// Ends the token that is in use; the next request for one gets another.
    pub(crate) fn revoke_token(&self) {
        self.desk().token = None;
    }

    /// Spoils the requests that a rule meets.
    pub(crate) fn inject(&self, rule: Rule, fault: Fault) {
        self.proxy.inject(rule, fault);
    }

    /// Every request since the start or the last [`Self::forget`].
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.proxy.calls()
    }

    /// How many requests of each kind: `{"GET /api/2/users": 40, "GET /api/2/roles/{id}": 1}`.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.calls() {
            let is_id = |(at, part): (usize, &str)| at > 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            let parts = call.path.split('/').enumerate().map(|at| if is_id(at) { "{id}" } else { at.1 });
            *counts.entry(format!("{} {}", call.method, parts.collect::<Vec<_>>().join("/"))).or_default() += 1;
        }
        counts
    }

    /// Starts counting from nothing.
    pub(crate) fn forget(&self) {
        self.proxy.forget();
    }

    /// A token for a test's own requests.
    pub(crate) fn token(&self) -> String {
        self.desk().token().0
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.shared.lock().expect("nobody panics at the desk")
    }
}

impl Drop for OneLogin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Desk {
    fn is_token(&self, token: &str) -> bool {
        let valid = |(known, since): &(String, jiff::Timestamp)| {
            known == token && SystemClock.now().duration_since(*since).as_secs() < self.habits.token_lifetime
        };
        self.token.as_ref().is_some_and(valid)
    }

    /// The token in use, since when, and how many seconds it is still good for.
    fn token(&mut self) -> (String, jiff::Timestamp, i64) {
        let now = SystemClock.now();
        let lifetime = self.habits.token_lifetime;
        let left = |since: jiff::Timestamp| lifetime - now.duration_since(since).as_secs();
        if self.token.as_ref().is_none_or(|(_, since)| left(*since) <= 0) {
            self.token = Some((format!("onelogin-{}", uuid::Uuid::now_v7().simple()), now));
        }
        let (token, since) = self.token.clone().expect("a token");
        (token, since, left(since))
    }

    /// Uses up one call; whether there was one.
    fn spend(&mut self) -> bool {
        match &mut self.habits.quota {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    /// What was to happen at this request happens.
    fn interrupted(&mut self, path: &str) {
        let mut due = Vec::new();
        let mut waiting = Vec::new();
        for (at, skip, change) in std::mem::take(&mut self.interruptions) {
            match (at == path, skip) {
                (true, 0) => due.push(change),
                (true, skip) => waiting.push((at, skip - 1, change)),
                (false, skip) => waiting.push((at, skip, change)),
            }
        }
        self.interruptions = waiting;
        due.into_iter().for_each(|change| change(&mut self.account));
    }
}

async fn handle(State(shared): State<Arc<Mutex<Desk>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole request");
    // An array is a parameter that is repeated (the vendor's description and SDK), kept here as one text.
    let mut query = pages::Query::new();
    for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned() {
        let all: &mut String = query.entry(name).or_default();
        *all = if all.is_empty() { value } else { format!("{all},{value}") };
    }
    let mut desk = shared.lock().expect("nobody panics at the desk");
    desk.interrupted(parts.uri.path());
    let origin = desk.origin.clone();
    let asked = api::Asked {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query,
        headers: &parts.headers,
        body: &body,
        origin: &origin,
    };
    api::serve(&mut desk, &asked)
}
