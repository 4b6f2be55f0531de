//! A tenant made ready. In: the path of `rosterd.toml`. Out: tenants that can't be invalid, or every mistake of every file.
//!
//! `config` checks each file by itself; here the mapping language, profiles and files are brought together. Knows no network,
//! and of a state only whether its tenant has been synced.

mod belonging;
mod credentials;
mod differences;
mod edit;
mod editors;
mod expressions;
mod files;
mod fit;
mod floor;
mod guarded;
mod hashes;
mod init;
mod neighbours;
mod paths;
mod placeholders;
mod places;
mod programs;
mod questions;
mod ready;
mod report;
mod template;
mod world;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

pub use credentials::{Credentials, SecretsMark};
pub use differences::differences;
pub use files::GlobalConfig;
pub use floor::Floor;
pub use guarded::state as state_distrust;
pub use hashes::{file_hashes, file_marks};
pub use init::{Draft, InitReport, TypedSecret, init, init_with};
pub use places::{default_config, is_of_service};
pub use questions::{AnswerKind, DirectoryChoice, Question, directories};
pub use ready::Tenant;
pub use report::{CheckReport, Checked};
pub use template::{Choices as InitChoices, InitPlan};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::bounded::{self, Overdue};
use crate::clock::{Clock as _, SystemClock};
use crate::config::diagnostic::Diagnostic;
use crate::config::document::SourceText;
use crate::config::global::{GlobalFile, ProgramsTable};
use crate::config::load;
use crate::config::network::NetworkTable;
use crate::config::secret::Secrets;
use crate::model::TenantName;
use crate::store::Stores;

/// The longest that the files of one tenant, or `rosterd.toml`, may take to be read and checked.
const CHECK_LIMIT: Duration = Duration::from_secs(5);

/// How many of a tenant's next runs `rosterd check` shows.
const RUNS_SHOWN: usize = 3;

/// A configuration without mistakes.
#[derive(Debug)]
pub struct Loaded {
    /// `rosterd.toml`.
    pub global: GlobalFile,
    /// Where state is kept.
    pub stores: Stores,
    /// The tenants asked for, by name.
    pub tenants: Vec<Tenant>,
    /// What may be a mistake.
    pub warnings: Vec<Diagnostic>,
}

/// A configuration as far as it is right: for work on many tenants, where one broken file must not stop the others.
#[derive(Debug)]
pub struct Usable {
    /// `rosterd.toml` and the tenants without mistakes.
    pub loaded: Loaded,
    /// The tenants with mistakes.
    pub broken: Vec<Broken>,
}

/// A tenant with mistakes.
#[derive(Debug)]
pub struct Broken {
    /// Its name.
    pub name: TenantName,
    /// Its file.
    pub path: PathBuf,
    /// What is wrong, in its file or in one that it names.
    pub found: Vec<Diagnostic>,
    /// Whether it may be right: its files did not answer in time.
    pub hangs: bool,
}

/// Reads `rosterd.toml` and the tenants asked for (all of them if `only` is empty).
///
/// # Errors
/// Every mistake of every file that was asked for.
pub fn load(path: &Path, only: &[String]) -> Result<Loaded, Vec<Diagnostic>> {
    load_beside(path, only, None)
}

/// [`load()`] with states elsewhere than `rosterd.toml` says.
///
/// # Errors
/// As there.
pub fn load_beside(path: &Path, only: &[String], stores: Option<&Stores>) -> Result<Loaded, Vec<Diagnostic>> {
    let Usable { mut loaded, broken } = load_usable(path, only, stores)?;
    // A file whose name can't be a tenant's is reported as a broken file of no tenant.
    let misnamed = loaded.warnings.iter().any(Diagnostic::is_error);
    if broken.is_empty() && !misnamed {
        return Ok(loaded);
    }
    let mut found: Vec<Diagnostic> = broken.into_iter().flat_map(|broken| broken.found).collect();
    found.append(&mut loaded.warnings);
    load::sort(&mut found);
    Err(found)
}

