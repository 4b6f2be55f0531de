//! How fast calls may go. In: the buckets of a profile and what the other side says about its limits. Out: permission, in time.
//!
//! [`governor`] decides, tokio sleeps (design decision 16): a waiting call costs a timer, and a test with paused time runs
//! through an hour of calls at once.

use std::num::NonZeroU32;
use std::ops::Add;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::nanos::Nanos;
use governor::{Quota, RateLimiter, middleware::NoOpMiddleware, state::InMemoryState, state::direct::NotKeyed};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::client::{Client, HttpRequest, HttpResponse};
use super::error::SendError;
use super::observer::{Observer, Unobserved};
use crate::config::forms::Rate;

/// Timers ring up to this much late. A bucket forgives a caller that much, or every late wake-up would cost rate.
const TIMER_SLACK: Duration = Duration::from_millis(2);

/// What a bucket hands out of its rate. The rest pays for [`TIMER_SLACK`], so that no window of a second sees more than the rate.
const SHARE: f64 = 0.995;

/// Which calls a bucket counts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Matches {
    All,
    Write,
    Method(String),
    Resource(String, String),
}

impl Matches {
    /// `""`, `write`, `GET`, `POST /Users`.
    fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace();
        match (words.next(), words.next()) {
            (None, _) => Self::All,
            (Some(word), None) if word.eq_ignore_ascii_case("write") => Self::Write,
            (Some(method), None) => Self::Method(method.to_ascii_uppercase()),
            (Some(method), Some(resource)) => {
                Self::Resource(method.to_ascii_uppercase(), resource.trim_matches('/').to_ascii_lowercase())
            }
        }
    }

    fn covers(&self, method: &str, resource: &str) -> bool {
        let is_write = !matches!(method, "GET" | "HEAD");
        match self {
            Self::All => true,
            Self::Write => is_write,
            Self::Method(wanted) => wanted == method,
            Self::Resource(wanted, under) => {
                let method_fits = wanted == method || (wanted == "WRITE" && is_write);
                method_fits && resource.trim_matches('/').eq_ignore_ascii_case(under)
            }
        }
    }
}

/// One token bucket, as the operator describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketSpec {
    /// Which calls it counts: empty for all, `write` for all that change something, a method, or a method and a resource
    /// (`POST /Users`).
    pub matches: String,
    /// How fast.
    pub rate: Rate,
    /// How many may go at once after a pause; 0 counts as 1.
    pub burst: u32,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Tick>>;

struct TokenBucket {
    matches: Matches,
    limiter: Limiter,
    /// What one call takes out of the limiter, which counts in smaller steps than calls; see [`Bucket::new`].
    cost: NonZeroU32,
    /// Callers wait in line, first come, first served: fair between tenants that share the bucket.
    line: tokio::sync::Mutex<()>,
}

impl TokenBucket {
    /// The limiter counts in steps of at most [`TIMER_SLACK`]: its tolerance is then the burst plus one such step, and a
    /// timer that rings late loses nothing. With whole calls as steps the choice would be to lose a call's time at every
    /// late ring, or to allow one call more.
    fn new(spec: &BucketSpec) -> Self {
        let interval = spec.rate.interval().as_secs_f64() / SHARE;
        let steps = (interval / TIMER_SLACK.as_secs_f64()).ceil().max(1.0);
        let step = Duration::from_secs_f64(interval / steps).max(Duration::from_nanos(1));
        let slack = (TIMER_SLACK.as_secs_f64() / step.as_secs_f64()).ceil();
        let tolerance = f64::from(spec.burst.max(1)) * steps + slack;
        // `as` saturates, and none of these is zero or not a number.
        let cost = NonZeroU32::new(steps as u32).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(tolerance as u32).unwrap_or(NonZeroU32::MIN).max(cost);
        let quota =
            Quota::with_period(step).map_or(Quota::per_second(NonZeroU32::MIN), |quota| quota.allow_burst(burst));
        Self {
            matches: Matches::parse(&spec.matches),
            limiter: RateLimiter::direct_with_clock(quota, TokioClock { zero: Instant::now() }),
            cost,
            line: tokio::sync::Mutex::new(()),
        }
    }

