//! JSON Schemas of the three kinds of files, for editors (`rosterd schema`) and for `shape`. In: our types.
//! Out: one document each.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use super::global::GlobalFile;
use super::profile::Profile;
use super::tenant::TenantFile;

/// The kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaKind {
    /// `tenants/<name>.toml`.
    Tenant,
    /// `rosterd.toml`.
    Config,
    /// A profile.
    Profile,
}

impl SchemaKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tenant, Self::Config, Self::Profile];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Config => "config",
            Self::Profile => "profile",
        }
    }
}

static TENANT: LazyLock<Json> = LazyLock::new(|| generate::<TenantFile>("A tenant of rosterd: one directory, one app"));
static CONFIG: LazyLock<Json> = LazyLock::new(|| generate::<GlobalFile>("rosterd.toml"));
static PROFILE: LazyLock<Json> = LazyLock::new(|| generate::<Profile>("How one app speaks SCIM"));

fn generate<T: schemars::JsonSchema>(title: &str) -> Json {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}

/// The schema of a kind.
pub(super) fn of(kind: SchemaKind) -> &'static Json {
    match kind {
        SchemaKind::Tenant => &TENANT,
        SchemaKind::Config => &CONFIG,
        SchemaKind::Profile => &PROFILE,
    }
}

/// The schema of a kind as text, for an editor.
pub fn text(kind: SchemaKind) -> String {
    format!("{:#}\n", of(kind))
}
