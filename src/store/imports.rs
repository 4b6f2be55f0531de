//! An import of users into the directory, as the disk knows it. In: the order, an intent before each create, the result after it. Out: how
//! far the import is, for whoever asks, and what a next process needs to go on with it without creating a user twice.
//!
//! `<tenant>/imports/` has `lock` (one import of a tenant at a time), `order.json` (as long as the import has not ended), `log` (its intents
//! and results), `current.json` (how far it is, or how it ended) and the reports. All of it is for the owner only.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::backend::Before;
use super::error::StoreError;
use super::handle::{ImportLease, TenantStore};
use super::import_log::{ImportResult, LOG, Making, forget_in_log};
use super::notes::Notes;
use crate::model::SourceId;

/// So many reports are kept; the oldest go.
const REPORTS: usize = 20;

const ORDER: &str = "order";
const CURRENT: &str = "current";
/// Reports are `import-<time>.json`.
const REPORT: &str = "import-";

/// Which accounts of the app to create in the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ImportChoice {
    /// All that are new and active.
    All {
        /// Only those with this text in one of their names.
        search: Option<String>,
    },
    /// These: user names, e-mail addresses or app ids.
    Named(Vec<String>),
}

/// An import that the daemon was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportOrder {
    /// Its id.
    pub id: String,
    /// When it was asked for.
    pub at: Timestamp,
    /// Which account asked, in words.
    pub by: String,
    /// Which accounts of the app.
    pub choice: ImportChoice,
    /// What the tenant file said then; with another one it does not go on.
    pub file: u64,
}

/// Where an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    /// Directory and app are being read.
    #[default]
    Reading,
    /// Users are being created.
    Creating,
    /// The daemon stopped; the next one goes on.
    Interrupted,
    /// All chosen users were tried.
    Finished,
    /// It ended before that.
    Stopped,
}

/// What an import waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportWait {
    /// The end of a run of the same tenant.
    Run,
    /// The end of a pause.
    Pause,
    /// A directory or an app that does not answer, or asks to slow down.
    Answer,
    /// Imports of other tenants.
    OtherImports,
    /// Another import of the same tenant.
    OtherImport,
}

/// Why an import ended before all chosen users were tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportEnd {
    /// A credential is missing or refused.
    Credential,
    /// The credential may not do this.
    Forbidden,
    /// The directory does not answer, or not usably.
    Directory,
    /// The app does not answer, or not usably.
    App,
    /// rosterd does not write to this directory.
    NotWritable,
    /// A credential would go to a new address, which has to be approved first.
    Addresses,
    /// A name that was given is no account, or several, or in conflict.
    Choice,
    /// The tenant file was edited meanwhile.
    FileEdited,
    /// The tenant file was removed meanwhile.
    FileRemoved,
    /// The tenant was retired meanwhile.
    Retired,
    /// The state folder can't be written.
    Disk,
    /// The tenant can't be prepared.
    Settings,
    /// An operator ended it.
    Operator,
}

/// How far an import is, or how the last one ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImportNote {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub state: ImportState,
    /// What it waits for, if it does.
    pub waits_for: Option<ImportWait>,
    /// When it was asked for.
    pub ordered_at: Timestamp,
    /// By which account.
    pub ordered_by: String,
    /// When the first user was tried.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How many users were chosen, once that is known.
    pub total: Option<u64>,
    /// How many have a result.
    pub done: u64,
    /// How many were created.
    pub created: u64,
    /// How many were there already.
    pub found: u64,
    /// How many were refused, or failed otherwise.
    pub failed: u64,
    /// How many were not tried, once it has ended.
    #[serde(default)]
    pub not_tried: u64,
    /// Users a minute, since this process works on it.
    pub per_minute: Option<f64>,
    /// How long the rest takes at that rate.
    pub seconds_left: Option<u64>,
    /// How many daemons went on with it after an interruption.
    #[serde(default)]
    pub resumed: u32,
    /// Why it ended early.
    pub reason: Option<ImportEnd>,
    /// The same, in full.
    pub error: Option<String>,
    /// The report.
    pub report: Option<PathBuf>,
    /// Why there is no report.
    pub report_error: Option<String>,
    /// Whether the notification of its end is on its way.
    #[serde(default)]
    pub announced: bool,
}

impl ImportNote {
    /// An import that was just asked for.
    pub fn of(order: &ImportOrder) -> Self {
        Self { id: order.id.clone(), ordered_at: order.at, ordered_by: order.by.clone(), ..Self::default() }
    }

