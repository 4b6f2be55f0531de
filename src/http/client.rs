//! A client for one origin. In: a method, path segments, a query, a body. Out: a status, a few headers, the whole body.

mod transport;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use url::Url;

use self::transport::{base_url, transport};
use super::client_certificate::ClientIdentity;
use super::date::http_date;
use super::error::{BodyFault, SendError, SetupError, send_error};
use super::network::{Network, Route};
use super::retry;
use super::secret::Secret;
use super::spellings::Spellings;
use crate::clock::{Clock, SystemClock};
use crate::fail;

/// Everything but the unreserved characters of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How much of an error's body is read: enough for any message, too little to be a burden.
const ERROR_BODY: usize = 64 << 10;

/// The methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// As it stands in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn native(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Post => reqwest::Method::POST,
            Self::Put => reqwest::Method::PUT,
            Self::Patch => reqwest::Method::PATCH,
            Self::Delete => reqwest::Method::DELETE,
        }
    }
}

/// The header that carries the token.
#[derive(Clone)]
pub struct Auth {
    /// The header's name.
    pub header: String,
    /// Its value; `{token}` stands for the token.
    pub template: String,
    /// The token.
    pub token: Secret,
}

/// What a client is made of.
#[derive(Clone)]
pub struct ClientSettings {
    /// Scheme, host, port and path prefix: nothing outside of it can be asked.
    pub base_url: String,
    /// Accept `http:` when the host is a loopback address.
    pub allow_http_loopback: bool,
    /// PEM text of the certificate authorities to trust instead of the machine's.
    pub ca_pem: Option<Vec<u8>>,
    /// What is shown to a server that asks for a certificate.
    pub identity: Option<ClientIdentity>,
    /// Through which proxy, and with which TLS.
    pub network: Network,
    /// How the token is presented, if there is one.
    pub auth: Option<Auth>,
    /// `User-Agent`; empty for `rosterd/<version>`.
    pub user_agent: String,
    /// `Accept`.
    pub accept: String,
    /// `Content-Type` of requests with a body.
    pub content_type: String,
    /// Further headers of every request. Never secrets.
    pub extra_headers: BTreeMap<String, String>,
    /// Until a connection must stand, TLS included.
    pub connect_timeout: Duration,
    /// The longest silence while an answer is awaited or read.
    pub idle_timeout: Duration,
    /// For the whole exchange.
    pub total_timeout: Duration,
    /// The largest body that is read, in bytes.
    pub max_body: usize,
}

impl ClientSettings {
    /// Settings with the usual limits, for a base URL.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            allow_http_loopback: false,
            ca_pem: None,
            identity: None,
            network: Network::default(),
            auth: None,
            user_agent: String::new(),
            accept: "application/json".into(),
            content_type: "application/json".into(),
            extra_headers: BTreeMap::new(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(60),
            max_body: 8 << 20,
        }
    }
}

/// One request below the base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The path below the base URL, segment by segment, not yet encoded.
    pub segments: Vec<String>,
    /// Whether the path ends in a slash.
    pub trailing_slash: bool,
    /// The query, not yet encoded.
    pub query: Vec<(&'static str, String)>,
    /// More of the query, encoded already.
    pub encoded_query: Option<String>,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// The body's `Content-Type`, where it is not the client's.
    pub content_type: Option<&'static str>,
    /// The largest body of an answer that is read, where it is less than the client's.
    pub max_body: Option<usize>,
}

