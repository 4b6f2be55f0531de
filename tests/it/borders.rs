//! The borders between rooms, as the map in ARCHITECTURE.md draws them: no room imports a higher one, a vendor's name stands in the vendor's own
//! folder, only `store` knows how state is kept, and a file has a size that somebody reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Longer files are split; those that are longer today may only shrink.
const LINES: usize = 700;
const LONGER: [(&str, usize); 0] = [];

/// Names of directories' vendors.
const VENDORS: [&str; 2] = ["jumpcloud", "onelogin"];

/// The one file outside the vendors' folders that names them.
const LIST: &str = "src/directories.rs";

/// Where the state folder is a path outside `store`: from what an operator wrote to the `Stores` that is made of it, and the question
/// whose it is.
const STATE_DIR: [&str; 7] = [
    "src/cli/args.rs",
    "src/cli/check.rs",
    "src/config/global.rs",
    "src/files/trust.rs",
    "src/tenancy/files.rs",
    "src/tenancy/guarded.rs",
    "src/tenancy/mod.rs",
];

/// What lies in a state folder.
const KEPT: [&str; 18] = [
    ".daemon",
    ".linking.lock",
    "board",
    "cache",
    "control.sock",
    "decisions",
    "drift",
    "edited",
    "held",
    "imported",
    "imports",
    "index",
    "journal",
    "paused",
    "probe",
    "retired",
    "sightings",
    "status",
];

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
    // Tests in the file itself end it; those in a file of their own are named anywhere.
    let is_inside = |rest: &str| {
        let item = rest.lines().skip(1).find(|line| line.starts_with(|c: char| c.is_alphabetic()));
        item.is_none_or(|item| !item.ends_with(';'))
    };
    let mut tests = text.match_indices("\n#[cfg(test)]").map(|(at, _)| at + 1).filter(|at| is_inside(&text[*at..]));
    let text = if is_test { "" } else { &text[..tests.next().unwrap_or(text.len())] };
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
    assert_eq!(named, BTreeSet::from([LIST.to_owned()]), "the left names vendors; the right is the one list");
}

/// The code without its texts.
fn without_texts(code: &str) -> String {
    let mut rest = code;
    let mut bare = String::new();
    while let Some(at) = rest.find('"') {
        let (before, text) = rest.split_at(at);
        bare.push_str(before);
        // `'"'` begins no text.
        if before.ends_with('\'') && text.starts_with("\"'") {
            rest = &text[1..];
            continue;
        }
        let hashes = before.len() - before.trim_end_matches('#').len();
        let is_raw = before.trim_end_matches('#').ends_with('r');
        let end = match is_raw {
            true => text[1..].find(&format!("\"{}", "#".repeat(hashes))).map(|end| end + 1),
            false => {
                let mut escaped = false;
                text.char_indices().skip(1).find_map(|(at, c)| match c {
                    _ if escaped => {
                        escaped = false;
                        None
                    }
                    '\\' => {
                        escaped = true;
                        None
                    }
                    '"' => Some(at),
                    _ => None,
                })
            }
        };
        rest = end.map_or("", |end| &text[end + 1..]);
    }
    bare + rest
}

/// Whether a word stands in code by itself.
fn has_word(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].chars().next_back().is_some_and(is_part) && !code[at + word.len()..].starts_with(is_part)
    })
}

/// Where code names what lies in a state folder as a part of a path.
fn joined(code: &str) -> Vec<&str> {
    let names = code.split(".join(\"").skip(1).filter_map(|rest| rest.split('"').next());
    names.filter(|name| KEPT.contains(&name.split('/').next().unwrap_or_default().trim_end_matches(".json"))).collect()
}

/// The public functions of a file that give a path away.
fn giving_paths(code: &str) -> Vec<&str> {
    let functions = code.split("pub fn ").skip(1).filter_map(|rest| rest.split_once('('));
    let gives = |rest: &str| {
        let signature = rest.split('{').next().unwrap_or_default();
        signature.rsplit_once("->").is_some_and(|(_, given)| given.contains("Path"))
    };
    functions.filter(|(_, rest)| gives(rest)).map(|(name, _)| name).collect()
}

