//! `rosterd pause` and `rosterd resume`: a word that every process honours before its next call to the app.

use serde::Serialize;

use super::args::{Format, Global, PauseArgs, TenantsOrAll};
use super::failure::CommandFailure;
use super::screen::{ADD, STRONG, Screen, WAIT, paint, safe};
use super::{check, reload};
use crate::clock::{Clock, SystemClock};
use crate::daemon::{ControlReply, ControlRequest};
use crate::identity::{self, Identity};
use crate::model::TenantName;
use crate::store::{Sign, TenantMark};

#[derive(Serialize)]
struct PauseRow<'a> {
    tenant: &'a TenantName,
    paused: Option<TenantMark>,
    /// What ended, for `resume`.
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<TenantMark>,
}

pub(super) async fn pause(screen: &Screen, global: &Global, args: &PauseArgs) -> Result<(), CommandFailure> {
    let names = names(screen, global, &args.which)?;
    let stores = check::stores(screen, global)?;
    let mut lines = Vec::with_capacity(names.len());
    for tenant in &names {
        let (reason, says) = (args.reason.clone(), identity::claim());
        let asked = || ControlRequest::Pause { tenant: tenant.to_string(), reason: reason.clone(), says };
        let mark = match reload::ask(&stores, asked).await? {
            Some(ControlReply::Paused(mark)) => mark,
            Some(other) => return Err(reload::unexpected(other)),
            None => {
                let mark = TenantMark::by(Identity::of_this_process(), SystemClock.now(), reason);
                stores.tenant(tenant).set_mark(Sign::Paused, &mark)?;
                mark
            }
        };
        screen.say(format!(
            "{} {tenant}: nothing is sent until `rosterd resume {tenant}`; a run in progress finishes what it is reading and ends \
             before its next change",
            paint(WAIT.bold(), "paused")
        ));
        lines.push(PauseRow { tenant, paused: Some(mark), was: None });
    }
    show(screen, &lines)
}

pub(super) async fn resume(screen: &Screen, global: &Global, args: &TenantsOrAll) -> Result<(), CommandFailure> {
    let names = names(screen, global, args)?;
    let stores = check::stores(screen, global)?;
    let mut lines = Vec::with_capacity(names.len());
    for tenant in &names {
        let was = match reload::ask(&stores, || ControlRequest::Resume { tenant: tenant.to_string() }).await? {
            Some(ControlReply::Resumed(was)) => was,
            Some(other) => return Err(reload::unexpected(other)),
            None => stores.tenant(tenant).clear_mark(Sign::Paused)?,
        };
        screen.say(match &was {
            Some(mark) => format!(
                "{} {tenant}, paused {}; `rosterd plan {tenant}` shows the pending changes",
                paint(ADD.bold(), "resumed"),
                safe(&mark.to_string())
            ),
            None => format!("{} was not paused", paint(STRONG, tenant)),
        });
        lines.push(PauseRow { tenant, paused: None, was });
    }
    show(screen, &lines)
}

/// Tenants have to be named, or `--all` said: nobody stops everything by a slip.
fn names(screen: &Screen, global: &Global, which: &TenantsOrAll) -> Result<Vec<TenantName>, CommandFailure> {
    if which.tenants.is_empty() && !which.all {
        return Err(CommandFailure::usage("no tenant is named", "name the tenants, or say --all"));
    }
    check::names(screen, global, &which.tenants)
}

fn show(screen: &Screen, lines: &[PauseRow<'_>]) -> Result<(), CommandFailure> {
    if screen.format == Format::Json {
        screen.json(&lines)?;
    }
    Ok(())
}
