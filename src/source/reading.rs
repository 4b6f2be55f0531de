//! A reading under way. In: pages of people, groups and members. Out: a [`Snapshot`], if and only if it proves complete.

use std::collections::{BTreeSet, HashMap};

use super::Snapshot;
use super::entry::{GroupEntry, UserEntry};
use super::ids::NotNew;
use super::snapshot::{DanglingMember, GroupIx, SnapshotBuilder, SnapshotGroup, UserIx, id_hash};
use crate::http::Spellings;
use crate::model::bounds::{self, LONGEST_NAME};
use crate::model::{ContentMark, LifecycleStatus, SourceId, StatusSign};

/// So many odd entries may be single mistakes, or a tenth of all if that is more.
const A_FEW_ODD: usize = 3;

/// A list that the source is paging through; to be closed, or the reading is incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListId(usize);

#[derive(Debug)]
struct OpenList {
    what: String,
    received: u64,
    announced: Option<u64>,
    closed: bool,
}

/// Why a reading that ended without an error still can't be trusted. Nothing is changed in the app on the word of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// A list was never read to its end.
    #[error("the reading is incomplete: the list of {what} was not read to its end ({received} received)")]
    Open {
        /// What the list holds.
        what: String,
        /// How many entries had come.
        received: u64,
    },
    /// The directory itself says that it stopped early: a limit, a lost page.
    #[error("the reading is incomplete: the list of {what} stopped after {received} at {why}")]
    Cut {
        /// What the list holds.
        what: String,
        /// How many entries had come.
        received: u64,
        /// What stopped it, and what to do about it.
        why: String,
    },
    /// A part of what was asked for is kept elsewhere and was not read.
    #[error(
        "the reading is incomplete: beside {received} {what}, the directory names {places} {} below {base:?} that it does not show \
         itself (first: {first}); references and aliases are not followed, because that would carry the credential to another \
         server, so every user there would look absent; nothing was planned from this reading, and no user is taken for absent",
        if *places == 1 { "place" } else { "places" }
    )]
    Elsewhere {
        /// What the list holds.
        what: String,
        /// Below which name.
        base: String,
        /// How many entries came.
        received: u64,
        /// How many places were left out.
        places: u64,
        /// The first of them, as the directory names it.
        first: String,
    },
    /// The directory announced another number than it delivered.
    #[error("the reading is incomplete: the directory announced {announced} {what} and delivered {received}")]
    Count {
        /// What the list holds.
        what: String,
        /// How many were announced.
        announced: u64,
        /// How many different ones came.
        received: u64,
    },
    /// There was nobody: the commonest shape of a lost permission.
    #[error("the directory shows no users at all: a token that lost its rights looks just like this")]
    Nobody,
    /// A sentinel was not among what was read.
    #[error("the sentinel {0:?} is not visible in the directory: this credential may no longer see everything")]
    Sentinel(String),
    /// One id came with two different records.
    #[error("the directory shows the id {id:?} twice with different records")]
    Twice {
        /// The id.
        id: String,
    },
    /// A record repeats the credential by which the directory is read.
    #[error(
        "the directory's record of {id:?} holds the credential of this tenant, so nothing of this reading is kept: take it out of the record \
         there, and change it"
    )]
    Echo {
        /// Whose record, as far as it may be shown.
        id: String,
    },
    /// So many entries do not say what each has to say that it is the directory, or a missing right, and no single entry.
    #[error(
        "{count} of {of} {what} are malformed, which is too many to be single mistakes; the first is {first}. A setting that does \
         not fit (such as `group_name` of [source.ldap]) or a right that was lost looks like this"
    )]
    Odd {
        /// What they are.
        what: &'static str,
        /// How many.
        count: usize,
        /// Of how many.
        of: usize,
        /// One of them, and what is odd.
        first: String,
    },
    /// An id that no directory has.
    #[error("the directory shows an id of {bytes} bytes, and at most {most} are accepted: {begins:?}", most = LONGEST_NAME)]
    LongId {
        /// How it begins.
        begins: String,
        /// How long it is.
        bytes: usize,
    },
    /// More than the compact numbers can hold.
    #[error("the directory is larger than one tenant can be: {0}")]
    TooLarge(&'static str),
}

