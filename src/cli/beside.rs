//! Commands beside a running daemon. In: a command that this process can't carry out itself: it lacks a secret that only the service has,
//! may not look into the state, or finds the state locked. Out: the same command with the same output, carried out by the daemon.
//!
//! The daemon runs the command's own function (`Carrier`), so that the result is the same by construction. This process shows the output, asks
//! its user to confirm, and writes the files that its command line names. A further command is an arm in [`needs_of`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::args::{Cli, Command, Format, Global};
use super::ending::{ENDED, STOPPING, interrupted};
use super::failure::CommandFailure;
use super::screen::{Bar, Screen};
use super::{carry_out, check, confirm, import, reload};
use crate::config::secret::Secrets;
use crate::daemon::{
    CommandEnd, CommandEvent, CommandInput, CommandLine, CommandLink, CommandNews, CommandRunner, ControlError,
    OutputStream, Performing, reach,
};
use crate::engine::EngineError;
use crate::identity::ROOT;
use crate::model::TenantName;
use crate::store::Stores;
use crate::tenancy;

/// How often a command that waits for a run looks whether it has ended.
const AGAIN: Duration = Duration::from_millis(500);
/// A command that only reads gets this long to end by itself when it is cancelled.
const GRACE: Duration = Duration::from_secs(2);

/// What a command changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CommandEffect {
    /// Nothing.
    Reads,
    /// Something, once a person confirmed it.
    WritesOnceConfirmed,
    /// Something.
    Writes,
}

impl CommandEffect {
    fn confirmed(by_the_command_line: bool) -> Self {
        if by_the_command_line { Self::Writes } else { Self::WritesOnceConfirmed }
    }
}

/// What a command needs that this process may lack.
struct Needs<'c> {
    name: &'static str,
    tenants: &'c [String],
    /// Secrets of the tenants.
    secrets: bool,
    /// The lock of the state.
    lock: bool,
    effect: CommandEffect,
    /// The files that it writes for its user.
    files: Vec<&'c Path>,
}

/// What a command needs, if the daemon can carry it out.
fn needs_of(command: &Command) -> Option<Needs<'_>> {
    let reads = |name, tenants| Needs {
        name,
        tenants,
        secrets: true,
        lock: false,
        effect: CommandEffect::Reads,
        files: vec![],
    };
    let one = std::slice::from_ref;
    Some(match command {
        Command::Plan(args) => {
            Needs { files: args.out.as_deref().into_iter().collect(), ..reads("plan", one(&args.tenant)) }
        }
        Command::Sync(args) if args.dry_run && args.plan.is_none() && args.metrics_file.is_none() => {
            reads("sync", &args.tenants)
        }
        Command::Why(args) => Needs { secrets: !args.offline, ..reads("why", one(&args.tenant)) },
        Command::Doctor(args) if args.probe => {
            Needs { effect: CommandEffect::confirmed(args.yes_i_mean.is_some()), ..reads("doctor", &args.tenants) }
        }
        Command::Doctor(args) => reads("doctor", &args.tenants),
        Command::Drift(args) if args.note => {
            Needs { lock: true, effect: CommandEffect::Writes, ..reads("drift", one(&args.tenant)) }
        }
        Command::Drift(args) => reads("drift", one(&args.tenant)),
        // The daemon is asked for these in another way.
        Command::Import(args) if args.background || args.stop => return None,
        Command::Import(args) => Needs {
            effect: if args.creates() { CommandEffect::Writes } else { CommandEffect::Reads },
            files: args.list.iter().chain(&args.report).map(PathBuf::as_path).collect(),
            ..reads("import", one(&args.tenant))
        },
        Command::Undo(args) if args.dry_run => reads("undo", one(&args.tenant)),
        Command::Undo(args) => {
            Needs { lock: true, effect: CommandEffect::confirmed(args.yes), ..reads("undo", one(&args.tenant)) }
        }
        Command::Retire(args) => Needs {
            secrets: args.deactivate && !args.leave,
            lock: true,
            effect: CommandEffect::confirmed(args.yes_i_mean.is_some()),
            ..reads("retire", one(&args.tenant))
        },
        _ => return None,
    })
}