    /// Whether it has come to its end.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, ImportState::Finished | ImportState::Stopped)
    }

    /// Counts a result.
    pub fn count(&mut self, result: ImportResult) {
        let of_kind = match result {
            ImportResult::Created => &mut self.created,
            ImportResult::Found => &mut self.found,
            ImportResult::Failed => &mut self.failed,
            ImportResult::NotTried => {
                self.not_tried += 1;
                return;
            }
        };
        *of_kind += 1;
        self.done += 1;
    }
}

impl TenantStore {
    /// How far the tenant's import is, or how the last one ended; `None` if there was none in the background.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn import_note(&self) -> Result<Option<ImportNote>, StoreError> {
        self.imports().get(CURRENT)
    }

    /// Writes how far an import is.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn set_import_note(&self, note: &ImportNote) -> Result<(), StoreError> {
        self.imports().set(CURRENT, note)
    }

    /// Changes how far an import is said to be; `None` leaves it as it is. The closure may be run again.
    ///
    /// # Errors
    /// When it can't be read or written.
    pub fn amend_import_note(
        &self,
        change: impl Fn(Option<ImportNote>) -> Option<ImportNote>,
    ) -> Result<(), StoreError> {
        self.imports().amend(CURRENT, change)
    }

    /// The import that has not ended.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn import_order(&self) -> Result<Option<ImportOrder>, StoreError> {
        self.imports().get(ORDER)
    }

    /// Ends an import: no later process goes on with it.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn end_import(&self) -> Result<(), StoreError> {
        self.imports().remove(ORDER)
    }

    /// Removes the log of an import that has ended and whose report is written.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn drop_import_log(&self) -> Result<(), StoreError> {
        self.imports().swap(LOG, Before::Anything, None).map(drop)
    }

    /// Writes the report of an import and removes the oldest ones. Returns where it is.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn report_import(&self, note: &ImportNote, results: &[Making]) -> Result<PathBuf, StoreError> {
        let imports = self.imports();
        let at = note.ended.unwrap_or(note.ordered_at).strftime("%Y%m%dT%H%M%SZ");
        let id = note.id.get(note.id.len().saturating_sub(4)..).unwrap_or_default();
        let file = format!("{REPORT}{at}-{id}.json");
        let mut document = serde_json::to_value(note).map_err(|error| imports.unwritable(&file, error))?;
        if let Some(fields) = document.as_object_mut() {
            for own in ["waits_for", "per_minute", "seconds_left", "report", "report_error", "announced"] {
                fields.remove(own);
            }
            fields.insert("tenant".to_owned(), json!(self.name));
            fields.insert("results".to_owned(), json!(results));
        }
        let text = serde_json::to_vec_pretty(&document).map_err(|error| imports.unwritable(&file, error))?;
        crate::fail::point("import.report").map_err(|error| imports.unwritable(&file, error))?;
        imports.swap(&file, Before::Anything, Some(&text))?;
        for old in reports(&imports)?.iter().rev().skip(REPORTS) {
            imports.remove(old)?;
        }
        Ok(imports.place(&file).into())
    }

    /// Where the reports of imports are, for people.
    pub fn import_reports(&self) -> PathBuf {
        self.imports().place("").into()
    }

    /// Takes users out of reports and of the log of an import that was interrupted.
    pub(super) fn forget_imports(&self, imports: &ImportLease, users: &[SourceId]) -> Result<(), StoreError> {
        let leased = &imports.0;
        let is_theirs = |making: &Value| users.iter().any(|user| making["id"].as_str() == Some(user.as_str()));
        for name in reports(leased)? {
            let Some(mut document) = leased.get::<Value>(&name)? else { continue };
            let Some(results) = document["results"].as_array_mut() else { continue };
            let before = results.len();
            results.retain(|making| !is_theirs(making));
            if results.len() != before {
                leased.put_pretty(&format!("{name}.json"), &document)?;
            }
        }
        forget_in_log(leased, users)
    }
}

impl ImportLease {
    /// Begins an import: what an earlier one left goes, but for its report.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn begin(&self, order: &ImportOrder) -> Result<(), StoreError> {
        self.0.put_file(LOG, None)?;
        self.0.set(CURRENT, &ImportNote::of(order))?;
        self.0.put(ORDER, order)
    }
}

