//! One reading of a directory behind HTTP. What comes in is what the directory declares and who has the application; what goes out is a whole reading.
//!
//! First the groups are read, which cost little and fail most, then users, then members of the groups that matter. Whoever a group
//! or the application names and nobody showed (slipped between two pages, made meanwhile, or gone) is asked for by id.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::WebConnection;
use super::directory::{ApiRight, Binding, GroupRecord, HttpDirectory, UserRecord};
use super::list::{List, ListPaging, Object};
use crate::model::GroupMatch;
use crate::progress::{Progress, Silent};
use crate::source::members::Spared;
use crate::source::{GroupEntry, Reading, SourceError, UserEntry};

/// The most users who are asked for one by one after a reading.
const LOOKED_AFTER: usize = 100;

/// So many groups that are answered 403 may each be the only one; more are an address that asks too fast, and none is asked any further.
const BLOCKED_ALONE: usize = 3;

/// The members of one group, or why nobody can say who they are.
type Members = Result<Vec<Box<str>>, String>;

/// UserRecords by id.
type UserRecords = Vec<(Box<str>, UserRecord)>;

/// A group on its way.
struct ReadGroup {
    id: Box<str>,
    group: GroupRecord,
    /// Whether the application is given to it.
    assigned: bool,
    /// Whether its members matter.
    wanted: bool,
    members: Members,
}

/// Reads a directory once.
pub(super) struct WebReader<'a, D> {
    pub(super) directory: &'a D,
    pub(super) web: &'a WebConnection,
    /// The groups that `[scope]` names.
    pub(super) wanted: Option<&'a [GroupMatch]>,
    /// Whether users were ever seen.
    pub(super) has_seen_users: &'a AtomicBool,
    pub(super) progress: &'a dyn Progress,
}

