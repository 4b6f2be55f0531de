//! What the app should hold. In: a complete snapshot and the scope. Out: who belongs, in which groups, and by which group.
//!
//! Pure: no clock, network, disk or randomness. Knows nothing of what the app holds now.

mod nesting;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub use crate::model::GroupMatch;
use crate::model::bounds::{self, LONGEST_NAME};
use crate::model::{Bits, MembershipCause, ObjectRef, Remark, fold, text};
use crate::source::{DanglingMember, GroupIx, Snapshot, SnapshotGroup, UserIx};

/// Decides over one person by their record. An error freezes the person: nothing is given, nothing taken away.
pub type PersonFilter<'a> = dyn Fn(&Map<String, Value>) -> Result<bool, String> + Sync + 'a;

/// The name a group shall have in the app.
pub type GroupNamer<'a> = dyn Fn(&SnapshotGroup) -> Result<String, String> + Sync + 'a;

/// Who belongs, as the operator wrote it.
pub struct Scope<'a> {
    /// The groups in scope; `None` for all that the directory assigns.
    pub groups: Option<&'a [GroupMatch]>,
    /// Whether `groups` narrows what the directory assigns; otherwise it stands instead of it.
    pub narrows: bool,
    /// Whether everybody whom the filter accepts belongs.
    pub all_users: bool,
    /// Whether members of inner groups count.
    pub nested: bool,
    /// Narrows all of the above.
    pub filter: Option<&'a PersonFilter<'a>>,
    /// Names groups.
    pub group_name: &'a GroupNamer<'a>,
}

impl Scope<'_> {
    /// Whether it is what the directory assigns to the app that decides who belongs.
    pub fn is_by_assignment(&self) -> bool {
        !self.all_users && (self.narrows || self.groups.is_none())
    }
}

/// One group that the app should hold.
#[derive(Debug, Clone)]
pub struct DesiredGroup {
    /// The group in the snapshot.
    pub ix: GroupIx,
    /// Its name in the app.
    pub name: String,
    /// Changes when the name, a member or a member's standing changes.
    pub fingerprint: u64,
    /// Why the group can't have its name: it can't be made, or two groups would share it.
    pub problem: Option<String>,
    /// What there is to say of the name, beside that it is sent.
    pub remark: Option<Remark>,
    /// Why its members may not be everybody: this group, or one inside it, could not be read. Nobody leaves it for that.
    pub unread: Option<String>,
    /// Everybody in it and in the groups inside it, where those count; otherwise the snapshot's row has its members.
    with_inner: Option<Vec<UserIx>>,
}

impl DesiredGroup {
    /// Members as they come: some may not belong, some may come twice.
    fn raw_members<'a>(&'a self, snapshot: &'a Snapshot) -> &'a [UserIx] {
        match &self.with_inner {
            Some(members) => members,
            None => snapshot.group(self.ix).map_or(&[], |row| row.members.as_slice()),
        }
    }
}

/// What the app should hold.
pub struct Desired<'s> {
    /// The snapshot it was derived from.
    pub snapshot: &'s Snapshot,
    /// The groups in scope.
    pub groups: Vec<DesiredGroup>,
    assigned: Bits,
    frozen: HashMap<UserIx, String>,
    via: Vec<u32>,
    in_scope: HashMap<GroupIx, usize>,
    nested: bool,
}

/// Not held by any group.
const BY_NONE: u32 = u32::MAX;

