//! What directories behind HTTP and JSON share. In: questions as paths and queries. Out: whole, good answers, or a
//! [`SourceError`] that says what the directory said.
//!
//! Every question here is a read, so it is repeated when that may help: throttled, failing or silent directories get several
//! tries with growing, jittered pauses, never more than [`WebSettings::attempts`]. A token that is granted for a time is
//! renewed before it ends and once when it is refused. What makes something new goes through [`Api::create`], which repeats
//! nothing. Knows no product: paths, pages and the meaning of records are the business of each directory's own folder.

mod application;
mod directory;
mod examine;
mod kind;
mod list;
mod login;
mod paging;
mod passes;
mod source;
mod words;

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::Instant;

pub(crate) use self::directory::HttpDirectory;
pub(crate) use self::directory::{
    ApiRight, Application, Binding, ChangeEvent, DirectoryInfo, GroupRecord, UserRecord, Words,
};
pub(crate) use self::examine::clock;
pub(crate) use self::kind::WebKind;
pub(crate) use self::list::{List, ListEnvelope, ListPaging, Object, id, pick, text};
pub(crate) use self::login::{Grant, Login};
pub use self::source::Parts;
pub(crate) use self::source::{WebConnection, WebSource};
pub(crate) use self::words::refusal;
use super::SourceError;
use super::unique::Unique;
use super::write::CreateError;
use crate::http::failure::{CallKind, FailureClass, after_try};
use crate::http::pace::Pacer;
use crate::http::retry::{Backoff, Jitter, Waited, retry};
use crate::http::words::{is_html, without_mark};
use crate::http::{BodyFault, Client, ClientSettings, HttpRequest, HttpResponse, Method, SendError, SetupError};

/// How questions are put to one directory.
pub(crate) struct WebSettings {
    /// The product, for messages.
    pub(crate) product: &'static str,
    /// The origin, with path prefix, certificate authorities and headers. Its `auth` is left empty.
    pub(crate) client: ClientSettings,
    /// How the directory knows us.
    pub(crate) login: Login,
    /// How fast.
    pub(crate) pacer: Pacer,
    /// How often a question is put in all.
    pub(crate) attempts: u32,
    /// The pauses between.
    pub(crate) backoff: Backoff,
    /// Whether a 403 to a question that was answered before means "too fast" and not "no right": some block an
    /// address so.
    pub(crate) forgive_403: bool,
    /// Reads from a refusal what its status alone does not say. Each directory's folder knows its vendor's words.
    pub(crate) meaning: fn(&HttpResponse) -> Option<Meaning>,
    /// What the address should be, for an answer of 404: `is the base URL right`.
    pub(crate) address: &'static str,
}

/// What a refusal means where its status alone does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The address asked too fast, and is blocked for a while.
    TooFast,
    /// The credential belongs to several organisations, and the question names none.
    NoOrganisation,
}

impl WebSettings {
    /// The usual pauses.
    pub(crate) const BACKOFF: Backoff = Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(60) };
}

/// One question.
#[derive(Debug, Clone)]
pub struct ApiRequest {
    /// What is asked for, in the plural and without ids: `users`, `members of a group`.
    pub(crate) what: &'static str,
    /// The path below the base URL.
    pub(crate) segments: Vec<String>,
    /// The query.
    pub(crate) query: Vec<(&'static str, String)>,
    /// A JSON body: the question is put with POST. It still only reads.
    pub(crate) body: Option<Vec<u8>>,
}

impl ApiRequest {
    /// A question by GET.
    pub(crate) fn get<S: Into<String>>(what: &'static str, segments: impl IntoIterator<Item = S>) -> Self {
        Self { what, segments: segments.into_iter().map(Into::into).collect(), query: Vec::new(), body: None }
    }

