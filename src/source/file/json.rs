//! The JSON document. In: a file. Out: entries in a reading, or the place of the first fault.

use std::borrow::Cow;
use std::fmt;
use std::io::{BufReader, Read as _};
use std::path::Path;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, Visitor};

use serde_json::{Map, Value};

use super::super::unique::Unique;
use super::super::{GroupEntry, GroupIx, Reading, SourceError, UserEntry};
use super::deciding::{self, Meant, may_decide, meant};
use super::mark::{DocumentHash, EntryHashes};
use super::plain::Plain;
use super::unchanged;
use super::window::{FileFault, ReadStop, Window, first, hash_of_bytes};
use crate::model::{ContentMark, LifecycleStatus, StatusSign};
use crate::{bounded, files};

/// Reads everybody and every group, and marks the reading with what the document says.
pub(super) fn read(path: &Path, reading: &mut Reading) -> Result<(), SourceError> {
    let failed = |error| SourceError::Settings(format!("reading {}: {error}", path.display()));
    let mut window = Window::open(path)
        .map_err(|error| SourceError::Settings(format!("no directory file at {}: {error}", path.display())))?;
    let before = window.metadata().map_err(failed)?;
    let mut taken = Taken { reading, entries: EntryHashes::default(), unknown: Vec::new() };
    match document(&mut window, &mut taken) {
        Ok(()) => {}
        Err(FileFault::Io(error)) => return Err(failed(error)),
        Err(FileFault::At(place, message)) => {
            let (line, column) = window.line_and_column(place).map_err(failed)?;
            return Err(SourceError::Malformed(format!("{}:{line}:{column}: {message}", path.display())));
        }
    }
    unchanged(path, &before, &window.metadata().map_err(failed)?)?;
    let Taken { reading, entries, unknown } = taken;
    let mut unknown: Vec<(GroupIx, String)> =
        unknown.into_iter().filter(|(_, id)| reading.find_group(id).is_none()).collect();
    unknown.truncate(PLACES);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    for (group, id) in unknown {
        let text = Value::from(id.as_str()).to_string();
        if let Some(line) = line_of(path, text.as_bytes()).map_err(failed)? {
            reading.written_at(group, &id, format!("{name}:{line}"));
        }
    }
    reading.mark(DocumentHash::new(before.len(), window.hash(), entries).to_content());
    Ok(())
}

/// The line in which a text first appears in a file, within what is looked through.
fn line_of(path: &Path, text: &[u8]) -> Result<Option<usize>, std::io::Error> {
    let mut file = BufReader::new(files::open_regular(path)?.take(LOOKED_THROUGH));
    // The end of a piece is kept until the next: a text may be cut by it.
    let (mut piece, mut line) = (Vec::new(), 1);
    loop {
        bounded::beat();
        let got = file.by_ref().take(1 << 20).read_to_end(&mut piece)?;
        if let Some(at) = piece.windows(text.len()).position(|part| part == text) {
            return Ok(Some(line + count_of_lines(piece.get(..at).unwrap_or_default())));
        }
        if got == 0 {
            return Ok(None);
        }
        let passed = piece.len().saturating_sub(text.len());
        line += count_of_lines(piece.get(..passed).unwrap_or_default());
        piece.drain(..passed);
    }
}

fn count_of_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// The mark of a document that says what it said when it was given this mark; `None` for any other one, and on any doubt.
///
/// The very same bytes need no parser to know what they say; other bytes are looked through for the same entries.
pub(super) fn still(path: &Path, mark: &ContentMark) -> Option<ContentMark> {
    let mark = DocumentHash::of_content(mark)?;
    let mut window = Window::open(path).ok()?;
    let before = window.metadata().ok()?;
    if before.len() == mark.len && hash_of_bytes(path).ok()? == mark.bytes {
        return Some(mark.to_content());
    }
    let mut compared = EntryComparison { mark: &mark, entries: EntryHashes::default() };
    document(&mut window, &mut compared).ok()?;
    unchanged(path, &before, &window.metadata().ok()?).ok()?;
    compared.entries.are(&mark).then(|| mark.in_bytes(before.len(), window.hash()).to_content())
}

/// Who goes through the two lists of a document, people first.
trait DocumentVisitor {
    fn users(&mut self, window: &mut Window) -> Result<(), FileFault>;
    fn groups(&mut self, window: &mut Window) -> Result<(), FileFault>;
}

/// Takes everything into a reading.
struct Taken<'r> {
    reading: &'r mut Reading,
    entries: EntryHashes,
    /// The first members that are no people.
    unknown: Vec<(GroupIx, String)>,
}

/// The key that says whether a user is suspended.
const ACTIVE: StatusSign = StatusSign::of("active");

/// So many unknown members are told with their lines.
const PLACES: usize = 20;

