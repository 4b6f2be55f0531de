//! `[source.file]`: a JSON document or a folder of CSV files. In: a path. Out: people and groups in a reading.
//!
//! The reader of the shape in `docs/sources.md`. A file can be asked too: whoever is not in a complete, well-formed one is
//! gone. A file that changes while it is read, is cut short or holds one malformed entry is refused as a whole.

mod csv_folder;
mod deciding;
mod entries;
mod json;
mod kind;
mod mark;
mod plain;
mod sample;
mod strict;
mod window;
mod write;

pub use sample::{Sample, sample};

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use super::{Presence, Reading, Source, SourceError};
use crate::bounded;
use crate::files;
use crate::model::{ContentMark, Finding, LifecycleStatus, SourceId};
use crate::progress::Progress;

/// The kind of directory, for the list.
pub(crate) const KIND: &dyn super::kind::DirectoryKind = &kind::File;

/// The files of a folder.
pub const CSV_FILES: [&str; 3] = ["users.csv", "groups.csv", "members.csv"];

/// A file of which nothing could be read for so long hangs.
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// A directory that is a file.
#[derive(Debug, Clone)]
pub struct FileSource {
    path: PathBuf,
    delimiter: u8,
}

impl FileSource {
    /// A document or a folder at `path`; `delimiter` separates the columns of CSV files.
    pub fn new(path: PathBuf, delimiter: u8) -> Self {
        Self { path, delimiter }
    }

    fn read_now(&self, reading: &mut Reading) -> Result<(), SourceError> {
        if self.path.is_dir() {
            csv_folder::read(&self.path, self.delimiter, reading)
        } else {
            json::read(&self.path, reading)
        }
    }

    /// Works on a thread where that may take its time: other tenants' calls must not wait for a large file, or for one that hangs.
    async fn aside<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> Result<T, SourceError> {
        let (source, subject) = (self.clone(), self.path.display().to_string());
        let done = bounded::run(&subject, STALL_LIMIT, move || work(&source)).await;
        done.map_err(|overdue| SourceError::Unreachable(overdue.to_string()))
    }

    async fn read_aside(&self, mut reading: Reading) -> Result<Reading, SourceError> {
        self.aside(move |source| source.read_now(&mut reading).map(|()| reading)).await?
    }

    async fn ask<T>(&self, ids: &[SourceId], find: impl Fn(&Reading, &str) -> T) -> Result<Vec<T>, SourceError> {
        let reading = self.read_aside(Reading::new()).await?;
        Ok(ids.iter().map(|id| find(&reading, id.as_str())).collect())
    }
}

#[async_trait]
impl Source for FileSource {
    fn describe(&self) -> String {
        format!("file {}", self.path.display())
    }

    async fn read(&self, reading: &mut Reading, progress: &dyn Progress) -> Result<(), SourceError> {
        progress.stage("reading the directory file", None);
        *reading = self.read_aside(std::mem::take(reading)).await?;
        Ok(())
    }

    async fn still(&self, mark: &ContentMark) -> Option<ContentMark> {
        let mark = mark.clone();
        let now = self.aside(move |source| source.path.is_file().then(|| json::still(&source.path, &mark)).flatten());
        now.await.ok().flatten()
    }

    async fn ask_users(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
        self.ask(ids, |reading, id| match reading.find_user(id).map(|user| reading.standing(user)) {
            None => Presence::Gone,
            Some(LifecycleStatus::Suspended) => Presence::Suspended,
            Some(_) => Presence::Present,
        })
        .await
    }

    async fn ask_groups(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
        self.ask(ids, |reading, id| if reading.find_group(id).is_some() { Presence::Present } else { Presence::Gone })
            .await
    }

    async fn examine(&self) -> Vec<Finding> {
        let remedy = "check whether a network share hangs, or fix source.file.path";
        let found = self.aside(|source| examine(&source.path)).await;
        found.unwrap_or_else(|error| vec![Finding::wrong(CHECK, error.to_string(), remedy)])
    }

    fn new_people(&self) -> Option<&dyn super::write::NewPeople> {
        Some(self)
    }
}

/// What a finding about the file is called.
const CHECK: &str = "directory file";

/// Whether the file is there and nobody else may write it; what is in it is for the reading to say.
fn examine(path: &Path) -> Vec<Finding> {
    let files = match path.is_dir() {
        true => CSV_FILES.iter().map(|name| path.join(name)).collect(),
        false => vec![path.to_owned()],
    };
    let mut found = Vec::new();
    for file in &files {
        match files::open_with_metadata(file).map(|(_, about)| about) {
            Ok(about) if about.permissions().mode() & 0o002 != 0 => found.push(Finding::warning(
                CHECK,
                format!("every user of this machine may change {}", file.display()),
                format!("chmod o-w {}: who writes it decides who has access", file.display()),
            )),
            Ok(_) => {}
            Err(error) => found.push(Finding::wrong(
                CHECK,
                format!("{} can't be read: {error}", file.display()),
                "fix source.file.path, or the file's permissions",
            )),
        }
    }
    if found.is_empty() {
        found.push(Finding::ok(CHECK, format!("{} can be read", path.display())));
    }
    found
}

/// Makes sure that nobody wrote into an open file while it was read. Another one may have taken its name meanwhile.
fn unchanged(path: &Path, before: &Metadata, after: &Metadata) -> Result<(), SourceError> {
    let same_time = match (before.modified(), after.modified()) {
        (Ok(before), Ok(after)) => before == after,
        _ => true,
    };
    if same_time && before.len() == after.len() {
        return Ok(());
    }
    Err(SourceError::Malformed(format!(
        "{} changed while it was read; write a new file beside it and rename it into place",
        path.display()
    )))
}

#[cfg(test)]
mod tests;
