//! A report for people: grouped, counted, each change with its reason. In: a [`Report`]. Out: lines.

use std::collections::BTreeMap;

use anstyle::Style;
use serde_json::Value;

use super::screen::{ADD, CHANGE, FAINT, REMOVE, STRONG, Screen, WAIT, count, paint, safe, thousands};
use crate::cycle::{Report, Shown, Status};
use crate::guard::Cleared;
use crate::model::{Change, Op};
use crate::plan::Operation;

/// How many objects of one kind are listed before the rest is only counted. `-v` lists all.
const LISTED: usize = 12;
/// How many members of one change are named.
const NAMED: usize = 6;

pub(super) fn show(screen: &Screen, report: &Report) {
    heading(screen, report);
    changes(screen, report);
    closing(screen, report);
}

/// What changes, and what is held.
pub(super) fn changes(screen: &Screen, report: &Report) {
    let mut by_op: BTreeMap<Op, Vec<usize>> = BTreeMap::new();
    for (at, operation) in report.operations().iter().enumerate() {
        by_op.entry(operation.op()).or_default().push(at);
    }
    for (op, places) in &by_op {
        section(screen, report, *op, places);
    }
    holds(screen, report);
}

fn heading(screen: &Screen, report: &Report) {
    let counts = report.snapshot;
    screen.say(format!(
        "{}  {}",
        paint(STRONG, &report.tenant),
        paint(
            FAINT,
            format!(
                "directory: {}, {}, {}",
                count(counts.users, "person", "people"),
                count(counts.groups, "group", "groups"),
                count(counts.memberships, "membership", "memberships")
            )
        )
    ));
    if report.recovered > 0 {
        let calls = count(report.recovered as u64, "call", "calls");
        screen.say(format!("  an earlier run was interrupted: {calls} looked up in the app and put on record"));
    }
}

/// The sign, colour and words of one kind of change.
fn manner(op: Op) -> (&'static str, Style, &'static str) {
    match op {
        Op::CreateUser => ("+", ADD, "create account"),
        Op::AdoptUser => ("=", CHANGE, "adopt account"),
        Op::RelinkUser => ("=", CHANGE, "link account to a new record"),
        Op::ReplaceUser => ("~", CHANGE, "put account aside for a new one"),
        Op::UpdateUser => ("~", CHANGE, "update account"),
        Op::ActivateUser => ("+", ADD, "activate account"),
        Op::DeactivateUser => ("-", REMOVE, "deactivate account"),
        Op::DeleteUser => ("-", REMOVE, "delete account"),
        Op::CreateGroup => ("+", ADD, "create group"),
        Op::AdoptGroup => ("=", CHANGE, "adopt group"),
        Op::RelinkGroup => ("=", CHANGE, "link group to a new record"),
        Op::RenameGroup => ("~", CHANGE, "rename group"),
        Op::AddMembers => ("+", ADD, "add members"),
        Op::RemoveMembers => ("-", REMOVE, "remove members"),
        Op::DeleteGroup => ("-", REMOVE, "delete group"),
        Op::ReleaseGroup => ("=", CHANGE, "release group"),
        Op::ReleaseUser => ("=", CHANGE, "release account"),
    }
}

fn section(screen: &Screen, report: &Report, op: Op, places: &[usize]) {
    let (sign, style, words) = manner(op);
    screen.say("");
    screen.say(format!(
        "  {} {}",
        paint(style.bold(), words),
        paint(FAINT, format!("({})", thousands(places.len() as u64)))
    ));
    let most = if screen.verbose > 0 { usize::MAX } else { LISTED };
    // What failed or waits is what a person wants to see first.
    let (odd, plain): (Vec<usize>, Vec<usize>) =
        places.iter().partition(|&&at| matches!(report.result(at), Shown::Failed(_) | Shown::Held));
    for &at in odd.iter().chain(&plain).take(most) {
        if let Some(operation) = report.operations().get(at) {
            line(screen, report, at, operation, sign, style);
        }
    }
    if places.len() > most {
        screen.say(paint(FAINT, format!("    … and {} more (-v shows all)", thousands((places.len() - most) as u64))));
    }
}

