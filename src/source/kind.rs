//! What the rest of the program may ask of a kind of directory before a tenant is connected to it. What comes in are tables of `config`; what goes out
//! are connected sources. Everything about a directory stands in its own folder; nothing here knows one by name.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::choices::Choice;
use super::{Source, SourceError};
use crate::clock::Clock;
use crate::config::ca;
use crate::config::directory::SourceTables;
use crate::config::profile::RateSetting;
use crate::config::secret::{SecretError, Secrets};
use crate::config::tenant::SecretRef;
use crate::http::pace::Pacer;
use crate::http::quota::Quotas;
use crate::http::{Observer, Secret, SetupError};
use crate::model::GroupMatch;

macro_rules! kinds {
    ($($(#[$when:meta])* $name:ident $doc:tt,)*) => {
        /// All of them.
        pub const KINDS: &[&dyn DirectoryKind] = &[$($(#[$when])* super::$name::KIND),*];
    };
}

directories!(kinds);

/// A rule of a mapping: the SCIM attribute and the right-hand side.
pub type DefaultMapping = (&'static str, &'static str);

/// One kind of directory, before a tenant is connected to it.
pub trait DirectoryKind: Sync {
    /// The key of its table in `[source]`.
    fn table(&self) -> &'static str;

    /// The products of this kind, as `init --source` calls them. A kind with one product has its name.
    fn products(&self) -> &'static [&'static str];

    /// The product that a tenant has, if its table is of this kind.
    fn product(&self, tables: &SourceTables) -> Option<&'static str>;

    /// The table that `init` writes.
    fn template(&self, product: &str) -> &'static str;

    /// Whether the directory assigns groups to an app. Where it assigns none, only `[scope]` says who belongs.
    fn assigns_groups(&self) -> bool {
        true
    }

    /// The usual mapping.
    fn default_mapping(&self, product: &str) -> &'static [DefaultMapping];

    /// What `init` writes at the beginning of the mapping.
    fn before_mapping(&self) -> &'static str {
        ""
    }

    /// What `init` writes at the end of the mapping, unless the app's folder says something for this directory.
    fn after_mapping(&self) -> &'static str {
        ""
    }

    /// Choices that the vendor's guide or console makes otherwise.
    fn choices(&self) -> &'static [Choice] {
        &[]
    }

    /// What is known of its records before they are read.
    ///
    /// # Errors
    /// What makes the table one that can't be asked with.
    fn names(&self, tables: &SourceTables) -> Result<RecordNames, SourceError>;

    /// Connects a tenant; nothing is sent yet.
    ///
    /// # Errors
    /// When a secret, a file or the table can't be used.
    fn connect(&self, tables: &SourceTables, context: Connect<'_>) -> Result<Box<dyn Source>, ConnectError>;
}

/// The attributes of users and groups that are known before a directory is read, and a user to try expressions with.
#[derive(Debug, Default)]
pub struct RecordNames {
    /// Of users.
    pub users: Vec<String>,
    /// Of groups.
    pub groups: Vec<String>,
    /// A user's record, where one can be seen at once.
    pub sample: Map<String, Value>,
}

/// What a connection is made with, beside the table.
pub struct Connect<'a> {
    /// `scope.groups`.
    pub wanted: Option<Vec<GroupMatch>>,
    /// The attributes that mappings and filters read.
    pub reads: Vec<String>,
    /// For answers without a date.
    pub clock: Arc<dyn Clock>,
    /// Quotas shared with other tenants of the same directory.
    pub quotas: &'a Quotas,
    /// Who counts calls.
    pub observer: Arc<dyn Observer>,
}

impl Connect<'_> {
    /// A secret for the header of requests.
    ///
    /// # Errors
    /// When it is not there, or is none.
    pub fn token(&self, place: &SecretRef) -> Result<Secret, ConnectError> {
        Ok(Secret::new(Secrets::of_this_process().fetch(place)?.as_str())?)
    }

    /// Certificate authorities.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn authorities(&self, path: Option<&Path>) -> Result<Option<Vec<u8>>, ConnectError> {
        let read = |path: &Path| {
            ca::read(path).map_err(|error| ConnectError::File { path: path.display().to_string(), error })
        };
        path.map(read).transpose()
    }

    /// How fast this address may be asked with this secret.
    pub fn pacer(&self, address: &str, secret: &Secret, rate: &RateSetting, in_flight: u32) -> Pacer {
        self.quotas.pacer(address, Some(secret), rate, in_flight).observed(Arc::clone(&self.observer))
    }
}

/// Why a connection could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A secret is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A secret is none.
    #[error("the secret of the directory: {0}")]
    Token(#[from] crate::http::InvalidSecret),
    /// A file can't be read.
    #[error("reading {path}: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The address, a header or the certificate authorities can't be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The table can't be asked with.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// The kind of a tenant's directory, and its product.
pub fn of(tables: &SourceTables) -> Option<(&'static dyn DirectoryKind, &'static str)> {
    KINDS.iter().copied().find_map(|kind| Some((kind, kind.product(tables)?)))
}

/// The kind that has a product.
pub fn of_product(product: &str) -> Option<&'static dyn DirectoryKind> {
    KINDS.iter().copied().find(|kind| kind.products().contains(&product))
}

/// Every product, as `init --source` calls it.
pub fn products() -> impl Iterator<Item = &'static str> {
    KINDS.iter().copied().flat_map(|kind| kind.products()).copied()
}

/// The usual mapping of a product; nothing for one that is not known.
pub fn default_mapping(product: &str) -> &'static [DefaultMapping] {
    of_product(product).map(|kind| kind.default_mapping(product)).unwrap_or_default()
}
