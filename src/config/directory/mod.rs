//! The tables of the directories: `[source.…]` of a tenant file. What the program asks of any of them is [`DirectoryTable`]; each has a file with its
//! keys and the mistakes it can have. Which there are stands in the list of `directories`.

mod table_check;
pub(crate) mod web;

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

pub(in crate::config) use table_check::TableCheck;
pub use web::WebKeys;

use super::diagnostic::Diagnostic;
use super::document::Document;
use super::login::ClientCertificateTable;
use super::network::NetworkTable;
use super::tenant::SecretRef;

/// What the program has to know of a directory's table, whichever it is.
pub trait DirectoryTable: Debug {
    /// The secrets it needs, each with its key.
    fn secrets(&self) -> Vec<(&'static [&'static str], &SecretRef)> {
        Vec::new()
    }

    /// The keys that every directory behind HTTP has, where it is one.
    fn web(&self) -> Option<&WebKeys> {
        None
    }

    /// The certificate authorities to trust instead of the machine's.
    fn ca_file(&self) -> Option<&Path> {
        self.web()?.ca_file.as_deref()
    }

    /// What is shown to a server that asks for a certificate.
    fn client_certificate(&self) -> Option<&ClientCertificateTable> {
        self.web()?.client_certificate.as_ref()
    }

    /// How connections are made.
    fn network(&self) -> Option<&NetworkTable> {
        self.web()?.network.as_ref()
    }

    /// See [`DirectoryTable::network`].
    fn network_mut(&mut self) -> Option<&mut NetworkTable> {
        None
    }

    /// Every path of the table, that of a secret's file too, to make it whole.
    fn paths_mut(&mut self) -> Vec<&mut PathBuf>;

    /// Every address that is sent a credential, each in its one spelling. Addresses count also while they are not asked, so that switching a
    /// feature on is no change.
    fn addresses(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether the directory may be at another port of this machine in every run.
    fn may_move(&self) -> bool {
        self.web().is_some_and(|keys| keys.allow_http_loopback && keys.loopback_port_may_change)
    }

    /// Rows a page, where the directory has such a thing.
    fn page(&self) -> Option<u32> {
        None
    }

    /// Rows a page, and the time from one call to the next at the configured rate.
    fn pace(&self) -> Option<(u32, Duration)> {
        Some((self.page()?, self.web()?.rate.between_reads()))
    }

    /// The application in the directory whose groups and users belong, if the directory is asked for one.
    fn application(&self) -> Option<&str> {
        self.web()?.application.as_deref()
    }
}

/// Adds what may not stand in a file although each key on its own is fine.
pub(super) type Check = fn(&Document<'_>, &mut Vec<Diagnostic>);

/// The same for one table.
type TableRule = fn(&mut TableCheck<'_, '_>);

/// Adds what is wrong in the table that the file has.
pub(super) fn check(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    for (name, check) in CHECKS.iter().filter(|(name, _)| document.table_at(&["source", *name]).is_some()) {
        check(&mut TableCheck { document, name, found });
    }
}

macro_rules! tables {
    ($($(#[$when:meta])* $name:ident $doc:tt,)*) => {
        $($(#[$when])* pub mod $name;)*

        /// The directories there are; a tenant has exactly one.
        #[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
        pub struct SourceTables {
            $($(#[$when])* #[doc = $doc] pub $name: Option<$name::Table>,)*
        }

        /// The checks of the tables, each with the table's name.
        const CHECKS: &[(&str, TableRule)] = &[$($(#[$when])* (stringify!($name), $name::check)),*];

        impl SourceTables {
            /// The one table that the file has.
            fn table(&self) -> Option<&dyn DirectoryTable> {
                $($(#[$when])* if let Some(table) = &self.$name { return Some(table); })*
                None
            }

            /// See [`DirectoryTable::ca_file`]; with its key.
            pub fn ca_file(&self) -> Option<(&'static [&'static str], &Path)> {
                let key: &[&str] = match self {
                    $($(#[$when])* Self { $name: Some(_), .. } => &["source", stringify!($name), "ca_file"],)*
                    _ => return None,
                };
                Some((key, self.table()?.ca_file()?))
            }

            /// See [`DirectoryTable::client_certificate`]; with its key.
            pub fn client_certificate(&self) -> Option<(&'static [&'static str], &ClientCertificateTable)> {
                let key: &[&str] = match self {
                    $($(#[$when])* Self { $name: Some(_), .. } => &["source", stringify!($name), "client_certificate"],)*
                    _ => return None,
                };
                Some((key, self.table()?.client_certificate()?))
            }

            /// See [`DirectoryTable::network`]; with its key.
            pub fn network(&self) -> Option<(&'static [&'static str], &NetworkTable)> {
                let key: &[&str] = match self {
                    $($(#[$when])* Self { $name: Some(_), .. } => &["source", stringify!($name), "network", "proxy_password"],)*
                    _ => return None,
                };
                Some((key, self.table()?.network()?))
            }

            fn table_mut(&mut self) -> Option<&mut dyn DirectoryTable> {
                $($(#[$when])* if let Some(table) = &mut self.$name { return Some(table); })*
                None
            }
        }
    };
}

directories!(tables);

impl SourceTables {
    /// Whether the directory itself says which groups belong to the app, so that `scope.groups` narrows that instead of
    /// standing for it.
    pub fn binds_application(&self) -> bool {
        self.application().is_some()
    }

    /// See [`DirectoryTable::pace`].
    pub fn pace(&self) -> Option<(u32, Duration)> {
        self.table()?.pace()
    }

    /// See [`DirectoryTable::application`].
    pub fn application(&self) -> Option<&str> {
        self.table()?.application()
    }

    /// See [`DirectoryTable::secrets`].
    pub fn secrets(&self) -> Vec<(&'static [&'static str], &SecretRef)> {
        self.table().map(DirectoryTable::secrets).unwrap_or_default()
    }

    /// See [`DirectoryTable::addresses`]; sorted, each once.
    pub fn addresses(&self) -> Vec<String> {
        let mut all = self.table().map(DirectoryTable::addresses).unwrap_or_default();
        all.sort();
        all.dedup();
        all
    }

    /// See [`DirectoryTable::may_move`].
    pub fn may_move(&self) -> bool {
        self.table().is_some_and(DirectoryTable::may_move)
    }

    /// Makes every path of the table whole.
    pub fn make_paths_whole(&mut self, whole: impl Fn(&mut PathBuf)) {
        let Some(table) = self.table_mut() else { return };
        table.paths_mut().into_iter().for_each(&whole);
        let password = table.network_mut().and_then(|network| network.proxy_password.as_mut()?.file.as_mut());
        password.into_iter().for_each(&whole);
    }
}
