//! Measures rosterd at the sizes it is built for and writes `docs/benchmarks.md`.
//!
//! `cargo bench` measures 100,000 people and the first sync; `-- --middle` and `-- --large` the two sizes of a million people, which
//! take their time to prepare; `-- --daemon` the daemon (or one of `--idle`, `--pace`, `--leaver`, `--leaving`, `--soak`);
//! `-- --worlds` the simulated worlds of the unit tests; `-- --all` everything. What is not measured anew keeps the figures that it had.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's program"
)]

mod daemon;
mod directory;
mod first_sync;
mod idle;
mod machine;
mod meter;
mod notepad;
mod report;
mod seed;
mod tenant;
mod worlds;

/// The servers of the integration tests.
#[path = "../../tests/it/support"]
#[allow(dead_code, unused_imports, reason = "the rig offers more than is measured")]
mod support {
    pub(crate) mod directory;
    mod http;
    pub(crate) mod jumpcloud;
    mod process;
    mod proxy;
    pub(crate) mod reader;
    pub(crate) mod rig;
    pub(crate) mod servers;
    mod slapd;
    mod tls;
}

use std::path::{Path, PathBuf};

use report::{Results, SIZES};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, task, folder] = args.as_slice()
        && flag == "--child"
    {
        let run = match task.as_str() {
            "parse" => idle::parse,
            "seed" => seed::seed,
            "rebuild" => seed::rebuild,
            "cycle" => idle::cycle,
            "first-sync" => first_sync::run_sync,
            "load" => first_sync::run_load,
            _ => panic!("no task {task}"),
        };
        println!("{}", serde_json::to_string(&run(Path::new(folder))).unwrap());
        return;
    }
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let value = |flag: &str| args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1)).map(PathBuf::from);
    let by_default = !args.iter().any(|arg| arg.starts_with("--") && arg != "--bench");
    let mut results = Results::load();
    for (at, (name, size)) in SIZES.iter().enumerate() {
        if has("--all") || has(&format!("--{name}")) || (by_default && at == 0 && !has("--first-sync")) {
            println!("{} people, {} groups, {} memberships", size.people, size.groups, size.memberships);
            // With `--folder` the directory and the state are kept, and used again if they are there.
            let temporary = tempfile::tempdir().unwrap();
            let folder = value("--folder").unwrap_or_else(|| temporary.path().to_owned());
            results.sizes.insert((*name).to_owned(), idle::measure(&folder, *size));
            results.save();
        }
    }
    let asked = has("--all") || has("--daemon");
    let mut found = std::mem::take(&mut results.daemon);
    daemon::measure(&mut found, |name| asked || has(&format!("--{name}")));
    results.daemon = found;
    if has("--all") || has("--worlds") {
        println!("simulated worlds");
        results.worlds = Some(worlds::measure());
    }
    results.save();
    if has("--all") || has("--first-sync") || by_default {
        println!("the first sync");
        match first_sync::measure() {
            Some(found) => results.first_sync = Some(found),
            None => eprintln!("SKIPPED the first sync: no SCIM server is installed; run ./test --setup-only"),
        }
        results.save();
    }
}
