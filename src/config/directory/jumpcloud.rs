//! `[source.jumpcloud]`, key by key. The doc comments are what `rosterd schema` shows in an editor.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DirectoryTable;
use crate::config::forms::{Rate, canonical};
use crate::config::profile::RateSetting;
use crate::config::tenant::SecretRef;

/// `[source.jumpcloud]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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
    #[serde(default = "yes")]
    pub insights: bool,
    /// At most this many requests: `10/s`, `600/m`, or a list of buckets. JumpCloud publishes no limits.
    #[serde(default = "rate_of_jumpcloud")]
    pub rate: RateSetting,
    /// At most this many requests at once.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 64))]
    pub in_flight: u32,
    /// Rows a page; JumpCloud gives at most 100.
    #[serde(default = "page_of_jumpcloud")]
    #[schemars(range(min = 10, max = 100))]
    pub page_size: u32,
    /// How often a request is sent in all before the reading is given up.
    #[serde(default = "six")]
    #[schemars(range(min = 1, max = 20))]
    pub attempts: u32,
    /// The longest pause between two tries, in milliseconds.
    #[serde(default = "a_minute_in_ms")]
    #[schemars(range(min = 1, max = 3600000))]
    pub backoff_cap_ms: u64,
    /// Seconds to wait for one answer.
    #[serde(default = "half_a_minute")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_secs: u64,
    /// Accept plain http, only to loopback addresses.
    #[serde(default)]
    pub allow_http_loopback: bool,
    /// Whether the directory may be at another port or path of this machine in every run, as a sandbox is. Without it a changed address is
    /// held before anything is sent, on this machine as anywhere. Counts only together with `allow_http_loopback`.
    #[serde(default)]
    pub loopback_port_may_change: bool,
    /// A PEM file with the certificate authorities to trust instead of the machine's.
    pub ca_file: Option<PathBuf>,
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

impl DirectoryTable for JumpCloudTable {
    fn secrets(&self) -> Vec<(&'static [&'static str], &SecretRef)> {
        let key = self.api_key.iter().map(|secret| (&["source", "jumpcloud", "api_key"][..], secret));
        key.chain(self.client_secret.iter().map(|secret| (&["source", "jumpcloud", "client_secret"][..], secret)))
            .collect()
    }

    fn secrets_mut(&mut self) -> Vec<&mut SecretRef> {
        self.api_key.iter_mut().chain(&mut self.client_secret).collect()
    }

    fn ca_file(&self) -> Option<(&'static [&'static str], &Path)> {
        Some((&["source", "jumpcloud", "ca_file"], self.ca_file.as_deref()?))
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        self.ca_file.iter_mut().collect()
    }

    fn addresses(&self) -> Vec<String> {
        let asked = Self { insights: true, ..self.clone() };
        let all = [Some(self.api_url()), asked.feed_url(), self.grant_url()];
        all.into_iter().flatten().map(canonical).collect()
    }

    fn may_move(&self) -> bool {
        self.allow_http_loopback && self.loopback_port_may_change
    }

    fn pace(&self) -> Option<(u32, Duration)> {
        Some((self.page_size, self.rate.between_reads()))
    }

    fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }
}

fn yes() -> bool {
    true
}

fn four() -> u32 {
    4
}

fn six() -> u32 {
    6
}

fn a_minute_in_ms() -> u64 {
    60_000
}

fn half_a_minute() -> u64 {
    30
}

fn page_of_jumpcloud() -> u32 {
    100
}

fn rate_of_jumpcloud() -> RateSetting {
    Rate::per_second(std::num::NonZeroU32::MIN.saturating_add(9)).into()
}
