//! `rosterd doctor --probe`: what a real app does, and what to set for it.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::line;
use crate::cli::args::{DoctorArgs, Format};
use crate::cli::confirm;
use crate::cli::ending::SignalListener;
use crate::cli::failure::{CommandFailure, code};
use crate::cli::screen::{ADD, FAINT, REMOVE, STRONG, Screen, paint, safe};
use crate::engine::{Checkup, Engine, Probing};
use crate::model::CheckVerdict;
use crate::scim::{Leftover, Probed, as_toml};

/// Probes, if everything is in order and somebody means it.
pub(super) async fn run(
    screen: &Screen,
    args: &DoctorArgs,
    engine: &Engine,
    checkup: &Checkup,
) -> Result<(Value, u8), CommandFailure> {
    if checkup.worst(None) == CheckVerdict::Wrong {
        let hint = "fix what is wrong first; nothing was tried";
        return Err(CommandFailure::failed("the app is not probed while something is wrong").hint(hint));
    }
    confirmed(screen, args)?;
    let stop = CancellationToken::new();
    let ending = SignalListener::watch(&stop, screen);
    let probing = engine.probe(&args.probe_domain, args.new_address, &stop).await;
    drop(ending);
    let probing = probing?;
    let toml = as_toml(&probing.probed.knobs);
    if screen.format == Format::Human {
        show(screen, &probing, &toml);
    }
    let Probing { probed, names, earlier } = &probing;
    let whole = probed.ended.is_none() && probed.left.is_empty() && earlier.is_empty() && !is_wrong(probed);
    let document = json!({
        "user_name": names.user_name, "findings": probed.findings, "knobs": probed.knobs, "toml": toml, "made": probed.made,
        "left": probed.left, "left_earlier": earlier, "ended": probed.ended,
    });
    Ok((document, if whole { code::DONE } else { code::FAILED }))
}

fn confirmed(screen: &Screen, args: &DoctorArgs) -> Result<(), CommandFailure> {
    let tenant = args.tenants.first().map(String::as_str).unwrap_or_default();
    let what = format!(
        "One throw-away account (Rosterd-Probe-…@{}) and one group are created in the app, changed, and deleted again. Nothing \
         else is touched.",
        args.probe_domain
    );
    match &args.yes_i_mean {
        Some(typed) if typed == tenant => return Ok(()),
        Some(typed) => {
            let message = format!("--yes-i-mean says {typed:?}, the tenant is {tenant}; nothing was tried");
            return Err(CommandFailure::usage(message, "type the name of the tenant that you mean"));
        }
        None if confirm::asked(screen, tenant, &what)? => return Ok(()),
        None => {}
    }
    Err(CommandFailure::failed("not confirmed; nothing was tried")
        .hint(format!("`rosterd doctor {tenant} --probe --yes-i-mean {tenant}` confirms it")))
}

fn show(screen: &Screen, probing: &Probing, toml: &str) {
    let Probing { probed, names, earlier } = probing;
    screen.say("");
    if !earlier.is_empty() {
        screen.say(paint(REMOVE.bold(), "an earlier probe left objects that can't be deleted; nothing new was tried:"));
        earlier.iter().for_each(|one| left(screen, one));
        return;
    }
    screen.say(format!("{}  {}", paint(STRONG, "probe"), paint(FAINT, format!("with {}", names.user_name))));
    for finding in &probed.findings {
        line(screen, finding);
    }
    if let Some(why) = &probed.ended {
        screen.say(format!("  {} {}", paint(REMOVE.bold(), "ended early:"), safe(why)));
    }
    match probed.left.is_empty() {
        true => screen.say(format!("  {}: {} created, all deleted", paint(ADD, "cleaned up"), probed.made)),
        false => {
            screen.say(paint(REMOVE.bold(), "  left behind; delete them in the app:"));
            probed.left.iter().for_each(|one| left(screen, one));
        }
    }
    screen.say("");
    if is_wrong(probed) {
        screen.say(paint(REMOVE.bold(), "  no profile setting helps: see what is wrong above"));
    }
    match toml.is_empty() {
        true if is_wrong(probed) || probed.ended.is_some() => {}
        true => screen.say("  the profile needs no change"),
        false => {
            screen.say(paint(STRONG, "  for the tenant file:"));
            screen.say("");
            screen.say(toml.trim_end());
        }
    }
}

/// Whether something was found that no profile can settle.
fn is_wrong(probed: &Probed) -> bool {
    probed.findings.iter().any(|finding| finding.verdict == CheckVerdict::Wrong)
}

fn left(screen: &Screen, one: &Leftover) {
    let id = one.id.as_ref().map_or_else(|| "unknown id".to_owned(), ToString::to_string);
    let state = if one.inactive { "inactive" } else { "active" };
    screen.say(format!("    {}  {}  {state}: {}", safe(&one.user_name), safe(&id), safe(&one.why)));
}
