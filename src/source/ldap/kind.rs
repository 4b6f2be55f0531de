//! LDAP servers, as a kind of directory.

use std::sync::Arc;

use super::{LdapSource, record_names};
use crate::config::directory::SourceTables;
use crate::config::directory::ldap::LdapPreset;
use crate::config::secret::Secrets;
use crate::source::kind::{Connect, ConnectError, DefaultMapping, DirectoryKind, DirectoryProduct, RecordNames};
use crate::source::{Source, SourceError};

/// OpenLDAP, 389 Directory Server, Active Directory.
pub(crate) struct Ldap;

const INET_ORG_PERSON: &[DefaultMapping] = &[
    ("userName", "uid"),
    ("name.givenName", "givenName | one"),
    ("name.familyName", "sn | one"),
    ("displayName", "displayName | default(cn) | one"),
    ("emails.work", "mail | one"),
];

const ACTIVE_DIRECTORY: &[DefaultMapping] = &[
    ("userName", "userPrincipalName"),
    ("name.givenName", "givenName"),
    ("name.familyName", "sn"),
    ("displayName", "displayName"),
    ("emails.work", "mail"),
];

static PRODUCTS: [DirectoryProduct; 3] = [
    DirectoryProduct {
        template: r#"[source.ldap]
preset = "openldap"
url = "ldaps://ldap.example.org"
# ca_file = "/etc/ssl/our-ca.pem"
bind_dn = "cn=rosterd,dc=example,dc=org"
password = { file = "../secrets/ldap" }     # chmod 600
base = "dc=example,dc=org"
"#,
        mapping: INET_ORG_PERSON,
        ..DirectoryProduct::new("openldap")
    },
    DirectoryProduct {
        template: r#"[source.ldap]
preset = "389ds"
url = "ldaps://ldap.example.org"
# ca_file = "/etc/ssl/our-ca.pem"
bind_dn = "uid=rosterd,ou=services,dc=example,dc=org"
password = { file = "../secrets/ldap" }     # chmod 600
base = "dc=example,dc=org"
"#,
        mapping: INET_ORG_PERSON,
        ..DirectoryProduct::new("389ds")
    },
    DirectoryProduct {
        template: r#"[source.ldap]
preset = "ad"
url = "ldaps://dc1.example.org"
# ca_file = "/etc/ssl/our-ca.pem"
bind_dn = "rosterd@example.org"
password = { file = "../secrets/ldap" }     # chmod 600
base = "dc=example,dc=org"
"#,
        mapping: ACTIVE_DIRECTORY,
        ..DirectoryProduct::new("ad")
    },
];

impl DirectoryKind for Ldap {
    fn table(&self) -> &'static str {
        "ldap"
    }

    fn products(&self) -> &'static [DirectoryProduct] {
        &PRODUCTS
    }

    fn product(&self, tables: &SourceTables) -> Option<&'static str> {
        Some(match tables.ldap.as_ref()?.preset {
            LdapPreset::OpenLdap => "openldap",
            LdapPreset::Ds389 => "389ds",
            LdapPreset::ActiveDirectory => "ad",
        })
    }

    /// A group is a group of everybody's: no entry says which app it is for.
    fn assigns_groups(&self) -> bool {
        false
    }

    /// The product's usual attributes and those that the operator names.
    fn names(&self, tables: &SourceTables) -> Result<RecordNames, SourceError> {
        let Some(table) = &tables.ldap else { return Ok(RecordNames::default()) };
        let names = record_names(table)?;
        let groups = names.groups.into_iter().chain(["name".to_owned()]).collect();
        Ok(RecordNames { users: names.people.into_iter().collect(), groups, ..RecordNames::default() })
    }

    fn connect(&self, tables: &SourceTables, context: Connect<'_>) -> Result<Box<dyn Source>, ConnectError> {
        let Some(table) = &tables.ldap else { return Err(SourceError::no_table(self.table()).into()) };
        let secrets = Secrets::of_this_process();
        let password = table.password.as_ref().map(|place| secrets.fetch(place)).transpose()?;
        let identity = context.identity(table.client_certificate.as_ref())?;
        let clock = Arc::clone(&context.clock);
        let policy = &context.network.tls;
        Ok(Box::new(LdapSource::with_certificate(table, password, identity.as_ref(), &context.reads, policy, clock)?))
    }
}
