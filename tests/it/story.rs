//! The main job, whole and real: slapd's people become the roster of an app that others wrote, step by step. A proxy counts every
//! request; a reader that shares no code with rosterd reads the app back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::directory::{Directory, Group, Kind as GroupKind, Member, group_dn, person_dn, uid};
use crate::support::proxy::{Fault, Proxy, Rule};
use crate::support::rig::{Rig, require_all};
use crate::support::rosterd::Rosterd;
use crate::support::servers::{Kind, ScimServer};
use crate::support::slapd::{READER_DN, READER_PASSWORD, Slapd};

/// 2,000 people in 100 groups: what the servers that can hold it are given.
const LARGE: (usize, usize, usize) = (2_000, 100, 6_000);
/// For a server that takes half a minute to list 2,000 people.
const SMALL: (usize, usize, usize) = (200, 20, 600);

/// The people's attributes that the servers keep.
const NAMES: &str = r#"
userName = "uid"
"name.givenName" = "givenName"
"name.familyName" = "sn"
"emails.work" = "mail"
"#;

/// For an app that wants a formatted name and lets an e-mail address have no type.
const FORMATTED_NAMES: &str = r#"
userName = "uid"
"name.givenName" = "givenName"
"name.familyName" = "sn"
"name.formatted" = 'givenName ~ " " ~ sn'
"#;

pub(crate) struct Scene {
    pub(crate) slapd: Slapd,
    pub(crate) server: ScimServer,
    proxy: Proxy,
    rosterd: Rosterd,
    names: &'static str,
    in_flight: u32,
}

impl Scene {
    /// With the usual mapping, as fast as the app goes.
    pub(crate) fn new(rig: &Rig, kind: Kind, directory: &Directory, extra: &str) -> Self {
        Self::start(rig, kind, directory, NAMES, 8, extra)
    }

    fn of(rig: &Rig, directory: &Directory, app: &App) -> Self {
        Self::start(rig, app.kind, directory, app.names, app.in_flight, app.profile)
    }

