//! Where the operator keeps a secret, as tenant files and directories' tables say it. Only the place: no secret is ever here.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::Day;

/// Where a secret is kept. Exactly one of `credential`, `file` and `env`; a secret is never written in a tenant file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "minProperties" = 1,
    "maxProperties" = 2,
    "x-one-of" = ["credential", "file", "env"],
    "x-hint" = "a secret is never written in this file: write { credential = \"name\" }, { file = \"path\" } or { env = \"NAME\" }"
))]
pub struct SecretRef {
    /// The name of a systemd credential (`LoadCredential=`), read from `$CREDENTIALS_DIRECTORY`.
    #[schemars(extend("format" = "credential-name"))]
    pub credential: Option<String>,
    /// A file that only its owner can read; no symbolic link.
    #[schemars(length(min = 1))]
    pub file: Option<PathBuf>,
    /// The name of an environment variable.
    #[schemars(extend("format" = "environment-variable"))]
    pub env: Option<String>,
    /// The day from which on it is no longer taken, to be warned 30, 7 and 1 days before. A token that is a JSON Web Token says so
    /// itself.
    pub expires: Option<Day>,
}
