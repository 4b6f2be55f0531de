//! Guards against mass change: activations, changed values, changed identifiers; and what a restored backup, an undo and a wrong clock do to
//! the rolling limits.

use super::*;
use crate::config::forms::Limit;
use crate::model::HoldReason;
use jiff::SignedDuration;

fn stand(world: &World, range: std::ops::Range<usize>, standing: Standing) {
    world.edit(|dir| range.for_each(|at| dir.stand(&format!("u{at:02}"), standing)));
}

/// Forty users of whom twelve were suspended eight days ago, by a run that was approved.
async fn with_long_suspended() -> World {
    let world = synced(crowd(40)).await;
    stand(&world, 0..12, Standing::Suspended);
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
    stand(&world, 0..12, Standing::Active);
    world.edit(|dir| dir.set("u20", "displayName", "new"));
    let report = world.sync().await;
    assert_eq!(holds(&report), ["activations_per_day"]);
    assert_eq!(world.app.writes(), ["update_user u20@x.test"], "the tenant goes on");
    let access = report.access().unwrap();
    assert_eq!((access.now, access.after, access.after_approval, access.held_users), (28, 28, 40, 12));
    let Some(HoldReason::ActivationsPerDay { now: 12, activated: 0, managed: 28, limit, who }) = report.holds.first()
    else {
        panic!("{:?}", report.holds)
    };
    assert_eq!((limit.as_str(), who.count()), ("10%, at least 3", 12));
    stand(&world, 0..12, Standing::Suspended);
    assert_eq!(world.sync().await.status(), Status::Ok, "the directory shows it again");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mp3_an_approval_lets_the_activations_pass() {
    let world = with_long_suspended().await;
    stand(&world, 0..12, Standing::Active);
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
            stand(&world, at..at + 1, Standing::Active);
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
    stand(&world, 0..12, Standing::Suspended);
    world.sync().await;
    world.approve_if_held();
    world.sync().await;
    world.clock.pass(SignedDuration::from_hours(6 * 24));
    stand(&world, 0..12, Standing::Active);
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
        tenant.profile.users.immutable = vec!["userName".to_owned()];
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
    stand(&world, 0..4, Standing::Suspended);
    world.sync().await;
    stand(&world, 0..4, Standing::Active);
    world.sync().await;
    assert_eq!(world.app.active().len(), 46);
    stand(&world, 10..11, Standing::Suspended);
    let report = world.sync().await;
    assert_eq!(holds(&report), ["removals_per_day"], "the fifth of 46");
    assert_eq!(world.app.active().len(), 46);
}
