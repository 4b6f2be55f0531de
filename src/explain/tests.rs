//! Stories in the simulated world: what the real binary's tests can't easily bring about.

use std::sync::Mutex;

use super::*;
use crate::cycle::Witness;
use crate::model::GroupMatch;
use crate::model::fold;
use crate::sim::{Directory, Fault, World, command};

fn records(world: &World) -> impl Iterator<Item = Result<crate::store::Record, StoreError>> + use<> {
    world.store.records().into_iter().map(Ok)
}

/// Everybody who goes by a name, and the preview.
async fn look(world: &World, typed: &str) -> (Vec<ListedCandidate>, Vec<Candidate>, CycleReport) {
    let linked = linked_by_name(&world.store, typed).unwrap();
    let teller = Teller {
        typed,
        linked: &linked,
        rules: world.errand().rules,
        nested: world.tenant.nested,
        groups_named: world.tenant.groups.is_some(),
        found: Mutex::new(Vec::new()),
        similar: Mutex::new(Vec::new()),
    };
    let report = world.ask_watched(&command(), false, Some(&teller as &dyn Witness)).await.unwrap();
    (teller.found.into_inner().unwrap(), linked, report)
}

async fn story(world: &World, typed: &str) -> Story {
    story_of(world, typed, None).await
}

async fn story_of(world: &World, typed: &str, shown: Option<Option<AppUser>>) -> Story {
    let (listed, _, report) = look(world, typed).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    let ListedCandidate { candidate, directory } = listed.into_iter().next().unwrap();
    let past = Past::read(records(world), &candidate).unwrap();
    let rules = world.errand().rules;
    tell(ExplainSources {
        tenant: &TenantName::parse("acme").unwrap(),
        candidate,
        state: &world.store,
        protected: &rules.protected,
        directory: Some(directory),
        report: Some(&report),
        unread: None,
        shown,
        past,
        retired: None,
    })
    .unwrap()
}

async fn synced(dir: Directory, change: impl FnOnce(&mut crate::sim::Tenant)) -> World {
    let mut world = World::new(dir);
    world.reconfigure(change);
    world.sync().await;
    world.app.forget_calls();
    world
}

#[tokio::test(start_paused = true)]
async fn every_way_into_a_group_is_named_and_whether_it_counts() {
    let dir = Directory::of(&["ann", "bob"])
        .with_group("inner", &["ann"])
        .with_group("middle", &["inner"])
        .with_group("outer", &["middle"])
        .with_group("other", &["ann", "bob"]);
    for nested in [false, true] {
        let world = synced(dir.clone(), |tenant| {
            tenant.groups = Some(vec![GroupMatch::Name("outer".into())]);
            tenant.nested = nested;
        })
        .await;
        let ann = story(&world, "ann").await;
        let directory = ann.directory.unwrap();
        let words: Vec<(&str, bool)> =
            directory.groups.iter().map(|group| (group.name.as_str(), group.counts)).collect();
        assert_eq!(words, [("inner", false), ("other", false), ("middle", false), ("outer", nested)]);
        assert_eq!((directory.belongs, ann.link.is_some()), (nested, nested));
        assert_eq!(directory.groups[3].why.contains("scope.nested is off"), !nested);
        assert!(directory.groups[3].why.starts_with("around middle, "));
        assert_eq!(ann.verdict.starts_with("nothing would change: member of outer"), nested, "{}", ann.verdict);
    }
}

