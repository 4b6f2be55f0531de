//! MB6 and MP11: values that a user is to get and that another account has: a deactivated one sets its name free, a user who is there keeps it.

use super::*;
use crate::config::tenant::DeprovisioningAction;

/// `u1` and `u2`, in an app that refuses a second account of one name.
fn two() -> Directory {
    Directory::of(&["u1", "u2", "u3"]).with_group("all", &["u1", "u2", "u3"])
}

#[tokio::test(start_paused = true)]
async fn mb6_a_suspended_users_old_name_goes_to_the_user_who_needs_it() {
    // In one edit, or long after the account was deactivated; by a rename, or by a new user.
    for (earlier, newcomer) in [(false, false), (true, false), (false, true), (true, true)] {
        let world = synced(two()).await;
        if earlier {
            world.edit(|dir| dir.stand("u1", LifecycleStatus::Suspended));
            assert_eq!(world.sync().await.status(), Status::Ok);
        }
        let (old, _) = world.app.account("u1@x.test").unwrap();
        world.edit(|dir| {
            dir.stand("u1", LifecycleStatus::Suspended);
            dir.set("u1", "userName", "u1.old@x.test");
            if newcomer {
                dir.add_user("u4");
                dir.join("all", "u4");
            }
            dir.set(if newcomer { "u4" } else { "u2" }, "userName", "u1@x.test");
        });
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Ok, "{earlier} {newcomer}: {report:?}");
        let holdings = world.app.holdings();
        assert!(!holdings.users[&old].active);
        assert_eq!(world.app.account("u1.old@x.test").unwrap().0, old, "{earlier} {newcomer}");
        assert!(world.app.active().contains(&"u1@x.test".to_owned()), "{earlier} {newcomer}");
        world.sync().await;
        world.assert_quiet().await;
        // The user comes back under the new name.
        world.edit(|dir| dir.stand("u1", LifecycleStatus::Active));
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert!(world.app.holdings().users[&old].active);
    }
}

