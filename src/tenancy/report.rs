//! What a look at the files found. In: diagnostics. Out: text for a person, or one JSON document.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use crate::config::diagnostic::{Diagnostic, render};
use crate::model::TenantName;

/// One tenant file that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The tenant.
    pub name: TenantName,
    /// Its file.
    pub file: PathBuf,
    /// How many errors it has.
    pub errors: usize,
    /// How many warnings.
    pub warnings: usize,
}

impl Checked {
    pub(super) fn new(name: TenantName, file: PathBuf, found: &[Diagnostic]) -> Self {
        let errors = found.iter().filter(|one| one.is_error()).count();
        Self { name, file, errors, warnings: found.len() - errors }
    }
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was found, tenant by tenant, each from top to bottom.
    pub diagnostics: Vec<Diagnostic>,
    /// The tenants that were looked at.
    pub tenants: Vec<Checked>,
}

impl Report {
    pub(super) fn new(diagnostics: Vec<Diagnostic>, tenants: Vec<Checked>) -> Self {
        Self { diagnostics, tenants }
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|one| one.is_error()).count()
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.diagnostics.len() - self.errors()
    }

    /// Whether every file can be used.
    pub fn is_good(&self) -> bool {
        self.errors() == 0
    }

    /// For a person: each finding with its line, then how it stands.
    pub fn render(&self, colour: bool) -> String {
        let mut out = render(&self.diagnostics, colour);
        let good = self.tenants.iter().filter(|tenant| tenant.errors == 0).count();
        let plural = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
        let (errors, warnings) = (plural(self.errors(), "error"), plural(self.warnings(), "warning"));
        // Writing to a `String` can't fail.
        let _ = match (self.tenants.len(), self.errors()) {
            (0, 0) => writeln!(out, "there is no tenant yet; `rosterd init TENANT` makes one"),
            (0, _) => writeln!(out, "{errors}"),
            (all, 0) => writeln!(out, "{} good, {warnings}", plural(all, "tenant")),
            (all, _) => writeln!(out, "{good} of {} good, {errors}, {warnings}", plural(all, "tenant")),
        };
        out
    }

    /// For a program.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "ok": self.is_good(),
            "errors": self.errors(),
            "warnings": self.warnings(),
            "tenants": self.tenants,
            "diagnostics": self.diagnostics,
        })
    }
}
