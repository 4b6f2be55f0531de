//! Judges that others wrote: of a server's answers, and of what a client sent.

use std::io::{Seek as _, Write as _};
use std::process::Command;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::proxy::Call;
use super::rig::{self, Rig};

/// One thing that a tester tried on a server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Check {
    /// `scim2-tester` or `scim-sanity`.
    pub(crate) tester: String,
    pub(crate) check: String,
    pub(crate) outcome: Outcome,
    pub(crate) reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Passed,
    Skipped,
    Failed,
}

/// Tries out a throw-away server with both testers; needs the part `scim-testers`.
pub(crate) fn conformance(rig: &Rig, base_url: &str, token: &str) -> Vec<Check> {
    let mut command = script(rig, "conformance.py");
    output(command.arg(base_url).env("RIG_TOKEN", token), "")
}

/// What is wrong with the bodies of these requests; needs the part `scim-testers`.
pub(crate) fn lint(rig: &Rig, calls: &[Call]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Finding {
        request: usize,
        problem: String,
    }
    let request = |call: &Call| serde_json::json!({"method": call.method, "path": call.path, "body": call.body});
    let requests: Vec<_> = calls.iter().map(request).collect();
    let findings: Vec<Finding> = output(&mut script(rig, "lint.py"), &serde_json::json!(requests).to_string());
    let describe = |finding: Finding| {
        let call = &calls[finding.request];
        format!("{} {}: {}\n{}", call.method, call.path, finding.problem, call.body)
    };
    findings.into_iter().map(describe).collect()
}

fn script(rig: &Rig, name: &str) -> Command {
    let mut command = Command::new(rig.python_program("scim-testers", "python"));
    command.arg("-B").arg(rig::glue().join(name)).env_clear().env("LANG", "C.UTF-8");
    command
}

fn output<T: DeserializeOwned>(command: &mut Command, input: &str) -> T {
    let mut file = tempfile::tempfile().expect("a file for the input");
    file.write_all(input.as_bytes()).and_then(|()| file.rewind()).expect("the input is written");
    let output = command.stdin(file).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}