/// So much of a file is looked through for the lines of unknown members.
const LOOKED_THROUGH: u64 = 64 << 20;

/// Only looks whether the entries are the ones of a mark.
struct EntryComparison<'m> {
    mark: &'m DocumentHash,
    entries: EntryHashes,
}

impl EntryComparison<'_> {
    fn list(&mut self, window: &mut Window, name: &str) -> Result<(), FileFault> {
        self.entries.list(name);
        window.list(name, |text| {
            let raw = any_object(text)?;
            self.entries.entry(raw);
            match self.entries.may_be(self.mark) {
                true => Ok(raw.len()),
                false => Err(ReadStop::Here("it says something else".to_owned())),
            }
        })
    }
}

impl DocumentVisitor for EntryComparison<'_> {
    fn users(&mut self, window: &mut Window) -> Result<(), FileFault> {
        self.list(window, "users")
    }

    fn groups(&mut self, window: &mut Window) -> Result<(), FileFault> {
        self.list(window, "groups")
    }
}

/// The object that a text begins with, whatever is in it.
fn any_object(text: &str) -> Result<&str, ReadStop> {
    let mut plain = Plain::new(text);
    match plain.object(|plain, _| plain.skip()) {
        Some(()) => Ok(plain.passed()),
        None => first::<IgnoredAny>(text).map(|(_, raw)| raw),
    }
}

/// `{"users": […], "groups": […]}` in either order; other keys mean nothing here.
fn document(window: &mut Window, lists: &mut impl DocumentVisitor) -> Result<(), FileFault> {
    let (mut users_seen, mut groups_at) = (false, None);
    let mut groups_read = false;
    window.expect(b"{", "a document {\"users\": […], \"groups\": […]}")?;
    let mut empty = window.peek()? == Some(b'}');
    loop {
        if std::mem::take(&mut empty) {
            window.expect(b"}", "`}`")?;
            break;
        }
        match window.key()?.trim().to_ascii_lowercase().as_str() {
            "users" if users_seen => return Err(window.fault("duplicate field `users`")),
            "groups" if groups_at.is_some() => return Err(window.fault("duplicate field `groups`")),
            "users" => {
                lists.users(window)?;
                users_seen = true;
            }
            "groups" => {
                groups_at = Some(window.place());
                // Who of a group's members is a person can only be told once all people are known.
                groups_read = users_seen;
                if users_seen { lists.groups(window)? } else { window.skip()? }
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
        lists.groups(window)?;
    }
    Ok(())
}

/// A text, without a copy wherever it stands in the file as it is.
#[derive(Debug, PartialEq)]
struct Text<'t>(Cow<'t, str>);

/// As an id: blanks at its ends are not part of it.
impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self.0.trim()
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
#[allow(clippy::option_option, reason = "absent and null are two things here")]
#[derive(Debug, PartialEq, Deserialize)]
struct FileUser<'t> {
    #[serde(borrow)]
    id: Text<'t>,
    /// `Some(None)` is `null`, which says nothing.
    #[serde(default, deserialize_with = "shown")]
    active: Option<Option<bool>>,
    #[serde(default)]
    assigned: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
struct JsonGroup<'t> {
    #[serde(borrow)]
    id: Text<'t>,
    #[serde(borrow, default)]
    name: Option<Text<'t>>,
    #[serde(borrow, default)]
    members: Vec<Text<'t>>,
    #[serde(default = "yes")]
    assigned: bool,
}

// A million people and ten million members make the quick way worth while: the parser takes three times as long.

impl<'t> FileUser<'t> {
    /// The person that a text begins with, and their own text.
    fn first(text: &'t str) -> Result<(Self, &'t str, Option<String>), ReadStop> {
        match Self::quick(text) {
            Some((user, raw)) => Ok((user, raw, None)),
            None => strictly(text, &deciding::OF_USERS),
        }
    }

    fn quick(text: &'t str) -> Option<(Self, &'t str)> {
        let (mut id, mut active, mut assigned) = (None, None, None);
        let mut plain = Plain::new(text);
        plain.object(|plain, key| {
            match key {
                "id" if id.is_none() => id = Some(as_it_is(plain.text()?)),
                "active" if active.is_none() => active = Some(plain.flag()?),
                "assigned" if assigned.is_none() => assigned = Some(plain.flag()?),
                "id" | "active" | "assigned" => return None,
                // What is nearly one of them, or one in other letters, is for a closer look.
                other if may_decide(other) && meant(other, &deciding::OF_USERS) != Meant::Attribute => return None,
                _ => plain.skip()?,
            }
            Some(())
        })?;
        let user = Self { id: id?, active: active.map(Some), assigned: assigned.unwrap_or_default() };
        Some((user, plain.passed()))
    }
}

