//! Names of entries. In: distinguished names as servers write them (RFC 4514). Out: keys that are equal when the names are.
//!
//! Groups name their members, and no two servers (nor two entries of one) agree on case, spaces and escapes. This file
//! knows nothing of connections or entries.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::model::casefold;

/// Appends the canonical form of a name to `out`; `None` (with `out` as it was) if the text is no distinguished name.
///
/// Types compare by their short name, whether they are written by it, by a long one or by number. Values compare as RFC 4518 prepares them for
/// `caseIgnoreMatch`, which the attributes that name people and groups use everywhere: characters that nobody sees left out, compatible forms of
/// a character (NFKC) and its cases equal, outer spaces gone and inner ones single. Parts of a name of several parts are a set.
pub(super) fn normalise_into(dn: &str, out: &mut String) -> Option<()> {
    let start = out.len();
    let done = Parser { rest: dn, out }.name();
    if done.is_none() {
        out.truncate(start);
    }
    done
}

/// The canonical form of a name; `None` if the text is none.
pub(super) fn canonical(dn: &str) -> Option<String> {
    let mut out = String::with_capacity(dn.len());
    normalise_into(dn, &mut out).map(|()| out)
}

/// The value of an attribute in the name that an entry has below its parent, in canonical form. `None` if the attribute does not name it.
pub(super) fn leading(dn: &str, attribute: &str) -> Option<String> {
    let (mut kind, mut out) = (String::new(), String::new());
    push_kind(attribute, &mut kind)?;
    let mut parser = Parser { rest: dn, out: &mut out };
    loop {
        parser.out.clear();
        parser.attribute()?;
        let named = parser.out.split_once('=').filter(|(own, _)| *own == kind);
        if let Some((_, value)) = named {
            return Some(value.to_owned());
        }
        if !parser.take_any(&['+']) {
            return None;
        }
    }
}

/// The canonical form of one attribute value, comparable with what [`leading`] gives.
pub(super) fn canonical_value(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    push_value(value, &mut out);
    out
}

/// Takes the optional bit string off a *name and optional UID* (`cn=a,dc=b#'0101'B`, RFC 4517 §3.3.21).
pub(super) fn without_uid(value: &str) -> &str {
    let Some(body) = value.strip_suffix("'B") else { return value };
    match body.rsplit_once("#'") {
        Some((name, bits)) if bits.bytes().all(|bit| matches!(bit, b'0' | b'1')) => name,
        _ => value,
    }
}

struct Parser<'a, 'o> {
    rest: &'a str,
    out: &'o mut String,
}