    fn start(rig: &Rig, kind: Kind, directory: &Directory, names: &'static str, in_flight: u32, extra: &str) -> Self {
        let slapd = Slapd::start(rig, directory);
        let server = ScimServer::start(rig, kind);
        let proxy = Proxy::before(&server.base_url);
        let scene = Self { slapd, server, proxy, rosterd: Rosterd::new(), names, in_flight };
        scene.configure(r#"{ name = "*" }"#, extra);
        scene
    }

    /// Writes (again) the tenant's file.
    pub(crate) fn configure(&self, scope: &str, extra: &str) {
        let password = self.rosterd.secret("ldap.secret", READER_PASSWORD);
        let token = self.rosterd.secret("app.secret", &self.server.token);
        let tenant = format!(
            r#"[source.ldap]
url = "{url}"
preset = "openldap"
allow_plain_loopback = true
bind_dn = "{READER_DN}"
password = {{ file = "{password}" }}
base = "dc=example,dc=org"
group_base = "ou=groups,dc=example,dc=org"

[scope]
groups = [{scope}]

[target]
base_url = "{base_url}"
token = {{ file = "{token}" }}
rate = "2000/s"
in_flight = {in_flight}
allow_http_loopback = true

[users]
on_deleted = "delete"

[users.attributes]
{names}
{extra}
"#,
            names = self.names,
            in_flight = self.in_flight,
            url = self.slapd.url(),
            password = password.display(),
            base_url = self.proxy.base_url,
            token = token.display(),
        );
        self.rosterd.tenant("acme", &tenant);
    }

    /// Runs a command about the tenant; gives its JSON and the requests it made.
    pub(crate) fn run(&self, command: &[&str], code: i32) -> (Value, BTreeMap<String, usize>) {
        self.proxy.forget();
        let run = self.rosterd.run(&[command, &["--format", "json"]].concat());
        run.expect_code(code);
        (run.json(), self.proxy.counts())
    }

    /// What a command says that has to be refused.
    pub(crate) fn refused(&self, command: &[&str]) -> String {
        self.rosterd.run(command).expect_code(1).stderr.clone()
    }

    /// Writes (again) a secret that the tenant file names.
    pub(crate) fn secret(&self, name: &str, value: &str) {
        self.rosterd.secret(name, value);
    }

    pub(crate) fn sync(&self) -> (Value, BTreeMap<String, usize>) {
        self.run(&["sync", "acme"], 0)
    }

    /// From now on, what this rule meets gets another answer than the app's.
    pub(crate) fn inject(&self, rule: Rule, fault: Fault) {
        self.proxy.inject(rule, fault);
    }

    /// Every answer is the app's again.
    pub(crate) fn heal(&self) {
        self.proxy.heal();
    }

    /// I12: a second run sends nothing at all.
    pub(crate) fn is_quiet(&self) {
        let (report, calls) = self.sync();
        assert_eq!(report["planned"], 0, "{report:#}");
        assert_eq!(calls.values().sum::<usize>(), 0, "a quiet run makes no request: {calls:?}");
    }

    fn summary(report: &Value) -> BTreeMap<String, u64> {
        serde_json::from_value(report["summary"].clone()).unwrap()
    }
}

/// What the app has to show: user names with activity, and members by group, from the directory's own entries.
fn expected(slapd: &Slapd) -> (BTreeMap<String, bool>, BTreeMap<String, BTreeSet<String>>) {
    let people = slapd.search("(objectClass=inetOrgPerson)", &["uid", "pwdAccountLockedTime"]);
    let uid_of: BTreeMap<String, String> = people.iter().map(|entry| (entry.dn.clone(), entry.first("uid"))).collect();
    let groups = slapd.search("(objectClass=groupOfNames)", &["cn", "member"]);
    let members: BTreeMap<String, BTreeSet<String>> = groups
        .iter()
        .map(|entry| {
            let dns = entry.attributes.get("member").cloned().unwrap_or_default();
            (entry.first("cn"), dns.iter().filter_map(|dn| uid_of.get(dn).cloned()).collect())
        })
        .collect();
    let locked = |uid: &str| {
        people.iter().any(|entry| entry.first("uid") == uid && entry.attributes.contains_key("pwdAccountLockedTime"))
    };
    let belong: BTreeSet<&String> = members.values().flatten().collect();
    (belong.into_iter().map(|uid| (uid.clone(), !locked(uid))).collect(), members)
}

fn assert_equal_to_directory(scene: &Scene, left_behind: &[&str]) {
    let app = scene.server.read();
    let (mut people, mut groups) = expected(&scene.slapd);
    for gone in left_behind {
        people.insert((*gone).to_owned(), false);
    }
    let shown: BTreeMap<String, bool> =
        app.users.iter().map(|(name, user)| (name.clone(), user.active.unwrap_or(true))).collect();
    assert_eq!(shown, people);
    groups.retain(|name, members| !members.is_empty() || app.groups.contains_key(name));
    assert_eq!(app.groups, groups);
    for (name, group) in &app.group_resources {
        assert_eq!(group.members.len(), app.groups[name].len(), "nobody is twice in {name}");
        assert!(group.dangling.is_empty(), "{name} refers to {:?}, who is gone", group.dangling);
    }
}

/// People in groups, and a small group that can be emptied without asking the guard.
fn company((people, groups, memberships): (usize, usize, usize)) -> Directory {
    let mut directory = Directory::generate(people, groups, memberships);
    directory.groups.push(Group {
        cn: "tiny".to_owned(),
        kind: GroupKind::GroupOfNames,
        members: [Member::Dn("cn=nobody,dc=example,dc=org".to_owned())]
            .into_iter()
            .chain([10, 11, 12].map(|number| Member::Person(uid(number))))
            .collect(),
    });
    directory
}

/// An app, and what is particular about it.
struct App {
    kind: Kind,
    /// People, groups, memberships.
    size: (usize, usize, usize),
    names: &'static str,
    /// What an operator writes who connects it.
    profile: &'static str,
    /// Whether it keeps the memberships of deleted people.
    leaves_dangling: bool,
    /// The requests by which a member leaves.
    leaving: &'static [&'static str],
    /// Calls at once.
    in_flight: u32,
    /// Whether a group can get another name.
    renames: bool,
}

impl App {
    fn new(kind: Kind, size: (usize, usize, usize)) -> Self {
        let leaving = &["PATCH /Groups/{id}"];
        Self { kind, size, names: NAMES, profile: "", leaves_dangling: false, leaving, in_flight: 8, renames: true }
    }

    /// The requests of one membership change.
    fn membership(&self, adds: usize, removes: usize) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        for call in [&["PATCH /Groups/{id}"][..]].repeat(adds).iter().chain(&[self.leaving].repeat(removes)) {
            for one in *call {
                *calls.entry((*one).to_owned()).or_default() += 1;
            }
        }
        calls
    }
}

/// The whole story against one app.
fn story(app: &App) {
    let Some(rig) = require_all(&["slapd", app.kind.name()]) else { return };
    let directory = company(app.size);
    let scene = Scene::of(&rig, &directory, app);
    first_sync(&scene, &directory, app.size.0);
    changes(&scene, app);
}

