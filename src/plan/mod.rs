//! What to do. In: what the app should hold, what we last knew it to hold, the rules, and the answers to a few questions. Out: a
//! [`Plan`]: ordered operations, each with its reason, named by a hash of its content.
//!
//! Pure: the clock is an argument, the state is read through [`Baseline`], and the questions that only the network can answer are
//! asked by somebody else ([`Survey`] says which they are). Equal inputs give equal plans. Applying never decides anything.

mod adopt;
mod bounds;
mod compare;
mod differences;
mod duplicates;
mod groups;
mod leavers;
mod let_go;
mod links;
mod namesakes;
mod operation;
mod people;
mod person;
mod replace;
mod rules;
mod several;
mod stages;
mod still_named;
mod survey;
mod swap;
mod taken;
mod update;

pub use adopt::{is_privileged, why_not_theirs};
pub use compare::GroupComparison;
pub use duplicates::{duplicates, names_of_newcomers};
pub use leavers::{confirmed, newly_left, suspended};
pub use let_go::released_under;
pub use links::{FINISHED, IN_STEP, LOOKED_UP, TenantLinks};
pub use operation::{Acquaintance, Action, Blocked, Member, Operation};
pub use person::{PlannedUser, label, map_person};
pub use rules::{Protected, TenantRules};
pub use still_named::StillNamed;
pub use survey::{Aside, Stuck, Survey, SurveyOptions, survey, user_fingerprint};
pub use swap::{NameOrder, is_third_name, name_before, pass_names_on, third_name};

pub use crate::model::Duplicate;

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desired::Desired;
use crate::model::{AppId, Elsewhere, ObjectRef, Op, SourceId, fold};
use crate::scim::{AppGroup, AppUser, Lookalike, Match};
use crate::source::Presence;
use crate::store::{Baseline, PlanId, StoreError};
use stages::{Account, Ground, GroupStage, Users};

/// What app and directory answered to a survey's questions, in the survey's order.
#[derive(Debug, Default)]
pub struct Answers {
    /// For each newcomer.
    pub users: Vec<Match<AppUser>>,
    /// Accounts of the app that share a name with a newcomer.
    pub alike: Vec<Lookalike>,
    /// Accounts among them that another tenant of this machine has, or may have, linked.
    pub linked_elsewhere: HashMap<AppId, Elsewhere>,
    /// Groups of the app that were found by `externalId`, and that another tenant of this machine has, or may have, linked.
    pub groups_linked_elsewhere: HashMap<AppId, Elsewhere>,
    /// Accounts among them from which `rosterd import --create` created a user of the directory.
    pub imported: HashMap<AppId, SourceId>,
    /// For each person whose account can't take what changed: who else has the new values.
    pub stuck: Vec<Match<AppUser>>,
    /// For each new group; `None` where there was nothing to ask for.
    pub groups: Vec<Option<Match<AppGroup>>>,
    /// For each absent person.
    pub absent: Vec<Presence>,
    /// For each lost group.
    pub lost_groups: Vec<Presence>,
    /// For each group that is compared with the app: how the app shows it.
    pub compared: Vec<GroupComparison>,
    /// Absent people of whom the directory said, asked by id, that they are gone, where that is a proof.
    pub proven_gone: HashSet<SourceId>,
}

/// What is to be done, in the order in which it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The operations.
    pub operations: Vec<Operation>,
    /// A hash of the operations: what was shown is what runs (I10).
    pub hash: String,
    /// People missing since then, without anybody's word for it: noted, not acted on. `None`: there again.
    pub missed: Vec<(SourceId, Option<Timestamp>)>,
    /// Objects that must be looked at again next time although nothing is to be done for them now.
    pub unsettled: Vec<ObjectRef>,
    /// Absent people whom the directory calls gone and whose accounts are as they shall stay: nothing is left to ask.
    pub finished: Vec<SourceId>,
    /// New accounts that may be a user's second one: what the guard judges them by. Not a part of what is named by the hash.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duplicates: Vec<Duplicate>,
}

impl Plan {
    /// A plan of these operations, in the order in which they are sent.
    pub fn of(operations: Vec<Operation>) -> Self {
        let order = swap::in_order(&operations);
        let mut decided: Vec<Option<Operation>> = operations.into_iter().map(Some).collect();
        let operations: Vec<Operation> =
            order.into_iter().filter_map(|at| decided.get_mut(at).and_then(Option::take)).collect();
        let hash = hash_of(operations.iter());
        let (missed, unsettled, finished, duplicates) = Default::default();
        Self { operations, hash, missed, unsettled, finished, duplicates }
    }

