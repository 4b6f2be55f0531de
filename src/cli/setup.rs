//! `rosterd setup`: a tenant by question and answer. In: a terminal. Out: the files of `init`, written at the end in one go, and the first plan.
//!
//! Each answer is tried as `doctor` tries a tenant, before anything is written. Nothing is ever sent to the app or the directory but reads.

mod answers;
mod closing;
mod scope;
mod sides;
mod terminal;

use super::args::{Format, Global, SetupArgs};
use super::confirm;
use super::failure::CommandFailure;
use super::init::REVOKED;
use super::screen::Screen;
use super::tenant_name;
use crate::config::profiles::{self, AppFolder};
use crate::model::TenantName;
use crate::tenancy::{self, Draft, InitChoices, InitPlan};
use answers::SetupAnswers;
use terminal::Terminal;

pub(super) async fn run(screen: &Screen, global: &Global, args: &SetupArgs) -> Result<u8, CommandFailure> {
    must_be_a_conversation(screen)?;
    let named = args.tenant.as_deref().map(tenant_name).transpose()?;
    let terminal = Terminal::open(screen)?;
    terminal.note(
        "This sets up a tenant: one directory, one app. Each answer is tried; the files are written at the end, after a question,\n\
         and nothing is sent to the app. Enter takes the answer in brackets, Ctrl-C ends it.",
    );
    let tenant = name(&terminal, global, named)?;
    let source = directory_kind(&terminal)?;
    let mut answers = SetupAnswers::new(&global.config, InitPlan { tenant, source, app: "scim".to_owned() });
    let snapshot = sides::directory(&terminal, &mut answers).await?;
    terminal.step("The app");
    answers.plan.app = app_profile(&terminal)?;
    let app_works = sides::app(&terminal, &mut answers).await?;
    sides::revoked(&terminal, &mut answers)?;
    scope::ask(&terminal, &mut answers, snapshot.as_ref())?;
    closing::write(&terminal, global, &answers)?;
    let (screen, works) = (terminal.screen.clone(), app_works && snapshot.is_some());
    // From here on an interruption is the plan's business.
    drop(terminal);
    closing::show(&screen, global, answers.plan.tenant.as_str(), works).await
}

fn must_be_a_conversation(screen: &Screen) -> Result<(), CommandFailure> {
    let hint = "`rosterd init TENANT --source NAME --app NAME` writes the same files without questions";
    if screen.format == Format::Json {
        return Err(CommandFailure::usage("setup is a conversation and has no JSON; nothing was written", hint));
    }
    match confirm::can_ask() {
        true => Ok(()),
        false => Err(CommandFailure::usage(
            "setup asks its questions on a terminal, and standard input or standard error is none; nothing was written",
            hint,
        )),
    }
}

/// The tenant's name; one whose file is there already only if a person says so.
fn name(terminal: &Terminal, global: &Global, mut named: Option<TenantName>) -> Result<TenantName, CommandFailure> {
    terminal.step("The tenant");
    loop {
        let name = match named.take() {
            Some(name) => name,
            None => {
                terminal
                    .note("A short name for this connection: lower-case letters, digits and dashes. For example: acme");
                let text = terminal.ask("name", None)?;
                let Some(name) = TenantName::parse(&text) else {
                    terminal.note(format!("{text:?} is not a tenant's name."));
                    continue;
                };
                name
            }
        };
        let plan = InitPlan { tenant: name.clone(), source: "file".to_owned(), app: "scim".to_owned() };
        let draft = Draft::new(&global.config, &plan, &InitChoices::default())?;
        if let Some(folder) = draft.unwritable() {
            let message = format!("{} can't be written by this user; nothing was asked or written", folder.display());
            return Err(
                CommandFailure::config(message).hint("run it as a user who may, or name another place with --config")
            );
        }
        let question = format!("{} is there already. Replace it at the end", draft.path().display());
        if !draft.exists() || terminal.agrees(&question, false)? {
            return Ok(name);
        }
    }
}

/// The directory, as `init --source` names it.
fn directory_kind(terminal: &Terminal) -> Result<String, CommandFailure> {
    terminal.step("The directory");
    let all = tenancy::directories();
    for (at, kind) in all.iter().enumerate() {
        terminal.note(format!("  {} {:<10} {}", at + 1, kind.table, kind.title));
    }
    let tables: Vec<&str> = all.iter().map(|kind| kind.table).collect();
    let chosen = terminal.choose("directory", &tables, None)?;
    let products = all.iter().find(|kind| kind.table == chosen).map(|kind| &kind.products);
    match products.map(Vec::as_slice) {
        None | Some([]) => Ok(chosen),
        Some([(name, _)]) => Ok((*name).to_owned()),
        Some(several) => {
            for (at, (name, title)) in several.iter().enumerate() {
                terminal.note(format!("  {} {name:<10} {title}", at + 1));
            }
            let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
            terminal.choose("product", &names, None)
        }
    }
}

/// The app's profile.
fn app_profile(terminal: &Terminal) -> Result<String, CommandFailure> {
    let names: Vec<&str> = profiles::names().collect();
    for (at, name) in names.iter().enumerate() {
        terminal.note(format!("  {} {name:<10} {}", at + 1, AppFolder::named(name)?.title()));
    }
    terminal.note("Or the path of an app folder of your own; `scim` is the plain standard.");
    loop {
        let answer = terminal.ask("app", Some("scim"))?;
        let numbered = answer.parse::<usize>().ok().and_then(|number| names.get(number.checked_sub(1)?));
        let app = numbered.map_or(answer.as_str(), |name| name);
        match AppFolder::named(app) {
            Ok(_) => return Ok(app.to_owned()),
            Err(error) => terminal.note(format!("{}; {}", error.message, error.hint.unwrap_or_default())),
        }
    }
}
