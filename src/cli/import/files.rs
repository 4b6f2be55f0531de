//! The files of an import: a list for directories that are not written to, a report of many. Both hold personal data, so only their
//! owner reads them.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::AccountRow;
use crate::cli::failure::CommandFailure;
use crate::cli::screen::Screen;
use crate::engine::Making;
use crate::roll::WayBack;

/// Writes accounts as the directory would keep them. Returns in which form.
pub(super) fn write_list(
    screen: &Screen,
    path: &Path,
    rows: &[AccountRow<'_>],
    back: &WayBack,
) -> Result<&'static str, CommandFailure> {
    let records: Vec<Map<String, Value>> = rows.iter().map(|(_, attributes)| back.record(attributes)).collect();
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let (text, form) = match is_json {
        true => (as_json(rows, &records)?, "JSON"),
        false => (as_csv(rows, &records).map_err(|error| failed(path, &error.to_string()))?, "CSV"),
    };
    write(screen, path, &text)?;
    Ok(form)
}

/// Writes what became of everybody.
pub(super) fn write_report(
    screen: &Screen,
    path: &Path,
    tenant: &str,
    results: &[Making],
) -> Result<(), CommandFailure> {
    let text = serde_json::to_vec_pretty(&json!({ "tenant": tenant, "results": results }))
        .map_err(|error| failed(path, &error.to_string()))?;
    write(screen, path, &text)
}

fn failed(path: &Path, why: &str) -> CommandFailure {
    CommandFailure::failed(format!("writing {}: {why}", path.display()))
}

fn write(screen: &Screen, path: &Path, text: &[u8]) -> Result<(), CommandFailure> {
    screen.save(path, text).map_err(|error| failed(path, &error.to_string()))
}

fn as_json(rows: &[AccountRow<'_>], records: &[Map<String, Value>]) -> Result<Vec<u8>, CommandFailure> {
    let users: Vec<Value> =
        rows.iter().zip(records).map(|((entry, _), record)| json!({ "account": entry, "record": record })).collect();
    serde_json::to_vec_pretty(&users).map_err(|error| CommandFailure::failed(format!("writing the list: {error}")))
}

/// One column an attribute of the directory, after the ones that say who it is.
fn as_csv(rows: &[AccountRow<'_>], records: &[Map<String, Value>]) -> Result<Vec<u8>, csv::Error> {
    const FIRST: [&str; 5] = ["status", "app_id", "active", "directory_id", "detail"];
    let mut names: Vec<&str> = records.iter().flat_map(Map::keys).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(FIRST.iter().chain(&names))?;
    for ((entry, _), record) in rows.iter().zip(records) {
        let person = entry.person.as_ref().map_or("", |id| id.as_str());
        let first = [entry.status.name(), entry.app_id.as_str(), bool_text(entry.active), person, &entry.detail];
        let rest = names.iter().map(|name| record.get(*name).map_or_else(String::new, cell));
        out.write_record(first.into_iter().map(str::to_owned).chain(rest))?;
    }
    out.into_inner().map_err(|error| error.into_error().into())
}

fn bool_text(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

fn cell(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
