//! The words of the design as types: ids, standings, SCIM paths and values, operations.
//!
//! Plain values without input or output. It imports [`schema`](crate::schema) alone, and everything above may import it.

mod access;
mod address;
mod attributes;
mod bits;
pub mod bounds;
mod clock_doubt;
mod coded;
mod conflict;
pub mod digest;
mod duplicate;
mod finding;
mod hold;
mod hold_code;
mod ids;
pub mod likeness;
mod obstacle;
mod operation;
mod outcome;
mod path;
mod pattern;
mod reason;
mod status_sign;
pub mod text;
pub mod unread;

pub use access::Access;
pub use address::AddressMark;
pub use attributes::{Attributes, casefold, fold, fold_seen};
pub use bits::Bits;
pub use clock_doubt::ClockDoubt;
pub use conflict::{Another, Conflict, Some10, Unlinked, WayOut};
pub use duplicate::{Duplicate, Duplicates};
pub use finding::{CheckVerdict, Finding};
pub use hold::{HoldReason, Loosening, NamedUsers, RekeyOutcome, SourcePart, Unbound};
pub use hold_code::{HoldCode, HoldScope};
pub use ids::{AppId, ContentMark, GroupKey, ObjectRef, RunId, SourceId, TenantName, UserNumber};
pub use likeness::{KnownNames, Likeness};
pub use obstacle::{Elsewhere, GroupRefusal, Immutable, NameEnd, ObjectOwner, Obstacle, StillShown};
pub use operation::{ApprovalKind, Change, Lane, Op};
pub use outcome::{OpOutcome, RunStatus, TenantState};
pub use path::{ENTERPRISE, Path, PathError, PathParts};
pub use pattern::GroupMatch;
pub use reason::{MembershipCause, Reason, Remark};
pub use status_sign::StatusSign;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the directory says of a person's account.
///
/// Directories have many words for it; every source maps them onto these three (`facts` of each source's module doc).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleStatus {
    /// May be given an account.
    Active,
    /// The directory names the account as disabled, suspended or locked for good: access ends at once.
    Suspended,
    /// Known but not yet to be provisioned (JumpCloud STAGED, Okta STAGED): no account is made, none is taken away.
    Staged,
}

/// How the link between a directory id and an app id came about. Decides what may be done to the account later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// rosterd created the object.
    Created,
    /// The object was there already and was matched.
    Adopted,
}

/// How much a snapshot holds. The journal keeps the last accepted one's, to notice a directory that shrank.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotCounts {
    /// People.
    pub users: u64,
    /// Groups.
    pub groups: u64,
    /// Direct memberships of people in groups.
    pub memberships: u64,
}
