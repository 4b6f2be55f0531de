//! The expression engine as mappings use it: which filters and tests there are, and how a missing attribute behaves.
//!
//! In: nothing. Out: two immutable engines, shared by all tenants. Nothing outside of the record can be reached: there are no
//! functions, no templates, no loader; what can grow without bound (repetition, padding, ranges) is not there either.

use std::sync::{Arc, LazyLock};

use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, filters, tests};

use crate::model::casefold as without_case;

use super::rewrite::{BESIDE, JOINED};
use super::values::{Leave, MAX_ELEMENTS, MAX_TEXT, NO_TEXT};

/// Steps one evaluation may take.
const FUEL: u64 = 10_000;

/// For attributes and names: computing with a missing attribute is an error for that person; asking whether it is there
/// (`if title`, `title is defined`, `title | default(…)`) is not.
pub(super) static STRICT: LazyLock<Environment<'static>> = LazyLock::new(|| engine(UndefinedBehavior::SemiStrict));

/// For filters: a missing attribute equals nothing, contains nothing and is false.
pub(super) static LENIENT: LazyLock<Environment<'static>> = LazyLock::new(|| engine(UndefinedBehavior::Chainable));

/// The filters there are.
#[rustfmt::skip]
pub(super) const FILTERS: [&str; 34] = [
    "all", "alnum", "ascii", "bool", "capitalize", "casefold", "count", "d", "default", "first", "int", "join", "last",
    "length", "lines", "lower", "map", "max", "min", "one", "prefix", "reject", "rejectattr", "replace", "reverse", "select",
    "selectattr", "sort", "split", "string", "title", "trim", "unique", "upper",
];

/// The tests there are (`x is …`).
#[rustfmt::skip]
pub(super) const TESTS: [&str; 14] = [
    "boolean", "defined", "endingwith", "eq", "equalto", "in", "mapping", "ne", "none", "number", "sequence",
    "startingwith", "string", "undefined",
];

/// Filters whose result is a list.
pub(super) const LIST_FILTERS: [&str; 11] =
    ["all", "lines", "map", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "split", "unique"];

fn engine(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(undefined);
    engine.set_fuel(Some(FUEL));
    // Without it errors have no place in the text.
    engine.set_debug(true);
    engine.add_global("leave", Value::from_object(Leave));
    add_filters(&mut engine);
    add_tests(&mut engine);
    engine
}

fn add_filters(engine: &mut Environment<'static>) {
    engine.add_filter("bool", filters::bool);
    engine.add_filter("capitalize", filters::capitalize);
    engine.add_filter("count", filters::length);
    engine.add_filter("d", filters::default);
    engine.add_filter("default", filters::default);
    engine.add_filter("first", filters::first);
    engine.add_filter("int", filters::int);
    engine.add_filter("join", join);
    engine.add_filter("last", filters::last);
    engine.add_filter("length", filters::length);
    engine.add_filter("lines", lines);
    engine.add_filter("lower", filters::lower);
    engine.add_filter("map", map);
    engine.add_filter("max", max);
    engine.add_filter("min", min);
    engine.add_filter("reject", filters::reject);
    engine.add_filter("rejectattr", filters::rejectattr);
    engine.add_filter("reverse", filters::reverse);
    engine.add_filter("select", filters::select);
    engine.add_filter("selectattr", filters::selectattr);
    engine.add_filter("sort", sort);
    engine.add_filter("split", split);
    engine.add_filter("string", string);
    engine.add_filter("title", filters::title);
    engine.add_filter("trim", filters::trim);
    engine.add_filter("unique", filters::unique);
    engine.add_filter("upper", filters::upper);
    // Our own.
    engine.add_filter("all", all);
    engine.add_filter("alnum", alnum);
    engine.add_filter("ascii", ascii);
    engine.add_filter("casefold", casefold);
    engine.add_filter("one", one);
    engine.add_filter("prefix", prefix);
    engine.add_filter("replace", replace);
    engine.add_filter(BESIDE, beside);
    engine.add_filter(JOINED, joined);
}

