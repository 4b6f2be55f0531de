//! The single checks. Each looks at what may still go, and takes away what it must not let pass.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Cleared, Edited, Facts, Hold, Limits};
use crate::config::addresses::{AddressChange, AddressSide};
use crate::config::forms::Limit;
use crate::model::{ObjectRef, Op, SourceId, text};
use crate::plan::{Action, Blocked, Operation};

/// Holds that an approval does not settle: the directory, the app or the next run has to.
pub(super) const STAYS: [&str; 4] = ["needs_decision", "unread_group", "adopt_only", "own_account"];

/// So many fewer people, groups or values are everyday in a tenant of any size, whatever share of a small one they are. The
/// removal budget counts them all the same.
const EVERYDAY: u64 = 3;

/// How many people a sentence names.
const NAMED: usize = 5;

/// Whether `count` of `whole` is more than allowed.
fn exceeds(limit: Limit, count: u64, whole: u64) -> bool {
    limit.allowed(whole).is_some_and(|allowed| count > allowed)
}

/// `ann, bo and 3 more`.
fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let first: Vec<_> = names.iter().copied().take(NAMED).map(text::named).collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", first.join(", "))
}

/// The id under which an operation keeps an account that gets replaced.
fn put_aside(operation: &Operation) -> Option<&SourceId> {
    match &operation.action {
        Action::ReplaceUser { aside, .. } => Some(aside),
        _ => None,
    }
}

/// What is said of an address that is not the one on record. The text names both, so that an approval is for exactly this change.
pub(super) fn address_hold(change: &AddressChange) -> Hold {
    let what = change.in_words();
    match change.side {
        AddressSide::Target => Hold::new(
            "target_change",
            format!(
                "{what}; no request was made and no credential was sent. The links and values on record are those of the app at the \
                 address before. If the app only moved, approve; if this is another app, give it a tenant of its own"
            ),
        ),
        AddressSide::Source => Hold::new(
            "source_change",
            format!(
                "{what}; no request was made and no credential was sent. If the directory only moved, approve; if this is another \
                 directory, give it a tenant of its own: its ids are not those on record"
            ),
        ),
    }
}

impl Cleared {
    pub(super) fn note_blocked(&mut self) {
        for operation in &self.plan.operations {
            if let Some(Blocked::Held(why)) = &operation.blocked {
                self.holds.push(Hold::new("needs_decision", format!("{} {}: {why}", operation.object, operation.name)));
            }
        }
    }

    /// While the members of a group are unknown, nobody can be said to belong no more.
    pub(super) fn note_unread(&mut self, facts: &Facts) {
        for (group, why) in &facts.unread {
            let detail = format!(
                "the members of group {group} could not be read ({why}): it keeps them, and nobody loses an account for being \
                 in no group"
            );
            self.holds.push(Hold::new("unread_group", detail));
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
            let detail = format!(
                "the token of this tenant belongs to the account of {}: without it nothing could be done any more. Use a token of \
                 its own for rosterd",
                operation.name
            );
            self.hold_for_good(Hold::new("own_account", detail), is_own);
        }
    }

    /// A state that was lost or is new takes nothing away: it can't know what it once gave.
    pub(super) fn check_adopt_only(&mut self, facts: &Facts) {
        let Some(why) = &facts.adopt_only else { return };
        if self.plan.operations.iter().any(|operation| operation.op().takes_access()) {
            let detail = format!("the state was just begun ({why}): this run adopts and adds, it removes nothing");
            self.hold_for_good(Hold::new("adopt_only", detail), |operation| operation.op().takes_access());
        }
    }

