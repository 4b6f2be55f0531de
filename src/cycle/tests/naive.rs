//! The rules once more, as naively as they can be said: from what the app held and what the directory says now, what the app
//! holds next. No plan, no difference, no index; it shares no code with the engine, and it is slow and plain on purpose.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::tenant::DeprovisioningAction;
use crate::model::LifecycleStatus;
use crate::sim::Directory;

/// A person who is missing needs a second look, so many minutes after the first.
const SECOND_LOOK: i64 = 10;

/// What the operator wrote.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) on_suspended: DeprovisioningAction,
    pub(super) on_unassigned: DeprovisioningAction,
    pub(super) on_deleted: DeprovisioningAction,
    /// Minutes between deactivation and deletion.
    pub(super) delete_after: Option<i64>,
    pub(super) groups_managed: bool,
    pub(super) create_empty: bool,
    pub(super) delete_unassigned_groups: bool,
    pub(super) delete_deleted_groups: bool,
    pub(super) nested: bool,
    /// Ids of the groups in scope; `None`: those that the directory assigns, and people assigned directly.
    pub(super) scope: Option<BTreeSet<String>>,
    pub(super) protected: BTreeSet<String>,
}

/// An account, by the person's directory id; a stranger's has an id that the directory does not know.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Account {
    pub(super) active: bool,
    /// Whether rosterd made it or took it over.
    pub(super) ours: bool,
    pub(super) missing_since: Option<i64>,
    pub(super) inactive_since: Option<i64>,
}

/// A group of the app.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    /// Which one it is, whatever it is called.
    pub(super) serial: usize,
    pub(super) name: String,
    /// The directory's group for which rosterd made it.
    pub(super) made_for: Option<String>,
    /// The directory's group that it follows now.
    pub(super) follows: Option<String>,
    pub(super) members: BTreeSet<String>,
    /// The members whom the directory put there, by rosterd's hand or not. The others are nobody's business.
    pub(super) ours: BTreeSet<String>,
    /// Whether its management was off since it was last compared with the app.
    pub(super) unwatched: bool,
    /// Members who were found in it when its management was on again.
    pub(super) found: BTreeSet<String>,
}

/// What the app holds, and what is known of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct App {
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) groups: Vec<Group>,
    /// Whether a first cycle has been made.
    pub(super) begun: bool,
    /// How many groups were ever made: one that is held back and one that is new are never taken for each other.
    pub(super) made: usize,
}

/// What the directory shows, read by the operator's rules.
pub(super) struct Reading<'a> {
    dir: &'a Directory,
    rules: &'a Rules,
}

impl<'a> Reading<'a> {
    pub(super) fn new(dir: &'a Directory, rules: &'a Rules) -> Self {
        Self { dir, rules }
    }

    fn lists(&self, id: &str) -> bool {
        !self.dir.hidden.contains(id)
    }

    /// How a listed person stands.
    fn standing(&self, person: &str) -> Option<LifecycleStatus> {
        self.dir.users.get(person).filter(|_| self.lists(person)).map(|user| user.standing)
    }

    /// The listed groups that are bound to the app.
    fn bound(&self) -> Vec<&'a str> {
        let bound = self.dir.groups.iter().filter(|(id, group)| match &self.rules.scope {
            Some(ids) => ids.contains(*id),
            None => group.assigned,
        });
        bound.map(|(id, _)| id.as_str()).filter(|id| self.lists(id)).collect()
    }

    /// The group and the groups inside it whose members count as its own. What is in a group that could not be read is not known.
    fn parts(&self, group: &str) -> BTreeSet<String> {
        let mut parts = BTreeSet::from([group.to_owned()]);
        loop {
            let read = parts.iter().map(|part| &self.dir.groups[part]).filter(|part| self.rules.nested && !part.unread);
            let inside = read.flat_map(|part| &part.members);
            let groups = inside.filter(|id| self.dir.groups.contains_key(*id) && self.lists(id));
            let more: BTreeSet<String> = groups.filter(|id| !parts.contains(*id)).cloned().collect();
            if more.is_empty() {
                return parts;
            }
            parts.extend(more);
        }
    }

    fn is_unread(&self, group: &str) -> bool {
        self.parts(group).iter().any(|part| self.dir.groups[part].unread)
    }

    /// Whether there is a bound group of which nobody knows who is in it.
    fn in_doubt(&self) -> bool {
        self.bound().iter().any(|group| self.is_unread(group))
    }

    /// The people whom a bound group shows as its members.
    fn members(&self, group: &str) -> BTreeSet<String> {
        let parts = self.parts(group);
        let read = parts.iter().filter(|part| !self.dir.groups[*part].unread);
        let ids = read.flat_map(|part| &self.dir.groups[part].members);
        ids.filter(|id| self.standing(id).is_some() && self.filter_accepts(id)).cloned().collect()
    }

    fn filter_accepts(&self, person: &str) -> bool {
        !self.dir.users[person].record.contains_key("out")
    }

    /// Whether a listed person belongs to the app: by a bound group or directly.
    pub(super) fn holds(&self, person: &str) -> bool {
        let listed = self.standing(person).is_some();
        let directly = || self.rules.scope.is_none() && self.dir.users[person].direct;
        listed
            && self.filter_accepts(person)
            && (directly() || self.bound().iter().any(|group| self.members(group).contains(person)))
    }

    /// Whether the person may use the app.
    pub(super) fn lets_in(&self, person: &str) -> bool {
        self.standing(person) == Some(LifecycleStatus::Active) && self.holds(person)
    }
}

