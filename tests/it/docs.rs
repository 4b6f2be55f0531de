//! What the documentation says is true: its commands run, its names exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::rosterd::Rosterd;

/// Pages that a program writes; what they say is changed in the code.
const GENERATED: [&str; 5] = [
    "docs/benchmarks.md",
    "docs/configuration.md",
    "docs/guard-mutations.md",
    "docs/long-runs.md",
    "docs/reliability.md",
];

/// The parts of the book, in order.
const PARTS: [&str; 6] = ["Start", "Guides", "Reference", "Operations", "How it works", "For builders"];

/// The longest line of a page, tables and output left out.
const COLUMNS: usize = 132;

/// Every page of the documentation, by its path in the project's folder.
pub(crate) fn pages() -> Vec<String> {
    let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<String> =
        names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    pages.sort();
    pages.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(str::to_owned));
    pages
}

fn is_generated(page: &str) -> bool {
    GENERATED.contains(&page)
}

pub(crate) fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The blocks fenced as "sh tested".
pub(crate) fn tested_blocks(text: &str) -> Vec<String> {
    text.split("```sh tested\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Runs a page's block that begins with a sandbox on port 18080 as a reader would paste it, in an empty folder. Gives what it printed.
fn pasted(page: &str) -> (String, String) {
    let rosterd = Rosterd::new();
    let folder = rosterd.path().join("empty");
    std::fs::create_dir(&folder).unwrap();
    let blocks = tested_blocks(&read(page));
    assert_eq!(blocks.len(), 1);
    let binary = Path::new(env!("CARGO_BIN_EXE_rosterd")).parent().unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", binary.display());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // The reader waits a moment between two pasted lines; the script waits until the app answers.
    let wait =
        format!("for i in $(seq 200); do (: > /dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; sleep 0.05; done");
    let script = blocks[0].replace("18080", &port.to_string()).replace("sandbox=$!", &format!("sandbox=$!\n{wait}"));
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &format!("trap 'kill $sandbox 2>/dev/null || true' EXIT\n{script}")])
        .current_dir(&folder)
        .env_clear()
        .env("PATH", path)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    (stdout, stderr)
}

#[test]
fn the_readmes_tenant_goes_from_nothing_to_a_first_sync_by_copy_and_paste() {
    let (stdout, stderr) = pasted("README.md");
    assert!(stdout.contains("in sync: no changes, 0 calls to the app"), "{stdout}\n{stderr}");
    assert!(stdout.contains("both sides work"), "j2: {stdout}\n{stderr}");
}

#[test]
fn j4_heaps_page_goes_from_nothing_to_a_rehearsed_sync_by_copy_and_paste() {
    let (stdout, stderr) = pasted("docs/heap.md");
    for part in [
        "both sides work",
        "the profile needs no change",
        "its owner has to delete it there first",
        "2 accounts in the app: 0 new, 0 conflicting, 0 imported, 2 linked",
        "nothing was changed by hand",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}\n{stderr}");
    }
}

/// The lines of a page outside of its fenced blocks, and those inside with the block's language.
fn lines(text: &str) -> Vec<(Option<&str>, &str)> {
    let mut fence: Option<&str> = None;
    let mut found = Vec::new();
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), fence) {
            (Some(language), None) => fence = Some(language.trim()),
            (Some(_), Some(_)) => fence = None,
            (None, _) => found.push((fence, line)),
        }
    }
    found
}

/// A line's text with `code` for each code span, and the code spans.
fn spans(line: &str) -> (String, Vec<&str>) {
    let parts: Vec<&str> = line.split('`').collect();
    let (text, code): (Vec<_>, Vec<_>) = parts.into_iter().enumerate().partition(|(ix, _)| ix % 2 == 0);
    let text: Vec<&str> = text.into_iter().map(|(_, part)| part).collect();
    (text.join("`code`"), code.into_iter().map(|(_, part)| part).collect())
}

