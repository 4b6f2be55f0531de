//! One app: its settings, what was learned about it, and the one place where a request is made.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::body::Room;
use super::discovery::Capabilities;
use super::error::{RequestKind, clean};
use super::json::{self, JsonObject};
use super::resource::Wire;
use super::{CallError, CallStats};
use crate::config::forms::Period;
use crate::config::profile::Profile;
use crate::http::failure::{CallKind, after_try};
use crate::http::pace::{Pacer, Permit};
use crate::http::retry::{Backoff, Jitter, Waited, retry};
use crate::http::{
    Authenticator, Client, ClientIdentity, ClientSettings, HttpRequest, HttpResponse, KeyInUse, Login, Method, Network,
    Observer, SetupError, http_date,
};
use crate::model::{AppId, SnapshotCounts};
use crate::time_limit::TimeLimit;

/// What an [`App`] is made of.
#[derive(Clone)]
pub struct AppSettings {
    /// How the app differs from the standard.
    pub profile: Profile,
    /// The SCIM base URL, up to but without `/Users`.
    pub base_url: String,
    /// How the app knows us.
    pub login: Login,
    /// What is shown to an app that asks for a certificate.
    pub identity: Option<ClientIdentity>,
    /// PEM text of the certificate authorities to trust instead of the machine's.
    pub ca_pem: Option<Vec<u8>>,
    /// Through which proxy, and with which TLS.
    pub network: Network,
    /// Accept plain http to a loopback address.
    pub allow_http_loopback: bool,
    /// How fast, and how many at once. Tenants on one quota share its buckets.
    pub pacer: Pacer,
    /// Where the jitter of pauses starts.
    pub seed: u64,
}

impl AppSettings {
    /// How the app's host is called, without the credential.
    pub fn client(&self) -> ClientSettings {
        let transport = &self.profile.transport;
        ClientSettings {
            allow_http_loopback: self.allow_http_loopback,
            ca_pem: self.ca_pem.clone(),
            identity: self.identity.clone(),
            network: self.network.clone(),
            user_agent: transport.user_agent.clone(),
            accept: transport.accept.clone(),
            content_type: transport.content_type.clone(),
            extra_headers: transport.extra_headers.clone(),
            connect_timeout: Duration::from_secs(transport.connect_timeout_secs),
            total_timeout: Duration::from_secs(transport.timeout_secs),
            max_body: transport.max_response_bytes,
            ..ClientSettings::new(self.base_url.as_str())
        }
    }
}

/// An app that speaks SCIM 2.0. One value per tenant; all its methods may be called at once.
pub struct App {
    pub(super) http: Authenticator,
    pub(super) profile: Profile,
    pub(super) wire: Wire,
    pub(super) learned: Learned,
    capabilities: OnceCell<Capabilities>,
    pacer: Pacer,
    backoff: Backoff,
    dice: Mutex<Jitter>,
    throttled_in_a_row: AtomicU32,
    calls: CallCounters,
    /// What the last accepted reading was like, once that is known.
    last_reading: OnceLock<LastReading>,
    /// Set when no write may leave any more.
    pub(super) closed: CancellationToken,
}

/// What a reading of the app is likely to need.
#[derive(Debug, Clone, Copy)]
struct LastReading {
    /// How many rows the longest list of the last accepted reading had.
    rows: u64,
    /// The time from one read to the next, at the configured rate.
    between: Duration,
}

/// What the app was seen to do, against its own word or the profile's.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// It refuses filters, or ignores them.
    filters_unusable: AtomicBool,
    /// It does not answer filters by e-mail address.
    no_email_filter: AtomicBool,
    /// It does not answer filters by display name.
    no_display_filter: AtomicBool,
    /// It breaks on paging parameters and shows everything without.
    no_paging: AtomicBool,
    /// It answers 404 where nothing matches.
    no_match_is_404: AtomicBool,
    /// It does not say when an object was made, not even when asked for it.
    undated: AtomicBool,
    /// What time it was there at its last answer.
    date: Mutex<Option<Timestamp>>,
    /// What time it was there at its first answer: what it made before that was not made by this connection.
    first_date: Mutex<Option<Timestamp>>,
    /// Hashes of the ids that look-ups showed: what is in the app before a create.
    shown: Mutex<HashSet<u64>>,
    /// User names, folded, that it said exist when they were to be created: a filter that finds nobody is not believed.
    pub(super) taken: Mutex<HashSet<String>>,
    /// The last object that an answer showed instead of the one that was asked for: asked for, shown.
    instead: Mutex<Option<(AppId, AppId)>>,
}

impl Learned {
    /// Notes that an answer was about another object than the request.
    pub(super) fn shows_instead(&self, asked: &AppId, shown: &str) {
        let Ok(shown) = AppId::from_app(shown) else { return };
        *self.instead.lock().unwrap_or_else(PoisonError::into_inner) = Some((asked.clone(), shown));
    }

