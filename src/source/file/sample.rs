//! A glance at a file before it is read: which attributes its people have. In: a path. Out: names, and one person to try
//! mapping rules on.
//!
//! Proves nothing: what can't be read is simply not in the sample. The reading itself is strict.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};

use super::window::{FileFault, ReadStop, Window, first};
use crate::files;

/// So many people are looked at.
const ENOUGH: usize = 1_000;

/// What was seen of a file.
#[derive(Debug, Default)]
pub struct Sample {
    /// The attributes that at least one person has.
    pub names: BTreeSet<String>,
    /// The person who has most of them.
    pub person: Map<String, Value>,
}

impl Sample {
    fn take(&mut self, person: Map<String, Value>) {
        self.names.extend(person.keys().cloned());
        if person.len() > self.person.len() {
            self.person = person;
        }
    }
}

/// Looks at the first people of a document or folder; nothing is found where nothing can be read.
pub fn sample(path: &Path, delimiter: u8) -> Sample {
    let mut sample = Sample::default();
    if path.is_dir() {
        of_folder(&path.join("users.csv"), delimiter, &mut sample);
    } else {
        // What is wrong with the document is for the reading to say.
        let _ = of_document(path, &mut sample);
    }
    sample
}

fn of_document(path: &Path, sample: &mut Sample) -> Result<(), FileFault> {
    let mut window = Window::open(path)?;
    window.expect(b"{", "a document")?;
    while window.key()? != "users" {
        window.skip()?;
        window.expect(b",", "`,`")?;
    }
    let mut seen = 0;
    window.list("users", |text| {
        if seen == ENOUGH {
            return Err(ReadStop::Here("seen enough".to_owned()));
        }
        let (person, raw) = first(text)?;
        sample.take(person);
        seen += 1;
        Ok(raw.len())
    })
}

fn of_folder(users: &Path, delimiter: u8, sample: &mut Sample) {
    let Ok(file) = files::open_regular(users) else { return };
    let mut rows = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(file);
    let Ok(header) = rows.headers().cloned() else { return };
    // An empty column is an attribute too: the header is the file's word for what it holds.
    sample.names.extend(header.iter().map(|name| name.trim().to_owned()));
    for row in rows.records().take(ENOUGH).map_while(Result::ok) {
        let filled = header.iter().zip(&row).filter(|(_, text)| !text.is_empty());
        sample.take(filled.map(|(name, text)| (name.trim().to_owned(), Value::from(text))).collect());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_looked_at_without_being_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.json");
        let person = r#"{"id":"1","title":"x"},"#;
        let many = person.repeat(2 * ENOUGH);
        // Cut off in the middle: a glance does not mind, the reading will.
        std::fs::write(&path, format!(r#"{{"groups":[],"users":[{{"id":"0","email":"a@b"}},{many}{{"id":"#)).unwrap();
        let seen = sample(&path, b',');
        assert_eq!(seen.names.iter().collect::<Vec<_>>(), ["email", "id", "title"]);
        assert_eq!(seen.person.len(), 2);
    }

    #[test]
    fn a_folder_knows_its_columns_even_when_they_are_empty() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("users.csv"), "id;email;title\n1;;\n2;a@b;\n").unwrap();
        let seen = sample(folder.path(), b';');
        assert_eq!(seen.names.iter().collect::<Vec<_>>(), ["email", "id", "title"]);
        assert_eq!(seen.person.get("email"), Some(&Value::from("a@b")));
    }

    #[test]
    fn where_nothing_is_nothing_is_seen() {
        assert!(sample(Path::new("/nowhere/at/all"), b',').names.is_empty());
    }
}
