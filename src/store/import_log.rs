//! The log of an import: an intent before each create, the result after it, so that a next process creates no user twice. In: what is about to
//! be sent, and what became of it. Out: what earlier processes did.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::backend::Lines;
use super::error::StoreError;
use super::handle::ImportLease;
use super::notes::Leased;
use crate::model::{AppId, SourceId};

/// Its name in the folder of a tenant's imports.
pub(super) const LOG: &str = "log";

/// What became of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportResult {
    /// Created in the directory.
    Created,
    /// Was there already.
    Found,
    /// Was not created.
    Failed,
    /// The import ended before.
    NotTried,
}

/// One user of an import and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Making {
    /// What became of them.
    pub result: ImportResult,
    /// The app's id.
    pub app_id: AppId,
    /// The sign-in name in the app.
    pub user_name: String,
    /// The directory's id.
    pub id: Option<SourceId>,
    /// Why not, or what there is to know.
    pub detail: String,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ImportLogLine {
    /// The accounts, with their user names.
    Chosen(Vec<(AppId, String)>),
    /// A create is about to be sent.
    Intent(AppId),
    /// What became of a user.
    Made(Making),
}

impl ImportLogLine {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        serde_json::to_writer(&mut *out, self).map_err(|error| StoreError::Refused(error.to_string()))?;
        out.push(b'\n');
        Ok(())
    }
}

/// The whole lines of a log, and how many bytes they are. What a crash left behind the last of them does not count.
fn lines_of(imports: &Leased) -> Result<(Vec<ImportLogLine>, u64), StoreError> {
    let bytes = imports.read(LOG)?.unwrap_or_default();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = bytes.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let failed = |error: serde_json::Error| imports.unreadable(LOG, error);
    Ok((lines.map(serde_json::from_slice).collect::<Result<_, _>>().map_err(failed)?, whole as u64))
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
pub struct ImportLog(Box<dyn Lines>);

impl ImportLog {
    /// Opens the log, or makes it.
    ///
    /// # Errors
    /// When it can't be read or written.
    pub fn open(imports: &ImportLease) -> Result<(Self, ImportPast), StoreError> {
        let imports = &imports.0;
        let (lines, whole) = lines_of(imports)?;
        let mut past = ImportPast::default();
        for line in lines {
            match line {
                ImportLogLine::Chosen(all) => past.chosen = Some(all),
                ImportLogLine::Intent(account) => drop(past.open.insert(account)),
                ImportLogLine::Made(making) => {
                    past.open.remove(&making.app_id);
                    past.made.insert(making.app_id.clone(), making);
                }
            }
        }
        Ok((Self(imports.documents().lines(&imports.lease, LOG, whole)?), past))
    }

    /// Keeps whom the import is about.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn chosen(&mut self, accounts: &[(AppId, String)]) -> Result<(), StoreError> {
        self.append(&ImportLogLine::Chosen(accounts.to_vec()))
    }

    /// Keeps that a create is about to be sent. It is on the disk when this returns.
    ///
    /// # Errors
    /// When it could not be written; nothing may be sent then.
    pub fn intent(&mut self, account: &AppId) -> Result<(), StoreError> {
        self.append(&ImportLogLine::Intent(account.clone()))
    }

    /// Keeps what became of a user.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn made(&mut self, making: &Making) -> Result<(), StoreError> {
        self.append(&ImportLogLine::Made(making.clone()))
    }

    fn append(&mut self, line: &ImportLogLine) -> Result<(), StoreError> {
        let mut text = Vec::new();
        line.write(&mut text)?;
        self.0.append(&text)
    }
}

/// Takes users out of the log of an import that was interrupted.
pub(super) fn forget_in_log(imports: &Leased, users: &[SourceId]) -> Result<(), StoreError> {
    let (lines, _) = lines_of(imports)?;
    let theirs: BTreeSet<AppId> = lines
        .iter()
        .filter_map(|line| match line {
            ImportLogLine::Made(making) if making.id.as_ref().is_some_and(|id| users.contains(id)) => {
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
            ImportLogLine::Chosen(mut all) => {
                all.retain(|(account, _)| !theirs.contains(account));
                Some(ImportLogLine::Chosen(all))
            }
            ImportLogLine::Intent(account) => (!theirs.contains(&account)).then_some(ImportLogLine::Intent(account)),
            ImportLogLine::Made(making) => (!theirs.contains(&making.app_id)).then_some(ImportLogLine::Made(making)),
        };
        if let Some(line) = kept {
            line.write(&mut text)?;
        }
    }
    imports.put_file(LOG, Some(&text))
}