    /// With one more parameter.
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    fn request(&self) -> HttpRequest {
        let method = if self.body.is_some() { Method::Post } else { Method::Get };
        HttpRequest {
            query: self.query.clone(),
            body: self.body.clone(),
            ..HttpRequest::new(method, self.segments.clone())
        }
    }
}

/// One directory behind HTTP. All its methods may be called at once.
pub(crate) struct Api {
    product: &'static str,
    login: login::Holder,
    pacer: Pacer,
    attempts: u32,
    backoff: Backoff,
    dice: Mutex<Jitter>,
    forgive_403: bool,
    meaning: fn(&HttpResponse) -> Option<Meaning>,
    address: &'static str,
    /// The questions that were answered well before.
    answered: Mutex<HashSet<&'static str>>,
}

/// Why a single call has no good answer.
#[derive(Debug)]
enum WebCallError {
    /// An answer that is no success.
    Refused(HttpResponse),
    /// No answer, or none that can be used.
    Silent {
        /// What happened.
        why: String,
        /// Whether the directory may have acted on it.
        maybe_done: bool,
    },
    /// The server's certificate is not accepted, or it speaks no TLS.
    Untrusted(String),
    /// No token was to be had.
    Login(SourceError),
}

impl WebCallError {
    /// What kind of failure it is. `is_blocked`: whether a 403 means that this address asked too fast.
    fn class(&self, is_blocked: bool) -> FailureClass {
        match self {
            Self::Refused(reply) if reply.status == 403 && is_blocked => FailureClass::Throttled,
            Self::Refused(reply) => FailureClass::of(reply.status),
            Self::Silent { .. } => FailureClass::Unknown,
            Self::Untrusted(_) => FailureClass::Untrusted,
            Self::Login(_) => FailureClass::Unauthorized,
        }
    }

    /// How long the directory asks to be left alone.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(reply) => reply.retry_after,
            Self::Silent { .. } | Self::Untrusted(_) | Self::Login(_) => None,
        }
    }
}

impl Api {
    /// Makes one. Nothing is sent.
    ///
    /// # Errors
    /// When the base URL, a header or the certificate file can't be used.
    pub(crate) fn new(settings: WebSettings) -> Result<Self, SetupError> {
        let WebSettings { product, client, login, pacer, attempts, backoff, forgive_403, meaning, address } = settings;
        Ok(Self {
            product,
            login: login::Holder::new(product, backoff, &client, login)?,
            pacer,
            attempts: attempts.max(1),
            backoff,
            // Jitter only: it need not differ from process to process, the pauses of one process shall differ.
            dice: Mutex::new(Jitter::new(0)),
            forgive_403,
            meaning,
            address,
            answered: Mutex::default(),
        })
    }

    /// The host, for messages.
    pub(crate) fn host(&self) -> &str {
        self.login.host()
    }

    /// Puts a question until it has a good answer.
    ///
    /// # Errors
    /// What the directory said, in the end.
    pub(crate) async fn read(&self, question: &ApiRequest) -> Result<HttpResponse, SourceError> {
        match self.ask(question).await? {
            Ok(reply) => Ok(reply),
            Err(reply) => Err(SourceError::Settings(format!(
                "{} at {} has no {}: {}; {}?",
                self.product,
                self.host(),
                question.what,
                self.said(&reply),
                self.address
            ))),
        }
    }

    /// As [`Api::read`], where the directory may well say that there is no such thing (404, 410): `None`.
    ///
    /// # Errors
    /// As [`Api::read`].
    pub(crate) async fn find(&self, question: &ApiRequest) -> Result<Option<HttpResponse>, SourceError> {
        Ok(self.ask(question).await?.ok())
    }

    /// As [`Api::find`], tried once, for what is asked again soon anyhow. `None` for a status that means that there is no such thing here.
    ///
    /// # Errors
    /// As [`Api::read`].
    pub(crate) async fn find_once(
        &self,
        question: &ApiRequest,
        absent: u16,
    ) -> Result<Option<HttpResponse>, SourceError> {
        match self.with_good_token(question.request()).await {
            Ok(reply) => Ok(Some(reply)),
            Err(WebCallError::Refused(reply)) if reply.status == absent => Ok(None),
            Err(trouble) => Err(self.error(question, trouble, 1)),
        }
    }

