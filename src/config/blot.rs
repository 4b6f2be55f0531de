//! Secrets that somebody wrote into a file where they do not belong. In: a text and its tree. Out: the text as it may be
//! shown, of the same length, with everything that looks like a secret blotted out (I6).
//!
//! Such a file is refused; the point is that the refusal itself, in a terminal, a log or a build server's page, does not
//! spread the secret further.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// What the name of a key that holds a secret has in it, in lower case and without separators.
const NAMES: [&str; 8] = ["token", "password", "passwd", "secret", "apikey", "authorization", "cookie", "privatekey"];

/// The keys of a secret's table; what they hold is a name or a path, not a secret.
const PLACES: [&str; 3] = ["credential", "file", "env"];

/// Whether a key of this name holds a secret, judged by its name.
pub(super) fn names_a_secret(key: &str) -> bool {
    let plain: String = key.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    NAMES.iter().any(|name| plain.contains(name))
}

/// The text with secrets blotted out, byte for byte as long as before.
pub(super) fn blot(text: &str, root: &DeTable<'_>, damaged: bool) -> String {
    let mut spans = Vec::new();
    in_table(root, false, &mut spans);
    if damaged {
        in_lines(text, &mut spans);
    }
    let mut bytes = text.as_bytes().to_vec();
    for span in spans {
        for byte in bytes.get_mut(span).into_iter().flatten().filter(|byte| !matches!(byte, b'\n' | b'\r')) {
            *byte = b'*';
        }
    }
    // Spans of values begin and end at quotes or line ends, so no character was cut; if one was, nothing is shown.
    String::from_utf8(bytes).unwrap_or_else(|_| "*".repeat(text.len()))
}

fn in_table(table: &DeTable<'_>, secret: bool, spans: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let place = secret && PLACES.contains(&name) && fits(name, value.get_ref());
        if !place {
            in_value(value, secret || names_a_secret(name), spans);
        }
    }
}

/// Whether the value of a place can be a name or a path. A secret put there by mistake rarely is.
fn fits(place: &str, value: &DeValue<'_>) -> bool {
    let format = match place {
        "credential" => "credential-name",
        "env" => "environment-variable",
        _ => return value.is_str(),
    };
    value.as_str().is_some_and(|text| matches!(super::forms::check(format, text), Some(Ok(()))))
}

fn in_value(value: &toml::Spanned<DeValue<'_>>, secret: bool, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => in_table(table, secret, spans),
        DeValue::Array(values) => values.iter().for_each(|value| in_value(value, secret, spans)),
        DeValue::Boolean(_) => {}
        _ if secret => spans.push(value.span()),
        _ => {}
    }
}

/// In a text that is not TOML values have no reliable place: of a line that names a secret, all after the `=` goes.
fn in_lines(text: &str, spans: &mut Vec<Range<usize>>) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if names_a_secret(line) {
            let from = line.find(['=', '"', '\'']).unwrap_or(0);
            spans.push(start + from..start + line.len());
        }
        start += line.len();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let (root, errors) = DeTable::parse_recoverable(text);
        let shown = blot(text, root.get_ref(), !errors.is_empty());
        assert_eq!(shown.len(), text.len());
        shown
    }

    #[test]
    fn i6_a_secret_in_the_wrong_place_is_never_shown() {
        for text in [
            "[target]\ntoken = \"s3cr3t\"",
            "target = { token = 's3cr3t' }",
            "target.api_key = \"s3cr3t\"",
            "[t]\ntoken = { value = \"s3cr3t\" }",
            "[t]\npassword = { env = \"s3cr3t é/\" }",
            "[t]\npassword = { credential = \"s3cr3t/x\" }",
            "[t.password]\nvalue = \"\"\"\ns3cr3t\"\"\"",
            "tokens = [\"s3cr3t\", { a = \"s3cr3t\" }]",
            "token = \"s3cr3t",
            "x = \ntoken = s3cr3t",
            "[headers]\nAuthorization = \"Bearer s3cr3t\"",
        ] {
            assert!(!shown(text).contains("s3cr3t"), "{}", shown(text));
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for text in [
            "token = { credential = \"heap\" }",
            "password = { file = \"/run/secrets/ldap\" }",
            "[target]\nbase_url = \"https://app.example.com\"\nallow_http_loopback = true",
        ] {
            assert_eq!(shown(text), text);
        }
    }
}
