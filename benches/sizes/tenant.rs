//! A tenant on disk, as an operator would write it, and one cycle of it, as `rosterd sync` runs it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rosterd::clock::SystemClock;
use rosterd::cycle::CycleReport;
use rosterd::engine::{Engine, Wish};
use rosterd::progress::Silent;
use rosterd::tenancy::{self, Loaded};
use tokio_util::sync::CancellationToken;

/// The directory's file below a measurement's folder.
pub(crate) const DIRECTORY: &str = "people.json";

/// How the app is reached.
pub(crate) struct Target<'a> {
    pub(crate) base_url: &'a str,
    pub(crate) token: &'a str,
    pub(crate) in_flight: usize,
}

/// Writes `rosterd.toml`, one tenant and its secret.
pub(crate) fn write(folder: &Path, target: &Target<'_>) {
    use std::os::unix::fs::PermissionsExt;
    let Target { base_url, token, in_flight } = target;
    fs::create_dir(folder.join("tenants")).unwrap();
    fs::write(folder.join("rosterd.toml"), "state_dir = \"state\"\n").unwrap();
    let secret = folder.join("app.secret");
    fs::write(&secret, token).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let tenant = format!(
        "[source.file]\npath = \"../{DIRECTORY}\"\n\n[target]\nbase_url = \"{base_url}\"\ntoken = {{ file = \"../app.secret\" }}\n\
         rate = \"100000/s\"\nin_flight = {in_flight}\nallow_http_loopback = true\n"
    );
    fs::write(folder.join("tenants/acme.toml"), tenant).unwrap();
}

/// Reads the configuration again, as every command does.
pub(crate) fn load(folder: &Path) -> Loaded {
    tenancy::load(&folder.join("rosterd.toml"), &[]).unwrap_or_else(|found| panic!("{found:?}"))
}

/// `rosterd sync`, or `rosterd plan`.
pub(crate) fn sync(folder: &Path, dry_run: bool) -> CycleReport {
    let mut loaded = load(folder);
    let tenant = loaded.tenants.pop().expect("one tenant");
    let engine = Engine::new(Arc::new(tenant), loaded.stores, Arc::new(SystemClock));
    let wish = Wish { dry_run, ..Wish::default() };
    let runtime = runtime();
    let run = runtime.spawn(async move { engine.run(&wish, &Silent, &CancellationToken::new()).await });
    runtime.block_on(run).expect("it did not panic").unwrap_or_else(|error| panic!("{error}")).0
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}
