//! When to stop and ask. In: a plan, the facts around it, the tenant's limits. Out: which operations may go, and why not the
//! others.
//!
//! Pure. Holds the part that takes access when too many people would lose it, and everything when the directory, or the tenant
//! file, looks wrong. There is no way around it but a plan approved by its id; and none at all around what may never be done.

mod access;
mod activations;
mod changes;
mod checks;
mod duplicates;
mod evidence;
mod gate;
pub mod settings;
mod table;
mod undone;

pub use evidence::{Dangling, LostSigns, rests_on_absence};
pub use gate::Gate;
pub use settings::{Loosened, Policy};
pub use table::holds_table;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::config::addresses::AddressChange;
use crate::config::forms::Limit;
use crate::config::tenant::{AdoptApproval, GuardTable};
use crate::model::{
    AppId, Bits, ClockDoubt, HoldReason, HoldScope, ObjectRef, Op, Path, SnapshotCounts, SourceId, Unbound,
};
use crate::plan::{Operation, Plan, Protected};
use crate::store::held_id;

/// The tenant's limits.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardLimits {
    /// How many managed people may lose access in any 24 hours.
    pub removals_per_day: Limit,
    /// How much of one group's membership may be removed in any 24 hours.
    pub group_removals: Limit,
    /// How much smaller than the last a reading may be.
    pub source_shrink: Limit,
    /// How many people may lose a mapped attribute in one run.
    pub attribute_loss: Limit,
    /// How many people may be gone while as many new ones appear.
    pub rekey: Limit,
    /// How many managed people an edit of the tenant file may hit.
    pub settings_change: Limit,
    /// How many accounts may be created in any 24 hours.
    pub creates_per_day: Limit,
    /// How many new users of a run may look like an account that no user matches; without a limit nothing is compared.
    pub duplicate_names: Limit,
    /// How many accounts may be activated again in any 24 hours.
    pub activations_per_day: Limit,
    /// For how many users the value of one attribute may change in one run.
    pub value_changes: Limit,
    /// The same for attributes that users are matched by.
    pub identifier_changes: Limit,
    /// Kinds of change that always wait for somebody.
    pub ask_before: BTreeSet<Op>,
    /// When the adoption of a user's account waits for approval.
    pub adopt: AdoptApproval,
    /// Whether the first sync of a tenant waits for approval if nobody typed it.
    pub first_sync: bool,
}

/// What `[guard]` says, and `[approval]` if it is left out.
impl From<&GuardTable> for GuardLimits {
    fn from(table: &GuardTable) -> Self {
        Self {
            removals_per_day: table.removals_per_day,
            group_removals: table.group_removals,
            source_shrink: table.source_shrink,
            attribute_loss: table.attribute_loss,
            rekey: table.rekey,
            settings_change: table.settings_change,
            creates_per_day: table.creates_per_day,
            duplicate_names: table.duplicate_names,
            activations_per_day: table.activations_per_day,
            value_changes: table.value_changes,
            identifier_changes: table.identifier_changes,
            ask_before: BTreeSet::new(),
            adopt: AdoptApproval::default(),
            first_sync: true,
        }
    }
}

/// What the guard has to know beside the plan.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Linked people whose accounts are active.
    pub managed: u64,
    /// People who lost access in the last 24 hours.
    pub lost: BTreeSet<SourceId>,
    /// Of these, the ones whose account is active now: they are among the managed.
    pub lost_but_active: u64,
    /// Of these, the ones whose account was activated again since: they count once more if they lose it once more.
    pub returned: BTreeSet<SourceId>,
    /// Whether it is unknown who lost access in the last 24 hours: the budget counts as used up.
    pub losses_unknown: bool,
    /// Why the clock can't be trusted.
    pub clock: Option<ClockDoubt>,
    /// Whether accounts are deleted only when a time has passed.
    pub delete_waits: bool,
    /// What an undo put back, and the directory still says.
    pub undone: UndoneRecord,
    /// How many losses hit a user who had got access back since an earlier one.
    pub lost_again: u64,
    /// People who lost access in the last seven days: an activation gives back what a run took.
    pub lost_lately: BTreeSet<SourceId>,
    /// Accounts activated again in the last 24 hours that no run had taken within seven days.
    pub activated: BTreeSet<SourceId>,
    /// The attributes that users are matched by.
    pub identifiers: Vec<Path>,
    /// How many members groups lost in the last 24 hours.
    pub reduced: BTreeMap<SourceId, u64>,
    /// Accounts created in the last 24 hours.
    pub created: u64,
    /// People who could not be brought in step before this run: nothing new if they can't now.
    pub failing: HashSet<SourceId>,
    /// Groups whose members could not be read, and why.
    pub unread: Vec<(String, String)>,
    /// People who belong and whom the state does not know.
    pub strangers: u64,
    /// People whom the state knows and who are not in the reading.
    pub missing: u64,
    /// What the last accepted reading held.
    pub before: Option<SnapshotCounts>,
    /// What this one holds.
    pub now: SnapshotCounts,
    /// The evidence that the directory binds nothing to the app, where that decides who belongs.
    pub unbound: Option<Unbound>,
    /// What the tenant file says differently since the last run that was not held for it.
    pub edited: EditImpact,
    /// What became looser in guard and approvals since the last run.
    pub loosened: Option<Loosened>,
    /// Signs of suspension that were lost since the last accepted reading.
    pub lost_signs: LostSigns,
    /// Names of members that lead nowhere.
    pub dangling: Dangling,
    /// Whether this is a tenant's first sync and nobody typed it.
    pub first_sync: bool,
    /// Why the state can't be believed yet.
    pub adopt_only: Option<String>,
    /// The account that the token belongs to, where the app tells.
    pub own_account: Option<AppId>,
    /// Attributes that give access: losing one is losing access.
    pub access: Vec<Path>,
    /// Attributes that are pushed only when the directory's value changes.
    pub on_source_change: Vec<Path>,
    /// Whether a deleted account can never be made again in this app.
    pub delete_is_final: bool,
}

