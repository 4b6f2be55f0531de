//! Says whether another user could have changed a file that steers rosterd. In: a path. Out: where it really is; or which file or folder
//! on its way another user may change, and the command that ends that.
//!
//! Every folder on the way from `/`, every link and the file itself must belong to root or to the user of this process, and only these
//! may write there. A link is followed, wherever it leads, if its own way and the way of what it names are like that: a Kubernetes secret
//! is two links deep. A folder in which everybody may write is accepted on the way if it is sticky (`/tmp`), because nobody can exchange
//! what another user has there; what lies in it directly must have a single name, since anybody can make hard links.
//!
//! Write access of a group counts as write access of other users, but for root's group and the group of this process: where every user
//! has a group of their own, `umask 002` is usual.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// As many links as the kernel follows.
const LINKS: u32 = 40;

const ROOT: u32 = 0;
const STICKY: u32 = 0o1000;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

/// User and group of the service that root looks at; all ones while there is none.
static SERVICE: AtomicU64 = AtomicU64::new(u64::MAX);

/// What is wrong with a file, link or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustFault {
    /// It belongs to another user.
    Owner,
    /// Others may write: to a file.
    WritableFile,
    /// Others may write: in a folder.
    WritableFolder,
    /// Another user may have given it its name.
    Name,
}

/// Why a file is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum Distrust {
    /// Another user could change it.
    #[error("{path} {why}")]
    Refused {
        /// The file, link or folder that is to blame.
        path: String,
        /// What is wrong with it.
        fault: TrustFault,
        /// The same in words, with owner and mode.
        why: String,
        /// The command that changes it.
        remedy: String,
    },
    /// It could not be looked at.
    #[error("{path} can't be looked at: {error}")]
    Unseen {
        /// The file or folder.
        path: String,
        /// What the system says.
        error: io::Error,
    },
}

impl Distrust {
    /// The kind of the system's error; permission denied for a file that another user could change.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Refused { .. } => io::ErrorKind::PermissionDenied,
            Self::Unseen { error, .. } => error.kind(),
        }
    }
}

impl From<Distrust> for io::Error {
    fn from(error: Distrust) -> Self {
        match error {
            Distrust::Refused { path, why, remedy, .. } => {
                Self::new(io::ErrorKind::PermissionDenied, format!("{path} {why} ({remedy})"))
            }
            Distrust::Unseen { error, .. } => error,
        }
    }
}

/// A path that only trusted users can change.
#[derive(Debug)]
pub struct Trusted {
    /// The same place without links.
    pub path: PathBuf,
    /// What is there.
    pub metadata: Metadata,
    /// The first thing on the way that the group of this process may change, unless that group is the user's own.
    pub shared: Option<String>,
}

/// Whom this process trusts with its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTrust {
    /// Owners.
    owners: Vec<u32>,
    /// Groups that may write.
    writers: Vec<u32>,
    /// The user this process runs as.
    user: u32,
}

impl FileTrust {
    /// Root and the user of this process; for root also the user whose state it looks at ([`accept_owner_of`]).
    pub fn of_this_process() -> Self {
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let mut trust = Self::of(user, group);
        let service = SERVICE.load(Ordering::Relaxed);
        if user == ROOT && service != u64::MAX {
            trust.owners.push((service >> 32) as u32);
            trust.writers.push(service as u32);
        }
        trust
    }

    /// A user with a group, and root.
    pub fn of(user: u32, group: u32) -> Self {
        Self { owners: vec![ROOT, user], writers: vec![ROOT, group], user }
    }

    /// Whether a file of this user is trusted.
    pub fn accepts_owner(&self, user: u32) -> bool {
        self.owners.contains(&user)
    }

    /// Looks at everything on the way to a file or folder.
    ///
    /// # Errors
    /// What another user could change, or what could not be looked at.
    pub fn look(&self, path: &Path) -> Result<Trusted, Distrust> {
        let mut trusted = self.pass(path)?;
        // What was only passed may be sticky; what is asked for may not.
        self.writers(&trusted.path, &trusted.metadata, false, &mut trusted.shared)?;
        Ok(trusted)
    }

