//! Attributes of which the directory holds several values where the app takes one. In: a user's record, what the mapping makes of it, and what
//! was last sent. Out: the same, with the value last sent where that is still one of those that the mapping could have made.
//!
//! The order of such values means nothing: two replicas of a directory differ in it, and a user must not be renamed to and fro with it (MM3).
//! Only a value that differs from the one last sent is looked at, so a quiet run maps nobody twice.

use serde_json::{Map, Value};

use super::person::{PlannedUser, person};
use super::rules::TenantRules;
use crate::config::tenant::Push;
use crate::model::{Attributes, Path, digest};
use crate::source::{Snapshot, UserIx};
use crate::store::UserRow;

/// What one attribute's several values may give, and how many attributes and values are tried for one user.
const MOST_VALUES: usize = 64;

/// How a directory's reader calls the list beside an attribute that shows one value of it.
const ALL: &str = "_all";

/// Maps one person who has an account, to which these values were last sent. Where the directory holds several values of an attribute and the app
/// takes one, the one last sent stays as long as the directory holds it.
///
/// # Errors
/// As [`person`].
pub(super) fn linked_person(
    snapshot: &Snapshot,
    ix: UserIx,
    rules: &TenantRules<'_>,
    row: &UserRow,
) -> Result<PlannedUser, String> {
    let mut person = person(snapshot, ix, rules)?;
    keep_last_sent(&mut person, snapshot, rules, &row.sent, &row.source_seen);
    Ok(person)
}

/// Gives a user back the values that were last sent, where they are still among those that the directory holds.
fn keep_last_sent(
    person: &mut PlannedUser,
    snapshot: &Snapshot,
    rules: &TenantRules<'_>,
    sent: &Attributes,
    source_seen: &Attributes,
) {
    let known = |path: &Path| match rules.mapping.push(path) {
        Push::OnSourceChange => source_seen.get(path).or_else(|| sent.get(path)),
        _ => sent.get(path),
    };
    let differs = |(path, value): (&Path, &Value)| {
        let before = known(path)?;
        (is_single(value) && is_single(before) && !digest::same(Some(before), Some(value))).then(|| path.clone())
    };
    let mut changed: Vec<Path> = person.attributes.iter().filter_map(differs).collect();
    if changed.is_empty() {
        return;
    }
    for variant in variants(&snapshot.record(person.ix)) {
        let Ok(mut mapped) = rules.mapping.apply(&variant) else { continue };
        changed.retain(|path| {
            let value = mapped.values.get(path).filter(|value| digest::same(known(path), Some(value))).cloned();
            let Some(value) = value else { return true };
            mapped.values.set(path.clone(), Value::Null);
            if *path == Path::user_name() {
                person.name = value.as_str().unwrap_or(&person.name).to_owned();
            }
            person.attributes.set(path.clone(), value);
            false
        });
        if changed.is_empty() {
            return;
        }
    }
}

fn is_single(value: &Value) -> bool {
    !value.is_array() && !value.is_object() && !value.is_null()
}

/// The record with each of an attribute's several values in the first place once.
fn variants(record: &Map<String, Value>) -> impl Iterator<Item = Map<String, Value>> {
    let lists = record.iter().filter_map(|(name, value)| Some((name, value.as_array().filter(|list| list.len() > 1)?)));
    let places = lists.flat_map(|(name, list)| (0..list.len()).map(move |at| (name, list, at)));
    places.take(MOST_VALUES).map(|(name, list, at)| {
        let mut list = list.clone();
        list.rotate_left(at);
        let mut variant = record.clone();
        if let (Some(one), Some(value)) = (name.strip_suffix(ALL), list.first())
            && let Some(place) = variant.get_mut(one)
        {
            place.clone_from(value);
        }
        variant.insert(name.clone(), Value::Array(list));
        variant
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mm3_each_value_is_in_the_first_place_once_and_other_attributes_stay() {
        let record = json!({"id": "1", "mail": "a", "mail_all": ["a", "b"], "one": ["x"], "tags": ["t", "s", "r"]});
        let found: Vec<Value> = variants(record.as_object().unwrap()).map(Value::Object).collect();
        assert_eq!(found.len(), 5);
        assert!(found.iter().all(|variant| variant["id"] == "1" && variant["one"] == json!(["x"])));
        assert_eq!((&found[1]["mail"], &found[1]["mail_all"]), (&json!("b"), &json!(["b", "a"])));
        let firsts: Vec<&Value> = found.iter().map(|variant| &variant["tags"][0]).collect();
        assert_eq!(firsts, ["t", "t", "t", "s", "r"]);
    }

    #[test]
    fn mm3_what_is_tried_for_one_user_is_bounded() {
        let record = json!({"a": (0..40).collect::<Vec<_>>(), "b": (0..400).collect::<Vec<_>>()});
        assert_eq!(variants(record.as_object().unwrap()).count(), MOST_VALUES);
    }
}
