//! What an operator has said of a whole tenant: `paused`, `retired`. In: who, when and why. Out: a file beside the state that
//! any process sees, also one in the middle of a run.
//!
//! The file is written whole or not at all. One that is there and can't be read still counts: when in doubt nothing is sent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::backend::Before;
use super::error::StoreError;
use super::handle::TenantStore;
use super::notes::Notes;
use crate::clock;
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
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Retired => "retired",
        }
    }
}

/// Who said it, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantMark {
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

impl TenantMark {
    /// A mark by an account.
    pub fn by(identity: Identity, at: Timestamp, reason: String) -> Self {
        Self { at: Some(at), by: identity.name(), identity: Some(identity), reason }
    }

    /// Who, with all that is known of that.
    pub fn who(&self) -> String {
        self.identity.as_ref().map_or_else(|| self.by.clone(), ToString::to_string)
    }
}

impl std::fmt::Display for TenantMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(at) = self.at {
            write!(f, "since {} ", clock::shown(at))?;
        }
        write!(f, "by {}", self.who())?;
        match self.reason.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", self.reason),
        }
    }
}

impl TenantStore {
    /// The mark, if there is one. Costs one look where there is none, so it may be asked before every call.
    pub fn mark(&self, sign: Sign) -> Option<TenantMark> {
        self.notes.mark(sign)
    }

    /// Leaves a mark, in place of an older one. The tenant need not have any state yet.
    ///
    /// # Errors
    /// When it could not be written; then it is as it was before.
    pub fn set_mark(&self, sign: Sign, mark: &TenantMark) -> Result<(), StoreError> {
        let text = serde_json::to_vec(mark).map_err(|error| self.notes.unwritable(sign.file(), error))?;
        self.notes.swap(sign.file(), Before::Anything, Some(&text)).map(drop)
    }

    /// Takes a mark away and says what it was.
    ///
    /// # Errors
    /// When it could not be taken away.
    pub fn clear_mark(&self, sign: Sign) -> Result<Option<TenantMark>, StoreError> {
        let mark = self.mark(sign);
        if mark.is_some() {
            self.notes.swap(sign.file(), Before::Anything, None)?;
        }
        Ok(mark)
    }

    /// Where a mark lies, for people who take it away by hand.
    pub fn mark_place(&self, sign: Sign) -> String {
        self.notes.place(sign.file())
    }
}

impl Notes {
    pub(super) fn mark(&self, sign: Sign) -> Option<TenantMark> {
        let unreadable =
            |why: String| TenantMark { at: None, by: "an unknown account".to_owned(), identity: None, reason: why };
        match self.documents().read(&self.area, sign.file(), files::SMALL) {
            Ok(None) => None,
            Err(StoreError::Io { source, .. }) => {
                Some(unreadable(format!("the file {:?} can't be read: {source}", sign.file())))
            }
            Err(error) => Some(unreadable(format!("the file {:?} can't be read: {error}", sign.file()))),
            Ok(Some(text)) => Some(
                serde_json::from_slice(&text)
                    .unwrap_or_else(|_| unreadable(format!("the file {:?} was made by hand", sign.file()))),
            ),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::TenantName;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_taken_away_once() {
        let dir = tempfile::tempdir().unwrap();
        let state = crate::store::Stores::on_disk(dir.path()).tenant(&TenantName::parse("acme").unwrap());
        assert_eq!(state.mark(Sign::Paused), None);
        assert_eq!(state.clear_mark(Sign::Paused).unwrap(), None);
        let mark = TenantMark {
            at: Some(Timestamp::UNIX_EPOCH),
            by: "ann".into(),
            identity: None,
            reason: "maintenance".into(),
        };
        state.set_mark(Sign::Paused, &mark).unwrap();
        assert_eq!(state.mark(Sign::Paused), Some(mark.clone()));
        assert_eq!(state.mark(Sign::Retired), None);
        assert_eq!(mark.to_string(), "since 1970-01-01 00:00 UTC by ann (maintenance)");
        assert_eq!(state.clear_mark(Sign::Paused).unwrap(), Some(mark));
        assert_eq!(state.mark(Sign::Paused), None);
    }

    #[test]
    fn i2_a_mark_that_cannot_be_read_still_counts() {
        let dir = tempfile::tempdir().unwrap();
        let state = crate::store::Stores::on_disk(dir.path()).tenant(&TenantName::parse("acme").unwrap());
        let path = dir.path().join("acme/paused");
        std::fs::create_dir(dir.path().join("acme")).unwrap();
        for text in [&b""[..], b"{", b"\xff"] {
            std::fs::write(&path, text).unwrap();
            assert!(state.mark(Sign::Paused).unwrap().reason.contains("made by hand"));
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(state.mark(Sign::Paused).unwrap().reason.contains("can't be read"));
    }
}
