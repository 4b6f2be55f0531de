//! `rosterd completions` and `rosterd man`: what a shell and `man` are told of the command line. In: its description. Out: text.

use std::io::Write as _;
use std::path::Path;

use clap::{Command, CommandFactory as _};

use super::args::{Cli, CompletionsArgs, ManArgs};
use super::failure::CommandFailure;
use super::screen::{ADD, Screen, paint};
use crate::files::modes;
use crate::files::replace::replace;

/// Prints a shell's completions.
pub(super) fn completions(args: &CompletionsArgs) -> Result<(), CommandFailure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "rosterd", &mut text);
    Ok(std::io::stdout().lock().write_all(&text)?)
}

/// Prints the manual page of a command, or writes the pages of all.
pub(super) fn man(screen: &Screen, args: &ManArgs) -> Result<(), CommandFailure> {
    let pages = pages()?;
    if let Some(folder) = &args.out {
        return write_all(screen, folder, &pages);
    }
    let wanted = match args.command.as_slice() {
        [] => "rosterd".to_owned(),
        words => format!("rosterd-{}", words.join("-")),
    };
    let Some((_, text)) = pages.iter().find(|(name, _)| *name == wanted) else {
        let hint = "`rosterd help` lists the commands";
        return Err(CommandFailure::usage(format!("there is no page {wanted}"), hint));
    };
    Ok(std::io::stdout().lock().write_all(text)?)
}

fn write_all(screen: &Screen, folder: &Path, pages: &[(String, Vec<u8>)]) -> Result<(), CommandFailure> {
    let failed =
        |path: &Path, error: std::io::Error| CommandFailure::failed(format!("writing {}: {error}", path.display()));
    modes::make_shared_folder(folder).map_err(|error| failed(folder, error))?;
    for (name, text) in pages {
        let path = folder.join(format!("{name}.1"));
        replace(&path, modes::shared_file(), text).map_err(|error| failed(&path, error))?;
    }
    screen.say(format!("{} {} pages to {}", paint(ADD, "wrote"), pages.len(), folder.display()));
    Ok(())
}

/// Every page: of the program, of each command, of each command's commands. Names are those of the files, without `.1`.
fn pages() -> Result<Vec<(String, Vec<u8>)>, CommandFailure> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    let mut waiting = vec![(String::from("rosterd"), root)];
    while let Some((name, command)) = waiting.pop() {
        let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set());
        waiting.extend(inner.map(|inner| (format!("{name}-{}", inner.get_name()), inner.clone())));
        pages.push((name, page(command)?));
    }
    pages.sort();
    Ok(pages)
}

/// A built command knows its whole name.
fn page(command: Command) -> Result<Vec<u8>, CommandFailure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    Ok(text)
}
