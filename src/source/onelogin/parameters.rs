//! The parameters of the application, such as "Heap Role". What comes in is the application as the API shows it; what goes out is what each parameter
//! that a mapping reads is for one user, under `app_parameters`.
//!
//! The API defines parameters once, in the application (`GET /api/2/apps/{id}`): the user attribute that each takes its value from, a macro,
//! or a default. So one call serves every user. What the API does not show (a value that an administrator typed for one user, what a rule of
//! the application sets, a transformation) is never taken for an empty value: it is marked as unread, and the attribute is left as it is.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::SourceError;
use super::super::web::{self, Binding, Object, WebConnection};
use super::OneLogin;
use super::application::set_by_rules;
use super::macros::{CUSTOM_PREFIX, Macro, text};
use super::records::{CUSTOM, PARAMETERS, names};
use crate::config::directory::onelogin::OneLoginParameterOff as Off;
use crate::model::{Finding, fold, unread};

/// What `user_attribute_mappings` is for a macro (documented).
const MACRO: &str = "_macro_";

/// At most so many parameters are named where one is not found.
const SHOWN: usize = 8;

/// How the value of one parameter is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// The API does not tell; why.
    Unread(String),
    /// The parameter counts as off: no user has a value.
    Off(&'static str),
    /// From the user, else the default.
    Value { from: Macro, default: Option<String> },
}

/// The parameters that mappings read, with their rules.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameters {
    rules: BTreeMap<String, Rule>,
    /// Whether the rules of the application could not be looked at, although they were to be.
    is_unchecked: bool,
}

impl Parameters {
    /// What is known of the wanted parameters of an application.
    ///
    /// # Errors
    /// When the rules of the application can't be read for another reason than a missing right.
    pub(super) async fn read(web: &WebConnection, layout: &OneLogin, binding: &Binding) -> Result<Self, SourceError> {
        if !layout.reads(PARAMETERS) {
            return Ok(Self::default());
        }
        let (set, is_unchecked) = set_by_rules(web, layout.table.parameter_rules, binding).await?;
        let shown = binding.record.get("parameters").and_then(Value::as_object);
        // Where the object is read as a whole, every parameter counts.
        let is_whole = layout.reads.iter().any(|read| read == PARAMETERS);
        let below = layout.reads.iter().filter_map(|read| read.strip_prefix(PARAMETERS)?.strip_prefix('.'));
        let all = below.chain(shown.filter(|_| is_whole).into_iter().flat_map(Map::keys).map(String::as_str));
        let rules: BTreeMap<_, _> = all.map(|name| (name.to_owned(), rule(name, shown, &set, layout))).collect();
        for (parameter, rule) in &rules {
            if let Rule::Unread(why) = rule {
                let application = binding.application.shown();
                tracing::warn!(
                    application,
                    parameter,
                    why,
                    "parameter not readable; what depends on it stays as it is"
                );
            }
        }
        Ok(Self { rules, is_unchecked })
    }

    /// Whether a field of a user is needed.
    pub(super) fn reads(&self, field: &str) -> bool {
        self.rules.values().any(|rule| matches!(rule, Rule::Value { from, .. } if from.reads(field)))
    }

    /// The values for one user, as the API shows them; `None` if no mapping reads any.
    pub(super) fn of(&self, user: &Object) -> Option<Value> {
        let value = |(name, rule): (&String, &Rule)| Some((name.clone(), rule.value(user)?));
        (!self.rules.is_empty()).then(|| self.rules.iter().filter_map(value).collect())
    }
}

/// Each parameter of the application that a mapping reads, for `doctor`.
pub(super) async fn examine(web: &WebConnection, layout: &OneLogin, binding: &Binding) -> Vec<Finding> {
    const CHECK: &str = "parameter";
    let read = match Parameters::read(web, layout, binding).await {
        Ok(read) => read,
        Err(error) => return vec![Finding::wrong(CHECK, error.to_string(), "see whether the application can be read")],
    };
    let unchecked = match read.is_unchecked {
        true => "; whether a rule of the application sets it is unknown without Manage All",
        false => "",
    };
    let finding = |(name, rule): (&String, &Rule)| match rule {
        Rule::Unread(why) => Finding::warning(
            CHECK,
            format!("{PARAMETERS}.{name} can't be read: {why}; what depends on it is left as it is"),
            "map the parameter to a user attribute in OneLogin, or read that attribute instead: custom_attributes.NAME",
        ),
        Rule::Off(why) => Finding::ok(CHECK, format!("{PARAMETERS}.{name} is off: {why}")),
        Rule::Value { from, default } => {
            let default = default.as_ref().map_or_else(String::new, |value| format!(", else {value:?}"));
            Finding::ok(CHECK, format!("{PARAMETERS}.{name} is {from}{default}{unchecked}"))
        }
    };
    read.rules.iter().map(finding).collect()
}

