//! How a client is known to the other side. It takes a key that lasts, or credentials that are granted a token for a time (OAuth 2.0, RFC 6749 and
//! RFC 7523), and returns an [`Authenticator`] whose requests carry what is good now. It must not depend on what is asked.
//!
//! A granted token is kept in memory only, used by all calls until shortly before it ends, and fetched by one caller while
//! the others wait for it. It is renewed once when it is refused.

mod answer;
mod assertion;
mod authenticator;
mod grant;
mod prepare;
mod refresh;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

pub use assertion::{Assertion, SigningKey};
pub use authenticator::{Authenticator, KeyInUse};
pub use grant::{Grant, TokenForm, TokenSlots};
pub use prepare::{LoginContext, PrepareError};
pub use refresh::{RefreshError, RefreshFile};

use super::failure::FailureClass;
use super::pace::Pacer;
use super::retry::Backoff;
use super::words::refusal;
use super::{
    Auth, BodyFault, Client, ClientSettings, HttpRequest, HttpResponse, Method, Secret, SendError, SetupError,
};

/// How the other side knows us.
#[derive(Clone)]
pub enum Login {
    /// Not at all, or by the client certificate of the connection alone.
    Open,
    /// One header, as long as the key lives.
    Fixed(Auth),
    /// Two of them, while one is replaced by the other: the second is tried once the first is refused.
    Rotating([Auth; 2]),
    /// A token for a time, asked for with credentials.
    Granted(Box<Grant>),
}

impl Login {
    /// The secret by which a quota knows the client; `None` where there is none that lasts.
    pub fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Open => None,
            Self::Fixed(auth) | Self::Rotating([auth, _]) => Some(&auth.token),
            Self::Granted(grant) => grant.secret(),
        }
    }

    /// A secret in a header of this name.
    pub fn key(header: &str, template: &str, secret: &Secret) -> Self {
        Self::Fixed(Auth { header: header.to_owned(), template: template.to_owned(), token: secret.clone() })
    }

    /// A user name and password (RFC 7617).
    pub fn basic(user: &str, password: &Secret) -> Self {
        Self::key("authorization", "Basic {token}", &password.basic_with(user))
    }

    /// Client credentials with a body that is always the same; see [`Grant::fixed`].
    ///
    /// # Errors
    /// When the address has no path.
    pub fn credentials(
        client_and_address: [&str; 2],
        secret: &Secret,
        body: (&'static str, &'static [u8]),
        client: &ClientSettings,
        on_server_error: &'static str,
    ) -> Result<Self, SetupError> {
        Ok(Self::Granted(Box::new(Grant::fixed(client_and_address, secret, body, client, on_server_error)?)))
    }
}

/// How long a granted token lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLife {
    /// From now on.
    pub left: Duration,
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

/// One side of the network, to whom we are known, at a pace. All its methods may be called at once.
pub struct Session {
    pacer: Pacer,
    backoff: Backoff,
    known: Authenticator,
}

impl Session {
    /// Makes one. Nothing is sent. The `auth` of the settings is left empty.
    ///
    /// # Errors
    /// When an address, a header or the certificate file can't be used.
    pub fn new(client: &ClientSettings, login: Login, pacer: Pacer, backoff: Backoff) -> Result<Self, SetupError> {
        Ok(Self { pacer, backoff, known: Authenticator::new(client, login, backoff)? })
    }

    /// The host, for messages.
    pub fn host(&self) -> &str {
        self.known.host()
    }

    /// At which pace it is asked.
    pub fn pacer(&self) -> &Pacer {
        &self.pacer
    }

    /// What an answer says, in one line and without the token.
    pub fn said(&self, reply: &HttpResponse) -> String {
        self.known.redact(refusal(reply))
    }

    /// Sends one request, once, and takes only a whole 2xx answer for good. Where a granted token is refused, it is sent with another one.
    ///
    /// # Errors
    /// What came instead, and whether it may have been carried out.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, CallFailure> {
        let is_write = request.method != Method::Get;
        let sent = self.known.call(|client| self.once(client, request.clone())).await.map_err(CallFailure::Login)?;
        self.judged(sent, is_write)
    }

    async fn once(&self, client: Arc<Client>, request: HttpRequest) -> Result<HttpResponse, SendError> {
        let method = request.method;
        let permit = self.pacer.acquire(method.as_str(), &request.segments.join("/")).await;
        let reply = permit.send(&client, request).await?;
        tracing::debug!(host = self.host(), method = method.as_str(), status = reply.status, "request");
        Ok(reply)
    }

    fn judged(&self, sent: Result<HttpResponse, SendError>, is_write: bool) -> Result<HttpResponse, CallFailure> {
        let reply = match sent {
            Ok(reply) => reply,
            Err(SendError::Untrusted(why)) => return Err(CallFailure::Untrusted(why)),
            Err(error) => {
                let maybe_done = is_write && matches!(error, SendError::NoAnswer(_));
                return Err(CallFailure::Silent { why: error.to_string(), maybe_done });
            }
        };
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
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
