//! What a directory says when it refuses. In: an answer. Out: its status and its own words, in one line.

use serde_json::Value;

use crate::http::HttpResponse;
use crate::http::failure::reason;
use crate::http::words::{clean, html, is_html, without_mark};

/// The status and the reason, whatever shape the product gives it: `{"message"}`, `{"error","description"}`,
/// `{"status":{"message"}}`, a text, a page.
pub(crate) fn refusal(reply: &HttpResponse) -> String {
    let said = if is_html(reply) {
        html(&reply.body)
    } else {
        match serde_json::from_slice::<Value>(without_mark(&reply.body)) {
            Ok(value) => clean(&said(&value).unwrap_or_default()),
            Err(_) => clean(&String::from_utf8_lossy(&reply.body)),
        }
    };
    match said.as_str() {
        "" => format!("{} ({}) with an empty body", reply.status, reason(reply.status)),
        said => format!("{}: {said}", reply.status),
    }
}

fn said(value: &Value) -> Option<String> {
    const NAMES: [&str; 6] = ["message", "error_description", "description", "errorSummary", "error", "status"];
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Object(object) => NAMES.iter().find_map(|name| object.get(*name).and_then(said)),
        Value::Array(values) => values.iter().find_map(said),
        _ => None,
    }
}
