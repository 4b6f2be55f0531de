//! Where to look closer. In: what the app should hold and which links exist. Out: the few people and groups that may differ.
//!
//! This is the pass that a quiet cycle consists of: one look at each person, no record parsed, no row read, unless something
//! changed. Everything after it works on what it found.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::differences::{AccountBefore, diff};
use super::links::TenantLinks;
use super::person::{PlannedUser, label, person};
use super::rules::TenantRules;
use super::several::linked_person;
use super::still_named::StillNamed;
use crate::config::profile::DeleteEffect;
use crate::config::tenant::{DeprovisioningAction, OnImmutableChange};
use crate::desired::{Desired, DesiredGroup};
use crate::model::{AppId, Bits, LifecycleStatus, ObjectRef, Path, SourceId, UserNumber, fold};
use crate::source::{GroupIx, UserIx, id_hash};
use crate::store::{Baseline, GroupRow, StoreError, UserRow};

/// What has to be looked at, and asked for, before a plan can be made.
#[derive(Debug, Default)]
pub struct Survey {
    /// People who belong and have no link: to be looked up in the app.
    pub newcomers: Vec<PlannedUser>,
    /// People with a link whose record, standing or assignment may have changed.
    pub linked: Vec<UserIx>,
    /// Of these, the ones whose account can't take what changed: the new values are to be looked up in the app.
    pub stuck: Vec<Stuck>,
    /// Replaced accounts of people who are in the snapshot or have another one: nobody has to be asked.
    pub asides: Vec<Aside>,
    /// Linked people who are not in the snapshot: to be asked for.
    pub absent: Vec<SourceId>,
    /// Of these, the replaced accounts, with the person to ask for instead.
    pub stands_for: HashMap<SourceId, SourceId>,
    /// Absent people whose accounts are switched off for good: nothing is left to ask or to do.
    pub finished: Vec<UserNumber>,
    /// Groups in scope without a link: to be looked up in the app.
    pub new_groups: Vec<GroupIx>,
    /// Linked groups in scope whose name or members may have changed.
    pub changed_groups: Vec<GroupIx>,
    /// Of these, the ones whose management was off: they are compared with the app first.
    pub compared: Vec<(SourceId, GroupRow)>,
    /// Linked groups that are not in scope; with their number if the snapshot shows them.
    pub lost_groups: Vec<(SourceId, GroupRow, Option<GroupIx>)>,
    /// People about whom nothing can be decided, and why.
    pub problems: Vec<(SourceId, String, String)>,
    /// Protected people without an account.
    pub untouched: Vec<UserIx>,
    /// Objects set aside earlier whose time has not come: they were not looked at.
    pub waiting: Vec<ObjectRef>,
    /// Whose the names in groups are that lead nowhere.
    pub named: StillNamed,
    /// Users without an account who are not planned for in this run: they wait for their next try, are frozen, or may be members of a group
    /// that could not be read.
    pub deferred: Vec<PlannedUser>,
}

impl Survey {
    /// Whether there was nothing to look at.
    pub fn is_empty(&self) -> bool {
        let Self {
            newcomers,
            linked,
            stuck,
            asides,
            absent,
            stands_for: _,
            finished,
            new_groups,
            changed_groups,
            compared,
            lost_groups,
            problems,
            // They are left alone whatever comes.
            untouched: _,
            waiting,
            // What follows from them is among the others.
            named: _,
            deferred: _,
        } = self;
        newcomers.is_empty()
            && linked.is_empty()
            && stuck.is_empty()
            && asides.is_empty()
            && absent.is_empty()
            && finished.is_empty()
            && new_groups.is_empty()
            && changed_groups.is_empty()
            && compared.is_empty()
            && lost_groups.is_empty()
            && problems.is_empty()
            && waiting.is_empty()
    }

    /// The ids by which the directory knows these.
    pub fn as_the_directory_knows(&self, ids: &[SourceId]) -> Vec<SourceId> {
        ids.iter().map(|id| self.stands_for.get(id).unwrap_or(id).clone()).collect()
    }
}

/// So many people are looked for together.
const TOGETHER: usize = 64;

/// Changes with everything in the directory that decides over a person.
pub fn user_fingerprint(desired: &Desired<'_>, user: UserIx) -> u64 {
    let assigned = u64::from(desired.is_assigned(user));
    xxh3_64_with_seed(&desired.snapshot.fingerprint(user).to_le_bytes(), assigned)
}

/// Somebody whose account can't take what changed.
#[derive(Debug, Clone)]
pub struct Stuck {
    /// As they should be.
    pub person: PlannedUser,
    /// The account they have.
    pub app_id: AppId,
}

/// An account that was replaced and is not yet switched off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// The id under which it is kept.
    pub id: SourceId,
    /// Whose it was.
    pub of: SourceId,
}

