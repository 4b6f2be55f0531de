//! The command line: options that every command takes, and the list of commands.
//!
//! Comes in: what a user types. Goes out: typed commands. The help texts here are the reference; manual pages and shell
//! completions are generated from them. Must not depend on how a command is carried out.

mod changes;
mod inspection;
mod selection;
mod setup;
mod state;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::tenancy;

pub(super) use changes::{DecideArgs, ImportArgs, RetireArgs, RunArgs, SortKey, SyncArgs, UndoArgs};
pub(super) use inspection::{DoctorArgs, DriftArgs, NotifyArgs, PlanArgs, WhyArgs};
pub(super) use selection::{PauseArgs, TenantsArgs, TenantsOrAll};
pub(super) use setup::{
    AccountAction, CompletionsArgs, DemoArgs, InitArgs, ManArgs, SandboxArgs, SchemaArgs, SetupArgs,
};
pub(super) use state::{BackupArgs, JournalCommand, StateCommand};

/// The heading under which `--help` lists what every command takes.
const GLOBAL: &str = "Global options";

/// Keep an application's users and groups in sync with your directory, over SCIM 2.0.
#[derive(Debug, Parser)]
#[command(
    name = "rosterd",
    version,
    max_term_width = 100,
    after_help = "Getting started:\n  rosterd demo                 run a self-contained demo\n  rosterd setup                set up a tenant by answering questions\n  rosterd init acme            write a tenant file to edit\n  rosterd check                validate the configuration\n  rosterd doctor acme          check connectivity and permissions on both sides\n  rosterd plan acme            preview the changes (read-only)\n  rosterd sync acme            apply the changes\n\nExit codes: 0 success, 1 failure, 2 changes pending (--detailed-exitcode), 3 held for approval, 4 partial failure, 75 busy, 78 configuration error."
)]
pub(in crate::cli) struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Global {
    /// Main configuration file; default: /etc/rosterd/rosterd.toml for root or if it exists, else ~/.config/rosterd/rosterd.toml
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value_os_t = tenancy::default_config(),
        hide_default_value = true,
        env = "ROSTERD_CONFIG",
        help_heading = GLOBAL
    )]
    pub config: PathBuf,
    /// State directory; overrides the configuration
    #[arg(long, global = true, value_name = "DIR", help_heading = GLOBAL)]
    pub state_dir: Option<PathBuf>,
    /// Output format: `human`, or `json` (one document on standard output)
    #[arg(long, global = true, value_enum, default_value_t = Format::Human, hide_possible_values = true, help_heading = GLOBAL)]
    pub format: Format,
    /// When to use color: `auto`, `always` or `never`
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, hide_possible_values = true, help_heading = GLOBAL)]
    pub color: Colour,
    /// Show more detail; repeat for debug output
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = GLOBAL)]
    pub verbose: u8,
    /// Show errors only
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub quiet: bool,
}

/// The form of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// Tables and sentences
    Human,
    /// One JSON document
    Json,
}

/// When to use color.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Colour {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Run a self-contained demo
    Demo(DemoArgs),
    /// Set up a tenant by answering questions; tests each answer
    Setup(SetupArgs),
    /// Write a commented tenant file to edit
    Init(InitArgs),
    /// Validate the configuration without network access
    Check(TenantsArgs),
    /// Check connectivity and permissions on both sides; suggests fixes
    Doctor(DoctorArgs),
    /// Preview the changes of the next sync (read-only)
    Plan(PlanArgs),
    /// Apply the pending changes to the app, once
    Sync(SyncArgs),
    /// Run as a service that syncs every tenant on schedule
    Run(RunArgs),
    /// Make the running daemon reload its configuration
    #[command(
        after_help = "Waits for the daemon, then lists added, changed and removed tenants and every mistake with file:line:column. Invalid files are not applied: their tenants keep the previous configuration.\nExit codes: 0 success, 1 no daemon is running or it did not answer, 78 configuration error.\n\nExample:\n  rosterd reload --format json"
    )]
    Reload,
    /// Show each tenant's state, held plans and failures
    Status(TenantsArgs),
    /// Show webhook receivers and delivery status; `--test` sends a test message
    Notify(NotifyArgs),
    /// Approve a held plan, once
    Approve(DecideArgs),
    /// Reject a held plan and record why
    Reject(DecideArgs),
    /// Stop sending changes until resumed, including for a run in progress
    Pause(PauseArgs),
    /// Resume paused tenants
    Resume(TenantsOrAll),
    /// List the app's accounts and create missing users in the directory
    Import(ImportArgs),
    /// Show changes that were made in the app by hand
    Drift(DriftArgs),
    /// Explain why a user does or does not have an account
    Why(WhyArgs),
    /// Revert a run (shows the changes and asks before applying them)
    Undo(UndoArgs),
    /// Decommission a tenant
    Retire(RetireArgs),
    /// Show or verify the audit log
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Back up the state of every tenant, also beside a daemon
    Backup(BackupArgs),
    /// Manage state on disk
    #[command(subcommand)]
    State(StateCommand),
    /// Run a local SCIM app to rehearse against
    Sandbox(SandboxArgs),
    /// Print the JSON Schema of a configuration file
    Schema(SchemaArgs),
    /// Print a shell completion script
    Completions(CompletionsArgs),
    /// Print or write the manual pages
    Man(ManArgs),
}

impl Command {
    /// Whether the process reads credentials of directories, apps or receivers. Processes that do not may be inspected by other
    /// processes of the same user, as a daemon must do with a command that calls it.
    pub(in crate::cli) fn holds_secrets(&self) -> bool {
        match self {
            Self::Demo(_)
            | Self::Setup(_)
            | Self::Check(_)
            | Self::Doctor(_)
            | Self::Plan(_)
            | Self::Sync(_)
            | Self::Run(_)
            | Self::Notify(_)
            | Self::Import(_)
            | Self::Drift(_)
            | Self::Why(_)
            | Self::Undo(_)
            | Self::Retire(_)
            | Self::Sandbox(_) => true,
            Self::Init(_)
            | Self::Reload
            | Self::Status(_)
            | Self::Approve(_)
            | Self::Reject(_)
            | Self::Pause(_)
            | Self::Resume(_)
            | Self::Journal(_)
            | Self::Backup(_)
            | Self::State(_)
            | Self::Schema(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
        }
    }
}
