//! SCIM's schema (RFC 7643 §2, §4, §7 and §8.7.1) as data: the one place that knows attributes by name. It takes a name as written; it returns
//! the definition of the attribute. It is the lowest room and imports nothing of rosterd.
//!
//! The definitions stand in `resources` and `discovery`. Paths, the mapping, resources, look-ups, profiles and the sandbox ask here; what the
//! sandbox publishes under `/Schemas` is generated from these very values.

pub mod discovery;
mod resources;
mod spelling;

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use resources::{COMMON, ENTERPRISE, GROUP, USER};
pub use spelling::{Misspelt, in_user, is_folded_name, misspelt_in_user, names_of_users, position};

/// The JSON type of an attribute (RFC 7643 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A point in time.
    DateTime,
    /// Bytes in base64.
    Binary,
    /// A URI.
    Reference,
    /// Several sub-attributes.
    Complex,
}

impl Type {
    /// The word of RFC 7643 §7.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::DateTime => "dateTime",
            Self::Binary => "binary",
            Self::Reference => "reference",
            Self::Complex => "complex",
        }
    }
}

impl Serialize for Type {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Who may change an attribute (RFC 7643 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mutability {
    /// The app alone.
    ReadOnly,
    /// Everybody.
    ReadWrite,
    /// It is given when the resource is created and never changes.
    Immutable,
    /// It can be changed and never be read.
    WriteOnly,
}

/// When an attribute is part of an answer (RFC 7643 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Returned {
    /// In every answer.
    Always,
    /// In no answer.
    Never,
    /// Unless the client excludes it.
    Default,
    /// Only if the client asks for it.
    Request,
}

/// Within what a value is unique (RFC 7643 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Uniqueness {
    /// Several resources may have the value.
    None,
    /// One resource of the app has the value.
    Server,
}

/// A word of RFC 7643 §7 in a file: a text out of a short list, each with its meaning.
macro_rules! word_in_a_file {
    ($word:ty, $($text:literal => $meaning:literal),+) => {
        impl JsonSchema for $word {
            fn schema_name() -> Cow<'static, str> {
                stringify!($word).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "oneOf": [$({ "type": "string", "const": $text, "description": $meaning }),+] })
            }
        }
    };
}

word_in_a_file!(Mutability,
    "readWrite" => "It can be changed.",
    "immutable" => "It is sent when the account is created; `users.on_immutable_change` says what a change leads to.",
    "readOnly" => "The app alone sets it: it is never sent.",
    "writeOnly" => "It can be changed and never be read back.");
word_in_a_file!(Returned,
    "always" => "The app returns the value in every answer.",
    "default" => "The app returns the value.",
    "never" => "The app does not return the value as it was sent: it is masked, dropped or altered.",
    "request" => "The app returns the value only if it is asked for, which rosterd does not do; treated as `never`.");

/// One attribute or sub-attribute (RFC 7643 §7). The defaults are those of §2.2.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// The name. Names compare without case (RFC 7643 §2.1).
    pub name: &'static str,
    /// The type of a value.
    #[serde(rename = "type")]
    pub ty: Type,
    /// Whether there can be several values.
    pub multi_valued: bool,
    /// What it is.
    pub description: &'static str,
    /// Whether a resource must have it.
    pub required: bool,
    /// Who may change it.
    pub mutability: Mutability,
    /// When it is part of an answer.
    pub returned: Returned,
    /// Whether case counts when values are compared; said of texts alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_exact: Option<bool>,
    /// Within what a value is unique; not said of complex and boolean attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uniqueness: Option<Uniqueness>,
    /// What a reference points to.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub reference_types: &'static [&'static str],
    /// Suggested values; of the sub-attribute `type`, the canonical types of the elements.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub canonical_values: &'static [&'static str],
    /// The parts of a complex attribute.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub sub_attributes: &'static [Attribute],
}

