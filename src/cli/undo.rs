//! `rosterd undo`: a run taken back, shown first, like a plan.

use std::sync::Arc;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use super::args::{Format, Global, UndoArgs};
use super::ending::SignalListener;
use super::failure::{CommandFailure, code};
use super::screen::{CHANGE, FAINT, REMOVE, STRONG, Screen, count, named, paint, safe};
use super::sync::exit_code;
use super::{beside, check, confirm, report_view};
use crate::clock::{self, Clock, SystemClock};
use crate::engine::{Engine, UndoReport};
use crate::errand::{Approval, LeftAlone};
use crate::guard::Cleared;
use crate::store::{Decision, DecisionVerdict, Weighed};

/// How many objects that stay are listed before the rest is only counted. `-v` lists all.
const LISTED: usize = 12;

/// How long an approval of an undo waits for another person's.
const COUNTS: SignedDuration = SignedDuration::from_hours(24);

pub(super) async fn run(screen: &Screen, global: &Global, args: &UndoArgs) -> Result<u8, CommandFailure> {
    let mut loaded = check::load(screen, global, std::slice::from_ref(&args.tenant))?;
    let tenant = loaded.tenants.pop().ok_or_else(|| CommandFailure::failed("there is no tenant to work on"))?;
    let engine = Engine::new(Arc::new(tenant), loaded.stores, Arc::new(SystemClock));
    let plan = engine.preview_undo(&args.run).await?;
    let nothing = plan.report.operations().is_empty() && plan.open_calls == 0;
    if args.dry_run || nothing {
        show(screen, args, &plan)?;
        return Ok(if args.dry_run { code::DONE } else { ended(&plan) });
    }
    let approval = approval(screen, args, &plan, &engine)?;
    if screen.format == Format::Human {
        tell(screen, args, &plan);
    }
    let confirmed = args.yes || confirm::asked(screen, &args.tenant, "This is sent to the app.")?;
    if !confirmed {
        return Err(CommandFailure::failed("not confirmed; nothing was sent")
            .hint(format!("`rosterd undo {} {} --yes` confirms it", args.tenant, plan.reversal.run)));
    }
    let (bar, stop) = (screen.bar(), CancellationToken::new());
    let ending = SignalListener::watch(&stop, screen);
    // By its id: another run may have become the last one.
    let (run, shown) = (plan.reversal.run.as_str(), &plan.reversal.plan.hash);
    let done = beside::when_free(screen, &stop, || engine.undo(run, shown, approval.clone(), &bar, &stop)).await;
    drop(ending);
    bar.clear();
    let (done, notices) = done?;
    for notice in notices {
        screen.note(notice);
    }
    match screen.format {
        // The plan was printed before it was sent.
        Format::Human => finished(screen, args, &done),
        Format::Json => show(screen, args, &done)?,
    }
    Ok(ended(&done))
}

/// The approval of the account that types, of what the guard holds of this undo and of nothing else. Where that is not enough, it is kept for
/// another person to add theirs.
fn approval(screen: &Screen, args: &UndoArgs, plan: &UndoReport, engine: &Engine) -> Result<Approval, CommandFailure> {
    let Some(asked) = &args.approve else { return Ok(Approval::None) };
    let again = format!("`rosterd undo {} {} --dry-run` shows it", args.tenant, plan.reversal.run);
    let Some(held) = plan.report.cleared.as_ref().and_then(Cleared::held_plan) else {
        let message = "none of its changes is held for approval; nothing was sent";
        return Err(CommandFailure::failed(message).hint(again));
    };
    if let Some(Err(why)) = screen.caller.as_ref().map(|caller| caller.may_approve()) {
        return Err(CommandFailure::failed(why));
    }
    let asked = asked.trim().to_ascii_lowercase();
    let whole = &plan.reversal.plan.hash;
    if asked.len() < 4 || !(held.starts_with(&asked) || whole.starts_with(&asked)) {
        let message = format!("{asked:?} is not the held plan of this undo, which is {held}; nothing was sent");
        return Err(CommandFailure::failed(message).hint(again));
    }
    let (at, identity) = (SystemClock.now(), screen.identity());
    let decision = Decision {
        plan: held,
        verdict: DecisionVerdict::Approve,
        by: identity.name(),
        identity: Some(identity),
        reason: args.reason.clone().unwrap_or_default(),
        at,
        expires: at.checked_add(COUNTS).unwrap_or(at),
    };
    let rule = engine.approval_rule()?;
    if let Some(why) = rule.why_not(&decision) {
        return Err(CommandFailure::failed(format!("{why}; nothing was sent")).hint(again));
    }
    match engine.weigh_with(decision.clone())? {
        Weighed::Approved(given) => Ok(Approval::Given(given)),
        Weighed::Rejected(no) => {
            Err(CommandFailure::failed(format!("plan {} was rejected by {}; nothing was sent", no.plan, no.who()))
                .hint(again))
        }
        Weighed::Waiting(_) | Weighed::Undecided => {
            engine.keep_approval_of_undo(&decision)?;
            let given = engine.approvals(&decision.plan)?.map(|approvals| approvals.to_string()).unwrap_or_default();
            let message = format!("{given}: waiting for another person with their own account; nothing was sent");
            let hint = format!(
                "they run `rosterd approve {0} {1} --reason …`; then `rosterd undo {0} {2} --approve {1}` within a day",
                args.tenant, decision.plan, plan.reversal.run
            );
            Err(CommandFailure { code: code::HELD, message, hint: Some(hint) })
        }
    }
}

