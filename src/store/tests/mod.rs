//! The state on disk: crashes, damage, full disks, two processes at once.

mod backends;
mod crash;
mod damage;
mod forget;
mod group;
mod in_memory;
mod process;
mod property;
mod transfer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backend::LogSegment;
use super::on_disk::OnDisk;
use super::suite::*;
use super::*;
use crate::clock::SystemClock;
use crate::model::TenantName;

/// A clock that stands still: what two stores are told at once has one time.
struct Still;

impl crate::clock::Clock for Still {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
}

/// A state folder that goes away with the test.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn state(&self) -> TenantStore {
        Stores::on_disk(self.path()).tenant(&tenant())
    }

    fn folder(&self) -> PathBuf {
        self.path().join("acme")
    }

    fn journal(&self) -> PathBuf {
        self.folder().join("journal")
    }

    fn open(&self) -> Store {
        self.open_with_notices().0
    }

    fn open_with_notices(&self) -> (Store, Vec<Notice>) {
        self.state().open("rosterd test", Arc::new(SystemClock)).unwrap()
    }

    /// Opens with small files, so that a few records make several.
    fn open_small(&self, segment_bytes: u64) -> Store {
        let disk = OnDisk { segment_bytes, ..OnDisk::new(self.path().to_owned()) };
        self.open_on(disk, Arc::new(Still))
    }

    fn open_on(&self, disk: OnDisk, clock: Arc<dyn crate::clock::Clock>) -> Store {
        Stores::of(Arc::new(disk)).tenant(&tenant()).open("rosterd test", clock).unwrap().0
    }

    fn segments(&self) -> Vec<LogSegment> {
        self.state().log().segments().unwrap()
    }

    fn read(&self) -> ReadStore {
        self.state().read().unwrap().unwrap()
    }

    fn last_file(&self) -> PathBuf {
        self.segments().pop().unwrap().place
    }
}

fn tenant() -> TenantName {
    TenantName::parse("acme").unwrap()
}

/// Everything a baseline says, in one comparable text.
fn everything(state: &dyn Baseline) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    let mut users = Vec::new();
    state
        .linked_users(&mut |id, row| {
            users.push((id, row));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    for (id, row) in users {
        assert_eq!(state.user(&id).unwrap().as_ref(), Some(&row));
        assert_eq!(state.user_by_number(row.number).unwrap().as_ref(), Some(&id));
        writeln!(text, "{id} {row:?} reverse {:?}", state.user_by_app_id(&row.app_id).unwrap()).unwrap();
    }
    for (id, row) in state.groups().unwrap() {
        let reverse = state.group_by_app_id(&row.app_id).unwrap();
        writeln!(text, "{id} {row:?} reverse {reverse:?} members {:?}", state.members(&id).unwrap()).unwrap();
    }
    let lost = state.lost_since(jiff::Timestamp::MIN).unwrap();
    writeln!(
        text,
        "{:?} {lost:?} {:?} {:?}",
        state.failures().unwrap(),
        state.counts().unwrap(),
        state.runs(500).unwrap()
    )
    .unwrap();
    text
}

#[tokio::test]
async fn the_disk_holds_what_every_state_must() {
    let homes = std::cell::RefCell::new(Vec::new());
    check_all(|| {
        let home = Home::new();
        let store = home.open();
        homes.borrow_mut().push(home);
        store
    })
    .await;
}

#[tokio::test]
async fn what_was_known_is_known_again_after_a_restart() {
    let home = Home::new();
    let before = {
        let store = home.open();
        store
            .noted(&run(), "test".into(), vec![linked("a"), group_linked("g"), members_added("g", &["a"])])
            .await
            .unwrap();
        store.trusted(&run(), "looked".into()).await.unwrap();
        store.intent(intent("b")).await.unwrap();
        store.run_ended(summary("r1", 1)).await.unwrap();
        everything(&store)
    };
    let (store, notices) = home.open_with_notices();
    assert_eq!(notices, []);
    assert_eq!((store.health(), store.open_intents().len()), (Health::Trusted, 1));
    assert_eq!(everything(&store), before);
    assert_eq!(store.take_notices(), [], "the cache was there and whole");
}

#[tokio::test]
async fn a_reader_beside_the_writer_sees_the_same_and_touches_nothing() {
    let home = Home::new();
    assert!(home.state().read().unwrap().is_none());
    assert!(!home.folder().exists(), "reading makes no folder");
    let store = home.open_small(2000);
    for n in 0..30 {
        store.noted(&run(), "test".into(), vec![linked(&format!("u{n}"))]).await.unwrap();
    }
    let contents =
        || walk(&home.folder()).into_iter().map(|path| (std::fs::read(&path).unwrap(), path)).collect::<Vec<_>>();
    let before = contents();
    assert_eq!(everything(&home.read()), everything(&store));
    assert_eq!(contents(), before);
    let seqs: Vec<u64> = home.state().records(7).unwrap().map(|record| record.unwrap().seq).collect();
    assert!(seqs.first() == Some(&7) && seqs.is_sorted());
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(walk(&path)) } else { all.push(path) }
    }
    all.retain(|path| !path.starts_with(folder.join("cache")));
    all
}

