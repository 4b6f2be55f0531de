//! Puts a whole file in the place of another. In: a path, a mode, the content. Out: the file under its name, on the disk; or the old one
//! as it was.
//!
//! The folder may be one in which other users write. So the content goes into a file of a random name that did not exist before
//! (`O_EXCL`, `O_NOFOLLOW`), whose mode is set on the open file before anything is written, and which then takes the name. Nothing that
//! another user made beforehand is opened, followed or kept: neither a file of the final name, nor a link, nor one of a name like ours.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use uuid::Uuid;

/// Temporary names are `.rosterd-<32 hexadecimal digits>.new`.
const PREFIX: &str = ".rosterd-";
const SUFFIX: &str = ".new";

/// How often a temporary name is tried.
const TRIES: u32 = 8;

/// Replaces a file, or makes it, with these bytes and this mode.
///
/// # Errors
/// When it could not be written; what was there before is still there.
pub fn replace(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = PendingFile::beside(path, mode)?;
    fresh.write_all(bytes)?;
    fresh.sync()?;
    fresh.take_name()?.sync_folder().map(drop)
}

/// A file on its way to a name. Dropping it before it has the name removes it.
#[derive(Debug)]
pub struct PendingFile {
    path: PathBuf,
    name: OsString,
    folder: OwnedFd,
    temporary: String,
    file: Option<File>,
}

/// A file that has its name.
#[derive(Debug)]
pub struct ReplacedFile {
    file: File,
    folder: OwnedFd,
}

impl PendingFile {
    /// Makes an empty file with this mode in the folder of `path`.
    ///
    /// # Errors
    /// When the folder can't be written to, or `path` names something that is not a regular file.
    pub fn beside(path: &Path, mode: u32) -> io::Result<Self> {
        let name = path.file_name().ok_or_else(|| invalid("it does not name a file"))?.to_owned();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, parent, flags, Mode::empty())?;
        refuse_other_kinds(&folder, &name)?;
        let (temporary, file) = create(&folder, mode)?;
        Ok(Self { path: path.to_owned(), name, folder, temporary, file: Some(file) })
    }

    fn file(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Returns when the content is on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file()?.sync_all()
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// When that is not possible, or another user has put another file in its place meanwhile.
    pub fn take_name(mut self) -> io::Result<ReplacedFile> {
        let file = self.file()?.try_clone()?;
        let own = file.metadata()?;
        let is_own = |name: &OsStr| -> io::Result<bool> {
            let found = rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok((found.st_dev, found.st_ino) == (own.dev(), own.ino()))
        };
        let exchanged = || {
            let shown = self.path.display();
            io::Error::other(format!("another program writes in the folder of {shown} and exchanged the file"))
        };
        if !is_own(self.temporary.as_ref())? {
            return Err(exchanged());
        }
        rustix::fs::renameat(&self.folder, self.temporary.as_str(), &self.folder, &self.name)?;
        if !is_own(&self.name)? {
            return Err(exchanged());
        }
        // It has its name: there is nothing left to remove.
        self.file = None;
        file.unlock()?;
        let folder = self.folder.try_clone()?;
        Ok(ReplacedFile { file, folder })
    }
}

impl ReplacedFile {
    /// Returns the file, open for more, when its name is on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync_folder(self) -> io::Result<File> {
        rustix::fs::fsync(&self.folder)?;
        Ok(self.file)
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file()?.flush()
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if self.file.is_some()
            && let Err(error) = rustix::fs::unlinkat(&self.folder, self.temporary.as_str(), AtFlags::empty())
        {
            // Why it was not put in place is what gets reported; a state folder is swept at its next opening.
            tracing::debug!(%error, "a temporary file stays in the folder of {}", self.path.display());
        }
    }
}

/// A device or pipe is not replaced by a file, also not behind a link such as `/dev/stdout`. A link to a regular file is replaced itself.
fn refuse_other_kinds(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let look = |flags| match rustix::fs::statat(folder, name, flags) {
        Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(io::Error::from(error)),
    };
    let found = match look(AtFlags::SYMLINK_NOFOLLOW)? {
        // One that leads nowhere, or in a circle, is no device either.
        Some(FileType::Symlink) => look(AtFlags::empty()).unwrap_or(None),
        found => found,
    };
    match found {
        None | Some(FileType::RegularFile) => Ok(()),
        Some(FileType::Directory) => Err(io::ErrorKind::IsADirectory.into()),
        Some(_) => Err(invalid("it is there already and is not a regular file")),
    }
}

/// Makes a new file that is locked as long as it is written, so that [`sweep`] lets it be.
fn create(folder: &OwnedFd, mode: u32) -> io::Result<(String, File)> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for _ in 0..TRIES {
        let name = format!("{PREFIX}{}{SUFFIX}", Uuid::now_v7().simple());
        let file = match rustix::fs::openat(folder, name.as_str(), flags, Mode::from_raw_mode(0o600)) {
            Ok(file) => File::from(file),
            Err(Errno::EXIST) => continue,
            Err(error) => return Err(error.into()),
        };
        match file.try_lock() {
            // Some file systems have no locks; on those nothing is swept that is locked elsewhere either.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            // A sweep came between the two calls and is about to remove it.
            Err(TryLockError::WouldBlock) => continue,
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        if file.metadata()?.nlink() > 0 {
            return Ok((name, file));
        }
    }
    Err(io::Error::other("no temporary file could be made: other programs remove them at once"))
}

fn is_temporary(name: &OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
    random.is_some_and(|random| random.len() == 32 && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Removes the temporary files that a process left in a folder when it was killed, and says how many. One that is being written is
/// locked, and stays; so does everything that is not this user's own.
///
/// # Errors
/// When the folder can't be read, or a file can't be removed. A folder that does not exist has none.
pub fn sweep(folder: &Path) -> io::Result<usize> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        if is_temporary(&entry.file_name()) && is_left_over(&entry.path())? {
            match std::fs::remove_file(entry.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => {
                    done?;
                    removed += 1;
                }
            }
        }
    }
    Ok(removed)
}

/// Whether it is a file of our own that no process writes any more.
fn is_left_over(path: &Path) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // It has its name by now, is a link, or is another user's.
        Err(Errno::NOENT | Errno::LOOP | Errno::ACCESS | Errno::NXIO) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let found = file.metadata()?;
    let is_own = found.is_file() && found.uid() == rustix::process::geteuid().as_raw();
    Ok(is_own && file.try_lock().is_ok())
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "replace_tests.rs"]
mod tests;
