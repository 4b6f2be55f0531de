//! `rosterd state`: looking after what is on the disk.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use super::args::{Format, Global, StateCommand};
use super::failure::CommandFailure;
use super::screen::{ADD, FAINT, REMOVE, Screen, count, paint};
use super::{check, confirm, tenant_name};
use crate::clock::{Clock, SystemClock};
use crate::files;
use crate::identity::Identity;
use crate::store::{Baseline, StateFileContents, StoreError, Stores};

pub(super) fn run(screen: &Screen, global: &Global, command: &StateCommand) -> Result<(), CommandFailure> {
    let stores = check::stores(screen, global)?;
    match command {
        StateCommand::Rebuild { tenant } => rebuild(screen, &stores, tenant),
        StateCommand::Export { tenant, out } => write_out(screen, &stores, tenant, out.as_deref()),
        StateCommand::Forget { tenant, person, force, yes } => erase(screen, &stores, tenant, person, *force, *yes),
        StateCommand::Import { tenant, file, replace } => take_in(screen, &stores, tenant, file, *replace),
    }
}

fn rebuild(screen: &Screen, stores: &Stores, tenant: &str) -> Result<(), CommandFailure> {
    let tenant = tenant_name(tenant)?;
    let state = stores.tenant(&tenant);
    if !state.exists() {
        return Err(CommandFailure::failed(format!("there is no state of {tenant} in {stores}")));
    }
    let (store, notices) = state.open("rosterd state rebuild", Arc::new(SystemClock))?;
    for notice in notices {
        screen.note(notice);
    }
    store.rebuild()?;
    let counts = store.counts()?;
    if screen.format == Format::Json {
        screen.json(&serde_json::json!({"tenant": tenant, "rebuilt": true, "linked": counts}))?;
    }
    screen.say(format!(
        "{} {tenant}: {} users and {} groups are linked",
        paint(ADD.bold(), "rebuilt"),
        counts.users,
        counts.groups
    ));
    Ok(())
}

/// Without a file the state goes to standard output, and nothing else does.
fn write_out(screen: &Screen, stores: &Stores, tenant: &str, out: Option<&Path>) -> Result<(), CommandFailure> {
    let tenant = tenant_name(tenant)?;
    let Some(path) = out else {
        let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
        stores.tenant(&tenant).export(SystemClock.now(), &mut stdout)?;
        return Ok(());
    };
    let contents = stores.tenant(&tenant).export_to(SystemClock.now(), path)?;
    if screen.format == Format::Json {
        screen.json(&serde_json::json!({"tenant": tenant, "file": path, "exported": contents}))?;
    }
    screen.say(format!("{} {tenant}: {} into {}", paint(ADD.bold(), "exported"), size(&contents), path.display()));
    screen.say(paint(FAINT, "  it contains personal data, like the state, and no secrets"));
    Ok(())
}

fn take_in(screen: &Screen, stores: &Stores, tenant: &str, path: &Path, replace: bool) -> Result<(), CommandFailure> {
    let tenant = tenant_name(tenant)?;
    let opened = files::open_regular(path)
        .map_err(|error| CommandFailure::config(format!("reading {}: {error}; nothing was changed", path.display())));
    let mut file: Box<dyn BufRead> = match path == Path::new("-") {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(BufReader::new(opened?)),
    };
    let imported = stores.tenant(&tenant).import(&mut file, replace, SystemClock.now()).map_err(|error| {
        let hint = format!(
            "`rosterd state import {tenant} {} --replace` replaces it with the file and keeps a copy",
            path.display()
        );
        let occupied = matches!(error, StoreError::Occupied(_));
        let failure = CommandFailure::from(error);
        if occupied { failure.hint(hint) } else { failure }
    })?;
    let contents = &imported.contents;
    if screen.format == Format::Json {
        screen.json(&serde_json::json!({"tenant": tenant, "imported": contents, "set_aside": imported.aside}))?;
    }
    screen.say(format!(
        "{} {tenant}: {}, as they were at {}",
        paint(ADD.bold(), "imported"),
        size(contents),
        contents.origin.at
    ));
    if let Some(aside) = &imported.aside {
        screen.say(format!("  the previous state is in {}", aside.display()));
    }
    screen.say(format!(
        "  the next run compares every linked account and group with the app, and only adopts and adds; the run after it may \
         remove. `rosterd sync {tenant}` starts it"
    ));
    Ok(())
}

fn erase(
    screen: &Screen,
    stores: &Stores,
    tenant: &str,
    person: &str,
    force: bool,
    yes: bool,
) -> Result<(), CommandFailure> {
    let tenant = tenant_name(tenant)?;
    let what = "Everything that state and journal contain about this user is erased for good. The app is not changed.";
    let meant = yes || (confirm::can_ask() && confirm::typed(screen, person, what)?);
    if !meant {
        let hint = format!("`rosterd state forget {tenant} {person} --yes` confirms it");
        return Err(CommandFailure::failed("not confirmed; nothing was erased").hint(hint));
    }
    let by = Identity::of_this_process().to_string();
    let done = stores.tenant(&tenant).forget(person, &by, force, Arc::new(SystemClock))?;
    if screen.format == Format::Json {
        screen.json(&serde_json::json!({"tenant": tenant, "forgotten": done}))?;
    }
    screen.say(format!(
        "{} in {}; `rosterd journal verify {tenant}` verifies the rest",
        paint(REMOVE.bold(), "forgotten"),
        count(done.records, "record", "records")
    ));
    if done.was_linked {
        screen.say("  the account in the app is unchanged, and rosterd no longer manages it");
    }
    for path in &done.copies {
        screen.note(format!("{} still contains their data: check it, then delete it", path.display()));
    }
    screen.note("backups and exported state files still contain their data");
    Ok(())
}

fn size(contents: &StateFileContents) -> String {
    count(contents.sum.records, "record", "records")
}
