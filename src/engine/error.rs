//! Why a tenant could not be run: one type for everything that an [`Engine`](super::Engine) does.

use crate::bounded::Overdue;
use crate::config::addresses::AddressChange;
use crate::config::secret::SecretError;
use crate::cycle::CycleError;
use crate::errand::undo::NoSuchRun;
use crate::http::{IdentityError, NetworkError, PrepareError, SetupError};
use crate::model::TenantName;
use crate::source::SourceError;
use crate::source::kind::ConnectError;
use crate::store::{StoreError, TenantMark};

/// Why a tenant could not be run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A secret could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A connection could not even be prepared.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A file that the tenant names could not be read.
    #[error("reading {path}: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A file that the tenant names does not answer.
    #[error("{0}; nothing was read or sent")]
    Overdue(#[from] Overdue),
    /// The token is no token.
    #[error("the token of the app: {0}")]
    Token(#[from] crate::http::InvalidSecret),
    /// The proxy can't be used.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The directory can't be used as it is described.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The connection to the directory could not be prepared.
    #[error(transparent)]
    Directory(ConnectError),
    /// The cycle.
    #[error(transparent)]
    Cycle(#[from] CycleError),
    /// The run that is to be taken back.
    #[error(transparent)]
    NoSuchRun(#[from] NoSuchRun),
    /// Nobody can be made in this directory.
    #[error("rosterd does not write to this directory ({0}); no user was created")]
    NotWritable(String),
    /// Somebody stopped it.
    #[error("interrupted; nothing was changed")]
    Interrupted,
    /// Somebody asked that nothing be sent.
    #[error("{tenant} is paused {mark}; nothing was read or sent")]
    Paused {
        /// The tenant.
        tenant: TenantName,
        /// Who, when, why.
        mark: Box<TenantMark>,
    },
    /// A credential would go to an address that is not the last run's.
    #[error("{}; no request was made and no credential was sent", .change.in_words())]
    Moved {
        /// The tenant.
        tenant: TenantName,
        /// What changed.
        change: AddressChange,
    },
    /// The connection has ended.
    #[error("{tenant} is retired {mark}; nothing was read or sent")]
    Retired {
        /// The tenant.
        tenant: TenantName,
        /// Who, when, why.
        mark: Box<TenantMark>,
        /// The file that says so, for people.
        file: String,
    },
}

impl EngineError {
    /// Whether a secret is missing, or directory or app refuse it: trying again with the same one does not help.
    pub fn is_credential(&self) -> bool {
        use crate::scim::FailureClass;
        match self {
            Self::Secret(_) | Self::Token(_) => true,
            Self::Source(error) | Self::Cycle(CycleError::Source(error)) => error.is_credential(),
            Self::Cycle(CycleError::App(error)) => {
                matches!(error.class, FailureClass::Unauthorized | FailureClass::LoginRefused)
            }
            _ => false,
        }
    }

    /// Whether it ended because somebody asked for the end.
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Cycle(CycleError::Stopped))
    }

    /// Whether another process works on the tenant.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Cycle(CycleError::Store(StoreError::Busy { .. })))
    }
}

impl From<PrepareError> for EngineError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Secret(error) => Self::Secret(error),
            PrepareError::Token(error) => Self::Token(error),
            PrepareError::Setup(error) => Self::Setup(error),
        }
    }
}

impl From<IdentityError> for EngineError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Secret(error) => Self::Secret(error),
            IdentityError::Setup(error) => Self::Setup(error),
        }
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        Self::Cycle(error.into())
    }
}

impl From<ConnectError> for EngineError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Secret(error) => Self::Secret(error),
            ConnectError::Setup(error) => Self::Setup(error),
            ConnectError::File { path, error } => Self::File { path, error },
            ConnectError::Source(error) => Self::Source(error),
            error @ ConnectError::Token(_) => Self::Directory(error),
        }
    }
}
