//! Secrets, fetched from where they are kept. In: a [`SecretRef`] of a checked file. Out: the secret, in memory that is wiped
//! when it is dropped; or an error that names the place and the remedy and never the value (I6).
//!
//! They are fetched anew for each run, so that a rotated secret needs no restart (a systemd credential does: it is fixed
//! while the service runs).

mod command;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;
use zeroize::Zeroizing;

use super::tenant::SecretRef;
use crate::files;
use crate::files::trust::{Distrust, FileTrust, TrustFault};
use crate::model::text::place as place_of;

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
    /// A program did not print a secret.
    #[error("the command {program} gave no secret: {why} ({remedy})")]
    Command {
        /// The program.
        program: String,
        /// What went wrong.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// The table names no place or several. A file that was checked can't have one.
    #[error("a secret has exactly one of credential, file, env and command")]
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
            Self::Command { program, why, .. } => format!("the command {program} gave no secret: {why}"),
            other => other.to_string(),
        }
    }

    /// What to do about it, where that is known.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Missing { path } => Some(format!("put the secret there, then: chmod 600 {path}")),
            Self::Unfit { remedy, .. } | Self::Command { remedy, .. } => Some(remedy.clone()),
            Self::NoCredentials(name) | Self::NoCredential(name) => {
                Some(format!("the service needs LoadCredential={name}:PATH"))
            }
            _ => None,
        }
    }

    /// The beginning of a command line that runs a command beside the service with the credential that is missing here.
    pub fn command_with_credentials(&self) -> Option<String> {
        match self {
            Self::NoCredentials(name) => Some(format!(
                "systemd-run --pipe --wait --quiet --uid=rosterd -p LoadCredential={name}:/etc/rosterd/credentials/{name} rosterd …"
            )),
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
type EnvLookup<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// Where this process finds secrets.
pub struct Secrets<'e> {
    credentials: Option<PathBuf>,
    variable: Box<EnvLookup<'e>>,
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
        let (text, place) = self.raw(place)?;
        usable(text, place)
    }

    /// Fetches a secret of several lines: a private key as PEM.
    ///
    /// # Errors
    /// As for [`Secrets::fetch`].
    pub fn fetch_key(&self, place: &SecretRef) -> Result<Zeroizing<String>, SecretError> {
        let (text, place) = self.raw(place)?;
        match text.trim().is_empty() {
            true => Err(SecretError::Nonsense { place, why: "it is empty" }),
            false => Ok(text),
        }
    }

    /// The text as it stands there, and the place for messages.
    fn raw(&self, place: &SecretRef) -> Result<(Zeroizing<String>, String), SecretError> {
        if place.command.is_some() && (&place.credential, &place.file, &place.env) != (&None, &None, &None) {
            return Err(SecretError::NoPlace);
        }
        if let Some(program) = place.command.as_ref().and_then(|command| command.first()) {
            return Ok((command::fetch(place, &self.variable)?, format!("the command {}", place_of(program))));
        }
        Ok(match (&place.credential, &place.file, &place.env) {
            (Some(name), None, None) => (self.credential(name)?, format!("the credential {name}")),
            (None, Some(path), None) => {
                let (file, metadata) = open(path, true, self.credentials.as_deref())?;
                (read(file, &metadata, path)?, format!("the file {}", place_of(&path.display().to_string())))
            }
            (None, None, Some(name)) => {
                let value = (self.variable)(name).ok_or_else(|| SecretError::NoVariable(place_of(name)))?;
                (Zeroizing::new(value), format!("the environment variable {}", place_of(name)))
            }
            _ => return Err(SecretError::NoPlace),
        })
    }

    /// The secret as far as it is known without starting a program: what a `command` printed last, or what stands in any other place.
    ///
    /// # Errors
    /// As for [`Secrets::fetch`]. `None` for a command whose output is not known now.
    pub fn known(&self, place: &SecretRef) -> Result<Option<Zeroizing<String>>, SecretError> {
        match place.command {
            None => self.fetch(place).map(Some),
            Some(_) => command::refusal(place).map_or_else(|| Ok(command::cached(place)), Err),
        }
    }

    /// Forgets what a `command` printed, because it was refused. Any other place is read again for each run anyhow.
    pub fn forget(place: &SecretRef) {
        command::forget(place);
    }

    fn credential(&self, name: &str) -> Result<Zeroizing<String>, SecretError> {
        let folder = self.credentials.as_ref().ok_or_else(|| SecretError::NoCredentials(place_of(name)))?;
        if super::forms::check("credential-name", name) != Some(Ok(())) {
            return Err(SecretError::NoCredential("of that name".to_owned()));
        }
        let path = folder.join(name);
        // systemd keeps the folder closed to others; the files' mode bits show its access list, not who can read them.
        match open(&path, false, None) {
            Ok((file, metadata)) => read(file, &metadata, &path),
            Err(SecretError::Missing { .. }) => Err(SecretError::NoCredential(place_of(name))),
            Err(error) => Err(error),
        }
    }
}

