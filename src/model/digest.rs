//! Values of an app that are too large to keep. In: a value as the app shows it. Out: the value itself, or its size and SHA-256.
//!
//! A journal must not grow as an app pleases. What is beyond a budget is replaced by a digest, an object with the two keys
//! `rosterd:bytes` and `rosterd:sha256`; [`same`] compares it with a value that is shown later, so that a change is still noticed
//! and no change stays quiet.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::Attributes;

/// How many bytes of values of one user or one answer are kept as they are: enough for every attribute that people have.
pub const KEPT: usize = 16 << 10;

const BYTES: &str = "rosterd:bytes";
const SHA256: &str = "rosterd:sha256";

/// Whether a value stands for a larger one.
pub fn is_digest(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|object| object.len() == 2 && object.contains_key(BYTES) && object.contains_key(SHA256))
}

/// What stands for a value.
pub fn of(value: &Value) -> Value {
    if is_digest(value) {
        return value.clone();
    }
    let mut value = value.clone();
    shorten(&mut value);
    match value {
        Value::String(text) => of_bytes(text.as_bytes()),
        digest if is_digest(&digest) => digest,
        other => of_bytes(other.to_string().as_bytes()),
    }
}

fn of_bytes(bytes: &[u8]) -> Value {
    json!({ BYTES: bytes.len(), SHA256: format!("{:x}", Sha256::digest(bytes)) })
}

/// Replaces every text inside a value that is longer than [`KEPT`] by its digest.
pub fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > KEPT => *value = of_bytes(text.as_bytes()),
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(object) => object.values_mut().for_each(shorten),
        _ => {}
    }
}

/// Makes a resource no larger than so many bytes, about: long texts give way to their digests, then whole attributes, and at last there
/// are attributes that are left out. Texts that are attributes themselves, such as ids and names, come first.
pub fn confine(object: &mut Map<String, Value>, mut room: usize) {
    object.values_mut().for_each(shorten);
    if object.iter().map(|(name, value)| name.len() + size(value)).sum::<usize>() <= room {
        return;
    }
    for texts in [true, false] {
        object.retain(|name, value| {
            if value.is_string() != texts {
                return true;
            }
            if name.len() + size(value) > room {
                *value = of(value);
            }
            let left = room.checked_sub(name.len() + size(value));
            room = left.unwrap_or(room);
            left.is_some()
        });
    }
}

/// Whether `known`, which may be a digest or hold some, is what was made of `now`.
pub fn same(known: Option<&Value>, now: Option<&Value>) -> bool {
    match (known, now) {
        _ if known == now => true,
        (Some(known), Some(now)) if is_digest(known) || is_digest(now) => of(known) == of(now),
        (Some(known), Some(now)) if holds_digest(known) || holds_digest(now) => {
            let short = |value: &Value| {
                let mut value = value.clone();
                shorten(&mut value);
                value
            };
            short(known) == short(now)
        }
        _ => false,
    }
}

fn holds_digest(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(holds_digest),
        Value::Object(object) => is_digest(value) || object.values().any(holds_digest),
        _ => false,
    }
}

/// The same attributes within [`KEPT`] bytes: what does not fit any more, in the order of paths, is replaced by its digest.
#[must_use]
pub fn bounded(attributes: Attributes) -> Attributes {
    let mut room = KEPT;
    let fit = |(path, value): (super::Path, Value)| match room.checked_sub(size(&value)) {
        Some(left) => {
            room = left;
            (path, value)
        }
        None => {
            let digest = of(&value);
            (path, digest)
        }
    };
    attributes.into_iter().map(fit).collect()
}

/// About as many bytes as a value takes when it is written.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(values) => values.iter().map(|value| size(value) + 1).sum::<usize>() + 2,
        Value::Object(object) => object.iter().map(|(name, value)| name.len() + size(value) + 4).sum::<usize>() + 2,
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::Path;

    fn large(letter: &str) -> Value {
        Value::from(letter.repeat(KEPT + 1))
    }

    #[test]
    fn sec13_what_stands_for_a_value_is_small_and_knows_it_again() {
        for value in [large("a"), json!([large("a"), 7]), json!({"value": large("a")}), json!(vec!["a"; KEPT])] {
            let digest = of(&value);
            assert!(is_digest(&digest) && digest.to_string().len() < 150);
            assert!(same(Some(&digest), Some(&value)) && same(Some(&value), Some(&digest)));
            assert!(same(Some(&digest), Some(&digest)));
            for other in [large("b"), json!([large("b"), 7]), json!({"value": large("b")}), json!(vec!["b"; KEPT])] {
                assert!(!same(Some(&digest), Some(&other)) && !same(Some(&of(&other)), Some(&value)));
            }
            assert!(!same(Some(&digest), None) && !same(None, Some(&value)));
        }
    }

    #[test]
    fn sec13_a_value_that_was_shortened_first_has_the_same_digest() {
        let whole = json!({"value": large("a"), "list": vec!["x"; KEPT]});
        let mut short = whole.clone();
        shorten(&mut short);
        assert_ne!(whole, short);
        assert!(same(Some(&short), Some(&whole)) && same(Some(&of(&short)), Some(&whole)));
        assert_eq!(of(&of(&whole)), of(&whole));
    }

    #[test]
    fn sec13_a_resource_of_any_size_is_confined_and_keeps_its_names() {
        let mut row = Map::new();
        for at in 0..2000 {
            row.insert(format!("x{at}"), json!(["y".repeat(900)]));
        }
        for (name, value) in [("id", json!("7")), ("userName", json!("ann")), ("displayName", large("a"))] {
            row.insert(name.to_owned(), value);
        }
        confine(&mut row, 64 << 10);
        assert!(Value::from(row.clone()).to_string().len() < 80 << 10);
        assert_eq!((&row["id"], &row["userName"]), (&json!("7"), &json!("ann")));
        assert!(same(row.get("displayName"), Some(&large("a"))));
        let mut small = json!({"id": "7", "emails": [{"value": "a"}]}).as_object().unwrap().clone();
        let before = small.clone();
        confine(&mut small, 64 << 10);
        assert_eq!(small, before);
    }

    #[test]
    fn sec13_attributes_keep_what_fits_into_the_budget() {
        let all: Attributes = ["displayName", "nickName", "title", "userName"]
            .iter()
            .map(|path| (Path::parse(path).unwrap(), Value::from("x".repeat(KEPT / 3))))
            .collect();
        let kept = bounded(all.clone());
        assert_eq!(kept.iter().filter(|(_, value)| is_digest(value)).count(), 2);
        assert!(serde_json::to_string(&kept).unwrap().len() < KEPT + 400);
        for (path, value) in all.iter() {
            assert!(same(kept.get(path), Some(value)), "{path}");
        }
        assert_eq!(bounded(kept.clone()), kept, "done twice is done once");
    }
}
