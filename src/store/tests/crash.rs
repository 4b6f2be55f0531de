//! Promises I1, I3 and I8 across crashes: what was acknowledged is there, what was not is cut off, at every byte.

use std::fs;

use super::*;

#[tokio::test]
async fn p1_a_journal_cut_at_any_byte_opens_with_everything_before_the_cut() {
    let home = Home::new();
    {
        let store = home.open();
        store.trusted(&run(), "looked".into()).await.unwrap();
        for user in ["a", "b", "c"] {
            let seq = store.intent(intent(user)).await.unwrap();
            store.outcome(seq, OutcomeResult::Done { status: Some(201) }, vec![linked(user)]).await.unwrap();
        }
    }
    let good = fs::read(home.last_file()).unwrap();
    let name = home.last_file().file_name().unwrap().to_owned();
    let first_line = good.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    // Every byte of the last intent and its outcome, and a sample of the bytes before.
    let last_lines =
        good.iter().rev().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).map_or(0, |(at, _)| good.len() - at);
    for len in (first_line..last_lines).step_by(31).chain(last_lines..=good.len()) {
        let copy = Home::new();
        fs::create_dir_all(copy.journal()).unwrap();
        fs::write(copy.journal().join(&name), &good[..len]).unwrap();
        let (store, notices) = copy.open_with_notices();
        let whole = good[..len].iter().filter(|byte| **byte == b'\n').count() as u64;
        let torn = good[len - 1] != b'\n';
        match notices.as_slice() {
            [] => assert!(!torn),
            [Notice::TornTail { after, kept, .. }] => {
                assert!(torn && *after == whole);
                assert!(good[..len].ends_with(&fs::read(kept).unwrap()), "what is cut off is kept");
            }
            other => panic!("cut at {len}: {other:?}"),
        }
        let outcomes = whole.saturating_sub(2) / 2;
        assert_eq!(copy.read().counts().unwrap().users, outcomes, "cut at {len}");
        if len % 50 == 0 {
            assert_eq!(store.counts().unwrap().users, outcomes, "cut at {len}");
        }
        assert_eq!(
            store.open_intents().len() as u64,
            whole.saturating_sub(2) % 2,
            "an intent without its outcome is open"
        );
        let next = store.intent(intent("next")).await.unwrap();
        assert_eq!(next, whole + 1, "the journal goes on where it ended");
        drop(store);
        assert_eq!(copy.state().verify().unwrap().records, next);
    }
}

#[tokio::test]
async fn p1_blocks_that_never_reached_the_disk_are_an_unfinished_end() {
    let home = Home::new();
    {
        let store = home.open();
        store.intent(intent("a")).await.unwrap();
    }
    let file = home.last_file();
    let good = fs::read(&file).unwrap();
    for tail in [&[0; 4096][..], b"\0\0\0\n\0\0", b"deadbeef {\"seq\":3\0\0\0\0\0\0}\n"] {
        fs::write(&file, [&good, tail].concat()).unwrap();
        assert_eq!(home.state().verify().unwrap().unfinished, tail.len() as u64);
        let (store, notices) = home.open_with_notices();
        assert!(matches!(notices.as_slice(), [Notice::TornTail { after: 2, .. }]), "{notices:?}");
        drop(store);
        assert_eq!(fs::read(&file).unwrap(), good);
    }
}

#[tokio::test]
async fn p1_a_crash_while_a_file_is_begun_leaves_the_one_before() {
    let home = Home::new();
    {
        let store = home.open_small(1);
        for _ in 0..3 {
            store.intent(intent("a")).await.unwrap();
        }
    }
    // A temporary file that never got its name.
    fs::write(home.journal().join("00000099.log.new"), b"half a rec").unwrap();
    let (store, notices) = home.open_with_notices();
    assert_eq!((notices.len(), store.open_intents().len()), (0, 3));
}

#[tokio::test]
async fn p1_a_cache_of_any_earlier_moment_catches_up() {
    let home = Home::new();
    {
        let store = home.open();
        store.noted(&run(), "test".into(), vec![linked("a"), group_linked("g")]).await.unwrap();
        store.flush().await.unwrap();
    }
    let earlier = Home::new();
    let cache = home.folder().join("cache");
    fs::create_dir_all(earlier.folder()).unwrap();
    for entry in fs::read_dir(&cache).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            fs::copy(entry.path(), earlier.folder().join(entry.file_name())).unwrap();
        }
    }
    let after = {
        let store = home.open();
        store.noted(&run(), "test".into(), vec![linked("b"), members_added("g", &["a", "b"])]).await.unwrap();
        store.run_ended(summary("r", 1)).await.unwrap();
        everything(&store)
    };
    fs::remove_dir_all(&cache).unwrap();
    fs::rename(earlier.folder(), &cache).unwrap();
    let store = home.open();
    assert_eq!(everything(&store), after);
    assert_eq!(store.take_notices(), [], "nothing was wrong with it");
}