impl<D: HttpDirectory> WebReader<'_, D> {
    /// Reads everything.
    ///
    /// # Errors
    /// What leaves the reading incomplete.
    pub(super) async fn read(&self, binding: Option<Binding>, reading: &mut Reading) -> Result<(), SourceError> {
        let mut groups = self.groups(binding.as_ref()).await?;
        let users = self.users().await?;
        self.members(&mut groups, &users).await?;
        let mut direct = match &binding {
            Some(binding) => self.direct(binding, &groups).await?,
            None => HashSet::new(),
        };
        direct.extend(binding.into_iter().flat_map(|binding| binding.users));
        let list = reading.open_list(self.directory.users().label);
        let count = users.len() as u64;
        for (id, user) in users {
            hand_over::<D>(&id, &user, direct.contains(&id), reading);
        }
        reading.received(list, count);
        // How many there are was settled by the proof: some may have left meanwhile.
        reading.close_list(list, Some(count));
        let named = named(&groups).chain(&direct);
        let missing: BTreeSet<&str> = named.map(AsRef::as_ref).filter(|id| reading.find_user(id).is_none()).collect();
        let ask = |id| async move { (id, self.user(id).await) };
        let mut found = self.web.each(missing.into_iter().take(LOOKED_AFTER).map(ask).collect());
        while let Some((id, user)) = found.next().await {
            if let Some(user) = user? {
                hand_over::<D>(id, &user, direct.contains(id), reading);
            }
        }
        drop(found);
        let list = reading.open_list(self.directory.groups().label);
        for ReadGroup { id, group, assigned, wanted, members } in &groups {
            let ix = reading.group(GroupEntry { id, name: &group.name, record: &group.record, assigned: *assigned });
            match members {
                Ok(members) => drop(reading.members(ix, members)),
                Err(why) => reading.members_unread(ix, why.as_str()),
            }
            if let Some(why) = group.doubt.as_ref().filter(|_| *wanted) {
                reading.members_unread(ix, why.as_str());
            }
        }
        reading.received(list, groups.len() as u64);
        reading.close_list(list, Some(groups.len() as u64));
        Ok(())
    }

    /// All groups. One that the application is given to and the list did not show is asked for by id: passed over, it would take everybody's access
    /// along.
    async fn groups(&self, binding: Option<&Binding>) -> Result<Vec<ReadGroup>, SourceError> {
        self.progress.stage("reading groups", None);
        let list = self.directory.groups();
        let make = |id: &str, record| self.directory.group(id, record);
        let read = self.web.list(&list, &Silent, &make).await;
        let mut all = read.map_err(|error| D::explain(error, ApiRight::Read))?;
        let known: HashSet<&str> = all.iter().map(|(id, _)| id.as_ref()).collect();
        let bound = binding.into_iter().flat_map(|binding| &binding.groups);
        let hidden: BTreeSet<Box<str>> = bound.filter(|id| !known.contains(id.as_ref())).cloned().collect();
        for id in hidden {
            let Some(question) = list.one(&id) else { continue };
            if let Some(record) = self.web.record(&question).await? {
                let group = self.directory.group(&id, record)?;
                all.push((id, group));
            }
        }
        let of = |(id, group): (Box<str>, GroupRecord)| {
            let assigned = match binding {
                Some(binding) => binding.groups.contains(&id),
                // Without an application it is the scope alone that says which groups belong.
                None => self.wanted.is_some() || D::ABOUT.assigns_all,
            };
            let wanted = wants(self.wanted, &id, &group.name, assigned);
            ReadGroup { id, group, assigned, wanted, members: Ok(Vec::new()) }
        };
        Ok(all.into_iter().map(of).collect())
    }

    async fn users(&self) -> Result<UserRecords, SourceError> {
        self.progress.stage("reading users", None);
        let make = |id: &str, record| self.directory.user(id, record);
        let read = self.web.list(&self.directory.users(), self.progress, &make).await;
        let all = read.map_err(|error| D::explain(error, ApiRight::Read))?;
        self.has_seen_users.fetch_or(!all.is_empty(), Ordering::Relaxed);
        if all.iter().all(|(_, user)| user.is_whole) {
            return Ok(all);
        }
        tracing::warn!(
            users = all.len(),
            "the list of users does not show all that is needed, so users are read one by one"
        );
        self.progress.stage("reading users one by one", Some(all.len() as u64));
        let read = |(id, listed): (Box<str>, UserRecord)| async move {
            // Whoever went away meanwhile is as the list showed; the next reading will not find them.
            let user = self.user(&id).await?.unwrap_or(listed);
            self.progress.advance(1);
            Ok((id, user))
        };
        self.web.each(all.into_iter().map(read).collect()).try_collect().await
    }

    async fn user(&self, id: &str) -> Result<Option<UserRecord>, SourceError> {
        let Some(question) = self.directory.users().one(id) else { return Ok(None) };
        let record = self.web.record(&question).await?;
        record.map(|record| self.directory.user(id, self.directory.as_listed(record))).transpose()
    }

    /// The members of the groups that matter.
    async fn members(&self, groups: &mut [ReadGroup], users: &UserRecords) -> Result<(), SourceError> {
        let shows_groups = users.iter().all(|(_, user)| user.groups.is_some());
        let list = |one: &ReadGroup| self.directory.members(&one.id, &one.group, shows_groups);
        if shows_groups && groups.iter().all(|one| list(one).is_none()) {
            of_records(groups, users);
            return Ok(());
        }
        let wanted = groups.iter().enumerate().filter(|(_, one)| one.wanted);
        let lists: Vec<(usize, List)> = wanted.filter_map(|(at, one)| Some((at, list(one)?))).collect();
        self.progress.stage("reading members", Some(lists.len() as u64));
        let mut spared = Spared::of(lists.len());
        let mut take = |at: usize, answer, groups: &mut [ReadGroup]| {
            let Some(one) = groups.get_mut(at) else { return Ok(()) };
            one.members = spared.take(&one.group.name, answer)?.and_then(|members| members);
            Ok::<_, SourceError>(())
        };
        let (mut readable, mut blocked) = (None, Vec::new());
        let ask = |(at, list)| async move { (at, list, self.members_of(list).await) };
        let mut answers = self.web.each(lists.iter().map(|(at, list)| (*at, list)).map(ask).collect());
        while let Some((at, list, answer)) = answers.next().await {
            match answer {
                Err(SourceError::Forbidden(why)) if shows_groups => {
                    tracing::warn!(why, "members may not be read group by group; reading them from the list of users");
                    of_records(groups, users);
                    return Ok(());
                }
                // A 403 may be a missing right, or an address that asks too fast: which it is, the other groups tell.
                Err(SourceError::Throttled(why)) if D::ABOUT.forgive_403 && blocked.len() < BLOCKED_ALONE => {
                    blocked.push((at, why));
                }
                answer => {
                    readable = readable.or(matches!(answer, Ok(Ok(_))).then_some(list));
                    take(at, answer, groups)?;
                }
            }
        }
        drop(answers);
        for (at, why) in blocked {
            // A group that was read is asked for once more: where that is answered, nothing is throttled.
            let is_alone = match readable {
                Some(other) => self.members_of(other).await.is_ok(),
                None => false,
            };
            if !is_alone {
                let name = groups.get(at).map_or("", |one| one.group.name.as_str());
                return Err(SourceError::Throttled(format!("the members of group {name:?}: {why}")));
            }
            take(at, Err(SourceError::Forbidden(why)), groups)?;
        }
        spared.done()
    }

    async fn members_of(&self, list: &List) -> Result<Members, SourceError> {
        let make = |_: &str, entry: Object| Ok(entry.get("assigned") != Some(&false.into()));
        let read = self.web.list(list, &Silent, &make).await;
        self.progress.advance(1);
        match read.map_err(|error| D::explain(error, ApiRight::Members)) {
            Ok(read) => Ok(Ok(read.into_iter().filter(|(_, is_one)| *is_one).map(|(id, _)| id).collect())),
            // The settings were right a moment ago: the group is gone since the list was read.
            Err(SourceError::Settings(_)) => Ok(Err("it was deleted while it was read".to_owned())),
            Err(error) => Err(error),
        }
    }

    /// Everybody who has the application and is in none of its groups.
    async fn direct(&self, binding: &Binding, groups: &[ReadGroup]) -> Result<HashSet<Box<str>>, SourceError> {
        // Groups that are named leave no room for users without one.
        let Some(mut list) = self.directory.everybody_bound(binding).filter(|_| self.wanted.is_none()) else {
            return Ok(HashSet::new());
        };
        self.progress.stage("reading who has the application by name", None);
        let by_groups: HashSet<Box<str>> = named(groups).cloned().collect();
        if let ListPaging::Cursor { most, .. } = &mut list.paging {
            *most = Some(by_groups.clone());
        }
        let read = self.web.list(&list, self.progress, &|_, _| Ok(())).await;
        let all = read.map_err(|error| D::explain(error, ApiRight::Applications))?;
        Ok(all.into_iter().map(|(id, ())| id).filter(|id| !by_groups.contains(id)).collect())
    }
}

