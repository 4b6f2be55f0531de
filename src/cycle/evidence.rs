//! What a reading leaves unsaid, held against what the state last saw. It takes a reading and a plan, and returns what the guard judges by and
//! what the state keeps.

use std::collections::{BTreeSet, HashSet};

use super::report::DanglingNames;
use super::{Ask, CycleJob, CycleReport};
use crate::desired::Desired;
use crate::guard::{Cleared, Dangling, Facts, LostSigns, rests_on_absence};
use crate::model::{Bits, LifecycleStatus, Reason, SourceId, StatusSign, text};
use crate::plan::{Action, Operation, Plan, StillNamed, TenantLinks};
use crate::source::{Presence, Snapshot};
use crate::store::{Sightings, State, StoreError};

/// How many names that lead nowhere are shown.
const SHOWN: usize = 5;

/// Names that lead nowhere in groups in scope, as a report shows them.
pub(super) fn names(desired: &Desired<'_>) -> DanglingNames {
    let mut seen = HashSet::new();
    let mut found = DanglingNames::default();
    for (_, one) in desired.dangling() {
        if !seen.insert((one.group, &one.name)) {
            continue;
        }
        found.count += 1;
        if found.examples.len() < SHOWN {
            let group = desired.snapshot.group(one.group).map_or("", |row| &row.name);
            let place = one.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
            let (group, name) = (text::shown(group), text::shown(&one.name));
            found.examples.push(format!("{place}group {group} names {name}"));
        }
    }
    found
}

/// Signs of suspension that were lost since the last accepted reading.
pub(super) fn lost_signs(job: &CycleJob<'_>, snapshot: &Snapshot) -> LostSigns {
    let before = job.state.last_signs().unwrap_or_default();
    let signs: BTreeSet<StatusSign> =
        before.difference(snapshot.signs()).filter(|sign| !snapshot.kept_signs().contains(sign)).cloned().collect();
    let seen = if signs.is_empty() { None } else { job.state.sightings() };
    LostSigns { signs, seen }
}

/// What of a plan rests on nothing but names that lead nowhere. `proven` are users of whom the directory itself said, asked by id, that they
/// are gone.
pub(super) fn dangling(
    job: &CycleJob<'_>,
    desired: &Desired<'_>,
    named: &StillNamed,
    proven: &HashSet<SourceId>,
    plan: &Plan,
) -> Result<Dangling, StoreError> {
    if named.is_empty() {
        return Ok(Dangling::default());
    }
    let DanglingNames { count, examples } = names(desired);
    let before = job.state.last_dangling();
    let mut found = Dangling { count, before, examples, ..Dangling::default() };
    let (mut users, mut groups) = (false, false);
    for operation in &plan.operations {
        match &operation.action {
            Action::DeactivateUser | Action::DeleteUser { .. } if rests_on_absence(&operation.reason) => {
                users = true;
                let id = operation.object.id();
                if named.names(id) && !proven.contains(id) {
                    found.named.insert(id.clone());
                }
            }
            Action::RemoveMembers { .. } => groups |= operation.reason == Reason::NoLongerMembers,
            _ => {}
        }
    }
    if before.is_none_or(|before| count <= before) || !(users || groups) {
        return Ok(found);
    }
    found.strange = with_strange_names(job, desired, proven)?;
    for group in found.strange.iter().filter(|_| users) {
        for number in job.state.members(group)? {
            found.members_of_strange.extend(job.state.user_by_number(number)?.filter(|id| !proven.contains(id)));
        }
    }
    Ok(found)
}

/// Groups in scope with a name that is neither a linked user's id nor one under which a member was ever found, nor the id of a user who is
/// proven gone: the first stage of this run may have deleted their account.
fn with_strange_names(
    job: &CycleJob<'_>,
    desired: &Desired<'_>,
    proven: &HashSet<SourceId>,
) -> Result<HashSet<SourceId>, StoreError> {
    let seen = job.state.sightings().unwrap_or_default();
    let mut strange = HashSet::new();
    for (group, one) in desired.dangling() {
        let Some(row) = desired.snapshot.group(group.ix) else { continue };
        let id = SourceId::new(one.name.as_ref());
        let is_known =
            seen.owners(one.hash).next().is_some() || proven.contains(&id) || job.state.number_of(&id)?.is_some();
        if !is_known {
            strange.insert(row.id.clone());
        }
    }
    Ok(strange)
}

/// What became of the operations of a plan that were doubted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// There were none.
    None,
    /// They wait.
    Open,
    /// They were approved.
    Settled,
}

