//! How a client is known to the other side. It takes a key that lasts, or credentials that are granted a token for a time (OAuth 2.0 client
//! credentials, RFC 6749 §4.4), and returns a [`Session`] whose requests carry what is good now. It must not depend on what is asked.
//!
//! A granted token is kept in memory only, used by all calls until shortly before it ends, and fetched by one caller while
//! the others wait for it. It is renewed once when it is refused.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::failure::{CallKind, FailureClass, after_try};
use super::pace::Pacer;
use super::retry::{Backoff, Waited, retry};
use super::words::{clean, refusal, without_mark};
use super::{
    Auth, BodyFault, Client, ClientSettings, HttpRequest, HttpResponse, Method, Secret, SendError, SetupError,
};

/// A token is renewed this long before it ends.
const EARLY: Duration = Duration::from_secs(30);

/// What a token lasts when its giver does not say (RFC 6749 §5.1 only recommends `expires_in`).
const USUAL_LIFE: u64 = 3600;

/// How often a token is asked for in a row.
const TRIES: u32 = 3;

/// How the other side knows us.
pub enum Login {
    /// One header, as long as the key lives.
    Fixed(Auth),
    /// A token for a time, asked for with credentials.
    Granted(Box<Grant>),
}

/// How a token is asked for. It is carried as a bearer (RFC 6750).
pub struct Grant {
    /// The place that grants, with the credentials in its header. Its base URL is the token's own address without the last segment.
    pub(crate) endpoint: ClientSettings,
    /// The last segment of the address.
    pub(crate) segment: String,
    /// What is asked, and its media type.
    pub(crate) body: (&'static str, &'static [u8]),
    /// What a server error of the token endpoint may mean, beside an outage.
    pub(crate) on_server_error: &'static str,
}

impl Login {
    /// A secret in a header of this name.
    pub fn key(header: &str, template: &str, secret: &Secret) -> Self {
        Self::Fixed(Auth { header: header.to_owned(), template: template.to_owned(), token: secret.clone() })
    }

    /// Client credentials in the header that HTTP itself knows for them (RFC 6749 §2.3.1), sent to the address that grants tokens. `on_server_error`
    /// is what a server error of that address may mean, beside an outage.
    ///
    /// # Errors
    /// When the address has no path.
    pub fn credentials(
        [id, address]: [&str; 2],
        secret: &Secret,
        body: (&'static str, &'static [u8]),
        client: &ClientSettings,
        on_server_error: &'static str,
    ) -> Result<Self, SetupError> {
        let wrong = || SetupError::new(format!("the address {address:?} can't be used for tokens: it has no path"));
        let mut url = Url::parse(address).map_err(|_| wrong())?;
        let path = url.path().trim_end_matches('/').to_owned();
        let (parent, last) = path.rsplit_once('/').filter(|(_, last)| !last.is_empty()).ok_or_else(wrong)?;
        url.set_path(parent);
        let (header, template) = ("authorization".to_owned(), "Basic {token}".to_owned());
        let endpoint = ClientSettings {
            base_url: url.as_str().trim_end_matches('/').to_owned(),
            auth: Some(Auth { header, template, token: secret.basic_with(id) }),
            extra_headers: Default::default(),
            ..client.clone()
        };
        Ok(Self::Granted(Box::new(Grant { endpoint, segment: last.to_owned(), body, on_server_error })))
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub enum LoginError {
    /// The credentials were refused.
    Refused(String),
    /// The token's giver asks to slow down.
    Throttled(String),
    /// No answer, or none that says more than that.
    Unreachable(String),
    /// The server's certificate is not accepted, or it speaks no TLS.
    Untrusted(String),
    /// Something else is at the address.
    WrongAddress(String),
    /// What came is no token.
    NoToken(String),
}

/// Why a call has no good answer.
#[derive(Debug)]
pub enum CallFailure {
    /// An answer that is no success.
    Refused(Box<HttpResponse>),
    /// No answer, or none that can be used.
    Silent {
        /// What happened.
        why: String,
        /// Whether the other side may have acted on it.
        maybe_done: bool,
    },
    /// The server's certificate is not accepted, or it speaks no TLS.
    Untrusted(String),
    /// No token was to be had.
    Login(LoginError),
}

impl CallFailure {
    /// What kind of failure it is.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Refused(reply) => FailureClass::of(reply.status),
            Self::Silent { .. } => FailureClass::Unknown,
            Self::Untrusted(_) | Self::Login(LoginError::Untrusted(_)) => FailureClass::Untrusted,
            Self::Login(_) => FailureClass::Unauthorized,
        }
    }

    /// How long we are asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(reply) => reply.retry_after,
            Self::Silent { .. } | Self::Untrusted(_) | Self::Login(_) => None,
        }
    }
}

