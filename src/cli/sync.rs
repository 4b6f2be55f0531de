//! `rosterd plan` and `rosterd sync`: one cycle, stopped before anything is sent or carried to its end.
//!
//! A preview is made here. What sends is done by the daemon, if one works on the state: it has the tenants' schedules, and two
//! processes never write for one tenant.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::args::{Format, Global, PlanArgs, SyncArgs};
use super::ending::{SignalListener, interrupted};
use super::failure::{CommandFailure, code};
use super::meter::Meter;
use super::screen::{Screen, count, safe};
use super::{check, reload, report_view};
use crate::clock::SystemClock;
use crate::config::diagnostic::Diagnostic;
use crate::cycle::{CycleReport, Telling};
use crate::daemon::{ControlReply, ControlRequest, RunOptions, Talk, reach};
use crate::engine::{Engine, Wish};
use crate::files;
use crate::model::{HoldReason, RunStatus, TenantName, TenantState};
use crate::plan::Plan;
use crate::store::{Sign, Stores, Trigger};
use crate::tenancy::{Broken, Loaded, Tenant};

pub(super) async fn plan(screen: &Screen, global: &Global, args: &PlanArgs) -> Result<u8, CommandFailure> {
    let loaded = check::load(screen, global, std::slice::from_ref(&args.tenant))?;
    let wish = Wish { dry_run: true, only: args.only.clone(), ..Wish::default() };
    let state = loaded.tenants.first().map(|tenant| loaded.stores.tenant(&tenant.name));
    let stop = CancellationToken::new();
    let report = here(screen, only(loaded.tenants)?, &loaded.stores, &wish, &stop).await?;
    let is_held = !report.holds.is_empty();
    for (sign, word) in [(Sign::Paused, "paused"), (Sign::Retired, "retired")] {
        if let Some(mark) = state.as_ref().and_then(|state| state.mark(sign)) {
            screen.note(format!("{} is {word} {}: none of this will be sent", args.tenant, safe(&mark.to_string())));
        }
    }
    if let Some(path) = &args.out {
        save(screen, path, &report)?;
        screen.note(format!(
            "saved; `rosterd sync {} --plan {}` applies exactly this plan",
            args.tenant,
            path.display()
        ));
    }
    let ran = Ran::Here(Box::new(report));
    ran.show(screen)?;
    Ok(match args.detailed_exitcode {
        true if is_held => code::HELD,
        true => exit_code(&ran.told(screen), true),
        false => code::DONE,
    })
}

pub(super) async fn sync(screen: &Screen, global: &Global, args: &SyncArgs) -> Result<u8, CommandFailure> {
    if args.all && args.plan.is_none() {
        let mut usable = check::load_usable(screen, global)?;
        if usable.loaded.tenants.is_empty() && usable.broken.is_empty() {
            return Err(check::no_tenants(global));
        }
        let meter = Meter::of(args.metrics_file.as_ref(), &usable.loaded.stores);
        leave_out_retired(screen, &mut usable.loaded, meter.as_ref());
        let trigger = (!args.yes && !std::io::stdin().is_terminal()).then_some(Trigger::Timer);
        let wish = Wish { dry_run: args.dry_run, only: args.only.clone(), expected_plan: None, trigger };
        let ended = many(screen, usable.loaded, usable.broken, &wish, args.detailed_exitcode, meter.as_ref()).await;
        return left_behind(screen, meter.as_ref(), ended);
    }
    let loaded = check::load(screen, global, &args.tenants)?;
    if !args.all && args.tenants.is_empty() && loaded.tenants.len() != 1 {
        let hint = "name the tenants, or say --all";
        return Err(CommandFailure::usage(format!("there are {} tenants", loaded.tenants.len()), hint));
    }
    let expected = args.plan.as_deref().map(read_plan).transpose()?;
    if expected.is_some() && loaded.tenants.len() != 1 {
        return Err(CommandFailure::usage("a saved plan belongs to one tenant", "name that tenant"));
    }
    let wish = Wish { dry_run: args.dry_run, only: args.only.clone(), expected_plan: expected, trigger: None };
    let meter = Meter::of(args.metrics_file.as_ref(), &loaded.stores);
    let ended = match !args.all && loaded.tenants.len() == 1 {
        true => single(screen, loaded, &wish, args.detailed_exitcode, meter.as_ref()).await,
        false => many(screen, loaded, Vec::new(), &wish, args.detailed_exitcode, meter.as_ref()).await,
    };
    left_behind(screen, meter.as_ref(), ended)
}

