//! When to stop and ask. In: a plan, the facts around it, the tenant's limits. Out: which operations may go, and why not the
//! others.
//!
//! Pure. Holds the part that takes access when too many people would lose it, and everything when the directory itself looks
//! wrong. There is no way around it but a plan approved by its hash.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::config::forms::Limit;
use crate::model::{Bits, Counts, Op, SourceId};
use crate::plan::{Action, Blocked, Operation, Plan};

/// The tenant's limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// How many managed people may lose access in any 24 hours.
    pub removals_per_day: Limit,
    /// How much of one group's membership may be removed in one run.
    pub group_removals: Limit,
    /// How much smaller than the last a reading may be.
    pub source_shrink: Limit,
    /// How many people may lose a mapped attribute in one run.
    pub attribute_loss: Limit,
    /// How many accounts may be created in any 24 hours.
    pub creates_per_day: Limit,
}

/// What the guard has to know beside the plan.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Linked people whose accounts are active.
    pub managed: u64,
    /// People who lost access in the last 24 hours.
    pub lost: BTreeSet<SourceId>,
    /// Accounts created in the last 24 hours.
    pub created: u64,
    /// People who could not be brought in step before this run: nothing new if they can't now.
    pub failing: HashSet<SourceId>,
    /// Groups whose members could not be read, and why.
    pub unread: Vec<(String, String)>,
    /// What the last accepted reading held.
    pub before: Option<Counts>,
    /// What this one holds.
    pub now: Counts,
    /// Why the state can't be believed yet.
    pub adopt_only: Option<String>,
    /// Whether somebody approved exactly this plan.
    pub approved: bool,
}

/// Why something was held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// A short, stable name: `removals_per_day`, `source_shrink`, …
    pub reason: String,
    /// What was found, with the numbers.
    pub detail: String,
}

impl Hold {
    fn new(reason: &str, detail: String) -> Self {
        Self { reason: reason.to_owned(), detail }
    }
}

/// A plan with the guard's word on each of its operations. The only thing that can be applied.
#[derive(Debug, Clone)]
pub struct Cleared {
    plan: Plan,
    allowed: Bits,
    holds: Vec<Hold>,
    all_held: bool,
}

impl Cleared {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether an operation may be sent.
    pub fn allows(&self, at: usize) -> bool {
        self.allowed.contains(at)
    }

    /// Why something was held.
    pub fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// A plan of only what may be sent.
    pub fn into_allowed(self) -> Plan {
        let Self { plan, allowed, .. } = self;
        let operations = plan.operations.into_iter().enumerate();
        Plan::of(operations.filter(|(at, _)| allowed.contains(*at)).map(|(_, operation)| operation).collect())
    }

    /// This and what was cleared after it in the same run, as one: its operations first.
    pub fn followed_by(self, later: Self) -> Self {
        let first = self.plan.operations.len();
        let mut allowed = Bits::new(first + later.plan.operations.len());
        for at in self.allowed.iter().chain(later.allowed.iter().map(|at| first + at)) {
            allowed.insert(at);
        }
        let holds = self.holds.into_iter().chain(later.holds).collect();
        Self { plan: self.plan.followed_by(later.plan), allowed, holds, all_held: later.all_held }
    }

    /// Whether the directory looks so wrong that nothing of the plan counts, its failures neither.
    pub fn is_all_held(&self) -> bool {
        self.all_held
    }

    /// Only the operations that `keep` names may go; the others count as held, without a hold of their own.
    pub fn restrict(&mut self, keep: impl Fn(&Operation) -> bool) {
        for (at, operation) in self.plan.operations.iter().enumerate() {
            if !keep(operation) {
                self.allowed.remove(at);
            }
        }
    }
}

/// Whether `count` of `whole` is more than allowed.
fn exceeds(limit: Limit, count: u64, whole: u64) -> bool {
    limit.allowed(whole).is_some_and(|allowed| count > allowed)
}

/// So many fewer people, groups or values are everyday in a tenant of any size, whatever share of a small one they are. The
/// removal budget counts them all the same.
const EVERYDAY: u64 = 3;

/// Whether the directory's numbers alone are reason enough to hold everything, before anything is asked or planned.
pub fn check_reading(facts: &Facts, limits: &Limits) -> Option<Hold> {
    let before = facts.before.filter(|_| !facts.approved && !limits.source_shrink.is_none())?;
    let shrank = |was: u64, is: u64| {
        let fewer = was.saturating_sub(is);
        (was > 0 && is == 0) || (fewer > EVERYDAY && exceeds(limits.source_shrink, fewer, was))
    };
    // Groups are emptied every day, but not all of them at once.
    let vanished = |was: u64, is: u64| was > EVERYDAY && is == 0;
    let (now, members) = (facts.now, vanished(before.memberships, facts.now.memberships));
    let (what, was, is) = match () {
        () if shrank(before.users, now.users) => ("people", before.users, now.users),
        () if shrank(before.groups, now.groups) => ("groups", before.groups, now.groups),
        () if members => ("memberships", before.memberships, now.memberships),
        () => return None,
    };
    let detail = format!(
        "the directory shows {is} {what}, {was} in the last accepted reading ({} fewer; the limit is {})",
        was.saturating_sub(is),
        limits.source_shrink
    );
    Some(Hold::new("source_shrink", detail))
}

