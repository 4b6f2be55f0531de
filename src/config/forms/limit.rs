//! `10%, at least 3, at most 200`: the limits of the guard.

use std::fmt;

use super::{InvalidForm, TextForm, text_form};

/// A limit: a share of the whole between two fixed numbers, a fixed number, or none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    /// The share, in hundredths of a percent.
    percent: Option<u32>,
    at_least: Option<u64>,
    at_most: Option<u64>,
}

impl Limit {
    /// No limit at all.
    pub const NONE: Self = Self { percent: None, at_least: None, at_most: None };

    /// A share in whole percent.
    pub(crate) const fn of_percent(percent: u32) -> Self {
        Self { percent: Some(percent * 100), at_least: None, at_most: None }
    }

    /// Never less than `n` of anything, however small the whole is.
    pub(crate) const fn at_least(self, n: u64) -> Self {
        Self { at_least: Some(n), ..self }
    }

    /// Never more than `n`, however large the whole is.
    pub(crate) const fn at_most(self, n: u64) -> Self {
        Self { at_most: Some(n), ..self }
    }

    /// How many of `whole` are allowed: the share rounded down, lifted to the least, cut to the most. `None` is no limit.
    pub fn allowed(&self, whole: u64) -> Option<u64> {
        let share = self.percent.map(|percent| {
            let share = u128::from(whole) * u128::from(percent) / 10_000;
            u64::try_from(share).unwrap_or(u64::MAX)
        });
        match (share, self.at_most) {
            (None, most) => most,
            (Some(share), most) => Some(share.max(self.at_least.unwrap_or(0)).min(most.unwrap_or(u64::MAX))),
        }
    }

    /// Whether there is no limit.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// Whether it allows more than `other` for at least one size of the whole, where what is counted is a part of that: then 100%
    /// allows as much as there is. Shares are compared before they are rounded down: a share that is larger counts as looser although
    /// rounding may hide that.
    pub fn is_looser_than(&self, other: &Self) -> bool {
        if other.percent == Some(WHOLE) && !self.is_none() {
            return compare(self.top(), other.top()).is_gt();
        }
        self.allows_more_than(other)
    }

    /// The same where more can be counted than there is now, such as new accounts.
    pub fn allows_more_than(&self, other: &Self) -> bool {
        if self.is_none() || other.is_none() {
            return self.is_none() && !other.is_none();
        }
        let larger_share = match (self.percent, other.percent) {
            (Some(mine), Some(theirs)) => mine > theirs && compare(self.top(), other.least()).is_gt(),
            _ => false,
        };
        larger_share || self.least() > other.least() || compare(self.top(), other.top()).is_gt()
    }

    /// A limit that is looser than neither: the stricter one, or where each is stricter for some sizes, the stricter parts of both.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        if !self.is_looser_than(other) {
            return *self;
        }
        if !other.is_looser_than(self) {
            return *other;
        }
        let smaller = |mine: Option<u64>, theirs: Option<u64>| mine.into_iter().chain(theirs).min();
        let percent = self.percent.into_iter().chain(other.percent).min();
        let at_most = smaller(self.at_most, other.at_most);
        // Without a share a limit is a number that lifts nothing.
        let lifted = |one: &Self| one.percent.map(|_| one.at_least.unwrap_or(0));
        let at_least = smaller(lifted(self), lifted(other)).filter(|least| *least > 0);
        let at_least = at_least.map(|least| at_most.map_or(least, |most| least.min(most)));
        Self { percent, at_least, at_most }
    }

    /// What is allowed of nothing.
    fn least(&self) -> Option<u64> {
        self.allowed(0)
    }

    /// The most that is ever allowed; `None` if that grows with the whole.
    fn top(&self) -> Option<u64> {
        match self.percent {
            Some(0) => self.least(),
            _ => self.at_most,
        }
    }
}

/// All of it, in hundredths of a percent.
const WHOLE: u32 = 10_000;

