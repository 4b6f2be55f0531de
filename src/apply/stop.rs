//! Why a run ended before its plan.

use crate::model::Op;
use crate::scim::{CallError, FailureClass};

/// Why a run ended before its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunStop {
    /// App or directory no longer takes its credential, or the app's address is wrong: nothing will work.
    Target(String),
    /// The app failed too often in a row.
    Breaker(String),
    /// The app answers, and failed at every call of this plan.
    Failing(String),
    /// What had to be known for the rest could not be read.
    Cut(String),
    /// Somebody asked.
    Asked,
    /// Somebody paused the tenant while the run was under way: who, when and why.
    Paused(String),
}

impl RunStop {
    /// The end of a run by a call after which no other will work.
    pub(crate) fn of(error: &CallError) -> Self {
        Self::Target(match error.class {
            FailureClass::Unauthorized => {
                format!("the app no longer accepts the token ({error}); nothing more was sent")
            }
            FailureClass::LoginRefused | FailureClass::LoginFailed => format!("{error}; nothing more was sent"),
            FailureClass::Untrusted => format!("no TLS connection to the app: {error}; nothing more was sent"),
            _ => format!("the app's address is not what it should be ({error}); nothing more was sent"),
        })
    }

    /// The end of a run in which the app failed at everything it was asked for.
    pub(super) fn of_failing(kinds: &[Op], said: &str) -> Self {
        let names: Vec<&str> = kinds.iter().map(|op| op.name()).collect();
        Self::Failing(format!(
            "the app failed at every call ({}; the last answer: {said}); the rest waits for the next run",
            names.join(", ")
        ))
    }
}

impl std::fmt::Display for RunStop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Target(why) | Self::Breaker(why) | Self::Failing(why) => f.write_str(why),
            Self::Cut(why) => write!(f, "{why}; the changes that were already sent stay"),
            Self::Asked => f.write_str("interrupted; the calls in progress were finished"),
            Self::Paused(mark) => write!(f, "paused {mark}; the calls in progress were finished, nothing more is sent"),
        }
    }
}
