//! A state as a file, and back: whole or not at all, and never believed to be of today.

use std::fs;

use super::*;

/// A state of several journal files, with everything in it that a copy must have.
async fn lived_in(home: &Home) -> String {
    let store = home.open_small(2000);
    for n in 0..30 {
        store.noted(&run(), "test".into(), vec![linked(&format!("u{n}"))]).await.unwrap();
    }
    store.noted(&run(), "test".into(), vec![group_linked("g"), members_added("g", &["u1", "u2"])]).await.unwrap();
    store.trusted(&run(), "looked".into()).await.unwrap();
    store.intent(intent("never-answered")).await.unwrap();
    store.run_ended(summary("r1", 1)).await.unwrap();
    everything(&store)
}

fn exported(home: &Home) -> Vec<u8> {
    let mut bytes = Vec::new();
    let contents = home.state().export(at(5), &mut bytes).unwrap();
    assert_eq!(check_export(&mut &bytes[..]).unwrap(), contents);
    bytes
}

fn take_in(home: &Home, mut bytes: &[u8], replace: bool) -> Result<Imported, StoreError> {
    home.state().import(&mut bytes, replace, at(9))
}

fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    walk(folder).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[tokio::test]
async fn a_state_is_the_same_elsewhere_and_only_adopts_at_first() {
    let (home, other) = (Home::new(), Home::new());
    let before = lived_in(&home).await;
    let imported = take_in(&other, &exported(&home), false).unwrap();
    assert_eq!(imported.aside, None);
    let files = |home: &Home| home.segments().len();
    assert!(files(&home) > 2 && files(&home) == files(&other), "the files are cut as they were");
    assert!(other.state().verify().unwrap().broken.is_none());
    let (store, notices) = other.open_with_notices();
    assert_eq!(everything(&store), before);
    assert_eq!(store.open_intents().len(), 1, "i5: what is unanswered is still looked up");
    let Health::AdoptOnly { reason } = store.health() else { panic!("i2: an old state was believed") };
    assert!(reason.contains("imported") && notices.is_empty(), "{reason} {notices:?}");
    drop(store);
    assert_eq!(other.open_with_notices().1, [], "and stays so");
}

#[tokio::test]
async fn a_state_that_is_there_is_never_written_over() {
    let home = Home::new();
    let old = lived_in(&home).await;
    let bytes = exported(&home);
    {
        let store = home.open();
        store.noted(&run(), "test".into(), vec![linked("later")]).await.unwrap();
        store.run_ended(summary("r2", 3)).await.unwrap();
    }
    let (before, now) = (contents(&home.folder()), everything(&home.open()));
    let refused = take_in(&home, &bytes, false).unwrap_err().to_string();
    assert!(refused.contains("--replace"), "{refused}");
    assert_eq!(contents(&home.folder()), before);
    let aside = take_in(&home, &bytes, true).unwrap().aside.unwrap();
    assert_eq!(everything(&home.open()), old);
    let kept = Home::new();
    fs::create_dir_all(kept.folder()).unwrap();
    fs::rename(aside.join("journal"), kept.journal()).unwrap();
    assert_eq!(everything(&kept.open()), now, "what was there is whole, in a folder of its own");
}

#[tokio::test]
async fn p2_a_file_that_is_not_as_it_was_written_changes_nothing() {
    let home = Home::new();
    lived_in(&home).await;
    let good = exported(&home);
    let before = contents(&home.folder());
    let damaged = (0..good.len()).step_by(1511).chain([good.len() - 1]).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x04;
        bytes
    });
    let cut = (0..good.len()).step_by(2503).map(|at| good[..at].to_vec());
    let more = [[&good[..], b"{}\n"].concat()];
    for bytes in damaged.chain(cut).chain(more) {
        assert!(check_export(&mut &bytes[..]).is_err());
        take_in(&home, &bytes, true).unwrap_err();
    }
    assert_eq!(contents(&home.folder()), before, "not a byte, nothing left over");
}

#[tokio::test]
async fn i4_a_file_goes_to_its_own_tenant_only() {
    let (home, other) = (Home::new(), Home::new());
    lived_in(&home).await;
    let bolt = TenantName::parse("bolt").unwrap();
    let error = Stores::on_disk(other.path())
        .tenant(&bolt)
        .import(&mut &exported(&home)[..], false, at(9))
        .unwrap_err()
        .to_string();
    assert!(error.contains("the state of tenant acme, not of bolt"), "{error}");
    assert!(Stores::on_disk(other.path()).tenant(&bolt).read().unwrap().is_none());
}

#[tokio::test]
async fn c9_a_newer_file_is_refused_with_what_to_do() {
    let home = Home::new();
    lived_in(&home).await;
    let text = String::from_utf8(exported(&home)).unwrap();
    for (from, to) in [("\"format\":1", "\"format\":2"), ("\"layout\":1", "\"layout\":2")] {
        let newer = text.replacen(from, to, 1);
        let error = take_in(&home, newer.as_bytes(), true).unwrap_err();
        assert!(matches!(error, StoreError::NewerFile { .. }), "{error}");
        assert!(error.to_string().contains("Use the newer rosterd"), "{error}");
    }
}