/// Reads the same, and keeps tenants without mistakes apart from those with some. A file whose name can't be a tenant's is
/// told among the warnings, as the error it is. A tenant whose files do not answer in time is one with a mistake; it delays the
/// others by a moment only. The states are those of `stores`, or of the folder that `rosterd.toml` names. This blocks for seconds at most:
/// `CHECK_LIMIT` for `rosterd.toml`, and about as long for all tenants.
///
/// # Errors
/// When nothing can be used: `rosterd.toml` is wrong or missing, or a tenant asked for does not exist.
pub fn load_usable(path: &Path, only: &[String], stores: Option<&Stores>) -> Result<Usable, Vec<Diagnostic>> {
    let (GlobalConfig { file, state_dir, tenants_dir, floor }, (listed, mut misnamed)) = list_in_time(path, only)?;
    match guarded::state(&state_dir) {
        Some(found) if found.is_error() => return Err(vec![found]),
        found => misnamed.extend(found),
    }
    let common = Common::new(&file, floor);
    let mut loaded = Loaded {
        global: file,
        stores: stores.cloned().unwrap_or_else(|| Stores::on_disk(state_dir)),
        tenants: Vec::new(),
        warnings: misnamed,
    };
    let mut broken = Vec::new();
    let read = listed.iter().cloned().map(|(name, path)| {
        let read: Box<dyn FnOnce() -> _ + Send> = Box::new({
            let (path, common, stores) = (path.clone(), common.clone(), loaded.stores.clone());
            move || read_tenant(&name, &path, &common, &stores)
        });
        (format!("checking {}", path.display()), read)
    });
    let results = bounded::each(CHECK_LIMIT, read.collect());
    for ((name, path), result) in listed.into_iter().zip(results) {
        match result {
            Ok((Some(tenant), found)) => {
                loaded.tenants.push(tenant);
                loaded.warnings.extend(found);
            }
            Ok((None, found)) => broken.push(Broken { name, path, found, hangs: false }),
            Err(overdue) => {
                let found = vec![hangs(&path, &overdue)];
                broken.push(Broken { name, path, found, hangs: true });
            }
        }
    }
    let hang: Vec<TenantName> = broken.iter().filter(|broken| broken.hangs).map(|broken| broken.name.clone()).collect();
    neighbours::introduce(&mut loaded.tenants, &tenants_dir, &hang);
    Ok(Usable { loaded, broken })
}

/// `rosterd.toml` and the list of tenants, or the mistake that they do not answer.
fn list_in_time(path: &Path, only: &[String]) -> Result<(GlobalConfig, files::TenantFiles), Vec<Diagnostic>> {
    let (config, only) = (path.to_owned(), only.to_vec());
    let list = move || {
        let global = files::load_global(&config)?;
        let listed = files::tenants(&global.tenants_dir, &only)?;
        Ok((global, listed))
    };
    let listed = bounded::wait(&format!("reading {}", path.display()), CHECK_LIMIT, list);
    listed.unwrap_or_else(|overdue| Err(vec![hangs(path, &overdue)]))
}

/// Whether `rosterd.toml` says that its files are watched; not, while it can't be read.
pub fn is_watched(path: &Path) -> bool {
    load_global(path).is_ok_and(|global| global.file.run.watch)
}

/// Reads `rosterd.toml`.
///
/// # Errors
/// Every mistake in it, and that it does not answer in time.
pub fn load_global(path: &Path) -> Result<GlobalConfig, Vec<Diagnostic>> {
    let config = path.to_owned();
    let load = move || files::load_global(&config);
    let loaded = bounded::wait(&format!("reading {}", path.display()), CHECK_LIMIT, load);
    loaded.unwrap_or_else(|overdue| Err(vec![hangs(path, &overdue)]))
}

