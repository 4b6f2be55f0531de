//! Connections to one origin. In: settings, a base URL, a route through a proxy. Out: a client of the HTTP library that follows no redirect, repeats
//! nothing by itself and asks no proxy that is not configured.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use url::{Host, Url};

use super::ClientSettings;
use crate::http::client_certificate::ClientIdentity;
use crate::http::network::Route;
use crate::http::{SetupError, tls};
use crate::model::text::address;

/// Many servers drop a connection after five idle seconds. Reusing one just then loses a request with unknown outcome, which
/// costs a look-up; a new connection costs a handshake.
const POOL_IDLE: Duration = Duration::from_secs(4);

pub(super) fn base_url(text: &str, allow_http_loopback: bool) -> Result<Url, SetupError> {
    let fail = |why: &str| SetupError::new(format!("the base URL {:?} can't be used: {why}", address(text)));
    let url = Url::parse(text.trim()).map_err(|why| fail(&why.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        // Not quoted: what stands there is a secret.
        return Err(SetupError::new("the base URL has a user name or password in it; tokens belong in secret files"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(fail("it ends in a query or fragment; leave out everything from \"?\" or \"#\" on"));
    }
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => return Err(fail("it names no host")),
    };
    match (url.scheme(), loopback, allow_http_loopback) {
        ("https", ..) | ("http", true, true) => Ok(url),
        ("http", true, false) => Err(fail("plain http to a loopback address needs `allow_http_loopback = true`")),
        ("http", false, _) => Err(fail("the token would travel in the clear; use https")),
        _ => Err(fail("only https is spoken")),
    }
}

pub(super) fn transport(
    settings: &ClientSettings,
    base: &Url,
    route: Option<&Route>,
) -> Result<reqwest::Client, SetupError> {
    let agent = match settings.user_agent.as_str() {
        "" => concat!("rosterd/", env!("CARGO_PKG_VERSION")),
        own => own,
    };
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .https_only(base.scheme() == "https")
        .user_agent(agent)
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.idle_timeout)
        .timeout(settings.total_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(64)
        .tcp_nodelay(true);
    if base.scheme() == "http" {
        // No certificate will be looked at, so a machine without any is fine. And `localhost` is what it says, whatever a
        // name server thinks.
        let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        builder = builder
            .tls_certs_only(std::iter::empty())
            .resolve_to_addrs("localhost", &loopback.map(|address| SocketAddr::new(address, 0)));
    } else {
        let client = settings.identity.as_ref().map(ClientIdentity::for_tls);
        let mut tls = tls::client_config(settings.ca_pem.as_deref(), client, &settings.network.tls)?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        builder = builder.tls_backend_preconfigured(tls);
    }
    if let Some(route) = route {
        builder = builder.proxy(route.for_http()?);
    }
    builder.build().map_err(|why| SetupError::new(format!("TLS can't be set up: {}", chain(&why))))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(inner) = next {
        text = format!("{text}: {inner}");
        next = inner.source();
    }
    text
}
