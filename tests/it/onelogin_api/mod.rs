//! OneLogin to an app that others wrote, by the real binary: what the customer's guide demands (O1 to O8), how people and roles
//! are read, and what is said when something is wrong.

mod importing;
mod parameters;
mod reading;
mod rules;
mod wrong;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::directory::{Directory, uid};
use crate::support::onelogin::{Account, OneLogin};
use crate::support::proxy::Proxy;
use crate::support::rig::Rig;
use crate::support::rosterd::{Rosterd, Run};
use crate::support::servers::ScimServer;

/// The mapping of the guide: who, and which role.
const ATTRIBUTES: &str = r#"
[users.attributes]
userName = "username | default(email)"
"name.givenName" = "firstname"
"name.familyName" = "lastname"
"emails.work" = "email"
role = { from = "custom_attributes.heap_role", push = "on_source_change" }
"#;

/// OneLogin, rosterd and an app, with a proxy before the app.
struct Scene {
    onelogin: OneLogin,
    server: ScimServer,
    app: Proxy,
    rosterd: Rosterd,
}

/// 60 people; `heap-base` holds the first 40, `heap-sales` 38 to 44, `other` the rest.
fn account() -> Account {
    let mut account = Account::of(&Directory::generate(60, 1, 1), "Heap", &[]);
    account.delete_role("group-0000");
    for (name, people) in [("heap-base", 0..40), ("heap-sales", 38..45), ("other", 45..60)] {
        let users = people.map(|number| account.user(&uid(number))).collect();
        account.create_role(name, users);
    }
    let app = account.app("Heap");
    for role in ["heap-base", "heap-sales"] {
        account.bind(app, account.role(role));
    }
    account
}

impl Scene {
    /// With the usual account.
    fn new(rig: &Rig) -> Self {
        Self::of(rig, account())
    }

    fn of(rig: &Rig, account: Account) -> Self {
        let server = rig.scim2_server();
        let app = Proxy::before(&server.base_url);
        let scene = Self { onelogin: OneLogin::start(account), server, app, rosterd: Rosterd::new() };
        scene.configure("application = \"Heap\"", "");
        scene
    }

    /// Writes (again) the tenant's file.
    fn configure(&self, source: &str, extra: &str) {
        self.configure_at(&self.onelogin.base_url, source, extra);
    }

    fn configure_at(&self, base_url: &str, source: &str, extra: &str) {
        let secret = self.rosterd.secret("onelogin.secret", &self.onelogin.client_secret);
        let token = self.rosterd.secret("app.secret", &self.server.token);
        let on_deleted = if extra.contains("on_deleted") { "" } else { "on_deleted = \"delete\"" };
        let tenant = format!(
            r#"[source.onelogin]
base_url = "{base_url}"
client_id = "{client_id}"
client_secret = {{ file = "{secret}" }}
allow_http_loopback = true
loopback_port_may_change = true
rate = "5000/s"
attempts = 3
backoff_cap_ms = 50
{source}

[target]
base_url = "{app}"
token = {{ file = "{token}" }}
rate = "2000/s"
allow_http_loopback = true
loopback_port_may_change = true

[target.override_profile.users]
deleted_leave_groups = false

[users]
{on_deleted}
{extra}
{ATTRIBUTES}"#,
            client_id = self.onelogin.client_id,
            secret = secret.display(),
            app = self.app.base_url,
            token = token.display(),
        );
        self.rosterd.tenant("acme", &tenant);
    }

    fn run(&self, command: &[&str]) -> Run {
        self.app.forget();
        self.onelogin.forget();
        self.rosterd.run(command)
    }

    #[track_caller]
    fn sync_with(&self, code: i32) -> Value {
        let run = self.run(&["sync", "acme", "--format", "json"]);
        run.expect_code(code);
        run.json()
    }

    #[track_caller]
    fn sync(&self) -> Value {
        self.sync_with(0)
    }

    /// What a sync that fails before any plan says.
    #[track_caller]
    fn refused(&self) -> String {
        let run = self.run(&["sync", "acme"]);
        run.expect_code(1);
        assert_eq!(self.app.writes().len(), 0, "nothing was changed");
        assert!(!run.stderr.contains(&self.onelogin.client_secret), "{}", run.stderr);
        run.stderr
    }

    #[track_caller]
    fn is_quiet(&self) {
        let report = self.sync();
        assert_eq!(report["planned"], 0, "{report:#}");
        assert_eq!(self.app.calls().len(), 0, "a quiet run makes no request");
    }

    /// Who is in the app, and whether they are active.
    fn people(&self) -> BTreeMap<String, bool> {
        let app = self.server.read();
        app.users.into_iter().map(|(name, user)| (name, user.active.unwrap_or(true))).collect()
    }

    /// The roles of somebody in the app.
    fn role_of(&self, name: &str) -> Vec<String> {
        let app = self.server.read();
        let roles = app.users[name].raw["roles"].as_array().cloned().unwrap_or_default();
        roles.iter().filter_map(|role| role["value"].as_str().map(str::to_owned)).collect()
    }
}

fn names(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    numbers.into_iter().map(uid).collect()
}

fn active(people: &BTreeMap<String, bool>) -> BTreeSet<String> {
    people.iter().filter(|(_, active)| **active).map(|(name, _)| name.clone()).collect()
}

fn operations(report: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    report["operations"].as_array().unwrap().iter().map(|op| (text(&op["op"]), text(&op["name"]))).collect()
}

fn ops(expected: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    expected.iter().map(|(op, name)| ((*op).to_owned(), (*name).to_owned())).collect()
}
