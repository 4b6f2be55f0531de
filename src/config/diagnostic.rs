//! One mistake in one file, and how it is shown. In: a place in a text, and words. Out: `file:line:column`, the line itself
//! with a caret, a hint; or the same as JSON.
//!
//! Everything that reads what the operator wrote reports in this one shape. A line is kept as it may be shown: what looks
//! like a secret was blotted out before (I6).

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Renderer, Snippet};
use serde::Serialize;

use crate::files::trust::Distrust;
use crate::model::text::is_unseen;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The file can't be used.
    Error,
    /// It can be used, but may not do what was meant.
    Warning,
}

/// Where in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceLocation {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The bytes it covers.
    pub span: Range<usize>,
    /// The lines it covers, as they may be shown.
    #[serde(skip)]
    excerpt: String,
    /// Where in `excerpt` the bytes are.
    #[serde(skip)]
    within: Range<usize>,
    /// Whether no line is shown.
    #[serde(skip)]
    hidden: bool,
}

/// One mistake, or one thing to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad.
    pub level: Level,
    /// The file, as the operator would name it.
    pub file: PathBuf,
    /// Where in it; `None` when it is about the file as such.
    #[serde(flatten)]
    pub place: Option<SourceLocation>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to write instead, or what to do next.
    pub hint: Option<String>,
    /// Further facts.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// About a file as such: it is missing, can't be read, has a bad name.
    pub fn of_file(file: &Path, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            file: file.to_owned(),
            place: None,
            message: message.into(),
            hint: Some(hint.into()),
            notes: Vec::new(),
        }
    }

    /// About a file that another user could have changed, or that could not be looked at.
    pub fn distrusted(file: &Path, error: &Distrust) -> Self {
        match error {
            Distrust::Refused { remedy, .. } => {
                Self::of_file(file, format!("{error}; nothing was read from it"), remedy.clone())
            }
            Distrust::Unseen { error, .. } if error.kind() == std::io::ErrorKind::NotFound => {
                Self::of_file(file, "there is no such file", "check the path")
            }
            Distrust::Unseen { error, .. } => {
                Self::of_file(file, format!("it can't be read: {error}"), "check who may read it")
            }
        }
    }

    /// The same as a warning.
    #[must_use]
    pub fn softened(self) -> Self {
        Self { level: Level::Warning, ..self }
    }

    /// Whether the file can't be used because of it.
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }

    /// Place and message in one line: `acme.toml:3:1: there is no key …`.
    pub fn summary(&self) -> String {
        format!("{}: {}", self.location(), self.message)
    }

    /// `file:line:column`, or just the file.
    pub fn location(&self) -> String {
        match &self.place {
            Some(place) => format!("{}:{}:{}", self.file.display(), place.line, place.column),
            None => self.file.display().to_string(),
        }
    }

    /// The order in which a person wants to read them: by file, from top to bottom.
    pub(super) fn order(&self) -> (&Path, usize, Level) {
        (&self.file, self.place.as_ref().map_or(0, |place| place.span.start), self.level)
    }
}

impl SourceLocation {
    /// Finds line and column of a span, and keeps the lines to be shown. `text` and `shown` have the same length.
    pub(super) fn new(text: &str, shown: &str, span: Range<usize>) -> Self {
        let start = floor(text, span.start);
        let end = floor(text, span.end.max(start));
        let line_start = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        // A span of many lines (an unclosed string) is shown by its first.
        let line_end = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| start + at);
        let line = text.get(..start).map_or(0, |before| before.matches('\n').count()) + 1;
        let column = text.get(line_start..start).map_or(0, |before| before.chars().count()) + 1;
        let within = start - line_start..end.min(line_end) - line_start;
        let excerpt = shown.get(line_start..line_end).unwrap_or_default().trim_end_matches('\r').to_owned();
        let within = within.start.min(excerpt.len())..within.end.min(excerpt.len());
        Self { line, column, span: start..end, excerpt, within, hidden: false }
    }
}

