//! PATCH bodies (RFC 7644 §3.5.2). In: values to set and paths to clear. Out: operations in the style that the profile names.

use serde_json::{Value, json};

use super::filter;
use super::json::JsonObject;
use super::resource::{self, Wire};
use crate::config::profile::{BoolStyle, ClearStyle, GroupWire, MemberRemove, OpCase, PatchPath, UserWire};
use crate::model::{Attributes, Path};

/// The message schema of a PATCH (RFC 7644 §3.5.2).
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// One thing to write: the path as it is on the wire.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PatchEdit {
    /// The value at this path shall be this.
    Set(Path, Value),
    /// As `Set`, for an element that is known not to be there yet: a filter in the path would find nothing.
    Add(Path, Value),
    /// There shall be no value at this path.
    Clear(Path),
}

impl PatchEdit {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Set(path, _) | Self::Add(path, _) | Self::Clear(path) => path,
        }
    }

    /// Whether it is about one element of a multi-valued attribute.
    pub(super) fn is_element(&self) -> bool {
        self.path().parts().element_type.is_some()
    }
}

/// What a change comes down to on the wire: without what the app does not know, or takes only when an account is made.
pub(super) fn edits(wire: &Wire, users: &UserWire, set: &Attributes, clear: &[Path]) -> Vec<PatchEdit> {
    let sendable = |path: &&Path| !wire.attributes.is_sent_once(path);
    let mut edits = Vec::with_capacity(set.len() + clear.len());
    for (path, value) in set.iter().filter(|(path, _)| sendable(path)) {
        if let Some(on_wire) = wire.path(path) {
            edits.push(PatchEdit::Set(on_wire.clone(), wire.value(path, value)));
        }
    }
    if users.clear != ClearStyle::Never {
        edits.extend(clear.iter().filter(sendable).filter_map(|path| wire.path(path)).cloned().map(PatchEdit::Clear));
    }
    edits
}

/// The body of a PATCH that makes these edits.
pub(super) fn user_body(users: &UserWire, edits: &[PatchEdit]) -> Value {
    let operations = match users.patch_path {
        PatchPath::WithPath => edits.iter().map(|edit| operation(users, edit)).collect(),
        PatchPath::Pathless => vec![pathless(users, edits, false)],
        PatchPath::PathlessDotted => vec![pathless(users, edits, true)],
    };
    message(operations)
}

/// The edits that are left when the resource is looked at: what is to be cleared and is not there is dropped, and elements that
/// are not there yet are added. For apps that refuse a path that finds nothing (`noTarget`).
pub(super) fn fitted(edits: Vec<PatchEdit>, resource: &JsonObject) -> Vec<PatchEdit> {
    let is_there = |path: &Path| resource::read(resource, path).is_some();
    let fit = |edit: PatchEdit| match edit {
        PatchEdit::Clear(path) if !is_there(&path) => None,
        PatchEdit::Set(path, value) if path.parts().element_type.is_some() && !is_there(&path) => {
            Some(PatchEdit::Add(path, value))
        }
        other => Some(other),
    };
    edits.into_iter().filter_map(fit).collect()
}

/// The edits of single elements turned into edits of their whole lists, which keep the elements that are not ours.
pub(super) fn as_whole_lists(edits: Vec<PatchEdit>, resource: &JsonObject) -> Vec<PatchEdit> {
    let (of_elements, mut rest): (Vec<PatchEdit>, Vec<PatchEdit>) = edits.into_iter().partition(PatchEdit::is_element);
    let mut merged = resource.clone();
    apply(&mut merged, &of_elements);
    let mut lists: Vec<Path> =
        of_elements.iter().filter_map(|edit| Path::parse(&list_path(edit.path())).ok()).collect();
    lists.dedup();
    rest.extend(lists.into_iter().map(|list| match resource::read(&merged, &list) {
        Some(elements) => PatchEdit::Set(list, elements),
        None => PatchEdit::Clear(list),
    }));
    rest
}

/// Makes the edits in a whole resource, for a PUT.
pub(super) fn apply(resource: &mut JsonObject, edits: &[PatchEdit]) {
    for edit in edits {
        match edit {
            PatchEdit::Set(path, value) | PatchEdit::Add(path, value) => resource::set(resource, path, value.clone()),
            PatchEdit::Clear(path) => resource::clear(resource, path),
        }
    }
}

fn message(operations: Vec<Value>) -> Value {
    json!({ "schemas": [PATCH_OP], "Operations": operations })
}