/// Compares two numbers of which `None` is the largest.
fn compare(one: Option<u64>, other: Option<u64>) -> std::cmp::Ordering {
    one.is_none().cmp(&other.is_none()).then(one.cmp(&other))
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.percent, self.at_most) {
            (None, None) => return f.write_str("none"),
            (None, Some(most)) => return write!(f, "{most}"),
            (Some(percent), _) if percent % 100 == 0 => write!(f, "{}%", percent / 100)?,
            (Some(percent), _) => write!(f, "{}.{:02}%", percent / 100, percent % 100)?,
        }
        if let Some(least) = self.at_least {
            write!(f, ", at least {least}")?;
        }
        match self.at_most {
            Some(most) => write!(f, ", at most {most}"),
            None => Ok(()),
        }
    }
}

/// As it is written in a file: for the documented defaults.
impl serde::Serialize for Limit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

const HINT: &str = "write `10%`, `10%, at least 3, at most 200`, a whole number, or `none`";

// The keywords before its numbers.
const AT_LEAST: &str = "at least";
const AT_MOST: &str = "at most";

impl TextForm for Limit {
    const FORMAT: &'static str = "limit";
    const DESCRIPTION: &'static str = "A share, if need be between two numbers; or a number; or `none`.";
    const EXAMPLES: &'static [&'static str] = &["10%, at least 3, at most 200", "20%", "500", "none"];
    const NUMBER_TOO: bool = true;

    fn read(text: &str) -> Result<Self, InvalidForm> {
        if text.trim() == "none" {
            return Ok(Self::NONE);
        }
        let mut limit = Self::NONE;
        let mut start = 0;
        for part in text.split(',') {
            limit.take(part.trim()).map_err(|message| {
                let from = start + (part.len() - part.trim_start().len());
                InvalidForm { at: Some(from..from + part.trim().len()), ..InvalidForm::new(message, HINT) }
            })?;
            start += part.len() + 1;
        }
        limit.fits_together()
    }
}

impl Limit {
    /// Takes in one part of the text.
    fn take(&mut self, part: &str) -> Result<(), String> {
        let twice = |what: &str| Err(format!("{what} is given twice"));
        if let Some(percent) = part.strip_suffix('%') {
            if self.percent.replace(hundredths(percent.trim())?).is_some() {
                return twice("the share");
            }
        } else if let Some(least) = part.strip_prefix(AT_LEAST) {
            if self.at_least.replace(whole(least.trim())?).is_some() {
                return twice("`at least`");
            }
        } else {
            let most = part.strip_prefix(AT_MOST).unwrap_or(part);
            if self.at_most.replace(whole(most.trim())?).is_some() {
                return twice("`at most`");
            }
        }
        Ok(())
    }

    fn fits_together(self) -> Result<Self, InvalidForm> {
        if self.percent.is_none() && self.at_least.is_some() {
            return Err(InvalidForm::new("`at least` needs a share that it lifts", HINT));
        }
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) if least > most => Err(InvalidForm::new(
                format!("`at least {least}` is more than `at most {most}`"),
                "the first must not be above the second",
            )),
            _ => Ok(self),
        }
    }
}

fn whole(text: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or_else(|| format!("{text:?} is not a limit"))
}