    /// A directory that shows much less than before is believed only by somebody who looked.
    pub(super) fn check_reading(&mut self, facts: &Facts, limits: &Limits) {
        let Some(before) = facts.before.filter(|_| !limits.source_shrink.is_none()) else { return };
        let shrank = |was: u64, is: u64| {
            let fewer = was.saturating_sub(is);
            (was > 0 && is == 0) || (fewer > EVERYDAY && exceeds(limits.source_shrink, fewer, was))
        };
        // Groups are emptied every day, but not all of them at once.
        let vanished = |was: u64, is: u64| was > EVERYDAY && is == 0;
        let now = facts.now;
        let (what, was, is) = match () {
            () if shrank(before.users, now.users) => ("people", before.users, now.users),
            () if shrank(before.groups, now.groups) => ("groups", before.groups, now.groups),
            () if vanished(before.memberships, now.memberships) => ("memberships", before.memberships, now.memberships),
            () => return,
        };
        let detail = format!(
            "the directory shows {is} {what}, {was} in the last accepted reading ({} fewer; the limit is {})",
            was.saturating_sub(is),
            limits.source_shrink
        );
        self.hold_all(Hold::new("source_shrink", detail));
    }

    /// Many gone and as many new: the directory gave everybody another id, and each would be removed and made anew.
    pub(super) fn check_rekey(&mut self, facts: &Facts, limits: &Limits) {
        let both = facts.strangers.min(facts.missing);
        if both > EVERYDAY && exceeds(limits.rekey, both, facts.managed) {
            let detail = format!(
                "{} people are gone and {} others are new, of {} managed (the limit is {}): a directory that gave its people \
                 other ids looks like this",
                facts.missing, facts.strangers, facts.managed, limits.rekey
            );
            self.hold_all(Hold::new("rekey", detail));
        }
    }

