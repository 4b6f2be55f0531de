//! The build script. It takes the app folders of `config/profiles` and returns their texts as one table for the program.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a build script speaks to cargo, and ends the build")]

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// The files of an app's folder; only the first is required.
const FILES: [&str; 4] = ["profile.toml", "tenant.toml", "habits.toml", "notes.md"];

fn main() {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("config/profiles");
    println!("cargo::rerun-if-changed={}", root.display());
    let folders = fs::read_dir(&root).expect("config/profiles can be read");
    let mut names: Vec<String> =
        folders.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name in UTF-8")).collect();
    names.sort();
    let mut table = "[\n".to_owned();
    for name in &names {
        let texts = FILES.map(|file| root.join(name).join(file));
        let text = |path: &Path| match path.exists() {
            true => format!("Some(include_str!({path:?}))"),
            false => "None".to_owned(),
        };
        assert!(texts[0].exists(), "config/profiles/{name} has no profile.toml");
        writeln!(table, "({name:?}, [{}]),", texts.each_ref().map(|path| text(path)).join(", "))
            .expect("a string grows");
    }
    table.push(']');
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("profiles.rs"), table).expect("OUT_DIR can be written");
}