/// What an undo put back, as long as the directory's record of it is the same.
#[derive(Debug, Clone, Default)]
pub struct UndoneRecord {
    /// The runs that were taken back.
    pub runs: BTreeSet<String>,
    /// Accounts and groups.
    pub objects: HashSet<ObjectRef>,
    /// Memberships: group and user.
    pub members: HashSet<(SourceId, SourceId)>,
}

/// What an edit of the tenant file touches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EditImpact {
    /// Nothing that decides over people.
    #[default]
    Nothing,
    /// Scope, mapping or rules.
    Settings,
    /// Perhaps nothing: the last run was another version's, and what it recorded of the file cannot be compared.
    Upgraded,
    /// By which values people are matched, or where these come from.
    Matching,
}

/// Which accounts that are in the app already may be adopted without approval: for those that a create brings to light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adoptions {
    approval: AdoptApproval,
    after_first: bool,
    /// Whether changed values of an account are sent without approval.
    changes: bool,
}

impl Adoptions {
    fn new(facts: &Facts, limits: &GuardLimits) -> Self {
        // A state that was just begun has not completed a run yet.
        let changes = !limits.ask_before.contains(&Op::UpdateUser);
        Self { approval: limits.adopt, after_first: facts.adopt_only.is_none(), changes }
    }

    /// Whether the adoption of such an account waits for approval.
    pub fn wait(self, privileged: bool) -> bool {
        self.approval.waits(self.after_first, privileged)
    }

    /// Whether an account that is adopted without a plan may be given the values that were sent for it.
    pub fn may_be_changed(self) -> bool {
        self.changes
    }
}

/// A plan with the guard's word on each of its operations. The only thing that can be applied.
#[derive(Debug, Clone)]
pub struct Cleared {
    plan: Plan,
    allowed: Bits,
    /// Operations that no approval lets pass.
    never: Bits,
    holds: Vec<HoldReason>,
    all_held: bool,
    adoptions: Adoptions,
    /// How the guard was loosened, until that is approved: the hold in the form that is hashed.
    guard_change: Option<String>,
    /// How many users have access now; `None` where nothing was planned, so that users were not counted.
    managed: Option<u64>,
}

/// Passes a plan, or holds part of it, or all.
pub fn check(plan: Plan, facts: &Facts, limits: &GuardLimits) -> Cleared {
    let count = plan.operations.len();
    let mut cleared = Cleared {
        plan,
        allowed: Bits::new(count),
        never: Bits::new(count),
        holds: Vec::new(),
        all_held: false,
        adoptions: Adoptions::new(facts, limits),
        guard_change: None,
        managed: (count > 0).then_some(facts.managed),
    };
    for (at, operation) in cleared.plan.operations.iter().enumerate() {
        match operation.blocked {
            None => cleared.allowed.insert(at),
            Some(_) => cleared.never.insert(at),
        };
    }
    cleared.note_blocked();
    cleared.note_unread(facts);
    cleared.check_own_account(facts);
    cleared.check_adopt_only(facts);
    cleared.check_reading(facts, limits);
    cleared.check_rekey(facts, limits);
    cleared.check_attribute_loss(facts, limits);
    cleared.check_changed_values(facts, limits);
    cleared.check_settings(facts, limits);
    cleared.check_upgrade(facts);
    cleared.check_guard_change(facts);
    cleared.check_clock(facts);
    cleared.check_undone(facts);
    cleared.check_asked_before(limits);
    cleared.check_adoptions();
    cleared.check_duplicates(limits);
    cleared.check_relinks();
    cleared.check_final(facts);
    cleared.check_signs(facts);
    cleared.check_dangling(facts);
    cleared.check_groups(facts, limits);
    cleared.check_removals(facts, limits);
    cleared.check_activations(facts, limits);
    cleared.check_creates(facts, limits);
    cleared.check_replaced();
    cleared.check_names();
    cleared.check_first_sync(facts);
    cleared
}

