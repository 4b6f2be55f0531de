//! The canonical form of settings, for fingerprints that outlive a release. It takes a table of a file as read, and returns a text.
//!
//! The text names every setting by its key in the file and leaves out what has its default value, so that neither the name of a Rust type or
//! variant, nor the order of its fields, nor a key that a later release adds, changes the text of a file that nobody edited.

use serde::Serialize;
use serde_json::Value;

/// The canonical text of a table: JSON with sorted keys, without the keys that have their default value.
///
/// # Errors
/// When a value cannot be written as JSON, which settings always can.
pub fn text<T: Serialize + Default>(table: &T) -> Result<String, serde_json::Error> {
    text_without(table, &[])
}

/// As [`text`], without the keys in `left_out`.
///
/// # Errors
/// As [`text`].
pub fn text_without<T: Serialize + Default>(table: &T, left_out: &[&str]) -> Result<String, serde_json::Error> {
    let (mut value, default) = (serde_json::to_value(table)?, serde_json::to_value(T::default())?);
    if let (Value::Object(keys), Value::Object(defaults)) = (&mut value, &default) {
        keys.retain(|key, value| !left_out.contains(&key.as_str()) && defaults.get(key) != Some(value));
    }
    let mut out = String::new();
    write(&value, &mut out);
    Ok(out)
}

/// Writes JSON whose object keys are in order, whatever order the library keeps them in.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(keys) => {
            let mut keys: Vec<_> = keys.iter().collect();
            keys.sort_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (key, value) in keys {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write(item, out);
                out.push(',');
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::profile::ReadSettings;
    use crate::config::tenant::UsersTable;

    fn users(toml: &str) -> String {
        text(&toml::from_str::<UsersTable>(toml).unwrap()).unwrap()
    }

    #[test]
    fn what_is_written_as_the_default_is_what_is_left_out() {
        assert_eq!(users(""), "{}");
        assert_eq!(users("on_suspended = 'deactivate'"), "{}");
        assert_eq!(text(&ReadSettings::default()).unwrap(), "{}");
    }

    #[test]
    fn keys_are_those_of_the_file_in_their_order() {
        let written = users("on_suspended = 'delete'\ndelete_after = '30d'\nmatch = ['userName']");
        assert_eq!(written, r#"{"delete_after":"30d","match":["userName",],"on_suspended":"delete",}"#);
        assert_eq!(written, users("match = ['userName']\ndelete_after = '30d'\non_suspended = 'delete'"));
    }

    #[test]
    fn left_out_keys_say_nothing() {
        let table = toml::from_str::<UsersTable>("on_suspended = 'delete'\n[attributes]\nuserName = 'email'").unwrap();
        assert_eq!(text_without(&table, &["attributes"]).unwrap(), r#"{"on_suspended":"delete",}"#);
    }
}
