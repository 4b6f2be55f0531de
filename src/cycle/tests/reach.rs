//! One object that the app answers badly for ever, and kinds of change that it refuses altogether: who is reached all the same.

use super::*;
use crate::scim::FailureClass;

/// Everybody's causes to lose access, beside what the app fails at.
fn with_leavers(world: &World) {
    world.edit(|dir| {
        dir.stand("u00", LifecycleStatus::Suspended);
        dir.delete_user("u01");
        dir.part("all", "u02");
        dir.part("night", "u03");
    });
}

fn assert_left(world: &World) {
    let active = world.app.active();
    for leaver in ["u00@x.test", "u01@x.test", "u02@x.test"] {
        assert!(!active.contains(&leaver.to_owned()), "{leaver} still has access: {active:?}");
    }
    assert!(!world.app.members("night").unwrap().contains(&"u03@x.test".to_owned()));
}

async fn thirty() -> World {
    let mut dir = crowd(30);
    dir.add_group("night", &["u03", "u04"]);
    let mut world = World::new(dir);
    world.reconfigure(|tenant| tenant.breaker_failures = 5);
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.assert_quiet().await;
    world
}

/// Each way in which a call about one object fails for ever.
fn ways() -> Vec<Fault> {
    vec![
        Fault::server(500),
        Fault::server(503),
        Fault::lost(),
        Fault::refused(FailureClass::NotScim, 200),
        Fault::refused(FailureClass::Unreachable, 0),
        Fault::refused(FailureClass::Forbidden, 403),
    ]
}

#[tokio::test(start_paused = true)]
async fn ma5_one_user_who_fails_in_many_groups_stops_no_other() {
    for fault in ways() {
        let mut world = thirty().await;
        // The breaker is narrower than the number of groups.
        world.reconfigure(|tenant| tenant.breaker_failures = 4);
        world.app.fail_carrying("add_members", "u09@x.test", 99_999, fault.clone());
        world.edit(|dir| {
            for group in 0..8 {
                dir.add_group(&format!("g{group}"), &["u08"]);
            }
        });
        assert_eq!(world.sync().await.status(), Status::Ok, "{fault:?}");
        world.edit(|dir| {
            for group in 0..8 {
                dir.join(&format!("g{group}"), "u09");
                dir.join(&format!("g{group}"), "u10");
                dir.join(&format!("g{group}"), "u11");
            }
        });
        with_leavers(&world);
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Partial, "{fault:?} {:?}", failures(&report));
        assert_left(&world);
        if matches!(fault.class(), FailureClass::Server) {
            for group in 0..8 {
                let members = world.app.members(&format!("g{group}")).unwrap();
                assert_eq!(members, ["u08@x.test", "u10@x.test", "u11@x.test"], "{fault:?}");
            }
        }
        world.app.heal();
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!(world.app.members("g7").unwrap().len(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn ma5_one_user_whose_update_fails_stops_no_other() {
    for fault in ways() {
        let world = thirty().await;
        world.reconfigure_limits(|limits| limits.value_changes = crate::config::forms::Limit::NONE);
        world.app.fail("update_user", "u09", 99_999, fault.clone());
        world.edit(|dir| {
            for user in 5..20 {
                dir.set(&format!("u{user:02}"), "displayName", "New");
            }
        });
        with_leavers(&world);
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Partial, "{fault:?}");
        assert_eq!(failures(&report).len(), 1, "{fault:?} {:?}", failures(&report));
        assert_eq!(world.app.value("u19@x.test", "displayName").as_deref(), Some("New"));
        assert_left(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn ma5_additions_that_are_all_refused_end_early_and_removals_are_tried() {
    for fault in ways() {
        let world = thirty().await;
        for call in ["create_user", "update_user", "create_group", "add_members"] {
            world.app.fail(call, "", 99_999, fault.clone());
        }
        world.edit(|dir| {
            for id in 0..70 {
                dir.add_user(&format!("new{id}"));
                dir.join("all", &format!("new{id}"));
            }
        });
        with_leavers(&world);
        world.app.forget_calls();
        world.sync().await;
        assert_left(&world);
        let calls = world.app.calls().len();
        assert!(calls <= 90, "{fault:?}: {calls} calls for 70 users");
    }
}

#[tokio::test(start_paused = true)]
async fn ma5_a_refusal_of_every_write_is_told_after_few_calls() {
    let world = World::new(crowd(70));
    for call in ["create_user", "create_group", "add_members", "update_user"] {
        world.app.fail(call, "", 99_999, Fault::refused(FailureClass::Forbidden, 403));
    }
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Failed);
    // Twenty, and those that were begun before.
    assert!(world.app.writes().len() <= 40, "{}", world.app.writes().len());
    let stop = report.stop.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(stop.contains("the app failed at every call (create") && stop.contains("Forbidden"), "{stop}");
    world.app.heal();
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn ma5_leavers_whom_the_app_refuses_do_not_use_up_the_turns_of_others() {
    let world = thirty().await;
    // Six that come first fail for ever; the breaker is five.
    for user in 5..11 {
        world.app.fail("deactivate", &format!("u{user:02}"), 99_999, Fault::server(500));
    }
    world.reconfigure_limits(|limits| limits.removals_per_day = crate::config::forms::Limit::NONE);
    world.edit(|dir| {
        for user in 5..16 {
            dir.stand(&format!("u{user:02}"), LifecycleStatus::Suspended);
        }
    });
    world.sync().await;
    world.sync().await;
    let active = world.app.active();
    for user in 11..16 {
        assert!(!active.contains(&format!("u{user:02}@x.test")), "{active:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ma12_a_name_that_a_group_can_not_get_is_held_ignored_or_had_by_another_group() {
    use crate::config::profile::GroupRename;
    for rename in [GroupRename::Hold, GroupRename::Ignore, GroupRename::Recreate] {
        let mut dir = crowd(12);
        dir.add_group("eng", &["u01"]);
        let world = synced_as(dir, |tenant| tenant.profile.groups.rename = rename).await;
        world.edit(|dir| dir.group("eng").name = "Engineering".into());
        let report = world.sync().await;
        match rename {
            GroupRename::Hold => {
                assert_eq!((report.status(), held(&report).len()), (Status::Held, 1));
                assert_eq!(world.sync().await.status(), Status::Held, "until it is decided on");
            }
            GroupRename::Ignore => {
                assert_eq!(report.status(), Status::Ok);
                world.assert_quiet().await;
                assert_eq!(world.app.members("eng").unwrap().len(), 1);
                world.edit(|dir| dir.join("eng", "u02"));
                assert_eq!(world.sync().await.status(), Status::Ok);
                assert_eq!(world.app.members("eng").unwrap().len(), 2, "its members are kept in sync");
                world.assert_quiet().await;
            }
            GroupRename::Recreate | GroupRename::Change => {
                assert_eq!(report.status(), Status::Ok, "{report:?}");
                assert_eq!(world.sync().await.status(), Status::Ok);
                assert_eq!(world.app.members("eng"), None);
                assert_eq!(world.app.members("Engineering").unwrap(), ["u01@x.test"]);
                world.assert_quiet().await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ma12_a_group_that_is_made_again_counts_as_a_removal() {
    use crate::config::profile::GroupRename;
    let world = synced_as(crowd(12), |tenant| tenant.profile.groups.rename = GroupRename::Recreate).await;
    world.edit(|dir| dir.group("all").name = "Everybody".into());
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Held, "twelve members lose their only group: {report:?}");
    assert_eq!(world.app.members("all").unwrap().len(), 12);
}