/// Holds a run before its first request, because a credential would go to an address that is not on record. Needs no plan, and no
/// network: what is approved is the change from one address to the other.
pub fn check_addresses(changes: &[AddressChange]) -> Cleared {
    let holds: Vec<HoldReason> = changes.iter().map(checks::address_hold).collect();
    let all_held = !holds.is_empty();
    let mut cleared = Cleared {
        plan: Plan::of(Vec::new()),
        allowed: Bits::new(0),
        never: Bits::new(0),
        holds,
        all_held,
        guard_change: None,
        adoptions: Adoptions { approval: AdoptApproval::default(), after_first: true, changes: false },
        managed: None,
    };
    // Every plan without operations has one hash: an approval is for this change of address alone.
    if let Some(id) = cleared.held_plan() {
        cleared.plan.hash = id;
    }
    cleared
}

impl Cleared {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Which accounts may be adopted without approval.
    pub fn adoptions(&self) -> Adoptions {
        self.adoptions
    }

    /// Whether an operation may be sent.
    pub fn allows(&self, at: usize) -> bool {
        self.allowed.contains(at)
    }

    /// Why something was held.
    pub fn holds(&self) -> &[HoldReason] {
        &self.holds
    }

    /// The id of what waits for a decision: a hash of exactly the held operations. `None` if nothing does.
    pub fn held_plan(&self) -> Option<String> {
        let operations = self.held().next().is_some().then(|| crate::plan::hash_of(self.held()));
        // A reading that looks wrong and leads to nothing is accepted or refused by what was found.
        let finding = HoldReason::finding(&self.holds).filter(|_| self.all_held);
        held_id(operations, finding.as_deref(), self.guard_change.as_deref())
    }

    /// Whether a loosened guard waits for an approval.
    pub fn holds_guard(&self) -> bool {
        self.guard_change.is_some()
    }

    /// The operations that wait for a decision.
    pub fn held(&self) -> impl Iterator<Item = &Operation> {
        let operations = self.plan.operations.iter().enumerate();
        operations.filter(|(at, _)| !self.allows(*at) && !self.never.contains(*at)).map(|(_, operation)| operation)
    }

    /// Whether this is the id of what is held, or the hash of the whole plan; which says nothing of a loosened guard.
    pub fn is_about(&self, id: &str) -> bool {
        self.held_plan().as_deref() == Some(id) || (self.guard_change.is_none() && self.plan.hash == id)
    }

    /// Lets everything pass that may be approved. `approved` must be the id of what is held, or the hash of the whole plan:
    /// anything else was said about another plan and changes nothing.
    #[must_use]
    pub fn approve(mut self, approved: &str) -> Self {
        if !self.is_about(approved) {
            return self;
        }
        for at in 0..self.plan.operations.len() {
            if !self.never.contains(at) {
                self.allowed.insert(at);
            }
        }
        self.holds.retain(|hold| !hold.code().is_approvable());
        self.all_held = false;
        self.guard_change = None;
        self
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
        let join = |mine: &Bits, theirs: &Bits| {
            let mut all = Bits::new(first + later.plan.operations.len());
            for at in mine.iter().chain(theirs.iter().map(|at| first + at)) {
                all.insert(at);
            }
            all
        };
        let (allowed, never) = (join(&self.allowed, &later.allowed), join(&self.never, &later.never));
        let holds = self.holds.into_iter().chain(later.holds).collect();
        Self {
            plan: self.plan.followed_by(later.plan),
            allowed,
            never,
            holds,
            all_held: later.all_held,
            guard_change: later.guard_change,
            adoptions: later.adoptions,
            // Before the first of both.
            managed: self.managed.or(later.managed),
        }
    }

    /// Whether the directory or the tenant file looks so wrong that nothing of the plan counts, its failures neither.
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

    /// The last look before a call.
    pub fn gate(&self, protected: &Protected, own_account: Option<AppId>) -> Gate {
        let taking = self.going().filter(|operation| operation.op().takes_access()).count();
        Gate::new(taking as u64, protected.clone(), own_account)
    }

    /// The operations that may go so far.
    fn going(&self) -> impl Iterator<Item = &Operation> {
        self.plan.operations.iter().enumerate().filter(|(at, _)| self.allows(*at)).map(|(_, operation)| operation)
    }

    /// Holds the operations that `which` names. The code says whether an approval can let them pass, and whether the rest of
    /// the plan counts.
    fn hold(&mut self, hold: HoldReason, which: impl Fn(&Operation) -> bool) {
        if !hold.code().is_approvable() {
            let operations = self.plan.operations.iter().enumerate();
            for (at, _) in operations.filter(|(_, operation)| which(operation)) {
                self.never.insert(at);
            }
        }
        self.all_held |= hold.code().scope() == HoldScope::All;
        self.holds.push(hold);
        self.restrict(|operation| !which(operation));
    }

    fn hold_all(&mut self, hold: HoldReason) {
        debug_assert_eq!(hold.code().scope(), HoldScope::All, "{hold:?}");
        self.hold(hold, |_| true);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
