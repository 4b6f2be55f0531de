//! The switches of groups: managed or not (J7, J14), empty ones (J8), taken over by name (J9).

use super::rules_table::without_limits;
use super::*;
use crate::config::tenant::AdoptGroups;

/// Somebody who is to be the first member of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
enum First {
    Active,
    Inside,
    SuspendedWithAnAccount,
    SuspendedWithoutAnAccount,
    Staged,
    FilteredOut,
    Protected,
    NobodyKnown,
}

/// Whether a group with only this member is made where empty groups are not.
fn is_a_member(first: First) -> bool {
    match first {
        First::Active | First::Inside | First::SuspendedWithAnAccount => true,
        First::SuspendedWithoutAnAccount
        | First::Staged
        | First::FilteredOut
        | First::Protected
        | First::NobodyKnown => false,
    }
}

#[tokio::test(start_paused = true)]
async fn j8_a_group_is_made_with_its_first_member_who_has_an_account() {
    for first in [
        First::Active,
        First::Inside,
        First::SuspendedWithAnAccount,
        First::SuspendedWithoutAnAccount,
        First::Staged,
        First::FilteredOut,
        First::Protected,
        First::NobodyKnown,
    ] {
        for create_empty in [false, true] {
            first_member(first, create_empty).await;
        }
    }
}

async fn first_member(first: First, create_empty: bool) {
    let mut dir = Directory::of(&["ann", "bo", "cy"]).with_group("staff", &["ann", "bo"]).with_group("late", &[]);
    match first {
        First::SuspendedWithAnAccount => dir.join("staff", "cy"),
        First::SuspendedWithoutAnAccount => dir.stand("cy", LifecycleStatus::Suspended),
        First::Staged => dir.stand("cy", LifecycleStatus::Staged),
        First::FilteredOut => dir.set("cy", "out", true),
        First::Inside => {
            dir.add_group("inner", &["cy"]);
            dir.group("inner").assigned = false;
        }
        First::Active | First::Protected | First::NobodyKnown => {}
    }
    let world = synced_as(dir, |tenant| {
        tenant.create_empty = create_empty;
        tenant.nested = true;
        tenant.filter = Some(|record| Ok(!record.contains_key("out")));
        tenant.protect = if first == First::Protected { vec!["cy@x.test"] } else { Vec::new() };
    })
    .await;
    assert_eq!(world.app.members("late").is_some(), create_empty, "{first:?}");
    world.edit(|dir| match first {
        First::Inside => dir.join("late", "inner"),
        First::NobodyKnown => dir.join("late", "somebody-elsewhere"),
        First::SuspendedWithAnAccount => {
            dir.stand("cy", LifecycleStatus::Suspended);
            dir.join("late", "cy");
        }
        _ => dir.join("late", "cy"),
    });
    world.sync().await;
    let expected = if is_a_member(first) { vec!["cy@x.test"] } else { Vec::new() };
    let found = (is_a_member(first) || create_empty).then_some(expected);
    assert_eq!(world.app.members("late").as_deref(), found.as_deref().map(<[&str]>::to_vec).map(owned).as_deref());
    world.assert_quiet().await;
    // A later member finds the group made, or makes it now.
    world.edit(|dir| dir.join("late", "ann"));
    world.sync().await;
    assert!(world.app.members("late").unwrap().contains(&"ann@x.test".to_owned()), "{first:?}");
    // And once it is there it stays, empty or not.
    let id = group_id(&world, "late");
    world.edit(|dir| dir.group("late").members.clear());
    world.sync().await;
    assert_eq!(world.app.members("late").unwrap(), [""; 0], "{first:?}");
    world.edit(|dir| dir.join("late", "bo"));
    world.sync().await;
    assert_eq!(world.app.members("late").unwrap(), ["bo@x.test"], "{first:?}");
    assert_eq!(group_id(&world, "late"), id, "the same group");
    world.assert_quiet().await;
}

