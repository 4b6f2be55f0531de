//! What leases and documents of tenants lie in, as traits. What comes in is a lease and what is to be kept; what goes out is what was
//! kept. `on_disk` carries them in a folder, and a database can; `suite` says what each of them has to do.
//!
//! Nothing here may depend on where a state lies: an [`Area`] and a name say what is meant.
//!
//! There are two ways to write. The holder of an area's lease shows it ([`Documents::put`]); everybody else says what the document has to
//! be for the change to count ([`Documents::swap`]).

use std::fmt;

use super::error::StoreError;
use super::surroundings::Surroundings;
use crate::model::TenantName;

/// What one process works on at a time, and whose documents lie together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Area {
    /// The state of a tenant.
    Tenant(TenantName),
    /// The import of a tenant, which runs beside its state.
    Imports(TenantName),
    /// What the daemon keeps of all tenants.
    Daemon,
}

/// Where states lie.
pub(super) trait Backend: Send + Sync {
    /// The tenants that have a log, in order.
    fn tenants(&self) -> Result<Vec<TenantName>, StoreError>;

    /// Takes an area for this process alone, at once. `who` is the command, for whoever finds it taken.
    ///
    /// # Errors
    /// [`StoreError::Busy`] says who holds it.
    fn lease(&self, area: &Area, who: &str) -> Result<Lease, StoreError>;

    /// Who holds an area now. Nobody is kept from taking it by this question.
    fn holder(&self, area: &Area) -> Option<String>;

    /// The documents of all areas.
    fn documents(&self) -> &dyn Documents;

    /// What a tenant's state, or with `None` that of all tenants, stands on.
    fn surroundings(&self, tenant: Option<&TenantName>) -> Surroundings;

    /// Where a document of this name lies, or with an empty name its area: a text for people, by which nothing is opened.
    fn place(&self, area: &Area, name: &str) -> String;
}

/// Proof that an area is this process's, until it is dropped. Whatever writes there asks for it.
pub(super) struct Lease {
    pub(super) area: Area,
    /// No lease of the area that is held at the same time has this number. A database counts it up and refuses what comes with a lower
    /// one; on a disk it is the number of the lock file, which has to keep its name.
    pub(super) epoch: u64,
    pub(super) hold: Box<dyn Hold>,
}

impl Lease {
    /// Whether the area is still this process's.
    ///
    /// # Errors
    /// [`StoreError::LockLost`] when another process may have it, or the error of whoever was asked.
    pub(super) fn still_held(&self) -> Result<(), StoreError> {
        self.hold.still_held(self.epoch)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lease {} of {:?}", self.epoch, self.area)
    }
}

/// What a lease hangs on. Dropping it ends the lease.
pub(super) trait Hold: Send + Sync {
    /// Whether the lease with this number still counts.
    fn still_held(&self, epoch: u64) -> Result<(), StoreError>;
}

/// What a document has to be for a change to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before<'a> {
    /// Anything, or nothing.
    Anything,
    /// Exactly this; `None` is no document.
    Is(Option<&'a [u8]>),
}

/// Small documents, each read and written whole.
pub(super) trait Documents: Send + Sync {
    /// A document of at most `most` bytes; `None` if there is none.
    fn read(&self, area: &Area, name: &str, most: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes a document of the lease's area, or with `None` takes it away. It is durable when this returns.
    fn put(&self, lease: &Lease, name: &str, document: Option<&[u8]>) -> Result<(), StoreError>;

    /// The same without the lease, if the document is as it is said to be; says whether it was.
    fn swap(&self, area: &Area, name: &str, before: Before<'_>, after: Option<&[u8]>) -> Result<bool, StoreError>;

    /// The documents whose names begin with `folder` and a slash, without that and in order.
    fn names(&self, area: &Area, folder: &str) -> Result<Vec<String>, StoreError>;

    /// The same documents with who wrote them, each of at most `most` bytes. One that somebody else than the state's owner could have
    /// written comes with the reason why it is not believed.
    fn signed(&self, area: &Area, folder: &str, most: u64) -> Result<Vec<Signed>, StoreError>;

    /// A document of the lease's area that grows by whole lines. Of what it has, the first `whole` bytes stay.
    fn lines(&self, lease: &Lease, name: &str, whole: u64) -> Result<Box<dyn Lines>, StoreError>;
}

/// A document and who wrote it.
pub(super) struct Signed {
    /// Its name, with its folder.
    pub(super) name: String,
    /// What it says and the user number of the account that wrote it, or why neither is believed.
    pub(super) found: Result<(Vec<u8>, u32), String>,
}

/// A document that grows.
pub(super) trait Lines: Send + Sync + fmt::Debug {
    /// Appends a line, whole or not at all. It is durable when this returns.
    fn append(&mut self, line: &[u8]) -> Result<(), StoreError>;
}
