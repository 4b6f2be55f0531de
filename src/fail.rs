//! Fail points: named places at which a test ends the process, or takes the disk away. In: a name. Out: nothing, or the error of
//! a disk that is no longer there.
//!
//! A release build has none: [`point`] is empty there. In a debug build the variable [`DIE_AT`] says at which point, counted
//! from 1, the process ends with no warning; unit tests, which share a process, cut the power of their own thread instead.

#[cfg(not(test))]
use std::io;

/// The variables that say where the process ends, and where the code there panics. Their names are in no release build.
#[cfg(all(debug_assertions, not(test)))]
const DIE_AT: &str = "ROSTERD_DIE_AT_FAIL_POINT";
#[cfg(all(debug_assertions, not(test)))]
const PANIC_AT: &str = "ROSTERD_PANIC_AT_FAIL_POINT";

/// Passes a named point.
///
/// # Errors
/// Only in tests: from the point on at which the power was cut.
#[cfg(not(any(test, debug_assertions)))]
#[expect(clippy::unnecessary_wraps, reason = "the signature of the builds that can fail here")]
#[inline]
pub(crate) fn point(_: &'static str) -> io::Result<()> {
    Ok(())
}

#[cfg(all(debug_assertions, not(test)))]
#[expect(clippy::unnecessary_wraps, reason = "the signature of unit tests, where it can fail")]
pub(crate) fn point(name: &'static str) -> io::Result<()> {
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    type Countdown = OnceLock<Option<AtomicU64>>;
    static DIES: Countdown = OnceLock::new();
    static PANICS: Countdown = OnceLock::new();
    let is_here = |left: &'static Countdown, variable| {
        let asked = || std::env::var(variable).ok()?.parse().ok().map(AtomicU64::new);
        left.get_or_init(asked).as_ref().is_some_and(|left| left.fetch_sub(1, Ordering::SeqCst) == 1)
    };
    #[expect(clippy::panic, reason = "a test asked for one")]
    if is_here(&PANICS, PANIC_AT) {
        // The log says where it panicked, not with which words.
        let _ = writeln!(io::stderr(), "fail point: {name}");
        panic!("fail point: {name}");
    }
    if is_here(&DIES, DIE_AT) {
        // Whether anybody reads it makes no difference to what follows.
        let _ = writeln!(io::stderr(), "fail point: {name}");
        std::process::abort();
    }
    Ok(())
}

/// Where files hang, in tests: a folder. A file hangs as long as that folder has an entry of the same name.
#[cfg(all(debug_assertions, not(test)))]
const HANG_BESIDE: &str = "ROSTERD_HANG_BESIDE";

/// Hangs as a network share does that has gone away, if a test wants that of this file. Nothing in a release build.
#[cfg(not(any(test, debug_assertions)))]
#[inline]
pub(crate) fn hang(_: &std::path::Path) {}

#[cfg(all(debug_assertions, not(test)))]
pub(crate) fn hang(path: &std::path::Path) {
    use std::path::PathBuf;
    use std::sync::OnceLock;

    static BESIDE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let beside = BESIDE.get_or_init(|| std::env::var_os(HANG_BESIDE).map(PathBuf::from));
    if let (Some(folder), Some(name)) = (beside, path.file_name()) {
        while folder.join(name).exists() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

#[cfg(test)]
pub(crate) use power::point;

#[cfg(test)]
pub(crate) use share::hang;

/// Files that hang for unit tests.
#[cfg(test)]
pub(crate) mod share {
    use std::path::{Path, PathBuf};
    use std::sync::{Condvar, Mutex, PoisonError};

    static HANGING: (Mutex<Vec<PathBuf>>, Condvar) = (Mutex::new(Vec::new()), Condvar::new());

    /// A file hangs until this is dropped.
    pub(crate) struct Hanging(PathBuf);

    impl Hanging {
        pub(crate) fn new(path: &Path) -> Self {
            HANGING.0.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
            Self(path.to_owned())
        }
    }

    impl Drop for Hanging {
        fn drop(&mut self) {
            HANGING.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| *path != self.0);
            HANGING.1.notify_all();
        }
    }

    pub(crate) fn hang(path: &Path) {
        let mut hanging = HANGING.0.lock().unwrap_or_else(PoisonError::into_inner);
        while hanging.iter().any(|one| one == path) {
            hanging = HANGING.1.wait(hanging).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The power of one test thread: counted, cut, and on again.
#[cfg(test)]
pub(crate) mod power {
    use std::cell::RefCell;
    use std::io;

    /// Points at which something is written: where a full disk says no.
    const WRITES: [&str; 4] = ["journal.append", "file.write", "import.log", "import.report"];

    #[derive(Default)]
    struct Power {
        passed: u64,
        cut_at: Option<u64>,
        off: Option<&'static str>,
        full: bool,
    }

    thread_local! {
        static POWER: RefCell<Power> = RefCell::default();
    }

    pub(crate) fn point(name: &'static str) -> io::Result<()> {
        POWER.with_borrow_mut(|power| {
            if power.off.is_some() {
                return Err(io::Error::other("the power is off"));
            }
            power.passed += 1;
            if power.cut_at == Some(power.passed) {
                power.off = Some(name);
                return Err(io::Error::other("the power is off"));
            }
            match power.full && WRITES.contains(&name) {
                true => Err(io::ErrorKind::StorageFull.into()),
                false => Ok(()),
            }
        })
    }

    /// Everything works; points are counted anew. They fail from the `cut_at`-th on, if one is given.
    pub(crate) fn on(cut_at: Option<u64>) {
        POWER.with_borrow_mut(|power| *power = Power { cut_at, full: power.full, ..Power::default() });
    }

    /// The point at which the power was cut.
    pub(crate) fn cut() -> Option<&'static str> {
        POWER.with_borrow(|power| power.off)
    }

    /// Whether the disk is full.
    pub(crate) fn fill(full: bool) {
        POWER.with_borrow_mut(|power| power.full = full);
    }
}