impl Needs<'_> {
    /// Whether this process lacks something of it. Mistakes in files are not looked at: the command shows them.
    fn are_missing(&self, global: &Global, stores: &Stores) -> bool {
        let is_roots = self.effect != CommandEffect::Reads
            && rustix::process::geteuid().is_root()
            && stores.owner().is_some_and(|owner| owner != ROOT);
        let is_locked = || {
            let mut names = self.tenants.iter().filter_map(|name| TenantName::parse(name));
            self.lock && names.any(|name| stores.tenant(&name).notes().holder().is_some())
        };
        is_roots || stores.is_closed_to_this_process() || self.lacks_a_secret(global, stores) || is_locked()
    }

    /// Whether a secret can't be read here that the service may well have.
    fn lacks_a_secret(&self, global: &Global, stores: &Stores) -> bool {
        if !self.secrets {
            return false;
        }
        let Ok(usable) = tenancy::load_usable(&global.config, self.tenants, Some(stores)) else { return false };
        let here = Secrets::of_this_process();
        usable.loaded.tenants.iter().any(|tenant| {
            tenant.secrets().any(|(_, place)| here.known(place).is_err_and(|error| error.may_differ_elsewhere()))
        })
    }

    /// Whether the process writes this file: one that the command line names, or a report of an import beside it.
    fn may_write(&self, path: &Path) -> bool {
        let is_report = self.name == "import"
            && path.components().count() == 1
            && path.to_str().is_some_and(|name| name.starts_with(import::REPORT));
        is_report || self.files.contains(&path)
    }

    /// Why there is no result, after the daemon went away.
    fn lost(&self, error: &ControlError, confirmed: bool) -> CommandFailure {
        let name = self.name;
        let wrote = self.effect == CommandEffect::Writes || confirmed;
        let what = match wrote {
            _ if self.effect == CommandEffect::Reads => format!("`{name}` only reads: nothing was changed"),
            false => "it was not confirmed: nothing was changed".to_owned(),
            true => "what it had changed before stays and is on record, and the rest was not done".to_owned(),
        };
        let tenant = self.tenants.first().map_or("TENANT", String::as_str);
        let hint = match (wrote, name) {
            (false, _) => "`systemctl status rosterd` shows the daemon; then try again".to_owned(),
            (true, "import") => {
                format!("`rosterd import {tenant} --new-only` lists who is still missing in the directory")
            }
            (true, "doctor") => format!("`rosterd doctor {tenant} --probe` shows what the probe left behind"),
            (true, _) => format!(
                "start the daemon; `rosterd journal show {tenant}` lists what was done; the same command again does the rest, and looks \
                 up the outcome of requests that were in progress"
            ),
        };
        CommandFailure::failed(format!("{error}; {what}")).hint(hint)
    }
}

/// Has a running daemon carry the command out, if this process lacks what it needs; `None` if the command is carried out here.
pub(super) async fn by_the_daemon(
    screen: &Screen,
    global: &Global,
    command: &Command,
) -> Option<Result<u8, CommandFailure>> {
    let needs = needs_of(command)?;
    let stores = check::stores_if_known(global)?;
    if !needs.are_missing(global, &stores) {
        return None;
    }
    let daemon = match reach(&stores).await {
        Ok(daemon) => daemon?,
        // This account may not ask it; what is missing is said as without a daemon.
        Err(ControlError::Closed { .. }) => return None,
        Err(error) => return Some(Err(error.into())),
    };
    let Ok(args) = std::env::args_os().skip(1).map(OsString::into_string).collect::<Result<Vec<_>, _>>() else {
        let message = "the daemon takes arguments in UTF-8 only, and one of these is not; nothing was done";
        return Some(Err(CommandFailure::failed(message)));
    };
    let line = CommandLine { args, config: canonical(&global.config), can_ask: confirm::can_ask() };
    let ended = match daemon.perform(line).await {
        Ok(performing) => {
            Caller { screen, needs, bar: screen.bar(), confirmed: false, json: String::new(), file: String::new() }
                .follow(performing)
                .await
        }
        Err(error) => Err(error.into()),
    };
    Some(match ended {
        Ok(Ended::Here(code)) => Ok(code),
        Ok(Ended::Import(order)) => match reach(&stores).await {
            Ok(Some(daemon)) => import::background::hand_over(screen, daemon, order).await,
            Ok(None) => Err(CommandFailure::failed("the daemon has ended; no user was created")),
            Err(error) => Err(error.into()),
        },
        Err(failure) => Err(failure),
    })
}

