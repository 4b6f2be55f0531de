//! The helpers of the tests, which stand beside by what they hold: values, problems, scope and names, bounds.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::binding::Bound;
use super::engine::STRICT;
use super::expression::{self, Program};
use super::values::MappedValue;
use super::*;
use crate::config::tenant::{AttributeRule, Push};

mod bounds;
mod problems;
mod scope;
mod values;

fn record(value: Json) -> Map<String, Json> {
    value.as_object().unwrap().clone()
}

fn rules(list: &[(&str, &str)]) -> BTreeMap<String, AttributeRule> {
    list.iter()
        .map(|(key, from)| ((*key).to_owned(), AttributeRule { from: (*from).to_owned(), push: Push::Always }))
        .collect()
}

fn anything() -> KnownAttributes {
    KnownAttributes::open(Vec::<String>::new())
}

fn mapping(list: &[(&str, &str)]) -> Mapping {
    Mapping::compile(&rules(list), &anything(), &Map::new()).unwrap()
}

/// The problems of one rule beside a good `userName`.
fn problems(key: &str, from: &str) -> Vec<RuleProblem> {
    let mut all = rules(&[("userName", "email")]);
    all.insert(key.to_owned(), AttributeRule { from: from.to_owned(), push: Push::Always });
    Mapping::compile(&all, &anything(), &Map::new()).err().unwrap_or_default()
}

fn shown(problems: &[RuleProblem]) -> String {
    problems.iter().map(|p| format!("{} {:?} {:?}\n", p, p.what, p.offset)).collect()
}

/// One rule's result for one record.
fn outcome(from: &str, person: &Json) -> Result<MappedValue, String> {
    let program = compiled(from);
    let layout = expression::layout([&program]);
    program.run(&mut Bound::new(&layout, &record(person.clone()), &[])).map_err(|failure| failure.message)
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn compiled(from: &str) -> Program {
    Program::compile(from, &STRICT, &anything()).unwrap().program
}

fn compiled_jinja(from: &str) -> Program {
    Program::compile_jinja(from, &STRICT, &anything()).unwrap().program
}
