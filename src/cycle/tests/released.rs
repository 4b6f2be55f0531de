//! J9, J12: groups that rosterd released, and who may have them afterwards.

use super::rules_table::without_limits;
use super::*;
use crate::config::tenant::AdoptGroups;
use crate::store::Baseline as _;

/// `ann` and `bo` in `sales`, everybody in `all`.
fn before() -> Directory {
    Directory::of(&["ann", "bo", "cy"]).with_group("sales", &["ann", "bo"]).with_group("all", &["ann", "bo", "cy"])
}

/// An app that leaves groups alone which carry another record's id, and a file that takes none over.
async fn strict() -> World {
    let world = synced_as(before(), |tenant| tenant.adopt_groups = AdoptGroups::Never).await;
    without_limits(&world);
    world
}

/// The directory lets `sales` go and binds another group of its name, with `bo` and `cy`.
fn another_sales(dir: &mut Directory) {
    dir.add_group("sales-2", &["bo", "cy"]);
    dir.group("sales-2").name = "Sales".into();
}

#[tokio::test(start_paused = true)]
async fn j9_j12_a_released_group_is_taken_over_by_a_new_one_of_its_name() {
    let world = strict().await;
    world.edit(|dir| dir.group("sales").assigned = false);
    world.sync().await;
    assert_eq!(world.app.members("sales").unwrap(), ["ann@x.test", "bo@x.test"], "left as it is");
    let guest = world.app.has_user("guest@y.test", true);
    world.app.by_hand(|app| {
        let group = app.groups.values_mut().find(|group| group.name == "sales").unwrap();
        group.members.insert(guest.clone());
    });
    world.edit(another_sales);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert!(report.operations().iter().any(|one| one.reason.to_string().contains("released earlier")), "{report:?}");
    world.sync().await;
    assert_eq!(world.app.members("Sales").unwrap(), ["bo@x.test", "cy@x.test", "guest@y.test"], "compared once");
    assert_eq!(world.app.holdings().groups.len(), 2, "no second one");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j9_j12_a_group_that_goes_over_in_an_app_that_shows_no_members_is_emptied_by_the_record() {
    let world = synced_as(before(), |tenant| tenant.profile.read.members_readable = false).await;
    world.app.behave(|app| app.members_readable = false);
    without_limits(&world);
    world.edit(|dir| {
        dir.group("sales").assigned = false;
        another_sales(dir);
    });
    for _ in 0..3 {
        world.sync().await;
    }
    assert_eq!(world.app.members("Sales").unwrap(), ["bo@x.test", "cy@x.test"], "ann was in it by the record alone");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j9_j12_one_that_was_released_earlier_is_emptied_by_the_record_too() {
    let world = synced_as(before(), |tenant| tenant.profile.read.members_readable = false).await;
    world.app.behave(|app| app.members_readable = false);
    without_limits(&world);
    world.edit(|dir| dir.group("sales").assigned = false);
    world.sync().await;
    assert_eq!(world.app.members("sales").unwrap(), ["ann@x.test", "bo@x.test"], "left as it is");
    world.edit(another_sales);
    for _ in 0..3 {
        world.sync().await;
    }
    assert_eq!(world.app.members("Sales").unwrap(), ["bo@x.test", "cy@x.test"]);
    world.assert_quiet().await;
}

/// The app's group still carries the id of the record that had it first.
#[tokio::test(start_paused = true)]
async fn j9_j12_a_record_whose_released_group_went_to_another_gets_a_group_of_its_own() {
    let world = strict().await;
    without_limits(&world);
    world.edit(|dir| {
        dir.group("sales").assigned = false;
        another_sales(dir);
    });
    for _ in 0..2 {
        world.sync().await;
    }
    world.edit(|dir| {
        dir.group("sales").assigned = true;
        dir.group("sales").name = "Sales West".into();
    });
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!(world.app.members("Sales").unwrap(), ["bo@x.test", "cy@x.test"]);
    assert_eq!(world.app.members("Sales West").unwrap(), ["ann@x.test", "bo@x.test"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j9_j12_one_that_is_released_now_goes_over_in_the_same_run() {
    let world = strict().await;
    world.edit(|dir| {
        dir.group("sales").assigned = false;
        another_sales(dir);
    });
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    world.sync().await;
    assert_eq!(world.app.members("Sales").unwrap(), ["bo@x.test", "cy@x.test"]);
    assert_eq!(world.app.holdings().groups.len(), 2);
    world.assert_quiet().await;
    assert_eq!(world.store.groups_let_go().unwrap(), [], "it is linked again");
}

#[tokio::test(start_paused = true)]
async fn j12_the_same_group_bound_again_is_taken_up_without_adopting_by_name() {
    let world = strict().await;
    // An app that keeps no externalId of groups.
    world.app.by_hand(|app| app.groups.values_mut().for_each(|group| group.external_id = None));
    world.edit(|dir| dir.group("sales").assigned = false);
    world.sync().await;
    world.edit(|dir| {
        dir.group("sales").assigned = true;
        dir.part("sales", "ann");
    });
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    world.sync().await;
    assert_eq!(world.app.members("sales").unwrap(), ["bo@x.test"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j9_members_of_a_released_group_are_taken_out_under_the_guard() {
    let ids: Vec<String> = (0..20).map(|at| format!("u{at:02}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let world = synced(Directory::of(&ids).with_group("sales", &ids).with_group("all", &ids)).await;
    world.edit(|dir| dir.group("sales").assigned = false);
    world.sync().await;
    world.edit(|dir| {
        dir.add_group("sales-2", &ids[..2]);
        dir.group("sales-2").name = "sales".into();
    });
    world.sync().await;
    let report = world.sync().await;
    assert_eq!(holds(&report), ["group_removals"], "{report:?}");
    assert_eq!(world.app.members("sales").unwrap().len(), 20);
    world.approve();
    world.sync().await;
    assert_eq!(world.app.members("sales").unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn j9_a_strangers_group_and_a_released_one_of_another_name_stay_as_today() {
    let world = strict().await;
    world.app.has_group("stranger", &[]);
    world.edit(|dir| {
        dir.group("sales").assigned = false;
        dir.add_group("new", &["cy"]);
        dir.group("new").name = "stranger".into();
    });
    let report = world.sync().await;
    assert_eq!(held(&report), ["create_group stranger"], "never ours");
    // Renamed in the app: the id is ours, the name is not.
    world.app.by_hand(|app| {
        let group = app.groups.values_mut().find(|group| group.name == "sales").unwrap();
        group.name = "marketing".into();
        group.external_id = None;
    });
    world.edit(|dir| {
        dir.add_group("mark", &["cy"]);
        dir.group("mark").name = "marketing".into();
    });
    let report = world.sync().await;
    assert!(held(&report).contains(&"create_group marketing".to_owned()), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn j9_two_groups_of_a_released_name_are_held() {
    let world = strict().await;
    world.edit(|dir| dir.group("sales").assigned = false);
    world.sync().await;
    world.app.has_group("SALES", &[]);
    world.edit(another_sales);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Held, "{report:?}");
    assert_eq!(held(&report), ["create_group Sales"]);
    assert_eq!(world.app.members("sales").unwrap(), ["ann@x.test", "bo@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn j9_what_an_undo_releases_is_taken_over_by_nobody() {
    let world = synced(Directory::of(&["ann", "bo", "cy"]).with_group("all", &["ann", "bo", "cy"])).await;
    without_limits(&world);
    world.app.has_group("sales", &[]);
    world.edit(|dir| dir.add_group("sales", &["ann", "bo"]));
    let run = world.sync().await.run;
    let records = world.store.records().into_iter().map(Ok);
    let mut history = crate::errand::history::History::read(records, &run).unwrap();
    let rules = world.tenant.rules();
    let reversal = crate::errand::undo::reverse(&mut history, &run, &world.store, &rules).unwrap();
    let report = world.errand().run(world.writer(), reversal.task()).await.unwrap();
    let row = world.store.group(&crate::model::SourceId::new("sales")).unwrap();
    assert!(row.is_none(), "released: {report:?}");
    assert_eq!(world.store.groups_let_go().unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn j9_after_the_undo_of_a_takeover_a_released_group_is_taken_over_again() {
    let world = strict().await;
    world.edit(|dir| dir.group("sales").assigned = false);
    world.sync().await;
    world.edit(another_sales);
    let run = world.sync().await.run;
    let records = world.store.records().into_iter().map(Ok);
    let mut history = crate::errand::history::History::read(records, &run).unwrap();
    let reversal = crate::errand::undo::reverse(&mut history, &run, &world.store, &world.tenant.rules()).unwrap();
    world.errand().run(world.writer(), reversal.task()).await.unwrap();
    assert!(world.store.group(&crate::model::SourceId::new("sales-2")).unwrap().is_none(), "let go of again");
    assert_eq!(world.sync().await.status(), Status::Held, "what was taken back waits for a decision");
    world.approve();
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert!(report.operations().iter().any(|one| one.op().name() == "adopt_group"), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn j9_a_group_that_is_gone_from_the_app_is_no_released_one() {
    let world = strict().await;
    world.edit(|dir| drop(dir.groups.remove("sales")));
    world.sync().await;
    assert_eq!(world.app.members("sales"), None, "deleted");
    assert_eq!(world.store.groups_let_go().unwrap(), []);
}
