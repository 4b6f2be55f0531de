//! The tables of the directories: `[source.…]` of a tenant file. What the program asks of any of them is [`DirectoryTable`]; each has a file with its
//! keys and the mistakes it can have. Which there are stands in the list of `directories`.

pub(crate) mod web;

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

pub use web::WebKeys;

use super::diagnostic::Diagnostic;
use super::document::Document;
use super::tenant::SecretRef;

/// What the program has to know of a directory's table, whichever it is.
pub trait DirectoryTable: Debug {
    /// The secrets it needs, each with its key.
    fn secrets(&self) -> Vec<(&'static [&'static str], &SecretRef)> {
        Vec::new()
    }

    /// The same, to make their paths whole.
    fn secrets_mut(&mut self) -> Vec<&mut SecretRef> {
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

    /// Every other path of the table, to make it whole.
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

    /// Rows a page, and the time from one call to the next at the configured rate, where the directory has such things.
    fn pace(&self) -> Option<(u32, Duration)> {
        None
    }

    /// The application in the directory whose groups and users belong, if the directory is asked for one.
    fn application(&self) -> Option<&str> {
        None
    }
}

/// What may not stand in a table although each key on its own is fine.
pub(super) type Check = fn(&Document<'_>, &mut Vec<Diagnostic>);

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

        /// The checks of the tables, in the order of the list.
        pub(super) const CHECKS: &[Check] = &[$($(#[$when])* $name::check),*];

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
        table.secrets_mut().into_iter().filter_map(|secret| secret.file.as_mut()).for_each(&whole);
    }
}
