//! Calls that fail: what is repeated, what is set aside, what ends the run.

use std::time::Duration;

use super::*;
use crate::clock::Clock as _;
use crate::scim::FailureClass;
use crate::store::Baseline as _;
use jiff::SignedDuration;

#[tokio::test(start_paused = true)]
async fn i3_a_create_whose_answer_was_lost_is_looked_up_and_never_doubled() {
    for unique in [true, false] {
        let world = World::new(crowd(3));
        world.app.behave(|app| app.unique = unique);
        world.app.fail("create_user", "u01", 1, Fault::lost().but_done());
        world.app.fail("create_group", "all", 1, Fault::lost().but_done());
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Ok, "{report:?}");
        assert_eq!(world.app.holdings().users.len(), 3);
        assert_eq!(world.app.holdings().groups.len(), 1);
        assert_eq!(world.app.members("all").unwrap().len(), 3);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn i3_a_create_that_may_still_be_under_way_is_not_sent_again_in_this_run() {
    let world = World::new(crowd(3));
    world.app.behave(|app| app.unique = false);
    world.app.fail("create_user", "u01", 1, Fault::lost());
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial, "it did not come, but it may still");
    let creates = world.app.writes().into_iter().filter(|write| write == "create_user u01@x.test").count();
    assert_eq!(creates, 1);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.members("all").unwrap().len(), 3);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn i3_a_create_that_the_last_try_may_have_made_is_looked_up_too() {
    let world = World::new(crowd(3));
    world.app.fail("create_user", "u01", 2, Fault::server(503));
    world.app.fail("create_user", "u01", 1, Fault::server(503).but_done());
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{:?}", failures(&report));
    assert_eq!(world.app.holdings().users.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn i3_an_account_that_the_app_only_admits_when_it_is_to_be_doubled_is_adopted_and_brought_in_step() {
    let world = World::new(crowd(3));
    let id = world.app.has_user("U01@x.test", false);
    // The app's filter tells upper from lower case: the planning look-up finds nobody. Each run asks a new connection.
    world.app.behave(|app| app.unseen = ["U01@x.test".into()].into());
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial);
    assert!(failures(&report)[0].1.contains("the app has this account already"), "{:?}", failures(&report));
    world.app.behave(|app| app.unseen = ["U01@x.test".into()].into());
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{:?}", failures(&report));
    assert_eq!(world.app.account("u01@x.test").map(|(id, account)| (id, account.active)), Some((id, true)));
    assert_eq!(world.app.members("all").unwrap().len(), 3);
    assert_eq!(world.app.holdings().users.len(), 3);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn i3_a_refused_double_of_somebody_elses_account_is_not_taken_over() {
    let mut dir = crowd(2);
    dir.set("u00", "userName", "ann@x.test");
    let world = synced(dir).await;
    world.edit(|dir| {
        dir.add_user("new");
        dir.set("new", "userName", "ANN@x.test");
    });
    world.sync().await;
    assert_eq!(world.linked_count(), 2);
    assert_eq!(world.app.holdings().users.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn i3_a_repeated_create_that_meets_its_own_account_takes_it() {
    let world = World::new(crowd(3));
    world.app.fail("create_user", "u01", 1, Fault::server(503).but_done());
    // The account shows late: the look after the first try finds nobody, the second try is refused as a double.
    world.app.behave(|app| app.unseen = ["u01@x.test".into()].into());
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{:?}", failures(&report));
    assert_eq!(world.app.holdings().users.len(), 3);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn t3_a_throttled_call_waits_as_long_as_asked_and_goes_on() {
    let world = World::new(crowd(3));
    world.app.fail("create_user", "u01", 2, Fault::throttled(Duration::from_secs(30)));
    let began = tokio::time::Instant::now();
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert!(began.elapsed() >= Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn i1_one_that_fails_is_set_aside_with_a_next_try_and_the_others_go_on() {
    let world = World::new(crowd(3));
    world.app.fail("create_user", "u01", 9, Fault::refused(FailureClass::Conflict, 409));
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial);
    assert_eq!(world.app.active(), ["u00@x.test", "u02@x.test"]);
    assert_eq!(world.app.members("all").unwrap().len(), 2);
    let set_aside = world.set_aside();
    assert_eq!(set_aside, ["user u01"], "the group only waits for its member");
    world.app.heal();
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.members("all").unwrap().len(), 3);
    assert_eq!(world.set_aside(), [""; 0], "settled");
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn the_schedule_waits_longer_after_each_failure_and_says_so() {
    let world = World::new(crowd(3));
    world.app.fail("create_user", "u01", 99, Fault::refused(FailureClass::Invalid, 400));
    let mut tries = Vec::new();
    for minute in 0..60 {
        let report =
            world.ask(&crate::cycle::Ask { trigger: crate::store::Trigger::Schedule, ..command() }, true).await;
        let report = report.unwrap();
        assert_eq!(report.status(), Status::Partial, "I11: somebody is still set aside");
        if world.app.writes().contains(&"create_user u01@x.test".to_owned()) {
            tries.push(minute);
        }
        world.app.forget_calls();
        world.clock.pass(SignedDuration::from_mins(1));
    }
    assert_eq!(tries, [0, 5, 15, 35]);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_looked_up_less_and_less_often() {
    let mut dir = crowd(3);
    dir.set("u01", "userName", "u00@x.test");
    let world = World::new(dir);
    let mut asked = 0;
    for _ in 0..60 {
        let ask = crate::cycle::Ask { trigger: crate::store::Trigger::Schedule, ..command() };
        assert_eq!(world.ask(&ask, true).await.unwrap().status(), Status::Partial);
        asked += usize::from(world.app.calls().iter().any(|call| call.name == "look_up_users"));
        world.app.forget_calls();
        world.clock.pass(SignedDuration::from_mins(1));
    }
    assert_eq!(asked, 4);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_has_no_object_any_more_is_forgotten() {
    let world = World::new(crowd(3));
    world.app.fail("create_user", "u01", 9, Fault::refused(FailureClass::Conflict, 409));
    world.sync().await;
    assert_eq!(world.set_aside(), ["user u01"]);
    world.edit(|dir| dir.delete_user("u01"));
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.set_aside(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn t13_a_dead_credential_ends_the_run_at_once() {
    let world = World::new(crowd(20));
    world.app.fail("create_user", "", 99, Fault::refused(FailureClass::Unauthorized, 401));
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Failed);
    assert!(world.app.writes().len() <= 4, "at most the calls under way: {:?}", world.app.writes());
    assert_eq!(world.set_aside(), [""; 0], "no person is to blame");
    world.app.heal();
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn t13_nobody_sleeps_on_after_the_end_of_the_run() {
    let world = World::new(crowd(20));
    world.app.fail("create_user", "u00", 99, Fault::throttled(Duration::from_secs(60)));
    world.app.fail("create_user", "u01", 99, Fault::refused(FailureClass::Unauthorized, 401));
    let began = tokio::time::Instant::now();
    assert_eq!(world.sync().await.status(), Status::Failed);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn t4_an_app_in_trouble_is_left_alone_and_caught_up_with_later() {
    let mut world = World::new(crowd(40));
    world.reconfigure(|tenant| tenant.breaker_failures = 5);
    // An app that creates a group without members answers another call than the creates.
    world.reconfigure(|tenant| tenant.create_empty = true);
    world.app.fail("create_user", "", 999, Fault::server(500));
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial, "the group was created: the app answers other calls");
    let creates = world.app.writes().iter().filter(|call| call.starts_with("create_user")).count();
    assert!((5..=24).contains(&creates), "{creates}");
    world.app.heal();
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn t4_a_run_in_which_nothing_goes_well_has_failed() {
    let mut world = World::new(crowd(40));
    world.reconfigure(|tenant| tenant.breaker_failures = 5);
    for call in ["create_user", "create_group", "add_members"] {
        world.app.fail(call, "", 999, Fault::server(500));
    }
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Failed);
    assert!(world.app.writes().len() <= 40, "{}", world.app.writes().len());
    world.app.heal();
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.assert_quiet().await;
}

/// Every cause for which access ends, while the app can make no account for anybody (licences used up, say).
#[tokio::test(start_paused = true)]
async fn o4_creations_that_fail_for_ever_stop_no_removal() {
    let mut dir = crowd(30);
    dir.add_group("night", &["u03", "u04"]);
    dir.add_group("day", &["u05"]);
    let mut world = World::new(dir);
    world.reconfigure(|tenant| tenant.breaker_failures = 5);
    world.sync().await;
    world.app.fail("create_user", "", 99_999, Fault::server(500));
    world.edit(|dir| {
        for id in 0..40 {
            dir.add_user(&format!("new{id}"));
            dir.join("all", &format!("new{id}"));
        }
        dir.stand("u00", LifecycleStatus::Suspended);
        dir.delete_user("u01");
        dir.part("all", "u02");
        dir.part("night", "u03");
    });
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial, "exit 4");
    let writes = world.app.writes();
    let place = |call: &str| writes.iter().position(|done| done == call);
    for leaver in ["deactivate u00@x.test", "deactivate u01@x.test", "deactivate u02@x.test"] {
        assert!(place(leaver) < writes.iter().position(|call| call.starts_with("create_user")), "{leaver}: {writes:?}");
        assert!(place(leaver).is_some(), "{leaver}");
    }
    assert_eq!(world.app.members("night").unwrap(), ["u04@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_finishes_its_calls_and_the_next_one_goes_on() {
    let mut world = World::new(crowd(20));
    world.app.stop_after(5, world.stop.clone());
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Partial);
    let made = world.app.holdings().users.len();
    assert!((1..=9).contains(&made), "{made}");
    assert_eq!(world.set_aside(), [""; 0]);
    world.stop = tokio_util::sync::CancellationToken::new();
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.holdings().users.len(), 20);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn t6_an_account_deleted_in_the_app_is_made_again_with_its_groups() {
    let world = synced(crowd(5)).await;
    let (id, _) = world.app.account("u00@x.test").unwrap();
    world.app.by_hand(|app| {
        app.users.remove(&id);
        app.groups.values_mut().for_each(|group| group.members.retain(|member| *member != id));
    });
    world.edit(|dir| dir.set("u00", "displayName", "new"));
    assert_eq!(world.sync().await.status(), Status::Partial);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.members("all").unwrap().len(), 5);
    assert_eq!(world.app.value("u00@x.test", "displayName").as_deref(), Some("new"));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn t6_a_group_deleted_in_the_app_is_made_again_with_its_members() {
    let world = synced(crowd(5)).await;
    world.app.by_hand(|app| app.groups.clear());
    world.edit(|dir| {
        dir.add_user("new");
        dir.join("all", "new");
    });
    assert_eq!(world.sync().await.status(), Status::Partial);
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.members("all").unwrap().len(), 6);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn t6_a_404_for_everything_is_no_proof_that_anybody_is_gone() {
    let world = synced(crowd(5)).await;
    world.edit(|dir| {
        dir.set("u00", "displayName", "new");
        dir.add_group("night", &["u01"]);
        dir.join("all", "u00");
    });
    world.app.fail("update_user", "", 99, Fault::refused(FailureClass::NotFound, 404));
    world.app.fail("look_up_users", "", 99, Fault::refused(FailureClass::NotFound, 404));
    world.app.fail("look_up_groups", "", 99, Fault::refused(FailureClass::NotFound, 404));
    world.edit(|dir| drop(dir.groups.remove("night")));
    let report = world.sync().await;
    assert_eq!(failures(&report).len(), 1, "{report:?}");
    assert_eq!(world.linked_count(), 5, "no link was dropped");
    world.app.heal();
    world.sync().await;
    assert_eq!(world.app.value("u00@x.test", "displayName").as_deref(), Some("new"));
    assert!(!world.app.writes().contains(&"create_user u00@x.test".to_owned()));
}

/// A second account with the same values makes a look-up ambiguous: that is doubt, and no proof of absence.
#[tokio::test(start_paused = true)]
async fn t6_accounts_that_match_twice_are_no_proof_that_the_linked_one_is_gone() {
    let world = synced(crowd(5)).await;
    let (_, account) = world.app.account("u00@x.test").unwrap();
    world.app.by_hand(|app| drop(app.users.insert("twin".to_owned(), account)));
    world.edit(|dir| dir.set("u00", "displayName", "new"));
    world.app.fail("update_user", "", 99, Fault::refused(FailureClass::NotFound, 404));
    let report = world.sync().await;
    assert_eq!(failures(&report).len(), 1, "{report:?}");
    assert_eq!(world.linked_count(), 5, "no link was dropped");
    // A user who leaves then is not left inside.
    world.app.heal();
    world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
    world.sync().await;
    assert_eq!(world.app.holdings().users.values().filter(|user| !user.active).count(), 1);
}

/// The same for groups.
#[tokio::test(start_paused = true)]
async fn t6_groups_that_match_twice_are_no_proof_that_the_linked_one_is_gone() {
    let world = synced(crowd(5)).await;
    world.app.by_hand(|app| {
        let group = app.groups.values().next().unwrap().clone();
        app.groups.insert("twin".to_owned(), group);
    });
    world.edit(|dir| {
        dir.add_user("new");
        dir.join("all", "new");
    });
    world.app.fail("add_members", "", 99, Fault::refused(FailureClass::NotFound, 404));
    assert_eq!(world.sync().await.status(), Status::Partial);
    assert_eq!(world.store.counts().unwrap().groups, 1, "no link was dropped");
}

/// After a lost answer two accounts that match prove nothing: a third one is not made.
#[tokio::test(start_paused = true)]
async fn i3_a_create_that_got_no_answer_is_not_repeated_while_two_accounts_match() {
    let mut world = World::new(crowd(3));
    let clock = std::sync::Arc::new(crate::sim::SimClock::flowing());
    world.app.keep_time(&clock);
    world.clock = clock;
    world.app.behave(|app| app.unique = false);
    // Made by somebody else, and shown one second after the first look.
    let shown_from = Some(world.clock.now() + SignedDuration::from_secs(1));
    let made = [world.app.has_user("u01@x.test", true), world.app.has_user("u01@x.test", true)];
    world.app.by_hand(|app| made.iter().for_each(|id| app.users.get_mut(id).unwrap().shown_from = shown_from));
    world.app.fail("create_user", "u01", 2, Fault::server(503));
    let report = world.sync().await;
    assert_eq!(failures(&report)[0].0, "create_user u01@x.test", "{:?}", failures(&report));
    assert_eq!(world.app.holdings().users.len(), 4, "no third one: {:?}", world.app.writes());
}

#[tokio::test(start_paused = true)]
async fn t14_one_bad_member_does_not_keep_the_others_out() {
    for status in [(FailureClass::Invalid, 400), (FailureClass::NotFound, 404)] {
        let world = World::new(crowd(40));
        world.app.behave(|app| {
            app.bad_members.insert("u13@x.test".into());
            app.bad_member_answer = status;
        });
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Partial);
        assert_eq!(world.app.members("all").unwrap().len(), 39, "{status:?}");
        assert!(failures(&report)[0].1.contains("u13@x.test"), "{:?}", failures(&report));
        world.app.behave(|app| app.bad_members.clear());
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!(world.app.members("all").unwrap().len(), 40);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t15_a_large_group_goes_in_chunks_and_goes_on_where_it_stopped() {
    let world = World::new(crowd(120));
    world.app.fail("add_members", "all", 3, Fault::refused(FailureClass::Unreachable, 0));
    world.sync().await;
    assert_eq!(world.app.members("all").unwrap().len(), 70, "two of three chunks went");
    world.app.heal();
    world.sync().await;
    let adds = world.app.calls();
    assert_eq!(adds.iter().map(|call| call.carries.len()).collect::<Vec<_>>(), [50]);
    assert_eq!(world.app.members("all").unwrap().len(), 120);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn one_members_failure_does_not_hold_up_the_groups_other_changes() {
    let world = World::new(crowd(10));
    world.app.behave(|app| app.bad_members = ["u03@x.test".into()].into());
    world.scheduled().await;
    world.clock.pass(SignedDuration::from_mins(-9));
    world.edit(|dir| dir.part("all", "u05"));
    world.scheduled().await;
    assert!(world.app.writes().contains(&"remove_members all".to_owned()), "{:?}", world.app.writes());
}

#[tokio::test(start_paused = true)]
async fn the_app_that_cannot_be_asked_fails_the_cycle_and_nothing_is_sent() {
    let world = World::new(crowd(3));
    world.app.fail("look_up_users", "", 1, Fault::server(500));
    assert!(world.try_sync().await.is_err());
    assert_eq!(world.app.writes(), [""; 0]);
    assert_eq!(world.sync().await.status(), Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn i11_what_was_sent_before_the_plan_is_told_when_there_comes_no_plan() {
    for (fault, status) in
        [(Fault::server(503), Status::Failed), (Fault::refused(FailureClass::Unauthorized, 401), Status::Failed)]
    {
        let world = World::new(crowd(12));
        world.sync().await;
        world.edit(|dir| {
            dir.stand("u00", LifecycleStatus::Suspended);
            dir.add_user("zoe");
            dir.join("all", "zoe");
        });
        world.app.fail("look_up_users", "", 9, fault);
        let report = world.try_sync().await.expect("a report of what was done");
        assert_eq!((report.status(), report.tally().done), (status, 1), "{report:?}");
        assert!(report.stop.is_some());
        assert!(!world.app.active().contains(&"u00@x.test".to_owned()), "the leaver did not wait");
        world.app.heal();
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert!(world.app.active().contains(&"zoe@x.test".to_owned()));
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn i11_a_credential_that_died_after_the_first_leavers_is_told_as_one_whichever_side_it_is_for() {
    for directory in [true, false] {
        let world = World::new(crowd(12));
        world.sync().await;
        world.edit(|dir| {
            dir.stand("u00", LifecycleStatus::Suspended);
            dir.delete_user("u01");
            dir.add_user("zoe");
            dir.join("all", "zoe");
            dir.refuses_questions = directory;
        });
        if !directory {
            world.app.fail("look_up_users", "", 9, Fault::refused(FailureClass::Unauthorized, 401));
        }
        let report = world.try_sync().await.expect("a report of what was done");
        // Where the directory answers, users who are gone lose access too before any account is looked up.
        let out = if directory { 1 } else { 2 };
        assert_eq!((report.status(), report.tally().done), (Status::Failed, out), "{report:?}");
        let Some(crate::apply::RunStop::Target(why)) = &report.stop else { panic!("{report:?}") };
        let side =
            if directory { "the directory refused the credential" } else { "the app no longer accepts the token" };
        assert!(why.starts_with(side) && why.ends_with("nothing more was sent"), "{why}");
        world.app.heal();
        world.edit(|dir| dir.refuses_questions = false);
        assert_eq!(world.sync().await.status(), Status::Ok);
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn p5_a_reading_of_the_directory_ends_when_somebody_asks_for_the_end() {
    let world = World::new(crowd(3));
    world.edit(|dir| dir.hangs = true);
    let stop = world.stop.clone();
    let ended = tokio::join!(world.try_sync(), async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        stop.cancel();
    });
    assert!(matches!(ended.0, Err(crate::cycle::CycleError::Stopped)), "{:?}", ended.0);
    assert!(world.app.writes().is_empty());
}
