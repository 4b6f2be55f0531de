//! The attribute values of one resource, keyed by path; and the one rule for comparing names without case.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Path;

/// What a resource holds, or shall hold, at each mapped path.
///
/// A path that is absent is *unassigned*: `null`, an empty list and no value are one state (RFC 7643 §2.5), so none of the
/// three is ever stored here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<Path, Value>);

impl Attributes {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value; `null`, `""`-free of meaning is kept as text, but `null` and `[]` take the attribute away.
    pub fn set(&mut self, path: Path, value: Value) {
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if empty {
            self.0.remove(&path);
        } else {
            self.0.insert(path, value);
        }
    }

    /// Takes an attribute away.
    pub fn clear(&mut self, path: &Path) -> Option<Value> {
        self.0.remove(path)
    }

    /// The value at a path.
    pub fn get(&self, path: &Path) -> Option<&Value> {
        self.0.get(path)
    }

    /// The value at a path, if it is text.
    pub fn text(&self, path: &Path) -> Option<&str> {
        self.get(path).and_then(Value::as_str)
    }

    /// All attributes, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Value)> {
        self.0.iter()
    }

    /// How many attributes are set.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Path, Value)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (Path, Value)>>(pairs: I) -> Self {
        let mut all = Self::new();
        for (path, value) in pairs {
            all.set(path, value);
        }
        all
    }
}

impl IntoIterator for Attributes {
    type Item = (Path, Value);
    type IntoIter = std::collections::btree_map::IntoIter<Path, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The key under which user names, e-mails and group names compare: without blanks at the ends, in composed form (NFC), with Unicode
/// case folding (`caseExact=false`, RFC 7643 §4.1.1). What differs by less is one name to everybody who reads it.
pub fn fold(text: &str) -> String {
    casefold(&super::text::composed(text.trim()))
}

/// As [`fold`], without characters that nobody sees: names that look the same have one key. Only for telling look-alikes apart from strangers;
/// such a name is never sent, and an account that has one is never adopted for it.
pub fn fold_seen(text: &str) -> String {
    match text.is_ascii() {
        true => fold(text),
        false => fold(&text.chars().filter(|c| !super::text::is_ignorable(*c)).collect::<String>()),
    }
}

/// Unicode case folding alone.
pub fn casefold(text: &str) -> String {
    unicase::UniCase::unicode(text).to_folded_case()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_list_are_unassigned() {
        let mut all = Attributes::new();
        let path = Path::parse("title").unwrap();
        all.set(path.clone(), Value::from("x"));
        all.set(path.clone(), Value::Null);
        assert!(all.is_empty());
        all.set(path, Value::Array(vec![]));
        assert!(all.is_empty());
    }

    #[test]
    fn i3_names_that_differ_only_in_case_are_one_key() {
        assert_eq!(fold("Ann.Lee@Example.COM"), fold("ann.lee@example.com"));
        assert_eq!(fold("STRASSE"), fold("straße"));
        assert_ne!(fold("anna"), fold("anne"));
        assert_eq!(fold_seen("Zo\u{200b}e\u{308}\u{2060} "), fold("ZO\u{cb}"), "mm2: look-alikes");
        assert_eq!(fold(" Zoe\u{308}\u{a0}"), fold("ZO\u{cb}"), "mm2: by nothing that is seen");
    }
}