/// Collects what a source reads. Only [`Reading::finish`] makes a [`Snapshot`] of it, and only from a complete one.
#[derive(Debug, Default)]
pub struct Reading {
    store: SnapshotBuilder,
    lists: Vec<OpenList>,
    /// Members that were no person when they came: groups, or ids that lead nowhere. Sorted out at the end.
    unresolved: Vec<(GroupIx, Box<str>)>,
    /// Members of whom the reader itself knows that their names lead nowhere.
    dangling: Vec<DanglingMember>,
    /// Where in a file names are written that may lead nowhere.
    places: HashMap<(GroupIx, Box<str>), Box<str>>,
    first_fault: Option<Incomplete>,
    mark: Option<ContentMark>,
    application: Option<String>,
    signs: BTreeSet<StatusSign>,
    kept_signs: BTreeSet<StatusSign>,
    odd: Vec<(UserIx, Box<str>)>,
    /// The credential by which the directory is read.
    credential: Option<Spellings>,
}

impl Reading {
    /// A reading of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks for a credential in every record from here on: one that holds it would carry it into names, logs and the app.
    pub(super) fn guard_against(&mut self, credential: Spellings) {
        self.credential = Some(credential);
    }

    fn look_for_credential(&mut self, id: &str, record: &str) {
        let Some(credential) = &self.credential else { return };
        if credential.are_told_in(record.as_bytes()) || credential.are_told_in(id.as_bytes()) {
            let id = credential.redact(id.to_owned());
            self.fault(Incomplete::Echo { id });
        }
    }

    /// Opens a list that is read page by page. `what` names it in messages: `users`, `members of group 5f2b…`.
    pub fn open_list(&mut self, what: impl Into<String>) -> ListId {
        self.lists.push(OpenList { what: what.into(), received: 0, announced: None, closed: false });
        ListId(self.lists.len() - 1)
    }

    /// Counts `n` entries received for a list.
    pub fn received(&mut self, list: ListId, n: u64) {
        if let Some(list) = self.lists.get_mut(list.0) {
            list.received += n;
        }
    }

    /// The list came to its proper end; `announced` is the total the directory gave, if it gives one.
    pub fn close_list(&mut self, list: ListId, announced: Option<u64>) {
        if let Some(list) = self.lists.get_mut(list.0) {
            list.announced = announced;
            list.closed = true;
        }
    }

    /// Takes a person over. The same record twice (pages that shifted) is folded; two records for one id is a fault.
    pub fn user(&mut self, entry: UserEntry<'_>) -> UserIx {
        self.add_user(entry).unwrap_or_else(|ix| {
            if self.store.record(ix) != entry.record || self.store.standing(ix) != entry.standing {
                self.fault(Incomplete::Twice { id: entry.id.to_owned() });
            }
            ix
        })
    }

    /// As [`Reading::user`], where nobody may come twice; `None` if the id has come before.
    pub fn new_user(&mut self, entry: UserEntry<'_>) -> Option<UserIx> {
        self.add_user(entry).ok()
    }

    fn add_user(&mut self, entry: UserEntry<'_>) -> Result<UserIx, UserIx> {
        self.judge_id(entry.id);
        self.look_for_credential(entry.id, entry.record);
        self.store.add_user(entry).or_else(|not_new| match not_new {
            NotNew::Known(ix) => Err(UserIx(ix)),
            NotNew::Full => {
                self.fault(Incomplete::TooLarge("more than 4 billion bytes of ids, or people"));
                Ok(UserIx(0))
            }
        })
    }

    /// The person with this id, if already read.
    pub fn find_user(&self, id: &str) -> Option<UserIx> {
        self.store.find_user(id)
    }

    /// The group with this id, if already read.
    pub fn find_group(&self, id: &str) -> Option<GroupIx> {
        self.store.find_group(id)
    }

