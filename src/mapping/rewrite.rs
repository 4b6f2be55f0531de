//! An expression as the engine runs it. In: an expression's text. Out: the same with a look at the sides of every comparison by order
//! and at everything that is joined with `~`, and which place of the one is which of the other.
//!
//! The engine orders every text after every number and writes `True`; both would be decisions that nobody made (MM5). It has no place to
//! hang a rule of our own but filters, so the sides are handed through two: `(a | beside((b))) < b` and `(a | joined) ~ (b | joined)`.
//! Both give back what they are given, or an error; what short-circuits still does.

use std::ops::Range;

use super::words::{ExpressionToken, TokenKind, words};

/// Looks at both sides of a comparison by order.
pub(super) const BESIDE: &str = "__beside";
/// Looks at what is joined to a text.
pub(super) const JOINED: &str = "__joined";

/// The text that is run, and where its parts come from.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    pub(super) text: String,
    /// Where a copied part begins here, where it began before, and its length.
    copied: Vec<(usize, usize, usize)>,
}

impl Rewritten {
    /// The place in the original of a place in this text.
    pub(super) fn original(&self, at: &Range<usize>) -> Range<usize> {
        let inside = |&&(here, _, length): &&(usize, usize, usize)| here < at.end && at.start < here + length;
        let mut parts = self.copied.iter().filter(inside).map(|&(here, before, length)| {
            let from = at.start.saturating_sub(here).min(length);
            before + from..before + at.end.saturating_sub(here).min(length)
        });
        let Some(first) = parts.next() else { return 0..0 };
        parts.fold(first, |all, part| all.start.min(part.start)..all.end.max(part.end))
    }
}

/// Rewrites an expression; `None` where there is nothing to look at.
pub(super) fn rewrite(text: &str) -> Option<Rewritten> {
    let words = words(text);
    let looked_at = |word: &ExpressionToken<'_>| word.is_sign("~") || is_order(word);
    if !words.iter().any(looked_at) || !is_balanced(&words) {
        return None;
    }
    let mut writer = ExpressionWriter { text, words: &words, out: Rewritten::default() };
    writer.level(TokenRange { words: 0..words.len(), bytes: 0..text.len() });
    Some(writer.out)
}

/// Some words with everything between and around them.
#[derive(Debug, Clone)]
struct TokenRange {
    words: Range<usize>,
    bytes: Range<usize>,
}

struct ExpressionWriter<'w, 't> {
    text: &'t str,
    words: &'w [ExpressionToken<'t>],
    out: Rewritten,
}

impl<'t> ExpressionWriter<'_, 't> {
    fn word(&self, at: usize) -> Option<&ExpressionToken<'t>> {
        self.words.get(at)
    }

    fn copy(&mut self, bytes: Range<usize>) {
        let Some(part) = self.text.get(bytes.clone()).filter(|part| !part.is_empty()) else { return };
        self.out.copied.push((self.out.text.len(), bytes.start, part.len()));
        self.out.text.push_str(part);
    }

    fn add(&mut self, text: &str) {
        self.out.text.push_str(text);
    }

    /// The part cut at words outside of brackets; the words that cut it come back too.
    fn cut(&self, part: &TokenRange, cuts: impl Fn(usize) -> bool) -> (Vec<TokenRange>, Vec<Range<usize>>) {
        let (mut parts, mut between) = (Vec::new(), Vec::new());
        let (mut depth, mut first, mut from) = (0_usize, part.words.start, part.bytes.start);
        for at in part.words.clone() {
            let Some(word) = self.word(at) else { break };
            depth = match bracket(word) {
                Some(true) => depth + 1,
                Some(false) => depth.saturating_sub(1),
                None => depth,
            };
            if depth == 0 && bracket(word).is_none() && cuts(at) {
                parts.push(TokenRange { words: first..at, bytes: from..word.at.start });
                between.push(word.at.clone());
                (first, from) = (at + 1, word.at.end);
            }
        }
        parts.push(TokenRange { words: first..part.words.end, bytes: from..part.bytes.end });
        (parts, between)
    }

    /// What stands between brackets, or the whole: comparisons with `and`, `if`, commas between them.
    fn level(&mut self, part: TokenRange) {
        let after_is = |at: usize| at > 0 && self.word(at - 1).is_some_and(|word| word.is_name("is"));
        let cuts = |at: usize| {
            self.word(at).is_some_and(|word| match word.kind {
                TokenKind::Sign => matches!(word.text, "," | ":" | "="),
                TokenKind::Name => {
                    matches!(word.text, "and" | "or" | "if" | "else") || (word.text == "not" && !after_is(at))
                }
                TokenKind::Text | TokenKind::Number => false,
            })
        };
        let (parts, between) = self.cut(&part, cuts);
        let mut between = between.into_iter();
        for part in parts {
            self.comparison(&part);
            if let Some(word) = between.next() {
                self.copy(word);
            }
        }
    }

    fn comparison(&mut self, part: &TokenRange) {
        let names =
            |at: Option<usize>, name: &str| at.and_then(|at| self.word(at)).is_some_and(|word| word.is_name(name));
        let is_test = |at: usize| {
            names(at.checked_sub(1), "is") || (names(at.checked_sub(1), "not") && names(at.checked_sub(2), "is"))
        };
        let compares = |at: usize| {
            self.word(at).is_some_and(|word| {
                is_order(word) || word.is_sign("==") || word.is_sign("!=") || (word.is_name("in") && !is_test(at))
            })
        };
        let (sides, between) = self.cut(part, compares);
        for (at, side) in sides.iter().enumerate() {
            let order = between
                .get(at)
                .is_some_and(|word| matches!(self.text.get(word.clone()), Some("<" | ">" | "<=" | ">=")));
            match sides.get(at + 1).filter(|_| order) {
                Some(other) => {
                    self.add(" ((");
                    self.sum(side);
                    self.add(&format!(") | {BESIDE}(("));
                    self.sum(other);
                    self.add("))) ");
                }
                None => self.sum(side),
            }
            if let Some(word) = between.get(at) {
                self.copy(word.clone());
            }
        }
    }

    /// `+` and `-` hold less tightly than `~`.
    fn sum(&mut self, part: &TokenRange) {
        let is_binary = |at: usize| {
            let before =
                at.checked_sub(1).filter(|before| part.words.contains(before)).and_then(|before| self.word(before));
            before.is_some_and(|word| word.kind != TokenKind::Sign || matches!(word.text, ")" | "]" | "}"))
        };
        let adds =
            |at: usize| self.word(at).is_some_and(|word| word.is_sign("+") || word.is_sign("-")) && is_binary(at);
        let (terms, between) = self.cut(part, adds);
        for (at, term) in terms.iter().enumerate() {
            self.joined(term);
            if let Some(word) = between.get(at) {
                self.copy(word.clone());
            }
        }
    }

    fn joined(&mut self, part: &TokenRange) {
        let (pieces, between) = self.cut(part, |at| self.word(at).is_some_and(|word| word.is_sign("~")));
        let several = pieces.len() > 1;
        for (at, piece) in pieces.iter().enumerate() {
            if several {
                self.add(" ((");
                self.inside(piece);
                self.add(&format!(") | {JOINED}) "));
            } else {
                self.inside(piece);
            }
            if let Some(word) = between.get(at) {
                self.copy(word.clone());
            }
        }
    }

    /// Copies, with what stands between brackets rewritten.
    fn inside(&mut self, part: &TokenRange) {
        let (mut from, mut depth, mut opened) = (part.bytes.start, 0_usize, 0);
        for at in part.words.clone() {
            let Some((word, open)) = self.word(at).and_then(|word| Some((word.at.clone(), bracket(word)?))) else {
                continue;
            };
            match open {
                true => {
                    depth += 1;
                    if depth == 1 {
                        self.copy(from..word.end);
                        (from, opened) = (word.end, at + 1);
                    }
                }
                false => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        self.level(TokenRange { words: opened..at, bytes: from..word.start });
                        from = word.start;
                    }
                }
            }
        }
        self.copy(from..part.bytes.end);
    }
}

