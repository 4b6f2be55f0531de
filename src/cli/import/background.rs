//! An import that the running daemon carries. In: which accounts. Out: how to follow it, at once.

use serde_json::json;

use crate::cli::args::{Format, Global};
use crate::cli::failure::{CommandFailure, code};
use crate::cli::screen::{FAINT, STRONG, Screen, count, paint, safe};
use crate::cli::{check, reload};
use crate::daemon::{ControlReply, ControlRequest, ImportToOrder, Talk, reach};
use crate::progress::Silent;
use crate::store::{ImportChoice, Stores};
use crate::tenancy::Tenant;

/// A request to the daemon is no longer than a mebibyte; what is around the names is short.
const LONGEST: usize = 1_000_000;

/// The daemon of a state folder, without which nothing goes on in the background.
pub(super) async fn reached(stores: &Stores, tenant: &str) -> Result<Talk, CommandFailure> {
    reach(stores).await?.ok_or_else(|| {
        let message = format!("no daemon runs on {}: nothing can run in the background; no user was created", stores);
        let hint = format!(
            "start it (`systemctl start rosterd`, or `rosterd run`); or leave out --background: `rosterd import {tenant} …` imports here"
        );
        CommandFailure::failed(message).hint(hint)
    })
}

/// An import of a tenant. `chosen` is how many accounts that are, where it is known.
pub(super) fn to_order(tenant: &Tenant, choice: ImportChoice, chosen: Option<u64>) -> ImportToOrder {
    ImportToOrder { tenant: tenant.name.to_string(), file: tenant.fingerprint(), choice, chosen }
}

/// Hands an import over, and says how to follow it.
pub(in crate::cli) async fn hand_over(
    screen: &Screen,
    daemon: Talk,
    order: ImportToOrder,
) -> Result<u8, CommandFailure> {
    let ImportToOrder { tenant: name, file, choice, chosen } = order;
    let process = daemon.hello().process;
    if let ImportChoice::Named(names) = &choice
        && names.iter().map(|name| name.len() + 3).sum::<usize>() > LONGEST
    {
        let message = format!("{} names are more than the daemon accepts at a time; no user was created", names.len());
        let hint = "use --create-all with --search, or --foreground to import here";
        return Err(CommandFailure::failed(message).hint(hint));
    }
    let request = ControlRequest::Import { tenant: name.clone(), file, choice };
    let importing = match daemon.ask(request, &Silent, |_| ()).await? {
        ControlReply::Importing(importing) => importing,
        other => return Err(reload::unexpected(other)),
    };
    let follow = format!("rosterd status {name}");
    if screen.format == Format::Json {
        screen.json(&json!({
            "tenant": name, "background": true, "import": importing.id, "process": process, "planned": chosen,
            "follow": follow, "reports": importing.reports,
        }))?;
        return Ok(code::DONE);
    }
    let what = chosen.map_or_else(String::new, |chosen| format!(" of {}", count(chosen, "user", "users")));
    screen.say(format!(
        "{}  the import{what} runs in the background, in the daemon (process {process})",
        paint(STRONG, safe(&name))
    ));
    screen.say(format!("  `{follow}` shows its progress; the notification `import_finished` reports its end"));
    screen.say(paint(FAINT, format!("  its report will be in {}", safe(&importing.reports.display().to_string()))));
    screen.say(paint(FAINT, format!("  `rosterd import {name} --stop` ends it; what was created stays")));
    Ok(code::DONE)
}

/// Ends an import in the background.
pub(super) async fn stop(screen: &Screen, global: &Global, tenant: &str) -> Result<u8, CommandFailure> {
    let stores = check::stores(screen, global)?;
    match reload::ask(&stores, || ControlRequest::StopImport { tenant: tenant.to_owned() }).await? {
        Some(ControlReply::ImportStopping) => {
            if screen.format == Format::Json {
                screen.json(&json!({ "tenant": tenant, "stopping": true }))?;
            } else {
                screen.say(format!("the import of {} ends after the user that is being created", safe(tenant)));
                screen.say(paint(
                    FAINT,
                    format!("  `rosterd status {tenant}` shows what was created; its report lists it"),
                ));
            }
            Ok(code::DONE)
        }
        Some(other) => Err(reload::unexpected(other)),
        None => {
            let message = format!("no daemon runs on {}: no import is running; nothing was stopped", stores);
            Err(CommandFailure::failed(message)
                .hint(format!("`rosterd status {tenant}` shows an import that was interrupted")))
        }
    }
}
