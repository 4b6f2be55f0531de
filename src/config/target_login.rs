//! What the program asks of the keys of `[target]` that say how the app knows us, and the mistakes that they can have together.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::blot;
use super::diagnostic::{Diagnostic, Level};
use super::document::Document;
use super::encrypted::web_address;
use super::forms::{AppAddress, canonical};
use super::login::{ClientCertificateTable, LoginTable, SigningAlgorithm};
use super::secret_ref::SecretRef;
use super::tenant::TargetTable;

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
            (
                &["target", "oauth2", "client_secret"],
                self.oauth2.as_ref().and_then(|table| table.client_secret.as_ref()),
            ),
        ];
        keys.into_iter().filter_map(|(key, place)| Some((key, place?))).collect()
    }

    /// The private keys that sign assertions, each with what it signs with.
    pub fn signing_keys(&self) -> Vec<(NamedSecret<'_>, SigningAlgorithm)> {
        let oauth2 = self.oauth2.as_ref().and_then(|table| Some((table.key.as_ref()?, table.algorithm)));
        let jwt = self.jwt.as_ref().map(|table| (&table.key, table.algorithm));
        let keys: [(&'static [&'static str], _); 2] =
            [(&["target", "oauth2", "key"], oauth2), (&["target", "jwt", "key"], jwt)];
        keys.into_iter().filter_map(|(path, key)| key.map(|(place, algorithm)| ((path, place), algorithm))).collect()
    }

    /// The file of the refresh token, where tokens are got with one.
    pub fn refresh_token(&self) -> Option<&Path> {
        self.oauth2.as_ref()?.refresh_token.as_ref()?.file.as_deref()
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
        let places =
            self.token
                .iter_mut()
                .chain(&mut self.second_token)
                .chain(self.basic.iter_mut().map(|basic| &mut basic.password))
                .chain(self.oauth2.iter_mut().flat_map(|table| {
                    table.client_secret.iter_mut().chain(&mut table.key).chain(&mut table.refresh_token)
                }))
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
            document.error(
                &["target", other],
                format!("`{first}` and `{other}` both say how the app knows rosterd"),
                hint,
            )
        }));
    }
    let address = document.text_at(&["target", "base_url"]).and_then(|url| url.parse::<AppAddress>().ok());
    if given.is_empty()
        && !target.contains_key("client_certificate")
        && address.is_some_and(|address| !address.is_loopback())
    {
        found.push(document.error(
            &["target"],
            "the key `token` is missing in `[target]`: nothing says how the app knows rosterd",
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
            } else if !has_secret && !table.contains_key("refresh_token") {
                let hint =
                    "write `client_secret = { file = \"path\" }`, or `client_auth = \"private_key_jwt\"` with a `key`";
                found.push(document.error(
                    &["target", "oauth2"],
                    "the key `client_secret` is missing in `oauth2`",
                    hint,
                ));
            }
        }
        _ => {}
    }
    for kept in ["credential", "env", "command"] {
        let path = ["target", "oauth2", "refresh_token", kept];
        if document.get(&path).is_some() {
            found.push(document.error(
                &path,
                "a refresh token has to be in a file: the token server may replace it at each use, and the new one is written there",
                "write `refresh_token = { file = \"path\" }`, in a folder in which only the service's user may write",
            ));
        }
    }
    for key in document.table_at(&path("parameters")).into_iter().flat_map(DeTable::keys) {
        if blot::names_a_secret(key.get_ref()) {
            let message = format!("the parameter `{}` would carry a secret", key.get_ref());
            let hint = "a secret is never written in this file: give it as `client_secret` or `key`".to_owned();
            found.push(document.at(key.span(), Level::Error, message, Some(hint)));
        }
    }
}
