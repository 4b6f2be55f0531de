//! The end of a setup: the files, what was done as files and commands, the check, the first plan. In: answers. Out: an exit code.

use std::fmt::Write as _;
use std::path::Path;

use super::super::args::{Global, PlanArgs};
use super::super::failure::CommandFailure;
use super::super::init::option;
use super::super::screen::{ADD, STRONG, Screen, paint};
use super::super::{check, sync};
use super::answers::SetupAnswers;
use super::terminal::Terminal;
use crate::tenancy::{self, Draft, InitReport};

/// Writes the files once a person agrees, and prints the same as commands.
pub(super) fn write(terminal: &Terminal, global: &Global, answers: &SetupAnswers) -> Result<(), CommandFailure> {
    let (draft, secrets) = (answers.draft()?, answers.typed_secrets());
    terminal.step("Files");
    let config = draft.new_config().map(|_| global.config.clone());
    let others = secrets.iter().map(|secret| secret.path.clone()).chain(config).chain(draft.new_schema());
    for path in others {
        terminal.note(format!("  new      {}", path.display()));
    }
    let word = if draft.exists() { "replaced" } else { "new     " };
    terminal.note(format!("  {word} {}", draft.path().display()));
    if !terminal.agrees("Write them", true)? {
        return Err(terminal.ended());
    }
    // Before anything is written: afterwards there would be nothing new.
    let commands = commands(global, answers, &draft);
    let mut report = InitReport::default();
    let written = terminal.write(|| {
        let written = draft.write(&secrets, &mut report);
        if let Some(folder) = &report.secrets_folder {
            terminal.screen.say(format!("{} {} (mode 700) for secrets", paint(ADD, "created"), folder.display()));
        }
        for path in &report.written {
            terminal.screen.say(format!("{} {}", paint(ADD, "wrote"), path.display()));
        }
        (written, !report.written.is_empty())
    });
    if let Err(error) = written {
        let message = format!("{}: {}", error.location(), error.message);
        let left = match report.written.is_empty() {
            true => "nothing was written",
            false => "the files listed above were written, the tenant file was not",
        };
        return Err(CommandFailure::config(format!("{message}; {left}")));
    }
    terminal.step("The same as files and commands");
    terminal.screen.say(commands);
    Ok(())
}

/// The check and the first plan.
pub(super) async fn show(screen: &Screen, global: &Global, tenant: &str, works: bool) -> Result<u8, CommandFailure> {
    screen.note(format!("\n{}", paint(STRONG, format!("rosterd{} check {tenant}", option(global)))));
    check::run(screen, global, &[tenant.to_owned()])?;
    if !works {
        let message = "a side did not work when it was tried, so there is no plan yet";
        let hint = format!("fix the tenant file, then: `rosterd{} doctor {tenant}`", option(global));
        return Err(CommandFailure::failed(message).hint(hint));
    }
    screen.note(format!("\n{}", paint(STRONG, format!("rosterd{} plan {tenant}", option(global)))));
    let args = PlanArgs { tenant: tenant.to_owned(), out: None, only: None, detailed_exitcode: false };
    let ended = sync::plan(screen, global, &args).await?;
    go_on(screen, global, tenant);
    Ok(ended)
}

fn go_on(screen: &Screen, global: &Global, tenant: &str) {
    let option = option(global);
    let plan = (format!("rosterd{option} plan {tenant}"), "the plan once more; it sends nothing");
    let sync = (format!("rosterd{option} sync {tenant}"), "apply it");
    let commands = match tenancy::is_of_service(&global.config) {
        // A sync that root types goes through the service.
        true => [plan, ("systemctl enable --now rosterd".to_owned(), "keep apps in sync on a schedule"), sync],
        false => [plan, sync, (format!("rosterd{option} run"), "then keep the app in sync on a schedule")],
    };
    let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or_default();
    screen.say("\nNothing was sent to the app. Go on with:");
    for (command, what) in commands {
        screen.say(format!("  {command:width$}  # {what}"));
    }
}

/// What is about to be done, as a script that does the same. Secrets are read by the script; they are in none of its lines.
fn commands(global: &Global, answers: &SetupAnswers, draft: &Draft) -> String {
    let mut script = String::new();
    // A new `rosterd.toml` is in the folder above.
    for folder in draft.path().parent().into_iter().filter(|folder| !folder.exists()) {
        let _infallible = writeln!(script, "mkdir -p {}", quoted(folder));
    }
    let secrets = draft.secrets_folder();
    if !secrets.exists() {
        let _infallible = writeln!(script, "mkdir -m 700 {}", quoted(&secrets));
    }
    for secret in answers.typed_secrets() {
        let path = quoted(&secret.path);
        let _infallible = writeln!(
            script,
            "(umask 077 && IFS= read -rs -p {path}': ' secret && printf '%s\\n' \"$secret\" > {path})"
        );
        if let Some(user) = draft.service_user() {
            let _infallible = writeln!(script, "chown {user} {path}");
        }
    }
    if let Some(text) = draft.new_config() {
        let _infallible = writeln!(script, "cat > {} <<'END'\n{}\nEND", quoted(&global.config), text.trim_end());
    }
    if let Some(schema) = draft.new_schema() {
        let _infallible = writeln!(script, "rosterd schema tenant > {}", quoted(&schema));
    }
    let _infallible = writeln!(script, "cat > {} <<'END'\n{}\nEND", quoted(draft.path()), draft.text().trim_end());
    let (option, tenant) = (option(global), &answers.plan.tenant);
    let _infallible = write!(script, "rosterd{option} check {tenant}\nrosterd{option} plan {tenant}");
    script
}

/// A path for a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    match text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_a_shell() {
        assert_eq!(quoted(Path::new("/etc/rosterd/a-b_c.toml")), "/etc/rosterd/a-b_c.toml");
        assert_eq!(quoted(Path::new("/home/ann o'neil")), r"'/home/ann o'\''neil'");
    }
}
