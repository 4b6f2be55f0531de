//! Filters (RFC 7644 §3.4.2.2), of queries and of PATCH paths: checked against the schema once, then asked many times.
//!
//! In: the syntax tree of the filter grammar. Out: yes or no for a resource or a value, and, where an index can answer, which
//! one. After the check an evaluation cannot fail. It knows no state.

use std::borrow::Cow;

use jiff::Timestamp;
use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, ValFilter};
use serde_json::{Map, Value};

use super::fault::ScimFault;
use super::store::{IndexLookup, fold};
use crate::schema::{Attribute, ResourceType, Type};

/// What a filter looks at: a resource, or one value of a multi-valued attribute.
pub(super) trait Subject {
    /// The value of a top-level attribute, or of one under an extension's URN.
    fn get(&self, extension: Option<&str>, name: &str) -> Option<Cow<'_, Value>>;

    /// Whether the subject is a group with this direct member; asked of a group of any size without listing its members.
    fn has_member(&self, _id: &str) -> bool {
        false
    }
}

impl Subject for Map<String, Value> {
    fn get(&self, extension: Option<&str>, name: &str) -> Option<Cow<'_, Value>> {
        match extension {
            None => Map::get(self, name).map(Cow::Borrowed),
            Some(urn) => Map::get(self, urn)?.get(name).map(Cow::Borrowed),
        }
    }
}

/// A filter that has been checked.
#[derive(Debug)]
pub(super) enum FilterNode {
    All(Vec<FilterNode>),
    Any(Vec<FilterNode>),
    Not(Box<FilterNode>),
    Test(FilterAttribute, Test),
    /// Some one value of a multi-valued attribute meets the inner filter.
    Within(FilterAttribute, Box<FilterNode>),
    /// `members.value eq "id"`, in either of its two spellings.
    Member(String),
}

/// The attribute a test is about.
#[derive(Debug)]
pub(super) struct FilterAttribute {
    extension: Option<&'static str>,
    attr: &'static Attribute,
    sub: Option<&'static Attribute>,
}

#[derive(Debug)]
pub(super) enum Test {
    Present,
    Absent,
    Bool {
        equal: bool,
        operand: bool,
    },
    /// The operand is folded unless case counts.
    Text {
        op: CompareOp,
        exact: bool,
        operand: String,
    },
    Time {
        op: CompareOp,
        operand: Timestamp,
    },
}

/// Checks the filter of a query.
pub(super) fn compile(kind: ResourceType, filter: &Filter) -> Result<FilterNode, ScimFault> {
    let each = |items: &[Filter]| items.iter().map(|item| compile(kind, item)).collect::<Result<Vec<_>, _>>();
    match filter {
        Filter::And(items) => Ok(FilterNode::All(each(items)?)),
        Filter::Or(items) => Ok(FilterNode::Any(each(items)?)),
        Filter::Not(inner) => Ok(FilterNode::Not(Box::new(compile(kind, inner)?))),
        Filter::Attr(exp) => Ok(match expression(exp, |path| locate(kind, path))? {
            FilterNode::Test(place, Test::Text { op: CompareOp::Eq, operand, .. })
                if place.is("members", Some("value")) =>
            {
                FilterNode::Member(operand)
            }
            node => node,
        }),
        Filter::ValuePath(path) => {
            let place = locate(kind, &path.attr)?;
            if place.sub.is_some() {
                return Err(ScimFault::filter(format!(
                    "{}[…] filters a sub-attribute, which has no values of its own",
                    path.attr
                )));
            }
            Ok(match compile_values(place.attr, &path.filter)? {
                FilterNode::Test(value, Test::Text { op: CompareOp::Eq, operand, .. })
                    if place.is("members", None) && value.is("value", None) =>
                {
                    FilterNode::Member(operand)
                }
                inner => FilterNode::Within(place, Box::new(inner)),
            })
        }
    }
}

