//! The retry loop, and how long it waits. It takes a call, a judgement of its failures and a way of waiting, and returns the answer or the last
//! failure.
//!
//! Reads of directories and apps, tokens, and writes all go through [`retry`]. What a failure means is said by [`failure`](super::failure).

use std::time::Duration;

use jiff::Timestamp;

use super::date::http_date;
use super::failure::AfterFailure;
use crate::config::profile::Pace;

/// Longer than any pause that is ever waited for; what "a number too large to mean anything" becomes.
const AGES: Duration = Duration::from_secs(365 * 24 * 3600);

/// A small seeded source of numbers for jitter (SplitMix64): the same seed gives the same pauses, so that a simulated world
/// can be replayed. Not for secrets.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// Starts the sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, evenly spread over `0.0..1.0`.
    pub fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // The upper 53 bits are exactly what an f64 holds.
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What became of the time between two tries.
pub enum Waited<T, E> {
    /// The call is tried again.
    Again,
    /// It is not: the answer was found elsewhere, or nothing more is to be gained.
    Over(Result<T, E>),
}

/// Tries a call until it goes well or `judge` says that nothing more is to be done. `wait` is given the step, the failure and the number of the
/// try (from 1).
///
/// # Errors
/// The last failure, with the number of tries.
pub async fn retry<T, E, F, W>(
    call: impl Fn() -> F,
    judge: impl Fn(&E, u32) -> AfterFailure,
    wait: impl Fn(AfterFailure, E, u32) -> W,
) -> Result<T, (E, u32)>
where
    F: Future<Output = Result<T, E>>,
    W: Future<Output = Waited<T, E>>,
{
    let mut tried = 1;
    loop {
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let step = judge(&error, tried);
        if !step.goes_on() {
            return Err((error, tried));
        }
        match wait(step, error, tried).await {
            Waited::Again => tried = tried.saturating_add(1),
            Waited::Over(ended) => return ended.map_err(|error| (error, tried)),
        }
    }
}

/// Exponential pauses with full jitter: many clients that failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The upper end of the first pause.
    pub base: Duration,
    /// The upper end of every pause, and the longest wish of the other side that is granted.
    pub cap: Duration,
}

impl From<&Pace> for Backoff {
    fn from(pace: &Pace) -> Self {
        Self { base: Duration::from_millis(pace.backoff_base_ms), cap: Duration::from_millis(pace.backoff_cap_ms) }
    }
}

impl Backoff {
    /// The upper end of the pause after try number `tried` (1 for the first).
    fn ceiling(&self, tried: u32) -> Duration {
        self.base.saturating_mul(1_u32 << tried.saturating_sub(1).min(31)).min(self.cap)
    }

    /// A pause without jitter, for a single sender: what the other side asked for, if that is longer.
    pub fn least(&self, tried: u32, asked: Option<Duration>) -> Duration {
        self.ceiling(tried).max(asked.unwrap_or_default().min(self.cap))
    }

    /// The pause after try number `tried` (1 for the first) has failed.
    ///
    /// What the other side asked for is granted, but never less than `base` (it may ask for zero, for ever) and never more
    /// than `cap` (it may ask for a year). Otherwise the pause is drawn from zero to `base · 2^(tried-1)`; a tenth of `base`
    /// is the least, so that no sequence of draws makes a tight loop.
    pub fn pause(&self, tried: u32, asked: Option<Duration>, dice: &mut Jitter) -> Duration {
        // A floor above the cap would be a configuration mistake; the cap wins.
        let floor = self.base.min(self.cap);
        if let Some(asked) = asked {
            return asked.clamp(floor, self.cap);
        }
        self.ceiling(tried).mul_f64(dice.roll()).max(floor / 10)
    }
}

/// `Retry-After` (RFC 9110 §10.2.3): seconds, whole or fractional, or a date. `None` when it says nothing usable.
///
/// A date is compared with `sent`, the answer's own `Date`, so that a wrong clock on either side does not matter; `now`
/// stands in where there is none. A date in the past means "at once".
pub fn retry_after(value: &str, sent: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return match seconds {
            s if !s.is_finite() || s < 0.0 => None,
            s => Some(Duration::try_from_secs_f64(s).unwrap_or(AGES).min(AGES)),
        };
    }
    let until = http_date(value)?;
    let wait = until.duration_since(sent.unwrap_or(now));
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO).min(AGES))
}

