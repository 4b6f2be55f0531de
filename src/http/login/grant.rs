//! How a token is asked for: OAuth 2.0 client credentials (RFC 6749 §4.4), a JWT bearer grant and private-key client authentication (RFC 7523 §2.1,
//! §2.2), a refresh token (RFC 6749 §6). What comes in is an address and what is sent there; what goes out is a token, or why there is none.
//!
//! The credentials go to the address of the token server and nowhere else: redirects are not followed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::LoginError;
use super::answer::{self, GrantedToken};
use super::assertion::Assertion;
use super::refresh::RefreshFile;
use super::tokens::TokenSlot;
use crate::clock::{self, Clock as _, SystemClock};
use crate::http::failure::{AfterFailure, CallKind, FailureClass, after_try};
use crate::http::retry::{Backoff, Waited, retry};
use crate::http::words::refusal;
use crate::http::{
    Auth, BodyFault, Client, ClientSettings, HttpRequest, HttpResponse, Method, Secret, SendError, SetupError,
    Spellings,
};

/// How often a token is asked for in a row.
const TRIES: u32 = 3;

/// The largest answer of a token server that is read: a token is a few kilobytes.
const LARGEST_ANSWER: usize = 256 << 10;

/// A refused assertion is signed once more by the server's clock, if that differs by more than this from ours.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

/// How a token is asked for. It is carried as a bearer (RFC 6750).
#[derive(Clone)]
pub struct Grant {
    /// The token server, with credentials in its header where they go there. Its base URL is the token's own address without the last segment.
    endpoint: ClientSettings,
    /// The last segment of the address.
    segment: String,
    request: TokenRequest,
    /// What a server error of the token endpoint may mean, beside an outage.
    on_server_error: &'static str,
    /// Where the token is kept while it is good.
    slot: Arc<TokenSlot>,
}

/// What is sent to the token server.
#[derive(Clone)]
enum TokenRequest {
    /// A body that is always the same, with its media type.
    Fixed(&'static str, &'static [u8]),
    /// A form (RFC 6749 §4.4.2).
    Form(Box<TokenForm>),
}

/// The form of a token request.
#[derive(Clone, Default)]
pub struct TokenForm {
    /// What is asked for, beside what the other fields say: `scope`, `audience`.
    pub parameters: BTreeMap<String, String>,
    /// Who asks, where the form says so.
    pub client_id: Option<String>,
    /// Its secret, where that goes into the form.
    pub client_secret: Option<Secret>,
    /// What stands for its secret (RFC 7523 §2.2).
    pub client_assertion: Option<Assertion>,
    /// A refresh token that stands for what was granted before (RFC 6749 §6).
    pub refresh: Option<RefreshFile>,
    /// What the token is granted for (RFC 7523 §2.1); without it, it is granted for the client's own credentials.
    pub assertion: Option<Assertion>,
}

impl Grant {
    /// A body that is always the same, with the client's credentials in the header that HTTP itself knows for them (RFC 6749 §2.3.1).
    ///
    /// # Errors
    /// When the address has no path.
    pub fn fixed(
        [id, address]: [&str; 2],
        secret: &Secret,
        (content_type, body): (&'static str, &'static [u8]),
        client: &ClientSettings,
        on_server_error: &'static str,
    ) -> Result<Self, SetupError> {
        let request = TokenRequest::Fixed(content_type, body);
        Ok(Self { on_server_error, ..Self::new(address, Some(basic(id, secret)), request, client)? })
    }

    /// A form. `header` has the client's id and secret where they are presented by HTTP Basic, each of them form-encoded first (RFC 6749 §2.3.1).
    ///
    /// # Errors
    /// When the address has no path.
    pub fn form(
        address: &str,
        header: Option<(&str, &Secret)>,
        form: TokenForm,
        client: &ClientSettings,
    ) -> Result<Self, SetupError> {
        let auth = match header {
            None => None,
            Some((id, secret)) => {
                let [id, password] =
                    [id, secret.expose()].map(|text| byte_serialize(text.as_bytes()).collect::<String>());
                let password = Secret::new(password).map_err(|why| SetupError::new(why.to_string()))?;
                Some(basic(&id, &password))
            }
        };
        Self::new(address, auth, TokenRequest::Form(Box::new(form)), client)
    }

