//! What a person types. In: the command line. Out: typed commands. The help texts here are the reference.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::bounds::LONGEST_REASON;

/// Keeps an application's people and groups in step with the company's directory, over SCIM 2.0.
#[derive(Debug, Parser)]
#[command(
    name = "rosterd",
    version,
    max_term_width = 100,
    after_help = "Start here:\n  rosterd demo                 the whole job on this machine, nothing to set up\n  rosterd init acme            write a tenant file to edit\n  rosterd check                find every mistake in the files, without network\n  rosterd doctor acme          reach both sides, and say what does not work\n  rosterd plan acme            show what would change; sends nothing\n  rosterd sync acme            do it\n\nExit codes: 0 done, 1 failed, 2 changes are due (--detailed-exitcode), 3 held, 4 partly done,\n75 busy, 78 configuration error."
)]
pub(super) struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub(super) struct Global {
    /// The main configuration file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "/etc/rosterd/rosterd.toml",
        env = "ROSTERD_CONFIG"
    )]
    pub config: PathBuf,
    /// Where state is kept, instead of what the configuration says
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// For people, or one JSON document on standard output for scripts
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Colours
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
    /// Say more; twice for even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// The shape of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Tables and sentences
    Human,
    /// JSON
    Json,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the whole job on this machine: a sample directory, an embedded app, a leaver, a deleted group
    Demo(DemoArgs),
    /// Write a commented tenant file to start from
    Init(InitArgs),
    /// Find every mistake in the configuration, without network
    Check(TenantsArgs),
    /// Reach both sides and say what works and what does not, each with its remedy; writes nothing
    Doctor(DoctorArgs),
    /// Show what would change; sends nothing
    Plan(PlanArgs),
    /// Bring the app in step with the directory, once
    Sync(SyncArgs),
    /// Keep every tenant in step on its schedule, as a service: `systemctl reload` reads the files again
    Run(RunArgs),
    /// Make the running daemon read its files again, and show what came of it
    #[command(
        after_help = "Waits for the daemon and shows which tenants are new, changed or removed, and every mistake with file:line:column. What is\nwrong is not taken over. Exit codes: 0 all is right, 1 no daemon runs or it does not answer, 78 something is wrong.\n\nExample:\n  rosterd reload --format json"
    )]
    Reload,
    /// Show what each tenant is doing, what is held, what failed
    Status(TenantsArgs),
    /// Show who is told of what needs a person, and whether it arrives; or try it
    Notify(NotifyArgs),
    /// Let a held plan pass: exactly that one, once
    Approve(DecideArgs),
    /// Say no to a held plan: it stays held, with your reason
    Reject(DecideArgs),
    /// Send nothing more, also from a run under way, until it is resumed
    Pause(PauseArgs),
    /// End a pause
    Resume(TenantsOrAll),
    /// List the app's people as new, conflicting, imported or linked, and make new ones in the directory; the app stays as it is
    Import(ImportArgs),
    /// Show what was changed in the app by hand
    Drift(DriftArgs),
    /// Tell why somebody is, or is not, in the app: from the directory to what would change now
    Why(WhyArgs),
    /// Take a run back: shown first, sent after a confirmation
    Undo(UndoArgs),
    /// End a connection
    Retire(RetireArgs),
    /// Read or prove the audit trail
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Copy every tenant's state into a new folder, while the daemon runs
    Backup(BackupArgs),
    /// Look after the state on disk
    #[command(subcommand)]
    State(StateCommand),
    /// Run a SCIM app on loopback to rehearse against
    Sandbox(SandboxArgs),
    /// Print the editor schema of the configuration files
    Schema(SchemaArgs),
    /// Print what a shell needs to complete commands and options
    Completions(CompletionsArgs),
    /// Print the manual page of rosterd or of a command, or write all of them
    Man(ManArgs),
}

