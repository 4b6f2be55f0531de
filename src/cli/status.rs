//! `rosterd status`: a table of all tenants, and below it what each of them needs a person for. It takes what runs left and what the daemon
//! does; it starts nothing and asks neither side.

mod table;

use super::args::{Format, Global};
use super::failure::CommandFailure;
use super::screen::{ADD, CHANGE, FAINT, REMOVE, STRONG, Screen, WAIT, count, named, paint, safe, thousands};
use super::{check, reload};
use crate::clock::{self, Clock as _, SystemClock};
use crate::daemon::{self, ControlReply, ControlRequest, TenantStatus};
use crate::model::RunStatus;
use crate::store::{HeldPlan, ImportNote, ImportState, ImportWait, Sign, Status};

/// How many failures are listed for people.
const LISTED: usize = 10;

pub(super) async fn run(screen: &Screen, global: &Global, tenants: &[String]) -> Result<(), CommandFailure> {
    if check::is_out_of_reach(global) {
        // The account may read by `[control]` alone.
        let stores = check::stores(screen, global)?;
        return match reload::ask(&stores, || ControlRequest::Status { tenants: tenants.to_vec() }).await? {
            Some(ControlReply::Status(all)) => show_all(screen, &all, None),
            Some(other) => Err(reload::unexpected(other)),
            None => Err(CommandFailure::failed("no daemon runs there, and its files can't be read by this account")),
        };
    }
    let names = check::names(screen, global, tenants)?;
    let stores = check::stores(screen, global)?;
    let mut gone = if tenants.is_empty() { stores.tenants()? } else { Vec::new() };
    gone.retain(|name| !names.contains(name) && stores.tenant(name).mark(Sign::Retired).is_none());
    let board = daemon::read_board(&stores);
    let all = daemon::overview(&stores, &names, &gone, board.as_ref(), SystemClock.now())?;
    show_all(screen, &all, board)
}

/// One JSON object a tenant, with what its last run left among its keys.
fn document(line: &TenantStatus) -> Result<serde_json::Value, CommandFailure> {
    let mut value = serde_json::to_value(line).map_err(std::io::Error::from)?;
    if let Some(fields) = value.as_object_mut()
        && let Some(serde_json::Value::Object(status)) = fields.remove("status")
    {
        fields.extend(status);
    }
    Ok(value)
}

fn show_all(screen: &Screen, all: &[TenantStatus], board: Option<daemon::Board>) -> Result<(), CommandFailure> {
    if screen.format == Format::Json {
        screen.json(&all.iter().map(document).collect::<Result<Vec<_>, _>>()?)?;
        return Ok(());
    }
    if all.is_empty() {
        screen.say("there are no tenants yet; `rosterd init NAME` writes the first tenant file");
    }
    if !all.is_empty() {
        table::lines(all).iter().for_each(|line| screen.say(line));
    }
    for line in all {
        details(screen, line);
    }
    let (mistake, troubles) = board.map_or((None, [None, None]), |board| (board.mistake, [board.deaf, board.page]));
    troubles.into_iter().flatten().for_each(|why| screen.note(safe(&why)));
    if let Some(mistake) = mistake {
        screen.note(format!("the daemon keeps the previous configuration: {}", safe(&mistake)));
    }
    Ok(())
}

/// What a row of the table has no room for, below the tenant's name; nothing for a tenant without.
fn details(screen: &Screen, line: &TenantStatus) {
    screen.say("");
    screen.say(paint(STRONG, &line.tenant));
    match (&line.status, &line.held_plan) {
        (None, _) if line.retired.is_none() => {
            screen.say(format!(
                "  no run has ended yet; `rosterd plan {}` shows what the first one would do",
                line.tenant
            ));
        }
        (None, _) => {}
        (Some(status), held) => show(screen, status, held.is_some()),
    }
    if let Some(run) = &line.interrupted {
        screen.say(format!(
            "  {} the run that started at {} did not finish: its process ended, or the disk was full. The next run looks up the outcome of \
             its calls before it does anything else",
            paint(REMOVE.bold(), "ended early:"),
            clock::shown(run.started)
        ));
    }
    if let Some(held) = &line.held_plan {
        waiting(screen, &line.tenant, held);
    }
    for refused in &line.refused_decisions {
        screen.say(format!("  {} {}", paint(REMOVE.bold(), "ignored decision:"), safe(refused)));
    }
    marks(screen, line);
    if let Some(note) = &line.second_token {
        let since = clock::shown(note.since);
        let now = match note.accepted {
            true => "`second_token` is in use: put the new token in the place of `token`",
            false => "`second_token` is refused, too: put a valid token there",
        };
        screen.say(format!("  {} since {since}; {now}", paint(WAIT.bold(), "the app refuses `token`")));
    }
    if let Some(drift) = &line.drift {
        compared(screen, &line.tenant, drift);
    }
    if let Some(import) = &line.import {
        importing(screen, &line.tenant, import);
    }
    if line.file_gone {
        screen.say(format!(
            "  {} nothing is sent, and the app is left as it is. Restore the file to continue; to end the connection for good, restore it \
             and run `rosterd retire {}`",
            paint(WAIT.bold(), "its tenant file is gone:"),
            line.tenant
        ));
    }
    if let Some(daemon) = &line.daemon {
        on_schedule(screen, daemon);
    }
}

