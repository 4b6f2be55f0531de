//! The JSON document. In: a file. Out: entries in a reading, or the place of the first fault.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::super::{GroupEntry, Reading, SourceError, UserEntry};
use super::unchanged;
use super::window::{Fault, Stop, Window, first};
use crate::model::Standing;
use crate::progress::Progress;

pub(super) fn read(path: &Path, reading: &mut Reading, progress: &dyn Progress) -> Result<(), SourceError> {
    progress.stage("reading the directory file", None);
    let failed = |error| SourceError::Settings(format!("reading {}: {error}", path.display()));
    let mut window = Window::open(path)
        .map_err(|error| SourceError::Settings(format!("no directory file at {}: {error}", path.display())))?;
    let before = window.metadata().map_err(failed)?;
    match document(&mut window, reading) {
        Ok(()) => {}
        Err(Fault::Io(error)) => return Err(failed(error)),
        Err(Fault::At(place, message)) => {
            let (line, column) = window.line_and_column(place).map_err(failed)?;
            return Err(SourceError::Malformed(format!("{}:{line}:{column}: {message}", path.display())));
        }
    }
    unchanged(path, &before, &window.metadata().map_err(failed)?)
}

/// `{"users": […], "groups": […]}` in either order; other keys mean nothing here.
fn document(window: &mut Window, reading: &mut Reading) -> Result<(), Fault> {
    let (mut users_seen, mut groups_at) = (false, None);
    let mut groups_read = false;
    window.expect(b"{", "a document {\"users\": […], \"groups\": […]}")?;
    let mut empty = window.peek()? == Some(b'}');
    loop {
        if std::mem::take(&mut empty) {
            window.expect(b"}", "`}`")?;
            break;
        }
        let mut key = String::new();
        window.value(|text| {
            let (name, raw) = first::<Text<'_>>(text)?;
            key = name.0.into_owned();
            Ok(raw.len())
        })?;
        window.expect(b":", "`:`")?;
        match key.as_str() {
            "users" if users_seen => return Err(window.fault("duplicate field `users`")),
            "groups" if groups_at.is_some() => return Err(window.fault("duplicate field `groups`")),
            "users" => {
                users(window, reading)?;
                users_seen = true;
            }
            "groups" => {
                groups_at = Some(window.place());
                // Who of a group's members is a person can only be told once all people are known.
                groups_read = users_seen;
                if users_seen { groups(window, reading)? } else { window.skip()? }
            }
            _ => window.skip()?,
        }
        if window.expect(b",}", "`,` or `}`")? == b'}' {
            break;
        }
    }
    if window.peek()?.is_some() {
        return Err(window.fault("the document ended before this"));
    }
    if !users_seen {
        return Err(window.fault("missing field `users`"));
    }
    if let Some(place) = groups_at.filter(|_| !groups_read) {
        window.jump(place)?;
        groups(window, reading)?;
    }
    Ok(())
}

/// A text, without a copy wherever it stands in the file as it is.
struct Text<'t>(Cow<'t, str>);

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de: 't, 't> Deserialize<'de> for Text<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'t> Visitor<'t> for Either {
            type Value = Text<'t>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'t str) -> Result<Text<'t>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'t>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Either)
    }
}

/// The keys of a person that mean something here; all others are attributes for the mapping.
#[derive(Deserialize)]
struct User<'t> {
    #[serde(borrow)]
    id: Text<'t>,
    #[serde(default = "yes")]
    active: bool,
    #[serde(default)]
    assigned: bool,
}

#[derive(Deserialize)]
struct Group<'t> {
    #[serde(borrow)]
    id: Text<'t>,
    #[serde(borrow)]
    name: Text<'t>,
    #[serde(borrow, default)]
    members: Vec<Text<'t>>,
    #[serde(default = "yes")]
    assigned: bool,
}

fn yes() -> bool {
    true
}

fn users(window: &mut Window, reading: &mut Reading) -> Result<(), Fault> {
    let list = reading.open_list("users");
    let mut count = 0;
    window.list("people", |text| {
        let (user, record) = first::<User<'_>>(text)?;
        let id = user.id.as_ref();
        if id.is_empty() {
            return Err(Stop::Here("this person's id is empty".to_owned()));
        }
        let standing = if user.active { Standing::Active } else { Standing::Suspended };
        let entry = UserEntry { id, record, standing, direct: user.assigned };
        if reading.new_user(entry).is_none() {
            return Err(Stop::Here(format!("the id {id:?} stands twice in this file")));
        }
        count += 1;
        Ok(record.len())
    })?;
    reading.received(list, count);
    reading.close_list(list, None);
    Ok(())
}

fn groups(window: &mut Window, reading: &mut Reading) -> Result<(), Fault> {
    let list = reading.open_list("groups");
    let mut count = 0;
    window.list("groups", |text| {
        let (group, raw) = first::<Group<'_>>(text)?;
        let id = group.id.as_ref();
        if id.is_empty() || reading.find_group(id).is_some() {
            return Err(Stop::Here(format!("the group id {id:?} is empty or stands twice in this file")));
        }
        let ix = reading.group(GroupEntry { id, name: group.name.as_ref(), record: "{}", assigned: group.assigned });
        reading.members(ix, &group.members);
        count += 1;
        Ok(raw.len())
    })?;
    reading.received(list, count);
    reading.close_list(list, None);
    Ok(())
}
