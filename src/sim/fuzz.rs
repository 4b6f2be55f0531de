//! Hostile input: everything that reads something from outside, fed with spoiled bytes. In: small good examples from `tests/fuzz/`,
//! spoiled by chance from a seed. Out: nothing, or the input at which something panicked or took too long.
//!
//! `cargo test` feeds each reader a little; `./test --fuzz` feeds each for as long as one likes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dice::Dice;
use crate::clock::SystemClock;
use crate::config::document::{Document, SourceText};
use crate::config::load;
use crate::mapping::{Filter, KnownAttributes};
use crate::model::TenantName;
use crate::progress::Silent;
use crate::source::file::FileSource;
use crate::source::take_snapshot;
use crate::store::Stores;

/// Nothing that somebody else wrote may take longer.
const SLOW: Duration = Duration::from_secs(5);

/// Inputs of each reader in a plain `cargo test`.
const FEW: u64 = 150;

/// What breaks readers more often than random bytes do.
const SPOILERS: [&[u8]; 22] = [
    b"\"",
    b"\\",
    b"'",
    b"(",
    b")",
    b"{",
    b"}",
    b"[[[[[[[[",
    b"\0",
    b"\xff\xfe",
    "\u{202e}".as_bytes(),
    "\u{feff}".as_bytes(),
    b"\r\n",
    b",",
    b"=HYPERLINK(",
    b"1e999",
    b"-1",
    b"18446744073709551616",
    b"null",
    b"../",
    b"{{",
    b"\"id\":\"7\",\"id\":\"8\"",
];

type Reader = fn(&[u8], &Path);

const READERS: [(&str, Reader); 7] = [
    ("scim_answer", |bytes, _| crate::scim::read_anything(bytes)),
    ("filter", |bytes, _| filter(&String::from_utf8_lossy(bytes))),
    ("path", |bytes, _| path(&String::from_utf8_lossy(bytes))),
    ("tenant", |bytes, _| tenant(&String::from_utf8_lossy(bytes))),
    ("journal", journal),
    ("people_json", |bytes, place| people(bytes, &place.join("people.json"), place)),
    ("people_csv", |bytes, place| people(bytes, &place.join("users.csv"), place)),
];

fn filter(text: &str) {
    let record =
        serde_json::json!({"department": "Sales", "email": "a@acme.test", "groups": ["a"], "suspended": false});
    let record = record.as_object().unwrap();
    if let Ok(filter) = Filter::compile(text, &KnownAttributes::open(Vec::<String>::new()), record) {
        drop(filter.accepts(record));
    }
}

fn path(text: &str) {
    if let Ok(path) = crate::model::Path::parse(text) {
        assert_eq!(
            crate::model::Path::parse(path.as_str()).as_ref(),
            Ok(&path),
            "what was read is written as it is read"
        );
    }
}

fn tenant(text: &str) {
    let source = SourceText::new("tenants/acme.toml", text);
    let mut found = Vec::new();
    let document = Document::parse(&source, &mut found);
    drop(load::tenant(&document, &mut found));
    load::sort(&mut found);
    drop(crate::config::diagnostic::render(&found, false));
}

fn journal(bytes: &[u8], place: &Path) {
    let name = TenantName::parse("acme").unwrap();
    let folder = place.join("acme/journal");
    drop(std::fs::remove_dir_all(place.join("acme")));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("00000001.log"), bytes).unwrap();
    let state = Stores::on_disk(place).tenant(&name);
    drop(state.verify());
    drop(state.read());
    if let Ok((_, notices)) = state.open("fuzz", Arc::new(SystemClock)) {
        assert!(notices.len() < 5);
    }
}

fn people(bytes: &[u8], file: &Path, place: &Path) {
    std::fs::write(file, bytes).unwrap();
    let read = if file.extension().is_some_and(|extension| extension == "csv") { place } else { file };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    drop(runtime.block_on(take_snapshot(&FileSource::new(read.to_owned(), b','), &[], &Silent)));
}

/// A good journal, made by the real thing.
fn good_journal(place: &Path) -> Vec<u8> {
    let name = TenantName::parse("acme").unwrap();
    drop(Stores::on_disk(place).tenant(&name).open("fuzz", Arc::new(SystemClock)).unwrap());
    std::fs::read(place.join("acme/journal/00000001.log")).unwrap()
}

fn spoil(bytes: &mut Vec<u8>, dice: &mut Dice, others: &[Vec<u8>]) {
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(bytes.len() as u64 + 1) as usize;
        let end = (at + 1 + dice.below(12) as usize).min(bytes.len());
        match dice.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 => drop(bytes.splice(at..at, dice.pick(&SPOILERS).unwrap().iter().copied())),
            2 if at < end => drop(bytes.drain(at..end)),
            3 if at < end => {
                let part = bytes[at..end].to_vec();
                let many = part.repeat(1 + dice.below(200) as usize);
                drop(bytes.splice(at..at, many));
            }
            4 => bytes.truncate(at),
            5 => {
                let other = dice.pick(others).unwrap();
                let from = dice.below(other.len() as u64 + 1) as usize;
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            6 => drop(bytes.splice(at..at, vec![b'x'; dice.below(5000) as usize])),
            _ => drop(bytes.splice(at..at, b"[".repeat(dice.below(3000) as usize))),
        }
    }
    bytes.truncate(1 << 20);
}

/// Feeds one reader until enough inputs, or enough time, have passed; says how many it was fed.
fn feed(name: &str, reader: Reader, inputs: u64, limit: Duration) -> u64 {
    let place = tempfile::tempdir().unwrap();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(name);
    let mut good: Vec<Vec<u8>> = match std::fs::read_dir(&folder) {
        Ok(entries) => entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect(),
        Err(_) => Vec::new(),
    };
    if name == "journal" {
        good.push(good_journal(place.path()));
    }
    good.sort();
    assert!(!good.is_empty(), "no example in {}", folder.display());
    let begun = Instant::now();
    for number in 0..inputs {
        if begun.elapsed() > limit {
            return number;
        }
        let mut dice = Dice::new(number);
        let mut bytes = dice.pick(&good).unwrap().clone();
        if number >= good.len() as u64 {
            spoil(&mut bytes, &mut dice, &good);
        }
        let started = Instant::now();
        let fed = catch_unwind(AssertUnwindSafe(|| reader(&bytes, place.path())));
        assert!(
            fed.is_ok() && started.elapsed() < SLOW,
            "{name}, input {number} ({:?}): {:?}",
            started.elapsed(),
            String::from_utf8_lossy(&bytes)
        );
    }
    inputs
}

#[test]
fn x01_no_spoiled_input_makes_a_reader_panic_or_hang() {
    for (name, reader) in READERS {
        feed(name, reader, FEW, Duration::from_secs(60));
    }
}

/// How many readers there are, so that `./test --long` can share its time.
#[test]
#[ignore = "prints a number for a script"]
#[allow(clippy::print_stdout, reason = "its result")]
fn readers() {
    println!("readers: {}", READERS.len());
}

/// Each reader for `ROSTERD_FUZZ_SECONDS`: `./test --fuzz`.
#[test]
#[ignore = "as long as one likes"]
#[allow(clippy::print_stdout, reason = "its result")]
fn fuzz() {
    let seconds = std::env::var("ROSTERD_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    for (name, reader) in READERS {
        let fed = feed(name, reader, u64::MAX, Duration::from_secs(seconds));
        println!("{name}: {fed} inputs in {seconds} s, no panic, none slower than {SLOW:?}");
    }
}
