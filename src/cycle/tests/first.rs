//! The first sync, the quiet second, and the everyday changes after it.

use super::*;

fn story() -> Directory {
    Directory::of(&["ann", "bo", "cy", "di"]).with_group("staff", &["ann", "bo", "cy"]).with_group("night", &["cy"])
}

#[tokio::test(start_paused = true)]
async fn j1_the_first_sync_makes_people_then_groups_with_their_members() {
    let world = World::new(story());
    let report = world.sync().await;
    assert_eq!(report.status(), super::Status::Ok, "{report:?}");
    let names: Vec<&str> = world.app.calls().iter().map(|call| call.name).collect();
    assert_eq!(
        names,
        [
            "look_up_users",
            "look_up_groups",
            "create_user",
            "create_user",
            "create_user",
            "list_users",
            "create_group",
            "create_group"
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

/// Whether the next cycle reads the directory, or takes it for what it was.
async fn reads(world: &World) -> bool {
    let before = world.source.readings();
    let report = world.sync().await;
    assert_eq!(report.snapshot.users, world.source.copy().users.len() as u64);
    world.source.readings() > before
}

#[tokio::test(start_paused = true)]
async fn i12_a_directory_that_is_what_it_was_is_not_read_again() {
    let mut world = synced(story()).await;
    assert!(!reads(&world).await, "the quiet cycle before proved that nothing is left to do");
    world.edit(|dir| dir.set("ann", "displayName", "Ann"));
    assert!(reads(&world).await, "it changed");
    assert!(reads(&world).await, "something was done: whether all is well is seen by looking");
    assert!(!reads(&world).await);
    world.reconfigure(|_| {});
    assert!(reads(&world).await, "the tenant file changed");
    world.sync().await;
    assert!(!reads(&world).await);
    world.lose_state();
    assert!(reads(&world).await, "the state is new");
}

#[tokio::test(start_paused = true)]
async fn i1_a_directory_that_is_what_it_was_is_read_while_anything_waits() {
    let failing = synced(story()).await;
    failing.edit(|dir| dir.set("ann", "displayName", "Ann"));
    failing.app.fail("update_user", "ann", 9, Fault::refused(crate::scim::FailureClass::Forbidden, 403));
    for _ in 0..3 {
        assert!(reads(&failing).await, "a failure is tried again");
    }
    let graced = synced_as(story(), |tenant| {
        tenant.on_suspended = crate::config::tenant::DeprovisioningAction::Delete;
        tenant.delete_after = Some(jiff::SignedDuration::from_hours(720));
    })
    .await;
    graced.edit(|dir| dir.stand("ann", LifecycleStatus::Suspended));
    for _ in 0..3 {
        assert!(reads(&graced).await, "a deletion waits for its time");
    }
    graced.clock.pass(jiff::SignedDuration::from_hours(721));
    graced.sync().await;
    assert!(graced.app.account("ann@x.test").is_none());
    let held = synced(crowd(12)).await;
    held.edit(|dir| (0..6).for_each(|n| dir.stand(&format!("u{n:02}"), LifecycleStatus::Suspended)));
    for _ in 0..3 {
        assert!(reads(&held).await, "a held plan stays visible");
    }
    let missed = synced(crowd(12)).await;
    missed.edit(|dir| {
        dir.hidden.insert("u01".into());
        dir.mute = true;
    });
    missed.sync().await;
    missed.sync().await;
    assert!(!missed.app.active().contains(&"u01@x.test".to_owned()), "the second look was taken");
}

#[tokio::test(start_paused = true)]
async fn a_renamed_person_is_one_patch_of_what_changed() {
    let world = World::new(story());
    world.sync().await;
    world.edit(|dir| dir.set("bo", "displayName", "Bo Berg"));
    world.sync().await;
    assert_eq!(world.app.in_words(), ["update_user bo@x.test displayName"]);
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
    world.edit(|dir| dir.stand("bo", LifecycleStatus::Suspended));
    world.sync().await;
    assert_eq!(world.app.writes(), ["deactivate bo@x.test"]);
    world.assert_quiet().await;
    world.edit(|dir| dir.stand("bo", LifecycleStatus::Active));
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
