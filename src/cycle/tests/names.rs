//! J11: names that go from one object to another, in an app that allows a name once.

use super::*;
use crate::model::SourceId;
use crate::plan::third_name;

fn three_groups() -> Directory {
    Directory::of(&["ann", "bo", "cy", "di"])
        .with_group("g1", &["ann"])
        .with_group("g2", &["bo"])
        .with_group("g3", &["cy", "di"])
}

fn call(world: &World, groups: &[(&str, &str)]) {
    world.edit(|dir| groups.iter().for_each(|(id, name)| (*name).clone_into(&mut dir.group(id).name)));
}

fn user_names(world: &World, people: &[(&str, &str)]) {
    world.edit(|dir| people.iter().for_each(|(id, name)| dir.set(id, "userName", format!("{name}@x.test"))));
}

/// The account that was made for a person, by its user name now.
fn name_of(world: &World, person: &str) -> String {
    let holdings = world.app.holdings();
    let account = holdings.users.values().find(|account| account.made_for.as_deref() == Some(person)).unwrap();
    account.attributes.text(&crate::model::Path::user_name()).unwrap().to_owned()
}

fn ops(report: &CycleReport) -> Vec<String> {
    report.operations().iter().map(|operation| format!("{} {}", operation.op().name(), operation.object.id())).collect()
}

