//! The addresses that a tenant's credentials were sent to, as they are put on record.

use serde::{Deserialize, Serialize};

/// Where a run sent its credentials: each address in one spelling, without user name, password and query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressMark {
    /// The app's.
    pub target: String,
    /// The directory's: one, several, or none for a file.
    pub source: Vec<String>,
    /// Those where tokens for the app are granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub login: Vec<String>,
    /// The proxies that are sent a password which the tenant file names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proxy: Vec<String>,
}
