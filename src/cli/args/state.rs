//! Arguments of the commands on the audit log, backups and the state on disk.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `rosterd journal`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum JournalCommand {
    /// Show records, oldest first
    Show {
        /// Tenant
        tenant: String,
        /// Only records about this user or group: name, e-mail address or directory id
        #[arg(long, value_name = "NAME")]
        object: Option<String>,
        /// Only the last N records
        #[arg(long, value_name = "N")]
        last: Option<usize>,
    },
    /// Verify that no record is missing, altered or reordered
    Verify {
        /// Tenant
        tenant: String,
    },
}

/// `rosterd backup`
#[derive(Debug, Args)]
#[command(
    after_help = "Creates a folder named after the current time with one state file per tenant (for `rosterd state import`) and backup.json: an inventory with checksums and hashes of the configuration files. Every file is read back and verified. A tenant with damaged state is reported and the exit code is 1; the others are backed up.\n\nExample:\n  rosterd backup /var/backups/rosterd"
)]
pub(in crate::cli) struct BackupArgs {
    /// Parent folder of the backup
    pub dir: PathBuf,
}

/// `rosterd state`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum StateCommand {
    /// Rebuild the cache from the journal
    Rebuild {
        /// Tenant
        tenant: String,
    },
    /// Export a tenant's state to one file, also during a run
    #[command(
        after_help = "The file holds the journal's records unchanged, with a checksum. It contains personal data, as the state does, and no secrets. Approvals are not exported.\n\nExample:\n  rosterd state export acme --out acme.state"
    )]
    Export {
        /// Tenant
        tenant: String,
        /// Output file; standard output if omitted
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Erase a user's personal data from state and journal
    #[command(
        after_help = "Removes values, names and ids of the user from all records. The records remain with their original hashes, so the chain stays valid, and `rosterd journal verify` counts them. This cannot be reverted, and the app is not changed. The account must be inactive, unless --force is given: an active account is then no longer managed, and is adopted again if the directory still assigns the user. Backups and replaced states still contain the data.\n\nExample:\n  rosterd state forget acme ann@example.com"
    )]
    Forget {
        /// Tenant
        tenant: String,
        /// User: directory id, user name, e-mail address or app id
        #[arg(value_name = "USER")]
        person: String,
        /// Also erase a user whose account is active
        #[arg(long)]
        force: bool,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Restore a state file
    #[command(
        after_help = "The file is verified before anything changes, and replaces the state as a whole. The first run after a restore reads the whole app, adopts and adds, and removes nothing, because changes since the export are not in the file.\n\nExamples:\n  rosterd state import acme acme.state\n  rosterd state import acme backup/20260101T000000Z/acme.state --replace"
    )]
    Import {
        /// Tenant
        tenant: String,
        /// State file; `-` for standard input
        file: PathBuf,
        /// Replace existing state (kept as a backup)
        #[arg(long)]
        replace: bool,
    },
}
