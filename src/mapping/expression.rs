//! One right-hand side: compiled, checked, and run for one person.
//!
//! In: the text; later a record. Out: every flaw of the text with its place; later an [`Outcome`] or a [`Failure`].
//! Knows nothing of SCIM. A plain attribute name, alone or with `one`, `all` or `default`, is looked up directly; everything
//! else is an expression that minijinja runs.

use std::ops::Range;

use minijinja::{Environment, Error, ErrorKind, Expression};
use serde_json::{Map, Value as Json};

use super::binding::{Bound, RecordLayout};
use super::direct::Direct;
use super::known::{KnownAttributes, NameVerdict};
use super::lint::{self, Flaw, ReadAttribute};
use super::rewrite::{Rewritten, rewrite};
use super::values::{self, MappedValue};

/// The longest text of an expression, in bytes.
const MAX_EXPRESSION: usize = 4096;

/// Why an expression gave nothing for one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExpressionFailure {
    /// The attribute it computes with and the record does not have, if that is why.
    pub(super) missing: Option<String>,
    pub(super) at: Option<Range<usize>>,
    pub(super) message: String,
}

/// A compiled right-hand side.
#[derive(Debug)]
pub(super) struct Program {
    source: Box<str>,
    reads: Vec<ReadAttribute>,
    body: CompiledExpression,
}

/// A program, and what may be a mistake in it but need not be.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) program: Program,
    pub(super) doubts: Vec<Flaw>,
}

#[derive(Debug)]
enum CompiledExpression {
    Direct(Direct),
    /// As the engine runs it; and, where that is another text, how its places lead back.
    Jinja(Expression<'static, 'static>, Option<Rewritten>),
}

impl Program {
    /// Compiles a text for one of the engines.
    ///
    /// # Errors
    /// Every flaw that shows without a record.
    pub(super) fn compile(
        text: &str,
        engine: &'static Environment<'static>,
        known: &KnownAttributes,
    ) -> Result<Compiled, Vec<Flaw>> {
        match Direct::parse(text) {
            Some(direct) => {
                let reads = direct.reads(text);
                Self { source: text.into(), reads, body: CompiledExpression::Direct(direct) }.judged(known, Vec::new())
            }
            None => Self::compile_jinja(text, engine, known),
        }
    }

    /// The one attribute whose value this is, if it is no more than that.
    pub(super) fn copies(&self) -> Option<&str> {
        match &self.body {
            CompiledExpression::Direct(direct) => Some(direct.name()),
            CompiledExpression::Jinja(..) => None,
        }
    }

    /// The same without the short way of plain names.
    pub(super) fn compile_jinja(
        text: &str,
        engine: &'static Environment<'static>,
        known: &KnownAttributes,
    ) -> Result<Compiled, Vec<Flaw>> {
        if text.trim().is_empty() {
            return Err(vec![Flaw::new(None, "the expression is empty", Some("to clear it, write `none`".to_owned()))]);
        }
        if text.len() > MAX_EXPRESSION {
            return Err(vec![Flaw::new(None, format!("the expression is longer than {MAX_EXPRESSION} bytes"), None)]);
        }
        let expression =
            engine.compile_expression_owned(text.to_owned()).map_err(|error| vec![syntax(text, &error)])?;
        let (reads, flaws) = lint::inspect(text, expression.undeclared_variables(true));
        // What was rewritten compiles where the original does; if it did not, the original would be run as it is.
        let rewritten = rewrite(text);
        let run = rewritten.as_ref().and_then(|rewritten| engine.compile_expression_owned(rewritten.text.clone()).ok());
        let body = match run {
            Some(run) => CompiledExpression::Jinja(run, rewritten),
            None => CompiledExpression::Jinja(expression, None),
        };
        Self { source: text.into(), reads, body }.judged(known, flaws)
    }

    /// Judges the names it reads: mistakes join the flaws, names that were not seen but may exist are doubts.
    fn judged(self, known: &KnownAttributes, mut flaws: Vec<Flaw>) -> Result<Compiled, Vec<Flaw>> {
        let mut doubts = Vec::new();
        // A flaw at the same place explains the name already.
        let explained = |at: &Option<Range<usize>>, flaws: &[Flaw]| {
            at.as_ref().is_some_and(|at| {
                flaws
                    .iter()
                    .filter_map(|flaw| flaw.at.as_ref())
                    .any(|flaw| flaw.start <= at.start && at.end <= flaw.end)
            })
        };
        for read in &self.reads {
            let name = &read.name;
            let fixed = || self.is_plain_name().then(|| format!("for a fixed text write '\"{name}\"'"));
            let hint = known.nearest(name).map(|near| format!("did you mean `{near}`?")).or_else(fixed);
            match known.judge(name) {
                NameVerdict::Unseen => {
                    let message = format!("no record seen so far has an attribute `{name}`");
                    doubts.push(Flaw::new(read.at.clone(), message, hint));
                }
                NameVerdict::Unknown if !explained(&read.at, &flaws) => {
                    flaws.push(Flaw::new(read.at.clone(), format!("the directory has no attribute `{name}`"), hint));
                }
                NameVerdict::Unknown | NameVerdict::Fine => {}
            }
        }
        flaws.sort_by_key(|flaw| flaw.at.as_ref().map_or(0, |at| at.start));
        if flaws.is_empty() { Ok(Compiled { program: self, doubts }) } else { Err(flaws) }
    }

    /// The text as it was written, without white space around it.
    pub(super) fn source(&self) -> &str {
        self.source.trim()
    }

    /// The attributes it reads, each once.
    pub(super) fn reads(&self) -> impl Iterator<Item = &str> {
        self.reads.iter().map(|read| read.name.as_str())
    }