impl Command {
    /// Whether it reads the secrets of directories, apps or receivers. The others can be looked at by their user's other processes, as a
    /// daemon does that is asked by them.
    pub(super) fn holds_secrets(&self) -> bool {
        match self {
            Self::Demo(_)
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

/// `rosterd notify`
#[derive(Debug, Args)]
#[command(
    after_help = "The receivers are the tables `[notify.NAME]` of rosterd.toml.\nExit codes: 0 done, 1 a message was not taken, 78 there is no such receiver.\n\nExample:\n  rosterd notify --test"
)]
pub(super) struct NotifyArgs {
    /// Only this receiver
    #[arg(value_name = "RECEIVER")]
    pub receiver: Option<String>,
    /// Send a message now, to see whether it arrives
    #[arg(long)]
    pub test: bool,
}

/// `rosterd demo`
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  rosterd demo --keep /tmp/rosterd-demo   leaves the files, to look at and play with"
)]
pub(super) struct DemoArgs {
    /// Leave the sample files and the state in this folder
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// `rosterd init`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rosterd init acme --source file --app scim\n  rosterd init acme-heap --source openldap --app heap"
)]
pub(super) struct InitArgs {
    /// The tenant's name: lower-case letters, digits and dashes
    pub tenant: String,
    /// The directory
    #[arg(long, default_value = "file")]
    pub source: String,
    /// The app: a shipped profile, or the path of an app's folder
    #[arg(long, default_value = "scim")]
    pub app: String,
    /// What becomes of the account of a user whose access is revoked (`users.on_unassigned`)
    #[arg(long, value_name = "ACTION")]
    pub on_unassigned: Option<AccountAction>,
}

/// What becomes of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum AccountAction {
    /// Set it to inactive
    Deactivate,
    /// Delete it
    Delete,
    /// Leave it as it is
    Nothing,
}

/// Commands about some tenants, or all.
#[derive(Debug, Args)]
pub(super) struct TenantsArgs {
    /// Tenants; all of them if none is named
    pub tenants: Vec<String>,
}

/// Tenants that have to be named, or all.
#[derive(Debug, Args)]
pub(super) struct TenantsOrAll {
    /// Tenants
    pub tenants: Vec<String>,
    /// All tenants
    #[arg(long, conflicts_with = "tenants")]
    pub all: bool,
}

/// `rosterd pause`
#[derive(Debug, Args)]
#[command(
    after_help = "A run under way finishes the calls it has begun and makes no other. `rosterd plan` still works; `rosterd sync`\nsends nothing and ends with 3.\n\nExamples:\n  rosterd pause acme --reason \"the app is being moved\"\n  rosterd pause --all\n  rosterd resume acme"
)]
pub(super) struct PauseArgs {
    /// Which
    #[command(flatten)]
    pub which: TenantsOrAll,
    /// Why, for whoever finds it paused
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = reason)]
    pub reason: String,
}

/// `rosterd why`
#[derive(Debug, Args)]
#[command(
    after_help = "Reads directory and app, as `rosterd plan` does, and writes nothing. A name that several people have ends with 1 and\nlists them.\n\nExamples:\n  rosterd why acme ann@example.com\n  rosterd why acme u-4711 --format json\n  rosterd why acme ann --offline"
)]
pub(super) struct WhyArgs {
    /// The tenant
    pub tenant: String,
    /// The person: directory id, user name, e-mail address or app id, without case
    pub person: String,
    /// Ask neither directory nor app: only what state and journal know
    #[arg(long)]
    pub offline: bool,
}

/// `rosterd doctor`
#[derive(Debug, Args)]
#[command(
    after_help = "Looks at the files and secrets, reads the directory, asks the app who it is, and looks at journal and disk. Exit codes:\n0 nothing is wrong, 1 something is, 78 the files are.\n\nExamples:\n  rosterd doctor\n  rosterd doctor acme --format json\n  rosterd doctor acme --probe --probe-domain acme.test"
)]
pub(super) struct DoctorArgs {
    /// Tenants; all of them if none is named
    pub tenants: Vec<String>,
    /// Send the credential also to an address that differs from the last run's; without it such an address is only named
    #[arg(long)]
    pub new_address: bool,
    /// Find out what is unknown about the app: makes one throw-away account, changes it, takes it away again. Touches no other
    #[arg(long)]
    pub probe: bool,
    /// The mail domain of the throw-away account
    #[arg(long, value_name = "DOMAIN", default_value = "example.com", requires = "probe")]
    pub probe_domain: String,
    /// With --probe: the tenant's name once more, instead of typing it when asked
    #[arg(long, value_name = "TENANT", requires = "probe")]
    pub yes_i_mean: Option<String>,
}

