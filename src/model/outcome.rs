//! How things end: one operation, one run, one tenant. Codes that reports, the journal, metrics and pages share.

use serde::{Deserialize, Serialize};

/// What became of an operation, or would. What stands in its way is told beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpOutcome {
    /// It would be sent.
    Planned,
    /// Carried out.
    Done,
    /// It waits for an approval, or for a decision elsewhere.
    Held,
    /// It was refused or could not be tried, and was certainly not carried out.
    Failed,
    /// A call was not answered in time, and the app was asked afterwards.
    Unknown,
    /// A call under way, or interrupted.
    Unanswered,
    /// Put on record without a call.
    Noted,
}

impl OpOutcome {
    /// The name used in JSON and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Done => "done",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Unanswered => "unanswered",
            Self::Noted => "noted",
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// All done.
    Ok,
    /// Some objects failed, the rest is done.
    Partial,
    /// Something waits for approval.
    Held,
    /// The run stopped before its end.
    Failed,
}

impl RunStatus {
    /// The word used in JSON and in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }
}

/// How a tenant is doing, on the daemon's board, in metrics and on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantState {
    /// The last run failed before it had a plan, or was cut short.
    Failing,
    /// Runs have failed for a day: it is tried a few times a day only.
    Quarantined,
    /// The tenant file has mistakes and never had none: it is not run.
    FileMistake,
    /// Something waits for a decision.
    Held,
    /// Some objects failed, the rest is done.
    Partial,
    /// The state is new, was lost or is damaged: this run adopted and added, and withheld what it would have removed.
    AdoptOnly,
    /// An operator asked that nothing be sent.
    Paused,
    /// Another process was at work on it.
    Busy,
    /// Not run by this process yet.
    New,
    /// In sync.
    Ok,
    /// The connection has ended.
    Retired,
}

impl TenantState {
    /// All of them; those that need a person come first.
    pub const ALL: [Self; 11] = [
        Self::Failing,
        Self::Quarantined,
        Self::FileMistake,
        Self::Held,
        Self::Partial,
        Self::AdoptOnly,
        Self::Paused,
        Self::Busy,
        Self::New,
        Self::Ok,
        Self::Retired,
    ];

    /// As it is written in JSON and in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Quarantined => "quarantined",
            Self::FileMistake => "file_mistake",
            Self::Held => "held",
            Self::Partial => "partial",
            Self::AdoptOnly => "adopt_only",
            Self::Paused => "paused",
            Self::Busy => "busy",
            Self::New => "new",
            Self::Ok => "ok",
            Self::Retired => "retired",
        }
    }

    /// As a person reads it.
    pub fn words(self) -> &'static str {
        match self {
            Self::FileMistake => "file with mistakes",
            Self::AdoptOnly => "adopt-only",
            Self::New => "not run yet",
            other => other.name(),
        }
    }

    /// Whether its runs fail.
    pub fn is_failing(self) -> bool {
        matches!(self, Self::Failing | Self::Quarantined)
    }
}

/// The state in which a run with this end leaves a tenant.
impl From<RunStatus> for TenantState {
    fn from(status: RunStatus) -> Self {
        match status {
            RunStatus::Ok => Self::Ok,
            RunStatus::Partial => Self::Partial,
            RunStatus::Held => Self::Held,
            RunStatus::Failed => Self::Failing,
        }
    }
}
