//! `[source.file]`, key by key. The doc comments are what `rosterd schema` shows in an editor.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::DirectoryTable;

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

impl DirectoryTable for FileTable {
    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        vec![&mut self.path]
    }
}