/// Numbers that could not be written are a failure of the command, told beside what became of the runs.
fn left_behind(
    screen: &Screen,
    meter: Option<&Meter>,
    ended: Result<u8, CommandFailure>,
) -> Result<u8, CommandFailure> {
    let Some(Err(why)) = meter.map(Meter::write) else { return ended };
    screen.error(why);
    ended.map(|code| worse(code, code::FAILED))
}

async fn single(
    screen: &Screen,
    loaded: Loaded,
    wish: &Wish,
    detailed: bool,
    meter: Option<&Meter>,
) -> Result<u8, CommandFailure> {
    let name = loaded.tenants.first().map(|tenant| tenant.name.clone());
    let stop = CancellationToken::new();
    let ran = match one(screen, only(loaded.tenants)?, &loaded.stores, wish, meter, &stop).await {
        Err(failure) if failure.code == code::HELD && screen.format == Format::Json => {
            screen.json(&unsent(name.as_ref(), &failure.message))?;
            return Err(failure);
        }
        ended => ended?,
    };
    ran.show(screen)?;
    Ok(exit_code(&ran.told(screen), detailed))
}

/// Tenants whose connection has ended are not due.
fn leave_out_retired(screen: &Screen, loaded: &mut Loaded, meter: Option<&Meter>) {
    let stores = &loaded.stores;
    loaded.tenants.retain(|tenant| match stores.tenant(&tenant.name).mark(Sign::Retired) {
        Some(mark) => {
            screen.note(format!("{} is retired {}: skipped", tenant.name, safe(&mark.to_string())));
            meter.inspect(|meter| meter.stands(&tenant.name, TenantState::Retired));
            false
        }
        None => true,
    });
}

/// The result of a tenant that is held before anything is read.
fn unsent(tenant: Option<&TenantName>, why: &str) -> serde_json::Value {
    serde_json::json!({
        "tenant": tenant, "run": null, "plan": "", "status": "held", "operations": [], "summary": {},
        "planned": 0, "done": 0, "held": 0, "failed": 0, "calls": {"total": 0},
        "holds": [HoldReason::Paused { why: why.to_owned() }],
    })
}

/// All tenants, one after the other; one that fails does not keep the others from their turn.
async fn many(
    screen: &Screen,
    loaded: Loaded,
    broken: Vec<Broken>,
    wish: &Wish,
    detailed: bool,
    meter: Option<&Meter>,
) -> Result<u8, CommandFailure> {
    let mut worst = code::DONE;
    let mut reports = Vec::new();
    let mut ends: Vec<(TenantName, u8)> = Vec::new();
    for Broken { name, .. } in broken {
        worst = worse(worst, code::CONFIG);
        ends.push((name.clone(), code::CONFIG));
        let error = "its file has mistakes; nothing was done";
        screen.error(format!("{name}: {error}"));
        meter.inspect(|meter| meter.stands(&name, TenantState::FileMistake));
        reports.push(serde_json::json!({"tenant": name, "status": "failed", "error": error}));
    }
    if loaded.warnings.iter().any(Diagnostic::is_error) {
        worst = worse(worst, code::CONFIG);
    }
    let stop = CancellationToken::new();
    for tenant in loaded.tenants {
        let name = tenant.name.clone();
        if stop.is_cancelled() {
            let error = "not started: interrupted";
            worst = worse(worst, code::PARTIAL);
            ends.push((name.clone(), code::FAILED));
            screen.note(format!("{name}: {error}"));
            reports.push(serde_json::json!({"tenant": name, "status": "failed", "error": error}));
            continue;
        }
        match one(screen, tenant, &loaded.stores, wish, meter, &stop).await {
            Ok(ran) => {
                let code = exit_code(&ran.told(screen), detailed);
                worst = worse(worst, code);
                ends.push((name, code));
                if screen.format == Format::Human {
                    ran.show(screen)?;
                    screen.say("");
                }
                reports.push(ran.json()?);
            }
            Err(failure) => {
                worst = worse(worst, failure.code);
                ends.push((name.clone(), failure.code));
                screen.error(format!("{name}: {}", safe(&failure.message)));
                reports.push(match failure.code {
                    code::HELD => unsent(Some(&name), &failure.message),
                    _ => serde_json::json!({"tenant": name, "status": "failed", "error": failure.message}),
                });
            }
        }
    }
    if screen.format == Format::Json {
        screen.json(&reports)?;
    }
    screen.say(summary(&ends));
    Ok(worst)
}

