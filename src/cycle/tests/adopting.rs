//! Accounts that are in the app already, and accounts that are none of ours.

use super::*;
use crate::model::Path;

fn three() -> Directory {
    Directory::of(&["ann", "bo", "cy"]).with_group("staff", &["ann", "bo", "cy"])
}

#[tokio::test(start_paused = true)]
async fn i3_an_account_is_adopted_by_external_id_or_by_user_name_without_case() {
    let world = World::new(three());
    let ann = world.app.has_user("Ann@X.test", true);
    world.app.by_hand(|app| app.users.get_mut(&ann).unwrap().attributes.set(Path::external_id(), "ann".into()));
    world.app.has_user("BO@X.test", false);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok);
    assert_eq!(world.app.holdings().users.len(), 3, "nobody is doubled");
    assert_eq!(world.app.active(), ["ann@x.test", "bo@x.test", "cy@x.test"]);
    assert_eq!(world.app.account("ann@x.test").unwrap().0, ann);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn i4_accounts_that_nobody_assigned_are_never_touched() {
    let world = World::new(three());
    world.app.has_user("admin@x.test", true);
    world.app.has_user("old@x.test", false);
    let before = world.app.holdings();
    world.sync().await;
    for (id, account) in &before.users {
        assert_eq!(world.app.holdings().users.get(id), Some(account));
    }
}

#[tokio::test(start_paused = true)]
async fn i4_an_external_id_is_not_ours_to_clear_where_we_do_not_send_one() {
    let mut world = World::new(three());
    world.reconfigure(|tenant| tenant.profile.users.send_external_id = false);
    let ann = world.app.has_user("ann@x.test", true);
    world.app.by_hand(|app| app.users.get_mut(&ann).unwrap().attributes.set(Path::external_id(), "hr-77".into()));
    world.sync().await;
    assert_eq!(world.app.value("ann@x.test", "externalId").as_deref(), Some("hr-77"));
    assert_eq!(world.app.value("bo@x.test", "externalId"), None);
}

