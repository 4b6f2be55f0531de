//! The index of the next quiet cycle. In: what this cycle saw and did. Out: who is in step, at which fingerprint.
//!
//! Whoever is linked has an entry; only those for whom nothing is left to do are marked as in step.

use std::collections::HashSet;

use super::{CycleJob, done, is_done};
use crate::apply::ApplyOutcome;
use crate::config::profile::InactiveEffect;
use crate::desired::Desired;
use crate::guard::Cleared;
use crate::model::{Bits, ObjectRef, Op, SourceId, UserNumber};
use crate::plan::{Action, FINISHED, IN_STEP, LOOKED_UP, Survey, TenantLinks, user_fingerprint};
use crate::source::{GroupIx, UserIx, id_hash};
use crate::store::{IndexDraft, IndexEntry, StoreError};

/// `None` when the next cycle has to compare everybody anyway, or when the last index still says it all.
pub(super) fn draft(
    job: &CycleJob<'_>,
    desired: &Desired<'_>,
    links: &TenantLinks,
    survey: &Survey,
    cleared: &Cleared,
    outcome: &ApplyOutcome,
) -> Result<Option<IndexDraft>, StoreError> {
    let nothing_new = cleared.plan().operations.is_empty()
        && survey.linked.is_empty()
        && survey.changed_groups.is_empty()
        && survey.new_groups.is_empty()
        && survey.absent.is_empty()
        && survey.finished.is_empty();
    if (nothing_new && matches!(links, TenantLinks::Index(_))) || must_compare_again(job, cleared, outcome) {
        return Ok(None);
    }
    let open = UnsettledObjects::new(survey, cleared, outcome);
    let finished = finished(job, survey, cleared)?;
    let fresh = NewLinks::new(cleared, outcome);
    let mut draft = IndexDraft {
        settings_hash: job.settings.all,
        counts: desired.snapshot.counts(),
        users: Vec::with_capacity(desired.snapshot.user_count()),
        groups: Vec::with_capacity(desired.groups.len()),
    };
    people(job, desired, links, &finished, &open, &fresh, &mut draft)?;
    groups(job, desired, links, survey, &open, &fresh, &mut draft)?;
    Ok(Some(draft))
}

/// Whether the directory could stay like this for ever without anything being done or asked: nobody waits, nothing is held,
/// no time has to pass.
pub(super) fn nothing_is_left(
    job: &CycleJob<'_>,
    desired: &Desired<'_>,
    survey: &Survey,
    links: &TenantLinks,
    cleared: &Cleared,
) -> Result<bool, StoreError> {
    let plan = cleared.plan();
    let nothing_planned = plan.operations.is_empty()
        && plan.missed.is_empty()
        && plan.unsettled.is_empty()
        && plan.finished.is_empty()
        && cleared.holds().is_empty();
    Ok(nothing_planned
        && survey.is_empty()
        && desired.unread().next().is_none()
        && matches!(links, TenantLinks::Index(_))
        && job.state.failures()?.is_empty())
}

/// A link that was lost leaves groups without a member of theirs, and an account that was deleted may be somebody's manager:
/// both are only found by looking at everybody.
pub(super) fn must_compare_again(job: &CycleJob<'_>, cleared: &Cleared, outcome: &ApplyOutcome) -> bool {
    let deletes = |action: &Action| match action {
        Action::DeleteUser { .. } => true,
        Action::DeactivateUser => job.rules.profile.users.inactive_effect == InactiveEffect::DeletesResource,
        _ => false,
    };
    let relinks = done(cleared, outcome)
        .any(|operation| matches!(operation.op(), Op::RelinkUser | Op::ReplaceUser | Op::RelinkGroup));
    outcome.links_differ
        || relinks
        || (job.rules.maps_manager() && done(cleared, outcome).any(|operation| deletes(&operation.action)))
}

/// Objects for which something is left to do.
struct UnsettledObjects<'a>(HashSet<&'a ObjectRef>);

impl<'a> UnsettledObjects<'a> {
    fn new(survey: &'a Survey, cleared: &'a Cleared, outcome: &ApplyOutcome) -> Self {
        let plan = cleared.plan();
        let undone = plan.operations.iter().enumerate().filter(|(at, _)| !is_done(outcome, *at));
        let mut open: HashSet<&ObjectRef> = undone.map(|(_, operation)| &operation.object).collect();
        open.extend(&plan.unsettled);
        open.extend(&survey.waiting);
        Self(open)
    }

    fn user(&self, id: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&ObjectRef::User(SourceId::new(id)))
    }

    fn group(&self, id: &SourceId) -> bool {
        !self.0.is_empty() && self.0.contains(&ObjectRef::Group(id.clone()))
    }
}

/// Links made by this run.
#[derive(Default)]
struct NewLinks<'a> {
    users: HashSet<&'a str>,
    groups: HashSet<&'a str>,
}

