//! What to do. In: what the app should hold, what we last knew it to hold, the rules, and the answers to a few questions. Out: a
//! [`Plan`]: ordered operations, each with its reason, named by a hash of its content.
//!
//! Pure: the clock is an argument, the state is read through [`Baseline`], and the questions that only the network can answer are
//! asked by somebody else ([`Survey`] says which they are). Equal inputs give equal plans. Applying never decides anything.

mod groups;
mod links;
mod operation;
mod people;
mod person;
mod rules;
mod survey;

pub use links::{FINISHED, IN_STEP, Links};
pub use operation::{Action, Blocked, Member, Operation};
pub use person::Person;
pub use rules::{Protected, Rules};
pub use survey::{Survey, survey, user_fingerprint};

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::desired::Desired;
use crate::model::{AppId, ObjectRef, Op, SourceId, UserNumber, fold};
use crate::scim::{AppGroup, AppUser, Match};
use crate::source::Presence;
use crate::store::{Baseline, StoreError};

/// What app and directory answered to a survey's questions, in the survey's order.
#[derive(Debug, Default)]
pub struct Answers {
    /// For each newcomer.
    pub users: Vec<Match<AppUser>>,
    /// For each new group; `None` where there was nothing to ask for.
    pub groups: Vec<Option<Match<AppGroup>>>,
    /// For each absent person.
    pub absent: Vec<Presence>,
    /// For each lost group.
    pub lost_groups: Vec<Presence>,
}

/// What is to be done, in the order in which it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The operations.
    pub operations: Vec<Operation>,
    /// A hash of the operations: what was shown is what runs (I10).
    pub hash: String,
    /// People and groups missing for the first time, or still: noted, not acted on.
    pub missed: Vec<(ObjectRef, Timestamp)>,
    /// Objects that must be looked at again next time although nothing is to be done for them now.
    pub unsettled: Vec<SourceId>,
}

impl Plan {
    fn new(mut operations: Vec<Operation>, missed: Vec<(ObjectRef, Timestamp)>, unsettled: Vec<SourceId>) -> Self {
        operations.sort_by(|a, b| (a.lane, a.phase(), &a.object).cmp(&(b.lane, b.phase(), &b.object)));
        let hash = hash_of(&operations);
        Self { operations, hash, missed, unsettled }
    }

    /// The part of the plan that concerns one person, by directory id or user name: their account and their memberships in
    /// groups that are in the app already. Its own plan, with its own hash.
    pub fn only(self, person: &str) -> Self {
        let is = |id: &SourceId, name: &str| id.as_str() == person || fold(name) == fold(person);
        let trim =
            |users: Vec<Member>| -> Vec<Member> { users.into_iter().filter(|user| is(&user.id, &user.name)).collect() };
        let kept = self.operations.into_iter().filter_map(|mut operation| {
            if let ObjectRef::User(id) = &operation.object {
                return is(id, &operation.name).then_some(operation);
            }
            operation.app_id.as_ref()?;
            operation.action = match operation.action {
                Action::AddMembers { users } => Action::AddMembers { users: trim(users) },
                Action::RemoveMembers { users, of } => Action::RemoveMembers { users: trim(users), of },
                _ => return None,
            };
            let some = match &operation.action {
                Action::AddMembers { users } | Action::RemoveMembers { users, .. } => !users.is_empty(),
                _ => false,
            };
            some.then_some(operation)
        });
        Self::new(kept.collect(), Vec::new(), Vec::new())
    }

    /// Whether the hash belongs to the operations: a plan file that was edited is no plan.
    pub fn is_genuine(&self) -> bool {
        self.hash == hash_of(&self.operations)
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

/// SHA-256 over the operations' JSON, the first 128 bits in hex.
fn hash_of(operations: &[Operation]) -> String {
    let mut hash = Sha256::new();
    for operation in operations {
        // An operation is plain data whose maps have text keys: writing it as JSON can't fail.
        hash.update(serde_json::to_vec(operation).unwrap_or_default());
        hash.update(b"\n");
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
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
    now: Timestamp,
    operations: Vec<Operation>,
    /// Accounts decided on by this plan.
    accounts: HashMap<SourceId, Account>,
    /// User names decided on by this plan.
    names: HashMap<SourceId, String>,
    /// Manager changes that wait until all accounts are known: manager, what the app holds, operation.
    managers: Vec<(SourceId, Option<String>, Operation)>,
    /// People whose absence nobody has confirmed.
    unconfirmed: HashSet<UserNumber>,
    /// People whose account goes, and their memberships with it.
    leaving_groups: HashSet<UserNumber>,
    missed: Vec<(ObjectRef, Timestamp)>,
    unsettled: HashSet<SourceId>,
    /// Members, as last known, of groups in scope whose members could not be read.
    unread_members: Option<HashSet<UserNumber>>,
}

/// Makes the plan.
///
/// # Errors
/// When the state can't be read.
pub fn plan(
    desired: &Desired<'_>,
    survey: &Survey,
    answers: &Answers,
    links: &Links,
    baseline: &dyn Baseline,
    rules: &Rules<'_>,
    now: Timestamp,
) -> Result<Plan, StoreError> {
    let mut draft = Draft {
        desired,
        baseline,
        rules,
        now,
        operations: Vec::new(),
        accounts: HashMap::new(),
        names: HashMap::new(),
        managers: Vec::new(),
        unconfirmed: HashSet::new(),
        leaving_groups: HashSet::new(),
        missed: Vec::new(),
        unsettled: HashSet::new(),
        unread_members: None,
    };
    draft.newcomers(&survey.newcomers, answers)?;
    for &user in &survey.linked {
        draft.linked(user)?;
    }
    for (id, answer) in survey.absent.iter().zip(&answers.absent) {
        draft.absent(id, *answer, now)?;
    }
    draft.problems(&survey.problems);
    draft.managers()?;
    draft.new_groups(&survey.new_groups, answers)?;
    draft.changed_groups(&survey.changed_groups, links)?;
    draft.lost_groups(&survey.lost_groups, answers)?;
    draft.missed.sort();
    let mut unsettled: Vec<SourceId> = draft.unsettled.into_iter().collect();
    unsettled.sort();
    Ok(Plan::new(draft.operations, draft.missed, unsettled))
}

impl Draft<'_> {
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

    fn held_by_unread_group(&mut self, row: &crate::store::UserRow) -> Result<bool, StoreError> {
        if self.unread_members.is_none() {
            let mut held = HashSet::new();
            for group in &self.desired.groups {
                if let Some(source) = self.desired.snapshot.group(group.ix).filter(|source| source.unread.is_some()) {
                    held.extend(self.baseline.members(&source.id)?);
                }
            }
            self.unread_members = Some(held);
        }
        Ok(self.unread_members.as_ref().is_some_and(|held| held.contains(&row.number)))
    }
}