fn owned(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

fn group_id(world: &World, name: &str) -> String {
    let groups = world.app.holdings().groups;
    groups.into_iter().find(|(_, group)| group.name == name).unwrap().0
}

/// How the app's group of the same name ends up after the directory's group was taken through its life.
#[derive(Debug, Clone, Copy, PartialEq)]
enum After {
    Nothing,
    OneLeaves,
    Emptied,
    Renamed,
    Disassociated,
    Deleted,
}

#[tokio::test(start_paused = true)]
async fn j9_a_group_taken_over_keeps_its_foreign_members_whatever_comes() {
    for name in ["north", "NORTH"] {
        for after in
            [After::Nothing, After::OneLeaves, After::Emptied, After::Renamed, After::Disassociated, After::Deleted]
        {
            taken_over(name, after).await;
        }
    }
}

async fn taken_over(name: &str, after: After) {
    let dir = Directory::of(&["ann", "bo", "cy"])
        .with_group("staff", &["ann", "bo", "cy"])
        .with_group("north", &["ann", "bo"]);
    let world = World::new(dir);
    without_limits(&world);
    let eve = world.app.has_user("eve@x.test", true);
    let ann = world.app.has_user("ann@x.test", true);
    let id = world.app.has_group(name, &[&eve, &ann]);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(group_id(&world, "north"), id, "taken over, not doubled");
    assert_eq!(world.app.members("north").unwrap(), ["ann@x.test", "bo@x.test", "eve@x.test"]);
    world.assert_quiet().await;
    world.edit(|dir| match after {
        After::Nothing => {}
        After::OneLeaves => dir.part("north", "ann"),
        After::Emptied => dir.group("north").members.clear(),
        After::Renamed => dir.group("north").name = "south".to_owned(),
        After::Disassociated => dir.group("north").assigned = false,
        After::Deleted => drop(dir.groups.remove("north")),
    });
    world.sync().await;
    let all = vec!["ann@x.test", "bo@x.test", "eve@x.test"];
    let (name, members) = match after {
        After::Nothing | After::Disassociated => ("north", Some(all)),
        After::OneLeaves => ("north", Some(vec!["bo@x.test", "eve@x.test"])),
        After::Emptied => ("north", Some(vec!["eve@x.test"])),
        After::Renamed => ("south", Some(all)),
        After::Deleted => ("north", None),
    };
    assert_eq!(world.app.members(name), members.map(owned), "{after:?}");
    assert_eq!(world.app.active().len(), 4, "{after:?}: the stranger's account is nobody's business");
    assert!(world.app.writes().iter().all(|write| !write.contains("eve")), "{after:?}");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j9_never_takes_nothing_over_and_touches_nobody_in_it() {
    for name in ["north", "NORTH"] {
        let dir = Directory::of(&["ann", "bo"]).with_group("staff", &["ann", "bo"]).with_group("north", &["ann"]);
        let mut world = World::new(dir);
        world.reconfigure(|tenant| tenant.adopt_groups = AdoptGroups::Never);
        let eve = world.app.has_user("eve@x.test", true);
        world.app.has_group(name, &[&eve]);
        let report = world.sync().await;
        assert_eq!(held(&report), ["create_group north"], "{name}");
        assert_eq!(world.app.members(name).unwrap(), ["eve@x.test"]);
        world.edit(|dir| drop(dir.groups.remove("north")));
        world.sync().await;
        assert_eq!(world.app.members(name).unwrap(), ["eve@x.test"], "it was never ours to delete");
    }
}

/// What happens in the directory while groups are not managed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meanwhile {
    Nothing,
    SomebodyJoins,
    SomebodyLeaves,
    SomebodyIsSuspended,
    SomebodyIsDeleted,
    SomebodyIsNew,
    GroupIsNew,
    GroupIsRenamed,
    GroupIsEmptied,
    GroupIsDeleted,
    GroupIsDisassociated,
    GroupIsDeletedAndMadeAnew,
}

#[tokio::test(start_paused = true)]
async fn j14_groups_switched_off_and_on_again_end_where_they_would_have_ended() {
    for meanwhile in [
        Meanwhile::Nothing,
        Meanwhile::SomebodyJoins,
        Meanwhile::SomebodyLeaves,
        Meanwhile::SomebodyIsSuspended,
        Meanwhile::SomebodyIsDeleted,
        Meanwhile::SomebodyIsNew,
        Meanwhile::GroupIsNew,
        Meanwhile::GroupIsRenamed,
        Meanwhile::GroupIsEmptied,
        Meanwhile::GroupIsDeleted,
        Meanwhile::GroupIsDisassociated,
        Meanwhile::GroupIsDeletedAndMadeAnew,
    ] {
        let mut off = synced(before()).await;
        let on = synced(before()).await;
        without_limits(&off);
        without_limits(&on);
        let groups = off.app.holdings().groups;
        off.reconfigure(|tenant| tenant.manage_groups = false);
        for world in [&off, &on] {
            world.edit(|dir| edit(dir, meanwhile));
            world.sync().await;
        }
        let calls = off.app.writes();
        assert!(calls.iter().all(|call| !call.contains("group") && !call.contains("members")), "{calls:?}");
        assert_eq!(off.app.holdings().groups, groups, "{meanwhile:?}: left as they are");
        assert_eq!(off.app.active(), on.app.active(), "{meanwhile:?}: people are managed all the same");
        off.assert_quiet().await;
        off.reconfigure(|tenant| tenant.manage_groups = true);
        let caught_up = off.sync().await;
        let normal = on.sync().await;
        assert_eq!(held(&caught_up), held(&normal), "{meanwhile:?}");
        for group in ["staff", "north", "norther", "west"] {
            assert_eq!(off.app.members(group), on.app.members(group), "{meanwhile:?}: {group}");
        }
        assert_eq!(off.app.active(), on.app.active(), "{meanwhile:?}");
        off.sync().await;
        assert_eq!(off.app.writes(), [""; 0], "{meanwhile:?}");
    }
}

fn before() -> Directory {
    Directory::of(&["ann", "bo", "cy", "di"])
        .with_group("staff", &["ann", "bo", "cy"])
        .with_group("north", &["ann", "di"])
}

fn edit(dir: &mut Directory, meanwhile: Meanwhile) {
    match meanwhile {
        Meanwhile::Nothing => {}
        Meanwhile::SomebodyJoins => dir.join("north", "bo"),
        Meanwhile::SomebodyLeaves => dir.part("north", "di"),
        Meanwhile::SomebodyIsSuspended => dir.stand("di", LifecycleStatus::Suspended),
        Meanwhile::SomebodyIsDeleted => dir.delete_user("ann"),
        Meanwhile::SomebodyIsNew => {
            dir.add_user("new");
            dir.join("north", "new");
        }
        Meanwhile::GroupIsNew => dir.add_group("west", &["bo", "di"]),
        Meanwhile::GroupIsRenamed => dir.group("north").name = "norther".to_owned(),
        Meanwhile::GroupIsEmptied => dir.group("north").members.clear(),
        Meanwhile::GroupIsDeleted => drop(dir.groups.remove("north")),
        Meanwhile::GroupIsDisassociated => dir.group("north").assigned = false,
        Meanwhile::GroupIsDeletedAndMadeAnew => {
            let group = dir.groups.remove("north").unwrap();
            dir.groups.insert("north-2".to_owned(), group);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn j7_groups_never_managed_are_never_touched_and_can_be_switched_on() {
    let mut world = World::new(before());
    world.reconfigure(|tenant| tenant.manage_groups = false);
    let eve = world.app.has_user("eve@x.test", true);
    world.app.has_group("north", &[&eve]);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.active().len(), 5, "who is in a bound group has an account");
    assert_eq!(world.app.members("north").unwrap(), ["eve@x.test"]);
    assert_eq!(world.app.members("staff"), None);
    world.assert_quiet().await;
    world.reconfigure(|tenant| tenant.manage_groups = true);
    world.sync().await;
    assert_eq!(world.app.members("north").unwrap(), ["ann@x.test", "di@x.test", "eve@x.test"]);
    assert_eq!(world.app.members("staff").unwrap().len(), 3);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j12_a_group_bound_again_has_the_members_of_now() {
    for edit_meanwhile in [false, true] {
        let world = synced(before()).await;
        without_limits(&world);
        world.edit(|dir| dir.group("north").assigned = false);
        world.sync().await;
        assert_eq!(world.app.active(), ["ann@x.test", "bo@x.test", "cy@x.test"], "di was in north alone");
        if edit_meanwhile {
            world.edit(|dir| {
                dir.part("north", "ann");
                dir.join("north", "bo");
            });
            world.assert_quiet().await;
        }
        world.edit(|dir| dir.group("north").assigned = true);
        world.sync().await;
        world.sync().await;
        let members: &[&str] = if edit_meanwhile { &["bo@x.test", "di@x.test"] } else { &["ann@x.test", "di@x.test"] };
        assert_eq!(world.app.members("north").unwrap(), members, "edited meanwhile: {edit_meanwhile}");
        assert_eq!(world.app.active().len(), 4);
        world.assert_quiet().await;
    }
}
