//! MP2: removals whose object the app has under another id by now, or was made again there by hand.

use super::*;
use crate::config::tenant::DeprovisioningAction;
use crate::model::Path;

/// The app gives an account another id; with its memberships, as an app that re-keyed its table.
fn rekey_account(world: &World, name: &str) -> String {
    let (old, account) = world.app.account(name).unwrap();
    let new = format!("re-{old}");
    world.app.by_hand(|app| {
        app.users.remove(&old);
        app.users.insert(new.clone(), account);
        for group in app.groups.values_mut() {
            if group.members.remove(&old) {
                group.members.insert(new.clone());
            }
        }
    });
    new
}

/// A person deletes an account in the app and makes another one of its name, which carries nobody's id.
fn made_again_by_hand(world: &World, name: &str) -> String {
    let id = rekey_account(world, name);
    world.app.by_hand(|app| drop(app.users.get_mut(&id).unwrap().attributes.clear(&Path::external_id())));
    id
}

/// The same for a group.
fn rekey_group(world: &World, name: &str, keeps_id: bool) {
    world.app.by_hand(|app| {
        let old = app.groups.iter().find(|(_, group)| group.name == name).map(|(id, _)| id.clone()).unwrap();
        let mut group = app.groups.remove(&old).unwrap();
        if !keeps_id {
            group.external_id = None;
        }
        app.groups.insert(format!("re-{old}"), group);
    });
}

type Leave = fn(&mut Directory);

const LEAVES: [(&str, Leave); 3] = [
    ("suspended", |dir| dir.stand("u00", LifecycleStatus::Suspended)),
    ("gone", |dir| dir.delete_user("u00")),
    ("unassigned", |dir| dir.part("all", "u00")),
];

#[tokio::test(start_paused = true)]
async fn mp2_a_leaver_whose_account_has_another_id_loses_it_in_the_same_run() {
    for fate in [DeprovisioningAction::Deactivate, DeprovisioningAction::Delete] {
        for (how, leave) in LEAVES {
            let world = synced_as(crowd(5), |tenant| {
                (tenant.on_suspended, tenant.on_unassigned, tenant.on_deleted) = (fate, fate, fate);
            })
            .await;
            rekey_account(&world, "u00@x.test");
            world.edit(leave);
            let report = world.sync().await;
            assert!(!world.app.active().contains(&"u00@x.test".to_owned()), "{how}, {fate:?}: {report:?}");
            assert_eq!(report.status(), Status::Ok, "{how}, {fate:?}: {report:?}");
            assert_eq!(world.app.account("u00@x.test").is_some(), fate == DeprovisioningAction::Deactivate, "{how}");
            assert!(world.set_aside().is_empty(), "{how}");
            world.sync().await;
            world.sync().await;
            world.assert_quiet().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn mp2_an_account_made_again_by_hand_is_named_until_access_ends() {
    for fate in [DeprovisioningAction::Deactivate, DeprovisioningAction::Delete] {
        for (how, leave) in LEAVES {
            let world = synced_as(crowd(5), |tenant| {
                (tenant.on_suspended, tenant.on_unassigned, tenant.on_deleted) = (fate, fate, fate);
            })
            .await;
            let account = made_again_by_hand(&world, "u00@x.test");
            world.edit(leave);
            for at in 0..4 {
                let report = if at % 2 == 0 { world.sync().await } else { world.scheduled().await };
                assert_eq!(report.status(), Status::Partial, "{how}, {fate:?}, run {at}: {report:?}");
                let (_, why) = failures(&report).pop().unwrap();
                assert!(why.contains(&account) && why.contains("u00@x.test"), "{how}: {why}");
                assert_eq!(world.set_aside(), ["user u00"], "{how}: status names them");
                assert_eq!(world.app.active().len(), 5, "{how}: what is not ours is not touched");
            }
            // The remedy that the sentence names.
            world.app.by_hand(|app| {
                app.users.get_mut(&account).unwrap().attributes.set(Path::external_id(), "u00".into());
            });
            let report = world.sync().await;
            assert_eq!(report.status(), Status::Ok, "{how}, {fate:?}: {report:?}");
            assert_eq!(world.app.active().len(), 4, "{how}");
            assert!(world.set_aside().is_empty(), "{how}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn mp2_ending_access_in_the_app_by_hand_settles_it() {
    let world = synced(crowd(5)).await;
    let account = made_again_by_hand(&world, "u00@x.test");
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
    assert_eq!(world.sync().await.status(), Status::Partial);
    world.app.by_hand(|app| app.users.get_mut(&account).unwrap().active = false);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert!(world.set_aside().is_empty());
    world.sync().await;
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mp2_a_404_ends_a_removal_where_nothing_matches() {
    for fate in [DeprovisioningAction::Deactivate, DeprovisioningAction::Delete] {
        let world = synced_as(crowd(5), |tenant| tenant.on_suspended = fate).await;
        let (account, _) = world.app.account("u00@x.test").unwrap();
        world.app.by_hand(|app| {
            app.users.remove(&account);
        });
        world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
        world.sync().await;
        world.sync().await;
        assert!(world.set_aside().is_empty(), "{fate:?}");
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn mp2_members_leave_a_group_that_has_another_id() {
    for keeps_id in [true, false] {
        let dir = Directory::of(&["ann", "bo"]).with_group("all", &["ann", "bo"]).with_group("admins", &["ann", "bo"]);
        let world = synced(dir).await;
        rekey_group(&world, "admins", keeps_id);
        world.edit(|dir| dir.part("admins", "ann"));
        for _ in 0..2 {
            let report = world.sync().await;
            assert_eq!(report.status() == Status::Ok, keeps_id, "{report:?}");
            assert_eq!(world.app.members("admins").unwrap().contains(&"ann@x.test".to_owned()), !keeps_id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn mp2_a_member_whose_account_has_another_id_leaves_the_group() {
    let dir = Directory::of(&["ann", "bo"]).with_group("all", &["ann", "bo"]).with_group("admins", &["ann", "bo"]);
    let world = synced(dir).await;
    rekey_group(&world, "admins", true);
    rekey_account(&world, "ann@x.test");
    world.edit(|dir| dir.stand("ann", LifecycleStatus::Suspended));
    world.sync().await;
    assert_eq!(world.app.active(), ["bo@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn mp2_a_group_that_has_another_id_is_deleted_or_named() {
    for keeps_id in [true, false] {
        let dir = Directory::of(&["ann", "bo"]).with_group("all", &["ann", "bo"]).with_group("few", &["ann"]);
        let world = synced(dir).await;
        rekey_group(&world, "few", keeps_id);
        world.edit(|dir| drop(dir.groups.remove("few")));
        for _ in 0..2 {
            let report = world.sync().await;
            assert_eq!(report.status() == Status::Ok, keeps_id, "{report:?}");
            assert_eq!(world.app.members("few").is_none(), keeps_id);
        }
    }
}
