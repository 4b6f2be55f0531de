//! `rosterd` as a process of its own, seen from outside. In: a folder with a configuration. Out: when it was ready, what it takes.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before the measurement is given up.
const LIMIT: Duration = Duration::from_secs(300);

const TICKS_PER_SECOND: f64 = 100.0;

/// Another build of rosterd to measure than the one that was built with this program: its path.
const OTHER_BUILD: &str = "ROSTERD_BENCH_BINARY";

/// Whether what is measured was built without optimisation.
pub(crate) fn is_debug_build() -> bool {
    match std::env::var(OTHER_BUILD) {
        Ok(path) => path.contains("/debug/"),
        Err(_) => cfg!(debug_assertions),
    }
}

pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let program = std::env::var(OTHER_BUILD).unwrap_or_else(|_| env!("CARGO_BIN_EXE_rosterd").to_owned());
    let mut command = Command::new(program);
    command.arg("--config").arg(folder.join("rosterd.toml")).args(args).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// `rosterd run`, ready.
pub(crate) struct Daemon {
    child: Child,
    /// From the start of the process to `READY=1`.
    pub(crate) ready_after: Duration,
}

impl Daemon {
    pub(crate) fn start(folder: &Path) -> Self {
        let path = folder.join("notify");
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(LIMIT)).expect("a limit");
        let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("daemon.log")).expect("a log");
        let started = Instant::now();
        let child = command(folder, &["run", "-v"]).env("NOTIFY_SOCKET", &path).stderr(log).spawn().expect("rosterd");
        let mut daemon = Self { child, ready_after: Duration::ZERO };
        let mut bytes = [0; 4096];
        while daemon.ready_after.is_zero() {
            let length = socket.recv(&mut bytes).expect("the daemon says that it is ready");
            if bytes.get(..length).unwrap_or_default().starts_with(b"READY=1") {
                daemon.ready_after = started.elapsed();
            }
        }
        daemon
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([format!("-{name}"), pid]).status().expect("kill(1)").success());
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) {
        let deadline = Instant::now() + LIMIT;
        while self.child.try_wait().expect("a child").is_none() {
            assert!(Instant::now() < deadline, "the daemon does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Processor seconds so far.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("proc(5)");
        let (_, rest) = stat.rsplit_once(')').expect("proc(5)");
        let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
        ticks.sum::<f64>() / TICKS_PER_SECOND
    }

    /// Resident memory now, in bytes.
    pub(crate) fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("proc(5)");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("proc(5)");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("kilobytes") * 1024.0
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
