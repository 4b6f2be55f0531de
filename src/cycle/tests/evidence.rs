//! Stories of what a reading does not show: names that lead nowhere, and signs of suspension that are gone.

use super::*;

/// People `u00`… in the groups `all` and `some`, half of them in the second.
fn two_groups(n: usize) -> Directory {
    let mut directory = crowd(n);
    let half: Vec<String> = (0..n / 2).map(|at| format!("u{at:02}")).collect();
    directory.add_group("some", &half.iter().map(String::as_str).collect::<Vec<_>>());
    directory
}

/// Takes the first people out of the list; groups go on naming them.
fn take_out(directory: &mut Directory, count: usize) {
    for at in 0..count {
        directory.users.remove(&format!("u{at:02}"));
    }
}

fn active(world: &World) -> usize {
    let accounts = world.app.holdings().users;
    accounts.values().filter(|account| account.active).count()
}

#[tokio::test]
async fn mp4_people_whom_a_group_still_names_keep_their_access_whatever_their_number() {
    for (of, hidden) in [(10, 1), (40, 3), (100, 12), (60, 20)] {
        let world = synced(two_groups(of)).await;
        world.reconfigure_limits(|limits| limits.source_shrink = crate::config::forms::Limit::NONE);
        world.edit(|directory| take_out(directory, hidden));
        for _ in 0..3 {
            let report = world.sync().await;
            assert!(holds(&report).contains(&"dangling_member"), "{hidden}: {:?}", report.holds);
            assert_eq!((report.tally().done, active(&world)), (0, of), "{hidden} of {of}");
            assert_eq!(report.dangling.count as usize, hidden + hidden.min(of / 2), "{:?}", report.dangling);
        }
        world.edit(|directory| (0..hidden).for_each(|at| directory.add_user(&format!("u{at:02}"))));
        assert_eq!(world.sync().await.holds, [], "they are shown again");
        assert_eq!(active(&world), of);
    }
}

#[tokio::test]
async fn mp4_the_hold_ends_with_the_name_or_with_an_approval() {
    let world = synced(crowd(10)).await;
    world.edit(|directory| take_out(directory, 2));
    assert_eq!(holds(&world.sync().await), ["dangling_member"]);
    world.edit(|directory| directory.part("all", "u00"));
    let report = world.sync().await;
    assert_eq!((holds(&report), active(&world)), (vec!["dangling_member"], 9), "{report:?}");
    world.approve();
    let report = world.sync().await;
    assert_eq!((report.status(), active(&world)), (Status::Ok, 8), "{:?}", report.holds);
    let report = world.sync().await;
    assert_eq!((report.status(), report.operations().len()), (Status::Ok, 0), "what was approved is over");
}

#[tokio::test]
async fn mp4_a_rename_that_the_group_does_not_follow_ends_no_membership() {
    let mut directory = Directory::of(&["ann", "bob", "cleo", "dan"]).with_group("eng", &[]);
    for id in ["ann", "bob", "cleo", "dan"] {
        directory.names.insert(id.to_owned(), format!("uid={id},ou=people"));
        directory.join("eng", &format!("uid={id},ou=people"));
    }
    let world = synced(directory).await;
    world.edit(|directory| drop(directory.names.insert("ann".to_owned(), "uid=ann.lee,ou=people".to_owned())));
    for _ in 0..3 {
        let report = world.sync().await;
        assert_eq!(holds(&report), ["dangling_member"], "{report:?}");
        assert_eq!((report.tally().done, active(&world)), (0, 4));
        let detail = report.holds[0].detail();
        assert!(detail.contains("uid=ann,ou=people") && detail.contains("ann@x.test"), "{detail}");
    }
    world.edit(|directory| {
        directory.part("eng", "uid=ann,ou=people");
        directory.join("eng", "uid=ann.lee,ou=people");
    });
    let report = world.sync().await;
    assert_eq!((report.status(), active(&world)), (Status::Ok, 4), "the group follows: {:?}", report.holds);
}

#[tokio::test]
async fn mp4_a_name_of_an_inner_group_speaks_for_the_outer_one() {
    let directory = Directory::of(&["ann", "bob", "cleo"]).with_group("inner", &["ann", "bob"]);
    let mut directory = directory.with_group("outer", &["inner", "cleo"]);
    directory.group("inner").assigned = false;
    let world = synced_as(directory, |tenant| tenant.nested = true).await;
    world.edit(|directory| drop(directory.users.remove("ann")));
    let report = world.sync().await;
    assert_eq!((holds(&report), report.tally().done), (vec!["dangling_member"], 0), "{report:?}");
}

