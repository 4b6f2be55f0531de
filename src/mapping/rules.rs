//! A tenant's rules for people: compiled together, applied to one record at a time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};
use xxhash_rust::xxh3::Xxh3;

use super::binding::{Bound, RecordLayout};
use super::engine::STRICT;
use super::expression::{self, Compiled, ExpressionFailure, Program};
use super::keys::{self, AttributeKey, KeyShape};
use super::known::KnownAttributes;
use super::values::MappedValue;
use super::{MapError, Mapped, RuleProblem, Where};
use crate::config::tenant::{AttributeRule, Push};
use crate::model::{Path, SourceId};

/// Counts up when the same rules begin to give other values, so that nobody is taken for unchanged.
const LANGUAGE: u64 = 1;

/// Compiled rules: directory record in, SCIM attributes out.
#[derive(Debug)]
pub struct Mapping {
    rules: Vec<MappingRule>,
    layout: RecordLayout,
    reads: BTreeSet<String>,
    warnings: Vec<RuleProblem>,
    fingerprint: u64,
}

#[derive(Debug)]
struct MappingRule {
    key: AttributeKey,
    program: Program,
    push: Push,
    part: AttributeRole,
}

/// What an attribute is to rosterd itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AttributeRole {
    /// Everybody needs one.
    UserName,
    /// A reference to another person, resolved when everybody is in the app.
    Manager,
    /// A value like any other.
    Value,
}

impl AttributeRole {
    fn of(path: &Path) -> Self {
        if *path == Path::user_name() {
            Self::UserName
        } else if *path == Path::manager() {
            Self::Manager
        } else {
            Self::Value
        }
    }
}

impl Mapping {
    /// Compiles all rules and tries them on a sample person.
    ///
    /// `sample` may be empty: what the sample does not have is not tried.
    ///
    /// # Errors
    /// Every problem of every rule at once.
    pub fn compile(
        rules: &BTreeMap<String, AttributeRule>,
        known: &KnownAttributes,
        sample: &Map<String, Json>,
    ) -> Result<Self, Vec<RuleProblem>> {
        let (mut compiled, mut problems, mut warnings) = (Vec::<(&str, MappingRule)>::new(), Vec::new(), Vec::new());
        for (written, rule) in rules {
            match compile_rule(written, rule, known, &mut warnings) {
                Ok(rule) => compiled.push((written, rule)),
                Err(found) => problems.extend(found),
            }
        }
        problems.extend(clashes(&compiled));
        let layout = expression::layout(compiled.iter().map(|(_, rule)| &rule.program));
        problems.extend(compiled.iter().filter_map(|(written, rule)| try_on(sample, written, rule, &layout)));
        if !rules.keys().any(|key| key.eq_ignore_ascii_case("userName")) {
            problems.push(no_user_name());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut rules: Vec<MappingRule> = compiled.into_iter().map(|(_, rule)| rule).collect();
        rules.sort_by(|a, b| a.key.path.cmp(&b.key.path));
        let reads = rules.iter().flat_map(|rule| rule.program.reads()).map(str::to_owned).collect();
        let fingerprint = fingerprint(&rules);
        Ok(Self { rules, layout, reads, warnings, fingerprint })
    }

    /// What an app shall hold of one person.
    ///
    /// # Errors
    /// Every rule that gave nothing usable for this person. Nothing is known of the person then: the caller leaves them as
    /// they are.
    pub fn apply(&self, record: &Map<String, Json>) -> Result<Mapped, Vec<MapError>> {
        let mut bound = Bound::new(&self.layout, record, &[]);
        let mut mapped = Mapped::default();
        let mut errors = Vec::new();
        for rule in &self.rules {
            match rule.outcome(&mut bound) {
                Ok(outcome) => mapped.take(rule, outcome),
                Err(failure) => errors.push(MapError::new(&rule.key.path, &rule.program, failure)),
            }
        }
        if errors.is_empty() { Ok(mapped) } else { Err(errors) }
    }

    /// Who owns the value at a path. A path that is not mapped is never pushed; it counts as `on_create`.
    pub fn push(&self, path: &Path) -> Push {
        let found = self.rules.binary_search_by(|rule| rule.key.path.cmp(path)).ok().and_then(|ix| self.rules.get(ix));
        found.map_or(Push::OnCreate, |rule| rule.push)
    }

    /// The paths that are mapped, in order. No other attribute is ever touched (I4).
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.rules.iter().map(|rule| &rule.key.path)
    }

    /// The rule's text behind a path, for `why`.
    pub fn source_of(&self, path: &Path) -> Option<&str> {
        self.rules.iter().find(|rule| rule.key.path == *path).map(|rule| rule.program.source())
    }

    /// Where each path's value comes from, to go the way back: the attribute that a rule copies, `None` for one that computes.
    /// The user name comes first, since by it people are found again.
    pub fn copied_from(&self) -> impl Iterator<Item = (&Path, Option<&str>)> {
        let (first, rest): (Vec<&MappingRule>, Vec<&MappingRule>) =
            self.rules.iter().partition(|rule| rule.part == AttributeRole::UserName);
        first.into_iter().chain(rest).map(|rule| (&rule.key.path, rule.program.copies()))
    }

