//! Which of two tokens an app accepts, while one is replaced by the other. It takes what a run saw and leaves a note for `rosterd status`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Engine;
use crate::http::KeyInUse;
use crate::scim::App;
use crate::store::{Leased, StoreError, TenantStore};

/// The name of the note.
const NOTE: &str = "second_token";

/// That the first token was refused, as the last run saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondTokenNote {
    /// When that was seen first.
    pub since: Timestamp,
    /// Whether the second one was accepted.
    pub accepted: bool,
}

impl Engine {
    /// Notes which token was accepted. A run that asked the app nothing says nothing about that.
    pub(super) fn note_key_in_use(&self, app: &App, notes: &Leased) -> Result<(), StoreError> {
        let before = notes.get::<SecondTokenNote>(NOTE)?;
        let in_use = match self.tenant.file.target.second_token {
            None => Some(KeyInUse::First),
            Some(_) => app.key_in_use(),
        };
        match (in_use, before) {
            (None, _) | (Some(KeyInUse::First), None) => Ok(()),
            (Some(KeyInUse::First), Some(_)) => notes.take(NOTE),
            (Some(second), before) => {
                let since = before.map_or_else(|| self.clock.now(), |note| note.since);
                notes.put(NOTE, &SecondTokenNote { since, accepted: second == KeyInUse::Second })
            }
        }
    }
}

/// The note that the last run left.
///
/// # Errors
/// When it is there and can't be read.
pub fn second_token(state: &TenantStore) -> Result<Option<SecondTokenNote>, StoreError> {
    state.notes().get(NOTE)
}
