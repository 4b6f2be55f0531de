//! Measurements against the sizes to build for. Not run by default: they take long and mean little without optimization.

use std::hint::black_box;
use std::time::{Duration, Instant};

use futures_util::StreamExt;

use super::*;

fn size(default: usize) -> usize {
    std::env::var("ROSTERD_MEASURE_USERS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Peak resident memory so far, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1024
}

/// Processor time of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
    // utime and stime, in hundredths of a second: the 14th and 15th field, and the name is the 2nd.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// Says what a piece of work took, and returns its processor time: the machine may have other work.
fn timed<T>(what: &str, act: impl FnOnce() -> T) -> (T, Duration) {
    let (start, before) = (Instant::now(), cpu());
    let done = act();
    let (took, used) = (start.elapsed(), cpu() - before);
    println!("{what}: {:.2} s, cpu {:.2} s, peak {} MiB", took.as_secs_f64(), used.as_secs_f64(), peak_mib());
    (done, used)
}

#[test]
#[ignore = "a measurement: optimize, and run with --ignored --nocapture"]
fn folding_opening_scanning_and_rebuilding_at_size() {
    let users = size(200_000);
    let home = Home::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let name = |n: usize| format!("{:08x}-5f2b-4c0d-9e1a-{n:012}", (n as u32).wrapping_mul(0x9E37_79B9));
    let effects = |n: usize| {
        let user = name(n);
        let mail = format!("person.number.{n}@company.example.com");
        let values = [
            ("userName", mail.as_str()),
            ("name.givenName", "Person"),
            ("name.familyName", "Number"),
            ("title", "Engineer"),
            ("displayName", "Person Number"),
        ];
        vec![linked(&user), sent(&user, &values, Some(true))]
    };
    let store = home.open();
    let ((), took) = timed("fold as it happens", || {
        runtime.block_on(async {
            let outcomes = (0..users).map(|n| store.outcome(1, OutcomeResult::Done { status: Some(201) }, effects(n)));
            futures_util::stream::iter(outcomes).buffer_unordered(16).for_each(|done| async { done.unwrap() }).await;
            store.flush().await.unwrap();
        });
    });
    let rate = users as f64 * 2.0 / took.as_secs_f64();
    println!("  {rate:.0} effects/s of processor time, 16 in flight");
    let group: Vec<String> = (0..users).map(name).collect();
    let ids: Vec<&str> = group.iter().map(String::as_str).collect();
    timed("a group of everybody, 50 at a time", || {
        runtime.block_on(async {
            store.noted(&run(), "group", vec![group_linked("all")]).await.unwrap();
            for some in ids.chunks(50) {
                store.outcome(1, OutcomeResult::Done { status: None }, vec![members_added("all", some)]).await.unwrap();
            }
            store.run_ended(summary("r", 1)).await.unwrap();
        });
    });
    timed("close", || drop(store));
    let (store, opened) = timed("open", || home.open());
    let (count, _) = timed("scan everybody", || {
        let mut count = 0;
        store
            .linked_users(&mut |id, row| {
                black_box((id, row));
                count += 1;
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        count
    });
    assert_eq!(count, users);
    timed("look up 100,000", || {
        for n in (0..users).cycle().step_by(7).take(100_000) {
            black_box(store.user(&id(&name(n))).unwrap());
        }
    });
    assert_eq!(timed("members of everybody's group", || store.members(&id("all")).unwrap().len()).0, users);
    let ((), rebuilt) = timed("rebuild", || store.rebuild().unwrap());
    println!("  {:.0} effects/s", users as f64 * 2.0 / rebuilt.as_secs_f64());
    drop(store);
    timed("verify", || assert!(verify(home.path(), &tenant()).unwrap().broken.is_none()));
    assert!(rate > 20_000.0 && opened < Duration::from_millis(500));
}

#[test]
#[ignore = "a measurement: optimize, and run with --ignored --nocapture"]
fn an_index_of_a_million_loads_in_a_tenth_of_a_second() {
    let users = size(1_000_000) as u64;
    let home = Home::new();
    let store = home.open();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.trusted(&run(), "looked")).unwrap();
    let hash = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let entry = |n: u64| IndexEntry { id_hash: hash(n), fingerprint: n, number: n as u32, flags: 0 };
    let draft = IndexDraft { settings_hash: 1, users: (0..users).map(entry).collect(), ..IndexDraft::default() };
    timed("write", || assert!(store.write_index(draft).unwrap()));
    let (index, took) = timed("load", || store.load_index(1).unwrap());
    timed("find everybody", || (0..users).for_each(|n| assert!(black_box(index.user(hash(n))).is_some())));
    assert!(took < Duration::from_millis(100));
}
