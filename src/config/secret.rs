//! Secrets, fetched from where they are kept. In: a [`SecretRef`] of a checked file. Out: the secret, in memory that is wiped
//! when it is dropped; or an error that names the place and the remedy and never the value (I6).
//!
//! They are fetched anew for each run, so that a rotated secret needs no restart (a systemd credential does: it is fixed
//! while the service runs).

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::tenant::SecretRef;

/// The most a secret may have, in bytes.
const LARGEST: u64 = 64 << 10;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A file is not there.
    #[error("the secret file {path} does not exist (put the secret there, then: chmod 600 {path})")]
    Missing {
        /// Where it should be.
        path: String,
    },
    /// A file is there but can't be read.
    #[error("the secret file {path} can't be read: {error}")]
    Unreadable {
        /// Where it is.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file is there but is not fit to hold a secret.
    #[error("the secret file {path} is refused: {why} ({remedy})")]
    Unfit {
        /// Where it is.
        path: String,
        /// What speaks against it.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// The variable is not set in this process.
    #[error("the environment variable {0} is not set")]
    NoVariable(String),
    /// Not started by systemd with credentials.
    #[error(
        "the credential {0} is not there: $CREDENTIALS_DIRECTORY is not set (the service needs LoadCredential={0}:PATH)"
    )]
    NoCredentials(String),
    /// systemd gave credentials, but not this one.
    #[error("the credential {0} is not there (the service needs LoadCredential={0}:PATH)")]
    NoCredential(String),
    /// What is there can't be a secret.
    #[error("what {place} holds is no secret: {why}")]
    Nonsense {
        /// Where it came from.
        place: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The table names no place or several. A file that was checked can't have one.
    #[error("a secret has exactly one of credential, file and env")]
    NoPlace,
}

impl SecretError {
    /// What is wrong, without what to do about it.
    pub fn what(&self) -> String {
        match self {
            Self::Missing { path } => format!("the secret file {path} does not exist"),
            Self::Unfit { path, why, .. } => format!("the secret file {path} is refused: {why}"),
            Self::NoCredentials(name) => {
                format!("the credential {name} is not there: $CREDENTIALS_DIRECTORY is not set")
            }
            Self::NoCredential(name) => format!("the credential {name} is not there"),
            other => other.to_string(),
        }
    }

    /// What to do about it, where that is known.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Missing { path } => Some(format!("put the secret there, then: chmod 600 {path}")),
            Self::Unfit { remedy, .. } => Some(remedy.clone()),
            Self::NoCredentials(name) | Self::NoCredential(name) => {
                Some(format!("the service needs LoadCredential={name}:PATH"))
            }
            _ => None,
        }
    }

    /// Whether another process, the service itself, may well have the secret that is missing here.
    pub fn may_differ_elsewhere(&self) -> bool {
        match self {
            Self::NoVariable(_) | Self::NoCredentials(_) => true,
            Self::Unreadable { error, .. } => error.kind() == std::io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }
}

/// Looks an environment variable up.
type Lookup<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// Where this process finds secrets.
pub struct Secrets<'e> {
    credentials: Option<PathBuf>,
    variable: Box<Lookup<'e>>,
}

impl Secrets<'static> {
    /// The environment of this process.
    pub fn of_this_process() -> Self {
        Self {
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            variable: Box::new(|name| std::env::var(name).ok()),
        }
    }
}

impl<'e> Secrets<'e> {
    /// An environment of the caller's making.
    pub fn new(credentials: Option<PathBuf>, variable: impl Fn(&str) -> Option<String> + 'e) -> Self {
        Self { credentials, variable: Box::new(variable) }
    }

