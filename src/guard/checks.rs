//! The single checks. Each looks at what may still go, and takes away what it must not let pass.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Cleared, EditImpact, Facts, GuardLimits, Loosened};
use crate::config::addresses::{AddressChange, AddressSide};
use crate::config::forms::Limit;
use crate::model::{HoldReason, NamedUsers, ObjectRef, Op, RekeyOutcome, SourceId, SourcePart};
use crate::plan::{Action, Blocked, NameOrder, Operation};

/// So many fewer people, groups or values are everyday in a tenant of any size, whatever share of a small one they are. The
/// removal budget counts them all the same.
const EVERYDAY: u64 = 3;

/// Whether `count` of `whole` is more than allowed.
fn exceeds(limit: Limit, count: u64, whole: u64) -> bool {
    limit.allowed(whole).is_some_and(|allowed| count > allowed)
}

/// The id under which an operation keeps an account that gets replaced.
fn put_aside(operation: &Operation) -> Option<&SourceId> {
    match &operation.action {
        Action::ReplaceUser { aside, .. } => Some(aside),
        _ => None,
    }
}

/// `breakglass@acme.test (account 7, roles: admin)`.
fn account_named(operation: &Operation) -> String {
    let Action::AdoptUser { found, .. } = &operation.action else { return operation.name.clone() };
    let roles = match found.roles.as_slice() {
        [] => "no roles".to_owned(),
        roles => format!("roles: {}", roles.join(", ")),
    };
    format!("{} (account {}, {roles})", operation.name, found.id)
}

/// What is said of an address that is not the one on record. It names both, so that an approval is for exactly this change.
pub(super) fn address_hold(change: &AddressChange) -> HoldReason {
    let (from, to) = (change.from.clone(), change.to.clone());
    match change.side {
        AddressSide::Target => HoldReason::TargetChange { from, to },
        AddressSide::Source => HoldReason::SourceChange { from, to },
        AddressSide::Login => HoldReason::TokenServerChange { from, to },
        AddressSide::Proxy => HoldReason::ProxyChange { from, to },
    }
}

impl Cleared {
    pub(super) fn note_blocked(&mut self) {
        for operation in &self.plan.operations {
            let (object, name) = (operation.object.clone(), operation.name.clone());
            match &operation.blocked {
                Some(Blocked::Held(why)) => {
                    self.holds.push(HoldReason::NeedsDecision { object, name, cause: why.clone() });
                }
                Some(Blocked::Conflict(why)) => {
                    self.holds.push(HoldReason::Conflict { object, name, cause: why.clone() });
                }
                Some(Blocked::Failed(_)) | None => {}
            }
        }
    }

    /// While the members of a group are unknown, nobody can be said to belong no more.
    pub(super) fn note_unread(&mut self, facts: &Facts) {
        for (group, why) in &facts.unread {
            self.holds.push(HoldReason::UnreadGroup { group: group.clone(), why: why.clone() });
        }
    }

    /// The account by which rosterd itself enters must not be shut from inside.
    pub(super) fn check_own_account(&mut self, facts: &Facts) {
        let Some(own) = &facts.own_account else { return };
        let is_own = |operation: &Operation| {
            matches!(operation.object, ObjectRef::User(_))
                && operation.op().takes_access()
                && operation.app_id.as_ref() == Some(own)
        };
        if let Some(operation) = self.plan.operations.iter().find(|operation| is_own(operation)) {
            self.hold(HoldReason::OwnAccount { name: operation.name.clone() }, is_own);
        }
    }

    /// A state that was lost or is new takes nothing away: it can't know what it once gave.
    pub(super) fn check_adopt_only(&mut self, facts: &Facts) {
        let Some(why) = &facts.adopt_only else { return };
        if self.plan.operations.iter().any(|operation| operation.op().takes_access()) {
            self.hold(HoldReason::AdoptOnly { why: why.clone() }, |operation| operation.op().takes_access());
        }
    }

