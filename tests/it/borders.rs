//! The borders between rooms, as the map in ARCHITECTURE.md draws them: no room imports a higher one, a vendor's name stands in the vendor's own
//! folder, and a file has a size that somebody reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Longer files are split; those that are longer today may only shrink.
const LINES: usize = 700;
const LONGER: [(&str, usize); 0] = [];

/// Names of directories' vendors.
const VENDORS: [&str; 2] = ["jumpcloud", "onelogin"];

/// Files outside the vendors' folders that name one today. None may be added, and who leaves the list does not come back.
const NAMING: [&str; 4] =
    ["src/config/check.rs", "src/config/directory/mod.rs", "src/source/kind.rs", "src/source/mod.rs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the program, below the project's folder, with its text.
fn files() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

/// The rooms of the map, from low to high.
fn rooms() -> Vec<String> {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let map = map.split("From low to high").nth(1).unwrap();
    let rows = map.lines().skip_while(|line| !line.starts_with("| `")).take_while(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let cell = row.split('|').nth(1).unwrap();
        cell.split(',').map(|name| name.trim().trim_matches('`').to_owned()).collect::<Vec<_>>()
    })
    .collect()
}

/// What is compiled into the program: tests and comments left out.
fn code(name: &str, text: &str) -> String {
    let is_test = name.contains("/tests") || name.ends_with("_tests.rs") || name.ends_with("/fuzzing.rs");
    let text = if is_test { "" } else { text.split("#[cfg(test)]").next().unwrap_or_default() };
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_room_imports_a_higher_one() {
    let rooms = rooms();
    let rank = |room: &str| rooms.iter().position(|other| other == room);
    let mut uphill = Vec::new();
    for (name, text) in files() {
        let room = name.split('/').nth(1).unwrap().trim_end_matches(".rs").to_owned();
        if ["lib", "main", "sim"].contains(&room.as_str()) {
            continue;
        }
        let Some(own) = rank(&room) else { panic!("{room} is not on the map of ARCHITECTURE.md") };
        let code = code(&name, &text);
        let imported: BTreeSet<&str> = code
            .split("crate::")
            .skip(1)
            .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
            .collect();
        uphill.extend(
            imported
                .into_iter()
                .filter(|other| rank(other).is_some_and(|rank| rank > own))
                .map(|other| format!("{name}: {other}")),
        );
    }
    assert!(uphill.is_empty(), "a lower room imports a higher one: {uphill:#?}");
}

#[test]
fn a_vendors_name_stands_in_its_own_folder() {
    let named: BTreeSet<String> = files()
        .into_iter()
        .filter(|(name, text)| {
            let code = code(name, text).to_lowercase();
            let is_own = |vendor: &&str| name.contains(*vendor);
            VENDORS.iter().filter(|vendor| !is_own(vendor)).any(|vendor| code.contains(vendor))
        })
        .map(|(name, _)| name)
        .collect();
    let known: BTreeSet<String> = NAMING.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(named, known, "the left names vendors; the right is what is known to");
}

#[test]
fn a_file_is_as_long_as_somebody_reads() {
    let long: BTreeMap<String, usize> = files()
        .into_iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES)
        .collect();
    for (name, lines) in &long {
        let most = LONGER.iter().find(|(known, _)| known == name).map_or(LINES, |(_, most)| *most);
        assert!(*lines <= most, "{name} has {lines} lines; at most {most}: split it where a reader would look");
    }
    for (name, _) in LONGER {
        assert!(long.contains_key(name), "{name} has at most {LINES} lines by now: take it off the list");
    }
}
