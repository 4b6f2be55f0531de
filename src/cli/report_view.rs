//! A report for people: grouped, counted, each change with its reason. In: a [`Telling`], of this process or the daemon's. Out: lines.

use std::collections::BTreeMap;

use anstyle::Style;
use serde_json::Value;

use super::screen::{ADD, CHANGE, FAINT, REMOVE, STRONG, Screen, WAIT, count, named, paint, safe, thousands};
use crate::cycle::{CycleReport, OperationReport, Telling};
use crate::model::{Change, Op, OpOutcome, RunStatus, fold};

/// How many objects of one kind are listed before the rest is only counted. `-v` lists all.
const LISTED: usize = 12;
/// How many members of one change are named.
const NAMED: usize = 6;

/// How many operations of one kind are listed.
pub(super) fn listed(screen: &Screen) -> usize {
    if screen.verbose > 0 { usize::MAX } else { LISTED }
}

/// A report of this process, as far as it is shown.
pub(super) fn told(screen: &Screen, report: &CycleReport) -> Telling {
    report.told(listed(screen))
}

pub(super) fn show(screen: &Screen, report: &Telling) {
    heading(screen, report);
    changes(screen, report, approval(report.tenant.as_str()));
    closing(screen, report);
}

/// What changes, and what is held. `approval` is the command that lets a plan of this id pass.
pub(super) fn changes(screen: &Screen, report: &Telling, approval: impl Fn(&str) -> String) {
    for op in in_order_of_sending(report) {
        section(screen, report, op, report.summary.get(&op).copied().unwrap_or_default());
    }
    holds(screen, report, approval);
}

/// The kinds of change, in the order in which the first one of each is sent: the loss of access comes first.
fn in_order_of_sending(report: &Telling) -> Vec<Op> {
    let mut order: Vec<Op> = Vec::with_capacity(report.summary.len());
    for op in report.operations.iter().map(|operation| operation.op).chain(report.summary.keys().copied()) {
        if !order.contains(&op) {
            order.push(op);
        }
    }
    order
}

/// What a run did not do of what was shown before: each change that failed or is held.
pub(super) fn unfinished(screen: &Screen, report: &Telling) {
    let left = report.operations.iter();
    for one in left.filter(|one| !matches!(one.result, OpOutcome::Done | OpOutcome::Noted | OpOutcome::Planned)) {
        line(screen, one, one.op.sign(), style_of(one.op));
    }
}

/// The command that approves what a sync held.
pub(super) fn approval(tenant: &str) -> impl Fn(&str) -> String {
    move |id| format!("rosterd approve {tenant} {id}")
}

fn heading(screen: &Screen, report: &Telling) {
    let counts = report.snapshot;
    screen.say(format!(
        "{}  {}",
        paint(STRONG, &report.tenant),
        paint(
            FAINT,
            format!(
                "directory: {}, {}, {}",
                count(counts.users, "user", "users"),
                count(counts.groups, "group", "groups"),
                count(counts.memberships, "membership", "memberships")
            )
        )
    ));
    if report.dangling.count > 0 {
        screen.say(format!(
            "  {} in groups in scope {} to no user and no group that can be read",
            count(report.dangling.count, "name", "names"),
            if report.dangling.count == 1 { "leads" } else { "lead" },
        ));
        for example in &report.dangling.examples {
            screen.say(paint(FAINT, format!("    {}", safe(example))));
        }
    }
    if report.recovered > 0 {
        let calls = count(report.recovered, "call", "calls");
        screen.say(format!("  an earlier run was interrupted: {calls} looked up in the app and put on record"));
    }
}

/// The colour of one kind of change.
fn style_of(op: Op) -> Style {
    match op.sign() {
        "+" => ADD,
        "-" => REMOVE,
        _ => CHANGE,
    }
}

fn section(screen: &Screen, report: &Telling, op: Op, count: u64) {
    let (sign, style, words) = (op.sign(), style_of(op), op.title());
    screen.say("");
    screen.say(format!("  {} {}", paint(style.bold(), words), paint(FAINT, format!("({})", thousands(count)))));
    let of_kind = report.operations.iter().filter(|told| told.op == op);
    // What failed or waits is what a person wants to see first.
    let (mut odd, mut plain): (Vec<&OperationReport>, Vec<&OperationReport>) =
        of_kind.partition(|told| matches!(told.result, OpOutcome::Failed | OpOutcome::Held));
    // In the order of names: that of the directory's ids means nothing to people.
    odd.sort_by_cached_key(|told| fold(&told.name));
    plain.sort_by_cached_key(|told| fold(&told.name));
    let mut shown = 0;
    for told in odd.into_iter().chain(plain).take(listed(screen)) {
        line(screen, told, sign, style);
        shown += 1;
    }
    if count > shown {
        screen.say(paint(FAINT, format!("    … and {} more (-v shows all)", thousands(count - shown))));
    }
}

