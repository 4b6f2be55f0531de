//! What every state must do, whatever it lies in. Run over memory and over the disk. [`backend`] has what every backend must do.

mod backend;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use jiff::Timestamp;
use serde_json::json;

pub(super) use self::backend::{check_backend, check_lives};
use super::*;
use crate::model::{
    AppId, Attributes, Change, Lane, ObjectRef, Op, Path, Provenance, Reason, RunId, RunStatus, SnapshotCounts,
    SourceId, UserNumber,
};

pub(super) fn id(text: &str) -> SourceId {
    SourceId::from(text)
}

pub(super) fn run() -> RunId {
    RunId::from("run-1")
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub(super) fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(path, value)| (Path::parse(path).unwrap(), json!(value))).collect()
}

pub(super) fn linked(user: &str) -> Effect {
    Effect::UserLinked { id: id(user), app_id: AppId::new(format!("app-{user}")), provenance: Provenance::Created }
}

pub(super) fn sent(user: &str, pairs: &[(&str, &str)], active: Option<bool>) -> Effect {
    Effect::UserSent { id: id(user), set: attributes(pairs), clear: vec![], active, echo: Attributes::new() }
}

pub(super) fn group_linked(group: &str) -> Effect {
    let app_id = AppId::new(format!("app-{group}"));
    Effect::GroupLinked { id: id(group), app_id, provenance: Provenance::Adopted, name: group.to_uppercase() }
}

pub(super) fn members_added(group: &str, users: &[&str]) -> Effect {
    Effect::MembersAdded { group: id(group), users: users.iter().map(|user| id(user)).collect() }
}

pub(super) fn members_removed(group: &str, users: &[&str]) -> Effect {
    Effect::MembersRemoved { group: id(group), users: users.iter().map(|user| id(user)).collect() }
}

pub(super) fn intent(user: &str) -> CallIntent {
    CallIntent {
        run: run(),
        op: Op::CreateUser,
        lane: Lane::Additions,
        object: ObjectRef::User(id(user)),
        app_id: None,
        changes: vec![Change { attribute: "userName".into(), from: json!(null), to: json!(user) }],
        reason: "assigned".into(),
        members: Vec::new(),
    }
}

pub(super) fn summary(run: &str, ended: i64) -> RunSummary {
    RunSummary {
        first_sync: None,
        run: RunId::from(run),
        plan: "p".into(),
        status: RunStatus::Ok,
        planned: 1,
        done: 1,
        held: 0,
        failed: 0,
        calls: 1,
        created: 0,
        note: String::new(),
        settings: None,
        reading_s: Some(90),
        signs: None,
        dangling: None,
        addresses: None,
        quiet_at: None,
        clock: None,
        clock_doubted: false,
        counts: Some(SnapshotCounts { users: 5, groups: 2, memberships: 7 }),
        started: at(ended - 1),
        ended: at(ended),
    }
}

async fn note(state: &dyn State, effects: Vec<Effect>) {
    state.noted(&run(), Reason::Text("test".into()), effects).await.unwrap();
}

