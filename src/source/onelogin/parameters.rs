//! The parameters of the application, such as "Heap Role". In: the application as the API shows it. Out: what each parameter that a mapping
//! reads is for one user, under `app_parameters`.
//!
//! The API defines parameters once, in the application (`GET /api/2/apps/{id}`): the user attribute that each takes its value from, a macro,
//! or a default. So one call serves every user. What the API does not show (a value that an administrator typed for one user, what a rule of
//! the application sets, a transformation) is never taken for an empty value: it is marked as unread, and the attribute is left as it is.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::SourceError;
use super::super::web::{Api, Binding, Object, WebConnection};
use super::OneLogin;
use super::application::{RuleActions, rules};
use super::macros::Macro;
use super::records::{CUSTOM, NAMES};
use crate::config::directory::onelogin::{OneLoginParameterOff as Off, OneLoginParameterRules as LookAtRules};
use crate::model::{Finding, fold, unread};

/// The name under which mappings read parameters: `app_parameters.heap_role`.
pub(super) const PARAMETERS: &str = "app_parameters";
/// What `user_attribute_mappings` begins with for a custom attribute (documented).
const CUSTOM_PREFIX: &str = "custom_attribute_";
/// What `user_attribute_mappings` is for a macro (documented).
const MACRO: &str = "_macro_";

/// The names of parameters that mappings read.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    names: Vec<String>,
    /// Whether the object is read as a whole, so that every parameter counts.
    all: bool,
}

impl Wanted {
    pub(super) fn of(reads: &[String]) -> Self {
        let below = |read: &String| Some(read.strip_prefix(PARAMETERS)?.strip_prefix('.')?.to_owned());
        Self { names: reads.iter().filter_map(below).collect(), all: reads.iter().any(|read| read == PARAMETERS) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.all
    }

    /// With the application's own names where all count.
    fn names(&self, shown: Option<&Map<String, Value>>) -> Vec<String> {
        let all = shown.filter(|_| self.all).into_iter().flat_map(Map::keys);
        let mut names: Vec<String> = self.names.iter().chain(all).cloned().collect();
        names.sort();
        names.dedup();
        names
    }
}

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
    /// Why the rules of the application could not be looked at, although they were to be.
    unchecked: Option<String>,
}

impl Parameters {
    /// What is known of the wanted parameters of an application.
    ///
    /// # Errors
    /// When the rules of the application can't be read for another reason than a missing right.
    pub(super) async fn read(api: &Api, layout: &OneLogin, binding: &Binding) -> Result<Self, SourceError> {
        if layout.parameters_wanted.is_empty() {
            return Ok(Self::default());
        }
        let (set, unchecked) = set_by_rules(api, layout, binding).await?;
        let shown = binding.record.get("parameters").and_then(Value::as_object);
        let rule = |name: String| {
            let rule = rule(&name, shown, &set, layout);
            (name, rule)
        };
        let rules: BTreeMap<String, Rule> = layout.parameters_wanted.names(shown).into_iter().map(rule).collect();
        for (name, why) in rules.iter().filter_map(|(name, rule)| Some((name, rule.unread()?))) {
            tracing::warn!(
                application = binding.application.shown(),
                parameter = name,
                why,
                "a parameter of the application could not be read; what depends on it is left as it is"
            );
        }
        Ok(Self { rules, unchecked })
    }

    /// The fields of a user that are needed, and whether custom attributes are.
    pub(super) fn needs(&self) -> (Vec<&'static str>, bool) {
        let from = self.rules.values().filter_map(|rule| match rule {
            Rule::Value { from, .. } => Some(from),
            Rule::Unread(_) | Rule::Off(_) => None,
        });
        let from: Vec<&Macro> = from.collect();
        (from.iter().flat_map(|from| from.fields()).collect(), from.iter().any(|from| from.reads_custom()))
    }