fn line(screen: &Screen, told: &OperationReport, sign: &str, style: Style) {
    let result = match told.result {
        OpOutcome::Held => paint(WAIT, "  held"),
        OpOutcome::Failed => paint(REMOVE, "  failed"),
        _ => String::new(),
    };
    let (name, reason) = (named(&told.name), paint(FAINT, safe(&told.reason)));
    screen.say(format!("    {} {name}{result}  {reason}", paint(style, sign)));
    for change in told.changes.iter().filter(|_| told.op != Op::CreateUser || screen.verbose > 0) {
        if let Some(text) = change_text_with(change, &told.names) {
            screen.say(format!("        {text}"));
        }
    }
    if let Some(why) = &told.detail {
        screen.say(format!("        {}", paint(REMOVE, safe(why))));
    }
}

pub(super) fn change_text(change: &Change) -> Option<String> {
    change_text_with(change, &BTreeMap::new())
}

/// As [`change_text`], with the names of what it gives by id.
pub(super) fn change_text_with(change: &Change, names: &BTreeMap<String, String>) -> Option<String> {
    if change.is_of_members() {
        let members = change.from.as_array().or(change.to.as_array())?;
        let names: Vec<String> = members.iter().take(NAMED).filter_map(Value::as_str).map(named).collect();
        let more = members.len().saturating_sub(NAMED);
        let rest = if more > 0 { format!(" and {} more", thousands(more as u64)) } else { String::new() };
        return Some(format!("{}{rest}", names.join(", ")));
    }
    let shown = |value: &Value| match value.as_str().and_then(|id| names.get(id)) {
        Some(name) => format!("{} ({})", named(name), value_text(value)),
        None => value_text(value),
    };
    let (from, to) = (shown(&change.from), shown(&change.to));
    Some(format!("{}: {} {} {}", short(&change.attribute), paint(FAINT, from), paint(FAINT, "→"), to))
}

/// An attribute's path without what every reader knows.
fn short(attribute: &str) -> String {
    attribute.replace(&format!("{}:", crate::model::ENTERPRISE), "enterprise.")
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => format!("{:?}", safe(text)),
        other => safe(&other.to_string()),
    }
}

fn holds(screen: &Screen, report: &Telling, approval: impl Fn(&str) -> String) {
    if report.holds.is_empty() {
        return;
    }
    screen.say("");
    for hold in &report.holds {
        screen.say(format!(
            "  {} {}: {}",
            paint(WAIT.bold(), "held"),
            paint(STRONG, hold.code()),
            safe(&hold.detail())
        ));
        screen.say(paint(FAINT, format!("       released by {}", hold.code().release())));
    }
    if let Some(access) = &report.access {
        screen.say(format!("       {access}"));
    }
    if report.all_held {
        screen.say(
            "       nothing was sent. Look at the cause first; once it is fixed, the next run continues by itself.",
        );
    }
    if let Some(no) = &report.rejected {
        screen.say(format!("       rejected by {}: {}", safe(&no.who()), safe(&no.reason)));
    } else if let Some(plan) = &report.held_plan {
        if let Some(approvals) = &report.approvals {
            screen.say(format!("       {}", safe(&approvals.to_string())));
        }
        let command = approval(plan.get(..8).unwrap_or(plan));
        screen.say(format!("       Approve with: `{command} --reason …`"));
    }
}

/// The numbers, in a line.
pub(super) fn closing(screen: &Screen, report: &Telling) {
    screen.say("");
    if report.planned == 0 && report.holds.is_empty() {
        screen.say(format!(
            "  {} {}",
            paint(ADD.bold(), "in sync:"),
            format_args!("no changes, {} to the app", count(report.calls.total, "call", "calls"))
        ));
        return;
    }
    let calls = count(report.calls.total, "call", "calls");
    if report.dry_run {
        screen.say(format!(
            "  {} {}, {} held, {} blocked (read-only)",
            paint(STRONG, "Plan:"),
            count(report.planned, "change", "changes"),
            thousands(report.held),
            thousands(report.failed),
        ));
        screen.say(paint(FAINT, format!("  id {}; {calls} to the app, no writes", report.plan)));
        return;
    }
    let (word, style) = match report.status {
        RunStatus::Ok => ("done", ADD),
        RunStatus::Partial => ("partial", CHANGE),
        RunStatus::Held => ("held", WAIT),
        RunStatus::Failed => ("failed", REMOVE),
    };
    let took = report.ended.duration_since(report.started);
    screen.say(format!(
        "  {}: {} planned, {} done, {} held, {} failed; {calls} in {}",
        paint(style.bold(), word),
        thousands(report.planned),
        thousands(report.done),
        thousands(report.held),
        thousands(report.failed),
        duration(took.as_secs_f64()),
    ));
    if let Some(stop) = &report.stopped {
        screen.say(format!("  {}", paint(REMOVE, safe(stop))));
    }
}

/// `0.4 s`, `3 min 20 s`.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s => format!("{} min {} s", (s / 60.0) as u64, (s % 60.0) as u64),
    }
}
