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
use super::macros::{CUSTOM_PREFIX, Macro, text};
use super::records::{CUSTOM, PARAMETERS, names};
use super::{OneLogin, list};
use crate::config::directory::onelogin::{
    OneLoginParameterOff as Off, OneLoginParameterRules as LookAtRules, OneLoginTable,
};
use crate::model::{Finding, fold, unread};

/// What `user_attribute_mappings` is for a macro (documented).
const MACRO: &str = "_macro_";

/// At most so many parameters are named where one is not found.
const SHOWN: usize = 8;

/// How `doctor` calls what it says of a parameter.
pub(super) const CHECK: &str = "parameter";

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
    /// What is not known of all of them.
    unchecked: &'static str,
}

/// The parameters that rules of the application set for some users, or why none of the parameters can be known.
type SetByRules = Result<Vec<String>, String>;

/// Looks at the rules of an application. The text says what is not known because they may not be read.
///
/// # Errors
/// When they can't be read for another reason than a missing right.
async fn set_by_rules(
    web: &WebConnection,
    look: LookAtRules,
    binding: &Binding,
) -> Result<(SetByRules, &'static str), SourceError> {
    let list = list("rules of an app", &["apps", &binding.application.id, "rules"], 0);
    if look == LookAtRules::Ignored {
        return Ok((Ok(Vec::new()), ""));
    }
    let (rules, _, next) = match web.api.find(&list.question).await {
        Ok(Some(reply)) => list.entries(&web.api, &reply)?,
        // So an account without such rules answers.
        Ok(None) => return Ok((Ok(Vec::new()), "")),
        Err(SourceError::Refused(why) | SourceError::Forbidden(why)) if look == LookAtRules::Required => {
            let why = format!("the rules of the application may not be read, which may need Manage All: {why}");
            return Ok((Err(why), ""));
        }
        Err(SourceError::Refused(why) | SourceError::Forbidden(why)) => {
            tracing::debug!(application = binding.application.shown(), why, "the rules may not be read");
            return Ok((Ok(Vec::new()), "; whether a rule of the application sets it is unknown without Manage All"));
        }
        Err(error) => return Err(error),
    };
    if next.is_some() {
        return Ok((Err("the application has more rules than one answer shows".to_owned()), ""));
    }
    let enabled = rules.iter().filter(|rule| rule.get("enabled") != Some(&Value::Bool(false)));
    let actions = enabled.flat_map(|rule| rule.get("actions").and_then(Value::as_array).into_iter().flatten());
    let set = actions.filter_map(|action| action.get("action")?.as_str()?.strip_prefix("set_"));
    Ok((Ok(set.map(str::to_owned).collect()), ""))
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
        let (set, unchecked) = set_by_rules(web, layout.table.parameter_rules, binding).await?;
        let shown = binding.record.get("parameters").and_then(Value::as_object);
        // Where the object is read as a whole, every parameter counts.
        let is_whole = layout.reads.iter().any(|read| read == PARAMETERS);
        let below = layout.reads.iter().filter_map(|read| read.strip_prefix(PARAMETERS)?.strip_prefix('.'));
        let all = below.chain(shown.filter(|_| is_whole).into_iter().flat_map(Map::keys).map(String::as_str));
        Ok(Self { rules: all.map(|name| (name.to_owned(), rule(name, shown, &set, layout))).collect(), unchecked })
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

    /// Each parameter that a mapping reads, for `doctor`.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let finding = |(name, rule): (&String, &Rule)| match rule {
            Rule::Unread(why) => Finding::warning(
                CHECK,
                format!("{PARAMETERS}.{name} can't be read: {why}; what depends on it is left as it is"),
                "map the parameter to a user attribute in OneLogin, or read that attribute instead: custom_attributes.NAME",
            ),
            Rule::Off(why) => Finding::ok(CHECK, format!("{PARAMETERS}.{name} is off: {why}")),
            Rule::Value { from, default } => {
                let default = default.as_ref().map_or_else(String::new, |value| format!(", else {value:?}"));
                Finding::ok(CHECK, format!("{PARAMETERS}.{name} is {from}{default}{}", self.unchecked))
            }
        };
        self.rules.iter().map(finding).collect()
    }
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
fn find<'a>(name: &str, shown: &'a Object) -> Result<Option<(&'a str, &'a Object)>, String> {
    let all: Vec<_> = shown.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_object()?))).collect();
    if let Some(exact) = all.iter().find(|(key, _)| *key == name) {
        return Ok(Some(*exact));
    }
    let is_called = |one: &str| slug(one) == slug(name);
    let is_meant = |(key, one): &(&str, &Object)| is_called(key) || web::text(one, "label").is_some_and(is_called);
    let found: Vec<_> = all.into_iter().filter(is_meant).collect();
    let names: Vec<&str> = found.iter().map(|(key, _)| *key).collect();
    match names.len() {
        0 | 1 => Ok(found.into_iter().next()),
        several => Err(format!("{several} parameters are called so: {}", names.join(", "))),
    }
}

