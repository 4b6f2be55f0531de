//! When everything, or what takes access, is held; and how it recovers.

use super::*;
use crate::config::forms::Limit;
use crate::config::tenant::DeprovisioningAction;
use jiff::SignedDuration;
use serde_json::Value;

fn suspend(world: &World, range: std::ops::Range<usize>) {
    world.edit(|dir| range.for_each(|at| dir.stand(&format!("u{at:02}"), LifecycleStatus::Suspended)));
}

#[tokio::test(start_paused = true)]
async fn i2_the_removal_budget_holds_what_takes_access_and_nothing_else() {
    let world = synced(crowd(40)).await;
    suspend(&world, 0..5);
    world.edit(|dir| dir.set("u10", "displayName", "new"));
    let report = world.sync().await;
    assert_eq!(world.app.writes(), ["update_user u10@x.test"]);
    assert_eq!(holds(&report), ["removals_per_day"]);
    assert_eq!(held(&report).len(), 5);
    assert_eq!(report.status(), Status::Held);
    assert_eq!(world.sync().await.status(), Status::Held, "and it stays held");
}

#[tokio::test(start_paused = true)]
async fn i2_a_drip_stops_at_the_budget_of_the_last_24_hours() {
    let world = synced(crowd(40)).await;
    for at in 0..6 {
        suspend(&world, at..at + 1);
        world.sync().await;
    }
    assert_eq!(world.app.active().len(), 36, "four of forty a day");
    world.clock.pass(SignedDuration::from_hours(24));
    world.sync().await;
    assert_eq!(world.app.active().len(), 34);
}

#[tokio::test(start_paused = true)]
async fn i2_memberships_are_held_with_the_accounts() {
    let mut dir = crowd(40);
    dir.add_group("night", &["u00", "u01", "u02"]);
    dir.add_group("day", &["u03", "u04", "u05"]);
    let world = synced(dir).await;
    // A broken reading of memberships: six people seem to be in no group any more.
    world.edit(|dir| {
        for at in 0..6 {
            for group in ["all", "night", "day"] {
                dir.part(group, &format!("u{at:02}"));
            }
        }
    });
    let report = world.sync().await;
    assert!(holds(&report).contains(&"removals_per_day"));
    assert_eq!(world.app.writes(), [""; 0], "over budget: nobody loses anything");
}

#[tokio::test(start_paused = true)]
async fn i2_a_deleted_group_counts_by_its_members_and_everybody_once() {
    let mut dir = crowd(10);
    dir.part("all", "u00");
    dir.add_group("pilot", &["u00", "u01", "u02"]);
    dir.add_group("large", &["u03", "u04", "u05", "u06"]);
    let world = synced(dir).await;
    world.edit(|dir| drop(dir.groups.remove("large")));
    assert_eq!(holds(&world.sync().await), ["removals_per_day"], "four people lose a group, three may");
    world.edit(|dir| dir.add_group("large", &["u03", "u04", "u05", "u06"]));
    world.assert_quiet().await;
    world.edit(|dir| drop(dir.groups.remove("pilot")));
    assert_eq!(holds(&world.sync().await), [""; 0], "whose account ends with the group counts once");
    assert_eq!(world.app.members("pilot"), None);
    assert_eq!(world.app.active().len(), 9, "one was held by no other group");
    assert_eq!(world.spent_budget().len(), 3, "also those who only lost the group");
}

