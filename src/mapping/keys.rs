//! The left-hand sides: which SCIM attributes may be mapped, and what shape their values have (RFC 7643 §4.1, §4.3).
//!
//! In: a key as written, later a value. Out: its path and shape, or why it can't be mapped; later the value in that shape.
//! Knows nothing of expressions. Attributes that no RFC names (`role`, custom extensions) are taken as they are.

use serde_json::{Value as Json, json};

use crate::model::Path;
use crate::schema::{self, Attribute, USER};

/// Attributes that may not be mapped, and why.
const REFUSED: [(&str, &str); 6] = [
    (
        "active",
        "follows the user's lifecycle status in the directory; `[users]` says what happens to suspended and departed users",
    ),
    ("id", "is given by the app"),
    ("meta", "is kept by the app"),
    ("schemas", "follows from the attributes that are mapped"),
    ("password", "is never sent: users sign in through the directory"),
    ("groups", "can only be read in SCIM; memberships are kept through the groups themselves"),
];

/// What a value has to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyShape {
    /// One text.
    Text,
    /// One text, of an attribute that could also hold many: `emails.work`.
    Element,
    /// All elements of a multi-valued attribute.
    Elements,
    /// All elements, of which the first is the work one and primary: `emails`, `phoneNumbers`.
    TypedElements,
    /// Whatever the rule gives.
    Any,
}

/// A left-hand side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AttributeKey {
    pub(super) path: Path,
    pub(super) shape: KeyShape,
}

/// Why a left-hand side can't be mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyFlaw {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

fn flaw<T>(message: impl Into<String>, hint: Option<String>) -> Result<T, KeyFlaw> {
    Err(KeyFlaw { message: message.into(), hint })
}

impl From<schema::Misspelt> for KeyFlaw {
    fn from(misspelt: schema::Misspelt) -> Self {
        Self { message: misspelt.message, hint: Some(misspelt.hint) }
    }
}

/// Reads a key. `list` says whether the right-hand side gives a list: then `emails` is the whole attribute, otherwise it is
/// the work e-mail. That is settled once for all people; an attribute that changed its path from one person or day to the
/// next could not be compared.
pub(super) fn read(written: &str, list: bool) -> Result<AttributeKey, KeyFlaw> {
    if written == "manager" {
        return Ok(AttributeKey { path: Path::manager(), shape: KeyShape::Text });
    }
    let written_short = match written {
        "emails" | "phoneNumbers" if !list => format!("{written}.work"),
        _ => written.to_owned(),
    };
    let path = Path::parse(&written_short).or_else(|error| flaw(error.to_string(), None))?;
    let shape = shape_of(&path, written)?;
    Ok(AttributeKey { path, shape })
}

fn shape_of(path: &Path, written: &str) -> Result<KeyShape, KeyFlaw> {
    let parts = path.parts();
    let is_core = parts.urn.is_none_or(|urn| urn == USER.urn);
    if is_core && let Some((name, why)) = REFUSED.iter().find(|(name, _)| name.eq_ignore_ascii_case(parts.attribute)) {
        return flaw(format!("`{name}` is not mapped: it {why}"), None);
    }
    let parted = parts.sub.is_some() || parts.element_type.is_some();
    let found = schema::in_user(parts.urn, parts.attribute, parted)?;
    let Some(attribute) = found.map(|found| found.attribute) else { return Ok(KeyShape::Any) };
    match (attribute.multi_valued, attribute.sub_attributes) {
        (true, _) => plural_shape(path, attribute, written),
        (false, []) => Ok(KeyShape::Text),
        (false, subs) if parts.urn.is_none() => match parts.sub {
            Some(sub) => match subs.iter().find(|known| known.name.eq_ignore_ascii_case(sub)) {
                Some(known) if known.name != sub => {
                    flaw(format!("`{sub}` is spelt `{}`", known.name), Some(format!("write `{}`", known.name)))
                }
                _ => Ok(KeyShape::Text),
            },
            None => flaw("`name` has parts, and each is mapped by itself", Some("write `name.givenName`".to_owned())),
        },
        (false, _) if parts.sub == Some("value") => Ok(KeyShape::Text),
        (false, _) => flaw(
            "of the manager only the id is mapped; the app fills in the rest",
            Some("write `enterprise.manager`".to_owned()),
        ),
    }
}

