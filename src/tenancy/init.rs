//! `rosterd init`: the first files. In: a tenant's name, a directory, an app. Out: commented files to edit.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::differences::{self, SettingKey};
use super::paths::beside;
use super::places;
use crate::config::diagnostic::Diagnostic;
use crate::config::profiles::{self, AppFolder, TenantTemplate};
use crate::config::schema;
use crate::config::tenant::DeprovisioningAction;
use crate::files::modes;
use crate::model::TenantName;
use crate::source::kind::{self, DefaultMapping, DirectoryProduct};

/// What is to be written.
#[derive(Debug, Clone)]
pub struct InitPlan {
    /// The tenant.
    pub tenant: TenantName,
    /// One of [`kind::products`].
    pub source: String,
    /// The name of a shipped profile, or the path of an app's folder.
    pub app: String,
}

/// What is chosen beside the plan.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choices {
    /// What becomes of the account of a user whose access is revoked; `None` for the default, deactivation.
    pub on_unassigned: Option<DeprovisioningAction>,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InitReport {
    /// The files, the tenant's last.
    pub written: Vec<PathBuf>,
    /// The folder for secrets, if it was made.
    pub secrets_folder: Option<PathBuf>,
    /// The lines of the tenant file that have to be edited before it is valid: number and text, without comment.
    pub to_edit: Vec<(usize, String)>,
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
    // The table is called `ldap`, so somebody may well ask for that; OpenLDAP is what its preset is by default.
    let plan = &InitPlan {
        source: if plan.source == "ldap" { "openldap".to_owned() } else { plan.source.clone() },
        // The tenant file names it from where it stands.
        app: match profiles::is_path(&plan.app) {
            true => {
                Path::new(&plan.app).canonicalize().map_or_else(|_| plan.app.clone(), |path| path.display().to_string())
            }
            false => plan.app.clone(),
        },
        ..plan.clone()
    };
    let Some(directory) = kind::of_product(&plan.source) else {
        let products: Vec<&str> = kind::products().collect();
        let message = format!("there is no directory {:?}", plan.source);
        return Err(Box::new(Diagnostic::of_file(
            config,
            message,
            format!("--source is one of {}", products.join(", ")),
        )));
    };
    let folder = match AppFolder::named(&plan.app) {
        Ok(folder) => folder,
        Err(error) if profiles::is_path(&plan.app) => return Err(error),
        Err(_) => {
            let known: Vec<&str> = profiles::names().collect();
            let message = format!("there is no profile {:?}", plan.app);
            let hint = format!("--app is one of {}, or the path of a folder of your own", known.join(", "));
            return Err(Box::new(Diagnostic::of_file(config, message, hint)));
        }
    };
    let app = folder.tenant_template()?;
    let first_time = !config.exists();
    let tenants = match first_time {
        true => beside(config, Path::new("tenants")),
        false => super::load_global(config).map_err(first)?.tenants_dir,
    };
    // If the tenant's file is there already, nothing at all is written. It comes last: a step that fails leaves no tenant behind, and the
    // same command goes on once the cause is gone.
    let path = tenants.join(format!("{}.toml", plan.tenant));
    if path.symlink_metadata().is_ok() {
        return Err(refused(&path, &std::io::ErrorKind::AlreadyExists.into()));
    }
    modes::make_shared_folder(&tenants).map_err(|error| refused(&tenants, &error))?;
    let secrets = beside(&path, Path::new(SECRETS));
    let secrets_folder = make_secrets_folder(&secrets)?.then_some(secrets);
    let mut written = Vec::new();
    if first_time {
        create(config, &GLOBAL.replacen("\"state\"", &format!("{:?}", places::state_for(config)), 1))?;
        written.push(config.to_owned());
    }
    let schema = beside(&path, Path::new(SCHEMA));
    if !schema.exists() {
        create(&schema, &schema::text(schema::SchemaKind::Tenant))?;
        written.push(schema);
    }
    let text = with_choices(template(plan, directory, &app), choices);
    create(&path, &text)?;
    written.push(path);
    Ok(InitReport { written, secrets_folder, to_edit: to_edit(&text) })
}

/// Where the tenant file looks for the schema that editors complete and check it with, and for secrets.
const SCHEMA: &str = "../tenant.schema.json";
const SECRETS: &str = "../secrets";

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

