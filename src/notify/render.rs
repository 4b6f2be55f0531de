//! A message in the form of its receiver. It takes the message as it waits on the disk, a template and the secret, and returns the parts of a
//! request. A placeholder is replaced once: what was put in is never searched for placeholders, so no name can bring the secret into a text.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::config::notify_template::{NotifyEscape, NotifyTemplate};

/// What is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RenderedMessage {
    /// The path below `url`, segment by segment.
    pub(super) segments: Vec<String>,
    /// The query, encoded.
    pub(super) query: Option<String>,
    /// Headers beside `Content-Type`.
    pub(super) headers: BTreeMap<String, String>,
    /// The body, JSON.
    pub(super) body: String,
}

/// Puts a message into a template. `values` are the receiver's own.
pub(super) fn render(
    template: &NotifyTemplate,
    message: &Map<String, Value>,
    values: &BTreeMap<String, String>,
    secret: &str,
) -> RenderedMessage {
    let rendering = Rendering { template, message, values, secret };
    let path = template.path.as_ref().map(|path| rendering.text(path, false)).unwrap_or_default();
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let query: Vec<String> = template
        .query
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(&rendering.text(value, false))))
        .collect();
    let headers = template.headers.iter().map(|(name, value)| (name.clone(), rendering.text(value, false)));
    RenderedMessage {
        segments: path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect(),
        query: (!query.is_empty()).then(|| query.join("&")),
        headers: headers.collect(),
        body: rendering.json(&template.body).to_string(),
    }
}

struct Rendering<'a> {
    template: &'a NotifyTemplate,
    message: &'a Map<String, Value>,
    values: &'a BTreeMap<String, String>,
    secret: &'a str,
}

impl Rendering<'_> {
    fn json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                // The only placeholder whose value is no text.
                Some("facts") => self.message.get("facts").cloned().unwrap_or_default(),
                _ => Value::String(self.text(text, true)),
            },
            Value::Array(all) => all.iter().map(|one| self.json(one)).collect(),
            Value::Object(map) => map.iter().map(|(key, one)| (key.clone(), self.json(one))).collect(),
            other => other.clone(),
        }
    }

    /// The text with each placeholder replaced, once. What is no placeholder stays as it is.
    fn text(&self, template: &str, escapes: bool) -> String {
        let replaced = |piece: &str| {
            let (before, name) = piece.strip_suffix('}')?.rsplit_once('{')?;
            Some(before.to_owned() + &self.value(name, escapes)?)
        };
        template.split_inclusive('}').map(|piece| replaced(piece).unwrap_or_else(|| piece.to_owned())).collect()
    }

    fn value(&self, name: &str, escapes: bool) -> Option<String> {
        let of_message = |name: &str| match self.message.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => Some(String::new()),
            other => Some(other.to_string()),
        };
        if name == "secret" {
            return Some(self.secret.to_owned());
        }
        let chosen = |tables: &BTreeMap<String, BTreeMap<String, String>>, by: &str| {
            let table = tables.get(name)?;
            let text = table.get(&of_message(by).unwrap_or_default()).or_else(|| table.get("default"))?;
            Some(text.replace("{type}", &of_message("type").unwrap_or_default()))
        };
        let fixed = chosen(&self.template.by_event, "type")
            .or_else(|| chosen(&self.template.by_severity, "severity"))
            .or_else(|| self.values.get(name).or_else(|| self.template.values.get(name)).cloned());
        if fixed.is_some() {
            return fixed;
        }
        let text = of_message(name)?;
        let text = match name {
            "text" => cut(&text, self.template.longest_text),
            _ => text,
        };
        let text = if escapes { self.escaped(&text) } else { text };
        Some(text.replace('\n', &self.template.line_break))
    }

    fn escaped(&self, text: &str) -> String {
        match self.template.escape {
            NotifyEscape::None => text.to_owned(),
            NotifyEscape::Angle => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
            NotifyEscape::Markdown => text.chars().fold(String::new(), |mut out, c| {
                if matches!(c, '\\' | '*' | '_' | '[' | ']' | '(' | ')' | '~' | '`' | '#' | '<' | '>') {
                    out.push('\\');
                }
                out.push(c);
                out
            }),
        }
    }
}

