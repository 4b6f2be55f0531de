//! May the programs that print secrets be started? It takes the secrets of a tenant or receiver, `[programs]` of `rosterd.toml` and the unit files of
//! this machine, and returns a diagnostic for each program that is not allowed, and the lines to paste for one that the service may not start.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;
use crate::config::global::ProgramsTable;
use crate::config::tenant::SecretRef;
use crate::files;

/// The unit of the service, and where systemd looks for it and for what is added to it.
const UNIT: &str = "rosterd.service";
const FOLDERS: [&str; 4] = ["etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];

/// Secrets with the keys that lead to them.
pub(super) type LocatedSecret<'a> = (Vec<&'a str>, &'a SecretRef);

/// What is wrong with the commands of secrets, whatever machine they run on.
pub(super) fn check(
    document: &Document<'_>,
    secrets: &[LocatedSecret<'_>],
    programs: Option<&ProgramsTable>,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (path, secret) in secrets {
        let key = |name: &'static str| [path.as_slice(), &[name]].concat();
        let Some(program) = secret.command.as_ref().and_then(|command| command.first()) else {
            let given = [
                ("cache", secret.cache.is_some()),
                ("timeout", secret.timeout.is_some()),
                ("environment", secret.environment.is_some()),
            ];
            let only_for_commands = given.into_iter().filter(|(_, is_given)| *is_given);
            found.extend(only_for_commands.map(|(name, _)| {
                document.error(
                    &key(name),
                    format!("`{name}` is only for a `command`"),
                    "leave it out: other secrets are read again for each run",
                )
            }));
            continue;
        };
        if !Path::new(program).is_absolute() {
            let hint = "find it with `command -v PROGRAM` and write the whole path";
            found.push(document.error(&key("command"), "a program is named by its whole path", hint));
        } else if programs.is_some_and(|table| !table.allow.iter().any(|allowed| allowed == Path::new(program))) {
            let message = format!(
                "{program} is not one of the programs that `[programs]` of rosterd.toml allows; it was not started"
            );
            let hint = format!("add it there: allow = [\"{program}\"]");
            found.push(document.error(&key("command"), message, hint));
        }
    }
    found
}

/// A warning with the lines to paste, if the unit of this machine forbids the programs of some secrets. `root` is `/`.
pub(super) fn unit(document: &Document<'_>, secrets: &[LocatedSecret<'_>], root: &Path) -> Option<Diagnostic> {
    let exec = ExecPaths::of_unit(root)?;
    let commands = secrets.iter().filter_map(|(path, secret)| Some((path, secret.command.as_ref()?.first()?)));
    let forbidden: Vec<(&Vec<&str>, Vec<PathBuf>)> = commands
        .map(|(path, program)| {
            let needed =
                needed(Path::new(program)).into_iter().filter(|needed| !exec.allow(needed)).collect::<Vec<_>>();
            (path, needed)
        })
        .filter(|(_, needed)| !needed.is_empty())
        .collect();
    let (path, _) = forbidden.first()?;
    let mut programs: Vec<String> =
        forbidden.iter().flat_map(|(_, needed)| needed).map(|path| path.display().to_string()).collect();
    programs.sort();
    programs.dedup();
    let message = format!("{UNIT} of this machine forbids the service to start {}", programs.join(" and "));
    let hint = format!(
        "put these two lines into /etc/systemd/system/{UNIT}.d/programs.conf: `[Service]` and `ExecPaths={}`; then: systemctl daemon-reload && systemctl \
         restart rosterd",
        programs.join(" ")
    );
    Some(document.warning(&[path.as_slice(), &["command"]].concat(), message, hint))
}

/// The program, where it really is, and the interpreter of a script.
fn needed(program: &Path) -> Vec<PathBuf> {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let program = real(program);
    let interpreter = first_line(&program).and_then(|line| {
        let rest = line.strip_prefix("#!")?.trim();
        Some(real(Path::new(rest.split_whitespace().next()?)))
    });
    [Some(program), interpreter].into_iter().flatten().collect()
}

/// The first line of a script; `None` for another file, or one that can't be read here.
fn first_line(path: &Path) -> Option<String> {
    let file = files::open_regular(path).ok()?;
    let mut line = Vec::new();
    BufReader::new(file.take(256)).read_until(b'\n', &mut line).ok()?;
    String::from_utf8(line).ok()
}

/// What the unit lets the service execute.
struct ExecPaths(Vec<PathBuf>);

impl ExecPaths {
    /// Of the unit that is installed; `None` where there is none, or where it forbids nothing.
    fn of_unit(root: &Path) -> Option<Self> {
        let mut forbids = false;
        let mut allowed = Vec::new();
        for (key, value) in Self::lines(root) {
            match (key.as_str(), value.as_str()) {
                ("NoExecPaths", value) => forbids = !value.is_empty(),
                ("ExecPaths", "") => allowed.clear(),
                ("ExecPaths", value) => {
                    let paths =
                        value.split_whitespace().map(|path| path.trim_start_matches(['-', '+']).trim_matches('"'));
                    allowed.extend(paths.map(PathBuf::from));
                }
                _ => {}
            }
        }
        forbids.then_some(Self(allowed))
    }

    /// The settings of the unit, then of the files that are added to it in the order of their names: a file in an earlier folder hides one of its name
    /// in a later one (systemd.unit(5)).
    fn lines(root: &Path) -> Vec<(String, String)> {
        let unit = FOLDERS.iter().map(|folder| root.join(folder).join(UNIT)).find(|path| path.is_file());
        let mut added = std::collections::BTreeMap::new();
        for folder in FOLDERS {
            let entries =
                std::fs::read_dir(root.join(folder).join(format!("{UNIT}.d"))).into_iter().flatten().flatten();
            for path in
                entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "conf"))
            {
                added.entry(path.file_name().map(ToOwned::to_owned)).or_insert(path);
            }
        }
        let texts = unit.into_iter().chain(added.into_values()).filter_map(|path| std::fs::read_to_string(path).ok());
        let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        lines
            .filter_map(|line| {
                line.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
            })
            .collect()
    }

    fn allow(&self, program: &Path) -> bool {
        self.0.iter().any(|allowed| {
            program.starts_with(allowed) || std::fs::canonicalize(allowed).is_ok_and(|real| program.starts_with(real))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::document::SourceText;

    const TEXT: &str = "[target]\ntoken = { command = [\"/opt/x/vault\", \"read\"] }\n";

    fn with<T>(text: &str, look: impl FnOnce(&Document<'_>) -> T) -> T {
        let source = SourceText::new(Path::new("/t.toml"), text.to_owned());
        look(&Document::parse(&source, &mut Vec::new()))
    }

    fn of_command(command: &[&str]) -> SecretRef {
        SecretRef { command: Some(command.iter().map(|part| (*part).to_owned()).collect()), ..SecretRef::default() }
    }

    fn messages(secret: &SecretRef, allow: Option<&[&str]>) -> Vec<String> {
        let table = allow.map(|allow| ProgramsTable { allow: allow.iter().map(PathBuf::from).collect() });
        with(TEXT, |document| {
            check(document, &[(vec!["target", "token"], secret)], table.as_ref())
                .iter()
                .map(|one| one.message.clone())
                .collect()
        })
    }

    #[test]
    fn a_program_is_one_of_those_that_are_allowed() {
        let secret = of_command(&["/opt/x/vault", "read"]);
        assert!(messages(&secret, None).is_empty());
        assert!(messages(&secret, Some(&["/opt/x/vault"])).is_empty());
        for allow in [&[][..], &["/opt/x"], &["/opt/x/vault2"]] {
            assert!(messages(&secret, Some(allow))[0].contains("is not one of the programs"), "{allow:?}");
        }
        assert!(messages(&of_command(&["vault"]), None)[0].contains("whole path"));
    }

    #[test]
    fn keys_of_a_command_are_not_for_other_secrets() {
        let secret = SecretRef { env: Some("X".into()), cache: Some("5m".parse().unwrap()), ..SecretRef::default() };
        assert_eq!(messages(&secret, None), ["`cache` is only for a `command`"]);
    }

    #[test]
    fn a_unit_that_forbids_programs_is_told_with_the_lines_to_paste() {
        let root = tempfile::tempdir().unwrap();
        let script = root.path().join("secret.sh");
        std::fs::write(&script, "#!/bin/sh\necho x\n").unwrap();
        let secret = of_command(&[script.to_str().unwrap()]);
        let hint = || {
            with(TEXT, |document| {
                unit(document, &[(vec!["target", "token"], &secret)], root.path())
                    .map(|one| one.hint.unwrap_or_default())
            })
        };
        assert_eq!(hint(), None, "no unit");
        let units = root.path().join("usr/lib/systemd/system");
        std::fs::create_dir_all(&units).unwrap();
        std::fs::write(units.join(UNIT), "[Service]\nNoExecPaths=/\nExecPaths=/usr/bin/rosterd -/lib64\n").unwrap();
        let shell = std::fs::canonicalize("/bin/sh").unwrap();
        let script = std::fs::canonicalize(&script).unwrap();
        let (shell, script) = (shell.display(), script.display());
        let mut both = [shell.to_string(), script.to_string()];
        both.sort();
        assert!(hint().unwrap().contains(&format!("`ExecPaths={}`", both.join(" "))), "{:?}", hint());
        let added = root.path().join("etc/systemd/system/rosterd.service.d");
        std::fs::create_dir_all(&added).unwrap();
        std::fs::write(added.join("programs.conf"), format!("[Service]\nExecPaths={shell} {script}\n")).unwrap();
        assert_eq!(hint(), None);
        std::fs::write(added.join("zz.conf"), "[Service]\nExecPaths=\n").unwrap();
        assert!(hint().is_some(), "an empty value takes back what was allowed before");
    }
}
