//! `rosterd status`: how each tenant stood at the end of its last run.

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;

use super::args::{Format, Global};
use super::check;
use super::failure::Failure;
use super::screen::{ADD, CHANGE, FAINT, REMOVE, STRONG, Screen, WAIT, count, paint, safe};
use crate::clock::{Clock as _, SystemClock};
use crate::daemon;
use crate::model::{RunStatus, TenantName};
use crate::store::{HeldPlan, Mark, Sign, Status, read_held, read_mark, read_status, tenants_with_state};

/// How many failures are listed for people.
const LISTED: usize = 10;

#[derive(Serialize)]
struct Line {
    tenant: String,
    #[serde(flatten)]
    status: Option<Status>,
    /// What waits for a decision.
    held_plan: Option<HeldPlan>,
    /// Who asked that nothing be sent.
    paused: Option<Mark>,
    /// Who ended the connection.
    retired: Option<Mark>,
    /// What the daemon does with it; nothing if none runs.
    daemon: Option<daemon::Line>,
    /// What the last comparison with the app by its own schedule found.
    drift: Option<daemon::Compared>,
    /// There is state, and no tenant file any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    file_gone: bool,
}

pub(super) fn run(screen: &Screen, global: &Global, tenants: &[String]) -> Result<(), Failure> {
    let names = check::names(screen, global, tenants)?;
    let state_dir = check::state_dir(screen, global)?;
    let mut gone = if tenants.is_empty() { tenants_with_state(&state_dir)? } else { Vec::new() };
    gone.retain(|name| !names.contains(name) && read_mark(&state_dir.join(name.as_str()), Sign::Retired).is_none());
    of_all(screen, &state_dir, &names, &gone)
}

fn of_all(screen: &Screen, state_dir: &Path, tenants: &[TenantName], gone: &[TenantName]) -> Result<(), Failure> {
    let mut all = Vec::with_capacity(tenants.len());
    let board = daemon::read_board(state_dir);
    let mut lines: HashMap<String, daemon::Line> = HashMap::new();
    if let Some(board) = &board {
        lines.extend(board.tenants.iter().map(|line| (line.tenant.clone(), line.clone())));
    }
    for tenant in tenants.iter().chain(gone) {
        let folder = state_dir.join(tenant.as_str());
        let (paused, retired) = (read_mark(&folder, Sign::Paused), read_mark(&folder, Sign::Retired));
        let (status, held_plan) = (read_status(&folder)?, read_held(&folder)?);
        let daemon = lines.remove(tenant.as_str());
        let (drift, file_gone) = (daemon::read_compared(&folder)?, gone.contains(tenant));
        let tenant = tenant.to_string();
        all.push(Line { tenant, status, held_plan, paused, retired, daemon, drift, file_gone });
    }
    if screen.format == Format::Json {
        screen.json(&all)?;
        return Ok(());
    }
    if all.is_empty() {
        screen.say("there are no tenants yet; `rosterd init NAME` writes the first tenant file");
    }
    for line in &all {
        match &line.status {
            None => screen.say(format!(
                "{}  has not run yet; `rosterd plan {0}` shows what it would do",
                paint(STRONG, &line.tenant)
            )),
            Some(status) => show(screen, status),
        }
        if let Some(held) = &line.held_plan {
            waiting(screen, &line.tenant, held);
        }
        marks(screen, line);
        if let Some(drift) = &line.drift {
            compared(screen, &line.tenant, drift);
        }
        if line.file_gone {
            screen.say(format!(
                "  {} nothing is sent, and the app stays as it is. Put the file back to go on; to end the connection for good, put it back and `rosterd retire {}`",
                paint(WAIT.bold(), "its tenant file is gone:"),
                line.tenant
            ));
        }
        if let Some(daemon) = &line.daemon {
            on_schedule(screen, daemon);
        }
    }
    let (mistake, troubles) = board.map_or((None, [None, None]), |board| (board.mistake, [board.deaf, board.page]));
    troubles.into_iter().flatten().for_each(|why| screen.note(safe(&why)));
    if let Some(mistake) = mistake {
        screen.note(format!("the daemon goes on with the configuration it had: {}", safe(&mistake)));
    }
    Ok(())
}

/// What is held, why, whom it concerns, and what to type.
fn waiting(screen: &Screen, tenant: &str, held: &HeldPlan) {
    screen.say(format!(
        "  {} plan {}: {} since {}",
        paint(WAIT.bold(), "held"),
        paint(STRONG, &held.plan),
        count(held.count, "change", "changes"),
        held.at
    ));
    for hold in &held.holds {
        screen.say(format!("    {}: {}", paint(STRONG, hold.code()), safe(&hold.detail())));
    }
    let most = if screen.verbose > 0 { usize::MAX } else { LISTED };
    for operation in held.operations.iter().take(most) {
        let why = paint(FAINT, safe(&operation.reason.to_string()));
        screen.say(format!("      {} {}  {why}", operation.op.name(), safe(&operation.name)));
    }
    let more = held.count.saturating_sub(held.operations.len().min(most) as u64);
    if more > 0 {
        screen.say(paint(FAINT, format!("      … and {more} more (-v shows more)")));
    }
    match &held.rejected {
        Some(no) => {
            let why = if no.reason.is_empty() { String::new() } else { format!(": {}", safe(&no.reason)) };
            screen.say(format!("    {} by {} at {}{why}", paint(REMOVE, "rejected"), safe(&no.by), no.at));
        }
        None => {
            let id = held.plan.get(..8).unwrap_or(&held.plan);
            screen.say(paint(
                FAINT,
                format!("    `rosterd approve {tenant} {id} --reason …` lets exactly this pass, `rosterd reject {tenant} {id}` says no"),
            ));
        }
    }
}

