//! The people of one reading. In: their entries. Out: people in the [`Reading`], and an index by which groups find them.
//!
//! People are handed over only when all are read: a manager's id is known no earlier. Until then their records lie in a
//! few large blocks, each given back as soon as its people are handed over.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::connection::{Connection, LdapSearch};
use super::entry::{self, LdapEntry, ValueEncoding};
use super::layout::LdapLayout;
use super::{binary, dn, standing};
use crate::model::{LifecycleStatus, StatusSign};
use crate::progress::Progress;
use crate::source::{Reading, SourceError, UserEntry, UserIx};

/// Bytes of one block of records.
const BLOCK_BYTES: usize = 4 << 20;

/// Whom a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The person at this place in the order of reading.
    One(usize),
    /// Several people: the name says nothing.
    Several,
}

/// Names and whom they lead to.
#[derive(Debug, Default)]
pub(super) struct NameTable(HashMap<Box<str>, Owner>);

impl NameTable {
    fn insert(&mut self, name: &str, place: usize) {
        match self.0.get_mut(name) {
            Some(owner) if *owner == Owner::One(place) => {}
            Some(owner) => *owner = Owner::Several,
            None => drop(self.0.insert(name.into(), Owner::One(place))),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<Owner> {
        self.0.get(name).copied()
    }
}

/// How long a person's parts in a block are: the record, and after it the manager's name in canonical form (if any).
#[derive(Debug, Clone, Copy)]
struct PackedUser {
    record: usize,
    manager: usize,
    standing: LifecycleStatus,
}

/// Ids in the order of reading.
#[derive(Debug, Default)]
struct EntryIds {
    text: String,
    ends: Vec<usize>,
}

impl EntryIds {
    fn push(&mut self, id: &str) {
        self.text.push_str(id);
        self.ends.push(self.text.len());
    }

    fn get(&self, place: usize) -> Option<&str> {
        let start = place.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(start..*self.ends.get(place)?)
    }
}

/// People under way.
struct UserReader<'a> {
    layout: &'a LdapLayout,
    now: Timestamp,
    /// Ids that the operator's own filter found suspended.
    suspended: HashSet<Box<str>>,
    blocks: Vec<(String, Vec<PackedUser>)>,
    ids: EntryIds,
    /// Which signs of suspension some entry showed.
    signs: Vec<StatusSign>,
    by_dn: NameTable,
    by_uid: NameTable,
    by_primary_group: HashMap<Box<[u8]>, Vec<usize>>,
    key: String,
}

/// Everybody, handed over.
#[derive(Debug)]
pub(super) struct Roster {
    people: Vec<UserIx>,
    /// By the canonical form of their names.
    pub(super) by_dn: NameTable,
    /// By `uid`, as it is written: POSIX user names know case.
    pub(super) by_uid: NameTable,
    by_primary_group: HashMap<Box<[u8]>, Vec<usize>>,
}

impl Roster {
    pub(super) fn person(&self, place: usize) -> Option<UserIx> {
        self.people.get(place).copied()
    }

    /// The names under which groups may have people as members, in the form in which they are compared.
    pub(super) fn names(&self) -> impl Iterator<Item = (UserIx, &str)> {
        let names = self.by_dn.0.iter().chain(&self.by_uid.0);
        names.filter_map(|(name, owner)| match owner {
            Owner::One(place) => Some((self.person(*place)?, &**name)),
            Owner::Several => None,
        })
    }

    /// The people whose primary group has this security identifier.
    pub(super) fn of_primary_group(&self, sid: &[u8]) -> impl Iterator<Item = UserIx> {
        self.by_primary_group.get(sid).into_iter().flatten().filter_map(|place| self.person(*place))
    }
}

/// Reads everybody into `reading`.
pub(super) async fn read(
    connection: &mut Connection,
    layout: &LdapLayout,
    now: Timestamp,
    reading: &mut Reading,
    progress: &dyn Progress,
) -> Result<Roster, SourceError> {
    let suspended = read_suspended(connection, layout, reading).await?;
    progress.stage("reading users", None);
    let list = reading.open_list("users");
    let mut people = UserReader::new(layout, now, suspended);
    let filter = layout.with_aliases(&layout.user_filter);
    let search = search("users", &layout.user_base, &filter, &layout.user_attributes);
    let found =
        connection.pages(search, layout.page_size, |entry| people.take(&entry), |came| progress.advance(came)).await?;
    reading.received(list, found.entries);
    reading.close_list(list, None);
    Ok(people.hand_over(reading))
}

/// The ids of the people whom `suspended_filter` finds: the server judges it, so it means what it means everywhere else.
async fn read_suspended(
    connection: &mut Connection,
    layout: &LdapLayout,
    reading: &mut Reading,
) -> Result<HashSet<Box<str>>, SourceError> {
    let mut ids = HashSet::new();
    let Some(filter) = &layout.suspended_filter else { return Ok(ids) };
    let list = reading.open_list("suspended users");
    let filter = format!("(&{}{filter})", layout.user_filter);
    let attributes = [layout.id.clone()];
    let search = search("suspended users", &layout.user_base, &filter, &attributes);
    let visit = |entry: LdapEntry| Ok(ids.insert(id_of(&entry, layout)?.into()));
    let found = connection.pages(search, layout.page_size, visit, |_| ()).await?;
    if let Some(filter) = layout.suspended_filter.as_ref().filter(|_| !ids.is_empty()) {
        reading.saw_sign(&StatusSign::named(format!("suspended_filter {filter}")));
    }
    reading.received(list, found.entries);
    reading.close_list(list, None);
    Ok(ids)
}

/// A search of a whole subtree.
pub(super) fn search<'a>(what: &'a str, base: &'a str, filter: &'a str, attributes: &'a [String]) -> LdapSearch<'a> {
    LdapSearch { what, base, scope: ldap3::Scope::Subtree, filter, attributes }
}

/// The immutable id of an entry.
///
/// # Errors
/// When it does not show exactly one: nobody is skipped in silence.
pub(super) fn id_of(entry: &LdapEntry, layout: &LdapLayout) -> Result<String, SourceError> {
    let id = match entry.values(&layout.id) {
        [] => {
            let why = format!("`{}` of {} (or it has none): without an id no user can be linked", layout.id, entry.dn);
            return Err(SourceError::Forbidden(why));
        }
        [value] if layout.id_form == ValueEncoding::Text => std::str::from_utf8(value).map(str::to_owned).ok(),
        [value] => Some(layout.id_form.write(value).into_owned()),
        _ => None,
    };
    id.filter(|id| !id.is_empty())
        .ok_or_else(|| SourceError::Settings(format!("`{}` of {} can't serve as its id", layout.id, entry.dn)))
}

/// The canonical form of an entry's own name.
pub(super) fn key_of(entry: &LdapEntry, key: &mut String) -> Result<(), SourceError> {
    key.clear();
    dn::normalise_into(&entry.dn, key)
        .ok_or_else(|| SourceError::Malformed(format!("{:?} is no distinguished name (RFC 4514)", entry.dn)))
}

impl<'a> UserReader<'a> {
    fn new(layout: &'a LdapLayout, now: Timestamp, suspended: HashSet<Box<str>>) -> Self {
        Self {
            layout,
            now,
            suspended,
            blocks: Vec::new(),
            ids: EntryIds::default(),
            signs: Vec::new(),
            by_dn: NameTable::default(),
            by_uid: NameTable::default(),
            by_primary_group: HashMap::new(),
            key: String::new(),
        }
    }

