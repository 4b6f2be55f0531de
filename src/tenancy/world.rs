//! Is what a tenant file names there? In: a checked tenant. Out: a diagnostic for each secret or file that can't be used.
//!
//! Looks at this machine only. Kept apart from the file's own mistakes: what is missing now may be there at the next run.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{CHECK_LIMIT, Tenant, neighbours, programs};
use crate::bounded;
use crate::config::ca;
use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;
use crate::config::expiry::{self, Expiry};
use crate::config::global::GlobalFile;
use crate::config::load;
use crate::config::notify::signing_key;
use crate::config::secret::{SecretError, Secrets};
use crate::config::secret_ref::SecretRef;
use crate::files;
use crate::http::{ClientIdentity, IdentityError, RefreshError, RefreshFile, SigningKey};
use crate::model::TenantName;
use crate::source::file;

/// Looks for all that each tenant names. Files that do not answer are a mistake of their tenant, and delay no other.
pub(super) fn look_in_time(tenants: Vec<Tenant>, now: Timestamp) -> Vec<(TenantName, PathBuf, Vec<Diagnostic>)> {
    let named: Vec<_> = tenants.iter().map(|tenant| (tenant.name.clone(), tenant.path.clone())).collect();
    let looks = tenants.into_iter().map(|tenant| {
        let subject = format!("what {} names", tenant.path.display());
        let look: Box<dyn FnOnce() -> _ + Send> = Box::new(move || look(&tenant, &Secrets::of_this_process(), now));
        (subject, look)
    });
    let found = bounded::each(CHECK_LIMIT, looks.collect());
    let found = found.into_iter().zip(named).map(|(found, (name, path))| {
        let found = found.unwrap_or_else(|overdue| vec![super::hangs(&path, &overdue)]);
        (name, path, found)
    });
    found.collect()
}

/// Looks for all that the tenant names.
fn look(tenant: &Tenant, secrets: &Secrets<'_>, now: Timestamp) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    // The text parsed before; this is only for the places in it.
    let document = Document::parse(&tenant.source, &mut found);
    neighbours::check(tenant, &document, &mut found);
    for (path, secret) in tenant.secrets() {
        // A program is not started for this: a check asks nobody else.
        let fetched = secrets.known(secret);
        let expiry = expiry::of(secret, fetched.as_ref().ok().and_then(Option::as_ref).map(|text| text.as_str()));
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
            found.push(secret_missing(&document, &at_its_place(path, secret), &error));
        }
    }
    signing_keys(tenant, &document, secrets, &mut found);
    client_certificates(tenant, &document, secrets, now, &mut found);
    refresh_token(tenant, &document, &mut found);
    let named: Vec<_> = tenant.secrets().map(|(path, secret)| (path.to_vec(), secret)).collect();
    found.extend(programs::unit(&document, &named, Path::new("/")));
    ca_file(&document, &["target", "ca_file"], tenant.file.target.ca_file.as_deref(), &mut found);
    if let Some((key, path)) = tenant.file.source.ca_file() {
        ca_file(&document, key, Some(path), &mut found);
    }
    if let Some(table) = &tenant.file.source.file {
        directory_file(&document, &table.path, &mut found);
    }
    found
}

