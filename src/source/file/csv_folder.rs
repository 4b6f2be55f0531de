//! A folder of CSV files (RFC 4180): `users.csv`, `groups.csv`, `members.csv`. In: the folder. Out: entries in a reading.
//!
//! `users.csv` has a column `id`; `active` and `assigned` are understood; every other column is an attribute, and an empty cell
//! is no value. `groups.csv` has `id`, `name` and may have `assigned`. `members.csv` has `group_id` and `user_id`.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use super::super::{GroupEntry, Reading, SourceError, UserEntry};
use super::deciding::{self, Meant, meant};
use super::strict::{self, Strict};
use super::unchanged;
use crate::bounded;
use crate::files;
use crate::model::{LifecycleStatus, StatusSign};

/// One CSV file with its header.
struct CsvTable {
    path: PathBuf,
    before: Metadata,
    header: Vec<String>,
    rows: csv::Reader<Strict>,
    /// Columns that are another one's name in other letters, with that name.
    aliases: Vec<(usize, &'static str)>,
    /// The last column, if it decides over users.
    last_decides: Option<&'static str>,
}

impl CsvTable {
    /// Opens a file whose header has the `needed` columns; `known` are those that decide over users.
    fn open(
        path: PathBuf,
        delimiter: u8,
        needed: &[&str],
        known: &'static [&'static str],
    ) -> Result<Self, SourceError> {
        let (file, before) = files::open_with_metadata(&path)
            .map_err(|error| SourceError::Settings(format!("no directory file at {}: {error}", path.display())))?;
        let mut rows = ReaderBuilder::new().delimiter(delimiter).from_reader(Strict::new(file, delimiter));
        let written: Vec<String> =
            rows.headers().map_err(|error| fault(&path, &error))?.iter().map(|name| name.trim().to_owned()).collect();
        let header: Vec<String> = written
            .iter()
            .map(|name| match meant(name, known) {
                Meant::Is(column) => column.to_owned(),
                Meant::Nearly(_) | Meant::Attribute => name.clone(),
            })
            .collect();
        for (at, name) in header.iter().enumerate() {
            if header.iter().take(at).any(|earlier| earlier == name) {
                return Err(SourceError::Malformed(format!(
                    "{}:1: the column {name:?} appears twice in the header",
                    path.display()
                )));
            }
        }
        for name in &header {
            match meant(name, known) {
                Meant::Nearly(near) if !header.iter().any(|column| column == near) => {
                    let why = deciding::nearly("column", name, near);
                    return Err(SourceError::Malformed(format!("{}:1: {why}", path.display())));
                }
                _ => {}
            }
        }
        for name in needed {
            if !header.iter().any(|column| column == name) {
                return Err(SourceError::Malformed(format!(
                    "{}:1: the header has no column {name:?}; it has: {}",
                    path.display(),
                    header.join(", ")
                )));
            }
        }
        let has_user_name = header.iter().any(|name| name == USER_NAME);
        let aliases =
            header.iter().enumerate().filter(|(_, name)| !has_user_name && USER_NAME.eq_ignore_ascii_case(name));
        let aliases = aliases.map(|(at, _)| (at, USER_NAME)).collect();
        let last_decides = header.last().and_then(|last| known.iter().copied().find(|column| column == last));
        Ok(Self { path, before, header, rows, aliases, last_decides })
    }

    fn has(&self, column: &str) -> bool {
        self.header.iter().any(|name| name == column)
    }

    fn each(mut self, mut row: impl FnMut(&CsvRow<'_>) -> Result<(), String>) -> Result<u64, SourceError> {
        let mut record = StringRecord::new();
        let mut count = 0;
        while self.rows.read_record(&mut record).map_err(|error| fault(&self.path, &error))? {
            let line = record.position().map_or(0, csv::Position::line);
            row(&CsvRow { header: &self.header, aliases: &self.aliases, cells: &record, line })
                .map_err(|message| SourceError::Malformed(format!("{}:{line}: {message}", self.path.display())))?;
            count += 1;
            bounded::beat();
        }
        if let (Some(column), Some(line)) = (self.last_decides, self.rows.get_ref().ends_behind_delimiter()) {
            return Err(SourceError::Malformed(format!(
                "{}:{line}: the file ends where {column:?} would be, without a line break, so it may have been cut off there; end the file \
                 with a line break",
                self.path.display()
            )));
        }
        let after = self.rows.get_ref().file().metadata().map_err(|error| unreadable(&self.path, &error))?;
        unchanged(&self.path, &self.before, &after)?;
        Ok(count)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> SourceError {
    SourceError::Settings(format!("reading {}: {error}", path.display()))
}

fn fault(path: &Path, error: &csv::Error) -> SourceError {
    let line = error.position().map_or(0, csv::Position::line);
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("this row has {len} cells, the header has {expected_len}")
        }
        csv::ErrorKind::Io(error) if let Some(deviation) = strict::deviation(error) => {
            return SourceError::Malformed(format!("{}:{}: {deviation}", path.display(), deviation.line));
        }
        csv::ErrorKind::Io(error) => return unreadable(path, error),
        csv::ErrorKind::Utf8 { .. } => "this row is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    };
    SourceError::Malformed(format!("{}:{line}: {message}", path.display()))
}

/// One row with what its columns are.
struct CsvRow<'r> {
    header: &'r [String],
    aliases: &'r [(usize, &'static str)],
    cells: &'r StringRecord,
    /// Its line in the file.
    line: u64,
}

