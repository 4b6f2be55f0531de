//! `rosterd.toml`, key by key: where things are on this machine. Everything about a connection is in its tenant file.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::notify::NotifyTable;

/// `rosterd.toml`. Every key may be left out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GlobalFile {
    /// Where journals and state are kept, a folder for each tenant. `--state-dir` goes before it.
    #[schemars(length(min = 1))]
    pub state_dir: PathBuf,
    /// The folder with the tenant files.
    #[schemars(length(min = 1))]
    pub tenants_dir: PathBuf,
    /// How state is kept.
    pub store: StoreTable,
    /// What `rosterd run` logs. `-v`, `-q` and `RUST_LOG` go before it.
    pub log: LogTable,
    /// Who is told of what needs a person: a web hook each.
    pub notify: BTreeMap<String, NotifyTable>,
    /// How `rosterd run` works.
    pub run: RunTable,
    /// The status page of `rosterd run`. Without this table there is none.
    pub status: Option<StatusTable>,
}

impl Default for GlobalFile {
    fn default() -> Self {
        Self {
            state_dir: PathBuf::from("/var/lib/rosterd"),
            tenants_dir: PathBuf::from("tenants"),
            store: StoreTable::default(),
            log: LogTable::default(),
            notify: BTreeMap::new(),
            run: RunTable::default(),
            status: None,
        }
    }
}

/// `[store]`
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreTable {
    /// On this machine's disk, or shared by several.
    pub kind: StoreKind,
}

/// The kinds of state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// A journal and its sled cache under `state_dir`.
    #[default]
    Sled,
    /// PostgreSQL, for several machines.
    Postgres,
}

/// `[log]`
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogTable {
    /// How much.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What may need a person.
    Warn,
    /// What happens, a few lines a run.
    #[default]
    Info,
    /// Every call.
    Debug,
    /// Everything.
    Trace,
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
    /// To systemd's journal directly: tenant, run and all else as fields of an entry, such as `ROSTERD_TENANT`.
    Journald,
}

/// `[run]`
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunTable {
    /// Read the files again without being told, once they have changed and nothing has moved for four seconds; half a minute for one
    /// that is gone.
    pub watch: bool,
}

/// `[status]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusTable {
    /// The address and port to listen on: a loopback address, since the page names people and asks nobody who they are.
    #[schemars(extend("format" = "listen-address"), with = "String")]
    pub listen: SocketAddr,
}