fn member_ids(state: &dyn State, group: &str) -> BTreeSet<String> {
    let numbers = state.members(&id(group)).unwrap();
    assert!(numbers.is_sorted());
    numbers.iter().map(|number| state.user_by_number(*number).unwrap().expect("a live number").to_string()).collect()
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// Runs every check on fresh states made by `fresh`.
pub(super) async fn check_all<S: State>(fresh: impl Fn() -> S) {
    links(&fresh()).await;
    released(&fresh()).await;
    values(&fresh()).await;
    memberships(&fresh()).await;
    set_aside(&fresh()).await;
    budget_and_runs(&fresh()).await;
    intents(&fresh()).await;
    trust_and_index(&fresh()).await;
    many(&fresh()).await;
}

async fn links(state: &dyn State) {
    note(state, vec![linked("a"), linked("ab"), group_linked("a")]).await;
    let row = state.user(&id("a")).unwrap().unwrap();
    assert_eq!((row.app_id.as_str(), row.active, row.provenance), ("app-a", None, Provenance::Created));
    assert_eq!(state.user_by_number(row.number).unwrap(), Some(id("a")));
    assert_eq!(state.number_of(&id("a")).unwrap(), Some(row.number));
    assert_eq!(state.user_by_app_id(&AppId::from("app-ab")).unwrap(), Some(id("ab")));
    assert_eq!(state.group_by_app_id(&AppId::from("app-a")).unwrap(), Some(id("a")));
    assert_eq!(state.group_by_app_id(&AppId::from("app-ab")).unwrap(), None, "users and groups are apart");
    assert_eq!(state.counts().unwrap(), LinkCounts { users: 2, active: 2, groups: 1 });

    // The same link again changes nothing but the provenance; values and number stay.
    note(state, vec![sent("a", &[("title", "x")], Some(true))]).await;
    let adopted = Effect::UserLinked { id: id("a"), app_id: AppId::from("app-a"), provenance: Provenance::Adopted };
    note(state, vec![adopted]).await;
    let again = state.user(&id("a")).unwrap().unwrap();
    assert_eq!((again.number, again.provenance, again.sent.len()), (row.number, Provenance::Adopted, 1));

    // Another account for the same person starts from nothing.
    let moved = Effect::UserLinked { id: id("a"), app_id: AppId::from("new"), provenance: Provenance::Created };
    note(state, vec![members_added("a", &["a"]), moved]).await;
    let fresh = state.user(&id("a")).unwrap().unwrap();
    assert_ne!(fresh.number, row.number);
    assert!(fresh.sent.is_empty() && state.members(&id("a")).unwrap().is_empty());
    assert_eq!(state.user_by_app_id(&AppId::from("app-a")).unwrap(), None);

    note(state, vec![Effect::UserUnlinked { id: id("a") }, Effect::UserUnlinked { id: id("ghost") }]).await;
    assert_eq!(state.user(&id("a")).unwrap(), None);
    assert_eq!(state.user_by_number(fresh.number).unwrap(), None);
    assert_eq!(state.user_by_app_id(&AppId::from("new")).unwrap(), None);
    assert_eq!(state.counts().unwrap(), LinkCounts { users: 1, active: 1, groups: 1 });

    let rename = Effect::GroupRenamed { id: id("a"), name: "Renamed".into() };
    note(state, vec![rename, Effect::GroupRenamed { id: id("ghost"), name: "x".into() }]).await;
    assert_eq!(state.groups().unwrap().iter().map(|(_, row)| row.name.as_str()).collect::<Vec<_>>(), ["Renamed"]);
    note(state, vec![Effect::GroupNameShown { id: id("a"), shown: "renamed".into() }]).await;
    let row = state.group(&id("a")).unwrap().unwrap();
    assert_eq!((row.name_of("renamed"), row.name_of("other")), ("Renamed", "other"));
    note(state, vec![Effect::GroupRenamed { id: id("a"), name: "New".into() }]).await;
    assert_eq!(state.group(&id("a")).unwrap().unwrap().shown, None, "how the app writes the new name is not known yet");
    note(state, vec![Effect::GroupUnlinked { id: id("a") }]).await;
    assert_eq!((state.group(&id("a")).unwrap(), state.groups().unwrap().len()), (None, 0));
    assert_eq!(state.counts().unwrap().groups, 0);
}

/// Groups that were released are known by the app's id: by their own effect, and by what journals of before say.
async fn released(state: &dyn State) {
    let of = |group: &str| AppId::new(format!("app-{group}"));
    let unlinked = |group: &str| Effect::GroupUnlinked { id: id(group) };
    note(state, vec![group_linked("a"), group_linked("b"), group_linked("c")]).await;
    note(state, vec![linked("in-a"), linked("in-b"), linked("gone")]).await;
    let added = |group: &str, users: &[&str]| Effect::MembersAdded {
        group: id(group),
        users: users.iter().map(|user| id(user)).collect(),
    };
    note(state, vec![added("a", &["in-a", "gone"]), added("b", &["in-b"])]).await;
    let let_go = Effect::GroupLetGo { id: id("a"), app_id: of("a"), name: "A".into() };
    note(state, vec![unlinked("a"), let_go, unlinked("b")]).await;
    note(state, vec![Effect::UserUnlinked { id: id("gone") }]).await;
    let were_in = |group: &str| {
        let numbers = state.members_when_released(&of(group)).unwrap().into_iter();
        numbers.map(|number| state.user_by_number(number).unwrap().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((were_in("a"), were_in("b")), (vec![id("in-a")], vec![]), "b is gone from the app");
    state.noted(&run(), Reason::AdoptedOrReleased, vec![unlinked("c")]).await.unwrap();
    let is = |group: &str| state.group_let_go(&of(group)).unwrap().map(|let_go| (let_go.id, let_go.name));
    assert_eq!(is("a"), Some((id("a"), "A".to_owned())));
    assert_eq!(is("b"), None, "gone from the app");
    assert_eq!(is("c"), Some((id("c"), "C".to_owned())), "j12: from a journal of before");
    assert_eq!(state.groups_let_go().unwrap().len(), 2);
    // Linked again, by whatever record: it is nobody's to take.
    let again = Effect::GroupLinked { id: id("z"), app_id: of("a"), provenance: Provenance::Adopted, name: "A".into() };
    note(state, vec![again]).await;
    assert_eq!(is("a"), None);
    assert_eq!(state.last_release(&of("a")).unwrap().map(|let_go| let_go.id), Some(id("a")));
    assert_eq!(were_in("a"), [id("in-a")], "an undo of the link makes it a released group again");

    assert!(!state.groups_were_off());
    note(
        state,
        vec![Effect::GroupsUnwatched { groups: vec![id("z"), id("ghost")] }, Effect::GroupsManaged { on: false }],
    )
    .await;
    assert!(state.groups_were_off() && state.group(&id("z")).unwrap().unwrap().unwatched);
    note(state, vec![Effect::GroupsManaged { on: true }]).await;
    assert!(!state.groups_were_off() && state.group(&id("z")).unwrap().unwrap().unwatched, "until it is compared");
    note(state, vec![Effect::GroupCompared { id: id("z") }]).await;
    assert!(!state.group(&id("z")).unwrap().unwrap().unwatched);
}

async fn values(state: &dyn State) {
    note(state, vec![linked("a"), sent("a", &[("userName", "Ann"), ("title", "x")], Some(true))]).await;
    let echo = Effect::UserSent {
        id: id("a"),
        set: attributes(&[("userName", "Ann2")]),
        clear: vec![Path::parse("title").unwrap()],
        active: None,
        echo: attributes(&[("userName", "ann2")]),
    };
    note(state, vec![echo]).await;
    let row = state.user(&id("a")).unwrap().unwrap();
    assert_eq!((row.active, &row.sent), (Some(true), &attributes(&[("userName", "Ann2")])));
    assert_eq!(row.echo, attributes(&[("userName", "ann2")]));
    // What is sent anew and comes back as it was has no echo any more.
    note(state, vec![sent("a", &[("userName", "bea")], Some(false))]).await;
    assert!(state.user(&id("a")).unwrap().unwrap().echo.is_empty());
    assert_eq!(state.counts().unwrap(), LinkCounts { users: 1, active: 0, groups: 0 });

    let seen = |pairs, gone: &[&str]| Effect::UserSource {
        id: id("a"),
        seen: attributes(pairs),
        gone: gone.iter().map(|path| Path::parse(path).unwrap()).collect(),
    };
    note(state, vec![seen(&[("title", "x"), ("nickName", "n")], &[]), seen(&[("title", "y")], &["nickName"])]).await;
    assert_eq!(state.user(&id("a")).unwrap().unwrap().source_seen, attributes(&[("title", "y")]));

    let missed = |since| Effect::Missed { object: ObjectRef::User(id("a")), since };
    note(state, vec![missed(Some(at(3)))]).await;
    assert_eq!(state.user(&id("a")).unwrap().unwrap().missed_since, Some(at(3)));
    note(state, vec![missed(None), sent("ghost", &[("title", "x")], None)]).await;
    assert_eq!(state.user(&id("a")).unwrap().unwrap().missed_since, None);
    assert_eq!(state.user(&id("ghost")).unwrap(), None, "i4: no row without a link");
}

async fn memberships(state: &dyn State) {
    note(state, vec![linked("a"), linked("b"), linked("c"), group_linked("g"), group_linked("gg")]).await;
    note(state, vec![members_added("g", &["c", "a", "ghost", "a"]), members_added("gg", &["b"])]).await;
    note(state, vec![members_added("no-group", &["a"])]).await;
    assert_eq!(member_ids(state, "g"), set(&["a", "c"]));
    assert_eq!(member_ids(state, "gg"), set(&["b"]));
    assert!(state.members(&id("no-group")).unwrap().is_empty());
    note(state, vec![members_removed("g", &["a", "b"]), members_added("g", &["b"])]).await;
    assert_eq!(member_ids(state, "g"), set(&["b", "c"]));

    // Somebody whose link ends is in no group, and whoever comes after is not mistaken for them.
    note(state, vec![Effect::UserUnlinked { id: id("b") }, linked("d")]).await;
    assert_eq!((member_ids(state, "g"), member_ids(state, "gg")), (set(&["c"]), set(&[])));
    note(state, vec![linked("b"), members_added("g", &["d"])]).await;
    assert_eq!(member_ids(state, "g"), set(&["c", "d"]));

    // A group that is linked anew has no members of before.
    note(state, vec![Effect::GroupUnlinked { id: id("g") }, group_linked("g")]).await;
    assert!(state.members(&id("g")).unwrap().is_empty());
}

async fn set_aside(state: &dyn State) {
    let note_of = |attempts| FailureNote { reason: "409".into(), attempts, next_try: at(60), found: None, name: None };
    let failed = |object, attempts| Effect::Failed { object, note: note_of(attempts) };
    let (user, group) = (ObjectRef::User(id("x")), ObjectRef::Group(id("x")));
    note(state, vec![failed(group.clone(), 1), failed(user.clone(), 1), failed(user.clone(), 2)]).await;
    let all = state.failures().unwrap();
    assert_eq!(all, [(user.clone(), note_of(2)), (group.clone(), note_of(1))], "i1: kept, though nothing is linked");
    note(state, vec![Effect::Settled { object: user }]).await;
    assert_eq!(state.failures().unwrap(), [(group.clone(), note_of(1))]);
    // More than are kept in memory, and back.
    let many: Vec<ObjectRef> = (0..1500).map(|n| ObjectRef::User(id(&format!("u{n:05}")))).collect();
    note(state, many.iter().map(|user| failed(user.clone(), 7)).collect()).await;
    let all = state.failures().unwrap();
    assert_eq!(
        (all.len(), all.first(), all.last()),
        (1501, Some(&(many[0].clone(), note_of(7))), Some(&(group, note_of(1))))
    );
    note(state, many.into_iter().map(|object| Effect::Settled { object }).collect()).await;
    assert_eq!(state.failures().unwrap().len(), 1);
}

async fn budget_and_runs(state: &dyn State) {
    let lost = |user: &str, second| Effect::AccessLost { user: id(user), at: at(second) };
    note(state, vec![lost("b", 20), lost("a", 10), lost("a", 20), lost("z", -1_700_000_500)]).await;
    let since = |second| -> Vec<String> {
        state
            .lost_since(at(second))
            .unwrap()
            .iter()
            .map(|lost| format!("{}@{}", lost.user, lost.at.as_second() - at(0).as_second()))
            .collect()
    };
    assert_eq!(since(10), ["a@10", "a@20", "b@20"], "i2: the instant itself counts");
    assert_eq!(since(11), ["a@20", "b@20"]);
    assert_eq!(state.lost_since(at(-1_700_001_000)).unwrap().len(), 4);

    assert_eq!(state.last_counts(), None);
    for n in 0..205 {
        state.run_ended(summary(&format!("run-{n:03}"), 100 + n)).await.unwrap();
    }
    let runs = state.runs(3).unwrap();
    assert_eq!(runs.iter().map(|run| run.run.as_str()).collect::<Vec<_>>(), ["run-204", "run-203", "run-202"]);
    assert_eq!(state.runs(1000).unwrap().len(), 200);
    assert_eq!(state.last_counts(), Some(SnapshotCounts { users: 5, groups: 2, memberships: 7 }));
    assert_eq!(state.lost_since(at(-1_700_001_000)).unwrap().len(), 3, "what is older than any window is forgotten");
    state.run_ended(RunSummary { counts: None, ..summary("run-later", 8 * 86_400 + 15) }).await.unwrap();
    assert_eq!(since(0), ["a@20", "b@20"]);
    assert_eq!(state.last_reading().map(|time| time.as_secs()), Some(90), "ma7: kept beside the counts");
    assert_eq!(state.last_counts().unwrap().users, 5, "a run without a snapshot does not forget the last one");
}

async fn intents(state: &dyn State) {
    let first = state.intent(intent("a")).await.unwrap();
    let second = state.intent(intent("b")).await.unwrap();
    assert!(second > first);
    assert_eq!(state.open_intents().iter().map(|open| open.seq).collect::<Vec<_>>(), [first, second]);
    let effects = vec![linked("a"), sent("a", &[("userName", "a")], Some(true))];
    state.outcome(first, OutcomeResult::Done { status: Some(201) }, effects).await.unwrap();
    assert!(state.user(&id("a")).unwrap().is_some(), "an outcome is visible as soon as it is written");
    let open = state.open_intents();
    assert_eq!(open.iter().map(|open| (open.seq, open.intent.clone())).collect::<Vec<_>>(), [(second, intent("b"))]);
}

async fn trust_and_index(state: &dyn State) {
    let draft = |settings_hash| IndexDraft {
        settings_hash,
        counts: SnapshotCounts { users: 1, groups: 0, memberships: 0 },
        users: vec![IndexEntry { id_hash: 3, fingerprint: 4, number: 5, flags: 6 }],
        groups: vec![],
    };
    assert!(matches!(state.health(), Health::AdoptOnly { .. }), "p4: a new state may be a lost one");
    assert!(!state.write_index(draft(1)).unwrap(), "an untrusted state has no index");
    state.trusted(&run(), Reason::LookedThrough).await.unwrap();
    assert_eq!(state.health(), Health::Trusted);
    note(state, vec![linked("a")]).await;

    assert!(state.load_index(1).is_none());
    assert!(state.write_index(draft(1)).unwrap());
    assert_eq!(state.load_index(1).unwrap().user(3).map(|(_, entry)| entry.number), Some(5));
    assert!(state.load_index(2).is_none(), "other settings");
    state.run_started(&run(), Trigger::Schedule, "p", None).await.unwrap();
    state.run_ended(summary("quiet", 5)).await.unwrap();
    assert!(state.load_index(1).is_some(), "i12: a quiet run changes nothing");
    let seq = state.intent(intent("b")).await.unwrap();
    assert!(state.load_index(1).is_none(), "an open intent is unresolved");
    state.outcome(seq, OutcomeResult::Failed { status: Some(400), detail: "no".into() }, vec![]).await.unwrap();
    assert!(state.load_index(1).is_some());
    note(state, vec![sent("a", &[("title", "x")], None)]).await;
    assert!(state.load_index(1).is_none(), "the baseline changed");
}

/// More than one page, more than one batch, more than one record.
async fn many(state: &dyn State) {
    let names: Vec<String> = (0..1500).map(|n| format!("user-{n:05}")).collect();
    note(state, names.iter().map(|name| linked(name)).collect()).await;
    note(state, vec![group_linked("all")]).await;
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    note(state, vec![members_added("all", &all)]).await;
    let mut seen = Vec::new();
    state
        .linked_users(&mut |id, row| {
            seen.push((id.to_string(), row.number));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(seen.iter().map(|(id, _)| id).eq(&names), "each once, in order");
    assert_eq!(seen.iter().map(|(_, number)| number).collect::<BTreeSet<_>>().len(), 1500);
    assert_eq!(state.members(&id("all")).unwrap(), (0..1500).map(UserNumber).collect::<Vec<_>>());
    let mut few = 0;
    state
        .linked_users(&mut |_, _| {
            few += 1;
            if few == 700 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(few, 700);
}

#[tokio::test]
async fn memory_holds_what_every_state_must() {
    let name = crate::model::TenantName::parse("acme").unwrap();
    check_all(|| MemoryStore::new(&name, std::sync::Arc::new(crate::clock::SystemClock)).unwrap()).await;
}