/// The targets of a page's links and pictures.
fn links(text: &str) -> Vec<String> {
    let prose: Vec<String> =
        lines(text).into_iter().filter(|(fence, _)| fence.is_none()).map(|(_, line)| spans(line).0).collect();
    let prose = prose.join("\n");
    prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.trim().to_owned())).collect()
}

/// The anchors of a page's headings, as both GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, line) in lines(text).into_iter().filter(|(fence, line)| fence.is_none() && line.starts_with('#')) {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        assert!(found.insert(anchor), "two headings of one page have one anchor: {line}");
    }
    found
}

#[test]
fn no_link_is_dead() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in pages() {
        for link in links(&read(&page)) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(file, at)| (file, Some(at)));
            let folder = root.join(&page).parent().unwrap().to_owned();
            let target = if file.is_empty() { root.join(&page) } else { folder.join(file) };
            assert!(target.is_file(), "{page} links to {link}, which does not exist");
            // The book has nothing outside of its folder.
            assert!(!page.starts_with("docs/") || !file.contains(".."), "{page} links out of the book: {link}");
            if let Some(anchor) = anchor {
                let there = anchors(&std::fs::read_to_string(&target).unwrap());
                assert!(there.contains(anchor), "{page} links to {link}; there is {there:?}");
            }
        }
    }
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let summary = read("docs/SUMMARY.md");
    let listed = links(&summary);
    let once: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "a page is listed twice");
    let there: BTreeSet<String> =
        pages().iter().filter_map(|page| page.strip_prefix("docs/")).map(str::to_owned).collect();
    let missing: Vec<&String> = there.iter().filter(|page| *page != "SUMMARY.md" && !once.contains(page)).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md lacks {missing:?}");
    let parts: Vec<&str> = summary.lines().filter_map(|line| line.strip_prefix("# ")).skip(1).collect();
    assert_eq!(parts, PARTS);
    let book: toml::Table = toml::from_str(&read("docs/book.toml")).unwrap();
    assert_eq!(book["book"]["src"].as_str(), Some("."));
}

/// What operators do, as the introduction lists it: each with a page that is followed from its beginning.
const TASKS: [&str; 10] = [
    "add a tenant for OpenLDAP",
    "decide a hold",
    "undo a run",
    "rotate a token",
    "move to another machine",
    "find out why a user has no account",
    "add a mapping",
    "change the scope of many users",
    "upgrade",
    "restore a backup",
];

/// The lines of a page from the heading with this anchor up to the next one of its level; the whole page without an anchor.
fn section(text: &str, anchor: Option<&str>) -> String {
    let Some(anchor) = anchor else { return text.to_owned() };
    let (mut level, mut kept, mut fenced) = (None, Vec::new(), false);
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        let depth = line.chars().take_while(|c| *c == '#').count();
        if depth > 0 && !fenced {
            let is_next = level.is_some_and(|level| depth <= level);
            level = if anchors(line).contains(anchor) { Some(depth) } else { level.filter(|_| !is_next) };
        }
        kept.extend(level.map(|_| line));
    }
    kept.join("\n")
}

/// Lines between a heading and the first thing to paste.
const LINES_BEFORE_COMMANDS: usize = 9;

#[test]
fn every_task_of_the_introduction_begins_with_what_to_type_and_is_followed_by_a_test() {
    let introduction = read("docs/introduction.md");
    let rows = introduction.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let rows: Vec<(&str, String)> =
        rows.filter(|(task, _)| TASKS.contains(task)).map(|(task, link)| (task, links(link).concat())).collect();
    assert_eq!(rows.iter().map(|(task, _)| *task).collect::<Vec<_>>(), TASKS);
    for (task, link) in rows {
        let (page, anchor) = link.split_once('#').map_or((link.as_str(), None), |(page, at)| (page, Some(at)));
        let page = read(&format!("docs/{page}"));
        let section = section(&page, anchor);
        let first = section.lines().position(|line| line.starts_with("```")).unwrap_or(usize::MAX);
        assert!(first <= LINES_BEFORE_COMMANDS, "{task}: {link} has nothing to type in line {first}");
        assert!(section.lines().nth(first).is_some_and(|line| line.starts_with("```sh")), "{task}: {link}");
        // `guides::every_page_with_a_rehearsal_is_rehearsed` knows the test of each page.
        assert!(!tested_blocks(&page).is_empty() && page.contains("```text output\n"), "{task}: {link}");
    }
}