    /// The values for one user, as the API shows them; `None` if no mapping reads any.
    pub(super) fn of(&self, user: &Object) -> Option<Value> {
        if self.rules.is_empty() {
            return None;
        }
        let value = |(name, rule): (&String, &Rule)| Some((name.clone(), rule.value(user)?));
        Some(Value::Object(self.rules.iter().filter_map(value).collect()))
    }
}

/// Each parameter of the application that a mapping reads, for `doctor`.
pub(super) async fn examine(web: &WebConnection, layout: &OneLogin, binding: &Binding) -> Vec<Finding> {
    const CHECK: &str = "parameter";
    let read = match Parameters::read(&web.api, layout, binding).await {
        Ok(read) => read,
        Err(error) => return vec![Finding::wrong(CHECK, error.to_string(), "see whether the application can be read")],
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
            let rules = match read.unchecked {
                Some(_) => "; whether a rule of the application sets it is unknown without Manage All",
                None => "",
            };
            Finding::ok(CHECK, format!("{PARAMETERS}.{name} is {from}{default}{rules}"))
        }
    };
    read.rules.iter().map(finding).collect()
}

/// The parameters that rules of the application set, or why none of the parameters can be known; and why the rules were not looked at.
async fn set_by_rules(
    api: &Api,
    layout: &OneLogin,
    binding: &Binding,
) -> Result<(Result<Vec<String>, String>, Option<String>), SourceError> {
    if layout.table.parameter_rules == LookAtRules::Ignored {
        return Ok((Ok(Vec::new()), None));
    }
    Ok(match rules(api, &binding.application.id).await? {
        RuleActions::Set(set) => (Ok(set), None),
        RuleActions::TooMany => (Err("the application has more rules than one answer shows".to_owned()), None),
        RuleActions::Forbidden(why) if layout.table.parameter_rules == LookAtRules::Required => {
            (Err(format!("the rules of the application may not be read, which may need Manage All: {why}")), None)
        }
        RuleActions::Forbidden(why) => {
            tracing::debug!(
                application = binding.application.shown(),
                why,
                "the rules of the application may not be read"
            );
            (Ok(Vec::new()), Some(why))
        }
    })
}

impl Rule {
    /// Why no value is known, if that is so for every user.
    pub(super) fn unread(&self) -> Option<&str> {
        match self {
            Self::Unread(why) => Some(why),
            _ => None,
        }
    }

    /// The value for one user; `None` for none, a mark for one that is not known.
    fn value(&self, user: &Object) -> Option<Value> {
        let (from, default) = match self {
            Self::Unread(why) => return Some(unread::mark(why)),
            Self::Off(_) => return None,
            Self::Value { from, default } => (from, default),
        };
        match from.expand(user) {
            Err(why) => Some(unread::mark(&why)),
            Ok(Some(text)) => Some(Value::from(text)),
            Ok(None) => default.clone().map(Value::from),
        }
    }
}

/// A field of a user as text; blank is none.
pub(super) fn field(user: &Object, name: &str) -> Result<Option<String>, String> {
    match user.get(name) {
        Some(value) => text(value).map_err(|()| format!("the field {name} is no text")),
        None => Err(format!("the user does not show the field {name}")),
    }
}

/// A custom attribute of a user as text. A name that is not there has no value: so the list shows users without one.
pub(super) fn custom(user: &Object, name: &str) -> Result<Option<String>, String> {
    match user.get(CUSTOM) {
        Some(Value::Object(all)) => {
            all.get(name).map_or(Ok(None), text).map_err(|()| format!("the custom attribute {name} is no text"))
        }
        Some(Value::Null) => Ok(None),
        _ => Err("the user does not show custom attributes".to_owned()),
    }
}

fn text(value: &Value) -> Result<Option<String>, ()> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(()),
    }
}

