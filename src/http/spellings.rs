//! A secret found again in whatever spelling. In: a secret, and bytes that somebody else wrote. Out: whether and where it stands there.
//!
//! Verbatim and in small letters, in hexadecimal, in Base64 (both alphabets, wherever it begins in what was encoded), and each of these
//! with any of its characters escaped as in URLs, JSON or HTML. The spellings are wiped from memory like the secret itself.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem;
use zeroize::Zeroizing;

use super::secret::{LONG_ENOUGH, Secret};

/// What stands where a secret stood.
const INSTEAD: &str = "[token]";

/// The spellings of one or more secrets.
#[derive(Clone, Default)]
pub(crate) struct Spellings {
    forms: Vec<TokenSpelling>,
    /// Which forms begin with a byte, by the byte: most of a text begins none.
    first: Vec<bool>,
}

impl std::fmt::Debug for Spellings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Spellings")
    }
}

#[derive(Clone)]
struct TokenSpelling {
    text: Zeroizing<Vec<u8>>,
    /// Found in an answer it makes the answer unusable; a short one may be there by chance.
    telling: bool,
    /// What stands beside it may be the secret's too: the letters around belong to it.
    base64: bool,
}

impl Spellings {
    /// Those of a secret.
    pub(crate) fn of(secret: &Secret) -> Self {
        let mut all = Self::default();
        for text in secret.texts() {
            all.add(text);
        }
        all.first = vec![false; 256];
        for form in &all.forms {
            if let Some(first) = form.text.first().and_then(|byte| all.first.get_mut(usize::from(*byte))) {
                *first = true;
            }
        }
        all
    }

    /// These and others.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let forms = self.forms.iter().chain(&other.forms).cloned().collect();
        let first = (0..256).map(|at| self.begins(at) || other.begins(at)).collect();
        Self { forms, first }
    }

    fn begins(&self, byte: usize) -> bool {
        self.first.get(byte).copied().unwrap_or(false)
    }

    fn add(&mut self, secret: &str) {
        let telling = secret.len() >= LONG_ENOUGH;
        self.form(Zeroizing::new(secret.as_bytes().to_vec()), telling, false);
        if !telling {
            return;
        }
        self.form(Zeroizing::new(secret.to_ascii_lowercase().into_bytes()), true, false);
        let hex = |digits: &[u8; 16]| {
            let digit = |nibble: u8| digits.get(usize::from(nibble)).copied().unwrap_or_default();
            let both = secret.bytes().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
            Zeroizing::new(both.collect::<Vec<u8>>())
        };
        self.form(hex(b"0123456789abcdef"), true, false);
        self.form(hex(b"0123456789ABCDEF"), true, false);
        for before in 0..3 {
            self.form(in_base64(&STANDARD_NO_PAD, before, secret), true, true);
            self.form(in_base64(&URL_SAFE_NO_PAD, before, secret), true, true);
        }
    }

    fn form(&mut self, text: Zeroizing<Vec<u8>>, telling: bool, base64: bool) {
        if !self.forms.iter().any(|form| *form.text == *text) {
            self.forms.push(TokenSpelling { text, telling, base64 });
        }
    }

    /// Whether a text holds a secret that is too long to be there by chance.
    pub(crate) fn are_told_in(&self, text: &[u8]) -> bool {
        let telling = || self.forms.iter().filter(|form| form.telling);
        telling().any(|form| memmem::find(text, &form.text).is_some())
            || self.escaped(text, |form| form.telling).next().is_some()
    }

    /// The text without the secrets.
    pub(crate) fn redact(&self, text: String) -> String {
        match self.spans(text.as_bytes()) {
            spans if spans.is_empty() => text,
            spans => String::from_utf8_lossy(&without(text.as_bytes(), spans)).into_owned(),
        }
    }

    /// The bytes without the secrets.
    pub(crate) fn redact_bytes(&self, text: &mut Vec<u8>) {
        let spans = self.spans(text);
        if !spans.is_empty() {
            *text = without(text, spans);
        }
    }

    /// Where the secrets stand, in order and apart.
    fn spans(&self, text: &[u8]) -> Vec<Range<usize>> {
        let verbatim = self.forms.iter().flat_map(|form| {
            let length = form.text.len();
            memmem::find_iter(text, &form.text[..]).map(move |at| (form, at..at + length)).collect::<Vec<_>>()
        });
        let found = verbatim.chain(self.escaped(text, |_| true));
        let mut spans: Vec<Range<usize>> =
            found.map(|(form, span)| if form.base64 { widened(text, span) } else { span }).collect();
        spans.sort_by_key(|span| span.start);
        let mut apart: Vec<Range<usize>> = Vec::with_capacity(spans.len());
        for span in spans {
            match apart.last_mut().filter(|last| span.start <= last.end) {
                Some(last) => last.end = last.end.max(span.end),
                None => apart.push(span),
            }
        }
        apart
    }

    /// Spellings with escapes in them, which no search for a fixed text finds.
    fn escaped<'a>(
        &'a self,
        text: &'a [u8],
        wanted: impl Fn(&TokenSpelling) -> bool + 'a,
    ) -> impl Iterator<Item = (&'a TokenSpelling, Range<usize>)> + 'a {
        let has_escapes = !self.forms.is_empty() && memchr::memchr3(b'%', b'\\', b'&', text).is_some();
        let places = if has_escapes { 0..text.len() } else { 0..0 };
        places.filter_map(move |at| {
            let (byte, _) = unit(text, at)?;
            if !self.begins(usize::from(byte)) {
                return None;
            }
            let fits = |form: &&TokenSpelling| wanted(form) && ends_at(text, at, &form.text).is_some();
            let form = self.forms.iter().find(fits)?;
            Some((form, at..ends_at(text, at, &form.text)?))
        })
    }
}

