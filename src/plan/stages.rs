//! The stages of a plan, in the order that their types state. In: what both sides were found to hold. Out: a [`Plan`].
//!
//! [`Users`] decides on every account; [`Users::settled`] ends that and gives [`Groups`], which reads the decisions and can change none of
//! them. A plan of leavers alone ends after the first stage.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::namesakes::Namesakes;
use super::operation::{Action, Operation};
use super::rules::TenantRules;
use super::swap::pass_names_on;
use super::{Answers, Plan, StillNamed, Survey};
use crate::desired::Desired;
use crate::model::{AppId, Bits, ObjectRef, Path, SourceId, UserNumber};
use crate::scim::{AppUser, Match};
use crate::source::{Presence, UserIx};
use crate::store::{Baseline, StoreError, UserRow};

/// What every stage looks at and none changes.
pub(super) struct Ground<'a> {
    pub(super) desired: &'a Desired<'a>,
    pub(super) named: &'a StillNamed,
    pub(super) baseline: &'a dyn Baseline,
    pub(super) rules: &'a TenantRules<'a>,
    pub(super) compared: Vec<Path>,
    pub(super) now: Timestamp,
}

impl<'a> Ground<'a> {
    pub(super) fn new(
        desired: &'a Desired<'a>,
        named: &'a StillNamed,
        baseline: &'a dyn Baseline,
        rules: &'a TenantRules<'a>,
        now: Timestamp,
    ) -> Self {
        Self { desired, named, baseline, rules, compared: rules.compared(), now }
    }

    /// The user, if they are in the reading.
    pub(super) fn in_snapshot(&self, id: &SourceId) -> Option<UserIx> {
        self.desired.snapshot.find_user(id.as_str())
    }
}

/// Whether a user has an account to refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {
    None,
    /// This plan creates it.
    Coming,
    Known(AppId),
}

/// An account that this plan puts aside.
pub(super) struct PutAside {
    pub(super) id: SourceId,
    pub(super) of: SourceId,
    pub(super) row: UserRow,
}

/// What was answered, by person.
pub(super) type AbsenceAnswers = HashMap<SourceId, Match<AppUser>>;

/// What app and directory answered about single users.
#[derive(Default)]
pub(super) struct ConfirmedStates {
    /// What the app answered about those who may need another account.
    pub(super) stuck: AbsenceAnswers,
    /// Users who are not in the reading, and who by the directory's answer exist all the same.
    pub(super) still_there: HashSet<SourceId>,
    /// By what the users without an account would be found in the app.
    pub(super) namesakes: Namesakes,
}

/// Who is to have which user name.
#[derive(Default)]
pub(super) struct UserNames {
    /// By a hash of its fold.
    pub(super) claims: HashMap<u64, UserIx>,
    /// Users who are to have the user name of another one.
    pub(super) rivals: HashMap<SourceId, SourceId>,
}

/// What was decided about accounts.
#[derive(Default)]
pub(super) struct AccountDecisions {
    /// Accounts decided on by this plan.
    pub(super) accounts: HashMap<SourceId, Account>,
    /// User names decided on by this plan.
    pub(super) names: HashMap<SourceId, String>,
    /// Users whose absence is not confirmed.
    pub(super) unconfirmed: HashSet<UserNumber>,
    /// Users whose account goes, and their memberships with it.
    pub(super) leaving_groups: HashSet<UserNumber>,
    /// Users made again in the directory, whose old record has the account: the old id and its number.
    pub(super) relinked: HashMap<UserIx, (SourceId, UserNumber)>,
    /// Accounts that this plan puts aside, by their user.
    pub(super) put_aside: HashMap<UserIx, PutAside>,
    /// Records that are gone and whose account goes over to another one.
    pub(super) replaced: HashSet<SourceId>,
    /// Protected users without an account: they never get one.
    pub(super) untouched: HashSet<UserIx>,
    /// Users of whom the directory said, asked by id, that they are gone, where that is a proof.
    pub(super) proven_gone: HashSet<SourceId>,
}

impl AccountDecisions {
    pub(super) fn account_of(&self, id: &SourceId, baseline: &dyn Baseline) -> Result<Account, StoreError> {
        if let Some(account) = self.accounts.get(id) {
            return Ok(account.clone());
        }
        Ok(baseline.user(id)?.map_or(Account::None, |row| Account::Known(row.app_id)))
    }
}

/// What the stages write.
#[derive(Default)]
pub(super) struct Out {
    pub(super) operations: Vec<Operation>,
    pub(super) missed: Vec<(SourceId, Option<Timestamp>)>,
    pub(super) unsettled: HashSet<ObjectRef>,
    pub(super) finished: Vec<SourceId>,
}

impl Out {
    fn into_plan(mut self) -> Plan {
        pass_names_on(&mut self.operations);
        let mut plan = Plan::of(self.operations);
        plan.missed = self.missed;
        plan.missed.sort();
        plan.unsettled = self.unsettled.into_iter().collect();
        plan.unsettled.sort();
        plan.finished = self.finished;
        plan
    }
}