/// Everybody whom a group names.
fn named(groups: &[ReadGroup]) -> impl Iterator<Item = &Box<str>> {
    groups.iter().flat_map(|one| &one.members).flatten()
}

/// Whether a group's members matter to a scope.
fn wants(scope: Option<&[GroupMatch]>, id: &str, name: &str, is_assigned: bool) -> bool {
    is_assigned && scope.is_none_or(|scope| GroupMatch::any(scope, id, name))
}

/// Members of the groups that matter, as the records of users tell them.
fn of_records(groups: &mut [ReadGroup], users: &UserRecords) {
    let wanted = groups.iter().filter(|one| one.wanted);
    let mut all: HashMap<Box<str>, Vec<Box<str>>> = wanted.map(|one| (one.id.clone(), Vec::new())).collect();
    for (id, user) in users {
        for group in user.groups.iter().flatten() {
            all.get_mut(group).into_iter().for_each(|members| members.push(id.clone()));
        }
    }
    groups.iter_mut().for_each(|one| one.members = Ok(all.remove(&one.id).unwrap_or_default()));
}

fn hand_over<D: HttpDirectory>(id: &str, user: &UserRecord, is_direct: bool, reading: &mut Reading) {
    let (record, standing) = (user.record.as_ref(), user.standing);
    let ix = reading.user(UserEntry { id, record, standing, direct: is_direct });
    for (bit, sign) in D::ABOUT.signs.iter().enumerate() {
        if user.signs & (1 << bit) != 0 {
            reading.saw_sign(sign);
        }
    }
    if let Some(why) = &user.odd {
        reading.odd_user(ix, why.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_of_the_groups_that_somebody_wants() {
        assert!(wants(None, "1", "Heap UserRecords", true) && !wants(None, "1", "Heap UserRecords", false));
        let named = [GroupMatch::Name("heap *".to_owned()), GroupMatch::Id("7".to_owned())];
        let narrowed = |id: &str, name: &str, assigned| wants(Some(&named), id, name, assigned);
        assert!(narrowed("1", "Heap UserRecords", true) && narrowed("7", "x", true));
        assert!(!narrowed("1", "Heap UserRecords", false) && !narrowed("1", "Sales", true));
    }
}
