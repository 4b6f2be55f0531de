//! Permissions of new files. In: the umask that the process inherits. Out: a process whose new files only their owner can read, and the
//! modes of the few files that other users are meant to read.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::Mode;

/// The mode of a file with personal data or secrets.
pub const PRIVATE: u32 = 0o600;

/// Nobody but the owner: what every file gets that is not named in this module.
const OWNER_ONLY: u32 = 0o077;

/// Write access for others is never given, whatever was inherited.
const NO_FOREIGN_WRITER: u32 = 0o022;

/// The umask with which the process was started.
static INHERITED: OnceLock<u32> = OnceLock::new();

/// Sets the umask to 077. Libraries that choose no mode of their own (sled) then make files for the owner only.
pub fn narrow_umask() {
    let before = rustix::process::umask(Mode::from_raw_mode(OWNER_ONLY)).as_raw_mode();
    // A second call would only find our own.
    let _first = INHERITED.get_or_init(|| before);
}

/// The mode of a new file that other users may read if the operator's umask allows it: configuration, manual pages.
pub fn shared_file() -> u32 {
    0o666 & !(inherited() | NO_FOREIGN_WRITER)
}

/// The mode of a new folder of such files.
pub fn shared_folder() -> u32 {
    0o777 & !(inherited() | NO_FOREIGN_WRITER)
}

/// Makes a folder that other users may read, and its parents. The group that it inherits from a folder above stays.
///
/// # Errors
/// When it could not be made.
pub fn make_shared_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => {
            let inherited = fs::symlink_metadata(path)?.permissions().mode() & 0o7000;
            fs::set_permissions(path, fs::Permissions::from_mode(inherited | shared_folder()))
        }
        Err(_) if path.is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).ok_or(error)?;
            make_shared_folder(parent)?;
            make_shared_folder(path)
        }
        Err(error) => Err(error),
    }
}

fn inherited() -> u32 {
    INHERITED.get().copied().unwrap_or(NO_FOREIGN_WRITER)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sec27_a_shared_folder_can_be_read_by_others_and_written_by_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        make_shared_folder(&path).unwrap();
        make_shared_folder(&path).unwrap();
        for folder in [dir.path().join("a"), path] {
            assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o755);
        }
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(make_shared_folder(&dir.path().join("file/x")).is_err());
        assert_eq!((shared_file(), shared_folder()), (0o644, 0o755), "a test process inherits the usual umask");
    }
}
