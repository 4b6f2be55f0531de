//! `rosterd drift`: what was changed in the app by hand.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::args::{DriftArgs, Format, Global};
use super::check;
use super::ending::SignalListener;
use super::failure::{CommandFailure, code};
use super::report_view::change_text;
use super::screen::{ADD, CHANGE, FAINT, REMOVE, STRONG, Screen, WAIT, count, named, paint};
use crate::clock::{self, SystemClock};
use crate::engine::{Drifts, Engine};
use crate::roll::{Drift, DriftHint, Drifted};

/// How many members are named in a line.
const NAMED: usize = 10;

pub(super) async fn run(screen: &Screen, global: &Global, args: &DriftArgs) -> Result<u8, CommandFailure> {
    let mut loaded = check::load(screen, global, std::slice::from_ref(&args.tenant))?;
    let tenant = loaded.tenants.pop().ok_or_else(|| CommandFailure::failed("there is no tenant to work on"))?;
    let engine = Engine::new(Arc::new(tenant), loaded.stores, Arc::new(SystemClock));
    let (bar, stop) = (screen.bar(), CancellationToken::new());
    let ending = SignalListener::watch(&stop, screen);
    let drifts = engine.drift(args.note.then_some(&|_: &Drifted| true), args.trust_empty_groups, &bar, &stop).await;
    drop(ending);
    bar.clear();
    let drifts = drifts?;
    match screen.format {
        Format::Json => screen.json(&serde_json::json!({
            "tenant": args.tenant, "accounts": drifts.accounts, "linked": drifts.linked, "groups": drifts.groups,
            "calls": drifts.calls, "drift": drifts.found, "noted": drifts.noted,
            "hints": drifts.hints.iter().map(hint_json).collect::<Vec<_>>(),
        }))?,
        Format::Human => show(screen, args, &drifts),
    }
    let differs = args.detailed_exitcode && !drifts.found.is_empty();
    Ok(if differs { code::CHANGES_DUE } else { code::DONE })
}

fn show(screen: &Screen, args: &DriftArgs, drifts: &Drifts) {
    let (accounts, linked) = (count(drifts.accounts, "account", "accounts"), drifts.linked);
    let groups = count(drifts.groups, "group", "groups");
    let compared = format!("{accounts} in the app, {linked} linked; {groups} compared");
    screen.say(format!("{}  {}", paint(STRONG, &args.tenant), paint(FAINT, compared)));
    for one in &drifts.found {
        line(screen, one);
    }
    for hint in &drifts.hints {
        screen.say(format!("  {} {}", paint(WAIT, "!"), hint_text(*hint, &args.tenant)));
    }
    if drifts.found.is_empty() {
        if drifts.hints.is_empty() {
            screen.say("  nothing was changed by hand");
        }
        return;
    }
    let ours = drifts.found.iter().filter(|one| !one.effects.is_empty()).count() as u64;
    screen.say("");
    screen.say(match (drifts.noted, ours) {
        (true, _) => format!("  noted: `rosterd plan {}` shows the changes that revert it", args.tenant),
        (false, 0) => "  rosterd manages none of it and changes nothing".to_owned(),
        (false, _) => format!(
            "  `rosterd drift {0} --note` and then `rosterd sync {0}` restore the directory's values",
            args.tenant
        ),
    });
}

fn line(screen: &Screen, one: &Drift) {
    let name = named(&one.name);
    let (sign, style, what) = match &one.what {
        Drifted::AccountAdded => ("+", ADD, "an account that rosterd neither created nor adopted".to_owned()),
        Drifted::AccountKept { deleted, active } => {
            let state = if *active { "active" } else { "inactive" };
            let when = clock::shown(*deleted);
            ("!", REMOVE, format!("rosterd deleted this account on {when}, and the app still shows it as {state}"))
        }
        Drifted::AccountNotShown => {
            ("~", CHANGE, "rosterd deactivated this account, and the app does not show it".to_owned())
        }
        Drifted::AccountRemoved => ("-", REMOVE, "the account is gone".to_owned()),
        Drifted::ActiveChanged { active: true } => ("~", CHANGE, "was activated".to_owned()),
        Drifted::ActiveChanged { active: false } => ("~", CHANGE, "was deactivated".to_owned()),
        Drifted::AttributesChanged { .. } => ("~", CHANGE, "has other values".to_owned()),
        Drifted::GroupRemoved => ("-", REMOVE, "the group is gone".to_owned()),
        Drifted::GroupRenamed { now } => ("~", CHANGE, format!("the group was renamed to {}", named(now))),
        Drifted::MembersAdded { members } => ("+", ADD, format!("has members added by hand: {}", some(members))),
        Drifted::MembersRemoved { members } => ("-", REMOVE, format!("lost members by hand: {}", some(members))),
    };
    screen.say(format!("  {} {name}  {}", paint(style, sign), paint(FAINT, what)));
    if let Drifted::AttributesChanged { changes } = &one.what {
        for text in changes.iter().filter_map(change_text) {
            screen.say(format!("      {text}"));
        }
    }
}

fn hint_json(hint: &DriftHint) -> serde_json::Value {
    let (key, value) = hint.setting();
    let mut json = serde_json::json!(hint);
    json["key"] = key.into();
    json["value"] = value.into();
    json
}

fn hint_text(hint: DriftHint, tenant: &str) -> String {
    let (key, value) = hint.setting();
    match hint {
        DriftHint::MembersNotShown { groups, members } => format!(
            "no group shows a member, although rosterd added {} to {}: the app may not show members (then set `{key} = {value}` in \
             [target.override_profile]), or all of them were removed by hand (then run `rosterd drift {tenant} --note \
             --trust-empty-groups`)",
            count(members, "member", "members"),
            count(groups, "group", "groups")
        ),
        DriftHint::InactiveNotShown { accounts } => format!(
            "the app shows none of the {} that rosterd deactivated: it may hide inactive accounts (then set `{key} = {value}` in \
             [target.override_profile]); they stay linked",
            count(accounts, "account", "accounts")
        ),
    }
}

fn some(members: &[String]) -> String {
    let named: Vec<String> = members.iter().take(NAMED).map(|name| named(name)).collect();
    match members.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
