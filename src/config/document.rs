//! One file of the operator's, parsed with every place remembered. In: a text. Out: a tree in which each key and value knows
//! its bytes, all syntax errors at once, and diagnostics that point into the text.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Level, Place};
use super::{blot, literal};

/// A file's text.
#[derive(Debug, Clone)]
pub struct SourceText {
    file: PathBuf,
    text: String,
}

impl SourceText {
    /// A text and the file it came from, as the operator would name it.
    pub fn new(file: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { file: file.into(), text: text.into() }
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
pub(super) type Node<'t> = Spanned<DeValue<'t>>;

/// A parsed file.
#[derive(Debug)]
pub struct Document<'t> {
    source: &'t SourceText,
    /// The text with secrets blotted out; same length as the text.
    shown: String,
    root: Spanned<DeTable<'t>>,
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
        let (root, errors) = DeTable::parse_recoverable(&source.text);
        let shown = blot::blot(&source.text, root.get_ref(), !errors.is_empty());
        let spans: Vec<_> = errors.iter().map(|error| error.span().unwrap_or(0..0)).collect();
        let syntax = match errors.as_slice() {
            [] => Syntax::Clean,
            errors if errors.iter().any(|error| swallows_what_follows(error.message())) => Syntax::Unclear,
            _ => Syntax::Damaged(spans),
        };
        let document = Self { source, shown, root, syntax };
        for error in errors {
            found.push(document.syntax_error(&error));
        }
        document
    }

    fn syntax_error(&self, error: &toml::de::Error) -> Diagnostic {
        let (message, hint) = in_words(error.message());
        self.at(error.span().unwrap_or(0..0), Level::Error, message, Some(hint))
    }

    /// The file's root table.
    pub(super) fn root(&self) -> &DeTable<'t> {
        self.root.get_ref()
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

    /// A diagnostic about some bytes of this file.
    pub(super) fn at(
        &self,
        span: Range<usize>,
        level: Level,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Diagnostic {
        let place = Place::new(&self.source.text, &self.shown, span);
        let (file, message) = (self.source.file.clone(), message.into());
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

    /// An error about a key itself, not its value.
    pub(crate) fn at_key(&self, path: &[&str], message: impl Into<String>, hint: Option<String>) -> Diagnostic {
        self.at(self.key_span(path), Level::Error, message, hint)
    }

    /// The bytes of a key's name.
    pub(crate) fn key_span(&self, path: &[&str]) -> Range<usize> {
        self.entry(path).map_or(0..0, |(key, _)| key)
    }

    /// The value at a path of keys, if it is written in the file.
    pub(crate) fn get(&self, path: &[&str]) -> Option<&Node<'t>> {
        self.entry(path).map(|(_, value)| value)
    }

    /// The text at a path, if it is a text.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.get(path).and_then(|node| node.get_ref().as_str())
    }

    /// The table at a path, if it is one.
    pub(crate) fn table_at(&self, path: &[&str]) -> Option<&DeTable<'t>> {
        self.get(path).and_then(|node| node.get_ref().as_table())
    }

    /// Whether the value at a path is `true`.
    pub(crate) fn is_true(&self, path: &[&str]) -> bool {
        self.get(path).and_then(|node| node.get_ref().as_bool()) == Some(true)
    }

    fn entry(&self, path: &[&str]) -> Option<(Range<usize>, &Node<'t>)> {
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

/// Whether nobody can say any more what belongs to which table.
fn swallows_what_follows(message: &str) -> bool {
    ["unclosed", "invalid multi-line", "cannot recurse"].iter().any(|begin| message.starts_with(begin))
}

/// The parser's message in plain words, with what to do.
fn in_words(message: &str) -> (String, String) {
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let hint = match what {
        "duplicate key" => "a key can be given once; remove one of the two".to_owned(),
        "string values must be quoted" => "write a text in quotes: `key = \"text\"`".to_owned(),
        "key with no value" => "a line is `key = value` or a `[table]`".to_owned(),
        "invalid basic string" => "a text ends on its own line with the quote it began with".to_owned(),
        _ if expected.is_empty() || expected == "nothing" => {
            "see https://toml.io for how a value is written".to_owned()
        }
        _ => format!("expected {expected}"),
    };
    (what.to_owned(), hint)
}
