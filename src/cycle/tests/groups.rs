//! The rules for groups: J7 to J14.

use super::*;
use crate::config::tenant::AdoptGroups;

/// `ann` only in `north`, `bo` in both, `cy` only in `south`, `di` in none but assigned directly.
fn two_groups() -> Directory {
    let mut dir = Directory::of(&["ann", "bo", "cy", "di", "ed", "flo"])
        .with_group("north", &["ann", "bo"])
        .with_group("south", &["bo", "cy", "ed", "flo"]);
    dir.users.get_mut("di").unwrap().direct = true;
    dir
}

#[tokio::test(start_paused = true)]
async fn j12_a_disassociated_group_stays_as_it_is_and_its_members_go_unless_held_elsewhere() {
    let world = synced(two_groups()).await;
    world.edit(|dir| dir.group("north").assigned = false);
    world.sync().await;
    assert_eq!(world.app.writes(), ["deactivate ann@x.test"], "bo is still in south");
    assert_eq!(world.app.members("north").unwrap(), ["ann@x.test", "bo@x.test"], "left as it is");
    world.assert_quiet().await;
    world.edit(|dir| dir.join("north", "cy"));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j12_a_group_bound_again_is_taken_up_again() {
    let world = synced(two_groups()).await;
    world.edit(|dir| dir.group("north").assigned = false);
    world.sync().await;
    world.edit(|dir| {
        dir.group("north").assigned = true;
        dir.join("north", "cy");
    });
    world.sync().await;
    assert_eq!(world.app.writes(), ["activate ann@x.test", "add_members north"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j13_a_deleted_group_is_deleted_and_its_members_go_unless_held_elsewhere() {
    let world = synced(two_groups()).await;
    world.edit(|dir| drop(dir.groups.remove("north")));
    world.sync().await;
    assert_eq!(world.app.writes(), ["deactivate ann@x.test", "delete_group north"]);
    assert_eq!(world.app.members("north"), None);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j13_a_group_that_nobody_can_ask_about_counts_as_disassociated() {
    let world = synced(two_groups()).await;
    world.edit(|dir| {
        dir.mute = true;
        dir.groups.remove("north");
    });
    world.sync().await;
    assert_eq!(world.app.members("north").unwrap(), ["ann@x.test", "bo@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn i2_an_unread_group_still_holds_its_members() {
    let world = synced(two_groups()).await;
    world.edit(|dir| dir.group("north").unread = true);
    let report = world.sync().await;
    assert_eq!(world.app.writes(), [""; 0]);
    assert_eq!(holds(&report), ["unread_group"], "and somebody is told");
    world.edit(|dir| dir.group("north").unread = false);
    world.sync().await;
    assert_eq!(world.app.writes(), [""; 0]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn i2_an_unread_group_inside_another_still_holds_its_members() {
    let mut dir = Directory::of(&["ann", "bo", "cy"]).with_group("outer", &["inner", "bo"]);
    dir.add_group("inner", &["ann", "cy"]);
    dir.group("inner").assigned = false;
    let world = synced_as(dir, |tenant| tenant.nested = true).await;
    assert_eq!(world.app.members("outer").unwrap().len(), 3);
    world.edit(|dir| dir.group("inner").unread = true);
    world.sync().await;
    assert_eq!(world.app.writes(), [""; 0]);
    assert_eq!(world.app.members("outer").unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn i2_without_group_management_an_unread_group_holds_everybody() {
    let world = synced_as(two_groups(), |tenant| tenant.manage_groups = false).await;
    world.edit(|dir| dir.group("north").unread = true);
    world.sync().await;
    assert_eq!(world.app.writes(), [""; 0], "nobody knows who is in it");
    assert!(world.app.active().contains(&"ann@x.test".to_owned()));
}

/// A tenant whose app wants groups with members in them, at most three a call.
fn members_at_once(tenant: &mut crate::sim::Tenant) {
    tenant.profile.groups.members_on_create = true;
    tenant.profile.groups.max_members_per_patch = 3;
}

#[tokio::test(start_paused = true)]
async fn a_group_is_made_with_its_first_members_where_the_app_wants_that() {
    let mut world = World::new(crowd(5));
    world.reconfigure(members_at_once);
    world.app.behave(|app| app.members_per_call = 3);
    world.sync().await;
    let groups: Vec<_> = world.app.calls().into_iter().filter(|call| call.about == "all").collect();
    let carried: Vec<_> = groups.iter().map(|call| (call.name, call.carries.len())).collect();
    assert_eq!(carried, [("create_group", 3), ("add_members", 2)], "{groups:?}");
    assert_eq!(world.app.members("all").unwrap().len(), 5);
    world.assert_quiet().await;
    // Those it was made with are known: one who leaves is taken out.
    world.edit(|dir| dir.part("all", "u00"));
    world.reconfigure_limits(|limits| limits.group_removals = "none".parse().unwrap());
    world.sync().await;
    assert!(!world.app.members("all").unwrap().contains(&"u00@x.test".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_group_that_one_call_fills_needs_no_second() {
    let mut world = World::new(crowd(3));
    world.reconfigure(members_at_once);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok);
    assert_eq!(world.app.writes().last().map(String::as_str), Some("create_group all"));
    assert_eq!(world.app.members("all").unwrap().len(), 3);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn t14_a_bad_first_member_does_not_keep_the_group_from_being_made() {
    for bad in ["u00@x.test", "u02@x.test"] {
        let mut world = World::new(crowd(5));
        world.reconfigure(members_at_once);
        world.app.behave(|app| app.bad_members = [bad.into()].into());
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Partial, "{report:?}");
        assert!(failures(&report)[0].1.contains(bad), "{:?}", failures(&report));
        assert_eq!(world.app.members("all").unwrap().len(), 4);
        world.app.behave(|app| app.bad_members.clear());
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!(world.app.members("all").unwrap().len(), 5);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_without_an_account_is_left_out_of_the_new_group_and_named() {
    let mut world = World::new(crowd(3));
    world.reconfigure(members_at_once);
    world.app.fail("create_user", "u00", 9, Fault::refused(crate::scim::FailureClass::Invalid, 400));
    let report = world.sync().await;
    let failed = failures(&report);
    assert!(failed.iter().any(|(what, why)| what == "add_members all" && why.contains("u00@x.test")), "{failed:?}");
    assert_eq!(world.app.members("all").unwrap().len(), 2);
    world.app.heal();
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.members("all").unwrap().len(), 3);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j14_switching_groups_off_leaves_them_and_goes_on_with_people() {
    let mut world = synced(two_groups()).await;
    world.reconfigure(|tenant| tenant.manage_groups = false);
    world.edit(|dir| {
        dir.join("north", "cy");
        dir.part("south", "ed");
        dir.set("bo", "displayName", "Bo");
        dir.group("south").name = "SOUTH".into();
    });
    world.sync().await;
    assert_eq!(world.app.writes(), ["deactivate ed@x.test", "update_user bo@x.test"]);
    world.assert_quiet().await;
    world.reconfigure(|tenant| tenant.manage_groups = true);
    world.sync().await;
    assert_eq!(world.app.writes(), ["rename_group south", "add_members north", "remove_members SOUTH"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j8_an_empty_group_is_made_with_its_first_member() {
    let mut dir = two_groups();
    dir.add_group("empty", &[]);
    let world = synced(dir).await;
    assert_eq!(world.app.members("empty"), None);
    world.edit(|dir| dir.join("empty", "ann"));
    world.sync().await;
    assert_eq!(world.app.writes(), ["create_group empty"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j8_an_empty_group_is_made_where_the_operator_wants_it() {
    let mut dir = two_groups();
    dir.add_group("empty", &[]);
    let world = synced_as(dir, |tenant| tenant.create_empty = true).await;
    assert_eq!(world.app.members("empty").unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn i12_a_group_whose_members_have_no_account_is_not_looked_up_for_ever() {
    let mut dir = two_groups();
    dir.add_user("sue");
    dir.stand("sue", LifecycleStatus::Suspended);
    dir.add_group("alumni", &["sue"]);
    let world = synced(dir).await;
    assert_eq!(world.app.members("alumni"), None);
    world.edit(|dir| dir.stand("sue", LifecycleStatus::Active));
    world.sync().await;
    assert_eq!(world.app.members("alumni").unwrap(), ["sue@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn i12_a_suspended_member_without_an_account_keeps_no_group_busy() {
    let mut dir = two_groups();
    dir.add_user("sue");
    dir.stand("sue", LifecycleStatus::Suspended);
    dir.join("north", "sue");
    let world = synced(dir).await;
    world.edit(|dir| dir.stand("sue", LifecycleStatus::Active));
    world.sync().await;
    assert_eq!(world.app.members("north").unwrap(), ["ann@x.test", "bo@x.test", "sue@x.test"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j9_a_group_of_the_same_name_is_taken_over_and_foreign_members_stay() {
    let world = World::new(two_groups());
    let stranger = world.app.has_user("stranger@x.test", true);
    let ann = world.app.has_user("ann@x.test", true);
    world.app.has_group("NORTH", &[&stranger, &ann]);
    world.sync().await;
    assert!(!world.app.writes().contains(&"create_group north".to_owned()));
    assert_eq!(world.app.members("north").unwrap(), ["ann@x.test", "bo@x.test", "stranger@x.test"]);
    let add = world.app.calls().into_iter().find(|call| call.name == "add_members" && call.about == "north");
    assert_eq!(add.unwrap().carries, ["bo@x.test"], "ann was there already");
    world.assert_quiet().await;
    world.edit(|dir| dir.groups.get_mut("north").unwrap().members.clear());
    world.sync().await;
    assert_eq!(world.app.members("north").unwrap(), ["stranger@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn j9_never_means_that_a_name_in_use_waits_for_a_decision() {
    let mut world = World::new(two_groups());
    world.reconfigure(|tenant| tenant.adopt_groups = AdoptGroups::Never);
    world.app.has_group("north", &[]);
    let report = world.sync().await;
    assert_eq!(held(&report), ["create_group north"]);
    assert_eq!(report.status(), Status::Held);
    assert_eq!(world.app.members("north").unwrap(), [""; 0]);
    assert_eq!(world.app.members("south").unwrap().len(), 4, "the others go on");
}

#[tokio::test(start_paused = true)]
async fn i4_two_groups_never_share_one_group_of_the_app() {
    let mut dir = two_groups();
    dir.group("north").name = "east".into();
    let world = World::new(dir);
    let id = world.app.has_group("south", &[]);
    world.app.by_hand(|app| app.groups.get_mut(&id).unwrap().external_id = Some("north".into()));
    let report = world.sync().await;
    assert_eq!(held(&report), ["create_group east", "create_group south"], "one has its id, the other its name");
    assert_eq!(world.app.members("south").unwrap(), [""; 0], "it is given to neither");
    assert_eq!(world.app.holdings().groups.len(), 1);
    world.app.by_hand(|app| app.groups.get_mut(&id).unwrap().name = "East!".into());
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.holdings().groups[&id].members.len(), 2, "the operator said whose it is");
    assert_eq!(world.app.holdings().groups.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn two_groups_of_one_name_are_told_and_the_linked_one_goes_on() {
    let world = synced(two_groups()).await;
    world.edit(|dir| {
        dir.add_group("copy", &["di"]);
        dir.group("copy").name = "North".into();
        dir.join("north", "cy");
    });
    let report = world.sync().await;
    assert_eq!(world.app.writes(), ["add_members north"]);
    assert_eq!(failures(&report).len(), 1, "{:?}", failures(&report));
    assert_eq!(report.status(), Status::Partial);
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_name_cannot_be_made_keeps_its_name_and_its_members_move() {
    let world = synced(two_groups()).await;
    world.edit(|dir| {
        dir.group("north").name = "!".into();
        dir.join("north", "cy");
    });
    let report = world.sync().await;
    assert_eq!(world.app.writes(), ["add_members north"]);
    assert_eq!(failures(&report), [("rename_group !".to_owned(), "this name can't be made".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn s12_a_group_made_anew_under_the_old_name_is_neither_deleted_nor_doubled() {
    let world = synced(two_groups()).await;
    world.edit(|dir| {
        let mut group = dir.groups.remove("north").unwrap();
        group.members.insert("cy".into());
        dir.groups.insert("north2".into(), group);
    });
    let report = world.sync().await;
    assert_eq!(world.app.writes(), [""; 0]);
    assert_eq!(holds(&report), ["relink"]);
    assert_eq!(held(&report), ["relink_group north", "add_members north"]);
    world.approve();
    world.sync().await;
    assert_eq!(world.app.writes(), ["add_members north"], "the app's group is the new one's now");
    world.edit(|dir| dir.part("north2", "cy"));
    world.sync().await;
    assert_eq!(world.app.writes(), ["remove_members north"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_and_a_group_may_share_an_id() {
    let mut dir = Directory::of(&["1", "2"]);
    dir.add_group("1", &[]);
    dir.add_group("2", &["1", "2"]);
    let world = synced(dir).await;
    world.edit(|dir| dir.join("1", "2"));
    world.sync().await;
    assert_eq!(world.app.writes(), ["create_group 1"]);
}

#[tokio::test(start_paused = true)]
async fn nested_groups_count_and_stop_counting() {
    let mut dir = Directory::of(&["ann", "bo", "cy"]).with_group("outer", &["inner", "bo"]);
    dir.add_group("inner", &["ann", "cy"]);
    let world = synced_as(dir, |tenant| tenant.nested = true).await;
    world.edit(|dir| dir.part("outer", "inner"));
    world.sync().await;
    assert_eq!(world.app.writes(), ["remove_members outer"]);
    assert_eq!(world.app.active().len(), 3, "inner still holds them");
}
