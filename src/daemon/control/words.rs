//! What is said over the socket. In: nothing. Out: types, one JSON value a line.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cycle::Telling;
use crate::daemon::mistake::Mistake;
use crate::daemon::overview::TenantStatus;
use crate::store::{Approvals, Decision, DecisionVerdict, HeldPlan, ImportChoice, TenantMark};

/// Counts up when a line changes its meaning. The first line ([`Hello`]) stays as it is for ever.
pub const PROTOCOL: u32 = 3;

/// The daemon's first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Which protocol it speaks.
    pub protocol: u32,
    /// Its version.
    pub version: String,
    /// Its process.
    pub process: u32,
}

/// The client's only line. Unknown fields are refused: one that an older daemon passed over, or that says something only the daemon
/// can know, must not be taken for granted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asking {
    /// Which protocol it speaks.
    pub(super) protocol: u32,
    /// What it wants.
    pub(super) request: ControlRequest,
}

/// What can be asked of a daemon. Nothing in it says who asks, or when: the daemon knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ControlRequest {
    /// Read the files again.
    Reload,
    /// Run a tenant now.
    Sync {
        /// The tenant.
        tenant: String,
        /// What is wanted of the run.
        wish: RunOptions,
        /// What the asker's tenant file says ([`crate::tenancy::Tenant::fingerprint`]).
        file: u64,
        /// How many operations of each kind are told; all if left out.
        listed: Option<usize>,
    },
    /// Create users of the app in the directory, beside the tenant's runs. The daemon reads the accounts itself: a request holds no record.
    Import {
        /// The tenant.
        tenant: String,
        /// What the asker's tenant file says ([`crate::tenancy::Tenant::fingerprint`]).
        file: u64,
        /// Which accounts.
        choice: ImportChoice,
    },
    /// End an import before all users were tried.
    StopImport {
        /// The tenant.
        tenant: String,
    },
    /// Take a decision on a held plan; an approval makes the tenant due.
    Decide(Deciding),
    /// Send nothing more.
    Pause {
        /// The tenant.
        tenant: String,
        /// Why.
        reason: String,
        /// What the asker's environment claims to be.
        says: Option<String>,
    },
    /// End a pause; the tenant is due at once.
    Resume {
        /// The tenant.
        tenant: String,
    },
    /// Show what a tenant holds.
    Held {
        /// The tenant.
        tenant: String,
    },
    /// Show what tenants are doing.
    Status {
        /// The tenants; all of the daemon's if none is named.
        tenants: Vec<String>,
    },
    /// Carry out a command for a process that can't do it itself, and send its output.
    Perform(CommandLine),
}

/// A command as it was typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandLine {
    /// The command's name and its arguments.
    pub args: Vec<String>,
    /// The configuration that the process works with, if it can find it: a daemon of another configuration refuses.
    pub config: Option<PathBuf>,
    /// Whether a person can confirm what the command is about to do.
    pub can_ask: bool,
}

/// What the process sends while its command is carried out, one JSON value a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CommandInput {
    /// Whether the person confirmed.
    Confirmed(bool),
    /// A file was written, or why it was not.
    Saved(Option<String>),
    /// Finish the requests in progress and begin no new one.
    Cancel,
}

/// A stream of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputStream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What a command that is being carried out wants of the process that asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandEvent {
    /// Show a piece of output.
    Output {
        /// Where.
        stream: OutputStream,
        /// What.
        text: String,
    },
    /// Have a person confirm by typing a word; the answer is [`CommandInput::Confirmed`].
    Confirm {
        /// The word.
        word: String,
        /// What happens then.
        what: String,
    },
    /// A piece of a file that the command line names; after the last one it is written, and [`CommandInput::Saved`] says so.
    File {
        /// Its path as it was typed.
        path: PathBuf,
        /// The piece.
        text: String,
        /// Whether it is the last one.
        last: bool,
    },
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandEnd {
    /// Its exit code.
    pub code: u8,
    /// Why it failed, if it did.
    pub failure: Option<ControlRefusal>,
    /// The import that it came to, which the process has to order itself.
    pub import: Option<ImportToOrder>,
}

/// An import in the background, as it has to be ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportToOrder {
    /// The tenant.
    pub tenant: String,
    /// What its file says ([`crate::tenancy::Tenant::fingerprint`]).
    pub file: u64,
    /// Which accounts.
    pub choice: ImportChoice,
    /// How many accounts that are, where it is known.
    pub chosen: Option<u64>,
}