/// A label as a name: `Heap Role` is `heap_role`.
fn slug(label: &str) -> String {
    fold(label).split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}

/// The rule of a parameter.
fn rule(name: &str, shown: Option<&Object>, set: &SetByRules, layout: &OneLogin) -> Rule {
    found(name, shown, set, &layout.table).unwrap_or_else(|why| {
        tracing::warn!(parameter = name, why, "parameter not readable; what depends on it stays as it is");
        Rule::Unread(why)
    })
}

/// The rule of a parameter, or why it can't be known.
fn found(name: &str, shown: Option<&Object>, set: &SetByRules, table: &OneLoginTable) -> Result<Rule, String> {
    let is_off = |off: Off| table.parameter_off.contains(&off);
    let shown = shown.ok_or("the API shows no parameters of the application")?;
    let unread = |is_so: bool, why: &str| if is_so { Err(why.to_owned()) } else { Ok(()) };
    let Some((key, parameter)) = find(name, shown)? else {
        let off = is_off(Off::Missing).then_some(Rule::Off("the application has no such parameter"));
        return off.ok_or_else(|| missing(shown));
    };
    let is_set = set.as_deref()?.iter().any(|one| slug(one) == slug(key));
    unread(is_set, "a rule of the application sets it for some users")?;
    let is_provisioned = parameter.get("provisioned_entitlements").and_then(Value::as_bool);
    if is_off(Off::NotProvisioned)
        && !is_provisioned.ok_or("the API does not show whether it is included in provisioning")?
    {
        return Ok(Rule::Off("it is not included in provisioning"));
    }
    let filled = |name: &str| Some(single(parameter.get(name)?)).filter(|value| *value != Some(None));
    let is_transformed = filled("attributes_transformations").is_some();
    unread(is_transformed, "OneLogin transforms its value, and the API does not show the result")?;
    let mapped = parameter.get("user_attribute_mappings");
    let mapped = mapped.ok_or("the API does not show the user attribute that it takes its value from")?;
    // The value for users without one.
    let default = match ["default_values", "values"].into_iter().find_map(|name| Some((name, filled(name)?))) {
        Some((name, _)) if !table.parameter_defaults => {
            return Err(format!("its {name} are set, and `parameter_defaults` is false"));
        }
        Some((name, value)) => value.ok_or_else(|| format!("its {name} are no single text"))?,
        None => None,
    };
    let mapped = text(mapped).ok_or("its user attribute is no text")?;
    let from = match mapped.as_deref().map(str::trim) {
        None if default.is_some() => Macro::default(),
        None if is_off(Off::Unmapped) => return Ok(Rule::Off("it takes its value from nothing")),
        None => return Err("its values are typed for each user, and the API does not show them".to_owned()),
        Some(MACRO) => Macro::parse(web::text(parameter, "user_attribute_macros").unwrap_or_default().trim())?,
        Some(name) if name.starts_with(CUSTOM_PREFIX) || (name != CUSTOM && names().any(|one| one == name)) => {
            Macro::of(name)
        }
        Some(other) => return Err(format!("{other:?} is no field of a user that the API documents")),
    };
    Ok(Rule::Value { from, default })
}

/// As [`text`], where a list of one stands for that one.
fn single(value: &Value) -> Option<Option<String>> {
    match value {
        Value::Array(items) if items.iter().all(|item| single(item) == Some(None)) => Some(None),
        Value::Array(items) if items.len() == 1 => items.first().and_then(text),
        value => text(value),
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