    fn new(
        address: &str,
        auth: Option<Auth>,
        request: TokenRequest,
        client: &ClientSettings,
    ) -> Result<Self, SetupError> {
        let wrong = || SetupError::new(format!("the address {address:?} can't be used for tokens: it has no path"));
        let mut url = Url::parse(address).map_err(|_| wrong())?;
        let path = url.path().trim_end_matches('/').to_owned();
        let (parent, last) = path.rsplit_once('/').filter(|(_, last)| !last.is_empty()).ok_or_else(wrong)?;
        url.set_path(parent);
        let endpoint = ClientSettings {
            base_url: url.as_str().trim_end_matches('/').to_owned(),
            auth,
            extra_headers: BTreeMap::new(),
            accept: "application/json".to_owned(),
            max_body: LARGEST_ANSWER,
            ..client.clone()
        };
        Ok(Self { endpoint, segment: last.to_owned(), request, on_server_error: "", slot: Arc::default() })
    }

    /// The client's secret, where it has one.
    pub(super) fn secret(&self) -> Option<&Secret> {
        let in_header = self.endpoint.auth.as_ref().map(|auth| &auth.token);
        match &self.request {
            TokenRequest::Form(form) => in_header.or(form.client_secret.as_ref()),
            TokenRequest::Fixed(..) => in_header,
        }
    }

    /// The same grant, with another place for its token.
    pub(super) fn keeping_its_token_in(self, slot: Arc<TokenSlot>) -> Self {
        Self { slot, ..self }
    }

    /// Tells one client of one token server from another: equal requests are answered by equal tokens.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let mut part = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        part(self.endpoint.base_url.as_bytes());
        part(self.segment.as_bytes());
        part(self.endpoint.auth.as_ref().map(|auth| auth.token.expose()).unwrap_or_default().as_bytes());
        match &self.request {
            TokenRequest::Fixed(_, body) => part(body),
            TokenRequest::Form(form) => {
                form.parameters.iter().for_each(|(name, value)| {
                    part(name.as_bytes());
                    part(value.as_bytes());
                });
                let refresh = form.refresh.as_ref().map(|file| file.path().as_os_str().as_encoded_bytes());
                part(refresh.unwrap_or_default());
                part(form.client_id.as_deref().unwrap_or_default().as_bytes());
                part(form.client_secret.as_ref().map(Secret::expose).unwrap_or_default().as_bytes());
                for assertion in [&form.client_assertion, &form.assertion] {
                    let assertion = assertion.as_ref();
                    let claimed = assertion.map(|one| [&one.issuer, &one.subject, &one.audience]).into_iter().flatten();
                    claimed.for_each(|text| part(text.as_bytes()));
                    part(assertion.map(|one| one.key.digest()).unwrap_or_default());
                }
            }
        }
        digest.finalize().into()
    }
}

/// A token nobody asked for in so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The granted tokens of this process.
#[derive(Default)]
pub struct TokenSlots(Mutex<SlotsByGrant>);

/// Tokens by the digest of what is asked for, each with the time when it was last asked for.
type SlotsByGrant = HashMap<[u8; 32], (Instant, Arc<TokenSlot>)>;

impl TokenSlots {
    /// The same grant, whose token is shared by all who ask in the same way.
    #[must_use]
    pub fn sharing(&self, grant: Grant) -> Grant {
        let now = Instant::now();
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, (asked, slot)| Arc::strong_count(slot) > 1 || now.duration_since(*asked) < FORGOTTEN_AFTER);
        let (asked, slot) = slots.entry(grant.digest()).or_insert_with(|| (now, Arc::default()));
        *asked = now;
        grant.keeping_its_token_in(Arc::clone(slot))
    }
}

fn basic(id: &str, secret: &Secret) -> Auth {
    let (header, template) = ("authorization".to_owned(), "Basic {token}".to_owned());
    Auth { header, template, token: secret.basic_with(id) }
}

/// A form as it is sent, and what of it no text may show.
struct Body {
    content_type: &'static str,
    bytes: Vec<u8>,
    secrets: Vec<Secret>,
}

