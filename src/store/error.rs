//! What can go wrong with the state, and what is worth telling although it was mended.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why the state could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process writes for this tenant (exit code 75).
    #[error("busy: {holder} is working on {}; nothing was started. Wait for it, or stop it first", folder.display())]
    Busy {
        /// The tenant's state folder.
        folder: PathBuf,
        /// Who holds the lock: process id and command.
        holder: String,
    },
    /// The lock file no longer has its name, so another process may hold the lock too (exit code 75).
    #[error(
        "the lock file {} was deleted or exchanged while it was held: another process may be writing there. Nothing more was written. \
         Find out what removes files from the state folder, then start again",
        file.display()
    )]
    LockLost {
        /// The lock file.
        file: PathBuf,
    },
    /// Locks of another machine may not be seen there (exit code 78).
    #[error(
        "{} is on a network file system ({name}), where two machines may write at a time; nothing was done. Put state_dir on a local disk",
        folder.display()
    )]
    Network {
        /// The state folder.
        folder: PathBuf,
        /// The file system.
        name: &'static str,
    },
    /// The state was written by a newer rosterd; it is left as it is (exit code 78).
    #[error(
        "{} has state format {found}, this rosterd knows up to {known}; nothing was read or changed. Use the newer rosterd",
        folder.display()
    )]
    Newer {
        /// The tenant's state folder.
        folder: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// A state file was written by a newer rosterd (exit code 78).
    #[error(
        "the state file has layout {layout} and state format {found}, this rosterd knows format {known}; nothing was changed. Use the newer rosterd"
    )]
    NewerFile {
        /// The file's layout.
        layout: u64,
        /// The format found.
        found: u64,
        /// The newest format this program knows.
        known: u32,
    },
    /// The journal is damaged. A writer moves it aside when it opens; a reader can only say so.
    #[error("the journal is damaged: {0}. The next run that writes keeps a copy and rebuilds the state by lookup")]
    Damaged(String),
    /// An earlier write failed; what came after it in the journal would be a lie.
    #[error("the journal stopped: {0}. No call is made without its record; free the disk and start again")]
    Stopped(String),
    /// The cache can't be read, and not because of damage (damage is mended from the journal).
    #[error("the cache of the state can't be used: {0}")]
    Cache(String),
    /// The disk said no.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The caller asked for something that can't be journaled.
    #[error("not journaled: {0}")]
    Refused(String),
    /// There is state already, and nobody allowed that it be replaced.
    #[error("{} has state of its own; --replace replaces it and keeps a copy", .0.display())]
    Occupied(PathBuf),
}

impl StoreError {
    /// An error of the disk while doing `what` to `path`.
    pub(super) fn io(what: &str, path: &Path, source: io::Error) -> Self {
        Self::Io { what: format!("{what} {}", path.display()), source }
    }
}

/// A file in `decisions/` that decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedDecision {
    /// The file, for people.
    pub file: String,
    /// Why it was not believed.
    pub why: String,
}

impl fmt::Display for RefusedDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} decides nothing: {}", self.file, self.why)
    }
}

/// Something that was found and mended, to be told to the operator once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// There was no state: this is a new tenant, or its state folder was lost.
    New,
    /// The journal ended in an unfinished record, as a crash leaves it. It was never acknowledged.
    TornTail {
        /// The last good record.
        after: u64,
        /// How many bytes were cut off.
        bytes: u64,
        /// Where they are kept.
        kept: PathBuf,
    },
    /// The journal was damaged; all state was moved aside.
    MovedAside {
        /// What was wrong.
        why: String,
        /// Where it is now.
        to: PathBuf,
    },
    /// The state is older than a run that ended here: restored from a copy, or its end was lost.
    Behind {
        /// What shows it.
        why: String,
    },
    /// The cache was missing or damaged and was folded anew from the journal.
    CacheRebuilt {
        /// What was wrong.
        why: String,
        /// How many records were folded.
        records: u64,
    },
    /// The cache could not be written; the journal has everything.
    CacheBehind {
        /// Why.
        why: String,
    },
    /// A file that looks like a decision on a held plan is not believed.
    DecisionRefused(RefusedDecision),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("there is no state yet: everything is looked up before it is created"),
            Self::TornTail { after, bytes, kept } => write!(
                f,
                "the journal ended in an unfinished record after {after}, as a crash leaves it; its {bytes} bytes are kept in {}",
                kept.display()
            ),
            Self::MovedAside { why, to } => write!(
                f,
                "the state was damaged ({why}) and is kept in {}; nothing is removed until every user has been looked up in the app",
                to.display()
            ),
            Self::Behind { why } => {
                write!(
                    f,
                    "the state is older than the last run ({why}); nothing is removed until every user has been looked up in the \
                     app"
                )
            }
            Self::CacheBehind { why } => {
                write!(
                    f,
                    "the cache could not be written ({why}); the journal has everything, the cache is updated later"
                )
            }
            Self::DecisionRefused(refused) => {
                write!(f, "{refused}. Find out who wrote it, and remove it")
            }
            Self::CacheRebuilt { why, records } => {
                write!(f, "the cache was rebuilt from {records} journal records ({why}); nothing was lost")
            }
        }
    }
}
