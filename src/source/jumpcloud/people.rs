//! People. In: records of `/systemusers`. Out: entries of a reading.

use std::collections::{BTreeSet, HashSet};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::paging::{self, Row};
use super::reach::{List, Reach, born, json, text};
use crate::model::Standing;
use crate::progress::Progress;
use crate::source::web::Question;
use crate::source::{Reading, SourceError, UserEntry};

/// The attributes of a person by the vendor's spec, as far as they are about the person.
pub(super) const NAMES: [&str; 29] = [
    "id",
    "username",
    "email",
    "alternateEmail",
    "firstname",
    "middlename",
    "lastname",
    "displayname",
    "state",
    "suspended",
    "activated",
    "account_locked",
    "employeeIdentifier",
    "employeeType",
    "jobTitle",
    "department",
    "costCenter",
    "company",
    "location",
    "description",
    "manager",
    "managedAppleId",
    "phoneNumbers",
    "addresses",
    "relationships",
    "attributes",
    "created",
    "organization",
    "external_dn",
];

/// What is about passwords and devices: it changes without anything to do, and is nobody's business here.
const LEFT_OUT: [&str; 13] = [
    "_id",
    "account_locked_date",
    "badLoginAttempts",
    "mfa",
    "mfaEnrollment",
    "password_date",
    "password_expiration_date",
    "password_expired",
    "public_key",
    "recoveryEmail",
    "restrictedFields",
    "ssh_keys",
    "totp_enabled",
];

/// The most people who are asked for one by one after a reading.
const LOOKED_AFTER: usize = 100;

/// One person of a page.
pub(super) struct Person {
    id: String,
    record: String,
    standing: Standing,
    made: Option<Timestamp>,
}

impl Row for Person {
    fn id(&self) -> &str {
        &self.id
    }

    fn made(&self) -> Option<Timestamp> {
        self.made
    }
}

impl Person {
    /// The person that a record shows.
    pub(super) fn of(reach: &Reach, mut record: Map<String, Value>) -> Result<Self, SourceError> {
        let id = text(&record, "_id")
            .or(text(&record, "id"))
            .map(str::to_owned)
            .ok_or_else(|| SourceError::Malformed("a record of a person without `_id`".to_owned()))?;
        if let (Some(meant), Some(is)) = (&reach.org_id, text(&record, "organization"))
            && meant != is
        {
            return Err(SourceError::Settings(format!(
                "the credential shows people of the organisation {is}, and `org_id` is {meant}: it belongs to another organisation"
            )));
        }
        let standing = standing(&record, reach.staged);
        let made = text(&record, "created").and_then(|text| text.parse().ok()).or_else(|| born(&id));
        for name in LEFT_OUT {
            record.remove(name);
        }
        record.insert("id".to_owned(), id.clone().into());
        if let Some(custom) = record.get("attributes").and_then(Value::as_array).map(|listed| by_name(listed)) {
            record.insert("attributes".to_owned(), Value::Object(custom));
        }
        Ok(Self { id, record: Value::Object(record).to_string(), standing, made })
    }

    fn hand_over(&self, direct: &HashSet<String>, reading: &mut Reading) -> bool {
        let Self { id, record, standing, .. } = self;
        reading.new_user(UserEntry { id, record, standing: *standing, direct: direct.contains(id) }).is_some()
    }
}

/// What the directory says of an account. An account that is locked after wrong passwords opens by itself; one whose password
/// was never set is an account all the same.
pub(super) fn standing(record: &Map<String, Value>, staged_is_active: bool) -> Standing {
    let state = text(record, "state").unwrap_or("ACTIVATED");
    if record.get("suspended") == Some(&Value::Bool(true)) || state.eq_ignore_ascii_case("SUSPENDED") {
        Standing::Suspended
    } else if state.eq_ignore_ascii_case("ACTIVATED") || (staged_is_active && state.eq_ignore_ascii_case("STAGED")) {
        Standing::Active
    } else {
        // One that nobody knows yet is treated like the harmless one.
        Standing::Staged
    }
}