struct Granting {
    grant: Grant,
    endpoint: Client,
}

struct HeldToken {
    client: Arc<Client>,
    until: Instant,
}

/// One side of the network, to whom we are known. All its methods may be called at once.
pub struct Session {
    pacer: Pacer,
    backoff: Backoff,
    bare: Arc<Client>,
    granting: Option<Granting>,
    held: tokio::sync::Mutex<Option<HeldToken>>,
    /// The client in use, for taking its token out of texts.
    latest: Mutex<Option<Arc<Client>>>,
}

impl Session {
    /// Makes one. Nothing is sent. The `auth` of the settings is left empty.
    ///
    /// # Errors
    /// When an address, a header or the certificate file can't be used.
    pub fn new(client: &ClientSettings, login: Login, pacer: Pacer, backoff: Backoff) -> Result<Self, SetupError> {
        let (auth, granting) = match login {
            Login::Fixed(auth) => (Some(auth), None),
            Login::Granted(grant) => {
                let endpoint = Client::new(&grant.endpoint)?;
                (None, Some(Granting { grant: *grant, endpoint }))
            }
        };
        let bare = Client::new(&ClientSettings { auth, ..client.clone() })?;
        let bare = Arc::new(match &granting {
            Some(granting) => bare.hiding(&granting.endpoint),
            None => bare,
        });
        let (held, latest) = (tokio::sync::Mutex::new(None), Mutex::default());
        Ok(Self { pacer, backoff, bare, granting, held, latest })
    }

    /// The host, for messages.
    pub fn host(&self) -> &str {
        self.bare.host()
    }

    /// At which pace it is asked.
    pub fn pacer(&self) -> &Pacer {
        &self.pacer
    }

    /// What an answer says, in one line and without the token.
    pub fn said(&self, reply: &HttpResponse) -> String {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = self.bare.redact(refusal(reply));
        latest.map_or(text.clone(), |client| client.redact(text))
    }

    /// Sends one request, once, and takes only a whole 2xx answer for good. Where a granted token is refused, it is sent with another one.
    ///
    /// # Errors
    /// What came instead, and whether it may have been carried out.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, CallFailure> {
        let client = self.client().await.map_err(CallFailure::Login)?;
        match self.once(&client, request.clone()).await {
            Err(CallFailure::Refused(reply)) if reply.status == 401 && self.forget(&client).await => {
                let renewed = self.client().await.map_err(CallFailure::Login)?;
                self.once(&renewed, request).await
            }
            ended => ended,
        }
    }

    async fn once(&self, client: &Client, request: HttpRequest) -> Result<HttpResponse, CallFailure> {
        let (method, is_write) = (request.method, request.method != Method::Get);
        let permit = self.pacer.acquire(method.as_str(), &request.segments.join("/")).await;
        let reply = match permit.send(client, request).await {
            Ok(reply) => reply,
            Err(SendError::Untrusted(why)) => return Err(CallFailure::Untrusted(why)),
            Err(error) => {
                let maybe_done = is_write && matches!(error, SendError::NoAnswer(_));
                return Err(CallFailure::Silent { why: error.to_string(), maybe_done });
            }
        };
        tracing::debug!(host = self.host(), method = method.as_str(), status = reply.status, "request");
        if !(200..300).contains(&reply.status) {
            return Err(CallFailure::Refused(Box::new(reply)));
        }
        if let Some(pause) = reply.retry_after {
            self.pacer.hold_off(pause.min(self.backoff.cap));
        }
        match &reply.fault {
            Some(fault @ BodyFault::Cut(_)) => {
                Err(CallFailure::Silent { why: fault.to_string(), maybe_done: is_write })
            }
            _ => Ok(reply),
        }
    }

    /// The client that carries a good token.
    async fn client(&self) -> Result<Arc<Client>, LoginError> {
        let Some(granting) = &self.granting else { return Ok(Arc::clone(&self.bare)) };
        // Held while a token is fetched: the others wait for that one instead of asking for their own.
        let mut held = self.held.lock().await;
        if let Some(good) = held.as_ref().filter(|held| Instant::now() < held.until) {
            return Ok(Arc::clone(&good.client));
        }
        let (auth, life) = self.fetch(granting).await?;
        let client = self.bare.with_auth(&auth).map_err(|error| LoginError::NoToken(error.to_string()))?;
        let client = Arc::new(client);
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&client));
        *held = Some(HeldToken { client: Arc::clone(&client), until: Instant::now() + life });
        Ok(client)
    }

    /// Throws the token of this client away, which was refused, unless another caller renewed it meanwhile. False where there is none to renew.
    async fn forget(&self, refused: &Arc<Client>) -> bool {
        self.held.lock().await.take_if(|held| Arc::ptr_eq(&held.client, refused));
        self.granting.is_some()
    }

    async fn fetch(&self, granting: &Granting) -> Result<(Auth, Duration), LoginError> {
        let judge = |refused: &NotGranted, tried| after_try(refused.class, CallKind::Read, tried, TRIES);
        let wait = |_, refused: NotGranted, tried: u32| async move {
            // One caller asks for all, so there is nobody to keep out of step with: no jitter.
            let pause = refused.retry_after.unwrap_or(self.backoff.base * tried).max(self.backoff.base);
            tokio::time::sleep(pause.min(self.backoff.cap)).await;
            Waited::Again
        };
        let host = granting.endpoint.host();
        let reply = retry(|| granting.ask(), judge, wait).await.map_err(|(refused, tried)| {
            let text = format!("a token from {host}: {}", refused.why);
            let hint = granting.grant.on_server_error;
            match refused.class {
                FailureClass::Untrusted => LoginError::Untrusted(refused.why),
                // 400 is how RFC 6749 §5.2 says that the credentials are wrong.
                FailureClass::Unauthorized | FailureClass::Forbidden => LoginError::Refused(text),
                FailureClass::Invalid if refused.status == Some(400) => LoginError::Refused(text),
                FailureClass::Throttled => LoginError::Throttled(text),
                FailureClass::Server if refused.status >= Some(500) && !hint.is_empty() => {
                    LoginError::Refused(format!("{text} (tried {tried} times); {hint}"))
                }
                FailureClass::Server | FailureClass::Unknown | FailureClass::NotScim => {
                    LoginError::Unreachable(format!("{text} (tried {tried} times)"))
                }
                _ => LoginError::WrongAddress(format!("{text}; is the address right?")),
            }
        })?;
        token(&reply.body).map_err(|why| LoginError::NoToken(format!("the token from {host}: {why}")))
    }
}

