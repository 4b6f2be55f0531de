//! Which accounts rosterd deleted. In: the journal's records, oldest first. Out: when each of the accounts in question was deleted.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use crate::model::{AppId, Op};
use crate::store::{Effect, JournalEvent, OutcomeResult, Record, StoreError};

/// Reads when accounts were deleted by a call that the app answered well. An account that was linked again since is left out.
///
/// # Errors
/// When the journal can't be read to its end.
pub fn deletions(
    records: impl Iterator<Item = Result<Record, StoreError>>,
    of: &HashSet<AppId>,
) -> Result<HashMap<AppId, Timestamp>, StoreError> {
    let (mut open, mut deleted) = (HashMap::new(), HashMap::new());
    for record in records {
        let Record { seq, at, event, .. } = record?;
        match event {
            JournalEvent::Intent(intent) if intent.op == Op::DeleteUser => {
                if let Some(id) = intent.app_id.filter(|id| of.contains(id)) {
                    open.insert(seq, id);
                }
            }
            JournalEvent::Outcome { intent, result, effects } => {
                if let (Some(id), OutcomeResult::Done { .. }) = (open.remove(&intent), &result) {
                    deleted.insert(id, at);
                }
                linked_again(&effects, &mut deleted);
            }
            JournalEvent::Noted { effects, .. } => linked_again(&effects, &mut deleted),
            _ => {}
        }
    }
    Ok(deleted)
}

fn linked_again(effects: &[Effect], deleted: &mut HashMap<AppId, Timestamp>) {
    for effect in effects {
        if let Effect::UserLinked { app_id, .. } = effect {
            deleted.remove(app_id);
        }
    }
}
