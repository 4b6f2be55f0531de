//! What `doctor` found at one spot. In: what an edge saw. Out: a line for a person, a row for a script.

use serde::{Deserialize, Serialize};

/// How a spot looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// As it should be.
    Ok,
    /// It works, and somebody should know.
    Warning,
    /// A sync would fail, or do less than it should.
    Wrong,
}

/// One spot that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at, in a word or two: `api key`, `application`, `discovery`.
    pub check: String,
    /// How it looks.
    pub verdict: CheckVerdict,
    /// What was seen. Never a secret; a user's name only where somebody has to look at that account.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(check: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: CheckVerdict::Ok, detail: detail.into(), remedy: None }
    }

    /// It works, and somebody should know.
    pub fn warning(check: impl Into<String>, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: CheckVerdict::Warning, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    /// A sync would fail, or do less than it should.
    pub fn wrong(check: impl Into<String>, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: CheckVerdict::Wrong, detail: detail.into(), remedy: Some(remedy.into()) }
    }
}