fn add_tests(engine: &mut Environment<'static>) {
    engine.add_test("boolean", tests::is_boolean);
    engine.add_test("defined", tests::is_defined);
    engine.add_test("endingwith", tests::is_endingwith);
    engine.add_test("eq", tests::is_eq);
    engine.add_test("equalto", tests::is_eq);
    engine.add_test("in", tests::is_in);
    engine.add_test("mapping", tests::is_mapping);
    engine.add_test("ne", tests::is_ne);
    engine.add_test("none", tests::is_none);
    engine.add_test("number", tests::is_number);
    engine.add_test("sequence", tests::is_sequence);
    engine.add_test("startingwith", tests::is_startingwith);
    engine.add_test("string", tests::is_string);
    engine.add_test("undefined", tests::is_undefined);
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// Of a list the first value; any other value as it is, also a missing one. (`first` takes a text's first letter.)
fn one(value: &Value) -> Result<Value, Error> {
    if is_list(value) { filters::first(value) } else { Ok(value.clone()) }
}

/// A list as it is; one value as a list of it; a missing one stays missing.
fn all(value: &Value) -> Value {
    if is_list(value) || value.is_undefined() || value.is_none() {
        value.clone()
    } else {
        Value::from(vec![value.clone()])
    }
}

/// The key under which texts compare without case, in any script.
fn casefold(text: &str) -> Result<String, Error> {
    with_text(text).map(without_case)
}

/// Only the letters and digits, of any script.
fn alnum(text: &str) -> Result<String, Error> {
    Ok(with_text(text)?.chars().filter(|c| c.is_alphanumeric()).collect())
}

/// The first letters of a text.
fn prefix(text: &str, letters: u32) -> String {
    text.chars().take(letters as usize).collect()
}

/// A mark that a list left in a text must not be filtered away.
fn with_text(text: &str) -> Result<&str, Error> {
    if text.contains(NO_TEXT) { Err(wrong("a list or an object has no text")) } else { Ok(text) }
}

fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let growth = to.len().saturating_mul(text.matches(from).count());
    if text.len().saturating_add(growth) > MAX_TEXT {
        return Err(wrong(format!("`replace` would make a text longer than {MAX_TEXT} bytes")));
    }
    Ok(text.replace(from, to))
}

/// A value of a text: the field writes booleans in small letters.
fn as_text(value: &Value) -> Value {
    match value.kind() {
        ValueKind::Bool => Value::from(if value.is_true() { "true" } else { "false" }),
        _ => value.clone(),
    }
}

/// How many bytes a value takes in a text.
fn text_length(value: &Value) -> usize {
    value.as_str().map_or_else(|| value.to_string().len(), str::len)
}

fn short_enough(what: &str, length: usize) -> Result<(), Error> {
    match length > MAX_TEXT {
        true => Err(wrong(format!("`{what}` would make a text longer than {MAX_TEXT} bytes"))),
        false => Ok(()),
    }
}

fn few_enough(what: &str, elements: usize) -> Result<(), Error> {
    match elements > MAX_ELEMENTS {
        true => Err(wrong(format!("`{what}` would make a list of more than {MAX_ELEMENTS} elements"))),
        false => Ok(()),
    }
}

/// What is joined to a text with `~`.
fn joined(value: &Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::String {
        short_enough("~", text_length(value))?;
    }
    Ok(as_text(value))
}

/// The left side of a comparison by order, if it can be held against the right one: texts order as texts, numbers as numbers.
fn beside(left: &Value, right: &Value) -> Result<Value, Error> {
    comparable(left, right)?;
    Ok(left.clone())
}

fn comparable(left: &Value, right: &Value) -> Result<(), Error> {
    use ValueKind::{Number, String};
    let (text, number) = match (left.kind(), right.kind()) {
        (String, Number) => (left, right),
        (Number, String) => (right, left),
        _ => return Ok(()),
    };
    let text: std::string::String = text.to_string().chars().take(40).collect();
    Err(wrong(format!(
        "the text {text:?} can't be compared with the number {number}: write `| int` behind what should be a number, or quote the number"
    )))
}

/// Every element of a list can be held against every other.
fn one_kind(value: &Value) -> Result<(), Error> {
    let (mut text, mut number) = (None, None);
    for item in value.try_iter().into_iter().flatten() {
        match item.kind() {
            ValueKind::String => text = Some(item),
            ValueKind::Number => number = Some(item),
            _ => {}
        }
    }
    text.zip(number).map_or(Ok(()), |(text, number)| comparable(&text, &number))
}

fn max(state: &State, value: Value, options: Kwargs) -> Result<Value, Error> {
    one_kind(&value)?;
    filters::max(state, value, options)
}

fn min(state: &State, value: Value, options: Kwargs) -> Result<Value, Error> {
    one_kind(&value)?;
    filters::min(state, value, options)
}

fn sort(state: &State, value: Value, options: Kwargs) -> Result<Value, Error> {
    one_kind(&value)?;
    filters::sort(state, value, options)
}

fn string(state: &State, value: &Value) -> Result<Value, Error> {
    filters::string(state, &as_text(value))
}

fn split(value: &Value, by: Option<Arc<str>>, times: Option<i64>) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        short_enough("split", text.len())?;
        let parts = match by.as_deref() {
            Some("") => text.chars().count() + 2,
            Some(by) => text.matches(by).count() + 1,
            None => text.split_whitespace().count(),
        };
        let most =
            times.and_then(|times| usize::try_from(times).ok()).map_or(usize::MAX, |times| times.saturating_add(1));
        few_enough("split", parts.min(most))?;
    }
    filters::split(value, by, times)
}

fn lines(value: &Value) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        short_enough("lines", text.len())?;
        few_enough("lines", text.lines().count())?;
    }
    filters::lines(value)
}

