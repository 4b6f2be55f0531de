//! From a place in a text value to the place in the file: what lies between are quotes and escapes.

use std::ops::Range;

/// The bytes in the file that a part of a value's text stands for. `whole` is the literal with its quotes.
pub(super) fn part(file: &str, whole: Range<usize>, part: Range<usize>) -> Range<usize> {
    let Some(raw) = file.get(whole.clone()) else { return whole };
    let Some((body, basic)) = body(raw) else { return whole };
    let inner = raw.get(body.clone()).unwrap_or_default();
    let base = whole.start + body.start;
    let (from, to) = match basic {
        true => {
            let from = raw_offset(inner, part.start);
            (from + swallowed(inner.get(from..).unwrap_or_default()), raw_offset(inner, part.end))
        }
        false => (part.start, part.end),
    };
    let end = whole.start + body.end;
    let (from, to) = (base.saturating_add(from).min(end), base.saturating_add(to).min(end));
    // The end of the text has no byte of its own; the closing quote stands for it.
    from..to.max(from)
}

/// Where the text is between its quotes, and whether it has escapes.
fn body(raw: &str) -> Option<(Range<usize>, bool)> {
    for (quote, basic) in [("\"\"\"", true), ("'''", false), ("\"", true), ("'", false)] {
        let long = raw.len() >= 2 * quote.len();
        if long && raw.starts_with(quote) && raw.ends_with(quote) {
            let mut start = quote.len();
            if quote.len() == 3 {
                // A newline right after the opening quotes is not part of the text.
                let rest = raw.get(start..).unwrap_or_default();
                start += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
            }
            return Some((start..(raw.len() - quote.len()).max(start), basic));
        }
    }
    None
}

/// The offset in a literal with escapes that stands for an offset in its text.
fn raw_offset(inner: &str, wanted: usize) -> usize {
    let (mut raw, mut text) = (0, 0);
    while text < wanted {
        let Some((taken, given)) = next(inner.get(raw..).unwrap_or_default()) else { break };
        raw += taken;
        text += given;
    }
    raw
}

/// How many bytes at the start stand for nothing: a part never begins with them.
fn swallowed(rest: &str) -> usize {
    match next(rest) {
        Some((taken, 0)) => taken,
        _ => 0,
    }
}

/// How many bytes the next character takes in the literal, and how many it gives in the text.
fn next(rest: &str) -> Option<(usize, usize)> {
    let first = rest.chars().next()?;
    if first != '\\' {
        return Some((first.len_utf8(), first.len_utf8()));
    }
    let escape = rest.chars().nth(1)?;
    let digits = match escape {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        c if c.is_whitespace() => {
            // A backslash at the end of a line swallows all space up to the next text.
            let space = rest.get(1..)?.chars().take_while(|c| c.is_whitespace()).map(char::len_utf8).sum::<usize>();
            return Some((1 + space, 0));
        }
        other => return Some((1 + other.len_utf8(), 1)),
    };
    let code = rest.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
    Some((2 + digits, code.map_or(1, char::len_utf8)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    /// Marks the word `bad` of the value's text in the file's text.
    fn marked(literal: &str) -> String {
        let file = format!("key = {literal}\n");
        let value: toml::Table = toml::from_str(&file).unwrap();
        let text = value["key"].as_str().unwrap();
        let at = text.find("bad").unwrap();
        let span = part(&file, 6..6 + literal.len(), at..at + 3);
        file[span].to_owned()
    }

    #[test]
    fn a_part_is_found_behind_every_kind_of_quote_and_escape() {
        for literal in [
            "'x bad y'",
            "\"x bad y\"",
            r#""é\n\"\\\u00e9\U0001F600 bad""#,
            r#""\x41bad""#,
            "'''\nx\nbad'''",
            "\"\"\"\nx \\\n     bad\"\"\"",
            "\"\"\"x\"\"bad\"\"\"",
        ] {
            assert_eq!(marked(literal), "bad", "{literal}");
        }
    }

    #[test]
    fn the_end_of_a_text_is_its_closing_quote() {
        assert_eq!(part("a = 'xy'", 4..8, 2..2), 7..7);
        assert_eq!(part("a = 'xy'", 4..8, 9..99), 7..7, "outside of the text is its end");
        assert_eq!(part("a = 12", 4..6, 0..1), 4..6, "what is no text is marked whole");
    }

    proptest::proptest! {
        #[test]
        fn no_literal_makes_it_panic(raw in ".{0,20}", from in 0usize..30, to in 0usize..30) {
            let span = part(&raw, 0..raw.len(), from..to);
            proptest::prop_assert!(span.start <= span.end && span.end <= raw.len());
        }
    }
}
