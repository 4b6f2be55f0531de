//! A value that a directory has and could not show. In: why. Out: a mark in its place in the record, which no rule takes for an empty value.
//!
//! A value that is absent clears the attribute in the app. A value that could not be read must not: the attribute is left as it is.

use serde_json::{Map, Value};

/// The one name in the object that stands in the place of the value. It begins with a character that Unicode promises never to use.
const MARK: &str = "\u{FDD1}unread";

/// The mark for a value that could not be read.
pub fn mark(why: &str) -> Value {
    Value::Object(Map::from_iter([(MARK.to_owned(), Value::from(why))]))
}

/// Why a value could not be read; `None` for any other value. An object that holds such a value counts as unread itself.
pub fn why(value: &Value) -> Option<&str> {
    let fields = value.as_object()?;
    match fields.get(MARK) {
        Some(why) => why.as_str(),
        None => fields.values().find_map(why),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mark_is_found_also_inside_an_object_and_nothing_else_is_one() {
        let marked = mark("a macro");
        assert_eq!(why(&marked), Some("a macro"));
        assert_eq!(why(&json!({ "role": marked, "other": "x" })), Some("a macro"));
        for plain in [json!(null), json!("unread"), json!({}), json!({ "unread": "x" }), json!([mark("x")])] {
            assert_eq!(why(&plain), None, "{plain}");
        }
    }
}
