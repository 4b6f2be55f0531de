//! What the rest of the program may ask of a kind of directory before a tenant is connected to it. What comes in are tables of `config`; what goes out
//! are connected sources. Everything about a directory stands in its own folder; nothing here knows one by name.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use super::choices::Choice;
use super::{Source, SourceError};
use crate::clock::Clock;
use crate::config::ca;
use crate::config::directory::SourceTables;
use crate::config::login::ClientCertificateTable;
use crate::config::profile::RateSetting;
use crate::config::secret::{SecretError, Secrets};
use crate::config::secret_ref::SecretRef;
use crate::http::pace::Pacer;
use crate::http::quota::Quotas;
use crate::http::{ClientIdentity, IdentityError, Network, Observer, Secret, SetupError};
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

/// One product: what `init` writes for it, and what its vendor chooses otherwise.
#[derive(Debug)]
pub struct DirectoryProduct {
    /// As `init --source` calls it.
    pub name: &'static str,
    /// The table that `init` writes.
    pub template: &'static str,
    /// The usual mapping.
    pub mapping: &'static [DefaultMapping],
    /// What `init` writes before the mapping; and after it, unless the app's folder says something for this directory.
    pub around_mapping: [&'static str; 2],
    /// Choices that the vendor's guide or console makes otherwise.
    pub choices: &'static [Choice],
}

impl DirectoryProduct {
    /// A product of which only the name is known.
    pub const fn new(name: &'static str) -> Self {
        Self { name, template: "", mapping: &[], around_mapping: ["", ""], choices: &[] }
    }
}

/// One kind of directory, before a tenant is connected to it.
pub trait DirectoryKind: Sync {
    /// The key of its table in `[source]`.
    fn table(&self) -> &'static str;

    /// The products of this kind. One that is alone has the table's name.
    fn products(&self) -> &'static [DirectoryProduct];

    /// The product that a tenant has, if its table is of this kind.
    fn product(&self, tables: &SourceTables) -> Option<&'static str>;

    /// Whether the directory assigns groups to an app. Where it assigns none, only `[scope]` says who belongs.
    fn assigns_groups(&self) -> bool {
        true
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
    /// Through which proxy, and with which TLS.
    pub network: Network,
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

    /// The client certificate, if it is good now.
    ///
    /// # Errors
    /// When it can't be read, or can't be used now.
    pub fn identity(&self, table: Option<&ClientCertificateTable>) -> Result<Option<ClientIdentity>, ConnectError> {
        let load = |table| ClientIdentity::load(table, &Secrets::of_this_process(), self.clock.now());
        Ok(table.map(load).transpose()?)
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

impl From<IdentityError> for ConnectError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Secret(error) => Self::Secret(error),
            IdentityError::Setup(error) => Self::Setup(error),
        }
    }
}

/// The kind of a tenant's directory, and its product.
pub fn of(tables: &SourceTables) -> Option<(&'static dyn DirectoryKind, &'static str)> {
    KINDS.iter().copied().find_map(|kind| Some((kind, kind.product(tables)?)))
}

/// The product of a name.
pub fn of_product(name: &str) -> Option<&'static DirectoryProduct> {
    all().find(|product| product.name == name)
}

fn all() -> impl Iterator<Item = &'static DirectoryProduct> {
    KINDS.iter().flat_map(|kind| kind.products())
}

/// Every product, as `init --source` calls it.
pub fn products() -> impl Iterator<Item = &'static str> {
    all().map(|product| product.name)
}

/// The usual mapping of a product; nothing for one that is not known.
pub fn default_mapping(product: &str) -> &'static [DefaultMapping] {
    of_product(product).map(|product| product.mapping).unwrap_or_default()
}

/// Whether a product's directory assigns groups to an app; so for one that is not known.
pub fn assigns_groups(product: &str) -> bool {
    let is_of = |kind: &&&dyn DirectoryKind| kind.products().iter().any(|own| own.name == product);
    KINDS.iter().find(is_of).is_none_or(|kind| kind.assigns_groups())
}

/// What the vendor of a product chooses otherwise, for tenants of one app.
pub fn choices<'a>(product: &str, app: &'a str) -> impl Iterator<Item = Choice> + use<'a> {
    let all = of_product(product).map(|product| product.choices).unwrap_or_default();
    all.iter().copied().filter(move |choice| choice.app.is_none_or(|of| of == app))
}
