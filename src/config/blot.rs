//! Secrets that somebody wrote into a file where they do not belong. In: a text and its tree. Out: the text as it may be
//! shown, of the same length, with everything that looks like a secret blotted out (I6).
//!
//! Such a file is refused; the point is that the refusal itself, in a terminal, a log or a build server's page, does not
//! spread the secret further.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::model::text;

/// What the name of a key that holds a secret has in it, in lower case and without separators.
const NAMES: [&str; 11] = [
    "token",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "authorization",
    "cookie",
    "privatekey",
    "bearer",
    "signingkey",
];

/// The keys of a secret's table; what they hold is a name or a path, not a secret.
const PLACES: [&str; 8] = ["credential", "file", "env", "command", "cache", "timeout", "environment", "expires"];

/// What the name of a key that holds an address has in it.
const ADDRESSES: [&str; 7] = ["url", "uri", "address", "endpoint", "host", "proxy", "server"];

/// Real keys that only happen to be near a secret's name.
const NO_SECRETS: [&str; 6] = ["take", "open", "select", "second", "header", "breaker"];

/// Whether a key of this name holds a secret, judged by its name.
pub(super) fn names_a_secret(key: &str) -> bool {
    let plain = plain(key);
    NAMES.iter().any(|name| plain.contains(name))
}

fn plain(key: &str) -> String {
    key.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
}

/// Whether a key may be a misspelt one that holds a secret (`tokem`, `pasword`): what stands behind it is not shown either.
fn may_name_a_secret(key: &str) -> bool {
    // A private key.
    if names_a_secret(key) || plain(key) == "key" {
        return true;
    }
    let words: Vec<String> = key.split(|c: char| !c.is_alphanumeric()).map(plain).collect();
    let pairs = words.windows(2).map(|pair| pair.concat());
    words.iter().cloned().chain(pairs).chain([plain(key)]).any(|word| {
        !NO_SECRETS.contains(&word.as_str())
            && NAMES.iter().any(|name| word.len() + 2 >= name.len() && strsim::osa_distance(&word, name) <= 2)
    })
}

/// The text with secrets blotted out, byte for byte as long as before; and the texts that were, for messages that quote them.
pub(super) fn blot(text: &str, root: &DeTable<'_>, damaged: bool) -> (String, Vec<String>) {
    let mut found = SecretSpans { text, spans: Vec::new(), quoted: Vec::new() };
    found.in_table(root, false);
    if damaged {
        found.in_lines();
    }
    let SecretSpans { spans, quoted, .. } = found;
    let mut bytes = text.as_bytes().to_vec();
    for span in spans {
        for byte in bytes.get_mut(span).into_iter().flatten().filter(|byte| !matches!(byte, b'\n' | b'\r')) {
            *byte = b'*';
        }
    }
    // Spans of values begin and end at quotes or line ends, so no character was cut; if one was, nothing is shown.
    (String::from_utf8(bytes).unwrap_or_else(|_| "*".repeat(text.len())), quoted)
}

/// A message without the texts that were blotted out.
pub(super) fn without(message: String, quoted: &[String]) -> String {
    quoted.iter().fold(message, |message, text| message.replace(text.as_str(), "***"))
}

/// What is to be blotted out.
struct SecretSpans<'t> {
    text: &'t str,
    spans: Vec<Range<usize>>,
    quoted: Vec<String>,
}

impl SecretSpans<'_> {
    fn in_table(&mut self, table: &DeTable<'_>, secret: bool) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let is_place = secret && PLACES.contains(&name);
            if let (true, DeValue::Array(values)) = (is_place, value.get_ref()) {
                // A program, its arguments, its variables: each is shown if it is no secret by itself.
                let odd = values.iter().filter(|value| !fits(name, value.get_ref()));
                odd.for_each(|value| self.in_value(name, value, true));
                continue;
            }
            if !(is_place && fits(name, value.get_ref())) {
                self.in_value(name, value, secret || may_name_a_secret(name));
            }
        }
    }

    fn in_value(&mut self, key: &str, value: &toml::Spanned<DeValue<'_>>, secret: bool) {
        match value.get_ref() {
            DeValue::Table(table) => self.in_table(table, secret),
            DeValue::Array(values) => values.iter().for_each(|value| self.in_value(key, value, secret)),
            DeValue::Boolean(_) => {}
            other if secret => {
                self.spans.push(value.span());
                self.quote(other.as_str().unwrap_or_default());
            }
            DeValue::String(text) => self.in_text(key, text, &value.span()),
            _ => {}
        }
    }

    /// User name, password and query of an address.
    fn in_text(&mut self, key: &str, text: &str, span: &Range<usize>) {
        let plain = plain(key);
        let is_address = text.contains("://") || ADDRESSES.iter().any(|name| plain.contains(name));
        if !is_address {
            return;
        }
        for (part, _) in text::secret_parts(text) {
            self.quote(text.get(part.clone()).unwrap_or_default());
            self.spans.push(super::literal::part(self.text, span.clone(), part));
        }
    }

    /// Short texts are words that messages need.
    fn quote(&mut self, text: &str) {
        if text.chars().count() < 4 {
            return;
        }
        self.quoted.push(text.to_owned());
        let debugged = format!("{text:?}");
        let debugged = debugged.trim_matches('"');
        if debugged != text {
            self.quoted.push(debugged.to_owned());
        }
    }

    /// In a text that is not TOML values have no reliable place: of a line that names a secret, all after the `=` goes, and so do the
    /// lines behind it up to the next key; of any other line, what is secret in an address.
    fn in_lines(&mut self) {
        let mut start = 0;
        let mut goes_on = false;
        for line in self.text.split_inclusive('\n') {
            let end = start + line.len();
            let key = line.split(['=', '"', '\'']).next().unwrap_or_default();
            let begins = line.trim_start().starts_with('[') || line.contains('=');
            if names_a_secret(line) || may_name_a_secret(key) {
                let from = line.find(['=', '"', '\'']).unwrap_or(0);
                self.spans.push(start + from..end);
                goes_on = true;
            } else if goes_on && !begins {
                self.spans.push(start..end);
            } else {
                goes_on = false;
                self.in_address(line, start);
            }
            start = end;
        }
    }

    fn in_address(&mut self, line: &str, start: usize) {
        let Some(at) = line.find("://") else { return };
        // The address may begin before, but what is secret in it comes behind.
        let rest = line.trim_end();
        let parts = text::secret_parts(rest.get(at..).unwrap_or_default());
        self.spans.extend(parts.into_iter().map(|(part, _)| start + at + part.start..start + at + part.end));
    }
}

