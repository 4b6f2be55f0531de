//! Promises I1 and I2 when the disk lies: what is damaged is noticed, kept, and never believed.

use std::fs;

use super::*;

/// A journal of several files, with links, and a run that ended.
async fn lived_in(home: &Home) -> String {
    let store = home.open_small(2500);
    for n in 0..40 {
        store.noted(&run(), "test".into(), vec![linked(&format!("u{n}"))]).await.unwrap();
    }
    store.noted(&run(), "test".into(), vec![group_linked("g"), members_added("g", &["u1", "u2"])]).await.unwrap();
    store.trusted(&run(), "looked".into()).await.unwrap();
    store.run_ended(summary("r1", 1)).await.unwrap();
    everything(&store)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x04;
    fs::write(path, bytes).unwrap();
}

fn moved_aside(notices: &[Notice]) -> PathBuf {
    match notices {
        [Notice::MovedAside { to, .. }] => to.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn p2_a_flipped_byte_in_the_last_file_is_noticed_wherever_it_is() {
    let home = Home::new();
    lived_in(&home).await;
    let last = home.last_file();
    let good = fs::read(&last).unwrap();
    for at in (0..good.len()).step_by(97).chain([good.len() - 1]) {
        let copy = Home::new();
        copy_folder(&home.folder(), &copy.folder());
        let file = copy.last_file();
        flip(&file, at);
        let damaged = fs::read(&file).unwrap();
        if good[at] == b'\n' && at == good.len() - 1 {
            continue; // A last line without its end is what a crash leaves; see crash.rs.
        }
        assert!(matches!(copy.state().read(), Err(StoreError::Damaged(_))), "byte {at}");
        let (store, notices) = copy.open_with_notices();
        let to = moved_aside(&notices);
        assert!(matches!(store.health(), Health::AdoptOnly { .. }));
        assert_eq!(store.counts().unwrap(), LinkCounts::default());
        assert_eq!(fs::read(to.join("journal").join(file.file_name().unwrap())).unwrap(), damaged, "kept as it was");
        drop(store);
        let (store, notices) = copy.open_with_notices();
        assert!(notices.is_empty() && matches!(store.health(), Health::AdoptOnly { .. }), "until a run has looked");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn i8_verify_names_the_first_record_that_is_wrong() {
    let home = Home::new();
    lived_in(&home).await;
    let whole = home.state().verify().unwrap();
    assert!(whole.broken.is_none() && whole.files > 3 && whole.records > 45);
    let second = home.segments()[1].clone();
    let text = fs::read_to_string(&second.place).unwrap();
    let third_line = text.lines().take(2).map(|line| line.len() + 1).sum::<usize>();
    flip(&second.place, third_line + 40);
    let broken = home.state().verify().unwrap().broken.unwrap();
    assert_eq!((broken.seq, broken.file, broken.offset), (second.first + 2, second.place, third_line as u64));
    assert!(home.state().records(1).unwrap().last().unwrap().is_err(), "and records end in an error there");
}

#[tokio::test]
async fn i8_a_record_that_was_rewritten_with_a_good_checksum_breaks_the_chain() {
    let home = Home::new();
    lived_in(&home).await;
    let first = home.segments()[0].clone();
    let text = fs::read_to_string(&first.place).unwrap();
    let forged: String = text
        .lines()
        .enumerate()
        .map(|(at, line)| {
            let json = if at == 2 { line[9..].replace("app-u", "app-x") } else { line[9..].to_owned() };
            format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))
        })
        .collect();
    assert_ne!(forged, text);
    fs::write(&first.place, forged).unwrap();
    let broken = home.state().verify().unwrap().broken.unwrap();
    assert_eq!(broken.seq, 4, "the record after the forged one does not follow it");
}

#[tokio::test]
async fn p2_damage_in_an_old_file_is_found_at_the_latest_when_the_cache_needs_it() {
    let home = Home::new();
    let before = lived_in(&home).await;
    let second = home.segments()[1].clone();
    flip(&second.place, 60);
    {
        let (store, notices) = home.open_with_notices();
        assert_eq!(notices, [], "the cache is whole and does not need the old file");
        assert_eq!(everything(&store), before);
    }
    fs::remove_dir_all(home.folder().join("cache")).unwrap();
    {
        let store = home.open();
        assert!(matches!(store.counts(), Err(StoreError::Damaged(_))), "never an empty state instead");
    }
    let (store, notices) = home.open_with_notices();
    moved_aside(&notices);
    assert!(matches!(store.health(), Health::AdoptOnly { .. }));
    drop(store);
    assert!(home.open_with_notices().1.is_empty(), "moved aside once");
}

#[tokio::test]
async fn p2_missing_files_are_damage() {
    for missing in [0, 1, 2] {
        let home = Home::new();
        lived_in(&home).await;
        let files = home.segments();
        let at = [files.len() - 2, 1, 0][missing];
        fs::remove_file(&files[at].place).unwrap();
        assert!(home.state().verify().unwrap().broken.is_some());
        fs::remove_dir_all(home.folder().join("cache")).unwrap();
        let store = home.open();
        let untrusted = matches!(store.health(), Health::AdoptOnly { .. });
        assert!(untrusted || matches!(store.counts(), Err(StoreError::Damaged(_))), "file {at}");
    }
}

#[tokio::test]
async fn p4_lost_or_restored_state_is_not_believed() {
    // The journal's folder is gone, the rest is there.
    let home = Home::new();
    lived_in(&home).await;
    fs::remove_dir_all(home.journal()).unwrap();
    let (store, notices) = home.open_with_notices();
    moved_aside(&notices);
    assert!(matches!(store.health(), Health::AdoptOnly { .. }));

    // Last week's journal under this week's status.
    let home = Home::new();
    lived_in(&home).await;
    let old = Home::new();
    copy_folder(&home.journal(), &old.journal());
    {
        let store = home.open();
        store.noted(&run(), "test".into(), vec![linked("late")]).await.unwrap();
        store.run_ended(summary("r2", 2)).await.unwrap();
    }
    fs::remove_dir_all(home.journal()).unwrap();
    copy_folder(&old.journal(), &home.journal());
    let (store, notices) = home.open_with_notices();
    assert!(matches!(notices.as_slice(), [Notice::Behind { .. }]), "{notices:?}");
    assert!(matches!(store.health(), Health::AdoptOnly { .. }));
    assert_eq!(store.counts().unwrap().users, 40, "the cache that knew more is folded anew");
    assert!(matches!(store.take_notices().as_slice(), [Notice::CacheRebuilt { .. }]));
    drop(store);
    let (store, notices) = home.open_with_notices();
    assert!(notices.is_empty() && matches!(store.health(), Health::AdoptOnly { .. }), "until a run has looked");
}

#[tokio::test]
async fn p2_a_cache_that_is_lost_or_broken_is_folded_anew_and_said() {
    let home = Home::new();
    let before = lived_in(&home).await;
    let cache = home.folder().join("cache");
    let reopened = |what: &str| {
        let store = home.open();
        assert_eq!(store.health(), Health::Trusted, "{what}: the journal is the truth");
        assert_eq!(everything(&store), before, "{what}");
        let notices = store.take_notices();
        assert!(matches!(notices.as_slice(), [Notice::CacheRebuilt { .. }]), "{what}: {notices:?}");
    };
    fs::remove_dir_all(&cache).unwrap();
    reopened("lost");
    let db = cache.join("db");
    let len = fs::metadata(&db).unwrap().len() as usize;
    fs::write(&db, vec![0xAA; len]).unwrap();
    reopened("data overwritten");
}

#[test]
fn p2_a_lock_that_outlives_its_handle_for_a_moment_is_waited_for() {
    use super::super::rows::SledRows;
    let home = tempfile::tempdir().unwrap();
    drop(SledRows::open(home.path()).unwrap());
    let left = fs::File::open(home.path().join("db")).unwrap();
    left.lock().unwrap();
    let ends = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        drop(left);
    });
    drop(SledRows::open(home.path()).unwrap());
    ends.join().unwrap();
}

