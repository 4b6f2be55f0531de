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

/// A macro that can be resolved: texts and names in turn. A parameter that takes its value from one attribute is a macro of that one; an empty one
/// gives no value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Macro(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

impl std::fmt::Display for Macro {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("the same for every user"),
            [Part::Name(name)] if !name.ends_with("_part") => match name.strip_prefix(CUSTOM_PREFIX) {
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
        Self(vec![Part::Name(name.to_owned())])
    }

    /// Reads a macro.
    ///
    /// # Errors
    /// When it is empty, or has a part whose value can't be known.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is a macro, and the API does not show which".to_owned());
        }
        let unclear = || format!("what OneLogin makes of the macro {text:?} can't be known exactly");
        let (first, rest) = text.split_once('{').map_or((text, None), |(first, rest)| (first, Some(rest)));
        let mut parts = vec![Part::Text(first.to_owned())];
        for piece in rest.into_iter().flat_map(|rest| rest.split('{')) {
            let (name, after) = piece.split_once('}').filter(|(name, _)| is_known(name)).ok_or_else(unclear)?;
            parts.extend([Part::Name(name.to_owned()), Part::Text(after.to_owned())]);
        }
        let is_odd = |part: &Part| matches!(part, Part::Text(text) if text.contains('}'));
        if parts.iter().any(is_odd) {
            return Err(unclear());
        }
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self(parts))
    }

    /// Whether it reads a field of the user.
    pub(super) fn reads(&self, field: &str) -> bool {
        self.0.iter().any(|part| match part {
            Part::Name(name) if name.starts_with(CUSTOM_PREFIX) => field == CUSTOM,
            Part::Name(name) if name.ends_with("_part") => field == "email",
            Part::Name(name) => name == field,
            Part::Text(_) => false,
        })
    }

    /// Its text for one user; `None` if it is blank.
    ///
    /// # Errors
    /// When it can't be known.
    pub(super) fn expand(&self, user: &Object) -> Result<Option<String>, String> {
        let of = |part: &Part| match part {
            Part::Text(text) => Ok(Some(text.clone())),
            Part::Name(name) => value(user, name),
        };
        let parts = self.0.iter().map(of).collect::<Result<Vec<_>, _>>()?;
        if parts.iter().all(Option::is_none) {
            return Ok(None);
        }
        let whole: Option<String> = parts.into_iter().collect();
        let whole = whole.filter(|text| !text.trim().is_empty());
        whole.map(Some).ok_or_else(|| "the user has no value for a part of the macro".to_owned())
    }
}

fn is_known(name: &str) -> bool {
    let is_custom = name.strip_prefix(CUSTOM_PREFIX).is_some_and(|short| !short.is_empty());
    is_custom || NAMES.split_whitespace().any(|known| known == name)
}

/// The value of a name; blank is none.
fn value(user: &Object, name: &str) -> Result<Option<String>, String> {
    let is_part = name.ends_with("_part");
    let shown = match name.strip_prefix(CUSTOM_PREFIX) {
        Some(short) => match user.get(CUSTOM) {
            // A name that is not there has no value: so the list shows users without one.
            Some(Value::Object(all)) => all.get(short).unwrap_or(&Value::Null),
            Some(Value::Null) => &Value::Null,
            _ => return Err("the user does not show custom attributes".to_owned()),
        },
        None => {
            let field = if is_part { "email" } else { name };
            user.get(field).ok_or_else(|| format!("the user does not show the field {field}"))?
        }
    };
    let text = match text(shown).ok_or_else(|| format!("the user's {name} is no text"))? {
        Some(text) if is_part => text,
        whole => return Ok(whole),
    };
    let parts = text.split_once('@').filter(|(_, domain)| !domain.contains('@'));
    let (before, domain) = parts.ok_or_else(|| "the e-mail address has no two parts".to_owned())?;
    Ok(Some(if name == "email_name_part" { before } else { domain }.to_owned()))
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