    /// A directory that shows much less than before is believed only by somebody who looked.
    pub(super) fn check_reading(&mut self, facts: &Facts, limits: &GuardLimits) {
        let Some(before) = facts.before.filter(|_| !limits.source_shrink.is_none()) else { return };
        let shrank = |was: u64, is: u64| {
            let fewer = was.saturating_sub(is);
            (was > 0 && is == 0) || (fewer > EVERYDAY && exceeds(limits.source_shrink, fewer, was))
        };
        // Groups are emptied every day, but not all of them at once.
        let vanished = |was: u64, is: u64| was > EVERYDAY && is == 0;
        let now = facts.now;
        let (what, was, is) = match () {
            () if shrank(before.users, now.users) => (SourcePart::People, before.users, now.users),
            () if shrank(before.groups, now.groups) => (SourcePart::Groups, before.groups, now.groups),
            () if vanished(before.memberships, now.memberships) => {
                (SourcePart::Memberships, before.memberships, now.memberships)
            }
            () => return,
        };
        let (limit, unbound) = (limits.source_shrink.to_string(), facts.unbound.clone());
        self.hold_all(HoldReason::SourceShrink { what, is, was, limit, unbound });
    }

    /// Many gone and as many new: the directory gave everybody another id, and each would be removed and made anew.
    pub(super) fn check_rekey(&mut self, facts: &Facts, limits: &GuardLimits) {
        let both = facts.strangers.min(facts.missing);
        if both > EVERYDAY && exceeds(limits.rekey, both, facts.managed) {
            let (missing, strangers, managed) = (facts.missing, facts.strangers, facts.managed);
            let count = |which: fn(&Operation) -> bool| {
                self.plan.operations.iter().filter(|operation| operation.blocked.is_none() && which(operation)).count()
                    as u64
            };
            let relinked = count(|operation| operation.op() == Op::RelinkUser);
            let more = count(|operation| match &operation.action {
                Action::CreateUser { .. } | Action::ActivateUser => true,
                Action::AdoptUser { found, .. } => found.active,
                _ => false,
            });
            let removals = count(|operation| operation.op().takes_access());
            let outcome = Some(RekeyOutcome { relinked, after: managed + more, removals });
            self.hold_all(HoldReason::Rekey { missing, strangers, managed, limit: limits.rekey.to_string(), outcome });
            // An approval says that the ids changed; it says nothing of those who really left.
            for (at, operation) in self.plan.operations.iter().enumerate() {
                if operation.op().takes_access() {
                    self.never.insert(at);
                }
            }
        }
    }

    pub(super) fn check_attribute_loss(&mut self, facts: &Facts, limits: &GuardLimits) {
        let mut losing: BTreeMap<&SourceId, &str> = BTreeMap::new();
        for operation in &self.plan.operations {
            let loses = match (&operation.action, &operation.blocked) {
                (Action::UpdateUser { .. }, Some(Blocked::Failed(_))) => !facts.failing.contains(operation.object.id()),
                (Action::UpdateUser { clear, .. }, _) => !clear.is_empty(),
                _ => false,
            };
            if loses {
                losing.insert(operation.object.id(), &operation.name);
            }
        }
        let count = losing.len() as u64;
        if count > EVERYDAY && exceeds(limits.attribute_loss, count, facts.managed) {
            let (managed, limit) = (facts.managed, limits.attribute_loss.to_string());
            let who = NamedUsers::of(losing.into_values());
            self.hold_all(HoldReason::AttributeLoss { count, managed, limit, who });
        }
    }

    /// An edit of the tenant file is shown before it hits many; one that changes by what people are recognised, always.
    pub(super) fn check_settings(&mut self, facts: &Facts, limits: &GuardLimits) {
        let hits = |operation: &&Operation| {
            operation.app_id.is_some()
                && (operation.op().takes_access() || matches!(operation.action, Action::UpdateUser { .. }))
        };
        let mut hit: BTreeMap<&SourceId, &str> = BTreeMap::new();
        for operation in self.plan.operations.iter().filter(hits) {
            match &operation.action {
                Action::RemoveMembers { users, .. } | Action::DeleteGroup { users } => {
                    hit.extend(users.iter().map(|user| (&user.id, user.name.as_str())));
                }
                _ => drop(hit.insert(operation.object.id(), &operation.name)),
            }
        }
        let (count, who) = (hit.len() as u64, NamedUsers::of(hit.into_values()));
        let hold = match facts.edited {
            EditImpact::Matching if !self.plan.operations.is_empty() => HoldReason::MatchingChange { count, who },
            EditImpact::Settings | EditImpact::Matching if exceeds(limits.settings_change, count, facts.managed) => {
                let (managed, limit) = (facts.managed, limits.settings_change.to_string());
                HoldReason::SettingsChange { count, managed, limit, who }
            }
            _ => return,
        };
        self.hold_all(hold);
    }

