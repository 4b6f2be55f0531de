//! What an operator has said of a whole tenant: `paused`, `retired`. In: who, when and why. Out: a file beside the state that
//! any process sees, also one in the middle of a run.
//!
//! The file is written whole or not at all. One that is there and can't be read still counts: when in doubt nothing is sent.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::disk;
use super::error::StoreError;
use crate::files;
use crate::identity::Identity;

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Nothing is sent until it is taken away.
    Paused,
    /// The connection has ended.
    Retired,
}

impl Sign {
    fn file(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Retired => "retired",
        }
    }
}

/// Who said it, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When; `None` for a file that was not written by rosterd.
    pub at: Option<Timestamp>,
    /// Who: the account's name.
    pub by: String,
    /// What is known of who that is; `None` for a file of the first version, or one that was not written by rosterd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Why, in their words; may be empty.
    pub reason: String,
}

impl Mark {
    /// A mark by an account.
    pub fn by(identity: Identity, at: Timestamp, reason: String) -> Self {
        Self { at: Some(at), by: identity.name(), identity: Some(identity), reason }
    }

    /// Who, with all that is known of that.
    pub fn who(&self) -> String {
        self.identity.as_ref().map_or_else(|| self.by.clone(), ToString::to_string)
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(at) = self.at {
            write!(f, "since {} ", at.strftime("%Y-%m-%d %H:%M:%SZ"))?;
        }
        write!(f, "by {}", self.who())?;
        match self.reason.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", self.reason),
        }
    }
}

/// The file of a mark in a tenant's state folder.
pub fn mark_path(folder: &Path, sign: Sign) -> PathBuf {
    folder.join(sign.file())
}

/// The mark, if there is one. Costs one look at the folder where there is none, so it may be asked before every call.
pub fn read_mark(folder: &Path, sign: Sign) -> Option<Mark> {
    let unreadable = |why: String| Mark { at: None, by: "somebody".to_owned(), identity: None, reason: why };
    match files::read(&mark_path(folder, sign), files::SMALL) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(unreadable(format!("the file {:?} can't be read: {error}", sign.file()))),
        Ok(text) => Some(
            serde_json::from_slice(&text)
                .unwrap_or_else(|_| unreadable(format!("the file {:?} was made by hand", sign.file()))),
        ),
    }
}

/// Leaves a mark, in place of an older one. The tenant need not have any state yet.
///
/// # Errors
/// When it could not be written; then it is as it was before.
pub fn set_mark(folder: &Path, sign: Sign, mark: &Mark) -> Result<(), StoreError> {
    let path = mark_path(folder, sign);
    let failed = |source| StoreError::io("write", &path, source);
    disk::private_folder(folder).map_err(|source| StoreError::io("make", folder, source))?;
    let text = serde_json::to_vec(mark).map_err(|error| failed(error.into()))?;
    disk::replace(&path, &mut |out| out.write_all(&text)).map_err(failed)?;
    Ok(())
}

/// Takes a mark away and says what it was.
///
/// # Errors
/// When it could not be taken away.
pub fn clear_mark(folder: &Path, sign: Sign) -> Result<Option<Mark>, StoreError> {
    let path = mark_path(folder, sign);
    let mark = read_mark(folder, sign);
    if mark.is_some() {
        disk::remove(&path).map_err(|source| StoreError::io("remove", &path, source))?;
        disk::sync_folder(folder).map_err(|source| StoreError::io("sync", folder, source))?;
    }
    Ok(mark)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_taken_away_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("acme");
        assert_eq!(read_mark(&folder, Sign::Paused), None);
        assert_eq!(clear_mark(&folder, Sign::Paused).unwrap(), None);
        let mark =
            Mark { at: Some(Timestamp::UNIX_EPOCH), by: "ann".into(), identity: None, reason: "maintenance".into() };
        set_mark(&folder, Sign::Paused, &mark).unwrap();
        assert_eq!(read_mark(&folder, Sign::Paused), Some(mark.clone()));
        assert_eq!(read_mark(&folder, Sign::Retired), None);
        assert_eq!(mark.to_string(), "since 1970-01-01 00:00:00Z by ann (maintenance)");
        assert_eq!(clear_mark(&folder, Sign::Paused).unwrap(), Some(mark));
        assert_eq!(read_mark(&folder, Sign::Paused), None);
    }

    #[test]
    fn i2_a_mark_that_cannot_be_read_still_counts() {
        let dir = tempfile::tempdir().unwrap();
        for text in [&b""[..], b"{", b"\xff"] {
            std::fs::write(mark_path(dir.path(), Sign::Paused), text).unwrap();
            assert!(read_mark(dir.path(), Sign::Paused).unwrap().reason.contains("made by hand"));
        }
        std::fs::remove_file(mark_path(dir.path(), Sign::Paused)).unwrap();
        std::fs::create_dir(mark_path(dir.path(), Sign::Paused)).unwrap();
        assert!(read_mark(dir.path(), Sign::Paused).unwrap().reason.contains("can't be read"));
    }
}
