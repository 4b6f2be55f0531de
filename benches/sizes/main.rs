//! Measures rosterd at the sizes it is built for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a developer's program"
)]

mod directory;
mod idle;
mod meter;
mod seed;
mod tenant;

use std::path::Path;

use directory::Size;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, task, folder] = args.as_slice()
        && flag == "--child"
    {
        let run = match task.as_str() {
            "parse" => idle::parse,
            "seed" => seed::seed,
            "cycle" => idle::cycle,
            _ => panic!("no task {task}"),
        };
        println!("{}", serde_json::to_string(&run(Path::new(folder))).unwrap());
        return;
    }
    let large = Size { people: 1_000_000, groups: 50_000, memberships: 10_000_000 };
    let middle = Size { people: 1_000_000, groups: 10_000, memberships: 5_000_000 };
    let small = Size { people: 100_000, groups: 1_000, memberships: 500_000 };
    let size = if args.iter().any(|arg| arg == "--large") {
        large
    } else if args.iter().any(|arg| arg == "--middle") {
        middle
    } else {
        small
    };
    let kept = args.iter().position(|arg| arg == "--keep").map(|at| std::path::PathBuf::from(&args[at + 1]));
    let temporary = tempfile::tempdir().unwrap();
    let folder = kept.as_deref().unwrap_or(temporary.path());
    directory::write(&folder.join(tenant::DIRECTORY), size, false).unwrap();
    tenant::write(folder, &tenant::Target { base_url: "https://127.0.0.1:9/scim/v2", token: "none", in_flight: 4 });
    println!("parse: {:?}", meter::best_of(3, "parse", folder));
    println!("seed: {:?}", meter::in_child("seed", folder));
    println!("compare: {:?}", meter::in_child("cycle", folder));
    if args.iter().any(|arg| arg == "--only-prepare") {
        return;
    }
    println!("quiet: {:?}", meter::best_of(3, "cycle", folder));
}