impl<'a> Parser<'a, '_> {
    fn name(&mut self) -> Option<()> {
        if self.rest.trim_matches(SPACES).is_empty() {
            return Some(());
        }
        loop {
            self.relative_name()?;
            match self.take_any(&[',', ';']) {
                true => self.out.push(','),
                false => return self.rest.is_empty().then_some(()),
            }
        }
    }

    /// One level. Where it has several parts, they are a set and come out sorted.
    fn relative_name(&mut self) -> Option<()> {
        let start = self.out.len();
        self.attribute()?;
        if !self.rest.starts_with('+') {
            return Some(());
        }
        let mut parts = vec![self.out.split_off(start)];
        while self.take_any(&['+']) {
            self.attribute()?;
            parts.push(self.out.split_off(start));
        }
        parts.sort_unstable();
        self.out.push_str(&parts.join("+"));
        Some(())
    }

    fn attribute(&mut self) -> Option<()> {
        let (kind, rest) = self.rest.split_once('=')?;
        push_kind(kind.trim_matches(SPACES), self.out)?;
        self.out.push('=');
        self.rest = rest.trim_start_matches(SPACES);
        match self.rest.as_bytes().first() {
            Some(b'#') => self.hex_value(),
            Some(b'"') => self.quoted_value(),
            _ => self.plain_value(),
        }
    }

    fn plain_value(&mut self) -> Option<()> {
        let bytes = self.rest.as_bytes();
        let mut end = 0;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b',' | b';' | b'+' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        // A lone backslash at the very end: the escape has no character.
        let (value, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        push_value(&unescape(value)?, self.out);
        Some(())
    }

    /// `"…"`, the quoting of RFC 2253, which RFC 4514 no longer writes but old entries still hold.
    fn quoted_value(&mut self) -> Option<()> {
        let body = self.rest.strip_prefix('"')?;
        let bytes = body.as_bytes();
        let mut end = 0;
        while *bytes.get(end)? != b'"' {
            end += if bytes.get(end) == Some(&b'\\') { 2 } else { 1 };
        }
        let (value, rest) = body.split_at_checked(end)?;
        push_value(&unescape(value)?, self.out);
        self.rest = rest.strip_prefix('"')?.trim_start_matches(SPACES);
        self.at_separator()
    }

    /// `#04024869`: the BER encoding of the value. Text comes out as text, anything else as its hexadecimal digits.
    fn hex_value(&mut self) -> Option<()> {
        let end = self.rest.find([',', ';', '+']).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        let digits = digits.trim_matches(SPACES).strip_prefix('#')?;
        let bytes = from_hex(digits)?;
        match ber_text(&bytes) {
            Some(text) => push_value(&text, self.out),
            None => {
                self.out.push('#');
                self.out.push_str(&digits.to_ascii_lowercase());
            }
        }
        Some(())
    }

    fn at_separator(&self) -> Option<()> {
        matches!(self.rest.as_bytes().first(), None | Some(b',' | b';' | b'+')).then_some(())
    }

    fn take_any(&mut self, separators: &[char]) -> bool {
        match self.rest.strip_prefix(separators) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

/// What may stand around the parts of a name and means nothing.
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// Types with their numbers (RFC 4514 §3 and what else names entries), and the long names that some servers write (RFC 4519).
const KINDS: [(&str, &str, &str); 23] = [
    ("2.5.4.3", "commonname", "cn"),
    ("2.5.4.4", "surname", "sn"),
    ("2.5.4.5", "serialnumber", "serialnumber"),
    ("2.5.4.6", "countryname", "c"),
    ("2.5.4.7", "localityname", "l"),
    ("2.5.4.8", "stateorprovincename", "st"),
    ("2.5.4.9", "streetaddress", "street"),
    ("2.5.4.10", "organizationname", "o"),
    ("2.5.4.11", "organizationalunitname", "ou"),
    ("2.5.4.12", "title", "title"),
    ("2.5.4.13", "description", "description"),
    ("2.5.4.41", "name", "name"),
    ("2.5.4.42", "gn", "givenname"),
    ("2.5.4.43", "initials", "initials"),
    ("2.5.4.44", "generationqualifier", "generationqualifier"),
    ("2.5.4.46", "dnqualifier", "dnqualifier"),
    ("0.9.2342.19200300.100.1.1", "userid", "uid"),
    ("0.9.2342.19200300.100.1.3", "rfc822mailbox", "mail"),
    ("0.9.2342.19200300.100.1.25", "domaincomponent", "dc"),
    ("1.2.840.113549.1.9.1", "email", "emailaddress"),
    ("2.16.840.1.113730.3.1.3", "employeenumber", "employeenumber"),
    ("2.16.840.1.113730.3.1.4", "employeetype", "employeetype"),
    ("2.16.840.1.113730.3.1.241", "displayname", "displayname"),
];

fn push_kind(kind: &str, out: &mut String) -> Option<()> {
    let prefixed = kind.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("oid."));
    let kind = if prefixed { kind.get(4..)? } else { kind };
    if kind.is_empty() || !kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.') {
        return None;
    }
    match KINDS.iter().find(|(number, long, _)| *number == kind || long.eq_ignore_ascii_case(kind)) {
        Some((_, _, name)) => out.push_str(name),
        None => out.extend(kind.chars().map(|c| c.to_ascii_lowercase())),
    }
    Some(())
}

/// Writes a value folded, its outer spaces gone and inner ones single, and what could be mistaken for syntax escaped.
fn push_value(value: &str, out: &mut String) {
    let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let folded = if plain { Cow::Borrowed(value) } else { Cow::Owned(prepared(value)) };
    let mut space = false;
    for c in folded.trim_matches(' ').chars() {
        if c == ' ' {
            space = true;
            continue;
        }
        if std::mem::take(&mut space) {
            out.push(' ');
        }
        if matches!(c, '\\' | ',' | ';' | '+' | '=' | '#' | '"') {
            out.push('\\');
        }
        out.push(c.to_ascii_lowercase());
    }
}

/// A value with what RFC 4518 maps and normalises done (§2.2, §2.3), all but the spaces.
fn prepared(value: &str) -> String {
    let compatible = ComposingNormalizerBorrowed::new_nfkc();
    let mapped: String = value.chars().filter_map(mapped).collect();
    let folded = casefold(&compatible.normalize(&mapped));
    compatible.normalize(&folded).into_owned()
}

