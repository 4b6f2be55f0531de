//! The borders between rooms, as the map in ARCHITECTURE.md draws them: no room imports a higher one, no modules of a room import each other in
//! a circle, a type's name stands for one thing and a vendor's in the vendor's own folder, only `store` knows how state is kept, and a file has
//! a size that somebody reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Longer files of the program are split, and longer files of tests.
const LINES: usize = 600;
const TEST_LINES: usize = 700;

/// Names of directories' vendors.
const VENDORS: [&str; 2] = ["jumpcloud", "onelogin"];

/// The one file outside the vendors' folders that names them.
const LIST: &str = "src/directories.rs";

/// Where the state folder is a path outside `store`: from what an operator wrote to the `Stores` that is made of it, and the question
/// whose it is.
const STATE_DIR: [&str; 7] = [
    "src/cli/args/mod.rs",
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

/// Types that every module of a kind has, so that the module's path says which is meant: a directory's table of a tenant file.
const BY_PATH: [&str; 1] = ["Table"];

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

/// Whether a file holds tests, or what only tests use.
fn is_test(name: &str) -> bool {
    name.contains("/tests") || name.ends_with("_tests.rs") || name.ends_with("/fuzzing.rs")
}

/// What is compiled into the program: tests and comments left out.
fn code(name: &str, text: &str) -> String {
    let lines = text.lines().filter(|line| !is_test(name) && !line.trim_start().starts_with("//"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut parts = text.split("#[cfg(test)]");
    let mut code = parts.next().unwrap_or_default().to_owned();
    parts.for_each(|part| code.push_str(after_item(part)));
    code
}

/// What follows the item at a text's beginning. A module of tests that is written out is the last item of its file.
fn after_item(text: &str) -> &str {
    let mut depth = 0_usize;
    let attributes =
        text.trim_start().lines().take_while(|line| line.starts_with("#[")).map(|line| line.len() + 1).sum();
    let item = text.trim_start().get(attributes..).unwrap_or_default();
    for (at, sign) in item.char_indices() {
        match sign {
            '{' if item.starts_with("mod ") => return "",
            '{' => depth += 1,
            // A field, or a statement, of a block that ends here.
            '}' if depth == 0 => return &item[at..],
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(sign, ';' | '}') {
            return &item[at + 1..];
        }
    }
    ""
}

/// The program's modules by their paths, as `plan::person`, each with its code.
fn modules() -> BTreeMap<String, String> {
    let files = files().into_iter().map(|(name, text)| {
        let path = name.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
        let code = code(&name, &text);
        (path, code)
    });
    files.filter(|(path, _)| !["lib", "main", "sim"].contains(&room_of(path))).collect()
}

fn room_of(module: &str) -> &str {
    module.split("::").next().unwrap_or_default()
}

/// The paths of a list of `use` trees, written out.
fn written_out(trees: &str, before: &str, paths: &mut Vec<String>) {
    let mut depth = 0_usize;
    let parts = trees.split(|sign| {
        match sign {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        sign == ',' && depth == 0
    });
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        match part.strip_suffix('}').and_then(|part| part.split_once('{')) {
            Some((head, inner)) => written_out(inner, &format!("{before}{head}"), paths),
            None => paths.push(format!("{before}{}", part.split(" as ").next().unwrap_or_default())),
        }
    }
}

/// The paths of a module's `use` items.
fn used(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for item in code.split(';') {
        let lines: Vec<&str> = item.lines().map(str::trim).collect();
        let is_first = |line: &&str| line.starts_with("use ") || (line.starts_with("pub") && line.contains(" use "));
        let text = lines.iter().rposition(is_first).map(|first| lines[first..].join(" "));
        if let Some((_, trees)) = text.as_deref().and_then(|text| text.split_once("use ")) {
            written_out(trees, "", &mut paths);
        }
    }
    paths
}

/// The paths from `crate` or `super` that stand anywhere in a module's code.
fn inline(code: &str) -> impl Iterator<Item = &str> {
    let is_of_path = |sign: char| sign.is_alphanumeric() || matches!(sign, '_' | ':');
    ["crate::", "super::"].into_iter().flat_map(move |first| {
        let places = code.match_indices(first).filter(move |(at, _)| !code[..*at].ends_with(is_of_path));
        places.map(move |(at, _)| code[at..].split(|sign| !is_of_path(sign)).next().unwrap_or_default())
    })
}

/// The program's modules, and by which name each knows which item.
struct Program {
    modules: BTreeMap<String, String>,
    /// For each module the full paths of what it imports, by name.
    imports: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

impl Program {
    fn read() -> Self {
        let mut program = Self { modules: modules(), imports: BTreeMap::new() };
        for (module, code) in &program.modules {
            let full = used(code).into_iter().filter_map(|path| program.full(module, &path));
            let named = full.filter_map(|path| Some((path.last()?.clone(), path)));
            let named = named.collect();
            program.imports.insert(module.clone(), named);
        }
        program
    }

    /// A path as it is written in a module, from the root of the crate; `None` if it leads elsewhere.
    fn full(&self, module: &str, path: &str) -> Option<Vec<String>> {
        let mut full: Vec<&str> = module.split("::").collect();
        let mut steps = path.split("::").filter(|step| !step.is_empty()).peekable();
        match *steps.peek()? {
            "crate" => full.clear(),
            "self" | "super" => {}
            child if self.modules.contains_key(&format!("{module}::{child}")) => {}
            _ => return None,
        }
        for step in steps {
            match step {
                "crate" | "self" => {}
                "super" => drop(full.pop()),
                name => full.push(name),
            }
        }
        Some(full.into_iter().map(str::to_owned).collect())
    }

    /// The module in which the item at a path is written, whichever modules hand it on.
    fn home(&self, path: &[String]) -> Option<String> {
        let mut path = path.to_vec();
        loop {
            let modules = (1..=path.len()).rev().map(|length| (length, path[..length].join("::")));
            let (length, module) = modules.into_iter().find(|(_, module)| self.modules.contains_key(module))?;
            let next = path.get(length).and_then(|name| self.imports.get(&module)?.get(name));
            match next.filter(|next| !path.starts_with(next)) {
                Some(next) => path = next.iter().cloned().chain(path.drain(length + 1..)).collect(),
                None => return Some(module),
            }
        }
    }

    /// Which modules of its own room each module imports. A module and those inside of it are one.
    fn neighbours(&self) -> BTreeMap<&str, BTreeSet<String>> {
        let is_inside = |inner: &str, outer: &str| inner.starts_with(&format!("{outer}::"));
        let of = |module: &str, code: &str| -> BTreeSet<String> {
            let paths = inline(code).map(str::to_owned).chain(used(code));
            let homes = paths.filter_map(|path| self.home(&self.full(module, &path)?));
            homes
                .filter(|home| home != module && room_of(home) == room_of(module))
                .filter(|home| !is_inside(home, module) && !is_inside(module, home))
                .collect()
        };
        self.modules.iter().map(|(module, code)| (module.as_str(), of(module, code))).collect()
    }
}

/// The imports that make circles, each as `module -> module`: what is left when modules that import none of the rest, or that none of the rest
/// imports, are taken away.
fn circles() -> Vec<String> {
    let program = Program::read();
    let mut left = program.neighbours();
    loop {
        let imported: BTreeSet<String> = left.values().flatten().cloned().collect();
        let before = left.len();
        left.retain(|module, neighbours| !neighbours.is_empty() && imported.contains(*module));
        if left.len() == before {
            break;
        }
        let names: BTreeSet<String> = left.keys().map(|module| (*module).to_owned()).collect();
        left.values_mut().for_each(|neighbours| neighbours.retain(|module| names.contains(module)));
    }
    left.iter().flat_map(|(module, others)| others.iter().map(move |other| format!("{module} -> {other}"))).collect()
}

#[test]
fn no_modules_of_a_room_import_each_other_in_a_circle() {
    let circles = circles();
    assert!(
        circles.is_empty(),
        "modules of a room import each other in a circle; move what two of them share into a third one, or to the lower of the two: {circles:#?}"
    );
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
fn a_types_name_stands_for_one_thing() {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let modules = modules();
    for (module, code) in &modules {
        // What is indented is a type of one function, or one that a trait asks for.
        for line in code.lines().filter(|line| !line.starts_with(' ')) {
            let item =
                line.strip_prefix("pub").map_or(line, |rest| rest.split_once(' ').map_or(rest, |(_, item)| item));
            let name = ["struct ", "enum ", "trait ", "type "].iter().find_map(|kind| item.strip_prefix(kind));
            let name = name.map(|name| name.split(|sign: char| !sign.is_alphanumeric()).next().unwrap_or_default());
            if let Some(name) = name {
                places.entry(name).or_default().push(module);
            }
        }
    }
    assert!(places.len() > 500, "the search finds no more than {} types", places.len());
    let twice: Vec<_> = places.iter().filter(|(name, places)| places.len() > 1 && !BY_PATH.contains(*name)).collect();
    assert!(twice.is_empty(), "{twice:#?}");
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
    for (name, text) in files() {
        let most = if is_test(&name) || name.starts_with("src/sim/") { TEST_LINES } else { LINES };
        let lines = text.lines().count();
        assert!(lines <= most, "{name} has {lines} lines; at most {most}: split it where a reader would look");
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
