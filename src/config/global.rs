//! `rosterd.toml`, key by key: where things are on this machine. Everything about a connection is in its tenant file.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forms::Limit;
use super::network::NetworkTable;
use super::notify::NotifyTable;
use super::tenant::ReasonRule;

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
    /// Receivers of notifications: a webhook each.
    pub notify: BTreeMap<String, NotifyTable>,
    /// How `rosterd run` works.
    pub run: RunTable,
    /// The status page of `rosterd run`. Without this table there is none.
    pub status: Option<StatusTable>,
    /// Who may ask the running daemon for what. Without this table: its own user and root.
    pub control: ControlTable,
    /// What no tenant file can loosen.
    pub floor: FloorTable,
    /// How connections are made: proxy and TLS.
    pub network: NetworkTable,
    /// The programs that may be started for secrets. Without this table any that no other user can change.
    pub programs: Option<ProgramsTable>,
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
            control: ControlTable::default(),
            floor: FloorTable::default(),
            network: NetworkTable::default(),
            programs: None,
        }
    }
}

/// `[control]`: groups and users of this machine, beside the service's own user and root, who may do everything. `"ops"` is a group or
/// a user of that name; `"group:ops"`, `"user:ann"`, `"group:2000"`, `"user:1000"` say which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ControlTable {
    /// Who may see `status` and what is held through the daemon.
    #[schemars(inner(length(min = 1)))]
    pub read: Vec<String>,
    /// Who may `approve` and `reject`; they may read as well.
    #[schemars(inner(length(min = 1)))]
    pub approve: Vec<String>,
    /// Who may `sync`, `reload`, `pause`, `resume`, and have the daemon carry out other commands (`plan`, `undo`, `retire`, …); they may read as well.
    #[schemars(inner(length(min = 1)))]
    pub operate: Vec<String>,
}

impl ControlTable {
    /// Whether anybody is named.
    pub fn is_empty(&self) -> bool {
        self.read.is_empty() && self.approve.is_empty() && self.operate.is_empty()
    }
}

/// `[programs]`: what `command` of a secret may start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgramsTable {
    /// The whole paths of the programs. An empty list allows none.
    #[schemars(inner(length(min = 1)))]
    pub allow: Vec<PathBuf>,
}

/// `[floor]`: a tenant file may be stricter, not looser.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FloorTable {
    /// The loosest limits that `[guard]` of a tenant file may set.
    pub guard: FloorGuardTable,
    /// The least that `[approval]` of a tenant file may ask for.
    pub approval: FloorApprovalTable,
}

/// `[floor.guard]`: the keys of a tenant's `[guard]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FloorGuardTable {
    /// See `[guard]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removals_per_day: Option<Limit>,
    /// See `[guard]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_removals: Option<Limit>,
    /// See `[guard]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_shrink: Option<Limit>,
    /// See `[guard]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute_loss: Option<Limit>,
    /// See `[guard]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rekey: Option<Limit>,
    /// See `[guard]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings_change: Option<Limit>,
    /// See `[guard]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creates_per_day: Option<Limit>,
    /// See `[guard]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_names: Option<Limit>,
    /// See `[guard]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activations_per_day: Option<Limit>,
    /// See `[guard]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_changes: Option<Limit>,
    /// See `[guard]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier_changes: Option<Limit>,
}

/// `[floor.approval]`: the keys of a tenant's `[approval]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FloorApprovalTable {
    /// How many people have to approve, at least.
    #[schemars(range(min = 1, max = 9))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<u32>,
    /// Whether every approval needs a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonRule>,
    /// See `[approval]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_sync: Option<bool>,
    /// See `[approval]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<bool>,
    /// See `[approval]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopt: Option<bool>,
    /// See `[approval]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<bool>,
    /// See `[approval]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activate: Option<bool>,
    /// See `[approval]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deactivate: Option<bool>,
    /// See `[approval]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<bool>,
    /// See `[approval]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<bool>,
    /// See `[approval]` of a tenant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memberships: Option<bool>,
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
    /// Read the files again without `rosterd reload`, once they have changed and nothing has moved for four seconds; half a minute for one
    /// that is gone.
    pub watch: bool,
}

/// `[status]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusTable {
    /// The address and port to listen on: a loopback address, since the page shows names without authentication.
    #[schemars(extend("format" = "listen-address"), with = "String")]
    pub listen: SocketAddr,
}
