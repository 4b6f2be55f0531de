//! `[source.onelogin]`, key by key. The doc comments are what `rosterd schema` shows in an editor.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use std::path::Path;
use std::time::Duration;

use super::DirectoryTable;
use crate::config::forms::{Rate, canonical};
use crate::config::profile::RateSetting;
use crate::config::tenant::SecretRef;

/// `[source.onelogin]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneLoginTable {
    /// The account: `acme` for `acme.onelogin.com`; or `base_url`.
    #[schemars(length(min = 1))]
    pub subdomain: Option<String>,
    /// The whole address of the API, where it is another: `https://api.eu.onelogin.com`.
    #[schemars(extend("format" = "web-address"))]
    pub base_url: Option<String>,
    /// The client id of the API credentials.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// Their client secret.
    pub client_secret: SecretRef,
    /// The application whose roles and people belong: its name or its id. Without it `[scope]` says who belongs.
    #[schemars(length(min = 1))]
    pub application: Option<String>,
    /// Whether people who were given the application by name, not by a role, belong too. Costs a listing of its people.
    #[serde(default = "yes")]
    pub direct: bool,
    /// What counts as a group: roles, or the security-policy groups of which everybody has one at most.
    #[serde(default)]
    pub groups: OneLoginGroups,
    /// Where memberships are read: in the list of users (fewest calls), or role by role.
    #[serde(default)]
    pub members: OneLoginMembers,
    /// How people count whose account is locked for too many wrong passwords (status 3).
    #[serde(default = "active")]
    pub locked: OneLoginStanding,
    /// How people count who have not activated their account (status 0).
    #[serde(default = "staged")]
    pub unactivated: OneLoginStanding,
    /// What counts as a parameter of the application that is off, so that no user has a value of it. Anything else that the API does not show
    /// leaves what depends on the parameter as it is.
    #[serde(default)]
    pub parameter_off: Vec<OneLoginParameterOff>,
    /// Whether the `default_values` or `values` of a parameter are the value for users without one. With false such a parameter counts as unread.
    #[serde(default = "yes")]
    pub parameter_defaults: bool,
    /// Whether the rules of the application, which may set a parameter for some users, are looked at. Reading them may need Manage All.
    #[serde(default)]
    pub parameter_rules: OneLoginParameterRules,
    /// Whether the events may be asked for changes, which wakes the daemon early.
    #[serde(default = "yes")]
    pub events: bool,
    /// Users a page. 50 is documented; more is honoured in some accounts.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 1000))]
    pub users_page: u32,
    /// At most this many requests: `10/s`, `600/m`, or a list of buckets.
    #[serde(default = "ten_a_second")]
    pub rate: RateSetting,
    /// At most this many requests at once.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 64))]
    pub in_flight: u32,
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

/// What counts as a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OneLoginGroups {
    /// Roles.
    #[default]
    Roles,
    /// Security-policy groups. They are never bound to an application.
    Groups,
}

/// Where memberships are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OneLoginMembers {
    /// In the list of users, by their `role_ids`. Where that list does not show them, role by role.
    #[default]
    Users,
    /// Role by role.
    Roles,
}

/// What counts as a parameter that is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OneLoginParameterOff {
    /// The application has no parameter of that name.
    Missing,
    /// It takes its value from no user attribute and has no default.
    Unmapped,
    /// Its `provisioned_entitlements` is false.
    NotProvisioned,
}

/// Whether the rules of the application are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OneLoginParameterRules {
    /// Where the API credentials may read them. A parameter that a rule sets counts as unread.
    #[default]
    IfAllowed,
    /// The same, and where they may not be read every parameter counts as unread.
    Required,
    /// They are not asked for.
    Ignored,
}

/// How an account counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OneLoginStanding {
    /// It may have an account in the app.
    Active,
    /// Access ends at once.
    Suspended,
    /// Known, but not yet to be provisioned: no account is made, none is taken away.
    Staged,
}

impl OneLoginTable {
    /// The address of the API, without a slash at its end.
    pub fn address(&self) -> String {
        match (&self.base_url, &self.subdomain) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, subdomain) => format!("https://{}.onelogin.com", subdomain.as_deref().unwrap_or_default()),
        }
    }
}

impl DirectoryTable for OneLoginTable {
    fn secrets(&self) -> Vec<(&'static [&'static str], &SecretRef)> {
        vec![(&["source", "onelogin", "client_secret"], &self.client_secret)]
    }

    fn secrets_mut(&mut self) -> Vec<&mut SecretRef> {
        vec![&mut self.client_secret]
    }

    fn ca_file(&self) -> Option<(&'static [&'static str], &Path)> {
        Some((&["source", "onelogin", "ca_file"], self.ca_file.as_deref()?))
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        self.ca_file.iter_mut().collect()
    }

    fn addresses(&self) -> Vec<String> {
        vec![canonical(&self.address())]
    }

    fn may_move(&self) -> bool {
        self.allow_http_loopback && self.loopback_port_may_change
    }

    fn pace(&self) -> Option<(u32, Duration)> {
        // The pages are larger where that is possible.
        Some((50, self.rate.between_reads()))
    }

    fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }
}

fn yes() -> bool {
    true
}

fn active() -> OneLoginStanding {
    OneLoginStanding::Active
}

fn staged() -> OneLoginStanding {
    OneLoginStanding::Staged
}

fn fifty() -> u32 {
    50
}

fn ten_a_second() -> RateSetting {
    Rate::per_second(std::num::NonZeroU32::MIN.saturating_add(9)).into()
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