fn without(text: &[u8], spans: Vec<Range<usize>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut from = 0;
    for span in spans {
        out.extend_from_slice(text.get(from..span.start).unwrap_or_default());
        out.extend_from_slice(INSTEAD.as_bytes());
        from = span.end;
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    out
}

/// What is the same in the Base64 of every text that holds the secret after so many bytes (modulo 3).
fn in_base64(alphabet: &base64::engine::GeneralPurpose, before: usize, secret: &str) -> Zeroizing<Vec<u8>> {
    let mut whole = Zeroizing::new(vec![0; before]);
    whole.extend_from_slice(secret.as_bytes());
    let encoded = Zeroizing::new(alphabet.encode(&whole[..]));
    // The letters at both ends hold bits of what stands beside the secret.
    let from = [0, 2, 3].get(before).copied().unwrap_or(0);
    let to = encoded.len() - usize::from(!whole.len().is_multiple_of(3));
    Zeroizing::new(encoded.as_bytes().get(from..to).unwrap_or_default().to_vec())
}

/// A place with the letters of Base64 around it.
fn widened(text: &[u8], span: Range<usize>) -> Range<usize> {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    let before = text.get(..span.start).unwrap_or_default().iter().rev().take_while(|byte| letter(byte)).count();
    let after = text.get(span.end..).unwrap_or_default();
    let letters = after.iter().take_while(|byte| letter(byte)).count();
    let filling = after.iter().skip(letters).take_while(|byte| **byte == b'=').count();
    span.start - before..span.end + letters + filling
}

/// Where a form that begins here ends, escapes counted as what they stand for.
fn ends_at(text: &[u8], from: usize, form: &[u8]) -> Option<usize> {
    let mut at = from;
    let mut rest = form;
    while let Some((wanted, further)) = rest.split_first() {
        let (byte, length) = unit(text, at)?;
        if byte == *wanted {
            at += length;
        } else if text.get(at) == Some(wanted) {
            at += 1;
        } else {
            return None;
        }
        rest = further;
    }
    Some(at)
}

/// The byte that stands at a place, and how many bytes it takes there.
fn unit(text: &[u8], at: usize) -> Option<(u8, usize)> {
    let first = *text.get(at)?;
    let rest = text.get(at + 1..).unwrap_or_default();
    let escaped = match first {
        b'%' => percent(rest),
        b'\\' => backslash(rest),
        b'&' => entity(rest),
        _ => None,
    };
    Some(escaped.map_or((first, 1), |(byte, length)| (byte, length + 1)))
}

/// `%2B`, and `%252B` of a text that was encoded twice.
fn percent(rest: &[u8]) -> Option<(u8, usize)> {
    let mut skipped = 0;
    while rest.get(skipped..skipped + 2) == Some(b"25") && hex(rest.get(skipped + 2..skipped + 4)?).is_some() {
        skipped += 2;
    }
    Some((hex(rest.get(skipped..skipped + 2)?)?, skipped + 2))
}

/// `\u002b`, `\x2b`, `\/`; with several backslashes where JSON stands in a text of JSON.
fn backslash(rest: &[u8]) -> Option<(u8, usize)> {
    let more = rest.iter().take_while(|byte| **byte == b'\\').count();
    let (kind, after) = rest.get(more..)?.split_first()?;
    match kind {
        b'u' | b'U' => {
            let digits = after.get(..4)?;
            if hex(digits.get(..2)?)? != 0 {
                return None;
            }
            Some((hex(digits.get(2..)?)?, more + 5))
        }
        b'x' => Some((hex(after.get(..2)?)?, more + 3)),
        b'/' | b'"' | b'\'' => Some((*kind, more + 1)),
        // A backslash of the secret itself, escaped.
        _ if more > 0 => Some((b'\\', more)),
        _ => None,
    }
}

/// `&#43;`, `&#x2b;`, and those with names.
fn entity(rest: &[u8]) -> Option<(u8, usize)> {
    for (name, byte) in [
        ("amp;", b'&'),
        ("lt;", b'<'),
        ("gt;", b'>'),
        ("quot;", b'"'),
        ("apos;", b'\''),
        ("sol;", b'/'),
        ("plus;", b'+'),
    ] {
        if rest.starts_with(name.as_bytes()) {
            return Some((byte, name.len()));
        }
    }
    let end = rest.iter().take(8).position(|byte| *byte == b';')?;
    let number = std::str::from_utf8(rest.get(..end)?).ok()?.strip_prefix('#')?;
    let byte = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u8::from_str_radix(digits, 16).ok()?,
        None => number.parse().ok()?,
    };
    Some((byte, end + 1))
}