impl Attribute {
    const fn new(ty: Type, name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            ty,
            multi_valued: false,
            description,
            required: false,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            case_exact: match ty {
                // references and binary data compare exactly (RFC 7643 §2.3.6, §2.3.7)
                Type::Reference | Type::Binary => Some(true),
                Type::String => Some(false),
                _ => None,
            },
            uniqueness: match ty {
                Type::Complex | Type::Boolean => None,
                _ => Some(Uniqueness::None),
            },
            reference_types: &[],
            canonical_values: &[],
            sub_attributes: &[],
        }
    }

    const fn string(name: &'static str, description: &'static str) -> Self {
        Self::new(Type::String, name, description)
    }

    const fn complex(name: &'static str, description: &'static str, sub_attributes: &'static [Attribute]) -> Self {
        Self { sub_attributes, ..Self::new(Type::Complex, name, description) }
    }

    const fn reference(
        name: &'static str,
        description: &'static str,
        reference_types: &'static [&'static str],
    ) -> Self {
        Self { reference_types, ..Self::new(Type::Reference, name, description) }
    }

    const fn multi(self) -> Self {
        Self { multi_valued: true, ..self }
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn exact(self) -> Self {
        Self { case_exact: Some(true), ..self }
    }

    const fn read_only(self) -> Self {
        Self { mutability: Mutability::ReadOnly, ..self }
    }

    const fn immutable(self) -> Self {
        Self { mutability: Mutability::Immutable, ..self }
    }

    const fn always(self) -> Self {
        Self { returned: Returned::Always, ..self }
    }

    const fn unique(self) -> Self {
        Self { uniqueness: Some(Uniqueness::Server), ..self }
    }

    const fn canonical(self, canonical_values: &'static [&'static str]) -> Self {
        Self { canonical_values, ..self }
    }

    /// The sub-attribute of this name, whatever its case.
    pub fn sub(&self, name: &str) -> Option<&'static Attribute> {
        self.sub_attributes.iter().find(|sub| sub.name.eq_ignore_ascii_case(name))
    }

    /// Whether case counts when two values are compared.
    pub fn is_case_exact(&self) -> bool {
        self.case_exact == Some(true)
    }

    /// Whether a client may change it and read it back (RFC 7643 §7).
    pub fn is_kept_by_clients(&self) -> bool {
        !matches!(self.mutability, Mutability::ReadOnly | Mutability::WriteOnly)
    }

    /// The canonical types of its elements (`work`, `home`): what `emails.work` can stand for. None where a client can't change them.
    pub fn element_types(&self) -> &'static [&'static str] {
        match self.sub("type").filter(|_| self.multi_valued && self.is_kept_by_clients()) {
            Some(kind) => kind.canonical_values,
            None => &[],
        }
    }
}

/// A schema: a URN and its attributes.
#[derive(Debug)]
pub struct Schema {
    /// The URN.
    pub urn: &'static str,
    /// The name.
    pub name: &'static str,
    /// What it describes.
    pub description: &'static str,
    /// The attributes, in the order of RFC 7643 §8.7.1.
    pub attributes: &'static [Attribute],
}

impl Schema {
    /// The attribute of this name, whatever its case.
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }
}

/// The two kinds of resource (RFC 7643 §4.1, §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceType {
    /// A user.
    User,
    /// A group.
    Group,
}

/// Where an attribute lives: in the core object or under an extension's URN.
#[derive(Debug, Clone, Copy)]
pub struct Located {
    /// The extension; `None` for the core object.
    pub extension: Option<&'static Schema>,
    /// The definition.
    pub attribute: &'static Attribute,
}

impl ResourceType {
    /// Both.
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// The name.
    pub fn name(self) -> &'static str {
        self.core().name
    }

    /// The path segment of the endpoint.
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
        }
    }

    /// The core schema.
    pub fn core(self) -> &'static Schema {
        match self {
            Self::User => &USER,
            Self::Group => &GROUP,
        }
    }

    /// The extensions of RFC 7643.
    pub fn extensions(self) -> &'static [&'static Schema] {
        static OF_USERS: [&Schema; 1] = [&ENTERPRISE];
        match self {
            Self::User => &OF_USERS,
            Self::Group => &[],
        }
    }

    /// The attribute that names a resource, by which it is unique.
    pub fn naming(self) -> &'static str {
        match self {
            Self::User => "userName",
            Self::Group => "displayName",
        }
    }

    /// The extension with this URN; URNs compare without case (RFC 7643 §2.1).
    pub fn extension(self, urn: &str) -> Option<&'static Schema> {
        self.extensions().iter().find(|schema| schema.urn.eq_ignore_ascii_case(urn)).copied()
    }

    /// Finds an attribute by its name and, where one was written, its schema's URN.
    pub fn find(self, urn: Option<&str>, name: &str) -> Option<Located> {
        match urn {
            Some(urn) if !urn.eq_ignore_ascii_case(self.core().urn) => {
                let extension = self.extension(urn)?;
                Some(Located { extension: Some(extension), attribute: extension.attribute(name)? })
            }
            _ => {
                let common = COMMON.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name));
                Some(Located { extension: None, attribute: common.or_else(|| self.core().attribute(name))? })
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
