//! The tests that hold rosterd to the faults it promises to survive. In: their list (`faults`), and the names of all tests in the
//! tree. Out: the tables of `docs/reliability.md`.
//!
//! A test belongs to a scenario by its name (`s02_…`, `t7_…`, `…_and_t4_…`), or because the list names it. Tests in `src/` run in the
//! simulated world or against a socket in the same process; tests in `tests/it/` run the real binary or real servers.

mod faults;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use self::faults::{SCENARIOS, Scenario};
use crate::http::failure::CLASSES;
use crate::http::failure::{AfterFailure, CallKind, after_failure};
use crate::scim::FailureClass;

/// Names of test functions below a folder, with their files.
fn tests_below(folder: &Path, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let file = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
                if let Some(name) = name {
                    if marked && let Some((name, _)) = name.split_once('(') {
                        found.push((name.to_owned(), file.clone()));
                    }
                    marked = false;
                }
            }
        }
    }
}

/// Whether a test's name says that it is about this scenario: `s02_…`, `s2_…`, `t3_and_t4_…`.
fn is_named(test: &str, id: &str) -> bool {
    let ids = test.split('_').take_while(|part| *part == "and" || as_id(part).is_some());
    let id = id.to_lowercase();
    ids.into_iter().any(|part| as_id(part) == as_id(&id))
}

fn as_id(part: &str) -> Option<(&str, u32)> {
    let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
    let known = ["s", "c", "t", "p", "x", "l", "mp", "ma", "mm", "mb"].contains(&letters);
    Some((letters, part.strip_prefix(letters)?.parse().ok()?)).filter(|_| known)
}

/// The table of scenarios, and what is missing in it.
fn scenarios() -> (String, Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut simulated, mut real) = (Vec::new(), Vec::new());
    tests_below(&root.join("src"), &mut simulated);
    tests_below(&root.join("tests/it"), &mut real);
    let mut table = "| | what goes wrong | what holds | tested by | result |\n|---|---|---|---|---|\n".to_owned();
    let mut missing = Vec::new();
    for Scenario(id, fault, promise, wanted, also) in SCENARIOS {
        let mut cells = Vec::new();
        for (mark, tests) in [('S', &simulated), ('B', &real)] {
            let mine: Vec<_> =
                tests.iter().filter(|(name, _)| is_named(name, id) || also.contains(&name.as_str())).collect();
            let first = mine.iter().find(|(name, _)| is_named(name, id)).or(mine.first());
            match first {
                Some((name, file)) => cells.push(format!("{mark}: `{name}` ({file})")),
                None if wanted.contains(mark) => missing.push(format!("{id} has no test marked {mark}")),
                None => {}
            }
        }
        for name in *also {
            if !simulated.iter().chain(&real).any(|(test, _)| test == name) {
                missing.push(format!("{id}: there is no test {name}"));
            }
        }
        writeln!(table, "| {id} | {fault} | {promise} | {} | holds |", cells.join("<br>")).unwrap();
    }
    (table, missing)
}

/// What follows a failed call: the table that the code itself reads.
fn steps() -> String {
    let words = |step: AfterFailure| match step {
        AfterFailure::Fail => "failed",
        AfterFailure::FailAndLookUp => "set aside, and look what is there",
        AfterFailure::Retry => "wait, repeat",
        AfterFailure::LookUpThenRetry => "wait, look, repeat if it is not there",
        AfterFailure::LookUpOnly => "wait, look, leave it to the next run",
        AfterFailure::SplitBatch => "send in halves",
        AfterFailure::StopTenant => "stop the tenant",
    };
    let mut by_class: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for status in 300..600 {
        by_class.entry(format!("{:?}", FailureClass::of(status))).or_default().push(status.to_string());
    }
    let mut table =
        "| what the app does | HTTP | read | create | change | members |\n|---|---|---|---|---|---|\n".to_owned();
    for class in CLASSES {
        let named = by_class.get(&format!("{class:?}")).cloned().unwrap_or_default();
        let status = match named.len() {
            0 => "–".to_owned(),
            1..=6 => named.join(", "),
            _ => format!("{} and others up to {}", named[0], named[named.len() - 1]),
        };
        let cells = [CallKind::Read, CallKind::Create, CallKind::Change, CallKind::Members]
            .map(|kind| words(after_failure(class, kind)));
        writeln!(table, "| {} | {status} | {} |", in_words(class), cells.join(" | ")).unwrap();
    }
    table
}

