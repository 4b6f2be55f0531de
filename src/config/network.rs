//! `[network]`: how connections leave this machine, for all of them in `rosterd.toml` and for one side in a tenant file. The doc comments are what
//! `rosterd schema` shows in an editor. It must not depend on how connections are made.

use schemars::JsonSchema;
use serde::Deserialize;

use super::diagnostic::Diagnostic;
use super::document::Document;
use super::forms::{DirectHost, KeyPin, NO_PROXY, PROXY_OF_ENVIRONMENT};
use super::secret_ref::SecretRef;

/// How connections are made. What a side leaves out is what `[network]` of `rosterd.toml` says; its `proxy` replaces all four keys of the proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkTable {
    /// The proxy for https connections: `http://HOST:PORT` (CONNECT), `socks5://HOST:PORT` (names are resolved here), `socks5h://HOST:PORT` (by the proxy),
    /// `environment` for the one that `HTTPS_PROXY` or `ALL_PROXY` names, or `none`. Left out: none. LDAP uses no proxy.
    #[schemars(extend("format" = "proxy-address"))]
    pub proxy: Option<String>,
    /// The user name for the proxy.
    #[schemars(length(min = 1))]
    pub proxy_user: Option<String>,
    /// Its password.
    pub proxy_password: Option<SecretRef>,
    /// Hosts that are reached without the proxy: `example.com` or `.example.com` for a domain and all names below it, an IP address, a network such as
    /// `10.0.0.0/8`, or `*`. Addresses and networks count only where the host is written as an address. This machine is always reached directly.
    pub no_proxy: Option<Vec<DirectHost>>,
    /// The oldest version of TLS that is accepted: `1.2` if left out.
    pub min_tls: Option<MinTls>,
    /// The public keys that the server may have, in addition to a certificate that is trusted: `sha256/` and the base64 of the SHA-256 hash of the key.
    #[schemars(length(min = 1))]
    pub pins: Option<Vec<KeyPin>>,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
pub enum MinTls {
    /// TLS 1.2 and 1.3.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 only.
    #[serde(rename = "1.3")]
    Tls13,
}

impl NetworkTable {
    /// The address of the proxy that this table has a password for.
    pub fn proxy_with_password(&self) -> Option<&str> {
        self.proxy_password.as_ref()?;
        self.proxy.as_deref().filter(|proxy| *proxy != PROXY_OF_ENVIRONMENT && *proxy != NO_PROXY)
    }

    /// This table of a side, with what it leaves out taken from the common one. A side may ask for more of TLS, not for less.
    #[must_use]
    pub fn over(side: Option<&Self>, common: &Self) -> Self {
        let Some(side) = side else { return Self { pins: None, ..common.clone() } };
        let proxy = if side.proxy.is_some() { side } else { common };
        Self {
            proxy: proxy.proxy.clone(),
            proxy_user: proxy.proxy_user.clone(),
            proxy_password: proxy.proxy_password.clone(),
            no_proxy: side.no_proxy.clone().or_else(|| proxy.no_proxy.clone()),
            min_tls: side.min_tls.max(common.min_tls),
            pins: side.pins.clone(),
        }
    }
}

/// Adds what is wrong in a table although each key on its own is fine. `uses_proxy` is false for a side that uses none.
pub(super) fn check(document: &Document<'_>, path: &[&str], uses_proxy: bool, found: &mut Vec<Diagnostic>) {
    let Some(table) = document.table_at(path) else { return };
    let key = |name: &'static str| [path, &[name]].concat();
    let has = |name: &str| table.contains_key(name);
    let proxy = document.text_at(&key("proxy"));
    let is_named = proxy.is_some_and(|proxy| proxy != PROXY_OF_ENVIRONMENT && proxy != NO_PROXY);
    for name in
        ["proxy", "proxy_user", "proxy_password", "no_proxy"].into_iter().filter(|name| has(name) && !uses_proxy)
    {
        let hint = "LDAP connections go directly to the server: leave it out";
        found.push(document.error(&key(name), format!("`{name}` has no effect on LDAP"), hint));
    }
    for name in ["proxy_user", "proxy_password"].into_iter().filter(|name| has(name) && !is_named) {
        let hint =
            "write `proxy = \"http://HOST:PORT\"` beside it; with `environment` the credentials are in the variable";
        found.push(document.error(&key(name), format!("`{name}` needs a `proxy` in the same table"), hint));
    }
    if has("proxy_user") != has("proxy_password") {
        let (given, missing) =
            if has("proxy_user") { ("proxy_user", "proxy_password") } else { ("proxy_password", "proxy_user") };
        found.push(document.error(&key(given), format!("`{given}` needs `{missing}`"), "give both, or neither"));
    }
    if has("pins") && path == ["network"] {
        let hint = "write them into `[target.network]` or `[source.NAME.network]`: one server has one key";
        found.push(document.error(&key("pins"), "pins for every server at once", hint));
    }
}
