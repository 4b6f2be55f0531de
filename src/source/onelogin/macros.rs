//! Attribute macros of OneLogin, such as `{firstname}.{lastname}`. In: a macro's text and a user. Out: the text that OneLogin makes of it,
//! only where that is certain.
//!
//! Documented: names in braces stand for attributes of the user, everything else stays as it is. What an attribute without a value becomes
//! within other text is not documented, nor are the parts that OneLogin makes up (`{strongpwd}`): these are not known.

use super::super::web::Object;
use super::parameters::{custom, field};

/// A macro that can be resolved. A parameter that takes its value from one attribute is a macro of that one; an empty one gives no value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Macro(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(&'static str),
    /// The address before or after its `@`.
    EmailName,
    EmailDomain,
    Custom(String),
}

/// The names that are a field of the user.
const FIELDS: [&str; 10] = [
    "firstname",
    "lastname",
    "email",
    "username",
    "phone",
    "department",
    "title",
    "samaccountname",
    "external_id",
    "userprincipalname",
];

impl std::fmt::Display for Macro {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("the same for every user"),
            [Part::Field(name)] => write!(f, "the user's {name}"),
            [Part::Custom(name)] => write!(f, "the custom attribute {name}"),
            _ => f.write_str("a macro"),
        }
    }
}

impl Macro {
    /// The value of a field.
    pub(super) fn field(name: &'static str) -> Self {
        Self(vec![Part::Field(name)])
    }

    /// The value of a custom attribute, by its short name.
    pub(super) fn custom(name: &str) -> Self {
        Self(vec![Part::Custom(name.to_owned())])
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
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(unclear)?;
            parts.extend((!before.is_empty()).then(|| Part::Text(before.to_owned())));
            parts.push(Part::of(name).ok_or_else(unclear)?);
            rest = after;
        }
        parts.extend((!rest.is_empty()).then(|| Part::Text(rest.to_owned())));
        let odd = parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains(['{', '}'])));
        if odd { Err(unclear()) } else { Ok(Self(parts)) }
    }

    /// The fields of a user that it reads.
    pub(super) fn fields(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter_map(|part| match part {
            Part::Field(name) => Some(*name),
            Part::EmailName | Part::EmailDomain => Some("email"),
            Part::Text(_) | Part::Custom(_) => None,
        })
    }

    /// Whether it reads a custom attribute.
    pub(super) fn reads_custom(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Custom(_)))
    }

    /// Its text for one user; `None` if it is blank.
    ///
    /// # Errors
    /// When it can't be known.
    pub(super) fn expand(&self, user: &Object) -> Result<Option<String>, String> {
        let parts = self.0.iter().map(|part| part.text(user)).collect::<Result<Vec<_>, _>>()?;
        if parts.iter().all(Option::is_none) {
            return Ok(None);
        }
        let whole: Option<Vec<String>> = parts.into_iter().collect();
        let whole = whole.map(|parts| parts.concat()).filter(|text| !text.trim().is_empty());
        whole.map(Some).ok_or_else(|| "the user has no value for a part of the macro".to_owned())
    }
}

impl Part {
    fn of(name: &str) -> Option<Self> {
        match name {
            "email_name_part" => Some(Self::EmailName),
            "email_domain_part" => Some(Self::EmailDomain),
            _ => match name.strip_prefix("custom_attribute_").filter(|short| !short.is_empty()) {
                Some(short) => Some(Self::Custom(short.to_owned())),
                None => FIELDS.iter().find(|field| **field == name).map(|field| Self::Field(field)),
            },
        }
    }

    fn text(&self, user: &Object) -> Result<Option<String>, String> {
        match self {
            Self::Text(text) => Ok(Some(text.clone())),
            Self::Field(name) => field(user, name),
            Self::Custom(name) => custom(user, name),
            Self::EmailName | Self::EmailDomain => {
                let Some(email) = field(user, "email")? else { return Ok(None) };
                match email.split_once('@').filter(|(_, domain)| !domain.contains('@')) {
                    Some((name, domain)) => Ok(Some(if *self == Self::EmailName { name } else { domain }.to_owned())),
                    None => Err("the e-mail address has no two parts".to_owned()),
                }
            }
        }
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
