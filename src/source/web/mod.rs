//! What directories behind HTTP and JSON share. In: questions as paths and queries. Out: whole, good answers, or a
//! [`SourceError`] that says what the directory said.
//!
//! Every question here is a read, so it is repeated when that may help: throttled, failing or silent directories get several
//! tries with growing, jittered pauses, never more than [`WebSettings::attempts`]. A token that is granted for a time is
//! renewed before it ends and once when it is refused. What makes something new goes through [`Api::once`], which repeats
//! nothing. Knows no product: paths, pages and the meaning of records are the business of each directory's own folder.

mod login;
mod words;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::Instant;

#[allow(unused_imports, reason = "the directories that stand on it follow")]
pub(crate) use self::login::{Grant, Login};
pub(crate) use self::words::refusal;
use super::SourceError;
use super::unique::Unique;
use crate::http::pace::Pacer;
use crate::http::retry::{Backoff, Dice};
use crate::http::words::{is_html, without_mark};
use crate::http::{BodyFault, ClientSettings, Method, Reply, Request, SendError, SetupError};

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
    pub(crate) meaning: fn(&Reply) -> Option<Meaning>,
}

/// What a refusal means where its status alone does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The address asked too fast, and is blocked for a while.
    TooFast,
    /// The credential belongs to several organisations, and the question names none.
    NoOrganisation,
}

impl WebSettings {
    /// The usual number of tries.
    pub(crate) const ATTEMPTS: u32 = 6;
    /// The usual pauses.
    pub(crate) const BACKOFF: Backoff = Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(60) };
}

/// One question.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// What is asked for, in the plural and without ids: `users`, `members of a group`.
    pub(crate) what: &'static str,
    /// The path below the base URL.
    pub(crate) segments: Vec<String>,
    /// The query.
    pub(crate) query: Vec<(&'static str, String)>,
    /// A JSON body: the question is put with POST. It still only reads.
    pub(crate) body: Option<Vec<u8>>,
}

impl Question {
    /// A question by GET.
    pub(crate) fn get<S: Into<String>>(what: &'static str, segments: impl IntoIterator<Item = S>) -> Self {
        Self { what, segments: segments.into_iter().map(Into::into).collect(), query: Vec::new(), body: None }
    }

    /// With one more parameter.
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    fn request(&self) -> Request {
        let method = if self.body.is_some() { Method::Post } else { Method::Get };
        Request { query: self.query.clone(), body: self.body.clone(), ..Request::new(method, self.segments.clone()) }
    }
}

/// One directory behind HTTP. All its methods may be called at once.
pub(crate) struct Api {
    product: &'static str,
    login: login::Holder,
    pacer: Pacer,
    attempts: u32,
    backoff: Backoff,
    dice: Mutex<Dice>,
    forgive_403: bool,
    meaning: fn(&Reply) -> Option<Meaning>,
    /// The questions that were answered well before.
    answered: Mutex<HashSet<&'static str>>,
    calls: AtomicU64,
}

/// Why a single call has no good answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// An answer that is no success.
    Refused(Reply),
    /// No answer, or none that can be used.
    Silent {
        /// What happened.
        why: String,
        /// Whether the directory may have acted on it.
        maybe_done: bool,
    },
    /// No token was to be had.
    Login(SourceError),
}

/// In a word, for whoever counts repetitions.
fn why_again(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Refused(reply) if matches!(reply.status, 403 | 429) => "throttled",
        Trouble::Refused(_) => "server",
        Trouble::Silent { .. } => "unknown",
        Trouble::Login(_) => "unauthorized",
    }
}

impl Api {
    /// Makes one. Nothing is sent.
    ///
    /// # Errors
    /// When the base URL, a header or the certificate file can't be used.
    pub(crate) fn new(settings: WebSettings) -> Result<Self, SetupError> {
        let WebSettings { product, client, login, pacer, attempts, backoff, forgive_403, meaning } = settings;
        Ok(Self {
            product,
            login: login::Holder::new(product, backoff, &client, login)?,
            pacer,
            attempts: attempts.max(1),
            backoff,
            // Jitter only: it need not differ from process to process, the pauses of one process shall differ.
            dice: Mutex::new(Dice::new(0)),
            forgive_403,
            meaning,
            answered: Mutex::default(),
            calls: AtomicU64::new(0),
        })
    }

    /// The host, for messages.
    pub(crate) fn host(&self) -> &str {
        self.login.host()
    }

    /// How many calls were made, tokens not counted.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Puts a question until it has a good answer.
    ///
    /// # Errors
    /// What the directory said, in the end.
    pub(crate) async fn read(&self, question: &Question) -> Result<Reply, SourceError> {
        match self.ask(question).await? {
            Ok(reply) => Ok(reply),
            Err(reply) => Err(SourceError::Settings(format!(
                "{} at {} has no {}: {}; is the base URL right?",
                self.product,
                self.host(),
                question.what,
                self.said(&reply)
            ))),
        }
    }

    /// As [`Api::read`], where the directory may well say that there is no such thing (404, 410): `None`.
    ///
    /// # Errors
    /// As [`Api::read`].
    pub(crate) async fn find(&self, question: &Question) -> Result<Option<Reply>, SourceError> {
        Ok(self.ask(question).await?.ok())
    }

