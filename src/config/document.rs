//! One file of the operator's, parsed with every place remembered. In: a text. Out: a tree in which each key and value knows
//! its bytes, all syntax errors at once, and diagnostics that point into the text.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Level, SourceLocation};
use super::{blot, literal};

/// A file's text.
#[derive(Debug, Clone)]
pub struct SourceText {
    file: PathBuf,
    text: String,
    /// The text without the lines that would keep the parser from reading on; same length.
    mended: OnceLock<String>,
}

impl SourceText {
    /// A text and the file it came from, as the operator would name it.
    pub fn new(file: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { file: file.into(), text: text.into(), mended: OnceLock::new() }
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A value with its place.
pub(super) type TomlNode<'t> = Spanned<DeValue<'t>>;

/// A parsed file.
#[derive(Debug)]
pub struct Document<'t> {
    source: &'t SourceText,
    /// The text with secrets blotted out; same length as the text.
    shown: String,
    /// What was blotted out, so that no message quotes it.
    quoted: Vec<String>,
    root: Spanned<DeTable<'t>>,
    /// Where attributes are named by old keys.
    old: Vec<Range<usize>>,
    syntax: Syntax,
}

/// How far the tree can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Syntax {
    /// The text is TOML.
    Clean,
    /// These bytes are not; what stands elsewhere is where it was written.
    Damaged(Vec<Range<usize>>),
    /// A table or header is not closed: nobody knows what belongs where.
    Unclear,
}

impl<'t> Document<'t> {
    /// Parses a text; every syntax error goes to `found`, and what could be read is in the document.
    pub fn parse(source: &'t SourceText, found: &mut Vec<Diagnostic>) -> Self {
        let (root, errors) = parse_past_lone_keys(source);
        let (shown, quoted) = blot::blot(&source.text, root.get_ref(), !errors.is_empty());
        let unclosed = errors.iter().find(|error| swallows_what_follows(&error.message)).cloned();
        let spans = errors.iter().map(|error| error.span.clone()).collect();
        let (syntax, errors) = match unclosed {
            None if errors.is_empty() => (Syntax::Clean, errors),
            None => (Syntax::Damaged(spans), errors),
            // All else is a consequence of it. The first of them is where the closing bracket was missed.
            Some(unclosed) => {
                let first = errors.iter().map(|error| error.span.start).min().unwrap_or(unclosed.span.start);
                (Syntax::Unclear, vec![SyntaxError { span: first..first, ..unclosed }])
            }
        };
        let document = Self { source, shown, quoted, root, old: Vec::new(), syntax };
        for error in errors {
            let (message, hint) = in_words(&error.message);
            let mut one = document.at(error.span, Level::Error, message, Some(hint));
            if document.syntax == Syntax::Unclear {
                one.notes.push("the rest can't be checked until this is fixed".to_owned());
            }
            found.push(one);
        }
        document
    }

