//! Names and numbers that must not be mixed up: one type each.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// Wraps the text as it is: ids are opaque and case-sensitive.
            pub fn new(text: impl Into<Box<str>>) -> Self {
                Self(text.into())
            }

            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
    };
}

text_id! {
    /// The directory's immutable id of a person or group (`entryUUID`, `objectGUID`, `_id`, …). Never a name or an e-mail.
    SourceId
}

text_id! {
    /// The app's `id` of a resource (RFC 7643 §3.1): opaque, case-sensitive, percent-encoded in paths.
    AppId
}

impl AppId {
    /// The longest id that is accepted from an app, in bytes. Ids of real apps have fewer than a hundred.
    pub const LONGEST: usize = 1024;

    /// Takes over an id as an app gave it, if a request can name the object by it.
    ///
    /// # Errors
    /// Says why no request can: it is empty, far too long, has control characters, would mean another resource in a URL
    /// (`..`), or is what a program writes where it has no id (`undefined`).
    pub fn from_app(text: &str) -> Result<Self, String> {
        let part_is_odd = |part: &str| matches!(part, "" | "." | "..");
        let why = match text {
            "" => "it is empty".to_owned(),
            _ if text.len() > Self::LONGEST => {
                return Err(format!("an id of {} bytes, and at most {} are accepted", text.len(), Self::LONGEST));
            }
            "undefined" | "null" | "None" | "NaN" | "[object Object]" => {
                "programs write that where they have no id".to_owned()
            }
            _ if text.chars().any(char::is_control) => "it has control characters".to_owned(),
            _ if text.split(['/', '\\']).any(part_is_odd) => "in a URL it would mean another resource".to_owned(),
            _ => return Ok(Self::new(text)),
        };
        let shown: String = text.chars().take(60).collect();
        Err(format!("the id {shown:?}, by which no request can name it: {why}"))
    }
}

text_id! {
    /// One run of one tenant's cycle; sortable by time (a UUID version 7).
    RunId
}

text_id! {
    /// Names the whole content of a directory: equal marks mean equal readings.
    ContentMark
}

/// A group's id in the directory. An alias, so that signatures say which side of a membership they mean.
pub type GroupKey = SourceId;

/// A small dense number that the store gives each linked person, for compact membership sets. Stable within one state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserNumber(pub u32);

/// A person or a group of the directory, by its id there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectRef {
    /// A person.
    User(SourceId),
    /// A group.
    Group(SourceId),
}

impl ObjectRef {
    /// The directory id, whichever kind it is.
    pub fn id(&self) -> &SourceId {
        match self {
            Self::User(id) | Self::Group(id) => id,
        }
    }

    /// Another object of the same kind.
    pub fn of_kind(&self, id: SourceId) -> Self {
        match self {
            Self::User(_) => Self::User(id),
            Self::Group(_) => Self::Group(id),
        }
    }

    /// `user` or `group`, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Group(_) => "group",
        }
    }
}

impl ObjectRef {
    /// The object by its name, with the directory's id beside it: `user ann (5f2b…)`.
    pub fn called(&self, name: &str) -> String {
        match name.is_empty() || name == self.id().as_str() {
            true => self.to_string(),
            false => format!("{} {name} ({})", self.kind(), super::text::shown(self.id().as_str())),
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // For people to read, in logs too: an id must not begin a line of its own.
        write!(f, "{} {}", self.kind(), super::text::shown(self.id().as_str()))
    }
}

/// A tenant's name: the tenant file's name without `.toml`. It becomes a folder name, hence the narrow alphabet.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct TenantName(Box<str>);

impl TenantName {
    /// Accepts `^[a-z0-9][a-z0-9-]{0,62}$`; returns `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let mut chars = text.chars();
        let first = chars.next().is_some_and(legal);
        let rest = chars.all(|c| legal(c) || c == '-');
        (first && rest && text.len() <= 63).then(|| Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for TenantName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not the name of a tenant"))
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn sec34_an_id_that_no_request_can_name_is_refused() {
        let long = "a".repeat(AppId::LONGEST + 1);
        for bad in [
            "",
            ".",
            "..",
            "../Groups/7",
            "a/../b",
            "a//b",
            "/a",
            "a/",
            "..\\a",
            "a\nb",
            "a\0",
            "undefined",
            "null",
            &long,
        ] {
            let why = AppId::from_app(bad).unwrap_err();
            assert!(why.len() < 300, "{why}");
            assert!(!why.contains(char::is_control), "{why}");
        }
        for good in
            ["7", "2819c223-7f76-453a-919d-413861904646", "ann@acme.test", "ab+c/d=", "…", "uid=ann,ou=x", "a.b"]
        {
            assert_eq!(AppId::from_app(good), Ok(AppId::from(good)));
        }
    }

    #[test]
    fn a_tenant_name_can_never_leave_its_folder() {
        for bad in ["", "-a", "A", "a/b", "../etc", "a.b", "ä", "a b", &"a".repeat(64)] {
            assert_eq!(TenantName::parse(bad), None, "{bad:?}");
        }
        for good in ["a", "0", "acme-heap", &"a".repeat(63)] {
            assert_eq!(TenantName::parse(good).map(|n| n.to_string()).as_deref(), Some(good));
        }
    }
}
