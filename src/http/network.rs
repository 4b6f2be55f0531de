//! Through which proxy a client reaches its origin, and what it asks of TLS. What comes in are settings whose secrets are fetched already; what goes out
//! is the way to an origin, or a sentence that says what is wrong with the settings, or what the proxy says.
//!
//! A proxy sees the name of the origin and encrypted bytes: only `https` goes through it, so that no proxy ever reads a credential of either side. An origin
//! on this machine is reached directly. The variables of the environment count only where the settings say so.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::{Host, Url};

use super::error::{SendError, SetupError};
use super::secret::{InvalidSecret, Secret};
use crate::config::forms::{self, KeyPin};
use crate::config::network::{MinTls, NetworkTable};
use crate::config::secret::{SecretError, Secrets};
use crate::model::text::shown;

/// How long a proxy gets to say why it refused.
const ASK_LIMIT: Duration = Duration::from_secs(5);

/// How much of a proxy's answer is read.
const MOST_HEAD: u64 = 8 << 10;

/// How the connections of a client are made.
#[derive(Clone, Default)]
pub struct Network {
    /// Through which proxy.
    pub proxy: ProxyChoice,
    /// What is asked of TLS.
    pub tls: TlsPolicy,
}

/// Which proxy is used.
#[derive(Clone, Default)]
pub enum ProxyChoice {
    /// None.
    #[default]
    Direct,
    /// The one that the environment names (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`).
    Environment,
    /// This one.
    Through(ProxySettings),
}

/// A proxy.
#[derive(Clone)]
pub struct ProxySettings {
    /// `http://` (CONNECT), `socks5://` (names are resolved here) or `socks5h://` (by the proxy), host and port.
    pub address: String,
    /// User name and password for the proxy.
    pub login: Option<(String, Secret)>,
    /// Hosts that are reached directly: `example.com` and `.example.com` mean the domain and all below it; addresses and networks such as `10.0.0.0/8`
    /// mean hosts that are written as addresses; `*` means all.
    pub bypass: Vec<String>,
}

/// What is asked of TLS, beside a certificate that is good.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsPolicy {
    /// Whether TLS 1.2 is refused.
    pub only_tls13: bool,
    /// The SHA-256 hashes of the public keys (SubjectPublicKeyInfo) that the server may have; any if there are none.
    pub pins: Vec<[u8; 32]>,
}

/// The way to an origin through a proxy.
#[derive(Clone)]
pub(super) struct Route {
    intercept: Intercept,
    /// The origin's host and port.
    origin: (String, u16),
}

impl Network {
    /// Fetches what a table names.
    ///
    /// # Errors
    /// When the password of the proxy is not there.
    pub fn load(table: &NetworkTable, secrets: &Secrets<'_>) -> Result<Self, NetworkError> {
        let password = table.proxy_password.as_ref().map(|place| secrets.fetch(place)).transpose()?;
        let login = match (&table.proxy_user, password) {
            (Some(user), Some(password)) => Some((user.clone(), Secret::new(password.as_str())?)),
            _ => None,
        };
        let proxy = match table.proxy.as_deref() {
            None | Some(forms::NO_PROXY) => ProxyChoice::Direct,
            Some(forms::PROXY_OF_ENVIRONMENT) => ProxyChoice::Environment,
            Some(address) => ProxyChoice::Through(ProxySettings {
                address: address.to_owned(),
                login,
                bypass: table.no_proxy.iter().flatten().map(|host| host.as_str().to_owned()).collect(),
            }),
        };
        let pins = table.pins.iter().flatten().map(KeyPin::hash).collect();
        Ok(Self { proxy, tls: TlsPolicy { only_tls13: table.min_tls == Some(MinTls::Tls13), pins } })
    }
}

