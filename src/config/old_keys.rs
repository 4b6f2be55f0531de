//! The keys that profiles had for attributes before `[attributes]`. It takes the tree of a file and rewrites each of them there as what replaced it,
//! with a warning that shows the new spelling; nothing else of the program knows them. They are read for one release.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::attributes::{AttributeSettings, path_of};
use super::diagnostic::{Diagnostic, Level};
use super::document::{Document, TomlNode, table_in};
use super::words;
use crate::model::Path;
use crate::schema::ResourceType;

/// An old key, and the setting of an attribute that replaces it.
struct OldKey {
    table: &'static str,
    key: &'static str,
    setting: &'static str,
    /// What the setting is for each attribute that the old list names; `None` for a key of `role` alone, whose value is taken over.
    listed: Option<Word>,
}

#[derive(Clone, Copy)]
enum Word {
    Text(&'static str),
    Flag(bool),
}

const fn list(table: &'static str, key: &'static str, setting: &'static str, word: Word) -> OldKey {
    OldKey { table, key, setting, listed: Some(word) }
}

const fn of_role(key: &'static str, setting: &'static str) -> OldKey {
    OldKey { table: "users", key, setting, listed: None }
}

const OLD_KEYS: [OldKey; 9] = [
    list("users", "immutable", "mutability", Word::Text("immutable")),
    list("users", "create_only", "push", Word::Text("on_create")),
    list("users", "required", "required", Word::Flag(true)),
    list("users", "unsupported", "supported", Word::Flag(false)),
    list("users", "access", "grants_access", Word::Flag(true)),
    list("read", "lossy", "returned", Word::Text("never")),
    of_role("role_path", "path"),
    of_role("role_shape", "shape"),
    of_role("role_type", "type"),
];

/// Which lists a file replaces as a whole: their words are taken back before the file's own are laid over.
#[derive(Debug, Clone, Default)]
pub struct Replaced(Vec<&'static str>);

impl Replaced {
    /// Takes the words of these lists back.
    pub fn forget_in(&self, settings: &mut AttributeSettings) {
        self.0.iter().for_each(|setting| settings.forget(setting));
    }
}

/// Rewrites the old keys of the profile, or of the part of one, that stands at `base`.
pub fn rewrite(document: &mut Document<'_>, base: &[&str], found: &mut Vec<Diagnostic>) -> Replaced {
    let mut replaced = Replaced::default();
    let Some(profile) = document.table_mut(base) else { return replaced };
    let mut old = Vec::new();
    for key in &OLD_KEYS {
        let table = table_in(profile, key.table);
        if let Some((name, node)) = table.and_then(|table| table.remove_entry(key.key)) {
            old.push((key, name.span(), node));
        }
    }
    if old.is_empty() {
        return replaced;
    }
    let new: Vec<Path> = match profile.get("attributes").and_then(|node| node.get_ref().as_table()) {
        Some(table) => table.keys().filter_map(|key| Path::parse(key.get_ref()).ok()).collect(),
        None => Vec::new(),
    };
    let (mut told, mut places) = (Vec::new(), Vec::new());
    for (key, at, node) in old {
        let Some(named) = named(key, &node) else {
            let message = format!("`{}` takes a list of attributes", key.key);
            told.push((node.span(), Level::Error, message, new_spelling(key, None, base, &["userName"])));
            continue;
        };
        if key.listed.is_some() {
            replaced.0.push(key.setting);
        }
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_ref()).collect();
        let message = format!("`{}.{}` is an old key, and read for one more release", key.table, key.key);
        told.push((at, Level::Warning, message, new_spelling(key, node.get_ref().as_str(), base, &names)));
        for (name, span) in named {
            let path = Path::parse(&name);
            if path.as_ref().is_ok_and(|path| new.contains(path)) {
                let message = format!(
                    "`{name}` is set by the old key `{}.{}` and by `[attributes.{name:?}]`",
                    key.table, key.key
                );
                told.push((span, Level::Error, message, "say everything of it under `[attributes]`".to_owned()));
                continue;
            }
            if let Err(misspelt) = path_of(&name, key.listed.is_none())
                && path.is_ok()
            {
                told.push((span.clone(), Level::Warning, misspelt.message, misspelt.hint));
            }
            let value = match key.listed {
                Some(Word::Text(text)) => DeValue::String(Cow::Borrowed(text)),
                Some(Word::Flag(flag)) => DeValue::Boolean(flag),
                // Left empty, it was the usual place.
                None if key.setting == "path" && node.get_ref().as_str() == Some("") => {
                    DeValue::String(Cow::Borrowed("roles"))
                }
                None => node.get_ref().clone(),
            };
            set(profile, name, &span, key.setting, value);
            places.push(span);
        }
    }
    document.note_old(places);
    found.extend(told.into_iter().map(|(span, level, message, hint)| document.at(span, level, message, Some(hint))));
    replaced
}

/// The attributes that an old key is about, each with its place; `None` if its value is none of the right form.
fn named<'t>(key: &OldKey, node: &TomlNode<'t>) -> Option<Vec<(Cow<'t, str>, Range<usize>)>> {
    if key.listed.is_none() {
        return Some(vec![(Cow::Borrowed("role"), node.span())]);
    }
    let spelt = |name: &Cow<'t, str>| match ResourceType::User.find(None, name) {
        Some(known) => Cow::Borrowed(known.attribute.name),
        None => name.clone(),
    };
    node.get_ref()
        .as_array()?
        .iter()
        .map(|entry| match entry.get_ref() {
            DeValue::String(name) => Some((spelt(name), entry.span())),
            _ => None,
        })
        .collect()
}

/// Sets one key of `[attributes.<name>]`.
fn set<'t>(
    profile: &mut DeTable<'t>,
    name: Cow<'t, str>,
    span: &Range<usize>,
    setting: &'static str,
    value: DeValue<'t>,
) {
    let at = |name| Spanned::new(span.clone(), name);
    let below = |place: &mut DeTable<'t>, name: &Cow<'t, str>| {
        if !place.contains_key(name.as_ref()) {
            place.insert(at(name.clone()), Spanned::new(span.clone(), DeValue::Table(DeTable::new())));
        }
    };
    let attributes = Cow::Borrowed("attributes");
    below(profile, &attributes);
    let Some(all) = table_in(profile, &attributes) else { return };
    below(all, &name);
    if let Some(one) = table_in(all, &name) {
        one.insert(at(Cow::Borrowed(setting)), Spanned::new(span.clone(), value));
    }
}

/// What to write instead.
fn new_spelling(key: &OldKey, of_role: Option<&str>, base: &[&str], names: &[&str]) -> String {
    let table =
        |name: &str| format!("[{}attributes.{name:?}]", base.iter().map(|name| format!("{name}.")).collect::<String>());
    let value = match key.listed {
        Some(Word::Text(text)) => format!("{text:?}"),
        Some(Word::Flag(flag)) => flag.to_string(),
        None => format!("{:?}", of_role.unwrap_or_default()),
    };
    let line = format!("{} = {value}", key.setting);
    match names {
        [] => {
            format!(
                "remove the line, unless another file names attributes that way: then write another value than `{line}` for these"
            )
        }
        [name] => format!("write `{line}` under `{}`", table(name)),
        [first, others @ ..] => {
            format!("write `{line}` under `{}`, and the same for {}", table(first), words::list(others.iter().copied()))
        }
    }
}
