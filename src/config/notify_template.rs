//! How a notification is written for a receiver that has a form of its own: a TOML file with a JSON body, headers and a query, in which
//! `{placeholders}` stand. It takes the text of such a file and returns the template; what is put in is known to `notify` alone.
//!
//! The shipped ones are the files of `config/notify`, a name each in `format`; `template` names one of the operator's own.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which form a receiver's messages have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NotifyFormat {
    /// The JSON of the documentation, signed as standardwebhooks.com says.
    #[default]
    Signed,
    /// An incoming webhook of Slack.
    Slack,
    /// A workflow of Microsoft Teams.
    Teams,
    /// PagerDuty's Events API v2.
    PagerDuty,
    /// A gateway that takes `from`, `to`, `subject` and `text`.
    Email,
}

impl NotifyFormat {
    /// The shipped template; `None` for the form that needs none.
    pub fn template(self) -> Option<&'static str> {
        match self {
            Self::Signed => None,
            Self::Slack => Some(include_str!("../../config/notify/slack.toml")),
            Self::Teams => Some(include_str!("../../config/notify/teams.toml")),
            Self::PagerDuty => Some(include_str!("../../config/notify/pagerduty.toml")),
            Self::Email => Some(include_str!("../../config/notify/email.toml")),
        }
    }
}

/// How characters are written that mean something to the receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyEscape {
    /// As they are.
    #[default]
    None,
    /// `&`, `<` and `>` as entities.
    Angle,
    /// A backslash before each character that Markdown gives a meaning.
    Markdown,
}

/// A template that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct NotifyTemplate {
    /// The body, a JSON document with placeholders in its texts.
    pub body: Value,
    /// The path below `url`.
    pub path: Option<String>,
    /// The query, name by name.
    pub query: BTreeMap<String, String>,
    /// Headers beside `Content-Type`.
    pub headers: BTreeMap<String, String>,
    /// What the receiver's own `values` may replace.
    pub values: BTreeMap<String, String>,
    /// Placeholders whose text depends on the event; `default` is for all others.
    pub by_event: BTreeMap<String, BTreeMap<String, String>>,
    /// Placeholders whose text depends on the severity.
    pub by_severity: BTreeMap<String, BTreeMap<String, String>>,
    /// How the texts of a message are escaped.
    pub escape: NotifyEscape,
    /// What stands for a line break of `text`.
    pub line_break: String,
    /// The longest `text`, in characters.
    pub longest_text: usize,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    body: String,
    path: Option<String>,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    values: BTreeMap<String, String>,
    #[serde(default)]
    by_event: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    by_severity: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    escape: NotifyEscape,
    #[serde(default = "line_feed")]
    line_break: String,
    #[serde(default = "unlimited")]
    longest_text: usize,
}

fn line_feed() -> String {
    "\n".to_owned()
}

fn unlimited() -> usize {
    usize::MAX
}

impl NotifyTemplate {
    /// Reads the text of a template.
    ///
    /// # Errors
    /// Where it is not TOML, has an unknown key, or its body is not JSON.
    pub fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let body = serde_json::from_str(&written.body).map_err(|error| format!("`body` is not JSON: {error}"))?;
        let Written { path, query, headers, values, by_event, by_severity, escape, line_break, longest_text, .. } =
            written;
        Ok(Self { body, path, query, headers, values, by_event, by_severity, escape, line_break, longest_text })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_template_can_be_read() {
        assert_eq!(NotifyFormat::Signed.template(), None);
        for format in [NotifyFormat::Slack, NotifyFormat::Teams, NotifyFormat::PagerDuty, NotifyFormat::Email] {
            NotifyTemplate::parse(format.template().unwrap()).unwrap();
        }
    }

    #[test]
    fn a_template_that_can_not_be_read_says_where() {
        assert!(NotifyTemplate::parse("body = '{'").unwrap_err().contains("`body` is not JSON"));
        assert!(NotifyTemplate::parse("body = '{}'\nboddy = 1").unwrap_err().contains("boddy"));
        assert!(NotifyTemplate::parse("path = 'x'").unwrap_err().contains("body"));
    }
}
