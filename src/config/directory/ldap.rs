//! `[source.ldap]`, key by key. The doc comments are what `rosterd schema` shows in an editor.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DirectoryTable, TableCheck};
use crate::config::forms::{LdapAddress, canonical};
use crate::config::login::ClientCertificateTable;
use crate::config::network::{self, NetworkTable};
use crate::config::secret_ref::SecretRef;

/// `[source.ldap]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LdapTable {
    /// `ldaps://host[:port]`, or `ldap://host[:port]` together with `start_tls = true`.
    #[schemars(extend("format" = "ldap-address"))]
    pub url: String,
    /// Which product it is: sets the filters, attributes and ids below.
    #[serde(default)]
    pub preset: LdapPreset,
    /// Upgrade an `ldap://` connection to TLS before anything is said.
    #[serde(default)]
    pub start_tls: bool,
    /// A PEM file with the certificate authorities to trust instead of the machine's.
    pub ca_file: Option<PathBuf>,
    /// What is asked of TLS. A proxy is not used for LDAP.
    pub network: Option<NetworkTable>,
    /// Speak `ldap://` without TLS. Accepted only for loopback addresses.
    #[serde(default)]
    pub allow_plain_loopback: bool,
    /// Whether the directory may be at another port or path of this machine in every run, as a sandbox is. Without it a changed address is
    /// held before anything is sent, on this machine as anywhere. Counts only together with `allow_plain_loopback`.
    #[serde(default)]
    pub loopback_port_may_change: bool,
    /// Who to bind as: a DN, or for Active Directory `user@realm`. Left out together with `password`, the server knows rosterd by its
    /// `client_certificate` (SASL EXTERNAL).
    #[schemars(length(min = 1))]
    pub bind_dn: Option<String>,
    /// The password of `bind_dn`.
    pub password: Option<SecretRef>,
    /// What is shown to a server that asks for a certificate in the TLS handshake.
    pub client_certificate: Option<ClientCertificateTable>,
    /// Where everything is, such as `dc=example,dc=org`.
    #[schemars(length(min = 1))]
    pub base: String,
    /// Where people are, if narrower than `base`.
    #[schemars(length(min = 1))]
    pub user_base: Option<String>,
    /// Which entries are people; the preset's filter if left out.
    #[schemars(extend("format" = "ldap-filter"))]
    pub user_filter: Option<String>,
    /// Where groups are, if narrower than `base`.
    #[schemars(length(min = 1))]
    pub group_base: Option<String>,
    /// Which entries are groups; the preset's filter if left out.
    #[schemars(extend("format" = "ldap-filter"))]
    pub group_filter: Option<String>,
    /// The attribute with the immutable id; the preset's (`entryUUID`, `nsUniqueId`, `objectGUID`) if left out.
    #[schemars(extend("format" = "ldap-attribute"))]
    pub id_attribute: Option<String>,
    /// The attributes of people that mappings and filters may use, besides the preset's.
    #[serde(default)]
    #[schemars(schema_with = "ldap_attributes")]
    pub attributes: Vec<String>,
    /// The attribute with a group's name; `cn` if left out.
    #[schemars(extend("format" = "ldap-attribute"))]
    pub group_name: Option<String>,
    /// The attributes that hold members; the preset's if left out.
    #[serde(default)]
    #[schemars(schema_with = "ldap_attributes", extend("minItems" = 1))]
    pub member_attributes: Option<Vec<String>>,
    /// Subtrees below a base that other servers keep (or aliases lead to) and that hold no users to provision, by name. Any other reference
    /// makes a reading incomplete, except Active Directory's to its own partitions.
    #[serde(default)]
    pub expected_references: Vec<String>,
    /// An LDAP filter for people who are to count as suspended, besides what the preset knows.
    #[schemars(extend("format" = "ldap-filter"))]
    pub suspended_filter: Option<String>,
    /// Entries a page (RFC 2696), 1 to 5,000.
    #[serde(default = "page_of_ldap")]
    #[schemars(range(min = 1, max = 5000))]
    pub page_size: u32,
    /// Seconds to wait for one answer.
    #[serde(default = "half_a_minute")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_secs: u64,
    /// The largest message that is read once the bind has succeeded, in bytes: 64 KiB to 1 GiB. One entry is one message; a group
    /// with all its members is the largest. Before the bind it is 1 MiB at most.
    #[serde(default = "largest_of_ldap")]
    #[schemars(range(min = 65_536, max = 1_073_741_824))]
    pub max_message_bytes: u64,
}

