//! What the other side wrote, made fit for one line of a log or a terminal. In: answers. Out: short plain text.

use serde_json::Value;

use super::HttpResponse;
use super::failure::reason;
use crate::model::text::is_unseen;

/// The longest message kept, in characters.
const LONGEST: usize = 300;

/// Whether an answer is a page for people: a proxy, a sign-in, a wrong address.
pub(crate) fn is_html(reply: &HttpResponse) -> bool {
    let named = reply.content_type.as_deref().is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    named || reply.body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

/// What an HTML page is about: its title.
pub(crate) fn html(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|at| {
        let begin = at + lower.get(at..)?.find('>')? + 1;
        let end = begin + lower.get(begin..)?.find("</")?;
        text.get(begin..end)
    });
    match title.map(str::trim).filter(|title| !title.is_empty()) {
        Some(title) => format!("the answer is an HTML page titled {title:?}"),
        None => "the answer is an HTML page".to_owned(),
    }
}

/// One line without control, formatting and direction characters, of a length that a person reads.
pub(crate) fn clean(text: &str) -> String {
    let mut line = String::new();
    let mut length = 0;
    for c in text.chars() {
        let c = if c.is_whitespace() { ' ' } else { c };
        if is_unseen(c) || (c == ' ' && (line.is_empty() || line.ends_with(' '))) {
            continue;
        }
        if length == LONGEST {
            line.push('…');
            return line;
        }
        line.push(c);
        length += 1;
    }
    line.truncate(line.trim_end().len());
    line
}

/// A body without the byte order mark that some servers put before it (RFC 8259 §8.1 lets a reader ignore it).
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

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
