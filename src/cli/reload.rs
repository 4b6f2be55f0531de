//! `rosterd reload`: the running daemon reads its files again; and how every command reaches it.

use super::args::{Format, Global};
use super::check;
use super::failure::{CommandFailure, code};
use super::screen::{ADD, CHANGE, REMOVE, Screen, paint, safe};
use crate::daemon::{ControlError, ControlRefusal, ControlReply, ControlRequest, Mistake, Reloaded, reach, read_board};
use crate::progress::Silent;
use crate::store::Stores;

pub(super) async fn run(screen: &Screen, global: &Global) -> Result<u8, CommandFailure> {
    let stores = check::stores(screen, global)?;
    let Some(daemon) = reach(&stores).await? else { return Err(nobody(&stores)) };
    let process = daemon.hello().process;
    let reloaded = match daemon.ask(ControlRequest::Reload, &Silent, |_| ()).await? {
        ControlReply::Reloaded(reloaded) => reloaded,
        other => return Err(unexpected(other)),
    };
    if screen.format == Format::Json {
        screen.json(&serde_json::json!({"process": process, "ok": reloaded.is_good(), "reloaded": reloaded}))?;
    } else {
        show(screen, &reloaded);
    }
    Ok(if reloaded.is_good() { code::DONE } else { code::CONFIG })
}

/// Asks the daemon, if there is one; `None` if not.
pub(super) async fn ask(
    stores: &Stores,
    request: impl FnOnce() -> ControlRequest,
) -> Result<Option<ControlReply>, CommandFailure> {
    match reach(stores).await? {
        Some(daemon) => match daemon.ask(request(), &Silent, |_| ()).await? {
            ControlReply::Refused(refusal) => Err(refusal.into()),
            answer => Ok(Some(answer)),
        },
        None => Ok(None),
    }
}

/// An answer to something else than what was asked.
pub(super) fn unexpected(answer: ControlReply) -> CommandFailure {
    match answer {
        ControlReply::Refused(refusal) => refusal.into(),
        _ => CommandFailure::failed("the daemon sent an unexpected response; see `rosterd status`"),
    }
}

fn nobody(stores: &Stores) -> CommandFailure {
    match read_board(stores) {
        // It runs, and could not make its socket.
        Some(board) => {
            let why = board.deaf.unwrap_or_else(|| "it has no control socket".to_owned());
            let failure =
                CommandFailure::failed(format!("the daemon (process {}) can't be reached: {why}", board.process));
            failure.hint(format!("`kill -HUP {}` makes it read its files; its log has the result", board.process))
        }
        None => CommandFailure::failed(format!("no daemon runs on {}; there is nothing to reload", stores))
            .hint("`systemctl start rosterd`, or `rosterd run`, starts it"),
    }
}

fn show(screen: &Screen, reloaded: &Reloaded) {
    let parts = [("added", ADD, &reloaded.added), ("changed", CHANGE, &reloaded.changed)];
    for (word, style, names) in parts.into_iter().filter(|(_, _, names)| !names.is_empty()) {
        screen.say(format!("{} {}", paint(style.bold(), word), names.join(", ")));
    }
    if !reloaded.fixed.is_empty() {
        screen.say(format!("{} {}: the file is valid again", paint(ADD.bold(), "fixed"), reloaded.fixed.join(", ")));
    }
    for tenant in &reloaded.removed {
        screen.say(format!(
            "{} {tenant}: its file is gone. The app is left as it is and nothing more is sent; restore the file to continue",
            paint(REMOVE.bold(), "removed")
        ));
    }
    for broken in &reloaded.broken {
        let stays = if broken.in_force { "the previous version stays in force" } else { "it does not run" };
        screen.error(format!("{}: its file has mistakes; {stays}", broken.tenant));
        mistakes(screen, &broken.mistakes);
    }
    if !reloaded.mistakes.is_empty() {
        screen.error("the configuration has mistakes; the parts concerned stay as they were");
        mistakes(screen, &reloaded.mistakes);
    }
    let word = if reloaded.is_good() { paint(ADD.bold(), "reloaded") } else { "reloaded".to_owned() };
    screen.say(format!("{word}: {}", counts(reloaded)));
}

/// `1 tenant added, 1 removed, 1 fixed, 3 unchanged`: what is zero is left out, but for the unchanged ones.
fn counts(reloaded: &Reloaded) -> String {
    let kinds = [
        (reloaded.added.len(), "added"),
        (reloaded.changed.len(), "changed"),
        (reloaded.removed.len(), "removed"),
        (reloaded.fixed.len(), "fixed"),
        (reloaded.broken.len(), "with mistakes"),
    ];
    let mut parts: Vec<String> = kinds.iter().filter(|(n, _)| *n > 0).map(|(n, kind)| format!("{n} {kind}")).collect();
    parts.push(format!("{} unchanged", reloaded.unchanged));
    parts.join(", ")
}

fn mistakes(screen: &Screen, found: &[Mistake]) {
    for mistake in found {
        screen.note(format!("  {}", safe(&mistake.summary())));
        if let Some(hint) = &mistake.hint {
            screen.note(format!("    {}", safe(hint)));
        }
    }
}

impl From<ControlRefusal> for CommandFailure {
    fn from(ControlRefusal { code, message, hint }: ControlRefusal) -> Self {
        Self { code, message, hint }
    }
}

impl From<CommandFailure> for ControlRefusal {
    fn from(CommandFailure { code, message, hint }: CommandFailure) -> Self {
        Self { code, message, hint }
    }
}

impl From<ControlError> for CommandFailure {
    fn from(error: ControlError) -> Self {
        let hint = match &error {
            ControlError::Closed { .. } => {
                "run this as the user of the service or as root, or name your account in `[control]` of rosterd.toml"
            }
            ControlError::Hangs { .. } => {
                "look at its log; a daemon under systemd's watchdog is started again within two minutes, `systemctl restart rosterd` does it now"
            }
            ControlError::Stranger { .. } => "end it; the daemon makes its socket at its next reload (`kill -HUP`)",
            ControlError::OtherProtocol { .. } | ControlError::OtherVersion { .. } => {
                "`systemctl restart rosterd` starts the installed version"
            }
            ControlError::Lost { .. } => "`rosterd status` shows what became of it; nothing was lost",
        };
        Self::failed(error.to_string()).hint(hint)
    }
}
