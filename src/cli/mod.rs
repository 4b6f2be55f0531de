//! What a person types and reads. In: the command line. Out: text or JSON, and an exit code.
//!
//! A command is one file here. Results go to standard output, everything else to standard error; nothing below this room prints.

mod approve;
mod args;
mod backup;
mod beside;
mod check;
mod confirm;
mod demo;
mod demo_company;
mod doctor;
mod drift;
mod ending;
mod failure;
mod import;
mod init;
mod journal;
mod log;
mod meter;
mod notify;
mod owner;
mod pages;
mod pause;
mod reload;
mod report_view;
mod retire;
mod run;
mod sandbox;
mod schema;
mod screen;
mod setup;
mod state;
mod status;
mod sync;
mod undo;
mod why;

pub use failure::{CommandFailure, code};

use std::process::ExitCode;
use std::time::Duration;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use screen::Screen;

use crate::files::modes;
use crate::model::TenantName;
use crate::store::DecisionVerdict;

/// Runs a command line to its end.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are no mistakes; a wrong command line is a configuration error (78), not clap's own 2, which here
        // means that changes are due.
        Err(error) => {
            let _closed_pipe = error.print();
            return ExitCode::from(if error.use_stderr() { code::CONFIG } else { code::DONE });
        }
    };
    modes::narrow_umask();
    let screen = Screen::new(&cli.global);
    log::start(&cli);
    write_no_core();
    if cli.command.holds_secrets() {
        be_private();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            screen.error(format!("the runtime did not start: {error}"));
            return ExitCode::from(code::FAILED);
        }
    };
    let ended = runtime.block_on(dispatch(&screen, &cli));
    // Dropping it would wait without end for a thread that hangs in a read.
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(failure) if failure.message.is_empty() => ExitCode::from(failure.code),
        Err(failure) => {
            screen.failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}

/// The longest that threads of the runtime are waited for when the command's work is done.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(1);

/// The memory of this process holds the tokens of both sides: no crash may leave it on a disk.
fn write_no_core() {
    let nothing = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, nothing) {
        tracing::warn!(%error, "a crash of this process may leave a core file, which would hold tokens");
    }
}

/// Nobody but root may read or trace the memory of this process, not even another process of its own user; and no crash is piped to a
/// program that keeps it, which the limit above does not prevent.
fn be_private() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "other processes of this user may read the memory of this one, which holds tokens");
    }
}

async fn dispatch(screen: &Screen, cli: &Cli) -> Result<u8, CommandFailure> {
    if let Some(ended) = beside::by_the_daemon(screen, &cli.global, &cli.command).await {
        return ended;
    }
    owner::check(screen, &cli.global, &cli.command)?;
    carry_out(screen, cli).await
}

/// Carries a command out in this process.
async fn carry_out(screen: &Screen, cli: &Cli) -> Result<u8, CommandFailure> {
    let global = &cli.global;
    match &cli.command {
        Command::Demo(args) => demo::run(screen, args).await?,
        Command::Setup(args) => return setup::run(screen, global, args).await,
        Command::Init(args) => init::run(screen, global, args)?,
        Command::Check(args) => check::run(screen, global, &args.tenants)?,
        Command::Doctor(args) => return doctor::run(screen, global, args).await,
        Command::Plan(args) => return sync::plan(screen, global, args).await,
        Command::Sync(args) => return sync::sync(screen, global, args).await,
        Command::Run(args) => run::run(screen, global, args).await?,
        Command::Reload => return reload::run(screen, global).await,
        Command::Notify(args) => return notify::run(screen, global, args).await,
        Command::Status(args) => status::run(screen, global, &args.tenants).await?,
        Command::Approve(args) => return approve::run(screen, global, args, DecisionVerdict::Approve).await,
        Command::Reject(args) => return approve::run(screen, global, args, DecisionVerdict::Reject).await,
        Command::Import(args) => return import::run(screen, global, args).await,
        Command::Drift(args) => return drift::run(screen, global, args).await,
        Command::Why(args) => why::run(screen, global, args).await?,
        Command::Undo(args) => return undo::run(screen, global, args).await,
        Command::Retire(args) => return retire::run(screen, global, args).await,
        Command::Pause(args) => pause::pause(screen, global, args).await?,
        Command::Resume(args) => pause::resume(screen, global, args).await?,
        Command::Journal(command) => journal::run(screen, &check::stores(screen, global)?, command)?,
        Command::Backup(args) => return backup::run(screen, global, args),
        Command::State(command) => state::run(screen, global, command)?,
        Command::Sandbox(args) => sandbox::run(screen, args).await?,
        Command::Schema(args) => schema::run(screen, args)?,
        Command::Completions(args) => pages::completions(args)?,
        Command::Man(args) => pages::man(screen, args)?,
    }
    Ok(code::DONE)
}

/// A tenant's name as somebody typed it.
fn tenant_name(text: &str) -> Result<TenantName, CommandFailure> {
    TenantName::parse(text).ok_or_else(|| {
        CommandFailure::usage(
            format!("{text:?} is not a tenant's name"),
            "it is the tenant file's name without .toml: lower-case letters, digits and dashes",
        )
    })
}

/// The command line's own description, for tests of the documentation.
pub fn command() -> clap::Command {
    Cli::command()
}
