//! Switches of the tenant file after which the app has to be looked at. It takes what the file says now and what the state knows of the
//! last run, and writes down that what happened in between was not seen.

use super::CycleJob;
use crate::model::{Reason, RunId, SourceId};
use crate::store::{Effect, State, StoreError};

/// So many groups are named in one effect.
const TOGETHER: usize = 500;

/// Writes down that group management was turned off or on. While it is off, what becomes of the groups in the app is unknown: each is
/// marked, and stays so until it has been compared with the app (J14), whatever comes between.
pub(super) async fn note_group_management(
    job: &CycleJob<'_>,
    ledger: &dyn State,
    run: &RunId,
) -> Result<(), StoreError> {
    let on = job.rules.groups_on();
    if on != ledger.groups_were_off() {
        return Ok(());
    }
    let mut effects = Vec::new();
    if !on {
        let watched = ledger.groups()?.into_iter().filter(|(_, row)| !row.unwatched).map(|(id, _)| id);
        let watched: Vec<SourceId> = watched.collect();
        effects.extend(watched.chunks(TOGETHER).map(|groups| Effect::GroupsUnwatched { groups: groups.to_vec() }));
    }
    // Last: a run that is killed before it writes the marks again.
    effects.push(Effect::GroupsManaged { on });
    ledger.noted(run, Reason::GroupManagement { on }, effects).await
}
