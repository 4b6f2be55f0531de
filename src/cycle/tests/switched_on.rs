//! J14: group management that was off and is on again compares each group with the app once.

use super::rules_table::without_limits;
use super::*;

fn before() -> Directory {
    Directory::of(&["ann", "bo", "cy", "di"]).with_group("north", &["ann", "bo"]).with_group("south", &["cy", "di"])
}

fn account(world: &World, person: &str) -> String {
    world.app.account(&format!("{person}@x.test")).unwrap().0
}

/// Somebody works in the app while nobody looks: `cy` into `north`, `bo` out of it, `south` under another name.
fn by_hand(world: &World) {
    let (bo, cy) = (account(world, "bo"), account(world, "cy"));
    world.app.by_hand(|app| {
        for group in app.groups.values_mut() {
            match group.name.as_str() {
                "north" => {
                    group.members.remove(&bo);
                    group.members.insert(cy.clone());
                }
                _ => group.name = "renamed".into(),
            }
        }
    });
}

async fn off(world: &mut World) {
    world.reconfigure(|tenant| tenant.manage_groups = false);
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.assert_quiet().await;
}

fn is_as_in_the_directory(world: &World) {
    assert_eq!(world.app.members("north").unwrap(), ["ann@x.test", "bo@x.test"]);
    assert_eq!(world.app.members("south").unwrap(), ["cy@x.test", "di@x.test"]);
}

fn compared(report: &CycleReport) -> usize {
    report.operations().iter().filter(|operation| operation.op().name() == "compare_group").count()
}

#[tokio::test(start_paused = true)]
async fn j14_switching_on_compares_each_group_with_the_app_once() {
    let mut world = synced(before()).await;
    off(&mut world).await;
    by_hand(&world);
    world.reconfigure(|tenant| tenant.manage_groups = true);
    for _ in 0..2 {
        let preview = world.plan().await;
        assert_eq!(compared(&preview), 2, "a preview uses nothing up: {preview:?}");
    }
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!(world.app.writes(), ["rename_group renamed", "add_members north", "remove_members north"]);
    is_as_in_the_directory(&world);
    world.assert_quiet().await;
    // And no later run looks again.
    world.reconfigure(|_| {});
    let report = world.sync().await;
    assert_eq!((compared(&report), world.app.calls().len()), (0, 0), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn j14_killed_in_the_first_comparison_it_is_made_again() {
    for n in 0..3 {
        for fault in [Fault::crash(), Fault::crash().but_done()] {
            let mut world = synced(before()).await;
            off(&mut world).await;
            by_hand(&world);
            world.reconfigure(|tenant| tenant.manage_groups = true);
            world.app.fail_nth_write(n, fault);
            let hour = std::time::Duration::from_secs(3600);
            assert!(tokio::time::timeout(hour, world.ask(&command(), true)).await.is_err(), "three calls");
            world.app.heal();
            world.sync().await;
            world.sync().await;
            is_as_in_the_directory(&world);
            world.assert_quiet().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn j14_killed_while_the_groups_are_read_they_are_all_compared_again() {
    let mut world = synced(before()).await;
    off(&mut world).await;
    by_hand(&world);
    world.reconfigure(|tenant| tenant.manage_groups = true);
    world.app.fail("get_group", "", 2, Fault::crash());
    let hour = std::time::Duration::from_secs(3600);
    assert!(tokio::time::timeout(hour, world.ask(&command(), true)).await.is_err());
    world.app.heal();
    let report = world.sync().await;
    assert_eq!(compared(&report), 2, "{report:?}");
    is_as_in_the_directory(&world);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j14_one_group_that_cannot_be_read_waits_and_the_others_go_on() {
    let mut world = synced(before()).await;
    off(&mut world).await;
    by_hand(&world);
    world.reconfigure(|tenant| tenant.manage_groups = true);
    let north = world.app.holdings().groups.into_iter().find(|(_, group)| group.name == "north").unwrap().0;
    world.app.fail("get_group", &north, 9, Fault::server(500));
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial, "{report:?}");
    assert_eq!(world.app.writes(), ["rename_group renamed"], "nothing is decided about north");
    world.app.heal();
    assert_eq!(world.sync().await.status(), Status::Ok);
    is_as_in_the_directory(&world);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j14_removals_that_a_comparison_finds_pass_the_guard() {
    let ids: Vec<String> = (0..20).map(|at| format!("u{at:02}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut world = synced(Directory::of(&ids).with_group("all", &ids).with_group("few", &ids[..2])).await;
    off(&mut world).await;
    world.app.by_hand(|app| {
        let everybody: Vec<String> = app.users.keys().cloned().collect();
        app.groups.values_mut().for_each(|group| group.members.extend(everybody.iter().cloned()));
    });
    world.reconfigure(|tenant| tenant.manage_groups = true);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Held, "{report:?}");
    assert_eq!(world.app.members("few").unwrap().len(), 20);
    world.approve();
    world.sync().await;
    world.sync().await;
    assert_eq!(world.app.members("few").unwrap().len(), 2);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j14_a_group_that_is_gone_from_the_app_is_made_again() {
    let mut world = synced(before()).await;
    off(&mut world).await;
    world.app.by_hand(|app| app.groups.retain(|_, group| group.name != "north"));
    world.reconfigure(|tenant| tenant.manage_groups = true);
    world.sync().await;
    world.sync().await;
    is_as_in_the_directory(&world);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j14_where_the_app_shows_no_members_all_of_ours_are_put_in_again() {
    let mut world = synced_as(before(), |tenant| tenant.profile.read.members_readable = false).await;
    world.app.behave(|app| app.members_readable = false);
    without_limits(&world);
    off(&mut world).await;
    let bo = account(&world, "bo");
    world.app.by_hand(|app| {
        for group in app.groups.values_mut() {
            group.members.remove(&bo);
        }
    });
    world.reconfigure(|tenant| tenant.manage_groups = true);
    world.sync().await;
    is_as_in_the_directory(&world);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j14_an_undo_takes_away_nobody_who_was_only_put_in_again() {
    let mut world = synced(before()).await;
    world.reconfigure(|tenant| tenant.profile.read.members_readable = false);
    world.app.behave(|app| app.members_readable = false);
    without_limits(&world);
    off(&mut world).await;
    world.reconfigure(|tenant| tenant.manage_groups = true);
    let run = world.sync().await.run;
    let records = world.store.records().into_iter().map(Ok);
    let mut history = crate::errand::history::History::read(records, &run).unwrap();
    let reversal = crate::errand::undo::reverse(&mut history, &run, &world.store, &world.tenant.rules()).unwrap();
    assert!(reversal.plan.operations.is_empty(), "{:?}", reversal.plan.operations);
}

#[tokio::test(start_paused = true)]
async fn j14_where_it_was_on_all_along_nothing_is_compared() {
    let mut world = synced(before()).await;
    by_hand(&world);
    world.reconfigure(|tenant| tenant.create_empty = true);
    let report = world.sync().await;
    assert_eq!((compared(&report), world.app.calls().len()), (0, 0), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn j14_off_and_on_twice_and_groups_that_come_and_go_meanwhile() {
    let mut world = synced(before()).await;
    without_limits(&world);
    for _ in 0..2 {
        off(&mut world).await;
        by_hand(&world);
        world.edit(|dir| dir.add_group("west", &["ann"]));
        world.reconfigure(|tenant| tenant.manage_groups = true);
        world.sync().await;
        world.sync().await;
        is_as_in_the_directory(&world);
        assert_eq!(world.app.members("west").unwrap(), ["ann@x.test"]);
        world.assert_quiet().await;
    }
}
