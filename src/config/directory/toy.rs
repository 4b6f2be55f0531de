//! `[source.toy]`, key by key: the example of docs/adding-a-directory.md. Only tests have it.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DirectoryTable, WebKeys, web};
use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;
use crate::config::forms::canonical;
use crate::config::tenant::SecretRef;

/// `[source.toy]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct Table {
    /// The address of the API.
    #[schemars(extend("format" = "web-address"))]
    pub base_url: String,
    /// An API token.
    pub token: SecretRef,
    /// The application whose teams and people belong: its name or its id.
    #[schemars(length(min = 1))]
    pub application: Option<String>,
    /// How it is asked.
    #[serde(flatten)]
    pub web: WebKeys,
}

impl DirectoryTable for Table {
    fn web(&self) -> Option<&WebKeys> {
        Some(&self.web)
    }

    fn secrets(&self) -> Vec<(&'static [&'static str], &SecretRef)> {
        vec![(&["source", "toy", "token"], &self.token)]
    }

    fn secrets_mut(&mut self) -> Vec<&mut SecretRef> {
        vec![&mut self.token]
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        self.web.ca_file.iter_mut().collect()
    }

    fn addresses(&self) -> Vec<String> {
        vec![canonical(&self.base_url)]
    }

    fn pace(&self) -> Option<(u32, Duration)> {
        Some((2, self.web.rate.between_reads()))
    }

    fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }
}

/// What may not stand in the table.
pub(in crate::config) fn check(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    web::check(document, "toy", found);
}
