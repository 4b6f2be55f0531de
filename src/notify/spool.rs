//! Messages on their way to one receiver, on the disk: a restart loses none. In: bodies. Out: the oldest first.
//!
//! Bounded: the oldest give way. Names are ids that grow with time, so their order is the order of events.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::message::MessageBody;
use crate::store::{Notes, StoreError};

/// So many wait for one receiver.
const MOST: usize = 500;

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// Since when.
    pub(super) since: Timestamp,
    /// What is sent.
    pub(super) body: MessageBody,
}

/// The messages of one receiver.
#[derive(Clone)]
pub(super) struct Spool {
    pub(super) notes: Notes,
    folder: String,
}

impl Spool {
    pub(super) fn of(notes: &Notes, receiver: &str) -> Self {
        Self { notes: notes.clone(), folder: format!("notify/{receiver}") }
    }

    fn note(&self, id: &str) -> String {
        format!("{}/{id}", self.folder)
    }

    /// Keeps a message; it is on the disk when this returns. Says how many had to give way.
    pub(super) fn put(&self, body: MessageBody, now: Timestamp) -> Result<usize, StoreError> {
        let waiting = self.names();
        let surplus = (waiting.len() + 1).saturating_sub(MOST);
        waiting.iter().take(surplus).try_for_each(|name| self.drop(name))?;
        self.notes.set(&self.note(&body.id), &Waiting { since: now, body })?;
        Ok(surplus)
    }

    /// The oldest message. One that can't be read is gone: it would be in the way for ever.
    pub(super) fn oldest(&self) -> Option<Waiting> {
        for name in self.names() {
            match self.notes.get(&self.note(&name)) {
                Ok(Some(waiting)) => return Some(waiting),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "could not read a queued message: dropping it");
                    if let Err(error) = self.drop(&name) {
                        tracing::error!(%error, "could not remove it");
                        return None;
                    }
                }
            }
        }
        None
    }

    /// It was taken.
    pub(super) fn drop(&self, id: &str) -> Result<(), StoreError> {
        self.notes.remove(&self.note(id))
    }

    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.names().len()
    }

    fn names(&self) -> Vec<String> {
        self.notes.names(&self.folder).unwrap_or_default()
    }
}