#[tokio::test]
async fn i12_a_quiet_cycle_opens_no_cache() {
    let home = Home::new();
    {
        let store = home.open();
        store.noted(&run(), "test".into(), vec![linked("a")]).await.unwrap();
        store.trusted(&run(), "looked".into()).await.unwrap();
        store.run_ended(summary("r1", 1)).await.unwrap();
        assert!(store.write_index(IndexDraft { settings_hash: 1, ..IndexDraft::default() }).unwrap());
    }
    std::fs::rename(home.folder().join("cache"), home.folder().join("elsewhere")).unwrap();
    {
        let store = home.open();
        store.run_started(&run(), Trigger::Schedule, "p", None).await.unwrap();
        assert!(store.load_index(1).is_some());
        assert_eq!(store.last_counts().map(|counts| counts.users), Some(5));
        assert_eq!(store.failures().unwrap(), [], "a schedule asks who waits for another try");
        store.run_ended(summary("r2", 2)).await.unwrap();
        assert!(home.read().load_index(1).is_some(), "a reader has it too");
    }
    assert!(!home.folder().join("cache").exists());
    std::fs::rename(home.folder().join("elsewhere"), home.folder().join("cache")).unwrap();
    let store = home.open();
    assert_eq!(store.runs(5).unwrap().len(), 2, "the cache catches up with what it did not see");
    assert_eq!(store.take_notices(), []);
    assert_eq!(home.state().status().unwrap().unwrap().linked.users, 1);
}

#[tokio::test]
async fn i12_an_index_does_not_outlive_what_it_was_made_of() {
    let home = Home::new();
    {
        let store = home.open();
        store.noted(&run(), "test".into(), vec![linked("a")]).await.unwrap();
        store.trusted(&run(), "looked".into()).await.unwrap();
        assert!(store.write_index(IndexDraft { settings_hash: 1, ..IndexDraft::default() }).unwrap());
        store.rebuild().unwrap();
        assert!(store.load_index(1).is_none(), "a rebuilt cache may number people anew");
        assert!(store.write_index(IndexDraft { settings_hash: 1, ..IndexDraft::default() }).unwrap());
        store.noted(&run(), "test".into(), vec![linked("b")]).await.unwrap();
    }
    assert!(home.open().load_index(1).is_none());
}

#[tokio::test]
async fn the_journal_goes_on_in_a_new_file_and_carries_what_matters() {
    let home = Home::new();
    let (health, open);
    {
        let store = home.open_small(1500);
        store.trusted(&run(), "looked".into()).await.unwrap();
        let seq = store.intent(intent("never-answered")).await.unwrap();
        let note = FailureNote { reason: "409".into(), attempts: 1, next_try: at(9), found: None, name: None };
        let failed = Effect::Failed { object: crate::model::ObjectRef::User(id("x")), note };
        store.noted(&run(), "test".into(), vec![failed]).await.unwrap();
        for n in 0..40 {
            store.noted(&run(), "test".into(), vec![linked(&format!("u{n}"))]).await.unwrap();
        }
        store.run_ended(summary("r", 1)).await.unwrap();
        for _ in 0..40 {
            store.run_started(&run(), Trigger::Command, "p", None).await.unwrap();
        }
        (health, open) = (store.health(), store.open_intents());
        assert_eq!(open.iter().map(|open| open.seq).collect::<Vec<_>>(), [seq]);
    }
    assert!(home.segments().len() > 5);
    assert!(home.state().verify().unwrap().broken.is_none());
    let store = home.open();
    assert_eq!((store.health(), store.open_intents()), (health, open), "also what stands in earlier files");
    assert_eq!(store.last_counts().map(|counts| counts.users), Some(5));
    assert_eq!(store.failures().unwrap().len(), 1);
    assert_eq!(store.counts().unwrap().users, 40);
}

#[test]
fn i5_a_second_process_is_told_who_is_first() {
    let home = Home::new();
    let store = home.open();
    let second = home.state().open("rosterd sync", Arc::new(SystemClock));
    let Err(StoreError::Busy { holder, .. }) = second else { panic!("two writers") };
    assert_eq!(holder, format!("rosterd test (process {})", std::process::id()));
    drop(store);
    home.open();
}
