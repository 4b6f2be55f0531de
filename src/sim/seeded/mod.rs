//! Worlds from seeds. In: a number. Out: a life of a tenant, drawn by chance: what its people do, what directory, network, app and
//! disk do to it, when its process is killed. The real engine and the real state run it; after every step the promises are
//! checked, and when the faults end the app must be as the directory says within two cycles, and then be left alone.
//!
//! A seed that breaks a promise prints the command that plays it again, line by line.

mod checks;
mod edits;
mod kinds;
mod life;
mod points;
mod unkind;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use life::Life;

/// Steps of one world, before its faults end.
const STEPS: u32 = 50;

/// Worlds of a plain `cargo test`.
const WORLDS: u64 = 2000;

/// Seeds that once broke a promise, with what was wrong.
const FOUND: [(u64, &str); 21] = [
    (
        11,
        "an account made by a create that nobody answered stayed active when the person was deleted before the next run",
    ),
    (14, "an app that shows late what it made was sent the same create again at once"),
    (29, "a call that nobody answered was forgotten"),
    (196, "in an app that hides who is off, a deletion without an answer lost the account for ever"),
    (380, "in such an app, a repeated deletion that met a 404 did the same"),
    (944, "in such an app, an activation that was never sent, because the process was killed, did the same"),
    (1095, "a member whose account was deleted by hand kept a group failing for ever, where the app says 400"),
    (1140, "in an app that shows no members, somebody who may have been taken out of a group was not put in again"),
    (1310, "a group that somebody was to leave by being deleted counted as in step while the deletion was held"),
    (1767, "a deactivation without an answer did not count against the budget of the same run"),
    (
        1003,
        "a deactivation of an account that was given another id while nobody had an answer did not count against the budget",
    ),
    (
        1105,
        "a 404 to a deactivation counted as done in an app that hides who is inactive, though the look for the account had failed",
    ),
    (1240, "a group that a user joined while inactive was taken for proof that deactivations end no membership"),
    (439, "after an interrupted first run an app that shows late what it made was sent a create again"),
    (
        1654,
        "an app that hides who is inactive gave an account another id, and after an interrupted first run it counted as inactive",
    ),
    (1750, "the same as 1105, in an app that does not carry deactivations out"),
    (6398, "in an app that hides who is off, an update after an activation that failed lost the account for ever"),
    (
        3479,
        "in an app that shows no members, a group that went over to another record kept a member whom that one does not have",
    ),
    (
        2434,
        "a released group that one record matches by its id and another by its name was held for both, without an end",
    ),
    (
        6251,
        "a state that was lost within the minute in which the app does not show what it created made somebody twice",
    ),
    (5294, "a record whose released group another one took over was held for ever by the id that was left in it"),
];

/// Steps of one world whose app refuses new accounts.
const REFUSING_STEPS: u32 = 20;

/// A world from its seed, to its end.
fn play(seed: u64, talks: bool) -> Result<String, String> {
    live_through(move || Life::new(seed, talks), STEPS)
}

/// As [`play`], with an app that refuses new accounts most of the time.
fn play_refusing(seed: u64, talks: bool) -> Result<String, String> {
    live_through(move || Life::refusing(seed, talks), REFUSING_STEPS)
}

fn live_through(begin: impl FnOnce() -> Life, steps: u32) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let played = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut life = begin();
            let ended = life.live(steps).await;
            if ended.is_err() {
                life.tell_journal();
            }
            ended.map(|()| life.story()).map_err(|why| format!("{}\n{why}", life.story()))
        })
    }));
    crate::fail::power::fill(false);
    crate::fail::power::on(None);
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("a panic: {}", text.unwrap_or_default()))
    })
}

/// So many broken worlds are enough.
const ENOUGH: usize = 10;

