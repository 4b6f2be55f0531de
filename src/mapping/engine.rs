//! The expression engine as mappings use it: which filters and tests there are, and how a missing attribute behaves.
//!
//! In: nothing. Out: two immutable engines, shared by all tenants. Nothing outside of the record can be reached: there are no
//! functions, no templates, no loader; what can grow without bound (repetition, padding, ranges) is not there either.

use std::sync::LazyLock;

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, filters, tests};

use crate::model::fold;

use super::values::{Leave, MAX_TEXT, NO_TEXT};

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
    engine.add_filter("join", filters::join);
    engine.add_filter("last", filters::last);
    engine.add_filter("length", filters::length);
    engine.add_filter("lines", filters::lines);
    engine.add_filter("lower", filters::lower);
    engine.add_filter("map", filters::map);
    engine.add_filter("max", filters::max);
    engine.add_filter("min", filters::min);
    engine.add_filter("reject", filters::reject);
    engine.add_filter("rejectattr", filters::rejectattr);
    engine.add_filter("reverse", filters::reverse);
    engine.add_filter("select", filters::select);
    engine.add_filter("selectattr", filters::selectattr);
    engine.add_filter("sort", filters::sort);
    engine.add_filter("split", filters::split);
    engine.add_filter("string", filters::string);
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
    with_text(text).map(fold)
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
