//! What states lie in, as traits: leases, logs, rows and documents of tenants. What comes in is a lease and what is to be kept;
//! what goes out is what was kept. `on_disk` carries them in a folder, and a database can.
//!
//! Nothing here may depend on where a state lies, or on what a record says: an [`Area`] and a name say what is meant, a log is
//! lines, and rows are keys and values. What a state *is* stands above this file and is the same for every backend: the numbers
//! and the chain of records (`journal`), what they add up to (`tail`, `fold`), one thread that lets several calls share one sync
//! (`writer`), and how damage is met (`open`, `cache`).
//!
//! There are two ways to write a document. The holder of an area's lease shows it ([`Documents::put`]); everybody else says what
//! the document has to be for the change to count ([`Documents::swap`]). Logs and rows are written by the holder only.
//!
//! # How to add a backend
//!
//! 1. Make a module in `store` beside `on_disk` with a type for the connection, and implement [`Backend`] for it.
//!    [`Backend::lease`] counts the epoch up, and everything that takes a [`Lease`] refuses an epoch that is not the area's: in a
//!    database, in the transaction that writes.
//! 2. Implement [`Documents`]. A database compares and sets in one statement.
//! 3. Implement [`Log`] and [`LogEnd`] for the log of one tenant. A line is opaque, with its record's number beside it. What
//!    [`LogEnd::sync`] has acknowledged survives a crash; where a batch is written whole or not at all, [`Log::cut`] is never
//!    asked for.
//! 4. Implement [`RowSpace`] and [`Rows`](super::rows::Rows), or give [`MemoryRowSpace`](super::rows::MemoryRowSpace): rows are
//!    folded from the log, so that losing them costs time only, and rows of another log are noticed by its hash.
//! 5. Implement [`Archive`]: a whole state is set aside, or replaced by another one in one step.
//! 6. Make it from the configuration in `handle` ([`Stores`](super::Stores)); nothing above that knows which backend it is.
//! 7. Give it to the checks in `suite`: `check_backend` for these traits, `check_lives` and `check_all` for states that lie in it.

use std::any::Any;
use std::fmt;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::StoreError;
use super::rows::RowSpace;
use super::surroundings::Surroundings;
use crate::model::TenantName;

/// The index of the last cycle.
pub(super) const INDEX: &str = "index";
/// What the last reading showed of users.
pub(super) const SIGHTINGS: &str = "sightings";
/// How the tenant was doing at the end of its last run.
pub(super) const STATUS: &str = "status.json";
/// Why the log was found broken while it was read: the next opening sets the state aside.
pub(super) const BROKEN_MARK: &str = "journal-broken";
/// The plan that waits for a decision.
pub(super) const HELD: &str = "held.json";
/// The folder of what people decided.
pub(super) const DECISIONS: &str = "decisions";

/// Documents that were made of a log, or say how it was. They are set aside with it, the mark last: a crash before that leaves
/// what the next opening sets aside as well.
pub(super) const OF_THE_LOG: [&str; 4] = [INDEX, SIGHTINGS, STATUS, BROKEN_MARK];

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

/// Where states lie. It is shown to people as its place.
pub(super) trait Backend: Send + Sync + fmt::Display {
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

    /// The log of a tenant, which need not have any yet.
    fn log(&self, tenant: &TenantName) -> Arc<dyn Log>;

    /// Where the rows of the lease's tenant lie.
    fn rows(&self, lease: &Lease) -> Box<dyn RowSpace>;

    /// Tenants' states as wholes.
    fn archive(&self) -> &dyn Archive;

    /// Waits until no other process links accounts of an app that several tenants share; so it is until the result is dropped.
    fn link_alone(&self) -> Result<Box<dyn Any + Send + Sync>, StoreError>;

    /// What a tenant's state, or with `None` that of all tenants, stands on.
    fn surroundings(&self, tenant: Option<&TenantName>) -> Surroundings;

    /// Where a document of this name lies, or with an empty name its area: a text for people, by which nothing is opened.
    fn place(&self, area: &Area, name: &str) -> String;

    /// Where the daemon of these states listens on this machine.
    fn socket(&self) -> PathBuf;

    /// The user number of the account of this machine that the states belong to; `None` if there are none yet.
    fn owner(&self) -> Option<u32>;
}