    /// Looks at everything on the way through a folder to something in it.
    fn pass(&self, path: &Path) -> Result<Trusted, Distrust> {
        let whole = std::path::absolute(path).map_err(|error| unseen(path, error))?;
        let mut waiting = parts(&whole);
        let (mut at, mut links, mut shared) = (PathBuf::from("/"), 0, None);
        let mut metadata = self.folder(&at, &mut shared)?;
        while let Some(part) = waiting.pop() {
            if part == ".." {
                at.pop();
                metadata = self.folder(&at, &mut shared)?;
                continue;
            }
            let next = at.join(&part);
            let found = std::fs::symlink_metadata(&next).map_err(|error| unseen(&next, error))?;
            self.owner(&next, &found)?;
            single_name(&next, &found, &metadata)?;
            if found.is_symlink() {
                links += 1;
                if links > LINKS {
                    return Err(unseen(path, io::Error::other("too many links lead to one another")));
                }
                let target = std::fs::read_link(&next).map_err(|error| unseen(&next, error))?;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                    metadata = self.folder(&at, &mut shared)?;
                }
                waiting.extend(parts(&target));
                continue;
            }
            self.writers(&next, &found, true, &mut shared)?;
            if !waiting.is_empty() && !found.is_dir() {
                return Err(unseen(&next, io::ErrorKind::NotADirectory.into()));
            }
            (at, metadata) = (next, found);
        }
        Ok(Trusted { path: at, metadata, shared })
    }

    /// A folder that the way begins in or comes back to.
    fn folder(&self, path: &Path, shared: &mut Option<String>) -> Result<Metadata, Distrust> {
        let found = std::fs::symlink_metadata(path).map_err(|error| unseen(path, error))?;
        self.owner(path, &found)?;
        self.writers(path, &found, true, shared)?;
        Ok(found)
    }

    fn owner(&self, path: &Path, found: &Metadata) -> Result<(), Distrust> {
        if self.accepts_owner(found.uid()) {
            return Ok(());
        }
        let (shown, owner, mode) = (path.display(), found.uid(), mode(found));
        let kind = kind(found);
        let accepted = match self.user {
            ROOT => "root".to_owned(),
            user => format!("root or user {user}, who runs this"),
        };
        let why = format!("({kind}, mode {mode:03o}) belongs to user {owner}, not to {accepted}");
        let no_link = if found.is_symlink() { "-h " } else { "" };
        let remedy = match self.user {
            ROOT => format!("chown {no_link}root {shown}"),
            user => format!("chown {no_link}{user} {shown}"),
        };
        Err(Distrust::Refused { path: shown.to_string(), fault: TrustFault::Owner, why, remedy })
    }

    fn writers(
        &self,
        path: &Path,
        found: &Metadata,
        on_the_way: bool,
        shared: &mut Option<String>,
    ) -> Result<(), Distrust> {
        let mode = mode(found);
        if on_the_way && found.is_dir() && mode & STICKY != 0 {
            return Ok(());
        }
        let (kind, shown, owner, group) = (kind(found), path.display(), found.uid(), found.gid());
        let refused = |who: String, remedy: &str| {
            let why = format!("({kind}, mode {mode:03o}, owner {owner}, group {group}) can be changed by {who}");
            let fault = if found.is_dir() { TrustFault::WritableFolder } else { TrustFault::WritableFile };
            Err(Distrust::Refused { path: shown.to_string(), fault, why, remedy: format!("{remedy} {shown}") })
        };
        if mode & OTHERS_WRITE != 0 {
            return refused("every user".to_owned(), "chmod go-w");
        }
        if mode & GROUP_WRITES == 0 {
            return Ok(());
        }
        if !self.writers.contains(&group) {
            return refused(format!("group {group}"), "chmod g-w");
        }
        // A group of the same number as its user is the user's own (`USERGROUPS_ENAB`).
        if group != ROOT && group != owner && group != self.user && shared.is_none() {
            *shared = Some(format!(
                "{shown} ({kind}, mode {mode:03o}, owner {owner}) can be changed by group {group}, which is that of this process"
            ));
        }
        Ok(())
    }
}

/// Anybody can give a file of another user a second name in a folder where everybody may write.
fn single_name(path: &Path, found: &Metadata, folder: &Metadata) -> Result<(), Distrust> {
    if found.is_dir() || found.nlink() < 2 || mode(folder) & OTHERS_WRITE == 0 {
        return Ok(());
    }
    let shown = path.display();
    let why = format!(
        "({}, mode {:03o}, owner {}) has {} names, and other users may make names in its folder",
        kind(found),
        mode(found),
        found.uid(),
        found.nlink()
    );
    let remedy = format!("move a copy of {shown} to a folder in which only its owner may write");
    Err(Distrust::Refused { path: shown.to_string(), fault: TrustFault::Name, why, remedy })
}

/// For root: also trusts the owner of a state folder, which is the service's user, from now on. Only if the way to that folder can be
/// trusted without them.
pub fn accept_owner_of(state_dir: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let above = state_dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let way = FileTrust::of(ROOT, ROOT).pass(above);
    if let (Ok(_), Ok(found)) = (way, std::fs::symlink_metadata(state_dir))
        && found.is_dir()
    {
        SERVICE.store(u64::from(found.uid()) << 32 | u64::from(found.gid()), Ordering::Relaxed);
    }
}

/// Reads a regular file of at most `most` bytes that no other user could have changed.
///
/// # Errors
/// As for [`read`](super::read), and when another user could have changed it: the error names the file and the command that ends that.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let trusted = FileTrust::of_this_process().look(path)?;
    super::read(&trusted.path, most)
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<std::ffi::OsString> {
    use std::path::Component;
    let parts = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut parts: Vec<_> = parts.collect();
    parts.reverse();
    parts
}

fn mode(found: &Metadata) -> u32 {
    found.mode() & 0o7777
}

fn kind(found: &Metadata) -> &'static str {
    match found.file_type() {
        kind if kind.is_dir() => "folder",
        kind if kind.is_symlink() => "link",
        _ => "file",
    }
}

fn unseen(path: &Path, error: io::Error) -> Distrust {
    Distrust::Unseen { path: path.display().to_string(), error }
}

/// Files of another user, for tests.
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stderr)]
pub(crate) mod testing {
    use std::os::unix::fs::lchown;
    use std::path::Path;

    /// A user who is neither root nor the one who runs the tests.
    pub(crate) const ANOTHER: u32 = 65_534;

    /// Gives a file to another user. Only root can: others are told that this part of the test is skipped.
    pub(crate) fn give(path: &Path, user: u32) -> bool {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can give {} to user {user}", path.display());
            return false;
        }
        lchown(path, Some(user), Some(user)).unwrap();
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "trust_tests.rs"]
mod tests;
