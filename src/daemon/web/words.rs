//! Words and figures as the page shows them. In: texts from anywhere, instants. Out: short plain text.

use jiff::Timestamp;

pub(super) use crate::clock::{distance, duration};
use crate::model::text::{is_unseen, marks};

/// Longer texts are cut: a directory may call somebody a megabyte.
const LONGEST: usize = 240;

/// Text from outside: characters that steer the text around them are spelt out, and no text is longer than a person reads. What is
/// markup in it is escaped by the template.
pub(super) fn shown(text: &str) -> String {
    at_most(text, LONGEST)
}

/// A name from outside: as [`shown`], with a mark beside it if it is not what it looks like.
pub(super) fn named(text: &str) -> String {
    let mut out = shown(text);
    for mark in marks(text) {
        out.push(' ');
        out.push_str(mark);
    }
    out
}

/// As [`shown`], for texts of our own that may be long.
pub(super) fn at_most(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == most {
            out.push('…');
            break;
        }
        match is_unseen(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    out
}

/// `1 person`, `1,204 people`.
pub(super) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", figure(n), if n == 1 { one } else { many })
}

/// `1,204`.
pub(super) fn figure(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How long a run took: `0.4 s`, `12 s`, `3 min`.
pub(super) fn length(begun: Timestamp, ended: Timestamp) -> String {
    let took = ended.duration_since(begun);
    match took.as_secs() {
        ..=9 => format!("{:.1} s", took.as_secs_f64().max(0.0)),
        seconds => duration(seconds.unsigned_abs()),
    }
}

/// `2026-01-05 12:00:00 UTC`.
pub(super) fn exactly(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A word of a command line, quoted where a shell needs it.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | ':' | '@' | '+' | ',');
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_steer_the_page_is_spelt_out_and_a_long_one_is_cut() {
        assert_eq!(shown("ann\u{202e}exe\u{0}\n"), "ann\\u{202e}exe\\u{0}\\u{a}");
        assert_eq!(shown(&"x".repeat(1 << 20)).chars().count(), LONGEST + 1);
        assert_eq!(shown("Jürgen Öz 李"), "Jürgen Öz 李");
        assert_eq!(named("ad\u{3164}min"), "ad\\u{3164}min (contains invisible characters)");
        assert_eq!(named("\u{430}dmin"), "\u{430}dmin (mixed scripts)");
    }

    #[test]
    fn figures_and_times_read_well() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |seconds| Timestamp::from_second(seconds).unwrap_or(now);
        assert_eq!([figure(0), figure(999), figure(1000), figure(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        let told = [-90, -1, 0, 59, 7500, 90_000, 864_000].map(|seconds| distance(at(seconds), now));
        assert_eq!(told, ["1 min ago", "now", "now", "in 59 s", "in 2 h 5 min", "in 1 day", "in 10 days"]);
        assert_eq!(length(now, at(3)), "3.0 s");
        assert_eq!(length(at(3), now), "0.0 s", "a clock that was set back");
        assert_eq!([quoted("/etc/a.toml"), quoted("a b'c")], ["/etc/a.toml", "'a b'\\''c'"]);
    }
}
