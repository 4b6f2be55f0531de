//! Directories. In: one company's people, groups and memberships, over whatever the product speaks. Out: a [`Snapshot`].
//!
//! This room does not know the app, the state on disk, plans or rules. It answers three questions: *who is there*
//! ([`Source::read`]), *is this person still there* ([`Source::ask_users`]) and *does this group still exist*
//! ([`Source::ask_groups`]).
//!
//! # How to add a directory
//! A line in `directories`, a folder with a `KIND` that implements [`kind::DirectoryKind`], and the table in `config::directory`. Behind HTTP, declare a
//! `web::HttpDirectory` (docs/adding-a-directory.md). Otherwise implement [`Source`]: in `read`, open a list for everything the product pages
//! ([`Reading::open_list`]), hand over each entry, and close the list with the total the product announced, if it announces
//! one. Never swallow an error: returning `Err` throws the whole reading away, which is the point. A member list that could
//! not be read is reported with [`Reading::members_unread`], and its group keeps its members in the app.

pub mod choices;
mod entry;
mod ids;
pub mod kind;
mod members;
mod reading;
mod snapshot;
mod unique;
pub(crate) mod web;
pub mod write;

macro_rules! folders {
    ($($(#[$when:meta])* $name:ident $doc:tt,)*) => { $($(#[$when])* #[doc = $doc] pub mod $name;)* };
}

directories!(folders);

pub use entry::{GroupEntry, UserEntry};
pub use reading::{Incomplete, ListId, Reading};
pub use snapshot::{DanglingMember, GroupIx, Snapshot, SnapshotGroup, UserIx, id_hash};

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

pub use crate::model::SnapshotCounts;
use crate::model::{ContentMark, Finding, SourceId};
use crate::progress::Progress;
use crate::time_limit::TimeLimit;

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

    /// Whether [`Presence::Gone`], as the answer about one id, proves that the user is gone whatever a group still says: the directory is asked
    /// apart from its lists, and what it hides from this credential it would call forbidden. A file, or a server whose access rules hide
    /// entries, only repeats its list.
    fn proves_absence(&self) -> bool {
        false
    }

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
    async fn hint(&self, since: Timestamp) -> Result<FeedHint, SourceError> {
        let _not_offered = since;
        Ok(FeedHint::NotOffered)
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
pub enum FeedHint {
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

/// Reads a directory and proves the reading complete, within the limit of a first reading.
///
/// # Errors
/// As [`take_snapshot_within`].
pub async fn take_snapshot(
    source: &dyn Source,
    sentinels: &[String],
    progress: &dyn Progress,
) -> Result<Snapshot, SourceError> {
    take_snapshot_within(TimeLimit::new(None, None), source, sentinels, progress).await
}

/// Reads a directory and proves the reading complete.
///
/// # Errors
/// When the directory can't be read or not within the limit, or what was read does not prove complete.
pub async fn take_snapshot_within(
    limit: TimeLimit,
    source: &dyn Source,
    sentinels: &[String],
    progress: &dyn Progress,
) -> Result<Snapshot, SourceError> {
    let mut reading = Reading::new();
    let counted = ReadProgress::beside(progress);
    match tokio::time::timeout(limit.after(), source.read(&mut reading, &counted)).await {
        Ok(read) => read?,
        Err(_) => return Err(counted.given_up(limit)),
    }
    Ok(reading.finish(sentinels)?)
}

/// Counts what a reading brings, for the sentence about one that does not end.
struct ReadProgress<'p> {
    progress: &'p dyn Progress,
    rows: AtomicU64,
    stage: Mutex<String>,
}

impl<'p> ReadProgress<'p> {
    fn beside(progress: &'p dyn Progress) -> Self {
        Self { progress, rows: AtomicU64::new(0), stage: Mutex::new("connecting".to_owned()) }
    }

    fn given_up(&self, limit: TimeLimit) -> SourceError {
        let rows = self.rows.load(Ordering::Relaxed);
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner).clone();
        SourceError::TimeLimit { limit, rows, stage }
    }
}

impl Progress for ReadProgress<'_> {
    fn stage(&self, what: &str, total: Option<u64>) {
        what.clone_into(&mut self.stage.lock().unwrap_or_else(PoisonError::into_inner));
        self.progress.stage(what, total);
    }

    fn advance(&self, n: u64) {
        self.rows.fetch_add(n, Ordering::Relaxed);
        self.progress.advance(n);
    }
}

/// Why a directory could not be read. Each carries what a person needs to mend it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The credential was refused.
    #[error("the directory refused the credential: {0}")]
    Refused(String),
    /// The credential belongs to several organisations, and the settings say nothing of which one is meant.
    #[error("the directory refused the credential: {0}")]
    NoOrganisation(String),
    /// No token was granted for the credential.
    #[error("the directory refused the credential: {0}")]
    NotGranted(String),
    /// The credential is good but may not read what is needed.
    #[error("the directory does not let this credential read: {0}")]
    Forbidden(String),
    /// No answer, or the connection broke.
    #[error("the directory did not answer: {0}")]
    Unreachable(String),
    /// Its certificate is not accepted, or it speaks no TLS that is. Another attempt would end alike.
    #[error("no TLS connection to the directory: {0}")]
    Untrusted(String),
    /// It answered that it can't do this now.
    #[error("the directory answered with an error: {0}")]
    Unavailable(String),
    /// Asked to slow down more often than the retry limit allows.
    #[error("the directory keeps asking to slow down: {0}")]
    Throttled(String),
    /// What came back is not what the product's protocol says.
    #[error("the directory's answer can't be read: {0}")]
    Malformed(String),
    /// The settings do not fit the directory (a base that does not exist, a missing folder).
    #[error("the source's settings do not fit: {0}")]
    Settings(String),
    /// It did not end within the time that a reading may take.
    #[error(
        "reading the directory took longer than its time limit of {limit}: {rows} entries had come and there was no end \
         (last stage: {stage}); nothing was planned from it, and no user is taken for absent; {}",
        .limit.advice()
    )]
    TimeLimit {
        /// The limit.
        limit: TimeLimit,
        /// How many entries had come.
        rows: u64,
        /// What was being read.
        stage: String,
    },
    /// It ended properly but does not prove complete.
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
}