/// Passes a plan, or holds part of it, or all.
pub fn check(plan: Plan, facts: &Facts, limits: &Limits) -> Cleared {
    let mut allowed = Bits::new(plan.operations.len());
    for (at, operation) in plan.operations.iter().enumerate() {
        if operation.blocked.is_none() {
            allowed.insert(at);
        }
    }
    let mut cleared = Cleared { plan, allowed, holds: Vec::new(), all_held: false };
    cleared.note_blocked();
    cleared.note_unread(facts);
    if facts.approved {
        return cleared;
    }
    cleared.check_adopt_only(facts);
    cleared.check_attribute_loss(facts, limits);
    cleared.check_groups(limits);
    cleared.check_removals(facts, limits);
    cleared.check_creates(facts, limits);
    cleared
}

impl Cleared {
    fn hold(&mut self, hold: Hold, which: impl Fn(&Operation) -> bool) {
        self.holds.push(hold);
        self.restrict(|operation| !which(operation));
    }

    /// The operations that may go so far.
    fn going(&self) -> impl Iterator<Item = &Operation> {
        self.plan.operations.iter().enumerate().filter(|(at, _)| self.allows(*at)).map(|(_, operation)| operation)
    }

    fn note_blocked(&mut self) {
        for operation in &self.plan.operations {
            if let Some(Blocked::Held(why)) = &operation.blocked {
                self.holds.push(Hold::new("needs_decision", format!("{} {}: {why}", operation.object, operation.name)));
            }
        }
    }

    /// While the members of a group are unknown, nobody can be said to belong no more.
    fn note_unread(&mut self, facts: &Facts) {
        for (group, why) in &facts.unread {
            let detail = format!(
                "the members of group {group} could not be read ({why}): it keeps them, and nobody loses an account for being \
                 in no group"
            );
            self.holds.push(Hold::new("unread_group", detail));
        }
    }

    /// A state that was lost or is new takes nothing away: it can't know what it once gave.
    fn check_adopt_only(&mut self, facts: &Facts) {
        let Some(why) = &facts.adopt_only else { return };
        if self.plan.operations.iter().any(|operation| operation.op().takes_access()) {
            let detail = format!("the state was just begun ({why}): this run adopts and adds, it removes nothing");
            self.hold(Hold::new("adopt_only", detail), |operation| operation.op().takes_access());
        }
    }

    fn check_attribute_loss(&mut self, facts: &Facts, limits: &Limits) {
        let losing: BTreeSet<&SourceId> = self
            .plan
            .operations
            .iter()
            .filter(|operation| match (&operation.action, &operation.blocked) {
                (Action::UpdateUser { .. }, Some(Blocked::Failed(_))) => !facts.failing.contains(operation.object.id()),
                (Action::UpdateUser { clear, .. }, _) => !clear.is_empty(),
                _ => false,
            })
            .map(|operation| operation.object.id())
            .collect();
        let count = losing.len() as u64;
        if count > EVERYDAY && exceeds(limits.attribute_loss, count, facts.managed) {
            let detail = format!(
                "{count} of {} managed people would lose a mapped attribute (the limit is {}): a directory that hides \
                 attributes looks like this",
                facts.managed, limits.attribute_loss
            );
            self.all_held = true;
            self.hold(Hold::new("attribute_loss", detail), |_| true);
        }
    }

    fn check_groups(&mut self, limits: &Limits) {
        let mut over = Vec::new();
        for (at, operation) in self.plan.operations.iter().enumerate() {
            if let Action::RemoveMembers { users, of } = &operation.action
                && exceeds(limits.group_removals, users.len() as u64, *of)
            {
                let detail = format!(
                    "group {} would lose {} of its {of} members (the limit is {})",
                    operation.name,
                    users.len(),
                    limits.group_removals
                );
                over.push((at, Hold::new("group_removals", detail)));
            }
        }
        for (at, hold) in over {
            self.allowed.remove(at);
            self.holds.push(hold);
        }
    }

    fn check_removals(&mut self, facts: &Facts, limits: &Limits) {
        // Whoever leaves with a group is switched off by an operation of their own.
        let mut losing: BTreeSet<&SourceId> = BTreeSet::new();
        let mut accounts_end: BTreeSet<&SourceId> = BTreeSet::new();
        let mut somebody_comes = false;
        for operation in self.going() {
            let id = operation.object.id();
            match &operation.action {
                Action::DeactivateUser | Action::DeleteUser { active: true } => {
                    losing.insert(id);
                    accounts_end.insert(id);
                }
                Action::DeleteUser { active: false } => drop(losing.insert(id)),
                Action::CreateUser { .. } | Action::AdoptUser { .. } | Action::ActivateUser => somebody_comes = true,
                _ => {}
            }
        }
        let now = losing.iter().filter(|id| !facts.lost.contains(**id)).count() as u64;
        let (total, managed) = (now + facts.lost.len() as u64, facts.managed + facts.lost.len() as u64);
        let none_left = !accounts_end.is_empty() && accounts_end.len() as u64 >= facts.managed && !somebody_comes;
        if now > 0 && (none_left || exceeds(limits.removals_per_day, total, managed)) {
            let detail = format!(
                "{now} people would lose access now and {} lost it in the last 24 hours, of {managed} managed (the limit is \
                 {}{})",
                facts.lost.len(),
                limits.removals_per_day,
                if none_left { ", and nobody would be left" } else { "" }
            );
            self.hold(Hold::new("removals_per_day", detail), |operation| operation.op().takes_access());
        }
    }

    fn check_creates(&mut self, facts: &Facts, limits: &Limits) {
        let planned = self.going().filter(|operation| operation.op() == Op::CreateUser).count() as u64;
        if planned > 0 && exceeds(limits.creates_per_day, planned + facts.created, facts.managed) {
            let detail = format!(
                "{planned} accounts would be created now and {} were in the last 24 hours (the limit is {})",
                facts.created, limits.creates_per_day
            );
            self.hold(Hold::new("creates_per_day", detail), |operation| operation.op() == Op::CreateUser);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
