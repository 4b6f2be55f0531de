//! Attributes to JSON and back. In: values by path, or a resource as the app sent it. Out: the body of a POST, a merged body
//! for a PUT, or values by path.

use serde_json::{Value, json};

use super::json::{self, JsonObject};
use crate::config::attributes::{AttributeSettings, ValueShape};
use crate::config::profile::Profile;
use crate::model::{Attributes, Path, PathError, PathParts};
use crate::schema::{self, ResourceType};

/// The core user schema (RFC 7643 §4.1).
pub(super) const USER: &str = schema::USER.urn;
/// The core group schema (RFC 7643 §4.2).
pub(super) const GROUP: &str = schema::GROUP.urn;

/// What the profile says of attributes, and where those go that SCIM does not define: the mapping's `role` above all.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    pub(super) attributes: AttributeSettings,
    placed: Vec<PlacedAttribute>,
}

/// An attribute with a place of its own.
#[derive(Debug, Clone)]
struct PlacedAttribute {
    mapped: Path,
    on_wire: Path,
    /// Whether its value is written as `[{"value": …}]`.
    is_list: bool,
}

impl Wire {
    /// Works out the paths of a profile.
    ///
    /// # Errors
    /// When an attribute's place or type can't be one.
    pub(super) fn new(profile: &Profile) -> Result<Self, PathError> {
        let mut placed = Vec::new();
        for (mapped, setting) in profile.attributes.iter() {
            if setting.path.is_none() && setting.shape.is_none() {
                continue;
            }
            let base = setting.path.as_deref().unwrap_or(mapped.as_str());
            let on_wire = match setting.shape {
                // One typed element is addressed like a work e-mail, and its neighbours stay as they are.
                Some(ValueShape::TypedList) => Path::parse(&format!(
                    "{base}[type eq \"{}\"].value",
                    setting.r#type.as_deref().unwrap_or_default()
                ))?,
                _ => Path::parse(base)?,
            };
            let is_list = setting.shape == Some(ValueShape::List);
            placed.push(PlacedAttribute { mapped: mapped.clone(), on_wire, is_list });
        }
        Ok(Self { attributes: profile.attributes.clone(), placed })
    }

    fn placed(&self, path: &Path) -> Option<&PlacedAttribute> {
        self.placed.iter().find(|placed| placed.mapped == *path)
    }

    /// Where a mapped attribute stands on the wire; `None` for one that the app does not know.
    pub(super) fn path<'a>(&'a self, path: &'a Path) -> Option<&'a Path> {
        if self.attributes.is_never_sent(path) {
            return None;
        }
        Some(self.placed(path).map_or(path, |placed| &placed.on_wire))
    }

    /// How a mapped value is written.
    pub(super) fn value(&self, path: &Path, value: &Value) -> Value {
        if let Some(placed) = self.placed(path) {
            return match value {
                Value::Array(_) | Value::Object(_) => value.clone(),
                scalar if placed.is_list => json!([{ "value": scalar }]),
                scalar => scalar.clone(),
            };
        }
        let parts = path.parts();
        // A plain value for a multi-valued attribute is a list of one.
        let known =
            schema::USER.attribute(parts.attribute).filter(|known| known.multi_valued && known.is_kept_by_clients());
        let is_whole_list = parts.urn.is_none() && parts.sub.is_none() && known.is_some();
        if !is_whole_list {
            return value.clone();
        }
        whole_list(parts.attribute, value)
    }

    /// The value of a mapped attribute in a resource.
    pub(super) fn read(&self, resource: &JsonObject, path: &Path) -> Option<Value> {
        let value = read(resource, self.path(path)?)?;
        if !self.placed(path).is_some_and(|placed| placed.is_list) {
            return Some(value);
        }
        match value {
            Value::Array(elements) => {
                elements.first().map(|first| first.get("value").cloned().unwrap_or_else(|| first.clone()))
            }
            scalar => Some(scalar),
        }
    }

