//! JSON objects whose names compare without case (RFC 7643 §2.1), and values as apps really write them.

use serde_json::{Map, Value};

/// A JSON object.
pub(super) type JsonObject = Map<String, Value>;

/// The value under a name: spelt as asked if there is one, else in any case. `null` counts as absent.
pub(super) fn get<'a>(object: &'a JsonObject, name: &str) -> Option<&'a Value> {
    let found = object.get(name).or_else(|| {
        let mut others = object.iter();
        others.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    });
    found.filter(|value| !value.is_null())
}

/// The spelling under which the object has a name, or the name itself.
pub(super) fn key_of(object: &JsonObject, name: &str) -> String {
    if object.contains_key(name) {
        return name.to_owned();
    }
    object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned().unwrap_or_else(|| name.to_owned())
}

/// The slot under a name, in the spelling that the object has.
pub(super) fn slot<'a>(object: &'a mut JsonObject, name: &str) -> &'a mut Value {
    let key = key_of(object, name);
    object.entry(key).or_insert(Value::Null)
}

/// Takes a name away, in whatever case.
pub(super) fn remove(object: &mut JsonObject, name: &str) {
    let key = key_of(object, name);
    object.remove(&key);
}

/// The object in a slot; anything else that stands there is replaced by an empty one.
pub(super) fn object_in(slot: &mut Value) -> &mut JsonObject {
    if !slot.is_object() {
        *slot = Value::Object(JsonObject::new());
    }
    match slot {
        Value::Object(object) => object,
        _ => unreachable!("it was just made an object"),
    }
}

/// Text under a name; numbers are written out, since some apps give ids as numbers.
pub(super) fn text(object: &JsonObject, name: &str) -> Option<String> {
    as_text(get(object, name)?)
}

/// A value as text, if it is a scalar with one.
pub(super) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A count under a name: a number, or text that is one.
pub(super) fn count(object: &JsonObject, name: &str) -> Option<u64> {
    match get(object, name)? {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A yes or no under a name: a boolean, or text that is one.
pub(super) fn flag(object: &JsonObject, name: &str) -> Option<bool> {
    match get(object, name)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The elements under a name. One object in place of a list counts as a list of one: some apps write that.
pub(super) fn elements<'a>(object: &'a JsonObject, name: &str) -> &'a [Value] {
    match get(object, name) {
        Some(Value::Array(elements)) => elements,
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn values_as_apps_really_write_them() {
        let object: JsonObject = serde_json::from_str(
            r#"{"Active":"False","TOTALRESULTS":"12","id":7,"emails":{"value":"a"},"none":null,"members":null,"f":2.0,"b":1}"#,
        )
        .unwrap();
        assert_eq!(flag(&object, "active"), Some(false));
        assert_eq!(flag(&object, "b"), None);
        assert_eq!(count(&object, "totalResults"), Some(12));
        assert_eq!(count(&object, "f"), Some(2));
        assert_eq!(text(&object, "id").as_deref(), Some("7"));
        assert_eq!(get(&object, "none"), None);
        assert_eq!(elements(&object, "members"), &[] as &[Value]);
        assert_eq!(elements(&object, "emails").len(), 1);
    }
}