fn op(case: OpCase, name: &'static str) -> &'static str {
    match (case, name) {
        (OpCase::Lower, name) => name,
        (OpCase::Pascal, "add") => "Add",
        (OpCase::Pascal, "remove") => "Remove",
        (OpCase::Pascal, _) => "Replace",
    }
}

fn operation(users: &UserWire, edit: &PatchEdit) -> Value {
    match edit {
        PatchEdit::Add(path, value) => {
            let parts = path.parts();
            let mut element = JsonObject::new();
            element.insert("type".to_owned(), parts.element_type.into());
            element.insert(parts.sub.unwrap_or("value").to_owned(), styled(users.bool_style, value));
            let list = json!([element]);
            json!({ "op": op(users.op_case, "add"), "path": list_path(path), "value": list })
        }
        PatchEdit::Set(path, value) => {
            let (path, value) = as_whole_manager(path, value);
            json!({ "op": op(users.op_case, "replace"), "path": path, "value": styled(users.bool_style, &value) })
        }
        PatchEdit::Clear(path) => match users.clear {
            ClearStyle::RemoveOp | ClearStyle::Never => {
                json!({ "op": op(users.op_case, "remove"), "path": removable(path) })
            }
            ClearStyle::Null => {
                json!({ "op": op(users.op_case, "replace"), "path": path.as_str(), "value": Value::Null })
            }
            ClearStyle::EmptyString => {
                json!({ "op": op(users.op_case, "replace"), "path": path.as_str(), "value": "" })
            }
        },
    }
}

/// A manager is replaced as a whole: its `displayName` is the app's and would go stale (RFC 7643 §4.3).
fn as_whole_manager(path: &Path, value: &Value) -> (String, Value) {
    match path.as_str().strip_suffix(".value") {
        Some(manager) if *path == Path::manager() => (manager.to_owned(), json!({ "value": value })),
        _ => (path.as_str().to_owned(), value.clone()),
    }
}

/// What a `remove` names: of an element or a manager, all of it and not only its value, since the rest means nothing alone.
fn removable(path: &Path) -> &str {
    let text = path.as_str();
    let is_whole = path.parts().element_type.is_some() || *path == Path::manager();
    text.strip_suffix(".value").filter(|_| is_whole).unwrap_or(text)
}

/// The multi-valued attribute that an element belongs to.
fn list_path(path: &Path) -> String {
    let parts = path.parts();
    match parts.urn {
        Some(urn) => format!("{urn}:{}", parts.attribute),
        None => parts.attribute.to_owned(),
    }
}

fn pathless(users: &UserWire, edits: &[PatchEdit], dotted: bool) -> Value {
    let mut value = JsonObject::new();
    for edit in edits {
        let (path, new) = match edit {
            PatchEdit::Set(path, new) | PatchEdit::Add(path, new) => (path, styled(users.bool_style, new)),
            PatchEdit::Clear(path) => {
                (path, if users.clear == ClearStyle::EmptyString { Value::from("") } else { Value::Null })
            }
        };
        if dotted {
            value.insert(path.as_str().to_owned(), new);
        } else {
            resource::set(&mut value, path, new);
        }
    }
    // `schemas` belongs to resources; an operation's value has none.
    value.remove("schemas");
    json!({ "op": op(users.op_case, "replace"), "value": value })
}

fn styled(style: BoolStyle, value: &Value) -> Value {
    match (style, value) {
        (BoolStyle::Text, Value::Bool(flag)) => Value::from(if *flag { "true" } else { "false" }),
        (BoolStyle::TextPascal, Value::Bool(flag)) => Value::from(if *flag { "True" } else { "False" }),
        _ => value.clone(),
    }
}

/// The body of a PATCH that sets one attribute of a user or group.
pub(super) fn set_one(users: &UserWire, attribute: &str, value: &Value) -> Value {
    let value = styled(users.bool_style, value);
    let name = op(users.op_case, "replace");
    message(vec![match users.patch_path {
        PatchPath::WithPath => json!({ "op": name, "path": attribute, "value": value }),
        PatchPath::Pathless | PatchPath::PathlessDotted => json!({ "op": name, "value": { attribute: value } }),
    }])
}

/// The body of a PATCH that adds members: one operation, whose value is the list.
pub(super) fn add_members(case: OpCase, members: &[Value]) -> Value {
    message(vec![json!({ "op": op(case, "add"), "path": "members", "value": members })])
}

/// The body of a PATCH that removes members by id.
pub(super) fn remove_members(case: OpCase, groups: &GroupWire, values: &[String]) -> Value {
    let name = op(case, "remove");
    if groups.member_remove == MemberRemove::ValueList {
        let list: Vec<Value> = values.iter().map(|value| json!({ "value": value })).collect();
        return message(vec![json!({ "op": name, "path": "members", "value": list })]);
    }
    message(values.iter().map(|value| json!({ "op": name, "path": filter::member(value) })).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
