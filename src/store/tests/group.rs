//! Group commit, and a disk that fills up or breaks (promise I8: no call without its record).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

use super::super::on_disk::{Disk, LogFile, RealDisk};
use super::*;

/// A disk whose syncs are counted and can be held up, and that breaks on command.
#[derive(Default)]
struct Faults {
    appends: AtomicU64,
    syncs: AtomicU64,
    /// Bytes that still fit; negative for "no limit".
    space: Mutex<Option<usize>>,
    sync_fails: Mutex<bool>,
    held: Mutex<bool>,
    released: Condvar,
}

struct FaultyDisk(Arc<Faults>);
struct FaultyFile(Arc<Faults>, Box<dyn LogFile>);

impl Disk for FaultyDisk {
    fn create(&self, path: &Path, first: &[u8]) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(FaultyFile(Arc::clone(&self.0), RealDisk.create(path, first)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(FaultyFile(Arc::clone(&self.0), RealDisk.open(path)?)))
    }
}

impl LogFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.appends.fetch_add(1, Ordering::SeqCst);
        let mut space = self.0.space.lock().unwrap();
        let fits = space.map_or(bytes.len(), |space| space.min(bytes.len()));
        self.1.append(&bytes[..fits])?;
        *space = space.map(|space| space - fits);
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.syncs.fetch_add(1, Ordering::SeqCst);
        let mut held = self.0.held.lock().unwrap();
        while *held {
            held = self.0.released.wait(held).unwrap();
        }
        drop(held);
        if *self.0.sync_fails.lock().unwrap() { Err(io::Error::other("input/output error")) } else { self.1.sync() }
    }
}

fn open_faulty(home: &Home) -> (Store, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    let disk = OnDisk { disk: Arc::new(FaultyDisk(Arc::clone(&faults))), ..OnDisk::new(home.path().to_owned()) };
    let store = home.open_on(disk, Arc::new(SystemClock));
    (store, faults)
}

async fn until(what: impl Fn() -> bool) {
    tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while !what() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it comes true");
}

#[tokio::test]
async fn intents_that_wait_together_share_one_sync() {
    let home = Home::new();
    let (store, faults) = open_faulty(&home);
    let store = Arc::new(store);
    *faults.held.lock().unwrap() = true;
    let first = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.intent(intent("first")).await }
    });
    until(|| faults.syncs.load(Ordering::SeqCst) == 1).await;
    let many: Vec<_> = (0..50)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.intent(intent(&format!("u{n}"))).await })
        })
        .collect();
    // All fifty are queued once each has been polled up to its answer.
    tokio::task::yield_now().await;
    assert!(many.iter().all(|task| !task.is_finished()), "nobody is answered before the disk is");
    *faults.held.lock().unwrap() = false;
    faults.released.notify_all();
    let mut seqs = vec![first.await.unwrap().unwrap()];
    for task in many {
        seqs.push(task.await.unwrap().unwrap());
    }
    assert_eq!(seqs, (2..53).collect::<Vec<u64>>(), "in the order of the calls");
    assert_eq!(faults.syncs.load(Ordering::SeqCst), 2, "one for the first, one for the other fifty");
    assert_eq!(faults.appends.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_outcome_waits_for_no_sync_and_the_next_intent_covers_it() {
    let home = Home::new();
    let (store, faults) = open_faulty(&home);
    let seq = store.intent(intent("a")).await.unwrap();
    store.outcome(seq, OutcomeResult::Done { status: None }, vec![linked("a")]).await.unwrap();
    assert_eq!(faults.syncs.load(Ordering::SeqCst), 1);
    store.run_ended(summary("r", 1)).await.unwrap();
    assert_eq!(faults.syncs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn p3_a_full_disk_stops_the_journal_and_loses_nothing_acknowledged() {
    let home = Home::new();
    let acknowledged = {
        let (store, faults) = open_faulty(&home);
        let seq = store.intent(intent("a")).await.unwrap();
        store.outcome(seq, OutcomeResult::Done { status: None }, vec![linked("a")]).await.unwrap();
        *faults.space.lock().unwrap() = Some(100);
        let refused = store.intent(intent("b")).await;
        assert!(matches!(&refused, Err(StoreError::Stopped(why)) if why.contains("append")), "{refused:?}");
        *faults.space.lock().unwrap() = None;
        assert!(matches!(store.intent(intent("c")).await, Err(StoreError::Stopped(_))), "space alone does not mend it");
        assert!(store.outcome(seq, OutcomeResult::Done { status: None }, vec![]).await.is_err());
        assert!(store.run_ended(summary("r", 1)).await.is_err());
        assert_eq!(store.counts().unwrap().users, 1, "what is known can still be read");
        store.records_written()
    };
    let (store, notices) = home.open_with_notices();
    assert!(matches!(notices.as_slice(), [Notice::TornTail { bytes: 100, .. }]), "{notices:?}");
    assert_eq!((store.records_written(), store.counts().unwrap().users), (acknowledged, 1));
    assert_eq!(store.open_intents(), [], "an intent that was refused is not open: no call was made");
}

#[tokio::test]
async fn p3_a_sync_that_fails_is_told_to_everybody_waiting_and_not_tried_again() {
    let home = Home::new();
    let (store, faults) = open_faulty(&home);
    *faults.sync_fails.lock().unwrap() = true;
    let (a, b) = tokio::join!(store.intent(intent("a")), store.intent(intent("b")));
    assert!(matches!((a, b), (Err(StoreError::Stopped(_)), Err(StoreError::Stopped(_)))));
    *faults.sync_fails.lock().unwrap() = false;
    let syncs = faults.syncs.load(Ordering::SeqCst);
    assert!(store.flush().await.is_err(), "a later sync would say yes although pages were lost");
    assert_eq!(faults.syncs.load(Ordering::SeqCst), syncs);
}

#[tokio::test]
async fn i7_a_record_without_measure_is_refused_and_the_rest_goes_on() {
    let home = Home::new();
    let store = home.open();
    let mut huge = intent("a");
    huge.reason = crate::model::Reason::Text("x".repeat(33 << 20));
    assert!(matches!(store.intent(huge).await, Err(StoreError::Refused(_))));
    assert_eq!(store.intent(intent("b")).await.unwrap(), 2);
    drop(store);
    assert!(home.state().verify().unwrap().broken.is_none());
}