    /// Fetches a secret. A newline at its end is not part of it.
    ///
    /// # Errors
    /// When it is not there, or its file is open to others.
    pub fn fetch(&self, place: &SecretRef) -> Result<Zeroizing<String>, SecretError> {
        let (text, place) = match (&place.credential, &place.file, &place.env) {
            (Some(name), None, None) => (self.credential(name)?, format!("the credential {name}")),
            (None, Some(path), None) => {
                let (file, metadata) = open(path, true)?;
                (read(file, &metadata, path)?, format!("the file {}", path.display()))
            }
            (None, None, Some(name)) => {
                let value = (self.variable)(name).ok_or_else(|| SecretError::NoVariable(name.clone()))?;
                (Zeroizing::new(value), format!("the environment variable {name}"))
            }
            _ => return Err(SecretError::NoPlace),
        };
        usable(text, place)
    }

    fn credential(&self, name: &str) -> Result<Zeroizing<String>, SecretError> {
        let folder = self.credentials.as_ref().ok_or_else(|| SecretError::NoCredentials(name.to_owned()))?;
        if super::forms::check("credential-name", name) != Some(Ok(())) {
            return Err(SecretError::NoCredential("of that name".to_owned()));
        }
        let path = folder.join(name);
        // systemd keeps the folder closed to others; the files' mode bits show its access list, not who can read them.
        match open(&path, false) {
            Ok((file, metadata)) => read(file, &metadata, &path),
            Err(SecretError::Missing { .. }) => Err(SecretError::NoCredential(name.to_owned())),
            Err(error) => Err(error),
        }
    }
}

/// Opens a file that can be trusted with a secret: a regular one, no link, and closed to others if `private`.
fn open(path: &Path, private: bool) -> Result<(File, Metadata), SecretError> {
    let shown = path.display().to_string();
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => SecretError::Missing { path: shown.clone() },
        _ => SecretError::Unreadable { path: shown.clone(), error },
    };
    let unfit =
        |why: &str, remedy: String| Err(SecretError::Unfit { path: shown.clone(), why: why.to_owned(), remedy });
    let named = std::fs::symlink_metadata(path).map_err(failed)?;
    if named.is_symlink() {
        return unfit("it is a symbolic link", "name the file itself".to_owned());
    }
    if !named.is_file() {
        return unfit("it is not a regular file", "name a file with the secret in it".to_owned());
    }
    let mode = named.permissions().mode() & 0o777;
    if private && mode & 0o077 != 0 {
        return unfit(&format!("others can read or change it (mode {mode:03o})"), format!("chmod 600 {shown}"));
    }
    let file = File::open(path).map_err(failed)?;
    let opened = file.metadata().map_err(failed)?;
    if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) {
        return unfit("it was exchanged while it was opened", "look who writes there, then try again".to_owned());
    }
    if opened.len() > LARGEST {
        return unfit(
            &format!("it has {} bytes; a secret has at most {LARGEST}", opened.len()),
            "name a file with the secret in it".to_owned(),
        );
    }
    Ok((file, opened))
}

fn read(file: File, metadata: &Metadata, path: &Path) -> Result<Zeroizing<String>, SecretError> {
    // Room for all of it at once: a buffer that grows would leave copies behind.
    let room = usize::try_from(metadata.len().min(LARGEST)).unwrap_or(0) + 1;
    let mut text = Zeroizing::new(String::with_capacity(room));
    let read = file.take(LARGEST).read_to_string(&mut text);
    match read {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(SecretError::Nonsense { place: format!("the file {}", path.display()), why: "it is not text" })
        }
        Err(error) => Err(SecretError::Unreadable { path: path.display().to_string(), error }),
    }
}

