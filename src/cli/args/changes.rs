//! Arguments of the commands that change an app or a directory, or decide about changes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::model::bounds::LONGEST_REASON;

/// `rosterd sync`
#[derive(Debug, Args)]
#[command(
    after_help = "If a daemon is running, it carries out the run, at once or after the current one. Ctrl-C then only stops the waiting (exit code 75); `rosterd pause TENANT` stops the run. Without a daemon, Ctrl-C lets requests in progress finish and sends no others.\n\nExamples:\n  rosterd sync acme --dry-run --detailed-exitcode\n  rosterd sync --all --format json\n  rosterd sync --all --metrics-file /var/lib/prometheus/node-exporter/rosterd.prom\n  rosterd sync acme --only ann@example.com"
)]
pub(in crate::cli) struct SyncArgs {
    /// Tenants
    pub tenants: Vec<String>,
    /// All tenants
    #[arg(long, conflicts_with = "tenants")]
    pub all: bool,
    /// With --all and no terminal: also apply a tenant's first sync
    #[arg(long)]
    pub yes: bool,
    /// Only show the changes, like `rosterd plan`
    #[arg(long)]
    pub dry_run: bool,
    /// Apply exactly this saved plan, or nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "only"])]
    pub plan: Option<PathBuf>,
    /// Sync this user only: user name or directory id
    #[arg(long, value_name = "USER")]
    pub only: Option<String>,
    /// With --dry-run: exit with 2 if changes are pending
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Write metrics to this file for the Prometheus node exporter's textfile collector
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub metrics_file: Option<PathBuf>,
}

/// `rosterd run`
#[derive(Debug, Args)]
#[command(
    after_help = "SIGHUP reloads the configuration: valid changes are applied, invalid files are reported and their tenants keep the previous configuration. SIGTERM stops the service within ten seconds: no run starts, and runs in progress finish the requests they have sent.\n\nExample:\n  rosterd run --config /etc/rosterd/rosterd.toml -v"
)]
pub(in crate::cli) struct RunArgs {
    /// Maximum number of tenants that run at the same time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: u16,
}

/// `rosterd approve`, `rosterd reject`
#[derive(Debug, Args)]
#[command(
    after_help = "An approval covers exactly the held changes, once. If the directory, the app or the tenant file lead to other changes before the next run, the approval is void and the new plan is shown. The journal records which account of this machine decided and when. With `[approval] people = 2`, a second person has to approve as well.\n\nExamples:\n  rosterd status acme                                    shows held plans and their ids\n  rosterd approve acme 3fa9c2 --reason \"the Lyon office closed\"\n  rosterd reject acme 3fa9c2 --reason \"HR export was broken\""
)]
pub(in crate::cli) struct DecideArgs {
    /// Tenant
    pub tenant: String,
    /// Id of the held plan, or its first characters
    pub plan: String,
    /// Reason, recorded in the audit log
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
    /// How long the decision is valid; at most 7 days
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub expires: crate::config::forms::Period,
}

