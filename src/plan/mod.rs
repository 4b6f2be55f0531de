//! What to do. In: what the app should hold, what we last knew it to hold, the rules, and the answers to a few questions. Out: a
//! [`Plan`]: ordered operations, each with its reason, named by a hash of its content.
//!
//! Pure: the clock is an argument, the state is read through [`Baseline`], and the questions that only the network can answer are
//! asked by somebody else ([`Survey`] says which they are). Equal inputs give equal plans. Applying never decides anything.

mod adopt;
mod bounds;
mod compare;
mod duplicates;
mod groups;
mod leavers;
mod let_go;
mod links;
mod operation;
mod people;
mod person;
mod replace;
mod rules;
mod survey;
mod swap;
mod update;

pub use adopt::{is_privileged, why_not_theirs};
pub use compare::Compared;
pub use duplicates::{Duplicate, duplicates, names_of_newcomers};
pub use leavers::{confirmed, newly_left, suspended};
pub use let_go::released_under;
pub use links::{FINISHED, IN_STEP, Links};
pub use operation::{Acquaintance, Action, Blocked, Member, Operation};
pub use person::{Person, map_person};
pub use replace::{Aside, Stuck};
pub use rules::{Protected, Rules};
pub use survey::{Manner, Survey, label, survey, user_fingerprint};
pub use swap::{NameOrder, is_third_name, name_before, pass_names_on, third_name};

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desired::Desired;
use crate::model::{AppId, Bits, ObjectRef, Op, SourceId, UserNumber, fold};
use crate::scim::{AppGroup, AppUser, Lookalike, Match};
use crate::source::{Presence, UserIx};
use crate::store::{Baseline, PlanId, StoreError};
use compare::Seen;
use replace::{Heard, PutAside};
use rules::Lists;

/// What app and directory answered to a survey's questions, in the survey's order.
#[derive(Debug, Default)]
pub struct Answers {
    /// For each newcomer.
    pub users: Vec<Match<AppUser>>,
    /// Accounts of the app that share a name with a newcomer.
    pub alike: Vec<Lookalike>,
    /// Accounts among them that another tenant of this machine has, or may have, linked: in words, which one.
    pub linked_elsewhere: HashMap<AppId, String>,
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
    pub compared: Vec<Compared>,
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

/// Whether a person has an account to refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Account {
    None,
    /// It will be made by this plan.
    Coming,
    Known(AppId),
}

/// A plan in the making.
struct Draft<'a> {
    desired: &'a Desired<'a>,
    baseline: &'a dyn Baseline,
    rules: &'a Rules<'a>,
    lists: Lists,
    now: Timestamp,
    operations: Vec<Operation>,
    /// Accounts decided on by this plan.
    accounts: HashMap<SourceId, Account>,
    /// User names decided on by this plan.
    names: HashMap<SourceId, String>,
    /// Who shall have which user name, by a hash of its fold.
    claims: HashMap<u64, UserIx>,
    /// People who shall have the user name of somebody else.
    rivals: HashMap<SourceId, SourceId>,
    /// Manager changes that wait until all accounts are known: manager, what the app holds, operation.
    managers: Vec<(SourceId, Option<String>, Operation)>,
    /// People whose absence nobody has confirmed.
    unconfirmed: HashSet<UserNumber>,
    /// People whose account goes, and their memberships with it.
    leaving_groups: HashSet<UserNumber>,
    /// People made anew, whose old record has the account: the old id and its number.
    relinked: HashMap<UserIx, (SourceId, UserNumber)>,
    /// What the app answered about those who may need another account.
    stuck: Heard,
    /// Accounts that this plan puts aside, by their person.
    put_aside: HashMap<UserIx, PutAside>,
    /// Records that are gone and whose account or group goes over to another one.
    replaced: HashSet<SourceId>,
    /// People who are not in the reading, and who the directory says are there all the same.
    still_there: HashSet<SourceId>,
    /// Members of a group in scope; made when somebody first asks.
    in_groups: Option<Bits>,
    /// People's numbers, as the rows gave them: they are asked for with every membership.
    numbers: HashMap<UserIx, Option<UserNumber>>,
    /// The app's groups that a new group of the directory would take from another.
    contested: HashSet<AppId>,
    /// Groups as the app shows them now; `None` for one that could not be looked at.
    compared: HashMap<SourceId, Option<Seen>>,
    /// Protected people without an account: they never get one.
    untouched: HashSet<UserIx>,
    missed: Vec<(SourceId, Option<Timestamp>)>,
    unsettled: HashSet<ObjectRef>,
    finished: Vec<SourceId>,
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
    links: &Links,
    baseline: &dyn Baseline,
    rules: &Rules<'_>,
    attempted: &HashSet<SourceId>,
    now: Timestamp,
) -> Result<Plan, StoreError> {
    let mut draft = Draft::new(desired, baseline, rules, now);
    draft.untouched.extend(&survey.untouched);
    draft.heard_of_stuck(survey, answers);
    draft.heard_of_absent(survey, &answers.absent);
    for &user in &survey.linked {
        let id = SourceId::new(desired.snapshot.id(user));
        match attempted.contains(&id) {
            true => drop(draft.unsettled.insert(ObjectRef::User(id))),
            false => draft.linked(user)?,
        }
    }
    draft.newcomers(&survey.newcomers, answers)?;
    for (id, answer) in survey.absent.iter().zip(&answers.absent) {
        if draft.replaced.contains(id) {
            continue;
        }
        if attempted.contains(id) {
            draft.unsettled.insert(ObjectRef::User(id.clone()));
            continue;
        }
        draft.absent(id, *answer)?;
    }
    draft.problems(&survey.problems);
    draft.set_rivals_aside();
    draft.end_of_the_replaced();
    draft.asides(survey)?;
    draft.managers()?;
    draft.compare_groups(survey, answers)?;
    draft.changed_groups(&survey.changed_groups, links)?;
    draft.new_groups(&survey.new_groups, &survey.lost_groups, answers)?;
    draft.lost_groups(&survey.lost_groups, answers)?;
    draft.keep_until_out_of_all_groups();
    let duplicates = duplicates(desired.snapshot, &survey.newcomers, answers, baseline)?;
    Ok(Plan { duplicates, ..draft.finish() })
}