/// Every `rosterd …` that a page shows: in code spans, and in blocks that a shell could run.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (fence, line) in lines(text) {
        let shown: Vec<&str> = match fence {
            None => spans(line).1,
            Some(language) if language.starts_with("sh") || language == "console" => vec![line],
            Some(_) => Vec::new(),
        };
        for code in shown {
            let code = code.split(" # ").next().unwrap_or_default();
            let parts = code.split(['|', ';', '&', '(', ')', '<', '>']).map(str::trim);
            let parts =
                parts.map(|part| part.trim_start_matches("$ ").trim_start_matches("if ").trim_start_matches("! "));
            // `sudo rosterd …`, `runuser -u rosterd -- rosterd …`; but `journalctl -u rosterd …` names the unit.
            let command = |part: &str| match part.rsplit_once(" rosterd ") {
                Some((before, _)) if before.ends_with("-u") => None,
                Some((_, rest)) => Some(format!("rosterd {rest}")),
                None => part.starts_with("rosterd ").then(|| part.to_owned()),
            };
            found.extend(parts.filter_map(command));
        }
    }
    found
}

/// What is wrong with a command, if anything: a subcommand or an option that does not exist.
fn wrong_in(command: &str) -> Option<String> {
    let root = rosterd::cli::command();
    let mut at = &root;
    let mut words = command.split_whitespace().skip(1).map(|word| word.trim_matches(['"', '\'', ',', '.', '[', ']']));
    while let Some(word) = words.next() {
        if let Some(option) = word.strip_prefix("--") {
            let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
            let find = |command: &clap::Command| {
                let known = command.get_arguments().find(|known| known.get_long() == Some(name))?;
                Some(known.get_action().takes_values())
            };
            match find(at).or_else(|| find(&root)) {
                Some(true) if value.is_none() => drop(words.next()),
                Some(_) => {}
                None if ["", "help", "version"].contains(&name) => {}
                None => return Some(format!("no option --{name}")),
            }
        } else if at.has_subcommands() && !word.starts_with('-') {
            match at.find_subcommand(word) {
                Some(known) => at = known,
                None if ["help", "…"].contains(&word) => return None,
                None => return Some(format!("no command {word}")),
            }
        }
    }
    None
}

