//! MP1: records that the directory deletes and makes again, one or all of them, in an app that shows whose every object is.

use super::*;
use crate::config::tenant::DeprovisioningAction;
use crate::model::{Op, SourceId};
use crate::sim::Tenant;
use crate::store::Baseline as _;

/// The directory deletes a user and makes the same one again, under another id and in the same groups.
fn remake(dir: &mut Directory, old: &str, new: &str) {
    let mut user = dir.users.remove(old).unwrap();
    user.record.insert("id".into(), new.into());
    dir.users.insert(new.to_owned(), user);
    for group in dir.groups.values_mut().filter(|group| group.members.contains(old)) {
        group.members.remove(old);
        group.members.insert(new.to_owned());
    }
}

/// The same for a group.
fn remake_group(dir: &mut Directory, old: &str, new: &str) {
    let group = dir.groups.remove(old).unwrap();
    dir.groups.insert(new.to_owned(), group);
}

/// Nothing is taken from anybody and nothing is made, in typed and in scheduled runs, for as long as it is open.
async fn assert_waits(world: &World, context: &str) {
    let before = world.app.holdings();
    for at in 0..4 {
        let report = if at % 2 == 0 { world.sync().await } else { world.scheduled().await };
        assert_ne!(report.status(), Status::Ok, "{context}: {report:?}");
        assert_eq!(world.app.writes(), [""; 0], "{context}");
        world.clock.pass(jiff::SignedDuration::from_hours(1));
    }
    assert_eq!(world.app.holdings(), before, "{context}");
}

