//! A day of the calendar.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{InvalidForm, TextForm, text_form};

/// A day, `2026-12-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(Date);

impl Day {
    /// Its first moment, in UTC.
    pub fn begins(self) -> Timestamp {
        self.0.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |moment| moment.timestamp())
    }
}

impl TextForm for Day {
    const FORMAT: &'static str = "day";
    const DESCRIPTION: &'static str = "A day: year, month, day.";
    const EXAMPLES: &'static [&'static str] = &["2026-12-01"];

    fn read(text: &str) -> Result<Self, InvalidForm> {
        let date = text.trim().parse::<Date>();
        // jiff takes a whole point in time for its day; whoever writes an hour means something by it.
        match date {
            Ok(date) if date.to_string() == text.trim() => Ok(Self(date)),
            _ => Err(InvalidForm::new(format!("{text:?} is not a day"), "write it as \"2026-12-01\"")),
        }
    }
}

text_form!(Day);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_day_and_nothing_else() {
        let day: Day = "2026-12-01".parse().unwrap();
        assert_eq!(day.begins().to_string(), "2026-12-01T00:00:00Z");
        for wrong in ["", "tomorrow", "2026-13-01", "2026-02-30", "01.12.2026", "2026-12-01T10:00:00", "20261201"] {
            assert!(wrong.parse::<Day>().is_err(), "{wrong}");
        }
    }
}
