//! The door: a client's JSON becomes a draft that keeps the schema, or is refused (RFC 7643 §2, RFC 7644 §3.3, §3.5.1).
//!
//! In: a JSON body and the state (members and managers must exist). Out: a `Draft` with canonical attribute names, without
//! what only the server may say. It changes nothing.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Map, Value};

use super::fault::ScimFault;
use super::id::Id;
use super::members::MemberEdit;
use super::store::{Resource, ResourceDraft, SandboxState};
use crate::schema::ENTERPRISE;
use crate::schema::{Attribute, Mutability, ResourceType, Schema, Type};

/// Finds a key of a message whatever its case (RFC 7643 §2.1).
pub(super) fn key<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.get(name).or_else(|| body.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// The body as an object.
pub(super) fn object(body: &Value) -> Result<&Map<String, Value>, ScimFault> {
    body.as_object().ok_or_else(|| ScimFault::syntax("the body is not a JSON object"))
}

/// Checks that a body is a message of this schema (RFC 7644 §3.1).
pub(super) fn message(body: &Map<String, Value>, urn: &str) -> Result<(), ScimFault> {
    let listed = key(body, "schemas").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match listed.iter().filter_map(Value::as_str).any(|listed| listed.eq_ignore_ascii_case(urn)) {
        true => Ok(()),
        false => Err(ScimFault::syntax(format!("`schemas` does not list {urn:?}"))),
    }
}

/// Reads the body of a POST or PUT.
pub(super) fn resource(kind: ResourceType, state: &SandboxState, body: &Value) -> Result<ResourceDraft, ScimFault> {
    let body = object(body)?;
    let claimed = schemas(kind, body)?;
    let mut draft = ResourceDraft { attrs: Map::new(), members: MemberEdit::exactly(BTreeSet::new()) };
    for (name, value) in body {
        if let Some(extension) = kind.extension(name) {
            if !claimed.contains(extension.urn) {
                return Err(ScimFault::syntax(format!("the body has {name:?}, but `schemas` does not list it")));
            }
            if let Some(value) = extension_value(extension, value)? {
                put_once(&mut draft.attrs, extension.urn, value)?;
            }
            continue;
        }
        let Some(found) = super::find(kind, None, name) else {
            return Err(ScimFault::syntax(format!("a {} has no attribute {name:?}", kind.name())));
        };
        // readOnly attributes SHALL be ignored (RFC 7644 §3.3); `schemas` follows from what is there
        if found.attribute.mutability == Mutability::ReadOnly || found.attribute.name == "schemas" {
            continue;
        }
        if is_members(kind, found.attribute) {
            draft.members = MemberEdit::exactly(members(state, &list(found.attribute, value)?)?);
        } else if let Some(value) = attribute(found.attribute, value)? {
            put_once(&mut draft.attrs, found.attribute.name, value)?;
        }
    }
    Ok(draft)
}

/// Two spellings of one name in a body are a contradiction, not a last-one-wins.
fn put_once(map: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), ScimFault> {
    match map.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(ScimFault::syntax(format!("the attribute {name:?} is given twice"))),
    }
}

/// Whether an attribute is `Group.members`, which is kept apart from the others.
pub(super) fn is_members(kind: ResourceType, attr: &Attribute) -> bool {
    kind == ResourceType::Group && attr.name == "members"
}

/// Checks `schemas`: the core schema must be there and every URN known (RFC 7643 §3.3). Answers the extensions listed.
fn schemas(kind: ResourceType, body: &Map<String, Value>) -> Result<BTreeSet<&'static str>, ScimFault> {
    let core = kind.core().urn;
    let listed = key(body, "schemas").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut has_core = false;
    let mut extensions = BTreeSet::new();
    for urn in listed {
        let urn = urn.as_str().ok_or_else(|| ScimFault::syntax("`schemas` holds something that is not a string"))?;
        if urn.eq_ignore_ascii_case(core) {
            has_core = true;
        } else if let Some(extension) = kind.extension(urn) {
            extensions.insert(extension.urn);
        } else {
            return Err(ScimFault::syntax(format!("`schemas` lists {urn:?}, which a {} does not have", kind.name())));
        }
    }
    if !has_core {
        return Err(ScimFault::syntax(format!("`schemas` does not list {core:?}")));
    }
    Ok(extensions)
}

/// Reads what stands under an extension's URN. `None`: nothing is assigned.
pub(super) fn extension_value(extension: &'static Schema, value: &Value) -> Result<Option<Value>, ScimFault> {
    complex(extension.urn, extension.attributes, value)
}

/// Reads the value of an attribute. `None`: null, empty and absent are the same (RFC 7643 §2.5).
pub(super) fn attribute(attr: &'static Attribute, value: &Value) -> Result<Option<Value>, ScimFault> {
    if !attr.multi_valued {
        return single(attr, value);
    }
    let values = list(attr, value)?;
    one_primary(attr, &values)?;
    Ok((!values.is_empty()).then_some(Value::Array(values)))
}

