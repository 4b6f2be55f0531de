//! The machine on which figures were found.

use std::fs;
use std::process::Command;

/// The day and the machine.
pub(crate) fn today() -> String {
    format!("{}, {}", jiff::Zoned::now().date(), describe())
}

/// In one line: processor, cores, memory, kernel, compiler.
fn describe() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = memory.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let rustc = Command::new("rustc").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let rustc = String::from_utf8_lossy(&rustc);
    format!(
        "{cores} cores of {model}, {:.0} GiB, Linux {}, rustc {}",
        kilobytes / f64::from(1 << 20),
        kernel.split('-').next().unwrap_or_default().trim(),
        rustc.split_whitespace().nth(1).unwrap_or("?")
    )
}