impl TokenForm {
    /// The form by the clock `now`, with the refresh token as it is now.
    fn body(&self, now: Timestamp, refresh: Option<&Secret>) -> Result<Body, SetupError> {
        let mut secrets = Vec::new();
        let mut form = Serializer::new(String::new());
        if !self.parameters.contains_key("grant_type") {
            form.append_pair(
                "grant_type",
                match (refresh, &self.assertion) {
                    (Some(_), _) => "refresh_token",
                    (None, Some(_)) => "urn:ietf:params:oauth:grant-type:jwt-bearer",
                    (None, None) => "client_credentials",
                },
            );
        }
        if let Some(refresh) = refresh {
            form.append_pair("refresh_token", refresh.expose());
            secrets.push(refresh.clone());
        }
        form.extend_pairs(&self.parameters);
        form.extend_pairs(self.client_id.iter().map(|id| ("client_id", id)));
        if let Some(secret) = &self.client_secret {
            form.append_pair("client_secret", secret.expose());
            secrets.push(secret.clone());
        }
        if let Some(assertion) = &self.client_assertion {
            let signed = assertion.sign(now)?;
            form.append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
            form.append_pair("client_assertion", signed.expose());
            secrets.push(signed);
        }
        if let Some(assertion) = &self.assertion {
            let signed = assertion.sign(now)?;
            form.append_pair("assertion", signed.expose());
            secrets.push(signed);
        }
        Ok(Body { content_type: "application/x-www-form-urlencoded", bytes: form.finish().into_bytes(), secrets })
    }

    fn signs(&self) -> bool {
        self.client_assertion.is_some() || self.assertion.is_some()
    }
}

/// Why one try brought no token.
struct NotGranted {
    class: FailureClass,
    status: Option<u16>,
    why: String,
    retry_after: Option<Duration>,
    /// Whether the server answered well, but with something else than a token.
    no_token: bool,
}

/// A token server that can be asked.
pub(super) struct Granting {
    grant: Grant,
    pub(super) endpoint: Client,
    /// By how much the server's clock is ahead of ours, once that was found to matter.
    offset: Mutex<SignedDuration>,
}

impl Granting {
    pub(super) fn new(grant: Grant) -> Result<Self, SetupError> {
        let endpoint = Client::new(&grant.endpoint)?;
        let endpoint = match &grant.request {
            TokenRequest::Form(form) => form.client_secret.iter().fold(endpoint, Client::hiding_secret),
            TokenRequest::Fixed(..) => endpoint,
        };
        Ok(Self { endpoint, grant, offset: Mutex::default() })
    }

    pub(super) fn slot(&self) -> &TokenSlot {
        &self.grant.slot
    }

    /// Asks for a token until there is one, or nothing more is to be done. With a refresh token that goes on when the caller is gone: an answer that
    /// nobody takes would be the only place of the next one.
    pub(super) async fn fetch(self: &Arc<Self>, backoff: Backoff) -> Result<GrantedToken, LoginError> {
        if !self.refreshes() {
            return self.fetch_here(backoff).await;
        }
        let own = Arc::clone(self);
        let fetched = tokio::spawn(async move { own.fetch_here(backoff).await }).await;
        fetched
            .unwrap_or_else(|error| Err(LoginError::Unreachable(format!("the request for a token was ended: {error}"))))
    }

    async fn fetch_here(&self, backoff: Backoff) -> Result<GrantedToken, LoginError> {
        match self.fetch_by_our_clock(backoff).await {
            Err(LoginError::Refused(why)) => match self.skew() {
                Some(skew) => {
                    tracing::warn!(
                        host = self.endpoint.host(),
                        why,
                        "an assertion was refused: signing it by the server's clock"
                    );
                    *self.offset.lock().unwrap_or_else(PoisonError::into_inner) = skew;
                    self.fetch_by_our_clock(backoff).await.map_err(|error| self.with_skew(error, skew))
                }
                None => Err(LoginError::Refused(why)),
            },
            ended => ended,
        }
    }

    fn refreshes(&self) -> bool {
        matches!(&self.grant.request, TokenRequest::Form(form) if form.refresh.is_some())
    }

    /// By how much the server's clock is ahead, where that may be why an assertion was refused and is not taken into account yet.
    fn skew(&self) -> Option<SignedDuration> {
        let TokenRequest::Form(form) = &self.grant.request else { return None };
        let known = *self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        let skew = self.endpoint.their_time()?.duration_since(SystemClock.now());
        (form.signs() && (skew - known).abs() > SKEW).then_some(skew)
    }

