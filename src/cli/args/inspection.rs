//! Arguments of the commands that only look: `plan`, `why`, `drift`, `doctor`, `notify`.

use std::path::PathBuf;

use clap::Args;

/// `rosterd plan`
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 success, 1 failure, 2 changes pending, 3 changes held (2 and 3 only with --detailed-exitcode), 75 busy, 78 configuration error.\n\nExamples:\n  rosterd plan acme\n  rosterd plan acme --detailed-exitcode || echo \"changes are pending\"\n  rosterd plan acme --out acme.plan && rosterd sync acme --plan acme.plan"
)]
pub(in crate::cli) struct PlanArgs {
    /// Tenant
    pub tenant: String,
    /// Save the plan for `rosterd sync --plan`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Plan for this user only: user name or directory id
    #[arg(long, value_name = "USER")]
    pub only: Option<String>,
    /// Exit with 2 if changes are pending
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// `rosterd why`
#[derive(Debug, Args)]
#[command(
    after_help = "Reads the directory and the app as `rosterd plan` does, and writes nothing. If several users match, the command lists them and exits with 1.\n\nExamples:\n  rosterd why acme ann@example.com\n  rosterd why acme u-4711 --format json\n  rosterd why acme ann --offline"
)]
pub(in crate::cli) struct WhyArgs {
    /// Tenant
    pub tenant: String,
    /// User: directory id, user name, e-mail address or app id (case-insensitive)
    #[arg(value_name = "USER")]
    pub person: String,
    /// Use only the state and the audit log; contact neither side
    #[arg(long)]
    pub offline: bool,
}

/// `rosterd doctor`
#[derive(Debug, Args)]
#[command(
    after_help = "Checks the files and secrets, reads the directory, authenticates to the app, and checks the audit log and the disk.\nExit codes: 0 no problem found, 1 a problem was found, 78 configuration error.\n\nExamples:\n  rosterd doctor\n  rosterd doctor acme --format json\n  rosterd doctor acme --probe --probe-domain acme.test"
)]
pub(in crate::cli) struct DoctorArgs {
    /// Tenants; all if omitted
    pub tenants: Vec<String>,
    /// Send credentials also to addresses that changed since the last run (otherwise they are only reported)
    #[arg(long)]
    pub new_address: bool,
    /// Detect the app's behavior with a temporary account that is created, changed and deleted
    #[arg(long)]
    pub probe: bool,
    /// Mail domain of the temporary account
    #[arg(long, value_name = "DOMAIN", default_value = "example.com", requires = "probe")]
    pub probe_domain: String,
    /// Confirm `--probe` by repeating the tenant's name
    #[arg(long, value_name = "TENANT", requires = "probe")]
    pub yes_i_mean: Option<String>,
}

/// `rosterd drift`
#[derive(Debug, Args)]
#[command(
    after_help = "Reads the whole app and compares it with what rosterd last wrote: accounts and members that were added or removed by hand, accounts that were activated or deactivated, changed attributes and group names. Attributes with push = \"on_source_change\" may differ. Accounts that rosterd does not manage are listed and never changed.\n\nExamples:\n  rosterd drift acme\n  rosterd drift acme --note && rosterd sync acme      restores what the directory says"
)]
pub(in crate::cli) struct DriftArgs {
    /// Tenant
    pub tenant: String,
    /// Record the differences so that the next sync reverts them
    #[arg(long)]
    pub note: bool,
    /// Believe that groups shown without members are empty, even if the app shows no members at all
    #[arg(long)]
    pub trust_empty_groups: bool,
    /// Exit with 2 if anything differs
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// `rosterd notify`
#[derive(Debug, Args)]
#[command(
    after_help = "Receivers are the tables `[notify.NAME]` of rosterd.toml.\nExit codes: 0 success, 1 a message was not accepted, 78 no such receiver.\n\nExample:\n  rosterd notify --test"
)]
pub(in crate::cli) struct NotifyArgs {
    /// Receiver; all if omitted
    #[arg(value_name = "RECEIVER")]
    pub receiver: Option<String>,
    /// Send a test message now
    #[arg(long)]
    pub test: bool,
}
