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

/// An instant as people read it everywhere: `2026-11-22 17:14 UTC`.
pub fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// How far an instant is from now, in the two largest units: `12 s ago`, `in 2 h 5 min`, `now`.
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs();
    let length = duration(seconds.unsigned_abs());
    match seconds {
        -1..=1 => "now".to_owned(),
        2.. => format!("in {length}"),
        _ => format!("{length} ago"),
    }
}

/// A number of seconds as people read it: `42 s`, `3 min`, `2 h 5 min`, `4 days`.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => match seconds % 3600 / 60 {
            0 => format!("{} h", seconds / 3600),
            minutes => format!("{} h {minutes} min", seconds / 3600),
        },
        86_400..172_800 => "1 day".to_owned(),
        _ => format!("{} days", seconds / 86_400),
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
