//! What becomes of people who leave: suspended, unassigned, deleted, absent.

use super::*;
use crate::config::profile::{DeleteEffect, InactiveEffect};
use crate::config::tenant::DeprovisioningAction;
use jiff::SignedDuration;

/// How somebody leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cause {
    Suspended,
    Unassigned,
    Deleted,
}

fn leave(dir: &mut Directory, cause: Cause) {
    match cause {
        Cause::Suspended => dir.stand("u00", LifecycleStatus::Suspended),
        Cause::Unassigned => dir.part("all", "u00"),
        Cause::Deleted => dir.delete_user("u00"),
    }
}

#[tokio::test(start_paused = true)]
async fn o3_the_fate_of_each_cause_is_the_operators_choice() {
    for cause in [Cause::Suspended, Cause::Unassigned, Cause::Deleted] {
        for fate in [DeprovisioningAction::Deactivate, DeprovisioningAction::Delete, DeprovisioningAction::Nothing] {
            let world = synced_as(crowd(5), |tenant| match cause {
                Cause::Suspended => tenant.on_suspended = fate,
                Cause::Unassigned => tenant.on_unassigned = fate,
                Cause::Deleted => tenant.on_deleted = fate,
            })
            .await;
            world.edit(|dir| leave(dir, cause));
            world.sync().await;
            let account = world.app.account("u00@x.test");
            match fate {
                DeprovisioningAction::Deactivate => assert!(!account.unwrap().1.active, "{cause:?}"),
                DeprovisioningAction::Delete => assert_eq!(account, None, "{cause:?}"),
                DeprovisioningAction::Nothing => assert!(account.unwrap().1.active, "{cause:?}"),
            }
            world.assert_quiet().await;
            world.assert_quiet().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn delete_after_deactivates_now_and_deletes_then() {
    for cause in [Cause::Suspended, Cause::Unassigned, Cause::Deleted] {
        let world = synced_as(crowd(5), |tenant| {
            tenant.on_suspended = DeprovisioningAction::Delete;
            tenant.on_unassigned = DeprovisioningAction::Delete;
            tenant.on_deleted = DeprovisioningAction::Delete;
            tenant.delete_after = Some(SignedDuration::from_hours(30 * 24));
        })
        .await;
        world.edit(|dir| leave(dir, cause));
        world.sync().await;
        assert!(!world.app.account("u00@x.test").unwrap().1.active, "{cause:?}");
        world.assert_quiet().await;
        world.clock.pass(SignedDuration::from_hours(29 * 24));
        world.assert_quiet().await;
        world.clock.pass(SignedDuration::from_hours(24));
        world.sync().await;
        assert_eq!(world.app.account("u00@x.test"), None, "{cause:?}");
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn delete_after_is_cancelled_by_a_return() {
    let world = synced_as(crowd(5), |tenant| {
        tenant.on_suspended = DeprovisioningAction::Delete;
        tenant.delete_after = Some(SignedDuration::from_hours(30 * 24));
    })
    .await;
    let account = world.app.account("u00@x.test").unwrap().0;
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
    world.sync().await;
    world.clock.pass(SignedDuration::from_hours(29 * 24));
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Active));
    world.sync().await;
    assert_eq!(world.app.writes(), ["activate u00@x.test"]);
    world.clock.pass(SignedDuration::from_hours(2 * 24));
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
    world.sync().await;
    assert_eq!(world.app.account("u00@x.test").map(|(id, user)| (id, user.active)), Some((account, false)));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_account_comes_back_as_a_new_one_with_its_groups() {
    let world = synced_as(crowd(5), |tenant| tenant.on_suspended = DeprovisioningAction::Delete).await;
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
    world.sync().await;
    assert_eq!(world.app.writes(), ["delete_user u00@x.test"]);
    world.assert_quiet().await;
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Active));
    world.sync().await;
    assert_eq!(world.app.writes(), ["create_user u00@x.test", "add_members all"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn class_1_an_app_that_deletes_on_deactivation_gets_a_new_account_on_return() {
    let mut world = World::new(crowd(5));
    world.reconfigure(|tenant| tenant.profile.users.inactive_effect = InactiveEffect::DeletesResource);
    world.app.behave(|app| app.inactive_effect = InactiveEffect::DeletesResource);
    world.sync().await;
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
    world.sync().await;
    assert_eq!(world.app.account("u00@x.test"), None);
    world.assert_quiet().await;
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Active));
    world.sync().await;
    assert_eq!(world.app.writes(), ["create_user u00@x.test", "add_members all"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn class_1_an_app_that_hides_the_inactive_gets_the_same_account_back() {
    let mut world = World::new(crowd(5));
    world.reconfigure(|tenant| tenant.profile.users.inactive_effect = InactiveEffect::HidesResource);
    world.app.behave(|app| app.inactive_effect = InactiveEffect::HidesResource);
    world.sync().await;
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
    world.sync().await;
    world.assert_quiet().await;
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Active));
    world.sync().await;
    assert_eq!(world.app.writes(), ["activate u00@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn class_2_an_app_whose_delete_only_deactivates_is_deleted_from_once() {
    let mut world = World::new(crowd(5));
    world.reconfigure(|tenant| {
        tenant.profile.users.delete_effect = DeleteEffect::Deactivates;
        tenant.on_suspended = DeprovisioningAction::Delete;
    });
    world.app.behave(|app| app.delete_effect = DeleteEffect::Deactivates);
    world.sync().await;
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
    world.sync().await;
    assert_eq!(world.app.writes(), ["delete_user u00@x.test"]);
    world.assert_quiet().await;
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Active));
    world.sync().await;
    assert_eq!(world.app.writes(), ["activate u00@x.test"], "the same account");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn class_3_an_irreversible_delete_waits_for_a_decision_and_access_ends_at_once() {
    let world = synced_as(crowd(5), |tenant| {
        tenant.profile.users.delete_effect = DeleteEffect::Irreversible;
        tenant.on_suspended = DeprovisioningAction::Delete;
    })
    .await;
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
    let report = world.sync().await;
    assert_eq!(world.app.writes(), ["deactivate u00@x.test"]);
    assert_eq!(held(&report), ["delete_user u00@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn an_app_without_delete_is_deactivated_in() {
    let world = synced_as(crowd(5), |tenant| {
        tenant.profile.users.delete_effect = DeleteEffect::Unsupported;
        tenant.on_suspended = DeprovisioningAction::Delete;
    })
    .await;
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
    world.sync().await;
    assert_eq!(world.app.writes(), ["deactivate u00@x.test"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn i2_an_absence_that_nobody_confirms_needs_a_second_look_ten_minutes_later() {
    for mute in [true, false] {
        let world = synced(crowd(5)).await;
        world.edit(|dir| {
            dir.mute = mute;
            dir.hide("u00");
        });
        let report = world.ask(&command(), true).await.unwrap();
        assert_eq!(world.app.writes(), [""; 0], "{report:?}");
        assert_eq!(world.app.members("all").unwrap().len(), 5);
        world.clock.pass(SignedDuration::from_mins(9));
        world.ask(&command(), true).await.unwrap();
        assert_eq!(world.app.writes(), [""; 0], "too early");
        world.clock.pass(SignedDuration::from_mins(1));
        world.sync().await;
        assert_eq!(world.app.writes(), ["deactivate u00@x.test", "remove_members all"]);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn i2_a_second_look_counts_from_this_absence_and_not_from_an_older_one() {
    let world = synced(crowd(5)).await;
    world.edit(|dir| dir.hide("u00"));
    world.sync().await;
    world.edit(|dir| dir.show("u00"));
    world.sync().await;
    world.assert_quiet().await;
    world.clock.pass(SignedDuration::from_hours(24 * 60));
    world.edit(|dir| dir.hide("u00"));
    world.sync().await;
    assert_eq!(world.app.writes(), [""; 0], "missing once, not twice");
}

#[tokio::test(start_paused = true)]
async fn a_leaver_is_not_kept_waiting_by_an_older_failure() {
    let world = synced(crowd(5)).await;
    world.edit(|dir| dir.set("u00", "displayName", "new"));
    world.app.fail("update_user", "u00", 1, Fault::refused(crate::scim::FailureClass::Invalid, 400));
    assert_eq!(world.scheduled().await.status(), Status::Partial);
    world.clock.pass(SignedDuration::from_mins(-9));
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
    world.scheduled().await;
    assert_eq!(world.app.writes(), ["deactivate u00@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn departed_people_are_not_asked_about_for_ever() {
    for fate in [DeprovisioningAction::Nothing, DeprovisioningAction::Deactivate] {
        let world = synced_as(crowd(5), |tenant| tenant.on_deleted = fate).await;
        world.edit(|dir| dir.delete_user("u00"));
        world.sync().await;
        world.sync().await;
        world.source.forget_asks();
        world.assert_quiet().await;
        assert_eq!(world.source.asks(), 0, "{fate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn someone_who_shows_up_again_just_before_the_call_keeps_their_account() {
    let world = synced(crowd(5)).await;
    // Gone when asked first, there when asked again.
    world.edit(|dir| {
        dir.delete_user("u00");
        dir.back_when_asked_again.insert("u00".into());
    });
    let report = world.sync().await;
    assert!(world.app.active().contains(&"u00@x.test".to_owned()));
    assert_eq!(failures(&report).len(), 1, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn staged_people_get_nothing_and_lose_nothing() {
    let mut dir = crowd(5);
    dir.add_user("new");
    dir.stand("new", LifecycleStatus::Staged);
    dir.join("all", "new");
    let world = synced(dir).await;
    assert_eq!(world.app.active().len(), 5);
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Staged));
    world.assert_quiet().await;
    world.edit(|dir| dir.stand("new", LifecycleStatus::Active));
    world.sync().await;
    assert_eq!(world.app.members("all").unwrap().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn o4_lanes_leavers_first_then_additions_then_removals() {
    let mut dir = crowd(8);
    dir.add_group("night", &["u01"]);
    let world = synced(dir).await;
    world.edit(|dir| {
        dir.stand("u00", LifecycleStatus::Suspended);
        dir.delete_user("u01");
        dir.add_user("new");
        dir.join("night", "new");
        dir.join("night", "u02");
        dir.part("all", "u02");
        dir.set("u03", "displayName", "three");
    });
    world.sync().await;
    let mut writes = world.app.writes();
    // Two groups of one lane go at the same time.
    writes[5..].sort();
    assert_eq!(
        writes,
        [
            "deactivate u00@x.test",
            "deactivate u01@x.test",
            "create_user new@x.test",
            "update_user u03@x.test",
            "add_members night",
            "remove_members all",
            "remove_members night",
        ]
    );
}

/// A first stage that waits for nobody: neither for the look-ups of newcomers nor for their accounts.
#[tokio::test(start_paused = true)]
async fn o4_every_cause_ends_access_before_the_app_is_asked_about_anybody() {
    let mut dir = crowd(30);
    for (group, member) in [("left", "u03"), ("gone", "u04")] {
        dir.add_group(group, &[member]);
        dir.part("all", member);
    }
    let world = synced(dir).await;
    world.edit(|dir| {
        for id in 0..20 {
            dir.add_user(&format!("new{id}"));
            dir.join("all", &format!("new{id}"));
        }
        dir.stand("u00", LifecycleStatus::Suspended);
        dir.delete_user("u01");
        dir.part("all", "u02");
        dir.group("left").assigned = false;
        drop(dir.groups.remove("gone"));
    });
    world.reconfigure_limits(|limits| limits.removals_per_day = crate::config::forms::Limit::NONE);
    world.app.forget_calls();
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    let calls: Vec<String> = world.app.calls().iter().map(|call| format!("{} {}", call.name, call.about)).collect();
    let mut first = calls[..5].to_vec();
    first[1..].sort();
    let off = |user: &str| format!("set_active {user}@x.test");
    let first: Vec<String> = first.iter().map(|call| call.replace("deactivate ", "set_active ")).collect();
    assert_eq!(first, ["u00", "u01", "u02", "u03", "u04"].map(off), "{calls:?}");
    world.assert_quiet().await;
}

/// A user who moves, and one who may be the same user under another id, are not in the first stage.
#[tokio::test(start_paused = true)]
async fn i2_a_record_made_again_under_another_id_loses_nothing_in_the_first_stage() {
    let world = synced(crowd(30)).await;
    world.edit(|dir| {
        let name = dir.users["u00"].record["userName"].clone();
        dir.delete_user("u00");
        dir.add_user("u00n");
        dir.set("u00n", "userName", name.as_str().unwrap());
        dir.join("all", "u00n");
    });
    world.sync().await;
    let before = world.app.writes();
    let calls = world.app.calls();
    let asked = calls.iter().position(|call| call.name == "look_up_users").unwrap();
    let off = calls.iter().position(|call| call.name.contains("active"));
    assert!(off.is_none_or(|off| off > asked), "{before:?}");
}

/// Users who leave while a run of many minutes goes on do not wait for its end.
#[tokio::test(start_paused = true)]
async fn o4_who_leaves_during_a_long_run_is_out_within_a_minute() {
    let world = synced(crowd(40)).await;
    world.edit(|dir| {
        for id in 0..300 {
            dir.add_user(&format!("new{id:03}"));
            dir.join("all", &format!("new{id:03}"));
        }
    });
    world.app.forget_calls();
    world.app.behave(|app| app.each_call_takes = std::time::Duration::from_secs(3));
    let leaving = async {
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
        world.edit(|dir| {
            dir.stand("u00", LifecycleStatus::Suspended);
            dir.delete_user("u01");
            dir.part("all", "u02");
            // Waits for an account.
            dir.stand("new299", LifecycleStatus::Suspended);
        });
        tokio::time::sleep(std::time::Duration::from_secs(61)).await;
        world.app.active()
    };
    let typed = command();
    let (report, active) = tokio::join!(world.ask(&typed, true), leaving);
    let report = report.unwrap();
    for leaver in ["u00", "u01", "u02"] {
        assert!(!active.contains(&format!("{leaver}@x.test")), "{leaver} within a minute: {active:?}");
    }
    assert!(active.len() < 200, "while accounts were still being made: {}", active.len());
    assert_eq!(world.app.account("new299@x.test"), None, "no account for somebody who has left");
    let tally = report.tally();
    assert_eq!(tally.planned, tally.done + tally.held + tally.failed, "i11");
    let off = report.operations().iter().filter(|operation| operation.op() == crate::model::Op::DeactivateUser);
    assert_eq!(off.count(), 3, "listed in the run's report");
    world.app.behave(|app| app.each_call_takes = std::time::Duration::ZERO);
    world.sync().await;
    world.sync().await;
    world.assert_quiet().await;
}
