//! PATCH (RFC 7644 §3.5.2): a list of operations, applied in order.
//!
//! In: the body of the request and the resource. Out: a changed copy, or the first error; the caller puts the copy in the
//! resource's place or drops it, which makes the request atomic. It changes no state.

use std::collections::BTreeSet;

use scim_v2::filter::PatchPath;
use serde_json::{Map, Value};

use super::admit;
use super::fault::ScimFault;
use super::filter::{self, FilterNode};
use super::id::Id;
use super::patch_values::{self, Verb};
use super::render::ResourceView;
use super::store::{Resource, ResourceDraft, SandboxState};
use crate::schema::{Attribute, Mutability, ResourceType, Schema};

const PATCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// What a resource would hold after the operations of a PATCH body.
pub(super) fn apply(state: &SandboxState, old: &Resource, body: &Value) -> Result<ResourceDraft, ScimFault> {
    let draft = ResourceDraft { attrs: old.attrs.clone(), ..ResourceDraft::default() };
    let mut patch = Patch { kind: old.kind, state, members: state.members_of(old.id), draft };
    for (n, operation) in operations(body)?.iter().enumerate() {
        let located =
            |fault: ScimFault| ScimFault { detail: format!("operation {}: {}", n + 1, fault.detail), ..fault };
        patch.operation(operation).map_err(located)?;
    }
    Ok(patch.draft)
}

fn operations(body: &Value) -> Result<&[Value], ScimFault> {
    let body = admit::object(body)?;
    admit::message(body, PATCH_URN)?;
    match admit::key(body, "Operations").and_then(Value::as_array).map(Vec::as_slice) {
        None | Some([]) => Err(ScimFault::syntax("`Operations` is not an array of at least one operation")),
        Some(operations) => Ok(operations),
    }
}

struct Patch<'a> {
    kind: ResourceType,
    state: &'a SandboxState,
    /// The members before the PATCH.
    members: &'a BTreeSet<Id>,
    draft: ResourceDraft,
}