/// Preview, the run it promised, and a quiet one.
fn first_sync(scene: &Scene, directory: &Directory, people: usize) {
    let groups = directory.groups.len() as u64;

    // A preview lists exactly the changes and writes nothing.
    let (plan, calls) = scene.run(&["sync", "acme", "--dry-run", "--detailed-exitcode"], 2);
    assert!(calls.keys().all(|call| call.starts_with("GET")), "a preview only reads: {calls:?}");
    let due = Scene::summary(&plan);
    assert_eq!(due["create_user"], people as u64);
    assert_eq!((due["create_group"], due["add_members"]), (groups, groups));
    assert_eq!(due.len(), 3, "nothing else is due: {due:?}");
    assert!(scene.server.read().users.is_empty());

    // The run does what the preview showed (I10).
    let (report, _) = scene.sync();
    assert_eq!((&report["status"], &report["plan"]), (&Value::from("ok"), &plan["plan"]));
    assert_eq!(report["done"], report["planned"]);
    assert_equal_to_directory(scene, &[]);
    scene.is_quiet();
}

/// The expected calls, and at most one look each at an account and at a group: the first removal whose answer shows nothing is looked at.
pub(crate) fn are_with_one_look(calls: &BTreeMap<String, usize>, expected: &BTreeMap<String, usize>, report: &Value) {
    let mut left = calls.clone();
    for look in ["GET /Users/{id}", "GET /Groups/{id}"] {
        let known = expected.get(look).copied().unwrap_or_default();
        let made = calls.get(look).copied().unwrap_or_default();
        assert!((known..=known + 1).contains(&made), "{calls:?}: {report:#}");
        left.remove(look);
        if known > 0 {
            left.insert(look.to_owned(), known);
        }
    }
    assert_eq!(&left, expected, "{report:#}");
}

/// One of everything: each shows up as the smallest possible set of calls.
fn changes(scene: &Scene, app: &App) {
    // A new family name.
    let modify = |dn: &str, change: &str| scene.slapd.modify(&format!("dn: {dn}\nchangetype: modify\n{change}\n"));
    modify(&person_dn(&uid(1)), "replace: sn\nsn: Newname");
    let (report, calls) = scene.sync();
    assert_eq!(Scene::summary(&report), BTreeMap::from([("update_user".to_owned(), 1)]));
    assert_eq!(calls, BTreeMap::from([("PATCH /Users/{id}".to_owned(), 1)]));
    assert_eq!(scene.server.read().users[&uid(1)].family_name.as_deref(), Some("Newname"));

    // From one group to another: added before removed, and never without access.
    modify(&group_dn("group-0001"), &format!("add: member\nmember: {}", person_dn(&uid(2))));
    modify(&group_dn("group-0000"), &format!("delete: member\nmember: {}", person_dn(&uid(2))));
    let (report, calls) = scene.sync();
    are_with_one_look(&calls, &app.membership(1, 1), &report);
    let lanes: Vec<&str> =
        report["operations"].as_array().unwrap().iter().map(|op| op["op"].as_str().unwrap()).collect();
    assert_eq!(lanes, ["add_members", "remove_members"]);
    assert_equal_to_directory(scene, &[]);

    // Disabled by name: one call, first of all lanes.
    modify(&person_dn(&uid(3)), "add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z");
    let (report, calls) = scene.sync();
    are_with_one_look(&calls, &BTreeMap::from([("PATCH /Users/{id}".to_owned(), 1)]), &report);
    assert_eq!(report["operations"][0]["lane"], "leavers");
    assert_equal_to_directory(scene, &[]);

    // Deleted in the directory, where refint takes them out of their groups too.
    scene.slapd.delete(&person_dn(&uid(4)));
    let (report, calls) = scene.sync();
    assert_eq!(calls.get("DELETE /Users/{id}"), Some(&1), "{report:#}");
    assert_eq!(
        calls.keys().any(|call| call.ends_with("/Groups/{id}") && !call.starts_with("GET")),
        app.leaves_dangling,
        "memberships are only removed where the app would keep them: {calls:?}"
    );
    assert_equal_to_directory(scene, &[]);

    // A group gets another name and keeps its members; where the app can't do that, somebody has to decide.
    scene.slapd.rename(&group_dn("group-0005"), "cn=Renamed");
    if app.renames {
        let (_, calls) = scene.sync();
        assert_eq!(calls, BTreeMap::from([("PATCH /Groups/{id}".to_owned(), 1)]));
    } else {
        let (report, calls) = scene.run(&["sync", "acme"], 3);
        assert_eq!((&report["holds"][0]["reason"], calls.len()), (&Value::from("needs_decision"), 0), "{report:#}");
        scene.slapd.rename(&group_dn("Renamed"), "cn=group-0005");
        scene.is_quiet();
    }
    assert_equal_to_directory(scene, &[]);

    // A group is emptied: it stays, without members.
    let delete: Vec<String> = [10, 11, 12].map(|number| format!("member: {}", person_dn(&uid(number)))).to_vec();
    modify(&group_dn("tiny"), &format!("delete: member\n{}", delete.join("\n")));
    let (report, calls) = scene.sync();
    are_with_one_look(&calls, &app.membership(0, 1), &report);
    assert_eq!(scene.server.read().groups["tiny"], BTreeSet::new());
    assert_equal_to_directory(scene, &[]);
    scene.is_quiet();
}