/// What is wanted of a run, in a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunOptions {
    /// Stop before anything is sent.
    pub dry_run: bool,
    /// Only this person, by directory id or user name.
    pub only: Option<String>,
    /// Only this plan may be carried out.
    pub expected_plan: Option<String>,
    /// Nobody typed it: the first sync of a tenant waits for approval.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unattended: bool,
}

/// A decision as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deciding {
    /// The tenant.
    pub tenant: String,
    /// The plan's id, whole.
    pub plan: String,
    /// Yes or no.
    pub verdict: DecisionVerdict,
    /// Why.
    pub reason: String,
    /// How many seconds it shall count.
    pub lasts_secs: u64,
    /// What the asker's environment claims to be.
    pub says: Option<String>,
}

/// A kind of request that `[control]` gives to accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlRight {
    /// See `status` and what is held.
    Read,
    /// Approve and reject.
    Approve,
    /// Run, import, reload, pause, resume, carry out commands.
    Operate,
}

impl ControlRight {
    /// The key of `[control]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Approve => "approve",
            Self::Operate => "operate",
        }
    }
}

impl ControlRequest {
    /// The right that it needs.
    pub fn needs(&self) -> ControlRight {
        match self {
            Self::Held { .. } | Self::Status { .. } => ControlRight::Read,
            Self::Decide(_) => ControlRight::Approve,
            Self::Reload
            | Self::Sync { .. }
            | Self::Import { .. }
            | Self::StopImport { .. }
            | Self::Pause { .. }
            | Self::Resume { .. }
            | Self::Perform(_) => ControlRight::Operate,
        }
    }
}

/// A line of the daemon's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ControlMessage {
    /// The first.
    Hello(Hello),
    /// It goes on; at least every few seconds.
    Going(Going),
    /// A command that is carried out goes on.
    Event(CommandEvent),
    /// The last.
    Ended(Box<ControlReply>),
}

/// How far a request is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Going {
    /// It waits for a run that began then.
    pub behind: Option<Timestamp>,
    /// What is being done.
    pub stage: Option<String>,
    /// How many steps that has, if it is known.
    pub total: Option<u64>,
    /// How many are done.
    pub at: u64,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlReply {
    /// The files were read.
    Reloaded(Reloaded),
    /// The run ended.
    Ran {
        /// How it went.
        report: Box<Telling>,
        /// What was found and mended in the state.
        notices: Vec<String>,
    },
    /// The import goes on in the background.
    Importing(Importing),
    /// The import ends after the call under way.
    ImportStopping,
    /// The decision as it was written down.
    Decided(Box<RecordedDecision>),
    /// The pause as it was written down.
    Paused(TenantMark),
    /// What is held.
    Held(Option<Box<HeldPlan>>),
    /// What tenants are doing.
    Status(Vec<TenantStatus>),
    /// The pause that has ended, if there was one.
    Resumed(Option<TenantMark>),
    /// The command has ended.
    Performed(Box<CommandEnd>),
    /// It was not done.
    Refused(ControlRefusal),
}

/// A decision that was written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedDecision {
    /// The decision.
    pub decision: Decision,
    /// How far approvals are, where more than one person has to approve.
    pub approvals: Option<Approvals>,
}

/// Why something was not done, as the command shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlRefusal {
    /// The command's exit code.
    pub code: u8,
    /// What happened, and what was not done.
    pub message: String,
    /// What to type next.
    pub hint: Option<String>,
}

/// What reading the files again came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Tenants that are new.
    pub added: Vec<String>,
    /// Tenants whose file says something else now.
    pub changed: Vec<String>,
    /// Tenants whose file is gone; their apps stay as they are.
    pub removed: Vec<String>,
    /// Tenants whose file had mistakes and is valid again. They are among those that are new, changed or unchanged, too.
    #[serde(default)]
    pub fixed: Vec<String>,
    /// How many stay as they were.
    pub unchanged: u64,
    /// Tenants with mistakes in their file; what was read before stays in force.
    pub broken: Vec<BrokenTenant>,
    /// What is wrong beside tenant files: with `rosterd.toml`, then nothing was taken over, or with a file's name.
    pub mistakes: Vec<Mistake>,
}

impl Reloaded {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.broken.is_empty() && self.mistakes.is_empty()
    }
}

/// A tenant with mistakes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenTenant {
    /// The tenant.
    pub tenant: String,
    /// Whether an earlier reading of its file is in force.
    pub in_force: bool,
    /// What is wrong.
    pub mistakes: Vec<Mistake>,
}

/// An import that the daemon has taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Importing {
    /// Its id.
    pub id: String,
    /// The folder in which its report will be.
    pub reports: PathBuf,
}
