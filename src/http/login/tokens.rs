//! Granted tokens, kept in memory while they are good. What comes in is what a token server granted; what goes out is the token in use. One caller
//! renews it while the others wait for that one; the runs of a tenant, and tenants of one client, share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::GrantedToken;
use super::{LoginError, TokenLife};
use crate::http::Auth;

/// A token is renewed this long before it ends, or earlier in proportion: a fifth of its life, for tokens that last for a few seconds.
const EARLY: Duration = Duration::from_secs(30);

/// The least time between two requests for a token, however short it lasts and however often it is refused.
const LEAST_BETWEEN: Duration = Duration::from_secs(1);

/// The next try to renew a token that is still good, after one that failed.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// A refusal is not asked for again for so long: servers lock clients after a few wrong tries.
const REMEMBERED: Duration = Duration::from_secs(5);

/// A token in use.
pub(super) struct HeldToken {
    /// As requests carry it.
    pub(super) auth: Auth,
    /// Tells it from those before and after it.
    pub(super) serial: u64,
    renew_at: Instant,
    ends_at: Instant,
    /// Whether it was asked for because the one before was refused.
    after_refusal: bool,
    /// Whether the other side accepted it.
    accepted: AtomicBool,
}

impl HeldToken {
    /// The other side accepted it.
    pub(super) fn was_accepted(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }

    /// How long it lasts.
    pub(super) fn life(&self) -> TokenLife {
        TokenLife { left: self.ends_at.saturating_duration_since(Instant::now()) }
    }
}

/// The place of one token.
#[derive(Default)]
pub(super) struct TokenSlot(tokio::sync::Mutex<SlotState>);

#[derive(Default)]
struct SlotState {
    token: Option<Arc<HeldToken>>,
    /// When a token was asked for last.
    asked: Option<Instant>,
    /// Until when a token that is still good is not renewed, after a try that failed.
    postponed: Option<Instant>,
    /// That the credentials were refused, and when.
    refused: Option<(LoginError, Instant)>,
}

impl TokenSlot {
    /// The token that is good now, asked for if there is none.
    pub(super) async fn token<F>(&self, fetch: impl Fn() -> F) -> Result<Arc<HeldToken>, LoginError>
    where
        F: Future<Output = Result<GrantedToken, LoginError>>,
    {
        // Held while a token is fetched: the others wait for that one instead of asking for their own.
        let mut state = self.0.lock().await;
        let now = Instant::now();
        let held = state.token.as_ref().filter(|held| now < held.ends_at).cloned();
        match held {
            Some(good) if now < good.renew_at.max(state.postponed.unwrap_or(now)) => Ok(good),
            Some(good) => match state.renew(fetch, false).await {
                Ok(new) => Ok(new),
                // It is good for a while yet.
                Err(error) if Instant::now() < good.ends_at => {
                    tracing::warn!(%error, "could not renew the token before it expires: using the one that is there");
                    state.postponed = Some(Instant::now() + TRY_AGAIN);
                    Ok(good)
                }
                Err(error) => Err(error),
            },
            None => state.renew(fetch, false).await,
        }
    }

    /// Another token than this one, which was refused. `None` where the last renewal was for a refusal already, and nothing was accepted since:
    /// a further one would not help.
    pub(super) async fn other_than<F>(
        &self,
        refused: &HeldToken,
        fetch: impl Fn() -> F,
    ) -> Result<Option<Arc<HeldToken>>, LoginError>
    where
        F: Future<Output = Result<GrantedToken, LoginError>>,
    {
        let mut state = self.0.lock().await;
        match &state.token {
            Some(other) if other.serial != refused.serial => return Ok(Some(Arc::clone(other))),
            Some(same) if same.after_refusal && !same.accepted.load(Ordering::Relaxed) => {
                // The next run asks again.
                state.token = None;
                return Ok(None);
            }
            _ => {}
        }
        state.token = None;
        state.renew(fetch, true).await.map(Some)
    }

    /// The token in use, for messages.
    pub(super) async fn now(&self) -> Option<Arc<HeldToken>> {
        self.0.lock().await.token.clone()
    }
}

impl SlotState {
    async fn renew<F>(&mut self, fetch: impl Fn() -> F, after_refusal: bool) -> Result<Arc<HeldToken>, LoginError>
    where
        F: Future<Output = Result<GrantedToken, LoginError>>,
    {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        if let Some((refused, at)) = &self.refused
            && at.elapsed() < REMEMBERED
        {
            return Err(refused.clone());
        }
        if let Some(asked) = self.asked {
            tokio::time::sleep_until(asked + LEAST_BETWEEN).await;
        }
        self.asked = Some(Instant::now());
        let fetched = fetch().await;
        self.refused = match &fetched {
            Err(error @ LoginError::Refused(_)) => Some((error.clone(), Instant::now())),
            _ => None,
        };
        let GrantedToken { auth, life, .. } = fetched?;
        let now = Instant::now();
        let early = EARLY.min(life / 5);
        let token = Arc::new(HeldToken {
            auth,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            renew_at: now + (life - early).max(LEAST_BETWEEN),
            ends_at: now + life.max(LEAST_BETWEEN),
            after_refusal,
            accepted: AtomicBool::new(false),
        });
        tracing::debug!(seconds = life.as_secs(), "token granted");
        (self.token, self.postponed) = (Some(Arc::clone(&token)), None);
        Ok(token)
    }
}
