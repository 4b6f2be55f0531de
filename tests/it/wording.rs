//! The program speaks the words of `docs/glossary.md`: no text that a person reads has a retired word.
//!
//! Every string literal of product code is searched, whether it is printed, logged, sent or put into a page. Comments, tests and the
//! simulated world are not; neither are names inside braces, which are the code's own.

use std::path::{Path, PathBuf};

use crate::docs::retired;

/// Words that are retired in the program beside those of the documentation.
const RETIRED_HERE: [&str; 1] = ["is nobody"];

/// Sentences of earlier versions, which are read from old journals and never written.
const READ_ONLY: [&str; 2] = ["src/model/reason.rs", "src/model/obstacle.rs"];

/// Literals that may have one: the file, a part of the literal, and why.
const ALLOWED: [(&str, &str, &str); 5] = [
    ("src/notify/mod.rs", "notify/told", "the name of a note on the disk, as earlier versions wrote it"),
    ("src/cli/notify.rs", "standing", "a key of the JSON output"),
    ("src/cli/doctor/probe.rs", "knobs", "a key of the JSON output"),
    ("src/cli/why.rs", "nobody", "a key of the JSON output"),
    ("src/scim/conformance.rs", "nobody", "a user name that no account has"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        match path.is_dir() {
            true if name == "tests" || name == "sim" => {}
            true => sources(&path, found),
            false if name.ends_with(".rs") && !name.ends_with("tests.rs") => found.push(path),
            false => {}
        }
    }
}

/// The string literals of a file outside of its comments and of the tests at its end, each with its line; a continued literal is one text.
fn literals(text: &str) -> Vec<(usize, String)> {
    let end = text.find("#[cfg(test)]").filter(|at| text[*at..].contains("mod tests {")).unwrap_or(text.len());
    let code: Vec<char> = text[..end].chars().collect();
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    let is = |at: usize, c: char| code.get(at) == Some(&c);
    while let Some(c) = code.get(at) {
        line += usize::from(*c == '\n');
        if is(at, '/') && is(at + 1, '/') {
            while at < code.len() && !is(at, '\n') {
                at += 1;
            }
        } else if is(at, '\'') && (is(at + 2, '\'') || (is(at + 1, '\\') && is(at + 3, '\''))) {
            // A character, which may be a quotation mark.
            at += if is(at + 1, '\\') { 4 } else { 3 };
        } else if is(at, '"') {
            let hashes = (0..at).rev().take_while(|before| is(*before, '#')).count();
            let is_raw = at > hashes && is(at - hashes - 1, 'r');
            let (begin, mut literal) = (line, String::new());
            at += 1;
            while at < code.len() {
                let closes = is(at, '"') && (!is_raw || (1..=hashes).all(|more| is(at + more, '#')));
                if closes {
                    break;
                }
                line += usize::from(is(at, '\n'));
                if is(at, '\\') && !is_raw {
                    at += 1;
                    literal.push(if is(at, '\n') { ' ' } else { code.get(at).copied().unwrap_or(' ') });
                    line += usize::from(is(at, '\n'));
                } else {
                    literal.extend(code.get(at));
                }
                at += 1;
            }
            found.push((begin, literal));
            at += 1;
        } else {
            at += 1;
        }
    }
    found
}

/// A literal without what stands between braces: names of the code.
fn without_names(literal: &str) -> String {
    let mut depth = 0_usize;
    let mut out = String::new();
    for c in literal.chars() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                out.push('x');
            }
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// The retired words of a literal.
fn retired_in(literal: &str) -> Vec<&'static str> {
    // A single word is a name: of a field, a file, an option.
    if !literal.trim().contains(' ') && literal.chars().any(|c| matches!(c, '_' | '/' | '.' | '-')) {
        return Vec::new();
    }
    let text = without_names(literal);
    let lower = format!(" {} ", text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" "));
    let here = RETIRED_HERE.into_iter().filter(|word| lower.contains(&format!(" {word} ")));
    retired(&text).into_iter().chain(here).collect()
}

/// Whether a line only reads a sentence of an earlier version.
fn is_read_only(file: &str, text: &str, line: usize) -> bool {
    let shown = text.lines().nth(line - 1).unwrap_or_default().trim_start();
    READ_ONLY.contains(&file) && (shown.starts_with('|') || shown.starts_with("(\"") || shown.contains("EARLIER"))
}

#[test]
fn no_text_of_the_program_has_a_retired_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    let (mut found, mut searched) = (Vec::new(), 0);
    for path in files {
        let file = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        for (line, literal) in literals(&text) {
            searched += 1;
            let is_allowed = ALLOWED.iter().any(|(of, part, _)| *of == file && literal.contains(part));
            if is_allowed || is_read_only(&file, &text, line) {
                continue;
            }
            found
                .extend(retired_in(&literal).into_iter().map(|word| format!("{file}:{line}: {word:?} in {literal:?}")));
        }
    }
    assert!(searched > 5000, "only {searched} literals were found");
    assert!(found.is_empty(), "words that docs/glossary.md has other words for:\n{}", found.join("\n"));
}

#[test]
fn a_retired_word_is_found_in_every_kind_of_literal() {
    let planted = "// nobody\nlet a = \"nobody is here\"; let quote = '\"'; let b = r#\"the \"webhook\" is told\"#;\n\
                   let c = \"it stands \\\n    aside: set aside\";\n#[cfg(test)]\nmod tests { const D: &str = \"nobody\"; }";
    let words: Vec<(usize, &str)> = literals(planted)
        .iter()
        .flat_map(|(line, text)| retired_in(text).into_iter().map(|word| (*line, word)))
        .collect();
    assert_eq!(words, [(2, "nobody"), (2, "told"), (3, "set aside")]);
    assert!(retired_in("{told} changes").is_empty() && retired_in("notify/told").is_empty());
    assert_eq!(retired_in("a run is under way"), ["under way"]);
}
