//! Directory records into the expression engine and results out of it.
//!
//! In: JSON of a record, and afterwards the engine's result. Out: what a rule says of an attribute ([`Outcome`]).
//! Knows nothing of SCIM. The one rule of this file: `null`, `""` and `[]` are *no value*, in a record and in a result, because
//! a CSV column, an LDAP entry and a JSON document have different ways of saying the same thing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value, ValueKind};
use serde_json::{Map, Value as Json};

/// What a rule says of one attribute of one person.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum MappedValue {
    /// It shall have this value.
    Set(Json),
    /// It shall have none.
    Unset,
    /// It is not touched.
    Leave,
}

/// The longest text an expression may give, in bytes: SCIM attributes are names and addresses, not documents.
pub(super) const MAX_TEXT: usize = 64 * 1024;
/// The most elements of a list.
pub(super) const MAX_ELEMENTS: usize = 10_000;
/// How deeply a result may be nested.
const MAX_DEPTH: usize = 16;

/// What lists, objects and `leave` print as. They have no text of their own; a result with this character in it came from
/// joining one of them to a text (an LDAP attribute with a second value), and is refused instead of being sent as `["a", "b"]`.
/// The character is one of those that Unicode promises never to use.
pub(super) const NO_TEXT: char = '\u{FDD0}';

/// Whether a value of a record counts as no value.
pub(super) fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.iter().all(is_empty),
        Json::Bool(_) | Json::Number(_) | Json::Object(_) => false,
    }
}

/// A value of a record for the engine; `None` for what counts as no value.
pub(super) fn to_engine(value: &Json) -> Option<Value> {
    Some(match value {
        Json::Null => return None,
        Json::String(text) if text.is_empty() => return None,
        Json::String(text) => Value::from(text.as_str()),
        Json::Bool(yes) => Value::from(*yes),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(n), _) => Value::from(n),
            (None, Some(n)) => Value::from(n),
            (None, None) => Value::from(number.as_f64()?),
        },
        Json::Array(items) => {
            let items: Vec<Value> = items.iter().filter_map(to_engine).collect();
            if items.is_empty() {
                return None;
            }
            Value::from_object(RecordList(items))
        }
        Json::Object(fields) => Value::from_object(Fields::new(fields)),
    })
}

/// A list of a record.
#[derive(Debug)]
struct RecordList(Vec<Value>);

impl Object for RecordList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NO_TEXT}")
    }
}

/// An object of a record, without the fields that have no value.
#[derive(Debug)]
pub(super) struct Fields(BTreeMap<String, Value>);

impl Fields {
    fn new(fields: &Map<String, Json>) -> Self {
        fields.iter().map(|(name, value)| (name.clone(), to_engine(value))).collect()
    }
}

impl FromIterator<(String, Option<Value>)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, Option<Value>)>>(fields: I) -> Self {
        Self(fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|name| Value::from(name.as_str())).collect())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NO_TEXT}")
    }
}

/// The word `leave`: do not touch this attribute.
#[derive(Debug)]
pub(super) struct Leave;

impl Object for Leave {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NO_TEXT}")
    }
}

/// An engine's result as an outcome.
///
/// # Errors
/// Says why a result can't be the value of an attribute.
pub(super) fn from_engine(result: &Value) -> Result<MappedValue, String> {
    if result.downcast_object_ref::<Leave>().is_some() {
        return Ok(MappedValue::Leave);
    }
    Ok(to_json(result, 0)?.map_or(MappedValue::Unset, MappedValue::Set))
}

fn to_json(value: &Value, depth: usize) -> Result<Option<Json>, String> {
    if depth > MAX_DEPTH {
        return Err(format!("the result is nested more than {MAX_DEPTH} deep"));
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(None),
        ValueKind::Bool => Ok(Some(Json::Bool(value.is_true()))),
        ValueKind::Number => number(value).map(Some),
        ValueKind::String => text(value.as_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => list(value, depth),
        ValueKind::Map => fields(value, depth),
        _ if value.downcast_object_ref::<Leave>().is_some() => {
            Err("`leave` stands inside a list: it can only be the whole result".to_owned())
        }
        other => Err(format!("the result is of the kind {other}, which no attribute can hold")),
    }
}

fn number(value: &Value) -> Result<Json, String> {
    if let Ok(n) = i64::try_from(value.clone())
        && value.is_integer()
    {
        return Ok(Json::from(n));
    }
    if let Ok(n) = u64::try_from(value.clone())
        && value.is_integer()
    {
        return Ok(Json::from(n));
    }
    let float = f64::try_from(value.clone()).ok().filter(|_| !value.is_integer());
    float
        .and_then(serde_json::Number::from_f64)
        .map(Json::Number)
        .ok_or_else(|| "the result is a number that JSON can't hold".to_owned())
}

fn text(text: &str) -> Result<Option<Json>, String> {
    if text.contains(NO_TEXT) {
        return Err(
            "a list, an object or `leave` was joined to a text; take one value with `| one`, or join a list with \
                    `| join(\", \")`"
                .to_owned(),
        );
    }
    if text.len() > MAX_TEXT {
        return Err(format!("the result is longer than {MAX_TEXT} bytes"));
    }
    Ok((!text.is_empty()).then(|| Json::from(text)))
}

fn list(value: &Value, depth: usize) -> Result<Option<Json>, String> {
    let mut items = Vec::new();
    for item in value.try_iter().map_err(|error| error.to_string())?.checked() {
        if items.len() >= MAX_ELEMENTS {
            return Err(format!("the result has more than {MAX_ELEMENTS} elements"));
        }
        items.extend(to_json(&item.map_err(|error| error.to_string())?, depth + 1)?);
    }
    Ok((!items.is_empty()).then_some(Json::Array(items)))
}

fn fields(value: &Value, depth: usize) -> Result<Option<Json>, String> {
    let mut fields = Map::new();
    for name in value.try_iter().map_err(|error| error.to_string())?.checked() {
        let name = name.map_err(|error| error.to_string())?;
        let Some(text) = name.as_str() else {
            return Err("the result has a field whose name is not a text".to_owned());
        };
        let field = value.get_item(&name).map_err(|error| error.to_string())?;
        if let Some(field) = to_json(&field, depth + 1)? {
            fields.insert(text.to_owned(), field);
        }
    }
    Ok((!fields.is_empty()).then_some(Json::Object(fields)))
}

/// A value of a record as an outcome, without the engine: the way of plain names.
pub(super) fn from_record(value: &Json) -> MappedValue {
    match value {
        Json::Array(items) => {
            let items: Vec<Json> = items.iter().filter_map(without_empty).collect();
            if items.is_empty() { MappedValue::Unset } else { MappedValue::Set(Json::Array(items)) }
        }
        value => without_empty(value).map_or(MappedValue::Unset, MappedValue::Set),
    }
}

/// The value without the parts that count as no value; `None` if nothing is left.
fn without_empty(value: &Json) -> Option<Json> {
    match value {
        Json::Null => None,
        Json::String(text) => (!text.is_empty()).then(|| value.clone()),
        Json::Bool(_) | Json::Number(_) => Some(value.clone()),
        Json::Array(items) => {
            let items: Vec<Json> = items.iter().filter_map(without_empty).collect();
            (!items.is_empty()).then_some(Json::Array(items))
        }
        Json::Object(fields) => {
            let fields: Map<String, Json> =
                fields.iter().filter_map(|(name, value)| Some((name.clone(), without_empty(value)?))).collect();
            (!fields.is_empty()).then_some(Json::Object(fields))
        }
    }
}
