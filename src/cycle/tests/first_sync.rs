//! `[approval] first_sync`: the first sync of a tenant that nobody typed waits for an approval.

use super::*;
use crate::model::{HoldCode, HoldReason};
use crate::store::{Baseline as _, FirstSync, JournalEvent, Ledger as _, RunSummary, Trigger};

/// A tenant that writes nothing about it.
fn guarded(directory: Directory) -> World {
    let world = World::new(directory);
    world.tenant.limits.lock().unwrap().first_sync = true;
    world
}

fn hire(directory: &mut Directory) {
    directory.add_user("new");
    directory.join("all", "new");
}

async fn by(world: &World, trigger: Trigger) -> CycleReport {
    world.app.forget_calls();
    let report = world.ask(&crate::cycle::Ask { trigger, ..command() }, true).await.unwrap();
    world.clock.pass(jiff::SignedDuration::from_mins(10));
    report
}

fn codes(report: &CycleReport) -> Vec<HoldCode> {
    report.holds.iter().map(HoldReason::code).collect()
}

#[tokio::test(start_paused = true)]
async fn sec7_a_first_sync_that_nobody_typed_is_held_until_it_is_approved() {
    let world = guarded(crowd(12));
    for trigger in [Trigger::Schedule, Trigger::Timer, Trigger::Schedule] {
        let report = by(&world, trigger).await;
        assert_eq!((report.status(), codes(&report)), (Status::Held, vec![HoldCode::FirstSync]), "{trigger:?}");
        assert_eq!(world.app.writes(), [""; 0]);
    }
    let held = world.store.held().unwrap();
    assert_eq!(held.holds, [HoldReason::FirstSync { changes: held.count, creates: 12 }]);
    assert!(world.store.first_sync_waits());
    assert_eq!(world.store.last_counts(), None, "what nobody has looked at is no reading to measure by");
    world.approve();
    assert_eq!(world.scheduled().await.status(), Status::Ok);
    assert_eq!(world.app.active().len(), 12);
    assert!(!world.store.first_sync_waits());
    world.edit(hire);
    assert_eq!(world.scheduled().await.status(), Status::Ok, "the second one needs nobody");
    assert_eq!(world.app.active().len(), 13);
}

#[tokio::test(start_paused = true)]
async fn sec7_an_approval_of_the_first_sync_is_for_what_was_shown_and_shows_what_else_is_held() {
    let world = guarded(crowd(3));
    world.tenant.limits.lock().unwrap().creates_per_day = "2".parse().unwrap();
    assert_eq!(codes(&world.scheduled().await), [HoldCode::FirstSync, HoldCode::CreatesPerDay]);
    world.approve();
    world.edit(hire);
    assert_eq!(codes(&world.scheduled().await), [HoldCode::FirstSync, HoldCode::CreatesPerDay]);
    assert_eq!(world.app.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn sec7_a_typed_run_that_completes_for_everybody_is_the_first_sync() {
    let world = guarded(crowd(3));
    assert_eq!(world.scheduled().await.status(), Status::Held);
    let only = crate::cycle::Ask { only: Some("u00@x.test"), ..command() };
    assert_eq!(world.ask(&only, true).await.unwrap().status(), Status::Ok);
    assert_eq!(codes(&world.scheduled().await), [HoldCode::FirstSync], "one user is not everybody");
    assert_eq!(world.plan().await.holds, [], "a preview is typed");
    assert_eq!(world.scheduled().await.status(), Status::Held, "and completes nothing");
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert!(!world.store.first_sync_waits());
    world.edit(hire);
    assert_eq!(world.scheduled().await.status(), Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn sec7_a_typed_run_that_ends_held_is_not_the_first_sync() {
    let world = guarded(crowd(3));
    world.tenant.limits.lock().unwrap().creates_per_day = "2".parse().unwrap();
    assert_eq!(world.sync().await.status(), Status::Held);
    assert!(world.store.first_sync_waits());
    assert_eq!(codes(&world.scheduled().await), [HoldCode::FirstSync, HoldCode::CreatesPerDay]);
}

#[tokio::test(start_paused = true)]
async fn sec7_a_first_sync_with_nothing_to_do_holds_nothing_and_settles_nothing() {
    let world = guarded(Directory::of(&["ann", "bo"]).with_group("empty", &[]));
    assert_eq!(world.scheduled().await.status(), Status::Ok);
    world.edit(|dir| dir.join("empty", "ann"));
    assert_eq!(codes(&world.scheduled().await), [HoldCode::FirstSync], "the first change is the one to look at");
}

#[tokio::test(start_paused = true)]
async fn sec7_a_tenant_that_asks_for_no_approval_of_its_first_sync_has_none() {
    let world = World::new(crowd(3));
    assert_eq!(world.scheduled().await.status(), Status::Ok);
    world.tenant.limits.lock().unwrap().first_sync = true;
    world.edit(hire);
    assert_eq!(world.scheduled().await.status(), Status::Ok, "it was done before the key was turned on");
}

#[tokio::test(start_paused = true)]
async fn w5_runs_of_earlier_versions_that_completed_count() {
    for (status, counts, waits) in [
        (Status::Ok, true, false),
        (Status::Held, true, false),
        (Status::Failed, true, true),
        (Status::Ok, false, true),
    ] {
        let world = guarded(crowd(3));
        let report = world.plan().await;
        let summary = RunSummary { status, first_sync: None, ..report.to_summary(None) };
        let counts = counts.then_some(report.snapshot);
        world.store.run_ended(RunSummary { counts, ..summary }).await.unwrap();
        assert_eq!(world.store.first_sync_waits(), waits, "{status:?} {counts:?}");
    }
    let written =
        serde_json::to_value(JournalEvent::Opened { tenant: "a".into(), format: 1, why: "x".into(), replaces: false });
    assert!(written.unwrap()["opened"].get("replaces").is_none(), "a first record is as it always was");
    assert_eq!(serde_json::to_value(FirstSync::Done).unwrap(), "done");
}
