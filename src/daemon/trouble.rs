//! A tenant that fails: since when, for what, and when it is worth another try. In: how runs ended. Out: pauses.
//!
//! Pure. What fails is tried less and less often. A credential that was refused is not tried often at all, since directories and
//! apps lock an account after a handful of wrong ones; it is tried at once when the secret is another one, or when somebody
//! reloads. What fails for a day is in quarantine: a few tries a day, until one succeeds.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::config::expiry::Expiry;
use crate::tenancy::SecretsMark;

/// For so long, and so often, a tenant may fail before it is in quarantine.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
const PATIENT_TRIES: u32 = 5;

/// The pause after the first failure, twice as long after the next, and the longest.
const USUAL: (SignedDuration, SignedDuration) = (SignedDuration::from_mins(1), SignedDuration::from_hours(1));
const REFUSED: (SignedDuration, SignedDuration) = (SignedDuration::from_mins(15), SignedDuration::from_hours(6));
const QUARANTINE: SignedDuration = SignedDuration::from_hours(6);

/// Whether a secret that was refused is another one now is looked at this often.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// Why a tenant fails, where that makes a difference to what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A secret is missing, or directory or app refuse it. Nothing is asked of them until there is another one.
    Credential,
}

/// What a run tells beside how it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunContext {
    /// Why it failed, if that is known.
    pub cause: Option<Cause>,
    /// The secrets with which it ran.
    pub mark: Option<SecretsMark>,
    /// When they expire.
    pub expiries: Vec<Expiry>,
}

/// What is known of a tenant's failures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FailureHistory {
    /// Failures in a row.
    pub(super) failures: u32,
    /// Since when.
    pub(super) since: Option<Timestamp>,
    pub(super) cause: Option<Cause>,
    /// The secrets that were refused.
    mark: Option<SecretsMark>,
    looked: Option<Timestamp>,
}

impl FailureHistory {
    /// As an earlier process left it.
    pub(super) fn recalled(failures: u32, since: Option<Timestamp>) -> Self {
        Self { failures, since, ..Self::default() }
    }

    /// A run came to nothing. Says whether that has lasted too long.
    pub(super) fn failed(&mut self, about: &RunContext, now: Timestamp) -> bool {
        self.failures = self.failures.saturating_add(1);
        let since = *self.since.get_or_insert(now);
        self.cause = about.cause;
        self.mark = about.mark;
        self.looked = Some(now);
        self.failures >= PATIENT_TRIES && now.duration_since(since) >= PATIENCE
    }

    /// How long to leave it alone after the last failure.
    pub(super) fn pause(&self, quarantined: bool) -> SignedDuration {
        let (first, longest) = match self.cause {
            _ if quarantined => return QUARANTINE,
            Some(Cause::Credential) => REFUSED,
            None => USUAL,
        };
        (first * 2_i32.saturating_pow(self.failures.saturating_sub(1).min(10))).min(longest)
    }

    /// The secrets that were refused, when it is time to look whether they are still the same.
    pub(super) fn suspects(&mut self, now: Timestamp) -> Option<SecretsMark> {
        let mark = self.mark.filter(|_| self.cause == Some(Cause::Credential))?;
        if self.looked.is_some_and(|looked| now.duration_since(looked).abs() < LOOK_EVERY) {
            return None;
        }
        self.looked = Some(now);
        Some(mark)
    }
}