    /// What was read of a person's account.
    pub fn standing(&self, user: UserIx) -> LifecycleStatus {
        self.store.standing(user)
    }

    /// Takes a group over; members follow. A group that comes twice is a fault unless it is the same in name.
    pub fn group(&mut self, entry: GroupEntry<'_>) -> GroupIx {
        self.judge_id(entry.id);
        self.look_for_credential(entry.id, entry.name);
        self.look_for_credential(entry.id, entry.record);
        let row = SnapshotGroup {
            id: SourceId::new(entry.id),
            name: entry.name.into(),
            record: entry.record.into(),
            assigned: entry.assigned,
            unread: None,
            members: Vec::new(),
            subgroups: Vec::new(),
        };
        match self.store.add_group(row) {
            Ok(ix) => ix,
            Err(NotNew::Known(ix)) => {
                if self.store.groups.get(ix as usize).is_some_and(|row| row.name.as_ref() != entry.name) {
                    self.fault(Incomplete::Twice { id: entry.id.to_owned() });
                }
                GroupIx(ix)
            }
            Err(NotNew::Full) => {
                self.fault(Incomplete::TooLarge("more than 4 billion bytes of ids, or groups"));
                GroupIx(0)
            }
        }
    }

    /// Adds a member by id: a person already read, or else a group or an id that leads nowhere, told apart at the end.
    pub fn member(&mut self, group: GroupIx, id: &str) {
        self.members(group, &[id]);
    }

    /// Adds many members by id; faster than one by one.
    /// Says how many of them are no people read so far.
    pub fn members<T: AsRef<str>>(&mut self, group: GroupIx, ids: &[T]) -> usize {
        let Some(row) = self.store.groups.get_mut(group.0 as usize) else { return 0 };
        let before = self.unresolved.len();
        row.members.reserve(ids.len());
        self.store.user_ids.settle();
        self.store.user_ids.find_all(ids, |id, user| match user {
            Some(user) => row.members.push(UserIx(user)),
            None => self.unresolved.push((group, id.into())),
        });
        self.unresolved.len() - before
    }

    /// Adds a name by which a group has a member and that leads to no user and no group, as the reader found out. `canonical` is the form in
    /// which such names are compared: what [`Reading::known_as`] says of the user who had the name before.
    pub fn dangling_member(&mut self, group: GroupIx, name: &str, canonical: &str) {
        self.dangling.push(DanglingMember { group, name: name.into(), hash: id_hash(canonical), place: None });
    }

    /// Notes a name by which groups may have a user as a member, in the form in which such names are compared. Not needed where members are named
    /// by their ids. A user may have several.
    pub fn known_as(&mut self, user: UserIx, canonical: &str) {
        self.store.names.push((user, id_hash(canonical)));
    }

    /// Notes where in a file a member's name is written, for the message in case that it leads nowhere.
    pub fn written_at(&mut self, group: GroupIx, name: &str, place: String) {
        self.places.insert((group, name.into()), place.into());
    }

    /// Adds a member that is a person already read.
    pub fn member_user(&mut self, group: GroupIx, user: UserIx) {
        if let Some(row) = self.store.groups.get_mut(group.0 as usize) {
            row.members.push(user);
        }
    }

    /// Adds a group as a member of another.
    pub fn member_group(&mut self, group: GroupIx, sub: GroupIx) {
        if let Some(row) = self.store.groups.get_mut(group.0 as usize) {
            row.subgroups.push(sub);
        }
    }

    /// The group's members could not be read (or can't be trusted): it still holds whom it held. `why` is shown.
    pub fn members_unread(&mut self, group: GroupIx, why: impl Into<String>) {
        if let Some(row) = self.store.groups.get_mut(group.0 as usize) {
            row.unread = Some(why.into().into());
        }
    }

    /// Notes that the directory showed a sign by which users count as active or suspended: for every record that has it, whatever it says. One
    /// that the last accepted reading had and this one has nowhere is no evidence that anybody is active.
    pub fn saw_sign(&mut self, sign: &StatusSign) {
        if !self.signs.contains(sign) {
            self.signs.insert(sign.clone());
        }
    }

