//! When to stop and ask. In: a plan, the facts around it, the tenant's limits. Out: which operations may go, and why not the
//! others.
//!
//! Pure. Holds the part that takes access when too many people would lose it, and everything when the directory itself looks
//! wrong. There is no way around it but a plan approved by its hash.

use std::collections::BTreeSet;

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

    /// Only the operations that `keep` names may go; the others count as held, without a hold of their own.
    pub fn restrict(&mut self, keep: impl Fn(&Operation) -> bool) {
        for (at, operation) in self.plan.operations.iter().enumerate() {
            if !keep(operation) {
                self.allowed.remove(at);
            }
        }
    }
}

/// So many fewer say nothing about a directory's health, whatever share of a small one they are. The budget of removals and
/// the rule that nobody may be left over guard these.
const FEW: u64 = 3;

/// Whether `count` of `whole` is more than allowed.
fn exceeds(limit: Limit, count: u64, whole: u64) -> bool {
    limit.allowed(whole).is_some_and(|allowed| count > allowed)
}

/// Whether the directory's numbers alone are reason enough to hold everything, before anything is asked or planned.
pub fn check_reading(facts: &Facts, limits: &Limits) -> Option<Hold> {
    let before = facts.before?;
    let pairs = [("people", before.users, facts.now.users), ("groups", before.groups, facts.now.groups)];
    for (what, was, is) in pairs {
        let lost = was.saturating_sub(is);
        let none_left = was > 0 && is == 0;
        if !facts.approved && (none_left || (lost > FEW && exceeds(limits.source_shrink, lost, was))) {
            let detail = format!(
                "the directory shows {is} {what}, {was} in the last accepted reading ({lost} fewer; the limit is {})",
                limits.source_shrink
            );
            return Some(Hold::new("source_shrink", detail));
        }
    }
    None
}

/// Passes a plan, or holds part of it, or all.
pub fn check(plan: Plan, facts: &Facts, limits: &Limits) -> Cleared {
    let mut allowed = Bits::new(plan.operations.len());
    for (at, operation) in plan.operations.iter().enumerate() {
        if operation.blocked.is_none() {
            allowed.insert(at);
        }
    }
    let mut cleared = Cleared { plan, allowed, holds: Vec::new() };
    cleared.note_blocked();
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

    fn note_blocked(&mut self) {
        for operation in &self.plan.operations {
            if let Some(Blocked::Held(why)) = &operation.blocked {
                self.holds.push(Hold::new("needs_decision", format!("{} {}: {why}", operation.object, operation.name)));
            }
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
        let losing = self.plan.operations.iter().filter(|operation| match &operation.action {
            Action::UpdateUser { clear, .. } => {
                !clear.is_empty() || matches!(operation.blocked, Some(Blocked::Failed(_)))
            }
            _ => false,
        });
        let count = losing.count() as u64;
        if count > 0 && exceeds(limits.attribute_loss, count, facts.managed) {
            let detail = format!(
                "{count} of {} managed people would lose a mapped attribute (the limit is {}): a directory that hides \
                 attributes looks like this",
                facts.managed, limits.attribute_loss
            );
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
        // Whoever leaves with a group is switched off by an operation of their own: nobody is counted twice.
        let takes = |operation: &&Operation| matches!(operation.action, Action::DeactivateUser | Action::DeleteUser);
        let losing: BTreeSet<&SourceId> =
            self.plan.operations.iter().filter(takes).map(|operation| operation.object.id()).collect();
        let planned = losing.iter().filter(|id| !facts.lost.contains(**id)).count() as u64;
        let total = planned + facts.lost.len() as u64;
        let managed = facts.managed + facts.lost.len() as u64;
        let none_left = losing.len() as u64 >= facts.managed && facts.managed > 0 && planned > 1;
        if planned > 0 && (none_left || exceeds(limits.removals_per_day, total, managed)) {
            let detail = format!(
                "{planned} people would lose access now and {} lost it in the last 24 hours, of {managed} managed (the limit is \
                 {})",
                facts.lost.len(),
                limits.removals_per_day
            );
            self.hold(Hold::new("removals_per_day", detail), |operation| {
                operation.op().takes_access() && operation.op() != Op::RemoveMembers
            });
        }
    }

    fn check_creates(&mut self, facts: &Facts, limits: &Limits) {
        let planned =
            self.plan.operations.iter().filter(|op| op.op() == Op::CreateUser && op.blocked.is_none()).count() as u64;
        let total = planned + facts.created;
        if planned > 0 && exceeds(limits.creates_per_day, total, facts.managed) {
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