    /// The file's root table.
    pub(super) fn root(&self) -> &DeTable<'t> {
        self.root.get_ref()
    }

    /// The table at a path of keys, to rewrite old keys in it.
    pub(super) fn table_mut(&mut self, path: &[&str]) -> Option<&mut DeTable<'t>> {
        path.iter().try_fold(self.root.get_mut(), |table, name| table_in(table, name))
    }

    /// Notes where attributes are named by old keys.
    pub(super) fn note_old(&mut self, spans: impl IntoIterator<Item = Range<usize>>) {
        self.old.extend(spans);
    }

    /// Whether an attribute is named there by an old key.
    pub(super) fn is_old(&self, span: &Range<usize>) -> bool {
        self.old.contains(span)
    }

    pub(super) fn syntax(&self) -> &Syntax {
        &self.syntax
    }

    /// The file.
    pub fn source(&self) -> &'t SourceText {
        self.source
    }

    /// Reads the tree into a type. Call it only for a tree without findings.
    ///
    /// # Errors
    /// A diagnostic where the type is stricter than its schema.
    pub(super) fn deserialize<T: serde::de::DeserializeOwned>(&self) -> Result<T, Box<Diagnostic>> {
        T::deserialize(toml::de::Deserializer::from(self.root.clone()))
            .map_err(|error| Box::new(self.at(error.span().unwrap_or(0..0), Level::Error, error.message(), None)))
    }

    /// Reads the value at a path by itself, if it is there and right.
    pub(crate) fn read_at<T: serde::de::DeserializeOwned>(&self, path: &[&str]) -> Option<T> {
        T::deserialize(toml::de::ValueDeserializer::from(self.get(path)?.clone())).ok()
    }

    /// A diagnostic about some bytes of this file.
    pub(super) fn at(
        &self,
        span: Range<usize>,
        level: Level,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Diagnostic {
        let place = SourceLocation::new(&self.source.text, &self.shown, span);
        let (file, message) = (self.source.file.clone(), blot::without(message.into(), &self.quoted));
        let hint = hint.map(|hint| blot::without(hint, &self.quoted));
        Diagnostic { level, file, place: Some(place), message, hint, notes: Vec::new() }
    }

    /// An error at the value of `path` (or at its key if `path` is a table); at the nearest table around it if it is not
    /// written in the file.
    pub(crate) fn error(&self, path: &[&str], message: impl Into<String>, hint: impl Into<String>) -> Diagnostic {
        self.at(self.span_of(path), Level::Error, message, Some(hint.into()))
    }

    /// A warning, placed as [`Self::error`].
    pub(crate) fn warning(&self, path: &[&str], message: impl Into<String>, hint: impl Into<String>) -> Diagnostic {
        self.at(self.span_of(path), Level::Warning, message, Some(hint.into()))
    }

    /// A diagnostic about a part of a text value: `part` counts in the value, not in the file.
    pub(crate) fn error_within(
        &self,
        path: &[&str],
        part: Option<Range<usize>>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Diagnostic {
        let whole = self.span_of(path);
        let span = part.map_or(whole.clone(), |part| literal::part(&self.source.text, whole, part));
        self.at(span, Level::Error, message, hint)
    }

    /// An error at the name of a key; at the nearest table around it if the key is not written in the file.
    pub(crate) fn error_at_key(&self, path: &[&str], message: impl Into<String>, hint: Option<String>) -> Diagnostic {
        let span = self.entry(path).map_or_else(|| self.span_of(path), |(key, _)| key);
        self.at(span, Level::Error, message, hint)
    }

    /// The value at a path of keys, if it is written in the file.
    pub(crate) fn get(&self, path: &[&str]) -> Option<&TomlNode<'t>> {
        self.entry(path).map(|(_, value)| value)
    }

    /// The text at a path, if it is a text.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.get(path).and_then(|node| node.get_ref().as_str())
    }

    /// Every text value of the file with the keys that lead to it, in the order of the tables. A text inside an array has the keys
    /// of the array.
    pub(crate) fn texts(&self) -> Vec<(Vec<&str>, &str)> {
        let mut found = Vec::new();
        let mut waiting: Vec<(Vec<&str>, &DeValue<'t>)> = self.fields(&[], self.root.get_ref());
        while let Some((path, value)) = waiting.pop() {
            match value {
                DeValue::String(text) => found.push((path, text.as_ref())),
                DeValue::Array(items) => waiting.extend(items.iter().map(|item| (path.clone(), item.get_ref()))),
                DeValue::Table(table) => waiting.extend(self.fields(&path, table)),
                _ => {}
            }
        }
        found
    }

    fn fields<'a>(&'a self, path: &[&'a str], table: &'a DeTable<'t>) -> Vec<(Vec<&'a str>, &'a DeValue<'t>)> {
        let entries = table.iter().map(|(key, value)| ([path, &[key.get_ref().as_ref()]].concat(), value.get_ref()));
        entries.collect()
    }

    /// The table at a path, if it is one.
    pub(crate) fn table_at(&self, path: &[&str]) -> Option<&DeTable<'t>> {
        self.get(path).and_then(|node| node.get_ref().as_table())
    }

    /// Whether the value at a path is `true`.
    pub(crate) fn is_true(&self, path: &[&str]) -> bool {
        self.get(path).and_then(|node| node.get_ref().as_bool()) == Some(true)
    }

    fn entry(&self, path: &[&str]) -> Option<(Range<usize>, &TomlNode<'t>)> {
        let (last, tables) = path.split_last()?;
        let mut table = self.root.get_ref();
        for name in tables {
            table = table.get(*name)?.get_ref().as_table()?;
        }
        table.get_key_value(*last).map(|(key, value)| (key.span(), value))
    }

    fn span_of(&self, path: &[&str]) -> Range<usize> {
        for length in (1..=path.len()).rev() {
            let Some((key, value)) = path.get(..length).and_then(|path| self.entry(path)) else { continue };
            let whole = length == path.len();
            return if whole && !value.get_ref().is_table() { value.span() } else { key };
        }
        0..0
    }
}