/// How long to hold off because a quota is used up: `remaining` is 0 and `reset` says when there is more, in seconds from now
/// or, where the number is too large for that, as a Unix time. `None` when there is quota left or the headers say nothing.
pub fn quota_pause(remaining: &str, reset: &str, sent: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    const TOO_LARGE_FOR_SECONDS: f64 = 1e9;
    // Some send several limits in one header ("0, 12"); the first is the one about this call.
    let first = |text: &str| text.split([',', ';']).next().and_then(|n| n.trim().parse::<f64>().ok());
    let (left, reset) = (first(remaining)?, first(reset)?);
    if left >= 1.0 || !reset.is_finite() || reset < 0.0 {
        return None;
    }
    if reset < TOO_LARGE_FOR_SECONDS {
        return Duration::try_from_secs_f64(reset).ok();
    }
    let until = Timestamp::from_second(reset as i64).ok()?;
    Some(Duration::try_from(until.duration_since(sent.unwrap_or(now))).unwrap_or(Duration::ZERO).min(AGES))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(300) };

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn t3_every_spelling_of_retry_after_leads_to_a_sane_pause() {
        let (base, cap) = (BACKOFF.base, BACKOFF.cap);
        for (value, pause) in [
            ("7", Some(Duration::from_secs(7))),
            (" 7 ", Some(Duration::from_secs(7))),
            ("1.5", Some(Duration::from_millis(1500))),
            ("0", Some(base)),
            ("1000000000000", Some(cap)),
            ("1e300", Some(cap)),
            ("Thu, 01 Jan 2026 00:00:09 GMT", Some(Duration::from_secs(9))),
            ("Wed, 31 Dec 2025 23:00:00 GMT", Some(base)),
            ("Fri, 01 Jan 2038 00:00:00 GMT", Some(cap)),
            ("-5", None),
            ("NaN", None),
            ("Infinity", None),
            ("-inf", None),
            ("", None),
            ("soon", None),
        ] {
            let asked = retry_after(value, None, now());
            assert_eq!(asked.map(|a| BACKOFF.pause(1, Some(a), &mut Jitter::new(1))), pause, "{value:?}");
        }
    }

    #[test]
    fn t3_a_date_is_measured_on_the_clock_that_wrote_it() {
        // Their clock is an hour ahead of ours; they ask for 20 seconds.
        let theirs = "2026-01-01T01:00:00Z".parse().unwrap();
        let asked = retry_after("Thu, 01 Jan 2026 01:00:20 GMT", Some(theirs), now());
        assert_eq!(asked, Some(Duration::from_secs(20)));
    }

    #[test]
    fn t4_pauses_grow_with_full_jitter_stay_under_the_cap_and_are_never_nothing() {
        for seed in 0..200 {
            let mut dice = Jitter::new(seed);
            for tried in 1..100 {
                let pause = BACKOFF.pause(tried, None, &mut dice);
                let ceiling = BACKOFF.base.saturating_mul(1 << (tried - 1).min(20)).min(BACKOFF.cap);
                assert!(pause >= BACKOFF.base / 10 && pause <= ceiling, "try {tried}: {pause:?}");
            }
        }
        let mut dice = Jitter::new(7);
        let pauses: Vec<_> = (0..1000).map(|_| BACKOFF.pause(10, None, &mut dice).as_secs_f64()).collect();
        let mean = pauses.iter().sum::<f64>() / 1000.0;
        assert!((110.0..146.0).contains(&mean), "spread over the whole range, so about 128 s on average: {mean}");
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses() {
        let draw = |seed| {
            let mut dice = Jitter::new(seed);
            (1..20).map(|tried| BACKOFF.pause(tried, None, &mut dice)).collect::<Vec<_>>()
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn a_used_up_quota_says_when_it_is_renewed() {
        let pause = |left: &str, reset: &str| quota_pause(left, reset, None, now());
        assert_eq!(pause("0", "30"), Some(Duration::from_secs(30)));
        let in_half_a_minute = (now().as_second() + 30).to_string();
        assert_eq!(pause("0", &in_half_a_minute), Some(Duration::from_secs(30)));
        assert_eq!(pause("0, 500", "30, 3000"), Some(Duration::from_secs(30)));
        assert_eq!(pause("1", "30"), None);
        assert_eq!(pause("0", "NaN"), None);
        assert_eq!(pause("0", "-1"), None);
        assert_eq!(pause("lots", "30"), None);
    }
}
