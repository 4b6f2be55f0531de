//! `rosterd init`: the first files to edit.

use std::io::{BufRead, IsTerminal as _};

use super::args::{AccountAction, Format, Global, InitArgs};
use super::confirm;
use super::failure::CommandFailure;
use super::screen::{ADD, STRONG, Screen, paint};
use super::tenant_name;
use crate::config::tenant::DeprovisioningAction;
use crate::source::choices::Choice;
use crate::tenancy::{self, InitChoices, InitPlan, InitReport, differences, init_with};

pub(super) fn run(screen: &Screen, global: &Global, args: &InitArgs) -> Result<(), CommandFailure> {
    let tenant = tenant_name(&args.tenant)?;
    let plan = InitPlan { tenant, source: args.source.clone(), app: args.app.clone() };
    let differences = differences(&plan.source, &plan.app);
    let choices = InitChoices { on_unassigned: on_unassigned(screen, args, &differences)? };
    let made = init_with(&global.config, &plan, &choices)?;
    let chosen = |difference: &&Choice| difference.key != REVOKED || choices.on_unassigned.is_none();
    let open: Vec<&Choice> = differences.iter().filter(chosen).collect();
    if screen.format == Format::Json {
        let folder = &made.secrets_folder;
        let (written, to_edit) = (&made.written, made.to_edit.iter().map(|(line, _)| line).collect::<Vec<_>>());
        let document =
            serde_json::json!({"written": written, "secrets_folder": folder, "differences": open, "to_edit": to_edit});
        screen.json(&document)?;
    }
    for path in &made.written {
        screen.say(format!("{} {}", paint(ADD, "wrote"), path.display()));
    }
    if let Some(folder) = &made.secrets_folder {
        screen.say(format!("{} {} (mode 700) for secrets", paint(ADD, "created"), folder.display()));
    }
    for difference in open {
        screen.say(format!("{} = {}: {}", paint(STRONG, difference.key), difference.value, difference.reason));
    }
    next_steps(screen, global, &args.tenant, &made);
    Ok(())
}

/// The lines to edit and the commands that follow, with the configuration file that was named.
fn next_steps(screen: &Screen, global: &Global, tenant: &str, made: &InitReport) {
    if let (Some(path), false) = (made.written.last(), made.to_edit.is_empty()) {
        screen.say(format!("\nEdit {}:", path.display()));
        for (number, line) in &made.to_edit {
            screen.say(format!("  line {number:>3}: {line}"));
        }
    }
    let config = option(global);
    screen.say("\nThen run:");
    for command in ["check", "doctor", "plan", "sync"] {
        screen.say(format!("  rosterd{config} {command} {tenant}"));
    }
}

/// The option of commands that follow, where the configuration is not at its usual place.
pub(super) fn option(global: &Global) -> String {
    match global.config == tenancy::default_config() {
        true => String::new(),
        false => format!(" --config {}", global.config.display()),
    }
}

/// The key of the one choice that is asked for.
pub(super) const REVOKED: &str = "users.on_unassigned";

/// What becomes of the account of a user whose access is revoked: as the command line says, or as a person at a terminal says where the
/// vendor's guide chooses otherwise. `None` keeps the default.
fn on_unassigned(
    screen: &Screen,
    args: &InitArgs,
    differences: &[Choice],
) -> Result<Option<DeprovisioningAction>, CommandFailure> {
    if let Some(action) = args.on_unassigned {
        return Ok(Some(fate(action)));
    }
    let Some(difference) = differences.iter().find(|difference| difference.key == REVOKED) else { return Ok(None) };
    let a_person =
        confirm::can_ask() && std::io::stdout().is_terminal() && screen.format == Format::Human && !screen.quiet;
    if !a_person {
        return Ok(None);
    }
    screen.note(difference.reason);
    Ok(ask(screen, &mut std::io::stdin().lock())?)
}

/// Asks until the answer is one of the two; an empty line keeps the default, and so does the end of the input.
fn ask(screen: &Screen, answers: &mut impl BufRead) -> std::io::Result<Option<DeprovisioningAction>> {
    loop {
        screen.note(format!(
            "Type {} or {}, or press Enter for deactivate:",
            paint(STRONG, "deactivate"),
            paint(STRONG, "delete")
        ));
        let mut line = String::new();
        let read = answers.read_line(&mut line)?;
        match line.trim() {
            "" if read == 0 => return Ok(None),
            "" | "deactivate" => return Ok(Some(DeprovisioningAction::Deactivate)),
            "delete" => return Ok(Some(DeprovisioningAction::Delete)),
            _ => {}
        }
    }
}

fn fate(action: AccountAction) -> DeprovisioningAction {
    match action {
        AccountAction::Deactivate => DeprovisioningAction::Deactivate,
        AccountAction::Delete => DeprovisioningAction::Delete,
        AccountAction::Nothing => DeprovisioningAction::Nothing,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn o2_the_answer_to_what_revoking_does_is_one_of_two_and_the_default_is_safe() {
        let screen = Screen { format: Format::Human, quiet: true, verbose: 0, caller: None };
        let said = |text: &str| ask(&screen, &mut text.as_bytes()).unwrap();
        assert_eq!(said("delete\n"), Some(DeprovisioningAction::Delete));
        assert_eq!(said("\n"), Some(DeprovisioningAction::Deactivate));
        assert_eq!(said("yes\nremove\ndeactivate\n"), Some(DeprovisioningAction::Deactivate), "asked again");
        assert_eq!(said(""), None);
    }
}
