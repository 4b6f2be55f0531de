//! `rosterd schema`: the editor schema of the configuration files, made from the types that read them.

use std::io::Write;

use super::args::SchemaArgs;
use super::failure::CommandFailure;
use super::screen::Screen;
use crate::config::reference;
use crate::config::schema::{SchemaKind, text};

pub(super) fn run(_screen: &Screen, args: &SchemaArgs) -> Result<(), CommandFailure> {
    if args.of == "reference" {
        std::io::stdout().lock().write_all(reference::markdown().as_bytes())?;
        return Ok(());
    }
    let kind = SchemaKind::ALL.into_iter().find(|kind| kind.name() == args.of).ok_or_else(|| {
        CommandFailure::usage(
            format!("there is no schema of {:?}", args.of),
            "it is one of tenant, config and profile, or `reference` for all keys as a page",
        )
    })?;
    std::io::stdout().lock().write_all(text(kind).as_bytes())?;
    Ok(())
}