    /// The object that the last answer showed instead of `asked`. Returned once.
    pub(super) fn shown_instead_of(&self, asked: &AppId) -> Option<AppId> {
        let mut instead = self.instead.lock().unwrap_or_else(PoisonError::into_inner);
        instead.take_if(|(of, _)| of == asked).map(|(_, shown)| shown)
    }

    /// Notes what a look-up showed, whomever it was for.
    pub(super) fn shows(&self, endpoint: Endpoint, resources: &[JsonObject]) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = resources.iter().filter_map(|resource| json::text(resource, "id"));
        shown.extend(ids.map(|id| hash_of_id(endpoint, &id)));
    }

    /// Whether a look-up showed an object of this id.
    pub(super) fn has_shown(&self, endpoint: Endpoint, id: &str) -> bool {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash_of_id(endpoint, id))
    }

    /// An object is deleted: some apps give its id to the next one.
    pub(super) fn is_deleted(&self, endpoint: Endpoint, id: &str) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash_of_id(endpoint, id));
    }

    /// Notes that an object, asked for by its id, does not show when it was made.
    pub(super) fn shows_no_dates(&self) {
        self.undated.store(true, Ordering::Relaxed);
    }

    /// Whether objects do not show when they were made.
    pub(super) fn is_undated(&self) -> bool {
        self.undated.load(Ordering::Relaxed)
    }

    pub(super) fn filters_unusable(&self) -> bool {
        self.filters_unusable.load(Ordering::Relaxed)
    }

    pub(super) fn filters_are_unusable(&self) {
        self.filters_unusable.store(true, Ordering::Relaxed);
    }

    /// Whether it answers filters by this attribute, as far as is known.
    pub(super) fn can_filter_by(&self, attribute: &str) -> bool {
        self.attribute_flag(attribute).is_none_or(|refused| !refused.load(Ordering::Relaxed))
    }

    pub(super) fn cannot_filter_by(&self, attribute: &str) {
        if let Some(refused) = self.attribute_flag(attribute) {
            refused.store(true, Ordering::Relaxed);
        }
    }

    fn attribute_flag(&self, attribute: &str) -> Option<&AtomicBool> {
        match attribute {
            "emails.value" => Some(&self.no_email_filter),
            "displayName" => Some(&self.no_display_filter),
            _ => None,
        }
    }

    pub(super) fn no_paging(&self) -> bool {
        self.no_paging.load(Ordering::Relaxed)
    }

    pub(super) fn paging_is_not_offered(&self) {
        self.no_paging.store(true, Ordering::Relaxed);
    }

    pub(super) fn no_match_is_404(&self) -> bool {
        self.no_match_is_404.load(Ordering::Relaxed)
    }

    pub(super) fn a_404_means_no_match(&self) {
        self.no_match_is_404.store(true, Ordering::Relaxed);
    }
}

/// The endpoints in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Users,
    Groups,
    ServiceProviderConfig,
    ResourceTypes,
    Schemas,
    Me,
}

fn hash_of_id(endpoint: Endpoint, id: &str) -> u64 {
    xxh3_64_with_seed(id.as_bytes(), u64::from(endpoint == Endpoint::Groups))
}

/// One request, in SCIM's terms.
#[derive(Debug, Clone)]
pub(super) struct ScimRequest {
    pub(super) method: Method,
    pub(super) endpoint: Endpoint,
    pub(super) id: Option<String>,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    /// Whether a group is only looked at, so that its members' values are enough.
    pub(super) members_as_values: bool,
}

impl ScimRequest {
    pub(super) fn get(endpoint: Endpoint) -> Self {
        Self { method: Method::Get, endpoint, id: None, query: Vec::new(), body: None, members_as_values: false }
    }

    pub(super) fn get_one(endpoint: Endpoint, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..Self::get(endpoint) }
    }

    pub(super) fn post(endpoint: Endpoint, body: Value) -> Self {
        Self { method: Method::Post, body: Some(body), ..Self::get(endpoint) }
    }

    pub(super) fn change(method: Method, endpoint: Endpoint, id: &str, body: Option<Value>) -> Self {
        Self { method, body, ..Self::get_one(endpoint, id) }
    }
}

/// A success.
#[derive(Debug)]
pub(super) struct ScimResponse {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) body: Option<JsonObject>,
}

