//! How the operator's files hash: to tell later whether a state belongs to these files, or whether they have changed. In: the path of
//! `rosterd.toml`. Out: paths and hashes; no content.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::CHECK_LIMIT;
use super::files::load_global;
use super::paths::beside;
use crate::bounded;
use crate::files;

/// `rosterd.toml` and every file in the folder with tenant files, each with its SHA-256 in hexadecimal. The files may have mistakes.
///
/// # Errors
/// When one can't be read.
pub fn file_hashes(config: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let hashed = |path: PathBuf| {
        let bytes = files::read(&path, files::SMALL)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        Ok((path, hash(&bytes)))
    };
    paths(config)?.into_iter().map(hashed).collect()
}

/// The same, to notice a change: what can't be read, or does not answer, has a mark of its own in place of the hash, so that one such
/// file does not hide the changes of the others. This blocks for seconds at most.
///
/// # Errors
/// When a file that was listed is not there, as when an editor is just writing it, or the folder can't be listed.
pub fn file_marks(config: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let listed = {
        let config = config.to_owned();
        bounded::wait(&format!("listing {}", config.display()), CHECK_LIMIT, move || paths(&config))
    };
    let paths = listed.map_err(io::Error::other)??;
    let reads = paths.iter().cloned().map(|path| {
        let subject = format!("the content of {}", path.display());
        let read: Box<dyn FnOnce() -> _ + Send> = Box::new(move || files::read(&path, files::SMALL));
        (subject, read)
    });
    let read = bounded::each(CHECK_LIMIT, reads.collect());
    let marks = paths.into_iter().zip(read).map(|(path, read)| match read {
        Ok(Ok(bytes)) => Ok((path, hash(&bytes))),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Ok(Err(error)) => Ok((path, format!("unreadable: {error}"))),
        Err(_) => Ok((path, "does not answer".to_owned())),
    });
    marks.collect()
}

fn paths(config: &Path) -> io::Result<Vec<PathBuf>> {
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
    Ok(paths)
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