    /// Values that the directory lost while an earlier version kept them in the app: shown before they are taken away.
    pub(super) fn check_upgrade(&mut self, facts: &Facts) {
        let loses = |operation: &Operation| match &operation.action {
            Action::UpdateUser { clear, .. } => clear.iter().any(|path| facts.on_source_change.contains(path)),
            _ => false,
        };
        let who =
            NamedUsers::of(self.going().filter(|operation| loses(operation)).map(|operation| operation.name.as_str()));
        if facts.edited == EditImpact::Upgraded && !who.is_empty() {
            self.hold(HoldReason::Upgrade { who }, loses);
        }
    }

    /// A guard that was loosened is itself held, once. Until that is approved the settings of before are in force; where these can't be
    /// (an entry of a list is gone), everything waits.
    pub(super) fn check_guard_change(&mut self, facts: &Facts) {
        let Some(Loosened { changes, holds_all }) = &facts.loosened else { return };
        let hold = HoldReason::GuardChange { changes: changes.clone(), holds_all: *holds_all };
        self.guard_change = Some(hold.canonical());
        self.holds.push(hold);
        if *holds_all {
            self.all_held = true;
            self.restrict(|_| false);
        }
    }

    /// Kinds of change that the operator always wants to see first.
    pub(super) fn check_asked_before(&mut self, limits: &GuardLimits) {
        let asked = |operation: &Operation| limits.ask_before.contains(&operation.op());
        let waiting: Vec<&Operation> = self.going().filter(|operation| asked(operation)).collect();
        if waiting.is_empty() {
            return;
        }
        let ops: BTreeSet<Op> = waiting.iter().map(|operation| operation.op()).collect();
        let who = NamedUsers::of(waiting.iter().map(|operation| operation.name.as_str()));
        let people: HashSet<ObjectRef> = waiting
            .iter()
            .filter(|operation| matches!(operation.op(), Op::CreateUser | Op::AdoptUser | Op::CreateGroup))
            .map(|operation| operation.object.clone())
            .collect();
        // What needs the account or group that waits, waits with it.
        self.hold(HoldReason::Approval { ops, who }, |operation| {
            asked(operation) || people.contains(&operation.object)
        });
    }

    /// An account that others made, and that a directory record of its name would take over, is given to it only by a person.
    pub(super) fn check_adoptions(&mut self) {
        let adoptions = self.adoptions;
        let is_waiting = |operation: &Operation| match &operation.action {
            Action::AdoptUser { known: None, privileged, .. } => adoptions.wait(*privileged),
            _ => false,
        };
        let waiting: Vec<&Operation> = self.going().filter(|operation| is_waiting(operation)).collect();
        if waiting.is_empty() {
            return;
        }
        let who: Vec<String> = waiting.iter().map(|operation| account_named(operation)).collect();
        let who = NamedUsers::of(who.iter().map(String::as_str));
        let objects: HashSet<ObjectRef> = waiting.iter().map(|operation| operation.object.clone()).collect();
        let people: HashSet<SourceId> = objects.iter().map(|object| object.id().clone()).collect();
        self.hold(HoldReason::Adoption { who }, |operation| {
            let reports_to = match &operation.action {
                Action::UpdateUser { manager: Some(manager), .. } => people.contains(manager),
                _ => false,
            };
            reports_to || objects.contains(&operation.object)
        });
    }