    /// The directory attributes that all rules together read.
    pub fn attributes_read(&self) -> &BTreeSet<String> {
        &self.reads
    }

    /// What may be a mistake, but need not be: names that were not seen in the directory so far.
    pub fn warnings(&self) -> &[RuleProblem] {
        &self.warnings
    }

    /// A number that changes when the rules do: people mapped under another one are mapped again.
    pub fn settings_fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

impl MappingRule {
    fn outcome(&self, bound: &mut Bound<'_>) -> Result<MappedValue, ExpressionFailure> {
        let fail = |message: String| ExpressionFailure { missing: None, at: None, message };
        let outcome = match self.program.run(bound)? {
            MappedValue::Set(value) => {
                keys::shape(value, self.key.shape).map_err(fail)?.map_or(MappedValue::Unset, MappedValue::Set)
            }
            other => other,
        };
        match outcome {
            MappedValue::Set(_) => Ok(outcome),
            _ if self.part != AttributeRole::UserName => Ok(outcome),
            _ => Err(ExpressionFailure {
                missing: self.program.reads().next().map(str::to_owned),
                at: None,
                message: "the user has no user name, and SCIM requires one".to_owned(),
            }),
        }
    }
}

impl Mapped {
    fn take(&mut self, rule: &MappingRule, outcome: MappedValue) {
        match outcome {
            MappedValue::Set(Json::String(id)) if rule.key.path == Path::manager() => {
                self.manager = Some(SourceId::new(id))
            }
            MappedValue::Set(value) => self.values.set(rule.key.path.clone(), value),
            MappedValue::Unset => {}
            MappedValue::Leave => self.leave.push(rule.key.path.clone()),
        }
    }
}

fn compile_rule(
    written: &str,
    rule: &AttributeRule,
    known: &KnownAttributes,
    warnings: &mut Vec<RuleProblem>,
) -> Result<MappingRule, Vec<RuleProblem>> {
    let at_value = |flaw| RuleProblem::of_value(written, flaw);
    let (program, mut problems) = match Program::compile(&rule.from, &STRICT, known) {
        Ok(Compiled { program, doubts }) => {
            warnings.extend(doubts.into_iter().map(at_value));
            (Some(program), Vec::new())
        }
        Err(flaws) => (None, flaws.into_iter().map(at_value).collect()),
    };
    match (keys::read(written, program.as_ref().is_some_and(Program::gives_list)), program) {
        (Ok(key), Some(program)) => {
            Ok(MappingRule { part: AttributeRole::of(&key.path), key, program, push: rule.push })
        }
        (Ok(_), None) => Err(problems),
        (Err(flaw), _) => {
            problems.insert(0, RuleProblem::of_key(written, flaw.message, flaw.hint));
            Err(problems)
        }
    }
}

/// Two rules for one attribute, or for a whole and its part.
fn clashes(rules: &[(&str, MappingRule)]) -> Vec<RuleProblem> {
    let mut found = Vec::new();
    for (ix, (written, rule)) in rules.iter().enumerate() {
        for (other_written, other) in rules.iter().take(ix) {
            let (path, other) = (&rule.key.path, &other.key.path);
            let message = if path == other {
                format!("`{written}` and `{other_written}` are the same attribute")
            } else if keys::overlap(path, other) {
                format!("`{written}` and `{other_written}` are a whole and a part of it: one attribute, two rules")
            } else {
                continue;
            };
            found.push(RuleProblem::of_key(written, message, Some("keep one of them".to_owned())));
        }
    }
    found
}

fn try_on(sample: &Map<String, Json>, written: &str, rule: &MappingRule, layout: &RecordLayout) -> Option<RuleProblem> {
    let failure = rule.outcome(&mut Bound::new(layout, sample, &[])).err()?;
    // That this one person lacks an attribute says nothing about the rule.
    rule.program.is_complete_in(sample).then(|| RuleProblem {
        key: written.to_owned(),
        what: Where::Value,
        offset: failure.at,
        message: format!("tried on a sample user: {}", failure.message),
        hint: None,
    })
}

fn no_user_name() -> RuleProblem {
    let message = "`userName` is not mapped, and every SCIM user has one (RFC 7643 §4.1.1)";
    RuleProblem::of_key("userName", message.to_owned(), Some("for example userName = \"email\"".to_owned()))
}

/// Not over the text of the file but over what it means: order and spacing of rules do not matter.
fn fingerprint(rules: &[MappingRule]) -> u64 {
    let mut hasher = Xxh3::with_seed(LANGUAGE);
    for rule in rules {
        let push: &[u8] = match rule.push {
            Push::Always => b"always",
            Push::OnSourceChange => b"on_source_change",
            Push::OnCreate => b"on_create",
        };
        let shape: &[u8] = match rule.key.shape {
            KeyShape::Text | KeyShape::Element => b"text",
            KeyShape::Elements => b"elements",
            KeyShape::TypedElements => b"typed",
            KeyShape::Any => b"any",
        };
        for part in [rule.key.path.as_str().as_bytes(), rule.program.source().as_bytes(), push, shape] {
            hasher.update(part);
            hasher.update(&[0]);
        }
    }
    hasher.digest()
}
