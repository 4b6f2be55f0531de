//! A reverse proxy between rosterd and an app: it counts and keeps every request, and spoils the ones it is told to.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::stream;
use serde_json::Value;

use super::http;

/// One request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// Below the base URL, percent-encoded as it came: `/Users/1`.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
    /// What the client was answered; `None` while it waits, or if the connection was dropped.
    pub(crate) status: Option<u16>,
    pub(crate) at: Instant,
}

impl Call {
    /// Whether it asks the app to change something. POST to `.search` is a read (RFC 7644 §3.4.3).
    pub(crate) fn is_write(&self) -> bool {
        self.method != "GET" && self.method != "HEAD" && !self.path.ends_with("/.search")
    }

    /// Method and path with the id left out: `PATCH /Users/{id}`.
    pub(crate) fn shape(&self) -> String {
        let mut parts = self.path.splitn(3, '/').skip(1);
        let endpoint = parts.next().unwrap_or_default();
        let id = parts.next().filter(|rest| !rest.is_empty() && *rest != ".search");
        format!("{} /{endpoint}{}", self.method, if id.is_some() { "/{id}" } else { "" })
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in: {}", self.body))
    }
}

/// What happens to a request in place of a plain answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The app never sees it; this comes back.
    Answer { status: u16, headers: Vec<(String, String)>, body: String },
    /// The app sees it, and its answer waits this long.
    Delay(Duration),
    /// The app sees it, and half of its answer's body comes back.
    Truncate,
    /// The app never sees it; the connection is closed.
    DropBefore,
    /// The app does it, and the connection is closed instead of the answer.
    DropAfter,
}

impl Fault {
    /// A status with a SCIM error body (RFC 7644 §3.12).
    pub(crate) fn status(status: u16) -> Self {
        let body = serde_json::json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": status.to_string(),
            "detail": "made up by the proxy",
        });
        Self::Answer { status, headers: vec![content_type("application/scim+json")], body: body.to_string() }
    }

    /// A status with this SCIM body.
    pub(crate) fn body(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: vec![content_type("application/scim+json")], body: body.to_owned() }
    }

    /// A status with a web page, as gateways and login walls send it.
    pub(crate) fn html(status: u16) -> Self {
        let body = "<!DOCTYPE html><html><title>Sign in</title><body>made up by the proxy</body></html>".to_owned();
        Self::Answer { status, headers: vec![content_type("text/html")], body }
    }

    /// 307 to another place.
    pub(crate) fn redirect(location: &str) -> Self {
        Self::status(307).with_header("location", location)
    }

    /// 429 with `Retry-After`, in seconds or as a date.
    pub(crate) fn too_many_requests(retry_after: &str) -> Self {
        Self::status(429).with_header("retry-after", retry_after)
    }

    /// One more header, for an answer made up here.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        match &mut self {
            Self::Answer { headers, .. } => headers.push((name.to_owned(), value.to_owned())),
            _ => panic!("{self:?} has no headers of its own"),
        }
        self
    }
}

/// Which requests a fault meets: all of a method below a path, after some, up to a number.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    method: String,
    path: String,
    skip: usize,
    times: usize,
}

impl Rule {
    /// The first request with this method (`*` for any) whose path below the base URL starts like this.
    pub(crate) fn on(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), skip: 0, times: 1 }
    }

    /// Lets the first ones through: `skip(2)` meets the third.
    pub(crate) fn skip(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    /// Meets as many one after the other; `usize::MAX` for all that follow.
    pub(crate) fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Whether it meets this request, which is counted if it is one of its kind.
    pub(crate) fn meets(&mut self, call: &Call) -> bool {
        if (self.method != "*" && self.method != call.method) || !call.path.starts_with(&self.path) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let meets = self.times > 0;
        self.times = self.times.saturating_sub(1);
        meets
    }
}

/// A running proxy. Dropping it closes its port.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// What rosterd is given in the app's place; no slash at the end.
    pub(crate) base_url: String,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    /// Scheme, host and port of the app.
    app: String,
    base_path: String,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    calls: Vec<Call>,
    faults: Vec<(Rule, Fault)>,
    in_flight: usize,
    in_flight_peak: usize,
}

impl Proxy {
    /// A proxy on a free loopback port before the app with this base URL.
    pub(crate) fn before(base_url: &str) -> Self {
        let app: url::Url = base_url.parse().expect("a base URL");
        let shared = Arc::new(Shared {
            app: app.origin().ascii_serialization(),
            base_path: app.path().trim_end_matches('/').to_owned(),
            record: Mutex::default(),
        });
        let router = Router::new().fallback(handle).with_state(Arc::clone(&shared));
        let listener = http::block_on(tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        let listener = listener.expect("a loopback port");
        let port = listener.local_addr().expect("its number").port();
        let server = http::runtime().spawn(async move {
            axum::serve(listener, router).await.expect("axum::serve never ends");
        });
        Self { base_url: format!("http://127.0.0.1:{port}{}", shared.base_path), shared, server }
    }

    /// Spoils the requests that a rule meets. Of several rules the first that meets one counts.
    pub(crate) fn inject(&self, rule: Rule, fault: Fault) {
        self.shared.record().faults.push((rule, fault));
    }

    /// Spoils no further request.
    pub(crate) fn heal(&self) {
        self.shared.record().faults.clear();
    }

    /// Every request since the start or the last [`Self::forget`], in the order of arrival.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.record().calls.clone()
    }

