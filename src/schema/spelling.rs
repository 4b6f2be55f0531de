//! Attributes of a user as somebody wrote them: which one is meant, or what is wrong with the spelling.

use super::{Attribute, COMMON, ENTERPRISE, Located, ResourceType, USER};

/// Why a name is no attribute although it looks like one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misspelt {
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to write.
    pub hint: String,
}

/// The attribute of a user that is meant; `None` for one that no schema here has, of which nothing can be said. `parted` says whether a part
/// of it is named.
///
/// # Errors
/// For another letter case (SCIM ignores case, RFC 7643 §2.1; rosterd's state and many apps do not), the core schema's URN, and a part of
/// an attribute that has none.
pub fn in_user(urn: Option<&str>, name: &str, parted: bool) -> Result<Option<Located>, Misspelt> {
    let fault = |message: String, write: &str| Err(Misspelt { message, hint: format!("write `{write}`") });
    if urn.is_some_and(|urn| urn.eq_ignore_ascii_case(USER.urn)) {
        return fault("attributes of the core schema are written without its URN".to_owned(), name);
    }
    let Some(found) = ResourceType::User.find(urn, name) else { return Ok(None) };
    let known = found.attribute.name;
    if known != name {
        return fault(format!("`{name}` is spelt `{known}`"), known);
    }
    if parted && found.attribute.sub_attributes.is_empty() {
        let short = if found.extension.is_some() { "enterprise." } else { "" };
        return fault(format!("`{name}` has no parts"), &format!("{short}{name}"));
    }
    Ok(Some(found))
}

/// How many letters a misspelt name may differ by from the one that is meant; a short name by fewer.
const EDITS: usize = 2;

/// The attribute of a user that a name which no schema has was most likely meant to be: one within two edits of it. A name that only lacks the
/// plural's `s`, such as `role`, is one that many apps have.
pub fn misspelt_in_user(urn: Option<&str>, name: &str) -> Option<&'static str> {
    if ResourceType::User.find(urn, name).is_some() {
        return None;
    }
    let known: Vec<&Attribute> = match urn {
        None => COMMON.iter().chain(USER.attributes).collect(),
        Some(urn) if urn == ENTERPRISE.urn => ENTERPRISE.attributes.iter().collect(),
        Some(_) => Vec::new(),
    };
    let allowed = EDITS.min(name.chars().count() / 3);
    let is_singular = |known: &str| known.strip_suffix('s') == Some(name);
    let near = known.into_iter().map(|known| (strsim::damerau_levenshtein(name, known.name), known.name));
    let near = near.filter(|(edits, known)| *edits <= allowed && !is_singular(known)).min();
    near.map(|(_, known)| known)
}

/// Whether a user is called by the values of an attribute: people name each other by these, and they are protected by these.
pub fn names_of_users(attribute: &str) -> bool {
    matches!(attribute, "userName" | "emails" | "externalId")
}

/// Whether it is a name of a user that compares without case.
pub fn is_folded_name(attribute: &str) -> bool {
    let found = ResourceType::User.find(None, attribute);
    names_of_users(attribute) && !found.is_some_and(|found| found.attribute.is_case_exact())
}

/// The place of a user's attribute in the order of the schemas: the common ones, the core, the extension; `usize::MAX` for all others.
pub fn position(urn: Option<&str>, name: &str) -> usize {
    let core = || COMMON.iter().chain(USER.attributes);
    let all = core().map(|one| (None, one)).chain(ENTERPRISE.attributes.iter().map(|one| (Some(ENTERPRISE.urn), one)));
    all.enumerate().find(|(_, (of, one))| *of == urn && one.name == name).map_or(usize::MAX, |(at, _)| at)
}
