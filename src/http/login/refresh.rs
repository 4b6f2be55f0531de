//! A refresh token in a file (RFC 6749 §6), which the token server may replace at each use. What comes in is a path; what goes out is the token for one
//! exchange. A new one is on the disk, under the name of the old one, before it is used.
//!
//! The folder is locked for the whole exchange, so that no other process of this machine uses the token meanwhile: token servers revoke a refresh
//! token that is used twice. Only the user of this process may write in that folder.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::bounded;
use crate::config::secret::{SecretError, Secrets};
use crate::config::secret_ref::SecretRef;
use crate::fail;
use crate::files::replace::PendingFile;
use crate::files::trust::{Distrust, FileTrust};
use crate::http::{InvalidSecret, Secret};

/// The longest that the file and its folder may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The longest that another process may hold the folder: an exchange of its own.
const LOCKED_FOR: Duration = Duration::from_secs(15);

/// Why a refresh token can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// It is not there, or is not fit to hold a secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// What is there is none.
    #[error("the refresh token: {0}")]
    Token(#[from] InvalidSecret),
    /// Its folder is not the service's alone.
    #[error(
        "the folder {folder} of the refresh token is refused: {why} ({remedy}); a refresh token may be replaced at each use"
    )]
    Folder {
        /// The folder.
        folder: String,
        /// What speaks against it.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// Another process uses it.
    #[error("another process has used the refresh token {0} for 15 seconds; nothing was sent")]
    Busy(String),
    /// The disk's.
    #[error("the refresh token {path} can't be replaced: {error}")]
    Disk {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The files do not answer.
    #[error(transparent)]
    Overdue(#[from] bounded::Overdue),
}

/// The file of a refresh token.
#[derive(Debug, Clone)]
pub struct RefreshFile(PathBuf);

/// A token in use, with the lock on its folder.
pub(super) struct Exchange {
    path: PathBuf,
    /// The token as it is.
    pub(super) token: Secret,
    /// The file that takes its place. Made before anything is sent, so that a folder that can't be written to is found by then.
    next: PendingFile,
    _lock: File,
}

impl RefreshFile {
    /// At this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it can be used. Nothing is changed.
    ///
    /// # Errors
    /// What speaks against it.
    pub fn check(&self) -> Result<(), RefreshError> {
        folder(&self.0)?;
        self.read().map(drop)
    }

    fn read(&self) -> Result<Secret, RefreshError> {
        let place = SecretRef { file: Some(self.0.clone()), ..SecretRef::default() };
        Ok(Secret::new(Secrets::of_this_process().fetch(&place)?.as_str())?)
    }

    /// Takes it for one exchange.
    pub(super) async fn begin(&self) -> Result<Exchange, RefreshError> {
        let (file, subject) = (self.clone(), format!("the refresh token {}", self.0.display()));
        bounded::run(&subject, LIMIT, move || file.begin_now()).await?
    }

    fn begin_now(&self) -> Result<Exchange, RefreshError> {
        let disk = |error| RefreshError::Disk { path: self.0.display().to_string(), error };
        let folder = folder(&self.0)?;
        let lock = File::open(&folder).map_err(disk)?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(disk(error)),
                Err(TryLockError::WouldBlock) if began.elapsed() > LOCKED_FOR => {
                    return Err(RefreshError::Busy(self.0.display().to_string()));
                }
                Err(TryLockError::WouldBlock) => {
                    bounded::beat();
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
        // Read under the lock: the process that had it may have replaced the token.
        let token = self.read()?;
        let next = PendingFile::beside(&self.0, 0o600).map_err(disk)?;
        Ok(Exchange { path: self.0.clone(), token, next, _lock: lock })
    }
}

impl Exchange {
    /// Ends it. A new token is under the name of the old one, on the disk, when this returns.
    pub(super) async fn end(self, new: Option<Secret>) -> Result<(), RefreshError> {
        let subject = format!("the refresh token {}", self.path.display());
        bounded::run(&subject, LIMIT, move || self.end_now(new.as_ref())).await?
    }

    fn end_now(mut self, new: Option<&Secret>) -> Result<(), RefreshError> {
        let Some(new) = new.filter(|new| new.expose() != self.token.expose()) else { return Ok(()) };
        let path = self.path.display().to_string();
        let mut replace = || -> io::Result<()> {
            self.next.write_all(new.expose().as_bytes())?;
            self.next.write_all(b"\n")?;
            fail::point("refresh.written")?;
            self.next.sync()?;
            fail::point("refresh.synced")
        };
        replace().map_err(|error| RefreshError::Disk { path: path.clone(), error })?;
        let named = || -> io::Result<()> {
            let named = self.next.take_name()?;
            fail::point("refresh.named")?;
            named.sync_folder().map(drop)
        };
        named().map_err(|error| RefreshError::Disk { path, error })
    }
}

/// The folder of a path, if only the user of this process may write in it.
fn folder(path: &Path) -> Result<PathBuf, RefreshError> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = folder.display().to_string();
    let refused = |why: String, remedy: String| RefreshError::Folder { folder: shown.clone(), why, remedy };
    let trusted = match FileTrust::of_this_process().look(folder) {
        Ok(trusted) => trusted,
        Err(Distrust::Unseen { error, .. }) => {
            return Err(RefreshError::Disk { path: path.display().to_string(), error });
        }
        Err(distrust) => {
            let why = distrust.to_string();
            let remedy = match distrust {
                Distrust::Refused { remedy, .. } => remedy,
                Distrust::Unseen { .. } => String::new(),
            };
            return Err(refused(why, remedy));
        }
    };
    let (owner, user) = (trusted.metadata.uid(), rustix::process::geteuid().as_raw());
    let mode = trusted.metadata.mode() & 0o777;
    // Root looks at the service's folder, and must not leave a file of its own there.
    if owner != user {
        return Err(refused(
            format!("it belongs to user {owner}, and this process runs as user {user}"),
            format!("run this as user {owner}, or: chown {user} {shown}"),
        ));
    }
    if mode & 0o022 != 0 {
        return Err(refused(format!("others may write in it (mode {mode:03o})"), format!("chmod go-w {shown}")));
    }
    Ok(trusted.path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(mode: u32) -> (tempfile::TempDir, RefreshFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refresh");
        std::fs::write(&path, "the-first-one\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, RefreshFile::new(path))
    }

    #[tokio::test]
    async fn a_new_token_takes_the_place_of_the_old_one_and_the_same_one_changes_nothing() {
        let (folder, refresh) = file(0o700);
        let exchange = refresh.begin().await.unwrap();
        assert_eq!(exchange.token.expose(), "the-first-one");
        exchange.end(None).await.unwrap();
        let exchange = refresh.begin().await.unwrap();
        exchange.end(Some(Secret::new("the-second-one").unwrap())).await.unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("refresh")).unwrap(), "the-second-one\n");
        assert_eq!(std::fs::metadata(folder.path().join("refresh")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[tokio::test]
    async fn two_never_use_it_at_once() {
        let (_folder, refresh) = file(0o700);
        let first = refresh.begin().await.unwrap();
        let waiting = tokio::spawn({
            let refresh = refresh.clone();
            async move { refresh.begin().await.map(|exchange| exchange.token.expose().to_owned()) }
        });
        first.end(Some(Secret::new("the-second-one").unwrap())).await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), "the-second-one", "read under the lock");
    }

    #[test]
    fn a_folder_in_which_others_write_is_refused() {
        for mode in [0o720, 0o702, 0o777] {
            let (_folder, refresh) = file(mode);
            let error = refresh.check().unwrap_err().to_string();
            assert!(error.contains("refresh token is refused") && error.contains("chmod"), "{mode:o}: {error}");
        }
        let (_folder, refresh) = file(0o755);
        refresh.check().unwrap();
    }
}
