//! Directory Insights as a change feed. What comes in is a time; what goes out are the events since. Never the truth: events come late, and nobody
//! promises that all of them come.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::SourceError;
use super::super::web::{ApiRequest, ChangeEvent, Object, WebConnection, text};

/// Events of one answer, and answers of one look. More than that is reason enough.
const PAGE: usize = 1000;
const PAGES: u32 = 5;

/// What an event is about decides whether it matters.
const MATTERS: [&str; 4] = ["user_", "group_", "association_change", "application_"];

/// Events about how people log in, which there are most of.
const DOES_NOT: [&str; 4] = ["user_lockout", "user_unlocked", "user_password", "user_login"];

/// The events since; `None` where the organisation does not have Directory Insights.
pub(super) async fn since(web: &WebConnection, from: Timestamp) -> Result<Option<Vec<ChangeEvent>>, SourceError> {
    let Some(api) = &web.feed else { return Ok(None) };
    let mut query = json!({"service": ["directory"], "start_time": from.to_string(), "limit": PAGE, "sort": "ASC"});
    let mut all = Vec::new();
    for _ in 0..PAGES {
        let question = ApiRequest::get("events", ["events"]).posting(&query);
        // Asked once: the next look comes soon enough. 402: the organisation has not bought it.
        let Some(reply) = api.find_once(&question, 402).await? else { return Ok(None) };
        let after: Option<Value> = reply.header("x-search_after").and_then(|text| serde_json::from_str(text).ok());
        let events: Vec<Object> = api.json("events", &reply)?;
        let is_full = events.len() >= PAGE;
        all.extend(events.iter().map(|event| ChangeEvent {
            id: text(event, "id").map(str::to_owned),
            at: text(event, "timestamp").and_then(|text| text.parse().ok()),
            matters: text(event, "event_type").is_some_and(matters),
        }));
        match after {
            Some(after) if is_full => query["search_after"] = after,
            _ => break,
        }
    }
    Ok(Some(all))
}

fn matters(kind: &str) -> bool {
    MATTERS.iter().any(|start| kind.starts_with(start)) && !DOES_NOT.iter().any(|start| kind.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::matters;

    #[test]
    fn only_events_that_change_the_roster_wake_anybody() {
        for kind in ["user_create", "user_suspended", "group_delete", "association_change", "application_update"] {
            assert!(matters(kind), "{kind}");
        }
        for kind in ["user_lockout", "user_password_set", "admin_login_attempt", "sso_auth", ""] {
            assert!(!matters(kind), "{kind}");
        }
    }
}
