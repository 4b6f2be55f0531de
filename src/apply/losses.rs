//! Losses of access that no account shows: of a deleted group, or by a call that nobody answered. In: who loses it. Out: records
//! that the rolling budget counts.

use jiff::Timestamp;

use crate::model::{Reason, RunId, SourceId};
use crate::store::{Effect, State, StoreError};

/// Puts on record who lost access, or may have: before what is known of the call, so that a crash between the two counts too much
/// rather than too little, and in pieces, since a group may have any number of members.
pub(super) async fn note_losses(
    state: &dyn State,
    run: &RunId,
    why: Reason,
    users: Vec<SourceId>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let effects: Vec<Effect> =
        users.chunks(PEOPLE_PER_EFFECT).map(|users| Effect::AccessReduced { users: users.to_vec(), at }).collect();
    match effects.is_empty() {
        true => Ok(()),
        false => state.noted(run, why, effects).await,
    }
}

/// Each of them becomes a row, and the rows of one record are written together.
const PEOPLE_PER_EFFECT: usize = 100;
