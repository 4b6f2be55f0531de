//! Arguments that select tenants.

use clap::Args;

use super::changes::reason;

/// Commands that work on some tenants, or on all.
#[derive(Debug, Args)]
pub(in crate::cli) struct TenantsArgs {
    /// Tenants; all if omitted
    pub tenants: Vec<String>,
}

/// Tenants by name, or `--all`.
#[derive(Debug, Args)]
pub(in crate::cli) struct TenantsOrAll {
    /// Tenants
    pub tenants: Vec<String>,
    /// All tenants
    #[arg(long, conflicts_with = "tenants")]
    pub all: bool,
}

/// `rosterd pause`
#[derive(Debug, Args)]
#[command(
    after_help = "A run in progress finishes the requests it has sent and sends no others. `rosterd plan` still works; `rosterd sync` sends nothing and exits with 3.\n\nExamples:\n  rosterd pause acme --reason \"the app is being migrated\"\n  rosterd pause --all\n  rosterd resume acme"
)]
pub(in crate::cli) struct PauseArgs {
    /// The tenants.
    #[command(flatten)]
    pub which: TenantsOrAll,
    /// Reason, shown by `rosterd status`
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = reason)]
    pub reason: String,
}