impl Doubt {
    fn of(cleared: &Cleared, doubts: impl Fn(&Operation) -> bool) -> Self {
        let operations = cleared.plan().operations.iter().enumerate();
        let doubted = operations.filter(|(_, operation)| doubts(operation)).map(|(at, _)| cleared.allows(at));
        doubted.fold(Self::None, |so_far, allowed| match (so_far, allowed) {
            (_, true) | (Self::Settled, false) => Self::Settled,
            (Self::None | Self::Open, false) => Self::Open,
        })
    }
}

/// Notes in the report what counts as seen from now on, and keeps what the reading showed of users, unless the reading itself is in doubt.
#[expect(clippy::too_many_arguments, reason = "a stage takes what the stages before it found out")]
pub(super) fn keep(
    job: &CycleJob<'_>,
    ledger: Option<&dyn State>,
    desired: &Desired<'_>,
    links: &TenantLinks,
    cleared: &Cleared,
    facts: &Facts,
    ask: &Ask<'_>,
    report: &mut CycleReport,
) -> Result<(), StoreError> {
    if ask.only.is_some() || cleared.is_all_held() {
        return Ok(());
    }
    let approved = Doubt::of(cleared, |operation| facts.lost_signs.doubts(operation)) == Doubt::Settled;
    let known = job.state.last_signs();
    let mut signs = desired.snapshot.signs().clone();
    signs.extend(known.iter().flatten().filter(|sign| desired.snapshot.kept_signs().contains(sign)).cloned());
    let has_signs = !signs.is_empty();
    if !approved {
        // Where nothing was to be done on its absence, the sign stays on record: tomorrow something may be.
        signs.extend(facts.lost_signs.signs.iter().cloned());
    }
    report.signs = (known.as_ref() != Some(&signs) && !(known.is_none() && signs.is_empty())).then_some(signs);
    let is_open = Doubt::of(cleared, |operation| facts.dangling.doubts(operation)) == Doubt::Open;
    let count = report.dangling.count;
    report.dangling_accepted = (!is_open && job.state.last_dangling() != Some(count)).then_some(count);
    let Some(ledger) = ledger else { return Ok(()) };
    let before = job.state.sightings();
    let suspended = match facts.lost_signs.signs.is_empty() || approved {
        true if !has_signs => Vec::new(),
        true => suspended(desired.snapshot),
        false => before.as_ref().map(|seen| seen.suspended().to_vec()).unwrap_or_default(),
    };
    let seen = Sightings::new(suspended, member_names(desired.snapshot, links, before.as_ref()));
    if before.unwrap_or_default() == seen {
        return Ok(());
    }
    ledger.write_sightings(&seen)
}

fn suspended(snapshot: &Snapshot) -> Vec<u64> {
    let users = snapshot.users().filter(|user| snapshot.standing(*user) == LifecycleStatus::Suspended);
    users.map(|user| snapshot.id_hash(user)).collect()
}

/// Names under which members were found in this reading; and of before those that lead nowhere now, or whose owner is found in no group.
fn member_names(snapshot: &Snapshot, links: &TenantLinks, before: Option<&Sightings>) -> Vec<(u64, u64)> {
    let before = before.map(Sightings::names).unwrap_or_default();
    if snapshot.names().is_empty() && before.is_empty() {
        return Vec::new();
    }
    let mut members = Bits::new(snapshot.user_count());
    for group in snapshot.groups().filter_map(|ix| snapshot.group(ix)) {
        for member in &group.members {
            members.insert(member.0 as usize);
        }
    }
    let found = snapshot.names().iter().filter(|(user, _)| members.contains(user.0 as usize));
    let mut names: Vec<(u64, u64)> = found.map(|(user, name)| (*name, snapshot.id_hash(*user))).collect();
    let is_found: HashSet<u64> = names.iter().map(|(_, id)| *id).collect();
    let dangling: HashSet<u64> = snapshot.dangling_members().iter().map(|one| one.hash).collect();
    let stays =
        |(name, id): &&(u64, u64)| dangling.contains(name) || (!is_found.contains(id) && links.user(*id).is_some());
    names.extend(before.iter().filter(stays));
    names
}

/// Users of whom the directory said, asked by id, that they are gone, where that is a proof.
pub(super) fn proven_gone(job: &CycleJob<'_>, absent: &[SourceId], answers: &[Presence]) -> HashSet<SourceId> {
    if !job.source.proves_absence() {
        return HashSet::new();
    }
    let gone = absent.iter().zip(answers).filter(|(_, answer)| **answer == Presence::Gone);
    gone.map(|(id, _)| id.clone()).collect()
}
