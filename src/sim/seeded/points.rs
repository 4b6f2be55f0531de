//! P1, enumerated: the process is killed, or the power goes, at every single point of a cycle at which something is written,
//! synced, renamed, sent or answered. Nothing is sampled.

use std::collections::BTreeSet;

use super::kinds::{Kind, Kinds};
use super::life::Life;
use crate::config::tenant::DeprovisioningAction;
use crate::fail::power;
use crate::model::LifecycleStatus;
use crate::sim::Directory;

/// More points than a cycle of this size passes.
const MOST: u64 = 1000;

fn before() -> Directory {
    let mut dir = Directory::of(&["p0", "p1", "p2", "p3", "p4"]);
    dir.add_group("g1", &["p0", "p1", "p2", "p3"]);
    dir.add_group("g2", &["p1", "p4"]);
    dir.add_group("g3", &["p0"]);
    dir
}

/// Every kind of change at once.
fn edit(dir: &mut Directory) {
    dir.add_user("p5");
    dir.join("g1", "p5");
    dir.set("p1", "displayName", "One");
    dir.stand("p2", LifecycleStatus::Suspended);
    dir.delete_user("p3");
    dir.part("g2", "p1");
    dir.join("g3", "p1");
    dir.group("g1").name = "team one".into();
    dir.groups.remove("g2");
    dir.add_group("g4", &["p4", "p0"]);
}

/// Kills at point `n` of the first sync, or of a day of changes; says where that was.
async fn killed_at(kinds: Kinds, first: bool, n: u64, power_cut: bool) -> Result<Option<&'static str>, String> {
    let mut life = Life::of(n, kinds, before());
    life.begin().await?;
    if !first {
        life.sync().await?;
        life.source.edit(edit);
    }
    let cut = life.crash_at(n, power_cut).await?;
    life.settle().await.map_err(|why| format!("{}\n{why}", life.story()))?;
    Ok(cut)
}

fn enumerate(app: Kind, fate: DeprovisioningAction, first: bool) {
    let kinds = Kinds { app, fate, ..Kinds::plain() };
    let mut names = BTreeSet::new();
    for power_cut in [false, true] {
        for n in 1..MOST {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let cut = runtime.block_on(killed_at(kinds, first, n, power_cut));
            power::on(None);
            match cut {
                Err(why) => {
                    panic!("{why}\n{kinds:?}, first sync: {first}, killed at point {n}, power cut: {power_cut}")
                }
                Ok(Some(name)) => drop(names.insert(name)),
                Ok(None) => {
                    assert!(n > 20, "every point was tried: {n}");
                    break;
                }
            }
        }
    }
    let all =
        ["journal.append", "journal.sync", "journal.synced", "file.write", "file.rename", "file.renamed", "app.called"];
    let missed: Vec<&&str> = all.iter().chain(&["app.answers"]).filter(|name| !names.contains(**name)).collect();
    assert!(missed.is_empty(), "never killed at {missed:?}");
}

#[test]
fn p1_killed_at_every_point_of_a_first_sync() {
    enumerate(Kind::Careless, DeprovisioningAction::Deactivate, true);
}

#[test]
fn p1_killed_at_every_point_of_a_day_of_changes() {
    enumerate(Kind::Careless, DeprovisioningAction::Deactivate, false);
}

#[test]
fn p1_killed_at_every_point_where_accounts_are_deleted() {
    enumerate(Kind::Strict, DeprovisioningAction::Delete, false);
}

#[test]
fn p1_killed_at_every_point_where_the_app_hides_who_is_switched_off() {
    enumerate(Kind::Hiding, DeprovisioningAction::Deactivate, false);
}
