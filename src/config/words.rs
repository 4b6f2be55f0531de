//! The sentences of `shape`: what a schema asks for and what a file has, in a person's words.

use std::ops::Range;

use serde_json::{Map, Value as Json};
use toml::de::DeValue;

use super::document::TomlNode;

/// The JSON types that stand for a TOML value.
fn types_of(value: &DeValue<'_>) -> &'static [&'static str] {
    match value {
        DeValue::String(_) => &["string"],
        DeValue::Integer(_) => &["integer", "number"],
        DeValue::Float(_) => &["number"],
        DeValue::Boolean(_) => &["boolean"],
        DeValue::Array(_) => &["array"],
        DeValue::Table(_) => &["object"],
        DeValue::Datetime(_) => &[],
    }
}

/// The types a schema without choices takes.
fn types_in(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).filter(|one| *one != "null").collect(),
        _ if schema.get("const").is_some() || schema.get("enum").is_some() => vec!["string"],
        _ => Vec::new(),
    }
}

/// Whether a schema without choices takes a value of this type.
pub(super) fn accepts(schema: &Json, value: &DeValue<'_>) -> bool {
    let types = types_in(schema);
    types.is_empty() || types_of(value).iter().any(|one| types.contains(one))
}

/// What the alternatives take: `a text or a list`.
pub(super) fn wanted(all: &[&Json]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for kind in all.iter().flat_map(|one| types_in(one)) {
        let name = match kind {
            "string" => "a text",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "`true` or `false`",
            "array" => "a list",
            "object" => "a table",
            _ => continue,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(" or ")
}

fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
        DeValue::Datetime(_) => "a date or time",
    }
}

/// The message and hint for a value of the wrong type.
pub(super) fn wrong_type(name: &str, wanted: &str, all: &[&Json], value: &DeValue<'_>) -> (String, Option<String>) {
    let message = format!("{name} takes {wanted}, this is {}", found(value));
    (message, hint(all, value))
}

fn hint(all: &[&Json], value: &DeValue<'_>) -> Option<String> {
    let takes = |kind: &str| all.iter().any(|one| types_in(one).contains(&kind));
    let example = all.iter().find_map(|one| one.get("examples")?.as_array()?.first()?.as_str());
    match value {
        DeValue::String(text) if takes("integer") && text.parse::<i64>().is_ok() => {
            Some(format!("write it without quotes: `{text}`"))
        }
        DeValue::String(text) if takes("boolean") && matches!(text.as_ref(), "true" | "false") => {
            Some(format!("write it without quotes: `{text}`"))
        }
        DeValue::String(text) if takes("array") && text.chars().count() < 60 => {
            Some(format!("write it as a list: `[{text:?}]`"))
        }
        DeValue::Integer(number) if takes("string") && example.is_none() => {
            Some(format!("write it in quotes: `\"{number}\"`"))
        }
        DeValue::Boolean(truth) if takes("string") && example.is_none() => {
            Some(format!("write it in quotes: `\"{truth}\"`"))
        }
        _ => Some(match example {
            Some(example) => format!("such as `{example:?}`"),
            None => plain_example(all),
        }),
    }
}

/// How a value of the wanted type looks.
fn plain_example(all: &[&Json]) -> String {
    let kind = all.iter().flat_map(|one| types_in(one)).next().unwrap_or_default();
    match kind {
        "string" => "a text is in quotes: `\"text\"`",
        "integer" | "number" => "a number has no quotes: `4`",
        "boolean" => "write `true` or `false`, without quotes",
        "array" => "a list is in brackets: `[\"one\", \"two\"]`",
        _ => "a table has its own line, `[table]`, or is in braces: `{ key = \"value\" }`",
    }
    .to_owned()
}

/// The texts that a choice allows; empty if some alternative is not a choice.
pub(super) fn allowed<'s>(fitting: &[&'s Json]) -> Vec<&'s str> {
    let mut allowed = Vec::new();
    for one in fitting {
        match (one.get("const"), one.get("enum")) {
            (Some(Json::String(text)), _) => allowed.push(text.as_str()),
            (_, Some(Json::Array(texts))) => allowed.extend(texts.iter().filter_map(Json::as_str)),
            _ => return Vec::new(),
        }
    }
    allowed
}

/// The numbers that a schema takes: its bounds within those of the Rust type behind it.
pub(super) fn range(schema: &Json) -> (i64, i64) {
    let (low, high) = match schema.get("format").and_then(Json::as_str) {
        Some("uint8") => (0, 255),
        Some("uint16") => (0, i64::from(u16::MAX)),
        Some("uint32") => (0, i64::from(u32::MAX)),
        Some("uint64" | "uint" | "limit") => (0, i64::MAX),
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let bound = |word: &str| schema.get(word).and_then(Json::as_i64);
    (bound("minimum").unwrap_or(low).max(low), bound("maximum").unwrap_or(high).min(high))
}

/// `in [target]`, `in [users.attributes]`, `in this file`.
pub(super) fn in_table(path: &[String]) -> String {
    if path.is_empty() { "at the top of this file".to_owned() } else { format!("in `[{}]`", path.join(".")) }
}

/// `a`, `b` or `c`.
pub(crate) fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match (names.pop(), names.is_empty()) {
        (None, _) => "none".to_owned(),
        (Some(only), true) => only,
        (Some(last), false) => format!("{} or {last}", names.join(", ")),
    }
}

/// The table of the schema that has a key of this name, if exactly one does.
pub(super) fn home_of(key: &str, schema: &Json) -> Option<String> {
    let mut homes = Vec::new();
    let tables = schema.get("properties").and_then(Json::as_object)?;
    for (table, property) in tables {
        if resolve(property, schema).is_some_and(|keys| keys.contains_key(key)) {
            homes.push(table.clone());
        }
    }
    match (homes.pop(), homes.is_empty()) {
        (Some(home), true) => Some(home),
        _ => None,
    }
}

fn resolve<'s>(property: &'s Json, schema: &'s Json) -> Option<&'s Map<String, Json>> {
    let target = match property.get("$ref").and_then(Json::as_str) {
        Some(name) => schema.pointer(name.strip_prefix('#')?)?,
        None => property,
    };
    target.get("properties")?.as_object()
}

/// What a description says first, as a hint: lower case at the start, no full stop.
pub(super) fn first_sentence(description: &str) -> String {
    let line = description.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let sentence = line.split_once(". ").map_or(line.as_str(), |(first, _)| first).trim_end_matches('.');
    let mut letters = sentence.chars();
    match letters.next() {
        Some(first) => format!("{}{}", first.to_lowercase(), letters.as_str()),
        None => String::new(),
    }
}

/// What to mark of a value: a table written under its own header is marked by the key, anything else as a whole.
pub(super) fn span_to_show(node: &TomlNode<'_>, key: &Range<usize>) -> Range<usize> {
    if node.get_ref().is_table() { key.clone() } else { node.span() }
}
