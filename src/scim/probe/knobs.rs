//! What a probe says to set. In: what was found and what the profile says. Out: lines of TOML, each with its reason.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer};

use super::seen::{ProbeEvidence, ProbeObservation};

/// One key of a profile that should have another value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Knob {
    /// The table: `users`, `read`, `attributes.emails`.
    pub table: String,
    /// The key.
    pub key: &'static str,
    /// Its value; in JSON as TOML.
    pub value: KnobValue,
    /// What was seen.
    pub why: ProbeEvidence,
}

impl Knob {
    pub(super) fn text(table: &str, key: &'static str, value: &str, why: ProbeObservation) -> Self {
        Self { table: table.to_owned(), key, value: KnobValue::Text(value.to_owned()), why: why.into() }
    }

    pub(super) fn flag(table: &str, key: &'static str, value: bool, why: ProbeObservation) -> Self {
        Self { table: table.to_owned(), key, value: KnobValue::Flag(value), why: why.into() }
    }

    pub(super) fn list(table: &str, key: &'static str, values: &[String], why: ProbeObservation) -> Self {
        Self { table: table.to_owned(), key, value: KnobValue::List(values.to_vec()), why: why.into() }
    }
}

/// The value of a key. Its `Display` is TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnobValue {
    /// A text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(u64),
    /// A list of texts.
    List(Vec<String>),
}

impl fmt::Display for KnobValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::List(list) => write!(f, "{list:?}"),
        }
    }
}

impl Serialize for KnobValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The knobs as they stand in a tenant file; nothing where the profile is right.
pub fn as_toml(knobs: &[Knob]) -> String {
    let mut tables: BTreeMap<&str, BTreeMap<&str, &Knob>> = BTreeMap::new();
    for knob in knobs {
        // What was found out later knows more.
        tables.entry(&knob.table).or_default().insert(knob.key, knob);
    }
    let mut text = String::new();
    for (table, keys) in tables {
        if !text.is_empty() {
            text.push('\n');
        }
        let _infallible = writeln!(text, "[target.override_profile.{table}]");
        for (key, knob) in keys {
            let _infallible = writeln!(text, "# {}\n{key} = {}", knob.why, knob.value);
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn knobs_are_a_part_of_a_tenant_file() {
        let updates = |refusals: &str| ProbeObservation::Updates { refusals: refusals.to_owned() };
        let knobs = [
            Knob::text("users", "update_method", "put_merge", updates("PATCH answers 501")),
            Knob::flag("users", "send_external_id", false, ProbeObservation::ExternalIdNotKept),
            Knob::list("read", "user_match", &["userName".to_owned()], ProbeObservation::ExternalIdNotKept),
            Knob::text("users", "update_method", "patch", updates("seen later")),
        ];
        let text = as_toml(&knobs);
        assert_eq!(
            text,
            "[target.override_profile.read]\n# externalId is not kept\nuser_match = [\"userName\"]\n\n\
             [target.override_profile.users]\n# externalId is not kept\nsend_external_id = false\n# seen later\nupdate_method = \"patch\"\n"
        );
        let table: toml::Table = text.parse().unwrap();
        let overrides = table["target"]["override_profile"].as_table().unwrap().clone();
        let profile: crate::config::profile::Profile = toml::Value::Table(overrides).try_into().unwrap();
        assert!(!profile.users.send_external_id);
    }
}