#[test]
fn every_command_and_option_in_the_documentation_exists() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in pages() {
        for command in commands(&read(&page)) {
            count += 1;
            wrong.extend(wrong_in(&command).map(|what| format!("{page}: `{command}`: {what}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 200, "only {count} commands were found");
    assert!(wrong_in("rosterd synk acme").is_some() && wrong_in("rosterd sync acme --dry-runs").is_some());
    assert!(wrong_in("rosterd state import acme FILE --replace --format json").is_none());
}

/// Words that were ours alone and confused people; the glossary has the field's.
const RETIRED: [&str; 55] = [
    "somebody",
    "nobody",
    "whoever",
    "whomever",
    "anew",
    "told",
    "telling",
    "of which",
    "by then",
    "comes to",
    "came to a plan",
    "set aside",
    "sets aside",
    "put aside",
    "puts aside",
    "switched off",
    "switched on",
    "switch off",
    "switches off",
    "let go",
    "lets go",
    "mend",
    "mends",
    "mended",
    "standing",
    "fate",
    "fates",
    "errand",
    "errands",
    "herald",
    "knob",
    "knobs",
    "in step",
    "speaks against",
    "web hook",
    "web hooks",
    "made anew",
    "taken over",
    "takes over",
    "take over",
    "took back",
    "take back",
    "taken back",
    "without a word",
    "on the word of",
    "proves itself",
    "everybody",
    "anybody",
    "under way",
    "let pass",
    "lets pass",
    "end a connection",
    "lanes",
    "panes",
    "blot",
];

/// Retired words that may be read, with where and why.
const ALLOWED: [(&str, &str); 0] = [];

/// What people read of a page: prose, comments of commands and files. Names in code spans, output of programs and generated
/// tables are not the page's own words.
fn prose(page: &str) -> String {
    let text = read(page);
    let (mut kept, mut is_generated) = (Vec::new(), false);
    for (fence, line) in lines(&text) {
        if line.starts_with("<!-- ") {
            is_generated = line.contains(": generated by");
        }
        // A row of the table of metrics is the help of the metric.
        let is_metric = line.starts_with("| `rosterd_");
        let line = match fence {
            None => spans(line).0,
            Some(language) if language.starts_with("sh") || language == "toml" => {
                line.split_once('#').map(|(_, comment)| spans(comment).0).unwrap_or_default()
            }
            Some(_) => String::new(),
        };
        if !is_generated && !is_metric {
            kept.push(line);
        }
    }
    kept.join(" ")
}

/// The retired words in a text.
pub(crate) fn retired(text: &str) -> Vec<&'static str> {
    let words: String = text.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let words = format!(" {} ", words.split_whitespace().collect::<Vec<_>>().join(" "));
    RETIRED.into_iter().filter(|word| words.contains(&format!(" {word} "))).collect()
}

#[test]
fn no_page_has_a_retired_word() {
    let mut found = Vec::new();
    let read_by_users = |page: &String| page.starts_with("docs/") || page == "README.md";
    // Of the generated pages one is made from comments, and read as a whole.
    let is_ours = |page: &String| !is_generated(page) || page == "docs/configuration.md";
    for page in pages().into_iter().filter(|page| read_by_users(page) && is_ours(page)) {
        let words = retired(&prose(&page)).into_iter().filter(|word| !ALLOWED.contains(&(page.as_str(), *word)));
        found.extend(words.map(|word| format!("{page}: {word:?}")));
    }
    assert!(found.is_empty(), "words that docs/glossary.md has other words for:\n{}", found.join("\n"));
}

/// The shipped files in a folder: configuration, alert rules, a dashboard, units, scripts of the package.
fn shipped(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => shipped(&path, found),
            false if path.extension().is_some_and(|end| end == "rs") => {}
            false => found.push(path),
        }
    }
}

/// A text without what other programs compare: names of keys, metrics and alerts.
fn without_keys(text: &str) -> String {
    text.split_whitespace().filter(|word| !word.contains('_')).collect::<Vec<_>>().join(" ")
}

#[test]
fn no_shipped_file_has_a_retired_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    ["config", "systemd"].iter().for_each(|folder| shipped(&root.join(folder), &mut files));
    assert!(files.len() > 20, "{files:?}");
    let mut found = Vec::new();
    for file in files {
        let words = retired(&without_keys(&std::fs::read_to_string(&file).unwrap()));
        found.extend(words.into_iter().map(|word| format!("{}: {word:?}", file.display())));
    }
    assert!(found.is_empty(), "words that docs/glossary.md has other words for:\n{}", found.join("\n"));
    assert_eq!(
        retired(&without_keys("# rosterd_set_aside_objects: kept in\n# step by somebody")),
        ["somebody", "in step"]
    );
    assert_eq!(retired(&without_keys("# What is set\naside")), ["set aside"]);
}

/// The retired words in the help of a command and of those below it.
fn retired_in_help(command: &mut clap::Command, above: &str) -> Vec<String> {
    let name = format!("{above} {}", command.get_name());
    let help = command.render_long_help().to_string();
    let mut found: Vec<String> =
        retired(&help).into_iter().map(|word| format!("`{} --help`: {word:?}", name.trim())).collect();
    found.extend(command.get_subcommands_mut().flat_map(|below| retired_in_help(below, &name)));
    found
}

