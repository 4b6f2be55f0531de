//! Directories. In: one company's people, groups and memberships, over whatever the product speaks. Out: a [`Snapshot`].
//!
//! This room does not know the app, the state on disk, plans or rules. It answers three questions: *who is there*
//! ([`Source::read`]), *is this person still there* ([`Source::ask_users`]) and *does this group still exist*
//! ([`Source::ask_groups`]).
//!
//! # How to add a directory
//! One file with one type that implements [`Source`]. In `read`, open a list for everything the product pages
//! ([`Reading::open_list`]), hand over each entry, and close the list with the total the product announced, if it announces
//! one. Never swallow an error: returning `Err` throws the whole reading away, which is the point. A member list that could
//! not be read is reported with [`Reading::members_unread`], and its group keeps its members in the app.

pub mod file;
mod ids;
pub mod jumpcloud;
pub mod ldap;
pub mod onelogin;
mod reading;
mod snapshot;
#[allow(dead_code, reason = "the directories that stand on it follow")]
pub(crate) mod web;
pub mod write;

pub use reading::{GroupEntry, Incomplete, ListId, Reading, UserEntry};
pub use snapshot::{GroupIx, GroupRow, Snapshot, UserIx, id_hash};

use async_trait::async_trait;
use jiff::Timestamp;

pub use crate::model::Counts;
use crate::model::{ContentMark, Finding, SourceId};
use crate::progress::Progress;

/// What a directory says when asked about one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It exists (for a person: and is not disabled).
    Present,
    /// It exists and is disabled or suspended.
    Suspended,
    /// The directory says plainly that there is no such object.
    Gone,
    /// The directory could not say. Counts as the harmless case everywhere.
    Unknown,
}

/// One directory, as the cycle sees it.
#[async_trait]
pub trait Source: Send + Sync {
    /// The product and the place, for messages: `file ./people.json`, `ldap ldaps://dc1.example.com`.
    fn describe(&self) -> String;

    /// Reads everybody and every group in reach into `reading`.
    ///
    /// # Errors
    /// Anything that leaves the reading incomplete. Nothing may be skipped in silence.
    async fn read(&self, reading: &mut Reading, progress: &dyn Progress) -> Result<(), SourceError>;

    /// Asks for single people by id, in the order given.
    ///
    /// # Errors
    /// Only when the directory can't be reached at all; one id without an answer is [`Presence::Unknown`].
    async fn ask_users(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError>;

    /// Asks for single groups by id, in the order given.
    ///
    /// # Errors
    /// As [`Source::ask_users`].
    async fn ask_groups(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError>;

    /// Whether a reading now would say what the one with this mark said ([`Reading::mark`]), and the mark that it has by now. Only
    /// for directories that can tell for much less than a reading costs; anything else, and any doubt, is `None`.
    async fn still(&self, mark: &ContentMark) -> Option<ContentMark> {
        let _unknown = mark;
        None
    }

    /// What the directory's change feed tells since then: a reason to read earlier, never a truth to act on.
    ///
    /// # Errors
    /// When the feed can't be read; the next reading comes on its schedule all the same.
    async fn hint(&self, since: Timestamp) -> Result<Hint, SourceError> {
        let _not_offered = since;
        Ok(Hint::NotOffered)
    }

    /// Looks at the connection for `rosterd doctor`: credential, rights, application, address. Writes nothing. What fails is
    /// a finding, never an error.
    async fn examine(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// The way to make new people, where the directory can be written.
    fn new_people(&self) -> Option<&dyn write::NewPeople> {
        None
    }
}

/// What a change feed tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// There is no feed, or it is switched off.
    NotOffered,
    /// Nothing of interest happened until `seen`, up to where the feed was read.
    Quiet {
        /// Ask from here on next time.
        seen: Timestamp,
    },
    /// People, groups or bindings changed.
    Changed {
        /// Ask from here on next time.
        seen: Timestamp,
        /// How many events of interest.
        events: u64,
    },
}

/// Reads a directory and proves the reading complete.
///
/// # Errors
/// When the directory can't be read, or what was read does not prove complete.
pub async fn take_snapshot(
    source: &dyn Source,
    sentinels: &[String],
    progress: &dyn Progress,
) -> Result<Snapshot, SourceError> {
    let mut reading = Reading::new();
    source.read(&mut reading, progress).await?;
    Ok(reading.finish(sentinels)?)
}

/// Why a directory could not be read. Each carries what a person needs to mend it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The credential was refused.
    #[error("the directory refused the credential: {0}")]
    Refused(String),
    /// No token was granted for the credential.
    #[error("the directory refused the credential: {0}")]
    NotGranted(String),
    /// The credential is good but may not read what is needed.
    #[error("the directory does not let this credential read: {0}")]
    Forbidden(String),
    /// No answer, or the connection broke.
    #[error("the directory did not answer: {0}")]
    Unreachable(String),
    /// Asked to slow down more often than the retry limit allows.
    #[error("the directory keeps asking to slow down: {0}")]
    Throttled(String),
    /// What came back is not what the product's protocol says.
    #[error("the directory's answer can't be read: {0}")]
    Malformed(String),
    /// The settings do not fit the directory (a base that does not exist, a missing folder).
    #[error("the source's settings do not fit: {0}")]
    Settings(String),
    /// It ended properly but does not prove complete.
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
}

impl SourceError {
    /// Whether the credential is refused: trying again with the same one does not help.
    pub fn is_credential(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::NotGranted(_))
    }
}
