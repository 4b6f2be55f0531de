//! `rosterd state`: looking after what is on the disk.

use std::sync::Arc;

use super::args::{Global, StateCommand};
use super::failure::Failure;
use super::screen::{ADD, Screen, paint};
use super::{check, tenant_name};
use crate::clock::SystemClock;
use crate::store::{Baseline, Store};

pub(super) fn run(screen: &Screen, global: &Global, command: &StateCommand) -> Result<(), Failure> {
    match command {
        StateCommand::Rebuild { tenant } => rebuild(screen, global, tenant),
    }
}

fn rebuild(screen: &Screen, global: &Global, tenant: &str) -> Result<(), Failure> {
    let tenant = tenant_name(tenant)?;
    let folder = check::state_dir(screen, global)?;
    if !folder.join(tenant.as_str()).exists() {
        return Err(Failure::failed(format!("there is no state of {tenant} in {}", folder.display())));
    }
    let (store, notices) = Store::open(&folder, &tenant, "rosterd state rebuild", Arc::new(SystemClock))?;
    for notice in notices {
        screen.note(notice);
    }
    store.rebuild()?;
    let counts = store.counts()?;
    if screen.format == super::args::Format::Json {
        screen.json(&serde_json::json!({"tenant": tenant, "rebuilt": true, "linked": counts}))?;
    }
    screen.say(format!(
        "{} {tenant}: {} people and {} groups are linked, as the journal says",
        paint(ADD.bold(), "rebuilt"),
        counts.users,
        counts.groups
    ));
    Ok(())
}