/// One line about all tenants; those that need a look are named: `3 tenants: 1 ok, 1 held (acme), 1 failed (beta)`.
fn summary(ends: &[(TenantName, u8)]) -> String {
    const WORDS: [(u8, &str); 7] = [
        (code::DONE, "ok"),
        (code::CHANGES_DUE, "with changes"),
        (code::BUSY, "busy"),
        (code::PARTIAL, "partial"),
        (code::HELD, "held"),
        (code::CONFIG, "with mistakes"),
        (code::FAILED, "failed"),
    ];
    let part = |(code, word): &(u8, &str)| {
        let names: Vec<&str> = ends.iter().filter(|(_, end)| end == code).map(|(name, _)| name.as_str()).collect();
        match (names.len(), *code) {
            (0, _) => None,
            (n, code::DONE) => Some(format!("{n} {word}")),
            (n, _) => Some(format!("{n} {word} ({})", names.join(", "))),
        }
    };
    let parts: Vec<String> = WORDS.iter().filter_map(part).collect();
    format!("{}: {}", count(ends.len() as u64, "tenant", "tenants"), parts.join(", "))
}

fn only(tenants: Vec<Tenant>) -> Result<Tenant, CommandFailure> {
    tenants.into_iter().next().ok_or_else(|| CommandFailure::failed("there is no tenant to work on"))
}

/// A run that came to a report.
enum Ran {
    /// In this process.
    Here(Box<CycleReport>),
    /// In the daemon.
    There(Box<Telling>),
}

impl Ran {
    fn status(&self) -> RunStatus {
        match self {
            Self::Here(report) => report.status(),
            Self::There(report) => report.status,
        }
    }

    /// As far as people see it.
    fn told(&self, screen: &Screen) -> Telling {
        match self {
            Self::Here(report) => report_view::told(screen, report),
            Self::There(report) => (**report).clone(),
        }
    }

    fn json(&self) -> Result<serde_json::Value, CommandFailure> {
        let value = match self {
            Self::Here(report) => serde_json::to_value(report),
            Self::There(report) => serde_json::to_value(report),
        };
        Ok(value.map_err(std::io::Error::from)?)
    }

    fn show(&self, screen: &Screen) -> Result<(), CommandFailure> {
        match (screen.format, self) {
            (Format::Human, ran) => report_view::show(screen, &ran.told(screen)),
            (Format::Json, Self::Here(report)) => screen.json(report)?,
            (Format::Json, Self::There(report)) => screen.json(report)?,
        }
        Ok(())
    }
}

/// Runs a tenant once: by the daemon that works on the state, or here.
async fn one(
    screen: &Screen,
    tenant: Tenant,
    stores: &Stores,
    wish: &Wish,
    meter: Option<&Meter>,
    stop: &CancellationToken,
) -> Result<Ran, CommandFailure> {
    let name = tenant.name.clone();
    let daemon = if wish.dry_run { None } else { reach(stores).await? };
    let ran = match daemon {
        Some(daemon) => there(screen, &tenant, daemon, wish, stop).await,
        None => here(screen, tenant, stores, wish, stop).await.map(|report| Ran::Here(Box::new(report))),
    };
    meter.inspect(|meter| meter.ended(&name, ran.as_ref().map(Ran::status)));
    ran
}

async fn here(
    screen: &Screen,
    tenant: Tenant,
    stores: &Stores,
    wish: &Wish,
    stop: &CancellationToken,
) -> Result<CycleReport, CommandFailure> {
    let bar = Arc::new(screen.bar());
    let engine = Engine::new(Arc::new(tenant), stores.clone(), Arc::new(SystemClock));
    let ending = SignalListener::watch(stop, screen);
    // A task of its own, as in the daemon: on a thread that also drives the connections an answer seldom wakes another one.
    let run = tokio::spawn({
        let (wish, bar, stop) = (wish.clone(), Arc::clone(&bar), stop.clone());
        async move { engine.run(&wish, &*bar, &stop).await }
    });
    let result = run.await.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()));
    drop(ending);
    bar.clear();
    let (report, notices) = result?;
    for notice in notices {
        screen.note(notice);
    }
    Ok(report)
}