#[tokio::test(start_paused = true)]
async fn mb6_the_name_of_a_user_who_is_gone_or_unassigned_is_given_up() {
    type Leave = fn(&mut Directory);
    let leaves: [(&str, Leave); 2] = [
        ("gone", |dir| dir.delete_user("u1")),
        ("unassigned and renamed", |dir| {
            dir.part("all", "u1");
            dir.set("u1", "userName", "u1.old@x.test");
        }),
    ];
    for (how, leave) in leaves {
        for earlier in [false, true] {
            let world = synced(two()).await;
            let (old, _) = world.app.account("u1@x.test").unwrap();
            world.edit(leave);
            if earlier {
                world.sync().await;
                world.sync().await;
            }
            world.edit(|dir| dir.set("u2", "userName", "u1@x.test"));
            world.sync().await;
            let report = world.sync().await;
            assert_eq!(report.status(), Status::Ok, "{how}, {earlier}: {report:?}");
            assert!(!world.app.holdings().users[&old].active, "{how}");
            let (id, account) = world.app.account("u1@x.test").unwrap();
            assert!(id != old && account.active, "{how}, {earlier}");
            world.assert_quiet().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn mb6_an_account_that_is_deleted_sets_its_name_free_by_that() {
    let world = synced_as(two(), |tenant| tenant.on_suspended = DeprovisioningAction::Delete).await;
    world.edit(|dir| {
        dir.stand("u1", LifecycleStatus::Suspended);
        dir.set("u1", "userName", "u1.old@x.test");
        dir.set("u2", "userName", "u1@x.test");
    });
    world.sync().await;
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.active(), ["u1@x.test", "u3@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn mp11_two_users_of_one_name_keep_what_they_have_and_are_named() {
    for (name, strict) in [("u1@x.test", true), ("u1@x.test", false), ("U1@X.test", true)] {
        let world = synced(two()).await;
        world.app.behave(|app| app.unique = strict);
        let before = world.app.holdings();
        world.edit(|dir| {
            dir.set("u2", "userName", name);
            dir.set("u2", "displayName", "Two");
        });
        for at in 0..3 {
            let report = if at < 2 { world.sync().await } else { world.scheduled().await };
            assert_eq!(world.app.writes(), [""; 0], "{name}: neither is touched");
            if at < 2 {
                assert_eq!(report.status(), Status::Partial, "{name}");
                let named: Vec<String> = failures(&report).into_iter().map(|(_, why)| why).collect();
                assert_eq!(named.len(), 2, "{name}: both are named: {named:?}");
                assert!(named.iter().any(|why| why.contains("u1")) && named.iter().any(|why| why.contains("u2")));
            }
        }
        assert_eq!(world.app.holdings(), before);
        assert_eq!(world.set_aside(), ["user u1", "user u2"]);
        world.edit(|dir| dir.set("u2", "userName", "u2@x.test"));
        world.clock.pass(jiff::SignedDuration::from_hours(24));
        world.sync().await;
        assert_eq!(world.set_aside(), [""; 0]);
        assert_eq!(world.app.value("u2@x.test", "displayName").as_deref(), Some("Two"));
        world.sync().await;
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn mp11_an_address_that_users_are_matched_by_is_nobody_elses() {
    let mut dir = two();
    for id in ["u1", "u2", "u3"] {
        dir.set(id, "mail", format!("{id}@mail.test").as_str());
    }
    for (matched, refused) in [(true, true), (false, false)] {
        let world = synced_as(dir.clone(), |tenant| {
            tenant.map(&[("userName", "userName"), ("displayName", "displayName"), ("emails.work", "mail")]);
            if matched {
                tenant.profile.read.user_match = vec!["externalId".into(), "emails.work".into()];
            }
        })
        .await;
        world.edit(|dir| dir.set("u2", "mail", "U1@mail.test"));
        let report = world.sync().await;
        assert_eq!(failures(&report).len() == 2, refused, "{report:?}");
        assert_eq!(world.app.writes().is_empty(), refused);
    }
}

#[tokio::test(start_paused = true)]
async fn mp11_two_users_who_are_both_renamed_to_one_name_are_left_as_they_are() {
    let world = synced(two()).await;
    world.edit(|dir| {
        dir.set("u1", "userName", "boss@x.test");
        dir.set("u2", "userName", "Boss@x.test");
    });
    let report = world.sync().await;
    assert_eq!(world.app.writes(), [""; 0]);
    assert_eq!(failures(&report).len(), 2, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn mp11_a_swap_of_names_is_no_clash() {
    let world = synced(two()).await;
    world.edit(|dir| {
        dir.set("u1", "userName", "u2@x.test");
        dir.set("u2", "userName", "u1@x.test");
    });
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.assert_quiet().await;
}
/// MB3: groups that are empty in the directory.
#[tokio::test(start_paused = true)]
async fn mb3_an_empty_group_that_comes_into_scope_takes_the_apps_group_over_and_empties_it() {
    let world = synced(two()).await;
    let id = |name: &str| world.app.account(name).unwrap().0;
    world.app.has_group("Admins", &[&id("u1@x.test"), &id("u2@x.test")]);
    let stranger = world.app.has_user("local@x.test", true);
    world.app.by_hand(|app| {
        let admins = app.groups.values_mut().find(|group| group.name == "Admins").unwrap();
        admins.members.insert(stranger.clone());
    });
    world.edit(|dir| {
        dir.add_group("admins", &[]);
        dir.group("admins").name = "Admins".into();
    });
    world.sync().await;
    world.approve_if_held();
    world.sync().await;
    world.approve_if_held();
    world.sync().await;
    assert_eq!(world.app.members("Admins").unwrap(), ["local@x.test"], "emptied of managed users alone");
    world.sync().await;
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mb3_a_released_group_that_is_empty_when_it_is_assigned_again_is_emptied() {
    let world = synced(two().with_group("admins", &["u1", "u2"])).await;
    world.edit(|dir| dir.group("admins").assigned = false);
    world.sync().await;
    world.edit(|dir| {
        dir.group("admins").assigned = true;
        dir.group("admins").members.clear();
    });
    for _ in 0..3 {
        world.sync().await;
        world.approve_if_held();
    }
    assert_eq!(world.app.members("admins").unwrap(), [""; 0]);
    world.sync().await;
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mb3_an_empty_group_is_looked_up_once_and_made_when_it_has_a_member() {
    let world = synced(two().with_group("later", &[])).await;
    assert_eq!(world.app.members("later"), None);
    world.edit(|dir| dir.set("u1", "displayName", "One"));
    world.sync().await;
    assert!(
        !world.app.calls().iter().any(|call| call.name == "look_up_groups"),
        "looked up once: {:?}",
        world.app.calls()
    );
    world.assert_quiet().await;
    world.edit(|dir| dir.join("later", "u3"));
    world.sync().await;
    assert_eq!(world.app.members("later").unwrap(), ["u3@x.test"]);
    world.assert_quiet().await;
}
