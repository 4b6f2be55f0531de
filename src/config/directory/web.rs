//! The keys that every directory behind HTTP has in its table, and the mistakes that all of them can have. The doc comments are what `rosterd schema`
//! shows in an editor.

use std::num::NonZeroU32;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::TableCheck;
use crate::config::check::{bucket_match, buckets};
use crate::config::encrypted::web_address;
use crate::config::forms::Rate;
use crate::config::login::ClientCertificateTable;
use crate::config::network::{self, NetworkTable};
use crate::config::profile::RateSetting;

/// How a directory is asked. A table takes these keys over with `#[serde(flatten)]`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct WebKeys {
    /// The application whose groups and users belong: its name in the directory, or its id. Without it `[scope]` says who belongs.
    #[schemars(length(min = 1))]
    pub application: Option<String>,
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
    /// What is shown to a server that asks for a certificate in the TLS handshake, beside the credential.
    pub client_certificate: Option<ClientCertificateTable>,
    /// How connections to the directory are made: proxy and TLS.
    pub network: Option<NetworkTable>,
}

impl WebKeys {
    /// Every path of these keys, to make them whole.
    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let certificate = self.client_certificate.iter_mut().flat_map(ClientCertificateTable::paths_mut);
        self.ca_file.iter_mut().chain(certificate)
    }
}

fn ten_a_second() -> RateSetting {
    Rate::per_second(NonZeroU32::MIN.saturating_add(9)).into()
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

/// For switches that are on where nothing is said.
pub(super) fn yes() -> bool {
    true
}

/// Adds what is wrong in any directory's table: a credential in the clear, a bucket that counts nothing, and that nothing says who belongs. Without an
/// application every group of the company would count as assigned.
pub(super) fn check(table: &mut TableCheck<'_, '_>) {
    let (document, name) = (table.document, table.name);
    let keys = document.table_at(&["source", name]).into_iter().flat_map(|table| table.keys());
    for key in keys.map(|key| key.get_ref().as_ref()).filter(|key: &&str| key.ends_with("_url")) {
        web_address(document, &table.key(key), &table.key("allow_http_loopback"), table.found);
    }
    buckets(document, &table.key("rate")).for_each(|bucket| bucket_match(document, bucket, table.found));
    network::check(document, &table.key("network"), true, table.found);
    let is_scoped = document.get(&["scope", "groups"]).is_some() || document.is_true(&["scope", "all_users"]);
    if !table.has("application") && !is_scoped {
        table.lacks(
            "nothing says who belongs to the app",
            "write `application = \"Heap\"` for the groups and users that have it in the directory, or name groups in `[scope]`: groups = [{ name = \
             \"Heap *\" }]",
        );
    }
}
