//! Until when a secret is good. In: what the file says of it, and the secret. Out: an instant, and how near it is.
//!
//! A token that is a JSON Web Token says itself when it expires (RFC 7519 §4.1.4). It is not verified, only believed so far as to
//! warn: whoever made it knows best, and the other side decides.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::tenant::SecretRef;
use crate::clock;

/// When a secret is no longer taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// Which: the key in the tenant file, such as `target.token`.
    pub secret: String,
    /// When.
    pub at: Timestamp,
}

/// How near the end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nearness {
    /// Within thirty days.
    Month,
    /// Within seven days.
    Week,
    /// Within a day.
    Day,
    /// It has come.
    Over,
}

impl Expiry {
    /// How near the end is; `None` while there is time.
    pub fn nearness(&self, now: Timestamp) -> Option<Nearness> {
        let left = self.at.duration_since(now);
        match () {
            () if left <= SignedDuration::ZERO => Some(Nearness::Over),
            () if left <= SignedDuration::from_hours(24) => Some(Nearness::Day),
            () if left <= SignedDuration::from_hours(7 * 24) => Some(Nearness::Week),
            () if left <= SignedDuration::from_hours(30 * 24) => Some(Nearness::Month),
            () => None,
        }
    }

    /// One line for people: `target.token expires in 6 days (2026-12-01 00:00 UTC)`.
    pub fn words(&self, now: Timestamp) -> String {
        let hours = self.at.duration_since(now).as_hours();
        let when = match hours {
            _ if self.at <= now => return format!("{} expired at {}", self.secret, clock::shown(self.at)),
            0..48 => format!("{} hours", hours.max(1)),
            _ => format!("{} days", hours / 24),
        };
        format!("{} expires in {when} ({})", self.secret, clock::shown(self.at))
    }
}

/// When a secret expires, as far as that is known: what the file says, or the token itself, whichever is sooner.
pub fn of(place: &SecretRef, secret: Option<&str>) -> Option<Timestamp> {
    let written = place.expires.map(super::forms::Day::begins);
    [written, secret.and_then(told_by_token)].into_iter().flatten().min()
}

fn told_by_token(secret: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: serde_json::Number,
    }
    let mut parts = secret.split('.');
    let (_header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    // A NumericDate may have a fraction.
    let seconds = claims.exp.as_i64().or_else(|| claims.exp.as_f64().map(|exp| exp as i64))?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("eyJhbGciOiJub25lIn0.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_json_web_token_says_when_it_expires_and_nothing_else_does() {
        let place = SecretRef::default();
        for claims in [r#"{"exp": 1796083200}"#, r#"{"iss": "app", "exp": 1796083200.7}"#] {
            assert_eq!(of(&place, Some(&token(claims))), Some(at("2026-12-01T00:00:00Z")), "{claims}");
        }
        let odd = [r#"{"iat": 1}"#, r#"{"exp": "soon"}"#, r#"{"exp": 1e300}"#, "[]", "{"].map(token);
        let plain = ["s3cret", "a.b", "a.b.c", "a.b.c.d", "..", ""].map(str::to_owned);
        for secret in odd.iter().chain(&plain) {
            assert_eq!(of(&place, Some(secret)), None, "{secret}");
        }
    }

    #[test]
    fn what_ends_first_counts() {
        let written = SecretRef { expires: Some("2026-11-30".parse().unwrap()), ..SecretRef::default() };
        assert_eq!(of(&written, Some(&token(r#"{"exp": 1796083200}"#))), Some(at("2026-11-30T00:00:00Z")));
        assert_eq!(of(&written, None), Some(at("2026-11-30T00:00:00Z")));
    }

    #[test]
    fn the_warnings_come_thirty_seven_and_one_day_before() {
        let expiry = Expiry { secret: "target.token".to_owned(), at: at("2026-12-01T00:00:00Z") };
        let told = |now: &str| (expiry.nearness(at(now)), expiry.words(at(now)));
        assert_eq!(told("2026-10-31T23:00:00Z").0, None);
        assert_eq!(told("2026-11-01T00:00:00Z").0, Some(Nearness::Month));
        assert_eq!(told("2026-11-24T00:00:00Z").0, Some(Nearness::Week));
        assert_eq!(told("2026-11-24T00:00:00Z").1, "target.token expires in 7 days (2026-12-01 00:00 UTC)");
        assert_eq!(told("2026-11-30T00:00:00Z").0, Some(Nearness::Day));
        assert_eq!(told("2026-11-30T18:00:00Z").1, "target.token expires in 6 hours (2026-12-01 00:00 UTC)");
        assert_eq!(told("2026-12-01T00:00:00Z").0, Some(Nearness::Over));
        assert_eq!(told("2026-12-02T00:00:00Z").1, "target.token expired at 2026-12-01 00:00 UTC");
    }
}
