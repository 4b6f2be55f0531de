//! `[source.jumpcloud]`, key by key. The doc comments are what `rosterd schema` shows in an editor.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DirectoryTable, TableCheck, WebKeys, web};
use crate::config::forms::canonical;
use crate::config::network::NetworkTable;
use crate::config::secret_ref::SecretRef;

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

    fn network_mut(&mut self) -> Option<&mut NetworkTable> {
        self.web.network.as_mut()
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let secrets = self.api_key.iter_mut().chain(&mut self.client_secret);
        secrets.filter_map(|secret| secret.file.as_mut()).chain(self.web.paths_mut()).collect()
    }

    fn addresses(&self) -> Vec<String> {
        let asked = Self { insights: true, ..self.clone() };
        let all = [Some(self.api_url()), asked.feed_url(), self.grant_url()];
        all.into_iter().flatten().map(canonical).collect()
    }

    fn page(&self) -> Option<u32> {
        Some(self.page_size)
    }
}

fn page_of_jumpcloud() -> u32 {
    100
}

/// Which keys go together.
pub(in crate::config) fn check(table: &mut TableCheck<'_, '_>) {
    web::check(table);
    if table.has("base_url") && table.has("region") {
        table.wrong("region", "`region` and `base_url` both say where the organisation is", "write one of the two");
    }
    credential(table);
    let is_odd = |id: &&str| !id.is_empty() && (id.len() != 24 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if let Some(id) = table.text("org_id").filter(is_odd) {
        let hint = "it has 24 digits and letters a to f; the console shows it under Settings, Organization Profile";
        table.wrong("org_id", format!("{id:?} is not the id of an organisation"), hint);
    }
}

fn credential(table: &mut TableCheck<'_, '_>) {
    const EITHER: &str =
        "write `api_key = { credential = \"name\" }`, or `client_id` and `client_secret` of a service account";
    let (by_key, id, secret) = (table.has("api_key"), table.has("client_id"), table.has("client_secret"));
    if by_key && (id || secret) {
        table.wrong("api_key", "an API key and a service account are two ways to say who asks", "write one of the two");
    } else if !by_key && !id && !secret {
        table.lacks("no credential is given in `[source.jumpcloud]`", EITHER);
    } else if id != secret {
        table.lacks("a service account has a `client_id` and a `client_secret`, and only one is given", EITHER);
    }
    let elsewhere = table.has("base_url") || table.text("region").is_some_and(|region| region != "us");
    if id && secret && elsewhere && !table.has("token_url") {
        table.wrong(
            "client_id",
            "only for the region `us` it is known where a service account gets its tokens",
            "add `token_url = \"https://…/oauth2/token\"`, or use an API key",
        );
    }
}
