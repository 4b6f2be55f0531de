//! `[source.jumpcloud]`: which keys go together. In: the file's tree. Out: a diagnostic for each contradiction.

use super::super::diagnostic::Diagnostic;
use super::super::document::Document;
use super::web_address;

const TABLE: [&str; 2] = ["source", "jumpcloud"];

fn key(name: &str) -> [&str; 3] {
    [TABLE[0], TABLE[1], name]
}

pub(super) fn check(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    if document.table_at(&TABLE).is_none() {
        return;
    }
    addresses(document, found);
    credential(document, found);
    org_id(document, found);
    somebody_belongs(document, found);
    super::buckets(document, &key("rate")).for_each(|bucket| super::bucket_match(document, bucket, found));
}

fn addresses(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    for name in ["base_url", "insights_url", "token_url"] {
        web_address(document, &key(name), &key("allow_http_loopback"), found);
    }
    if document.get(&key("base_url")).is_some() && document.get(&key("region")).is_some() {
        found.push(document.error(
            &key("region"),
            "`region` and `base_url` both say where the organisation is",
            "write one of the two",
        ));
    }
}

fn credential(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    const EITHER: &str =
        "write `api_key = { credential = \"name\" }`, or `client_id` and `client_secret` of a service account";
    let has = |name: &str| document.get(&key(name)).is_some();
    let (by_key, id, secret) = (has("api_key"), has("client_id"), has("client_secret"));
    if by_key && (id || secret) {
        let message = "an API key and a service account are two ways to say who asks";
        found.push(document.error(&key("api_key"), message, "write one of the two"));
    } else if !by_key && !id && !secret {
        found.push(document.error(&TABLE, "no credential is given in `[source.jumpcloud]`", EITHER));
    } else if id != secret {
        let message = "a service account has a `client_id` and a `client_secret`, and only one is given";
        found.push(document.error(&TABLE, message, EITHER));
    }
    let elsewhere = has("base_url") || document.text_at(&key("region")).is_some_and(|region| region != "us");
    if id && secret && elsewhere && !has("token_url") {
        found.push(document.error(
            &key("client_id"),
            "only for the region `us` it is known where a service account gets its tokens",
            "add `token_url = \"https://…/oauth2/token\"`, or use an API key",
        ));
    }
}

fn org_id(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    let Some(id) = document.text_at(&key("org_id")).filter(|id| !id.is_empty()) else { return };
    if id.len() != 24 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        found.push(document.error(
            &key("org_id"),
            format!("{id:?} is not the id of an organisation"),
            "it has 24 digits and letters a to f; the console shows it under Settings, Organization Profile",
        ));
    }
}

/// Without an application every group of the company would count as assigned.
fn somebody_belongs(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    let told = document.get(&key("application")).is_some()
        || document.get(&["scope", "groups"]).is_some()
        || document.is_true(&["scope", "all_users"]);
    if !told {
        found.push(document.error(
            &TABLE,
            "nothing says who belongs to the app",
            "write `application = \"Heap\"` for what is bound to it in JumpCloud, or name groups in `[scope]`",
        ));
    }
}
