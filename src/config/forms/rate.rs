//! `10/s`, `600/m`, `1000/h`.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::{InvalidForm, TextForm, text_form};

/// How many in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

impl Rate {
    /// How many.
    pub fn count(self) -> NonZeroU32 {
        self.count
    }

    /// In which time.
    pub fn per(self) -> Duration {
        Duration::from_secs(match self.unit {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3600,
        })
    }

    /// The time from one to the next when they are spread evenly.
    pub fn interval(self) -> Duration {
        self.per() / self.count.get()
    }

    /// A share of it, in percent; never nothing.
    #[must_use]
    pub fn share(self, percent: u8) -> Self {
        let count = |number: u64| NonZeroU32::new(u32::try_from(number).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN);
        // By the hour, so that a share of one a second is not one a second again.
        let an_hour = u64::from(self.count.get()) * (3600 / self.per().as_secs().max(1));
        Self { count: count(an_hour * u64::from(percent) / 100), unit: Unit::Hour }
    }

    /// So many a second, as default and in tests.
    pub const fn per_second(count: NonZeroU32) -> Self {
        Self { count, unit: Unit::Second }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => "s",
            Unit::Minute => "m",
            Unit::Hour => "h",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

impl TextForm for Rate {
    const FORMAT: &'static str = "rate";
    const DESCRIPTION: &'static str = "How many in which time: per second, minute or hour.";
    const EXAMPLES: &'static [&'static str] = &["10/s", "600/m", "1000/h"];

    fn read(text: &str) -> Result<Self, InvalidForm> {
        const HINT: &str = "write a whole number and a unit of time: `10/s`, `600/m` or `1000/h`";
        let wrong = |message: String| InvalidForm::new(message, HINT);
        let (count, unit) = text.split_once('/').ok_or_else(|| wrong(format!("{text:?} is not a rate")))?;
        let unit = match unit.trim() {
            "s" | "sec" | "second" => Unit::Second,
            "m" | "min" | "minute" => Unit::Minute,
            "h" | "hour" => Unit::Hour,
            other => return Err(wrong(format!("a rate is per second, minute or hour, not per {other:?}"))),
        };
        let number = count.trim();
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong(format!("{number:?} is not a whole number")));
        }
        let count: u32 = number.parse().map_err(|_| wrong(format!("{number} is more than any app takes")))?;
        let count = NonZeroU32::new(count).ok_or_else(|| {
            InvalidForm::new("a rate of 0 would never send anything", "to stop a tenant use `rosterd pause`")
        })?;
        if count.get() > 100_000 {
            return Err(wrong(format!("{count} is more than any app takes")));
        }
        Ok(Self { count, unit })
    }
}

text_form!(Rate);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn i7_a_rate_is_read_and_spread_evenly() {
        for (text, count, per, interval) in
            [("10/s", 10, 1, 100), ("600 / m", 600, 60, 100), ("1000/hour", 1000, 3600, 3600)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.count().get(), rate.per()), (count, Duration::from_secs(per)), "{text}");
            assert_eq!(rate.interval(), Duration::from_millis(interval), "{text}");
            assert_eq!(rate.to_string().parse::<Rate>().unwrap(), rate, "{text}");
        }
    }

    #[test]
    fn i7_a_share_of_a_rate_is_never_more_and_never_nothing() {
        for (text, percent, share) in
            [("10/s", 25, "9000/h"), ("1/h", 1, "1/h"), ("600/m", 100, "36000/h"), ("1/s", 50, "1800/h")]
        {
            assert_eq!(text.parse::<Rate>().unwrap().share(percent).to_string(), share, "{percent} % of {text}");
        }
    }

    #[test]
    fn i7_what_is_not_a_rate_is_refused() {
        for bad in ["", "10", "ten/s", "0/s", "-1/s", "1.5/s", "10/d", "99999999999/s", "200000/s", "/s", "10/"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad:?}");
        }
    }
}
