//! The message about the end of an import. In: how it ended, as it is on the disk. Out: one message, which names no user.

use jiff::Timestamp;
use serde_json::json;

use super::Message;
use crate::config::notify::NotifyEvent;
use crate::store::{ImportEnd, ImportNote, ImportState};

/// The message about an import in the background that has ended.
pub fn import_finished(tenant: &str, note: &ImportNote, now: Timestamp) -> Message {
    let counts = format!(
        "{} created, {} already existed, {} failed, {} not tried",
        note.created, note.found, note.failed, note.not_tried
    );
    let (subject, what) = match note.reason {
        None => (format!("import finished: {counts}"), "The import has finished.".to_owned()),
        Some(reason) => (
            format!("import stopped: {counts}"),
            format!(
                "The import stopped before all users were tried: {}. What was created stays, and the same command tries \
                 only the rest.",
                because(reason)
            ),
        ),
    };
    let report = match (&note.report, &note.report_error) {
        (Some(path), _) => format!("Report:  {}", path.display()),
        (None, _) => "The report could not be written; `rosterd status` says why.".to_owned(),
    };
    let text = format!("{what} {counts}; nothing was sent to the app.\n\n{report}\nShow: rosterd status {tenant}");
    let facts = json!({
        "import": note.id,
        "state": note.state,
        "reason": note.reason,
        "planned": note.total,
        "created": note.created,
        "found": note.found,
        "failed": note.failed,
        "not_tried": note.not_tried,
        "report": note.report,
    });
    let details = note.error.iter().chain(&note.report_error).cloned().collect();
    let message = Message::new(NotifyEvent::ImportFinished, tenant, now, subject, text).with(facts, details);
    let severity = match note {
        ImportNote { state: ImportState::Stopped, .. } => "action",
        ImportNote { failed, report_error, .. } if *failed > 0 || report_error.is_some() => "warning",
        _ => message.severity,
    };
    Message { severity, ..message }
}

/// Why an import stopped, without a name or a value.
fn because(reason: ImportEnd) -> &'static str {
    match reason {
        ImportEnd::Credential => "a credential is missing or refused",
        ImportEnd::Forbidden => "the credential may not create users",
        ImportEnd::Directory => "the directory did not respond, or the response could not be used",
        ImportEnd::App => "the app did not respond, or the response could not be used",
        ImportEnd::NotWritable => "rosterd does not write to this directory",
        ImportEnd::Addresses => "a credential would go to a new address, which has to be approved first",
        ImportEnd::Choice => "a given name does not match exactly one account without a conflict",
        ImportEnd::FileEdited => "the tenant file was edited meanwhile",
        ImportEnd::FileRemoved => "the tenant file was removed meanwhile",
        ImportEnd::Retired => "the tenant is retired",
        ImportEnd::Disk => "the state folder can't be written",
        ImportEnd::Settings => "the tenant can't be prepared",
        ImportEnd::Operator => "an operator ended it",
    }
}
