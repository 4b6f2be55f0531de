//! Questions to an API, as paths and queries. What goes out are whole, good answers, or a [`SourceError`] that says what the directory said. This module
//! must not depend on what is asked.
//!
//! Every question here is a read, so it is repeated when that may help: throttled, failing or silent directories get several
//! tries with growing, jittered pauses, never more than the table allows. What makes something new goes through [`Api::create`], which repeats
//! nothing.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::about::{DirectoryInfo, Meaning};
use crate::http::failure::{CallKind, FailureClass, after_try};
use crate::http::pace::Pacer;
use crate::http::retry::{Backoff, Jitter, Waited, retry};
use crate::http::words::{is_html, without_mark};
use crate::http::{
    CallFailure, ClientSettings, HttpRequest, HttpResponse, Login, LoginError, Method, Session, SetupError,
};
use crate::source::SourceError;
use crate::source::unique::Unique;
use crate::source::write::CreateError;

/// One question.
#[derive(Debug, Clone)]
pub struct ApiRequest {
    /// What is asked for, in the plural and without ids: `users`, `members of a group`.
    pub(crate) what: &'static str,
    /// The request.
    pub(crate) request: HttpRequest,
}

impl ApiRequest {
    /// A question by GET.
    pub(crate) fn get<S: Into<String>>(what: &'static str, segments: impl IntoIterator<Item = S>) -> Self {
        Self { what, request: HttpRequest::new(Method::Get, segments.into_iter().map(Into::into).collect()) }
    }

    /// Put with POST and a JSON body; it still only reads.
    pub(crate) fn posting(mut self, body: &Value) -> Self {
        self.request = HttpRequest { method: Method::Post, body: Some(body.to_string().into_bytes()), ..self.request };
        self
    }

    /// With one more parameter.
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.request.query.push((name, value.to_string()));
        self
    }
}

/// One directory behind HTTP. All its methods may be called at once.
pub(crate) struct Api {
    about: &'static DirectoryInfo,
    session: Session,
    /// How often a question is put in all, and the pauses between.
    attempts: u32,
    backoff: Backoff,
    dice: Mutex<Jitter>,
    /// The questions that were answered well before.
    answered: Mutex<HashSet<&'static str>>,
}

impl From<LoginError> for SourceError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Refused(why) => Self::NotGranted(why),
            LoginError::Throttled(why) => Self::Throttled(why),
            LoginError::Unreachable(why) => Self::Unreachable(why),
            LoginError::Untrusted(why) => Self::Untrusted(why),
            LoginError::WrongAddress(why) => Self::Settings(why),
            LoginError::NoToken(why) => Self::Malformed(why),
        }
    }
}

impl Api {
    /// Makes one. Nothing is sent. `client` lacks the credential.
    ///
    /// # Errors
    /// When the base URL, a header or the certificate file can't be used.
    pub(crate) fn new(
        about: &'static DirectoryInfo,
        client: &ClientSettings,
        login: Login,
        pacer: Pacer,
        (attempts, backoff): (u32, Backoff),
    ) -> Result<Self, SetupError> {
        let session = Session::new(client, login, pacer, backoff)?;
        // Jitter only: it need not differ from process to process, the pauses of one process shall differ.
        let dice = Mutex::new(Jitter::new(0));
        Ok(Self { about, session, attempts: attempts.max(1), backoff, dice, answered: Mutex::default() })
    }

    /// The host, for messages.
    pub(crate) fn host(&self) -> &str {
        self.session.host()
    }

    /// Puts a question until it has a good answer.
    ///
    /// # Errors
    /// What the directory said, in the end.
    pub(crate) async fn read(&self, question: &ApiRequest) -> Result<HttpResponse, SourceError> {
        self.ask(question).await?.map_err(|reply| {
            let (said, DirectoryInfo { product, address, .. }) = (self.session.said(&reply), self.about);
            SourceError::Settings(format!("{product} at {} has no {}: {said}; {address}?", self.host(), question.what))
        })
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
        match self.session.send(question.request.clone()).await {
            Ok(reply) => Ok(Some(reply)),
            Err(CallFailure::Refused(reply)) if reply.status == absent => Ok(None),
            Err(failure) => Err(self.error(question.what, failure, 1)),
        }
    }

    /// The inner error is a 404 or 410.
    async fn ask(&self, question: &ApiRequest) -> Result<Result<HttpResponse, HttpResponse>, SourceError> {
        let judge = |failure: &CallFailure, tried| {
            after_try(self.class(question.what, failure), CallKind::Read, tried, self.attempts)
        };
        let wait = |_, failure: CallFailure, tried| async move {
            let (class, asked) = (self.class(question.what, &failure), failure.retry_after());
            self.session.pacer().observer().repeated(class.name());
            let pause = self.backoff.pause(tried, asked, &mut lock(&self.dice));
            tracing::debug!(what = question.what, tried, pause_ms = pause.as_millis() as u64, "directory asked again");
            if asked.is_some() || class == FailureClass::Throttled {
                // Everybody slows down, not only who was told to.
                self.session.pacer().hold_off(pause);
            } else {
                tokio::time::sleep(pause).await;
            }
            Waited::Again
        };
        match retry(|| self.session.send(question.request.clone()), judge, wait).await {
            Ok(reply) => {
                lock(&self.answered).insert(question.what);
                Ok(Ok(reply))
            }
            Err((CallFailure::Refused(reply), _)) if FailureClass::of(reply.status) == FailureClass::NotFound => {
                Ok(Err(*reply))
            }
            Err((failure, tried)) => Err(self.error(question.what, failure, tried)),
        }
    }