/// `rosterd import`
#[derive(Debug, Args)]
#[command(
    after_help = "Reads both sides and writes nothing to the app. Accounts are matched as the first sync would match them:\n  new          the directory does not know this person\n  conflicting  somebody has to decide first; the reason is beside it\n  imported     the directory knows this person; the account is not linked\n  linked       the account is managed, or was\nWho is made in the directory gets an account there and no group: the app's account is managed only once they belong to\na group bound to the app. Nobody is made twice: the directory is asked before each.\n\nUp to 100 are created here, with results as they happen. More than 100 beside a running daemon, or any number with\n--background, go on in the daemon: `rosterd status TENANT` shows the progress, the notification import_finished tells the\nend, and the report is in the tenant's state folder. Without a daemon they are created here, with a report at the end.\n\nExamples:\n  rosterd import acme --new-only\n  rosterd import acme --search lee --sort name\n  rosterd import acme --create ann@acme.test bob@acme.test\n  rosterd import acme --create-all\n  rosterd import acme --create-all --background\n  rosterd import acme --stop\n  rosterd import acme --new-only --list people.csv"
)]
pub(super) struct ImportArgs {
    /// The tenant
    pub tenant: String,
    /// Show only people whom the directory does not know
    #[arg(long)]
    pub new_only: bool,
    /// Show only accounts with this text in user name, name, e-mail address or app id
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// What to sort by
    #[arg(long, value_enum, default_value_t = SortKey::Status)]
    pub sort: SortKey,
    /// Make these new people in the directory: user names, e-mail addresses or app ids
    #[arg(long, value_name = "WHO", num_args = 1..)]
    pub create: Vec<String>,
    /// Make all new people in the directory whose accounts are active (with --search: those that match)
    #[arg(long, conflicts_with = "create")]
    pub create_all: bool,
    /// Write what is shown to a file, for a directory that can't be written to: CSV, or JSON if it is named so
    #[arg(long, value_name = "FILE", conflicts_with_all = ["create", "create_all"])]
    pub list: Option<PathBuf>,
    /// Where the report goes when more than 100 are made; a file in this folder if left out. Keeps the import in the foreground
    #[arg(long, value_name = "FILE", conflicts_with = "background")]
    pub report: Option<PathBuf>,
    /// Hand the import over to the running daemon and return at once
    #[arg(long, conflicts_with_all = ["foreground", "list", "new_only"])]
    pub background: bool,
    /// Import here, although more than 100 are created and a daemon runs
    #[arg(long)]
    pub foreground: bool,
    /// End the import that goes on in the background; what was created stays
    #[arg(long, conflicts_with_all = ["create", "create_all", "background", "foreground", "list", "report", "new_only", "search"])]
    pub stop: bool,
}

impl ImportArgs {
    /// Whether it creates users in the directory.
    pub(super) fn creates(&self) -> bool {
        self.create_all || !self.create.is_empty()
    }
}

/// What `rosterd import` sorts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SortKey {
    /// New ones first
    Status,
    /// User names
    UserName,
    /// People's names
    Name,
    /// E-mail addresses
    Email,
}

/// `rosterd drift`
#[derive(Debug, Args)]
#[command(
    after_help = "Reads the whole app and compares it with what rosterd put there: accounts and members added or removed by hand,\naccounts switched on or off, changed attributes and group names. Attributes that follow only changes of the directory\n(push = \"on_source_change\") may differ. Accounts that rosterd neither made nor took over are listed and never touched.\n\nExamples:\n  rosterd drift acme\n  rosterd drift acme --note && rosterd sync acme      brings the app back to what the directory says"
)]
pub(super) struct DriftArgs {
    /// The tenant
    pub tenant: String,
    /// Remember what was seen, so that the next sync brings the app back to what the directory says
    #[arg(long)]
    pub note: bool,
    /// Take groups that show no members for emptied by hand, although no group of the app shows any
    #[arg(long)]
    pub trust_empty_groups: bool,
    /// Exit with 2 when something differs
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// `rosterd undo`
#[derive(Debug, Args)]
#[command(
    after_help = "Memberships, active flags, attributes and group names go back to what they were before the run. Accounts that the run\nmade are switched off, accounts and groups that it took over are let go. What changed since is left alone and said; what was\ndeleted can't be brought back, and that is said too. The guard judges it like any plan, and it can be undone itself.\n\nThe next sync does again what the directory still says: mend the directory, or pause the tenant first.\n\nExamples:\n  rosterd undo acme last --dry-run\n  rosterd undo acme 019326f0 --yes\n  rosterd undo acme 019326f0 --approve 5b1c22d0 --reason 'agreed with HR'"
)]
pub(super) struct UndoArgs {
    /// The tenant
    pub tenant: String,
    /// The run: its id or the beginning of it; `last` for the last one that changed anything
    pub run: String,
    /// Do it without asking
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Let what the guard holds of it pass: the id that was shown, or the beginning of it
    #[arg(long, value_name = "PLAN", conflicts_with = "dry_run")]
    pub approve: Option<String>,
    /// Why it may pass; stands in the journal
    #[arg(long, requires = "approve", value_parser = reason)]
    pub reason: Option<String>,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// `rosterd retire`
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is sent for a retired tenant any more; its tenant file and its journal stay. To stop for a while there is\n`rosterd pause`. People in scope.protect keep their accounts; no budget holds this, since you type what you mean.\n\nExamples:\n  rosterd retire acme\n  rosterd retire acme --deactivate --yes-i-mean acme"
)]
pub(super) struct RetireArgs {
    /// The tenant
    pub tenant: String,
    /// Leave the app as it is (this is the default)
    #[arg(long, conflicts_with = "deactivate")]
    pub leave: bool,
    /// Switch every managed account off
    #[arg(long)]
    pub deactivate: bool,
    /// The tenant's name once more, instead of typing it when asked
    #[arg(long, value_name = "TENANT")]
    pub yes_i_mean: Option<String>,
}

