//! The questions about the directory and the app, each side followed by a trial. In: answers so far. Out: answers that work, or that a person keeps
//! although they do not.

use std::sync::Arc;

use super::super::check;
use super::super::doctor;
use super::super::failure::CommandFailure;
use super::super::screen::{ADD, paint, safe};
use super::answers::SetupAnswers;
use super::terminal::Terminal;
use crate::clock::SystemClock;
use crate::config::forms::is_loopback_address;
use crate::engine::{Checkup, Engine};
use crate::source::Snapshot;
use crate::source::kind;
use crate::tenancy::Question;

/// Every group, for a trial before a person has said which groups belong.
const EVERY_GROUP: (&str, &str, &str) = ("scope", "groups", "[{ name = \"*\" }]");

/// An address at which nothing is asked: the app is not known yet while the directory is tried.
const NO_APP_YET: (&str, &str, &str) = ("target", "base_url", "\"https://localhost\"");

/// What is done after a trial that failed.
enum Next {
    AskAgain,
    TryAgain,
    Keep,
}

/// Asks about the directory until it can be read; `None` if the answers are kept although it can't.
pub(super) async fn directory(
    terminal: &Terminal,
    answers: &mut SetupAnswers,
) -> Result<Option<Snapshot>, CommandFailure> {
    loop {
        let draft = answers.template()?;
        let asked = draft.questions_about_directory();
        for question in &asked {
            answers.ask(terminal, &draft, question)?;
        }
        loop {
            if let Some(snapshot) = try_directory(terminal, answers).await? {
                return Ok(Some(snapshot));
            }
            match after_failure(terminal, answers, &asked)? {
                Next::AskAgain => break,
                Next::TryAgain => {}
                Next::Keep => return Ok(None),
            }
        }
    }
}

/// Asks about the app until it accepts the token; false if the answers are kept although it does not.
pub(super) async fn app(terminal: &Terminal, answers: &mut SetupAnswers) -> Result<bool, CommandFailure> {
    loop {
        let draft = answers.template()?;
        let asked = draft.questions_about_app();
        for question in &asked {
            answers.ask(terminal, &draft, question)?;
        }
        plain_http(terminal, answers)?;
        loop {
            if try_app(terminal, answers).await? {
                return Ok(true);
            }
            match after_failure(terminal, answers, &asked)? {
                Next::AskAgain => break,
                Next::TryAgain => {}
                Next::Keep => return Ok(false),
            }
        }
    }
}

async fn try_directory(terminal: &Terminal, answers: &SetupAnswers) -> Result<Option<Snapshot>, CommandFailure> {
    let every = (!kind::assigns_groups(&answers.plan.source)).then_some(EVERY_GROUP);
    let more: Vec<_> = every.into_iter().chain([NO_APP_YET]).collect();
    let Some(engine) = engine(terminal, answers, &more)? else { return Ok(None) };
    terminal.note("\nTrying the directory: connect, authenticate, read users and groups. Nothing is written to it.");
    let bar = terminal.screen.bar();
    let (checkup, snapshot) = engine.examine_directory(&bar).await;
    bar.clear();
    show(terminal, &checkup);
    let works = checkup.directory.as_ref().filter(|_| snapshot.is_some());
    if let Some(words) = works {
        terminal.note(format!("{} {}", paint(ADD, "The directory works:"), safe(words)));
    }
    Ok(snapshot)
}

async fn try_app(terminal: &Terminal, answers: &SetupAnswers) -> Result<bool, CommandFailure> {
    let needs_scope = !kind::assigns_groups(&answers.plan.source) && answers.typed("scope", "groups").is_none();
    let more: Vec<_> = needs_scope.then_some(EVERY_GROUP).into_iter().collect();
    let Some(engine) = engine(terminal, answers, &more)? else { return Ok(false) };
    terminal.note("\nTrying the app: connect, authenticate, read. Nothing is written to it.");
    let bar = terminal.screen.bar();
    let checkup = engine.examine_app(&bar).await;
    bar.clear();
    show(terminal, &checkup);
    if let Some(words) = &checkup.app {
        terminal.note(format!("{} {}", paint(ADD, "The app works:"), safe(words)));
    }
    Ok(checkup.app.is_some())
}

