//! Arguments of the commands that set rosterd up: the demo, tenant files, the sandbox, and what is generated from the code.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `rosterd demo`
#[derive(Debug, Args)]
#[command(
    after_help = "Starts a sample directory and an embedded SCIM app on this machine, then shows a first sync, a user who leaves and a deleted group. Needs no configuration and no network.\n\nExample:\n  rosterd demo --keep /tmp/rosterd-demo   keeps the files to experiment with"
)]
pub(in crate::cli) struct DemoArgs {
    /// Keep the sample files and the state in this folder
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// `rosterd setup`
#[derive(Debug, Args)]
#[command(
    after_help = "Asks on a terminal for the directory, the app and who belongs, and tests each answer as `rosterd doctor` does. The files are written at the end, after a question; then the first plan is shown. Nothing is sent to the app. Ctrl-C ends it at any time. In a script, `rosterd init` writes the same files.\n\nExamples:\n  rosterd setup\n  rosterd setup acme --config ./rosterd.toml"
)]
pub(in crate::cli) struct SetupArgs {
    /// Tenant name: lower-case letters, digits and dashes; asked for if omitted
    pub tenant: Option<String>,
}

/// `rosterd init`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rosterd init acme --source file --app scim\n  rosterd init acme-heap --source openldap --app heap"
)]
pub(in crate::cli) struct InitArgs {
    /// Tenant name: lower-case letters, digits and dashes
    pub tenant: String,
    /// Directory type
    #[arg(long, default_value = "file")]
    pub source: String,
    /// App: a shipped profile, or the path of an app folder
    #[arg(long, default_value = "scim")]
    pub app: String,
    /// Action for users whose access is revoked (`users.on_unassigned`)
    #[arg(long, value_name = "ACTION")]
    pub on_unassigned: Option<AccountAction>,
}

/// What happens to an account whose user lost access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum AccountAction {
    /// Set `active` to false
    Deactivate,
    /// Delete the account
    Delete,
    /// Leave the account unchanged
    Nothing,
}

/// `rosterd sandbox`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rosterd sandbox --port 8080 --token-file sandbox.token\n  rosterd sandbox --profile heap --misbehave throttle --misbehave flaky"
)]
pub(in crate::cli) struct SandboxArgs {
    /// Loopback port; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Bearer token to require; visible to every user of this machine in the process list
    #[arg(long, env = "ROSTERD_SANDBOX_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// File that holds the bearer token; only its owner may read it
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub token_file: Option<PathBuf>,
    /// Behave like this app: a shipped profile, or the path of an app folder
    #[arg(long, default_value = "scim")]
    pub profile: String,
    /// User name of an account outside the organization; creating it is refused
    #[arg(long, value_name = "NAME")]
    pub foreign: Vec<String>,
    /// Fault to inject; repeatable. `list` shows all faults
    #[arg(long, value_name = "PRESET")]
    pub misbehave: Vec<String>,
}

/// `rosterd schema`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rosterd schema tenant > tenant.schema.json\n  rosterd schema reference > configuration.md"
)]
pub(in crate::cli) struct SchemaArgs {
    /// Schema to print: `tenant`, `config` or `profile`; `reference` prints all keys as Markdown
    #[arg(value_name = "KIND", default_value = "tenant")]
    pub of: String,
}

/// `rosterd completions`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rosterd completions bash > /etc/bash_completion.d/rosterd\n  rosterd completions zsh > ~/.zfunc/_rosterd\n  rosterd completions fish > ~/.config/fish/completions/rosterd.fish"
)]
pub(in crate::cli) struct CompletionsArgs {
    /// Shell
    pub shell: clap_complete::Shell,
}

/// `rosterd man`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rosterd man > rosterd.1 && man ./rosterd.1\n  rosterd man journal verify\n  rosterd man --out /usr/local/share/man/man1"
)]
pub(in crate::cli) struct ManArgs {
    /// Command whose page is printed; `rosterd` itself if omitted
    #[arg(conflicts_with = "out")]
    pub command: Vec<String>,
    /// Write the pages of all commands to this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