#[tokio::test(start_paused = true)]
async fn i3_two_people_of_one_user_name_are_both_set_aside_and_the_others_go_on() {
    for unique in [true, false] {
        let mut dir = three();
        dir.set("bo", "userName", "ANN@x.test");
        let world = World::new(dir);
        world.app.behave(|app| app.unique = unique);
        let report = world.sync().await;
        assert_eq!(world.app.active(), ["cy@x.test"], "neither of the two, whoever comes first");
        assert_eq!(failures(&report).iter().filter(|(op, _)| op.starts_with("create_user")).count(), 2);
        assert_eq!(report.status(), Status::Partial);
        world.edit(|dir| dir.set("bo", "userName", "bo@x.test"));
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Ok, "{:?}", failures(&report));
        assert_eq!(world.app.active().len(), 3);
        assert_eq!(world.app.members("staff").unwrap().len(), 3);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn i3_a_linked_person_never_takes_the_user_name_of_another() {
    let world = synced(three()).await;
    world.app.behave(|app| app.unique = false);
    world.edit(|dir| {
        dir.set("bo", "userName", "new@x.test");
        dir.set("cy", "userName", "NEW@x.test");
        dir.set("bo", "displayName", "Bo Berg");
    });
    let report = world.sync().await;
    assert_eq!(failures(&report).len(), 2, "{:?}", failures(&report));
    assert_eq!(world.app.active(), ["ann@x.test", "bo@x.test", "cy@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn i3_a_newcomer_with_the_name_of_somebody_linked_waits_for_a_decision() {
    let world = synced(three()).await;
    world.edit(|dir| {
        dir.add_user("imposter");
        dir.set("imposter", "userName", "Ann@x.test");
        dir.join("staff", "imposter");
    });
    let report = world.sync().await;
    assert_eq!(held(&report), ["create_user Ann@x.test"]);
    assert_eq!(world.app.writes(), [""; 0]);
    assert_eq!(world.app.holdings().users.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn i3_who_is_known_by_id_comes_before_who_is_known_by_name() {
    let mut dir = Directory::default();
    // In the order of ids the one who only matches by name comes first.
    dir.add_user("a-name");
    dir.set("a-name", "userName", "shared@x.test");
    dir.add_user("z-id");
    dir.set("z-id", "userName", "other@x.test");
    dir.add_group("staff", &["a-name", "z-id"]);
    let world = World::new(dir);
    let account = world.app.has_user("shared@x.test", true);
    world.app.by_hand(|app| app.users.get_mut(&account).unwrap().attributes.set(Path::external_id(), "z-id".into()));
    // The id is another's, and so is the name: nobody gets it before one of the two sides is corrected.
    let report = world.sync().await;
    assert_eq!(held(&report), ["adopt_user other@x.test", "create_user shared@x.test"], "{report:?}");
    assert_eq!(world.app.writes(), [""; 0]);
    world.edit(|dir| {
        dir.set("a-name", "userName", "another@x.test");
        dir.set("z-id", "userName", "shared@x.test");
    });
    world.sync().await;
    world.approve_if_held();
    world.sync().await;
    assert_eq!(world.app.account("shared@x.test").unwrap().0, account);
    assert_eq!(world.app.active(), ["another@x.test", "shared@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn i2_protected_people_are_never_touched() {
    let mut dir = three();
    dir.add_user("root");
    dir.join("staff", "root");
    let mut world = synced(dir).await;
    world.reconfigure(|tenant| tenant.protect = vec!["Root@x.test"]);
    world.sync().await;
    world.edit(|dir| {
        dir.stand("root", LifecycleStatus::Suspended);
        dir.set("root", "displayName", "somebody else");
        dir.part("staff", "root");
        dir.add_group("night", &["root", "ann"]);
    });
    world.sync().await;
    assert_eq!(world.app.writes(), ["create_group night"]);
    assert_eq!(world.app.members("night").unwrap(), ["ann@x.test"], "not even added");
    assert!(world.app.active().contains(&"root@x.test".to_owned()));
    assert!(world.app.members("staff").unwrap().contains(&"root@x.test".to_owned()));
    world.assert_quiet().await;
    world.edit(|dir| dir.delete_user("root"));
    world.sync().await;
    assert_eq!(world.app.writes(), [""; 0]);
    world.edit(|dir| drop(dir.groups.remove("staff")));
    let report = world.sync().await;
    assert_eq!(held(&report), ["delete_group staff"], "a group that holds a protected person is not deleted");
}

#[tokio::test(start_paused = true)]
async fn i2_a_protected_newcomer_gets_no_account() {
    let world = synced_as(three(), |tenant| tenant.protect = vec!["bo@x.test"]).await;
    assert_eq!(world.app.active(), ["ann@x.test", "cy@x.test"]);
    assert_eq!(world.app.members("staff").unwrap(), ["ann@x.test", "cy@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn p4_lost_state_adopts_everything_again_and_removes_nothing_at_first() {
    let mut world = synced(three()).await;
    let before = world.app.holdings();
    world.lose_state();
    world.edit(|dir| dir.stand("bo", LifecycleStatus::Suspended));
    let report = world.sync().await;
    assert_eq!(world.app.writes(), [""; 0], "{report:?}");
    assert_eq!(world.app.holdings(), before);
    world.sync().await;
    assert_eq!(world.app.writes(), ["deactivate bo@x.test"], "who left while nobody knew is found again, and goes");
    world.assert_quiet().await;
    world.edit(|dir| dir.stand("bo", LifecycleStatus::Active));
    world.sync().await;
    assert_eq!(world.app.writes(), ["activate bo@x.test"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_suspended_person_without_an_account_gets_none_and_is_asked_about_once() {
    let mut dir = three();
    dir.stand("bo", LifecycleStatus::Suspended);
    let world = World::new(dir);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.active(), ["ann@x.test", "cy@x.test"]);
    world.assert_quiet().await;
}