/// The lines that hold a value of nobody's: a placeholder, a domain for examples, a secret's file.
fn to_edit(text: &str) -> Vec<(usize, String)> {
    const SIGNS: [&str; 5] = ["YOUR-", "example.", "dc=example", "DC=example", "\"../secrets/"];
    let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    let lines = lines.filter(|(_, line)| SIGNS.iter().any(|sign| line.contains(sign)));
    lines.map(|(at, line)| (at + 1, line.split("     #").next().unwrap_or(line).trim_end().to_owned())).collect()
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

/// Writes a new file; one that is there already is never touched.
fn create(path: &Path, text: &str) -> Result<(), Box<Diagnostic>> {
    let failed = |error: std::io::Error| refused(path, &error);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        modes::make_shared_folder(folder).map_err(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(modes::PRIVATE).open(path).map_err(failed)?;
    // The service reads it as another user; it names secrets and holds none.
    file.set_permissions(std::fs::Permissions::from_mode(modes::shared_file())).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

pub(super) const GLOBAL: &str = r#"# rosterd: where things are on this machine. Everything about a connection is in tenants/<name>.toml.
# Relative paths are relative to this file.

# Journals and caches, one folder a tenant. Losing it costs a lookup of every user, never an account.
state_dir = "state"
# tenants_dir = "tenants"
"#;

/// The text with what was chosen.
fn with_choices(text: String, choices: &Choices) -> String {
    const SHIPPED: &str = "\non_unassigned = \"deactivate\"\n";
    match choices.on_unassigned {
        None | Some(DeprovisioningAction::Deactivate) => text,
        Some(DeprovisioningAction::Delete) => text.replacen(SHIPPED, "\non_unassigned = \"delete\"\n", 1),
        Some(DeprovisioningAction::Nothing) => text.replacen(SHIPPED, "\non_unassigned = \"nothing\"\n", 1),
    }
}

/// The tenant file.
pub(super) fn template(plan: &InitPlan, directory: &DirectoryProduct, app: &TenantTemplate) -> String {
    let mut text = format!(
        "#:schema {SCHEMA}\n\
         # The tenant {}: one directory, one app. `rosterd check {0}` validates this file, `rosterd plan {0}` shows the changes\n\
         # without sending any, `rosterd sync {0}` applies them. Paths are relative to this file.\n\n",
        plan.tenant
    );
    text.push_str(directory.template);
    text.push_str(&match kind::assigns_groups(&plan.source) {
        true => SCOPE.to_owned(),
        false => SCOPE.replacen(SCOPE_ASSIGNED, SCOPE_NAMED, 1),
    });
    target(plan, app, &mut text);
    text.push_str(&users(plan, app));
    text.push_str(directory.around_mapping[0]);
    for (attribute, from) in attributes(plan, directory, app) {
        let key = match attribute.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            true => attribute.to_owned(),
            false => format!("{attribute:?}"),
        };
        // Jinja has double quotes; a literal string keeps them as they are.
        let value = if from.contains('"') { format!("'{from}'") } else { format!("{from:?}") };
        let _infallible = writeln!(text, "{key} = {value}");
    }
    text.push_str(app.attributes_for(&plan.source).unwrap_or_else(|| directory.around_mapping[1]));
    text.push_str(&groups(plan, app));
    text.push_str(REST);
    text
}

/// The usual rules of the directory; where the app wants it, with the e-mail address as user name.
fn attributes(plan: &InitPlan, directory: &DirectoryProduct, app: &TenantTemplate) -> Vec<DefaultMapping> {
    let mut rules = directory.mapping.to_vec();
    let email = rules.iter().find(|(attribute, _)| *attribute == "emails.work").map(|(_, from)| *from);
    let email = email.map(|from| from.split(" |").next().unwrap_or(from));
    if let (true, Some(email)) =
        (app.address_as_user_name && !app.user_name_as_in_directory.contains(&plan.source), email)
    {
        rules.iter_mut().filter(|(attribute, _)| *attribute == "userName").for_each(|(_, from)| *from = email);
    }
    rules
}

/// What the template says of groups, for a directory that assigns some to the app and for one that does not.
const SCOPE_ASSIGNED: &str = "# Who belongs. Without `groups`: every group the directory assigns to the app.\n# groups = [{ name = \"Staff *\" }]\n";
const SCOPE_NAMED: &str =
    "# Who belongs: the members of these groups. `*` stands for any text.\ngroups = [{ name = \"YOUR-GROUP\" }]\n";

const SCOPE: &str = r#"
[scope]
# Who belongs. Without `groups`: every group the directory assigns to the app.
# groups = [{ name = "Staff *" }]
# Must be visible in every reading, or nothing is changed: a token that lost its rights sees an empty directory.
# sentinels = ["it-admins"]
# Never touched, whatever the directory says.
# protect = ["breakglass@example.org"]

"#;

fn target(plan: &InitPlan, app: &TenantTemplate, text: &mut String) {
    let base_url = &app.base_url;
    let _infallible = write!(
        text,
        "[target]\nprofile = {:?}\nbase_url = {base_url:?}\ntoken = {{ file = \"../secrets/{}\" }}     # chmod 600\n\
         rate = \"10/s\"\n\
         # For an app on this machine, such as `rosterd sandbox`: plain http, and a port or path that may be others in every run.\n\
         # allow_http_loopback = true\n# loopback_port_may_change = true\n",
        plan.app, plan.tenant
    );
}

/// What becomes of accounts. The comment on the choice that a vendor's guide makes differently comes from [`super::differences`].
fn users(plan: &InitPlan, app: &TenantTemplate) -> String {
    format!("\n{}", app.users.trim_start()).replacen(
        "# on_unassigned:\n",
        &differences::comment(&plan.source, &plan.app, SettingKey::OnUnassigned),
        1,
    )
}

fn groups(plan: &InitPlan, app: &TenantTemplate) -> String {
    format!("\n{}", app.groups.trim_start()).replacen(
        "# manage:\n",
        &differences::comment(&plan.source, &plan.app, SettingKey::ManageGroups),
        1,
    )
}

const REST: &str = r#"
[guard]
# Stop and ask when more than this would happen.
removals_per_day = "10%, at least 3, at most 200"
"#;