/// What is held, why, whom it concerns, and what to type.
fn waiting(screen: &Screen, tenant: &str, held: &HeldPlan) {
    screen.say(format!(
        "  {} plan {}: {} since {}",
        paint(WAIT.bold(), "held"),
        paint(STRONG, &held.plan),
        count(held.count, "change", "changes"),
        clock::shown(held.at)
    ));
    if !held.is_genuine() {
        screen.say(format!(
            "    {} held.json lists changes that do not belong to this plan; it was edited, or written by another version. \
             `rosterd sync {tenant}` writes it again",
            paint(REMOVE.bold(), "the list does not match the held plan:")
        ));
    }
    for hold in &held.holds {
        screen.say(format!("    {}: {}", paint(STRONG, hold.code()), safe(&hold.detail())));
        screen.say(paint(FAINT, format!("      released by {}", hold.code().release())));
    }
    if let Some(access) = &held.access {
        screen.say(format!("    {access}"));
    }
    let most = if screen.verbose > 0 { usize::MAX } else { LISTED };
    for operation in held.operations.iter().take(most) {
        let why = paint(FAINT, safe(&operation.reason.to_string()));
        screen.say(format!("      {} {}  {why}", operation.op.name(), named(&operation.name)));
    }
    let more = held.count.saturating_sub(held.operations.len().min(most) as u64);
    if more > 0 {
        let verbose = if held.operations.len() > most {
            " (-v shows more)"
        } else {
            ", which are not listed; they are part of the id"
        };
        screen.say(paint(FAINT, format!("      … and {more} more{verbose}")));
    }
    if let Some(approvals) = held.approvals.as_ref().filter(|_| held.rejected.is_none()) {
        let waiting = if approvals.given.is_empty() { "waiting for people" } else { "waiting for another person" };
        screen.say(format!("    {}, {waiting}", safe(&approvals.to_string())));
    }
    match &held.rejected {
        Some(no) => {
            let why = if no.reason.is_empty() { String::new() } else { format!(": {}", safe(&no.reason)) };
            screen.say(format!(
                "    {} by {} at {}{why}",
                paint(REMOVE, "rejected"),
                safe(&no.who()),
                clock::shown(no.at)
            ));
        }
        None => {
            let id = held.plan.get(..8).unwrap_or(&held.plan);
            screen.say(paint(
                FAINT,
                format!("    Approve with: `rosterd approve {tenant} {id} --reason …`; reject with: `rosterd reject {tenant} {id}`"),
            ));
        }
    }
}

