//! `rosterd doctor`: whether a connection would work, spot by spot, each with its remedy.

mod probe;

use std::sync::Arc;

use serde_json::{Value, json};

use super::args::{DoctorArgs, Format, Global};
use super::check;
use super::failure::{CommandFailure, code};
use super::screen::{ADD, CHANGE, FAINT, REMOVE, STRONG, Screen, count, paint, safe};
use crate::clock::SystemClock;
use crate::config::diagnostic::Diagnostic;
use crate::engine::{Checkup, Engine, Side};
use crate::model::{CheckVerdict, Finding};
use crate::store::Stores;
use crate::tenancy::{self, Tenant};

/// How wide the names of the spots are.
const WIDTH: usize = 21;

pub(super) async fn run(screen: &Screen, global: &Global, args: &DoctorArgs) -> Result<u8, CommandFailure> {
    let stores = check::stores(screen, global)?;
    if args.probe && args.tenants.len() != 1 {
        return Err(CommandFailure::usage("--probe needs one tenant", "`rosterd doctor TENANT --probe`"));
    }
    let report = tenancy::check(&global.config, &args.tenants, Some(&stores));
    if report.tenants.is_empty() {
        check::names(screen, global, &args.tenants)?;
        let hint = "`rosterd init TENANT` writes the first tenant file";
        return Err(CommandFailure::config("there is no tenant to check").hint(hint));
    }
    let usable = tenancy::load_usable(&global.config, &args.tenants, Some(&stores))
        .map_err(|found| check::shown(screen, &found))?;
    let mut tenants = usable.loaded.tenants;
    let mut all = Vec::with_capacity(report.tenants.len());
    let mut worst = code::DONE;
    for checked in &report.tenants {
        let broken = usable.broken.iter().find(|broken| broken.name == checked.name);
        let found = match broken {
            // What is wrong may stand in a profile that the file names.
            Some(broken) => configuration(broken.found.iter()),
            None => configuration(report.diagnostics.iter().filter(|one| one.file == checked.file)),
        };
        let at = tenants.iter().position(|tenant| tenant.name == checked.name);
        let (checkup, engine) = examined(screen, args, &stores, at.map(|at| tenants.swap_remove(at)), found).await;
        worst = worst.max(exit_code(&checkup));
        let mut one = document(checked.name.as_str(), &checkup);
        if screen.format == Format::Human {
            show(screen, checked.name.as_str(), &checkup);
        }
        if let (true, Some(engine)) = (args.probe, engine) {
            let (probing, code) = probe::run(screen, args, &engine, &checkup).await?;
            worst = worst.max(code);
            one["probe"] = probing;
        }
        all.push(one);
    }
    if screen.format == Format::Json {
        screen.json(&all)?;
    }
    Ok(worst)
}

async fn examined(
    screen: &Screen,
    args: &DoctorArgs,
    stores: &Stores,
    tenant: Option<Tenant>,
    found: Vec<Finding>,
) -> (Checkup, Option<Engine>) {
    let mut checkup = Checkup::default();
    checkup.add(Side::Configuration, found);
    let Some(tenant) = tenant else { return (checkup, None) };
    let engine = Engine::new(Arc::new(tenant), stores.clone(), Arc::new(SystemClock));
    let bar = screen.bar();
    let looked = engine.examine(args.new_address, &bar).await;
    bar.clear();
    checkup.spots.extend(looked.spots);
    (Checkup { spots: checkup.spots, ..looked }, Some(engine))
}

/// What `rosterd check` says of one tenant.
fn configuration<'a>(own: impl Iterator<Item = &'a Diagnostic>) -> Vec<Finding> {
    let found: Vec<Finding> = own
        .map(|one| {
            let (detail, remedy) = (format!("{}: {}", one.location(), one.message), one.hint.clone());
            let remedy = remedy.unwrap_or_else(|| "`rosterd check` shows the place".to_owned());
            match one.is_error() {
                true => Finding::wrong("configuration", detail, remedy),
                false => Finding::warning("configuration", detail, remedy),
            }
        })
        .collect();
    match found.is_empty() {
        true => vec![Finding::ok("configuration", "no mistake in the file, secrets can be read")],
        false => found,
    }
}

fn exit_code(checkup: &Checkup) -> u8 {
    match (checkup.worst(Some(Side::Configuration)), checkup.worst(None)) {
        (CheckVerdict::Wrong, _) => code::CONFIG,
        (_, CheckVerdict::Wrong) => code::FAILED,
        _ => code::DONE,
    }
}

fn show(screen: &Screen, tenant: &str, checkup: &Checkup) {
    screen.say(paint(STRONG, tenant));
    for spot in &checkup.spots {
        line(screen, &spot.finding);
    }
    screen.say(format!("  {}", verdict(tenant, checkup)));
}

pub(super) fn line(screen: &Screen, finding: &Finding) {
    let (style, word) = match finding.verdict {
        CheckVerdict::Ok => (ADD, "ok"),
        CheckVerdict::Warning => (CHANGE, "warning"),
        CheckVerdict::Wrong => (REMOVE, "wrong"),
    };
    let check = format!("{:WIDTH$}", finding.check);
    let remedy = finding.remedy.as_ref().map(|remedy| paint(FAINT, format!("  -> {}", safe(remedy))));
    screen.say(format!(
        "  {} {check}  {}{}",
        paint(style, format!("{word:7}")),
        safe(&finding.detail),
        remedy.unwrap_or_default()
    ));
}

/// J2: one clear line.
fn verdict(tenant: &str, checkup: &Checkup) -> String {
    let wrong = checkup.spots.iter().filter(|spot| spot.finding.verdict == CheckVerdict::Wrong).count() as u64;
    let warnings = checkup.spots.iter().filter(|spot| spot.finding.verdict == CheckVerdict::Warning).count() as u64;
    match (&checkup.directory, &checkup.app) {
        (Some(directory), Some(app)) if wrong == 0 => {
            let but = match warnings {
                0 => String::new(),
                some => format!("; {}", count(some, "warning", "warnings")),
            };
            let sides = format!("{}; {} accepts the token{but}", safe(directory), safe(app));
            format!(
                "{}: {sides}. `rosterd plan {tenant}` shows what a sync would do",
                paint(ADD.bold(), "both sides work")
            )
        }
        (directory, app) => {
            let proved = match (directory.is_some(), app.is_some()) {
                (true, true) => "both sides answer",
                (true, false) => "the directory answers, the app does not",
                (false, true) => "the app answers, the directory does not",
                (false, false) => "could not verify either side",
            };
            let wrong = count(wrong, "thing is", "things are");
            format!("{}: {wrong} wrong; {proved}", paint(REMOVE.bold(), "not connected"))
        }
    }
}

fn document(tenant: &str, checkup: &Checkup) -> Value {
    json!({
        "tenant": tenant, "verdict": checkup.worst(None), "directory": checkup.directory, "app": checkup.app,
        "findings": checkup.spots,
    })
}
