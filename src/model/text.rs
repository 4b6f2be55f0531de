//! Text from outside, made fit to be shown. In: a name, an id, an answer of somebody else. Out: text that can neither forge a line nor
//! steer what stands around it, with a mark beside a name that is not what it looks like.
//!
//! The one list of such characters: terminal, log, journal view, page and messages all use this file. Knows no terminal.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{
    DefaultIgnorableCodePoint, EmojiModifier, ExtendedPictographic, GeneralCategory, PrependedConcatenationMark, Script,
};
use icu_properties::script::ScriptWithExtensions;
use icu_properties::{CodePointMapData, CodePointSetData};

/// Stands beside a name with characters that nobody sees.
pub const INVISIBLE: &str = "(contains invisible characters)";
/// Stands beside a name of which one word has letters of several scripts.
pub const MIXED: &str = "(mixed scripts)";

/// Whether a character takes no room of its own, ends a line or steers the text around it: control and format characters, line
/// separators, everything that Unicode lets a reader leave out (`Default_Ignorable_Code_Point`), the blank of Braille.
pub fn is_unseen(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    match category {
        GeneralCategory::Control | GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator => true,
        // Number signs of some scripts are of this category and are seen.
        GeneralCategory::Format => !CodePointSetData::new::<PrependedConcatenationMark>().contains(c),
        _ => is_ignorable(c) || c == '\u{2800}',
    }
}

/// Whether Unicode lets a reader leave the character out (`Default_Ignorable_Code_Point`): a name with it equals another to the eye.
pub fn is_ignorable(c: char) -> bool {
    !c.is_ascii() && CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// The text with every unseen character spelt out (`\u{200b}`).
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_unseen(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// As [`shown()`], with line feeds kept: for texts of our own of several lines.
pub fn shown_lines(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.split('\n').map(shown).collect::<Vec<_>>().join("\n"))
}

/// A name as people read it: as [`shown()`], with a mark beside it if it is not what it looks like.
pub fn named(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut out = shown(text).into_owned();
    for mark in marks(text) {
        out.push(' ');
        out.push_str(mark);
    }
    Cow::Owned(out)
}

/// The marks that belong beside a name.
pub fn marks(text: &str) -> impl Iterator<Item = &'static str> {
    let invisible = text.contains(is_unseen).then_some(INVISIBLE);
    let mixed = mixes_scripts(text).then_some(MIXED);
    invisible.into_iter().chain(mixed)
}

/// Whether one word of the text has letters of several scripts (UTS 39 §5.1): `аdmin` with a Cyrillic `а`. Words of different scripts
/// beside each other are usual, and so are the scripts that one language writes together.
pub fn mixes_scripts(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let mut word: Option<Vec<Writing>> = None;
    for c in text.chars().filter(|c| !is_unseen(*c)) {
        if !c.is_alphanumeric() && !is_accent(c) {
            word = None;
            continue;
        }
        let Some(written) = writings(c) else { continue };
        let shared = match word {
            Some(before) => before.into_iter().filter(|one| written.contains(one)).collect(),
            None => written,
        };
        if shared.is_empty() {
            return true;
        }
        word = Some(shared);
    }
    false
}

/// Whether a character only marks the letter before it.
fn is_accent(c: char) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
    matches!(CodePointMapData::<GeneralCategory>::new().get(c), NonspacingMark | SpacingMark | EnclosingMark)
}

/// A script, or one of the writing systems that use several together (UTS 39 §5.1, augmented script sets).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    In(Script),
    Japanese,
    Korean,
    /// Chinese characters with Bopomofo.
    Taiwanese,
}

/// The ways of writing that a character belongs to; `None` for one that every script uses.
fn writings(c: char) -> Option<Vec<Writing>> {
    let mut all = Vec::new();
    for script in ScriptWithExtensions::new().get_script_extensions_val(c).iter() {
        match script {
            Script::Common | Script::Inherited | Script::Unknown => return None,
            Script::Han => all.extend([Writing::Japanese, Writing::Korean, Writing::Taiwanese]),
            Script::Hiragana | Script::Katakana => all.push(Writing::Japanese),
            Script::Hangul => all.push(Writing::Korean),
            Script::Bopomofo => all.push(Writing::Taiwanese),
            _ => {}
        }
        all.push(Writing::In(script));
    }
    Some(all)
}

/// The text in Unicode's composed form (NFC): the same letters written in two ways become one text.
pub fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// What keeps a name from being sent: a character that nobody sees makes it a second name that looks like another.
pub fn unfit_as_name(text: &str) -> Option<String> {
    let odd = text.trim().chars().find(|c| is_unseen(*c))?;
    Some(format!("{} has an invisible character ({})", shown(text), odd.escape_unicode()))
}

/// What keeps a group's name from being sent, as [`unfit_as_name`] for users. What makes an emoji, and what joins or parts the letters of
/// scripts that are written joined (Arabic, Devanagari), is seen and allowed where it has that effect.
pub fn unfit_as_group_name(text: &str) -> Option<String> {
    let mut before: Option<char> = None;
    for c in text.trim().chars() {
        if !is_unseen(c) {
            before = Some(c);
        } else if !before.is_some_and(|before| shapes(c, before)) {
            return Some(format!("{} has an invisible character ({})", shown(text), c.escape_unicode()));
        }
    }
    None
}