/// Opens a file that can be trusted with a secret: a regular one that no other user could have put there, and closed to others if
/// `private`. A link is followed if only root and the user of this process could have placed it and what it leads to.
fn open(path: &Path, private: bool, credentials: Option<&Path>) -> Result<(File, Metadata), SecretError> {
    let shown = place_of(&path.display().to_string());
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => SecretError::Missing { path: shown.clone() },
        _ => SecretError::Unreadable { path: shown.clone(), error },
    };
    let unfit =
        |why: &str, remedy: String| Err(SecretError::Unfit { path: shown.clone(), why: why.to_owned(), remedy });
    let trusted = match FileTrust::of_this_process().look(path) {
        Ok(trusted) => trusted,
        Err(Distrust::Unseen { error, .. }) => return Err(failed(error)),
        Err(refused) => {
            // One that this process may not read anyhow is the business of the one that may.
            return Err(match rustix::fs::access(path, rustix::fs::Access::READ_OK) {
                Ok(()) => unfit_for(path, refused),
                Err(denied) => failed(denied.into()),
            });
        }
    };
    let (file, opened) = match files::open_with_metadata(&trusted.path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            return unfit(&error.to_string(), "name a file with the secret in it".to_owned());
        }
        opened => opened.map_err(failed)?,
    };
    if (trusted.metadata.dev(), trusted.metadata.ino()) != (opened.dev(), opened.ino()) {
        return unfit("it was exchanged while it was opened", "look who writes there, then try again".to_owned());
    }
    let mode = opened.mode() & 0o777;
    let is_group_only = mode & 0o037 == 0 && is_own_group(opened.gid());
    if private && mode & 0o077 != 0 && !(is_group_only && is_kept(&file, &trusted.path, credentials)) {
        return Err(open_to_others(path, mode, &trusted.path.display().to_string()));
    }
    if opened.len() > LARGEST {
        return unfit(
            &format!("it has {} bytes; a secret has at most {LARGEST}", opened.len()),
            "name a file with the secret in it".to_owned(),
        );
    }
    Ok((file, opened))
}

/// Why a secret file is not trusted, if another user could have changed it; `None` also where there is none.
pub fn refusal(path: &Path) -> Option<SecretError> {
    match FileTrust::of_this_process().look(path) {
        Err(refused @ Distrust::Refused { .. }) => Some(unfit_for(path, refused)),
        _ => None,
    }
}

fn unfit_for(path: &Path, refused: Distrust) -> SecretError {
    let why = refused.to_string();
    match refused {
        Distrust::Refused { path: blamed, fault: TrustFault::WritableFile, .. } => {
            let mode = std::fs::metadata(&blamed).map_or(0, |found| found.mode() & 0o777);
            open_to_others(path, mode, &blamed)
        }
        Distrust::Refused { remedy, .. } => SecretError::Unfit { path: path.display().to_string(), why, remedy },
        Distrust::Unseen { error, .. } => SecretError::Unreadable { path: path.display().to_string(), error },
    }
}

fn open_to_others(path: &Path, mode: u32, real: &str) -> SecretError {
    let why = format!("others can read or change it (mode {mode:03o})");
    SecretError::Unfit { path: path.display().to_string(), why, remedy: format!("chmod 600 {real}") }
}

/// Whether a group is one of this process's own, or root's: systemd shows its access list as root's group.
fn is_own_group(group: u32) -> bool {
    let own = rustix::process::getgroups().unwrap_or_default();
    let own = own.into_iter().chain([rustix::process::getegid()]).map(rustix::process::Gid::as_raw);
    group == 0 || own.into_iter().any(|one| one == group)
}