/// Proof that an area is this process's, until it is dropped. Whatever writes there asks for it.
pub(super) struct Lease {
    pub(super) area: Area,
    /// No lease of the area that is held at the same time has this number. A database counts it up and refuses what comes with a
    /// lower one; on a disk it is the number of the lock file, which has to keep its name.
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

    /// The same documents with who wrote them, each of at most `most` bytes. One that somebody else than the state's owner could
    /// have written comes with the reason why it is not believed.
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

/// A part of a log, whose first line says what those before it add up to: the last segment is enough to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogSegment {
    /// The number of its first record.
    pub(super) first: u64,
    /// Where it lies: what people are shown, and the backend's own way back to it.
    pub(super) place: PathBuf,
}

/// The log of one tenant: lines, one record each, which end in a line feed.
pub(super) trait Log: Send + Sync {
    /// The segments, in order; none if there is no log.
    fn segments(&self) -> Result<Vec<LogSegment>, StoreError>;

    /// The lines of a segment from its first one on, as far as they are written. Needs no lease.
    fn open(&self, segment: &LogSegment) -> Result<Box<dyn BufRead + Send>, StoreError>;

    /// The last `most` bytes of a segment, or all of it if it is shorter. Needs no lease.
    fn end(&self, segment: &LogSegment, most: u64) -> Result<Vec<u8>, StoreError>;

    /// Begins the log, and its first segment, with the line of record 1. That is durable when this returns.
    fn begin(&self, lease: &Lease, line: &[u8]) -> Result<Box<dyn LogEnd>, StoreError>;

    /// Goes on at the end of the last segment.
    fn resume(&self, lease: &Lease, last: &LogSegment) -> Result<Box<dyn LogEnd>, StoreError>;

    /// Takes away what comes after the first `whole` bytes of the last segment, which a crash left of writes that nobody was told
    /// of. Says where that is kept, and how many bytes it is. `after` is the number of the last whole record.
    fn cut(&self, lease: &Lease, last: &LogSegment, whole: u64, after: u64) -> Result<(PathBuf, u64), StoreError>;
}

/// Where the holder of a lease appends to a log. After an error it must not be used again.
pub(super) trait LogEnd: Send {
    /// Appends a batch of whole lines, in order. The first of them is record number `first`. They are durable after
    /// [`LogEnd::sync`].
    fn append(&mut self, first: u64, lines: &[u8]) -> Result<(), StoreError>;

    /// Returns when everything appended is durable.
    fn sync(&mut self) -> Result<(), StoreError>;

    /// Whether the segment is long enough for the next one to begin.
    fn is_full(&self) -> bool;

    /// Begins the next segment with the line of record number `first`. Everything before it and the line itself are durable when
    /// this returns: a log has no holes.
    fn next_segment(&mut self, first: u64, line: &[u8]) -> Result<(), StoreError>;
}

/// States of tenants as wholes: a log, its rows, and the documents that say how the log was.
pub(super) trait Archive: Send + Sync {
    /// Whether there is anything that was made of a log, such as rows. Where there is no log, that log was lost.
    fn has_leftovers(&self, tenant: &TenantName) -> bool;

    /// Sets the state aside under this name, or one like it, and says where. A crash on the way leaves leftovers.
    fn set_aside(&self, lease: &Lease, name: &str) -> Result<PathBuf, StoreError>;

    /// An empty log beside the one in use. A draft that is there is set aside: it may be somebody's old state.
    fn draft(&self, lease: &Lease) -> Result<Arc<dyn Log>, StoreError>;

    /// Takes the draft away. One that stays is in nobody's way.
    fn discard(&self, lease: &Lease);

    /// Puts the draft in the place of the log in one step: a crash leaves the old log or the new one. What was there is set aside
    /// under this name, or one like it.
    fn replace(&self, lease: &Lease, name: &str) -> Result<PathBuf, StoreError>;

    /// Takes away for ever what was set aside there.
    fn erase(&self, lease: &Lease, aside: &Path) -> Result<(), StoreError>;

    /// Whatever of a tenant's states was set aside and is still kept, in order.
    fn set_aside_earlier(&self, tenant: &TenantName) -> Result<Vec<PathBuf>, StoreError>;
}
