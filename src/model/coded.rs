//! Codes with a payload, written as one text: `code`, or `code` and its payload as JSON.
//!
//! The journal keeps them where earlier versions kept a sentence. It stays one text so that the version before can still read
//! the journal if an upgrade is taken back. What is neither is a sentence of an earlier version, or words of the app.

use serde_json::Value;

/// The text of a value in serde's form of an enum: `"code"` or `{"code": payload}`.
pub(super) fn written(value: Value) -> String {
    match value {
        Value::String(code) => code,
        Value::Object(map) => match map.into_iter().next() {
            // Words that have no code are written as they are.
            Some((code, Value::String(text))) if code == TEXT => text,
            Some((code, payload)) => format!("{code} {payload}"),
            None => String::new(),
        },
        other => other.to_string(),
    }
}

/// The value of such a text; `None` for words.
pub(super) fn read(text: &str) -> Option<Value> {
    let is_code = |code: &str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let (code, payload) = match text.split_once(' ') {
        None => (text, None),
        Some((code, payload)) => (code, Some(serde_json::from_str::<Value>(payload).ok()?)),
    };
    if !is_code(code) || code == TEXT {
        return None;
    }
    Some(match payload {
        None => Value::String(code.to_owned()),
        Some(payload) => Value::Object([(code.to_owned(), payload)].into_iter().collect()),
    })
}

/// The variant that holds words without a code.
const TEXT: &str = "text";

/// Changes every text of a payload.
pub(super) fn each_text(value: &mut Value, change: &mut dyn FnMut(&mut String)) {
    match value {
        // A code inside the payload of another one has its own payload, in which names are written as JSON.
        Value::String(text) => match read(text) {
            Some(mut inner @ Value::Object(_)) => {
                if let Value::Object(map) = &mut inner {
                    map.values_mut().for_each(|payload| each_text(payload, change));
                }
                *text = written(inner);
            }
            _ => change(text),
        },
        Value::Array(all) => all.iter_mut().for_each(|one| each_text(one, change)),
        Value::Object(map) => map.values_mut().for_each(|one| each_text(one, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The names that stand beside one of these ids in a payload.
pub(super) fn names_beside(value: &Value, is_theirs: &dyn Fn(&str) -> bool, names: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            if let Some(Value::Object(map)) = read(text) {
                map.values().for_each(|payload| names_beside(payload, is_theirs, names));
            }
        }
        Value::Array(all) => all.iter().for_each(|one| names_beside(one, is_theirs, names)),
        Value::Object(map) => {
            let is_id = |value: &Value| match value {
                Value::String(text) => is_theirs(text),
                Value::Object(inner) => inner.values().any(|id| id.as_str().is_some_and(is_theirs)),
                _ => false,
            };
            if map.values().any(is_id) {
                let beside = NAMES.iter().filter_map(|key| map.get(*key)?.as_str());
                names.extend(beside.filter(|name| !name.is_empty()).map(str::to_owned));
            }
            map.values().for_each(|one| names_beside(one, is_theirs, names));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The fields of a payload that hold the name of the object whose id is beside them.
const NAMES: [&str; 2] = ["name", "by_name"];

/// Writes and reads an enum (`#[serde(remote = "Self")]`, with a variant `Text(String)`) as one text. `of_prose` reads the
/// sentences of earlier versions.
macro_rules! coded {
    ($type:ident) => {
        impl $type {
            fn value(&self) -> serde_json::Value {
                // Plain data with text keys: writing it as JSON can't fail.
                $type::serialize(self, serde_json::value::Serializer).unwrap_or_default()
            }

            /// Code and payload as the journal keeps them.
            pub fn encoded(&self) -> String {
                super::coded::written(self.value())
            }

            /// Reads what the journal keeps: a code, or a sentence of an earlier version.
            pub fn decode(text: &str) -> Self {
                Self::known(text).unwrap_or_else(|| Self::of_prose(text))
            }

            /// Reads a code; `None` for words, and for a code of another version.
            pub fn known(text: &str) -> Option<Self> {
                super::coded::read(text).and_then(|value| $type::deserialize(value).ok())
            }

            /// The names in its payload that stand beside an id of which `is_theirs` is true.
            pub fn names_beside(&self, is_theirs: &dyn Fn(&str) -> bool) -> Vec<String> {
                let mut names = Vec::new();
                super::coded::names_beside(&self.value(), is_theirs, &mut names);
                names
            }

            /// Its stable name.
            pub fn code(&self) -> String {
                if let Some(inner) = self.inner() {
                    return inner.code();
                }
                match self.value() {
                    serde_json::Value::String(code) => code,
                    serde_json::Value::Object(map) => map.into_iter().next().map(|(code, _)| code).unwrap_or_default(),
                    _ => String::new(),
                }
            }

            /// The same with every text of its payload changed; `None` if nothing was.
            pub fn with_texts(&self, mut change: impl FnMut(&mut String)) -> Option<Self> {
                let mut value = self.value();
                if let serde_json::Value::Object(map) = &mut value {
                    map.values_mut().for_each(|payload| super::coded::each_text(payload, &mut change));
                }
                let now = $type::deserialize(value).unwrap_or_else(|_| {
                    // Where a word of a payload is no free text, what is left of it is the sentence.
                    let mut text = self.to_string();
                    change(&mut text);
                    Self::Text(text)
                });
                (now != *self).then_some(now)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.encoded())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Ok(Self::decode(&text))
            }
        }
    };
}
pub(super) use coded;

/// The sentences of variants without a payload, both ways. After a `|` stand the sentences that earlier versions wrote for the same
/// variant: they are read, and never written.
macro_rules! plain {
    ($type:ident { $($variant:ident => $text:literal $(| $earlier:literal)*,)* }) => {
        impl $type {
            fn plain(&self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($text),)*
                    _ => None,
                }
            }

            fn of_plain(text: &str) -> Option<Self> {
                match text {
                    $($text $(| $earlier)* => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}
pub(super) use plain;
