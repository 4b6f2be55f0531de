//! A company in JumpCloud, an app that others wrote, and rosterd between them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::directory::{Directory, Group, Kind as GroupKind, Member, uid};
use crate::support::jumpcloud::{API_KEY, JumpCloud};
use crate::support::proxy::Proxy;
use crate::support::rig::Rig;
use crate::support::rosterd::{Rosterd, Run};
use crate::support::servers::{Kind, ScimServer};

/// For an app that keeps the memberships of deleted people.
pub(super) const DANGLING: &str = "[target.override_profile.users]\ndeleted_leave_groups = false";

/// People in `base`.
pub(super) const BASE: usize = 60;

/// `base` holds 0..60; `sales` 60, 61, 62 and 0; `eng` 62, 63, 64 and 1; `other` 65 and 66.
pub(super) fn company() -> Directory {
    let mut directory = Directory::generate(BASE + 7, 1, 1);
    let base: Vec<usize> = (0..BASE).collect();
    directory.groups = vec![
        group("base", &base),
        group("sales", &[60, 61, 62, 0]),
        group("eng", &[62, 63, 64, 1]),
        group("other", &[65, 66]),
    ];
    directory
}

pub(super) fn group(name: &str, people: &[usize]) -> Group {
    let members = people.iter().map(|number| Member::Person(uid(*number))).collect();
    Group { cn: name.to_owned(), kind: GroupKind::GroupOfNames, members }
}

pub(super) fn people(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    numbers.into_iter().map(uid).collect()
}

pub(super) struct Scene {
    pub(super) cloud: JumpCloud,
    pub(super) server: ScimServer,
    pub(super) proxy: Proxy,
    pub(super) rosterd: Rosterd,
}

/// What a tenant file has besides what every one of these has.
#[derive(Clone, Copy, Default)]
pub(super) struct Wording<'a> {
    /// Keys of `[source.jumpcloud]` instead of the application "Heap".
    pub(super) source: Option<&'a str>,
    /// Tables at the end.
    pub(super) tables: &'a str,
    /// Further lines of `[users.attributes]`.
    pub(super) attributes: &'a str,
}

impl Scene {
    /// With the groups named bound to the application "Heap".
    pub(super) fn new(rig: &Rig, kind: Kind, directory: &Directory, bound: &[&str]) -> Self {
        let cloud = JumpCloud::start(directory);
        cloud.change(|org| org.bind("Heap", bound));
        let server = ScimServer::start(rig, kind);
        let proxy = Proxy::before(&server.base_url);
        Self { cloud, server, proxy, rosterd: Rosterd::new() }
    }

    /// Writes (again) the tenant's file.
    pub(super) fn configure(&self, wording: Wording<'_>) {
        let tenant = tenant(
            &self.rosterd,
            &self.cloud,
            &self.cloud.base_url(),
            (&self.proxy.base_url, &self.server.token),
            wording,
        );
        self.rosterd.tenant("acme", &tenant);
    }

    pub(super) fn command(&self, command: &[&str]) -> Run {
        self.proxy.forget();
        self.cloud.forget();
        self.rosterd.run(&[command, &["--format", "json"]].concat())
    }

    /// Runs a command about the tenant; gives its JSON and the requests it made of the app.
    #[track_caller]
    pub(super) fn run(&self, command: &[&str], code: i32) -> (Value, BTreeMap<String, usize>) {
        let run = self.command(command);
        run.expect_code(code);
        (run.json(), self.proxy.counts())
    }

    #[track_caller]
    pub(super) fn sync(&self) -> (Value, BTreeMap<String, usize>) {
        self.run(&["sync", "acme"], 0)
    }

    /// I12: a second run sends nothing at all.
    #[track_caller]
    pub(super) fn is_quiet(&self) {
        let (report, calls) = self.sync();
        assert_eq!(report["planned"], 0, "{report:#}");
        assert_eq!(calls.values().sum::<usize>(), 0, "a quiet run makes no request: {calls:?}");
    }

    /// What the other reader must see: everybody in the app, who of them is inactive, and the groups with their members.
    #[track_caller]
    pub(super) fn app_shows(&self, all: BTreeSet<String>, inactive: &[usize], groups: &[(&str, BTreeSet<String>)]) {
        let app = self.server.read();
        let names: BTreeSet<String> = app.users.keys().cloned().collect();
        assert_eq!(names, all, "who is there");
        let shown = app.users.iter().filter(|(_, user)| user.active == Some(false)).map(|(name, _)| name.clone());
        assert_eq!(shown.collect::<BTreeSet<_>>(), people(inactive.iter().copied()), "who is inactive");
        let expected: BTreeMap<String, BTreeSet<String>> =
            groups.iter().map(|(name, members)| ((*name).to_owned(), members.clone())).collect();
        assert_eq!(app.groups, expected);
    }
}

pub(super) fn tenant(
    rosterd: &Rosterd,
    cloud: &JumpCloud,
    base_url: &str,
    (app, token): (&str, &str),
    wording: Wording<'_>,
) -> String {
    rosterd.secret("jumpcloud.secret", API_KEY);
    rosterd.secret("app.secret", token);
    let source = wording.source.unwrap_or("api_key = { file = \"../jumpcloud.secret\" }\napplication = \"Heap\"");
    format!(
        r#"[source.jumpcloud]
base_url = "{base_url}"
insights_url = "{insights}"
allow_http_loopback = true
loopback_port_may_change = true
rate = "2000/s"
backoff_cap_ms = 50
{source}

[target]
base_url = "{app}"
token = {{ file = "../app.secret" }}
rate = "2000/s"
in_flight = 8
allow_http_loopback = true
loopback_port_may_change = true

[users]
on_deleted = "delete"

[users.attributes]
userName = "username"
"name.givenName" = "firstname"
"name.familyName" = "lastname"
"emails.work" = "email"
{attributes}
{tables}
"#,
        insights = cloud.insights_url(),
        attributes = wording.attributes,
        tables = wording.tables,
    )
}

pub(super) fn operations(report: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let operations = report["operations"].as_array().unwrap();
    operations.iter().map(|operation| (text(&operation["op"]), text(&operation["name"]))).collect()
}

pub(super) fn ops(expected: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    expected.iter().map(|(op, name)| ((*op).to_owned(), (*name).to_owned())).collect()
}
