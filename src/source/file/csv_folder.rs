//! A folder of CSV files (RFC 4180): `users.csv`, `groups.csv`, `members.csv`. In: the folder. Out: entries in a reading.
//!
//! `users.csv` has a column `id`; `active` and `assigned` are understood; every other column is an attribute, and an empty cell
//! is no value. `groups.csv` has `id`, `name` and may have `assigned`. `members.csv` has `group_id` and `user_id`.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use super::super::{GroupEntry, Reading, SourceError, UserEntry};
use super::unchanged;
use crate::bounded;
use crate::files;
use crate::model::Standing;

/// One CSV file with its header.
struct Table {
    path: PathBuf,
    before: Metadata,
    header: Vec<String>,
    rows: csv::Reader<File>,
}

impl Table {
    fn open(path: PathBuf, delimiter: u8, needed: &[&str]) -> Result<Self, SourceError> {
        let (file, before) = files::open_with_metadata(&path)
            .map_err(|error| SourceError::Settings(format!("no directory file at {}: {error}", path.display())))?;
        let mut rows = ReaderBuilder::new().delimiter(delimiter).from_reader(file);
        let header: Vec<String> =
            rows.headers().map_err(|error| fault(&path, &error))?.iter().map(|name| name.trim().to_owned()).collect();
        for (at, name) in header.iter().enumerate() {
            if header.iter().take(at).any(|earlier| earlier == name) {
                return Err(SourceError::Malformed(format!(
                    "{}:1: the column {name:?} stands twice in the header",
                    path.display()
                )));
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
        Ok(Self { path, before, header, rows })
    }

    fn each(mut self, mut row: impl FnMut(&[String], &StringRecord) -> Result<(), String>) -> Result<u64, SourceError> {
        let mut record = StringRecord::new();
        let mut count = 0;
        while self.rows.read_record(&mut record).map_err(|error| fault(&self.path, &error))? {
            row(&self.header, &record).map_err(|message| {
                let line = record.position().map_or(0, csv::Position::line);
                SourceError::Malformed(format!("{}:{line}: {message}", self.path.display()))
            })?;
            count += 1;
            bounded::beat();
        }
        let after = self.rows.get_ref().metadata().map_err(|error| unreadable(&self.path, &error))?;
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
        csv::ErrorKind::Io(error) => return unreadable(path, error),
        csv::ErrorKind::Utf8 { .. } => "this row is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    };
    SourceError::Malformed(format!("{}:{line}: {message}", path.display()))
}

fn cell<'a>(header: &[String], row: &'a StringRecord, name: &str) -> Option<&'a str> {
    let at = header.iter().position(|column| column == name)?;
    row.get(at).filter(|text| !text.is_empty())
}

fn flag(header: &[String], row: &StringRecord, name: &str, default: bool) -> Result<bool, String> {
    match cell(header, row, name).map(str::to_ascii_lowercase).as_deref() {
        None => Ok(default),
        Some("true" | "yes" | "1") => Ok(true),
        Some("false" | "no" | "0") => Ok(false),
        Some(other) => Err(format!("{name} is {other:?}; it must be true or false")),
    }
}

pub(super) fn read(folder: &Path, delimiter: u8, reading: &mut Reading) -> Result<(), SourceError> {
    let users = reading.open_list("users");
    let count =
        Table::open(folder.join("users.csv"), delimiter, &["id"])?.each(|header, row| user(reading, header, row))?;
    reading.received(users, count);
    reading.close_list(users, None);

    let groups = reading.open_list("groups");
    let count = Table::open(folder.join("groups.csv"), delimiter, &["id", "name"])?
        .each(|header, row| group(reading, header, row))?;
    reading.received(groups, count);
    reading.close_list(groups, None);

    let members = reading.open_list("memberships");
    let count = Table::open(folder.join("members.csv"), delimiter, &["group_id", "user_id"])?.each(|header, row| {
        let id = cell(header, row, "group_id").ok_or("group_id is empty")?;
        let user = cell(header, row, "user_id").ok_or("user_id is empty")?;
        let group = reading.find_group(id).ok_or_else(|| format!("there is no group {id:?} in groups.csv"))?;
        reading.member(group, user);
        Ok(())
    })?;
    reading.received(members, count);
    reading.close_list(members, None);
    Ok(())
}

fn user(reading: &mut Reading, header: &[String], row: &StringRecord) -> Result<(), String> {
    let id = cell(header, row, "id").ok_or("the id is empty")?;
    let standing = if flag(header, row, "active", true)? { Standing::Active } else { Standing::Suspended };
    let direct = flag(header, row, "assigned", false)?;
    let record: Map<String, Value> = header
        .iter()
        .zip(row)
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| (name.clone(), Value::from(text)))
        .collect();
    let record = Value::Object(record).to_string();
    let entry = UserEntry { id, record: &record, standing, direct };
    reading.new_user(entry).map(drop).ok_or_else(|| format!("the id {id:?} stands twice in this file"))
}

fn group(reading: &mut Reading, header: &[String], row: &StringRecord) -> Result<(), String> {
    let id = cell(header, row, "id").ok_or("the id is empty")?;
    if reading.find_group(id).is_some() {
        return Err(format!("the id {id:?} stands twice in this file"));
    }
    let name = cell(header, row, "name").ok_or("the name is empty")?;
    let record: Map<String, Value> = header
        .iter()
        .zip(row)
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| (name.clone(), Value::from(text)))
        .collect();
    let record = Value::Object(record).to_string();
    let assigned = flag(header, row, "assigned", true)?;
    reading.group(GroupEntry { id, name, record: &record, assigned });
    Ok(())
}