#[tokio::test(start_paused = true)]
async fn standings_protection_and_absence_are_told_as_they_are_decided() {
    let dir = Directory::of(&["ann", "bob", "cid", "dee", "eve"]).with_group("all", &["ann", "bob", "cid", "dee"]);
    let world = synced(dir, |tenant| tenant.protect = vec!["bob@x.test"]).await;
    assert!(story(&world, "bob@x.test").await.verdict.starts_with("protected"));
    assert_eq!(story(&world, "eve").await.verdict, "rosterd gives them no account: they are in no group");

    world.edit(|dir| {
        dir.stand("ann", LifecycleStatus::Suspended);
        dir.stand("cid", LifecycleStatus::Staged);
        dir.hide("dee");
        dir.mute = true;
    });
    let ann = story(&world, "ann").await;
    assert_eq!((ann.next[0].op, ann.next[0].lane), (Op::DeactivateUser, Lane::Leavers));
    assert!(story(&world, "cid").await.verdict.contains("staged in the directory"));
    let dee = story(&world, "dee").await;
    assert_eq!(dee.directory.as_ref().unwrap().answer, Some(Presence::Unknown));
    assert!(dee.verdict.contains("can't say whether they are gone"), "{}", dee.verdict);
    world.sync().await;
    let dee = story(&world, "dee").await;
    assert!(dee.link.unwrap().missing_since.is_some());
    assert_eq!(dee.history.last().unwrap().what, "missing");
    assert_eq!(story(&world, "ann").await.verdict, "deactivated, and nothing would change: suspended in the directory");
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_with_the_apps_words_and_the_next_try() {
    let dir = Directory::of(&["ann", "bob"]).with_group("all", &["ann", "bob"]);
    let world = synced(dir, |_| {}).await;
    world.edit(|dir| dir.set("ann", "displayName", "new"));
    world.app.fail("update_user", "ann", 1, Fault::refused(crate::scim::FailureClass::Invalid, 400));
    world.sync().await;
    let ann = story(&world, "ann").await;
    assert_eq!(ann.set_aside.unwrap().attempts, 1);
    let last = ann.history.iter().rfind(|deed| deed.what == "update_user").unwrap();
    assert_eq!((last.result.name(), last.answer.as_deref()), ("failed", Some("update_user /Simulated: Invalid")));
    assert_eq!(ann.next[0].op, Op::UpdateUser, "a command tries at once");
    let changes = &ann.next[0].changes;
    assert_eq!((changes[0].attribute.as_str(), &changes[0].to), ("displayName", &Value::from("new")));

    world.edit(|dir| {
        dir.add_user("cid");
        dir.join("all", "cid");
    });
    world.app.fail("add_members", "all", 9, Fault::refused(crate::scim::FailureClass::Forbidden, 403));
    world.sync().await;
    let cid = story(&world, "cid").await;
    let joined = cid.history.iter().rfind(|deed| deed.what == "add_members").unwrap();
    assert_eq!(
        (joined.result.name(), joined.name.as_deref()),
        ("failed", Some("all")),
        "the journal has only names: {cid:?}"
    );
    assert!(
        story(&world, "bob").await.history.iter().all(|deed| deed.result.name() == "done"),
        "and not somebody else's"
    );
}

#[tokio::test(start_paused = true)]
async fn the_guards_word_is_that_of_the_whole_plan() {
    let ids: Vec<String> = (0..20).map(|at| format!("u{at:02}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let world = synced(Directory::of(&ids).with_group("all", &ids), |_| {}).await;
    world.edit(|dir| ids.iter().take(9).for_each(|id| dir.stand(id, LifecycleStatus::Suspended)));
    let one = story(&world, "u03").await;
    assert_eq!((one.next[0].result.name(), one.holds[0].code().name()), ("held", "removals_per_day"));
    world.edit(|dir| ids.iter().skip(5).for_each(|id| dir.delete_user(id)));
    let held = story(&world, "u03").await;
    assert!(held.verdict.contains("source_shrink"), "{}", held.verdict);
    assert!(held.next.iter().all(|step| step.result.name() == "held"), "{:?}", held.next);
    assert_eq!(
        held.directory.unwrap().standing,
        Some(LifecycleStatus::Suspended),
        "the directory's word is told all the same"
    );
    assert!(world.app.writes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn somebody_is_found_by_every_name_and_in_the_journal_when_nowhere_else() {
    let dir = Directory::of(&["Ann", "bob", "cid"]).with_group("all", &["Ann", "bob", "cid"]);
    let world = synced(dir, |tenant| tenant.on_deleted = crate::config::tenant::DeprovisioningAction::Delete).await;
    let account = world.app.account("bob@x.test").unwrap().0;
    for typed in ["bob", "BOB", "Bob@X.test", &account, &account.to_uppercase()] {
        assert_eq!(story(&world, typed).await.id.as_str(), "bob", "{typed}");
    }
    for typed in ["ann", "Ann"] {
        assert_eq!(story(&world, typed).await.id.as_str(), "Ann", "{typed}");
    }
    let (listed, linked, _) = look(&world, "nobody").await;
    assert!(listed.is_empty() && linked.is_empty());

    world.edit(|dir| dir.delete_user("bob"));
    world.sync().await;
    let (listed, linked, _) = look(&world, "bob@x.test").await;
    assert!(listed.is_empty() && linked.is_empty());
    let found = search_journal(records(&world), &fold("BOB@x.test")).unwrap();
    assert_eq!(found, [Candidate { id: SourceId::from("bob"), name: "bob@x.test".into() }]);
    let past = Past::read(records(&world), &found[0]).unwrap();
    assert_eq!(past.linked, None, "the link has ended");
    assert_eq!(past.deeds.back().unwrap().what, "delete_user");
}

/// The journal has a group's id alone, and its link ends with the binding: the name is told all the same.
#[tokio::test(start_paused = true)]
async fn j12_a_group_that_was_unbound_or_deleted_is_told_by_its_name() {
    for delete in [false, true] {
        let mut dir = Directory::of(&["ann", "bob", "cid", "dee"]).with_group("all", &["bob", "cid", "dee"]);
        dir.add_group("5f2b0c", &["ann", "bob"]);
        dir.group("5f2b0c").name = "Sales".into();
        let world = synced(dir, |_| {}).await;
        world.edit(|dir| dir.group("5f2b0c").name = "Sales EMEA".into());
        world.sync().await;
        world.edit(|dir| match delete {
            true => drop(dir.groups.remove("5f2b0c")),
            false => dir.group("5f2b0c").assigned = false,
        });
        world.sync().await;
        let ann = story(&world, "ann").await;
        let joined = ann.history.iter().find(|deed| deed.what == "add_members").unwrap();
        assert_eq!(joined.name.as_deref(), Some("Sales EMEA"), "deleted: {delete}: {joined:?}");
        assert_eq!(joined.object.id().as_str(), "5f2b0c", "the id beside it");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_deeds_are_kept_and_the_others_counted() {
    let world = synced(Directory::of(&["ann"]).with_group("all", &["ann"]), |_| {}).await;
    for n in 0..30 {
        world.edit(|dir| dir.set("ann", "displayName", format!("name {n}")));
        world.sync().await;
    }
    let ann = story(&world, "ann").await;
    assert_eq!((ann.history.len(), ann.earlier), (20, 12));
    assert_eq!(ann.history.last().unwrap().changes[0].to, Value::from("name 29"));
    assert_eq!(ann.link.unwrap().since, Some(ann_linked(&world)));
}

/// When the account was made.
fn ann_linked(world: &World) -> Timestamp {
    let made = world.store.records().into_iter().find(|record| match &record.event {
        crate::store::JournalEvent::Outcome { effects, .. } => !effects.is_empty(),
        _ => false,
    });
    made.unwrap().at
}

#[tokio::test(start_paused = true)]
async fn ma4_why_names_the_way_out_for_an_account_that_the_app_does_not_show() {
    let world = synced(Directory::of(&["ann", "bob"]).with_group("all", &["ann", "bob"]), |_| {}).await;
    let lost = story_of(&world, "ann", Some(None)).await;
    for part in ["does not show their account", "`rosterd drift acme --note`", "member of all"] {
        assert!(lost.verdict.contains(part), "{}", lost.verdict);
    }
    assert!(story(&world, "ann").await.verdict.starts_with("nothing would change"), "the app was not asked");
}

#[tokio::test]
async fn a_membership_call_without_an_answer_is_told_by_id_and_not_by_the_name_that_another_user_may_have_by_now() {
    let dir = Directory::of(&["ann", "bob"]).with_group("all", &["ann", "bob"]).with_group("red", &["ann", "bob"]);
    let world = synced(dir, |_| {}).await;
    world.edit(|dir| dir.part("red", "bob"));
    world.app.fail("remove_members", "", 9, Fault::lost());
    world.sync().await;
    let removals = |id: &str, name: &str| {
        let candidate = Candidate { id: SourceId::new(id), name: name.to_owned() };
        let past = Past::read(records(&world), &candidate).unwrap();
        past.deeds.iter().filter(|deed| deed.what == "remove_members").count()
    };
    assert_eq!(removals("bob", "bob@x.test"), 1);
    assert_eq!(removals("bob", "robert@x.test"), 1, "the user name is another one now");
    assert_eq!(removals("cid", "bob@x.test"), 0, "another user has the user name now");
}
