//! The suites on every backend that there is: a folder of this machine, one of a simulated machine, and memory, which shows that
//! nothing of it needs a folder.

use std::cell::RefCell;

use super::super::backend::{Area, Backend, Documents as _};
use super::in_memory::InMemory;
use super::*;

/// Segments are full early, so that every log has several.
const SEGMENT_BYTES: u64 = 20_000;

/// Folders that go away with the test.
#[derive(Default)]
struct Folders(RefCell<Vec<Home>>);

impl Folders {
    fn fresh(&self) -> PathBuf {
        let home = Home::new();
        let folder = home.path().to_owned();
        self.0.borrow_mut().push(home);
        folder
    }

    fn on_disk(&self) -> Arc<dyn Backend> {
        Arc::new(OnDisk { segment_bytes: SEGMENT_BYTES, ..OnDisk::new(self.fresh()) })
    }

    fn on_simulated_disk(&self) -> Arc<dyn Backend> {
        Arc::new(OnDisk { disk: Arc::new(SimDisk::default()), segment_bytes: SEGMENT_BYTES, folder: self.fresh() })
    }
}

fn in_memory() -> Arc<dyn Backend> {
    Arc::new(InMemory::default())
}

#[test]
fn every_backend_keeps_what_a_backend_must() {
    let folders = Folders::default();
    check_backend(&|| folders.on_disk());
    check_backend(&|| folders.on_simulated_disk());
    check_backend(&in_memory);
}

#[tokio::test]
async fn a_state_lives_in_every_backend() {
    let folders = Folders::default();
    check_lives(&|| Stores::of(folders.on_disk())).await;
    check_lives(&|| Stores::of(folders.on_simulated_disk())).await;
    check_lives(&|| Stores::of(in_memory())).await;
}

#[tokio::test]
async fn every_backend_holds_what_every_state_must() {
    let folders = Folders::default();
    let open = |backend| Stores::of(backend).tenant(&tenant()).open("test", Arc::new(SystemClock)).unwrap().0;
    check_all(|| open(folders.on_disk())).await;
    check_all(|| open(folders.on_simulated_disk())).await;
    check_all(|| open(in_memory())).await;
}

#[test]
fn i5_what_comes_with_an_earlier_epoch_is_refused() {
    let (memory, area) = (InMemory::default(), Area::Tenant(tenant()));
    let is_lost = |error: StoreError| matches!(error, StoreError::LockLost { .. });
    let first = memory.lease(&area, "first").unwrap();
    memory.put(&first, "held.json", Some(b"of the first")).unwrap();
    let log = memory.log(&tenant());
    let mut end = log.begin(&first, b"1\n").unwrap();
    memory.expire(&area);
    let second = memory.lease(&area, "second").unwrap();
    assert!(second.epoch > first.epoch);
    assert!(is_lost(memory.put(&first, "held.json", None).unwrap_err()));
    assert!(memory.lines(&first, "log", 0).is_err());
    assert!(is_lost(end.append(2, b"2\n").unwrap_err()) && is_lost(end.next_segment(2, b"2\n").unwrap_err()));
    assert!(is_lost(log.begin(&first, b"other\n").err().unwrap()));
    assert!(is_lost(memory.archive().replace(&first, "aside").unwrap_err()));
    assert_eq!(log.end(&log.segments().unwrap()[0], 100).unwrap(), b"1\n");
    assert_eq!(memory.read(&area, "held.json", 100).unwrap().as_deref(), Some(&b"of the first"[..]));
    drop(first);
    second.still_held().unwrap();
}

#[tokio::test]
async fn i5_a_state_whose_lease_has_passed_to_another_process_writes_nothing_more() {
    let memory = InMemory::default();
    let state = Stores::of(Arc::new(memory.clone())).tenant(&tenant());
    let (first, _) = state.open("first", Arc::new(SystemClock)).unwrap();
    first.intent(intent("a")).await.unwrap();
    memory.expire(&Area::Tenant(tenant()));
    let (second, _) = state.open("second", Arc::new(SystemClock)).unwrap();
    assert!(matches!(first.intent(intent("b")).await, Err(StoreError::LockLost { .. })));
    assert!(first.flush().await.is_err(), "not even what was waiting");
    assert_eq!(second.intent(intent("c")).await.unwrap(), 3);
    drop(first);
    drop(second);
    assert!(state.verify().unwrap().broken.is_none());
}