/// The mistake of files that do not answer.
fn hangs(path: &Path, overdue: &Overdue) -> Diagnostic {
    let limit = CHECK_LIMIT.as_secs();
    let message = match overdue {
        Overdue::Now { .. } => format!(
            "it could not be checked: this file, or one that it names (directory file, profile), did not answer within {limit} s"
        ),
        Overdue::Still { .. } => "it was not checked: its files have not answered an earlier check yet".to_owned(),
        Overdue::TooMany { .. } | Overdue::NoThread { .. } => format!("it was not checked: {overdue}"),
    };
    let hint = "check whether a network share hangs (`timeout 5 stat FILE`); nothing of this tenant was run, and a daemon tries \
                again every 30 s";
    Diagnostic::of_file(path, message, hint)
}

/// The names of the tenants asked for, or of all, without reading their files.
///
/// # Errors
/// When `rosterd.toml` has mistakes, or a tenant asked for does not exist.
pub fn names(path: &Path, only: &[String]) -> Result<Vec<TenantName>, Vec<Diagnostic>> {
    let (_, (listed, misnamed)) = list_in_time(path, only)?;
    match misnamed.iter().any(Diagnostic::is_error) {
        false => Ok(listed.into_iter().map(|(name, _)| name).collect()),
        true => Err(misnamed),
    }
}

/// Checks everything that can be checked without a network: what [`load()`] checks, and whether the secrets and files that
/// tenants name are there and fit to be used.
pub fn check(path: &Path, only: &[String], stores: Option<&Stores>) -> CheckReport {
    let Usable { loaded, broken } = match load_usable(path, only, stores) {
        Ok(usable) => usable,
        Err(found) => return CheckReport::new(found, Vec::new()),
    };
    let (mut found, mut checked) = (loaded.warnings, Vec::new());
    let files = loaded.tenants.iter().map(|tenant| tenant.path.clone());
    found.extend(guarded::shared([path.to_owned()].into_iter().chain(files)));
    found.extend(world::receivers(path, &loaded.global, &Secrets::of_this_process()));
    let now = SystemClock.now();
    let mut next_runs: BTreeMap<TenantName, Vec<Timestamp>> =
        loaded.tenants.iter().map(|tenant| (tenant.name.clone(), tenant.next_runs(now, RUNS_SHOWN))).collect();
    for (name, path, own) in world::look_in_time(loaded.tenants, now) {
        let next_runs = next_runs.remove(&name).unwrap_or_default();
        checked.push(Checked::new(name, path, &own, next_runs));
        found.extend(own);
    }
    for Broken { name, path, found: own, .. } in broken {
        checked.push(Checked::new(name, path, &own, Vec::new()));
        found.extend(own);
    }
    checked.sort_by(|a, b| a.name.cmp(&b.name));
    load::sort(&mut found);
    CheckReport::new(found, checked)
}

/// What `rosterd.toml` says for every tenant.
#[derive(Debug, Clone, Default)]
struct Common {
    floor: Floor,
    programs: Option<ProgramsTable>,
    network: NetworkTable,
}

impl Common {
    fn new(file: &GlobalFile, floor: Floor) -> Self {
        Self { floor, programs: file.programs.clone(), network: file.network.clone() }
    }
}

/// Reads one tenant file; `None` if it has an error.
fn read_tenant(name: &TenantName, path: &Path, common: &Common, stores: &Stores) -> (Option<Tenant>, Vec<Diagnostic>) {
    match load::read_text(path) {
        Ok(source) => made(name, source, common, stores),
        Err(error) => (None, vec![*error]),
    }
}

/// A tenant of a text, checked.
fn made(name: &TenantName, source: SourceText, common: &Common, stores: &Stores) -> (Option<Tenant>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let tenant = ready::make(name, source, &common.floor, &mut found).filter(|tenant| {
        found.extend(guarded::tenant(tenant));
        found.extend(belonging::check(tenant, stores));
        found.extend(tenant.check_programs(common.programs.as_ref()));
        !found.iter().any(Diagnostic::is_error)
    });
    load::sort(&mut found);
    (tenant.map(|tenant| Tenant { network: common.network.clone(), ..tenant }), found)
}