    fn with_skew(&self, error: LoginError, skew: SignedDuration) -> LoginError {
        let LoginError::Refused(why) = error else { return error };
        let (size, way) =
            (clock::duration(skew.unsigned_abs().as_secs()), if skew.is_negative() { "behind" } else { "ahead" });
        LoginError::Refused(format!("{why}; the server's clock is {size} {way}, which the assertion took into account"))
    }

    async fn fetch_by_our_clock(&self, backoff: Backoff) -> Result<GrantedToken, LoginError> {
        let judge = |refused: &NotGranted, tried| match refused.no_token {
            true => AfterFailure::Fail,
            // A refresh token may have been replaced by an answer that was lost; the next run tries it again.
            false => after_try(refused.class, CallKind::Read, tried, if self.refreshes() { 1 } else { TRIES }),
        };
        let wait = |_, refused: NotGranted, tried: u32| async move {
            // One caller asks for all, so there is nobody to keep out of step with: no jitter.
            let pause = refused.retry_after.unwrap_or(backoff.base * tried).max(backoff.base);
            tokio::time::sleep(pause.min(backoff.cap)).await;
            Waited::Again
        };
        retry(|| self.ask(), judge, wait).await.map_err(|(refused, tried)| self.error(refused, tried))
    }

    fn error(&self, refused: NotGranted, tried: u32) -> LoginError {
        let host = self.endpoint.host();
        if refused.no_token {
            return LoginError::NoToken(format!("the token from {host}: {}", refused.why));
        }
        let text = format!("a token from {host}: {}", refused.why);
        let hint = self.grant.on_server_error;
        match refused.class {
            FailureClass::Untrusted => LoginError::Untrusted(refused.why),
            // 400 is how RFC 6749 §5.2 says that the credentials are wrong.
            FailureClass::Unauthorized | FailureClass::Forbidden => LoginError::Refused(text),
            FailureClass::Invalid if refused.status == Some(400) => LoginError::Refused(text),
            FailureClass::Throttled => LoginError::Throttled(text),
            FailureClass::Server if refused.status >= Some(500) && !hint.is_empty() => {
                LoginError::Refused(format!("{text} (tried {tried} times); {hint}"))
            }
            FailureClass::Server | FailureClass::Unknown | FailureClass::Unreachable | FailureClass::NotScim => {
                LoginError::Unreachable(format!("{text} (tried {tried} times)"))
            }
            FailureClass::Redirect => LoginError::WrongAddress(format!(
                "{text}; redirects are not followed, so that the credential stays with its host"
            )),
            _ => LoginError::WrongAddress(format!("{text}; is the address right?")),
        }
    }

    /// Asks for a token, once.
    async fn ask(&self) -> Result<GrantedToken, NotGranted> {
        let no_token = |why: String| NotGranted {
            class: FailureClass::NotScim,
            status: None,
            why,
            retry_after: None,
            no_token: true,
        };
        let refresh = match &self.grant.request {
            TokenRequest::Form(form) => form.refresh.as_ref(),
            TokenRequest::Fixed(..) => None,
        };
        let exchange = match refresh {
            Some(file) => Some(file.begin().await.map_err(|error| no_token(error.to_string()))?),
            None => None,
        };
        let now = SystemClock.now();
        let offset = *self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        let body = match &self.grant.request {
            TokenRequest::Fixed(content_type, bytes) => {
                Body { content_type, bytes: bytes.to_vec(), secrets: Vec::new() }
            }
            TokenRequest::Form(form) => {
                let now = now.saturating_add(offset).unwrap_or(now);
                form.body(now, exchange.as_ref().map(|exchange| &exchange.token))
                    .map_err(|error| no_token(error.to_string()))?
            }
        };
        let reply = self.send(body).await?;
        let granted = answer::token(&reply).map_err(no_token)?;
        if let Some(exchange) = exchange {
            exchange.end(granted.refresh.clone()).await.map_err(|error| {
                no_token(format!(
                    "{error}; the token server replaced it, so the old one may be of no use: get a new one"
                ))
            })?;
        }
        Ok(granted)
    }

