//! The first files of a tenant, for `rosterd init` and `rosterd setup`. In: a tenant's name, a directory, an app, and what `setup` was answered.
//! Out: commented files; or, before anything is written, the tenant that they would make.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use serde::Serialize;
use zeroize::Zeroizing;

use super::Common;
use super::paths::beside;
use super::questions::{self, Question};
use super::ready::Tenant;
use super::template::{self, Choices, InitPlan, SCHEMA, SECRETS};
use super::{edit, places};
use crate::config::diagnostic::Diagnostic;
use crate::config::document::SourceText;
use crate::config::profiles::{self, AppFolder};
use crate::config::schema;
use crate::files::{modes, replace};
use crate::model::TenantName;
use crate::source::kind;
use crate::store::Stores;

/// What was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct InitReport {
    /// The files, the tenant's last.
    pub written: Vec<PathBuf>,
    /// The folder for secrets, if it was made.
    pub secrets_folder: Option<PathBuf>,
    /// The lines of the tenant file that have to be edited before it is valid: number and text, without comment.
    pub to_edit: Vec<(usize, String)>,
}

/// A secret that a person typed, and the file that it is for.
pub struct TypedSecret {
    /// The file.
    pub path: PathBuf,
    /// The secret.
    pub text: Zeroizing<String>,
}

/// [`init_with`] the defaults.
///
/// # Errors
/// As there.
pub fn init(config: &Path, plan: &InitPlan) -> Result<InitReport, Box<Diagnostic>> {
    init_with(config, plan, &Choices::default())
}

/// Writes the tenant file and the schema for editors, `rosterd.toml` where there is none, and the folder for secrets.
///
/// # Errors
/// When source or app are not known, a file is there already, or the disk says no. Nothing that was there is changed.
pub fn init_with(config: &Path, plan: &InitPlan, choices: &Choices) -> Result<InitReport, Box<Diagnostic>> {
    let draft = Draft::new(config, plan, choices)?;
    if draft.exists() {
        return Err(refused(&draft.path, &std::io::ErrorKind::AlreadyExists.into()));
    }
    let mut report = InitReport::default();
    draft.write(&[], &mut report)?;
    Ok(report)
}

/// The files of a tenant before they are written.
#[derive(Debug, Clone)]
pub struct Draft {
    config: PathBuf,
    first_time: bool,
    name: TenantName,
    product: String,
    path: PathBuf,
    text: String,
    common: Common,
    service_user: Option<u32>,
}

impl Draft {
    /// The files as `init` writes them.
    ///
    /// # Errors
    /// When source or app are not known, or `rosterd.toml` has mistakes.
    pub fn new(config: &Path, plan: &InitPlan, choices: &Choices) -> Result<Self, Box<Diagnostic>> {
        // The table is called `ldap`, so somebody may well ask for that; OpenLDAP is what its preset is by default.
        let plan = &InitPlan {
            source: if plan.source == "ldap" { "openldap".to_owned() } else { plan.source.clone() },
            // The tenant file names it from where it stands.
            app: match profiles::is_path(&plan.app) {
                true => Path::new(&plan.app)
                    .canonicalize()
                    .map_or_else(|_| plan.app.clone(), |path| path.display().to_string()),
                false => plan.app.clone(),
            },
            ..plan.clone()
        };
        let Some(directory) = kind::of_product(&plan.source) else {
            let products: Vec<&str> = kind::products().collect();
            let message = format!("there is no directory {:?}", plan.source);
            let hint = format!("--source is one of {}", products.join(", "));
            return Err(Box::new(Diagnostic::of_file(config, message, hint)));
        };
        let app = folder_of(config, &plan.app)?.tenant_template()?;
        let text = template::with_choices(template::template(plan, directory, &app), choices);
        let first_time = !config.exists();
        let (tenants, common, service_user) = match first_time {
            true => (beside(config, Path::new("tenants")), Common::default(), None),
            false => {
                let global = super::load_global(config).map_err(first)?;
                let service_user = global.service_user();
                let common = Common::new(&global.file, global.floor);
                (global.tenants_dir, common, service_user)
            }
        };
        let path = tenants.join(format!("{}.toml", plan.tenant));
        let (name, product) = (plan.tenant.clone(), plan.source.clone());
        Ok(Self { config: config.to_owned(), first_time, name, product, path, text, common, service_user })
    }

