//! J6 with `on_immutable_change = "recreate"`: a new account for what the app can't change, and the end of the old one.

use super::*;
use crate::config::tenant::OnImmutableChange;
use crate::scim::FailureClass;
use crate::sim::Tenant;

fn company() -> Directory {
    let mut dir = crowd(12);
    for id in ["ann", "bo"] {
        dir.add_user(id);
        dir.join("all", id);
    }
    dir.add_group("team", &["ann", "u00"]);
    dir
}

fn recreates(tenant: &mut Tenant) {
    tenant.profile.attributes.fix(&["userName"]);
    tenant.on_immutable_change = OnImmutableChange::Recreate;
}

fn marry(dir: &mut Directory) {
    dir.set("ann", "userName", "annie@x.test");
    dir.set("ann", "displayName", "Annie");
}

fn ops(report: &CycleReport) -> Vec<String> {
    report.operations().iter().map(|op| format!("{} {}", op.op().name(), op.name)).collect()
}

/// `annie@x.test` has what `ann@x.test` had, and that one is off and in no group.
fn assert_replaced(world: &World, context: &str) {
    let active = world.app.active();
    assert!(active.contains(&"annie@x.test".to_owned()), "{context}: {active:?}");
    assert!(!active.contains(&"ann@x.test".to_owned()), "{context}: {active:?}");
    assert!(world.app.account("ann@x.test").is_some(), "{context}: the old one stays, switched off");
    assert_eq!(world.app.members("team").unwrap(), ["annie@x.test", "u00@x.test"], "{context}");
    let all = world.app.members("all").unwrap();
    assert_eq!(all.len(), 14, "{context}: {all:?}");
    assert!(!all.contains(&"ann@x.test".to_owned()), "{context}: {all:?}");
    assert_eq!(world.app.active().len(), 14, "{context}");
    assert_eq!(world.linked_count(), 14, "{context}: the old account is no longer known");
}

