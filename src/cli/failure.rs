//! Why a command failed, with its exit code. The codes are part of the command line's contract.

use crate::config::diagnostic::Diagnostic;
use crate::cycle::CycleError;
use crate::engine::EngineError;
use crate::errand::undo::NoSuchRun;
use crate::store::StoreError;

/// Exit codes.
pub mod code {
    /// Done.
    pub const DONE: u8 = 0;
    /// Failed.
    pub const FAILED: u8 = 1;
    /// Changes are due (only with `--dry-run --detailed-exitcode`).
    pub const CHANGES_DUE: u8 = 2;
    /// Held, waits for approval.
    pub const HELD: u8 = 3;
    /// Some objects failed, the rest is done.
    pub const PARTIAL: u8 = 4;
    /// Another process holds the tenant (`EX_TEMPFAIL`).
    pub const BUSY: u8 = 75;
    /// Configuration error (`EX_CONFIG`).
    pub const CONFIG: u8 = 78;
}

/// A command that failed.
#[derive(Debug)]
pub struct CommandFailure {
    /// The exit code.
    pub code: u8,
    /// What happened.
    pub message: String,
    /// What to type next.
    pub hint: Option<String>,
}

impl CommandFailure {
    /// Something went wrong.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { code: code::FAILED, message: message.into(), hint: None }
    }

    /// The files or the command line are not right.
    pub fn config(message: impl Into<String>) -> Self {
        Self { code: code::CONFIG, message: message.into(), hint: None }
    }

    /// The command line asks for something that does not exist.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: code::CONFIG, message: message.into(), hint: Some(hint.into()) }
    }

    /// Adds what to type next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Box<Diagnostic>> for CommandFailure {
    fn from(one: Box<Diagnostic>) -> Self {
        Self { code: code::CONFIG, message: format!("{}: {}", one.location(), one.message), hint: one.hint }
    }
}

impl From<std::io::Error> for CommandFailure {
    fn from(error: std::io::Error) -> Self {
        // A reader that closed the pipe has seen enough.
        let code = if error.kind() == std::io::ErrorKind::BrokenPipe { code::DONE } else { code::FAILED };
        Self { code, message: format!("writing the result: {error}"), hint: None }
    }
}

impl From<StoreError> for CommandFailure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Busy { .. } | StoreError::LockLost { .. } => code::BUSY,
            StoreError::Network { .. } | StoreError::Newer { .. } | StoreError::NewerFile { .. } => code::CONFIG,
            _ => code::FAILED,
        };
        Self { code, message: error.to_string(), hint: None }
    }
}

impl From<EngineError> for CommandFailure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Cycle(error) => error.into(),
            EngineError::Secret(ref missing) => {
                let failure = Self::config(format!("{error}; nothing was changed"));
                match missing.command_with_credentials() {
                    Some(command) => failure.hint(format!("run it with the service's credentials: `{command}`")),
                    None => failure,
                }
            }
            EngineError::Token(_)
            | EngineError::Directory(_)
            | EngineError::Setup(_)
            | EngineError::Network(_)
            | EngineError::File { .. } => Self::config(format!("{error}; nothing was changed")),
            EngineError::Paused { ref tenant, .. } => {
                let hint =
                    format!("`rosterd resume {tenant}` resumes it; `rosterd plan {tenant}` shows the pending changes");
                Self { code: code::HELD, message: error.to_string(), hint: Some(hint) }
            }
            EngineError::Moved { ref tenant, .. } => {
                let hint = format!(
                    "`rosterd sync {tenant}` shows the id of the change; `rosterd approve {tenant} ID` and another sync accept the address"
                );
                Self { code: code::HELD, message: error.to_string(), hint: Some(hint) }
            }
            EngineError::Retired { ref tenant, ref file, .. } => {
                let hint = format!("delete the tenant file of {tenant}; or, to connect it again, delete {file}");
                Self::failed(error.to_string()).hint(hint)
            }
            EngineError::NoSuchRun(NoSuchRun::Store(error)) => error.into(),
            EngineError::NoSuchRun(_) => Self::failed(format!("{error}; nothing was changed"))
                .hint("`rosterd journal show TENANT` lists the runs; `last` is the last one that changed anything"),
            EngineError::NotWritable(_) => Self::failed(error.to_string())
                .hint("`rosterd import TENANT --new-only --list people.csv` writes a list to hand over"),
            EngineError::Overdue(_) => Self::failed(error.to_string())
                .hint("check whether a network share hangs (`timeout 5 stat FILE`); then try again"),
            EngineError::Interrupted => Self::failed(error.to_string()),
            EngineError::Source(_) => Self::failed(format!("{error}; nothing was changed")),
        }
    }
}

impl From<CycleError> for CommandFailure {
    fn from(error: CycleError) -> Self {
        match error {
            CycleError::Store(error) => error.into(),
            error => Self { code: code::FAILED, message: format!("{error}; nothing was changed"), hint: None },
        }
    }
}
