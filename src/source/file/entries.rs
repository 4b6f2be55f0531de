//! The people and groups of a JSON document, one by one. What comes in is the text at which an entry begins; what goes out are the keys that mean
//! something here, without a copy wherever they stand in the file as they are. It must not depend on readings.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::{Map, Value};

use super::super::unique::Unique;
use super::deciding::{self, Meant, may_decide, meant};
use super::plain::Plain;
use super::window::{ReadStop, first};

/// A text, without a copy wherever it stands in the file as it is.
#[derive(Debug, PartialEq)]
pub(super) struct Text<'t>(pub(super) Cow<'t, str>);

/// As an id: blanks at its ends are not part of it.
impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self.0.trim()
    }
}

impl<'de: 't, 't> Deserialize<'de> for Text<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'t> Visitor<'t> for Either {
            type Value = Text<'t>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'t str) -> Result<Text<'t>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'t>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Either)
    }
}

/// The keys of a person that mean something here; all others are attributes for the mapping.
#[allow(clippy::option_option, reason = "absent and null are two things here")]
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct FileUser<'t> {
    #[serde(borrow)]
    pub(super) id: Text<'t>,
    /// `Some(None)` is `null`, which says nothing.
    #[serde(default, deserialize_with = "shown")]
    pub(super) active: Option<Option<bool>>,
    #[serde(default)]
    pub(super) assigned: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct JsonGroup<'t> {
    #[serde(borrow)]
    pub(super) id: Text<'t>,
    #[serde(borrow, default)]
    pub(super) name: Option<Text<'t>>,
    #[serde(borrow, default)]
    pub(super) members: Vec<Text<'t>>,
    #[serde(default = "yes")]
    pub(super) assigned: bool,
}

// A million people and ten million members make the quick way worth while: the parser takes three times as long.

impl<'t> FileUser<'t> {
    /// The person that a text begins with, and their own text.
    pub(super) fn first(text: &'t str) -> Result<(Self, &'t str, Option<String>), ReadStop> {
        match Self::quick(text) {
            Some((user, raw)) => Ok((user, raw, None)),
            None => strictly(text, &deciding::OF_USERS),
        }
    }

    fn quick(text: &'t str) -> Option<(Self, &'t str)> {
        let (mut id, mut active, mut assigned) = (None, None, None);
        let mut plain = Plain::new(text);
        plain.object(|plain, key| {
            match key {
                "id" if id.is_none() => id = Some(as_it_is(plain.text()?)),
                "active" if active.is_none() => active = Some(plain.flag()?),
                "assigned" if assigned.is_none() => assigned = Some(plain.flag()?),
                "id" | "active" | "assigned" => return None,
                // What is nearly one of them, or one in other letters, is for a closer look.
                other if may_decide(other) && meant(other, &deciding::OF_USERS) != Meant::Attribute => return None,
                _ => plain.skip()?,
            }
            Some(())
        })?;
        let user = Self { id: id?, active: active.map(Some), assigned: assigned.unwrap_or_default() };
        Some((user, plain.passed()))
    }
}

impl<'t> JsonGroup<'t> {
    /// The group that a text begins with, and its own text.
    pub(super) fn first(text: &'t str) -> Result<(Self, &'t str), ReadStop> {
        match Self::quick(text) {
            Some(group) => Ok(group),
            None => strictly(text, &deciding::OF_GROUPS).map(|(group, raw, _)| (group, raw)),
        }
    }

    fn quick(text: &'t str) -> Option<(Self, &'t str)> {
        let (mut id, mut name, mut members, mut assigned) = (None, None, None, None);
        let mut plain = Plain::new(text);
        plain.object(|plain, key| {
            match key {
                "id" if id.is_none() => id = Some(as_it_is(plain.text()?)),
                "name" if name.is_none() => name = Some(as_it_is(plain.text()?)),
                "members" if members.is_none() => members = Some(plain.texts(as_it_is)?),
                "assigned" if assigned.is_none() => assigned = Some(plain.flag()?),
                "id" | "name" | "members" | "assigned" => return None,
                other if may_decide(other) && meant(other, &deciding::OF_GROUPS) != Meant::Attribute => return None,
                _ => plain.skip()?,
            }
            Some(())
        })?;
        let (members, assigned) = (members.unwrap_or_default(), assigned.unwrap_or_else(yes));
        Some((Self { id: id?, name, members, assigned }, plain.passed()))
    }
}

