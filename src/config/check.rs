//! What a tenant file may not say although each key on its own is fine. In: the file's tree. Out: a diagnostic for each
//! contradiction.
//!
//! Every check looks at the tree, not at the finished value, so that it also works on a file that has other mistakes: all of
//! them are to be shown at once. What is missing or of the wrong type was reported before, and is passed over here. What
//! needs the mapping language or a profile is checked in [`tenancy`](crate::tenancy).

use toml::de::{DeTable, DeValue};

use super::attributes::path_of;
use super::blot;
use super::diagnostic::Diagnostic;
use super::directory::{self, Check};
use super::document::Document;
use super::forms::{AppAddress, WebAddress, normal_form};
use super::target_login;
use super::{network, words};
use crate::model::TenantName;

/// The checks of a tenant file, in the order of the file.
pub(super) const OF_A_TENANT: [Check; 8] = [
    directory::check,
    scope,
    app_address,
    spelt_otherwise,
    target_login::check,
    |document, found| network::check(document, &["target", "network"], true, found),
    overrides,
    deletion,
];

/// The checks of a profile file.
pub(super) const OF_A_PROFILE: [Check; 1] = [|document, found| wire(document, &[], found)];

/// The checks of `rosterd.toml`.
pub(super) const OF_THE_GLOBAL_FILE: [Check; 4] =
    [store, receivers, status, |document, found| network::check(document, &["network"], true, found)];

fn scope(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    if document.is_true(&["scope", "all_users"]) && document.get(&["scope", "users"]).is_none() {
        found.push(document.error(
            &["scope", "all_users"],
            "`all_users` takes every user whom `users` accepts, and there is no `users`",
            "write `users = \"true\"` if every user of the directory belongs",
        ));
    }
}

/// The token must not cross a network in the clear.
fn app_address(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    let path = ["target", "base_url"];
    let Some(address) = document.text_at(&path).and_then(|url| url.parse::<AppAddress>().ok()) else { return };
    if address.is_https() {
        return;
    }
    if !document.is_true(&["target", "allow_http_loopback"]) {
        let hint = if address.is_loopback() {
            "write https://, or add `allow_http_loopback = true` for an app on this machine"
        } else {
            "write https://"
        };
        found.push(document.error(&path, "plain http would send the token and users' data in the clear", hint));
    } else if !address.is_loopback() {
        found.push(document.error(
            &path,
            "plain http is accepted only to this machine",
            "`allow_http_loopback` holds for 127.0.0.1, [::1] and localhost; write https://",
        ));
    }
}

/// An address that is read as another than what is written: `http://127.1` is 127.0.0.1.
fn spelt_otherwise(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    let names = |path: &[&str]| -> Vec<String> {
        document.table_at(path).into_iter().flat_map(DeTable::keys).map(|key| key.get_ref().to_string()).collect()
    };
    let of_target: [&[&str]; 3] = [&["base_url"], &["oauth2", "token_url"], &["jwt", "token_url"]];
    let of_target =
        of_target.into_iter().map(|key| std::iter::once(&"target").chain(key).map(|part| (*part).to_owned()));
    let mut keys: Vec<Vec<String>> = of_target.map(Iterator::collect).collect();
    for source in names(&["source"]) {
        let addresses = names(&["source", &source]).into_iter().filter(|key| key.ends_with("url"));
        keys.extend(addresses.map(|key| vec!["source".to_owned(), source.clone(), key]));
    }
    for path in keys {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let Some(text) = document.text_at(&path) else { continue };
        if let Some(normal) = normal_form(text) {
            found.push(document.warning(
                &path,
                format!("this address is read as {normal}"),
                format!("write `{normal}`: what is compared, shown and put on record is that"),
            ));
        }
    }
}

/// Receivers of messages: their names become folders, and what is sent to them must not be read on the way.
fn receivers(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    let Some(table) = document.table_at(&["notify"]) else { return };
    for name in table.keys().map(|key| key.get_ref().as_ref()) {
        if TenantName::parse(name).is_none() {
            let hint = "lower-case letters, digits and dashes, such as `[notify.ops]`";
            found.push(document.error(&["notify", name], format!("{name:?} can't be a receiver's name"), hint));
        }
        let path = ["notify", name, "url"];
        let Some(address) = document.text_at(&path).and_then(|url| url.parse::<WebAddress>().ok()) else { continue };
        let allowed = document.is_true(&["notify", name, "allow_http_loopback"]);
        network::check(document, &["notify", name, "network"], true, found);
        let hidden = address.is_https() || (allowed && address.is_loopback());
        if !hidden {
            let hint = "write https://; `allow_http_loopback = true` is for a receiver on this machine";
            found.push(document.error(&path, "plain http would send messages in the clear", hint));
        }
    }
}

fn overrides(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    wire(document, &["target", "override_profile"], found);
    for bucket in buckets(document, &["target", "rate"]) {
        bucket_match(document, bucket, found);
    }
}