/// The table that a table has under a name.
pub(super) fn table_in<'a, 't>(table: &'a mut DeTable<'t>, name: &str) -> Option<&'a mut DeTable<'t>> {
    match table.get_mut(name)?.get_mut() {
        DeValue::Table(inner) => Some(inner),
        _ => None,
    }
}

/// What the parser complains about.
#[derive(Debug, Clone)]
struct SyntaxError {
    span: Range<usize>,
    message: String,
}

/// So many lines are taken out at most; a text with more is no file of ours.
const MOST_LONE_KEYS: usize = 50;

/// Parses a text. After a line without `=` the parser gives up; such lines are blanked and the text is parsed again.
fn parse_past_lone_keys(source: &SourceText) -> (Spanned<DeTable<'_>>, Vec<SyntaxError>) {
    let own = |error: &toml::de::Error| SyntaxError {
        span: error.span().unwrap_or(0..0),
        message: error.message().to_owned(),
    };
    let mut lone = Vec::new();
    let mended = source.mended.get_or_init(|| {
        let mut text = source.text.clone();
        for _ in 0..MOST_LONE_KEYS {
            let (_, errors) = DeTable::parse_recoverable(&text);
            let Some(error) = errors.iter().find(|error| error.message().starts_with(LONE_KEY)) else { break };
            let error = own(error);
            match without_line(&text, error.span.start) {
                Some(shorter) => text = shorter,
                None => break,
            }
        }
        text
    });
    // Every blanked line had this one error; it is told from the difference, so that parsing twice tells it twice.
    for (start, line) in lines(&source.text) {
        if mended.get(start..start + line.len()).is_some_and(|kept| kept != line) {
            let end = start + line.trim_end().len();
            lone.push(SyntaxError {
                span: start + (line.len() - line.trim_start().len())..end,
                message: LONE_KEY.to_owned(),
            });
        }
    }
    let (root, errors) = DeTable::parse_recoverable(mended);
    lone.extend(errors.iter().map(own));
    (root, lone)
}

const LONE_KEY: &str = "key with no value";

/// The lines of a text, with where they begin.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |start, line| {
        let at = *start;
        *start += line.len();
        Some((at, line))
    })
}

/// The text with the line around `at` blanked; `None` if there is nothing left to blank.
fn without_line(text: &str, at: usize) -> Option<String> {
    let (start, line) = lines(text).take_while(|(start, _)| *start <= at).last()?;
    let blank: String =
        line.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { ' ' }).collect();
    if blank == line {
        return None;
    }
    Some([text.get(..start)?, &blank, text.get(start + line.len()..)?].concat())
}

/// What the TOML parser says where what follows can't be told apart any more.
const SWALLOWING: [&str; 3] = ["unclosed", "invalid multi-line", "cannot recurse"];

/// What the TOML parser puts before what it expected.
const EXPECTED: &str = ", expected ";

/// What the TOML parser says, and what to do about it.
const REMEDIES: [(&str, &str); 7] = [
    ("unclosed array", "a list ends with `]`, and its values are separated by `,`"),
    ("unclosed inline table", "a table in braces ends with `}`, and its keys are separated by `,`"),
    ("unclosed table", "the name of a table is in brackets: `[target]`"),
    ("duplicate key", "a key can be given once; remove one of the two"),
    ("string values must be quoted", "write a text in quotes: `key = \"text\"`"),
    ("key with no value", "a line is `key = value` or a `[table]`"),
    ("invalid basic string", "a text ends on its own line with the quote it began with"),
];

/// Whether nobody can say any more what belongs to which table.
fn swallows_what_follows(message: &str) -> bool {
    SWALLOWING.iter().any(|begin| message.starts_with(begin))
}

/// The parser's message in plain words, with what to do.
fn in_words(message: &str) -> (String, String) {
    let (what, expected) = message.split_once(EXPECTED).unwrap_or((message, ""));
    let hint = match REMEDIES.iter().find(|(words, _)| *words == what) {
        Some((_, remedy)) => (*remedy).to_owned(),
        None if expected.is_empty() || expected == "nothing" => {
            "see https://toml.io for how a value is written".to_owned()
        }
        None => format!("expected {expected}"),
    };
    (what.to_owned(), hint)
}
