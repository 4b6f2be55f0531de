//! How the app knows us: the keys of `[target]` that say it, and the client certificate that both sides and web hooks can ask for. The doc comments are
//! what `rosterd schema` shows in an editor.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::de::DeTable;

use super::blot;
use super::check::web_address;
use super::diagnostic::Diagnostic;
use super::document::Document;
use super::forms::{AppAddress, canonical};
use super::secret_ref::SecretRef;
use super::tenant::TargetTable;

/// `basic`: a user name and password, as HTTP Basic carries them (RFC 7617).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicTable {
    /// The user name. It has no colon.
    #[schemars(length(min = 1))]
    pub user: String,
    /// The password.
    pub password: SecretRef,
}

/// `oauth2`: client credentials, for which a token server grants tokens (RFC 6749 §4.4).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2Table {
    /// Where tokens are granted: an https address without a query. A changed one is held, like any address that is sent a credential.
    #[schemars(extend("format" = "web-address"))]
    pub token_url: String,
    /// The client's id.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Option<SecretRef>,
    /// How the client shows that it is one.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// The private key of `client_auth = "private_key_jwt"`: PEM with PKCS#8, PKCS#1 or SEC1.
    pub key: Option<SecretRef>,
    /// What the token server calls that key (`kid`).
    #[schemars(length(min = 1))]
    pub key_id: Option<String>,
    /// What it signs with.
    #[serde(default)]
    pub algorithm: SigningAlgorithm,
    /// The scopes that are asked for, separated by blanks.
    #[schemars(length(min = 1))]
    pub scope: Option<String>,
    /// The API that the token is for, where the token server asks for it.
    #[schemars(length(min = 1))]
    pub audience: Option<String>,
    /// The same as RFC 8707 names it.
    #[schemars(length(min = 1))]
    pub resource: Option<String>,
    /// Further parameters of the token request, such as `account_id`; also another `grant_type`. Never secrets.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

/// How a client shows a token server that it is the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// Id and secret in the header, as HTTP Basic carries them. Every token server has to take this (RFC 6749 §2.3.1).
    #[default]
    Basic,
    /// Id and secret in the body.
    Body,
    /// An assertion signed with `key` (RFC 7523 §2.2).
    PrivateKeyJwt,
}

/// `jwt`: a signed assertion, for which a token server grants tokens (RFC 7523 §2.1).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtTable {
    /// Where tokens are granted: an https address without a query. A changed one is held, like any address that is sent a credential.
    #[schemars(extend("format" = "web-address"))]
    pub token_url: String,
    /// The private key that signs: PEM with PKCS#8, PKCS#1 or SEC1.
    pub key: SecretRef,
    /// What the token server calls that key (`kid`).
    #[schemars(length(min = 1))]
    pub key_id: Option<String>,
    /// Who issues the assertion (`iss`): the client's id.
    #[schemars(length(min = 1))]
    pub issuer: String,
    /// For whom the token is (`sub`): the issuer if left out.
    #[schemars(length(min = 1))]
    pub subject: Option<String>,
    /// For whom the assertion is (`aud`): `token_url` if left out.
    #[schemars(length(min = 1))]
    pub audience: Option<String>,
    /// What the key signs with.
    #[serde(default)]
    pub algorithm: SigningAlgorithm,
    /// The scopes that are asked for, separated by blanks; they are in the assertion, too.
    #[schemars(length(min = 1))]
    pub scope: Option<String>,
}

/// An algorithm for signatures (RFC 7518 §3.1). Each of them with SHA-256.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum SigningAlgorithm {
    /// RSA with PKCS#1 v1.5.
    #[default]
    RS256,
    /// ECDSA on the curve P-256.
    ES256,
    /// RSA with PSS.
    PS256,
}

impl SigningAlgorithm {
    /// As the header of an assertion names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::PS256 => "PS256",
        }
    }
}

