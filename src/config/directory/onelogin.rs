//! `[source.onelogin]`, key by key. The doc comments are what `rosterd schema` shows in an editor.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DirectoryTable, TableCheck, WebKeys, web};
use crate::config::forms::canonical;
use crate::config::network::NetworkTable;
use crate::config::secret_ref::SecretRef;
use crate::model::LifecycleStatus;

/// `[source.onelogin]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct OneLoginTable {
    /// The account: `acme` for `acme.onelogin.com`; or `base_url`.
    #[schemars(length(min = 1))]
    pub subdomain: Option<String>,
    /// The whole address of the API, where it is another: `https://api.eu.onelogin.com`.
    #[schemars(extend("format" = "web-address"))]
    pub base_url: Option<String>,
    /// The client id of the API credentials.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// Their client secret.
    pub client_secret: SecretRef,
    /// Whether people who were given the application by name, not by a role, belong too. Costs a listing of its people.
    #[serde(default = "web::yes")]
    pub direct: bool,
    /// What counts as a group: roles, or security-policy groups (at most one for each user).
    #[serde(default)]
    pub groups: OneLoginGroups,
    /// Where memberships are read: in the list of users (fewest calls), or role by role.
    #[serde(default)]
    pub members: OneLoginMembers,
    /// How people count whose account is locked for too many wrong passwords (status 3).
    #[serde(default = "active")]
    pub locked: LifecycleStatus,
    /// How people count who have not activated their account (status 0).
    #[serde(default = "staged")]
    pub unactivated: LifecycleStatus,
    /// What counts as a parameter of the application that is off, so that no user has a value of it. Anything else that the API does not show
    /// leaves what depends on the parameter as it is.
    #[serde(default)]
    pub parameter_off: Vec<OneLoginParameterOff>,
    /// Whether the `default_values` or `values` of a parameter are the value for users without one. With false such a parameter counts as unread.
    #[serde(default = "web::yes")]
    pub parameter_defaults: bool,
    /// Whether the rules of the application, which may set a parameter for some users, are looked at. Reading them may need Manage All.
    #[serde(default)]
    pub parameter_rules: OneLoginParameterRules,
    /// Whether the events may be asked for changes, which wakes the daemon early.
    #[serde(default = "web::yes")]
    pub events: bool,
    /// Users a page. 50 is documented; more is honoured in some accounts.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 1000))]
    pub users_page: u32,
    /// How it is asked.
    #[serde(flatten)]
    pub web: WebKeys,
}

/// What counts as a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OneLoginGroups {
    /// Roles.
    #[default]
    Roles,
    /// Security-policy groups. They are never bound to an application.
    Groups,
}

/// Where memberships are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OneLoginMembers {
    /// In the list of users, by their `role_ids`. Where that list does not show them, role by role.
    #[default]
    Users,
    /// Role by role.
    Roles,
}

/// What counts as a parameter that is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OneLoginParameterOff {
    /// The application has no parameter of that name.
    Missing,
    /// It takes its value from no user attribute and has no default.
    Unmapped,
    /// Its `provisioned_entitlements` is false.
    NotProvisioned,
}

/// Whether the rules of the application are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OneLoginParameterRules {
    /// Where the API credentials may read them. A parameter that a rule sets counts as unread.
    #[default]
    IfAllowed,
    /// The same, and where they may not be read every parameter counts as unread.
    Required,
    /// They are not asked for.
    Ignored,
}

impl OneLoginTable {
    /// The address of the API, without a slash at its end.
    pub fn address(&self) -> String {
        match (&self.base_url, &self.subdomain) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, subdomain) => format!("https://{}.onelogin.com", subdomain.as_deref().unwrap_or_default()),
        }
    }
}

/// As the list of directories calls it.
pub type Table = OneLoginTable;

impl DirectoryTable for OneLoginTable {
    fn web(&self) -> Option<&WebKeys> {
        Some(&self.web)
    }

    fn secrets(&self) -> Vec<(&'static [&'static str], &SecretRef)> {
        vec![(&["source", "onelogin", "client_secret"], &self.client_secret)]
    }

    fn network_mut(&mut self) -> Option<&mut NetworkTable> {
        self.web.network.as_mut()
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        self.web.paths_mut().chain(&mut self.client_secret.file).collect()
    }

    fn addresses(&self) -> Vec<String> {
        vec![canonical(&self.address())]
    }

    /// The pages are larger where that is possible.
    fn page(&self) -> Option<u32> {
        Some(50)
    }
}

fn active() -> LifecycleStatus {
    LifecycleStatus::Active
}

fn staged() -> LifecycleStatus {
    LifecycleStatus::Staged
}

fn fifty() -> u32 {
    50
}

/// Which keys go together.
pub(in crate::config) fn check(table: &mut TableCheck<'_, '_>) {
    web::check(table);
    let has_application = table.has("application");
    match (table.has("subdomain"), table.has("base_url")) {
        (false, false) => table.lacks(
            "nothing says which account is meant",
            "write `subdomain = \"acme\"` for acme.onelogin.com, or the whole address as `base_url`",
        ),
        (true, true) => table.wrong(
            "subdomain",
            "`subdomain` and `base_url` both say which account is meant",
            "remove one of the two",
        ),
        _ => {}
    }
    if let Some(subdomain) = table.text("subdomain").filter(|text| !is_label(text)) {
        let hint = "write only the first word of the address: `acme` for https://acme.onelogin.com";
        table.wrong("subdomain", format!("{subdomain:?} is no subdomain"), hint);
    }
    if table.text("groups") == Some("groups") && has_application {
        let hint = "remove `application` and name the groups in `[scope]`, or write `groups = \"roles\"`";
        table.wrong("groups", "OneLogin gives applications to roles, never to security-policy groups", hint);
    }
    if !has_application {
        parameters(table);
    }
}

/// The parameters that mappings read are those of an application, which has to be named.
fn parameters(table: &mut TableCheck<'_, '_>) {
    const ATTRIBUTES: [&str; 2] = ["users", "attributes"];
    let document = table.document;
    for key in document.table_at(&ATTRIBUTES).into_iter().flat_map(|table| table.keys()) {
        let key = [ATTRIBUTES[0], ATTRIBUTES[1], key.get_ref()];
        let from = document.text_at(&key).or_else(|| document.text_at(&[&key[..], &["from"]].concat()));
        if from.is_some_and(|from| from.contains("app_parameters")) {
            table.found.push(document.error(
                &key,
                "`app_parameters` are those of an application, and none is named",
                "write `application = \"Heap\"` in `[source.onelogin]`, or read `custom_attributes.NAME`",
            ));
        }
    }
}

/// One label of a host name (RFC 1123 §2.1).
fn is_label(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=63).contains(&text.len()) && text.chars().all(fits) && !text.starts_with('-') && !text.ends_with('-')
}