#[test]
fn only_the_store_knows_how_state_is_kept() {
    let (mut naming, mut joining, mut giving) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    for (name, text) in files() {
        let code = code(&name, &text);
        if name.starts_with("src/store/") {
            if ["handle", "notes", "state", "mark", "held", "status", "decisions"]
                .iter()
                .any(|file| name == format!("src/store/{file}.rs"))
            {
                giving.extend(giving_paths(&code).into_iter().map(str::to_owned));
            }
            continue;
        }
        joining.extend(joined(&code).into_iter().map(|kept| format!("{name}: {kept}")));
        let bare = without_texts(&code);
        if has_word(&bare, "state_dir") {
            assert!(!bare.contains("state_dir.join("), "{name} joins a path to the state folder");
            naming.insert(name);
        }
    }
    assert!(joining.is_empty(), "only `store` knows the names of what it keeps: {joining:#?}");
    let known: BTreeSet<String> = STATE_DIR.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(naming, known, "the left have the state folder as a path; the right may: take a `Stores`");
    // The socket is an address of this machine, wherever states lie.
    assert_eq!(
        giving,
        BTreeSet::from(["socket".to_owned()]),
        "a handle that gives its folder away lets others join to it"
    );
}

#[test]
fn what_the_search_for_state_folders_finds() {
    let code = r##"let a = format!("in state_dir {}", '"'); let b = r#"state_dir = "x""#; let c = my_state_dir;"##;
    assert!(!has_word(&without_texts(code), "state_dir"), "{}", without_texts(code));
    assert!(has_word(&without_texts(&format!("{code} state_dir.join(name)")), "state_dir"));
    assert_eq!(joined(r#"folder.join("held.json"); at.join("journal/1.log"); at.join("rosterd.toml")"#).len(), 2);
    let handle = "pub fn folder(&self) -> PathBuf {} pub fn verify(&self, to: &Path) -> Result<(), E> {} pub fn at(&self) -> &Path {}";
    assert_eq!(giving_paths(handle), ["folder", "at"]);
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

/// Rows of a table of ARCHITECTURE.md: the cells of each, without quotes.
fn table(header: &str) -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, rest) = page.split_once(&format!("\n{header}\n")).unwrap_or_else(|| panic!("no table {header:?}"));
    let rows = rest.lines().skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect())
        .collect()
}

/// Lines of code below some paths: no blanks, comments or tests.
fn lines_of(files: &BTreeMap<String, String>, places: &[String]) -> usize {
    let own = files.iter().filter(|(name, _)| places.iter().any(|place| name.starts_with(place.as_str())));
    own.map(|(name, text)| code(name, text).lines().filter(|line| !line.trim().is_empty()).count()).sum()
}

#[test]
fn a_directory_costs_what_the_table_says() {
    let files = files();
    let rows = table("| what | lines | at most | places outside |");
    assert_eq!(
        rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(),
        ["jumpcloud", "onelogin", "toy", "source/web"]
    );
    for row in rows {
        let [what, lines, most, outside] = row.as_slice() else { panic!("{row:?}") };
        let places = match what.split_once('/') {
            Some(_) => vec![format!("src/{what}/")],
            None => vec![format!("src/source/{what}/"), format!("src/config/directory/{what}.rs")],
        };
        let counted = lines_of(&files, &places);
        assert_eq!(lines, &counted.to_string(), "{what}: write the number that is counted");
        assert!(counted <= most.parse().unwrap(), "{what} has {counted} lines of code; at most {most}");
        if !outside.is_empty() {
            let names = |(name, text): &(&String, &String)| {
                let is_own = places.iter().any(|place| name.starts_with(place.as_str()));
                let text = if *name == LIST { (*text).clone() } else { code(name, text) };
                !is_own && text.split(|c: char| !c.is_alphanumeric()).any(|word| word == what)
            };
            let found: Vec<&String> = files.iter().filter(names).map(|(name, _)| name).collect();
            assert_eq!(found, [LIST], "what names {what}");
        }
    }
}

#[test]
fn an_app_is_a_folder_of_as_many_lines_as_the_table_says() {
    let mut counted = Vec::new();
    for entry in std::fs::read_dir(root().join("config/profiles")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        let lines: usize = files
            .filter(|file| file.extension().is_some_and(|extension| extension == "toml"))
            .map(|file| std::fs::read_to_string(file).unwrap().lines().filter(is_code).count())
            .sum();
        counted.push(vec![folder.file_name().unwrap().to_str().unwrap().to_owned(), lines.to_string()]);
    }
    counted.sort();
    assert_eq!(table("| profile | lines |"), counted, "the left is ARCHITECTURE.md; the right is counted");
}