fn canonical(path: &Path) -> Option<PathBuf> {
    std::fs::canonicalize(path).ok()
}

/// How a command ended that the daemon carried out.
enum Ended {
    Here(u8),
    /// It came to an import in the background.
    Import(crate::daemon::ImportToOrder),
}

/// The process that asked for a command.
struct Caller<'c> {
    screen: &'c Screen,
    needs: Needs<'c>,
    bar: Bar,
    /// Whether the person confirmed what the command is about to do.
    confirmed: bool,
    /// A JSON document, which is put out whole or not at all.
    json: String,
    /// What has come of a file.
    file: String,
}

impl Caller<'_> {
    async fn follow(mut self, mut performing: Performing) -> Result<Ended, CommandFailure> {
        let mut signal = Box::pin(interrupted());
        let mut is_stopping = false;
        loop {
            let news = tokio::select! {
                news = performing.next(&self.bar) => news,
                () = &mut signal => {
                    self.bar.clear();
                    if is_stopping {
                        self.screen.note(ENDED);
                        return Err(CommandFailure::failed("interrupted"));
                    }
                    (is_stopping, signal) = (true, Box::pin(interrupted()));
                    self.screen.note(STOPPING);
                    performing.send(CommandInput::Cancel).await.map_err(|error| self.lost(&error))?;
                    continue;
                }
            };
            match news.map_err(|error| self.lost(&error))? {
                CommandNews::Event(event) => {
                    let Some(input) = self.event(event, &mut signal).await? else { continue };
                    performing.send(input).await.map_err(|error| self.lost(&error))?;
                }
                CommandNews::Ended(end) => {
                    self.bar.clear();
                    return self.ended(end);
                }
                CommandNews::Refused(reply) => {
                    self.bar.clear();
                    return Err(reload::unexpected(reply));
                }
            }
        }
    }

    fn lost(&self, error: &ControlError) -> CommandFailure {
        self.bar.clear();
        self.needs.lost(error, self.confirmed)
    }

    /// Does what the command wants, and answers if it waits for that.
    async fn event(
        &mut self,
        event: CommandEvent,
        signal: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<Option<CommandInput>, CommandFailure> {
        match event {
            CommandEvent::Output { stream: OutputStream::Out, text } if self.screen.format == Format::Json => {
                self.json.push_str(&text);
            }
            CommandEvent::Output { stream, text } => {
                self.bar.clear();
                self.screen.put(stream, &text);
            }
            CommandEvent::Confirm { word, what } => {
                self.bar.clear();
                let screen = self.screen.clone();
                let typed = tokio::task::spawn_blocking(move || confirm::typed(&screen, &word, &what));
                self.confirmed = tokio::select! {
                    typed = typed => typed.map_err(std::io::Error::other)??,
                    () = signal => {
                        return Err(CommandFailure::failed("interrupted before it was confirmed; nothing was changed"));
                    }
                };
                return Ok(Some(CommandInput::Confirmed(self.confirmed)));
            }
            CommandEvent::File { path, text, last } => {
                self.file.push_str(&text);
                if last {
                    let text = std::mem::take(&mut self.file);
                    let saved = match self.needs.may_write(&path) {
                        true => self.screen.save(&path, text.as_bytes()).map_err(|error| error.to_string()),
                        false => Err("the command line does not name this file".to_owned()),
                    };
                    return Ok(Some(CommandInput::Saved(saved.err())));
                }
            }
        }
        Ok(None)
    }

    fn ended(self, end: CommandEnd) -> Result<Ended, CommandFailure> {
        if !self.json.is_empty() {
            use std::io::Write as _;
            let mut out = std::io::stdout().lock();
            out.write_all(self.json.as_bytes())?;
            out.flush()?;
        }
        match (end.failure, end.import) {
            (Some(failure), _) => Err(failure.into()),
            (None, Some(order)) => Ok(Ended::Import(order)),
            (None, None) => Ok(Ended::Here(end.code)),
        }
    }
}

