//! Messages on their way to one receiver, on the disk: a restart loses none. In: bodies. Out: the oldest first.
//!
//! Bounded: the oldest give way. Names are ids that grow with time, so their order is the order of events.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::message::Body;
use crate::store::{StoreError, drop_note, private_folder, put_note, read_note};

/// So many wait for one receiver.
const MOST: usize = 500;

pub(super) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    private_folder(folder)
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// Since when.
    pub(super) since: Timestamp,
    /// What is sent.
    pub(super) body: Body,
}

/// The folder of one receiver.
#[derive(Debug, Clone)]
pub(super) struct Spool {
    folder: PathBuf,
}

impl Spool {
    pub(super) fn open(folder: &Path, receiver: &str) -> Result<Self, StoreError> {
        let folder = folder.join(receiver);
        make_folder(&folder)?;
        Ok(Self { folder })
    }

    /// Keeps a message; it is on the disk when this returns. Says how many had to give way.
    pub(super) fn put(&self, body: Body, now: Timestamp) -> Result<usize, StoreError> {
        let waiting = self.names();
        let surplus = (waiting.len() + 1).saturating_sub(MOST);
        waiting.iter().take(surplus).try_for_each(|name| self.drop(name))?;
        put_note(&self.folder, &body.id.clone(), &Waiting { since: now, body })?;
        Ok(surplus)
    }

    /// The oldest message. One that can't be read is gone: it would be in the way for ever.
    pub(super) fn oldest(&self) -> Option<Waiting> {
        for name in self.names() {
            match read_note(&self.folder, &name) {
                Ok(Some(waiting)) => return Some(waiting),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "a message that waited can't be read and is thrown away");
                    if let Err(error) = self.drop(&name) {
                        tracing::error!(%error, "it stays in the way");
                        return None;
                    }
                }
            }
        }
        None
    }

    /// It was taken.
    pub(super) fn drop(&self, id: &str) -> Result<(), StoreError> {
        drop_note(&self.folder, id)
    }

    /// How many wait for a receiver.
    pub(super) fn count(folder: &Path, receiver: &str) -> usize {
        Self { folder: folder.join(receiver) }.names().len()
    }

    /// The folder in which the receivers' folders are.
    pub(super) fn above(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| {
                entry.file_name().to_str().and_then(|name| name.strip_suffix(".json")).map(str::to_owned)
            })
            .collect();
        names.sort();
        names
    }
}
