//! `[notify.NAME]` of `rosterd.toml`: who is told, and of what.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tenant::SecretRef;

/// A receiver of messages: a web hook. What is sent is signed, repeated until it is taken, and names no people.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifyTable {
    /// Where messages are posted to, as JSON: an https address without a query.
    #[schemars(extend("format" = "web-address"))]
    pub url: String,
    /// The key with which they are signed (HMAC-SHA256, as standardwebhooks.com says). `whsec_` and base64, or any text.
    pub secret: SecretRef,
    /// Of which events it is told; of all if left out.
    #[schemars(length(min = 1))]
    pub events: Option<Vec<NotifyEvent>>,
    /// Whether messages carry the reasons in full: these may name people, groups and values.
    #[serde(default)]
    pub details: bool,
    /// Accept plain http, only to loopback addresses.
    #[serde(default)]
    pub allow_http_loopback: bool,
    /// A PEM file with the certificate authorities to trust instead of the machine's.
    pub ca_file: Option<PathBuf>,
}

/// What may be worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotifyEvent {
    /// Changes wait for a decision.
    Hold,
    /// Nothing waits any more: approved, or no longer due.
    HoldResolved,
    /// A secret was refused, or is missing.
    CredentialRefused,
    /// A tenant failed three times in a row.
    Failing,
    /// A tenant failed for a day.
    Quarantined,
    /// A tenant that failed is well again.
    Recovered,
    /// A secret expires in 30, 7 or 1 days, or has.
    CredentialExpiry,
    /// A file has mistakes, and is not in force.
    FileMistake,
    /// A file that had mistakes has none.
    FileMended,
    /// Somebody tries whether messages arrive.
    Test,
}

impl NotifyEvent {
    /// As written in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::HoldResolved => "hold_resolved",
            Self::CredentialRefused => "credential_refused",
            Self::Failing => "failing",
            Self::Quarantined => "quarantined",
            Self::Recovered => "recovered",
            Self::CredentialExpiry => "credential_expiry",
            Self::FileMistake => "file_mistake",
            Self::FileMended => "file_mended",
            Self::Test => "test",
        }
    }
}

impl NotifyTable {
    /// Whether it wants to hear of this.
    pub fn wants(&self, event: NotifyEvent) -> bool {
        event == NotifyEvent::Test || self.events.as_ref().is_none_or(|events| events.contains(&event))
    }
}