#[test]
fn no_help_has_a_retired_word() {
    let found = retired_in_help(&mut rosterd::cli::command(), "");
    assert!(found.is_empty(), "words that docs/glossary.md has other words for:\n{}", found.join("\n"));
    let option = clap::Arg::new("who").long("who").help("Who is told");
    let planted = clap::Command::new("one").subcommand(clap::Command::new("two").arg(option));
    assert_eq!(retired_in_help(&mut planted.clone(), ""), ["`one two --help`: \"told\""]);
}

/// Lines of a help text that end in the middle of a paragraph: on a terminal that is narrower, they leave a short line behind.
fn broken_paragraphs(help: &str) -> Vec<&str> {
    let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
    let lines: Vec<&str> = help.lines().collect();
    let pairs = lines.windows(2).filter(|pair| is_prose(pair[0]) && is_prose(pair[1]));
    // What a sentence of its own says of exit codes begins a line.
    pairs.filter(|pair| !(pair[1].starts_with("Exit codes:") && pair[0].ends_with('.'))).map(|pair| pair[0]).collect()
}

/// What is wrong with the text after the options of a command and of those below it.
fn broken_help(command: &clap::Command, above: &str) -> Vec<String> {
    let name = format!("{above} {}", command.get_name());
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut found: Vec<String> =
        broken_paragraphs(&help).into_iter().map(|line| format!("`{} --help`: {line}", name.trim())).collect();
    if help.lines().skip_while(|line| !line.starts_with("Example")).skip(1).any(|line| !line.starts_with("  ")) {
        found.push(format!("`{} --help`: the examples are not at its end", name.trim()));
    }
    found.extend(command.get_subcommands().flat_map(|below| broken_help(below, &name)));
    found
}

#[test]
fn the_terminal_wraps_the_paragraphs_of_the_help_and_examples_come_last() {
    let found = broken_help(&rosterd::cli::command(), "");
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(broken_paragraphs("It stops\nhere.\n\nExamples:\n  rosterd plan acme"), ["It stops"]);
    assert_eq!(broken_paragraphs("It ends.\nExit codes: 0 success"), [""; 0]);
    let planted = clap::Command::new("one").after_help("Examples:\n  one\n\nIt is the first.");
    assert_eq!(broken_help(&planted, ""), ["`one --help`: the examples are not at its end"]);
}

#[test]
fn a_retired_word_is_found_wherever_it_is() {
    assert_eq!(retired("It is *somebody's* turn."), ["somebody"]);
    assert_eq!(retired("The rest is set\naside."), ["set aside"]);
    assert_eq!(retired("| `held` | the webhook is told |"), ["told"]);
    assert!(retired("Users are matched, as foretold.").is_empty());
}

#[test]
fn no_line_of_a_page_is_too_long() {
    let mut long = Vec::new();
    for page in pages().into_iter().filter(|page| page.starts_with("docs/") && !is_generated(page)) {
        let text = read(&page);
        // Output is as wide as the program makes it.
        let lines = lines(&text).into_iter().filter(|(fence, _)| !matches!(fence, Some("text output" | "")));
        let over = lines.filter(|(_, line)| !line.starts_with('|') && line.chars().count() > COLUMNS);
        long.extend(over.map(|(_, line)| format!("{page}: {line}")));
    }
    assert!(long.is_empty(), "longer than {COLUMNS} columns:\n{}", long.join("\n"));
}

#[test]
fn every_key_of_the_files_is_documented() {
    let page = read("docs/configuration.md");
    assert_eq!(
        page,
        rosterd::config::reference::markdown(),
        "run `cargo run -- schema reference > docs/configuration.md`"
    );
}

#[test]
fn the_editor_schema_in_the_tree_is_fresh() {
    let kept = read("config/schema.json");
    assert!(
        kept == rosterd::config::schema::text(rosterd::config::schema::SchemaKind::Tenant),
        "the schema is stale; run: cargo run -- schema tenant > config/schema.json"
    );
}