/// `client_certificate`: what is shown to a server that asks for a certificate in the TLS handshake.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificateTable {
    /// A PEM file with the certificate, then the intermediate certificates.
    pub cert_file: PathBuf,
    /// Its private key: PEM with PKCS#8, PKCS#1 or SEC1, without a passphrase.
    pub key: SecretRef,
}

impl ClientCertificateTable {
    /// The paths in it, to make them whole.
    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        std::iter::once(&mut self.cert_file).chain(&mut self.key.file)
    }
}

/// The way in that a table has. A client certificate may come with each, or alone.
#[derive(Debug, Clone, Copy)]
pub enum LoginTable<'a> {
    /// A token in a header.
    Token(&'a SecretRef),
    /// A user name and password.
    Basic(&'a BasicTable),
    /// Client credentials.
    OAuth2(&'a OAuth2Table),
    /// A signed assertion.
    Jwt(&'a JwtTable),
    /// A client certificate alone, or nothing.
    Open,
}

impl LoginTable<'_> {
    /// In a word or two, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Basic(_) => "basic",
            Self::OAuth2(table) if table.client_auth == ClientAuth::PrivateKeyJwt => "oauth2 (private_key_jwt)",
            Self::OAuth2(_) => "oauth2 (client credentials)",
            Self::Jwt(_) => "jwt (assertion)",
            Self::Open => "none",
        }
    }
}

/// A secret, and the keys that lead to it.
pub type NamedSecret<'a> = (&'static [&'static str], &'a SecretRef);

impl TargetTable {
    /// The way in. A file that was checked has one at most.
    pub fn login(&self) -> LoginTable<'_> {
        match (&self.token, &self.basic, &self.oauth2, &self.jwt) {
            (Some(token), ..) => LoginTable::Token(token),
            (_, Some(basic), ..) => LoginTable::Basic(basic),
            (_, _, Some(oauth2), _) => LoginTable::OAuth2(oauth2),
            (.., Some(jwt)) => LoginTable::Jwt(jwt),
            _ => LoginTable::Open,
        }
    }

    /// The secrets of one line.
    pub fn secrets(&self) -> Vec<NamedSecret<'_>> {
        let keys: [(&'static [&'static str], Option<&SecretRef>); 4] = [
            (&["target", "token"], self.token.as_ref()),
            (&["target", "second_token"], self.second_token.as_ref()),
            (&["target", "basic", "password"], self.basic.as_ref().map(|basic| &basic.password)),
            (&["target", "oauth2", "client_secret"], self.oauth2.as_ref().and_then(|table| table.client_secret.as_ref())),
        ];
        keys.into_iter().filter_map(|(key, place)| Some((key, place?))).collect()
    }

    /// The private keys that sign assertions, each with what it signs with.
    pub fn signing_keys(&self) -> Vec<(NamedSecret<'_>, SigningAlgorithm)> {
        let oauth2 = self.oauth2.as_ref().and_then(|table| Some((table.key.as_ref()?, table.algorithm)));
        let jwt = self.jwt.as_ref().map(|table| (&table.key, table.algorithm));
        let keys: [(&'static [&'static str], _); 2] = [(&["target", "oauth2", "key"], oauth2), (&["target", "jwt", "key"], jwt)];
        keys.into_iter().filter_map(|(path, key)| key.map(|(place, algorithm)| ((path, place), algorithm))).collect()
    }

    /// Where the app's tokens are granted.
    pub fn token_url(&self) -> Option<&str> {
        match self.login() {
            LoginTable::OAuth2(table) => Some(&table.token_url),
            LoginTable::Jwt(table) => Some(&table.token_url),
            _ => None,
        }
    }

    /// The same in its one spelling.
    pub fn login_addresses(&self) -> Vec<String> {
        self.token_url().map(canonical).into_iter().collect()
    }

    /// Every path of these keys, to make them whole.
    pub fn login_paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let places = self
            .token
            .iter_mut()
            .chain(&mut self.second_token)
            .chain(self.basic.iter_mut().map(|basic| &mut basic.password))
            .chain(self.oauth2.iter_mut().flat_map(|table| table.client_secret.iter_mut().chain(&mut table.key)))
            .chain(self.jwt.iter_mut().map(|table| &mut table.key));
        let files = places.filter_map(|place| place.file.as_mut());
        files.chain(self.client_certificate.iter_mut().flat_map(ClientCertificateTable::paths_mut)).collect()
    }
}

