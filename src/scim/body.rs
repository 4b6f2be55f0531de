//! The JSON of an answer, read within a budget. In: bytes. Out: a value that takes no more memory than it may.
//!
//! A few bytes of JSON can take a hundred times as much memory: `{"a":1},` is eight bytes and a map. So every value is charged for
//! before it is kept, and reading ends where the budget does.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::http::words::without_mark;

/// An answer may take this many times its largest size in memory. Ordinary users take six times their text, and a member of a
/// group that is a plain value about as much.
const FACTOR: usize = 8;

/// The least that an answer may take, so that a small limit does not refuse what is small anyway.
const LEAST: usize = 16 << 20;

/// How large an answer may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// The most bytes that are read.
    pub(super) bytes: usize,
    /// The profile's key for that.
    pub(super) key: &'static str,
    /// Whether members are kept as what their `value` is, without the names and links beside it.
    pub(super) members_as_values: bool,
}

impl Room {
    /// How much memory the answer may take, about.
    pub(super) fn memory(self) -> usize {
        self.bytes.saturating_mul(FACTOR).max(LEAST)
    }
}

/// Why a body can't be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It would take more memory than it may.
    TooMuch,
    /// It is not JSON.
    NotJson(serde_json::Error),
}

/// Reads a body.
pub(super) fn read(body: &[u8], room: Room) -> Result<Value, Unread> {
    let left = Cell::new(room.memory());
    let reader = Reader { left: &left, members_as_values: room.members_as_values };
    let mut json = serde_json::Deserializer::from_slice(without_mark(body));
    let read = reader.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    // The budget falls to nothing only where it is exceeded.
    read.map_err(|error| if left.get() == 0 { Unread::TooMuch } else { Unread::NotJson(error) })
}

/// What a node of a map takes, which has room for eleven entries. Where they are more, nodes are split, and half full.
const NODE: usize = 640;
const FULL: usize = 11;
const HALF: usize = 6;
/// What a value takes in a list, which grows by doubling.
const ELEMENT: usize = 48;
/// What a text takes besides its bytes.
const TEXT: usize = 16;

#[derive(Clone, Copy)]
struct Reader<'b> {
    left: &'b Cell<usize>,
    members_as_values: bool,
}

impl Reader<'_> {
    fn charge<E: de::Error>(self, bytes: usize) -> Result<(), E> {
        // One less than what is there, so that nothing left always means "exceeded".
        match self.left.get().checked_sub(bytes).filter(|left| *left > 0) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                Err(E::custom("too much"))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.charge(text.len() + TEXT)?;
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self)? {
            self.charge(ELEMENT)?;
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let nodes = match object.len().checked_sub(FULL) {
                None => usize::from(object.is_empty()),
                Some(more) => usize::from(more.is_multiple_of(HALF)) * 2,
            };
            self.charge(name.len() + TEXT + nodes * NODE)?;
            let value = match self.members_as_values && name.eq_ignore_ascii_case("members") {
                true => map.next_value_seed(MemberValues(self))?,
                false => map.next_value_seed(self)?,
            };
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// The members of a group, each as what its `value` is.
#[derive(Clone, Copy)]
struct MemberValues<'b>(Reader<'b>);

