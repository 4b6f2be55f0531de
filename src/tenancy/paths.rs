//! The paths that configuration files name. It takes a file and a path in it, and returns the path from here; it must not depend on what is there.

use std::path::{Path, PathBuf};

/// A path of a file, relative to that file.
pub(super) fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent().unwrap_or_else(|| Path::new("")).join(path)
}
