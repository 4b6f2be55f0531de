//! `[drift] schedule`: `weekly`, `never`, or when.

use std::fmt;

use super::{InvalidForm, Schedule, TextForm, text_form};

/// When the daemon compares the app with what was last known of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum DriftSchedule {
    /// Once a week, at a time of the tenant's own.
    #[default]
    Weekly,
    /// Only when `rosterd drift` is typed.
    Never,
    /// As it says.
    At(Schedule),
}

impl fmt::Display for DriftSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weekly => f.write_str("weekly"),
            Self::Never => f.write_str("never"),
            Self::At(schedule) => schedule.fmt(f),
        }
    }
}

impl TextForm for DriftSchedule {
    const FORMAT: &'static str = "drift-schedule";
    const DESCRIPTION: &'static str = "`weekly`, `never`, or a schedule.";
    const EXAMPLES: &'static [&'static str] = &["weekly", "never", "0 4 * * 0", "every 7d"];

    fn read(text: &str) -> Result<Self, InvalidForm> {
        Ok(match text.trim() {
            "weekly" => Self::Weekly,
            "never" => Self::Never,
            schedule => Self::At(Schedule::read(schedule)?),
        })
    }
}

text_form!(DriftSchedule);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_words_and_every_schedule_are_read_and_shown_as_written() {
        for text in ["weekly", "never", "0 4 * * 0", "every 7d"] {
            assert_eq!(text.parse::<DriftSchedule>().unwrap().to_string(), text);
        }
        assert!("sometimes".parse::<DriftSchedule>().is_err());
    }
}