/// Whether an unseen character changes how the one before it looks.
fn shapes(c: char, before: char) -> bool {
    match c {
        '\u{fe0e}' | '\u{fe0f}' => is_pictograph(before) || matches!(before, '0'..='9' | '#' | '*'),
        '\u{200d}' if is_pictograph(before) => true,
        '\u{200c}' | '\u{200d}' => is_joined(before),
        _ => false,
    }
}

fn is_pictograph(c: char) -> bool {
    CodePointSetData::new::<ExtendedPictographic>().contains(c) || CodePointSetData::new::<EmojiModifier>().contains(c)
}

/// Whether a letter or accent is of a script whose letters are joined, or not, by an unseen character.
fn is_joined(c: char) -> bool {
    const JOINED: [Script; 13] = [
        Script::Arabic,
        Script::Bengali,
        Script::Devanagari,
        Script::Gujarati,
        Script::Gurmukhi,
        Script::Kannada,
        Script::Malayalam,
        Script::Mongolian,
        Script::Oriya,
        Script::Sinhala,
        Script::Syriac,
        Script::Tamil,
        Script::Telugu,
    ];
    let scripts = ScriptWithExtensions::new().get_script_extensions_val(c);
    scripts.iter().any(|script| JOINED.contains(&script))
}

/// What keeps an id of a directory from being used: with a control character it could forge lines wherever it is written.
pub fn unfit_as_id(id: &str) -> Option<String> {
    let odd = id.chars().find(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))?;
    Some(format!("the directory gives it the id {}, with a control character ({})", shown(id), odd.escape_unicode()))
}

/// A path or a name as messages may show it: a part that looks like a secret, put there instead of its place, is left out.
pub fn place(text: &str) -> String {
    let last = text.rsplit('/').next().unwrap_or_default().len();
    let hidden = |part: &str, is_last: bool| looks_like_a_secret(part) || (is_last && looks_like_a_password(part));
    let mut left = text.len();
    let parts = text.split('/').map(|part| {
        let is_last = left == last;
        left = left.saturating_sub(part.len() + 1);
        if hidden(part, is_last) { "***".into() } else { shown(part) }
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Whether a file's name looks like a password: small letters, capitals and digits in one run, as no tool names a file.
fn looks_like_a_password(name: &str) -> bool {
    let has = |wanted: fn(&u8) -> bool| name.as_bytes().iter().any(wanted);
    name.len() >= 8
        && name.bytes().all(|c| c.is_ascii_alphanumeric())
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit)
}

/// Whether a word looks made by a machine to be kept: what begins as well-known tokens do, long runs in which small letters, capitals and
/// digits take turns, long hexadecimal numbers.
pub fn looks_like_a_secret(word: &str) -> bool {
    const BEGINNINGS: [&str; 12] =
        ["eyJ", "ghp_", "gho_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "sk_live", "sk-", "hvs.", "whsec_", "AKIA"];
    if word.len() >= 16 && BEGINNINGS.iter().any(|beginning| word.starts_with(beginning)) {
        return true;
    }
    word.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| {
        let kind = |c: u8| (c.is_ascii_lowercase(), c.is_ascii_uppercase());
        let turns = run.as_bytes().windows(2).filter(|two| matches!(two, [a, b] if kind(*a) != kind(*b))).count();
        let has = |wanted: fn(&u8) -> bool| run.as_bytes().iter().any(wanted);
        let letters_and_digits = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
        let random = run.len() >= 20
            && letters_and_digits
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_uppercase)
            && turns * 5 > run.len() * 2;
        let number = run.len() >= 32 && letters_and_digits && run.bytes().all(|c| c.is_ascii_hexdigit());
        random || number
    })
}

/// An address as messages may show it: without user name, password, query and fragment.
pub fn address(text: &str) -> String {
    let mut bytes = text.to_owned();
    for (range, stands_for) in secret_parts(text).into_iter().rev() {
        bytes.replace_range(range, stands_for);
    }
    shown(&bytes).into_owned()
}

/// The parts of an address that may be a secret, with what is shown instead. They begin and end at characters' boundaries.
pub fn secret_parts(text: &str) -> Vec<(std::ops::Range<usize>, &'static str)> {
    let from = text.find("://").map_or(0, |at| at + 3);
    let rest = text.get(from..).unwrap_or_default();
    let mut parts = Vec::new();
    // A password may hold a slash, or whatever else should have been encoded: the last `@` ends it.
    let query = match rest.rfind('@') {
        Some(at) => {
            parts.push((from..from + at, "***"));
            from + at + 1
        }
        None => from,
    };
    if let Some(at) = text.get(query..).and_then(|rest| rest.find(['?', '#'])) {
        parts.push((query + at + 1..text.len(), "***"));
    }
    parts.retain(|(range, _)| !range.is_empty());
    parts
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