/// Takes the newline off and refuses what no app or directory takes for a secret.
fn usable(mut text: Zeroizing<String>, place: String) -> Result<Zeroizing<String>, SecretError> {
    let end = text.strip_suffix('\n').map_or(text.len(), |text| text.strip_suffix('\r').unwrap_or(text).len());
    text.truncate(end);
    if text.is_empty() {
        return Err(SecretError::Nonsense { place, why: "it is empty" });
    }
    if text.chars().any(char::is_control) {
        return Err(SecretError::Nonsense { place, why: "it has more than one line, or control characters" });
    }
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn file(folder: &Path, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn of_file(path: PathBuf) -> SecretRef {
        SecretRef { file: Some(path), ..SecretRef::default() }
    }

    fn nowhere() -> Secrets<'static> {
        Secrets::new(None, |_| None)
    }

    #[test]
    fn a_secret_is_its_file_without_the_last_newline() {
        let folder = tempfile::tempdir().unwrap();
        for content in ["s3cr3t", "s3cr3t\n", "s3cr3t\r\n"] {
            let path = file(folder.path(), "token", content.as_bytes(), 0o600);
            assert_eq!(nowhere().fetch(&of_file(path)).unwrap().as_str(), "s3cr3t");
        }
    }

    #[test]
    fn i6_a_file_that_others_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o640, 0o604, 0o644, 0o620, 0o602, 0o666] {
            let path = file(folder.path(), "token", b"s3cr3t", mode);
            let error = nowhere().fetch(&of_file(path.clone())).unwrap_err().to_string();
            assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
            assert!(!error.contains("s3cr3t"));
        }
        let path = file(folder.path(), "token", b"s3cr3t", 0o400);
        assert!(nowhere().fetch(&of_file(path)).is_ok());
    }

    #[test]
    fn i6_links_folders_and_giants_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "token", b"s3cr3t", 0o600);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let giant = file(folder.path(), "giant", &vec![b'a'; (64 << 10) + 1], 0o600);
        for (path, why) in [(link, "symbolic link"), (folder.path().to_owned(), "regular file"), (giant, "65537 bytes")]
        {
            let error = nowhere().fetch(&of_file(path)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn i6_what_can_not_be_a_secret_is_refused_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        for content in [&b""[..], b"\n", b"s3cr3t\nmore", b"s3cr3t\xff", b"s3cr3t\0"] {
            let path = file(folder.path(), "token", content, 0o600);
            let error = nowhere().fetch(&of_file(path)).unwrap_err();
            assert!(matches!(error, SecretError::Nonsense { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains("s3cr3t"));
        }
    }

    #[test]
    fn w1_an_error_is_what_is_wrong_and_its_remedy() {
        let (path, name) = (|| "/x".to_owned(), || "c".to_owned());
        let unfit =
            SecretError::Unfit { path: path(), why: "others can read it".into(), remedy: "chmod 600 /x".into() };
        for error in [
            SecretError::Missing { path: path() },
            unfit,
            SecretError::NoCredentials(name()),
            SecretError::NoCredential(name()),
        ] {
            assert_eq!(error.to_string(), format!("{} ({})", error.what(), error.remedy().unwrap()));
        }
        assert_eq!(SecretError::NoPlace.remedy(), None);
    }

    #[test]
    fn a_credential_and_a_variable_are_found_where_systemd_and_the_shell_put_them() {
        let folder = tempfile::tempdir().unwrap();
        file(folder.path(), "heap", b"s3cr3t\n", 0o440);
        let secrets = Secrets::new(Some(folder.path().to_owned()), |name| (name == "HEAP").then(|| "v4lue".to_owned()));
        let credential = |name: &str| SecretRef { credential: Some(name.to_owned()), ..SecretRef::default() };
        let variable = |name: &str| SecretRef { env: Some(name.to_owned()), ..SecretRef::default() };
        assert_eq!(secrets.fetch(&credential("heap")).unwrap().as_str(), "s3cr3t");
        assert_eq!(secrets.fetch(&variable("HEAP")).unwrap().as_str(), "v4lue");
        assert!(matches!(secrets.fetch(&credential("other")), Err(SecretError::NoCredential(_))));
        assert!(matches!(secrets.fetch(&credential("../heap")), Err(SecretError::NoCredential(_))));
        assert!(matches!(nowhere().fetch(&credential("heap")), Err(SecretError::NoCredentials(_))));
        assert!(matches!(secrets.fetch(&variable("OTHER")), Err(SecretError::NoVariable(_))));
        assert!(matches!(secrets.fetch(&SecretRef::default()), Err(SecretError::NoPlace)));
    }
}