    /// What the engine needs of a record; `None` for a plain name, which needs no engine.
    pub(super) fn engine_reads(&self) -> Option<&[ReadAttribute]> {
        match &self.body {
            CompiledExpression::Direct(_) => None,
            CompiledExpression::Jinja(..) => Some(&self.reads),
        }
    }

    /// Whether the text itself says that the result is a list.
    pub(super) fn gives_list(&self) -> bool {
        lint::gives_list(&self.source)
    }

    /// Whether it is nothing but an attribute's name.
    pub(super) fn is_plain_name(&self) -> bool {
        matches!(&self.body, CompiledExpression::Direct(direct) if direct.is_plain_name())
    }

    /// An attribute that it reads and that could not be read for this person, and why.
    pub(super) fn unread<'r>(&self, bound: &Bound<'r>) -> Option<(&str, &'r str)> {
        self.reads().find_map(|name| Some((name, bound.unread(name)?)))
    }

    /// Runs it for one record. `bound` holds the record for the engine and is made at most once a person. What depends on a value that could
    /// not be read is left as it is.
    pub(super) fn run(&self, bound: &mut Bound<'_>) -> Result<MappedValue, ExpressionFailure> {
        if self.unread(bound).is_some() {
            return Ok(MappedValue::Leave);
        }
        match &self.body {
            CompiledExpression::Direct(direct) => Ok(direct.run(|name| bound.look_up(name))),
            CompiledExpression::Jinja(expression, rewritten) => {
                let result = expression
                    .eval(bound.engine_value())
                    .map_err(|error| self.explain(&error, rewritten.as_ref(), bound))?;
                values::from_engine(&result).map_err(|message| ExpressionFailure { missing: None, at: None, message })
            }
        }
    }

    /// Whether the record has everything that is read; if not, a failure may be due to that alone.
    pub(super) fn is_complete_in(&self, record: &Map<String, Json>) -> bool {
        let layout = RecordLayout::default();
        let bound = Bound::new(&layout, record, &[]);
        self.reads().all(|name| bound.has(name))
    }

    fn explain(&self, error: &Error, rewritten: Option<&Rewritten>, bound: &Bound<'_>) -> ExpressionFailure {
        let at = error
            .range()
            .map(|at| rewritten.map_or(at.clone(), |rewritten| rewritten.original(&at)))
            .filter(|at| self.source.get(at.clone()).is_some());
        let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let undefined = error.kind() == ErrorKind::UndefinedError || detail.contains(UNDEFINED);
        let missing = undefined.then(|| self.missing(&detail, bound)).flatten();
        let place =
            at.clone().and_then(|at| self.source.get(at)).filter(|place| *place != self.source()).unwrap_or("it");
        let message = match (&missing, error.kind()) {
            (Some(name), _) => format!("the user has no attribute `{name}`"),
            (None, ErrorKind::UndefinedError) => format!("{} computes with a value that is not there", quoted(place)),
            (None, ErrorKind::OutOfFuel) => "it takes too many steps".to_owned(),
            _ if detail.starts_with(NOT_CALCULATED) => format!("{} can't be calculated", quoted(place)),
            _ if place == "it" => detail,
            _ => format!("in {}: {detail}", quoted(place)),
        };
        ExpressionFailure { missing, at, message }
    }

    /// Which attribute was missing: the one the engine names, or the only one that is.
    fn missing(&self, detail: &str, bound: &Bound<'_>) -> Option<String> {
        let named =
            detail.split_once(IS_UNDEFINED).and_then(|(before, _)| before.rsplit_once('`')).map(|(_, name)| name);
        let mut absent = self.reads().filter(|name| !bound.has(name));
        match named {
            Some(named) if self.reads().any(|name| name == named) => Some(named.to_owned()),
            _ => match (absent.next(), absent.next()) {
                (Some(name), None) => Some(name.to_owned()),
                _ => None,
            },
        }
    }
}

// minijinja has one kind of error for all of these; only its words tell them apart.
const UNDEFINED: &str = "undefined";
const IS_UNDEFINED: &str = "` is undefined";
const NOT_CALCULATED: &str = "unable to calculate";
const INPUT_AFTER: &str = "unexpected input after";
const ODD_CHARACTER: &str = "unexpected character";

fn quoted(place: &str) -> String {
    if place == "it" { place.to_owned() } else { format!("`{place}`") }
}

/// A layout for several programs that are run for the same person.
pub(super) fn layout<'p>(programs: impl IntoIterator<Item = &'p Program>) -> RecordLayout {
    RecordLayout::new(programs.into_iter().filter_map(Program::engine_reads).flatten())
}

/// Runs one program alone, with names that stand before those of the record.
pub(super) fn run_alone(
    program: &Program,
    layout: &RecordLayout,
    record: &Map<String, Json>,
    given: &[(&str, &str)],
) -> Result<MappedValue, ExpressionFailure> {
    program.run(&mut Bound::new(layout, record, given))
}

fn syntax(text: &str, error: &Error) -> Flaw {
    let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let hint = if text.trim_start().starts_with("{{") || text.trim_start().starts_with("{%") {
        Some("an expression stands alone, without {{ }}".to_owned())
    } else if message.starts_with(INPUT_AFTER) {
        Some("texts are joined with `~`".to_owned())
    } else if text.contains(|c: char| c.is_alphabetic() && !c.is_ascii()) && message.contains(ODD_CHARACTER) {
        Some("a name with other letters than a to z is read as record[\"…\"]".to_owned())
    } else {
        None
    };
    let at = error.range().filter(|at| !at.is_empty() && text.get(at.clone()).is_some());
    Flaw::new(at, message, hint)
}