#[tokio::test(start_paused = true)]
async fn mp1_a_user_made_again_keeps_the_account_whatever_identifies_it() {
    type Change = fn(&mut Tenant);
    type Edit = fn(&mut Directory);
    let kinds: [(&str, Change, Edit); 5] = [
        ("the default profile", |_| {}, |_| {}),
        ("a name in another case", |_| {}, |dir| dir.set("again", "userName", "U00@X.test")),
        (
            "a profile without externalId",
            |tenant| {
                tenant.profile.users.send_external_id = false;
                tenant.profile.groups.send_external_id = false;
            },
            |_| {},
        ),
        (
            "e-mail as the match key",
            |tenant| {
                tenant.map(&[("userName", "userName"), ("displayName", "displayName"), ("emails.work", "mail")]);
                tenant.profile.read.user_match = vec!["externalId".into(), "emails.work".into()];
            },
            |dir| dir.set("again", "userName", "zero@x.test"),
        ),
        ("deleted accounts are deleted", |tenant| tenant.on_deleted = DeprovisioningAction::Delete, |_| {}),
    ];
    for (kind, change, edit) in kinds {
        let mut dir = crowd(5);
        (0..5).for_each(|at| dir.set(&format!("u{at:02}"), "mail", format!("m{at}@x.test").as_str()));
        let world = synced_as(dir, change).await;
        let (account, _) = world.app.account("u00@x.test").unwrap();
        world.edit(|dir| {
            remake(dir, "u00", "again");
            edit(dir);
        });
        assert_waits(&world, kind).await;
        assert_eq!(holds(&world.sync().await), ["relink"], "{kind}");
        world.approve();
        let report = world.sync().await;
        assert_eq!(report.status(), Status::Ok, "{kind}: {report:?}");
        let holdings = world.app.holdings();
        assert!(holdings.users[&account].active, "{kind}");
        assert_eq!((world.app.active().len(), holdings.users.len()), (5, 5), "{kind}");
        assert_eq!(world.app.members("all").unwrap().len(), 5, "{kind}");
        let row = world.store.user(&SourceId::new("again")).unwrap().unwrap();
        assert_eq!(row.app_id.as_str(), account, "{kind}");
        world.sync().await;
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn mp1_a_suspended_user_made_again_gets_the_old_account_back() {
    for days in [0, 400] {
        let world = synced(crowd(5)).await;
        world.edit(|dir| dir.stand("u00", LifecycleStatus::Suspended));
        world.sync().await;
        if days > 0 {
            world.edit(|dir| dir.delete_user("u00"));
            world.sync().await;
            world.assert_quiet().await;
            world.clock.pass(jiff::SignedDuration::from_hours(24 * days));
            world.edit(|dir| {
                dir.add_user("again");
                dir.set("again", "userName", "u00@x.test");
                dir.join("all", "again");
            });
        } else {
            world.edit(|dir| {
                remake(dir, "u00", "again");
                dir.stand("again", LifecycleStatus::Active);
            });
        }
        assert_eq!(holds(&world.sync().await), ["relink"], "after {days} days");
        assert_eq!(world.app.writes(), [""; 0]);
        world.approve();
        assert_eq!(world.sync().await.status(), Status::Ok, "after {days} days");
        assert_eq!(world.app.active().len(), 5);
        assert_eq!(world.app.holdings().users.len(), 5);
        world.sync().await;
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn mp1_a_user_made_again_in_another_group_leaves_the_old_one_after_the_approval() {
    let dir = Directory::of(&["ann", "bo", "cy"]).with_group("north", &["ann", "bo"]).with_group("south", &["cy"]);
    let world = synced(dir).await;
    world.edit(|dir| {
        remake(dir, "ann", "again");
        dir.part("north", "again");
        dir.join("south", "again");
    });
    for _ in 0..2 {
        world.sync().await;
        assert_eq!(world.app.members("north").unwrap(), ["ann@x.test", "bo@x.test"], "nothing is taken meanwhile");
        assert_eq!(world.app.active().len(), 3);
    }
    world.approve();
    for _ in 0..3 {
        world.sync().await;
    }
    assert_eq!(world.app.members("north").unwrap(), ["bo@x.test"]);
    assert_eq!(world.app.members("south").unwrap(), ["ann@x.test", "cy@x.test"]);
    assert_eq!(world.app.active().len(), 3);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mp1_two_records_of_the_old_name_leave_the_account_as_it_is() {
    let world = synced(crowd(5)).await;
    world.edit(|dir| {
        remake(dir, "u00", "one");
        dir.add_user("two");
        dir.set("two", "userName", "u00@x.test");
        dir.join("all", "two");
    });
    assert_waits(&world, "doubt").await;
    world.edit(|dir| dir.delete_user("two"));
    assert_eq!(holds(&world.sync().await), ["relink"]);
    world.approve();
    world.sync().await;
    assert_eq!(world.app.active().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn mp1_a_group_made_again_is_neither_deleted_nor_doubled() {
    for members in [&["ann"][..], &["ann", "bo", "cy"][..]] {
        let dir =
            Directory::of(&["ann", "bo", "cy"]).with_group("all", &["ann", "bo", "cy"]).with_group("few", members);
        let world = synced(dir).await;
        let before = world.app.holdings().groups.into_keys().collect::<Vec<_>>();
        world.edit(|dir| remake_group(dir, "few", "few2"));
        assert_waits(&world, "a group").await;
        let report = world.sync().await;
        assert_eq!((holds(&report), held(&report)), (vec!["relink"], vec!["relink_group few".to_owned()]));
        world.approve();
        assert_eq!(world.sync().await.status(), Status::Ok);
        assert_eq!(world.app.holdings().groups.into_keys().collect::<Vec<_>>(), before, "the same group");
        assert_eq!(world.app.members("few").unwrap().len(), members.len());
        world.sync().await;
        world.assert_quiet().await;
        world.edit(|dir| dir.part("few2", "ann"));
        world.sync().await;
        assert_eq!(world.app.members("few").unwrap_or_default().len(), members.len() - 1, "managed by the new record");
    }
}

/// Every user and every group under another id, and one user who really left.
fn rekey_all(dir: &mut Directory) {
    for at in 0..20 {
        remake(dir, &format!("u{at:02}"), &format!("n{at:02}"));
    }
    for group in ["all", "some"] {
        remake_group(dir, group, &format!("{group}-n"));
    }
}

#[tokio::test(start_paused = true)]
async fn mp1_when_all_ids_change_the_approval_keeps_everybodys_access() {
    let world = synced(crowd(21).with_group("some", &["u00", "u01"])).await;
    let before = world.app.holdings();
    world.edit(|dir| {
        rekey_all(dir);
        dir.delete_user("u20");
    });
    assert_waits(&world, "rekey").await;
    let report = world.sync().await;
    assert_eq!(holds(&report), ["rekey"]);
    let detail = report.holds[0].detail();
    assert!(detail.contains("20 accounts") && detail.contains("21 active now, 21 after"), "{detail}");
    world.approve();
    let report = world.sync().await;
    let (removed, kept): (Vec<_>, Vec<_>) = report
        .operations()
        .iter()
        .enumerate()
        .filter(|(at, _)| report.result(*at) == OpOutcome::Done)
        .partition(|(_, operation)| operation.op().takes_access());
    assert!(removed.is_empty(), "an approval of changed ids removes nobody: {removed:?}");
    assert_eq!(kept.iter().filter(|(_, operation)| operation.op() == Op::RelinkUser).count(), 20);
    assert_eq!(world.app.active().len(), 21);
    world.sync().await;
    world.sync().await;
    assert_eq!(world.app.active().len(), 20, "who really left goes by the usual limits, in a run of its own");
    let after = world.app.holdings();
    assert_eq!(after.users.keys().collect::<Vec<_>>(), before.users.keys().collect::<Vec<_>>(), "the same accounts");
    assert_eq!(after.groups.keys().collect::<Vec<_>>(), before.groups.keys().collect::<Vec<_>>(), "the same groups");
    assert_eq!(world.app.members("some").unwrap(), ["u00@x.test", "u01@x.test"]);
    world.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn mp1_a_new_record_with_the_name_of_a_user_who_is_there_is_held() {
    let world = synced(crowd(5)).await;
    world.edit(|dir| {
        dir.add_user("again");
        dir.set("again", "userName", "u00@x.test");
        dir.join("all", "again");
    });
    assert_waits(&world, "both are there").await;
    world.edit(|dir| dir.hidden.extend(["u00".into()]));
    world.sync().await;
    assert_eq!(world.app.writes(), [""; 0], "hidden is not gone");
    assert_eq!(world.app.active().len(), 5);
}