/// Whether the file is where a supervisor hands secrets over: in `$CREDENTIALS_DIRECTORY`, or on a file system that is mounted
/// read-only. Modes there are the supervisor's choice, and a group is the only way to let a user read.
fn is_kept(file: &File, path: &Path, credentials: Option<&Path>) -> bool {
    let in_credentials = credentials
        .and_then(|folder| FileTrust::of_this_process().look(folder).ok())
        .is_some_and(|folder| path.starts_with(&folder.path));
    in_credentials || rustix::fs::fstatvfs(file).is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY))
}

fn read(file: File, metadata: &Metadata, path: &Path) -> Result<Zeroizing<String>, SecretError> {
    // Room for all of it at once: a buffer that grows would leave copies behind.
    let room = usize::try_from(metadata.len().min(LARGEST)).unwrap_or(0) + 1;
    let mut text = Zeroizing::new(String::with_capacity(room));
    let read = file.take(LARGEST).read_to_string(&mut text);
    match read {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(SecretError::Nonsense {
            place: format!("the file {}", place_of(&path.display().to_string())),
            why: "it is not text",
        }),
        Err(error) => Err(SecretError::Unreadable { path: place_of(&path.display().to_string()), error }),
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::files::trust::testing::{ANOTHER, give};

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
    fn i6_folders_and_giants_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let giant = file(folder.path(), "giant", &vec![b'a'; (64 << 10) + 1], 0o600);
        for (path, why) in [(folder.path().to_owned(), "regular file"), (giant, "65537 bytes")] {
            let error = nowhere().fetch(&of_file(path)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn sec18_a_link_is_followed_if_nobody_else_could_have_placed_it() {
        let folder = tempfile::tempdir().unwrap();
        let (data, token, link) =
            (folder.path().join("..2026"), folder.path().join("token"), folder.path().join("..data"));
        std::fs::create_dir(&data).unwrap();
        let real = file(&data, "token", b"s3cr3t", 0o400);
        std::os::unix::fs::symlink("..2026", &link).unwrap();
        std::os::unix::fs::symlink("..data/token", &token).unwrap();
        assert_eq!(nowhere().fetch(&of_file(token.clone())).unwrap().as_str(), "s3cr3t");
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o444)).unwrap();
        let error = nowhere().fetch(&of_file(token.clone())).unwrap_err().to_string();
        assert!(
            error.contains("mode 444") && error.contains("chmod 600"),
            "a link does not hide who can read it: {error}"
        );
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o400)).unwrap();
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = nowhere().fetch(&of_file(token.clone())).unwrap_err().to_string();
        assert!(error.contains("can be changed by every user") && error.contains("chmod go-w"), "{error}");
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
        if give(&link, ANOTHER) {
            let error = nowhere().fetch(&of_file(token)).unwrap_err().to_string();
            assert!(error.contains("belongs to user 65534") && !error.contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn sec18_a_secret_of_another_user_or_in_a_folder_of_everybody_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        std::fs::create_dir(&open).unwrap();
        let path = file(&open, "token", b"s3cr3t", 0o600);
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = nowhere().fetch(&of_file(path.clone())).unwrap_err().to_string();
        assert!(error.contains(&format!("chmod go-w {}", open.display())), "{error}");
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o700)).unwrap();
        if give(&path, ANOTHER) {
            let error = nowhere().fetch(&of_file(path)).unwrap_err().to_string();
            assert!(error.contains("belongs to user 65534"), "{error}");
        }
    }

    #[test]
    fn sec18_a_group_may_read_what_a_supervisor_hands_over_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let given = folder.path().join("given");
        std::fs::create_dir(&given).unwrap();
        let (inside, outside) = (file(&given, "a", b"s3cr3t", 0o440), file(folder.path(), "a", b"s3cr3t", 0o440));
        let secrets = Secrets::new(Some(given.clone()), |_| None);
        assert!(secrets.fetch(&of_file(inside.clone())).is_ok());
        assert!(secrets.fetch(&of_file(outside)).unwrap_err().to_string().contains("mode 440"));
        assert!(nowhere().fetch(&of_file(inside.clone())).unwrap_err().to_string().contains("mode 440"));
        for mode in [0o444, 0o460, 0o640 | 0o010, 0o404] {
            std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(secrets.fetch(&of_file(inside.clone())).is_err(), "{mode:o}");
        }
        std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(secrets.fetch(&of_file(inside.clone())).is_ok());
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&inside, None, Some(4242)).unwrap();
            assert!(secrets.fetch(&of_file(inside)).is_err(), "a group that is none of ours");
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
