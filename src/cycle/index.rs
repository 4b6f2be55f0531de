//! The index of the next quiet cycle. In: what this cycle saw and did. Out: who is in step, at which fingerprint.
//!
//! Whoever is linked has an entry; only those for whom nothing is left to do are marked as in step.

use std::collections::HashSet;

use super::{Job, done, is_done};
use crate::apply::{OpResult, Outcome};
use crate::desired::Desired;
use crate::guard::Cleared;
use crate::model::{Bits, ObjectRef, SourceId, UserNumber};
use crate::plan::{Action, FINISHED, IN_STEP, Links, Survey, user_fingerprint};
use crate::source::{UserIx, id_hash};
use crate::store::{IndexDraft, IndexEntry, StoreError};

/// `None` when the next cycle has to compare everybody anyway, or when the last index still says it all.
pub(super) fn draft(
    job: &Job<'_>,
    desired: &Desired<'_>,
    links: &Links,
    survey: &Survey,
    cleared: &Cleared,
    outcome: &Outcome,
) -> Result<Option<IndexDraft>, StoreError> {
    let nothing_new = cleared.plan().operations.is_empty()
        && survey.linked.is_empty()
        && survey.changed_groups.is_empty()
        && survey.absent.is_empty()
        && survey.finished.is_empty();
    if (nothing_new && matches!(links, Links::Index(_))) || must_compare_again(job, cleared, outcome)? {
        return Ok(None);
    }
    let open = Open::new(survey, cleared, outcome);
    let fresh = Fresh::new(cleared, outcome);
    let mut draft = IndexDraft {
        settings_hash: job.settings_hash,
        counts: desired.snapshot.counts(),
        users: Vec::with_capacity(desired.snapshot.user_count()),
        groups: Vec::with_capacity(desired.groups.len()),
    };
    people(job, desired, links, survey, &open, &fresh, &mut draft)?;
    groups(job, desired, links, &open, &fresh, &mut draft)?;
    Ok(Some(draft))
}

/// A link that was lost leaves groups without a member of theirs, and a new account may be somebody's manager: both are only
/// found by looking at everybody.
fn must_compare_again(job: &Job<'_>, cleared: &Cleared, outcome: &Outcome) -> Result<bool, StoreError> {
    let failed = cleared.plan().operations.iter().enumerate().filter(|(at, operation)| {
        matches!(outcome.results.get(*at), Some(OpResult::Failed(_))) && operation.app_id.is_some()
    });
    for (_, operation) in failed {
        let linked = match &operation.object {
            ObjectRef::User(id) => job.state.number_of(id)?.is_some(),
            ObjectRef::Group(id) => job.state.group(id)?.is_some(),
        };
        if !linked {
            return Ok(true);
        }
    }
    let manager_matters = job.rules.maps_manager()
        && done(cleared, outcome).any(|operation| {
            matches!(operation.action, Action::CreateUser { .. } | Action::AdoptUser { .. } | Action::DeleteUser)
        });
    Ok(manager_matters)
}

/// Objects for which something is left to do.
struct Open<'a>(HashSet<&'a str>);

impl<'a> Open<'a> {
    fn new(survey: &'a Survey, cleared: &'a Cleared, outcome: &Outcome) -> Self {
        let plan = cleared.plan();
        let undone = plan.operations.iter().enumerate().filter(|(at, _)| !is_done(outcome, *at));
        let mut open: HashSet<&str> = undone.map(|(_, operation)| operation.object.id().as_str()).collect();
        open.extend(plan.unsettled.iter().map(SourceId::as_str));
        open.extend(plan.missed.iter().map(|(object, _)| object.id().as_str()));
        open.extend(survey.waiting.iter().map(|(object, _)| object.id().as_str()));
        open.extend(survey.problems.iter().map(|(id, ..)| id.as_str()));
        Self(open)
    }