#[tokio::test]
async fn p2_a_row_that_rots_while_it_is_in_use_is_folded_anew() {
    use super::super::rows::{Batch, Rows, SledRows};
    let home = Home::new();
    let before = lived_in(&home).await;
    {
        // A row whose envelope is good and whose content is not.
        let rows = SledRows::open(&home.folder().join("cache")).unwrap();
        rows.apply(Batch::from([(b"u/u7".to_vec(), Some(b"x".to_vec()))])).unwrap();
        rows.flush().unwrap();
    }
    let store = home.open();
    assert_eq!(store.user(&id("u7")).unwrap().unwrap().app_id.as_str(), "app-u7");
    assert!(matches!(store.take_notices().as_slice(), [Notice::CacheRebuilt { .. }]));
    assert_eq!(everything(&store), before);
}

#[tokio::test]
async fn p2_a_fold_that_a_crash_cut_short_is_begun_again() {
    use super::super::keys::META;
    use super::super::rows::{Batch, Rows, SledRows};
    let home = Home::new();
    let before = lived_in(&home).await;
    {
        let rows = SledRows::open(&home.folder().join("cache")).unwrap();
        rows.apply(Batch::from([(META.to_vec(), None), (b"u/u7".to_vec(), None)])).unwrap();
        rows.flush().unwrap();
    }
    let store = home.open();
    assert_eq!(everything(&store), before);
    assert!(matches!(store.take_notices().as_slice(), [Notice::CacheRebuilt { .. }]));
}

