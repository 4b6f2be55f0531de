//! Why the machine's clock can't be trusted. Plain values; `cycle` compares the clocks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What speaks against the machine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockDoubt {
    /// The app's answers say another time.
    AppDiffers {
        /// How many seconds this machine is ahead of the app.
        ahead_s: i64,
    },
    /// It was set since the last run: the time since the machine's start says so.
    Jumped {
        /// By how many seconds, forwards or backwards.
        by_s: i64,
    },
    /// Nothing speaks for it: the app's answers have no `Date`, and the machine was started again since the last run.
    NoEvidence,
}

impl fmt::Display for ClockDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = |seconds: i64| if seconds < 0 { "behind" } else { "ahead of" };
        match self {
            Self::AppDiffers { ahead_s } => {
                write!(f, "this machine's clock is {} {} the app's", time(*ahead_s), way(*ahead_s))
            }
            Self::Jumped { by_s } => {
                let way = if *by_s < 0 { "back" } else { "forward" };
                write!(f, "this machine's clock was set {} {way} since the last run", time(*by_s))
            }
            Self::NoEvidence => f.write_str(
                "nothing shows that this machine's clock is right: it was started again since the last run, and the app's answers have no Date",
            ),
        }
    }
}

/// `31 days`, `12 min`.
fn time(seconds: i64) -> String {
    match seconds.unsigned_abs() {
        s if s >= 172_800 => format!("{} days", s / 86_400),
        s if s >= 7_200 => format!("{} h", s / 3_600),
        s => format!("{} min", s / 60),
    }
}