/// Checks the filter that stands in brackets behind a multi-valued attribute; its names are sub-attributes.
pub(super) fn compile_values(attr: &'static Attribute, filter: &ValFilter) -> Result<FilterNode, ScimFault> {
    let each = |items: &[ValFilter]| items.iter().map(|i| compile_values(attr, i)).collect::<Result<Vec<_>, _>>();
    if !attr.multi_valued || attr.sub_attributes.is_empty() {
        return Err(ScimFault::filter(format!("{:?} is not a multi-valued complex attribute", attr.name)));
    }
    match filter {
        ValFilter::And(items) => Ok(FilterNode::All(each(items)?)),
        ValFilter::Or(items) => Ok(FilterNode::Any(each(items)?)),
        ValFilter::Not(inner) => Ok(FilterNode::Not(Box::new(compile_values(attr, inner)?))),
        ValFilter::Attr(exp) => expression(exp, |path| match (&path.uri, &path.sub_attr, attr.sub(&path.name)) {
            (None, None, Some(sub)) => Ok(FilterAttribute { extension: None, attr: sub, sub: None }),
            _ => Err(ScimFault::filter(format!("{:?} has no sub-attribute {path}", attr.name))),
        }),
    }
}

fn locate(kind: ResourceType, path: &AttrPath) -> Result<FilterAttribute, ScimFault> {
    let unknown = || ScimFault::filter(format!("a {} has no attribute {path}", kind.name()));
    let found = super::find(kind, path.uri.as_deref(), &path.name).ok_or_else(unknown)?;
    let sub = match &path.sub_attr {
        Some(name) => Some(found.attribute.sub(name).ok_or_else(unknown)?),
        None => None,
    };
    Ok(FilterAttribute { extension: found.extension.map(|schema| schema.urn), attr: found.attribute, sub })
}

fn expression(
    exp: &AttrExp,
    place: impl Fn(&AttrPath) -> Result<FilterAttribute, ScimFault>,
) -> Result<FilterNode, ScimFault> {
    match exp {
        AttrExp::Present(path) => Ok(FilterNode::Test(place(path)?, Test::Present)),
        AttrExp::Comparison(path, op, operand) => {
            let mut place = place(path)?;
            // `emails co "x"` speaks of the values (RFC 7644 §3.4.2.2, last paragraph)
            if place.sub.is_none() && place.attr.multi_valued {
                place.sub = place.attr.sub("value");
            }
            let test =
                comparison(place.leaf(), op, operand).map_err(|why| ScimFault::filter(format!("{exp}: {why}")))?;
            Ok(FilterNode::Test(place, test))
        }
    }
}

fn comparison(attr: &Attribute, op: &CompareOp, operand: &CompValue) -> Result<Test, String> {
    let equality = match op {
        CompareOp::Eq => Some(true),
        CompareOp::Ne => Some(false),
        _ => None,
    };
    let only_equality = || equality.ok_or_else(|| format!("a {} compares with eq and ne only", attr.ty.name()));
    let no_substring = || match op {
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew => Err(format!("{op} does not apply to a {}", attr.ty.name())),
        _ => Ok(op.clone()),
    };
    match (attr.ty, operand) {
        (_, CompValue::Null) => Ok(if only_equality()? { Test::Absent } else { Test::Present }),
        (Type::Boolean, CompValue::True | CompValue::False) => {
            Ok(Test::Bool { equal: only_equality()?, operand: *operand == CompValue::True })
        }
        (Type::DateTime, CompValue::Str(text)) => {
            let operand = text.parse().map_err(|_| format!("{text:?} is not a dateTime"))?;
            Ok(Test::Time { op: no_substring()?, operand })
        }
        (Type::Binary, CompValue::Str(text)) => {
            only_equality()?;
            Ok(Test::Text { op: op.clone(), exact: true, operand: text.clone() })
        }
        (Type::String | Type::Reference, CompValue::Str(text)) => {
            let exact = attr.is_case_exact();
            let operand = if exact { text.clone() } else { fold(text) };
            Ok(Test::Text { op: op.clone(), exact, operand })
        }
        _ => Err(format!("{operand} is not a {}", attr.ty.name())),
    }
}

