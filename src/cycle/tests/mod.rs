//! The whole engine against a simulated directory and app: what people lose and keep, in which order, after how many calls.

mod adopting;
mod answered;
mod answers;
mod attributes;
mod bounds;
mod causes;
mod composed;
mod crashing;
mod deciding;
mod duplicates;
mod evidence;
mod failing;
mod first;
mod first_sync;
mod groups;
mod guarding;
mod guards;
mod holes;
mod kept_creates;
mod leaving;
mod naive;
mod names;
mod new_groups;
mod other_ids;
mod pausing;
mod reach;
mod recreating;
mod released;
mod reliability;
mod relinking;
mod rules_drills;
mod rules_fates;
mod rules_model;
mod rules_moves;
mod rules_switches;
mod rules_table;
mod several;
mod switched_on;
mod taken_values;
mod takeover;

use crate::cycle::CycleReport;
use crate::model::{LifecycleStatus, OpOutcome, RunStatus as Status};
use crate::sim::{Directory, Fault, World, command};

/// People `u00`, `u01`, … who are all members of the group `all`.
fn crowd(n: usize) -> Directory {
    let ids: Vec<String> = (0..n).map(|at| format!("u{at:02}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    Directory::of(&ids).with_group("all", &ids)
}

/// A tenant in step with its directory.
async fn synced(directory: Directory) -> World {
    let world = World::new(directory);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    world.assert_quiet().await;
    world
}

/// As [`synced`], with another tenant file.
async fn synced_as(directory: Directory, change: impl FnOnce(&mut crate::sim::Tenant)) -> World {
    let mut world = World::new(directory);
    world.reconfigure(change);
    let report = world.sync().await;
    assert_eq!(report.status(), Status::Ok, "{report:?}");
    world.assert_quiet().await;
    world
}

/// The names of the holds.
fn holds(report: &CycleReport) -> Vec<&str> {
    report.holds.iter().map(|hold| hold.code().name()).collect()
}

/// `op name` of the operations that failed, with the reason.
fn failures(report: &CycleReport) -> Vec<(String, String)> {
    let failed = report.operations().iter().enumerate().filter(|(at, _)| report.result(*at) == OpOutcome::Failed);
    let shown = failed.filter_map(|(at, operation)| {
        Some((format!("{} {}", operation.op().name(), operation.name), report.obstacle(at)?.to_string()))
    });
    shown.collect()
}

/// `op name` of the operations that were held.
fn held(report: &CycleReport) -> Vec<String> {
    let operations = report.operations().iter().enumerate();
    let held = operations.filter(|(at, _)| report.result(*at) == OpOutcome::Held);
    held.map(|(_, operation)| format!("{} {}", operation.op().name(), operation.name)).collect()
}
