//! The JSON document. In: a file. Out: entries in a reading, or the place of the first fault.

use std::io::{BufReader, Read as _};
use std::path::Path;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::super::{GroupEntry, GroupIx, Reading, SourceError, UserEntry};
use super::entries::{FileUser, JsonGroup};
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