/// What the daemon is doing with it, and when next.
fn on_schedule(screen: &Screen, line: &daemon::BoardRow) {
    if let Some(since) = line.running_since {
        screen.say(paint(FAINT, format!("  running since {}", clock::shown(since))));
    }
    if let Some(standing) = line.standing.filter(|standing| standing.is_failing()) {
        let times = count(u64::from(line.failures), "time", "times");
        screen.say(format!("  {} {times} in a row: {}", paint(REMOVE.bold(), standing.name()), safe(&line.note)));
        if line.cause == Some(daemon::Cause::Credential) {
            screen.say(paint(
                FAINT,
                "  no request is made to either side until the secret changes, or `systemctl reload rosterd`",
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
fn compared(screen: &Screen, tenant: &str, drift: &daemon::LastComparison) {
    let of_kind = |(kind, number): (&String, &u64)| format!("{number} {}", kind.replace('_', " "));
    let found: Vec<String> = drift.found.iter().map(of_kind).collect();
    match &drift.failed {
        Some(why) => {
            let word = paint(WAIT.bold(), "not compared with the app");
            screen.say(format!("  {word} at {}: {}", clock::shown(drift.at), safe(why)));
        }
        None if found.is_empty() => {
            screen.say(paint(
                FAINT,
                format!("  nothing was changed in the app by hand, as of {}", clock::shown(drift.at)),
            ));
        }
        None => screen.say(format!(
            "  {} as of {}: {}; {} repaired; `rosterd drift {tenant}` shows them",
            paint(CHANGE, "changed in the app by hand"),
            clock::shown(drift.at),
            found.join(", "),
            drift.repaired
        )),
    }
}

/// How far the import in the background is, or how the last one ended.
fn importing(screen: &Screen, tenant: &str, note: &ImportNote) {
    let counts = format!("{} created, {} already existed, {} failed", note.created, note.found, note.failed);
    let of_total = note
        .total
        .map_or_else(String::new, |total| format!(" {} of {}", thousands(note.done), count(total, "user", "users")));
    match note.state {
        ImportState::Reading => screen.say(format!("  {} reading directory and app", paint(CHANGE.bold(), "import"))),
        ImportState::Creating => {
            let rate = note.per_minute.map_or_else(String::new, |rate| format!("; {rate} a minute"));
            let left = note.seconds_left.map_or_else(String::new, |left| format!(", {} left", in_time(left)));
            screen.say(format!("  {}{of_total}: {counts}{rate}{left}", paint(CHANGE.bold(), "import")));
        }
        ImportState::Interrupted => screen.say(format!(
            "  {}{of_total}: {counts}; it goes on when the daemon starts",
            paint(WAIT.bold(), "import interrupted")
        )),
        ImportState::Finished => {
            screen.say(paint(FAINT, format!("  import finished {}: {counts}", when(note.ended))));
        }
        ImportState::Stopped => {
            let why = safe(note.error.as_deref().unwrap_or_default());
            let counts = format!("{counts}, {} not tried", note.not_tried);
            screen.say(format!("  {} {}: {counts}; {why}", paint(REMOVE.bold(), "import stopped"), when(note.ended)));
            screen.say(paint(FAINT, "    the same command tries only those who are not in the directory yet"));
        }
    }
    if let Some(wait) = note.waits_for {
        let next =
            if wait == ImportWait::Pause { format!("; `rosterd resume {tenant}` resumes it") } else { String::new() };
        screen.say(format!("    {} {}{next}", paint(WAIT, "waits for"), awaited(wait)));
    }
    match (&note.report, &note.report_error) {
        (Some(path), _) => screen.say(paint(FAINT, format!("    report: {}", safe(&path.display().to_string())))),
        (None, Some(why)) => screen.say(format!("    {} {}", paint(REMOVE, "no report:"), safe(why))),
        (None, None) => {}
    }
}

fn awaited(wait: ImportWait) -> &'static str {
    match wait {
        ImportWait::Run => "the end of the run of this tenant",
        ImportWait::Pause => "the end of the pause",
        ImportWait::Answer => "directory or app, which do not answer or ask to slow down",
        ImportWait::OtherImports => "imports of other tenants",
        ImportWait::OtherImport => "another import of this tenant",
    }
}

/// `40 s`, `12 min`, `2 h 5 min`.
fn in_time(seconds: u64) -> String {
    match seconds {
        0..=90 => format!("{seconds} s"),
        91..=5400 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

fn when(at: Option<jiff::Timestamp>) -> String {
    at.map_or_else(String::new, clock::shown)
}

/// What somebody said of the tenant as a whole.
fn marks(screen: &Screen, line: &TenantStatus) {
    if let Some(mark) = &line.paused {
        let next = format!("`rosterd resume {}` resumes it", line.tenant);
        screen.say(format!("  {} {}; {next}", paint(WAIT.bold(), "paused"), safe(&mark.to_string())));
    }
    if let Some(mark) = &line.retired {
        screen.say(format!("  {} {}", paint(REMOVE.bold(), "retired"), safe(&mark.to_string())));
    }
}

fn show(screen: &Screen, status: &Status, shows_holds: bool) {
    let run = &status.last_run;
    let style = match run.status {
        RunStatus::Ok => ADD,
        RunStatus::Partial => CHANGE,
        RunStatus::Held => WAIT,
        RunStatus::Failed => REMOVE,
    };
    let (users, groups) = (status.linked.users, status.linked.groups);
    screen
        .say(paint(FAINT, format!("  {}, {} linked", count(users, "user", "users"), count(groups, "group", "groups"))));
    screen.say(paint(
        FAINT,
        format!(
            "  last run {}: {} planned, {} done, {} held, {} failed, {}",
            clock::shown(run.ended),
            run.planned,
            run.done,
            run.held,
            run.failed,
            count(run.calls, "call", "calls")
        ),
    ));
    match status.last_ok {
        Some(at) if run.status != RunStatus::Ok => {
            screen.say(paint(FAINT, format!("  last run that succeeded {}", clock::shown(at))))
        }
        _ => {}
    }
    // What is held is listed with the held plan.
    let is_shown_below = shows_holds && run.status == RunStatus::Held;
    if !run.note.is_empty() && !is_shown_below {
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
            "  {} {} {}: {} (tried {}, next try {})",
            paint(REMOVE, "failed"),
            object.kind(),
            named(note.name.as_deref().unwrap_or_else(|| object.id().as_str())),
            safe(&note.reason.to_string()),
            count(u64::from(note.attempts), "time", "times"),
            clock::shown(note.next_try)
        ));
    }
    let more = status.failures.saturating_sub(status.failed.len().min(LISTED) as u64);
    if more > 0 {
        screen.say(paint(FAINT, format!("  … and {more} more failed")));
    }
}
