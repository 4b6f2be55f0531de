//! The keys of a look-up, and the resources that match some of them. It takes what users and groups are matched by, and resources as the app
//! shows them; it returns for each key which resources match, and by which attribute. It must not depend on how the resources are asked for, nor
//! judge what a match means.

use std::collections::{BTreeMap, HashMap};

use super::Lookalike;
use super::alike::Alike;
use super::client::Endpoint;
use super::json::{self, JsonObject};
use super::resource;
use crate::model::{Conflict, Path, digest, fold_seen};
use crate::schema::{Attribute, ResourceType};

/// How much of one row of a list is kept, in bytes.
const ROW: usize = 64 << 10;

/// An attribute by which objects are matched.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MatchBy {
    /// As the profile spells it; also the filter's attribute.
    pub(super) name: String,
    /// Where its value stands in a resource; `None` for the app's `id`.
    pub(super) path: Option<Path>,
    /// Compared with case (`caseExact`, RFC 7643 §7: `externalId`, `id`) or without.
    pub(super) exact: bool,
}

impl MatchBy {
    pub(super) fn new(name: &str) -> Option<Self> {
        let path = Path::parse(name).ok()?;
        let parts = path.parts();
        let attribute = ResourceType::User.find(parts.urn, parts.attribute).map(|found| found.attribute);
        let leaf = attribute.and_then(|attribute| parts.sub.map_or(Some(attribute), |sub| attribute.sub(sub)));
        let exact = leaf.is_some_and(Attribute::is_case_exact);
        let path = (!name.eq_ignore_ascii_case("id")).then_some(path);
        Some(Self { name: name.to_owned(), path, exact })
    }

    pub(super) fn comparable(&self, value: &str) -> String {
        if self.exact { value.to_owned() } else { fold_seen(value) }
    }

    /// The value of a resource, made comparable.
    pub(super) fn of(&self, resource: &JsonObject) -> Option<String> {
        let text = match &self.path {
            Some(path) => resource::read(resource, path).as_ref().and_then(json::as_text),
            None => json::text(resource, "id"),
        };
        text.filter(|text| !text.is_empty()).map(|text| self.comparable(&text))
    }

    /// Whether a resource that is found by it must show it. An e-mail may have been found in an element of another type.
    pub(super) fn is_plain(&self) -> bool {
        self.path.as_ref().is_none_or(|path| path.parts().element_type.is_none())
    }

    /// How the attribute is named in a filter: `emails.value` for a typed e-mail, since few apps filter inside of elements.
    pub(super) fn in_filter(&self) -> String {
        match self.path.as_ref().map(Path::parts) {
            Some(parts) if parts.element_type.is_some() => {
                format!("{}.{}", parts.attribute, parts.sub.unwrap_or("value"))
            }
            _ => self.name.clone(),
        }
    }
}

/// What is looked for: for every key and every attribute the value, if there is one.
pub(super) struct LookupKeys {
    pub(super) endpoint: Endpoint,
    pub(super) by: Vec<MatchBy>,
    /// `values[key][attribute]`.
    pub(super) values: Vec<Vec<Option<String>>>,
    /// The directory's ids: what `externalId` would hold.
    pub(super) source_ids: Vec<String>,
    /// Whether we write `externalId`, so that another value there means another owner.
    pub(super) own_external_ids: bool,
    /// For every key the app's id of what is not looked for.
    pub(super) except: Vec<Option<String>>,
    /// For every key the app's ids of objects that may be taken although they carry another record's id.
    pub(super) released: Vec<Vec<String>>,
    /// The attribute of which no two keys may have the same value.
    pub(super) unique: &'static str,
    /// Sent with every request.
    pub(super) query: Vec<(&'static str, String)>,
    /// Whether it is looked for because a create has just been answered: what is shown then says nothing of before.
    pub(super) after_create: bool,
    /// Whose namesakes are looked for, beside the keys.
    pub(super) alike: Option<Alike>,
}

impl LookupKeys {
    pub(super) fn is_released(&self, key: usize, resource: Option<&JsonObject>) -> bool {
        let id = resource.and_then(|resource| json::text(resource, "id"));
        id.is_some_and(|id| self.released.get(key).is_some_and(|released| released.contains(&id)))
    }

    pub(super) fn excepts(&self, key: usize, id: &str) -> bool {
        self.except.get(key).and_then(Option::as_deref) == Some(id)
    }
}

/// What was found so far: resources that match some key, and for each key which of them, by which attribute.
#[derive(Default)]
pub(super) struct LookupResult {
    pub(super) resources: Vec<JsonObject>,
    by_id: HashMap<String, usize>,
    /// `hits[key]`: (attribute, resource).
    pub(super) hits: Vec<Vec<(usize, usize)>>,
    /// Accounts that share a name with a key; `None` where not all accounts were seen.
    pub(super) alike: Option<Vec<Lookalike>>,
    /// Keys of which nothing is known, and why.
    pub(super) unknown: BTreeMap<usize, Conflict>,
}

impl LookupResult {
    pub(super) fn new(keys: usize) -> Self {
        Self { hits: vec![Vec::new(); keys], ..Self::default() }
    }

    pub(super) fn note(&mut self, key: usize, attribute: usize, id: &str, resource: &JsonObject) {
        let at = *self.by_id.entry(id.to_owned()).or_insert_with(|| {
            let mut resource = resource.clone();
            // A list may have many rows, each as large as a page.
            digest::confine(&mut resource, ROW);
            self.resources.push(resource);
            self.resources.len() - 1
        });
        if let Some(hits) = self.hits.get_mut(key)
            && !hits.contains(&(attribute, at))
        {
            hits.push((attribute, at));
        }
    }
}

/// The keys by what they look for.
pub(super) struct LookupIndex(Vec<HashMap<String, Vec<usize>>>);

impl LookupIndex {
    pub(super) fn new(wanted: &LookupKeys) -> Self {
        let mut maps: Vec<HashMap<String, Vec<usize>>> = vec![HashMap::new(); wanted.by.len()];
        for (key, values) in wanted.values.iter().enumerate() {
            for ((by, value), map) in wanted.by.iter().zip(values).zip(&mut maps) {
                if let Some(value) = value {
                    map.entry(by.comparable(value)).or_default().push(key);
                }
            }
        }
        Self(maps)
    }

    pub(super) fn match_all(&self, wanted: &LookupKeys, resources: &[JsonObject], found: &mut LookupResult) {
        for resource in resources {
            let Some(id) = json::text(resource, "id") else { continue };
            for (attribute, (by, map)) in wanted.by.iter().zip(&self.0).enumerate() {
                let keys = by.of(resource).and_then(|value| map.get(&value));
                for &key in keys.into_iter().flatten().filter(|key| !wanted.excepts(**key, &id)) {
                    found.note(key, attribute, &id, resource);
                }
            }
        }
    }
}
