//! `[source.toy]`, key by key: the example of docs/adding-a-directory.md. Only tests have it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DirectoryTable, TableCheck, WebKeys, web};
use crate::config::forms::canonical;
use crate::config::network::NetworkTable;
use crate::config::secret_ref::SecretRef;

/// `[source.toy]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct Table {
    /// The address of the API.
    #[schemars(extend("format" = "web-address"))]
    pub base_url: String,
    /// An API token.
    pub token: SecretRef,
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

    fn network_mut(&mut self) -> Option<&mut NetworkTable> {
        self.web.network.as_mut()
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        self.web.paths_mut().chain(&mut self.token.file).collect()
    }

    fn addresses(&self) -> Vec<String> {
        vec![canonical(&self.base_url)]
    }

    fn page(&self) -> Option<u32> {
        Some(2)
    }
}

/// What may not stand in the table.
pub(in crate::config) fn check(table: &mut TableCheck<'_, '_>) {
    web::check(table);
}