/// What a path points to.
enum PatchTarget {
    Extension(&'static Schema),
    Attribute {
        extension: Option<&'static Schema>,
        attr: &'static Attribute,
        filter: Option<FilterNode>,
        sub: Option<&'static Attribute>,
    },
}

impl Patch<'_> {
    fn operation(&mut self, operation: &Value) -> Result<(), ScimFault> {
        let operation = admit::object(operation)?;
        let verb = admit::key(operation, "op").and_then(Value::as_str).unwrap_or_default();
        let verb = Verb::parse(verb)
            .ok_or_else(|| ScimFault::syntax(format!("`op` is {verb:?}; it is one of add, remove, replace")))?;
        let path = match admit::key(operation, "path") {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) => Some(path.as_str()),
            Some(_) => return Err(ScimFault::path("`path` is not a string")),
        };
        let value = admit::key(operation, "value");
        match (verb, path, value) {
            // a value on a remove has no meaning in the RFC, and guessing one has emptied groups
            (Verb::Remove, Some(_), Some(given)) if !given.is_null() => Err(ScimFault::value(
                "a remove takes no `value`; name what goes in `path`, as in members[value eq \"id\"]",
            )),
            (Verb::Remove, Some(path), _) => self.at(path, verb, &Value::Null),
            (Verb::Remove, None, _) => Err(ScimFault::no_target("a remove needs a `path`")),
            (_, _, None) => Err(ScimFault::value("the operation has no `value`")),
            (_, Some(path), Some(value)) => self.at(path, verb, value),
            (_, None, Some(Value::Object(attributes))) => self.each(attributes, verb),
            (_, None, Some(_)) => Err(ScimFault::value("without a `path`, the `value` is an object of attributes")),
        }
    }

    /// An operation without a path: its value is a part of the resource (RFC 7644 §3.5.2.1, §3.5.2.3).
    fn each(&mut self, attributes: &Map<String, Value>, verb: Verb) -> Result<(), ScimFault> {
        for (name, value) in attributes {
            let target = match (self.kind.extension(name), super::find(self.kind, None, name)) {
                (Some(extension), _) => PatchTarget::Extension(extension),
                (None, Some(found)) => {
                    PatchTarget::Attribute { extension: None, attr: found.attribute, filter: None, sub: None }
                }
                (None, None) => {
                    return Err(ScimFault::path(format!("a {} has no attribute {name:?}", self.kind.name())));
                }
            };
            self.on(&target, verb, value)?;
        }
        Ok(())
    }

    fn at(&mut self, path: &str, verb: Verb, value: &Value) -> Result<(), ScimFault> {
        let target = PatchTarget::parse(self.kind, path)?;
        self.on(&target, verb, value)
    }

    fn on(&mut self, target: &PatchTarget, verb: Verb, value: &Value) -> Result<(), ScimFault> {
        match target {
            PatchTarget::Extension(extension) => self.on_extension(extension, verb, value),
            PatchTarget::Attribute { extension, attr, filter, sub } => {
                for part in std::iter::once(attr).chain(sub) {
                    if part.mutability == Mutability::ReadOnly || part.name == "schemas" {
                        return Err(ScimFault::mutability(format!("{:?} is not a client's to change", part.name)));
                    }
                }
                if admit::is_members(self.kind, attr) {
                    return self.on_members(attr, filter.as_ref(), *sub, verb, value);
                }
                let required = attr.required && sub.is_none();
                if required && verb == Verb::Remove {
                    return Err(ScimFault::mutability(format!("{:?} is required and cannot be removed", attr.name)));
                }
                self.within(*extension, |map| patch_values::edit(map, attr, filter.as_ref(), *sub, verb, value))
            }
        }
    }

    /// Works on the object that holds an attribute: the resource, or an extension's part, which goes when it becomes empty.
    fn within<T>(
        &mut self,
        extension: Option<&'static Schema>,
        edit: impl FnOnce(&mut Map<String, Value>) -> Result<T, ScimFault>,
    ) -> Result<T, ScimFault> {
        let Some(extension) = extension else { return edit(&mut self.draft.attrs) };
        let mut part = match self.draft.attrs.remove(extension.urn) {
            Some(Value::Object(part)) => part,
            _ => Map::new(),
        };
        let done = edit(&mut part)?;
        if !part.is_empty() {
            self.draft.attrs.insert(extension.urn.to_owned(), Value::Object(part));
        }
        Ok(done)
    }

    fn on_extension(&mut self, extension: &'static Schema, verb: Verb, value: &Value) -> Result<(), ScimFault> {
        if verb == Verb::Remove || value.is_null() {
            self.draft.attrs.remove(extension.urn);
            return Ok(());
        }
        let given = value
            .as_object()
            .ok_or_else(|| ScimFault::value(format!("the value of {:?} is not an object", extension.urn)))?;
        // some clients repeat `schemas` inside the extension, where it says nothing new
        for (name, value) in given.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("schemas")) {
            let found = super::find(self.kind, Some(extension.urn), name);
            let found =
                found.ok_or_else(|| ScimFault::path(format!("{:?} has no attribute {name:?}", extension.urn)))?;
            let target =
                PatchTarget::Attribute { extension: Some(extension), attr: found.attribute, filter: None, sub: None };
            self.on(&target, verb, value)?;
        }
        Ok(())
    }

    /// `members` is a set of ids; the parts of one member never change (RFC 7643 §4.2).
    fn on_members(
        &mut self,
        attr: &'static Attribute,
        filter: Option<&FilterNode>,
        sub: Option<&'static Attribute>,
        verb: Verb,
        value: &Value,
    ) -> Result<(), ScimFault> {
        if sub.is_some() || (filter.is_some() && verb != Verb::Remove) {
            return Err(ScimFault::mutability("a member is added or removed as a whole; its parts do not change"));
        }
        match (verb, filter) {
            (Verb::Remove, None) => self.draft.members.clear(),
            (Verb::Remove, Some(filter)) => {
                for id in self.selected_members(filter) {
                    self.draft.members.remove(id);
                }
            }
            (verb, _) => {
                let values = admit::list(attr, &patch_values::as_list(value))?;
                let ids = admit::members(self.state, &values)?;
                if verb == Verb::Replace {
                    self.draft.members.clear();
                }
                ids.into_iter().for_each(|id| self.draft.members.add(id));
            }
        }
        Ok(())
    }

    fn selected_members(&self, filter: &FilterNode) -> Vec<Id> {
        let matches = |id: &Id| {
            let Some(resource) = self.state.any(*id) else { return false };
            let view = ResourceView { state: self.state, resource, base: "" };
            view.member(*id).as_ref().and_then(Value::as_object).is_some_and(|member| filter.matches(member))
        };
        match filter.value_equals() {
            // the usual filter names one member: no need to look at the others
            Some(id) => Id::parse(id).filter(matches).into_iter().collect(),
            None => self.draft.members.after(self.members).filter(matches).collect(),
        }
    }
}

impl PatchTarget {
    fn parse(kind: ResourceType, path: &str) -> Result<Self, ScimFault> {
        // a bare extension URN would parse as an attribute of a shorter URN
        if let Some(extension) = kind.extension(path.trim()) {
            return Ok(Self::Extension(extension));
        }
        let parsed: PatchPath =
            path.parse().map_err(|e| ScimFault::path(format!("the path {path:?} does not parse: {e}")))?;
        let (at, values, below) = match &parsed {
            PatchPath::Attr(at) => (at, None, at.sub_attr.as_deref()),
            PatchPath::Value(value) if value.attr.sub_attr.is_some() => {
                return Err(ScimFault::path(format!(
                    "{path:?} filters a sub-attribute, which has no values of its own"
                )));
            }
            PatchPath::Value(value) => (&value.attr, Some(&value.filter), value.sub_attr.as_deref()),
        };
        let unknown = || ScimFault::path(format!("a {} has no attribute {path:?}", kind.name()));
        let found = super::find(kind, at.uri.as_deref(), &at.name).ok_or_else(unknown)?;
        let filter = values.map(|filter| filter::compile_values(found.attribute, filter)).transpose()?;
        let sub = match below {
            Some(name) => Some(found.attribute.sub(name).ok_or_else(unknown)?),
            None => None,
        };
        Ok(Self::Attribute { extension: found.extension, attr: found.attribute, filter, sub })
    }
}