/// Custom attributes, which come as a list of names and values, by name: `attributes.heapRole`.
fn by_name(listed: &[Value]) -> Map<String, Value> {
    let pair = |one: &Value| Some((one.get("name")?.as_str()?.to_owned(), one.get("value")?.clone()));
    listed.iter().filter_map(pair).filter(|(_, value)| !value.is_null()).collect()
}

/// Reads everybody.
pub(super) async fn read(
    reach: &Reach,
    direct: &HashSet<String>,
    reading: &mut Reading,
    progress: &dyn Progress,
) -> Result<(), SourceError> {
    progress.stage("reading people", None);
    let list = reading.open_list("people");
    let question = Question::get("people", ["systemusers"]).with("sort", "_id");
    let pages = List { reach, question, what: "people".to_owned(), row: Person::of };
    let mut take = |person: Person| {
        let is_new = person.hand_over(direct, reading);
        progress.advance(u64::from(is_new));
        is_new
    };
    let received = paging::read(&pages, reach.manner, &mut take).await?;
    reading.received(list, received);
    // How many there are is settled between the pages: some may have left meanwhile.
    reading.close_list(list, Some(received));
    reach.saw_people();
    Ok(())
}

/// Asks by id for whom a group or the application names and the list did not show.
pub(super) async fn look_after(
    reach: &Reach,
    named: impl Iterator<Item = &str>,
    direct: &HashSet<String>,
    reading: &mut Reading,
) -> Result<(), SourceError> {
    let missing: BTreeSet<&str> = named.filter(|id| reading.find_user(id).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    tracing::debug!(missing = missing.len(), "named by a group and not in the list of people: asked for one by one");
    let asked: Vec<BoxFuture<'_, _>> =
        missing.into_iter().take(LOOKED_AFTER).map(|id| one(reach, id).boxed()).collect();
    let mut found = stream::iter(asked).buffered(reach.manner.at_once.max(1));
    while let Some(person) = found.try_next().await? {
        if let Some(person) = person {
            person.hand_over(direct, reading);
        }
    }
    Ok(())
}

async fn one(reach: &Reach, id: &str) -> Result<Option<Person>, SourceError> {
    let Some(reply) = reach.find(&Question::get("people", ["systemusers", id])).await? else { return Ok(None) };
    Person::of(reach, json(&reach.api, "a person", &reply)?).map(Some)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn says(record: Value) -> Standing {
        standing(record.as_object().unwrap(), false)
    }

    #[test]
    fn three_states_become_three_standings() {
        assert_eq!(says(json!({"state": "ACTIVATED", "suspended": false})), Standing::Active);
        assert_eq!(says(json!({"state": "ACTIVATED", "activated": false, "account_locked": true})), Standing::Active);
        assert_eq!(says(json!({"suspended": false})), Standing::Active);
        assert_eq!(says(json!({"state": "SUSPENDED"})), Standing::Suspended);
        assert_eq!(says(json!({"state": "ACTIVATED", "suspended": true})), Standing::Suspended);
        assert_eq!(says(json!({"state": "STAGED", "suspended": true})), Standing::Suspended);
        assert_eq!(says(json!({"state": "STAGED"})), Standing::Staged);
        assert_eq!(
            says(json!({"state": "HIBERNATING"})),
            Standing::Staged,
            "what is not known gives and takes nothing"
        );
        assert_eq!(standing(json!({"state": "STAGED"}).as_object().unwrap(), true), Standing::Active);
    }

    #[test]
    fn custom_attributes_are_found_by_name() {
        let listed =
            json!([{"name": "heapRole", "value": "admin"}, {"name": "none", "value": null}, {"value": "x"}, 7]);
        assert_eq!(Value::Object(by_name(listed.as_array().unwrap())), json!({"heapRole": "admin"}));
    }
}
