//! A SCIM attribute path (RFC 7644 §3.10 and the PATH rule of §3.5.2), in one canonical spelling.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::schema::{self, ResourceType};

/// The enterprise user extension (RFC 7643 §4.3).
pub const ENTERPRISE: &str = schema::ENTERPRISE.urn;

/// One attribute of a resource, as the operator names it and as PATCH addresses it:
/// `userName`, `name.givenName`, `emails[type eq "work"].value`, `urn:…:User:department`.
///
/// Two spellings of one attribute compare equal once parsed: the short forms `emails.work`, `phoneNumbers.mobile`,
/// `addresses.work.locality` and `enterprise.department` are turned into the full ones.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Path(Arc<str>);

/// Why a text is not an attribute path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a SCIM attribute path: {why}")]
pub struct PathError {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The pieces of a [`Path`], borrowed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathParts<'a> {
    /// The schema extension's URN, if the attribute is not of the core schema.
    pub urn: Option<&'a str>,
    /// The attribute's name.
    pub attribute: &'a str,
    /// For one element of a multi-valued attribute: its `type` (`[type eq "work"]`).
    pub element_type: Option<&'a str>,
    /// The sub-attribute's name.
    pub sub: Option<&'a str>,
}

/// The filter of a value path (RFC 7644, section 3.10) as it stands in the paths of this program.
const TYPE_IS: &str = "type eq \"";

impl Path {
    /// Reads a path in any of the accepted spellings.
    ///
    /// # Errors
    /// Says what is wrong when the text is not a path of the supported shape.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let fail = |why| Err(PathError { text: text.to_owned(), why });
        if text.is_empty() {
            return fail("it is empty");
        }
        if text.len() > 512 {
            return fail("it is longer than 512 characters");
        }
        let (urn, local) = match split_urn(text) {
            Ok(parts) => parts,
            Err(why) => return fail(why),
        };
        match canonical_local(urn, local) {
            Ok(local) => Ok(Self(match urn {
                Some(urn) => format!("{urn}:{local}").into(),
                None => local.into(),
            })),
            Err(why) => fail(why),
        }
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `path` is this attribute or a part of it: `emails` covers `emails[type eq "work"].value`, `name` covers
    /// `name.givenName`.
    pub fn covers(&self, path: &Self) -> bool {
        let (whole, part) = (self.parts(), path.parts());
        whole.urn == part.urn
            && whole.attribute == part.attribute
            && whole.element_type.is_none_or(|kind| Some(kind) == part.element_type)
            && whole.sub.is_none_or(|sub| Some(sub) == part.sub)
    }

    /// The path taken apart.
    pub fn parts(&self) -> PathParts<'_> {
        let (urn, local) = split_urn(&self.0).unwrap_or((None, &self.0));
        // By single characters: this is asked for every value of every call.
        let (attribute, element_type, sub) = match local.split_once('[') {
            Some((attribute, rest)) => {
                let (filter, sub) = rest.rsplit_once(']').unwrap_or((rest, ""));
                let kind = filter.strip_prefix(TYPE_IS).map(|kind| kind.trim_end_matches('"'));
                (attribute, kind, sub.strip_prefix('.'))
            }
            None => match local.split_once('.') {
                Some((attribute, sub)) => (attribute, None, Some(sub)),
                None => (local, None, None),
            },
        };
        PathParts { urn, attribute, element_type, sub }
    }

    /// The short spelling, where there is one: `emails.work`, `enterprise.department`.
    pub fn short(&self) -> Cow<'_, str> {
        let PathParts { urn, attribute, element_type, sub } = self.parts();
        let prefix = if urn == Some(ENTERPRISE) { "enterprise." } else { "" };
        let short = match (element_type, sub) {
            (Some(kind), Some("value")) => format!("{prefix}{attribute}.{kind}"),
            (Some(kind), Some(sub)) => format!("{prefix}{attribute}.{kind}.{sub}"),
            (None, Some(sub)) => format!("{prefix}{attribute}.{sub}"),
            (_, None) => format!("{prefix}{attribute}"),
        };
        match Self::parse(&short) {
            Ok(same) if same == *self => Cow::Owned(short),
            _ => Cow::Borrowed(self.as_str()),
        }
    }

    /// `userName`, the one attribute every user has (RFC 7643 §4.1.1).
    pub fn user_name() -> Self {
        Self("userName".into())
    }

    /// `externalId`, where the directory's id is kept (RFC 7643 §3.1).
    pub fn external_id() -> Self {
        Self("externalId".into())
    }

    /// `displayName`, a group's name (RFC 7643 §4.2).
    pub fn display_name() -> Self {
        Self("displayName".into())
    }

    /// The enterprise manager's id (RFC 7643 §4.3): a reference to another person's app id.
    pub fn manager() -> Self {
        Self(format!("{ENTERPRISE}:manager.value").into())
    }
}