/// `rosterd plan`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rosterd plan acme\n  rosterd plan acme --out acme.plan && rosterd sync acme --plan acme.plan"
)]
pub(super) struct PlanArgs {
    /// The tenant
    pub tenant: String,
    /// Save the plan, for `rosterd sync --plan`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Only this person, by user name or directory id
    #[arg(long, value_name = "USER")]
    pub only: Option<String>,
}

/// `rosterd sync`
#[derive(Debug, Args)]
#[command(
    after_help = "Where a daemon works on the state, it carries the run out, at once or after the one under way; Ctrl-C then ends only the\nwaiting (exit code 75), and `rosterd pause TENANT` the run. Without a daemon Ctrl-C lets the calls under way end and begins\nno other.\n\nExamples:\n  rosterd sync acme --dry-run --detailed-exitcode\n  rosterd sync --all --format json\n  rosterd sync --all --metrics-file /var/lib/prometheus/node-exporter/rosterd.prom\n  rosterd sync acme --only ann@example.com"
)]
pub(super) struct SyncArgs {
    /// Tenants
    pub tenants: Vec<String>,
    /// All tenants
    #[arg(long, conflicts_with = "tenants")]
    pub all: bool,
    /// Stop before anything is sent: the same as `rosterd plan`
    #[arg(long)]
    pub dry_run: bool,
    /// Carry out exactly this saved plan, or nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "only"])]
    pub plan: Option<PathBuf>,
    /// Only this person, by user name or directory id
    #[arg(long, value_name = "USER")]
    pub only: Option<String>,
    /// With --dry-run: exit with 2 when changes are due
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Leave numbers about the tenants here when done, for the textfile collector of Prometheus' node exporter
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub metrics_file: Option<PathBuf>,
}

/// `rosterd approve`, `rosterd reject`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rosterd status acme                                    shows what is held, and its id\n  rosterd approve acme 3fa9c2 --reason \"the Lyon office closed\"\n  rosterd reject acme 3fa9c2 --reason \"HR export was broken\"\n\nAn approval is for exactly the changes that were held, once. If directory, app or tenant file\nlead to other changes before the next run, it is void and the new plan is shown. The journal keeps which account of this\nmachine decided and when. With `[approval] people = 2` another person has to approve as well."
)]
pub(super) struct DecideArgs {
    /// The tenant
    pub tenant: String,
    /// The held plan's id, or how it begins
    pub plan: String,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
    /// How long the decision counts; 7 days at most
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub expires: crate::config::forms::Period,
}

/// `rosterd journal`
#[derive(Debug, Subcommand)]
pub(super) enum JournalCommand {
    /// Show records, oldest first
    Show {
        /// The tenant
        tenant: String,
        /// Only records about this person or group, by directory id
        #[arg(long, value_name = "ID")]
        object: Option<String>,
        /// Only the last N records
        #[arg(long, value_name = "N")]
        last: Option<usize>,
    },
    /// Prove that no record is missing, altered or out of order
    Verify {
        /// The tenant
        tenant: String,
    },
}

/// `rosterd backup`
#[derive(Debug, Args)]
#[command(
    after_help = "Makes a folder named after the time with one state file a tenant (for `rosterd state import`) and backup.json: what there is,\nwith checksums, and how the configuration files hash. Every file is read back. A tenant whose state is damaged is told and\nthe exit code is 1; the others are backed up.\n\nExample:\n  rosterd backup /var/backups/rosterd"
)]
pub(super) struct BackupArgs {
    /// Where the folder is made
    pub dir: PathBuf,
}

