//! A person taken out of the state: nothing of them is left, everything else is as it was, and the chain holds.

use std::fs;

use serde_json::json;

use super::*;
use crate::model::{AppId, Change, ObjectRef, Obstacle, Path as AttributePath};

const WORDS: [&str; 6] =
    ["u-ann-4711", "app-u-ann-4711", "ann.lee", "Annabel Leeward", "0177-2255", "ann.the.unmapped"];

fn ann() -> CallIntent {
    let change = |attribute: &str, to: &str| Change { attribute: attribute.into(), from: json!(null), to: json!(to) };
    CallIntent {
        changes: vec![
            change("userName", "ann.lee@acme.test"),
            change("displayName", "Annabel Leeward"),
            change("phoneNumbers.work", "0177-2255"),
        ],
        reason: "Annabel Leeward is a member of Staff".into(),
        ..intent("u-ann-4711")
    }
}

/// A journal of several files in which ann is named in every way there is; says what the state holds beside her.
async fn lived_in(home: &Home) {
    let store = home.open_small(3000);
    let attributes = attributes(&[
        ("userName", "ann.lee@acme.test"),
        ("displayName", "Annabel Leeward"),
        ("phoneNumbers.work", "0177-2255"),
    ]);
    let made = store.intent(ann()).await.unwrap();
    let sent = Effect::UserSent {
        id: id("u-ann-4711"),
        set: attributes.clone(),
        clear: vec![],
        active: Some(true),
        echo: attributes.clone(),
    };
    let source = Effect::UserSource { id: id("u-ann-4711"), seen: attributes, gone: vec![] };
    let done = OutcomeResult::Done { status: Some(201) };
    store.outcome(made, done, vec![linked("u-ann-4711"), sent, source]).await.unwrap();
    for n in 0..20 {
        store.noted(&run(), "test".into(), vec![linked(&format!("u{n}"))]).await.unwrap();
    }
    let manager = |to: &str| Effect::UserSent {
        id: id("u1"),
        set: [(AttributePath::manager(), json!(to))].into_iter().collect(),
        clear: vec![],
        active: Some(true),
        echo: crate::model::Attributes::new(),
    };
    store
        .noted(
            &run(),
            "test".into(),
            vec![manager("app-u-ann-4711"), group_linked("g"), members_added("g", &["u1", "u-ann-4711", "u2"])],
        )
        .await
        .unwrap();
    let members = CallIntent {
        op: crate::model::Op::AddMembers,
        object: ObjectRef::Group(id("g")),
        members: vec![id("u2"), id("u-ann-4711")],
        changes: vec![Change {
            attribute: "members".into(),
            from: json!(null),
            to: json!(["u2", "ann.lee@acme.test"]),
        }],
        ..intent("g")
    };
    let call = store.intent(members).await.unwrap();
    let refused = OutcomeResult::Failed { status: Some(400), detail: "Ann.Lee@acme.test is unknown here".into() };
    let note = FailureNote {
        reason: "0177-2255 is no number".into(),
        attempts: 1,
        next_try: at(9),
        found: None,
        name: Some("Ann.Lee@acme.test".into()),
    };
    let failed = Effect::Failed { object: ObjectRef::User(id("u-ann-4711")), note };
    let lost = Effect::AccessLost { user: id("u-ann-4711"), at: at(3) };
    // Somebody else's note, which names her by a value that was never sent.
    let account = AppId::new("app-u2");
    let (of, name) = (id("u-ann-4711"), "ann.the.unmapped".to_owned());
    let reason = Obstacle::AccountOfAnother { account, by: "userName".into(), of, name };
    let note = FailureNote { reason, attempts: 1, next_try: at(9), found: None, name: None };
    let beside = Effect::Failed { object: ObjectRef::User(id("u2")), note };
    store
        .outcome(call, refused, vec![failed, lost, beside, Effect::Settled { object: ObjectRef::User(id("u2")) }])
        .await
        .unwrap();
    store.trusted(&run(), "looked".into()).await.unwrap();
    let summary = RunSummary { note: "removals_per_day: ann.lee@acme.test and 2 more".into(), ..summary("r1", 4) };
    store.run_ended(summary).await.unwrap();
    store.write_index(IndexDraft { settings_hash: 1, ..IndexDraft::default() }).unwrap();
}

async fn switched_off(home: &Home) {
    lived_in(home).await;
    let store = home.open();
    store.noted(&run(), "left".into(), vec![sent("u-ann-4711", &[], Some(false))]).await.unwrap();
}

fn erase(home: &Home, who: &str, force: bool) -> Result<Forgotten, StoreError> {
    home.state().forget(who, "bob", force, Arc::new(SystemClock))
}

