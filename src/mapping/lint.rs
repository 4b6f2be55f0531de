//! What an expression reads, and what it may not say. In: a text that minijinja accepts. Out: reads and flaws with their places.
//!
//! minijinja finds an unknown filter only when it comes by it, and then for one person. These rules find it when the file is
//! loaded, also in a branch that no sample takes.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::engine::{FILTERS, LIST_FILTERS, TESTS};
use super::words::{ExpressionToken, RESERVED, TokenKind, words};
use crate::config::forms::nearest;

/// An attribute that an expression reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReadAttribute {
    /// `title`, `attributes.heapRole`, or whatever stands in `record["…"]`.
    pub(super) name: String,
    /// Where it is read first.
    pub(super) at: Option<Range<usize>>,
    /// Whether it is read as `record["…"]`, by its exact name.
    pub(super) exact: bool,
}

/// What is wrong with an expression's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    /// The place in the text; the whole text if `None`.
    pub(super) at: Option<Range<usize>>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Flaw {
    pub(super) fn new(at: Option<Range<usize>>, message: impl Into<String>, hint: Option<String>) -> Self {
        Self { at, message: message.into(), hint }
    }
}

/// The reads and flaws of a text; `undeclared` is minijinja's own list of the names in it.
pub(super) fn inspect(text: &str, undeclared: HashSet<String>) -> (Vec<ReadAttribute>, Vec<Flaw>) {
    let words = words(text);
    let mut flaws = Vec::new();
    let mut places: BTreeMap<String, Range<usize>> = BTreeMap::new();
    let mut exact = Vec::new();
    for ix in 0..words.len() {
        let here = Here { words: &words, ix };
        flaws.extend(here.flaw());
        if let Some((name, at)) = here.variable() {
            places.entry(name).or_insert(at);
        }
        if let Some(read) = here.exact_read()
            && !exact.contains(&read)
        {
            exact.push(read);
        }
    }
    flaws.extend(slices(&words));
    // `a ~ not (b)`: the engine takes the keyword for a name there.
    let keywords = undeclared.iter().filter(|name| is_reserved(name) && !matches!(root(name), "leave" | "record"));
    flaws.extend(keywords.map(|name| Flaw::new(None, format!("`{name}` stands where a value belongs"), None)));
    let mut names: Vec<String> = undeclared.into_iter().filter(|name| !is_reserved(name)).collect();
    names.sort();
    let mut reads: Vec<ReadAttribute> =
        names.into_iter().map(|name| ReadAttribute { at: places.get(&name).cloned(), name, exact: false }).collect();
    reads.extend(exact);
    (reads, flaws)
}

/// The names that the words say are read; the engine's own list is the one that counts.
#[cfg(test)]
pub(super) fn variables(text: &str) -> Vec<String> {
    let words = words(text);
    let found = (0..words.len()).filter_map(|ix| (Here { words: &words, ix }).variable());
    found.map(|(name, _)| name).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

fn root(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&root(name))
}

/// One word among its neighbours.
struct Here<'w, 't> {
    words: &'w [ExpressionToken<'t>],
    ix: usize,
}

impl<'w, 't> Here<'w, 't> {
    fn word(&self, offset: isize) -> Option<&'w ExpressionToken<'t>> {
        self.words.get(self.ix.checked_add_signed(offset)?)
    }

    fn sign(&self, offset: isize, sign: &str) -> bool {
        self.word(offset).is_some_and(|word| word.is_sign(sign))
    }

    fn name(&self, offset: isize, name: &str) -> bool {
        self.word(offset).is_some_and(|word| word.is_name(name))
    }

    /// A name that is neither a keyword, a filter, a test, a part after a dot, nor the name of an argument.
    fn is_variable(&self) -> bool {
        let Some(word) = self.word(0) else { return false };
        let argument = self.sign(1, "=") && (self.sign(-1, "(") || self.sign(-1, ","));
        word.kind == TokenKind::Name
            && !RESERVED.contains(&word.text)
            && !self.after_dot()
            && !self.is_filter()
            && !self.is_test()
            && !argument
    }

    fn after_dot(&self) -> bool {
        self.sign(-1, ".")
    }

    fn is_filter(&self) -> bool {
        self.sign(-1, "|")
    }

    fn is_test(&self) -> bool {
        self.name(-1, "is") || (self.name(-1, "not") && self.name(-2, "is"))
    }

    /// A variable with the parts after its dots, and its place.
    fn variable(&self) -> Option<(String, Range<usize>)> {
        let first = self.word(0).filter(|_| self.is_variable())?;
        let (mut name, mut at) = (first.text.to_owned(), first.at.clone());
        let mut ix = self.ix;
        while let (Some(dot), Some(part)) = (self.words.get(ix + 1), self.words.get(ix + 2)) {
            if !dot.is_sign(".") || part.kind != TokenKind::Name {
                break;
            }
            name = format!("{name}.{}", part.text);
            at.end = part.at.end;
            ix += 2;
        }
        Some((name, at))
    }

    /// `record["First Name"]`, the way to a name that is no identifier.
    fn exact_read(&self) -> Option<ReadAttribute> {
        let subject = self.name(0, "record") && !self.after_dot() && self.sign(1, "[") && self.sign(3, "]");
        let word = self.word(2).filter(|_| subject)?;
        Some(ReadAttribute { name: word.unquoted()?.to_owned(), at: Some(word.at.clone()), exact: true })
    }

