//! `rosterd sandbox`: a SCIM app on loopback to rehearse against. Ends with Ctrl-C.

use std::net::{Ipv4Addr, SocketAddr};

use super::args::{Format, SandboxArgs};
use super::failure::CommandFailure;
use super::screen::{FAINT, STRONG, Screen, paint};
use crate::config::profiles::AppFolder;
use crate::config::secret::Secrets;
use crate::config::tenant::SecretRef;
use crate::sandbox::{AppHabits, Misbehave, Options, start};

pub(super) async fn run(screen: &Screen, args: &SandboxArgs) -> Result<(), CommandFailure> {
    if args.misbehave.iter().any(|name| name == "list") {
        return list(screen);
    }
    let habits = AppFolder::named(&args.profile).and_then(|folder| folder.habits::<AppHabits>());
    let habits = habits.map_err(|error| {
        let hint = error.hint.clone().unwrap_or_default();
        CommandFailure::usage(format!("--profile {}: {}", args.profile, error.message), hint)
    })?;
    let mut options = Options::of(habits).map_err(|error| {
        CommandFailure::usage(
            format!("the habits of {}: {error}", args.profile),
            "`rosterd sandbox --misbehave list` shows all presets",
        )
    })?;
    for name in &args.misbehave {
        let preset = name.parse::<Misbehave>().map_err(|error| {
            CommandFailure::usage(error.to_string(), "`rosterd sandbox --misbehave list` shows all presets")
        })?;
        options.misbehave.push(preset);
    }
    options.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    options.bearer = token(args)?;
    options.foreign.clone_from(&args.foreign);
    let app =
        start(options).await.map_err(|error| CommandFailure::failed(format!("the sandbox did not start: {error}")))?;
    match screen.format {
        Format::Json => screen.json_line(&serde_json::json!({"base_url": app.base_url()}))?,
        Format::Human => {
            screen.say(format!("{} {}", paint(STRONG, "SCIM app at"), app.base_url()));
            screen.say(paint(FAINT, "  everything is kept in memory and gone when it ends; Ctrl-C stops it"));
        }
    }
    tokio::signal::ctrl_c().await.map_err(|error| CommandFailure::failed(format!("waiting for Ctrl-C: {error}")))?;
    let counts = app.counts();
    screen.note(format!("stopped after {} requests, {} of them writes", counts.total(), counts.writes()));
    app.stop().await.map_err(|error| CommandFailure::failed(format!("stopping the sandbox: {error}")))
}

/// The token it asks for. A file has to be as closed to others as those of real tokens.
fn token(args: &SandboxArgs) -> Result<Option<String>, CommandFailure> {
    let Some(path) = &args.token_file else { return Ok(args.token.clone()) };
    let place = SecretRef { file: Some(path.clone()), ..SecretRef::default() };
    let secret = Secrets::of_this_process().fetch(&place).map_err(|error| CommandFailure::config(error.to_string()))?;
    Ok(Some(secret.as_str().to_owned()))
}

fn list(screen: &Screen) -> Result<(), CommandFailure> {
    if screen.format == Format::Json {
        let all: Vec<_> =
            Misbehave::all().map(|preset| serde_json::json!({"name": preset.name(), "help": preset.help()})).collect();
        screen.json(&all)?;
        return Ok(());
    }
    for preset in Misbehave::all() {
        screen.say(format!("{:16} {}", preset.name(), preset.help()));
    }
    Ok(())
}
