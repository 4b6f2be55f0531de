//! A token that can't be shown by accident. In: the bytes of a secret file. Out: text that only this crate can look at.

use zeroize::Zeroizing;

/// A token or password. It has no `Debug`, no `Display` and no `Serialize`, and its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret {
    text: Zeroizing<String>,
    /// The password that the text holds in an encoded form.
    inside: Option<Zeroizing<String>>,
}

/// A secret of so many bytes is too long to stand in somebody's text by chance: an answer with it is refused, and it is found in every
/// spelling.
pub const LONG_ENOUGH: usize = 16;

/// Why a text is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// Nothing is in it, or only a line end.
    #[error("the secret is empty")]
    Empty,
    /// It has a control character, which no header can carry. More than one line is the usual reason.
    #[error("the secret has a line break or another control character inside")]
    ControlCharacter,
}

impl Secret {
    /// Takes the text over; one line end at its end, which editors add, is cut off.
    ///
    /// # Errors
    /// When the text is empty or has control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidSecret> {
        let mut text = Zeroizing::new(text.into());
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        if text.is_empty() {
            return Err(InvalidSecret::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidSecret::ControlCharacter);
        }
        Ok(Self { text, inside: None })
    }

    /// The secret as HTTP Basic carries it with a user name (RFC 7617 §2).
    pub(crate) fn basic_with(&self, user: &str) -> Self {
        use base64::Engine as _;
        let pair = Zeroizing::new(format!("{user}:{}", self.text.as_str()));
        let text = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(pair.as_bytes()));
        Self { text, inside: Some(self.text.clone()) }
    }

    /// Whether it is so short that an answer which repeats it can't be told from one that holds the same letters by chance.
    pub fn is_short(&self) -> bool {
        self.inside.as_ref().unwrap_or(&self.text).len() < LONG_ENOUGH
    }

    /// Everything in it that is secret.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.text.as_str()).chain(self.inside.as_ref().map(|inside| inside.as_str()))
    }

    /// The secret itself. Every caller is a place to look at in a review.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_cut_off_and_nothing_else() {
        for (text, inside) in [("abc", "abc"), ("abc\n", "abc"), ("abc\r\n", "abc"), (" a b ", " a b ")] {
            assert_eq!(Secret::new(text).map(|s| s.expose().to_owned()), Ok(inside.to_owned()));
        }
    }

    #[test]
    fn i6_what_no_header_can_carry_is_refused() {
        for empty in ["", "\n", "\r\n"] {
            assert_eq!(Secret::new(empty).map(|_| ()), Err(InvalidSecret::Empty));
        }
        for text in ["a\n\n", "a\nb", "a\tb", "a\u{0}", "a\u{7f}"] {
            assert_eq!(Secret::new(text).map(|_| ()), Err(InvalidSecret::ControlCharacter), "{text:?}");
        }
    }
}
