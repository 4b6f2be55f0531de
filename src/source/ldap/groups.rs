//! The groups of one reading. In: their entries and the people already read. Out: groups and members in the [`Reading`].
//!
//! Members are found by name (`member`, `uniqueMember`), by `uid` (`memberUid`), and in Active Directory by the primary group
//! of each person, which no member list shows. A member that is a group is reported as one; a name that leads nowhere is
//! reported as the group gives it, and in the form in which names of people are compared ([`Roster::names`]). Where a member could be two people, or the list can't be trusted, the group's
//! members count as unread.

use std::collections::HashMap;

use super::connection::Connection;
use super::entry::LdapEntry;
use super::layout::{LdapLayout, is_by_uid};
use super::people::{self, Owner, Roster};
use super::range::{self, Pieces, RangeStep};
use super::{dn, people::search};
use crate::config::directory::ldap::LdapPreset;
use crate::progress::Progress;
use crate::source::members::Spared;
use crate::source::{GroupEntry, GroupIx, Reading, SourceError};

/// How often a long member list is begun again when it changes while it is read.
const ATTEMPTS: usize = 3;

/// The classes that need a member in OpenLDAP, and where it stands (RFC 4519 §3.5, §3.6).
const NEVER_EMPTY: [(&str, &str); 2] = [("groupOfNames", "member"), ("groupOfUniqueNames", "uniqueMember")];

/// Reads every group into `reading`.
pub(super) async fn read(
    connection: &mut Connection,
    layout: &LdapLayout,
    roster: &Roster,
    reading: &mut Reading,
    progress: &dyn Progress,
) -> Result<(), SourceError> {
    progress.stage("reading groups", None);
    let list = reading.open_list("groups");
    let mut groups =
        GroupReader { layout, roster, reading, by_dn: HashMap::new(), pending: Vec::new(), long: Vec::new() };
    let filter = layout.with_aliases(&layout.group_filter);
    let search = search("groups", &layout.group_base, &filter, &layout.group_attributes);
    let found =
        connection.pages(search, layout.page_size, |entry| groups.take(entry), |came| progress.advance(came)).await?;
    let long_lists = std::mem::take(&mut groups.long);
    let mut spared = Spared::of(long_lists.len());
    for long in long_lists {
        match groups.read_long_list(connection, &long).await {
            Err(error) if !is_about_the_group(&error) => return Err(error),
            answer => {
                if let Err(why) = spared.take(&long.dn, answer)? {
                    groups.reading.members_unread(long.group, why);
                }
            }
        }
    }
    spared.done()?;
    groups.settle();
    for (person, name) in roster.names() {
        reading.known_as(person, name);
    }
    reading.received(list, found.entries);
    reading.close_list(list, None);
    Ok(())
}

/// Whether the server answered the question about one group with a refusal of its own. A connection that broke or an answer that breaks the
/// protocol says nothing of the group.
fn is_about_the_group(error: &SourceError) -> bool {
    matches!(error, SourceError::Forbidden(_) | SourceError::Settings(_) | SourceError::Unavailable(_))
}

/// A member list that came in pieces.
#[derive(Debug)]
struct Long {
    group: GroupIx,
    dn: String,
    attribute: String,
}

struct GroupReader<'a> {
    layout: &'a LdapLayout,
    roster: &'a Roster,
    reading: &'a mut Reading,
    by_dn: HashMap<Box<str>, GroupIx>,
    /// Members that are no people: the name as it was given, and in the form in which it is compared.
    pending: Vec<(GroupIx, Box<str>, Box<str>)>,
    long: Vec<Long>,
}