/// `2.5` → 250: at most two decimals, at most 100.
fn hundredths(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is not a percentage from 0 to 100 with at most two decimals");
    let (units, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(units) || !digits(decimals) || decimals.len() > 2 || units.len() > 3 {
        return Err(wrong());
    }
    let units: u32 = units.parse().map_err(|_| wrong())?;
    let decimals: u32 = format!("{decimals:0<2}").parse().map_err(|_| wrong())?;
    let all = units * 100 + decimals;
    if all > 10_000 { Err(wrong()) } else { Ok(all) }
}

text_form!(Limit);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn limit(text: &str) -> Limit {
        text.parse().unwrap()
    }

    #[test]
    fn i2_a_share_is_rounded_down_then_lifted_then_cut() {
        let usual = limit("10%, at least 3, at most 200");
        for (whole, allowed) in [(0, 3), (10, 3), (39, 3), (40, 4), (49, 4), (2_000, 200), (1_000_000, 200)] {
            assert_eq!(usual.allowed(whole), Some(allowed), "of {whole}");
        }
        assert_eq!(limit("20%").allowed(9), Some(1));
        assert_eq!(limit("2.5%").allowed(1000), Some(25));
        assert_eq!(limit("0%").allowed(1000), Some(0));
        assert_eq!(limit("500").allowed(7), Some(500));
        assert_eq!(limit("at most 500").allowed(7), Some(500));
        assert_eq!(limit("none").allowed(7), None);
        assert_eq!(limit("100%").allowed(u64::MAX), Some(u64::MAX));
    }

    #[test]
    fn i2_what_is_not_a_limit_is_refused() {
        for bad in [
            "",
            "ten",
            "10 %%",
            "101%",
            "-1%",
            "1.234%",
            "-3",
            "10%, 20%",
            "at least 3",
            "10%, at least 9, at most 8",
            "10%,",
            "none, at most 3",
            "1e3",
        ] {
            assert!(bad.parse::<Limit>().is_err(), "{bad:?}");
        }
        assert_eq!("10%, at leest 3".parse::<Limit>().unwrap_err().at, Some(5..15));
    }

    const MANY: [&str; 16] = [
        "none",
        "0%",
        "0%, at least 3",
        "0",
        "3",
        "50",
        "200",
        "5%",
        "5%, at most 50",
        "10%",
        "10%, at least 3",
        "10%, at least 3, at most 200",
        "10%, at least 50, at most 200",
        "20%, at most 3",
        "50%, at least 200",
        "100%",
    ];

    fn more(one: Option<u64>, other: Option<u64>) -> bool {
        compare(one, other).is_gt()
    }

    /// Sizes at which limits such as [`MANY`] bend, all small ones, and very large ones.
    fn sizes() -> impl Iterator<Item = u64> {
        (0..6000).chain([10_000, 1_000_000, 1_000_000_000_000, u64::MAX])
    }

    #[test]
    fn sec7_a_limit_is_looser_when_it_allows_more_of_some_size() {
        for one in MANY.map(limit) {
            for other in MANY.map(limit) {
                let allows_more = sizes().any(|whole| more(one.allowed(whole), other.allowed(whole)));
                assert_eq!(one.allows_more_than(&other), allows_more, "{one} and {other}");
                let part = |one: &Limit, whole: u64| one.allowed(whole).map(|allowed| allowed.min(whole));
                let allows_more = sizes().any(|whole| more(part(&one, whole), part(&other, whole)));
                assert_eq!(one.is_looser_than(&other), allows_more, "{one} and {other}, of a part");
            }
        }
        assert!(limit("10%, at least 3, at most 200").is_looser_than(&limit("5%, at least 5")), "of many");
        assert!(limit("5%, at least 5").is_looser_than(&limit("10%, at least 3, at most 200")), "of few");
        assert!(!limit("10%, at least 3, at most 200").is_looser_than(&limit("100%")), "back from all to the usual");
        assert!(limit("10%, at least 3").allows_more_than(&limit("100%")), "three accounts more than there are two");
        assert!(limit("60%, at most 1").is_looser_than(&limit("50%, at most 1")), "although rounding hides it");
    }

    #[test]
    fn sec7_the_stricter_of_two_limits_allows_no_more_than_either() {
        for one in MANY.map(limit) {
            assert_eq!(one.stricter(&one), one);
            for other in MANY.map(limit) {
                let both = one.stricter(&other);
                let part = |one: &Limit, whole: u64| one.allowed(whole).map(|allowed| allowed.min(whole));
                for whole in sizes() {
                    assert!(!more(part(&both, whole), part(&one, whole)), "{both} of {one} and {other}: {whole}");
                    assert!(!more(part(&both, whole), part(&other, whole)), "{both} of {one} and {other}: {whole}");
                }
                assert_eq!(limit(&both.to_string()), both, "it can be written down");
            }
        }
        assert_eq!(limit("none").stricter(&limit("20%")), limit("20%"));
        assert_eq!(limit("10%, at least 3, at most 200").stricter(&limit("50")), limit("10%, at least 3, at most 50"));
    }

    #[test]
    fn a_limit_shows_as_it_is_written() {
        for text in ["10%, at least 3, at most 200", "20%, at least 3", "5%", "2.50%", "500", "none"] {
            assert_eq!(limit(text).to_string(), text);
        }
    }
}
