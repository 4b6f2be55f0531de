//! Where a parameter takes its value from: an attribute of the user, or a macro such as `{firstname}.{lastname}`. What comes in is a macro's text and a
//! user; what goes out is the text that OneLogin makes of it, only where that is certain.
//!
//! Documented: names in braces stand for attributes of the user, everything else stays as it is. What an attribute without a value becomes
//! within other text is not documented, nor are the parts that OneLogin makes up (`{strongpwd}`): these are not known.

use serde_json::Value;

use super::super::web::Object;
use super::records::CUSTOM;

/// What the name of a custom attribute begins with (documented).
pub(super) const CUSTOM_PREFIX: &str = "custom_attribute_";

/// The names that a macro may have, beside those of custom attributes.
const NAMES: &str = "firstname lastname email username phone department title samaccountname external_id userprincipalname email_name_part \
    email_domain_part";

/// A macro that can be resolved: texts, each with the name that follows it, if one does. A parameter that takes its value from one attribute is a
/// macro of that one; an empty one gives no value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Macro(Vec<(String, String)>);

impl std::fmt::Display for Macro {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("the same for every user"),
            [(text, name)] if text.is_empty() && !name.ends_with("_part") => match name.strip_prefix(CUSTOM_PREFIX) {
                Some(short) => write!(f, "the custom attribute {short}"),
                None => write!(f, "the user's {name}"),
            },
            _ => f.write_str("a macro"),
        }
    }
}

impl Macro {
    /// The value of an attribute: a field, or a custom attribute by its short name with the prefix that the API gives it.
    pub(super) fn of(name: &str) -> Self {
        Self(vec![(String::new(), name.to_owned())])
    }

    /// Reads a macro.
    ///
    /// # Errors
    /// When it is empty, or has a part whose value can't be known.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is a macro, and the API does not show which".to_owned());
        }
        let is_known = |name: &str| {
            let is_custom = name.strip_prefix(CUSTOM_PREFIX).is_some_and(|short| !short.is_empty());
            is_custom || NAMES.split_whitespace().any(|known| known == name)
        };
        let part = |part: &str| {
            let (text, name) = match part.strip_suffix('}') {
                Some(part) => part.rsplit_once('{').filter(|(_, name)| is_known(name))?,
                None => (part, ""),
            };
            (!text.contains(['{', '}'])).then(|| (text.to_owned(), name.to_owned()))
        };
        let parts = text.split_inclusive('}').map(part).collect::<Option<_>>().map(Self);
        parts.ok_or_else(|| format!("what OneLogin makes of the macro {text:?} can't be known exactly"))
    }

    /// Whether it reads a field of the user.
    pub(super) fn reads(&self, field: &str) -> bool {
        self.0.iter().any(|(_, name)| field_of(name) == field)
    }

    /// Its text for one user; `None` if it is blank.
    ///
    /// # Errors
    /// When it can't be known.
    pub(super) fn expand(&self, user: &Object) -> Result<Option<String>, String> {
        let (mut whole, mut lacks_one) = (String::new(), false);
        for (text, name) in &self.0 {
            let value = if name.is_empty() { Some(String::new()) } else { value(user, name)? };
            lacks_one |= value.is_none();
            whole.extend([text.as_str(), value.as_deref().unwrap_or_default()]);
        }
        match (whole.is_empty(), lacks_one) {
            (true, _) => Ok(None),
            (false, true) => Err("the user has no value for a part of the macro".to_owned()),
            (false, false) => Ok(Some(whole)),
        }
    }
}

/// The field of a user that a name is read from.
fn field_of(name: &str) -> &str {
    match name {
        _ if name.starts_with(CUSTOM_PREFIX) => CUSTOM,
        "email_name_part" | "email_domain_part" => "email",
        _ => name,
    }
}

/// The value of a name; blank is none.
fn value(user: &Object, name: &str) -> Result<Option<String>, String> {
    let field = field_of(name);
    let shown = match (name.strip_prefix(CUSTOM_PREFIX), user.get(field)) {
        // A name that is not there has no value: so the list shows users without one.
        (Some(short), Some(Value::Object(all))) => all.get(short).unwrap_or(&Value::Null),
        (_, Some(Value::Null)) => &Value::Null,
        (None, Some(shown)) => shown,
        (None, None) => return Err(format!("the user does not show the field {field}")),
        (Some(_), _) => return Err("the user does not show custom attributes".to_owned()),
    };
    let text = text(shown).ok_or_else(|| format!("the user's {name} is no text"))?;
    let Some(address) = text.as_ref().filter(|_| name.ends_with("_part")) else { return Ok(text) };
    match (address.split('@').collect::<Vec<_>>().as_slice(), name) {
        ([before, _], "email_name_part") => Ok(Some((*before).to_owned())),
        ([_, domain], _) => Ok(Some((*domain).to_owned())),
        _ => Err("the e-mail address has no two parts".to_owned()),
    }
}

/// A value as text; nothing for a blank one. The outer `None` is for what is no single text.
pub(super) fn text(value: &Value) -> Option<Option<String>> {
    match value {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(text.clone()).filter(|text| !text.trim().is_empty())),
        Value::Number(number) => Some(Some(number.to_string())),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn expanded(text: &str) -> Result<Option<String>, String> {
        let user = json!({
            "firstname": "Ann", "lastname": null, "email": "ann@x.test", "custom_attributes": { "level": "Senior", "branch": null },
        });
        Macro::parse(text)?.expand(user.as_object().unwrap())
    }

    #[test]
    fn o6_a_macro_is_resolved_where_its_text_is_certain() {
        for (text, expected) in [
            ("Analyst", Some("Analyst")),
            ("{firstname}", Some("Ann")),
            ("{custom_attribute_level} {firstname}", Some("Senior Ann")),
            ("{email_name_part}+{email_domain_part}", Some("ann+x.test")),
            ("{lastname}", None),
            ("{custom_attribute_branch}", None),
        ] {
            assert_eq!(expanded(text), Ok(expected.map(str::to_owned)), "{text}");
        }
        for unclear in
            ["", "{firstname}.{lastname}", "{strongpwd}", "{firstname", "firstname}", "{{firstname}}", "{title}", "{}"]
        {
            assert!(expanded(unclear).is_err(), "{unclear}");
        }
    }
}