/// Has the daemon run it. Ctrl-C ends the waiting, not the run: others may count on it, and `pause` ends it for all to see.
async fn there(
    screen: &Screen,
    tenant: &Tenant,
    daemon: Talk,
    wish: &Wish,
    stop: &CancellationToken,
) -> Result<Ran, CommandFailure> {
    let process = daemon.hello().process;
    let listed = (screen.format == Format::Human).then(|| report_view::listed(screen));
    let (name, file) = (&tenant.name, tenant.fingerprint());
    let Wish { dry_run, only, expected_plan, trigger } = wish.clone();
    let unattended = trigger == Some(Trigger::Timer);
    let wish = RunOptions { dry_run, only, expected_plan, unattended };
    let request = ControlRequest::Sync { tenant: name.to_string(), wish, file, listed };
    let bar = screen.bar();
    let behind =
        |since| screen.note(format!("a run of {name} has been in progress since {since}; this one starts after it"));
    let answer = tokio::select! {
        answer = daemon.ask(request, &bar, behind) => answer,
        () = interrupted() => {
            stop.cancel();
            bar.clear();
            let message = format!("the daemon (process {process}) continues the run of {name}; only this command has ended");
            let hint = format!("`rosterd status {name}` shows the result; `rosterd pause {name}` stops it before its next call");
            return Err(CommandFailure { code: code::BUSY, message, hint: Some(hint) });
        }
    };
    bar.clear();
    match answer? {
        ControlReply::Ran { report, notices } => {
            notices.iter().for_each(|notice| screen.note(notice));
            Ok(Ran::There(report))
        }
        other => Err(reload::unexpected(other)),
    }
}

pub(super) fn exit_code(report: &Telling, detailed: bool) -> u8 {
    match report.status {
        RunStatus::Failed => code::FAILED,
        RunStatus::Held => code::HELD,
        _ if report.dry_run && detailed && report.planned > 0 => code::CHANGES_DUE,
        // A preview did what it should; what can't be done is in its text.
        _ if report.dry_run => code::DONE,
        RunStatus::Partial => code::PARTIAL,
        RunStatus::Ok => code::DONE,
    }
}

/// Of several tenants' exit codes the one that asks for most attention.
fn worse(a: u8, b: u8) -> u8 {
    const ORDER: [u8; 7] =
        [code::DONE, code::CHANGES_DUE, code::BUSY, code::PARTIAL, code::HELD, code::CONFIG, code::FAILED];
    let rank = |code| ORDER.iter().position(|known| *known == code).unwrap_or(ORDER.len());
    if rank(b) > rank(a) { b } else { a }
}

/// A plan file holds personal data: only its owner may read it. Written whole or not at all.
fn save(screen: &Screen, path: &Path, report: &CycleReport) -> Result<(), CommandFailure> {
    let Some(cleared) = &report.cleared else {
        return Err(CommandFailure::failed("there is no plan to save: everything is held"));
    };
    let failed = |error: std::io::Error| CommandFailure::failed(format!("saving {}: {error}", path.display()));
    let mut text = serde_json::to_vec_pretty(cleared.plan()).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    screen.save(path, &text).map_err(failed)
}

/// The hash of a saved plan, if the file is as it was saved.
fn read_plan(path: &Path) -> Result<String, CommandFailure> {
    let text = files::read_whole(path)
        .map_err(|error| CommandFailure::config(format!("reading {}: {error}", path.display())))?;
    let plan: Plan = serde_json::from_slice(&text)
        .map_err(|error| CommandFailure::config(format!("{} is not a saved plan: {error}", path.display())))?;
    match plan.is_genuine() {
        true => Ok(plan.hash),
        false => {
            Err(CommandFailure::config(format!("{} was changed after it was saved; nothing was done", path.display()))
                .hint("make a new plan with `rosterd plan TENANT --out FILE`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_every_tenant_that_needs_a_look() {
        let ends: Vec<(TenantName, u8)> =
            [("a", code::DONE), ("b", code::HELD), ("c", code::DONE), ("d", code::FAILED)]
                .iter()
                .filter_map(|(name, end)| Some((TenantName::parse(name)?, *end)))
                .collect();
        assert_eq!(summary(&ends), "4 tenants: 2 ok, 1 held (b), 1 failed (d)");
        assert_eq!(summary(&ends[..1]), "1 tenant: 1 ok");
    }

    #[test]
    fn i11_the_code_of_several_tenants_is_that_of_the_worst() {
        assert_eq!(worse(code::DONE, code::HELD), code::HELD);
        assert_eq!(worse(code::FAILED, code::HELD), code::FAILED);
        assert_eq!(worse(code::PARTIAL, code::BUSY), code::PARTIAL);
    }
}
