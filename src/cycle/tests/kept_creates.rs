//! Accounts that the app answers as created and does not keep: one listing after a tenant's first run shows them.

use super::*;
use crate::sandbox::Misbehave::ForgetsCreates;

/// A tenant before its first run, with an app that does not keep every tenth account.
fn forgetful(users: usize, change: impl FnOnce(&mut crate::sim::Tenant)) -> World {
    let mut world = World::new(crowd(users));
    world.reconfigure(change);
    world.app.behave(|app| app.habits = [ForgetsCreates].into());
    world
}

fn lists(world: &World) -> usize {
    world.app.calls().iter().filter(|call| call.name == "list_users").count()
}

#[tokio::test(start_paused = true)]
async fn ma4_a_create_that_the_app_does_not_keep_is_a_failure_of_the_first_run_and_is_made_again() {
    for users in [12, 40] {
        let world = forgetful(users, |_| {});
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Partial, "{report:?}");
        let lost = failures(&report).into_iter().filter(|(_, why)| why.contains("neither in its list nor by its id"));
        assert_eq!(lost.count(), users / 10);
        assert_eq!(lists(&world), 1);
        world.app.behave(|app| app.habits.clear());
        world.sync().await;
        world.sync().await;
        assert_eq!(world.app.members("all").unwrap().len(), users);
        world.assert_quiet().await;
    }
}

/// The accounts that were made before the process was killed belong to the first run, too.
#[tokio::test(start_paused = true)]
async fn ma4_what_a_killed_first_run_created_is_looked_for_by_the_run_that_ends() {
    let world = forgetful(12, |_| {});
    world.app.fail_nth_write(11, Fault::crash());
    let killed = tokio::time::timeout(std::time::Duration::from_secs(3600), world.ask(&command(), true)).await;
    assert!(killed.is_err(), "the tenth create is lost, and the run after it");
    world.app.heal();
    world.app.behave(|app| app.habits.clear());
    world.sync().await;
    assert_eq!(lists(&world), 1);
    for _ in 0..2 {
        world.clock.pass(jiff::SignedDuration::from_hours(1));
        world.sync().await;
    }
    assert_eq!(world.app.members("all").unwrap().len(), 12);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn ma4_an_app_that_keeps_every_account_costs_one_listing_in_the_first_run_and_none_later() {
    let world = World::new(crowd(12));
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(lists(&world), 1);
    world.edit(|dir| {
        dir.add_user("u99");
        dir.join("all", "u99");
    });
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(lists(&world), 0, "a later run trusts the answer; the weekly comparison looks again");
}

#[tokio::test(start_paused = true)]
async fn ma4_the_listing_can_be_left_out() {
    let world = forgetful(12, |tenant| tenant.profile.read.verify_first_sync = false);
    world.sync().await;
    assert_eq!(lists(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn ma4_a_list_that_can_not_be_read_says_nothing_of_any_account() {
    let world = World::new(crowd(12));
    world.app.fail("list_users", "", 9, Fault::server(500));
    assert_eq!(world.sync().await.status(), Status::Ok);
}