/// Why a table's network can't be used.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The password is not there.
    #[error("the password of the proxy: {0}")]
    Secret(#[from] SecretError),
    /// It is none.
    #[error("the password of the proxy: {0}")]
    Password(#[from] InvalidSecret),
}

impl ProxyChoice {
    /// The proxy that is used for an origin, without its credentials; `None` for a direct connection.
    ///
    /// # Errors
    /// When the proxy's address can't be used.
    pub fn shown_for(&self, origin: &Url) -> Result<Option<String>, SetupError> {
        Ok(Route::to(origin, self)?.map(|route| route.proxy()))
    }

    /// The proxy that the environment names for an origin, whether it is used or not.
    pub fn in_environment(origin: &Url) -> Option<String> {
        let intercept = Matcher::from_env().intercept(&origin.as_str().parse().ok()?)?;
        Some(shown_proxy(intercept.uri()))
    }
}

impl Route {
    /// The way to an origin; `None` for a direct connection.
    pub(super) fn to(origin: &Url, choice: &ProxyChoice) -> Result<Option<Self>, SetupError> {
        if origin.scheme() != "https" || is_this_machine(origin) {
            return Ok(None);
        }
        let (matcher, name) = match choice {
            ProxyChoice::Direct => return Ok(None),
            ProxyChoice::Environment => (Matcher::from_env(), "the proxy that the environment names"),
            ProxyChoice::Through(settings) => {
                let address = with_login(settings)?;
                (Matcher::builder().all(address).no(settings.bypass.join(",")).build(), "the proxy")
            }
        };
        let wrong = |why: &str| SetupError::new(format!("{name} can't be used: {why}"));
        let uri: Uri = origin.as_str().parse().map_err(|_| wrong("the origin's address is none"))?;
        let Some(intercept) = matcher.intercept(&uri) else { return Ok(None) };
        if !matches!(intercept.uri().scheme_str(), Some("http" | "socks5" | "socks5h")) {
            return Err(wrong("its address begins with neither `http://`, `socks5://` nor `socks5h://`"));
        }
        let host = origin.host_str().unwrap_or_default().to_owned();
        Ok(Some(Self { intercept, origin: (host, origin.port_or_known_default().unwrap_or(443)) }))
    }

    /// For the client of HTTP.
    pub(super) fn for_http(&self) -> Result<reqwest::Proxy, SetupError> {
        let wrong = |error: reqwest::Error| SetupError::new(format!("the proxy can't be used: {error}"));
        let proxy = reqwest::Proxy::all(self.intercept.uri().to_string()).map_err(wrong)?;
        Ok(match (self.intercept.raw_auth(), self.intercept.basic_auth()) {
            (Some((user, password)), _) => proxy.basic_auth(user, password),
            (None, Some(header)) => proxy.custom_http_auth(header.clone()),
            (None, None) => proxy,
        })
    }

    /// The proxy, without its credentials.
    pub(super) fn proxy(&self) -> String {
        shown_proxy(self.intercept.uri())
    }

    /// Why there is no connection, in the words of the proxy where it has some: the client of HTTP does not tell its status.
    pub(super) async fn explain(&self, error: SendError) -> SendError {
        let SendError::Unreachable(why) = error else { return error };
        let proxy = self.proxy();
        if self.intercept.uri().scheme_str() != Some("http") {
            return match timeout(ASK_LIMIT, self.is_refused_by_socks()).await {
                Ok(Ok(true)) => SendError::Untrusted(format!(
                    "the proxy {proxy} asks for a user name and password, or refuses them: set `proxy_user` and `proxy_password`"
                )),
                _ => SendError::Unreachable(format!("{why} (through the proxy {proxy})")),
            };
        }
        match timeout(ASK_LIMIT, self.connect()).await {
            Ok(Ok(status)) => self.judge(&status, why),
            Ok(Err(error)) => SendError::Unreachable(format!("no connection to the proxy {proxy}: {error}")),
            Err(_) => SendError::Unreachable(format!("the proxy {proxy} does not respond")),
        }
    }

    /// What the first line of a proxy's answer to CONNECT means (RFC 9110 §9.3.6).
    fn judge(&self, line: &str, why: String) -> SendError {
        let (proxy, (host, port)) = (self.proxy(), &self.origin);
        let code = line.split_whitespace().nth(1).and_then(|code| code.parse::<u16>().ok());
        let line = shown(line);
        match code {
            // The tunnel stands: what failed is behind it.
            Some(200..=299) => SendError::Unreachable(format!("{why} (through the proxy {proxy})")),
            Some(407) => SendError::Untrusted(format!(
                "the proxy {proxy} asks for a user name and password, or refuses them ({line}): set `proxy_user` and `proxy_password`"
            )),
            Some(401..=499) => SendError::Untrusted(format!(
                "the proxy {proxy} does not let connections to {host}:{port} through ({line}): allow this host in the proxy's rules, or name it in \
                 `no_proxy`"
            )),
            Some(_) => SendError::Unreachable(format!("the proxy {proxy} could not reach {host}:{port} ({line})")),
            None => SendError::Untrusted(format!("what answers at {proxy} is no HTTP proxy: correct `proxy`")),
        }
    }

    /// Logs in to a SOCKS5 proxy once more (RFC 1928 §3, RFC 1929 §2), only to see whether it refuses that.
    async fn is_refused_by_socks(&self) -> std::io::Result<bool> {
        const NO_LOGIN: u8 = 0;
        const PASSWORD: u8 = 2;
        const NONE_FITS: u8 = 0xff;
        let mut stream = self.dial(1080).await?;
        let login = self.intercept.raw_auth();
        let methods: &[u8] = if login.is_some() { &[5, 2, NO_LOGIN, PASSWORD] } else { &[5, 1, NO_LOGIN] };
        stream.write_all(methods).await?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await?;
        let (PASSWORD, Some((user, password))) = (answer[1], login) else { return Ok(answer[1] == NONE_FITS) };
        let mut request = zeroize::Zeroizing::new(vec![1]);
        for part in [user, password] {
            request.push(u8::try_from(part.len()).map_err(std::io::Error::other)?);
            request.extend_from_slice(part.as_bytes());
        }
        stream.write_all(&request).await?;
        stream.read_exact(&mut answer).await?;
        Ok(answer[1] != 0)
    }

    async fn dial(&self, usual_port: u16) -> std::io::Result<TcpStream> {
        let uri = self.intercept.uri();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        TcpStream::connect((host, uri.port_u16().unwrap_or(usual_port))).await
    }

    /// Asks the proxy once more for the connection, only to read the first line of what it says.
    async fn connect(&self) -> std::io::Result<String> {
        let mut stream = self.dial(80).await?;
        let (origin, port) = &self.origin;
        let mut request = format!("CONNECT {origin}:{port} HTTP/1.1\r\nHost: {origin}:{port}\r\n").into_bytes();
        if let Some(header) = self.intercept.basic_auth() {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(header.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await?;
        let mut head = Vec::new();
        let mut stream = stream.take(MOST_HEAD);
        while !head.contains(&b'\n') && stream.read_buf(&mut head).await? > 0 {}
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Ok(String::from_utf8_lossy(line).trim().chars().take(100).collect())
    }
}

fn is_this_machine(origin: &Url) -> bool {
    match origin.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

fn shown_proxy(uri: &Uri) -> String {
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", uri.scheme_str().unwrap_or("http"), uri.host().unwrap_or_default())
}

/// The address with the credentials in it, as the matcher takes them.
fn with_login(settings: &ProxySettings) -> Result<String, SetupError> {
    let wrong =
        || SetupError::new("the proxy's address can't be used: write `http://proxy.example.com:3128` or `socks5://…`");
    let mut url = Url::parse(&settings.address).map_err(|_| wrong())?;
    if let Some((user, password)) = &settings.login {
        url.set_username(user).map_err(|()| wrong())?;
        url.set_password(Some(password.expose())).map_err(|()| wrong())?;
    }
    Ok(url.into())
}

/// Writes a pin as `pins` has it.
pub fn shown_pin(hash: &[u8]) -> String {
    format!("sha256/{}", STANDARD.encode(hash))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
