//! Quotas that several tenants draw on. In: an address, the credential for it, a rate. Out: a pace, the same for all who call the same
//! address as the same client: directories and apps count requests by client, not by tenant.
//!
//! A quota outlives the run that asked for it, so that the next one does not begin with a full burst and a `Retry-After` is kept.
//! Tenants that state different rates for one client have a bucket each; only they could say which of the two is right.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::pace::{BucketSpec, Pacer};
use super::{Secret, TokenSlots};
use crate::config::profile::RateSetting;

/// A quota nobody asked for in so long begins anew: every bucket is full again by then, and few pauses are longer.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// The quotas of this process, and the tokens that its clients were granted.
#[derive(Default)]
pub struct Quotas {
    shared: Mutex<HashMap<QuotaKey, SharedQuota>>,
    tokens: TokenSlots,
}

/// A digest of address, credential and rate: the credential itself is not kept.
type QuotaKey = [u8; 32];

struct SharedQuota {
    pacer: Pacer,
    asked: Instant,
}

impl Quotas {
    /// The pace of a client of `address`, with its own number of calls in flight (0 counts as 1).
    pub fn pacer(&self, address: &str, secret: Option<&Secret>, rate: &RateSetting, in_flight: u32) -> Pacer {
        let now = Instant::now();
        let mut quotas = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        quotas.retain(|_, kept| kept.pacer.has_sharers() || now.duration_since(kept.asked) < FORGOTTEN_AFTER);
        let new = || SharedQuota { pacer: pacer(rate, in_flight), asked: now };
        let kept = quotas.entry(key(address, secret, rate)).or_insert_with(new);
        kept.asked = now;
        kept.pacer.sharing_quota(in_flight)
    }

    /// The tokens that were granted, which outlive the run that asked for them too.
    pub fn tokens(&self) -> &TokenSlots {
        &self.tokens
    }
}

/// The pace that a rate setting describes, shared with nobody.
pub fn pacer(rate: &RateSetting, in_flight: u32) -> Pacer {
    let spec = |bucket: &crate::config::profile::BucketConfig| BucketSpec {
        matches: bucket.matches.clone(),
        rate: bucket.rate,
        burst: bucket.burst,
    };
    Pacer::new(&rate.0.iter().map(spec).collect::<Vec<_>>(), in_flight)
}

fn key(address: &str, secret: Option<&Secret>, rate: &RateSetting) -> QuotaKey {
    let mut digest = Sha256::new();
    let mut part = |text: &str| {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    };
    part(address.trim_end_matches('/'));
    part(secret.map(Secret::expose).unwrap_or_default());
    part(&format!("{:?}", rate.0));
    digest.finalize().into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const APP: &str = "https://app.example.org/scim/v2";

    fn rate(text: &str) -> RateSetting {
        toml::from_str::<HashMap<String, RateSetting>>(&format!("rate = {text:?}")).unwrap().remove("rate").unwrap()
    }

    fn token(text: &str) -> Secret {
        Secret::new(text).unwrap()
    }

    async fn seconds_for(pacers: &[&Pacer], calls: usize) -> u64 {
        let started = Instant::now();
        for at in 0..calls {
            drop(pacers.iter().cycle().nth(at).unwrap().acquire("GET", "Users").await);
        }
        started.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn i7_tenants_of_one_client_share_its_rate_and_its_pauses() {
        let quotas = Quotas::default();
        let ten = rate("10/s");
        let one = quotas.pacer(APP, Some(&token("t")), &ten, 4);
        let other = quotas.pacer("https://app.example.org/scim/v2/", Some(&token("t")), &ten, 2);
        assert_eq!(seconds_for(&[&one, &other], 100).await, 9, "together no faster than one");
        one.hold_off(Duration::from_secs(30));
        assert!(other.held_for() > Duration::from_secs(29), "what one was asked to wait, both wait");
        assert_eq!((one.free_slots(), other.free_slots()), (4, 2), "calls in flight are each tenant's own");
    }

    #[tokio::test(start_paused = true)]
    async fn another_client_or_another_app_is_another_quota() {
        let quotas = Quotas::default();
        let ten = rate("10/s");
        let one = quotas.pacer(APP, Some(&token("t")), &ten, 1);
        for (address, secret) in [(APP, "u"), ("https://other.example.org/scim/v2", "t")] {
            let other = quotas.pacer(address, Some(&token(secret)), &ten, 1);
            one.hold_off(Duration::from_secs(5));
            assert_eq!(other.held_for(), Duration::ZERO, "{address} {secret}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn i7_the_next_run_goes_on_where_the_last_one_was() {
        let quotas = Quotas::default();
        let slow = rate("1/s");
        let spend = |quotas: &Quotas| quotas.pacer(APP, None, &slow, 1);
        assert_eq!(seconds_for(&[&spend(&quotas)], 5).await, 4);
        assert_eq!(seconds_for(&[&spend(&quotas)], 5).await, 5, "without a new burst");
        tokio::time::advance(FORGOTTEN_AFTER * 2).await;
        drop(quotas.pacer("https://elsewhere.example.org", None, &slow, 1));
        assert_eq!(quotas.shared.lock().unwrap().len(), 1, "and is forgotten when nobody needs it");
    }
}
