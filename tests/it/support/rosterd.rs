//! Runs the real binary in a folder of its own, with an empty environment.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::process;

/// The longest a command may take before the test is given up.
const RUN_LIMIT: Duration = Duration::from_secs(300);

/// A folder with `rosterd.toml`, `tenants/` and `state/`, deleted with this value.
#[derive(Debug)]
pub(crate) struct Rosterd {
    folder: TempDir,
    runs: std::cell::Cell<u32>,
}

/// A command that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command that has been started. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    leash: Option<ChildStdin>,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Rosterd {
    /// An installation without tenants.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for rosterd");
        let rosterd = Self { folder, runs: std::cell::Cell::new(0) };
        fs::create_dir(rosterd.path().join("tenants")).expect("the tenants folder");
        rosterd.file("rosterd.toml", "state_dir = \"state\"\n");
        rosterd
    }

    /// The installation's folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes (again) a tenant file, with a first sync that needs no approval: daemons of tests begin with new tenants. What is said of the first
    /// sync itself is tested with [`Self::file`].
    pub(crate) fn tenant(&self, name: &str, toml: &str) {
        const APPROVAL: &str = "[approval]\n";
        let text = match toml.contains(APPROVAL) {
            _ if toml.contains("first_sync") => toml.to_owned(),
            true => toml.replacen(APPROVAL, "[approval]\nfirst_sync = false\n", 1),
            false => format!("{toml}\n[approval]\nfirst_sync = false\n"),
        };
        self.file(&format!("tenants/{name}.toml"), &text);
    }

    /// Writes a file below the installation's folder and gives its whole path.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the file's folder");
        fs::write(&path, content).expect("the file");
        path
    }

    /// [`Self::file`] that only its owner may read, as secrets have to be.
    pub(crate) fn secret(&self, name: &str, value: &str) -> PathBuf {
        let path = self.file(name, value);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file's mode");
        path
    }

    /// The files below the installation's folder that hold a text: where a secret has leaked to.
    pub(crate) fn files_holding(&self, text: &str) -> Vec<PathBuf> {
        files_holding(self.path(), text)
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, &[])
    }

    /// [`Self::run`] with environment variables.
    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        self.spawn_with(arguments, variables).wait(RUN_LIMIT)
    }

    /// Starts a command; for those that run until they are stopped.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Running {
        self.spawn_with(arguments, &[])
    }

    /// [`Self::spawn`] with environment variables.
    pub(crate) fn spawn_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let number = self.runs.replace(self.runs.get() + 1);
        let output = |stream: &str| self.path().join(format!("run-{number}.{stream}"));
        let (stdout, stderr) = (output("stdout"), output("stderr"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_rosterd"));
        command.arg("--config").arg(self.path().join("rosterd.toml")).args(arguments);
        command.env_clear().envs(variables.iter().copied()).current_dir(self.path());
        let mut leashed = process::leashed(&command);
        leashed.stdout(fs::File::create(&stdout).expect("its output"));
        leashed.stderr(fs::File::create(&stderr).expect("its errors"));
        let mut child = leashed.stdin(Stdio::piped()).spawn().expect("rosterd starts");
        let leash = child.stdin.take();
        Running { child, leash, stdout, stderr }
    }
}

impl Running {
    /// Waits for its end.
    pub(crate) fn wait(mut self, limit: Duration) -> Run {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                return self.ended(status);
            }
            assert!(Instant::now() < deadline, "still running after {limit:?}\n{}", self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal by its name, `INT` or `TERM`, to rosterd alone.
    pub(crate) fn signal(&self, name: &str) {
        let script = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &script]).status().expect("kill").success());
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has come to its end.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the state of a child").is_some()
    }

    /// What it has printed so far.
    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).expect("its output")
    }

    /// What it has logged so far.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).expect("its errors")
    }

    fn ended(&self, status: ExitStatus) -> Run {
        Run { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.leash.take());
        let _ = self.child.wait();
    }
}

impl Run {
    /// Ends the test unless the command ended with this exit code.
    #[track_caller]
    pub(crate) fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as the one JSON document it has to be.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("standard output is not one JSON document: {error}\n{}\nstderr:\n{}", self.stdout, self.stderr)
        })
    }
}

fn files_holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_holding(&path, text));
        } else if fs::read(&path).expect("a file").windows(text.len()).any(|window| window == text.as_bytes()) {
            found.push(path);
        }
    }
    found
}