impl<'de> DeserializeSeed<'de> for MemberValues<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MemberValues<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of members")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.0.visit_str(text)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        self.0.visit_bool(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        self.0.visit_u64(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        self.0.visit_i64(value)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        self.0.visit_f64(value)
    }

    /// One object in place of a list: some apps write that.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        self.0.visit_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        loop {
            let before = self.0.left.get();
            let Some(member) = seq.next_element_seed(self.0)? else { break };
            let value = match member {
                Value::Object(member) => match super::json::text(&member, "value") {
                    Some(value) => {
                        // What is dropped right away takes nothing.
                        self.0.left.set(before);
                        self.0.charge(value.len() + TEXT)?;
                        Value::String(value)
                    }
                    None => Value::Object(member),
                },
                other => other,
            };
            self.0.charge(ELEMENT)?;
            members.push(value);
        }
        Ok(Value::Array(members))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ROOM: Room = Room { bytes: 1 << 20, key: "transport.max_response_bytes", members_as_values: false };

    fn is_too_much(body: &str, room: Room) -> bool {
        match read(body.as_bytes(), room) {
            Ok(_) => false,
            Err(Unread::TooMuch) => true,
            Err(Unread::NotJson(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn sec13_a_body_of_many_small_things_ends_at_the_budget() {
        for small in ["{},", "{\"a\":1},", "[],", "[[]],", "\"\",", "1,", "null,", "{\"a\":{\"b\":{}}},"] {
            let many = |bytes: usize| format!("[{}1]", small.repeat(bytes / small.len()));
            assert!(!is_too_much(&many(40 << 10), ROOM), "{small}");
            assert!(is_too_much(&many(4 << 20), ROOM), "{small}");
        }
    }

    #[test]
    fn sec13_ordinary_users_fill_a_page_up_to_its_size() {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "2819c223-7f76-453a-919d-413861904646",
            "externalId": "5f2b0c7e9d1a4c0012345678", "userName": "ann.lee@example.com", "active": true,
            "name": {"givenName": "Ann", "familyName": "Lee", "formatted": "Ann Lee"},
            "emails": [{"value": "ann.lee@example.com", "type": "work", "primary": true}],
            "meta": {"resourceType": "User", "created": "2026-01-23T04:56:22Z", "lastModified": "2026-05-13T04:42:34Z",
                     "location": "https://example.com/v2/Users/2819c223-7f76-453a-919d-413861904646"},
        })
        .to_string();
        let room = Room { bytes: 8 << 20, ..ROOM };
        let rows = room.bytes / (user.len() + 1) - 1;
        let page = format!("{{\"Resources\":[{}]}}", vec![user; rows].join(","));
        assert!(page.len() < room.bytes && rows > 8_000, "{rows}");
        assert!(!is_too_much(&page, room));
    }

    #[test]
    fn a_group_keeps_its_members_however_many_fit_into_the_answer() {
        let room = Room { bytes: 8 << 20, members_as_values: true, ..ROOM };
        let member = "{\"value\":\"2819c223-7f76-453a-919d-413861904646\",\"display\":\"Ann\"}";
        let body = format!("{{\"id\":\"g\",\"Members\":[{}]}}", vec![member; 110_000].join(","));
        assert!(body.len() > 6 << 20);
        let read = read(body.as_bytes(), room).unwrap();
        let members = read["Members"].as_array().unwrap();
        assert_eq!(members.len(), 110_000);
        assert_eq!(members[7], "2819c223-7f76-453a-919d-413861904646");
        assert!(is_too_much(&body, Room { members_as_values: false, ..room }));
    }

    #[test]
    fn members_are_read_in_every_form_in_which_apps_write_them() {
        let room = Room { members_as_values: true, ..ROOM };
        for (written, kept) in [
            ("[{\"value\":\"a\",\"$ref\":\"x\"},{\"VALUE\":7},\"b\",3]", json!(["a", "7", "b", 3])),
            ("{\"value\":\"a\"}", json!({"value": "a"})),
            ("null", Value::Null),
            ("[]", json!([])),
            ("[{\"display\":\"no value\"}]", json!([{"display": "no value"}])),
            ("true", json!(true)),
        ] {
            let body = format!("{{\"members\":{written}}}");
            assert_eq!(read(body.as_bytes(), room).unwrap()["members"], kept, "{written}");
        }
    }

    proptest! {
        #[test]
        fn what_fits_is_read_as_the_parser_reads_it(text in "[\\[\\]{}:,\"a1\\-.enulltrfs \\\\]{0,24}") {
            let plain = serde_json::from_str::<Value>(&text).ok();
            let bounded = read(text.as_bytes(), ROOM).ok();
            prop_assert_eq!(bounded, plain);
        }
    }
}