/// Files below the tenant's folder, the cache too, in which a text stands.
fn holding(home: &Home, text: &str) -> Vec<PathBuf> {
    fn all(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { all(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    all(&home.folder(), &mut found);
    let text = text.to_lowercase();
    found.retain(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).to_lowercase().contains(&text));
    found
}

#[tokio::test]
async fn i8_nothing_of_a_person_is_left_and_the_chain_still_holds() {
    let home = Home::new();
    switched_off(&home).await;
    for word in WORDS {
        assert!(!holding(&home, word).is_empty(), "{word} is there to be forgotten");
    }
    let before = home.state().verify().unwrap();
    let done = erase(&home, "ANN.LEE@acme.test", false).unwrap();
    assert!(done.was_linked && done.copies.is_empty() && done.records > 4, "{done:?}");
    for word in WORDS {
        assert_eq!(holding(&home, word), Vec::<PathBuf>::new(), "{word}");
    }
    let after = home.state().verify().unwrap();
    assert_eq!((&after.broken, after.records, after.forgotten), (&None, before.records + 2, done.records));
    let old_head = home.state().records(before.records + 1).unwrap().next().unwrap().unwrap().prev;
    assert_eq!(old_head, before.head, "who noted the head can still hold the journal to it");
    let store = home.open();
    assert_eq!(store.counts().unwrap().users, 20);
    assert_eq!(store.members(&id("g")).unwrap().len(), 2, "the group has the others");
    assert_eq!(store.failures().unwrap(), []);
    assert_eq!(store.health(), Health::Trusted);
    assert_eq!(store.lost_since(at(0)).unwrap().len(), 1, "i2: the budget stays used");
    assert!(store.load_index(1).is_none(), "it knew her by number");
    let status = home.state().status().unwrap().unwrap();
    assert_eq!((status.linked.users, status.last_run.note.as_str()), (20, "removals_per_day: [forgotten] and 2 more"));
    drop(store);
    assert_eq!(home.open_with_notices().1, [], "nothing is in doubt");
}

#[tokio::test]
async fn a_text_that_somebody_changed_is_no_forgotten_one() {
    let home = Home::new();
    switched_off(&home).await;
    erase(&home, "u-ann-4711", false).unwrap();
    let file = home.segments().remove(0).place;
    let text = fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.contains("\"was\"")).unwrap();
    // A forger keeps the hash and mends the checksum; only the journal's own word is missing.
    let forged = line[9..].replacen("[forgotten]", "assigned", 1);
    assert_ne!(forged, line[9..]);
    let forged = format!("{:08x} {forged}", crc32fast::hash(forged.as_bytes()));
    fs::write(&file, text.replace(line, &forged)).unwrap();
    let broken = home.state().verify().unwrap().broken.unwrap();
    assert!(broken.why.contains("vouches") && broken.file == file, "{broken:?}");
}

#[tokio::test]
async fn i2_nobody_is_forgotten_by_mistake() {
    let home = Home::new();
    lived_in(&home).await;
    let first = home.segments().remove(0).place;
    let before = fs::read_to_string(&first).unwrap();
    let says = |who: &str| erase(&home, who, false).unwrap_err().to_string();
    assert!(says("ann.lee@acme.test").contains("still has an active account"), "{}", says("ann.lee@acme.test"));
    assert!(says("zoe").contains("matches no user"), "{}", says("zoe"));
    assert!(says("ann").contains("matches no user"), "half a name is no name");
    {
        let store = home.open();
        store
            .noted(&run(), "test".into(), vec![sent("u3", &[("displayName", "Annabel Leeward")], None)])
            .await
            .unwrap();
    }
    assert!(says("annabel leeward").contains("several users"), "{}", says("annabel leeward"));
    assert_eq!(fs::read_to_string(&first).unwrap(), before);
    home.open().intent(ann()).await.unwrap();
    let open = erase(&home, "u-ann-4711", true).unwrap_err().to_string();
    assert!(open.contains("has no answer yet"), "{open}");
}

#[tokio::test]
async fn a_second_person_is_forgotten_as_well_and_exports_still_prove() {
    let home = Home::new();
    switched_off(&home).await;
    erase(&home, "u-ann-4711", false).unwrap();
    let second = erase(&home, "u2", true).unwrap();
    assert!(second.was_linked);
    let report = home.state().verify().unwrap();
    assert_eq!(report.broken, None, "a record changed twice is vouched for by the later word");
    assert_eq!(home.open().counts().unwrap().users, 19);
    let mut bytes = Vec::new();
    home.state().export(at(5), &mut bytes).unwrap();
    let other = Home::new();
    other.state().import(&mut &bytes[..], false, at(6)).unwrap();
    assert_eq!(other.state().verify().unwrap().broken, None);
}