impl App {
    /// Makes an app of its settings. Nothing is sent.
    ///
    /// # Errors
    /// When the base URL, the certificate file or a part of the profile can't be used; the text says which and why.
    pub fn new(settings: AppSettings) -> Result<Self, SetupError> {
        let client = settings.client();
        let AppSettings { profile, login, pacer, seed, .. } = settings;
        let wire = Wire::new(&profile).map_err(|why| SetupError::new(format!("the profile's attributes: {why}")))?;
        let backoff = Backoff::from(&profile.pace);
        let http = Authenticator::new(&client, login, backoff)?;
        Ok(Self {
            http,
            profile,
            wire,
            learned: Learned::default(),
            capabilities: OnceCell::new(),
            pacer,
            backoff,
            dice: Mutex::new(Jitter::new(seed)),
            throttled_in_a_row: AtomicU32::new(0),
            calls: CallCounters::default(),
            last_reading: OnceLock::new(),
            closed: CancellationToken::new(),
        })
    }

    /// Which of two tokens is in use; `None` where there is one at most, or the app was asked nothing yet.
    pub fn key_in_use(&self) -> Option<KeyInUse> {
        self.http.key_in_use().filter(|_| self.stats_now().total > 0)
    }

    /// The profile in use.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Says what the last accepted reading held, and how much time lies between two reads at the configured rate: from that the time
    /// limit of lists is worked out. Counts once.
    pub fn expect(&self, last: Option<SnapshotCounts>, between: Duration) {
        if let Some(counts) = last {
            let _said_already = self.last_reading.set(LastReading { rows: counts.users.max(counts.groups), between });
        }
    }

    /// How long a reading may take whose list has this many pages, as the app announces.
    pub(super) fn time_limit(&self, page_size: u32, announced: Option<u64>) -> TimeLimit {
        let configured = self.profile.read.time_limit.map(Period::duration);
        let last = self.last_reading.get();
        // The last page is proved by one more, which is empty.
        let needed =
            last.map(|last| TimeLimit::of_pages(last.rows.div_ceil(page_size.max(1).into()) + 1, last.between));
        let limit = TimeLimit::new(configured, needed);
        match (last, announced) {
            (Some(last), Some(pages)) => limit.or_for(TimeLimit::of_pages(pages.saturating_add(1), last.between)),
            _ => limit,
        }
    }