impl SourceLocation {
    /// A place in a text whose lines must not be shown.
    pub(super) fn without_excerpt(text: &str, span: Range<usize>) -> Self {
        Self { excerpt: String::new(), within: 0..0, hidden: true, ..Self::new(text, "", span) }
    }
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Shows diagnostics to a person, one after the other, each ending in an empty line.
pub fn render(all: &[Diagnostic], colour: bool) -> String {
    let mut out = String::new();
    for one in all {
        render_one(one, colour, &mut out);
    }
    out
}

fn render_one(one: &Diagnostic, colour: bool, out: &mut String) {
    use annotate_snippets::Level as Name;
    let (level, word) = match one.level {
        Level::Error => (Name::ERROR, "error"),
        Level::Warning => (Name::WARNING, "warning"),
    };
    let (bold, tint, reset) = match (colour, one.level) {
        (false, _) => ("", "", ""),
        (true, Level::Error) => ("\x1b[1m", "\x1b[31m", "\x1b[0m"),
        (true, Level::Warning) => ("\x1b[1m", "\x1b[33m", "\x1b[0m"),
    };
    // Writing to a `String` can't fail.
    let _ = writeln!(
        out,
        "{bold}{}{reset}: {bold}{tint}{word}{reset}{bold}: {}{reset}",
        printable(&one.location()),
        printable(&one.message)
    );
    let mut group = Group::with_level(level);
    if let Some(place) = one.place.as_ref().filter(|place| !place.hidden) {
        let caret = AnnotationKind::Primary.span(place.within.clone());
        group = group.element(Snippet::source(printable(&place.excerpt)).line_start(place.line).annotation(caret));
    }
    if let Some(hint) = &one.hint {
        group = group.element(Name::HELP.with_name("hint").message(printable(hint)));
    }
    for note in &one.notes {
        group = group.element(Name::NOTE.message(printable(note)));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    if !group.is_empty() {
        out.push_str(&renderer.render(&[group]));
        out.push('\n');
    }
    out.push('\n');
}

/// Control characters and those that turn the reading direction would let a file repaint the terminal. Each is replaced by
/// as many `?` as it has bytes, so that carets stay where they are.
fn printable(text: &str) -> String {
    let harmful = |c: char| is_unseen(c) && c != '\t' && c != '\n';
    if !text.contains(harmful) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if harmful(c) {
            clean.extend(std::iter::repeat_n('?', c.len_utf8()));
        } else {
            clean.push(c);
        }
    }
    clean
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn at(text: &str, span: Range<usize>) -> Diagnostic {
        Diagnostic {
            level: Level::Error,
            file: "tenants/acme.toml".into(),
            place: Some(SourceLocation::new(text, text, span)),
            message: "there is no key `shedule`".to_owned(),
            hint: Some("did you mean `schedule`?".to_owned()),
            notes: vec!["a fact".to_owned()],
        }
    }

    #[test]
    fn the_place_comes_first_then_the_line_with_a_caret_then_the_hint() {
        let text = "# ä\r\nshedule = \"*\"\r\n";
        insta::assert_snapshot!(render(&[at(text, 6..13)], false), @r#"
            tenants/acme.toml:2:1: error: there is no key `shedule`
              |
            2 | shedule = "*"
              | ^^^^^^^
              |
              = hint: did you mean `schedule`?
              = note: a fact
            "#);
    }

    #[test]
    fn columns_count_characters_and_spans_never_split_one() {
        let place = SourceLocation::new("ä = \"öx\"", "ä = \"öx\"", 8..9);
        assert_eq!((place.line, place.column), (1, 7));
        for start in 0..12 {
            for end in 0..12 {
                render(&[at("ä\n= \"ö", start..end)], true);
            }
        }
    }

    #[test]
    fn a_file_can_not_repaint_the_terminal() {
        let text = "a = \"\u{1b}[2J\u{202e}x\"";
        let shown = render(&[at(text, 0..text.len())], false);
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    }

    #[test]
    fn json_has_the_place_in_the_same_object() {
        let json = serde_json::to_value(at("x\nshedule = 1", 2..9)).unwrap();
        assert_eq!((&json["line"], &json["column"], &json["level"]), (&2.into(), &1.into(), &"error".into()));
        let whole = Diagnostic::of_file(Path::new("a.toml"), "it is missing", "make one");
        assert_eq!(serde_json::to_value(whole).unwrap().get("line"), None);
    }
}
