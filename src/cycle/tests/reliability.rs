//! Faults of `docs/reliability.md` that one small world shows, named by their number there.

use jiff::SignedDuration;

use super::*;
use crate::config::tenant::DeprovisioningAction;
use crate::scim::FailureClass;
use crate::sim::Quirk;

#[tokio::test(start_paused = true)]
async fn s04_somebody_dropped_from_a_page_is_asked_for_and_kept() {
    let world = synced(crowd(5)).await;
    world.edit(|dir| dir.hide("u02"));
    world.sync().await;
    assert_eq!(world.app.writes(), Vec::<String>::new());
    world.edit(|dir| dir.show("u02"));
    world.sync().await;
    assert_eq!(world.app.active().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn s05_pages_that_shift_fold_the_one_and_keep_the_other() {
    let world = synced(crowd(6)).await;
    for at in 0..5 {
        world.source.spoil(Some(Quirk::Shifts(at)));
        world.sync().await;
        assert_eq!(world.app.writes(), Vec::<String>::new(), "at {at}");
        world.sync().await;
    }
}

#[tokio::test(start_paused = true)]
async fn s06_a_reading_that_breaks_off_makes_no_plan() {
    let world = synced(crowd(4)).await;
    world.edit(|dir| dir.delete_user("u03"));
    for quirk in [Quirk::Breaks, Quirk::Announces(3), Quirk::Throttles] {
        world.source.spoil(Some(quirk.clone()));
        assert!(world.try_sync().await.is_err(), "{quirk:?}");
        assert!(world.app.calls().is_empty(), "{quirk:?}");
    }
    world.sync().await;
    assert_eq!(world.app.active().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn s13_everybody_disabled_is_held_and_a_few_are_not() {
    let world = synced(crowd(30)).await;
    world.edit(|dir| (0..3).for_each(|at| dir.stand(&format!("u{at:02}"), LifecycleStatus::Suspended)));
    world.sync().await;
    assert_eq!(world.app.active().len(), 27);
    world.edit(|dir| (3..30).for_each(|at| dir.stand(&format!("u{at:02}"), LifecycleStatus::Suspended)));
    assert_eq!(holds(&world.sync().await), ["removals_per_day"]);
    assert_eq!(world.app.active().len(), 27);
}

#[tokio::test(start_paused = true)]
async fn s14_a_stale_copy_stays_inside_the_budget_and_the_next_good_reading_heals_it() {
    let world = synced(crowd(20)).await;
    let earlier = world.source.copy();
    world.edit(|dir| {
        for at in 20..28 {
            dir.add_user(&format!("u{at}"));
            dir.join("all", &format!("u{at}"));
        }
    });
    world.sync().await;
    assert_eq!(world.app.active().len(), 28);
    world.source.spoil(Some(Quirk::Stale(Box::new(earlier))));
    let report = world.sync().await;
    assert_eq!(holds(&report), ["source_shrink"], "{report:?}");
    assert_eq!(world.app.active().len(), 28);
    world.sync().await;
    assert_eq!(world.app.active().len(), 28);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn c04_a_rule_that_lets_nobody_in_is_held() {
    let mut world = synced(crowd(30)).await;
    world.reconfigure(|tenant| tenant.filter = Some(|_| Ok(false)));
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Held, "{report:?}");
    assert_eq!(world.app.writes(), Vec::<String>::new());
    world.reconfigure(|tenant| (tenant.filter, tenant.groups) = (None, Some(Vec::new())));
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Held, "{report:?}");
    assert_eq!(world.app.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn c05_a_clock_that_jumps_makes_nothing_happen_early() {
    let tenant = |tenant: &mut crate::sim::Tenant| {
        tenant.on_deleted = DeprovisioningAction::Delete;
        tenant.delete_after = Some(SignedDuration::from_hours(30 * 24));
    };
    let world = synced_as(crowd(4), tenant).await;
    world.edit(|dir| dir.delete_user("u03"));
    world.sync().await;
    assert_eq!(world.app.active().len(), 3);
    for hours in [-24, -24, 24, 24, 24, -48] {
        world.clock.pass(SignedDuration::from_hours(hours));
        world.sync().await;
        assert_eq!(world.app.holdings().users.len(), 4, "deleted after a jump of {hours} hours");
    }
    // An absence that nobody confirms waits for its second look, whatever the clock does.
    world.edit(|dir| dir.hide("u02"));
    world.sync().await;
    world.clock.pass(SignedDuration::from_hours(-24));
    world.sync().await;
    assert_eq!(world.app.active().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn t10_a_change_whose_answer_was_lost_is_found_out() {
    let world = synced(crowd(4)).await;
    world.edit(|dir| dir.stand("u01", LifecycleStatus::Suspended));
    world.app.fail("deactivate", "u01", 3, Fault::lost().but_done());
    world.sync().await;
    assert_eq!(world.spent_budget().len(), 1, "nobody knows, so it counts");
    // She is back before the next run: what is known of the account must be true all the same.
    world.edit(|dir| dir.stand("u01", LifecycleStatus::Active));
    world.sync().await;
    assert_eq!(world.app.active().len(), 4);
    world.sync().await;
    assert_eq!(world.spent_budget().len(), 1, "and not twice");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn i1_who_was_let_in_without_an_answer_and_left_since_does_not_stay() {
    let world = synced(crowd(4)).await;
    world.edit(|dir| {
        dir.add_user("new");
        dir.join("all", "new");
    });
    world.app.fail("create_user", "new", 1, Fault::lost().but_done());
    world.app.fail("look_up_users", "", 2, Fault::server(503));
    // The first look-up of the plan is not the one that fails.
    let report = world.try_sync().await;
    drop(report);
    world.app.heal();
    world.app.fail("create_user", "new", 1, Fault::lost().but_done());
    world.sync().await;
    world.edit(|dir| dir.delete_user("new"));
    world.sync().await;
    world.sync().await;
    let active = world.app.active();
    assert!(!active.iter().any(|name| name.starts_with("new")), "{active:?}");
}

#[tokio::test(start_paused = true)]
async fn i1_a_membership_without_an_answer_is_found_out_before_the_next_plan() {
    let world = synced(crowd(4).with_group("team", &["u00"])).await;
    world.edit(|dir| dir.join("team", "u01"));
    world.app.fail("add_members", "team", 3, Fault::lost().but_done());
    world.sync().await;
    world.edit(|dir| dir.part("team", "u01"));
    world.sync().await;
    world.sync().await;
    assert_eq!(world.app.members("team").unwrap(), ["u00@x.test"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn t11_what_the_app_shows_late_is_not_made_twice() {
    let mut world = World::new(crowd(4));
    world.reconfigure(|tenant| tenant.profile.read.settles_after_s = 60);
    let clock = std::sync::Arc::new(crate::sim::SimClock::flowing());
    world.app.keep_time(&clock);
    world.clock = clock;
    world.app.behave(|app| (app.unique, app.settles_after) = (false, SignedDuration::from_secs(60)));
    world.app.fail("create_user", "u01", 2, Fault::server(504).but_done());
    world.app.fail("create_group", "all", 2, Fault::server(504).but_done());
    world.sync().await;
    world.sync().await;
    let holdings = world.app.holdings();
    assert_eq!((holdings.users.len(), holdings.groups.len()), (4, 1));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn t12_an_app_that_writes_values_its_own_way_is_in_step_at_once() {
    let world = World::new(crowd(4));
    world.app.behave(|app| app.lower_cases = true);
    world.edit(|dir| dir.set("u01", "displayName", "Ann ÄRMEL"));
    world.sync().await;
    world.assert_quiet().await;
    world.edit(|dir| dir.set("u02", "displayName", "Bob"));
    world.sync().await;
    assert_eq!(world.app.writes(), ["update_user u02@x.test"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn i1_a_group_waits_for_a_deletion_that_is_held() {
    let tenant = |tenant: &mut crate::sim::Tenant| tenant.on_unassigned = DeprovisioningAction::Delete;
    let world = synced_as(crowd(5).with_group("team", &["u00", "u01"]), tenant).await;
    world.reconfigure_limits(|limits| limits.removals_per_day = crate::config::forms::Limit::of_percent(0));
    world.edit(|dir| {
        dir.part("team", "u00");
        dir.part("all", "u00");
    });
    assert_eq!(holds(&world.sync().await), ["removals_per_day"]);
    // He comes back by another group: the one he left must not keep him.
    world.edit(|dir| dir.add_group("other", &["u00"]));
    world.reconfigure_limits(|limits| *limits = crate::sim::limits());
    world.sync().await;
    world.sync().await;
    assert_eq!(world.app.members("team").unwrap(), ["u01@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn i1_an_app_that_hides_who_is_off_does_not_lose_the_account() {
    use crate::config::profile::{DeleteEffect, InactiveEffect};
    for fate in [DeprovisioningAction::Deactivate, DeprovisioningAction::Delete] {
        let tenant = |tenant: &mut crate::sim::Tenant| {
            tenant.on_suspended = fate;
            tenant.profile.users.inactive_effect = InactiveEffect::HidesResource;
            tenant.profile.users.delete_effect = DeleteEffect::Deactivates;
        };
        let world = synced_as(crowd(4), tenant).await;
        world.app.behave(|app| {
            (app.inactive_effect, app.delete_effect) = (InactiveEffect::HidesResource, DeleteEffect::Deactivates);
        });
        world.edit(|dir| dir.stand("u01", LifecycleStatus::Suspended));
        for name in ["deactivate", "delete_user"] {
            world.app.fail(name, "u01", 1, Fault::server(504).but_done());
            world.app.fail(name, "", 2, Fault::refused(FailureClass::NotFound, 404));
        }
        world.sync().await;
        world.app.heal();
        world.edit(|dir| dir.stand("u01", LifecycleStatus::Active));
        world.sync().await;
        world.sync().await;
        assert_eq!((world.app.active().len(), world.app.holdings().users.len()), (4, 4), "{fate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn i12_one_object_that_the_app_does_not_speak_about_stops_nobody_else() {
    let world = synced(crowd(4)).await;
    world.edit(|dir| dir.set("u01", "displayName", "One"));
    world.app.fail("update_user", "u01", 3, Fault::lost());
    world.sync().await;
    // The account can't be read, day after day.
    world.app.fail("get_user", "", 1000, Fault::refused(FailureClass::Forbidden, 403));
    world.edit(|dir| dir.set("u02", "displayName", "Two"));
    let report = world.sync().await;
    assert_eq!(world.app.value("u02@x.test", "displayName").as_deref(), Some("Two"), "{report:?}");
    assert_eq!(report.status(), Status::Partial, "i11: something is still open");
}
