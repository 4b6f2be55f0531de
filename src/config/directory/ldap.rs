//! `[source.ldap]`, key by key. The doc comments are what `rosterd schema` shows in an editor.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DirectoryTable, TableCheck};
use crate::config::forms::{LdapAddress, canonical};
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
    /// Who to bind as: a DN, or for Active Directory `user@realm`.
    #[schemars(length(min = 1))]
    pub bind_dn: String,
    /// The password of `bind_dn`.
    pub password: SecretRef,
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
        vec![(&["source", "ldap", "password"], &self.password)]
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
        self.ca_file.iter_mut().chain(&mut self.password.file).collect()
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

/// The password must not cross a network in the clear.
pub(in crate::config) fn check(table: &mut TableCheck<'_, '_>) {
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