    /// Whether a new id is the same person, or another one with the old one's name, somebody has to say.
    pub(super) fn check_relinks(&mut self) {
        let relinked: Vec<&Operation> =
            self.going().filter(|op| matches!(op.op(), Op::RelinkUser | Op::RelinkGroup)).collect();
        if relinked.is_empty() {
            return;
        }
        let who = NamedUsers::of(relinked.iter().map(|operation| operation.name.as_str()));
        let objects: HashSet<ObjectRef> = relinked.iter().map(|operation| operation.object.clone()).collect();
        self.hold(HoldReason::Relink { who }, |operation| objects.contains(&operation.object));
    }

    /// What waits for a time to pass needs a clock that can be trusted.
    pub(super) fn check_clock(&mut self, facts: &Facts) {
        let Some(doubt) = facts.clock.filter(|_| facts.delete_waits) else { return };
        let waits = |operation: &Operation| operation.op() == Op::DeleteUser;
        let who =
            NamedUsers::of(self.going().filter(|operation| waits(operation)).map(|operation| operation.name.as_str()));
        if !who.is_empty() {
            self.hold(HoldReason::Clock { doubt, who }, waits);
        }
    }

    /// Where a deleted person can never have an account again, somebody has to want it.
    pub(super) fn check_final(&mut self, facts: &Facts) {
        let is_final = |operation: &Operation| facts.delete_is_final && operation.op() == Op::DeleteUser;
        let who = NamedUsers::of(
            self.going().filter(|operation| is_final(operation)).map(|operation| operation.name.as_str()),
        );
        if !who.is_empty() {
            self.hold(HoldReason::FinalDelete { who }, is_final);
        }
    }

    pub(super) fn check_groups(&mut self, facts: &Facts, limits: &GuardLimits) {
        // Whoever only gets another account is not lost to the group.
        let put_aside: HashSet<&SourceId> = self.going().filter_map(put_aside).collect();
        let mut over = Vec::new();
        for (at, operation) in self.plan.operations.iter().enumerate().filter(|(at, _)| self.allows(*at)) {
            let Action::RemoveMembers { users, of, .. } = &operation.action else { continue };
            let before = facts.reduced.get(operation.object.id()).copied().unwrap_or_default();
            let now = users.iter().filter(|user| !put_aside.contains(&user.id)).count() as u64;
            let whole = of + before;
            if now > 0 && exceeds(limits.group_removals, now + before, whole) {
                let hold = HoldReason::GroupRemovals {
                    group: operation.name.clone(),
                    now,
                    of: *of,
                    lost: before,
                    limit: limits.group_removals.to_string(),
                    who: NamedUsers::of(users.iter().map(|user| user.name.as_str())),
                };
                over.push((at, hold));
            }
        }
        for (at, hold) in over {
            self.allowed.remove(at);
            self.holds.push(hold);
        }
    }

    /// The rolling budget, in users: one who loses an account, a role, a deleted group or the last group counts once a day; and once more
    /// if the account was activated again in between.
    pub(super) fn check_removals(&mut self, facts: &Facts, limits: &GuardLimits) {
        let mut losing: BTreeMap<&SourceId, &str> = BTreeMap::new();
        let mut accounts_end: BTreeSet<&SourceId> = BTreeSet::new();
        let mut somebody_comes = false;
        for operation in self.going() {
            losing.extend(operation.loses_access(&facts.access));
            match &operation.action {
                Action::DeactivateUser | Action::DeleteUser { active: true } => {
                    accounts_end.insert(operation.object.id());
                }
                Action::CreateUser { .. } | Action::AdoptUser { .. } | Action::ActivateUser => somebody_comes = true,
                _ => {}
            }
        }
        losing.retain(|id, _| !facts.lost.contains(*id) || facts.returned.contains(*id));
        let now = losing.len() as u64;
        // A user who lost access and has it again is among the managed already.
        let absent = (facts.lost.len() as u64).saturating_sub(facts.lost_but_active);
        let lost = facts.lost.len() as u64 + facts.lost_again;
        let (total, managed) = (now + lost, facts.managed + absent);
        let none_left = !accounts_end.is_empty() && accounts_end.len() as u64 >= facts.managed && !somebody_comes;
        let unknown = facts.losses_unknown && !limits.removals_per_day.is_none();
        if now > 0 && (none_left || unknown || exceeds(limits.removals_per_day, total, managed)) {
            let hold = HoldReason::RemovalsPerDay {
                now,
                lost,
                managed,
                limit: limits.removals_per_day.to_string(),
                none_left,
                unknown,
                who: NamedUsers::of(losing.into_values()),
                unbound: facts.unbound.clone(),
            };
            self.hold(hold, |operation| {
                operation.op().takes_access() || !operation.loses_access(&facts.access).is_empty()
            });
        }
    }

