//! What is told, in words that can be put into an e-mail as they are. In: an event with its numbers. Out: subject, text, JSON.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::notify::NotifyEvent;

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id: the same each time it is sent.
    pub id: String,
    /// What happened.
    pub event: NotifyEvent,
    /// To whom; empty for rosterd itself.
    pub tenant: String,
    /// When.
    pub at: Timestamp,
    /// One line.
    pub subject: String,
    /// What it means, and what to type.
    pub text: String,
    /// Numbers and names of reasons, for programs.
    pub facts: Value,
    /// The reasons in full. They may name people.
    pub details: Vec<String>,
    /// How urgent it is.
    pub severity: &'static str,
}

impl Message {
    pub(super) fn new(event: NotifyEvent, tenant: &str, at: Timestamp, subject: String, text: String) -> Self {
        let id = format!("msg_{}", Uuid::now_v7().simple());
        let of = if tenant.is_empty() { "rosterd".to_owned() } else { format!("rosterd {tenant}") };
        let subject = format!("{of}: {subject}");
        let severity = severity(event);
        Self {
            id,
            event,
            tenant: tenant.to_owned(),
            at,
            subject,
            text,
            facts: json!({}),
            details: Vec::new(),
            severity,
        }
    }

    /// One that only tries whether messages arrive.
    pub fn test(at: Timestamp) -> Self {
        let (subject, text) = ("this is a test".to_owned(), "Messages from rosterd arrive here.".to_owned());
        Self::new(NotifyEvent::Test, "", at, subject, text)
    }

    pub(super) fn with(mut self, facts: Value, details: Vec<String>) -> Self {
        self.facts = facts;
        self.details = details;
        self
    }

    /// What is sent.
    pub fn to_body(&self, details: bool) -> MessageBody {
        let mut text = self.text.clone();
        let mut document = json!({
            "id": self.id,
            "type": self.event.name(),
            "timestamp": self.at.to_string(),
            "tenant": (!self.tenant.is_empty()).then_some(&self.tenant),
            "severity": self.severity,
            "subject": self.subject,
            "facts": self.facts,
        });
        if details && !self.details.is_empty() {
            text = format!("{text}\n\n{}", self.details.join("\n"));
            document["details"] = json!(self.details);
        }
        document["text"] = json!(text);
        MessageBody { id: self.id.clone(), json: document.to_string() }
    }
}

/// A message as one receiver gets it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MessageBody {
    /// The message's id.
    pub id: String,
    /// The whole body.
    pub json: String,
}

fn severity(event: NotifyEvent) -> &'static str {
    match event {
        NotifyEvent::Hold | NotifyEvent::CredentialRefused | NotifyEvent::Quarantined => "action",
        NotifyEvent::Failing | NotifyEvent::CredentialExpiry | NotifyEvent::FileMistake => "warning",
        NotifyEvent::HoldResolved
        | NotifyEvent::Recovered
        | NotifyEvent::FileMended
        | NotifyEvent::ImportFinished
        | NotifyEvent::Test => "info",
    }
}
