//! `rosterd check`, and how every command reads the configuration.

use super::args::{Format, Global};
use super::failure::{CommandFailure, code};
use super::screen::{ADD, Screen, WAIT, count, paint, safe};
use crate::clock;
use crate::config::diagnostic::{Diagnostic, render};
use crate::model::TenantName;
use crate::store::{Sign, Stores};
use crate::tenancy::{self, Loaded, Usable};

/// What an operator may have said of a tenant as a whole.
const SIGNS: [(Sign, &str); 2] = [(Sign::Paused, "paused"), (Sign::Retired, "retired")];

/// Everything a command needs of the configuration; or all mistakes, shown.
pub(super) fn load(screen: &Screen, global: &Global, tenants: &[String]) -> Result<Loaded, CommandFailure> {
    let stores = elsewhere(screen, global)?;
    let loaded = tenancy::load_beside(&global.config, tenants, stores.as_ref());
    let loaded = loaded.map_err(|found| shown(screen, &found))?;
    if screen.verbose > 0 {
        show(screen, &loaded.warnings);
    }
    Ok(loaded)
}

/// The same for work on many tenants: the mistakes of one are shown, and do not keep the others from their turn.
pub(super) fn load_usable(screen: &Screen, global: &Global) -> Result<Usable, CommandFailure> {
    let stores = elsewhere(screen, global)?;
    let usable = tenancy::load_usable(&global.config, &[], stores.as_ref());
    let usable = usable.map_err(|found| shown(screen, &found))?;
    for broken in &usable.broken {
        show(screen, &broken.found);
    }
    let misnamed = usable.loaded.warnings.iter().filter(|one| one.is_error() || screen.verbose > 0).cloned();
    show(screen, &misnamed.collect::<Vec<_>>());
    Ok(usable)
}

/// `rosterd check`: every mistake of every file, and whether secrets and files can be used, without network.
pub(super) fn run(screen: &Screen, global: &Global, tenants: &[String]) -> Result<(), CommandFailure> {
    let report = tenancy::check(&global.config, tenants, elsewhere(screen, global)?.as_ref());
    let stores = stores_if_known(global);
    let mark = |tenant: &TenantName, sign| stores.as_ref().and_then(|stores| stores.tenant(tenant).mark(sign));
    if screen.format == Format::Json {
        let mut document = report.json();
        for (at, tenant) in report.tenants.iter().enumerate() {
            for (sign, key) in SIGNS {
                if let Some(mark) = mark(&tenant.name, sign) {
                    document["tenants"][at][key] = serde_json::to_value(mark).map_err(std::io::Error::from)?;
                }
            }
        }
        screen.json(&document)?;
        let failed = CommandFailure { code: code::CONFIG, message: String::new(), hint: None };
        return match report.is_good() {
            true if report.tenants.is_empty() => Err(no_tenants(global)),
            true => Ok(()),
            false => Err(failed),
        };
    }
    show(screen, &report.diagnostics);
    for tenant in report.tenants.iter().filter(|tenant| tenant.errors == 0) {
        let times: Vec<String> = tenant.next_runs.iter().map(|time| clock::shown(*time)).collect();
        let marks: Vec<String> = SIGNS
            .iter()
            .filter_map(|(sign, word)| Some((word, mark(&tenant.name, *sign)?)))
            .map(|(word, mark)| format!("  {} {}: nothing is sent", paint(WAIT.bold(), word), safe(&mark.to_string())))
            .collect();
        // Nothing runs in the meantime.
        let runs = match times.is_empty() || !marks.is_empty() {
            true => String::new(),
            false => format!("  next runs: {}", times.join(", ")),
        };
        screen.say(format!("{} {}{}{runs}", paint(ADD, "ok"), tenant.name, marks.concat()));
    }
    if !report.is_good() {
        return Err(mistakes(report.errors()));
    }
    if report.tenants.is_empty() {
        return Err(no_tenants(global));
    }
    let tenants = count(report.tenants.len() as u64, "tenant", "tenants");
    screen.say(format!("{tenants} checked; `rosterd plan NAME` previews its changes"));
    Ok(())
}

/// The states of `--state-dir`, if it is given.
fn elsewhere(screen: &Screen, global: &Global) -> Result<Option<Stores>, CommandFailure> {
    let Some(folder) = &global.state_dir else { return Ok(None) };
    trusted(screen, folder)?;
    Ok(Some(Stores::on_disk(folder)))
}

/// Whether the configuration can't be read by this account, and the command line says where the state is: then the daemon is asked.
pub(super) fn is_out_of_reach(global: &Global) -> bool {
    let closed = |error: &std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
    global.state_dir.is_some() && std::fs::File::open(&global.config).is_err_and(|error| closed(&error))
}

/// Where state is kept, if the configuration says so without a mistake; nothing is shown.
pub(super) fn stores_if_known(global: &Global) -> Option<Stores> {
    let by_file = || tenancy::load_global(&global.config).ok().map(|found| found.state_dir);
    global.state_dir.clone().or_else(by_file).map(Stores::on_disk)
}

/// Where state is kept, by the configuration alone.
pub(super) fn stores(screen: &Screen, global: &Global) -> Result<Stores, CommandFailure> {
    let folder = match &global.state_dir {
        Some(folder) => folder.clone(),
        None => tenancy::load_global(&global.config).map_err(|found| shown(screen, &found))?.state_dir,
    };
    trusted(screen, &folder)?;
    Ok(Stores::on_disk(folder))
}

/// Refuses a state folder that another user could change: journals and approvals are in it.
fn trusted(screen: &Screen, folder: &std::path::Path) -> Result<(), CommandFailure> {
    match tenancy::state_distrust(folder) {
        Some(found) if found.is_error() => Err(shown(screen, &[found])),
        _ => Ok(()),
    }
}

/// The tenants asked for, or all, without reading their files.
pub(super) fn names(screen: &Screen, global: &Global, tenants: &[String]) -> Result<Vec<TenantName>, CommandFailure> {
    tenancy::names(&global.config, tenants).map_err(|found| shown(screen, &found))
}

pub(super) fn show(screen: &Screen, found: &[Diagnostic]) {
    if !found.is_empty() {
        screen.note(render(found, screen.has_colours()).trim_end());
    }
}

/// That there is nothing to check or to sync.
pub(super) fn no_tenants(global: &Global) -> CommandFailure {
    let message = format!("{} has no tenants; nothing was done", global.config.display());
    CommandFailure::config(message).hint("`rosterd init TENANT` writes a first tenant file")
}

/// Shows all mistakes; what is left to say is how many there were.
pub(super) fn shown(screen: &Screen, found: &[Diagnostic]) -> CommandFailure {
    show(screen, found);
    mistakes(found.iter().filter(|one| one.is_error()).count())
}

fn mistakes(errors: usize) -> CommandFailure {
    let errors = count(errors as u64, "mistake", "mistakes");
    CommandFailure::config(format!("{errors} in the configuration; nothing was done"))
}
