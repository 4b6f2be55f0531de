//! Losses of access that come with a group. In: who was in it. Out: records that the rolling budget counts.

use jiff::Timestamp;

use crate::model::{RunId, SourceId};
use crate::store::{Effect, State, StoreError};

/// Puts on record who lost a group that was deleted: before the outcome, so that a crash between the two counts too much rather
/// than too little, and in pieces, since a group may have any number of members.
pub(super) async fn note_lost_group(
    state: &dyn State,
    run: &RunId,
    users: Vec<SourceId>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let effects: Vec<Effect> =
        users.chunks(PEOPLE_PER_EFFECT).map(|users| Effect::AccessReduced { users: users.to_vec(), at }).collect();
    match effects.is_empty() {
        true => Ok(()),
        false => state.noted(run, "lost a group that was deleted", effects).await,
    }
}

/// Each of them becomes a row, and the rows of one record are written together.
const PEOPLE_PER_EFFECT: usize = 100;
