//! Why a cycle came to no plan.

use crate::apply::{RecoverError, RunStop};
use crate::scim::{CallError, FailureClass};
use crate::source::SourceError;
use crate::store::StoreError;

/// Why a cycle ended before its plan. Nothing was sent that changes the app; where something was (people whom the directory names as
/// suspended do not wait for the plan), the cycle ends with a report instead.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    /// The directory.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The app could not be asked.
    #[error("the app could not be asked: {0}")]
    App(CallError),
    /// The state.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody asked for the end while directory or app were read.
    #[error("interrupted before there was a plan")]
    Stopped,
    /// The plan that was asked for is not the plan of now.
    #[error("the plan {expected} is void: directory, app or settings changed since, and the plan is now {now}")]
    OtherPlan {
        /// What was asked for.
        expected: String,
        /// What it would be now.
        now: String,
    },
}

impl CycleError {
    /// What failed, in a word that names no user: `directory`, `app`, `state`, `stopped` or `plan`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Source(_) => "directory",
            Self::App(_) => "app",
            Self::Store(_) => "state",
            Self::Stopped => "stopped",
            Self::OtherPlan { .. } => "plan",
        }
    }

    /// The same as the end of a run that has done something already.
    pub(super) fn into_stop(self) -> RunStop {
        match self {
            Self::Stopped => RunStop::Asked,
            Self::App(error)
                if matches!(
                    error.class,
                    FailureClass::Unauthorized | FailureClass::LoginRefused | FailureClass::LoginFailed
                ) =>
            {
                RunStop::of(&error)
            }
            Self::Source(error) if error.is_credential() => RunStop::Target(format!("{error}; nothing more was sent")),
            other => RunStop::Cut(other.to_string()),
        }
    }
}

impl From<CallError> for CycleError {
    fn from(error: CallError) -> Self {
        Self::App(error)
    }
}

impl From<RecoverError> for CycleError {
    fn from(error: RecoverError) -> Self {
        match error {
            RecoverError::Call(error) => Self::App(error),
            RecoverError::Store(error) => Self::Store(error),
        }
    }
}
