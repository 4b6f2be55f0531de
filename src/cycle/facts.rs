//! What a plan is judged by. In: the reading and the state. Out: the guard's [`Facts`]; nothing is written.

use jiff::{SignedDuration, Timestamp};

use super::{CycleJob, budget, refilled_until, time, undone};
use crate::apply;
use crate::config::addresses::{AddressChange, AddressSide, Addresses};
use crate::config::profile::{DeleteEffect, Profile};
use crate::desired::Desired;
use crate::guard::{EditImpact, Facts};
use crate::model::Path;
use crate::plan::Plan;
use crate::store::{Health, SettingsMark, StateView, StoreError};

impl CycleJob<'_> {
    /// What a plan is judged by. Where nothing is planned the rows are left alone: a quiet cycle does not open them (I12).
    pub(super) fn facts(&self, desired: &Desired<'_>, plan: &Plan) -> Result<Facts, StoreError> {
        let reading = Facts {
            before: self.state.last_counts(),
            now: desired.snapshot.counts(),
            unbound: desired.snapshot.unbound().filter(|_| self.scope.is_by_assignment()),
            edited: self.edited(),
            on_source_change: self.rules.pushed_on_change(),
            unread: desired.unread().map(|(group, why)| (group.name.clone(), why.to_owned())).collect(),
            ..Facts::default()
        };
        if plan.operations.is_empty() {
            return Ok(reading);
        }
        let Facts { unread, before, now, unbound, edited, on_source_change, .. } = reading;
        let profile = self.rules.profile;
        Ok(Facts {
            unread,
            before,
            now,
            unbound,
            edited,
            on_source_change,
            undone: undone::UndoNotes::of(self.state, desired)?.in_force(),
            clock: time::doubt(self.clock, self.reader, self.state),
            delete_waits: self.rules.delete_after.is_some(),
            ..facts_of_state(self.state, profile, refilled_until(self.clock, self.reader, self.state))?
        })
    }

    /// What the operator changed since the last run that was not held for it.
    pub(super) fn edited(&self) -> EditImpact {
        let now = self.settings;
        match self.state.last_settings() {
            // Another version of rosterd hashed another form: nothing can be said, and nothing is held for it.
            Some(before) if before.version != now.version => EditImpact::Upgraded,
            Some(before) if before.matching != now.matching => EditImpact::Matching,
            Some(before) if before.all != now.all => EditImpact::Settings,
            _ => EditImpact::Nothing,
        }
    }
}

/// The sides whose address is not the one on record. A state of before knows the app's by a hash alone, and the directory's not.
pub(crate) fn address_changes(now: &Addresses, settings: SettingsMark, state: &dyn StateView) -> Vec<AddressChange> {
    if let Some(before) = state.last_addresses() {
        return now.changes(&before);
    }
    let other = state.last_settings().is_some_and(|before| settings.has_other_target(&before));
    let change = || AddressChange { side: AddressSide::Target, from: Vec::new(), to: vec![now.mark.target.clone()] };
    other.then(change).into_iter().collect()
}

/// What the guard has to know that is in the state: of any plan, wherever it comes from.
pub(crate) fn facts_of_state(state: &dyn StateView, profile: &Profile, now: Timestamp) -> Result<Facts, StoreError> {
    let day_ago = now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or_default();
    let counts = state.counts()?;
    let recent = state.runs(200)?.into_iter().filter(|run| run.ended >= day_ago);
    let lately = budget::Lately::of(state, now)?;
    let identifiers = profile.read.user_match.iter().filter_map(|name| Path::parse(name).ok());
    Ok(Facts {
        managed: counts.active,
        lost: lately.lost.into_keys().collect(),
        lost_but_active: lately.lost_but_active,
        lost_again: lately.lost_again,
        losses_unknown: state.losses_unknown_at().is_some_and(|at| at >= day_ago),
        returned: lately.returned,
        lost_lately: lately.lost_lately,
        activated: lately.activated,
        identifiers: identifiers.collect(),
        reduced: state.reduced_since(day_ago)?,
        own_account: state.own_account()?.flatten(),
        access: apply::access(profile),
        delete_is_final: profile.users.delete_effect == DeleteEffect::Irreversible,
        created: recent.map(|run| run.created).sum(),
        adopt_only: match state.health() {
            Health::Trusted => None,
            Health::AdoptOnly { reason } => Some(reason),
        },
        failing: state.failures()?.into_iter().map(|(object, _)| object.id().clone()).collect(),
        ..Facts::default()
    })
}