#[tokio::test]
async fn p3_a_file_that_cannot_be_read_now_is_no_damage() {
    for which in ["last", "old"] {
        let home = Home::new();
        let before = lived_in(&home).await;
        let files = home.segments();
        let file = if which == "last" { files.last() } else { files.first() }.unwrap().place.clone();
        // A folder opens like a file and answers every read with an error.
        let away = home.path().join("away");
        fs::rename(&file, &away).unwrap();
        fs::create_dir(&file).unwrap();
        fs::remove_dir_all(home.folder().join("cache")).unwrap();
        let opened = home.state().open("test", Arc::new(SystemClock));
        match opened {
            Ok((store, _)) => assert!(matches!(store.counts(), Err(StoreError::Io { .. })), "{which}"),
            Err(error) => assert!(matches!(error, StoreError::Io { .. }), "{which}: {error}"),
        }
        fs::remove_dir(&file).unwrap();
        fs::rename(&away, &file).unwrap();
        let (store, notices) = home.open_with_notices();
        assert_eq!((notices, store.health()), (vec![], Health::Trusted), "{which}: nothing was moved aside");
        assert_eq!(everything(&store), before);
    }
}

#[tokio::test]
async fn i7_a_cache_that_cannot_be_written_is_said_once_and_loses_nothing() {
    let home = Home::new();
    lived_in(&home).await;
    let cache = home.folder().join("cache");
    fs::remove_dir_all(&cache).unwrap();
    fs::write(&cache, "a file where the folder should be").unwrap();
    let store = home.open();
    for n in 0..20 {
        store.noted(&run(), "test".into(), vec![linked(&format!("late{n}"))]).await.unwrap();
    }
    let notices = store.take_notices();
    assert!(matches!(notices.as_slice(), [Notice::CacheBehind { .. }]), "{notices:?}");
    assert!(store.counts().is_err(), "who reads is told");
    fs::remove_file(&cache).unwrap();
    assert_eq!(store.counts().unwrap().users, 60);
}

#[tokio::test]
async fn c9_a_newer_format_is_refused_and_left_as_it_is() {
    let home = Home::new();
    lived_in(&home).await;
    let last = home.last_file();
    let text = fs::read_to_string(&last).unwrap();
    let (head, rest) = text.split_once('\n').unwrap();
    let json = head[9..].replace("\"format\":1", "\"format\":2,\"new_field\":true");
    fs::write(&last, format!("{:08x} {json}\n{rest}", crc32fast::hash(json.as_bytes()))).unwrap();
    let before: Vec<_> = walk(&home.folder()).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    let opened = home.state().open("test", Arc::new(SystemClock));
    assert!(matches!(opened, Err(StoreError::Newer { found: 2, known: 1, .. })));
    assert!(matches!(home.state().read(), Err(StoreError::Newer { .. })));
    assert!(matches!(home.state().verify(), Err(StoreError::Newer { .. })));
    for (bytes, path) in before {
        assert!(path.ends_with("lock") || fs::read(&path).unwrap() == bytes, "{}", path.display());
    }
}

#[tokio::test]
async fn i4_another_tenants_journal_is_not_believed() {
    let home = Home::new();
    lived_in(&home).await;
    fs::rename(home.folder(), home.path().join("other")).unwrap();
    let other = TenantName::parse("other").unwrap();
    let (store, notices) = Stores::on_disk(home.path()).tenant(&other).open("test", Arc::new(SystemClock)).unwrap();
    moved_aside(&notices);
    assert!(matches!(store.health(), Health::AdoptOnly { .. }));
}
