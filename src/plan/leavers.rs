//! The first stage of a plan: users who end with no access. It takes the survey and, for the second part, what the directory answered
//! about those who are absent, and returns plans that wait for no answer of the app.
//!
//! A leaver must not wait for other users' look-ups and creations. Access is judged on the end state: a user whom any group in scope still
//! holds is in none of these plans, and neither is a record that may have been made again under another id.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{Ground, Plan, Survey, TenantRules, Users};
use crate::desired::Desired;
use crate::model::{LifecycleStatus, SourceId};
use crate::source::{Presence, UserIx};
use crate::store::{Baseline, StoreError};

/// The users whom the directory itself calls suspended. Nothing has to be asked for them.
///
/// # Errors
/// When the state cannot be read.
pub fn suspended(
    desired: &Desired<'_>,
    survey: &Survey,
    baseline: &dyn Baseline,
    rules: &TenantRules<'_>,
    now: Timestamp,
) -> Result<Plan, StoreError> {
    let mut users = Users::new(Ground::new(desired, &survey.named, baseline, rules, now), survey, &[]);
    for &user in survey.linked.iter().filter(|user| desired.snapshot.standing(**user) == LifecycleStatus::Suspended) {
        users.linked(user)?;
    }
    Ok(users.into_plan())
}

/// The leavers of a newer reading, found while a run goes on: users whom the directory calls suspended, who are gone, or whom no group in
/// scope holds any more. Nothing else is planned.
///
/// # Errors
/// When the state cannot be read.
pub fn newly_left(
    desired: &Desired<'_>,
    survey: &Survey,
    absent: &[Presence],
    baseline: &dyn Baseline,
    rules: &TenantRules<'_>,
    now: Timestamp,
) -> Result<Plan, StoreError> {
    let mut users = Users::new(Ground::new(desired, &survey.named, baseline, rules, now), survey, absent);
    let stays = |user: UserIx| desired.snapshot.standing(user) == LifecycleStatus::Active && desired.is_assigned(user);
    for &user in survey.linked.iter().filter(|user| !stays(**user)) {
        users.linked(user)?;
    }
    users.confirmed_absent(survey, absent, &HashSet::new())?;
    Ok(users.into_plan())
}

/// What can be said of all users who have an account, once the directory was asked about those who are absent: the leavers among them, in
/// the first lane, and beside them the changes by which the guard judges whether the reading can be believed. Only the first lane is to be
/// carried out. `attempted` are those whose access could not be ended earlier in this run.
///
/// # Errors
/// When the state cannot be read.
pub fn confirmed(
    desired: &Desired<'_>,
    survey: &Survey,
    absent: &[Presence],
    baseline: &dyn Baseline,
    rules: &TenantRules<'_>,
    attempted: &HashSet<SourceId>,
    now: Timestamp,
) -> Result<Plan, StoreError> {
    let mut users = Users::new(Ground::new(desired, &survey.named, baseline, rules, now), survey, absent);
    let undecided: HashSet<UserIx> = survey.stuck.iter().map(|stuck| stuck.person.ix).collect();
    for &user in survey.linked.iter().filter(|user| !undecided.contains(user)) {
        if !attempted.contains(desired.snapshot.id(user)) {
            users.linked(user)?;
        }
    }
    users.confirmed_absent(survey, absent, attempted)?;
    Ok(users.into_plan())
}

impl Users<'_> {
    /// Users who are not in the reading. Those who may be there under another id are left alone.
    fn confirmed_absent(
        &mut self,
        survey: &Survey,
        absent: &[Presence],
        attempted: &HashSet<SourceId>,
    ) -> Result<(), StoreError> {
        for (id, answer) in survey.absent.iter().zip(absent).filter(|(id, _)| !attempted.contains(*id)) {
            self.absent(id, *answer)?;
        }
        Ok(())
    }
}
