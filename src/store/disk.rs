//! Files and folders as this room makes them: for the owner only, and on the disk when it says so.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};

use crate::fail;
use crate::files::replace::{PendingFile, sweep as sweep_folder};
use crate::files::trust::FileTrust;

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The daemon's own folder, which others may have to pass on their way to its socket.
pub(crate) const PASSABLE: &str = ".daemon";

/// Makes a folder that only the owner can enter (parents too), or narrows one that others could. One that belongs to another user is
/// refused, and so is a link that another user could have placed or could change.
pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_folder)?;
            fs::symlink_metadata(path)?
        }
        found => found?,
    };
    let trust = FileTrust::of_this_process();
    let real = if found.is_symlink() { trust.look(path)?.path } else { path.to_owned() };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = File::from(rustix::fs::openat(CWD, &real, flags, Mode::empty())?);
    let found = folder.metadata()?;
    if !trust.accepts_owner(found.uid()) {
        let why = format!("the folder {} belongs to user {}; nothing was written there", real.display(), found.uid());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    // An account that may only pass sees no name in it, and its files are the owner's alone.
    let closed = if path.ends_with(PASSABLE) { 0o066 } else { 0o077 };
    match found.permissions().mode() & closed {
        0 => Ok(()),
        _ => folder.set_permissions(fs::Permissions::from_mode(FOLDER_MODE)),
    }
}

/// Makes a folder that was not there, for the owner only. Its parent has to exist.
pub(super) fn new_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).create(path)
}

/// Takes away what other users could do with the files and folders below a folder: older versions let a library choose their modes.
pub(super) fn narrow_all(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let (path, found) = (entry.path(), entry.metadata()?);
        if found.is_symlink() {
            continue;
        }
        if found.mode() & 0o077 != 0 {
            fs::set_permissions(&path, fs::Permissions::from_mode(found.mode() & 0o700))?;
        }
        if found.is_dir() {
            narrow_all(&path)?;
        }
    }
    Ok(())
}

/// Options for a new file that only the owner can read and write.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(FILE_MODE);
    options
}

/// Returns when the folder's entries (new files, renames) are on the disk.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Writes a whole file, so that a crash leaves the old one or the new one: temporary file, fsync, rename, fsync of the folder.
/// Returns the file, open for more.
pub(super) fn replace(path: &Path, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<File> {
    fail::point("file.write")?;
    let mut fresh = PendingFile::beside(path, FILE_MODE)?;
    write(&mut fresh)?;
    fresh.sync()?;
    fail::point("file.rename")?;
    let placed = fresh.take_name()?;
    fail::point("file.renamed")?;
    placed.sync_folder()
}

/// Removes the temporary files that a process which was killed left in these folders.
pub(super) fn sweep(folders: &[&Path]) {
    for folder in folders {
        match sweep_folder(folder) {
            Ok(0) => {}
            Ok(files) => tracing::debug!(files, "removed temporary files of a process that was killed"),
            // They are in nobody's way.
            Err(error) => tracing::warn!(%error, "temporary files stay in {}", folder.display()),
        }
    }
}

/// Takes a file away if it is there, and says whether it was.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    fail::point("file.remove")?;
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        done => done.map(|()| true),
    }
}

/// A path beside `path` that does not exist yet: `name`, or `name-2`, `name-3` ….
pub(super) fn free_name(folder: &Path, name: &str) -> PathBuf {
    let mut path = folder.join(name);
    for n in 2..u32::MAX {
        if fs::symlink_metadata(&path).is_err() {
            break;
        }
        path = folder.join(format!("{name}-{n}"));
    }
    path
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn i6_what_is_written_is_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        private_folder(&folder).unwrap();
        let file = folder.join("f");
        replace(&file, &mut |out| out.write_all(b"x")).unwrap();
        assert_eq!((mode(&dir.path().join("a")), mode(&folder), mode(&file)), (0o700, 0o700, 0o600));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        private_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700, "a folder that others could enter is narrowed");
    }

    #[test]
    fn sec4_a_folder_of_another_user_or_behind_their_link_is_refused_and_stays_as_it_is() {
        use crate::files::trust::testing::{ANOTHER, give};
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("acme"));
        fs::create_dir(&real).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        private_folder(&link).unwrap();
        assert_eq!(mode(&real), 0o700, "a link of one's own is followed");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
        if give(&link, ANOTHER) {
            assert!(private_folder(&link).unwrap_err().to_string().contains("belongs to user 65534"));
            assert_eq!(mode(&real), 0o755, "what their link names is not touched");
        }
        if give(&real, ANOTHER) {
            let error = private_folder(&real).unwrap_err();
            assert!(error.to_string().contains("belongs to user 65534"), "{error}");
            assert_eq!(mode(&real), 0o755);
        }
    }

    #[test]
    fn sec27_files_that_an_older_version_left_open_to_others_are_narrowed() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, outside) = (dir.path().join("cache"), dir.path().join("outside"));
        fs::create_dir_all(folder.join("blobs")).unwrap();
        for file in [folder.join("db"), folder.join("blobs/1"), outside.clone()] {
            fs::write(&file, "x").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        }
        std::os::unix::fs::symlink(&outside, folder.join("link")).unwrap();
        narrow_all(&folder).unwrap();
        assert_eq!((mode(&folder.join("db")), mode(&folder.join("blobs/1"))), (0o600, 0o600));
        assert_eq!((mode(&folder.join("blobs")), mode(&outside)), (0o700, 0o666), "links are left alone");
    }

    #[test]
    fn p3_a_write_that_fails_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        replace(&file, &mut |out| out.write_all(b"old")).unwrap();
        let failed = replace(&file, &mut |out| out.write_all(b"ne").and(Err(io::ErrorKind::StorageFull.into())));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&file).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing half-written stays");
    }
}