    /// What time it was at the app when it answered last.
    pub(super) fn last_date(&self) -> Option<Timestamp> {
        *self.learned.date.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What time it was at the app when it answered first.
    pub(super) fn first_date(&self) -> Option<Timestamp> {
        *self.learned.first_date.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether requests can be sent about an object of this id: `..`, for one, can't stand in a URL's path.
    pub(super) fn can_address(&self, id: &str) -> bool {
        AppId::from_app(id).is_ok() && self.http.url(&[id.to_owned()]).is_ok()
    }

    /// Who hears of the calls.
    pub(super) fn observer(&self) -> &dyn Observer {
        self.pacer.observer()
    }

    pub(super) fn stats_now(&self) -> CallStats {
        self.calls.now()
    }

    /// How many calls may be made at once.
    pub(super) fn in_flight(&self) -> usize {
        self.profile.pace.in_flight.max(1) as usize
    }

    /// What the app says it can do; asked for once. An app that does not say is no error: the profile is enough.
    pub(super) async fn capabilities(&self) -> &Capabilities {
        self.capabilities
            .get_or_init(|| async {
                if !self.profile.transport.discovery {
                    return Capabilities::default();
                }
                let config = self.once(&ScimRequest::get(Endpoint::ServiceProviderConfig)).await;
                config.ok().and_then(|answer| answer.body).map(|body| Capabilities::read(&body)).unwrap_or_default()
            })
            .await
    }

    /// A read, repeated where that may help, at most `attempts` times in all.
    pub(super) async fn read(&self, call: &ScimRequest, attempts: u32) -> Result<ScimResponse, CallError> {
        let judge = |error: &CallError, tried| after_try(error.class, CallKind::Read, tried, attempts);
        let wait = |_, error: CallError, tried| async move {
            self.observer().repeated(error.class.name());
            tokio::time::sleep(self.pause(tried, error.retry_after)).await;
            Waited::Again
        };
        retry(|| self.once(call), judge, wait).await.map_err(|(error, tried)| {
            let times = if tried > 1 { format!(" (tried {tried} times)") } else { String::new() };
            CallError { message: error.message + &times, ..error }
        })
    }

    /// One request, once.
    pub(super) async fn once(&self, call: &ScimRequest) -> Result<ScimResponse, CallError> {
        let root = self.endpoint_path(call.endpoint);
        let mut segments: Vec<String> = root.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
        segments.extend(call.id.clone());
        let path = format!("/{}", clean(&segments.join("/")));
        let asked = RequestKind { method: call.method, path: &path };
        // An id that no URL can carry is found before a place in line is taken.
        self.http.url(&segments).map_err(|error| asked.no_answer(error))?;
        let room = self.room(call);
        let request = HttpRequest {
            trailing_slash: self.profile.transport.trailing_slash && call.id.is_none(),
            query: call.query.clone(),
            body: call.body.as_ref().map(|body| body.to_string().into_bytes()),
            max_body: Some(room.bytes),
            ..HttpRequest::new(call.method, segments)
        };

        let send = async |client: Arc<Client>| {
            let permit = self.turn(call.method, root).await.ok_or_else(|| asked.closed())?;
            self.calls.count(call.method);
            let reply = permit.send(&client, request.clone()).await.map_err(|error| asked.no_answer(error))?;
            self.heed(&reply);
            Ok(reply)
        };
        let replied = self.http.call(send).await.unwrap_or_else(|error| Err(asked.no_login(error)));
        let result = replied.and_then(|reply| {
            let body = asked.answer(&reply, room)?;
            Ok(ScimResponse { status: reply.status, location: reply.location, body })
        });
        let status = result.as_ref().map_or_else(|error| error.status, |answer| Some(answer.status));
        tracing::debug!(method = call.method.as_str(), path, status, "request");
        result.map_err(|error| CallError { message: self.http.redact(error.message), ..error })
    }

    /// How large the answer to a call may be.
    fn room(&self, call: &ScimRequest) -> Room {
        let transport = &self.profile.transport;
        let is_list = call.method == Method::Get && call.id.is_none() && call.endpoint == Endpoint::Users;
        let of_one_user = matches!(call.endpoint, Endpoint::Users | Endpoint::Me) && !is_list;
        let members_as_values = call.members_as_values;
        match of_one_user && transport.max_user_response_bytes < transport.max_response_bytes {
            true => Room {
                bytes: transport.max_user_response_bytes,
                key: "transport.max_user_response_bytes",
                members_as_values,
            },
            false => {
                Room { bytes: transport.max_response_bytes, key: "transport.max_response_bytes", members_as_values }
            }
        }
    }

    /// Waits until a call may go; `None` for a write that may not go any more.
    async fn turn(&self, method: Method, root: &str) -> Option<Permit> {
        let turn = self.pacer.acquire(method.as_str(), root);
        if method == Method::Get {
            return Some(turn.await);
        }
        // Looked at first and once more after the wait, so that no write leaves after `close`.
        tokio::select! {
            biased;
            () = self.closed.cancelled() => None,
            permit = turn => (!self.closed.is_cancelled()).then_some(permit),
        }
    }

    fn endpoint_path(&self, endpoint: Endpoint) -> &str {
        let transport = &self.profile.transport;
        match endpoint {
            Endpoint::Users => &transport.users_path,
            Endpoint::Groups => &transport.groups_path,
            Endpoint::ServiceProviderConfig => &transport.spc_path,
            Endpoint::ResourceTypes => "/ResourceTypes",
            Endpoint::Schemas => "/Schemas",
            Endpoint::Me => "/Me",
        }
    }

    /// Slows everybody down when the app says so, not only the call it said it to.
    fn heed(&self, reply: &HttpResponse) {
        if let Some(date) = reply.header("date").and_then(http_date) {
            *self.learned.date.lock().unwrap_or_else(PoisonError::into_inner) = Some(date);
            self.learned.first_date.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(date);
        }
        let throttled = reply.status == 429 || (reply.status == 503 && reply.retry_after.is_some());
        if throttled {
            // Several calls in flight are refused together: that is one refusal, not several in a row.
            let is_news = self.pacer.held_for().is_zero();
            let in_a_row = if is_news {
                self.throttled_in_a_row.fetch_add(1, Ordering::Relaxed) + 1
            } else {
                self.throttled_in_a_row.load(Ordering::Relaxed).max(1)
            };
            self.pacer.hold_off(self.pause(in_a_row, reply.retry_after));
            return;
        }
        if reply.status < 400 {
            self.throttled_in_a_row.store(0, Ordering::Relaxed);
        }
        if let Some(pause) = reply.retry_after {
            self.pacer.hold_off(pause.min(self.backoff.cap));
        }
    }

    fn pause(&self, tried: u32, asked: Option<Duration>) -> Duration {
        // The state is one number: a panic elsewhere can't leave it half written.
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        self.backoff.pause(tried, asked, &mut dice)
    }
}

/// Counters, one per method.
#[derive(Debug, Default)]
struct CallCounters([AtomicU64; 5]);

impl CallCounters {
    const METHODS: [Method; 5] = [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete];

    fn count(&self, method: Method) {
        for (counter, counted) in self.0.iter().zip(Self::METHODS) {
            if counted == method {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn now(&self) -> CallStats {
        let counts =
            self.0.iter().zip(Self::METHODS).map(|(counter, method)| (method, counter.load(Ordering::Relaxed)));
        let by_method: BTreeMap<String, u64> =
            counts.filter(|(_, count)| *count > 0).map(|(method, count)| (method.as_str().to_owned(), count)).collect();
        CallStats { total: by_method.values().sum(), by_method }
    }
}
