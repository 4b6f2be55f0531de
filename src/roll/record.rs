//! The way back: an account's attributes as a record of the directory (J16). In: the tenant's rules, read backwards. Out: a record,
//! and what could not be carried over.
//!
//! A rule that copies an attribute says where its value belongs. One that computes can't be undone; then the attribute that
//! directories of this kind usually keep the value in is taken.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::listing::email_of;
use crate::config::tenant::Push;
use crate::mapping::{Mapping, copied_by_default};
use crate::model::{Attributes, Path, digest};
use crate::source::kind::default_mapping;

/// An attribute whose rule can't be read backwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unsaid {
    /// The SCIM attribute.
    pub attribute: String,
    /// Its rule.
    pub rule: String,
    /// The directory's attribute that its value goes to instead; `None` where it is left out.
    pub instead: Option<String>,
}

/// Where each attribute's value goes.
#[derive(Debug, Clone)]
pub struct WayBack {
    /// In order: the first value for a name counts.
    places: Vec<(Path, String)>,
    unsaid: Vec<Unsaid>,
}

impl WayBack {
    /// Reads rules backwards. `directory` is the kind whose usual attributes help out.
    ///
    /// A value that the app may change by itself (`push` is not `always`) is not written into the directory: from there it would overwrite
    /// what was given by hand. The user name is, whoever owns it: no directory can do without.
    pub fn new(mapping: &Mapping, directory: &str) -> Self {
        let is_the_apps = |path: &Path| {
            let mapped = mapping.source_of(path).is_some();
            mapped && mapping.push(path) != Push::Always && *path != Path::user_name()
        };
        let usual = copied_by_default(default_mapping(directory)).into_iter().filter(|(path, _)| !is_the_apps(path));
        let usual: BTreeMap<Path, String> = usual.collect();
        let (mut places, mut unsaid) = (Vec::new(), Vec::new());
        let rules = mapping.copied_from().filter(|(path, _)| **path != Path::manager() && !is_the_apps(path));
        for (path, copied) in rules {
            if let Some(name) = copied {
                places.push((path.clone(), name.to_owned()));
                continue;
            }
            unsaid.push(Unsaid {
                attribute: path.to_string(),
                rule: mapping.source_of(path).unwrap_or_default().to_owned(),
                instead: usual.get(path).cloned(),
            });
        }
        // What the rules say comes before what is usual.
        places.extend(usual);
        Self { places, unsaid }
    }

    /// The rules that can't be read backwards.
    pub fn unsaid(&self) -> &[Unsaid] {
        &self.unsaid
    }

    /// The SCIM attributes that are needed for records.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.places.iter().map(|(path, _)| path)
    }

    /// The record of an account. The account's own id at the app is never part of it.
    pub fn record(&self, attributes: &Attributes) -> Map<String, Value> {
        let mut record = Map::new();
        for (path, name) in self.places.iter().filter(|(path, _)| *path != Path::external_id()) {
            let value = match attributes.get(path) {
                // What is too large to be kept is no value to make a person with.
                Some(value) => Some(value.clone()).filter(|value| !digest::is_digest(value)),
                None if is_work_email(path) => email_of(attributes).map(Value::from),
                None => None,
            };
            if let Some(value) = value.filter(|_| !record.contains_key(name)) {
                record.insert(name.clone(), value);
            }
        }
        record
    }
}

fn is_work_email(path: &Path) -> bool {
    let parts = path.parts();
    parts.attribute == "emails" && parts.element_type == Some("work")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::tenant::AttributeRule;
    use crate::mapping::KnownAttributes;

    #[test]
    fn j16_what_the_app_may_change_by_itself_is_not_written_into_the_directory() {
        for push in [Push::Always, Push::OnSourceChange, Push::OnCreate] {
            let rule = |from: &str, push| AttributeRule { from: from.to_owned(), push };
            let rules: BTreeMap<String, AttributeRule> = [
                ("userName".to_owned(), rule("email", push)),
                ("roles".to_owned(), rule("role", push)),
                ("name.givenName".to_owned(), rule("firstname", Push::Always)),
            ]
            .into();
            let mapping = Mapping::compile(&rules, &KnownAttributes::open(Vec::<String>::new()), &Map::new()).unwrap();
            let account: Attributes = [("userName", "ann@x.test"), ("roles", "Admin"), ("name.givenName", "Ann")]
                .map(|(path, value)| (Path::parse(path).unwrap(), Value::from(value)))
                .into_iter()
                .collect();
            let record = WayBack::new(&mapping, "jumpcloud").record(&account);
            assert_eq!(record.contains_key("role"), push == Push::Always, "{push:?}: {record:?}");
            assert_eq!((&record["email"], &record["firstname"]), (&Value::from("ann@x.test"), &Value::from("Ann")));
        }
    }
}
