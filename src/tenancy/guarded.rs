//! Could another user have changed what steers rosterd? In: the folders and files that the configuration names. Out: a diagnostic for
//! each that nobody should rely on.
//!
//! `rosterd.toml`, tenant files and profiles are looked at where they are read (`config::load`); here it is the folders, the state, and
//! the secrets and certificate authorities that are read later, at each run.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::Tenant;
use crate::config::diagnostic::Diagnostic;
use crate::config::document::{Document, SourceText};
use crate::config::global::GlobalFile;
use crate::config::secret::{self, SecretError};
use crate::files::trust::{self, Distrust, FileTrust};

/// The folder with the tenant files.
pub(super) fn folder(path: &Path) -> Result<(), Box<Diagnostic>> {
    match FileTrust::of_this_process().look(path) {
        // What it says of a folder that is not there is said where it is read.
        Err(error @ Distrust::Refused { .. }) => Err(Box::new(Diagnostic::distrusted(path, &error))),
        _ => Ok(()),
    }
}

/// What is wrong with a state folder: journals and approvals are in it. Nothing while there is none.
///
/// A process that may not write there at all, such as a check by another user, is only warned.
pub fn state(state_dir: &Path) -> Option<Diagnostic> {
    trust::accept_owner_of(state_dir);
    match FileTrust::of_this_process().look(state_dir) {
        Err(error @ Distrust::Refused { .. }) => {
            let found = Diagnostic::distrusted(state_dir, &error);
            let is_ours = access(state_dir, Access::WRITE_OK).is_ok();
            Some(if is_ours { found } else { found.softened() })
        }
        _ => None,
    }
}

/// The secrets and certificate authorities of a tenant, as far as they are there.
pub(super) fn tenant(tenant: &Tenant) -> Vec<Diagnostic> {
    let target = tenant.file.target.ca_file.as_deref().map(|path| (&["target", "ca_file"][..], path));
    let authorities = target.into_iter().chain(tenant.file.source.ca_file());
    let authorities = authorities.filter_map(|(key, path)| Named::authorities(key.to_vec(), path));
    let secrets =
        tenant.secrets().filter_map(|(key, secret)| Named::secret([key, &["file"]].concat(), secret.file.as_deref()?));
    let keys = tenant
        .private_keys()
        .filter_map(|(key, secret)| Named::secret([&key[..], &["file"]].concat(), secret.file.as_deref()?));
    let certificates = tenant
        .client_certificates()
        .filter_map(|(key, table)| Named::authorities([key, &["cert_file"]].concat(), &table.cert_file));
    at_their_keys(&tenant.source, authorities.chain(secrets).chain(keys).chain(certificates).collect())
}

/// The same of the receivers of messages.
pub(super) fn receivers(source: &SourceText, file: &GlobalFile) -> Vec<Diagnostic> {
    let named = file.notify.iter().flat_map(|(name, table)| {
        let secret = table.secret.file.as_deref().map(|path| (vec!["notify", name, "secret", "file"], path));
        let authorities = table.ca_file.as_deref().map(|path| (vec!["notify", name, "ca_file"], path));
        let secret = secret.and_then(|(key, path)| Named::secret(key, path));
        secret.into_iter().chain(authorities.and_then(|(key, path)| Named::authorities(key, path)))
    });
    at_their_keys(source, named.collect())
}

/// A file that is not trusted, and the keys that lead to it.
struct Named<'a> {
    key: Vec<&'a str>,
    message: String,
    remedy: String,
}

impl<'a> Named<'a> {
    fn authorities(key: Vec<&'a str>, path: &Path) -> Option<Self> {
        match FileTrust::of_this_process().look(path) {
            Err(error @ Distrust::Refused { .. }) if is_read_here(path) => {
                let message = format!("{error}; it is not used");
                let Distrust::Refused { remedy, .. } = error else { return None };
                Some(Self { key, message, remedy })
            }
            _ => None,
        }
    }

    fn secret(key: Vec<&'a str>, path: &Path) -> Option<Self> {
        match secret::refusal(path) {
            // A secret that is still to be written must not be put where others could exchange it.
            Some(SecretError::Unfit { path: shown, why, remedy }) if is_read_here(path) || is_missing(path) => {
                Some(Self { key, message: format!("the secret file {shown} is refused: {why}"), remedy })
            }
            _ => None,
        }
    }
}

/// A file that this process can't read is the business of the one that can.
fn is_read_here(path: &Path) -> bool {
    access(path, Access::READ_OK).is_ok()
}

fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn at_their_keys(source: &SourceText, named: Vec<Named<'_>>) -> Vec<Diagnostic> {
    if named.is_empty() {
        return Vec::new();
    }
    // Parsed before without a mistake; this is only for the places in it.
    let document = Document::parse(source, &mut Vec::new());
    named.into_iter().map(|Named { key, message, remedy }| document.error(&key, message, remedy)).collect()
}

/// Warns of files that a group may change which is accepted because it is the group of this process.
pub(super) fn shared(paths: impl Iterator<Item = PathBuf>) -> Vec<Diagnostic> {
    let trust = FileTrust::of_this_process();
    let mut told = Vec::new();
    let found = paths.filter_map(|path| {
        let shared = trust.look(&path).ok()?.shared.filter(|shared| !told.contains(shared))?;
        told.push(shared.clone());
        let hint = "if that group has other members, remove its write access: chmod g-w";
        Some(Diagnostic::of_file(&path, shared, hint).softened())
    });
    found.collect()
}
