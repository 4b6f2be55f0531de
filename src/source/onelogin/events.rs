//! What happened of late. In: the events since a time. Out: whether it is worth reading early, and never more than that.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::time::Instant;

use super::pages::{objects, v1};
use super::record::{id, number};
use crate::source::web::{Api, Question};
use crate::source::{Hint, Incomplete, SourceError};

/// Asked again each time: events may come late, and out of order.
const OVERLAP: SignedDuration = SignedDuration::from_secs(60);
/// How long the kinds of events are good for. OneLogin asks that they be kept this long.
const KINDS_LAST: Duration = Duration::from_secs(24 * 3600);
/// Pages of one look: it is a hint, and one event is enough for it.
const PAGES: u32 = 4;

/// What the name of an event speaks of that is of interest, and what it says of it.
const THINGS: [&str; 4] = ["USER", "ROLE", "APP", "GROUP"];
const CHANGES: [&str; 13] = [
    "ADDED",
    "ASSIGNED",
    "REMOVED",
    "CREATED",
    "UPDATED",
    "DELETED",
    "ACTIVATED",
    "SUSPENDED",
    "LOCKED",
    "APPROVED",
    "REJECTED",
    "LICENSED",
    "IMPORTED",
];
/// What happens all day and changes nobody's access.
const NOISE: [&str; 7] = ["LOGIN", "LOGGED", "PASSWORD", "OTP", "MFA", "ASSUMED", "AUTH"];

/// The feed, and what was seen of it.
#[derive(Default)]
pub(super) struct Feed {
    /// The numbers of the kinds of interest, and until when they are good.
    kinds: Mutex<Option<(Vec<String>, Instant)>>,
    /// The events of the last look: some are shown again.
    told: Mutex<HashSet<u64>>,
}

impl Feed {
    /// What happened since then.
    pub(super) async fn read(&self, api: &Api, since: Timestamp) -> Result<Hint, SourceError> {
        let from = since.checked_sub(OVERLAP).unwrap_or(since);
        let question = Question::get("events", ["api", "1", "events"])
            .with("since", from.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
            .with("limit", 50);
        // An array by the vendor's description: the parameter is repeated, one number each.
        let question =
            self.kinds(api).await?.iter().fold(question, |question, kind| question.with("event_type_id", kind));
        let events = match v1(api, &question, PAGES).await {
            Ok(events) => events,
            // More than anybody reads for a hint: then certainly something happened.
            Err(SourceError::Incomplete(Incomplete::Cut { received, .. })) => {
                return Ok(Hint::Changed { seen: since, events: received });
            }
            Err(error) => return Err(error),
        };
        let mut seen = since;
        let mut ids = HashSet::new();
        for event in &events {
            let at = event.get("created_at").and_then(Value::as_str).and_then(|text| text.parse().ok());
            seen = seen.max(at.unwrap_or(seen));
            ids.insert(id(event, "events")?);
        }
        let before = std::mem::replace(&mut *lock(&self.told), ids.clone());
        match ids.difference(&before).count() {
            0 => Ok(Hint::Quiet { seen }),
            events => Ok(Hint::Changed { seen, events: events as u64 }),
        }
    }

    /// The kinds of interest, by name: their numbers are the account's business.
    async fn kinds(&self, api: &Api) -> Result<Vec<String>, SourceError> {
        if let Some((kinds, _)) = lock(&self.kinds).as_ref().filter(|(_, until)| Instant::now() < *until) {
            return Ok(kinds.clone());
        }
        let question = Question::get("kinds of events", ["api", "1", "events", "types"]);
        let reply = api.read(&question).await?;
        let kinds = objects(api, question.what, &reply)?;
        let of_interest =
            kinds.iter().filter(|kind| kind.get("name").and_then(Value::as_str).is_some_and(is_of_interest));
        let ids: Vec<String> =
            of_interest.filter_map(|kind| kind.get("id").and_then(number)).map(|id| id.to_string()).collect();
        if ids.is_empty() {
            let why = "not one kind of event speaks of users, roles or apps";
            return Err(SourceError::Malformed(format!("{}: {why}", question.what)));
        }
        *lock(&self.kinds) = Some((ids.clone(), Instant::now() + KINDS_LAST));
        Ok(ids)
    }
}

fn is_of_interest(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    has(&THINGS) && has(&CHANGES) && !has(&NOISE)
}

/// The values are plain: a panic elsewhere can't leave them half written.
fn lock<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::is_of_interest;

    #[test]
    fn what_changes_access_is_of_interest_and_daily_noise_is_not() {
        for name in ["USER_ASSIGNED_ROLE", "APP_REMOVED_FROM_ROLE", "USER_DELETED", "USER_REACTIVATED", "ROLE_CREATED"]
        {
            assert!(is_of_interest(name), "{name}");
        }
        for name in ["USER_LOGGED_INTO_ONELOGIN", "USER_ASSUMED_USER", "USER_CHANGED_PASSWORD", "OTP_DEVICE_ADDED"] {
            assert!(!is_of_interest(name), "{name}");
        }
    }
}