impl HttpRequest {
    /// A request without query and body.
    pub fn new(method: Method, segments: Vec<String>) -> Self {
        Self {
            method,
            segments,
            trailing_slash: false,
            query: Vec::new(),
            encoded_query: None,
            body: None,
            content_type: None,
            max_body: None,
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Location`, as it stands there. It is never followed.
    pub location: Option<String>,
    /// The host of `Location`, for messages.
    pub location_host: Option<String>,
    /// How long the other side asks to be left alone: `Retry-After`, or a quota that is used up.
    pub retry_after: Option<Duration>,
    /// All headers; see [`HttpResponse::header`].
    pub headers: HeaderMap,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
    /// Why the body is not whole.
    pub fault: Option<BodyFault>,
}

impl HttpResponse {
    /// A header by its name, whatever the case; `None` where it is missing or no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A client for one origin and path prefix.
///
/// There is no way to send it anywhere else: it takes path segments, never a URL, and it follows no redirect.
pub struct Client {
    http: reqwest::Client,
    /// The proxy between, if there is one.
    route: Option<Arc<Route>>,
    /// Without a slash at its end.
    base: Url,
    base_text: String,
    host: String,
    headers: HeaderMap,
    content_type: HeaderValue,
    max_body: usize,
    spellings: Spellings,
    /// The last `Date` that the other side said, and when.
    dated: Arc<Mutex<Option<(Timestamp, Instant)>>>,
}

impl Client {
    /// Makes a client. Nothing is sent.
    ///
    /// # Errors
    /// When the base URL, a header or the certificate file can't be used; the text says which and why.
    pub fn new(settings: &ClientSettings) -> Result<Self, SetupError> {
        let base = base_url(&settings.base_url, settings.allow_http_loopback)?;
        let route = Route::to(&base, &settings.network.proxy)?;
        let http = transport(settings, &base, route.as_ref())?;
        let host = match (base.host_str(), base.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.extra_headers {
            headers.insert(header_name(name)?, header_value(name, value)?);
        }
        headers.insert(header::ACCEPT, header_value("Accept", &settings.accept)?);
        if let Some(auth) = &settings.auth {
            headers.insert(header_name(&auth.header)?, auth_value(auth)?);
        }
        Ok(Self {
            http,
            route: route.map(Arc::new),
            base_text: base.as_str().trim_end_matches('/').to_owned(),
            base,
            host,
            headers,
            content_type: header_value("Content-Type", &settings.content_type)?,
            max_body: settings.max_body,
            spellings: settings.auth.as_ref().map(|auth| Spellings::of(&auth.token)).unwrap_or_default(),
            dated: Arc::default(),
        })
    }

    /// What time it is by the last answer that had a `Date`; `None` before one.
    pub fn their_time(&self) -> Option<Timestamp> {
        let dated = *self.dated.lock().unwrap_or_else(PoisonError::into_inner);
        let (date, at) = dated?;
        date.checked_add(SignedDuration::try_from(at.elapsed()).ok()?).ok()
    }

    fn note_date(&self, headers: &HeaderMap) {
        let text = headers.get(header::DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = text.and_then(http_date) {
            *self.dated.lock().unwrap_or_else(PoisonError::into_inner) = Some((date, Instant::now()));
        }
    }

    /// The same client, connections and limits included, with another token: tokens that are renewed.
    ///
    /// # Errors
    /// When the token can't be a header.
    pub fn with_auth(&self, auth: &Auth) -> Result<Self, SetupError> {
        let mut headers = self.headers.clone();
        headers.insert(header_name(&auth.header)?, auth_value(auth)?);
        Ok(Self {
            http: self.http.clone(),
            route: self.route.clone(),
            base: self.base.clone(),
            base_text: self.base_text.clone(),
            host: self.host.clone(),
            headers,
            content_type: self.content_type.clone(),
            max_body: self.max_body,
            spellings: self.spellings.and(&Spellings::of(&auth.token)),
            dated: Arc::clone(&self.dated),
        })
    }

    /// The same client, which also looks for the credential of another one in what it is answered.
    #[must_use]
    pub(crate) fn hiding(self, other: &Self) -> Self {
        Self { spellings: self.spellings.and(&other.spellings), ..self }
    }

    /// The same client, which also looks for this secret, which its requests carry in their body.
    #[must_use]
    pub(crate) fn hiding_secret(self, secret: &Secret) -> Self {
        Self { spellings: self.spellings.and(&Spellings::of(secret)), ..self }
    }

    /// The host, with its port if it is not the usual one: for messages.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The URL of a path below the base.
    ///
    /// # Errors
    /// When a segment is empty, `.` or `..`: URLs can't carry these as names, and would mean another resource.
    pub fn url(&self, segments: &[String]) -> Result<String, SendError> {
        let mut text = self.base_text.clone();
        for segment in segments {
            if matches!(segment.as_str(), "" | "." | "..") {
                return Err(SendError::NotSent(format!("{segment:?} can't be part of a URL's path")));
            }
            text.push('/');
            text.extend(utf8_percent_encode(segment, RESERVED));
        }
        Ok(text)
    }

    /// Sends one request, once, and reads the answer.
    ///
    /// # Errors
    /// When there is no answer at all. An answer that is cut off or too large is a [`HttpResponse`] with a fault, since its status
    /// says whether the request was carried out.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, SendError> {
        let mut text = self.url(&request.segments)?;
        if request.trailing_slash {
            text.push('/');
        }
        for (at, (name, value)) in request.query.iter().enumerate() {
            text.push(if at == 0 { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            text.extend(utf8_percent_encode(value, RESERVED));
        }
        if let Some(more) = &request.encoded_query {
            text.push(if request.query.is_empty() { '?' } else { '&' });
            text.push_str(more);
        }
        let url = Url::parse(&text).map_err(|why| SendError::NotSent(why.to_string()))?;
        if !self.is_below(&url) {
            return Err(SendError::NotSent("the request would leave the configured base URL".to_owned()));
        }
        let mut builder = self.http.request(request.method.native(), url).headers(self.headers.clone());
        if let Some(body) = request.body {
            let content_type = request.content_type.map_or_else(|| self.content_type.clone(), HeaderValue::from_static);
            builder = builder.header(header::CONTENT_TYPE, content_type).body(body);
        }
        let reached = |point| fail::point(point).map_err(|why| SendError::NotSent(why.to_string()));
        reached("call.send")?;
        let response = match builder.send().await.map_err(|error| send_error(error, &self.host)) {
            Ok(response) => response,
            Err(error) => {
                return Err(match &self.route {
                    Some(route) => route.explain(error).await,
                    None => error,
                });
            }
        };
        reached("call.answered")?;
        Ok(self.read(response, request.max_body.unwrap_or(self.max_body)).await)
    }

    /// Takes the token out of a text that the other side wrote: error messages quote requests.
    pub fn redact(&self, text: String) -> String {
        self.spellings.redact(text)
    }

    fn is_below(&self, url: &Url) -> bool {
        url.scheme() == self.base.scheme()
            && url.host() == self.base.host()
            && url.port() == self.base.port()
            && url
                .as_str()
                .strip_prefix(&self.base_text)
                .is_some_and(|rest| rest.starts_with(['/', '?']) || rest.is_empty())
    }

    async fn read(&self, mut response: reqwest::Response, max_body: usize) -> HttpResponse {
        self.note_date(response.headers());
        let status = response.status();
        let text = |name: HeaderName| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let location = text(header::LOCATION);
        let echoes = location.as_ref().is_some_and(|location| self.spellings.are_told_in(location.as_bytes()));
        let location = location.map(|location| self.spellings.redact(location));
        let mut reply = HttpResponse {
            status: status.as_u16(),
            content_type: text(header::CONTENT_TYPE),
            location_host: location.as_deref().and_then(|location| self.host_of(location)),
            location,
            retry_after: wish(response.headers(), SystemClock.now()),
            headers: response.headers().clone(),
            body: Vec::new(),
            fault: None,
        };
        let max_body = max_body.min(self.max_body);
        let limit = if status.is_success() { max_body } else { ERROR_BODY.min(max_body) };
        let announced = response.content_length().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        reply.body.reserve(announced.min(limit));
        loop {
            match response.chunk().await {
                Ok(None) => return self.without_secrets(reply, echoes),
                Ok(Some(chunk)) => {
                    let room = limit - reply.body.len();
                    reply.body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                    if chunk.len() > room {
                        reply.fault = Some(BodyFault::TooLarge(limit));
                        return self.without_secrets(reply, false);
                    }
                }
                Err(error) => {
                    reply.fault = Some(BodyFault::Cut(super::error::describe(&error, &self.host)));
                    return self.without_secrets(reply, false);
                }
            }
        }
    }

    /// The answer as it may leave this file: a refusal without the credential, whose words are shown and kept; and of a good answer that
    /// repeats it nothing at all, since its values and ids go everywhere.
    fn without_secrets(&self, mut reply: HttpResponse, echoes: bool) -> HttpResponse {
        let good = (200..300).contains(&reply.status) && reply.fault.is_none();
        if !good {
            self.spellings.redact_bytes(&mut reply.body);
        } else if echoes || self.spellings.are_told_in(&reply.body) {
            reply.fault = Some(BodyFault::Echo);
            reply.location = None;
            reply.body = Vec::new();
        }
        reply
    }

    fn host_of(&self, location: &str) -> Option<String> {
        let url = self.base.join(location).ok()?;
        let host = url.host_str()?;
        Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }
}

/// How long we are asked to wait: `Retry-After` if it is usable, else a quota header that says "nothing left".
fn wish(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    const QUOTAS: [(&str, &str); 3] = [
        ("ratelimit-remaining", "ratelimit-reset"),
        ("x-ratelimit-remaining", "x-ratelimit-reset"),
        ("x-rate-limit-remaining", "x-rate-limit-reset"),
    ];
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let sent = text("date").and_then(http_date);
    let asked = text("retry-after").and_then(|value| retry::retry_after(value, sent, now));
    asked.or_else(|| {
        QUOTAS.iter().find_map(|(remaining, reset)| retry::quota_pause(text(remaining)?, text(reset)?, sent, now))
    })
}

fn header_name(name: &str) -> Result<HeaderName, SetupError> {
    name.parse().map_err(|_| SetupError::new(format!("{name:?} is not a header's name")))
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, SetupError> {
    HeaderValue::from_str(value).map_err(|_| SetupError::new(format!("the header {name} can't carry {value:?}")))
}

fn auth_value(auth: &Auth) -> Result<HeaderValue, SetupError> {
    if !auth.template.contains("{token}") {
        return Err(SetupError::new("the template of the authentication header has no {token} in it"));
    }
    let value = zeroize::Zeroizing::new(auth.template.replace("{token}", auth.token.expose()));
    let mut value = HeaderValue::from_str(&value)
        .map_err(|_| SetupError::new("the token has characters that no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