fn hex(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let value = |digit: &u8| char::from(*digit).to_digit(16);
    u8::try_from(value(high)? * 16 + value(low)?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    const TOKEN: &str = "s3cr3t-t0k/n+of?some&length~\"x\\y";

    fn spellings() -> Spellings {
        Spellings::of(&Secret::new(TOKEN).unwrap())
    }

    fn every_spelling() -> Vec<String> {
        let percent = |keep: fn(char) -> bool, upper: bool| {
            TOKEN
                .chars()
                .map(|c| match (keep(c), upper) {
                    (true, _) => c.to_string(),
                    (_, true) => format!("%{:02X}", c as u32),
                    (_, false) => format!("%{:02x}", c as u32),
                })
                .collect::<String>()
        };
        let unicode: String = TOKEN.chars().map(|c| format!("\\u{:04x}", c as u32)).collect();
        let entities: String = TOKEN.chars().map(|c| format!("&#{};", c as u32)).collect();
        let mut all = vec![
            TOKEN.to_owned(),
            TOKEN.to_lowercase(),
            serde_json::to_string(TOKEN).unwrap(),
            serde_json::to_string(&serde_json::to_string(TOKEN).unwrap()).unwrap(),
            TOKEN.replace('\\', "\\\\").replace('/', "\\/").replace('"', "\\u0022"),
            unicode.clone(),
            unicode.to_uppercase().replace("\\U", "\\u"),
            unicode.replace('\\', "\\\\"),
            percent(|c| c.is_ascii_alphanumeric(), true),
            percent(|c| c.is_ascii_alphanumeric(), false),
            percent(|_| false, false),
            percent(|_| false, true).replace('%', "%25"),
            entities,
            TOKEN.replace('&', "&amp;").replace('"', "&quot;"),
            TOKEN.bytes().map(|byte| format!("{byte:02x}")).collect(),
            TOKEN.bytes().map(|byte| format!("{byte:02X}")).collect(),
        ];
        for before in ["", "u", "us", "user:", "Bearer "] {
            for after in ["", "x", "xy", "\r\n"] {
                let text = format!("{before}{TOKEN}{after}");
                let standard = STANDARD.encode(&text);
                all.extend([
                    URL_SAFE.encode(&text),
                    standard.replace('/', "\\/"),
                    standard.replace('+', "%2B"),
                    standard,
                ]);
            }
        }
        all
    }

    #[test]
    fn sec24_a_token_is_found_in_every_spelling_and_taken_out() {
        let spellings = spellings();
        for spelt in every_spelling() {
            let text = format!("{{\"detail\":\"bad token {spelt} (really), ü\",\"x\":\"100%\"}}");
            assert!(spellings.are_told_in(text.as_bytes()), "{spelt}");
            let shown = spellings.redact(text);
            assert!(shown.starts_with("{\"detail\":\"bad token ") && shown.contains(INSTEAD), "{spelt}: {shown}");
            assert!(shown.ends_with(" (really), ü\",\"x\":\"100%\"}"), "{spelt}: {shown}");
            assert!(!spellings.are_told_in(shown.as_bytes()), "{shown}");
            assert!(!shown.contains("t0k") && !shown.contains("dDBr"), "{shown}");
        }
    }

    #[test]
    fn sec24_what_is_no_token_stays() {
        let spellings = spellings();
        for text in ["", "s3cr3t", "100% of \\u0073 &amp; more %", "s3cr3t-t0k/n+of?some&length~\"x", "%", "\\", "&#"] {
            assert!(!spellings.are_told_in(text.as_bytes()), "{text}");
            assert_eq!(spellings.redact(text.to_owned()), text);
        }
    }

    #[test]
    fn sec24_a_short_token_is_taken_out_but_proves_nothing() {
        let short = Spellings::of(&Secret::new("s3cret").unwrap());
        assert_eq!(short.redact("bad s3cret, %733cret".to_owned()), "bad [token], [token]");
        assert!(!short.are_told_in(b"s3cret"));
    }

    #[test]
    fn sec24_of_a_login_with_a_name_the_password_is_looked_for_as_well() {
        let login = Secret::new("correct horse battery").unwrap().basic_with("svc");
        let spellings = Spellings::of(&login);
        let pair = STANDARD.encode("svc:correct horse battery");
        for text in [&pair, "correct horse battery", "correct%20horse%20battery", "svc:correct horse battery"] {
            assert!(spellings.are_told_in(text.as_bytes()), "{text}");
            assert!(!spellings.redact(text.to_owned()).contains("horse"));
        }
        let both = spellings.and(&Spellings::of(&Secret::new(TOKEN).unwrap()));
        assert!(both.are_told_in(TOKEN.as_bytes()) && both.are_told_in(pair.as_bytes()));
    }
}