impl<'a> NewLinks<'a> {
    fn new(cleared: &'a Cleared, outcome: &'a ApplyOutcome) -> Self {
        let mut fresh = Self::default();
        for operation in done(cleared, outcome) {
            let id = operation.object.id().as_str();
            match operation.action {
                Action::CreateUser { .. } | Action::AdoptUser { .. } => drop(fresh.users.insert(id)),
                Action::CreateGroup { .. } | Action::AdoptGroup { .. } => drop(fresh.groups.insert(id)),
                _ => {}
            }
        }
        fresh
    }
}

/// Absent people for whom nothing is left to ask or to do, by id hash.
fn finished(job: &CycleJob<'_>, survey: &Survey, cleared: &Cleared) -> Result<HashSet<u64>, StoreError> {
    let mut finished: HashSet<u64> = cleared.plan().finished.iter().map(|id| id_hash(id.as_str())).collect();
    for number in &survey.finished {
        finished.extend(job.state.user_by_number(*number)?.map(|id| id_hash(id.as_str())));
    }
    Ok(finished)
}

fn people(
    job: &CycleJob<'_>,
    desired: &Desired<'_>,
    links: &TenantLinks,
    finished: &HashSet<u64>,
    open: &UnsettledObjects<'_>,
    fresh: &NewLinks<'_>,
    draft: &mut IndexDraft,
) -> Result<(), StoreError> {
    let snapshot = desired.snapshot;
    let mut seen = Bits::new(links.number_range());
    for user in snapshot.users() {
        let fingerprint = user_fingerprint(desired, user);
        let Some(number) = number_of(job, desired, links, fresh, user, fingerprint)? else { continue };
        seen.insert(number.0 as usize);
        let in_step = !open.user(snapshot.id(user)) && desired.frozen(user).is_none();
        draft.users.push(IndexEntry {
            id_hash: snapshot.id_hash(user),
            fingerprint,
            number: number.0,
            flags: if in_step { IN_STEP } else { 0 },
        });
    }
    for (id_hash, number, flags) in links.unseen(&seen) {
        // An account that this run deleted is no link any more.
        if job.state.user_by_number(number)?.is_some() {
            let flags = if finished.contains(&id_hash) { FINISHED } else { flags & FINISHED };
            draft.users.push(IndexEntry { id_hash, fingerprint: 0, number: number.0, flags });
        }
    }
    Ok(())
}

fn number_of(
    job: &CycleJob<'_>,
    desired: &Desired<'_>,
    links: &TenantLinks,
    fresh: &NewLinks<'_>,
    user: UserIx,
    fingerprint: u64,
) -> Result<Option<UserNumber>, StoreError> {
    let id = desired.snapshot.id(user);
    match links.user(desired.snapshot.id_hash(user)) {
        Some(link) if link.is_settled_at(fingerprint) => Ok(Some(link.number)),
        None if !fresh.users.contains(id) => Ok(None),
        // Rows may share a hash, a new link has its number from the state, and this run may have deleted the account.
        _ => job.state.number_of(&SourceId::new(id)),
    }
}

fn groups(
    job: &CycleJob<'_>,
    desired: &Desired<'_>,
    links: &TenantLinks,
    survey: &Survey,
    open: &UnsettledObjects<'_>,
    fresh: &NewLinks<'_>,
    draft: &mut IndexDraft,
) -> Result<(), StoreError> {
    let mut in_scope = HashSet::with_capacity(desired.groups.len());
    let looked_up: HashSet<GroupIx> = survey.new_groups.iter().copied().collect();
    for group in &desired.groups {
        let Some(row) = desired.snapshot.group(group.ix) else { continue };
        let hash = id_hash(row.id.as_str());
        if links.group(hash).is_some() || fresh.groups.contains(row.id.as_str()) {
            in_scope.insert(hash);
            let in_step = !open.group(&row.id) && group.problem.is_none();
            let flags = if in_step { IN_STEP } else { 0 };
            draft.groups.push(IndexEntry { id_hash: hash, fingerprint: group.fingerprint, number: 0, flags });
        } else if !open.group(&row.id)
            && (links.was_looked_up(hash, group.fingerprint) || looked_up.contains(&group.ix))
        {
            let fingerprint = group.fingerprint;
            draft.groups.push(IndexEntry { id_hash: hash, fingerprint, number: 0, flags: LOOKED_UP });
        }
    }
    if links.group_count() + fresh.groups.len() > in_scope.len() {
        for (id, _) in job.state.groups()? {
            let hash = id_hash(id.as_str());
            if !in_scope.contains(&hash) {
                draft.groups.push(IndexEntry { id_hash: hash, fingerprint: 0, number: 0, flags: 0 });
            }
        }
    }
    Ok(())
}
