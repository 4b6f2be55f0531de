//! From a text to a value. In: a file's text. Out: the value, or every mistake of the file at once.
//!
//! Three layers, each reporting all it finds: syntax, then shape (against the schema of our own types), then what keys mean
//! beside one another. Only a text in which none found an error is read into a type.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::check;
use super::diagnostic::Diagnostic;
use super::document::{Document, SourceText};
use super::excerpt::{self, InvokingUser};
use super::global::GlobalFile;
use super::profile::Profile;
use super::schema::{self, SchemaKind};
use super::shape;
use super::tenant::TenantFile;
use crate::files;
use crate::files::trust::FileTrust;

/// The most a file may have, in bytes. A tenant file of this size would take a day to read.
const LARGEST: u64 = 1 << 20;

/// Reads a file of the operator's.
///
/// # Errors
/// When it is missing, not a regular file, too large or not UTF-8, another user could have changed it, or it is somebody else's and no
/// file of rosterd's.
pub fn read_text(path: &Path) -> Result<SourceText, Box<Diagnostic>> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => {
            let hint = "people and groups are no part of it; they are read from the directory";
            Box::new(Diagnostic::of_file(path, error.to_string(), hint))
        }
        std::io::ErrorKind::InvalidInput => {
            let hint = "put a regular file there; it was not opened any further";
            Box::new(Diagnostic::of_file(path, error.to_string(), hint))
        }
        _ => Box::new(Diagnostic::of_file(path, format!("it can't be read: {error}"), "check who may read it")),
    };
    let trusted =
        FileTrust::of_this_process().look(path).map_err(|error| Box::new(Diagnostic::distrusted(path, &error)))?;
    let bytes = files::read(&trusted.path, LARGEST).map_err(failed)?;
    match String::from_utf8(bytes) {
        Ok(text) => {
            excerpt::may_be_shown(path, &text, trusted.metadata.uid(), InvokingUser::of_this_process())?;
            Ok(SourceText::new(path, text))
        }
        Err(error) => {
            let bytes = error.as_bytes();
            let line = bytes.iter().take(error.utf8_error().valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
            let message = format!("line {line} is not UTF-8");
            Err(Box::new(Diagnostic::of_file(path, message, "save the file as UTF-8")))
        }
    }
}

/// Checks a tenant file by itself. The value is there if no error was found.
pub fn tenant(document: &Document<'_>, found: &mut Vec<Diagnostic>) -> Option<TenantFile> {
    value(document, SchemaKind::Tenant, &check::OF_A_TENANT, found)
}

/// Checks `rosterd.toml`.
pub fn global(document: &Document<'_>, found: &mut Vec<Diagnostic>) -> Option<GlobalFile> {
    value(document, SchemaKind::Config, &check::OF_THE_GLOBAL_FILE, found)
}

/// Checks a profile file by itself.
pub fn profile(document: &Document<'_>, found: &mut Vec<Diagnostic>) -> Option<Profile> {
    value(document, SchemaKind::Profile, &check::OF_A_PROFILE, found)
}

fn value<T: DeserializeOwned>(
    document: &Document<'_>,
    kind: SchemaKind,
    checks: &[fn(&Document<'_>, &mut Vec<Diagnostic>)],
    found: &mut Vec<Diagnostic>,
) -> Option<T> {
    shape::check(document, schema::of(kind), found);
    for check in checks {
        check(document, found);
    }
    if found.iter().any(|one| one.is_error() && one.file == document.source().file()) {
        return None;
    }
    document.deserialize().map_err(|error| found.push(*error)).ok()
}

/// Brings diagnostics into reading order.
pub fn sort(found: &mut [Diagnostic]) {
    found.sort_by(|a, b| a.order().cmp(&b.order()));
}