    async fn take(&self) {
        loop {
            match self.limiter.check_n(self.cost) {
                // `cost` never exceeds the burst, so the inner error (never enough capacity) can't be.
                Ok(Ok(())) | Err(_) => return,
                Ok(Err(later)) => {
                    let wait = later.wait_time_from(self.limiter.clock().now());
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

/// Buckets and the instant before which nobody may call: what all tenants on one quota share.
struct SharedPace {
    /// The slowest first: a call holds the slow bucket's line while it waits for the wide one, and goes out right after
    /// the last, so that what was taken early is never much older than what was taken last.
    buckets: Vec<TokenBucket>,
    not_before: Mutex<Instant>,
}

impl SharedPace {
    fn not_before(&self) -> Instant {
        // The value is a plain instant: a panic elsewhere can't leave it half written.
        *self.not_before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn gate(&self) {
        loop {
            let until = self.not_before();
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// The pace of one tenant. Clones share everything; [`Pacer::sharing_quota`] makes one for another tenant on the same quota.
#[derive(Clone)]
pub struct Pacer {
    shared: Arc<SharedPace>,
    slots: Arc<Semaphore>,
    observer: Arc<dyn Observer>,
}

/// Permission for one call. Hold it until the answer is read: it is also the place among the calls in flight.
#[must_use]
pub struct Permit {
    slot: Option<OwnedSemaphorePermit>,
    observer: Arc<dyn Observer>,
}

impl Permit {
    /// Makes the call, and tells the observer how it ended.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn send(self, client: &Client, request: HttpRequest) -> Result<HttpResponse, SendError> {
        let (method, begun) = (request.method, Instant::now());
        let sent = client.send(request).await;
        drop(self.slot);
        self.observer.called(method, sent.as_ref().ok().map(|reply| reply.status), begun.elapsed());
        sent
    }
}

impl Pacer {
    /// A pace of its own: all of `buckets` apply to the calls they match (none: no limit), and at most `in_flight` calls go
    /// at a time (0 counts as 1).
    pub fn new(buckets: &[BucketSpec], in_flight: u32) -> Self {
        let mut specs: Vec<&BucketSpec> = buckets.iter().collect();
        specs.sort_by_key(|spec| std::cmp::Reverse(spec.rate.interval()));
        let buckets = specs.into_iter().map(TokenBucket::new).collect();
        let shared = SharedPace { buckets, not_before: Mutex::new(Instant::now()) };
        Self { shared: Arc::new(shared), slots: slots(in_flight), observer: Arc::new(Unobserved) }
    }

    /// The pace of another tenant that shares this one's quota, with its own number of calls in flight.
    pub fn sharing_quota(&self, in_flight: u32) -> Self {
        Self { shared: Arc::clone(&self.shared), slots: slots(in_flight), observer: Arc::new(Unobserved) }
    }

    /// The same pace, with somebody who hears of the calls made at it.
    #[must_use]
    pub fn observed(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    /// Who hears of the calls.
    pub fn observer(&self) -> &dyn Observer {
        self.observer.as_ref()
    }

    /// Whether anybody else draws on this quota.
    pub(super) fn has_sharers(&self) -> bool {
        Arc::strong_count(&self.shared) > 1
    }

    /// Waits until a call may go. Dropping the wait gives the place in line back.
    pub async fn acquire(&self, method: &str, resource: &str) -> Permit {
        let asked = Instant::now();
        // The semaphore is never closed: there always is a slot.
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok();
        let mut held = Vec::new();
        for bucket in self.shared.buckets.iter().filter(|bucket| bucket.matches.covers(method, resource)) {
            held.push(bucket.line.lock().await);
            // In line: when the gate opens, those behind it come out at the bucket's rate, not at once.
            self.shared.gate().await;
            bucket.take().await;
        }
        // It may have closed meanwhile.
        self.shared.gate().await;
        self.observer.waited(asked.elapsed());
        Permit { slot, observer: Arc::clone(&self.observer) }
    }

    /// Lets nobody call for this long; the other side asked for it. A shorter wish never shortens a longer one.
    pub fn hold_off(&self, pause: Duration) {
        let Some(until) = Instant::now().checked_add(pause) else { return };
        let mut gate = self.shared.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *gate = until.max(*gate);
    }

    /// How long nobody may call, seen from now; zero when calls may go.
    pub fn held_for(&self) -> Duration {
        self.shared.not_before().saturating_duration_since(Instant::now())
    }

    /// How many calls of this tenant may be in flight at most, minus those that are.
    pub fn free_slots(&self) -> usize {
        self.slots.available_permits()
    }
}

impl std::fmt::Debug for Pacer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pacer").field("buckets", &self.shared.buckets.len()).finish_non_exhaustive()
    }
}

fn slots(in_flight: u32) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(in_flight.max(1) as usize))
}

/// Tokio's clock for governor: it stands still when a test pauses time.
#[derive(Debug, Clone)]
struct TokioClock {
    zero: Instant,
}

/// Time since the clock was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Tick(Duration);

impl Clock for TokioClock {
    type Instant = Tick;

    fn now(&self) -> Tick {
        Tick(self.zero.elapsed())
    }
}

impl Add<Nanos> for Tick {
    type Output = Self;

    fn add(self, nanos: Nanos) -> Self {
        Self(self.0.saturating_add(nanos.into()))
    }
}

impl Reference for Tick {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_sub(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.checked_sub(duration.into()).unwrap_or(self.0))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