#[tokio::test]
async fn i2_what_stops_a_tenant_goes_with_its_state_and_what_was_approved_does_not() {
    let (home, other) = (Home::new(), Home::new());
    lived_in(&home).await;
    let mark = TenantMark { at: Some(at(1)), by: "ann".into(), identity: None, reason: "moved".into() };
    home.state().set_mark(Sign::Paused, &mark).unwrap();
    let approval = Decision {
        plan: "abcd".into(),
        verdict: DecisionVerdict::Approve,
        by: "ann".into(),
        identity: None,
        reason: String::new(),
        at: at(1),
        expires: jiff::Timestamp::MAX,
    };
    home.state().decide(&approval).unwrap();
    let bytes = exported(&home);
    take_in(&other, &bytes, false).unwrap();
    assert_eq!(other.state().mark(Sign::Paused), Some(mark));
    assert!(!other.open().is_approval_waiting().unwrap(), "a word is good once, on one machine");
    take_in(&home, &bytes, true).unwrap();
    assert!(!home.open().is_approval_waiting().unwrap());
    let here = TenantMark { at: Some(at(2)), by: "bob".into(), identity: None, reason: "my own".into() };
    other.state().set_mark(Sign::Paused, &here).unwrap();
    take_in(&other, &bytes, true).unwrap();
    assert_eq!(other.state().mark(Sign::Paused), Some(here), "a pause that is there is nobody's to replace");
}

#[tokio::test]
async fn i5_an_import_waits_for_nobody_and_pushes_nobody_aside() {
    let (home, other) = (Home::new(), Home::new());
    lived_in(&home).await;
    let store = other.open();
    assert!(matches!(take_in(&other, &exported(&home), true).unwrap_err(), StoreError::Busy { .. }));
    drop(store);
}

#[tokio::test]
async fn what_an_interrupted_import_left_is_kept_and_in_nobodys_way() {
    let (home, other) = (Home::new(), Home::new());
    lived_in(&home).await;
    let before = lived_in(&other).await;
    // As a kill right after the exchange leaves it: the old journal lies where the new one was made ready.
    let ready = other.folder().join("incoming/journal");
    fs::create_dir_all(ready.parent().unwrap()).unwrap();
    fs::rename(other.journal(), &ready).unwrap();
    fs::remove_dir_all(other.folder().join("cache")).unwrap();
    fs::remove_file(other.folder().join("status.json")).unwrap();
    take_in(&other, &exported(&home), true).unwrap();
    let kept = Home::new();
    fs::create_dir_all(kept.folder()).unwrap();
    fs::rename(other.folder().join("left-over/journal"), kept.journal()).unwrap();
    assert_eq!(everything(&kept.open()), before);
}

#[tokio::test]
async fn an_export_beside_the_writer_is_a_whole_state_of_some_moment() {
    let home = Home::new();
    let store = Arc::new(home.open_small(3000));
    let writer = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            for n in 0..200 {
                store.noted(&run(), "test".into(), vec![linked(&format!("u{n}"))]).await.unwrap();
            }
        }
    });
    let (mut seen, mut exports) = (0, 0);
    // Each is proven twice; a few of them will do.
    while !writer.is_finished() && exports < 8 {
        let bytes = exported(&home);
        let other = Home::new();
        let records = take_in(&other, &bytes, false).unwrap().contents.sum.records;
        assert!(records >= seen);
        (seen, exports) = (records, exports + 1);
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    assert!(exports > 0);
}

#[tokio::test]
async fn a_backup_has_every_tenant_and_says_of_whom_it_has_none() {
    let home = Home::new();
    lived_in(&home).await;
    copy_as(&home, "bolt");
    let (broken, journal) = (home.path().join("bad"), home.path().join("bad/journal"));
    fs::create_dir_all(&journal).unwrap();
    fs::write(journal.join("00000001.log"), "nonsense\nnonsense\n").unwrap();
    fs::create_dir_all(home.path().join(".daemon")).unwrap();
    let place = home.path().join("elsewhere/backup");
    let (folder, made) =
        Stores::on_disk(home.path()).backup(&place, at(7), vec![("rosterd.toml".into(), "ab".into())]).unwrap();
    assert_eq!(made.tenants.iter().map(|kept| kept.tenant.as_str()).collect::<Vec<_>>(), ["acme"]);
    let failed: Vec<&str> = made.failed.iter().map(|(tenant, _)| tenant.as_str()).collect();
    assert_eq!(failed, ["bad", "bolt"], "a damaged journal, and one of another tenant's name");
    assert!(folder.join("backup.json").exists() && !folder.join("bad.state").exists(), "{}", broken.display());
    let (again, _) = Stores::on_disk(home.path()).backup(&place, at(7), Vec::new()).unwrap();
    assert_ne!(again, folder, "nothing is written over");
    assert_eq!(fs::read_dir(&place).unwrap().count(), 2, "nothing half-made stays");
}

/// The same journal in the folder of another tenant.
fn copy_as(home: &Home, name: &str) {
    let folder = home.path().join(name).join("journal");
    fs::create_dir_all(&folder).unwrap();
    for file in home.segments() {
        fs::copy(&file.place, folder.join(file.place.file_name().unwrap())).unwrap();
    }
}
