//! What other users may have made in the folder beforehand.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::files::trust::testing::{ANOTHER, give};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn sec4_nothing_that_was_made_beforehand_is_followed_or_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, victim) = (dir.path().join("open"), dir.path().join("victim"));
    fs::create_dir(&folder).unwrap();
    fs::write(&victim, "mine").unwrap();
    fs::hard_link(&victim, folder.join("hard")).unwrap();
    symlink(&victim, folder.join("link")).unwrap();
    symlink(&victim, folder.join("plain.new")).unwrap();
    fs::write(folder.join("loose"), "theirs").unwrap();
    fs::set_permissions(folder.join("loose"), fs::Permissions::from_mode(0o666)).unwrap();
    give(&folder.join("loose"), ANOTHER);
    let mut theirs = fs::File::open(folder.join("loose")).unwrap();
    for name in ["hard", "link", "plain", "loose"] {
        let path = folder.join(name);
        replace(&path, 0o600, b"people").unwrap();
        let found = fs::symlink_metadata(&path).unwrap();
        assert!(found.is_file() && found.uid() == rustix::process::geteuid().as_raw() && found.nlink() == 1, "{name}");
        assert_eq!((mode(&path), fs::read(&path).unwrap()), (0o600, b"people".to_vec()), "{name}");
    }
    assert_eq!(fs::read(&victim).unwrap(), b"mine", "no link was written through");
    let mut text = String::new();
    io::Read::read_to_string(&mut theirs, &mut text).unwrap();
    assert_eq!(text, "theirs", "the other user's open file has nothing of ours");
    assert_eq!(names(&folder), ["hard", "link", "loose", "plain", "plain.new"], "nothing half-written stays");
}

#[test]
fn sec4_the_mode_is_the_one_asked_for_whatever_the_umask() {
    let dir = tempfile::tempdir().unwrap();
    for wanted in [0o600, 0o644, 0o640] {
        let path = dir.path().join(format!("{wanted:o}"));
        replace(&path, wanted, b"x").unwrap();
        assert_eq!(mode(&path), wanted);
    }
}

#[test]
fn sec4_devices_and_folders_are_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("stdout");
    symlink("/dev/null", &link).unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    for name in ["stdout", "folder"] {
        assert!(replace(&dir.path().join(name), 0o600, b"x").is_err(), "{name}");
    }
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(names(dir.path()), ["folder", "stdout"]);
    assert!(replace(Path::new("/"), 0o600, b"x").is_err());
}

#[test]
fn sec4_a_file_that_was_exchanged_under_way_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("export");
    let mut fresh = PendingFile::beside(&path, 0o600).unwrap();
    fresh.write_all(b"people").unwrap();
    fs::remove_file(dir.path().join(&fresh.temporary)).unwrap();
    fs::write(dir.path().join(&fresh.temporary), "theirs").unwrap();
    let error = fresh.take_name().unwrap_err().to_string();
    assert!(error.contains("exchanged"), "{error}");
    assert!(!path.exists());
}

#[test]
fn sec4_what_a_killed_process_left_is_swept_and_what_is_being_written_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let left = |at: u8| dir.path().join(format!(".rosterd-{:032x}.new", at));
    fs::write(left(1), "half").unwrap();
    symlink(dir.path(), left(2)).unwrap();
    fs::create_dir(left(3)).unwrap();
    fs::write(dir.path().join(".rosterd-x.new"), "not ours").unwrap();
    fs::write(dir.path().join("status.json"), "{}").unwrap();
    let mut fresh = PendingFile::beside(&dir.path().join("index"), 0o600).unwrap();
    assert_eq!(sweep(dir.path()).unwrap(), 1);
    assert!(!left(1).exists() && dir.path().join(&fresh.temporary).exists());
    fresh.write_all(b"whole").unwrap();
    fresh.sync().unwrap();
    fresh.take_name().unwrap().sync_folder().unwrap();
    assert_eq!(sweep(dir.path()).unwrap(), 0);
    assert_eq!(fs::read(dir.path().join("index")).unwrap(), b"whole");
    assert_eq!(names(dir.path()).len(), 5, "{:?}", names(dir.path()));
    assert_eq!(sweep(&dir.path().join("none")).unwrap(), 0);
    fs::write(left(4), "theirs").unwrap();
    if give(&left(4), ANOTHER) {
        assert_eq!(sweep(dir.path()).unwrap(), 0, "another user's file is not ours to remove");
    }
}
