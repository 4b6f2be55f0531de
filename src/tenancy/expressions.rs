//! The mapping language within a tenant file. In: the file's tree and what is known of the directory. Out: compiled rules, and
//! each problem at its place in the file.
//!
//! Works on the tree, so that the expressions of a file with other mistakes are checked in the same go.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde_json::{Map, Value as Json};
use toml::de::DeValue;

use crate::config::diagnostic::Diagnostic;
use crate::config::directory::SourceTables;
use crate::config::document::Document;
use crate::config::tenant::{AttributeRule, GroupsTable, Push};
use crate::mapping::{Filter, GroupName, KnownAttributes, Mapping, RuleProblem, Where, default_rules};
use crate::source::SourceError;
use crate::source::kind::{self, DirectoryKind};

/// No names.
const NOTHING: [&str; 0] = [];

/// What is known of a directory before it is read. Any directory may hold more.
pub(super) struct SourceAttributes {
    /// The product, which has its usual mapping; empty where it is not known.
    pub(super) product: &'static str,
    people: KnownAttributes,
    groups: KnownAttributes,
    sample: Map<String, Json>,
}

impl SourceAttributes {
    /// Of a tenant's directory.
    ///
    /// # Errors
    /// What makes its table one that can't be asked with.
    pub(super) fn of(tables: &SourceTables) -> Result<Self, SourceError> {
        let Some((kind, product)) = kind::of(tables) else { return Ok(Self::nothing()) };
        let names = kind.names(tables)?;
        let (people, groups) = (KnownAttributes::open(names.users), KnownAttributes::open(names.groups));
        Ok(Self { product, people, groups, sample: names.sample })
    }

    /// Of a directory whose table has mistakes, where its kind alone says what its records have: so that the expressions of the file are
    /// checked in the same go.
    pub(super) fn of_kind(kind: &dyn DirectoryKind) -> Self {
        match (kind.products(), kind.names(&SourceTables::default())) {
            ([product], Ok(names)) if !names.users.is_empty() => {
                let (people, groups) = (KnownAttributes::open(names.users), KnownAttributes::open(names.groups));
                Self { product: product.name, people, groups, sample: names.sample }
            }
            _ => Self::nothing(),
        }
    }

    /// Of a directory whose table can't be read: no name is doubted.
    pub(super) fn nothing() -> Self {
        let (people, groups) = (KnownAttributes::open(NOTHING), KnownAttributes::open(NOTHING));
        Self { product: "", people, groups, sample: Map::new() }
    }
}

/// The compiled expressions of a tenant.
pub(super) struct Expressions {
    pub(super) mapping: Mapping,
    pub(super) filter: Option<Filter>,
    pub(super) group_name: GroupName,
}

const ATTRIBUTES: [&str; 2] = ["users", "attributes"];

/// Compiles all expressions of a file; `None` if there are problems, each of which is in `found`.
pub(super) fn compile(
    document: &Document<'_>,
    known: &SourceAttributes,
    found: &mut Vec<Diagnostic>,
) -> Option<Expressions> {
    let rules = match document.table_at(&ATTRIBUTES) {
        Some(table) => {
            table.iter().filter_map(|(key, value)| Some((key.get_ref().to_string(), rule(value.get_ref())?))).collect()
        }
        None if known.product.is_empty() => BTreeMap::new(),
        None => default_rules(kind::default_mapping(known.product), &known.people),
    };
    // Without a readable directory there are no default rules to judge.
    let mapping = if rules.is_empty() && known.product.is_empty() {
        None
    } else {
        compile_mapping(document, known, &rules, found)
    };
    let filter = document.text_at(&["scope", "users"]).map(|text| {
        let filter = Filter::compile(text, &known.people, &known.sample);
        keep(document, filter, Filter::warnings, found)
    });
    let default = GroupsTable::default().display_name;
    let name = document.text_at(&["groups", "displayName"]).unwrap_or(&default);
    let name = GroupName::compile(name, &known.groups);
    let group_name = keep(document, name, GroupName::warnings, found);
    let filter = match filter {
        Some(None) => return None,
        Some(filter) => filter,
        None => None,
    };
    Some(Expressions { mapping: mapping?, filter, group_name: group_name? })
}

fn compile_mapping(
    document: &Document<'_>,
    known: &SourceAttributes,
    rules: &BTreeMap<String, AttributeRule>,
    found: &mut Vec<Diagnostic>,
) -> Option<Mapping> {
    keep(document, Mapping::compile(rules, &known.people, &known.sample), Mapping::warnings, found)
}

/// Reports problems or warnings and hands on what was compiled.
fn keep<T>(
    document: &Document<'_>,
    compiled: Result<T, Vec<RuleProblem>>,
    warnings: impl Fn(&T) -> &[RuleProblem],
    found: &mut Vec<Diagnostic>,
) -> Option<T> {
    match compiled {
        Ok(compiled) => {
            found.extend(warnings(&compiled).iter().map(|problem| in_file(document, problem).softened()));
            Some(compiled)
        }
        Err(problems) => {
            found.extend(problems.iter().map(|problem| in_file(document, problem)));
            None
        }
    }
}

/// A rule as it stands in the tree; what is no rule was reported with the file's shape.
fn rule(value: &DeValue<'_>) -> Option<AttributeRule> {
    let table = match value {
        DeValue::String(text) if !text.trim().is_empty() => {
            return Some(AttributeRule { from: text.to_string(), push: Push::Always });
        }
        DeValue::Table(table) => table,
        _ => return None,
    };
    let from = table.get("from")?.get_ref().as_str().filter(|text| !text.trim().is_empty())?.to_owned();
    let push = table.get("push").and_then(|push| push.get_ref().as_str()).unwrap_or("always");
    let push: Result<Push, serde::de::value::Error> = Push::deserialize(push.into_deserializer());
    Some(AttributeRule { from, push: push.ok()? })
}

/// A problem of a rule at its place in the file.
fn in_file(document: &Document<'_>, problem: &RuleProblem) -> Diagnostic {
    let path: Vec<&str> = match problem.key.as_str() {
        "scope.users" => vec!["scope", "users"],
        "groups.displayName" => vec!["groups", "displayName"],
        key => vec![ATTRIBUTES[0], ATTRIBUTES[1], key],
    };
    let mut with_from = path.clone();
    with_from.push("from");
    let value: &[&str] = if document.get(&with_from).is_some() { &with_from } else { &path };
    let usual = match problem.what {
        Where::Key => "such as `userName`, `name.givenName` or `emails.work`",
        Where::Value => "write an attribute's name, or an expression such as `firstname ~ \" \" ~ lastname`",
    };
    let hint = Some(problem.hint.clone().unwrap_or_else(|| usual.to_owned()));
    match problem.what {
        Where::Key => document.error_at_key(&path, &problem.message, hint),
        Where::Value => document.error_within(value, problem.offset.clone(), &problem.message, hint),
    }
}
