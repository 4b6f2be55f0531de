//! What `[source.onelogin]` may not say although each key on its own is fine.

use super::web_address;
use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;

const TABLE: [&str; 2] = ["source", "onelogin"];

/// All of it.
pub(super) fn check(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    let Some(table) = document.table_at(&TABLE) else { return };
    let key = |name: &'static str| [TABLE[0], TABLE[1], name];
    let has = |name: &str| table.contains_key(name);
    match (has("subdomain"), has("base_url")) {
        (false, false) => found.push(document.error(
            &TABLE,
            "nothing says which account is meant",
            "write `subdomain = \"acme\"` for acme.onelogin.com, or the whole address as `base_url`",
        )),
        (true, true) => found.push(document.error(
            &key("subdomain"),
            "`subdomain` and `base_url` both say which account is meant",
            "remove one of the two",
        )),
        _ => {}
    }
    if let Some(subdomain) = document.text_at(&key("subdomain")).filter(|text| !is_label(text)) {
        found.push(document.error(
            &key("subdomain"),
            format!("{subdomain:?} is no subdomain"),
            "write only the first word of the address: `acme` for https://acme.onelogin.com",
        ));
    }
    web_address(document, &key("base_url"), &key("allow_http_loopback"), found);
    let by_groups = document.text_at(&key("groups")) == Some("groups");
    if by_groups && has("application") {
        found.push(document.error(
            &key("groups"),
            "OneLogin gives applications to roles, never to security-policy groups",
            "remove `application` and name the groups in `[scope]`, or write `groups = \"roles\"`",
        ));
    }
    parameters(document, has("application"), found);
    let scoped = document.get(&["scope", "groups"]).is_some() || document.is_true(&["scope", "all_users"]);
    if !has("application") && !scoped {
        found.push(document.error(
            &TABLE,
            "nothing says who belongs: everybody with any role would get an account",
            "write `application = \"Heap\"`, or name roles in `[scope]`: groups = [{ name = \"Heap *\" }]",
        ));
    }
}

/// The parameters that mappings read are those of an application, which has to be named.
fn parameters(document: &Document<'_>, has_application: bool, found: &mut Vec<Diagnostic>) {
    const ATTRIBUTES: [&str; 2] = ["users", "attributes"];
    if has_application {
        return;
    }
    for key in document.table_at(&ATTRIBUTES).into_iter().flat_map(|table| table.keys()) {
        let key = key.get_ref();
        let (plain, table) = ([ATTRIBUTES[0], ATTRIBUTES[1], key], [ATTRIBUTES[0], ATTRIBUTES[1], key, "from"]);
        let from = document.text_at(&plain).or_else(|| document.text_at(&table));
        if from.is_some_and(|from| from.contains("app_parameters")) {
            found.push(document.error(
                &plain,
                "`app_parameters` are those of an application, and none is named",
                "write `application = \"Heap\"` in `[source.onelogin]`, or read `custom_attributes.NAME`",
            ));
        }
    }
}

/// One label of a host name (RFC 1123 §2.1).
fn is_label(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=63).contains(&text.len()) && text.chars().all(fits) && !text.starts_with('-') && !text.ends_with('-')
}
