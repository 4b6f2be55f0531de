//! LDAP directories: OpenLDAP, 389 Directory Server, Active Directory and Samba. In: `[source.ldap]` and its password.
//! Out: people and groups of one subtree, and answers about single ids.
//!
//! People are read first, then groups; both in pages, and each search counts only when the server ends it with result 0.
//! People are found in groups by name, whatever the case and the escapes. `entry` tells what a record looks like,
//! `standing` who counts as suspended. References to other servers are never followed: one inside the base is a hole, and the
//! reading is incomplete (`reference`).
//!
//! The LDAP library decodes by recursion and without a limit, so it has no socket of its own: `dial` connects and begins TLS,
//! `relay` hands the library what the walker in `ber` and the `envelope` let pass.
//!
//! What can't be seen here: a credential that lost its rights sees less without being told. Some of it shows (an id, an
//! account's control bits or a required member that is hidden is an error); for the rest there are sentinels.

mod ask;
mod ber;
mod binary;
mod bounds;
mod connection;
mod dial;
mod dn;
mod entry;
mod envelope;
mod groups;
mod kind;
mod layout;
mod outcome;
mod people;
mod product;
mod range;
mod reference;
mod relay;
mod standing;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use self::connection::{Address, Connection, Credential};
use self::layout::LdapLayout;
use super::{Presence, Reading, Source, SourceError};
use crate::clock::Clock;
use crate::config::directory::ldap::LdapTable;
use crate::http::network::TlsPolicy;
use crate::http::{ClientIdentity, Secret, Spellings};
use crate::model::{Finding, SourceId};
use crate::progress::Progress;

/// The kind of directory, for the list.
pub(crate) const KIND: &dyn super::kind::DirectoryKind = &kind::Ldap;

/// A directory that speaks LDAP version 3.
pub struct LdapSource {
    address: Address,
    layout: LdapLayout,
    credential: Credential,
    clock: Arc<dyn Clock>,
    /// Whether it was said that the preset does not fit, or that it does.
    fit_is_known: AtomicBool,
}

