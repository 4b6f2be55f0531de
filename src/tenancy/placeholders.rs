//! Values that a template or a guide left to be filled in.
//!
//! Comes in: a parsed tenant file. Goes out: an error for each value that still has a placeholder (`YOUR-TENANT`), and a warning
//! for each address at a host that RFC 2606 reserves for examples. Must not depend on the type of the directory or of the app.

use url::Url;

use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;

/// How placeholders begin in the files that `rosterd init` writes and in the guides.
const PLACEHOLDER: &str = "YOUR-";

/// Top-level domains and domains that are reserved for examples (RFC 2606 §2 and §3). `.test` is left out: companies use it for
/// trials.
const RESERVED: [&str; 5] = ["example", "invalid", "example.com", "example.net", "example.org"];

/// Reports the values that are still to be filled in.
pub(super) fn check(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    for (path, text) in document.texts() {
        let is_address = path.last().is_some_and(|key| *key == "url" || key.ends_with("_url"));
        if let Some(placeholder) = placeholder(text) {
            let message = format!("`{placeholder}` is a placeholder");
            found.push(document.error(&path, message, "replace it with your own value"));
        } else if is_address && is_reserved(text) {
            let message = "this host is reserved for examples (RFC 2606), so nothing answers there";
            found.push(document.warning(&path, message, "replace it with your own address"));
        }
    }
}

/// The first placeholder in a text, such as `YOUR-TENANT`.
fn placeholder(text: &str) -> Option<&str> {
    let (start, _) = text.match_indices(PLACEHOLDER).find(|(start, _)| {
        let before = text.get(..*start).and_then(|before| before.chars().next_back());
        let after = text.get(start + PLACEHOLDER.len()..).and_then(|after| after.chars().next());
        before.is_none_or(|before| !before.is_alphanumeric()) && after.is_some_and(|after| after.is_ascii_uppercase())
    })?;
    let rest = text.get(start..)?;
    let is_part = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || "-_".contains(letter);
    rest.get(..rest.find(|letter| !is_part(letter)).unwrap_or(rest.len()))
}

fn is_reserved(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let Some(host) = url.host_str().map(|host| host.trim_end_matches('.').to_ascii_lowercase()) else { return false };
    RESERVED
        .iter()
        .any(|reserved| host == *reserved || host.strip_suffix(reserved).is_some_and(|rest| rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_found_wherever_it_stands_and_ordinary_words_are_none() {
        let found = |text| placeholder(text);
        assert_eq!(found("https://app.test/scim/v2/YOUR-TENANT"), Some("YOUR-TENANT"));
        assert_eq!(found("https://YOUR-APP-2.corp.test/v2"), Some("YOUR-APP-2"));
        assert_eq!(found("cn=YOUR-READER,dc=corp"), Some("YOUR-READER"));
        for text in ["YOUR-", "your-tenant", "HONOUR-ROLL", "SAVIYOUR-X", "we value YOUR- opinion"] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn hosts_for_examples_are_known_and_those_that_only_look_so_are_not() {
        for address in
            ["https://example.com", "ldaps://ldap.example.org:636", "https://APP.EXAMPLE/scim", "https://a.invalid"]
        {
            assert!(is_reserved(address), "{address}");
        }
        for address in [
            "https://myexample.com",
            "https://example.com.acme.io",
            "https://127.0.0.1:1/",
            "https://scim.acme.test",
            "no",
        ] {
            assert!(!is_reserved(address), "{address}");
        }
    }
}
