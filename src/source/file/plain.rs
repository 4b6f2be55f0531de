//! JSON as most files have it, read at the speed of looking for quotation marks. In: a text. Out: its parts; or nothing, and then
//! the parser decides.
//!
//! Whatever is out of the ordinary (an escape, a number, a key that comes twice, a text cut off) is `None` here. So there is one
//! judge of what is wrong with a file and where, and this module may never take what the parser would not.

/// Objects with more keys are for the parser: here every key is compared with all before it.
const KEYS: usize = 24;

/// A text with a place in it.
pub(super) struct Plain<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Plain<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// What was passed over.
    pub(super) fn passed(&self) -> &'t str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// The next byte that is no white space, without passing over it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.text.as_bytes().get(self.at)? {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// The next byte that is no white space.
    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// The next byte must be this one.
    pub(super) fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// A text that stands in the file as it is.
    pub(super) fn text(&mut self) -> Option<&'t str> {
        self.expect(b'"')?;
        let len = plain_length(self.text.as_bytes().get(self.at..)?)?;
        let text = self.text.get(self.at..self.at + len)?;
        self.at += len + 1;
        Some(text)
    }

    /// A list of such texts.
    pub(super) fn texts<T>(&mut self, each: impl Fn(&'t str) -> T) -> Option<Vec<T>> {
        self.expect(b'[')?;
        let mut texts = Vec::new();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(texts);
        }
        loop {
            texts.push(each(self.text()?));
            match self.next()? {
                b',' => {}
                b']' => return Some(texts),
                _ => return None,
            }
        }
    }

    /// Goes through an object of at most [`KEYS`] different keys; `field` passes over the value of every key.
    pub(super) fn object(&mut self, mut field: impl FnMut(&mut Self, &'t str) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        let mut keys = [""; KEYS];
        for known in 0.. {
            let key = self.text()?;
            if keys.get(..known)?.contains(&key) {
                return None;
            }
            *keys.get_mut(known)? = key;
            self.expect(b':')?;
            field(self, key)?;
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
        None
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.text().map(drop),
            b'[' => self.texts(drop).map(drop),
            b't' | b'f' => self.flag().map(drop),
            _ => None,
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self) -> Option<bool> {
        let (word, flag) = if self.peek()? == b't' { ("true", true) } else { ("false", false) };
        let rest = self.text.get(self.at..)?.strip_prefix(word)?;
        self.at = self.text.len() - rest.len();
        Some(flag)
    }
}

/// How long a text is to its closing quotation mark, if nothing but plain characters comes before it.
fn plain_length(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    let in_words = words.iter().enumerate().find_map(|(at, word)| {
        let marks = special(u64::from_le_bytes(*word));
        (marks != 0).then(|| at * 8 + marks.trailing_zeros() as usize / 8)
    });
    let in_rest = || rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' ')).map(|at| words.len() * 8 + at);
    in_words.or_else(in_rest).filter(|&len| bytes.get(len) == Some(&b'"'))
}

/// Marks the first of eight bytes that is a quotation mark, a backslash or a control character (and perhaps some after it).
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let is_control = word.wrapping_sub(ONES * b' ' as u64) & !word;
    (is_zero(word ^ (ONES * b'"' as u64)) | is_zero(word ^ (ONES * b'\\' as u64)) | is_control) & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_is_seen_for_what_it_is() {
        for len in 0..20 {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'x'; len];
                    bytes.extend(b"\"\\\n\"");
                    bytes.splice(at..=at, [byte]);
                    let expected = match byte {
                        b'"' => Some(at),
                        b'\\' | ..b' ' => None,
                        _ => Some(len),
                    };
                    assert_eq!(plain_length(&bytes), expected, "{byte} at {at} of {len}");
                }
            }
        }
        assert_eq!(plain_length(b"a text without an end"), None);
    }
}