impl Rule {
    /// The value for one user; `None` for none, a mark for one that is not known.
    fn value(&self, user: &Object) -> Option<Value> {
        match self {
            Self::Unread(why) => Some(unread::mark(why)),
            Self::Off(_) => None,
            Self::Value { from, default } => match from.expand(user) {
                Err(why) => Some(unread::mark(&why)),
                Ok(text) => text.or_else(|| default.clone()).map(Value::from),
            },
        }
    }
}

/// Finds a parameter by its short name, else by its label: `heap_role` is the label "Heap Role".
fn find<'a>(name: &str, shown: &'a Map<String, Value>) -> Result<Option<(&'a str, &'a Object)>, String> {
    let all = || shown.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_object()?)));
    let is_called = |one: &str| slug(one) == slug(name);
    let named = |(key, one): &(&str, &Object)| is_called(key) || is_called(web::text(one, "label").unwrap_or_default());
    let found: Vec<_> = match all().find(|(key, _)| *key == name) {
        Some(exact) => vec![exact],
        None => all().filter(named).collect(),
    };
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        several => {
            let names: Vec<&str> = several.iter().map(|(key, _)| *key).collect();
            Err(format!("{} parameters are called so: {}", names.len(), names.join(", ")))
        }
    }
}

/// A label as a name: `Heap Role` is `heap_role`.
fn slug(label: &str) -> String {
    fold(label).split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}

fn rule(name: &str, shown: Option<&Object>, set: &Result<Vec<String>, String>, layout: &OneLogin) -> Rule {
    let shown = shown.ok_or_else(|| "the API shows no parameters of the application".to_owned());
    shown.and_then(|shown| found(name, shown, set.as_deref(), layout)).unwrap_or_else(Rule::Unread)
}

/// The rule of a parameter, or why it can't be known.
fn found(name: &str, shown: &Object, set: Result<&[String], &String>, layout: &OneLogin) -> Result<Rule, String> {
    let is_off = |off: Off| layout.table.parameter_off.contains(&off);
    let Some((key, parameter)) = find(name, shown)? else {
        return match is_off(Off::Missing) {
            true => Ok(Rule::Off("the application has no such parameter")),
            false => Err(missing(shown)),
        };
    };
    if set.map_err(String::clone)?.iter().any(|one| slug(one) == slug(key)) {
        return Err("a rule of the application sets it for some users".to_owned());
    }
    if is_off(Off::NotProvisioned) {
        match parameter.get("provisioned_entitlements").and_then(Value::as_bool) {
            Some(true) => {}
            Some(false) => return Ok(Rule::Off("it is not included in provisioning")),
            None => return Err("the API does not show whether it is included in provisioning".to_owned()),
        }
    }
    if parameter.get("attributes_transformations").is_some_and(|value| !is_blank(value)) {
        return Err("OneLogin transforms its value, and the API does not show the result".to_owned());
    }
    let mapped = parameter.get("user_attribute_mappings");
    let mapped = mapped.ok_or("the API does not show the user attribute that it takes its value from")?;
    let default = default(parameter, layout.table.parameter_defaults)?;
    let from = match mapped.as_str().map(str::trim).unwrap_or_default() {
        "" if !is_blank(mapped) => return Err("its user attribute is no text".to_owned()),
        "" if default.is_some() => Macro::default(),
        "" if is_off(Off::Unmapped) => return Ok(Rule::Off("it takes its value from nothing")),
        "" => return Err("its values are typed for each user, and the API does not show them".to_owned()),
        MACRO => Macro::parse(web::text(parameter, "user_attribute_macros").unwrap_or_default().trim())?,
        name if name.starts_with(CUSTOM_PREFIX) || (name != CUSTOM && names().any(|known| known == name)) => {
            Macro::of(name)
        }
        other => return Err(format!("{other:?} is no field of a user that the API documents")),
    };
    Ok(Rule::Value { from, default })
}

/// The value for users without one.
fn default(parameter: &Object, is_used: bool) -> Result<Option<String>, String> {
    for name in ["default_values", "values"] {
        let value = match parameter.get(name) {
            Some(Value::Array(items)) if items.len() == 1 => items.first(),
            other => other,
        };
        let Some(value) = value.filter(|value| !is_blank(value)) else { continue };
        if !is_used {
            return Err(format!("its {name} are set, and `parameter_defaults` is false"));
        }
        return text(value).ok_or_else(|| format!("its {name} are no single text"));
    }
    Ok(None)
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(is_blank),
        value => text(value) == Some(None),
    }
}

fn missing(shown: &Object) -> String {
    let label = |value: &Value| value.get("label").and_then(Value::as_str).map(|label| format!(" ({label})"));
    let names = shown.iter().map(|(key, value)| format!("{key}{}", label(value).unwrap_or_default()));
    let names: Vec<String> = names.take(SHOWN).collect();
    match names.is_empty() {
        true => "the application has no parameters".to_owned(),
        false => format!("the application has no such parameter; it has: {}", names.join(", ")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
