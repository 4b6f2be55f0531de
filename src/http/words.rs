//! What the other side wrote, made fit for one line of a log or a terminal. In: answers. Out: short plain text.

use super::HttpResponse;
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
