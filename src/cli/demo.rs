//! `rosterd demo`: the whole job on this machine. A sample directory file, the embedded app on loopback, and the same code that
//! `plan` and `sync` run. Says what it does, checks what it says, and cleans up.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::args::{DemoArgs, Format};
use super::demo_company::Company;
use super::failure::CommandFailure;
use super::report_view;
use super::screen::{ADD, FAINT, STRONG, Screen, paint};
use crate::clock::SystemClock;
use crate::cycle::CycleReport;
use crate::engine::{Engine, Wish};
use crate::files::modes;
use crate::files::replace::replace;
use crate::model::{Op, RunStatus};
use crate::progress::Silent;
use crate::sandbox::{Options, Running, start};
use crate::tenancy;

/// The demo's token: it opens an app that lives for a second on this machine.
const TOKEN: &str = "demo-token";

pub(super) async fn run(screen: &Screen, args: &DemoArgs) -> Result<(), CommandFailure> {
    let began = Instant::now();
    let kept = args.keep.is_some();
    let folder = match &args.keep {
        Some(folder) => folder.clone(),
        None => new_folder()?,
    };
    if folder.join("rosterd.toml").exists() {
        let message = format!("{} holds a demo already; nothing was changed", folder.display());
        return Err(CommandFailure::failed(message).hint("name another folder, or delete that one"));
    }
    let app = start(Options { bearer: Some(TOKEN.to_owned()), ..Options::default() })
        .await
        .map_err(|error| CommandFailure::failed(format!("the embedded app did not start: {error}")))?;
    let told = Demo { screen, folder: &folder, app: &app, reports: Vec::new() }.tell().await;
    app.stop().await.map_err(|error| CommandFailure::failed(format!("stopping the embedded app: {error}")))?;
    if !kept && folder.exists() {
        std::fs::remove_dir_all(&folder)
            .map_err(|error| CommandFailure::failed(format!("cleaning up {}: {error}", folder.display())))?;
    }
    let reports = told?;
    if screen.format == Format::Json {
        screen.json(&reports)?;
    }
    screen.say(format!(
        "{} in {:.1} s. {}",
        paint(ADD.bold(), "Every check passed"),
        began.elapsed().as_secs_f64(),
        match kept {
            true => format!("The files are in {}.", folder.display()),
            false => "Nothing is left behind.".to_owned(),
        }
    ));
    screen.say(paint(
        FAINT,
        "Next: rosterd init acme --source file --app scim, then rosterd check and rosterd plan acme",
    ));
    Ok(())
}

struct Demo<'a> {
    screen: &'a Screen,
    folder: &'a Path,
    app: &'a Running,
    reports: Vec<CycleReport>,
}