    /// The inner error is a 404 or 410.
    async fn ask(&self, question: &Question) -> Result<Result<Reply, Reply>, SourceError> {
        let mut tried = 1;
        let mut renewed = false;
        loop {
            let trouble = match self.once(question.request()).await {
                Ok(reply) => {
                    self.lock(&self.answered).insert(question.what);
                    return Ok(Ok(reply));
                }
                Err(trouble) => trouble,
            };
            let asked = match &trouble {
                Trouble::Login(_) => return Err(self.error(question, trouble, tried)),
                Trouble::Refused(reply) => match reply.status {
                    404 | 410 => return Ok(Err(reply.clone())),
                    401 if !renewed && self.login.forget().await => {
                        renewed = true;
                        continue;
                    }
                    403 if self.is_blocked(question) => reply.retry_after,
                    408 | 425 | 429 | 500 | 502..=504 => reply.retry_after,
                    _ => return Err(self.error(question, trouble, tried)),
                },
                Trouble::Silent { .. } => None,
            };
            if tried >= self.attempts {
                return Err(self.error(question, trouble, tried));
            }
            self.pacer.observer().repeated(why_again(&trouble));
            let pause = self.backoff.pause(tried, asked, &mut self.lock(&self.dice));
            tracing::debug!(what = question.what, tried, pause_ms = pause.as_millis() as u64, "directory asked again");
            if asked.is_some() || matches!(&trouble, Trouble::Refused(reply) if matches!(reply.status, 403 | 429)) {
                // Everybody slows down, not only who was told to.
                self.pacer.hold_off(pause);
            } else {
                tokio::time::sleep(pause).await;
            }
            tried += 1;
        }
    }

    /// Sends one request, once, and takes only a whole 2xx answer for good. For what makes something new; reads go through
    /// [`Api::read`].
    ///
    /// # Errors
    /// What came instead, and whether it may have been carried out.
    pub(crate) async fn once(&self, request: Request) -> Result<Reply, Trouble> {
        let (method, is_write) = (request.method, request.method != Method::Get);
        let resource = request.segments.join("/");
        let client = self.login.client().await.map_err(Trouble::Login)?;
        let permit = self.pacer.acquire(method.as_str(), &resource).await;
        self.calls.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        let sent = client.send(request).await;
        drop(permit);
        self.pacer.observer().called(method, sent.as_ref().ok().map(|reply| reply.status), begun.elapsed());
        let reply = match sent {
            Ok(reply) => reply,
            Err(error) => {
                let maybe_done = is_write && matches!(error, SendError::NoAnswer(_));
                return Err(Trouble::Silent { why: error.to_string(), maybe_done });
            }
        };
        tracing::debug!(product = self.product, method = method.as_str(), status = reply.status, "call");
        if !(200..300).contains(&reply.status) {
            return Err(Trouble::Refused(reply));
        }
        if let Some(pause) = reply.retry_after {
            self.pacer.hold_off(pause.min(self.backoff.cap));
        }
        match &reply.fault {
            Some(fault @ BodyFault::Cut(_)) => Err(Trouble::Silent { why: fault.to_string(), maybe_done: is_write }),
            _ => Ok(reply),
        }
    }

    /// An answer's body.
    ///
    /// # Errors
    /// When it is not the JSON that `what` should be.
    pub(crate) fn json<T: DeserializeOwned>(&self, what: &str, reply: &Reply) -> Result<T, SourceError> {
        let malformed = |why: String| SourceError::Malformed(format!("{} from {}: {why}", what, self.host()));
        if let Some(fault) = &reply.fault {
            return Err(malformed(fault.to_string()));
        }
        if is_html(reply) {
            return Err(malformed(self.said(reply)));
        }
        let odd = |error: serde_json::Error| malformed(format!("no such JSON as expected: {error}"));
        serde_json::from_slice::<Unique>(without_mark(&reply.body)).map_err(odd)?;
        serde_json::from_slice(without_mark(&reply.body)).map_err(odd)
    }

    /// What an answer says, in one line and without the token.
    pub(crate) fn said(&self, reply: &Reply) -> String {
        self.login.redact(refusal(reply))
    }

    /// Whether a 403 means "too fast": the very same question was answered before.
    fn is_blocked(&self, question: &Question) -> bool {
        self.forgive_403 && self.lock(&self.answered).contains(question.what)
    }

    fn error(&self, question: &Question, trouble: Trouble, tried: u32) -> SourceError {
        let times = if tried > 1 { format!(" (tried {tried} times)") } else { String::new() };
        let what = question.what;
        let reply = match trouble {
            Trouble::Login(error) => return error,
            Trouble::Silent { why, .. } => return SourceError::Unreachable(format!("{what}: {why}{times}")),
            Trouble::Refused(reply) => reply,
        };
        let text = format!("{what}: {}{times}", self.said(&reply));
        match reply.status {
            401 | 403 if (self.meaning)(&reply) == Some(Meaning::NoOrganisation) => SourceError::NoOrganisation(text),
            401 => SourceError::Refused(text),
            403 if self.is_blocked(question) => SourceError::Throttled(format!(
                "{text}; it was allowed a moment ago, so this looks like a block of this address for asking too fast"
            )),
            403 if (self.meaning)(&reply) == Some(Meaning::TooFast) => {
                SourceError::Throttled(format!("{text}; this address asked too fast: wait, and lower `rate`"))
            }
            403 => SourceError::Forbidden(text),
            429 => SourceError::Throttled(text),
            300..=399 => SourceError::Settings(format!(
                "{what}: it points to {}; the token is not sent there. Is the base URL right?",
                reply.location_host.as_deref().unwrap_or("another place")
            )),
            408 | 425 | 500.. => SourceError::Unreachable(text),
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