    /// The requests that ask for a change.
    pub(crate) fn writes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(Call::is_write).collect()
    }

    /// How many requests of each shape: `{"GET /Users": 2, "PATCH /Groups/{id}": 1}`.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.calls() {
            *counts.entry(call.shape()).or_default() += 1;
        }
        counts
    }

    /// The most requests that were being answered at one time.
    pub(crate) fn in_flight_peak(&self) -> usize {
        self.shared.record().in_flight_peak
    }

    /// Starts counting from nothing; rules stay.
    pub(crate) fn forget(&self) {
        let mut record = self.shared.record();
        record.calls.clear();
        record.in_flight_peak = record.in_flight;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("nobody panics holding the record")
    }

    /// Writes a request down: its number, and the fault it meets.
    fn arrived(&self, call: Call) -> (usize, Option<Fault>) {
        let mut record = self.record();
        let fault = record.faults.iter_mut().find_map(|(rule, fault)| rule.meets(&call).then(|| fault.clone()));
        record.calls.push(call);
        record.in_flight += 1;
        record.in_flight_peak = record.in_flight_peak.max(record.in_flight);
        (record.calls.len() - 1, fault)
    }
}

/// Counts a request as in flight until it is answered, dropped or given up by its client.
struct InFlight<'a>(&'a Shared);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.record().in_flight -= 1;
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole request");
    let path = parts.uri.path();
    let (number, fault) = shared.arrived(Call {
        method: parts.method.to_string(),
        path: path.strip_prefix(&shared.base_path).unwrap_or(path).to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: text(parts.headers.get(header::AUTHORIZATION)),
        body: String::from_utf8_lossy(&body).into_owned(),
        status: None,
        at: Instant::now(),
    });
    let _in_flight = InFlight(&shared);
    let response = match fault {
        None => forward(&shared, parts, body).await,
        Some(Fault::Answer { status, headers, body }) => made_up(status, &headers, body),
        Some(Fault::Delay(delay)) => {
            let response = forward(&shared, parts, body).await;
            tokio::time::sleep(delay).await;
            response
        }
        Some(Fault::Truncate) => truncated(forward(&shared, parts, body).await).await,
        Some(Fault::DropBefore) => drop_connection(),
        Some(Fault::DropAfter) => {
            forward(&shared, parts, body).await;
            drop_connection()
        }
    };
    if let Some(call) = shared.record().calls.get_mut(number) {
        call.status = Some(response.status().as_u16());
    }
    response
}

/// Asks the app; 502 if it does not answer.
async fn forward(shared: &Shared, parts: axum::http::request::Parts, body: Bytes) -> Response {
    let mut headers = parts.headers;
    // Both are for one connection, and this is another.
    headers.remove(header::HOST);
    headers.remove(header::CONNECTION);
    let url = format!("{}{}", shared.app, parts.uri);
    let request = http::client().request(parts.method, url).headers(headers).body(body);
    let answer = async {
        let answer = request.send().await?;
        Ok::<_, reqwest::Error>((answer.status(), answer.headers().clone(), answer.bytes().await?))
    };
    let (status, mut headers, body) = match answer.await {
        Ok(answer) => answer,
        Err(error) => return made_up(502, &[content_type("text/plain")], format!("the app does not answer: {error}")),
    };
    headers.remove(header::TRANSFER_ENCODING);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

pub(crate) fn made_up(status: u16, headers: &[(String, String)], body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("a header name");
        response.headers_mut().append(name, HeaderValue::from_str(value).expect("a header value"));
    }
    response
}

/// The same answer, announced in full, of which half arrives before the connection is closed.
pub(crate) async fn truncated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole answer");
    assert!(body.len() > 1, "there is no half of {} bytes", body.len());
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let half = body.slice(..body.len() / 2);
    let broken = std::io::Error::other("cut by the proxy");
    Response::from_parts(parts, Body::from_stream(stream::iter([Ok(half), Err(broken)])))
}

/// Closes the connection without an answer: the task that serves it ends here. Unlike a panic this prints nothing.
pub(crate) fn drop_connection() -> ! {
    std::panic::resume_unwind(Box::new("the proxy drops the connection"))
}

fn text(value: Option<&HeaderValue>) -> Option<String> {
    value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn content_type(value: &str) -> (String, String) {
    ("content-type".to_owned(), value.to_owned())
}
