//! `rosterd init`: the first files to edit.

use super::args::{Format, Global, InitArgs};
use super::failure::Failure;
use super::screen::{ADD, Screen, paint};
use super::tenant_name;
use crate::tenancy::{InitPlan, init};

pub(super) fn run(screen: &Screen, global: &Global, args: &InitArgs) -> Result<(), Failure> {
    let tenant = tenant_name(&args.tenant)?;
    let plan = InitPlan { tenant, source: args.source.clone(), app: args.app.clone() };
    let written = init(&global.config, &plan).map_err(|one| {
        let failure = Failure::config(format!("{}: {}", one.location(), one.message));
        match one.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    if screen.format == Format::Json {
        screen.json(&serde_json::json!({"written": written}))?;
    }
    for path in &written {
        screen.say(format!("{} {}", paint(ADD, "wrote"), path.display()));
    }
    screen
        .say(format!("edit the tenant file, then: rosterd check {0}, rosterd plan {0}, rosterd sync {0}", args.tenant));
    Ok(())
}