impl FilterAttribute {
    fn leaf(&self) -> &'static Attribute {
        self.sub.unwrap_or(self.attr)
    }

    /// Whether this is the core attribute, or its sub-attribute, of these names.
    fn is(&self, name: &str, sub: Option<&str>) -> bool {
        self.extension.is_none() && self.attr.name == name && self.sub.map(|sub| sub.name) == sub
    }

    /// Whether a test holds for at least one value at this place.
    fn any(&self, subject: &dyn Subject, mut test: impl FnMut(&Value) -> bool) -> bool {
        let Some(value) = subject.get(self.extension, self.attr.name) else { return false };
        let mut leaf = |value: &Value| match self.sub {
            Some(sub) => value.get(sub.name).is_some_and(&mut test),
            None => test(value),
        };
        match value.as_ref() {
            Value::Array(values) => values.iter().any(leaf),
            value => leaf(value),
        }
    }
}

impl FilterNode {
    /// Whether the subject meets the filter.
    pub(super) fn matches(&self, subject: &dyn Subject) -> bool {
        match self {
            Self::All(items) => items.iter().all(|item| item.matches(subject)),
            Self::Any(items) => items.iter().any(|item| item.matches(subject)),
            Self::Not(inner) => !inner.matches(subject),
            Self::Test(place, test) => test.holds(place, subject),
            Self::Within(place, inner) => {
                place.any(subject, |value| value.as_object().is_some_and(|value| inner.matches(value)))
            }
            Self::Member(id) => subject.has_member(id),
        }
    }

    /// An index question whose answer contains every resource of the kind that meets the filter.
    pub(super) fn lookup(&self, kind: ResourceType) -> Option<IndexLookup> {
        match self {
            Self::All(items) => items.iter().find_map(|item| item.lookup(kind)),
            Self::Member(id) => Some(IndexLookup::Member(id.clone())),
            Self::Test(place, Test::Text { op: CompareOp::Eq, operand, .. }) => {
                if place.is("id", None) {
                    Some(IndexLookup::Id(operand.clone()))
                } else if place.is("externalId", None) {
                    Some(IndexLookup::ExternalId(operand.clone()))
                } else if place.is(kind.naming(), None) {
                    Some(IndexLookup::Name(operand.clone()))
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// The operand, if this filter of values is, or narrows, `value eq "operand"`.
    pub(super) fn value_equals(&self) -> Option<&str> {
        match self {
            Self::All(items) => items.iter().find_map(Self::value_equals),
            Self::Test(place, Test::Text { op: CompareOp::Eq, operand, .. }) if place.is("value", None) => {
                Some(operand)
            }
            _ => None,
        }
    }
}

impl Test {
    fn holds(&self, place: &FilterAttribute, subject: &dyn Subject) -> bool {
        match self {
            Self::Present => place.any(subject, assigned),
            Self::Absent => !place.any(subject, assigned),
            Self::Bool { equal, operand } => place.any(subject, |v| v.as_bool() == Some(*operand)) == *equal,
            Self::Text { op, exact, operand } => {
                // `ne` is what `eq` is not: of several values, none is equal
                let wanted = *op != CompareOp::Ne;
                wanted
                    == place.any(subject, |value| {
                        value.as_str().is_some_and(|text| compare_text(op, *exact, text, operand))
                    })
            }
            Self::Time { op, operand } => {
                let wanted = *op != CompareOp::Ne;
                let time = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
                wanted == place.any(subject, |value| time(value).is_some_and(|time| compare(op, &time, operand)))
            }
        }
    }
}

/// Null, empty and absent are the same (RFC 7643 §2.5); so is the empty string, for `pr` (RFC 7644 §3.4.2.2).
fn assigned(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn compare_text(op: &CompareOp, exact: bool, text: &str, operand: &str) -> bool {
    let text = if exact { Cow::Borrowed(text) } else { Cow::Owned(fold(text)) };
    match op {
        CompareOp::Co => text.contains(operand),
        CompareOp::Sw => text.starts_with(operand),
        CompareOp::Ew => text.ends_with(operand),
        op => compare(op, text.as_ref(), operand),
    }
}

/// Equality and order. `ne` asks here for equality; its caller turns the answer round.
fn compare<T: Ord + ?Sized>(op: &CompareOp, left: &T, right: &T) -> bool {
    match op {
        CompareOp::Eq | CompareOp::Ne => left == right,
        CompareOp::Gt => left > right,
        CompareOp::Ge => left >= right,
        CompareOp::Lt => left < right,
        CompareOp::Le => left <= right,
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew => false,
    }
}