/// `rosterd import`
#[derive(Debug, Args)]
#[command(
    after_help = "Reads both sides and writes nothing to the app. Accounts are matched as the first sync matches them:\n  new          the directory has no such user\n  conflicting  someone has to decide first; the reason is shown\n  imported     the directory has the user; the account is not linked\n  linked       the account is or was managed by rosterd\nA user created in the directory gets no group: the account is managed only once the user belongs to a group that is assigned to the app. No user is created twice: the directory is queried before each create.\n\nUp to 100 users are created in the foreground. More than 100 beside a running daemon, or any number with --background, are created by the daemon: `rosterd status TENANT` shows the progress, the notification import_finished reports the end, and the report is written to the tenant's state folder. Without a daemon they are created in the foreground.\n\nExamples:\n  rosterd import acme --new-only\n  rosterd import acme --search lee --sort name\n  rosterd import acme --create ann@acme.test bob@acme.test\n  rosterd import acme --create-all\n  rosterd import acme --create-all --background\n  rosterd import acme --stop\n  rosterd import acme --new-only --list people.csv"
)]
pub(in crate::cli) struct ImportArgs {
    /// Tenant
    pub tenant: String,
    /// Show only accounts whose user is missing from the directory
    #[arg(long)]
    pub new_only: bool,
    /// Show only accounts with this text in user name, name, e-mail address or app id
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Sort order
    #[arg(long, value_enum, default_value_t = SortKey::Status)]
    pub sort: SortKey,
    /// Create these users in the directory: user names, e-mail addresses or app ids
    #[arg(long, value_name = "USER", num_args = 1..)]
    pub create: Vec<String>,
    /// Create all new users with an active account in the directory (with --search: those that match)
    #[arg(long, conflicts_with = "create")]
    pub create_all: bool,
    /// Write the list to a file (CSV, or JSON by its extension), for directories that rosterd cannot write to
    #[arg(long, value_name = "FILE", conflicts_with_all = ["create", "create_all"])]
    pub list: Option<PathBuf>,
    /// Report file if more than 100 users are created; keeps the import in the foreground
    #[arg(long, value_name = "FILE", conflicts_with = "background")]
    pub report: Option<PathBuf>,
    /// Hand the import over to the daemon and return at once
    #[arg(long, conflicts_with_all = ["foreground", "list", "new_only"])]
    pub background: bool,
    /// Create more than 100 users in the foreground, although a daemon is running
    #[arg(long)]
    pub foreground: bool,
    /// Stop the background import; users created so far remain
    #[arg(long, conflicts_with_all = ["create", "create_all", "background", "foreground", "list", "report", "new_only", "search"])]
    pub stop: bool,
}

impl ImportArgs {
    /// Whether the command creates users in the directory.
    pub(in crate::cli) fn creates(&self) -> bool {
        self.create_all || !self.create.is_empty()
    }
}

/// What `rosterd import` sorts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SortKey {
    /// Status, new accounts first
    Status,
    /// User name
    UserName,
    /// Name of the user
    Name,
    /// E-mail address
    Email,
}

/// `rosterd undo`
#[derive(Debug, Args)]
#[command(
    after_help = "Memberships, active flags, attributes and group names return to their values before the run. Accounts that the run created are deactivated; accounts and groups that it adopted are released. Whatever changed since is left unchanged and reported. Deleted objects cannot be restored, and are reported too. The guard checks the changes like any plan, and an undo can itself be undone.\n\nThe next sync applies again what the directory still says: fix the directory, or pause the tenant first.\n\nExamples:\n  rosterd undo acme last --dry-run\n  rosterd undo acme 019326f0 --yes\n  rosterd undo acme 019326f0 --approve 5b1c22d0 --reason 'agreed with HR'"
)]
pub(in crate::cli) struct UndoArgs {
    /// Tenant
    pub tenant: String,
    /// Run id, or its first characters; `last` for the last run that changed anything
    pub run: String,
    /// Do not ask for confirmation
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Approve what the guard holds: id of the held plan, or its first characters
    #[arg(long, value_name = "PLAN", conflicts_with = "dry_run")]
    pub approve: Option<String>,
    /// Reason for the approval, recorded in the audit log
    #[arg(long, requires = "approve", value_parser = reason)]
    pub reason: Option<String>,
    /// Only show the changes
    #[arg(long)]
    pub dry_run: bool,
}

/// `rosterd retire`
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is sent for a retired tenant any more; its tenant file and its journal remain. To stop temporarily, use `rosterd pause`. Users in scope.protect keep their accounts. No budget limits this command: you confirm it by name.\n\nExamples:\n  rosterd retire acme\n  rosterd retire acme --deactivate --yes-i-mean acme"
)]
pub(in crate::cli) struct RetireArgs {
    /// Tenant
    pub tenant: String,
    /// Leave the app unchanged (default)
    #[arg(long, conflicts_with = "deactivate")]
    pub leave: bool,
    /// Deactivate every managed account
    #[arg(long)]
    pub deactivate: bool,
    /// Confirm by repeating the tenant's name
    #[arg(long, value_name = "TENANT")]
    pub yes_i_mean: Option<String>,
}

/// A reason, which the journal keeps and which is shown on one line.
pub(super) fn reason(text: &str) -> Result<String, String> {
    match text.chars().count() {
        many if many > LONGEST_REASON => Err(format!(
            "the reason has {many} characters, and at most {LONGEST_REASON} are kept; nothing was decided or changed"
        )),
        _ => Ok(text.to_owned()),
    }
}
