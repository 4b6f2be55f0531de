//! The users whose namesakes are looked for. It takes what the users are called, and returns which accounts share a name with one of them, and
//! what to ask the app about each. It must not depend on how the app is asked.

use std::collections::HashSet;

use super::error::clean;
use super::filter;
use super::json::{self, JsonObject};
use super::{Lookalike, LookalikeScope};
use crate::model::likeness::local_part;
use crate::model::{AppId, KnownNames, fold};

const USER_NAME: &str = "userName";
pub(super) const EMAIL: &str = "emails.value";
pub(super) const DISPLAY_NAME: &str = "displayName";

/// Whose namesakes are looked for.
pub(super) struct Alike {
    /// In the order of the keys.
    pub(super) names: Vec<KnownNames>,
    /// Everything by which an account can be like one of them.
    keys: HashSet<u64>,
    pub(super) search: LookalikeScope,
}

impl Alike {
    pub(super) fn new(names: Vec<KnownNames>, search: LookalikeScope) -> Self {
        let mut keys = HashSet::new();
        for one in &names {
            keys.extend(one.of_user().keys());
        }
        Self { names, keys, search }
    }

    /// About how many questions it takes to ask by filter.
    pub(super) fn questions(&self) -> u64 {
        let thorough = usize::from(self.search == LookalikeScope::Thorough);
        let of_one = |names: &KnownNames| {
            let addresses = names.identifiers.iter().filter(|name| local_part(name).is_some()).count();
            names.identifiers.len() + addresses + thorough * (addresses + names.display.len())
        };
        self.names.iter().map(|names| of_one(names) as u64).sum()
    }

    /// The accounts among these that share a name with anybody.
    pub(super) fn among<'r>(&'r self, resources: &'r [JsonObject]) -> impl Iterator<Item = Lookalike> + 'r {
        resources.iter().filter_map(|resource| {
            let names = KnownNames::of_resource(resource).of_account();
            if !names.keys().any(|key| self.keys.contains(&key)) {
                return None;
            }
            let id = json::text(resource, "id")?;
            // One that no request can be sent to is an account all the same.
            let id = AppId::from_app(&id).unwrap_or_else(|_| AppId::new(clean(&id)));
            let user_name = json::text(resource, "userName").map(|name| clean(&name)).unwrap_or_default();
            let active = json::flag(resource, "active").unwrap_or(true);
            Some(Lookalike { id, user_name, active, names })
        })
    }

    /// What is asked about one user, as attribute and value, beside what was asked already: `known`, with the values folded.
    pub(super) fn asked_of(&self, key: usize, known: &[(String, String)]) -> Vec<(&'static str, String)> {
        let Some(names) = self.names.get(key) else { return Vec::new() };
        let mut questions: Vec<(&'static str, String)> = Vec::new();
        for name in &names.identifiers {
            questions.push((USER_NAME, name.clone()));
            if local_part(name).is_some() {
                questions.push((EMAIL, name.clone()));
            }
        }
        if self.search == LookalikeScope::Thorough {
            questions
                .extend(names.identifiers.iter().filter_map(|name| Some((USER_NAME, local_part(name)?.to_owned()))));
            questions.extend(names.display.iter().map(|name| (DISPLAY_NAME, name.clone())));
        }
        let mut seen: HashSet<(&str, String)> = HashSet::new();
        questions.retain(|(attribute, value)| {
            let is_known = known.iter().any(|(by, of)| by.eq_ignore_ascii_case(attribute) && *of == fold(value));
            !is_known && filter::is_plain(value) && seen.insert((*attribute, fold(value)))
        });
        questions
    }
}