impl SourceError {
    /// A connection of a kind that the tenant file has no table of.
    pub(crate) fn no_table(name: &str) -> Self {
        Self::Settings(format!("the tenant file has no `[source.{name}]`"))
    }

    /// The same with other words, such as without a credential that the directory quoted.
    pub(crate) fn reworded(self, reword: impl Fn(String) -> String) -> Self {
        match self {
            Self::Refused(text) => Self::Refused(reword(text)),
            Self::NoOrganisation(text) => Self::NoOrganisation(reword(text)),
            Self::NotGranted(text) => Self::NotGranted(reword(text)),
            Self::Forbidden(text) => Self::Forbidden(reword(text)),
            Self::Unreachable(text) => Self::Unreachable(reword(text)),
            Self::Untrusted(text) => Self::Untrusted(reword(text)),
            Self::Unavailable(text) => Self::Unavailable(reword(text)),
            Self::Throttled(text) => Self::Throttled(reword(text)),
            Self::Malformed(text) => Self::Malformed(reword(text)),
            Self::Settings(text) => Self::Settings(reword(text)),
            Self::Incomplete(Incomplete::Cut { what, received, why }) => {
                Self::Incomplete(Incomplete::Cut { what, received, why: reword(why) })
            }
            Self::Incomplete(other) => Self::Incomplete(other),
            over @ Self::TimeLimit { .. } => over,
        }
    }

    /// Whether the credential is refused: trying again with the same one does not help.
    pub fn is_credential(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::NoOrganisation(_) | Self::NotGranted(_))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::progress::Silent;

    /// A directory with a page a second, and no last one.
    struct Endless;

    #[async_trait]
    impl Source for Endless {
        fn describe(&self) -> String {
            "endless".to_owned()
        }

        async fn read(&self, reading: &mut Reading, progress: &dyn Progress) -> Result<(), SourceError> {
            progress.stage("reading users", None);
            for page in 0.. {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let id = format!("u{page}");
                reading.user(UserEntry {
                    id: &id,
                    record: "{}",
                    standing: crate::model::LifecycleStatus::Active,
                    direct: false,
                });
                progress.advance(1);
            }
            Ok(())
        }

        async fn ask_users(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
            Ok(vec![Presence::Unknown; ids.len()])
        }

        async fn ask_groups(&self, ids: &[SourceId]) -> Result<Vec<Presence>, SourceError> {
            Ok(vec![Presence::Unknown; ids.len()])
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ma7_a_directory_without_end_is_given_up_at_the_time_limit() {
        for (limit, after) in [
            (TimeLimit::new(None, None), 12 * 3600),
            (TimeLimit::new(None, Some(Duration::from_secs(60))), 1800),
            (TimeLimit::new(Some(Duration::from_secs(90)), None), 90),
        ] {
            let begun = tokio::time::Instant::now();
            let error = take_snapshot_within(limit, &Endless, &[], &Silent).await.unwrap_err();
            assert_eq!(begun.elapsed().as_secs(), after);
            let said = error.to_string();
            let SourceError::TimeLimit { rows, .. } = error else { panic!("{said}") };
            assert!(rows == after || rows + 1 == after, "a page a second: {rows}");
            for part in ["entries had come", "reading users", "nothing was planned", "read.time_limit = \""] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
    }
}
