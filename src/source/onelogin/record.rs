//! What a user looks like. In: a JSON object of the API. Out: the record that mappings and filters see, as text.
//!
//! Numeric ids become text, as everywhere else; what is null is left out, so that `username | default(email)` says what it
//! means. What changes without meaning anything (the last login, the time of an update) is not asked for.

use serde_json::{Map, Value};

use super::layout::Layout;
use super::parameters::PARAMETERS;
use crate::model::Standing;
use crate::source::SourceError;

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// Asked of every user, whatever the mappings read: who it is, what shows the standing, who belongs, and since when.
pub(super) const ALWAYS: [&str; 20] = [
    "id",
    "username",
    "email",
    "firstname",
    "lastname",
    "status",
    "state",
    "title",
    "department",
    "company",
    "external_id",
    "directory_id",
    "group_id",
    "manager_user_id",
    "samaccountname",
    "userprincipalname",
    "phone",
    ROLES,
    CUSTOM,
    CREATED,
];

/// Every name that a record may hold (the vendor's `user` resource).
pub(super) const NAMES: [&str; 28] = [
    "id",
    "username",
    "email",
    "firstname",
    "lastname",
    "status",
    "state",
    "title",
    "department",
    "company",
    "comment",
    "phone",
    "external_id",
    "directory_id",
    "trusted_idp_id",
    "group_id",
    "manager_user_id",
    "manager_ad_id",
    "samaccountname",
    "userprincipalname",
    "distinguished_name",
    "member_of",
    "preferred_locale_code",
    "activated_at",
    "invitation_sent_at",
    "locked_until",
    "password_changed_at",
    CUSTOM,
];

/// The roles of a user.
pub(super) const ROLES: &str = "role_ids";
/// The custom attributes of a user.
pub(super) const CUSTOM: &str = "custom_attributes";
/// Since when there is a user.
pub(super) const CREATED: &str = "created_at";

/// A user, read.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) record: Box<str>,
    pub(super) standing: Standing,
    /// Why nobody can say what the account's standing is.
    pub(super) odd: Option<String>,
    /// `None` where the answer did not show them.
    pub(super) roles: Option<Box<[u64]>>,
    pub(super) group: Option<u64>,
    pub(super) shows_custom: bool,
}

impl Person {
    /// Takes a user over.
    ///
    /// # Errors
    /// When it does not show what every user has: nobody is skipped in silence.
    pub(super) fn new(id: u64, mut user: Object, layout: &Layout) -> Result<Self, SourceError> {
        let number = |name: &str| {
            let shown = user.get(name).unwrap_or(&Value::Null);
            number(shown).ok_or_else(|| format!("OneLogin shows {shown} as its `{name}`, which is no number"))
        };
        // One user whom the API shows like that stops nobody else: nothing is given to them and nothing taken.
        let (standing, odd) = match number("status").and_then(|status| Ok((status, number("state")?))) {
            Ok((status, state)) => (layout.standing(status, state), Layout::unknown(status, state)),
            Err(why) => (Standing::Active, Some(why)),
        };
        let standing = if odd.is_some() { Standing::Active } else { standing };
        let group = user.get("group_id").and_then(self::number);
        let roles = user.remove(ROLES).map(|roles| ids(&roles, id)).transpose()?;
        let shows_custom = user.contains_key(CUSTOM);
        let parameters = layout.parameters.of(&user);
        user.remove(CREATED);
        for (name, value) in &mut user {
            match value {
                Value::Number(_) if name == "id" || name.ends_with("_id") => *value = Value::String(value.to_string()),
                Value::Object(inner) => inner.retain(|_, value| !value.is_null()),
                _ => {}
            }
        }
        user.retain(|_, value| !value.is_null());
        // After everything that the API shows, so that no field of its own is taken for one.
        match parameters {
            Some(parameters) => drop(user.insert(PARAMETERS.to_owned(), parameters)),
            None => drop(user.remove(PARAMETERS)),
        }
        let record = Value::Object(user).to_string().into();
        Ok(Self { record, standing, odd, roles, group, shows_custom })
    }
}

/// The id of an entry of any list: a number, or a number as text.
///
/// # Errors
/// When it has none.
pub(super) fn id(entry: &Object, what: &str) -> Result<u64, SourceError> {
    let id = entry.get("id").and_then(number);
    id.ok_or_else(|| SourceError::Malformed(format!("{what}: an entry without a numeric `id`")))
}

/// A number, however it is written.
pub(super) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    }
}

fn ids(value: &Value, user: u64) -> Result<Box<[u64]>, SourceError> {
    let odd = || SourceError::Malformed(format!("users: the `{ROLES}` of user {user} are no list of ids"));
    match value {
        Value::Null => Ok(Box::default()),
        Value::Array(values) => values.iter().map(|value| number(value).ok_or_else(odd)).collect(),
        _ => Err(odd()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn person(user: Value) -> Result<Person, SourceError> {
        let text = "subdomain = 'acme'\nclient_id = 'x'\nclient_secret = { env = 'X' }";
        let Value::Object(user) = user else { panic!("an object") };
        Person::new(7, user, &Layout::new(&toml::from_str(text).unwrap(), None, &[]))
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
        assert_eq!((person.roles.as_deref(), person.group, person.shows_custom), (Some(&[1, 2][..]), Some(12), true));
        assert_eq!(person.standing, Standing::Active);
    }

    #[test]
    fn a_list_without_roles_is_told_from_a_person_without_roles() {
        let without = |roles: Value| person(json!({ "status": 1, "state": 1, "role_ids": roles })).unwrap().roles;
        assert_eq!(without(json!([])).as_deref(), Some(&[][..]));
        assert_eq!(without(Value::Null).as_deref(), Some(&[][..]));
        assert!(person(json!({ "status": 1, "state": 1 })).unwrap().roles.is_none());
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