/// At most so many characters, with a sign where more were.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or(text)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::notify_template::NotifyFormat;

    fn message(kind: &str, severity: &str) -> Map<String, Value> {
        let message = json!({
            "id": "msg_1", "type": kind, "timestamp": "2026-12-01T09:30:00Z", "tenant": "acme", "severity": severity,
            "subject": "rosterd acme: 12 changes wait <now>", "text": "12 changes & more\n\nApprove: rosterd approve acme 9c1f",
            "facts": {"plan": "9c1f", "changes": 12},
        });
        message.as_object().unwrap().clone()
    }

    fn rendered(
        format: NotifyFormat,
        message: &Map<String, Value>,
        values: &[(&str, &str)],
        secret: &str,
    ) -> RenderedMessage {
        let template = NotifyTemplate::parse(format.template().unwrap()).unwrap();
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        render(&template, message, &values, secret)
    }

    fn json_of(rendered: &RenderedMessage) -> Value {
        serde_json::from_str(&rendered.body).unwrap()
    }

    #[test]
    fn slack_gets_one_text_and_the_secret_is_the_path() {
        let sent = rendered(NotifyFormat::Slack, &message("hold", "action"), &[], "T0/B0/xyz");
        assert_eq!(sent.segments, ["T0", "B0", "xyz"]);
        let text =
            "*rosterd acme: 12 changes wait &lt;now&gt;*\n12 changes &amp; more\n\nApprove: rosterd approve acme 9c1f";
        assert_eq!(json_of(&sent), json!({ "text": text }));
        assert!(sent.query.is_none() && !sent.body.contains("xyz"));
    }

    #[test]
    fn pagerduty_triggers_and_resolves_one_incident() {
        let begins = json_of(&rendered(NotifyFormat::PagerDuty, &message("hold", "action"), &[], "key"));
        let ends = json_of(&rendered(NotifyFormat::PagerDuty, &message("hold_resolved", "info"), &[], "key"));
        assert_eq!((&begins["event_action"], &ends["event_action"]), (&json!("trigger"), &json!("resolve")));
        assert_eq!(begins["dedup_key"], ends["dedup_key"]);
        assert_eq!(begins["routing_key"], "key");
        assert_eq!(begins["payload"]["severity"], "critical");
        assert_eq!(begins["payload"]["custom_details"]["facts"], json!({"plan": "9c1f", "changes": 12}));
        let other = json_of(&rendered(NotifyFormat::PagerDuty, &message("credential_expiry", "warning"), &[], "key"));
        assert_eq!(other["dedup_key"], "rosterd/acme/credential_expiry");
    }

    #[test]
    fn teams_gets_a_card_and_its_signature_in_the_query() {
        let sent =
            rendered(NotifyFormat::Teams, &message("failing", "warning"), &[("api_version", "2016-06-01")], "a+b/c");
        let query = "api%2Dversion=2016%2D06%2D01&sig=a%2Bb%2Fc&sp=%2Ftriggers%2Fmanual%2Frun&sv=1%2E0";
        assert_eq!(sent.query.as_deref(), Some(query));
        let card = &json_of(&sent)["attachments"][0]["content"]["body"];
        assert_eq!(
            (&card[0]["color"], &card[0]["text"]),
            (&json!("Warning"), &json!("rosterd acme: 12 changes wait \\<now\\>"))
        );
        assert!(card[1]["text"].as_str().unwrap().contains("more\n\n\n\nApprove"));
    }

    #[test]
    fn a_gateway_gets_an_email_with_the_secret_in_a_header() {
        let values = [("from", "rosterd@acme.test"), ("to", "oncall@acme.test")];
        let sent = rendered(NotifyFormat::Email, &message("hold", "action"), &values, "s3cret");
        assert_eq!(sent.headers["Authorization"], "Bearer s3cret");
        let body = json_of(&sent);
        assert_eq!(
            (&body["to"], &body["subject"]),
            (&json!("oncall@acme.test"), &json!("rosterd acme: 12 changes wait <now>"))
        );
    }

    #[test]
    fn i6_what_is_put_in_is_not_searched_for_placeholders() {
        let mut forged = message("hold", "action");
        forged.insert("text".to_owned(), "{secret} {facts} {".into());
        let sent = rendered(NotifyFormat::Slack, &forged, &[], "T0/B0/xyz");
        assert!(!sent.body.contains("xyz") && sent.body.contains("{secret} {facts} {"), "{}", sent.body);
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!((cut("äöü", 2).as_str(), cut("äöü", 3).as_str()), ("äö…", "äöü"));
    }
}
