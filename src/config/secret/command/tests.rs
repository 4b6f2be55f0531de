use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::super::Secrets;
use super::*;

/// A script of the shell in a folder that only this user can change.
struct Script {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Script {
    fn new(body: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("print-secret");
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        Self { folder, path }
    }

    /// The script as a secret's place, with this text as its only argument.
    fn place(&self, argument: &str) -> SecretRef {
        let command = vec![self.path.display().to_string(), argument.to_owned()];
        SecretRef { command: Some(command), ..SecretRef::default() }
    }

    fn fetch(&self) -> Result<String, SecretError> {
        secrets().fetch(&self.place("x")).map(|secret| secret.to_string())
    }

    fn error(&self) -> String {
        let error = self.fetch().unwrap_err();
        assert!(matches!(error, SecretError::Command { .. }), "{error:?}");
        error.to_string()
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.folder.path().join("runs")).map_or(0, |text| text.lines().count())
    }
}

fn secrets() -> Secrets<'static> {
    Secrets::new(None, |name| match name {
        "PATH" => Some("/usr/bin:/bin".to_owned()),
        "VAULT_ADDR" => Some("https://vault.example".to_owned()),
        "OTHER" => Some("not-given".to_owned()),
        _ => None,
    })
}

#[test]
fn the_only_line_of_output_is_the_secret() {
    for body in ["echo s3cr3t", "printf s3cr3t", "printf 's3cr3t\\r\\n'", "echo ignored >&2; echo s3cr3t"] {
        assert_eq!(Script::new(body).fetch().unwrap(), "s3cr3t", "{body}");
    }
}

#[test]
fn i6_output_that_is_no_secret_is_an_error_that_does_not_show_it() {
    let cases = [
        ("true", "it printed nothing"),
        ("echo", "it printed nothing"),
        ("echo s3cr3t; echo s3cr3t", "it printed more than one line"),
        ("printf 's3cr3t\\001'", "what it printed has control characters"),
        ("printf 's3cr3t\\377'", "what it printed is not text"),
        ("head -c 70000 /dev/zero | tr '\\0' s", "it printed more than 65536 bytes"),
        ("echo s3cr3t; exit 3", "it ended with exit code 3 and no message"),
        (
            "echo s3cr3t; echo 'permission denied: s3cr3t' >&2; exit 2",
            "it ended with exit code 2: permission denied: ***",
        ),
        ("echo 'token hvs.CAESIJlU3cr3tS3cr3tS3cr3t' >&2; exit 2", "it ended with exit code 2: token ***"),
        ("kill -9 $$", "it was ended (signal: 9"),
    ];
    for (body, wanted) in cases {
        let script = Script::new(body);
        let error = script.error();
        assert!(error.contains(wanted), "{body}: {error}");
        assert!(error.contains(&script.path.display().to_string()), "{error}");
        assert!(!error.contains("s3cr3t") && !error.contains("S3cr3t"), "{error}");
    }
}

#[test]
fn there_is_no_shell_and_only_named_variables_are_given() {
    let script = Script::new("printf '%s %s %s' \"$1\" \"$VAULT_ADDR\" \"$OTHER\"");
    let mut place = script.place("$HOME; id");
    place.environment = Some(vec!["VAULT_ADDR".to_owned(), "MISSING".to_owned()]);
    assert_eq!(secrets().fetch(&place).unwrap().as_str(), "$HOME; id https://vault.example ");
}

#[test]
fn a_program_that_hangs_is_killed_with_all_it_started() {
    let script = Script::new("sleep 600 & echo $! > \"$(dirname \"$0\")/child\"; echo s3cr3t; wait");
    let place = SecretRef { timeout: Some("1s".parse().unwrap()), ..script.place("x") };
    let error = secrets().fetch(&place).unwrap_err().to_string();
    assert!(error.contains("it did not end within 1 s and was killed"), "{error}");
    let child: i32 = std::fs::read_to_string(script.folder.path().join("child")).unwrap().trim().parse().unwrap();
    // The signal was sent; the kernel ends the process when it gets to it, and its new parent reaps it.
    let is_gone = || {
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_gone() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(is_gone(), "process {child} is still there");
}

#[test]
fn what_a_program_leaves_running_is_killed_and_its_output_counts() {
    assert_eq!(Script::new("sleep 600 & echo s3cr3t").fetch().unwrap(), "s3cr3t");
}

#[test]
fn the_output_is_used_for_the_time_of_the_cache() {
    let script = Script::new("echo run >> \"$(dirname \"$0\")/runs\"; echo s3cr3t");
    let place = script.place("x");
    assert_eq!(secrets().known(&place).unwrap(), None, "nothing is started to find out");
    for _ in 0..3 {
        assert_eq!(secrets().fetch(&place).unwrap().as_str(), "s3cr3t");
    }
    assert_eq!(script.runs(), 1);
    assert_eq!(secrets().known(&place).unwrap().unwrap().as_str(), "s3cr3t");
    // The same command with an older output than its time allows.
    *SecretProgram::of(&place).unwrap().output().lock().unwrap() =
        Instant::now().checked_sub(USUAL_CACHE).map(|since| (since, Zeroizing::new("old".to_owned())));
    assert_eq!(secrets().fetch(&place).unwrap().as_str(), "s3cr3t");
    assert_eq!(script.runs(), 2);
}

#[test]
fn many_who_want_it_at_once_start_the_program_once() {
    let script = Script::new("echo run >> \"$(dirname \"$0\")/runs\"; echo s3cr3t");
    let place = script.place("x");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(secrets().fetch(&place).unwrap().as_str(), "s3cr3t"));
        }
    });
    assert_eq!(script.runs(), 1);
}

#[test]
fn an_output_that_was_refused_is_asked_for_once_more() {
    let script = Script::new("echo run >> \"$(dirname \"$0\")/runs\"; echo s3cr3t");
    let place = script.place("x");
    secrets().fetch(&place).unwrap();
    Secrets::forget(&place);
    secrets().fetch(&place).unwrap();
    assert_eq!(script.runs(), 2);
}

#[test]
fn a_failure_is_not_kept() {
    let script =
        Script::new("echo run >> \"$(dirname \"$0\")/runs\"; test -e \"$(dirname \"$0\")/ready\" && echo s3cr3t");
    script.error();
    std::fs::write(script.folder.path().join("ready"), "").unwrap();
    assert_eq!(script.fetch().unwrap(), "s3cr3t");
    assert_eq!(script.runs(), 2);
}

#[test]
fn sec18_a_program_that_others_could_change_is_not_started() {
    let script = Script::new("echo run >> \"$(dirname \"$0\")/runs\"; echo s3cr3t");
    let mode = |mode| std::fs::set_permissions(&script.path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o722);
    assert!(script.error().contains("chmod go-w"), "{}", script.error());
    mode(0o600);
    // Root may read everything, but execute only what somebody may.
    assert!(script.error().contains("may not execute"), "{}", script.error());
    mode(0o700);
    for (path, wanted) in
        [("print-secret", "whole path"), ("/nowhere/print-secret", "no such program"), ("/usr", "no regular file")]
    {
        let place = SecretRef { command: Some(vec![path.to_owned()]), ..SecretRef::default() };
        let error = secrets().fetch(&place).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    assert_eq!(script.runs(), 0);
}

#[test]
fn w1_one_place_is_named_and_no_second() {
    let script = Script::new("echo s3cr3t");
    let place = SecretRef { env: Some("PATH".to_owned()), ..script.place("x") };
    assert!(matches!(secrets().fetch(&place), Err(SecretError::NoPlace)));
}
