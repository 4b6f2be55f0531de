//! What a profile says of single attributes, in the words of RFC 7643 §7. It takes the tables `[attributes."…"]` of a profile and of a tenant's
//! `override_profile`; it answers whether an attribute is sent, may change, is returned, is required or grants access. It must not depend on what
//! is mapped or planned.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::model::Path;
use crate::schema::{self, Mutability, Returned};

mod faults;

pub use faults::{Fault, fault_of, path_of};

/// The shape of a value on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueShape {
    /// A plain value.
    Scalar,
    /// `[{"value": …}]`.
    List,
    /// `[{"value": …, "type": …}]`, with the setting's `type`.
    TypedList,
}

/// What to do when an attribute that the app can't change has changed in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnImmutableChange {
    /// Hold the user until a person decides.
    Hold,
    /// Make a new account, and switch the old one off when it is there.
    Recreate,
    /// Keep the old value in the app.
    Ignore,
}

/// When an attribute is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PushTime {
    /// When the account is created and whenever the value changes.
    Always,
    /// When the account is created, and never again.
    OnCreate,
}

/// What a profile says of one attribute. What is left out is as RFC 7643 has it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttributeSetting {
    /// Who may change it (RFC 7643 §7).
    pub mutability: Option<Mutability>,
    /// When the app returns it (RFC 7643 §7). A value that is not returned is never compared.
    pub returned: Option<Returned>,
    /// Whether the app refuses an account without it.
    pub required: Option<bool>,
    /// Whether the app knows it. `false`: it is never sent, whatever the mapping says.
    pub supported: Option<bool>,
    /// When it is sent: always, or only when the account is created.
    pub push: Option<PushTime>,
    /// Whether it gives access in the app: a user who loses such a value counts as losing access.
    pub grants_access: Option<bool>,
    /// Where it stands in the app's resources; for attributes that SCIM does not define, such as `role`.
    #[schemars(schema_with = "path_of_attribute")]
    pub path: Option<String>,
    /// How its value is written there.
    pub shape: Option<ValueShape>,
    /// The `type` of its element, for `shape = "typed_list"`.
    pub r#type: Option<String>,
}

fn path_of_attribute(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "format": "scim-attribute" })
}

impl AttributeSetting {
    /// Lays another setting over this one, key by key.
    fn lay(&mut self, over: Self) {
        let Self { mutability, returned, required, supported, push, grants_access, path, shape, r#type } = over;
        *self = Self {
            mutability: mutability.or(self.mutability),
            returned: returned.or(self.returned),
            required: required.or(self.required),
            supported: supported.or(self.supported),
            push: push.or(self.push),
            grants_access: grants_access.or(self.grants_access),
            path: path.or_else(|| self.path.take()),
            shape: shape.or(self.shape),
            r#type: r#type.or_else(|| self.r#type.take()),
        };
    }

    fn is_never_sent(&self) -> bool {
        self.supported == Some(false) || self.mutability == Some(Mutability::ReadOnly)
    }
}

/// The settings of all attributes of which a profile says something. Of two that are meant, the one of the smaller part counts:
/// `name.givenName` before `name`.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeSettings(BTreeMap<Path, AttributeSetting>);

/// The tables as they are written.
pub type AttributeTables = BTreeMap<Path, AttributeSetting>;

impl Default for AttributeSettings {
    fn default() -> Self {
        let granting = || AttributeSetting { grants_access: Some(true), ..AttributeSetting::default() };
        let role = AttributeSetting { path: Some("roles".to_owned()), shape: Some(ValueShape::List), ..granting() };
        let user_name = AttributeSetting { required: Some(true), ..AttributeSetting::default() };
        let named = [("userName", user_name), (ROLE, role), ("roles", granting()), ("entitlements", granting())];
        Self(named.into_iter().filter_map(|(name, setting)| Some((Path::parse(name).ok()?, setting))).collect())
    }
}

impl<'de> Deserialize<'de> for AttributeSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut settings = Self::default();
        settings.lay(AttributeTables::deserialize(deserializer)?);
        Ok(settings)
    }
}

impl JsonSchema for AttributeSettings {
    fn schema_name() -> Cow<'static, str> {
        "AttributeSettings".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let setting = generator.subschema_for::<AttributeSetting>();
        schemars::json_schema!({ "type": "object", "additionalProperties": setting })
    }
}

/// The attribute by which a mapping gives a user a role; where apps keep it, each in its own place, the profile says.
const ROLE: &str = "role";

/// Yes-or-no questions about an attribute, each answered by what its settings come to.
type SettingQuestion = fn(&AttributeSetting) -> Option<bool>;

const IMMUTABLE: SettingQuestion = |one| one.mutability.map(|word| word == Mutability::Immutable);
const SENT_ONCE: SettingQuestion = |one| one.push.map(|push| push == PushTime::OnCreate);
const NEVER_SENT: SettingQuestion =
    |one| (one.supported.is_some() || one.mutability.is_some()).then(|| one.is_never_sent());
const UNRETURNED: SettingQuestion = |one| {
    let is_hidden = matches!(one.returned, Some(Returned::Never | Returned::Request));
    let is_write_only = one.mutability == Some(Mutability::WriteOnly);
    (one.returned.is_some() || one.mutability.is_some()).then_some(is_hidden || is_write_only)
};
const REQUIRED: SettingQuestion = |one| one.required;
const GRANTS_ACCESS: SettingQuestion = |one| one.grants_access;

/// Path, shape and type on the wire, as they are set.
type Place = (Option<String>, Option<ValueShape>, Option<String>);

/// What the settings of attributes come to, for a hash.
#[derive(Debug, Serialize)]
pub struct Canonical {
    create_only: Vec<String>,
    immutable: Vec<String>,
    required: Vec<String>,
    unsupported: Vec<String>,
    access: Vec<String>,
    role_path: String,
    role_shape: Option<ValueShape>,
    role_type: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    placed: Vec<(Path, Place)>,
}