    fn flaw(&self) -> Option<Flaw> {
        let word = self.word(0)?;
        let at = || Some(word.at.clone());
        match word.kind {
            TokenKind::Sign if word.text.starts_with('*') => {
                Some(Flaw::new(at(), "there is no multiplication in mappings", None))
            }
            TokenKind::Sign if word.text == "-" => self.dashed_name(),
            TokenKind::Name if word.text == "record" && !self.after_dot() && self.exact_read().is_none() => {
                Some(Flaw::new(
                    at(),
                    "`record` is read one attribute at a time",
                    Some("write record[\"the attribute's name\"]".to_owned()),
                ))
            }
            TokenKind::Name => self.flaw_of_name(word),
            TokenKind::Sign | TokenKind::Text | TokenKind::Number => None,
        }
    }

    /// A test that a filter names in its argument: `select("endingwith", …)`, `selectattr("type", "eq", …)`.
    fn flaw_of_named_test(&self, filter: &str) -> Option<Flaw> {
        let place = match filter {
            "select" | "reject" => 2,
            "selectattr" | "rejectattr" if self.sign(3, ",") => 4,
            _ => return None,
        };
        let word = self.word(place).filter(|_| self.sign(1, "("))?;
        let name = word.unquoted()?;
        (!TESTS.contains(&name)).then(|| unknown(Some(word.at.clone()), "test", name, &TESTS))
    }

    fn flaw_of_name(&self, word: &ExpressionToken<'_>) -> Option<Flaw> {
        let name = word.text;
        let at = Some(word.at.clone());
        if self.is_filter() {
            return match FILTERS.contains(&name) {
                true => self.flaw_of_named_test(name),
                false => Some(unknown(at, "filter", name, &FILTERS)),
            };
        }
        if self.is_test() && name != "not" {
            return (!TESTS.contains(&name)).then(|| unknown(at, "test", name, &TESTS));
        }
        if !self.sign(1, "(") || (RESERVED.contains(&name) && !self.after_dot()) {
            return None;
        }
        let hint = nearest(name, FILTERS).map(|filter| format!("a filter is written `value | {filter}`"));
        Some(Flaw::new(at, format!("`{name}(…)` is a call, and mappings have filters instead"), hint))
    }

    /// `extension-attr` in an expression is a difference; nobody writes one without spaces on purpose.
    fn dashed_name(&self) -> Option<Flaw> {
        let (before, dash, after) = (self.word(-1)?, self.word(0)?, self.word(1)?);
        let joined = before.at.end == dash.at.start && dash.at.end == after.at.start;
        if !joined || before.kind != TokenKind::Name || after.kind != TokenKind::Name {
            return None;
        }
        let name = format!("{}-{}", before.text, after.text);
        Some(Flaw::new(
            Some(before.at.start..after.at.end),
            format!("`{name}` is a difference here, not a name"),
            Some(format!("in an expression, write record[\"{name}\"]")),
        ))
    }
}

fn unknown(at: Option<Range<usize>>, what: &str, name: &str, there_are: &'static [&'static str]) -> Flaw {
    let hint = match nearest(name, there_are.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", there_are.join(", ")),
    };
    Flaw::new(at, format!("there is no {what} `{name}`"), Some(hint))
}

/// `text[:3]`: the engine makes an empty list of a missing attribute there, and its list of what is read leaves the sliced
/// value out.
fn slices(words: &[ExpressionToken<'_>]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    for word in words.iter().filter(|word| word.kind == TokenKind::Sign) {
        match word.text {
            "[" | "(" | "{" => open.push(word.text),
            "]" | ")" | "}" => {
                open.pop();
            }
            ":" if open.last() == Some(&"[") => {
                let hint = "the first letters are `value | prefix(3)`, one element is `value | first`";
                flaws.push(Flaw::new(Some(word.at.clone()), "there are no slices in mappings", Some(hint.to_owned())));
            }
            _ => {}
        }
    }
    flaws
}

/// Whether a text says by itself that its result is a list: it is one (`[…]`), or its last filter gives one.
pub(super) fn gives_list(text: &str) -> bool {
    let words = words(text);
    if words.first().is_some_and(|word| word.is_sign("[")) {
        return true;
    }
    let mut depth = 0_usize;
    let mut last_filter = None;
    for (ix, word) in words.iter().enumerate() {
        match word.text {
            "[" | "(" | "{" if word.kind == TokenKind::Sign => depth += 1,
            "]" | ")" | "}" if word.kind == TokenKind::Sign => depth = depth.saturating_sub(1),
            name if depth == 0 && (Here { words: &words, ix }).is_filter() => last_filter = Some(name),
            _ => {}
        }
    }
    last_filter.is_some_and(|name| LIST_FILTERS.contains(&name))
}

/// Whether an expression orders, counts or calculates: then a missing attribute must not count as zero or as the smallest.
pub(super) fn measures(text: &str) -> bool {
    const SIGNS: [&str; 9] = ["<", ">", "<=", ">=", "+", "-", "/", "//", "%"];
    const FILTERS: [&str; 6] = ["bool", "count", "int", "length", "max", "min"];
    let words = words(text);
    words.iter().enumerate().any(|(ix, word)| match word.kind {
        TokenKind::Sign => SIGNS.contains(&word.text),
        TokenKind::Name => FILTERS.contains(&word.text) && (Here { words: &words, ix }).is_filter(),
        TokenKind::Text | TokenKind::Number => false,
    })
}
