//! The log of an import: an intent before each create, the result after it, so that a next process creates no user twice. In: what is about to
//! be sent, and what became of it. Out: what earlier processes did.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk;
use super::error::StoreError;
use super::imports::{Making, imports_folder};
use crate::files::{self, modes, replace::replace};
use crate::model::{AppId, SourceId};

/// Its name in the folder of a tenant's imports.
pub(super) const LOG: &str = "log";

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The accounts, with their user names.
    Chosen(Vec<(AppId, String)>),
    /// A create is about to be sent.
    Intent(AppId),
    /// What became of a user.
    Made(Making),
}

impl Line {
    fn write(&self, out: &mut Vec<u8>) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.push(b'\n');
        Ok(())
    }
}

/// The whole lines of a log, and how many bytes they are. What a crash left behind the last of them does not count.
fn lines_of(path: &Path) -> io::Result<(Vec<Line>, u64)> {
    let bytes = files::read_whole(path)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = bytes.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.map(serde_json::from_slice).collect::<Result<_, _>>()?;
    Ok((lines, whole as u64))
}

/// What earlier processes did of an import.
#[derive(Debug, Default, PartialEq)]
pub struct ImportPast {
    /// Whom it is about: accounts and their user names.
    pub chosen: Option<Vec<(AppId, String)>>,
    /// Accounts whose create was about to be sent, and that have no result.
    pub open: BTreeSet<AppId>,
    /// The results.
    pub made: BTreeMap<AppId, Making>,
}

/// The log of an import: an intent is on the disk before its create is sent.
#[derive(Debug)]
pub struct ImportLog {
    file: File,
    path: PathBuf,
    /// How many bytes are whole lines.
    whole: u64,
}

impl ImportLog {
    /// Opens the log, or makes it. The caller holds [`super::lock_imports`].
    ///
    /// # Errors
    /// When it can't be read or written.
    pub fn open(folder: &Path) -> Result<(Self, ImportPast), StoreError> {
        let path = imports_folder(folder).join(LOG);
        let failed = |source| StoreError::io("open", &path, source);
        let (lines, whole) = match lines_of(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Vec::new(), 0),
            found => found.map_err(failed)?,
        };
        let mut past = ImportPast::default();
        for line in lines {
            match line {
                Line::Chosen(all) => past.chosen = Some(all),
                Line::Intent(account) => drop(past.open.insert(account)),
                Line::Made(making) => {
                    past.open.remove(&making.app_id);
                    past.made.insert(making.app_id.clone(), making);
                }
            }
        }
        let file = disk::private().create(true).append(true).open(&path).map_err(failed)?;
        file.set_len(whole).map_err(failed)?;
        Ok((Self { file, path, whole }, past))
    }

    /// Keeps whom the import is about.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn chosen(&mut self, accounts: &[(AppId, String)]) -> Result<(), StoreError> {
        self.append(&Line::Chosen(accounts.to_vec()))
    }

    /// Keeps that a create is about to be sent. It is on the disk when this returns.
    ///
    /// # Errors
    /// When it could not be written; nothing may be sent then.
    pub fn intent(&mut self, account: &AppId) -> Result<(), StoreError> {
        self.append(&Line::Intent(account.clone()))
    }

    /// Keeps what became of a user.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn made(&mut self, making: &Making) -> Result<(), StoreError> {
        self.append(&Line::Made(making.clone()))
    }

    fn append(&mut self, line: &Line) -> Result<(), StoreError> {
        let mut text = Vec::new();
        let written = line
            .write(&mut text)
            .and_then(|()| crate::fail::point("import.log"))
            .and_then(|()| self.file.write_all(&text))
            .and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.whole += text.len() as u64;
                Ok(())
            }
            Err(source) => {
                // The next line must not be joined to what there is of this one.
                let source = match self.file.set_len(self.whole) {
                    Ok(()) => source,
                    Err(cut) => io::Error::new(cut.kind(), format!("{source}; then {cut}")),
                };
                Err(StoreError::io("write", &self.path, source))
            }
        }
    }
}

/// Takes users out of the log of an import that was interrupted.
pub(super) fn forget_in_log(imports: &Path, users: &[SourceId]) -> Result<(), StoreError> {
    let path = imports.join(LOG);
    let failed = |source| StoreError::io("rewrite", &path, source);
    let (lines, _) = match lines_of(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let theirs: BTreeSet<AppId> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Made(making) if making.id.as_ref().is_some_and(|id| users.contains(id)) => {
                Some(making.app_id.clone())
            }
            _ => None,
        })
        .collect();
    if theirs.is_empty() {
        return Ok(());
    }
    let mut text = Vec::new();
    for line in lines {
        let kept = match line {
            Line::Chosen(mut all) => {
                all.retain(|(account, _)| !theirs.contains(account));
                Some(Line::Chosen(all))
            }
            Line::Intent(account) => (!theirs.contains(&account)).then_some(Line::Intent(account)),
            Line::Made(making) => (!theirs.contains(&making.app_id)).then_some(Line::Made(making)),
        };
        if let Some(line) = kept {
            line.write(&mut text).map_err(failed)?;
        }
    }
    replace(&path, modes::PRIVATE, &text).map_err(failed)
}
