//! Holds that wait for somebody: approvals, edits of the tenant file, identities made anew, the account of the token.

use super::*;
use crate::config::tenant::{Adopted, DeprovisioningAction};
use crate::model::{AppId, Op};
use crate::store::{Baseline as _, DecisionVerdict};
use jiff::SignedDuration;
use serde_json::Value;

fn suspend(world: &World, range: std::ops::Range<usize>) {
    world.edit(|dir| range.for_each(|at| dir.stand(&format!("u{at:02}"), LifecycleStatus::Suspended)));
}

/// Forty people of whom ten are suspended: held.
async fn held_world() -> World {
    let world = synced(crowd(40)).await;
    suspend(&world, 0..10);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Held);
    assert_eq!(world.app.writes(), [""; 0]);
    world
}

#[tokio::test(start_paused = true)]
async fn i2_an_approval_lets_exactly_the_held_plan_pass_once() {
    let world = held_world().await;
    let held = world.store.held().unwrap();
    assert_eq!(held.count, 10);
    assert_eq!(held.operations[0].name, "u00@x.test", "people are named");
    world.approve();
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!(world.app.active().len(), 30);
    assert_eq!(world.store.held(), None);
    world.assert_quiet().await;
    // The same people, the same plan, another day: the approval was for the first time.
    world.edit(|dir| (0..10).for_each(|at| dir.stand(&format!("u{at:02}"), LifecycleStatus::Active)));
    world.clock.pass(SignedDuration::from_hours(25));
    world.sync().await;
    assert_eq!(world.app.active().len(), 40);
    suspend(&world, 0..10);
    assert_eq!(world.sync().await.status(), Status::Held);
    assert_eq!(world.store.held().unwrap().plan, held.plan, "it is the same plan");
    assert_eq!(world.app.active().len(), 40);
}

#[tokio::test(start_paused = true)]
async fn i10_an_approval_is_void_when_the_world_has_changed() {
    let world = held_world().await;
    world.approve();
    suspend(&world, 10..11);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Held);
    assert_eq!(world.app.writes(), [""; 0]);
    assert_eq!(world.store.held().unwrap().count, 11, "the new plan is shown");
    world.edit(|dir| dir.stand("u10", LifecycleStatus::Active));
    assert_eq!(world.sync().await.status(), Status::Held, "and the old approval does not come back to life");
}

#[tokio::test(start_paused = true)]
async fn i2_an_approval_expires() {
    let world = held_world().await;
    world.approve();
    world.clock.pass(SignedDuration::from_hours(25));
    assert_eq!(world.sync().await.status(), Status::Held);
    assert_eq!(world.app.active().len(), 40);
}

#[tokio::test(start_paused = true)]
async fn i10_a_whole_plan_may_be_approved_from_a_preview() {
    let world = synced(crowd(40)).await;
    suspend(&world, 0..2);
    world.edit(|dir| (2..8).for_each(|at| dir.part("all", &format!("u{at:02}"))));
    let preview = world.plan().await;
    assert_eq!(preview.status(), Status::Held);
    let (at, plan) = (crate::clock::Clock::now(&*world.clock), preview.plan_hash().to_owned());
    let expires = at.checked_add(SignedDuration::from_hours(1)).unwrap();
    let (by, reason) = ("ann".to_owned(), String::new());
    let verdict = DecisionVerdict::Approve;
    world.store.decide(crate::store::Decision { plan, verdict, by, identity: None, reason, at, expires });
    assert_eq!(world.plan().await.status(), Status::Ok, "the preview knows it");
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!(report.plan_hash(), preview.plan_hash(), "what was seen is what ran, in one piece");
    assert_eq!(world.app.active().len(), 32);
}

#[tokio::test(start_paused = true)]
async fn i8_a_rejection_is_kept_and_told_once() {
    let world = held_world().await;
    world.decide(DecisionVerdict::Reject);
    for _ in 0..2 {
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Held);
        assert_eq!(world.store.held().unwrap().rejected.unwrap().reason, "as discussed");
    }
    let decided = |record: &crate::store::Record| matches!(record.event, crate::store::JournalEvent::Decided { .. });
    assert_eq!(world.store.records().iter().filter(|record| decided(record)).count(), 1);
    suspend(&world, 10..11);
    world.sync().await;
    assert_eq!(world.store.held().unwrap().rejected, None, "another plan was not rejected");
}

