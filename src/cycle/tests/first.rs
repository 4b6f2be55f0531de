//! The first sync, the quiet second, and the everyday changes after it.

use super::*;

fn story() -> Directory {
    Directory::of(&["ann", "bo", "cy", "di"]).with_group("staff", &["ann", "bo", "cy"]).with_group("night", &["cy"])
}

#[tokio::test(start_paused = true)]
async fn j1_the_first_sync_makes_people_then_groups_then_memberships() {
    let world = World::new(story());
    let report = world.sync().await;
    assert_eq!(report.status(), super::super::Status::Ok, "{report:?}");
    let names: Vec<&str> = world.app.calls().iter().map(|call| call.name).collect();
    assert_eq!(
        names,
        [
            "look_up_users",
            "look_up_groups",
            "create_user",
            "create_user",
            "create_user",
            "create_group",
            "create_group",
            "add_members",
            "add_members"
        ]
    );
    assert_eq!(world.app.active(), ["ann@x.test", "bo@x.test", "cy@x.test"], "nobody assigned di");
    assert_eq!(world.app.members("staff").unwrap(), ["ann@x.test", "bo@x.test", "cy@x.test"]);
    assert_eq!(world.app.members("night").unwrap(), ["cy@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn i12_a_second_cycle_makes_no_call_of_any_kind() {
    let world = World::new(story());
    world.sync().await;
    world.assert_quiet().await;
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_renamed_person_is_one_patch_of_what_changed() {
    let world = World::new(story());
    world.sync().await;
    world.edit(|dir| dir.set("bo", "displayName", "Bo Berg"));
    world.sync().await;
    assert_eq!(
        world.app.calls(),
        [Call { name: "update_user", about: "bo@x.test".into(), carries: vec!["displayName".into()] }]
    );
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j11_a_renamed_group_is_one_call() {
    let world = World::new(story());
    world.sync().await;
    world.edit(|dir| dir.group("night").name = "night shift".into());
    world.sync().await;
    assert_eq!(world.app.writes(), ["rename_group night"]);
    assert_eq!(world.app.members("night shift").unwrap(), ["cy@x.test"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn i2_whoever_moves_is_added_before_they_are_removed() {
    let world = World::new(story());
    world.sync().await;
    world.edit(|dir| {
        dir.part("staff", "bo");
        dir.join("night", "bo");
    });
    world.sync().await;
    assert_eq!(world.app.writes(), ["add_members night", "remove_members staff"]);
    assert!(world.app.active().contains(&"bo@x.test".to_owned()));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn o4_a_suspended_person_is_deactivated_and_keeps_their_memberships() {
    let world = World::new(story());
    world.sync().await;
    world.edit(|dir| dir.stand("bo", Standing::Suspended));
    world.sync().await;
    assert_eq!(world.app.writes(), ["deactivate bo@x.test"]);
    world.assert_quiet().await;
    world.edit(|dir| dir.stand("bo", Standing::Active));
    world.sync().await;
    assert_eq!(world.app.writes(), ["activate bo@x.test"], "the same account comes back");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_person_is_confirmed_gone_and_leaves() {
    let world = World::new(story());
    world.sync().await;
    world.edit(|dir| dir.delete_user("cy"));
    world.sync().await;
    assert_eq!(world.app.active(), ["ann@x.test", "bo@x.test"]);
    assert_eq!(world.app.members("night").unwrap(), [""; 0]);
    world.assert_quiet().await;
    world.assert_quiet().await;
    world.edit(|dir| {
        dir.add_user("cy");
        dir.join("night", "cy");
    });
    world.sync().await;
    assert_eq!(world.app.writes(), ["activate cy@x.test", "add_members night"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_emptied_group_stays_and_is_empty() {
    let world = World::new(story());
    world.sync().await;
    world.edit(|dir| dir.part("night", "cy"));
    world.sync().await;
    assert_eq!(world.app.writes(), ["remove_members night"]);
    assert_eq!(world.app.members("night").unwrap(), [""; 0]);
    world.assert_quiet().await;
}
