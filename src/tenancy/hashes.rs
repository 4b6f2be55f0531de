//! How the operator's files hash: to tell later whether a state belongs to these files. In: the path of `rosterd.toml`. Out: paths
//! and hashes; no content.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::files::{beside, load_global};

/// `rosterd.toml` and every file in the folder with tenant files, each with its SHA-256 in hexadecimal. The files may have mistakes.
///
/// # Errors
/// When one can't be read.
pub fn file_hashes(config: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let tenants =
        load_global(config).map_or_else(|_| beside(config, Path::new("tenants")), |global| global.tenants_dir);
    let mut paths = vec![config.to_owned()];
    for entry in std::fs::read_dir(tenants)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Ok((path.clone(), hash(&std::fs::read(&path)?)))).collect()
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
