//! `rosterd retire`: the end of a connection.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::args::{Format, Global, RetireArgs};
use super::ending::SignalListener;
use super::failure::{CommandFailure, code};
use super::screen::{FAINT, REMOVE, STRONG, Screen, count, named, paint};
use super::sync::exit_code;
use super::{beside, check, confirm, report_view};
use crate::clock::{Clock, SystemClock};
use crate::engine::{Engine, Retirement};
use crate::errand::retire::RetirementAction;
use crate::store::{Sign, TenantMark};

pub(super) async fn run(screen: &Screen, global: &Global, args: &RetireArgs) -> Result<u8, CommandFailure> {
    let mut loaded = check::load(screen, global, std::slice::from_ref(&args.tenant))?;
    let tenant = loaded.tenants.pop().ok_or_else(|| CommandFailure::failed("there is no tenant to work on"))?;
    let fate = if args.deactivate && !args.leave { RetirementAction::Deactivate } else { RetirementAction::Leave };
    let file = loaded.stores.tenant(&tenant.name).mark_place(Sign::Retired);
    let engine = Engine::new(Arc::new(tenant), loaded.stores, Arc::new(SystemClock));
    let plan = engine.preview_retirement(fate).await?;
    if screen.format == Format::Human {
        tell(screen, args, &plan);
    }
    confirmed(screen, args)?;
    let how = if args.deactivate { "accounts deactivated" } else { "app left as it is" };
    let mark = TenantMark::by(screen.identity(), SystemClock.now(), how.to_owned());
    let (bar, stop) = (screen.bar(), CancellationToken::new());
    let ending = SignalListener::watch(&stop, screen);
    let ended = beside::when_free(screen, &stop, || engine.retire(fate, &mark, &bar, &stop)).await;
    drop(ending);
    bar.clear();
    let (ended, notices) = ended?;
    for notice in notices {
        screen.note(notice);
    }
    let code = ended.report.as_ref().map_or(code::DONE, |report| exit_code(&report.told(0), false));
    if screen.format == Format::Json {
        screen.json(&serde_json::json!({
            "tenant": args.tenant, "retired": mark, "linked": ended.linked, "kept": ended.kept, "report": ended.report,
        }))?;
        return Ok(code);
    }
    if let Some(report) = &ended.report {
        let report = report_view::told(screen, report);
        report_view::changes(screen, &report, report_view::approval(&args.tenant));
        report_view::closing(screen, &report);
    }
    screen.say(format!(
        "{} {}: nothing more is sent. Remove its tenant file; to connect it again, delete {}",
        paint(REMOVE.bold(), "retired"),
        args.tenant,
        file
    ));
    if code != code::DONE {
        screen.say(format!(
            "  not every account was deactivated: `rosterd retire {} --deactivate` continues",
            args.tenant
        ));
    }
    Ok(code)
}

fn tell(screen: &Screen, args: &RetireArgs, plan: &Retirement) {
    let linked = count(plan.linked, "user is", "users are");
    screen.say(format!("{}  {}", paint(STRONG, &args.tenant), paint(FAINT, format!("{linked} linked"))));
    match &plan.report {
        None => screen.say("  the app is left as it is, and nothing more is sent to it"),
        Some(report) => {
            report_view::changes(screen, &report_view::told(screen, report), report_view::approval(&args.tenant));
            for left in &plan.kept {
                screen.say(format!("    {}  {}", named(&left.name), paint(FAINT, &left.why)));
            }
            screen.say("");
        }
    }
}

/// The tenant's name has to be typed, on the command line or now.
fn confirmed(screen: &Screen, args: &RetireArgs) -> Result<(), CommandFailure> {
    let what = match args.deactivate {
        true => "Every account above is deactivated and the tenant is retired.",
        false => "The tenant is retired.",
    };
    match &args.yes_i_mean {
        Some(typed) if *typed == args.tenant => return Ok(()),
        Some(typed) => {
            let message = format!("--yes-i-mean says {typed:?}, the tenant is {}; nothing was done", args.tenant);
            return Err(CommandFailure::usage(message, "type the name of the tenant that you mean"));
        }
        None if confirm::asked(screen, &args.tenant, what)? => return Ok(()),
        None => {}
    }
    let flag = if args.deactivate { " --deactivate" } else { "" };
    let hint = format!("`rosterd retire {0}{flag} --yes-i-mean {0}` confirms it", args.tenant);
    Err(CommandFailure::failed("not confirmed; nothing was done").hint(hint))
}