    /// The inner error is a 404 or 410.
    async fn ask(&self, question: &ApiRequest) -> Result<Result<HttpResponse, HttpResponse>, SourceError> {
        let judge = |trouble: &WebCallError, tried| {
            after_try(trouble.class(self.is_blocked(question)), CallKind::Read, tried, self.attempts)
        };
        let wait = |_, trouble: WebCallError, tried| async move {
            let (class, asked) = (trouble.class(self.is_blocked(question)), trouble.retry_after());
            self.pacer.observer().repeated(class.name());
            let pause = self.backoff.pause(tried, asked, &mut self.lock(&self.dice));
            tracing::debug!(what = question.what, tried, pause_ms = pause.as_millis() as u64, "directory asked again");
            if asked.is_some() || class == FailureClass::Throttled {
                // Everybody slows down, not only who was told to.
                self.pacer.hold_off(pause);
            } else {
                tokio::time::sleep(pause).await;
            }
            Waited::Again
        };
        match retry(|| self.with_good_token(question.request()), judge, wait).await {
            Ok(reply) => {
                self.lock(&self.answered).insert(question.what);
                Ok(Ok(reply))
            }
            Err((WebCallError::Refused(reply), _)) if FailureClass::of(reply.status) == FailureClass::NotFound => {
                Ok(Err(reply))
            }
            Err((trouble, tried)) => Err(self.error(question, trouble, tried)),
        }
    }

    /// As [`Api::once`], with another token where the one in use is refused.
    async fn with_good_token(&self, request: HttpRequest) -> Result<HttpResponse, WebCallError> {
        let client = self.login.client().await.map_err(WebCallError::Login)?;
        match self.once(&client, request.clone()).await {
            Err(WebCallError::Refused(reply)) if reply.status == 401 && self.login.forget(&client).await => {
                let renewed = self.login.client().await.map_err(WebCallError::Login)?;
                self.once(&renewed, request).await
            }
            ended => ended,
        }
    }

    /// Creates something: one request, never repeated. `taken` is what the product says, in small letters, where somebody has the values
    /// already and the status does not say so.
    ///
    /// # Errors
    /// What came instead, and whether it may have been carried out.
    pub(crate) async fn create(&self, request: HttpRequest, taken: &[&str]) -> Result<HttpResponse, CreateError> {
        let client = self.login.client().await?;
        let trouble = match self.once(&client, request).await {
            Ok(reply) => return Ok(reply),
            Err(trouble) => trouble,
        };
        let reply = match trouble {
            WebCallError::Login(error) => return Err(error.into()),
            WebCallError::Untrusted(why) => return Err(SourceError::Untrusted(why).into()),
            WebCallError::Silent { why, maybe_done: true } => return Err(CreateError::Unclear(why)),
            WebCallError::Silent { why, maybe_done: false } => return Err(SourceError::Unreachable(why).into()),
            WebCallError::Refused(reply) => reply,
        };
        let said = self.said(&reply);
        let exists = taken.iter().any(|words| said.to_lowercase().contains(words));
        Err(match FailureClass::of(reply.status) {
            FailureClass::Unauthorized => SourceError::Refused(said).into(),
            FailureClass::Forbidden if (self.meaning)(&reply) == Some(Meaning::TooFast) => {
                SourceError::Throttled(said).into()
            }
            FailureClass::Forbidden => SourceError::Forbidden(format!("creating users: {said}")).into(),
            FailureClass::Throttled => SourceError::Throttled(said).into(),
            FailureClass::Conflict => CreateError::Exists(said),
            // A redirect or an error of the server says nothing about what was done.
            FailureClass::Server | FailureClass::Unsupported | FailureClass::Redirect | FailureClass::NotScim => {
                CreateError::Unclear(said)
            }
            _ if exists => CreateError::Exists(said),
            _ => CreateError::Refused(said),
        })
    }

