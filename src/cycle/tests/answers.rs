//! Changes that the app accepts and does not carry out, and answers that show what was there before.

use super::*;
use crate::sandbox::Misbehave::{
    self, CutMembers, DeafMembers, IgnoresChanges, KeepsActive, KeepsDeleted, NoContent, StaleAnswers, StickyMembers,
};

fn like(world: &World, habits: &[Misbehave]) {
    world.app.behave(|app| app.habits = habits.iter().copied().collect());
}

fn reads(world: &World) -> usize {
    world.app.calls().iter().filter(|call| matches!(call.name, "get_user" | "get_group")).count()
}

/// SCIM paths, and the directory's attributes for them.
const MAPPED: [(&str, &str); 5] = [
    ("userName", "userName"),
    ("displayName", "displayName"),
    ("title", "title"),
    ("name.familyName", "familyName"),
    ("name.givenName", "givenName"),
];

async fn synced_with_attributes(directory: Directory) -> World {
    synced_as(directory, |tenant| tenant.map(&MAPPED)).await
}

/// The last part of a path is what the directory calls it.
fn attribute(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

#[tokio::test(start_paused = true)]
async fn ma1_a_removal_that_the_app_accepts_and_does_not_make_fails_until_it_is_made() {
    for habits in [&[StickyMembers][..], &[StickyMembers, NoContent], &[StickyMembers, CutMembers]] {
        let world = synced(crowd(4)).await;
        like(&world, habits);
        world.edit(|dir| dir.part("all", "u03"));
        for _ in 0..2 {
            let report = world.sync().await;
            assert_eq!(report.status(), Status::Partial, "{habits:?}: {report:?}");
            let failed = failures(&report);
            assert!(failed[0].1.contains("still shows u03@x.test as a member"), "{habits:?}: {failed:?}");
            assert_eq!(world.app.members("all").unwrap().len(), 4);
        }
        like(&world, &[]);
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!(world.app.members("all").unwrap().len(), 3);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn ma1_only_the_first_removal_without_an_answer_is_looked_at() {
    let mut dir = crowd(6);
    for group in ["g1", "g2", "g3"] {
        dir = dir.with_group(group, &["u00", "u01"]);
    }
    let world = synced(dir).await;
    like(&world, &[NoContent]);
    world.edit(|dir| ["g1", "g2", "g3"].iter().for_each(|group| dir.part(group, "u01")));
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(reads(&world), 1, "{:?}", world.app.in_words());
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn ma1_an_answer_that_shows_the_removal_costs_no_look_and_a_stale_one_costs_one() {
    for (habits, looks) in [(&[][..], 0), (&[StaleAnswers], 1)] {
        let world = synced(crowd(4).with_group("more", &["u03"])).await;
        like(&world, habits);
        world.edit(|dir| dir.part("all", "u03"));
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!(reads(&world), looks, "{habits:?}");
        assert_eq!(world.app.members("all").unwrap().len(), 3);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn ma1_an_addition_that_the_app_accepts_and_does_not_make_fails_until_it_is_made() {
    let world = synced(crowd(4)).await;
    like(&world, &[DeafMembers]);
    world.edit(|dir| {
        dir.add_user("new");
        dir.join("all", "new");
    });
    for _ in 0..2 {
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Partial, "{report:?}");
        assert!(failures(&report)[0].1.contains("does not show new@x.test as a member"), "{:?}", failures(&report));
    }
    like(&world, &[]);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.members("all").unwrap().len(), 5);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn ma1_a_list_that_is_cut_proves_only_what_it_shows() {
    let world = synced(crowd(14)).await;
    like(&world, &[CutMembers]);
    world.edit(|dir| {
        dir.add_user("zz");
        dir.join("all", "zz");
    });
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{:?}", failures(&report));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn ma1_a_deactivation_that_the_app_accepts_and_does_not_make_fails_until_it_is_made() {
    for habits in [&[KeepsActive][..], &[KeepsActive, NoContent]] {
        let world = synced(crowd(4)).await;
        like(&world, habits);
        world.edit(|dir| dir.stand("u03", LifecycleStatus::Suspended));
        for _ in 0..2 {
            let report = world.sync().await;
            assert_eq!(report.status(), Status::Partial, "{habits:?}: {report:?}");
            assert!(failures(&report)[0].1.contains("still shows the account as active"), "{:?}", failures(&report));
            assert_eq!(world.app.active().len(), 4);
        }
        like(&world, &[]);
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!(world.app.active().len(), 3);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn ma11_a_deletion_that_the_app_accepts_and_does_not_make_fails_until_it_is_made() {
    let world =
        synced_as(crowd(4), |tenant| tenant.on_deleted = crate::config::tenant::DeprovisioningAction::Delete).await;
    like(&world, &[KeepsDeleted]);
    world.edit(|dir| dir.delete_user("u03"));
    for _ in 0..2 {
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Partial, "{report:?}");
        assert!(failures(&report)[0].1.contains("still shows the account"), "{:?}", failures(&report));
        assert_eq!(world.linked_count(), 4);
    }
    like(&world, &[]);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.holdings().users.len(), 3);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn ma2_a_change_that_the_app_ignores_is_no_way_of_writing_it() {
    for path in ["userName", "displayName", "title", "name.familyName"] {
        let mut dir = crowd(2);
        dir.set("u01", attribute(path), "Old One");
        let world = synced_with_attributes(dir).await;
        like(&world, &[IgnoresChanges]);
        world.edit(|dir| dir.set("u01", attribute(path), "New Two"));
        for _ in 0..2 {
            let report = world.sync().await;
            assert_eq!(report.status(), Status::Partial, "{path}: {report:?}");
            let failed = failures(&report);
            assert!(failed[0].1.contains(&format!("still shows {path} = \"Old One\"")), "{failed:?}");
        }
        like(&world, &[]);
        assert_eq!(world.sync().await.status(), Status::Ok, "{path}");
        let name = if path == "userName" { "New Two" } else { "u01@x.test" };
        assert_eq!(world.app.value(name, path).as_deref(), Some("New Two"));
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn ma2_a_stale_answer_to_a_change_that_was_made_costs_one_look() {
    let mut dir = crowd(2);
    dir.set("u01", "title", "Old");
    let world = synced_with_attributes(dir).await;
    like(&world, &[StaleAnswers]);
    world.edit(|dir| dir.set("u01", "title", "New"));
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(reads(&world), 1);
    assert_eq!(world.app.value("u01@x.test", "title").as_deref(), Some("New"));
    world.assert_quiet().await;
    world.edit(|dir| dir.set("u01", "title", "Old"));
    world.sync().await;
    assert_eq!(world.app.value("u01@x.test", "title").as_deref(), Some("Old"), "the first value was no echo");
}

#[tokio::test(start_paused = true)]
async fn ma2_another_spelling_of_the_new_value_is_not_the_old_value() {
    let mut dir = crowd(2);
    dir.set("u01", "title", "lead engineer");
    let world = synced_with_attributes(dir).await;
    world.app.behave(|app| app.lower_cases = true);
    world.edit(|dir| dir.set("u01", "title", "Lead Engineer"));
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(reads(&world), 0);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn ma2_a_group_that_keeps_its_old_name_is_named() {
    let world = synced(crowd(2)).await;
    like(&world, &[IgnoresChanges]);
    world.edit(|dir| dir.group("all").name = "everyone".to_owned());
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial);
    assert!(failures(&report)[0].1.contains("still shows displayName = \"all\""), "{:?}", failures(&report));
    like(&world, &[]);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.members("everyone").unwrap().len(), 2);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mb5_a_value_that_an_unanswered_call_took_away_is_sent_again_when_it_comes_back() {
    for path in ["title", "displayName", "name.givenName"] {
        let mut dir = crowd(2);
        dir.set("u01", attribute(path), "Lead");
        let world = synced_with_attributes(dir).await;
        world.edit(|dir| dir.set("u01", attribute(path), serde_json::Value::Null));
        world.app.fail("update_user", "u01", 9, Fault::lost().but_done());
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Partial, "{path}: {report:?}");
        assert_eq!(world.app.value("u01@x.test", path), None, "the app did it");
        world.app.heal();
        world.edit(|dir| dir.set("u01", attribute(path), "Lead"));
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!(world.app.value("u01@x.test", path).as_deref(), Some("Lead"));
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn ma3_memberships_that_a_deactivation_ended_come_back_with_the_activation() {
    for (says_so, looks) in [(false, 1), (true, 0)] {
        let mut dir = crowd(4);
        for group in ["g1", "g2"] {
            dir = dir.with_group(group, &["u02", "u03"]);
        }
        let world = synced_as(dir, |tenant| tenant.profile.users.inactive_leave_groups = says_so).await;
        like(&world, &[Misbehave::InactiveLeaves]);
        world.edit(|dir| dir.stand("u03", LifecycleStatus::Suspended));
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!(world.app.members("g1").unwrap(), ["u02@x.test"]);
        world.edit(|dir| dir.stand("u03", LifecycleStatus::Active));
        assert_eq!(world.sync().await.status(), Status::Ok);
        for group in ["all", "g1", "g2"] {
            assert!(world.app.members(group).unwrap().contains(&"u03@x.test".to_owned()), "{group}");
        }
        assert_eq!(reads(&world), looks, "{:?}", world.app.in_words());
        assert_eq!(world.app.writes().iter().filter(|write| write.starts_with("add_members")).count(), 3);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn ma3_an_app_that_keeps_memberships_is_looked_at_once_and_sent_none() {
    let world = synced(crowd(4).with_group("g1", &["u02", "u03"])).await;
    world.edit(|dir| ["u02", "u03"].iter().for_each(|who| dir.stand(who, LifecycleStatus::Suspended)));
    world.sync().await;
    world.edit(|dir| ["u02", "u03"].iter().for_each(|who| dir.stand(who, LifecycleStatus::Active)));
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(reads(&world), 1, "{:?}", world.app.in_words());
    assert!(!world.app.writes().iter().any(|write| write.starts_with("add_members")));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn ma3_a_membership_that_could_not_be_sent_again_is_sent_by_the_next_run() {
    let world = synced(crowd(3)).await;
    like(&world, &[Misbehave::InactiveLeaves]);
    world.edit(|dir| dir.stand("u02", LifecycleStatus::Suspended));
    world.sync().await;
    world.edit(|dir| dir.stand("u02", LifecycleStatus::Active));
    world.app.fail("add_members", "all", 1, Fault::refused(crate::scim::FailureClass::Forbidden, 403));
    assert_eq!(world.sync().await.status(), Status::Partial);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.members("all").unwrap().len(), 3);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mb7_a_group_of_protected_users_alone_costs_nothing() {
    let mut world = synced(crowd(3)).await;
    world.reconfigure(|tenant| tenant.protect = vec!["u00"]);
    world.edit(|dir| dir.add_group("admins", &["u00"]));
    world.sync().await;
    world.assert_quiet().await;
    world.edit(|dir| dir.join("admins", "u01"));
    world.sync().await;
    assert_eq!(world.app.members("admins").unwrap(), ["u01@x.test"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn ma10_a_refused_attribute_does_not_take_the_others_with_it() {
    let mut dir = crowd(2);
    dir.set("u01", "title", "Old");
    let world = synced_with_attributes(dir).await;
    like(&world, &[Misbehave::RefusesTitle]);
    world.edit(|dir| {
        for (name, value) in [("title", "New"), ("displayName", "Una"), ("givenName", "U"), ("familyName", "One")] {
            dir.set("u01", name, value);
        }
    });
    let report = world.sync().await;
    let failed = failures(&report);
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].1.contains("refused: title"), "{failed:?}");
    let of = |path: &str| world.app.value("u01@x.test", path).unwrap();
    assert_eq!([of("displayName"), of("name.givenName"), of("title")], ["Una", "U", "Old"]);
    assert!(world.app.writes().len() <= 7, "{:?}", world.app.writes());
    like(&world, &[]);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.value("u01@x.test", "title").as_deref(), Some("New"));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn ma10_what_is_refused_for_everybody_is_not_tried_for_everybody() {
    let world = synced_with_attributes(crowd(30)).await;
    like(&world, &[Misbehave::RefusesTitle]);
    world.reconfigure_limits(|limits| limits.value_changes = crate::config::forms::Limit::NONE);
    world.edit(|dir| {
        for at in 0..30 {
            dir.set(&format!("u{at:02}"), "title", "New");
            dir.set(&format!("u{at:02}"), "displayName", format!("Number {at}"));
        }
    });
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial);
    let failed = failures(&report);
    let spared = failed.iter().filter(|(_, why)| why.contains("title not sent")).count();
    assert!(spared >= 10 && failed.len() == 30, "{failed:?}");
    assert_eq!(world.app.value("u29@x.test", "displayName").as_deref(), Some("Number 29"));
    assert!(world.app.writes().len() < 85, "{}", world.app.writes().len());
}

#[tokio::test(start_paused = true)]
async fn ma10_a_refused_attribute_does_not_cost_a_new_user_the_account() {
    let mut dir = crowd(8);
    for at in 0..8 {
        dir.set(&format!("u{at:02}"), "title", "Lead");
        dir.set(&format!("u{at:02}"), "givenName", format!("Number {at}"));
    }
    let mut world = World::new(dir);
    world.reconfigure(|tenant| tenant.map(&MAPPED));
    like(&world, &[Misbehave::NoTitle]);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial);
    let failed = failures(&report);
    assert!(failed.len() == 8 && failed.iter().all(|(_, why)| why.contains("title")), "{failed:?}");
    assert_eq!(world.app.members("all").unwrap().len(), 8, "everybody has an account and the group");
    assert_eq!(world.app.value("u07@x.test", "name.givenName").as_deref(), Some("Number 7"));
    like(&world, &[]);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{:?}", report.holds);
    assert_eq!(world.app.value("u07@x.test", "title").as_deref(), Some("Lead"));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn ma10_creates_that_the_app_refuses_whatever_they_hold_are_not_all_sent_twice() {
    let mut dir = crowd(12);
    for at in 0..12 {
        dir.set(&format!("u{at:02}"), "title", "Lead");
    }
    let mut world = World::new(dir);
    world.reconfigure(|tenant| tenant.map(&MAPPED));
    world.app.fail("create_user", "", 99, Fault::refused(crate::scim::FailureClass::Invalid, 400));
    world.sync().await;
    let creates = world.app.writes().iter().filter(|call| call.starts_with("create_user")).count();
    assert!(creates <= 12 + 6, "{creates}");
}