    /// This and what was planned after it in the same run. The hash is that of one plan with all of it.
    pub fn followed_by(self, later: Self) -> Self {
        let operations: Vec<Operation> = self.operations.into_iter().chain(later.operations).collect();
        let hash = hash_of(swap::in_order(&operations).into_iter().filter_map(|at| operations.get(at)));
        Self { operations, hash, ..later }
    }

    /// The part of the plan that concerns one person, by directory id or user name: their account and their memberships in
    /// groups that are in the app already. Its own plan, with its own hash.
    pub fn only(self, person: &str) -> Self {
        let is = |id: &SourceId, name: &str| id.as_str() == person || fold(name) == fold(person);
        let trim =
            |users: Vec<Member>| -> Vec<Member> { users.into_iter().filter(|user| is(&user.id, &user.name)).collect() };
        let order = NameOrder::of(&self.operations);
        let holder = |at: usize| Some(self.operations.get(order.after(at)?)?.name.clone());
        let holders: Vec<Option<String>> = (0..self.operations.len()).map(holder).collect();
        let kept = self.operations.into_iter().zip(holders).filter_map(|(mut operation, holder)| {
            if let ObjectRef::User(id) = &operation.object {
                let of_person = is(id, &operation.name) && !matches!(operation.action, Action::FreeName { .. });
                return of_person.then(|| match holder {
                    Some(holder) => swap::blocked_alone(operation, &holder),
                    None => operation,
                });
            }
            operation.app_id.as_ref()?;
            operation.action = match operation.action {
                Action::AddMembers { users } => Action::AddMembers { users: trim(users) },
                Action::RemoveMembers { users, of, last } => Action::RemoveMembers { users: trim(users), of, last },
                _ => return None,
            };
            let some = match &operation.action {
                Action::AddMembers { users } | Action::RemoveMembers { users, .. } => !users.is_empty(),
                _ => false,
            };
            some.then_some(operation)
        });
        let plan = Self::of(kept.collect());
        let users: HashSet<&SourceId> = plan.operations.iter().map(|operation| operation.object.id()).collect();
        let duplicates = self.duplicates.into_iter().filter(|one| users.contains(&one.user)).collect();
        Self { duplicates, ..plan }
    }

    /// Whether the hash belongs to the operations: a plan file that was edited is no plan.
    pub fn is_genuine(&self) -> bool {
        self.hash == hash_of(self.operations.iter())
    }

    /// How many operations there are of each kind.
    pub fn summary(&self) -> BTreeMap<Op, u64> {
        let mut counts = BTreeMap::new();
        for operation in &self.operations {
            *counts.entry(operation.op()).or_default() += 1;
        }
        counts
    }
}

/// Counts the id of operations: [`PlanId`] over each of them, 128 bits in hex.
pub(crate) fn hash_of<'a>(operations: impl Iterator<Item = &'a Operation>) -> String {
    id_of(operations).finish()
}

/// The same before its end.
pub(crate) fn id_of<'a>(operations: impl Iterator<Item = &'a Operation>) -> PlanId {
    let mut id = PlanId::default();
    for operation in operations {
        id.add(operation.op(), &operation.object, &operation.name, &operation.reason, &operation.digest());
    }
    id
}

/// Makes the plan. People of `attempted` had their turn in this run already, in vain: they are left for the next.
///
/// # Errors
/// When the state can't be read.
#[expect(clippy::too_many_arguments, reason = "a pure function: everything it knows is in its arguments")]
pub fn plan(
    desired: &Desired<'_>,
    survey: &Survey,
    answers: &Answers,
    links: &TenantLinks,
    baseline: &dyn Baseline,
    rules: &TenantRules<'_>,
    attempted: &HashSet<SourceId>,
    now: Timestamp,
) -> Result<Plan, StoreError> {
    let ground = Ground::new(desired, &survey.named, baseline, rules, now);
    let mut users = Users::with_answers(ground, survey, answers);
    for &user in &survey.linked {
        let id = SourceId::new(desired.snapshot.id(user));
        match attempted.contains(&id) {
            true => users.left_for_later(id),
            false => users.linked(user)?,
        }
    }
    users.values_of_others()?;
    users.newcomers(&survey.newcomers, answers)?;
    for (id, answer) in survey.absent.iter().zip(&answers.absent) {
        match attempted.contains(id) {
            true => users.left_for_later(id.clone()),
            false => users.absent(id, *answer)?,
        }
    }
    let mut groups = users.settled(survey)?;
    groups.compare_groups(survey, answers)?;
    groups.changed_groups(&survey.changed_groups, links)?;
    groups.new_groups(&survey.new_groups, &survey.lost_groups, answers)?;
    groups.lost_groups(survey, answers)?;
    let duplicates = duplicates(desired.snapshot, &survey.newcomers, answers, baseline)?;
    Ok(Plan { duplicates, ..groups.into_plan() })
}