    /// Creates something: one request, never repeated.
    ///
    /// # Errors
    /// What came instead, and whether it may have been carried out.
    pub(crate) async fn create(&self, request: HttpRequest) -> Result<HttpResponse, CreateError> {
        let reply = match self.session.send(request).await {
            Ok(reply) => return Ok(reply),
            Err(CallFailure::Silent { why, maybe_done: true }) => return Err(CreateError::Unclear(why)),
            Err(CallFailure::Silent { why, .. }) => return Err(SourceError::Unreachable(why).into()),
            Err(CallFailure::Untrusted(why)) => return Err(SourceError::Untrusted(why).into()),
            Err(CallFailure::Login(error)) => return Err(SourceError::from(error).into()),
            Err(CallFailure::Refused(reply)) => reply,
        };
        let said = self.session.said(&reply);
        let is_taken = || self.about.taken.iter().any(|words| said.to_lowercase().contains(words));
        Err(match FailureClass::of(reply.status) {
            FailureClass::Unauthorized | FailureClass::Forbidden | FailureClass::Throttled => {
                self.error("creating users", CallFailure::Refused(reply), 1).into()
            }
            FailureClass::Conflict => CreateError::Exists(said),
            // A redirect or an error of the server says nothing about what was done.
            FailureClass::Server | FailureClass::Unsupported | FailureClass::Redirect | FailureClass::NotScim => {
                CreateError::Unclear(said)
            }
            _ if is_taken() => CreateError::Exists(said),
            _ => CreateError::Refused(said),
        })
    }

    /// An answer's body.
    ///
    /// # Errors
    /// When it is not the JSON that `what` should be.
    pub(crate) fn json<T: DeserializeOwned>(&self, what: &str, reply: &HttpResponse) -> Result<T, SourceError> {
        let malformed = |why: String| SourceError::Malformed(format!("{what} from {}: {why}", self.host()));
        if let Some(fault) = &reply.fault {
            return Err(malformed(fault.to_string()));
        }
        if is_html(reply) {
            return Err(malformed(self.session.said(reply)));
        }
        let body = without_mark(&reply.body);
        let read = serde_json::from_slice::<Unique>(body).and_then(|_| serde_json::from_slice(body));
        read.map_err(|error| malformed(format!("unexpected JSON: {error}")))
    }

    /// Whether a 403 means "too fast": the very same question was answered before.
    fn is_blocked(&self, what: &str) -> bool {
        self.about.forgive_403 && lock(&self.answered).contains(what)
    }

    fn class(&self, what: &str, failure: &CallFailure) -> FailureClass {
        match failure {
            CallFailure::Refused(reply) if reply.status == 403 && self.is_blocked(what) => FailureClass::Throttled,
            other => other.class(),
        }
    }

    fn error(&self, what: &str, failure: CallFailure, tried: u32) -> SourceError {
        let times = if tried > 1 { format!(" (tried {tried} times)") } else { String::new() };
        let reply = match failure {
            CallFailure::Login(error) => return error.into(),
            CallFailure::Untrusted(why) => return SourceError::Untrusted(why),
            CallFailure::Silent { why, .. } => return SourceError::Unreachable(format!("{what}: {why}{times}")),
            CallFailure::Refused(reply) => reply,
        };
        let text = format!("{what}: {}{times}", self.session.said(&reply));
        match (FailureClass::of(reply.status), (self.about.meaning)(&reply)) {
            (FailureClass::Unauthorized | FailureClass::Forbidden, Some(Meaning::NoOrganisation)) => {
                SourceError::NoOrganisation(text)
            }
            (FailureClass::Unauthorized, _) => SourceError::Refused(text),
            (FailureClass::Forbidden, _) if self.is_blocked(what) => SourceError::Throttled(format!(
                "{text}; it was allowed a moment ago, so this looks like a block of this address for asking too fast"
            )),
            (FailureClass::Forbidden, Some(Meaning::TooFast)) => {
                SourceError::Throttled(format!("{text}; this address asked too fast: wait, and lower `rate`"))
            }
            (FailureClass::Forbidden, _) => SourceError::Forbidden(text),
            (FailureClass::Throttled, _) => SourceError::Throttled(text),
            (FailureClass::Redirect, _) => SourceError::Settings(format!(
                "{what}: it points to {}; the token is not sent there. Is the base URL right?",
                reply.location_host.as_deref().unwrap_or("another place")
            )),
            // Locked: it answers, and will not now.
            (FailureClass::Server, _) if reply.status == 423 => SourceError::Unavailable(text),
            (FailureClass::Server | FailureClass::Unsupported, _) => SourceError::Unreachable(text),
            _ => SourceError::Malformed(text),
        }
    }
}

/// The values are plain: a panic elsewhere can't leave them half written.
fn lock<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
