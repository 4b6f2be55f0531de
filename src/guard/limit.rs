//! A limit such as `10%, at least 3, at most 200`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many are too many. `none` is the limit that nothing exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Limit {
    /// No limit.
    None,
    /// At most this many.
    Count(u64),
    /// A share, with a floor that keeps small tenants workable and a ceiling that keeps large ones safe.
    Share {
        /// Per cent of the whole.
        percent: f64,
        /// This many are always allowed.
        at_least: u64,
        /// More than this many never.
        at_most: Option<u64>,
    },
}

impl Limit {
    /// How many of `whole` are allowed; `None` for no limit.
    pub fn of(&self, whole: u64) -> Option<u64> {
        match *self {
            Self::None => None,
            Self::Count(count) => Some(count),
            Self::Share { percent, at_least, at_most } => {
                let share = (whole as f64 * percent / 100.0).floor() as u64;
                Some(share.min(at_most.unwrap_or(u64::MAX)).max(at_least))
            }
        }
    }

    /// Whether `count` of `whole` is more than allowed.
    pub fn is_exceeded(&self, count: u64, whole: u64) -> bool {
        self.of(whole).is_some_and(|allowed| count > allowed)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Share { percent, at_least, at_most } => {
                write!(f, "{percent}%")?;
                if *at_least > 0 {
                    write!(f, ", at least {at_least}")?;
                }
                match at_most {
                    Some(most) => write!(f, ", at most {most}"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i2_floors_and_ceilings() {
        let limit = Limit::Share { percent: 10.0, at_least: 3, at_most: Some(200) };
        for (whole, allowed) in [(0, 3), (5, 3), (30, 3), (40, 4), (1_000, 100), (5_000, 200), (1_000_000, 200)] {
            assert_eq!(limit.of(whole), Some(allowed), "{whole}");
        }
        assert!(!limit.is_exceeded(3, 5) && limit.is_exceeded(4, 5));
        assert!(!Limit::None.is_exceeded(u64::MAX, 0));
        assert!(Limit::Count(0).is_exceeded(1, 100));
        assert_eq!(limit.to_string(), "10%, at least 3, at most 200");
    }
}
