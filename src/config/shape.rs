//! Is a file of the right shape? In: its tree and the JSON Schema made from our types. Out: every unknown key, wrong type,
//! missing key and value out of range at once, each at its place, with what to write instead.
//!
//! Reading with serde alone would stop at the first mistake. The schema is the one that editors get, so an editor and
//! `rosterd check` say the same. `words` puts it in sentences.

use serde_json::{Map, Value as Json};
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Level};
use super::document::{Document, Syntax, TomlNode};
use super::forms;
use super::words;

/// The parts of JSON Schema that are understood; a test makes sure that our schemas use no other.
#[cfg(test)]
pub(super) const KEYWORDS: [&str; 28] = [
    "$defs",
    "$ref",
    "$schema",
    "$comment",
    "additionalProperties",
    "anyOf",
    "const",
    "default",
    "description",
    "enum",
    "examples",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "oneOf",
    "properties",
    "required",
    "title",
    "type",
    "x-hint",
    "x-one-of",
];

/// Checks a whole file against a schema.
pub(super) fn check(document: &Document<'_>, schema: &Json, found: &mut Vec<Diagnostic>) {
    let walk = DocumentWalk { document, schema };
    if *document.syntax() == Syntax::Unclear {
        return;
    }
    let mut all = Vec::new();
    walk.table(&[schema], document.root(), &ValueLocation { span: 0..0, path: Vec::new(), entry: false }, &mut all);
    found.extend(all.into_iter().filter(|one| !walk.on_damaged_line(one)));
}

struct DocumentWalk<'w, 't> {
    document: &'w Document<'t>,
    schema: &'w Json,
}

/// Where a value is: the bytes to point at, and the keys that lead there.
#[derive(Clone)]
struct ValueLocation {
    span: std::ops::Range<usize>,
    path: Vec<String>,
    /// Whether it is an entry of the list that the last key names.
    entry: bool,
}

impl ValueLocation {
    fn below(&self, key: &str, span: std::ops::Range<usize>) -> Self {
        let mut path = self.path.clone();
        path.push(key.to_owned());
        Self { span, path, entry: false }
    }

    fn entry(&self, span: std::ops::Range<usize>) -> Self {
        Self { span, path: self.path.clone(), entry: true }
    }

    /// What to call it: by its key.
    fn name(&self) -> String {
        match (self.path.last(), self.entry) {
            (None, _) => "this file".to_owned(),
            (Some(key), false) => format!("`{key}`"),
            (Some(key), true) => format!("an entry of `{key}`"),
        }
    }
}