/// A character as RFC 4518 §2.2 maps it: controls and what nobody sees are left out, every kind of space is a space.
fn mapped(c: char) -> Option<char> {
    match c {
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        _ if c.is_control() => None,
        '\u{ad}'
        | '\u{34f}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{1806}'
        | '\u{180b}'..='\u{180e}'
        | '\u{200b}'..='\u{200f}' => None,
        '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2063}' | '\u{206a}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' => None,
        '\u{feff}' | '\u{fff9}'..='\u{fffc}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}' => {
            None
        }
        _ if c.is_whitespace() => Some(' '),
        _ => Some(c),
    }
}

/// Resolves `\,` and `\2C` escapes. `None` if one is broken, or the bytes are no UTF-8.
fn unescape(value: &str) -> Option<Cow<'_, str>> {
    if !value.contains('\\') {
        return Some(Cow::Borrowed(value));
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let first = rest.next()?;
        match hex_digit(first) {
            Some(high) => bytes.push(high << 4 | hex_digit(rest.next()?)?),
            None => bytes.push(first),
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// The contents of a BER string (octet, UTF-8, numeric, printable, IA5, visible, BMP), if they are text.
fn ber_text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, contents) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(length, contents)| (usize::from(*length), contents))?,
        0x82 => {
            let (length, contents) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), contents)
        }
        _ => return None,
    };
    if length != contents.len() {
        return None;
    }
    match tag {
        0x04 | 0x0c | 0x12 | 0x13 | 0x16 | 0x1a => std::str::from_utf8(contents).ok().map(Cow::Borrowed),
        0x1e => {
            let (units, []) = contents.as_chunks::<2>() else { return None };
            let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
            char::decode_utf16(units).collect::<Result<String, _>>().ok().map(Cow::Owned)
        }
        _ => None,
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || digits.len() % 2 == 1 {
        return None;
    }
    digits
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
            _ => None,
        })
        .collect()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normalise(dn: &str) -> Option<String> {
        let mut out = String::new();
        normalise_into(dn, &mut out).map(|()| out)
    }

    #[test]
    fn one_name_written_in_many_ways_has_one_key() {
        let key = normalise("uid=ann,ou=People,dc=example,dc=org").unwrap();
        for other in [
            "UID=Ann,OU=people,DC=Example,DC=ORG",
            "uid = ann , ou = people , dc = example , dc = org",
            "uid=ann;ou=people;dc=example;dc=org",
            "uid=\\61nn,ou=people,dc=example,dc=org",
            "uid=\"ann\",ou=people,dc=example,dc=org",
            "uid=#0403616e6e,ou=people,dc=example,dc=org",
            "OID.0.9.2342.19200300.100.1.1=ann,2.5.4.11=people,dc=example,dc=org",
            "userid=ann,organizationalUnitName=people,domainComponent=example,0.9.2342.19200300.100.1.25=org",
            "uid=#0C8103616E6E,ou=people,dc=example,dc=org",
            "uid=#1e060061006e006e,ou=people,dc=example,dc=org",
            "uid=#1303416E6e ; ou=\\20People\\ ,dc=example,\r\n dc=org",
            "uid=\u{ff41}nn\u{200b},ou=pe\u{ad}ople,dc=example\u{a0},dc=org",
            "uid=ann,ou=\\50\\65ople,dc=example,dc=org ",
        ] {
            assert_eq!(normalise(other).as_deref(), Some(key.as_str()), "{other}");
        }
    }

    #[test]
    fn names_that_differ_have_keys_that_differ() {
        for (one, other) in [
            ("cn=a,dc=x", "cn=b,dc=x"),
            ("cn=a\\,dc=x", "cn=a,dc=x"),
            ("cn=a\\+uid=b", "cn=a+uid=b"),
            ("cn=a\\=b", "cn=a,b=b"),
            ("cn=\\#0401", "cn=#0401"),
            ("cn=a\\\\,dc=x", "cn=a\\\\\\,dc=x"),
            ("cn=ab", "cn=a b"),
        ] {
            assert_ne!(normalise(one), normalise(other), "{one} and {other}");
        }
    }

    #[test]
    fn mp4_names_compare_as_rfc_4518_says() {
        for (one, other) in [
            ("cn=Stra\u{df}e,dc=x", "cn=STRASSE,dc=x"),
            ("cn=Zoe\u{308},dc=x", "cn=ZO\u{cb},dc=x"),
            ("cn=\u{fb01}n\u{2460},dc=x", "cn=Fin1,dc=x"),
            ("cn=a\u{3000}\u{2003}b,dc=x", "cn=A  B,dc=x"),
            ("cn=a\tb,dc=x", "cn=a\\09b,dc=x"),
            ("mail=a@x+CN=Ann,dc=x", "2.5.4.3=ann + rfc822Mailbox=A@X,dc=x"),
            ("cn=\u{391}\u{3a3},dc=x", "cn=\u{3b1}\u{3c2},dc=x"),
        ] {
            assert_eq!(normalise(one).unwrap(), normalise(other).unwrap(), "{one} and {other}");
        }
        for (one, other) in [("cn=a,dc=x", "sn=a,dc=x"), ("cn=a b,dc=x", "cn=ab,dc=x"), ("cn=o,dc=x", "cn=\u{f6},dc=x")]
        {
            assert_ne!(normalise(one).unwrap(), normalise(other).unwrap(), "{one} and {other}");
        }
    }

    #[test]
    fn spaces_case_and_accents_fold_as_names_compare() {
        assert_eq!(normalise("cn=Ann   B.  Lee,dc=x"), normalise("cn=ann b. lee,dc=x"));
        assert_eq!(normalise("cn=ZO\u{cb},dc=x"), normalise("cn=zo\\C3\\AB,dc=x"));
        assert_eq!(normalise("cn=Ann\\20,dc=x"), normalise("cn=ann,dc=x"));
    }

    #[test]
    fn the_parts_of_a_name_of_several_parts_are_a_set() {
        assert_eq!(normalise("cn=Ann+uid=a,dc=x"), normalise("UID=a + CN=ann,dc=x"));
        assert_eq!(normalise("cn=Ann+uid=a,dc=x").as_deref(), Some("cn=ann+uid=a,dc=x"));
    }

    #[test]
    fn the_root_is_a_name_and_text_is_not() {
        assert_eq!(normalise("").as_deref(), Some(""));
        for bad in
            ["ann", "=ann", "cn=a,", "cn=a,,dc=x", "cn=a\\", "cn=a\\4", "cn=\"a", "cn=#0", "cn=#zz", "c n=a", "cn=\\ff"]
        {
            assert_eq!(normalise(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_refused_name_leaves_the_buffer_as_it_was() {
        let mut out = "before".to_owned();
        assert_eq!(normalise_into("cn=a,ann", &mut out), None);
        assert_eq!(out, "before");
    }

    #[test]
    fn an_optional_uid_is_taken_off() {
        assert_eq!(without_uid("cn=a,dc=x#'0101'B"), "cn=a,dc=x");
        assert_eq!(without_uid("cn=a,dc=x#''B"), "cn=a,dc=x");
        for plain in ["cn=a,dc=x", "cn=a#'01,dc=x", "cn=a,dc=x#'02'B", "cn=it's\\#'B"] {
            assert_eq!(without_uid(plain), plain);
        }
    }

    #[test]
    fn the_naming_value_is_found() {
        assert_eq!(leading("UID=Ann Lee,dc=x", "uid"), Some(canonical_value("ann lee")));
        assert_eq!(leading("cn=a\\,b,dc=x", "CN"), Some(canonical_value("A,B")));
        assert_eq!(leading("cn=a+uid=B,dc=x", "uid"), Some(canonical_value("b")));
        for none in ["", "x", "cn=a,uid=b", "cn=a+sn=b,uid=c"] {
            assert_eq!(leading(none, "uid"), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn a_value_escaped_by_another_hand_comes_back(value in "\\PC{0,20}") {
            let dn = format!("cn={},dc=x", ldap3::dn_escape(&*value));
            prop_assert_eq!(normalise(&dn), Some(format!("cn={},dc=x", canonical_value(&value))));
        }

        #[test]
        fn the_canonical_form_is_its_own(dn in "(cn|ou)=[a-zA-Z ,+=\\\\\"#;é]{0,12}(,dc=[a-z]{1,3})?") {
            if let Some(key) = normalise(&dn) {
                prop_assert_eq!(normalise(&key), Some(key));
            }
        }

        #[test]
        fn x1_no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = normalise(&text);
            let _ = leading(&text, "cn");
            let _ = without_uid(&text);
        }
    }
}