    /// The tenant file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text of the tenant file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of `rosterd.toml`, if there is none yet.
    pub fn new_config(&self) -> Option<String> {
        self.first_time.then(|| GLOBAL.replacen("\"state\"", &format!("{:?}", places::state_for(&self.config)), 1))
    }

    /// The schema for editors, if it is not there yet.
    pub fn new_schema(&self) -> Option<PathBuf> {
        Some(self.whole(SCHEMA)).filter(|schema| !schema.exists())
    }

    /// The folder for secrets.
    pub fn secrets_folder(&self) -> PathBuf {
        self.whole(SECRETS)
    }

    /// The user to whom secrets that root writes are given: the one to whom the state belongs, so that the service can read them.
    pub fn service_user(&self) -> Option<u32> {
        self.service_user
    }

    /// Whether the tenant file is there already.
    pub fn exists(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }

    /// The folder that this process would have to write to and may not.
    pub fn unwritable(&self) -> Option<&Path> {
        let folders = [self.path.parent(), self.config.parent().filter(|_| self.first_time)];
        folders.into_iter().flatten().find_map(|folder| {
            let there = folder.ancestors().map(or_here).find(|folder| folder.exists())?;
            access(there, Access::WRITE_OK | Access::EXEC_OK).is_err().then_some(there)
        })
    }

    /// Sets a key of a table: where it is written, where a comment shows it, or after the table's last line.
    pub fn set(&mut self, table: &str, key: &str, value: &str) {
        self.text = edit::with(&self.text, table, key, value);
    }

    /// Whether the directory assigns groups to the app, so that the scope may be left to it.
    pub fn assigns_groups(&self) -> bool {
        kind::assigns_groups(&self.product)
    }

    /// What a person has to say about the table of the directory.
    pub fn questions_about_directory(&self) -> Vec<Question> {
        questions::about_directory(&self.text, &self.product)
    }

    /// What a person has to say about the table of the app.
    pub fn questions_about_app(&self) -> Vec<Question> {
        questions::about_app(&self.text)
    }

    /// A file that the tenant file names. While the folder of that file is not there, nothing of the way is a link.
    pub fn whole(&self, path: &str) -> PathBuf {
        let folder = self.path.parent().filter(|folder| !folder.exists());
        match path.strip_prefix("../").zip(folder.and_then(Path::parent)) {
            Some((rest, above)) => above.join(rest),
            None => beside(&self.path, Path::new(path)),
        }
    }

    /// The tenant that the files would make, checked as a written one is. What it would keep is in none of `stores`.
    ///
    /// # Errors
    /// Every mistake of the text.
    pub fn tenant(&self, stores: &Stores) -> Result<Tenant, Vec<Diagnostic>> {
        let source = SourceText::new(&self.path, &*self.text);
        let (tenant, found) = super::made(&self.name, source, &self.common, stores);
        tenant.ok_or(found)
    }

