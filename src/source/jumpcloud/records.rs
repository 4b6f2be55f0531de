//! What a user and a group look like. What comes in are records of the API; what goes out is what they mean.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::web::{Meaning, Object, text};
use crate::http::HttpResponse;
use crate::http::words::refusal;
use crate::model::{LifecycleStatus, StatusSign};

/// What says whether a user is suspended.
pub(super) const SIGNS: [StatusSign; 2] = [StatusSign::of("state"), StatusSign::of("suspended")];

/// What is about passwords and devices: it changes without anything to do, and is nobody's business here.
pub(super) const LEFT_OUT: &str = "_id account_locked_date badLoginAttempts mfa mfaEnrollment password_date password_expiration_date \
    password_expired public_key recoveryEmail restrictedFields ssh_keys totp_enabled";

/// How mappings name a custom attribute.
const CUSTOM: &str = "attributes.";

/// What JumpCloud answers to an address that it blocks for a while.
const BLOCKED: [&str; 2] = ["blocked", "suspected abuse"];

/// What JumpCloud answers when the key belongs to several organisations and the header that names one is missing.
const SEVERAL_ORGANISATIONS: &str = "multi-tenant";

/// A block of this address comes as a 403, and even the first answer may be one.
pub(super) fn meaning(reply: &HttpResponse) -> Option<Meaning> {
    let said = refusal(reply);
    match reply.status {
        401 if said.contains(SEVERAL_ORGANISATIONS) => Some(Meaning::NoOrganisation),
        403 if BLOCKED.iter().any(|words| said.contains(words)) => Some(Meaning::TooFast),
        _ => None,
    }
}

/// What the directory says of an account. An account that is locked after wrong passwords opens by itself; one whose password
/// was never set is an account all the same.
pub(super) fn standing(record: &Object, staged_is_active: bool) -> LifecycleStatus {
    let state = text(record, "state").unwrap_or("ACTIVATED");
    if record.get("suspended") == Some(&Value::Bool(true)) || state.eq_ignore_ascii_case("SUSPENDED") {
        LifecycleStatus::Suspended
    } else if state.eq_ignore_ascii_case("ACTIVATED") || (staged_is_active && state.eq_ignore_ascii_case("STAGED")) {
        LifecycleStatus::Active
    } else {
        // One that nobody knows yet is treated like the harmless one.
        LifecycleStatus::Staged
    }
}

/// Keys that decide, as the vendor writes them.
pub(super) fn in_small_letters(record: &mut Object) {
    for sign in &SIGNS {
        let name = sign.as_str();
        let other = record.keys().find(|key| *key != name && key.eq_ignore_ascii_case(name)).cloned();
        if let Some(value) = other.filter(|_| !record.contains_key(name)).and_then(|key| record.remove(&key)) {
            record.insert(name.to_owned(), value);
        }
    }
}

