//! A mistake in a file as the daemon keeps and reports it. The module takes diagnostics; it must not depend on who asks for them.

use serde::{Deserialize, Serialize};

use crate::config::diagnostic::Diagnostic;

/// A mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mistake {
    /// `file:line:column`
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Mistake {
    /// The errors among diagnostics.
    pub(super) fn among(found: &[Diagnostic]) -> Vec<Self> {
        let errors = found.iter().filter(|one| one.is_error());
        let mistake =
            |one: &Diagnostic| Self { place: one.location(), message: one.message.clone(), hint: one.hint.clone() };
        errors.map(mistake).collect()
    }

    /// Place and message in one line.
    pub fn summary(&self) -> String {
        format!("{}: {}", self.place, self.message)
    }
}