impl GroupReader<'_> {
    /// Takes one entry; whether its name is new.
    fn take(&mut self, entry: LdapEntry) -> Result<bool, SourceError> {
        let group = self.add(&entry)?;
        let mut key = String::new();
        people::key_of(&entry, &mut key)?;
        match self.by_dn.insert(key.into(), group) {
            None => {}
            // The same entry again: pages may shift.
            Some(known) if known == group => return Ok(false),
            Some(_) => return Err(SourceError::Malformed(format!("two groups are called {:?}", entry.dn))),
        }
        self.primary_members(group, &entry);
        if let Some((class, attribute)) = hidden_members(self.layout, &entry) {
            self.reading.members_unread(group, format!("no `{attribute}` is visible, yet every {class} has one"));
        }
        let dn = entry.dn.clone();
        for (description, values) in entry.into_attributes() {
            let ranged = range::parse(&description);
            let attribute = ranged.map_or(description.as_str(), |range| range.attribute);
            if !self.layout.members.iter().any(|name| name.eq_ignore_ascii_case(attribute)) {
                continue;
            }
            match ranged {
                Some(_) => self.long.push(Long { group, dn: dn.clone(), attribute: attribute.to_owned() }),
                None => self.members(group, attribute, &values),
            }
        }
        Ok(true)
    }

    fn add(&mut self, entry: &LdapEntry) -> Result<GroupIx, SourceError> {
        let id = people::id_of(entry, self.layout)?;
        let name = entry.leading(&self.layout.group_name).and_then(|name| std::str::from_utf8(name).ok());
        // One group without a name stops nobody: it keeps whom it had. Many are a failed reading.
        let name = name.unwrap_or_default();
        let mut record = String::new();
        entry.write_record(&id, &self.layout.group_wanted, &mut record);
        Ok(self.reading.group(GroupEntry { id: &id, name, record: &record, assigned: true }))
    }

    fn primary_members(&mut self, group: GroupIx, entry: &LdapEntry) {
        for sid in entry.values("objectSid") {
            for person in self.roster.of_primary_group(sid) {
                self.reading.member_user(group, person);
            }
        }
    }

    fn members(&mut self, group: GroupIx, attribute: &str, values: &[Vec<u8>]) {
        let mut key = String::new();
        for value in values {
            let Ok(name) = std::str::from_utf8(value) else {
                self.reading.members_unread(group, format!("a value of `{attribute}` is no text"));
                continue;
            };
            let owner = if is_by_uid(attribute) {
                self.roster.by_uid.get(name.trim())
            } else {
                key.clear();
                dn::normalise_into(dn::without_uid(name), &mut key).and_then(|()| self.roster.by_dn.get(&key))
            };
            match owner {
                Some(Owner::One(place)) => {
                    if let Some(person) = self.roster.person(place) {
                        self.reading.member_user(group, person);
                    }
                }
                Some(Owner::Several) => {
                    self.reading.members_unread(group, format!("its member {name:?} could be several users"));
                }
                None => {
                    let compared = if is_by_uid(attribute) || key.is_empty() { name.trim() } else { &key };
                    self.pending.push((group, name.into(), compared.into()));
                }
            }
        }
    }

    /// Members that are no people are groups, now that all are known, or their names lead nowhere.
    fn settle(&mut self) {
        for (group, name, key) in std::mem::take(&mut self.pending) {
            match self.by_dn.get(&key).copied() {
                Some(sub) => self.reading.member_group(group, sub),
                None => self.reading.dangling_member(group, &name, &key),
            }
        }
    }

    /// Reads a list that came in pieces, from its beginning.
    async fn read_long_list(&mut self, connection: &mut Connection, long: &Long) -> Result<(), SourceError> {
        for _ in 0..ATTEMPTS {
            if let Some(values) = self.try_long_list(connection, long).await? {
                self.members(long.group, &long.attribute, &values);
                return Ok(());
            }
        }
        self.reading.members_unread(long.group, format!("its member list changed {ATTEMPTS} times while it was read"));
        Ok(())
    }

    /// `None` if the list changed on the way.
    async fn try_long_list(
        &mut self,
        connection: &mut Connection,
        long: &Long,
    ) -> Result<Option<Vec<Vec<u8>>>, SourceError> {
        let mut pieces = Pieces::default();
        loop {
            let attributes = [pieces.question(&long.attribute)];
            let mut search = search("members", &long.dn, "(objectClass=*)", &attributes);
            search.scope = ldap3::Scope::Base;
            let mut step = None;
            connection
                .unpaged(search, 1, |entry| {
                    step = entry.into_attributes().find_map(|(description, values)| {
                        let range = range::parse(&description)?;
                        range.attribute.eq_ignore_ascii_case(&long.attribute).then(|| pieces.take(range, values))
                    });
                    Ok(())
                })
                .await?;
            match step {
                Some(Ok(RangeStep::More)) => connection.bounds_list(&long.dn, pieces.bytes())?,
                Some(Ok(RangeStep::Whole)) => return Ok(Some(pieces.into_values())),
                Some(Err(range::Shifted)) | None => return Ok(None),
            }
        }
    }
}

/// The class that needs a member the entry does not show: the credential may not read it.
///
/// Only OpenLDAP insists on a member; the others let such a group be empty.
fn hidden_members(layout: &LdapLayout, entry: &LdapEntry) -> Option<(&'static str, &'static str)> {
    if layout.preset != LdapPreset::OpenLdap {
        return None;
    }
    let classes = entry.values("objectClass");
    let has = |class: &str| classes.iter().any(|known| known.eq_ignore_ascii_case(class.as_bytes()));
    let asked = |attribute: &str| layout.members.iter().any(|name| name.eq_ignore_ascii_case(attribute));
    NEVER_EMPTY
        .into_iter()
        .find(|(class, attribute)| has(class) && asked(attribute) && entry.values(attribute).is_empty())
}
