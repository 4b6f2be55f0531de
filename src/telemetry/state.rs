//! The state a tenant is in, as one word that metrics, page and alerts share. In: how the last run ended, what the disk says. Out:
//! one of a few words.

/// How a tenant is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The last run came to nothing.
    Failing,
    /// Nothing has come of it for a day: it is tried a few times a day only.
    Quarantined,
    /// The tenant file has mistakes and never had none: it is not run.
    FileMistake,
    /// Something waits for a decision.
    Held,
    /// Some objects failed, the rest is done.
    Partial,
    /// The state is new or was lost: this run adopted and added, and withheld what it would have removed.
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

    /// As it is written in labels.
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
}