/// How a world of a seed is played, and the test that plays one again.
type Play = (fn(u64, bool) -> Result<String, String>, &'static str);

/// A whole life.
const LIFE: Play = (play, "replay");

/// One with an app that refuses new accounts.
const REFUSING: Play = (play_refusing, "refusing_replay");

/// Plays many worlds on all processors; ends in time, or when some broke a promise. Says how many were played.
fn play_all((play, again): Play, seeds: std::ops::Range<u64>, limit: Duration) -> u64 {
    let (next, played) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    let started = Instant::now();
    let broken = std::sync::Mutex::new(BTreeMap::new());
    let hands = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..hands {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || started.elapsed() > limit || broken.lock().unwrap().len() >= ENOUGH {
                        return;
                    }
                    if let Err(why) = play(seed, false) {
                        broken.lock().unwrap().insert(seed, why);
                    }
                    played.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let broken = broken.into_inner().unwrap();
    let again = |(seed, why): (&u64, &String)| {
        let why = why.lines().last().unwrap_or_default();
        format!("{why}\n    ROSTERD_SEED={seed} cargo test --lib seeded::{again} -- --nocapture\n")
    };
    assert!(broken.is_empty(), "\n{}", broken.iter().map(again).collect::<String>());
    played.into_inner()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn worlds_keep_every_promise() {
    assert_eq!(play_all(LIFE, 0..WORLDS, Duration::from_secs(900)), WORLDS);
}

/// With creates failing for ever, removals of the same run are done.
#[test]
fn o4_worlds_whose_app_refuses_creates_keep_every_promise_and_no_leaver_waits() {
    assert_eq!(play_all(REFUSING, 0..WORLDS, Duration::from_secs(900)), WORLDS);
}

#[test]
fn seeds_that_once_broke_a_promise_keep_it_now() {
    for (seed, what) in FOUND {
        if let Err(why) = play(seed, false) {
            panic!("{what}\n{why}\n    ROSTERD_SEED={seed} cargo test --lib seeded::replay -- --nocapture\n");
        }
    }
}

#[test]
fn a_seed_is_one_world() {
    for seed in 0..20 {
        assert_eq!(play(seed, false), play(seed, false), "seed {seed}");
    }
}

/// Plays the world of `ROSTERD_SEED` and tells its story.
#[test]
fn replay() {
    if let Some(seed) = number("ROSTERD_SEED")
        && let Err(why) = play(seed, true)
    {
        panic!("seed {seed}: {}", why.lines().last().unwrap_or_default());
    }
}

/// As [`replay`], with an app that refuses new accounts.
#[test]
fn refusing_replay() {
    if let Some(seed) = number("ROSTERD_SEED")
        && let Err(why) = play_refusing(seed, true)
    {
        panic!("seed {seed}: {}", why.lines().last().unwrap_or_default());
    }
}

/// Seeds from `ROSTERD_SEEDS_FROM` on, for `ROSTERD_SOAK_SECONDS`: `cargo test --lib seeded::soak -- --ignored --nocapture`.
#[test]
#[ignore = "as long as one likes"]
fn soak() {
    soak_as(LIFE, STEPS);
}

/// As [`soak`], with an app that refuses new accounts.
#[test]
#[ignore = "as long as one likes"]
fn refusing_soak() {
    soak_as(REFUSING, REFUSING_STEPS);
}

#[allow(clippy::print_stdout, reason = "its result")]
fn soak_as(kind: Play, steps: u32) {
    let from = number("ROSTERD_SEEDS_FROM").unwrap_or(WORLDS);
    let limit = Duration::from_secs(number("ROSTERD_SOAK_SECONDS").unwrap_or(60));
    let started = Instant::now();
    let played = play_all(kind, from..number("ROSTERD_SEEDS_TO").unwrap_or(u64::MAX), limit);
    let seconds = started.elapsed().as_secs_f64();
    println!("{played} worlds of {steps} steps from seed {from}: {:.1} worlds a second", played as f64 / seconds);
}
