//! When a tenant runs: a cron expression of five fields, or `every 10m`; and the time zone it counts in.

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Zoned;
use jiff::tz::TimeZone;

use super::{InvalidForm, Period, TextForm, nearest, text_form};

/// When a tenant runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    text: String,
    rhythm: Rhythm,
}

#[derive(Debug, Clone, PartialEq)]
enum Rhythm {
    Cron(Box<Cron>),
    Every(Period),
}

impl Schedule {
    /// The first time after `now`; in the zone of `now`, which is the tenant's.
    ///
    /// For `every`, that is one period after `now`. `None` only when no such time exists in the calendar.
    pub fn next_after(&self, now: &Zoned) -> Option<Zoned> {
        match &self.rhythm {
            Rhythm::Cron(cron) => cron.find_next_occurrence(now, false).ok(),
            Rhythm::Every(period) => now.checked_add(period.duration()).ok(),
        }
    }

    /// The fixed time between two runs, if it is an `every`.
    pub fn every(&self) -> Option<Period> {
        match &self.rhythm {
            Rhythm::Cron(_) => None,
            Rhythm::Every(period) => Some(*period),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const HINT: &str = "write five fields (minute, hour, day, month, weekday) such as `*/10 * * * *`, or `every 10m`";

/// The keyword before a span of time.
const EVERY: &str = "every ";

impl TextForm for Schedule {
    const FORMAT: &'static str = "schedule";
    const DESCRIPTION: &'static str = "A cron expression of five fields, or `every` and a span of time.";
    const EXAMPLES: &'static [&'static str] = &["*/10 * * * *", "every 10m", "30 6 * * 1-5", "@hourly"];

    fn read(text: &str) -> Result<Self, InvalidForm> {
        let trimmed = text.trim();
        let rhythm = match trimmed.strip_prefix(EVERY) {
            Some(period) => Rhythm::Every(Period::read(period).map_err(|misfit| InvalidForm {
                hint: Some(HINT.to_owned()),
                at: None,
                ..misfit
            })?),
            None => Rhythm::Cron(Box::new(cron(trimmed)?)),
        };
        Ok(Self { text: trimmed.to_owned(), rhythm })
    }
}

fn cron(text: &str) -> Result<Cron, InvalidForm> {
    if text.len() > 256 || !text.is_ascii() {
        return Err(InvalidForm::new("this is not a schedule", HINT));
    }
    let fields = text.split_ascii_whitespace().count();
    if fields != 5 && !text.starts_with('@') {
        return Err(InvalidForm::new(format!("a schedule has five fields, this has {fields}"), HINT));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser.parse(text).map_err(|error| InvalidForm::new(plain(&error), HINT))?;
    // A leap year starts the search, so that 29 February counts as a day that comes.
    let start = jiff::civil::date(2023, 12, 31).at(0, 0, 0, 0);
    match cron.find_next_occurrence(&start, false) {
        Ok(_) => Ok(cron),
        Err(_) => Err(InvalidForm::new(format!("{text:?} never comes: no such day exists"), HINT)),
    }
}

/// The parser's complaint in our words: lower case, no full stop.
fn plain(error: &croner::errors::CronError) -> String {
    let text = error.to_string();
    let text = text.trim_end_matches('.');
    let detail = text.split_once(": ").map_or(text, |(_, detail)| detail);
    let mut letters = detail.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase()).unwrap_or_default();
    format!("this is not a schedule: {first}{}", letters.as_str())
}

text_form!(Schedule);

/// An IANA time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone itself.
    pub fn time_zone(&self) -> &TimeZone {
        &self.0
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

impl TextForm for Zone {
    const FORMAT: &'static str = "time-zone";
    const DESCRIPTION: &'static str = "An IANA time zone.";
    const EXAMPLES: &'static [&'static str] = &["UTC", "Europe/Paris", "America/New_York"];

    fn read(text: &str) -> Result<Self, InvalidForm> {
        TimeZone::get(text).map(Self).map_err(|_| {
            let names: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
            let hint = match nearest(text, names.iter().map(String::as_str)) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "write an IANA name such as `Europe/Paris`, or leave the key out for UTC".to_owned(),
            };
            InvalidForm::new(format!("there is no time zone {text:?}"), hint)
        })
    }
}

text_form!(Zone);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn next(schedule: &str, now: &str) -> String {
        let schedule: Schedule = schedule.parse().unwrap();
        schedule.next_after(&now.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_schedule_counts_in_the_tenants_zone_through_both_clock_changes() {
        assert_eq!(
            next("*/10 * * * *", "2026-06-01T10:03:00+02:00[Europe/Paris]"),
            "2026-06-01T10:10:00+02:00[Europe/Paris]"
        );
        assert_eq!(
            next("every 10m", "2026-06-01T10:03:00+02:00[Europe/Paris]"),
            "2026-06-01T10:13:00+02:00[Europe/Paris]"
        );
        // 02:30 does not exist on this day: it runs when the gap is over.
        assert_eq!(
            next("30 2 * * *", "2026-03-29T01:00:00+01:00[Europe/Berlin]"),
            "2026-03-29T03:00:00+02:00[Europe/Berlin]"
        );
        // 02:30 exists twice: it runs once.
        let first = next("30 2 * * *", "2026-10-25T01:00:00+02:00[Europe/Berlin]");
        assert_eq!(first, "2026-10-25T02:30:00+02:00[Europe/Berlin]");
        assert_eq!(next("30 2 * * *", &first), "2026-10-26T02:30:00+01:00[Europe/Berlin]");
    }

    #[test]
    fn a_schedule_that_is_none_is_refused() {
        for bad in [
            "",
            "* * * *",
            "* * * * * *",
            "61 * * * *",
            "0 0 30 2 *",
            "every",
            "every 0m",
            "hourly",
            "@often",
            "* * * * ö",
        ] {
            assert!(bad.parse::<Schedule>().is_err(), "{bad:?}");
        }
        assert!("0 0 29 2 *".parse::<Schedule>().is_ok(), "29 February comes");
    }

    #[test]
    fn a_misspelt_time_zone_is_answered_with_the_nearest() {
        let misfit = "Europe/Pariss".parse::<Zone>().unwrap_err();
        assert_eq!(misfit.hint.as_deref(), Some("did you mean `Europe/Paris`?"));
        assert_eq!("Europe/Paris".parse::<Zone>().unwrap().to_string(), "Europe/Paris");
    }
}
