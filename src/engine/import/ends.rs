//! How an import in the background ends: because somebody ends it, or by an error that no waiting helps against.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

use crate::cycle::CycleError;
use crate::engine::EngineError;
use crate::scim::FailureClass;
use crate::source::SourceError;
use crate::store::{ImportEnd, StoreError};

/// How an import is ended before all users were tried.
#[derive(Debug)]
pub struct ImportEnds {
    pub(super) over: CancellationToken,
    why: OnceLock<ImportEnd>,
}

impl ImportEnds {
    /// One that is interrupted when `halt` is cancelled: a later process goes on with it.
    pub fn with(halt: &CancellationToken) -> Self {
        Self { over: halt.child_token(), why: OnceLock::new() }
    }

    /// Ends the import for good.
    pub fn end(&self, why: ImportEnd) {
        // The first reason counts.
        let _later = self.why.set(why);
        self.over.cancel();
    }

    /// Waits until it is to end.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }

    pub(super) fn halt(&self) -> Halt {
        match self.why.get() {
            None => Halt::Interrupted,
            Some(why) => Halt::Stopped(*why, in_words(*why).to_owned()),
        }
    }
}

fn in_words(why: ImportEnd) -> &'static str {
    match why {
        ImportEnd::FileEdited => {
            "the tenant file was edited during the import, and may lead to another directory or app"
        }
        ImportEnd::FileRemoved => "the tenant file was removed during the import",
        ImportEnd::Operator => "an operator ended it",
        _ => "it was ended",
    }
}

/// Why an import does not go on.
pub(super) enum Halt {
    /// The process ends; the next one goes on.
    Interrupted,
    /// It is over.
    Stopped(ImportEnd, String),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Stopped(ImportEnd::Disk, error.to_string())
    }
}

/// Whether it may be otherwise in a while.
pub(super) fn is_passing(error: &EngineError) -> bool {
    match error {
        EngineError::Source(error) | EngineError::Cycle(CycleError::Source(error)) => matches!(
            error,
            SourceError::Unreachable(_)
                | SourceError::Unavailable(_)
                | SourceError::Throttled(_)
                | SourceError::TimeLimit { .. }
                | SourceError::Incomplete(_)
        ),
        EngineError::Cycle(CycleError::App(error)) => matches!(
            error.class,
            FailureClass::Throttled
                | FailureClass::Server
                | FailureClass::Unreachable
                | FailureClass::Unknown
                | FailureClass::NotScim
        ),
        EngineError::Overdue(_) => true,
        _ => false,
    }
}

pub(super) fn end_of(error: &EngineError) -> ImportEnd {
    if error.is_credential() {
        return ImportEnd::Credential;
    }
    match error {
        EngineError::Source(error) | EngineError::Cycle(CycleError::Source(error)) => match error {
            SourceError::Forbidden(_) => ImportEnd::Forbidden,
            SourceError::Settings(_) => ImportEnd::Settings,
            _ => ImportEnd::Directory,
        },
        EngineError::Cycle(CycleError::App(_)) => ImportEnd::App,
        EngineError::Cycle(CycleError::Store(_)) => ImportEnd::Disk,
        EngineError::NotWritable(_) => ImportEnd::NotWritable,
        EngineError::Moved { .. } => ImportEnd::Addresses,
        EngineError::Retired { .. } => ImportEnd::Retired,
        _ => ImportEnd::Settings,
    }
}
