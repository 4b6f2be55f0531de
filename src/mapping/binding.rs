//! A person's record as the engine sees it: only what the rules read, made once for all of them.
//!
//! In: the reads of all rules, later a record. Out: values by name. Knows nothing of what is done with them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::value::{Object, Value};
use serde_json::{Map, Value as Json};

use super::direct::{self, SourceAttribute};
use super::lint::ReadAttribute;
use super::values::{self, Fields};
use crate::model::unread;

/// Which names a set of programs reads, in order.
#[derive(Debug, Default)]
pub(super) struct RecordLayout {
    names: Arc<[Box<str>]>,
    roots: Vec<Root>,
    exact: Vec<String>,
}

/// How one name is filled.
#[derive(Debug, Default)]
struct Root {
    /// The full dotted names below it, such as `attributes.heapRole`.
    dotted: BTreeSet<String>,
    /// Whether it is also read as a whole.
    whole: bool,
}

impl RecordLayout {
    pub(super) fn new<'r>(reads: impl IntoIterator<Item = &'r ReadAttribute>) -> Self {
        let mut roots: BTreeMap<Box<str>, Root> = BTreeMap::new();
        let mut exact = BTreeSet::new();
        for read in reads {
            if read.exact {
                exact.insert(read.name.clone());
                continue;
            }
            let (name, rest) = read.name.split_once('.').map_or((&*read.name, None), |(name, rest)| (name, Some(rest)));
            let root = roots.entry(name.into()).or_default();
            match rest {
                Some(_) => {
                    root.dotted.insert(read.name.clone());
                }
                None => root.whole = true,
            }
        }
        let (names, roots): (Vec<_>, Vec<_>) = roots.into_iter().unzip();
        Self { names: names.into(), roots, exact: exact.into_iter().collect() }
    }

    fn bind(&self, bound: &Bound<'_>) -> Value {
        let values = self.names.iter().zip(&self.roots).map(|(name, root)| root.value(name, bound)).collect();
        let record = (!self.exact.is_empty()).then(|| {
            let fields = self.exact.iter().map(|name| (name.clone(), bound.exact(name).and_then(values::to_engine)));
            Value::from_object(fields.collect::<Fields>())
        });
        Value::from_object(ExpressionInput { names: Arc::clone(&self.names), values, record })
    }
}

impl Root {
    fn value(&self, name: &str, bound: &Bound<'_>) -> Option<Value> {
        if let Some(given) = bound.given(name) {
            return Some(Value::from(given));
        }
        match bound.record.get(name).and_then(values::to_engine) {
            Some(value) => Some(value),
            // A column may be called `attributes.heapRole`; and where there is nothing at all, `attributes.heapRole` is an
            // attribute that is missing, which `default(…)` can answer.
            None if !self.whole => {
                let below = self.dotted.iter().filter_map(|dotted| {
                    let (_, rest) = dotted.split_once('.')?;
                    Some((rest.to_owned(), bound.record.get(dotted.as_str()).and_then(values::to_engine)))
                });
                Some(Value::from_object(below.collect::<Fields>()))
            }
            None => None,
        }
    }
}

/// One record, and the engine's view of it once it was needed.
#[derive(Debug)]
pub(super) struct Bound<'r> {
    layout: &'r RecordLayout,
    record: &'r Map<String, Json>,
    given: &'r [(&'r str, &'r str)],
    engine: Option<Value>,
    /// Whether the record holds a value that could not be read.
    holds_unread: bool,
}

impl<'r> Bound<'r> {
    /// `given` are names that stand before those of the record.
    pub(super) fn new(
        layout: &'r RecordLayout,
        record: &'r Map<String, Json>,
        given: &'r [(&'r str, &'r str)],
    ) -> Self {
        let holds_unread = record.values().any(|value| unread::why(value).is_some());
        Self { layout, record, given, engine: None, holds_unread }
    }

    /// A value by its plain name.
    pub(super) fn look_up(&self, name: &SourceAttribute) -> Option<Cow<'r, Json>> {
        match self.given(name.as_str()) {
            Some(given) => Some(Cow::Owned(Json::from(given))),
            None => name.find(self.record).map(Cow::Borrowed),
        }
    }

    /// Why the value of this name could not be read; `None` if it was.
    pub(super) fn unread(&self, name: &str) -> Option<&'r str> {
        if !self.holds_unread || self.given(name).is_some() {
            return None;
        }
        direct::find(name, self.record).or_else(|| self.exact(name)).and_then(unread::why)
    }

    /// Whether there is a value of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given(name).is_some() || direct::find(name, self.record).is_some() || self.exact(name).is_some()
    }

    /// The record for the engine.
    pub(super) fn engine_value(&mut self) -> Value {
        match &self.engine {
            Some(value) => value.clone(),
            None => {
                let value = self.layout.bind(self);
                self.engine = Some(value.clone());
                value
            }
        }
    }

    fn given(&self, name: &str) -> Option<&'r str> {
        self.given.iter().find(|(given, _)| *given == name).map(|(_, value)| *value)
    }

    fn exact(&self, name: &str) -> Option<&'r Json> {
        self.record.get(name).filter(|value| !values::is_empty(value))
    }
}

/// What the engine is given.
#[derive(Debug)]
struct ExpressionInput {
    names: Arc<[Box<str>]>,
    values: Vec<Option<Value>>,
    record: Option<Value>,
}

impl Object for ExpressionInput {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if key == "record" {
            return self.record.clone();
        }
        let ix = self.names.binary_search_by(|name| (**name).cmp(key)).ok()?;
        self.values.get(ix)?.clone()
    }
}