/// `urn:a:b:User:attr.sub` → (`urn:a:b:User`, `attr.sub`); `enterprise.x` → (enterprise URN, `x`).
fn split_urn(text: &str) -> Result<(Option<&str>, &str), &'static str> {
    if let Some(local) = text.strip_prefix("enterprise.") {
        return Ok((Some(ENTERPRISE), local));
    }
    if !text.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("urn:")) {
        return Ok((None, text));
    }
    // The attribute follows the last colon outside of a filter; a version such as `2.0` is part of the URN before it.
    let end_of_head = text.find('[').unwrap_or(text.len());
    match text.get(..end_of_head).and_then(|head| head.rfind(':')) {
        Some(at) if at > 4 && at + 1 < text.len() => Ok((text.get(..at), text.get(at + 1..).unwrap_or_default())),
        _ => Err("a URN is followed by a colon and the attribute's name"),
    }
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    (chars.next().is_some_and(|c| c.is_ascii_alphabetic()) || text == "$ref")
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'))
}

fn canonical_local(urn: Option<&str>, local: &str) -> Result<String, &'static str> {
    if let Some((attribute, rest)) = local.split_once('[') {
        return canonical_filtered(attribute, rest);
    }
    let mut pieces = local.split('.');
    let attribute = pieces.next().unwrap_or_default();
    if !is_name(attribute) {
        return Err("an attribute's name begins with a letter and has only letters, digits, `_` and `-`");
    }
    let rest: Vec<&str> = pieces.collect();
    if rest.iter().any(|piece| !is_name(piece)) {
        return Err("a sub-attribute's name begins with a letter and has only letters, digits, `_` and `-`");
    }
    let found = ResourceType::User.find(urn, attribute).map(|found| found.attribute);
    let known = found.filter(|known| known.name == attribute);
    let (typed, value) =
        known.map_or((false, false), |known| (!known.element_types().is_empty(), known.sub("value").is_some()));
    match rest.as_slice() {
        // A reference to another resource is its id (RFC 7643 §4.3).
        [] if value && known.is_some_and(|known| !known.multi_valued) => Ok(format!("{attribute}.value")),
        [] => Ok(attribute.to_owned()),
        [kind] if typed && value => Ok(format!("{attribute}[type eq \"{kind}\"].value")),
        [kind, sub] if typed => Ok(format!("{attribute}[type eq \"{kind}\"].{sub}")),
        [sub] if !typed => Ok(format!("{attribute}.{sub}")),
        _ => Err("it has too many or too few parts"),
    }
}

fn canonical_filtered(attribute: &str, rest: &str) -> Result<String, &'static str> {
    const SHAPE: &str = "only the filter [type eq \"…\"] is supported, followed by a sub-attribute";
    let (filter, sub) = rest.split_once("].").ok_or(SHAPE)?;
    let mut words = filter.split_whitespace();
    let (name, operator, value) = (words.next(), words.next(), words.next());
    if words.next().is_some() || name != Some("type") || !operator.is_some_and(|op| op.eq_ignore_ascii_case("eq")) {
        return Err(SHAPE);
    }
    let kind = value.and_then(|v| v.strip_prefix('"')).and_then(|v| v.strip_suffix('"')).ok_or(SHAPE)?;
    if !is_name(attribute) || !is_name(sub) || !is_name(kind) {
        return Err(SHAPE);
    }
    Ok(format!("{attribute}[type eq \"{kind}\"].{sub}"))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.0.as_ref().to_owned()
    }
}

impl TryFrom<String> for Path {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j15_short_and_full_spellings_are_one_path() {
        for (written, canonical) in [
            ("userName", "userName"),
            ("name.givenName", "name.givenName"),
            ("emails", "emails"),
            ("emails.work", "emails[type eq \"work\"].value"),
            ("emails[type  EQ \"work\"].value", "emails[type eq \"work\"].value"),
            ("addresses.work.locality", "addresses[type eq \"work\"].locality"),
            ("enterprise.department", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"),
            ("enterprise.manager", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"),
            ("urn:example:2.0:Thing:a.b", "urn:example:2.0:Thing:a.b"),
        ] {
            let path = Path::parse(written).unwrap();
            assert_eq!(path.as_str(), canonical);
            assert_eq!(Path::parse(path.as_str()).unwrap(), path, "canonical spelling reads as itself");
            assert_eq!(Path::parse(&path.short()).unwrap(), path, "so does the short one");
        }
    }

    #[test]
    fn parts_of_a_path() {
        let path = Path::parse("emails.work").unwrap();
        assert_eq!(
            path.parts(),
            PathParts { urn: None, attribute: "emails", element_type: Some("work"), sub: Some("value") }
        );
        let path = Path::parse("urn:example:2.0:Thing:a.b").unwrap();
        assert_eq!(
            path.parts(),
            PathParts { urn: Some("urn:example:2.0:Thing"), attribute: "a", element_type: None, sub: Some("b") }
        );
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for bad in
            ["", "1a", "a b", "a..b", "emails[type eq work].value", "emails[value eq \"x\"]", "urn:x", "a.b.c", "é"]
        {
            assert!(Path::parse(bad).is_err(), "{bad:?}");
        }
    }
}
