//! `[source.file]`, key by key. The doc comments are what `rosterd schema` shows in an editor.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DirectoryTable, TableCheck};

/// `[source.file]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileTable {
    /// A JSON document `{"users":[…],"groups":[…]}`, or a folder with `users.csv`, `groups.csv` and `members.csv`.
    #[schemars(length(min = 1))]
    pub path: PathBuf,
    /// The column separator of CSV files, one ASCII character.
    #[serde(default = "comma")]
    pub delimiter: char,
}

fn comma() -> char {
    ','
}

/// As the list of directories calls it.
pub type Table = FileTable;

impl DirectoryTable for FileTable {
    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        vec![&mut self.path]
    }
}

/// One letter of ASCII separates columns.
pub(in crate::config) fn check(table: &mut TableCheck<'_, '_>) {
    let mut letters = table.text("delimiter").unwrap_or_default().chars();
    if let (Some(only), None) = (letters.next(), letters.next())
        && (!only.is_ascii() || matches!(only, '"' | '\n' | '\r'))
    {
        let hint = "write one ASCII character, such as `;`";
        table.wrong("delimiter", format!("{only:?} can't separate columns"), hint);
    }
}