impl AttributeSettings {
    /// Lays further settings over these: those of the tenant over those of its profile.
    pub fn lay(&mut self, over: AttributeTables) {
        for (path, setting) in over {
            self.0.entry(path).or_default().lay(setting);
        }
    }

    /// Takes a list's word back everywhere: a list of an old key replaces the whole list below it.
    pub(super) fn forget(&mut self, setting: &str) {
        for one in self.0.values_mut() {
            match setting {
                "mutability" => one.mutability = one.mutability.filter(|word| *word != Mutability::Immutable),
                "push" => one.push = None,
                "required" => one.required = None,
                "supported" => one.supported = None,
                "grants_access" => one.grants_access = None,
                "returned" => one.returned = None,
                _ => {}
            }
        }
    }

    /// The setting of exactly this attribute.
    pub fn get(&self, path: &Path) -> Option<&AttributeSetting> {
        self.0.get(path)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &AttributeSetting)> {
        self.0.iter()
    }

    fn is(&self, path: &Path, question: SettingQuestion) -> bool {
        // A whole is in order before its parts. This is asked for every value of every user, and few settings answer.
        let mut answers = self.0.iter().filter_map(|(of, setting)| Some((of, question(setting)?)));
        answers.rfind(|(of, _)| of.covers(path)).is_some_and(|(_, answer)| answer)
    }

    /// Whether it can't be changed once the account is there.
    pub fn is_immutable(&self, path: &Path) -> bool {
        self.is(path, IMMUTABLE)
    }

    /// Whether it is sent only when an account is created.
    pub fn is_sent_once(&self, path: &Path) -> bool {
        self.is(path, SENT_ONCE)
    }

    /// Whether it is never sent: the app does not know it, or sets it itself.
    pub fn is_never_sent(&self, path: &Path) -> bool {
        self.is(path, NEVER_SENT)
    }

    /// Whether its value as read back means nothing.
    pub fn is_unreturned(&self, path: &Path) -> bool {
        self.is(path, UNRETURNED)
    }

    /// The attributes without which the app refuses an account.
    pub fn required(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter(|(_, one)| one.required == Some(true)).map(|(path, _)| path)
    }

    /// The attributes that the app does not know.
    pub fn never_sent(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter(|(_, one)| one.is_never_sent()).map(|(path, _)| path)
    }

    /// The attributes that give access.
    pub fn granting_access(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter(|(_, one)| one.grants_access == Some(true)).map(|(path, _)| path)
    }

    /// The settings of the mapping's `role`.
    pub fn role(&self) -> AttributeSetting {
        Path::parse(ROLE).ok().and_then(|role| self.0.get(&role).cloned()).unwrap_or_default()
    }

    /// Without anything that keeps a value back: what the app itself says of an attribute is to be found out.
    pub(crate) fn unrestricted(mut self) -> Self {
        for one in self.0.values_mut() {
            (one.mutability, one.push, one.supported, one.required) = (None, None, None, None);
        }
        self
    }

    /// The canonical form for fingerprints, under the names that lists of attributes had when they were hashed first. The order is that of SCIM's
    /// schema; a part that differs from its whole has its own entry, with a `!` where the answer is no.
    pub fn canonical(&self) -> Canonical {
        let role = self.role();
        let placed = self.0.iter().filter(|(path, _)| path.as_str() != ROLE);
        let placed = placed.filter(|(_, one)| one.path.is_some() || one.shape.is_some() || one.r#type.is_some());
        Canonical {
            create_only: self.listed(SENT_ONCE),
            immutable: self.listed(IMMUTABLE),
            required: self.listed(REQUIRED),
            unsupported: self.listed(NEVER_SENT),
            access: self.listed(GRANTS_ACCESS),
            role_path: role.path.filter(|path| path != "roles").unwrap_or_default(),
            role_shape: role.shape,
            role_type: role.r#type.unwrap_or_default(),
            placed: placed
                .map(|(path, one)| (path.clone(), (one.path.clone(), one.shape, one.r#type.clone())))
                .collect(),
        }
    }

    /// The same of the attributes whose values are not returned.
    pub fn canonical_unreturned(&self) -> Vec<String> {
        self.listed(UNRETURNED)
    }

    fn listed(&self, question: SettingQuestion) -> Vec<String> {
        let without = |path: &Path| {
            let wider = self.0.iter().filter(|(of, _)| *of != path && of.covers(path));
            wider.filter_map(|(_, one)| question(one)).next_back() == Some(true)
        };
        let mut listed: Vec<(&Path, bool)> = self.0.keys().map(|path| (path, self.is(path, question))).collect();
        listed.retain(|(path, answer)| without(path) != *answer);
        let place = |path: &Path| schema::position(path.parts().urn, path.parts().attribute);
        // The role goes first, as it did in the list of attributes that give access.
        listed.sort_by_key(|(path, _)| (path.as_str() != ROLE, place(path), *path));
        listed.into_iter().map(|(path, yes)| format!("{}{}", if yes { "" } else { "!" }, path.short())).collect()
    }

    /// Changes the settings of some attributes.
    #[cfg(test)]
    pub(crate) fn set(&mut self, names: &[&str], change: impl Fn(&mut AttributeSetting)) {
        names.iter().for_each(|name| {
            change(self.0.entry(Path::parse(name).unwrap_or_else(|_| Path::user_name())).or_default())
        });
    }

    /// Makes some attributes immutable.
    #[cfg(test)]
    pub(crate) fn fix(&mut self, names: &[&str]) {
        self.set(names, |one| one.mutability = Some(Mutability::Immutable));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
