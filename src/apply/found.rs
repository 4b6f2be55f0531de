//! What a run finds out while its calls go on. Many operations write here at once; nothing is taken back.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::model::{ObjectRef, SourceId};

/// What this run has found out so far.
#[derive(Default)]
pub(super) struct RunFindings {
    failed: Mutex<HashSet<ObjectRef>>,
    still_inside: Mutex<HashSet<SourceId>>,
    links_differ: AtomicBool,
}

impl RunFindings {
    /// Something about this object failed.
    pub(super) fn note_failed(&self, object: &ObjectRef) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).insert(object.clone());
    }

    /// Whether something about this object failed.
    pub(super) fn has_failed(&self, object: &ObjectRef) -> bool {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).contains(object)
    }

    /// These users could not be taken out of a group.
    pub(super) fn note_still_inside(&self, users: impl Iterator<Item = SourceId>) {
        self.still_inside.lock().unwrap_or_else(PoisonError::into_inner).extend(users);
    }

    /// Whether a user could not be taken out of some group.
    pub(super) fn is_still_inside(&self, user: &SourceId) -> bool {
        self.still_inside.lock().unwrap_or_else(PoisonError::into_inner).contains(user)
    }

    /// A link ended or began that no operation stands for.
    pub(super) fn note_links_differ(&self) {
        self.links_differ.store(true, Ordering::Relaxed);
    }

    /// Whether a link ended or began that no operation stands for.
    pub(super) fn links_differ(&self) -> bool {
        self.links_differ.load(Ordering::Relaxed)
    }
}
