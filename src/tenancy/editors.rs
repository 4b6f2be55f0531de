//! Who owns or last edited a tenant file, as far as this machine knows. In: the file's owner; who had the daemon read it. Out:
//! identities, whose approval is not that of another person.
//!
//! What is known: the owner of the file, unless that is root, who owns what a package or a deployment writes; and the account that
//! asked for the `rosterd reload` by which this content came into force. Not known: who edited a file of root's and had it read by a
//! signal, a restart or `[run] watch`.

use std::os::unix::fs::MetadataExt as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Tenant;
use crate::identity::{Identity, ROOT};
use crate::store::{StoreError, TenantStore};

const NOTE: &str = "edited";

/// Who had the daemon take over a tenant file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct TenantFileEditor {
    by: Identity,
    at: Timestamp,
    /// Which content it was ([`Tenant::fingerprint`]).
    file: u64,
}

impl Tenant {
    /// Who owns or last edited its file.
    pub fn editors(&self, state: &TenantStore) -> Vec<Identity> {
        let owner = std::fs::metadata(&self.path).ok().map(|file| file.uid()).filter(|uid| *uid != ROOT);
        let edited: Option<TenantFileEditor> = state.notes().get(NOTE).unwrap_or_else(|error| {
            tracing::warn!(tenant = %self.name, %error, "could not read which account reloaded the file");
            None
        });
        let edited = edited.filter(|edited| edited.file == self.fingerprint()).map(|edited| edited.by);
        owner.map(Identity::of_uid).into_iter().chain(edited).collect()
    }

    /// Remembers who had the daemon take over what the file says now.
    ///
    /// # Errors
    /// When it can't be written down.
    pub fn edited_by(&self, state: &TenantStore, by: &Identity, at: Timestamp) -> Result<(), StoreError> {
        let edited = TenantFileEditor { by: by.clone(), at, file: self.fingerprint() };
        state.notes().set(NOTE, &edited)
    }
}