/// Why a record does not say whether the account is suspended, if it does not.
pub(super) fn odd(record: &Object) -> Option<String> {
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
pub(super) fn by_name(listed: &[Value]) -> Object {
    let pair = |one: &Value| Some((one.get("name")?.as_str()?.to_owned(), one.get("value")?.clone()));
    listed.iter().filter_map(pair).filter(|(_, value)| !value.is_null()).collect()
}

/// `["CYCLE"]`, or an object of switches.
pub(super) fn flags(value: &Value) -> Option<String> {
    let raised: Vec<&str> = match value {
        Value::Array(listed) => listed.iter().filter_map(Value::as_str).collect(),
        Value::Object(switches) => {
            switches.iter().filter(|(_, on)| **on == Value::Bool(true)).map(|(name, _)| name.as_str()).collect()
        }
        Value::String(flag) => vec![flag],
        _ => Vec::new(),
    };
    let raised: Vec<&str> = raised.into_iter().filter(|flag| !flag.is_empty()).collect();
    (!raised.is_empty()).then(|| raised.join(", "))
}

/// The time that the first four bytes of an id tell; ids are made of the second of their birth.
pub(super) fn born(id: &str) -> Option<Timestamp> {
    let hex = id.get(..8).filter(|_| id.len() == 24)?;
    Timestamp::from_second(i64::from(u32::from_str_radix(hex, 16).ok()?)).ok()
}

/// The body of a new person: custom attributes as the list that the API takes.
pub(super) fn new_user(attributes: &Object) -> Value {
    let mut body = Object::new();
    let mut custom: Vec<Value> = Vec::new();
    for (name, value) in attributes.iter().filter(|(_, value)| !value.is_null()) {
        match (name.strip_prefix(CUSTOM), value) {
            (Some(name), value) => custom.push(json!({"name": name, "value": plain(value)})),
            (None, Value::Object(listed)) if name == "attributes" => {
                custom.extend(listed.iter().map(|(name, value)| json!({"name": name, "value": plain(value)})));
            }
            (None, value) => {
                body.insert(name.clone(), value.clone());
            }
        }
    }
    if !custom.is_empty() {
        body.insert("attributes".to_owned(), custom.into());
    }
    Value::Object(body)
}

/// Custom attributes hold text only.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn says(record: Value) -> LifecycleStatus {
        standing(record.as_object().unwrap(), false)
    }

    #[test]
    fn three_states_become_three_standings() {
        assert_eq!(says(json!({"state": "ACTIVATED", "suspended": false})), LifecycleStatus::Active);
        assert_eq!(
            says(json!({"state": "ACTIVATED", "activated": false, "account_locked": true})),
            LifecycleStatus::Active
        );
        assert_eq!(says(json!({"suspended": false})), LifecycleStatus::Active);
        assert_eq!(says(json!({"state": "SUSPENDED"})), LifecycleStatus::Suspended);
        assert_eq!(says(json!({"state": "ACTIVATED", "suspended": true})), LifecycleStatus::Suspended);
        assert_eq!(says(json!({"state": "STAGED", "suspended": true})), LifecycleStatus::Suspended);
        assert_eq!(says(json!({"state": "STAGED"})), LifecycleStatus::Staged);
        assert_eq!(
            says(json!({"state": "HIBERNATING"})),
            LifecycleStatus::Staged,
            "what is not known gives and takes nothing"
        );
        assert_eq!(standing(json!({"state": "STAGED"}).as_object().unwrap(), true), LifecycleStatus::Active);
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

    #[test]
    fn a_rule_in_error_shows_whatever_the_shape() {
        assert_eq!(flags(&json!(["CYCLE", "INVALID_GROUP_REFERENCE"])).unwrap(), "CYCLE, INVALID_GROUP_REFERENCE");
        assert_eq!(flags(&json!({"CYCLE": true, "OTHER": false})).unwrap(), "CYCLE");
        assert_eq!(flags(&json!("CYCLE")).unwrap(), "CYCLE");
        for none in [json!([]), json!(null), json!({}), json!(""), json!({"CYCLE": false}), json!([""])] {
            assert_eq!(flags(&none), None, "{none}");
        }
    }

    #[test]
    fn custom_attributes_become_the_list_that_the_api_takes() {
        let Value::Object(person) = json!({"username": "ann", "attributes.heapRole": "admin", "jobTitle": null}) else {
            return;
        };
        assert_eq!(
            new_user(&person),
            json!({"username": "ann", "attributes": [{"name": "heapRole", "value": "admin"}]})
        );
    }

    #[test]
    fn a_block_of_the_address_is_never_taken_for_a_missing_right() {
        let said = |status: u16, message: &str| {
            let body = serde_json::json!({ "message": message }).to_string().into_bytes();
            meaning(&HttpResponse {
                status,
                content_type: Some("application/json".to_owned()),
                location: None,
                location_host: None,
                retry_after: None,
                headers: reqwest::header::HeaderMap::new(),
                body,
                fault: None,
            })
        };
        assert_eq!(said(403, "your IP has been blocked due to suspected abuse"), Some(Meaning::TooFast));
        assert_eq!(said(403, "role"), None);
        assert_eq!(said(401, "ID not included for multi-tenant admin"), Some(Meaning::NoOrganisation));
        assert_eq!(said(401, "your IP has been blocked"), None);
    }
}
