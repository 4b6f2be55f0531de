//! The client whose requests carry the credential that is good now. What comes in are requests as closures; what goes out are answers, after one more try
//! with another credential where the first was refused. Directories and apps log in through this and nothing else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::grant::Granting;
use super::tokens::HeldToken;
use super::{Login, LoginError, TokenLife};
use crate::http::retry::Backoff;
use crate::http::{Client, ClientSettings, HttpResponse, SendError, SetupError};

/// One side of the network, to whom we are known. All its methods may be called at once.
pub struct Authenticator {
    /// The client without a granted token, and with the first of two keys.
    bare: Arc<Client>,
    means: Means,
    backoff: Backoff,
    /// The client with the granted token that was used last.
    latest: Mutex<Option<(u64, Arc<Client>)>>,
}

enum Means {
    /// A header that stays, or none.
    Fixed,
    /// Two keys, while one is replaced by the other.
    Rotating(Box<SecondKey>),
    Granted(Arc<Granting>),
}

struct SecondKey {
    client: Arc<Client>,
    /// Whether the first was refused.
    in_use: AtomicBool,
    /// Whether the second was accepted.
    accepted: AtomicBool,
}

/// Which of two keys is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyInUse {
    /// The first, as far as is known.
    First,
    /// The second: the first was refused.
    Second,
    /// Neither: both were refused.
    Neither,
}

/// A client, and what it carries.
struct Credentialed {
    client: Arc<Client>,
    token: Option<Arc<HeldToken>>,
    is_second: bool,
}

impl Authenticator {
    /// Makes one. Nothing is sent. The `auth` of the settings is left empty.
    ///
    /// # Errors
    /// When an address, a header or the certificate file can't be used.
    pub fn new(client: &ClientSettings, login: Login, backoff: Backoff) -> Result<Self, SetupError> {
        let (auth, means) = match login {
            Login::Open => (None, Means::Fixed),
            Login::Fixed(auth) => (Some(auth), Means::Fixed),
            Login::Rotating([first, second]) => {
                let with_second = Client::new(&ClientSettings { auth: Some(second), ..client.clone() })?;
                let second = SecondKey {
                    client: Arc::new(with_second),
                    in_use: AtomicBool::new(false),
                    accepted: AtomicBool::new(false),
                };
                (Some(first), Means::Rotating(Box::new(second)))
            }
            Login::Granted(grant) => (None, Means::Granted(Arc::new(Granting::new(*grant)?))),
        };
        let bare = Client::new(&ClientSettings { auth, ..client.clone() })?;
        let bare = match &means {
            Means::Fixed => bare,
            Means::Rotating(second) => bare.hiding(&second.client),
            Means::Granted(granting) => bare.hiding(&granting.endpoint),
        };
        Ok(Self { bare: Arc::new(bare), means, backoff, latest: Mutex::default() })
    }

    /// Sends by `send`, and where that is refused with 401 once more with another credential, if there is one.
    ///
    /// # Errors
    /// When there is no credential to send with. The inner error is that of `send`.
    pub async fn call<E, F>(&self, send: impl Fn(Arc<Client>) -> F) -> Result<Result<HttpResponse, E>, LoginError>
    where
        F: Future<Output = Result<HttpResponse, E>>,
    {
        let first = self.credential().await?;
        let ended = send(Arc::clone(&first.client)).await;
        if !is_refused(&ended) {
            self.note(&first, &ended);
            return Ok(ended);
        }
        let Some(other) = self.other_than(&first).await? else { return Ok(ended) };
        let ended = send(Arc::clone(&other.client)).await;
        if !is_refused(&ended) {
            self.note(&other, &ended);
        }
        Ok(ended)
    }

    /// A good answer shows that the credential is one.
    fn note<E>(&self, used: &Credentialed, ended: &Result<HttpResponse, E>) {
        if !matches!(ended, Ok(reply) if (200..300).contains(&reply.status)) {
            return;
        }
        if let Some(token) = &used.token {
            token.was_accepted();
        }
        if let (Means::Rotating(second), true) = (&self.means, used.is_second) {
            second.accepted.store(true, Ordering::Relaxed);
        }
    }

    async fn credential(&self) -> Result<Credentialed, LoginError> {
        match &self.means {
            Means::Rotating(second) if second.in_use.load(Ordering::Relaxed) => {
                Ok(Credentialed { client: Arc::clone(&second.client), token: None, is_second: true })
            }
            Means::Fixed | Means::Rotating(_) => {
                Ok(Credentialed { client: Arc::clone(&self.bare), token: None, is_second: false })
            }
            Means::Granted(granting) => self.with_token(granting.slot().token(|| granting.fetch(self.backoff)).await?),
        }
    }

    /// What else may be tried after a refusal.
    async fn other_than(&self, refused: &Credentialed) -> Result<Option<Credentialed>, LoginError> {
        match (&self.means, &refused.token) {
            (Means::Rotating(second), _) if !refused.is_second => {
                if !second.in_use.swap(true, Ordering::Relaxed) {
                    tracing::warn!(host = self.host(), "the first token is refused: using second_token");
                }
                Ok(Some(Credentialed { client: Arc::clone(&second.client), token: None, is_second: true }))
            }
            (Means::Granted(granting), Some(token)) => {
                let other = granting.slot().other_than(token, || granting.fetch(self.backoff)).await?;
                other.map(|token| self.with_token(token)).transpose()
            }
            _ => Ok(None),
        }
    }

    fn with_token(&self, token: Arc<HeldToken>) -> Result<Credentialed, LoginError> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match &*latest {
            Some((serial, client)) if *serial == token.serial => Arc::clone(client),
            _ => {
                let client =
                    self.bare.with_auth(&token.auth).map_err(|error| LoginError::NoToken(error.to_string()))?;
                let client = Arc::new(client);
                *latest = Some((token.serial, Arc::clone(&client)));
                client
            }
        };
        Ok(Credentialed { client, token: Some(token), is_second: false })
    }

    /// A text without the credentials.
    pub fn redact(&self, text: String) -> String {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = self.bare.redact(text);
        latest.map_or(text.clone(), |(_, client)| client.redact(text))
    }

    /// Which of two keys is in use; `None` where there is one at most.
    pub fn key_in_use(&self) -> Option<KeyInUse> {
        let Means::Rotating(second) = &self.means else { return None };
        Some(match (second.in_use.load(Ordering::Relaxed), second.accepted.load(Ordering::Relaxed)) {
            (false, _) => KeyInUse::First,
            (true, true) => KeyInUse::Second,
            (true, false) => KeyInUse::Neither,
        })
    }

    /// How long the granted token lasts; `None` where there is none.
    pub async fn token_life(&self) -> Option<TokenLife> {
        let Means::Granted(granting) = &self.means else { return None };
        granting.slot().now().await.map(|token| token.life())
    }

    /// The host, for messages.
    pub fn host(&self) -> &str {
        self.bare.host()
    }

    /// The URL of a path below the base.
    ///
    /// # Errors
    /// See [`Client::url`].
    pub fn url(&self, segments: &[String]) -> Result<String, SendError> {
        self.bare.url(segments)
    }

    /// What time it is by the last answer that had a `Date`; `None` before one.
    pub fn their_time(&self) -> Option<Timestamp> {
        let second = match &self.means {
            Means::Rotating(second) if second.in_use.load(Ordering::Relaxed) => second.client.their_time(),
            _ => None,
        };
        second.or_else(|| self.bare.their_time())
    }
}

fn is_refused<E>(ended: &Result<HttpResponse, E>) -> bool {
    matches!(ended, Ok(reply) if reply.status == 401)
}
