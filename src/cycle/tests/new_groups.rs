//! New groups and their members (J8): when a group is made, with whom, in how many calls, and what is learned of the app.

use super::*;
use crate::scim::FailureClass;
use crate::sim::Tenant;
use crate::store::Baseline as _;

/// The most members that went into a call about `group`, of those the app was sent.
fn largest(world: &World) -> usize {
    world
        .app
        .calls()
        .iter()
        .filter(|call| is_about_members(call.name))
        .map(|call| call.carries.len())
        .max()
        .unwrap_or_default()
}

fn is_about_members(name: &str) -> bool {
    matches!(name, "create_group" | "add_members" | "remove_members")
}

/// `op members` of the calls about members.
fn member_calls(world: &World) -> Vec<String> {
    let calls = world.app.calls();
    let about_members = calls.iter().filter(|call| is_about_members(call.name));
    about_members.map(|call| format!("{} {}", call.name, call.carries.len())).collect()
}

/// A world whose app may be given 500 members in a call, as the profiles have it.
fn world_of(dir: Directory) -> World {
    let world = World::new(dir);
    world.app.behave(|app| app.members_per_call = 500);
    world
}

fn names(n: usize) -> Vec<String> {
    (0..n).map(|at| format!("u{at:02}")).collect()
}

#[tokio::test(start_paused = true)]
async fn j8_300_users_in_6_groups_need_310_calls_at_most() {
    let all = names(300);
    let ids: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut dir = crowd(300);
    for (at, part) in ids.chunks(60).enumerate() {
        dir.add_group(&format!("team{at}"), part);
    }
    let world = world_of(dir);
    assert_eq!(world.sync().await.status(), Status::Ok);
    let holdings = world.app.holdings();
    let memberships: usize = holdings.groups.values().map(|group| group.members.len()).sum();
    assert_eq!((holdings.users.len(), holdings.groups.len(), memberships), (300, 6, 600));
    let calls = world.app.calls().len();
    assert!(calls <= 310, "{calls} calls");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j8_what_the_app_takes_at_most_is_learned_once_and_kept() {
    for (class, status) in [(FailureClass::Invalid, 400), (FailureClass::TooLarge, 413)] {
        let all = names(200);
        let ids: Vec<&str> = all.iter().map(String::as_str).collect();
        let world = world_of(crowd(200).with_group("half", &ids[..100]));
        world.app.behave(|app| app.takes_at_most = Some((30, class, status)));
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Ok, "{:?}", failures(&report));
        let (all_in, half_in) = (world.app.members("all").unwrap().len(), world.app.members("half").unwrap().len());
        assert_eq!((all_in, half_in), (200, 100));
        let refused =
            world.app.calls().iter().filter(|call| is_about_members(call.name) && call.carries.len() > 30).count();
        assert!((1..=6).contains(&refused), "{status}: {:?}", member_calls(&world));
        let learned = world.store.app_takes().unwrap().unwrap().members_per_call.unwrap() as usize;
        assert!((15..=30).contains(&learned), "{learned}");
        world.assert_quiet().await;

        // Kept for new groups, for additions and for removals.
        world.edit(|dir| dir.add_group("late", &ids));
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!((largest(&world), world.app.members("late").unwrap().len()), (learned, 200), "{status}");
        world.reconfigure_limits(|limits| limits.group_removals = "none".parse().unwrap());
        world.edit(|dir| ids[..90].iter().for_each(|id| dir.part("late", id)));
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!((largest(&world), world.app.members("late").unwrap().len()), (learned, 110), "{status}");
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn j8_a_size_learned_under_another_setting_or_long_ago_is_not_believed() {
    let world = world_of(crowd(40));
    world.app.behave(|app| app.takes_at_most = Some((30, FailureClass::TooLarge, 413)));
    world.sync().await;
    assert_eq!(world.store.app_takes().unwrap().unwrap().members_per_call, Some(20));
    let all = names(40);
    let ids: Vec<&str> = all.iter().map(String::as_str).collect();
    world.app.behave(|app| (app.takes_at_most, app.members_per_call) = (None, 400));
    world.edit(|dir| dir.add_group("other", &ids));
    world.sync().await;
    assert_eq!(member_calls(&world), ["create_group 40"], "the setting was changed");
    world.app.behave(|app| app.members_per_call = 500);
    world.edit(|dir| dir.add_group("third", &ids));
    world.sync().await;
    assert_eq!(member_calls(&world), ["create_group 20", "add_members 20"], "the setting is what it was");
    world.clock.pass(jiff::SignedDuration::from_hours(31 * 24));
    world.edit(|dir| dir.add_group("fourth", &ids));
    world.sync().await;
    assert_eq!(member_calls(&world), ["create_group 40"], "a month has passed");
}

#[tokio::test(start_paused = true)]
async fn j8_a_bad_member_is_not_taken_for_a_call_that_is_too_large() {
    for bad in ["u00@x.test", "u13@x.test", "u39@x.test"] {
        let world = world_of(crowd(40).with_group("odd", &["u00", "u13", "u39"]));
        world.app.behave(|app| app.bad_members = [bad.into()].into());
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Partial);
        assert_eq!(
            (world.app.members("all").unwrap().len(), world.app.members("odd").unwrap().len()),
            (39, 2),
            "{bad}"
        );
        let learned = world.store.app_takes().unwrap();
        assert_eq!(learned.clone().and_then(|takes| takes.members_per_call), None, "{bad}");
        assert_ne!(learned.and_then(|takes| takes.members_on_create), Some(false), "{bad}");
        assert!(failures(&report).iter().all(|(_, why)| why.contains(bad)), "{:?}", failures(&report));
        world.app.behave(|app| app.bad_members.clear());
        assert_eq!(world.sync().await.status(), Status::Ok);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn j8_a_group_whose_members_cannot_be_taken_is_not_created() {
    for create_empty in [false, true] {
        let mut world =
            world_of(Directory::of(&["ann", "eve"]).with_group("staff", &["ann"]).with_group("night", &["eve"]));
        world.reconfigure(|tenant| tenant.create_empty = create_empty);
        world.app.fail("create_user", "eve", 1, Fault::refused(FailureClass::Conflict, 409));
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Partial);
        assert_eq!(world.app.members("staff").unwrap(), ["ann@x.test"]);
        assert_eq!(world.app.members("night").is_some(), create_empty);
        let failed = failures(&report);
        let told = failed.iter().any(|(what, why)| what == "create_group night" && why.contains("groups.create_empty"));
        assert_eq!(told, !create_empty, "{failed:?}");
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!(world.app.members("night").unwrap(), ["eve@x.test"], "made with its first member");
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn j8_a_group_is_made_with_the_first_member_who_has_an_account() {
    let mut world = world_of(crowd(5));
    world.reconfigure(|tenant| tenant.profile.groups.members_on_create = false);
    for refused in ["u00", "u01", "u02", "u03"] {
        world.app.fail("create_user", refused, 1, Fault::refused(FailureClass::Invalid, 400));
    }
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial);
    assert_eq!(member_calls(&world), ["create_group 0", "add_members 1"]);
    assert_eq!(world.app.members("all").unwrap(), ["u04@x.test"]);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.members("all").unwrap().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn j8_an_app_that_refuses_empty_groups_gets_its_groups_and_a_refusal_names_the_key() {
    let world = world_of(crowd(5));
    world.app.behave(|app| app.refuses_empty_groups = true);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(member_calls(&world), ["create_group 5"]);
    world.assert_quiet().await;

    let without = |tenant: &mut Tenant| tenant.profile.groups.members_on_create = false;
    let empty = |tenant: &mut Tenant| tenant.create_empty = true;
    type Edit = fn(&mut Tenant);
    let tries: [(&str, Edit); 2] = [("groups.members_on_create = true", without), ("create_empty = false", empty)];
    for (key, change) in tries {
        let mut world = world_of(crowd(5).with_group("nobody", &[]));
        world.reconfigure(change);
        world.app.behave(|app| app.refuses_empty_groups = true);
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Partial);
        let failed = failures(&report);
        assert!(
            failed.iter().any(|(what, why)| what.starts_with("create_group") && why.contains(key)),
            "{key}: {failed:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn j8_an_app_that_refuses_the_members_of_new_groups_is_asked_without_them_and_remembered() {
    let world = world_of(crowd(5).with_group("odd", &["u01", "u03"]));
    world.app.behave(|app| app.refuses_first_members = true);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{:?}", failures(&report));
    assert_eq!((world.app.members("all").unwrap().len(), world.app.members("odd").unwrap().len()), (5, 2));
    assert_eq!(world.store.app_takes().unwrap().unwrap().members_on_create, Some(false));
    world.assert_quiet().await;
    world.edit(|dir| dir.add_group("late", &["u00", "u02"]));
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(member_calls(&world), ["create_group 0", "add_members 2"]);
    // It changes its mind: groups need members now.
    world.app.behave(|app| (app.refuses_first_members, app.refuses_empty_groups) = (false, true));
    world.edit(|dir| dir.add_group("later", &["u00", "u02"]));
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(member_calls(&world), ["create_group 0", "create_group 2"]);
    assert_eq!(world.store.app_takes().unwrap().unwrap().members_on_create, None);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn j8_members_that_the_app_ignores_are_added_in_the_same_run() {
    for answers in [true, false] {
        let world = world_of(crowd(5));
        world.app.behave(|app| (app.ignores_first_members, app.answers_with_members) = (true, answers));
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!(member_calls(&world), ["create_group 5", "add_members 5"], "{answers}");
        assert_eq!(world.app.members("all").unwrap().len(), 5);
        world.assert_quiet().await;
        world.edit(|dir| dir.add_group("late", &["u00", "u02"]));
        world.sync().await;
        assert_eq!(member_calls(&world), ["create_group 0", "add_members 2"], "remembered");
        assert_eq!(world.app.members("late").unwrap().len(), 2);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn j8_an_answer_that_does_not_speak_of_members_proves_nothing() {
    for readable in [true, false] {
        let mut world = world_of(crowd(5));
        world.reconfigure(|tenant| tenant.profile.read.members_readable = readable);
        world.app.behave(|app| (app.members_readable, app.answers_with_members) = (readable, false));
        assert_eq!(world.sync().await.status(), Status::Ok);
        let expected: &[&str] = if readable { &["create_group 5"] } else { &["create_group 5", "add_members 5"] };
        assert_eq!(member_calls(&world), expected, "the group itself is read where it can be");
        let read = world.app.calls().iter().filter(|call| call.name == "get_group").count();
        assert_eq!(read, usize::from(readable));
        assert_eq!(world.app.members("all").unwrap().len(), 5);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn j8_after_a_lost_answer_the_new_group_has_the_right_members() {
    for (readable, ignores, done) in
        [(true, false, true), (true, true, true), (false, false, true), (false, true, true), (true, false, false)]
    {
        let mut world = world_of(crowd(5));
        world.reconfigure(|tenant| tenant.profile.read.members_readable = readable);
        world.app.behave(|app| (app.members_readable, app.ignores_first_members) = (readable, ignores));
        let lost = if done { Fault::lost().but_done() } else { Fault::lost() };
        world.app.fail("create_group", "all", 1, lost);
        world.sync().await;
        world.edit(|dir| dir.part("all", "u03"));
        world.reconfigure_limits(|limits| limits.group_removals = "none".parse().unwrap());
        assert_eq!(world.sync().await.status(), Status::Ok);
        let members = world.app.members("all").unwrap();
        assert_eq!(members, ["u00@x.test", "u01@x.test", "u02@x.test", "u04@x.test"], "{readable} {ignores} {done}");
        world.sync().await;
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t14_members_of_a_large_call_that_broke_off_are_in_doubt_until_they_are_sent_again() {
    let mut world = world_of(crowd(120));
    world.reconfigure(|tenant| tenant.profile.groups.members_on_create = false);
    world.app.behave(|app| app.members_readable = false);
    world.app.fail("add_members", "all", 3, Fault::lost().but_done());
    // The accounts, the group, and all tries of one call: what follows is not sent any more.
    world.app.stop_after(120 + 1 + 3, world.stop.clone());
    assert!(world.sync().await.stop.is_some());
    assert_eq!(member_calls(&world), ["create_group 0", "add_members 120", "add_members 120", "add_members 120"]);
    world.stop = tokio_util::sync::CancellationToken::new();
    world.edit(|dir| dir.part("all", "u119"));
    world.reconfigure_limits(|limits| limits.group_removals = "none".parse().unwrap());
    for _ in 0..2 {
        world.sync().await;
    }
    assert!(!world.app.members("all").unwrap().contains(&"u119@x.test".to_owned()));
    assert_eq!(world.app.members("all").unwrap().len(), 119);
}

#[tokio::test(start_paused = true)]
async fn j8_a_mover_into_a_new_group_that_cannot_be_made_keeps_access() {
    let world = world_of(Directory::of(&["ann", "bo"]).with_group("old", &["ann", "bo"]));
    world.sync().await;
    world.app.behave(|app| app.refuses_first_members = true);
    world.app.fail("create_group", "new", 99, Fault::refused(FailureClass::Forbidden, 403));
    world.edit(|dir| {
        dir.part("old", "ann");
        dir.add_group("new", &["ann"]);
    });
    assert_eq!(world.sync().await.status(), Status::Partial);
    assert_eq!(world.app.active(), ["ann@x.test", "bo@x.test"]);
    world.app.heal();
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.members("new").unwrap(), ["ann@x.test"]);
    world.assert_quiet().await;
}