    /// Sends one request, once, and takes only a whole 2xx answer for good. Reads go through [`Api::read`], creates
    /// through [`Api::create`].
    ///
    /// # Errors
    /// What came instead, and whether it may have been carried out.
    async fn once(&self, client: &Client, request: HttpRequest) -> Result<HttpResponse, WebCallError> {
        let (method, is_write) = (request.method, request.method != Method::Get);
        let resource = request.segments.join("/");
        let permit = self.pacer.acquire(method.as_str(), &resource).await;
        let begun = Instant::now();
        let sent = client.send(request).await;
        drop(permit);
        self.pacer.observer().called(method, sent.as_ref().ok().map(|reply| reply.status), begun.elapsed());
        let reply = match sent {
            Ok(reply) => reply,
            Err(SendError::Untrusted(why)) => return Err(WebCallError::Untrusted(why)),
            Err(error) => {
                let maybe_done = is_write && matches!(error, SendError::NoAnswer(_));
                return Err(WebCallError::Silent { why: error.to_string(), maybe_done });
            }
        };
        tracing::debug!(product = self.product, method = method.as_str(), status = reply.status, "request");
        if !(200..300).contains(&reply.status) {
            return Err(WebCallError::Refused(reply));
        }
        if let Some(pause) = reply.retry_after {
            self.pacer.hold_off(pause.min(self.backoff.cap));
        }
        match &reply.fault {
            Some(fault @ BodyFault::Cut(_)) => {
                Err(WebCallError::Silent { why: fault.to_string(), maybe_done: is_write })
            }
            _ => Ok(reply),
        }
    }

    /// An answer's body.
    ///
    /// # Errors
    /// When it is not the JSON that `what` should be.
    pub(crate) fn json<T: DeserializeOwned>(&self, what: &str, reply: &HttpResponse) -> Result<T, SourceError> {
        let malformed = |why: String| SourceError::Malformed(format!("{} from {}: {why}", what, self.host()));
        if let Some(fault) = &reply.fault {
            return Err(malformed(fault.to_string()));
        }
        if is_html(reply) {
            return Err(malformed(self.said(reply)));
        }
        let odd = |error: serde_json::Error| malformed(format!("unexpected JSON: {error}"));
        serde_json::from_slice::<Unique>(without_mark(&reply.body)).map_err(odd)?;
        serde_json::from_slice(without_mark(&reply.body)).map_err(odd)
    }

    /// What an answer says, in one line and without the token.
    pub(crate) fn said(&self, reply: &HttpResponse) -> String {
        self.login.redact(refusal(reply))
    }

    /// Whether a 403 means "too fast": the very same question was answered before.
    fn is_blocked(&self, question: &ApiRequest) -> bool {
        self.forgive_403 && self.lock(&self.answered).contains(question.what)
    }

    fn error(&self, question: &ApiRequest, trouble: WebCallError, tried: u32) -> SourceError {
        let times = if tried > 1 { format!(" (tried {tried} times)") } else { String::new() };
        let what = question.what;
        let reply = match trouble {
            WebCallError::Login(error) => return error,
            WebCallError::Untrusted(why) => return SourceError::Untrusted(why),
            WebCallError::Silent { why, .. } => return SourceError::Unreachable(format!("{what}: {why}{times}")),
            WebCallError::Refused(reply) => reply,
        };
        let text = format!("{what}: {}{times}", self.said(&reply));
        let meaning = (self.meaning)(&reply);
        match FailureClass::of(reply.status) {
            FailureClass::Unauthorized | FailureClass::Forbidden if meaning == Some(Meaning::NoOrganisation) => {
                SourceError::NoOrganisation(text)
            }
            FailureClass::Unauthorized => SourceError::Refused(text),
            FailureClass::Forbidden if self.is_blocked(question) => SourceError::Throttled(format!(
                "{text}; it was allowed a moment ago, so this looks like a block of this address for asking too fast"
            )),
            FailureClass::Forbidden if meaning == Some(Meaning::TooFast) => {
                SourceError::Throttled(format!("{text}; this address asked too fast: wait, and lower `rate`"))
            }
            FailureClass::Forbidden => SourceError::Forbidden(text),
            FailureClass::Throttled => SourceError::Throttled(text),
            FailureClass::Redirect => SourceError::Settings(format!(
                "{what}: it points to {}; the token is not sent there. Is the base URL right?",
                reply.location_host.as_deref().unwrap_or("another place")
            )),
            // Locked: it answers, and will not now.
            FailureClass::Server if reply.status == 423 => SourceError::Unavailable(text),
            FailureClass::Server | FailureClass::Unsupported => SourceError::Unreachable(text),
            _ => SourceError::Malformed(text),
        }
    }

    /// The values are plain: a panic elsewhere can't leave them half written.
    fn lock<'a, T>(&self, value: &'a Mutex<T>) -> std::sync::MutexGuard<'a, T> {
        value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests;
