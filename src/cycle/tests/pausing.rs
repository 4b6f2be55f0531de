//! A pause that comes while a run is under way, and one that is there before.

use super::*;
use crate::apply::RunStop;
use crate::store::TenantMark;

fn pause() -> TenantMark {
    TenantMark { at: None, by: "ann".into(), identity: None, reason: "maintenance".into() }
}

fn set_paused(world: &World, mark: Option<TenantMark>) {
    *world.store.pause().lock().unwrap() = mark;
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_a_run_before_its_next_call_and_leaves_nothing_half_done() {
    for after in [1, 2, 5, 9, 11] {
        let world = World::new(crowd(10));
        let paused = world.store.pause();
        world.app.after_writes(after, move || *paused.lock().unwrap() = Some(pause()));
        let report = world.sync().await;
        let sent = world.app.writes().len();
        assert!(sent < after + 4, "only the calls in progress were finished: {sent} after {after}");
        assert_eq!(report.status(), Status::Partial, "{report:?}");
        assert!(matches!(&report.stop, Some(RunStop::Paused(why)) if why == "by ann (maintenance)"), "{report:?}");
        assert_eq!(world.set_aside(), [""; 0], "nobody is to blame");
        let report = world.sync().await;
        assert_eq!(report.tally().done, 0, "nothing is sent while it is paused");
        set_paused(&world, None);
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!(world.app.members("all").unwrap().len(), 10);
        assert_eq!(world.app.holdings().users.len(), 10, "i3: nobody twice");
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_leaver_waits_for_the_end_of_a_pause_too() {
    let world = synced(crowd(5)).await;
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
    set_paused(&world, Some(pause()));
    world.sync().await;
    assert!(world.app.account("u00@x.test").unwrap().1.active);
    set_paused(&world, None);
    world.sync().await;
    assert!(!world.app.account("u00@x.test").unwrap().1.active);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_needs_no_writing_and_a_preview_does_not_care() {
    let world = synced(crowd(5)).await;
    world.edit(|dir| dir.set("u00", "displayName", "new"));
    set_paused(&world, Some(pause()));
    let report = world.plan().await;
    assert_eq!((report.tally().planned, report.status()), (1, Status::Ok));
}