/// The LDAP products with known habits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum LdapPreset {
    /// OpenLDAP: `entryUUID`, `pwdAccountLockedTime`.
    #[default]
    #[serde(rename = "openldap")]
    OpenLdap,
    /// 389 Directory Server: `nsUniqueId`, `nsAccountLock`.
    #[serde(rename = "389ds")]
    Ds389,
    /// Active Directory and Samba: `objectGUID`, `userAccountControl`, primary groups, ranged members.
    #[serde(rename = "ad")]
    ActiveDirectory,
}

/// As the list of directories calls it.
pub type Table = LdapTable;

impl DirectoryTable for LdapTable {
    fn secrets(&self) -> Vec<(&'static [&'static str], &SecretRef)> {
        self.password.iter().map(|password| (&["source", "ldap", "password"][..], password)).collect()
    }

    fn client_certificate(&self) -> Option<&ClientCertificateTable> {
        self.client_certificate.as_ref()
    }

    fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    fn network(&self) -> Option<&NetworkTable> {
        self.network.as_ref()
    }

    fn network_mut(&mut self) -> Option<&mut NetworkTable> {
        self.network.as_mut()
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let password = self.password.iter_mut().filter_map(|password| password.file.as_mut());
        let certificate = self.client_certificate.iter_mut().flat_map(ClientCertificateTable::paths_mut);
        self.ca_file.iter_mut().chain(password).chain(certificate).collect()
    }

    fn addresses(&self) -> Vec<String> {
        vec![canonical(&self.url)]
    }

    fn may_move(&self) -> bool {
        self.allow_plain_loopback && self.loopback_port_may_change
    }
}

/// Names of LDAP attributes.
fn ldap_attributes(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "array", "items": { "type": "string", "format": "ldap-attribute" } })
}

fn page_of_ldap() -> u32 {
    500
}

fn largest_of_ldap() -> u64 {
    64 << 20
}

fn half_a_minute() -> u64 {
    30
}

/// A name and a password, or a certificate.
fn credentials(table: &mut TableCheck<'_, '_>) {
    let [has_name, has_password, has_certificate] =
        ["bind_dn", "password", "client_certificate"].map(|key| table.has(key));
    match (has_name, has_password) {
        (true, true) => {}
        (true, false) => table.lacks(
            "the key `password` is missing in `[source.ldap]`",
            "write `password = { file = \"path\" }`; or remove `bind_dn`, too, for a `client_certificate` that stands for both",
        ),
        (false, true) => table.lacks("the key `bind_dn` is missing in `[source.ldap]`", "write whose password it is"),
        (false, false) if has_certificate => {}
        (false, false) => table.lacks(
            "the keys `bind_dn` and `password` are missing in `[source.ldap]`",
            "an anonymous bind sees little or nothing: write both, or a `client_certificate` (docs/logging-in.md)",
        ),
    }
    let is_plain = table.text("url").is_some_and(|url| url.starts_with("ldap://")) && !table.is_true("start_tls");
    if has_certificate && is_plain {
        let hint = "write ldaps://, or add `start_tls = true`";
        table.wrong("client_certificate", "a certificate is shown in a TLS handshake only", hint);
    }
}

/// The password must not cross a network in the clear.
pub(in crate::config) fn check(table: &mut TableCheck<'_, '_>) {
    credentials(table);
    network::check(table.document, &table.key("network"), false, table.found);
    let Some(address) = table.text("url").and_then(|url| url.parse::<LdapAddress>().ok()) else { return };
    let (start_tls, plain) = (table.is_true("start_tls"), table.is_true("allow_plain_loopback"));
    if address.is_ldaps() && start_tls {
        table.wrong(
            "start_tls",
            "an ldaps:// connection is TLS from its first byte and can't be upgraded",
            "remove `start_tls`, or write the url as ldap://",
        );
    }
    if address.is_ldaps() || start_tls {
        return;
    }
    if !plain {
        table.wrong(
            "url",
            "ldap:// without TLS would send the password in the clear",
            "write ldaps://, or add `start_tls = true`",
        );
    } else if !address.is_loopback() {
        table.wrong(
            "url",
            "ldap:// without TLS is accepted only to this machine",
            "`allow_plain_loopback` holds for 127.0.0.1, [::1] and localhost; write ldaps://, or add `start_tls = true`",
        );
    }
}
