//! The app held against what was last known of it, now and then. In: a tenant that is in step, its `[drift]` table. Out: a note beside
//! the state that says what was found, and what the next run is to repair.
//!
//! It follows a run of the same tenant, so that nothing is under way that would look like somebody's hand.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::timetable::{Timetable, last_turn_of_week};
use crate::config::drift::{DriftTable, OnDrift};
use crate::config::forms::DriftSchedule;
use crate::engine::{Drifts, Engine, EngineError};
use crate::progress::Silent;
use crate::roll::Drifted;
use crate::store::{StoreError, TenantStore};
use crate::tenancy::Tenant;

const NOTE: &str = "drift";

/// What the last comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastComparison {
    /// When it ended.
    pub at: Timestamp,
    /// How many accounts the app has.
    pub accounts: u64,
    /// How many groups were compared.
    pub groups: u64,
    /// How many calls to the app it took. They are not counted as calls of a run.
    #[serde(default)]
    pub calls: u64,
    /// How many differences there are of each kind.
    pub found: BTreeMap<String, u64>,
    /// How many of them the next run was told to repair.
    pub repaired: u64,
    /// Why it came to no end, if so.
    pub failed: Option<String>,
}

/// What the last comparison of the tenant found.
///
/// # Errors
/// When the note is there and can't be read.
pub fn read_compared(state: &TenantStore) -> Result<Option<LastComparison>, StoreError> {
    state.notes().get(NOTE)
}

/// Whether the tenant's own schedule wants a comparison now. `known_since` says when the tenant's first record was written.
pub(super) fn is_due(
    tenant: &Tenant,
    state: &TenantStore,
    now: Timestamp,
    known_since: impl FnOnce() -> Option<Timestamp>,
) -> bool {
    // A note that can't be read is written again.
    let last = read_compared(state).ok().flatten().map(|compared| compared.at);
    // A clock that was set back must not put it off for years.
    let last = match last {
        Some(last) if last > now => return tenant.file.drift.schedule != DriftSchedule::Never,
        last => last,
    };
    match &tenant.file.drift.schedule {
        DriftSchedule::Never => false,
        DriftSchedule::At(schedule) => {
            let timetable = Timetable::of_drift(tenant, schedule.clone());
            last.is_none_or(|last| timetable.after(last) <= now)
        }
        // A tenant is not compared before its first turn: a fleet that was just installed has enough to do.
        DriftSchedule::Weekly => {
            last.or_else(known_since).is_some_and(|since| since < last_turn_of_week(tenant.name.as_str(), now))
        }
    }
}

/// Compares, and leaves the note. Says whether there is something to repair.
pub(super) async fn compare(
    engine: &Engine,
    tenant: &Tenant,
    state: &TenantStore,
    now: impl Fn() -> Timestamp,
    stop: &CancellationToken,
) -> bool {
    let table = &tenant.file.drift;
    let wanted = |what: &Drifted| table.wants_repaired(what);
    // It only reads until its last step, and that one is a record: it may end anywhere, and nobody waits for a large app's lists.
    let result = tokio::select! {
        biased;
        () = stop.cancelled() => return false,
        result = engine.drift(Some(&wanted), false, &Silent, stop) => result,
    };
    let compared = LastComparison::of(&result, wanted, now());
    match &compared.failed {
        None => {
            tracing::info!(tenant = %tenant.name, differences = compared.found.values().sum::<u64>(), "drift check finished")
        }
        // Why may name people: it stands in the note, which only the owner reads.
        Some(_) => tracing::warn!(tenant = %tenant.name, "drift check failed"),
    }
    if let Err(error) = state.notes().set(NOTE, &compared) {
        tracing::warn!(tenant = %tenant.name, %error, "could not save the result of the drift check");
    }
    compared.repaired > 0
}

impl LastComparison {
    fn of(result: &Result<Drifts, EngineError>, wanted: impl Fn(&Drifted) -> bool, at: Timestamp) -> Self {
        let mut compared =
            Self { at, accounts: 0, groups: 0, calls: 0, found: BTreeMap::new(), repaired: 0, failed: None };
        match result {
            Err(error) => compared.failed = Some(error.to_string()),
            Ok(drifts) => {
                (compared.accounts, compared.groups, compared.calls) = (drifts.accounts, drifts.groups, drifts.calls);
                for drift in &drifts.found {
                    *compared.found.entry(drift.what.kind().to_owned()).or_default() += 1;
                    compared.repaired += u64::from(drifts.noted && !drift.effects.is_empty() && wanted(&drift.what));
                }
            }
        }
        compared
    }
}

impl DriftTable {
    fn wants_repaired(&self, what: &Drifted) -> bool {
        let rule = match what {
            // Nobody's account to change.
            Drifted::AccountAdded | Drifted::AccountNotShown => return false,
            Drifted::AccountRemoved | Drifted::AccountKept { .. } | Drifted::ActiveChanged { .. } => self.accounts,
            Drifted::AttributesChanged { .. } => self.attributes,
            Drifted::GroupRemoved | Drifted::GroupRenamed { .. } => self.groups,
            Drifted::MembersAdded { .. } | Drifted::MembersRemoved { .. } => self.memberships,
        };
        rule == OnDrift::Repair
    }
}