impl<'r> CsvRow<'r> {
    /// The text in a column; an empty one is none.
    fn cell(&self, name: &str) -> Option<&'r str> {
        let at = self.header.iter().position(|column| column == name)?;
        self.cells.get(at).filter(|text| !text.is_empty())
    }

    /// An id: blanks at its ends are not part of it.
    fn id(&self, name: &str) -> Option<&'r str> {
        self.cell(name).map(str::trim).filter(|id| !id.is_empty())
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, String> {
        match self.cell(name).map(|text| text.trim().to_ascii_lowercase()).as_deref() {
            None => Ok(default),
            Some("true" | "yes" | "1") => Ok(true),
            Some("false" | "no" | "0") => Ok(false),
            Some(other) => Err(format!("{name} is {other:?}; it must be true or false")),
        }
    }

    /// Everything that has a value, as the record of `id`.
    fn record(&self, id: &str) -> String {
        let named = self.header.iter().map(String::as_str).zip(self.cells);
        let aliases = self.aliases.iter().filter_map(|(at, name)| Some((*name, self.cells.get(*at)?)));
        let filled = named.chain(aliases).filter(|(_, text)| !text.is_empty());
        let mut record: Map<String, Value> = filled.map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
        record.insert(ID.to_owned(), id.into());
        Value::Object(record).to_string()
    }
}

const ID: &str = "id";

/// What mappings call a login, however the header writes it.
const USER_NAME: &str = "userName";

/// The column that says whether a user is suspended.
const ACTIVE: StatusSign = StatusSign::of("active");

/// So many unknown members are told with their lines.
const PLACES: u64 = 20;

pub(super) fn read(folder: &Path, delimiter: u8, reading: &mut Reading) -> Result<(), SourceError> {
    let open = |name: &str, needed: &[&str], known: &'static [&'static str]| {
        CsvTable::open(folder.join(name), delimiter, needed, known)
    };
    let users = reading.open_list("users");
    let table = open("users.csv", &[ID], &deciding::OF_USERS)?;
    if table.has(ACTIVE.as_str()) {
        reading.saw_sign(&ACTIVE);
    }
    let count = table.each(|row| user(reading, row))?;
    reading.received(users, count);
    reading.close_list(users, None);

    let groups = reading.open_list("groups");
    let count = open("groups.csv", &[ID, "name"], &deciding::GROUP_COLUMNS)?.each(|row| group(reading, row))?;
    reading.received(groups, count);
    reading.close_list(groups, None);

    let members = reading.open_list("memberships");
    let mut told = 0;
    let count = open("members.csv", &deciding::OF_MEMBERS, &deciding::OF_MEMBERS)?.each(|row| {
        let id = row.id("group_id").ok_or("group_id is empty")?;
        let user = row.id("user_id").ok_or("user_id is empty")?;
        let group = reading.find_group(id).ok_or_else(|| format!("there is no group {id:?} in groups.csv"))?;
        if reading.members(group, &[user]) > 0 && told < PLACES {
            told += 1;
            reading.written_at(group, user, format!("members.csv:{}", row.line));
        }
        Ok(())
    })?;
    reading.received(members, count);
    reading.close_list(members, None);
    Ok(())
}

fn user(reading: &mut Reading, row: &CsvRow<'_>) -> Result<(), String> {
    let id = row.id(ID).ok_or("the id is empty")?;
    let standing = if row.flag(ACTIVE.as_str(), true)? { LifecycleStatus::Active } else { LifecycleStatus::Suspended };
    let direct = row.flag("assigned", false)?;
    let record = row.record(id);
    let entry = UserEntry { id, record: &record, standing, direct };
    reading.new_user(entry).map(drop).ok_or_else(|| format!("the id {id:?} appears twice in this file"))
}

fn group(reading: &mut Reading, row: &CsvRow<'_>) -> Result<(), String> {
    let id = row.id(ID).ok_or("the id is empty")?;
    if reading.find_group(id).is_some() {
        return Err(format!("the id {id:?} appears twice in this file"));
    }
    // One group without a name stops nobody else: it keeps whom it had.
    let name = row.cell("name").unwrap_or_default();
    let record = row.record(id);
    let assigned = row.flag("assigned", true)?;
    reading.group(GroupEntry { id, name, record: &record, assigned });
    Ok(())
}
