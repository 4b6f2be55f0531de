//! Where the operator keeps a secret, as tenant files and directories' tables say it. Only the place: no secret is ever here.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{Day, Period};

/// Where a secret is kept. Exactly one of `credential`, `file`, `env` and `command`; a secret is never written in a tenant file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "minProperties" = 1,
    "maxProperties" = 5,
    "x-one-of" = ["credential", "file", "env", "command"],
    "x-hint" = "a secret is never written in this file: write { credential = \"name\" }, { file = \"path\" }, { env = \"NAME\" } or { command = [\"/path/to/program\", …] }"
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
    /// A program and its arguments. It is started without a shell, and its output is the secret: one line.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub command: Option<Vec<String>>,
    /// How long the output of `command` is used before it is started again; `5m` if left out.
    pub cache: Option<Period>,
    /// How long `command` may take; `10s` if left out, and at most `1m`.
    pub timeout: Option<Period>,
    /// The environment variables that `command` gets, by name, beside `PATH`.
    #[schemars(inner(length(min = 1)))]
    pub environment: Option<Vec<String>>,
    /// The day from which on it is no longer taken, to be warned 30, 7 and 1 days before. A token that is a JSON Web Token says so
    /// itself.
    pub expires: Option<Day>,
}
