//! What the log says of calls. In: an operation and how a try of it went. Out: one event.
//!
//! Ids, numbers and kinds of failure only: the app's own words may repeat what a person is called. They stand in the journal and
//! in the report.

use crate::http::failure::AfterFailure;
use crate::model::AppId;
use crate::plan::Operation;
use crate::scim::{CallError, FailureClass};

/// Which call of which operation.
#[derive(Clone, Copy)]
pub(super) struct CallReport<'a> {
    pub(super) operation: &'a Operation,
    pub(super) app_id: Option<&'a AppId>,
}

impl CallReport<'_> {
    pub(super) fn done(self, attempt: u32) {
        let Self { operation, app_id } = self;
        let app_id = app_id.map(AppId::as_str);
        tracing::debug!(op = operation.op().name(), object = %operation.object, app_id, attempt, "request succeeded");
    }

    /// A try that failed, and what follows. Only one that is the last is a warning.
    pub(super) fn failed(self, error: &CallError, attempt: u32, next: AfterFailure) {
        let Self { operation, app_id } = self;
        let (op, object, app_id) = (operation.op().name(), &operation.object, app_id.map(AppId::as_str));
        let (reason, status) = (error.class, error.status);
        match next {
            _ if reason == FailureClass::Closed => tracing::debug!(op, %object, app_id, "request not sent"),
            AfterFailure::Retry
            | AfterFailure::LookUpThenRetry
            | AfterFailure::LookUpOnly
            | AfterFailure::SplitBatch => {
                tracing::debug!(op, %object, app_id, status, ?reason, attempt, ?next, "request failed");
            }
            AfterFailure::Fail | AfterFailure::FailAndLookUp | AfterFailure::StopTenant => {
                tracing::warn!(op, %object, app_id, status, ?reason, attempt, "request failed");
            }
        }
    }
}
