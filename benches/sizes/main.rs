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

use std::path::Path;

use directory::Size;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, task, folder] = args.as_slice()
        && flag == "--child"
    {
        let run = match task.as_str() {
            "parse" => idle::parse,
            "desired" => idle::desired,
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
    if let Some(at) = args.iter().position(|arg| arg == "--write") {
        directory::write(Path::new(&args[at + 1]), size, false).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    directory::write(&folder.path().join(idle::DIRECTORY), size, false).unwrap();
    for task in ["parse", "desired"] {
        println!("{task}: {:?}", meter::best_of(3, task, folder.path()));
    }
}
