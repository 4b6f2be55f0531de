//! What a look at the files found. In: diagnostics. Out: how each tenant stands, and one JSON document.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use crate::config::diagnostic::Diagnostic;
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
    /// When the daemon runs it next, by its schedule; empty for a file with errors. The daemon starts tenants
    /// that share a schedule up to 30 seconds apart.
    pub next_runs: Vec<Timestamp>,
}

impl Checked {
    pub(super) fn new(name: TenantName, file: PathBuf, found: &[Diagnostic], next_runs: Vec<Timestamp>) -> Self {
        let errors = found.iter().filter(|one| one.is_error()).count();
        let next_runs = if errors == 0 { next_runs } else { Vec::new() };
        Self { name, file, errors, warnings: found.len() - errors, next_runs }
    }
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// What was found, tenant by tenant, each from top to bottom.
    pub diagnostics: Vec<Diagnostic>,
    /// The tenants that were looked at.
    pub tenants: Vec<Checked>,
}

impl CheckReport {
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
