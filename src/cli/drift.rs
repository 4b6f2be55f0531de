//! `rosterd drift`: what was changed in the app by hand.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::args::{DriftArgs, Format, Global};
use super::check;
use super::ending::Ending;
use super::failure::{Failure, code};
use super::report_view::change_text;
use super::screen::{ADD, CHANGE, FAINT, REMOVE, STRONG, Screen, count, named, paint};
use crate::clock::SystemClock;
use crate::engine::{Drifts, Engine};
use crate::roll::{Drift, Drifted};

/// How many members are named in a line.
const NAMED: usize = 10;

pub(super) async fn run(screen: &Screen, global: &Global, args: &DriftArgs) -> Result<u8, Failure> {
    let mut loaded = check::load(screen, global, std::slice::from_ref(&args.tenant))?;
    let tenant = loaded.tenants.pop().ok_or_else(|| Failure::failed("there is no tenant to work on"))?;
    let engine = Engine::new(Arc::new(tenant), loaded.state_dir, Arc::new(SystemClock));
    let (bar, stop) = (screen.bar(), CancellationToken::new());
    let ending = Ending::watch(&stop, screen);
    let drifts = engine.drift(args.note.then_some(&|_: &Drifted| true), &bar, &stop).await;
    drop(ending);
    bar.clear();
    let drifts = drifts?;
    match screen.format {
        Format::Json => screen.json(&serde_json::json!({
            "tenant": args.tenant, "accounts": drifts.accounts, "linked": drifts.linked, "groups": drifts.groups,
            "drift": drifts.found, "noted": drifts.noted,
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
    if drifts.found.is_empty() {
        screen.say("  nothing was changed by hand");
        return;
    }
    let ours = drifts.found.iter().filter(|one| !one.effects.is_empty()).count() as u64;
    screen.say("");
    screen.say(match (drifts.noted, ours) {
        (true, _) => format!("  noted: `rosterd plan {}` shows what brings the app back", args.tenant),
        (false, 0) => "  nothing of it is rosterd's to change".to_owned(),
        (false, _) => format!(
            "  `rosterd drift {0} --note` and then `rosterd sync {0}` make it as the directory says",
            args.tenant
        ),
    });
}

fn line(screen: &Screen, one: &Drift) {
    let name = named(&one.name);
    let (sign, style, what) = match &one.what {
        Drifted::AccountAdded => ("+", ADD, "an account that rosterd neither made nor took over".to_owned()),
        Drifted::AccountRemoved => ("-", REMOVE, "the account is gone".to_owned()),
        Drifted::ActiveChanged { active: true } => ("~", CHANGE, "was switched on".to_owned()),
        Drifted::ActiveChanged { active: false } => ("~", CHANGE, "was switched off".to_owned()),
        Drifted::AttributesChanged { .. } => ("~", CHANGE, "has other values".to_owned()),
        Drifted::GroupRemoved => ("-", REMOVE, "the group is gone".to_owned()),
        Drifted::GroupRenamed { now } => ("~", CHANGE, format!("the group is called {} now", named(now))),
        Drifted::MembersAdded { members } => ("+", ADD, format!("has members put in by hand: {}", some(members))),
        Drifted::MembersRemoved { members } => ("-", REMOVE, format!("lost members by hand: {}", some(members))),
    };
    screen.say(format!("  {} {name}  {}", paint(style, sign), paint(FAINT, what)));
    if let Drifted::AttributesChanged { changes } = &one.what {
        for text in changes.iter().filter_map(change_text) {
            screen.say(format!("      {text}"));
        }
    }
}

fn some(members: &[String]) -> String {
    let named: Vec<String> = members.iter().take(NAMED).map(|name| named(name)).collect();
    match members.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
