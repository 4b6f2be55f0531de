//! Runs work that may never come back, on a thread with a time limit. In: a subject, a limit, a closure. Out: what the closure returned,
//! or [`Overdue`].
//!
//! A system call on a hanging network share can't be interrupted. So whatever touches files of a tenant runs on a thread of its own; when
//! it makes no progress for as long as its limit, the thread is abandoned and the caller goes on. Abandoned threads can't pile up: a
//! subject with several of them is not begun again until one comes back, and there is a limit for all subjects together.
//!
//! These are threads of the standard library, not of the runtime's pool: a pool that is full of hanging threads would stop everyone, and
//! the end of a runtime waits for its pool.
//!
//! It must not depend on any other room.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// So many abandoned threads a subject may have before it is not begun again.
const STUCK_PER_SUBJECT: usize = 2;

/// So many abandoned threads all subjects together may have.
const STUCK_IN_ALL: usize = 128;

/// In a batch so much work goes on at a time, not counting what has taken longer than `SLOW`.
const AT_ONCE: usize = 4;
const SLOW: Duration = Duration::from_millis(250);

/// In a batch no more threads than this wait at a time.
const WAITING: usize = 32;

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Overdue {
    /// It made no progress within its limit.
    #[error("{subject} did not answer within {} s, as on a network share that hangs", limit.as_secs_f32())]
    Now {
        /// What was looked at.
        subject: String,
        /// For how long.
        limit: Duration,
    },
    /// It was not begun: earlier work on the same subject has not come back.
    #[error("{subject} was not read: an earlier attempt still waits for it, as on a network share that hangs")]
    Still {
        /// What was to be looked at.
        subject: String,
    },
    /// It was not begun: too much other work has not come back.
    #[error("{subject} was not looked at: {STUCK_IN_ALL} other files do not respond, as on a network share that hangs")]
    TooMany {
        /// What was to be looked at.
        subject: String,
    },
    /// The system refused a thread.
    #[error("{subject} was not looked at: no thread could be started: {error}")]
    NoThread {
        /// What was to be looked at.
        subject: String,
        /// What the system says.
        error: String,
    },
}

/// Runs one piece of work and waits for it. A panic in it is a panic here.
///
/// # Errors
/// When it makes no progress for as long as `limit`, or could not be begun.
pub async fn run<T: Send + 'static>(
    subject: &str,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Overdue> {
    let (tell, mut told) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let work = move || {
        // What is made there may want the runtime's clock.
        let _entered = runtime.enter();
        work()
    };
    // Who waited may have given up.
    let job = begin(subject, work, move |result| drop(tell.send(result)))?;
    let mut seen = 0;
    loop {
        match tokio::time::timeout(limit, &mut told).await {
            Ok(Ok(result)) => return Ok(result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))),
            // The thread ended without a word, which only one that never began does.
            Ok(Err(_)) => return Err(Overdue::Still { subject: subject.to_owned() }),
            Err(_) => match job.beats.load(Ordering::Relaxed) {
                beats if beats == seen => return Err(Overdue::Now { subject: subject.to_owned(), limit }),
                beats => seen = beats,
            },
        }
    }
}