/// Works out who belongs.
pub fn derive<'s>(snapshot: &'s Snapshot, scope: &Scope<'_>) -> Desired<'s> {
    let mut desired = Desired {
        snapshot,
        groups: Vec::new(),
        assigned: Bits::new(snapshot.user_count()),
        frozen: HashMap::new(),
        via: vec![BY_NONE; snapshot.user_count()],
        in_scope: HashMap::new(),
        nested: scope.nested,
    };
    let mut nesting = nesting::Nesting::new(snapshot);
    for ix in snapshot.groups() {
        let Some(group) = snapshot.group(ix).filter(|group| is_in_scope(group, scope)) else { continue };
        if group.name.trim().is_empty() {
            desired.nameless(ix, group);
            continue;
        }
        let (with_inner, unread) = match scope.nested {
            true => {
                let (members, unread) = nesting.all_members(ix);
                (Some(members), unread)
            }
            false => (None, group.unread.as_deref().map(str::to_owned)),
        };
        let at = desired.groups.len();
        for &member in with_inner.as_ref().unwrap_or(&group.members) {
            // Most people are in several groups: what lies far off in memory is touched by the first one only.
            if desired.assigned.insert(member.0 as usize)
                && let Some(via) = desired.via.get_mut(member.0 as usize)
            {
                *via = at as u32;
            }
        }
        let named = match text::unfit_as_id(group.id.as_str()) {
            Some(why) => Err(why),
            None => (scope.group_name)(group),
        };
        let mut blanks = false;
        let (name, problem) = match named {
            Ok(name) if name.len() > LONGEST_NAME => {
                let why = format!(
                    "its name has {} bytes, and at most {LONGEST_NAME} are sent; correct it in the directory",
                    name.len()
                );
                (bounds::shown(&name), Some(why))
            }
            Ok(name) if text::unfit_as_group_name(&name).is_some() => {
                let why = text::unfit_as_group_name(&name).unwrap_or_default();
                let why = format!(
                    "its name {why}, so that it looks like another one. Correct it in the directory; nothing was sent"
                );
                (bounds::shown(&name), Some(why))
            }
            Ok(name) if name.trim().len() < name.len() && !name.trim().is_empty() => {
                blanks = true;
                (name.trim().to_owned(), None)
            }
            Ok(name) if !name.trim().is_empty() => (name, None),
            Ok(_) => (String::new(), Some("its name in the app would be empty".to_owned())),
            Err(why) => (bounds::shown(&group.name), Some(why)),
        };
        desired.in_scope.insert(ix, at);
        let remark = blanks.then_some(Remark::BlanksInGroupName);
        desired.groups.push(DesiredGroup { ix, name, fingerprint: 0, problem, remark, unread, with_inner });
    }
    for user in snapshot.users() {
        if scope.all_users || (scope.groups.is_none() && snapshot.direct(user)) {
            desired.assigned.insert(user.0 as usize);
        }
    }
    if let Some(filter) = scope.filter {
        desired.narrow(filter);
    }
    desired.freeze_odd_ids();
    desired.freeze_odd_users();
    desired.finish_groups(scope.filter.is_some());
    desired
}

fn is_in_scope(group: &SnapshotGroup, scope: &Scope<'_>) -> bool {
    match scope.groups {
        // Nobody can say what a pattern would say of the name that is not shown.
        Some(_) if group.name.trim().is_empty() => group.assigned || !scope.narrows,
        Some(patterns) => {
            GroupMatch::any(patterns, group.id.as_str(), &group.name) && (group.assigned || !scope.narrows)
        }
        None => group.assigned,
    }
}

/// What a member adds to a group's fingerprint.
fn mark(snapshot: &Snapshot, member: UserIx) -> u64 {
    xxh3_64_with_seed(&snapshot.id_hash(member).to_le_bytes(), snapshot.standing(member) as u64 + 1)
}

