//! `rosterd backup`: every tenant's state in one folder, while the daemon runs.

use super::args::{BackupArgs, Format, Global};
use super::check;
use super::failure::{CommandFailure, code};
use super::screen::{ADD, FAINT, Screen, count, paint, safe};
use crate::clock::{Clock, SystemClock};
use crate::tenancy;

pub(super) fn run(screen: &Screen, global: &Global, args: &BackupArgs) -> Result<u8, CommandFailure> {
    let stores = check::stores(screen, global)?;
    let config = tenancy::file_hashes(&global.config).map_err(|error| {
        CommandFailure::config(format!("the configuration can't be hashed: {error}; nothing was backed up"))
    })?;
    let (folder, made) = stores.backup(&args.dir, SystemClock.now(), config)?;
    let code = if made.failed.is_empty() { code::DONE } else { code::FAILED };
    if screen.format == Format::Json {
        screen.json(&serde_json::json!({"folder": folder, "backup": made}))?;
        return Ok(code);
    }
    for kept in &made.tenants {
        let records = count(kept.sum.records, "record", "records");
        screen.say(format!("  {}  {}", kept.tenant, paint(FAINT, format!("{records}, head {}", kept.sum.head))));
    }
    for (tenant, why) in &made.failed {
        screen.error(format!("{tenant}: {}", safe(why)));
    }
    let tenants = count(made.tenants.len() as u64, "tenant", "tenants");
    screen.say(format!("{} {tenants} into {}, read back", paint(ADD.bold(), "backed up"), folder.display()));
    screen.say(paint(
        FAINT,
        "  configuration and secrets are not in it (only the hashes of the files): keep those where you keep such things",
    ));
    Ok(code)
}
