//! Child processes that serve: started on a free loopback port, watched until they answer, killed with their test.

use std::collections::HashSet;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use super::rig;

/// How long a server may take until it answers, on a machine that is busy compiling.
const READY_LIMIT: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(20);
/// A port can be taken by somebody else between finding it and serving on it.
const ATTEMPTS: u32 = 5;

/// One server process and all it starts, in a process group of its own. It is killed when this is dropped, and also
/// when the test process dies without dropping anything (see `tests/rig/leash`).
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    leash: Option<ChildStdin>,
    log: PathBuf,
}

impl Process {
    /// Starts `command` and waits until `is_ready`. A server that ends, as for want of its port, is an `Err` with its
    /// log; one that runs and does not get ready in time is broken, and ends the test.
    fn start(command: &Command, log: &Path, is_ready: &dyn Fn() -> bool) -> Result<Self, String> {
        let mut process = Self::spawn(command, log);
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            let answers = is_ready();
            // In this order: what answered may be somebody else's server, if ours ended for want of the port.
            if let Some(status) = process.child.try_wait().expect("the state of a child") {
                return Err(format!("it ended at once: {status}\n{}", process.log()));
            }
            if answers {
                return Ok(process);
            }
            assert!(Instant::now() < deadline, "not ready within {READY_LIMIT:?}: {command:?}");
            std::thread::sleep(READY_POLL);
        }
    }

    fn spawn(command: &Command, log: &Path) -> Self {
        let output = File::options().create(true).append(true).open(log).expect("the log");
        let mut leashed = leashed(command);
        leashed.stdin(Stdio::piped()).stdout(output.try_clone().expect("the log, twice")).stderr(output);
        let mut child = leashed.spawn().expect("the leash starts");
        let leash = child.stdin.take();
        Self { child, leash, log: log.to_owned() }
    }

    /// All that it and its predecessors wrote so far; they share one log.
    pub(crate) fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).expect("the log")
    }

    /// The process id, which is also that of the process group.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The leash kills the group when its standard input ends, and with it the child waited for here.
        drop(self.leash.take());
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let start = log.char_indices().rev().nth(4000).map_or(0, |(position, _)| position);
            eprintln!("---- the end of {}\n{}", self.log.display(), &log[start..]);
        }
    }
}

/// The same command, with no environment but its own, in a process group that is killed as soon as the standard input
/// it is given ends.
pub(crate) fn leashed(command: &Command) -> Command {
    let mut leashed = Command::new(rig::glue().join("leash"));
    leashed.arg(command.get_program()).args(command.get_args()).process_group(0);
    leashed.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        leashed.current_dir(folder);
    }
    leashed
}

/// Starts a server on some free port. `command` builds its command line for a port, `is_ready` asks it something that
/// only this very server answers right, by its password or token.
pub(crate) fn start_on_free_port(
    name: &str,
    log: &Path,
    command: impl Fn(u16) -> Command,
    is_ready: impl Fn(u16) -> bool,
) -> (u16, Process) {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let port = free_port();
        match Process::start(&command(port), log, &|| is_ready(port)) {
            Ok(process) => return (port, process),
            Err(error) => last = error,
        }
    }
    panic!("{name} did not start in {ATTEMPTS} attempts: {last}");
}

/// Starts a server again where it was before.
pub(crate) fn start_on(name: &str, log: &Path, command: &Command, is_ready: &dyn Fn() -> bool) -> Process {
    Process::start(command, log, is_ready).unwrap_or_else(|error| panic!("{name} did not start again: {error}"))
}

/// A loopback port that nobody listened on a moment ago, and that this process never got before.
pub(crate) fn free_port() -> u16 {
    static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
        let port = listener.local_addr().expect("its number").port();
        if GIVEN.lock().expect("the set of ports").insert(port) {
            return port;
        }
    }
}