/// `rosterd state`
#[derive(Debug, Subcommand)]
pub(super) enum StateCommand {
    /// Make the cache anew from the journal
    Rebuild {
        /// The tenant
        tenant: String,
    },
    /// Write a tenant's state to one file, also while a run writes to it
    #[command(
        after_help = "The file holds the journal's records as they are, with a checksum, and personal data as the state does; secrets are not\nin it. Approvals stay behind.\n\nExample:\n  rosterd state export acme --out acme.state"
    )]
    Export {
        /// The tenant
        tenant: String,
        /// The file; standard output if left out
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Erase a person from state and journal, for good; the app is not touched
    #[command(
        after_help = "What records say of the person is taken out: values, names, ids. The records stay, with the hash they had, so that the chain\nholds, and `rosterd journal verify` counts them. Nothing brings it back. Somebody whose account is active has to leave first, or\n--force: the account is nobody's then, and adopted again if the directory still assigns them. Backups and older states that\nwere set aside still know them.\n\nExample:\n  rosterd state forget acme ann@example.com"
    )]
    Forget {
        /// The tenant
        tenant: String,
        /// The person: directory id, user name, e-mail address or app id
        person: String,
        /// Also somebody whose account is active
        #[arg(long)]
        force: bool,
        /// Do it without asking
        #[arg(long)]
        yes: bool,
    },
    /// Take a state file in, of this machine or another one
    #[command(
        after_help = "The file is proven before anything is changed, and swapped in whole. The first run after that looks through the app, adopts\nand adds, and removes nothing: what happened since the file was written is not in it.\n\nExamples:\n  rosterd state import acme acme.state\n  rosterd state import acme backup/20260101T000000Z/acme.state --replace"
    )]
    Import {
        /// The tenant
        tenant: String,
        /// The file; `-` for standard input
        file: PathBuf,
        /// Set the state that is there aside
        #[arg(long)]
        replace: bool,
    },
}

/// `rosterd sandbox`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rosterd sandbox --port 8080 --token-file sandbox.token\n  rosterd sandbox --profile heap --misbehave throttle --misbehave flaky"
)]
pub(super) struct SandboxArgs {
    /// The loopback port; a free one if left out
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// The bearer token it asks for; none if left out. Every user of the machine can see it in the list of processes
    #[arg(long, env = "ROSTERD_SANDBOX_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// A file with that token, which only its owner can read
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub token_file: Option<PathBuf>,
    /// Behave like this app: a shipped profile, or the path of an app's folder
    #[arg(long, default_value = "scim")]
    pub profile: String,
    /// A user name that an account outside of the organisation has: making one of that name is refused
    #[arg(long, value_name = "NAME")]
    pub foreign: Vec<String>,
    /// A fault to commit; may be given several times. `list` shows them
    #[arg(long, value_name = "PRESET")]
    pub misbehave: Vec<String>,
}

/// `rosterd run`
#[derive(Debug, Args)]
#[command(
    after_help = "SIGHUP reads the files again: what is right in them is taken over, what is wrong is told and the tenant stays as it\nwas. SIGTERM ends it within ten seconds: no run begins, those under way finish the calls they made,\nas far as they are answered in time.\n\nExample:\n  rosterd run --config /etc/rosterd/rosterd.toml -v"
)]
pub(super) struct RunArgs {
    /// How many tenants run at a time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: u16,
}

/// `rosterd schema`
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Of which file: tenant, config or profile; `reference` prints every key as a page of documentation
    #[arg(default_value = "tenant")]
    pub of: String,
}

/// `rosterd completions`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rosterd completions bash > /etc/bash_completion.d/rosterd\n  rosterd completions zsh > ~/.zfunc/_rosterd\n  rosterd completions fish > ~/.config/fish/completions/rosterd.fish"
)]
pub(super) struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `rosterd man`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rosterd man > rosterd.1 && man ./rosterd.1\n  rosterd man journal verify\n  rosterd man --out /usr/local/share/man/man1"
)]
pub(super) struct ManArgs {
    /// The command whose page is printed; rosterd's own if left out
    #[arg(conflicts_with = "out")]
    pub command: Vec<String>,
    /// Write the pages of all commands into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// A reason, which is kept in the journal and shown on one line.
fn reason(text: &str) -> Result<String, String> {
    match text.chars().count() {
        many if many > LONGEST_REASON => Err(format!(
            "it has {many} characters, and at most {LONGEST_REASON} are kept; nothing was decided or changed"
        )),
        _ => Ok(text.to_owned()),
    }
}