/// What holds for a profile, wherever its tables stand.
fn wire(document: &Document<'_>, base: &[&str], found: &mut Vec<Diagnostic>) {
    let path =
        |rest: &[&'static str]| -> Vec<String> { base.iter().chain(rest).map(|name| (*name).to_owned()).collect() };
    let template = path(&["transport", "auth_template"]);
    let template: Vec<&str> = template.iter().map(String::as_str).collect();
    if document.text_at(&template).is_some_and(|text| !text.contains("{token}")) {
        found.push(document.error(
            &template,
            "the template has no `{token}`",
            "write where the token goes, such as `Bearer {token}`; the token itself is never written here",
        ));
    }
    let headers = path(&["transport", "extra_headers"]);
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    for key in document.table_at(&headers).into_iter().flat_map(DeTable::keys) {
        if blot::names_a_secret(key.get_ref()) {
            found.push(document.at(
                key.span(),
                super::diagnostic::Level::Error,
                format!("the header `{}` would carry a secret", key.get_ref()),
                Some("a secret is never written in this file: set `auth_header` and `auth_template`, and give it as `token`".to_owned()),
            ));
        }
    }
    let attributes = path(&["attributes"]);
    let attributes: Vec<&str> = attributes.iter().map(String::as_str).collect();
    names_of_attributes(document, &attributes, found);
    let rate = path(&["pace", "rate"]);
    let rate: Vec<&str> = rate.iter().map(String::as_str).collect();
    for bucket in buckets(document, &rate) {
        bucket_match(document, bucket, found);
    }
}

/// The names of the tables `[attributes."…"]`.
fn names_of_attributes(document: &Document<'_>, path: &[&str], found: &mut Vec<Diagnostic>) {
    let mut seen = Vec::new();
    for (key, setting) in document.table_at(path).into_iter().flatten() {
        let is_placed = setting.get_ref().as_table().is_some_and(|setting| setting.contains_key("path"));
        let fault = match path_of(key.get_ref(), is_placed) {
            Ok(path) if seen.contains(&path) => Some((
                format!("`{}` is another spelling of an attribute that has a table already", key.get_ref()),
                format!("write one table for `{}`", path.short()),
            )),
            Ok(path) => {
                seen.push(path);
                None
            }
            Err(misspelt) => Some((misspelt.message, misspelt.hint)),
        };
        if let Some((message, hint)) = fault.filter(|_| !document.is_old(&key.span())) {
            found.push(document.at(key.span(), super::diagnostic::Level::Error, message, Some(hint)));
        }
    }
}

pub(super) fn buckets<'d, 't>(document: &'d Document<'t>, path: &[&str]) -> impl Iterator<Item = &'d DeTable<'t>> {
    let list = document.get(path).and_then(|node| node.get_ref().as_array());
    list.into_iter().flat_map(|list| list.iter()).filter_map(|bucket| bucket.get_ref().as_table())
}

/// The methods that a bucket can count.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "write"];

pub(super) fn bucket_match(document: &Document<'_>, bucket: &DeTable<'_>, found: &mut Vec<Diagnostic>) {
    let Some(value) = bucket.get("match") else { return };
    let DeValue::String(text) = value.get_ref() else { return };
    let mut parts = text.split_whitespace();
    let (method, resource) = (parts.next(), parts.next());
    let fits = method.is_none_or(|method| METHODS.contains(&method))
        && resource.is_none_or(|resource| resource.starts_with('/'))
        && parts.next().is_none();
    if !fits {
        let hint = format!("write {}, if need be with a resource: `POST /Users`", words::list(METHODS.into_iter()));
        let message = format!("{text:?} matches no call");
        found.push(document.at(value.span(), super::diagnostic::Level::Error, message, Some(hint)));
    }
}

fn deletion(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    let path = ["users", "delete_after"];
    let fates = ["on_suspended", "on_unassigned", "on_deleted"];
    let deletes = fates.iter().any(|fate| document.text_at(&["users", fate]) == Some("delete"));
    if document.get(&path).is_some() && !deletes {
        found.push(document.error(
            &path,
            "`delete_after` says when to delete, but no user is ever deleted",
            "write `on_deleted = \"delete\"` (or `on_unassigned`), or remove `delete_after`",
        ));
    }
}

/// The page names people and asks nobody who they are.
fn status(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    let path = ["status", "listen"];
    let listen = document.text_at(&path).and_then(|text| text.parse::<std::net::SocketAddr>().ok());
    if listen.is_some_and(|listen| !listen.ip().is_loopback()) {
        found.push(document.error(
            &path,
            "the status page shows names without authentication, so it is served to this machine only",
            "write `127.0.0.1:9464` or `[::1]:9464`; from elsewhere, use ssh or a proxy with authentication (docs/monitoring.md)",
        ));
    }
}

fn store(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    let path = ["store", "kind"];
    if document.text_at(&path) == Some("postgres") {
        found.push(document.error(
            &path,
            "this version keeps state only on its own disk",
            "write `kind = \"sled\"`, or leave it out",
        ));
    }
}