/// How a survey is to be made.
#[derive(Debug, Clone, Copy, Default)]
pub struct SurveyOptions {
    /// Objects set aside until later than this are left waiting.
    pub retry_before: Option<Timestamp>,
    /// The state does not know whom it once gave an account: suspended people may have one, and are looked up too.
    pub adopt_only: bool,
}

/// Looks everything over.
///
/// # Errors
/// When the state can't be read.
pub fn survey(
    desired: &Desired<'_>,
    links: &TenantLinks,
    baseline: &dyn Baseline,
    rules: &TenantRules<'_>,
    manner: SurveyOptions,
) -> Result<Survey, StoreError> {
    let waiting = match manner.retry_before {
        Some(now) => {
            let notes = baseline.failures()?.into_iter();
            notes.filter(|(_, note)| note.next_try > now).map(|(object, _)| object).collect()
        }
        None => HashSet::new(),
    };
    let mut surveyor = Surveyor {
        desired,
        links,
        baseline,
        rules,
        compared: rules.compared(),
        adopt_only: manner.adopt_only,
        waiting,
        seen: Bits::new(links.number_range()),
        found: Survey::default(),
    };
    surveyor.people()?;
    if rules.groups_on() {
        surveyor.groups()?;
    }
    surveyor.who_has_a_wanted_name()?;
    let mut found = surveyor.found;
    found.absent.sort();
    found.absent.dedup();
    found.waiting.sort();
    Ok(found)
}

struct Surveyor<'a> {
    desired: &'a Desired<'a>,
    links: &'a TenantLinks,
    baseline: &'a dyn Baseline,
    rules: &'a TenantRules<'a>,
    compared: Vec<Path>,
    adopt_only: bool,
    /// Whose next try is later than now.
    waiting: HashSet<ObjectRef>,
    /// The numbers of linked people who are in the snapshot.
    seen: Bits,
    found: Survey,
}

