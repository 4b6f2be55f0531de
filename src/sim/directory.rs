//! The directory: people and groups that a test edits, read through the real [`Reading`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::model::{ContentMark, LifecycleStatus, SourceId, StatusSign};
use crate::progress::Progress;
use crate::source::{GroupEntry, Incomplete, Presence, Reading, Source, SourceError, UserEntry};

/// A person of the directory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DirUser {
    pub(crate) record: Map<String, Value>,
    pub(crate) standing: LifecycleStatus,
    pub(crate) direct: bool,
}

/// A group of the directory. Members are ids of people or of groups.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct DirGroup {
    pub(crate) name: String,
    pub(crate) members: BTreeSet<String>,
    pub(crate) assigned: bool,
    pub(crate) unread: bool,
}

/// What is there. A person's id is a short name such as `ann`, their user name `ann@x.test`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Directory {
    pub(crate) users: BTreeMap<String, DirUser>,
    pub(crate) groups: BTreeMap<String, DirGroup>,
    /// Ids that exist but are not shown when everybody is listed.
    pub(crate) hidden: BTreeSet<String>,
    /// Ids that are said to be gone when asked first, and to be there when asked again.
    pub(crate) back_when_asked_again: BTreeSet<String>,
    /// Whether it answers when asked for single ids.
    pub(crate) mute: bool,
    /// An outage.
    pub(crate) down: bool,
    /// It never answers.
    pub(crate) hangs: bool,
    /// The credential dies with the reading: who is asked for by id is not shown.
    pub(crate) refuses_questions: bool,
    /// Whether it can tell for little that it is what it was.
    pub(crate) tells_marks: bool,
    /// The sign of suspension that it shows on every record.
    pub(crate) sign: Option<&'static str>,
    /// Names of people by which groups may have them as members, by id.
    pub(crate) names: BTreeMap<String, String>,
    /// Whether its answer about one id proves an absence.
    pub(crate) proves_absence: bool,
}

impl Directory {
    /// People with these ids, nobody assigned.
    pub(crate) fn of(ids: &[&str]) -> Self {
        let mut all = Self { tells_marks: true, ..Self::default() };
        for id in ids {
            all.add_user(id);
        }
        all
    }

    /// Adds an active person.
    pub(crate) fn add_user(&mut self, id: &str) {
        let record = json!({ "id": id, "userName": format!("{id}@x.test"), "displayName": id });
        let record = record.as_object().unwrap().clone();
        self.users.insert(id.to_owned(), DirUser { record, standing: LifecycleStatus::Active, direct: false });
    }

    /// Adds an assigned group named like its id.
    pub(crate) fn with_group(mut self, id: &str, members: &[&str]) -> Self {
        self.add_group(id, members);
        self
    }

    /// Adds an assigned group named like its id.
    pub(crate) fn add_group(&mut self, id: &str, members: &[&str]) {
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        self.groups.insert(id.to_owned(), DirGroup { name: id.to_owned(), members, assigned: true, unread: false });
    }

    /// Sets an attribute of a person; `null` takes it away.
    pub(crate) fn set(&mut self, id: &str, attribute: &str, value: impl Into<Value>) {
        let record = &mut self.users.get_mut(id).unwrap().record;
        match value.into() {
            Value::Null => drop(record.remove(attribute)),
            value => drop(record.insert(attribute.to_owned(), value)),
        }
    }

    /// Changes a person's standing.
    pub(crate) fn stand(&mut self, id: &str, standing: LifecycleStatus) {
        self.users.get_mut(id).unwrap().standing = standing;
    }

    /// The group.
    pub(crate) fn group(&mut self, id: &str) -> &mut DirGroup {
        self.groups.get_mut(id).unwrap()
    }

    /// Puts somebody into a group.
    pub(crate) fn join(&mut self, group: &str, member: &str) {
        self.group(group).members.insert(member.to_owned());
    }

    /// Takes somebody out of a group.
    pub(crate) fn part(&mut self, group: &str, member: &str) {
        self.group(group).members.remove(member);
    }

    /// Deletes a person: nothing of them is left, in groups neither.
    pub(crate) fn delete_user(&mut self, id: &str) {
        self.users.remove(id);
        for group in self.groups.values_mut() {
            group.members.remove(id);
        }
    }

    /// An id is left out of every list, but exists.
    pub(crate) fn hide(&mut self, id: &str) {
        self.hidden.insert(id.to_owned());
    }

    /// It is listed again.
    pub(crate) fn show(&mut self, id: &str) {
        self.hidden.remove(id);
    }

    fn presence(&self, id: &str, there: bool) -> Presence {
        match self.users.get(id).map(|user| user.standing) {
            _ if self.mute => Presence::Unknown,
            Some(LifecycleStatus::Suspended) => Presence::Suspended,
            _ if there || self.hidden.contains(id) => Presence::Present,
            _ => Presence::Gone,
        }
    }
}

/// What the directory does to one reading.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Quirk {
    /// Its lists end after so many percent of the people, and say so to nobody.
    Short(u64),
    /// It is another server's copy, of an earlier time.
    Stale(Box<Directory>),
    /// Pages shift while they are read: somebody comes twice, and somebody does not come at all.
    Shifts(usize),
    /// It announces more people than it delivers.
    Announces(u64),
    /// So many of its people are kept by another server, which it names.
    Elsewhere(usize),
    /// A list is not read to its end.
    Breaks,
    /// It asks to slow down until nobody wants to wait any more.
    Throttles,
}

/// The directory as the cycle sees it.
pub(crate) struct SimSource {
    directory: Mutex<Directory>,
    quirk: Mutex<Option<Quirk>>,
    asks: AtomicUsize,
    readings: AtomicUsize,
}

