//! The JSON document. In: bytes. Out: entries in a reading, or the place of the first fault.
//!
//! People are kept as slices of the file's own bytes: nothing is copied, and a record is parsed again only when it changed.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::reading::Kept;
use super::super::{GroupEntry, Reading, SourceError, UserEntry};
use super::{line_and_column, read_stable};
use crate::model::Standing;
use crate::progress::Progress;

pub(super) fn read(path: &Path, reading: &mut Reading, progress: &dyn Progress) -> Result<(), SourceError> {
    progress.stage("reading the directory file", None);
    let bytes = read_stable(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let (line, column) = line_and_column(&bytes, error.valid_up_to());
        malformed(path, line, column, "this is not UTF-8 text")
    })?;
    let kept = reading.keep(std::sync::Arc::clone(&bytes));
    let mut fault = None;
    let mut document = serde_json::Deserializer::from_str(text);
    let mut seed =
        Document { reading, kept: &kept, text, groups_before_users: None, seen: [false; 2], fault: &mut fault };
    let parsed = seed.by_ref().deserialize(&mut document).and_then(|()| document.end());
    let deferred = seed.groups_before_users;
    let parsed = match (parsed, deferred) {
        (Ok(()), Some(groups)) => {
            let at = offset_of(text, groups.get());
            let mut groups_only = serde_json::Deserializer::from_str(groups.get());
            let seed = Groups { reading, fault: &mut fault, text };
            seed.deserialize(&mut groups_only).map_err(|error| Fault::of(&error, groups.get(), at))
        }
        (parsed, _) => parsed.map_err(|error| Fault::of(&error, text, 0)),
    };
    match (parsed, fault) {
        (Ok(()), None) => Ok(()),
        (_, Some(fault)) | (Err(fault), None) => {
            let (line, column) = line_and_column(&bytes, fault.offset);
            Err(malformed(path, line, column, &fault.message))
        }
    }
}

fn malformed(path: &Path, line: usize, column: usize, message: &str) -> SourceError {
    SourceError::Malformed(format!("{}:{line}:{column}: {message}", path.display()))
}

/// The first thing wrong, by its place in the whole file.
struct Fault {
    offset: usize,
    message: String,
}

impl Fault {
    /// `error` was met in `part`, which begins at `start` of the file.
    fn of(error: &serde_json::Error, part: &str, start: usize) -> Self {
        let lines_before = part.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
        let offset = start + (lines_before + error.column().saturating_sub(1)).min(part.len());
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
        Self { offset, message }
    }
}

fn offset_of(whole: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

struct Document<'r, 't> {
    reading: &'r mut Reading,
    kept: &'r Kept,
    text: &'t str,
    /// Groups that stand before the users in the file: their members can only be told once the users are known.
    groups_before_users: Option<&'t RawValue>,
    seen: [bool; 2],
    fault: &'r mut Option<Fault>,
}

impl<'r, 't> Document<'r, 't> {
    fn by_ref(&mut self) -> &mut Self {
        self
    }
}

impl<'t> DeserializeSeed<'t> for &mut Document<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'t> Visitor<'t> for &mut Document<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document {\"users\": […], \"groups\": […]}")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'t, str>>()? {
            match key.as_ref() {
                "users" if std::mem::replace(&mut self.seen[0], true) => {
                    return Err(de::Error::duplicate_field("users"));
                }
                "groups" if std::mem::replace(&mut self.seen[1], true) => {
                    return Err(de::Error::duplicate_field("groups"));
                }
                "users" => map.next_value_seed(Users {
                    reading: self.reading,
                    kept: self.kept,
                    text: self.text,
                    fault: self.fault,
                })?,
                "groups" if self.seen[0] => {
                    map.next_value_seed(Groups { reading: self.reading, fault: self.fault, text: self.text })?;
                }
                "groups" => self.groups_before_users = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if self.seen[0] { Ok(()) } else { Err(de::Error::missing_field("users")) }
    }
}

struct Users<'r, 't> {
    reading: &'r mut Reading,
    kept: &'r Kept,
    text: &'t str,
    fault: &'r mut Option<Fault>,
}

/// The keys of a person that mean something here; all others are attributes for the mapping.
#[derive(Deserialize)]
struct User<'t> {
    #[serde(borrow)]
    id: Cow<'t, str>,
    #[serde(default = "yes")]
    active: bool,
    #[serde(default)]
    assigned: bool,
}

fn yes() -> bool {
    true
}

impl<'t> DeserializeSeed<'t> for Users<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'t> Visitor<'t> for Users<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of people")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut seq: A) -> Result<(), A::Error> {
        let list = self.reading.open_list("users");
        let mut count = 0;
        while let Some(raw) = seq.next_element::<&'t RawValue>()? {
            let record = raw.get();
            let user: User<'_> = serde_json::from_str(record).map_err(|error| {
                let fault = Fault::of(&error, record, offset_of(self.text, record));
                stop(self.fault, fault)
            })?;
            if user.id.is_empty() || self.reading.find_user(&user.id).is_some() {
                let message = match user.id.is_empty() {
                    true => "this person's id is empty".to_owned(),
                    false => format!("the id {:?} stands twice in this file", user.id),
                };
                return Err(stop(self.fault, Fault { offset: offset_of(self.text, record), message }));
            }
            let standing = if user.active { Standing::Active } else { Standing::Suspended };
            let entry = UserEntry { id: &user.id, record, standing, direct: user.assigned };
            self.reading.user_in(self.kept, entry);
            count += 1;
        }
        self.reading.received(list, count);
        self.reading.close_list(list, None);
        Ok(())
    }
}

/// Notes where the fault is and unwinds the parser with an error that nobody will see.
fn stop<E: de::Error>(place: &mut Option<Fault>, fault: Fault) -> E {
    let error = E::custom(&fault.message);
    place.get_or_insert(fault);
    error
}

struct Groups<'r, 't> {
    reading: &'r mut Reading,
    text: &'t str,
    fault: &'r mut Option<Fault>,
}

#[derive(Deserialize)]
struct Group<'t> {
    #[serde(borrow)]
    id: Cow<'t, str>,
    #[serde(borrow)]
    name: Cow<'t, str>,
    #[serde(borrow, default)]
    members: Vec<Cow<'t, str>>,
    #[serde(default = "yes")]
    assigned: bool,
}

impl<'t> DeserializeSeed<'t> for Groups<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'t> Visitor<'t> for Groups<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of groups")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut seq: A) -> Result<(), A::Error> {
        let list = self.reading.open_list("groups");
        let mut count = 0;
        while let Some(raw) = seq.next_element::<&'t RawValue>()? {
            let text = raw.get();
            let group: Group<'_> = serde_json::from_str(text).map_err(|error| {
                let fault = Fault::of(&error, text, offset_of(self.text, text));
                stop(self.fault, fault)
            })?;
            if group.id.is_empty() || self.reading.find_group(&group.id).is_some() {
                let message = format!("the group id {:?} is empty or stands twice in this file", group.id);
                return Err(stop(self.fault, Fault { offset: offset_of(self.text, text), message }));
            }
            let entry = GroupEntry { id: &group.id, name: &group.name, record: "{}", assigned: group.assigned };
            let ix = self.reading.group(entry);
            for member in &group.members {
                self.reading.member(ix, member);
            }
            count += 1;
        }
        self.reading.received(list, count);
        self.reading.close_list(list, None);
        Ok(())
    }
}