impl<'t> JsonGroup<'t> {
    /// The group that a text begins with, and its own text.
    fn first(text: &'t str) -> Result<(Self, &'t str), ReadStop> {
        match Self::quick(text) {
            Some(group) => Ok(group),
            None => strictly(text, &deciding::OF_GROUPS).map(|(group, raw, _)| (group, raw)),
        }
    }

    fn quick(text: &'t str) -> Option<(Self, &'t str)> {
        let (mut id, mut name, mut members, mut assigned) = (None, None, None, None);
        let mut plain = Plain::new(text);
        plain.object(|plain, key| {
            match key {
                "id" if id.is_none() => id = Some(as_it_is(plain.text()?)),
                "name" if name.is_none() => name = Some(as_it_is(plain.text()?)),
                "members" if members.is_none() => members = Some(plain.texts(as_it_is)?),
                "assigned" if assigned.is_none() => assigned = Some(plain.flag()?),
                "id" | "name" | "members" | "assigned" => return None,
                other if may_decide(other) && meant(other, &deciding::OF_GROUPS) != Meant::Attribute => return None,
                _ => plain.skip()?,
            }
            Some(())
        })?;
        let (members, assigned) = (members.unwrap_or_default(), assigned.unwrap_or_else(yes));
        Some((Self { id: id?, name, members, assigned }, plain.passed()))
    }
}

/// As the parser reads it, which knows one of our keys that appears twice; no other key may appear twice either. A key that is one of `known` in
/// other letters counts as that: then the entry's text with the keys as they are meant comes back too.
fn strictly<'t, T: Deserialize<'t>>(
    text: &'t str,
    known: &[&'static str],
) -> Result<(T, &'t str, Option<String>), ReadStop> {
    let Ok((fields, raw)) = first::<Map<String, Value>>(text) else {
        return first(text).map(|(value, raw)| (value, raw, None));
    };
    let (mut meant_so, mut renamed) = (Map::new(), false);
    for (key, value) in &fields {
        let name = match meant(key, known) {
            Meant::Is(name) => name,
            Meant::Nearly(near) if !has(&fields, near) => {
                return Err(ReadStop::Here(deciding::nearly("key", key, near)));
            }
            Meant::Nearly(_) | Meant::Attribute => key.as_str(),
        };
        renamed |= name != key;
        if meant_so.insert(name.to_owned(), value.clone()).is_some() {
            return Err(ReadStop::Here(format!("the key {name:?} appears twice in one object, in other letters")));
        }
    }
    if !renamed {
        let (value, raw) = first(text)?;
        first::<Unique>(text)?;
        return Ok((value, raw, None));
    }
    first::<Unique>(text)?;
    let meant_so = Value::Object(meant_so);
    let record = meant_so.to_string();
    let value = T::deserialize(meant_so).map_err(|error| ReadStop::Here(error.to_string()))?;
    Ok((value, raw, Some(record)))
}

/// Whether one of these keys is meant to be `name`.
fn has(fields: &Map<String, Value>, name: &'static str) -> bool {
    fields.keys().any(|key| meant(key, &[name]) == Meant::Is(name))
}

/// A value that is there, even if it is `null`.
#[allow(clippy::option_option, reason = "absent and null are two things here")]
fn shown<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<bool>>, D::Error> {
    Option::<bool>::deserialize(deserializer).map(Some)
}

fn as_it_is(text: &str) -> Text<'_> {
    Text(Cow::Borrowed(text))
}

fn yes() -> bool {
    true
}

