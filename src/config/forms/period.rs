//! `30d`, `12h`, `10m`: spans of time.

use std::fmt;
use std::time::Duration;

use super::{InvalidForm, TextForm, number_and_unit, text_form};

/// A span of time, longer than nothing and not longer than ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

impl Period {
    /// The span.
    pub fn duration(self) -> Duration {
        self.0
    }
}

const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
const LONGEST: u64 = 3_650 * 86_400;

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        // Weeks are read but not shown: `30d` and `28d` compare at a glance.
        let fitting = UNITS.iter().skip(1).find(|(_, length)| seconds.is_multiple_of(*length));
        let (unit, length) = fitting.copied().unwrap_or(("s", 1));
        write!(f, "{}{unit}", seconds / length)
    }
}

/// As it is written in a file.
impl serde::Serialize for Period {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl TextForm for Period {
    const FORMAT: &'static str = "time-span";
    const DESCRIPTION: &'static str = "A span of time: seconds, minutes, hours, days or weeks.";
    const EXAMPLES: &'static [&'static str] = &["30d", "12h", "10m", "45s", "2w"];

    fn read(text: &str) -> Result<Self, InvalidForm> {
        const HINT: &str = "write a whole number and a unit: `45s`, `10m`, `12h`, `30d` or `2w`";
        let wrong = || InvalidForm::new(format!("{text:?} is not a span of time"), HINT);
        let (number, unit) = number_and_unit(text.trim());
        let (_, length) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        match number.checked_mul(*length) {
            Some(0) => Err(InvalidForm::new("the span of time is nothing", HINT)),
            Some(seconds) if seconds <= LONGEST => Ok(Self(Duration::from_secs(seconds))),
            _ => Err(InvalidForm::new("the span of time is longer than ten years", HINT)),
        }
    }
}

text_form!(Period);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_read_in_every_unit() {
        for (text, seconds, shown) in [
            ("45s", 45, "45s"),
            ("10m", 600, "10m"),
            ("90m", 5400, "90m"),
            ("12 h", 43_200, "12h"),
            ("2w", 1_209_600, "14d"),
        ] {
            let span: Period = text.parse().unwrap();
            assert_eq!(span.duration().as_secs(), seconds, "{text}");
            assert_eq!(span.to_string(), shown);
        }
        for bad in ["", "30", "d", "0d", "-1d", "1.5h", "30 days ago", "99999999999999999999d", "4000d"] {
            assert!(bad.parse::<Period>().is_err(), "{bad:?}");
        }
    }
}
