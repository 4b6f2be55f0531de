//! How many seeded worlds of the simulated tests live in a second. In: the unit tests, as `cargo test` builds them. Out: worlds a second
//! on all processors.

use std::process::Command;

use crate::meter::{Figures, figures};

const SECONDS: &str = "60";

pub(crate) fn measure() -> Figures {
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--lib", "--", "--ignored", "--exact", "sim::seeded::soak", "--nocapture"]);
    let output = command.env("ROSTERD_SOAK_SECONDS", SECONDS).output().expect("cargo");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    // `840 worlds of 50 steps from seed 2000: 14.0 worlds a second`
    let line = text.lines().find(|line| line.ends_with("worlds a second")).expect("the soak says how fast it was");
    let number = |word: Option<&str>| word.and_then(|word| word.parse().ok()).expect("a number");
    let words: Vec<&str> = line.split_whitespace().collect();
    let rate = words.iter().rev().nth(3).copied();
    figures([
        ("worlds", number(words.first().copied())),
        ("steps", number(words.get(3).copied())),
        ("rate", number(rate)),
    ])
}
