//! What an app holds, read by `tests/rig/read_app.py`, which shares no code with rosterd.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use super::rig::{self, Rig};

/// Everybody and every group, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AppState {
    /// By userName, as the app spells it.
    pub(crate) users: BTreeMap<String, AppUser>,
    /// The userNames of the members, by displayName.
    pub(crate) groups: BTreeMap<String, BTreeSet<String>>,
    /// The rest of each group, by displayName.
    pub(crate) group_resources: BTreeMap<String, AppGroup>,
}

/// A user; what the app did not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppUser {
    pub(crate) id: String,
    pub(crate) user_name: String,
    pub(crate) external_id: Option<String>,
    pub(crate) active: Option<bool>,
    pub(crate) display_name: Option<String>,
    pub(crate) given_name: Option<String>,
    pub(crate) family_name: Option<String>,
    pub(crate) emails: Vec<String>,
    /// The resource as the app gave it.
    pub(crate) raw: Value,
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppGroup {
    pub(crate) id: String,
    pub(crate) display_name: String,
    pub(crate) external_id: Option<String>,
    /// The userNames of the members; somebody listed twice is here twice.
    pub(crate) members: Vec<String>,
    /// Member values that are no user's.
    pub(crate) dangling: Vec<String>,
    /// The resource as the app gave it.
    pub(crate) raw: Value,
}

#[derive(Deserialize)]
struct Document {
    users: Vec<AppUser>,
    groups: Vec<AppGroup>,
}

/// Reads all users and groups. Two users or two groups of one name, in whatever case, end the test: nothing in this
/// project may ever make them, and an app that starts with some is read with [`read_lists`].
pub(crate) fn read_app(rig: &Rig, base_url: &str, token: &str) -> AppState {
    let (users, groups) = read_lists(rig, base_url, token);
    no_duplicates("users", users.iter().map(|user| user.user_name.as_str()));
    no_duplicates("groups", groups.iter().map(|group| group.display_name.as_str()));
    AppState {
        users: users.into_iter().map(|user| (user.user_name.clone(), user)).collect(),
        groups: groups
            .iter()
            .map(|group| (group.display_name.clone(), group.members.iter().cloned().collect()))
            .collect(),
        group_resources: groups.into_iter().map(|group| (group.display_name.clone(), group)).collect(),
    }
}

/// Reads all users and groups as they come, duplicates too.
pub(crate) fn read_lists(rig: &Rig, base_url: &str, token: &str) -> (Vec<AppUser>, Vec<AppGroup>) {
    let mut command = Command::new(rig.python());
    command.arg("-B").arg(rig::glue().join("read_app.py")).arg(base_url).env_clear().env("RIG_TOKEN", token);
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "read_app.py: {}", String::from_utf8_lossy(&output.stderr));
    let document: Document = serde_json::from_slice(&output.stdout).expect("read_app.py prints JSON");
    (document.users, document.groups)
}

fn no_duplicates<'a>(what: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    let twice: Vec<_> = names.filter(|name| !seen.insert(name.to_lowercase())).collect();
    assert!(twice.is_empty(), "the app holds {what} twice: {twice:?}");
}