impl DocumentVisitor for Taken<'_> {
    fn users(&mut self, window: &mut Window) -> Result<(), FileFault> {
        let Self { reading, entries, .. } = self;
        let list = reading.open_list("users");
        let (mut count, mut shows_active, mut shows_suspended) = (0, false, false);
        entries.list("users");
        window.list("users", |text| {
            let (user, raw, meant_so) = FileUser::first(text)?;
            let record = meant_so.as_deref().unwrap_or(raw);
            let id = user.id.as_ref();
            if id.is_empty() {
                return Err(ReadStop::Here("this user's id is empty".to_owned()));
            }
            let standing =
                if user.active == Some(Some(false)) { LifecycleStatus::Suspended } else { LifecycleStatus::Active };
            shows_active |= user.active == Some(Some(true));
            shows_suspended |= user.active == Some(Some(false));
            let entry = UserEntry { id, record, standing, direct: user.assigned };
            let Some(ix) = reading.new_user(entry) else {
                return Err(ReadStop::Here(format!("the id {id:?} appears twice in this file")));
            };
            if user.active == Some(None) {
                reading.odd_user(ix, "the file says `\"active\": null`");
            }
            count += 1;
            entries.entry(raw);
            Ok(raw.len())
        })?;
        // Where only suspended users have the key, a user without it is an active one; where others have it, its absence says nothing.
        if shows_active {
            reading.saw_sign(&ACTIVE);
        } else if shows_suspended {
            reading.still_has_sign(&ACTIVE);
        }
        reading.received(list, count);
        reading.close_list(list, None);
        Ok(())
    }

    fn groups(&mut self, window: &mut Window) -> Result<(), FileFault> {
        let Self { reading, entries, unknown } = self;
        let list = reading.open_list("groups");
        let mut count = 0;
        entries.list("groups");
        window.list("groups", |text| {
            let (group, raw) = JsonGroup::first(text)?;
            let id = group.id.as_ref();
            if id.is_empty() || reading.find_group(id).is_some() {
                return Err(ReadStop::Here(format!("the group id {id:?} is empty or appears twice in this file")));
            }
            let entry = GroupEntry {
                id,
                name: group.name.as_ref().map_or("", |name| &name.0),
                record: "{}",
                assigned: group.assigned,
            };
            let ix = reading.group(entry);
            if reading.members(ix, &group.members) > 0 && unknown.len() < PLACES {
                let members =
                    group.members.iter().map(AsRef::<str>::as_ref).filter(|id| reading.find_user(id).is_none());
                unknown.extend(members.take(PLACES).map(|id| (ix, id.to_owned())));
            }
            count += 1;
            entries.entry(raw);
            Ok(raw.len())
        })?;
        reading.received(list, count);
        reading.close_list(list, None);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A value as files have it, or nearly.
    fn value() -> impl Strategy<Value = String> {
        let text = prop_oneof![
            4 => "\"[a-zé ,:{}\\[\\]]{0,3}\"",
            1 => Just("\"a\\\"b\"".to_owned()),
            1 => Just("\"\\u00e9\"".to_owned()),
            1 => Just("\"a\nb\"".to_owned()),
        ];
        let list = proptest::collection::vec(text.clone(), 0..4).prop_map(|texts| format!("[{}]", texts.join(" ,")));
        let word =
            prop_oneof![Just("true"), Just("false"), Just("null"), Just("truth"), Just("1"), Just("{}"), Just("[1]")];
        prop_oneof![4 => text, 4 => list, 1 => word.prop_map(str::to_owned)]
    }

    /// An object that is a person or a group, or nearly.
    fn object() -> impl Strategy<Value = String> {
        let key = prop_oneof![
            Just("id"),
            Just("name"),
            Just("members"),
            Just("active"),
            Just("assigned"),
            Just("i\\u0064"),
            Just("other"),
        ];
        let fields = proptest::collection::vec((key, value(), "[ \n\t]{0,1}"), 0..5);
        (0..4usize, fields).prop_map(|(usual, fields)| {
            // Most of what is made at random lacks what every group has.
            let usual = ["\"id\":\"g\"", "\"name\": \"G\""].into_iter().take(usual).map(str::to_owned);
            let fields =
                fields.into_iter().map(|(key, value, blank)| format!("\"{key}\"{blank}:{blank}{value}{blank}"));
            format!("{{{}}}", usual.chain(fields).collect::<Vec<_>>().join(","))
        })
    }

    proptest! {
        #[test]
        fn the_quick_way_takes_nothing_that_the_parser_would_not(
            text in object(), cut in 0..150usize, rest in "[,\\]} ]{0,2}",
        ) {
            let cut_off = text.char_indices().nth(cut).map_or(text.as_str(), |(at, _)| &text[..at]);
            for text in [format!("{text}{rest}"), cut_off.to_owned()] {
                if let Some(quick) = FileUser::quick(&text) {
                    let strict = strictly::<FileUser<'_>>(&text, &deciding::OF_USERS).ok();
                    prop_assert_eq!(strict.map(|(user, raw, _)| (user, raw)), Some(quick));
                }
                if let Some(quick) = JsonGroup::quick(&text) {
                    let strict = strictly::<JsonGroup<'_>>(&text, &deciding::OF_GROUPS).ok();
                    prop_assert_eq!(strict.map(|(group, raw, _)| (group, raw)), Some(quick));
                }
            }
        }
    }

    #[test]
    fn ordinary_people_and_groups_go_the_quick_way() {
        for text in [
            r#"{"id":"g","name":"Équipe","members":["a","b"]}, {"id""#,
            "{\n  \"name\": \"G\",\n  \"mail\": \"g@x.test\",\n  \"id\": \"g\",\n  \"assigned\": false,\n  \"members\": [\n ]\n}",
            r#"{"id":"g","name":"G","active":true,"emails":["a@x.test"]}"#,
        ] {
            assert_eq!(JsonGroup::quick(text).unwrap(), first::<JsonGroup<'_>>(text).ok().unwrap());
            assert_eq!(FileUser::quick(text).unwrap(), first::<FileUser<'_>>(text).ok().unwrap());
        }
    }
}
