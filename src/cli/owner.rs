//! Whose state it is. In: a command that writes to it. Out: nothing, or why it must not run as this user.
//!
//! What root writes into the state of the service's user the service could not read afterwards: an approval nobody sees, a
//! journal that can't go on. It is refused before anything is done.

use super::args::{Command, Global, StateCommand};
use super::check;
use super::failure::CommandFailure;
use super::screen::Screen;
use crate::daemon;

/// Root, whom no permissions keep from writing anywhere.
const ROOT: u32 = 0;

pub(super) fn check(screen: &Screen, global: &Global, command: &Command) -> Result<(), CommandFailure> {
    must_be_readable(screen, global, command)?;
    must_not_be_roots(screen, global, command)
}

/// A command that looks into the state says so when its account may not, instead of taking what it can't see for something else.
fn must_be_readable(screen: &Screen, global: &Global, command: &Command) -> Result<(), CommandFailure> {
    match command {
        Command::Doctor(_)
        | Command::Plan(_)
        | Command::Why(_)
        | Command::Drift(_)
        | Command::Import(_)
        | Command::Undo(_)
        | Command::Retire(_) => {}
        _ => return Ok(()),
    }
    let stores = check::stores(screen, global)?;
    let Some(owner) = stores.owner().filter(|_| stores.is_closed_to_this_process()) else { return Ok(()) };
    let own = rustix::process::geteuid().as_raw();
    let message = format!("{stores} belongs to user {owner}, and user {own} can't look into it; nothing was done");
    Err(CommandFailure::config(message).hint("run it as that user: `runuser -u NAME -- rosterd …`"))
}

fn must_not_be_roots(screen: &Screen, global: &Global, command: &Command) -> Result<(), CommandFailure> {
    let through_the_daemon = match command {
        Command::Sync(args) if args.dry_run => return Ok(()),
        Command::Sync(_) | Command::Approve(_) | Command::Reject(_) | Command::Pause(_) | Command::Resume(_) => true,
        // It reads only.
        Command::State(StateCommand::Export { .. }) => return Ok(()),
        // It keeps on record whom it creates.
        Command::Import(args) if args.creates() => false,
        Command::Run(_) | Command::Undo(_) | Command::Retire(_) | Command::State(_) => false,
        _ => return Ok(()),
    };
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let stores = check::stores(screen, global)?;
    let Some(owner) = stores.owner().filter(|owner| *owner != ROOT) else { return Ok(()) };
    if through_the_daemon && daemon::read_board(&stores).is_some() {
        return Ok(());
    }
    let message = format!(
        "{stores} belongs to the user with the number {owner}, who could not read what root writes there; nothing was done"
    );
    Err(CommandFailure::config(message).hint(format!(
        "run it as that user: setpriv --reuid={owner} --clear-groups rosterd …, or `runuser -u NAME -- rosterd …`"
    )))
}
