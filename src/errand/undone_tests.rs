//! An undo lasts: what it put back is held until the directory's record changes, or it is approved.

use super::Task;
use super::history::History;
use super::undo::{find_run, reverse};
use crate::cycle::CycleReport;
use crate::model::RunStatus as Status;
use crate::model::{HoldCode, LifecycleStatus};
use crate::sim::{Directory, Fault, World};
use crate::store::Baseline as _;

fn directory() -> Directory {
    let ids: Vec<String> = (0..40).map(|at| format!("u{at:02}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    Directory::of(&ids).with_group("all", &ids).with_group("admins", &["u00", "u01", "u02"])
}

async fn synced() -> World {
    let world = World::new(directory());
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.assert_quiet().await;
    world
}

async fn undo(world: &World, name: &str) -> CycleReport {
    let records = || world.store.records().into_iter().map(Ok);
    let errand = world.errand();
    errand.recover(world.writer(), &crate::store::Alone).await.unwrap();
    let run = find_run(records(), name).unwrap();
    let mut history = History::read(records(), &run).unwrap();
    let reversal = reverse(&mut history, &run, &world.store, &errand.rules).unwrap();
    let task: Task = reversal.task();
    errand.run(world.writer(), task).await.unwrap()
}

fn holds(report: &CycleReport) -> Vec<HoldCode> {
    report.holds.iter().map(|hold| hold.code()).collect()
}

fn suspend(world: &World, ids: &[&str]) {
    world.edit(|dir| ids.iter().for_each(|id| dir.stand(id, LifecycleStatus::Suspended)));
}

#[tokio::test(start_paused = true)]
async fn mp12_what_was_taken_back_is_held_by_every_later_run_and_the_rest_goes_on() {
    for scheduled in [false, true] {
        let world = synced().await;
        suspend(&world, &["u03", "u04"]);
        world.edit(|dir| dir.part("admins", "u02"));
        world.sync().await;
        assert_eq!(undo(&world, "last").await.status(), Status::Ok);
        for _ in 0..3 {
            let report = if scheduled { world.scheduled().await } else { world.sync().await };
            assert_eq!(holds(&report), [HoldCode::Undone], "{report:?}");
            assert_eq!(world.app.writes(), [""; 0]);
        }
        assert_eq!((world.app.active().len(), world.app.members("admins").unwrap().len()), (40, 3));
        world.edit(|dir| {
            dir.set("u10", "displayName", "new");
            dir.part("admins", "u01");
        });
        suspend(&world, &["u20"]);
        let report = world.sync().await;
        assert_eq!(holds(&report), [HoldCode::Undone]);
        assert_eq!(world.app.active().len(), 39, "another leaver goes");
        assert_eq!(world.app.members("admins").unwrap(), ["u00@x.test", "u02@x.test"], "and another member");
        assert_eq!(world.app.value("u10@x.test", "displayName").as_deref(), Some("new"));
        let text = report.holds[0].detail();
        assert!(text.contains("u03@x.test") && text.contains("u02@x.test in admins"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn mp12_the_hold_ends_with_the_directorys_record() {
    let world = synced().await;
    suspend(&world, &["u03", "u04"]);
    world.edit(|dir| dir.part("admins", "u02"));
    world.sync().await;
    undo(&world, "last").await;
    world.sync().await;
    world.edit(|dir| {
        dir.stand("u03", LifecycleStatus::Active);
        dir.join("admins", "u02");
    });
    assert_eq!(holds(&world.sync().await), [HoldCode::Undone], "u04 is still held");
    world.edit(|dir| dir.set("u04", "displayName", "really gone"));
    assert_eq!(world.sync().await.status(), Status::Ok, "the record is another one");
    assert_eq!(world.app.active().len(), 39);
    assert!(!world.store.is_any_taken_back(), "nothing is left of it");
    world.assert_quiet().await;
    // Long after it is corrected, the same change is an ordinary one.
    suspend(&world, &["u03"]);
    world.edit(|dir| dir.part("admins", "u02"));
    assert_eq!(world.sync().await.status(), Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn mp12_a_directory_that_was_corrected_before_the_undo_holds_nothing() {
    let world = synced().await;
    suspend(&world, &["u03"]);
    world.sync().await;
    world.edit(|dir| dir.stand("u03", LifecycleStatus::Active));
    undo(&world, "last").await;
    assert_eq!(world.sync().await.status(), Status::Ok);
    suspend(&world, &["u03"]);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.active().len(), 39);
}

#[tokio::test(start_paused = true)]
async fn mp12_what_was_taken_back_counts_again_for_the_budget() {
    let world = synced().await;
    suspend(&world, &["u03", "u04", "u05", "u06"]);
    world.sync().await;
    undo(&world, "last").await;
    assert_eq!(world.app.active().len(), 40);
    // Their records change, and they are suspended all the same.
    world.sync().await;
    world.edit(|dir| ["u03", "u04", "u05", "u06"].iter().for_each(|id| dir.set(id, "displayName", "again")));
    let report = world.sync().await;
    assert_eq!(holds(&report), [HoldCode::RemovalsPerDay], "four of forty a day, and four had it today: {report:?}");
    assert_eq!(world.app.active().len(), 40);
}

#[tokio::test(start_paused = true)]
async fn mp12_an_approval_makes_it_again_once() {
    let world = synced().await;
    suspend(&world, &["u03"]);
    world.edit(|dir| dir.part("admins", "u02"));
    world.sync().await;
    undo(&world, "last").await;
    world.sync().await;
    world.approve();
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!((world.app.active().len(), world.app.members("admins").unwrap().len()), (39, 2));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mp12_an_undo_of_an_undo_holds_nothing_and_a_partial_one_what_it_put_back() {
    let world = synced().await;
    suspend(&world, &["u03", "u04"]);
    world.sync().await;
    undo(&world, "last").await;
    undo(&world, "last").await;
    assert_eq!(world.app.active().len(), 38);
    assert_eq!(world.sync().await.status(), Status::Ok, "the app is as the directory says");
    assert!(!world.store.is_any_taken_back());

    let world = synced().await;
    suspend(&world, &["u03", "u04"]);
    world.sync().await;
    world.app.fail("activate", "u04", 1, Fault::refused(crate::scim::FailureClass::Forbidden, 403));
    assert_ne!(undo(&world, "last").await.status(), Status::Ok);
    assert_eq!(world.app.active().len(), 39);
    let report = world.sync().await;
    assert_eq!((holds(&report), world.app.active().len()), (vec![HoldCode::Undone], 39), "u03 keeps access");
}

#[tokio::test(start_paused = true)]
async fn mp12_accounts_and_groups_that_the_run_made_or_renamed_stay_undone_too() {
    let world = synced().await;
    world.edit(|dir| {
        dir.add_user("new");
        dir.join("admins", "new");
        dir.group("all").name = "everybody".into();
        dir.set("u09", "displayName", "wrong");
        dir.delete_user("u08");
    });
    world.sync().await;
    undo(&world, "last").await;
    for _ in 0..3 {
        assert_eq!(holds(&world.sync().await), [HoldCode::Undone]);
        assert_eq!(world.app.writes(), [""; 0]);
    }
    assert!(world.app.members("all").is_some() && world.app.members("everybody").is_none());
    let active = world.app.active();
    assert!(active.contains(&"u08@x.test".to_owned()) && !active.contains(&"new@x.test".to_owned()), "{active:?}");
    assert_eq!(world.app.value("u09@x.test", "displayName").as_deref(), Some("u09"));
}
