//! A glance at a file before it is read: which attributes its people have. In: a path. Out: names, and one person to try
//! mapping rules on.
//!
//! Proves nothing: what can't be read is simply not in the sample. The reading itself is strict.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

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
    } else if let Ok(file) = File::open(path) {
        // The visitor ends the parsing with an error once it has seen enough.
        let _ = serde_json::Deserializer::from_reader(BufReader::new(file)).deserialize_map(Document(&mut sample));
    }
    sample
}

fn of_folder(users: &Path, delimiter: u8, sample: &mut Sample) {
    let Ok(mut rows) = csv::ReaderBuilder::new().delimiter(delimiter).from_path(users) else { return };
    let Ok(header) = rows.headers().cloned() else { return };
    // An empty column is an attribute too: the header is the file's word for what it holds.
    sample.names.extend(header.iter().map(|name| name.trim().to_owned()));
    for row in rows.records().take(ENOUGH).map_while(Result::ok) {
        let filled = header.iter().zip(&row).filter(|(_, text)| !text.is_empty());
        sample.take(filled.map(|(name, text)| (name.trim().to_owned(), Value::from(text))).collect());
    }
}

struct Document<'s>(&'s mut Sample);

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a document with users")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "users" {
                map.next_value_seed(Users(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Users<'s>(&'s mut Sample);

impl<'de> serde::de::DeserializeSeed<'de> for Users<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Users<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of people")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut people: A) -> Result<(), A::Error> {
        for _ in 0..ENOUGH {
            match people.next_element::<Map<String, Value>>()? {
                Some(person) => self.0.take(person),
                None => return Ok(()),
            }
        }
        Err(A::Error::custom("seen enough"))
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
