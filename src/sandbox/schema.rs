//! The shape of a schema (RFC 7643 §2 and §7) as data, and the look-ups every other file makes in it.
//!
//! In: an attribute name as a client wrote it. Out: the definition. What `/Schemas` publishes is generated from these very
//! values, so the published schema cannot say something the server does not do. The definitions stand in `catalog`.

use super::catalog;

/// The JSON type of an attribute (RFC 7643 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    String,
    Boolean,
    Integer,
    DateTime,
    Binary,
    Reference,
    Complex,
}

impl Type {
    pub(super) fn name(self) -> &'static str {
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

/// Who may change an attribute (RFC 7643 §2.2). This server has no `writeOnly` attribute: it takes no passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutability {
    ReadOnly,
    ReadWrite,
    Immutable,
}

impl Mutability {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "readOnly",
            Self::ReadWrite => "readWrite",
            Self::Immutable => "immutable",
        }
    }
}

/// One attribute or sub-attribute. The defaults are those of RFC 7643 §2.2.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attr {
    pub(super) name: &'static str,
    pub(super) ty: Type,
    pub(super) multi: bool,
    pub(super) required: bool,
    pub(super) case_exact: bool,
    pub(super) mutability: Mutability,
    /// `returned` is `always` rather than `default`.
    pub(super) always: bool,
    /// `uniqueness` is `server` rather than `none`.
    pub(super) unique: bool,
    pub(super) refs: &'static [&'static str],
    pub(super) canonical: &'static [&'static str],
    pub(super) description: &'static str,
    pub(super) subs: &'static [Attr],
}

impl Attr {
    pub(super) const fn new(ty: Type, name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            ty,
            multi: false,
            required: false,
            // references and binary data compare exactly (RFC 7643 §2.3.6, §2.3.7)
            case_exact: matches!(ty, Type::Reference | Type::Binary),
            mutability: Mutability::ReadWrite,
            always: false,
            unique: false,
            refs: &[],
            canonical: &[],
            description,
            subs: &[],
        }
    }

    pub(super) const fn string(name: &'static str, description: &'static str) -> Self {
        Self::new(Type::String, name, description)
    }

    pub(super) const fn complex(name: &'static str, description: &'static str, subs: &'static [Attr]) -> Self {
        Self { subs, ..Self::new(Type::Complex, name, description) }
    }

    pub(super) const fn reference(
        name: &'static str,
        description: &'static str,
        refs: &'static [&'static str],
    ) -> Self {
        Self { refs, ..Self::new(Type::Reference, name, description) }
    }

    pub(super) const fn multi(self) -> Self {
        Self { multi: true, ..self }
    }

    pub(super) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(super) const fn exact(self) -> Self {
        Self { case_exact: true, ..self }
    }

    pub(super) const fn read_only(self) -> Self {
        Self { mutability: Mutability::ReadOnly, ..self }
    }

    pub(super) const fn immutable(self) -> Self {
        Self { mutability: Mutability::Immutable, ..self }
    }

    pub(super) const fn always(self) -> Self {
        Self { always: true, ..self }
    }

    pub(super) const fn unique(self) -> Self {
        Self { unique: true, ..self }
    }

    pub(super) const fn canonical(self, canonical: &'static [&'static str]) -> Self {
        Self { canonical, ..self }
    }

    /// The sub-attribute of this name; names are case-insensitive (RFC 7643 §2.1).
    pub(super) fn sub(&self, name: &str) -> Option<&'static Attr> {
        self.subs.iter().find(|sub| sub.name.eq_ignore_ascii_case(name))
    }
}

/// A schema: a URN and its attributes.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) urn: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) attrs: &'static [Attr],
}

impl Schema {
    fn attr(&self, name: &str) -> Option<&'static Attr> {
        self.attrs.iter().find(|attr| attr.name.eq_ignore_ascii_case(name))
    }
}

/// The two kinds of resource this server keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    User,
    Group,
}

/// Where an attribute lives: in the core object or under an extension's URN.
#[derive(Debug, Clone, Copy)]
pub(super) struct Located {
    pub(super) extension: Option<&'static Schema>,
    pub(super) attr: &'static Attr,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::User, Self::Group];

    pub(super) fn name(self) -> &'static str {
        self.core().name
    }

    /// The path segment of the endpoint.
    pub(super) fn endpoint(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
        }
    }

    pub(super) fn core(self) -> &'static Schema {
        match self {
            Self::User => &catalog::USER,
            Self::Group => &catalog::GROUP,
        }
    }

    pub(super) fn extensions(self) -> &'static [&'static Schema] {
        static USER: [&Schema; 1] = [&catalog::ENTERPRISE];
        match self {
            Self::User => &USER,
            Self::Group => &[],
        }
    }

    /// The attribute that names a resource, by which it is unique.
    pub(super) fn naming(self) -> &'static str {
        match self {
            Self::User => "userName",
            Self::Group => "displayName",
        }
    }

    /// The extension with this URN; URNs are case-insensitive (RFC 7643 §2.1).
    pub(super) fn extension(self, urn: &str) -> Option<&'static Schema> {
        self.extensions().iter().find(|schema| schema.urn.eq_ignore_ascii_case(urn)).copied()
    }

    /// Finds an attribute by its name and, where the client wrote one, its schema URN.
    pub(super) fn find(self, urn: Option<&str>, name: &str) -> Option<Located> {
        match urn {
            Some(urn) if !urn.eq_ignore_ascii_case(self.core().urn) => {
                let extension = self.extension(urn)?;
                Some(Located { extension: Some(extension), attr: extension.attr(name)? })
            }
            _ => {
                let common = catalog::COMMON.iter().find(|attr| attr.name.eq_ignore_ascii_case(name));
                Some(Located { extension: None, attr: common.or_else(|| self.core().attr(name))? })
            }
        }
    }
}
