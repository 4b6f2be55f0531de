//! Taking runs back in the simulated world.

use std::collections::{BTreeMap, BTreeSet};

use super::history::History;
use super::undo::{NoSuchRun, Reversal, find_run, reverse};
use super::{Approval, LeftAlone, Task, retire};
use crate::clock::Clock;
use crate::config::forms::Limit;
use crate::config::profile::InactiveEffect;
use crate::config::tenant::{Adopted, DeprovisioningAction, GroupFate};
use crate::cycle::CycleReport;
use crate::model::RunStatus as Status;
use crate::model::{LifecycleStatus, ObjectRef, Op};
use crate::sim::{Directory, Fault, World, command};
use crate::store::{Baseline, Decision, DecisionVerdict, JournalEvent, StoreError, Trigger};

/// SplitMix64: enough chance for a test, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % below as u64) as usize
    }
}

const PEOPLE: [&str; 9] = ["ann", "bob", "cid", "dee", "eve", "fay", "gus", "hal", "ida"];
const GROUPS: [&str; 3] = ["red", "green", "blue"];

fn pick(dice: &mut Dice, all: &[&'static str]) -> &'static str {
    all[dice.roll(all.len())]
}

/// One change in the directory, of any kind.
fn edit(dir: &mut Directory, dice: &mut Dice) {
    let (who, group) = (pick(dice, &PEOPLE), pick(dice, &GROUPS));
    let number = dice.roll(100);
    match dice.roll(10) {
        0 if !dir.users.contains_key(who) => dir.add_user(who),
        1 if dir.users.contains_key(who) => dir.delete_user(who),
        2 if dir.users.contains_key(who) => dir.stand(who, LifecycleStatus::Suspended),
        3 if dir.users.contains_key(who) => dir.stand(who, LifecycleStatus::Active),
        4 if dir.users.contains_key(who) => dir.set(who, "displayName", format!("name {number}")),
        5 if dir.groups.contains_key(group) => dir.group(group).name = format!("{group} {number}"),
        6 if !dir.groups.contains_key(group) => dir.add_group(group, &[]),
        7 if dir.groups.contains_key(group) && number < 40 => drop(dir.groups.remove(group)),
        8 if dir.groups.contains_key(group) => dir.group(group).assigned = number < 70,
        _ if dir.users.contains_key(who) && dir.groups.contains_key(group) => match number < 60 {
            true => dir.join(group, who),
            false => dir.part(group, who),
        },
        _ => {}
    }
}

/// A tenant with nobody's limits in the way and somebody who always stays.
fn world(deletes: bool) -> World {
    let dir = Directory::of(&["stays", "ann", "bob", "cid", "dee", "eve"])
        .with_group("ground", &["stays"])
        .with_group("red", &["ann", "bob", "cid"])
        .with_group("green", &["cid", "dee"]);
    let mut world = World::new(dir);
    world.reconfigure(|tenant| {
        if deletes {
            (tenant.on_deleted, tenant.on_suspended) = (DeprovisioningAction::Delete, DeprovisioningAction::Delete);
        } else {
            tenant.on_group_deleted = GroupFate::Leave;
        }
        let mut limits = tenant.limits.lock().unwrap();
        (limits.removals_per_day, limits.group_removals) = (Limit::NONE, Limit::NONE);
        (limits.source_shrink, limits.attribute_loss) = (Limit::NONE, Limit::NONE);
        (limits.activations_per_day, limits.value_changes, limits.identifier_changes) =
            (Limit::NONE, Limit::NONE, Limit::NONE);
        limits.adopt = crate::config::tenant::AdoptApproval::Never;
    });
    world
}

/// What the app holds by its own ids: accounts with their values, groups with their members.
#[derive(Debug, Clone, PartialEq)]
struct Held {
    accounts: BTreeMap<String, (bool, String)>,
    groups: BTreeMap<String, (String, BTreeSet<String>)>,
}

fn held(world: &World) -> Held {
    let holdings = world.app.holdings();
    let account = |account: &crate::sim::Account| (account.active, serde_json::to_string(&account.attributes).unwrap());
    Held {
        accounts: holdings.users.iter().map(|(id, user)| (id.clone(), account(user))).collect(),
        groups: holdings.groups.into_iter().map(|(id, group)| (id, (group.name, group.members))).collect(),
    }
}

fn records(world: &World) -> impl Iterator<Item = Result<crate::store::Record, StoreError>> + use<> {
    world.store.records().into_iter().map(Ok)
}

fn reversal(world: &World, name: &str) -> Reversal {
    let run = find_run(records(world), name).unwrap();
    let mut history = History::read(records(world), &run).unwrap();
    history.name_the_gone(records(world)).unwrap();
    let errand = world.errand();
    reverse(&mut history, &run, &world.store, &errand.rules).unwrap()
}

/// Takes a run back, as `rosterd undo` does.
async fn undo(world: &World, name: &str) -> (Reversal, CycleReport) {
    let errand = world.errand();
    errand.recover(world.writer(), &crate::store::Alone).await.unwrap();
    let reversal = reversal(world, name);
    world.app.forget_calls();
    let shown = errand.preview(&world.store, reversal.task()).unwrap();
    assert_eq!(world.app.calls(), [], "a preview makes no call");
    let report = errand.run(world.writer(), reversal.task()).await.unwrap();
    assert_eq!(shown.plan_hash(), report.plan_hash(), "i10: what was shown is what ran");
    let tally = report.tally();
    assert_eq!(tally.planned, tally.done + tally.held + tally.failed, "i11: {report:?}");
    (reversal, report)
}

/// Asserts that memberships, active flags and values are those of before, but for what the run made and what is said.
fn assert_restored(before: &Held, world: &World, reversal: &Reversal, seed: u64) {
    let now = held(world);
    let said: Vec<&LeftAlone> = reversal.cannot.iter().chain(&reversal.skipped).collect();
    for (id, account) in &before.accounts {
        match now.accounts.get(id) {
            Some(found) => assert_eq!(found, account, "i9: seed {seed}, account {id}"),
            None => assert!(
                said.iter().any(|left| matches!(left.object, ObjectRef::User(_)) && account.1.contains(&left.name)),
                "seed {seed}: account {id} {account:?} is gone in silence: {said:?}"
            ),
        }
    }
    let alive = |members: &BTreeSet<String>| -> BTreeSet<String> {
        members.iter().filter(|id| now.accounts.contains_key(*id)).cloned().collect()
    };
    for (id, (name, members)) in &before.groups {
        match now.groups.get(id) {
            Some((now_named, found)) => {
                assert_eq!((now_named, alive(found)), (name, alive(members)), "i9: seed {seed}, group {id}");
            }
            None => assert!(said.iter().any(|left| left.name == *name), "seed {seed}: group {name} is gone in silence"),
        }
    }
    for (id, (active, _)) in now.accounts.iter().filter(|(id, _)| !before.accounts.contains_key(*id)) {
        assert!(!active, "seed {seed}: account {id}, which the run made, is switched off");
        assert!(now.groups.values().all(|(_, members)| !members.contains(id)), "seed {seed}: {id} is in no group");
    }
    for (id, (_, members)) in now.groups.iter().filter(|(id, _)| !before.groups.contains_key(*id)) {
        assert_eq!(members.len(), 0, "seed {seed}: group {id}, which the run made, is empty");
    }
}

#[tokio::test(start_paused = true)]
async fn i9_undo_restores_memberships_and_active_flags_of_a_run_exactly() {
    let (mut runs, mut operations, mut losses) = (0, 0, 0);
    for seed in 0..600 {
        let deletes = seed % 3 == 0;
        let (mut world, mut dice) = (world(deletes), Dice(seed));
        world.reconfigure(|tenant| tenant.profile.groups.members_on_create = seed % 4 == 1);
        world.app.has_user("fay@x.test", seed % 2 == 0);
        world.app.has_group("blue", &[]);
        world.sync().await;
        for _ in 0..dice.roll(3) {
            world.edit(|dir| (0..3).for_each(|_| edit(dir, &mut dice)));
            world.sync().await;
        }
        let before = held(&world);
        world.edit(|dir| (0..8).for_each(|_| edit(dir, &mut dice)));
        let report = world.sync().await;
        if report.tally().done == 0 {
            continue;
        }
        let after = held(&world);
        let (back, report) = undo(&world, report.run.as_str()).await;
        assert_eq!((report.status(), &back.skipped[..]), (Status::Ok, &[][..]), "seed {seed}: {report:?}");
        assert_restored(&before, &world, &back, seed);
        (runs, operations, losses) = (runs + 1, operations + report.tally().done, losses + back.cannot.len());
        assert!(deletes || back.cannot.is_empty(), "seed {seed}: nothing was deleted: {:?}", back.cannot);
        // The directory still says what it said: it is held until it is approved, and then it is quiet.
        for _ in 0..4 {
            world.sync().await;
            world.approve_if_held();
        }
        let again = held(&world);
        for (id, (active, _)) in &after.accounts {
            assert_eq!(again.accounts.get(id).map(|account| account.0), Some(*active), "seed {seed}: account {id}");
        }
        world.assert_quiet().await;
    }
    assert!(runs > 400 && operations > 1000 && losses > 20, "{runs} runs, {operations} operations, {losses} losses");
}

#[tokio::test(start_paused = true)]
async fn i9_an_undo_is_a_run_that_can_be_undone_itself() {
    let mut runs = 0;
    for seed in 0..300 {
        let (world, mut dice) = (world(false), Dice(seed ^ 0xABCD));
        world.sync().await;
        world.edit(|dir| (0..8).for_each(|_| edit(dir, &mut dice)));
        if world.sync().await.tally().done == 0 {
            continue;
        }
        let after = held(&world);
        undo(&world, "last").await;
        if world.app.writes().is_empty() {
            continue;
        }
        let (_, report) = undo(&world, "last").await;
        assert_eq!(report.status(), Status::Ok, "{report:?}");
        assert_eq!(held(&world), after, "seed {seed}");
        runs += 1;
        let undone = world.store.records().into_iter().filter_map(|record| match record.event {
            JournalEvent::RunStarted { trigger, .. } => Some(trigger),
            _ => None,
        });
        assert_eq!(undone.filter(|trigger| *trigger == Trigger::Undo).count(), 2, "each is a run of its own");
    }
    assert!(runs > 200, "{runs}");
}

#[tokio::test(start_paused = true)]
async fn i9_a_run_that_was_killed_at_any_call_is_taken_back_all_the_same() {
    for fault in [Fault::crash(), Fault::crash().but_done()] {
        for n in 0.. {
            let world = world(false);
            world.sync().await;
            let before = held(&world);
            world.edit(|dir| {
                dir.add_user("new");
                dir.join("red", "new");
                dir.part("red", "ann");
                dir.set("bob", "displayName", "Robert");
                dir.stand("dee", LifecycleStatus::Suspended);
                dir.group("green").name = "lime".into();
            });
            world.app.fail_nth_write(n, fault.clone());
            let minute = std::time::Duration::from_secs(3600);
            let ended = tokio::time::timeout(minute, world.ask(&command(), true)).await.is_ok();
            world.app.heal();
            if find_run(records(&world), "last").is_ok() {
                let (back, report) = undo(&world, "last").await;
                assert_eq!(report.status(), Status::Ok, "killed at write {n}, {fault:?}: {report:?}");
                assert_restored(&before, &world, &back, u64::from(n));
            }
            if ended {
                assert!(n > 5, "every call was tried");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_changed_since_is_left_alone_and_said() {
    let world = world(false);
    world.sync().await;
    world.edit(|dir| {
        dir.set("ann", "displayName", "first");
        dir.set("bob", "displayName", "first");
        dir.part("red", "cid");
    });
    let first = world.sync().await.run;
    world.edit(|dir| {
        dir.set("ann", "displayName", "second");
        dir.join("red", "cid");
    });
    world.sync().await;
    let (back, _) = undo(&world, first.as_str()).await;
    assert_eq!(world.app.writes(), ["update_user bob@x.test"]);
    assert_eq!(world.app.value("ann@x.test", "displayName").as_deref(), Some("second"));
    assert_eq!(back.skipped.len(), 1, "cid is a member again already, which needs no word: {:?}", back.skipped);
    assert!(back.skipped[0].name == "ann@x.test" && back.skipped[0].why.contains("changed since by run"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_undone_is_said_by_name() {
    let world = world(true);
    world.sync().await;
    world.edit(|dir| {
        dir.delete_user("ann");
        dir.groups.remove("green");
    });
    world.sync().await;
    let back = reversal(&world, "last");
    let names: BTreeSet<&str> = back.cannot.iter().map(|left| left.name.as_str()).collect();
    assert!(names.contains("ann@x.test") && names.contains("green"), "{:?}", back.cannot);
    assert!(back.cannot.iter().all(|left| left.why.contains("deleted") || left.why.contains("no account")));
}

#[tokio::test(start_paused = true)]
async fn i2_an_undo_is_held_by_the_same_guard_and_spares_the_protected() {
    let mut world = world(false);
    world.reconfigure(|tenant| tenant.protect = vec!["bob@x.test"]);
    world.sync().await;
    world.edit(|dir| {
        for id in ["fay", "gus", "hal", "ida", "jon"] {
            dir.add_user(id);
            dir.join("red", id);
        }
    });
    world.sync().await;
    world.reconfigure_limits(|limits| *limits = crate::sim::limits());
    let (_, report) = undo(&world, "last").await;
    assert_eq!(report.status(), Status::Held);
    assert_eq!(world.app.writes(), [""; 0], "five of ten is over the budget, and over the group's");
    let reasons: BTreeSet<&str> = report.holds.iter().map(|hold| hold.code().name()).collect();
    assert_eq!(reasons, BTreeSet::from(["group_removals", "removals_per_day"]));

    // A word on another plan lets nothing pass; one on exactly this one all but the protected.
    world.reconfigure(|tenant| tenant.protect = vec!["bob@x.test", "fay@x.test"]);
    let held = held_of_undo(&world);
    let report = undo_approved(&world, "00112233445566778899aabbccddeeff").await;
    assert_eq!((report.status(), report.tally().done), (Status::Held, 0));
    assert_eq!(world.app.writes(), [""; 0]);
    let report = undo_approved(&world, &held).await;
    assert!(report.tally().done > 0, "{report:?}");
    assert!(world.app.account("fay@x.test").unwrap().1.active, "i2: protected people never, approved or not");
    assert!(!world.app.account("gus@x.test").unwrap().1.active);
    let decided =
        records(&world).filter(|record| matches!(record.as_ref().unwrap().event, JournalEvent::Decided { .. }));
    assert_eq!(decided.count(), 1, "i10: only what counted is on record");
}

/// The run that was held is still the last one that changed anything.
fn held_of_undo(world: &World) -> String {
    let report = world.errand().preview(&world.store, reversal(world, "last").task()).unwrap();
    report.cleared.unwrap().held_plan().unwrap()
}

async fn undo_approved(world: &World, plan: &str) -> CycleReport {
    let (at, by, reason) = (world.clock.now(), "ann".to_owned(), "agreed".to_owned());
    let decision = Decision {
        plan: plan.to_owned(),
        verdict: DecisionVerdict::Approve,
        by,
        identity: None,
        reason,
        at,
        expires: at,
    };
    let task = Task { approval: Approval::Given(vec![decision]), ..reversal(world, "last").task() };
    world.app.forget_calls();
    world.errand().run(world.writer(), task).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn i2_an_undo_without_limits_spares_the_protected_all_the_same() {
    let mut world = world(false);
    world.sync().await;
    world.edit(|dir| {
        for id in ["fay", "gus"] {
            dir.add_user(id);
            dir.join("red", id);
        }
    });
    world.sync().await;
    world.reconfigure(|tenant| tenant.protect = vec!["bob@x.test", "fay@x.test"]);
    let run = find_run(records(&world), "last").unwrap();
    let (back, _) = undo(&world, run.as_str()).await;
    assert!(world.app.account("fay@x.test").unwrap().1.active, "i2: protected people never");
    assert!(!world.app.account("gus@x.test").unwrap().1.active);
    assert!(back.skipped.iter().any(|left| left.name == "fay@x.test" && left.why.contains("protected")));
}

#[tokio::test(start_paused = true)]
async fn an_adopted_account_is_let_go_only_when_it_is_as_it_was() {
    let world = world(false);
    world.app.has_user("fay@x.test", false);
    world.sync().await;
    world.edit(|dir| {
        dir.add_user("fay");
        dir.join("red", "fay");
    });
    let before = held(&world);
    world.sync().await;
    assert!(world.app.account("fay@x.test").unwrap().1.active);
    let fay = crate::model::SourceId::from("fay");
    world.app.fail("remove_members", "red", 1, Fault::refused(crate::scim::FailureClass::Forbidden, 403));
    let run = find_run(records(&world), "last").unwrap();
    let (_, report) = undo(&world, run.as_str()).await;
    assert_eq!(report.tally().held, 1, "the release waits: {report:?}");
    assert!(world.store.user(&fay).unwrap().is_some());
    undo(&world, run.as_str()).await;
    assert_eq!(world.store.user(&fay).unwrap(), None);
    assert_eq!(held(&world), before);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_when_shown_is_not_let_go_when_run() {
    let world = world(false);
    for id in ["fay", "gus", "hal", "ida"] {
        world.app.has_user(&format!("{id}@x.test"), false);
    }
    world.sync().await;
    world.edit(|dir| {
        for id in ["fay", "gus", "hal", "ida"] {
            dir.add_user(id);
            dir.join("red", id);
        }
    });
    world.sync().await;
    world.reconfigure_limits(|limits| *limits = crate::sim::limits());
    let linked = world.linked_count();
    let (_, report) = undo(&world, "last").await;
    let adopted = report.operations().iter().filter(|operation| operation.op() == Op::ReleaseUser).count();
    assert_eq!((adopted, report.status()), (4, Status::Held));
    assert_eq!(world.linked_count(), linked, "they are active and members still: nobody is let go of");
}

#[tokio::test(start_paused = true)]
async fn i9_calls_that_were_never_answered_are_taken_back_too() {
    let world = world(false);
    world.sync().await;
    let before = held(&world);
    world.edit(|dir| {
        dir.stand("dee", LifecycleStatus::Suspended);
        dir.set("ann", "displayName", "new");
        dir.group("green").name = "lime".into();
        dir.part("red", "bob");
    });
    for name in ["deactivate", "update_user", "rename_group", "remove_members"] {
        world.app.fail(name, "", 9, Fault::lost().but_done());
    }
    let report = world.sync().await;
    assert_eq!(report.tally().done, 0, "as far as anybody knows: {report:?}");
    assert_ne!(held(&world), before);
    world.app.heal();
    let (back, report) = undo(&world, "last").await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    assert_eq!((held(&world), back.skipped.len()), (before, 0), "{back:?}");
}

#[tokio::test(start_paused = true)]
async fn i9_a_membership_call_that_was_never_answered_is_taken_back_after_a_change_of_the_user_name() {
    for readable in [true, false] {
        let mut world = world(false);
        world.reconfigure(|tenant| tenant.profile.read.members_readable = readable);
        world.app.behave(|manners| manners.members_readable = readable);
        world.sync().await;
        let before = held(&world);
        world.edit(|dir| {
            dir.set("cid", "userName", "sid@x.test");
            dir.part("red", "cid");
        });
        world.app.fail("remove_members", "", 9, Fault::lost().but_done());
        world.sync().await;
        assert_eq!(world.app.members("red").unwrap().len(), 2, "the app did it, and did not say so");
        world.app.heal();
        let (back, _) = undo(&world, "last").await;
        assert_eq!(held(&world), before, "members are shown: {readable}; {back:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn i9_under_transient_faults_what_is_not_restored_is_said() {
    let mut restored = 0;
    for seed in 0..200 {
        let (world, mut dice) = (world(false), Dice(seed ^ 0x5EED));
        world.sync().await;
        let before = held(&world);
        let first = find_run(records(&world), "last").unwrap();
        world.edit(|dir| (0..8).for_each(|_| edit(dir, &mut dice)));
        world.app.noise(seed, 45);
        world.sync().await;
        world.app.heal();
        let run = find_run(records(&world), "last").unwrap();
        if run == first {
            // Every call was refused: there is nothing to take back.
            continue;
        }
        let (back, _) = undo(&world, run.as_str()).await;
        if back.skipped.is_empty() && back.cannot.is_empty() {
            assert_restored(&before, &world, &back, seed);
            restored += 1;
        }
    }
    assert!(restored > 120, "{restored}");
}

#[tokio::test(start_paused = true)]
async fn a_paused_tenant_can_be_put_in_order_and_paused_again_in_the_middle() {
    let world = world(false);
    world.edit(|dir| {
        for id in ["eve", "fay", "gus", "hal"] {
            dir.add_user(id);
            dir.join("red", id);
        }
    });
    world.sync().await;
    world.edit(|dir| PEOPLE.iter().take(8).for_each(|id| dir.set(id, "displayName", "new")));
    world.sync().await;
    let mark = |by: &str| {
        Some(crate::store::TenantMark { at: None, by: by.to_owned(), identity: None, reason: String::new() })
    };
    let pause = world.store.pause();
    *pause.lock().unwrap() = mark("ann");
    let other = std::sync::Arc::clone(&pause);
    world.app.after_writes(1, move || *other.lock().unwrap() = mark("bob"));
    let run = find_run(records(&world), "last").unwrap();
    let (_, report) = undo(&world, run.as_str()).await;
    assert_eq!(report.status(), Status::Partial, "a second pause stops an undo too");
    assert!(report.tally().done >= 1 && report.tally().done < 8, "{report:?}");
    undo(&world, run.as_str()).await;
    assert!(
        PEOPLE
            .iter()
            .take(8)
            .all(|id| { world.app.value(&format!("{id}@x.test"), "displayName").as_deref() == Some(*id) })
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_is_found_by_its_id_by_its_beginning_and_as_the_last() {
    let world = world(false);
    assert!(matches!(find_run(records(&world), "last"), Err(NoSuchRun::Unknown(_))));
    let first = world.sync().await.run;
    world.assert_quiet().await;
    assert_eq!(find_run(records(&world), "last").unwrap(), first, "a quiet run changed nothing");
    world.edit(|dir| dir.set("ann", "displayName", "x"));
    let second = world.sync().await.run;
    assert_eq!(find_run(records(&world), "last").unwrap(), second);
    assert_eq!(find_run(records(&world), first.as_str()).unwrap(), first);
    let common = first.as_str().chars().zip(second.as_str().chars()).take_while(|(a, b)| a == b).count();
    let begins = |run: &str, n: usize| find_run(records(&world), &run[..n]);
    assert_eq!(begins(first.as_str(), common + 1).unwrap(), first);
    assert!(matches!(begins(first.as_str(), common), Err(NoSuchRun::Ambiguous { .. })));
    for bad in ["", "zz"] {
        assert!(matches!(find_run(records(&world), bad), Err(NoSuchRun::Unknown(_))), "{bad:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn i2_an_undo_that_takes_the_last_group_counts_against_the_budget() {
    let ids = ["fay", "gus", "hal", "ida", "ann", "bob", "cid", "dee"];
    let mut dir = Directory::of(&ids).with_group("red", &[]).with_group("blue", &["ann", "bob", "cid", "dee"]);
    dir.users.values_mut().for_each(|user| user.direct = true);
    for (joining, reason) in [(&ids[..4], vec!["removals_per_day"]), (&ids[4..], vec![])] {
        let world = World::new(dir.clone());
        world.reconfigure_limits(|limits| limits.group_removals = Limit::NONE);
        world.sync().await;
        world.edit(|dir| joining.iter().for_each(|id| dir.join("red", id)));
        world.sync().await;
        let (_, report) = undo(&world, "last").await;
        let reasons: Vec<&str> = report.holds.iter().map(|hold| hold.code().name()).collect();
        assert_eq!(reasons, reason, "{joining:?}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn j17_retiring_spares_the_adopted_where_the_tenant_keeps_them() {
    for (adopted, active) in [(Adopted::Keep, true), (Adopted::Manage, false)] {
        let mut world = world(false);
        world.reconfigure(|tenant| tenant.adopted = adopted);
        world.app.has_user("ann@x.test", true);
        world.sync().await;
        let errand = world.errand();
        let (plan, kept) = retire::deactivate_all(&world.store, &errand.rules).unwrap();
        errand.run(world.writer(), retire::task(plan, "bob")).await.unwrap();
        assert_eq!((world.app.account("ann@x.test").unwrap().1.active, kept.len()), (active, usize::from(active)));
        assert!(!world.app.account("bob@x.test").unwrap().1.active);
    }
}

#[tokio::test(start_paused = true)]
async fn j17_retiring_switches_everybody_off_but_the_protected_whatever_the_budget() {
    for deletes in [InactiveEffect::KeepsResource, InactiveEffect::HidesResource] {
        let mut world = world(false);
        world.reconfigure(|tenant| {
            tenant.protect = vec!["bob@x.test"];
            tenant.profile.users.inactive_effect = deletes;
            *tenant.limits.lock().unwrap() = crate::sim::limits();
        });
        world.app.behave(|app| app.inactive_effect = deletes);
        world.app.has_user("stranger@x.test", true);
        world.app.has_user("bob@x.test", true);
        world.sync().await;
        let errand = world.errand();
        let (plan, kept) = retire::deactivate_all(&world.store, &errand.rules).unwrap();
        assert_eq!(kept, [], "somebody who is protected was never linked");
        let report = errand.run(world.writer(), retire::task(plan, "ann")).await.unwrap();
        assert_eq!((report.status(), report.tally().held), (Status::Ok, 0));
        assert_eq!(world.app.active(), ["bob@x.test", "stranger@x.test"], "i4: and strangers");
        let summary = world.store.runs(1).unwrap().remove(0);
        assert!(summary.note.contains("retired by ann"), "{summary:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn i9_an_account_that_was_replaced_is_not_given_back_and_that_is_said() {
    let mut world = world(false);
    world.reconfigure(|tenant| {
        tenant.profile.attributes.fix(&["userName"]);
        tenant.on_immutable_change = crate::config::tenant::OnImmutableChange::Recreate;
    });
    world.sync().await;
    world.edit(|dir| dir.set("ann", "userName", "annie@x.test"));
    assert_eq!(world.sync().await.status(), Status::Ok);
    let before = held(&world);
    let (reversal, report) = undo(&world, "last").await;
    assert_eq!(report.operations(), []);
    assert_eq!(held(&world), before);
    assert!(!reversal.cannot.is_empty());
    for left in &reversal.cannot {
        assert!(left.why.contains("replaced by another one"), "{left:?}");
    }
}
