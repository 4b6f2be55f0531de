//! Which files there are. In: the path of `rosterd.toml`. Out: the tenants beside it, by name.

use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::floor::Floor;
use super::guarded;
use super::paths::beside;
use super::programs;
use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;
use crate::config::global::GlobalFile;
use crate::config::login::ClientCertificateTable;
use crate::config::network::NetworkTable;
use crate::config::{forms, load, words};
use crate::files::trust;
use crate::model::TenantName;
use crate::store::Stores;

/// `rosterd.toml` with its paths made whole.
#[derive(Debug)]
pub struct GlobalConfig {
    /// The file.
    pub file: GlobalFile,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// Where tenant files are.
    pub tenants_dir: PathBuf,
    /// What no tenant file can loosen.
    pub floor: Floor,
}

impl GlobalConfig {
    /// For root: the user to whom the state belongs, if that is another one. It is the service's.
    pub fn service_user(&self) -> Option<u32> {
        let own = geteuid();
        let owner = Stores::on_disk(self.state_dir.clone()).owner();
        owner.filter(|owner| own.is_root() && *owner != own.as_raw())
    }
}

/// Reads `rosterd.toml`.
///
/// # Errors
/// Every mistake in it.
pub(super) fn load_global(path: &Path) -> Result<GlobalConfig, Vec<Diagnostic>> {
    if !path.exists() {
        let hint = "`rosterd init TENANT` makes one with a first tenant; `--config FILE` names another place";
        return Err(vec![Diagnostic::of_file(path, "there is no configuration here", hint)]);
    }
    let source = load::read_text(path).map_err(|error| vec![*error])?;
    let mut found = Vec::new();
    let document = Document::parse(&source, &mut found);
    let file = load::global(&document, &mut found);
    load::sort(&mut found);
    match file {
        Some(mut file) => {
            for receiver in file.notify.values_mut() {
                let paths = receiver.secret.file.iter_mut().chain(&mut receiver.ca_file).chain(&mut receiver.template);
                let certificate = receiver.client_certificate.iter_mut().flat_map(ClientCertificateTable::paths_mut);
                let paths = paths.chain(certificate);
                paths.for_each(|own| *own = beside(path, own));
            }
            for receiver in file.notify.values_mut() {
                receiver.network = Some(NetworkTable::over(receiver.network.as_ref(), &file.network));
            }
            let networks =
                file.notify.values_mut().filter_map(|receiver| receiver.network.as_mut()).chain([&mut file.network]);
            let passwords = networks.filter_map(|network| network.proxy_password.as_mut()?.file.as_mut());
            passwords.for_each(|own| *own = beside(path, own));
            let (state_dir, tenants_dir) = (beside(path, &file.state_dir), beside(path, &file.tenants_dir));
            let floor = Floor::new(&document, &file.floor);
            // Root looks at the files of the service's user, too.
            trust::accept_owner_of(&state_dir);
            let secrets: Vec<_> = file
                .notify
                .iter()
                .map(|(name, table)| (vec!["notify", name.as_str(), "secret"], &table.secret))
                .collect();
            let mut refused = programs::check(&document, &secrets, file.programs.as_ref());
            refused.extend(guarded::receivers(&source, &file));
            if !refused.is_empty() {
                return Err(refused);
            }
            Ok(GlobalConfig { file, state_dir, tenants_dir, floor })
        }
        None => Err(found),
    }
}

/// Tenants by name and file.
type ListedTenants = Vec<(TenantName, PathBuf)>;

/// The tenant files, and the files whose names can't be a tenant's.
pub(super) type TenantFiles = (ListedTenants, Vec<Diagnostic>);

/// Lists the tenant files: all, or those named. Beside them the files whose names can't be a tenant's; who names a tenant has
/// nothing to do with those.
pub(super) fn tenants(folder: &Path, only: &[String]) -> Result<TenantFiles, Vec<Diagnostic>> {
    guarded::folder(folder).map_err(|error| vec![*error])?;
    let (mut listed, mut misnamed) = (Vec::new(), Vec::new());
    let (files, others) = list(folder).map_err(|error| vec![*error])?;
    misnamed.extend(others.iter().map(|path| not_toml(path)));
    for path in files {
        match path.file_stem().and_then(|stem| stem.to_str()).and_then(TenantName::parse) {
            Some(name) => listed.push((name, path)),
            None => misnamed.push(bad_name(&path)),
        }
    }
    if only.is_empty() {
        return Ok((listed, misnamed));
    }
    let is_listed = |asked: &&String| listed.iter().any(|(name, _)| name.as_str() == asked.as_str());
    let unknown: Vec<_> =
        only.iter().filter(|asked| !is_listed(asked)).map(|asked| unknown(asked, folder, &listed)).collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    listed.retain(|(name, _)| only.iter().any(|asked| asked == name.as_str()));
    Ok((listed, Vec::new()))
}

/// Extensions of other configuration formats: a file that has one is likely meant to be a tenant file.
const OTHER_FORMATS: [&str; 5] = ["yaml", "yml", "tml", "conf", "ini"];

/// The `.toml` files of a folder, by name, and the files in other configuration formats. Leftovers of editors and package managers
/// (`.x.toml.swp`, `x.toml~`, `.x.toml`) are neither.
fn list(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Box<Diagnostic>> {
    let failed = |error: std::io::Error| {
        let hint = "`rosterd init TENANT` makes a first tenant; the folder is `tenants_dir` in rosterd.toml";
        Box::new(Diagnostic::of_file(folder, format!("the folder with the tenant files can't be read: {error}"), hint))
    };
    let (mut paths, mut others) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let extension =
            path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
        match extension.as_str() {
            _ if hidden => {}
            "toml" if path.extension().is_some_and(|extension| extension == "toml") => paths.push(path),
            "toml" => others.push(path),
            other if OTHER_FORMATS.contains(&other) => others.push(path),
            _ => {}
        }
    }
    paths.sort();
    others.sort();
    Ok((paths, others))
}

fn not_toml(path: &Path) -> Diagnostic {
    let message = "this file is ignored: tenant files end in `.toml`";
    let hint = "rename it, or move it out of this folder";
    Diagnostic::of_file(path, message, hint).softened()
}

fn bad_name(path: &Path) -> Diagnostic {
    let hint = "rename it: small letters, digits and `-`, at most 63, beginning with a letter or digit, such as `acme-heap.toml`";
    Diagnostic::of_file(path, "this file's name can't be a tenant's name", hint)
}

fn unknown(name: &str, folder: &Path, listed: &ListedTenants) -> Diagnostic {
    let names = || listed.iter().map(|(name, _)| name.as_str());
    let hint = match forms::nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if listed.is_empty() => format!("there is no tenant yet; `rosterd init {name}` makes one"),
        None => format!("it can be {}", words::list(names().take(20))),
    };
    Diagnostic::of_file(&folder.join(format!("{name}.toml")), "there is no such tenant", hint)
}
