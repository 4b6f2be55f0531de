//! How a resource looks to a client: its representation, and the part of it that was asked for (RFC 7644 §3.9).
//!
//! In: a kept resource and a projection. Out: JSON. It changes nothing.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::fault::ScimFault;
use super::filter::Subject;
use super::id::Id;
use super::store::{Resource, SandboxState};
use crate::schema::ResourceType;

/// A resource together with what its representation depends on.
pub(super) struct ResourceView<'a> {
    pub(super) state: &'a SandboxState,
    pub(super) resource: &'a Resource,
    /// The base URL, for `meta.location` and `$ref`.
    pub(super) base: &'a str,
}

impl ResourceView<'_> {
    /// The address of a resource.
    pub(super) fn location(base: &str, kind: ResourceType, id: Id) -> String {
        format!("{base}/{}/{id}", kind.endpoint())
    }

    /// The representation, as far as the projection asks for it.
    pub(super) fn render(&self, projection: &Projection) -> Value {
        let mut map = self.resource.attrs.clone();
        for name in ["schemas", "id", "meta", "groups", "members"] {
            // a big group's members are not built to be thrown away
            if projection.wants(name)
                && let Some(value) = self.computed(name)
            {
                map.insert(name.to_owned(), value);
            }
        }
        projection.apply(&mut map);
        Value::Object(map)
    }

    /// The attributes that are not the client's to write, or are kept apart.
    fn computed(&self, name: &str) -> Option<Value> {
        let Resource { id, kind, .. } = self.resource;
        match (name, kind) {
            ("id", _) => Some(Value::String(id.to_string())),
            ("schemas", _) => Some(self.schemas()),
            ("meta", _) => Some(self.meta()),
            ("groups", ResourceType::User) => {
                non_empty(self.state.groups_of(*id).map(|group| self.group(group)).collect())
            }
            ("members", ResourceType::Group) => {
                non_empty(self.state.members_of(*id).iter().filter_map(|id| self.member(*id)).collect())
            }
            _ => None,
        }
    }

    fn schemas(&self) -> Value {
        let kind = self.resource.kind;
        let used = kind.extensions().iter().map(|s| s.urn).filter(|urn| self.resource.attrs.contains_key(*urn));
        std::iter::once(kind.core().urn).chain(used).collect()
    }

    fn meta(&self) -> Value {
        let Resource { id, kind, created, modified, revision, .. } = self.resource;
        json!({
            "resourceType": kind.name(),
            "created": created.to_string(),
            "lastModified": modified.to_string(),
            "location": Self::location(self.base, *kind, *id),
            "version": format!("W/\"{revision}\""),
        })
    }

    fn group(&self, group: &Resource) -> Value {
        json!({
            "value": group.id.to_string(),
            "$ref": Self::location(self.base, ResourceType::Group, group.id),
            "display": group.attrs.get("displayName"),
            "type": "direct",
        })
    }

    pub(super) fn member(&self, id: Id) -> Option<Value> {
        let kind = self.state.any(id)?.kind;
        Some(json!({
            "value": id.to_string(),
            "$ref": Self::location(self.base, kind, id),
            "type": kind.name(),
        }))
    }
}

fn non_empty(values: Vec<Value>) -> Option<Value> {
    (!values.is_empty()).then_some(Value::Array(values))
}

impl Subject for ResourceView<'_> {
    fn get(&self, extension: Option<&str>, name: &str) -> Option<Cow<'_, Value>> {
        match self.computed(name) {
            Some(value) if extension.is_none() => Some(Cow::Owned(value)),
            _ => Subject::get(&self.resource.attrs, extension, name),
        }
    }

    fn has_member(&self, id: &str) -> bool {
        Id::parse(id).is_some_and(|id| self.state.members_of(self.resource.id).contains(&id))
    }
}

/// Which attributes an answer holds (RFC 7644 §3.4.2.5).
#[derive(Debug, Default)]
pub(super) enum Projection {
    #[default]
    All,
    Only(Vec<Selection>),
    Without(Vec<Selection>),
}

/// One name of `attributes` or `excludedAttributes`, found in the schema.
#[derive(Debug)]
pub(super) struct Selection {
    /// The key at the top level: an attribute, or an extension's URN.
    top: &'static str,
    /// The path below it; empty for the whole.
    below: Vec<&'static str>,
}