/// An engine for a trial; `None` if the answers make no valid tenant, with the reasons shown.
pub(super) fn engine(
    terminal: &Terminal,
    answers: &SetupAnswers,
    more: &[(&str, &str, &str)],
) -> Result<Option<Engine>, CommandFailure> {
    match answers.trial(terminal, more)? {
        Ok((tenant, stores)) => Ok(Some(Engine::new(Arc::new(tenant), stores, Arc::new(SystemClock)))),
        Err(found) => {
            let errors: Vec<_> = found.into_iter().filter(|one| one.is_error()).collect();
            check::show(&terminal.screen, &errors);
            Ok(None)
        }
    }
}

/// The findings, but for those about a scope that nobody has chosen yet.
fn show(terminal: &Terminal, checkup: &Checkup) {
    for spot in checkup.spots.iter().filter(|spot| spot.finding.check != "scope") {
        doctor::line(&terminal.screen, &spot.finding);
    }
}

fn after_failure(terminal: &Terminal, answers: &mut SetupAnswers, asked: &[Question]) -> Result<Next, CommandFailure> {
    let table = asked.first().map(|question| question.table.clone()).unwrap_or_default();
    terminal.note(format!(
        "\nThat did not work; nothing was written.\n  1 again  answer these questions again; Enter keeps an answer\n  2 set    set another key of \
         [{table}], such as ca_file\n  3 try    try once more\n  4 keep   go on with these answers and fix them later\n  5 quit   end setup"
    ));
    match terminal.choose("next", &["again", "set", "try", "keep", "quit"], Some("again"))?.as_str() {
        "again" => Ok(Next::AskAgain),
        "set" => {
            set_key(terminal, answers, &table)?;
            Ok(Next::TryAgain)
        }
        "try" => Ok(Next::TryAgain),
        "keep" => Ok(Next::Keep),
        _ => Err(terminal.ended()),
    }
}

/// Asks for a line `key = value`, as the tenant file has it.
fn set_key(terminal: &Terminal, answers: &mut SetupAnswers, table: &str) -> Result<(), CommandFailure> {
    terminal.note("docs/configuration.md lists every key. For example: ca_file = \"/etc/ssl/our-ca.pem\"");
    loop {
        let line = terminal.ask("key = value", None)?;
        let parsed = toml::from_str::<toml::Table>(&line).ok().filter(|parsed| parsed.len() == 1);
        match parsed.and_then(|parsed| parsed.into_iter().next()) {
            Some((key, value)) => {
                let typed = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                answers.set(table, &key, value.to_string(), typed);
                return Ok(());
            }
            None => terminal.note("That is not one `key = value` in TOML; a text is written in double quotes."),
        }
    }
}

/// An app on this machine may be asked without TLS, if a person says so.
fn plain_http(terminal: &Terminal, answers: &mut SetupAnswers) -> Result<(), CommandFailure> {
    const KEY: (&str, &str) = ("target", "allow_http_loopback");
    let address = answers.typed("target", "base_url").unwrap_or_default();
    if !address.starts_with("http://") || !is_loopback_address(address) {
        answers.unset(KEY.0, KEY.1);
        return Ok(());
    }
    match terminal.agrees("The app is on this machine. Send the token over plain HTTP to it", true)? {
        true => answers.set(KEY.0, KEY.1, "true".to_owned(), "true".to_owned()),
        false => answers.unset(KEY.0, KEY.1),
    }
    Ok(())
}

/// Asks what becomes of the account of a user whose access is revoked, where the vendor's guide chooses otherwise.
pub(super) fn revoked(terminal: &Terminal, answers: &mut SetupAnswers) -> Result<(), CommandFailure> {
    use crate::config::tenant::DeprovisioningAction::{Deactivate, Delete};
    let all = crate::tenancy::differences(&answers.plan.source, &answers.plan.app);
    let Some(difference) = all.iter().find(|difference| difference.key == super::REVOKED) else { return Ok(()) };
    terminal.note(format!("\n{}", difference.reason));
    let word = terminal.choose(difference.key, &["deactivate", "delete"], Some("deactivate"))?;
    answers.choices.on_unassigned = Some(if word == "delete" { Delete } else { Deactivate });
    Ok(())
}