fn join(value: &Value, by: Option<&str>, attribute: Option<&str>) -> Result<Value, Error> {
    let by = by.unwrap_or_default();
    if value.is_undefined() || value.is_none() {
        return Ok(Value::from(""));
    }
    let mut text = std::string::String::new();
    for (at, item) in value.try_iter()?.enumerate() {
        few_enough("join", at + 1)?;
        let item = match attribute {
            Some(attribute) => item.get_attr(attribute)?,
            None => item,
        };
        let item = as_text(&item);
        short_enough("join", text.len().saturating_add(by.len()).saturating_add(text_length(&item)))?;
        if at > 0 {
            text.push_str(by);
        }
        match item.as_str() {
            Some(part) => text.push_str(part),
            None => text.push_str(&item.to_string()),
        }
    }
    Ok(Value::from(text))
}

/// One element after the other, so that the end comes where it is too much and not behind it.
fn map(state: &mut State, value: Value, how: Rest<ValueOrKwargs>) -> Result<Vec<Value>, Error> {
    if value.is_undefined() || value.is_none() {
        return filters::map(state, value, how);
    }
    let (mut all, mut weight) = (Vec::new(), 0_usize);
    for item in value.try_iter()? {
        few_enough("map", all.len() + 1)?;
        let how = Rest(how.iter().cloned().collect());
        let mapped = filters::map(state, Value::from(vec![item]), how)?;
        weight = mapped.iter().fold(weight, |sum, one| sum.saturating_add(weight_of(one)));
        short_enough("map", weight)?;
        all.extend(mapped);
    }
    Ok(all)
}

/// The bytes of all texts in a value.
fn weight_of(value: &Value) -> usize {
    match value.as_str() {
        Some(text) => text.len(),
        None if is_list(value) => value
            .try_iter()
            .into_iter()
            .flatten()
            .fold(0_usize, |sum, item| sum.saturating_add(1).saturating_add(weight_of(&item))),
        None => 1,
    }
}

/// Latin letters and what they are without their marks.
#[rustfmt::skip]
const LATIN: [(&str, &str); 36] = [
    ("àáâãäåāăąǎ", "a"), ("çćĉċč", "c"), ("ďđð", "d"), ("èéêëēĕėęě", "e"), ("ĝğġģ", "g"), ("ĥħ", "h"),
    ("ìíîïĩīĭįıǐ", "i"), ("ĵ", "j"), ("ķ", "k"), ("ĺļľŀł", "l"), ("ñńņňŋ", "n"), ("òóôõöøōŏőǒ", "o"), ("ŕŗř", "r"),
    ("śŝşšș", "s"), ("ţťŧț", "t"), ("ùúûüũūŭůűųǔ", "u"), ("ŵ", "w"), ("ýÿŷ", "y"), ("źżž", "z"), ("æ", "ae"),
    ("œ", "oe"), ("ß", "ss"), ("þ", "th"), ("ĳ", "ij"), ("‘’ʼ", "'"), ("“”", "\""), ("‐‑–—", "-"), ("\u{a0}", " "),
    ("ǆ", "dz"), ("ǉ", "lj"), ("ǌ", "nj"), ("ĸ", "q"), ("ſ", "s"), ("ǵ", "g"), ("ǫ", "o"), ("ẽ", "e"),
];

/// Latin letters without their marks (`é` → `e`, `ß` → `ss`); an error for a letter that has no such spelling, rather than a
/// name with holes.
fn ascii(text: &str) -> Result<String, Error> {
    let mut plain = String::with_capacity(text.len());
    for c in with_text(text)?.chars() {
        if c.is_ascii() {
            plain.push(c);
            continue;
        }
        let lower: String = c.to_lowercase().collect();
        let spelt = LATIN.iter().find(|(letters, _)| letters.contains(lower.as_str())).map(|(_, spelt)| *spelt);
        let Some(spelt) = spelt else {
            return Err(wrong(format!("`{c}` has no spelling in ASCII letters")));
        };
        if c.is_uppercase() { plain.push_str(&spelt.to_uppercase()) } else { plain.push_str(spelt) }
    }
    Ok(plain)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod unit {
    use super::*;

    #[test]
    fn every_name_in_the_lists_is_there() {
        let value = Value::from("x");
        for name in FILTERS.iter().chain(&LIST_FILTERS) {
            let rule = format!("x is defined and (x | {name}) is defined");
            if let Err(error) = STRICT.compile_expression(&rule).unwrap().eval(Value::from_pairs([("x", &value)])) {
                assert_ne!(error.kind(), ErrorKind::UnknownFilter, "{name}");
            }
        }
        for name in TESTS {
            let rule = format!("x is {name}");
            if let Err(error) = STRICT.compile_expression(&rule).unwrap().eval(Value::from_pairs([("x", &value)])) {
                assert_ne!(error.kind(), ErrorKind::UnknownTest, "{name}");
            }
        }
    }

    #[test]
    fn letters_lose_their_marks_or_are_refused() {
        assert_eq!(ascii("Zoë Ångström-Łuß Ærø").unwrap(), "Zoe Angstrom-Luss AEro");
        assert!(ascii("Ольга").is_err());
    }

    #[test]
    fn i7_replacing_can_not_grow_without_bound() {
        assert!(replace(&"a".repeat(1000), "a", &"b".repeat(1000)).is_err());
        assert_eq!(replace("a.b", ".", "-").unwrap(), "a-b");
    }
}
