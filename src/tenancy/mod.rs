//! A tenant made ready. In: the path of `rosterd.toml`. Out: tenants that can't be invalid, or every mistake of every file.
//!
//! `config` checks each file by itself; here the mapping language, profiles and files are brought together. Knows no network
//! and no state.

mod init;
mod ready;

pub use init::{Plan as InitPlan, init};
pub use ready::Tenant;

use std::path::{Path, PathBuf};

use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;
use crate::config::global::GlobalFile;
use crate::config::load;
use crate::model::TenantName;

/// A configuration without mistakes.
#[derive(Debug)]
pub struct Loaded {
    /// `rosterd.toml`.
    pub global: GlobalFile,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// The tenants asked for, by name.
    pub tenants: Vec<Tenant>,
    /// What may be a mistake.
    pub warnings: Vec<Diagnostic>,
}

/// `rosterd.toml` with its paths made whole.
#[derive(Debug)]
pub struct Global {
    /// The file.
    pub file: GlobalFile,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// Where tenant files are.
    pub tenants_dir: PathBuf,
}

/// Reads `rosterd.toml`.
///
/// # Errors
/// Every mistake in it.
pub fn load_global(path: &Path) -> Result<Global, Vec<Diagnostic>> {
    let text = load::read_text(path).map_err(|mut one| {
        if !path.exists() {
            one.hint =
                Some("`rosterd init NAME` writes it together with a first tenant; --config names another".to_owned());
        }
        vec![*one]
    })?;
    let mut found = Vec::new();
    let document = Document::parse(&text, &mut found);
    match load::global(&document, &mut found) {
        Some(file) => {
            let base = path.parent().unwrap_or(Path::new(""));
            let (state_dir, tenants_dir) = (base.join(&file.state_dir), base.join(&file.tenants_dir));
            Ok(Global { file, state_dir, tenants_dir })
        }
        None => Err(found),
    }
}

/// Reads `rosterd.toml` and the tenants asked for (all of them if `only` is empty).
///
/// # Errors
/// Every mistake of every file that was asked for.
pub fn load(path: &Path, only: &[String]) -> Result<Loaded, Vec<Diagnostic>> {
    let global = load_global(path)?;
    let mut found = Vec::new();
    let mut tenants = Vec::new();
    for (name, file) in tenant_files(&global.tenants_dir, only, &mut found) {
        tenants.extend(ready::read(name, &file, &mut found));
    }
    load::sort(&mut found);
    if found.iter().any(Diagnostic::is_error) {
        return Err(found);
    }
    let Global { file, state_dir, .. } = global;
    Ok(Loaded { global: file, state_dir, tenants, warnings: found })
}

/// The names of the tenants asked for, or of all, without reading their files.
///
/// # Errors
/// When `rosterd.toml` has mistakes, or a tenant asked for does not exist.
pub fn names(path: &Path, only: &[String]) -> Result<Vec<TenantName>, Vec<Diagnostic>> {
    let global = load_global(path)?;
    let mut found = Vec::new();
    let files = tenant_files(&global.tenants_dir, only, &mut found);
    match found.is_empty() {
        true => Ok(files.into_iter().map(|(name, _)| name).collect()),
        false => Err(found),
    }
}

/// The tenant files, by name. A file whose name can't be a tenant's is a mistake, not overlooked.
fn tenant_files(folder: &Path, only: &[String], found: &mut Vec<Diagnostic>) -> Vec<(TenantName, PathBuf)> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let hint = "`rosterd init NAME` writes the first tenant file; `tenants_dir` names the folder";
            found.push(Diagnostic::of_file(folder, format!("the tenants' folder can't be read: {error}"), hint));
            return Vec::new();
        }
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                found.push(Diagnostic::of_file(folder, format!("the folder can't be read: {error}"), "try again"));
                continue;
            }
        };
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        match TenantName::parse(stem) {
            Some(name) => files.push((name, path)),
            None => found.push(Diagnostic::of_file(
                &path,
                "a tenant's name has lower-case letters, digits and dashes only",
                "rename the file",
            )),
        }
    }
    files.sort();
    choose(folder, files, only, found)
}

fn choose(
    folder: &Path,
    files: Vec<(TenantName, PathBuf)>,
    only: &[String],
    found: &mut Vec<Diagnostic>,
) -> Vec<(TenantName, PathBuf)> {
    if only.is_empty() {
        return files;
    }
    // A file with a bad name is the business of whoever asks about all of them.
    found.retain(|one| one.file == folder);
    for asked in only.iter().filter(|asked| !files.iter().any(|(name, _)| name.as_str() == asked.as_str())) {
        let nearest = files
            .iter()
            .map(|(name, _)| (strsim::damerau_levenshtein(name.as_str(), asked), name))
            .min()
            .filter(|(distance, _)| *distance <= 3);
        let hint = match nearest {
            Some((_, name)) => format!("did you mean `{name}`?"),
            None => format!("`rosterd init {asked}` writes it"),
        };
        found.push(Diagnostic::of_file(&folder.join(format!("{asked}.toml")), "there is no such tenant", hint));
    }
    files.into_iter().filter(|(name, _)| only.iter().any(|asked| asked == name.as_str())).collect()
}