    /// Notes that a sign is shown only for suspended users, where users without it are active: it is not lost, and its absence says nothing where
    /// it was never shown for others.
    pub fn still_has_sign(&mut self, sign: &StatusSign) {
        self.kept_signs.insert(sign.clone());
    }

    /// Notes that a user's entry does not say what the directory has to say of a user, such as whether the account is suspended. Nothing is given
    /// to the user and nothing taken; `why` is shown. Many of them are a failed reading.
    pub fn odd_user(&mut self, user: UserIx, why: impl Into<Box<str>>) {
        self.odd.push((user, why.into()));
    }

    /// Says whether there are too many odd entries: more than three and more than a tenth.
    fn too_many_odd(&self) -> Option<Incomplete> {
        let too_many = |count: usize, of: usize| count > A_FEW_ODD && count > of / 10;
        let users = self.store.user_count();
        if let Some((user, why)) = self.odd.first().filter(|_| too_many(self.odd.len(), users)) {
            let first = format!("{:?}: {why}", self.store.user_ids.text(user.0));
            return Some(Incomplete::Odd { what: "users", count: self.odd.len(), of: users, first });
        }
        let nameless = || self.store.groups.iter().filter(|group| group.name.trim().is_empty());
        let (count, of) = (nameless().count(), self.store.groups.len());
        let first = format!("{:?}: it shows no name", nameless().next()?.id.as_str());
        too_many(count, of).then_some(Incomplete::Odd { what: "groups", count, of, first })
    }

    /// Names the application whose bindings in the directory say who belongs, as its console shows it.
    pub fn application(&mut self, name: impl Into<String>) {
        self.application = Some(name.into());
    }

    /// Names the whole content that was read.
    pub fn mark(&mut self, mark: ContentMark) {
        self.mark = Some(mark);
    }

    /// An id is in every journal record about its owner, so it can't be any text.
    fn judge_id(&mut self, id: &str) {
        if id.len() > LONGEST_NAME {
            self.fault(Incomplete::LongId { begins: bounds::shown(id), bytes: id.len() });
        }
    }

    fn fault(&mut self, fault: Incomplete) {
        self.first_fault.get_or_insert(fault);
    }

    /// Turns a proven-complete reading into a snapshot.
    ///
    /// # Errors
    /// The first reason for which the reading does not prove complete.
    pub fn finish(mut self, sentinels: &[String]) -> Result<Snapshot, Incomplete> {
        if let Some(fault) = self.first_fault {
            return Err(fault);
        }
        for list in &self.lists {
            if !list.closed {
                return Err(Incomplete::Open { what: list.what.clone(), received: list.received });
            }
            if let Some(announced) = list.announced.filter(|total| *total != list.received) {
                return Err(Incomplete::Count { what: list.what.clone(), announced, received: list.received });
            }
        }
        if self.store.user_count() == 0 {
            return Err(Incomplete::Nobody);
        }
        if let Some(odd) = self.too_many_odd() {
            return Err(odd);
        }
        let mut dangling = std::mem::take(&mut self.dangling);
        for (group, id) in std::mem::take(&mut self.unresolved) {
            match self.store.find_user(&id) {
                Some(user) => self.member_user(group, user),
                None => match self.store.find_group(&id) {
                    Some(sub) => self.member_group(group, sub),
                    None => {
                        let hash = id_hash(&id);
                        dangling.push(DanglingMember { group, name: id, hash, place: None });
                    }
                },
            }
        }
        for one in &mut dangling {
            if self.places.is_empty() {
                break;
            }
            one.place = self.places.remove(&(one.group, one.name.clone()));
        }
        let snapshot = Snapshot::new(self.store, dangling, self.mark).of_application(self.application).with_signs(
            self.signs,
            self.kept_signs,
            self.odd,
        );
        match sentinels.iter().find(|sentinel| !snapshot.shows(sentinel)) {
            Some(missing) => Err(Incomplete::Sentinel(missing.clone())),
            None => Ok(snapshot),
        }
    }
}
