//! Attributes of a user as somebody wrote them: which one is meant, or what is wrong with the spelling.

use super::{COMMON, ENTERPRISE, Located, ResourceType, USER};

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