/// Runs many pieces of work and waits until each has come back or is overdue: one that hangs delays the others by a moment only.
/// The results are in the order of the work. It blocks, so it is for threads that may.
pub fn each<T: Send + 'static>(
    limit: Duration,
    work: Vec<(String, Box<dyn FnOnce() -> T + Send>)>,
) -> Vec<Result<T, Overdue>> {
    let (tell, told) = mpsc::channel();
    let mut results: Vec<Option<Result<T, Overdue>>> = work.iter().map(|_| None).collect();
    let subjects: Vec<String> = work.iter().map(|(subject, _)| subject.clone()).collect();
    let mut queue: VecDeque<_> = work.into_iter().enumerate().collect();
    let mut going: HashMap<usize, (Instant, BoundedJob)> = HashMap::new();
    loop {
        let quick = going.values().filter(|(since, _)| since.elapsed() < SLOW).count();
        if quick < AT_ONCE && going.len() < WAITING {
            if let Some((at, (subject, work))) = queue.pop_front() {
                let tell = tell.clone();
                match begin(&subject, work, move |result| drop(tell.send((at, result)))) {
                    Ok(job) => drop(going.insert(at, (Instant::now(), job))),
                    Err(overdue) => put(&mut results, at, Err(overdue)),
                }
                continue;
            }
            if going.is_empty() {
                break;
            }
        }
        if let Ok((at, result)) = told.recv_timeout(SLOW / 5)
            && going.remove(&at).is_some()
        {
            put(&mut results, at, Ok(result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))));
        }
        let late = going.iter().filter(|(_, (since, _))| since.elapsed() >= limit).map(|(at, _)| *at);
        for at in late.collect::<Vec<_>>() {
            going.remove(&at);
            let subject = subjects.get(at).cloned().unwrap_or_default();
            put(&mut results, at, Err(Overdue::Now { subject, limit }));
        }
    }
    let lost = |at: usize| Err(Overdue::Still { subject: subjects.get(at).cloned().unwrap_or_default() });
    results.into_iter().enumerate().map(|(at, result)| result.unwrap_or_else(|| lost(at))).collect()
}

fn put<T>(results: &mut [Option<T>], at: usize, result: T) {
    if let Some(place) = results.get_mut(at) {
        *place = Some(result);
    }
}

/// One piece of work, for a thread that may block.
///
/// # Errors
/// As for [`run`].
pub fn wait<T: Send + 'static>(
    subject: &str,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Overdue> {
    let one: Box<dyn FnOnce() -> T + Send> = Box::new(work);
    let lost = || Err(Overdue::Still { subject: subject.to_owned() });
    each(limit, vec![(subject.to_owned(), one)]).pop().unwrap_or_else(lost)
}

/// Work that takes long for good reason says that it goes on. Does nothing on other threads.
pub fn beat() {
    BEATS.with_borrow(|beats| {
        if let Some(beats) = beats {
            beats.fetch_add(1, Ordering::Relaxed);
        }
    });
}

thread_local! {
    static BEATS: RefCell<Option<Arc<AtomicU64>>> = const { RefCell::new(None) };
}

type Caught<T> = Result<T, Box<dyn Any + Send>>;

/// How many abandoned threads there are, by subject.
static STUCK: LazyLock<Mutex<HashMap<String, usize>>> = LazyLock::new(Mutex::default);

fn stuck() -> MutexGuard<'static, HashMap<String, usize>> {
    STUCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the two ends of a piece of work know of each other. The flags change under the lock of [`STUCK`] only.
struct Ends {
    subject: String,
    is_over: AtomicBool,
    is_abandoned: AtomicBool,
}

/// The waiting end: dropping it before the work is over abandons the thread.
struct BoundedJob {
    ends: Arc<Ends>,
    beats: Arc<AtomicU64>,
}

/// The working end: dropped when the work is over, in whatever way.
struct Working(Arc<Ends>);

fn begin<T>(
    subject: &str,
    work: impl FnOnce() -> T + Send + 'static,
    deliver: impl FnOnce(Caught<T>) + Send + 'static,
) -> Result<BoundedJob, Overdue> {
    {
        let stuck = stuck();
        if stuck.get(subject).is_some_and(|threads| *threads >= STUCK_PER_SUBJECT) {
            return Err(Overdue::Still { subject: subject.to_owned() });
        }
        if stuck.values().sum::<usize>() >= STUCK_IN_ALL {
            return Err(Overdue::TooMany { subject: subject.to_owned() });
        }
    }
    let (is_over, is_abandoned) = (AtomicBool::new(false), AtomicBool::new(false));
    let ends = Arc::new(Ends { subject: subject.to_owned(), is_over, is_abandoned });
    let beats = Arc::new(AtomicU64::new(0));
    let (working, its_beats) = (Working(Arc::clone(&ends)), Arc::clone(&beats));
    let thread = std::thread::Builder::new().name("files".to_owned());
    let started = thread.spawn(move || {
        BEATS.set(Some(its_beats));
        let result = std::panic::catch_unwind(AssertUnwindSafe(work));
        // First: who gets the result shall not take this thread for a hanging one.
        drop(working);
        deliver(result);
    });
    match started {
        Ok(_) => Ok(BoundedJob { ends, beats }),
        Err(error) => Err(Overdue::NoThread { subject: subject.to_owned(), error: error.to_string() }),
    }
}