/// Reads the values of a multi-valued attribute.
pub(super) fn list(attr: &'static Attribute, value: &Value) -> Result<Vec<Value>, ScimFault> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(values) => values.iter().filter_map(|value| single(attr, value).transpose()).collect(),
        _ => Err(ScimFault::value(format!("{:?} is multi-valued: its value is an array", attr.name))),
    }
}

/// Reads one value of an attribute.
pub(super) fn single(attr: &'static Attribute, value: &Value) -> Result<Option<Value>, ScimFault> {
    let fits = match (attr.ty, value) {
        (_, Value::Null) => return Ok(None),
        (Type::Complex, _) => return complex(attr.name, attr.sub_attributes, value),
        (Type::String | Type::Reference, Value::String(_)) | (Type::Boolean, Value::Bool(_)) => true,
        (Type::Integer, Value::Number(number)) => number.is_i64(),
        (Type::DateTime, Value::String(text)) => text.parse::<jiff::Timestamp>().is_ok(),
        (Type::Binary, Value::String(text)) => STANDARD.decode(text).is_ok() || URL_SAFE.decode(text).is_ok(),
        _ => false,
    };
    if !fits {
        return Err(ScimFault::value(format!("the value of {:?} is not a {}", attr.name, attr.ty.name())));
    }
    Ok(Some(value.clone()))
}

fn complex(name: &str, subs: &'static [Attribute], value: &Value) -> Result<Option<Value>, ScimFault> {
    if value.is_null() {
        return Ok(None);
    }
    let given =
        value.as_object().ok_or_else(|| ScimFault::value(format!("the value of {name:?} is not a JSON object")))?;
    let mut kept = Map::new();
    for (key, value) in given {
        let Some(sub) = subs.iter().find(|sub| sub.name.eq_ignore_ascii_case(key)) else {
            return Err(ScimFault::syntax(format!("{name:?} has no sub-attribute {key:?}")));
        };
        if sub.mutability == Mutability::ReadOnly {
            continue;
        }
        if let Some(value) = attribute(sub, value)? {
            put_once(&mut kept, sub.name, value)?;
        }
    }
    Ok((!kept.is_empty()).then_some(Value::Object(kept)))
}

/// Whether a value of a multi-valued attribute is marked as the preferred one.
pub(super) fn is_primary(value: &Value) -> bool {
    value.get("primary").and_then(Value::as_bool).unwrap_or(false)
}

/// `primary: true` MUST appear no more than once (RFC 7643 §2.4).
pub(super) fn one_primary(attr: &Attribute, values: &[Value]) -> Result<(), ScimFault> {
    match values.iter().filter(|value| is_primary(value)).count() {
        0 | 1 => Ok(()),
        n => Err(ScimFault::value(format!("{n} values of {:?} are primary; at most one may be", attr.name))),
    }
}

/// Turns admitted values of `members` into ids of resources that exist.
pub(super) fn members(state: &SandboxState, values: &[Value]) -> Result<BTreeSet<Id>, ScimFault> {
    values.iter().map(|value| member(state, value)).collect()
}

fn member(state: &SandboxState, value: &Value) -> Result<Id, ScimFault> {
    let text = |name| value.get(name).and_then(Value::as_str);
    let id = text("value").ok_or_else(|| ScimFault::value("a member has no `value`"))?;
    let found = Id::parse(id)
        .and_then(|id| state.any(id))
        .ok_or_else(|| ScimFault::value(format!("the member {id:?} is no user or group of this server")))?;
    match text("type") {
        Some(given) if given != found.kind.name() => {
            Err(ScimFault::value(format!("the member {id:?} is a {}, not a {given:?}", found.kind.name())))
        }
        _ => Ok(found.id),
    }
}

/// What must hold of a whole draft, however it came about. `old` is what the resource held before, if it existed.
pub(super) fn whole(
    kind: ResourceType,
    state: &SandboxState,
    old: Option<&Resource>,
    draft: &ResourceDraft,
) -> Result<(), ScimFault> {
    for attr in kind.core().attributes.iter().filter(|attr| attr.required) {
        if draft.text(attr.name).is_none_or(|text| text.trim().is_empty()) {
            return Err(ScimFault::value(format!("{:?} is required", attr.name)));
        }
    }
    let manager =
        |attrs: &Map<String, Value>| attrs.get(ENTERPRISE.urn).and_then(|e| e.pointer("/manager/value")).cloned();
    let (new, before) = (manager(&draft.attrs), old.and_then(|old| manager(&old.attrs)));
    // a manager who was deleted since stays as a dangling reference, and must not block other changes
    if let Some(new) = new.filter(|new| before.as_ref() != Some(new)) {
        let known = new.as_str().and_then(Id::parse).is_some_and(|id| state.get(ResourceType::User, id).is_some());
        if !known {
            return Err(ScimFault::value(format!("the manager {new} is no user of this server")));
        }
    }
    match old {
        Some(old) if draft.members.adds(old.id) => Err(ScimFault::value("a group cannot be a member of itself")),
        _ => Ok(()),
    }
}
