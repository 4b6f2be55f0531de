//! A file, as a kind of directory.

use super::{FileSource, sample};
use crate::config::directory::SourceTables;
use crate::source::kind::{Connect, ConnectError, DirectoryKind, DirectoryProduct, RecordNames};
use crate::source::{Source, SourceError};

/// A JSON document or a folder of CSV files.
pub(crate) struct File;

static PRODUCTS: [DirectoryProduct; 1] = [DirectoryProduct {
    template: r#"[source.file]
# A JSON document {"users": […], "groups": […]}, or a folder with users.csv, groups.csv and members.csv.
path = "../people.json"
"#,
    // Some files have user names, some only e-mail addresses.
    mapping: &[
        ("userName", "userName | default(email)"),
        ("name.givenName", "givenName"),
        ("name.familyName", "familyName"),
        ("displayName", "displayName"),
        ("emails.work", "email"),
    ],
    ..DirectoryProduct::new("file")
}];

impl DirectoryKind for File {
    fn table(&self) -> &'static str {
        "file"
    }

    fn products(&self) -> &'static [DirectoryProduct] {
        &PRODUCTS
    }

    fn product(&self, tables: &SourceTables) -> Option<&'static str> {
        tables.file.as_ref().map(|_| "file")
    }

    fn names(&self, tables: &SourceTables) -> Result<RecordNames, SourceError> {
        let Some(table) = &tables.file else { return Ok(RecordNames::default()) };
        let seen = sample(&table.path, u8::try_from(table.delimiter).unwrap_or(b','));
        Ok(RecordNames { users: seen.names.into_iter().collect(), groups: Vec::new(), sample: seen.person })
    }

    fn connect(&self, tables: &SourceTables, _: Connect<'_>) -> Result<Box<dyn Source>, ConnectError> {
        let table = tables.file.as_ref();
        let path = table.map(|table| table.path.clone()).unwrap_or_default();
        let delimiter = table.map_or(b',', |table| u8::try_from(table.delimiter).unwrap_or(b','));
        Ok(Box::new(FileSource::new(path, delimiter)))
    }
}