impl Projection {
    /// Reads the two query parameters, which exclude each other. A name the schema does not have selects nothing.
    pub(super) fn parse(
        kind: ResourceType,
        attributes: Option<&str>,
        excluded: Option<&str>,
    ) -> Result<Self, ScimFault> {
        let read = |names: &str| names.split(',').filter_map(|name| Selection::parse(kind, name.trim())).collect();
        match (attributes, excluded) {
            (Some(_), Some(_)) => Err(ScimFault::value("`attributes` and `excludedAttributes` exclude each other")),
            (Some(names), None) => Ok(Self::Only(read(names))),
            (None, Some(names)) => Ok(Self::Without(read(names))),
            (None, None) => Ok(Self::All),
        }
    }

    fn wants(&self, top: &str) -> bool {
        match self {
            _ if always(top) => true,
            Self::All => true,
            Self::Only(selections) => selections.iter().any(|s| s.top == top),
            Self::Without(selections) => !selections.iter().any(|s| s.top == top && s.below.is_empty()),
        }
    }

    fn apply(&self, map: &mut Map<String, Value>) {
        let paths = |top: &str, selections: &[Selection]| -> Vec<Vec<&'static str>> {
            selections.iter().filter(|s| s.top == top).map(|s| s.below.clone()).collect()
        };
        match self {
            Self::All => {}
            Self::Only(selections) => map.retain(|top, value| always(top) || keep(value, &paths(top, selections))),
            Self::Without(selections) => {
                map.retain(|top, value| always(top) || !remove(value, &paths(top, selections)))
            }
        }
    }
}

/// `returned: always` (RFC 7643 §3.1).
fn always(top: &str) -> bool {
    matches!(top, "id" | "schemas")
}

impl Selection {
    fn parse(kind: ResourceType, name: &str) -> Option<Self> {
        if let Some(extension) = kind.extension(name) {
            return Some(Self { top: extension.urn, below: Vec::new() });
        }
        let (urn, path) = match name.rsplit_once(':') {
            Some((urn, path)) => (Some(urn), path),
            None => (None, name),
        };
        let (attr, sub) = match path.split_once('.') {
            Some((attr, sub)) => (attr, Some(sub)),
            None => (path, None),
        };
        let found = super::find(kind, urn, attr)?;
        let sub = match sub {
            Some(sub) => Some(found.attribute.sub(sub)?.name),
            None => None,
        };
        Some(match found.extension {
            None => Self { top: found.attribute.name, below: sub.into_iter().collect() },
            Some(extension) => {
                Self { top: extension.urn, below: std::iter::once(found.attribute.name).chain(sub).collect() }
            }
        })
    }
}

/// The paths that go on below `name`, without it.
fn below(name: &str, paths: &[Vec<&'static str>]) -> Vec<Vec<&'static str>> {
    paths.iter().filter_map(|path| path.split_first()).filter(|(n, _)| **n == name).map(|(_, r)| r.to_vec()).collect()
}

/// Keeps of a value what the paths lead to; false if that is nothing.
fn keep(value: &mut Value, paths: &[Vec<&'static str>]) -> bool {
    if paths.is_empty() || paths.iter().any(Vec::is_empty) {
        return !paths.is_empty();
    }
    match value {
        Value::Object(map) => {
            map.retain(|name, value| keep(value, &below(name, paths)));
            !map.is_empty()
        }
        Value::Array(values) => {
            values.retain_mut(|value| keep(value, paths));
            !values.is_empty()
        }
        _ => false,
    }
}

/// Removes from a value what the paths lead to; true if nothing is left.
fn remove(value: &mut Value, paths: &[Vec<&'static str>]) -> bool {
    if paths.is_empty() || paths.iter().any(Vec::is_empty) {
        return !paths.is_empty();
    }
    match value {
        Value::Object(map) => {
            map.retain(|name, value| !remove(value, &below(name, paths)));
            map.is_empty()
        }
        Value::Array(values) => {
            values.retain_mut(|value| !remove(value, paths));
            values.is_empty()
        }
        _ => false,
    }
}
