//! How the app knows us: the keys of `[target]` that say it, and the client certificate that both sides and web hooks can ask for. The doc comments are
//! what `rosterd schema` shows in an editor.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret_ref::SecretRef;

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
    /// A refresh token to get tokens with, instead of the client's credentials alone. Only `{ file = … }`, in a folder in which only the
    /// user of the service may write: the token server may replace it at each use, and then the new one takes the place of the file.
    pub refresh_token: Option<SecretRef>,
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
