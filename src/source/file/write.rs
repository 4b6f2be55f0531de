//! New people in a file (`rosterd import`). In: a person in the file's own words. Out: the file with one more entry, written whole
//! or not at all.
//!
//! Everything that is there stays as it is, byte for byte: a person is put behind the last one. A file that somebody else changes
//! meanwhile is left alone.

use std::collections::HashSet;
use std::fs::Metadata;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::write::{CreateError, NewPeople, NewPerson};
use super::{FileSource, SourceError, unchanged};
use crate::files::{self, replace::PendingFile};
use crate::model::{SourceId, fold};

/// The attributes by which a person in a file is known.
const KNOWN_BY: [&str; 6] = ["userName", "username", "uid", "login", "email", "mail"];

/// What a file says of a person by itself.
const OWN: [&str; 2] = ["active", "assigned"];

#[async_trait]
impl NewPeople for FileSource {
    fn required(&self) -> &'static [&'static str] {
        &[]
    }

    async fn find(&self, person: &NewPerson) -> Result<Option<SourceId>, SourceError> {
        let person = person.clone();
        self.aside(move |source| FileContents::read(source)?.find(&person)).await?
    }

    async fn create(&self, person: &NewPerson) -> Result<SourceId, CreateError> {
        let person = person.clone();
        let created = self.aside(move |source| create(source, &person)).await;
        // It may yet be written, when the share comes back.
        created.unwrap_or_else(|error| Err(CreateError::Unclear(error.to_string())))
    }
}

fn create(source: &FileSource, person: &NewPerson) -> Result<SourceId, CreateError> {
    let contents = FileContents::read(source)?;
    if names(&person.attributes).is_empty() {
        let known_by = KNOWN_BY.join(", ");
        return Err(CreateError::Refused(format!("nothing identifies the user: none of {known_by} has a value")));
    }
    if let Some(found) = contents.find(person)? {
        return Err(CreateError::Exists(format!("the entry {found}")));
    }
    let id = match person.attributes.get("id").and_then(Value::as_str) {
        Some(id) if contents.has_id(id)? => return Err(CreateError::Exists(format!("the entry {id}"))),
        Some(id) => id.to_owned(),
        None => Uuid::now_v7().to_string(),
    };
    let text = match source.path.is_dir() {
        true => contents.with_row(source.delimiter, &id, &person.attributes)?,
        false => contents.with_object(&id, &person.attributes)?,
    };
    contents.replace(&text)?;
    Ok(SourceId::new(id))
}

/// The file with the people, as it was read.
struct FileContents {
    path: PathBuf,
    before: Metadata,
    text: String,
    people: Vec<Map<String, Value>>,
}

impl FileContents {
    fn read(source: &FileSource) -> Result<Self, SourceError> {
        let is_folder = source.path.is_dir();
        let path = if is_folder { source.path.join("users.csv") } else { source.path.clone() };
        let failed = |error: std::io::Error| SourceError::Settings(format!("reading {}: {error}", path.display()));
        let (mut file, before) = files::open_with_metadata(&path).map_err(failed)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        unchanged(&path, &before, &std::fs::metadata(&path).map_err(failed)?)?;
        let malformed = |why: String| SourceError::Malformed(format!("{}: {why}", path.display()));
        let people = match is_folder {
            true => rows(&text, source.delimiter).map_err(|error| malformed(error.to_string()))?,
            false => {
                let document: PeopleFile = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
                document.users
            }
        };
        Ok(Self { path, before, text, people })
    }

    /// Who has one of the person's names.
    fn find(&self, person: &NewPerson) -> Result<Option<SourceId>, SourceError> {
        let wanted = names(&person.attributes);
        let found = self.people.iter().find(|one| !names(one).is_disjoint(&wanted));
        found.map(|one| self.id_of(one).map(SourceId::new)).transpose()
    }

