//! The paths that configuration files name. It takes a file and a path in it, and returns the path from here; it must not depend on what is there.

use std::path::{Component, Path, PathBuf};

/// A path that a file names relative to itself. `../x` in `tenants/acme.toml` becomes `x`, so that messages show a path as a user would
/// type it; below a symbolic link the path keeps its `..`, because there it leads elsewhere.
pub(super) fn beside(file: &Path, path: &Path) -> PathBuf {
    let mut folder = file.parent().unwrap_or_else(|| Path::new("")).to_owned();
    let mut rest = path;
    while let Ok(inner) = rest.strip_prefix("..") {
        let is_plain = matches!(folder.components().next_back(), Some(Component::Normal(_)))
            && folder.symlink_metadata().is_ok_and(|found| found.is_dir());
        if !is_plain || !folder.pop() {
            break;
        }
        rest = inner;
    }
    folder.join(rest)
}