fn is_order(word: &ExpressionToken<'_>) -> bool {
    word.kind == TokenKind::Sign && matches!(word.text, "<" | ">" | "<=" | ">=")
}

/// Whether a word opens a bracket (or closes one).
fn bracket(word: &ExpressionToken<'_>) -> Option<bool> {
    match word.text {
        "(" | "[" | "{" if word.kind == TokenKind::Sign => Some(true),
        ")" | "]" | "}" if word.kind == TokenKind::Sign => Some(false),
        _ => None,
    }
}

fn is_balanced(words: &[ExpressionToken<'_>]) -> bool {
    let mut depth = 0_i64;
    for word in words {
        depth += bracket(word).map_or(0, |open| if open { 1 } else { -1 });
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        let shown = rewrite(text).map_or_else(|| text.to_owned(), |rewritten| rewritten.text);
        shown.replace(BESIDE, "B").replace(JOINED, "J").split_whitespace().collect()
    }

    #[test]
    fn sides_are_found_as_the_engine_finds_them() {
        for (text, run) in [
            ("a | lower == 'x'", "a|lower=='x'"),
            ("a > 3", "((a)|B((3)))>3"),
            ("1 < a <= 5", "((1)|B((a)))<((a)|B((5)))<=5"),
            ("a and b + 1 >= c | int", "aand((b+1)|B((c|int)))>=c|int"),
            ("not a < b", "not((a)|B((b)))<b"),
            ("x in [a > 1]", "xin[((a)|B((1)))>1]"),
            ("a ~ b", "((a)|J)~((b)|J)"),
            ("a ~ '-' ~ b | upper", "((a)|J)~(('-')|J)~((b|upper)|J)"),
            ("a + b ~ c", "a+((b)|J)~((c)|J)"),
            ("a ~ -1", "((a)|J)~((-1)|J)"),
            ("(a ~ b) | default(c ~ d, true)", "(((a)|J)~((b)|J))|default(((c)|J)~((d)|J),true)"),
            ("a ~ (b is not none)", "((a)|J)~(((bisnotnone))|J)"),
            ("x if a ~ b is defined else y", "xif((a)|J)~((bisdefined)|J)elsey"),
            ("a < b) and (c", "a<b)and(c"),
        ] {
            assert_eq!(plain(text), run, "{text}");
        }
    }

    #[test]
    fn a_place_leads_back_to_where_it_was_written() {
        let text = "x and level > 'é' ~ y";
        let rewritten = rewrite(text).unwrap();
        for word in ["level", "y", ">"] {
            let at = rewritten.text.find(word).unwrap();
            let original = rewritten.original(&(at..at + word.len()));
            assert_eq!(text.get(original), Some(word));
        }
        let whole = rewritten.original(&(0..rewritten.text.len()));
        assert_eq!(text.get(whole), Some(text));
        assert_eq!(rewritten.original(&(0..0)), 0..0);
    }
}