#[tokio::test(start_paused = true)]
async fn i2_too_much_of_one_group_is_held() {
    let mut dir = crowd(40);
    dir.add_group("night", &["u00", "u01", "u02", "u03", "u04", "u05"]);
    let world = synced(dir).await;
    world.edit(|dir| {
        for at in 0..4 {
            dir.part("night", &format!("u{at:02}"));
        }
    });
    let report = world.sync().await;
    assert_eq!(holds(&report), ["group_removals"]);
    assert_eq!(world.app.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn s2_a_reading_that_shrank_holds_everything_and_recovers_by_itself() {
    let world = synced(crowd(40)).await;
    let whole = world.source.copy();
    world.edit(|dir| {
        for at in 0..10 {
            dir.delete_user(&format!("u{at:02}"));
        }
        dir.add_user("new");
        dir.join("all", "new");
    });
    for _ in 0..3 {
        let report = world.sync().await;
        assert_eq!(holds(&report), ["source_shrink"]);
        assert_eq!(world.app.writes(), [""; 0]);
    }
    world.edit(|dir| *dir = whole);
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn s9_groups_or_memberships_that_all_vanish_hold_everything() {
    let mut dir = crowd(10);
    dir.add_group("night", &["u00"]);
    for at in 0..10 {
        dir.users.get_mut(&format!("u{at:02}")).unwrap().direct = true;
    }
    let world = synced(dir).await;
    world.edit(|dir| dir.groups.values_mut().for_each(|group| group.members.clear()));
    assert_eq!(holds(&world.sync().await), ["source_shrink"]);
    assert_eq!(world.app.calls(), []);
    world.edit(|dir| dir.groups.clear());
    assert_eq!(holds(&world.sync().await), ["source_shrink"]);
}

#[tokio::test(start_paused = true)]
async fn s1_nobody_at_all_or_no_answer_changes_nothing() {
    let world = synced(crowd(5)).await;
    world.edit(|dir| dir.users.clear());
    assert!(world.try_sync().await.is_err());
    world.edit(|dir| dir.down = true);
    assert!(world.try_sync().await.is_err());
    assert_eq!(world.app.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn a_small_tenant_may_lose_one_person() {
    let world = synced(crowd(4)).await;
    world.edit(|dir| dir.delete_user("u00"));
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!(world.app.active().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn i2_never_down_to_zero() {
    let world = synced(crowd(2)).await;
    suspend(&world, 0..2);
    let report = world.sync().await;
    assert_eq!(holds(&report), ["removals_per_day"]);
    assert_eq!(world.app.active().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn deleting_the_long_inactive_is_not_the_end_of_the_active() {
    let world = synced_as(crowd(4), |tenant| {
        tenant.on_suspended = DeprovisioningAction::Delete;
        tenant.delete_after = Some(SignedDuration::from_hours(48));
    })
    .await;
    suspend(&world, 0..3);
    world.sync().await;
    assert_eq!(world.app.active().len(), 1);
    world.clock.pass(SignedDuration::from_hours(48));
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!(world.app.holdings().users.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn s10_an_attribute_that_vanishes_holds_everything_every_time() {
    for rule in ["displayName", "displayName ~ ''"] {
        let world = synced_as(crowd(40), |tenant| tenant.map(&[("userName", "userName"), ("displayName", rule)])).await;
        let whole = world.source.copy();
        world.edit(|dir| {
            for user in dir.users.values_mut() {
                user.record.remove("displayName");
            }
            dir.add_user("new");
            dir.join("all", "new");
        });
        for _ in 0..3 {
            let report = world.sync().await;
            assert!(holds(&report).contains(&"attribute_loss"), "{rule}: {report:?}");
            assert_eq!(world.app.writes(), [""; 0], "{rule}");
        }
        world.edit(|dir| *dir = whole);
        assert_eq!(world.sync().await.status(), Status::Ok);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_cleared_attribute_in_a_small_tenant_is_everyday() {
    let world = synced(crowd(4)).await;
    world.edit(|dir| dir.set("u00", "displayName", Value::Null));
    world.sync().await;
    assert_eq!(world.app.writes(), ["update_user u00@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn people_who_have_failed_for_long_do_not_hold_everybody() {
    let mut dir = crowd(40);
    for at in 0..4 {
        dir.set(&format!("u{at:02}"), "displayName", "x");
    }
    let world =
        synced_as(dir, |tenant| tenant.map(&[("userName", "userName"), ("displayName", "displayName ~ ''")])).await;
    for at in 0..4 {
        world.edit(|dir| dir.set(&format!("u{at:02}"), "displayName", Value::Null));
        world.sync().await;
    }
    world.edit(|dir| dir.set("u10", "displayName", "ten"));
    let report = world.sync().await;
    assert_eq!(holds(&report), [""; 0]);
    assert_eq!(world.app.writes(), ["update_user u10@x.test"]);
    assert_eq!(failures(&report).len(), 4, "still told");
}

#[tokio::test(start_paused = true)]
async fn a_seat_limit_holds_creations_and_names_no_group_a_failure() {
    let mut dir = crowd(5);
    dir.add_group("night", &["u00"]);
    let world = synced(dir).await;
    world.reconfigure_limits(|limits| limits.creates_per_day = Limit::NONE.at_most(6));
    world.edit(|dir| {
        for id in ["new1", "new2"] {
            dir.add_user(id);
            dir.join("all", id);
        }
        dir.join("night", "u01");
    });
    let report = world.sync().await;
    assert_eq!(holds(&report), ["creates_per_day"], "five were made today, two more are due, six is the limit");
    assert_eq!(failures(&report), []);
    assert_eq!(held(&report), ["create_user new1@x.test", "create_user new2@x.test", "add_members all"]);
    assert_eq!(world.app.members("night").unwrap().len(), 2);
    world.clock.pass(SignedDuration::from_hours(24));
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.members("all").unwrap().len(), 7);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn p4_adopt_only_removes_nothing_even_inside_the_budget() {
    let mut world = synced(crowd(10)).await;
    world.lose_state();
    // The membership of somebody who left while nobody knew.
    world.edit(|dir| dir.part("all", "u00"));
    world.sync().await;
    assert_eq!(world.app.writes(), [""; 0]);
    assert_eq!(world.app.members("all").unwrap().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn i10_another_plan_than_the_expected_one_sends_nothing() {
    let world = synced(crowd(5)).await;
    world.edit(|dir| dir.set("u00", "displayName", "new"));
    let preview = world.plan().await;
    world.edit(|dir| dir.set("u01", "displayName", "new"));
    world.app.forget_calls();
    let ask = crate::cycle::Ask { expected_plan: Some(preview.plan_hash()), ..command() };
    assert!(world.ask(&ask, true).await.is_err());
    assert_eq!(world.app.writes(), [""; 0]);
    world.edit(|dir| dir.set("u01", "displayName", "u01"));
    let report = world.ask(&ask, true).await.unwrap();
    assert_eq!(report.plan_hash(), preview.plan_hash());
    assert_eq!(world.app.writes(), ["update_user u00@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn a_preview_reads_and_never_writes_and_says_what_sync_does() {
    let world = World::new(crowd(5));
    let preview = world.plan().await;
    assert_eq!(world.app.writes(), [""; 0]);
    assert_eq!(preview.tally().planned, 7);
    assert_eq!(world.sync().await.plan_hash(), preview.plan_hash());
}

#[tokio::test(start_paused = true)]
async fn only_one_person_is_one_persons_account_and_memberships() {
    let world = synced(crowd(5)).await;
    world.edit(|dir| {
        for id in ["new1", "new2"] {
            dir.add_user(id);
            dir.join("all", id);
        }
        dir.set("u00", "displayName", "new");
        dir.stand("u01", LifecycleStatus::Suspended);
    });
    let ask = crate::cycle::Ask { only: Some("NEW1@x.test"), ..command() };
    world.ask(&ask, true).await.unwrap();
    assert_eq!(world.app.writes(), ["create_user new1@x.test", "add_members all"]);
    assert_eq!(world.app.members("all").unwrap().len(), 6);
    world.sync().await;
    assert_eq!(world.app.members("all").unwrap().len(), 7, "the rest is still due");
    world.assert_quiet().await;
}