fn plural_shape(path: &Path, attribute: &Attribute, written: &str) -> Result<KeyShape, KeyFlaw> {
    let (parts, name) = (path.parts(), attribute.name);
    let has_work = attribute.element_types().contains(&"work");
    match (parts.element_type, parts.sub) {
        (Some(kind @ ("value" | "type" | "primary" | "display")), _) if !written.contains('[') => flaw(
            format!("`{written}` would be the element of type `{kind}`"),
            Some(format!("name a type: `{name}.work`")),
        ),
        (_, Some("primary")) => {
            flaw(format!("`primary` of `{name}` is not mapped: the profile says which element is primary"), None)
        }
        (Some(_), _) => Ok(KeyShape::Element),
        (None, Some(_)) => Ok(KeyShape::Any),
        (None, None) if has_work && attribute.sub("value").is_some() => Ok(KeyShape::TypedElements),
        // Apps differ in what a role is; an address has no value of its own.
        (None, None) if has_work || name == "roles" => Ok(KeyShape::Any),
        (None, None) => Ok(KeyShape::Elements),
    }
}

/// Whether one of two paths is the whole of which the other is a part.
pub(super) fn overlap(a: &Path, b: &Path) -> bool {
    let (left, right) = (a.parts(), b.parts());
    let whole = |path: &Path| path.parts().element_type.is_none() && path.parts().sub.is_none();
    a != b && left.urn == right.urn && left.attribute == right.attribute && (whole(a) || whole(b))
}

/// Puts a value into its attribute's shape. `Ok(None)` is no value.
///
/// # Errors
/// Says why the attribute can't hold the value.
pub(super) fn shape(value: Json, shape: KeyShape) -> Result<Option<Json>, String> {
    match shape {
        KeyShape::Any => Ok(Some(value)),
        KeyShape::Text => one_text(value, "").map(Some),
        KeyShape::Element => one_text(value, ", or map the whole attribute with `| all`").map(Some),
        KeyShape::Elements => Ok(Some(Json::Array(elements(value, |_, value| json!({ "value": value }))))),
        KeyShape::TypedElements => Ok(Some(Json::Array(elements(value, |ix, value| match ix {
            0 => json!({ "value": value, "type": "work", "primary": true }),
            _ => json!({ "value": value, "type": "other" }),
        })))),
    }
}

fn one_text(value: Json, instead: &str) -> Result<Json, String> {
    match value {
        Json::String(_) => Ok(value),
        // A JSON file's `"employeeNumber": 1001`.
        Json::Number(number) => Ok(Json::String(number.to_string())),
        Json::Array(mut items) => match (items.pop(), items.len()) {
            (Some(only), 0) => one_text(only, instead),
            (_, others) => Err(format!(
                "there are {} values and the attribute holds one; take the first with `| one`{instead}",
                others + 1
            )),
        },
        Json::Bool(_) => Err("the value is true or false, and the attribute holds a text".to_owned()),
        Json::Object(_) => Err("the value is an object, and the attribute holds a text".to_owned()),
        Json::Null => Err("the value is null, and the attribute holds a text".to_owned()),
    }
}

/// Elements that are already objects stay as they are; texts and numbers become objects.
fn elements(value: Json, element: impl Fn(usize, Json) -> Json) -> Vec<Json> {
    let items = match value {
        Json::Array(items) => items,
        one => vec![one],
    };
    items.into_iter().enumerate().map(|(ix, item)| if item.is_object() { item } else { element(ix, item) }).collect()
}
