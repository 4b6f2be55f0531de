//! The process is killed during a call, at every call there is, with and without the call's effect (P1).

use super::*;
use crate::config::tenant::DeprovisioningAction;

/// Runs a cycle until it ends or its n-th writing call never returns; says whether it ended.
async fn until_crash(world: &World, n: u32, fault: Fault) -> bool {
    world.app.fail_nth_write(n, fault);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(3600), world.ask(&command(), true)).await;
    world.app.heal();
    ended.is_ok()
}

fn before() -> Directory {
    let mut dir = crowd(6);
    dir.add_group("night", &["u00", "u01"]);
    dir.add_group("day", &["u02"]);
    dir
}

fn edit(dir: &mut Directory) {
    dir.add_user("new");
    dir.join("night", "new");
    dir.set("u01", "displayName", "one");
    dir.stand("u02", LifecycleStatus::Suspended);
    dir.delete_user("u03");
    dir.part("night", "u00");
    dir.join("day", "u00");
    dir.group("day").name = "daytime".into();
    dir.add_group("extra", &["u04", "u05"]);
}

#[tokio::test(start_paused = true)]
async fn p1_killed_at_every_call_the_app_still_ends_as_it_should() {
    for deletes in [false, true] {
        let tenant = |tenant: &mut crate::sim::Tenant| {
            let fate = if deletes { DeprovisioningAction::Delete } else { DeprovisioningAction::Deactivate };
            (tenant.on_suspended, tenant.on_deleted) = (fate, fate);
        };
        let calm = synced_as(before(), tenant).await;
        calm.edit(edit);
        assert_eq!(calm.sync().await.status(), Status::Ok);
        for n in 0.. {
            let mut ended = true;
            for fault in [Fault::crash(), Fault::crash().but_done()] {
                let world = synced_as(before(), tenant).await;
                world.app.behave(|app| app.unique = false);
                world.edit(edit);
                ended &= until_crash(&world, n, fault.clone()).await;
                world.sync().await;
                world.sync().await;
                assert_eq!(seen(&world), seen(&calm), "killed at write {n}, {fault:?}");
                assert_eq!(world.spent_budget(), calm.spent_budget(), "killed at write {n}, {fault:?}");
                world.assert_quiet().await;
            }
            if ended {
                assert!(n > 8, "every call was tried: {n}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p1_killed_in_the_first_sync_nobody_is_doubled() {
    for members_on_create in [false, true] {
        first_sync_killed_everywhere(members_on_create).await;
    }
}

async fn first_sync_killed_everywhere(members_on_create: bool) {
    let calm = synced(before()).await;
    for n in 0.. {
        let mut ended = true;
        for fault in [Fault::crash(), Fault::crash().but_done()] {
            let mut world = World::new(before());
            world.reconfigure(|tenant| tenant.profile.groups.members_on_create = members_on_create);
            world.app.behave(|app| app.unique = false);
            ended &= until_crash(&world, n, fault).await;
            world.sync().await;
            assert_eq!(seen(&world), seen(&calm), "killed at write {n}");
            world.sync().await;
            world.assert_quiet().await;
        }
        if ended {
            break;
        }
    }
}

type Seen = (Vec<(String, bool, Option<String>)>, Vec<(String, Vec<String>)>);

/// User names with standing, and groups with members, whatever the app's ids are.
fn seen(world: &World) -> Seen {
    let holdings = world.app.holdings();
    let mut users: Vec<_> = holdings
        .users
        .values()
        .map(|user| {
            let text = |path: &str| user.attributes.text(&crate::model::Path::parse(path).unwrap()).map(str::to_owned);
            (text("userName").unwrap(), user.active, text("displayName"))
        })
        .collect();
    users.sort();
    let mut groups: Vec<_> =
        holdings.groups.values().map(|group| (group.name.clone(), world.app.members(&group.name).unwrap())).collect();
    groups.sort();
    (users, groups)
}

#[tokio::test(start_paused = true)]
async fn i1_i3_under_transient_faults_everything_arrives_and_nobody_is_doubled() {
    let calm = synced(before()).await;
    for seed in 0..200 {
        let world = World::new(before());
        world.app.behave(|app| app.unique = seed % 2 == 0);
        world.app.noise(seed, 35);
        world.sync().await;
        world.app.heal();
        world.clock.pass(jiff::SignedDuration::from_hours(24));
        world.sync().await;
        assert_eq!(seen(&world), seen(&calm), "seed {seed}");
        world.sync().await;
        world.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn i2_what_was_taken_before_a_crash_counts_against_the_budget() {
    let world = synced(crowd(3).with_group("team", &["u00", "u01"])).await;
    world.app.fail("delete_group", "team", 1, Fault::crash().but_done());
    world.edit(|dir| drop(dir.groups.remove("team")));
    let killed = tokio::time::timeout(std::time::Duration::from_secs(3600), world.sync()).await;
    assert!(killed.is_err(), "the process ended during the call");
    world.sync().await;
    assert_eq!(world.spent_budget().len(), 2);
    world.assert_quiet().await;
}