#[tokio::test]
async fn mp4_a_name_written_wrong_keeps_the_member_that_it_was() {
    let world = synced(crowd(10)).await;
    world.edit(|directory| {
        directory.part("all", "u03");
        directory.join("all", "U03");
    });
    let report = world.sync().await;
    assert_eq!((holds(&report), report.tally().done), (vec!["dangling_member"], 0), "{report:?}");
    world.edit(|directory| directory.part("all", "U03"));
    let report = world.sync().await;
    assert_eq!(
        (report.status(), active(&world)),
        (Status::Ok, 9),
        "without the name they have left: {:?}",
        report.holds
    );
}

#[tokio::test]
async fn mp4_a_directory_that_proves_absences_is_believed_though_a_membership_lingers() {
    let mut directory = crowd(10);
    directory.proves_absence = true;
    let world = synced(directory).await;
    world.edit(|directory| take_out(directory, 1));
    let report = world.sync().await;
    assert_eq!((holds(&report), active(&world)), (Vec::<&str>::new(), 9), "{report:?}");
    assert_eq!(report.dangling.count, 1);
}

#[tokio::test]
async fn mp4_a_suspension_waits_for_no_name() {
    let world = synced(crowd(10)).await;
    world.edit(|directory| {
        directory.join("all", "stranger");
        directory.stand("u04", LifecycleStatus::Suspended);
    });
    let report = world.sync().await;
    assert_eq!((report.status(), active(&world)), (Status::Ok, 9), "{:?}", report.holds);
}

/// Ten active people and five suspended ones who never had accounts.
async fn with_suspended() -> World {
    let mut directory = crowd(15);
    directory.sign = Some("nsAccountLock");
    (10..15).for_each(|at| directory.stand(&format!("u{at:02}"), LifecycleStatus::Suspended));
    let world = synced(directory).await;
    assert_eq!(active(&world), 10);
    world.edit(|directory| directory.stand("u00", LifecycleStatus::Suspended));
    world.sync().await;
    assert_eq!(active(&world), 9);
    world
}

fn lose_the_sign(directory: &mut Directory) {
    directory.sign = None;
    directory.users.values_mut().for_each(|user| user.standing = LifecycleStatus::Active);
}

#[tokio::test]
async fn mp3_a_sign_that_is_gone_activates_nobody_and_gives_leavers_no_accounts() {
    let world = with_suspended().await;
    world.edit(lose_the_sign);
    for _ in 0..3 {
        let report = world.sync().await;
        assert_eq!((holds(&report), active(&world)), (vec!["source_evidence"], 9), "{report:?}");
        assert_eq!(world.app.holdings().users.len(), 10, "no account for who never had one");
        let detail = report.holds[0].detail();
        assert!(
            detail.contains("nsAccountLock") && detail.contains("1 accounts") && detail.contains("5 given"),
            "{detail}"
        );
    }
    world.edit(|directory| directory.add_user("new"));
    world.edit(|directory| directory.join("all", "new"));
    world.sync().await;
    assert_eq!(active(&world), 10, "somebody new gets an account all the same");
    world.edit(|directory| {
        directory.sign = Some("nsAccountLock");
        directory.stand("u00", LifecycleStatus::Suspended);
        (10..15).for_each(|at| directory.stand(&format!("u{at:02}"), LifecycleStatus::Suspended));
    });
    assert_eq!(world.sync().await.status(), Status::Ok);
}

#[tokio::test]
async fn mp3_an_approval_settles_that_the_sign_is_gone_for_good() {
    let world = with_suspended().await;
    world.edit(lose_the_sign);
    world.sync().await;
    world.approve();
    let report = world.sync().await;
    assert_eq!((report.status(), active(&world)), (Status::Ok, 15), "{:?}", report.holds);
    world.edit(|directory| directory.stand("u01", LifecycleStatus::Suspended));
    world.sync().await;
    world.edit(|directory| directory.stand("u01", LifecycleStatus::Active));
    assert_eq!(world.sync().await.status(), Status::Ok, "it is not on record any more");
}

#[tokio::test]
async fn mp3_a_sign_lost_while_nothing_depended_on_it_is_still_missed_later() {
    let world = with_suspended().await;
    world.edit(|directory| directory.sign = None);
    assert_eq!(world.sync().await.status(), Status::Ok);
    world.edit(lose_the_sign);
    assert_eq!(holds(&world.sync().await), ["source_evidence"]);
}
