//! The short way: a plain attribute name, alone or with `one`, `all` or `default`, without the engine.
//!
//! In: an expression's text; later a record. Out: nothing if the text needs the engine. What it gives is what the engine would
//! give; a test holds the two together.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use super::lint::ReadAttribute;
use super::values::{self, MappedValue};
use super::words::{ExpressionToken, RESERVED, words};

/// A name and what is done with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Direct {
    name: SourceAttribute,
    steps: Vec<PathStep>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PathStep {
    /// `| one`
    One,
    /// `| all`
    All,
    /// `| default(other)`
    Or(SourceAttribute),
    /// `| default(leave)`
    OrLeave,
}

/// An attribute's name, `title`, `extension-attr`, or a place in an object, `attributes.heapRole`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceAttribute {
    whole: Box<str>,
    dotted: bool,
}

impl SourceAttribute {
    /// Letters, digits, `_`, and the `-` and `;` of LDAP, in pieces joined by dots; no word of the language.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let piece = |piece: &str| {
            piece.chars().next().is_some_and(|c| c == '_' || c.is_alphabetic())
                && piece.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ';'))
        };
        let mut pieces = text.split('.');
        let first = pieces.next().unwrap_or_default();
        let legal = piece(first) && !RESERVED.contains(&first) && pieces.all(piece);
        legal.then(|| Self { whole: text.into(), dotted: text.contains('.') })
    }

    /// Its value. A dotted name is a place inside an object, or, where there is no such object, a column of that name.
    pub(super) fn find<'r>(&self, record: &'r Map<String, Json>) -> Option<&'r Json> {
        let value = if self.dotted { dotted(&self.whole, record) } else { record.get(&*self.whole) };
        value.filter(|value| !values::is_empty(value))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.whole
    }
}

fn dotted<'r>(whole: &str, record: &'r Map<String, Json>) -> Option<&'r Json> {
    let mut pieces = whole.split('.');
    match record.get(pieces.next()?).filter(|root| !values::is_empty(root)) {
        Some(root) => pieces.try_fold(root, |value, piece| value.get(piece)),
        None => record.get(whole),
    }
}

/// Looks a name up as rules see it: dotted names too, `None` for what counts as no value.
pub(super) fn find<'r>(name: &str, record: &'r Map<String, Json>) -> Option<&'r Json> {
    let value = if name.contains('.') { dotted(name, record) } else { record.get(name) };
    value.filter(|value| !values::is_empty(value))
}

impl Direct {
    /// Reads a text of the short form; `None` if it is any other expression.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (head, tail) = text.split_once('|').map_or((text, None), |(head, tail)| (head, Some(tail)));
        let name = SourceAttribute::parse(head.trim())?;
        let steps = tail.map_or(Some(Vec::new()), steps)?;
        Some(Self { name, steps })
    }

    /// The attribute that is read first: whoever has a value there gets exactly that.
    pub(super) fn name(&self) -> &str {
        self.name.as_str()
    }

    pub(super) fn is_plain_name(&self) -> bool {
        self.steps.is_empty()
    }

    /// The attributes it reads, with their places in the text it was read from.
    pub(super) fn reads(&self, text: &str) -> Vec<ReadAttribute> {
        let others = self.steps.iter().filter_map(|step| match step {
            PathStep::Or(name) => Some(name),
            PathStep::One | PathStep::All | PathStep::OrLeave => None,
        });
        let mut from = 0;
        let mut reads: Vec<ReadAttribute> = Vec::new();
        for name in std::iter::once(&self.name).chain(others) {
            let at = text.get(from..).and_then(|rest| rest.find(&*name.whole)).map(|at| from + at);
            let at = at.map(|at| at..at + name.whole.len());
            from = at.as_ref().map_or(from, |at| at.end);
            if reads.iter().all(|read| *read.name != *name.whole) {
                reads.push(ReadAttribute { name: name.whole.to_string(), at, exact: false });
            }
        }
        reads
    }

    /// The outcome for one record, whose values `look_up` knows.
    pub(super) fn run<'r>(&self, look_up: impl Fn(&SourceAttribute) -> Option<Cow<'r, Json>>) -> MappedValue {
        let mut value = look_up(&self.name);
        for step in &self.steps {
            value = match (step, value) {
                (PathStep::OrLeave, None) => return MappedValue::Leave,
                (PathStep::Or(other), None) => look_up(other),
                (PathStep::One, Some(value)) => Some(first(value)),
                (PathStep::All, Some(value)) if !value.is_array() => {
                    Some(Cow::Owned(Json::Array(vec![value.into_owned()])))
                }
                (_, value) => value,
            };
        }
        value.map_or(MappedValue::Unset, |value| values::from_record(&value))
    }
}

/// The first element of a list that is not empty; any other value as it is.
fn first(value: Cow<'_, Json>) -> Cow<'_, Json> {
    let element = value.as_array().and_then(|list| list.iter().find(|item| !values::is_empty(item)).cloned());
    element.map_or(value, Cow::Owned)
}

/// Reads `one | all | default(name)`, the part after the first bar.
fn steps(tail: &str) -> Option<Vec<PathStep>> {
    tail.split('|').map(step).collect()
}

fn step(text: &str) -> Option<PathStep> {
    let text = text.trim();
    match text {
        "one" => return Some(PathStep::One),
        "all" => return Some(PathStep::All),
        _ => {}
    }
    let call = words(text);
    let [filter, open, .., close] = call.as_slice() else { return None };
    let is_default = filter.is_name("default") || filter.is_name("d");
    if !is_default || !open.is_sign("(") || !close.is_sign(")") {
        return None;
    }
    let argument = inside(text, open, close)?.trim();
    if argument == "leave" { Some(PathStep::OrLeave) } else { SourceAttribute::parse(argument).map(PathStep::Or) }
}

fn inside<'t>(text: &'t str, open: &ExpressionToken<'_>, close: &ExpressionToken<'_>) -> Option<&'t str> {
    text.get(open.at.end..close.at.start)
}
