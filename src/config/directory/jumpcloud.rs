//! `[source.jumpcloud]`, key by key. The doc comments are what `rosterd schema` shows in an editor.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DirectoryTable, WebKeys, web};
use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;
use crate::config::forms::canonical;
use crate::config::tenant::SecretRef;

/// `[source.jumpcloud]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct JumpCloudTable {
    /// Where the organisation is kept: sets the addresses below. `us` if left out.
    pub region: Option<JumpCloudRegion>,
    /// The address of API v1, instead of the region's; API v2 is below it, at `/v2`.
    #[schemars(extend("format" = "web-address"))]
    pub base_url: Option<String>,
    /// The address of Directory Insights, instead of the region's; `/events` is below it.
    #[schemars(extend("format" = "web-address"))]
    pub insights_url: Option<String>,
    /// An administrator's API key; or `client_id` and `client_secret`.
    pub api_key: Option<SecretRef>,
    /// The client id of a service account.
    #[schemars(length(min = 1))]
    pub client_id: Option<String>,
    /// The client secret of the service account.
    pub client_secret: Option<SecretRef>,
    /// Where the service account gets its tokens. Known for the region `us` only.
    #[schemars(extend("format" = "web-address"))]
    pub token_url: Option<String>,
    /// The organisation's id. Needed by administrators of several; people of another organisation are refused.
    #[schemars(length(min = 1))]
    pub org_id: Option<String>,
    /// The application whose groups and people belong: its name in the console (display label), its name or its id.
    /// Without it `[scope]` says who belongs.
    #[schemars(length(min = 1))]
    pub application: Option<String>,
    /// Whether people in the state `STAGED` are given accounts already.
    #[serde(default)]
    pub staged: bool,
    /// Whether Directory Insights may be asked for changes, which wakes the daemon early.
    #[serde(default = "web::yes")]
    pub insights: bool,
    /// Rows a page; JumpCloud gives at most 100.
    #[serde(default = "page_of_jumpcloud")]
    #[schemars(range(min = 10, max = 100))]
    pub page_size: u32,
    /// How it is asked. JumpCloud publishes no limits.
    #[serde(flatten)]
    pub web: WebKeys,
}

/// Where JumpCloud keeps an organisation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JumpCloudRegion {
    /// United States: `console.jumpcloud.com`.
    #[default]
    Us,
    /// European Union: `console.eu.jumpcloud.com`.
    Eu,
    /// India: `console.in.jumpcloud.com`.
    In,
}

impl JumpCloudTable {
    fn region(&self) -> JumpCloudRegion {
        self.region.unwrap_or_default()
    }

    /// The address of API v1.
    pub fn api_url(&self) -> &str {
        self.base_url.as_deref().unwrap_or(match self.region() {
            JumpCloudRegion::Us => "https://console.jumpcloud.com/api",
            JumpCloudRegion::Eu => "https://console.eu.jumpcloud.com/api",
            JumpCloudRegion::In => "https://console.in.jumpcloud.com/api",
        })
    }

    /// The address of Directory Insights; `None` where it is disabled, or not known.
    pub fn feed_url(&self) -> Option<&str> {
        if !self.insights {
            return None;
        }
        match (&self.insights_url, &self.base_url) {
            (Some(url), _) => Some(url),
            // An address of somebody's own says nothing about another host.
            (None, Some(_)) => None,
            (None, None) => Some(match self.region() {
                JumpCloudRegion::Us => "https://api.jumpcloud.com/insights/directory/v1",
                JumpCloudRegion::Eu => "https://api.eu.jumpcloud.com/insights/directory/v1",
                JumpCloudRegion::In => "https://api.in.jumpcloud.com/insights/directory/v1",
            }),
        }
    }

    /// Where a service account gets its tokens, as far as that is known.
    pub fn grant_url(&self) -> Option<&str> {
        let known = self.base_url.is_none() && self.region() == JumpCloudRegion::Us;
        self.token_url.as_deref().or(known.then_some("https://admin-oauth.id.jumpcloud.com/oauth2/token"))
    }
}

/// As the list of directories calls it.
pub type Table = JumpCloudTable;

impl DirectoryTable for JumpCloudTable {
    fn web(&self) -> Option<&WebKeys> {
        Some(&self.web)
    }

    fn secrets(&self) -> Vec<(&'static [&'static str], &SecretRef)> {
        let key = self.api_key.iter().map(|secret| (&["source", "jumpcloud", "api_key"][..], secret));
        key.chain(self.client_secret.iter().map(|secret| (&["source", "jumpcloud", "client_secret"][..], secret)))
            .collect()
    }

    fn secrets_mut(&mut self) -> Vec<&mut SecretRef> {
        self.api_key.iter_mut().chain(&mut self.client_secret).collect()
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        self.web.ca_file.iter_mut().collect()
    }

    fn addresses(&self) -> Vec<String> {
        let asked = Self { insights: true, ..self.clone() };
        let all = [Some(self.api_url()), asked.feed_url(), self.grant_url()];
        all.into_iter().flatten().map(canonical).collect()
    }

    fn pace(&self) -> Option<(u32, Duration)> {
        Some((self.page_size, self.web.rate.between_reads()))
    }

    fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }
}

fn page_of_jumpcloud() -> u32 {
    100
}

const TABLE: [&str; 2] = ["source", "jumpcloud"];

fn key(name: &str) -> [&str; 3] {
    [TABLE[0], TABLE[1], name]
}

/// Which keys go together.
pub(in crate::config) fn check(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    if document.table_at(&TABLE).is_none() {
        return;
    }
    web::check(document, "jumpcloud", found);
    address(document, found);
    credential(document, found);
    org_id(document, found);
}

fn address(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    if document.get(&key("base_url")).is_some() && document.get(&key("region")).is_some() {
        found.push(document.error(
            &key("region"),
            "`region` and `base_url` both say where the organisation is",
            "write one of the two",
        ));
    }
}

fn credential(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    const EITHER: &str =
        "write `api_key = { credential = \"name\" }`, or `client_id` and `client_secret` of a service account";
    let has = |name: &str| document.get(&key(name)).is_some();
    let (by_key, id, secret) = (has("api_key"), has("client_id"), has("client_secret"));
    if by_key && (id || secret) {
        let message = "an API key and a service account are two ways to say who asks";
        found.push(document.error(&key("api_key"), message, "write one of the two"));
    } else if !by_key && !id && !secret {
        found.push(document.error(&TABLE, "no credential is given in `[source.jumpcloud]`", EITHER));
    } else if id != secret {
        let message = "a service account has a `client_id` and a `client_secret`, and only one is given";
        found.push(document.error(&TABLE, message, EITHER));
    }
    let elsewhere = has("base_url") || document.text_at(&key("region")).is_some_and(|region| region != "us");
    if id && secret && elsewhere && !has("token_url") {
        found.push(document.error(
            &key("client_id"),
            "only for the region `us` it is known where a service account gets its tokens",
            "add `token_url = \"https://…/oauth2/token\"`, or use an API key",
        ));
    }
}

fn org_id(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    let Some(id) = document.text_at(&key("org_id")).filter(|id| !id.is_empty()) else { return };
    if id.len() != 24 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        found.push(document.error(
            &key("org_id"),
            format!("{id:?} is not the id of an organisation"),
            "it has 24 digits and letters a to f; the console shows it under Settings, Organization Profile",
        ));
    }
}