#[tokio::test(start_paused = true)]
async fn s2_a_shrunken_directory_can_be_approved() {
    let world = synced(crowd(40)).await;
    world.edit(|dir| (0..20).for_each(|at| dir.delete_user(&format!("u{at:02}"))));
    assert_eq!(holds(&world.sync().await), ["source_shrink"]);
    world.approve();
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.active().len(), 20);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn s2_a_shrink_that_touches_nobody_can_be_approved_too() {
    let mut dir = crowd(10);
    (0..30).for_each(|at| dir.add_user(&format!("outside{at}")));
    let world = synced(dir).await;
    world.edit(|dir| (0..30).for_each(|at| dir.delete_user(&format!("outside{at}"))));
    let report = world.sync().await;
    assert_eq!((holds(&report), report.operations().len()), (vec!["source_shrink"], 0));
    world.approve();
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn i2_kinds_of_change_wait_where_the_operator_wants_it() {
    let world = synced(crowd(5)).await;
    world.reconfigure_limits(|limits| {
        limits.ask_before.insert(Op::CreateUser);
        limits.ask_before.insert(Op::AddMembers);
    });
    world.edit(|dir| {
        dir.add_user("new");
        dir.join("all", "new");
        dir.set("u00", "displayName", "Zero");
    });
    let report = world.sync().await;
    assert_eq!(holds(&report), ["approval"]);
    assert_eq!(world.app.writes(), ["update_user u00@x.test"], "what nobody asked about goes on");
    world.approve();
    world.sync().await;
    assert_eq!(world.app.writes(), ["create_user new@x.test", "add_members all"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn c1_an_edit_that_hits_many_is_held_and_says_whom() {
    let mut world = synced(crowd(40)).await;
    world.reconfigure(|tenant| tenant.map(&[("userName", "userName"), ("displayName", "userName")]));
    let report = world.sync().await;
    assert_eq!(holds(&report), ["settings_change"]);
    assert!(report.holds[0].detail().contains("u00@x.test"), "{}", report.holds[0].detail());
    assert_eq!(world.app.writes(), [""; 0]);
    assert_eq!(world.sync().await.status(), Status::Held, "until somebody decides");
    world.approve();
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.app.value("u00@x.test", "displayName").as_deref(), Some("u00@x.test"));
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn c1_a_filter_that_drops_many_is_held_before_the_first_call() {
    fn nobody(record: &serde_json::Map<String, Value>) -> Result<bool, String> {
        Ok(record.get("id").and_then(Value::as_str).is_some_and(|id| id > "u23"))
    }
    let mut world = synced(crowd(40)).await;
    world.reconfigure(|tenant| tenant.filter = Some(nobody));
    let report = world.sync().await;
    assert_eq!(holds(&report), ["settings_change"]);
    assert_eq!(world.app.writes(), [""; 0]);
    world.reconfigure(|tenant| tenant.filter = None);
    assert_eq!(world.sync().await.status(), Status::Ok, "an edit taken back needs no approval");
}

#[tokio::test(start_paused = true)]
async fn c2_another_matching_never_writes_unseen() {
    let mut world = synced(crowd(5)).await;
    world.reconfigure(|tenant| tenant.settings.matching += 1);
    world.edit(|dir| dir.set("u00", "displayName", "Zero"));
    let report = world.sync().await;
    assert_eq!(holds(&report), ["matching_change"], "one change is enough");
    assert_eq!(world.app.writes(), [""; 0]);
    world.approve();
    world.sync().await;
    assert_eq!(world.app.writes(), ["update_user u00@x.test"]);
    world.edit(|dir| dir.set("u01", "displayName", "One"));
    world.sync().await;
    assert_eq!(world.app.writes(), ["update_user u01@x.test"], "and that was it");
}

#[tokio::test(start_paused = true)]
async fn c3_another_app_under_the_same_tenant_is_refused_before_the_first_call() {
    let mut world = synced(crowd(5)).await;
    world.tenant.addresses.mark.target = "https://other.example.com:443/scim".into();
    let report = world.sync().await;
    assert_eq!(holds(&report), ["target_change"], "even where nothing would be sent");
    assert_eq!(world.app.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn sec9_neither_side_hears_of_a_changed_address_before_it_is_approved() {
    for side in ["target_change", "source_change"] {
        let mut world = synced(crowd(5)).await;
        let mark = &mut world.tenant.addresses.mark;
        match side {
            "target_change" => mark.target = "https://other.example.com:443/scim".into(),
            _ => mark.source = vec!["ldaps://other.example.com:636".into()],
        }
        // With somebody new a look-up would come first.
        world.edit(|dir| {
            dir.add_user("n1");
            dir.join("all", "n1");
        });
        let id = world.sync().await.held_plan().unwrap().plan;
        for report in [world.sync().await, world.ask(&command(), false).await.unwrap()] {
            assert_eq!(holds(&report), [side]);
            assert_eq!(report.held_plan().unwrap().plan, id, "the id needs no network and is the same each time");
            assert_eq!((world.app.calls(), report.snapshot), (vec![], world.store.last_counts().unwrap()));
        }
        world.approve();
        let report = world.sync().await;
        assert_eq!((report.status(), world.app.writes().len()), (Status::Ok, 2), "{report:?}");
        assert_eq!(world.sync().await.status(), Status::Ok, "once is enough");
    }
}

#[tokio::test(start_paused = true)]
async fn sec9_an_approval_is_for_one_address_alone_and_outlives_a_run_that_fails() {
    let mut world = synced(crowd(5)).await;
    world.tenant.addresses.mark.target = "https://other.example.com:443/scim".into();
    world.sync().await;
    world.approve();
    world.tenant.addresses.mark.target = "https://third.example.com:443/scim".into();
    assert_eq!(holds(&world.sync().await), ["target_change"], "approved was another one");
    world.tenant.addresses.mark.target = "https://other.example.com:443/scim".into();
    world.sync().await;
    world.approve();
    world.source.spoil(Some(crate::sim::Quirk::Throttles));
    world.try_sync().await.unwrap_err();
    assert_eq!(world.sync().await.status(), Status::Ok, "what was approved need not be approved again");
    world.tenant.addresses.mark.target = "https://app.example.com:443/scim".into();
    assert_eq!(holds(&world.sync().await), ["target_change"], "the way back is a change too");
}

#[tokio::test(start_paused = true)]
async fn s_ids_that_all_change_are_held_and_may_be_taken_over() {
    let world = synced(crowd(20)).await;
    let accounts = world.app.holdings().users;
    world.edit(|dir| {
        for at in 0..20 {
            let (old, new) = (format!("u{at:02}"), format!("n{at:02}"));
            let mut user = dir.users.remove(&old).unwrap();
            user.record.insert("id".into(), new.as_str().into());
            dir.users.insert(new.clone(), user);
            dir.part("all", &old);
            dir.join("all", &new);
        }
    });
    for _ in 0..3 {
        let report = world.sync().await;
        assert!(holds(&report).contains(&"rekey"), "{:?}", holds(&report));
        assert_eq!(world.app.writes(), [""; 0]);
    }
    world.approve();
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    let after = world.app.holdings().users;
    assert_eq!(after.keys().collect::<Vec<_>>(), accounts.keys().collect::<Vec<_>>(), "i3: the same accounts");
    assert_eq!(world.app.active().len(), 20);
    assert_eq!(world.app.members("all").unwrap().len(), 20);
    world.sync().await;
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn i3_a_person_made_anew_is_proposed_and_not_doubled() {
    let world = synced(crowd(5)).await;
    let (account, _) = world.app.account("u00@x.test").unwrap();
    world.edit(|dir| {
        let mut user = dir.users.remove("u00").unwrap();
        user.record.insert("id".into(), "again".into());
        user.record.insert("displayName".into(), "Zero".into());
        dir.users.insert("again".into(), user);
        dir.part("all", "u00");
        dir.join("all", "again");
    });
    let report = world.sync().await;
    assert_eq!(holds(&report), ["relink"]);
    assert_eq!(world.app.writes(), [""; 0], "neither removed nor made anew");
    world.approve();
    world.sync().await;
    let (after, known) = world.app.account("u00@x.test").unwrap();
    assert_eq!(after, account);
    assert!(known.active);
    assert_eq!(world.app.value("u00@x.test", "displayName").as_deref(), Some("Zero"));
    assert_eq!(world.app.value("u00@x.test", "externalId").as_deref(), Some("again"));
    world.sync().await;
    world.assert_quiet().await;
    world.edit(|dir| dir.stand("again", LifecycleStatus::Suspended));
    world.sync().await;
    assert_eq!(world.app.writes(), ["deactivate u00@x.test"]);
}

#[tokio::test(start_paused = true)]
async fn i3_the_name_of_somebody_still_there_is_a_conflict_no_approval_settles() {
    let world = synced(crowd(5)).await;
    world.edit(|dir| {
        dir.add_user("thief");
        dir.set("thief", "userName", "u00@x.test");
        dir.join("all", "thief");
    });
    let report = world.sync().await;
    assert_eq!(holds(&report), ["needs_decision"]);
    assert_eq!(world.store.held(), None, "nothing that could be approved");
    assert_eq!(world.app.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn i2_the_account_of_the_token_is_never_shut() {
    let world = World::new(crowd(5));
    let account = world.app.has_user("u03@x.test", true);
    world.app.behave(|app| app.own_account = Some(AppId::new(account)));
    world.sync().await;
    world.assert_quiet().await;
    suspend(&world, 2..4);
    let report = world.sync().await;
    assert_eq!(world.app.writes(), ["deactivate u02@x.test"]);
    assert_eq!(holds(&report), ["own_account"]);
    assert_eq!(world.store.held(), None, "and no approval lets it pass");
}

#[tokio::test(start_paused = true)]
async fn i2_the_last_group_counts_although_the_account_stays() {
    let mut dir = crowd(20);
    for at in 0..20 {
        dir.users.get_mut(&format!("u{at:02}")).unwrap().direct = true;
    }
    dir.groups.remove("all");
    for at in 0..10 {
        dir.add_group(&format!("g{at}"), &[&format!("u{at:02}")]);
    }
    let world = synced(dir).await;
    for at in 0..10 {
        world.edit(|dir| dir.part(&format!("g{at}"), &format!("u{at:02}")));
        world.sync().await;
    }
    let left = (0..10).filter(|at| world.app.members(&format!("g{at}")).unwrap().len() == 1).count();
    assert_eq!(left, 7, "three a day");
    assert_eq!(world.app.active().len(), 20);
    world.clock.pass(SignedDuration::from_hours(25));
    world.sync().await;
    assert_eq!(world.spent_budget().len(), 3, "seven at once are too many again");
}

#[tokio::test(start_paused = true)]
async fn i2_a_groups_members_may_not_drip_away() {
    let world = synced(crowd(40)).await;
    world.edit(|dir| dir.add_group("team", &["u00", "u01", "u02", "u03", "u04", "u05", "u06", "u07"]));
    world.sync().await;
    for at in 0..8 {
        world.edit(|dir| dir.part("team", &format!("u{at:02}")));
        world.sync().await;
    }
    assert_eq!(world.app.members("team").unwrap().len(), 5, "three of eight in a day, one by one or at once");
    world.clock.pass(SignedDuration::from_hours(25));
    assert_eq!(holds(&world.sync().await), ["group_removals"], "five at once are too many");
}

#[tokio::test(start_paused = true)]
async fn i2_losing_a_role_is_losing_access() {
    let mut dir = crowd(20);
    (0..20).for_each(|at| dir.set(&format!("u{at:02}"), "job", "admin"));
    let world = synced_as(dir, |tenant| {
        tenant.map(&[("userName", "userName"), ("role", "job")]);
        tenant.limits.get_mut().unwrap().attribute_loss = crate::config::forms::Limit::NONE;
    })
    .await;
    world.edit(|dir| (0..2).for_each(|at| dir.set(&format!("u{at:02}"), "job", Value::Null)));
    assert_eq!(world.sync().await.status(), Status::Ok);
    assert_eq!(world.spent_budget().len(), 2);
    world.edit(|dir| (2..4).for_each(|at| dir.set(&format!("u{at:02}"), "job", Value::Null)));
    assert_eq!(holds(&world.sync().await), ["removals_per_day"]);
    assert_eq!(world.app.value("u02@x.test", "role").as_deref(), Some("admin"));
}

#[tokio::test(start_paused = true)]
async fn j12_adopted_people_are_kept_where_the_operator_says_so() {
    for (adopted, active) in [(Adopted::Keep, true), (Adopted::Manage, false)] {
        let mut world = World::new(crowd(5));
        world.app.has_user("u00@x.test", true);
        world.reconfigure(|tenant| tenant.adopted = adopted);
        world.sync().await;
        world.assert_quiet().await;
        world.edit(|dir| (0..2).for_each(|at| dir.part("all", &format!("u{at:02}"))));
        world.sync().await;
        assert_eq!(world.app.active().contains(&"u00@x.test".to_owned()), active, "{adopted:?}");
        assert!(!world.app.active().contains(&"u01@x.test".to_owned()), "a created one goes");
        world.assert_quiet().await;
        world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
        world.sync().await;
        assert!(!world.app.active().contains(&"u00@x.test".to_owned()), "who is suspended goes, adopted or not");
    }
}

#[tokio::test(start_paused = true)]
async fn i9_a_deletion_for_ever_waits_for_somebody_and_access_ends_before() {
    let world = synced_as(crowd(5), |tenant| {
        tenant.profile.users.delete_effect = crate::config::profile::DeleteEffect::Irreversible;
        tenant.on_deleted = DeprovisioningAction::Delete;
    })
    .await;
    world.edit(|dir| dir.delete_user("u00"));
    let report = world.sync().await;
    assert_eq!(world.app.writes(), ["deactivate u00@x.test", "remove_members all"]);
    assert_eq!(holds(&report), ["final_delete"]);
    assert_eq!(world.sync().await.status(), Status::Held);
    world.approve();
    world.sync().await;
    assert_eq!(world.app.writes(), ["delete_user u00@x.test"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn i2_whose_token_it_is_is_asked_again_where_nobody_answered() {
    let world = World::new(crowd(5));
    let account = world.app.has_user("u03@x.test", true);
    world.app.behave(|app| {
        app.own_account = Some(AppId::new(account));
        app.own_account_times_out = true;
    });
    world.sync().await;
    world.app.behave(|app| app.own_account_times_out = false);
    world.edit(|dir| {
        dir.add_user("new");
        dir.join("all", "new");
    });
    world.sync().await;
    suspend(&world, 3..4);
    assert_eq!(holds(&world.sync().await), ["own_account"]);
}

#[tokio::test(start_paused = true)]
async fn i7_no_record_grows_with_a_group_and_everybody_in_it_is_counted() {
    let world = World::new(crowd(1000).with_group("other", &["u00"]));
    world.edit(|dir| dir.users.values_mut().for_each(|user| user.direct = true));
    world.sync().await;
    world.reconfigure_limits(|limits| limits.removals_per_day = crate::config::forms::Limit::NONE);
    let before = world.store.records().len();
    world.edit(|dir| drop(dir.groups.remove("all")));
    world.sync().await;
    assert!(world.app.members("all").is_none());
    assert_eq!(world.spent_budget().len(), 1000);
    for record in world.store.records().iter().skip(before) {
        let is_noted = matches!(record.event, crate::store::JournalEvent::Noted { .. });
        let length = serde_json::to_string(record).unwrap().len();
        assert!(is_noted || length < 1000, "{length} bytes");
    }
}
