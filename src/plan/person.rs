//! One person as the app should hold them. In: a record and the mapping. Out: attributes.

use super::bounds::too_long;
use super::rules::TenantRules;
use crate::model::{Attributes, Path, Remark, SourceId, bounds, text};
use crate::scim::UserKeys;
use crate::source::{Snapshot, UserIx};
use crate::store::UserRow;

/// A person with the attributes they shall have in the app.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedUser {
    /// The number in the snapshot.
    pub ix: UserIx,
    /// The directory's id.
    pub id: SourceId,
    /// The user name, for people to read.
    pub name: String,
    /// What the account shall hold, `externalId` included.
    pub attributes: Attributes,
    /// Attributes that an expression asked to leave alone.
    pub leave: Vec<Path>,
    /// The manager's directory id.
    pub manager: Option<SourceId>,
    /// What there is to say of the user name, beside that it is sent.
    pub remark: Option<Remark>,
}

impl PlannedUser {
    /// Under what names they may be in the app already.
    pub fn keys(&self) -> UserKeys {
        UserKeys { source_id: self.id.clone(), attributes: self.attributes.clone(), except: None }
    }

    /// Somebody of whom only the immutable id counts.
    pub fn by_id_only(snapshot: &Snapshot, ix: UserIx) -> Self {
        let (id, name) = (SourceId::new(snapshot.id(ix)), label(snapshot, ix));
        let attributes = [(Path::external_id(), id.as_str().into())].into_iter().collect();
        Self { ix, id, name, attributes, leave: Vec::new(), manager: None, remark: None }
    }
}

/// Maps one person, outside of a plan.
///
/// # Errors
/// In words: which attribute can't be made, or which one the app requires is missing.
pub fn map_person(snapshot: &Snapshot, ix: UserIx, rules: &TenantRules<'_>) -> Result<PlannedUser, String> {
    person(snapshot, ix, rules)
}

/// Maps one person.
///
/// # Errors
/// In words: which attribute can't be made, or which one the app requires is missing.
pub(super) fn person(snapshot: &Snapshot, ix: UserIx, rules: &TenantRules<'_>) -> Result<PlannedUser, String> {
    let id = SourceId::new(snapshot.id(ix));
    let mapped = rules
        .mapping
        .apply(&snapshot.record(ix))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let is_sent = |path: &Path| !rules.profile.attributes.is_never_sent(path);
    let mut attributes: Attributes = mapped.values.into_iter().filter(|(path, _)| is_sent(path)).collect();
    let external_id = Path::external_id();
    if rules.profile.users.send_external_id && attributes.get(&external_id).is_none() && is_sent(&external_id) {
        attributes.set(external_id, id.as_str().into());
    }
    if let Some(required) = rules.missing(&attributes) {
        return Err(format!("the app requires {required}, and the mapping gives no value for it"));
    }
    if let Some(why) = too_long(&attributes, rules) {
        return Err(why);
    }
    let remark = tidy_names(&mut attributes, &rules.profile.read.user_match)?;
    let name = attributes.text(&Path::user_name()).unwrap_or(id.as_str()).to_owned();
    let manager = mapped.manager.filter(|_| is_sent(&Path::manager()));
    Ok(PlannedUser { ix, id, name, attributes, leave: mapped.leave, manager, remark })
}

/// Takes blanks off the ends of the user name and of what users are matched by.
fn tidy_names(attributes: &mut Attributes, matched_by: &[String]) -> Result<Option<Remark>, String> {
    let remark = tidy_user_name(attributes)?;
    let is_id = |name: &str| name.eq_ignore_ascii_case("externalId") || name.eq_ignore_ascii_case("id");
    for name in matched_by.iter().filter(|name| !is_id(name) && !name.eq_ignore_ascii_case("userName")) {
        let Ok(path) = Path::parse(name) else { continue };
        let Some(value) = attributes.text(&path) else { continue };
        if let Some(why) = text::unfit_as_name(value) {
            return Err(format!(
                "the {name} {why}, and users are matched by it, so that it looks like another one. Correct it in the directory; \
                 nothing was sent"
            ));
        }
        let trimmed = value.trim();
        if trimmed.len() != value.len() && !trimmed.is_empty() {
            let trimmed = trimmed.into();
            attributes.set(path, trimmed);
        }
    }
    Ok(remark)
}

/// Takes blanks off the ends of the user name. With a character that nobody sees it would be a second name that looks like another's
/// (MM2): such a person waits until the directory's record is right.
fn tidy_user_name(attributes: &mut Attributes) -> Result<Option<Remark>, String> {
    let path = Path::user_name();
    let Some(name) = attributes.text(&path) else { return Ok(None) };
    if let Some(why) = text::unfit_as_name(name) {
        return Err(format!(
            "the user name {why}, so that it looks like another one. Correct it in the directory; nothing was sent"
        ));
    }
    let trimmed = name.trim();
    if trimmed.len() == name.len() {
        return Ok(None);
    }
    if trimmed.is_empty() {
        return Err("the user name is nothing but blanks. Correct it in the directory; nothing was sent".to_owned());
    }
    let trimmed = trimmed.into();
    attributes.set(path, trimmed);
    Ok(Some(Remark::BlanksAtAnEnd))
}

/// A name for people, from whatever a record has.
pub fn label(snapshot: &Snapshot, user: UserIx) -> String {
    let record = snapshot.record(user);
    ["userName", "username", "uid", "email", "mail", "displayName", "cn"]
        .iter()
        .find_map(|name| record.get(*name).and_then(serde_json::Value::as_str))
        .map_or_else(|| snapshot.id(user).to_owned(), bounds::shown)
}

/// The user name that an account was last sent, for people to read; the directory's id where none was sent.
pub(super) fn row_name(row: &UserRow, id: &SourceId) -> String {
    row.sent.text(&Path::user_name()).unwrap_or(id.as_str()).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn tidied(pairs: &[(&str, &str)]) -> Result<(Attributes, Option<Remark>), String> {
        let mut attributes: Attributes =
            pairs.iter().map(|(path, value)| (Path::parse(path).unwrap(), (*value).into())).collect();
        let remark = tidy_names(&mut attributes, &["externalId".into(), "userName".into(), "emails.work".into()])?;
        Ok((attributes, remark))
    }

    #[test]
    fn mm2_what_users_are_matched_by_is_trimmed_or_refused() {
        let (attributes, remark) = tidied(&[("userName", " ann "), ("emails.work", "ann@acme.test\u{a0}")]).unwrap();
        let text = |name: &str| attributes.text(&Path::parse(name).unwrap()).map(str::to_owned);
        assert_eq!((text("userName").as_deref(), remark), (Some("ann"), Some(Remark::BlanksAtAnEnd)));
        assert_eq!(text("emails.work").as_deref(), Some("ann@acme.test"));
        for odd in ["ann\u{200b}@acme.test", "a\u{2060}nn@acme.test", "ann\u{ad}@acme.test", "ann\u{202e}@acme.test"] {
            let why = tidied(&[("userName", "ann"), ("emails.work", odd)]).unwrap_err();
            assert!(why.contains("emails.work") && why.contains("invisible"), "{why}");
        }
        assert!(tidied(&[("userName", "ann"), ("displayName", "A\u{200c}nn")]).is_ok(), "nobody is matched by it");
    }
}