impl Desired<'_> {
    /// A group whose name the directory does not show: whether it is in scope, and what it is called in the app, cannot be said. It keeps whom it
    /// has, nobody belongs by it, and nobody loses access for being in no other group.
    fn nameless(&mut self, ix: GroupIx, group: &SnapshotGroup) {
        let why = "the directory shows no name of it";
        self.in_scope.insert(ix, self.groups.len());
        self.groups.push(DesiredGroup {
            ix,
            name: group.id.to_string(),
            fingerprint: 0,
            problem: Some(format!("{why}: it keeps its name and its members")),
            remark: None,
            unread: Some(why.to_owned()),
            with_inner: Some(Vec::new()),
        });
    }

    /// Users whose entries do not say what they have to: named, and nothing is decided about them.
    fn freeze_odd_users(&mut self) {
        let odd = self.snapshot.odd().iter();
        self.frozen.extend(odd.map(|(user, why)| (*user, format!("{why}: the access of this user is not changed"))));
    }

    fn narrow(&mut self, filter: &PersonFilter<'_>) {
        let candidates: Vec<usize> = self.assigned.iter().collect();
        for at in candidates {
            let user = UserIx(at as u32);
            match filter(&self.snapshot.record(user)) {
                Ok(true) => {}
                Ok(false) => self.assigned.remove(at),
                Err(why) => {
                    self.frozen.insert(user, why);
                }
            }
        }
    }

    /// An id with a control character is nobody's name for anything: such a person is named, and nothing is decided about them.
    fn freeze_odd_ids(&mut self) {
        for user in self.snapshot.users() {
            if let Some(why) = text::unfit_as_id(self.snapshot.id(user)) {
                self.frozen.insert(user, why);
            }
        }
    }

    fn finish_groups(&mut self, narrowed: bool) {
        // Most people are in several groups: what they add to a fingerprint is worked out once.
        let marks: Vec<u64> = self.snapshot.users().map(|user| mark(self.snapshot, user)).collect();
        let mut counted = Bits::new(self.snapshot.user_count());
        let mut by_name: HashMap<String, usize> = HashMap::with_capacity(self.groups.len());
        let mut twins = Vec::new();
        for (at, group) in self.groups.iter_mut().enumerate() {
            let members = group.raw_members(self.snapshot).iter().map(|member| member.0 as usize);
            let belonging = members.clone().filter(|member| !narrowed || self.assigned.contains(*member));
            // A sum, so that the order does not matter; and each once.
            let name = xxh3_64_with_seed(group.name.as_bytes(), 0);
            let fingerprint = belonging.fold(name, |sum, member| match counted.insert(member) {
                true => sum.wrapping_add(marks.get(member).copied().unwrap_or_default()),
                false => sum,
            });
            members.for_each(|member| counted.remove(member));
            group.fingerprint = fingerprint;
            if let Some(&earlier) = by_name.get(&fold(&group.name)) {
                twins.push((earlier, at));
            } else {
                by_name.insert(fold(&group.name), at);
            }
        }
        for (first, second) in twins {
            for (one, other) in [(first, second), (second, first)] {
                let other = self.groups.get(other).and_then(|group| self.snapshot.group(group.ix));
                let why = other.map(|row| {
                    let other = ObjectRef::Group(row.id.clone()).called(&bounds::shown(&row.name));
                    format!("{other} has the same name in the app")
                });
                if let Some(group) = self.groups.get_mut(one) {
                    group.problem = group.problem.take().or(why);
                }
            }
        }
    }

    /// Whether the person belongs to the app (whatever their standing).
    pub fn is_assigned(&self, user: UserIx) -> bool {
        self.assigned.contains(user.0 as usize)
    }

    /// Why nothing may be decided about the person.
    pub fn frozen(&self, user: UserIx) -> Option<&str> {
        self.frozen.get(&user).map(String::as_str)
    }

    /// Groups in scope whose members could not all be read. While there is one, nobody can be said to belong no more.
    pub fn unread(&self) -> impl Iterator<Item = (&DesiredGroup, &str)> {
        self.groups.iter().filter_map(|group| Some((group, group.unread.as_deref()?)))
    }

    /// People who belong and are members of a group, ascending, each once. Made when asked for: few groups are looked at closely.
    pub fn members(&self, group: &DesiredGroup) -> Vec<UserIx> {
        let all = group.raw_members(self.snapshot).iter().copied();
        let mut members: Vec<UserIx> = all.filter(|member| self.is_assigned(*member)).collect();
        if !members.is_sorted_by(|a, b| a < b) {
            members.sort_unstable();
            members.dedup();
        }
        members
    }

    /// Names that lead nowhere, each with every group in scope whose members it is among: where inner groups count, also the outer ones.
    pub fn dangling(&self) -> Vec<(&DesiredGroup, &DanglingMember)> {
        let names = self.snapshot.dangling_members();
        let mut found = Vec::new();
        if names.is_empty() {
            return found;
        }
        let mut outer: HashMap<GroupIx, Vec<GroupIx>> = HashMap::new();
        if self.nested {
            for ix in self.snapshot.groups() {
                let inner = self.snapshot.group(ix).map_or(&[][..], |row| &row.subgroups);
                inner.iter().for_each(|sub| outer.entry(*sub).or_default().push(ix));
            }
        }
        for one in names {
            let (mut seen, mut open) = (HashSet::from([one.group]), vec![one.group]);
            while let Some(ix) = open.pop() {
                found.extend(self.group(ix).map(|group| (group, one)));
                open.extend(outer.get(&ix).into_iter().flatten().copied().filter(|ix| seen.insert(*ix)));
            }
        }
        found
    }

    /// How many people belong.
    pub fn assigned_count(&self) -> usize {
        self.assigned.count()
    }

    /// The group in scope, if it is.
    pub fn group(&self, ix: GroupIx) -> Option<&DesiredGroup> {
        self.in_scope.get(&ix).and_then(|&at| self.groups.get(at))
    }

    /// By what the person belongs: a group, or the direct assignment.
    pub fn because(&self, user: UserIx) -> MembershipCause {
        let via = self.via.get(user.0 as usize).copied().unwrap_or(BY_NONE);
        match self.groups.get(via as usize) {
            Some(group) => MembershipCause::MemberOf(group.name.clone()),
            None if self.snapshot.direct(user) => MembershipCause::Direct,
            None => MembershipCause::Everybody,
        }
    }
}

#[cfg(test)]
mod tests;