/// Why one try brought no token.
struct NotGranted {
    class: FailureClass,
    status: Option<u16>,
    why: String,
    retry_after: Option<Duration>,
}

impl Granting {
    /// Asks for a token, once.
    async fn ask(&self) -> Result<HttpResponse, NotGranted> {
        let (content_type, body) = self.grant.body;
        let request = HttpRequest {
            body: Some(body.to_vec()),
            content_type: Some(content_type),
            ..HttpRequest::new(Method::Post, vec![self.grant.segment.clone()])
        };
        let reply = self.endpoint.send(request).await.map_err(|error| NotGranted {
            class: match &error {
                SendError::Untrusted(_) => FailureClass::Untrusted,
                _ => FailureClass::Unknown,
            },
            status: None,
            why: error.to_string(),
            retry_after: None,
        })?;
        // An answer that breaks off is as good as none.
        let class = match (reply.status, &reply.fault) {
            (200..=299, None) => return Ok(reply),
            (200..=299, Some(_)) => FailureClass::Unknown,
            (status, _) => FailureClass::of(status),
        };
        let why = self.endpoint.redact(refusal(&reply));
        Err(NotGranted { class, status: Some(reply.status), why, retry_after: reply.retry_after })
    }
}

/// What a token endpoint answers; some wrap it in a list called `data`.
#[derive(Deserialize)]
struct GrantedToken {
    access_token: Option<String>,
    expires_in: Option<u64>,
    data: Option<Vec<GrantedToken>>,
}

fn token(body: &[u8]) -> Result<(Auth, Duration), String> {
    let mut granted: GrantedToken = serde_json::from_slice(without_mark(body))
        .map_err(|error| format!("the answer is no token: {}", clean(&error.to_string())))?;
    if granted.access_token.is_none()
        && let Some(inner) = granted.data.take().and_then(|data| data.into_iter().next())
    {
        granted = inner;
    }
    let text = granted.access_token.ok_or("the answer has no access_token")?;
    let token = Secret::new(text).map_err(|why| why.to_string())?;
    let life = Duration::from_secs(granted.expires_in.unwrap_or(USUAL_LIFE)).saturating_sub(EARLY);
    Ok((Auth { header: "authorization".to_owned(), template: "Bearer {token}".to_owned(), token }, life))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_token_address_is_split_at_its_last_slash() {
        let secret = Secret::new("s3cret").unwrap();
        let parts = |address: &str| {
            let client = ClientSettings::new("https://api.example.org");
            Login::credentials(["id", address], &secret, ("application/json", b"{}"), &client, "").ok()
        };
        let Some(Login::Granted(grant)) = parts("https://admin-oauth.id.example.com/oauth2/token") else { panic!() };
        let (parent, last) = (grant.endpoint.base_url, grant.segment);
        assert_eq!((parent.as_str(), last.as_str()), ("https://admin-oauth.id.example.com/oauth2", "token"));
        assert!(parts("https://id.example.org").is_none() && parts("https://id.example.org/").is_none());
    }
}