/// The keys that lead to where a secret is kept.
fn at_its_place(path: &[&'static str], secret: &SecretRef) -> Vec<&'static str> {
    let kind = match (&secret.credential, &secret.file) {
        (Some(_), _) => "credential",
        (None, Some(_)) => "file",
        (None, None) if secret.command.is_some() => "command",
        (None, None) => "env",
    };
    [path, &[kind]].concat()
}

/// Whether the keys that sign assertions can.
fn signing_keys(tenant: &Tenant, document: &Document<'_>, secrets: &Secrets<'_>, found: &mut Vec<Diagnostic>) {
    for ((path, place), algorithm) in tenant.file.target.signing_keys() {
        match secrets.fetch_key(place) {
            Err(error) => found.push(secret_missing(document, &at_its_place(path, place), &error)),
            Ok(pem) => {
                if let Err(error) = SigningKey::from_pem(&pem, algorithm, None) {
                    let hint = "keys and algorithms are in docs/logging-in.md";
                    found.push(document.error(path, error.to_string(), hint));
                }
            }
        }
    }
}

/// Whether the refresh token is there and can be replaced.
fn refresh_token(tenant: &Tenant, document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    const KEY: [&str; 4] = ["target", "oauth2", "refresh_token", "file"];
    let Some(path) = tenant.file.target.refresh_token() else { return };
    match RefreshFile::new(path).check() {
        Ok(()) => {}
        Err(RefreshError::Secret(error)) => found.push(secret_missing(document, &KEY, &error)),
        // Who runs the service may be another user than who types this.
        Err(error) => found.push(document.warning(
            &KEY,
            error.to_string(),
            "a refresh token needs a folder of its own, in which only the service's user may write; docs/logging-in.md",
        )),
    }
}

/// Whether client certificates can be shown, now and in the weeks to come.
fn client_certificates(
    tenant: &Tenant,
    document: &Document<'_>,
    secrets: &Secrets<'_>,
    now: Timestamp,
    found: &mut Vec<Diagnostic>,
) {
    for (path, table) in tenant.client_certificates() {
        let key = [path, &["key"]].concat();
        let certificate = [path, &["cert_file"]].concat();
        let hint = "put a certificate and its private key there, both as PEM";
        match ClientIdentity::read(table, secrets) {
            Err(IdentityError::Secret(error)) => {
                let key: Vec<&'static str> = at_its_place(&key, &table.key);
                found.push(secret_missing(document, &key, &error));
            }
            Err(IdentityError::Setup(error)) => found.push(document.error(&certificate, error.to_string(), hint)),
            Ok(identity) => {
                let expiry = Expiry { secret: path.join("."), at: identity.validity().to };
                match identity.validity().check(&table.cert_file, now) {
                    Err(error) => found.push(document.error(&certificate, error.to_string(), hint)),
                    Ok(()) if expiry.nearness(now).is_some() => found.push(document.warning(
                        &certificate,
                        expiry.words(now),
                        "put a new one there before, with its key; nothing has to be restarted for a file",
                    )),
                    Ok(()) => {}
                }
            }
        }
    }
}

/// Checks that the templates of receivers can be read and that the keys of signatures are long enough. A missing one is reported when a message
/// is sent.
pub(super) fn receivers(config: &Path, file: &GlobalFile, secrets: &Secrets<'_>) -> Vec<Diagnostic> {
    let wrong = file.notify.iter().filter_map(|(name, table)| {
        let hint = "compare it with the shipped ones in docs/notifications.md";
        let key =
            |name| if table.template.is_some() { ["notify", name, "template"] } else { ["notify", name, "format"] };
        match table.template() {
            Err(why) => return Some((key(name.as_str()), why, hint)),
            Ok(Some(_)) => return None,
            Ok(None) => {}
        }
        let secret = secrets.known(&table.secret).ok()??;
        let hint = "make one with `openssl rand -base64 32` and give it to the receiver, too";
        Some((["notify", name.as_str(), "secret"], signing_key(&secret).err()?, hint))
    });
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() {
        return Vec::new();
    }
    let Ok(source) = load::read_text(config) else { return Vec::new() };
    // The text parsed before; this is only for the places in it.
    let document = Document::parse(&source, &mut Vec::new());
    wrong.into_iter().map(|(key, why, hint)| document.error(&key, why, hint)).collect()
}

/// Whether the directory's file, or each file of its folder, is there and is one.
fn directory_file(document: &Document<'_>, path: &Path, found: &mut Vec<Diagnostic>) {
    const KEY: [&str; 3] = ["source", "file", "path"];
    let parts: Vec<PathBuf> = match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => file::CSV_FILES.iter().map(|name| path.join(name)).collect(),
        Ok(_) => vec![path.to_owned()],
        Err(error) => {
            let message = format!("{} can't be looked at: {error}", path.display());
            let hint = "a relative path is relative to this file; until it is there no run can read the directory";
            found.push(document.warning(&KEY, message, hint));
            return;
        }
    };
    for part in parts {
        // Another error may differ for the service, which is another user.
        if let Err(error) = files::open_regular(&part)
            && error.kind() == std::io::ErrorKind::InvalidInput
        {
            let message = format!("{} can't be read: {error}", part.display());
            found.push(document.error(
                &KEY,
                message,
                "put a regular file there; until then no run can read the directory",
            ));
        }
    }
}

fn secret_missing(document: &Document<'_>, path: &[&str], error: &SecretError) -> Diagnostic {
    let (message, remedy) = (error.what(), error.remedy().unwrap_or_else(|| "put the secret there".to_owned()));
    if error.may_differ_elsewhere() {
        let hint = match error.command_with_credentials() {
            Some(command) => format!("the service may have it; to work with it here: `{command}`"),
            None => "it may be there for the service, which has another environment; `rosterd doctor` there shows it"
                .to_owned(),
        };
        return document.warning(path, message, hint);
    }
    document.error(path, message, remedy)
}

fn ca_file(document: &Document<'_>, path: &[&str], file: Option<&Path>, found: &mut Vec<Diagnostic>) {
    let Some(file) = file else { return };
    let message = match ca::read(file) {
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
