//! Is what a tenant file names there? In: a checked tenant. Out: a diagnostic for each secret or file that can't be used.
//!
//! Looks at this machine only. Kept apart from the file's own mistakes: what is missing now may be there at the next run.

use std::path::Path;

use jiff::Timestamp;

use super::Tenant;
use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;
use crate::config::expiry::{self, Expiry};
use crate::config::secret::{SecretError, Secrets};

/// Looks for all that the tenant names.
pub(super) fn look(tenant: &Tenant, secrets: &Secrets<'_>, now: Timestamp) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    // The text parsed before; this is only for the places in it.
    let document = Document::parse(&tenant.source, &mut found);
    for (path, secret) in tenant.secrets() {
        let fetched = secrets.fetch(secret);
        let expiry = expiry::of(secret, fetched.as_ref().ok().map(|text| text.as_str()));
        let expiry =
            expiry.map(|at| Expiry { secret: path.join("."), at }).filter(|expiry| expiry.nearness(now).is_some());
        if let Some(expiry) = expiry {
            found.push(document.warning(
                path,
                expiry.words(now),
                "put a new one there before; nothing has to be restarted for a file",
            ));
        }
        if let Err(error) = fetched {
            let kind = match (&secret.credential, &secret.file) {
                (Some(_), _) => "credential",
                (None, Some(_)) => "file",
                (None, None) => "env",
            };
            found.push(secret_missing(&document, &[path, &[kind]].concat(), &error));
        }
    }
    ca_file(&document, &["target", "ca_file"], tenant.file.target.ca_file.as_deref(), &mut found);
    if let Some(table) = &tenant.file.source.ldap {
        ca_file(&document, &["source", "ldap", "ca_file"], table.ca_file.as_deref(), &mut found);
    }
    if let Some(table) = &tenant.file.source.jumpcloud {
        ca_file(&document, &["source", "jumpcloud", "ca_file"], table.ca_file.as_deref(), &mut found);
    }
    if let Some(table) = &tenant.file.source.onelogin {
        ca_file(&document, &["source", "onelogin", "ca_file"], table.ca_file.as_deref(), &mut found);
    }
    if let Some(table) = &tenant.file.source.file
        && let Err(error) = std::fs::metadata(&table.path)
    {
        let message = format!("{} can't be looked at: {error}", table.path.display());
        let hint = "a relative path is relative to this file; until it is there no run can read the directory";
        found.push(document.warning(&["source", "file", "path"], message, hint));
    }
    found
}

fn secret_missing(document: &Document<'_>, path: &[&str], error: &SecretError) -> Diagnostic {
    let (message, remedy) = (error.what(), error.remedy().unwrap_or_else(|| "put the secret there".to_owned()));
    if error.may_differ_elsewhere() {
        let hint =
            "it may be there for the service, which has another environment; `rosterd doctor` there tells".to_owned();
        return document.warning(path, message, hint);
    }
    document.error(path, message, remedy)
}

fn ca_file(document: &Document<'_>, path: &[&str], file: Option<&Path>, found: &mut Vec<Diagnostic>) {
    let Some(file) = file else { return };
    let message = match std::fs::read(file) {
        Ok(content) if content.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----") => return,
        Ok(_) => format!("{} has no certificate in it", file.display()),
        Err(error) => format!("{} can't be read: {error}", file.display()),
    };
    found.push(document.error(
        path,
        message,
        "name a PEM file with the certificate authorities; a relative path is relative to this file",
    ));
}