impl Demo<'_> {
    async fn tell(mut self) -> Result<Vec<CycleReport>, CommandFailure> {
        let mut company = Company::new();
        self.set_up(&company)?;
        self.scene(1, "What would change? A preview reads both sides and writes nothing.");
        self.cycle(true).await?;
        self.must("a preview writes nothing", self.app.counts().writes() == 0)?;

        self.scene(2, "The first sync: accounts, groups, memberships.");
        self.cycle(false).await?;
        self.must("nine users have accounts because of their groups", self.app.users().len() == 9)?;

        self.scene(3, "Nothing has changed since: the run sends no request.");
        let before = self.app.counts().total();
        self.cycle(false).await?;
        self.must("no request was sent", self.app.counts().total() == before)?;

        self.scene(4, "Bruno is suspended and Chiara has a new name: two requests, the leaver first.");
        company.suspend("p02");
        company.marry("p03", "Chiara", "Bianchi");
        self.write(&company.to_json())?;
        self.cycle(false).await?;

        self.scene(
            5,
            "The group Pilot is deleted. Elif stays, because she is in another group. Hana and Ines lose access.",
        );
        company.delete_group("g3");
        self.write(&company.to_json())?;
        let report = self.cycle(false).await?;
        let lost = report.operations().iter().filter(|op| op.op() == Op::DeactivateUser).count();
        let done = report.status() == RunStatus::Ok;
        self.must("exactly two users lost access, and the group is gone", done && lost == 2)?;
        self.must("two groups are left", self.app.groups().len() == 2)?;

        self.scene(6, "The directory suddenly shows no users, as it does when a token loses its rights.");
        self.write(&company.empty())?;
        match self.engine()?.run(&Wish::default(), &Silent, &CancellationToken::new()).await {
            Ok(_) => return Err(CommandFailure::failed("an empty directory was accepted: this is a bug")),
            Err(error) => self.screen.say(format!("\n  {}: {error}\n", paint(ADD.bold(), "refused"))),
        }
        Ok(self.reports)
    }

    fn scene(&self, number: u32, what: &str) {
        self.screen.say(format!("{} {what}\n", paint(STRONG, format!("{number}."))));
    }

    /// The demo checks what it claims.
    fn must(&self, claim: &str, holds: bool) -> Result<(), CommandFailure> {
        match holds {
            true => {
                self.screen.say(format!("  {} {claim}\n", paint(ADD, "✓")));
                Ok(())
            }
            false => Err(CommandFailure::failed(format!("the demo expected that {claim}; this is a bug"))),
        }
    }

    async fn cycle(&mut self, dry_run: bool) -> Result<&CycleReport, CommandFailure> {
        let wish = Wish { dry_run, ..Wish::default() };
        let (report, _) = self.engine()?.run(&wish, &Silent, &CancellationToken::new()).await?;
        report_view::show(self.screen, &report_view::told(self.screen, &report));
        self.screen.say("");
        self.reports.push(report);
        self.reports.last().ok_or_else(|| CommandFailure::failed("no report"))
    }

    /// The tenant is read from its files each time, as every command does.
    fn engine(&self) -> Result<Engine, CommandFailure> {
        let loaded = tenancy::load(&self.folder.join("rosterd.toml"), &[])
            .map_err(|problems| CommandFailure::config(format!("the demo's own files have mistakes: {problems:?}")))?;
        let tenant =
            loaded.tenants.into_iter().next().ok_or_else(|| CommandFailure::failed("the demo's tenant is missing"))?;
        Ok(Engine::new(Arc::new(tenant), loaded.stores, Arc::new(SystemClock)))
    }

    fn set_up(&self, company: &Company) -> Result<(), CommandFailure> {
        modes::make_shared_folder(&self.folder.join("tenants"))?;
        self.write(&company.to_json())?;
        let token = self.folder.join("app.token");
        replace(&token, modes::PRIVATE, TOKEN.as_bytes())?;
        replace(&self.folder.join("rosterd.toml"), modes::PRIVATE, b"state_dir = \"state\"\n")?;
        replace(&self.folder.join("tenants/acme.toml"), modes::PRIVATE, tenant_file(&self.app.base_url()).as_bytes())?;
        self.screen.say(format!(
            "A directory of 12 users and 3 groups in {}, an empty app at {}\n",
            paint(STRONG, self.folder.join("people.json").display()),
            paint(STRONG, self.app.base_url())
        ));
        Ok(())
    }

    /// The new file is renamed into place: a reader sees the old one or the new one, never half of it.
    fn write(&self, text: &str) -> Result<(), CommandFailure> {
        Ok(replace(&self.folder.join("people.json"), modes::PRIVATE, text.as_bytes())?)
    }
}

/// A folder that nobody else had before, since everybody may make some there.
fn new_folder() -> Result<PathBuf, CommandFailure> {
    let folder = std::env::temp_dir().join(format!("rosterd-demo-{}", Uuid::now_v7().simple()));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
    made.map_err(|error| CommandFailure::failed(format!("making {}: {error}", folder.display())))?;
    Ok(folder)
}

fn tenant_file(base_url: &str) -> String {
    format!(
        "[source.file]\npath = \"../people.json\"\n\n[target]\nprofile = \"scim\"\nbase_url = \"{base_url}\"\n\
         token = {{ file = \"../app.token\" }}\nrate = \"1000/s\"\nallow_http_loopback = true\nloopback_port_may_change = true\n\n\
         # A company of twelve: the default budget of three a day would hold the last scene.\n[guard]\nremovals_per_day = 5\n"
    )
}
