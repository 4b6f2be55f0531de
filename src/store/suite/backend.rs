//! What every backend must do: leases, documents, logs, rows and whole states; and what a state does that lies in it.

use std::io::Read as _;
use std::sync::Arc;

use super::super::backend::{Area, Backend, Before, Log, LogSegment, OF_THE_LOG};
use super::*;
use crate::clock::SystemClock;
use crate::model::TenantName;

/// Runs every check on fresh backends.
pub(in crate::store) fn check_backend(fresh: &dyn Fn() -> Arc<dyn Backend>) {
    leases(&*fresh());
    documents(&*fresh());
    swaps(&*fresh());
    together(&*fresh());
    lines(&*fresh());
    logs(&*fresh());
    rows(&*fresh());
    archives(&*fresh());
}

fn tenant() -> TenantName {
    TenantName::parse("acme").unwrap()
}

fn acme() -> Area {
    Area::Tenant(tenant())
}

fn leases(backend: &dyn Backend) {
    let first = backend.lease(&acme(), "first").unwrap();
    first.still_held().unwrap();
    assert!(backend.holder(&acme()).unwrap().starts_with("first"));
    let Err(StoreError::Busy { holder, .. }) = backend.lease(&acme(), "second") else { panic!("i5: two have it") };
    assert!(holder.starts_with("first"), "{holder}");
    let Area::Tenant(tenant) = acme() else { panic!("a tenant") };
    for area in [Area::Imports(tenant), Area::Daemon] {
        assert_eq!(backend.holder(&area), None);
        let other = backend.lease(&area, "other").unwrap();
        assert_ne!(other.epoch, first.epoch, "{area:?} is another lease");
    }
    drop(first);
    assert_eq!(backend.holder(&acme()), None);
    backend.lease(&acme(), "second").unwrap().still_held().unwrap();
}

fn documents(backend: &dyn Backend) {
    let (documents, area) = (backend.documents(), acme());
    let read = |name: &str| documents.read(&area, name, 100).unwrap();
    assert_eq!((read("a"), documents.names(&area, "in").unwrap()), (None, vec![]));
    let lease = backend.lease(&area, "test").unwrap();
    documents.put(&lease, "a", None).unwrap();
    documents.put(&lease, "a", Some(b"one")).unwrap();
    documents.put(&lease, "a", Some(b"two")).unwrap();
    assert_eq!(read("a").as_deref(), Some(&b"two"[..]));
    assert!(documents.read(&area, "a", 2).is_err(), "longer than was asked for");
    assert_eq!(documents.read(&Area::Daemon, "a", 100).unwrap(), None, "areas are apart");
    for name in ["in/b.json", "in/a.json"] {
        documents.swap(&area, name, Before::Anything, Some(name.as_bytes())).unwrap();
    }
    assert_eq!(documents.names(&area, "in").unwrap(), ["a.json", "b.json"]);
    let signed = documents.signed(&area, "in", 100).unwrap();
    let texts: Vec<_> =
        signed.iter().map(|one| (one.name.as_str(), one.found.as_ref().unwrap().0.as_slice())).collect();
    assert_eq!(texts, [("in/a.json", &b"in/a.json"[..]), ("in/b.json", b"in/b.json")]);
    assert!(documents.signed(&area, "in", 3).unwrap().iter().all(|one| one.found.is_err()));
    documents.put(&lease, "a", None).unwrap();
    assert_eq!(read("a"), None);
}

fn swaps(backend: &dyn Backend) {
    let swap = |before, after: Option<&[u8]>| backend.documents().swap(&acme(), "a", before, after).unwrap();
    let read = || backend.documents().read(&acme(), "a", 100).unwrap();
    assert!(!swap(Before::Is(Some(b"x")), Some(b"y")) && !swap(Before::Is(Some(b"x")), None), "there is none");
    assert!(swap(Before::Is(None), None) && swap(Before::Anything, None) && read().is_none());
    assert!(swap(Before::Is(None), Some(b"one")));
    assert!(!swap(Before::Is(None), Some(b"two")) && !swap(Before::Is(Some(b"on")), Some(b"two")));
    assert_eq!(read().as_deref(), Some(&b"one"[..]));
    assert!(swap(Before::Is(Some(b"one")), Some(b"two")) && swap(Before::Anything, Some(b"three")));
    assert!(!swap(Before::Is(Some(b"two")), None) && swap(Before::Is(Some(b"three")), None) && read().is_none());
}

/// Each of several writers adds to the same number again and again: none of their additions is lost.
fn together(backend: &dyn Backend) {
    let add = || loop {
        let before = backend.documents().read(&acme(), "sum", 100).unwrap();
        let sum: u64 = before.as_deref().map_or(0, |text| std::str::from_utf8(text).unwrap().parse().unwrap());
        let after = (sum + 1).to_string();
        if backend.documents().swap(&acme(), "sum", Before::Is(before.as_deref()), Some(after.as_bytes())).unwrap() {
            return;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| add()));
        }
    });
    assert_eq!(backend.documents().read(&acme(), "sum", 100).unwrap().as_deref(), Some(&b"40"[..]));
}