    /// A whole, good answer.
    async fn send(&self, body: Body) -> Result<HttpResponse, NotGranted> {
        let Body { content_type, bytes, secrets } = body;
        let hidden = |text: String| {
            let text = self.endpoint.redact(text);
            secrets.iter().fold(text, |text, secret| Spellings::of(secret).redact(text))
        };
        let request = HttpRequest {
            body: Some(bytes),
            content_type: Some(content_type),
            ..HttpRequest::new(Method::Post, vec![self.grant.segment.clone()])
        };
        let reply = self.endpoint.send(request).await.map_err(|error| NotGranted {
            class: match &error {
                SendError::Untrusted(_) => FailureClass::Untrusted,
                SendError::Unreachable(_) => FailureClass::Unreachable,
                _ => FailureClass::Unknown,
            },
            status: None,
            why: hidden(error.to_string()),
            retry_after: None,
            no_token: false,
        })?;
        let is_good = (200..300).contains(&reply.status);
        let (class, why, no_token) = match (&reply.fault, is_good) {
            (None, true) => return Ok(reply),
            // An answer that breaks off is as good as none.
            (Some(fault @ BodyFault::Cut(_)), true) => {
                (FailureClass::Unknown, format!("{}: {fault}", reply.status), false)
            }
            (Some(fault), true) => (FailureClass::NotScim, fault.to_string(), true),
            (_, false) => {
                let said = answer::refusal(&reply).unwrap_or_else(|| refusal(&reply));
                (FailureClass::of(reply.status), said, false)
            }
        };
        Err(NotGranted {
            class,
            status: Some(reply.status),
            why: hidden(why),
            retry_after: reply.retry_after,
            no_token,
        })
    }
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
            Grant::fixed(["id", address], &secret, ("application/json", b"{}"), &client, "").ok()
        };
        let Some(grant) = parts("https://admin-oauth.id.example.com/oauth2/token") else { panic!() };
        let (parent, last) = (grant.endpoint.base_url, grant.segment);
        assert_eq!((parent.as_str(), last.as_str()), ("https://admin-oauth.id.example.com/oauth2", "token"));
        assert!(parts("https://id.example.org").is_none() && parts("https://id.example.org/").is_none());
    }

    #[test]
    fn a_form_is_encoded_and_says_how_the_token_is_granted() {
        let form = TokenForm {
            parameters: [("scope", "users groups"), ("audience", "https://app/?a&b")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            client_id: Some("us & co".to_owned()),
            client_secret: Some(Secret::new("s3=cr&t+").unwrap()),
            ..TokenForm::default()
        };
        let text = |form: &TokenForm| String::from_utf8(form.body(Timestamp::UNIX_EPOCH, None).unwrap().bytes).unwrap();
        assert_eq!(
            text(&form),
            "grant_type=client_credentials&audience=https%3A%2F%2Fapp%2F%3Fa%26b&scope=users+groups&client_id=us+%26+co&client_secret=s3%3Dcr%26t%2B"
        );
        // Zoom has a grant of its own.
        let own = BTreeMap::from([("grant_type".to_owned(), "account_credentials".to_owned())]);
        assert_eq!(text(&TokenForm { parameters: own, ..TokenForm::default() }), "grant_type=account_credentials");
    }

    #[test]
    fn another_client_secret_or_scope_is_another_token() {
        let client = ClientSettings::new("https://app.example.org");
        let digest = |address: &str, secret: &str, scope: &str| {
            let form = TokenForm {
                parameters: BTreeMap::from([("scope".to_owned(), scope.to_owned())]),
                ..TokenForm::default()
            };
            let secret = Secret::new(secret).unwrap();
            Grant::form(address, Some(("id", &secret)), form, &client).unwrap().digest()
        };
        let one = digest("https://auth.example.org/token", "s1", "scim");
        assert_eq!(one, digest("https://auth.example.org/token", "s1", "scim"));
        for (address, secret, scope) in [
            ("https://auth.example.org/other", "s1", "scim"),
            ("https://other.example.org/token", "s1", "scim"),
            ("https://auth.example.org/token", "s2", "scim"),
            ("https://auth.example.org/token", "s1", "other"),
        ] {
            assert_ne!(one, digest(address, secret, scope), "{address} {secret} {scope}");
        }
    }
}