    /// Takes one entry; whether its name is new.
    fn take(&mut self, entry: &LdapEntry) -> Result<bool, SourceError> {
        let id = id_of(entry, self.layout)?;
        standing::note_signs(self.layout.preset, entry, &mut self.signs);
        let mut standing = standing::standing(self.layout.preset, entry, self.now)?;
        if self.suspended.contains(id.as_str()) {
            standing = LifecycleStatus::Suspended;
        }
        key_of(entry, &mut self.key)?;
        let place = match self.by_dn.get(&self.key) {
            // The same entry again: pages may shift. The reading compares the two.
            Some(Owner::One(known)) if self.ids.get(known) == Some(&id) => {
                self.store(entry, &id, standing);
                return Ok(false);
            }
            _ => self.ids.ends.len(),
        };
        self.by_dn.insert(&self.key, place);
        if self.layout.has_members_by_uid() {
            for uid in entry.values("uid").iter().filter_map(|uid| std::str::from_utf8(uid).ok()) {
                self.by_uid.insert(uid.trim(), place);
            }
        }
        self.note_primary_group(entry, place)?;
        self.store(entry, &id, standing);
        Ok(true)
    }

    /// Membership in the primary group is written nowhere but in `primaryGroupID`.
    fn note_primary_group(&mut self, entry: &LdapEntry, place: usize) -> Result<(), SourceError> {
        let Some(text) = entry.text("primaryGroupID") else { return Ok(()) };
        let odd = || SourceError::Malformed(format!("`primaryGroupID` of {} is {text:?}", entry.dn));
        let relative_id = text.parse().map_err(|_| odd())?;
        let [sid] = entry.values("objectSid") else {
            let why = format!("`objectSid` of {}: without it the primary group is unknown", entry.dn);
            return Err(SourceError::Forbidden(why));
        };
        let group = binary::sid_in_same_domain(sid, relative_id).ok_or_else(odd)?;
        self.by_primary_group.entry(group).or_default().push(place);
        Ok(())
    }

    fn store(&mut self, entry: &LdapEntry, id: &str, standing: LifecycleStatus) {
        if self.blocks.last().is_none_or(|(text, _)| text.len() > BLOCK_BYTES) {
            self.blocks.push((String::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 64), Vec::new()));
        }
        let Some((text, rows)) = self.blocks.last_mut() else { return };
        let start = text.len();
        entry.write_record(id, &self.layout.user_wanted, text);
        let record = text.len() - start;
        if let Some(manager) = entry.text(entry::MANAGER) {
            // A manager that is no name leads to nobody; the record shows it all the same.
            let _ = dn::normalise_into(manager, text);
        }
        let manager = text.len() - start - record;
        rows.push(PackedUser { record, manager, standing });
        self.ids.push(id);
    }

    /// Hands everybody over, in the order of reading.
    fn hand_over(self, reading: &mut Reading) -> Roster {
        for sign in &self.signs {
            reading.saw_sign(sign);
        }
        let mut people = Vec::with_capacity(self.ids.ends.len());
        let mut managed = String::new();
        for (text, rows) in self.blocks {
            let mut rest = text.as_str();
            for PackedUser { record, manager, standing } in rows {
                let (mut record, after) = rest.split_at(record);
                let (manager, after) = after.split_at(manager);
                rest = after;
                if let Some(Owner::One(place)) = self.by_dn.get(manager)
                    && let Some(id) = self.ids.get(place)
                {
                    managed.clear();
                    entry::with_member(record, entry::MANAGER, id, &mut managed);
                    record = &managed;
                }
                let id = self.ids.get(people.len()).unwrap_or_default();
                people.push(reading.user(UserEntry { id, record, standing, direct: false }));
            }
        }
        let Self { by_dn, by_uid, by_primary_group, .. } = self;
        Roster { people, by_dn, by_uid, by_primary_group }
    }
}
