//! Prism: a proxy that holds every request and every answer against a vendor's description of its API. What does not fit is
//! answered with a problem document of its own instead.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::http;
use super::process::{self, Process};
use super::rig::Rig;

/// What the type of every problem that Prism itself found begins with.
const OWN: &str = "https://stoplight.io/prism/";

/// A running Prism. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Prism {
    /// Where it listens; no slash at the end. A description's paths begin here.
    pub(crate) base_url: String,
    _process: Process,
    _folder: TempDir,
}

impl Prism {
    /// Between a client and the API at `base_url`, with an OpenAPI file.
    pub(crate) fn before(rig: &Rig, description: &Path, base_url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for Prism");
        let program = rig.node_modules("prism").join("@stoplight/prism-cli/dist/index.js");
        let command = |port: u16| {
            let mut command = Command::new("node");
            command.arg(&program).arg("proxy").arg(description).arg(base_url);
            command.args(["--errors", "--host", "127.0.0.1", "--port", &port.to_string()]);
            command.env_clear().env("PATH", std::env::var_os("PATH").expect("PATH is set")).env("HOME", folder.path());
            command
        };
        let (port, process) = process::start_on_free_port("prism", &folder.path().join("log"), command, |port| {
            let nowhere = format!("http://127.0.0.1:{port}/no/such/path");
            http::call("GET", &nowhere, "", None).is_ok_and(|answer| answer.body.contains(OWN))
        });
        Self { base_url: format!("http://127.0.0.1:{port}"), _process: process, _folder: folder }
    }

    /// Whether an answer is Prism's own word that something does not fit, not the API's.
    pub(crate) fn is_its_own(&self, body: &Value) -> bool {
        body["type"].as_str().is_some_and(|kind| kind.starts_with(OWN))
    }
}