fn lines(backend: &dyn Backend) {
    let lease = backend.lease(&acme(), "test").unwrap();
    let read = || backend.documents().read(&acme(), "log", 100).unwrap().unwrap();
    backend.documents().lines(&lease, "log", 0).unwrap().append(b"one\nhalf").unwrap();
    let mut log = backend.documents().lines(&lease, "log", 4).unwrap();
    assert_eq!(read(), b"one\n", "what is not whole is cut off");
    log.append(b"two\n").unwrap();
    assert_eq!(read(), b"one\ntwo\n");
}

fn text(log: &dyn Log, segment: &LogSegment) -> String {
    let mut text = String::new();
    log.open(segment).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn logs(backend: &dyn Backend) {
    let log = backend.log(&tenant());
    assert_eq!((log.segments().unwrap(), backend.tenants().unwrap()), (vec![], vec![]));
    let lease = backend.lease(&acme(), "test").unwrap();
    let mut end = log.begin(&lease, b"1\n").unwrap();
    assert_eq!(backend.tenants().unwrap(), [tenant()]);
    end.append(2, b"2\n3\n").unwrap();
    end.append(4, b"").unwrap();
    end.sync().unwrap();
    assert!(!end.is_full());
    let first = log.segments().unwrap().remove(0);
    assert_eq!((first.first, text(&*log, &first).as_str()), (1, "1\n2\n3\n"));
    end.next_segment(4, b"4\n").unwrap();
    end.append(5, b"5\n").unwrap();
    end.sync().unwrap();
    drop(end);
    let segments = log.segments().unwrap();
    assert_eq!(segments.iter().map(|segment| segment.first).collect::<Vec<_>>(), [1, 4]);
    let mut end = log.resume(&lease, &segments[1]).unwrap();
    end.append(6, b"6\n").unwrap();
    end.sync().unwrap();
    assert_eq!((text(&*log, &segments[0]), text(&*log, &segments[1])), ("1\n2\n3\n".into(), "4\n5\n6\n".into()));
    assert_eq!((log.end(&segments[1], 3).unwrap(), log.end(&segments[1], 100).unwrap().len()), (b"\n6\n".to_vec(), 6));
    let other = TenantName::parse("other").unwrap();
    assert_eq!(backend.log(&other).segments().unwrap(), [], "logs are apart");
    end.append(7, "x".repeat(20_000).as_bytes()).unwrap();
    assert!(end.is_full(), "the backend was made with short segments");
}

fn rows(backend: &dyn Backend) {
    let lease = backend.lease(&acme(), "test").unwrap();
    let space = backend.rows(&lease);
    assert!(!space.exists());
    let put = || {
        let rows = space.open().unwrap();
        rows.apply([(b"a".to_vec(), Some(b"1".to_vec()))].into()).unwrap();
        rows.flush().unwrap();
    };
    let is_kept = || space.open().unwrap().get(b"a").unwrap().is_some();
    put();
    assert_eq!((space.exists(), is_kept()), (space.is_lasting(), space.is_lasting()));
    space.remove().unwrap();
    assert!(!space.exists() && !is_kept());
    for _ in 0..2 {
        put();
        space.set_aside().unwrap();
        assert!(!space.exists() && !is_kept());
    }
    assert_eq!(
        backend.archive().has_leftovers(&tenant()),
        space.is_lasting(),
        "a state that was moved away counts, too"
    );
}

fn archives(backend: &dyn Backend) {
    let (log, archive) = (backend.log(&tenant()), backend.archive());
    let all = |log: &dyn Log| log.segments().unwrap().iter().map(|segment| text(log, segment)).collect::<String>();
    let lease = backend.lease(&acme(), "test").unwrap();
    let begin = |log: &dyn Log, line: &[u8]| log.begin(&lease, line).unwrap().sync().unwrap();
    let leave = |name: &str| assert!(backend.documents().swap(&acme(), name, Before::Anything, Some(b"x")).unwrap());
    let has = |name| backend.documents().read(&acme(), name, 9).unwrap().is_some();
    assert!(!archive.has_leftovers(&tenant()));
    begin(&*log, b"old\n");
    for name in OF_THE_LOG {
        leave(name);
        assert!(archive.has_leftovers(&tenant()), "{name}");
        let aside = archive.set_aside(&lease, "damaged-1").unwrap();
        assert!(!archive.has_leftovers(&tenant()) && !has(name) && log.segments().unwrap().is_empty());
        archive.erase(&lease, &aside).unwrap();
    }
    assert!(archive.set_aside_earlier(&tenant()).unwrap().is_empty());
    begin(&*log, b"old\n");
    ["index", "held.json", "decisions/a.json", "paused"].into_iter().for_each(leave);
    let draft = archive.draft(&lease).unwrap();
    begin(&*draft, b"new\n");
    assert_eq!((all(&*log).as_str(), all(&*draft).as_str()), ("old\n", "new\n"), "beside each other");
    archive.discard(&lease);
    assert_eq!(all(&*log), "old\n");
    begin(&*archive.draft(&lease).unwrap(), b"newer\n");
    let aside = archive.replace(&lease, "replaced-1").unwrap();
    assert_eq!(all(&*log), "newer\n");
    assert!(!["index", "held.json", "decisions/a.json"].into_iter().any(has) && has("paused"));
    assert_eq!(archive.set_aside_earlier(&tenant()).unwrap(), std::slice::from_ref(&aside));
    archive.erase(&lease, &aside).unwrap();
    begin(&*archive.draft(&lease).unwrap(), b"left by a crash\n");
    begin(&*archive.draft(&lease).unwrap(), b"newest\n");
    archive.replace(&lease, "replaced-2").unwrap();
    assert_eq!(all(&*log), "newest\n");
    assert_eq!(archive.set_aside_earlier(&tenant()).unwrap().len(), 2, "what a crash left is kept, too");
}

/// A state is closed and opened, read beside its writer, proven, carried to another place, and somebody is forgotten in it.
pub(in crate::store) async fn check_lives(fresh: &dyn Fn() -> Stores) {
    let (stores, others) = (fresh(), fresh());
    let (state, other) = (stores.tenant(&tenant()), others.tenant(&tenant()));
    let open = |state: &TenantStore| state.open("test", Arc::new(SystemClock)).unwrap();
    assert!(state.read().unwrap().is_none());
    let open_before = {
        let (store, notices) = open(&state);
        assert_eq!(notices, [Notice::New]);
        for n in 0..150 {
            note(&store, vec![linked(&format!("u{n:03}")), sent(&format!("u{n:03}"), &[("title", "x")], Some(n > 0))])
                .await;
        }
        note(&store, vec![group_linked("g"), members_added("g", &["u001", "u002"])]).await;
        store.trusted(&run(), Reason::LookedThrough).await.unwrap();
        store.intent(intent("open")).await.unwrap();
        store.run_ended(summary("r1", 1)).await.unwrap();
        assert_eq!(state.read().unwrap().unwrap().counts().unwrap().users, 150, "beside the one who writes");
        assert!(matches!(state.open("second", Arc::new(SystemClock)), Err(StoreError::Busy { .. })));
        store.open_intents()
    };
    let (store, notices) = open(&state);
    assert_eq!((notices, store.health(), store.open_intents()), (vec![], Health::Trusted, open_before.clone()));
    assert_eq!((store.counts().unwrap().users, store.take_notices()), (150, vec![]));
    store.rebuild().unwrap();
    assert_eq!(member_ids(&store, "g"), set(&["u001", "u002"]));
    assert!(matches!(store.take_notices().as_slice(), [Notice::CacheRebuilt { .. }]));
    drop(store);
    let report = state.verify().unwrap();
    assert!(report.broken.is_none() && report.unfinished == 0 && report.files > 1, "{report:?}");
    let last = state.records(report.records).unwrap().map(Result::unwrap).collect::<Vec<_>>();
    assert!(matches!(last.as_slice(), [Record { event: JournalEvent::RunEnded(_), .. }]), "{last:?}");
    assert_eq!(state.recent_runs(5).unwrap().len(), 1);

    let mut file = Vec::new();
    let exported = state.export(at(5), &mut file).unwrap();
    assert_eq!(exported.sum.head, report.head);
    for replaces in [false, true] {
        let aside = other.import(&mut file.as_slice(), replaces, at(6)).unwrap().aside;
        assert_eq!(aside.is_some(), replaces);
        let (store, notices) = open(&other);
        assert!(notices.is_empty() && matches!(store.health(), Health::AdoptOnly { .. }));
        assert_eq!((store.counts().unwrap().users, store.open_intents()), (150, open_before.clone()));
    }
    assert!(matches!(other.import(&mut file.as_slice(), false, at(6)), Err(StoreError::Occupied(_))));

    let forgotten = state.forget("u000", "test", false, Arc::new(SystemClock)).unwrap();
    assert!(forgotten.was_linked && forgotten.copies.is_empty(), "{forgotten:?}");
    let report = state.verify().unwrap();
    assert_eq!((report.broken, report.forgotten), (None, forgotten.records));
    let (store, notices) = open(&state);
    assert_eq!((notices, store.counts().unwrap().users, store.user(&id("u000")).unwrap()), (vec![], 149, None));
}