fn line(screen: &Screen, report: &Report, at: usize, operation: &Operation, sign: &str, style: Style) {
    let result = match report.result(at) {
        Shown::Planned | Shown::Done => String::new(),
        Shown::Held => paint(WAIT, "  held"),
        Shown::Failed(_) => paint(REMOVE, "  failed"),
    };
    screen.say(format!(
        "    {} {}{result}  {}",
        paint(style, sign),
        safe(&operation.name),
        paint(FAINT, safe(&operation.reason))
    ));
    for change in operation.changes().iter().filter(|_| operation.op() != Op::CreateUser || screen.verbose > 0) {
        if let Some(text) = change_text(change) {
            screen.say(format!("        {text}"));
        }
    }
    let blocked = match &operation.blocked {
        Some(crate::plan::Blocked::Held(why)) => Some(why.as_str()),
        _ => None,
    };
    let why = if let Shown::Failed(why) = report.result(at) { Some(why) } else { blocked };
    if let Some(why) = why {
        screen.say(format!("        {}", paint(REMOVE, safe(why))));
    }
}

pub(super) fn change_text(change: &Change) -> Option<String> {
    if change.attribute == "members" {
        let members = change.from.as_array().or(change.to.as_array())?;
        let names: Vec<String> = members.iter().take(NAMED).filter_map(Value::as_str).map(safe).collect();
        let more = members.len().saturating_sub(NAMED);
        let rest = if more > 0 { format!(" and {} more", thousands(more as u64)) } else { String::new() };
        return Some(format!("{}{rest}", names.join(", ")));
    }
    let (from, to) = (value_text(&change.from), value_text(&change.to));
    Some(format!("{}  {} {} {}", short(&change.attribute), paint(FAINT, from), paint(FAINT, "→"), to))
}

/// An attribute's path without what every reader knows.
fn short(attribute: &str) -> String {
    attribute.replace(&format!("{}:", crate::model::ENTERPRISE), "enterprise.")
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => format!("{:?}", safe(text)),
        other => safe(&other.to_string()),
    }
}

fn holds(screen: &Screen, report: &Report) {
    if report.holds.is_empty() {
        return;
    }
    screen.say("");
    for hold in &report.holds {
        screen.say(format!("  {} {}: {}", paint(WAIT.bold(), "held"), paint(STRONG, &hold.reason), safe(&hold.detail)));
    }
    if report.cleared.as_ref().is_some_and(Cleared::is_all_held) {
        screen.say(
            "       nothing was sent. Look at the cause first; once it is mended, the next run goes on by itself.",
        );
    }
    if let Some(no) = &report.rejected {
        screen.say(format!("       rejected by {}: {}", safe(&no.by), safe(&no.reason)));
    } else if let Some(plan) = report.cleared.as_ref().and_then(Cleared::held_plan) {
        let (tenant, id) = (&report.tenant, plan.get(..8).unwrap_or(&plan));
        screen.say(format!("       `rosterd approve {tenant} {id} --reason …` lets exactly what is held pass, once"));
    }
}

/// The numbers, in a line.
pub(super) fn closing(screen: &Screen, report: &Report) {
    let tally = report.tally();
    screen.say("");
    if tally.planned == 0 && report.holds.is_empty() {
        screen.say(format!(
            "  {} {}",
            paint(ADD.bold(), "in step:"),
            format_args!("nothing to change, {} to the app", count(report.calls.total, "call", "calls"))
        ));
        return;
    }
    let calls = count(report.calls.total, "call", "calls");
    if report.dry_run {
        screen.say(format!(
            "  {} {}: {} planned, {} held, {} can't be done; {calls} to the app, none of them a write",
            paint(STRONG, "plan"),
            report.plan_hash(),
            thousands(tally.planned),
            thousands(tally.held),
            thousands(tally.failed),
        ));
        return;
    }
    let (word, style) = match report.status() {
        Status::Ok => ("done", ADD),
        Status::Partial => ("partly done", CHANGE),
        Status::Held => ("held", WAIT),
        Status::Failed => ("failed", REMOVE),
    };
    let took = report.ended.duration_since(report.started);
    screen.say(format!(
        "  {}: {} planned, {} done, {} held, {} failed; {calls} in {}",
        paint(style.bold(), word),
        thousands(tally.planned),
        thousands(tally.done),
        thousands(tally.held),
        thousands(tally.failed),
        duration(took.as_secs_f64()),
    ));
    if let Some(stop) = &report.stop {
        screen.say(format!("  {}", paint(REMOVE, safe(&stop.to_string()))));
    }
}

/// `0.4 s`, `3 min 20 s`.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s => format!("{} min {} s", (s / 60.0) as u64, (s % 60.0) as u64),
    }
}