/// What the daemon is doing with it, and when next.
fn on_schedule(screen: &Screen, line: &daemon::Line) {
    match (line.running_since, line.due) {
        (Some(since), _) => screen.say(paint(FAINT, format!("  running since {since}"))),
        (None, Some(due)) => screen.say(paint(FAINT, format!("  next run {due}"))),
        (None, None) => {}
    }
    if let Some(standing) = line.standing.filter(|standing| standing.is_failing()) {
        let times = count(u64::from(line.failures), "time", "times");
        screen.say(format!("  {} {times} in a row: {}", paint(REMOVE.bold(), standing.name()), safe(&line.note)));
        if line.cause == Some(daemon::Cause::Credential) {
            screen.say(paint(
                FAINT,
                "  nothing is asked of either side until the secret is another one, or `systemctl reload rosterd`",
            ));
        }
    }
    let now = SystemClock.now();
    for expiry in line.expiries.iter().filter(|expiry| expiry.nearness(now).is_some()) {
        screen.say(format!("  {}", paint(WAIT.bold(), expiry.words(now))));
    }
    if let Some(mistake) = &line.mistake {
        screen.say(format!("  {} {}", paint(REMOVE.bold(), "mistake in the file, not in force:"), safe(mistake)));
    }
}

/// What was changed in the app by hand, when that was last looked at.
fn compared(screen: &Screen, tenant: &str, drift: &daemon::Compared) {
    let of_kind = |(kind, number): (&String, &u64)| format!("{number} {}", kind.replace('_', " "));
    let found: Vec<String> = drift.found.iter().map(of_kind).collect();
    match &drift.failed {
        Some(why) => {
            let word = paint(WAIT.bold(), "not compared with the app");
            screen.say(format!("  {word} at {}: {}", drift.at, safe(why)));
        }
        None if found.is_empty() => {
            screen.say(paint(FAINT, format!("  nothing was changed in the app by hand, as of {}", drift.at)));
        }
        None => screen.say(format!(
            "  {} as of {}: {}; {} repaired; `rosterd drift {tenant}` shows them",
            paint(CHANGE, "changed in the app by hand"),
            drift.at,
            found.join(", "),
            drift.repaired
        )),
    }
}

/// What somebody said of the tenant as a whole.
fn marks(screen: &Screen, line: &Line) {
    if let Some(mark) = &line.paused {
        let next = format!("`rosterd resume {}` lets it go on", line.tenant);
        screen.say(format!("  {} {}; {next}", paint(WAIT.bold(), "paused"), safe(&mark.to_string())));
    }
    if let Some(mark) = &line.retired {
        screen.say(format!("  {} {}", paint(REMOVE.bold(), "retired"), safe(&mark.to_string())));
    }
}

fn show(screen: &Screen, status: &Status) {
    let run = &status.last_run;
    let style = match run.status {
        RunStatus::Ok => ADD,
        RunStatus::Partial => CHANGE,
        RunStatus::Held => WAIT,
        RunStatus::Failed => REMOVE,
    };
    screen.say(format!(
        "{}  {}  {}, {} linked",
        paint(STRONG, &status.tenant),
        paint(style.bold(), run.status.name()),
        count(status.linked.users, "person", "people"),
        count(status.linked.groups, "group", "groups"),
    ));
    screen.say(paint(
        FAINT,
        format!(
            "  last run {}: {} planned, {} done, {} held, {} failed, {}",
            run.ended,
            run.planned,
            run.done,
            run.held,
            run.failed,
            count(run.calls, "call", "calls")
        ),
    ));
    match status.last_ok {
        Some(at) if run.status != RunStatus::Ok => screen.say(paint(FAINT, format!("  last good run {at}"))),
        _ => {}
    }
    if !run.note.is_empty() {
        screen.say(format!("  {}", paint(style, safe(&run.note))));
    }
    if let Some(why) = &status.adopt_only {
        screen.say(format!("  {} {}", paint(WAIT, "adopt-only:"), safe(why)));
    }
    if status.open_intents > 0 {
        screen.say(format!(
            "  {} without an answer; the next run looks them up before anything is repeated",
            count(status.open_intents, "call", "calls")
        ));
    }
    for (object, note) in status.failed.iter().take(LISTED) {
        screen.say(format!(
            "  {} {object}: {} (tried {}, the schedule tries again {})",
            paint(REMOVE, "set aside"),
            safe(&note.reason.to_string()),
            count(u64::from(note.attempts), "time", "times"),
            note.next_try
        ));
    }
    let more = status.failures.saturating_sub(status.failed.len().min(LISTED) as u64);
    if more > 0 {
        screen.say(paint(FAINT, format!("  … and {more} more set aside")));
    }
}