/// No object goes by a third name.
fn no_third_name(world: &World) {
    let holdings = world.app.holdings();
    let names = holdings.groups.values().map(|group| group.name.clone());
    let users =
        holdings.users.values().map(|user| user.attributes.text(&crate::model::Path::user_name()).unwrap().to_owned());
    let third: Vec<String> = names.chain(users).filter(|name| name.contains("rosterd-")).collect();
    assert_eq!(third, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn j11_two_groups_swap_names_in_one_run_and_keep_their_members() {
    let world = synced(three_groups()).await;
    call(&world, &[("g1", "g2"), ("g2", "g1")]);
    let preview = world.plan().await;
    assert_eq!(ops(&preview), ["free_name g1", "rename_group g2", "rename_group g1"], "the step is shown");
    assert!(preview.operations()[0].reason.to_string().contains("temporary name"), "{:?}", preview.operations()[0]);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!(world.app.members("g2").unwrap(), ["ann@x.test"]);
    assert_eq!(world.app.members("g1").unwrap(), ["bo@x.test"]);
    no_third_name(&world);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j11_names_in_a_row_and_in_a_circle_of_three_come_right_in_one_run() {
    for names in [["g2", "g3", "new"], ["g2", "g3", "g1"], ["g3", "g1", "g2"]] {
        let world = synced(three_groups()).await;
        call(&world, &[("g1", names[0]), ("g2", names[1]), ("g3", names[2])]);
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Ok, "{names:?}: {report:?}");
        assert_eq!(world.app.members(names[0]).unwrap(), ["ann@x.test"]);
        assert_eq!(world.app.members(names[1]).unwrap(), ["bo@x.test"]);
        assert_eq!(world.app.members(names[2]).unwrap(), ["cy@x.test", "di@x.test"]);
        let calls = if names[2] == "new" { 3 } else { 4 };
        assert_eq!(world.app.writes().len(), calls, "{:?}", world.app.writes());
        no_third_name(&world);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn j11_two_people_swap_user_names_and_other_changes_come_with_them() {
    let world = synced(three_groups()).await;
    user_names(&world, &[("ann", "bo"), ("bo", "ann")]);
    world.edit(|dir| dir.set("ann", "displayName", "Ann"));
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!(ops(&report), ["free_name ann", "update_user bo", "update_user ann"]);
    assert_eq!((name_of(&world, "ann").as_str(), name_of(&world, "bo").as_str()), ("bo@x.test", "ann@x.test"));
    assert_eq!(world.app.value("bo@x.test", "displayName").as_deref(), Some("Ann"));
    no_third_name(&world);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j11_people_in_a_row_and_a_newcomer_with_the_name_that_becomes_free() {
    let world = synced(three_groups()).await;
    user_names(&world, &[("ann", "bo"), ("bo", "cy"), ("cy", "cyrus")]);
    world.edit(|dir| {
        dir.add_user("new");
        dir.join("g1", "new");
    });
    user_names(&world, &[("new", "ann")]);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    let names: Vec<String> = ["ann", "bo", "cy", "new"].iter().map(|id| name_of(&world, id)).collect();
    assert_eq!(names, ["bo@x.test", "cy@x.test", "cyrus@x.test", "ann@x.test"]);
    assert!(world.app.members("g1").unwrap().contains(&"ann@x.test".to_owned()), "in the same run");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j11_a_new_group_has_the_name_that_another_gives_up() {
    let world = synced(three_groups()).await;
    call(&world, &[("g1", "old")]);
    world.edit(|dir| {
        dir.add_group("g4", &["di"]);
        dir.group("g4").name = "g1".into();
    });
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!(world.app.members("old").unwrap(), ["ann@x.test"]);
    assert_eq!(world.app.members("g1").unwrap(), ["di@x.test"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j11_a_group_gets_the_name_of_one_that_is_deleted_in_the_same_run() {
    let mut dir = three_groups();
    dir.join("g3", "ann");
    let world = synced(dir).await;
    world.edit(|dir| drop(dir.groups.remove("g1")));
    call(&world, &[("g2", "g1")]);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!(world.app.members("g1").unwrap(), ["bo@x.test"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j11_killed_at_any_call_no_third_name_stays() {
    for people in [false, true] {
        for n in 0..4 {
            for fault in [Fault::crash(), Fault::crash().but_done()] {
                let world = synced(three_groups()).await;
                match people {
                    true => user_names(&world, &[("ann", "bo"), ("bo", "ann")]),
                    false => call(&world, &[("g1", "g2"), ("g2", "g1")]),
                }
                world.app.fail_nth_write(n, fault.clone());
                let hour = std::time::Duration::from_secs(3600);
                let ended = tokio::time::timeout(hour, world.ask(&command(), true)).await.is_ok();
                assert_eq!(ended, n == 3, "three calls");
                world.app.heal();
                world.sync().await;
                world.sync().await;
                no_third_name(&world);
                match people {
                    true => assert_eq!(name_of(&world, "ann"), "bo@x.test", "killed at write {n}, {fault:?}"),
                    false => assert_eq!(world.app.members("g2").unwrap(), ["ann@x.test"], "killed at {n}, {fault:?}"),
                }
                world.assert_quiet().await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn j11_a_refused_change_gives_the_old_name_back_and_the_next_run_tries_again() {
    for refused in ["bo", "rosterd-"] {
        let world = synced(three_groups()).await;
        user_names(&world, &[("ann", "bo"), ("bo", "ann")]);
        world.app.fail("update_user", refused, 1, Fault::refused(crate::scim::FailureClass::Invalid, 400));
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Partial, "{report:?}");
        no_third_name(&world);
        if refused == "bo" {
            assert_eq!(name_of(&world, "ann"), "ann@x.test");
            let failed = failures(&report);
            assert!(failed.iter().any(|(_, why)| why.contains("old name again")), "{failed:?}");
        } else {
            assert_eq!(name_of(&world, "ann"), "bo@x.test", "the name alone, since the old one is taken");
        }
        world.app.heal();
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Ok, "{report:?}");
        assert_eq!((name_of(&world, "ann").as_str(), name_of(&world, "bo").as_str()), ("bo@x.test", "ann@x.test"));
        no_third_name(&world);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn j11_on_a_schedule_names_that_wait_come_right_together() {
    let world = synced(three_groups()).await;
    user_names(&world, &[("ann", "bo")]);
    // One failed twice and waits longer than the other.
    for _ in 0..2 {
        world.scheduled().await;
    }
    user_names(&world, &[("bo", "ann")]);
    world.scheduled().await;
    assert_eq!((name_of(&world, "ann").as_str(), name_of(&world, "bo").as_str()), ("bo@x.test", "ann@x.test"));
    no_third_name(&world);
}

#[tokio::test(start_paused = true)]
async fn j6_a_user_name_that_cannot_change_goes_by_no_third_one() {
    let world = synced_as(three_groups(), |tenant| tenant.profile.attributes.fix(&["userName"])).await;
    user_names(&world, &[("ann", "bo"), ("bo", "ann")]);
    let report = world.sync().await;
    assert_eq!(held(&report).len(), 2, "{report:?}");
    assert_eq!(world.app.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn j11_a_held_change_holds_the_whole_circle() {
    let world = synced(three_groups()).await;
    user_names(&world, &[("ann", "bo"), ("bo", "ann")]);
    world.reconfigure_limits(|limits| limits.ask_before = [crate::model::Op::UpdateUser].into());
    let report = world.sync().await;
    assert_eq!(held(&report).len(), 3, "{report:?}");
    assert_eq!(world.app.writes(), [""; 0]);
    world.approve();
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!(name_of(&world, "ann"), "bo@x.test");
    no_third_name(&world);
}

#[tokio::test(start_paused = true)]
async fn j11_only_one_of_two_who_swap_is_not_renamed() {
    let world = synced(three_groups()).await;
    user_names(&world, &[("ann", "bo"), ("bo", "ann")]);
    for person in ["ann", "bo"] {
        let only = crate::cycle::Ask { only: Some(person), ..command() };
        let report = world.ask(&only, true).await.unwrap();
        assert_eq!(held(&report).len(), 1, "{report:?}");
    }
    assert_eq!(world.app.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn j11_a_swap_is_taken_back_by_undo() {
    let world = synced(three_groups()).await;
    call(&world, &[("g1", "g2"), ("g2", "g1")]);
    let run = world.sync().await.run;
    let records = || world.store.records().into_iter().map(Ok);
    let mut history = crate::errand::history::History::read(records(), &run).unwrap();
    let reversal = crate::errand::undo::reverse(&mut history, &run, &world.store, &world.tenant.rules()).unwrap();
    let ops: Vec<&str> = reversal.plan.operations.iter().map(|operation| operation.op().name()).collect();
    assert_eq!(ops, ["free_name", "rename_group", "rename_group"], "{reversal:?}");
    let report = world.errand().run(world.writer(), reversal.task()).await.unwrap();
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!(world.app.members("g1").unwrap(), ["ann@x.test"]);
    no_third_name(&world);
}

#[tokio::test(start_paused = true)]
async fn j11_nobody_elses_name_is_taken_for_a_third_one() {
    let world = synced(three_groups()).await;
    let other = third_name(&crate::model::ObjectRef::Group(SourceId::new("g2")), "g1");
    call(&world, &[("g1", &other)]);
    assert_eq!(world.sync().await.status(), Status::Ok);
    call(&world, &[("g1", "g2")]);
    // g2 has the name still: the app refuses, and the name of before stays, whatever it looks like.
    assert_eq!(world.sync().await.status(), Status::Partial);
    assert_eq!(world.app.members(&other).unwrap(), ["ann@x.test"]);
}
