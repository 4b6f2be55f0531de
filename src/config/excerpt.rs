//! Whose lines may be shown. In: a file's text and owner. Out: nothing, or a diagnostic that quotes no line.
//!
//! A mistake is shown with its line. Behind `sudo rosterd --config FILE check` that would show any file of the machine to every account
//! that may run it. So lines are shown only of files that belong to the person who calls, or that are rosterd's files beyond doubt.

use std::path::Path;

use toml::de::DeTable;

use super::diagnostic::{Diagnostic, Level, SourceLocation};
use super::schema::{self, SchemaKind};

/// The person behind this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InvokingUser {
    /// A user by number.
    User(u32),
    /// Somebody whose number is not known: no file is theirs.
    Unknown,
}

impl InvokingUser {
    /// The user who called sudo or pkexec, or else the user of this process. doas leaves a name only.
    pub(super) fn of_this_process() -> Self {
        Self::of(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        for name in ["SUDO_UID", "PKEXEC_UID"] {
            if let Some(text) = variable(name) {
                return text.trim().parse().map_or(Self::Unknown, Self::User);
            }
        }
        match variable("DOAS_USER") {
            Some(_) => Self::Unknown,
            None => Self::User(rustix::process::getuid().as_raw()),
        }
    }
}

/// Passes a text whose lines may be shown to the caller.
///
/// # Errors
/// For any other: the place and the kind of its first mistake.
pub(super) fn may_be_shown(path: &Path, text: &str, owner: u32, caller: InvokingUser) -> Result<(), Box<Diagnostic>> {
    if caller == InvokingUser::User(owner) {
        return Ok(());
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    let (known, all) = top_level_keys(root.get_ref());
    let is_rosterds = known > 0 && known * 2 >= all;
    let is_empty = all == 0 && errors.is_empty();
    if is_rosterds || is_empty {
        return Ok(());
    }
    let hint = format!(
        "name a file of rosterd's; lines are not shown because the file belongs to user {owner}, who is not the caller"
    );
    let Some(error) = errors.first() else {
        let message = "this is no file of rosterd's: it has none of its tables";
        return Err(Box::new(Diagnostic::of_file(path, message, hint)));
    };
    let place = SourceLocation::without_excerpt(text, error.span().unwrap_or(0..0));
    let message = "this is not TOML".to_owned();
    let (file, hint) = (path.to_owned(), Some(hint));
    Err(Box::new(Diagnostic { level: Level::Error, file, place: Some(place), message, hint, notes: Vec::new() }))
}

/// How many of a file's top-level keys are rosterd's, and how many there are.
fn top_level_keys(root: &DeTable<'_>) -> (usize, usize) {
    let is_known = |key: &str| {
        let has = |kind: SchemaKind| schema::of(kind).pointer("/properties").and_then(|all| all.get(key)).is_some();
        SchemaKind::ALL.into_iter().any(has)
    };
    let known = root.iter().filter(|(key, _)| is_known(key.get_ref())).count();
    (known, root.iter().count())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OTHER: InvokingUser = InvokingUser::User(1000);

    fn said(text: &str, caller: InvokingUser) -> String {
        match may_be_shown(Path::new("/etc/x"), text, 0, caller) {
            Ok(()) => String::new(),
            Err(one) => super::super::diagnostic::render(&[*one], false),
        }
    }

    #[test]
    fn sec29_no_line_of_a_file_that_is_neither_the_callers_nor_rosterds_is_shown() {
        let shadow = "root:$6$salt$hash:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n";
        let env = "API_KEY = \"s3cr3t\"\nDATABASE_URL = \"postgres://u:s3cr3t@h\"\n";
        let runner = "concurrent = 1\n[[runners]]\ntoken = \"s3cr3t\"\n";
        let ini = "[client]\npassword=s3cr3t\n";
        for text in [shadow, env, runner, ini, "s3cr3t", "a = s3cr3t"] {
            for caller in [OTHER, InvokingUser::Unknown] {
                let said = said(text, caller);
                assert!(!said.is_empty(), "{text}");
                for secret in ["s3cr3t", "$6$", "root", "API_KEY", "runners", "client"] {
                    assert!(!said.contains(secret), "{secret}: {said}");
                }
            }
            assert_eq!(said(text, InvokingUser::User(0)), "", "one's own file");
        }
        assert!(said(shadow, OTHER).starts_with("/etc/x:1:"), "the place is told: {}", said(shadow, OTHER));
    }

    #[test]
    fn sec29_rosterds_own_files_keep_their_lines_behind_sudo() {
        let tenant = "[source.file]\npath = 'x'\n[target]\nbase_url = \"https://a.example\"\n";
        for text in [tenant, "state_dir = 'x'\nstate_dri = 1\n", "# nothing\n", "", "[target]\nbase_url = \n"] {
            assert_eq!(said(text, OTHER), "", "{text}");
        }
    }

    #[test]
    fn sec29_the_caller_is_who_called_sudo() {
        let of = |set: &[(&str, &str)]| {
            InvokingUser::of(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[("SUDO_UID", "1000")]), InvokingUser::User(1000));
        assert_eq!(of(&[("PKEXEC_UID", "7")]), InvokingUser::User(7));
        assert_eq!(
            (of(&[("SUDO_UID", "x")]), of(&[("DOAS_USER", "ann")])),
            (InvokingUser::Unknown, InvokingUser::Unknown)
        );
        assert_eq!(of(&[]), InvokingUser::User(rustix::process::getuid().as_raw()));
    }
}
