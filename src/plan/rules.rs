//! What the operator decided, as the planner needs it. In: a checked tenant. Out: nothing; a plain value.

use std::collections::HashSet;

use jiff::SignedDuration;

use crate::config::profile::{ClearStyle, GroupSupport, Profile};
use crate::config::tenant::{AdoptGroups, Adopted, Fate, GroupFate, OnImmutableChange, Push};
use crate::mapping::Mapping;
use crate::model::{Attributes, Path, fold};
use crate::schema::names_of_users;

/// The rules of one tenant.
pub struct Rules<'a> {
    /// Directory attributes → SCIM attributes.
    pub mapping: &'a Mapping,
    /// How the app differs from the standard.
    pub profile: &'a Profile,
    /// People whom the directory suspends.
    pub on_suspended: Fate,
    /// People no longer assigned.
    pub on_unassigned: Fate,
    /// People gone from the directory.
    pub on_deleted: Fate,
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

impl Rules<'_> {
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
        let lists = Lists::of(self);
        let lossy: Vec<Path> = self.profile.read.lossy.iter().filter_map(|name| Path::parse(name).ok()).collect();
        let ours =
            |path: &&Path| self.push(path) == Push::Always && !lists.never_updated(path) && !is_listed(&lossy, path);
        lists.compared.iter().filter(ours).cloned().collect()
    }

    /// Whether the manager is mapped: then an account's fate touches the people who report to it.
    pub fn maps_manager(&self) -> bool {
        self.mapping.paths().any(|path| *path == Path::manager())
    }

    pub(super) fn can_clear(&self) -> bool {
        self.profile.users.clear != ClearStyle::Never
    }
}

/// Attribute lists of profile and mapping, read once for a whole plan.
#[derive(Debug)]
pub(super) struct Lists {
    immutable: Vec<Path>,
    create_only: Vec<Path>,
    unsupported: Vec<Path>,
    required: Vec<Path>,
    /// The attributes to compare, besides the manager.
    pub(super) compared: Vec<Path>,
}

impl Lists {
    pub(super) fn of(rules: &Rules<'_>) -> Self {
        // A name that is no path covers nothing; the reader of profiles refuses such a name.
        let read = |list: &[String]| list.iter().filter_map(|name| Path::parse(name).ok()).collect();
        let wire = &rules.profile.users;
        let mut lists = Self {
            immutable: read(&wire.immutable),
            create_only: read(&wire.create_only),
            unsupported: read(&wire.unsupported),
            required: read(&wire.required),
            compared: Vec::new(),
        };
        let external_id = wire.send_external_id.then(Path::external_id);
        let compared = rules.mapping.paths().cloned().chain(external_id);
        lists.compared = compared.filter(|path| *path != Path::manager() && !lists.unsupported(path)).collect();
        lists.compared.sort();
        lists.compared.dedup();
        lists
    }

    pub(super) fn is_immutable(&self, path: &Path) -> bool {
        is_listed(&self.immutable, path)
    }

    /// Whether it is sent only when an account is made.
    pub(super) fn never_updated(&self, path: &Path) -> bool {
        is_listed(&self.create_only, path)
    }

    pub(super) fn unsupported(&self, path: &Path) -> bool {
        is_listed(&self.unsupported, path)
    }

    /// The first attribute that the app requires and that has no value.
    pub(super) fn missing(&self, attributes: &Attributes) -> Option<&Path> {
        let has = |required: &Path| attributes.iter().any(|(path, _)| required.covers(path));
        self.required.iter().find(|required| !has(required))
    }
}

fn is_listed(list: &[Path], path: &Path) -> bool {
    list.iter().any(|listed| listed.covers(path))
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

    #[test]
    fn a_listed_attribute_covers_its_parts() {
        let list = ["emails", "name.givenName"].map(|path| Path::parse(path).unwrap());
        for (path, expected) in
            [("emails.work", true), ("name.givenName", true), ("name.familyName", false), ("title", false)]
        {
            assert_eq!(is_listed(&list, &Path::parse(path).unwrap()), expected, "{path}");
        }
    }
}
