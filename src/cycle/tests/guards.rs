//! Guards against mass change: activations, changed values, changed identifiers; and what a restored backup, an undo and a wrong clock do to
//! the rolling limits.

use super::*;
use crate::config::forms::Limit;
use crate::config::profile::InactiveEffect;
use crate::model::HoldReason;
use crate::store::Baseline as _;
use jiff::SignedDuration;

fn stand(world: &World, range: std::ops::Range<usize>, standing: LifecycleStatus) {
    world.edit(|dir| range.for_each(|at| dir.stand(&format!("u{at:02}"), standing)));
}

/// Forty users of whom twelve were suspended eight days ago, by a run that was approved.
async fn with_long_suspended() -> World {
    let world = synced(crowd(40)).await;
    stand(&world, 0..12, LifecycleStatus::Suspended);
    world.sync().await;
    world.approve_if_held();
    world.sync().await;
    assert_eq!(world.app.active().len(), 28);
    world.clock.pass(SignedDuration::from_hours(8 * 24));
    world.assert_quiet().await;
    world
}

#[tokio::test(start_paused = true)]
async fn mp3_a_sign_of_suspension_that_vanishes_activates_no_account() {
    let world = with_long_suspended().await;
    stand(&world, 0..12, LifecycleStatus::Active);
    world.edit(|dir| dir.set("u20", "displayName", "new"));
    let report = world.sync().await;
    assert_eq!(holds(&report), ["activations_per_day"]);
    assert_eq!(world.app.writes(), ["update_user u20@x.test"], "the tenant continues");
    let access = report.access().unwrap();
    assert_eq!((access.now, access.after, access.after_approval, access.held_users), (28, 28, 40, 12));
    let Some(HoldReason::ActivationsPerDay { now: 12, activated: 0, managed: 28, limit, who }) = report.holds.first()
    else {
        panic!("{:?}", report.holds)
    };
    assert_eq!((limit.as_str(), who.count()), ("10%, at least 3", 12));
    stand(&world, 0..12, LifecycleStatus::Suspended);
    assert_eq!(world.sync().await.status(), Status::Ok, "the directory shows it again");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mp3_an_approval_lets_the_activations_pass() {
    let world = with_long_suspended().await;
    stand(&world, 0..12, LifecycleStatus::Active);
    world.sync().await;
    world.approve();
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.active().len(), 40);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mp3_activations_drip_no_faster_than_the_limit_and_kills_do_not_refill_it() {
    for lost in [false, true] {
        let world = with_long_suspended().await;
        for at in 0..6 {
            stand(&world, at..at + 1, LifecycleStatus::Active);
            if lost {
                // The app does it, and the answer never comes.
                world.app.fail("activate", &format!("u{at:02}"), 9, Fault::lost().but_done());
            }
            world.sync().await;
        }
        assert_eq!(world.app.active().len(), 31, "three of 28 in a day; without an answer: {lost}");
        world.clock.pass(SignedDuration::from_hours(25));
        world.app.heal();
        world.sync().await;
        assert_eq!(world.app.active().len(), 34, "the next day the others; without an answer: {lost}");
    }
}

#[tokio::test(start_paused = true)]
async fn mp3_what_a_run_took_lately_is_given_back_without_a_limit() {
    let world = synced(crowd(40)).await;
    stand(&world, 0..12, LifecycleStatus::Suspended);
    world.sync().await;
    world.approve_if_held();
    world.sync().await;
    world.clock.pass(SignedDuration::from_hours(6 * 24));
    stand(&world, 0..12, LifecycleStatus::Active);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.active().len(), 40);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mp3_accounts_that_the_app_has_off_are_not_all_switched_on_by_a_first_run() {
    let world = World::new(crowd(20));
    for at in 0..20 {
        world.app.has_user(&format!("u{at:02}@x.test"), at >= 8);
    }
    let report = world.sync().await;
    assert_eq!(holds(&report), ["activations_per_day"]);
    assert_eq!(world.app.active().len(), 12, "eight were off when rosterd came");
}

fn change(world: &World, range: std::ops::Range<usize>, attribute: &str, to: impl Fn(usize) -> String) {
    world.edit(|dir| range.for_each(|at| dir.set(&format!("u{at:02}"), attribute, to(at))));
}

fn job(at: usize) -> String {
    format!("Clerk {at}")
}

#[tokio::test(start_paused = true)]
async fn mm1_swapped_columns_hold_everything_until_the_directory_is_right_again() {
    let world = synced(crowd(40)).await;
    let whole = world.source.copy();
    change(&world, 0..40, "displayName", job);
    world.edit(|dir| {
        dir.add_user("new");
        dir.join("all", "new");
    });
    for _ in 0..2 {
        let report = world.sync().await;
        assert_eq!(holds(&report), ["value_changes"]);
        assert_eq!(world.app.writes(), [""; 0]);
    }
    world.edit(|dir| *dir = whole);
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mm1_changes_within_the_limit_and_first_values_are_everyday() {
    let world = synced_as(crowd(40), |tenant| {
        tenant.map(&[("userName", "userName"), ("displayName", "displayName"), ("title", "title")]);
    })
    .await;
    change(&world, 0..12, "displayName", job);
    assert_eq!(world.sync().await.status(), Status::Ok, "30 % of 40");
    change(&world, 0..40, "title", job);
    assert_eq!(world.sync().await.status(), Status::Ok, "nothing is overwritten");
    change(&world, 0..40, "title", |at| format!("Chief {at}"));
    assert_eq!(holds(&world.sync().await), ["value_changes"], "now it is");
    world.approve();
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mm1_a_faulty_suffix_on_all_logins_is_held_and_one_marriage_is_not() {
    let world = synced(crowd(40)).await;
    change(&world, 0..3, "userName", |at| format!("m{at:02}@x.test"));
    assert_eq!(world.sync().await.status(), Status::Ok);
    change(&world, 0..40, "userName", |at| format!("u{at:02}@x.test.test"));
    let report = world.sync().await;
    assert_eq!(holds(&report), ["identifier_changes"]);
    assert_eq!(world.app.writes(), [""; 0]);
    let access = report.access().unwrap();
    assert_eq!((access.now, access.after, access.after_approval, access.held_users), (40, 40, 40, 40));
    change(&world, 0..4, "userName", |at| format!("m{at:02}@x.test"));
    change(&world, 4..40, "userName", |at| format!("u{at:02}@x.test"));
    world.sync().await;
    change(&world, 4..8, "userName", |at| format!("n{at:02}@x.test"));
    assert_eq!(holds(&world.sync().await), ["identifier_changes"], "four of forty");
}

#[tokio::test(start_paused = true)]
async fn mm1_each_limit_can_be_set_by_itself() {
    let world = synced(crowd(40)).await;
    world.reconfigure_limits(|limits| limits.identifier_changes = Limit::NONE);
    change(&world, 0..12, "userName", |at| format!("m{at:02}@x.test"));
    assert_eq!(world.sync().await.status(), Status::Ok);
    change(&world, 0..40, "userName", |at| format!("n{at:02}@x.test"));
    assert_eq!(holds(&world.sync().await), ["value_changes"], "a login is a value, too");
    world.reconfigure_limits(|limits| limits.value_changes = Limit::NONE);
    assert_eq!(world.sync().await.status(), Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn mm1_an_edit_of_the_tenant_file_is_judged_by_its_own_limit() {
    let mut world = synced(crowd(40)).await;
    world.reconfigure(|tenant| tenant.map(&[("userName", "userName"), ("displayName", "userName")]));
    assert_eq!(holds(&world.sync().await), ["settings_change"]);
    world.reconfigure_limits(|limits| limits.settings_change = Limit::NONE);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.value("u00@x.test", "displayName").as_deref(), Some("u00@x.test"));
}

#[tokio::test(start_paused = true)]
async fn mm1_accounts_that_would_be_replaced_count_as_changed_identifiers() {
    let world = synced_as(crowd(40), |tenant| {
        tenant.profile.attributes.fix(&["userName"]);
        tenant.on_immutable_change = crate::config::tenant::OnImmutableChange::Recreate;
    })
    .await;
    change(&world, 0..40, "userName", |at| format!("u{at:02}@x.test.test"));
    let report = world.sync().await;
    assert!(holds(&report).contains(&"identifier_changes"), "{:?}", report.holds);
    assert_eq!(world.app.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn mm1_adopted_accounts_may_differ_in_every_value() {
    let world = World::new(crowd(40));
    for at in 0..40 {
        world.app.has_user(&format!("u{at:02}@x.test"), true);
    }
    world.app.by_hand(|app| {
        let name = crate::model::Path::parse("displayName").unwrap();
        app.users.values_mut().for_each(|user| user.attributes.set(name.clone(), "old".into()));
    });
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.value("u07@x.test", "displayName").as_deref(), Some("u07"));
}

#[tokio::test(start_paused = true)]
async fn mb2_a_user_who_lost_access_and_has_it_again_is_one_user_of_the_base() {
    // 45 are managed: the limit is four. With four counted twice it would be 49 and still four; with five and more, it would grow.
    let world = synced(crowd(46)).await;
    stand(&world, 0..4, LifecycleStatus::Suspended);
    world.sync().await;
    stand(&world, 0..4, LifecycleStatus::Active);
    world.sync().await;
    assert_eq!(world.app.active().len(), 46);
    stand(&world, 10..11, LifecycleStatus::Suspended);
    let report = world.sync().await;
    assert_eq!(holds(&report), ["removals_per_day"], "the fifth of 46");
    assert_eq!(world.app.active().len(), 46);
}

/// Forty users and a group of two, with a record of the state's end: the moment of a backup.
async fn backed_up() -> (World, u64) {
    let world = synced(crowd(40).with_group("admins", &["u00", "u01"])).await;
    let end = world.store.records().len() as u64;
    (world, end)
}

fn restore(world: &mut World, upto: u64, losses_unknown: bool) {
    world.store = world.store.restored(upto, losses_unknown).unwrap();
}

#[tokio::test(start_paused = true)]
async fn mb1_a_membership_that_a_restored_state_does_not_know_ends_in_the_second_run() {
    let (mut world, end) = backed_up().await;
    world.edit(|dir| dir.join("admins", "u02"));
    world.sync().await;
    restore(&mut world, end, false);
    world.edit(|dir| dir.part("admins", "u02"));
    let report = world.sync().await;
    assert_eq!((holds(&report), world.app.members("admins").unwrap().len()), (vec!["adopt_only"], 3));
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.members("admins").unwrap(), ["u00@x.test", "u01@x.test"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mb1_what_changed_since_the_backup_and_changed_back_is_found_in_the_app() {
    let (mut world, end) = backed_up().await;
    world.edit(|dir| {
        dir.stand("u03", LifecycleStatus::Suspended);
        dir.set("u04", "displayName", "other");
        dir.group("admins").name = "root".into();
        dir.part("admins", "u00");
        dir.delete_user("u05");
    });
    world.sync().await;
    restore(&mut world, end, false);
    world.edit(|dir| {
        dir.stand("u03", LifecycleStatus::Active);
        dir.set("u04", "displayName", "u04");
        dir.group("admins").name = "admins".into();
        dir.join("admins", "u00");
    });
    world.sync().await;
    world.sync().await;
    assert_eq!(world.app.value("u04@x.test", "displayName").as_deref(), Some("u04"));
    assert_eq!(world.app.members("admins").unwrap(), ["u00@x.test", "u01@x.test"]);
    let active = world.app.active();
    assert!(active.contains(&"u03@x.test".to_owned()) && !active.contains(&"u05@x.test".to_owned()), "{active:?}");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mb1_a_suspended_user_whom_the_backup_knows_as_active_is_not_counted_as_managed() {
    let (mut world, end) = backed_up().await;
    stand(&world, 0..2, LifecycleStatus::Suspended);
    world.sync().await;
    restore(&mut world, end, false);
    world.sync().await;
    assert_eq!(world.store.counts().unwrap().active, 38, "what the app shows");
    assert!(world.sync().await.operations().is_empty());
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mb1_accounts_that_are_gone_from_the_app_are_made_again_and_a_silent_app_ends_no_link() {
    let (mut world, end) = backed_up().await;
    restore(&mut world, end, false);
    let (id, _) = world.app.account("u07@x.test").unwrap();
    world.app.by_hand(|app| drop(app.users.remove(&id)));
    world.sync().await;
    world.sync().await;
    assert!(world.app.account("u07@x.test").is_some());
    world.assert_quiet().await;
    restore(&mut world, end, false);
    let holdings = world.app.holdings();
    world.app.by_hand(|app| (app.users.clear(), app.groups.clear()).0);
    world.app.fail("create_user", "", 1000, Fault::refused(crate::scim::FailureClass::Forbidden, 403));
    let _failing = world.try_sync().await;
    assert_eq!(world.linked_count(), 40, "an app that shows no account at all is no proof");
    world.app.by_hand(|app| *app = holdings);
}

#[tokio::test(start_paused = true)]
async fn mb1_an_account_that_has_another_id_since_the_backup_is_the_same_users() {
    for hides in [false, true] {
        let (mut world, end) = backed_up().await;
        if hides {
            world.reconfigure(|tenant| tenant.profile.users.inactive_effect = InactiveEffect::HidesResource);
            world.app.behave(|app| app.inactive_effect = InactiveEffect::HidesResource);
        }
        restore(&mut world, end, false);
        let (id, _) = world.app.account("u00@x.test").unwrap();
        world.app.by_hand(|app| {
            let account = app.users.remove(&id).unwrap();
            app.users.insert("moved".to_owned(), account);
            for group in app.groups.values_mut().filter(|group| group.members.contains(&id)) {
                group.members.remove(&id);
                group.members.insert("moved".to_owned());
            }
        });
        stand(&world, 0..1, LifecycleStatus::Suspended);
        world.sync().await;
        world.sync().await;
        assert_eq!(world.app.holdings().users.len(), 40, "hides: {hides}: no second account");
        assert!(!world.app.active().contains(&"u00@x.test".to_owned()), "hides: {hides}: a leaver keeps no access");
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn mb1_the_comparison_is_bounded_and_is_made_once() {
    let (mut world, end) = backed_up().await;
    restore(&mut world, end, false);
    world.sync().await;
    let reads = world.app.calls().iter().filter(|call| call.name == "get_group").count();
    assert_eq!((reads, world.app.calls().len()), (2, 3), "one look-up, and one read of each group");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mb2_after_an_older_state_came_back_the_days_budget_counts_as_used_up() {
    let (mut world, end) = backed_up().await;
    stand(&world, 0..4, LifecycleStatus::Suspended);
    world.sync().await;
    assert_eq!(world.app.active().len(), 36);
    restore(&mut world, end, true);
    stand(&world, 4..6, LifecycleStatus::Suspended);
    world.sync().await;
    let report = world.sync().await;
    assert_eq!((holds(&report), world.app.active().len()), (vec!["removals_per_day"], 36));
    assert!(report.holds.iter().any(|hold| hold.detail().contains("the state was restored")), "{:?}", report.holds);
    world.clock.pass(SignedDuration::from_hours(25));
    assert_eq!(world.sync().await.status(), Status::Ok, "a day later it is known who lost access in a day");
    assert_eq!(world.app.active().len(), 34);
}

/// A tenant that deletes thirty days after the deactivation, with one user who was deactivated ten days ago.
async fn with_a_waiting_deletion() -> World {
    let world = synced_as(crowd(40), |tenant| {
        tenant.on_suspended = crate::config::tenant::DeprovisioningAction::Delete;
        tenant.delete_after = Some(SignedDuration::from_hours(30 * 24));
    })
    .await;
    stand(&world, 0..1, LifecycleStatus::Suspended);
    world.sync().await;
    world.clock.pass(SignedDuration::from_hours(10 * 24));
    world.sync().await;
    world
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(days * 24)
}

#[tokio::test(start_paused = true)]
async fn mp10_a_clock_that_is_set_ahead_deletes_no_account_and_refills_no_limit() {
    for says in [None, Some(SignedDuration::ZERO)] {
        let world = with_a_waiting_deletion().await;
        if let Some(off) = says {
            world.app.say_time(&world.clock, off);
        }
        stand(&world, 10..13, LifecycleStatus::Suspended);
        world.sync().await;
        world.clock.set_ahead(days(31));
        stand(&world, 20..22, LifecycleStatus::Suspended);
        for _ in 0..2 {
            let report = world.sync().await;
            assert!(holds(&report).contains(&"clock") && holds(&report).contains(&"removals_per_day"), "{report:?}");
            assert_eq!(world.app.writes(), [""; 0], "{says:?}");
        }
        world.clock.set_ahead(SignedDuration::ZERO);
        let report = world.sync().await;
        assert_eq!(holds(&report), ["removals_per_day"], "the day's removals are remembered: {says:?}");
        world.clock.pass(days(21));
        world.sync().await;
        assert!(world.app.account("u00@x.test").is_none(), "after thirty days that did pass: {says:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn mp10_deactivations_go_on_by_a_clock_in_doubt() {
    let world = with_a_waiting_deletion().await;
    world.clock.set_ahead(days(40));
    stand(&world, 5..6, LifecycleStatus::Suspended);
    let report = world.sync().await;
    assert_eq!((holds(&report), world.app.writes()), (vec!["clock"], vec!["deactivate u05@x.test".to_owned()]));
    world.approve();
    world.sync().await;
    assert!(world.app.account("u00@x.test").is_none(), "an operator looked at the clock");
}

#[tokio::test(start_paused = true)]
async fn mp10_a_clock_that_is_set_back_refills_nothing_either() {
    let world = with_a_waiting_deletion().await;
    stand(&world, 10..13, LifecycleStatus::Suspended);
    world.sync().await;
    world.clock.set_ahead(days(-400));
    stand(&world, 20..22, LifecycleStatus::Suspended);
    assert_eq!(holds(&world.sync().await), ["removals_per_day"]);
    assert_eq!(world.app.active().len(), 36);
}

#[tokio::test(start_paused = true)]
async fn mp10_after_a_restart_of_the_machine_the_apps_date_decides() {
    for (says, deleted) in [(None, false), (Some(days(0)), true), (Some(days(-31)), false), (Some(days(31)), false)] {
        let world = with_a_waiting_deletion().await;
        world.clock.pass(days(31));
        world.clock.reboot();
        if let Some(off) = says {
            world.app.say_time(&world.clock, off);
        }
        let report = world.sync().await;
        assert_eq!(world.app.account("u00@x.test").is_none(), deleted, "{says:?}: {report:?}");
        assert_eq!(holds(&report), if deleted { vec![] } else { vec!["clock"] }, "{says:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn mp10_a_quiet_run_makes_no_call_for_the_time() {
    let world = with_a_waiting_deletion().await;
    world.clock.reboot();
    world.clock.set_ahead(days(2));
    let report = world.sync().await;
    assert_eq!((world.app.calls().len(), report.operations().len()), (0, 0));
}
