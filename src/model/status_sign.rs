//! What a directory shows by which a user counts as active or suspended: an attribute, a key or a column. Plain values; the readers of
//! directories say what they saw ([`crate::source::Reading::saw_sign`]), the state keeps it, and the guard compares.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of an attribute, key or column that says whether a user is suspended, as the directory writes it: `nsAccountLock`, `active`.
///
/// Its absence from a whole reading, where the last accepted reading had it, is no evidence that users are active: a reader that lost a
/// right, or a column that was renamed, looks the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatusSign(Cow<'static, str>);

impl StatusSign {
    /// A sign whose name is fixed.
    pub const fn of(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// A sign whose name the operator chose.
    pub fn named(name: impl Into<String>) -> Self {
        Self(Cow::Owned(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StatusSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