impl<'a> Draft<'a> {
    fn new(desired: &'a Desired<'a>, baseline: &'a dyn Baseline, rules: &'a Rules<'a>, now: Timestamp) -> Self {
        Self {
            desired,
            baseline,
            rules,
            lists: Lists::of(rules),
            now,
            operations: Vec::new(),
            accounts: HashMap::new(),
            names: HashMap::new(),
            claims: HashMap::new(),
            rivals: HashMap::new(),
            managers: Vec::new(),
            unconfirmed: HashSet::new(),
            leaving_groups: HashSet::new(),
            relinked: HashMap::new(),
            stuck: Heard::new(),
            put_aside: HashMap::new(),
            replaced: HashSet::new(),
            still_there: HashSet::new(),
            in_groups: None,
            numbers: HashMap::new(),
            contested: HashSet::new(),
            compared: HashMap::new(),
            untouched: HashSet::new(),
            missed: Vec::new(),
            unsettled: HashSet::new(),
            finished: Vec::new(),
        }
    }

    /// What the directory answered about those who are not in the reading.
    fn heard_of_absent(&mut self, survey: &Survey, answers: &[Presence]) {
        let absent = survey.absent.iter().zip(answers);
        let there = absent.filter(|(_, answer)| matches!(answer, Presence::Present | Presence::Suspended));
        self.still_there.extend(there.map(|(id, _)| id.clone()));
    }

    fn finish(mut self) -> Plan {
        pass_names_on(&mut self.operations);
        let mut plan = Plan::of(self.operations);
        plan.missed = self.missed;
        plan.missed.sort();
        plan.unsettled = self.unsettled.into_iter().collect();
        plan.unsettled.sort();
        plan.finished = self.finished;
        plan
    }

    fn push(&mut self, operation: Operation) {
        if let ObjectRef::User(id) = &operation.object {
            self.names.entry(id.clone()).or_insert_with(|| operation.name.clone());
        }
        self.operations.push(operation);
    }

    fn account_of(&self, id: &SourceId) -> Result<Account, StoreError> {
        if let Some(account) = self.accounts.get(id) {
            return Ok(account.clone());
        }
        Ok(self.baseline.user(id)?.map_or(Account::None, |row| Account::Known(row.app_id)))
    }

    /// The person, if they are in the snapshot.
    fn in_snapshot(&self, id: &SourceId) -> Option<UserIx> {
        self.desired.snapshot.find_user(id.as_str())
    }
}