impl Surveyor<'_> {
    fn people(&mut self) -> Result<(), StoreError> {
        let snapshot = self.desired.snapshot;
        let mut users = snapshot.users();
        let hashes: Vec<u64> = snapshot.users().map(|user| snapshot.id_hash(user)).collect();
        for together in hashes.chunks(TOGETHER) {
            self.links.approach(together);
            for (&hash, user) in together.iter().zip(users.by_ref()) {
                self.person(user, hash)?;
            }
        }
        for number in self.links.unfinished() {
            let Some(id) = self.absentee(number)? else { continue };
            match self.baseline.user(&id)? {
                Some(UserRow { replaced: Some(of), .. }) => self.aside(id, of)?,
                Some(row) if !is_finished(&row, self.rules) => self.found.absent.push(id),
                _ => self.found.finished.push(number),
            }
        }
        Ok(())
    }

    /// The person behind a number, if they are not in the snapshot.
    fn absentee(&self, number: UserNumber) -> Result<Option<SourceId>, StoreError> {
        if self.seen.contains(number.0 as usize) {
            return Ok(None);
        }
        // Two ids may share a hash: only the snapshot itself can say who is absent.
        let id = self.baseline.user_by_number(number)?;
        Ok(id.filter(|id| self.desired.snapshot.find_user(id.as_str()).is_none()))
    }

    /// Absent members of a group that is looked at: they leave it only when their absence is confirmed, even those whose
    /// accounts were switched off long ago.
    fn absent_members(&mut self, group: &SourceId) -> Result<(), StoreError> {
        for number in self.baseline.members(group)? {
            let Some(id) = self.absentee(number)? else { continue };
            if self.baseline.user(&id)?.is_none_or(|row| row.replaced.is_none()) {
                self.found.absent.push(id);
            }
        }
        Ok(())
    }

    /// A replaced account: of somebody who is there, or has another one, or has to be asked for.
    fn aside(&mut self, id: SourceId, of: SourceId) -> Result<(), StoreError> {
        let is_there = self.desired.snapshot.find_user(of.as_str()).is_some();
        if is_there || self.baseline.user(&of)?.is_some() {
            self.found.asides.push(Aside { id, of });
        } else {
            self.found.absent.push(id.clone());
            self.found.stands_for.insert(id, of);
        }
        Ok(())
    }

    /// Notes somebody whose account can't take what changed, if another one is to be made for them.
    fn stuck(&mut self, user: UserIx, id: &SourceId) -> Result<(), StoreError> {
        let snapshot = self.desired.snapshot;
        if self.rules.on_immutable_change != OnImmutableChange::Recreate || self.desired.frozen(user).is_some() {
            return Ok(());
        }
        let Some(row) = self.baseline.user(id)? else { return Ok(()) };
        // What can't be mapped is told when it is planned.
        let Ok(person) = linked_person(snapshot, user, self.rules, &row) else { return Ok(()) };
        let before = AccountBefore {
            attributes: &row.sent,
            source_seen: &row.source_seen,
            app_id: &row.app_id,
            by_hand: &row.by_hand,
        };
        if !diff(self.rules, &self.compared, &person, &before).immutable.is_empty() {
            self.found.stuck.push(Stuck { person, app_id: row.app_id });
        }
        Ok(())
    }

    fn person(&mut self, user: UserIx, hash: u64) -> Result<(), StoreError> {
        let Some(link) = self.links.user(hash) else {
            self.newcomer(user);
            return Ok(());
        };
        self.seen.insert(link.number.0 as usize);
        let fingerprint = user_fingerprint(self.desired, user);
        if link.is_settled_at(fingerprint) { Ok(()) } else { self.suspect(user, link.is_unchanged_at(fingerprint)) }
    }

    fn suspect(&mut self, user: UserIx, unchanged: bool) -> Result<(), StoreError> {
        let id = SourceId::new(self.desired.snapshot.id(user));
        if self.baseline.number_of(&id)?.is_none() {
            self.newcomer(user);
            return Ok(());
        }
        // A failure delays neither what the directory says anew nor the end of somebody's access.
        let stays = self.desired.snapshot.standing(user) == LifecycleStatus::Active && self.desired.is_assigned(user);
        if !(unchanged && stays && self.waits(ObjectRef::User(id.clone()))) {
            self.found.linked.push(user);
            if stays {
                self.stuck(user, &id)?;
            }
        }
        Ok(())
    }

    /// Whether an object's time has not come.
    fn waits(&mut self, object: ObjectRef) -> bool {
        let waits = !self.waiting.is_empty() && self.waiting.contains(&object);
        if waits {
            self.found.waiting.push(object);
        }
        waits
    }

    fn newcomer(&mut self, user: UserIx) {
        let (desired, snapshot) = (self.desired, self.desired.snapshot);
        let suspended = match snapshot.standing(user) {
            LifecycleStatus::Active => false,
            LifecycleStatus::Suspended if self.adopt_only => true,
            LifecycleStatus::Suspended | LifecycleStatus::Staged => return,
        };
        if !desired.is_assigned(user) {
            if desired.unread().next().is_some() {
                self.found.deferred.extend(person(snapshot, user, self.rules));
            }
            return;
        }
        if desired.frozen(user).is_some() {
            self.found.deferred.extend(person(snapshot, user, self.rules));
        }
        let id = SourceId::new(snapshot.id(user));
        let waits = self.waits(ObjectRef::User(id.clone()));
        let mapped = match desired.frozen(user) {
            Some(why) => Err(why.to_owned()),
            None => person(snapshot, user, self.rules),
        };
        match mapped {
            mapped if waits => self.found.deferred.extend(mapped),
            Ok(person) if self.rules.protected.covers(id.as_str(), &[&person.attributes]) => {
                self.found.untouched.push(user);
            }
            Ok(person) => self.found.newcomers.push(person),
            Err(_) if suspended => {}
            Err(why) => self.found.problems.push((id, label(snapshot, user), why)),
        }
    }

    fn groups(&mut self) -> Result<(), StoreError> {
        let snapshot = self.desired.snapshot;
        let mut newcomers = Bits::new(snapshot.user_count());
        for person in &self.found.newcomers {
            newcomers.insert(person.ix.0 as usize);
        }
        let stuck: HashSet<UserIx> = self.found.stuck.iter().map(|stuck| stuck.person.ix).collect();
        let has_stuck = |group: &DesiredGroup| {
            !stuck.is_empty() && self.desired.members(group).into_iter().any(|user| stuck.contains(&user))
        };
        let mut matched = 0;
        for group in &self.desired.groups {
            let Some(row) = snapshot.group(group.ix) else { continue };
            let link = self.links.group(id_hash(row.id.as_str()));
            matched += usize::from(link.is_some());
            if link.is_some_and(|link| link.is_settled_at(group.fingerprint)) && !has_stuck(group) {
                continue;
            }
            let known = if link.is_some() { self.baseline.group(&row.id)? } else { None };
            let linked = known.is_some();
            let unchanged = link.is_none_or(|link| link.is_unchanged_at(group.fingerprint));
            // A group without members is not created (J8). The app is asked for it once: it may have it, with users whom the directory does not
            // name (MB3).
            let idle = !linked && !self.rules.create_empty && !self.will_have_a_member(group, &newcomers)?;
            let was_asked = idle && self.links.was_looked_up(id_hash(row.id.as_str()), group.fingerprint);
            if was_asked || (unchanged && self.waits(ObjectRef::Group(row.id.clone()))) {
                continue;
            }
            match linked {
                true => {
                    self.found.changed_groups.push(group.ix);
                    self.absent_members(&row.id)?;
                    let unwatched = known.filter(|known| known.unwatched);
                    self.found.compared.extend(unwatched.map(|known| (row.id.clone(), known)));
                }
                false => self.found.new_groups.push(group.ix),
            }
        }
        if matched < self.links.group_count() {
            for (id, row) in self.baseline.groups()? {
                let ix = snapshot.find_group(id.as_str());
                if ix.is_none_or(|ix| self.desired.group(ix).is_none()) {
                    self.found.lost_groups.push((id, row, ix));
                }
            }
        }
        Ok(())
    }

    /// Objects that wait for their next try and have a name that another is to get now: they are looked at with it. Names that are passed on
    /// come right together, or not at all.
    fn who_has_a_wanted_name(&mut self) -> Result<(), StoreError> {
        let mut holders: HashMap<(bool, String), ObjectRef> = HashMap::new();
        for object in &self.found.waiting {
            let name = match object {
                ObjectRef::User(id) => {
                    self.baseline.user(id)?.and_then(|row| row.sent.text(&Path::user_name()).map(fold))
                }
                ObjectRef::Group(id) => self.baseline.group(id)?.map(|row| fold(&row.name)),
            };
            holders.extend(name.map(|name| ((matches!(object, ObjectRef::User(_)), name), object.clone())));
        }
        if holders.is_empty() {
            return Ok(());
        }
        let mut wanted: Vec<(bool, String)> = Vec::new();
        wanted.extend(self.found.newcomers.iter().filter_map(name_of));
        for user in &self.found.linked {
            wanted.extend(self.person_of(*user).and_then(|person| name_of(&person)));
        }
        let groups = self.found.new_groups.iter().chain(&self.found.changed_groups);
        wanted.extend(groups.filter_map(|ix| Some((false, fold(&self.desired.group(*ix)?.name)))));
        while let Some(name) = wanted.pop() {
            let Some(object) = holders.remove(&name) else { continue };
            self.found.waiting.retain(|waiting| *waiting != object);
            wanted.extend(self.look_at(&object)?);
        }
        Ok(())
    }

    /// Takes an object up whose time has not come; gives the name that it is to get.
    fn look_at(&mut self, object: &ObjectRef) -> Result<Option<(bool, String)>, StoreError> {
        let snapshot = self.desired.snapshot;
        match object {
            ObjectRef::User(id) => {
                let Some(user) = snapshot.find_user(id.as_str()) else { return Ok(None) };
                self.found.linked.push(user);
                self.stuck(user, id)?;
                Ok(self.person_of(user).and_then(|person| name_of(&person)))
            }
            ObjectRef::Group(id) => {
                let group = snapshot.find_group(id.as_str()).and_then(|ix| self.desired.group(ix));
                let (Some(group), Some(known)) = (group, self.baseline.group(id)?) else { return Ok(None) };
                self.found.changed_groups.push(group.ix);
                self.absent_members(id)?;
                if known.unwatched {
                    self.found.compared.push((id.clone(), known));
                }
                Ok(Some((false, fold(&group.name))))
            }
        }
    }

    fn person_of(&self, user: UserIx) -> Option<PlannedUser> {
        person(self.desired.snapshot, user, self.rules).ok()
    }

    /// Whether a group would get a member: a user who has or will have an account, and is not protected.
    fn will_have_a_member(&self, group: &DesiredGroup, newcomers: &Bits) -> Result<bool, StoreError> {
        let snapshot = self.desired.snapshot;
        for user in self.desired.members(group) {
            if newcomers.contains(user.0 as usize) {
                return Ok(true);
            }
            if self.links.user(snapshot.id_hash(user)).is_none() {
                continue;
            }
            let id = SourceId::new(snapshot.id(user));
            let row = self.baseline.user(&id)?;
            if row.is_none_or(|row| !self.rules.protected.covers(id.as_str(), &[&row.sent, &row.echo])) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The user name that a person is to have.
fn name_of(person: &PlannedUser) -> Option<(bool, String)> {
    person.attributes.text(&Path::user_name()).map(|name| (true, fold(name)))
}

/// Whether an absent person's account is as it shall stay, whatever the directory answers.
fn is_finished(row: &UserRow, rules: &TenantRules<'_>) -> bool {
    let may_be_deleted = [rules.on_suspended, rules.on_unassigned, rules.on_deleted]
        .contains(&DeprovisioningAction::Delete)
        && !matches!(rules.profile.users.delete_effect, DeleteEffect::Unsupported | DeleteEffect::Deactivates);
    row.active == Some(false) && !may_be_deleted
}
