//! What a user looks like. What comes in is a JSON object of the API; what goes out is the record that mappings and filters see, as text.
//!
//! Numeric ids become text, as everywhere else; what is null is left out, so that `username | default(email)` says what it
//! means. What changes without meaning anything (the last login, the time of an update) is not asked for.

use serde_json::Value;

use super::super::SourceError;
use super::super::web::{Object, UserRecord, id};
use super::OneLogin;
use super::about::ABOUT;
use crate::model::LifecycleStatus;

/// Asked of every user, whatever the mappings read: who it is, what shows the lifecycle status, who belongs, and since when.
pub(super) const ALWAYS: &str = "id username email firstname lastname status state title department company external_id directory_id group_id \
    manager_user_id samaccountname userprincipalname phone role_ids custom_attributes created_at";

/// The roles of a user.
pub(super) const ROLES: &str = "role_ids";
/// The custom attributes of a user.
pub(super) const CUSTOM: &str = "custom_attributes";
/// The name under which mappings read parameters of the application: `app_parameters.heap_role`.
pub(super) const PARAMETERS: &str = "app_parameters";

/// Every name that a record of the API may hold.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ABOUT.names[0].split_whitespace().filter(|name| *name != PARAMETERS)
}

/// What the two numbers of a user say of the account, and why they say nothing, if they do not. One user whom the API shows like that stops nobody else:
/// nothing is given to them and nothing taken.
pub(super) fn standing(directory: &OneLogin, user: &Object) -> (LifecycleStatus, Option<String>) {
    let of = |name: &str| {
        let shown = user.get(name).unwrap_or(&Value::Null);
        number(shown).ok_or_else(|| format!("OneLogin shows {shown} as its `{name}`, which is no number"))
    };
    let odd = match of("status").and_then(|status| Ok((status, of("state")?))) {
        // Neither is one that the vendor documents.
        Ok((status, state)) if state > 3 || (state == 1 && status > 8) => {
            format!("OneLogin shows status {status} and state {state}, and what they mean is not known")
        }
        Ok((status, state)) => return (directory.meaning_of(status, state), None),
        Err(why) => why,
    };
    (LifecycleStatus::Active, Some(odd))
}

/// Takes a user over.
///
/// # Errors
/// When it does not show what every user has: nobody is skipped in silence.
pub(super) fn user(directory: &OneLogin, id: &str, mut user: Object) -> Result<UserRecord, SourceError> {
    let (standing, odd) = standing(directory, &user);
    let malformed = || SourceError::Malformed(format!("users: the `{ROLES}` of user {id} are no list of ids"));
    let roles = user.remove(ROLES).map(|roles| ids(&roles).ok_or_else(malformed)).transpose()?;
    let group = user.get("group_id").and_then(super::super::web::id);
    let groups = if directory.by_roles() { roles } else { Some(group.into_iter().collect()) };
    let is_whole = !directory.needs_custom() || user.contains_key(CUSTOM);
    let parameters = directory.parameters.of(&user);
    user.remove("created_at");
    user.retain(|_, value| !value.is_null());
    for (name, value) in &mut user {
        match value {
            Value::Number(_) if name == "id" || name.ends_with("_id") => *value = value.to_string().into(),
            Value::Object(inner) => inner.retain(|_, value| !value.is_null()),
            _ => {}
        }
    }
    // After everything that the API shows, so that no field of its own is taken for one.
    user.remove(PARAMETERS);
    user.extend(parameters.map(|parameters| (PARAMETERS.to_owned(), parameters)));
    Ok(UserRecord { odd, groups, is_whole, ..UserRecord::new(user, standing) })
}

/// A number, however it is written.
fn number(value: &Value) -> Option<u64> {
    id(value)?.parse().ok()
}

/// The ids of a list; none where it is null.
pub(super) fn ids(value: &Value) -> Option<Box<[Box<str>]>> {
    match value {
        Value::Null => Some(Box::default()),
        _ => value.as_array()?.iter().map(|one| Some(number(one)?.to_string().into())).collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::source::web::HttpDirectory as _;

    fn person(user: Value) -> Result<UserRecord, SourceError> {
        let text = "subdomain = 'acme'\nclient_id = 'x'\nclient_secret = { env = 'X' }";
        let Value::Object(user) = user else { panic!("an object") };
        super::user(&OneLogin::new(&toml::from_str(text).unwrap(), &[]), "7", user)
    }

    #[test]
    fn a_record_has_text_for_ids_and_nothing_for_null() {
        let person = person(json!({
            "id": 56781966, "username": null, "email": "ann@x.test", "status": 1, "state": "1", "group_id": 12,
            "manager_user_id": "55", "external_id": null, "role_ids": [1, "2"], "created_at": "2026-01-01T00:00:00.000Z",
            "custom_attributes": { "heap_role": "Admin", "branch": null }, "later_field": { "a": [1] },
        }))
        .unwrap();
        let record: Value = serde_json::from_str(&person.record).unwrap();
        let expected = json!({
            "id": "56781966", "email": "ann@x.test", "status": 1, "state": "1", "group_id": "12", "manager_user_id": "55",
            "custom_attributes": { "heap_role": "Admin" }, "later_field": { "a": [1] },
        });
        assert_eq!(record, expected);
        assert_eq!(person.groups.as_deref(), Some(&["1".into(), "2".into()][..]));
        assert!(person.is_whole);
        assert_eq!(person.standing, LifecycleStatus::Active);
    }

    #[test]
    fn a_list_without_roles_is_told_from_a_person_without_roles() {
        let without = |roles: Value| person(json!({ "status": 1, "state": 1, "role_ids": roles })).unwrap().groups;
        assert_eq!(without(json!([])).as_deref(), Some(&[][..]));
        assert_eq!(without(Value::Null).as_deref(), Some(&[][..]));
        assert!(person(json!({ "status": 1, "state": 1 })).unwrap().groups.is_none());
    }

    #[test]
    fn mm4_a_user_without_a_standing_is_odd_and_neither_nobody_nor_active() {
        for odd in [
            json!({ "state": 1 }),
            json!({ "status": 1 }),
            json!({ "status": null, "state": 1 }),
            json!({ "status": "locked", "state": 1 }),
            json!({ "status": 99, "state": 1 }),
            json!({ "status": 1, "state": 99 }),
        ] {
            assert!(person(odd.clone()).unwrap().odd.is_some(), "{odd}");
        }
        assert!(person(json!({ "status": 1, "state": 1 })).unwrap().odd.is_none());
        let roles = person(json!({ "status": 1, "state": 1, "role_ids": ["x"] }));
        assert!(matches!(roles, Err(SourceError::Malformed(_))), "who belongs is another matter");
    }
}