/// For an app that keeps the memberships of deleted people.
const DANGLING: &str = "[target.override_profile.users]\ndeleted_leave_groups = false";

/// I9: a run with one of everything is taken back, as the runbook says; the other client sees what it saw before.
fn taken_back(app: &App) {
    let Some(rig) = require_all(&["slapd", app.kind.name()]) else { return };
    let directory = company(app.size);
    let scene = Scene::of(&rig, &directory, app);
    scene.sync();
    let roster = || {
        let app = scene.server.read();
        let users = app.users.iter().map(|(name, user)| (name.clone(), (user.active, user.family_name.clone())));
        (users.collect::<BTreeMap<_, _>>(), app.groups)
    };
    let modify = |dn: &str, change: &str| scene.slapd.modify(&format!("dn: {dn}\nchangetype: modify\n{change}\n"));
    let member = |change: &str, n: usize| {
        modify(&group_dn("tiny"), &format!("{change}: member\nmember: {}", person_dn(&uid(n))));
    };
    let (before, sn) = (roster(), scene.slapd.search(&format!("(uid={})", uid(1)), &["sn"])[0].first("sn"));
    modify(&person_dn(&uid(20)), "add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z");
    modify(&person_dn(&uid(1)), "replace: sn\nsn: Mistaken");
    member("delete", 10);
    member("add", 30);
    scene.slapd.rename(&group_dn("group-0006"), "cn=Mistaken");
    let (report, _) = scene.sync();
    assert_eq!(report["done"], 5, "{report:#}");
    assert_ne!(roster(), before);

    scene.rosterd.run(&["pause", "acme"]).expect_code(0);
    let (undone, _) = scene.run(&["undo", "acme", "last", "--yes"], 0);
    assert_eq!((&undone["undoes"], &undone["done"]), (&report["run"], &report["done"]), "{undone:#}");
    assert_eq!(roster(), before, "memberships, active flags and values are those of before");

    modify(&person_dn(&uid(20)), "delete: pwdAccountLockedTime");
    modify(&person_dn(&uid(1)), &format!("replace: sn\nsn: {sn}"));
    member("add", 10);
    member("delete", 30);
    scene.slapd.rename(&group_dn("Mistaken"), "cn=group-0006");
    let (plan, _) = scene.run(&["plan", "acme"], 0);
    assert_eq!(plan["operations"], serde_json::json!([]), "the directory is mended: nothing is left to do");
    scene.rosterd.run(&["resume", "acme"]).expect_code(0);
    scene.is_quiet();
}

#[test]
fn i9_a_run_is_taken_back_on_scim2_server() {
    taken_back(&App { profile: DANGLING, leaves_dangling: true, ..App::new(Kind::Scim2Server, SMALL) });
}

#[test]
fn i9_a_run_is_taken_back_on_better_auth() {
    taken_back(&App::new(Kind::BetterAuth, SMALL));
}

#[test]
fn i12_slapd_to_scim2_server() {
    story(&App { profile: DANGLING, leaves_dangling: true, ..App::new(Kind::Scim2Server, LARGE) });
}

#[test]
fn i12_slapd_to_better_auth() {
    story(&App::new(Kind::BetterAuth, LARGE));
}

#[test]
fn i12_slapd_to_scimmy() {
    story(&App { profile: DANGLING, leaves_dangling: true, ..App::new(Kind::Scimmy, SMALL) });
}

/// It refuses to make a group without members, ignores filters, and answers a PATCH whose path has a value filter with a web
/// page: members leave by PUT. An e-mail address with a type is refused, so none is sent.
#[test]
fn i12_slapd_to_canaille() {
    let profile = r#"
[target.override_profile.read]
user_match = ["userName"]
group_match = ["displayName"]

[target.override_profile.users]
send_external_id = false

[target.override_profile.groups]
send_external_id = false
member_value = "user_name"
member_ref = true
member_remove = "put_remaining"
"#;
    let leaving = &["GET /Groups/{id}", "PUT /Groups/{id}"];
    story(&App { names: FORMATTED_NAMES, profile, leaving, ..App::new(Kind::Canaille, SMALL) });
}

/// It finds nobody by externalId, takes members out by a list of values only, and can't rename a group. Its database is SQLite,
/// which answers 500 to whoever writes while somebody else does: one call at a time.
#[test]
fn i12_slapd_to_django_scim2() {
    let profile = r#"
[target.override_profile.read]
user_match = ["userName"]

[target.override_profile.groups]
member_remove = "value_list"
rename = false
"#;
    story(&App { profile, in_flight: 1, renames: false, ..App::new(Kind::DjangoScim2, SMALL) });
}
