//! Time as a parameter. In: nothing. Out: instants for journals, budgets and schedules.
//!
//! Everything above takes a [`Clock`], so that a test or a simulated world can own the time. The pure rooms
//! (`desired`, `plan`, `guard`) do not even see this trait: they are handed a [`jiff::Timestamp`].

use jiff::Timestamp;

/// Time since a machine was started, which can't be set: it shows a jump of the wall clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steady {
    /// Which start of which machine.
    pub boot: String,
    /// Seconds since then, time spent asleep included.
    pub seconds: u64,
}

/// Where "now" comes from.
pub trait Clock: Send + Sync {
    /// The present instant, in UTC.
    fn now(&self) -> Timestamp;

    /// Time that can't be set; `None` where there is none.
    fn steady(&self) -> Option<Steady> {
        None
    }
}

/// The machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// `CLOCK_BOOTTIME` and the boot id, as the kernel shows them.
    fn steady(&self) -> Option<Steady> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
        let seconds = uptime.split(['.', ' ']).next()?.parse().ok()?;
        (!boot.is_empty()).then_some(Steady { boot, seconds })
    }
}