impl App {
    /// What the app holds after a cycle at `now`, in minutes.
    pub(super) fn next(&self, dir: &Directory, rules: &Rules, now: i64) -> Self {
        let reading = Reading::new(dir, rules);
        let mut app = self.clone();
        for (_, account) in app.accounts.iter_mut().filter(|(person, _)| reading.standing(person).is_some()) {
            account.missing_since = None;
        }
        let known: BTreeSet<String> = app.accounts.keys().chain(dir.users.keys()).cloned().collect();
        let touchable = known.into_iter().filter(|person| !rules.protected.contains(person));
        let undecided = touchable.filter(|person| app.person(person, &reading, now) == Verdict::Undecided).collect();
        app.watch(rules);
        if rules.groups_managed {
            app.groups_no_longer_bound(&reading);
            for group in reading.bound() {
                app.bound_group(group, &reading, &undecided);
            }
        }
        app.begun = true;
        app
    }

    /// J14: while management is off nobody looks at the groups; when it is on again, each is compared with the app once.
    pub(super) fn watch(&mut self, rules: &Rules) {
        for group in self.groups.iter_mut() {
            group.found.clear();
            group.unwatched |= !rules.groups_managed && group.follows.is_some();
        }
    }

    /// Whether rosterd has given the person an account.
    fn has(&self, person: &str) -> bool {
        self.accounts.get(person).is_some_and(|account| account.ours)
    }

    fn person(&mut self, person: &str, reading: &Reading<'_>, now: i64) -> Verdict {
        match reading.standing(person) {
            Some(standing) => self.listed(person, standing, reading, now),
            None if self.has(person) => return self.missing(person, reading, now),
            None => {}
        }
        Verdict::Decided
    }

    fn listed(&mut self, person: &str, standing: LifecycleStatus, reading: &Reading<'_>, now: i64) {
        let (rules, holds) = (reading.rules, reading.holds(person));
        match standing {
            LifecycleStatus::Suspended if self.has(person) => self.leaves(person, rules.on_suspended, rules, now),
            // A first cycle only looks who of the suspended has an account; the next one acts.
            LifecycleStatus::Suspended if !self.begun && holds => {
                if let Some(account) = self.accounts.get_mut(person) {
                    account.ours = true;
                    account.inactive_since = (!account.active).then_some(now);
                }
            }
            LifecycleStatus::Active if holds => {
                let account = Account { active: true, ours: true, missing_since: None, inactive_since: None };
                self.accounts.insert(person.to_owned(), account);
            }
            LifecycleStatus::Active if self.has(person) && !reading.in_doubt() => {
                self.leaves(person, rules.on_unassigned, rules, now);
            }
            LifecycleStatus::Suspended | LifecycleStatus::Active | LifecycleStatus::Staged => {}
        }
    }

    /// A person with an account whom the directory does not list.
    fn missing(&mut self, person: &str, reading: &Reading<'_>, now: i64) -> Verdict {
        let (dir, rules) = (reading.dir, reading.rules);
        if !self.is_looked_for(person, rules) {
            return Verdict::Undecided;
        }
        match dir.users.get(person).map(|user| user.standing) {
            None if !dir.mute => self.leaves(person, rules.on_deleted, rules, now),
            Some(LifecycleStatus::Suspended) if !dir.mute => self.leaves(person, rules.on_suspended, rules, now),
            _ => {
                let account = self.accounts.get_mut(person).unwrap();
                let since = *account.missing_since.get_or_insert(now);
                if now - since < SECOND_LOOK || reading.in_doubt() {
                    return Verdict::Undecided;
                }
                self.leaves(person, rules.on_unassigned, rules, now);
            }
        }
        Verdict::Decided
    }