/// Whether the value of a place can be a name or a path. A secret put there by mistake rarely is.
fn fits(place: &str, value: &DeValue<'_>) -> bool {
    if place == "expires" && matches!(value, DeValue::Datetime(_)) {
        return true;
    }
    let Some(text) = value.as_str() else { return false };
    if text.split('/').any(text::looks_like_a_secret) {
        return false;
    }
    let format = match place {
        "credential" => "credential-name",
        "env" | "environment" => "environment-variable",
        // A day has ten characters, all of them plain.
        "expires" => return text.len() <= 10 && text.chars().all(|c| c.is_ascii_digit() || c == '-'),
        // A path has a slash or an ending, or is a plain word.
        _ => {
            let telling = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase();
            return text.contains(['/', '.']) || text.len() < 8 || !text.contains(telling);
        }
    };
    matches!(super::forms::check(format, text), Some(Ok(())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let (root, errors) = DeTable::parse_recoverable(text);
        let (shown, _) = blot(text, root.get_ref(), !errors.is_empty());
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
            "tokem = \"s3cr3t\"",
            "tken = \"s3cr3t\"",
            "[target]\npasswort = 's3cr3t'",
            "clinet_secert = \"s3cr3t\"",
            "apikye = [\"s3cr3t\"]",
            "api_ky = \"s3cr3t\"",
            "target = { base_url = \"x\", tokne = \"s3cr3t\" }",
            "token = { fiel = \"s3cr3t\" }",
            "token = { file = \"s3cr3t-and-more\" }",
            "token = { file = \"eyJs3cr3t0123456789\" }",
            "token = { env = \"eyJs3cr3t0123456789\" }",
            "token = { command = [\"/usr/bin/echo\", \"eyJs3cr3t0123456789\"] }",
            "token = { command = [\"/usr/bin/echo\", \"s3cr3t-and-more\"] }",
            "[target]\nbase_url = \"https://svc:s3cr3t@app.example.com/scim\"",
            "base_url = \"https://svc:s3cr3t/s3cr3t@app.example.com/scim\"",
            "base_url = 'https://svc:s3cr3t with blanks@app.example.com'",
            "base_url = \"https://app.example.com/scim?access_token=s3cr3t\"",
            "base_url = \"https://app.example.com/scim#s3cr3t\"",
            "url = [\"ldaps://cn=reader:s3cr3t@dc1\", \"ldaps://dc2\"]",
            "[network]\nproxy = \"svc:s3cr3t@proxy:3128\"",
            "base_url = \"svc:s3cr3t@host\"",
            "base_url = \"https://\\u0073vc:s3cr3t@host\"",
            "note = \"see https://svc:s3cr3t@host/\"",
            "base_url = \"https://svc:s3cr3t@host",
            "[[x\nbase_url = https://svc:s3cr3t@host?a=s3cr3t",
            "[[x\ntoken = \"\"\"\ns3cr3t\n\"\"\"",
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
            "bind_dn = \"reader@corp.example.com\"",
            "token = { file = \"../app.token\"}",
            "token = { file = \"heap-token\" }",
            "protect = [\"breakglass@acme.test\"]",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn a_program_and_its_arguments_are_shown() {
        let text = "token = { command = [\"/usr/bin/vault\", \"kv\", \"get\", \"-field=token\", \"secret/acme\"], environment = [\"VAULT_ADDR\"] }";
        assert_eq!(shown(text), text);
    }

    #[test]
    fn no_key_that_there_is_counts_as_a_misspelt_secret() {
        fn keys(schema: &serde_json::Value, all: &mut Vec<String>) {
            match schema {
                serde_json::Value::Object(fields) => {
                    let named = fields.get("properties").and_then(serde_json::Value::as_object);
                    all.extend(named.into_iter().flat_map(|named| named.keys().cloned()));
                    fields.values().for_each(|inner| keys(inner, all));
                }
                serde_json::Value::Array(items) => items.iter().for_each(|inner| keys(inner, all)),
                _ => {}
            }
        }
        let mut all = Vec::new();
        let schema = include_str!("../../config/schema.json");
        keys(&serde_json::from_str(schema).unwrap(), &mut all);
        assert!(all.len() > 100, "{}", all.len());
        // What stands behind `key` is a private key, and its name no misspelt one.
        let is_misspelt = |key: &str| may_name_a_secret(key) && !names_a_secret(key) && key != "key";
        let wrong: Vec<_> = all.iter().filter(|key| is_misspelt(key)).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
