//! The state a tenant is in, as one word that metrics, page and alerts share. In: how the last run ended, what the disk says. Out:
//! one of ten words.

/// How a tenant is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The last run came to nothing.
    Failing,
    /// The tenant file has mistakes and never had none: it is not run.
    FileMistake,
    /// Something waits for a decision.
    Held,
    /// Some objects failed, the rest is done.
    Partial,
    /// In step; the state was begun anew, and removes nothing yet.
    AdoptOnly,
    /// Somebody asked that nothing be sent.
    Paused,
    /// Another process was at work on it.
    Busy,
    /// Not run by this process yet.
    New,
    /// In step.
    Ok,
    /// The connection has ended.
    Retired,
}

impl State {
    /// All of them; who needs somebody comes first.
    pub const ALL: [Self; 10] = [
        Self::Failing,
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

    /// As it is written in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failing => "failing",
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

    /// The state of a run's end, given what the state on the disk says of itself.
    #[must_use]
    pub fn with_adopt_only(self, adopt_only: bool) -> Self {
        match self {
            Self::Ok | Self::New if adopt_only => Self::AdoptOnly,
            state => state,
        }
    }
}
