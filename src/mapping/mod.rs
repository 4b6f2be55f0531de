//! The mapping language: what the operator writes under `[users.attributes]`, `scope.users` and `groups.displayName`.
//!
//! In: rules as text, and one directory record at a time. Out: SCIM attributes of a person, whether they are in scope, a
//! group's name. May not know the network, the disk, the time, or how an app spells things on the wire.
//!
//! A right-hand side is an attribute's name or a Jinja expression:
//!
//! | written | means |
//! |---|---|
//! | `email` | the attribute `email`; nothing if the person has none |
//! | `attributes.heapRole` | a field of an object, or a column of that name |
//! | `extension-attr` | a name with dashes, when it stands alone |
//! | `record["First Name"]` | any other name |
//! | `firstname ~ " " ~ lastname` | texts joined; an error for a person who lacks one of them |
//! | `nickname \| default(firstname)` | what to take instead |
//! | `mail \| one`, `mail \| all` | of one or many values the first, or all as a list |
//! | `title if title else leave` | `leave`: do not touch the attribute |
//! | `"Employee"`, `none` | a fixed text; nothing, so that the attribute is cleared |
//!
//! `null`, `""` and `[]` are *no value*, in a record and in a result: a CSV column, an LDAP entry and a JSON document say the
//! same thing in different ways. So a rule has three results: set, clear (no value) and leave.

mod binding;
mod defaults;
mod direct;
mod engine;
mod expression;
mod filter;
mod keys;
mod known;
mod lint;
mod rewrite;
mod rules;
mod values;
mod words;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

use std::fmt;
use std::ops::Range;

pub use defaults::{copied_by_default, default_rules};
pub use filter::{Filter, GroupName};
pub use known::KnownAttributes;
pub use rules::Mapping;

use crate::model::{Attributes, Path, SourceId};
use expression::{ExpressionFailure, Program};
use lint::Flaw;

/// On which side of a rule a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// The SCIM attribute.
    Key,
    /// The directory attribute or expression.
    Value,
}

/// One mistake in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// The SCIM attribute as it is written; `scope.users` and `groups.displayName` for those two.
    pub key: String,
    /// On which side.
    pub what: Where,
    /// The bytes of the expression's text it is about; all of it if `None`.
    pub offset: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl RuleProblem {
    fn of_key(key: &str, message: String, hint: Option<String>) -> Self {
        Self { key: key.to_owned(), what: Where::Key, offset: None, message, hint }
    }

    fn of_value(key: &str, flaw: Flaw) -> Self {
        Self { key: key.to_owned(), what: Where::Value, offset: flaw.at, message: flaw.message, hint: flaw.hint }
    }
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// What an app shall hold of one person.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mapped {
    /// The values. A mapped path that is neither here nor in `leave` shall be empty. The manager is never here.
    pub values: Attributes,
    /// The paths that are not touched for this person.
    pub leave: Vec<Path>,
    /// The manager's directory id; it becomes an app id once everybody is in the app.
    pub manager: Option<SourceId>,
}

/// Why a rule gave nothing usable for one person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{attribute}: {message} (rule: {rule})")]
pub struct MapError {
    /// The SCIM attribute's path, `scope.users` or `groups.displayName`.
    pub attribute: String,
    /// The rule's text.
    pub rule: String,
    /// The directory attribute that the person lacks, if that is why.
    pub missing: Option<String>,
    /// What happened.
    pub message: String,
}

impl MapError {
    fn new(attribute: impl fmt::Display, program: &Program, failure: ExpressionFailure) -> Self {
        Self {
            attribute: attribute.to_string(),
            rule: program.source().to_owned(),
            missing: failure.missing,
            message: failure.message,
        }
    }
}