/// The reports, oldest first.
fn reports(imports: &Notes) -> Result<Vec<String>, StoreError> {
    let mut names = imports.names("")?;
    names.retain(|name| name.starts_with(REPORT));
    Ok(names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::import_log::{ImportLog, ImportPast};
    use super::*;
    use crate::model::AppId;
    use crate::store::Stores;

    fn state(dir: &tempfile::TempDir) -> TenantStore {
        Stores::on_disk(dir.path()).tenant(&crate::model::TenantName::parse("acme").unwrap())
    }

    fn making(account: &str, result: ImportResult) -> Making {
        let id = (result == ImportResult::Created).then(|| SourceId::from(format!("d-{account}").as_str()));
        Making { result, app_id: AppId::from(account), user_name: account.to_owned(), id, detail: String::new() }
    }

    fn order() -> ImportOrder {
        let choice = ImportChoice::All { search: None };
        ImportOrder { id: "01abcd".to_owned(), at: Timestamp::UNIX_EPOCH, by: "ann".to_owned(), choice, file: 7 }
    }

    #[test]
    fn j16_a_log_that_was_cut_gives_back_every_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let imports = state(&dir).lease_imports("test").unwrap();
        imports.begin(&order()).unwrap();
        let chosen = [(AppId::from("a"), "a".to_owned()), (AppId::from("b"), "b".to_owned())];
        let (mut log, past) = ImportLog::open(&imports).unwrap();
        assert_eq!(past, ImportPast::default());
        log.chosen(&chosen).unwrap();
        log.intent(&AppId::from("a")).unwrap();
        log.made(&making("a", ImportResult::Created)).unwrap();
        log.intent(&AppId::from("b")).unwrap();
        let path = dir.path().join("acme/imports").join(LOG);
        let whole = std::fs::read(&path).unwrap();
        // At every byte: what is whole counts, and what comes after it begins a line of its own.
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut log, past) = ImportLog::open(&imports).unwrap();
            let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(past.chosen.is_some(), lines >= 1, "{cut}");
            assert_eq!(past.made.len(), usize::from(lines >= 3), "{cut}");
            assert_eq!(past.open.contains("a"), lines == 2, "{cut}");
            assert_eq!(past.open.contains("b"), lines == 4, "{cut}");
            log.made(&making("b", ImportResult::Found)).unwrap();
            assert_eq!(
                ImportLog::open(&imports).unwrap().1.made[&AppId::from("b")].result,
                ImportResult::Found,
                "{cut}"
            );
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn j16_on_a_full_disk_no_create_is_put_on_record_and_the_log_stays_whole() {
        let dir = tempfile::tempdir().unwrap();
        let imports = state(&dir).lease_imports("test").unwrap();
        imports.begin(&order()).unwrap();
        let (mut log, _) = ImportLog::open(&imports).unwrap();
        log.intent(&AppId::from("a")).unwrap();
        crate::fail::power::fill(true);
        assert!(log.intent(&AppId::from("b")).is_err());
        let note = ImportNote { state: ImportState::Stopped, ..ImportNote::of(&order()) };
        assert!(state(&dir).report_import(&note, &[]).is_err());
        crate::fail::power::fill(false);
        log.made(&making("a", ImportResult::Created)).unwrap();
        let past = ImportLog::open(&imports).unwrap().1;
        assert_eq!((past.open.len(), past.made.len()), (0, 1));
    }

    #[test]
    fn j16_reports_are_private_few_and_forget_users() {
        let dir = tempfile::tempdir().unwrap();
        let imports = state(&dir).lease_imports("test").unwrap();
        for at in 0..i64::try_from(REPORTS).unwrap() + 3 {
            let ended = Timestamp::from_second(1_800_000_000 + at).unwrap();
            let note = ImportNote { ended: Some(ended), state: ImportState::Finished, ..ImportNote::of(&order()) };
            let results = [making("a", ImportResult::Created), making("b", ImportResult::Created)];
            let path = state(&dir).report_import(&note, &results).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let all = reports(&imports.0).unwrap();
        assert_eq!(all.len(), REPORTS);
        let (mut log, _) = ImportLog::open(&imports).unwrap();
        log.chosen(&[(AppId::from("a"), "a".to_owned()), (AppId::from("b"), "b".to_owned())]).unwrap();
        log.made(&making("a", ImportResult::Created)).unwrap();
        state(&dir).forget_imports(&imports, &[SourceId::from("d-a")]).unwrap();
        for name in &all {
            let text = std::fs::read_to_string(dir.path().join(format!("acme/imports/{name}.json"))).unwrap();
            assert!(!text.contains("d-a") && text.contains("d-b"), "{text}");
        }
        let past = ImportLog::open(&imports).unwrap().1;
        assert_eq!((past.chosen.unwrap().len(), past.made.len()), (1, 0));
    }
}