impl SimSource {
    pub(super) fn new(directory: Directory) -> Self {
        Self {
            directory: Mutex::new(directory),
            quirk: Mutex::default(),
            asks: AtomicUsize::new(0),
            readings: AtomicUsize::new(0),
        }
    }

    /// Spoils the next reading, or none.
    pub(crate) fn spoil(&self, quirk: Option<Quirk>) {
        *self.quirk.lock().unwrap_or_else(PoisonError::into_inner) = quirk;
    }

    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn edit(&self, edit: impl FnOnce(&mut Directory)) {
        edit(&mut self.directory());
    }

    /// For how many ids it was asked.
    pub(crate) fn asks(&self) -> usize {
        self.asks.load(Ordering::Relaxed)
    }

    /// How often it was read.
    pub(crate) fn readings(&self) -> usize {
        self.readings.load(Ordering::Relaxed)
    }

    /// Begins the count of asks anew.
    pub(crate) fn forget_asks(&self) {
        self.asks.store(0, Ordering::Relaxed);
    }

    /// What is there now.
    pub(crate) fn copy(&self) -> Directory {
        self.directory().clone()
    }
}

#[async_trait]
impl Source for SimSource {
    fn describe(&self) -> String {
        "a simulated directory".to_owned()
    }

    async fn read(&self, reading: &mut Reading, _: &dyn Progress) -> Result<(), SourceError> {
        self.readings.fetch_add(1, Ordering::Relaxed);
        if self.directory().hangs {
            std::future::pending::<()>().await;
        }
        let quirk = self.quirk.lock().unwrap_or_else(PoisonError::into_inner).take();
        let directory = match &quirk {
            Some(Quirk::Stale(earlier)) => (**earlier).clone(),
            _ => self.copy(),
        };
        if directory.down {
            return Err(SourceError::Unreachable("it is down".to_owned()));
        }
        if quirk == Some(Quirk::Throttles) {
            return Err(SourceError::Throttled("429".to_owned()));
        }
        if directory.tells_marks {
            reading.mark(mark_of(&directory));
        }
        let mut users: Vec<_> = directory.users.iter().filter(|(id, _)| !directory.hidden.contains(*id)).collect();
        match quirk {
            Some(Quirk::Short(percent)) => users.truncate((users.len() as u64 * percent).div_ceil(100) as usize),
            Some(Quirk::Shifts(at)) if at + 1 < users.len() => users[at + 1] = users[at],
            Some(Quirk::Elsewhere(some)) => users.truncate(users.len().saturating_sub(some)),
            _ => {}
        }
        let list = reading.open_list("users");
        for (id, user) in &users {
            let record = serde_json::to_string(&user.record).unwrap();
            reading.user(UserEntry { id, record: &record, standing: user.standing, direct: user.direct });
            reading.received(list, 1);
            directory.sign.iter().for_each(|sign| reading.saw_sign(&StatusSign::of(sign)));
            if let (Some(name), Some(user)) = (directory.names.get(*id), reading.find_user(id)) {
                reading.known_as(user, name);
            }
        }
        match quirk {
            Some(Quirk::Breaks) => {}
            Some(Quirk::Announces(more)) => reading.close_list(list, Some(users.len() as u64 + more)),
            Some(Quirk::Elsewhere(_)) => {
                let (what, base, first) =
                    ("people".to_owned(), "dc=x".to_owned(), "ldap://other/ou=sales,dc=x".to_owned());
                let received = users.len() as u64;
                return Err(Incomplete::Elsewhere { what, base, received, places: 1, first }.into());
            }
            _ => reading.close_list(list, None),
        }
        for (id, group) in directory.groups.iter().filter(|(id, _)| !directory.hidden.contains(*id)) {
            let at = reading.group(GroupEntry { id, name: &group.name, record: "{}", assigned: group.assigned });
            if group.unread {
                reading.members_unread(at, "the list was cut");
                continue;
            }
            // Who is hidden is hidden in groups too. One whom groups go on naming was taken out of `users` alone.
            for member in group.members.iter().filter(|member| !directory.hidden.contains(*member)) {
                match directory.names.iter().find(|(id, name)| *name == member && !directory.hidden.contains(*id)) {
                    Some((id, _)) => reading.member(at, id),
                    None => reading.member(at, member),
                }
            }
        }
        Ok(())
    }

    fn proves_absence(&self) -> bool {
        self.directory().proves_absence
    }

    async fn still(&self, mark: &ContentMark) -> Option<ContentMark> {
        let directory = self.directory();
        (!directory.down && mark_of(&directory) == *mark).then(|| mark.clone())
    }

    async fn ask_users(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
        self.asks.fetch_add(ids.len(), Ordering::Relaxed);
        let mut directory = self.directory();
        if directory.refuses_questions {
            return Err(SourceError::Refused("401".to_owned()));
        }
        let answer = |id: &SourceId| directory.presence(id.as_str(), directory.users.contains_key(id.as_str()));
        let answers = ids.iter().map(answer).collect();
        let back = std::mem::take(&mut directory.back_when_asked_again);
        directory.hidden.extend(back);
        Ok(answers)
    }

    async fn ask_groups(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
        self.asks.fetch_add(ids.len(), Ordering::Relaxed);
        let directory = self.directory();
        Ok(ids.iter().map(|id| directory.presence(id.as_str(), directory.groups.contains_key(id.as_str()))).collect())
    }
}

fn mark_of(directory: &Directory) -> ContentMark {
    ContentMark::new(format!("{directory:?}"))
}
