//! JSON in which no object has a key twice. In: any JSON. Out: nothing, or an error at the place of the second one.
//!
//! RFC 8259 §4 leaves it open which of two equal keys counts. In a directory's record that would decide who somebody is, and two
//! readers of one file would see two people. So it is refused.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

/// Any value whose objects, inner ones too, have each key once.
#[derive(Debug)]
pub(crate) struct Unique;

/// So many keys are compared one by one; more go into a set.
const FEW: usize = 16;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Unique, A::Error> {
        while seq.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let (mut few, mut many) = (Vec::new(), HashSet::new());
        while let Some(key) = map.next_key::<String>()? {
            if few.contains(&key) || many.contains(&key) {
                let key: String = key.chars().take(100).collect();
                return Err(de::Error::custom(format_args!("the key {key:?} appears twice in one object")));
            }
            if few.len() < FEW {
                few.push(key);
            } else {
                many.insert(key);
            }
            map.next_value::<Unique>()?;
        }
        Ok(Unique)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn sec30_a_key_that_appears_twice_is_found_wherever_it_is() {
        let many: String = (0..40).map(|at| format!("\"k{at}\":1,")).collect();
        for text in [
            "{\"a\":1,\"a\":1}",
            "[{\"a\":{\"b\":[{\"c\":1,\"c\":null}]}}]",
            "{\"a\":1,\"\\u0061\":2}",
            &format!("{{{many}\"k39\":1}}"),
            &format!("{{{many}\"k3\":1}}"),
        ] {
            let error = serde_json::from_str::<Unique>(text).unwrap_err().to_string();
            assert!(error.contains("appears twice in one object"), "{error}");
        }
        for text in [
            "{}",
            "7",
            "-1.5e3",
            "null",
            "[]",
            "{\"a\":{\"a\":{\"a\":[true,\"a\"]}},\"A\":1}",
            &format!("{{{many}\"k40\":1}}"),
        ] {
            serde_json::from_str::<Unique>(text).unwrap();
        }
    }
}
