//! The left-hand sides: which SCIM attributes may be mapped, and what shape their values have (RFC 7643 §4.1, §4.3).
//!
//! In: a key as written, later a value. Out: its path and shape, or why it can't be mapped; later the value in that shape.
//! Knows nothing of expressions. Attributes that no RFC names (`role`, custom extensions) are taken as they are.

use serde_json::{Value as Json, json};

use crate::model::{ENTERPRISE, Path};

/// The core schema's URN (RFC 7643 §4.1).
const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// Attributes with one text (RFC 7643 §3.1, §4.1.1).
#[rustfmt::skip]
const TEXTS: [&str; 10] = [
    "userName", "externalId", "displayName", "nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale",
    "timezone",
];

/// The parts of `name`.
#[rustfmt::skip]
const NAME_PARTS: [&str; 6] =
    ["formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix"];

/// Attributes with many values (RFC 7643 §4.1.2).
#[rustfmt::skip]
const PLURALS: [&str; 8] =
    ["emails", "phoneNumbers", "ims", "photos", "addresses", "entitlements", "roles", "x509Certificates"];

/// The enterprise extension's texts (RFC 7643 §4.3).
const ENTERPRISE_TEXTS: [&str; 5] = ["employeeNumber", "costCenter", "organization", "division", "department"];

/// Attributes that may not be mapped, and why.
const REFUSED: [(&str, &str); 6] = [
    (
        "active",
        "follows the person's standing in the directory; `[users]` says what becomes of suspended and departed people",
    ),
    ("id", "is given by the app"),
    ("meta", "is kept by the app"),
    ("schemas", "follows from the attributes that are mapped"),
    ("password", "is never sent: people sign in through the directory"),
    ("groups", "can only be read in SCIM; memberships are kept through the groups themselves"),
];

/// What a value has to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
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
pub(super) struct Key {
    pub(super) path: Path,
    pub(super) shape: Shape,
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

/// Reads a key. `list` says whether the right-hand side gives a list: then `emails` is the whole attribute, otherwise it is
/// the work e-mail. That is settled once for all people; an attribute that changed its path from one person or day to the
/// next could not be compared.
pub(super) fn read(written: &str, list: bool) -> Result<Key, KeyFlaw> {
    if written == "manager" {
        return Ok(Key { path: Path::manager(), shape: Shape::Text });
    }
    let written_short = match written {
        "emails" | "phoneNumbers" if !list => format!("{written}.work"),
        _ => written.to_owned(),
    };
    let path = Path::parse(&written_short).or_else(|error| flaw(error.to_string(), None))?;
    let shape = shape_of(&path, written)?;
    Ok(Key { path, shape })
}

fn shape_of(path: &Path, written: &str) -> Result<Shape, KeyFlaw> {
    let parts = path.parts();
    if let Some((name, why)) = REFUSED.iter().find(|(name, _)| name.eq_ignore_ascii_case(parts.attribute))
        && (parts.urn.is_none() || parts.urn == Some(CORE))
    {
        return flaw(format!("`{name}` is not mapped: it {why}"), None);
    }
    match parts.urn {
        None => core_shape(path, written),
        Some(urn) if urn == ENTERPRISE => enterprise_shape(path),
        Some(urn) if urn.eq_ignore_ascii_case(CORE) => {
            let local = written.get(CORE.len() + 1..).unwrap_or_default();
            flaw("attributes of the core schema are written without its URN", Some(format!("write `{local}`")))
        }
        Some(_) => Ok(Shape::Any),
    }
}

fn core_shape(path: &Path, written: &str) -> Result<Shape, KeyFlaw> {
    let parts = path.parts();
    let known = TEXTS.iter().chain(&PLURALS).chain(&["name"]);
    right_case(parts.attribute, known.copied())?;
    let parted = parts.sub.is_some() || parts.element_type.is_some();
    match parts.attribute {
        "name" => match parts.sub {
            Some(sub) => right_case(sub, NAME_PARTS).map(|()| Shape::Text),
            None => flaw("`name` has parts, and each is mapped by itself", Some("write `name.givenName`".to_owned())),
        },
        name if TEXTS.contains(&name) && parted => {
            flaw(format!("`{name}` has no parts"), Some(format!("write `{name}`")))
        }
        name if TEXTS.contains(&name) => Ok(Shape::Text),
        name if PLURALS.contains(&name) => plural_shape(path, written),
        _ => Ok(Shape::Any),
    }
}

fn plural_shape(path: &Path, written: &str) -> Result<Shape, KeyFlaw> {
    let parts = path.parts();
    let name = parts.attribute;
    match (parts.element_type, parts.sub) {
        (Some(kind @ ("value" | "type" | "primary" | "display")), _) if !written.contains('[') => flaw(
            format!("`{written}` would be the element of type `{kind}`"),
            Some(format!("name a type: `{name}.work`")),
        ),
        (Some(_), Some("primary")) | (None, Some("primary")) => {
            flaw(format!("`primary` of `{name}` is not mapped: the profile says which element is primary"), None)
        }
        (Some(_), _) => Ok(Shape::Element),
        (None, None) if matches!(name, "emails" | "phoneNumbers") => Ok(Shape::TypedElements),
        (None, None) if matches!(name, "roles" | "addresses") => Ok(Shape::Any),
        (None, None) => Ok(Shape::Elements),
        (None, Some(_)) => Ok(Shape::Any),
    }
}

fn enterprise_shape(path: &Path) -> Result<Shape, KeyFlaw> {
    let parts = path.parts();
    right_case(parts.attribute, ENTERPRISE_TEXTS.into_iter().chain(["manager"]))?;
    match (parts.attribute, parts.sub) {
        ("manager", Some("value")) => Ok(Shape::Text),
        ("manager", _) => flaw(
            "of the manager only the id is mapped; the app fills in the rest",
            Some("write `enterprise.manager`".to_owned()),
        ),
        (name, Some(_)) if ENTERPRISE_TEXTS.contains(&name) => {
            flaw(format!("`{name}` has no parts"), Some(format!("write `enterprise.{name}`")))
        }
        (name, None) if ENTERPRISE_TEXTS.contains(&name) => Ok(Shape::Text),
        _ => Ok(Shape::Any),
    }
}

/// SCIM compares attribute names without case (RFC 7643 §2.1), rosterd's state and many apps do not.
fn right_case<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Result<(), KeyFlaw> {
    match known.into_iter().find(|known| known.eq_ignore_ascii_case(name)) {
        Some(known) if known != name => flaw(format!("`{name}` is spelt `{known}`"), Some(format!("write `{known}`"))),
        _ => Ok(()),
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
pub(super) fn shape(value: Json, shape: Shape) -> Result<Option<Json>, String> {
    match shape {
        Shape::Any => Ok(Some(value)),
        Shape::Text => one_text(value, "").map(Some),
        Shape::Element => one_text(value, ", or map the whole attribute with `| all`").map(Some),
        Shape::Elements => Ok(Some(Json::Array(elements(value, |_, value| json!({ "value": value }))))),
        Shape::TypedElements => Ok(Some(Json::Array(elements(value, |ix, value| match ix {
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