impl LdapSource {
    /// A directory as the operator describes it; nothing is sent yet, but the CA file is read.
    ///
    /// `read_by_mappings` are the names that mappings and filters read of a record: what is an attribute among them is
    /// asked for. `clock` decides whether an account of Active Directory has expired.
    ///
    /// # Errors
    /// [`SourceError::Settings`] for everything that can't work: an address that would send the password in the clear, an
    /// empty password (which a server takes for a bind as nobody, RFC 4513 §5.1.2), a filter that is none.
    pub fn from_table(
        table: &LdapTable,
        password: zeroize::Zeroizing<String>,
        read_by_mappings: &[String],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SourceError> {
        Self::with_certificate(table, Some(password), None, read_by_mappings, &TlsPolicy::default(), clock)
    }

    /// As [`LdapSource::from_table`], where the server may ask for a certificate: it comes beside the password, or in place of it.
    ///
    /// # Errors
    /// As for [`LdapSource::from_table`].
    pub fn with_certificate(
        table: &LdapTable,
        password: Option<zeroize::Zeroizing<String>>,
        identity: Option<&ClientIdentity>,
        read_by_mappings: &[String],
        policy: &TlsPolicy,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SourceError> {
        let layout = LdapLayout::new(table, read_by_mappings)?;
        let address = Address::new(table, identity, policy, layout.timeout)?;
        let credential = match (&table.bind_dn, password) {
            (Some(bind_dn), Some(password)) if !bind_dn.is_empty() && !password.is_empty() => {
                Credential::Password { bind_dn: bind_dn.clone(), password }
            }
            (None, None) if identity.is_some() => Credential::Certificate,
            _ => {
                let why =
                    "bind_dn and password must not be empty: that is an anonymous bind, which sees little or nothing";
                return Err(SourceError::Settings(why.to_owned()));
            }
        };
        Ok(Self { address, layout, credential, clock, fit_is_known: AtomicBool::new(false) })
    }

    async fn connect(&self) -> Result<Connection, SourceError> {
        self.address
            .connect(&self.credential, &self.layout.expected)
            .await
            .map_err(|error| self.without_password(error))
    }

    /// The password as it may stand in what the server says; `None` for one that no header could carry, which is looked for nowhere.
    fn spellings(&self) -> Option<Spellings> {
        let Credential::Password { password, .. } = &self.credential else { return None };
        Secret::new(password.as_str()).ok().map(|password| Spellings::of(&password))
    }

    fn without_password(&self, error: SourceError) -> SourceError {
        match self.spellings() {
            Some(spellings) => error.reworded(|text| spellings.redact(text)),
            None => error,
        }
    }

    async fn read_all(&self, reading: &mut Reading, progress: &dyn Progress) -> Result<(), SourceError> {
        let mut connection = self.connect().await?;
        let roster = people::read(&mut connection, &self.layout, self.clock.now(), reading, progress).await?;
        groups::read(&mut connection, &self.layout, &roster, reading, progress).await?;
        // Asked last: a server that does not answer this has shown all that counts.
        if !self.fit_is_known.swap(true, Ordering::Relaxed)
            && let Some(misfit) = product::misfit(&mut connection, &self.layout).await
        {
            tracing::warn!(remedy = misfit.remedy(), "{}", misfit.detail());
        }
        connection.close().await;
        Ok(())
    }
}

/// The names that records may hold: what mappings and filters may read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LdapRecordNames {
    /// In the record of a person.
    pub people: Vec<String>,
    /// In the record of a group. Its `name` comes beside the record.
    pub groups: Vec<String>,
}

/// The names that the records of a directory may hold, as far as the operator's table tells. Needs neither password nor
/// network.
///
/// # Errors
/// [`SourceError::Settings`] for filters and names that no directory would understand.
pub fn record_names(table: &LdapTable) -> Result<LdapRecordNames, SourceError> {
    let layout = LdapLayout::new(table, &[])?;
    Ok(LdapRecordNames {
        people: layout::names_in(&layout.user_wanted),
        groups: layout::names_in(&layout.group_wanted),
    })
}

impl std::fmt::Debug for LdapSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LdapSource")
            .field("address", &self.address)
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Source for LdapSource {
    fn describe(&self) -> String {
        format!("ldap {}", self.address)
    }

    async fn read(&self, reading: &mut Reading, progress: &dyn Progress) -> Result<(), SourceError> {
        if let Some(spellings) = self.spellings() {
            reading.guard_against(spellings);
        }
        self.read_all(reading, progress).await.map_err(|error| self.without_password(error))
    }

    async fn ask_users(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
        let mut connection = self.connect().await?;
        let answers = ask::users(&mut connection, &self.layout, self.clock.now(), ids).await;
        connection.close().await;
        Ok(answers)
    }

    async fn ask_groups(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
        let mut connection = self.connect().await?;
        let answers = ask::groups(&mut connection, &self.layout, ids).await;
        connection.close().await;
        Ok(answers)
    }

    async fn examine(&self) -> Vec<Finding> {
        const CHECK: &str = "bind";
        let finding = match self.connect().await {
            Ok(mut connection) => {
                let misfit = product::misfit(&mut connection, &self.layout).await;
                connection.close().await;
                self.fit_is_known.store(true, Ordering::Relaxed);
                let bound = Finding::ok(CHECK, format!("{} accepts {}", self.address, self.credential.name()));
                let misfit = misfit.map(|misfit| Finding::warning("preset", misfit.detail(), misfit.remedy()));
                return [bound].into_iter().chain(misfit).collect();
            }
            Err(error) => {
                let remedy = match &error {
                    SourceError::Refused(_) => match self.credential {
                        Credential::Password { .. } => "fix source.ldap.bind_dn, or the password in its file",
                        Credential::Certificate => {
                            "map the certificate's subject to an entry on the server (olcAuthzRegexp), or use a password"
                        }
                    },
                    SourceError::Unreachable(_) | SourceError::Unavailable(_) => {
                        "fix source.ldap.url, the network or source.ldap.ca_file"
                    }
                    SourceError::Untrusted(_) => "fix the server's certificate, source.ldap.url or source.ldap.ca_file",
                    SourceError::Malformed(_) => "find out what answers at source.ldap.url",
                    _ => "fix the [source.ldap] table",
                };
                Finding::wrong(CHECK, error.to_string(), remedy)
            }
        };
        vec![finding]
    }
}
