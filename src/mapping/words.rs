//! The words of an expression with their places. In: an expression's text. Out: tokens with byte ranges.
//!
//! Knows nothing of what an expression means: minijinja parses and runs it. It does not show its syntax tree, so the rules of
//! our own that need a place in the text (which attribute, which filter, what is not allowed) are found on the words.

use std::ops::Range;

/// What kind of word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// An identifier or keyword.
    Name,
    /// A text in quotes.
    Text,
    /// A number.
    Number,
    /// An operator or a bracket.
    Sign,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExpressionToken<'t> {
    pub(super) kind: TokenKind,
    pub(super) text: &'t str,
    pub(super) at: Range<usize>,
}

impl ExpressionToken<'_> {
    pub(super) fn is_sign(&self, sign: &str) -> bool {
        self.kind == TokenKind::Sign && self.text == sign
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        self.kind == TokenKind::Name && self.text == name
    }

    /// What stands between the quotes; `None` for other words and for texts with escapes.
    pub(super) fn unquoted(&self) -> Option<&str> {
        let inner = self.text.get(1..self.text.len().checked_sub(1)?)?;
        (self.kind == TokenKind::Text && !inner.contains('\\')).then_some(inner)
    }
}

/// Words that belong to the language and can't be an attribute's name.
pub(super) const RESERVED: [&str; 15] =
    ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None", "leave", "record"];

/// Takes an expression apart. Never fails: text that is no expression gives words that mean nothing.
pub(super) fn words(text: &str) -> Vec<ExpressionToken<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (kind, len) = next(rest);
        if let (Some(kind), Some(word)) = (kind, text.get(at..at + len)) {
            found.push(ExpressionToken { kind, text: word, at: at..at + len });
        }
        at += len;
    }
    found
}

/// The kind and length of the first word; no kind for white space.
fn next(rest: &str) -> (Option<TokenKind>, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    let run = |member: fn(char) -> bool| rest.find(|c| !member(c)).unwrap_or(rest.len());
    match first {
        c if c.is_whitespace() => (None, c.len_utf8()),
        '"' | '\'' => (Some(TokenKind::Text), quoted(rest, first)),
        c if c.is_ascii_digit() => (Some(TokenKind::Number), run(|c| c.is_ascii_alphanumeric() || c == '_')),
        c if c == '_' || c.is_alphabetic() => (Some(TokenKind::Name), run(|c| c.is_alphanumeric() || c == '_')),
        c => {
            let pair = ["==", "!=", "<=", ">=", "//", "**"].iter().any(|pair| rest.starts_with(pair));
            (Some(TokenKind::Sign), if pair { 2 } else { c.len_utf8() })
        }
    }
}

/// The length of a text in quotes, to the end if the closing quote is missing.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_know_their_places() {
        let text = r#"a.b ~ "x\"|y" | lower == 'é'[1:2]"#;
        let list: Vec<&str> = words(text).iter().map(|word| word.text).collect();
        assert_eq!(list, ["a", ".", "b", "~", r#""x\"|y""#, "|", "lower", "==", "'é'", "[", "1", ":", "2", "]"]);
        assert!(words(text).iter().all(|word| text.get(word.at.clone()) == Some(word.text)));
    }

    #[test]
    fn text_that_is_no_expression_gives_words_too() {
        for text in ["'open", "\\", "é", "\"\\", "{{ x }}", ""] {
            let total: usize = words(text).iter().map(|word| word.text.len()).sum();
            assert!(total <= text.len());
        }
    }
}
