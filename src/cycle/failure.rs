//! Why a cycle came to no plan.

use crate::apply::RecoverError;
use crate::scim::CallError;
use crate::source::SourceError;
use crate::store::StoreError;

/// Why a cycle ended before its plan. Nothing was sent that changes the app.
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
    /// The plan that was asked for is not the plan of now.
    #[error("the plan {expected} is void: directory, app or settings changed since, and the plan is now {now}")]
    OtherPlan {
        /// What was asked for.
        expected: String,
        /// What it would be now.
        now: String,
    },
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
