//! What tenants are doing, for people and scripts. In: a state folder, the daemon's board. Out: one value a tenant, the same beside the
//! daemon and through its socket.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::board::{Board, BoardRow};
use super::drift::{LastComparison, read_compared};
use crate::engine::{SecondTokenNote, second_token};
use crate::model::TenantName;
use crate::store::{HeldPlan, ImportNote, ImportState, InterruptedRun, Sign, Status, StoreError, Stores, TenantMark};

/// One tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenantStatus {
    /// Its name.
    pub tenant: String,
    /// How its last run ended.
    pub status: Option<Status>,
    /// What waits for a decision.
    pub held_plan: Option<HeldPlan>,
    /// Whether what is shown of that is what its id stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_plan_genuine: Option<bool>,
    /// Files that look like decisions and are not believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_decisions: Vec<String>,
    /// Who asked that nothing be sent.
    pub paused: Option<TenantMark>,
    /// Who ended the connection.
    pub retired: Option<TenantMark>,
    /// What the daemon does with it; nothing if none runs.
    pub daemon: Option<BoardRow>,
    /// What the last comparison with the app by its own schedule found.
    pub drift: Option<LastComparison>,
    /// How far the import in the background is, or how the last one ended.
    #[serde(default)]
    pub import: Option<ImportNote>,
    /// The last run, if it started and did not finish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<InterruptedRun>,
    /// Since when the app refuses `token`, and whether it accepts `second_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_token: Option<SecondTokenNote>,
    /// There is state, and no tenant file any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub file_gone: bool,
}

/// Looks at tenants: those that have a file, and those whose file is `gone`.
///
/// # Errors
/// When what runs left can't be read.
pub fn overview(
    stores: &Stores,
    tenants: &[TenantName],
    gone: &[TenantName],
    board: Option<&Board>,
    now: Timestamp,
) -> Result<Vec<TenantStatus>, StoreError> {
    let mut lines: HashMap<&str, &BoardRow> = HashMap::new();
    lines.extend(board.iter().flat_map(|board| &board.tenants).map(|line| (line.tenant.as_str(), line)));
    let look = |tenant: &TenantName| {
        let state = stores.tenant(tenant);
        let held_plan = state.held()?;
        let refused = state.refused_decisions(now)?;
        Ok(TenantStatus {
            tenant: tenant.to_string(),
            status: state.status()?,
            held_plan_genuine: held_plan.as_ref().map(HeldPlan::is_genuine),
            held_plan,
            refused_decisions: refused.iter().map(ToString::to_string).collect(),
            paused: state.mark(Sign::Paused),
            retired: state.mark(Sign::Retired),
            daemon: lines.get(tenant.as_str()).map(|line| (*line).clone()),
            drift: read_compared(&state)?,
            import: state.import_note()?.map(|note| as_seen(note, board.is_some())),
            interrupted: state.interrupted_run()?,
            second_token: second_token(&state)?,
            file_gone: gone.contains(tenant),
        })
    };
    tenants.iter().chain(gone).map(look).collect()
}

/// An import as it is now: without a daemon it does not go on, whatever the last one wrote.
fn as_seen(note: ImportNote, has_daemon: bool) -> ImportNote {
    match has_daemon || note.has_ended() {
        true => note,
        false => ImportNote {
            state: ImportState::Interrupted,
            waits_for: None,
            per_minute: None,
            seconds_left: None,
            ..note
        },
    }
}