/// As the parser reads it, which knows one of our keys that appears twice; no other key may appear twice either. A key that is one of `known` in
/// other letters counts as that: then the entry's text with the keys as they are meant comes back too.
fn strictly<'t, T: Deserialize<'t>>(
    text: &'t str,
    known: &[&'static str],
) -> Result<(T, &'t str, Option<String>), ReadStop> {
    let Ok((fields, raw)) = first::<Map<String, Value>>(text) else {
        return first(text).map(|(value, raw)| (value, raw, None));
    };
    let (mut meant_so, mut renamed) = (Map::new(), false);
    for (key, value) in &fields {
        let name = match meant(key, known) {
            Meant::Is(name) => name,
            Meant::Nearly(near) if !has(&fields, near) => {
                return Err(ReadStop::Here(deciding::nearly("key", key, near)));
            }
            Meant::Nearly(_) | Meant::Attribute => key.as_str(),
        };
        renamed |= name != key;
        if meant_so.insert(name.to_owned(), value.clone()).is_some() {
            return Err(ReadStop::Here(format!("the key {name:?} appears twice in one object, in other letters")));
        }
    }
    if !renamed {
        let (value, raw) = first(text)?;
        first::<Unique>(text)?;
        return Ok((value, raw, None));
    }
    first::<Unique>(text)?;
    let meant_so = Value::Object(meant_so);
    let record = meant_so.to_string();
    let value = T::deserialize(meant_so).map_err(|error| ReadStop::Here(error.to_string()))?;
    Ok((value, raw, Some(record)))
}

/// Whether one of these keys is meant to be `name`.
fn has(fields: &Map<String, Value>, name: &'static str) -> bool {
    fields.keys().any(|key| meant(key, &[name]) == Meant::Is(name))
}

/// A value that is there, even if it is `null`.
#[allow(clippy::option_option, reason = "absent and null are two things here")]
fn shown<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<bool>>, D::Error> {
    Option::<bool>::deserialize(deserializer).map(Some)
}

fn as_it_is(text: &str) -> Text<'_> {
    Text(Cow::Borrowed(text))
}

fn yes() -> bool {
    true
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A value as files have it, or nearly.
    fn value() -> impl Strategy<Value = String> {
        let text = prop_oneof![
            4 => "\"[a-zé ,:{}\\[\\]]{0,3}\"",
            1 => Just("\"a\\\"b\"".to_owned()),
            1 => Just("\"\\u00e9\"".to_owned()),
            1 => Just("\"a\nb\"".to_owned()),
        ];
        let list = proptest::collection::vec(text.clone(), 0..4).prop_map(|texts| format!("[{}]", texts.join(" ,")));
        let word =
            prop_oneof![Just("true"), Just("false"), Just("null"), Just("truth"), Just("1"), Just("{}"), Just("[1]")];
        prop_oneof![4 => text, 4 => list, 1 => word.prop_map(str::to_owned)]
    }

    /// An object that is a person or a group, or nearly.
    fn object() -> impl Strategy<Value = String> {
        let key = prop_oneof![
            Just("id"),
            Just("name"),
            Just("members"),
            Just("active"),
            Just("assigned"),
            Just("i\\u0064"),
            Just("other"),
        ];
        let fields = proptest::collection::vec((key, value(), "[ \n\t]{0,1}"), 0..5);
        (0..4usize, fields).prop_map(|(usual, fields)| {
            // Most of what is made at random lacks what every group has.
            let usual = ["\"id\":\"g\"", "\"name\": \"G\""].into_iter().take(usual).map(str::to_owned);
            let fields =
                fields.into_iter().map(|(key, value, blank)| format!("\"{key}\"{blank}:{blank}{value}{blank}"));
            format!("{{{}}}", usual.chain(fields).collect::<Vec<_>>().join(","))
        })
    }

    proptest! {
        #[test]
        fn the_quick_way_takes_nothing_that_the_parser_would_not(
            text in object(), cut in 0..150usize, rest in "[,\\]} ]{0,2}",
        ) {
            let cut_off = text.char_indices().nth(cut).map_or(text.as_str(), |(at, _)| &text[..at]);
            for text in [format!("{text}{rest}"), cut_off.to_owned()] {
                if let Some(quick) = FileUser::quick(&text) {
                    let strict = strictly::<FileUser<'_>>(&text, &deciding::OF_USERS).ok();
                    prop_assert_eq!(strict.map(|(user, raw, _)| (user, raw)), Some(quick));
                }
                if let Some(quick) = JsonGroup::quick(&text) {
                    let strict = strictly::<JsonGroup<'_>>(&text, &deciding::OF_GROUPS).ok();
                    prop_assert_eq!(strict.map(|(group, raw, _)| (group, raw)), Some(quick));
                }
            }
        }
    }

    #[test]
    fn ordinary_people_and_groups_go_the_quick_way() {
        for text in [
            r#"{"id":"g","name":"Équipe","members":["a","b"]}, {"id""#,
            "{\n  \"name\": \"G\",\n  \"mail\": \"g@x.test\",\n  \"id\": \"g\",\n  \"assigned\": false,\n  \"members\": [\n ]\n}",
            r#"{"id":"g","name":"G","active":true,"emails":["a@x.test"]}"#,
        ] {
            assert_eq!(JsonGroup::quick(text).unwrap(), first::<JsonGroup<'_>>(text).ok().unwrap());
            assert_eq!(FileUser::quick(text).unwrap(), first::<FileUser<'_>>(text).ok().unwrap());
        }
    }
}