/// Not all of the run was taken back: that is no "done".
fn ended(undone: &UndoReport) -> u8 {
    let whole = undone.reversal.cannot.is_empty() && undone.reversal.skipped.is_empty();
    match exit_code(&undone.report.told(0), false) {
        code::DONE if !whole => code::PARTIAL,
        code => code,
    }
}

fn show(screen: &Screen, args: &UndoArgs, undone: &UndoReport) -> Result<(), CommandFailure> {
    if screen.format == Format::Human {
        tell(screen, args, undone);
        return Ok(());
    }
    let mut document = serde_json::to_value(&undone.report).map_err(std::io::Error::from)?;
    if let Some(fields) = document.as_object_mut() {
        // No directory was read.
        fields.remove("snapshot");
        fields.insert("undoes".to_owned(), undone.reversal.run.as_str().into());
        for (name, list) in [
            ("cannot", &undone.reversal.cannot),
            ("skipped", &undone.reversal.skipped),
            ("stays", &undone.reversal.stays),
        ] {
            fields.insert(name.to_owned(), serde_json::to_value(list).map_err(std::io::Error::from)?);
        }
    }
    screen.json(&document)?;
    Ok(())
}

fn tell(screen: &Screen, args: &UndoArgs, undone: &UndoReport) {
    let reversal = &undone.reversal;
    let began = undone.started.map(|at| format!(" of {}", clock::shown(at))).unwrap_or_default();
    screen.say(format!("{}  {}", paint(STRONG, &args.tenant), paint(FAINT, format!("run {}{began}", reversal.run))));
    if undone.open_calls > 0 && undone.report.dry_run {
        let calls = count(undone.open_calls as u64, "call", "calls");
        screen.say(format!("  {calls} of an interrupted run are looked up in the app first; that may change the plan"));
    }
    let report = report_view::told(screen, &undone.report);
    report_view::changes(screen, &report, |id| format!("rosterd undo {} {} --approve {id}", args.tenant, reversal.run));
    list(screen, &paint(REMOVE.bold(), "can't be undone"), &reversal.cannot);
    list(screen, &paint(CHANGE.bold(), "left alone"), &reversal.skipped);
    list(screen, &paint(FAINT, "stays"), &reversal.stays);
    report_view::closing(screen, &report);
    next(screen, args, undone);
}

/// How it ended, after the plan was shown: only what was not done is shown once more.
fn finished(screen: &Screen, args: &UndoArgs, undone: &UndoReport) {
    let report = report_view::told(screen, &undone.report);
    report_view::unfinished(screen, &report);
    report_view::closing(screen, &report);
    next(screen, args, undone);
}

/// What becomes of the reverted changes.
fn next(screen: &Screen, args: &UndoArgs, undone: &UndoReport) {
    if undone.report.operations().is_empty() {
        return;
    }
    screen.say(match undone.paused {
        true => format!(
            "  {} is paused until `rosterd resume {0}`; after that, the reverted changes are held (`undone`) until the directory's \
             record changes",
            args.tenant
        ),
        false => format!(
            "  the reverted changes are held (`undone`) until the directory's record changes, and everything else continues: \
             correct the directory. `rosterd approve {0}` applies them again; `rosterd pause {0}` stops everything",
            args.tenant
        ),
    });
}

fn list(screen: &Screen, title: &str, left: &[LeftAlone]) {
    if left.is_empty() {
        return;
    }
    screen.say("");
    screen.say(format!("  {title}"));
    let most = if screen.verbose > 0 { usize::MAX } else { LISTED };
    for one in left.iter().take(most) {
        screen.say(format!("    {} {}  {}", one.object.kind(), named(&one.name), paint(FAINT, safe(&one.why))));
    }
    if left.len() > most {
        screen.say(paint(FAINT, format!("    … and {} more (-v shows all)", left.len() - most)));
    }
}
