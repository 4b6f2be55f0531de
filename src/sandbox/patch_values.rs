//! One PATCH operation on one attribute's values (RFC 7644 §3.5.2.1 to §3.5.2.3).
//!
//! In: the object that holds the attribute, which part of it is meant, and the value. Out: the object changed, or the reason
//! why not. It knows neither paths nor members.

use serde_json::{Map, Value};

use super::admit;
use super::fault::ScimFault;
use super::filter::FilterNode;
use crate::schema::Attribute;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Remove,
    Replace,
}

impl Verb {
    pub(super) fn parse(text: &str) -> Option<Self> {
        [("add", Self::Add), ("remove", Self::Remove), ("replace", Self::Replace)]
            .into_iter()
            .find_map(|(name, verb)| text.eq_ignore_ascii_case(name).then_some(verb))
    }
}

/// One value stands for a list of one.
pub(super) fn as_list(value: &Value) -> Value {
    match value {
        Value::Array(_) | Value::Null => value.clone(),
        one => Value::Array(vec![one.clone()]),
    }
}

/// Changes the attribute, or the part of it that `filter` and `sub` select.
pub(super) fn edit(
    map: &mut Map<String, Value>,
    attr: &'static Attribute,
    filter: Option<&FilterNode>,
    sub: Option<&'static Attribute>,
    verb: Verb,
    value: &Value,
) -> Result<(), ScimFault> {
    if verb == Verb::Add && value.is_null() {
        return Err(ScimFault::value("an add needs a value; null is none"));
    }
    let old = map.remove(attr.name);
    let new = match (attr.multi_valued, filter, sub) {
        (true, None, None) => many(attr, old, verb, value)?,
        (true, filter, sub) => selected(attr, old, filter, sub, verb, value)?,
        (false, _, None) => one(attr, old, verb, value)?,
        (false, _, Some(sub)) => part(attr, old, sub, verb, value)?,
    };
    if let Some(new) = new {
        map.insert(attr.name.to_owned(), new);
    }
    Ok(())
}

/// A single-valued attribute: a new value takes the old one's place. Into a complex one it is merged, where a null clears.
fn one(attr: &'static Attribute, old: Option<Value>, verb: Verb, value: &Value) -> Result<Option<Value>, ScimFault> {
    if verb == Verb::Remove {
        return Ok(None);
    }
    let new = admit::single(attr, value)?;
    let (Some(Value::Object(mut merged)), Value::Object(given)) = (old, value) else { return Ok(new) };
    merged.retain(|name, _| !given.keys().any(|key| key.eq_ignore_ascii_case(name)));
    if let Some(Value::Object(new)) = new {
        merged.extend(new);
    }
    Ok((!merged.is_empty()).then_some(Value::Object(merged)))
}

/// A sub-attribute of a single-valued complex attribute.
fn part(
    attr: &'static Attribute,
    old: Option<Value>,
    sub: &'static Attribute,
    verb: Verb,
    value: &Value,
) -> Result<Option<Value>, ScimFault> {
    let mut object = match old {
        Some(Value::Object(object)) => object,
        None => Map::new(),
        Some(_) => return Err(ScimFault::path(format!("{:?} has no sub-attributes", attr.name))),
    };
    set(&mut object, sub, verb, value)?;
    Ok((!object.is_empty()).then_some(Value::Object(object)))
}

fn set(object: &mut Map<String, Value>, sub: &'static Attribute, verb: Verb, value: &Value) -> Result<(), ScimFault> {
    object.remove(sub.name);
    if verb != Verb::Remove
        && let Some(value) = admit::attribute(sub, value)?
    {
        object.insert(sub.name.to_owned(), value);
    }
    Ok(())
}

/// All values of a multi-valued attribute: an add appends what is not there yet, a replace takes their place.
fn many(attr: &'static Attribute, old: Option<Value>, verb: Verb, value: &Value) -> Result<Option<Value>, ScimFault> {
    let given = match verb {
        Verb::Remove => Vec::new(),
        Verb::Add | Verb::Replace => admit::list(attr, &as_list(value))?,
    };
    let mut values = match (verb, old) {
        (Verb::Add, Some(Value::Array(old))) => old,
        _ => Vec::new(),
    };
    admit::one_primary(attr, &given)?;
    if given.iter().any(admit::is_primary) {
        values.iter_mut().for_each(yield_primary);
    }
    for value in given {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    Ok((!values.is_empty()).then_some(Value::Array(values)))
}

/// Setting `primary` on one value takes it from the others (RFC 7644 §3.5.2).
fn yield_primary(value: &mut Value) {
    if let Some(primary) = value.get_mut("primary") {
        *primary = Value::Bool(false);
    }
}

/// The values that a filter selects (all of them without one), or a sub-attribute of each.
fn selected(
    attr: &'static Attribute,
    old: Option<Value>,
    filter: Option<&FilterNode>,
    sub: Option<&'static Attribute>,
    verb: Verb,
    value: &Value,
) -> Result<Option<Value>, ScimFault> {
    let old = match old {
        Some(Value::Array(old)) => old,
        _ => Vec::new(),
    };
    let mut marked: Vec<(Value, bool)> = old
        .into_iter()
        .map(|value| {
            let hit = value.as_object().is_some_and(|value| filter.is_none_or(|filter| filter.matches(value)));
            (value, hit)
        })
        .collect();
    if verb != Verb::Remove && !marked.iter().any(|(_, hit)| *hit) {
        if filter.is_some() {
            return Err(ScimFault::no_target(format!("no value of {:?} meets the filter of the path", attr.name)));
        }
        // without a filter, a target that does not exist is added (RFC 7644 §3.5.2.3)
        marked.push((Value::Object(Map::new()), true));
    }
    for (old, _) in marked.iter_mut().filter(|(_, hit)| *hit) {
        *old = changed(attr, old, sub, verb, value)?;
    }
    let chosen: Vec<Value> = marked.iter().filter(|(_, hit)| *hit).map(|(value, _)| value.clone()).collect();
    admit::one_primary(attr, &chosen)?;
    if chosen.iter().any(admit::is_primary) {
        marked.iter_mut().filter(|(_, hit)| !hit).for_each(|(value, _)| yield_primary(value));
    }
    let values: Vec<Value> =
        marked.into_iter().map(|(value, _)| value).filter(|v| v.as_object().is_none_or(|v| !v.is_empty())).collect();
    Ok((!values.is_empty()).then_some(Value::Array(values)))
}

/// What becomes of one selected value; an empty object is one that goes.
fn changed(
    attr: &'static Attribute,
    old: &Value,
    sub: Option<&'static Attribute>,
    verb: Verb,
    value: &Value,
) -> Result<Value, ScimFault> {
    let gone = || Value::Object(Map::new());
    match sub {
        Some(sub) => Ok(part(attr, Some(old.clone()), sub, verb, value)?.unwrap_or_else(gone)),
        None if verb == Verb::Remove => Ok(gone()),
        None => {
            let base = (verb == Verb::Add).then(|| old.clone());
            Ok(one(attr, base, verb, value)?.unwrap_or_else(gone))
        }
    }
}
