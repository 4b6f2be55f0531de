//! What happened of late. What comes in is a time; what goes out are the events since that speak of users, roles and applications.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::super::web::{ChangeEvent, Object, WebConnection, id, text};
use super::super::{Incomplete, SourceError};
use super::list_v1;
use crate::progress::Silent;

/// How long the kinds of events are good for. OneLogin asks that they be kept this long.
const KINDS_LAST: Duration = Duration::from_secs(24 * 3600);
/// Pages of one look: it is a hint, and one event is enough for it.
const PAGES: u32 = 4;

/// What the name of an event speaks of that is of interest, and what it says of it.
const THINGS: &str = "USER ROLE APP GROUP";
const CHANGES: &str =
    "ADDED ASSIGNED REMOVED CREATED UPDATED DELETED ACTIVATED SUSPENDED LOCKED APPROVED REJECTED LICENSED IMPORTED";
/// What happens all day and changes nobody's access.
const NOISE: &str = "LOGIN LOGGED PASSWORD OTP MFA ASSUMED AUTH";

/// The numbers of the kinds of interest, and until when they are good.
pub(super) type EventKinds = Mutex<Option<(Vec<String>, Instant)>>;

/// The events since.
pub(super) async fn since(
    web: &WebConnection,
    kinds: &EventKinds,
    from: Timestamp,
) -> Result<Vec<ChangeEvent>, SourceError> {
    let known = || kinds.lock().unwrap_or_else(PoisonError::into_inner);
    let good = known().clone().filter(|(_, until)| Instant::now() < *until);
    let kinds = match good {
        Some((kinds, _)) => kinds,
        None => {
            let kinds = of_interest(web).await?;
            *known() = Some((kinds.clone(), Instant::now() + KINDS_LAST));
            kinds
        }
    };
    let list = list_v1("events", &["events"], PAGES).with("since", from.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"));
    // An array by the vendor's description: the parameter is repeated, one number each.
    let list = kinds.into_iter().fold(list, |list, kind| list.with("event_type_id", kind));
    let event = |id: &str, event: Object| {
        let at = text(&event, "created_at").and_then(|text| text.parse().ok());
        Ok(ChangeEvent { id: Some(id.to_owned()), at, matters: true })
    };
    match web.list(&list, &Silent, &event).await {
        Ok(events) => Ok(events.into_iter().map(|(_, event)| event).collect()),
        // More than anybody reads for a hint: then certainly something happened.
        Err(SourceError::Incomplete(Incomplete::Cut { received, .. })) => {
            Ok((0..received).map(|_| ChangeEvent { matters: true, ..ChangeEvent::default() }).collect())
        }
        Err(error) => Err(error),
    }
}

/// The kinds of interest, by name: their numbers are the account's business.
async fn of_interest(web: &WebConnection) -> Result<Vec<String>, SourceError> {
    let list = list_v1("kinds of events", &["events", "types"], 1);
    let (kinds, ..) = list.entries(&web.api, &web.api.read(&list.question).await?)?;
    let of_interest = kinds.iter().filter(|kind| text(kind, "name").is_some_and(is_of_interest));
    let ids: Vec<String> = of_interest.filter_map(|kind| Some(id(kind.get("id")?)?.into())).collect();
    let none =
        || SourceError::Malformed(format!("{}: not one kind of event speaks of users, roles or apps", list.label));
    if ids.is_empty() { Err(none()) } else { Ok(ids) }
}

fn is_of_interest(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let has = |words: &str| words.split_whitespace().any(|word| name.contains(word));
    has(THINGS) && has(CHANGES) && !has(NOISE)
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