    /// The values at `paths`, without those that mean nothing when read back.
    pub(super) fn read_all<'a>(&self, resource: &JsonObject, paths: impl IntoIterator<Item = &'a Path>) -> Attributes {
        let meaningful = paths.into_iter().filter(|path| !self.attributes.is_unreturned(path));
        meaningful.filter_map(|path| Some((path.clone(), self.read(resource, path)?))).collect()
    }

    /// The body of a POST: nested objects, extensions under their URNs, `schemas` with exactly those used.
    pub(super) fn new_user(&self, attributes: &Attributes, external_id: Option<&str>) -> JsonObject {
        let mut body = JsonObject::new();
        body.insert("schemas".into(), json!([USER]));
        if let Some(id) = external_id {
            body.insert("externalId".into(), id.into());
        }
        body.insert("active".into(), true.into());
        for (path, value) in attributes.iter().filter(|(path, _)| !is_managed_elsewhere(path)) {
            if let Some(on_wire) = self.path(path) {
                set(&mut body, on_wire, self.value(path, value));
            }
        }
        one_primary(&mut body, "emails");
        body
    }
}

/// A user's resource with these values as they are: what the simulated app shows.
#[cfg(test)]
pub(crate) fn plain_user(id: &str, active: bool, attributes: &Attributes) -> JsonObject {
    let mut resource = JsonObject::new();
    for (path, value) in attributes.iter() {
        set(&mut resource, path, value.clone());
    }
    resource.insert("id".into(), id.into());
    resource.insert("active".into(), active.into());
    resource
}

/// What is written by other means, or never: the id is the app's, the password nobody's business, `active` a decision.
fn is_managed_elsewhere(path: &Path) -> bool {
    let parts = path.parts();
    let known = ResourceType::User.find(parts.urn, parts.attribute).map(|found| found.attribute);
    parts.urn.is_none()
        && known.is_some_and(|known| !known.is_kept_by_clients() || matches!(known.name, "active" | "schemas"))
}

/// A list for a multi-valued attribute, from whatever the mapping gave: a list, one object, one plain value.
fn whole_list(attribute: &str, value: &Value) -> Value {
    let values = match value {
        Value::Array(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    let elements = values.iter().enumerate().map(|(at, value)| match value {
        Value::Object(_) => value.clone(),
        plain if attribute == "emails" && at == 0 => json!({ "value": plain, "type": "work" }),
        plain => json!({ "value": plain }),
    });
    Value::Array(elements.collect())
}

/// Makes exactly one element the primary one (RFC 7643 §2.4): the one that says so, else the work one, else the first.
pub(super) fn one_primary(body: &mut JsonObject, attribute: &str) {
    let key = json::key_of(body, attribute);
    let Some(Value::Array(elements)) = body.get_mut(&key) else { return };
    let is = |test: fn(&JsonObject) -> bool| move |element: &Value| element.as_object().is_some_and(test);
    let says_so = elements.iter().position(is(|e| json::flag(e, "primary") == Some(true)));
    let work =
        || elements.iter().position(is(|e| json::text(e, "type").is_some_and(|t| t.eq_ignore_ascii_case("work"))));
    let chosen = says_so.or_else(work).unwrap_or(0);
    for (at, element) in elements.iter_mut().enumerate() {
        let Some(element) = element.as_object_mut() else { continue };
        json::remove(element, "primary");
        if at == chosen {
            element.insert("primary".into(), true.into());
        }
    }
}

/// Sets a value at a path, making what is missing on the way. Existing spellings of names are kept.
pub(super) fn set(body: &mut JsonObject, path: &Path, value: Value) {
    let PathParts { urn, attribute, element_type, sub } = path.parts();
    let root = match urn {
        Some(urn) => {
            add_schema(body, urn);
            json::object_in(json::slot(body, urn))
        }
        None => body,
    };
    let place = json::slot(root, attribute);
    match (element_type, sub) {
        (Some(kind), Some(sub)) => {
            *json::slot(element_of_type(place, kind), sub) = value;
        }
        (None, Some(sub)) => *json::slot(json::object_in(place), sub) = value,
        (_, None) => *place = value,
    }
}

/// Takes the value at a path away: for one element's `value`, the whole element, since what is left of it means nothing.
pub(super) fn clear(body: &mut JsonObject, path: &Path) {
    let PathParts { urn, attribute, element_type, sub } = path.parts();
    let root = match urn {
        Some(urn) => match json::slot(body, urn) {
            Value::Object(extension) => extension,
            _ => return json::remove(body, urn),
        },
        None => body,
    };
    let Some(sub) = sub else { return json::remove(root, attribute) };
    let emptied = match (json::slot(root, attribute), element_type) {
        (Value::Array(elements), Some(kind)) => {
            if sub == "value" {
                elements.retain(|element| !is_of_type(element, kind));
            } else if let Some(Value::Object(element)) = elements.iter_mut().find(|element| is_of_type(element, kind)) {
                json::remove(element, sub);
            }
            elements.is_empty()
        }
        (Value::Object(object), None) => {
            json::remove(object, sub);
            object.is_empty()
        }
        (slot, _) => slot.is_null(),
    };
    if emptied {
        json::remove(root, attribute);
    }
}

fn add_schema(body: &mut JsonObject, urn: &str) {
    let schemas = json::slot(body, "schemas");
    if let Value::Array(known) = schemas {
        if !known.iter().any(|known| known.as_str().is_some_and(|known| known.eq_ignore_ascii_case(urn))) {
            known.push(urn.into());
        }
    } else {
        *schemas = json!([USER, urn]);
    }
}

fn is_of_type(element: &Value, kind: &str) -> bool {
    let object = element.as_object();
    object.and_then(|object| json::text(object, "type")).is_some_and(|found| found.eq_ignore_ascii_case(kind))
}

/// The element of a type in a multi-valued attribute, made if there is none.
fn element_of_type<'a>(place: &'a mut Value, kind: &str) -> &'a mut JsonObject {
    if place.is_object() {
        // One object where a list belongs.
        *place = Value::Array(vec![place.take()]);
    }
    if !place.is_array() {
        *place = Value::Array(Vec::new());
    }
    let Value::Array(elements) = place else { unreachable!("it was just made a list") };
    let at = elements.iter().position(|element| is_of_type(element, kind)).unwrap_or_else(|| {
        elements.push(json!({ "type": kind }));
        elements.len() - 1
    });
    json::object_in(&mut elements[at])
}

