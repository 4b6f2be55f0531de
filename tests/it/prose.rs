//! Prose is never data: what code compares is an enum, a number or a word of a protocol, and no sentence.
//!
//! A comparison with a literal that has several words, or that is the code of a verdict, is found; so is one of two sentences, a look
//! into an error's text, and a sentence that is made to be kept as data. Words of other programs (a
//! parser's messages, a vendor's answers) and keywords of a file format are constants with a name that says whose they are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Calls that compare or split by a literal.
const CALLS: [&str; 14] = [
    ".starts_with(",
    ".ends_with(",
    ".contains(",
    ".strip_prefix(",
    ".strip_suffix(",
    ".split_once(",
    ".rsplit_once(",
    ".split(",
    ".rsplit(",
    ".find(",
    ".matches(",
    ".eq_ignore_ascii_case(",
    "== ",
    "!= ",
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

/// A file without its comments and without the tests at its end.
fn code(text: &str) -> String {
    let text = match text.rfind("#[cfg(test)]") {
        Some(at) if text[at..].contains("mod tests {") => &text[..at],
        _ => text,
    };
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}

/// The text literal at the beginning, without its quotes.
fn literal(rest: &str) -> Option<&str> {
    let rest = rest.trim_start().trim_start_matches('&').strip_prefix('"')?;
    let mut escaped = false;
    let end = rest.find(|c: char| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some(&rest[..end])
}

/// Literals that the code compares something with: in calls, and as the patterns of a `match`.
fn compared(code: &str) -> BTreeSet<&str> {
    let mut all = BTreeSet::new();
    for call in CALLS {
        all.extend(code.match_indices(call).filter_map(|(at, _)| literal(&code[at + call.len()..])));
    }
    // A list that is looked through where it is written, and the patterns of `matches!`.
    for (at, _) in code.match_indices("\"].iter()").chain(code.match_indices("\"]\n")) {
        let Some(begin) = code[..at].rfind('[') else { continue };
        if code[at..].trim_start_matches(['"', ']', '\n', ' ']).starts_with(".iter()") {
            all.extend(code[begin + 1..=at].split('"').skip(1).step_by(2));
        }
    }
    for (at, _) in code.match_indices("matches!(") {
        let line = code[at..].lines().next().unwrap_or_default();
        let Some((_, pattern)) = line.split_once(", ") else { continue };
        all.extend(pattern.split(" | ").filter_map(literal));
    }
    for line in code.lines().filter(|line| !line.contains('$')) {
        all.extend(line.match_indices("=>").flat_map(|(at, _)| alternatives(&line[..at])));
    }
    all
}

/// The literals of a pattern: `"one" | "two"`, `Some("one")`, `"one" if …`.
fn alternatives(before: &str) -> Vec<&str> {
    let pattern = before.rsplit("=>").next().unwrap_or_default();
    let pattern = pattern.split_once(" if ").map_or(pattern, |(pattern, _)| pattern);
    let (mut rest, mut found) = (pattern, Vec::new());
    loop {
        let Some(text) = rest.trim_end().trim_end_matches(')').strip_suffix('"') else { return found };
        let Some(begin) = text.rfind('"') else { return found };
        found.push(&text[begin + 1..]);
        let Some(more) = text[..begin].trim_end().strip_suffix('|') else { return found };
        rest = more;
    }
}

/// Whether it reads like words: two of them with a blank between.
fn is_prose(text: &str) -> bool {
    let is_word = |word: &&str| word.len() > 1 && word.chars().all(|c| c.is_alphabetic() || c == '\'');
    let words =
        text.split(' ').map(|word| word.trim_matches([',', '.', ':', ';', '(', ')', '"', '\\'])).filter(is_word);
    let ends = text.starts_with(' ') || text.ends_with(' ');
    let count = words.count();
    count > 1 || (ends && count > 0)
}

/// The names of verdicts that have a type of their own.
fn is_verdict(text: &str) -> bool {
    const VERDICTS: [&str; 12] = [
        "held",
        "failed",
        "partial",
        "planned",
        "unanswered",
        "noted",
        "failing",
        "quarantined",
        "adopt_only",
        "needs_decision",
        "source_shrink",
        "removals_per_day",
    ];
    const OPS: [&str; 8] = [
        "create_user",
        "update_user",
        "adopt_user",
        "deactivate_user",
        "delete_user",
        "create_group",
        "add_members",
        "remove_members",
    ];
    VERDICTS.contains(&text) || OPS.contains(&text)
}

#[test]
fn w1_no_sentence_and_no_verdict_is_compared_as_text() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 200, "{}", files.len());
    let mut found = Vec::new();
    for path in files {
        let code = code(&std::fs::read_to_string(&path).unwrap());
        let odd = compared(&code).into_iter().filter(|text| is_prose(text) || is_verdict(text));
        found.extend(odd.map(|text| format!("{}: {text:?}", path.display())));
    }
    assert!(found.is_empty(), "a sentence or a verdict is compared as text:\n{}", found.join("\n"));
}