/// Finds a parameter by its short name, else by its label: `heap_role` is the label "Heap Role".
fn find<'a>(name: &str, shown: &'a Map<String, Value>) -> Result<Option<(&'a str, &'a Object)>, String> {
    let object = |(key, value): (&'a String, &'a Value)| Some((key.as_str(), value.as_object()?));
    if let Some(exact) = shown.get_key_value(name).and_then(object) {
        return Ok(Some(exact));
    }
    let label = |parameter: &Object| slug(parameter.get("label").and_then(Value::as_str).unwrap_or_default());
    let found: Vec<_> = shown
        .iter()
        .filter_map(object)
        .filter(|(key, parameter)| slug(key) == slug(name) || label(parameter) == slug(name))
        .collect();
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

fn rule(name: &str, shown: Option<&Map<String, Value>>, set: &Result<Vec<String>, String>, layout: &OneLogin) -> Rule {
    let unread = |why: String| Rule::Unread(why);
    let Some(shown) = shown else { return unread("the API shows no parameters of the application".to_owned()) };
    let is_off = |off: Off| layout.table.parameter_off.contains(&off);
    let (key, parameter) = match find(name, shown) {
        Err(why) => return unread(why),
        Ok(Some(found)) => found,
        Ok(None) if is_off(Off::Missing) => return Rule::Off("the application has no such parameter"),
        Ok(None) => return unread(missing(shown)),
    };
    match set {
        Err(why) => return unread(why.clone()),
        Ok(set) if set.iter().any(|one| slug(one) == slug(key)) => {
            return unread("a rule of the application sets it for some users".to_owned());
        }
        Ok(_) => {}
    }
    if is_off(Off::NotProvisioned) {
        match parameter.get("provisioned_entitlements") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Rule::Off("it is not included in provisioning"),
            _ => return unread("the API does not show whether it is included in provisioning".to_owned()),
        }
    }
    defined(parameter, layout)
}

/// What the definition itself says.
fn defined(parameter: &Object, layout: &OneLogin) -> Rule {
    let word = |name: &str| parameter.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let unread = |why: String| Rule::Unread(why);
    if parameter.get("attributes_transformations").is_some_and(|value| !is_blank(value)) {
        return unread("OneLogin transforms its value, and the API does not show the result".to_owned());
    }
    let Some(mapped) = parameter.get("user_attribute_mappings") else {
        return unread("the API does not show the user attribute that it takes its value from".to_owned());
    };
    let default = match default(parameter, layout) {
        Ok(default) => default,
        Err(why) => return unread(why),
    };
    let from = match mapped.as_str().map(str::trim).unwrap_or_default() {
        "" if !is_blank(mapped) => return unread("its user attribute is no text".to_owned()),
        "" if default.is_some() => Macro::default(),
        "" if layout.table.parameter_off.contains(&Off::Unmapped) => {
            return Rule::Off("it takes its value from nothing");
        }
        "" => return unread("its values are typed for each user, and the API does not show them".to_owned()),
        MACRO => match Macro::parse(word("user_attribute_macros").unwrap_or_default()) {
            Ok(parts) => parts,
            Err(why) => return unread(why),
        },
        other => match other.strip_prefix(CUSTOM_PREFIX) {
            Some(short) => Macro::custom(short),
            None => match NAMES.split_whitespace().find(|name| *name == other && *name != CUSTOM) {
                Some(name) => Macro::field(name),
                None => return unread(format!("{other:?} is no field of a user that the API documents")),
            },
        },
    };
    Rule::Value { from, default }
}

/// The value for users without one.
fn default(parameter: &Object, layout: &OneLogin) -> Result<Option<String>, String> {
    for name in ["default_values", "values"] {
        let value = match parameter.get(name) {
            Some(Value::Array(items)) if items.len() == 1 => items.first(),
            other => other,
        };
        let Some(value) = value.filter(|value| !is_blank(value)) else { continue };
        if !layout.table.parameter_defaults {
            return Err(format!("its {name} are set, and `parameter_defaults` is false"));
        }
        return text(value).map_err(|()| format!("its {name} are no single text"));
    }
    Ok(None)
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.iter().all(is_blank),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn missing(shown: &Map<String, Value>) -> String {
    const SHOWN: usize = 8;
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
