//! What the operator decided, as the planner needs it. In: a checked tenant. Out: nothing; a plain value.

use std::collections::HashSet;

use jiff::SignedDuration;

use crate::config::profile::{ClearStyle, GroupSupport, Profile};
use crate::config::tenant::{AdoptGroups, Adopted, DeprovisioningAction, GroupFate, OnImmutableChange, Push};
use crate::mapping::Mapping;
use crate::model::{Attributes, Path, fold};
use crate::schema::names_of_users;

/// The rules of one tenant.
pub struct TenantRules<'a> {
    /// Directory attributes → SCIM attributes.
    pub mapping: &'a Mapping,
    /// How the app differs from the standard.
    pub profile: &'a Profile,
    /// People whom the directory suspends.
    pub on_suspended: DeprovisioningAction,
    /// People no longer assigned.
    pub on_unassigned: DeprovisioningAction,
    /// People gone from the directory.
    pub on_deleted: DeprovisioningAction,
    /// Deactivate first, delete after this.
    pub delete_after: Option<SignedDuration>,
    /// What a change of an immutable attribute leads to.
    pub on_immutable_change: OnImmutableChange,
    /// What becomes of adopted people who are no longer assigned.
    pub adopted: Adopted,
    /// Whether groups are managed (J7, J14).
    pub manage_groups: bool,
    /// Whether empty groups are created (J8).
    pub create_empty: bool,
    /// Whether groups are taken over (J9).
    pub adopt_groups: AdoptGroups,
    /// Groups that left the scope (J12).
    pub on_group_unassigned: GroupFate,
    /// Groups gone from the directory (J13).
    pub on_group_deleted: GroupFate,
    /// Names of people who are never touched.
    pub protected: Protected,
}

impl TenantRules<'_> {
    /// Whether groups are written at all.
    pub fn groups_on(&self) -> bool {
        self.manage_groups && self.profile.groups.support != GroupSupport::Off
    }

    /// Whether new groups can be made and old ones renamed or deleted.
    pub fn groups_full(&self) -> bool {
        self.profile.groups.support == GroupSupport::Full
    }

    /// Who owns an attribute. The directory's id belongs to rosterd, mapped or not.
    pub(super) fn push(&self, path: &Path) -> Push {
        match self.mapping.paths().any(|mapped| mapped == path) {
            true => self.mapping.push(path),
            false if *path == Path::external_id() => Push::Always,
            false => Push::OnCreate,
        }
    }

    /// The paths whose values are compared with the app's.
    pub fn read_paths(&self) -> Vec<Path> {
        let mut paths: Vec<Path> = self.mapping.paths().cloned().collect();
        paths.extend([Path::user_name(), Path::external_id()]);
        paths.sort();
        paths.dedup();
        paths
    }

    /// The attributes that are pushed only when the directory's value changes.
    pub fn pushed_on_change(&self) -> Vec<Path> {
        let mapping = self.mapping;
        mapping.paths().filter(|path| mapping.push(path) == Push::OnSourceChange).cloned().collect()
    }

    /// The attributes that are kept equal to the directory's and can be read back: any other value in the app was put there by
    /// somebody else.
    pub fn kept_equal(&self) -> Vec<Path> {
        let of = &self.profile.attributes;
        let ours = |path: &Path| self.push(path) == Push::Always && !of.is_sent_once(path) && !of.is_unreturned(path);
        self.compared().into_iter().filter(ours).collect()
    }

    /// The attributes to compare, besides the manager: worked out once for a whole plan.
    pub(super) fn compared(&self) -> Vec<Path> {
        let external_id = self.profile.users.send_external_id.then(Path::external_id);
        let all = self.mapping.paths().cloned().chain(external_id);
        let mut compared: Vec<Path> =
            all.filter(|path| *path != Path::manager() && !self.profile.attributes.is_never_sent(path)).collect();
        compared.sort();
        compared.dedup();
        compared
    }

    /// The first attribute that the app requires and that has no value.
    pub(super) fn missing(&self, attributes: &Attributes) -> Option<&Path> {
        let has = |required: &Path| attributes.iter().any(|(path, _)| required.covers(path));
        self.profile.attributes.required().find(|required| !has(required))
    }

    /// Whether the manager is mapped: then an account's fate touches the people who report to it.
    pub fn maps_manager(&self) -> bool {
        self.mapping.paths().any(|path| *path == Path::manager())
    }

    pub(super) fn can_clear(&self) -> bool {
        self.profile.users.clear != ClearStyle::Never
    }
}

/// People who are never touched, whatever the directory says: user names, e-mails or directory ids.
#[derive(Debug, Clone, Default)]
pub struct Protected(HashSet<String>);

impl Protected {
    /// Names compare without case.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(fold).collect())
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of a person's names is protected.
    pub fn covers(&self, id: &str, attributes: &[&Attributes]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let named = |text: &str| self.0.contains(&fold(text));
        named(id)
            || attributes
                .iter()
                .flat_map(|all| all.iter())
                .any(|(path, value)| names_of_users(path.parts().attribute) && texts(value).any(named))
    }
}

/// Every text in a value: itself, or those of a list of values or of objects with `value`.
fn texts(value: &serde_json::Value) -> Box<dyn Iterator<Item = &str> + '_> {
    use serde_json::Value;
    match value {
        Value::String(text) => Box::new(std::iter::once(text.as_str())),
        Value::Array(many) => Box::new(many.iter().flat_map(texts)),
        Value::Object(fields) => Box::new(fields.get("value").into_iter().flat_map(texts)),
        _ => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn i2_a_protected_person_is_known_by_any_name() {
        let protected = Protected::new(["BreakGlass@acme.test", "u-77"]);
        let mail: Attributes =
            [(Path::parse("emails.work").unwrap(), "breakglass@ACME.test".into())].into_iter().collect();
        let list: Attributes =
            [(Path::parse("emails").unwrap(), serde_json::json!([{"value": "breakglass@acme.test"}]))]
                .into_iter()
                .collect();
        assert!(protected.covers("x", &[&mail]));
        assert!(protected.covers("x", &[&list]));
        assert!(protected.covers("u-77", &[]));
        assert!(!protected.covers("u-78", &[&Attributes::new()]));
    }
}
