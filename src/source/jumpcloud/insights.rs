//! Directory Insights as a hint. In: a time. Out: whether people, groups or bindings changed since. Never the truth: events come
//! late, and nobody promises that all of them come.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::reach::{Reach, json, text};
use crate::source::web::{Api, Question};
use crate::source::{Hint, SourceError};

/// How far before the last look the next one begins: events come late.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// Older events are not kept by the vendor; asking for them is an error.
const RETENTION: SignedDuration = SignedDuration::from_hours(89 * 24);

/// Events of one answer, and answers of one look. More than that is reason enough.
const PAGE: u64 = 1000;
const PAGES: u32 = 5;

/// What an event is about decides whether it matters.
const MATTERS: [&str; 4] = ["user_", "group_", "association_change", "application_"];

/// Events about how people log in, which there are most of.
const DOES_NOT: [&str; 4] = ["user_lockout", "user_unlocked", "user_password", "user_login"];

/// The events that were told before, with their time.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashMap<String, Timestamp>>);

impl Told {
    /// Whether an event is news. What lies before `from` is forgotten: nobody asks for it again.
    fn is_news(&self, id: &str, at: Timestamp) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), at).is_none()
    }

    fn forget_before(&self, from: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, at| *at >= from);
    }
}

/// What happened since.
pub(super) async fn hint(reach: &Reach, told: &Told, since: Timestamp) -> Result<Hint, SourceError> {
    let Some(api) = &reach.insights else { return Ok(Hint::NotOffered) };
    let oldest = reach.clock.now().saturating_sub(RETENTION).unwrap_or(Timestamp::MIN);
    let from = since.saturating_sub(OVERLAP).unwrap_or(Timestamp::MIN).max(oldest);
    told.forget_before(from);
    let mut query = json!({"service": ["directory"], "start_time": from.to_string(), "limit": PAGE, "sort": "ASC"});
    let (mut seen, mut news) = (since, 0);
    for _ in 0..PAGES {
        let Some((events, after)) = page(api, &query).await? else { return Ok(Hint::NotOffered) };
        let full = events.len() as u64 >= PAGE;
        for event in &events {
            let at = text(event, "timestamp").and_then(|text| text.parse().ok()).unwrap_or(since);
            seen = seen.max(at);
            let matters = text(event, "event_type").is_some_and(matters);
            // Without an id it may be told twice, which costs an early look.
            let is_news = matters && text(event, "id").is_none_or(|id| told.is_news(id, at));
            news += u64::from(is_news);
        }
        match after {
            Some(after) if full => query["search_after"] = after,
            _ => break,
        }
    }
    Ok(if news == 0 { Hint::Quiet { seen } } else { Hint::Changed { seen, events: news } })
}

fn matters(kind: &str) -> bool {
    MATTERS.iter().any(|start| kind.starts_with(start)) && !DOES_NOT.iter().any(|start| kind.starts_with(start))
}

/// One answer, and where the next begins; `None` where the organisation does not have Directory Insights.
async fn page(api: &Api, query: &Value) -> Result<Option<(Vec<Map<String, Value>>, Option<Value>)>, SourceError> {
    let question = Question { body: Some(query.to_string().into_bytes()), ..Question::get("events", ["events"]) };
    // Asked once: the next look comes soon enough. 402: the organisation has not bought it.
    let Some(reply) = api.find_once(&question, 402).await? else { return Ok(None) };
    let after = reply.header("x-search_after").and_then(|text| serde_json::from_str(text).ok());
    Ok(Some((json(api, "events", &reply)?, after)))
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