    /// Writes everything. A file that is there already stays, but for the tenant's own: the caller has asked. The tenant's comes last: a
    /// step that fails leaves no tenant behind, and the same command goes on once the cause is gone. `report` says what was written, also after an
    /// error.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn write(&self, secrets: &[TypedSecret], report: &mut InitReport) -> Result<(), Box<Diagnostic>> {
        let tenants = self.path.parent().unwrap_or_else(|| Path::new(""));
        modes::make_shared_folder(tenants).map_err(|error| refused(tenants, &error))?;
        let folder = self.secrets_folder();
        report.secrets_folder = make_secrets_folder(&folder)?.then_some(folder);
        for secret in secrets {
            let line = Zeroizing::new(format!("{}\n", secret.text.as_str()));
            write_new(&secret.path, line.as_bytes(), modes::PRIVATE)?;
            report.written.push(secret.path.clone());
            if let Some(user) = self.service_user {
                std::os::unix::fs::chown(&secret.path, Some(user), None)
                    .map_err(|error| refused(&secret.path, &error))?;
            }
        }
        if let Some(text) = self.new_config() {
            create(&self.config, &text)?;
            report.written.push(self.config.clone());
        }
        if let Some(schema) = self.new_schema() {
            create(&schema, &schema::text(schema::SchemaKind::Tenant))?;
            report.written.push(schema);
        }
        match self.exists() {
            true => replace::replace(&self.path, modes::shared_file(), self.text.as_bytes())
                .map_err(|error| refused(&self.path, &error))?,
            false => create(&self.path, &self.text)?,
        }
        report.written.push(self.path.clone());
        report.to_edit = template::to_edit(&self.text);
        Ok(())
    }
}

/// A folder's path; the one of this process, where it is empty.
fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// The folder of an app.
fn folder_of(config: &Path, app: &str) -> Result<AppFolder, Box<Diagnostic>> {
    AppFolder::named(app).map_err(|error| match profiles::is_path(app) {
        true => error,
        false => {
            let known: Vec<&str> = profiles::names().collect();
            let hint = format!("--app is one of {}, or the path of a folder of your own", known.join(", "));
            Box::new(Diagnostic::of_file(config, format!("there is no profile {app:?}"), hint))
        }
    })
}

/// Makes the folder for secrets, which only its owner can read. False if it is there already.
fn make_secrets_folder(path: &Path) -> Result<bool, Box<Diagnostic>> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(true),
        Err(_) if path.is_dir() => Ok(false),
        Err(error) => {
            let message = format!("the folder for secrets can't be made: {error}");
            Err(Box::new(Diagnostic::of_file(
                path,
                message,
                "make it with mode 700, then repeat the command; no tenant file was written",
            )))
        }
    }
}

fn first(found: Vec<Diagnostic>) -> Box<Diagnostic> {
    let fallback = || Diagnostic::of_file(Path::new("rosterd.toml"), "it can't be read", "run `rosterd check`");
    Box::new(found.into_iter().next().unwrap_or_else(fallback))
}

/// Why a file or folder was not made.
fn refused(path: &Path, error: &std::io::Error) -> Box<Diagnostic> {
    let (message, hint) = match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            ("it exists already; nothing was written".to_owned(), "edit it, or choose another name")
        }
        _ => (format!("it can't be written: {error}"), "--config names another place"),
    };
    Box::new(Diagnostic::of_file(path, message, hint))
}

/// Writes a new file that others may read; one that is there already is never touched. It names secrets and holds none.
fn create(path: &Path, text: &str) -> Result<(), Box<Diagnostic>> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        modes::make_shared_folder(folder).map_err(|error| refused(path, &error))?;
    }
    // The service reads it as another user.
    write_new(path, text.as_bytes(), modes::shared_file())
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Box<Diagnostic>> {
    let failed = |error: std::io::Error| refused(path, &error);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(modes::PRIVATE).open(path).map_err(failed)?;
    let written = file.set_permissions(std::fs::Permissions::from_mode(mode));
    let written = written.and_then(|()| file.write_all(bytes)).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a file would be in the way of the next attempt; the error that is reported is the first one.
        let _second = std::fs::remove_file(path);
        failed(error)
    })
}

pub(super) const GLOBAL: &str = r#"# rosterd: where things are on this machine. Everything about a connection is in tenants/<name>.toml.
# Relative paths are relative to this file.

# Journals and caches, one folder a tenant. Losing it costs a lookup of every user, never an account.
state_dir = "state"
# tenants_dir = "tenants"
"#;
