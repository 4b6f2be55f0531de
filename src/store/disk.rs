//! Files and folders as this room makes them: for the owner only, and on the disk when it says so.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::fail;

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The daemon's own folder, which others may have to pass on their way to its socket.
pub(crate) const PASSABLE: &str = ".daemon";

/// Makes a folder that only the owner can enter (parents too), or narrows one that others could.
pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    // An account that may only pass sees no name in it, and its files are the owner's alone.
    let closed = if path.ends_with(PASSABLE) { 0o066 } else { 0o077 };
    match fs::metadata(path) {
        Ok(found) if found.permissions().mode() & closed == 0 => Ok(()),
        Ok(_) => fs::set_permissions(path, fs::Permissions::from_mode(FOLDER_MODE)),
        Err(_) => {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_folder)
        }
    }
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
    let mut name = path.file_name().map(ToOwned::to_owned).unwrap_or_default();
    name.push(".new");
    let temporary = path.with_file_name(name);
    fail::point("file.write")?;
    let written = private().write(true).create(true).truncate(true).open(&temporary).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()?;
        fail::point("file.rename")?;
        fs::rename(&temporary, path)?;
        Ok(file)
    });
    if written.is_err() {
        // Half a file helps nobody; that it could not be written is what gets reported.
        let _ = fs::remove_file(&temporary);
    }
    let file = written?;
    fail::point("file.renamed")?;
    path.parent()
        .map_or(Ok(()), |folder| sync_folder(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }))?;
    Ok(file)
}

/// Takes a file away if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    fail::point("file.remove")?;
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
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