#[tokio::test(start_paused = true)]
async fn j6_recreate_makes_a_new_account_and_then_ends_the_old_one() {
    let world = synced_as(company(), recreates).await;
    world.edit(marry);
    let preview = world.plan().await;
    assert_eq!(
        ops(&preview),
        [
            "replace_user annie@x.test",
            "create_user annie@x.test",
            "add_members all",
            "add_members team",
            "remove_members all",
            "remove_members team",
            "deactivate_user ann@x.test",
        ]
    );
    assert_eq!(world.app.writes(), [""; 0], "a preview sends nothing");
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!(report.operations(), preview.operations(), "I10");
    assert_eq!(world.app.writes().last().map(String::as_str), Some("deactivate ann@x.test"));
    assert_replaced(&world, "after the run");
    assert_eq!(world.spent_budget().len(), 1, "one removal, not two");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j6_an_account_can_be_replaced_again_and_again() {
    let world = synced_as(company(), recreates).await;
    for name in ["ann2@x.test", "ann3@x.test", "annie@x.test"] {
        world.edit(|dir| dir.set("ann", "userName", name));
        assert_eq!(world.sync().await.status(), Status::Ok, "{name}");
        world.assert_quiet().await;
    }
    assert_replaced(&world, "after the third");
    assert_eq!(world.app.holdings().users.len(), 17);
}

#[tokio::test(start_paused = true)]
async fn p1_j6_killed_at_every_call_of_a_replacement_it_still_ends_well() {
    for n in 0.. {
        let mut ended = true;
        for fault in [Fault::crash(), Fault::crash().but_done()] {
            let world = synced_as(company(), recreates).await;
            world.app.behave(|app| app.unique = false);
            world.edit(marry);
            world.app.fail_nth_write(n, fault.clone());
            let ask = command();
            let run = world.ask(&ask, true);
            ended &= tokio::time::timeout(std::time::Duration::from_secs(3600), run).await.is_ok();
            world.app.heal();
            world.sync().await;
            world.sync().await;
            assert_replaced(&world, &format!("killed at write {n}, {fault:?}"));
            assert_eq!(world.spent_budget().len(), 1, "killed at write {n}, {fault:?}");
            world.assert_quiet().await;
        }
        if ended {
            assert!(n >= 7, "every call was tried: {n}");
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn i3_j6_under_transient_faults_a_replacement_makes_one_account() {
    for seed in 0..100 {
        let world = synced_as(company(), recreates).await;
        world.app.behave(|app| app.unique = seed % 2 == 0);
        world.edit(marry);
        world.app.noise(seed, 35);
        world.sync().await;
        world.app.heal();
        for _ in 0..3 {
            world.clock.pass(jiff::SignedDuration::from_hours(24));
            world.sync().await;
        }
        assert_replaced(&world, &format!("seed {seed}"));
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn i2_while_the_new_account_can_not_be_made_the_old_one_stays_as_it_is() {
    let world = synced_as(company(), recreates).await;
    world.edit(marry);
    world.app.fail("create_user", "annie", 1, Fault::refused(FailureClass::Forbidden, 403));
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial);
    assert!(world.app.active().contains(&"ann@x.test".to_owned()));
    assert_eq!(world.app.members("team").unwrap(), ["ann@x.test", "u00@x.test"]);
    world.sync().await;
    assert_replaced(&world, "the next run");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn i2_where_the_account_can_not_be_put_aside_no_second_one_is_made() {
    let world = synced_as(company(), recreates).await;
    world.edit(marry);
    world.app.fail("update_user", "ann", 9, Fault::refused(FailureClass::Immutable, 400));
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial, "{report:?}");
    assert_eq!(world.app.writes(), ["update_user ann@x.test"]);
    assert!(world.app.account("annie@x.test").is_none());
    assert_eq!(world.app.active().len(), 14);
}

/// The first attempt left the old account aside and made no new one.
async fn half_done() -> World {
    let world = synced_as(company(), recreates).await;
    world.edit(marry);
    world.app.fail("create_user", "annie", 1, Fault::refused(FailureClass::Forbidden, 403));
    world.sync().await;
    world
}

#[tokio::test(start_paused = true)]
async fn i2_a_leaver_between_two_accounts_loses_the_old_one_all_the_same() {
    type Leave = fn(&mut Directory);
    let leave: [(&str, Leave); 3] = [
        ("suspended", |dir| dir.stand("ann", LifecycleStatus::Suspended)),
        ("gone", |dir| dir.delete_user("ann")),
        ("unassigned", |dir| {
            dir.part("all", "ann");
            dir.part("team", "ann");
        }),
    ];
    for (how, leave) in leave {
        let world = half_done().await;
        world.edit(leave);
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Ok, "{how}: {report:?}");
        assert!(!world.app.active().contains(&"ann@x.test".to_owned()), "{how}: {report:?}");
        assert!(world.app.account("annie@x.test").is_none(), "{how}");
        world.sync().await;
        world.assert_quiet().await;
    }
    let world = half_done().await;
    world.edit(|dir| {
        dir.hidden.insert("ann".into());
    });
    world.sync().await;
    assert!(world.app.active().contains(&"ann@x.test".to_owned()), "hidden is not gone");
    world.edit(|dir| dir.hidden.clear());
    world.sync().await;
    world.sync().await;
    assert_replaced(&world, "seen again");
}

#[tokio::test(start_paused = true)]
async fn i2_replacements_count_against_the_budget_and_are_held_whole() {
    let world = synced_as(company(), recreates).await;
    world.edit(|dir| {
        for id in ["u01", "u02", "u03", "u04"] {
            dir.set(id, "userName", format!("{id}@new.test").as_str());
        }
    });
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Held, "{report:?}");
    assert_eq!(holds(&report), ["identifier_changes"], "four of 14 names at once");
    world.reconfigure_limits(|limits| limits.identifier_changes = crate::config::forms::Limit::NONE);
    assert_eq!(holds(&world.sync().await), ["removals_per_day"]);
    assert_eq!(world.app.writes(), [""; 0], "no second account for anybody");
    world.approve();
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.active().iter().filter(|name| name.ends_with("@new.test")).count(), 4);
    assert_eq!(world.app.active().len(), 14);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j6_what_can_not_be_replaced_is_held_with_the_reason() {
    let held_for = async |change: fn(&mut Tenant), edit: fn(&mut Directory), before: fn(&World)| {
        let world = synced_as(company(), |tenant| {
            recreates(tenant);
            change(tenant);
        })
        .await;
        before(&world);
        world.edit(edit);
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Held, "{report:?}");
        assert_eq!(world.app.active().len(), world.app.holdings().users.len(), "nobody is switched off");
        report.holds.iter().map(|hold| hold.detail()).collect::<String>()
    };
    let same_name = held_for(
        |tenant| tenant.profile.attributes.fix(&["displayName"]),
        |dir| dir.set("ann", "displayName", "Annie"),
        |_| {},
    );
    assert!(same_name.await.contains("another user name"));
    let fixed = held_for(|tenant| tenant.profile.attributes.fix(&["externalId"]), marry, |_| {});
    assert!(fixed.await.contains("externalId can't be changed either"));
    let taken = held_for(|_| {}, marry, |world| drop(world.app.has_user("annie@x.test", true)));
    assert!(taken.await.contains("has an account with the new userName already"));
}

#[tokio::test(start_paused = true)]
async fn j6_a_lost_state_finds_the_new_account_and_leaves_the_old_one_off() {
    let mut world = synced_as(company(), recreates).await;
    world.edit(marry);
    world.sync().await;
    world.lose_state();
    world.sync().await;
    world.sync().await;
    assert_replaced(&world, "after the loss");
    world.assert_quiet().await;
}
