//! `rosterd check`, and how every command reads the configuration.

use super::args::{Format, Global};
use super::failure::{Failure, code};
use super::screen::{ADD, Screen, count, paint};
use crate::config::diagnostic::{Diagnostic, render};
use crate::model::TenantName;
use crate::tenancy::{self, Loaded};

/// Everything a command needs of the configuration; or all mistakes, shown.
pub(super) fn load(screen: &Screen, global: &Global, tenants: &[String]) -> Result<Loaded, Failure> {
    let mut loaded = tenancy::load(&global.config, tenants).map_err(|found| shown(screen, &found))?;
    if screen.verbose > 0 {
        show(screen, &loaded.warnings);
    }
    if let Some(folder) = &global.state_dir {
        loaded.state_dir.clone_from(folder);
    }
    Ok(loaded)
}

/// `rosterd check`: every mistake of every file, without network.
pub(super) fn run(screen: &Screen, global: &Global, tenants: &[String]) -> Result<(), Failure> {
    match tenancy::load(&global.config, tenants) {
        Ok(loaded) => {
            if screen.format == Format::Json {
                let names: Vec<_> = loaded.tenants.iter().map(|tenant| &tenant.name).collect();
                screen.json(&serde_json::json!({"ok": true, "tenants": names, "diagnostics": loaded.warnings}))?;
                return Ok(());
            }
            show(screen, &loaded.warnings);
            for tenant in &loaded.tenants {
                screen.say(format!("{} {}", paint(ADD, "ok"), tenant.name));
            }
            let tenants = count(loaded.tenants.len() as u64, "tenant", "tenants");
            screen.say(format!("{tenants} checked; `rosterd plan NAME` shows what one would do"));
            Ok(())
        }
        Err(found) => {
            if screen.format == Format::Json {
                screen.json(&serde_json::json!({"ok": false, "tenants": [], "diagnostics": found}))?;
                return Err(Failure { code: code::CONFIG, message: String::new(), hint: None });
            }
            Err(shown(screen, &found))
        }
    }
}

/// Where state is kept, by the configuration alone.
pub(super) fn state_dir(screen: &Screen, global: &Global) -> Result<std::path::PathBuf, Failure> {
    match &global.state_dir {
        Some(folder) => Ok(folder.clone()),
        None => {
            tenancy::load_global(&global.config).map(|global| global.state_dir).map_err(|found| shown(screen, &found))
        }
    }
}

/// The tenants asked for, or all, without reading their files.
pub(super) fn names(screen: &Screen, global: &Global, tenants: &[String]) -> Result<Vec<TenantName>, Failure> {
    tenancy::names(&global.config, tenants).map_err(|found| shown(screen, &found))
}

fn show(screen: &Screen, found: &[Diagnostic]) {
    if !found.is_empty() {
        let colour = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        screen.note(render(found, colour).trim_end());
    }
}

/// Shows all mistakes; what is left to say is how many there were.
fn shown(screen: &Screen, found: &[Diagnostic]) -> Failure {
    show(screen, found);
    let errors = found.iter().filter(|one| one.is_error()).count() as u64;
    Failure::config(format!("{} in the configuration; nothing was done", count(errors, "mistake", "mistakes")))
}