fn in_words(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Unauthorized => "refuses the token",
        FailureClass::Forbidden => "forbids the call",
        FailureClass::NotFound => "does not know the object",
        FailureClass::Conflict => "has such an object already",
        FailureClass::Changed => "says that the object changed meanwhile",
        FailureClass::TooLarge => "finds the call too large",
        FailureClass::Throttled => "asks to slow down",
        FailureClass::Invalid => "finds the values wrong",
        FailureClass::Immutable => "lets nobody change that attribute",
        FailureClass::Unsupported => "does not offer that",
        FailureClass::Server => "is in trouble",
        FailureClass::Redirect => "points elsewhere",
        FailureClass::NotScim => "answers something that is no SCIM: HTML, cut off, too large, too deep",
        FailureClass::Unreachable => "can't be reached: nothing was sent",
        FailureClass::Untrusted => "has a certificate that is not accepted, or no TLS: nothing was sent",
        FailureClass::LoginRefused => "has a token server that refuses the credentials: nothing was sent",
        FailureClass::LoginFailed => "has a token server that grants no token: nothing was sent",
        FailureClass::Unknown => "says nothing: it may have been done",
        FailureClass::Closed => "is asked no more: this process was told to stop, and nothing was sent",
    }
}

fn page() -> (String, Vec<String>) {
    let (table, missing) = scenarios();
    let page = format!(
        "# Reliability\n\n\
         Written by the tests: `ROSTERD_WRITE_DOCS=1 cargo test --lib scenarios`. Edit `src/sim/scenarios/faults.rs` instead.\n\n\
         ## Faults, and what holds all the same\n\n\
         S: in the simulated world or against a socket in the same process. B: the real binary against a real server or a loopback\n\
         server that commits the fault. A scenario without its tests fails the build, and so does a test that fails.\n\n\
         Beside these, `cargo test` lives 2,000 seeded worlds of 50 steps (`src/sim/seeded`): edits, cycles, kills, power cuts, full\n\
         disks, lost states and approvals by chance against seven kinds of apps, all promises checked after every step. A longer soak:\n\
         `ROSTERD_SOAK_SECONDS=600 cargo test --lib seeded::soak -- --ignored --nocapture`, with `ROSTERD_SEEDS_FROM` and `ROSTERD_SEEDS_TO`;\n\
         how fast that is stands in [benchmarks.md](benchmarks.md).\n\n\
         {table}\n\
         ## What follows a failed call\n\n\
         `src/http/failure.rs` is this table, and nothing else decides. A call is tried as often as the profile's `pace.attempts` says; the\n\
         last failure sets the object aside. A call of which nobody knows whether it was carried out stays open in the journal, and the\n\
         next run looks before it plans.\n\n\
         {}\n",
        steps()
    );
    (page, missing)
}

#[test]
fn every_scenario_has_its_tests_and_the_page_says_which() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let (page, missing) = page();
    assert!(missing.is_empty(), "{missing:#?}");
    if std::env::var_os("ROSTERD_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page, "docs/reliability.md is stale; run: ROSTERD_WRITE_DOCS=1 cargo test --lib scenarios");
}

#[test]
fn a_test_is_known_by_its_name() {
    assert!(is_named("s02_a_list", "S2") && is_named("s2_a_list", "S2") && is_named("t3_and_t4_waits", "T4"));
    assert!(is_named("ma5_one", "MA5") && is_named("mp01_one", "MP1") && !is_named("ma15_one", "MA5"));
    assert!(!is_named("s12_a_list", "S2") && !is_named("i2_s2_list", "S2") && !is_named("sets_aside", "S2"));
}