    fn has_id(&self, id: &str) -> Result<bool, SourceError> {
        for one in &self.people {
            if self.id_of(one)? == id {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn id_of<'p>(&self, person: &'p Map<String, Value>) -> Result<&'p str, SourceError> {
        let id = person.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        id.ok_or_else(|| SourceError::Malformed(format!("{}: a user has no id", self.path.display())))
    }

    /// The document with one more person.
    fn with_object(&self, id: &str, attributes: &Map<String, Value>) -> Result<String, CreateError> {
        let unfit = |why: String| CreateError::Refused(format!("{}: {why}", self.path.display()));
        let document: Raw<'_> = serde_json::from_str(&self.text).map_err(|error| unfit(error.to_string()))?;
        let list = document.users.get();
        // The list is a part of the text: this is where it begins.
        let begin = (list.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let inner = list
            .strip_prefix('[')
            .and_then(|list| list.strip_suffix(']'))
            .ok_or_else(|| unfit("`users` is no list".to_owned()))?;
        let last = inner.trim_end();
        let place = begin + 1 + last.len();
        // As the others are set apart from each other.
        let gap = inner.get(..inner.len() - inner.trim_start().len()).unwrap_or_default();
        let mut entry = Map::from_iter([("id".to_owned(), Value::from(id))]);
        for (name, value) in attributes.iter().filter(|(name, _)| *name != "id" && !OWN.contains(&name.as_str())) {
            set(&mut entry, name, value.clone());
        }
        let entry = ordered(&entry);
        let (comma, gap, end) = match last.is_empty() {
            true => ("", "\n    ", "\n  "),
            false => (",", gap, ""),
        };
        let (head, tail) =
            self.text.split_at_checked(place).ok_or_else(|| unfit("it is not what it was".to_owned()))?;
        let tail = if last.is_empty() { tail.trim_start() } else { tail };
        Ok(format!("{head}{comma}{gap}{entry}{end}{tail}"))
    }

    /// `users.csv` with one more row. A value that has no column is left out, unless nothing would be left to know the person by.
    fn with_row(&self, delimiter: u8, id: &str, attributes: &Map<String, Value>) -> Result<String, CreateError> {
        let failed = |error: csv::Error| CreateError::Refused(format!("{}: {error}", self.path.display()));
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(self.text.as_bytes());
        let header: Vec<String> = reader.headers().map_err(failed)?.iter().map(|name| name.trim().to_owned()).collect();
        let known = |name: &str| header.iter().any(|column| column == name);
        if !KNOWN_BY.iter().any(|name| known(name) && attributes.contains_key(*name)) {
            let columns = header.join(", ");
            return Err(CreateError::Refused(format!(
                "{} has no column that identifies a user; it has {columns}",
                self.path.display()
            )));
        }
        let cells = header.iter().map(|column| match column.as_str() {
            "id" => Ok(id.to_owned()),
            own if OWN.contains(&own) => Ok(String::new()),
            name => attributes.get(name).map_or(Ok(String::new()), |value| cell(name, value)),
        });
        let cells = cells.collect::<Result<Vec<String>, CreateError>>()?;
        let mut row = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
        row.write_record(&cells).map_err(failed)?;
        let row = row.into_inner().map_err(|error| CreateError::Refused(error.to_string()))?;
        let end = if self.text.ends_with('\n') { "" } else { "\n" };
        Ok(format!("{}{end}{}", self.text, String::from_utf8_lossy(&row)))
    }

    /// Puts a text in the file's place: a crash leaves the old one or the new one.
    fn replace(&self, text: &str) -> Result<(), CreateError> {
        let failed = |error: std::io::Error| CreateError::Refused(format!("writing {}: {error}", self.path.display()));
        let mut fresh = PendingFile::beside(&self.path, self.before.mode() & 0o777).map_err(failed)?;
        fresh.write_all(text.as_bytes()).and_then(|()| fresh.sync()).map_err(failed)?;
        let now = std::fs::metadata(&self.path).map_err(failed)?;
        unchanged(&self.path, &self.before, &now)?;
        let placed = fresh.take_name().map_err(failed)?;
        placed.sync_folder().map(drop).map_err(|error| CreateError::Unclear(error.to_string()))
    }
}

#[derive(Deserialize)]
struct PeopleFile {
    users: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    users: &'a RawValue,
}

fn rows(text: &str, delimiter: u8) -> Result<Vec<Map<String, Value>>, csv::Error> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let header = reader.headers()?.clone();
    let person = |row: csv::StringRecord| {
        header.iter().zip(&row).map(|(name, text)| (name.trim().to_owned(), Value::from(text))).collect()
    };
    reader.records().map(|row| row.map(person)).collect()
}

/// What a person is known by, folded.
fn names(person: &Map<String, Value>) -> HashSet<String> {
    let values = KNOWN_BY.iter().filter_map(|name| person.get(*name)?.as_str());
    values.map(str::trim).filter(|value| !value.is_empty()).map(fold).collect()
}

/// `attributes.heapRole` is a place in an object.
fn set(entry: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => drop(entry.insert(name.to_owned(), value)),
        Some((outer, inner)) => {
            let slot = entry.entry(outer).or_insert_with(|| Value::Object(Map::new()));
            match slot {
                Value::Object(object) => set(object, inner, value),
                // Something else stands there already.
                _ => drop(entry.insert(name.to_owned(), value)),
            }
        }
    }
}

