//! A small Debian with systemd as its first process, for one test: a container over a root that is never written to.
//!
//! It has a network of its own with nothing but loopback, and dies with the test, however that ends.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process::{self, Process};
use super::rig;

/// The part of the rig with its root.
const PART: &str = "debian-root";

/// The machine. Dropping it pulls its plug.
pub(crate) struct Machine {
    _process: Process,
    /// Its first process, as the test sees it.
    leader: u32,
    _folder: TempDir,
}

impl Machine {
    /// Boots one; `None` where that is skipped.
    pub(crate) fn boot() -> Option<Self> {
        let rig = rig::require(PART)?;
        // The owner of what this process made tells who it is.
        let folder = tempfile::tempdir().expect("a folder");
        if fs::metadata(folder.path()).expect("its owner").uid() != 0 {
            rig::skip("only root can boot a machine");
            return None;
        }
        let pid = folder.path().join("pid");
        // In a process namespace of its own: when `unshare` is killed, everything in there is.
        let script = "echo $$ >\"$1\" && exec unshare --fork --pid --kill-child=KILL --mount --mount-proc --propagation slave \
                      systemd-nspawn --quiet --directory=\"$2\" --volatile=overlay --register=no --keep-unit --boot \
                      --private-network --console=pipe --link-journal=no --machine=rosterd-test";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(&pid).arg(rig.part(PART)).env("PATH", PATH);
        command.env("TMPDIR", folder.path());
        let log = folder.path().join("console");
        let is_up = || leader(&pid).is_some_and(|leader| String::from_utf8_lossy(&state(leader)).trim() == "running");
        let process = process::start_on("a machine with systemd", &log, &command, &is_up);
        let leader = leader(&pid).expect("its first process");
        Some(Self { _process: process, leader, _folder: folder })
    }

    /// Runs a script as root in it, gives what it printed, and ends the test if it fails.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        let output = self.try_sh(script);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{script}: {}\n{stdout}\n{stderr}\n{}", output.status, self.journal());
        stdout.into_owned()
    }

    /// Runs a script that may fail.
    pub(crate) fn try_sh(&self, script: &str) -> Output {
        enter(self.leader, &["bash", "-euo", "pipefail", "-c", script])
    }

    /// A property of a unit, as systemd shows it.
    #[track_caller]
    pub(crate) fn property(&self, unit: &str, name: &str) -> String {
        self.sh(&format!("systemctl show --value --property={name} {unit}")).trim().to_owned()
    }

    /// Looks again and again until a property is as wanted.
    #[track_caller]
    pub(crate) fn until(&self, unit: &str, name: &str, is: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let value = self.property(unit, name);
            if is(&value) {
                return value;
            }
            assert!(Instant::now() < deadline, "{name} of {unit} stays {value}\n{}", self.journal());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Writes a file in it, as root.
    pub(crate) fn file(&self, path: &str, mode: u32, content: &str) {
        let path = self.inside(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
        // Whole or not at all, as an operator should.
        let new = path.with_extension("new");
        fs::write(&new, content).expect("the file");
        fs::set_permissions(&new, fs::Permissions::from_mode(mode)).expect("its mode");
        fs::rename(new, path).expect("its name");
    }

    /// Copies a file into it.
    pub(crate) fn copy(&self, from: &Path, to: &str) {
        fs::copy(from, self.inside(to)).expect("a copy");
    }

    /// The end of its journal.
    pub(crate) fn journal(&self) -> String {
        let output = enter(self.leader, &["journalctl", "--no-pager", "--lines=60", "--output=short"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn inside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.leader))
    }
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The container's first process: the child of the child of the process that made the namespace.
fn leader(pid: &Path) -> Option<u32> {
    let outer = fs::read_to_string(pid).ok()?.trim().parse().ok()?;
    child(child(outer)?)
}

/// The youngest child: the first of the outer process is the leash's watch.
fn child(of: u32) -> Option<u32> {
    fs::read_to_string(format!("/proc/{of}/task/{of}/children")).ok()?.split_whitespace().next_back()?.parse().ok()
}

fn state(leader: u32) -> Vec<u8> {
    enter(leader, &["systemctl", "is-system-running"]).stdout
}

fn enter(leader: u32, command: &[&str]) -> Output {
    let target = leader.to_string();
    let mut nsenter = Command::new("nsenter");
    nsenter.args(["-t", &target, "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--"]).args(command);
    nsenter.env_clear().env("PATH", PATH).env("LC_ALL", "C.UTF-8").env("DEBIAN_FRONTEND", "noninteractive");
    nsenter.output().expect("nsenter starts")
}