/// The value at a path of a resource.
pub(super) fn read(resource: &JsonObject, path: &Path) -> Option<Value> {
    let PathParts { urn, attribute, element_type, sub } = path.parts();
    let root = match urn {
        Some(urn) => match json::get(resource, urn) {
            Some(Value::Object(extension)) => extension,
            // Some apps write extensions as flat keys.
            _ => return json::get(resource, path.as_str()).cloned().filter(is_value),
        },
        None => resource,
    };
    let found = match (element_type, sub) {
        (Some(kind), sub) => read_element(json::elements(root, attribute), kind, sub.unwrap_or("value")),
        (None, Some(sub)) => match json::get(root, attribute) {
            Some(Value::Object(object)) => json::get(object, sub).cloned(),
            // A manager given as a bare id.
            Some(scalar) if sub == "value" && !scalar.is_array() => Some(scalar.clone()),
            // `"name.familyName": …` as a flat key.
            _ => json::get(root, &format!("{attribute}.{sub}")).cloned(),
        },
        (None, None) => json::get(root, attribute).cloned(),
    };
    found.filter(is_value)
}

/// The sub-attribute of the element with a type. Where the app keeps no types, its primary or only element is meant.
fn read_element(elements: &[Value], kind: &str, sub: &str) -> Option<Value> {
    let of = |element: &Value| element.as_object().and_then(|object| json::get(object, sub)).cloned();
    if let Some(element) = elements.iter().find(|element| is_of_type(element, kind)) {
        return of(element);
    }
    let objects = || elements.iter().filter_map(Value::as_object);
    if objects().any(|object| json::get(object, "type").is_some()) {
        return None;
    }
    let primary = objects().find(|object| json::flag(object, "primary") == Some(true));
    let only = || objects().next().filter(|_| elements.len() == 1);
    primary.or_else(only).and_then(|object| json::get(object, sub)).cloned()
}

fn is_value(value: &Value) -> bool {
    !value.is_null() && !value.as_array().is_some_and(Vec::is_empty)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