impl Drop for BoundedJob {
    fn drop(&mut self) {
        let mut stuck = stuck();
        if !self.ends.is_over.load(Ordering::Relaxed) {
            self.ends.is_abandoned.store(true, Ordering::Relaxed);
            *stuck.entry(self.ends.subject.clone()).or_default() += 1;
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut stuck = stuck();
        self.0.is_over.store(true, Ordering::Relaxed);
        if !self.0.is_abandoned.load(Ordering::Relaxed) {
            return;
        }
        if let Some(threads) = stuck.get_mut(&self.0.subject) {
            *threads = threads.saturating_sub(1);
            if *threads == 0 {
                stuck.remove(&self.0.subject);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    /// Work that does not come back until the test lets it.
    fn held(released: &Arc<AtomicBool>) -> Box<dyn FnOnce() -> usize + Send> {
        let released = Arc::clone(released);
        Box::new(move || {
            while !released.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            0
        })
    }

    #[test]
    fn p6_work_that_hangs_is_overdue_and_the_rest_is_done_on_time() {
        let released = Arc::new(AtomicBool::new(false));
        let mut work: Vec<(String, Box<dyn FnOnce() -> usize + Send>)> = Vec::new();
        for n in 0..12 {
            work.push((format!("each/hangs-{n}"), held(&released)));
            work.push((format!("each/quick-{n}"), Box::new(move || n)));
        }
        let begun = Instant::now();
        let results = each(Duration::from_secs(2), work);
        assert!(begun.elapsed() < Duration::from_secs(10), "they wait side by side: {:?}", begun.elapsed());
        for (at, result) in results.iter().enumerate() {
            match at % 2 {
                0 => assert!(matches!(result, Err(Overdue::Now { .. })), "{result:?}"),
                _ => assert_eq!(*result, Ok(at / 2)),
            }
        }
        released.store(true, Ordering::Relaxed);
    }

    #[tokio::test]
    async fn p6_abandoned_threads_do_not_pile_up_and_are_forgotten_when_they_come_back() {
        let released = Arc::new(AtomicBool::new(false));
        let limit = Duration::from_millis(20);
        for _ in 0..STUCK_PER_SUBJECT {
            let overdue = run("piles/up", limit, held(&released)).await.unwrap_err();
            assert!(overdue.to_string().contains("did not answer"), "{overdue}");
        }
        assert!(matches!(run("piles/up", limit, || ()).await, Err(Overdue::Still { .. })));
        assert_eq!(run("something/else", Duration::from_secs(60), || 7).await, Ok(7));
        released.store(true, Ordering::Relaxed);
        while stuck().contains_key("piles/up") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(run("piles/up", Duration::from_secs(60), || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_goes_on_is_waited_for_beyond_its_limit() {
        let limit = Duration::from_millis(100);
        let work = || {
            for _ in 0..100 {
                std::thread::sleep(Duration::from_millis(5));
                beat();
            }
            7
        };
        assert_eq!(run("goes/on", limit, work).await, Ok(7));
    }

    #[tokio::test]
    #[should_panic(expected = "as a test wants it")]
    async fn a_panic_in_the_work_is_a_panic_of_who_waits() {
        let work = || panic!("as a test wants it");
        let _never: Result<(), Overdue> = run("panics", Duration::from_secs(60), work).await;
    }
}
