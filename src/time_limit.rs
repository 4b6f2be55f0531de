//! How long one reading may take. In: what the operator wrote, what the last accepted reading was like. Out: a limit, and the
//! sentences that explain it.
//!
//! A directory or an app that answers page after page without end would keep a tenant, and one of the daemon's places, for ever.
//! Depends on nothing else of rosterd.

use std::fmt;
use std::time::Duration;

/// How long one reading of the directory, or of a whole list of the app, may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit {
    after: Duration,
    because: LimitCause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LimitCause {
    Configured,
    LastReading,
    NoReading,
}

impl TimeLimit {
    /// No limit that is worked out is shorter.
    pub const SHORTEST: Duration = Duration::from_secs(30 * 60);
    /// The limit where nothing is known, and the longest that the other side can bring about by what it says itself.
    pub const UNKNOWN: Duration = Duration::from_secs(12 * 3600);
    /// A page counts as at least so long, however fast calls may go: pages come one after the other.
    pub const PAGE: Duration = Duration::from_secs(1);
    /// So many times what a reading needs.
    const TIMES: u32 = 3;

    /// The limit that the operator wrote, or else the one for a reading that needs this long, or else the one for the unknown.
    pub fn new(configured: Option<Duration>, needed: Option<Duration>) -> Self {
        match (configured, needed) {
            (Some(after), _) => Self { after, because: LimitCause::Configured },
            (None, Some(needed)) => {
                let after = needed.saturating_mul(Self::TIMES).max(Self::SHORTEST);
                Self { after, because: LimitCause::LastReading }
            }
            (None, None) => Self { after: Self::UNKNOWN, because: LimitCause::NoReading },
        }
    }

    /// The same, or what a reading of this length would have, if that is longer: for what the other side announces, which is
    /// believed up to [`TimeLimit::UNKNOWN`].
    #[must_use]
    pub fn or_for(self, announced: Duration) -> Self {
        match self.because {
            LimitCause::LastReading => {
                let after = announced.saturating_mul(Self::TIMES).min(Self::UNKNOWN).max(self.after);
                Self { after, ..self }
            }
            LimitCause::Configured | LimitCause::NoReading => self,
        }
    }

    /// How long.
    pub fn after(self) -> Duration {
        self.after
    }

    /// How long a number of pages takes, one after the other, with this time from one call to the next.
    pub fn of_pages(pages: u64, between: Duration) -> Duration {
        between.max(Self::PAGE).saturating_mul(u32::try_from(pages).unwrap_or(u32::MAX))
    }

    /// Where the limit comes from, and how to change it.
    pub fn advice(self) -> String {
        let twice = Span(Duration::from_secs(self.after.as_secs().saturating_mul(2).max(60)));
        let key = format!("read.time_limit = \"{}\" under [target.override_profile]", twice.as_key());
        match self.because {
            LimitCause::Configured => {
                format!("the limit is the profile's read.time_limit; if so much time is really needed, set {key}")
            }
            LimitCause::LastReading => format!(
                "the limit is three times what the last accepted reading needs, at least 30m; if more time is really needed, set {key}"
            ),
            LimitCause::NoReading => {
                format!("the limit for a first reading is 12h; if more time is really needed, set {key}")
            }
        }
    }
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Span(self.after).fmt(f)
    }
}

/// A time as people write it: `45m`, `1h 30m`.
struct Span(Duration);

impl Span {
    /// As a key of a file holds it: one number and one unit.
    fn as_key(&self) -> String {
        let seconds = self.0.as_secs();
        match seconds {
            _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
            _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
            _ => format!("{}m", seconds / 60 + 1),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
        let mut shown = parts.iter().filter(|(number, _)| *number > 0).take(2).peekable();
        if shown.peek().is_none() {
            return f.write_str("0s");
        }
        for (at, (number, unit)) in shown.enumerate() {
            write!(f, "{}{number}{unit}", if at > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn ma7_the_limit_is_the_operators_or_three_times_the_last_reading() {
        let after = |configured, needed| TimeLimit::new(configured, needed).after();
        assert_eq!(after(Some(MINUTE), Some(MINUTE * 600)), MINUTE);
        assert_eq!(after(None, Some(MINUTE)), MINUTE * 30);
        assert_eq!(after(None, Some(MINUTE * 11)), MINUTE * 33);
        assert_eq!(after(None, Some(MINUTE * 1000)), MINUTE * 3000);
        assert_eq!(after(None, None), MINUTE * 720);
    }

    #[test]
    fn ma7_what_the_other_side_announces_is_believed_up_to_twelve_hours() {
        let last = TimeLimit::new(None, Some(MINUTE));
        assert_eq!(last.or_for(MINUTE * 5).after(), MINUTE * 30);
        assert_eq!(last.or_for(MINUTE * 20).after(), MINUTE * 60);
        assert_eq!(last.or_for(Duration::MAX).after(), MINUTE * 720);
        let long = TimeLimit::new(None, Some(MINUTE * 1000));
        assert_eq!(long.or_for(Duration::MAX).after(), MINUTE * 3000, "and never makes a limit shorter");
        assert_eq!(
            TimeLimit::new(Some(MINUTE), None).or_for(Duration::MAX).after(),
            MINUTE,
            "the operator's word counts"
        );
    }

    #[test]
    fn a_limit_is_told_with_the_key_that_changes_it() {
        let shown = |minutes: u32| TimeLimit::new(Some(MINUTE * minutes), None).to_string();
        assert_eq!([shown(45), shown(90), shown(120)], ["45m", "1h 30m", "2h"]);
        assert_eq!(TimeLimit::new(Some(Duration::from_secs(3)), None).to_string(), "3s");
        for limit in
            [TimeLimit::new(None, None), TimeLimit::new(None, Some(MINUTE)), TimeLimit::new(Some(MINUTE), None)]
        {
            assert!(limit.advice().contains("read.time_limit = \""), "{}", limit.advice());
        }
        assert!(TimeLimit::new(None, None).advice().contains("\"24h\""));
    }

    #[test]
    fn a_page_takes_as_long_as_the_rate_says_and_at_least_a_second() {
        assert_eq!(TimeLimit::of_pages(7, Duration::ZERO), Duration::from_secs(7));
        assert_eq!(TimeLimit::of_pages(7, Duration::from_secs(6)), Duration::from_secs(42));
        assert!(TimeLimit::of_pages(u64::MAX, Duration::MAX) == Duration::MAX);
    }
}