/// The id first, as people write it.
fn ordered(entry: &Map<String, Value>) -> String {
    let id = entry.get_key_value("id").into_iter();
    let rest = entry.iter().filter(|(name, _)| *name != "id");
    let fields: Vec<String> =
        id.chain(rest).map(|(name, value)| format!("{}: {value}", Value::from(name.as_str()))).collect();
    format!("{{{}}}", fields.join(", "))
}

fn cell(name: &str, value: &Value) -> Result<String, CreateError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null => Ok(String::new()),
        Value::Array(_) | Value::Object(_) => {
            Err(CreateError::Refused(format!("{name} has several values, and a column holds one")))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::progress::Silent;
    use crate::source::take_snapshot;

    fn person(value: Value) -> NewPerson {
        NewPerson { attributes: value.as_object().unwrap().clone() }
    }

    async fn read(source: &FileSource) -> Vec<Map<String, Value>> {
        let snapshot = take_snapshot(source, &[], &Silent).await.unwrap();
        snapshot.users().map(|user| snapshot.record(user)).collect()
    }

    #[tokio::test]
    async fn j16_a_person_is_put_behind_the_last_one_and_the_rest_of_the_document_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.json");
        let text =
            "{\n  \"users\": [\n    {\"id\": \"u1\", \"userName\": \"ann\",   \"x\": 1.0}\n  ],\n  \"groups\": []\n}\n";
        std::fs::write(&path, text).unwrap();
        let source = FileSource::new(path.clone(), b',');
        let bob = person(json!({"userName": "bob", "attributes.role": "Ä \"x\"", "active": false}));
        let id = source.create(&bob).await.unwrap();
        let now = std::fs::read_to_string(&path).unwrap();
        let entry =
            format!("{{\"id\": \"{id}\", \"attributes\": {{\"role\":\"Ä \\\"x\\\"\"}}, \"userName\": \"bob\"}}");
        assert_eq!(now, text.replace("1.0}", &format!("1.0}},\n    {entry}")));
        assert_eq!(read(&source).await.len(), 2);
        assert_eq!(source.find(&person(json!({"email": "x", "userName": "BOB"}))).await.unwrap(), Some(id));
        assert!(matches!(source.create(&bob).await, Err(CreateError::Exists(_))), "i3: nobody twice");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), now);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half-written stays");
    }

    #[tokio::test]
    async fn j16_the_first_person_of_an_empty_document_too() {
        let folder = tempfile::tempdir().unwrap();
        for (at, text) in ["{\"users\":[]}", "{\"groups\": [], \"users\": [ \n ] }"].iter().enumerate() {
            let path = folder.path().join(format!("{at}.json"));
            std::fs::write(&path, text).unwrap();
            let source = FileSource::new(path, b',');
            for name in ["ann", "bob", "cid"] {
                source.create(&person(json!({"userName": name, "id": name.to_uppercase()}))).await.unwrap();
            }
            let ids: Vec<_> = read(&source).await.iter().map(|one| one["id"].clone()).collect();
            assert_eq!(ids, ["ANN", "BOB", "CID"]);
            assert!(matches!(
                source.create(&person(json!({"userName": "dee", "id": "ANN"}))).await,
                Err(CreateError::Exists(_))
            ));
        }
    }

    #[tokio::test]
    async fn j16_a_row_has_the_columns_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("users.csv", "id;email;active;title\n1;ann@x.test;;"),
            ("groups.csv", "id;name\n"),
            ("members.csv", "group_id;user_id\n"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let source = FileSource::new(folder.path().to_owned(), b';');
        let id = source.create(&person(json!({"email": "b;b@x.test", "title": 3, "phone": "1"}))).await.unwrap();
        let now = std::fs::read_to_string(folder.path().join("users.csv")).unwrap();
        assert_eq!(now, format!("id;email;active;title\n1;ann@x.test;;\n{id};\"b;b@x.test\";;3\n"));
        assert_eq!(read(&source).await[1]["email"], "b;b@x.test");
        let nameless = source.create(&person(json!({"userName": "cid"}))).await.unwrap_err();
        assert!(nameless.to_string().contains("no column that identifies a user"), "{nameless}");
    }

    #[tokio::test]
    async fn a_document_that_is_none_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.json");
        let source = FileSource::new(path.clone(), b',');
        for text in ["", "{}", "{\"users\": {}}", "{\"users\": [", "{\"users\": [1]}", "{\"users\":[],\"users\":[]}"] {
            std::fs::write(&path, text).unwrap();
            assert!(source.create(&person(json!({"userName": "ann"}))).await.is_err(), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        std::fs::write(&path, "{\"users\":[]}").unwrap();
        assert!(source.create(&person(json!({"title": "Boss"}))).await.is_err(), "nobody without a name");
    }
}
