//! How a directory knows us. In: a key for ever, or credentials that are granted a token for a time (OAuth 2.0 client
//! credentials, RFC 6749 §4.4). Out: a client that carries what is good now.
//!
//! A granted token is kept in memory only, used by all calls until shortly before it ends, and fetched by one caller while
//! the others wait for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::refusal;
use crate::http::failure::{CallKind, FailureClass, after_try};
use crate::http::retry::{Backoff, Waited, retry};
use crate::http::words::{clean, without_mark};
use crate::http::{Auth, Client, ClientSettings, HttpRequest, HttpResponse, Method, Secret, SendError, SetupError};
use crate::source::SourceError;

/// A token is renewed this long before it ends.
const EARLY: Duration = Duration::from_secs(30);

/// What a token lasts when its giver does not say (RFC 6749 §5.1 only recommends `expires_in`).
const USUAL_LIFE: u64 = 3600;

/// How often a token is asked for in a row.
const TRIES: u32 = 3;

/// How the directory knows us.
pub enum Login {
    /// One header, as long as the key lives.
    Fixed(Auth),
    /// A token for a time, asked for with credentials.
    Granted(Box<Grant>),
}

/// How a token is asked for.
pub struct Grant {
    /// The place that grants, with the credentials in its header. Its base URL is the token's own address.
    pub(crate) endpoint: ClientSettings,
    /// The path below that base URL.
    pub(crate) segments: Vec<String>,
    /// What is asked.
    pub(crate) body: Vec<u8>,
    /// And in which form.
    pub(crate) content_type: &'static str,
    /// The header that carries the token, with `{token}` for the token.
    pub(crate) header: &'static str,
    /// Its value.
    pub(crate) template: &'static str,
    /// What a server error of the token endpoint may mean, beside an outage.
    pub(crate) on_server_error: &'static str,
}

struct Granting {
    grant: Box<Grant>,
    endpoint: Client,
}

struct Held {
    client: Arc<Client>,
    until: Instant,
}

/// Keeps what is good now.
pub(super) struct Holder {
    product: &'static str,
    backoff: Backoff,
    bare: Arc<Client>,
    granting: Option<Granting>,
    held: tokio::sync::Mutex<Option<Held>>,
    /// The client in use, for taking its token out of texts.
    latest: Mutex<Option<Arc<Client>>>,
}

impl Holder {
    pub(super) fn new(
        product: &'static str,
        backoff: Backoff,
        client: &ClientSettings,
        login: Login,
    ) -> Result<Self, SetupError> {
        let (auth, granting) = match login {
            Login::Fixed(auth) => (Some(auth), None),
            Login::Granted(grant) => {
                let endpoint = Client::new(&grant.endpoint)?;
                (None, Some(Granting { grant, endpoint }))
            }
        };
        let bare = Client::new(&ClientSettings { auth, ..client.clone() })?;
        let bare = Arc::new(match &granting {
            Some(granting) => bare.hiding(&granting.endpoint),
            None => bare,
        });
        Ok(Self { product, backoff, bare, granting, held: tokio::sync::Mutex::new(None), latest: Mutex::default() })
    }

    pub(super) fn host(&self) -> &str {
        self.bare.host()
    }

    /// The client that carries a good token.
    pub(super) async fn client(&self) -> Result<Arc<Client>, SourceError> {
        let Some(granting) = &self.granting else { return Ok(Arc::clone(&self.bare)) };
        // Held while a token is fetched: the others wait for that one instead of asking for their own.
        let mut held = self.held.lock().await;
        if let Some(good) = held.as_ref().filter(|held| Instant::now() < held.until) {
            return Ok(Arc::clone(&good.client));
        }
        let (auth, life) = self.fetch(granting).await?;
        let client = self.bare.with_auth(&auth).map_err(|error| SourceError::Malformed(error.to_string()))?;
        let client = Arc::new(client);
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&client));
        *held = Some(Held { client: Arc::clone(&client), until: Instant::now() + life });
        Ok(client)
    }

    /// Throws the token of this client away, which was refused, unless another caller renewed it meanwhile. False where there is none to renew.
    pub(super) async fn forget(&self, refused: &Arc<Client>) -> bool {
        self.held.lock().await.take_if(|held| Arc::ptr_eq(&held.client, refused));
        self.granting.is_some()
    }

    pub(super) fn redact(&self, text: String) -> String {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = self.bare.redact(text);
        latest.map_or(text.clone(), |client| client.redact(text))
    }

    async fn fetch(&self, granting: &Granting) -> Result<(Auth, Duration), SourceError> {
        let judge = |refused: &NotGranted, tried| after_try(refused.class, CallKind::Read, tried, TRIES);
        let wait = |_, refused: NotGranted, tried: u32| async move {
            // One caller asks for all, so there is nobody to keep out of step with: no jitter.
            let pause = refused.retry_after.unwrap_or(self.backoff.base * tried).max(self.backoff.base);
            tokio::time::sleep(pause.min(self.backoff.cap)).await;
            Waited::Again
        };
        let reply = retry(|| granting.ask(), judge, wait).await.map_err(|(refused, tried)| {
            let text = format!("a token from {}: {}", granting.endpoint.host(), refused.why);
            match refused.class {
                FailureClass::Untrusted => SourceError::Untrusted(refused.why),
                // 400 is how RFC 6749 §5.2 says that the credentials are wrong.
                FailureClass::Unauthorized | FailureClass::Forbidden => SourceError::NotGranted(text),
                FailureClass::Invalid if refused.status == Some(400) => SourceError::NotGranted(text),
                FailureClass::Throttled => SourceError::Throttled(text),
                FailureClass::Server if refused.status >= Some(500) && !granting.grant.on_server_error.is_empty() => {
                    let hint = granting.grant.on_server_error;
                    SourceError::NotGranted(format!("{text} (tried {tried} times); {hint}"))
                }
                FailureClass::Server | FailureClass::Unknown | FailureClass::NotScim => {
                    SourceError::Unreachable(format!("{text} (tried {tried} times)"))
                }
                _ => SourceError::Settings(format!("{text}; is the address right?")),
            }
        })?;
        token(&granting.grant, &reply.body).map_err(|why| {
            let at = granting.endpoint.host();
            SourceError::Malformed(format!("the token of {} from {at}: {why}", self.product))
        })
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
        let request = HttpRequest {
            body: Some(self.grant.body.clone()),
            content_type: Some(self.grant.content_type),
            ..HttpRequest::new(Method::Post, self.grant.segments.clone())
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
struct Granted {
    access_token: Option<String>,
    expires_in: Option<u64>,
    data: Option<Vec<Granted>>,
}

fn token(grant: &Grant, body: &[u8]) -> Result<(Auth, Duration), String> {
    let mut granted: Granted = serde_json::from_slice(without_mark(body))
        .map_err(|error| format!("the answer is no token: {}", clean(&error.to_string())))?;
    if granted.access_token.is_none()
        && let Some(inner) = granted.data.take().and_then(|data| data.into_iter().next())
    {
        granted = inner;
    }
    let text = granted.access_token.ok_or("the answer has no access_token")?;
    let token = Secret::new(text).map_err(|why| why.to_string())?;
    let life = Duration::from_secs(granted.expires_in.unwrap_or(USUAL_LIFE)).saturating_sub(EARLY);
    Ok((Auth { header: grant.header.to_owned(), template: grant.template.to_owned(), token }, life))
}
