//! Who could change a file, on every way that leads to it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::testing::{ANOTHER, give};
use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn write(path: &Path, mode: u32) -> PathBuf {
    fs::write(path, "x").unwrap();
    chmod(path, mode);
    path.to_owned()
}

fn look(path: &Path) -> Result<Trusted, Distrust> {
    FileTrust::of_this_process().look(path)
}

#[track_caller]
fn refused(path: &Path, parts: &[&str]) {
    match look(path) {
        Err(Distrust::Refused { path, why, remedy, .. }) => {
            let all = format!("{path} {why} ({remedy})");
            for part in parts {
                assert!(all.contains(part), "{part}: {all}");
            }
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn sec18_a_file_that_others_may_change_is_refused_with_the_command() {
    let dir = folder();
    for mode in [0o666, 0o602, 0o777] {
        let path = write(&dir.path().join("f"), mode);
        refused(&path, &[&format!("mode {mode:03o}"), "every user", &format!("chmod go-w {}", path.display())]);
    }
    for mode in [0o644, 0o600, 0o640, 0o444] {
        assert!(look(&write(&dir.path().join("f"), mode)).is_ok(), "{mode:o}");
    }
    let path = write(&dir.path().join("g"), 0o644);
    if give(&path, ANOTHER) {
        refused(&path, &["belongs to user 65534", &format!("chown root {}", path.display())]);
    }
}

#[test]
fn sec18_every_folder_on_the_way_counts_and_a_sticky_one_is_passed() {
    let dir = folder();
    let inner = dir.path().join("a/b");
    fs::create_dir_all(&inner).unwrap();
    let path = write(&inner.join("f"), 0o600);
    let outer = dir.path().join("a");
    chmod(&outer, 0o777);
    refused(&path, &["a (folder, mode 777", "every user"]);
    chmod(&outer, 0o1777);
    assert!(look(&path).is_ok(), "nobody can exchange what another user has in a sticky folder");
    assert!(look(&inner.join("../b/./f")).is_ok());
    refused(&outer, &["mode 1777", "every user"]);
    refused(&inner.join(".."), &["mode 1777"]);
    chmod(&outer, 0o755);
    if give(&inner, ANOTHER) {
        refused(&path, &["b (folder", "belongs to user 65534"]);
    }
}

#[test]
fn sec18_a_folder_that_was_exchanged_for_a_link_is_looked_at_as_what_it_is() {
    let dir = folder();
    let (real, theirs, link) = (dir.path().join("real"), dir.path().join("theirs"), dir.path().join("now"));
    for folder in [&real, &theirs] {
        fs::create_dir(folder).unwrap();
        write(&folder.join("f"), 0o600);
    }
    chmod(&theirs, 0o777);
    symlink(&real, &link).unwrap();
    assert_eq!(look(&link.join("f")).unwrap().path, fs::canonicalize(real.join("f")).unwrap());
    fs::remove_file(&link).unwrap();
    symlink(&theirs, &link).unwrap();
    refused(&link.join("f"), &["theirs (folder, mode 777"]);
    fs::remove_file(&link).unwrap();
    symlink(&real, &link).unwrap();
    if give(&link, ANOTHER) {
        refused(&link.join("f"), &["now (link", "belongs to user 65534", "chown -h root"]);
    }
}

#[test]
fn sec18_the_layout_of_a_kubernetes_secret_is_followed() {
    let dir = folder();
    let volume = dir.path().join("secret");
    fs::create_dir(&volume).unwrap();
    chmod(&volume, 0o1777);
    let first = volume.join("..2026_11_29_22_00_00.1");
    fs::create_dir(&first).unwrap();
    write(&first.join("token"), 0o400);
    symlink("..2026_11_29_22_00_00.1", volume.join("..data")).unwrap();
    symlink("..data/token", volume.join("token")).unwrap();
    let found = look(&volume.join("token")).unwrap();
    assert_eq!(found.path, fs::canonicalize(first.join("token")).unwrap());
    assert_eq!(found.metadata.mode() & 0o777, 0o400);
    if give(&volume.join("..data"), ANOTHER) {
        refused(&volume.join("token"), &["..data (link", "belongs to user 65534"]);
    }
}

#[test]
fn sec18_a_second_name_in_a_folder_of_everybody_is_refused() {
    let dir = folder();
    let (open, own) = (dir.path().join("open"), dir.path().join("own"));
    fs::create_dir(&open).unwrap();
    fs::create_dir(&own).unwrap();
    let path = write(&own.join("other.toml"), 0o600);
    fs::hard_link(&path, open.join("f")).unwrap();
    chmod(&open, 0o1777);
    refused(&open.join("f"), &["2 names"]);
    assert!(look(&path).is_ok(), "in a folder of one's own it does no harm");
}

#[test]
fn sec18_circles_end_and_what_is_not_there_says_so() {
    let dir = folder();
    symlink("b", dir.path().join("a")).unwrap();
    symlink("a", dir.path().join("b")).unwrap();
    assert!(look(&dir.path().join("a")).unwrap_err().to_string().contains("too many links"));
    assert_eq!(look(&dir.path().join("none/x")).unwrap_err().kind(), io::ErrorKind::NotFound);
    let path = write(&dir.path().join("f"), 0o600);
    assert_eq!(look(&path.join("x")).unwrap_err().kind(), io::ErrorKind::NotADirectory);
}

#[test]
fn sec18_the_write_access_of_a_group_is_that_of_others_but_for_ones_own() {
    let dir = folder();
    let path = write(&dir.path().join("f"), 0o664);
    let user = rustix::process::geteuid().as_raw();
    // The user's own group, as where umask 002 is usual: nothing to tell.
    assert_eq!(look(&path).unwrap().shared, None);
    let found = fs::metadata(&path).unwrap();
    let ours = found.gid();
    if ours != ROOT {
        assert!(FileTrust::of(user, ours.wrapping_add(1)).look(&path).is_err());
    }
    if give(&path, ANOTHER) {
        // Owner and group of one number: a user with a group of their own.
        assert_eq!(FileTrust::of(ANOTHER, ANOTHER).look(&path).unwrap().shared, None);
        std::os::unix::fs::chown(&path, Some(ROOT), Some(4242)).unwrap();
        refused(&path, &["group 4242", "chmod g-w"]);
        let shared = FileTrust::of(ANOTHER, 4242).look(&path).unwrap().shared.unwrap();
        assert!(shared.contains("mode 664") && shared.contains("group 4242"), "{shared}");
    }
}

#[test]
fn sec18_a_file_is_read_only_if_it_can_be_trusted() {
    let dir = folder();
    let path = write(&dir.path().join("ca.pem"), 0o644);
    assert_eq!(read(&path, 10).unwrap(), b"x");
    chmod(&path, 0o666);
    let error = read(&path, 10).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("chmod go-w"), "{error}");
}