/// The first stage: users and their accounts.
pub(super) struct Users<'a> {
    pub(super) ground: Ground<'a>,
    pub(super) heard: ConfirmedStates,
    pub(super) names: UserNames,
    pub(super) decided: AccountDecisions,
    /// Manager changes that wait until all accounts are known: manager, what the app holds, operation.
    pub(super) managers: Vec<(SourceId, Option<String>, Operation)>,
    pub(super) out: Out,
}

impl<'a> Users<'a> {
    /// Begins with what the directory answered about those who are not in the reading.
    pub(super) fn new(ground: Ground<'a>, survey: &Survey, absent: &[Presence]) -> Self {
        let there = survey
            .absent
            .iter()
            .zip(absent)
            .filter(|(_, answer)| matches!(answer, Presence::Present | Presence::Suspended));
        let still_there = there.map(|(id, _)| id.clone()).collect();
        let namesakes = Namesakes::of(survey, ground.rules);
        Self {
            ground,
            heard: ConfirmedStates { still_there, namesakes, ..ConfirmedStates::default() },
            names: UserNames::default(),
            decided: AccountDecisions::default(),
            managers: Vec::new(),
            out: Out::default(),
        }
    }

    /// The same with what the app answered too.
    pub(super) fn with_answers(ground: Ground<'a>, survey: &Survey, answers: &Answers) -> Self {
        let mut users = Self::new(ground, survey, &answers.absent);
        users.decided.untouched.extend(&survey.untouched);
        users.decided.proven_gone.clone_from(&answers.proven_gone);
        let stuck = survey.stuck.iter().zip(&answers.stuck);
        users.heard.stuck.extend(stuck.map(|(stuck, answer)| (stuck.person.id.clone(), answer.clone())));
        users
    }

    pub(super) fn push(&mut self, operation: Operation) {
        if let ObjectRef::User(id) = &operation.object {
            self.decided.names.entry(id.clone()).or_insert_with(|| operation.name.clone());
        }
        self.out.operations.push(operation);
    }

    pub(super) fn account_of(&self, id: &SourceId) -> Result<Account, StoreError> {
        self.decided.account_of(id, self.ground.baseline)
    }

    /// A plan of users alone.
    pub(super) fn into_plan(self) -> Plan {
        self.out.into_plan()
    }

    /// Ends the stage: what depends on several users is decided, and from here on no account changes.
    pub(super) fn settled(mut self, survey: &Survey) -> Result<GroupStage<'a>, StoreError> {
        self.problems(&survey.problems);
        self.set_rivals_aside();
        self.end_of_the_replaced();
        self.asides(survey)?;
        self.managers()?;
        let Self { ground, decided, out, .. } = self;
        Ok(GroupStage {
            ground,
            users: decided,
            out,
            in_groups: None,
            numbers: HashMap::new(),
            contested: HashSet::new(),
            in_doubt: HashSet::new(),
            replaced: HashSet::new(),
            compared: HashMap::new(),
        })
    }
}

/// A group as the app shows it now.
pub(super) struct Seen {
    pub(super) name: String,
    /// Members of ours, as far as they are known.
    pub(super) held: Vec<UserNumber>,
    /// Of these, the ones who were not put there by rosterd.
    pub(super) joined: HashSet<UserNumber>,
    /// Whether the app shows no members.
    pub(super) unknown: bool,
}

/// The second stage: groups and memberships, by what was decided about the users.
pub(super) struct GroupStage<'a> {
    pub(super) ground: Ground<'a>,
    pub(super) users: AccountDecisions,
    pub(super) out: Out,
    /// Members of a group in scope; made at the first question.
    pub(super) in_groups: Option<Bits>,
    /// Users' numbers, as the rows gave them: they are asked for with every membership.
    pub(super) numbers: HashMap<UserIx, Option<UserNumber>>,
    /// The app's groups that a new group of the directory would take from another.
    pub(super) contested: HashSet<AppId>,
    /// Names of new groups of the directory for which nothing could be decided.
    pub(super) in_doubt: HashSet<String>,
    /// Records that are gone and whose group goes over to another one.
    pub(super) replaced: HashSet<SourceId>,
    /// Groups as the app shows them now; `None` for one that could not be looked at.
    pub(super) compared: HashMap<SourceId, Option<Seen>>,
}

impl GroupStage<'_> {
    pub(super) fn push(&mut self, operation: Operation) {
        self.out.operations.push(operation);
    }

    /// The whole plan.
    pub(super) fn into_plan(mut self) -> Plan {
        keep_until_out_of_all_groups(&mut self.out.operations);
        self.out.into_plan()
    }
}

/// A replaced account that is off already is let go of once it is in no group any more: a forgotten account stays in it.
fn keep_until_out_of_all_groups(operations: &mut Vec<Operation>) {
    let mut leaving: HashSet<SourceId> = HashSet::new();
    for operation in operations.iter() {
        if let Action::RemoveMembers { users, .. } = &operation.action {
            leaving.extend(users.iter().map(|user| user.id.clone()));
        }
    }
    operations.retain(|op| !(matches!(op.action, Action::ReleaseUser) && leaving.contains(op.object.id())));
}