    pub(super) fn check_attribute_loss(&mut self, facts: &Facts, limits: &Limits) {
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
            let detail = format!(
                "{count} of {} managed people would lose a mapped attribute (the limit is {}): a directory that hides \
                 attributes looks like this. They are {}",
                facts.managed,
                limits.attribute_loss,
                named(losing.into_values())
            );
            self.hold_all(Hold::new("attribute_loss", detail));
        }
    }

    /// An edit of the tenant file is shown before it hits many; one that changes by what people are recognised, always.
    pub(super) fn check_settings(&mut self, facts: &Facts, limits: &Limits) {
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
        let (count, who) = (hit.len() as u64, named(hit.into_values()));
        let hold = match facts.edited {
            Edited::Matching if !self.plan.operations.is_empty() => Hold::new(
                "matching_change",
                format!(
                    "the tenant file now recognises people by other values; {count} accounts would change{}{who}. Read the plan \
                     before you approve it: a wrong match makes second accounts",
                    if count > 0 { ": " } else { "" }
                ),
            ),
            Edited::Settings | Edited::Matching if exceeds(limits.settings_change, count, facts.managed) => Hold::new(
                "settings_change",
                format!(
                    "the tenant file was edited, and that changes or removes {count} of {} managed people (the limit is {}): {who}",
                    facts.managed, limits.settings_change
                ),
            ),
            _ => return,
        };
        self.hold_all(hold);
    }

    /// Kinds of change that the operator always wants to see first.
    pub(super) fn check_asked_before(&mut self, limits: &Limits) {
        let asked = |operation: &Operation| limits.ask_before.contains(&operation.op());
        let waiting: Vec<&Operation> = self.going().filter(|operation| asked(operation)).collect();
        if waiting.is_empty() {
            return;
        }
        let kinds: BTreeSet<&str> = waiting.iter().map(|operation| operation.op().name()).collect();
        let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
        let who = named(waiting.iter().map(|operation| operation.name.as_str()));
        let detail = format!("the tenant file asks for approval before {kinds}: {who}");
        let people: HashSet<ObjectRef> = waiting
            .iter()
            .filter(|operation| matches!(operation.op(), Op::CreateUser | Op::AdoptUser | Op::CreateGroup))
            .map(|operation| operation.object.clone())
            .collect();
        // What needs the account or group that waits, waits with it.
        self.hold(Hold::new("approval", detail), |operation| asked(operation) || people.contains(&operation.object));
    }

    /// Whether a new id is the same person, or another one with the old one's name, somebody has to say.
    pub(super) fn check_relinks(&mut self) {
        let relinked: Vec<&Operation> =
            self.going().filter(|op| matches!(op.op(), Op::RelinkUser | Op::RelinkGroup)).collect();
        if relinked.is_empty() {
            return;
        }
        let who = named(relinked.iter().map(|operation| operation.name.as_str()));
        let objects: HashSet<ObjectRef> = relinked.iter().map(|operation| operation.object.clone()).collect();
        let detail = format!(
            "the directory has a new record for {who}, and the old one is gone: approve if it is the same person or group made \
             anew; otherwise mend the name in the directory or free the account in the app"
        );
        self.hold(Hold::new("relink", detail), |operation| objects.contains(&operation.object));
    }

    /// Where a deleted person can never have an account again, somebody has to want it.
    pub(super) fn check_final(&mut self, facts: &Facts) {
        let is_final = |operation: &Operation| facts.delete_is_final && operation.op() == Op::DeleteUser;
        let who = named(self.going().filter(|operation| is_final(operation)).map(|operation| operation.name.as_str()));
        if !who.is_empty() {
            let detail = format!("in this app a deleted person can never have an account again: {who}");
            self.hold(Hold::new("final_delete", detail), is_final);
        }
    }

    pub(super) fn check_groups(&mut self, facts: &Facts, limits: &Limits) {
        // Whoever only gets another account is not lost to the group.
        let put_aside: HashSet<&SourceId> = self.going().filter_map(put_aside).collect();
        let mut over = Vec::new();
        for (at, operation) in self.plan.operations.iter().enumerate().filter(|(at, _)| self.allows(*at)) {
            let Action::RemoveMembers { users, of, .. } = &operation.action else { continue };
            let before = facts.reduced.get(operation.object.id()).copied().unwrap_or_default();
            let now = users.iter().filter(|user| !put_aside.contains(&user.id)).count() as u64;
            let whole = of + before;
            if now > 0 && exceeds(limits.group_removals, now + before, whole) {
                let detail = format!(
                    "group {} would lose {now} of its {of} members and lost {before} in the last 24 hours (the limit is {}): {}",
                    operation.name,
                    limits.group_removals,
                    named(users.iter().map(|user| user.name.as_str()))
                );
                over.push((at, Hold::new("group_removals", detail)));
            }
        }
        for (at, hold) in over {
            self.allowed.remove(at);
            self.holds.push(hold);
        }
    }

    /// The rolling budget, in people: whoever loses an account, a role, a deleted group or the last group counts once a day.
    pub(super) fn check_removals(&mut self, facts: &Facts, limits: &Limits) {
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
        losing.retain(|id, _| !facts.lost.contains(*id));
        let now = losing.len() as u64;
        let (total, managed) = (now + facts.lost.len() as u64, facts.managed + facts.lost.len() as u64);
        let none_left = !accounts_end.is_empty() && accounts_end.len() as u64 >= facts.managed && !somebody_comes;
        if now > 0 && (none_left || exceeds(limits.removals_per_day, total, managed)) {
            let detail = format!(
                "{now} people would lose access now and {} lost it in the last 24 hours, of {managed} managed (the limit is \
                 {}{}): {}",
                facts.lost.len(),
                limits.removals_per_day,
                if none_left { ", and nobody would be left" } else { "" },
                named(losing.into_values())
            );
            self.hold(Hold::new("removals_per_day", detail), |operation| {
                operation.op().takes_access() || !operation.loses_access(&facts.access).is_empty()
            });
        }
    }

    pub(super) fn check_creates(&mut self, facts: &Facts, limits: &Limits) {
        let planned = self.going().filter(|operation| operation.op() == Op::CreateUser).count() as u64;
        if planned > 0 && exceeds(limits.creates_per_day, planned + facts.created, facts.managed) {
            let detail = format!(
                "{planned} accounts would be created now and {} were in the last 24 hours (the limit is {})",
                facts.created, limits.creates_per_day
            );
            self.hold(Hold::new("creates_per_day", detail), |operation| operation.op() == Op::CreateUser);
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