    pub(super) fn check_creates(&mut self, facts: &Facts, limits: &GuardLimits) {
        let planned = self.going().filter(|operation| operation.op() == Op::CreateUser).count() as u64;
        if planned > 0 && exceeds(limits.creates_per_day, planned + facts.created, facts.managed) {
            let limit = limits.creates_per_day.to_string();
            let hold = HoldReason::CreatesPerDay { now: planned, created: facts.created, limit };
            self.hold(hold, |operation| operation.op() == Op::CreateUser);
        }
    }

    /// The first sync of a tenant waits until somebody has looked at it. Checked last, so that an approval covers what the other checks
    /// found, and listed first, since it holds everything.
    pub(super) fn check_first_sync(&mut self, facts: &Facts) {
        if !facts.first_sync || self.plan.operations.is_empty() {
            return;
        }
        let operations = &self.plan.operations;
        let creates = operations.iter().filter(|operation| operation.op() == Op::CreateUser).count() as u64;
        self.hold_all(HoldReason::FirstSync { changes: operations.len() as u64, creates });
        self.holds.rotate_right(1);
    }

    /// Names that go round in a circle are all changed, or none: a third name is for a moment only.
    pub(super) fn check_names(&mut self) {
        let operations = &self.plan.operations;
        let steps: Vec<usize> = (0..operations.len())
            .filter(|at| operations.get(*at).is_some_and(|operation| operation.op() == Op::FreeName))
            .collect();
        if steps.is_empty() {
            return;
        }
        let order = NameOrder::of(operations);
        for step in steps {
            let object = operations.get(step).map(|operation| &operation.object);
            let last =
                (0..operations.len()).filter(|at| operations.get(*at).map(|operation| &operation.object) == object);
            let mut circle = vec![step];
            for at in last {
                let row: Vec<usize> =
                    std::iter::successors(Some(at), |at| order.after(*at)).take(operations.len()).collect();
                if row.last() == Some(&step) {
                    circle.extend(row);
                }
            }
            let (held, never) =
                (circle.iter().any(|at| !self.allowed.contains(*at)), circle.iter().any(|at| self.never.contains(*at)));
            for at in circle {
                if held {
                    self.allowed.remove(at);
                }
                if never {
                    self.never.insert(at);
                }
            }
        }
    }

    /// A new account, and the end of the one it replaces, go together or not at all.
    pub(super) fn check_replaced(&mut self) {
        let mut places: BTreeMap<&SourceId, Vec<usize>> = BTreeMap::new();
        let mut replaced: Vec<(&SourceId, &SourceId)> = Vec::new();
        for (at, operation) in self.plan.operations.iter().enumerate() {
            match &operation.action {
                Action::RemoveMembers { users, .. } => {
                    users.iter().for_each(|user| places.entry(&user.id).or_default().push(at));
                    continue;
                }
                Action::ReplaceUser { aside, .. } => replaced.push((operation.object.id(), aside)),
                Action::CreateUser { .. } | Action::DeactivateUser => {}
                _ => continue,
            }
            places.entry(operation.object.id()).or_default().push(at);
        }
        let (mut held, mut never) = (Vec::new(), Vec::new());
        for (id, aside) in replaced {
            let together = || [id, aside].into_iter().filter_map(|id| places.get(id)).flatten().copied();
            if together().any(|at| !self.allowed.contains(at)) {
                held.extend(together());
            }
            if together().any(|at| self.never.contains(at)) {
                never.extend(together());
            }
        }
        for at in held {
            self.allowed.remove(at);
        }
        for at in never {
            self.never.insert(at);
        }
    }
}
