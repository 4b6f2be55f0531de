//! People. In: records of `/systemusers`. Out: entries of a reading.

use std::collections::{BTreeSet, HashSet};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::paging::{self, Row};
use super::reach::{List, Reach, born, json, text};
use crate::model::{Standing, StatusSign};
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
    /// Why nobody can say what the account's standing is.
    odd: Option<String>,
    /// Which of [`SIGNS`] the record has.
    signs: [bool; 2],
    made: Option<Timestamp>,
}

/// What says whether a user is suspended.
const SIGNS: [StatusSign; 2] = [StatusSign::of("state"), StatusSign::of("suspended")];

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
        in_small_letters(&mut record);
        let odd = odd(&record);
        // Nothing is given to an odd one and nothing taken, whatever it is; and it is named.
        let standing = if odd.is_some() { Standing::Active } else { standing(&record, reach.staged) };
        let signs = SIGNS.map(|sign| record.get(sign.as_str()).is_some_and(|value| !value.is_null()));
        let made = text(&record, "created").and_then(|text| text.parse().ok()).or_else(|| born(&id));
        for name in LEFT_OUT {
            record.remove(name);
        }
        record.insert("id".to_owned(), id.clone().into());
        if let Some(custom) = record.get("attributes").and_then(Value::as_array).map(|listed| by_name(listed)) {
            record.insert("attributes".to_owned(), Value::Object(custom));
        }
        Ok(Self { id, record: Value::Object(record).to_string(), standing, odd, signs, made })
    }

    fn hand_over(&self, direct: &HashSet<String>, reading: &mut Reading) -> bool {
        let Self { id, record, standing, .. } = self;
        let user = reading.new_user(UserEntry { id, record, standing: *standing, direct: direct.contains(id) });
        let Some(user) = user else { return false };
        for (sign, _) in SIGNS.iter().zip(self.signs).filter(|(_, is_shown)| *is_shown) {
            reading.saw_sign(sign);
        }
        if let Some(why) = &self.odd {
            reading.odd_user(user, why.as_str());
        }
        true
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

/// Keys that decide, as the vendor writes them.
fn in_small_letters(record: &mut Map<String, Value>) {
    for sign in &SIGNS {
        let name = sign.as_str();
        let other = record.keys().find(|key| *key != name && key.eq_ignore_ascii_case(name)).cloned();
        if let Some(value) = other.filter(|_| !record.contains_key(name)).and_then(|key| record.remove(&key)) {
            record.insert(name.to_owned(), value);
        }
    }
}

/// Why a record does not say whether the account is suspended, if it does not.
fn odd(record: &Map<String, Value>) -> Option<String> {
    if record.get("suspended") == Some(&Value::Bool(true)) {
        return None;
    }
    match record.get("state") {
        None | Some(Value::Null) if matches!(record.get("suspended"), Some(Value::Bool(_))) => None,
        None | Some(Value::Null) => {
            Some("JumpCloud shows neither its `state` nor whether it is `suspended`".to_owned())
        }
        Some(Value::String(state))
            if ["ACTIVATED", "SUSPENDED", "STAGED"].iter().any(|known| known.eq_ignore_ascii_case(state)) =>
        {
            None
        }
        Some(state) => Some(format!("JumpCloud shows {state} as its `state`, and what that means is not known")),
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
    fn mm4_a_record_that_says_nothing_of_its_standing_is_odd() {
        let is_odd = |record: Value| {
            let mut record = record.as_object().unwrap().clone();
            in_small_letters(&mut record);
            odd(&record).is_some()
        };
        for record in [json!({}), json!({"state": null}), json!({"state": "HIBERNATING", "suspended": false})] {
            assert!(is_odd(record.clone()), "{record}");
        }
        for record in [
            json!({"state": "ACTIVATED"}),
            json!({"STATE": "suspended"}),
            json!({"Suspended": false}),
            json!({"suspended": true}),
        ] {
            assert!(!is_odd(record.clone()), "{record}");
        }
    }

    #[test]
    fn custom_attributes_are_found_by_name() {
        let listed =
            json!([{"name": "heapRole", "value": "admin"}, {"name": "none", "value": null}, {"value": "x"}, 7]);
        assert_eq!(Value::Object(by_name(listed.as_array().unwrap())), json!({"heapRole": "admin"}));
    }
}