const WAYS: [&str; 4] = ["token", "basic", "oauth2", "jwt"];

/// Adds what may not stand together among the keys that say how the app knows us.
pub(super) fn check(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    let Some(target) = document.table_at(&["target"]) else { return };
    let given: Vec<&str> = WAYS.into_iter().filter(|way| target.contains_key(*way)).collect();
    if let [first, more @ ..] = given.as_slice() {
        found.extend(more.iter().map(|other| {
            let hint = "keep one of `token`, `basic`, `oauth2` and `jwt`; a `client_certificate` may come with it";
            document.error(&["target", other], format!("`{first}` and `{other}` both say how the app knows rosterd"), hint)
        }));
    }
    let address = document.text_at(&["target", "base_url"]).and_then(|url| url.parse::<AppAddress>().ok());
    if given.is_empty()
        && !target.contains_key("client_certificate")
        && address.is_some_and(|address| !address.is_loopback())
    {
        found.push(document.error(
            &["target"],
            "nothing in `[target]` says how the app knows rosterd: the key `token` is missing",
            "only an app on this machine can do without: write `token = { credential = \"name\" }`, { file = \"path\" } or { env = \"NAME\" }; \
             or `basic`, `oauth2`, `jwt` or `client_certificate` (docs/logging-in.md)",
        ));
    }
    if target.contains_key("second_token") && !target.contains_key("token") {
        let hint = "write the token that is in use as `token`; `second_token` is tried when that one is refused";
        found.push(document.error(&["target", "second_token"], "`second_token` needs a `token`", hint));
    }
    if document.text_at(&["target", "basic", "user"]).is_some_and(|user| user.contains(':')) {
        let hint = "HTTP Basic separates user name and password by a colon (RFC 7617 §2)";
        found.push(document.error(&["target", "basic", "user"], "a user name can't have a colon", hint));
    }
    for way in ["oauth2", "jwt"] {
        web_address(document, &["target", way, "token_url"], &["target", "allow_http_loopback"], found);
    }
    oauth2(document, found);
}

fn oauth2(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    let Some(table) = document.table_at(&["target", "oauth2"]) else { return };
    let path = |key: &'static str| ["target", "oauth2", key];
    let (has_secret, has_key) = (table.contains_key("client_secret"), table.contains_key("key"));
    match document.text_at(&path("client_auth")).unwrap_or("basic") {
        "private_key_jwt" => {
            if !has_key {
                let hint = "write `key = { file = \"client.key\" }`";
                found.push(document.error(&path("client_auth"), "`private_key_jwt` needs a private key", hint));
            }
            if has_secret {
                let hint = "remove `client_secret`: the signature with `key` stands for it";
                found.push(document.error(&path("client_secret"), "`private_key_jwt` has no client secret", hint));
            }
        }
        "basic" | "body" => {
            if has_key {
                let hint = "write `client_auth = \"private_key_jwt\"`, or remove `key`";
                found.push(document.error(&path("key"), "only `private_key_jwt` signs with a private key", hint));
            } else if !has_secret {
                let hint = "write `client_secret = { file = \"path\" }`, or `client_auth = \"private_key_jwt\"` with a `key`";
                found.push(document.error(&["target", "oauth2"], "the key `client_secret` is missing in `oauth2`", hint));
            }
        }
        _ => {}
    }
    for key in document.table_at(&path("parameters")).into_iter().flat_map(DeTable::keys) {
        if blot::names_a_secret(key.get_ref()) {
            let message = format!("the parameter `{}` would carry a secret", key.get_ref());
            let hint = "a secret is never written in this file: give it as `client_secret` or `key`".to_owned();
            found.push(document.at(key.span(), super::diagnostic::Level::Error, message, Some(hint)));
        }
    }
}
