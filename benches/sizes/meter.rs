//! One measurement, one process. In: a task's name and a folder. Out: the figures that a child process found about itself.
//!
//! Peak memory and processor time belong to a process, so every measurement runs in a fresh one: this program, started again.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What a child found, by name. Times in seconds, memory in bytes.
pub(crate) type Figures = BTreeMap<String, f64>;

/// Linux counts the processor time in `/proc/self/stat` in hundredths of a second (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Runs a task in a process of its own.
pub(crate) fn in_child(task: &str, folder: &Path) -> Figures {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    let output =
        command.arg("--child").arg(task).arg(folder).stderr(Stdio::inherit()).output().expect("a child starts");
    assert!(output.status.success(), "the measurement {task} failed: {}", output.status);
    serde_json::from_slice(&output.stdout).expect("a child prints its figures")
}

/// The best of several runs: what disturbs a measurement only ever adds to it.
pub(crate) fn best(runs: Vec<Figures>) -> Figures {
    let mut best = Figures::new();
    for (name, figure) in runs.into_iter().flatten() {
        best.entry(name).and_modify(|best| *best = figure.min(*best)).or_insert(figure);
    }
    best
}

/// Time since a moment, as this process used it.
pub(crate) struct Since {
    wall: Instant,
    cpu: f64,
}

impl Since {
    pub(crate) fn now() -> Self {
        Self { wall: Instant::now(), cpu: cpu_seconds() }
    }

    pub(crate) fn wall(&self) -> f64 {
        self.wall.elapsed().as_secs_f64()
    }

    /// Processor seconds of all threads, in user and kernel.
    pub(crate) fn cpu(&self) -> f64 {
        cpu_seconds() - self.cpu
    }
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux with /proc");
    let (_, after_name) = stat.rsplit_once(')').expect("proc(5)");
    let field = |n: usize| after_name.split_whitespace().nth(n).and_then(|text| text.parse::<f64>().ok());
    // proc(5) counts utime as field 14 and stime as 15; the first one after the name is 3.
    (field(11).expect("utime") + field(12).expect("stime")) / TICKS_PER_SECOND
}

/// The most memory this process ever held, in bytes.
pub(crate) fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux with /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("proc(5)");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("kilobytes") * 1024.0
}

/// Figures by name.
pub(crate) fn figures<const N: usize>(pairs: [(&str, f64); N]) -> Figures {
    pairs.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect()
}