#[test]
fn w1_what_the_search_finds() {
    let found = |code: &str| compared(code).into_iter().filter(|text| is_prose(text) || is_verdict(text)).count();
    for bad in [
        r#"why.starts_with("a token from")"#,
        r#"if hold.reason == "adopt_only" {"#,
        r#"match step.result { "held" => 1, _ => 2 }"#,
        "match run.status.as_str() {\n    \"partial\" | \"held\" => WAIT,\n}",
        r#"text.split_once(" at line ")"#,
        r#"text.contains("could not acquire lock")"#,
        r#"["already there", "taken"].iter().any(|word| text.contains(word))"#,
        r#"matches!(word, "held" | "failed")"#,
    ] {
        assert_eq!(found(bad).min(1), 1, "{bad}");
    }
    for good in [r#"path == "members""#, r#"name.strip_suffix(".json")"#, r#"head.eq_ignore_ascii_case("retry-after")"#]
    {
        assert_eq!(found(good), 0, "{good}");
    }
}

/// Fields and methods that give a sentence.
const SENTENCES: [&str; 6] = [".why", ".detail", ".detail()", ".sentence", ".remedy", ".to_string()"];

/// Where code treats a sentence as data although no literal is beside it.
fn treated_as_data(code: &str) -> Vec<&str> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let before = &lines[at.saturating_sub(3)..at];
        if compares_a_sentence(line)
            || looks_into_an_error(before.last().unwrap_or(&""), line)
            || line.contains("Obstacle::Text(format!(")
            || (line.contains("Names::of(") && before.iter().any(|line| line.contains("map(ToString::to_string)")))
        {
            found.push(line.trim());
        }
    }
    found
}

/// Whether two sentences are compared: `one.why == other.why`.
fn compares_a_sentence(line: &str) -> bool {
    let gives_one = |side: &str| SENTENCES.iter().any(|name| side.ends_with(name));
    [" == ", " != "].iter().flat_map(|sign| line.match_indices(sign)).any(|(at, sign)| {
        let right = &line[at + sign.len()..];
        let end = right.find([' ', ',', '{', ';']).unwrap_or(right.len());
        gives_one(&line[..at]) && gives_one(&right[..end])
    })
}

/// Whether the text of an error decides: `SourceError::Refused(text) if text.contains(WORDS)`.
fn looks_into_an_error(before: &str, line: &str) -> bool {
    let whole =
        if line.trim_start().starts_with("if ") { format!("{before} {}", line.trim()) } else { line.to_owned() };
    let Some((pattern, guard)) = whole.split_once(" if ") else { return false };
    let Some((_, bound)) = pattern.rsplit_once("Error::").and_then(|(_, rest)| rest.split_once('(')) else {
        return false;
    };
    let name = bound.trim_end().trim_end_matches(')');
    let looks = |call: &&str| guard.contains(&format!("{name}.{call}("));
    !name.is_empty() && ["contains", "starts_with", "ends_with", "find", "to_lowercase"].iter().any(looks)
}

#[test]
fn w1_no_sentence_is_compared_with_another_and_none_is_made_to_be_data() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut found = Vec::new();
    for path in files {
        let code = code(&std::fs::read_to_string(&path).unwrap());
        found.extend(treated_as_data(&code).into_iter().map(|line| format!("{}: {line}", path.display())));
    }
    assert!(found.is_empty(), "a sentence is treated as data:\n{}", found.join("\n"));
}

#[test]
fn w1_what_the_search_for_sentences_as_data_finds() {
    for bad in [
        "if earlier.why != knob.why {",
        "let same = one.to_string() == other.to_string();",
        "SourceError::Refused(text) if text.contains(SEVERAL) => {",
        "SourceError::Forbidden(text) if WORDS.iter().any(|words| text.contains(words)) => {",
        "let reason = Obstacle::Text(format!(\"{first}{more}\"));",
        "let shown = all.iter().map(ToString::to_string).collect();\nNames::of(shown.iter().map(String::as_str))",
    ] {
        assert_eq!(treated_as_data(bad).len(), 1, "{bad}");
    }
    for good in [
        "if earlier.code() != hold.code() {",
        "Err(SourceError::Throttled(why)) if blocked.len() < BLOCKED_ALONE => blocked.push(why),",
        "_ => Obstacle::Text(error.to_string()),",
        "Names::of(names.iter().map(String::as_str))",
    ] {
        assert!(treated_as_data(good).is_empty(), "{good}");
    }
}

/// The table of kinds of change is one: elsewhere they are named only where something is done with them.
#[test]
fn w1_a_kind_of_change_is_declared_in_one_table_and_used_where_it_is_carried_out() {
    let mut files = Vec::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources(&src, &mut files);
    // The last kind that was added has nothing special about it: where it is named is where a new one has to be.
    let named = files.into_iter().filter(|path| {
        let code = code(&std::fs::read_to_string(path).unwrap());
        ["ReleaseUser", "\"release_user\""].iter().any(|name| code.contains(name))
    });
    let named: BTreeSet<String> = named.map(|path| path.strip_prefix(&src).unwrap().display().to_string()).collect();
    // Whoever plans it comes on top of these.
    let table = ["apply/calls.rs", "apply/effects.rs", "model/operation.rs", "plan/operation.rs"].map(str::to_owned);
    assert!(table.iter().all(|file| named.contains(file)), "{named:?}");
    let more: Vec<&String> = named.iter().filter(|file| !table.contains(file)).collect();
    let plans = |file: &&&String| file.starts_with("plan/") || file.starts_with("errand/");
    assert!(more.iter().filter(|file| !plans(file)).all(|file| *file == "explain/past.rs"), "{more:?}");
}