impl<'w> DocumentWalk<'w, '_> {
    /// What a schema says of itself once references and choices are resolved: its alternatives, flat.
    fn alternatives(&self, schema: &'w Json) -> Vec<&'w Json> {
        let mut flat = Vec::new();
        self.flatten(schema, 0, &mut flat);
        flat
    }

    fn flatten(&self, schema: &'w Json, depth: u8, flat: &mut Vec<&'w Json>) {
        let choices = ["anyOf", "oneOf"].iter().find_map(|word| schema.get(word)?.as_array());
        let target =
            schema.get("$ref").and_then(Json::as_str).and_then(|name| self.schema.pointer(name.strip_prefix('#')?));
        match (target, choices) {
            // Our schemas do not refer to themselves; the bound is for one that some day might.
            _ if depth > 32 => {}
            (Some(target), _) => self.flatten(target, depth + 1, flat),
            (None, Some(choices)) => choices.iter().for_each(|choice| self.flatten(choice, depth + 1, flat)),
            (None, None) if schema.get("type").and_then(Json::as_str) == Some("null") => {}
            (None, None) => flat.push(schema),
        }
    }

    fn value(&self, schema: &'w Json, node: &TomlNode<'_>, place: &ValueLocation, found: &mut Vec<Diagnostic>) {
        let all = self.alternatives(schema);
        let fitting: Vec<&Json> = all.iter().copied().filter(|one| words::accepts(one, node.get_ref())).collect();
        let hint = all.iter().chain([&schema]).find_map(|one| one.get("x-hint")?.as_str());
        if fitting.is_empty() && !all.is_empty() {
            found.push(self.wrong_type(&all, node, place, hint));
            return;
        }
        match node.get_ref() {
            DeValue::Table(table) => self.table(&fitting, table, place, found),
            DeValue::Array(values) => {
                let items = fitting.iter().find_map(|one| one.get("items"));
                self.length(&fitting, values.iter().count(), "Items", node, hint, found);
                for value in values.iter() {
                    if let Some(items) = items {
                        self.value(items, value, &place.entry(value.span()), found);
                    }
                }
            }
            DeValue::String(text) => self.text(&fitting, text, node, place, hint, found),
            DeValue::Integer(number) => self.number(&fitting, number, node, hint, found),
            DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
    }

    fn wrong_type(&self, all: &[&Json], node: &TomlNode<'_>, place: &ValueLocation, hint: Option<&str>) -> Diagnostic {
        let wanted = words::wanted(all);
        let (message, own_hint) = words::wrong_type(&place.name(), &wanted, all, node.get_ref());
        let hint = hint.map(str::to_owned).or(own_hint);
        self.document.at(words::span_to_show(node, &place.span), Level::Error, message, hint)
    }

    fn table(&self, fitting: &[&'w Json], table: &DeTable<'_>, place: &ValueLocation, found: &mut Vec<Diagnostic>) {
        let Some(schema) = fitting.iter().find(|one| one.get("properties").is_some()).or(fitting.first()) else {
            return;
        };
        let none = Map::new();
        let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
        let further = schema.get("additionalProperties");
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let inner = if value.get_ref().is_table() { key.span() } else { value.span() };
            match (properties.get(name), further) {
                (Some(schema), _) => self.value(schema, value, &place.below(name, inner), found),
                (None, Some(Json::Bool(false))) => found.push(self.unknown_key(name, key.span(), properties, place)),
                (None, Some(schema)) => self.value(schema, value, &place.below(name, inner), found),
                (None, None) => {}
            }
        }
        let present = |name: &str| table.contains_key(name);
        self.missing(schema, &present, place, found);
        self.how_many_keys(schema, table, place, found);
    }

    fn unknown_key(
        &self,
        name: &str,
        span: std::ops::Range<usize>,
        known: &Map<String, Json>,
        place: &ValueLocation,
    ) -> Diagnostic {
        let keys = || known.keys().map(String::as_str);
        let hint = match forms::nearest(name, keys()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => match words::home_of(name, self.schema) {
                Some(table) => format!("`{name}` belongs in `[{table}]`"),
                None => format!("the keys here are {}", words::list(keys())),
            },
        };
        self.document.at(
            span,
            Level::Error,
            format!("there is no key `{name}` {}", words::in_table(&place.path)),
            Some(hint),
        )
    }

    fn missing(
        &self,
        schema: &Json,
        present: &dyn Fn(&str) -> bool,
        place: &ValueLocation,
        found: &mut Vec<Diagnostic>,
    ) {
        if *self.document.syntax() != Syntax::Clean {
            return; // The missing key may be what could not be read.
        }
        let required = schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        for name in required.filter(|name| !present(name)) {
            let property = schema.pointer(&format!("/properties/{name}"));
            let table = property.is_some_and(|property| {
                self.alternatives(property).iter().all(|one| one.get("type").and_then(Json::as_str) == Some("object"))
            });
            let told = property.and_then(|one| one.get("description")?.as_str()).map(words::first_sentence);
            let (message, hint) = if table && place.path.is_empty() {
                (format!("the table `[{name}]` is missing"), told.map(|told| format!("write `[{name}]`: {told}")))
            } else {
                (format!("the key `{name}` is missing {}", words::in_table(&place.path)), told)
            };
            found.push(self.document.at(place.span.clone(), Level::Error, message, hint));
        }
    }

    fn how_many_keys(&self, schema: &Json, table: &DeTable<'_>, place: &ValueLocation, found: &mut Vec<Diagnostic>) {
        let bound = |word: &str| schema.get(word).and_then(Json::as_u64);
        // Where some keys exclude each other and others may stand beside them, only the former count.
        let exclusive = schema.get("x-one-of").and_then(Json::as_array);
        let exclusive = exclusive.map(|listed| listed.iter().filter_map(Json::as_str).collect::<Vec<_>>());
        let counts = |key: &str| exclusive.as_ref().is_none_or(|listed| listed.contains(&key));
        let (few, many) = match &exclusive {
            Some(_) => (1, 1),
            None => (bound("minProperties").unwrap_or(0), bound("maxProperties").unwrap_or(u64::MAX)),
        };
        let count = table.iter().filter(|(key, _)| counts(key.get_ref())).count();
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if (few..=many).contains(&count) || *self.document.syntax() != Syntax::Clean {
            return;
        }
        let keys =
            schema.get("properties").and_then(Json::as_object).into_iter().flat_map(Map::keys).map(String::as_str);
        let keys = keys.filter(|key| counts(key));
        let what = place.name();
        let message = match count {
            0 if !table.is_empty() => format!("{what} does not say where it is"),
            0 => format!("{what} is empty"),
            _ => format!("{what} has {count} keys, and takes exactly one"),
        };
        let hint = format!("give exactly one of {}", words::list(keys));
        found.push(self.document.at(place.span.clone(), Level::Error, message, Some(hint)));
    }

    fn text(
        &self,
        fitting: &[&Json],
        text: &str,
        node: &TomlNode<'_>,
        place: &ValueLocation,
        hint: Option<&str>,
        found: &mut Vec<Diagnostic>,
    ) {
        let allowed = words::allowed(fitting);
        if !allowed.is_empty() {
            if !allowed.contains(&text) {
                let near = forms::nearest(text, allowed.iter().copied());
                let hint = match near {
                    Some(near) => format!("did you mean `{near}`? it can be {}", words::list(allowed.iter().copied())),
                    None => format!("it can be {}", words::list(allowed.iter().copied())),
                };
                found.push(self.document.at(
                    node.span(),
                    Level::Error,
                    format!("{} can't be {text:?}", place.name()),
                    Some(hint),
                ));
            }
            return;
        }
        let counted = if text.trim().is_empty() { 0 } else { text.chars().count() };
        if self.length(fitting, counted, "Length", node, hint, found) {
            return;
        }
        let format = fitting.iter().find_map(|one| one.get("format")?.as_str());
        if let Some(Err(misfit)) = format.and_then(|format| forms::check(format, text)) {
            let part = misfit.at.map(|part| super::literal::part(self.document.source().text(), node.span(), part));
            let span = part.unwrap_or_else(|| node.span());
            found.push(self.document.at(span, Level::Error, misfit.message, misfit.hint));
        }
    }

    /// Checks how long a text or list is; says whether something was wrong.
    fn length(
        &self,
        fitting: &[&Json],
        count: usize,
        of: &str,
        node: &TomlNode<'_>,
        hint: Option<&str>,
        found: &mut Vec<Diagnostic>,
    ) -> bool {
        let bound = |word: &str| fitting.iter().find_map(|one| one.get(format!("{word}{of}"))?.as_u64());
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let message = match (bound("min"), bound("max")) {
            (Some(least), _) if count < least && count == 0 => "this is empty".to_owned(),
            (Some(least), _) if count < least => format!("this has {count} of at least {least}"),
            (_, Some(1)) if count > 1 && of == "Length" => "this takes a single character".to_owned(),
            (_, Some(most)) if count > most => format!("this has {count}, and takes at most {most}"),
            _ => return false,
        };
        let hint = hint.map_or_else(|| "leave the key out, or give it a value".to_owned(), str::to_owned);
        found.push(self.document.at(node.span(), Level::Error, message, Some(hint)));
        true
    }

    fn number(
        &self,
        fitting: &[&Json],
        number: &toml::de::DeInteger<'_>,
        node: &TomlNode<'_>,
        hint: Option<&str>,
        found: &mut Vec<Diagnostic>,
    ) {
        let Some(schema) = fitting.first() else { return };
        let (least, most) = words::range(schema);
        let value = i64::from_str_radix(number.as_str(), number.radix()).ok();
        if value.is_some_and(|value| (least..=most).contains(&value)) {
            return;
        }
        let own = format!("write a whole number from {least} to {most}");
        let message = format!("{number} is out of range");
        found.push(self.document.at(node.span(), Level::Error, message, Some(hint.map_or(own, str::to_owned))));
    }

    /// On a line that is not TOML the tree holds guesses; the syntax error is enough.
    fn on_damaged_line(&self, one: &Diagnostic) -> bool {
        let (Syntax::Damaged(spans), Some(place)) = (self.document.syntax(), &one.place) else { return false };
        let text = self.document.source().text();
        let line = |at: usize| text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
        spans.iter().any(|span| line(span.start) == place.line - 1)
    }
}