    /// Nobody looks for somebody whose account is off for good and who is in no group that is followed.
    fn is_looked_for(&self, person: &str, rules: &Rules) -> bool {
        let may_be_deleted =
            [rules.on_suspended, rules.on_unassigned, rules.on_deleted].contains(&DeprovisioningAction::Delete);
        let followed = self.groups.iter().filter(|group| rules.groups_managed && group.follows.is_some());
        self.accounts[person].active || may_be_deleted || followed.into_iter().any(|group| group.ours.contains(person))
    }

    fn leaves(&mut self, person: &str, fate: DeprovisioningAction, rules: &Rules, now: i64) {
        let account = self.accounts.get_mut(person).unwrap();
        let ripe = match rules.delete_after {
            Some(after) => account.inactive_since.is_some_and(|since| now - since >= after),
            None => true,
        };
        if fate == DeprovisioningAction::Delete && ripe {
            self.accounts.remove(person);
            for group in &mut self.groups {
                group.members.remove(person);
                group.ours.remove(person);
            }
        } else if fate != DeprovisioningAction::Nothing && account.active {
            account.active = false;
            account.inactive_since = Some(now);
        }
    }

    /// J12 and J13.
    fn groups_no_longer_bound(&mut self, reading: &Reading<'_>) {
        let (dir, rules, bound) = (reading.dir, reading.rules, reading.bound());
        self.groups.retain_mut(|group| {
            let Some(id) = group.follows.clone().filter(|id| !bound.contains(&id.as_str())) else { return true };
            let deleted = !dir.mute && !dir.groups.contains_key(&id);
            let goes = if deleted { rules.delete_deleted_groups } else { rules.delete_unassigned_groups };
            if !goes {
                group.follows = None;
                group.ours.clear();
            }
            // A group with somebody protected in it waits for a decision.
            !goes || group.ours.iter().any(|person| rules.protected.contains(person))
        });
    }

    fn bound_group(&mut self, id: &str, reading: &Reading<'_>, undecided: &BTreeSet<String>) {
        let protected = &reading.rules.protected;
        let shown: BTreeSet<String> = reading.members(id).into_iter().filter(|person| self.has(person)).collect();
        let wanted: BTreeSet<String> = shown.difference(protected).cloned().collect();
        let followed = self.groups.iter().position(|group| group.follows.as_deref() == Some(id));
        let at = match followed.or_else(|| self.taken_over(id, reading)) {
            Some(at) => at,
            // J8
            None if wanted.is_empty() && !reading.rules.create_empty => return,
            None => self.made(id),
        };
        let managed: BTreeSet<String> = self.accounts.keys().filter(|person| self.has(person)).cloned().collect();
        let Some(group) = self.groups.get_mut(at) else { return };
        group.name.clone_from(&reading.dir.groups[id].name);
        let stays = |person: &String| {
            wanted.contains(person) || reading.is_unread(id) || undecided.contains(person) || protected.contains(person)
        };
        if followed.is_none() {
            // Whoever is in it and is one of ours: the next cycle ends what the directory does not say.
            group.ours = group.members.intersection(&managed).cloned().collect();
            group.members.extend(wanted.iter().cloned());
            group.ours.extend(wanted);
            return;
        }
        if std::mem::take(&mut group.unwatched) {
            let shown: BTreeSet<String> = group.members.intersection(&managed).cloned().collect();
            group.found = shown.difference(&group.ours).cloned().collect();
            group.ours = shown;
        }
        // Somebody who was only now found in it, and whom the directory does not list, is asked about first.
        let asked = |person: &String| group.found.contains(person) && reading.standing(person).is_none();
        let gone: Vec<String> = group.ours.iter().filter(|person| !stays(person) && !asked(person)).cloned().collect();
        for person in gone {
            group.ours.remove(&person);
            group.members.remove(&person);
        }
        group.members.extend(wanted.iter().cloned());
        group.ours.extend(wanted);
    }

    /// J9: the app's group that was made for this one, or else that has its name; foreign members stay foreign.
    fn taken_over(&mut self, id: &str, reading: &Reading<'_>) -> Option<usize> {
        let name = &reading.dir.groups[id].name;
        let made = self.groups.iter().position(|group| group.made_for.as_deref() == Some(id));
        let at = made.or_else(|| self.groups.iter().position(|group| group.name.eq_ignore_ascii_case(name)))?;
        self.groups[at].follows = Some(id.to_owned());
        Some(at)
    }

    fn made(&mut self, id: &str) -> usize {
        self.made += 1;
        self.groups.push(Group {
            serial: self.made,
            name: String::new(),
            made_for: Some(id.to_owned()),
            follows: Some(id.to_owned()),
            members: BTreeSet::new(),
            ours: BTreeSet::new(),
            unwatched: false,
            found: BTreeSet::new(),
        });
        self.groups.len() - 1
    }
}

/// Whether a missing person's absence is confirmed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    Decided,
    Undecided,
}