    fn holds(&self, id: &str) -> bool {
        !self.0.is_empty() && self.0.contains(id)
    }
}

/// Links made by this run.
struct Fresh<'a>(HashSet<&'a str>);

impl<'a> Fresh<'a> {
    fn new(cleared: &'a Cleared, outcome: &'a Outcome) -> Self {
        let linking = done(cleared, outcome).filter(|operation| {
            matches!(
                operation.action,
                Action::CreateUser { .. }
                    | Action::AdoptUser { .. }
                    | Action::CreateGroup { .. }
                    | Action::AdoptGroup { .. }
            )
        });
        Self(linking.map(|operation| operation.object.id().as_str()).collect())
    }

    fn holds(&self, id: &str) -> bool {
        !self.0.is_empty() && self.0.contains(id)
    }
}

fn people(
    job: &Job<'_>,
    desired: &Desired<'_>,
    links: &Links,
    survey: &Survey,
    open: &Open<'_>,
    fresh: &Fresh<'_>,
    draft: &mut IndexDraft,
) -> Result<(), StoreError> {
    let snapshot = desired.snapshot;
    let mut seen = Bits::new(links.number_range());
    for user in snapshot.users() {
        let Some(number) = number_of(job, desired, links, fresh, user)? else { continue };
        seen.insert(number.0 as usize);
        let in_step = !open.holds(snapshot.id(user)) && desired.frozen(user).is_none();
        draft.users.push(IndexEntry {
            id_hash: snapshot.id_hash(user),
            fingerprint: user_fingerprint(desired, user),
            number: number.0,
            flags: if in_step { IN_STEP } else { 0 },
        });
    }
    let finished: HashSet<UserNumber> = survey.finished.iter().copied().collect();
    for (id_hash, number, flags) in links.unseen(&seen) {
        // An account that this run deleted is no link any more.
        if job.state.user_by_number(number)?.is_some() {
            let flags = if finished.contains(&number) { FINISHED } else { flags & FINISHED };
            draft.users.push(IndexEntry { id_hash, fingerprint: 0, number: number.0, flags });
        }
    }
    Ok(())
}

fn number_of(
    job: &Job<'_>,
    desired: &Desired<'_>,
    links: &Links,
    fresh: &Fresh<'_>,
    user: UserIx,
) -> Result<Option<UserNumber>, StoreError> {
    let id = desired.snapshot.id(user);
    match links.user(desired.snapshot.id_hash(user)) {
        Some(link) if matches!(links, Links::Index(_)) => Ok(Some(link.number)),
        None if !fresh.holds(id) => Ok(None),
        // Rows may share a hash, and a new link has its number from the state.
        _ => job.state.number_of(&SourceId::new(id)),
    }
}

fn groups(
    job: &Job<'_>,
    desired: &Desired<'_>,
    links: &Links,
    open: &Open<'_>,
    fresh: &Fresh<'_>,
    draft: &mut IndexDraft,
) -> Result<(), StoreError> {
    let mut in_scope = HashSet::with_capacity(desired.groups.len());
    for group in &desired.groups {
        let Some(row) = desired.snapshot.group(group.ix) else { continue };
        let hash = id_hash(row.id.as_str());
        if links.group(hash).is_some() || fresh.holds(row.id.as_str()) {
            in_scope.insert(hash);
            let in_step = !open.holds(row.id.as_str()) && group.problem.is_none();
            let flags = if in_step { IN_STEP } else { 0 };
            draft.groups.push(IndexEntry { id_hash: hash, fingerprint: group.fingerprint, number: 0, flags });
        }
    }
    if links.group_count() + fresh.0.len() > in_scope.len() {
        for (id, _) in job.state.groups()? {
            let hash = id_hash(id.as_str());
            if !in_scope.contains(&hash) {
                draft.groups.push(IndexEntry { id_hash: hash, fingerprint: 0, number: 0, flags: 0 });
            }
        }
    }
    Ok(())
}
