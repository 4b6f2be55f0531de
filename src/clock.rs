//! Time as a parameter. In: nothing. Out: instants for journals, budgets and schedules.
//!
//! Everything above takes a [`Clock`], so that a test or a simulated world can own the time. The pure rooms
//! (`desired`, `plan`, `guard`) do not even see this trait: they are handed a [`jiff::Timestamp`].

use jiff::Timestamp;

/// Where "now" comes from.
pub trait Clock: Send + Sync {
    /// The present instant, in UTC.
    fn now(&self) -> Timestamp;
}

/// The machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
