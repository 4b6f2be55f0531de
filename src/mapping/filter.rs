//! The two other places with expressions: who is in scope, and what a group is called in the app.

use serde_json::{Map, Value as Json};

use super::binding::{Bound, RecordLayout};
use super::engine::{LENIENT, STRICT};
use super::expression::{self, Compiled, ExpressionFailure, Program};
use super::known::KnownAttributes;
use super::lint::{self, Flaw};
use super::values::MappedValue;
use super::{MapError, RuleProblem, Where};

const FILTER_KEY: &str = "scope.users";
const GROUP_KEY: &str = "groups.displayName";

/// `scope.users`: an expression that is true or false for a person.
///
/// A missing attribute equals nothing, is in nothing and is false: `department == "R&D"` is false and `department != "R&D"`
/// true for a person without a department. An expression that orders, counts or calculates (`<`, `>=`, `+`, `| int`,
/// `| length`) is stricter: there a missing attribute is an error for that person unless `default(…)` says what it counts as,
/// because zero would let somebody in by accident. Texts order as texts; write `level | int >= 5` for numbers.
#[derive(Debug)]
pub struct Filter {
    program: Program,
    layout: RecordLayout,
    warnings: Vec<RuleProblem>,
}

impl Filter {
    /// Compiles the expression and tries it on a sample person, who may be empty.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn compile(text: &str, known: &KnownAttributes, sample: &Map<String, Json>) -> Result<Self, Vec<RuleProblem>> {
        let engine = if lint::measures(text) { &STRICT } else { &LENIENT };
        let (program, warnings) = compile(FILTER_KEY, text, known, engine)?;
        let layout = expression::layout([&program]);
        let filter = Self { program, layout, warnings };
        match filter.run(sample) {
            Err(failure) if filter.program.is_complete_in(sample) => Err(vec![on_sample(FILTER_KEY, failure)]),
            _ => Ok(filter),
        }
    }

    /// Whether a person is in scope.
    ///
    /// # Errors
    /// When the expression gives neither true nor false for this person; the caller leaves them as they are.
    pub fn accepts(&self, record: &Map<String, Json>) -> Result<bool, MapError> {
        self.run(record).map_err(|failure| MapError::new(FILTER_KEY, &self.program, failure))
    }

    /// The directory attributes it reads, for the request to the directory and for the check against all records.
    pub fn attributes_read(&self) -> impl Iterator<Item = &str> {
        self.program.reads()
    }

    /// What may be a mistake, but need not be.
    pub fn warnings(&self) -> &[RuleProblem] {
        &self.warnings
    }

    /// The expression's text.
    pub fn source(&self) -> &str {
        self.program.source()
    }

    fn run(&self, record: &Map<String, Json>) -> Result<bool, ExpressionFailure> {
        let fail = |message: &str| Err(ExpressionFailure { missing: None, at: None, message: message.to_owned() });
        // Neither true nor false: the person is left as they are.
        if let Some((name, why)) = self.program.unread(&Bound::new(&self.layout, record, &[])) {
            return fail(&format!("`{name}` could not be read: {why}"));
        }
        match expression::run_alone(&self.program, &self.layout, record, &[])? {
            MappedValue::Set(Json::Bool(yes)) => Ok(yes),
            MappedValue::Unset => Ok(false),
            MappedValue::Leave => fail("`leave` is for attributes; a filter is true or false"),
            MappedValue::Set(_) => {
                fail("it gives a value instead of true or false; compare it with `==`, or ask `is defined`")
            }
        }
    }
}

/// `groups.displayName`: a group's name in the app, over `id`, `name` and the group's directory record.
#[derive(Debug)]
pub struct GroupName {
    program: Program,
    layout: RecordLayout,
    warnings: Vec<RuleProblem>,
}

impl GroupName {
    /// Compiles the rule. `id` and `name` are always known.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn compile(text: &str, known: &KnownAttributes) -> Result<Self, Vec<RuleProblem>> {
        let mut known = known.clone();
        match &mut known {
            KnownAttributes::Open { examples } if examples.is_empty() => {}
            KnownAttributes::Open { examples: names } | KnownAttributes::Closed(names) => {
                names.extend(["id".to_owned(), "name".to_owned()]);
            }
        }
        let (program, warnings) = compile(GROUP_KEY, text, &known, &STRICT)?;
        let name = Self { layout: expression::layout([&program]), program, warnings };
        match name.run("id", "name", &Map::new()) {
            Err(failure) if name.program.reads().all(|read| matches!(read, "id" | "name")) => {
                Err(vec![on_sample(GROUP_KEY, failure)])
            }
            _ => Ok(name),
        }
    }

    /// The name of one group.
    ///
    /// # Errors
    /// When the rule gives no text; the caller leaves the group as it is.
    pub fn apply(&self, id: &str, name: &str, record: &Map<String, Json>) -> Result<String, MapError> {
        self.run(id, name, record).map_err(|failure| MapError::new(GROUP_KEY, &self.program, failure))
    }

    /// The directory attributes it reads.
    pub fn attributes_read(&self) -> impl Iterator<Item = &str> {
        self.program.reads()
    }

    /// What may be a mistake, but need not be.
    pub fn warnings(&self) -> &[RuleProblem] {
        &self.warnings
    }

    /// The rule's text.
    pub fn source(&self) -> &str {
        self.program.source()
    }

    fn run(&self, id: &str, name: &str, record: &Map<String, Json>) -> Result<String, ExpressionFailure> {
        let given = [("id", id), ("name", name)];
        match expression::run_alone(&self.program, &self.layout, record, &given)? {
            MappedValue::Set(Json::String(name)) => Ok(name),
            MappedValue::Set(Json::Number(number)) => Ok(number.to_string()),
            MappedValue::Set(_) => {
                Err(ExpressionFailure { missing: None, at: None, message: "it gives no text".to_owned() })
            }
            MappedValue::Leave => Err(ExpressionFailure {
                missing: None,
                at: None,
                message: "a group's name can't be left: every group has one".to_owned(),
            }),
            MappedValue::Unset => Err(ExpressionFailure {
                missing: self.program.reads().next().map(str::to_owned),
                at: None,
                message: "the group would have no name".to_owned(),
            }),
        }
    }
}

fn compile(
    key: &str,
    text: &str,
    known: &KnownAttributes,
    engine: &'static minijinja::Environment<'static>,
) -> Result<(Program, Vec<RuleProblem>), Vec<RuleProblem>> {
    let problems =
        |flaws: Vec<Flaw>| flaws.into_iter().map(|flaw| RuleProblem::of_value(key, flaw)).collect::<Vec<_>>();
    let Compiled { program, doubts } = Program::compile(text, engine, known).map_err(problems)?;
    Ok((program, problems(doubts)))
}

fn on_sample(key: &str, failure: ExpressionFailure) -> RuleProblem {
    RuleProblem {
        key: key.to_owned(),
        what: Where::Value,
        offset: failure.at,
        message: format!("tried on a sample: {}", failure.message),
        hint: None,
    }
}