/// Carries commands out inside the daemon.
pub(super) struct Carrier {
    global: Global,
}

impl Carrier {
    /// With the daemon's own configuration.
    pub(super) fn new(global: &Global) -> Self {
        Self { global: global.clone() }
    }

    /// The command that a line means, with this daemon's configuration.
    fn parsed(&self, line: &CommandLine) -> Result<Cli, CommandFailure> {
        let args = std::iter::once("rosterd").chain(line.args.iter().map(String::as_str));
        let mut cli = Cli::try_parse_from(args)
            .map_err(|error| CommandFailure::config(format!("the daemon can't read this command line: {error}")))?;
        let own = canonical(&self.global.config);
        if let (Some(theirs), Some(own)) = (&line.config, &own)
            && theirs != own
        {
            let message = format!(
                "the daemon works with {}, this command with {}; nothing was done",
                own.display(),
                theirs.display()
            );
            return Err(CommandFailure::config(message).hint(format!("add `--config {}`", own.display())));
        }
        let Global { format, color, verbose, quiet, .. } = cli.global;
        cli.global = Global { format, color, verbose, quiet, ..self.global.clone() };
        Ok(cli)
    }

    async fn carried(&self, line: &CommandLine, link: &Arc<CommandLink>) -> Result<u8, CommandFailure> {
        let cli = self.parsed(line)?;
        let Some(needs) = needs_of(&cli.command) else {
            return Err(CommandFailure::config("the daemon does not carry out this command; nothing was done"));
        };
        let from = link.from();
        let tenants = needs.tenants.join(", ");
        tracing::info!(
            command = needs.name,
            tenants,
            uid = from.uid,
            login_uid = from.login_uid,
            "carrying out a command"
        );
        let Global { format, quiet, verbose, .. } = cli.global;
        let screen = Screen { format, quiet, verbose, caller: Some(Arc::clone(link)) };
        let cancelled = link.cancelled();
        let abandoned = async {
            cancelled.cancelled().await;
            match needs.effect {
                CommandEffect::Reads => tokio::time::sleep(GRACE).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = carry_out(&screen, &cli) => ended,
            () = abandoned => Err(CommandFailure::failed("interrupted; nothing was changed")),
        }
    }
}

impl CommandRunner for Carrier {
    fn perform(&self, line: &CommandLine, link: &Arc<CommandLink>, runtime: &Handle) -> CommandEnd {
        match runtime.block_on(self.carried(line, link)) {
            Ok(code) => CommandEnd { code, failure: None, import: None },
            Err(failure) => CommandEnd { code: failure.code, failure: Some(failure.into()), import: None },
        }
    }
}

/// Does something that needs the lock of the state. For another process the daemon waits until a run under way has ended, and says so.
pub(super) async fn when_free<T>(
    screen: &Screen,
    stop: &CancellationToken,
    mut what: impl AsyncFnMut() -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let mut is_told = false;
    loop {
        match what().await {
            Err(error) if error.is_busy() && screen.caller.is_some() => {
                if !std::mem::replace(&mut is_told, true) {
                    screen.note("a run of this tenant is in progress: waiting until it has ended");
                }
            }
            ended => return ended,
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return Err(EngineError::Interrupted),
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}
